"""How much a model's predictions depend on whom it learned from, and on how many."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.outcome import EVENT, FollowUp
from features.privacy import SMALLEST_COUNT, shown
from training.measures import CONFIDENCE, Estimate, estimate, quantiles
from training.models import RiskModel
from training.splits import Fold, Split
from training.survival import Floats, close
from training.validate.predicting import Progress, out_of_fold

Model = TypeVar("Model", bound=RiskModel)

LEARNED: Final = ("auc", "observed_expected", "calibration_slope", "ipa")
GROUPS: Final = 10


@dataclass(frozen=True)
class Robustness:
    """What else is asked of some models, each of which is then fitted many times.

    Parameters
    ----------
    models
        Names of the models; published ones have nothing to fit.
    refits
        Times each is fitted again on practices drawn with replacement; 0 for no stability.
    sizes
        Numbers of practices to learn from, as far as there are as many; empty for no learning curve.

    Raises
    ------
    ValueError
        If there is one refit only, or a size is below 1.
    """

    models: tuple[str, ...]
    refits: int = 20
    sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        faults = []
        if self.refits == 1 or self.refits < 0:
            faults.append(f"{self.refits} refits do not show a spread: ask for 0 or at least 2")
        if any(size < 1 for size in self.sizes):
            faults.append(f"sizes are {list(self.sizes)}: a model learns from at least 1 practice")
        if faults:
            raise ValueError("; ".join(faults))


@dataclass(frozen=True)
class StabilityGroup:
    """People given similar risks by the model as it is.

    Parameters
    ----------
    predicted
        Their mean risk.
    difference, largest
        Absolute difference between the risk a refitted model gives and theirs: its mean, and what it exceeds for one
        person in twenty (the mean over refits, person by person).
    n
        Rows, at least 11.
    """

    predicted: float
    difference: float
    largest: float
    n: int


@dataclass(frozen=True)
class Stability:
    """How far the risks of the same people move when the model is fitted again on other practices.

    Parameters
    ----------
    model
        Its name.
    refits
        Times it was fitted again, on as many practices drawn with replacement.
    difference
        Mean absolute difference of the risk, over people and refits; the interval is the spread over refits.
    changed
        At each threshold, share of people on the other side of it; the interval is the spread over refits.
    groups
        The difference by tenths of the risk. No person's own is told.

    Notes
    -----
    Riley and Collins (2023, doi:10.1002/bimj.202200302).
    """

    model: str
    refits: int
    difference: Estimate
    changed: tuple[Estimate, ...]
    groups: tuple[StabilityGroup, ...]


@dataclass(frozen=True)
class LearningPoint:
    """How a model fares that learned from so many practices.

    Parameters
    ----------
    clusters
        Practices learned from, at most, in each fold.
    estimates
        Discrimination, calibration and overall accuracy on the held-out people.
    """

    clusters: int
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True)
class LearningCurve:
    """Performance against the number of practices learned from: would more of them help?

    Parameters
    ----------
    model
        Its name.
    points
        From few practices to many; each set holds the one before.
    """

    model: str
    points: tuple[LearningPoint, ...]


def refitted(
    model: Model, X: pd.DataFrame, followup: FollowUp, clusters: npt.ArrayLike, refits: int, seed: int = 0
) -> Iterator[Model]:
    """Yield copies of a model, each fitted on as many clusters as there are, drawn with replacement."""
    labels, cluster = np.unique(np.asarray(clusters), return_inverse=True)
    order = np.argsort(cluster, kind="stable")
    bounds = np.searchsorted(cluster[order], np.arange(len(labels) + 1))
    random = np.random.default_rng(seed)
    for _ in range(refits):
        drawn = random.integers(0, len(labels), len(labels))
        rows = np.concatenate([order[bounds[each] : bounds[each + 1]] for each in drawn])
        yield copy.deepcopy(model).fit(X.iloc[rows], followup[rows])


def stability(
    model: RiskModel,
    X: pd.DataFrame,
    followup: FollowUp,
    horizon: float,
    clusters: npt.ArrayLike,
    thresholds: Sequence[float] = (),
    refits: int = 20,
    seed: int = 0,
    progress: Progress | None = None,
) -> Stability:
    """Fit a model again and again on clusters drawn with replacement, and compare its predictions.

    Parameters
    ----------
    model
        Left as it is: copies are fitted.
    X, followup, clusters
        Features, follow-up and practice of the same ``n`` rows.
    horizon
        Years.
    thresholds
        Decision thresholds.
    refits, seed
        How often, at least 2, and what makes it reproducible.
    progress
        Told of each fit.

    Returns
    -------
    Stability
        On the rows that the model itself gives a risk to. Memory does not grow with the refits.
    """
    original = copy.deepcopy(model).fit(X, followup).risk(X, horizon)
    scored = np.flatnonzero(np.isfinite(original))
    original, asked = original[scored], X.iloc[scored]
    apart = np.zeros(len(scored))
    mean, changed = np.full(refits, np.nan), np.full((refits, len(thresholds)), np.nan)
    for refit, again in enumerate(refitted(model, X, followup, clusters, refits, seed)):
        risk = again.risk(asked, horizon)
        difference = np.abs(risk - original)
        apart += difference / refits
        mean[refit] = difference.mean()
        changed[refit] = [((risk >= cut) != (original >= cut)).mean() for cut in thresholds]
        if progress is not None:
            progress(f"{model.name}, fitted again", refit + 1, refits)
    n, events = len(scored), int((close(followup[scored], horizon).cause == EVENT).sum())

    def spread(name: str, values: Floats, threshold: float | None = None) -> Estimate:
        tail = (1 - CONFIDENCE) / 2
        low, high = np.quantile(values, [tail, 1 - tail])
        return Estimate(name, float(values.mean()), float(low), float(high), n, events, threshold).suppressed(n)

    return Stability(
        model.name,
        refits,
        spread("stability", mean),
        tuple(spread("changed", changed[:, at], cut) for at, cut in enumerate(thresholds)),
        tuple(_groups(original, apart)),
    )


def _groups(risk: Floats, apart: Floats) -> Iterator[StabilityGroup]:
    """Yield the tenths of the risk that hold enough people; equal risks stay together."""
    edges = np.unique(np.quantile(risk, np.arange(1, GROUPS) / GROUPS))
    place = np.searchsorted(edges, risk, side="right")
    for group in range(len(edges) + 1):
        rows = place == group
        n = shown(int(rows.sum()))
        # One in twenty is a person's own figure unless at least as many as a small count lie beyond it.
        if n is not None and n >= 20 * SMALLEST_COUNT:
            (largest,) = quantiles(apart[rows], np.ones(n), (0.95,))
            yield StabilityGroup(float(risk[rows].mean()), float(apart[rows].mean()), float(largest), n)


@dataclass(frozen=True)
class Fewer:
    """A split that learns from some of the clusters only.

    Parameters
    ----------
    splits
        How people are held out.
    clusters
        Column of the index.
    many
        Clusters to learn from in each fold.
    seed
        Decides which; a larger number takes the same ones and others.
    """

    splits: Split
    clusters: str
    many: int
    seed: int = 0

    def split(self, index: pd.DataFrame) -> Iterator[Fold]:
        """Yield the folds.

        Raises
        ------
        ValueError
            If a fold has fewer clusters to learn from.
        """
        labels, cluster = np.unique(index[self.clusters].to_numpy(), return_inverse=True)
        rank = np.random.default_rng(self.seed).permutation(len(labels))
        for label, train, test in self.splits.split(index):
            known = np.unique(cluster[train])
            if len(known) < self.many:
                raise ValueError(
                    f"fold {label!r} has {len(known)} values of {self.clusters} to learn from, not {self.many}: "
                    "ask for a smaller size"
                )
            kept = known[np.argsort(rank[known])][: self.many]
            yield label, train[np.isin(cluster[train], kept)], test

    def describe(self) -> dict[str, Any]:
        """Return what a model card says of this split."""
        return {**self.splits.describe(), "learned_from": self.many}


def learning_curve(
    model: RiskModel,
    X: pd.DataFrame,
    followup: FollowUp,
    index: pd.DataFrame,
    splits: Split,
    horizon: float,
    sizes: Sequence[int],
    resamples: int = 200,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    clusters: str = "practice",
) -> LearningCurve:
    """Learn from more and more practices, and judge each time on the same held-out people.

    Parameters
    ----------
    model, X, followup, index, splits, horizon, resamples, seed, progress, clusters
        As for `validate`.
    sizes
        Numbers of practices; those that a fold has not are left out.

    Raises
    ------
    ValueError
        As `out_of_fold`.
    """
    labels = index[clusters].to_numpy()
    most = min(len(np.unique(labels[train])) for _, train, _ in splits.split(index))
    points = []
    for size in sorted(size for size in sizes if size <= most):
        split = Fewer(splits, clusters, size, seed)
        risk = out_of_fold([model], X, followup, index, split, progress, horizon=horizon)[model.name]
        rows = np.flatnonzero(np.isfinite(risk))
        found = estimate(risk[rows], followup[rows], horizon, labels[rows], (), resamples, seed, LEARNED)
        smallest = min(found[0].events or 0, len(rows) - (found[0].events or 0))
        points.append(LearningPoint(size, tuple(each.suppressed(smallest) for each in found)))
    return LearningCurve(model.name, tuple(points))

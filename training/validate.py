"""From models and held-out people to evidence: what can be claimed, and with what certainty.

Every risk that is judged was given by a model that had learned from nobody in the judged person's fold. Small
counts are masked as evidence is made, so it can be published as it is.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special, stats

from features.outcome import COMPETING, EVENT, FollowUp
from features.privacy import SMALLEST_COUNT, mask, shown
from training.curves import (
    DECISION_RANGE,
    CalibrationPoint,
    DecisionPoint,
    RiskDistribution,
    SmoothPoint,
    calibration_curve,
    decision_curve,
    risk_distribution,
    smooth_calibration,
)
from training.measures import CONFIDENCE, MEASURES, Estimate, columns_of, difference, estimate, smallest_cell
from training.models import RiskModel
from training.splits import Positions, Split
from training.survival import Floats, close
from training.tree import JsonTree

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many steps are done, and of how many."""

Predictions = pd.DataFrame
"""Out-of-fold risks, a column a model, a row a landmark; NaN where refused or not tested. Never written out."""

COMPARED: Final = ("auc", "brier", "ipa", "net_benefit")
ACROSS_FOLDS: Final = ("auc", "observed_expected")


@dataclass(frozen=True)
class Heterogeneity:
    """How much a measure varies from fold to fold, and what to expect in a new one.

    Parameters
    ----------
    measure
        Name of the measure.
    folds
        Folds that had a value and an interval.
    pooled, low, high
        Random-effects mean and its 95 % interval.
    tau
        Standard deviation between folds, of the logit (AUC) or of the logarithm (observed / expected).
    expected_low, expected_high
        95 % prediction interval of a new fold's true value.
    """

    measure: str
    folds: int
    pooled: float = math.nan
    low: float = math.nan
    high: float = math.nan
    tau: float = math.nan
    expected_low: float = math.nan
    expected_high: float = math.nan


@dataclass(frozen=True)
class FoldEvidence:
    """What one held-out group of practices (regions, years) shows.

    Parameters
    ----------
    label
        Label of the fold.
    estimates
        Discrimination and observed / expected in it.
    """

    label: str
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True)
class ModelEvidence:
    """What is known of one model.

    Parameters
    ----------
    name, title
        Those of the model.
    scored, refused
        Tested landmarks with and without a risk. When a model refuses 1 to 10, neither is shown, nor any other
        count of its landmarks that would tell them.
    reasons
        Why risks were refused, and how often; empty when the model does not say.
    estimates
        Every measure.
    calibration, smooth
        Observed against predicted risk: by risk group, and as a smooth curve (empty with too few events).
    decision, distribution
        Decision curve, and spread of predicted risks (None without any).
    folds, heterogeneity
        Each fold, and how much they differ.
    """

    name: str
    title: str
    scored: int | None
    refused: int | None
    reasons: dict[str, int | None]
    estimates: tuple[Estimate, ...] = ()
    calibration: tuple[CalibrationPoint, ...] = ()
    smooth: tuple[SmoothPoint, ...] = ()
    decision: tuple[DecisionPoint, ...] = ()
    distribution: RiskDistribution | None = None
    folds: tuple[FoldEvidence, ...] = ()
    heterogeneity: tuple[Heterogeneity, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """A model against the comparator, on the landmarks both could score.

    Parameters
    ----------
    model, comparator
        Their names.
    differences
        Model minus comparator, measure by measure, from the same bootstrap replicates.
    decision, comparator_decision
        Decision curves of both, on these same landmarks: curves of different people must not be laid over each other.
    """

    model: str
    comparator: str
    differences: tuple[Estimate, ...]
    decision: tuple[DecisionPoint, ...] = ()
    comparator_decision: tuple[DecisionPoint, ...] = ()


@dataclass(frozen=True)
class Evidence(JsonTree):
    """What a study shows: the root of the tree.

    Parameters
    ----------
    study
        Name of the study.
    horizon
        Years.
    people, landmarks, practices
        How many were tested.
    events, competing, censored, followed
        Tested landmarks by what was seen at the horizon: the event, a competing event, departure before it,
        or neither event until it. None where too few to be shown.
    splits
        How people were held out.
    clusters
        Column of the index whose values, whole, were drawn in the bootstrap.
    thresholds, resamples, seed
        Decision thresholds, bootstrap replicates and their seed.
    models, comparisons
        What is known of each model, and of each against the comparator.
    """

    study: str
    horizon: float
    people: int | None
    landmarks: int | None
    practices: int
    events: int | None
    competing: int | None
    censored: int | None
    followed: int | None
    splits: dict[str, Any]
    clusters: str
    thresholds: tuple[float, ...]
    resamples: int
    seed: int
    models: tuple[ModelEvidence, ...]
    comparisons: tuple[Comparison, ...]


def out_of_fold(
    models: Sequence[RiskModel],
    X: pd.DataFrame,
    followup: FollowUp,
    index: pd.DataFrame,
    splits: Split,
    progress: Progress | None = None,
    *,
    horizon: float | None = None,
) -> dict[str, Floats]:
    """Predict each tested row by models that learned from nobody in its fold.

    Parameters
    ----------
    models
        Left as they are: a copy of each is fitted in each fold. A published model has nothing to fit.
    X, followup, index
        Features, follow-up and index of the same ``n`` landmarks.
    splits
        How people are held out.
    progress
        Told of each fit.
    horizon
        Years; that of the follow-up by default.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        Risk by the horizon for each model's name; NaN where the model refused or the row was not tested.

    Raises
    ------
    ValueError
        If two models share a name, lengths differ, or the split is impossible.
    """
    names = [model.name for model in models]
    faults = [f"{many} models are called {name!r}" for name, many in Counter(names).items() if many > 1]
    if not len(X) == len(followup) == len(index):
        faults.append(f"X has {len(X)} rows, followup {len(followup)}, index {len(index)}: align them")
    if faults:
        raise ValueError("; ".join(faults))
    folds = list(splits.split(index))
    years = followup.horizon if horizon is None else horizon
    risks = {name: np.full(len(X), np.nan) for name in names}
    for step, ((label, train, test), model) in enumerate(itertools.product(folds, models), start=1):
        fitted = copy.deepcopy(model).fit(X.iloc[train], followup[train])
        risks[model.name][test] = fitted.risk(X.iloc[test], years)
        if progress is not None:
            progress(f"{model.name}, {label}", step, len(folds) * len(models))
    return risks


def validate(
    name: str,
    models: Sequence[RiskModel],
    X: pd.DataFrame,
    followup: FollowUp,
    index: pd.DataFrame,
    splits: Split,
    horizon: float,
    thresholds: Sequence[float] = (),
    comparator: str | None = None,
    resamples: int = 200,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    decision_range: Sequence[float] = DECISION_RANGE,
    clusters: str = "practice",
) -> tuple[Evidence, Predictions]:
    """Hold people out, predict them, and say what it shows.

    Parameters
    ----------
    name
        Name of the study.
    models
        Learned and published models, each with its own name.
    X, followup, index
        Features, follow-up and index (``patient``, ``practice``, ``as_of``) of the same ``n`` landmarks.
    splits
        How people are held out.
    horizon
        Years, at most that of the follow-up.
    thresholds
        Decision thresholds, declared before looking.
    comparator
        Name of the model the others are compared with; None for no comparison.
    resamples, seed
        Bootstrap over clusters: replicates, and what makes them reproducible.
    progress
        Told of each fit, then of each model judged.
    decision_range
        Thresholds of the decision curve.
    clusters
        Column of the index whose values are drawn, whole, in the bootstrap: ``"practice"``, or ``"patient"``
        for a cohort of one centre, where somebody may have several landmarks.

    Returns
    -------
    evidence : Evidence
    predictions : DataFrame
        Out-of-fold risks, a column a model, indexed as ``index``; for the audit, in memory only.

    Raises
    ------
    ValueError
        If the comparator is not among the models, the tested landmarks lie in fewer than two clusters, or an
        argument is impossible (as `out_of_fold` and `estimate`).

    Notes
    -----
    Risks of all folds are judged together, and discrimination and calibration fold by fold as well.
    """
    names = [model.name for model in models]
    if comparator is not None and comparator not in names:
        raise ValueError(f"comparator {comparator!r} is not one of the models: {', '.join(names)}")
    columns_of(None, [*thresholds, *decision_range])
    closed = close(followup, horizon)
    folds = {label: test for label, _, test in splits.split(index)}
    tested = np.sort(np.concatenate(list(folds.values())))
    _check_clusters(index.iloc[tested], clusters)
    risks = out_of_fold(models, X, followup, index, splits, progress, horizon=horizon)
    bench = _Bench(followup, index[clusters].to_numpy(), horizon, tuple(thresholds), resamples, seed)

    judged = []
    for done, model in enumerate(models, start=1):
        judged.append(bench.judge(model, X, risks[model.name], tested, folds, decision_range))
        if progress is not None:
            progress(f"{model.name}, judged", done, len(models))
    evidence = Evidence(
        study=name,
        horizon=horizon,
        people=shown(index["patient"].iloc[tested].nunique()),
        landmarks=shown(len(tested)),
        practices=index["practice"].iloc[tested].nunique(),
        **_seen(closed[tested]),
        splits=splits.describe(),
        clusters=clusters,
        thresholds=tuple(thresholds),
        resamples=resamples,
        seed=seed,
        models=tuple(judged),
        comparisons=tuple(
            bench.compare(other, comparator, risks, tested, decision_range)
            for other in names
            if comparator is not None and other != comparator
        ),
    )
    return evidence, pd.DataFrame(risks, index=index.index)


def _check_clusters(tested: pd.DataFrame, clusters: str) -> None:
    """Raise ValueError when there are not two clusters to draw, saying which other column has them."""
    known = [name for name in ("practice", "region", "patient") if name in tested.columns]
    many = {name: tested[name].nunique() for name in known}
    use = " or ".join(f"clusters={name!r} ({many[name]:,} values)" for name in known if many[name] > 1)
    advice = f"use {use}" if use else "test more people"
    if clusters not in tested.columns:
        raise ValueError(f"the index has no column {clusters!r} to draw clusters from: {advice}")
    if tested[clusters].isna().any():
        raise ValueError(f"{int(tested[clusters].isna().sum())} tested landmarks have no {clusters}: {advice}")
    if tested[clusters].nunique() < 2:
        raise ValueError(
            f"the tested landmarks have one {clusters} only, and a bootstrap draws among at least two: {advice}"
        )


def _seen(closed: FollowUp) -> dict[str, int | None]:
    """Count rows by what was seen by the horizon, small counts masked."""
    event, competing = closed.cause == EVENT, closed.cause == COMPETING
    followed = ~event & ~competing & (closed.duration >= closed.horizon)
    statuses = {
        "events": event,
        "competing": competing,
        "censored": ~(event | competing | followed),
        "followed": followed,
    }
    return dict(zip(statuses, mask([int(rows.sum()) for rows in statuses.values()]), strict=True))


@dataclass(frozen=True, eq=False)
class _Bench:
    """What all judgements of a study share: the truth, the clusters and how to resample them."""

    followup: FollowUp
    clusters: npt.NDArray[Any]
    horizon: float
    thresholds: tuple[float, ...]
    resamples: int
    seed: int

    def judge(
        self,
        model: RiskModel,
        X: pd.DataFrame,
        risk: Floats,
        tested: Positions,
        folds: Mapping[str, Positions],
        decision_range: Sequence[float],
    ) -> ModelEvidence:
        """Return what the out-of-fold risks of one model show."""
        refused = np.isnan(risk)
        rows, others = tested[~refused[tested]], tested[refused[tested]]
        scored, left = mask([len(rows), len(others)])
        evidence = ModelEvidence(
            name=model.name,
            title=model.title,
            scored=scored,
            refused=left,
            reasons=_reasons(model, X.iloc[others], len(rows)),
        )
        if not len(rows):
            return evidence
        telling = self._telling(rows, tested)
        answered = {label: test[~refused[test]] for label, test in folds.items()}
        in_folds = set().union(*(self._telling(few, folds[label]) for label, few in answered.items()))
        by_fold = tuple(
            FoldEvidence(label, self._estimate(risk, few, (), in_folds, ACROSS_FOLDS))
            for label, few in answered.items()
            if len(few)
        )
        where = (self.followup[rows], self.horizon, self.clusters[rows])
        return dataclasses.replace(
            evidence,
            estimates=self._estimate(risk, rows, self.thresholds, telling),
            calibration=tuple(
                _hide(point, telling)
                for point in calibration_curve(risk[rows], *where, resamples=self.resamples, seed=self.seed)
            ),
            smooth=tuple(smooth_calibration(risk[rows], *where, self.resamples, self.seed)),
            decision=self._decision(risk, rows, telling, decision_range),
            distribution=risk_distribution(
                risk[rows], self.followup[rows], self.horizon, refused=self.followup[others]
            ),
            folds=by_fold,
            heterogeneity=tuple(
                across_folds([fold.estimates[position] for fold in by_fold]) for position in range(len(ACROSS_FOLDS))
            ),
        )

    def compare(
        self,
        model: str,
        comparator: str,
        risks: Mapping[str, Floats],
        tested: Positions,
        decision_range: Sequence[float],
    ) -> Comparison:
        """Return the differences between two models, and the decision curves of both, on the rows both scored."""
        a, b = risks[model], risks[comparator]
        by_a, by_b = (tested[~np.isnan(risk[tested])] for risk in (a, b))
        rows = np.intersect1d(by_a, by_b)
        if not len(rows):
            return Comparison(model, comparator, ())
        where = (self.followup[rows], self.horizon, self.clusters[rows], self.thresholds)
        found = difference(a[rows], b[rows], *where, self.resamples, self.seed, COMPARED)
        telling = self._telling(rows, tested, by_a, by_b)
        return Comparison(
            model,
            comparator,
            tuple(self._show(each, rows, telling, a, b) for each in found),
            *(self._decision(risk, rows, telling, decision_range) for risk in (a, b)),
        )

    def _telling(self, rows: Positions, *wholes: Positions) -> set[str]:
        """Return which counts of these rows would tell a small count of the others in a whole counted elsewhere."""
        had_event = close(self.followup, self.horizon).cause == EVENT
        telling = set()
        for whole in wholes:
            n = len(rows), len(whole) - len(rows)
            events = int(had_event[rows].sum()), int(had_event[whole].sum() - had_event[rows].sum())
            event_free = n[0] - events[0], n[1] - events[1]
            telling |= {"n"} if 0 < n[1] < SMALLEST_COUNT else set()
            telling |= {"events"} if 0 < events[1] < SMALLEST_COUNT or 0 < event_free[1] < SMALLEST_COUNT else set()
        return telling

    def _decision(
        self, risk: Floats, rows: Positions, telling: Set[str], decision_range: Sequence[float]
    ) -> tuple[DecisionPoint, ...]:
        where = (self.followup[rows], self.horizon, self.clusters[rows], decision_range)
        return tuple(
            DecisionPoint(
                point.threshold,
                *(self._show(each, rows, telling, risk, alone=True) for each in (point.model, point.treat_all)),
            )
            for point in decision_curve(risk[rows], *where, self.resamples, self.seed)
        )

    def _estimate(
        self,
        risk: Floats,
        rows: Positions,
        thresholds: Sequence[float],
        telling: Set[str],
        measures: Sequence[str] | None = None,
    ) -> tuple[Estimate, ...]:
        where = (self.followup[rows], self.horizon, self.clusters[rows], thresholds)
        found = estimate(risk[rows], *where, self.resamples, self.seed, measures)
        return tuple(self._show(each, rows, telling, risk) for each in found)

    def _show(
        self, found: Estimate, rows: Positions, telling: Set[str], *risks: Floats, alone: bool = False
    ) -> Estimate:
        """Return an estimate as it may be shown, ``alone`` or next to others at the same threshold."""
        column = (MEASURES[found.measure], found.threshold)
        crossed = not alone or found.threshold in self.thresholds
        followup = self.followup[rows]
        smallest = min(smallest_cell(risk[rows], followup, self.horizon, column, crossed=crossed) for risk in risks)
        return _hide(found.suppressed(smallest), telling)


Counted = TypeVar("Counted", Estimate, CalibrationPoint)


def _hide(found: Counted, telling: Set[str]) -> Counted:
    """Return an estimate or a point without the counts named."""
    return dataclasses.replace(
        found,
        n=None if "n" in telling else found.n,
        events=None if "events" in telling else found.events,
    )


def _reasons(model: RiskModel, X: pd.DataFrame, scored: int) -> dict[str, int | None]:
    """Count why a model refused these rows and ``scored`` others not, when ``refusals(X)`` gives one reason a row."""
    refusals = getattr(model, "refusals", None)
    if refusals is None or not len(X):
        return {}
    counts = Counter(str(reason) for reason in refusals(X))
    masked = mask([*(counts[reason] for reason in sorted(counts)), scored])
    return dict(zip(sorted(counts), masked[:-1], strict=True))


def across_folds(estimates: Sequence[Estimate]) -> Heterogeneity:
    """Pool one measure over folds by random effects, and say what to expect in a new fold.

    Parameters
    ----------
    estimates
        The measure in each fold: ``auc``, pooled as a logit, or ``observed_expected``, pooled as a logarithm.

    Returns
    -------
    Heterogeneity
        NaN throughout with fewer than three usable folds.

    Notes
    -----
    DerSimonian and Laird (1986, doi:10.1016/0197-2456(86)90046-2) for tau; the interval of the mean by
    Hartung, Knapp, Sidik and Jonkman (IntHout et al. 2014, doi:10.1186/1471-2288-14-25), never narrower than
    without; the prediction interval on ``folds - 2`` degrees of freedom (Debray et al. 2017,
    doi:10.1136/bmj.i6460, also for the scales). A fold's standard error is a quarter of its bootstrap
    interval, roughly; folds share training rows, so they are not quite independent.
    """
    name = estimates[0].measure
    forward, back = (special.logit, special.expit) if name == "auc" else (np.log, np.exp)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = forward(np.array([[each.value, each.low, each.high] for each in estimates]))
    scaled = scaled[np.isfinite(scaled).all(axis=1) & (scaled[:, 2] > scaled[:, 1])]
    many = len(scaled)
    if many < 3:
        return Heterogeneity(name, many)
    tail = (1 + CONFIDENCE) / 2
    value, variance = scaled[:, 0], ((scaled[:, 2] - scaled[:, 1]) / (2 * stats.norm.ppf(tail))) ** 2
    weight = 1 / variance
    spread = weight @ (value - np.average(value, weights=weight)) ** 2 - (many - 1)
    tau2 = max(0.0, spread / (weight.sum() - (weight**2).sum() / weight.sum()))
    weight = 1 / (variance + tau2)
    mean = np.average(value, weights=weight)
    error2 = max(1.0, weight @ (value - mean) ** 2 / (many - 1)) / weight.sum()
    half = stats.t.ppf(tail, many - 1) * math.sqrt(error2)
    reach = stats.t.ppf(tail, many - 2) * math.sqrt(tau2 + error2)
    pooled, low, high, expected_low, expected_high = map(float, back(mean + np.array([0, -half, half, -reach, reach])))
    return Heterogeneity(name, many, pooled, low, high, math.sqrt(tau2), expected_low, expected_high)

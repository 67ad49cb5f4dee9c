"""Measures in each bootstrap replicate of the practices, and the interval they make."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from scipy import special
from threadpoolctl import ThreadpoolController

from features.outcome import FollowUp
from training.measures.cells import FINE, PAIRS, Cells
from training.measures.outcome import OutcomeAtHorizon
from training.measures.registry import MEASURES, Measure
from training.survival import Floats, Timeline, close

CONFIDENCE: Final = 0.95
FAILED_REPLICATES: Final = 0.05
"""Share of bootstrap replicates that may have no value before the interval has none."""


@dataclass(frozen=True, eq=False)
class Resampling:
    """How many times each cluster (practice) is drawn in each bootstrap replicate.

    Parameters
    ----------
    cluster
        Position of each row's cluster, shape ``(n,)``.
    counts
        Times each cluster is drawn, shape ``(replicates, clusters)``.

    Notes
    -----
    Whole practices are drawn with replacement (Field and Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x). A
    drawn practice weighs as often as it was drawn; the censoring distribution is estimated anew in each
    replicate. With few practices (under about 20) such intervals are too narrow; with one there is none.
    A count fits a byte: of 255 clusters or fewer none is drawn more often, and of more none ever is.
    """

    cluster: npt.NDArray[np.intp]
    counts: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, clusters: npt.ArrayLike, resamples: int, seed: int) -> Self:
        """Draw ``resamples`` replicates of the clusters, given one label a row."""
        labels, cluster = np.unique(np.asarray(clusters), return_inverse=True)
        many = len(labels)
        draws = np.empty((resamples if many > 1 else 0, many), dtype=np.uint8)
        random, share = np.random.default_rng(seed), np.full(many, 1 / many)
        for draw in draws:
            draw[:] = random.multinomial(many, share)
        return cls(cluster, draws)

    @property
    def clusters(self) -> int:
        """Return how many clusters these rows lie in."""
        return len(np.unique(self.cluster))

    def __getitem__(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Resampling:
        """Return the same draws for some rows."""
        cluster = self.cluster[rows]
        alone = len(cluster) == 0 or bool((cluster == cluster[0]).all())
        return Resampling(cluster, self.counts[:0] if alone else self.counts)


Column = tuple[Measure, float | None]
Function = Callable[[Floats, OutcomeAtHorizon, Floats], Floats]


def columns_of(measures: Sequence[str] | None, thresholds: Sequence[float]) -> list[Column]:
    """Return each measure wanted (all by default), once a threshold where it depends on one.

    Raises
    ------
    ValueError
        If a measure is unknown or a threshold is not strictly between 0 and 1; all faults at once.
    """
    names = list(MEASURES) if measures is None else list(measures)
    unknown = [name for name in names if name not in MEASURES]
    faults = [f"unknown measure {name!r}: known are {', '.join(MEASURES)}" for name in unknown]
    faults += [f"threshold {value!r} is not strictly between 0 and 1" for value in thresholds if not 0 < value < 1]
    if faults:
        raise ValueError("; ".join(faults))
    return [
        (MEASURES[name], threshold)
        for name in names
        for threshold in (thresholds if MEASURES[name].at_threshold else (None,))
    ]


def point_value(column: Column, risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> float:
    """Return the value of one measure, at its threshold when it has one; NaN when it divides by zero."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return _value(column, risk, outcome, weights)


def _value(column: Column, risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> float:
    wanted, threshold = column
    extra = () if threshold is None else (threshold,)
    try:
        value = float(wanted.function(risk, outcome, weights, *extra))
    except ZeroDivisionError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _values(column: Column, risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
    """Return the value of one measure in each replicate."""
    wanted, threshold = column
    if not wanted.at_once:
        return np.array(
            [_value(column, risk, *each) for each in zip(outcome.replicates(), weights, strict=True)], dtype=np.float64
        )
    found = np.asarray(wanted.function(risk, outcome, weights, *(() if threshold is None else (threshold,))))
    return np.where(np.isfinite(found), found, np.nan)


def replicate(
    risk: Floats,
    followup: FollowUp,
    horizon: float,
    columns: Sequence[Column],
    resampling: Resampling,
    cuts: Sequence[float] = (),
) -> tuple[Floats, Floats]:
    """Compute measures on all rows, and in each bootstrap replicate.

    Parameters
    ----------
    cuts
        Risks at which a measure cuts beside its threshold.

    Returns
    -------
    values : ndarray of shape (len(columns),)
    replicates : ndarray of shape (replicates, len(columns))

    Notes
    -----
    See `replicate_vector`.
    """
    point = np.empty(len(columns))
    replicates = np.empty((len(resampling.counts), len(columns)))
    thresholds = [*cuts, *(threshold for _, threshold in columns if threshold is not None)]
    for timed in (False, True):
        chosen = [position for position, (wanted, _) in enumerate(columns) if wanted.needs_times == timed]
        some = [columns[position] for position in chosen]

        def values(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats, some: Sequence[Column] = some) -> Floats:
            return np.array([_value(column, risk, outcome, weights) for column in some])

        def at_once(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats, some: Sequence[Column] = some) -> Floats:
            return np.stack([_values(column, risk, outcome, weights) for column in some], axis=-1)

        if chosen:
            point[chosen], replicates[:, chosen] = _replicates(
                risk, followup, horizon, values, at_once, resampling, thresholds, timed=timed
            )
    return point, replicates


def replicate_vector(
    risk: Floats,
    followup: FollowUp,
    horizon: float,
    function: Function,
    resampling: Resampling,
    thresholds: Sequence[float] = (),
    *,
    timed: bool = False,
) -> tuple[Floats, Floats]:
    """Do what `replicate` does, for any function of risk, outcome and weights that returns ``(m,)`` values.

    Parameters
    ----------
    risk, followup, horizon, resampling
        As for `replicate`.
    function
        Given risks in increasing order.
    thresholds
        Risks at which the function may cut.
    timed
        Whether it reads the times of the outcome's follow-up, and not only what is known at the horizon.

    Notes
    -----
    Rows are put in one order first (risk, then time, cause and cluster): values do not depend on the order given, to
    the last bit. Values are computed on all rows. Replicates are computed on `Cells`, and above `EXACT` rows moved by
    the difference the cells make to the value itself (in the fifth digit, usually).
    """

    def one_by_one(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
        return np.array([function(risk, *each) for each in zip(outcome.replicates(), weights, strict=True)])

    return _replicates(risk, followup, horizon, function, one_by_one, resampling, thresholds, timed=timed)


def _replicates(
    risk: Floats,
    followup: FollowUp,
    horizon: float,
    function: Function,
    at_once: Function,
    resampling: Resampling,
    thresholds: Sequence[float],
    *,
    timed: bool,
) -> tuple[Floats, Floats]:
    """Do what `replicate_vector` does; ``at_once`` is the function of many replicates, a row each."""
    order = np.lexsort((resampling.cluster, followup.cause, followup.duration, risk))
    risk, resampling, closed = risk[order], resampling[order], close(followup[order], horizon)
    # On vectors this short threads gain nothing, wait for each other on a busy machine, and add up in another order.
    with _threads().limit(limits=1, user_api="blas"), np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ones = np.ones(len(risk))
        point = function(risk, OutcomeAtHorizon.closed(closed, Timeline(closed), ones), ones)
        if not len(resampling.counts):
            return point, np.empty((0, len(point)))
        grid = PAIRS if timed else FINE
        cells = Cells.of(risk, closed, resampling.cluster, resampling.counts.shape[1], thresholds, grid)
        timeline, rows = cells.timeline(), cells.rows()

        def values(weights: Floats) -> Floats:
            found = np.full((len(weights), len(point)), np.nan)
            drawn = weights.any(axis=-1)
            weights = weights if drawn.all() else weights[drawn]
            outcome = OutcomeAtHorizon.closed(cells.followup, timeline, weights)
            if len(weights) and timed:
                found[drawn] = at_once(rows, outcome, weights)
            elif len(weights):
                found[drawn] = at_once(cells.risk, *cells.over_times(outcome, weights))
            return found

        replicates = np.concatenate([values(weights) for weights in cells.frequencies(resampling.counts)])
        if not cells.exact:
            moved = point - values(cells.everybody()[np.newaxis])[0]
            replicates += np.where(np.isfinite(moved), moved, 0.0)
    return point, replicates


@cache
def _threads() -> ThreadpoolController:
    """Return the libraries that start threads, looked for once: it takes milliseconds."""
    return ThreadpoolController()


def reach(clusters: int) -> float:
    """Return how many standard errors of a bootstrap over so many clusters, at least 2, make half an interval."""
    student = float(special.stdtrit(clusters - 1, (1 + CONFIDENCE) / 2))
    return student * math.sqrt(clusters / (clusters - 1))


def interval(replicates: Floats, clusters: int) -> tuple[float, float]:
    """Return the expanded percentile interval of one measure; NaN when more than 5 % of replicates have no value.

    Parameters
    ----------
    replicates
        The measure in each replicate.
    clusters
        How many clusters were drawn from: the fewer, the wider.

    Notes
    -----
    Percentiles of a bootstrap are too narrow by what a normal interval lacks of Student's, and by the variance's
    divisor. Expanded, they are taken further out: at the normal probability of ``t √(clusters / (clusters - 1))``
    (Hesterberg 2015, doi:10.1080/00031305.2015.1089789, section 4.2). No bound leaves what the replicates reached.
    """
    usable = replicates[np.isfinite(replicates)]
    if clusters < 2 or len(usable) == 0 or len(usable) < (1 - FAILED_REPLICATES) * len(replicates):
        return math.nan, math.nan
    tail = float(special.ndtr(-reach(clusters)))
    low, high = np.quantile(usable, [tail, 1 - tail])
    return float(low), float(high)

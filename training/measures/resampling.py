"""Measures in each bootstrap replicate of the practices, and the interval they make."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from features.outcome import FollowUp
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
    """

    cluster: npt.NDArray[np.intp]
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, clusters: npt.ArrayLike, resamples: int, seed: int) -> Self:
        """Draw ``resamples`` replicates of the clusters, given one label a row."""
        labels, cluster = np.unique(np.asarray(clusters), return_inverse=True)
        many = len(labels)
        if many < 2:
            return cls(cluster, np.empty((0, many), dtype=np.int64))
        draws = np.random.default_rng(seed).multinomial(many, np.full(many, 1 / many), size=resamples)
        return cls(cluster, draws)

    def __getitem__(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Resampling:
        """Return the same draws for some rows."""
        cluster = self.cluster[rows]
        alone = len(cluster) == 0 or bool((cluster == cluster[0]).all())
        return Resampling(cluster, self.counts[:0] if alone else self.counts)

    def weights(self) -> Iterator[Floats]:
        """Yield the frequency weights of the rows in each replicate."""
        for draw in self.counts.astype(np.float64):
            yield draw[self.cluster]


Column = tuple[Measure, float | None]


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
    wanted, threshold = column
    extra = () if threshold is None else (threshold,)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        try:
            value = float(wanted.function(risk, outcome, weights, *extra))
        except ZeroDivisionError:
            return math.nan
    return value if math.isfinite(value) else math.nan


def replicate(
    risk: Floats, followup: FollowUp, horizon: float, columns: Sequence[Column], resampling: Resampling
) -> tuple[Floats, Floats]:
    """Compute measures on all rows, and in each bootstrap replicate.

    Returns
    -------
    values : ndarray of shape (len(columns),)
    replicates : ndarray of shape (replicates, len(columns))

    Notes
    -----
    Rows are put in one order first (risk, then time, cause and cluster): values do not depend on the order
    given, to the last bit, and ranks and survival curves need no sorting in a replicate.
    """

    def values(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
        return np.array([point_value(column, risk, outcome, weights) for column in columns])

    return replicate_vector(risk, followup, horizon, values, resampling)


def replicate_vector(
    risk: Floats,
    followup: FollowUp,
    horizon: float,
    function: Callable[[Floats, OutcomeAtHorizon, Floats], Floats],
    resampling: Resampling,
) -> tuple[Floats, Floats]:
    """Do what `replicate` does, for any function of risk, outcome and weights that returns ``(m,)`` values."""
    order = np.lexsort((resampling.cluster, followup.cause, followup.duration, risk))
    risk, resampling, closed = risk[order], resampling[order], close(followup[order], horizon)
    timeline = Timeline(closed)

    def values(weights: Floats) -> Floats:
        return function(risk, OutcomeAtHorizon.closed(closed, timeline, weights), weights)

    # On vectors this short threads gain nothing, wait for each other on a busy machine, and add up in another order.
    with threadpool_limits(1, user_api="blas"):
        point = values(np.ones(len(risk)))
        replicates = [values(w) if w.any() else np.full_like(point, np.nan) for w in resampling.weights()]
    return point, np.array(replicates, dtype=np.float64).reshape(len(replicates), len(point))


def interval(replicates: Floats) -> tuple[float, float]:
    """Return the percentile interval of one measure; NaN when more than 5 % of replicates have no value."""
    usable = replicates[np.isfinite(replicates)]
    if len(usable) == 0 or len(usable) < (1 - FAILED_REPLICATES) * len(replicates):
        return math.nan, math.nan
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(usable, [tail, 1 - tail])
    return float(low), float(high)

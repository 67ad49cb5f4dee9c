"""Curves of a predicted risk against what happened: groups of people or bins, never one patient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from features.outcome import CENSORED, COMPETING, EVENT, FollowUp
from features.privacy import SMALLEST_COUNT, mask, shown
from training.measures import (
    CalibrationSpline,
    Estimate,
    OutcomeAtHorizon,
    Resampling,
    check,
    columns_of,
    estimate,
    interval,
    replicate,
    replicate_vector,
)
from training.survival import Floats, close


@dataclass(frozen=True)
class CalibrationPoint:
    """Predicted and observed risk of people given a similar risk.

    Parameters
    ----------
    predicted
        Their mean predicted risk.
    observed, low, high
        Their Aalen–Johansen risk and its 95 % interval.
    n, events
        Rows and events; None when too few to be shown, and then there are no values either.
    """

    predicted: float
    observed: float
    low: float
    high: float
    n: int | None
    events: int | None


def calibration_curve(
    risk: Floats,
    followup: FollowUp,
    horizon: float,
    clusters: npt.ArrayLike,
    groups: int = 10,
    resamples: int = 200,
    seed: int = 0,
) -> list[CalibrationPoint]:
    """Compare predicted with observed risk, by groups of predicted risk.

    Parameters
    ----------
    risk, followup, horizon, clusters, resamples, seed
        As for `estimate`.
    groups
        Groups of equal size to begin with. Equal risks stay together, and a group with fewer than 11 people,
        11 events or 11 people without is merged with the next, so there may be fewer.

    Returns
    -------
    list of CalibrationPoint
        From low to high risk. Censoring is estimated within each group. When even one group would be too
        small, one point without values.

    Raises
    ------
    ValueError
        As `estimate`.
    """
    values = check(risk, followup, clusters=clusters)
    resampling = Resampling.of(clusters, resamples, seed)
    columns = columns_of(["predicted", "observed"], ())
    had_event = close(followup, horizon).cause == EVENT
    curve = []
    for rows in _risk_groups(values, had_event, groups):
        point, replicates = replicate(values[rows], followup[rows], horizon, columns, resampling[rows])
        n, events = len(rows), int(had_event[rows].sum())
        if min(events, n - events) < SMALLEST_COUNT:
            curve.append(CalibrationPoint(math.nan, math.nan, math.nan, math.nan, shown(n), shown(events)))
        else:
            mean, share = map(float, point)
            curve.append(
                CalibrationPoint(mean, share, *interval(replicates[:, 1], resampling[rows].clusters), n, events)
            )
    return curve


def _risk_groups(risk: Floats, had_event: npt.NDArray[np.bool_], groups: int) -> list[npt.NDArray[np.intp]]:
    """Return the rows of each group of similar risk, merged until each is large enough to be shown."""
    edges = np.quantile(risk, np.arange(1, groups) / groups, method="higher")
    label = np.searchsorted(np.unique(edges), risk, side="right")
    merged: list[npt.NDArray[np.intp]] = []
    pending = np.empty(0, dtype=np.intp)
    for group in np.unique(label):
        pending = np.concatenate([pending, np.flatnonzero(label == group)])
        events = int(had_event[pending].sum())
        if min(events, len(pending) - events) >= SMALLEST_COUNT:
            merged.append(pending)
            pending = pending[:0]
    if len(pending):
        last = merged.pop() if merged else pending[:0]
        merged.append(np.concatenate([last, pending]))
    return merged


@dataclass(frozen=True)
class SmoothPoint:
    """Observed risk at one predicted risk, from a curve through everybody.

    Parameters
    ----------
    predicted
        A risk of the fixed grid: nobody's own.
    observed, low, high
        Observed risk of people predicted this, and its 95 % interval (at this point, not of the whole curve).
    """

    predicted: float
    observed: float
    low: float
    high: float


SMOOTH_GRID: Final = tuple(round(1 / (1 + math.exp(-step / 10)), 6) for step in range(-90, 91))
"""Where smooth curves are given: steps of a tenth on the logit scale, from 0.012 % up."""


def smooth_calibration(
    risk: Floats,
    followup: FollowUp,
    horizon: float,
    clusters: npt.ArrayLike,
    resamples: int = 200,
    seed: int = 0,
) -> list[SmoothPoint]:
    """Draw observed against predicted risk as a smooth curve, without groups.

    Parameters
    ----------
    risk, followup, horizon, clusters, resamples, seed
        As for `estimate`.

    Returns
    -------
    list of SmoothPoint
        From low to high risk, at the points of `SMOOTH_GRID` between the 1st and the 99th percentile of the
        predicted risks that have at least 11 people on either side. Empty with fewer than 11 people seen to
        have the event, or fewer than 11 others, or when the curve does not exist.

    Raises
    ------
    ValueError
        As `estimate`.

    Notes
    -----
    The curve is that of `training.measures.CalibrationSpline`, behind the measures ``ici``, ``e50`` and
    ``e90``; knots are chosen and censoring weights estimated anew in each replicate.
    """
    values = check(risk, followup, clusters=clusters)
    events = int((close(followup, horizon).cause == EVENT).sum())
    if min(events, len(values) - events) < SMALLEST_COUNT:
        return []
    beyond = max(SMALLEST_COUNT, math.ceil(len(values) / 100))
    lowest, highest = np.partition(values, [beyond - 1, len(values) - beyond])[[beyond - 1, len(values) - beyond]]
    grid = np.array([point for point in SMOOTH_GRID if lowest <= point <= highest])

    def curve(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
        fitted = CalibrationSpline.fit(risk, outcome, weights)
        return np.full(len(grid), np.nan) if fitted is None else fitted(grid)

    resampling = Resampling.of(clusters, resamples, seed)
    point, replicates = replicate_vector(values, followup, horizon, curve, resampling)
    return [
        SmoothPoint(float(predicted), float(observed), *interval(draws, resampling.clusters))
        for predicted, observed, draws in zip(grid, point, replicates.T, strict=True)
        if math.isfinite(observed)
    ]


@dataclass(frozen=True)
class DecisionPoint:
    """Net benefit at one threshold, of the model and of flagging everybody; flagging nobody is 0.

    Parameters
    ----------
    threshold
        Risk from which somebody is flagged.
    model, treat_all
        Net benefit, per person, with its interval.
    """

    threshold: float
    model: Estimate
    treat_all: Estimate


DECISION_RANGE: Final = tuple(percent / 100 for percent in range(1, 31))
"""Thresholds of a decision curve unless a study declares its own: 1 % to 30 %."""


def decision_curve(
    risk: Floats,
    followup: FollowUp,
    horizon: float,
    clusters: npt.ArrayLike,
    thresholds: Sequence[float] = DECISION_RANGE,
    resamples: int = 200,
    seed: int = 0,
) -> list[DecisionPoint]:
    """Estimate the net benefit of acting on the model, over a range of thresholds.

    Parameters
    ----------
    risk, followup, horizon, clusters, thresholds, resamples, seed
        As for `estimate`.

    Returns
    -------
    list of DecisionPoint
        One a threshold.

    Raises
    ------
    ValueError
        As `estimate`.
    """
    estimates = estimate(
        risk,
        followup,
        horizon,
        clusters,
        thresholds,
        resamples,
        seed,
        measures=("net_benefit", "net_benefit_all"),
    )
    many = len(thresholds)
    return [DecisionPoint(*point) for point in zip(thresholds, estimates[:many], estimates[many:], strict=True)]


@dataclass(frozen=True)
class RiskDistribution:
    """How predicted risks are spread, by what was seen by the horizon.

    Parameters
    ----------
    edges
        Bounds of the half-open bins ``[edges[i], edges[i + 1])``; the last also holds its upper bound.
    counts
        Rows in each bin for ``event``, ``competing``, ``event_free`` and ``unknown`` (left before the
        horizon); None where fewer than 11, or where such a count could be had by subtraction.
    """

    edges: tuple[float, ...]
    counts: dict[str, tuple[int | None, ...]]


HISTOGRAM_EDGES: Final = tuple(step / 40 for step in range(41))
"""Bins of 2.5 points: the same for every model, so that no edge is anybody's risk."""


def risk_distribution(
    risk: Floats,
    followup: FollowUp,
    horizon: float,
    edges: Sequence[float] = HISTOGRAM_EDGES,
    *,
    refused: FollowUp | None = None,
) -> RiskDistribution:
    """Count predicted risks by what was seen by the horizon, unweighted.

    Parameters
    ----------
    risk, followup, horizon
        As for `estimate`.
    edges
        Bounds of the bins, increasing.
    refused
        Follow-up of those without a risk, when they are counted with the others elsewhere: their number must
        not be had by subtraction either.

    Returns
    -------
    RiskDistribution

    Raises
    ------
    ValueError
        As `estimate`.
    """
    values = check(risk, followup)
    status = _status(followup, horizon)
    others = np.empty(0) if refused is None else _status(refused, horizon)
    counts = {}
    for code, name in enumerate(("event", "competing", "event_free", "unknown")):
        bins, _ = np.histogram(values[status == code], np.asarray(edges))
        counts[name] = tuple(mask([*bins.tolist(), int((others == code).sum())])[:-1])
    return RiskDistribution(tuple(map(float, edges)), counts)


def _status(followup: FollowUp, horizon: float) -> npt.NDArray[np.int8]:
    """Return what was seen by the horizon: 0 the event, 1 a competing one, 2 neither until then, 3 unknown."""
    closed = close(followup, horizon)
    lost = (closed.cause == CENSORED) & (closed.duration < horizon)
    return np.select([lost, closed.cause == EVENT, closed.cause == COMPETING], [3, 0, 1], 2).astype(np.int8)

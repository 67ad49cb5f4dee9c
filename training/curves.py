"""Curves of a predicted risk against what happened: groups of people or bins, never one patient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from features.outcome import EVENT, FollowUp
from features.privacy import SMALLEST_COUNT, mask, shown
from training.measures import Estimate, Resampling, check, columns_of, estimate, interval, replicate
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
            curve.append(CalibrationPoint(mean, share, *interval(replicates[:, 1]), n, events))
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
    risk: Floats, followup: FollowUp, horizon: float, edges: Sequence[float] = HISTOGRAM_EDGES
) -> RiskDistribution:
    """Count predicted risks by what was seen by the horizon, unweighted.

    Parameters
    ----------
    risk, followup, horizon
        As for `estimate`.
    edges
        Bounds of the bins, increasing.

    Returns
    -------
    RiskDistribution

    Raises
    ------
    ValueError
        As `estimate`.
    """
    values = check(risk, followup)
    closed = close(followup, horizon)
    status = np.where((closed.cause == 0) & (closed.duration < horizon), 3, (closed.cause - 1) % 3)
    names = ("event", "competing", "event_free", "unknown")
    return RiskDistribution(
        tuple(map(float, edges)),
        {
            name: tuple(mask(np.histogram(values[status == code], np.asarray(edges))[0].tolist()))
            for code, name in enumerate(names)
        },
    )

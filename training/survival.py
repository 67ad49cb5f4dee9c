"""Censoring and competing events, as step functions of time.

One rule for ties, everywhere: **at equal times events precede censorings**. Somebody who has the event on the
day others leave was seen by everybody who had not left before that day, and the weight of what is seen at
``t`` is ``1 / G(t-)``, where ``G`` is the Kaplan–Meier curve of staying under observation.

Follow-up that reaches the horizon is complete: a row with cause 0 and a duration of at least the horizon is
*known* to be event-free then. Only cause 0 before the horizon is censoring.

Everything takes frequency weights (a row of weight 2 is two identical rows, of weight 0 none), which is what
a bootstrap over practices needs. Censoring is assumed independent of the outcome among the rows handed in; a
caller who doubts it hands in one stratum at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from features.outcome import CENSORED, COMPETING, EVENT, FollowUp

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StepFunction:
    """A right-continuous step function of time which starts at 1.

    Parameters
    ----------
    times
        Years at which it may step, increasing, shape ``(m,)``.
    values
        Its value from each of these times on, shape ``(m,)``; several such functions, one a row, as ``(rows, m)``.
    """

    times: Floats
    values: Floats

    def __call__(self, time: float | Floats) -> Floats:
        """Return the value at ``time``, steps at ``time`` itself included."""
        return self._after(np.searchsorted(self.times, time, side="right"))

    def before(self, time: float | Floats) -> Floats:
        """Return the limit from the left at ``time``: steps at ``time`` itself excluded."""
        return self._after(np.searchsorted(self.times, time, side="left"))

    def _after(self, steps: npt.NDArray[np.intp] | np.intp) -> Floats:
        first = np.ones((*self.values.shape[:-1], 1))
        return np.asarray(np.concatenate([first, self.values], axis=-1)[..., steps], dtype=np.float64)


class Timeline:
    """Follow-up on its distinct times: sorted once, then weighted as often as wanted.

    Weights are one array ``(n,)``, or several, one a row: what is returned then has as many rows.

    Parameters
    ----------
    followup
        Follow-up of ``n`` rows.

    Attributes
    ----------
    times
        Distinct durations in years, increasing, shape ``(m,)``.
    """

    times: Floats

    def __init__(self, followup: FollowUp) -> None:
        self.times, self._position = np.unique(followup.duration, return_inverse=True)
        self._ends = followup.cause.astype(np.intp) * len(self.times) + self._position

    def tally(self, cause: int, weights: Floats | None = None) -> Floats:
        """Return the weighted number of rows that end with ``cause`` at each time, shape ``(m,)``."""
        tallied: Floats = self._tallies(weights)[cause]
        return tallied

    def _tallies(self, weights: Floats | None) -> Floats:
        """Return the weighted number of rows that end with each cause at each time, shape ``(causes, ..., m)``."""
        shape = (3, len(self.times))
        if weights is None or weights.ndim == 1:
            counts = np.bincount(self._ends, weights, minlength=math.prod(shape))
            return counts.astype(np.float64).reshape(shape)
        return np.moveaxis((weights @ self._placed).reshape(len(weights), *shape), 1, 0)

    @cached_property
    def _placed(self) -> sparse.csr_array:
        """Return what adds up each row's weight where it ends, shape ``(n, causes × m)``."""
        rows = len(self._ends)
        return sparse.csr_array((np.ones(rows), self._ends, np.arange(rows + 1)), (rows, 3 * len(self.times)))

    def _counts(self, weights: Floats | None) -> tuple[Floats, Floats, Floats, Floats]:
        """Return events, competing events, censorings at each time, and rows still there afterwards."""
        tallies = self._tallies(weights)
        events, competing, censored = (tallies[cause] for cause in (EVENT, COMPETING, CENSORED))
        everybody = events + competing + censored
        later = np.zeros_like(everybody)
        later[..., :-1] = np.cumsum(everybody[..., :0:-1], axis=-1)[..., ::-1]
        return events, competing, censored, later

    def censoring(self, weights: Floats | None = None) -> StepFunction:
        """Return ``G``, the Kaplan–Meier curve of not being censored (events first at ties)."""
        _, _, censored, later = self._counts(weights)
        staying = _share(later, censored + later, otherwise=1.0)
        return StepFunction(self.times, np.cumprod(staying, axis=-1, dtype=np.float64))

    def incidence(self, weights: Floats | None = None) -> tuple[Floats, Floats, Floats]:
        """Return the Aalen–Johansen incidence of event and competing event, and survival, each ``(m,)``."""
        events, competing, censored, later = self._counts(weights)
        at_risk = events + competing + censored + later
        survival = np.cumprod(_share(censored + later, at_risk, otherwise=1.0), dtype=np.float64)
        before = np.concatenate([[1.0], survival[:-1]])
        event, other = (np.cumsum(before * _share(count, at_risk, otherwise=0.0)) for count in (events, competing))
        return event, other, survival

    def at_rows(self, curve: StepFunction) -> Floats:
        """Return a curve of this timeline just before each row's own duration, shape ``(..., n)``."""
        return curve._after(self._position)


def _share(part: Floats, whole: Floats, otherwise: float) -> Floats:
    """Return ``part / whole``, and ``otherwise`` where there is nothing to divide."""
    shares = np.full(whole.shape, otherwise)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares


def close(followup: FollowUp, horizon: float) -> FollowUp:
    """Close follow-up at a horizon: what happened later has not happened yet.

    Parameters
    ----------
    followup
        Follow-up, possibly longer than the horizon.
    horizon
        Years, above 0 and at most ``followup.horizon``. An event at the horizon itself counts.

    Returns
    -------
    FollowUp
        The same rows; those who go on beyond the horizon are cause 0 with a duration equal to it.

    Raises
    ------
    ValueError
        If the horizon is not positive or is beyond that of the follow-up.
    """
    if not 0 < horizon <= followup.horizon:
        raise ValueError(
            f"horizon is {horizon:g} years, but follow-up was closed after {followup.horizon:g}: "
            f"choose a horizon above 0 and at most {followup.horizon:g}"
        )
    beyond = followup.duration > horizon
    return FollowUp(
        np.minimum(followup.duration, horizon),
        np.where(beyond, CENSORED, followup.cause).astype(np.int8),
        followup.reason,
        horizon,
    )


def censoring_survival(followup: FollowUp, weights: Floats | None = None) -> StepFunction:
    """Estimate the probability ``G(t)`` of still being under observation, by Kaplan–Meier.

    Parameters
    ----------
    followup
        Follow-up of ``n`` rows. Cause 0 is censoring, even at the horizon: ``G.before(horizon)`` is what
        weights use.
    weights
        Frequency weights, shape ``(n,)``; all 1 if not given.

    Returns
    -------
    StepFunction
        ``G``; use ``G.before(t)`` for the left limit ``G(t-)``.
    """
    return Timeline(followup).censoring(weights)


def censoring_weights(followup: FollowUp, horizon: float, weights: Floats | None = None) -> Floats:
    """Weight each row by the inverse probability that its status at the horizon is known.

    Parameters
    ----------
    followup
        Follow-up of ``n`` rows.
    horizon
        Years.
    weights
        Frequency weights used to estimate ``G``, shape ``(n,)``; the result is *not* multiplied by them.

    Returns
    -------
    ndarray of shape (n,)
        0 where the row is censored before the horizon, ``1 / G(min(duration, horizon)-)`` otherwise. The
        products with ``weights`` sum to the sum of ``weights``. All NaN when nobody was followed long enough
        to say anything about the horizon: the last one under observation left before it.

    Raises
    ------
    ValueError
        If the horizon is beyond that of the follow-up.

    Notes
    -----
    Their weighted mean of event indicators is the Aalen–Johansen estimator (Satten and Datta, 2001,
    doi:10.1198/000313001317098185, applied to each cause).
    """
    closed = close(followup, horizon)
    return known_weights(closed, Timeline(closed), weights)


def known_weights(closed: FollowUp, timeline: Timeline, weights: Floats | None = None) -> Floats:
    """Do what `censoring_weights` does, for follow-up already closed at its horizon and already sorted.

    Several arrays of weights, one a row, give as many rows.
    """
    curve = timeline.censoring(weights)
    known = (closed.cause != CENSORED) | (closed.duration >= closed.horizon)
    inverse = _share(known.astype(np.float64), timeline.at_rows(curve), otherwise=0.0)
    inverse[~(curve.before(closed.horizon) > 0)] = np.nan
    return inverse


def aalen_johansen(followup: FollowUp, times: Sequence[float], weights: Floats | None = None) -> Floats:
    """Estimate the cumulative incidence of the event and of the competing event.

    Parameters
    ----------
    followup
        Follow-up of ``n`` rows.
    times
        Years.
    weights
        Frequency weights, shape ``(n,)``; all 1 if not given.

    Returns
    -------
    ndarray of shape (2, len(times))
        First row the event, second the competing event. NaN at times beyond the last one anybody was
        observed, unless nobody was left free of both by then.

    Notes
    -----
    Aalen and Johansen (1978), as in Putter et al. (2007, doi:10.1002/sim.2712). Not 1 − Kaplan–Meier, which
    counts the dead as if they could still fall ill.
    """
    timeline = Timeline(followup)
    event, competing, survival = timeline.incidence(weights)
    wanted = np.asarray(times, dtype=np.float64)
    step = np.searchsorted(timeline.times, wanted, side="right")
    result = np.stack([np.concatenate([[0.0], curve])[step] for curve in (event, competing)])
    present = followup.duration if weights is None else followup.duration[weights > 0]
    last = present.max(initial=0.0)
    if not len(survival) or survival[-1] > 0:
        result[:, wanted > last] = np.nan
    return result

"""Pairs of people in the order of their events: the concordance index under censoring and competing events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from features.outcome import CENSORED, COMPETING, EVENT, FollowUp
from training.survival import Floats, Timeline

KEPT: Final = 2**17
"""Rows up to which the order of pairs is kept for the next weights."""


@dataclass(frozen=True, eq=False)
class _Level:
    """Pairs whose ranks of time first differ in one binary digit: each pair of different ranks is in one level.

    Parameters
    ----------
    order
        Rows by the digits before it, then by risk.
    later
        Whether the row, in that order, has the digit: it is later than those of its group that have not.
    ties
        Where each run of equal risks within a group starts.
    first, after
        Number of the first run of each run's group, and of the first run after it.
    earlier
        The rows that have not the digit, in that order.
    run
        Number of the run of each of these.
    """

    order: npt.NDArray[np.int32]
    later: npt.NDArray[np.bool_]
    ties: npt.NDArray[np.int32]
    first: npt.NDArray[np.int32]
    after: npt.NDArray[np.int32]
    earlier: npt.NDArray[np.int32]
    run: npt.NDArray[np.int32]

    def below(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return, for each earlier row (0 for others), the weight of its later ones of lower risk, and of all."""
        sums = np.zeros((*weights.shape[:-1], weights.shape[-1] + 1))
        np.cumsum(np.take(weights, self.order, axis=-1) * self.later, axis=-1, out=sums[..., 1:])
        upto = np.take(sums, np.append(self.ties, weights.shape[-1]), axis=-1)
        inside = np.diff(upto, axis=-1)
        start = np.take(upto, self.first, axis=-1)
        lower, whole = np.zeros_like(weights), np.zeros_like(weights)
        lower[..., self.earlier] = np.take(upto[..., :-1] + inside / 2 - start, self.run, axis=-1)
        whole[..., self.earlier] = np.take(np.take(upto, self.after, axis=-1) - start, self.run, axis=-1)
        return lower, whole


def _levels(risk: Floats, rank: npt.NDArray[np.int64]) -> Iterator[_Level]:
    """Yield the levels of rows in the order of their risk."""
    for digit in range(int(rank.max(initial=0)).bit_length()):
        group = rank >> (digit + 1)
        order = np.argsort(group, kind="stable").astype(np.int32)
        new_group = np.diff(group[order], prepend=-1) != 0
        new_run = new_group | (np.diff(risk[order], prepend=-1.0) != 0)
        ties = np.flatnonzero(new_run).astype(np.int32)
        run = (np.cumsum(new_run) - 1).astype(np.int32)
        starts = np.flatnonzero(new_group[ties]).astype(np.int32)
        sizes = np.diff(starts, append=len(ties))
        first, after = np.repeat(starts, sizes), np.repeat(np.append(starts[1:], np.int32(len(ties))), sizes)
        later = (rank[order] >> digit & 1).astype(bool)
        yield _Level(order, later, ties, first, after, order[~later], run[~later])


_LEVELS: Final[WeakKeyDictionary[FollowUp, tuple[Floats, list[_Level]]]] = WeakKeyDictionary()


def _levels_of(risk: Floats, followup: FollowUp) -> Iterable[_Level]:
    """Return the levels, found once for all the weights of the same rows."""
    known = _LEVELS.get(followup)
    if known is not None and known[0] is risk:
        return known[1]
    times = np.unique(followup.duration[followup.cause == EVENT])
    seen = np.searchsorted(times, followup.duration)
    at_the_same_time = np.searchsorted(times, followup.duration, side="right")
    levels = _levels(risk, np.where(followup.cause == CENSORED, at_the_same_time, seen).astype(np.int64))
    if len(risk) > KEPT:
        return levels
    _LEVELS[followup] = risk, list(levels)
    return _LEVELS[followup][1]


def concordance(risk: Floats, closed: FollowUp, weights: Floats) -> Floats:
    """Return the share of comparable pairs in which the one with the event was given the higher risk.

    Parameters
    ----------
    risk
        Predicted risks, increasing, shape ``(n,)``.
    closed
        Follow-up of the same rows, closed at the horizon.
    weights
        Frequencies, shape ``(..., n)``.

    Returns
    -------
    ndarray of shape (...)
        NaN when no pair can be compared, or nobody was followed to the horizon. A tie of risk counts half.

    Notes
    -----
    Wolbers et al. (2014, doi:10.1093/biostatistics/kxt059), which without competing events is Uno et al. (2011,
    doi:10.1002/sim.4154). Somebody with the event at ``t`` is compared with those still under observation after
    ``t``, weight ``1 / (G(t-) G(t))``, and with those who had the competing event at ``s``, by then,
    ``1 / (G(t-) G(s-))``. Reaching the horizon is no censoring. O(n log² n).
    """
    timeline = Timeline(closed)
    curve = timeline.censoring(weights)
    before = timeline.at_rows(curve)
    after = np.where(closed.duration < closed.horizon, curve(closed.duration), before)
    case, competing = (
        np.divide(weights, before, out=np.zeros_like(weights), where=(closed.cause == cause) & (before > 0))
        for cause in (EVENT, COMPETING)
    )
    still = np.divide(case, after, out=np.zeros_like(weights), where=after > 0)
    starts = np.flatnonzero(np.diff(risk, prepend=-1.0))
    tied = np.add.reduceat(competing, starts, axis=-1)
    below = np.repeat(np.cumsum(tied, axis=-1) - tied / 2, np.diff(np.append(starts, len(risk))), axis=-1)
    concordant, comparable = np.vecdot(case, below), case.sum(axis=-1) * competing.sum(axis=-1)
    has_competing = bool(competing.any())
    for level in _levels_of(risk, closed):
        lower, whole = level.below(weights)
        concordant, comparable = concordant + np.vecdot(still, lower), comparable + np.vecdot(still, whole)
        if has_competing:  # those whose competing event came later are compared as still under observation
            lower, whole = level.below(competing)
            concordant, comparable = concordant - np.vecdot(case, lower), comparable - np.vecdot(case, whole)
    followed = curve.before(closed.horizon) > 0
    return np.where(followed, concordant / comparable, np.nan)

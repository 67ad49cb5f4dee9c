"""What happened by the horizon, with censoring and competing death dealt with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from features.outcome import EVENT, FollowUp
from training.survival import Floats, Timeline, close, known_weights


def dot(values: Floats, others: npt.ArrayLike) -> Floats:
    """Return the sum of products over people, of each replicate where there are several."""
    return np.asarray(np.vecdot(values, others), dtype=np.float64)


def total(values: Floats) -> Floats:
    """Return the sum over people, of each replicate where there are several."""
    return np.asarray(values.sum(axis=-1), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class OutcomeAtHorizon:
    """What is known at the horizon, weighted so that those followed speak for those lost.

    Of several arrays of frequencies, one a bootstrap replicate, ``event`` and ``event_free`` have as many rows.

    Parameters
    ----------
    followup
        Follow-up closed at the horizon, ``n`` rows.
    event
        Frequency × inverse probability of censoring where the event was seen by the horizon, 0 elsewhere,
        ``(n,)``.
    event_free
        The same where the row is known not to have had the event by the horizon, death from another cause
        included.

    Notes
    -----
    ``event`` and ``event_free`` together sum to the sum of the frequencies; both are NaN when nobody was
    followed to the horizon, so that no measure can be given.
    """

    followup: FollowUp
    event: Floats
    event_free: Floats

    @classmethod
    def of(cls, followup: FollowUp, horizon: float, weights: Floats | None = None) -> Self:
        """Return the outcome of ``followup`` at ``horizon`` years, under frequency ``weights``."""
        closed = close(followup, horizon)
        return cls.closed(closed, Timeline(closed), np.ones(len(closed)) if weights is None else weights)

    def replicates(self) -> Iterator[Self]:
        """Yield the outcome in each replicate."""
        for event, event_free in zip(self.event, self.event_free, strict=True):
            yield replace(self, event=event, event_free=event_free)

    @classmethod
    def closed(cls, followup: FollowUp, timeline: Timeline, weights: Floats) -> Self:
        """Return the outcome of follow-up already closed and sorted."""
        known = weights * known_weights(followup, timeline, weights)
        had_event = followup.cause == EVENT
        event = known * had_event
        return cls(followup, event, known - event)

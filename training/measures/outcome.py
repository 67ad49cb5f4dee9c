"""What happened by the horizon, with censoring and competing death dealt with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from features.outcome import EVENT, FollowUp
from training.survival import Floats, Timeline, close, known_weights


@dataclass(frozen=True, eq=False)
class OutcomeAtHorizon:
    """What is known at the horizon, weighted so that those followed speak for those lost.

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

    @classmethod
    def closed(cls, followup: FollowUp, timeline: Timeline, weights: Floats) -> Self:
        """Return the outcome of follow-up already closed and sorted."""
        known = weights * known_weights(followup, timeline, weights)
        had_event = followup.cause == EVENT
        event = np.where(had_event, known, 0.0 * known)
        return cls(followup, event, known - event)

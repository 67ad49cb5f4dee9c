"""From hazards, interval by interval, to the probability of each state at any time."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from training.models.base import Floats

Hazards = Callable[[int], tuple[Floats, Floats]]
"""Gives each person's probabilities of event and competing event in an interval, having entered it free of both."""


def aalen_johansen_product(hazards: Hazards, bounds: Floats, times: Floats, people: int) -> Floats:
    """Return the probability of each state at each time, shape ``(people, 3, len(times))``.

    Parameters
    ----------
    hazards
        Asked of each interval once, in order; their sum is at most 1.
    bounds
        Years at which intervals begin and end, from 0 on, increasing.
    times
        Years, increasing, above 0 and at most the last bound.
    people
        Number of rows.

    Notes
    -----
    At the bounds this is Aalen and Johansen's product (1978). Within an interval hazards are taken as constant and
    keep their proportion, which is exact for constant hazards. Memory is a few numbers a person and time.
    """
    free, event, competing = np.ones(people), np.zeros(people), np.zeros(people)
    states = np.empty((people, 3, len(times)))
    for interval, (start, end) in enumerate(itertools.pairwise(bounds)):
        if start >= times[-1]:
            break
        of_event, of_competing = hazards(interval)
        leaving = of_event + of_competing
        for at in np.flatnonzero((times > start) & (times < end)):
            gone = 1 - (1 - np.minimum(leaving, 1)) ** ((times[at] - start) / (end - start))
            share = free * np.divide(gone, leaving, out=np.zeros(people), where=leaving > 0)
            states[:, 1, at] = event + share * of_event
            states[:, 2, at] = competing + share * of_competing
        event, competing = event + free * of_event, competing + free * of_competing
        free = free * np.maximum(1 - leaving, 0)
        states[:, 1:, times == end] = np.stack([event, competing], axis=1)[:, :, None]
    # Rounding only, here and in the sum: neither a power nor a product keeps the last bit in order.
    np.maximum.accumulate(states[:, 1:], axis=2, out=states[:, 1:])
    np.minimum(states[:, 1:], 1.0, out=states[:, 1:])
    states[:, 0] = np.maximum(1 - states[:, 1] - states[:, 2], 0)
    return states

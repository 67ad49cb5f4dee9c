"""Counts by a number: of whole numbers, and of a concept's values in fine equal parts of its plausible range."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from features.codes import Concept

Integers = npt.NDArray[np.int64]

BINS: Final = 4_096
"""Equal parts of a concept's plausible range in which its values are counted."""


class Bins(NamedTuple):
    """Counts by a number, sparse: sorted keys and how many of each."""

    keys: Integers
    counts: Integers

    @classmethod
    def of(cls, keys: Integers) -> Bins:
        """Count each key."""
        distinct, counts = np.unique(keys, return_counts=True)
        return cls(distinct.astype(np.int64), counts.astype(np.int64))

    @classmethod
    def summed(cls, keys: Integers, counts: Integers) -> Bins:
        """Return the counts of equal keys together."""
        distinct, place = np.unique(keys, return_inverse=True)
        totals = np.zeros(len(distinct), dtype=np.int64)
        np.add.at(totals, place, counts)
        return cls(distinct, totals)

    def plus(self, other: Bins) -> Bins:
        """Return both together."""
        return Bins.summed(
            np.concatenate([self.keys, other.keys]),
            np.concatenate([self.counts, other.counts]),
        )

    def between(self, low: int, high: int) -> Bins:
        """Return the keys from ``low`` to before ``high``."""
        first, last = np.searchsorted(self.keys, [low, high])
        return Bins(self.keys[first:last], self.counts[first:last])

    def quantile(self, share: float) -> int:
        """Return the smallest key up to which there is at least this share of all."""
        upto = np.cumsum(self.counts)
        return int(self.keys[np.searchsorted(upto, math.ceil(share * upto[-1]))])


def bin_of(concept: Concept, value: npt.NDArray[np.float64]) -> Integers:
    """Return in which part of the concept's plausible range values are; beyond it, the first or last part."""
    return np.clip(np.floor(part_of(concept, value)), 0, BINS - 1).astype(np.int64)


def part_of(concept: Concept, value: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return how many parts of the concept's plausible range are below values."""
    assert concept.plausible is not None
    low, high = concept.plausible
    parts: npt.NDArray[np.float64] = (value - low) / (high - low) * BINS
    return parts


def value_of(concept: Concept, place: int) -> float:
    """Return the middle of a part of the concept's plausible range."""
    assert concept.plausible is not None
    low, high = concept.plausible
    return low + (place + 0.5) * (high - low) / BINS

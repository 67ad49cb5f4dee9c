"""What counts are of: practices, codes, concepts and months, each at its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from features.codes import Concept
from features.profile.bins import Integers

DAY: Final = 86_400_000_000
HISTORY: Final = 480
"""Months that are looked at, up to the last delivery: forty years."""

FIRST_DAY: Final = int(np.datetime64("1800-01-01", "D").astype(np.int64))
MONTH_OF_DAY: Final[Integers] = (
    np.arange("1800-01-01", "2200-01-01", dtype="datetime64[D]").astype("datetime64[M]").astype(np.int64)
)


@dataclass(frozen=True, eq=False)
class Axes:
    """What counts are of: practices, codes, systems and concepts, in order, and the day they are counted up to."""

    practices: tuple[str, ...]
    codes: tuple[str, ...]
    concepts: tuple[Concept, ...]
    end: int

    @cached_property
    def practice(self) -> Mapping[str, int]:
        """Position of each practice."""
        return {name: place for place, name in enumerate(self.practices)}

    @cached_property
    def code(self) -> Mapping[str, int]:
        """Position of each code."""
        return {name: place for place, name in enumerate(self.codes)}

    @cached_property
    def systems(self) -> tuple[str, ...]:
        """Code systems."""
        return tuple(sorted({code.partition(":")[0] for code in self.codes}))

    @cached_property
    def system_of_code(self) -> Integers:
        """Position of each code's system."""
        place = {name: number for number, name in enumerate(self.systems)}
        return np.array([place[code.partition(":")[0]] for code in self.codes], dtype=np.int64)

    @cached_property
    def covered(self) -> tuple[frozenset[str], ...]:
        """Codes of each concept."""
        return tuple(frozenset(code for code in self.codes if concept.covers(code)) for concept in self.concepts)

    def codes_of(self, concept: Concept) -> frozenset[str]:
        """Return the codes of a concept that need not be among ``concepts``."""
        return frozenset(code for code in self.codes if concept.covers(code))

    @property
    def last_month(self) -> int:
        """Month of the latest delivery, counted from 1970."""
        return int(MONTH_OF_DAY[self.end // DAY - FIRST_DAY])

    def months(self, day: Integers) -> Integers:
        """Return the position among the ``HISTORY`` months of each day since 1970; outside, -1 or ``HISTORY``."""
        inside = np.clip(day - FIRST_DAY, 0, len(MONTH_OF_DAY) - 1)
        places: Integers = np.clip(MONTH_OF_DAY[inside] - self.last_month + HISTORY - 1, -1, HISTORY)
        return places

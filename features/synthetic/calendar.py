"""The calendar everything happens in. Times are days since 1970, fractions kept."""

from __future__ import annotations

from typing import Final

import numpy as np

from features.synthetic import assumptions as a


def day(year: int) -> float:
    """Return 1 January of a year in days since 1970."""
    return float(np.datetime64(f"{year}-01-01", "D").astype(np.int64))


#: First day of each simulated year and, last, the day of delivery: shape ``(years + 1,)``.
BOUNDS: Final = np.array([day(a.FIRST_YEAR + y) for y in range(a.YEARS + 1)])
FIRST_DAY: Final = float(BOUNDS[0])
LAST_DAY: Final = float(BOUNDS[-1])
OPENS: Final = 8 / 24  # practices open at eight

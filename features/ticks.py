"""Round numbers, for the axes of charts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

ROUND: Final = (1, 2, 5, 10)
"""A round step is one of these times a power of ten."""


def round_step(least: float, factors: Sequence[float] = ROUND) -> float:
    """Return the smallest round step that is no smaller than ``least``; 1 for 0."""
    least = least or 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in factors if power * factor >= least * 0.999)


def ticks(low: float, high: float, wanted: int, factors: Sequence[float] = ROUND) -> list[float]:
    """Return round numbers from ``low`` to ``high``, about as many as wanted."""
    step = round_step((high - low) / wanted, factors)
    return [round(k * step, 10) for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]

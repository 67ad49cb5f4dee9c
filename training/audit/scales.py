"""On which scale a measure's error is about normal."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from training.measures import FAILED_REPLICATES
from training.survival import Floats

RATIOS: Final = frozenset({"observed_expected", "calibration_at_threshold"})
"""Measures whose logarithm is taken: half and double are as far from 1."""


LARGEST: Final = 700.0
"""Beyond it an exponential is no float: a bound that far away says nothing anyhow."""


def onto(measure: str, value: float) -> float:
    """Return the value on the measure's scale; NaN for a ratio of 0."""
    if measure not in RATIOS:
        return value
    return math.log(value) if value > 0 else math.nan


def back(measure: str, value: float) -> float:
    """Return what `onto` took to the measure's scale."""
    return math.exp(min(value, LARGEST)) if measure in RATIOS else value


def standard_error(measure: str, draws: Floats) -> float:
    """Return the standard deviation of replicates on the measure's scale; NaN when more than 5 % have no value."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.log(draws) if measure in RATIOS else draws
    usable = scaled[np.isfinite(scaled)]
    if len(usable) < 2 or len(usable) < (1 - FAILED_REPLICATES) * len(draws):
        return math.nan
    return float(usable.std(ddof=1))

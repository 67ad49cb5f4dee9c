"""The two groups of an attribute that are furthest apart."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from training.audit.report import Gap
from training.measures import CONFIDENCE, FAILED_REPLICATES
from training.survival import Floats


def largest_gap(measure: str, threshold: float | None, values: Mapping[str, float], draws: Floats) -> Gap:
    """Return the two groups furthest apart, with an interval that holds for every pair at once.

    Parameters
    ----------
    measure, threshold
        What is compared.
    values
        The measure in each group, at least two.
    draws
        The same in each replicate, shape ``(groups, replicates)``; the same practices are drawn for all
        groups.

    Notes
    -----
    Sup-t band: value ± the 95 % quantile, over replicates, of the largest standardised deviation among all
    pairs (Montiel Olea and Plagborg-Møller 2019, doi:10.1002/jae.2656).
    """
    labels, known = list(values), np.array(list(values.values()))
    top, bottom = int(known.argmax()), int(known.argmin())
    value, reach = float(known[top] - known[bottom]), math.nan
    usable = draws[:, np.isfinite(draws).all(axis=0)]
    if usable.shape[1] and usable.shape[1] >= (1 - FAILED_REPLICATES) * draws.shape[1]:
        deviation = usable - known[:, np.newaxis]
        between = deviation[:, np.newaxis] - deviation[np.newaxis]
        error = np.sqrt((between**2).mean(axis=2))
        standard = np.abs(between) / np.where(error > 0, error, 1.0)[:, :, np.newaxis]
        reach = float(np.quantile(standard.max(axis=(0, 1)), CONFIDENCE) * error[top, bottom])
    return Gap(
        measure=measure,
        threshold=threshold,
        highest=labels[top],
        lowest=labels[bottom],
        value=value,
        low=value - reach,
        high=value + reach,
        groups=len(labels),
    )

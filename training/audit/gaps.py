"""The two groups of an attribute that are furthest apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from scipy import special

from training.audit.report import Gap
from training.measures import CONFIDENCE, FAILED_REPLICATES, reach
from training.survival import Floats

#: Half of a normal 95 % interval, in standard errors.
NORMAL: Final = float(special.ndtri((1 + CONFIDENCE) / 2))


def largest_gap(
    measure: str,
    threshold: float | None,
    values: Mapping[str, float],
    draws: Floats,
    clusters: Sequence[int] | None = None,
) -> Gap:
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
    clusters
        In how many practices each group lies; many by default.

    Notes
    -----
    Sup-t band: value ± the 95 % quantile, over replicates, of the largest standardised deviation among all
    pairs (Montiel Olea and Plagborg-Møller 2019, doi:10.1002/jae.2656), widened as `training.measures.interval` is
    for how few practices the smaller of the two groups lies in. A replicate in which a group has no value counts for
    the pairs of the others; no interval is given if a group has none in more than 5 % of them.
    """
    labels, known = list(values), np.array(list(values.values()))
    top, bottom = int(known.argmax()), int(known.argmin())
    value, half = float(known[top] - known[bottom]), math.nan
    if (np.isfinite(draws).mean(axis=1) >= 1 - FAILED_REPLICATES).all():
        deviation = np.where(np.isfinite(draws), draws, np.nan) - known[:, np.newaxis]
        between = deviation[:, np.newaxis] - deviation[np.newaxis]
        error = np.sqrt(np.nanmean(between**2, axis=2))
        standard = np.abs(between) / np.where(error > 0, error, 1.0)[:, :, np.newaxis]
        largest = np.nanmax(standard.reshape(-1, draws.shape[1])[:, np.isfinite(draws).any(axis=0)], axis=0)
        half = float(np.quantile(largest, CONFIDENCE) * error[top, bottom])
        if clusters is not None:
            fewest = min(clusters[top], clusters[bottom])
            half = half * reach(fewest) / NORMAL if fewest > 1 else math.nan
    return Gap(
        measure=measure,
        threshold=threshold,
        highest=labels[top],
        lowest=labels[bottom],
        value=value,
        low=value - half,
        high=value + half,
        groups=len(labels),
    )

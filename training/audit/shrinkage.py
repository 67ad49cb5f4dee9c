"""Small groups judged with the help of the others: what is extreme because it is small is drawn to the mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from scipy import special

from training.audit.report import Shrunk
from training.audit.scales import back, onto
from training.measures import CONFIDENCE

GROUPS: Final = 4
"""Groups from which a spread between groups can be learnt, and how far to trust it."""


def shrink(measure: str, values: Mapping[str, float], errors: Mapping[str, float]) -> dict[str, Shrunk]:
    """Return the value of each group drawn towards their mean, by empirical Bayes.

    Parameters
    ----------
    measure
        What is measured: it fixes the scale (`training.audit.scales`).
    values, errors
        In each group: value, and standard error on that scale. Groups without either are left out.

    Returns
    -------
    dict of str to Shrunk
        Empty with fewer than four usable groups.

    Notes
    -----
    Morris (1983, doi:10.1080/01621459.1983.10477920): with ``k`` groups, a group's distance to the mean loses the share
    ``(k − 3) / (k − 1) × error² / (τ² + error²)``, and its interval counts that the mean and the spread ``τ²`` between
    groups are themselves estimated, here by DerSimonian and Laird (1986, doi:10.1016/0197-2456(86)90046-2). Groups
    drawn from the same practices are not quite independent.
    """
    usable = {
        group: (scaled, errors[group])
        for group, value in values.items()
        if math.isfinite(scaled := onto(measure, value)) and errors[group] > 0
    }
    many = len(usable)
    if many < GROUPS:
        return {}
    value, error = np.array(list(usable.values())).T
    weight = 1 / error**2
    spread = weight @ (value - np.average(value, weights=weight)) ** 2 - (many - 1)
    between = max(0.0, float(spread / (weight.sum() - (weight**2).sum() / weight.sum())))
    total = 1 / (between + error**2)
    apart = value - np.average(value, weights=total)
    lost = (many - 3) / (many - 1) * error**2 * total
    middle = value - lost * apart
    unsure = 2 / (many - 3) * lost**2 * (np.average(error**2, weights=total) + between) * total * apart**2
    variance = error**2 * (1 - (many - 1) / many * lost) + unsure
    reach = float(special.ndtri((1 + CONFIDENCE) / 2)) * np.sqrt(variance)
    return {
        group: Shrunk(*(back(measure, float(each)) for each in (at, at - half, at + half)))
        for group, at, half in zip(usable, middle, reach, strict=True)
    }

"""How far two distributions lie apart, and whether chance explains it, when people come from practices.

Everything is worked out from counts: a row a practice, a column a bin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from training.survival import Floats

Counts = npt.NDArray[np.float64]
EXPECTED: Final = 5.0
"""People expected in a bin below which it is judged together with its neighbour."""


def stability_index(before: Counts, now: Counts) -> float:
    """Return the population stability index between two tables of counts, each shape ``(bins,)``.

    Siddiqi (2006, Credit Risk Scorecards): the sum of (now − before) × log(now / before) over shares. Half a person is
    added to each bin, so that an empty one does not make it infinite.
    """
    was, found = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (before, now))
    return float((found - was) @ np.log(found / was))


def design_effect(counts: Counts) -> float:
    """Return how many times more the shares vary than those of people drawn one by one; at least 1.

    Parameters
    ----------
    counts
        Shape ``(practices, bins)``.

    Returns
    -------
    float
        The mean of the generalised design effects (Rao and Scott 1981, doi:10.1080/01621459.1981.10477633), from
        linearised variances between practices; NaN with fewer than two practices.
    """
    size = counts.sum(axis=1)
    counts = counts[size > 0]
    practices, n = len(counts), counts.sum()
    if practices < 2:
        return math.nan
    share = counts.sum(axis=0) / n
    counts, share = counts[:, share > 0], share[share > 0]
    if len(share) < 2:
        return 1.0
    apart = counts - counts.sum(axis=1, keepdims=True) * share
    variance = practices / (practices - 1) * (apart**2).sum(axis=0) / n**2
    return max(1.0, float((variance * n / share).sum() / (len(share) - 1)))


def homogeneity(before: Floats, before_n: float, before_effect: float, now: Counts, clusters: int) -> float:
    """Return the probability that chance sets two distributions so far apart.

    Parameters
    ----------
    before, before_n, before_effect
        Shares, people and design effect of the first.
    now
        Counts of the second, shape ``(practices, bins)``.
    clusters
        Practices of the first.

    Returns
    -------
    float
        Of Pearson's statistic, divided by the design effects and referred to an F distribution, so that few practices
        count for what they are (Thomas and Rao 1987, doi:10.1080/01621459.1987.10478476); 1 where nothing can be said.
    """
    practices = int((now.sum(axis=1) > 0).sum())
    effect, n = design_effect(now), now.sum()
    if not math.isfinite(effect) or not math.isfinite(before_effect) or before_n <= 0:
        return 1.0
    was, found = before_n / before_effect, n / effect
    share = now.sum(axis=0) / n
    pooled = (was * before + found * share) / (was + found)
    bins = _together(pooled * min(was, found))
    one, other, pooled = (np.bincount(bins, weights=each) for each in (before, share, pooled))
    if len(pooled) < 2:
        return 1.0
    statistic = float((((other - one) ** 2) / pooled).sum() / (1 / was + 1 / found))
    freedom = len(pooled) - 1
    return float(stats.f.sf(statistic / freedom, freedom, freedom * max(practices + clusters - 2, 1)))


def _together(expected: Floats) -> npt.NDArray[np.intp]:
    """Return a number for each bin; neighbours that are small share one."""
    numbers, number, gathered = np.zeros(len(expected), dtype=np.intp), 0, 0.0
    for place, people in enumerate(expected):
        numbers[place] = number
        gathered += people
        if gathered >= EXPECTED:
            number, gathered = number + 1, 0.0
    if number and number in numbers:  # what is left over joins the last that was large enough
        numbers[numbers == number] = number - 1
    return numbers


def normal_scores(counts: Counts) -> Floats:
    """Return a score a bin, in standard deviations, from where its middle lies among people: shape ``(bins,)``.

    Van der Waerden's scores; over these people their mean is 0 and their variance 1.
    """
    share = counts / counts.sum()
    scores = np.asarray(special.ndtri(np.clip(np.cumsum(share) - share / 2, 1e-6, 1 - 1e-6)), dtype=np.float64)
    scores -= share @ scores
    spread = math.sqrt(share @ scores**2)
    return scores / spread if spread > 0 else np.zeros_like(scores)


def mean_and_error(sums: Floats, sizes: Floats, squares: Floats) -> tuple[float, float]:
    """Return a mean over people and its standard error over practices, from what practices sum up to.

    Parameters
    ----------
    sums, sizes, squares
        Sum of values, number of people and sum of squared values of each practice, shape ``(practices,)``.

    Returns
    -------
    tuple of float
        The error is from the linearised variance of a ratio, and no smaller than that of people drawn one by one: a few
        practices may look alike by chance. NaN with fewer than two practices.
    """
    n, practices = sizes.sum(), int((sizes > 0).sum())
    if n == 0:
        return math.nan, math.nan
    mean = float(sums.sum() / n)
    if practices < 2:
        return mean, math.nan
    apart = sums - sizes * mean
    between = math.sqrt(practices / (practices - 1) * (apart**2).sum()) / n
    alone = math.sqrt(max(float(squares.sum()) / n - mean**2, 0.0) / n)
    return mean, max(float(between), float(alone))


def two_sided(statistic: float, freedom: int) -> float:
    """Return the probability of a Student's statistic at least so far from 0; 1 where there is none."""
    return float(2 * stats.t.sf(abs(statistic), max(freedom, 1))) if math.isfinite(statistic) else 1.0


def adjusted(probabilities: Sequence[float]) -> list[float]:
    """Return probabilities adjusted for being many, so that none is wrongly small more often than it says.

    Holm (1979, Scandinavian Journal of Statistics 6:65–70): whatever their dependence.
    """
    order = sorted(range(len(probabilities)), key=lambda place: probabilities[place])
    found, largest = [1.0] * len(probabilities), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * probabilities[place]))
        found[place] = largest
    return found

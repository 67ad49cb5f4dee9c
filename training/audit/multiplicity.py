"""Verdicts on many groups at once: among hundreds of comparisons, chance alone puts some outside any tolerance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from scipy import special

from training.audit.report import Bounds, Family, Verdict
from training.audit.scales import back, onto
from training.measures import CONFIDENCE, Estimate

FAMILY_WISE: Final = 0.05
"""Chance, at most, that an audit puts any group outside its tolerance wrongly."""


@dataclass(frozen=True)
class Judged:
    """A value to be judged.

    Parameters
    ----------
    estimate
        The measure in one group.
    error
        Its standard error, on the measure's scale (`training.audit.scales`).
    clusters
        Practices the group lies in.
    """

    estimate: Estimate
    error: float
    clusters: int

    @property
    def known(self) -> bool:
        """Whether there is an interval to judge."""
        return all(map(math.isfinite, (self.estimate.low, self.estimate.high, self.error))) and self.clusters > 1


def verdict_alone(estimate: Estimate, tolerance: tuple[float, float]) -> Verdict:
    """Say where the interval of an estimate lies, as if it were the only one."""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return "insufficient"
    lowest, highest = tolerance
    if lowest <= estimate.low and estimate.high <= highest:
        return "within"
    if estimate.high < lowest or highest < estimate.low:
        return "outside"
    return "uncertain"


def judge(
    judged: Sequence[Judged],
    tolerances: Sequence[tuple[float, float]],
    name: Literal["attributes", "pairs"],
    level: float = FAMILY_WISE,
) -> tuple[Family, list[tuple[Verdict, Bounds | None]]]:
    """Return the family that values make, and the verdict on each with the bounds that decided it.

    Parameters
    ----------
    judged, tolerances
        Values, and the tolerance of each.
    name, level
        Of the family; the chance of any wrong ``"outside"`` in it.

    Notes
    -----
    A value is outside when its own 95 % interval is, and the interval that reaches ``t √(k / (k − 1))`` standard errors
    as well, where ``t`` is Student's quantile with ``k − 1`` degrees of freedom (``k`` practices) that is exceeded with
    probability ``level`` over the number of comparisons. A group whose true value lies within its tolerance can
    only be put outside by one of the two bounds, so the chance is one-sided, and by Bonferroni's inequality at most
    ``level`` for all together, whatever groups have in common (people are in several).
    """
    many = sum(each.known for each in judged)
    family = Family(name, many, many * (1 - CONFIDENCE) / 2, level)
    verdicts: list[tuple[Verdict, Bounds | None]] = []
    for each, tolerance in zip(judged, tolerances, strict=True):
        alone = verdict_alone(each.estimate, tolerance)
        if alone == "insufficient" or not each.known:
            verdicts.append(("insufficient", None))
            continue
        bounds = _bounds(each, level / many)
        apart = bounds.high < tolerance[0] or tolerance[1] < bounds.low
        verdicts.append(("suspected" if alone == "outside" and not apart else alone, bounds))
    return family, verdicts


def _bounds(judged: Judged, tail: float) -> Bounds:
    """Return the bounds that the true value is beyond, on either side, with probability ``tail``."""
    free = judged.clusters - 1
    reach = float(special.stdtrit(free, 1 - tail)) * math.sqrt(judged.clusters / free) * judged.error
    measure, middle = judged.estimate.measure, onto(judged.estimate.measure, judged.estimate.value)
    return Bounds(back(measure, middle - reach), back(measure, middle + reach))

"""Is the study large enough: to develop a model without overfitting, and to judge one with precision?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import special, stats

from features.privacy import shown
from training.measures import CONFIDENCE, Estimate, logit
from training.survival import Floats

SHRINKAGE: Final = 0.9
"""Least acceptable expected shrinkage of effects: 10 % of overfitting."""
OPTIMISM: Final = 0.05
"""Largest acceptable difference between the apparent and the adjusted Nagelkerke R²."""
MARGIN: Final = 0.05
"""Largest acceptable error of the overall risk at the horizon."""
ASSUMED_R2: Final = 0.15
"""Share of the largest possible Cox–Snell R² expected of a new model when nothing better is known."""
WIDTHS: Final[Mapping[str, float]] = {"observed_expected": 0.2, "calibration_slope": 0.2, "auc": 0.1}
"""Widest acceptable 95 % interval of each measure in a validation."""
NORMAL: Final = float(stats.norm.ppf((1 + CONFIDENCE) / 2))


@dataclass(frozen=True)
class Development:
    """People needed to develop a model, and whether they are there.

    Parameters
    ----------
    people, events
        Those there are; None when too few to be shown. Somebody with several landmarks counts once.
    predictors
        Parameters: one a feature, so a lower bound for models with curves or interactions.
    rate, mean_followup
        Events a year, and years of follow-up.
    assumed_r2
        Cox–Snell R² expected of the model.
    expected_shrinkage
        What it would be with the people there are.
    needed
        People needed by each criterion: ``shrinkage``, ``optimism`` and ``overall_risk``.
    enough
        Whether there are as many as the most demanding asks for.
    """

    people: int | None
    events: int | None
    predictors: int
    rate: float
    mean_followup: float
    assumed_r2: float
    expected_shrinkage: float
    needed: dict[str, int]
    enough: bool


@dataclass(frozen=True)
class Precision:
    """Whether a validation is large enough for one measure.

    Parameters
    ----------
    measure
        ``observed_expected``, ``calibration_slope`` or ``auc``.
    widest
        Widest acceptable 95 % interval.
    width
        That of the study, practices drawn whole: what is truly known.
    needed
        Rows needed if they were independent and all followed to the horizon; None when it cannot be said.
    enough
        Whether the interval is no wider than acceptable; None without an interval.
    """

    measure: str
    widest: float
    width: float
    needed: int | None
    enough: bool | None


def develop(
    people: int, events: int, predictors: int, *, rate: float, mean_followup: float, horizon: float
) -> Development:
    """Say whether there are people enough to develop a model.

    Parameters
    ----------
    people, events, predictors
        Those there are.
    rate, mean_followup, horizon
        Events a year; years.
    """
    r2 = ASSUMED_R2 * largest_r2(rate, mean_followup)
    needed = development_needs(predictors, r2, rate, mean_followup, horizon)
    return Development(
        shown(people),
        shown(events),
        predictors,
        rate,
        mean_followup,
        r2,
        expected_shrinkage(people, predictors, r2),
        needed,
        people >= max(needed.values()),
    )


def development_needs(predictors: int, r2: float, rate: float, mean_followup: float, horizon: float) -> dict[str, int]:
    """Return the people needed to develop a time-to-event model, by criterion.

    Parameters
    ----------
    predictors
        Candidate parameters.
    r2
        Expected Cox–Snell R², adjusted.
    rate, mean_followup, horizon
        Events a year; years.

    Notes
    -----
    Riley et al. (2019, doi:10.1002/sim.7992; 2020, doi:10.1136/bmj.m441), as R's ``pmsampsize``: shrinkage of at
    least 0.9; optimism in Nagelkerke's R² of at most 0.05; overall risk at the horizon, exponential, within 0.05.
    """

    def people(shrinkage: float) -> int:
        return math.ceil(predictors / ((shrinkage - 1) * math.log(1 - r2 / shrinkage)))

    small_optimism = r2 / (r2 + OPTIMISM * largest_r2(rate, mean_followup))
    error = math.log1p(MARGIN * math.exp(rate * horizon)) / (NORMAL * horizon)
    return {
        "shrinkage": people(SHRINKAGE),
        "optimism": people(small_optimism),
        "overall_risk": math.ceil(rate / (mean_followup * error**2)),
    }


def largest_r2(rate: float, mean_followup: float) -> float:
    """Return the largest possible Cox–Snell R² of a time-to-event model (Riley et al. 2019, equation 23)."""
    events = rate * mean_followup
    return 1 - math.exp(2 * (events * math.log(events) - events))


def expected_shrinkage(people: int, predictors: int, r2: float) -> float:
    """Return the shrinkage that ``people`` allow: where the first criterion needs just as many, at least 0."""
    low, high = r2 + 1e-12, 1 - 1e-12
    for _ in range(200):
        middle = (low + high) / 2
        if predictors / ((middle - 1) * math.log(1 - r2 / middle)) < people:
            low = middle
        else:
            high = middle
    return low


def validation_needs(risk: Floats, share: float, auc: float) -> dict[str, int | None]:
    """Return the rows needed to validate a model with precise measures.

    Parameters
    ----------
    risk
        Predicted risks, whose spread decides about the slope.
    share
        Proportion of people with the event.
    auc
        Expected discrimination.

    Notes
    -----
    Archer et al. (2021, doi:10.1002/sim.8766) and Riley et al. (2021, doi:10.1002/sim.9025), as R's
    ``pmvalsampsize``, for a model that is calibrated. None for a share of 0 or 1, or risks that are all equal.
    """
    if not 0 < share < 1:
        return dict.fromkeys(WIDTHS)
    score = logit(risk)
    error = math.asinh(WIDTHS["observed_expected"] / 2) / NORMAL
    information = special.expit(score) * special.expit(-score)
    middle = np.average(score, weights=information)
    spread = float(np.mean(information * (score - middle) ** 2))
    slope_error = WIDTHS["calibration_slope"] / (2 * NORMAL)
    return {
        "observed_expected": math.ceil((1 - share) / (share * error**2)),
        "calibration_slope": math.ceil(1 / (spread * slope_error**2)) if spread > 1e-12 else None,
        "auc": _smallest(lambda rows: auc_error(auc, share, rows) <= WIDTHS["auc"] / (2 * NORMAL)),
    }


def auc_error(auc: float, share: float, rows: int) -> float:
    """Return the standard error of an AUC (Newcombe 2006, doi:10.1002/sim.2324, method 4)."""
    half = rows / 2 - 1
    inside = auc * (1 - auc) * (1 + half * (1 - auc) / (2 - auc) + half * auc / (1 + auc))
    return math.sqrt(inside / (rows**2 * share * (1 - share)))


def _smallest(enough: Callable[[int], bool]) -> int | None:
    """Return the smallest number that is enough, when all larger ones are too; None above a thousand million."""
    high = 2
    while not enough(high):
        high *= 2
        if high > 10**9:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def precision(estimates: Mapping[str, Estimate], risk: Floats, share: float) -> tuple[Precision, ...]:
    """Say of each measure whether its interval is narrow enough, and how many rows would make it so.

    Parameters
    ----------
    estimates
        Estimates of a model, by measure.
    risk
        Its predicted risks.
    share
        Observed proportion of people with the event.
    """
    auc = estimates["auc"].value
    needed = validation_needs(risk, share, auc) if 0 < auc < 1 else dict.fromkeys(WIDTHS)
    found = []
    for measure, widest in WIDTHS.items():
        width = estimates[measure].high - estimates[measure].low
        found.append(Precision(measure, widest, width, needed[measure], width <= widest if width == width else None))
    return tuple(found)

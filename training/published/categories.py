"""Risk categories of the ESC 2021 guideline on cardiovascular prevention, for apparently healthy people.

Visseren FLJ, Mach F, Smulders YM, et al. 2021 ESC Guidelines on cardiovascular disease prevention in clinical
practice. European Heart Journal 2021;42(34):3227-3337. doi:10.1093/eurheartj/ehab484. They are the ESC's and
not those of the French Haute Autorité de santé.
"""

from __future__ import annotations

import math
from typing import Final, Literal

Category = Literal["low_to_moderate", "high", "very_high"]

LABELS: Final[dict[Category, dict[Literal["fr", "en"], str]]] = {
    "low_to_moderate": {"fr": "risque faible à modéré", "en": "low-to-moderate risk"},
    "high": {"fr": "risque élevé", "en": "high risk"},
    "very_high": {"fr": "risque très élevé", "en": "very high risk"},
}
"""What a reader sees, in French and English."""


def esc_2021(risk: float, age: float) -> Category:
    """Return the ESC 2021 category of a ten-year SCORE2 or SCORE2-OP risk.

    High starts at 2.5 % and very high at 7.5 % under 50 years; at 5 % and 10 % from 50 to 69; at 7.5 % and 15
    % from 70. A risk equal to a threshold is in the category above it.

    Parameters
    ----------
    risk
        Probability from 0 to 1, not rounded: a rounded one may change category.
    age
        Years.

    Raises
    ------
    ValueError
        If ``risk`` is not a probability or ``age`` is not a positive number.

    References
    ----------
    doi:10.1093/eurheartj/ehab484.
    """
    if not 0.0 <= risk <= 1.0:
        raise ValueError("risk is not a probability: give a number from 0 to 1, not a percentage and not a refusal")
    if not (math.isfinite(age) and age > 0):
        raise ValueError("age is not a positive number: give it in years")
    high, very_high = (0.025, 0.075) if age < 50 else (0.05, 0.10) if age < 70 else (0.075, 0.15)
    if risk < high:
        return "low_to_moderate"
    return "high" if risk < very_high else "very_high"

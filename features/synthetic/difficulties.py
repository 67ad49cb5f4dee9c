"""What makes the records hard to learn from, on purpose, and can be switched off one by one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Final


@dataclass(frozen=True)
class Difficulties:
    """Planted difficulties.

    Parameters
    ----------
    under_recording
        The more deprived a practice's patients, the fewer diagnoses it codes.
    undercoded_region
        One region of five codes a quarter less than the others.
    grams
        One software vendor sends lipids and creatinine in mass (g/L, mg/L), the others mostly in amount.
    late_results
        Some practices learn laboratory results weeks after the blood was drawn.
    informative_departure
        Who leaves is not like who stays: deprivation, smoking, illness and the cardiovascular risk itself count.
    symptom_coding
        Chest pain is coded less often in women than in men.
    drift_from
        From that day the practices' new devices read higher blood pressures; None if never.
    """

    under_recording: bool = True
    undercoded_region: bool = True
    grams: bool = True
    late_results: bool = True
    informative_departure: bool = True
    symptom_coding: bool = True
    drift_from: date | None = None

    def __str__(self) -> str:
        """Return what differs from the usual population, ``""`` if nothing does."""
        usual = asdict(USUAL)
        return ", ".join(f"{name} {value}" for name, value in asdict(self).items() if value != usual[name])


USUAL: Final = Difficulties()

"""What a laboratory would find, year by year: kidneys, sugar, triglycerides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.synthetic import assumptions as a
from features.synthetic.assumptions import Floats
from features.synthetic.calendar import BOUNDS
from features.synthetic.illnesses import Illnesses
from features.synthetic.people import People


@dataclass(frozen=True, eq=False)
class Metabolism:
    """True levels, shape ``(n, years)``.

    Attributes
    ----------
    filtration
        Glomerular filtration rate, mL/min/1.73 m²; below 60 if and only if there is kidney disease.
    hba1c
        %.
    triglycerides
        mmol/L.
    albuminuria
        Albumin over creatinine in urine, mg/mmol.
    """

    filtration: Floats
    hba1c: Floats
    triglycerides: Floats
    albuminuria: Floats


def make_metabolism(rng: np.random.Generator, people: People, illnesses: Illnesses, bmi: Floats) -> Metabolism:
    """Return the levels of people with these illnesses and weights."""
    n = len(people)
    diabetes = illnesses.has["diabetes"]
    heavy = bmi - 26
    filtration = _filtration(rng, people, illnesses)
    above = a.HBA1C + 0.006 * (people.age - 50) + 0.015 * heavy + rng.normal(0, a.HBA1C_SD, (n, 1))
    shape, scale = a.HBA1C_DIABETES_GAMMA
    ill = a.HBA1C_DIABETES + rng.gamma(shape, scale, (n, 1)) + rng.normal(0, a.HBA1C_YEAR_SD, (n, a.YEARS))
    triglycerides = np.log(a.TRIGLYCERIDES) + 0.045 * heavy + 0.18 * diabetes
    triglycerides = triglycerides + rng.normal(0, a.TRIGLYCERIDES_LOG_SD, (n, 1))
    albuminuria = np.log(a.ALBUMINURIA) + 0.9 * diabetes + 1.3 * illnesses.has["kidney_disease"]
    albuminuria = albuminuria + rng.normal(0, a.ALBUMINURIA_LOG_SD, (n, 1))
    return Metabolism(
        filtration=filtration,
        hba1c=np.where(diabetes, np.clip(ill, 5.2, 14), np.clip(above, 4.3, 6.4)),
        triglycerides=np.clip(np.exp(triglycerides), 0.3, 12),
        albuminuria=np.clip(np.exp(albuminuria), 0.1, 400),
    )


def _filtration(rng: np.random.Generator, people: People, illnesses: Illnesses) -> Floats:
    n = len(people)
    well = a.FILTRATION(people.age, people.female[:, None]) + rng.normal(0, a.FILTRATION_SD, (n, 1))
    ago = np.maximum(BOUNDS[:-1] - illnesses.onset["kidney_disease"][:, None], 0) / a.DAYS_A_YEAR
    decline = rng.gamma(1.5, a.FILTRATION_DECLINE / 1.5, (n, 1))
    ill = a.FILTRATION_ILL - decline * np.where(np.isfinite(ago), ago, 0)
    return np.where(illnesses.has["kidney_disease"], np.clip(ill, 6, 59.9), np.clip(well, 60.1, 140))


def creatinine(filtration: Floats, age: Floats, female: npt.NDArray[np.bool_]) -> Floats:
    """Return the creatinine, µmol/L, at which CKD-EPI 2009 gives this filtration, mL/min/1.73 m².

    The inverse of ``141 min(Scr/κ, 1)^α max(Scr/κ, 1)^-1.209 0.993^age (1.018 if female)``, Scr in mg/dL (Levey et al.
    2009, doi:10.7326/0003-4819-150-9-200905050-00006), without its factor for ethnicity.
    """
    kappa, alpha = np.where(female, 0.7, 0.9), np.where(female, -0.329, -0.411)
    ratio = filtration / (141 * 0.993**age * np.where(female, 1.018, 1.0))
    found: Floats = 88.42 * kappa * ratio ** (1 / np.where(ratio > 1, alpha, -1.209))
    return found


def estimated_filtration(umol_l: Floats, age: Floats, female: npt.NDArray[np.bool_]) -> Floats:
    """Return the filtration that CKD-EPI 2009 gives for a creatinine in µmol/L; see `creatinine`."""
    kappa, alpha = np.where(female, 0.7, 0.9), np.where(female, -0.329, -0.411)
    relative = umol_l / 88.42 / kappa
    factor = np.minimum(relative, 1) ** alpha * np.maximum(relative, 1) ** -1.209
    found: Floats = 141 * factor * 0.993**age * np.where(female, 1.018, 1.0)
    return found

"""When illnesses begin, from hazards that depend on age, sex, smoking and weight; and when a doctor finds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from features.synthetic import assumptions as a
from features.synthetic.assumptions import ByAge, Floats
from features.synthetic.calendar import BOUNDS, FIRST_DAY
from features.synthetic.incidence import first_passage
from features.synthetic.people import People

Flags = npt.NDArray[np.bool_]

#: Those that make people consult more.
CONDITIONS: Final = ("diabetes", "atrial_fibrillation", "kidney_disease", "mental_illness")
#: Share with it on the first day, and rate of onset.
RATES: Final[dict[str, tuple[ByAge, ByAge]]] = {
    "diabetes": (a.DIABETES_SHARE, a.DIABETES_ONSET),
    "atrial_fibrillation": (a.FIBRILLATION_SHARE, a.FIBRILLATION_ONSET),
    "kidney_disease": (a.KIDNEY_SHARE, a.KIDNEY_ONSET),
    "mental_illness": (a.MENTAL_ILLNESS_SHARE, a.MENTAL_ILLNESS_ONSET),
    "copd": (a.COPD_SHARE, a.COPD_ONSET),
    "depression": (a.DEPRESSION_SHARE, a.DEPRESSION_ONSET),
    "migraine": (a.MIGRAINE_SHARE, a.MIGRAINE_ONSET),
    "rheumatoid_arthritis": (a.ARTHRITIS_SHARE, a.ARTHRITIS_ONSET),
    "lupus": (a.LUPUS_SHARE, a.LUPUS_ONSET),
    "dementia": (a.DEMENTIA_SHARE, a.DEMENTIA_ONSET),
}


@dataclass(frozen=True, eq=False)
class Illnesses:
    """Illnesses by name.

    Attributes
    ----------
    onset, diagnosed
        When each began and when a doctor found it, days since 1970, infinite if never, each of shape ``(n,)``.
    has
        Whether each was there on the first day of the year, shape ``(n, years)``.
    type_1
        Whether a person's diabetes, if any, is of type 1, shape ``(n,)``.
    """

    onset: dict[str, Floats]
    diagnosed: dict[str, Floats]
    has: dict[str, Flags]
    type_1: Flags


def make_illnesses(rng: np.random.Generator, people: People, smoking: npt.NDArray[np.int8], bmi: Floats) -> Illnesses:
    """Return the illnesses of people with these habits and weights."""
    n = len(people)
    more = {"diabetes": np.exp(0.10 * (bmi - 26)) * 0.88, "copd": np.array(a.COPD_SMOKING)[smoking]}
    onset, diagnosed = {}, {}
    for name, (share, rate) in RATES.items():
        hazard = rate(people.age, people.female[:, None])
        present = share(people.age[:, 0], people.female)
        if name in more:
            hazard, present = hazard * more[name], present * more[name][:, 0]
        onset[name] = _onset(rng, np.minimum(present, 0.9), hazard)
        years = a.DETECTION_YEARS_COPD if name == "copd" else a.DETECTION_YEARS
        diagnosed[name] = onset[name] + a.DAYS_A_YEAR * rng.exponential(years, n)
    young = onset["diabetes"] - people.born < 35 * a.DAYS_A_YEAR
    return Illnesses(
        onset=onset,
        diagnosed=diagnosed,
        has={name: moment[:, None] < BOUNDS[:-1] for name, moment in onset.items()},
        type_1=rng.random(n) < np.where(young, a.TYPE_1_YOUNG, a.TYPE_1_LATER),
    )


def _onset(rng: np.random.Generator, share: Floats, hazard: Floats) -> Floats:
    """Return when an illness began: before the first day for a share of people, then by the yearly hazard."""
    n = len(share)
    before = FIRST_DAY - a.DAYS_A_YEAR * rng.exponential(6.0, n)
    return np.where(rng.random(n) < share, before, first_passage(rng.exponential(size=n), hazard))

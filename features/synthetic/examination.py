"""What is measured and asked at a consultation: blood pressure, weight, tobacco, alcohol."""

from __future__ import annotations

from typing import Final

import numpy as np

from features.synthetic import assumptions as a
from features.synthetic.assumptions import Floats
from features.synthetic.calendar import LAST_DAY
from features.synthetic.lives import Lives
from features.synthetic.pages import Pages
from features.synthetic.trajectories import CURRENT, FORMER, NEVER_SMOKED
from features.synthetic.visits import Visits

SYSTOLIC, DIASTOLIC = "LOINC:8480-6", "LOINC:8462-4"
BMI, WEIGHT, HEIGHT = "LOINC:39156-5", "LOINC:29463-7", "LOINC:8302-2"
DRINKS, CIGARETTES = "LOINC:74013-4", "LOINC:64218-1"
SMOKING: Final = {NEVER_SMOKED: "LOINC:LA18978-9", FORMER: "LOINC:LA15920-4", CURRENT: "LOINC:LA18976-3"}


def examine(rng: np.random.Generator, pages: Pages, lives: Lives, visits: Visits) -> None:
    """Add what was measured and asked."""
    measuring = lives.of_practice(lives.practices.measuring, visits.person, visits.moment)
    _blood_pressure(rng, pages, lives, visits, measuring)
    _weight(rng, pages, lives, visits.where(rng.random(len(measuring)) < a.BMI_MEASURED * measuring))
    asked = visits.where(rng.random(len(measuring)) < a.SMOKING_ASKED * measuring)
    status = lives.states.smoking[asked.person, asked.year]
    for state, code in SMOKING.items():
        pages.add(asked.person[status == state], asked.moment[status == state], code)
    smokers = asked.where((status == CURRENT) & (rng.random(len(status)) < a.CIGARETTES_COUNTED))
    a_day = np.round(rng.gamma(3.0, a.CIGARETTES / 3.0, len(smokers.person)) + 0.5)
    pages.add(smokers.person, smokers.moment, CIGARETTES, value=a_day, unit="/d")
    asked = visits.where(rng.random(len(measuring)) < a.ALCOHOL_ASKED * measuring)
    told = np.round(lives.circumstances.drinks[asked.person] * rng.uniform(0.5, 1.1, len(asked.person)))
    pages.add(asked.person, asked.moment, DRINKS, value=told, unit="{drinks}/d")  # people say less than they drink


def _blood_pressure(rng: np.random.Generator, pages: Pages, lives: Lives, visits: Visits, measuring: Floats) -> None:
    """Measured more in those known to be hypertensive, and where the pressure is high: a measurement informs."""
    usual = lives.states.systolic[visits.person, visits.year]
    known = lives.states.hypertension_diagnosed[visits.person] < visits.moment
    young = lives.people.age[visits.person, visits.year] < 40
    chance = np.select([known, young], [a.BP_MEASURED_HYPERTENSIVE, a.BP_MEASURED_YOUNG], a.BP_MEASURED)
    chance += a.BP_MEASURED_HIGH * (~known & (usual > a.HYPERTENSION_FROM))
    taken = rng.random(len(chance)) < chance * measuring
    visits, usual = visits.where(taken), usual[taken]
    systolic = usual + rng.normal(0, lives.states.variability[visits.person])
    systolic = np.round(systolic + _drift(lives, visits))
    tens = rng.random(len(usual)) < 0.25  # a quarter of readings are rounded to ten
    systolic = np.clip(np.where(tens, np.round(systolic, -1), systolic), 75, 270)
    age = lives.people.age[visits.person, visits.year]
    share = 0.63 - 0.0022 * (age - 40)  # pulse pressure widens with age
    diastolic = np.clip(np.round(systolic * share + rng.normal(0, 6, len(usual))), 35, systolic - 15)
    pages.add(visits.person, visits.moment, SYSTOLIC, value=systolic, unit="mm[Hg]")
    pages.add(visits.person, visits.moment, DIASTOLIC, value=diastolic, unit="mm[Hg]")


def _drift(lives: Lives, visits: Visits) -> Floats:
    drift_from = lives.difficulties.drift_from
    since = float(np.datetime64(drift_from, "D").astype(np.int64)) if drift_from else LAST_DAY
    return np.where(visits.moment >= since, a.SYSTOLIC_DRIFT, 0.0)


def _weight(rng: np.random.Generator, pages: Pages, lives: Lives, weighed: Visits) -> None:
    """Weight with the index the software computes; height once, the first time."""
    person = weighed.person
    usual: Floats = lives.states.bmi[person, weighed.year] + rng.normal(0, 0.4, len(person))
    bmi: Floats = np.clip(usual, 13.0, 70.0).round(1)
    height = np.round(lives.circumstances.height)
    pages.add(person, weighed.moment, BMI, value=bmi, unit="kg/m2")
    weight = np.round(bmi * (height[person] / 100) ** 2, 1)
    pages.add(person, weighed.moment, WEIGHT, value=weight, unit="kg")
    order = np.lexsort((weighed.moment, person))
    first = order[np.unique(person[order], return_index=True)[1]]
    pages.add(person[first], weighed.moment[first], HEIGHT, value=height[person[first]], unit="cm")

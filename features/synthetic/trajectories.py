"""What each person's body, habits and treatment do, year by year, whether or not anybody measures it.

Trajectories run over the whole calendar for everybody and do not depend on events: what a person would go through
while alive. That is what makes the true incidence computable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.synthetic import assumptions as a
from features.synthetic.assumptions import Floats
from features.synthetic.calendar import BOUNDS, FIRST_DAY
from features.synthetic.illnesses import Illnesses, make_illnesses
from features.synthetic.metabolism import Metabolism, make_metabolism
from features.synthetic.people import People
from features.synthetic.practices import Practices

Flags = npt.NDArray[np.bool_]

NEVER_SMOKED, FORMER, CURRENT = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Trajectories:
    """True states; shape ``(n, years)`` unless said otherwise.

    Attributes
    ----------
    smoking
        0 never, 1 former, 2 current.
    systolic, non_hdl, hdl, bmi
        Usual levels under treatment: mmHg, mmol/L, mmol/L, kg/m².
    variability
        Standard deviation of systolic readings from visit to visit, mmHg, shape ``(n,)``.
    illnesses, metabolism
        Further states.
    hypertension_diagnosed
        When it was first diagnosed, days since 1970, infinite if never, shape ``(n,)``.
    antihypertensive, statin
        Whether treated.
    """

    smoking: npt.NDArray[np.int8]
    systolic: Floats
    non_hdl: Floats
    hdl: Floats
    bmi: Floats
    variability: Floats
    illnesses: Illnesses
    metabolism: Metabolism
    hypertension_diagnosed: Floats
    antihypertensive: Flags
    statin: Flags

    @property
    def has(self) -> dict[str, Flags]:
        """Whether each illness was there on the first day of the year."""
        return self.illnesses.has


def make_trajectories(rng: np.random.Generator, people: People, practices: Practices) -> Trajectories:
    """Return the trajectories of people; levels hold for a whole calendar year."""
    smoking = _smoking(rng, people)
    bmi = _bmi(rng, people)
    illnesses = make_illnesses(rng, people, smoking, bmi)
    untreated = _untreated_systolic(rng, people, bmi)
    diagnosed, antihypertensive = _hypertension(rng, untreated, people.by_practice_yearly(practices.measuring))
    effect = np.clip(rng.normal(*a.ANTIHYPERTENSIVE_EFFECT, len(people)), 2, 30)[:, None]
    non_hdl = _untreated_non_hdl(rng, people, bmi)
    statin = _statin(rng, people, non_hdl, illnesses.has["diabetes"])
    hdl = np.where(people.female, a.HDL_WOMEN, a.HDL_MEN)[:, None] - 0.015 * (bmi - 25)
    return Trajectories(
        smoking=smoking,
        systolic=np.clip(untreated - effect * antihypertensive, 85, 230),
        non_hdl=np.clip(non_hdl * np.where(statin, a.NON_HDL_FACTOR_STATIN, 1.0), 1.2, 11),
        hdl=np.clip(hdl + rng.normal(0, a.HDL_SD, (len(people), 1)), 0.6, 3.5),
        bmi=bmi,
        variability=a.SYSTOLIC_VISIT_SD * np.exp(rng.normal(0, a.SYSTOLIC_VISIT_LOG_SD, len(people))),
        illnesses=illnesses,
        metabolism=make_metabolism(rng, people, illnesses, bmi),
        hypertension_diagnosed=diagnosed,
        antihypertensive=antihypertensive,
        statin=statin,
    )


def _smoking(rng: np.random.Generator, people: People) -> npt.NDArray[np.int8]:
    n = len(people)
    share = a.SMOKERS(people.age[:, 0], people.female) * people.by_quintile(a.SMOKING_BY_QUINTILE)[:, 0]
    current = rng.random(n) < share
    former = rng.random(n) < a.FORMER_AMONG_OTHERS(people.age[:, 0], people.female)
    status = np.select([current, former], [CURRENT, FORMER], NEVER_SMOKED).astype(np.int8)
    chance = rng.random((n, a.YEARS))
    years = np.empty((n, a.YEARS), dtype=np.int8)
    for year in range(a.YEARS):
        quits = (status == CURRENT) & (chance[:, year] < a.QUITTING)
        relapses = (status == FORMER) & (chance[:, year] < a.RELAPSE)
        status = np.where(quits, FORMER, np.where(relapses, CURRENT, status)).astype(np.int8)
        years[:, year] = status
    return years


def _bmi(rng: np.random.Generator, people: People) -> Floats:
    usual = np.exp(rng.normal(a.BMI_LOG_MEAN, a.BMI_LOG_SD, (len(people), 1)))
    by_age = 0.05 * (np.minimum(people.age, 65) - 50)
    return np.clip(usual + by_age + people.by_quintile(a.BMI_BY_QUINTILE), 15, 60)


def _untreated_systolic(rng: np.random.Generator, people: People, bmi: Floats) -> Floats:
    n = len(people)
    person = rng.normal(0, a.SYSTOLIC_PERSON_SD, (n, 1))
    slope = rng.normal(0, a.SYSTOLIC_SLOPE_SD, (n, 1)) * (np.arange(a.YEARS) - a.YEARS / 2)
    year = rng.normal(0, a.SYSTOLIC_YEAR_SD, (n, a.YEARS))
    return a.SYSTOLIC(people.age, people.female[:, None]) + a.SYSTOLIC_PER_BMI * (bmi - 26) + person + slope + year


def _hypertension(rng: np.random.Generator, untreated: Floats, measuring: Floats) -> tuple[Floats, Flags]:
    """Return when hypertension was diagnosed and in which years it was treated."""
    n = len(untreated)
    smooth = np.cumsum(untreated, axis=1) / np.arange(1, a.YEARS + 1)  # one high year is not yet hypertension
    high = np.maximum.accumulate(smooth >= a.HYPERTENSION_FROM, axis=1)
    detected = a.HYPERTENSION_DETECTED * measuring
    # For those already hypertensive on the first day, as if it had been there for five years.
    before = high[:, 0] & (rng.random(n) < 1 - (1 - detected[:, 0]) ** 5)
    diagnosed = np.where(before, FIRST_DAY - a.DAYS_A_YEAR * rng.exponential(5.0, n), np.inf)
    chance, moment = rng.random((2, n, a.YEARS))
    treated = before & (rng.random(n) < 0.9)
    years = np.empty((n, a.YEARS), dtype=bool)
    for year in range(a.YEARS):
        new = high[:, year] & np.isinf(diagnosed) & (chance[:, year] < detected[:, year])
        treated = np.where(
            treated,
            chance[:, year] >= a.TREATMENT_STOPPED,
            (diagnosed < BOUNDS[year]) & (moment[:, year] < a.ANTIHYPERTENSIVE_STARTED),
        )
        length = BOUNDS[year + 1] - BOUNDS[year]
        diagnosed = np.where(new, BOUNDS[year] + moment[:, year] * length, diagnosed)
        years[:, year] = treated
    return diagnosed, years


def _untreated_non_hdl(rng: np.random.Generator, people: People, bmi: Floats) -> Floats:
    person = rng.normal(0, a.NON_HDL_SD, (len(people), 1))
    return np.clip(a.NON_HDL(people.age, people.female[:, None]) + 0.02 * (bmi - 26) + person, 1.6, 11)


def _statin(rng: np.random.Generator, people: People, non_hdl: Floats, diabetes: Flags) -> Flags:
    """Return the years on a statin: started for high cholesterol or diabetes between 45 and 80."""
    age = (people.age >= 45) & (people.age < 80)
    indicated = age & ((non_hdl > 4.7) | (diabetes & (non_hdl > 3.4)))
    chance = rng.random((len(people), a.YEARS))
    starting = np.where(people.female, a.STATIN_STARTED_WOMEN, a.STATIN_STARTED_MEN)
    # As if it had been indicated for six years at the first day.
    taken = indicated[:, 0] & (rng.random(len(people)) < 1 - (1 - starting) ** 6)
    years = np.empty_like(indicated)
    for year in range(a.YEARS):
        started = indicated[:, year] & (chance[:, year] < starting)
        taken = np.where(taken, chance[:, year] >= a.TREATMENT_STOPPED, started)
        years[:, year] = taken
    return years

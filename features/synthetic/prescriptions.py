"""What is prescribed: lasting treatments renewed every three months, with gaps, and those of an occasion."""

from __future__ import annotations

import numpy as np

from features.synthetic import assumptions as a
from features.synthetic.assumptions import Floats
from features.synthetic.calendar import BOUNDS
from features.synthetic.lives import Lives
from features.synthetic.pages import Codes, Pages
from features.synthetic.trajectories import Flags
from features.synthetic.visits import Rows, Visits

Course = tuple[str, Rows, Floats]  # a drug, those who take it, and since when each


def treated_years(rng: np.random.Generator, lives: Lives) -> tuple[Flags, Flags]:
    """Return the years on antihypertensives and on a statin, events' treatment included, each ``(n, years)``."""
    after = lives.events.first[:, None] < BOUNDS[:-1]
    keeps = rng.random((2, len(after), 1)) < a.TREATED_AFTER_EVENT
    return lives.states.antihypertensive | (after & keeps[0]), lives.states.statin | (after & keeps[1])


def courses(rng: np.random.Generator, lives: Lives) -> list[Course]:
    """Return the lasting treatments other than of pressure and lipids."""
    n = len(lives.people)
    started = []
    for name, code, share in a.LASTING_TREATMENTS:
        since = lives.states.illnesses.diagnosed[name] + rng.exponential(60, n)
        taken = np.flatnonzero((rng.random(n) < share) & np.isfinite(since))
        started.append((code, taken, since[taken]))
    taken = np.flatnonzero((rng.random(n) < a.TREATED_AFTER_EVENT) & np.isfinite(lives.events.first))
    started.append((a.ANTIPLATELET, taken, lives.events.first[taken]))
    return started + _of_diabetes(rng, lives)


def _of_diabetes(rng: np.random.Generator, lives: Lives) -> list[Course]:
    """Return tablets, injections and insulin, added as HbA1c asks for them."""
    n = len(lives.people)
    illnesses, hba1c = lives.states.illnesses, lives.states.metabolism.hba1c
    treated = (rng.random(n) < a.DIABETES_TREATED) & np.isfinite(illnesses.diagnosed["diabetes"])
    second, third, delay = rng.random((3, n))
    since = illnesses.diagnosed["diabetes"] + 120 * delay
    later = since + a.DAYS_A_YEAR * rng.exponential(4.0, n)

    def course(code: str, who: Flags, begin: Floats) -> Course:
        taken = np.flatnonzero(treated & who)
        return code, taken, begin[taken]

    tablets = ~illnesses.type_1
    last = hba1c[:, -1]
    needs_more = tablets & (last > a.SECOND_TABLET_FROM)
    first, _ = a.SECOND_TABLETS[0]
    other, share = a.SECOND_TABLETS[1]
    return [
        course(a.METFORMIN, tablets, since),
        course(first, needs_more & (second >= share), later),
        course(other, needs_more & (second < share), later),
        course(a.GLP_1, tablets & (third < a.GLP_1_SHARE), later),
        course(a.INSULIN, illnesses.type_1 | (tablets & (last > a.INSULIN_FROM)), np.where(tablets, later, since)),
    ]


def renewing_years(lives: Lives, treated: tuple[Flags, Flags], lasting: list[Course]) -> Flags:
    """Return the years in which there is something to renew, shape ``(n, years)``."""
    since = np.full(len(lives.people), np.inf)
    for _, taken, begin in lasting:
        since[taken] = np.minimum(since[taken], begin)
    return treated[0] | treated[1] | (since[:, None] < BOUNDS[1:])


def prescribe(
    rng: np.random.Generator,
    pages: Pages,
    lives: Lives,
    renewals: Visits,
    visits: Visits,
    treated: tuple[Flags, Flags],
    lasting: list[Course],
) -> None:
    """Add prescriptions: at renewals of what lasts, at any visit of the others."""
    _pressure_and_lipids(rng, pages, len(lives.people), renewals, treated)
    since = np.empty(len(lives.people))
    for code, taken, begin in lasting:
        since.fill(np.inf)
        since[taken] = begin
        rows = since[renewals.person] < renewals.moment
        pages.add(renewals.person[rows], renewals.moment[rows], code)
    _occasional(rng, pages, lives, visits)


def _pressure_and_lipids(
    rng: np.random.Generator, pages: Pages, people: int, renewals: Visits, treated: tuple[Flags, Flags]
) -> None:
    def choice(drugs: Codes) -> Rows:
        return rng.choice(len(drugs), size=people, p=[share for _, share in drugs])

    first = choice(a.ANTIHYPERTENSIVES)
    # Another class than the first; nobody else gets a second one.
    shift = rng.integers(1, len(a.ANTIHYPERTENSIVES), people)
    second = np.where(rng.random(people) < a.SECOND_DRUG, (first + shift) % len(a.ANTIHYPERTENSIVES), -1)
    for drugs, years, chosen in (
        (a.ANTIHYPERTENSIVES, treated[0], first),
        (a.ANTIHYPERTENSIVES, treated[0], second),
        (a.STATINS, treated[1], choice(a.STATINS)),
    ):
        of_visit = np.where(years[renewals.person, renewals.year], chosen[renewals.person], -1)
        for position, (code, _) in enumerate(drugs):
            rows = of_visit == position
            pages.add(renewals.person[rows], renewals.moment[rows], code)


def _occasional(rng: np.random.Generator, pages: Pages, lives: Lives, visits: Visits) -> None:
    at = (visits.person, visits.year)
    age = lives.people.age[at]
    a_visit = 1 / np.maximum(lives.visit_rate[at], 0.5)  # from a rate a year to a chance at each visit
    for code, rate in (
        (a.TRIPTAN, a.TRIPTAN_RATE * lives.states.has["migraine"][at]),
        (a.CORTICOSTEROID, a.CORTICOSTEROID_RATE * (1 + 7 * lives.states.has["copd"][at])),
        (a.ERECTILE_TREATMENT, a.ERECTILE_TREATMENT_RATE * (~lives.people.female[at[0]] & (age >= 45) & (age < 75))),
    ):
        rows = rng.random(len(age)) < rate * a_visit
        pages.add(visits.person[rows], visits.moment[rows], code)

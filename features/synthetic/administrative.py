"""What the file and the insurance say: birth, sex, registration, place, cover, long-term illness, dependency."""

from __future__ import annotations

from typing import Final

import numpy as np

from features.catalogue.concepts import DEPARTMENT, VENDOR
from features.synthetic import assumptions as a
from features.synthetic.assumptions import Floats
from features.synthetic.calendar import BOUNDS, FIRST_DAY, LAST_DAY
from features.synthetic.incidence import first_passage
from features.synthetic.lives import Lives
from features.synthetic.pages import Pages
from features.synthetic.visits import Rows

BIRTH, MALE, FEMALE, REGISTERED, LEFT = (
    f"PRACTICE:{name}" for name in ("birth", "male", "female", "registered", "left")
)
DEPRIVATION, RURALITY, DEPENDENCY = (f"PRACTICE:{name}" for name in ("deprivation", "rurality", "dependency"))
COVER, LONG_TERM_ILLNESS = "PRACTICE:insurance.solidarity_cover", "PRACTICE:insurance.long_term_illness"
INDEPENDENT: Final = 6  # the group of people who need no help


def administer(rng: np.random.Generator, pages: Pages, lives: Lives) -> None:
    """Add administrative records, and the yearly influenza vaccination."""
    _opened(pages, lives)
    _long_term_illness(rng, pages, lives)
    _dependency(rng, pages, lives)
    _vaccinated(rng, pages, lives)


def _opened(pages: Pages, lives: Lives) -> None:
    people, moves = lives.people, lives.people.moves
    everybody, movers = np.arange(len(people)), np.flatnonzero(np.isfinite(moves.moment))
    opened = people.registered
    pages.add(everybody, people.born, BIRTH, known=opened)
    for code, rows in ((MALE, ~people.female), (FEMALE, people.female)):
        pages.add(everybody[rows], opened[rows], code)
    _registered(pages, lives, everybody, opened, people.quintile, lives.circumstances.density)
    pages.add(movers, moves.moment[movers], LEFT)
    _registered(pages, lives, movers, moves.arrived[movers], moves.quintile[movers], moves.density[movers])
    covered = np.flatnonzero(lives.circumstances.solidarity_cover)
    for year in range(int((LAST_DAY - opened.min()) / a.DAYS_A_YEAR) + 1):  # the right is granted for a year
        pages.add(covered, opened[covered] + np.floor(year * a.DAYS_A_YEAR), COVER)
    covered = movers[lives.circumstances.solidarity_cover[movers]]
    pages.add(covered, moves.arrived[covered], COVER)


def _registered(pages: Pages, lives: Lives, person: Rows, moment: Floats, quintile: Rows, density: Rows) -> None:
    """Add a registration, and what the practice's place and software are."""
    pages.add(person, moment, REGISTERED)
    pages.add(person, moment, DEPRIVATION, value=quintile.astype(np.float64), unit="{quintile}")
    pages.add(person, moment, RURALITY, value=density.astype(np.float64), unit="{level}")
    for concept, habit in ((DEPARTMENT, lives.practices.department), (VENDOR, lives.practices.vendor)):
        category = lives.of_practice(habit, person, moment)
        for position in np.unique(category):
            _, (code,) = concept.categories[position]
            rows = category == position
            pages.add(person[rows], moment[rows], str(code))


def _long_term_illness(rng: np.random.Generator, pages: Pages, lives: Lives) -> None:
    """Admitted some months after a diagnosis that opens the right, or for an illness that is not simulated."""
    n = len(lives.people)
    admitted = np.full(n, np.inf)
    for name, share in a.LONG_TERM_ILLNESS:
        found = lives.events.first if name == "cardiovascular" else lives.states.illnesses.diagnosed[name]
        granted = found + 30 + rng.exponential(120, n)
        admitted = np.minimum(admitted, np.where(rng.random(n) < share, granted, np.inf))
    age, female = lives.people.age, lives.people.female
    before = rng.random(n) < a.LONG_TERM_ILLNESS_OTHERS_SHARE(age[:, 0], female)
    later = first_passage(rng.exponential(size=n), a.LONG_TERM_ILLNESS_OTHERS(age, female[:, None]))
    admitted = np.minimum(admitted, np.where(before, FIRST_DAY - a.DAYS_A_YEAR * rng.exponential(5.0, n), later))
    rows = np.flatnonzero(np.isfinite(admitted))
    pages.add(rows, admitted[rows], LONG_TERM_ILLNESS, known=admitted[rows] + rng.exponential(30, len(rows)))


def _dependency(rng: np.random.Generator, pages: Pages, lives: Lives) -> None:
    """Of people of 75 and more who were assessed: those who need help, and a part of the others."""
    people = lives.people
    n = len(people)
    begins = first_passage(rng.exponential(size=n), a.DEPENDENCY_ONSET(people.age, people.female[:, None]))
    dement = lives.states.illnesses.onset["dementia"] + a.DAYS_A_YEAR * rng.exponential(3.0, n)
    begins = np.maximum(np.minimum(begins, dement), people.entry)
    group = 1 + rng.choice(len(a.DEPENDENCY_GROUPS), size=n, p=a.DEPENDENCY_GROUPS).astype(np.float64)
    rows = np.flatnonzero(np.isfinite(begins) & (begins < LAST_DAY))
    pages.add(rows, begins[rows], DEPENDENCY, value=group[rows], unit="{group}")
    at_75 = people.born + 75 * a.DAYS_A_YEAR + 200 * rng.random(n)
    assessed = rng.random(n) < a.WELL_ASSESSED
    well = np.flatnonzero(assessed & (at_75 > people.entry) & (at_75 < np.minimum(begins, LAST_DAY)))
    pages.add(well, at_75[well], DEPENDENCY, value=np.full(len(well), float(INDEPENDENT)), unit="{group}")


def _vaccinated(rng: np.random.Generator, pages: Pages, lives: Lives) -> None:
    """In October to December, by people who mostly come every year and people who mostly never do."""
    people = lives.people
    at_risk = lives.states.has["diabetes"] | lives.states.has["copd"] | lives.states.has["kidney_disease"]
    mean = np.select([people.age >= 65, at_risk], [a.VACCINATED_OLD, a.VACCINATED_AT_RISK], a.VACCINATED_OTHERS)
    # Everyone keeps a place among people, and wavers a little; the share who come is that of their age and illness.
    place = rng.random((len(people), 1)) + a.VACCINATED_WAVER * (2 * rng.random(mean.shape) - 1)
    person, year = np.nonzero(place < mean)
    moment = BOUNDS[year] + 280 + rng.random(len(person)) * 60
    here = moment > people.entry[person]
    pages.add(person[here], moment[here], a.VACCINE)

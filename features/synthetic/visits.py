"""When people come to the practice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.synthetic import assumptions as a
from features.synthetic.assumptions import Floats
from features.synthetic.calendar import BOUNDS, FIRST_DAY, LAST_DAY, OPENS
from features.synthetic.circumstances import Circumstances
from features.synthetic.events import Events
from features.synthetic.illnesses import CONDITIONS
from features.synthetic.people import People
from features.synthetic.trajectories import Flags, Trajectories

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Visits:
    """Consultations, one an element of each array, and what one needs to know at them."""

    person: Rows
    year: Rows
    moment: Floats

    def where(self, chosen: Flags) -> Visits:
        """Return some of the visits."""
        return Visits(self.person[chosen], self.year[chosen], self.moment[chosen])


def visit_rate(people: People, circumstances: Circumstances, states: Trajectories) -> Floats:
    """Return the consultations a year beyond renewals of treatment, shape ``(n, years)``."""
    rate = a.VISITS(people.age, people.female[:, None]) * people.by_quintile_yearly(a.VISITS_BY_QUINTILE)
    rate = rate * circumstances.contact[:, None]
    conditions = np.sum([states.has[name] for name in CONDITIONS], axis=0)
    more: Floats = 1 + a.VISITS_CONDITION * conditions.astype(np.float64)
    return rate * more


def make_visits(
    rng: np.random.Generator,
    people: People,
    circumstances: Circumstances,
    events: Events,
    rate: Floats,
    renewing: Flags,
) -> tuple[Visits, Visits]:
    """Return the visits at which treatment is renewed, and all visits.

    Parameters
    ----------
    rate
        Consultations a year beyond renewals, shape ``(n, years)``.
    renewing
        Years on a treatment that is renewed every three months, same shape.
    """
    n = len(people)
    # Nobody is drawn visits for years spent elsewhere.
    here = (people.entry[:, None] < BOUNDS[1:]) & (events.gone[:, None] > BOUNDS[:-1])
    number = rng.poisson(rate * here)
    person, year = np.nonzero(number)
    repeat = number[person, year]
    person, year = np.repeat(person, repeat), np.repeat(year, repeat)
    spontaneous = BOUNDS[year] + rng.random(len(year)) * (BOUNDS[year + 1] - BOUNDS[year])

    quarters = np.arange(FIRST_DAY, LAST_DAY, a.RENEWAL_DAYS)
    of_year = np.searchsorted(BOUNDS, quarters, side="right") - 1
    due = (renewing & here)[:, of_year]
    due &= rng.random(due.shape) < circumstances.adherence[:, None]
    who, quarter = np.nonzero(due)
    offset = rng.uniform(0, a.RENEWAL_DAYS, n)  # everyone has their own rhythm
    renewed = quarters[quarter] + offset[who] + rng.normal(0, 6, len(who))

    every = _at_the_practice(
        rng,
        np.concatenate([who, person]),
        np.concatenate([of_year[quarter], year]),
        np.concatenate([renewed, spontaneous]),
    )
    present = (
        (every.moment > people.entry[every.person])
        & (every.moment < events.gone[every.person])
        & (every.moment < LAST_DAY)
        & ~people.between(every.person, every.moment)
    )
    return every.where(present & (np.arange(len(present)) < len(who))), every.where(present)


def _at_the_practice(rng: np.random.Generator, person: Rows, year: Rows, moment: Floats) -> Visits:
    """Return visits moved into opening hours, never on a Sunday."""
    date = np.floor(moment)
    sunday = (date.astype(np.int64) + 4) % 7 == 0  # 1 January 1970 was a Thursday
    return Visits(person, year, date + sunday + OPENS + rng.random(len(date)) * 10 / 24)

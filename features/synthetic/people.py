"""People: sex, age, deprivation, practice, and when they came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.synthetic import assumptions as a
from features.synthetic.assumptions import Floats
from features.synthetic.calendar import BOUNDS, FIRST_DAY, OPENS, day
from features.synthetic.moves import Moves, make_moves, quintile_of
from features.synthetic.practices import Practices

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class People:
    """People, one an element of each array.

    Attributes
    ----------
    practice, quintile
        Until they move: position in the practices; deprivation of where they live, 1 to 5, 5 being the most deprived.
    born, registered
        Days since 1970; ``registered`` may lie before the first simulated day.
    entry
        The first moment that is simulated: registration, or the first day for those registered before.
    age
        At the middle of each simulated year, shape ``(n, years)``.
    moves
        When they move to another practice, and what that place is like.
    """

    practice: Numbers
    female: npt.NDArray[np.bool_]
    quintile: Numbers
    born: Floats
    registered: Floats
    entry: Floats
    age: Floats
    moves: Moves

    def __len__(self) -> int:
        return len(self.practice)

    def by_quintile(self, table: tuple[float, ...]) -> Floats:
        """Return a quantity given for each quintile, of where people live before any move, shape ``(n, 1)``."""
        return np.array(table)[self.quintile - 1][:, None]

    def by_quintile_yearly(self, table: tuple[float, ...]) -> Floats:
        """Return a quantity given for each quintile, of where people live in each year, shape ``(n, years)``."""
        levels = np.array(table)
        return self.yearly(levels[self.quintile - 1], levels[self.moves.quintile - 1])

    def by_practice_yearly(self, habit: Floats) -> Floats:
        """Return a quantity given for each practice, of people's practice in each year, shape ``(n, years)``."""
        return self.yearly(habit[self.practice], habit[self.moves.practice])

    def yearly(self, first: Floats, second: Floats) -> Floats:
        """Return a quantity of the first place until the move, of the second one after it, shape ``(n, years)``.

        Like every level it holds for a whole calendar year: for that of the move, it is the mean by days.
        """
        after = np.clip((BOUNDS[1:] - self.moves.moment[:, None]) / np.diff(BOUNDS), 0, 1)
        return first[:, None] + after * (second - first)[:, None]

    def practice_at(self, person: Numbers, moment: Floats) -> Numbers:
        """Return the position of each person's practice at a moment; between two practices, that of the second."""
        return np.where(moment > self.moves.moment[person], self.moves.practice[person], self.practice[person])

    def between(self, person: Numbers, moment: Floats) -> npt.NDArray[np.bool_]:
        """Return whether each person has left one practice and not yet registered with the next at a moment."""
        return (moment > self.moves.moment[person]) & (moment <= self.moves.arrived[person])


def make_people(rng: np.random.Generator, moving: np.random.Generator, number: int, practices: Practices) -> People:
    """Return people drawn from the age pyramid of the first day, some who grow up later, spread over practices.

    Moves have random numbers of their own, ``moving``.
    """
    pyramid = np.concatenate([a.PYRAMID_MEN, a.PYRAMID_WOMEN]).astype(np.float64)
    band = rng.choice(len(pyramid), size=number, p=pyramid / pyramid.sum())
    female = band >= len(a.PYRAMID_MEN)
    age = a.PYRAMID_FIRST_AGE + 5 * (band % len(a.PYRAMID_MEN)) + 5 * rng.random(number)
    grows_up = rng.random(number) < a.GROWN_UP_LATER
    age = np.where(grows_up, rng.uniform(3, a.PYRAMID_FIRST_AGE, number), age)
    born = np.floor(FIRST_DAY - age * a.DAYS_A_YEAR)
    practice = rng.choice(len(practices.name), size=number, p=practices.share)
    at_18 = np.floor(born + (18 + rng.random(number)) * a.DAYS_A_YEAR) + OPENS
    registered = np.where(grows_up, np.maximum(at_18, FIRST_DAY + OPENS), _registration(rng, number))
    entry = np.maximum(registered, FIRST_DAY)
    standing = rng.normal(size=number)
    yearly_age = (((BOUNDS[:-1] + BOUNDS[1:]) / 2) - born[:, None]) / a.DAYS_A_YEAR
    return People(
        practice=practice,
        female=female,
        quintile=quintile_of(standing, practices.deprivation[practice]),
        born=born,
        registered=registered,
        entry=entry,
        age=yearly_age,
        moves=make_moves(moving, practices, practice, standing, yearly_age, entry),
    )


def _registration(rng: np.random.Generator, number: int) -> Floats:
    before = FIRST_DAY - a.DAYS_A_YEAR * a.REGISTERED_BEFORE_YEARS * rng.random(number)
    after = rng.uniform(FIRST_DAY, day(a.LAST_ARRIVAL_YEAR), number)
    registered = np.where(rng.random(number) < a.REGISTERED_BEFORE, before, after)
    return np.floor(registered) + OPENS

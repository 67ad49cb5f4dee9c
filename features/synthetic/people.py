"""People: sex, age, deprivation, practice, and when they came. Times are days since 1970, fractions kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from features.synthetic import assumptions as a
from features.synthetic.assumptions import Floats
from features.synthetic.practices import Practices


def day(year: int) -> float:
    """Return 1 January of a year in days since 1970."""
    return float(np.datetime64(f"{year}-01-01", "D").astype(np.int64))


#: First day of each simulated year and, last, the day of delivery: shape ``(years + 1,)``.
BOUNDS: Final = np.array([day(a.FIRST_YEAR + y) for y in range(a.YEARS + 1)])
FIRST_DAY: Final = float(BOUNDS[0])
LAST_DAY: Final = float(BOUNDS[-1])
OPENS: Final = 8 / 24  # practices open at eight


@dataclass(frozen=True, eq=False)
class People:
    """People, one an element of each array.

    Attributes
    ----------
    practice
        Position in the practices.
    quintile
        Deprivation of where they live, 1 to 5, 5 being the most deprived.
    born, registered
        Days since 1970; ``registered`` may lie before the first simulated day.
    entry
        The first moment that is simulated: registration, or the first day for those registered before.
    age
        At the middle of each simulated year, shape ``(n, years)``.
    """

    practice: npt.NDArray[np.int64]
    female: npt.NDArray[np.bool_]
    quintile: npt.NDArray[np.int64]
    born: Floats
    registered: Floats
    entry: Floats
    age: Floats

    def __len__(self) -> int:
        return len(self.practice)

    def by_quintile(self, table: tuple[float, ...]) -> Floats:
        """Return a quantity given for each quintile, shape ``(n, 1)``."""
        return np.array(table)[self.quintile - 1][:, None]


def make_people(rng: np.random.Generator, number: int, practices: Practices) -> People:
    """Return people drawn from the age pyramid of the first day, some who grow up later, spread over practices."""
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
    return People(
        practice=practice,
        female=female,
        quintile=_quintile(rng, practices.deprivation[practice]),
        born=born,
        registered=registered,
        entry=np.maximum(registered, FIRST_DAY),
        age=(((BOUNDS[:-1] + BOUNDS[1:]) / 2) - born[:, None]) / a.DAYS_A_YEAR,
    )


def _registration(rng: np.random.Generator, number: int) -> Floats:
    before = FIRST_DAY - a.DAYS_A_YEAR * a.REGISTERED_BEFORE_YEARS * rng.random(number)
    after = rng.uniform(FIRST_DAY, day(a.LAST_ARRIVAL_YEAR), number)
    registered = np.where(rng.random(number) < a.REGISTERED_BEFORE, before, after)
    return np.floor(registered) + OPENS


def _quintile(rng: np.random.Generator, leaning: Floats) -> npt.NDArray[np.int64]:
    """Return quintiles that follow the practice's leaning and are about equally frequent overall."""
    r = a.PRACTICE_DEPRIVATION_CORRELATION
    rank = r * leaning + np.sqrt(1 - r * r) * rng.normal(size=len(leaning))
    quintile: npt.NDArray[np.int64] = np.searchsorted((-0.8416, -0.2533, 0.2533, 0.8416), rank) + 1  # of a normal
    return quintile

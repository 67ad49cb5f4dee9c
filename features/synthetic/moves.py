"""Who moves house to where another practice is nearer, when, and how deprived and dense that place is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.synthetic import assumptions as a
from features.synthetic.assumptions import Floats
from features.synthetic.calendar import OPENS
from features.synthetic.incidence import first_passage
from features.synthetic.practices import Practices

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Moves:
    """Each person's move, if any; one an element of each array.

    Attributes
    ----------
    moment
        When they leave their first practice, days since 1970; infinite if they never move.
    arrived
        When they register at the second one; infinite if they never move.
    practice
        Position of the second practice; of the only one for those who never move.
    quintile, density
        Deprivation and level of density of the second place.
    """

    moment: Floats
    arrived: Floats
    practice: Numbers
    quintile: Numbers
    density: Numbers


def make_moves(
    rng: np.random.Generator, practices: Practices, practice: Numbers, standing: Floats, age: Floats, entry: Floats
) -> Moves:
    """Return the moves of people: one at most, so that somebody has two practices in their life, never three.

    Parameters
    ----------
    practice
        Position of the first practice, shape ``(n,)``.
    standing
        How deprived people are wherever they live; see `quintile_of`.
    age
        At the middle of each simulated year, shape ``(n, years)``.
    entry
        From when on they may move, shape ``(n,)``.
    """
    n = len(practice)
    rate = np.interp(age, *a.MOVING) * a.MOVING_CHANGES_PRACTICE
    moment = first_passage(rng.exponential(size=n), rate, entry)
    weeks = a.BETWEEN_PRACTICES_DAYS * rng.gamma(2.0, 0.5, n)
    second = np.where(np.isfinite(moment), _alike(rng, practices, practice), practice)
    return Moves(
        moment=moment,
        arrived=np.floor(moment + 1 + weeks) + OPENS,
        practice=second,
        quintile=quintile_of(standing, practices.deprivation[second]),
        density=density_near(rng, practices.density[second]),
    )


def _alike(rng: np.random.Generator, practices: Practices, practice: Numbers) -> Numbers:
    """Return, of several other practices, the one whose place is most nearly as deprived."""
    candidates = np.stack([_elsewhere(rng, practices, practice) for _ in range(a.MOVING_CHOICE)])
    nearest = np.abs(practices.deprivation[candidates] - practices.deprivation[practice]).argmin(axis=0)
    chosen: Numbers = candidates[nearest, np.arange(len(practice))]
    return chosen


def _elsewhere(rng: np.random.Generator, practices: Practices, practice: Numbers) -> Numbers:
    """Return another practice for each, as often as it has patients, mostly of the same region if that has several."""
    others = np.bincount(practices.region)[practices.region[practice]] > 1
    near = (rng.random(len(practice)) < a.MOVING_WITHIN_REGION) & others
    chance = rng.random(len(practice))
    found = np.empty(len(practice), dtype=np.int64)
    for region in (None, *np.unique(practices.region)):
        there = np.arange(len(practices.name)) if region is None else np.flatnonzero(practices.region == region)
        rows = np.flatnonzero(~near if region is None else near & (practices.region[practice] == region))
        until = np.cumsum(practices.share[there])
        own = np.searchsorted(there, practice[rows])
        share = practices.share[practice[rows]]
        # A place among the shares of the others: beyond one's own, that much further.
        place = chance[rows] * (until[-1] - share)
        place += share * (place >= until[own] - share)
        found[rows] = there[np.minimum(np.searchsorted(until, place, side="right"), len(there) - 1)]
    return found


def quintile_of(standing: Floats, leaning: Floats) -> Numbers:
    """Return the quintile of deprivation, 1 to 5, of people where practices lean so; about equally frequent overall.

    Parameters
    ----------
    standing, leaning
        Standard normal: of each person, of the practice where they live; high is deprived.
    """
    r = a.PRACTICE_DEPRIVATION_CORRELATION
    rank = r * leaning + np.sqrt(1 - r * r) * standing
    quintile: Numbers = np.searchsorted((-0.8416, -0.2533, 0.2533, 0.8416), rank) + 1  # of a normal
    return quintile


def density_near(rng: np.random.Generator, density: Numbers) -> Numbers:
    """Return the level of density where people live, who live near a practice in a place of this density."""
    near: Numbers = np.clip(density + rng.choice((-1, 0, 1), size=len(density), p=(0.15, 0.70, 0.15)), 1, 7)
    return near

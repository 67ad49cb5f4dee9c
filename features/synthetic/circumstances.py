"""What surrounds people: where they live before any move and, unchanging, their family and how they use care."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.synthetic import assumptions as a
from features.synthetic.assumptions import Floats
from features.synthetic.moves import density_near
from features.synthetic.people import People
from features.synthetic.practices import Practices

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Circumstances:
    """Circumstances of people, one an element of each array.

    Attributes
    ----------
    density
        Level of Insee's density grid before any move, 1 the densest, 7 the least dense; from 5 on it is rural.
    solidarity_cover
        Whether covered by the means-tested complementary insurance.
    family_cardiovascular, family_breast, family_colorectal
        Whether a first-degree relative had coronary disease before 60, a cancer of the breast, of the bowel.
    contact
        How often they consult, relative to others alike.
    adherence
        Share of the renewals of a treatment for which they come.
    drinks
        Alcoholic drinks a day.
    height
        Centimetres.
    """

    density: npt.NDArray[np.int64]
    solidarity_cover: Flags
    family_cardiovascular: Flags
    family_breast: Flags
    family_colorectal: Flags
    contact: Floats
    adherence: Floats
    drinks: Floats
    height: Floats

    @property
    def rural(self) -> Flags:
        """Whether they live in the country before any move, shape ``(n,)``."""
        return self.density >= a.RURAL_FROM


def make_circumstances(rng: np.random.Generator, people: People, practices: Practices) -> Circumstances:
    """Return the circumstances of people; those of one practice live near it."""
    n = len(people)
    density = density_near(rng, practices.density[people.practice])
    age = people.age[:, 0]
    covered = np.array(a.SOLIDARITY_COVER_BY_QUINTILE)[people.quintile - 1] * np.where(age >= 65, 0.5, 1.15)
    drinks = rng.gamma(0.9, np.where(people.female, a.DRINKS_WOMEN, a.DRINKS_MEN) / 0.9)
    return Circumstances(
        density=density,
        solidarity_cover=rng.random(n) < covered,
        family_cardiovascular=rng.random(n) < a.FAMILY_CARDIOVASCULAR,
        family_breast=rng.random(n) < a.FAMILY_BREAST,
        family_colorectal=rng.random(n) < a.FAMILY_COLORECTAL,
        contact=rng.gamma(a.VISITS_SPREAD, 1 / a.VISITS_SPREAD, n),
        adherence=1 - rng.beta(*a.RENEWAL_MISSED, n),
        drinks=np.where(rng.random(n) < a.ABSTAINERS, 0.0, drinks),
        height=rng.normal(np.where(people.female, a.HEIGHT_WOMEN, a.HEIGHT_MEN), a.HEIGHT_SD),
    )

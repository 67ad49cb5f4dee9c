"""What excludes people from screening: cancers, operations and diseases of the breast, bowel and womb."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.synthetic import assumptions as a
from features.synthetic.assumptions import ByAge, Floats, Programme
from features.synthetic.calendar import FIRST_DAY
from features.synthetic.circumstances import Circumstances
from features.synthetic.incidence import first_passage
from features.synthetic.people import People

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Histories:
    """Moments in days since 1970, infinite if never, shape ``(n,)``.

    Attributes
    ----------
    female
        Sex.
    breast_cancer, colorectal_cancer
        When each would be felt if no test found it before.
    adenoma, bowel_disease, hysterectomy
        When found, when begun, when done.
    family
        The first day for those whose relatives' bowel cancer keeps them out of the programme.
    """

    female: Flags
    breast_cancer: Floats
    colorectal_cancer: Floats
    adenoma: Floats
    bowel_disease: Floats
    hysterectomy: Floats
    family: Floats

    def excluded(self, programme: Programme) -> Floats:
        """Return from when on each is out of a programme for good."""
        if programme is a.BREAST:
            return self.breast_cancer
        if programme is a.CERVICAL:
            return self.hysterectomy
        until_bowel = np.minimum(self.colorectal_cancer, self.bowel_disease)
        return np.minimum(until_bowel, np.minimum(self.adenoma, self.family))


def make_histories(rng: np.random.Generator, people: People, circumstances: Circumstances) -> Histories:
    """Return the histories of people."""
    n = len(people)

    def begins(share: ByAge, rate: ByAge) -> Floats:
        before = FIRST_DAY - a.DAYS_A_YEAR * rng.exponential(6.0, n)
        present = rng.random(n) < share(people.age[:, 0], people.female)
        hazard = rate(people.age, people.female[:, None])
        return np.where(present, before, first_passage(rng.exponential(size=n), hazard))

    breast = begins(a.BREAST_CANCER_SHARE, a.BREAST_CANCER)
    hysterectomy = begins(a.HYSTERECTOMY_SHARE, a.HYSTERECTOMY)
    before = FIRST_DAY - a.DAYS_A_YEAR * rng.exponential(6.0, n)
    adenoma = rng.random(n) < a.ADENOMA_SHARE(people.age[:, 0], people.female)
    return Histories(
        female=people.female,
        breast_cancer=np.where(people.female, breast, np.inf),
        colorectal_cancer=begins(a.COLORECTAL_CANCER_SHARE, a.COLORECTAL_CANCER),
        adenoma=np.where(adenoma, before, np.inf),
        bowel_disease=np.where(rng.random(n) < a.BOWEL_DISEASE, before, np.inf),
        hysterectomy=np.where(people.female, hysterectomy, np.inf),
        family=np.where(circumstances.family_colorectal, FIRST_DAY, np.inf),
    )

"""Pooled Cohort Equations: ten-year risk of a first atherosclerotic event, 40 to 79 years, United States.

Goff DC Jr, Lloyd-Jones DM, Bennett G, et al. 2013 ACC/AHA guideline on the assessment of cardiovascular risk.
Circulation 2014;129(25 Suppl 2):S49-S73. doi:10.1161/01.cir.0000437741.48606.98, appendix 7, table A. The event
is coronary death, infarction or stroke.

``"guideline_table_a"`` has the guideline's printed numbers and is recommended; ``"acc_calculator_4dp"`` has one
decimal more, as the ACC's calculator. They differ by up to 0.42 points in Black women and 0.08 elsewhere. The
guideline prints 5.3 % for its example of a white man, whose coefficients give 5.38. Table 1 of PMC4608065 and
the copies made from it have typing errors (1.857 and 1.767 for a man's systolic pressure); they are not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from training.published.equation import (
    BP_TREATED,
    DIABETES,
    MG_DL_PER_MMOL_L,
    SEX,
    SMOKER,
    Choice,
    Equation,
    Floats,
    Inputs,
    Number,
    below,
    each,
    of,
)

RACE: Final = Choice("race", ("white", "black"), meaning="; others take the white equation by convention")


@dataclass(frozen=True)
class Group:
    """The numbers of one sex and race.

    Parameters
    ----------
    age
        Coefficients of the logarithm of age and of its square.
    logarithms
        By column, coefficient of its natural logarithm and of that one's product with the logarithm of age.
    systolic
        The same for systolic pressure, untreated then treated.
    smoker
        Coefficient of smoking and of its product with the logarithm of age.
    diabetes
        Coefficient.
    survival, mean
        Ten-year survival at the mean of the linear predictor, and that mean.
    """

    age: tuple[float, float]
    logarithms: Mapping[str, tuple[float, float]]
    systolic: tuple[tuple[float, float], tuple[float, float]]
    smoker: tuple[float, float]
    diabetes: float
    survival: float
    mean: float

    def risk(self, x: Inputs) -> Floats:
        """Return ``1 - survival ** exp(LP - mean)``, shape ``(n,)``, of clean inputs."""
        age = np.log(x["age"])
        (untreated, untreated_with_age), (treated, treated_with_age) = self.systolic
        takes = x["bp_tx"] == 1
        systolic = np.where(takes, treated, untreated) + np.where(takes, treated_with_age, untreated_with_age) * age
        predictor = (self.age[0] + self.age[1] * age) * age + systolic * np.log(x["sbp"])
        for name, (alone, with_age) in self.logarithms.items():
            predictor += (alone + with_age * age) * np.log(x[name])
        predictor += (self.smoker[0] + self.smoker[1] * age) * x["smoker"] + self.diabetes * x["dm"]
        risk: Floats = -np.expm1(np.log(self.survival) * np.exp(predictor - self.mean))
        return risk


Groups = Mapping[str, Mapping[str, Group]]

GUIDELINE: Final[Groups] = {
    "female": {
        "white": Group(
            age=(-29.799, 4.884),
            logarithms={"tchol_mgdl": (13.540, -3.114), "hdl_mgdl": (-13.578, 3.149)},
            systolic=((1.957, 0), (2.019, 0)),
            smoker=(7.574, -1.665),
            diabetes=0.661,
            survival=0.9665,
            mean=-29.18,
        ),
        "black": Group(
            age=(17.114, 0),
            logarithms={"tchol_mgdl": (0.940, 0), "hdl_mgdl": (-18.920, 4.475)},
            systolic=((27.820, -6.087), (29.291, -6.432)),
            smoker=(0.691, 0),
            diabetes=0.874,
            survival=0.9533,
            mean=86.61,
        ),
    },
    "male": {
        "white": Group(
            age=(12.344, 0),
            logarithms={"tchol_mgdl": (11.853, -2.664), "hdl_mgdl": (-7.990, 1.769)},
            systolic=((1.764, 0), (1.797, 0)),
            smoker=(7.837, -1.795),
            diabetes=0.658,
            survival=0.9144,
            mean=61.18,
        ),
        "black": Group(
            age=(2.469, 0),
            logarithms={"tchol_mgdl": (0.302, 0), "hdl_mgdl": (-0.307, 0)},
            systolic=((1.809, 0), (1.916, 0)),
            smoker=(0.549, 0),
            diabetes=0.645,
            survival=0.8954,
            mean=19.54,
        ),
    },
}
"""By sex and race, as printed."""

CALCULATOR: Final[Groups] = {
    "female": {
        "white": replace(GUIDELINE["female"]["white"], survival=0.96652, mean=-29.1817),
        "black": Group(
            age=(17.1141, 0),
            logarithms={"tchol_mgdl": (0.9396, 0), "hdl_mgdl": (-18.9196, 4.4748)},
            systolic=((27.8197, -6.0873), (29.2907, -6.4321)),
            smoker=(0.6908, 0),
            diabetes=0.8738,
            survival=0.95334,
            mean=86.6081,
        ),
    },
    "male": {
        "white": replace(GUIDELINE["male"]["white"], survival=0.91436, mean=61.1816),
        "black": replace(GUIDELINE["male"]["black"], survival=0.89536, mean=19.5425),
    },
}
"""By sex and race, with the precision of the ACC's calculator."""


def formula(groups: Groups, inputs: Inputs) -> Floats:
    """Return the ten-year probability, shape ``(n,)``, of clean inputs."""
    return each(inputs, SEX, lambda sex, x: each(x, RACE, lambda race, y: groups[sex][race].risk(y)))


COLUMNS: Final = (
    Number(
        "age",
        "years",
        40,
        80,
        of("age"),
        below="the equations start at 40, leave them out",
        above="the equations stop before 80, leave them out",
        authors=True,
    ),
    SEX,
    RACE,
    DIABETES,
    SMOKER,
    Number("sbp", "mmHg", 90, 200, of("systolic"), closed=True, authors=True),
    BP_TREATED,
    Number("tchol_mgdl", "mg/dL", 130, 320, of("total_cholesterol", MG_DL_PER_MMOL_L), closed=True, authors=True),
    Number("hdl_mgdl", "mg/dL", 20, 100, of("hdl", MG_DL_PER_MMOL_L), closed=True, authors=True),
)

POOLED_COHORT: Final = {
    variant: Equation("pce", COLUMNS, partial(formula, groups), rules=(below("hdl_mgdl", "tchol_mgdl"),))
    for variant, groups in {"guideline_table_a": GUIDELINE, "acc_calculator_4dp": CALCULATOR}.items()
}
"""Both versions, the recommended one first."""

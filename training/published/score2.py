"""SCORE2: ten-year risk of fatal and non-fatal cardiovascular disease, 40 to 69 years, without diabetes.

SCORE2 working group and ESC Cardiovascular Risk Collaboration. SCORE2 risk prediction algorithms: new models
to estimate 10-year risk of cardiovascular disease in Europe. European Heart Journal 2021;42(25):2439-2454.
doi:10.1093/eurheartj/ehab309. Coefficients and scales: supplementary methods; the six-decimal scales are
those of the authors' own program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from training.published.equation import (
    HDL,
    REGION,
    SEX,
    SMOKER,
    SYSTOLIC,
    TOTAL_CHOLESTEROL,
    Equation,
    Flag,
    Floats,
    Inputs,
    Number,
    below,
    each,
    of,
)


@dataclass(frozen=True)
class Parameters:
    """The numbers of SCORE2 or SCORE2-OP, which have one form.

    Parameters
    ----------
    centre, scale
        What is subtracted from each input, then what it is divided by: 0 and 1 where none is given.
    coefficients
        By sex, for each input its log hazard ratio and that of its product with age.
    survival
        By sex, ten-year survival at the mean linear predictor.
    mean
        By sex, the mean linear predictor.
    recalibration
        By region then sex, intercept and slope on the complementary log-log scale.
    """

    centre: Mapping[str, float]
    scale: Mapping[str, float]
    coefficients: Mapping[str, Mapping[str, tuple[float, float]]]
    survival: Mapping[str, float]
    mean: Mapping[str, float]
    recalibration: Mapping[str, Mapping[str, tuple[float, float]]]

    def risk(self, inputs: Inputs) -> Floats:
        """Return the ten-year probability of a cardiovascular event, shape ``(n,)``.

        With LP the linear predictor, ``u = 1 - survival ** exp(LP - mean)`` is recalibrated to the region as
        ``1 - exp(-exp(intercept + slope * log(-log(1 - u))))``; ``log(-log(1 - u))`` is linear in LP.
        """
        return each(inputs, SEX, self._risk_of_sex)

    def _risk_of_sex(self, sex: str, inputs: Inputs) -> Floats:
        intercept, slope = self._by_region[sex][inputs["region"]].T
        predictor = self._linear_predictor(inputs, self.coefficients[sex])
        uncalibrated = np.log(-np.log(self.survival[sex])) + predictor - self.mean[sex]
        risk: Floats = -np.expm1(-np.exp(intercept + slope * uncalibrated))
        return risk

    @cached_property
    def _by_region(self) -> dict[str, Floats]:
        """Intercept and slope of each region, in the order of its words, by sex."""
        return {
            sex: np.array([self.recalibration[str(region)][sex] for region in REGION.words]) for sex in self.survival
        }

    def _linear_predictor(self, inputs: Inputs, terms: Mapping[str, tuple[float, float]]) -> Floats:
        z = {name: (inputs[name] - self.centre.get(name, 0.0)) / self.scale.get(name, 1.0) for name in terms}
        total = np.zeros(len(inputs["age"]))
        for name, (alone, with_age) in terms.items():
            total += z[name] * (alone + with_age * z["age"])
        return total


PUBLISHED: Final = Parameters(
    centre={"age": 60, "sbp": 120, "tchol": 6, "hdl": 1.3},
    scale={"age": 5, "sbp": 20, "tchol": 1, "hdl": 0.5},
    coefficients={
        "female": {
            "age": (0.4648, 0),
            "smoker": (0.7744, -0.1088),
            "sbp": (0.3131, -0.0277),
            "diabetes": (0.8096, -0.1272),
            "tchol": (0.1002, -0.0226),
            "hdl": (-0.2606, 0.0613),
        },
        "male": {
            "age": (0.3742, 0),
            "smoker": (0.6012, -0.0755),
            "sbp": (0.2777, -0.0255),
            "diabetes": (0.6457, -0.0983),
            "tchol": (0.1458, -0.0281),
            "hdl": (-0.2698, 0.0426),
        },
    },
    survival={"female": 0.9776, "male": 0.9605},
    mean={"female": 0, "male": 0},
    recalibration={
        "low": {"female": (-0.7380, 0.7019), "male": (-0.5699, 0.7476)},
        "moderate": {"female": (-0.3143, 0.7701), "male": (-0.1565, 0.8009)},
        "high": {"female": (0.5710, 0.9369), "male": (0.3207, 0.9360)},
        "very_high": {"female": (0.9412, 0.8329), "male": (0.5836, 0.8294)},
    },
)
"""As printed, to four decimals."""

AUTHOR: Final = Parameters(
    centre=PUBLISHED.centre,
    scale=PUBLISHED.scale,
    coefficients=PUBLISHED.coefficients,
    survival=PUBLISHED.survival,
    mean=PUBLISHED.mean,
    recalibration={
        "low": {"female": (-0.737966, 0.701868), "male": (-0.569857, 0.747593)},
        "moderate": {"female": (-0.314269, 0.770149), "male": (-0.156481, 0.800869)},
        "high": {"female": (0.570963, 0.936893), "male": (0.320717, 0.936004)},
        "very_high": {"female": (0.941177, 0.832923), "male": (0.583578, 0.829368)},
    },
)
"""With the six-decimal scales of the authors' program; never more than 0.0021 points away."""

COLUMNS: Final = (
    Number(
        "age",
        "years",
        40,
        70,
        of("age"),
        below="SCORE2 starts at 40, leave them out",
        above="use score2_op",
        authors=True,
    ),
    SEX,
    Flag("diabetes", of("diabetes"), excluded="SCORE2 is for people without diabetes, leave them out"),
    SMOKER,
    SYSTOLIC,
    TOTAL_CHOLESTEROL,
    HDL,
    REGION,
)

SCORE2: Final = {
    variant: Equation("score2", COLUMNS, parameters.risk, rules=(below("hdl", "tchol"),))
    for variant, parameters in {"published": PUBLISHED, "author": AUTHOR}.items()
}
"""Both versions, the recommended one first."""

"""Framingham general cardiovascular risk profile (2008, with laboratory values): ten years, 30 to 74 years.

D'Agostino RB Sr, Vasan RS, Pencina MJ, Wolf PA, Cobain M, Massaro JM, Kannel WB. General cardiovascular risk
profile for use in primary care: the Framingham Heart Study. Circulation 2008;117(6):743-753.
doi:10.1161/CIRCULATIONAHA.107.699579.

The event is wider than SCORE2's: coronary disease with angina, stroke, transient ischaemic attack, peripheral
artery disease and heart failure.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from training.published.equation import (
    BP_TREATED,
    DIABETES,
    HDL_MG_DL,
    SEX,
    SMOKER,
    SYSTOLIC,
    TOTAL_CHOLESTEROL_MG_DL,
    Equation,
    Floats,
    Inputs,
    Number,
    below,
    each,
    of,
)

LOGARITHMS: Final = {
    "female": {"age": 2.32888, "tchol_mgdl": 1.20904, "hdl_mgdl": -0.70833},
    "male": {"age": 3.06117, "tchol_mgdl": 1.12370, "hdl_mgdl": -0.93263},
}
"""By sex, coefficients of natural logarithms."""

SYSTOLIC_LOGARITHM: Final = {"female": (2.76157, 2.82263), "male": (1.93303, 1.99881)}
"""By sex, coefficient of the logarithm of systolic pressure, untreated then treated."""

FLAGS: Final = {"female": {"smoker": 0.52873, "dm": 0.69154}, "male": {"smoker": 0.65451, "dm": 0.57367}}
SURVIVAL: Final = {"female": 0.95012, "male": 0.88936}
MEAN: Final = {"female": 26.1931, "male": 23.9802}


def formula(inputs: Inputs) -> Floats:
    """Return the ten-year probability ``1 - survival ** exp(LP - mean)``, shape ``(n,)``, of clean inputs."""
    return each(inputs, SEX, _risk_of_sex)


def _risk_of_sex(sex: str, inputs: Inputs) -> Floats:
    untreated, treated = SYSTOLIC_LOGARITHM[sex]
    predictor = np.where(inputs["bp_tx"] == 1, treated, untreated) * np.log(inputs["sbp"])
    for name, coefficient in LOGARITHMS[sex].items():
        predictor += coefficient * np.log(inputs[name])
    for name, coefficient in FLAGS[sex].items():
        predictor += coefficient * inputs[name]
    risk: Floats = -np.expm1(np.log(SURVIVAL[sex]) * np.exp(predictor - MEAN[sex]))
    return risk


FRAMINGHAM_CVD_2008: Final = Equation(
    "framingham_cvd_2008",
    columns=(
        Number(
            "age",
            "years",
            30,
            75,
            of("age"),
            below="the equation starts at 30, leave them out",
            above="the equation stops before 75, leave them out or use score2_op",
            authors=True,
        ),
        SEX,
        DIABETES,
        SMOKER,
        SYSTOLIC,
        BP_TREATED,
        TOTAL_CHOLESTEROL_MG_DL,
        HDL_MG_DL,
    ),
    formula=formula,
    rules=(below("hdl_mgdl", "tchol_mgdl"),),
)

"""PREVENT, base model: risk of cardiovascular disease, atherosclerotic disease and heart failure, United States.

Khan SS, Matsushita K, Sang Y, et al. Development and validation of the American Heart Association's PREVENT
equations. Circulation 2024;149(6):430-449. doi:10.1161/CIRCULATIONAHA.123.067626, supplement, table S12. Ten
years from 30 to 79, thirty years from 30 to 59. The models with HbA1c, albuminuria or deprivation are not here.

Total cardiovascular disease includes heart failure, which SCORE2's event does not. All six outcomes need every
input, as in the authors' calculator, although only that of heart failure has coefficients for body-mass index.

The authors' range stops at a systolic pressure of 180 mmHg. Independent programs take the formula to 200, and so
does the door; a comparator stops where the authors do.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, Literal

import numpy as np

from training.published.equation import (
    BP_TREATED,
    DIABETES,
    MG_DL_PER_MMOL_L,
    SEX,
    SMOKER,
    Column,
    Equation,
    Flag,
    Floats,
    Inputs,
    Number,
    Source,
    below,
    each,
    of,
)
from training.published.kidney import CKD_EPI_2021

Outcome = Literal["total_cvd", "ascvd", "heart_failure"]
OUTCOMES: Final[Sequence[Outcome]] = ("total_cvd", "ascvd", "heart_failure")
YEARS: Final = (10, 30)

MMOL_L_PER_MG_DL: Final = 0.02586
"""Millimoles of cholesterol a litre in one milligram a decilitre, as the authors round it."""

COEFFICIENTS: Final[dict[tuple[int, str], dict[str, tuple[float, float, float]]]] = {
    (10, "female"): {
        "constant": (-3.307728, -3.819975, -4.310409),
        "age": (0.7939329, 0.719883, 0.8998235),
        "non_hdl": (0.0305239, 0.1176967, 0),
        "hdl": (-0.1606857, -0.151185, 0),
        "sbp_lt110": (-0.2394003, -0.0835358, -0.4559771),
        "sbp_gte110": (0.3600781, 0.3592852, 0.3576505),
        "dm": (0.8667604, 0.8348585, 1.038346),
        "smoker": (0.5360739, 0.4831078, 0.583916),
        "bmi_lt30": (0, 0, -0.0072294),
        "bmi_gte30": (0, 0, 0.2997706),
        "egfr_lt60": (0.6045917, 0.4864619, 0.7451638),
        "egfr_gte60": (0.0433769, 0.0397779, 0.0557087),
        "bp_tx": (0.3151672, 0.2265309, 0.3534442),
        "statin": (-0.1477655, -0.0592374, 0),
        "bp_tx_x_sbp_gte110": (-0.0663612, -0.0395762, -0.0981511),
        "statin_x_non_hdl": (0.1197879, 0.0844423, 0),
        "age_x_non_hdl": (-0.0819715, -0.0567839, 0),
        "age_x_hdl": (0.0306769, 0.0325692, 0),
        "age_x_sbp_gte110": (-0.0946348, -0.1035985, -0.0946663),
        "age_x_dm": (-0.27057, -0.2417542, -0.3581041),
        "age_x_smoker": (-0.078715, -0.0791142, -0.1159453),
        "age_x_bmi_gte30": (0, 0, -0.003878),
        "age_x_egfr_lt60": (-0.1637806, -0.1671492, -0.1884289),
    },
    (10, "male"): {
        "constant": (-3.031168, -3.500655, -3.946391),
        "age": (0.7688528, 0.7099847, 0.8972642),
        "non_hdl": (0.0736174, 0.1658663, 0),
        "hdl": (-0.0954431, -0.1144285, 0),
        "sbp_lt110": (-0.4347345, -0.2837212, -0.6811466),
        "sbp_gte110": (0.3362658, 0.3239977, 0.3634461),
        "dm": (0.7692857, 0.7189597, 0.923776),
        "smoker": (0.4386871, 0.3956973, 0.5023736),
        "bmi_lt30": (0, 0, -0.0485841),
        "bmi_gte30": (0, 0, 0.3726929),
        "egfr_lt60": (0.5378979, 0.3690075, 0.6926917),
        "egfr_gte60": (0.0164827, 0.0203619, 0.0251827),
        "bp_tx": (0.288879, 0.2036522, 0.2980922),
        "statin": (-0.1337349, -0.0865581, 0),
        "bp_tx_x_sbp_gte110": (-0.0475924, -0.0322916, -0.0497731),
        "statin_x_non_hdl": (0.150273, 0.114563, 0),
        "age_x_non_hdl": (-0.0517874, -0.0300005, 0),
        "age_x_hdl": (0.0191169, 0.0232747, 0),
        "age_x_sbp_gte110": (-0.1049477, -0.0927024, -0.1289201),
        "age_x_dm": (-0.2251948, -0.2018525, -0.3040924),
        "age_x_smoker": (-0.0895067, -0.0970527, -0.1401688),
        "age_x_bmi_gte30": (0, 0, 0.0068126),
        "age_x_egfr_lt60": (-0.1543702, -0.1217081, -0.1797778),
    },
    (30, "female"): {
        "constant": (-1.318827, -1.974074, -2.205379),
        "age": (0.5503079, 0.4669202, 0.6254374),
        "age_sq": (-0.0928369, -0.0893118, -0.0983038),
        "non_hdl": (0.0409794, 0.1256901, 0),
        "hdl": (-0.1663306, -0.1542255, 0),
        "sbp_lt110": (-0.1628654, -0.0018093, -0.3919241),
        "sbp_gte110": (0.3299505, 0.322949, 0.3142295),
        "dm": (0.6793894, 0.6296707, 0.8330787),
        "smoker": (0.3196112, 0.268292, 0.3438651),
        "bmi_lt30": (0, 0, 0.0594874),
        "bmi_gte30": (0, 0, 0.2525536),
        "egfr_lt60": (0.1857101, 0.100106, 0.2981642),
        "egfr_gte60": (0.0553528, 0.0499663, 0.0667159),
        "bp_tx": (0.2894, 0.1875292, 0.333921),
        "statin": (-0.075688, 0.0152476, 0),
        "bp_tx_x_sbp_gte110": (-0.056367, -0.0276123, -0.0893177),
        "statin_x_non_hdl": (0.1071019, 0.0736147, 0),
        "age_x_non_hdl": (-0.0751438, -0.0521962, 0),
        "age_x_hdl": (0.0301786, 0.0316918, 0),
        "age_x_sbp_gte110": (-0.0998776, -0.1046101, -0.0974299),
        "age_x_dm": (-0.3206166, -0.2727793, -0.404855),
        "age_x_smoker": (-0.1607862, -0.1530907, -0.1982991),
        "age_x_bmi_gte30": (0, 0, -0.0035619),
        "age_x_egfr_lt60": (-0.1450788, -0.1299149, -0.1564215),
    },
    (30, "male"): {
        "constant": (-1.148204, -1.736444, -1.95751),
        "age": (0.4627309, 0.3994099, 0.5681541),
        "age_sq": (-0.0984281, -0.0937484, -0.1048388),
        "non_hdl": (0.0836088, 0.1744643, 0),
        "hdl": (-0.1029824, -0.120203, 0),
        "sbp_lt110": (-0.2140352, -0.0665117, -0.4761564),
        "sbp_gte110": (0.2904325, 0.2753037, 0.30324),
        "dm": (0.5331276, 0.4790257, 0.6840338),
        "smoker": (0.2141914, 0.1782635, 0.2656273),
        "bmi_lt30": (0, 0, 0.0833107),
        "bmi_gte30": (0, 0, 0.26999),
        "egfr_lt60": (0.1155556, -0.0218789, 0.2541805),
        "egfr_gte60": (0.0603775, 0.0602553, 0.0638923),
        "bp_tx": (0.232714, 0.1421182, 0.2583631),
        "statin": (-0.0272112, 0.0135996, 0),
        "bp_tx_x_sbp_gte110": (-0.0384488, -0.0218265, -0.0391938),
        "statin_x_non_hdl": (0.134192, 0.1013148, 0),
        "age_x_non_hdl": (-0.0511759, -0.0312619, 0),
        "age_x_hdl": (0.0165865, 0.020673, 0),
        "age_x_sbp_gte110": (-0.1101437, -0.0920935, -0.1269124),
        "age_x_dm": (-0.2585943, -0.2159947, -0.3273572),
        "age_x_smoker": (-0.1566406, -0.1548811, -0.2043019),
        "age_x_bmi_gte30": (0, 0, -0.0182831),
        "age_x_egfr_lt60": (-0.1166776, -0.0712547, -0.1342618),
    },
}
"""By years and sex, log odds ratio of each term for each of ``OUTCOMES``."""


def terms(x: Inputs) -> dict[str, Floats | float]:
    """Return the terms of the linear predictor, centred and scaled, from clean inputs."""
    age = (x["age"] - 55) / 10
    total, hdl = MMOL_L_PER_MG_DL * x["tchol_mgdl"], MMOL_L_PER_MG_DL * x["hdl_mgdl"]
    non_hdl, hdl = total - hdl - 3.5, (hdl - 1.3) / 0.3
    high_pressure = (np.maximum(x["sbp"], 110) - 130) / 20
    obese = (np.maximum(x["bmi"], 30) - 30) / 5
    low_filtration = (np.minimum(x["egfr"], 60) - 60) / -15
    return {
        "constant": 1.0,
        "age": age,
        "age_sq": age**2,
        "non_hdl": non_hdl,
        "hdl": hdl,
        "sbp_lt110": (np.minimum(x["sbp"], 110) - 110) / 20,
        "sbp_gte110": high_pressure,
        "dm": x["dm"],
        "smoker": x["smoker"],
        "bmi_lt30": (np.minimum(x["bmi"], 30) - 25) / 5,
        "bmi_gte30": obese,
        "egfr_lt60": low_filtration,
        "egfr_gte60": (np.maximum(x["egfr"], 60) - 90) / -15,
        "bp_tx": x["bp_tx"],
        "statin": x["statin"],
        "bp_tx_x_sbp_gte110": x["bp_tx"] * high_pressure,
        "statin_x_non_hdl": x["statin"] * non_hdl,
        "age_x_non_hdl": age * non_hdl,
        "age_x_hdl": age * hdl,
        "age_x_sbp_gte110": age * high_pressure,
        "age_x_dm": age * x["dm"],
        "age_x_smoker": age * x["smoker"],
        "age_x_bmi_gte30": age * obese,
        "age_x_egfr_lt60": age * low_filtration,
    }


def formula(outcome: Outcome, years: int, inputs: Inputs) -> Floats:
    """Return the probability of an outcome, ``1 / (1 + exp(-LP))``, shape ``(n,)``, of clean inputs."""
    return each(inputs, SEX, partial(_risk_of_sex, OUTCOMES.index(outcome), years))


def _risk_of_sex(place: int, years: int, sex: str, inputs: Inputs) -> Floats:
    values = terms(inputs)
    predictor = np.zeros(len(inputs["age"]))
    for name, coefficients in COEFFICIENTS[years, sex].items():
        predictor += coefficients[place] * values[name]
    return 1 / (1 + np.exp(-predictor))


def columns(years: int) -> tuple[Column, ...]:
    """Return what the equations for a number of years read."""
    last = {10: 80, 30: 60}[years]
    return (
        Number(
            "age",
            "years",
            30,
            last,
            of("age"),
            below="PREVENT starts at 30, leave them out",
            above=f"PREVENT for {years} years stops before {last}, leave them out",
            authors=True,
        ),
        SEX,
        DIABETES,
        SMOKER,
        Number("sbp", "mmHg", 90, 200, of("systolic"), closed=True, authors=True, intended=(90, 180)),
        BP_TREATED,
        Number("tchol_mgdl", "mg/dL", 130, 320, of("total_cholesterol", MG_DL_PER_MMOL_L), closed=True, authors=True),
        Number("hdl_mgdl", "mg/dL", 20, 100, of("hdl", MG_DL_PER_MMOL_L), closed=True, authors=True),
        Flag("statin", of("statin")),
        Number(
            "egfr",
            "mL/min/1.73 m²",
            15,
            140,
            Source(("creatinine", "age", "female"), compute=CKD_EPI_2021.rate),
            closed=True,
            authors=True,
        ),
        Number("bmi", "kg/m2", 18.5, 40, of("bmi"), authors=True),
    )


PREVENT: Final = {
    f"{outcome}_{years}y": Equation(
        "prevent",
        columns(years),
        partial(formula, outcome, years),
        rules=(below("hdl_mgdl", "tchol_mgdl"),),
        horizon=years,
    )
    for years in YEARS
    for outcome in OUTCOMES
}
"""The six outcomes, the recommended one first."""

"""SCORE2-Diabetes: ten-year risk of fatal and non-fatal cardiovascular disease in type 2 diabetes, 40 to 69 years.

SCORE2-Diabetes Working Group and ESC Cardiovascular Risk Collaboration. SCORE2-Diabetes: 10-year cardiovascular
risk estimation in type 2 diabetes in Europe. European Heart Journal 2023;44(28):2544-2556.
doi:10.1093/eurheartj/ehad260. It is SCORE2, with terms of its own, recalibrated as SCORE2 is.

``"published"`` has the combined coefficients as printed and SCORE2's four-decimal scales; ``"author"`` the sums
and six-decimal scales of the authors' own program, never more than 0.05 points away.

The authors leave out severe damage of target organs, which is at very high risk without a score: a filtration
rate under 45; from 45 to 59 with microalbuminuria; albuminuria over 300 mg/g; microvascular disease at three
sites. A comparator sees the first only.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from training.published import score2
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
    Rule,
    Source,
    below,
    of,
)
from training.published.kidney import CKD_EPI_2009

Terms = dict[str, tuple[float, float]]

CENTRE: Final = {"age_diab": 50, "hba1c": 31, "ln_egfr": 4.5}
SCALE: Final = {"age_diab": 5, "hba1c": 9.34, "ln_egfr": 0.15}

PUBLISHED: Final[dict[str, Terms]] = {
    "female": {
        "age": (0.6624, 0),
        "smoker": (0.6139, -0.1122),
        "sbp": (0.1421, -0.0167),
        "diabetes": (0.8096, -0.1272),
        "tchol": (0.1127, -0.0200),
        "hdl": (-0.1568, 0.0186),
        "diabetes_age_diab": (-0.1180, 0),
        "hba1c": (0.1173, -0.0196),
        "ln_egfr": (-0.0640, 0.0169),
        "ln_egfr_squared": (0.0062, 0),
    },
    "male": {
        "age": (0.5368, 0),
        "smoker": (0.4774, -0.0672),
        "sbp": (0.1322, -0.0268),
        "diabetes": (0.6457, -0.0983),
        "tchol": (0.1102, -0.0181),
        "hdl": (-0.1087, 0.0095),
        "diabetes_age_diab": (-0.0998, 0),
        "hba1c": (0.0955, -0.0134),
        "ln_egfr": (-0.0591, 0.0115),
        "ln_egfr_squared": (0.0058, 0),
    },
}
"""By sex, log hazard ratio of each term and of its product with age, as printed."""

AUTHOR: Final[dict[str, Terms]] = {
    "female": PUBLISHED["female"]
    | {
        "smoker": (0.6139, -0.1121),
        "sbp": (0.1422, -0.0166),
        "tchol": (0.1128, -0.0200),
        "hdl": (-0.1568, 0.0187),
    },
    "male": PUBLISHED["male"] | {"sbp": (0.1323, -0.0268)},
}
"""The sums of SCORE2's coefficients and of the adjustments in the authors' program."""

VARIANTS: Final = {
    "published": replace(score2.PUBLISHED, coefficients=PUBLISHED),
    "author": replace(score2.AUTHOR, coefficients=AUTHOR),
}


def formula(parameters: score2.Parameters, inputs: Inputs) -> Floats:
    """Return the ten-year probability, shape ``(n,)``, of clean inputs."""
    logarithm = (np.log(inputs["egfr"]) - CENTRE["ln_egfr"]) / SCALE["ln_egfr"]
    diabetic = inputs["diabetes"] == 1
    since = (np.where(diabetic, inputs["age_diab"], CENTRE["age_diab"]) - CENTRE["age_diab"]) / SCALE["age_diab"]
    more = {
        "diabetes_age_diab": since,
        "hba1c": (inputs["hba1c"] - CENTRE["hba1c"]) / SCALE["hba1c"],
        "ln_egfr": logarithm,
        "ln_egfr_squared": logarithm**2,
    }
    return parameters.risk({**inputs, **more})


COLUMNS: Final = (
    Number(
        "age",
        "years",
        40,
        70,
        of("age"),
        below="SCORE2-Diabetes starts at 40, leave them out",
        above="SCORE2-Diabetes stops before 70, use score2_op",
        authors=True,
    ),
    SEX,
    Flag("diabetes", of("type_2_diabetes"), required="SCORE2-Diabetes is for type 2 diabetes, use score2"),
    Number(
        "egfr",
        "mL/min/1.73 m²",
        5,
        200,
        Source(("creatinine", "age", "female"), compute=CKD_EPI_2009.rate),
        intended=(45, 200),
        authors=True,
    ),
    SMOKER,
    SYSTOLIC,
    TOTAL_CHOLESTEROL,
    HDL,
    Number("age_diab", "years", 1, 70, of("age_at_diabetes"), only_if="diabetes"),
    Number(
        "hba1c",
        "mmol/mol",
        20,
        200,
        of("hba1c"),
        below="check the unit, from a percentage take (percentage - 2.152) / 0.09148",
    ),
    REGION,
)

SCORE2_DIABETES: Final = {
    variant: Equation(
        "score2_diabetes",
        COLUMNS,
        partial(formula, parameters),
        rules=(
            below("hdl", "tchol"),
            Rule("age_diab", "age", np.greater, "after age", "check both"),
        ),
    )
    for variant, parameters in VARIANTS.items()
}
"""Both versions, the recommended one first."""

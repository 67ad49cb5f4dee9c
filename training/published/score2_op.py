"""SCORE2-OP: ten-year risk of fatal and non-fatal cardiovascular disease in older persons, 70 to 89 years.

SCORE2-OP working group and ESC Cardiovascular Risk Collaboration. SCORE2-OP risk prediction algorithms:
estimating incident cardiovascular event risk in older persons in four geographical risk regions. European
Heart Journal 2021;42(25):2455-2467. doi:10.1093/eurheartj/ehab312.

Two versions are in use and differ by up to 1.14 points. ``"published"`` has the supplement's rounded numbers;
``"author"`` has the precision of the authors' own program, which is what the ESC's printed charts follow, and
is recommended and given by default.

In both, the coefficient of smoking falls with age and turns negative for men past 87: a property of the
equation.
"""

from __future__ import annotations

from typing import Final

from training.published.equation import (
    HDL,
    REGION,
    SEX,
    SMOKER,
    SYSTOLIC,
    TOTAL_CHOLESTEROL,
    Equation,
    Flag,
    Number,
    below,
    of,
)
from training.published.score2 import Parameters

PUBLISHED: Final = Parameters(
    centre={"age": 73, "sbp": 150, "tchol": 6, "hdl": 1.4},
    scale={},
    coefficients={
        "female": {
            "age": (0.0789, 0),
            "diabetes": (0.6010, -0.0107),
            "smoker": (0.4921, -0.0255),
            "sbp": (0.0102, -0.0004),
            "tchol": (0.0605, -0.0009),
            "hdl": (-0.3040, 0.0154),
        },
        "male": {
            "age": (0.0634, 0),
            "diabetes": (0.4245, -0.0174),
            "smoker": (0.3524, -0.0247),
            "sbp": (0.0094, -0.0005),
            "tchol": (0.0850, 0.0073),
            "hdl": (-0.3564, 0.0091),
        },
    },
    survival={"female": 0.8082, "male": 0.7576},
    mean={"female": 0.2290, "male": 0.0929},
    recalibration={
        "low": {"female": (-0.52, 1.01), "male": (-0.34, 1.19)},
        "moderate": {"female": (-0.10, 1.10), "male": (0.01, 1.25)},
        "high": {"female": (0.38, 1.09), "male": (0.08, 1.15)},
        "very_high": {"female": (0.38, 0.69), "male": (0.05, 0.70)},
    },
)
"""As printed in the supplement."""

AUTHOR: Final = Parameters(
    centre=PUBLISHED.centre,
    scale=PUBLISHED.scale,
    coefficients={
        "female": {
            "age": (0.0789191229, 0),
            "diabetes": (0.6009874438, -0.0106909701),
            "smoker": (0.492114701, -0.0255496313),
            "sbp": (0.0101993091, -0.0004404728),
            "tchol": (0.0604939598, -0.0009121461),
            "hdl": (-0.3040280248, 0.0153779923),
        },
        "male": {
            "age": (0.0633767915, 0),
            "diabetes": (0.424524891, -0.0173654217),
            "smoker": (0.3523957899, -0.0247205945),
            "sbp": (0.0094362177, -0.0004794522),
            "tchol": (0.0849594156, 0.0073336663),
            "hdl": (-0.3563571842, 0.0091317857),
        },
    },
    survival={"female": 0.80821241, "male": 0.75764702},
    mean={"female": 0.2287676, "male": 0.09285225},
    recalibration={
        "low": {"female": (-0.516054, 1.007238), "male": (-0.343484, 1.193038)},
        "moderate": {"female": (-0.101044, 1.099621), "male": (0.005320, 1.248514)},
        "high": {"female": (0.375720, 1.089031), "male": (0.084305, 1.151902)},
        "very_high": {"female": (0.379293, 0.691530), "male": (0.045959, 0.703625)},
    },
)
"""With the precision of the authors' program."""

COLUMNS: Final = (
    Number(
        "age",
        "years",
        70,
        90,
        of("age"),
        below="use score2",
        above="SCORE2-OP stops before 90, leave them out",
        authors=True,
    ),
    SEX,
    Flag("diabetes", of("diabetes")),
    SMOKER,
    SYSTOLIC,
    TOTAL_CHOLESTEROL,
    HDL,
    REGION,
)

SCORE2_OP: Final = {
    variant: Equation("score2_op", COLUMNS, parameters.risk, rules=(below("hdl", "tchol"),))
    for variant, parameters in {"author": AUTHOR, "published": PUBLISHED}.items()
}
"""Both versions, the recommended one first."""

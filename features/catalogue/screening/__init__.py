"""Features and populations of the three cancer screening studies: who will take part in a programme.

`participation` says what counts as taking part and what competes with it, `everyone` holds what the three read alike;
`breast`, `colorectal` and `cervical` hold each programme's features, its eligibility and what it takes to score.
Rules are those of the arrêté of 16 January 2024 and, for cervical screening, of HAS 2019 and 2025.
"""

from features.catalogue.screening.breast import BREAST_SCREENING, ELIGIBLE_BREAST, REQUIRED_BREAST
from features.catalogue.screening.cervical import CERVICAL_SCREENING, ELIGIBLE_CERVICAL, REQUIRED_CERVICAL
from features.catalogue.screening.colorectal import (
    COLORECTAL_SCREENING,
    ELIGIBLE_COLORECTAL,
    ELIGIBLE_COLORECTAL_WHATEVER_THE_FAMILY,
    REQUIRED_COLORECTAL,
)
from features.catalogue.screening.participation import (
    BREAST_ELIGIBILITY_LOST,
    BREAST_PARTICIPATION,
    CERVICAL_ELIGIBILITY_LOST,
    CERVICAL_PARTICIPATION,
    COLORECTAL_ELIGIBILITY_LOST,
    COLORECTAL_PARTICIPATION,
)

__all__ = [
    "BREAST_ELIGIBILITY_LOST",
    "BREAST_PARTICIPATION",
    "BREAST_SCREENING",
    "CERVICAL_ELIGIBILITY_LOST",
    "CERVICAL_PARTICIPATION",
    "CERVICAL_SCREENING",
    "COLORECTAL_ELIGIBILITY_LOST",
    "COLORECTAL_PARTICIPATION",
    "COLORECTAL_SCREENING",
    "ELIGIBLE_BREAST",
    "ELIGIBLE_CERVICAL",
    "ELIGIBLE_COLORECTAL",
    "ELIGIBLE_COLORECTAL_WHATEVER_THE_FAMILY",
    "REQUIRED_BREAST",
    "REQUIRED_CERVICAL",
    "REQUIRED_COLORECTAL",
]

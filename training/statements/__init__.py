"""What only people can say about each study: the authored part of its model card, in French and English."""

from training.statements.cardiovascular import CARDIOVASCULAR, CARDIOVASCULAR_5_YEARS, FRAMINGHAM
from training.statements.lost_to_care import LOST_TO_CARE
from training.statements.screening import SCREENING_BREAST, SCREENING_CERVICAL, SCREENING_COLORECTAL

__all__ = [
    "CARDIOVASCULAR",
    "CARDIOVASCULAR_5_YEARS",
    "FRAMINGHAM",
    "LOST_TO_CARE",
    "SCREENING_BREAST",
    "SCREENING_CERVICAL",
    "SCREENING_COLORECTAL",
]

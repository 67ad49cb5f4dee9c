"""Studies: who, what, from what, by which models, judged how. Each is a declaration, made before looking."""

from collections.abc import Mapping
from typing import Final

from training.studies.cardiovascular import CARDIOVASCULAR, CARDIOVASCULAR_5_YEARS, FRAMINGHAM
from training.studies.lost_to_care import LOST_TO_CARE
from training.studies.screening import SCREENING_BREAST, SCREENING_CERVICAL, SCREENING_COLORECTAL
from training.studies.study import Study

STUDIES: Final[Mapping[str, Study]] = {
    study.name: study
    for study in (
        CARDIOVASCULAR,
        CARDIOVASCULAR_5_YEARS,
        SCREENING_BREAST,
        SCREENING_COLORECTAL,
        SCREENING_CERVICAL,
        LOST_TO_CARE,
        FRAMINGHAM,
    )
}

__all__ = [
    "CARDIOVASCULAR",
    "CARDIOVASCULAR_5_YEARS",
    "FRAMINGHAM",
    "LOST_TO_CARE",
    "SCREENING_BREAST",
    "SCREENING_CERVICAL",
    "SCREENING_COLORECTAL",
    "STUDIES",
    "Study",
]

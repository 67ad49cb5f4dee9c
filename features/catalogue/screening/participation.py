"""What counts as taking part in each programme, by any route, and what ends eligibility for good.

A programme's own tests alone would call many people non-participants who are not: of the women screened for breast
cancer about one in five is outside the programme, and of the people up to date for colorectal cancer four in ten are so
by endoscopy. A test therefore counts whatever it found, whoever ordered it. What ends eligibility competes with taking
part; programmes do not say for how long they exclude, so that an exclusion lasts until it is taken back.
"""

from __future__ import annotations

from typing import Final

from features.catalogue.concepts import (
    BILATERAL_MASTECTOMY,
    BREAST_CANCER_HISTORY,
    BREAST_EXCLUSION,
    BREAST_GENETIC_RISK,
    CERVICAL_CANCER,
    CERVICAL_CYTOLOGY,
    CERVICAL_EXCISION,
    CERVICAL_EXCLUSION,
    COLONOSCOPY,
    COLORECTAL_ADENOMA,
    COLORECTAL_CANCER_HISTORY,
    COLORECTAL_EXCLUSION,
    COLORECTAL_GENETIC_RISK,
    CT_COLONOGRAPHY,
    DEATH,
    FAECAL_TEST,
    HPV_TEST,
    HYSTERECTOMY,
    INFLAMMATORY_BOWEL_DISEASE,
    MAMMOGRAPHY,
    TOTAL_COLECTOMY,
)
from features.language import any_of

BREAST_PARTICIPATION: Final = MAMMOGRAPHY
#: Sigmoidoscopy does not count: it sees a part of the colon only.
COLORECTAL_PARTICIPATION: Final = any_of(FAECAL_TEST, COLONOSCOPY, CT_COLONOGRAPHY)
CERVICAL_PARTICIPATION: Final = any_of(CERVICAL_CYTOLOGY, HPV_TEST)

#: Competing events of the outcomes.
BREAST_ELIGIBILITY_LOST: Final = any_of(
    DEATH, BREAST_CANCER_HISTORY, BILATERAL_MASTECTOMY, BREAST_GENETIC_RISK, BREAST_EXCLUSION
)
COLORECTAL_ELIGIBILITY_LOST: Final = any_of(
    DEATH,
    COLORECTAL_CANCER_HISTORY,
    COLORECTAL_ADENOMA,
    INFLAMMATORY_BOWEL_DISEASE,
    COLORECTAL_GENETIC_RISK,
    TOTAL_COLECTOMY,
    COLORECTAL_EXCLUSION,
)
CERVICAL_ELIGIBILITY_LOST: Final = any_of(DEATH, HYSTERECTOMY, CERVICAL_CANCER, CERVICAL_EXCISION, CERVICAL_EXCLUSION)

"""Breast cancer screening: women of 50 to 74, a mammography every two years."""

from __future__ import annotations

from typing import Final

from features.catalogue.cardiovascular.population import PRESENT
from features.catalogue.concepts import (
    BENIGN_BREAST_DISEASE,
    BILATERAL_MASTECTOMY,
    BREAST_CANCER_FAMILY,
    BREAST_CANCER_HISTORY,
    BREAST_EXCLUSION,
    BREAST_GENETIC_RISK,
    BREAST_INVITATION,
    BREAST_MRI,
    BREAST_REFUSAL,
    BREAST_SYMPTOM,
    BREAST_ULTRASOUND,
    INDIVIDUAL_MAMMOGRAPHY,
    MASTECTOMY,
    ORGANISED_MAMMOGRAPHY,
)
from features.catalogue.screening.everyone import HEALTH_AND_CARE, WOMAN, aged, answers, elsewhere, never, required
from features.catalogue.screening.participation import (
    BREAST_PARTICIPATION,
    CERVICAL_PARTICIPATION,
    COLORECTAL_PARTICIPATION,
)
from features.codes import CCAM
from features.feature_set import FeatureSet
from features.language import any_of, count, count_days, exists, months, only, years

BREAST_SCREENING: Final = FeatureSet(
    "breast-screening",
    **HEALTH_AND_CARE,
    **answers(BREAST_PARTICIPATION, ORGANISED_MAMMOGRAPHY, BREAST_INVITATION, BREAST_REFUSAL, interval=years(2)),
    individual_participations=count_days(INDIVIDUAL_MAMMOGRAPHY).described(
        "Mammographies hors dépistage organisé", "Mammographies outside the programme"
    ),
    other_breast_imaging=count_days(any_of(BREAST_ULTRASOUND, BREAST_MRI), within=years(4)).described(
        "Échographies et IRM du sein en 4 ans", "Breast ultrasounds and MRIs in 4 years"
    ),
    benign_breast_disease=exists(BENIGN_BREAST_DISEASE).described("Maladie bénigne du sein", "Benign breast disease"),
    family_history=exists(BREAST_CANCER_FAMILY).described(
        "Antécédents familiaux de cancer du sein", "Family history of breast cancer"
    ),
    **elsewhere("cervical", CERVICAL_PARTICIPATION, "du cancer du col de l’utérus", "Cervical cancer screening"),
    **elsewhere("colorectal", COLORECTAL_PARTICIPATION, "du cancer colorectal", "Colorectal cancer screening"),
)

#: An act of mastectomy is one breast's.
_both_breasts = exists(BILATERAL_MASTECTOMY) | (
    count(only(MASTECTOMY, *(code for code in MASTECTOMY.codes if code.system == CCAM.name))) >= 2
)

#: Women at average risk for whom a test is due. Nothing in the records tells atypical hyperplasia, irradiation of the
#: chest or the number of relatives affected (Eisinger score): a programme's exclusion stands for them.
ELIGIBLE_BREAST: Final = FeatureSet(
    "eligible-breast-screening",
    **PRESENT,
    woman=WOMAN,
    aged_50_to_74=aged(50, 74),
    no_breast_cancer=never(BREAST_CANCER_HISTORY, "Sans antécédent de cancer du sein", "No history of breast cancer"),
    no_bilateral_mastectomy=(~_both_breasts).described("Sans mastectomie bilatérale", "No bilateral mastectomy"),
    no_genetic_risk=never(
        BREAST_GENETIC_RISK, "Sans prédisposition génétique connue", "No known genetic susceptibility"
    ),
    not_excluded=never(BREAST_EXCLUSION, "Non exclue par le programme", "Not excluded by the programme"),
    no_recent_symptom=(~exists(BREAST_SYMPTOM, within=months(6))).described(
        "Sans symptôme du sein depuis 6 mois", "No breast symptom in the last 6 months"
    ),
    due=(
        ~exists(ORGANISED_MAMMOGRAPHY, within=months(24)) & ~exists(BREAST_PARTICIPATION, within=months(12))
    ).described(
        "Sans mammographie de dépistage organisé depuis 24 mois, ni aucune autre depuis 12 mois",
        "No mammography of the programme in the last 24 months, nor any other in the last 12",
    ),
)

REQUIRED_BREAST: Final = required("required-breast-screening", BREAST_PARTICIPATION)

"""Colorectal cancer screening: women and men of 50 to 74, a faecal test every two years."""

from __future__ import annotations

from typing import Final

from features.catalogue.cardiovascular.population import PRESENT
from features.catalogue.concepts import (
    COLONOSCOPY,
    COLORECTAL_ADENOMA,
    COLORECTAL_CANCER_FAMILY,
    COLORECTAL_CANCER_HISTORY,
    COLORECTAL_EXCLUSION,
    COLORECTAL_GENETIC_RISK,
    COLORECTAL_INVITATION,
    COLORECTAL_REFUSAL,
    COLORECTAL_SCREENING_ACT,
    CT_COLONOGRAPHY,
    FAECAL_TEST,
    INFLAMMATORY_BOWEL_DISEASE,
    SIGMOIDOSCOPY,
    TOTAL_COLECTOMY,
)
from features.catalogue.screening.everyone import HEALTH_AND_CARE, WOMAN, aged, answers, elsewhere, never, required
from features.catalogue.screening.participation import (
    BREAST_PARTICIPATION,
    CERVICAL_PARTICIPATION,
    COLORECTAL_PARTICIPATION,
)
from features.feature_set import FeatureSet
from features.language import any_of, count_days, exists, latest, months, years, years_since

COLORECTAL_SCREENING: Final = FeatureSet(
    "colorectal-screening",
    **HEALTH_AND_CARE,
    female=WOMAN,
    **answers(COLORECTAL_PARTICIPATION, FAECAL_TEST, COLORECTAL_INVITATION, COLORECTAL_REFUSAL, interval=years(2)),
    colon_examinations=count_days(any_of(COLONOSCOPY, CT_COLONOGRAPHY, SIGMOIDOSCOPY)).described(
        "Examens endoscopiques ou scanographiques du côlon", "Endoscopies or CT colonographies"
    ),
    years_since_colonoscopy=years_since(COLONOSCOPY).described(
        "Temps depuis la dernière coloscopie", "Time since the last colonoscopy"
    ),
    result_pending=(
        exists(COLORECTAL_SCREENING_ACT, within=months(6))
        & ~exists(FAECAL_TEST, since=latest(COLORECTAL_SCREENING_ACT))
    ).described("Test remis, résultat attendu", "Test handed out, result awaited"),
    family_history=exists(COLORECTAL_CANCER_FAMILY).described(
        "Antécédents familiaux de cancer colorectal", "Family history of colorectal cancer"
    ),
    **elsewhere("breast", BREAST_PARTICIPATION, "du cancer du sein", "Breast cancer screening"),
    **elsewhere("cervical", CERVICAL_PARTICIPATION, "du cancer du col de l’utérus", "Cervical cancer screening"),
)

#: People for whom a test is due, whatever their family. No concept tells symptoms, which call for colonoscopy.
_criteria = {
    **PRESENT,
    "aged_50_to_74": aged(50, 74),
    "no_colorectal_cancer": never(
        COLORECTAL_CANCER_HISTORY, "Sans antécédent de cancer colorectal", "No history of colorectal cancer"
    ),
    "no_adenoma": never(COLORECTAL_ADENOMA, "Sans antécédent d’adénome colorectal", "No history of colorectal adenoma"),
    "no_inflammatory_bowel_disease": never(
        INFLAMMATORY_BOWEL_DISEASE,
        "Sans maladie inflammatoire chronique de l’intestin",
        "No inflammatory bowel disease",
    ),
    "no_genetic_risk": never(
        COLORECTAL_GENETIC_RISK, "Sans prédisposition génétique connue", "No known genetic susceptibility"
    ),
    "no_total_colectomy": never(TOTAL_COLECTOMY, "Sans colectomie totale", "No total colectomy"),
    "not_excluded": never(COLORECTAL_EXCLUSION, "Non exclu par le programme", "Not excluded by the programme"),
    "no_recent_colonoscopy": (~exists(COLONOSCOPY, within=months(60))).described(
        "Sans coloscopie depuis 5 ans", "No colonoscopy in the last 5 years"
    ),
    "due": (~exists(FAECAL_TEST, within=months(24))).described(
        "Sans recherche de sang dans les selles depuis 24 mois", "No faecal test in the last 24 months"
    ),
}

#: The programme leaves out people with an affected relative. How close, and affected at which age, is what French
#: sources disagree on and records do not tell, so that a study chooses.
ELIGIBLE_COLORECTAL: Final = FeatureSet(
    "eligible-colorectal-screening",
    **_criteria,
    no_family_history=never(
        COLORECTAL_CANCER_FAMILY,
        "Sans antécédent familial connu de cancer colorectal",
        "No known family history of colorectal cancer",
    ),
)
ELIGIBLE_COLORECTAL_WHATEVER_THE_FAMILY: Final = FeatureSet(
    "eligible-colorectal-screening-whatever-the-family", **_criteria
)

REQUIRED_COLORECTAL: Final = required("required-colorectal-screening", COLORECTAL_PARTICIPATION)

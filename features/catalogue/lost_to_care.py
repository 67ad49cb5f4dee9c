"""Being lost to care: adults whose illness asks for regular care, and what foretells that they will not come back.

The probability that a direction is about is that of being lost: +1 where a rise makes it more likely.
"""

from __future__ import annotations

from typing import Final

from features.catalogue.cardiovascular.conditions import ALCOHOL, CANCERS, DEPRESSED
from features.catalogue.cardiovascular.population import PRESENT, REGISTERED_A_YEAR, SEX_KNOWN
from features.catalogue.cardiovascular.treated import PRESCRIPTION
from features.catalogue.circumstances import CONTACT, PLACE_AND_COVER, SEEN, how_many
from features.catalogue.concepts import (
    ANTIHYPERTENSIVE,
    CANCER,
    CARDIOVASCULAR_DISEASE,
    CHRONIC_KIDNEY_DISEASE,
    COPD,
    DEMENTIA,
    DIABETES,
    GLUCOSE_LOWERING,
    HBA1C,
    HYPERTENSION,
    LONG_TERM_ILLNESS,
    PSYCHOSIS,
    SEX,
    SMOKING_STATUS,
    STATIN,
    SYSTOLIC_BP,
    TOTAL_CHOLESTEROL,
)
from features.codes import Concept
from features.feature_set import FeatureSet
from features.language import Expression, age, any_of, count_days, exists, latest, share_covered, years, years_since

#: What asks for regular care.
_ILLNESSES: Final[dict[str, Concept]] = {
    "diabetes": DIABETES,
    "hypertension": HYPERTENSION,
    "cardiovascular_disease": CARDIOVASCULAR_DISEASE,
    "kidney_disease": CHRONIC_KIDNEY_DISEASE,
    "copd": COPD,
    "psychosis": PSYCHOSIS,
}
_LASTING_TREATMENT: Final = any_of(GLUCOSE_LOWERING, ANTIHYPERTENSIVE, STATIN)


def _covered(concept: Concept) -> Expression:
    return share_covered(concept, within=years(1), lasting=PRESCRIPTION)


LOST_TO_CARE: Final = FeatureSet(
    "lost-to-care",
    age=age().described("Âge", "Age"),
    female=(latest(SEX) == "female").described("Femme", "Woman"),
    **CONTACT,
    consultations_year_before=count_days(SEEN, within=years(2), until=years(1)).described(
        "Jours de consultation l’année d’avant", "Days with a consultation in the year before"
    ),
    **PLACE_AND_COVER,
    illnesses=how_many(*(exists(concept) for concept in _ILLNESSES.values())).described(
        "Maladies chroniques, sur six", "Long-term illnesses, of six", -1
    ),
    **{name: exists(concept).described(concept.fr, concept.en) for name, concept in _ILLNESSES.items()},
    cancer=CANCERS,
    depression=DEPRESSED,
    dementia=exists(DEMENTIA).described("Démence", "Dementia"),
    alcohol_use_disorder=ALCOHOL,
    smoker=(latest(SMOKING_STATUS, within=years(5)) == "current").described("Tabagisme actif", "Current smoker"),
    treated=exists(_LASTING_TREATMENT, within=years(1)).described(
        "Traitement au long cours dans l’année", "Lasting treatment in the last year"
    ),
    treatment_covered=_covered(_LASTING_TREATMENT).described(
        "Part de l’année couverte par un traitement au long cours",
        "Share of the last year covered by a lasting treatment",
    ),
    years_since_prescription=years_since(_LASTING_TREATMENT).described(
        "Temps depuis la dernière ordonnance au long cours", "Time since the last lasting prescription", +1
    ),
    pressure_taken=count_days(SYSTOLIC_BP, within=years(2)).described(
        "Jours de mesure de la pression artérielle en 2 ans", "Days with a blood pressure taken in 2 years"
    ),
    laboratory_tests=count_days(any_of(HBA1C, TOTAL_CHOLESTEROL), within=years(2)).described(
        "Jours de dosage de l’HbA1c ou du cholestérol en 2 ans", "Days with an HbA1c or cholesterol test in 2 years"
    ),
)

ADULTS_WITH_LONG_TERM_NEEDS: Final = FeatureSet(
    "adults-with-long-term-needs",
    **PRESENT,
    adult=(age() >= 18).described("Âge de 18 ans ou plus", "Aged 18 or more"),
    registered_a_year=REGISTERED_A_YEAR,
    long_term_need=exists(any_of(*_ILLNESSES.values(), CANCER, LONG_TERM_ILLNESS)).described(
        "Maladie chronique ou affection de longue durée", "Long-term illness, or of the long-term illness scheme"
    ),
    seen_within_a_year=exists(SEEN, within=years(1)).described(
        "Contact en médecine générale dans l’année", "Contact in general practice within the year"
    ),
)

REQUIRED: Final = FeatureSet("required-lost-to-care", sex_known=SEX_KNOWN)

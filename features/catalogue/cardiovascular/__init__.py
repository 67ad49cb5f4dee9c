"""Features and population of the cardiovascular studies.

Each module holds definitions by idea, as described expressions by feature name; this one puts them together:
`published` (what the published scores read), `measured` (levels, variability, trends), `treated` (intensity,
persistence), `conditions` (other diseases), `circumstances` (contact with care, place, cover) and `population`.
"""

from __future__ import annotations

from typing import Final

from features.catalogue.cardiovascular.conditions import OTHER_CONDITIONS
from features.catalogue.cardiovascular.measured import KIDNEYS_AND_BODY, LIPIDS, PRESSURE, yearly_change
from features.catalogue.cardiovascular.population import (
    ADULTS_30_TO_79,
    ADULTS_40_TO_79,
    REQUIRED_MEASUREMENTS,
    SENSITIVE,
)
from features.catalogue.cardiovascular.published import (
    FURTHER_INPUTS,
    PUBLISHED_INPUTS,
    RECORDED_BMI,
)
from features.catalogue.cardiovascular.treated import TREATMENT
from features.catalogue.circumstances import CONSULTATIONS, CONTACT, PLACE_AND_COVER
from features.catalogue.concepts import SYSTOLIC_BP
from features.feature_set import FeatureSet
from features.language import mean

__all__ = [
    "ADULTS_30_TO_79",
    "ADULTS_40_TO_79",
    "CARDIOVASCULAR",
    "CARDIOVASCULAR_FULL",
    "FRAMINGHAM",
    "PUBLISHED_INPUTS",
    "REQUIRED_MEASUREMENTS",
    "SENSITIVE",
]

CARDIOVASCULAR: Final = FeatureSet(
    "cardiovascular",
    **PUBLISHED_INPUTS,
    non_hdl=LIPIDS["non_hdl"],
    systolic_age=PRESSURE["systolic_age"],
    systolic_mean=PRESSURE["systolic_mean"],
    systolic_slope=PRESSURE["systolic_slope"],
    bmi=FURTHER_INPUTS["bmi"],
    statin=FURTHER_INPUTS["statin"],
    kidney_disease=FURTHER_INPUTS["kidney_disease"],
    atrial_fibrillation=FURTHER_INPUTS["atrial_fibrillation"],
    mental_illness=FURTHER_INPUTS["mental_illness"],
    consultations=CONSULTATIONS,
)

#: All that the published scores read and what the literature adds; it holds every feature of `CARDIOVASCULAR`.
CARDIOVASCULAR_FULL: Final = FeatureSet(
    "cardiovascular-full",
    **PUBLISHED_INPUTS,
    **FURTHER_INPUTS,
    **PRESSURE,
    **LIPIDS,
    **KIDNEYS_AND_BODY,
    **TREATMENT,
    **OTHER_CONDITIONS,
    **CONTACT,
    **PLACE_AND_COVER,
)

#: Framingham's examinations are six years apart and record no deprivation, kidney disease, treatment by statin …
FRAMINGHAM: Final = FeatureSet(
    "cardiovascular-framingham",
    **PUBLISHED_INPUTS,
    systolic_mean=mean(SYSTOLIC_BP).described("Pression systolique moyenne", "Mean systolic pressure", +1),
    systolic_slope=yearly_change(SYSTOLIC_BP).described(
        "Évolution annuelle de la pression systolique", "Yearly change in systolic pressure"
    ),
    bmi=RECORDED_BMI,
)

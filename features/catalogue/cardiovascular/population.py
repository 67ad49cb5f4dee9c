"""Who the cardiovascular study is about, what it takes to score them, and groups compared by its audit."""

from __future__ import annotations

from typing import Final

from features.catalogue.cardiovascular.published import SYSTOLIC
from features.catalogue.circumstances import PLACE_AND_COVER, SETTING
from features.catalogue.concepts import CARDIOVASCULAR_DISEASE, DEATH, LEFT, REGISTERED, SEX
from features.feature_set import FeatureSet
from features.language import age, exists, latest, years_since

#: Who can be looked at, whatever the study: alive and in the practice.
PRESENT: Final = {
    "alive": (~exists(DEATH)).described("En vie", "Alive"),
    "still_registered": (
        exists(REGISTERED) & (~exists(LEFT) | (years_since(LEFT) > years_since(REGISTERED)))
    ).described("Inscrit au cabinet à cette date", "Registered with the practice at the time"),
}
REGISTERED_A_YEAR: Final = (years_since(REGISTERED) >= 1).described(
    "Inscrit depuis un an au moins", "Registered for a year or more"
)
SEX_KNOWN: Final = latest(SEX).known().described("Sexe renseigné", "Sex recorded")

_ELIGIBLE = {
    **PRESENT,
    "free_of_cardiovascular_disease": (~exists(CARDIOVASCULAR_DISEASE)).described(
        "Sans maladie cardiovasculaire connue", "No known cardiovascular disease"
    ),
}

ADULTS_40_TO_79: Final = FeatureSet(
    "adults-40-to-79",
    **_ELIGIBLE,
    aged_40_to_79=((age() >= 40) & (age() < 80)).described("Âge de 40 à 79 ans", "Aged 40 to 79"),
    registered_a_year=REGISTERED_A_YEAR,
)

ADULTS_30_TO_79: Final = FeatureSet(
    "adults-30-to-79",
    **_ELIGIBLE,
    aged_30_to_79=((age() >= 30) & (age() < 80)).described("Âge de 30 à 79 ans", "Aged 30 to 79"),
)

#: Without these no score is given in the consultation.
REQUIRED_MEASUREMENTS: Final = FeatureSet(
    "required-measurements",
    sex_known=SEX_KNOWN,
    systolic_within_2_years=SYSTOLIC.known().described(
        "Pression artérielle mesurée depuis moins de 2 ans", "Blood pressure measured within 2 years"
    ),
)

#: Groups the audit compares.
SENSITIVE: Final = FeatureSet(
    "sensitive",
    sex=latest(SEX).described("Sexe", "Sex"),
    age_band=age().described("Âge", "Age"),
    deprivation=PLACE_AND_COVER["deprivation"],
    region=SETTING["region"],
    rurality=PLACE_AND_COVER["rurality"],
    solidarity_cover=PLACE_AND_COVER["solidarity_cover"],
    long_term_illness=PLACE_AND_COVER["long_term_illness"],
    vendor=SETTING["vendor"],
)

"""Features and population of the cardiovascular study."""

from __future__ import annotations

from features.catalogue.concepts import (
    ANTIHYPERTENSIVE,
    ATRIAL_FIBRILLATION,
    BODY_MASS_INDEX,
    CARDIOVASCULAR_DISEASE,
    CHRONIC_KIDNEY_DISEASE,
    CONSULTATION,
    DEATH,
    DEPRIVATION,
    DIABETES,
    HDL,
    LEFT,
    REGISTERED,
    SEVERE_MENTAL_ILLNESS,
    SEX,
    SMOKING_STATUS,
    STATIN,
    SYSTOLIC_BP,
    TOTAL_CHOLESTEROL,
)
from features.feature_set import FeatureSet
from features.language import Duration, Expression, age, count, exists, first, latest, mean, slope, years, years_since

_systolic = latest(SYSTOLIC_BP, within=years(2))
_total_cholesterol = latest(TOTAL_CHOLESTEROL, within=years(5))
_hdl = latest(HDL, within=years(5))
_smoking = latest(SMOKING_STATUS, within=years(5))


def _yearly_change(within: Duration | None = None) -> Expression:
    """Return the slope of systolic pressure, where values span half a year: two readings of one visit have no trend."""
    span = first(SYSTOLIC_BP, within).years_ago() - latest(SYSTOLIC_BP, within).years_ago()
    return slope(SYSTOLIC_BP, within).where(span >= 0.5)


#: What SCORE2, SCORE2-OP and Framingham 2008 read.
PUBLISHED_INPUTS = {
    "age": age().described("Âge", "Age", +1),
    "female": (latest(SEX) == "female").described("Femme", "Woman", -1),
    "smoker": (_smoking == "current").described("Tabagisme actif", "Current smoker", +1),
    "systolic": _systolic.described("Pression artérielle systolique", "Systolic blood pressure", +1),
    "total_cholesterol": _total_cholesterol.described("Cholestérol total", "Total cholesterol"),
    "hdl": _hdl.described("Cholestérol HDL", "HDL cholesterol", -1),
    "diabetes": exists(DIABETES).described("Diabète", "Diabetes", +1),
    "bp_treated": exists(ANTIHYPERTENSIVE, within=years(1)).described(
        "Traitement antihypertenseur", "Antihypertensive treatment"
    ),
}

CARDIOVASCULAR = FeatureSet(
    "cardiovascular",
    **PUBLISHED_INPUTS,
    non_hdl=(_total_cholesterol - _hdl).described("Cholestérol non-HDL", "Non-HDL cholesterol", +1),
    systolic_age=_systolic.years_ago().described(
        "Ancienneté de la pression artérielle", "Time since the blood pressure was taken"
    ),
    systolic_mean=mean(SYSTOLIC_BP, within=years(5)).described(
        "Pression systolique moyenne sur 5 ans", "Mean systolic pressure over 5 years", +1
    ),
    systolic_slope=_yearly_change(within=years(5)).described(
        "Évolution annuelle de la pression systolique", "Yearly change in systolic pressure"
    ),
    bmi=latest(BODY_MASS_INDEX, within=years(5)).described("Indice de masse corporelle", "Body-mass index"),
    statin=exists(STATIN, within=years(1)).described("Traitement par statine", "Statin treatment"),
    kidney_disease=exists(CHRONIC_KIDNEY_DISEASE).described("Maladie rénale chronique", "Chronic kidney disease", +1),
    atrial_fibrillation=exists(ATRIAL_FIBRILLATION).described("Fibrillation atriale", "Atrial fibrillation", +1),
    mental_illness=exists(SEVERE_MENTAL_ILLNESS).described("Trouble psychique sévère", "Severe mental illness", +1),
    consultations=count(CONSULTATION, within=years(1)).described(
        "Consultations dans l’année", "Consultations in the last year"
    ),
)

#: Framingham's examinations are six years apart and record no deprivation, kidney disease, treatment by statin …
FRAMINGHAM = FeatureSet(
    "cardiovascular-framingham",
    **PUBLISHED_INPUTS,
    systolic_mean=mean(SYSTOLIC_BP).described("Pression systolique moyenne", "Mean systolic pressure", +1),
    systolic_slope=_yearly_change().described(
        "Évolution annuelle de la pression systolique", "Yearly change in systolic pressure"
    ),
    bmi=latest(BODY_MASS_INDEX, within=years(5)).described("Indice de masse corporelle", "Body-mass index"),
)

#: Who can be scored, whatever the study: alive, in the practice, without a cardiovascular event so far.
_ELIGIBLE = {
    "alive": (~exists(DEATH)).described("En vie", "Alive"),
    "still_registered": (
        exists(REGISTERED) & (~exists(LEFT) | (years_since(LEFT) > years_since(REGISTERED)))
    ).described("Inscrit au cabinet à cette date", "Registered with the practice at the time"),
    "free_of_cardiovascular_disease": (~exists(CARDIOVASCULAR_DISEASE)).described(
        "Sans maladie cardiovasculaire connue", "No known cardiovascular disease"
    ),
}

ADULTS_40_TO_79 = FeatureSet(
    "adults-40-to-79",
    **_ELIGIBLE,
    aged_40_to_79=((age() >= 40) & (age() < 80)).described("Âge de 40 à 79 ans", "Aged 40 to 79"),
    registered_a_year=(years_since(REGISTERED) >= 1).described(
        "Inscrit depuis un an au moins", "Registered for a year or more"
    ),
)

ADULTS_30_TO_79 = FeatureSet(
    "adults-30-to-79",
    **_ELIGIBLE,
    aged_30_to_79=((age() >= 30) & (age() < 80)).described("Âge de 30 à 79 ans", "Aged 30 to 79"),
)

#: Without these no score is given in the consultation.
REQUIRED_MEASUREMENTS = FeatureSet(
    "required-measurements",
    sex_known=latest(SEX).known().described("Sexe renseigné", "Sex recorded"),
    systolic_within_2_years=_systolic.known().described(
        "Pression artérielle mesurée depuis moins de 2 ans", "Blood pressure measured within 2 years"
    ),
)

#: Groups the audit compares.
SENSITIVE = FeatureSet(
    "sensitive",
    sex=latest(SEX).described("Sexe", "Sex"),
    age_band=age().described("Âge", "Age"),
    deprivation=latest(DEPRIVATION).described(
        "Défavorisation (1 : la plus faible, 5 : la plus forte)", "Deprivation (1 is the least, 5 the most)"
    ),
)

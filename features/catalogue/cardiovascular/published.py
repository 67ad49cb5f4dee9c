"""What the published scores read, under the names they read it by.

SCORE2, SCORE2-OP, SCORE2-Diabetes, QRISK3, PREVENT, the Pooled Cohort Equations and Framingham 2008.
"""

from __future__ import annotations

from typing import Final

from features.catalogue.concepts import (
    ANTIHYPERTENSIVE,
    ATRIAL_FIBRILLATION,
    ATYPICAL_ANTIPSYCHOTIC,
    BODY_HEIGHT,
    BODY_MASS_INDEX,
    BODY_WEIGHT,
    CIGARETTES_PER_DAY,
    CREATININE,
    DEPRESSION,
    DIABETES,
    ERECTILE_DYSFUNCTION,
    ERECTILE_DYSFUNCTION_TREATMENT,
    FAMILY_HISTORY_PREMATURE_CHD,
    HBA1C,
    HDL,
    HYPERTENSION,
    KIDNEY_DISEASE_STAGE_3_TO_5,
    KIDNEY_TRANSPLANT,
    LUPUS,
    MIGRAINE,
    PSYCHOSIS,
    RHEUMATOID_ARTHRITIS,
    SEVERE_MENTAL_ILLNESS,
    SEX,
    SMOKING_INTENSITY,
    SMOKING_STATUS,
    STATIN,
    SYSTEMIC_CORTICOSTEROID,
    SYSTOLIC_BP,
    TOTAL_CHOLESTEROL,
    TYPE_1_DIABETES,
    TYPE_2_DIABETES,
)
from features.codes import CIM10, Concept
from features.language import (
    VALUE,
    Expression,
    age,
    any_of,
    band,
    count_days,
    exists,
    latest,
    months,
    only,
    quantity,
    standard_deviation,
    when,
    years,
    years_since_first,
)

SYSTOLIC: Final = latest(SYSTOLIC_BP, within=years(2))
CHOLESTEROL: Final = latest(TOTAL_CHOLESTEROL, within=years(5))
HDL_CHOLESTEROL: Final = latest(HDL, within=years(5))
ON_ANTIHYPERTENSIVE: Final = exists(ANTIHYPERTENSIVE, within=years(1))
_smoking = latest(SMOKING_STATUS, within=years(5))

#: What SCORE2, SCORE2-OP and Framingham 2008 read.
PUBLISHED_INPUTS: Final = {
    "age": age().described("Âge", "Age", +1),
    "female": (latest(SEX) == "female").described("Femme", "Woman", -1),
    "smoker": (_smoking == "current").described("Tabagisme actif", "Current smoker", +1),
    "systolic": SYSTOLIC.described("Pression artérielle systolique", "Systolic blood pressure", +1),
    "total_cholesterol": CHOLESTEROL.described("Cholestérol total", "Total cholesterol", +1),
    "hdl": HDL_CHOLESTEROL.described("Cholestérol HDL", "HDL cholesterol", -1),
    "diabetes": exists(DIABETES).described("Diabète", "Diabetes", +1),
    "bp_treated": ON_ANTIHYPERTENSIVE.described("Traitement antihypertenseur", "Antihypertensive treatment"),
}

RECORDED_BMI: Final = latest(BODY_MASS_INDEX, within=years(5)).described(
    "Indice de masse corporelle", "Body-mass index"
)
ON_STATIN: Final = exists(STATIN, within=years(1)).described("Traitement par statine", "Statin treatment")
FIBRILLATION: Final = exists(ATRIAL_FIBRILLATION).described("Fibrillation atriale", "Atrial fibrillation", +1)


def _body_mass_index() -> Expression:
    """Return the index as recorded or, where it is not, from the weight and the height."""
    height = latest(BODY_HEIGHT) / quantity(100, "cm/m")
    weight = latest(BODY_WEIGHT, within=years(5))
    return RECORDED_BMI.default(weight / (height * height)).described(RECORDED_BMI.fr, RECORDED_BMI.en)


def _smoking_intensity() -> Expression:
    """Return QRISK3's scale: 0 never, 1 former, and by day 2 for under 10 cigarettes, 3 for under 20, 4 for more.

    A smoker of whom no amount is recorded has none: QRISK3 then gives no number, rather than that of a guess.
    """
    level = latest(SMOKING_INTENSITY, within=years(5))
    stated = when(level == "light").then(2).otherwise(when(level == "moderate").then(3).otherwise(4))
    counted = band(latest(CIGARETTES_PER_DAY, within=years(5), where=VALUE > 0), [10, 20]) + 2
    ever = exists(SMOKING_STATUS, where=VALUE == "current") | exists(SMOKING_STATUS, where=VALUE == "former")
    stopped = when(ever).then(1).otherwise(0)
    return when(_smoking == "current").then(counted.default(stated)).otherwise(stopped)


def _regularly(drug: Concept) -> Expression:
    """Return whether a drug was prescribed on two days of the last year, one of them in the last six months.

    QRISK3 asks for two prescriptions, the latest within 28 days; French prescriptions are for three months or more.
    """
    return (count_days(drug, within=years(1)) >= 2) & exists(drug, within=months(6))


# Somebody under insulin for a type 2 diabetes is often coded T89, insulin-dependent: with both codes it is type 2.
# A diabetes whose type nobody recorded counts as type 2, which most are: with neither, QRISK3 would see no diabetes.
_type_1 = exists(TYPE_1_DIABETES) & ~exists(TYPE_2_DIABETES)

#: QRISK3 counts psychoses, bipolar disorders and depression that is moderate or severe.
_MENTAL_ILLNESS: Final = any_of(
    SEVERE_MENTAL_ILLNESS, PSYCHOSIS, only(DEPRESSION, *CIM10.codes("F32.1 F32.2 F32.3 F33.1 F33.2 F33.3"))
)

#: What the other scores read besides.
FURTHER_INPUTS: Final = {
    "smoking_intensity": _smoking_intensity().described(
        "Tabagisme (0\u00a0: jamais, 1\u00a0: ancien, 2 à 4\u00a0: moins de 10, de 20, 20 cigarettes par jour ou plus)",
        "Smoking (0 never, 1 former, 2 to 4: under 10, under 20, 20 cigarettes a day or more)",
        +1,
    ),
    "systolic_sd": standard_deviation(SYSTOLIC_BP, within=years(5)).described(
        "Variabilité de la pression systolique sur 5 ans (écart type)",
        "Variability of systolic pressure over 5 years (standard deviation)",
        +1,
    ),
    "bmi": _body_mass_index(),
    "type_1_diabetes": _type_1.described("Diabète de type 1", "Type 1 diabetes", +1),
    "type_2_diabetes": (exists(DIABETES) & ~_type_1).described(
        "Diabète de type 2 ou de type non précisé", "Type 2 diabetes, or of a type not stated", +1
    ),
    "age_at_diabetes": (age() - years_since_first(DIABETES)).described(
        "Âge au diagnostic du diabète", "Age when diabetes was diagnosed", -1
    ),
    "hba1c": latest(HBA1C, within=years(2)).described(
        "Hémoglobine glyquée (HbA1c)", "Glycated haemoglobin (HbA1c)", +1
    ),
    "creatinine": latest(CREATININE, within=years(3)).described("Créatinine", "Creatinine"),
    "statin": ON_STATIN,
    "hypertension_treated": (exists(HYPERTENSION) & ON_ANTIHYPERTENSIVE).described(
        "Hypertension artérielle traitée", "Treated hypertension"
    ),
    "atrial_fibrillation": FIBRILLATION,
    "kidney_disease": exists(any_of(KIDNEY_DISEASE_STAGE_3_TO_5, KIDNEY_TRANSPLANT)).described(
        "Maladie rénale chronique de stade 3 à 5 ou greffe de rein",
        "Chronic kidney disease, stages 3 to 5, or kidney transplant",
        +1,
    ),
    "migraine": exists(MIGRAINE).described("Migraine", "Migraine", +1),
    "rheumatoid_arthritis": exists(RHEUMATOID_ARTHRITIS).described(
        "Polyarthrite rhumatoïde", "Rheumatoid arthritis", +1
    ),
    "lupus": exists(LUPUS).described("Lupus érythémateux systémique", "Systemic lupus erythematosus", +1),
    "mental_illness": exists(_MENTAL_ILLNESS).described(
        "Psychose, trouble bipolaire, dépression modérée ou sévère",
        "Psychosis, bipolar disorder, moderate or severe depression",
        +1,
    ),
    "antipsychotic": _regularly(ATYPICAL_ANTIPSYCHOTIC).described(
        "Traitement régulier par antipsychotique atypique", "Regular treatment by an atypical antipsychotic"
    ),
    "corticosteroid": _regularly(SYSTEMIC_CORTICOSTEROID).described(
        "Traitement régulier par corticoïde par voie générale", "Regular treatment by a systemic corticosteroid"
    ),
    "erectile_dysfunction": (
        (latest(SEX) == "male") & exists(any_of(ERECTILE_DYSFUNCTION, ERECTILE_DYSFUNCTION_TREATMENT))
    ).described("Dysfonction érectile, diagnostiquée ou traitée", "Erectile dysfunction, diagnosed or treated"),
    "family_history": exists(FAMILY_HISTORY_PREMATURE_CHD).described(
        "Coronaropathie avant 60 ans chez un parent au premier degré",
        "Coronary disease before 60 in a first-degree relative",
        +1,
    ),
}

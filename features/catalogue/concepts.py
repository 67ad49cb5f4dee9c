"""Concepts the studies need, each with its codes, unit, believable range and source.

Cholesterol converts by 38.67 mg/dL per mmol/L (molar mass 386.65 g/mol), creatinine by 88.42 µmol/L per mg/dL
(113.1 g/mol), glucose by 18.016 mg/dL per mmol/L (180.16 g/mol). French laboratories also report g/L.
"""

from __future__ import annotations

from features.codes import ATC, CIM10, CISP2, LOINC, PRACTICE, SNOMED, Concept

CHOLESTEROL_UNITS = (("mg/dL", 1 / 38.67), ("g/L", 100 / 38.67))
ESC = "ESC 2021 prevention guideline, doi:10.1093/eurheartj/ehab484"

# The practice's own file
BIRTH = Concept("birth", "Naissance", "Birth", (PRACTICE("birth"),), source="practice file")
SEX = Concept(
    "sex",
    "Sexe",
    "Sex",
    categories=(("male", (PRACTICE("male"),)), ("female", (PRACTICE("female"),))),
    source="practice file",
)
REGISTERED = Concept("registered", "Inscription", "Registration", (PRACTICE("registered"),), source="practice file")
LEFT = Concept("left", "Départ du cabinet", "Departure", (PRACTICE("left"),), source="practice file")
DEATH = Concept("death", "Décès", "Death", (PRACTICE("death"),), source="practice file")
CONSULTATION = Concept(
    "consultation", "Consultation", "Consultation", (PRACTICE("consultation"),), source="practice file"
)
EXAMINATION = Concept(
    "examination",
    "Examen de cohorte",
    "Cohort examination",
    (PRACTICE("examination"),),
    source="research cohort",
)
DEPRIVATION = Concept(
    "deprivation",
    "Défavorisation (quintile de la commune)",
    "Deprivation (quintile of the municipality)",
    (PRACTICE("deprivation"),),
    unit="{quintile}",
    plausible=(1, 5),
    source="FDep: Rey et al. 2009, doi:10.1186/1471-2458-9-33; 5 is the most deprived",
)

# Measurements
SYSTOLIC_BP = Concept(
    "systolic_blood_pressure",
    "Pression artérielle systolique",
    "Systolic blood pressure",
    (LOINC("8480-6"), SNOMED("271649006")),
    unit="mm[Hg]",
    plausible=(60, 300),
    conversions=(("mmHg", 1.0), ("cm[Hg]", 10.0)),
    source=ESC,
)
DIASTOLIC_BP = Concept(
    "diastolic_blood_pressure",
    "Pression artérielle diastolique",
    "Diastolic blood pressure",
    (LOINC("8462-4"), SNOMED("271650006")),
    unit="mm[Hg]",
    plausible=(30, 200),
    conversions=(("mmHg", 1.0), ("cm[Hg]", 10.0)),
    source=ESC,
)
TOTAL_CHOLESTEROL = Concept(
    "total_cholesterol",
    "Cholestérol total",
    "Total cholesterol",
    (LOINC("14647-2"), LOINC("2093-3")),
    unit="mmol/L",
    plausible=(1.5, 20),
    conversions=CHOLESTEROL_UNITS,
    source=ESC,
)
HDL = Concept(
    "hdl_cholesterol",
    "Cholestérol HDL",
    "HDL cholesterol",
    (LOINC("14646-4"), LOINC("2085-9")),
    unit="mmol/L",
    plausible=(0.2, 5),
    conversions=CHOLESTEROL_UNITS,
    source=ESC,
)
BODY_MASS_INDEX = Concept(
    "body_mass_index",
    "Indice de masse corporelle",
    "Body-mass index",
    (LOINC("39156-5"),),
    unit="kg/m2",
    plausible=(10, 80),
    source="WHO",
)
CREATININE = Concept(
    "creatinine",
    "Créatinine",
    "Creatinine",
    (LOINC("14682-9"), LOINC("2160-0")),
    unit="umol/L",
    plausible=(15, 1800),
    conversions=(("mg/dL", 88.42), ("mg/L", 8.842)),
    source="KDIGO 2024",
)
HEART_RATE = Concept(
    "heart_rate",
    "Fréquence cardiaque",
    "Heart rate",
    (LOINC("8867-4"),),
    unit="/min",
    plausible=(25, 250),
    source="LOINC",
)
GLUCOSE = Concept(
    "glucose",
    "Glycémie",
    "Blood glucose",
    (LOINC("15074-8"), LOINC("2345-7")),
    unit="mmol/L",
    plausible=(1, 60),
    conversions=(("mg/dL", 1 / 18.016), ("g/L", 100 / 18.016)),
    source="WHO",
)
CIGARETTES_PER_DAY = Concept(
    "cigarettes_per_day",
    "Cigarettes par jour",
    "Cigarettes a day",
    (LOINC("64218-1"),),
    unit="/d",
    plausible=(0, 150),
    source="LOINC",
)

# States
SMOKING_STATUS = Concept(
    "smoking_status",
    "Statut tabagique",
    "Smoking status",
    categories=(
        ("not current", (SNOMED("8392000"),)),  # "non-smoker": never or former, the source does not say which
        ("never", (LOINC("LA18978-9"), SNOMED("266919005"))),
        ("former", (LOINC("LA15920-4"), SNOMED("8517006"))),
        (
            "current",
            (
                LOINC("LA18976-3"),
                LOINC("LA18977-1"),
                SNOMED("77176002"),
                CISP2("P17"),
                CIM10("F17"),
                CIM10("Z72.0"),
            ),
        ),
    ),
    source="LOINC answer list LL2201-3",
)

# Conditions
DIABETES = Concept(
    "diabetes",
    "Diabète",
    "Diabetes",
    (
        *(CIM10(f"E{n}") for n in (10, 11, 12, 13, 14)),
        CISP2("T89"),
        CISP2("T90"),
        SNOMED("44054006"),
        SNOMED("46635009"),
    ),
    source="CIM-10 E10-E14",
)
HYPERTENSION = Concept(
    "hypertension",
    "Hypertension artérielle",
    "Hypertension",
    (*(CIM10(f"I{n}") for n in (10, 11, 12, 13, 15)), CISP2("K86"), CISP2("K87"), SNOMED("38341003")),
    source="CIM-10 I10-I15",
)
CHRONIC_KIDNEY_DISEASE = Concept(
    "chronic_kidney_disease",
    "Maladie rénale chronique",
    "Chronic kidney disease",
    (CIM10("N18"), SNOMED("709044004")),
    source="CIM-10 N18",
)
ATRIAL_FIBRILLATION = Concept(
    "atrial_fibrillation",
    "Fibrillation atriale",
    "Atrial fibrillation",
    (CIM10("I48"), CISP2("K78"), SNOMED("49436004")),
    source="CIM-10 I48",
)
SEVERE_MENTAL_ILLNESS = Concept(
    "severe_mental_illness",
    "Trouble psychique sévère",
    "Severe mental illness",
    (CIM10("F20"), CIM10("F25"), CIM10("F31"), CISP2("P72"), CISP2("P73")),
    source="QRISK3, doi:10.1136/bmj.j2099",
)

# Treatments
ANTIHYPERTENSIVE = Concept(
    "antihypertensive",
    "Traitement antihypertenseur",
    "Antihypertensive treatment",
    (ATC("C02"), ATC("C03"), ATC("C07"), ATC("C08"), ATC("C09")),
    source="ATC groups C02, C03, C07, C08, C09",
)
STATIN = Concept("statin", "Statine", "Statin", (ATC("C10AA"), ATC("C10BA")), source="ATC C10AA, C10BA")

# Cardiovascular events
MYOCARDIAL_INFARCTION = (CIM10("I21"), CIM10("I22"), CISP2("K75"), SNOMED("22298006"))
STROKE = (CIM10("I60"), CIM10("I61"), CIM10("I63"), CIM10("I64"), CISP2("K90"), SNOMED("230690007"))
CARDIOVASCULAR_DEATH = PRACTICE("death.cardiovascular")
MAJOR_CV_EVENT = Concept(
    "major_cardiovascular_event",
    "Événement cardiovasculaire majeur",
    "Major cardiovascular event",
    (*MYOCARDIAL_INFARCTION, *STROKE, CARDIOVASCULAR_DEATH),
    source="SCORE2's outcome: infarction, stroke, cardiovascular death; doi:10.1093/eurheartj/ehab309",
)
CARDIOVASCULAR_DISEASE = Concept(
    "cardiovascular_disease",
    "Maladie cardiovasculaire établie",
    "Established cardiovascular disease",
    (
        *MYOCARDIAL_INFARCTION,
        *STROKE,
        *(CIM10(c) for c in ("I20", "I23", "I24", "I25", "I50", "G45", "I70.2", "I73.9")),
        *(CISP2(c) for c in ("K74", "K76", "K77", "K89", "K91", "K92")),
        CARDIOVASCULAR_DEATH,
    ),
    source="Framingham's general cardiovascular disease, doi:10.1161/CIRCULATIONAHA.107.699579",
)

CONCEPTS: tuple[Concept, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Concept))

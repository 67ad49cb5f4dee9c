"""What is measured: each concept with its unit, conversions and believable range.

Amounts and masses convert by molar mass: cholesterol 386.65 g/mol (38.67 mg/dL per mmol/L), triglycerides 885.7 g/mol
as triolein (88.57 mg/dL per mmol/L), creatinine 113.1 g/mol (88.42 µmol/L per mg/dL), glucose 180.16 g/mol (18.016
mg/dL per mmol/L). HbA1c converts by the master equation between NGSP and IFCC, NGSP % = 0.09148 x IFCC + 2.152 (Hoelzel
et al. 2004, doi:10.1373/clinchem.2003.024802). French laboratories also report g/L.

The acts of the biology nomenclature (NABM) say that a measurement was made and carry no value: they count for
``exists`` and ``count``, never for a value.
"""

from __future__ import annotations

from features.catalogue.concepts.sources import ESC, KDIGO, PREVENT, UNREVIEWED
from features.codes import LOINC, NABM, SNOMED, Concept

CHOLESTEROL_UNITS = (("mg/dL", 1 / 38.67), ("g/L", 100 / 38.67))
TRIGLYCERIDE_UNITS = (("mg/dL", 1 / 88.57), ("g/L", 100 / 88.57))
GLUCOSE_UNITS = (("mg/dL", 1 / 18.016), ("g/L", 100 / 18.016))
PRESSURE_UNITS = (("mmHg", 1.0), ("cm[Hg]", 10.0))
LENGTH_UNITS = (("m", 100.0), ("mm", 0.1), ("[in_i]", 2.54))

SYSTOLIC_BP = Concept(
    "systolic_blood_pressure",
    "Pression artérielle systolique",
    "Systolic blood pressure",
    (
        LOINC("8480-6"),
        LOINC("8459-0"),  # sitting
        SNOMED("271649006"),
    ),
    unit="mm[Hg]",
    plausible=(60, 300),
    conversions=PRESSURE_UNITS,
    source=ESC,
    review=f"{UNREVIEWED} Home, ambulatory, standing and lying pressures have other codes, and are left out.",
)
DIASTOLIC_BP = Concept(
    "diastolic_blood_pressure",
    "Pression artérielle diastolique",
    "Diastolic blood pressure",
    (LOINC("8462-4"), SNOMED("271650006")),
    unit="mm[Hg]",
    plausible=(30, 200),
    conversions=PRESSURE_UNITS,
    source=ESC,
    review=UNREVIEWED,
)
HEART_RATE = Concept(
    "heart_rate",
    "Fréquence cardiaque",
    "Heart rate",
    (LOINC("8867-4"), SNOMED("364075005")),
    unit="/min",
    plausible=(25, 250),
    source="LOINC",
    review=UNREVIEWED,
)

# Body
BODY_MASS_INDEX = Concept(
    "body_mass_index",
    "Indice de masse corporelle",
    "Body-mass index",
    (LOINC("39156-5"), SNOMED("60621009")),
    unit="kg/m2",
    plausible=(10, 80),
    source="WHO",
    review=UNREVIEWED,
)
BODY_WEIGHT = Concept(
    "body_weight",
    "Poids",
    "Body weight",
    (
        LOINC("29463-7"),
        LOINC("3141-9"),  # measured
        LOINC("3142-7"),  # stated
        SNOMED("27113001"),
    ),
    unit="kg",
    plausible=(20, 350),
    conversions=(("g", 0.001), ("[lb_av]", 0.45359237)),
    source="WHO",
    review=UNREVIEWED,
)
BODY_HEIGHT = Concept(
    "body_height",
    "Taille",
    "Body height",
    (
        LOINC("8302-2"),
        LOINC("8308-9"),  # standing
        LOINC("3137-7"),  # measured
        SNOMED("50373000"),
    ),
    unit="cm",
    plausible=(100, 230),
    conversions=LENGTH_UNITS,
    source="WHO",
    review=f"{UNREVIEWED} The range is an adult’s.",
)
WAIST = Concept(
    "waist_circumference",
    "Tour de taille",
    "Waist circumference",
    (LOINC("8280-0"), LOINC("56086-2"), SNOMED("276361009")),
    unit="cm",
    plausible=(40, 250),
    conversions=LENGTH_UNITS,
    source="WHO 2008, Waist circumference and waist-hip ratio",
    review=UNREVIEWED,
)

# Lipids
TOTAL_CHOLESTEROL = Concept(
    "total_cholesterol",
    "Cholestérol total",
    "Total cholesterol",
    (LOINC("14647-2"), LOINC("2093-3"), SNOMED("77068002"), NABM("0580")),
    unit="mmol/L",
    plausible=(1.5, 20),
    conversions=CHOLESTEROL_UNITS,
    source=ESC,
    review=UNREVIEWED,
)
HDL = Concept(
    "hdl_cholesterol",
    "Cholestérol HDL",
    "HDL cholesterol",
    (LOINC("14646-4"), LOINC("2085-9"), SNOMED("28036006")),
    unit="mmol/L",
    plausible=(0.2, 5),
    conversions=CHOLESTEROL_UNITS,
    source=ESC,
    review=f"{UNREVIEWED} No act of its own: part of the lipid panel.",
)
LDL = Concept(
    "ldl_cholesterol",
    "Cholestérol LDL",
    "LDL cholesterol",
    (
        *LOINC.codes("22748-8 39469-2 69419-0"),  # amounts: measured or not said, calculated, direct
        *LOINC.codes("2089-1 13457-7 18262-6"),  # masses: the same
        SNOMED("113079009"),
        NABM("2001"),
    ),
    unit="mmol/L",
    plausible=(0.2, 15),
    conversions=CHOLESTEROL_UNITS,
    source=ESC,
    review=f"{UNREVIEWED} Calculated and measured values are taken together.",
)
TRIGLYCERIDES = Concept(
    "triglycerides",
    "Triglycérides",
    "Triglycerides",
    (LOINC("14927-8"), LOINC("2571-8"), SNOMED("14740000"), NABM("0590")),
    unit="mmol/L",
    plausible=(0.1, 80),
    conversions=TRIGLYCERIDE_UNITS,
    source=ESC,
    review=f"{UNREVIEWED} Fasting or not is not told apart.",
)
LIPID_PANEL = Concept(
    "lipid_panel",
    "Exploration d’une anomalie lipidique",
    "Lipid panel",
    (NABM("0996"), LOINC("57698-3")),
    source="NABM 0996: total, HDL and calculated LDL cholesterol, triglycerides",
    review=UNREVIEWED,
)

# Kidneys
CREATININE = Concept(
    "creatinine",
    "Créatinine",
    "Creatinine",
    (
        *LOINC.codes("14682-9 2160-0"),  # serum or plasma
        *LOINC.codes("59826-8 38483-4 77140-2"),  # blood, or any of the three
        SNOMED("70901006"),
        *NABM.codes("0592 0593"),  # alone, or with urea
    ),
    unit="umol/L",
    plausible=(15, 1800),
    conversions=(("mg/dL", 88.42), ("mg/L", 8.842)),
    source=KDIGO,
    review=UNREVIEWED,
)
EGFR = Concept(
    "estimated_gfr",
    "Débit de filtration glomérulaire estimé",
    "Estimated glomerular filtration rate",
    (
        *LOINC.codes("33914-3 77147-7 69405-9"),  # MDRD, or formula not said
        *LOINC.codes("62238-1 98979-8"),  # CKD-EPI 2009, 2021
        *LOINC.codes("50210-4 94677-2 98980-6"),  # cystatin C, alone or with creatinine
        SNOMED("80274001"),
    ),
    unit="mL/min/{1.73_m2}",
    plausible=(1, 200),
    source=KDIGO,
    review=f"{UNREVIEWED} Formulas are taken together. Values in mL/min are not for 1.73 m², and not used.",
)
URINE_ALBUMIN_CREATININE = Concept(
    "urine_albumin_creatinine_ratio",
    "Rapport albuminurie sur créatininurie",
    "Urine albumin-to-creatinine ratio",
    (*LOINC.codes("9318-7 14959-1 32294-1 30000-4"), SNOMED("250745003"), NABM("1133")),
    unit="mg/mmol",
    plausible=(0, 3000),
    conversions=(("g/mol", 1.0), ("mg/g", 0.1131), ("ug/mg", 0.1131)),
    source=KDIGO,
    review=f"{UNREVIEWED} The act (1133) is any measurement of albumin in urine.",
)

# Sugar
GLUCOSE = Concept(
    "glucose",
    "Glycémie",
    "Blood glucose",
    (
        *LOINC.codes("15074-8 2345-7"),
        *LOINC.codes("14749-6 2339-0"),
        *SNOMED.codes("36048009 22569008"),
        NABM("0552"),
    ),
    unit="mmol/L",
    plausible=(1, 60),
    conversions=GLUCOSE_UNITS,
    source="WHO",
    review=f"{UNREVIEWED} Fasting or not is not known of these codes.",
)
FASTING_GLUCOSE = Concept(
    "fasting_glucose",
    "Glycémie à jeun",
    "Fasting glucose",
    LOINC.codes("76629-5 1558-6"),
    unit="mmol/L",
    plausible=(1, 60),
    conversions=GLUCOSE_UNITS,
    source="WHO",
    review=UNREVIEWED,
)
HBA1C = Concept(
    "hba1c",
    "Hémoglobine glyquée (HbA1c)",
    "Glycated haemoglobin (HbA1c)",
    (
        *LOINC.codes("59261-8"),  # IFCC
        *LOINC.codes("4548-4 17856-6 4549-2 17855-8"),  # NGSP, or not said
        SNOMED("43396009"),
        NABM("1577"),
    ),
    unit="mmol/mol",
    plausible=(15, 200),
    conversions=(("%", (1 / 0.09148, -2.152 / 0.09148)),),
    source=f"{PREVENT}; SCORE2-Diabetes, doi:10.1093/eurheartj/ehad260",
    review=UNREVIEWED,
)

"""Diseases and states that last: those the scores ask for, and those that change what screening is for."""

from __future__ import annotations

from features.catalogue.concepts.sources import CERVICAL, ESC, KDIGO, NO_DESCENDANTS, QRISK3, UNREVIEWED
from features.codes import CCAM, CIM10, CISP2, NGAP, PRACTICE, SNOMED, Concept

# Diabetes
TYPE_1_DIABETES = Concept(
    "type_1_diabetes",
    "Diabète de type 1",
    "Type 1 diabetes",
    (CIM10("E10"), CISP2("T89"), SNOMED("46635009")),
    source=QRISK3,
    review=f"{NO_DESCENDANTS} T89 is insulin-dependent diabetes: some doctors use it of type 2 under insulin.",
)
TYPE_2_DIABETES = Concept(
    "type_2_diabetes",
    "Diabète de type 2",
    "Type 2 diabetes",
    (
        CIM10("E11"),
        CISP2("T90"),
        *SNOMED.codes("44054006 81531005 359642000"),  # in obese and non-obese people too
        *SNOMED.codes("422034002 1501000119109 60951000119105 157141000119108"),  # with eyes or kidneys affected
    ),
    source=QRISK3,
    review=f"{NO_DESCENDANTS} T90 is non-insulin-dependent diabetes, which is also where unspecified ones go.",
)
DIABETES = Concept(
    "diabetes",
    "Diabète",
    "Diabetes",
    (
        *CIM10.codes("E10 E11 E12 E13 E14"),
        *CISP2.codes("T89 T90"),
        SNOMED("73211009"),
        *(code for code in (*TYPE_1_DIABETES.codes, *TYPE_2_DIABETES.codes) if code.system == SNOMED.name),
        SNOMED("127013003"),  # kidney disease due to diabetes
        SNOMED("427089005"),  # due to cystic fibrosis
    ),
    source="CIM-10 E10-E14",
    review=f"{NO_DESCENDANTS} Gestational diabetes is apart.",
)
GESTATIONAL_DIABETES = Concept(
    "gestational_diabetes",
    "Diabète gestationnel",
    "Gestational diabetes",
    (CIM10("O24.4"), CISP2("W85"), SNOMED("11687002")),
    source=ESC,
    review=NO_DESCENDANTS,
)
PREDIABETES = Concept(
    "prediabetes",
    "Prédiabète",
    "Prediabetes",
    (CIM10("R73.0"), SNOMED("15777000")),
    source=ESC,
    review=f"{NO_DESCENDANTS} CISP-2 has only A91, abnormal results of any kind.",
)

# Circulation and kidneys (events are in `cardiovascular`)
HYPERTENSION = Concept(
    "hypertension",
    "Hypertension artérielle",
    "Hypertension",
    (
        *CIM10.codes("I10 I11 I12 I13 I15"),
        *CISP2.codes("K86 K87"),
        *SNOMED.codes("38341003 59621000"),  # hypertensive disorder, essential hypertension
    ),
    source="CIM-10 I10-I15",
    review=NO_DESCENDANTS,
)
DYSLIPIDAEMIA = Concept(
    "dyslipidaemia",
    "Dyslipidémie",
    "Dyslipidaemia",
    (
        CIM10("E78"),
        CISP2("T93"),
        *SNOMED.codes("55822004 13644009 302870006"),  # high lipids, cholesterol, triglycerides
        *SNOMED.codes("238076009 238077000 238082007 398036000 238078005"),  # primary, secondary, familial
    ),
    source=ESC,
    review=f"{NO_DESCENDANTS} E78 and T93 also hold lipid deficiencies.",
)
FAMILIAL_HYPERCHOLESTEROLAEMIA = Concept(
    "familial_hypercholesterolaemia",
    "Hypercholestérolémie familiale",
    "Familial hypercholesterolaemia",
    SNOMED.codes("398036000 238078005"),
    source=f"{ESC}: the scores do not apply",
    review=f"{NO_DESCENDANTS} CIM-10 and CISP-2 do not tell it from other hypercholesterolaemia (E78.0, T93).",
)
OBESITY = Concept(
    "obesity",
    "Obésité",
    "Obesity",
    (
        CIM10("E66"),
        CISP2("T82"),
        *SNOMED.codes("414916001 414915002 162864005"),
        *SNOMED.codes("443371000124107 443381000124105 238136002 408512008 415530009"),  # by class
    ),
    source="CIM-10 E66",
    review=f"{NO_DESCENDANTS} In the French CIM-10, E66 is also overweight, by its fifth character: see `overweight`.",
)
OVERWEIGHT = Concept(
    "overweight",
    "Surpoids",
    "Overweight",
    (*CIM10.codes("E66.03 E66.13 E66.83 E66.93"), CISP2("T83")),
    source="CIM-10 FR, fifth characters of E66",
    review=f"{UNREVIEWED} Without obesity. SNOMED CT codes could not be verified.",
)
CHRONIC_KIDNEY_DISEASE = Concept(
    "chronic_kidney_disease",
    "Maladie rénale chronique",
    "Chronic kidney disease",
    (
        CIM10("N18"),
        SNOMED("709044004"),
        *SNOMED.codes("431855005 431856006 433144002 700378005 700379002 431857002 433146000"),  # stages 1 to 5
        *SNOMED.codes("46177005 236435004 236436003"),  # end stage
    ),
    source="CIM-10 N18",
    review=f"{NO_DESCENDANTS} CISP-2 has no class of its own: U99 is any other disease of the urinary tract.",
)
KIDNEY_DISEASE_STAGE_3_TO_5 = Concept(
    "kidney_disease_stage_3_to_5",
    "Maladie rénale chronique de stade 3 à 5",
    "Chronic kidney disease, stages 3 to 5",
    (
        *CIM10.codes("N18.0 N18.3 N18.4 N18.5 Z49 Z99.2"),
        *SNOMED.codes("433144002 700378005 700379002 431857002 433146000"),
        *SNOMED.codes("46177005 236435004 236436003 265764009"),
        *CCAM.codes("JVJF004 JVJB001"),  # sessions of dialysis for chronic failure
    ),
    source=f"{QRISK3}; {KDIGO}",
    review=f"{NO_DESCENDANTS} Chronic disease without a stage (N18.9) is left out; N18.0 was end-stage before 2010.",
)
KIDNEY_TRANSPLANT = Concept(
    "kidney_transplant",
    "Greffe de rein",
    "Kidney transplant",
    (CIM10("Z94.0"), *SNOMED.codes("70536003 236436003")),
    source=QRISK3,
    review=NO_DESCENDANTS,
)

# Other diseases in QRISK3
MIGRAINE = Concept(
    "migraine",
    "Migraine",
    "Migraine",
    (CIM10("G43"), CISP2("N89"), *SNOMED.codes("37796009 427419006 124171000119105")),
    source=QRISK3,
    review=NO_DESCENDANTS,
)
RHEUMATOID_ARTHRITIS = Concept(
    "rheumatoid_arthritis",
    "Polyarthrite rhumatoïde",
    "Rheumatoid arthritis",
    (*CIM10.codes("M05 M06.0 M06.2 M06.3 M06.8 M06.9"), CISP2("L88"), SNOMED("69896004")),
    source=QRISK3,
    review=f"{NO_DESCENDANTS} L88 is rheumatoid or seropositive arthritis, and includes related arthritides.",
)
LUPUS = Concept(
    "systemic_lupus_erythematosus",
    "Lupus érythémateux systémique",
    "Systemic lupus erythematosus",
    (CIM10("M32"), SNOMED("55464009")),
    source=QRISK3,
    review=f"{NO_DESCENDANTS} With drug-induced lupus (M32.0). CISP-2 has no class of its own.",
)
SEVERE_MENTAL_ILLNESS = Concept(
    "severe_mental_illness",
    "Trouble psychique sévère",
    "Severe mental illness",
    (
        *CIM10.codes("F20 F25 F31"),
        *CISP2.codes("P72 P73"),
        *SNOMED.codes("58214004 68890003"),  # schizophrenia, schizoaffective disorder
        *SNOMED.codes("13746004 371596008 83225003"),  # bipolar disorder, I, II
    ),
    source=QRISK3,
    review=f"{NO_DESCENDANTS} QRISK3 also counts other psychoses and severe depression: see these.",
)
PSYCHOSIS = Concept(
    "psychosis",
    "Psychose",
    "Psychosis",
    (
        *CIM10.codes("F20 F22 F23 F24 F25 F28 F29 F30.1 F30.2 F31"),
        *CISP2.codes("P72 P73 P98"),
        *SNOMED.codes("69322001 191525009 58214004 68890003 48500005 13746004 371596008"),
    ),
    source=QRISK3,
    review=NO_DESCENDANTS,
)
DEPRESSION = Concept(
    "depression",
    "Dépression",
    "Depression",
    (
        *CIM10.codes("F32 F33 F34.1"),
        CISP2("P76"),
        *SNOMED.codes("35489007 370143000 36923009 66344007 268620009"),
    ),
    source="CIM-10 F32, F33, F34.1",
    review=f"{NO_DESCENDANTS} The feeling alone (P03) is left out.",
)
HIV = Concept(
    "hiv",
    "Infection par le VIH",
    "HIV infection",
    (
        *CIM10.codes("B20 B21 B22 B23 B24 Z21"),
        CISP2("B90"),
        *SNOMED.codes("86406008 62479008 40780007 699433000"),
    ),
    source=ESC,
    review=NO_DESCENDANTS,
)
ERECTILE_DYSFUNCTION = Concept(
    "erectile_dysfunction",
    "Dysfonction érectile",
    "Erectile dysfunction",
    (
        *CIM10.codes("N48.4 F52.2"),
        CISP2("Y07"),
        *SNOMED.codes("860914002 397803000 770096002 428007007 691000119103"),
    ),
    source=QRISK3,
    review=f"{NO_DESCENDANTS} F52.2 is also used of women; QRISK3 also counts treatment, which is a concept apart.",
)
COPD = Concept(
    "copd",
    "Bronchopneumopathie chronique obstructive",
    "Chronic obstructive pulmonary disease",
    (*CIM10.codes("J43 J44"), CISP2("R95"), *SNOMED.codes("13645005 87433001 185086009")),
    source=ESC,
    review=NO_DESCENDANTS,
)

# Family
FAMILY_HISTORY_CHD = Concept(
    "family_history_cardiovascular",
    "Antécédents familiaux de maladie cardiovasculaire",
    "Family history of cardiovascular disease",
    (
        PRACTICE("family.premature_coronary_disease"),
        *CIM10.codes("Z82.3 Z82.4"),
        SNOMED("297242006"),
    ),
    source=f"{ESC}; CIM-10 Z82.3, Z82.4",
    review=f"{NO_DESCENDANTS} At any age: no class tells premature disease apart. K22 of CISP-2 is any risk factor.",
)
FAMILY_HISTORY_PREMATURE_CHD = Concept(
    "family_history_premature_chd",
    "Coronaropathie avant 60 ans chez un parent au premier degré",
    "Coronary disease before 60 in a first-degree relative",
    (PRACTICE("family.premature_coronary_disease"),),
    source=QRISK3,
    review=f"{UNREVIEWED} A reader makes it of the source’s own field: no code system says the age.",
)

# States that change the question
PREGNANCY = Concept(
    "pregnancy",
    "Grossesse",
    "Pregnancy",
    (
        *CIM10.codes("O10 O11 O12 O13 O14 O15 O16 O20 O21 O22 O23 O24 O25 O26 O28 O29 O30 O31 O32 O33 O34 O35 O36"),
        *CIM10.codes("O40 O41 O42 O43 O44 O45 O46 O47 O48 Z32.1 Z33 Z34 Z35"),
        *CISP2.codes("W71 W78 W84 W85"),
        *SNOMED.codes("77386006 72892002"),
        NGAP("CG"),
    ),
    source="CIM-10 O10-O48, Z33-Z35",
    review=f"{NO_DESCENDANTS} Delivery, its aftermath and pregnancies that ended early are left out.",
)
DEMENTIA = Concept(
    "dementia",
    "Démence",
    "Dementia",
    (*CIM10.codes("F00 F01 F02 F03 G30"), CISP2("P70"), *SNOMED.codes("52448006 26929004")),
    source="CIM-10 F00-F03, G30",
    review=NO_DESCENDANTS,
)
PALLIATIVE_CARE = Concept(
    "palliative_care",
    "Soins palliatifs",
    "Palliative care",
    (CIM10("Z51.5"), *SNOMED.codes("103735009 182964004 305336008")),  # care, terminal care, hospice
    source="CIM-10 Z51.5",
    review=f"{NO_DESCENDANTS} CISP-2 has no class for it.",
)
DISABILITY = Concept(
    "disability",
    "Handicap",
    "Disability",
    (
        *CIM10.codes("G80 G81 G82 H54.0 H54.1 Z73.6 Z99.3"),
        *CISP2.codes("A28 F94"),
        *SNOMED.codes("21134002 128188000 105503008"),  # disability, cerebral palsy, wheelchair
    ),
    source="CIM-10: palsies, blindness, limitation of activities, wheelchair",
    review=f"{NO_DESCENDANTS} A list for access to screening, far from complete.",
)
INTELLECTUAL_DISABILITY = Concept(
    "intellectual_disability",
    "Trouble du développement intellectuel",
    "Intellectual disability",
    (*CIM10.codes("F70 F71 F72 F73 F78 F79 Q90"), CISP2("P85"), SNOMED("110359009")),
    source="CIM-10 F70-F79, Q90",
    review=NO_DESCENDANTS,
)
DEPENDENCY = Concept(
    "dependency",
    "Dépendance envers un aidant",
    "Dependence on a carer",
    (*CIM10.codes("Z74 R26.3"), CISP2("A28"), SNOMED("160685001")),
    source="CIM-10 Z74, R26.3",
    review=f"{NO_DESCENDANTS} The group of the French grid (GIR) is a concept apart.",
)
CANCER = Concept(
    "cancer",
    "Cancer",
    "Cancer",
    (
        *CIM10.codes("C00 C01 C02 C03 C04 C05 C06 C07 C08 C09 C10 C11 C12 C13 C14 C15 C16 C17 C18 C19 C20 C21 C22"),
        *CIM10.codes("C23 C24 C25 C26 C30 C31 C32 C33 C34 C37 C38 C39 C40 C41 C43 C45 C46 C47 C48 C49 C50 C51 C52"),
        *CIM10.codes("C53 C54 C55 C56 C57 C58 C60 C61 C62 C63 C64 C65 C66 C67 C68 C69 C70 C71 C72 C73 C74 C75 C76"),
        *CIM10.codes("C77 C78 C79 C80 C81 C82 C83 C84 C85 C86 C88 C90 C91 C92 C93 C94 C95 C96 C97"),
        *CISP2.codes("A79 B72 B73 B74 D74 D75 D76 D77 L71 N74 R84 R85 T71 U75 U76 U77 X75 X76 X77 Y77 Y78"),
        *SNOMED.codes("363346000 254837009 363406005 363351006 363354003 254632001"),
    ),
    source="CIM-10 C00-C97 without C44",
    review=f"{NO_DESCENDANTS} Without skin cancers other than melanoma (C44); S77 does not tell melanoma apart.",
)
IMMUNE_DEFICIENCY = Concept(
    "immune_deficiency",
    "Immunodépression",
    "Immune deficiency",
    (
        *CIM10.codes("D80 D81 D82 D83 D84"),
        *SNOMED.codes("234532001 31323000"),
        *HIV.codes,
        *CIM10.codes("Z94.0 Z94.1 Z94.2 Z94.3 Z94.4 Z94.8"),
        *SNOMED.codes("70536003 32413006 18027006 88039007"),  # kidney, heart, liver, lung transplants
    ),
    source=f"{CERVICAL}: closer follow-up",
    review=f"{NO_DESCENDANTS} Immunosuppressants are a concept apart.",
)

"""Cardiovascular events and diseases: what the scores predict, and who already has it."""

from __future__ import annotations

from features.catalogue.concepts.sources import ESC, NO_DESCENDANTS, QRISK3, UNREVIEWED
from features.codes import CCAM, CIM10, CISP2, PRACTICE, SNOMED, Concept

MYOCARDIAL_INFARCTION = (
    *CIM10.codes("I21 I22"),
    CISP2("K75"),
    *SNOMED.codes("22298006 57054005 401303003 401314000"),  # acute, with and without ST elevation
)
HAEMORRHAGIC_STROKE = (*CIM10.codes("I60 I61"), *SNOMED.codes("274100004 21454007"))
ISCHAEMIC_STROKE = (CIM10("I63"), *SNOMED.codes("422504002 432504007"))
STROKE = (*HAEMORRHAGIC_STROKE, *ISCHAEMIC_STROKE, CIM10("I64"), CISP2("K90"), SNOMED("230690007"))
CARDIOVASCULAR_DEATH = PRACTICE("death.cardiovascular")

INFARCTION = Concept(
    "myocardial_infarction",
    "Infarctus du myocarde",
    "Myocardial infarction",
    MYOCARDIAL_INFARCTION,
    source=ESC,
    review=f"{NO_DESCENDANTS} The event: old infarction (I25.2) is coronary disease.",
)
STROKE_EVENT = Concept(
    "stroke",
    "Accident vasculaire cérébral",
    "Stroke",
    STROKE,
    source=ESC,
    review=f"{NO_DESCENDANTS} The event: sequelae (I69) are left out.",
)
TIA = Concept(
    "transient_ischaemic_attack",
    "Accident ischémique transitoire",
    "Transient ischaemic attack",
    (*CIM10.codes("G45.0 G45.1 G45.2 G45.3 G45.8 G45.9"), CISP2("K89"), SNOMED("266257000")),
    source=QRISK3,
    review=f"{NO_DESCENDANTS} Transient global amnesia (G45.4) is left out.",
)
ANGINA = Concept(
    "angina",
    "Angine de poitrine",
    "Angina",
    (CIM10("I20"), CISP2("K74"), SNOMED("194828000")),
    source=QRISK3,
    review=f"{NO_DESCENDANTS} K74 is ischaemic heart disease with angina.",
)
CHEST_PAIN = Concept(
    "chest_pain",
    "Douleur thoracique",
    "Chest pain",
    (
        *CIM10.codes("R07.2 R07.3 R07.4"),
        *CISP2.codes("A11 K01 K02"),
        *SNOMED.codes("29857009 71884009"),  # any, precordial
    ),
    source="CIM-10 R07.2-R07.4",
    review=f"{NO_DESCENDANTS} Without pain of the throat or on breathing (R07.0, R07.1), and without angina.",
)
CORONARY_REVASCULARISATION = Concept(
    "coronary_revascularisation",
    "Revascularisation coronaire",
    "Coronary revascularisation",
    (
        *CIM10.codes("Z95.1 Z95.5"),  # bypass, angioplasty in the past
        *CCAM.codes("DDAF001 DDAF003 DDAF004 DDAF006 DDAF007 DDAF008 DDAF009 DDAF010"),
        *CCAM.codes("DDMA003 DDMA004 DDMA005 DDMA006 DDMA007 DDMA008 DDMA009 DDMA011 DDMA012 DDMA013 DDMA015"),
        *CCAM.codes("DDMA016 DDMA017 DDMA018 DDMA019 DDMA020 DDMA021 DDMA022 DDMA023 DDMA024 DDMA025 DDMA026"),
        *CCAM.codes("DDMA027 DDMA028 DDMA029 DDMA030 DDMA031 DDMA032 DDMA033 DDMA034 DDMA035 DDMA036 DDMA037 DDMA038"),
        *SNOMED.codes("232717009 41339005 415070008"),  # bypass, angioplasty, percutaneous intervention
    ),
    source="CCAM: coronary dilatations and bypasses",
    review=NO_DESCENDANTS,
)
CORONARY_DISEASE = Concept(
    "coronary_disease",
    "Maladie coronaire",
    "Coronary heart disease",
    (
        *CIM10.codes("I20 I21 I22 I23 I24 I25"),
        *CISP2.codes("K74 K75 K76"),
        *(code for code in MYOCARDIAL_INFARCTION if code.system == SNOMED.name),
        *SNOMED.codes("194828000 414545008 53741008 1755008 413444003"),
        *CORONARY_REVASCULARISATION.codes,
    ),
    source=ESC,
    review=NO_DESCENDANTS,
)
HEART_FAILURE = Concept(
    "heart_failure",
    "Insuffisance cardiaque",
    "Heart failure",
    (
        *CIM10.codes("I50 I11.0 I13.0 I13.2"),
        CISP2("K77"),
        *SNOMED.codes("84114007 42343007 48447003 88805009"),  # congestive, chronic
        *SNOMED.codes("703272007 446221000 788950000"),  # by ejection fraction
    ),
    source="PREVENT, doi:10.1161/CIRCULATIONAHA.123.067626",
    review=NO_DESCENDANTS,
)
ATRIAL_FIBRILLATION = Concept(
    "atrial_fibrillation",
    "Fibrillation atriale",
    "Atrial fibrillation",
    (
        CIM10("I48"),
        CISP2("K78"),
        *SNOMED.codes("49436004 5370000"),  # fibrillation, flutter
        *SNOMED.codes("282825002 440059007 440028005 426749004"),  # paroxysmal, persistent, permanent, chronic
    ),
    source="CIM-10 I48",
    review=f"{NO_DESCENDANTS} With flutter, which I48 and K78 do not tell apart.",
)
PERIPHERAL_ARTERY_DISEASE = Concept(
    "peripheral_artery_disease",
    "Artériopathie oblitérante des membres inférieurs",
    "Peripheral artery disease",
    (
        *CIM10.codes("I70.2 I73.9 I74.3 I74.5"),
        CISP2("K92"),
        *SNOMED.codes("399957001 400047006 63491006 792845002"),
        *CCAM.codes("EEAF001 EEAF002 EEAF003 EEAF004 EEAF005 EEAF006"),  # dilatations
        *CCAM.codes("EECA001 EECA002 EECA003 EECA008 EECA010 EDCA003 EDCA005"),  # bypasses
    ),
    source=ESC,
    review=f"{NO_DESCENDANTS} K92 is atherosclerosis anywhere and peripheral vascular disease.",
)
CAROTID_DISEASE = Concept(
    "carotid_disease",
    "Sténose carotidienne",
    "Carotid artery disease",
    (
        CIM10("I65.2"),
        SNOMED("66951008"),
        *CCAM.codes("EBFA002 EBFA006 EBFA008 EBFA012 EBFA015 EBFA016"),  # endarterectomies of the bifurcation
    ),
    source=ESC,
    review=f"{NO_DESCENDANTS} CISP-2 has only K91, any cerebrovascular disease.",
)
MAJOR_CV_EVENT = Concept(
    "major_cardiovascular_event",
    "Événement cardiovasculaire majeur",
    "Major cardiovascular event",
    (*MYOCARDIAL_INFARCTION, *STROKE, CARDIOVASCULAR_DEATH),
    source="SCORE2's outcome: infarction, stroke, cardiovascular death; doi:10.1093/eurheartj/ehab309",
    review=f"{UNREVIEWED} Departs from SCORE2’s own list: that has I21-I23 for infarction, and for stroke I60-I69 "
    "without subarachnoid and other non-traumatic haemorrhage (I60, I62) and some rarities; here I60 counts, while "
    "I23, I65-I69 and the fatal I10-I16, I20, I24, I25, I46-I52, I70-I73, R96 count only as death.cardiovascular says.",
)
CARDIOVASCULAR_DISEASE = Concept(
    "cardiovascular_disease",
    "Maladie cardiovasculaire établie",
    "Established cardiovascular disease",
    (
        *MYOCARDIAL_INFARCTION,
        *STROKE,
        *CIM10.codes("I20 I23 I24 I25 I50 G45 I70.2 I73.9"),
        *CISP2.codes("K74 K76 K77 K89 K91 K92"),
        *SNOMED.codes("194828000 414545008 53741008 1755008"),  # angina, coronary disease, old infarction
        *SNOMED.codes("84114007 42343007 48447003 88805009 703272007 446221000 788950000"),  # heart failure
        *SNOMED.codes("266257000 399957001 400047006 63491006"),  # transient attacks, peripheral arteries
        *SNOMED.codes("232717009 41339005 415070008"),  # coronary revascularisation
        CARDIOVASCULAR_DEATH,
    ),
    source="Framingham's general cardiovascular disease, doi:10.1161/CIRCULATIONAHA.107.699579",
    review=f"{NO_DESCENDANTS} Acts of revascularisation in France (CCAM) are in the concepts of each disease.",
)

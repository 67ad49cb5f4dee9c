"""Breast cancer screening: tests, and what excludes women from it or raises their risk.

A test is a concept of its own whatever it found; invitations, refusals and exclusions are in `programmes`.
"""

from __future__ import annotations

from features.catalogue.concepts.sources import BREAST, NO_DESCENDANTS, UNREVIEWED
from features.codes import CCAM, CIM10, CISP2, LOINC, SNOMED, Concept

# Tests
MAMMOGRAPHY = Concept(
    "mammography",
    "Mammographie",
    "Mammography",
    (
        *CCAM.codes("QEQK001 QEQK004 QEQK005"),  # both sides, screening, one side
        *SNOMED.codes("71651007 24623002 241055006"),  # any, screening, for symptoms
        *LOINC.codes("24606-6 26175-0 26176-8 26177-6 103892-6"),  # screening
        *LOINC.codes("24605-8 26346-7 26347-5 26348-3"),  # diagnostic
        *LOINC.codes("36625-2 36626-0 36627-8 37774-7 36319-2"),  # views
    ),
    source=BREAST,
    review=NO_DESCENDANTS,
)
ORGANISED_MAMMOGRAPHY = Concept(
    "organised_mammography",
    "Mammographie de dépistage organisé",
    "Mammography of the organised programme",
    (CCAM("QEQK004"),),
    source=BREAST,
    review=f"{UNREVIEWED} Only the French act says that it is the programme’s.",
)
INDIVIDUAL_MAMMOGRAPHY = Concept(
    "individual_mammography",
    "Mammographie hors dépistage organisé",
    "Mammography outside the programme",
    CCAM.codes("QEQK001 QEQK005"),
    source=BREAST,
    review=f"{UNREVIEWED} For symptoms, for follow-up or as individual screening: the act does not say.",
)
BREAST_ULTRASOUND = Concept(
    "breast_ultrasound",
    "Échographie mammaire",
    "Breast ultrasound",
    (CCAM("QEQM001"), SNOMED("1571000087109")),
    source=BREAST,
    review=NO_DESCENDANTS,
)
BREAST_MRI = Concept(
    "breast_mri",
    "IRM du sein",
    "Breast MRI",
    (*CCAM.codes("QEQJ001 QEQN001"), SNOMED("241615005")),
    source=f"{BREAST}: women at very high risk",
    review=NO_DESCENDANTS,
)

# Exclusions and risk
BREAST_CANCER = Concept(
    "breast_cancer",
    "Cancer du sein",
    "Breast cancer",
    (
        *CIM10.codes("C50 D05"),
        CISP2("X76"),
        *SNOMED.codes("254837009 372064008 372137005 93796005 254838004"),
        *SNOMED.codes("109889007 189336000"),  # in situ
    ),
    source=f"{BREAST}: invasive and in situ",
    review=f"{NO_DESCENDANTS} X76 is the cancer of women; men’s is among other cancers.",
)
BREAST_CANCER_HISTORY = Concept(
    "breast_cancer_history",
    "Antécédent de cancer du sein",
    "Personal history of breast cancer",
    (*BREAST_CANCER.codes, CIM10("Z85.3"), SNOMED("429087003")),
    source=BREAST,
    review=f"{NO_DESCENDANTS} CISP-2 has no class for the past: the cancer’s own.",
)
MASTECTOMY = Concept(
    "mastectomy",
    "Mastectomie",
    "Mastectomy",
    (
        *CCAM.codes("QEFA003 QEFA005 QEFA007 QEFA010 QEFA012 QEFA013 QEFA015 QEFA019 QEFA020"),
        CIM10("Z90.1"),
        *SNOMED.codes("172043006 384723003 359740003 406505007"),  # simple, radical
        *SNOMED.codes("428571003 741009001 726429001 726437009 726435001 451211000124109"),  # left
        *SNOMED.codes("429400009 741010006 726430006 726436000 726434002 451201000124106"),  # right
        *SNOMED.codes("73359007 22964006 8115005 72269009 88764002 248802009"),  # one side, absence
        *SNOMED.codes("429009003 429242008 137671000119105 137681000119108"),  # in the past
        *SNOMED.codes("27865001 22418005 76468001 17086001 14693006 726636007 428529004 136071000119101"),  # both
    ),
    source=BREAST,
    review=f"{NO_DESCENDANTS} Total removal of one or both breasts.",
)
BILATERAL_MASTECTOMY = Concept(
    "bilateral_mastectomy",
    "Mastectomie bilatérale",
    "Bilateral mastectomy",
    (
        *SNOMED.codes("27865001 22418005 76468001 17086001 14693006 14714006 52314009 456903003 60633004 836436008"),
        *SNOMED.codes("726636007 870629001"),  # preventive, of trans men
        *SNOMED.codes("428529004 136071000119101"),  # in the past
    ),
    source=BREAST,
    review=f"{NO_DESCENDANTS} The French act is one breast’s: two acts of `mastectomy` are both.",
)
BENIGN_BREAST_DISEASE = Concept(
    "benign_breast_disease",
    "Maladie bénigne du sein",
    "Benign breast disease",
    (*CIM10.codes("D24 N60"), *CISP2.codes("X79 X88")),
    source="HAS 2014, breast cancer risk factors",
    review=f"{UNREVIEWED} No class tells atypical hyperplasia apart; SNOMED CT codes could not be verified.",
)
BREAST_SYMPTOM = Concept(
    "breast_symptom",
    "Symptôme du sein",
    "Breast symptom",
    (*CIM10.codes("N63 N64.4 N64.5"), CISP2("X19")),
    source=f"{BREAST}: for women without symptoms",
    review=f"{UNREVIEWED} SNOMED CT codes could not be verified.",
)
BREAST_CANCER_FAMILY = Concept(
    "breast_cancer_family_history",
    "Antécédents familiaux de cancer du sein",
    "Family history of breast cancer",
    (CIM10("Z80.3"), SNOMED("429740004")),
    source="HAS 2014, breast cancer risk factors",
    review=f"{NO_DESCENDANTS} The number and ages of relatives are not coded; A21 of CISP-2 is any cancer’s.",
)
BREAST_GENETIC_RISK = Concept(
    "breast_genetic_risk",
    "Prédisposition génétique au cancer du sein (BRCA)",
    "Genetic susceptibility to breast cancer (BRCA)",
    SNOMED.codes("412734009 412738007"),
    source="INCa 2017, women with a BRCA1 or BRCA2 mutation",
    review=f"{NO_DESCENDANTS} The French CIM-10 and CISP-2 have no class for it.",
)

"""Colorectal cancer screening: tests, and what excludes people from it or raises their risk.

A test is a concept of its own whatever it found; invitations, refusals and exclusions are in `programmes`.
"""

from __future__ import annotations

from features.catalogue.concepts.sources import COLORECTAL, NO_DESCENDANTS, UNREVIEWED
from features.codes import CCAM, CIM10, CISP2, LOINC, NABM, NGAP, SNOMED, Concept

# Tests
FAECAL_TEST = Concept(
    "faecal_occult_blood_test",
    "Recherche de sang dans les selles",
    "Faecal occult blood test",
    (
        *LOINC.codes("29771-3 57905-2 56490-6 56491-4 58453-2 80372-6"),  # immunological
        *LOINC.codes("2335-8 27396-1 14563-1 14564-9 14565-6 12503-9 12504-7 27401-9 27925-7 27926-5"),  # any
        SNOMED("104435004"),
        NABM("1629"),
    ),
    source=COLORECTAL,
    review=f"{NO_DESCENDANTS} The test done, whatever it found. Guaiac tests, which France left in 2015, are in it.",
)
POSITIVE_FAECAL_TEST = Concept(
    "positive_faecal_test",
    "Recherche de sang dans les selles positive",
    "Positive faecal occult blood test",
    (CIM10("R19.5"), SNOMED("59614000")),
    source=f"{COLORECTAL}: a colonoscopy is due",
    review=f"{NO_DESCENDANTS} R19.5 is any abnormality of the faeces; A91 and D18 of CISP-2 are wider still.",
)
COLORECTAL_SCREENING_ACT = Concept(
    "colorectal_screening_act",
    "Acte de dépistage du cancer colorectal",
    "Act of colorectal cancer screening",
    (NGAP("DCC"),),
    source="NGAP (norme B2), DCC",
    review=f"{UNREVIEWED} Whether the kit was handed out or the test was read is for the insurance to say: not a test.",
)
COLONOSCOPY = Concept(
    "colonoscopy",
    "Coloscopie",
    "Colonoscopy",
    (
        *CCAM.codes("HHQE001 HHQE002 HHQE003 HHQE005"),  # exploration
        *CCAM.codes("HHFE002 HHFE004 HHFC001 HHNE001 HHNE002 HHSE002 HHSE003"),  # with treatment
        *SNOMED.codes("73761001 235150006 444783004 310634005 367535003 34264006"),
        *SNOMED.codes("446745002 25732003 1209098000 446521004 447021001"),  # with biopsy or treatment
    ),
    source=COLORECTAL,
    review=f"{NO_DESCENDANTS} Of the whole colon: partial ones are with sigmoidoscopy.",
)
SIGMOIDOSCOPY = Concept(
    "sigmoidoscopy",
    "Rectosigmoïdoscopie ou coloscopie partielle",
    "Sigmoidoscopy or partial colonoscopy",
    (
        *CCAM.codes("HJQE001 HHQE004 HHFE001 HHFE005"),
        *SNOMED.codes("44441009 396226005 235151005"),
    ),
    source=COLORECTAL,
    review=NO_DESCENDANTS,
)
CT_COLONOGRAPHY = Concept(
    "ct_colonography",
    "Coloscopie virtuelle",
    "CT colonography",
    (
        *CCAM.codes("HHQH365 HHQK484"),
        *LOINC.codes("60515-4 72531-7 79069-1 79071-7 79101-2 82688-3"),
    ),
    source=COLORECTAL,
    review=NO_DESCENDANTS,
)
POLYPECTOMY = Concept(
    "colorectal_polypectomy",
    "Ablation de polype du côlon ou du rectum",
    "Removal of a colorectal polyp",
    (
        *CCAM.codes("HHFE001 HHFE002 HHFE004 HHFE005 HHFC001"),
        *SNOMED.codes("274025005 274031008"),  # colon, rectum
    ),
    source=COLORECTAL,
    review=NO_DESCENDANTS,
)

# Exclusions and risk
COLORECTAL_CANCER = Concept(
    "colorectal_cancer",
    "Cancer colorectal",
    "Colorectal cancer",
    (
        *CIM10.codes("C18 C19 C20 D01.0 D01.1 D01.2"),
        CISP2("D75"),
        *SNOMED.codes("363406005 93761005 109838007 269533000 1259436003"),  # colon
        *SNOMED.codes("363351006 93984006 254582000 363510005"),  # rectum, bowel
    ),
    source=f"{COLORECTAL}: invasive and in situ",
    review=f"{NO_DESCENDANTS} With the appendix (C18.1).",
)
COLORECTAL_CANCER_HISTORY = Concept(
    "colorectal_cancer_history",
    "Antécédent de cancer colorectal",
    "Personal history of colorectal cancer",
    (*COLORECTAL_CANCER.codes, CIM10("Z85.0"), *SNOMED.codes("429699009 429084005 10987871000119109")),
    source=COLORECTAL,
    review=f"{NO_DESCENDANTS} Z85.0 is any digestive organ; CISP-2 has no class for the past: the cancer’s own.",
)
COLORECTAL_ADENOMA = Concept(
    "colorectal_adenoma",
    "Adénome colorectal",
    "Colorectal adenoma",
    (*CIM10.codes("D12.0 D12.2 D12.3 D12.4 D12.5 D12.6 D12.7 D12.8"), SNOMED("428054006")),
    source=COLORECTAL,
    review=f"{NO_DESCENDANTS} Size and dysplasia are not coded; D78 of CISP-2 is any benign digestive tumour.",
)
COLORECTAL_POLYP = Concept(
    "colorectal_polyp",
    "Polype du côlon ou du rectum",
    "Colorectal polyp",
    (*COLORECTAL_ADENOMA.codes, *CIM10.codes("K62.1 K63.5"), *SNOMED.codes("68496003 713197008")),
    source=COLORECTAL,
    review=f"{NO_DESCENDANTS} Adenomas and polyps of which the kind is not said; D78 of CISP-2 is too wide.",
)
INFLAMMATORY_BOWEL_DISEASE = Concept(
    "inflammatory_bowel_disease",
    "Maladie inflammatoire chronique de l’intestin",
    "Inflammatory bowel disease",
    (
        *CIM10.codes("K50 K51"),
        CISP2("D94"),
        *SNOMED.codes("24526004 34000006 64766004 444546002"),  # any, Crohn, ulcerative colitis
    ),
    source=COLORECTAL,
    review=f"{NO_DESCENDANTS} D94 is chronic enteritis and ulcerative colitis.",
)
TOTAL_COLECTOMY = Concept(
    "total_colectomy",
    "Colectomie totale",
    "Total colectomy",
    (
        *CCAM.codes("HHFA004 HHFA005 HHFA021 HHFA022 HHFA028 HHFA029 HHFA030 HHFA031"),
        *SNOMED.codes("26390003 787874000 307666008 787876003 787875004 307667004 307669001 713165008"),
        *SNOMED.codes("31130001 36192008 44751009 456004 80294005 303401008 787108001 787109009 858579005"),
        SNOMED("119771000119101"),  # in the past
    ),
    source=COLORECTAL,
    review=NO_DESCENDANTS,
)
COLORECTAL_CANCER_FAMILY = Concept(
    "colorectal_cancer_family_history",
    "Antécédents familiaux de cancer colorectal",
    "Family history of colorectal cancer",
    (CIM10("Z80.0"), SNOMED("312824007")),
    source=COLORECTAL,
    review=f"{NO_DESCENDANTS} Z80.0 is any digestive organ; the relatives’ ages are not coded; A21 is any cancer’s.",
)
COLORECTAL_GENETIC_RISK = Concept(
    "colorectal_genetic_risk",
    "Prédisposition génétique au cancer colorectal",
    "Genetic susceptibility to colorectal cancer",
    SNOMED.codes("315058005 72900001"),  # Lynch syndrome, familial polyposis
    source=COLORECTAL,
    review=f"{NO_DESCENDANTS} The French CIM-10 and CISP-2 have no class for it.",
)

"""Cervical cancer screening: tests, and what excludes women from it or raises their risk.

A test is a concept of its own whatever it found; invitations, refusals and exclusions are in `programmes`.
"""

from __future__ import annotations

from features.catalogue.concepts.sources import CERVICAL, NO_DESCENDANTS, UNREVIEWED
from features.codes import CCAM, CIM10, CISP2, LOINC, NABM, SNOMED, Concept

# Tests
CERVICAL_CYTOLOGY = Concept(
    "cervical_cytology",
    "Frottis du col de l’utérus",
    "Cervical cytology",
    (
        *CCAM.codes("JKQP001 JKQP008 JKQX001 JKQX008 JKQX015 JKQX027"),
        *CCAM.codes("JKQX261 JKQX426"),  # organised programme
        *CCAM.codes("JKQX347 JKQX147"),  # individual screening
        NABM("0013"),
        CISP2("X37"),
        *SNOMED.codes("416107004 440623000 417036008 90226004"),
        *LOINC.codes("10524-7 18500-9 19762-4 19764-0 19765-7 19766-5 19774-9 33717-0 47527-7 47528-5"),
    ),
    source=CERVICAL,
    review=f"{NO_DESCENDANTS} The test done, whatever it found. NABM 0013 is any gynaecological cytology.",
)
ORGANISED_CYTOLOGY = Concept(
    "organised_cytology",
    "Frottis de dépistage organisé",
    "Cytology of the organised programme",
    CCAM.codes("JKQX261 JKQX426"),
    source=CERVICAL,
    review=f"{UNREVIEWED} Only the French acts say that it is the programme’s.",
)
HPV_TEST = Concept(
    "hpv_test",
    "Test HPV",
    "HPV test",
    (
        NABM("0024"),
        SNOMED("35904009"),
        *LOINC.codes("21440-3 30167-1 38372-9 59420-0 71431-1 82675-0"),  # DNA, several types
        *LOINC.codes("59263-4 59264-2 77399-4 77400-0 95539-3 104170-6"),  # DNA, some types
        *LOINC.codes("69002-4 75694-0 82354-2 82456-5"),  # RNA
        *LOINC.codes("77379-6 104132-6"),  # interpretation
    ),
    source=CERVICAL,
    review=f"{NO_DESCENDANTS} The test done, whatever it found. The list of acts consulted ends before 2020.",
)

# Exclusions and risk
HYSTERECTOMY = Concept(
    "total_hysterectomy",
    "Hystérectomie totale",
    "Total hysterectomy",
    (
        *CCAM.codes("JKFA002 JKFA004 JKFA005 JKFA006 JKFA007 JKFA013 JKFA015 JKFA018 JKFA020 JKFA021 JKFA023 JKFA025"),
        *CCAM.codes("JKFA026 JKFA027 JKFA028 JKFC003 JKFC005"),
        *SNOMED.codes("116140006 116143008 116144002 236888001 708877008 767610009 767611008 767612001 86477000"),
        *SNOMED.codes("27950001 31545000 59750000 414575003 446679008"),
        *SNOMED.codes("116142003 236891001 307771009 35955002 361222003 361223008 708878003"),  # radical
        *SNOMED.codes("428078001 429290001 429763009 473171009 10738891000119107"),  # in the past
    ),
    source=f"{CERVICAL}: without a cervix there is nothing to screen",
    review=f"{NO_DESCENDANTS} Subtotal ones keep the cervix and are left out; so is Z90.7, any genital organ’s.",
)
CERVICAL_CANCER = Concept(
    "cervical_cancer",
    "Cancer du col de l’utérus",
    "Cervical cancer",
    (CIM10("C53"), CISP2("X75"), *SNOMED.codes("363354003 285432005 254887002 1259433006")),
    source=CERVICAL,
    review=NO_DESCENDANTS,
)
CERVICAL_LESION = Concept(
    "cervical_lesion",
    "Lésion précancéreuse ou frottis anormal du col de l’utérus",
    "Cervical precancer or abnormal smear",
    (
        *CIM10.codes("N87 D06 R87.6"),
        CISP2("X86"),
        *SNOMED.codes("285836003 285838002 92564006"),  # grades 1 and 2, in situ
    ),
    source=CERVICAL,
    review=f"{NO_DESCENDANTS} X86 is an abnormal smear. A positive HPV test has no class of its own.",
)
CERVICAL_EXCISION = Concept(
    "cervical_excision",
    "Conisation ou destruction de lésion du col de l’utérus",
    "Conisation or destruction of a cervical lesion",
    (*CCAM.codes("JKFA031 JKFD002 JKFE003 JKND002 JKND003 JKND004"), SNOMED("647000")),
    source=CERVICAL,
    review=NO_DESCENDANTS,
)

"""The FHIR reader: one record a fact, whatever the packaging; nothing lost, nobody named, nothing that breaks it."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import stat
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.codes import SYSTEMS, parse_code
from features.ingest import ingest
from features.intake import InvalidRecords
from features.records import Records
from features.sources.fhir import (
    FHIR,
    NOWHERE,
    Row,
    Surroundings,
    bundles,
    codings,
    each_resource,
    files,
    frames,
    moments,
    reader,
    rows,
)  # fmt: skip
from features.sources.fhir import resources as one_by_one
from features.sources.fhir.resources import READERS

DELIVERED = datetime(2026, 3, 1, 12)
FACT = ["patient", "practice", "happened_at", "known_at", "code", "value", "unit", "retracted_at", "fault"]
UCUM = "http://unitsofmeasure.org"
NIR = "279035912345603"


def read(location: Path, others: Counter[str] | None = None) -> pa.Table:
    found = list(FHIR.batches(str(location), DELIVERED))
    for batch in found if others is not None else ():
        others.update(batch.not_read)
    return pa.concat_tables([batch.table for batch in found])


def not_read(location: Path) -> Counter[str]:
    others: Counter[str] = Counter()
    read(location, others)
    return others


def facts(table: pa.Table) -> Counter[tuple]:
    return Counter(tuple(row.values()) for row in table.select(FACT).to_pylist())


def faults(table: pa.Table) -> Counter[str]:
    return Counter(fault for fault in table.column("fault").to_pylist() if fault)


# --- Made by hand -----------------------------------------------------------------------------------------


def coded(system: str, code: str, **more: Any) -> dict:
    return {"coding": [{"system": system, "code": code, **more}]}


def loinc(code: str) -> dict:
    return coded("http://loinc.org", code)


def snomed(code: str) -> dict:
    return coded("http://snomed.info/sct", code)


def quantity(value: Any, unit: str = "mm[Hg]", **more: Any) -> dict:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit, **more}


ALICE = {"reference": "Patient/alice"}
PATIENT = {
    "resourceType": "Patient", "id": "alice", "birthDate": "1970-05-04", "gender": "female",
    "managingOrganization": {"reference": "Organization/cabinet"},
}  # fmt: skip
SYSTOLIC = {
    "resourceType": "Observation", "id": "o1", "status": "final", "code": loinc("8480-6"), "subject": ALICE,
    "effectiveDateTime": "2020-02-03T10:00:00+01:00", "issued": "2020-02-04T08:30:00Z",
    "valueQuantity": quantity(140),
}  # fmt: skip
DIABETES = {
    "resourceType": "Condition", "id": "c1", "subject": ALICE, "code": coded("http://hl7.org/fhir/sid/icd-10", "E11.9"),
    "verificationStatus": coded("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed"),
    "onsetDateTime": "2015-06-01", "recordedDate": "2015-06-20",
}  # fmt: skip
STATIN = {
    "resourceType": "MedicationRequest", "id": "m1", "status": "active", "intent": "order", "subject": ALICE,
    "medicationCodeableConcept": coded("http://www.whocc.no/atc", "C10AA05"), "authoredOn": "2019-01-02",
}  # fmt: skip
VISIT = {
    "resourceType": "Encounter", "id": "e1", "status": "finished", "class": {"code": "AMB"}, "subject": ALICE,
    "period": {"start": "2021-01-01T09:00:00Z", "end": "2021-01-01T09:20:00Z"},
}  # fmt: skip
MAMMOGRAPHY = {
    "resourceType": "Procedure", "id": "p1", "status": "completed", "subject": ALICE,
    "code": coded("https://smt.esante.gouv.fr/terminologie-ccam", "QEQK001"), "performedDateTime": "2022-05",
}  # fmt: skip
VACCINE = {
    "resourceType": "Immunization", "id": "i1", "status": "completed", "patient": ALICE,
    "vaccineCode": coded("http://hl7.org/fhir/sid/cvx", "140"), "occurrenceDateTime": "2022-10-10",
}  # fmt: skip
REPORT = {
    "resourceType": "DiagnosticReport", "id": "r1", "status": "final", "subject": ALICE, "code": loinc("24323-8"),
    "effectiveDateTime": "2020-01-01", "issued": "2020-01-03T00:00:00Z", "result": [{"reference": "Observation/o1"}],
}  # fmt: skip
ALLERGY = {
    "resourceType": "AllergyIntolerance", "id": "a1", "patient": ALICE, "code": snomed("91936005"),
    "recordedDate": "2010-01-01",
}  # fmt: skip
COVER = {
    "resourceType": "Coverage", "id": "v1", "status": "active", "beneficiary": ALICE,
    "type": coded("https://example.org/covers", "C2S"), "period": {"start": "2023-01-01"},
}  # fmt: skip
EPISODE = {
    "resourceType": "EpisodeOfCare", "id": "h1", "status": "finished", "patient": ALICE,
    "period": {"start": "2014-05-01", "end": "2020-09-30"}, "meta": {"lastUpdated": "2020-10-02T08:00:00Z"},
}  # fmt: skip
STATEMENT = {
    "resourceType": "MedicationStatement", "id": "s1", "status": "active", "subject": ALICE,
    "medicationCodeableConcept": coded("http://www.whocc.no/atc", "C10AA05"), "effectivePeriod": {"start": "2019"},
}  # fmt: skip
ADMINISTRATION = {**STATEMENT, "resourceType": "MedicationAdministration", "status": "completed",
                  "effectivePeriod": {"start": "2019-01-01", "end": "2019-01-02"}}  # fmt: skip
EACH = [PATIENT, SYSTOLIC, DIABETES, STATIN, VISIT, MAMMOGRAPHY, VACCINE, REPORT, ALLERGY, COVER, EPISODE, STATEMENT,
        ADMINISTRATION]  # fmt: skip


def one(resource: dict, around: Surroundings = NOWHERE) -> Row:
    (row,) = rows(resource, DELIVERED, around)
    return row


def bundle(*held: dict, kind: str = "collection", **more: Any) -> dict:
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": resource} for resource in held], **more}


def write(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_a_record_of_each_type():
    said = [(row.happened_at, row.known_at, row.code, row.value, row.unit) for r in EACH for row in rows(r, DELIVERED)]
    day, at = datetime, datetime
    assert said == [
        (day(1970, 5, 4), day(1970, 5, 4), "PRACTICE:birth", None, None),
        (day(1970, 5, 4), day(1970, 5, 4), "PRACTICE:female", None, None),
        (at(2020, 2, 3, 9), at(2020, 2, 4, 8, 30), "LOINC:8480-6", 140, "mm[Hg]"),
        (day(2015, 6, 1), day(2015, 6, 20), "CIM10:E11.9", None, None),
        (day(2019, 1, 2), day(2019, 1, 2), "ATC:C10AA05", None, None),
        (at(2021, 1, 1, 9), at(2021, 1, 1, 9, 20), "PRACTICE:consultation", None, None),
        (day(2022, 5, 1), day(2022, 6, 1), "CCAM:QEQK001", None, None),
        (day(2022, 10, 10), day(2022, 10, 10), "CVX:140", None, None),
        (day(2020, 1, 1), day(2020, 1, 3), "LOINC:24323-8", None, None),
        (day(2010, 1, 1), day(2010, 1, 1), "SNOMED:91936005", None, None),
        (day(2023, 1, 1), day(2023, 1, 1), "SOURCE:C2S", None, None),
        (day(2014, 5, 1), day(2014, 5, 1), "PRACTICE:registered", None, None),
        (day(2020, 9, 30), day(2020, 9, 30), "PRACTICE:left", None, None),
        (day(2019, 1, 1), day(2020, 1, 1), "ATC:C10AA05", None, None),
        (day(2019, 1, 1), day(2019, 1, 2), "ATC:C10AA05", None, None),
    ]
    assert {row.fault for r in EACH for row in rows(r, DELIVERED)} == {None}
    assert {row.patient for r in EACH for row in rows(r, DELIVERED)} == {"alice"}


@pytest.mark.parametrize("panel", ["85354-9", "55284-4"])
def test_a_panel_gives_one_record_a_component(panel):
    pressure = {**SYSTOLIC, "code": loinc(panel), "component": [
        {"code": loinc("8480-6"), "valueQuantity": quantity(140)},
        {"code": loinc("8462-4"), "valueQuantity": quantity(85)},
        {"code": loinc("8478-0"), "dataAbsentReason": coded("x", "unknown")},
    ]}  # fmt: skip
    del pressure["valueQuantity"]
    assert [(r.code, r.value, r.fault) for r in rows(pressure, DELIVERED)] == [
        ("LOINC:8480-6", 140, None), ("LOINC:8462-4", 85, None), ("LOINC:8478-0", None, codings.ABSENT),
    ]  # fmt: skip


WITHOUT_VALUE = {name: value for name, value in SYSTOLIC.items() if name != "valueQuantity"}
ASKED = {**WITHOUT_VALUE, "code": loinc("72166-2")}


@pytest.mark.parametrize(
    ("resource", "fault"),
    [
        ({**SYSTOLIC, "status": "preliminary"}, "result is not final"),
        ({**SYSTOLIC, "status": "registered"}, "result is not final"),
        ({**SYSTOLIC, "status": "cancelled"}, "cancelled"),
        ({**SYSTOLIC, "status": "unknown"}, "no status, or one that is not understood"),
        ({**SYSTOLIC, "status": None}, "no status, or one that is not understood"),
        ({**SYSTOLIC, "valueQuantity": quantity(140, comparator=">")}, "value is not a number"),
        ({**SYSTOLIC, "valueQuantity": quantity("140")}, "value is not a number"),
        ({**SYSTOLIC, "valueQuantity": quantity(True)}, "value is not a number"),
        ({**SYSTOLIC, "valueQuantity": {"unit": "mm[Hg]"}}, "value is not a number"),
        ({**SYSTOLIC, "valueQuantity": quantity(float("inf"))}, "value is not a number"),
        ({**SYSTOLIC, "valueQuantity": quantity(10**400)}, "value is not a number"),
        ({**SYSTOLIC, "valueQuantity": {"value": 1, "unit": "a few drops of it"}}, "unit is free text"),
        ({**WITHOUT_VALUE, "valueRange": {"low": quantity(1)}}, "value is not a number"),
        ({**WITHOUT_VALUE, "valueString": "140"}, "value is free text"),
        ({**WITHOUT_VALUE, "valueCodeableConcept": snomed("10828004")}, "value is not a number"),
        ({**WITHOUT_VALUE, "dataAbsentReason": coded("x", "asked-declined")}, codings.ABSENT),
        (WITHOUT_VALUE, "no value"),
        ({**SYSTOLIC, "modifierExtension": [{"url": "urn:not"}]}, "a modifier extension that is not understood"),
        ({**SYSTOLIC, "implicitRules": "urn:rules"}, "implicit rules that are not understood"),
        ({**SYSTOLIC, "focus": [{"reference": "Patient/baby"}]}, "observation about somebody else"),
        ({**SYSTOLIC, "effectiveDateTime": "2020"}, "date is only a year or a month"),
        ({**SYSTOLIC, "effectiveDateTime": "yesterday"}, "date is not a date"),
        ({**SYSTOLIC, "effectiveDateTime": "2020-02-30"}, "date is not a date"),
        ({**SYSTOLIC, "effectiveDateTime": "20200203"}, "date is not a date"),
        ({**SYSTOLIC, "issued": "soon"}, "date is not a date"),
        ({**SYSTOLIC, "code": {"coding": [{"code": "pression de Mme Martin"}]}}, "its code is free text"),
        ({**SYSTOLIC, "code": {"coding": [{"code": NIR}]}}, "its code looks like a social-security number"),
        ({**ASKED, "valueCodeableConcept": snomed("261665006")}, codings.ABSENT),
        (
            {**ASKED, "valueCodeableConcept": coded("http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "UNK")},
            codings.ABSENT,
        ),
        ({**WITHOUT_VALUE, "code": snomed("38341003"), "valueBoolean": False}, codings.NEGATED),
        ({**WITHOUT_VALUE, "code": snomed("38341003"), "valueCodeableConcept": snomed("2667000")}, codings.NEGATED),
        ({**WITHOUT_VALUE, "code": snomed("38341003"), "valueCodeableConcept": snomed("255604002")}, codings.ANSWER),
        ({**DIABETES, "verificationStatus": coded("x", "provisional")}, "diagnosis is not confirmed"),
        ({**DIABETES, "verificationStatus": {"text": "no"}}, "no status, or one that is not understood"),
        ({**STATIN, "intent": "plan"}, "a proposal or plan, not an order"),
        ({**STATIN, "status": "draft"}, "not done, or not yet"),
        ({**STATIN, "doNotPerform": True}, "not done, or not yet"),
        ({**STATEMENT, "status": "not-taken"}, "not done, or not yet"),
        ({**ADMINISTRATION, "status": "not-done"}, "not done, or not yet"),
        ({**STATIN, "authoredOn": "2019-01"}, "date is only a year or a month"),
        ({**VISIT, "status": "planned"}, "not done, or not yet"),
        ({**VISIT, "status": "cancelled"}, "not done, or not yet"),
        ({**VISIT, "class": ["AMB"]}, "an element is not of its type"),
        ({**MAMMOGRAPHY, "status": "not-done"}, "not done, or not yet"),
        ({**VACCINE, "status": "not-done"}, "not done, or not yet"),
        ({**VACCINE, "isSubpotent": True}, "vaccine dose is subpotent"),
        ({**REPORT, "status": "partial"}, "result is not final"),
        ({**REPORT, "code": loinc("8480-6")}, "report of a measurement: its results are read apart"),
        ({**COVER, "status": "draft"}, "not done, or not yet"),
        ({**SYSTOLIC, "subject": {"reference": "Group/1"}}, "its subject is not a patient"),
        ({**SYSTOLIC, "subject": {"reference": "#alice"}}, "its patient is only described inside it"),
        ({**SYSTOLIC, "subject": {"reference": f"Patient/{NIR}"}}, bundles.NIR_AS_ID),
        ({**SYSTOLIC, "subject": {"reference": f"Patient?identifier=urn:x|{NIR}"}}, bundles.BY_IDENTIFIER),
        ({**SYSTOLIC, "subject": {"identifier": {"value": NIR}}}, bundles.BY_IDENTIFIER),
        ({**SYSTOLIC, "subject": {"display": "Alice"}}, bundles.REFERENCE),
        ({**SYSTOLIC, "subject": "Patient/alice"}, bundles.REFERENCE),
        ({**SYSTOLIC, "subject": {"reference": "alice"}}, bundles.REFERENCE),
        ({**SYSTOLIC, "subject": {"reference": "Patient/Alice Martin"}}, bundles.REFERENCE),
        ({**SYSTOLIC, "subject": {"reference": "Patient/" + "a" * 5000}}, bundles.REFERENCE),
    ],
)  # fmt: skip
def test_what_is_no_fact_is_told_and_why(resource, fault):
    row = one(resource)
    assert (row.fault, row.retracted_at) == (fault, None)
    assert NIR not in str(row)


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        ({**ASKED, "valueCodeableConcept": loinc("LA18978-9")}, "LOINC:LA18978-9"),  # a state: the answer
        ({**ASKED, "valueCodeableConcept": snomed("8517006")}, "SNOMED:8517006"),
        ({**ASKED, "code": loinc("29308-4"), "valueCodeableConcept": snomed("44054006")}, "SNOMED:44054006"),
        # who had a stroke is not said here: a relative, the cause of death
        ({**ASKED, "code": loinc("54114-4"), "valueCodeableConcept": snomed("230690007")}, "LOINC:54114-4"),
        ({**ASKED, "code": loinc("69453-9"), "valueCodeableConcept": snomed("230690007")}, "LOINC:69453-9"),
        ({**ASKED, "code": snomed("38341003"), "valueBoolean": True}, "SNOMED:38341003"),
        ({**ASKED, "code": snomed("38341003"), "valueCodeableConcept": snomed("373066001")}, "SNOMED:38341003"),
        ({**ASKED, "code": loinc("24323-8"), "hasMember": [{"reference": "Observation/o1"}]}, "LOINC:24323-8"),
        # an allergy to a drug is not the treatment
        ({**ALLERGY, "code": coded("http://www.whocc.no/atc", "C10AA05")}, "SOURCE:C10AA05"),
        ({**ALLERGY, "code": coded("http://www.nlm.nih.gov/research/umls/rxnorm", "723")}, "SOURCE:723"),
        ({**ALLERGY, "code": {"coding": [*coded("http://www.whocc.no/atc", "C10AA05")["coding"],
                                         *snomed("91936005")["coding"]]}}, "SNOMED:91936005"),
        ({**VISIT, "class": {"code": "VR"}}, "PRACTICE:consultation"),
        ({**VISIT, "class": {"code": "HH"}}, "PRACTICE:consultation"),
        ({**VISIT, "class": {"code": "IMP"}}, "PRACTICE:hospital_stay"),
        ({**VISIT, "class": {"code": "EMER"}}, "PRACTICE:other_contact"),
        ({**VISIT, "class": None}, "PRACTICE:other_contact"),
        # a concept's code before the first; a known system before an unknown; the source's own
        ({**DIABETES, "code": {"coding": [{"system": "urn:local", "code": "D1"}, *snomed("73211009")["coding"],
                                          *coded("http://hl7.org/fhir/sid/icd-10", "E11.9")["coding"]]}}, None),
        ({**DIABETES, "code": {"coding": [{"system": "urn:local", "code": "D1"}, *loinc("24323-8")["coding"]]}},
         "LOINC:24323-8"),
        ({**DIABETES, "code": {"coding": [{"system": "urn:local", "code": "D1", "display": "Diabète"}]}}, "SOURCE:D1"),
        ({**DIABETES, "code": {"coding": [{"code": NIR}, {"code": "D2"}]}}, "SOURCE:D2"),
        ({**DIABETES, "code": {"text": "diabète"}}, None),
    ],
)  # fmt: skip
def test_which_code_stands_for_a_fact(resource, code):
    row = one(resource)
    assert row.fault is None
    if code is None and resource["code"].get("coding"):
        assert row.code in ("CIM10:E11.9", "SNOMED:73211009")  # either, as the catalogue covers
        assert any(concept.covers(row.code) for concept in codings.CONCEPTS)
    else:
        assert row.code == code


@pytest.mark.parametrize(
    ("system", "value", "code"),
    [
        ("HTTP://HL7.org/fhir/sid/icd-10/", "I10", "CIM10:I10"),
        ("https://hl7.org/fhir/sid/icd-10", "E119", "CIM10:E11.9"),
        ("https://smt.esante.gouv.fr/terminologie-cim-10/", "I10", "CIM10:I10"),
        ("urn:oid:2.16.840.1.113883.6.3", "I10", "CIM10:I10"),
        ("https://mos.esante.gouv.fr/NOS/TRE_R310-CIM10/FHIR/TRE-R310-CIM10", "I10", "CIM10:I10"),
        ("urn:oid:2.16.840.1.113883.6.139", "K86", "CISP2:K86"),
        ("https://smt.esante.gouv.fr/terminologie-cisp", "K86", "CISP2:K86"),
        ("https://smt.esante.gouv.fr/terminologie-atc", "C10AA05", "ATC:C10AA05"),
        ("urn:oid:2.16.840.1.113883.6.73", "C10AA05", "ATC:C10AA05"),
        ("urn:oid:2.16.840.1.113883.6.1", "8480-6", "LOINC:8480-6"),
        ("urn:oid:1.2.250.1.213.2.5", "QEQK001", "CCAM:QEQK001"),
        # A CIP 13 is as long as a social-security number, and has its form.
        ("http://data.esante.gouv.fr/ansm/medicament/CIP13", "3400936060234", "CIP13:3400936060234"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "I10", "SOURCE:I10"),
        ("http://loinc.org", "tension", "SOURCE:tension"),
    ],
)
def test_systems_go_by_many_names(system, value, code):
    assert one({**DIABETES, "code": coded(system, value)}).code == code


@pytest.mark.parametrize(
    ("written", "unit"),
    [
        ({"unit": "mmHg"}, "mm[Hg]"),
        ({"unit": "mmHg", "system": UCUM, "code": "mm[Hg]"}, "mm[Hg]"),
        ({"unit": "mmHg", "system": UCUM + "/", "code": "mm[Hg]"}, "mm[Hg]"),
        ({"unit": "mm Hg", "system": "urn:local", "code": "17"}, "mm[Hg]"),
        ({"unit": "µmol/l"}, "umol/L"),
        ({"unit": "battements/min"}, "/min"),
        ({"unit": "G/L"}, "10*9/L"),  # giga a litre, not grams
        ({"unit": "g/l"}, "g/L"),
        ({"unit": "furlong"}, "furlong"),
        ({}, None),
    ],
)
def test_units_are_respelled_and_never_converted(written, unit):
    row = one({**SYSTOLIC, "valueQuantity": {"value": 1.25, **written}})
    assert (row.value, row.unit, row.fault) == (1.25, unit, None)


def test_dates():
    def dates(resource):
        row = one(resource)
        assert row.fault is None
        return row.happened_at, row.known_at

    assert dates({**SYSTOLIC, "effectiveDateTime": "2020-02-03T23:30:00-05:00"})[0] == datetime(2020, 2, 4, 4, 30)
    assert dates({**SYSTOLIC, "effectiveDateTime": "2020-02-03T10:00:00.123456789Z"})[0].microsecond == 123456
    # a period: known when it is over
    day = {"effectivePeriod": {"start": "2020-02-03", "end": "2020-02-04T08:00:00Z"}, "effectiveDateTime": None}
    assert dates({**SYSTOLIC, **day, "issued": None}) == (datetime(2020, 2, 3), datetime(2020, 2, 4, 8))
    assert dates({**DIABETES, "onsetDateTime": "2015"}) == (datetime(2015, 1, 1), datetime(2015, 6, 20))
    assert dates({**DIABETES, "onsetDateTime": "2014-12", "recordedDate": None}) == (
        datetime(2014, 12, 1), datetime(2015, 1, 1),
    )  # fmt: skip
    # recorded that day, at an hour that is not said
    assert dates({**DIABETES, "onsetDateTime": "2015-06-20T10:00:00Z"})[1] == datetime(2015, 6, 20, 10)
    assert dates({**DIABETES, "onsetDateTime": None, "onsetString": "childhood"}) == (datetime(2015, 6, 20),) * 2
    # of a recording date that is partial the end, but never after the delivery
    assert dates({**DIABETES, "recordedDate": "2016"})[1] == datetime(2017, 1, 1)
    assert dates({**DIABETES, "recordedDate": "2026"})[1] == DELIVERED
    # known later than the source can have known it is left to be refused
    assert dates({**SYSTOLIC, "issued": "2019-01-01T00:00:00Z"})[1] == datetime(2019, 1, 1)


@pytest.mark.parametrize(
    ("updated", "known"),
    [
        ("2021-06-01T08:00:00Z", datetime(2021, 6, 1, 8)),
        ("2026-03-01T02:00:00Z", datetime(2021, 1, 1, 9, 20)),  # the day of the delivery: the export's own
        ("2026-04-01T02:00:00Z", datetime(2021, 1, 1, 9, 20)),
        ("nonsense", datetime(2021, 1, 1, 9, 20)),
    ],
)
def test_a_last_update_says_when_a_fact_was_known_unless_it_is_the_export_s(updated, known):
    assert one({**VISIT, "meta": {"lastUpdated": updated}}).known_at == known


def test_a_missing_patient_date_or_code_stays_null():
    assert one({**SYSTOLIC, "subject": None})[0] is None
    row = one({**SYSTOLIC, "effectiveDateTime": None})
    assert (row.happened_at, row.fault) == (None, None)
    assert one({**SYSTOLIC, "code": {}}).code is None


def test_what_a_patient_says():
    def said(**changes):
        return [(row.code, row.happened_at, row.fault) for row in rows({**PATIENT, **changes}, DELIVERED)]

    born = datetime(1970, 5, 4)
    assert said(gender="other") == [("PRACTICE:birth", born, None)]
    assert said(birthDate="1970-05", gender=None) == [("PRACTICE:birth", datetime(1970, 5, 1), None)]
    assert said(birthDate=None, gender=None, _birthDate={"extension": []}) == [("PRACTICE:birth", None, None)]
    assert said(deceasedDateTime="2020-01-01T10:00:00Z")[2] == ("PRACTICE:death", datetime(2020, 1, 1, 10), None)
    assert said(deceasedBoolean=True)[2] == ("PRACTICE:death", None, "death without its date")
    assert len(said(deceasedBoolean=False)) == 2
    assert {fault for _, _, fault in said(link=[{"type": "replaced-by"}])} == {"its Patient was replaced by another"}
    assert {fault for _, _, fault in said(id=NIR)} == {bundles.NIR_AS_ID}
    assert rows({**PATIENT, "id": NIR}, DELIVERED)[0].patient is None


@pytest.mark.parametrize(
    ("named", "practice"),
    [
        ({"managingOrganization": {"reference": "Organization/7"}, "generalPractitioner": [{"reference": "P/1"}]}, "7"),
        ({"generalPractitioner": [{"display": "Dr"}, {"reference": "Practitioner/12"}]}, "Practitioner/12"),
        ({"managingOrganization": {"reference": "https://x.org/fhir/Organization/7/_history/2"}}, "7"),
        ({"managingOrganization": {"reference": "Organization?identifier=https://finess|750000001"}}, "750000001"),
        ({"managingOrganization": {"identifier": {"system": "urn:finess", "value": "750000001"}}}, "750000001"),
        ({"managingOrganization": {"identifier": {"value": NIR}}}, "unstated"),
        ({"managingOrganization": {"reference": "#inside"}}, "unstated"),
        ({"managingOrganization": "Organization/7", "generalPractitioner": "x"}, "unstated"),
        ({}, "unstated"),
    ],
)
def test_the_practice_is_the_patient_s(tmp_path, named, practice):
    patient = {"resourceType": "Patient", "id": "alice", "birthDate": "1970-05-04"} | named
    table = read(write(tmp_path / "b.json", bundle(SYSTOLIC, patient)))
    assert table.column("practice").to_pylist() == [practice] * 2


def test_a_patient_is_one_however_referred_to(tmp_path):
    uuid = "0b5a5b4e-3f5c-4d0c-9d1f-0a1b2c3d4e5f"
    refer = ("Patient/alice", "Patient/alice/_history/3", "https://fhir.test/r4/Patient/alice", f"urn:uuid:{uuid}")
    entries = [
        {"fullUrl": f"urn:uuid:{uuid}", "resource": PATIENT},
        *({"resource": {**SYSTOLIC, "subject": {"reference": text}}} for text in refer),
    ]
    table = read(write(tmp_path / "b.json", {"resourceType": "Bundle", "type": "transaction", "entry": entries}))
    assert set(table.column("patient").to_pylist()) == {"alice"}
    assert not faults(table)
    # no id of its own: the address in the bundle
    del entries[0]["resource"]
    entries[0]["resource"] = {name: value for name, value in PATIENT.items() if name != "id"}
    del entries[1:4]
    table = read(write(tmp_path / "b.json", {"resourceType": "Bundle", "type": "transaction", "entry": entries}))
    assert set(table.column("patient").to_pylist()) == {uuid}
    assert not faults(table)


def test_patients_of_two_servers_are_not_mixed_up(tmp_path):
    def from_server(address: str, *more: dict) -> dict:
        entry = [{"fullUrl": f"{address}/Patient/alice", "resource": PATIENT}, *({"resource": r} for r in more)]
        return {"resourceType": "Bundle", "type": "searchset", "entry": entry}

    elsewhere = {**SYSTOLIC, "subject": {"reference": "https://b.test/fhir/Patient/alice"}}
    table = read(write(tmp_path / "1.json", from_server("https://a.test/fhir", elsewhere, SYSTOLIC)))
    assert faults(table) == {"its patient is on another server": 1}
    write(tmp_path / "2.json", from_server("https://b.test/fhir"))
    with pytest.raises(InvalidRecords, match="patients of 2 servers"):
        read(tmp_path)


def test_what_refers_to_nobody_delivered_is_set_aside(tmp_path):
    replaced = {**PATIENT, "id": "bob", "link": [{"type": "replaced-by", "other": ALICE}]}
    of_bob = {**SYSTOLIC, "subject": {"reference": "Patient/bob"}}
    table = read(write(tmp_path / "b.json", bundle(SYSTOLIC, replaced, of_bob)))
    assert faults(table) == {reader.UNKNOWN: 2, "its Patient was replaced by another": 2}


def test_a_medication_is_looked_up(tmp_path):
    order = {name: value for name, value in STATIN.items() if name != "medicationCodeableConcept"}
    drug = {"resourceType": "Medication", "id": "d1", "code": coded("http://www.whocc.no/atc", "C10AA05")}
    inside = {**order, "contained": [drug], "medicationReference": {"reference": "#d1"}}
    assert one(inside).code == "ATC:C10AA05"
    referring = {**order, "medicationReference": {"reference": "Medication/d1"}}
    assert one(referring).fault == "its Medication is not in the delivery"
    lines = {"Patient": PATIENT, "MedicationRequest": referring, "Medication": drug}
    for name, resource in lines.items():
        write(tmp_path / f"{name}.ndjson", resource)
    assert "ATC:C10AA05" in read(tmp_path).column("code").to_pylist()
    entries = [{"resource": PATIENT}, {"fullUrl": "urn:uuid:1-2", "resource": drug},
               {"resource": {**order, "medicationReference": {"reference": "urn:uuid:1-2"}}}]  # fmt: skip
    (*_, found) = each_resource({"resourceType": "Bundle", "type": "batch", "entry": entries})
    assert one(found.resource, found.around).code == "ATC:C10AA05"


def test_a_report_counts_its_own_results_and_no_others():
    result = {"resourceType": "Observation", "id": "x", "status": "final", "code": loinc("2160-0"),
              "valueQuantity": quantity(80, "umol/L")}  # fmt: skip
    report = {**REPORT, "conclusionCode": [snomed("165132006")], "contained": [result, {"resourceType": "Patient"}]}
    assert [(r.patient, r.happened_at, r.known_at, r.code, r.value, r.fault) for r in rows(report, DELIVERED)] == [
        ("alice", datetime(2020, 1, 1), datetime(2020, 1, 3), code, value, None)
        for code, value in (("LOINC:24323-8", None), ("SNOMED:165132006", None), ("LOINC:2160-0", 80))
    ]
    assert {r.fault for r in rows({**report, "status": "preliminary"}, DELIVERED)} == {"result is not final"}
    assert {r.retracted_at for r in rows({**report, "status": "entered-in-error"}, DELIVERED)} == {DELIVERED}
    own = {**result, "effectivePeriod": {"start": "2019-12-30"}, "issued": "2019-12-31T00:00:00Z"}
    assert rows({**REPORT, "contained": [own]}, DELIVERED)[1][1:3] == (datetime(2019, 12, 30), datetime(2019, 12, 31))


# --- Taking back ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "change"),
    [
        (SYSTOLIC, {"status": "entered-in-error"}),
        (VISIT, {"status": "entered-in-error"}),
        (DIABETES, {"verificationStatus": coded("x", "entered-in-error")}),
        (DIABETES, {"verificationStatus": coded("x", "refuted")}),
        (STATIN, {"status": "cancelled"}),
        (STATEMENT, {"status": "entered-in-error"}),
        (ADMINISTRATION, {"status": "entered-in-error"}),
        (MAMMOGRAPHY, {"status": "entered-in-error"}),
        (VACCINE, {"status": "entered-in-error"}),
        (REPORT, {"status": "entered-in-error"}),
        (ALLERGY, {"verificationStatus": coded("x", "refuted")}),
        (COVER, {"status": "cancelled"}),
    ],
)
def test_a_fact_taken_back_is_the_fact_itself(resource, change):
    first, back = one(resource), one({**resource, **change})
    assert back == first._replace(retracted_at=DELIVERED)
    updated = one({**resource, **change, "meta": {"lastUpdated": "2025-01-01T10:00:00+01:00"}})
    assert updated.retracted_at == datetime(2025, 1, 1, 9)
    assert (updated.happened_at, updated.code, updated.value) == (first.happened_at, first.code, first.value)
    assert updated.known_at <= updated.retracted_at


def test_a_fact_is_not_taken_back_before_it_was_known():
    refuted = {**DIABETES, "verificationStatus": coded("x", "refuted"), "recordedDate": "2025"}
    row = one({**refuted, "meta": {"lastUpdated": "2025-06-01T00:00:00Z"}})
    assert row.known_at == row.retracted_at == datetime(2025, 6, 1)


@pytest.mark.parametrize("gone", ["code", "valueQuantity", "effectiveDateTime", "subject"])
def test_a_retraction_without_its_content_is_told(gone):
    stripped = {name: value for name, value in SYSTOLIC.items() if name != gone} | {"status": "entered-in-error"}
    assert one(stripped).fault == "retraction without its content"


def test_a_retraction_reaches_the_record_it_takes_back(tmp_path):
    records = Records.create(tmp_path / "store", 1)
    for n, (day, said) in enumerate([(datetime(2024, 1, 1), {}), (DELIVERED, {"status": "entered-in-error"})]):
        delivery = write(tmp_path / f"{n}.json", bundle(PATIENT, VISIT, {**SYSTOLIC, **said}))
        ingest(FHIR, str(delivery), records, name=str(n), delivered_at=day, key=None)
    (history,) = [shard.history("alice") for shard in records]
    retracted = {record.code: record.retracted_at for record in history.records}
    assert retracted == {
        "PRACTICE:birth": None, "PRACTICE:female": None, "PRACTICE:consultation": None, "LOINC:8480-6": DELIVERED,
    }  # fmt: skip


# --- Packaging --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["searchset", "transaction", "batch", "document", "message", "collection"])
def test_bundles_and_bundles_in_bundles(tmp_path, kind):
    flat = read(write(tmp_path / "flat.json", bundle(*EACH, kind=kind)))
    nested = bundle(bundle(*EACH[3:6]), *EACH[:3], bundle(bundle(*EACH[6:], kind=kind)), kind=kind)
    deep = read(write(tmp_path / "deep.json", nested))
    assert facts(flat) == facts(deep)
    assert not faults(flat)
    assert "file 1 entry 5.1.1" in deep.column("where").to_pylist()


def test_what_a_bundle_does_not_hold_is_told(tmp_path):
    entries: list[Any] = [
        {"request": {"method": "DELETE", "url": "Observation/o1"}}, {"response": {"status": "200"}}, "nonsense",
        {"resource": {"status": "final"}}, {"resource": []}, {"resource": {"resourceType": "OperationOutcome"}},
        {"resource": bundle(SYSTOLIC, kind="history")}, {"resource": {**bundle(), "entry": {}}},
        {"resource": {**bundle(), "type": []}},
    ]  # fmt: skip
    path = write(tmp_path / "b.json", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert faults(read(path)) == {
        bundles.DELETED: 1, bundles.NO_RESOURCE: 2, bundles.NOT_A_RESOURCE: 2, bundles.BUNDLE: 3,
    }  # fmt: skip
    assert not_read(path) == {"OperationOutcome": 1}


def test_a_delivery_of_nothing_that_is_read_says_what_it_held(tmp_path):
    (tmp_path / "Claim.ndjson").write_text('{"resourceType":"Claim"}\n{ "id": "2", "resourceType": "Claim"}\n')
    assert len(read(tmp_path)) == 0
    assert not_read(tmp_path) == {"Claim": 2}


@pytest.fixture(scope="session")
def synthea(shared: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthea")
    with zipfile.ZipFile(shared("data/fhir_synthea/bundles.zip")) as archive:
        archive.extractall(folder)
    return folder


def some_bundles(synthea: Path) -> list[Path]:
    return sorted(synthea.rglob("*.json"), key=lambda path: (path.stat().st_size, path.name))[:8]


def as_ndjson(bundle_files: list[Path], folder: Path, compress: bool) -> Path:
    """Write what a bulk export of the same data would hold: a file a type, references by id."""
    by_type: dict[str, list[str]] = {}
    for path in bundle_files:
        entries = json.loads(path.read_text(encoding="utf-8"))["entry"]
        ids = {entry["fullUrl"]: f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in entries}
        for entry in entries:
            text = json.dumps(entry["resource"], ensure_ascii=False)
            for reference in {text[at : at + 45] for at in positions(text, "urn:uuid:")}:
                text = text.replace(reference, ids.get(reference, reference))
            by_type.setdefault(entry["resource"]["resourceType"], []).append(text)
    folder.mkdir()
    for kind, lines in by_type.items():
        half = len(lines) // 2
        for n, part in enumerate((lines[:half], lines[half:])):
            content = "".join(line + "\r\n" * (n + 1) for line in part).encode()
            name = f"{kind}.{n:03d}.ndjson"
            if compress:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)
    return folder


def positions(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


@pytest.mark.slow
def test_bundles_zip_and_bulk_export_give_the_same_records(synthea, tmp_path):
    chosen = some_bundles(synthea)
    folder = tmp_path / "folder"
    (folder / "deeper").mkdir(parents=True)
    for n, path in enumerate(chosen):
        shutil.copy(path, folder / ("deeper" if n % 2 else "."))
    with zipfile.ZipFile(tmp_path / "bundles.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in chosen:
            archive.write(path, f"export/{path.name}")
    exported = as_ndjson(chosen, tmp_path / "export", compress=False)
    compressed = as_ndjson(chosen, tmp_path / "compressed", compress=True)
    shutil.make_archive(str(tmp_path / "bulk"), "zip", compressed)
    expected = facts(read(folder))
    assert sum(expected.values()) > 500
    for other in (tmp_path / "bundles.zip", exported, compressed, tmp_path / "bulk.zip"):
        assert facts(read(other)) == expected
    assert not_read(folder) == not_read(exported)


def test_pieces_of_any_size_give_the_same_rows(synthea, tmp_path, monkeypatch):
    exported = as_ndjson(some_bundles(synthea)[:3], tmp_path / "export", compress=True)
    whole = read(exported)
    monkeypatch.setattr(files, "CHUNK", 997)
    assert read(exported).equals(whole)
    assert max(len(piece.data) for piece in files.pieces(files.files(exported))) < 1 << 16


@pytest.mark.slow
def test_the_same_batches_with_any_number_of_processes(synthea, tmp_path, monkeypatch):
    exported = as_ndjson(some_bundles(synthea), tmp_path / "export", compress=False)
    monkeypatch.setattr(files, "CHUNK", 1 << 16)
    monkeypatch.setattr(reader, "FEWEST", 200)
    alone = list(FHIR.batches(str(exported), DELIVERED))
    assert len(alone) > 2
    monkeypatch.setattr(reader, "WORTH_A_POOL", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    together = list(FHIR.batches(str(exported), DELIVERED))
    assert [batch.read for batch in together] == [batch.read for batch in alone]
    assert all(a.table.equals(b.table, check_metadata=True) for a, b in zip(together, alone, strict=True))
    begun = FHIR.batches(str(exported), DELIVERED)
    next(begun)
    begun.close()  # left half-way, it ends its processes


class Dying(reader.Reading):
    def __call__(self, piece: files.Piece) -> reader.Read:
        os._exit(1)


@pytest.mark.slow
def test_a_process_that_ends_is_told_in_plain_words():
    piece = files.Piece("x", b"{}", 1, 1.0)
    with (
        pytest.raises(InvalidRecords, match="for want of memory"),
        reader._mapping(Dying(DELIVERED, {}), reader.WORTH_A_POOL) as apply,
    ):
        list(apply(iter([piece] * 10)))


def test_batches_are_of_bounded_size_and_progress_grows(synthea, tmp_path, monkeypatch):
    for path in some_bundles(synthea):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(reader, "FEWEST", 100)
    monkeypatch.setattr(reader, "MOST", 150)
    found = [(len(batch.table), batch.read) for batch in FHIR.batches(str(tmp_path), DELIVERED)]
    assert len(found) > 5
    assert max(size for size, _ in found) <= 150
    assert [share for _, share in found] == sorted(share for _, share in found)
    assert found[-1][1] == 1


# --- Counted another way ----------------------------------------------------------------------------------


def recount(entry: dict[str, Any]) -> Iterator[tuple]:
    """Yield (patient, happened, known, code, value, unit) of a Synthea resource, in a way of its own."""
    r = entry["resource"]
    kind = r["resourceType"]
    refers = r.get("subject") or r.get("patient") or {"reference": entry["fullUrl"]}
    who = refers["reference"].removeprefix("urn:uuid:")
    instant = lambda text: pd.Timestamp(text).tz_convert("UTC").tz_localize(None).to_pydatetime()  # noqa: E731
    first = lambda concept: concept["coding"][0]["code"]  # noqa: E731
    if kind == "Patient":
        born = pd.Timestamp(r["birthDate"]).to_pydatetime()
        yield who, born, born, "PRACTICE:birth", None, None
        yield who, born, born, f"PRACTICE:{r['gender']}", None, None
        if "deceasedDateTime" in r:
            died = instant(r["deceasedDateTime"])
            yield who, died, died, "PRACTICE:death", None, None
    elif kind == "Encounter":
        what = {"AMB": "consultation", "EMER": "other_contact", "IMP": "hospital_stay"}[r["class"]["code"]]
        yield who, instant(r["period"]["start"]), instant(r["period"]["end"]), f"PRACTICE:{what}", None, None
    elif kind == "Condition":
        yield who, instant(r["onsetDateTime"]), instant(r["recordedDate"]), f"SNOMED:{first(r['code'])}", None, None
    elif kind == "AllergyIntolerance":
        at = instant(r["recordedDate"])
        yield who, at, at, f"SNOMED:{first(r['code'])}", None, None
    elif kind == "MedicationRequest":
        at = instant(r["authoredOn"])
        yield who, at, at, f"RXNORM:{first(r['medicationCodeableConcept'])}", None, None
    elif kind == "Procedure":
        begun, done = (instant(r["performedPeriod"][name]) for name in ("start", "end"))
        yield who, begun, done, f"SNOMED:{first(r['code'])}", None, None
    elif kind == "Immunization":
        at = instant(r["occurrenceDateTime"])
        yield who, at, at, f"CVX:{first(r['vaccineCode'])}", None, None
    elif kind == "DiagnosticReport":
        yield who, instant(r["effectiveDateTime"]), instant(r["issued"]), f"LOINC:{first(r['code'])}", None, None
    elif kind == "Observation":
        for part in r.get("component", [r]):
            code, value, unit = f"LOINC:{first(part['code'])}", None, None
            if "valueQuantity" in part:
                value, unit = float(part["valueQuantity"]["value"]), part["valueQuantity"].get("code")
            elif code == "LOINC:72166-2":
                code = f"SNOMED:{first(part['valueCodeableConcept'])}"
            yield who, instant(r["effectiveDateTime"]), instant(r["issued"]), code, value, unit


@pytest.mark.slow
def test_synthea_recounted(synthea, shared):
    expected: Counter[tuple] = Counter()
    others: Counter[str] = Counter()
    for path in synthea.rglob("*.json"):
        for entry in json.loads(path.read_text(encoding="utf-8"))["entry"]:
            kind = entry["resource"]["resourceType"]
            if kind in READERS:
                expected.update(recount(entry))
            else:
                others[kind] += 1
    told: Counter[str] = Counter()
    table = read(shared("data/fhir_synthea/bundles.zip"), told)
    good = table.filter(pa.compute.is_null(table.column("fault")))
    found = Counter(
        tuple(row.values())
        for row in good.select(["patient", "happened_at", "known_at", "code", "value", "unit"]).to_pylist()
    )
    # Codes whose check digit or form is wrong are the source's own; which these are is the code systems' business.
    own = Counter({key: n for key, n in found.items() if key[3].startswith("SOURCE:")})
    assert sum(own.values()) < 100
    assert found - own <= expected
    assert sum(found.values()) == sum(expected.values()) == len(table)
    assert sum(expected.values()) == 15_559
    assert told == others


def test_ingested_nothing_is_lost(synthea, tmp_path):
    location = tmp_path / "in"
    location.mkdir()
    for path in some_bundles(synthea):
        shutil.copy(path, location)
    write(location / "more.json", bundle(PATIENT, {**SYSTOLIC, "status": "preliminary"}, SYSTOLIC))
    table = read(location)
    records = Records.create(tmp_path / "store", 2)
    entry = ingest(FHIR, str(location), records, name="x", delivered_at=DELIVERED, key=b"k" * 32).entry
    set_aside = sum(entry["refused"].values()) + sum(entry["quarantined"].values())
    assert entry["rows"] + set_aside == entry["about"]["read"] == len(table)
    assert entry["refused"]["result is not final"] == 1
    assert entry["about"]["known_at"] == FHIR.known_at


# --- French -----------------------------------------------------------------------------------------------


def test_french_core_examples(shared):
    table = read(shared("data/fhir_fr"))
    assert facts(table) == {
        ("FRCorePatientINSExample", "unstated", at, at, code, value, unit, None, None): 1
        for at, code, value, unit in (
            (datetime(2012, 9, 17), "LOINC:8480-6", 107, "mm[Hg]"),
            (datetime(2012, 9, 17), "LOINC:8462-4", 60, "mm[Hg]"),
            (datetime(1974, 12, 25), "PRACTICE:birth", None, None),
            (datetime(1974, 12, 25), "PRACTICE:male", None, None),
        )
    }


# --- Nobody is named --------------------------------------------------------------------------------------

SAID_IN_WORDS = {"display", "text", "div", "family", "given", "line", "city", "valueString", "value", "note", "name",
                 "postalCode", "valueAddress", "description", "title", "subscriberId"}  # fmt: skip


def named(value: Any, key: str = "") -> Any:
    """Return a resource whose every free text and identifier names somebody."""
    if isinstance(value, dict):
        return {name: named(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [named(inner, key) for inner in value]
    return f"Canari {NIR}" if isinstance(value, str) and key in SAID_IN_WORDS else value


def test_no_column_names_anybody(synthea, shared, tmp_path):
    for n, path in enumerate(some_bundles(synthea)):
        write(tmp_path / f"Canari_{n}.json", named(json.loads(path.read_text(encoding="utf-8"))))
    for path in shared("data/fhir_fr").glob("*.json"):
        write(tmp_path / f"Canari_{path.name}", named(json.loads(path.read_text(encoding="utf-8"))))
    table = read(tmp_path)
    assert len(table) > 500
    for column in table.column_names:
        held = {str(value) for value in table.column(column).to_pylist()}
        assert not [value for value in held if "Canari" in value or NIR in value]


def test_where_tells_a_file_by_its_name_only_if_that_is_a_type(tmp_path):
    for name in ("Durand.ndjson", "Observation.000.ndjson", "Patient.Durand.ndjson", "Patient.ndjson"):
        (tmp_path / name).write_text("{\n")
    assert set(read(tmp_path).column("where").to_pylist()) == {
        "file 1 line 1", "Observation.000.ndjson line 1", "file 3 line 1", "Patient.ndjson line 1",
    }  # fmt: skip


# --- Hostile ----------------------------------------------------------------------------------------------


def test_what_is_no_json(tmp_path):
    good = json.dumps(PATIENT).encode()
    contents = {
        "1.json": b"\xef\xbb\xbf" + good,
        "2.ndjson": b"\xef\xbb\xbf" + good + b"\n\n  \n" + good,
        "3.json": good[:50],
        "4.json": json.dumps({**PATIENT, "id": "é"}, ensure_ascii=False).encode("latin-1"),
        "5.json": good.decode().encode("utf-16"),
        "6.json": b'{"a":' * 200_000,
        "7.json": b"[" * 5_000 + b"]" * 5_000,
        "8.ndjson": b'[1]\nnull\n"text"\n{}\nNaN\n' + good + b"\n" + good[:-3],
        "9.json": b"",
        "A.json": b'{"resourceType": "Patient", "id": "\\ud800"}',
        "B.ndjson": b"\x00" * 100,
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    table = read(tmp_path)
    assert faults(table) == {reader.MALFORMED: 8, reader.ENCODING: 2, bundles.NOT_A_RESOURCE: 4}
    assert len(table) - sum(faults(table).values()) == 2 * 4  # Alice's birth and sex, four times over
    assert "file 8 line 7" in table.column("where").to_pylist()


@pytest.mark.slow
def test_compressed_files_that_are_damaged_or_grow_beyond_measure(tmp_path):
    lines = (json.dumps(PATIENT) + "\n").encode() * 5_000
    (tmp_path / "cut.ndjson.gz").write_bytes(gzip.compress(lines)[:-40])
    (tmp_path / "not.ndjson.gz").write_bytes(lines)
    (tmp_path / "bomb.ndjson.gz").write_bytes(gzip.compress(b" " * (32 << 20)))
    (tmp_path / "not.zip").write_bytes(b"PK\x03\x04 and no more")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.ndjson", b" " * (32 << 20))
    with zipfile.ZipFile(tmp_path / "zip.zip", "w") as archive:
        archive.writestr("../../escape.json", json.dumps(PATIENT))
        archive.writestr("/etc/absolute.json", json.dumps(PATIENT))
        archive.writestr("__MACOSX/._x.json", b"\x00")
        archive.writestr("read me.txt", "no")
        link = zipfile.ZipInfo("link.json")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    content = bytearray((tmp_path / "zip.zip").read_bytes())
    before = {path: path.stat().st_mtime_ns for path in tmp_path.parent.rglob("*")}
    table = read(tmp_path)
    assert faults(table) == {files.DAMAGED: 3, files.GROWS: 2, files.LINK: 1}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.parent.rglob("*")} == before  # nothing is written
    assert content == (tmp_path / "zip.zip").read_bytes()


def test_zip_members_that_overlap_or_are_encrypted(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.json", json.dumps(bundle(*EACH)))
        for n in range(50):  # fifty names for the same bytes
            twin = zipfile.ZipInfo(f"{n}.json")
            for slot in ("header_offset", "compress_size", "file_size", "CRC", "compress_type", "flag_bits"):
                setattr(twin, slot, getattr(archive.filelist[0], slot))
            archive.filelist.append(twin)
    assert faults(read(tmp_path)) == {files.DAMAGED: 1}
    (tmp_path / "a.zip").unlink()
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("x.json", json.dumps(PATIENT))
    content = bytearray((tmp_path / "b.zip").read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag of encryption
    (tmp_path / "b.zip").write_bytes(content)
    assert faults(read(tmp_path)) == {files.DAMAGED: 1}


def test_links_and_pipes_are_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    write(outside / "b.json", bundle(*EACH))
    folder = tmp_path / "delivery"
    folder.mkdir()
    (folder / "file.json").symlink_to(outside / "b.json")
    (folder / "folder").symlink_to(outside)
    os.mkfifo(folder / "pipe.json")
    assert faults(read(folder)) == {files.LINK: 2, files.NOT_A_FILE: 1}
    with pytest.raises(InvalidRecords, match="neither a file nor a folder"):
        read(folder / "pipe.json")


def test_what_is_too_long_is_told_and_what_follows_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "CHUNK", 1_000)
    monkeypatch.setattr(files, "LONGEST_LINE", 5_000)
    monkeypatch.setattr(files, "LARGEST_DOCUMENT", 5_000)
    line = json.dumps(PATIENT) + "\n"
    (tmp_path / "a.ndjson").write_text(line + "x" * 20_000 + "\n" + line + "y" * 20_000)
    write(tmp_path / "b.json", bundle(*EACH * 10))
    table = read(tmp_path)
    assert faults(table) == {files.TOO_LONG: 2, files.TOO_LARGE: 1}
    assert table.column("where").to_pylist() == [
        "file 1 line 1", "file 1 line 1", "file 1 line 2", "file 1 line 3", "file 1 line 3", "file 1 line 4", "file 2",
    ]  # fmt: skip


def test_nothing_there_or_nothing_to_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nowhere")
    with pytest.raises(InvalidRecords, match=r"no \.json, \.ndjson"):
        read(tmp_path)


# --- Whatever a resource holds ----------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(["Patient/alice", "final", "2020-01", "entered-in-error", "http://loinc.org", NIR]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["coding", "code", "system", "value", "reference", "start", "end", "resourceType", "id"])
        | st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
RICH = [
    *EACH,
    {**WITHOUT_VALUE, "component": [{"code": loinc("8480-6"), "valueQuantity": quantity(1)}], "meta": {
        "lastUpdated": "2025-01-01T00:00:00Z"}},
    {**ASKED, "valueCodeableConcept": snomed("8517006"), "hasMember": [{"reference": "Observation/x"}]},
    {**REPORT, "conclusionCode": [snomed("165132006")], "contained": [SYSTOLIC]},
    {**STATIN, "medicationCodeableConcept": None, "medicationReference": {"reference": "#d"}, "contained": [
        {"resourceType": "Medication", "id": "d", "code": coded("http://www.whocc.no/atc", "C10AA05")}]},
    {**PATIENT, "deceasedDateTime": "2020-01-01", "link": [{"type": "seealso"}], "generalPractitioner": [ALICE]},
    bundle(PATIENT, SYSTOLIC, bundle(DIABETES)),
]  # fmt: skip
FAULTS = {
    value
    for module in (bundles, codings, frames, moments, one_by_one)
    for name, value in vars(module).items()
    if name.isupper() and isinstance(value, str)
}


def paths(value: Any, path: tuple = ()) -> Iterator[tuple]:
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in children:
        yield from paths(inner, (*path, key))


def changed(value: Any, path: tuple, to: Any) -> Any:
    if not path:
        return to
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], to)
    return copy


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    resource: Any = draw(st.sampled_from(RICH))
    for _ in range(draw(st.integers(1, 3))):
        resource = changed(resource, draw(st.sampled_from(list(paths(resource)))), draw(JSON))
    return resource


@given(mutated())
def test_whatever_a_resource_holds_it_gives_rows_and_raises_nothing(document):
    for found in each_resource(document):
        if found.resource is None:
            assert found.fault in FAULTS
            continue
        told = rows(found.resource, DELIVERED, found.around)
        bundles.practice_of(found.resource, found.around)
        assert bool(told) == (found.resource["resourceType"] in READERS)
        for row in told:
            assert row.fault is None or row.fault in FAULTS
            assert row.patient is None or bundles.ID.fullmatch(row.patient)
            assert NIR not in (row.patient, row.unit, (row.code or "").partition(":")[2])
            assert type(row.value) in (float, type(None))
            if row.code and not row.code.startswith("PRACTICE:"):
                assert str(parse_code(row.code)) == row.code
            assert all(at is None or (type(at) is datetime and at.tzinfo is None) for at in row[1:3])
            if row.retracted_at and row.fault is None:
                assert None not in (row.patient, row.happened_at, row.code)
                assert row.known_at <= row.retracted_at


@given(mutated(), st.binary(max_size=20), st.integers(0, 2_000))
def test_whatever_a_line_holds_it_gives_rows(document, noise, at):
    text = json.dumps(document).encode()
    line = (text[:at] + noise + text[at:]).replace(b"\n", b" ")
    got = reader.Reading(DELIVERED, {})(files.Piece("x", line, 1, 1.0))
    told = len(got.table) + got.others.total()
    assert told or line.isspace() or b'"Bundle"' in line  # a bundle may hold nothing
    assert all(where.startswith("x line 1") for where in got.table.column("where").to_pylist())


def test_the_types_that_are_read_are_known_systems():
    assert {uri.name for uri in codings.URIS.values()} <= set(SYSTEMS)
    assert codings.URIS["smt.esante.gouv.fr/terminologie-cim-10"].name == "CIM10"


def test_an_episode_of_care_is_a_registration_and_a_departure():
    registered, left = rows(EPISODE, DELIVERED, NOWHERE)
    assert (registered.code, registered.happened_at, registered.known_at) == (
        "PRACTICE:registered", datetime(2014, 5, 1), datetime(2014, 5, 1),
    )  # fmt: skip
    assert (left.code, left.happened_at) == ("PRACTICE:left", datetime(2020, 9, 30))
    (only,) = rows({**EPISODE, "status": "active", "period": {"start": "2014-05-01"}}, DELIVERED, NOWHERE)
    assert (only.code, only.fault) == ("PRACTICE:registered", None)
    assert all(row.fault for row in rows({**EPISODE, "status": "waitlist"}, DELIVERED, NOWHERE))
    back = rows({**EPISODE, "status": "entered-in-error"}, DELIVERED, NOWHERE)
    assert {row.retracted_at for row in back} == {datetime(2020, 10, 2, 8)}

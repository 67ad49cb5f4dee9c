from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from features.catalogue.cardiovascular import ADULTS_40_TO_79, CARDIOVASCULAR
from features.codes import SYSTEMS
from serving.application import application
from serving.contract import MOST_RECORDS, Fault, ScoreRequest, faults_of, now
from serving.doors import DOORS
from serving.hardening import Stopped, door_of, judge
from serving.openapi import request_of, specification

CONCEPTS = (*CARDIOVASCULAR.concepts, *ADULTS_40_TO_79.concepts)
CANARY = "Zebulon7391"
RECORD = {"system": "LOINC", "code": "8480-6", "happened_at": "2025-02-10", "value": 150, "unit": "mm[Hg]"}


def request(**changes: Any) -> dict[str, Any]:
    return {"as_of": "2025-03-03", "records": [RECORD | changes]}


def parsed(body: Any) -> ScoreRequest:
    return ScoreRequest.model_validate_json(json.dumps(body))


def faults(body: Any) -> dict[str, Fault]:
    with pytest.raises(ValidationError) as caught:
        parsed(body)
    return {fault.where: fault for fault in faults_of(caught.value, ScoreRequest)}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2025-02-10", datetime(2025, 2, 10)),
        ("2025-02-10T09:40:00+01:00", datetime(2025, 2, 10, 8, 40)),
        ("2025-02-10T09:40:00Z", datetime(2025, 2, 10, 9, 40)),
        ("2025-02-10T09:40:00.123456-05:00", datetime(2025, 2, 10, 14, 40, 0, 123456)),
        ("2025-02-10T09:40+02:00", datetime(2025, 2, 10, 7, 40)),
    ],
)
def test_moments_become_naive_utc(written, meant):
    record = parsed(request(happened_at=written)).records[0]
    assert record.happened_at == meant
    assert record.happened_at.tzinfo is None


@pytest.mark.parametrize(
    "written",
    [
        "2025-02-10T09:40:00",  # no offset: nobody can tell when it was
        "10/02/2025",
        "20250210",
        "2025-W07-1",
        "2025-02-30",
        "2025-02-10T25:00:00Z",
        "1879-12-31",
        "2200-01-01",
        "9999-12-31T23:59:59-12:00",
        "",
        "yesterday",
        1739145600,
        None,
        True,
        ["2025-02-10"],
    ],
)
def test_other_moments_are_refused(written):
    assert list(faults(request(happened_at=written))) == ["records.0.happened_at"]


def test_as_of_may_be_left_out_and_not_be_far_ahead():
    body = request()
    del body["as_of"]
    assert parsed(body).as_of is None
    soon, later = (now() + timedelta(hours=hours) for hours in (23, 25))
    parsed(body | {"as_of": soon.isoformat() + "Z"})
    assert list(faults(body | {"as_of": later.isoformat() + "Z"})) == ["as_of"]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"system": "ICD9"}, "system"),
        ({"system": "loinc"}, "system"),
        ({"system": 3}, "system"),
        ({"code": "not a code"}, "code"),
        ({"code": ""}, "code"),
        ({"code": "1" * 65}, "code"),
        ({"system": "CIM10", "code": "8480-6"}, "code"),
        ({"known_at": "2025-02-09"}, "known_at"),
        ({"value": "150"}, "value"),
        ({"value": True}, "value"),
        ({"value": 1e10}, "value"),
        ({"value": -1e10}, "value"),
        ({"value": {"value": 150}}, "value"),
        ({"unit": ""}, "unit"),
        ({"unit": "mm Hg"}, "unit"),
        ({"unit": "x" * 25}, "unit"),
        ({"unit": "mm[Hg]\r\nX"}, "unit"),
        ({"unit": 3}, "unit"),
    ],
)
def test_a_record_is_typed_and_bounded(changes, where):
    assert list(faults(request(**changes))) == [f"records.0.{where}"]


@pytest.mark.parametrize("body", [[], "text", 3, None, True])
def test_a_request_is_an_object(body):
    assert list(faults(body)) == ["(body)"]


@pytest.mark.parametrize("records", [[], [RECORD] * (MOST_RECORDS + 1), {}, None, "text"])
def test_a_request_has_records_and_not_too_many(records):
    assert list(faults({"records": records})) == ["records"]


def test_as_many_records_as_allowed_are_taken():
    assert len(parsed({"records": [RECORD] * MOST_RECORDS}).records) == MOST_RECORDS


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_is_known(system):
    codes = {
        "CIM10": "I21.9", "CISP2": "K86", "ATC": "C09AA05", "LOINC": "8480-6",
        "CCAM": "DDAF001", "SNOMED": "271649006", "PRACTICE": "birth",
        "RXNORM": "83367", "CVX": "140", "NABM": "0552", "CIP13": "3400930000120", "SOURCE": "TA", "NGAP": "G",
    }  # fmt: skip
    parsed(request(system=system, code=codes[system]))


def test_a_code_without_its_dot_is_understood():
    assert parsed(request(system="CIM10", code="I219")).records[0].code == "I21.9"


def test_unknown_fields_are_refused_at_every_level_without_their_names():
    body = request(**{CANARY: 1}) | {CANARY: 2}
    found = faults(body)
    assert set(found) == {"records.0.(unknown field)", "(unknown field)"}
    assert found["(unknown field)"].expected == "one of as_of, records"
    assert found["records.0.(unknown field)"].expected == "one of system, code, happened_at, known_at, value, unit"


def test_all_faults_are_listed_at_once():
    body = {
        "as_of": "soon",
        "more": 1,
        "records": [
            RECORD | {"system": "ICD9", "value": "high", "unit": ""},
            {"code": "8480-6"},
            RECORD | {"known_at": "2020-01-01", "code": "x"},
            "text",
        ],
    }
    assert set(faults(body)) == {
        "as_of",
        "(unknown field)",
        *(f"records.0.{name}" for name in ("system", "value", "unit")),
        *(f"records.1.{name}" for name in ("system", "happened_at")),
        *(f"records.2.{name}" for name in ("known_at", "code")),
        "records.3",
    }


def test_what_was_sent_is_never_repeated():
    wrong = dict.fromkeys(("system", "code", "happened_at", "known_at", "value"), CANARY) | {"unit": f"{CANARY} é"}
    bodies = [
        request(**wrong),
        request(code=CANARY, happened_at=CANARY),
        request() | {"as_of": CANARY, CANARY: CANARY},
        {"records": CANARY},
        {"records": [CANARY]},
        {"records": [{CANARY: {CANARY: CANARY}}]},
    ]
    for body in bodies:
        with pytest.raises(Stopped) as caught:
            judge(json.dumps(body).encode(), ScoreRequest)
        assert caught.value.status == 422
        assert CANARY not in caught.value.problem.model_dump_json()
        assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed"),
        (b"{", "malformed"),
        (b'{"records": [}', "malformed"),
        (b"\xff\xfe{}", "malformed"),
        (b'\xef\xbb\xbf{"records": []}', "malformed"),
        (b"[" * 100_000, "malformed"),
        (b'{"a":' * 30_000 + b"1" + b"}" * 30_000, "malformed"),
        (b'{"records": [], "records": []}', "duplicate_field"),
        (b'{"records": [{"value": 1, "value": 2}]}', "duplicate_field"),
        (b'{"records": [{"value": NaN}]}', "not_a_number"),
        (b'{"records": [{"value": -Infinity}]}', "not_a_number"),
        (b'{"records": [{"value": ' + b"9" * 5000 + b"}]}", "malformed"),
        (b'{"records": [{"system": "\\ud800"}]}', "malformed"),
    ],
)
def test_ambiguous_or_malformed_json_is_refused(body, code):
    with pytest.raises(Stopped) as caught:
        judge(body, ScoreRequest)
    assert (caught.value.status, caught.value.problem.code) == (400, code)


def test_numbers_too_large_for_a_float_are_refused():
    with pytest.raises(Stopped) as caught:
        judge(json.dumps(request(value=12345)).replace("12345", "1e999").encode(), ScoreRequest)
    assert [fault.where for fault in caught.value.problem.faults] == ["records.0.value"]


def test_the_documentation_describes_what_the_model_reads(admitted):
    document = specification(admitted)
    described = document["paths"]["/score"]["post"]["description"]
    for concept in admitted.concepts:
        assert concept.en in described
        assert all(f"`{code}`" in described for code in concept.codes)
    assert "`mm[Hg]` (`mmHg`, `cm[Hg]`) | 60–300" in described
    for conditions in (admitted.artefact.population, admitted.artefact.required):
        assert all(name in described for name in conditions)


def test_the_documentation_is_complete_in_itself(admitted):
    for document in (specification(admitted), specification()):
        text = json.dumps(document)
        wanted = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
        assert wanted <= set(document["components"]["schemas"])
        addresses = set(re.findall(r"https?://[^\s\"|,]+", text))
        assert addresses <= IDENTIFIERS, "addresses that are names of code systems, and nothing to be fetched"
        for example in document["paths"]["/score"]["post"]["requestBody"]["content"]["application/json"]["examples"]:
            request_of(example)


IDENTIFIERS = {system.uri for system in SYSTEMS.values() if system.uri.startswith("http")} | {
    "http://unitsofmeasure.org",
    "http://terminology.hl7.org/CodeSystem/v3-ActCode",
}


def test_the_documentation_names_every_door(admitted):
    described = set(specification(admitted)["paths"]) - {"/livez", "/readyz"}
    pages = {"/", "/fr", "/en", "/page/{file}", "/page/patients.json"}
    unseen = {*pages, "/docs.json", "/favicon.ico", "/fhir/{rest:path}"}
    routes = {route.path for route in application().routes} - unseen
    assert described == routes | {"/score"}
    for path in described:
        assert door_of(path, DOORS).name == path or not path.startswith(("/score", "/cds", "/fhir/Risk"))

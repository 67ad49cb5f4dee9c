"""The FHIR door: the same number as everywhere else, as FHIR R4 writes it, and no word of what was sent in a fault."""

from __future__ import annotations

import copy
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import fhirkit
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.facts import merge
from features.ingest import ingest
from features.intake import SCHEMA
from features.records import History, Records, Shard
from features.sources.fhir import FHIR, Row
from serving import fhir
from serving.contract import Abstention, Risk
from serving.fhir.assessment import as_percent
from serving.fhir.reading import _merged
from serving.gate import Admitted
from serving.hardening import Stopped
from serving.openapi import request_of
from serving.reading import read
from serving.scoring import score, score_many
from tests.conftest import at_most
from tests.serving import files

CANARY = "Zebulon7391"
AS_OF = datetime(2025, 3, 3, 8)
LATER = datetime(2026, 11, 25)
HOME = "https://vigie.example"


def reading(admitted: Admitted, document: dict[str, Any], as_of: datetime = AS_OF) -> fhir.FileReading:
    return fhir.read(document, admitted.concepts, as_of, max(LATER, as_of))


def assessed(admitted: Admitted, document: dict[str, Any], language: Any = "fr") -> dict[str, Any]:
    found = reading(admitted, document)
    answer = score(admitted, found.reading.history, found.reading.as_of)
    answer = answer.model_copy(update={"warnings": found.reading.warnings})
    return fhir.assessment(admitted, answer, found, language, HOME)


def refused(body: Any) -> Stopped:
    with pytest.raises(Stopped) as caught:
        fhir.asked(body if isinstance(body, bytes) else json.dumps(body).encode())
    return caught.value


# --- The same number --------------------------------------------------------------------------------------


def test_a_file_gives_the_number_that_its_records_give(admitted):
    by_fhir = reading(admitted, files.bundle())
    by_json = read(request_of("risk"), admitted.concepts)
    assert by_fhir.reading.as_of == by_json.as_of
    one = score(admitted, by_fhir.reading.history, AS_OF)
    other = score(admitted, by_json.history, AS_OF)
    assert isinstance(one, Risk)
    assert one == other


def compare(admitted: Admitted, people: list[tuple[str, dict[str, Any]]], folder: Path) -> list[Risk | Abstention]:
    """Score people in a batch and at the door, at several times, and return the answers, which are the same."""
    (folder / "delivery").mkdir()
    for patient, document in people:
        (folder / "delivery" / f"{patient}.json").write_text(json.dumps(document))
    records = Records.create(folder / "store", shards=2)
    ingest(FHIR, folder / "delivery", records, name="all", delivered_at=LATER, key=None)
    shards = [records.read(number) for number in records.shards]
    found = []
    for as_of in (datetime(year, 6, 15) for year in range(1990, 2021, 5)):
        batch = {
            patient: answer
            for shard in shards
            for patient, answer in zip(shard.patients, score_many(admitted, shard, shard.patients, as_of), strict=True)
        }
        for patient, document in people:
            online = score(admitted, reading(admitted, document, as_of).reading.history, as_of)
            assert online == batch[patient]
            assert online.model_dump_json() == batch[patient].model_dump_json()
            found.append(online)
    return found


@pytest.mark.slow
def test_batch_equals_online_for_all_bundles(admitted, shared, tmp_path):
    answers = compare(admitted, list(files.synthea(shared)), tmp_path)
    assert sum(isinstance(answer, Risk) for answer in answers) > 30
    assert sum(isinstance(answer, Abstention) for answer in answers) > 30


def test_the_records_are_those_of_a_store(admitted, shared, tmp_path):
    """Record by record, not only what the model makes of them."""
    (patient, document), *_ = files.synthea(shared, 1)
    (tmp_path / "one.json").write_text(json.dumps(document))
    records = Records.create(tmp_path / "store", shards=1)
    ingest(FHIR, tmp_path / "one.json", records, name="one", delivered_at=LATER, key=None)
    stored = records.read(0).history(patient).records
    here = reading(admitted, document).reading.history.records
    key = lambda r: (r.happened_at, r.known_at, r.code, r.value is None, r.value or 0.0)  # noqa: E731
    assert sorted(map(key, stored)) == sorted(map(key, here))


MOMENTS = st.integers(0, 6).map(lambda day: datetime(2024, 1, 1) + timedelta(days=day))
ROWS = st.builds(
    lambda happened, late, code, value, retracted: Row(
        "anna", happened, happened + timedelta(days=late), code, value, None,
        None if retracted is None else happened + timedelta(days=late + retracted),
    ),
    MOMENTS, st.integers(0, 3), st.sampled_from(["CIM10:I21", "LOINC:8480-6"]), st.sampled_from([None, 0.0, 120.0]),
    st.none() | st.integers(0, 3),
)  # fmt: skip


@at_most(40)  # the store's merge opens a database each time
@given(st.lists(ROWS, max_size=12))
def test_facts_are_merged_as_a_store_merges_them(rows):
    import pyarrow as pa

    table = pa.Table.from_pylist([row._asdict() | {"practice": "p"} for row in rows], schema=SCHEMA)
    shard = Shard.from_table(merge([table]))
    stored = shard.history("anna").records
    here, sources = _merged(list(enumerate(rows)), [f"Observation/{number}" for number in range(len(rows))])
    key = lambda r: (r.happened_at, r.known_at, r.code, -1.0 if r.value is None else r.value, str(r.retracted_at))  # noqa: E731
    assert sorted(map(key, stored)) == sorted(map(key, here))
    assert len(sources) == len(here)
    assert all(sources)


def test_what_became_known_later_changes_nothing(admitted):
    before = assessed(admitted, files.bundle())
    infarction = {
        "resourceType": "Condition",
        "id": "later",
        "subject": {"reference": "Patient/anna"},
        "onsetDateTime": "2025-01-01",
        "recordedDate": "2025-03-04",
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "I21.0"}]},
    }
    after = assessed(admitted, files.bundle([*files.RESOURCES, infarction]))
    assert after.pop("note") != before.pop("note"), "it says that something was not looked at"
    assert after == before


def test_french_examples_are_read(admitted, shared):
    folder = shared("data/fhir_fr")
    resources = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    found = fhir.read(files.bundle(resources), admitted.concepts, datetime(2013, 1, 1), LATER)
    assert found.subject == "Patient/FRCorePatientINSExample"
    said = {(record.code, record.value) for record in found.reading.history.records}
    assert {("LOINC:8480-6", 107.0), ("PRACTICE:birth", None), ("PRACTICE:male", None)} <= said
    answer = fhir.assessment(admitted, score(admitted, found.reading.history, found.reading.as_of), found, "fr", HOME)
    assert "Durand" not in json.dumps(answer)
    assert "123456789012244" not in json.dumps(answer)


# --- The RiskAssessment -----------------------------------------------------------------------------------


def issues(resource: dict[str, Any]) -> list[str]:
    """What a validator that was made by others finds, and what it does not look at."""
    found = [str(issue) for issue in fhirkit.validate(resource)]
    found += [f"{path}: null or empty" for path, value in walked(resource) if value is None or value in ([], {}, "")]
    return found


def walked(value: Any, path: str = "") -> list[tuple[str, Any]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(path, value), *(each for name, part in parts for each in walked(part, f"{path}.{name}"))]


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("document", [files.bundle(), files.without("bp1", "bp2", "bp3")])
def test_answers_are_valid(admitted, document, language):
    found = assessed(admitted, document, language)
    assert issues(found) == []
    assert found["language"] == language
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_validator_finds_faults(admitted):
    found = assessed(admitted, files.bundle())
    for wrong in (
        {key: value for key, value in found.items() if key != "subject"},
        found | {"propability": 3},
        found | {"occurrenceDateTime": "yesterday"},
        found | {"prediction": [{"probabilityDecimal": 1, "probabilityRange": {}}]},
    ):
        assert issues(wrong) != []


def test_a_probability_is_a_percentage(admitted):
    answer = score(admitted, reading(admitted, files.bundle()).reading.history, AS_OF)
    assert isinstance(answer, Risk)
    (prediction,) = assessed(admitted, files.bundle())["prediction"]
    assert prediction["probabilityDecimal"] == pytest.approx(100 * answer.risk, abs=1e-9)
    assert prediction["probabilityDecimal"] > 1, "0.12 for 12 % would be the mistake no validator sees"
    assert [as_percent(risk) for risk in (0.0, 0.12, 0.083412, 1.0)] == [0.0, 12.0, 8.3412, 100.0]


def test_a_risk_says_who_when_what_and_from_what(admitted):
    found = assessed(admitted, files.bundle())
    assert found["status"] == "final"
    assert found["subject"] == {"reference": "Patient/anna"}
    assert found["occurrenceDateTime"] == "2025-03-03T08:00:00Z"
    (device,) = found["contained"]
    assert found["performer"] == {"reference": f"#{device['id']}"}
    versions = {each["type"]["coding"][0]["code"]: each["value"] for each in device["version"]}
    assert versions == {
        "model": admitted.model_digest,
        "card": admitted.card_digest,
        "card-version": "1.2.0",
        "decision": admitted.decision_digest,
    }
    (prediction,) = found["prediction"]
    assert prediction["whenPeriod"] == {"start": "2025-03-03T08:00:00Z", "end": "2035-03-03T08:00:00Z"}
    assert prediction["qualitativeRisk"]["coding"][0]["system"] == "urn:vigie:fhir:category:esc-2021"
    assert prediction["qualitativeRisk"]["coding"][0]["code"] in ("low_to_moderate", "high", "very_high")
    assert prediction["outcome"]["coding"][0]["code"] == "cardiovascular"
    assert len([each for each in prediction["extension"] if each["url"] == "urn:vigie:fhir:reason"]) == 5
    assert "risque" in prediction["rationale"]
    translation = {each["url"]: each for each in prediction["_rationale"]["extension"][0]["extension"]}
    assert translation["lang"]["valueCode"] == "en"
    assert "the risk" in translation["content"]["valueString"]
    (comparator,) = (each for each in found["extension"] if each["url"] == "urn:vigie:fhir:comparator")
    assert {each["url"] for each in comparator["extension"]} >= {"urn:vigie:fhir:method"}
    cards = [each["valueUrl"] for each in found["extension"] if each["url"] == "urn:vigie:fhir:card"]
    assert cards == [f"{HOME}/models/cardiovascular/card.{language}.html" for language in ("fr", "en")]


def test_the_basis_is_what_the_values_came_from(admitted):
    basis = {each["reference"]: each for each in assessed(admitted, files.bundle())["basis"]}
    # A slope and a mean look at all three pressures. Hypertension is not among the features.
    expected = {
        "Patient/anna",
        *(f"Observation/{name}" for name in ("bp1", "bp2", "bp3", "total", "hdl", "bmi", "smoking")),
    }
    assert set(basis) == expected | {"MedicationRequest/ramipril", "Encounter/visit1", "Encounter/visit2"}
    assert basis["Observation/bp3"]["extension"] == [
        {"url": "urn:vigie:fhir:measured-at", "valueDateTime": "2025-02-10T08:40:00Z"}
    ]
    assert basis["Observation/bp3"]["display"].endswith("(10\u00a0février\u00a02025)")
    assert "extension" not in basis["Patient/anna"], "a birth date is nobody's date of measurement"


def test_what_is_no_basis_changes_no_value_and_what_is_suffices(admitted, shared):
    features = admitted.artefact.features
    for _, document in files.synthea(shared, 12):
        for as_of in (datetime(2000, 6, 15), datetime(2015, 6, 15)):
            history = reading(admitted, document, as_of).reading.history
            places = features.evaluator.taken(history, as_of)
            assert places
            alone = History(tuple(history.records[place] for place in places))
            np.testing.assert_array_equal(
                features.of_patient(alone, as_of).to_numpy(np.float64),
                features.of_patient(history, as_of).to_numpy(np.float64),
            )


def test_resources_without_an_id_are_told_by_their_address(admitted):
    address = "urn:uuid:2f0b5ae2-6f0c-4a3b-9f0e-b3d2e5c1a001"
    document = files.bundle(kind="transaction")
    for entry in document["entry"]:
        if entry["resource"]["resourceType"] == "Patient":
            entry["fullUrl"] = address
            del entry["resource"]["id"]
        else:
            entry["resource"]["subject"] = {"reference": address}
    found = assessed(admitted, document)
    assert found["subject"] == {"reference": address}
    assert found["prediction"] == assessed(admitted, files.bundle())["prediction"]


@pytest.mark.parametrize("language", ["fr", "en"])
def test_an_abstention_has_no_prediction_and_coded_reasons(admitted, language):
    found = assessed(admitted, files.without("bp1", "bp2", "bp3", "registered"), language)
    assert found["status"] == "cancelled"
    assert "prediction" not in found
    reasons = [
        each["valueCodeableConcept"] for each in found["extension"] if each["url"] == "urn:vigie:fhir:abstention"
    ]
    codes = [reason["coding"][0]["code"] for reason in reasons]
    assert codes == ["still_registered", "registered_a_year", "systolic_within_2_years"]
    assert all(reason["text"] for reason in reasons)


def test_what_was_not_used_is_told(admitted):
    resources = copy.deepcopy(files.RESOURCES)
    resources += [
        files.pressure("implausible", "2025-02-12", 900),
        files.observation("no-unit", "14647-2", "2025-02-12", valueQuantity={"value": 5}),
        files.observation("preliminary", "14647-2", "2025-02-12", **files.quantity(5, "mmol/L"))
        | {"status": "preliminary"},
        files.pressure("somebody", "2025-02-12", 150) | {"subject": {"reference": "Patient/bert"}},
        files.pressure("future", "2025-03-04", 150),
    ]
    warnings = {each.code: each.count for each in reading(admitted, files.bundle(resources)).reading.warnings}
    assert warnings == {"implausible": 1, "unit": 1, "set_aside": 2, "after_as_of": 1}


# --- What may be asked ------------------------------------------------------------------------------------


def test_a_bundle_alone_or_in_parameters_is_asked():
    alone = fhir.asked(json.dumps(files.bundle()).encode())
    assert (alone.study, alone.as_of, alone.language) == (None, None, None)
    more = files.parameters(bundle=files.bundle(), study="cardiovascular", as_of=files.AS_OF, language="en")
    asked = fhir.asked(json.dumps(more).encode())
    assert asked == fhir.Evaluation(files.bundle(), "cardiovascular", AS_OF, "en")


def named(element: dict[str, Any], *more: dict[str, Any]) -> dict[str, Any]:
    whole = files.parameters(bundle=files.bundle())
    whole["parameter"] += [element, *more]
    return whole


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ([], ["(body)"]),
        ({}, ["(body)"]),
        ({"resourceType": "Patient"}, ["(body)"]),
        ({"resourceType": "Parameters"}, ["Parameters.parameter", "Parameters.parameter"]),
        ({"resourceType": "Parameters", "parameter": [3]}, ["Parameters.parameter[0].name", "Parameters.parameter"]),
        (named({"name": CANARY}), ["Parameters.parameter[1].name"]),
        (named({"name": "bundle", "resource": files.bundle()}), ["Parameters.parameter[1]"]),
        (named({"name": "as_of", "valueDateTime": CANARY}), ["Parameters.parameter[1].valueDateTime"]),
        (named({"name": "as_of", "valueDateTime": "2025-03-03T09:00:00"}), ["Parameters.parameter[1].valueDateTime"]),
        (named({"name": "as_of", "valueDateTime": "2190-03-03"}), ["Parameters.parameter[1].valueDateTime"]),
        (named({"name": "language", "valueCode": "de"}), ["Parameters.parameter[1].valueCode"]),
        (named({"name": "language", "valueString": "fr"}), ["Parameters.parameter[1].(unknown field)"]),
        (named({"name": "study", "valueCode": 3}), ["Parameters.parameter[1].valueCode"]),
        (named({"name": "study", "valueCode": "a", CANARY: 1}), ["Parameters.parameter[1].(unknown field)"]),
        (files.parameters(bundle={"resourceType": "Patient"}), ["Parameters.parameter[0].resource"]),
        (files.bundle() | {"type": None}, ["Bundle.type"]),
        (files.bundle() | {"type": ["collection"]}, ["Bundle.type"]),
        (files.bundle() | {"type": "history"}, ["Bundle.type"]),
        (files.parameters(bundle=files.bundle() | {"type": CANARY}), ["Parameters.parameter[0].resource"]),
        (
            {"resourceType": "Parameters", CANARY: 1, "parameter": []},
            ["Parameters.(unknown field)", "Parameters.parameter"],
        ),
    ],
)
def test_all_faults_of_parameters_are_told_without_what_was_sent(body, places):
    stopped = refused(body)
    assert stopped.status == 422
    assert [fault.where for fault in stopped.problem.faults] == places
    told = fhir.operation_outcome(stopped.problem)
    assert CANARY not in told.decode()
    assert issues(json.loads(told)) == []


MANY = [{"component": [1] * 20_001}]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (files.bundle([]), "no_patient"),
        (files.without("anna"), "no_patient"),
        ({"resourceType": "Bundle", "type": "history", "entry": []}, "bundle_type"),
        ({"resourceType": "Bundle", "type": "collection", "entry": {}}, "bundle_type"),
        (files.bundle([*files.RESOURCES, {"resourceType": "Patient", "id": "bert"}]), "several_patients"),
        (files.bundle([{"resourceType": "Patient", "id": "255081416802538"}]), "invalid"),
        (files.bundle([{"resourceType": "Patient", "id": "an na"}]), "invalid"),
        (files.bundle([{"resourceType": "Patient", "id": "anna"}] * 5001), "too_many"),
        (files.bundle([files.RESOURCES[0], files.pressure("x", "2025", 1) | {"component": [1] * 20_001}]), "too_many"),
        (files.bundle([files.RESOURCES[0], {"resourceType": "DiagnosticReport", "contained": MANY}]), "too_many"),
    ],
)  # fmt: skip
def test_what_is_not_one_patients_file_is_refused(admitted, document, code):
    with pytest.raises(Stopped) as caught:
        reading(admitted, document)
    assert (caught.value.status, caught.value.problem.code) == (422, code)
    assert issues(json.loads(fhir.operation_outcome(caught.value.problem))) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@at_most(60)
@given(
    place=st.integers(0, len(files.RESOURCES) - 1),
    name=st.sampled_from(
        ["id", "resourceType", "status", "code", "subject", "effectiveDateTime", "component", "valueQuantity",
         "contained", "meta", "class", "period", "medicationCodeableConcept", "birthDate", "gender", "link", "entry"]
    ),
    value=json_values,
)  # fmt: skip
def test_whatever_a_resource_holds_it_is_answered_or_refused(admitted, place, name, value):
    resources = copy.deepcopy(files.RESOURCES)
    resources[place][name] = value
    try:
        told = assessed(admitted, files.bundle(resources))
    except Stopped as stopped:
        told = json.loads(fhir.operation_outcome(stopped.problem))
    assert issues(told) == []


# --- What the door says of itself -------------------------------------------------------------------------


def test_metadata_is_valid_and_leads_to_the_operation(admitted):
    for served in ((admitted,), (admitted, admitted), ()):
        statement = fhir.capability_statement(served, HOME)
        assert issues(statement) == []
        assert statement["fhirVersion"] == "4.0.1"
    operation = fhir.operation_definition(HOME)
    assert issues(operation) == []
    (resource, _) = statement["rest"][0]["resource"]
    assert resource["operation"] == [{"name": operation["code"], "definition": operation["url"]}]
    taken_in = {each["name"] for each in operation["parameter"] if each["use"] == "in"}
    assert taken_in == set(fhir.asking.VALUES)

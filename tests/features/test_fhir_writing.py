"""FHIR written: valid R4, what comes back through our reader with both its dates, and what is said to be lost."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import fhirkit
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given

from features.__main__ import main
from features.catalogue.concepts import CONCEPTS
from features.codes import measured
from features.commands import OK
from features.digests import digest_folder
from features.ingest import ingest
from features.intake import SCHEMA
from features.records import Records
from features.sources.fhir import FHIR, writing
from features.sources.fhir.writing import write_fhir
from features.sources.units import unit_of
from features.synthetic import DELIVERED_AT, synthesise
from tests.conftest import at_most
from tests.features.test_omop_writing import (
    CONTACTS,
    END,
    FOLLOWED,
    NAMED,
    SEXES,
    Row,
    day,
    fact,
    facts_of,
    odd_facts,
    patients_of,
    stored,
)

Said = tuple[Any, ...]
Foreseen = tuple[Counter[Said], Counter[str]]

MANDATE = ["--purpose", "research", "--reference", "CSE-2026-014"]


def resources(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.glob("*.ndjson"))
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def one(tmp_path: Path, row: Row) -> dict[str, Any]:
    """Return the resource of one record, which its file is named after."""
    write_fhir(stored(tmp_path / "store", [row]), tmp_path / "fhir", **NAMED)
    found = [r for r in resources(tmp_path / "fhir") if r["resourceType"] not in ("Patient", "Organization")]
    assert len(found) == 1
    assert (tmp_path / "fhir" / f"{found[0]['resourceType']}.ndjson").exists()
    return found[0]


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Records:
    return synthesise(tmp_path_factory.mktemp("population") / "store", patients=100, shards=4)


@pytest.fixture(scope="module")
def facts(population: Records) -> list[Row]:
    return facts_of(population)


@pytest.fixture(scope="module")
def foreseen(facts: list[Row]) -> Foreseen:
    """What should come back of the population, and what should be said to be lost."""
    return expected(facts)


@pytest.fixture(scope="module")
def written(population: Records, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "fhir"
    write_fhir(population, folder, **NAMED)
    return folder


# --- What others read -------------------------------------------------------------------------------------


def faults(folder: Path) -> list[str]:
    """Return what a validator that was made by others finds."""
    lines = [line for file in sorted(folder.glob("*.ndjson")) for line in file.read_bytes().splitlines()]
    return [str(issue) for resource in fhirkit.parse_many(lines) for issue in resource.issues]


@pytest.mark.slow
def test_what_is_written_is_valid(written: Path) -> None:
    assert faults(written) == []
    found = resources(written)
    names = [(resource["resourceType"], resource["id"]) for resource in found]
    assert len(set(names)) == len(names) > 10_000
    known = {f"{kind}/{name}" for kind, name in names}
    for resource in found:
        for element in ("subject", "patient", "serviceProvider", "managingOrganization"):
            assert element not in resource or resource[element]["reference"] in known


@pytest.mark.parametrize(
    ("code", "value", "kind", "element", "system"),
    [
        ("CIM10:I21.9", None, "Condition", "code", "https://smt.esante.gouv.fr/terminologie-cim-10"),
        ("CISP2:K86", None, "Condition", "code", "http://hl7.org/fhir/sid/icpc-2"),
        ("SNOMED:38341003", None, "Condition", "code", "http://snomed.info/sct"),
        ("SNOMED:71651007", None, "Procedure", "code", "http://snomed.info/sct"),
        ("ATC:C10AA05", None, "MedicationRequest", "medicationCodeableConcept", "http://www.whocc.no/atc"),
        ("RXNORM:83367", None, "MedicationRequest", "medicationCodeableConcept", "http://www.nlm.nih.gov/research/umls/rxnorm"),
        ("CVX:88", None, "Immunization", "vaccineCode", "http://hl7.org/fhir/sid/cvx"),
        ("LOINC:8480-6", 132.0, "Observation", "code", "http://loinc.org"),
        ("LOINC:29771-3", None, "DiagnosticReport", "code", "http://loinc.org"),
        ("CCAM:QEQK004", None, "Procedure", "code", "https://smt.esante.gouv.fr/terminologie-ccam"),
        ("CIM10:Z80.3", None, "Observation", "code", "https://smt.esante.gouv.fr/terminologie-cim-10"),
        ("PRACTICE:insurance.long_term_illness", None, "Observation", "code", "urn:vigie:practice"),
    ],
)  # fmt: skip
def test_each_system_has_its_type_and_address(
    code: str, value: float | None, kind: str, element: str, system: str, tmp_path: Path
) -> None:
    resource = one(tmp_path, fact(code, value=value, unit="mm[Hg]" if value else None))
    assert resource["resourceType"] == kind
    assert resource[element]["coding"] == [{"system": system, "code": code.partition(":")[2]}]


def test_dates_units_and_answers_are_where_others_look(tmp_path: Path) -> None:
    late = {"known_at": datetime(2020, 5, 20, 18, 0, 0, 250_000)}
    observation = one(tmp_path / "1", fact("LOINC:8480-6", value=132.5, unit="mm[Hg]", **late))
    quantity = {"value": 132.5, "unit": "mm[Hg]", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
    assert observation["valueQuantity"] == quantity
    dates = ("2020-05-04T09:30:00Z", "2020-05-20T18:00:00.250000Z")
    assert (observation["effectiveDateTime"], observation["issued"]) == dates
    drug = one(tmp_path / "2", fact("ATC:C10AA05", **late))
    assert drug["resourceType"] == "MedicationStatement"
    assert (drug["effectiveDateTime"], drug["dateAsserted"]) == dates
    stay = one(tmp_path / "3", fact("PRACTICE:hospital_stay", **late))
    assert (stay["period"]["start"], stay["meta"]["lastUpdated"], stay["class"]["code"]) == (*dates, "IMP")
    smoker = one(tmp_path / "4", fact("LOINC:LA18976-3"))
    assert smoker["code"]["coding"][0]["code"] == "72166-2"
    assert smoker["valueCodeableConcept"]["coding"][0]["code"] == "LA18976-3"
    unmeasured = one(tmp_path / "5", fact("LOINC:8480-6"))
    assert unmeasured["dataAbsentReason"]["coding"][0]["code"] == "unknown"


@pytest.mark.slow
def test_counts_by_sql(population: Records, written: Path) -> None:
    """Recount what each file holds, straight from the store's files."""
    store = f"read_parquet('{population.path}/delivery-*/shard-*.parquet')"
    measured_codes = [str(code) for concept in CONCEPTS if concept.unit for code in concept.codes]
    for kind, condition in {
        "Patient": "code = 'PRACTICE:birth'",
        "EpisodeOfCare": "code = 'PRACTICE:registered'",
        "Encounter": "code IN ('PRACTICE:consultation', 'PRACTICE:hospital_stay')",
        "Condition": "code SIMILAR TO '(CIM10:[A-Y]|CISP2:).*'",
        "MedicationRequest": "code LIKE 'ATC:%' AND known_at = happened_at",
        "Procedure": "code SIMILAR TO '(CCAM|NGAP):.*'",
        "DiagnosticReport": f"""
            code SIMILAR TO '(LOINC|NABM):.*' AND code NOT LIKE 'LOINC:LA%' AND value IS NULL
            AND code NOT IN {tuple(measured_codes)}
        """,
        "Observation": """
            value IS NOT NULL OR code LIKE 'LOINC:LA%' OR code LIKE 'CIM10:Z%'
            OR code LIKE 'PRACTICE:%' AND split_part(code, ':', 2) NOT IN (
                'birth', 'male', 'female', 'registered', 'left', 'death', 'consultation', 'hospital_stay'
            )
        """,
    }.items():
        rows = duckdb.sql(f"SELECT count(*) FROM {store} WHERE {condition}").fetchall()[0][0]
        file = written / f"{kind}.ndjson"
        found = duckdb.sql(f"SELECT count(*), min(json->>'resourceType') FROM read_ndjson_objects('{file}')").fetchall()
        assert found == [(rows, kind)]
    ended = duckdb.sql(f"""
        SELECT count(json->>'$.period.end') FROM read_ndjson_objects('{written}/EpisodeOfCare.ndjson')
    """).fetchall()[0][0]
    assert ended == duckdb.sql(f"SELECT count(*) FROM {store} WHERE code = 'PRACTICE:left'").fetchall()[0][0]


# --- What comes back --------------------------------------------------------------------------------------


def back(folder: Path, into: Path, delivered_at: datetime = END) -> tuple[Counter[Said], dict[str, Any]]:
    """Return what our reader reads of an export a day after, by patients of the store, and the delivery's entry."""
    records = Records.create(into, 1)
    entry = ingest(FHIR, folder, records, name="x", delivered_at=delivered_at + timedelta(days=1), key=None).entry
    patients = patients_of(folder)
    return Counter((patients[f["patient"]], *said(f)) for f in facts_of(records) if not f["retracted_at"]), entry


def said(row: Row) -> Said:
    return row["code"], row["value"], row["unit"], row["happened_at"], row["known_at"]


def is_death(code: str) -> bool:
    return code.split(".")[0] == "PRACTICE:death"


def expected(facts: list[Row]) -> tuple[Counter[Said], Counter[str]]:
    """Return what should come back of some facts, and what should be said to be lost, worked out fact by fact."""
    lost: Counter[str] = Counter()
    told: list[Said] = []
    taken_back: list[tuple[Said, datetime]] = []
    facts = sorted(facts, key=lambda f: (f["happened_at"], f["code"], f["known_at"]))
    for patient in sorted({row["patient"] for row in facts}):
        mine = [row for row in facts if row["patient"] == patient]
        home = max(
            mine,
            key=lambda f: (
                f["retracted_at"] is None, f["code"] == FOLLOWED[1], f["happened_at"], f["known_at"], f["practice"],
            ),
        )["practice"]  # fmt: skip
        small = [f for f in mine if f["code"] in ("PRACTICE:birth", "PRACTICE:death", *SEXES)]
        of_patient = [f for f in small if f["retracted_at"] is None]
        births = [f for f in of_patient if f["code"] == "PRACTICE:birth"]
        sexes = sorted((f for f in of_patient if f["code"] in SEXES), key=lambda f: (f["happened_at"], f["known_at"]))
        deaths = [f for f in of_patient if f["code"] == "PRACTICE:death"]
        lost[writing.KNOWN_BY_RULE] += len(births) + len(sexes)
        lost[writing.ANOTHER] += sum(max(len(same) - 1, 0) for same in (births, sexes, deaths))
        if births:
            born = day(births[-1]["happened_at"])
            lost[writing.TIME_OF_DAY] += born != births[-1]["happened_at"]
            told += [
                (patient, code, None, None, born, born) for code in ("PRACTICE:birth", *(sexes and [sexes[-1]["code"]]))
            ]
        ends = [f for f in mine if is_death(f["code"]) and f["retracted_at"] is None]
        if ends:
            last = max(ends, key=lambda f: (f["happened_at"], f["known_at"], f["code"]))
            told.append((patient, "PRACTICE:death", None, None, last["happened_at"], last["known_at"]))
            lost[writing.ANOTHER] += bool(deaths) and max(f["happened_at"] for f in deaths) != last["happened_at"]
        open_episode = False
        for row in mine:
            _, value, unit, happened, known = said(row)
            code, at = row["code"], row["retracted_at"]
            if at and (row in small or code == "PRACTICE:left"):
                lost[writing.TAKEN_BACK] += 1
                continue
            lost[writing.IN_ERROR_TOO] += at is not None
            lost[writing.OTHER_PRACTICE] += row["practice"] != home and code not in {*CONTACTS, "PRACTICE:registered"}
            lost[writing.UNIT] += bool(unit) and value is None
            if row in small:
                lost[writing.VALUE] += value is not None
                continue
            if code in CONTACTS or code in FOLLOWED:
                lost[writing.VALUE] += value is not None
                value = unit = None
            elif value is None and measured(CONCEPTS, code):
                continue  # an Observation without a value: there, and set aside by the reader
            unit = (unit or "").strip() if value is not None else ""
            if unit and unit_of(unit) is None:
                continue  # a unit of two words is free text to the reader
            if code in FOLLOWED:
                lost[writing.KNOWN_BY_RULE] += known != happened
                known = happened
                if code == "PRACTICE:left" and not open_episode:
                    lost[writing.NO_EPISODE] += 1
                    continue
                open_episode = code == "PRACTICE:registered" if at is None else open_episode
            thing = (patient, code, value, unit_of(unit) if unit else None, happened)
            if at:
                taken_back.append((thing, at))
            else:
                told.append((*thing, known))
    first: dict[Said, datetime] = {}
    for *thing, known in told:
        key = tuple(thing)
        if not any(other == key and at >= known for other, at in taken_back):
            first[key] = min(known, first.get(key, known))
    return Counter((*key, known) for key, known in first.items()), +lost


@pytest.mark.slow
def test_a_population_comes_back_with_both_dates(
    facts: list[Row], foreseen: Foreseen, written: Path, tmp_path: Path
) -> None:
    found, entry = back(written, tmp_path / "back", DELIVERED_AT)
    assert entry["refused"] == entry["quarantined"] == {}
    assert entry["about"]["not_read"] == {"Organization": len({f["practice"] for f in facts})}
    assert found == foreseen[0]
    exact = Counter((f["patient"], *said(f)) for f in facts)
    # Everything is equal to the microsecond, both dates, but who somebody is: known from birth.
    assert {code for _, code, *_ in (exact - found).elements()} == {"PRACTICE:birth", *SEXES}
    # And a death of a known cause is a death too.
    more = Counter(code for _, code, *_ in (found - exact).elements())
    caused = sum(f["code"] == "PRACTICE:death.cardiovascular" for f in facts)
    assert more == {"PRACTICE:birth": 100, **{sex: more[sex] for sex in SEXES}} | (
        {"PRACTICE:death": caused} if caused else {}
    )


@pytest.mark.slow
def test_what_is_lost_of_a_population_is_said(foreseen: Foreseen, written: Path) -> None:
    lost = foreseen[1]
    assert lost[writing.KNOWN_BY_RULE] == 200
    readme = (written / "README.md").read_text(encoding="utf-8")
    for what, count in lost.items():
        assert f"- {count:,}: {what}\n" in readme


@pytest.mark.slow
@at_most(30, suppress_health_check=[HealthCheck.too_slow])
@given(rows=odd_facts())
def test_odd_records_come_back_or_are_said_to_be_lost(
    rows: list[Row], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("odd")
    records = stored(folder / "store", rows)
    lost = write_fhir(records, folder / "fhir", **NAMED)
    assert faults(folder / "fhir") == []
    found, _ = back(folder / "fhir", folder / "back")
    assert (found, Counter(lost)) == expected(facts_of(records))


def test_codes_that_fhir_cannot_write_are_said_to_be_lost(tmp_path: Path) -> None:
    records = stored(tmp_path / "store", [fact("SOURCE:a  b"), fact("SOURCE:a b")])
    assert write_fhir(records, tmp_path / "fhir", **NAMED) == {writing.NO_CODE: 1}
    assert faults(tmp_path / "fhir") == []


def test_a_later_export_takes_back_what_an_earlier_one_said(tmp_path: Path) -> None:
    wrong = fact("CIM10:I21.9")
    records = stored(tmp_path / "store", [fact("PRACTICE:birth"), wrong, fact("CCAM:QEQK004")])
    write_fhir(records, tmp_path / "first", **NAMED)
    on = datetime(2025, 3, 1)
    table = pa.Table.from_pylist([{**wrong, "known_at": on, "retracted_at": on}], schema=SCHEMA)
    records.append(table, name="y", delivered_at=on, concepts=CONCEPTS)
    assert write_fhir(records, tmp_path / "second", **NAMED)[writing.IN_ERROR_TOO] == 1
    before, after = ({r["id"]: r for r in resources(tmp_path / name)} for name in ("first", "second"))
    assert set(before) == set(after)
    changed = [name for name in after if before[name] != after[name]]
    assert [after[name]["verificationStatus"]["coding"][0]["code"] for name in changed] == ["entered-in-error"]
    assert faults(tmp_path / "second") == []
    other = Records.create(tmp_path / "other", 1)
    for name, at in (("first", END), ("second", on)):
        ingest(FHIR, tmp_path / name, other, name=name, delivered_at=at + timedelta(days=1), key=None)
    assert {f["code"]: f["retracted_at"] for f in facts_of(other)} == {
        "PRACTICE:birth": None,
        "CIM10:I21.9": on,
        "CCAM:QEQK004": None,
    }


# --- Wholly or not at all ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_export_is_there_wholly_or_not_at_all(population: Records, tmp_path: Path) -> None:
    def interrupted(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_fhir(population, tmp_path / "fhir", **NAMED, progress=interrupted)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "fhir").mkdir()
    with pytest.raises(FileExistsError, match="choose another folder"):
        write_fhir(population, tmp_path / "fhir", **NAMED)


@pytest.mark.slow
def test_the_same_records_give_the_same_files_and_another_name_other_ids(
    population: Records, written: Path, tmp_path: Path
) -> None:
    write_fhir(population, tmp_path / "again", **NAMED)
    assert digest_folder(tmp_path / "again") == digest_folder(written)
    write_fhir(population, tmp_path / "other", dataset_name="autre", dataset_version="1")
    ids, others = ({r["id"] for r in resources(folder)} for folder in (written, tmp_path / "other"))
    assert len(ids) == len(others)
    assert not ids & others
    content = b"".join(file.read_bytes() for file in written.iterdir())
    assert all(patient.encode() not in content for patient in patients_of(written).values())


@pytest.mark.slow
def test_on_the_command_line(population: Records, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["export", str(population.path), "--as", "fhir", "--into", str(tmp_path / "fhir")]
    command += ["--name", "essai", *MANDATE]
    assert main(command) == OK
    told = capsys.readouterr()
    assert told.out == f"{tmp_path / 'fhir'}\n"
    for what, count in expected(facts_of(population))[1].items():
        assert f"{count:,} records not carried whole: {what}\n" in told.err

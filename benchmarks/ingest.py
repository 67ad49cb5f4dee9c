"""How fast records come in: OMOP Parquet and FHIR NDJSON into a store, end to end, and in how much memory.

A made-up delivery of 100 records a patient (visits, conditions, drugs, measurements) is written in both formats, taken
in by the command line in a process of its own, and measured from its start to its end: reading, choice of codes,
pseudonyms, units, sorting, writing, digests. Ten times as much is taken in as well: memory must stay flat. `meds_etl`
and `fhir2meds` are timed on the same files where they are installed (in an environment of their own: they need an old
polars). Run with ``python -m benchmarks.ingest``.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import psutil

# concept_id, vocabulary, code, name of what is recorded; the names are never read
CONCEPTS = (
    (4152194, "SNOMED", "271649006"),
    (4154790, "SNOMED", "271650006"),
    (3027114, "LOINC", "2093-3"),
    (3007070, "LOINC", "2085-9"),
    (320128, "SNOMED", "59621000"),
    (201826, "SNOMED", "44054006"),
    (1545958, "RxNorm", "83367"),
    (9202, "Visit", "OP"),
    (8507, "Gender", "M"),
    (8532, "Gender", "F"),
    (8876, "UCUM", "mm[Hg]"),
    (8840, "UCUM", "mg/dL"),
)
PER_PATIENT = 100


@dataclass(frozen=True)
class Result:
    seconds: float
    megabytes: float
    records: int

    @property
    def rate(self) -> float:
        return self.records / self.seconds


def write_omop(folder: Path, patients: int) -> None:
    """Write an OMOP CDM 5.4 folder of Parquet files, 100 records a patient."""
    folder.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute("SELECT setseed(0.5); SET threads = 1; CREATE TABLE concept AS SELECT * FROM (VALUES "
                           + ", ".join(f"({i}, '{v}', '{c}', 'S', 'x', 'x', 'x')" for i, v, c in CONCEPTS)
                           + ") AS c(concept_id, vocabulary_id, concept_code, standard_concept, concept_name, "
                           "domain_id, concept_class_id)")  # fmt: skip
        day = "DATE '2015-01-01' + CAST(floor(random() * 3650) AS INTEGER)"
        tables = {
            "concept": "FROM concept",
            "care_site": "SELECT i AS care_site_id FROM range(1, 101) r(i)",
            "person": f"""SELECT i AS person_id, CASE WHEN i % 2 = 0 THEN 8507 ELSE 8532 END AS gender_concept_id,
                1930 + i % 60 AS year_of_birth, 1 + i % 12 AS month_of_birth, 1 + i % 28 AS day_of_birth,
                NULL::TIMESTAMP AS birth_datetime, 0 AS race_concept_id, 0 AS ethnicity_concept_id,
                0 AS gender_source_concept_id, 1 + i % 100 AS care_site_id FROM range({patients}) r(i)""",
            "observation_period": f"""SELECT i AS observation_period_id, i AS person_id, DATE '2015-01-01' AS
                observation_period_start_date, DATE '2024-12-31' AS observation_period_end_date
                FROM range({patients}) r(i)""",
            "visit_occurrence": f"""SELECT i AS visit_occurrence_id, i // 20 AS person_id, 9202 AS visit_concept_id,
                d AS visit_start_date, d::TIMESTAMP AS visit_start_datetime, d AS visit_end_date,
                d::TIMESTAMP AS visit_end_datetime, 0 AS visit_source_concept_id, 'C' AS visit_source_value,
                0 AS discharged_to_concept_id, 0 AS discharged_to_source_concept_id
                FROM (SELECT i, {day} AS d FROM range({patients * 20}) r(i))""",
            "condition_occurrence": f"""SELECT i AS condition_occurrence_id, i // 15 AS person_id,
                CASE WHEN random() < 0.7 THEN 320128 ELSE 201826 END AS condition_concept_id,
                d AS condition_start_date, d::TIMESTAMP AS condition_start_datetime, NULL::DATE AS condition_end_date,
                NULL::TIMESTAMP AS condition_end_datetime, (i // 15) * 20 + i % 20 AS visit_occurrence_id,
                0 AS condition_source_concept_id, 'x' AS condition_source_value
                FROM (SELECT i, {day} AS d FROM range({patients * 15}) r(i))""",
            "drug_exposure": f"""SELECT i AS drug_exposure_id, i // 25 AS person_id, 1545958 AS drug_concept_id,
                d AS drug_exposure_start_date, d::TIMESTAMP AS drug_exposure_start_datetime,
                d + 28 AS drug_exposure_end_date, (d + 28)::TIMESTAMP AS drug_exposure_end_datetime,
                (i // 25) * 20 + i % 20 AS visit_occurrence_id, 0 AS drug_source_concept_id, 'x' AS drug_source_value
                FROM (SELECT i, {day} AS d FROM range({patients * 25}) r(i))""",
            "measurement": f"""SELECT i AS measurement_id, i // 40 AS person_id, d AS measurement_date,
                d::TIMESTAMP AS measurement_datetime,
                CASE i % 4 WHEN 0 THEN 4152194 WHEN 1 THEN 4154790 WHEN 2 THEN 3027114 ELSE 3007070 END AS
                measurement_concept_id, CASE i % 4 WHEN 0 THEN 120 + floor(random() * 50) WHEN 1 THEN 70 +
                floor(random() * 30) WHEN 2 THEN 180 + floor(random() * 80) ELSE 40 + floor(random() * 40) END AS
                value_as_number, NULL::BIGINT AS value_as_concept_id,
                CASE WHEN i % 4 < 2 THEN 8876 ELSE 8840 END AS unit_concept_id,
                (i // 40) * 20 + i % 20 AS visit_occurrence_id, 0 AS measurement_source_concept_id,
                'x' AS measurement_source_value, 'x' AS unit_source_value, NULL::VARCHAR AS value_source_value
                FROM (SELECT i, {day} AS d FROM range({patients * 40}) r(i))""",
            "concept_relationship": """SELECT 1::BIGINT AS concept_id_1, 1::BIGINT AS concept_id_2,
                'Maps to' AS relationship_id LIMIT 0""",
            "cdm_source": """SELECT 'made up' AS cdm_source_name, '5.4' AS cdm_version, DATE '2025-01-01' AS
                source_release_date, DATE '2025-01-01' AS cdm_release_date""",
        }
        for name, query in tables.items():
            connection.execute(f"COPY ({query}) TO '{folder / name}.parquet' (FORMAT parquet)")


def coded(system: str, code: str) -> dict[str, object]:
    return {"coding": [{"system": system, "code": code, "display": "as the source names it"}]}


OF_PATIENT = {"reference": "Patient/@p"}
#: How many of each resource a patient has, and the resource: @i its number, @p the patient's, @d a day.
RESOURCES: tuple[tuple[int, dict[str, object]], ...] = (
    (
        1,
        {
            "resourceType": "Patient",
            "id": "@i",
            "gender": "female",
            "birthDate": "1958-05-17",
            "managingOrganization": {"reference": "Organization/17"},
        },
    ),
    (
        20,
        {
            "resourceType": "Encounter",
            "id": "e@i",
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "subject": OF_PATIENT,
            "period": {"start": "@dT09:30:00+01:00", "end": "@dT09:45:00+01:00"},
        },
    ),
    (
        15,
        {
            "resourceType": "Condition",
            "id": "c@i",
            "clinicalStatus": coded("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
            "code": coded("http://snomed.info/sct", "59621000"),
            "subject": OF_PATIENT,
            "onsetDateTime": "@d",
            "recordedDate": "@d",
        },
    ),
    (
        25,
        {
            "resourceType": "MedicationRequest",
            "id": "m@i",
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": coded("http://www.whocc.no/atc", "C10AA05"),
            "subject": OF_PATIENT,
            "authoredOn": "@d",
        },
    ),
    (
        40,
        {
            "resourceType": "Observation",
            "id": "o@i",
            "status": "final",
            "category": [coded("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs")],
            "code": coded("http://loinc.org", "8480-6"),
            "subject": OF_PATIENT,
            "effectiveDateTime": "@dT10:00:00Z",
            "issued": "@dT10:05:00.000Z",
            "valueQuantity": {"value": 132, "system": "http://unitsofmeasure.org", "code": "mm[Hg]"},
        },
    ),
)


def write_fhir(folder: Path, patients: int) -> None:
    """Write a FHIR bulk export, 101 resources a patient."""
    folder.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute("SELECT setseed(0.5); SET threads = 1")
        for each, resource in RESOURCES:
            file = folder / f"{resource['resourceType']}.ndjson"
            template = json.dumps(resource, separators=(",", ":"))
            connection.execute(
                f"""COPY (
                    SELECT replace(replace(replace('{template}', '@i', i::VARCHAR), '@p', (i // {each})::VARCHAR), '@d',
                        strftime(DATE '2015-01-01' + CAST(floor(random() * 3650) AS INTEGER), '%Y-%m-%d'))
                    FROM range({patients * each}) r(i)
                ) TO '{file}' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\t')"""
            )


def take_in(source: str, folder: Path) -> Result:
    """Take a delivery in by the command line and measure it."""
    with tempfile.TemporaryDirectory() as place:
        key = Path(place) / "key"
        key.write_bytes(secrets.token_bytes(32))
        command = [sys.executable, "-m", "features", "ingest", "--source", source, "--from", str(folder)]
        command += ["--into", f"{place}/store", "--key", str(key), "--delivered", "2026-01-01"]
        return measure(command, lambda: _kept(Path(place) / "store"))


def measure(command: list[str], records: Callable[[], int]) -> Result:
    """Run a command and return its time and the largest memory of it and its children together."""
    began, most = time.perf_counter(), 0
    with tempfile.TemporaryFile() as said:
        process = psutil.Popen(command, stdout=said, stderr=said)
        while process.poll() is None:
            most = max(most, _memory(process))
            time.sleep(0.05)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(said.read().decode())
    return Result(time.perf_counter() - began, most / 1e6, records())


def _memory(process: psutil.Process) -> int:
    """Return the memory of a process and its children that no other shares (what they share counts once)."""
    total = 0
    for each in [process, *process.children(recursive=True)]:
        try:
            total += each.memory_full_info().uss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


def _kept(store: Path) -> int:
    from features.records import Records

    return sum(delivery["rows"] for delivery in Records.open(store).deliveries)


def peers(programs: Path, omop: Path, fhir: Path, records: int) -> dict[str, Result | str]:
    """Time the peers that are installed on the same deliveries; they write files, and neither pseudonyms nor checks."""
    found: dict[str, Result | str] = {}
    with tempfile.TemporaryDirectory() as place:
        for name, command in (
            ("meds_etl_omop", [str(omop), f"{place}/omop", "--num_proc", str(os.cpu_count()), "--num_shards", "8"]),
            ("fhir2meds", [f"raw_input_dir={fhir}", f"root_output_dir={place}/fhir"]),
        ):
            if not (programs / name).exists():
                found[name] = "not installed"
                continue
            try:
                found[name] = measure([str(programs / name), *command], lambda: records)
            except RuntimeError as error:
                found[name] = f"fails: {str(error).strip().splitlines()[-1][:80]}"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=10_000, help="of the smaller delivery (default: 10000)")
    parser.add_argument(
        "--peers", type=Path, default=Path(sys.executable).parent, help="folder where meds_etl_omop and fhir2meds are"
    )
    options = parser.parse_args()
    patients = options.patients
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    print(f"{'':28}{'records':>12}{'seconds':>9}{'records/s':>12}{'memory MB':>11}")
    with tempfile.TemporaryDirectory() as place:
        deliveries: dict[tuple[str, int], Path] = {}
        for times in (1, 10):
            for source, write in (("omop", write_omop), ("fhir", write_fhir)):
                folder = deliveries[source, times] = Path(place) / f"{source}-{times}"
                write(folder, patients * times)
                megabytes = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
                result = take_in(source, folder)
                _row(f"vigie, {source}, {megabytes:,.0f} MB", result)
        records = patients * PER_PATIENT
        for name, outcome in peers(options.peers, deliveries["omop", 1], deliveries["fhir", 1], records).items():
            _row(name, outcome) if isinstance(outcome, Result) else print(f"{name:28}{outcome}")


def _row(name: str, result: Result) -> None:
    print(
        f"{name:28}{result.records:12,}{result.seconds:9.1f}{result.rate:12,.0f}{result.megabytes:11,.0f}", flush=True
    )


if __name__ == "__main__":
    main()

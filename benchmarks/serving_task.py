"""The task of `benchmarks.serving`: a model of sixty features, made-up people, and what clinical software sends.

The model is LightGBM as the cardiovascular study fits it, on the people of `benchmarks.whole_study`. Records are those
of the synthetic population; a request is the whole file of somebody who is given a risk and has about 150 records.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.whole_study import FEATURES, population
from features.catalogue.cardiovascular import ADULTS_40_TO_79, REQUIRED_MEASUREMENTS
from features.records import Records
from features.sources.fhir.writing import write_fhir
from features.sources.meds.subjects import subjects_file
from features.synthetic import DELIVERED_AT, synthesise
from serving.cds_hooks.discovery import templates
from serving.contract import Risk, now
from serving.desk import said
from serving.gate import Admitted, admit
from serving.reading import asking_of, read
from tests.serving import bundles, files
from training.artefact import Artefact, save
from training.committee import generate_key, save_public_key
from training.models import gradient_boosting
from training.scales import ESC_2021

#: Landmarks the model learns from, people from whose files those that are sent are drawn, and how many are sent.
LANDMARKS: Final = 20_000
PEOPLE: Final = 2_000
SENT: Final = 60
RECORDS: Final = range(130, 171)
AS_OF: Final = f"{DELIVERED_AT.isoformat()}Z"


@dataclass(frozen=True)
class Approved:
    """A bundle, the folder of the keys whose approval counts, and the model as the gate admits it."""

    bundle: Path
    keys: Path
    admitted: Admitted


def approved(folder: Path) -> Approved:
    """Fit the model, and return the bundle that is served of it."""
    X, followup, _ = population(LANDMARKS)
    model = gradient_boosting(FEATURES).fit(X, followup)
    made = Artefact("cardiovascular", model, FEATURES, ADULTS_40_TO_79, REQUIRED_MEASUREMENTS, "score2", ESC_2021)
    save(made, folder / "model", X)
    key, keys = generate_key(), folder / "keys"
    keys.mkdir()
    save_public_key(key, keys / "committee.pem")
    (folder / "bundle").mkdir()
    bundle = bundles.whole(folder / "bundle", folder / "model", key)
    return Approved(bundle, keys, admit(bundle, keys, now()))


@dataclass(frozen=True)
class Patient:
    """Somebody's file as each door wants it, and the probability that the process itself gives for it at `AS_OF`."""

    json: bytes
    fhir: bytes
    hook: bytes
    features: Mapping[str, float | None]
    risk: float


def patients(admitted: Admitted, folder: Path) -> tuple[Patient, ...]:
    """Return the people whose files are sent."""
    table = _with_about_150(synthesise(folder / "people", patients=PEOPLE, shards=1).table(0))
    found: dict[str, tuple[bytes, Risk, Mapping[str, float | None]]] = {}
    for patient, body in _bodies(table):
        reading = read(asking_of(body), admitted.concepts)
        answer = said(admitted, reading)
        if isinstance(answer, Risk):
            values = admitted.artefact.features.evaluator(reading.history, reading.as_of)
            found[patient] = body, answer, dict(zip(admitted.artefact.features, values, strict=True))
        if len(found) == SENT:
            break
    sent = Records.create(folder / "sent", shards=1)
    theirs = table.filter(pc.is_in(table.column("patient"), pa.array(list(found))))
    sent.append(theirs, name="sent", delivered_at=DELIVERED_AT, concepts=())
    resources, asked = _resources(sent, folder / "fhir"), templates(admitted.concepts)
    return tuple(
        Patient(body, _operation(resources[patient]), _hook(resources[patient], asked), values, answer.risk)
        for patient, (body, answer, values) in found.items()
    )


def _with_about_150(table: pa.Table) -> pa.Table:
    many = pc.value_counts(table.column("patient")).to_pylist()
    wanted = [each["values"] for each in many if each["counts"] in RECORDS]
    return table.filter(
        pc.and_(pc.is_in(table.column("patient"), pa.array(wanted)), pc.is_null(table.column("retracted_at")))
    )


def _bodies(table: pa.Table) -> Iterator[tuple[str, bytes]]:
    """Yield the body of `POST /score` for each patient, in their order."""
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in table.to_pylist():
        rows[row["patient"]].append(_record(row))
    for patient in sorted(rows):
        yield patient, json.dumps({"as_of": AS_OF, "records": rows[patient]}, separators=(",", ":")).encode()


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    system, _, code = row["code"].partition(":")
    told = {
        "system": system,
        "code": code,
        "happened_at": f"{row['happened_at'].isoformat()}Z",
        "known_at": f"{row['known_at'].isoformat()}Z",
        "value": row["value"],
        "unit": row["unit"],
    }
    return {name: value for name, value in told.items() if value is not None}


def _resources(records: Records, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return everybody's file as FHIR R4 has it."""
    write_fhir(records, folder, dataset_name="benchmark", dataset_version="1")
    subjects = pq.read_table(subjects_file(folder)).to_pydict()
    names = dict(zip(subjects["subject_id"], subjects["patient"], strict=True))
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for file in sorted(folder.glob("*.ndjson")):
        for line in file.read_bytes().splitlines():
            resource = json.loads(line)
            subject = resource.get("subject") or resource.get("patient") or {}
            identity = resource["id"] if file.stem == "Patient" else subject.get("reference", "").rpartition("/")[2]
            if identity in names:
                found[names[identity]].append(resource)
    return found


def _operation(resources: list[dict[str, Any]]) -> bytes:
    told = files.parameters(bundle=files.bundle(resources), as_of=AS_OF)
    return json.dumps(told, separators=(",", ":")).encode()


def _hook(resources: list[dict[str, Any]], asked: dict[str, str]) -> bytes:
    (identity,) = (each["id"] for each in resources if each["resourceType"] == "Patient")
    told = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/example", "patientId": identity},
        "prefetch": files.prefetched(asked, files.bundle(resources)),
    }
    return json.dumps(told, separators=(",", ":")).encode()

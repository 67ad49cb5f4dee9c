"""Patients' files as FHIR writes them."""

from __future__ import annotations

import copy
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"
PRACTICE = "urn:vigie:practice"
AS_OF = "2025-03-03T09:00:00+01:00"
Resource = dict[str, Any]


def observation(identity: str, code: str, at: str, *, system: str = LOINC, **value: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": "Patient/anna"},
        "effectiveDateTime": at,
        **value,
    }


def quantity(value: float, unit: str) -> Resource:
    return {"valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit}}


def pressure(identity: str, at: str, systolic: float) -> Resource:
    """A panel of which one component is read; the other, the mean pressure, is no concept of the catalogue's."""

    def component(code: str, value: float) -> Resource:
        return {"code": {"coding": [{"system": LOINC, "code": code}]}, **quantity(value, "mm[Hg]")}

    components = [component("8480-6", systolic), component("8478-0", 105)]
    return observation(identity, "85354-9", at, component=components)


def registered(at: str, patient: str = "anna") -> Resource:
    """Since when a patient is registered with the practice."""
    said = observation("registered", "registered", at, system=PRACTICE, valueBoolean=True)
    return said | {"subject": {"reference": f"Patient/{patient}"}}


def _about(kind: str, identity: str, **said: Any) -> Resource:
    return {"resourceType": kind, "id": identity, "subject": {"reference": "Patient/anna"}, **said}


#: The woman of 62 of the documentation, as FHIR has her.
RESOURCES: list[Resource] = [
    {"resourceType": "Patient", "id": "anna", "gender": "female", "birthDate": "1962-06-14"},
    registered("2011-09-05"),
    pressure("bp1", "2023-11-20T10:10:00+01:00", 148),
    pressure("bp2", "2024-06-11T09:20:00+02:00", 156),
    pressure("bp3", "2025-02-10T09:40:00+01:00", 162),
    observation(
        "total", "14647-2", "2024-10-02T07:50:00+02:00", issued="2024-10-04T18:00:00+02:00", **quantity(6.2, "mmol/L")
    ),
    observation(
        "hdl", "14646-4", "2024-10-02T07:50:00+02:00", issued="2024-10-04T18:00:00+02:00", **quantity(0.46, "g/L")
    ),
    observation("bmi", "39156-5", "2025-02-10T09:40:00+01:00", **quantity(27.4, "kg/m2")),
    observation(
        "smoking",
        "72166-2",
        "2024-06-11T09:20:00+02:00",
        valueCodeableConcept={"coding": [{"system": LOINC, "code": "LA18976-3"}]},
    ),
    _about(
        "MedicationRequest",
        "ramipril",
        status="active",
        intent="order",
        authoredOn="2025-02-10T09:55:00+01:00",
        medicationCodeableConcept={"coding": [{"system": "http://www.whocc.no/atc", "code": "C09AA05"}]},
    ),
    _about(
        "Condition",
        "hypertension",
        onsetDateTime="2023-11-20T10:10:00+01:00",
        code={"coding": [{"system": "http://hl7.org/fhir/sid/icpc-2", "code": "K86"}]},
    ),
    *(
        _about("Encounter", identity, status="finished", period={"start": at, "end": at}, **{"class": {"code": "AMB"}})
        for identity, at in (("visit1", "2024-06-11T09:20:00+02:00"), ("visit2", "2025-02-10T09:40:00+01:00"))
    ),
]


def bundle(resources: list[Resource] | None = None, kind: str = "collection") -> Resource:
    """A Bundle of some resources, the documented woman's by default."""
    entries = [{"resource": each} for each in copy.deepcopy(RESOURCES if resources is None else resources)]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def without(*identities: str) -> Resource:
    """The documented woman's file without some resources."""
    return bundle([each for each in RESOURCES if each["id"] not in identities])


def parameters(**given: Any) -> Resource:
    """Parameters for the operation: a resource, or a value by its type."""
    kinds = {"bundle": "resource", "as_of": "valueDateTime"}
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": name, kinds.get(name, "valueCode"): value} for name, value in given.items()],
    }


def synthea(shared: Callable[[str], Path], count: int | None = None) -> Iterator[tuple[str, Resource]]:
    """Bundles of Synthea, smallest first, each with its patient's registration, which Synthea does not write."""
    with zipfile.ZipFile(shared("data/fhir_synthea/bundles.zip")) as archive:
        names = sorted(archive.namelist(), key=lambda name: (archive.getinfo(name).file_size, name))
        for name in names[:count]:
            document = json.loads(archive.read(name))
            (patient,) = (
                each["resource"] for each in document["entry"] if each["resource"]["resourceType"] == "Patient"
            )
            # Synthea's patients exist from birth on; they are registered from their tenth birthday on here.
            born = patient["birthDate"]
            document["entry"].append({"resource": registered(f"{int(born[:4]) + 10}-03-01", patient["id"])})
            yield patient["id"], document


def prefetched(templates: dict[str, str], document: Resource) -> Resource:
    """What a CDS client sends for these templates if its server holds this file, by the rules of FHIR search."""
    resources = [entry["resource"] for entry in document["entry"]]
    (patient,) = (each for each in resources if each["resourceType"] == "Patient")
    answers: Resource = {}
    for key, template in templates.items():
        query = template.replace("{{context.patientId}}", patient["id"])
        kind, _, search = query.partition("?")
        if not search:
            assert query == f"Patient/{patient['id']}"
            answers[key] = patient
            continue
        asked = dict(part.split("=", 1) for part in search.split("&"))
        assert asked.pop("patient") == patient["id"]
        codes = asked.pop("code").split(",") if "code" in asked else None
        assert asked == {}, "no other parameter is known here"
        found = [
            each for each in resources if each["resourceType"] == kind and (codes is None or _has_code(each, codes))
        ]
        entries = [{"resource": each, "search": {"mode": "match"}} for each in found]
        answers[key] = {"resourceType": "Bundle", "type": "searchset", "entry": entries} if entries else None
    return answers


def _has_code(resource: Resource, codes: list[str]) -> bool:
    codings = resource.get("code", {}).get("coding", [])
    return any(f"{coding.get('system')}|{coding.get('code')}" in codes for coding in codings)

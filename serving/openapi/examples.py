"""Examples that run as they are: the same woman through every door.

They are kept at one moment, `AS_OF`; what is shown to be tried is moved to today (`of_today`), births included, so that
nobody in it grows older and no measurement too old.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

from features.codes import SYSTEMS
from serving.contract import now
from serving.reading import Asking, asking_of
from training.values import Bilingual

AS_OF: Final = "2025-03-03T09:00:00+01:00"
DAY: Final = re.compile(r"(\d{4}-\d\d-\d\d)(T.*)?")


def _record(code: str, happened_at: str, value: float | None = None, unit: str | None = None, **more: Any) -> Any:
    system, _, value_of_code = code.partition(":")
    measured = {} if value is None else {"value": value, "unit": unit}
    return {"system": system, "code": value_of_code, "happened_at": happened_at, **measured, **more}


_WOMAN_OF_62: Final = [
    _record("PRACTICE:birth", "1962-06-14"),
    _record("PRACTICE:female", "1962-06-14"),
    _record("PRACTICE:registered", "2011-09-05"),
    _record("LOINC:8480-6", "2023-11-20T10:10:00+01:00", 148, "mm[Hg]"),
    _record("LOINC:8480-6", "2024-06-11T09:20:00+02:00", 156, "mm[Hg]"),
    _record("LOINC:8480-6", "2025-02-10T09:40:00+01:00", 162, "mm[Hg]"),
    _record("LOINC:14647-2", "2024-10-02T07:50:00+02:00", 6.2, "mmol/L", known_at="2024-10-04T18:00:00+02:00"),
    _record("LOINC:14646-4", "2024-10-02T07:50:00+02:00", 0.46, "g/L", known_at="2024-10-04T18:00:00+02:00"),
    _record("LOINC:39156-5", "2025-02-10T09:40:00+01:00", 27.4, "kg/m2"),
    _record("LOINC:LA18976-3", "2024-06-11T09:20:00+02:00"),
    _record("ATC:C09AA05", "2025-02-10T09:55:00+01:00"),
    _record("CISP2:K86", "2023-11-20T10:10:00+01:00"),
    _record("PRACTICE:consultation", "2024-06-11T09:20:00+02:00"),
    _record("PRACTICE:consultation", "2025-02-10T09:40:00+01:00"),
]

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "risk": {
        "summary": "A woman of 62 who smokes, with a raised blood pressure: a risk",
        "description": "HDL cholesterol came in g/L, two days after the blood was taken.",
        "value": {"as_of": AS_OF, "records": _WOMAN_OF_62},
    },
    "abstention": {
        "summary": "The same woman without a blood pressure: an abstention",
        "description": "Blood pressure was last measured more than two years ago.",
        "value": {
            "as_of": AS_OF,
            "records": [
                *(record for record in _WOMAN_OF_62 if record["code"] != "8480-6"),
                _record("LOINC:8480-6", "2022-05-03T11:00:00+02:00", 141, "mm[Hg]"),
            ],
        },
    },
}


def request_of(example: str) -> Asking:
    """Return what an example asks, read as one that came over the network."""
    return asking_of(json.dumps(EXAMPLES[example]["value"]).encode())


def of_today(example: Any, today: date | None = None) -> Any:
    """Return an example with all its dates moved alike, so that the day of `AS_OF` is today."""
    days = ((today or now().date()) - date.fromisoformat(AS_OF[:10])).days
    return _moved(example, timedelta(days=days))


def _moved(value: Any, by: timedelta) -> Any:
    if isinstance(value, dict):
        return {name: _moved(each, by) for name, each in value.items()}
    if isinstance(value, list):
        return [_moved(each, by) for each in value]
    found = DAY.fullmatch(value) if isinstance(value, str) else None
    return (date.fromisoformat(found[1]) + by).isoformat() + (found[2] or "") if found else value


BATCH: Final = {"requests": [example["value"] for example in EXAMPLES.values()]}

# --- The same in FHIR -------------------------------------------------------------------------------------

_UCUM: Final = "http://unitsofmeasure.org"
_PATIENT: Final = "example"
_SMOKING: Final = "LOINC:72166-2"
_PANEL: Final = "LOINC:85354-9"
_PRESSURE: Final = "LOINC:8480-6"
_Resource = dict[str, Any]


def bundle(example: str = "risk") -> _Resource:
    """Return the file of an example as FHIR R4 has it."""
    records: list[_Resource] = _request(example)["records"]
    codes = {f"{each['system']}:{each['code']}": each["happened_at"] for each in records}
    patient = {
        "resourceType": "Patient",
        "id": _PATIENT,
        "gender": "female" if "PRACTICE:female" in codes else "male",
        "birthDate": codes["PRACTICE:birth"],
    }
    said = [_resource(number, each) for number, each in enumerate(records, 1) if each["code"] not in _OF_PATIENT]
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in (patient, *said)]}


_OF_PATIENT: Final = ("birth", "female", "male")


def _resource(number: int, record: _Resource) -> _Resource:
    """Return a record as the resource that says it."""
    system, code, at = record["system"], record["code"], record["happened_at"]
    about = {"id": f"{number}", "subject": {"reference": f"Patient/{_PATIENT}"}}
    if system == "ATC":
        told = {"status": "active", "intent": "order", "authoredOn": at}
        return {
            "resourceType": "MedicationRequest",
            **about,
            **told,
            "medicationCodeableConcept": _concept(system, code),
        }
    if system in ("CISP2", "CIM10"):
        return {"resourceType": "Condition", **about, "onsetDateTime": at, "code": _concept(system, code)}
    if code == "consultation":
        kind = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
        return {
            "resourceType": "Encounter",
            **about,
            "status": "finished",
            "class": kind,
            "period": {"start": at, "end": at},
        }
    observed = {"resourceType": "Observation", **about, "status": "final", "effectiveDateTime": at}
    if "known_at" in record:
        observed["issued"] = record["known_at"]
    if system == "PRACTICE":
        return {**observed, "code": _concept(system, code), "valueBoolean": True}
    if code.startswith("LA"):
        return {**observed, "code": _concept(*_SMOKING.split(":")), "valueCodeableConcept": _concept(system, code)}
    unit = record.get("unit")
    coded = {"unit": unit, "system": _UCUM, "code": unit} if unit else {}
    quantity = {"valueQuantity": {"value": record["value"], **coded}}
    if f"{system}:{code}" == _PRESSURE:
        return {
            **observed,
            "code": _concept(*_PANEL.split(":")),
            "component": [{"code": _concept(system, code), **quantity}],
        }
    return {**observed, "code": _concept(system, code), **quantity}


def _concept(system: str, code: str) -> _Resource:
    return {"coding": [{"system": SYSTEMS[system].uri, "code": code}]}


def parameters(example: str = "risk") -> _Resource:
    """Return what is asked of ``RiskAssessment/$evaluate`` about an example, at its own time."""
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "bundle", "resource": bundle(example)},
            {"name": "as_of", "valueDateTime": AS_OF},
            {"name": "language", "valueCode": "en"},
        ],
    }


# --- The same in CDS Hooks --------------------------------------------------------------------------------


def call(templates: Mapping[str, str], example: str = "risk", today: date | None = None) -> _Resource:
    """Return what a CDS client sends when the file of an example is opened, today if no other day is given."""
    resources = [entry["resource"] for entry in of_today(bundle(example), today)["entry"]]
    prefetch: _Resource = {}
    for key, template in templates.items():
        kind = template.partition("?")[0].partition("/")[0]
        found = [each for each in resources if each["resourceType"] == kind]
        if key == "patient":
            prefetch[key] = found[0]
        else:
            entries = [{"resource": each} for each in found]
            prefetch[key] = {"resourceType": "Bundle", "type": "searchset", "entry": entries} if found else None
    return {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/example", "patientId": _PATIENT},
        "prefetch": prefetch,
    }


# --- To be picked on a page -------------------------------------------------------------------------------

_PATIENTS: Final = {
    "risk": Bilingual(
        fr="Femme de 62 ans, fumeuse, pression artérielle élevée",
        en="Woman of 62 who smokes, with a raised blood pressure",
    ),
    "abstention": Bilingual(
        fr="La même, sans mesure récente de la pression artérielle",
        en="The same woman, without a recent blood pressure",
    ),
    "unused": Bilingual(
        fr="La même, avec des mesures que le service écarte (sans unité, invraisemblable)",
        en="The same woman, with measurements that are not used (no unit, implausible)",
    ),
}


def patients(today: date | None = None) -> list[_Resource]:
    """Return patients to try the service out with, each in both forms, as of today if no other day is given."""
    return [
        {
            "name": name,
            "fr": title.fr,
            "en": title.en,
            "request": of_today(_request(name), today),
            "bundle": of_today(bundle(name), today),
        }
        for name, title in _PATIENTS.items()
    ]


def _request(example: str) -> _Resource:
    if example in EXAMPLES:
        found: _Resource = EXAMPLES[example]["value"]
        return found
    more = [
        _record("LOINC:8480-6", "2025-02-24T10:00:00+01:00", 1600, "mm[Hg]"),
        {"system": "LOINC", "code": "14646-4", "happened_at": "2025-02-24T10:00:00+01:00", "value": 0.5},
    ]
    return {"as_of": AS_OF, "records": [*_WOMAN_OF_62, *more]}


FEEDBACK: Final = {
    "feedback": [
        {
            "card": "4e0a3a1e-3283-4575-ab82-028d55fe2719",
            "outcome": "overridden",
            "overrideReason": {"reason": {"system": "urn:vigie:cds-hooks:override-reason", "code": "already-managed"}},
            "outcomeTimestamp": "2025-03-03T09:05:00Z",
        }
    ]
}

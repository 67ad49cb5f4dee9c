"""What the FHIR door can do, as FHIR says it: a CapabilityStatement and the definition of its one operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from features.sources.fhir.frames import KNOWN_AT
from serving.fhir.asking import MEDIA
from serving.gate import Admitted

FHIR_VERSION: Final = "4.0.1"
OPERATION: Final = "vigie-evaluate"
CHANGED: Final = "2026-11-25"
TITLE: Final = "Vigie"

ABOUT: Final = (
    "Reads one patient's Bundle and answers with a RiskAssessment. A risk has status 'final' and one prediction, whose "
    "probabilityDecimal is a percentage (0 to 100). An abstention has status 'cancelled', no prediction, and the "
    "extension urn:vigie:fhir:abstention once a reason. Nothing of a request is kept. No query string is taken.\n\n"
    "Read of the Bundle: Patient, Encounter, EpisodeOfCare, Condition, Observation, MedicationRequest, "
    "MedicationStatement, MedicationAdministration, Procedure, Immunization, DiagnosticReport, AllergyIntolerance, "
    "Coverage; Medications that they refer to. Names, identifiers, addresses and texts are not read: leave them out. "
    "Since when the patient is registered with the practice is said by an EpisodeOfCare, or by an Observation with the "
    "code 'registered' of urn:vigie:practice, valueBoolean true and effectiveDateTime the day; 'left' says when the "
    "patient left.\n\nA measurement is an Observation with a valueQuantity whose code is its UCUM unit; a blood "
    "pressure is a component of a panel (85354-9) or stands alone (8480-6). Whether somebody smokes is the coded "
    f"answer to an Observation such as 72166-2. A resource was known {KNOWN_AT}."
)


def capability_statement(known: Sequence[Admitted], home: str) -> dict[str, Any]:
    """Return what this server can do.

    Parameters
    ----------
    known
        The models that are served.
    home
        Address of the service, without its last slash.
    """
    titles = "; ".join(f"{each.artefact.study}, {each.artefact.model.title.en}" for each in known)
    served = f"Served: {titles}." if known else "No model is served."
    return {
        "resourceType": "CapabilityStatement",
        "name": TITLE,
        "title": TITLE,
        "status": "active",
        "date": CHANGED,
        "kind": "instance",
        "software": {"name": TITLE},
        "implementation": {"description": served, "url": f"{home}/fhir"},
        "fhirVersion": FHIR_VERSION,
        "format": list(MEDIA),
        "rest": [
            {
                "mode": "server",
                "documentation": ABOUT,
                "resource": [
                    {
                        "type": "RiskAssessment",
                        "operation": [
                            {"name": "evaluate", "definition": f"{home}/fhir/OperationDefinition/{OPERATION}"}
                        ],
                    },
                    {"type": "OperationDefinition", "interaction": [{"code": "read"}]},
                ],
            }
        ],
    }


def operation_definition(home: str) -> dict[str, Any]:
    """Return the definition of ``RiskAssessment/$evaluate``."""
    return {
        "resourceType": "OperationDefinition",
        "id": OPERATION,
        "url": f"{home}/fhir/OperationDefinition/{OPERATION}",
        "name": "Evaluate",
        "title": "Estimate one patient's risk, or abstain",
        "status": "active",
        "kind": "operation",
        "date": CHANGED,
        "description": ABOUT,
        "affectsState": False,
        "code": "evaluate",
        "resource": ["RiskAssessment"],
        "system": False,
        "type": True,
        "instance": False,
        "parameter": [
            _parameter("bundle", "in", "Bundle", "The patient's file. It may also be the body itself.", least=1),
            _parameter(
                "study",
                "in",
                "code",
                "Whose model should answer, such as 'cardiovascular'; the first of /models, if left out.",
            ),
            _parameter(
                "as_of",
                "in",
                "dateTime",
                "The risk is estimated from what was known strictly before this moment; now, if left out.",
            ),
            _parameter("language", "in", "code", "Of the texts: fr or en. Accept-Language says it too; fr otherwise."),
            _parameter("return", "out", "RiskAssessment", "A risk, or an abstention and its reasons.", least=1),
        ],
    }


def _parameter(name: str, use: str, kind: str, about: str, least: int = 0) -> dict[str, Any]:
    return {"name": name, "use": use, "min": least, "max": "1", "documentation": about, "type": kind}

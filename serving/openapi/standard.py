"""The standard doors, as OpenAPI describes them: FHIR R4 and CDS Hooks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from features.typography import LANGUAGES
from serving import fhir
from serving.cds_hooks import services
from serving.cds_hooks.cards import ALL_REASONS
from serving.cds_hooks.discovery import USAGE, service_id, templates
from serving.contract import Fault, Problem
from serving.fhir.metadata import ABOUT, OPERATION
from serving.gate import Admitted
from serving.openapi.examples import FEEDBACK, bundle, call, of_today, parameters
from serving.openapi.parts import LANGUAGE, Element, answer, body, one_of, refusals

FHIR: Final = "FHIR R4"
CDS_HOOKS: Final = "CDS Hooks"
TAGS: Final = (
    {"name": FHIR, "description": "A patient's Bundle in, a RiskAssessment out."},
    {"name": CDS_HOOKS, "description": "A card when a patient's file is opened. Version 2.0; 3.0 is understood."},
)
HOOK_REFUSALS: Final = "400 413 415 422 500"


def _parameter(name: str, **value: Element) -> Element:
    """Return one of the Parameters: its name and its value, and nothing else."""
    return {
        "type": "object",
        "required": ["name", *value],
        "properties": {"name": {"const": name}, "id": {}, **value},
        "additionalProperties": False,
    }


def _resource(kind: str, about: str, **properties: Any) -> Element:
    return {
        "type": "object",
        "description": about,
        "required": [
            "resourceType",
            *(name for name in ("type", "status", "issue", "parameter", "entry") if name in properties),
        ],
        "properties": {"resourceType": {"const": kind}, **properties},
    }


_MOMENT: Final = [{"format": "date-time"}, {"format": "date"}]

SCHEMAS: Final = {
    "Bundle": _resource(
        "Bundle",
        "One patient's resources: a searchset, collection, transaction, batch, document or message.",
        type={"enum": ["searchset", "collection", "transaction", "batch", "document", "message"]},
        entry={"type": "array", "items": {"type": "object", "properties": {"resource": {"type": "object"}}}},
    ),
    "Parameters": _resource(
        "Parameters",
        "A Bundle and what else is asked, each once: bundle, study, as_of, language.",
        parameter={
            "type": "array",
            "minItems": 1,
            "maxItems": len(fhir.asking.VALUES),
            "items": {
                "oneOf": [
                    _parameter("bundle", resource={"$ref": "#/components/schemas/Bundle"}),
                    _parameter("study", valueCode={"type": "string"}),
                    _parameter("as_of", valueDateTime={"type": "string", "anyOf": _MOMENT}),
                    _parameter("language", valueCode={"enum": list(LANGUAGES)}),
                ]
            },
            "contains": {"required": ["name"], "properties": {"name": {"const": "bundle"}}},
        },
        id={},
        meta={},
        language={},
    )
    | {"additionalProperties": False},
    "RiskAssessment": _resource(
        "RiskAssessment",
        "A risk (status final, one prediction, its probabilityDecimal a percentage), or an abstention (cancelled).",
        status={"enum": ["final", "cancelled"]},
        prediction={
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"probabilityDecimal": {"type": "number", "minimum": 0, "maximum": 100}},
            },
        },
    ),
    "OperationOutcome": _resource(
        "OperationOutcome",
        "Why there is no answer: one issue a fault, without what was sent.",
        issue={"type": "array", "items": {"type": "object"}, "minItems": 1},
    ),
    "CapabilityStatement": _resource("CapabilityStatement", "What this server can do."),
    "OperationDefinition": _resource("OperationDefinition", "What the operation takes and returns."),
    "Services": {
        "type": "object",
        "required": ["services"],
        "properties": {
            "services": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["hook", "id", "description"],
                    "properties": {
                        "hook": {"const": "patient-view"},
                        "id": {"type": "string"},
                        "title": {"type": "string"},
                        "description": {"type": "string"},
                        "prefetch": {"type": "object", "additionalProperties": {"type": "string"}},
                        "usageRequirements": {"type": "string"},
                    },
                },
            }
        },
    },
    "Cards": {
        "type": "object",
        "required": ["cards"],
        "properties": {
            "cards": {
                "type": "array",
                "maxItems": 1,
                "description": "None while no model may be used, and about screening for whom no test is due.",
                "items": {
                    "type": "object",
                    "required": ["uuid", "summary", "indicator", "source"],
                    "properties": {
                        "uuid": {"type": "string", "format": "uuid"},
                        "summary": {"type": "string", "maxLength": 139},
                        "detail": {"type": "string", "description": "GitHub-flavoured Markdown."},
                        "indicator": {"enum": ["info", "warning"]},
                        "source": {"type": "object"},
                        "links": {"type": "array", "items": {"type": "object"}},
                        "overrideReasons": {
                            "type": "array",
                            "items": {"type": "object", "properties": {"code": {"enum": list(ALL_REASONS)}}},
                        },
                    },
                },
            }
        },
    },
}


def _two(*faults: Fault) -> Element:
    """Return an example of a refusal that lists two faults."""
    problem = Problem(code="invalid", message="the request has 2 faults, all of them listed", faults=faults)
    return {"two": {"summary": "Two faults at once", "value": json.loads(fhir.operation_outcome(problem))}}


def _schema(name: str) -> Element:
    return {"$ref": f"#/components/schemas/{name}"}


def _told(statuses: str, media: str = fhir.FHIR_JSON, faulty: Element | None = None) -> Element:
    return refusals(_schema("OperationOutcome"), statuses, faulty, media)


def fhir_paths() -> dict[str, Any]:
    """Return the FHIR door's operations."""
    asked = {
        "parameters": {
            "summary": "A Bundle, at a moment, in English: a risk",
            "value": of_today(parameters()),
        },
        "bundle": {"summary": "A Bundle alone, as of now, in the language of the headers", "value": of_today(bundle())},
        "abstention": {
            "summary": "Without a recent blood pressure: an abstention",
            "value": of_today(parameters("abstention")),
        },
    }
    wrong = _two(
        Fault(where="Parameters.parameter[1].valueDateTime", expected="a date or a date-time", code="moment"),
        Fault(where="Parameters.parameter[2].valueCode", expected="fr or en", code="language"),
    )
    either = {"oneOf": [_schema("Parameters"), _schema("Bundle")]}
    return {
        "/fhir/RiskAssessment/$evaluate": {
            "post": {
                "tags": [FHIR],
                "operationId": "evaluate",
                "summary": "Estimate a patient's risk from a Bundle, or abstain",
                "description": ABOUT,
                "parameters": [LANGUAGE],
                "requestBody": body(either, asked, fhir.MEDIA),
                "responses": {
                    "200": answer("A risk, or an abstention.", _schema("RiskAssessment"), media=fhir.FHIR_JSON),
                    **_told("400 404 406 413 415 422 500 503", faulty=wrong),
                },
            }
        },
        "/fhir/metadata": {
            "get": {
                "tags": [FHIR],
                "operationId": "metadata",
                "summary": "What this server can do",
                "responses": {
                    "200": answer("Its capabilities.", _schema("CapabilityStatement"), media=fhir.FHIR_JSON),
                    **_told("406"),
                },
            }
        },
        f"/fhir/OperationDefinition/{OPERATION}": {
            "get": {
                "tags": [FHIR],
                "operationId": "operation",
                "summary": "What the operation takes and returns",
                "responses": {
                    "200": answer("Its definition.", _schema("OperationDefinition"), media=fhir.FHIR_JSON),
                    **_told("406"),
                },
            }
        },
    }


def cds_hooks_paths(known: Sequence[Admitted], called: Element, feedback: Element) -> dict[str, Any]:
    """Return the CDS Hooks door's operations.

    Parameters
    ----------
    known
        The models that are served.
    called, feedback
        Schemas of a call and of feedback.
    """
    wanted = {key: asked for each in known for key, asked in templates(each.concepts).items()}
    calls = {
        "risk": {"summary": "The woman of 62: a card with her risk", "value": call(wanted)},
        "abstention": {
            "summary": "Without a recent blood pressure: a card that says so",
            "value": call(wanted, "abstention"),
        },
    }
    service = one_of("id", [service_id(each.artefact.study) for each in known], service_id("cardiovascular"))
    wrong = _two(
        Fault(where="hookInstance", expected="a UUID", code="uuid"),
        Fault(where="context.patientId", expected="this field, which is required", code="missing"),
    )
    found = {"services": {"summary": "What is served", "value": {"services": services(known)}}}
    return {
        "/cds-services": {
            "get": {
                "tags": [CDS_HOOKS],
                "operationId": "discover",
                "summary": "Which services there are, and what each wants to be sent along",
                "responses": {"200": answer("None while no model may be used.", _schema("Services"), found)},
            }
        },
        "/cds-services/{id}": {
            "post": {
                "tags": [CDS_HOOKS],
                "operationId": "call",
                "summary": "A patient's file was opened: a card, in French or in English",
                "description": USAGE,
                "parameters": [service, LANGUAGE],
                "requestBody": body(called, calls if wanted else None),
                "responses": {
                    "200": answer("A card.", _schema("Cards")),
                    **_told(f"404 412 {HOOK_REFUSALS}", "application/json", wrong),
                },
            }
        },
        "/cds-services/{id}/feedback": {
            "post": {
                "tags": [CDS_HOOKS],
                "operationId": "feedback",
                "summary": "What was done with cards",
                "description": "Kept without comments and without anything about the patient or the user.",
                "parameters": [service],
                "requestBody": body(
                    feedback, {"overridden": {"summary": "A card that was set aside", "value": of_today(FEEDBACK)}}
                ),
                "responses": {
                    "200": {"description": "It was kept."},
                    **_told(f"404 {HOOK_REFUSALS} 503", "application/json"),
                },
            }
        },
    }

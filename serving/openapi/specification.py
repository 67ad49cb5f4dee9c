"""The service's documentation: an OpenAPI description whose examples run as they are.

What a request may hold is described from the definitions of the model that is served: which codes it reads, in which
units, within which limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from features.codes import Concept
from features.typography import LANGUAGES
from serving.cds_hooks import Call, Feedback
from serving.contract import (
    MOST_REQUESTS,
    Abstention,
    Answers,
    BatchRequest,
    Models,
    Problem,
    Risk,
    ScoreRequest,
    read,
)
from serving.gate import Admitted
from serving.openapi.access import SCHEMES, access_paths, guarded
from serving.openapi.access import TAG as ACCESS
from serving.openapi.examples import BATCH, EXAMPLES, request_of
from serving.openapi.parts import LANGUAGE, Element, answer, body, in_path, refusals
from serving.openapi.standard import SCHEMAS, TAGS, cds_hooks_paths, fhir_paths
from serving.scoring import DEMONSTRATION_NOTICE, NOTICE, score

TITLE: Final = "Vigie"
SUMMARY: Final = "Decision support for primary care: a patient's records in, a risk or an abstention out."
VERSION: Final = "1"

INTRODUCTION: Final = """
One patient's records in; the risk of the event within the horizon out, or an abstention with its reasons. The doors say
the same in three ways:

| Door | For whom | In | Out |
|---|---|---|---|
| `POST /score` | software that has its records at hand | the service's own JSON | JSON |
| `POST /fhir/RiskAssessment/$evaluate` | software that speaks FHIR R4 | a Bundle | a RiskAssessment |
| `POST /cds-services/{id}` | software that speaks CDS Hooks | a call with its prefetch | a card |

Open an operation below and choose **Try it out**: the examples run as they are.

- Send what the practice's file holds and nothing that identifies the patient: no name, no number, no address.
- Every record has a system, a code and the moment it happened. A record that reached the file later (a letter, a
  laboratory result) also has `known_at`. Only what happened and was known strictly before `as_of` counts.
- A measurement without a unit, in a unit its code does not accept, or outside plausible limits is not used; a warning
  says so.
- An abstention is an answer (200): `kind` tells `risk` from `abstention`.
- In the service's own JSON, unknown fields are refused at every level; all faults of a request are listed at once.
- Nothing of a patient is kept or written to a log.
- In production every request needs a token (`POST /oauth/token`); in development mode none does, and every answer says
  so in the header `Vigie-Mode: development`.
"""


def specification(admitted: Admitted | None) -> dict[str, Any]:
    """Return the OpenAPI 3.1 description of the service, for the model that is served (None if there is none)."""
    schemas, definitions = models_json_schema(
        [
            *((model, "validation") for model in (ScoreRequest, BatchRequest, Call, Feedback)),
            *((model, "serialization") for model in (Risk, Abstention, Answers, Models, Problem)),
        ],
        ref_template="#/components/schemas/{model}",
    )
    of = {model: schema for (model, _), schema in schemas.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": VERSION, "summary": SUMMARY, "description": _introduction(admitted)},
        "tags": [
            {"name": "Risk", "description": "Ask about a patient, in the service's own JSON."},
            *TAGS,
            {"name": "Models", "description": "What is served, and on whose decision."},
            ACCESS,
            {"name": "Health", "description": "For whoever runs the service."},
        ],
        "paths": guarded(
            {
                **_score_paths(admitted, of),
                **fhir_paths(),
                **cds_hooks_paths(admitted, of[Call], of[Feedback]),
                **_model_paths(admitted, of),
                **access_paths(),
                "/livez": _health("The process answers."),
                "/readyz": _health("An approved model is loaded and its approval is not over (503 otherwise)."),
            }
        ),
        "components": {"schemas": {**definitions["$defs"], **SCHEMAS}, "securitySchemes": SCHEMES},
    }


Schemas = Mapping[Any, Element]


def _score_paths(admitted: Admitted | None, of: Schemas) -> dict[str, Any]:
    """Return the operations in the service's own JSON."""
    said = {
        "oneOf": [of[Risk], of[Abstention]],
        "discriminator": {
            "propertyName": "kind",
            "mapping": {"risk": of[Risk]["$ref"], "abstention": of[Abstention]["$ref"]},
        },
    }
    batch = {"two": {"summary": "Both examples at once", "value": BATCH}}
    told = refusals(of[Problem], "400 413 415 422 500 503")
    return {
        "/score": {
            "post": {
                "tags": ["Risk"],
                "operationId": "score",
                "summary": "Estimate one patient's risk, or abstain",
                "description": _what_is_read(admitted),
                "requestBody": body(of[ScoreRequest], EXAMPLES),
                "responses": {"200": answer("A risk, or an abstention.", said, _answers(admitted)), **told},
            }
        },
        "/score/batch": {
            "post": {
                "tags": ["Risk"],
                "operationId": "score_batch",
                "summary": f"Answer for several patients, {MOST_REQUESTS} at most",
                "description": "The answers are those of `/score`, in the order of the requests.",
                "requestBody": body(of[BatchRequest], batch),
                "responses": {"200": answer("One answer a request.", of[Answers]), **told},
            }
        },
    }


def _model_paths(admitted: Admitted | None, of: Schemas) -> dict[str, Any]:
    """Return what is read about models."""
    study = in_path("study", {"type": "string", "example": _study(admitted)})
    language = in_path("language", {"type": "string", "enum": list(LANGUAGES)})
    page: Element = {"text/html": {"schema": {"type": "string"}}}
    document: Element = {"application/json": {"schema": {"type": "object"}}}
    told = refusals(of[Problem], "404 503")

    def card(operation: str, about: str, shown: Element, *parameters: Element) -> Element:
        return {
            "get": {
                "tags": ["Models"],
                "operationId": operation,
                "summary": about,
                "parameters": [study, *parameters],
                "responses": {"200": {"description": "The card.", "content": shown}, **told},
            }
        }

    return {
        "/models": {
            "get": {
                "tags": ["Models"],
                "operationId": "models",
                "summary": "List what is served, with its card and the committee's approval",
                "responses": {"200": answer("Models served here.", of[Models])},
            }
        },
        "/models/{study}/card": card(
            "card",
            "The model card, as a page or as JSON by Accept, in the preferred language",
            page | document,
            LANGUAGE,
        ),
        "/models/{study}/card.json": card(
            "card_document", "The model card, as the committee decided about it", document
        ),
        "/models/{study}/card.{language}.html": card("card_page", "The model card, as a page", page, language),
    }


def _answers(admitted: Admitted | None) -> dict[str, Any]:
    """Return what the model that is served answers to the examples."""
    if admitted is None:
        return {}
    readings = {name: read(request_of(name), admitted.concepts) for name in EXAMPLES}
    return {
        name: {
            "summary": EXAMPLES[name]["summary"],
            "value": score(admitted, reading.history, reading.as_of).model_dump(mode="json"),
        }
        for name, reading in readings.items()
    }


def _health(meaning: str) -> dict[str, Any]:
    return {"get": {"tags": ["Health"], "summary": meaning, "responses": {"200": {"description": meaning}}}}


def _study(admitted: Admitted | None) -> str:
    return admitted.artefact.study if admitted else "cardiovascular"


def _introduction(admitted: Admitted | None) -> str:
    if admitted is None:
        return f"**No model is served: the gate refused the bundle.** {NOTICE.en}\n{INTRODUCTION}"
    notice = DEMONSTRATION_NOTICE if admitted.demonstration else NOTICE
    study, horizon = admitted.artefact.study, admitted.artefact.model.horizon_
    served = (
        f"Served: **{study}**, {admitted.artefact.model.title}, over {horizon:g} years; approved until "
        f"{admitted.decision.valid_until}. Model card: [français](models/{study}/card.fr.html), "
        f"[English](models/{study}/card.en.html)."
    )
    return f"**{notice.fr}**\n\n**{notice.en}**\n\n{served}\n{INTRODUCTION}"


def _what_is_read(admitted: Admitted | None) -> str:
    """Return the tables of the codes and units that are read, from the definitions themselves."""
    if admitted is None:
        return "No model is served."
    artefact = admitted.artefact
    conditions = [*artefact.population.values(), *artefact.required.values()]
    return "\n".join(
        [
            "A risk is given to a patient for whom all of these hold; otherwise each that does not is a reason to "
            "abstain:",
            "",
            *(f"- `{condition.name}`: {condition.en}" for condition in conditions),
            "",
            "These records are read; others may be sent and change nothing. In CIM10, ATC and PRACTICE a code stands "
            "for those that begin with it.",
            "",
            "| What | Codes | Unit (others accepted) | Believed from–to |",
            "|---|---|---|---|",
            *map(_line, admitted.concepts),
        ]
    )


def _line(concept: Concept) -> str:
    if concept.categories:
        codes = "; ".join(f"{name}: {', '.join(f'`{code}`' for code in of)}" for name, of in concept.categories)
    else:
        codes = ", ".join(f"`{code}`" for code in concept.codes)
    others = ", ".join(f"`{unit}`" for unit, _ in concept.conversions)
    unit = f"`{concept.unit}`{f' ({others})' if others else ''}" if concept.unit else ""
    limits = f"{concept.plausible[0]:g}–{concept.plausible[1]:g}" if concept.plausible else ""
    return f"| {concept.en} | {codes} | {unit} | {limits} |"

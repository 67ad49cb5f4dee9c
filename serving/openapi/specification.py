"""The service's documentation: an OpenAPI description whose examples run as they are.

What a request may hold is described from the definitions of the model that is served: which codes it reads, in which
units, within which limits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from features.codes import Concept
from features.typography import LANGUAGES
from serving.cds_hooks import Call, Feedback
from serving.cds_hooks.discovery import templates
from serving.contract import (
    MOST_RECORDS,
    MOST_REQUESTS,
    Abstention,
    Answers,
    BatchRequest,
    Models,
    Problem,
    Risk,
    ScoreRequest,
)
from serving.fhir.asking import LARGEST
from serving.fhir.reading import MOST_RESOURCES
from serving.gate import Admitted
from serving.hardening import ANSWER_WITHIN, LARGEST_BODY
from serving.openapi.access import SCHEMES, access_paths, guarded
from serving.openapi.access import TAG as ACCESS
from serving.openapi.examples import BATCH, EXAMPLES, of_today
from serving.openapi.parts import LANGUAGE, Element, answer, body, in_path, one_of, refusals
from serving.openapi.standard import SCHEMAS, TAGS, cds_hooks_paths, fhir_paths
from serving.reading import WARNINGS, asking_of, read
from serving.scoring import DEMONSTRATION_NOTICE, NOTICE, score

TITLE: Final = "Vigie"
SUMMARY: Final = "Decision support for primary care: a patient's records in, a risk or an abstention out."
VERSION: Final = "1"

INTRODUCTION: Final = f"""
One patient's records in; the risk of the event within the horizon out, or an abstention with its reasons. The doors say
the same in three ways:

| Door | For whom | In | Out |
|---|---|---|---|
| `POST /score/{{study}}` | software that has its records at hand | the service's own JSON | JSON |
| `POST /fhir/RiskAssessment/$evaluate` | software that speaks FHIR R4 | a Bundle | a RiskAssessment |
| `POST /cds-services/{{id}}` | software that speaks CDS Hooks | a call with its prefetch | a card |

Open an operation below and choose **Try it out**: the examples run as they are, and their dates are today's. Which
codes, units and FHIR resources are read is in the table of `POST /score/{{study}}`.

- Send what the practice's file holds and nothing that identifies the patient: no name, no number, no address.
- Every record has a system, a code and the moment it happened. A record that reached the file later (a letter, a
  laboratory result) also has `known_at`. Only what happened and was known strictly before `as_of` counts.
- A measurement without a unit, in a unit its code does not accept, or outside plausible limits is not used; a warning
  says so (`warnings`: {", ".join(f"`{code}`" for code in WARNINGS)}; at the FHIR and CDS Hooks doors also `set_aside`).
- An abstention is an answer (200): `kind` tells `risk` from `abstention`. Show it; asking again changes nothing.
- In the service's own JSON, unknown fields are refused at every level; all faults of a request are listed at once, by
  place and code, and never quote what was sent.
- Limits: {MOST_RECORDS:,} records and {LARGEST_BODY // 1024} kB a patient; {MOST_RESOURCES:,} resources and
  {LARGEST // 1024**2} MiB a Bundle or call; {MOST_REQUESTS} patients a batch. An answer begins within {ANSWER_WITHIN:g}
  seconds. After 429 or 503 ask again when `Retry-After` says so.
- Nothing of a patient is kept or written to a log.
- In production every request needs a token (`POST /oauth/token`); in development mode none does, and every answer says
  so in the header `Vigie-Mode: development`.
"""


def specification(*known: Admitted, development: bool = False) -> dict[str, Any]:
    """Return the OpenAPI 3.1 description of the service as it is today.

    Parameters
    ----------
    known
        The models that are served, one a study.
    development
        Whether anybody may ask.
    """
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
        "info": {"title": TITLE, "version": VERSION, "summary": SUMMARY, "description": _introduction(known)},
        "tags": [
            {"name": "Risk", "description": "Ask about a patient, in the service's own JSON."},
            *TAGS,
            {"name": "Models", "description": "What is served, and on whose decision."},
            ACCESS,
            {"name": "Health", "description": "For whoever runs the service."},
        ],
        "paths": guarded(
            {
                **_score_paths(known, of),
                **fhir_paths(),
                **cds_hooks_paths(known, of[Call], of[Feedback]),
                **_model_paths(known, of),
                **access_paths(),
                "/metrics": _metrics(),
                "/livez": _health("The process answers."),
                "/readyz": _health("Some approved model may be used now (503 otherwise); /models says which may not."),
            },
            development,
        ),
        "components": {"schemas": {**definitions["$defs"], **SCHEMAS}, "securitySchemes": SCHEMES},
    }


Schemas = Mapping[Any, Element]

#: What is told to two faults at once.
REFUSED: Final[Element] = {
    "two": {
        "summary": "Two faults at once",
        "value": {
            "code": "invalid",
            "message": "the request has 2 faults, all of them listed",
            "faults": [
                {"where": "records.3.happened_at", "expected": "this field, which is required", "code": "missing"},
                {"where": "records.5.value", "expected": "a number", "code": "float_type"},
            ],
        },
    }
}


def _score_paths(known: Sequence[Admitted], of: Schemas) -> dict[str, Any]:
    """Return the operations in the service's own JSON, of the first study and of each by its name."""
    admitted = known[0] if known else None
    study = _study(known)
    said = {
        "oneOf": [of[Risk], of[Abstention]],
        "discriminator": {
            "propertyName": "kind",
            "mapping": {"risk": of[Risk]["$ref"], "abstention": of[Abstention]["$ref"]},
        },
    }
    batch = {"two": {"summary": "Both examples at once", "value": of_today(BATCH)}}
    told = refusals(of[Problem], "400 404 413 415 422 500 503", REFUSED)
    asked = body(of[ScoreRequest], of_today(EXAMPLES))
    read_by = "\n\n".join(f"## {each.artefact.study}\n\n{_what_is_read(each)}" for each in known)
    return {
        "/score": {
            "post": {
                "tags": ["Risk"],
                "operationId": "score",
                "summary": "Estimate one patient's risk, or abstain",
                "description": f"By the model of the first study in `/models`.\n\n{_what_is_read(admitted)}",
                "requestBody": asked,
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
        "/score/{study}": {
            "post": {
                "tags": ["Risk"],
                "operationId": "score_study",
                "summary": "Estimate one patient's risk or probability by the model of a study, or abstain",
                "description": read_by or _what_is_read(None),
                "parameters": [study],
                "requestBody": asked,
                "responses": {"200": answer("An answer, as of `/score`.", said), **told},
            }
        },
        "/score/{study}/batch": {
            "post": {
                "tags": ["Risk"],
                "operationId": "score_study_batch",
                "summary": f"Answer for several patients by the model of a study, {MOST_REQUESTS} at most",
                "description": "The answers are those of `/score/{study}`, in the order of the requests.",
                "parameters": [study],
                "requestBody": body(of[BatchRequest], batch),
                "responses": {"200": answer("One answer a request.", of[Answers]), **told},
            }
        },
    }


def _model_paths(known: Sequence[Admitted], of: Schemas) -> dict[str, Any]:
    """Return what is read about models."""
    study = _study(known)
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
    bodies = {name: json.dumps(example["value"]).encode() for name, example in of_today(EXAMPLES).items()}
    readings = {name: read(asking_of(body), admitted.concepts) for name, body in bodies.items()}
    return {
        name: {
            "summary": EXAMPLES[name]["summary"],
            "value": score(admitted, reading.history, reading.as_of).model_dump(mode="json"),
        }
        for name, reading in readings.items()
    }


def _health(meaning: str) -> dict[str, Any]:
    return {"get": {"tags": ["Health"], "summary": meaning, "responses": {"200": {"description": meaning}}}}


def _metrics() -> dict[str, Any]:
    text: Element = {"text/plain": {"schema": {"type": "string"}}}
    about = "Counts for Prometheus, by door: what became of requests, how long they took. No health data."
    told = {"200": {"description": about, "content": text}}
    return {"get": {"tags": ["Health"], "operationId": "metrics", "summary": about, "responses": told}}


def _study(known: Sequence[Admitted]) -> Element:
    """Return the parameter that names a study."""
    return one_of("study", [admitted.artefact.study for admitted in known], "cardiovascular")


def _introduction(known: Sequence[Admitted]) -> str:
    if not known:
        return f"**No model is served: the gate refused the bundle.** {NOTICE.en}\n{INTRODUCTION}"
    notice = DEMONSTRATION_NOTICE if any(admitted.demonstration for admitted in known) else NOTICE
    served = "\n".join(f"- {_served(admitted)}" for admitted in known)
    return f"**{notice.fr}**\n\n**{notice.en}**\n\nServed:\n\n{served}\n{INTRODUCTION}"


def _served(admitted: Admitted) -> str:
    study, horizon = admitted.artefact.study, admitted.artefact.model.horizon_
    return (
        f"**{study}**, {admitted.artefact.model.title.en}, over {horizon:g} years; approved until "
        f"{admitted.decision.valid_until}. Model card: [français](models/{study}/card.fr.html), "
        f"[English](models/{study}/card.en.html)."
    )


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
            "| What | Codes | Unit (others accepted) | Believed from–to | In FHIR |",
            "|---|---|---|---|---|",
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
    return f"| {concept.en} | {codes} | {unit} | {limits} | {_resources(concept)} |"


def _resources(concept: Concept) -> str:
    """Return the FHIR resources that may say a concept: those that the CDS Hooks door asks for."""
    if concept.unit is not None:
        return "Observation"
    queries = {key: query for key, query in templates([concept]).items() if key != "patient"}
    return ", ".join(dict.fromkeys(query.partition("?")[0] for query in queries.values())) or "Patient"

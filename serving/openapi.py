"""The service's documentation: an OpenAPI description whose examples run as they are.

What a request may hold is described from the definitions of the model that is served: which codes it reads, in which
units, within which limits.
"""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from features.codes import Concept
from serving.contract import Abstention, Models, Problem, Risk, ScoreRequest, read
from serving.gate import Admitted
from serving.scoring import DEMONSTRATION_NOTICE, NOTICE, score

TITLE: Final = "Vigie"
SUMMARY: Final = "Decision support for primary care: a patient's records in, a risk or an abstention out."
VERSION: Final = "1"

AS_OF: Final = "2025-03-03T09:00:00+01:00"


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


def request_of(example: str) -> ScoreRequest:
    """Return the request of an example, validated as one that came over the network."""
    return ScoreRequest.model_validate_json(json.dumps(EXAMPLES[example]["value"]))


INTRODUCTION: Final = """
Send one patient's records to `POST /score`; get the risk of the event within the horizon, or an abstention with its
reasons. Open the operation below and choose **Try it out**: both examples run as they are.

- Send what the practice's file holds and nothing that identifies the patient: no name, no number, no address.
- Every record has a system, a code and the moment it happened. A record that reached the file later (a letter, a
  laboratory result) also has `known_at`. Only what happened and was known strictly before `as_of` counts.
- A measurement without a unit, in a unit its code does not accept, or outside plausible limits is not used; a warning
  says so.
- An abstention is an answer (200): `kind` tells `risk` from `abstention`.
- Unknown fields are refused at every level, and all faults of a request are listed at once.
- Nothing of a request is kept or written to a log.
"""


def specification(admitted: Admitted | None) -> dict[str, Any]:
    """Return the OpenAPI 3.1 description of the service, for the model that is served (None if there is none)."""
    schemas, definitions = models_json_schema(
        [
            (ScoreRequest, "validation"),
            (Risk, "serialization"),
            (Abstention, "serialization"),
            (Models, "serialization"),
            (Problem, "serialization"),
        ],
        ref_template="#/components/schemas/{model}",
    )
    references = {model: schema for (model, _), schema in schemas.items()}
    answer = {
        "oneOf": [references[Risk], references[Abstention]],
        "discriminator": {
            "propertyName": "kind",
            "mapping": {"risk": references[Risk]["$ref"], "abstention": references[Abstention]["$ref"]},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": VERSION, "summary": SUMMARY, "description": _introduction(admitted)},
        "tags": [
            {"name": "Risk", "description": "Ask about a patient."},
            {"name": "Models", "description": "What is served, and on whose decision."},
            {"name": "Health", "description": "For whoever runs the service."},
        ],
        "paths": {
            "/score": {
                "post": {
                    "tags": ["Risk"],
                    "operationId": "score",
                    "summary": "Estimate one patient's risk, or abstain",
                    "description": _what_is_read(admitted),
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": references[ScoreRequest], "examples": EXAMPLES}},
                    },
                    "responses": {
                        "200": _json("A risk, or an abstention and its reasons.", answer, _answers(admitted)),
                        **{
                            status: _json(why, references[Problem])
                            for status, why in {
                                "400": "Not JSON, or ambiguous: a field given twice, NaN; or a query string.",
                                "413": "More than 256 kB.",
                                "415": "Not `application/json` in UTF-8, or encoded.",
                                "422": "Not a request: all its faults are listed, without what was sent.",
                                "500": "The request could not be answered.",
                                "503": "No model may be used now: `code` says why.",
                            }.items()
                        },
                    },
                }
            },
            "/models": {
                "get": {
                    "tags": ["Models"],
                    "operationId": "models",
                    "summary": "List what is served, with its card and the committee's approval",
                    "responses": {"200": _json("Models served here.", references[Models])},
                }
            },
            "/models/{study}/card.{language}.html": {
                "get": {
                    "tags": ["Models"],
                    "operationId": "card",
                    "summary": "Read the model card",
                    "parameters": [
                        _in_path("study", {"type": "string", "example": _study(admitted)}),
                        _in_path("language", {"type": "string", "enum": ["fr", "en"]}),
                    ],
                    "responses": {
                        "200": {"description": "The card, as a page.", "content": {"text/html": {}}},
                        "404": _json("No such model here.", references[Problem]),
                    },
                }
            },
            "/livez": _health("The process answers."),
            "/readyz": _health("An approved model is loaded and its approval is not over (503 otherwise)."),
        },
        "components": {"schemas": definitions["$defs"]},
    }


def _json(description: str, schema: dict[str, Any], examples: dict[str, Any] | None = None) -> dict[str, Any]:
    content = {"schema": schema} | ({"examples": examples} if examples else {})
    return {"description": description, "content": {"application/json": content}}


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


def _in_path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


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

"""The standard doors, and many patients at once: what may be sent to each, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from features.typography import LANGUAGES, Language
from serving import access, cds_hooks, fhir
from serving.cds_hooks.asking import LANGUAGE
from serving.cds_hooks.discovery import PREFIX, service_id, templates
from serving.contract import Answers, now
from serving.desk import Desk, said
from serving.desks import Desks
from serving.fhir.metadata import OPERATION
from serving.hardening import Door, Stopped, judge, taken
from serving.languages import preferred
from serving.outcome import note_answers, note_user, practice
from serving.reading import Asking, asking_of, askings_of, read
from serving.refusals import Refused
from serving.replies import desk_of, desks_of, home_of, reply

_OUTCOME: Final[Mapping[str, Any]] = {"tell": fhir.operation_outcome, "told_as": fhir.FHIR_JSON}
_HOOKS: Final[Mapping[str, Any]] = {"tell": fhir.operation_outcome, "shared": True, "signed_calls": True}
_STUDY: Final = "score:{study}"

DOORS: Final = (
    *access.DOORS,
    Door("health", "/livez|/readyz|/healthz", needs=None),
    Door("/models/{study}/card", r"/models/[^/]+/card(\.json|\.[a-z]+\.html)?", needs=None),  # cards link to it
    Door("/models", "/models", needs=()),
    Door("/metrics", "/metrics", needs=("metrics",)),
    Door("/score", "/score", asking_of, needs=(_STUDY,)),
    Door("/score/batch", "/score/batch", askings_of, fhir.LARGEST, needs=(_STUDY,)),
    Door("/score/{study}", "/score/(?P<study>[^/]+)", asking_of, needs=(_STUDY,)),
    Door(
        "/score/{study}/batch",
        "/score/(?P<study>[^/]+)/batch",
        askings_of,
        fhir.LARGEST,
        needs=(_STUDY,),
    ),
    Door(
        "/fhir/RiskAssessment/$evaluate",
        r"/fhir/RiskAssessment/\$evaluate",
        fhir.asked,
        fhir.LARGEST,
        fhir.MEDIA,
        needs=("fhir", _STUDY),
        about=fhir.study_of,
        **_OUTCOME,
    ),
    Door("/fhir", "/fhir(/.*)?", media=fhir.MEDIA, needs=("fhir",), **_OUTCOME),
    Door(
        "/cds-services/{id}/feedback",
        "/cds-services/[^/]+/feedback",
        partial(judge, model=cds_hooks.Feedback),
        needs=("feedback",),
        **_HOOKS,
    ),
    Door(
        "/cds-services/{id}",
        f"/cds-services/(?:{PREFIX}(?P<study>[^/]+)|[^/]+)",
        partial(judge, model=cds_hooks.Call),
        fhir.LARGEST,
        needs=("cds-hooks", _STUDY),
        **_HOOKS,
    ),
    Door("/cds-services", "/cds-services(/.*)?", needs=("cds-hooks",), **_HOOKS),
)


def score_one(request: Request) -> Response:
    """Answer for one patient, by the model of the study in the address, or of the first."""
    desk = desk_of(request, request.path_params.get("study"))
    return scored(desk, taken(request.scope), desks_of(request))


def scored(desk: Desk, asking: Asking, desks: Desks) -> Response:
    """Return the answer of a desk as it goes out, and have a candidate asked the same."""
    moment = now()
    answer = desk.answer(asking)
    note_answers([answer])
    shadow = desks.shadows.get(answer.model.study)
    if shadow is not None:
        shadow.compare(answer, lambda concepts: read(asking, concepts, moment))
    return Response(answer.model_dump_json(), media_type="application/json")


def score_batch(request: Request) -> Response:
    """Answer for several patients, in their order."""
    desk = desk_of(request, request.path_params.get("study"))
    answers = Answers(answers=tuple(desk.answer_each(taken(request.scope))))
    note_answers(answers.answers)
    return Response(answers.model_dump_json(), media_type="application/json")


# --- FHIR -------------------------------------------------------------------------------------------------


def evaluate(request: Request) -> Response:
    """Answer a Bundle with a RiskAssessment."""
    _require_json_wanted(request)
    asked: fhir.Evaluation = taken(request.scope)
    admitted = desk_of(request, asked.study).model()
    moment = now()
    as_of = asked.as_of or moment
    found = fhir.read(asked.bundle, admitted.concepts, as_of, moment)
    language = asked.language or preferred(request.headers.get("accept-language"))
    answer = said(admitted, found.reading)
    note_answers([answer])
    shadow = desks_of(request).shadows.get(admitted.artefact.study)
    if shadow is not None:
        shadow.compare(answer, lambda concepts: fhir.read(asked.bundle, concepts, as_of, moment).reading)
    assessment = fhir.assessment(admitted, answer, found, language, home_of(request))
    return reply(assessment, fhir.FHIR_JSON)


def metadata(request: Request) -> Response:
    """Answer with the CapabilityStatement."""
    _require_json_wanted(request)
    return reply(fhir.capability_statement(desks_of(request).known(), home_of(request)), fhir.FHIR_JSON)


def definition(request: Request) -> Response:
    """Answer with the definition of the operation."""
    _require_json_wanted(request)
    return reply(fhir.operation_definition(home_of(request)), fhir.FHIR_JSON)


def nothing_there(_: Request) -> Response:
    """Answer that there is no such address."""
    raise Stopped(404, "not_found", "there is nothing here: see /fhir/metadata")


def _require_json_wanted(request: Request) -> None:
    wanted = [part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "*/*").split(",")]
    if not {"*/*", "application/*", "application/json+fhir", *fhir.MEDIA} & set(wanted):
        raise Stopped(406, "not_acceptable", "answers are JSON: Accept application/fhir+json")


# --- CDS Hooks --------------------------------------------------------------------------------------------


def discover(request: Request) -> Response:
    """Answer with the services there are; none while no model may be used."""
    return reply({"services": cds_hooks.services(desks_of(request).served())})


def call(request: Request) -> Response:
    """Answer with a card; without any while no model may be used, so that whoever opens a file is not disturbed."""
    asked: cds_hooks.Call = taken(request.scope)
    note_user(asked.context.userId)
    study = _study(request)
    try:
        admitted = desk_of(request, study).model()
    except Refused:
        return reply({"cards": []})
    moment = now()
    file = cds_hooks.file_of(asked, templates(admitted.concepts))
    answer = said(admitted, fhir.read(file, admitted.concepts, moment, moment).reading)
    note_answers([answer])
    shadow = desks_of(request).shadows.get(study)
    if shadow is not None:
        shadow.compare(answer, lambda concepts: fhir.read(file, concepts, moment, moment).reading)
    if cds_hooks.is_no_news(admitted, answer):
        return reply({"cards": []})
    language = _language(asked) or preferred(request.headers.get("accept-language"))
    return reply({"cards": [cds_hooks.card(admitted, answer, asked.hookInstance, language, home_of(request))]})


def take_feedback(request: Request) -> Response:
    """Keep what was done with cards."""
    study, studies = _study(request), desks_of(request).studies
    folder: Path | None = request.app.state.data
    if folder is None or not studies:
        raise Stopped(503, "feedback_not_kept", "no feedback is kept here: there is no model, or no folder for it")
    cds_hooks.keep(taken(request.scope), service_id(study), practice(), folder)
    return Response(status_code=200)


def _study(request: Request) -> str:
    """Return the study of the service in the address; raise `Stopped` if there is no such service."""
    asked: str = request.path_params["id"]
    study = asked.removeprefix(PREFIX)
    studies = desks_of(request).studies
    if study == asked or (studies and study not in studies):
        raise Stopped(404, "not_found", "no such service: see /cds-services")
    return study


def _language(asked: cds_hooks.Call) -> Language | None:
    stated = (asked.extension or {}).get(LANGUAGE)
    return next((language for language in LANGUAGES if language == stated), None)


ROUTES: Final = (
    *access.ROUTES,
    Route("/score/batch", score_batch, methods=["POST"]),
    Route("/score/{study}", score_one, methods=["POST"]),
    Route("/score/{study}/batch", score_batch, methods=["POST"]),
    Route("/fhir/RiskAssessment/$evaluate", evaluate, methods=["POST"]),
    Route("/fhir/metadata", metadata),
    Route(f"/fhir/OperationDefinition/{OPERATION}", definition),
    Route("/fhir/{rest:path}", nothing_there),
    Route("/cds-services", discover),
    Route("/cds-services/{id}", call, methods=["POST"]),
    Route("/cds-services/{id}/feedback", take_feedback, methods=["POST"]),
)

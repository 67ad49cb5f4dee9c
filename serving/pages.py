"""What is read rather than asked: the first page, the list of models, their cards.

The first page tries the service out, as a doctor and as a software would see its answers, and documents it below with
the Swagger files that come with BentoML. Nothing comes from the network: BentoML's own page, which loads a tag manager
from the internet, is replaced.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from features.feature_set import Feature
from features.pages import environment
from features.styles import BASE, style
from features.typography import LANGUAGES, Language, unit
from serving.contract import Models, Served, Withheld
from serving.gate import Admitted
from serving.hardening import Stopped
from serving.languages import preferred
from serving.metrics import MEDIA
from serving.openapi import TITLE, patients, specification
from serving.replies import desk_of, desks_of
from serving.scoring import DEMONSTRATION_NOTICE, signature
from training.card import render

PAGE: Final = Path(__file__).with_name("page")
#: Files that the first page is made of, with their types.
FILES: Final = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "answers.js": "text/javascript",
    "card.js": "text/javascript",
    "doors.js": "text/javascript",
    "elements.js": "text/javascript",
    "markdown.js": "text/javascript",
}


def first_page(request: Request) -> Response:
    """Answer with the first page, in the language of the address or else the preferred one."""
    stated = request.url.path.strip("/")
    language = next((language for language in LANGUAGES if language == stated), None)
    language = language or preferred(request.headers.get("accept-language"))
    known = desks_of(request).known()
    page = environment(PAGE, language).get_template("page.html.j2")
    return HTMLResponse(
        page.render(
            title=TITLE,
            other=next(each for each in LANGUAGES if each != language),
            development=request.app.state.guard.is_development,
            demonstration=any(each.demonstration for each in known) and getattr(DEMONSTRATION_NOTICE, language),
            units={feature.unit: unit(feature.unit, language) for each in known for feature in _features(each)},
        )
    )


def _features(admitted: Admitted) -> Iterable[Feature]:
    return (feature for feature in admitted.artefact.features.values() if feature.unit is not None)


def page_file(request: Request) -> Response:
    """Answer with a file that the first page is made of."""
    name = request.path_params["file"]
    if name not in FILES:
        raise Stopped(404, "not_found", "there is nothing here: see /")
    return Response(_content(name), media_type=FILES[name])


@cache
def _content(name: str) -> bytes:
    return style(*BASE, PAGE / name).encode() if name.endswith(".css") else (PAGE / name).read_bytes()


def example_patients(_: Request) -> Response:
    """Answer with patients to try the service out with, as each door has them, today."""
    return JSONResponse(patients())


def openapi(request: Request) -> Response:
    """Answer with the OpenAPI description."""
    is_development = request.app.state.guard.is_development
    return JSONResponse(specification(*desks_of(request).known(), development=is_development))


async def icon(_: Request) -> Response:
    """Answer that there is no icon, which browsers ask for unasked."""
    return Response(status_code=204)


async def models(request: Request) -> Response:
    """Answer with what is served."""
    desks = desks_of(request)
    withheld = desks.withheld()
    stopped = {desk for desk, _ in withheld}
    found = [desk for study in desks.studies if (desk := desks.of(study)).admitted is not None]
    told = Models(
        models=tuple(_served(desk.admitted, desk not in stopped) for desk in found if desk.admitted is not None),
        withheld=tuple(Withheld(study=desk.study, code=why.code) for desk, why in withheld),
    )
    return Response(told.model_dump_json(), media_type="application/json")


async def card(request: Request) -> Response:
    """Answer with a model card as JSON or as a page, whichever is wanted, in the language that is wanted."""
    if "application/json" in request.headers.get("accept", ""):
        return await card_document(request)
    return _page(_admitted(request), preferred(request.headers.get("accept-language")))


async def card_document(request: Request) -> Response:
    """Answer with a model card as JSON: the words the committee decided about, with their digest."""
    return Response(_admitted(request).card.to_json(), media_type="application/json")


async def card_page(request: Request) -> Response:
    """Answer with a model card as a page."""
    admitted = _admitted(request)
    wanted = request.path_params["language"]
    language = next((language for language in LANGUAGES if language == wanted), None)
    if language is None:
        raise _not_here()
    return _page(admitted, language)


def _admitted(request: Request) -> Admitted:
    """Return the model of the study in the address."""
    return desk_of(request, request.path_params["study"]).model()


def _not_here() -> Stopped:
    return Stopped(404, "not_found", "no such model here: see /models")


def _page(admitted: Admitted, language: Language) -> Response:
    """Return a card's page, rendered from what the gate verified and not from the pages in the bundle."""
    return HTMLResponse(_rendered(admitted, language))


@lru_cache(maxsize=16)  # anybody may ask for it
def _rendered(admitted: Admitted, language: Language) -> str:
    return render(admitted.card, **admitted.documents, decision=admitted.decision, language=language, final=True)


def _served(admitted: Admitted, ready: bool) -> Served:
    study = admitted.artefact.study
    signed = {name: value for name, value in signature(admitted).items() if name in Served.model_fields}
    return Served(
        **signed,
        horizon_years=float(admitted.artefact.model.horizon_),
        ready=ready,
        pages={language: f"models/{study}/card.{language}.html" for language in LANGUAGES},
    )


async def metrics(request: Request) -> Response:
    """Answer with counts for Prometheus."""
    desks = desks_of(request)
    served = {study: desks.of(study).ready() for study in desks.studies}
    withheld = [why.code for _, why in desks.withheld()]
    compared = {study: dict(shadow.counts) for study, shadow in desks.shadows.items()}
    return Response(request.app.state.guard.metrics.text(served, withheld, compared), media_type=MEDIA)


ROUTES: Final = (
    Route("/", first_page),
    *(Route(f"/{language}", first_page) for language in LANGUAGES),
    Route("/page/patients.json", example_patients),
    Route("/page/{file}", page_file),
    Route("/metrics", metrics),
    Route("/docs.json", openapi),
    Route("/favicon.ico", icon),
    Route("/models", models),
    Route("/models/{study}/card", card),
    Route("/models/{study}/card.json", card_document),
    Route("/models/{study}/card.{language}.html", card_page),
)

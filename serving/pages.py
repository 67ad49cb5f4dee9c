"""What is read rather than asked: the documentation page, the list of models, their cards.

The documentation page uses the Swagger files that come with BentoML and nothing from the network; BentoML's own page
loads a tag manager from the internet, and is replaced.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from features.typography import LANGUAGES, Language
from serving.contract import Models, Served, Withheld
from serving.gate import Admitted
from serving.hardening import Stopped
from serving.languages import preferred
from serving.metrics import MEDIA
from serving.openapi import TITLE, specification
from serving.replies import desk_of, desks_of
from serving.scoring import signature
from training.card import render

DOCUMENTATION: Final = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{TITLE}</title>
<link rel="stylesheet" href="static_content/swagger-ui.css">
<style>body {{ margin: 0 }} .swagger-ui .topbar {{ display: none }} .swagger-ui .info {{ margin: 2em 0 }}
.swagger-ui .renderedMarkdown code {{ padding: 0 .3em !important; color: inherit !important }}
.swagger-ui .renderedMarkdown li {{ margin: .3em 0 }}</style>
<link rel="icon" href="data:,">
</head>
<body>
<div id="swagger-ui"></div>
<script src="static_content/swagger-ui-bundle.js"></script>
<script src="static_content/swagger-ui-standalone-preset.js"></script>
<script src="static_content/swagger-initializer.js"></script>
</body>
</html>
"""


#: What the page says first where anybody may ask.
DEVELOPMENT: Final = """<p role="alert"
style="margin: 0; padding: .8em 1em; background: #8a1c1c; color: #fff; font: bold 1em sans-serif">
<span lang="fr">MODE DÉVELOPPEMENT\u00a0: personne n’est identifié, tout le monde peut interroger. Pas pour des
patients.</span> DEVELOPMENT MODE: nobody is identified, anybody may ask. Not for patients.</p>
"""


async def documentation(request: Request) -> Response:
    """Answer with the documentation page."""
    warning = DEVELOPMENT if request.app.state.guard.is_development else ""
    return HTMLResponse(DOCUMENTATION.replace("<body>\n", f"<body>\n{warning}"))


async def openapi(request: Request) -> Response:
    """Answer with the OpenAPI description."""
    return JSONResponse(specification(*desks_of(request).known()))


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
    Route("/", documentation),
    Route("/metrics", metrics),
    Route("/docs.json", openapi),
    Route("/favicon.ico", icon),
    Route("/models", models),
    Route("/models/{study}/card", card),
    Route("/models/{study}/card.json", card_document),
    Route("/models/{study}/card.{language}.html", card_page),
)

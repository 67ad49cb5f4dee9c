"""What is read rather than asked: the documentation page, the list of models, their cards.

The documentation page uses the Swagger files that come with BentoML and nothing from the network; BentoML's own page
loads a tag manager from the internet, and is replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from features.typography import LANGUAGES
from serving.contract import Models, Problem, Served
from serving.openapi import TITLE, specification
from serving.refusals import Refused
from serving.scoring import signature
from training.card import render

if TYPE_CHECKING:
    from serving.desk import Desk
    from serving.gate import Admitted

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


def application() -> Starlette:
    """Return the application; ``state.desk`` must be set before it is asked anything."""
    return Starlette(
        routes=[
            Route("/", documentation),
            Route("/docs.json", openapi),
            Route("/favicon.ico", icon),
            Route("/models", models),
            Route("/models/{study}/card.{language}.html", card),
        ]
    )


async def documentation(_: Request) -> Response:
    """Answer with the documentation page."""
    return HTMLResponse(DOCUMENTATION)


async def openapi(request: Request) -> Response:
    """Answer with the OpenAPI description."""
    return JSONResponse(specification(_desk(request).admitted))


async def icon(_: Request) -> Response:
    """Answer that there is no icon, which browsers ask for unasked."""
    return Response(status_code=204)


async def models(request: Request) -> Response:
    """Answer with what is served."""
    desk = _desk(request)
    served = () if desk.admitted is None else (_served(desk.admitted, desk.ready()),)
    return Response(Models(models=served).model_dump_json(), media_type="application/json")


async def card(request: Request) -> Response:
    """Answer with a model card, rendered from what the gate verified and not from the pages in the bundle."""
    try:
        admitted = _desk(request).model()
    except Refused as refusal:
        return problem(503, refusal.code, "no model may be used now")
    study, language = request.path_params["study"], request.path_params["language"]
    if study != admitted.artefact.study or language not in LANGUAGES:
        return problem(404, "not_found", "no such model here: see /models")
    page = render(admitted.card, **admitted.documents, decision=admitted.decision, language=language, final=True)
    return HTMLResponse(page)


def problem(status: int, code: str, message: str) -> Response:
    """Return a problem as an answer."""
    text = Problem(code=code, message=message).model_dump_json()
    return Response(text, status_code=status, media_type="application/json")


def _served(admitted: Admitted, ready: bool) -> Served:
    study = admitted.artefact.study
    return Served(
        **signature(admitted),
        horizon_years=float(admitted.artefact.model.horizon_),
        ready=ready,
        pages={language: f"models/{study}/card.{language}.html" for language in LANGUAGES},
    )


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk

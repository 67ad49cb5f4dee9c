"""Everything that is asked over HTTP beside ``POST /score``, as one application."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from serving import pages
from serving.contract import Problem
from serving.doors import DOORS, ROUTES
from serving.hardening import Stopped, door_of
from serving.refusals import Refused
from serving.replies import told

#: What is said of an address or a method; more would say what was sent.
SAID = {404: ("not_found", "there is nothing here: see /"), 405: ("method_refused", "not by this method: see /")}


def application() -> Starlette:
    """Return the application; ``state`` has desks, an address, data folder and guard before it is asked anything."""
    return Starlette(
        routes=[*pages.ROUTES, *ROUTES],
        exception_handlers={
            Stopped: _stopped,
            Refused: _refused,
            HTTPException: _not_so,
            Exception: _failed,  # and is raised again: the wall logs its type
        },
    )


async def _stopped(request: Request, error: Exception) -> Response:
    assert isinstance(error, Stopped)
    headers = None if error.retry_after is None else {"retry-after": str(error.retry_after)}
    return _tell(request, error.status, error.problem, headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _tell(request, 503, Problem(code=error.code, message="no model may be used now: see GET /models"))


async def _not_so(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code, message = SAID.get(error.status_code, ("invalid", "the request could not be answered"))
    return _tell(request, error.status_code, Problem(code=code, message=message), dict(error.headers or {}))


async def _failed(request: Request, _: Exception) -> Response:
    return _tell(request, 500, Problem(code="internal_error", message="the request could not be answered"))


def _tell(request: Request, status: int, problem: Problem, headers: dict[str, str] | None = None) -> Response:
    return told(door_of(request.scope["path"], DOORS), status, problem, headers)

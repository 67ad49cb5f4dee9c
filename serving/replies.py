"""What all doors share: where the model is, where the service is, and how an answer or a problem goes out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from serving.contract import Problem
from serving.hardening import Door, Stopped
from serving.outcome import note_refusal

if TYPE_CHECKING:
    from serving.desk import Desk
    from serving.desks import Desks


def desks_of(request: Request) -> Desks:
    """Return the desks of the service."""
    desks: Desks = request.app.state.desks
    return desks


def desk_of(request: Request, study: str | None = None) -> Desk:
    """Return the desk that answers for a study, the first where none is named; raise `Stopped` if there is none."""
    try:
        return desks_of(request).of(study)
    except LookupError:
        raise Stopped(404, "not_found", "no model of this study is served here: see /models") from None


def home_of(request: Request) -> str:
    """Return the address of the service: that which was set, else where it listens. A Host header may say anything."""
    stated: str | None = request.app.state.address
    if stated is not None:
        return stated
    host, port = request.scope.get("server") or ("localhost", None)
    host = f"[{host}]" if ":" in host else host
    return f"{request.scope['scheme']}://{host}" + (f":{port}" if port else "")


def reply(value: Any, media_type: str = "application/json") -> Response:
    """Return a JSON value as an answer."""
    return Response(json.dumps(value, ensure_ascii=False, allow_nan=False), media_type=media_type)


def told(door: Door, status: int, problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """Return a problem as it is told at a door, and note it."""
    note_refusal(problem.code)
    return Response(door.tell(problem), status_code=status, media_type=door.told_as, headers=headers)

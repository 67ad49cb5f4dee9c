"""Where clients get tokens, and where they read how: OAuth 2.0, as SMART Backend Services has it."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.access.gatekeeper import GRANT, Gatekeeper
from serving.access.keys import ALGORITHMS
from serving.access.proofs import LONGEST
from serving.contract import Problem
from serving.hardening import Door, Stopped, taken
from serving.replies import reply

FORM: Final = "application/x-www-form-urlencoded"
LARGEST: Final = 4 * LONGEST
MOST_FIELDS: Final = 10
#: Codes of RFC 6749; everything else that can be wrong with a request is one of these.
CODES: Final = frozenset({"invalid_client", "invalid_request", "invalid_scope", "unsupported_grant_type"})


def form(body: bytes) -> dict[str, str]:
    """Return the fields of a form, each of which is there once; raise `Stopped` for any other body."""
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=MOST_FIELDS
        )
    except ValueError:
        raise Stopped(400, "invalid_request", f"the body is a form of {MOST_FIELDS} fields at most") from None
    found = dict(fields)
    if len(found) != len(fields):
        raise Stopped(400, "invalid_request", "a field is given twice")
    return found


def oauth_error(problem: Problem) -> bytes:
    """Return a problem as RFC 6749 tells it."""
    code = problem.code if problem.code in CODES else "invalid_request"
    told = {"error": code, "error_description": problem.message} if problem.message else {"error": code}
    return json.dumps(told).encode()


async def token(request: Request) -> Response:
    """Answer with a token."""
    gatekeeper, headers = _gatekeeper(request), dict(request.scope["headers"])
    client, told = await run_in_threadpool(gatekeeper.grant, taken(request.scope), headers)
    request.app.state.guard.limits.count(client)
    return reply(told)


def configuration(request: Request) -> Response:
    """Answer with how tokens are had (SMART App Launch, "Conformance")."""
    gatekeeper = _gatekeeper(request)
    told: dict[str, Any] = {
        "issuer": gatekeeper.home,
        "token_endpoint": gatekeeper.token_address,
        "jwks_uri": f"{gatekeeper.home}/.well-known/jwks.json",
        "grant_types_supported": [GRANT],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "scopes_supported": gatekeeper.register.scopes(),
        "capabilities": ["client-confidential-asymmetric"],
    }
    return reply(told)


def keys(request: Request) -> Response:
    """Answer with the public key by which tokens of this service are verified."""
    return reply({"keys": [_gatekeeper(request).tokens.public_key]})


def _gatekeeper(request: Request) -> Gatekeeper:
    gatekeeper: Gatekeeper | None = request.app.state.guard.gatekeeper
    if gatekeeper is None:
        raise Stopped(404, "not_found", "in development mode nobody needs a token")
    return gatekeeper


DOORS: Final = (
    Door("/oauth/token", "/oauth/token", form, LARGEST, (FORM,), oauth_error, needs=None),
    Door("/.well-known", r"(/fhir)?/\.well-known/(smart-configuration|jwks\.json)", needs=None),
)
ROUTES: Final = (
    Route("/oauth/token", token, methods=["POST"]),
    Route("/.well-known/smart-configuration", configuration),
    Route("/fhir/.well-known/smart-configuration", configuration),
    Route("/.well-known/jwks.json", keys),
)

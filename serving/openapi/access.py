"""Who may ask, as OpenAPI describes it: the tokens, where they are had, and what is told to who may not."""

from __future__ import annotations

from typing import Any, Final

from serving.access.clients import DOORS
from serving.access.endpoints import FORM
from serving.access.gatekeeper import ASSERTION, GRANT
from serving.openapi.parts import WHY, Element, answer, content, in_header

TAG: Final = {"name": "Access", "description": "Tokens. In development mode nobody needs one, and these answer 404."}
ABOUT: Final = (
    "A token lasts five minutes and is for one practice. It is given for an assertion, a JWT signed by ES384 (P-384) "
    "or RS384 with a key that is registered here, whose iss and sub are the client's id, aud this address, exp five "
    "minutes ahead at most, and jti new each time (RFC 7523; SMART Backend Services)."
)
SCHEMES: Final = {
    "client": {
        "type": "oauth2",
        "description": ABOUT,
        "flows": {
            "clientCredentials": {
                "tokenUrl": "oauth/token",
                "scopes": {
                    "score:{study}": "Ask for the risk of a study.",
                    **{door: f"Ask at: {door}." for door in DOORS},
                },
            }
        },
    },
    "hook": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": (
            "CDS Hooks: a JWT that the CDS client signs for each call, by ES384 or RS384, with iss, aud (the address "
            "called), exp, iat and jti; tenant names the practice."
        ),
    },
}
PRACTICE: Final = in_header(
    "Vigie-Practice",
    "Practice that the request is about; left out, that of the token. Another is refused; ignored in development.",
    {"type": "string"},
)
#: Operations that anybody may ask for, in production too.
OPEN: Final = ("/livez", "/readyz", "/oauth/token", "/.well-known/", "/fhir/.well-known/", "/models/{study}/")
NEEDED: Final[dict[str, list[str]]] = {
    "/score": ["score:{study}"],
    "/score/batch": ["score:{study}"],
    "/fhir/RiskAssessment/$evaluate": ["fhir", "score:{study}"],
    "/cds-services/{id}": ["cds-hooks", "score:{study}"],
    "/cds-services/{id}/feedback": ["feedback"],
    "/cds-services": ["cds-hooks"],
    "/score/{study}": ["score:{study}"],
    "/score/{study}/batch": ["score:{study}"],
    "/metrics": ["metrics"],
    "/models": [],
}


def guarded(paths: dict[str, Any], development: bool) -> dict[str, Any]:
    """Return operations with what they need, which is nothing in development, and what is told to who has it not."""
    return {
        path: {method: _guarded(path, told, development) for method, told in each.items()}
        for path, each in paths.items()
    }


def _guarded(path: str, operation: Element, development: bool) -> Element:
    if path.startswith(OPEN):
        return {**operation, "security": []}
    security: list[Element] = [{}] if development else []
    security.append({"client": NEEDED.get(path, ["fhir"])})
    if path.startswith("/cds-services"):
        security.append({"hook": []})
    problems = [told["content"] for status, told in operation["responses"].items() if status >= "400"]
    shown = {"content": problems[0]} if problems else {}
    refused = {
        "401": {"description": WHY["401"]},
        **{status: {"description": WHY[status], **shown} for status in ("403", "429", "503")},
    }
    return {
        **operation,
        "security": security,
        "parameters": [*operation.get("parameters", ()), PRACTICE],
        "responses": {**refused, **operation["responses"]},
    }


def access_paths() -> dict[str, Any]:
    """Return the operations by which tokens are had."""
    form = {
        "type": "object",
        "required": ["grant_type", "client_assertion_type", "client_assertion"],
        "properties": {
            "grant_type": {"const": GRANT},
            "client_assertion_type": {"const": ASSERTION},
            "client_assertion": {"type": "string"},
            "client_id": {"type": "string"},
            "scope": {
                "type": "string",
                "description": "Separated by blanks; left out, all that it may ask.",
            },
            "practice": {"type": "string", "description": "For which practice; may be left out if there is only one."},
        },
    }
    token = {
        "type": "object",
        "required": ["access_token", "token_type", "expires_in", "scope"],
        "properties": {
            "access_token": {"type": "string"},
            "token_type": {"const": "Bearer"},
            "expires_in": {"type": "integer"},
            "scope": {"type": "string"},
        },
    }
    error = {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
    }
    told = {status: answer(WHY[status], error) for status in ("400", "401", "404", "405", "413", "415", "429", "503")}
    document = {"type": "object"}
    return {
        "/oauth/token": {
            "post": {
                "tags": ["Access"],
                "operationId": "token",
                "summary": "Get a token",
                "description": ABOUT,
                "requestBody": {"required": True, "content": content(form, media=(FORM,))},
                "responses": {"200": answer("A token.", token), **told},
            }
        },
        **{
            path: {
                "get": {
                    "tags": ["Access"],
                    "operationId": name,
                    "summary": about,
                    "responses": {"200": answer(about, document), "404": answer(WHY["404"], document)},
                }
            }
            for path, name, about in (
                ("/.well-known/smart-configuration", "smart_configuration", "How tokens are had, as SMART says it"),
                ("/fhir/.well-known/smart-configuration", "smart_configuration_of_fhir", "The same, at the FHIR base"),
                ("/.well-known/jwks.json", "token_keys", "The key by which tokens are verified"),
            )
        },
    }

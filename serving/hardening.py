"""The outer wall of the service: what may come in at all, and what must never go out or into a log.

A body is read and judged here, before BentoML sees it, because BentoML writes what it cannot validate to its log.
What is wrong is answered without a word of what was sent; what fails inside is answered without a word of why, and only
its type is logged.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.contract import Fault, Problem, faults_of

LARGEST_BODY: Final = 256 * 1024
HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        b"font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
REPLACED: Final = frozenset({b"server", *(name for name, _ in HEADERS)})
LOG: Final = logging.getLogger("bentoml.vigie")


class Stopped(Exception):
    """A request that goes no further."""

    def __init__(self, status: int, code: str, message: str, faults: tuple[Fault, ...] = ()) -> None:
        self.status = status
        self.problem = Problem(code=code, message=message, faults=faults)
        super().__init__(code)


class Hardened:
    """ASGI middleware around the whole service.

    Parameters
    ----------
    app
        What is protected.
    bodies
        What the body of each path that takes one must be. Other paths take none.
    """

    def __init__(self, app: ASGIApp, bodies: Mapping[str, type[BaseModel]]) -> None:
        self.app = app
        self.bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # no web sockets
            await send({"type": "websocket.close", "code": 1008})
            return
        exchange = _Exchange(send)
        try:
            if scope["query_string"]:
                raise Stopped(400, "query_refused", "no query string is taken: an address is no place for health data")
            if scope["method"] not in ("GET", "HEAD"):
                receive = await self._judged(scope, receive)
            await self.app(scope, receive, exchange.send)
        except Stopped as stopped:
            await exchange.answer(stopped.status, stopped.problem)
        except Exception as error:
            LOG.error("a request failed: %s", type(error).__name__)
            await exchange.answer(500, Problem(code="internal_error", message="the request could not be answered"))
        finally:
            path = scope["path"] if scope["path"] in self.bodies else "other"  # a path may say anything
            LOG.info("%s %s %s %.1f ms", _known(scope["method"]), path, exchange.status, exchange.milliseconds)

    async def _judged(self, scope: Scope, receive: Receive) -> Receive:
        """Return a channel on which an acceptable body is read again; raise `Stopped` for any other."""
        headers = {name.lower(): value for name, value in scope["headers"]}
        _check_headers(headers)
        body = await _read(receive, headers.get(b"content-length"))
        model = self.bodies.get(scope["path"])
        if model is not None:
            judge(body, model)
        sent = False

        async def replay() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        return replay


class _Exchange:
    """The sending side of one request: adds headers, and knows what was sent."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._began = time.perf_counter()
        self.status: int | None = None

    @property
    def milliseconds(self) -> float:
        return (time.perf_counter() - self._began) * 1000

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in REPLACED]
            message = {**message, "headers": [*kept, *HEADERS]}
        await self._send(message)

    async def answer(self, status: int, problem: Problem) -> None:
        if self.status is not None:  # an answer has begun: it can only be cut
            return
        body = problem.model_dump_json().encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if status == 413:
            headers.append((b"connection", b"close"))  # what is left of the body is not read
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _known(method: str) -> str:
    return method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "other"


def _check_headers(headers: Mapping[bytes, bytes]) -> None:
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise Stopped(415, "encoding_refused", "send the body as it is, without Content-Encoding")
    kind, _, parameters = headers.get(b"content-type", b"").partition(b";")
    charset = parameters.strip().lower().replace(b'"', b"")
    if kind.strip().lower() != b"application/json" or charset not in (b"", b"charset=utf-8"):
        raise Stopped(415, "media_type_refused", "send JSON in UTF-8, with Content-Type: application/json")


async def _read(receive: Receive, length: bytes | None) -> bytes:
    too_large = Stopped(413, "too_large", f"a body holds {LARGEST_BODY:,} bytes at most")
    if length is not None and length.isdigit() and int(length[:20]) > LARGEST_BODY:
        raise too_large
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Stopped(400, "incomplete", "the body did not arrive whole")
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            raise too_large
        if not message.get("more_body", False):
            return bytes(body)


def judge(body: bytes, model: type[BaseModel]) -> None:
    """Raise `Stopped` unless a body is JSON without ambiguity, and what the model describes."""
    try:
        json.loads(body.decode("utf-8"), object_pairs_hook=_without_twins, parse_constant=_no_number)
    except Stopped:
        raise
    except (ValueError, RecursionError):
        raise Stopped(400, "malformed", "the body is not JSON in UTF-8 (RFC 8259)") from None
    try:
        model.model_validate_json(body)
    except ValidationError as error:
        faults = faults_of(error)
        if any(fault.code == "json_invalid" for fault in faults):
            raise Stopped(400, "malformed", "the body is not JSON in UTF-8 (RFC 8259)") from None
        raise Stopped(422, "invalid", f"the request has {len(faults)} faults, all of them listed", faults) from None


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Stopped(400, "duplicate_field", "an object has the same field twice: which one counts is not guessed")
    return found


def _no_number(_: str) -> None:
    raise Stopped(400, "not_a_number", "NaN and Infinity are not JSON: leave the value out")


def log_types_only() -> None:
    """From now on, let no log record of this process carry an exception's text or traceback: only its type."""
    make = logging.getLogRecordFactory()

    def factory(*arguments: Any, **options: Any) -> logging.LogRecord:
        record = make(*arguments, **options)
        if record.exc_info:
            kind = record.exc_info[0]
            record.msg, record.args = "an error of type %s", (kind.__name__ if kind else "unknown",)
            record.exc_info = record.exc_text = None
        return record

    logging.setLogRecordFactory(factory)

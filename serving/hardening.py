"""The outer wall of the service: what may come in at all, and what must never go out or into a log.

A body is read and judged here, before BentoML sees it, because BentoML writes what it cannot validate to its log.
What is wrong is answered without a word of what was sent; what fails inside is answered without a word of why, and only
its type is logged.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.contract import Fault, Problem, faults_of

LARGEST_BODY: Final = 256 * 1024
#: Under this name a request's scope holds a list of what `Door.judge` returned, for `taken`.
ASKED: Final = "vigie.asked"
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


def as_json(problem: Problem) -> bytes:
    """Return a problem as the service's own JSON."""
    return problem.model_dump_json().encode()


@dataclass(frozen=True)
class Door:
    """What may be sent to some addresses, and how a refusal is told there.

    Attributes
    ----------
    name
        What the log calls them: an address itself may say anything.
    paths
        Regular expression of the whole address.
    judge
        From a body to what is asked, for `taken`; raises `Stopped`. Without it no body
        is taken.
    largest
        Most bytes of a body.
    media
        Types that a body may have.
    tell, told_as
        From a problem to a body, and the type of that body.
    shared
        Whether pages of other sites, those that are allowed, may ask.
    """

    name: str
    paths: str
    judge: Callable[[bytes], Any] | None = None
    largest: int = LARGEST_BODY
    media: tuple[str, ...] = ("application/json",)
    tell: Callable[[Problem], bytes] = as_json
    told_as: str = "application/json"
    shared: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        """What may be done there: a body is sent, or something is read."""
        return ("GET", "HEAD") if self.judge is None else ("POST",)


ELSEWHERE: Final = Door("other", ".*")


def door_of(path: str, doors: Sequence[Door]) -> Door:
    """Return the first door that an address belongs to."""
    return next((door for door in doors if re.fullmatch(door.paths, path)), ELSEWHERE)


class Hardened:
    """ASGI middleware around the whole service.

    Parameters
    ----------
    app
        What is protected.
    doors
        What may be sent where; the first that an address belongs to counts.
    origins
        Sites whose pages may ask at doors that are shared, such as ``https://software.example``.
    """

    def __init__(self, app: ASGIApp, doors: Sequence[Door], origins: frozenset[str] = frozenset()) -> None:
        self.app = app
        self.doors = tuple(doors)
        self.origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # no web sockets
            await send({"type": "websocket.close", "code": 1008})
            return
        door = door_of(scope["path"], self.doors)
        headers = {name.lower(): value for name, value in scope["headers"]}
        exchange = _Exchange(send, door, self._allowed(door, headers))
        try:
            if scope["query_string"]:
                raise Stopped(400, "query_refused", "no query string is taken: an address is no place for health data")
            if exchange.origin and scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
                await exchange.permit()
                return
            if scope["method"] not in door.methods:
                raise Stopped(405, "method_refused", f"only {' and '.join(door.methods)} are answered here")
            if scope["method"] == "POST":
                scope, receive = await _judged(scope, receive, door, headers)
            await self.app(scope, receive, exchange.send)
        except Stopped as stopped:
            await exchange.answer(stopped.status, stopped.problem)
        except Exception as error:
            LOG.error("a request failed: %s", type(error).__name__)
            await exchange.answer(500, Problem(code="internal_error", message="the request could not be answered"))
        finally:
            LOG.info("%s %s %s %.1f ms", _known(scope["method"]), door.name, exchange.status, exchange.milliseconds)

    def _allowed(self, door: Door, headers: Mapping[bytes, bytes]) -> bytes | None:
        """Return the site that asks, if its pages may."""
        origin = headers.get(b"origin", b"")
        return origin if door.shared and origin.decode("latin-1") in self.origins else None


async def _judged(scope: Scope, receive: Receive, door: Door, headers: Mapping[bytes, bytes]) -> tuple[Scope, Receive]:
    """Return what an acceptable body asks, and a channel on which it is read again; raise `Stopped` for any other."""
    _check_headers(headers, door)
    body = await _read(receive, headers.get(b"content-length"), door.largest)
    assert door.judge is not None, "no other door takes a body"
    scope = {**scope, ASKED: [await run_in_threadpool(door.judge, body)]}
    waiting = [body]

    async def replay() -> Message:
        if not waiting:
            return await receive()
        return {"type": "http.request", "body": waiting.pop(), "more_body": False}

    return scope, replay


def taken(scope: Scope) -> Any:
    """Return what is asked, once: a scope lives on until rubbish is collected, and a file of megabytes should not."""
    return scope[ASKED].pop()


class _Exchange:
    """The sending side of one request: adds headers, and knows what was sent."""

    def __init__(self, send: Send, door: Door, origin: bytes | None) -> None:
        self._send = send
        self._door = door
        self._began = time.perf_counter()
        self.origin = origin
        self.status: int | None = None

    @property
    def milliseconds(self) -> float:
        return (time.perf_counter() - self._began) * 1000

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in REPLACED]
            message = {**message, "headers": [*kept, *HEADERS, *self._sharing()]}
        await self._send(message)

    def _sharing(self) -> list[tuple[bytes, bytes]]:
        """Return the headers by which a browser lets a page of another site read the answer."""
        shared = [(b"vary", b"Origin")] if self._door.shared else []
        return [*shared, (b"access-control-allow-origin", self.origin)] if self.origin else shared

    async def permit(self) -> None:
        """Answer a browser that asks whether a page of another site may ask."""
        headers = [
            (b"access-control-allow-methods", b"GET, POST"),
            (b"access-control-allow-headers", b"Accept-Language, Authorization, Content-Type"),
            (b"access-control-max-age", b"600"),
        ]
        await self.send({"type": "http.response.start", "status": 204, "headers": headers})
        await self.send({"type": "http.response.body", "body": b""})

    async def answer(self, status: int, problem: Problem) -> None:
        if self.status is not None:  # an answer has begun: it can only be cut
            return
        body = self._door.tell(problem)
        kind = self._door.told_as.encode()
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        if status in (405, 413):
            headers.append((b"connection", b"close"))  # what is left of the body is not read
        if status == 405:
            headers.append((b"allow", ", ".join(self._door.methods).encode()))
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _known(method: str) -> str:
    return method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "other"


def _check_headers(headers: Mapping[bytes, bytes], door: Door) -> None:
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise Stopped(415, "encoding_refused", "send the body as it is, without Content-Encoding")
    kind, _, parameters = headers.get(b"content-type", b"").decode("latin-1").lower().partition(";")
    parameter = parameters.replace(" ", "").replace('"', "")
    if kind.strip() not in door.media or parameter not in ("", "charset=utf-8", *FHIR_VERSIONS):
        types = " or ".join(door.media)
        raise Stopped(415, "media_type_refused", f"send JSON in UTF-8, with Content-Type: {types}")


#: How a FHIR client says in the type that it means R4.
FHIR_VERSIONS: Final = ("fhirversion=4.0", "fhirversion=4.0;charset=utf-8", "charset=utf-8;fhirversion=4.0")


async def _read(receive: Receive, length: bytes | None, largest: int) -> bytes:
    too_large = Stopped(413, "too_large", f"a body holds {largest:,} bytes at most")
    if length is not None and length.isdigit() and int(length[:20]) > largest:
        raise too_large
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Stopped(400, "incomplete", "the body did not arrive whole")
        body += message.get("body", b"")
        if len(body) > largest:
            raise too_large
        if not message.get("more_body", False):
            return bytes(body)


Asked = TypeVar("Asked", bound=BaseModel)


def judge(body: bytes, model: type[Asked]) -> Asked:
    """Return what a body says, if it is JSON without ambiguity and what the model describes; else raise `Stopped`."""
    parsed(body)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        faults = faults_of(error, model)
        if any(fault.code == "json_invalid" for fault in faults):
            raise malformed() from None
        raise Stopped(422, "invalid", f"the request has {len(faults)} faults, all of them listed", faults) from None


def parsed(body: bytes) -> Any:
    """Return the value of a JSON text that can be understood in one way only; raise `Stopped` for any other."""
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_without_twins, parse_constant=_no_number)
    except Stopped:
        raise
    except (ValueError, RecursionError):
        raise malformed() from None


def malformed() -> Stopped:
    """Return the refusal of what is no JSON."""
    return Stopped(400, "malformed", "the body is not JSON in UTF-8 (RFC 8259)")


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

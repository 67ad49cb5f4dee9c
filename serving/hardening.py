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
from asyncio import timeout
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import jiter
from anyio.to_thread import current_default_thread_limiter
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.contract import Fault, Problem, faults_of
from serving.outcome import note_refusal
from serving.settings import ANY_SITE

LARGEST_BODY: Final = 256 * 1024
#: A body up to this size is judged in a millisecond or two, where it is: handing it to a thread takes longer than that.
A_FILE: Final = 64 * 1024
#: Threads that answer. One computes at a time anyway; of many, each with its turn, the wall would wait so long for its
#: own that it could neither refuse early nor send what is ready.
AT_WORK: Final = 2
#: Seconds within which a body must have arrived.
BODY_WITHIN: Final = 5.0
#: Seconds within which an answer begins, or is given up: before BentoML does (`serving.service`), and recorded.
ANSWER_WITHIN: Final = 9.0
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

    def __init__(
        self, status: int, code: str, message: str, faults: tuple[Fault, ...] = (), retry_after: int | None = None
    ) -> None:
        self.status = status
        self.retry_after = retry_after
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
    needs
        Scopes that who asks must have, ``{study}`` standing for the study that is asked about; None where anybody may.
    about
        From what is asked to the study it is about, where the body says it and not the address; None where it does not
        say: the first that is served.
    signed_calls
        Whether a token that the client signed for this one call is taken, as CDS Hooks has it.
    """

    name: str
    paths: str
    judge: Callable[[bytes], Any] | None = None
    largest: int = LARGEST_BODY
    media: tuple[str, ...] = ("application/json",)
    tell: Callable[[Problem], bytes] = as_json
    told_as: str = "application/json"
    shared: bool = False
    needs: tuple[str, ...] | None = ("documentation",)
    about: Callable[[Any], str | None] | None = None
    signed_calls: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        """What may be done there: a body is sent, or something is read."""
        return ("GET", "HEAD") if self.judge is None else ("POST",)


ELSEWHERE: Final = Door("other", ".*")


def door_of(path: str, doors: Sequence[Door]) -> Door:
    """Return the first door that an address belongs to."""
    return next((door for door in doors if re.fullmatch(door.paths, path)), ELSEWHERE)


class Visit(Protocol):
    """One request, as the guard sees it."""

    async def enter(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """Let in who may ask this, and raise `Stopped` for others."""

    def seen(self, body: bytes) -> None:
        """Take note of a body."""

    def asks_about(self, study: str | None) -> None:
        """Raise `Stopped` for who may not ask about a study, the first where None."""

    def record(self, status: int) -> None:
        """Keep what became of the request; raise OSError if it cannot be kept."""

    def leave(self, status: int | None) -> None:
        """End the visit, with what was answered; None if nothing was."""


class Guard(Protocol):
    """Who may ask how much, and what is kept of it."""

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """What every answer says of the guard."""

    def visit(self, door: Door) -> Visit:
        """Return a new visit at a door."""


class Hardened:
    """ASGI middleware around the whole service.

    Parameters
    ----------
    app
        What is protected.
    doors
        What may be sent where; the first that an address belongs to counts.
    guard
        Says who may ask, and keeps what became of it.
    origins
        Sites whose pages may ask at doors that are shared, such as ``https://software.example``; `ANY_SITE` for all.
    """

    def __init__(
        self, app: ASGIApp, doors: Sequence[Door], guard: Guard, origins: frozenset[str] = frozenset()
    ) -> None:
        self.app = app
        self.doors = tuple(doors)
        self.guard = guard
        self.origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] == "lifespan":
            current_default_thread_limiter().total_tokens = AT_WORK
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # no web sockets
            await send({"type": "websocket.close", "code": 1008})
            return
        door = door_of(scope["path"], self.doors)
        headers = {name.lower(): value for name, value in scope["headers"]}
        visit = self.guard.visit(door)
        exchange = _Exchange(send, door, self._allowed(door, headers), visit, self.guard.headers)
        try:
            if exchange.origin and scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
                await exchange.permit()
                return
            async with timeout(ANSWER_WITHIN):
                await visit.enter(scope, headers)
                if "\n" in scope["path"]:  # nothing of ours; BentoML would answer it in its own words
                    raise Stopped(404, "not_found", "there is nothing here: see /")
                if scope["query_string"]:
                    raise Stopped(400, "query_refused", "no query string: an address is no place for health data")
                if scope["method"] not in door.methods:
                    raise Stopped(405, "method_refused", f"only {' and '.join(door.methods)} are answered here")
                if scope["method"] == "POST":
                    scope, receive = await _judged(scope, receive, door, headers, visit)
                await self.app(scope, receive, exchange.send)
        except Stopped as stopped:
            await exchange.answer(stopped.status, stopped.problem, stopped.retry_after)
        except TimeoutError:
            message = f"there was no time for it within {ANSWER_WITHIN:g} seconds: ask again in a little while"
            await exchange.answer(503, Problem(code="overloaded", message=message), retry_after=5)
        except Exception as error:
            LOG.error("a request failed: %s", type(error).__name__)
            await exchange.answer(500, Problem(code="internal_error", message="the request could not be answered"))
        finally:
            visit.leave(exchange.status)
            LOG.info("%s %s %s %.1f ms", _known(scope["method"]), door.name, exchange.status, exchange.milliseconds)

    def _allowed(self, door: Door, headers: Mapping[bytes, bytes]) -> bytes | None:
        """Return the site that asks, if its pages may."""
        origin = headers.get(b"origin", b"")
        if not door.shared or not origin:
            return None
        if ANY_SITE in self.origins:
            return ANY_SITE.encode()
        return origin if origin.decode("latin-1") in self.origins else None


async def _judged(
    scope: Scope, receive: Receive, door: Door, headers: Mapping[bytes, bytes], visit: Visit
) -> tuple[Scope, Receive]:
    """Return a scope with what an acceptable body asks, and a channel without the body; raise `Stopped` for any other.

    Nobody behind the wall reads it a second time.
    """
    _check_headers(headers, door)
    try:
        async with timeout(BODY_WITHIN):
            body = await _read(receive, headers.get(b"content-length"), door.largest)
    except TimeoutError:
        raise Stopped(408, "too_slow", f"a body arrives within {BODY_WITHIN:g} seconds") from None
    judge = door.judge
    assert judge is not None, "no other door takes a body"

    def asked() -> Any:
        visit.seen(body)
        return judge(body)

    found = asked() if len(body) <= A_FILE else await run_in_threadpool(asked)
    if door.about is not None:
        visit.asks_about(door.about(found))
    waiting: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def nothing_more() -> Message:
        return waiting.pop() if waiting else await receive()

    return {**scope, ASKED: [found]}, nothing_more


def taken(scope: Scope) -> Any:
    """Return what is asked, once: a scope lives on until rubbish is collected, and a file of megabytes should not."""
    return scope[ASKED].pop()


class _Exchange:
    """The sending side of one request: adds headers, has kept what becomes of it, and knows what was sent."""

    def __init__(
        self, send: Send, door: Door, origin: bytes | None, visit: Visit, headers: Sequence[tuple[bytes, bytes]]
    ) -> None:
        self._send = send
        self._door = door
        self._visit = visit
        self._headers = headers
        self._began = time.perf_counter()
        self._is_withheld = False
        self.origin = origin
        self.status: int | None = None

    @property
    def milliseconds(self) -> float:
        return (time.perf_counter() - self._began) * 1000

    async def send(self, message: Message) -> None:
        """Send what is answered, once it is kept what became of the request; without that, another answer."""
        if self._is_withheld:
            return
        if message["type"] != "http.response.start":
            await self._send(message)
            return
        try:
            self._visit.record(message["status"])
        except OSError as error:
            LOG.error("an answer is withheld, the audit trail cannot be written: %s", type(error).__name__)
            self._is_withheld = True
            body, headers = self._told(Problem(code="not_recorded", message="nothing is answered that is not recorded"))
            await self._begin(503, [*headers, (b"retry-after", b"60")])
            await self._send({"type": "http.response.body", "body": body})
        else:
            await self._begin(message["status"], message.get("headers", ()))

    async def _begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.status = status
        kept = [(name, value) for name, value in headers if name.lower() not in REPLACED]
        added = [*kept, *HEADERS, *self._headers, *self._sharing()]
        await self._send({"type": "http.response.start", "status": status, "headers": added})

    def _sharing(self) -> list[tuple[bytes, bytes]]:
        """Return the headers by which a browser lets a page of another site read the answer."""
        shared = [(b"vary", b"Origin")] if self._door.shared else []
        return [*shared, (b"access-control-allow-origin", self.origin)] if self.origin else shared

    async def permit(self) -> None:
        """Answer a browser that asks whether a page of another site may ask."""
        headers = [
            (b"access-control-allow-methods", b"GET, POST"),
            (b"access-control-allow-headers", b"Accept-Language, Authorization, Content-Type, Vigie-Practice"),
            (b"access-control-max-age", b"600"),
        ]
        await self._begin(204, headers)
        await self._send({"type": "http.response.body", "body": b""})

    async def answer(self, status: int, problem: Problem, retry_after: int | None = None) -> None:
        if self.status is not None:  # an answer has begun: it can only be cut
            return
        note_refusal(problem.code)
        body, headers = self._told(problem)
        if status == 401:  # to who does not prove who they are, nothing is explained
            body, headers = b"", [(b"content-length", b"0"), (b"www-authenticate", b"Bearer")]
        if status in (401, 403, 405, 408, 413, 429, 503):
            headers.append((b"connection", b"close"))  # what is left of the body is not read
        if status == 405:
            headers.append((b"allow", ", ".join(self._door.methods).encode()))
        if retry_after is not None:
            headers.append((b"retry-after", str(retry_after).encode()))
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    def _told(self, problem: Problem) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        """Return a problem as it is told at this door, and the headers that say so."""
        body = self._door.tell(problem)
        return body, [(b"content-type", self._door.told_as.encode()), (b"content-length", str(len(body)).encode())]


def _known(method: str) -> str:
    return method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "other"


def _check_headers(headers: Mapping[bytes, bytes], door: Door) -> None:
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise Stopped(415, "encoding_refused", "send the body as it is, without Content-Encoding")
    kind, _, parameters = headers.get(b"content-type", b"").decode("latin-1").lower().partition(";")
    parameter = parameters.replace(" ", "").replace('"', "")
    if kind.strip() not in door.media or parameter not in ("", "charset=utf-8", *FHIR_VERSIONS):
        types = " or ".join(door.media)
        raise Stopped(415, "media_type_refused", f"send the body in UTF-8, with Content-Type: {types}")


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
        return jiter.from_json(body, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys")
    except ValueError:
        raise _why_not(body) from None


def _why_not(body: bytes) -> Stopped:
    """Return the refusal of a text that is no JSON, or can be understood in several ways."""
    try:
        json.loads(body.decode("utf-8"), object_pairs_hook=_without_twins, parse_constant=_no_number)
    except Stopped as stopped:
        return stopped
    except (ValueError, RecursionError):
        pass
    return malformed()


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

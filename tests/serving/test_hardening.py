from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from anyio.to_thread import current_default_thread_limiter
from starlette.types import Message, Receive, Scope, Send

from serving.access import Guard
from serving.doors import DOORS
from serving.hardening import AT_WORK, LARGEST_BODY, Hardened, door_of, log_types_only, taken
from serving.openapi import EXAMPLES
from serving.reading import asking_of

CANARY = "Zebulon7391"
JSON = (b"content-type", b"application/json")
BODY = json.dumps(EXAMPLES["risk"]["value"]).encode()


class Inner:
    """An application that remembers what it was given and may fail."""

    def __init__(self, fault: Exception | None = None, begins: bool = False) -> None:
        self.fault, self.begins = fault, begins
        self.asked: Any = None
        self.body: bytes | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.asked = taken(scope) if scope["method"] == "POST" else None
            self.body = (await receive())["body"]
        if self.fault is None or self.begins:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"server", b"BentoML")]})
        if self.fault is not None:
            raise self.fault
        await send({"type": "http.response.body", "body": b"done"})


def ask(
    app: Any, *parts: bytes, method: str = "POST", path: str = "/score", headers: tuple[Any, ...] = (JSON,)
) -> list[Message]:
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": list(headers)}
    return exchange(app, scope, parts or (BODY,))


def exchange(app: Any, scope: dict[str, Any], parts: tuple[bytes, ...] = ()) -> list[Message]:
    sent: list[Message] = []
    waiting = [
        {"type": "http.request", "body": part, "more_body": number < len(parts)}
        for number, part in enumerate(parts, start=1)
    ]

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(Hardened(app, DOORS, Guard())(scope, receive, send))
    return sent


def test_what_an_acceptable_body_asks_is_handed_on_and_the_body_is_not_read_again():
    inner = Inner()
    start, end = ask(inner, BODY[:10], BODY[10:])
    assert inner.asked == asking_of(BODY)
    assert inner.body == b""
    assert start["status"] == 200
    assert end["body"] == b"done"
    assert (b"server", b"BentoML") not in start["headers"]


def test_a_failure_says_nothing_and_logs_its_type(caplog):
    caplog.set_level(logging.INFO, "bentoml.vigie")
    logging.getLogger("bentoml").propagate = True
    start, end = ask(Inner(RuntimeError(CANARY)))
    assert start["status"] == 500
    assert json.loads(end["body"])["code"] == "internal_error"
    assert CANARY not in end["body"].decode()
    assert CANARY not in caplog.text
    assert "RuntimeError" in caplog.text


def test_so_few_threads_answer_that_the_wall_has_its_turn():
    async def begun() -> float:
        async def nothing(*_: Any) -> None:
            pass

        await Hardened(nothing, DOORS, Guard())({"type": "lifespan"}, nothing, nothing)  # type: ignore[arg-type]
        return current_default_thread_limiter().total_tokens

    assert asyncio.run(begun()) == AT_WORK <= 2


def test_an_answer_that_has_begun_is_only_cut():
    assert [message["type"] for message in ask(Inner(RuntimeError(CANARY), begins=True))] == ["http.response.start"]


def test_a_body_that_does_not_arrive_whole_is_no_request():
    scope = {"type": "http", "method": "POST", "path": "/score", "query_string": b"", "headers": [JSON]}
    inner = Inner()
    start, _ = exchange(inner, scope)
    assert start["status"] == 400
    assert inner.body is None


def test_a_length_that_is_too_large_is_refused_before_reading():
    length = (b"content-length", str(LARGEST_BODY + 1).encode())
    start, _ = ask(Inner(), BODY, headers=(JSON, length))
    assert start["status"] == 413
    assert (b"connection", b"close") in start["headers"]


POSTED = [door.name for door in DOORS if door.judge is not None]


@pytest.mark.parametrize("path", POSTED)
def test_bodies_are_bounded_at_every_door(path):
    door = door_of(path, DOORS)
    kind = (b"content-type", door.media[0].encode())
    start, _ = ask(Inner(), b" " * door.largest, b" ", path=path, headers=(kind,))
    assert start["status"] == 413


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "ANYTHING"])
@pytest.mark.parametrize("path", POSTED)
def test_doors_for_bodies_take_nothing_else(path, method):
    inner = Inner()
    start, _ = ask(inner, b" " * (LARGEST_BODY + 1), method=method, path=path)
    assert start["status"] == 405
    assert (b"allow", b"POST") in start["headers"]
    assert inner.body is None


@pytest.mark.parametrize("path", ["/models", "/fhir/metadata", "/cds-services", "/", "/elsewhere"])
def test_elsewhere_no_body_is_read(path):
    inner = Inner()
    start, _ = ask(inner, b" " * (LARGEST_BODY + 1), path=path)
    assert start["status"] == 405
    assert (b"allow", b"GET, HEAD") in start["headers"]
    assert (b"connection", b"close") in start["headers"]


def test_a_web_socket_is_closed():
    assert exchange(Inner(), {"type": "websocket", "path": "/score"}) == [{"type": "websocket.close", "code": 1008}]


@pytest.fixture
def types_only() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    log_types_only()
    yield
    logging.setLogRecordFactory(before)


@pytest.mark.usefixtures("types_only")
def test_no_log_carries_what_an_exception_says(caplog):
    try:
        raise ValueError(CANARY)
    except ValueError:
        logging.getLogger("anybody").exception("it failed with %s", CANARY)
    assert CANARY not in caplog.text
    assert "an error of type ValueError" in caplog.text

"""The benchmark of serving counts what it should: right answers, declared refusals, and everything else apart."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.serving import Asked, Measured, ask, request, table
from benchmarks.serving_load import Load
from tests.conftest import REPOSITORY


class Answering(BaseHTTPRequestHandler):
    """Answers what it is told in the address: a status, and whether it says when to come again."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        status, _, how = self.path.strip("/").partition("/")
        if how == "silent":
            self.close_connection = True
            return
        self.send_response(int(status))
        if how == "later":
            self.send_header("Retry-After", "1")
            self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_a_right_answer_is_timed(port):
    came = ask(Load(port, [(request("/200", b'{"risk":0.1,'), b'"risk":0.1,')], 0.3, clients=2))
    assert len(came["milliseconds"]) > 10
    assert all(0 < each < 1000 for each in came["milliseconds"])
    assert (came["wrong"], came["refused"], came["lost"]) == ({}, {}, {})


@pytest.mark.parametrize(
    ("path", "expected", "kind", "name"),
    [
        ("/200", b'"risk":0.2,', "wrong", "another answer"),
        ("/500", b"", "wrong", "500"),
        ("/503", b"", "wrong", "503"),
        ("/503/later", b"", "refused", "503"),
        ("/429/later", b"", "refused", "429"),
    ],
)
def test_another_answer_is_not_right(port, path, expected, kind, name):
    came = ask(Load(port, [(request(path, b'{"risk":0.1,'), expected)], 0.2))
    assert came["milliseconds"] == []
    assert came[kind].keys() == {name}
    assert came[kind][name] > 0
    assert came["wrong" if kind == "refused" else "refused"] == {}


def test_an_answer_that_does_not_come_is_lost(port):
    came = ask(Load(port, [(request("/200/silent", b"{}"), b"")], 0.2))
    assert sum(came["lost"].values()) > 0
    assert came["milliseconds"] == []


def test_a_pace_is_kept_whoever_waits(port):
    came = ask(Load(port, [(request("/200", b"{}"), b"{}")], 1.0, rate=100))
    assert 90 <= len(came["milliseconds"]) + came["late"] <= 101


def test_the_load_is_pickled_for_a_process_that_knows_nothing_of_us():
    program = "import sys, benchmarks.serving_load; print(*(name for name in sys.modules if 'serving' in name))"
    found = subprocess.check_output([sys.executable, "-c", program], text=True, cwd=REPOSITORY)
    assert found.split() == ["benchmarks.serving_load"]


def test_the_table_compares_rows_with_as_many_clients():
    def measured(rate: float, work: float, *times: float, **faults: int) -> Measured:
        return Measured([rate / 2, rate, rate * 2], [work], list(times), Counter(faults), [100.0, 101.0])

    def row(name: str, clients: int) -> Asked:
        return Asked(name, None, [], clients)  # type: ignore[arg-type]

    found = [
        (row("ours", 1), measured(300, 3, 1, 2, 3)),
        (row("ours", 8), measured(400, 3, 1, lost=2)),
        (row("peer", 1), measured(50, 12, 20)),
        (row("empty", 1), measured(900, 1, 1)),
    ]
    lines = table(found, "peer", "empty").splitlines()
    assert lines[1].split() == ["ours", "1", "300", "2.0", "2.9", "3.0", "0", "3.00", "6.0", "3.0", "100→101"]
    assert lines[2].split() == ["ours", "8", "400", "1.0", "1.0", "1.0", "2", "3.00", "100→101"]  # nobody to compare
    assert len({len(line) for line in lines}) == 1

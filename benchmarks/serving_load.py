"""What asks a server, in a process of its own: one thread, sockets kept open, requests written out beforehand.

``python -m benchmarks.serving_load FILE`` reads what is to be done (`Load`, pickled by `benchmarks.serving`) and writes
what came of it (`Came`) to standard output. Asking costs little, so that what is measured is the server. Every answer
is looked at: one that is not right is counted as wrong, one that does not come as lost.
"""

from __future__ import annotations

import json
import pickle
import re
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSES: Final = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
RETRY: Final = re.compile(rb"\r\nretry-after: *\d", re.IGNORECASE)
#: What a server may answer to who asks too much, if it says when to come again.
DECLARED: Final = (429, 503)
#: Seconds after which an answer that did not come is lost.
PATIENCE: Final = 15.0
#: Seconds after which an idle connection is not used again, as a proxy has it; the server keeps it for longer.
KEPT: Final = 60.0
#: Most connections at once where the pace is given.
MOST: Final = 400


@dataclass(frozen=True)
class Load:
    """What is asked.

    Attributes
    ----------
    port
        On this machine.
    requests
        Whole requests, header and body, asked in turn; with each what its answer must hold, as a regular expression.
    seconds
        For how long.
    clients
        How many ask at once, each again as soon as it was answered.
    rate
        Instead: how many requests a second begin, whether earlier ones were answered or not.
    """

    port: int
    requests: Sequence[tuple[bytes, bytes]]
    seconds: float
    clients: int = 1
    rate: float | None = None


@dataclass
class Came:
    """What came of it.

    Attributes
    ----------
    seconds
        From the first request to the last answer.
    milliseconds
        From each request to its answer, of those that were answered with 200.
    refused
        Answers that are declared refusals, by status.
    wrong, lost
        Other answers, by what they are; and requests that were never answered, by why not.
    late
        Requests that never began for want of a connection.
    work
        Processor's time of who asked.
    """

    seconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    late: int = 0
    work: float = 0.0


class _Client:
    """One connection: what was asked last, and what has come of the answer."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.socket: socket.socket | None = None
        self.expected, self.began, self.got = re.compile(b""), 0.0, b""
        self.heard = 0.0

    def ask(self, request: bytes, expected: re.Pattern[bytes]) -> None:
        if self.socket is not None and time.perf_counter() - self.heard > KEPT:
            self.close()
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.expected, self.began, self.got = expected, time.perf_counter(), b""
        self.socket.sendall(request)

    def hear(self) -> bytes | None:
        """Return the whole answer once it is there; raise ConnectionError if it will never be."""
        assert self.socket is not None
        some = self.socket.recv(1 << 18)
        if not some:
            raise ConnectionError
        self.got += some
        self.heard = time.perf_counter()
        head, end, body = self.got.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        return self.got if end and len(body) >= (int(length[1]) if length else 0) else None

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
        self.socket = None


class _Asking:
    """A load under way."""

    def __init__(self, load: Load) -> None:
        self.load, self.came = load, Came()
        self.requests = [(request, re.compile(expected)) for request, expected in load.requests]
        self.waiting = selectors.DefaultSelector()
        self.idle: list[_Client] = []
        self.asked = self.open = 0

    def run(self) -> Came:
        began = time.perf_counter()
        until = began + self.load.seconds
        if self.load.rate is None:
            for _ in range(self.load.clients):
                self.ask()
        while True:
            now = time.perf_counter()
            if now < until:
                self.begin(now - began)
            elif not self.waiting.get_map():
                break
            for key, _ in self.waiting.select(0.001 if self.load.rate else 1.0):
                client: _Client = key.data
                if self.hear(client) and self.load.rate is None and time.perf_counter() < until:
                    self.ask()
            self.forget(time.perf_counter() - PATIENCE)
        self.came.seconds = time.perf_counter() - began
        self.came.work = time.process_time()
        return self.came

    def begin(self, passed: float) -> None:
        """Ask what should have been asked by now."""
        while self.load.rate is not None and self.asked + self.came.late < passed * self.load.rate:
            if self.idle or self.open < MOST:
                self.ask()
            else:
                self.came.late += 1

    def ask(self) -> None:
        request, expected = self.requests[self.asked % len(self.requests)]
        self.asked += 1
        if not self.idle:
            self.open += 1
        client = self.idle.pop() if self.idle else _Client(self.load.port)
        try:
            client.ask(request, expected)
            assert client.socket is not None
            self.waiting.register(client.socket, selectors.EVENT_READ, client)
        except OSError as error:
            self.lose(client, type(error).__name__)

    def hear(self, client: _Client) -> bool:
        """Take what has come, and return whether nothing more is awaited."""
        assert client.socket is not None
        try:
            answer = client.hear()
        except OSError as error:
            self.waiting.unregister(client.socket)
            self.lose(client, type(error).__name__)
            return True
        if answer is None:
            return False
        self.waiting.unregister(client.socket)
        took = (time.perf_counter() - client.began) * 1000
        head, _, body = answer.partition(b"\r\n\r\n")
        status = int(answer[9:12])
        if status == 200 and client.expected.search(body):
            self.came.milliseconds.append(took)
        elif status in DECLARED and RETRY.search(head):
            self.came.refused[str(status)] += 1
        else:
            self.came.wrong["another answer" if status == 200 else str(status)] += 1
        if CLOSES.search(head):
            client.close()
        self.idle.append(client)
        return True

    def lose(self, client: _Client, why: str) -> None:
        self.came.lost[why] += 1
        client.close()
        self.idle.append(client)

    def forget(self, before: float) -> None:
        """Give up on what was asked too long ago."""
        for key in list(self.waiting.get_map().values()):
            if key.data.began < before:
                self.waiting.unregister(key.fileobj)
                self.lose(key.data, f"nothing within {PATIENCE:g} s")


def main() -> None:
    load: Load = pickle.loads(Path(sys.argv[1]).read_bytes())  # of this benchmark, made a moment ago
    json.dump(vars(_Asking(load).run()), sys.stdout)


if __name__ == "__main__":
    main()

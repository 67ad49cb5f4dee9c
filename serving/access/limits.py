"""How much may be asked: by each client in a minute and in a day, by each at once, and by all together at once.

Counts live in the memory of a process and begin anew with it. Several processes each have their own: a client may ask
each of them as much as one alone allows. What must hold exactly across processes belongs into the proxy.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from serving.access.clients import Client
from serving.hardening import Stopped

#: Requests that are read or answered at the same time. At three milliseconds each, the last one waits for 0.2 s.
MOST_AT_ONCE: Final = 64
MINUTE: Final = 60.0
DAY: Final = 86_400.0


@dataclass
class Bucket:
    """Tokens that come back steadily, up to a number; a request takes one.

    Attributes
    ----------
    size
        Most tokens there can be.
    seconds
        Within which an empty bucket is full again.
    """

    size: int
    seconds: float
    clock: Callable[[], float] = time.monotonic
    _left: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._left, self._at = float(self.size), self.clock()

    def wait(self) -> float:
        """Return after how many seconds there is a token; 0 if there is one."""
        now = self.clock()
        self._left = min(self.size, self._left + (now - self._at) * self.size / self.seconds)
        self._at = now
        return 0.0 if self._left >= 1 else (1 - self._left) * self.seconds / self.size

    def take(self) -> None:
        """Take a token, which `wait` said there is."""
        self._left -= 1


class Limits:
    """What is under way, and what each client has left.

    Parameters
    ----------
    most_at_once
        Requests of all clients together.
    """

    def __init__(self, most_at_once: int = MOST_AT_ONCE, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most_at_once
        self._clock = clock
        self._all = 0
        self._of: Counter[str] = Counter()
        self._buckets: dict[str, tuple[tuple[int, int], list[Bucket]]] = {}

    def enter(self) -> None:
        """Begin a request; raise `Stopped` (503) if there are too many. After it there is a `leave`."""
        if self._all >= self._most:
            raise Stopped(503, "overloaded", "too much is asked at once: ask again in a second", retry_after=1)
        self._all += 1

    def leave(self) -> None:
        """End a request."""
        self._all -= 1

    def enter_as(self, client: Client) -> None:
        """Count a request for a client; raise `Stopped` (429) if it asks too much. After it there is a `leave_as`."""
        if self._of[client.id] >= client.at_once:
            raise Stopped(429, "too_many_at_once", f"{client.at_once} requests at once, no more", retry_after=1)
        self.count(client)
        self._of[client.id] += 1

    def count(self, client: Client) -> None:
        """Count something that a client asks; raise `Stopped` (429) if it asks too much."""
        buckets = self._buckets_of(client)
        if wait := max(bucket.wait() for bucket in buckets):
            message = f"{client.per_minute:,} requests a minute and {client.per_day:,} a day, no more"
            raise Stopped(429, "too_many", message, retry_after=math.ceil(wait))
        for bucket in buckets:
            bucket.take()

    def leave_as(self, client: Client) -> None:
        """End a client's request."""
        self._of[client.id] -= 1

    def _buckets_of(self, client: Client) -> list[Bucket]:
        """Return what a client has left; new if its allowance was changed."""
        allowed = client.per_minute, client.per_day
        held = self._buckets.get(client.id)
        if held is None or held[0] != allowed:
            made = [Bucket(allowed[0], MINUTE, self._clock), Bucket(allowed[1], DAY, self._clock)]
            held = self._buckets[client.id] = allowed, made
        return held[1]

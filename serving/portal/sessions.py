"""Who is signed in, proof that a form came from our own page, and patience with wrong passwords.

Nothing here is written to a disk: when the portal stops, everybody is signed out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from training.committee import Member

IDLE: Final = 30 * 60.0
"""Seconds without a request after which a member is signed out."""

LONGEST: Final = 8 * 3600.0
"""Seconds after signing in after which a member is signed out."""

WINDOW: Final = 15 * 60.0
"""Seconds during which a wrong password counts."""

FORGOTTEN: Final = 10_000
"""Names and addresses whose wrong passwords are remembered at most."""


@dataclass
class Session:
    """A member who is signed in, with the key that signs what the member does."""

    member: Member
    key: Ed25519PrivateKey
    began: float
    seen: float


@dataclass
class Sessions:
    """Everybody who is signed in, by the secret in their cookie."""

    clock: Callable[[], float] = time.monotonic
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _open: dict[str, Session] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def begin(self, member: Member, key: Ed25519PrivateKey) -> str:
        """Sign a member in and return the secret for the cookie."""
        cookie, now = secrets.token_urlsafe(32), self.clock()
        with self._lock:
            self._open = {name: each for name, each in self._open.items() if not self._over(each, now)}
            self._open[cookie] = Session(member, key, now, now)
        return cookie

    def find(self, cookie: str | None) -> Session | None:
        """Return who has that cookie, None if nobody has or has any longer."""
        now = self.clock()
        with self._lock:
            found = self._open.get(cookie or "")
            if found is None or self._over(found, now):
                self._open.pop(cookie or "", None)
                return None
            found.seen = now
            return found

    def end(self, cookie: str | None) -> None:
        """Sign out who has that cookie."""
        with self._lock:
            self._open.pop(cookie or "", None)

    def token(self, cookie: str) -> str:
        """Return what a form must send back so that we know that it is ours."""
        return hmac.new(self._secret, cookie.encode(), hashlib.sha256).hexdigest()

    def is_ours(self, cookie: str | None, token: str) -> bool:
        """Return whether a form's token is that of a cookie."""
        return bool(cookie) and hmac.compare_digest(self.token(cookie or "").encode(), token.encode())

    def _over(self, session: Session, now: float) -> bool:
        return now - session.seen > IDLE or now - session.began > LONGEST


@dataclass
class Patience:
    """How many wrong passwords are borne: few for a name from one address, more for either of them.

    A name is not locked by strangers elsewhere after a handful of attempts, so that nobody can keep a member from
    suspending a model.
    """

    clock: Callable[[], float] = time.monotonic
    both: int = 5
    address: int = 20
    name: int = 50
    _failures: dict[tuple[str, ...], deque[float]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def wait(self, name: str, address: str) -> float:
        """Return how many seconds no password is tried for a name from an address; nought if one is."""
        now, longest = self.clock(), 0.0
        with self._lock:
            for key, most in self._keys(name, address):
                failures = self._failures.get(key, deque())
                while failures and now - failures[0] > WINDOW:
                    failures.popleft()
                if len(failures) >= most:
                    longest = max(longest, failures[-most] + WINDOW - now)
        return longest

    def failed(self, name: str, address: str) -> None:
        """Remember a wrong password."""
        with self._lock:
            for key, most in self._keys(name, address):
                failures = self._failures.pop(key, deque(maxlen=most))
                failures.append(self.clock())
                self._failures[key] = failures
            while len(self._failures) > FORGOTTEN:
                self._failures.pop(next(iter(self._failures)))

    def succeeded(self, name: str, address: str) -> None:
        """Forget the wrong passwords of a name from an address."""
        with self._lock:
            self._failures.pop((name, address), None)

    def _keys(self, name: str, address: str) -> tuple[tuple[tuple[str, ...], int], ...]:
        return ((name, address), self.both), (("", address), self.address), ((name, ""), self.name)

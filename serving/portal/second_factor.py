"""The second factor: six digits from the member's telephone, others every 30 seconds (TOTP, RFC 6238).

Its secret follows from the member's signing key by a one-way function: nothing more is kept, a new key has a new
secret, and a telephone that is lost gives away neither key nor password. It protects from passwords that were seen,
guessed or used elsewhere; who has copied the members' file and found a password has both. Commands on the portal's own
machine, such as the kill switch, ask for passwords alone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.twofactor import InvalidToken
from cryptography.hazmat.primitives.twofactor.totp import TOTP

ISSUER: Final = "Vigie"
SECONDS: Final = 30
DIGITS: Final = 6
"""What every application for such codes does: 30 seconds, six digits, SHA-1 (which RFC 6238 does not need to be
collision-free)."""

APART: Final = 1
"""By how many codes the clocks of telephone and portal may differ (RFC 6238, 5.2)."""


def enrolment(name: str, key: Ed25519PrivateKey) -> str:
    """Return the address (``otpauth://…``) that the member's application takes, written or as a QR code."""
    return _totp(key).get_provisioning_uri(name, ISSUER)


def code(key: Ed25519PrivateKey, at: float) -> str:
    """Return the code of a moment, in seconds since 1970."""
    return _totp(key).generate(int(at)).decode()


@dataclass
class Codes:
    """Which codes are right: each once, and none that is older than one that was used.

    What was used is forgotten when the portal stops, and everybody is then signed out: a code that somebody saw may
    serve again for a minute after a restart, with the password.
    """

    clock: Callable[[], float] = time.time
    _used: dict[str, int] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def accept(self, name: str, key: Ed25519PrivateKey, given: str) -> bool:
        """Return whether a member's code is right, and never take it again."""
        typed = re.sub(r"\s", "", given).encode()
        now = int(self.clock()) // SECONDS
        with self._lock:
            for step in range(now - APART, now + APART + 1):
                if step > self._used.get(name, -1) and _is_right(key, typed, step):
                    self._used[name] = step
                    return True
        return False


def _is_right(key: Ed25519PrivateKey, typed: bytes, step: int) -> bool:
    try:
        _totp(key).verify(typed, step * SECONDS)
    except InvalidToken:
        return False
    return True


def _totp(key: Ed25519PrivateKey) -> TOTP:
    secret = HKDF(SHA256(), 20, salt=None, info=b"vigie portal second factor").derive(key.private_bytes_raw())
    return TOTP(secret, DIGITS, SHA1(), SECONDS)

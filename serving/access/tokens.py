"""The tokens of this service: who asks, for what and for which practice, signed, for five minutes (RFC 9068).

They name no person. A token is verified once and remembered while it lasts; whether its client is still registered, and
for what, is looked up at every request.
"""

from __future__ import annotations

import time
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import jwt

from serving.access.keys import ES384, TokenKey
from serving.access.proofs import LONGEST, NotProven

LIFETIME: Final = 300
TYPE: Final = "at+jwt"
#: Tokens remembered as verified, in memory.
MOST: Final = 1024


@dataclass(frozen=True)
class Grant:
    """What a token says.

    Attributes
    ----------
    client
        Id of the client it was given to.
    scopes
        What may be asked with it.
    practice
        For which practice.
    certificate
        SHA-256 of the TLS certificate it is bound to (RFC 8705), None if to none.
    over
        When it is over, in seconds since 1970.
    """

    client: str
    scopes: frozenset[str]
    practice: str
    certificate: str | None
    over: int


class Tokens:
    """Given out and taken back.

    Parameters
    ----------
    key
        With which they are signed.
    home
        Address of this service: who gives them, and whom they are for.
    """

    def __init__(self, key: TokenKey, home: str) -> None:
        self._key = key
        self._home = home
        self._known: OrderedDict[bytes, Grant] = OrderedDict()

    @property
    def public_key(self) -> dict[str, Any]:
        """JWK by which others can verify them."""
        return self._key.public

    def issue(self, client: str, scopes: Iterable[str], practice: str, certificate: str | None) -> str:
        """Return a new token; the parameters are those of a `Grant`."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self._home,
            "aud": self._home,
            "sub": client,
            "client_id": client,
            "scope": " ".join(sorted(scopes)),
            "practice": practice,
            "iat": now,
            "exp": now + LIFETIME,
            "jti": str(uuid.uuid4()),
        }
        if certificate is not None:
            claims["cnf"] = {"x5t#S256": urlsafe_b64encode(bytes.fromhex(certificate)).decode().rstrip("=")}
        return jwt.encode(claims, self._key.key, algorithm=ES384, headers={"typ": TYPE, "kid": self._key.id})

    def known(self, token: str) -> Grant | None:
        """Return what a token says if it was verified before and is not over; None otherwise."""
        grant = self._known.get(sha256(token.encode()).digest())
        return grant if grant is not None and grant.over > time.time() else None

    def verify(self, token: str) -> Grant:
        """Return what a token says; raise `NotProven` unless it is one of ours and not over."""
        if len(token) > LONGEST:
            raise NotProven
        try:
            decoded = jwt.decode_complete(
                token,
                self._key.key.public_key(),
                algorithms=[ES384],
                audience=self._home,
                issuer=self._home,
                options={"require": ["exp", "iat", "iss", "aud", "sub", "jti"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise NotProven from None
        if decoded["header"].get("typ") != TYPE:
            raise NotProven
        claims = decoded["payload"]
        bound = claims.get("cnf", {}).get("x5t#S256")
        certificate = urlsafe_b64decode(f"{bound}=").hex() if bound else None
        scopes = frozenset(claims["scope"].split())
        grant = Grant(claims["sub"], scopes, claims["practice"], certificate, int(claims["exp"]))
        self._known[sha256(token.encode()).digest()] = grant
        while len(self._known) > MOST:
            self._known.popitem(last=False)
        return grant


def is_ours(token: str) -> bool:
    """Return whether a token says that it is one of this service, which `Tokens.verify` then finds true or not."""
    try:
        return jwt.get_unverified_header(token).get("typ") == TYPE
    except (jwt.PyJWTError, ValueError, RecursionError):
        return False

"""JSON Web Tokens that clients sign themselves: assertions for a token, and those of CDS Hooks.

Both name the client that signed them and whom they are for, are short-lived and count once. Only ES384 and RS384 are
taken, only with keys that are registered here; an address of keys that a token names is compared, never fetched.
(RFC 7521, RFC 7523, RFC 8725; SMART Backend Services; CDS Hooks 2.0, "Trusting CDS Clients".)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import jwt

from serving.access.clients import Client, Register
from serving.access.keys import ALGORITHMS
from serving.access.replay import Used

#: Seconds by which clocks may differ.
SKEW: Final = 60
#: Seconds that a token signed by a client may live.
LIFETIME: Final = 300
LONGEST: Final = 8 * 1024
LONGEST_ID: Final = 256


class NotProven(Exception):
    """A token that proves nothing. Why is told to nobody."""


class Proofs:
    """What clients sign, verified.

    Parameters
    ----------
    register
        Who may ask.
    used
        What counted already.
    """

    def __init__(self, register: Register, used: Used) -> None:
        self._register = register
        self._used = used

    def assertion(self, token: str, audience: str) -> Client:
        """Return the client that asks for a token by this assertion; raise `NotProven` for any other.

        Parameters
        ----------
        token
            Signed by the client, with its id as ``iss`` and as ``sub``.
        audience
            Address of the token endpoint.
        """
        client, claims = self._claims(token, audience, self._register.by_id, ("iss", "sub", "aud", "exp", "jti"))
        if claims["sub"] != client.id:
            raise NotProven
        self._use(client, claims)
        return client

    def hook(self, token: str, audience: str) -> tuple[Client, str | None]:
        """Return the client that calls a CDS service by this token, and the tenant it names; raise `NotProven`.

        Parameters
        ----------
        token
            Signed by the client, with its registered issuer as ``iss``.
        audience
            Address that was called.
        """
        required = ("iss", "aud", "exp", "iat", "jti")
        client, claims = self._claims(token, audience, self._register.by_issuer, required)
        tenant = claims.get("tenant")
        if tenant is not None and not isinstance(tenant, str):
            raise NotProven
        self._use(client, claims)
        return client, tenant

    def _claims(
        self, token: str, audience: str, find: Callable[[object], Client | None], required: tuple[str, ...]
    ) -> tuple[Client, dict[str, Any]]:
        if len(token) > LONGEST:
            raise NotProven
        try:
            unverified = jwt.decode_complete(token, options={"verify_signature": False})
            client = find(unverified["payload"].get("iss"))
            header = unverified["header"]
            key = None if client is None else client.keys.get(str(header.get("kid")))
            if client is None or key is None or header.get("jku", client.jku) != client.jku:
                raise NotProven
            if header.get("alg") != key.algorithm_name or header["alg"] not in ALGORITHMS:
                raise NotProven
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=audience,
                leeway=SKEW,
                options={"require": list(required)},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise NotProven from None
        now = time.time()
        begun = int(claims.get("iat", now))
        if int(claims["exp"]) - begun > LIFETIME or int(claims["exp"]) > now + LIFETIME + SKEW:
            raise NotProven
        if not 0 < len(claims["jti"]) <= LONGEST_ID:
            raise NotProven
        return client, claims

    def _use(self, client: Client, claims: dict[str, Any]) -> None:
        if not self._used.use(client.id, claims["jti"], int(claims["exp"]) + SKEW):
            raise NotProven

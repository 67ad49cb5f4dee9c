"""Who asks, and whether they may: by a token of this service, or at the CDS Hooks doors by one that the client signed.

Why a token is refused is told to nobody (401, without a body). What a client that is known may not do is told (403).
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool

from serving.access.clients import Client, Register
from serving.access.proofs import LONGEST, NotProven, Proofs
from serving.access.tokens import LIFETIME, Tokens, is_ours
from serving.hardening import Door, Stopped
from serving.outcome import note_client

#: Names the practice a request is about; it need not be there, and can only be the one of the token.
PRACTICE: Final = b"vigie-practice"
#: The client's TLS certificate, as PEM in percent-encoding, set by the proxy and by nobody else.
CERTIFICATE: Final = b"vigie-client-certificate"
BEARER: Final = re.compile(r"bearer +([A-Za-z0-9_.~+/=-]+)", re.IGNORECASE)
GRANT: Final = "client_credentials"
ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Headers = Mapping[bytes, bytes]


@dataclass(frozen=True)
class Claim:
    """Who asks.

    Attributes
    ----------
    client
        As it is registered.
    scopes
        What it may ask by what it showed.
    practice
        For which practice, by what it showed; None if that does not say.
    """

    client: Client
    scopes: frozenset[str]
    practice: str | None


def unauthorized() -> Stopped:
    """Return the refusal of who does not prove who they are."""
    return Stopped(401, "unauthorized", "")


@dataclass(frozen=True)
class Gatekeeper:
    """Says who asks.

    Attributes
    ----------
    home
        Address by which clients reach this service.
    register
        Who may ask.
    proofs
        Verifies what clients sign.
    tokens
        Of this service.
    """

    home: str
    register: Register
    proofs: Proofs
    tokens: Tokens

    @property
    def token_address(self) -> str:
        """Where tokens are given out."""
        return f"{self.home}/oauth/token"

    async def claim(self, door: Door, path: str, headers: Headers) -> Claim:
        """Return who asks at a door, and note it; raise `Stopped` (401) if they do not prove it.

        Parameters
        ----------
        door, path
            What is asked.
        headers
            Of the request, names in lower case.
        """
        bearer = BEARER.fullmatch(headers.get(b"authorization", b"")[: LONGEST + 100].decode("latin-1"))
        if bearer is None:
            raise unauthorized()
        token, certificate = bearer[1], thumbprint(headers)
        practice: str | None
        try:
            if is_ours(token):
                grant = self.tokens.known(token)
                if grant is None:
                    grant = await run_in_threadpool(self.tokens.verify, token)
                client, scopes, practice = self.register.by_id(grant.client), grant.scopes, grant.practice
                if grant.certificate != certificate and grant.certificate is not None:
                    raise NotProven
            elif door.signed_calls:
                found, practice = await run_in_threadpool(self.proofs.hook, token, f"{self.home}{path}")
                client, scopes = found, found.scopes
            else:
                raise NotProven
        except NotProven:
            raise unauthorized() from None
        if client is None or not _comes_with(client, certificate):
            raise unauthorized()
        note_client(client.id)
        return Claim(client, scopes & client.scopes, practice)

    def permit(self, claim: Claim, door: Door, headers: Headers, study: str | None) -> None:
        """Note for which practice is asked; raise `Stopped` (403) if who asks may not ask this.

        Parameters
        ----------
        claim
            Who asks.
        door, headers
            What is asked.
        study
            About which study, None if about none that is here.
        """
        _require_scopes(door, claim.scopes, study)
        note_client(claim.client.id, _practice(claim, headers.get(PRACTICE)))

    def permit_study(self, claim: Claim, door: Door, study: str | None) -> None:
        """Raise `Stopped` (403) if who asks may not ask this about a study."""
        _require_scopes(door, claim.scopes, study)

    def grant(self, asked: Mapping[str, str], headers: Headers) -> tuple[Client, dict[str, Any]]:
        """Return who asks for a token by a form, and the token as OAuth 2.0 gives it.

        Raises
        ------
        Stopped
            With the codes of RFC 6749.
        """
        if asked.get("grant_type") != GRANT:
            raise Stopped(400, "unsupported_grant_type", f"grant_type is {GRANT}")
        if asked.get("client_assertion_type") != ASSERTION or "client_assertion" not in asked:
            raise Stopped(400, "invalid_request", f"client_assertion_type is {ASSERTION}, client_assertion a JWT")
        certificate = thumbprint(headers)
        try:
            client = self.proofs.assertion(asked["client_assertion"], self.token_address)
        except NotProven:
            raise Stopped(401, "invalid_client", "") from None
        if asked.get("client_id", client.id) != client.id or not _comes_with(client, certificate):
            raise Stopped(401, "invalid_client", "")
        note_client(client.id)
        scopes = frozenset(asked.get("scope", "").split()) or client.scopes
        if not scopes <= client.scopes:
            raise Stopped(400, "invalid_scope", f"this client may ask: {' '.join(sorted(client.scopes))}")
        practice = asked.get("practice") or _only(client)
        if practice not in client.practices:
            raise Stopped(400, "invalid_request", "practice: one of those registered for this client")
        note_client(client.id, practice)
        return client, {
            "access_token": self.tokens.issue(client.id, scopes, practice, certificate),
            "token_type": "Bearer",
            "expires_in": LIFETIME,
            "scope": " ".join(sorted(scopes)),
        }


def thumbprint(headers: Headers) -> str | None:
    """Return the SHA-256 of the TLS certificate a client came with, as the proxy says it; None if with none."""
    try:
        return sha256(ssl.PEM_cert_to_DER_cert(unquote(headers[CERTIFICATE].decode("latin-1")))).hexdigest()
    except (KeyError, ValueError):
        return None


def _comes_with(client: Client, certificate: str | None) -> bool:
    return not client.certificates or certificate in client.certificates


def _only(client: Client) -> str | None:
    return next(iter(client.practices)) if len(client.practices) == 1 else None


def _require_scopes(door: Door, held: frozenset[str], study: str | None) -> None:
    needed = {
        scope.format(study=study): scope for scope in door.needs or () if study is not None or "{study}" not in scope
    }
    if missing := sorted(needed[scope] for scope in needed.keys() - held):  # what was sent is not said again
        raise Stopped(403, "scope_missing", f"this needs the scope {' '.join(missing)}")


def _practice(claim: Claim, named: bytes | None) -> str:
    """Return the practice that is meant, if the client may ask for it and the request names no other."""
    header = None if named is None else named[:100].decode("latin-1")
    practice = claim.practice or header or _only(claim.client)
    if practice is None:
        raise Stopped(403, "practice_unnamed", "name the practice: as tenant in the token, or in Vigie-Practice")
    if practice not in claim.client.practices or header not in (None, practice):
        raise Stopped(403, "other_practice", "this token does not speak for that practice")
    return practice

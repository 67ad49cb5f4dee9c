"""The register of clients: which software may ask, for what, for which practices, how much; read again when it changes.

A TOML file, one table a client::

    [clients.software-a]
    keys = "software-a.jwks.json"                       # its public keys, beside this file
    scopes = ["score:cardiovascular", "fhir", "cds-hooks", "feedback"]
    practices = ["practice-01", "practice-02"]
    issuer = "https://software-a.example"               # how it calls itself in CDS Hooks tokens; its id if left out
    jku = "https://software-a.example/jwks.json"        # address it may name for its keys; never fetched
    certificates = ["<SHA-256 of its certificate>"]     # if given, it must come with one of these through the proxy
    per_minute = 600
    per_day = 100000
    at_once = 16
"""

from __future__ import annotations

import logging
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import jwt
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from serving.access.keys import KeysUnusable, public_keys

LOG: Final = logging.getLogger("bentoml.vigie")
#: What may be asked, beside ``score:`` and a study.
DOORS: Final = ("fhir", "cds-hooks", "feedback", "documentation", "metrics")
#: Seconds between two looks at whether the register has changed.
LOOK_EVERY: Final = 1.0
NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

Name = Annotated[str, StringConstraints(pattern=NAME)]
Scope = Annotated[str, StringConstraints(pattern=rf"^(score:[a-z][a-z0-9_-]{{0,63}}|{'|'.join(DOORS)})$")]
Address = Annotated[str, StringConstraints(pattern=r"^https?://[!-~]{1,500}$")]
Thumbprint = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class ClientsUnusable(ValueError):
    """A register that cannot be used: all that is wrong with it."""


class Client(BaseModel):
    """A software that may ask.

    Attributes
    ----------
    id
        By which it calls itself.
    keys
        Its public keys, by their id.
    scopes
        What it may ask.
    practices
        For which practices it may ask.
    issuer
        How it calls itself in CDS Hooks tokens.
    jku
        Address it may name for its keys.
    certificates
        SHA-256 of the TLS certificates it may come with; any, or none, if empty.
    per_minute, per_day, at_once
        How many requests.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    id: Name
    keys: dict[str, jwt.PyJWK]
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    practices: Annotated[frozenset[Name], Field(min_length=1)]
    issuer: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,500}$")]
    jku: Address | None = None
    certificates: frozenset[Thumbprint] = frozenset()
    per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 600
    per_day: Annotated[int, Field(ge=1, le=100_000_000)] = 100_000
    at_once: Annotated[int, Field(ge=1, le=1_000)] = 16


def read_clients(path: Path) -> tuple[Client, ...]:
    """Return the clients of a register.

    Raises
    ------
    ClientsUnusable
        With everything that is wrong, by client and field.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ClientsUnusable(f"{path.name} cannot be read as TOML ({type(error).__name__})") from error
    tables = document.get("clients")
    if document.keys() != {"clients"} or not isinstance(tables, dict) or not tables:
        raise ClientsUnusable(f"{path.name} holds tables [clients.<id>] and nothing else, one at least")
    found, faults = [], []
    for name, table in tables.items():
        try:
            found.append(_client(name, table, path.parent))
        except ClientsUnusable as error:
            faults.append(str(error))
    issuers = [client.issuer for client in found]
    faults += [
        f"[clients.{client.id}] issuer: another client has the same"
        for number, client in enumerate(found)
        if client.issuer in issuers[:number]
    ]
    if faults:
        raise ClientsUnusable("\n".join(f"{path.name}: {fault}" for fault in faults))
    return tuple(found)


def _client(name: str, table: Any, folder: Path) -> Client:
    where = f"[clients.{name}]"
    if not isinstance(table, Mapping) or not isinstance(table.get("keys"), str):
        raise ClientsUnusable(f"{where} keys: the name of a file, beside this one, with the client's JWK Set")
    faults = [f"{where} id: it is the name of the table"] if "id" in table else []
    keys: dict[str, jwt.PyJWK] = {}
    try:
        keys = public_keys(folder / table["keys"])
    except KeysUnusable as error:
        faults.append(f"{where} keys: {error}")
    try:
        client = Client(**{"issuer": name, **table, "id": name, "keys": keys})
    except ValidationError as error:
        for each in error.errors(include_input=False, include_url=False):
            faults.append(f"{where} {'.'.join(str(part) for part in each['loc'])}: {each['msg']}")
        raise ClientsUnusable("\n".join(faults)) from error
    if faults:
        raise ClientsUnusable("\n".join(faults))
    return client


@dataclass(frozen=True)
class _Read:
    stamp: tuple[Any, ...]
    by_id: Mapping[str, Client]
    by_issuer: Mapping[str, Client]


class Register:
    """The clients there are now.

    When the register or a file of keys changes it is read again: a client that was removed is refused a second later. A
    register that has become unusable is told in the log, and the one before it stays.

    Raises
    ------
    ClientsUnusable
        If the register cannot be used from the beginning.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = self._again()
        self._looked = time.monotonic()

    def by_id(self, identity: object) -> Client | None:
        """Return the client of this id, None if there is none."""
        return self._current().by_id.get(identity) if isinstance(identity, str) else None

    def by_issuer(self, issuer: object) -> Client | None:
        """Return the client that calls itself so in CDS Hooks tokens, None if there is none."""
        return self._current().by_issuer.get(issuer) if isinstance(issuer, str) else None

    def scopes(self) -> list[str]:
        """Return everything that some client may ask."""
        return sorted(set().union(*(client.scopes for client in self._current().by_id.values())))

    def _current(self) -> _Read:
        if (moment := time.monotonic()) - self._looked < LOOK_EVERY:
            return self._read
        self._looked = moment
        if (stamp := self._stamp()) != self._read.stamp:
            try:
                self._read = self._again()
            except ClientsUnusable as error:
                LOG.error("the register of clients has changed and cannot be used; the one before stays: %s", error)
                self._read = _Read(stamp, self._read.by_id, self._read.by_issuer)
        return self._read

    def _again(self) -> _Read:
        stamp = self._stamp()
        clients = read_clients(self._path)
        return _Read(stamp, {each.id: each for each in clients}, {each.issuer: each for each in clients})

    def _stamp(self) -> tuple[Any, ...]:
        """Return what changes when the register or a file beside it does."""
        found = []
        for path in sorted(self._path.parent.iterdir()):
            try:
                about = path.stat()
            except OSError:
                continue
            found.append((path.name, about.st_mtime_ns, about.st_size, about.st_ino))
        return tuple(found)

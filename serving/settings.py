"""Settings of the service, from the environment: which bundle, and whose decisions count."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from serving.refusals import KeysUnusable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

BUNDLE: Final = "VIGIE_BUNDLE"
"""Folder of the bundle, where the service does not run from a Bento."""

BUNDLES: Final = "VIGIE_BUNDLES"
"""Folders of several bundles, separated as in PATH; with `BUNDLE`, which may name one alone."""

SHADOWS: Final = "VIGIE_SHADOWS"
"""Folders of bundles of candidates, separated as in PATH: scored beside the approved model and shown to nobody."""

LEDGER: Final = "VIGIE_LEDGER"
"""File of the committee's own ledger, asked before every answer: a suspension counts at once. Without it, the copy in
each bundle counts, as it was when the service started."""

TRUSTED_KEYS: Final = "VIGIE_TRUSTED_KEYS"
"""Folder of the public keys whose decisions count, as an absolute path."""

ALLOW_DEMONSTRATION: Final = "VIGIE_ALLOW_DEMONSTRATION"
"""``1`` where a demonstration's approval counts as well; every answer and page then says that it is one."""

LEDGER_HEAD: Final = "VIGIE_LEDGER_HEAD"
"""Head of the ledger as it was noted elsewhere: a ledger that was cut short is then noticed."""

PUBLIC_ADDRESS: Final = "VIGIE_PUBLIC_ADDRESS"
"""Address by which clients reach the service, such as ``https://vigie.example``: links in answers begin with it."""

ORIGINS: Final = "VIGIE_ORIGINS"
"""Sites whose pages may ask at the CDS Hooks door, such as ``https://software.example``, separated by blanks. Where
none is named, none may in production, and any in development."""

ANY_SITE: Final = "*"
"""Among `origins`: pages of any site, and browsers send no credentials with what they ask."""

DATA: Final = "VIGIE_DATA"
"""Folder in which the service keeps what it is told about its cards: no health data. Without it nothing is kept."""

CLIENTS: Final = "VIGIE_CLIENTS"
"""File of the clients that may ask (TOML, `serving.access.clients`)."""

TOKEN_KEY: Final = "VIGIE_TOKEN_KEY"
"""File of the private key that signs this service's tokens (PEM, P-384)."""

AUDIT_KEY: Final = "VIGIE_AUDIT_KEY"
"""File of the key that seals the audit trail and makes digests in it unguessable, 32 bytes or more."""

DEVELOPMENT: Final = "VIGIE_DEVELOPMENT"
"""``1`` for development mode: anybody may ask, and every answer says so."""

BUILDING: Final = "VIGIE_BUILDING"
"""``1`` while a Bento is built: it is imported to be described and lets nobody in. Set by `serving.release`."""

MODEL_ALIAS: Final = "bundle"
"""What released bundles are called inside a Bento, each with its number from 1."""


ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9.\-]+(:\d{1,5})?")


class InvalidSetting(ValueError):
    """A setting that is not what it should be: which, and what to do."""


def folders(environment: Mapping[str, str], *names: str) -> tuple[Path, ...]:
    """Return the folders that settings name, each once, in their order."""
    named = [path for name in names for path in environment.get(name, "").split(os.pathsep) if path]
    return tuple(dict.fromkeys(map(Path, named)))


def ledger(environment: Mapping[str, str]) -> Path | None:
    """Return the file of the committee's own ledger, None where only the copies in bundles count.

    Raises
    ------
    InvalidSetting
        If it is not there: everything would be refused, and nothing would say why.
    """
    found = Path(environment[LEDGER]) if environment.get(LEDGER) else None
    if found is not None and not found.is_file():
        raise InvalidSetting(f"{LEDGER} names no file: give the committee's ledger.jsonl, as an absolute path")
    return found


def origins(environment: Mapping[str, str]) -> frozenset[str]:
    """Return the sites whose pages may ask at the CDS Hooks door: where it is not said none, in development any."""
    found = environment.get(ORIGINS, "").split()
    if not found and is_development(environment):
        return frozenset({ANY_SITE})
    if wrong := [number for number, origin in enumerate(found, 1) if not ADDRESS.fullmatch(origin)]:
        which = ", ".join(map(str, wrong))
        raise InvalidSetting(f"{ORIGINS}: not the address of a site, such as https://software.example: number {which}")
    return frozenset(found)


def public_address(environment: Mapping[str, str]) -> str | None:
    """Return the address by which clients reach the service, without its last slash; None where it is not said."""
    found = environment.get(PUBLIC_ADDRESS, "").rstrip("/")
    if found and not re.fullmatch(ADDRESS.pattern + r"(/[A-Za-z0-9._~\-]+)*", found):
        raise InvalidSetting(f"{PUBLIC_ADDRESS} is no address, such as https://vigie.example or https://example/vigie")
    return found or None


def is_development(environment: Mapping[str, str]) -> bool:
    """Return whether anybody may ask: by name, or for a demonstration to which nothing was said about clients.

    Raises
    ------
    InvalidSetting
        If development is asked for and clients are named as well: they would be told nothing of it.
    """
    by_name = environment.get(DEVELOPMENT) == "1"
    named = [name for name in (CLIENTS, TOKEN_KEY, AUDIT_KEY) if environment.get(name)]
    if by_name and named:
        raise InvalidSetting(f"{DEVELOPMENT}=1 lets anybody ask: leave it out, or leave out {', '.join(named)}")
    return by_name or (environment.get(ALLOW_DEMONSTRATION) == "1" and not named)


def is_building(environment: Mapping[str, str]) -> bool:
    """Return whether the service is only imported so that a Bento can be built of it."""
    return environment.get(BUILDING) == "1"


def data_folder(environment: Mapping[str, str]) -> Path | None:
    """Return the folder in which the service keeps what it is told about its cards, None where there is none."""
    return Path(environment[DATA]) if environment.get(DATA) else None


def trusted_keys(environment: Mapping[str, str]) -> dict[str, Ed25519PublicKey]:
    """Return the keys whose decisions count; the demonstration key only where it is allowed by name.

    Raises
    ------
    KeysUnusable
        If no key is given, or one cannot be read.
    """
    from training.committee import DEMONSTRATION_KEY_ID, InvalidKey, demonstration_keys, load_trusted_keys

    folder, demonstration = environment.get(TRUSTED_KEYS), environment.get(ALLOW_DEMONSTRATION) == "1"
    if not folder and not demonstration:
        raise KeysUnusable(f"nobody's decisions count: set {TRUSTED_KEYS} to the folder of the committee's public keys")
    try:
        keys = load_trusted_keys(Path(folder)) if folder else {}
    except (OSError, InvalidKey) as error:
        raise KeysUnusable(f"{TRUSTED_KEYS}: {error}. Give a folder of Ed25519 keys, as an absolute path.") from error
    keys.pop(DEMONSTRATION_KEY_ID, None)
    return keys | (demonstration_keys() if demonstration else {})

"""The members' file: who may sign in, and each one's signing key, sealed by a password.

A password is not kept, nor is a digest to compare it with: scrypt makes of it the key that opens the member's private
key (AES-256-GCM), and it is the right one if and only if it does. What this protects from, and what not:

- who copies the file must try passwords one by one, each costing what `COST` says (0.3 s and 128 MB);
- who writes to the file can lock members out, not sign for them: their public keys are in the ledger's roll;
- who reads the memory of a running portal has the keys of the members that are signed in; one member's key alone
  decides nothing, because decisions are counted again from signed ballots wherever the ledger is verified;
- who controls the machine while members type can have their passwords. A committee that must withstand this signs on
  machines of its own, with `training.committee`, and gives the portal none of its keys.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from threading import Lock
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import Field, ValidationError

from training.committee import Member, Role, generate_key
from training.values import Frozen

COST: Final = 17
"""Logarithm (base 2) of scrypt's N, with r = 8 and p = 1: OWASP's first choice for passwords."""

SHORTEST_PASSWORD: Final = 12
NONCE: Final = b"\0" * 12
"""May be constant: every sealing has a new salt and therefore a new key."""

ONE_AT_A_TIME: Final = Lock()
"""Held while a password is tried: each takes much memory, by design."""


class UnusableMembers(ValueError):
    """A members' file that is none: what is wrong with it."""


class SealedMember(Frozen):
    """A member with the sealed private key.

    Parameters
    ----------
    member
        Who.
    salt
        Of scrypt, in hexadecimal.
    cost
        Logarithm of scrypt's N.
    sealed
        The private key, encrypted and authenticated together with who it belongs to, in hexadecimal.
    """

    member: Member
    salt: str
    cost: int = Field(ge=4, le=20)
    sealed: str

    @classmethod
    def new(cls, name: str, shown: str, roles: tuple[Role, ...], password: str, cost: int = COST) -> Self:
        """Return a member with a new key; raise ValueError if the password is too short."""
        if len(password) < SHORTEST_PASSWORD:
            raise ValueError(f"a password has {SHORTEST_PASSWORD} characters or more")
        key, salt = generate_key(), secrets.token_bytes(16)
        member = Member(id=name, name=shown, roles=roles, public_key=key.public_key().public_bytes_raw().hex())
        sealed = AESGCM(_derived(password, salt, cost)).encrypt(NONCE, key.private_bytes_raw(), _about(member))
        return cls(member=member, salt=salt.hex(), cost=cost, sealed=sealed.hex())

    def opened(self, password: str) -> Ed25519PrivateKey | None:
        """Return the private key, None if the password is not the right one."""
        secret = _derived(password, bytes.fromhex(self.salt), self.cost)
        try:
            raw = AESGCM(secret).decrypt(NONCE, bytes.fromhex(self.sealed), _about(self.member))
        except InvalidTag:
            return None
        return Ed25519PrivateKey.from_private_bytes(raw)


class Members(Frozen):
    """Everybody who may sign in."""

    members: tuple[SealedMember, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return the members of a file.

        Raises
        ------
        FileNotFoundError
            If there is none.
        UnusableMembers
            If it is no members' file, or others than its owner may read it.
        """
        if path.stat().st_mode & 0o077:
            raise UnusableMembers(f"{path.name} may be read by others than its owner: chmod 600 {path.name}")
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise UnusableMembers(f"{path.name} is no members' file: {len(error.errors())} faults in it") from None

    def save(self, path: Path) -> None:
        """Write the file, readable by its owner alone."""
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(self.model_dump_json(indent=1) + "\n")
        new.replace(path)

    def with_member(self, added: SealedMember) -> Self:
        """Return these members and one more; a member of the same id is replaced."""
        kept = tuple(each for each in self.members if each.member.id != added.member.id)
        return self.model_copy(update={"members": (*kept, added)})

    def open(self, name: str, password: str) -> tuple[Member, Ed25519PrivateKey] | None:
        """Return who signs in, with the private key; None if name or password is wrong, after the same time."""
        found = next((each for each in self.members if each.member.id == name), None)
        if found is None:
            cost = max((each.cost for each in self.members), default=COST)
            _derived(password, b"\0" * 16, cost)
            return None
        key = found.opened(password)
        return None if key is None else (found.member, key)


def _derived(password: str, salt: bytes, cost: int) -> bytes:
    n = 1 << cost
    with ONE_AT_A_TIME:
        return hashlib.scrypt(password.encode(), salt=salt, n=n, r=8, p=1, maxmem=256 * 8 * n, dklen=32)


def _about(member: Member) -> bytes:
    """Return what is authenticated with a sealed key: it opens for nobody else."""
    return f"{member.id} {member.public_key}".encode()

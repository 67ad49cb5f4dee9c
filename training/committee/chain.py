"""A file that only grows: one line an entry, each chained to the one before and signed.

Each line names the SHA-256 of the line before it and carries an Ed25519 signature over its index, that SHA-256, what it
says and whose key it is, so that altering, removing, inserting or reordering lines shows. Cutting lines off *the end*
cannot show in the file alone: keep `Chain.head` somewhere else and ask for it again.

Adding a line writes the whole file anew beside the old one and then puts it in its place: whoever reads, and whatever
is killed at whatever moment, there is either the old file or the new one, never half a line.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import NonNegativeInt, StringConstraints, ValidationError

from features.digests import canonical, digest
from training.committee.keys import key_id
from training.values import Digest, Frozen, KeyId

START: Final = "0" * 64
"""What the first line names as its predecessor, and the head of a chain without any line."""

Cause = Literal["altered", "signature", "key_untrusted", "rules", "cut"]
"""What is wrong with a chain: its lines, a signature, whose key it is, what it says, or that its end is gone."""


class AlteredLedger(ValueError):
    """A chain that is not what was signed.

    Attributes
    ----------
    index
        The entry at fault, counted from 0; None for the whole.
    cause
        What kind of fault it is.
    what
        Where and what, without what to do.
    """

    def __init__(self, fault: str, index: int | None = None, cause: Cause = "altered", name: str = "ledger") -> None:
        self.index, self.cause = index, cause
        where = f"the {name}" if index is None else f"{name} entry {index}"
        self.what = f"{where} {fault}"
        super().__init__(f"{self.what}: restore the {name} from a trusted copy")


Body = TypeVar("Body")


class Link(Frozen, Generic[Body]):
    """One line.

    Parameters
    ----------
    index
        Number of the line, from 0.
    previous
        SHA-256 of the line before it, without its line end; `START` for the first.
    body
        What it says.
    key_id
        Who signed.
    signature
        Ed25519 signature, in hexadecimal, over the canonical JSON of all the others.
    """

    index: NonNegativeInt
    previous: Digest
    body: Body
    key_id: KeyId
    signature: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]

    @property
    def line(self) -> bytes:
        """The only form in which the entry may be written, without its line end."""
        return canonical(self.model_dump(mode="json"))

    @property
    def signed(self) -> bytes:
        """What the signature is over."""
        return canonical(self.model_dump(mode="json", exclude={"signature"}))

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        """Return whether the signature is that of a key."""
        try:
            key.verify(bytes.fromhex(self.signature), self.signed)
        except InvalidSignature:
            return False
        return True


Line = TypeVar("Line", bound=Link[Any])


class Chain(Generic[Line]):
    """A chained file, which need not exist yet: it then has no entries.

    Parameters
    ----------
    path
        The file.
    line
        Type of its lines.
    name
        What messages call it.
    """

    def __init__(self, path: Path, line: type[Line], name: str) -> None:
        self.path, self.line, self.name = path, line, name

    @property
    def head(self) -> str:
        """SHA-256 of the last line, to be kept elsewhere so that a shortened file is noticed."""
        return head_of(self.entries())

    def entries(self) -> tuple[Line, ...]:
        """Return the entries after checking form and chain, *not* signatures.

        Raises
        ------
        AlteredLedger
            If a line is not in the form it was written in, or is not chained to the one before.
        """
        try:
            return self._parse(self.path.read_bytes())
        except FileNotFoundError:
            return ()

    def extend(self, body_after: Callable[[tuple[Line, ...]], Any], key: Ed25519PrivateKey) -> Line:
        """Add one line, whatever others do at the same time.

        Parameters
        ----------
        body_after
            From the entries so far to what the new one says; what it raises is raised, and nothing is written.
        key
            Who signs.

        Raises
        ------
        AlteredLedger
            If the file so far is damaged; nothing is then written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._alone():
            text = self.path.read_bytes()
            entries = self._parse(text)
            known = {"index": len(entries), "previous": head_of(entries), "body": body_after(entries)}
            known["key_id"] = key_id(key)
            unsigned = self.line(**known, signature="0" * 128)
            made = self.line(**known, signature=key.sign(unsigned.signed).hex())
            _replace(self.path, text + made.line + b"\n")
        return made

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the file against other writers; one that waited may find it replaced, and waits for the new one."""
        while True:
            with self.path.open("ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # released on closing
                if os.fstat(file.fileno()).st_ino == self.path.stat().st_ino:
                    yield
                    return

    def _parse(self, text: bytes) -> tuple[Line, ...]:
        entries: list[Line] = []
        lines, previous = text.split(b"\n"), START
        for index, line in enumerate(lines[:-1]):
            entry = self._read(line, index)
            if entry.index != index or entry.previous != previous:
                raise AlteredLedger("does not follow the entry before it", index, name=self.name)
            entries.append(entry)
            previous = digest(line)
        if lines[-1]:
            raise AlteredLedger("is cut short: it has no line end", len(entries), name=self.name)
        return tuple(entries)

    def _read(self, line: bytes, index: int) -> Line:
        try:
            entry = self.line.model_validate(json.loads(line))
        except (ValidationError, ValueError, RecursionError) as error:
            raise AlteredLedger("is not what this file holds", index, name=self.name) from error
        if entry.line != line:
            raise AlteredLedger("is not in the form it was written in", index, name=self.name)
        return entry


def head_of(entries: Sequence[Link[Any]]) -> str:
    """Return the SHA-256 of the last line of some."""
    return digest(entries[-1].line) if entries else START


def _replace(path: Path, text: bytes) -> None:
    """Put a text in a file's place, at once and for good."""
    new = path.with_name(f"{path.name}.new")
    with new.open("wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.chmod(path.stat().st_mode & 0o777)
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

"""The ledger: a text file, one decision a line, each chained to the one before and signed.

Each line names the SHA-256 of the line before it and carries an Ed25519 signature over its index, that SHA-256 and
the decision, so that altering, removing, inserting or reordering lines shows. Cutting lines off *the end* cannot show
in the file alone: keep `Ledger.head` somewhere else (with the bundle, in a card store, on paper) and give it to
`Ledger.verify`, which then requires that the ledger still contains it.

Nothing here is kept between calls: each question reads the file and verifies it again, so that a suspension written a
moment ago counts.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import NonNegativeInt, StringConstraints, ValidationError

from features.digests import canonical, digest
from training.committee.decisions import Decision, Status
from training.committee.keys import DEMONSTRATION_KEY_ID, TrustedKeys, key_id, load_trusted_keys
from training.committee.values import Digest, Frozen, KeyId

START: Final = "0" * 64
"""What the first line names as its predecessor, and the head of a ledger without any line."""


class AlteredLedger(ValueError):
    """A ledger that is not what was signed; ``index`` is the entry at fault, counted from 0, None for the whole."""

    def __init__(self, fault: str, index: int | None = None) -> None:
        self.index = index
        where = "the ledger" if index is None else f"ledger entry {index}"
        super().__init__(f"{where} {fault}: restore the ledger from a trusted copy")


class RefusedDecision(ValueError):
    """A decision that cannot be added to a ledger."""


class Entry(Frozen):
    """One line of a ledger.

    Parameters
    ----------
    index
        Number of the line, from 0.
    previous
        SHA-256 of the line before it, without its line end; `START` for the first.
    decision
        What was decided.
    key_id
        Who signed, the same as ``decision.signer``.
    signature
        Ed25519 signature, in hexadecimal, over the canonical JSON of index, previous and decision.
    """

    index: NonNegativeInt
    previous: Digest
    decision: Decision
    key_id: KeyId
    signature: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]

    @property
    def line(self) -> bytes:
        """The only form in which the entry may be written, without its line end."""
        return canonical(self.model_dump(mode="json"))

    @property
    def signed(self) -> bytes:
        """What the signature is over."""
        return _signed(self.index, self.previous, self.decision)


def _signed(index: int, previous: str, decision: Decision) -> bytes:
    return canonical({"index": index, "previous": previous, "decision": decision.model_dump(mode="json")})


class Ledger:
    """The decisions of a committee, in a file that only grows.

    A ledger that does not exist yet has no entries; the first `append` makes the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def head(self) -> str:
        """SHA-256 of the last line, to be kept outside the ledger so that a shortened one is noticed."""
        return _head(self.entries())

    def entries(self) -> tuple[Entry, ...]:
        """Return the entries after checking form and chain, *not* signatures: to trust them, use `verify`.

        Raises
        ------
        AlteredLedger
            If a line is not in the form it was written in, or is not chained to the one before.
        """
        return _parse(self.path.read_bytes()) if self.path.exists() else ()

    def verify(self, trusted_keys: TrustedKeys, head: str | None = None) -> tuple[Entry, ...]:
        """Return the entries once everything about them is checked.

        Parameters
        ----------
        trusted_keys
            Whose decisions count. The demonstration key is trusted only if it is among them.
        head
            A `head` noted earlier: the ledger must still contain that line.

        Raises
        ------
        AlteredLedger
            If form, chain, a signature or a rule does not hold, or ``head`` is missing; it names the entry.
        InvalidKey
            If a trusted key is not one.
        """
        keys = load_trusted_keys(trusted_keys)
        entries = self.entries()
        for position, entry in enumerate(entries):
            _check_signature(entry, keys)
            if fault := _out_of_place(entry.decision, entries[:position]):
                raise AlteredLedger(f"holds a decision that {fault}", entry.index)
        if head is not None and head not in (START, *(digest(entry.line) for entry in entries)):
            raise AlteredLedger(
                f"no longer contains the line {head[:16]}… noted earlier: its end was cut off or rewritten"
            )
        return entries

    def append(self, decision: Decision, private_key: Ed25519PrivateKey) -> Entry:
        """Sign a decision and write it at the end.

        Parameters
        ----------
        decision
            What was decided; its ``signer`` is filled in.
        private_key
            Key of who signs.

        Returns
        -------
        Entry
            As written.

        Raises
        ------
        RefusedDecision
            If the decision names another signer, claims to be real but is signed with the demonstration key, is older
            than a decision about the same card, or is a demonstration about a card that was really decided upon.
        AlteredLedger
            If the ledger so far is damaged; nothing is then written.
        """
        signer = key_id(private_key)
        if decision.signer not in (None, signer):
            raise RefusedDecision(f"the decision names the signer {decision.signer}, but the key is {signer}")
        decision = decision.model_copy(update={"signer": signer})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # one writer at a time; released on closing
            file.seek(0)
            entries = _parse(file.read())
            if fault := _out_of_place(decision, entries):
                raise RefusedDecision(f"this decision {fault}")
            entry = _sign(len(entries), _head(entries), decision, private_key)
            _write(file, entry)
        return entry

    def status(self, card_digest: str, now: datetime, trusted_keys: TrustedKeys, head: str | None = None) -> Status:
        """Verify the ledger, then return where a card stands: the latest decision about it wins.

        Parameters
        ----------
        card_digest
            `ModelCard.digest`.
        now
            The moment asked about; UTC if it has no time zone.
        trusted_keys, head
            As for `verify`.

        Raises
        ------
        AlteredLedger, InvalidKey
            As `verify`: a ledger that cannot be trusted gives no status at all.
        """
        return Status.of(latest(self.verify(trusted_keys, head), card_digest), now)


def latest(entries: tuple[Entry, ...], card_digest: str) -> Decision | None:
    """Return the latest decision about a card, None if there is none."""
    about = (entry.decision for entry in reversed(entries) if entry.decision.card_digest == card_digest)
    return next(about, None)


def _sign(index: int, previous: str, decision: Decision, key: Ed25519PrivateKey) -> Entry:
    signature = key.sign(_signed(index, previous, decision)).hex()
    return Entry(index=index, previous=previous, decision=decision, key_id=key_id(key), signature=signature)


def _write(file: BinaryIO, entry: Entry) -> None:
    file.write(entry.line + b"\n")
    file.flush()
    os.fsync(file.fileno())


def _head(entries: tuple[Entry, ...]) -> str:
    return digest(entries[-1].line) if entries else START


def _parse(text: bytes) -> tuple[Entry, ...]:
    """Return the entries of a ledger's text, each in its only form and chained to the one before."""
    entries: list[Entry] = []
    lines = text.split(b"\n")
    for index, line in enumerate(lines[:-1]):
        entry = _read(line, index)
        if entry.index != index or entry.previous != _head(tuple(entries[-1:])):
            raise AlteredLedger("does not follow the entry before it", index)
        entries.append(entry)
    if lines[-1]:
        raise AlteredLedger("is cut short: it has no line end", len(entries))
    return tuple(entries)


def _read(line: bytes, index: int) -> Entry:
    try:
        entry = Entry.model_validate(json.loads(line))
    except (ValidationError, ValueError, RecursionError) as error:
        raise AlteredLedger("is not a decision as this ledger writes them", index) from error
    if entry.line != line:
        raise AlteredLedger("is not in the form it was written in", index)
    return entry


def _check_signature(entry: Entry, keys: Mapping[str, Ed25519PublicKey]) -> None:
    if entry.key_id not in keys:
        raise AlteredLedger(f"is signed with {entry.key_id}, which is not a trusted key", entry.index)
    if entry.decision.signer != entry.key_id:
        raise AlteredLedger("names another signer than the one who signed it", entry.index)
    try:
        keys[entry.key_id].verify(bytes.fromhex(entry.signature), entry.signed)
    except InvalidSignature as error:
        raise AlteredLedger("has a signature that does not fit what it says", entry.index) from error


def _out_of_place(decision: Decision, before: tuple[Entry, ...]) -> str | None:
    """Return why a decision cannot come after these entries, None if it can.

    The demonstration key is public: it may never undo what a real committee decided.
    """
    if decision.signer == DEMONSTRATION_KEY_ID and not decision.demonstration:
        return "is signed with the public demonstration key but is not marked as a demonstration"
    previous = latest(before, decision.card_digest)
    if decision.verdict == "reinstated" and (previous is None or previous.verdict != "suspended"):
        return "reinstates a model that is not suspended"
    if previous is None:
        return None
    if previous.verdict == "withdrawn":
        return "comes after a withdrawal, which is for good: a new version needs a new card"
    if decision.decided_at < previous.decided_at:
        return "is dated before an earlier entry about the same card"
    if decision.demonstration and not previous.demonstration:
        return "is a demonstration about a card that was really decided upon"
    return None

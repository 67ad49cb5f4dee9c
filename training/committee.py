"""The committee's decisions: an append-only ledger in which every line is chained to the one before, and signed.

A ledger is a text file, one decision a line. Each line names the SHA-256 of the line before it and carries an Ed25519
signature over its index, that SHA-256 and the decision, so that altering, removing, inserting or reordering lines
shows. Cutting lines off *the end* cannot show in the file alone: keep `Ledger.head` somewhere else (with the bundle, in
a card store, on paper) and give it to `Ledger.verify`, which then requires that the ledger still contains it.

Nothing here is kept between calls: each question reads the file and verifies it again, so that a suspension written a
moment ago counts.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Final, Literal, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    StringConstraints,
    ValidationError,
    model_validator,
)

from features.digests import canonical, digest

START: Final = "0" * 64
"""What the first line names as its predecessor, and the head of a ledger without any line."""


# --- Values shared with cards -----------------------------------------------------------------------------


def utc(moment: datetime) -> datetime:
    """Return the moment in UTC; one without a time zone is taken to be in UTC already, as records are."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(utc)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]


class Frozen(BaseModel):
    """A value that cannot be changed and takes no field it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Bilingual(Frozen):
    """A text for readers, in French and in English."""

    fr: Text
    en: Text


# --- Keys -------------------------------------------------------------------------------------------------


TrustedKeys = Mapping[str, Ed25519PublicKey] | Path
"""Public keys by key id, or a folder of public keys in PEM files (``*.pem``)."""


class InvalidKey(ValueError):
    """A file that is not the Ed25519 key it should be, or a key under another key's id."""


def key_id(key: Ed25519PublicKey | Ed25519PrivateKey) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of the raw public key."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def generate_key() -> Ed25519PrivateKey:
    """Return a new private key."""
    return Ed25519PrivateKey.generate()


DEMONSTRATION_SEED: Final = "Vigie demonstration key: public, proves nothing, binds nobody"
"""What the demonstration key is derived from. Anybody can derive it: that is the point."""


def demonstration_key() -> Ed25519PrivateKey:
    """Return the well-known key that signs demonstrations; whatever it signs is reported as a demonstration."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(DEMONSTRATION_SEED.encode()).digest())


DEMONSTRATION_KEY_ID: Final = key_id(demonstration_key())


def demonstration_keys() -> dict[str, Ed25519PublicKey]:
    """Return the trusted keys of a demonstration: the demonstration key alone."""
    return {DEMONSTRATION_KEY_ID: demonstration_key().public_key()}


def save_private_key(key: Ed25519PrivateKey, path: Path) -> None:
    """Write a new PEM file (PKCS#8, not encrypted) that only its owner may read.

    Raises
    ------
    FileExistsError
        If there is a file already: a key is not overwritten.
    """
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)


def save_public_key(key: Ed25519PublicKey | Ed25519PrivateKey, path: Path) -> None:
    """Write the public key to a PEM file, to be put in the folder of trusted keys."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    path.write_bytes(public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key; raise `InvalidKey` if the file does not hold an Ed25519 private key in PEM."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidKey(f"{path.name} is not an unencrypted private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidKey(f"{path.name} is not an Ed25519 key: make one with generate_key")
    return key


def load_public_key(path: Path) -> Ed25519PublicKey:
    """Read a public key; raise `InvalidKey` if the file does not hold an Ed25519 public key in PEM."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidKey(f"{path.name} is not a public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidKey(f"{path.name} is not an Ed25519 key")
    return key


def load_trusted_keys(keys: TrustedKeys) -> dict[str, Ed25519PublicKey]:
    """Return public keys by id, from a folder of PEM files or from such a mapping, checked.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    InvalidKey
        If a file holds no Ed25519 public key, or a mapping names a key by an id that is not its own.
    """
    if isinstance(keys, Path):
        if not keys.is_dir():
            raise FileNotFoundError(f"there is no folder of trusted keys at {keys}")
        return {key_id(key): key for key in map(load_public_key, sorted(keys.glob("*.pem")))}
    for name, key in keys.items():
        if key_id(key) != name:
            raise InvalidKey(f"the key named {name} has the id {key_id(key)}")
    return dict(keys)


# --- Decisions --------------------------------------------------------------------------------------------


Verdict = Literal["approved", "approved_with_conditions", "refused", "suspended", "reinstated", "withdrawn"]

APPROVALS: Final = frozenset({"approved", "approved_with_conditions", "reinstated"})
"""Verdicts that let a model be used, until their ``valid_until``."""


class Votes(Frozen):
    """How many members voted for the decision, against it or abstained, and how many voters it takes."""

    in_favour: NonNegativeInt
    against: NonNegativeInt
    abstained: NonNegativeInt = 0
    quorum: Annotated[int, Field(ge=1)]

    @property
    def present(self) -> int:
        """Number of members who took part in the vote."""
        return self.in_favour + self.against + self.abstained


class Decision(Frozen):
    """What the committee decided about one card. It stands alone: what is not said again no longer holds.

    Parameters
    ----------
    card_digest
        `ModelCard.digest` of the card decided upon.
    verdict
        The decision. ``reinstated`` ends a suspension; ``withdrawn`` ends the use of a model for good.
    reasons
        Why, for readers.
    conditions
        Under which conditions; required by ``approved_with_conditions``, impossible with ``approved``.
    decided_at
        When, in UTC.
    valid_until
        Last day (UTC) on which the model may be used; required by the verdicts that let it be used, and only there.
    members
        Who took part.
    votes
        For, against and abstaining, about this decision. May be left out of a suspension only, which is urgent and
        which one authorised signatory may decide.
    demonstration
        Whether this is a demonstration and not a decision of a real committee.
    signer
        Key id of who signs; filled by `Ledger.append`.
    """

    card_digest: Digest
    verdict: Verdict
    reasons: Bilingual | Text
    conditions: tuple[Bilingual | Text, ...] = ()
    decided_at: Moment
    valid_until: date | None = None
    members: tuple[Text, ...] = ()
    votes: Votes | None = None
    demonstration: bool = False
    signer: KeyId | None = None

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        """Refuse, with all faults at once, what no committee can have decided."""
        faults = [*self._faults_of_duration(), *self._faults_of_conditions(), *self._faults_of_votes()]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _faults_of_duration(self) -> list[str]:
        if self.verdict not in APPROVALS:
            return ["valid_until only goes with an approval"] if self.valid_until else []
        if self.valid_until is None:
            return [f"{self.verdict} needs valid_until: no approval is for ever"]
        if self.valid_until < self.decided_at.date():
            return ["valid_until is before the decision"]
        return []

    def _faults_of_conditions(self) -> list[str]:
        if self.verdict == "approved_with_conditions" and not self.conditions:
            return ["approved_with_conditions names no condition"]
        if self.verdict == "approved" and self.conditions:
            return ["approved has conditions: the verdict is approved_with_conditions"]
        return []

    def _faults_of_votes(self) -> list[str]:
        if self.votes is None:
            return [] if self.verdict == "suspended" else [f"{self.verdict} needs votes"]
        faults = []
        if self.votes.present < self.votes.quorum:
            faults.append(f"{self.votes.present} voters are fewer than the quorum of {self.votes.quorum}")
        if self.votes.in_favour <= self.votes.against:
            faults.append("the decision has no majority: more votes for it than against it are needed")
        return faults

    @property
    def shown_as_demonstration(self) -> bool:
        """Whether to present it as a demonstration: it says so, or the demonstration key signed it."""
        return self.demonstration or self.signer == DEMONSTRATION_KEY_ID

    @property
    def approves(self) -> bool:
        """Whether the verdict lets the model be used."""
        return self.verdict in APPROVALS


StatusKind = Literal["approved", "not_approved", "refused", "suspended", "expired"]


@dataclass(frozen=True)
class Status:
    """Where a card stands.

    Parameters
    ----------
    kind
        Only ``"approved"`` lets a model be used. ``"not_approved"`` means no decision yet, a withdrawal, or an approval
        dated after ``now``.
    decision
        The decision that makes it so; None when there is none.
    demonstration
        Whether that decision is a demonstration.
    """

    kind: StatusKind
    decision: Decision | None = None
    demonstration: bool = False

    @classmethod
    def of(cls, decision: Decision | None, now: datetime) -> Self:
        """Return the status that the latest decision about a card gives it at ``now`` (UTC if it has no zone)."""
        if decision is None:
            return cls("not_approved")
        return cls(_kind(decision, utc(now)), decision, decision.shown_as_demonstration)


def _kind(decision: Decision, now: datetime) -> StatusKind:
    if decision.verdict in ("refused", "suspended"):
        return decision.verdict
    if decision.valid_until is None or decision.decided_at > now:
        return "not_approved"
    return "approved" if now.date() <= decision.valid_until else "expired"


# --- Ledger -----------------------------------------------------------------------------------------------


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

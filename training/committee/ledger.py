"""The ledger: who the committee is and what it decided, in a file that only grows (`training.committee.chain`).

A ledger may begin with a *roll*: members, their keys and the rules, signed with a trusted key. From then on a decision
must carry the members' signed ballots and be signed by a chair, and is counted again whenever the ledger is verified:
one member's key, the chair's included, decides nothing alone. A ledger without a roll holds the decisions of a
committee that votes elsewhere; each is signed with a trusted key.

Nothing here is kept between calls: each question reads the file and verifies it again, so that a suspension written a
moment ago counts. `training.committee.watch` asks often and reads only what changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from features.digests import digest
from training.committee.ballots import faults_by_the_rules
from training.committee.chain import START, AlteredLedger, Chain, Link
from training.committee.decisions import Decision, Status
from training.committee.keys import DEMONSTRATION_KEY_ID, TrustedKeys, key_id, load_trusted_keys
from training.committee.members import Roll


class RefusedDecision(ValueError):
    """A decision that cannot be added to a ledger."""


class Entry(Link[Decision | Roll]):
    """One line of a ledger: a decision, signed by the same as ``decision.signer``, or a roll."""

    @property
    def decision(self) -> Decision:
        """The decision; raises TypeError if the entry is a roll."""
        if not isinstance(self.body, Decision):
            raise TypeError(f"ledger entry {self.index} is a roll, not a decision")
        return self.body

    @property
    def at(self) -> datetime:
        """When it was decided or declared."""
        return self.body.decided_at if isinstance(self.body, Decision) else self.body.declared_at


class Ledger(Chain[Entry]):
    """The decisions of a committee.

    A ledger that does not exist yet has no entries; the first `append` makes the file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, Entry, "ledger")

    def verify(self, trusted_keys: TrustedKeys, head: str | None = None) -> tuple[Entry, ...]:
        """Return the entries once everything about them is checked.

        Parameters
        ----------
        trusted_keys
            Whose decisions and rolls count. The demonstration key is trusted only if it is among them.
        head
            A `head` noted earlier: the ledger must still contain that line.

        Raises
        ------
        AlteredLedger
            If form, chain, a signature or a rule does not hold, or ``head`` is missing; it names the entry and cause.
        InvalidKey
            If a trusted key is not one.
        """
        keys = load_trusted_keys(trusted_keys)
        entries = self.entries()
        for position, entry in enumerate(entries):
            before = entries[:position]
            _check_signature(entry, _who_may_sign(entry.body, before, keys))
            if fault := _out_of_place(entry.body, entry.key_id, before):
                raise AlteredLedger(f"holds a decision that {fault}", entry.index, "rules")
        if head is not None and head not in (START, *(digest(entry.line) for entry in entries)):
            raise AlteredLedger(
                f"no longer contains the line {head[:16]}… noted earlier: its end was cut off or rewritten", cause="cut"
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
            than the last entry, is a demonstration about a card that was really decided upon, or is none by the rules
            of the roll.
        AlteredLedger
            If the ledger so far is damaged; nothing is then written.
        """
        signer = key_id(private_key)
        if decision.signer not in (None, signer):
            raise RefusedDecision(f"the decision names the signer {decision.signer}, but the key is {signer}")
        return self._add(decision.model_copy(update={"signer": signer}), private_key)

    def declare(self, roll: Roll, private_key: Ed25519PrivateKey) -> Entry:
        """Sign the committee's composition and rules with a trusted key, and write them at the end.

        Raises
        ------
        RefusedDecision
            If the roll is older than the last entry, or a demonstration's where real ones are needed, or the reverse.
        AlteredLedger
            If the ledger so far is damaged; nothing is then written.
        """
        return self._add(roll, private_key)

    def _add(self, body: Decision | Roll, private_key: Ed25519PrivateKey) -> Entry:
        def allowed(entries: tuple[Entry, ...]) -> Decision | Roll:
            if fault := _out_of_place(body, key_id(private_key), entries):
                raise RefusedDecision(f"this decision {fault}")
            return body

        return self.extend(allowed, private_key)

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


def decisions(entries: Sequence[Entry]) -> tuple[Decision, ...]:
    """Return the decisions among entries, the oldest first."""
    return tuple(entry.body for entry in entries if isinstance(entry.body, Decision))


def latest(entries: Sequence[Entry], card_digest: str) -> Decision | None:
    """Return the latest decision about a card, None if there is none."""
    return next((each for each in reversed(decisions(entries)) if each.card_digest == card_digest), None)


def roll_in(entries: Sequence[Entry]) -> Roll | None:
    """Return the roll in force after some entries, None if there is none."""
    return next((entry.body for entry in reversed(entries) if isinstance(entry.body, Roll)), None)


def _who_may_sign(
    body: Decision | Roll, before: Sequence[Entry], trusted: Mapping[str, Ed25519PublicKey]
) -> Mapping[str, Ed25519PublicKey]:
    """Return the keys that may sign an entry: trusted ones, or the members' where there is a roll to count by."""
    roll = roll_in(before)
    if isinstance(body, Roll) or roll is None:
        return trusted
    return {member.key_id: member.key for member in roll.members}


def _check_signature(entry: Entry, keys: Mapping[str, Ed25519PublicKey]) -> None:
    if entry.key_id not in keys:
        raise AlteredLedger(f"is signed with {entry.key_id}, which is not a trusted key", entry.index, "key_untrusted")
    if isinstance(entry.body, Decision) and entry.body.signer != entry.key_id:
        raise AlteredLedger("names another signer than the one who signed it", entry.index, "signature")
    if not entry.is_signed_by(keys[entry.key_id]):
        raise AlteredLedger("has a signature that does not fit what it says", entry.index, "signature")


def _out_of_place(body: Decision | Roll, signer: str, before: Sequence[Entry]) -> str | None:
    """Return why an entry cannot come after these, None if it can.

    The demonstration key is public: it may never undo what a real committee decided.
    """
    if signer == DEMONSTRATION_KEY_ID and not body.demonstration:
        return "is signed with the public demonstration key but is not marked as a demonstration"
    at = body.decided_at if isinstance(body, Decision) else body.declared_at
    if before and at < before[-1].at:
        return f"is dated {at:%Y-%m-%d %H:%M:%S} UTC, before an earlier entry: look at the clock of this machine"
    if isinstance(body, Roll):
        real = any(not entry.body.demonstration for entry in before)
        return "is a demonstration's roll in a ledger that holds real entries" if body.demonstration and real else None
    roll = roll_in(before)
    if roll is not None and (faults := faults_by_the_rules(body, roll)):
        return "; ".join(faults)
    return _after(body, latest(before, body.card_digest))


def _after(decision: Decision, previous: Decision | None) -> str | None:
    """Return why a decision cannot follow the latest one about the same card, None if it can."""
    if decision.verdict == "reinstated" and (previous is None or previous.verdict != "suspended"):
        return "reinstates a model that is not suspended"
    if previous is None:
        return None
    if decision.opened_at is not None and decision.opened_at <= previous.decided_at:
        return "was put to the vote before the latest decision about the same card: votes are not used twice"
    if previous.verdict == "withdrawn":
        return "comes after a withdrawal, which is for good: a new version needs a new card"
    if decision.demonstration and not previous.demonstration:
        return "is a demonstration about a card that was really decided upon"
    return None

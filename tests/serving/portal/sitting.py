"""A committee that sits in a folder, for tests: members with cheap passwords, and a clock that is told the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from features.digests import canonical
from serving.portal.committee import Committee, Signer
from serving.portal.keys import Members, SealedMember
from serving.portal.record import Record
from serving.portal.second_factor import SECONDS, code
from serving.portal.shelf import Shelf
from tests.training import cards
from training.card import ModelCard
from training.committee import Ledger, Motion, Role, Roll, Rules, key_id

PASSWORD = "une phrase assez longue"
ROOT = Ed25519PrivateKey.from_private_bytes(b"r" * 32)
TRUSTED = {key_id(ROOT): ROOT.public_key()}
SITTING: dict[str, tuple[Role, ...]] = {
    "chair": ("doctor", "chair"),
    "vice": ("researcher", "chair"),
    "doctor": ("doctor",),
    "researcher": ("researcher",),
    "lawyer": ("lawyer",),
    "patients": ("patients_representative",),
    "author": ("author",),
}
START = datetime(2026, 9, 1, 9, tzinfo=UTC)


@cache
def members() -> Members:
    """Return members whose passwords are cheap to try."""
    found = Members()
    for name, roles in SITTING.items():
        found = found.with_member(SealedMember.new(name, name.title(), roles, PASSWORD, cost=4))
    return found


@cache
def signer(name: str) -> Signer:
    """Return a member with the key that signs."""
    opened = members().open(name, PASSWORD)
    assert opened is not None
    return Signer(name, opened[1])


class Telephone:
    """Shows the code of any member, each time that of a later moment; its clock is that of the portal."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def clock(self) -> float:
        return self.now

    def code(self, name: str) -> str:
        self.now += SECONDS
        return code(signer(name).key, self.now) if name in SITTING else "000000"


TELEPHONE = Telephone()


def roll(**changes: object) -> Roll:
    known: dict[str, object] = {
        "committee": "Comité d’essai",
        "contact": "contact@comite.example",
        "rules": Rules(),
        "members": tuple(each.member for each in members().members),
        "declared_at": START,
    }
    return Roll.model_validate(known | changes)


class Clock:
    """Goes on by a second whenever it is looked at."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@dataclass(frozen=True)
class Sitting:
    folder: Path
    committee: Committee
    clock: Clock
    members: Path

    @classmethod
    def open(cls, folder: Path, **changes: object) -> Sitting:
        """Return a committee that has declared its roll and has nothing on its shelf."""
        folder.mkdir(parents=True, exist_ok=True)
        declared, clock = roll(**changes), Clock()
        ledger = Ledger(folder / "ledger.jsonl")
        ledger.declare(declared, ROOT)
        members().save(folder / "members.json")
        committee = Committee(ledger, Record(folder / "record.jsonl"), Shelf(folder / "cards"), TRUSTED, clock)
        return cls(folder, committee, clock, folder / "members.json")

    def shelve(self, **identity: object) -> str:
        """Put a complete made-up card on the shelf, without a model, and return its digest."""
        card: ModelCard = cards.card(**identity)
        folder = self.folder / "cards" / card.digest
        folder.mkdir(parents=True)
        (folder / "card.json").write_text(card.to_json())
        for name, document in zip(("evidence", "audit", "explanation"), cards.documents(), strict=True):
            (folder / f"{name}.json").write_bytes(canonical(document))
        return card.digest

    def propose(self, card: str, verdict: str = "approved", by: str = "chair", **changes: object) -> str:
        """Open a vote and return its motion."""
        known: dict[str, object] = {
            "card_digest": card,
            "verdict": verdict,
            "reasons": "Motifs du comité",
            "valid_until": "2027-03-01" if verdict in ("approved", "approved_with_conditions", "reinstated") else None,
        }

        def motion(now: datetime, demonstration: bool) -> Motion:
            return Motion.model_validate(known | changes | {"opened_at": now, "demonstration": demonstration})

        self.committee.propose(signer(by), motion)
        poll = self.file(card).poll
        assert poll is not None
        return poll.motion.motion

    def vote(self, card: str, motion: str, *names: str, choice: str = "for") -> None:
        for name in names:
            self.committee.vote(signer(name), card, motion, choice, "Motif" if choice == "against" else "")  # type: ignore[arg-type]

    def decide(self, card: str, verdict: str = "approved", **changes: object) -> None:
        """Let five members carry a motion."""
        motion = self.propose(card, verdict, **changes)
        self.vote(card, motion, "chair", "doctor", "researcher", "lawyer", "patients")
        assert self.committee.close(signer("chair"), card, motion)

    def file(self, card: str):
        return self.committee.standing().file(card)

    def kind(self, card: str) -> str:
        return self.committee.status(self.file(card).decision).kind

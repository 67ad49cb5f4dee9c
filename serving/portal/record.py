"""The record: what members ask, answer, declare, propose and vote, each line signed by who did it.

It is a chain as the ledger is, and confidential as the ledger is not. Where a card stands between two decisions is
read from it anew each time; nothing else is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field, NonNegativeInt

from training.committee import AlteredLedger, Ballot, Chain, Decision, Link, Motion, Name
from training.values import Digest, Frozen, Moment, Text


class Act(Frozen):
    """Something a member did about a card."""

    card_digest: Digest
    member: Name
    at: Moment


class Question(Act):
    """A question about a card; its number is that of its line."""

    kind: Literal["question"] = "question"
    text: Text


class Answer(Act):
    """An answer to the question on a line."""

    kind: Literal["answer"] = "answer"
    question: NonNegativeInt
    text: Text


class Interest(Act):
    """A declared interest: from then on the member does not vote on the card, and does not count."""

    kind: Literal["interest"] = "interest"
    text: Text


class Proposal(Act):
    """A motion put to the vote. One that suspends is carried as soon as enough members have joined it."""

    kind: Literal["proposal"] = "proposal"
    motion: Motion


class Vote(Act):
    """A vote on a motion, with its reasons."""

    kind: Literal["vote"] = "vote"
    motion: Digest
    ballot: Ballot
    reasons: str = ""


class Closing(Act):
    """The end of a vote; whether it led to a decision is in the ledger."""

    kind: Literal["closing"] = "closing"
    motion: Digest
    carried: bool


class Line(Link[Annotated[Question | Answer | Interest | Proposal | Vote | Closing, Field(discriminator="kind")]]):
    """One line of the record."""


class Record(Chain[Line]):
    """The record of a committee."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, Line, "record")

    def add(self, act_after: Callable[[tuple[Line, ...]], Act], key: Ed25519PrivateKey) -> Line:
        """Write what a member does next, given what the record says until then."""
        return self.extend(act_after, key)

    def verify(self, keys: Mapping[str, Iterable[Ed25519PublicKey]]) -> tuple[Line, ...]:
        """Return the lines once each is signed by who it says, with a key that member has or once had.

        Raises
        ------
        AlteredLedger
            If one is not, or form, chain or time does not hold.
        """
        lines = self.entries()
        for before, line in zip((None, *lines), lines, strict=False):
            if not any(line.is_signed_by(key) for key in keys.get(line.body.member, ())):
                raise AlteredLedger("is not signed by who it names", line.index, "signature", self.name)
            if before is not None and line.body.at < before.body.at:
                raise AlteredLedger("is dated before the line before it", line.index, "rules", self.name)
        return lines


@dataclass
class Asked:
    """A question and its answers."""

    number: int
    question: Question
    answers: list[Answer] = field(default_factory=list)


@dataclass
class Poll:
    """A motion, the votes on it, and how it ended."""

    motion: Motion
    proposed_by: str
    at: datetime
    votes: dict[str, Vote] = field(default_factory=dict)
    closed_at: datetime | None = None
    carried: bool = False

    @property
    def open(self) -> bool:
        """Whether votes are taken."""
        return self.closed_at is None

    @property
    def suspends(self) -> bool:
        """Whether it is a suspension that waits for more members."""
        return self.motion.verdict == "suspended"


@dataclass
class File:
    """Everything about one card: what the record says, and the decisions in the ledger."""

    card_digest: str
    questions: dict[int, Asked] = field(default_factory=dict)
    interests: dict[str, Interest] = field(default_factory=dict)
    polls: list[Poll] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)

    @classmethod
    def of(cls, card_digest: str, lines: Sequence[Line], decisions: Sequence[Decision]) -> File:
        """Return what record and ledger say about a card.

        A vote whose decision is in the ledger has ended even if the record was not told: the portal may have been
        stopped between the two. So has a motion that a later decision about the card has overtaken.
        """
        found = cls(card_digest, decisions=[each for each in decisions if each.card_digest == card_digest])
        for line in lines:
            if line.body.card_digest == card_digest:
                found._take(line)
        for poll in found.polls:
            for decision in found.decisions:
                if decision.motion == poll.motion.motion:
                    poll.closed_at, poll.carried = decision.decided_at, True
                elif poll.open and poll.at <= decision.decided_at:
                    poll.closed_at = decision.decided_at
        return found

    @property
    def poll(self) -> Poll | None:
        """The vote that is open, None if none is."""
        return next((poll for poll in self.polls if poll.open and not poll.suspends), None)

    @property
    def suspension(self) -> Poll | None:
        """The suspension that waits for another member, None if none does."""
        return next((poll for poll in self.polls if poll.open and poll.suspends), None)

    @property
    def decision(self) -> Decision | None:
        """The latest decision."""
        return self.decisions[-1] if self.decisions else None

    @property
    def unanswered(self) -> int:
        """How many questions have no answer."""
        return sum(not asked.answers for asked in self.questions.values())

    def ballots(self, poll: Poll) -> list[Vote]:
        """Return the votes that count: those of members who have declared no interest."""
        return [vote for name, vote in poll.votes.items() if name not in self.interests]

    def _take(self, line: Line) -> None:
        act = line.body
        poll = next((each for each in self.polls if each.motion.motion == getattr(act, "motion", None)), None)
        match act:
            case Question():
                self.questions[line.index] = Asked(line.index, act)
            case Answer():
                self.questions[act.question].answers.append(act)
            case Interest():
                self.interests.setdefault(act.member, act)
            case Proposal():
                self.polls.append(Poll(act.motion, act.member, act.at))
            case Vote() if poll is not None:
                poll.votes.setdefault(act.member, act)
            case Closing() if poll is not None:
                poll.closed_at, poll.carried = act.at, act.carried

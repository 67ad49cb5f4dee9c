"""What the committee can decide about a card, and where that leaves the card."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Final, Literal, Self

from pydantic import Field, NonNegativeInt, model_validator

from features.digests import digest
from training.committee.ballots import Ballot
from training.committee.keys import DEMONSTRATION_KEY_ID
from training.committee.members import Name
from training.values import Bilingual, Digest, Frozen, KeyId, Moment, Text, utc

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


CONDITIONS: Final[dict[str, Bilingual]] = {
    "population": Bilingual(fr="Population", en="Population"),
    "monitoring": Bilingual(fr="Surveillance", en="Monitoring"),
    "other": Bilingual(fr="Autre condition", en="Other condition"),
}


class Condition(Frozen):
    """A condition of an approval, in the committee's own words.

    Parameters
    ----------
    about
        What it restricts or requires.
    text
        The condition.
    ages
        Youngest and oldest age in completed years, both included, of the people the model may be used for: the gate
        enforces it. Only with a population.
    """

    about: Literal["population", "monitoring", "other"]
    text: Text
    ages: tuple[NonNegativeInt, NonNegativeInt] | None = None

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.ages is not None and (self.about != "population" or self.ages[0] > self.ages[1]):
            raise ValueError("ages are a condition of the population, the youngest first")
        return self

    @property
    def fr(self) -> str:
        """The condition, announced in French."""
        return f"{CONDITIONS[self.about].fr} : {self.text}"

    @property
    def en(self) -> str:
        """The condition, announced in English."""
        return f"{CONDITIONS[self.about].en}: {self.text}"


class Motion(Frozen):
    """What is put to the vote about one card. It stands alone: what is not said again no longer holds.

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
    valid_until
        Last day (UTC) on which the model may be used; required by the verdicts that let it be used, and only there.
    opened_at
        When it was put to the vote, in UTC; None where the committee's votes are not in the ledger.
    demonstration
        Whether this is a demonstration and not a decision of a real committee.
    """

    card_digest: Digest
    verdict: Verdict
    reasons: Bilingual | Text
    conditions: tuple[Condition | Bilingual | Text, ...] = ()
    valid_until: date | None = None
    opened_at: Moment | None = None
    demonstration: bool = False

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        """Refuse, with all faults at once, what no committee can have decided."""
        if faults := self._faults():
            raise ValueError("; ".join(faults))
        return self

    @property
    def motion(self) -> str:
        """SHA-256 over what is put to the vote: what ballots are signed for."""
        return digest(self.model_dump(mode="json", include=set(Motion.model_fields)))

    @property
    def approves(self) -> bool:
        """Whether the verdict lets the model be used."""
        return self.verdict in APPROVALS

    @property
    def ages(self) -> tuple[tuple[int, int], ...]:
        """Ages outside which the model may not be used, one pair a condition that says so."""
        return tuple(each.ages for each in self.conditions if isinstance(each, Condition) and each.ages)

    def _faults(self) -> list[str]:
        return [*self._faults_of_duration(), *self._faults_of_conditions()]

    def _faults_of_duration(self) -> list[str]:
        if self.verdict not in APPROVALS:
            return ["valid_until only goes with an approval"] if self.valid_until else []
        if self.valid_until is None:
            return [f"{self.verdict} needs valid_until: no approval is for ever"]
        if self.opened_at is not None and self.valid_until < self.opened_at.date():
            return ["valid_until is before the vote"]
        return []

    def _faults_of_conditions(self) -> list[str]:
        if self.verdict == "approved_with_conditions" and not self.conditions:
            return ["approved_with_conditions names no condition"]
        if self.verdict == "approved" and self.conditions:
            return ["approved has conditions: the verdict is approved_with_conditions"]
        return []


class Decision(Motion):
    """A motion that was carried, with what shows it.

    Parameters
    ----------
    decided_at
        When, in UTC.
    members
        Who took part.
    votes
        For, against and abstaining, about this decision. May be left out of a suspension only, which is urgent.
    ballots
        The votes themselves, signed, where the ledger holds the committee's roll.
    recused
        Ids of the members who had declared an interest: they neither vote nor count.
    signer
        Key id of who signs; filled by `Ledger.append`.
    """

    decided_at: Moment
    members: tuple[Text, ...] = ()
    votes: Votes | None = None
    ballots: tuple[Ballot, ...] = ()
    recused: tuple[Name, ...] = ()
    signer: KeyId | None = None

    def _faults(self) -> list[str]:
        faults = super()._faults()
        if self.valid_until is not None and self.approves and self.valid_until < self.decided_at.date():
            faults.append("valid_until is before the decision")
        return [*faults, *self._faults_of_votes()]

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

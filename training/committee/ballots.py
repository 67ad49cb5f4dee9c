"""Signed votes, and whether those of a decision make it one by the committee's own rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import StringConstraints

from features.digests import canonical
from training.committee.members import Member, Name, Roll, Rules
from training.values import Frozen, Moment

if TYPE_CHECKING:
    from training.committee.decisions import Decision

Choice = Literal["for", "against", "abstain"]


class Ballot(Frozen):
    """How a member voted on a motion.

    Parameters
    ----------
    member
        Id of the member.
    choice
        For the motion, against it, or neither.
    cast_at
        When, in UTC.
    signature
        The member's Ed25519 signature, in hexadecimal, over these and the motion's digest: a vote for one motion is
        no vote for another.
    """

    member: Name
    choice: Choice
    cast_at: Moment
    signature: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]

    @classmethod
    def cast(cls, motion: str, member: str, choice: Choice, cast_at: Moment, key: Ed25519PrivateKey) -> Ballot:
        """Return a vote on the motion of that digest, signed."""
        unsigned = cls(member=member, choice=choice, cast_at=cast_at, signature="0" * 128)
        return unsigned.model_copy(update={"signature": key.sign(unsigned.signed(motion)).hex()})

    def signed(self, motion: str) -> bytes:
        """Return what the signature is over."""
        return canonical({"motion": motion, **self.model_dump(mode="json", exclude={"signature"})})

    def is_genuine(self, motion: str, member: Member) -> bool:
        """Return whether the member cast it on that motion."""
        try:
            member.key.verify(bytes.fromhex(self.signature), self.signed(motion))
        except InvalidSignature:
            return False
        return self.member == member.id


def quorum_faults(voters: Sequence[Member], rules: Rules) -> list[str]:
    """Return what is missing before some voters make a quorum."""
    faults = []
    if len(voters) < rules.quorum:
        faults.append(f"{len(voters)} voters are fewer than the quorum of {rules.quorum}")
    for role, needed in rules.roles.items():
        if (found := sum(role in voter.roles for voter in voters)) < needed:
            faults.append(f"{found} voters with the role {role} are fewer than {needed}")
    return faults


def carried(ballots: Sequence[Ballot], rules: Rules) -> bool:
    """Return whether votes are a majority for the motion."""
    expressed = [ballot.choice for ballot in ballots if ballot.choice != "abstain"]
    return expressed.count("for") > rules.majority * len(expressed)


def may_suspend(members: Sequence[Member], rules: Rules) -> bool:
    """Return whether some members together suspend a model at once."""
    chaired = rules.chair_suspends and any("chair" in member.roles for member in members)
    return chaired or len(members) >= rules.suspending_members


def faults_by_the_rules(decision: Decision, roll: Roll) -> list[str]:
    """Return why a decision is not one by the rules of the committee that was sitting; empty if it is one."""
    faults = list(_faults_of_ballots(decision, roll))
    voters = [member for ballot in decision.ballots if (member := roll.member(ballot.member)) is not None]
    signer = roll.signer(decision.signer or "")
    if decision.demonstration != roll.demonstration:
        faults.append("is a demonstration if and only if its committee is one, and here they differ")
    if list(decision.members) != [voter.name for voter in voters]:
        faults.append("names other members than those who voted")
    if decision.verdict == "suspended":
        asked = [member for member in voters if member.votes]
        if any(ballot.choice != "for" for ballot in decision.ballots) or not may_suspend(asked, roll.rules):
            faults.append("suspends without the chair or as many members as the rules want")
        if signer not in asked:
            faults.append("is not signed by one of those who suspend")
        return faults
    if signer is None or "chair" not in signer.roles or signer.id in decision.recused:
        faults.append("is not signed by a chair without declared interest")
    faults += quorum_faults(voters, roll.rules)
    if not carried(decision.ballots, roll.rules):
        faults.append("has no majority of its ballots")
    votes = decision.votes
    counted = tuple(sum(b.choice == choice for b in decision.ballots) for choice in ("for", "against", "abstain"))
    if votes is None or (votes.in_favour, votes.against, votes.abstained, votes.quorum) != (
        *counted,
        roll.rules.quorum,
    ):
        faults.append("claims other votes than its ballots")
    longest = roll.rules.longest_approval_days
    if decision.valid_until is not None and (decision.valid_until - decision.decided_at.date()).days > longest:
        faults.append(f"approves for more than {longest} days")
    return faults


def _faults_of_ballots(decision: Decision, roll: Roll) -> Iterator[str]:
    opened = decision.opened_at
    if opened is None or not decision.ballots:
        yield "was put to no vote"
        return
    names = [ballot.member for ballot in decision.ballots]
    if len(set(names)) != len(names):
        yield "counts a member twice"
    for ballot in decision.ballots:
        member = roll.member(ballot.member)
        if member is None or not member.votes:
            yield f"counts the vote of {ballot.member}, who has none"
        elif not ballot.is_genuine(decision.motion, member):
            yield f"has a vote of {ballot.member} that {ballot.member} did not cast on it"
        if ballot.member in decision.recused:
            yield f"counts the vote of {ballot.member}, who has declared an interest"
        if not opened <= ballot.cast_at <= decision.decided_at:
            yield f"has a vote of {ballot.member} cast before or after the vote"

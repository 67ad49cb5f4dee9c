"""What members may do, and when: every rule of the portal that is not a rule of the ledger.

Each act is judged and written while nobody else writes, on what record and ledger say at that moment; two members who
vote at once both vote, and one who votes twice does so once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from serving.portal.record import Act, Answer, Closing, File, Interest, Line, Poll, Proposal, Question, Record, Vote
from serving.portal.shelf import Shelf
from training.committee import (
    Ballot,
    Choice,
    Decision,
    Entry,
    Ledger,
    Member,
    Motion,
    RefusedDecision,
    Roll,
    Status,
    Votes,
    carried,
    decisions,
    key_id,
    may_suspend,
    quorum_faults,
    roll_in,
)
from training.values import Bilingual


class NotAllowed(Exception):
    """Something a member may not do now: why, for the member."""

    def __init__(self, fr: str, en: str) -> None:
        self.said = Bilingual(fr=fr, en=en)
        super().__init__(en)


class NoRoll(Exception):
    """A ledger without a roll: there is no committee that could decide."""


@dataclass(frozen=True)
class Signer:
    """A member with the key that signs what the member does."""

    name: str
    key: Ed25519PrivateKey


@dataclass(frozen=True)
class Standing:
    """Everything that was decided so far, verified."""

    entries: tuple[Entry, ...]
    lines: tuple[Line, ...]
    roll: Roll

    def file(self, card_digest: str) -> File:
        """Return everything about a card."""
        return File.of(card_digest, self.lines, decisions(self.entries))

    def name(self, member: str) -> str:
        """Return the name of a member, of now or of an earlier roll."""
        rolls = [entry.body for entry in reversed(self.entries) if isinstance(entry.body, Roll)]
        return next((found.name for roll in rolls if (found := roll.member(member)) is not None), member)

    def voters(self, file: File) -> list[Member]:
        """Return the members who may vote on a card."""
        return [member for member in self.roll.members if member.votes and member.id not in file.interests]

    def present(self, file: File, poll: Poll) -> list[Member]:
        """Return the members whose votes on a motion count."""
        voted = {vote.member for vote in file.ballots(poll)}
        return [member for member in self.voters(file) if member.id in voted]


@dataclass(frozen=True)
class Committee:
    """A committee at work.

    Parameters
    ----------
    ledger, record, shelf
        Its decisions, its deliberations, and what was submitted to it.
    trusted_keys
        Whose rolls count.
    clock
        What time it is, in UTC.
    """

    ledger: Ledger
    record: Record
    shelf: Shelf
    trusted_keys: Mapping[str, Ed25519PublicKey]
    clock: Callable[[], datetime]

    def standing(self) -> Standing:
        """Return everything that was decided so far.

        Raises
        ------
        AlteredLedger
            If ledger or record cannot be trusted.
        NoRoll
            If the ledger names no committee.
        """
        entries = self.ledger.verify(self.trusted_keys)
        keys: dict[str, list[Ed25519PublicKey]] = {}
        for entry in entries:
            if isinstance(entry.body, Roll):
                for member in entry.body.members:
                    keys.setdefault(member.id, []).append(member.key)
        return Standing(entries, self.record.verify(keys), _roll(entries))

    def status(self, decision: Decision | None) -> Status:
        """Return where a card stands now with its latest decision."""
        return Status.of(decision, self.clock())

    def ask(self, signer: Signer, card_digest: str, text: str) -> None:
        """Put a question on the record."""

        def question(standing: Standing, file: File, now: datetime) -> Act:
            return Question(card_digest=card_digest, member=signer.name, at=now, text=text)

        self._act(signer, card_digest, question)

    def answer(self, signer: Signer, card_digest: str, question: int, text: str) -> None:
        """Put an answer on the record."""

        def answer(standing: Standing, file: File, now: datetime) -> Act:
            if question not in file.questions:
                raise NotAllowed("Cette question n’existe pas.", "There is no such question.")
            return Answer(card_digest=card_digest, member=signer.name, at=now, question=question, text=text)

        self._act(signer, card_digest, answer)

    def declare_interest(self, signer: Signer, card_digest: str, text: str) -> None:
        """Declare an interest: the member no longer votes on the card, and a vote already cast does not count."""

        def interest(standing: Standing, file: File, now: datetime) -> Act:
            _voter(standing, file, signer)
            return Interest(card_digest=card_digest, member=signer.name, at=now, text=text)

        self._act(signer, card_digest, interest)

    def propose(self, signer: Signer, motion: Callable[[datetime, bool], Motion]) -> None:
        """Put a motion to the vote.

        Parameters
        ----------
        signer
            A chair.
        motion
            Makes it, from the moment and whether the committee is a demonstration.
        """

        def proposal(standing: Standing, file: File, now: datetime) -> Act:
            _chair(standing, file, signer)
            if file.poll is not None:
                raise NotAllowed("Un vote est déjà ouvert sur cette carte.", "A vote on this card is open already.")
            latest = file.decision
            made = motion(now, standing.roll.demonstration)
            if latest is not None and latest.verdict == "withdrawn":
                raise NotAllowed(
                    "Ce modèle est retiré définitivement : il faut une nouvelle carte.",
                    "This model is withdrawn for good: it takes a new card.",
                )
            suspended = latest is not None and latest.verdict == "suspended"
            if made.approves and suspended != (made.verdict == "reinstated"):
                raise NotAllowed(
                    "Un modèle suspendu ne peut qu’être rétabli, et seul un modèle suspendu peut l’être.",
                    "A suspended model can only be reinstated, and only a suspended one can be.",
                )
            longest = standing.roll.rules.longest_approval_days
            if made.valid_until is not None and (made.valid_until - now.date()).days > longest:
                raise NotAllowed(
                    f"Une approbation dure {longest} jours au plus : choisissez une date plus proche.",
                    f"An approval lasts {longest} days at most: choose an earlier date.",
                )
            return Proposal(card_digest=made.card_digest, member=signer.name, at=now, motion=made)

        self._act(signer, motion(self.clock(), False).card_digest, proposal)

    def vote(self, signer: Signer, card_digest: str, motion: str, choice: Choice, reasons: str) -> None:
        """Vote on a motion, once and for good."""

        def vote(standing: Standing, file: File, now: datetime) -> Act:
            poll = _open_poll(file, motion)
            return _vote(standing, file, poll, signer, choice, reasons, now)

        self._act(signer, card_digest, vote)

    def close(self, signer: Signer, card_digest: str, motion: str) -> bool:
        """End a vote, and sign and write the decision if the motion is carried; return whether it is.

        The decision is written before the record says so: whatever happens in between, there are not two decisions.
        """

        def closing(standing: Standing, file: File, now: datetime) -> Act:
            _chair(standing, file, signer)
            poll = _open_poll(file, motion)
            present = standing.present(file, poll)
            if quorum_faults(present, standing.roll.rules):
                raise NotAllowed(
                    "Le quorum n’est pas atteint : le vote reste ouvert.",
                    "There is no quorum: the vote stays open.",
                )
            ballots = [poll.votes[member.id].ballot for member in present]
            if carried(ballots, standing.roll.rules):
                self._decide(standing, file, poll, ballots, signer, now)
                return Closing(card_digest=card_digest, member=signer.name, at=now, motion=motion, carried=True)
            return Closing(card_digest=card_digest, member=signer.name, at=now, motion=motion, carried=False)

        ended = self._act(signer, card_digest, closing).body
        assert isinstance(ended, Closing)
        return ended.carried

    def abandon(self, signer: Signer, card_digest: str, motion: str) -> None:
        """End a vote without a result."""

        def closing(standing: Standing, file: File, now: datetime) -> Act:
            _chair(standing, file, signer)
            _open_poll(file, motion)
            return Closing(card_digest=card_digest, member=signer.name, at=now, motion=motion, carried=False)

        self._act(signer, card_digest, closing)

    def suspend(self, signer: Signer, card_digest: str, reasons: str) -> bool:
        """Suspend a model at once, or join the members who ask for it; return whether it is suspended now.

        Parameters
        ----------
        signer
            Who suspends.
        card_digest
            Which card.
        reasons
            Why; those of who asked first are the decision's.
        """

        def proposal(standing: Standing, file: File, now: datetime) -> Act:
            _suspendable(standing, file, signer)
            motion = Motion(
                card_digest=card_digest,
                verdict="suspended",
                reasons=reasons,
                opened_at=now,
                demonstration=standing.roll.demonstration,
            )
            return Proposal(card_digest=card_digest, member=signer.name, at=now, motion=motion)

        def vote(standing: Standing, file: File, now: datetime) -> Act:
            _suspendable(standing, file, signer)
            poll = file.suspension
            if poll is None:
                raise NotAllowed("La demande vient d’aboutir.", "The request has just been carried.")
            made = _vote(standing, file, poll, signer, "for", reasons, now)
            joined = [vote.ballot for vote in file.ballots(poll)] + [made.ballot]
            members = [member for member in standing.voters(file) if member.id in {each.member for each in joined}]
            if may_suspend(members, standing.roll.rules):
                self._decide(standing, file, poll, joined, signer, now)
            return made

        if self.standing().file(card_digest).suspension is None:
            self._act(signer, card_digest, proposal)
        self._act(signer, card_digest, vote)
        decision = self.standing().file(card_digest).decision
        return decision is not None and decision.verdict == "suspended"

    def _decide(
        self, standing: Standing, file: File, poll: Poll, ballots: Sequence[Ballot], signer: Signer, now: datetime
    ) -> None:
        """Sign the decision a motion has become, write it into the ledger and hand it to the bundle."""
        choices = [ballot.choice for ballot in ballots]
        suspends = poll.suspends
        decision = Decision(
            **{name: getattr(poll.motion, name) for name in Motion.model_fields},
            decided_at=now,
            members=tuple(standing.name(ballot.member) for ballot in ballots),
            votes=None
            if suspends
            else Votes(
                in_favour=choices.count("for"),
                against=choices.count("against"),
                abstained=choices.count("abstain"),
                quorum=standing.roll.rules.quorum,
            ),
            ballots=tuple(ballots),
            recused=tuple(sorted(file.interests)),
        )
        try:
            self.ledger.append(decision, signer.key)
        except RefusedDecision as error:
            raise NotAllowed(
                "Le registre a refusé cette décision : elle n’est pas conforme aux règles du comité.", str(error)
            ) from error
        self.shelf.publish(decision.card_digest, self.ledger)

    def _act(self, signer: Signer, card_digest: str, make: Callable[[Standing, File, datetime], Act]) -> Line:
        """Judge and write an act while nobody else writes."""
        if self.shelf.find(card_digest) is None:
            raise NotAllowed("Cette carte n’a pas été soumise.", "This card was not submitted.")

        def act(lines: tuple[Line, ...]) -> Act:
            entries = self.ledger.verify(self.trusted_keys)
            standing, now = Standing(entries, lines, _roll(entries)), self.clock()
            member = standing.roll.member(signer.name)
            if member is None or member.key_id != key_id(signer.key):
                raise NotAllowed("Vous n’êtes plus membre du comité.", "You are no longer a member of the committee.")
            latest = max([*(line.body.at for line in lines[-1:]), *(entry.at for entry in entries[-1:])])
            if now < latest:
                raise NotAllowed(
                    "L’horloge du serveur retarde sur la dernière inscription : rien n’a été enregistré. "
                    "Prévenez la personne qui administre ce serveur.",
                    "The server’s clock is behind the last entry: nothing was written. "
                    "Tell the person who runs this server.",
                )
            return make(standing, standing.file(card_digest), now)

        return self.record.add(act, signer.key)


def _roll(entries: Sequence[Entry]) -> Roll:
    roll = roll_in(entries)
    if roll is None:
        raise NoRoll("the ledger names no committee: declare one with `python -m serving portal roll`")
    return roll


def _voter(standing: Standing, file: File, signer: Signer) -> Member:
    """Return the member who signs, if the member votes on the card."""
    member = standing.roll.member(signer.name)
    if member is None or not member.votes:
        raise NotAllowed("Vous ne votez pas dans ce comité.", "You do not vote on this committee.")
    if member.id in file.interests:
        raise NotAllowed(
            "Vous avez déclaré un intérêt : vous ne prenez part à aucune décision sur cette carte.",
            "You have declared an interest: you take no part in decisions about this card.",
        )
    return member


def _chair(standing: Standing, file: File, signer: Signer) -> None:
    if "chair" not in _voter(standing, file, signer).roles:
        raise NotAllowed("Cela revient à la présidence.", "That is for the chair.")


def _open_poll(file: File, motion: str) -> Poll:
    poll = file.poll
    if poll is None or poll.motion.motion != motion:
        raise NotAllowed("Ce vote est clos.", "This vote has ended.")
    return poll


def _suspendable(standing: Standing, file: File, signer: Signer) -> None:
    _voter(standing, file, signer)
    if file.decision is None or not file.decision.approves:
        raise NotAllowed(
            "Ce modèle n’est pas en service : il n’y a rien à suspendre.",
            "This model is not in use: there is nothing to suspend.",
        )


def _vote(
    standing: Standing, file: File, poll: Poll, signer: Signer, choice: Choice, reasons: str, now: datetime
) -> Vote:
    member = _voter(standing, file, signer)
    if member.id in poll.votes:
        _already()
    if choice == "against" and not reasons:
        raise NotAllowed("Dites pourquoi vous votez contre.", "Say why you vote against.")
    motion = poll.motion.motion
    ballot = Ballot.cast(motion, member.id, choice, now, signer.key)
    return Vote(card_digest=file.card_digest, member=member.id, at=now, motion=motion, ballot=ballot, reasons=reasons)


def _already() -> NoReturn:
    raise NotAllowed(
        "Votre vote est déjà enregistré ; il est définitif.", "Your vote is recorded already; it is final."
    )

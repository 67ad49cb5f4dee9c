"""A committee decides by its rules and in no other way, whoever does what at once, and whatever the clock says."""

from __future__ import annotations

import multiprocessing
import shutil
import time
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest

from serving.contract import Abstention, Risk
from serving.gate import admit
from serving.portal.committee import Committee, NotAllowed
from serving.portal.record import Record
from serving.portal.shelf import AlreadySubmitted, Shelf
from serving.refusals import Refused
from serving.scoring import score_many
from tests.serving import bundles, histories
from tests.serving.portal.sitting import ROOT, START, TRUSTED, Clock, Sitting, members, roll, signer
from training.card import AlteredCard
from training.committee import AlteredLedger, Condition, Ledger, decisions

EVERYBODY = ("chair", "vice", "doctor", "researcher", "lawyer", "patients")


@pytest.fixture
def sitting(tmp_path: Path) -> Sitting:
    return Sitting.open(tmp_path / "committee")


@pytest.fixture
def card(sitting: Sitting) -> str:
    return sitting.shelve()


# --- Votes ------------------------------------------------------------------------------------------------


def test_a_motion_that_is_carried_becomes_a_signed_decision(sitting: Sitting, card: str) -> None:
    assert sitting.kind(card) == "not_approved"
    sitting.decide(card)
    (decision,) = decisions(sitting.committee.ledger.verify(TRUSTED))
    assert sitting.kind(card) == "approved"
    assert [ballot.member for ballot in decision.ballots] == ["chair", "doctor", "researcher", "lawyer", "patients"]
    assert decision.votes is not None
    assert (decision.votes.in_favour, decision.votes.quorum) == (5, 5)
    assert decision.members == ("Chair", "Doctor", "Researcher", "Lawyer", "Patients")


@pytest.mark.parametrize(
    ("voters", "reached"),
    [
        (("chair", "doctor", "researcher", "lawyer", "patients"), True),
        (("chair", "doctor", "researcher", "lawyer"), False),  # too few
        (("chair", "vice", "doctor", "researcher", "lawyer"), False),  # no patients' representative
        (("vice", "researcher", "lawyer", "patients", "doctor"), True),
    ],
)
def test_a_vote_ends_with_its_quorum_only(sitting: Sitting, card: str, voters: tuple[str, ...], reached: bool) -> None:
    motion = sitting.propose(card)
    sitting.vote(card, motion, *voters)
    if reached:
        assert sitting.committee.close(signer("vice"), card, motion)
        return
    with pytest.raises(NotAllowed, match="no quorum"):
        sitting.committee.close(signer("chair"), card, motion)
    assert decisions(sitting.committee.ledger.entries()) == ()
    assert sitting.file(card).poll is not None, "the vote stays open"


@pytest.mark.parametrize(
    ("against", "abstaining", "carried"), [(2, 0, True), (3, 0, False), (2, 2, False), (1, 4, False), (0, 5, True)]
)
def test_a_majority_is_more_for_than_against(
    sitting: Sitting, card: str, against: int, abstaining: int, carried: bool
) -> None:
    motion = sitting.propose(card)
    names = list(EVERYBODY)
    sitting.vote(card, motion, *names[:against], choice="against")
    sitting.vote(card, motion, *names[against : against + abstaining], choice="abstain")
    sitting.vote(card, motion, *names[against + abstaining :])
    assert sitting.committee.close(signer("chair"), card, motion) is carried
    assert sitting.kind(card) == ("approved" if carried else "not_approved")
    assert len(decisions(sitting.committee.ledger.entries())) == carried
    assert sitting.file(card).poll is None


def test_who_declares_an_interest_neither_votes_nor_counts(sitting: Sitting, card: str) -> None:
    motion = sitting.propose(card)
    sitting.vote(card, motion, "chair", "doctor", "researcher", "lawyer", "patients")
    sitting.committee.declare_interest(signer("lawyer"), card, "Conseil du fabricant")
    with pytest.raises(NotAllowed, match="no quorum"):
        sitting.committee.close(signer("chair"), card, motion)
    sitting.committee.declare_interest(signer("vice"), card, "Co-auteur")
    for refused in (
        lambda: sitting.vote(card, motion, "vice"),
        lambda: sitting.committee.close(signer("vice"), card, motion),
        lambda: sitting.committee.declare_interest(signer("vice"), card, "Encore"),
    ):
        with pytest.raises(NotAllowed, match="interest"):
            refused()


def test_the_decision_names_who_was_recused(sitting: Sitting, card: str) -> None:
    sitting.committee.declare_interest(signer("vice"), card, "Co-auteur")
    sitting.decide(card)
    (decision,) = decisions(sitting.committee.ledger.verify(TRUSTED))
    assert decision.recused == ("vice",)


@pytest.mark.parametrize("act", ["propose", "close", "abandon"])
def test_what_is_for_the_chair_is_for_no_one_else(sitting: Sitting, card: str, act: str) -> None:
    if act == "propose":
        with pytest.raises(NotAllowed, match="chair"):
            sitting.propose(card, by="doctor")
        return
    motion = sitting.propose(card)
    sitting.vote(card, motion, *EVERYBODY)
    with pytest.raises(NotAllowed, match="chair"):
        getattr(sitting.committee, act)(signer("doctor"), card, motion)


def test_an_author_answers_and_does_not_vote(sitting: Sitting, card: str) -> None:
    motion = sitting.propose(card)
    with pytest.raises(NotAllowed, match="do not vote"):
        sitting.vote(card, motion, "author")
    sitting.committee.ask(signer("patients"), card, "Pourquoi pas avant 40 ans ?")
    (number,) = sitting.file(card).questions
    sitting.committee.answer(signer("author"), card, number, "Faute de données.")
    asked = sitting.file(card).questions[number]
    assert [answer.text for answer in asked.answers] == ["Faute de données."]
    with pytest.raises(NotAllowed, match="no such question"):
        sitting.committee.answer(signer("author"), card, number + 7, "Rien")


def test_a_vote_is_cast_once(sitting: Sitting, card: str) -> None:
    motion = sitting.propose(card)
    sitting.vote(card, motion, "doctor")
    with pytest.raises(NotAllowed, match="already"):
        sitting.vote(card, motion, "doctor", choice="against")
    assert sitting.file(card).poll.votes["doctor"].ballot.choice == "for"


def test_a_vote_against_says_why(sitting: Sitting, card: str) -> None:
    motion = sitting.propose(card)
    with pytest.raises(NotAllowed, match="why"):
        sitting.committee.vote(signer("doctor"), card, motion, "against", "")


def test_one_vote_at_a_time_on_a_card(sitting: Sitting, card: str) -> None:
    motion = sitting.propose(card)
    with pytest.raises(NotAllowed, match="open already"):
        sitting.propose(card, "refused", by="vice")
    sitting.committee.abandon(signer("vice"), card, motion)
    with pytest.raises(NotAllowed, match="ended"):
        sitting.vote(card, motion, "doctor")
    sitting.propose(card, "refused", by="vice")


def test_an_approval_lasts_as_long_as_the_rules_allow(sitting: Sitting, card: str) -> None:
    with pytest.raises(NotAllowed, match="365 days"):
        sitting.propose(card, valid_until="2027-09-02")
    sitting.propose(card, valid_until="2027-09-01")


def test_only_what_was_submitted_is_decided_upon(sitting: Sitting) -> None:
    with pytest.raises(NotAllowed, match="not submitted"):
        sitting.committee.ask(signer("doctor"), "f" * 64, "Quoi ?")


def test_who_left_the_roll_does_nothing_more(sitting: Sitting, card: str) -> None:
    motion = sitting.propose(card)
    left = tuple(each.member for each in members().members if each.member.id != "researcher")
    sitting.committee.ledger.declare(roll(members=left, declared_at=sitting.clock()), ROOT)
    with pytest.raises(NotAllowed, match="no longer"):
        sitting.vote(card, motion, "researcher")
    sitting.vote(card, motion, "chair", "vice", "doctor", "lawyer", "patients")
    assert sitting.committee.close(signer("chair"), card, motion)


# --- Suspension -------------------------------------------------------------------------------------------


def test_the_chair_suspends_at_once(sitting: Sitting, card: str) -> None:
    sitting.decide(card)
    assert sitting.committee.suspend(signer("chair"), card, "Dérive constatée")
    assert sitting.kind(card) == "suspended"


def test_two_members_suspend_together(sitting: Sitting, card: str) -> None:
    sitting.decide(card)
    assert not sitting.committee.suspend(signer("patients"), card, "Plainte de patients")
    assert sitting.kind(card) == "approved"
    with pytest.raises(NotAllowed, match="already"):
        sitting.committee.suspend(signer("patients"), card, "Encore")
    assert sitting.committee.suspend(signer("lawyer"), card, "Même avis")
    assert sitting.kind(card) == "suspended"
    decision = sitting.file(card).decision
    assert decision.reasons == "Plainte de patients"
    assert decision.members == ("Patients", "Lawyer")


@pytest.mark.parametrize("name", ["author", "vice"])
def test_who_does_not_vote_does_not_suspend(sitting: Sitting, card: str, name: str) -> None:
    sitting.committee.declare_interest(signer("vice"), card, "Concurrent")
    sitting.decide(card)
    with pytest.raises(NotAllowed):
        sitting.committee.suspend(signer(name), card, "Motif")


def test_what_is_not_in_use_is_not_suspended(sitting: Sitting, card: str) -> None:
    with pytest.raises(NotAllowed, match="nothing to suspend"):
        sitting.committee.suspend(signer("chair"), card, "Motif")


def test_only_a_vote_ends_a_suspension(sitting: Sitting, card: str) -> None:
    sitting.decide(card)
    renewal = sitting.propose(card)
    sitting.vote(card, renewal, *EVERYBODY)
    sitting.committee.suspend(signer("chair"), card, "Dérive")
    with pytest.raises(NotAllowed, match="ended"):
        sitting.committee.close(signer("chair"), card, renewal)  # put to the vote before anybody knew
    with pytest.raises(NotAllowed, match="only be reinstated"):
        sitting.propose(card)
    sitting.decide(card, "reinstated")
    assert sitting.kind(card) == "approved"


def test_the_service_s_bundle_is_decided_upon(tmp_path: Path, sitting: Sitting) -> None:
    bundle = tmp_path / "bundle"
    bundles.trained(bundles.linear(), bundle / "model")
    bundles.assemble(bundle, bundle / "model")
    submitted = sitting.committee.shelf.submit(bundle)
    with pytest.raises(AlreadySubmitted):
        sitting.committee.shelf.submit(bundle)
    with pytest.raises(Refused, match=r"no ledger\.jsonl"):
        admit(submitted.folder, TRUSTED, START)
    ages = Condition(about="population", text="De 50 à 69 ans", ages=(50, 69))
    sitting.decide(submitted.digest, "approved_with_conditions", conditions=(ages,))
    admitted = admit(submitted.folder, TRUSTED, sitting.clock())
    assert admitted.decision.conditions == (ages,)
    sitting.committee.suspend(signer("chair"), submitted.digest, "Dérive")
    with pytest.raises(Refused) as refused:
        admit(submitted.folder, TRUSTED, sitting.clock())
    assert refused.value.code == "suspended"


def test_ages_the_committee_set_are_enforced(tmp_path: Path, sitting: Sitting) -> None:
    """Counted from dates of birth: whoever is outside gets no answer, everybody else the same as without them."""
    bundle, random = tmp_path / "bundle", np.random.default_rng(0)
    bundles.trained(bundles.linear(), bundle / "model")
    bundles.assemble(bundle, bundle / "model")
    submitted = sitting.committee.shelf.submit(bundle)
    answers = []
    for ages in (None, (50, 69)):
        condition = Condition(about="population", text="Restriction", ages=ages)
        sitting.decide(submitted.digest, "approved_with_conditions", conditions=(condition,))
        admitted = admit(submitted.folder, TRUSTED, sitting.clock())
        patients = np.array([f"patient-{number:04d}" for number in range(150)], dtype=object)
        answers.append(score_many(admitted, histories.shard(150), patients, histories.AS_OF))
    seen = {True: 0, False: 0}
    for patient, free, bound in zip(patients, *answers, strict=True):
        rows = histories._records(str(patient), random)
        born = next((row[2] for row in rows if row[4] == "PRACTICE:birth"), None)
        years = None if born is None else (histories.AS_OF - born).days / 365.2425  # type: ignore[operator]
        if isinstance(free, Abstention) or years is None or min(abs(years - 50), abs(years - 70)) < 0.01:
            continue
        inside = 50 <= years < 70
        seen[inside] += 1
        assert isinstance(bound, Risk) is inside
        if isinstance(bound, Risk):
            assert bound.risk == free.risk
        else:
            assert [reason.code for reason in bound.reasons] == ["approved_ages_1"]
    assert min(seen.values()) >= 10, "the population has some of each"


def test_an_altered_bundle_is_not_taken(tmp_path: Path, sitting: Sitting) -> None:
    bundle = tmp_path / "bundle"
    bundles.trained(bundles.linear(), bundle / "model")
    bundles.assemble(bundle, bundle / "model")
    (bundle / "audit.json").write_text('{"attributes":[]} ')
    with pytest.raises(Refused, match=r"audit\.json"):
        sitting.committee.shelf.submit(bundle)
    assert sitting.committee.shelf.submitted() == []
    assert list((tmp_path / "committee").glob("cards/*")) == []


def test_a_bundle_that_changes_while_it_is_submitted_is_not_taken(
    tmp_path: Path, sitting: Sitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the committee reads is what was looked at, or nothing: no other card, and no half of a bundle."""
    one, other = tmp_path / "one", tmp_path / "other"
    bundles.trained(bundles.linear(), one / "model")
    shutil.copytree(one, other)
    bundles.assemble(one, one / "model")
    bundles.assemble(other, other / "model", identity={"version": "9.0.0"})

    def meanwhile(**where: Any) -> str:
        shutil.rmtree(one)
        other.rename(one)
        return mkdtemp(**where)

    monkeypatch.setattr("serving.portal.shelf.mkdtemp", meanwhile)
    with pytest.raises(AlteredCard, match="submit it again"):
        sitting.committee.shelf.submit(one)
    monkeypatch.undo()
    assert list(sitting.committee.shelf.folder.iterdir()) == []
    assert sitting.committee.shelf.submit(one).card.identity.version == "9.0.0", "as it is now"


# --- Clock, crowds and crashes ----------------------------------------------------------------------------


def test_a_clock_set_back_is_refused(sitting: Sitting, card: str) -> None:
    sitting.committee.ask(signer("doctor"), card, "Une question")
    sitting.clock.now -= timedelta(hours=1)
    with pytest.raises(NotAllowed, match="clock is behind"):
        sitting.committee.ask(signer("doctor"), card, "Une autre")
    with pytest.raises(NotAllowed, match="clock is behind"):
        sitting.propose(card)
    sitting.clock.now += timedelta(hours=1)
    sitting.committee.ask(signer("doctor"), card, "Une autre")
    assert len(sitting.file(card).questions) == 2


def _colleague(folder: Path, now: datetime) -> Committee:
    """Return the same committee as another process sees it."""
    ledger, record = Ledger(folder / "ledger.jsonl"), Record(folder / "record.jsonl")
    return Committee(ledger, record, Shelf(folder / "cards"), TRUSTED, Clock(now))


def _vote_when_told(folder: Path, card: str, motion: str, name: str, times: int, start: float) -> None:
    """Vote, in a process of its own, as often as told; the first vote counts."""
    committee = _colleague(folder, START + timedelta(days=1))
    time.sleep(max(0.0, start - time.time()))
    for _ in range(times):
        try:
            committee.vote(signer(name), card, motion, "for", "")
        except NotAllowed:
            continue


def test_members_vote_at_once_and_each_once(sitting: Sitting, card: str) -> None:
    motion = sitting.propose(card)
    fork = multiprocessing.get_context("fork")
    for name in EVERYBODY:
        signer(name)  # opened before the fork
    begin = time.time() + 0.3
    clerks = [
        fork.Process(target=_vote_when_told, args=(sitting.folder, card, motion, name, 3, begin))
        for name in EVERYBODY
        for _ in range(2)
    ]
    for clerk in clerks:
        clerk.start()
    for clerk in clerks:
        clerk.join(30)
    assert [clerk.exitcode for clerk in clerks] == [0] * len(clerks)
    votes = [line for line in sitting.committee.standing().lines if line.body.kind == "vote"]
    assert sorted(line.body.member for line in votes) == sorted(EVERYBODY)
    sitting.clock.now = START + timedelta(days=2)
    assert sitting.committee.close(signer("chair"), card, motion)


def _ask_until_killed(folder: Path, card: str, begin: datetime) -> None:
    committee = _colleague(folder, begin)
    while True:
        committee.ask(signer("doctor"), card, "x" * 3000)


def test_killed_at_any_moment_the_record_is_whole(sitting: Sitting, card: str) -> None:
    """Also an interrupted writer holds nobody up: its lock goes with it."""
    fork, known = multiprocessing.get_context("fork"), 0
    signer("doctor")  # opened before the fork
    for day, patience in enumerate((0.001, 0.003, 0.007, 0.013, 0.029), 1):
        writer = fork.Process(target=_ask_until_killed, args=(sitting.folder, card, START + timedelta(days=day)))
        writer.start()
        while len(sitting.committee.record.entries()) == known:
            assert writer.is_alive()
        time.sleep(patience)
        writer.kill()
        writer.join(10)
        lines = sitting.committee.record.entries()
        assert len(lines) > known
        known = len(lines)
    sitting.clock.now = START + timedelta(days=9)
    sitting.committee.ask(signer("lawyer"), card, "Après")
    assert len(sitting.committee.standing().lines) == known + 1


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_between_decision_and_record_there_is_one_decision(
    sitting: Sitting, card: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    motion = sitting.propose(card)
    sitting.vote(card, motion, *EVERYBODY)
    append = type(sitting.committee.ledger).append

    def interrupted(*arguments: object) -> None:
        if moment == "after":
            append(*arguments)  # type: ignore[arg-type]
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(type(sitting.committee.ledger), "append", interrupted)
        with pytest.raises(Killed):
            sitting.committee.close(signer("chair"), card, motion)
    if moment == "after":
        assert sitting.kind(card) == "approved"
        with pytest.raises(NotAllowed, match="ended"):
            sitting.committee.close(signer("chair"), card, motion)
    else:
        assert sitting.committee.close(signer("chair"), card, motion)
    assert len(decisions(sitting.committee.ledger.verify(TRUSTED))) == 1


def test_a_tampered_record_is_refused(sitting: Sitting, card: str) -> None:
    sitting.committee.ask(signer("doctor"), card, "Une question")
    sitting.committee.ask(signer("lawyer"), card, "Une autre")
    path = sitting.committee.record.path
    text = path.read_bytes()
    path.write_bytes(text.replace(b"Une question", b"Une louange!"))
    with pytest.raises(AlteredLedger, match="record entry"):
        sitting.committee.standing()
    path.write_bytes(text.replace(b'"member":"lawyer"', b'"member":"doctor"'))
    with pytest.raises(AlteredLedger, match="record entry 1 is not signed by who it names"):
        sitting.committee.standing()

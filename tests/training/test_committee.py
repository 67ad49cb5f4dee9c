"""What the committee decided stands: nothing in a ledger can be altered, moved or removed unseen, and time runs out."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from features.digests import canonical, digest
from tests.training.cards import decision
from training import committee
from training.__main__ import main
from training.committee import (
    DEMONSTRATION_KEY_ID,
    START,
    AlteredLedger,
    Ballot,
    Condition,
    Decision,
    Entry,
    InvalidKey,
    Ledger,
    Member,
    Motion,
    RefusedDecision,
    Role,
    Roll,
    Rules,
    Status,
    Votes,
    Watch,
    decisions,
    demonstration_key,
    demonstration_keys,
    generate_key,
    key_id,
)

CARD, OTHER = "a" * 64, "b" * 64
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
KEYS = {key_id(KEY): KEY.public_key()}
NOW = datetime(2026, 10, 1)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Three decisions of the committee."""
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.append(decision(CARD), KEY)
    ledger.append(decision(OTHER, "refused"), KEY)
    ledger.append(decision(CARD, "suspended", decided_at=datetime(2026, 9, 20)), KEY)
    return ledger


def rewrite(ledger: Ledger, change: Callable[[list[bytes]], list[bytes]]) -> None:
    lines = ledger.path.read_bytes().splitlines(keepends=True)
    ledger.path.write_bytes(b"".join(change(lines)))


# --- Decisions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"valid_until": None}, "needs valid_until"),
        ({"valid_until": date(2026, 9, 9)}, "before the decision"),
        ({"verdict": "refused"}, "only goes with an approval"),
        ({"verdict": "approved_with_conditions"}, "names no condition"),
        ({"conditions": ("x",)}, "approved_with_conditions"),
        ({"votes": None}, "needs votes"),
        ({"votes": Votes(in_favour=2, against=1, quorum=4)}, "quorum"),
        ({"votes": Votes(in_favour=2, against=2, quorum=4)}, "no majority"),
        ({"card_digest": "short"}, "card_digest"),
        ({"reasons": " "}, "reasons"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_no_committee_can_decide_is_refused(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        Decision(**(decision(CARD).model_dump() | changes))


def test_all_faults_of_a_decision_are_told_at_once() -> None:
    with pytest.raises(ValidationError, match=r"valid_until.*quorum.*majority"):
        decision(CARD, valid_until=None, votes=Votes(in_favour=0, against=0, quorum=4))


def test_a_suspension_needs_no_vote() -> None:
    assert decision(CARD, "suspended", votes=None).votes is None


def test_times_are_kept_in_utc() -> None:
    paris = datetime(2026, 9, 10, 11, tzinfo=timezone(timedelta(hours=2)))
    assert decision(CARD, decided_at=paris).decided_at == datetime(2026, 9, 10, 9, tzinfo=UTC)
    assert decision(CARD, decided_at=datetime(2026, 9, 10, 9)).decided_at == datetime(2026, 9, 10, 9, tzinfo=UTC)


# --- Status -----------------------------------------------------------------------------------------------


def test_the_latest_decision_about_the_card_wins(ledger: Ledger) -> None:
    assert ledger.status(CARD, NOW, KEYS).kind == "suspended"
    assert ledger.status(OTHER, NOW, KEYS).kind == "refused"
    assert ledger.status("c" * 64, NOW, KEYS) == Status("not_approved")
    ledger.append(decision(CARD, "reinstated", decided_at=datetime(2026, 9, 25)), KEY)
    assert ledger.status(CARD, NOW, KEYS).kind == "approved"
    ledger.append(decision(CARD, "withdrawn", decided_at=datetime(2026, 9, 26)), KEY)
    assert ledger.status(CARD, NOW, KEYS).kind == "not_approved"
    with pytest.raises(RefusedDecision, match="withdrawal"):
        ledger.append(decision(CARD, decided_at=datetime(2026, 9, 27)), KEY)


@pytest.mark.parametrize(
    ("now", "kind"),
    [
        (datetime(2026, 9, 10, 8, 59, 59), "not_approved"),
        (datetime(2026, 9, 10, 9), "approved"),
        (datetime(2027, 9, 10, 23, 59, 59), "approved"),
        (datetime(2027, 9, 11), "expired"),
        (datetime(2027, 9, 11, 1, tzinfo=timezone(timedelta(hours=2))), "approved"),
        (datetime(2027, 9, 10, 23, tzinfo=timezone(timedelta(hours=-2))), "expired"),
    ],
)
def test_an_approval_begins_and_ends(now: datetime, kind: str) -> None:
    assert Status.of(decision(CARD), now).kind == kind


def test_conditions_go_with_the_approval(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.append(decision(CARD, "approved_with_conditions"), KEY)
    status = ledger.status(CARD, NOW, KEYS)
    assert status.kind == "approved"
    assert status.decision is not None
    assert status.decision.conditions == ("Relire dans six mois",)


@pytest.mark.parametrize("card", [CARD, OTHER, "c" * 64])
def test_an_older_decision_cannot_come_later(ledger: Ledger, card: str) -> None:
    with pytest.raises(RefusedDecision, match="look at the clock"):
        ledger.append(decision(card, "suspended", decided_at=datetime(2026, 9, 19)), KEY)
    assert len(ledger.entries()) == 3


def test_only_what_is_suspended_is_reinstated(ledger: Ledger) -> None:
    with pytest.raises(RefusedDecision, match="not suspended"):
        ledger.append(decision(OTHER, "reinstated", decided_at=datetime(2026, 9, 21)), KEY)


# --- Demonstrations ---------------------------------------------------------------------------------------


def test_the_demonstration_key_always_shows(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.append(decision(CARD, demonstration=True), demonstration_key())
    status = ledger.status(CARD, NOW, demonstration_keys())
    assert (status.kind, status.demonstration) == ("approved", True)


def test_the_demonstration_key_cannot_sign_a_real_decision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path / "ledger")
    with pytest.raises(RefusedDecision, match="demonstration key"):
        ledger.append(decision(CARD), demonstration_key())
    assert ledger.entries() == ()
    with monkeypatch.context() as forgery:
        forgery.setattr(committee.ledger, "_out_of_place", lambda *_: None)
        ledger.append(decision(CARD), demonstration_key())
    with pytest.raises(AlteredLedger, match=r"entry 0 .*demonstration key"):
        ledger.status(CARD, NOW, demonstration_keys())
    assert Status.of(ledger.entries()[0].decision, NOW).demonstration, "and even unverified it shows"


def test_the_demonstration_key_is_not_trusted_by_itself(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.append(decision(CARD, demonstration=True), demonstration_key())
    with pytest.raises(AlteredLedger, match="not a trusted key"):
        ledger.status(CARD, NOW, KEYS)


def test_a_demonstration_undoes_nothing_real(ledger: Ledger) -> None:
    approval = decision(CARD, "reinstated", decided_at=datetime(2026, 9, 25), demonstration=True)
    with pytest.raises(RefusedDecision, match="really decided"):
        ledger.append(approval, demonstration_key())


def test_a_real_key_may_sign_a_demonstration(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.append(decision(CARD, demonstration=True), KEY)
    assert ledger.status(CARD, NOW, KEYS).demonstration


def test_the_demonstration_key_is_always_the_same() -> None:
    assert key_id(demonstration_key()) == DEMONSTRATION_KEY_ID == "3c403f3f7f55ccdd"


# --- Alterations ------------------------------------------------------------------------------------------


def test_a_sound_ledger_is_verified(ledger: Ledger) -> None:
    first, second, third = ledger.verify(KEYS)
    assert first.previous == START
    assert [entry.index for entry in (first, second, third)] == [0, 1, 2]
    assert third.decision.signer == third.key_id == key_id(KEY)
    assert ledger.verify(KEYS, head=ledger.head) == (first, second, third)


@pytest.mark.slow
def test_every_altered_byte_is_noticed(ledger: Ledger) -> None:
    text = ledger.path.read_bytes()
    for position in range(len(text)):
        altered = bytearray(text)
        altered[position] ^= (1, 32)[position % 2]
        ledger.path.write_bytes(altered)
        with pytest.raises(AlteredLedger):
            ledger.verify(KEYS)


@given(st.data())
def test_every_inserted_or_removed_byte_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "ledger")
    ledger.append(decision(CARD), KEY)
    text = ledger.path.read_bytes()
    position = data.draw(st.integers(0, len(text) - 1))
    inserted = data.draw(st.binary(max_size=2))
    removed = data.draw(st.integers(0 if inserted else 1, 2))
    altered = text[:position] + inserted + text[position + removed :]
    if altered in (text, b""):
        return
    ledger.path.write_bytes(altered)
    with pytest.raises(AlteredLedger):
        ledger.verify(KEYS)


@pytest.mark.parametrize(
    ("change", "index"),
    [
        (lambda lines: [lines[1], lines[0], lines[2]], 0),
        (lambda lines: lines[1:], 0),
        (lambda lines: [lines[0], lines[2]], 1),
        (lambda lines: [lines[0], lines[0], *lines[1:]], 1),
        (lambda lines: [*lines, lines[1]], 3),
        (lambda lines: [*lines, b"\n"], 3),
        (lambda lines: [*lines[:2], lines[2].rstrip(b"\n")], 2),
        (lambda lines: [lines[0].replace(b":", b": "), *lines[1:]], 0),
        (lambda lines: [b"[]\n", *lines[1:]], 0),
    ],
)
def test_lines_moved_removed_or_repeated_are_noticed(
    ledger: Ledger, change: Callable[[list[bytes]], list[bytes]], index: int
) -> None:
    rewrite(ledger, change)
    with pytest.raises(AlteredLedger, match=f"entry {index} ") as error:
        ledger.verify(KEYS)
    assert error.value.index == index
    with pytest.raises(AlteredLedger):
        ledger.append(decision("c" * 64), KEY)


def test_a_cut_tail_is_noticed_by_its_head_alone(ledger: Ledger) -> None:
    head = ledger.head
    rewrite(ledger, lambda lines: lines[:2])
    assert len(ledger.verify(KEYS)) == 2, "the file alone does not show it"
    with pytest.raises(AlteredLedger, match="cut off"):
        ledger.verify(KEYS, head=head)
    with pytest.raises(AlteredLedger, match="cut off"):
        ledger.status(CARD, NOW, KEYS, head=head)


def test_an_earlier_head_still_holds_after_more_decisions(ledger: Ledger) -> None:
    head = ledger.head
    ledger.append(decision("c" * 64, decided_at=datetime(2026, 9, 21)), KEY)
    assert head != ledger.head
    assert len(ledger.verify(KEYS, head=head)) == 4


def test_a_whole_ledger_signed_by_somebody_else_is_refused(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.append(decision(CARD), generate_key())
    with pytest.raises(AlteredLedger, match=r"entry 0 .*not a trusted key"):
        ledger.verify(KEYS)


def test_a_line_that_borrows_a_trusted_name_is_refused(tmp_path: Path) -> None:
    ledger, stranger = Ledger(tmp_path / "ledger"), generate_key()
    ledger.append(decision(CARD), stranger)
    text = ledger.path.read_text().replace(key_id(stranger), key_id(KEY))
    ledger.path.write_text(text)
    with pytest.raises(AlteredLedger, match="signature"):
        ledger.verify(KEYS)
    line = json.loads(text)
    line["key_id"] = key_id(stranger)
    ledger.path.write_bytes(canonical(line) + b"\n")
    with pytest.raises(AlteredLedger, match="another signer"):
        ledger.verify(KEYS | {key_id(stranger): stranger.public_key()})


def test_a_decision_that_names_another_signer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedDecision, match="names the signer"):
        Ledger(tmp_path / "ledger").append(decision(CARD, signer="0" * 16), KEY)


def test_an_empty_ledger_has_a_head(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "none")
    assert (ledger.entries(), ledger.head) == ((), START)
    assert ledger.verify(KEYS, head=START) == ()


# --- Keys -------------------------------------------------------------------------------------------------


def test_keys_come_back_from_their_files(tmp_path: Path) -> None:
    key, trusted = generate_key(), tmp_path / "trusted"
    trusted.mkdir()
    committee.save_private_key(key, tmp_path / "private.pem")
    committee.save_public_key(key, trusted / "chair.pem")
    assert stat.S_IMODE((tmp_path / "private.pem").stat().st_mode) == 0o600
    assert key_id(committee.load_private_key(tmp_path / "private.pem")) == key_id(key)
    assert set(committee.load_trusted_keys(trusted)) == {key_id(key)}
    with pytest.raises(FileExistsError):
        committee.save_private_key(key, tmp_path / "private.pem")
    ledger = Ledger(tmp_path / "ledger")
    ledger.append(decision(CARD), key)
    assert ledger.status(CARD, NOW, trusted).kind == "approved"


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    other = X25519PrivateKey.generate()
    private.write_bytes(
        other.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public.write_bytes(
        other.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(InvalidKey, match="not an Ed25519"):
        committee.load_private_key(private)
    with pytest.raises(InvalidKey, match="not an Ed25519"):
        committee.load_public_key(public)
    private.write_text("nothing")
    with pytest.raises(InvalidKey, match="PEM"):
        committee.load_private_key(private)
    with pytest.raises(InvalidKey, match="PEM"):
        committee.load_public_key(private)
    with pytest.raises(FileNotFoundError):
        committee.load_trusted_keys(tmp_path / "nowhere")


def test_a_key_under_another_name_is_refused(ledger: Ledger) -> None:
    wrong: dict[str, Ed25519PublicKey] = {"0" * 16: KEY.public_key()}
    with pytest.raises(InvalidKey, match="has the id"):
        ledger.verify(wrong)


# --- A roll: members decide, and their ballots are counted again ---------------------------------------------

ROLES: dict[str, tuple[Role, ...]] = {
    "chair": ("doctor", "chair"),
    "doctor": ("doctor",),
    "researcher": ("researcher",),
    "lawyer": ("lawyer",),
    "patients": ("patients_representative",),
    "author": ("author",),
}
SEATS = {name: Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32)) for name in ROLES}
VOTERS = tuple(name for name in ROLES if name != "author")
OPENED = datetime(2026, 9, 2, 9, tzinfo=UTC)
DECIDED = datetime(2026, 9, 2, 10, tzinfo=UTC)


def seat(name: str, **changes: Any) -> Member:
    raw = SEATS[name].public_key().public_bytes_raw().hex()
    return Member(**({"id": name, "name": name.title(), "roles": ROLES[name], "public_key": raw} | changes))


def roll(**changes: Any) -> Roll:
    known: dict[str, Any] = {
        "committee": "Comité",
        "contact": "contact@comite.example",
        "rules": Rules(),
        "members": tuple(map(seat, ROLES)),
        "declared_at": datetime(2026, 9, 1, tzinfo=UTC),
    }
    return Roll(**(known | changes))


def motion(**changes: Any) -> Motion:
    known: dict[str, Any] = {
        "card_digest": CARD,
        "verdict": "approved",
        "reasons": "Motif",
        "valid_until": date(2027, 9, 1),
        "opened_at": OPENED,
    }
    return Motion(**(known | changes))


def carried(put: Motion, names: tuple[str, ...] = VOTERS, against: tuple[str, ...] = (), **changes: Any) -> Decision:
    """Return what a motion becomes when these members vote."""
    at = put.opened_at + timedelta(minutes=5) if put.opened_at else OPENED
    ballots = tuple(
        Ballot.cast(put.motion, name, "against" if name in against else "for", at, SEATS[name]) for name in names
    )
    votes = Votes(in_favour=len(names) - len(against), against=len(against), quorum=5)
    known: dict[str, Any] = {
        "decided_at": DECIDED,
        "members": tuple(name.title() for name in names),
        "ballots": ballots,
        "votes": None if put.verdict == "suspended" else votes,
    }
    return Decision(**({name: getattr(put, name) for name in Motion.model_fields} | known | changes))


@pytest.fixture
def ruled(tmp_path: Path) -> Ledger:
    """A ledger that begins with a roll."""
    ledger = Ledger(tmp_path / "ruled.jsonl")
    ledger.declare(roll(), KEY)
    return ledger


def test_members_decide_and_their_ballots_are_in_the_ledger(ruled: Ledger) -> None:
    ruled.append(carried(motion()), SEATS["chair"])
    assert ruled.status(CARD, NOW, KEYS).kind == "approved"
    (found,) = decisions(ruled.verify(KEYS))
    assert [ballot.member for ballot in found.ballots] == list(VOTERS)


def without_patients(put: Motion) -> Decision:
    return carried(put, ("chair", "doctor", "researcher", "lawyer", "author"))


FORGED: dict[str, tuple[Callable[[], Decision], str, str]] = {
    "no ballots": (lambda: carried(motion(), ballots=(), members=()), "chair", "put to no vote"),
    "too few": (
        lambda: carried(motion(), VOTERS[:4], votes=Votes(in_favour=5, against=0, quorum=5)),
        "chair",
        "4 voters are fewer than the quorum of 5",
    ),
    "smaller quorum": (
        lambda: carried(motion(), VOTERS[:4], votes=Votes(in_favour=4, against=0, quorum=4)),
        "chair",
        "claims other votes",
    ),
    "nobody for the patients": (lambda: without_patients(motion()), "chair", "patients_representative"),
    "an author votes": (lambda: without_patients(motion()), "chair", "author, who has none"),
    "no majority": (
        lambda: carried(motion(), VOTERS, ("chair", "doctor", "lawyer"), votes=Votes(in_favour=3, against=2, quorum=5)),
        "chair",
        "no majority of its ballots",
    ),
    "turned votes": (
        lambda: carried(motion(), VOTERS, ("chair",), votes=Votes(in_favour=5, against=0, quorum=5)),
        "chair",
        "claims other votes",
    ),
    "votes for another motion": (
        lambda: carried(motion(valid_until=date(2026, 12, 1)), valid_until=date(2027, 9, 1)),
        "chair",
        "did not cast on it",
    ),
    "votes about another card": (lambda: carried(motion(card_digest=OTHER), card_digest=CARD), "chair", "did not cast"),
    "twice the same": (
        lambda: carried(motion(), ("chair", "doctor", "doctor", "lawyer", "patients")),
        "chair",
        "counts a member twice",
    ),
    "a recused voter": (lambda: carried(motion(), recused=("lawyer",)), "chair", "declared an interest"),
    "a recused chair": (lambda: carried(motion(), recused=("chair",)), "chair", "without declared interest"),
    "not the chair": (lambda: carried(motion()), "doctor", "not signed by a chair"),
    "too long": (lambda: carried(motion(valid_until=date(2027, 9, 3))), "chair", "more than 365 days"),
    "other names": (lambda: carried(motion(), members=("Somebody",) * 5), "chair", "other members"),
    "voted before": (lambda: carried(motion(), opened_at=DECIDED), "chair", "did not cast|before or after"),
    "one suspends": (
        lambda: carried(motion(verdict="suspended", valid_until=None), ("doctor",)),
        "doctor",
        "without the chair or as many",
    ),
    "an author suspends": (
        lambda: carried(motion(verdict="suspended", valid_until=None), ("doctor", "author")),
        "doctor",
        "without the chair or as many",
    ),
    "somebody else suspends": (
        lambda: carried(motion(verdict="suspended", valid_until=None), ("doctor", "lawyer")),
        "patients",
        "not signed by one of those",
    ),
    "a demonstration": (lambda: carried(motion(demonstration=True)), "chair", "if and only if"),
}


@pytest.mark.parametrize("forgery", FORGED)
def test_what_members_did_not_decide_is_refused(ruled: Ledger, forgery: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it is in the ledger already, with every signature and link in order."""
    make, signer, fault = FORGED[forgery]
    with pytest.raises(RefusedDecision, match=fault):
        ruled.append(make(), SEATS[signer])
    with monkeypatch.context() as forging:
        forging.setattr(committee.ledger, "_out_of_place", lambda *_: None)
        ruled.append(make(), SEATS[signer])
    with pytest.raises(AlteredLedger, match=f"entry 1 .*({fault})") as error:
        ruled.status(CARD, NOW, KEYS)
    assert error.value.cause == "rules"


@pytest.mark.parametrize("key", [KEY, generate_key()])
def test_after_a_roll_only_members_sign(ruled: Ledger, key: Ed25519PrivateKey) -> None:
    with pytest.raises(RefusedDecision):
        ruled.append(carried(motion()), key)
    ruled.append(carried(motion()), SEATS["chair"])
    lines = ruled.path.read_bytes().splitlines()
    forged = Entry(
        index=1,
        previous=digest(lines[0]),
        body=carried(motion(), signer=key_id(key)),
        key_id=key_id(key),
        signature="0" * 128,
    )
    forged = forged.model_copy(update={"signature": key.sign(forged.signed).hex()})
    ruled.path.write_bytes(lines[0] + b"\n" + forged.line + b"\n")
    with pytest.raises(AlteredLedger, match=r"entry 1 .*not a trusted key") as error:
        ruled.verify(KEYS)
    assert error.value.cause == "key_untrusted"


def test_a_roll_is_signed_with_a_trusted_key(ruled: Ledger) -> None:
    later = roll(declared_at=datetime(2026, 9, 3, tzinfo=UTC), rules=Rules(quorum=1, roles={}))
    ruled.declare(later, SEATS["chair"])
    with pytest.raises(AlteredLedger, match=r"entry 1 .*not a trusted key"):
        ruled.verify(KEYS)


def test_votes_are_not_used_twice(ruled: Ledger) -> None:
    approval = carried(motion())
    ruled.append(approval, SEATS["chair"])
    suspension = motion(verdict="suspended", valid_until=None, opened_at=datetime(2026, 9, 3, tzinfo=UTC))
    ruled.append(carried(suspension, ("chair",), decided_at=datetime(2026, 9, 3, 1)), SEATS["chair"])
    again = approval.model_copy(update={"decided_at": datetime(2026, 9, 4, tzinfo=UTC), "signer": None})
    with pytest.raises(RefusedDecision, match="votes are not used twice"):
        ruled.append(again, SEATS["chair"])
    assert ruled.status(CARD, NOW, KEYS).kind == "suspended"


@pytest.mark.parametrize("names", [("chair",), ("lawyer", "patients")])
def test_the_chair_or_two_members_suspend(ruled: Ledger, names: tuple[str, ...]) -> None:
    ruled.append(carried(motion()), SEATS["chair"])
    suspension = motion(verdict="suspended", valid_until=None, opened_at=datetime(2026, 9, 3, tzinfo=UTC))
    ruled.append(carried(suspension, names, decided_at=datetime(2026, 9, 3, 1)), SEATS[names[-1]])
    assert ruled.status(CARD, NOW, KEYS).kind == "suspended"


def test_each_decision_is_judged_by_the_roll_of_its_time(ruled: Ledger) -> None:
    ruled.append(carried(motion()), SEATS["chair"])
    smaller = tuple(seat(name) for name in ("chair", "doctor", "patients"))
    ruled.declare(roll(members=smaller, rules=Rules(quorum=3), declared_at=datetime(2026, 9, 3)), KEY)
    assert len(ruled.verify(KEYS)) == 3, "who voted then need not sit now"
    later = motion(card_digest=OTHER, opened_at=datetime(2026, 9, 4, tzinfo=UTC))
    names = ("chair", "doctor", "patients")
    votes = Votes(in_favour=3, against=0, quorum=3)
    ruled.append(carried(later, names, decided_at=datetime(2026, 9, 4, 1), votes=votes), SEATS["chair"])
    assert ruled.status(OTHER, NOW, KEYS).kind == "approved"


def test_a_demonstration_s_roll_follows_nothing_real(ledger: Ledger) -> None:
    mocked = roll(demonstration=True, declared_at=datetime(2026, 9, 21))
    with pytest.raises(RefusedDecision, match="real entries"):
        ledger.declare(mocked, demonstration_key())
    with pytest.raises(RefusedDecision, match="not marked as a demonstration"):
        ledger.declare(roll(declared_at=datetime(2026, 9, 21)), demonstration_key())


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"rules": Rules(quorum=6)}, "5 members who vote are fewer than the quorum of 6"),
        ({"rules": Rules(roles={"lawyer": 2})}, "lawyer is held by fewer members than the 2"),
        ({"members": tuple(map(seat, VOTERS[1:])), "rules": Rules(quorum=4)}, "the role chair"),
        ({"members": (*map(seat, ROLES), seat("chair"))}, "same id; .*same name; .*same public_key"),
    ],
)
def test_a_committee_that_could_decide_nothing_is_none(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        roll(**changes)


def test_an_author_has_no_other_role() -> None:
    with pytest.raises(ValidationError, match="judges nothing"):
        seat("author", roles=("author", "doctor"))


def test_rules_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text("quorum = 3\nmajority = 0.66\n[roles]\nlawyer = 1\n")
    assert Rules.from_toml(file) == Rules(quorum=3, majority=0.66, roles={"lawyer": 1})
    file.write_text("quorom = 3\n")
    with pytest.raises(ValidationError, match="quorom"):
        Rules.from_toml(file)


@pytest.mark.parametrize(
    "changes", [{"about": "monitoring", "ages": (50, 69)}, {"ages": (69, 50)}, {"text": " "}, {"about": "colour"}]
)
def test_what_is_no_condition_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Condition(**({"about": "population", "text": "De 50 à 69 ans", "ages": (50, 69)} | changes))


# --- Watched ----------------------------------------------------------------------------------------------


def test_a_watched_ledger_is_read_again_when_it_changes(ruled: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(ruled.path, KEYS)
    assert watch.status(CARD, NOW).kind == "not_approved"
    ruled.append(carried(motion()), SEATS["chair"])
    assert watch.status(CARD, NOW).kind == "approved"
    with monkeypatch.context() as unread:
        unread.setattr(Ledger, "verify", lambda *_: pytest.fail("it did not change"))
        assert watch.status(CARD, NOW).kind == "approved"
        assert watch.status(CARD, datetime(2027, 9, 2)).kind == "expired"
    suspension = motion(verdict="suspended", valid_until=None, opened_at=datetime(2026, 9, 3, tzinfo=UTC))
    ruled.append(carried(suspension, ("chair",), decided_at=datetime(2026, 9, 3, 1)), SEATS["chair"])
    assert watch.status(CARD, NOW).kind == "suspended"


@pytest.mark.parametrize("what", ["cut", "altered", "gone", "unreadable"])
def test_a_watched_ledger_that_cannot_be_trusted_lets_nothing_be_used(ruled: Ledger, what: str) -> None:
    ruled.append(carried(motion()), SEATS["chair"])
    watch = Watch(ruled.path, KEYS)
    assert watch.status(CARD, NOW).kind == "approved"
    text = ruled.path.read_bytes()
    if what in ("gone", "unreadable"):
        ruled.path.unlink()
        if what == "unreadable":
            ruled.path.mkdir()
    else:
        ruled.path.write_bytes(text.splitlines(keepends=True)[0] if what == "cut" else text.replace(b"Motif", b"Mitof"))
    for _ in range(2):
        with pytest.raises(AlteredLedger):
            watch.status(CARD, NOW)
    if what == "unreadable":
        ruled.path.rmdir()
    ruled.path.write_bytes(text)
    assert watch.status(CARD, NOW).kind == "approved"


# --- Written at once, and interrupted ---------------------------------------------------------------------


def test_what_is_interrupted_is_not_written(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ledger.path.read_bytes()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    for step in ("fsync", "replace"):
        with monkeypatch.context() as failing:
            failing.setattr(committee.chain.os if step == "fsync" else Path, step, interrupted)
            with pytest.raises(KeyboardInterrupt):
                ledger.append(decision("c" * 64, decided_at=datetime(2026, 9, 21)), KEY)
        assert ledger.path.read_bytes() == before
    ledger.append(decision("c" * 64, decided_at=datetime(2026, 9, 21)), KEY)
    assert len(ledger.verify(KEYS)) == 4


# --- Command line -----------------------------------------------------------------------------------------


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    folder = tmp_path / "trusted"
    folder.mkdir()
    committee.save_public_key(KEY, folder / "committee.pem")
    return folder


def test_the_command_says_whether_a_ledger_is_in_order(
    ruled: Ledger, trusted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ruled.append(carried(motion()), SEATS["chair"])
    asked = [str(ruled.path), "--trusted-keys", str(trusted)]
    assert main(["ledger", "verify", *asked, "--head", ruled.head]) == 0
    assert f"2 entries, 1 decisions; head {ruled.head}" in capsys.readouterr().out
    assert main(["ledger", "show", *asked]) == 0
    shown = capsys.readouterr().out
    assert f"approved: card {CARD}" in shown
    assert "- patients: for" in shown
    assert main(["ledger", "verify", *asked, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"entries": 2, "decisions": 1, "head": ruled.head}
    assert main(["ledger", "show", *asked, "--json"]) == 0
    lines = ruled.path.read_text(encoding="utf-8").splitlines()
    assert json.loads(capsys.readouterr().out) == [json.loads(line) for line in lines]


def altered(ledger: Ledger, old: bytes, new: bytes) -> None:
    ledger.path.write_bytes(ledger.path.read_bytes().replace(old, new))


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        (4, lambda ledger: ledger.path.unlink()),
        (10, lambda ledger: altered(ledger, b'"index":1', b'"index":2')),
        (11, lambda ledger: altered(ledger, b"Motif", b"Mitof")),
        (14, lambda ledger: rewrite(ledger, lambda lines: lines[:1])),
    ],
)
def test_each_cause_has_its_exit_code(
    ruled: Ledger, trusted: Path, code: int, spoil: Callable[[Ledger], None], capsys: pytest.CaptureFixture[str]
) -> None:
    ruled.append(carried(motion()), SEATS["chair"])
    head = ruled.head
    spoil(ruled)
    for command in ("verify", "show"):
        found = main(["ledger", command, str(ruled.path), "--trusted-keys", str(trusted), "--head", head])
        assert found == code
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err


def test_keys_and_rules_have_exit_codes_too(
    ruled: Ledger, trusted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["ledger", "verify", str(ruled.path)]) == 12
    assert main(["ledger", "verify", str(ruled.path), "--trusted-keys", str(tmp_path / "nowhere")]) == 5
    with monkeypatch.context() as forging:
        forging.setattr(committee.ledger, "_out_of_place", lambda *_: None)
        ruled.append(carried(motion(), VOTERS[:4], votes=Votes(in_favour=5, against=0, quorum=5)), SEATS["chair"])
    assert main(["ledger", "verify", str(ruled.path), "--trusted-keys", str(trusted)]) == 13

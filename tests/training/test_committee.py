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

from features.digests import canonical
from tests.training.cards import decision
from training import committee
from training.committee import (
    DEMONSTRATION_KEY_ID,
    START,
    AlteredLedger,
    Decision,
    InvalidKey,
    Ledger,
    RefusedDecision,
    Status,
    Votes,
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


def test_an_older_decision_cannot_come_later(ledger: Ledger) -> None:
    with pytest.raises(RefusedDecision, match="dated before"):
        ledger.append(decision(CARD, "reinstated", decided_at=datetime(2026, 9, 19)), KEY)


def test_only_what_is_suspended_is_reinstated(ledger: Ledger) -> None:
    with pytest.raises(RefusedDecision, match="not suspended"):
        ledger.append(decision(OTHER, "reinstated"), KEY)


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


def test_every_altered_byte_is_noticed(ledger: Ledger) -> None:
    text = ledger.path.read_bytes()
    for position in range(len(text)):
        for flip in (1, 32):
            altered = bytearray(text)
            altered[position] ^= flip
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
    ledger.append(decision("c" * 64), KEY)
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

"""A member's key is opened by the member's password and by nothing else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.portal.keys import COST, Members, SealedMember, UnusableMembers
from training.committee import key_id

PASSWORD = "correct horse battery"


def sealed(name: str = "a.martin", password: str = PASSWORD) -> SealedMember:
    return SealedMember.new(name, "A. Martin", ("doctor",), password, cost=4)


def test_the_right_password_opens_the_key_of_the_public_half() -> None:
    member = sealed()
    key = member.opened(PASSWORD)
    assert key is not None
    assert key_id(key) == member.member.key_id


@given(st.text(max_size=30).filter(lambda text: text != PASSWORD))
def test_no_other_password_does(password: str) -> None:
    assert ONE.opened(password) is None


ONE = sealed()


def test_a_sealed_key_opens_for_nobody_else() -> None:
    """Who writes to the file cannot give one member's key to another name."""
    renamed = ONE.model_copy(update={"member": ONE.member.model_copy(update={"id": "b.petit"})})
    assert renamed.opened(PASSWORD) is None
    exchanged = ONE.model_copy(update={"member": sealed().member})
    assert exchanged.opened(PASSWORD) is None


def test_two_sealings_have_nothing_in_common() -> None:
    other = sealed()
    assert (other.salt, other.sealed, other.member.public_key) != (ONE.salt, ONE.sealed, ONE.member.public_key)
    assert other.salt != ONE.salt


def test_the_file_is_for_its_owner_and_holds_no_password(tmp_path: Path) -> None:
    file = tmp_path / "members.json"
    Members().with_member(ONE).save(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD not in file.read_text()
    opened = Members.load(file).open("a.martin", PASSWORD)
    assert opened is not None
    assert opened[0] == ONE.member
    key = opened[1].private_bytes_raw().hex()
    assert key not in file.read_text()
    file.chmod(0o640)
    with pytest.raises(UnusableMembers, match="chmod 600"):
        Members.load(file)
    file.chmod(0o600)
    file.write_text("{}x")
    with pytest.raises(UnusableMembers, match="no members' file"):
        Members.load(file)


def test_a_member_is_replaced_by_a_new_one_of_the_same_id() -> None:
    again = sealed(password="another long password")
    members = Members().with_member(ONE).with_member(again)
    assert members.open("a.martin", PASSWORD) is None
    assert members.open("a.martin", "another long password") is not None


def test_short_passwords_are_refused_and_the_real_cost_is_high() -> None:
    with pytest.raises(ValueError, match="12 characters"):
        sealed(password="short")
    assert COST >= 17

from __future__ import annotations

import pytest

from serving.refusals import KeysUnusable
from serving.settings import ALLOW_DEMONSTRATION, TRUSTED_KEYS, trusted_keys
from training.committee import DEMONSTRATION_KEY_ID, demonstration_key, key_id, save_public_key


def test_nobody_is_trusted_unless_named():
    with pytest.raises(KeysUnusable, match=TRUSTED_KEYS):
        trusted_keys({})
    with pytest.raises(KeysUnusable, match=TRUSTED_KEYS):
        trusted_keys({TRUSTED_KEYS: "", ALLOW_DEMONSTRATION: "yes"})


def test_the_committee_is_trusted_by_its_folder(trusted, committee):
    assert set(trusted_keys({TRUSTED_KEYS: str(trusted)})) == {key_id(committee)}


def test_the_demonstration_key_is_trusted_only_where_it_is_allowed(trusted, committee, tmp_path):
    save_public_key(committee, tmp_path / "committee.pem")
    save_public_key(demonstration_key(), tmp_path / "demonstration.pem")
    assert set(trusted_keys({TRUSTED_KEYS: str(tmp_path)})) == {key_id(committee)}
    both = trusted_keys({TRUSTED_KEYS: str(trusted), ALLOW_DEMONSTRATION: "1"})
    assert set(both) == {key_id(committee), DEMONSTRATION_KEY_ID}
    assert set(trusted_keys({ALLOW_DEMONSTRATION: "1"})) == {DEMONSTRATION_KEY_ID}


def test_keys_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(KeysUnusable, match="absolute path"):
        trusted_keys({TRUSTED_KEYS: str(tmp_path / "nowhere")})
    (tmp_path / "broken.pem").write_text("no key")
    with pytest.raises(KeysUnusable, match=r"broken\.pem"):
        trusted_keys({TRUSTED_KEYS: str(tmp_path)})

from __future__ import annotations

import os

import pytest

from serving.__main__ import main
from serving.refusals import KeysUnusable
from serving.settings import (
    ALLOW_DEMONSTRATION,
    ANY_SITE,
    CLIENTS,
    DATA,
    DEVELOPMENT,
    ORIGINS,
    PUBLIC_ADDRESS,
    TRUSTED_KEYS,
    InvalidSetting,
    data_folder,
    origins,
    public_address,
    trusted_keys,
)
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


def test_sites_are_named_one_by_one():
    assert origins({}) == frozenset()
    named = {"https://software.example", "http://127.0.0.1:8080"}
    assert origins({ORIGINS: " ".join(named)}) == named
    for wrong in ("*", "null", "https://software.example/", "https://*.example", "software.example", "https://a b"):
        with pytest.raises(InvalidSetting, match=ORIGINS):
            origins({ORIGINS: f"https://software.example {wrong}"})


def test_pages_of_any_site_may_ask_in_development_unless_some_are_named():
    for development in ({DEVELOPMENT: "1"}, {ALLOW_DEMONSTRATION: "1"}):
        assert origins(development) == {ANY_SITE}
        assert origins(development | {ORIGINS: "https://software.example"}) == {"https://software.example"}
    assert origins({ALLOW_DEMONSTRATION: "1", CLIENTS: "clients.toml"}) == frozenset(), "a demonstration in production"


def test_the_public_address_is_an_address():
    assert public_address({}) is None
    assert public_address({PUBLIC_ADDRESS: "https://vigie.example/"}) == "https://vigie.example"
    assert public_address({PUBLIC_ADDRESS: "https://example.org:8443/vigie"}) == "https://example.org:8443/vigie"
    for wrong in ("vigie.example", "javascript:alert(1)", "https://a/?b", "https://a/ b", 'https://a/"'):
        with pytest.raises(InvalidSetting, match=PUBLIC_ADDRESS):
            public_address({PUBLIC_ADDRESS: wrong})


def test_feedback_is_kept_only_where_a_folder_is_named(tmp_path):
    assert data_folder({}) is None
    assert data_folder({DATA: str(tmp_path)}) == tmp_path


def test_a_wrong_setting_is_wrong_usage(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(os, "environ", {ORIGINS: "*", "BENTOML_HOME": str(tmp_path)})
    assert main(["serve", "--demonstration"]) == 2
    assert ORIGINS in capsys.readouterr().err

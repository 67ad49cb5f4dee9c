"""A command that does not do what it was asked leaves with a code that says why, and never with a traceback."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from features.records import Records
from serving import settings
from serving.__main__ import ALTERED, INTERRUPTED, INVALID, MISSING, REFUSED, USAGE, main
from serving.cds_hooks.feedback import FILE
from tests.serving import bundles
from tests.serving.test_outreach import store

__all__ = ["store"]  # a fixture


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, trusted: Path, tmp_path: Path) -> None:
    """Set what commands set, so that it is taken back after each."""
    for name in (settings.LEDGER, settings.ALLOW_DEMONSTRATION, settings.CLIENTS, settings.DATA, settings.BUNDLES):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv(settings.TRUSTED_KEYS, str(trusted))
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentoml"))


@pytest.fixture
def bundle(tmp_path: Path, models: Callable[[str], Path], committee: Ed25519PrivateKey) -> Path:
    return bundles.whole(tmp_path / "bundle", models("linear"), committee)


@pytest.mark.slow
@pytest.mark.usefixtures("untried")
def test_each_cause_has_its_code(
    bundle: Path, trusted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere, strange = str(tmp_path / "nowhere"), tmp_path / "strange"
    strange.mkdir()
    torn = tmp_path / "torn"
    torn.mkdir()
    (torn / FILE).write_text('{"service": "vigie-card')
    wrong = tmp_path / "request.json"
    wrong.write_text(json.dumps({"records": "none"}))
    given = ("--bundle", str(bundle))
    for arguments, code in (
        (("verify", *given), 0),
        (("verify", "--bundle", nowhere), MISSING),
        (("verify", *given, "--trusted-keys", str(strange)), REFUSED),
        (("verify", *given, "--trusted-keys", nowhere), REFUSED),
        (("score", "--bundle", nowhere), MISSING),
        (("score", *given, "--study", "lost-to-care"), MISSING),
        (("score", *given, "--request", nowhere), MISSING),
        (("score", *given, "--request", str(wrong)), INVALID),
        (("score", *given, "--ledger", nowhere), MISSING),
        (("score", *given, "--store", nowhere), USAGE),
        (("score", *given, "--store", nowhere, "--out", nowhere), MISSING),
        (("serve", *given, "--ledger", nowhere), MISSING),
        (("serve", *given), USAGE),
        (("release", "--study", "cardiovascular", "--ledger", nowhere), MISSING),
        (("versions", "--study", "cardiovascular", "--ledger", nowhere), MISSING),
        (("feedback", "--data", nowhere), MISSING),
        (("feedback", "--data", str(torn)), ALTERED),
        (("audit", "verify", "--data", nowhere), MISSING),
        (("portal", "--ledger", nowhere, "--members", nowhere), MISSING),
    ):
        os.environ |= {settings.LEDGER: "", settings.TRUSTED_KEYS: str(trusted)}
        assert main(arguments) == code, (arguments, capsys.readouterr().err)
        assert (capsys.readouterr().err == "") is (code == 0), arguments


@pytest.mark.usefixtures("untried")
def test_scripts_read_what_the_gate_says(bundle: Path, trusted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["verify", "--bundle", str(bundle), "--trusted-keys", str(trusted), "--json"]
    assert main(asked) == 0
    told = json.loads(capsys.readouterr().out)
    card = json.loads((bundle / "card.json").read_bytes())
    assert told["may_be_served"] is True
    assert told["card"] == {"version": card["identity"]["version"], "digest": card["digest"]}
    assert told["decision"]["verdict"] == "approved"
    assert set(told["model"]["title"]) == {"fr", "en"}
    golden = bundle / "model" / "golden.json"
    golden.write_bytes(golden.read_bytes() + b" ")
    assert main(asked) == REFUSED
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {
        "may_be_served": False,
        "code": "model_altered",
        "why": printed.err.strip().removeprefix("refused [model_altered]: "),
    }


@pytest.mark.slow
@pytest.mark.usefixtures("untried")
def test_a_list_says_what_is_wrong_with_the_store(
    bundle: Path, store: Records, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["score", "--bundle", str(bundle), "--as-of", "2026-03-02", "--out", str(tmp_path / "list.parquet")]
    objecting = tmp_path / "objections"
    objecting.write_text("Jeanne\n")
    assert main([*asked, "--store", str(store.path), "--objections", str(objecting)]) == INVALID
    assert "Jeanne" not in capsys.readouterr().err
    assert main([*asked, "--store", str(store.path), "--objections", str(tmp_path / "nowhere")]) == MISSING
    with monkeypatch.context() as patch:
        patch.setattr("features.build.find_spec", lambda _: None)
        assert main([*asked, "--store", str(store.path), "--engine", "spark"]) == MISSING
    assert "Spark lacks pyspark" in capsys.readouterr().err

    file = next(store.path.glob("*/shard-0001-*"))
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[:-1] + b"?")
        assert main([*asked, "--store", str(store.path)]) == ALTERED
    finally:
        file.write_bytes(whole)
    assert "was altered after it was taken in" in capsys.readouterr().err


def test_whoever_interrupts_is_told_so(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("serving.commands.approval.run_verify", interrupted)
    assert main(["verify", "--bundle", str(bundle)]) == INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"

"""From the registry to Bentos of several studies, and back to the version before, in one command."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from serving import release, settings
from serving.__main__ import MISSING, main
from serving.contract import now
from serving.openapi import EXAMPLES
from serving.refusals import CardMissing
from serving.release import NothingApproved, Version
from tests.serving import bundles, live
from tests.serving.registry import Registry

STUDY = ("--study", "cardiovascular")


@pytest.fixture(scope="module")
def registry(
    tmp_path_factory: pytest.TempPathFactory,
    committee: Ed25519PrivateKey,
    trusted: Path,
    models: Callable[[str], Path],
    screening_model: Path,
) -> Registry:
    """Three versions of a study, of which the second was suspended and the third is released, and one of another."""
    folder = tmp_path_factory.mktemp("registry")
    first = bundles.whole(folder / "1", models("linear"), committee, version="1.0.0")
    suspended = bundles.whole(folder / "2", models("linear"), committee, version="2.0.0")
    bundles.decide(suspended, committee, "suspended", decided_at=now().replace(microsecond=0) - timedelta(hours=1))
    third = bundles.whole(folder / "3", models("boosted"), committee, version="3.0.0")
    other = bundles.whole(folder / "4", screening_model, committee, study="screening-colorectal", version="1.0.0")
    registry = Registry(folder, trusted)
    mine = [("cardiovascular", bundle) for bundle in (first, suspended, third)]
    registry.register(*mine, ("screening-colorectal", other), approved=True)
    return registry


@pytest.mark.slow
def test_scripts_read_which_versions_may_be_served(registry: Registry) -> None:
    listed = registry.serving("versions", *STUDY, "--json")
    assert listed.returncode == 0, listed.stderr
    third, second, first = json.loads(listed.stdout)
    digests = {
        card["identity"]["version"]: card["digest"]
        for card in (json.loads(file.read_bytes()) for file in registry.folder.glob("[123]/card.json"))
    }
    for number, (version, released) in enumerate(((first, False), (second, False), (third, True)), start=1):
        name = f"{number}.0.0"
        assert version["number"] == number
        assert version["is_released"] is released
        assert version["card"] == {"version": name, "digest": digests[name]}
    assert (first["may_be_served"], third["may_be_served"]) == (True, True)
    assert not {"code", "why"} & (first.keys() | third.keys())
    assert (second["may_be_served"], second["code"]) == (False, "suspended")
    assert second["why"] in registry.serving("verify", "--bundle", str(registry.folder / "2")).stderr


def test_a_card_that_cannot_be_read_is_no_card_and_no_registry_prints_nothing(
    trusted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a script gets where there is nothing to choose from: no number taken for an approval, no half of a list."""
    for name in (settings.LEDGER, settings.TRUSTED_KEYS):
        monkeypatch.setenv(name, "")
    asked = ("versions", *STUDY, "--trusted-keys", str(trusted), "--json")
    unread = Version(7, True, ("?", ""), CardMissing("card.json is missing"))
    monkeypatch.setattr(release, "versions", lambda *_: iter([unread]))
    assert main(asked) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told == {
        "number": 7,
        "is_released": True,
        "card": None,
        "may_be_served": False,
        "code": CardMissing.code,
        "why": "card.json is missing",
    }

    def torn(*_: object) -> Iterator[Version]:
        yield unread
        raise NothingApproved("the MLflow registry cannot be read")

    monkeypatch.setattr(release, "versions", torn)
    assert main(asked) == MISSING
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "the MLflow registry cannot be read" in printed.err


@pytest.mark.slow
def test_versions_are_released_side_by_side_and_taken_back(registry: Registry, trusted: Path, tmp_path: Path) -> None:
    listed = registry.program("versions", *STUDY)
    assert listed.returncode == 0, listed.stderr
    lines = [line.split() for line in listed.stdout.splitlines()]
    assert [line[0] for line in lines] == ["3", "2", "1"]
    assert lines[0][1:3] == ["released", "3.0.0"]
    assert lines[1][1] == "2.0.0"
    assert lines[1][-1] == "[suspended]"
    assert lines[2][-3:] == ["may", "be", "served"]

    both = registry.serving("release", *STUDY, "--study", "screening-colorectal")
    assert both.returncode == 0, both.stderr
    back = registry.serving("release", *STUDY, "--rollback")
    assert back.returncode == 0, back.stderr
    assert "back to version 1" in back.stdout, "version 2 is suspended and passed over"

    command = ["serving", "serve", "--trusted-keys", str(trusted), "--development"]
    with live.serving(command, registry.settings, tmp_path / "log") as server, server.client() as client:
        served = {each["model"]["study"]: each for each in client.get("/models").json()["models"]}
        assert set(served) == {"cardiovascular", "screening-colorectal"}, "the other study stays in the Bento"
        assert served["cardiovascular"]["card"]["version"] == "1.0.0"
        for study in served:
            answer = client.post(f"/score/{study}", json=EXAMPLES["risk"]["value"])
            assert answer.json()["model"]["study"] == study
        assert client.post("/score", json=EXAMPLES["risk"]["value"]).json()["model"]["study"] == "cardiovascular"
        assert 'vigie_requests_total{door="/score",outcome="answered"} 1' in client.get("/metrics").text

    nowhere = registry.serving("release", *STUDY, "--rollback")
    assert nowhere.returncode == 4
    assert "before 1" in nowhere.stderr
    assert "Traceback" not in nowhere.stderr

"""From the registry to a Bento that is served."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from serving.openapi import EXAMPLES
from serving.settings import DEVELOPMENT, TRUSTED_KEYS
from tests.serving import bundles, live
from tests.serving.committee import Standing
from tests.serving.registry import Registry

pytestmark = pytest.mark.slow

STUDY = ("--study", "cardiovascular")


def test_the_approved_version_travels_from_the_registry_to_a_served_bento(
    tmp_path: Path, committee: Ed25519PrivateKey, trusted: Path
) -> None:
    bundle = live.bundle(tmp_path, committee)
    registry = Registry(tmp_path, trusted)
    absent = registry.serving("release", *STUDY)
    assert absent.returncode == 4
    assert "the MLflow registry has no model vigie-cardiovascular" in absent.stderr
    assert "Traceback" not in absent.stderr

    registry.register(("cardiovascular", bundle), approved=True)
    strange = tmp_path / "strange"
    strange.mkdir()
    refused = replace(registry, trusted=strange).serving("release", *STUDY, "--demonstration")
    assert refused.returncode == 5
    assert "[key_untrusted]" in refused.stderr
    assert not (registry.home / "models" / "vigie-cardiovascular").exists()

    released = registry.program("release", *STUDY)
    assert released.returncode == 0, released.stderr
    assert "cardiovascular: version 1\nreleased vigie:" in released.stdout

    (bento,) = (path for path in (registry.home / "bentos" / "vigie").iterdir() if path.is_dir())
    code = {path.name for path in (bento / "src").iterdir() if path.is_dir()}
    assert {"features", "training", "serving"} <= code
    assert code.isdisjoint({"tests", "notebooks", "demo", ".git", ".venv"})
    assert not list(bento.rglob("*.pkl"))
    needed = (bento / "env" / "python" / "requirements.txt").read_text()
    assert "bentoml==" in needed
    assert "mlflow" not in needed

    command = ["bentoml", "serve", "vigie:latest"]
    log = tmp_path / "log"
    with (
        live.serving(command, registry.settings | {TRUSTED_KEYS: str(trusted), DEVELOPMENT: "1"}, log) as server,
        server.client() as client,
    ):
        answer = client.post("/score", json=EXAMPLES["risk"]["value"])
        assert answer.status_code == 200
        assert answer.json()["kind"] == "risk"

    command = ["serving", "serve", "--trusted-keys", str(trusted), "--development"]
    with live.serving(command, registry.settings, log) as server, server.client() as client:
        assert client.get("/models").json()["models"][0]["model"]["study"] == "cardiovascular"


def test_what_the_committee_approved_in_the_portal_is_released_by_its_ledger(
    tmp_path: Path, models: Callable[[str], Path]
) -> None:
    """Three registered versions: the first is approved, the second is not yet, the third was tampered with."""
    made = [
        bundles.whole(tmp_path / f"{number}", models(kind), None, version=f"{number}.0.0")
        for number, kind in ((1, "linear"), (2, "boosted"), (3, "linear"))
    ]
    standing = Standing.open(tmp_path / "committee")
    registry = Registry(tmp_path, standing.trusted)
    release = ("release", *STUDY, "--ledger", str(standing.ledger))
    registry.register(*(("cardiovascular", bundle) for bundle in made), approved=False)
    assert registry.alias() is None

    undecided = registry.serving(*release)
    assert undecided.returncode == 5
    assert "refused [not_approved]: no version of vigie-cardiovascular may be released:" in undecided.stderr
    for number in (3, 2, 1):
        assert f"version {number} [not_approved]: the committee has not approved this card" in undecided.stderr
    assert "Traceback" not in undecided.stderr
    assert registry.alias() is None
    assert not (registry.home / "models" / "vigie-cardiovascular").exists()
    assert registry.serving("release", *STUDY).returncode == 4, "without a ledger it takes the alias"

    card = standing.approve(made[0])
    second = standing.sitting.committee.shelf.submit(made[1]).digest
    (third,) = (path for path in registry.artifacts.rglob("card.json") if '"3.0.0"' in path.read_text())
    shutil.rmtree(third.parent)
    shutil.copytree(made[0], third.parent)

    released = registry.serving(*release)
    assert released.returncode == 0, released.stderr
    assert "version 3 is passed over [card_altered]" in released.stderr
    assert "version 2 is passed over [not_approved]" in released.stderr
    assert "cardiovascular: version 1" in released.stdout
    assert registry.alias() == 1
    (ledger,) = (registry.home / "models").rglob("ledger.jsonl")
    assert ledger.read_bytes() == standing.ledger.read_bytes()

    listed = registry.serving("versions", *STUDY, "--ledger", str(standing.ledger)).stdout.splitlines()
    assert [line.split()[-1] for line in listed] == ["[card_altered]", "[not_approved]", "served"]
    assert "released" in listed[2]

    command = ["serving", "serve", "--trusted-keys", str(standing.trusted), "--development"]
    with live.serving(command, registry.settings, tmp_path / "log") as server, server.client() as client:
        (served,) = client.get("/models").json()["models"]
        assert served["card"] == {"version": "1.0.0", "digest": card}
        answer = client.post("/score", json=EXAMPLES["risk"]["value"]).json()
        assert (answer["kind"], answer["demonstration"]) == ("risk", False)

    standing.decide_now(second, "approved")
    newer = registry.serving(*release)
    assert newer.returncode == 0, newer.stderr
    assert "cardiovascular: version 2" in newer.stdout
    assert registry.alias() == 2
    back = registry.serving(*release, "--rollback")
    assert back.returncode == 0, back.stderr
    assert "cardiovascular: back to version 1" in back.stdout

    for each in (card, second):
        standing.decide_now(each, "suspended")
    suspended = registry.serving(*release)
    assert suspended.returncode == 5
    for number in (2, 1):
        assert f"version {number} [suspended]" in suspended.stderr
    assert registry.alias() == 1, "a refusal changes nothing"

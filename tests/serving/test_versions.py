"""From the registry to Bentos of several studies, and back to the version before, in one command."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from serving.contract import now
from serving.openapi import EXAMPLES
from tests.serving import bundles, live
from tests.serving.registry import Registry

pytestmark = pytest.mark.slow


def test_versions_are_released_side_by_side_and_taken_back(
    tmp_path: Path,
    committee: Ed25519PrivateKey,
    trusted: Path,
    models: Callable[[str], Path],
    screening_model: Path,
) -> None:
    first = bundles.whole(tmp_path / "1", models("linear"), committee, version="1.0.0")
    suspended = bundles.whole(tmp_path / "2", models("linear"), committee, version="2.0.0")
    bundles.decide(suspended, committee, "suspended", decided_at=now().replace(microsecond=0) - timedelta(hours=1))
    third = bundles.whole(tmp_path / "3", models("boosted"), committee, version="3.0.0")
    other = bundles.whole(tmp_path / "4", screening_model, committee, study="screening-colorectal", version="1.0.0")
    registry = Registry(tmp_path, trusted)
    mine = [("cardiovascular", bundle) for bundle in (first, suspended, third)]
    registry.register(*mine, ("screening-colorectal", other), approved=True)

    listed = registry.program("versions", "--study", "cardiovascular")
    assert listed.returncode == 0, listed.stderr
    lines = [line.split() for line in listed.stdout.splitlines()]
    assert [line[0] for line in lines] == ["3", "2", "1"]
    assert lines[0][1:3] == ["released", "3.0.0"]
    assert lines[1][1] == "2.0.0"
    assert lines[1][-1] == "[suspended]"
    assert lines[2][-3:] == ["may", "be", "served"]

    both = registry.serving("release", "--study", "cardiovascular", "--study", "screening-colorectal")
    assert both.returncode == 0, both.stderr
    back = registry.serving("release", "--study", "cardiovascular", "--rollback")
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

    nowhere = registry.serving("release", "--study", "cardiovascular", "--rollback")
    assert nowhere.returncode == 4
    assert "before 1" in nowhere.stderr
    assert "Traceback" not in nowhere.stderr

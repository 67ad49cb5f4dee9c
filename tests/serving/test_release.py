"""From the registry to a Bento that is served."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from serving.openapi import EXAMPLES
from serving.settings import DEVELOPMENT, TRUSTED_KEYS
from tests.conftest import REPOSITORY
from tests.serving import live

pytestmark = pytest.mark.slow

REGISTER = """
import sys, mlflow
from mlflow import MlflowClient
folder, bundle = sys.argv[1:]
client = MlflowClient()
experiment = client.create_experiment("test", artifact_location=folder)
run = client.create_run(experiment)
client.log_artifacts(run.info.run_id, bundle, "bundle")
client.create_registered_model("vigie-cardiovascular")
source = f"{run.info.artifact_uri}/bundle"
version = client.create_model_version("vigie-cardiovascular", source=source, run_id=run.info.run_id)
client.set_registered_model_alias("vigie-cardiovascular", "approved", version.version)
"""


def test_the_approved_version_travels_from_the_registry_to_a_served_bento(
    tmp_path: Path, committee: Ed25519PrivateKey, trusted: Path
):
    bundle = live.bundle(tmp_path, committee)
    home = tmp_path / "home"
    settings = live.environment(home, MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/mlflow.db")

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        ran = [sys.executable, *command]
        return subprocess.run(ran, capture_output=True, text=True, env=settings, cwd=REPOSITORY, check=False)

    release = ("-m", "serving", "release", "--study", "cardiovascular", "--trusted-keys", str(trusted))
    absent = run(*release)
    assert absent.returncode == 4
    assert "has the alias 'approved'" in absent.stderr
    assert "Traceback" not in absent.stderr

    registered = run("-c", REGISTER, str(tmp_path / "artifacts"), str(bundle))
    assert registered.returncode == 0, registered.stderr

    refused = run(*release[:-2], "--demonstration")
    assert refused.returncode == 5
    assert "[key_untrusted]" in refused.stderr
    assert not (home / "models" / "vigie-cardiovascular").exists()

    released = run(*release)
    assert released.returncode == 0, released.stderr
    assert "released vigie:" in released.stdout

    (bento,) = (path for path in (home / "bentos" / "vigie").iterdir() if path.is_dir())
    code = {path.name for path in (bento / "src").iterdir() if path.is_dir()}
    assert {"features", "training", "serving"} <= code
    assert code.isdisjoint({"tests", "notebooks", "demo", ".git", ".venv"})
    assert not list(bento.rglob("*.pkl"))

    command = ["bentoml", "serve", "vigie:latest"]
    log = tmp_path / "log"
    with (
        live.serving(command, settings | {TRUSTED_KEYS: str(trusted), DEVELOPMENT: "1"}, log) as server,
        server.client() as client,
    ):
        answer = client.post("/score", json=EXAMPLES["risk"]["value"])
        assert answer.status_code == 200
        assert answer.json()["kind"] == "risk"

    command = ["serving", "serve", "--trusted-keys", str(trusted), "--development"]
    with live.serving(command, settings, log) as server, server.client() as client:
        assert client.get("/models").json()["models"][0]["model"]["study"] == "cardiovascular"

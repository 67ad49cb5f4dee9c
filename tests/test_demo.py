"""The main job as `make demo` runs it, on fewer patients: ``mlflow run`` from records to an answer through the gate."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_mlflow_run_goes_from_records_to_an_answer(tmp_path):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    environment |= {"PATH": path, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    command = [sys.executable, "-m", "mlflow", "run", str(ROOT), "--env-manager=local", "--experiment-name", "vigie"]
    done = subprocess.run(
        [*command, "-P", "patients=1500", "-P", f"folder={tmp_path}/demo"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for expected in ("left before the horizon", "score2", "lightgbm", "within 10 years", "DEMONSTRATION"):
        assert expected in done.stdout
    assert "[8/8] For the record" in done.stderr
    assert (tmp_path / "demo" / "cardiovascular" / "bundle" / "card.fr.html").exists()

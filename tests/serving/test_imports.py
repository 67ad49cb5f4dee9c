"""Serving imports neither MLflow, SHAP's package, fairlearn nor matplotlib when it scores."""

from __future__ import annotations

import subprocess
import sys

import pytest

FORBIDDEN = ("mlflow", "shap", "fairlearn", "matplotlib")
SCORING = {"serving.scoring", "serving.desk", "serving.gate", "serving.contract"}


@pytest.mark.slow
@pytest.mark.parametrize("module", ["serving.service", "serving.commands.answers"])
def test_what_scores_imports_nothing_that_trains_or_draws(module, tmp_path):
    code = (
        f"import sys, {module}\n"
        f"print([name for name in {FORBIDDEN} if name in sys.modules], 'training.audit' in sys.modules)\n"
        f"print({SCORING} <= set(sys.modules))"
    )
    environment = {"BENTOML_HOME": str(tmp_path), "BENTOML_DO_NOT_TRACK": "true", "PATH": "", "VIGIE_DEVELOPMENT": "1"}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert ran.stdout.splitlines()[-2:] == ["[] False", "True"]


def test_only_release_knows_mlflow():
    from pathlib import Path

    import serving

    folder = Path(serving.__file__).parent
    knowing = [path.name for path in sorted(folder.glob("*.py")) if "import mlflow" in path.read_text()]
    assert knowing == ["release.py"]

"""An MLflow registry in a folder, filled as training fills it and asked in processes of their own."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.serving import live

REGISTER = """
import sys
from pathlib import Path
import mlflow
from training import tracking
from training.card import ModelCard
from training.studies import STUDIES
artifacts, approved, *bundles = sys.argv[1:]
mlflow.set_experiment(experiment_id=mlflow.create_experiment("test", artifact_location=artifacts))
for each in bundles:
    study, bundle = each.split("=", 1)
    card = ModelCard.from_json((Path(bundle) / "card.json").read_bytes())
    with mlflow.start_run() as run:
        tracking.register(STUDIES[study], run.info.run_id, card, Path(bundle), approved=approved == "approved")
"""


@dataclass(frozen=True)
class Registry:
    """A registry, and whose decisions count for what is done with it."""

    folder: Path
    trusted: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    @property
    def settings(self) -> dict[str, str]:
        return live.environment(self.home, MLFLOW_TRACKING_URI=f"sqlite:///{self.folder}/mlflow.db")

    def register(self, *bundles: tuple[str, Path], approved: bool) -> None:
        """Register bundles of studies, a version each, with the alias or without."""
        named = [f"{study}={bundle}" for study, bundle in bundles]
        done = self._run("-c", REGISTER, str(self.artifacts), "approved" if approved else "open", *named)
        assert done.returncode == 0, done.stderr

    def alias(self, study: str = "cardiovascular") -> int | None:
        """Return the number of the version that has the alias, asked of the database as MLflow keeps it."""
        asked = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = 'approved'"
        with closing(sqlite3.connect(self.folder / "mlflow.db")) as database:
            found = database.execute(asked, (f"vigie-{study}",)).fetchone()
        return None if found is None else int(found[0])

    def serving(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `python -m serving`."""
        return self._run("-m", "serving", command, "--trusted-keys", str(self.trusted), *arguments)

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        ran = [sys.executable, *command]
        return subprocess.run(ran, capture_output=True, text=True, env=self.settings, cwd=REPOSITORY, check=False)

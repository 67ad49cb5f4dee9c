"""An MLflow registry in a folder, filled as training fills it and asked in processes of their own."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

from tests.conftest import REPOSITORY
from tests.serving import live
from tests.serving.forked import command, forked
from training.card import ModelCard
from training.studies import STUDIES


def register(artifacts: Path, approved: bool, bundles: tuple[tuple[str, Path], ...]) -> None:
    """Register bundles of studies as training does."""
    import mlflow  # here, in a process of its own: it takes seconds, and most tests need none of it

    from training import tracking

    mlflow.set_experiment(experiment_id=mlflow.create_experiment("test", artifact_location=str(artifacts)))
    for study, bundle in bundles:
        card = ModelCard.from_json((bundle / "card.json").read_bytes())
        with mlflow.start_run() as run:
            tracking.register(STUDIES[study], run.info.run_id, card, bundle, approved=approved)


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
        done = forked(register, self.artifacts, approved, bundles, environment=self.settings)
        assert done.returncode == 0, done.stderr

    def alias(self, study: str = "cardiovascular") -> int | None:
        """Return the number of the version that has the alias, asked of the database as MLflow keeps it."""
        asked = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = 'approved'"
        with closing(sqlite3.connect(self.folder / "mlflow.db")) as database:
            found = database.execute(asked, (f"vigie-{study}",)).fetchone()
        return None if found is None else int(found[0])

    def serving(self, name: str, *arguments: str) -> CompletedProcess[str]:
        """Do what a command of `python -m serving` does."""
        return forked(command, *self._given(name, arguments), environment=self.settings)

    def program(self, name: str, *arguments: str) -> CompletedProcess[str]:
        """Run a command of `python -m serving` as it is run."""
        ran = [sys.executable, "-m", "serving", *self._given(name, arguments)]
        return subprocess.run(ran, capture_output=True, text=True, env=self.settings, cwd=REPOSITORY, check=False)

    def _given(self, name: str, arguments: tuple[str, ...]) -> list[str]:
        return [name, "--trusted-keys", str(self.trusted), *arguments]

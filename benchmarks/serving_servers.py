"""The servers of `benchmarks.serving`, each in processes of its own: ours, the peer, and an empty one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import psutil  # type: ignore[import-untyped]

from benchmarks.serving_task import Approved
from tests.serving import clients, live

STARTS_WITHIN: Final = 180.0
STOPS_WITHIN: Final = 30.0
SOFTWARE: Final = clients.elliptic("benchmark")
#: As much as a client may be allowed: the limit that is met is that of the service itself.
ALLOWED: Final = {"per_minute": 1_000_000, "per_day": 100_000_000, "at_once": 1_000}


class Server(live.Server):
    """A server that answers, and what it costs."""

    def work(self) -> float:
        """Return the processors' time that its processes have used, in seconds."""
        times = [each.cpu_times() for each in self._processes()]
        return float(sum(each.user + each.system for each in times))

    def megabytes(self) -> float:
        """Return the memory that its processes hold."""
        return float(sum(each.memory_info().rss for each in self._processes()) / 2**20)

    def _processes(self) -> list[psutil.Process]:
        whole = psutil.Process(self.process.pid)
        return [whole, *whole.children(recursive=True)]


@contextmanager
def running(command: Sequence[str], folder: Path, path: str, **settings: str) -> Iterator[Server]:
    """Run ``python -m command`` until the end of the block; ``path`` answers 200 as soon as it serves."""
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    environment = live.environment(folder / "home", **{"PATH": beside, **settings})
    within = {"starts_within": STARTS_WITHIN, "stops_within": STOPS_WITHIN}
    with live.serving(command, environment, folder / "log", path, **within) as server:
        yield Server(server.port, server.log, server.process)


@contextmanager
def development(made: Approved, folder: Path) -> Iterator[Server]:
    """Run our service as it is tried out: anybody may ask."""
    with _ours(made, folder, {}, "--development") as server:
        yield server


@contextmanager
def production(made: Approved, folder: Path) -> Iterator[Server]:
    """Run our service as it is used: tokens, limits and the audit trail."""
    with _ours(made, folder, clients.configured(folder, (SOFTWARE, ALLOWED))) as server:
        yield server


@contextmanager
def _ours(made: Approved, folder: Path, settings: Mapping[str, str], *options: str) -> Iterator[Server]:
    command = ["serving", "serve", "--bundle", str(made.bundle), "--trusted-keys", str(made.keys), *options]
    with running(command, folder, "/readyz", **settings) as server:
        yield server


def token(server: Server) -> str:
    """Return a new token of a server in production; it holds for five minutes."""
    with server.client() as client:
        answer = client.post("/oauth/token", data=SOFTWARE.form())
        answer.raise_for_status()
        return str(answer.json()["access_token"])


@contextmanager
def empty(folder: Path) -> Iterator[Server]:
    """Run a BentoML service that does nothing."""
    command = ["bentoml", "serve", "benchmarks.serving_empty:Empty"]
    with running(command, folder, "/readyz") as server:
        yield server


@contextmanager
def mlflow(made: Approved, folder: Path) -> Iterator[Server]:
    """Run ``mlflow models serve`` with one worker, of the same booster in MLflow's own flavour."""
    import mlflow.lightgbm
    from mlflow.models import infer_signature

    artefact = made.admitted.artefact
    sample = artefact.features.frame(np.full((len(artefact.features), 1), np.nan))
    model = folder / "model"
    booster = artefact.model.event_.booster_  # type: ignore[attr-defined]
    mlflow.lightgbm.save_model(booster, model, signature=infer_signature(sample), pip_requirements=["lightgbm"])
    command = ["mlflow", "models", "serve", "-m", str(model), "--env-manager", "local", "-w", "1"]
    with running(command, folder, "/ping", MLFLOW_DISABLE_TELEMETRY="true") as server:
        yield server

"""The servers of `benchmarks.serving`, each in processes of its own: ours, the peer, and an empty one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import numpy as np
import psutil  # type: ignore[import-untyped]

from benchmarks.serving_task import Approved
from tests.conftest import REPOSITORY
from tests.serving import clients

STARTS_WITHIN: Final = 180.0
STOPS_WITHIN: Final = 30.0
SOFTWARE: Final = clients.elliptic("benchmark")
#: As much as a client may be allowed: the limit that is met is that of the service itself.
ALLOWED: Final = {"per_minute": 1_000_000, "per_day": 100_000_000, "at_once": 1_000}


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    port: int
    process: psutil.Process

    def work(self) -> float:
        """Return the processors' time that its processes have used, in seconds."""
        times = [each.cpu_times() for each in self._processes()]
        return float(sum(each.user + each.system for each in times))

    def megabytes(self) -> float:
        """Return the memory that its processes hold."""
        return float(sum(each.memory_info().rss for each in self._processes()) / 2**20)

    def _processes(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30, trust_env=False)


@contextmanager
def running(command: Sequence[str], settings: Mapping[str, str], log: Path, path: str) -> Iterator[Server]:
    """Run ``python -m command`` until the end of the block; ``path`` answers 200 as soon as it serves."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {name: os.environ[name] for name in ("HOME", "TMPDIR", "LANG") if name in os.environ}
    kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    with log.open("wb") as output:
        process = psutil.Popen(
            [sys.executable, "-m", *command, "--port", str(port), "--host", "127.0.0.1"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**kept, **settings},
            cwd=REPOSITORY,
        )
    server = Server(port, process)
    try:
        _wait(server, path, log)
        yield server
    finally:
        left = process.children(recursive=True)
        process.terminate()
        _, alive = psutil.wait_procs([process, *left], timeout=STOPS_WITHIN)
        for each in alive:
            each.kill()


def _wait(server: Server, path: str, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    with server.client() as client:
        while time.monotonic() < deadline and server.process.is_running():
            try:
                if client.get(path).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
    raise AssertionError(f"a server did not start:\n{log.read_text()}")


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
    home = {"BENTOML_HOME": str(folder / "home"), "BENTOML_DO_NOT_TRACK": "true"}
    command = ["serving", "serve", "--bundle", str(made.bundle), "--trusted-keys", str(made.keys), *options]
    with running(command, home | dict(settings), folder / "log", "/readyz") as server:
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
    home = {"BENTOML_HOME": str(folder / "home"), "BENTOML_DO_NOT_TRACK": "true"}
    command = ["bentoml", "serve", "benchmarks.serving_empty:Empty"]
    with running(command, home, folder / "log", "/readyz") as server:
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
    with running(command, {"MLFLOW_DISABLE_TELEMETRY": "true"}, folder / "log", "/ping") as server:
        yield server

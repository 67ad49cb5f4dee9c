"""A real server in processes of its own, for tests, benchmarks and pictures."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from serving.contract import now
from tests.conftest import REPOSITORY
from tests.serving import bundles


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    port: int
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30, trust_env=False)


def bundle(folder: Path, key: Ed25519PrivateKey, kind: str = "boosted", demonstration: bool = False) -> Path:
    """Make a bundle that is approved from yesterday and for a month."""
    made = folder / "bundle"
    bundles.trained(getattr(bundles, kind)(), made / "model")
    bundles.assemble(made, made / "model")
    today = now().replace(microsecond=0)
    bundles.decide(
        made,
        key,
        decided_at=today - timedelta(days=1),
        valid_until=(today + timedelta(days=30)).date(),
        demonstration=demonstration,
    )
    return made


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    return kept | {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "true"} | more


@contextmanager
def serving(
    command: Sequence[str],
    settings: Mapping[str, str],
    log: Path,
    path: str = "/readyz",
    *,
    folder: Path = REPOSITORY,
    starts_within: float = 90.0,
    stops_within: float = 20.0,
) -> Iterator[Server]:
    """Run ``python -m command`` until the end of the block, then ask it to stop and see that it does.

    Parameters
    ----------
    command
        Module and arguments; a port that is free is added.
    settings
        Its whole environment.
    log
        File for what it says.
    path
        Address on it that answers 200 as soon as it serves.
    folder
        Where it runs.
    starts_within, stops_within
        Seconds.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "--port", str(port), "--host", "127.0.0.1"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(settings),
            cwd=folder,
            start_new_session=True,
        )
    server = Server(port, log, process)
    try:
        _wait(server, path, starts_within)
        yield server
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=stops_within)
    finally:
        with suppress(ProcessLookupError):  # whatever is left of the session that was begun here
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=stops_within)


def _wait(server: Server, path: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    with server.client() as client:
        while time.monotonic() < deadline and server.process.poll() is None:
            with suppress(httpx.TransportError):
                if client.get(path).status_code == 200:
                    return
            time.sleep(0.2)
    raise AssertionError(f"the server did not start:\n{server.log.read_text()}")

"""A real server in a process of its own, for tests."""

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

STARTS_WITHIN = 90.0


@dataclass(frozen=True)
class Server:
    url: str
    log: Path
    process: subprocess.Popen[bytes]

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
def serving(command: Sequence[str], settings: Mapping[str, str], log: Path, ready: bool = True) -> Iterator[Server]:
    """Run a server until the end of the block, then ask it to stop and see that it does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "--port", str(port), "--host", "127.0.0.1"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(settings),
            cwd=REPOSITORY,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}", log, process)
    try:
        _wait(server, "/readyz" if ready else "/livez")
        yield server
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
    finally:
        with suppress(ProcessLookupError):  # whatever is left of the session this test began
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=20)


def _wait(server: Server, path: str) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    with server.client() as client:
        while time.monotonic() < deadline:
            if server.process.poll() is not None:
                break
            try:
                if client.get(path).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
    raise AssertionError(f"the server did not start:\n{server.log.read_text()}")

"""The image of `deploy/Containerfile`, run as `deploy/compose.yaml` says: ``VIGIE_IMAGE`` names one that was built."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from serving.commands import REFUSED
from serving.openapi import EXAMPLES
from tests.conftest import REPOSITORY
from tests.serving import clients, live

IMAGE = os.environ.get("VIGIE_IMAGE")
ENGINE = shutil.which("podman") or shutil.which("docker")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(ENGINE is None, reason="neither podman nor docker is installed"),
    pytest.mark.skipif(IMAGE is None, reason="VIGIE_IMAGE names no image: deploy/Containerfile says how to build it"),
]

SOFTWARE = clients.elliptic("software-a")
COMPOSE = yaml.safe_load((REPOSITORY / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
SERVICE = COMPOSE["services"]["vigie"]
GRACE = int(SERVICE["stop_grace_period"].removesuffix("s"))
STARTS_WITHIN = 120.0
ASK = """
import json, sys, urllib.error, urllib.request
path, headers, body = json.load(sys.stdin)
request = urllib.request.Request("http://127.0.0.1:3000" + path, body and body.encode(), headers)
try:
    answer = urllib.request.urlopen(request)
except urllib.error.HTTPError as refused:
    answer = refused
print(answer.status, answer.read().decode())
"""
LOOK = """
import importlib.util, json, os, sys
files = [os.path.join(folder, name) for folder, _, names in os.walk("/opt/vigie") for name in names]
modules = ("pip", "setuptools", "mlflow", "shap", "matplotlib", "optuna", "sksurv", "pytest")
places = ("/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/usr/sbin", "/opt/vigie/bin")
json.dump({
    "modules": [name for name in modules if importlib.util.find_spec(name)],
    "programs": [f"{place}/{name}" for place in places for name in ("pip", "pip3", "cc", "gcc", "g++", "make", "curl")
                 if os.path.exists(f"{place}/{name}")],
    "unwanted": [file for file in files if file.endswith((".pkl", ".pickle", ".joblib", ".key", ".p12", ".skops"))],
}, sys.stdout)
"""
WRITE = """
import os
for folder in ("/", "/bundle", "/etc/vigie/committee", "/etc/vigie/clients", "/opt/vigie/lib", "/run", "/usr", "/home"):
    try:
        open(os.path.join(folder, "written"), "w")
    except OSError:
        continue
    print(folder)
"""


def engine(*arguments: str, text: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    assert ENGINE is not None
    ran = subprocess.run([ENGINE, *arguments], input=text, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0 or not check, f"{' '.join(arguments[:2])}: {ran.stderr}"
    return ran


@dataclass(frozen=True)
class Container:
    """A container of the image, as compose would run it."""

    name: str

    def run(self, *command: str, text: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        return engine("exec", "--interactive", self.name, *command, text=text, check=check)

    def ask(self, path: str, body: str | None = None, **headers: str) -> tuple[int, str]:
        status, _, answer = self.run("python", "-c", ASK, text=json.dumps([path, headers, body])).stdout.partition(" ")
        return int(status), answer

    def is_healthy(self) -> bool:
        kind, *command = json.loads(self.told("{{json .Config.Healthcheck.Test}}"))
        assert kind == "CMD"
        return self.run(*command, check=False).returncode == 0

    def told(self, wanted: str) -> str:
        return engine("inspect", "--format", wanted, self.name).stdout.strip()

    def until(self, wanted: str) -> None:
        deadline = time.monotonic() + STARTS_WITHIN
        while wanted not in self.said():
            assert self.told("{{.State.Running}}") == "true", self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.2)

    def said(self) -> str:
        logs = engine("logs", self.name)
        return logs.stdout + logs.stderr

    def stop(self) -> tuple[int, float]:
        """Ask it to stop as compose does; return its exit code, and how many seconds that took."""
        begun = time.monotonic()
        engine("stop", "--time", str(GRACE), self.name)
        return int(self.told("{{.State.ExitCode}}")), time.monotonic() - begun


def options(folder: Path, data: str) -> list[str]:
    """Return what compose says about the service, as options; asked from inside, it needs no network at all."""
    mounts = [volume.replace("./", f"{folder}/", 1) for volume in SERVICE["volumes"] if volume.startswith("./")]
    mounts += [f"{data}:{volume.partition(':')[2]}" for volume in SERVICE["volumes"] if volume.startswith("data:")]
    assert len(mounts) == len(SERVICE["volumes"])
    mounts += [f"{folder / COMPOSE['secrets'][each]['file']}:/run/secrets/{each}:ro" for each in SERVICE["secrets"]]
    return [
        "--network=none",
        *(["--init"] if SERVICE["init"] else []),
        *(["--read-only"] if SERVICE["read_only"] else []),
        f"--user={SERVICE['user']}",
        f"--pids-limit={SERVICE['pids_limit']}",
        f"--memory={SERVICE['mem_limit']}",
        *(f"--tmpfs={each}" for each in SERVICE["tmpfs"]),
        *(f"--cap-drop={each}" for each in SERVICE["cap_drop"]),
        *(f"--security-opt={each.removesuffix(':true')}" for each in SERVICE["security_opt"]),
        *(f"--env={name}={value}" for name, value in SERVICE["environment"].items()),
        *(f"--volume={each}" for each in mounts),
    ]


@contextmanager
def started(folder: Path) -> Iterator[Container]:
    """Start a container of the files in a folder, with a volume of its own, and leave nothing behind."""
    name = f"vigie-test-{uuid.uuid4().hex[:12]}"
    assert IMAGE is not None
    try:
        engine("run", "--detach", f"--name={name}", *options(folder, name), IMAGE)
        yield Container(name)
    finally:
        engine("rm", "--force", name, check=False)
        engine("volume", "rm", name, check=False)


@pytest.fixture(scope="module")
def folder(committee: Ed25519PrivateKey, trusted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What compose mounts, laid out beside it."""
    made = tmp_path_factory.mktemp("deployed")
    live.bundle(made, committee)
    clients.configured(made / "secrets", (SOFTWARE, {}))
    (made / "secrets" / "clients").rename(made / "clients")
    shutil.copytree(trusted, made / "committee")
    for each in ("committee", "secrets"):
        (made / each).chmod(0o755)
    return made


@pytest.fixture(scope="module")
def container(folder: Path) -> Iterator[Container]:
    with started(folder) as running:
        running.until("Service vigie initialized")
        yield running


def bearer(container: Container) -> str:
    form = "&".join(f"{name}={value}" for name, value in SOFTWARE.form().items())
    status, answer = container.ask("/oauth/token", form, **{"content-type": "application/x-www-form-urlencoded"})
    assert status == 200, answer
    return f"Bearer {json.loads(answer)['access_token']}"


def test_it_answers_and_its_health_is_told(container: Container) -> None:
    assert container.ask("/readyz")[0] == 200
    assert container.is_healthy()
    example: dict[str, Any] = EXAMPLES["risk"]["value"]
    sent = {"content-type": "application/json"}
    assert container.ask("/score", json.dumps(example), **sent)[0] == 401
    status, answer = container.ask("/score", json.dumps(example), **sent, authorization=bearer(container))
    assert status == 200, answer
    assert json.loads(answer)["kind"] == "risk"


def test_it_is_nobody_and_writes_only_where_it_may(container: Container) -> None:
    assert container.run("id", "-u").stdout.strip() == "10001"
    status = dict(line.split(":\t", 1) for line in container.run("cat", "/proc/self/status").stdout.splitlines())
    assert {name: int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == dict.fromkeys(
        ("CapPrm", "CapEff", "CapBnd", "CapAmb"), 0
    )
    assert status["NoNewPrivs"] == "1"
    assert container.run("python", "-c", WRITE).stdout == ""


def test_it_holds_what_answers_and_nothing_that_installs_trains_or_is_secret(container: Container) -> None:
    found = json.loads(container.run("python", "-c", LOOK).stdout)
    assert found == {"modules": [], "programs": [], "unwanted": []}


def test_told_to_stop_it_ends_in_time_and_its_trail_is_whole(folder: Path) -> None:
    with started(folder) as running:
        running.until("Service vigie initialized")
        bearer(running)
        code, took = running.stop()
        assert (code, took < GRACE) == (0, True), running.said()
        verify = ("audit", "verify", "--data", "/var/lib/vigie", "--audit-key", "/run/secrets/audit_key")
        assert IMAGE is not None
        verified = engine("run", "--rm", *options(folder, running.name), IMAGE, *verify)
        assert "as it was written" in verified.stdout + verified.stderr


def test_told_to_stop_before_it_serves_it_ends_in_time(folder: Path) -> None:
    with started(folder) as running:
        assert not running.is_healthy()
        code, took = running.stop()
        assert (code, took < GRACE) == (143, True), running.said()


def test_it_serves_no_bundle_that_was_altered(folder: Path, tmp_path: Path) -> None:
    altered = tmp_path / "altered"
    shutil.copytree(folder, altered)
    model = altered / "bundle" / "model" / "model.json"
    model.write_bytes(model.read_bytes() + b" ")
    with started(altered) as refused:
        assert int(engine("wait", refused.name).stdout) == REFUSED
        assert "refused [model_altered]" in refused.said()

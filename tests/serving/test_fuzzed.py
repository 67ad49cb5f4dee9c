"""The running service against its own description, by schemathesis: whatever the description allows and forbids.

Over every operation: the examples, the boundaries of each schema, generated data that keeps to it and that does not,
and operations after one another. What the description allows may be refused only for the reasons in `fuzzing`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from serving.settings import BUNDLE, DATA, DEVELOPMENT, TRUSTED_KEYS
from tests.conftest import REPOSITORY
from tests.serving import live

pytestmark = pytest.mark.slow

SEED, EXAMPLES = "20260302", "3"
#: 412 and 422 may answer data that keep to the schema: `fuzzing` says for which reasons.
CONFIGURATION = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "412", "422", "429", "5xx"]
"""


def test_the_service_keeps_to_its_description(committee: Ed25519PrivateKey, trusted: Path, tmp_path: Path) -> None:
    bundle = live.bundle(tmp_path, committee, "linear")
    path = os.pathsep.join([str(REPOSITORY), *sys.path])
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    settings = {BUNDLE: str(bundle), TRUSTED_KEYS: str(trusted), DATA: str(tmp_path / "data"), DEVELOPMENT: "1"}
    environment = live.environment(tmp_path / "home", **settings)
    command = ["bentoml", "serve", "serving.service:Vigie"]
    with live.serving(command, environment, tmp_path / "log") as server:
        with server.client() as client:
            described = client.get("/docs.json").json()["paths"]  # the first time it takes seconds
        ran = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration)),
                *("run", f"{server.url}/docs.json", "--seed", SEED, "--max-examples", EXAMPLES, "--no-color"),
                *("--continue-on-failure", "--no-shrink", "--generation-database", "none"),
                *("--suppress-health-check", "all"),  # they are about how busy the machine is
            ],
            env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.serving.fuzzing", "PYTHONPATH": path},
            cwd=tmp_path,  # it leaves notes where it runs
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr
        operations = sum(len(each) for each in described.values())
        assert f"Tested: {operations}" in ran.stdout
        cases = re.search(r"(\d+) generated", ran.stdout)
        assert cases
        assert int(cases[1]) > 500, "each operation was asked in many ways"
        assert "ERROR" not in server.log.read_text().replace("bentoml", ""), "nothing failed inside"

"""A model file that kills whoever reads it kills a process that was made for that, and nobody else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from serving import settings
from serving.desks import Desks
from serving.refusals import ModelUnusable
from serving.trial import tried
from tests.conftest import REPOSITORY
from tests.serving import bundles, live

pytestmark = pytest.mark.slow


def deadly(model: Path, folder: Path) -> Path:
    """Return a copy of a boosted model whose trees point to where there are none: LightGBM reads outside its memory."""
    copy = folder / "deadly"
    shutil.copytree(model, copy)
    archive = copy / "event.skops"
    with zipfile.ZipFile(archive) as source:
        files = {name: source.read(name) for name in source.namelist()}
    text = files["schema.json"].decode()
    assert "left_child=" in text
    schema = text.replace("left_child=", "left_child=999999999 ")
    with zipfile.ZipFile(archive, "w") as target:
        for name, data in (files | {"schema.json": schema.encode()}).items():
            target.writestr(zipfile.ZipInfo(name), data)
    return copy


def kills(model: Path) -> bool:
    """Return whether loading a model here, without a trial, would have ended this process."""
    load = "import sys; from pathlib import Path; from training.artefact import load; load(Path(sys.argv[1]))"
    command = [sys.executable, "-c", load, str(model)]
    return subprocess.run(command, capture_output=True, cwd=REPOSITORY, check=False).returncode < 0


def test_a_model_that_kills_its_reader_is_refused_and_the_others_are_served(
    tmp_path: Path, models: Callable[[str], Path], committee: Ed25519PrivateKey, trusted: Path
) -> None:
    model = deadly(models("boosted"), tmp_path)
    assert kills(model), "this file must be one that kills"
    bad = bundles.whole(tmp_path / "bad", model, committee, study="screening-breast")
    good = bundles.whole(tmp_path / "good", models("linear"), committee)
    desks = Desks.open([bad, good], {settings.TRUSTED_KEYS: str(trusted)})
    assert desks.studies == ("cardiovascular",)
    assert desks.ready()
    ((_, why),) = desks.withheld()
    assert why.code == "model_unusable"
    assert "died of SIG" in str(why)


def test_what_takes_too_long_or_too_much_is_refused(models: Callable[[str], Path]) -> None:
    with pytest.raises(ModelUnusable, match=r"within 0\.01 seconds"):
        tried(models("linear"), within=0.01)
    with pytest.raises(ModelUnusable, match="the process in which the model was tried"):
        tried(models("linear"), memory=200 << 20)


def test_golden_answers_are_asked_for_in_the_trial(tmp_path: Path, models: Callable[[str], Path]) -> None:
    tried(models("linear"))
    copy = tmp_path / "model"
    shutil.copytree(models("linear"), copy)
    golden = json.loads((copy / "golden.json").read_bytes())
    golden["answers"][0][0][0] += 1e-6
    (copy / "golden.json").write_text(json.dumps(golden))
    with pytest.raises(ModelUnusable, match="no longer gives the answers"):
        tried(copy)


def test_the_trial_is_told_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, dict[str, str]] = {}

    def run(command: list[str], **given: object) -> subprocess.CompletedProcess[bytes]:
        seen["environment"] = given["env"]  # type: ignore[assignment]
        return subprocess.CompletedProcess(command, 0, b"", b"")

    monkeypatch.setenv(settings.TOKEN_KEY, "somewhere")
    monkeypatch.setattr(subprocess, "run", run)
    tried(tmp_path)
    assert not any(name.startswith("VIGIE") for name in seen["environment"])


def test_the_command_line_tries_before_it_serves(
    tmp_path: Path, models: Callable[[str], Path], committee: Ed25519PrivateKey, trusted: Path
) -> None:
    bad = bundles.whole(tmp_path / "bad", deadly(models("boosted"), tmp_path), committee)
    command = [sys.executable, "-m", "serving", "verify", "--bundle", str(bad), "--trusted-keys", str(trusted)]
    told = live.environment(tmp_path / "home")
    ran = subprocess.run(command, capture_output=True, text=True, env=told, cwd=REPOSITORY, check=False)
    assert ran.returncode == 5
    assert "[model_unusable]" in ran.stderr
    assert "Traceback" not in ran.stderr

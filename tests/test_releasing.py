"""A release is made, signed and verified as docs/releasing.md says, and what was altered is found out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.guides import Reader, fences

PAGE = REPOSITORY / "docs" / "releasing.md"


@pytest.mark.slow
def test_a_release_is_made_and_verified_as_the_page_says(tmp_path: Path) -> None:
    if shutil.which("ssh-keygen") is None:
        message = "no ssh-keygen: install OpenSSH's client"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with Reader.with_a_copy(tmp_path, None) as reader:
        for name in ("CHANGELOG.md", "CITATION.cff", ".gitignore"):
            shutil.copy2(REPOSITORY / name, tmp_path / name)
        for command in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message", "All")):
            identity = ("-c", "user.name=Somebody", "-c", "user.email=somebody@vigie.example")
            subprocess.run(["git", *identity, *command], cwd=tmp_path, check=True)
        for role in ("AUTHOR", "COMMITTER"):
            reader.settings |= {f"GIT_{role}_NAME": "Somebody", f"GIT_{role}_EMAIL": "somebody@vigie.example"}
        assert len(list(reader.follow(PAGE))) == len(fences(PAGE))

        made = tmp_path / "dist"
        assert "## Unreleased\n\n## 0.2.0 - 20" in (tmp_path / "CHANGELOG.md").read_text()
        assert "\nversion: 0.2.0\n" in (tmp_path / "CITATION.cff").read_text()
        bill = json.loads((made / "vigie-0.2.0.cdx.json").read_text())
        assert (bill["bomFormat"], bill["metadata"]["component"]["version"]) == ("CycloneDX", "0.2.0")
        with zipfile.ZipFile(made / "vigie-0.2.0-py3-none-any.whl") as wheel:
            inside = set(wheel.namelist())
        assert {"serving/service.py", "serving/portal/templates/base.html.j2", "training/run.py"} <= inside
        assert not any(name.startswith(("tests/", "docs/")) for name in inside)
        ours = {
            path.relative_to(REPOSITORY).as_posix()
            for package in ("features", "training", "serving")
            for path in (REPOSITORY / package).rglob("*.py")
        }
        assert ours <= inside, "every module is in a package that pyproject.toml names"
        with tarfile.open(made / "vigie-0.2.0.tar.gz") as archive:
            assert "vigie-0.2.0/pyproject.toml" in archive.getnames()

        verify = next(fence.text for fence in fences(PAGE) if "-Y verify" in fence.text)
        for altered in ("requirements-serve.lock", "SHA256SUMS"):
            whole = (made / altered).read_bytes()
            (made / altered).write_bytes(whole.replace(b"0", b"1", 1))
            done = subprocess.run(
                ["bash", "-e", "-c", verify], cwd=tmp_path, env=reader.settings, capture_output=True, check=False
            )
            assert done.returncode != 0, altered
            (made / altered).write_bytes(whole)

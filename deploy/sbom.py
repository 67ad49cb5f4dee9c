"""Bill of materials of a release (CycloneDX 1.6, JSON), from the lock: ``python deploy/sbom.py > sbom.json``.

It lists what is pinned for the service, or by another lock (``python deploy/sbom.py requirements.lock``), with the
hashes by which it is installed, and nothing else: no moment, no machine. The same lock gives the same bytes.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
LOCK = REPOSITORY / "requirements-serve.lock"
PINNED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def document(lock: Path) -> dict[str, Any]:
    """Return the bill of materials of a lock."""
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    lines = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    components = [_component(line) for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "vigie", "version": version}},
        "components": sorted(components, key=lambda each: (each["name"], each["version"])),
    }


def _component(line: str) -> dict[str, Any]:
    found = PINNED.match(line)
    if found is None:
        raise ValueError(f"not pinned: {line.split()[0]}")
    name, version = found["name"].lower(), found["version"]
    return {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "hashes": [{"alg": "SHA-256", "content": each} for each in sorted(HASH.findall(line))],
    }


if __name__ == "__main__":
    json.dump(document(Path(sys.argv[1]) if len(sys.argv) > 1 else LOCK), sys.stdout, indent=2)
    print()

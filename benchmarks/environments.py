"""Peers whose requirements contradict ours: each runs in an environment of its own, on the same files.

An environment is made under ``build/peers`` from the exact versions in ``benchmarks/peers/NAME.txt``, and made again
when they change. `benchmarks.peers` says how each peer does the task.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

ROOT: Final = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Peer:
    """A peer, and at how many patients it is timed at most: at more it takes too long."""

    label: str
    most: int
    #: What is known to differ from ours. Without it all must be equal before a time counts.
    differs: str = ""


PEERS: Final[Mapping[str, Peer]] = {
    "timeseriesflattener": Peer("timeseriesflattener, one process", 100_000),
    "featuretools": Peer("featuretools, cut-off times", 10_000),
    "meds_tab": Peer("MEDS-Tab, its commands", 10_000, "it loses records, and its windows end at the last event"),
}


def environment(name: str) -> Path:
    """Return the Python of a peer's environment, after making it where it is not there or not the one asked for."""
    wanted = ROOT / "benchmarks" / "peers" / f"{name}.txt"
    folder = ROOT / "build" / "peers" / name
    python, made = folder / "bin" / "python", folder / "requirements.txt"
    if not made.exists() or made.read_text() != wanted.read_text():
        print(f"making {folder.relative_to(ROOT)} …", flush=True)
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--requirement", wanted], check=True)
        shutil.copy(wanted, made)  # last: an environment half made is made again
    return python


def in_its_environment(name: str, folder: Path) -> tuple[dict[str, Any], dict[str, npt.NDArray[np.float64]]]:
    """Let a peer do the task; return what it took, and its columns by the name of the feature."""
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        command = [environment(name), "-m", f"benchmarks.peers.{name}", folder, file.name]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{PEERS[name].label} failed:\n{done.stderr[-2000:]}")
        with np.load(file.name) as columns:
            return json.loads(done.stdout.splitlines()[-1]), dict(columns)


def equal(theirs: Mapping[str, npt.NDArray[np.float64]], ours: Mapping[str, npt.NDArray[np.float64]]) -> set[str]:
    """Return the features a peer has and whose every value is ours: missing where ours is, and to nine digits."""
    return {
        name
        for name in theirs.keys() & ours.keys()
        if theirs[name].shape == ours[name].shape and np.allclose(theirs[name], ours[name], 1e-9, 0, equal_nan=True)
    }

"""A model loaded where it may do no harm: in a process of its own, with little time and memory, which may die of it.

What reads model files are large libraries in C++. A file can have the digest that the committee approved and still
abort or exhaust the process that parses it; that should not be the one that answers.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from serving import refusals

#: Seconds of the clock, seconds of the processor, and bytes of address space.
WITHIN: Final = 120.0
PROCESSOR: Final = 60
MEMORY: Final = 4 << 30
UNUSABLE: Final = 3
LONGEST_SAYING: Final = 400
AGAIN: Final = "Make the bundle again from the run that trained the model."


def tried(model: Path, within: float = WITHIN, processor: int = PROCESSOR, memory: int = MEMORY) -> None:
    """Load a model folder and have it give its golden answers, in another process.

    Parameters
    ----------
    model
        A folder whose bytes are verified.
    within, processor, memory
        What it may take: seconds, seconds of the processor, bytes.

    Raises
    ------
    serving.refusals.ModelUnusable
        If the model does not load or answers otherwise, the process dies, or takes more than it may.
    """
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "serving.trial", str(model), str(processor), str(memory)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_little(),
            timeout=within,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise refusals.ModelUnusable(f"the model did not load within {within:g} seconds. {AGAIN}") from None
    if ran.returncode == UNUSABLE:
        raise refusals.ModelUnusable(f"{ran.stdout[:LONGEST_SAYING].decode(errors='replace').strip()}. {AGAIN}")
    if ran.returncode != 0:
        raise refusals.ModelUnusable(f"the process in which the model was tried {_end(ran.returncode)}. {AGAIN}")


def _little() -> dict[str, str]:
    """Return the environment of the trial: none of our settings, one thread."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, **threads, "PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}


def _end(code: int) -> str:
    """Return how a process ended."""
    if code >= 0:
        return f"failed with code {code}"
    try:
        return f"died of {signal.Signals(-code).name}"
    except ValueError:
        return f"died of signal {-code}"


def _main(model: str, processor: str, memory: str) -> int:
    """Load a model under limits; return the exit code."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(processor), int(processor)))
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    from training.artefact import UnusableModel, load

    try:
        load(Path(model))
    except UnusableModel as error:
        print(error)
        return UNUSABLE
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))

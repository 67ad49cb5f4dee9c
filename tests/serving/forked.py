"""Commands in processes of their own that need not import again what takes seconds to import."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory
from typing import Any

from serving import desk, trial
from serving.__main__ import main
from tests.conftest import REPOSITORY

#: Forks of a server that has imported these and done nothing: as clean as a process begun anew.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.serving.imported"])
WITHIN = 300.0


def command(*arguments: str) -> int:
    """Do what ``python -m serving`` does, but load models here, not in another process: `test_trial` is about that."""
    trial.tried = desk.tried = lambda model: None  # type: ignore[assignment]
    return main(arguments)


def forked(
    function: Callable[..., int | None], *arguments: Any, environment: Mapping[str, str], given: str = ""
) -> CompletedProcess[str]:
    """Call a function of a module in a process of its own, with this environment and what it is given to read.

    Returns
    -------
    CompletedProcess
        What it returned as exit code, and what it printed.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "stdin").write_text(given, encoding="utf-8")
        process = CONTEXT.Process(target=_call, args=(folder, dict(environment), function, arguments))
        process.start()
        process.join(WITHIN)
        if process.exitcode is None:
            process.kill()
        printed = [(folder / stream).read_text(encoding="utf-8") for stream in ("stdout", "stderr")]
        assert process.exitcode is not None, printed
        return CompletedProcess(arguments, process.exitcode, *printed)


def _call(
    folder: Path, environment: dict[str, str], function: Callable[..., int | None], arguments: tuple[Any, ...]
) -> None:
    writing = os.O_WRONLY | os.O_CREAT
    for number, (stream, mode) in enumerate((("stdin", os.O_RDONLY), ("stdout", writing), ("stderr", writing))):
        os.dup2(os.open(folder / stream, mode), number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - multiprocessing has put nothing there
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(REPOSITORY)
    sys.exit(function(*arguments))

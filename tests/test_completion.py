"""What may follow what was typed: as a shell asks it, and in a shell."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

BIN = Path(sys.executable).parent


def offered(line: str) -> list[str]:
    """Return what is offered after a line, as argcomplete's function of the shell asks for it."""
    program = line.split()[2]
    asks = {"_ARGCOMPLETE": "3", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    told = subprocess.run(
        ["bash", "-c", '"$0" -m "$1" 8>&1 9>/dev/null', sys.executable, program],
        env=dict(os.environ) | asks,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stderr == ""
    return [each.strip() for each in told.stdout.split("\n")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("python -m features pro", ["profile"], marks=pytest.mark.slow),
        pytest.param("python -m features build --engine ", ["spark", "threads"], marks=pytest.mark.slow),
        ("python -m training train --study screening-c", ["screening-cervical", "screening-colorectal"]),
        pytest.param("python -m training ledger v", ["verify"], marks=pytest.mark.slow),
        pytest.param("python -m serving score --cap", ["--capacity"], marks=pytest.mark.slow),
        pytest.param("python -m serving portal --demonstration sub", ["submit"], marks=pytest.mark.slow),
    ],
)
def test_commands_options_and_values_are_offered(line: str, expected: list[str]) -> None:
    assert sorted(offered(line)) == expected


def test_what_is_named_without_being_imported_is_what_there_is() -> None:
    from features.build import ENGINES
    from features.commands import ENGINES as NAMED_ENGINES
    from serving.commands.options import EVERY as NAMED_SPELLS
    from serving.monitoring import EVERY
    from training.commands.options import STUDIES as NAMED_STUDIES
    from training.studies import STUDIES

    assert list(NAMED_ENGINES) == sorted(ENGINES)
    assert list(NAMED_SPELLS) == list(EVERY)
    assert list(NAMED_STUDIES) == list(STUDIES)


@pytest.mark.slow
def test_the_tabulator_completes_in_a_shell() -> None:
    terminal, other_side = pty.openpty()
    environment = dict(os.environ) | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "TERM": "dumb", "PS1": "$ "}
    shell = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        stdin=other_side,
        stdout=other_side,
        stderr=other_side,
        env=environment,
        cwd=REPOSITORY,
        start_new_session=True,
    )

    def types(text: str, awaited: str) -> None:
        os.write(terminal, text.encode())
        seen, until = "", time.monotonic() + 60
        while not re.search(awaited, seen) and time.monotonic() < until:
            if select.select([terminal], [], [], 0.2)[0]:
                seen += os.read(terminal, 1 << 16).decode()
        assert re.search(awaited, seen), seen

    try:
        types('eval "$(activate-global-python-argcomplete --dest=-)"; echo re""ady\n', "\nready|\rready")
        types("python -m features pro\t", "features profile ")
        types("\x15python -m serving score --en\t", "score --engine ")
    finally:
        shell.kill()
        shell.wait()
        os.close(terminal)
        os.close(other_side)

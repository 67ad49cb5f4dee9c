"""What ``python -m features`` can do, a module for each kind of work; and what its commands share."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Collection
from datetime import datetime
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from features.records import Records

#: Exit codes, by cause.
OK, USAGE, INVALID, MISSING, DAMAGED = 0, 2, 3, 4, 5
EXIT_CODES: Final = (
    f"exit codes: {OK} done, {USAGE} usage, {INVALID} invalid input, {MISSING} a store or file missing or there "
    f"already, {DAMAGED} a damaged store"
)
#: Where work can run (`features.build.ENGINES`).
ENGINES: Final = ("spark", "threads")


class Parser(argparse.ArgumentParser):
    """A parser whose help, and that of its commands, leaves lines to copy as they are.

    What a command takes may be said by a function (``"package.module:add_to"``) that is imported when the command is
    chosen: what it needs takes seconds to import, and the help of all others need not wait.
    """

    def __init__(self, *arguments: Any, added_by: str | None = None, **options: Any) -> None:
        super().__init__(*arguments, **{"formatter_class": _Help, **options})
        self._added_by = added_by
        self._commands: Any = None

    def add_subparsers(self, **options: Any) -> Any:
        """Let commands be added, as argparse does."""
        self._commands = super().add_subparsers(**options)
        return self._commands

    def parse_known_args(self, *arguments: Any, **options: Any) -> Any:  # the overloads of argparse say no more
        """Parse as argparse does, by what the command takes."""
        self.complete()
        return super().parse_known_args(*arguments, **options)

    def complete(self, words: Collection[str] = ()) -> None:
        """Add what the command takes, if it waits to be added, and what those of its commands take that are named."""
        if self._added_by is not None:
            added_by, self._added_by = self._added_by, None
            resolve_name(added_by)(self)
        if self._commands is not None:
            for name in self._commands.choices.keys() & set(words):
                self._commands.choices[name].complete(words)


class _Help(argparse.HelpFormatter):
    """Wraps each paragraph by itself, and no line that is indented."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        return "\n".join(line if line.startswith(" ") else fill(line, width, indent) for line in text.splitlines())


def offered(parser: Parser) -> Parser:
    """Return a parser; where a shell asks what may follow what was typed, answer that instead and leave.

    Shells ask with a variable set (https://kislyuk.github.io/argcomplete), once they were told to.
    """
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        parser.complete(os.environ.get("COMP_LINE", "").split())
        argcomplete.autocomplete(parser)
    return parser


def chosen(command: Callable[[Any], Any] | str) -> Callable[[Any], Any]:
    """Return what a command does; it is named where it takes seconds to import."""
    return resolve_name(command) if isinstance(command, str) else command


def taught(*examples: str, codes: str = EXIT_CODES) -> str:
    """Return what a command's help ends with: what to type, to be copied, and what its exit code says."""
    return "\n".join(
        ["example:" if len(examples) == 1 else "examples:", *(f"  {each}" for each in examples), "", codes]
    )


def print_json(value: object) -> None:
    """Print something for a program to read; NaN has no place in it."""
    print(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False))


def say(line: str) -> None:
    """Tell a person something; what a program reads goes to standard output."""
    print(line, file=sys.stderr, flush=True)


class Pace:
    """Tells long work's progress, once a second at most."""

    def __init__(self) -> None:
        self._began = self._said = time.monotonic()

    def say(self, line: str, share: float) -> None:
        """Say a line about work of which a share (0 to 1) is done, with how long the rest may take."""
        now = time.monotonic()
        if now - self._said >= 1 and 0 < share < 1:
            self._said = now
            say(f"{line}, about {(now - self._began) * (1 / share - 1):.0f} s left")

    def rate(self, count: int) -> float:
        """Return how many a second that makes so far."""
        return count / max(time.monotonic() - self._began, 1e-9)


def steps(what: str) -> Callable[[int, int], None]:
    """Return a progress callback that says how many of how many are done."""
    pace = Pace()
    return lambda done, total: pace.say(f"{done:,} of {total:,} {what}", done / max(total, 1))


def done(records: Records) -> int:
    """Print where a store is and its digest."""
    print(f"{records.path}  {records.digest}")
    return OK


def number_from_one(text: str) -> int:
    """Read a number of at least one."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of 1 or more")
    return number


def moment(text: str) -> datetime:
    """Read a day or moment, taken for UTC."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day such as 2026-03-01") from error
    if read.tzinfo is not None:
        raise argparse.ArgumentTypeError(f"{text!r} has a time zone: give it in UTC, without one")
    return read

"""What ``python -m training`` can do, a module for each kind of work; and what its commands share."""

from __future__ import annotations

from typing import Final

from features import commands

OK, USAGE, INVALID, MISSING = 0, 2, 3, 4
EXIT_CODES: Final = "exit codes: 0 done, 2 usage, 3 invalid input, 4 something missing"


def taught(*examples: str) -> str:
    """Return what a command's help ends with: what to type, to be copied, and what its exit code says."""
    return commands.taught(*examples, codes=EXIT_CODES)

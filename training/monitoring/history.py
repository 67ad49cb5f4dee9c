"""The runs so far, in a file that only grows: a line a run, each with the SHA-256 of the line before it."""

from __future__ import annotations

import fcntl
import json
import math
import os
from pathlib import Path
from typing import Any, Final

from features.digests import canonical, digest
from training.monitoring.findings import BY_GROUP
from training.monitoring.report import Report

FILE: Final = "history.jsonl"
START: Final = "0" * 64


class AlteredHistory(ValueError):
    """A history that is not as it was written: which line."""


class History:
    """The runs about one model card, in a folder.

    Parameters
    ----------
    folder
        Where its file is; made when first written to.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def runs(self, card: str) -> list[dict[str, Any]]:
        """Return the runs about a card, in their order.

        Raises
        ------
        AlteredHistory
            If a line was altered, removed or inserted.
        """
        return [run for run in self._lines()[0] if run["card"] == card]

    def append(self, report: Report) -> None:
        """Add a run; it is on the disk when this returns. Raise as `runs`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(canonical({"previous": self._lines()[1], **_summary(report)}) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _lines(self) -> tuple[list[dict[str, Any]], str]:
        """Return all runs, and the digest of the last line."""
        found: list[dict[str, Any]] = []
        previous = START
        for number, line in enumerate(self.path.read_bytes().splitlines() if self.path.exists() else [], 1):
            try:
                run = json.loads(line)
            except ValueError:
                run = {}
            if run.get("previous") != previous:
                raise AlteredHistory(
                    f"{FILE}, line {number}: it does not follow the line before it. "
                    "Restore the file, or begin another folder."
                )
            found.append(run)
            previous = digest(line)
        return found, previous


def _summary(report: Report) -> dict[str, Any]:
    """Return what is kept of a run: everybody's comparisons, and those of groups that were raised."""
    return {
        "start": report.start,
        "end": report.end,
        "card": report.card,
        "level": report.level,
        "people": report.people,
        "findings": [
            {
                "kind": each.kind,
                "name": each.name,
                "attribute": each.attribute,
                "group": each.group,
                "effect": float(f"{each.effect:.4g}"),
                "level": each.level,
            }
            for each in report.findings
            if math.isfinite(each.effect) and (each.level != "none" or each.kind not in BY_GROUP)
        ],
    }

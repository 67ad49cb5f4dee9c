"""People who object to the use of their data, and tables without them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pandas as pd

from features.privacy.pseudonyms import PSEUDONYM


@dataclass(frozen=True)
class Objections:
    """Pseudonyms of the people who object to the use of their data.

    Parameters
    ----------
    pseudonyms
        Of one domain: that of the data they are applied to.

    Raises
    ------
    ValueError
        If something is not a pseudonym. A name written there by mistake is never quoted.
    """

    pseudonyms: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        wrong = sum(PSEUDONYM.fullmatch(text) is None for text in self.pseudonyms)
        if wrong:
            raise ValueError(f"{wrong} of {len(self)} objections are not pseudonyms (32 hexadecimal digits)")

    def __len__(self) -> int:
        return len(self.pseudonyms)

    def __contains__(self, other: object) -> bool:
        return other in self.pseudonyms

    @classmethod
    def of(cls, pseudonyms: Iterable[str]) -> Self:
        """Return the objections of these people."""
        return cls(frozenset(pseudonyms))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a text file with one pseudonym a line; blank lines and those that begin with # are skipped.

        Raises
        ------
        ValueError
            If lines are not pseudonyms: all their numbers at once, and never what they say.
        """
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        kept = {number: line for number, line in enumerate(lines, start=1) if line and not line.startswith("#")}
        wrong = [str(number) for number, line in kept.items() if not PSEUDONYM.fullmatch(line)]
        if wrong:
            raise ValueError(
                f"{path.name}: not a pseudonym (32 hexadecimal digits) on line {', '.join(wrong)}: "
                "write the output of pseudonym(), never a name or a number"
            )
        return cls(frozenset(kept.values()))

    def write(self, path: Path) -> None:
        """Write them in order, one a line: the same objections give the same bytes."""
        path.write_text("".join(f"{text}\n" for text in sorted(self.pseudonyms)), encoding="utf-8")


def without(frame: pd.DataFrame, objections: Objections, column: str = "patient") -> tuple[pd.DataFrame, int]:
    """Return the rows of people who do not object, and how many rows were removed.

    Parameters
    ----------
    frame
        Rows of people.
    objections
        Pseudonyms of the same domain as the column.
    column
        Where the pseudonyms are.

    Returns
    -------
    frame : DataFrame
        The other rows, in the same order and under the same index.
    removed : int
        Rows removed; below 11 it is not to be shown (`shown`).

    Raises
    ------
    ValueError
        If there is no such column.
    """
    if column not in frame.columns:
        raise ValueError(f"the frame has no column {column!r}: name the column of pseudonyms")
    objects = frame[column].isin(objections.pseudonyms)
    return frame[~objects], int(objects.sum())

"""What keeps people unnamed: keyed pseudonyms, objections, suppression of small counts."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pandas as pd

# --- Pseudonyms -------------------------------------------------------------------------------------------

SMALLEST_KEY: Final = 32
"""Bytes a key must have at least: as many as the hash gives."""

PSEUDONYM: Final = re.compile(r"[0-9a-f]{32}")


def pseudonym(identifier: str, key: bytes, domain: str) -> str:
    """Return the name a person bears in one domain, which nobody can turn back, or derive, without the key.

    Parameters
    ----------
    identifier
        Identifier of a person or a practice at the source.
    key
        Secret of at least 32 bytes, kept outside the data it serves: whoever has it can try every identifier.
    domain
        Project or purpose. The same person has unrelated pseudonyms in two domains, and a practice another one
        than a patient with the same number when they are given domains of their own.

    Returns
    -------
    str
        32 hexadecimal digits: the first half of HMAC-SHA-256 (RFC 2104) over domain and identifier, the domain
        preceded by its length so that no two pairs give the same text.

    Raises
    ------
    ValueError
        If the key is too short, or the identifier or the domain is empty; all faults at once.
    """
    faults = [
        f"{what} is empty: give one" for what, text in (("identifier", identifier), ("domain", domain)) if not text
    ]
    if len(key) < SMALLEST_KEY:
        faults.insert(0, f"the key has {len(key)} bytes: draw at least {SMALLEST_KEY} at random (secrets.token_bytes)")
    if faults:
        raise ValueError("; ".join(faults))
    purpose = domain.encode()
    message = len(purpose).to_bytes(8, "big") + purpose + identifier.encode()
    return hmac.digest(key, message, "sha256").hex()[:32]


def pseudonymise(column: pd.Series[Any], key: bytes, domain: str) -> pd.Series[str]:
    """Return the pseudonyms of a column of identifiers; each distinct one is computed once.

    Parameters
    ----------
    column
        Identifiers as text. Numbers are refused, because 7, 7.0 and "007" may be one person.
    key, domain
        As for `pseudonym`.

    Returns
    -------
    Series of str
        With the index and name of ``column``.

    Raises
    ------
    ValueError
        If an identifier is missing or is not text, or as `pseudonym`; no identifier is ever quoted.
    """
    codes, distinct = pd.factorize(column)
    missing, other = int((codes < 0).sum()), sum(not isinstance(value, str) for value in distinct)
    faults = [f"{missing} of {len(column)} rows have no identifier: drop or complete them first"] if missing else []
    if other:
        faults.append(f"{other} distinct identifiers are not text: convert them as the source writes them")
    if faults:
        raise ValueError("; ".join(faults))
    names = np.array([pseudonym(value, key, domain) for value in distinct], dtype=object)
    return pd.Series(names[codes], index=column.index, name=column.name, dtype="str")


# --- Objections -------------------------------------------------------------------------------------------


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


# --- Small counts -----------------------------------------------------------------------------------------

SMALLEST_COUNT: Final = 11
"""People, or events, below which a count is not shown (French health-data rule)."""


def shown(count: int | None) -> int | None:
    """Return the count when it is large enough to be shown, else None."""
    return None if count is None or count < SMALLEST_COUNT else int(count)


def mask(counts: Sequence[int]) -> list[int | None]:
    """Mask the small counts of a table row whose total is known.

    Where the masked ones could then be had by subtraction, the next smallest is masked as well: when they sum to
    fewer than 11 (a small count in itself), or to 10 each (the most a small count can be). Masked ones that are
    all 0 stay alone: what is revealed is that there is nobody. When everything is masked the total may still
    tell: mask it too (`shown`) if it is small.
    """
    values = np.asarray(counts)
    hidden = values < SMALLEST_COUNT
    while not hidden.all() and _told(int(values[hidden].sum()), int(hidden.sum())):
        hidden |= values == values[~hidden].min()
    return [None if small else int(value) for value, small in zip(values, hidden, strict=True)]


def _told(total: int, many: int) -> bool:
    """Return whether ``many`` small counts can be had from their total."""
    return 0 < total < SMALLEST_COUNT or 0 < total == many * (SMALLEST_COUNT - 1)

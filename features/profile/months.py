"""Months of a practice: when its file begins, where it breaks off, and how full each month is."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from features.privacy import SMALLEST_COUNT
from features.profile.axes import HISTORY
from features.profile.bins import Integers

USUAL_MONTHS: Final = 12
"""Months before one by which what is usual is judged; half as many must be there."""

LEVELS: Final = (("above", 1.5), ("usual", 0.75), ("below", 0.5), ("little", 0.0))
"""Levels of a month, each with the least share of the practice's median month it has."""


def beginning(facts: Integers, people: Integers) -> int | None:
    """Return the first month with 11 patients and a twentieth of the facts of a full month; None if there is none.

    A full month is the nineteenth of twenty. What is before the beginning is mostly what patients told when they
    registered.
    """
    enough = people >= SMALLEST_COUNT
    if not enough.any():
        return None
    return int(np.flatnonzero(enough & (facts >= np.quantile(facts[enough], 0.95) / 20))[0])


class Break(NamedTuple):
    """Months in which a practice sent nothing, or much less than usual: ``"gap"``, ``"silent"`` or ``"drop"``."""

    kind: str
    first: int
    last: int


def breaks(facts: Integers, people: Integers, since: int = 0) -> list[Break]:
    """Return the gaps and sudden drops of a practice, by month; the month of the latest delivery is not judged.

    A month is judged from the `beginning` on, or from ``since`` if that is later. It is a gap without a record; a drop
    with less than half the median of the twelve months before, if chance would not do it: four standard deviations of
    a Poisson count.
    """
    begun = beginning(facts, people)
    if begun is None:
        return []
    found: list[Break] = []
    for month in range(max(begun, since) + 1, HISTORY - 1):
        before = facts[max(begun, since, month - USUAL_MONTHS) : month]
        usual = float(np.median(before))
        if facts[month] == 0:
            kind = "gap"
        elif 2 * len(before) >= USUAL_MONTHS and facts[month] < min(usual / 2, usual - 4 * math.sqrt(usual)):
            kind = "drop"
        else:
            continue
        if found and found[-1].kind == kind and found[-1].last == month - 1:
            found[-1] = found[-1]._replace(last=month)
        else:
            found.append(Break(kind, month, month))
    if found and found[-1].kind == "gap" and found[-1].last == HISTORY - 2:
        found[-1] = found[-1]._replace(kind="silent")
    return found


def runs_by_level(facts: Integers, people: Integers) -> dict[str, list[tuple[int, int]]]:
    """Return the months of each level of a practice, in runs.

    ``few`` is under 11 patients, ``none`` no record after the practice's beginning.
    """
    begun, enough = beginning(facts, people), people >= SMALLEST_COUNT
    level = np.where(facts > 0, "few", "none").astype(object)
    if begun is None:
        begun = len(facts)
    else:
        share = facts / np.median(facts[enough])
        for name, least in reversed(LEVELS):
            level[enough & (share >= least)] = name
    level[:begun][level[:begun] == "none"] = ""
    begins = np.flatnonzero(np.append(True, level[1:] != level[:-1]))
    runs: dict[str, list[tuple[int, int]]] = {}
    for first, many in zip(begins.tolist(), np.diff(begins, append=len(level)).tolist(), strict=True):
        if level[first]:
            runs.setdefault(level[first], []).append((first, many))
    return runs

"""Small counts, which are not shown, nor what gives them away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

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


ROUNDED_TO: Final = 5


def rounded(count: int | None, to: int = ROUNDED_TO) -> int | None:
    """Return a count to the nearest multiple of ``to`` once it is large enough to be shown, else None.

    Two tables of nearly the same people then differ by nothing, or by ``to``: what one person changes is not seen.
    Halves go up. Suppression comes first, so that no small count is rounded into sight (OpenSAFELY's order).
    """
    kept = shown(count)
    return None if kept is None else (kept + to // 2) // to * to


def told_by_difference(one: Mapping[str, int | None], other: Mapping[str, int | None]) -> list[str]:
    """Return the cells of two published tables of nested people whose difference is a small count.

    Parameters
    ----------
    one, other
        The same cells before and after some people left (an objection, a refusal, another version of the data); None
        where a count is hidden.
    """
    return [
        cell
        for cell, count in one.items()
        if count is not None and (second := other.get(cell)) is not None and 0 < abs(count - second) < SMALLEST_COUNT
    ]

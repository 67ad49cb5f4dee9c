"""What may be shown: no count under 11, and none from which one could be had.

Counts of records are shown where they are of 11 people or more. A quantile is shown where 11 people or more stand
beyond it on either side, as far as their number tells: no single patient's extreme is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from features.privacy import SMALLEST_COUNT, mask
from features.profile.bins import Integers

Count = int | None
"""A count that may be shown, or None where it is hidden."""

LABEL: Final = 8
"""Letters of a practice's pseudonym that are shown, or more where they do not tell it apart."""


def hide(counts: Iterable[float]) -> list[Count]:
    """Return counts whose total is known with the small ones hidden, and those that give them away; none is 0."""
    every = [int(each) for each in counts]
    kept = iter(mask([each for each in every if each]) if any(every) else [])
    return [next(kept) if each else 0 for each in every]


class Share(NamedTuple):
    """A proportion of people: its value; or None, where it is hidden or so few are missing that it is nearly all."""

    value: float | None
    nearly: bool = False


def shares(some: Integers, of: Integers, above: Sequence[Integers] = ()) -> list[Share]:
    """Return what share some people are of others, by practice and, last, in all.

    Hidden are the shares of few people and of all but few, and those by which these could be had from the whole.
    ``above`` are counts, shown too, of people among whom all of these are: a share is hidden where few others are.
    """
    several = mask(some[:-1].tolist()) + mask(some[-1:].tolist())
    rest = hide(of[:-1] - some[:-1]) + hide(of[-1:] - some[-1:])
    apart = np.zeros(len(some), dtype=bool)
    for more in above:
        apart |= (more > some) & (more - some < SMALLEST_COUNT)
    found = []
    for many, all_, kept, others, hidden in zip(some, of, several, rest, apart, strict=True):
        if kept is None or hidden:
            found.append(Share(None))
        else:
            found.append(Share(None, True) if others is None else Share(float(many / all_)))
    return found


def row_shares(some: Integers, others: Integers) -> list[float | None]:
    """Return what share some rows are of themselves and others, by practice and in all; None where they are few."""
    kept = hide(some[:-1]) + hide(some[-1:])
    return [
        None if many is None or (many == 0 and not rest) else many / (many + int(rest))
        for many, rest in zip(kept, others, strict=True)
    ]


def may(quantile: float, people: int) -> bool:
    """Return whether a quantile of this many people's values has 11 of them on its shorter side."""
    return people * min(quantile, 1 - quantile) >= SMALLEST_COUNT - 1e-9


def short(names: Sequence[str]) -> list[str]:
    """Return short forms of names, the shortest of at least `LABEL` letters that tell them apart."""
    length = LABEL
    while len({name[:length] for name in names}) < len(set(names)):
        length += 1
    return [name if len(name) <= length + 1 else f"{name[:length]}…" for name in names]

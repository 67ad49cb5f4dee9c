"""How many people of each group may be told: the tables of an audit share their margins, and are masked together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.outcome import EVENT, FollowUp
from features.privacy.linking import Sum, mask_linked
from training.audit.grouping import CROSS

Shown = dict[str, tuple[int | None, int | None]]
"""Rows and events of each group of an attribute; None where they may not be shown."""


def shown_counts(
    groups: Mapping[str, pd.Series[Any]], closed: FollowUp, refused: FollowUp | None = None
) -> dict[str, Shown]:
    """Return the rows and events of every group of every attribute, as all of them may be shown together.

    A pair's groups add up to those of its two attributes, and an attribute's, with those refused, to everybody, who is
    counted elsewhere: `features.privacy.linking` hides what a small count could be worked out from.

    Parameters
    ----------
    groups
        Labels of the same rows, by attribute.
    closed
        Their follow-up, closed at the horizon.
    refused
        That of the people the model refused, closed at the horizon as well.
    """
    ill = closed.cause == EVENT
    others = 0 if refused is None else len(refused)
    other_ill = 0 if refused is None else int((refused.cause == EVENT).sum())
    cells: dict[tuple[str, str], int] = {}
    tallies: list[list[int]] = [[], []]
    for name, labels in groups.items():
        for label, rows in _rows(labels).items():
            cells[name, label] = len(cells)
            tallies[0].append(len(rows))
            tallies[1].append(int(ill[rows].sum()))
    sums = list(_margins(groups, cells))
    whole, apart = len(cells), len(cells) + 1
    sums += [Sum(whole, (*_places(name, cells), apart)) for name in groups]
    masked = []
    # Few refused people without the event are as few as few with it.
    for tally, rest in zip(tallies, (others, min(other_ill, others - other_ill)), strict=True):
        place = _places(next(iter(groups)), cells) if groups else ()
        everybody = sum(tally[each] for each in place) + rest
        masked.append(mask_linked([*tally, everybody, rest], sums, known=[whole]))
    found: dict[str, Shown] = {name: {} for name in groups}
    for (name, label), cell in cells.items():
        found[name][label] = masked[0][cell], masked[1][cell]
    return found


def _rows(labels: pd.Series[Any]) -> dict[str, npt.NDArray[np.intp]]:
    codes, names = pd.factorize(labels, sort=True)
    return {str(label): np.flatnonzero(codes == code) for code, label in enumerate(names)}


def _places(name: str, cells: Mapping[tuple[str, str], int]) -> tuple[int, ...]:
    return tuple(place for (attribute, _), place in cells.items() if attribute == name)


def _margins(groups: Mapping[str, pd.Series[Any]], cells: Mapping[tuple[str, str], int]) -> list[Sum]:
    """Return, for each group of an attribute and each pair it is in, the pair's groups it is the sum of."""
    found = []
    for pair in groups:
        for name in pair.split(CROSS) if CROSS in pair else ():
            if name not in groups:
                continue
            table = pd.DataFrame({"whole": groups[name].to_numpy(), "part": groups[pair].to_numpy()}).drop_duplicates()
            for whole, parts in table.groupby("whole", sort=True)["part"]:
                found.append(Sum(cells[name, str(whole)], tuple(sorted(cells[pair, str(part)] for part in parts))))
    return found

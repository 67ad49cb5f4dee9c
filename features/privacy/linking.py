"""Small counts in tables that share their margins: what one table hides must not be had from the others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import optimize, sparse

from features.privacy.counts import SMALLEST_COUNT

TOLERANCE: Final = 1e-6


@dataclass(frozen=True)
class Sum:
    """A cell that is the sum of others, of its own table or of another.

    Parameters
    ----------
    whole, parts
        Positions among all cells.
    """

    whole: int
    parts: tuple[int, ...]


def mask_linked(counts: Sequence[int], sums: Sequence[Sum], known: Collection[int] = ()) -> list[int | None]:
    """Mask the small counts of several tables, and the counts by which a small one could be had from them all.

    Parameters
    ----------
    counts
        Every cell of every table: people or events.
    sums
        Which cells are the sum of which.
    known
        Positions of cells that are published elsewhere and cannot be hidden.

    Returns
    -------
    list of int or None
        None where a count is hidden. The cells hidden beside the small ones are few, but not always as few as could be.

    Notes
    -----
    An attacker who knows every cell shown and every sum can bound each hidden one by linear programming. A count from 1
    to 10 is safe when the attacker cannot exclude that it is 11 or more (the feasibility interval of cell
    suppression: Fischetti and Salazar 2001, doi:10.1287/mnsc.47.7.1008.9805). For each small count in turn, the other
    table that the attacker must believe in is the one that departs least from the truth: a linear program whose cost is
    that of the cells it would have to hide. Nobody tells nothing: 0 is hidden, as it is small, but is not worth another
    cell.
    """
    values = np.asarray(counts, dtype=np.int64)
    fixed = np.isin(np.arange(len(values)), list(known))
    hidden = (values < SMALLEST_COUNT) & ~fixed
    linked = _Links(values, sums)
    for cell in np.flatnonzero(hidden & (values > 0)):
        hidden |= linked.helpers(int(cell), hidden, fixed)  # what is hidden for one only widens what others can be
    return [None if masked else int(value) for value, masked in zip(values, hidden, strict=True)]


def exposed(shown: Sequence[int | None], sums: Sequence[Sum], cells: Collection[int]) -> list[int]:
    """Return which of some hidden cells an attacker knows to be under 11, from the cells shown and the sums."""
    hidden = np.array([value is None for value in shown])
    linked = _Links(np.array([0 if value is None else value for value in shown], dtype=np.int64), sums)
    return [cell for cell in cells if linked.largest(cell, hidden) < SMALLEST_COUNT - TOLERANCE]


class _Links:
    """Cells and their sums, as an attacker sees them."""

    def __init__(self, values: npt.NDArray[np.int64], sums: Sequence[Sum]) -> None:
        self.values = values
        self.sums = sums
        rows, columns, signs = [], [], []
        for row, each in enumerate(sums):
            for cell, sign in ((each.whole, -1), *((part, 1) for part in each.parts)):
                rows.append(row)
                columns.append(cell)
                signs.append(sign)
        self.matrix = sparse.csr_matrix(
            (np.array(signs, dtype=np.float64), (rows, columns)), shape=(len(sums), len(values))
        )

    def _near(self, cell: int, hidden: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
        """Return the sums that say something of a hidden cell, through whatever else is hidden."""
        unknown = abs(self.matrix) @ sparse.diags(hidden.astype(np.float64))
        reached, cells = np.zeros(len(self.sums), dtype=bool), np.zeros(len(hidden), dtype=bool)
        cells[cell] = True
        while True:
            found = (unknown @ cells) > 0
            if (found == reached).all():
                return np.flatnonzero(reached)
            reached = found
            cells = cells | (((unknown.T @ reached) > 0) & hidden)

    def largest(self, cell: int, hidden: npt.NDArray[np.bool_]) -> float:
        """Return the most a hidden cell can be, given what is shown."""
        sums = self._near(cell, hidden)
        if not len(sums):
            return float("inf")
        block = self.matrix[sums]
        unknown = np.flatnonzero((np.asarray(abs(block).sum(axis=0)).ravel() > 0) & hidden)
        left = -(block[:, np.flatnonzero(~hidden)] @ self.values[~hidden])
        aim = np.where(unknown == cell, -1.0, 0.0)
        found = optimize.linprog(aim, A_eq=block[:, unknown], b_eq=left, bounds=(0, None), method="highs")
        return float("inf") if found.status == 3 else -float(found.fun) if found.status == 0 else 0.0

    def helpers(self, cell: int, hidden: npt.NDArray[np.bool_], fixed: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Return the cells to hide for a hidden one to be able to be 11; none where nothing would do.

        Each cell may rise, or fall to no less than 0, so that every sum holds; a shown one pays for it by its size.
        """
        free = np.flatnonzero(~fixed)
        change = self.matrix[:, free]
        cost = np.where(hidden[free], 0.0, 1.0 + np.log1p(self.values[free]))
        here = (free == cell).astype(np.float64)
        equal = sparse.vstack([sparse.hstack([change, -change]), sparse.csr_matrix(np.concatenate([here, -here]))])
        aim = np.zeros(len(self.sums) + 1)
        aim[-1] = SMALLEST_COUNT - self.values[cell]
        bounds = [(0, None)] * len(free) + [(0, int(value)) for value in self.values[free]]
        found = optimize.linprog(np.concatenate([cost, cost]), A_eq=equal, b_eq=aim, bounds=bounds, method="highs-ds")
        moved = np.zeros(len(hidden), dtype=bool)
        if found.status == 0:
            moved[free] = np.abs(found.x[: len(free)] - found.x[len(free) :]) > TOLERANCE
        return moved

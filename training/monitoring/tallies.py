"""Counting people, practice by practice, one shard after the other: all that is ever kept of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.monitoring.bins import Bins

Kind = str
#: What is counted (a feature, the score, …) and its name.
Key = tuple[Kind, str]

ANY: Final = "any"
"""Abstention for whatever reason."""


@dataclass(frozen=True, eq=False)
class Seen:
    """Rows, one a person and moment.

    Attributes
    ----------
    practice
        Shape ``(n,)``.
    features
        What the model reads.
    groups
        Text labels of the audit's groups, missing where unknown.
    unmet
        Conditions of a score, true where it is *not* met; whoever fails one is abstained from.
    risk
        Score, NaN where there is an abstention, shape ``(n,)``.
    """

    practice: npt.NDArray[np.object_]
    features: pd.DataFrame
    groups: pd.DataFrame
    unmet: pd.DataFrame
    risk: npt.NDArray[np.float64]


@dataclass
class Tally:
    """Counts and sums, a row a practice and a column a bin; two of them are added up.

    Attributes
    ----------
    bins
        How each thing is counted.
    tables
        ``("feature", name)``, ``("score", "risk")``, ``("group", attribute)``, ``("abstention", condition or "any")``
        by bin, what is missing last; and by group, of an attribute: ``scored`` people, the ``sum`` and ``square`` sum
        of their risks, ``abstained`` people, and ``missing`` by ``feature|attribute``.
    """

    bins: Mapping[Key, Bins]
    tables: dict[Key, pd.DataFrame] = field(default_factory=dict)

    def add(self, seen: Seen) -> None:
        """Count some rows."""
        scored = ~np.isnan(seen.risk)
        abstained = seen.unmet.any(axis=1).to_numpy()
        places = {name: self.bins["group", str(name)].place(column) for name, column in seen.groups.items()}
        for name, column in seen.features.items():
            key = ("feature", str(name))
            self._count(key, seen.practice, self.bins[key].place(column))
        key = ("score", "risk")
        self._count(key, seen.practice[scored], self.bins[key].place(pd.Series(seen.risk[scored])))
        for name, unmet in {**seen.unmet, ANY: abstained}.items():
            self._count(("abstention", str(name)), seen.practice, np.asarray(unmet, dtype=np.intp), 2)
        for name, place in places.items():
            attribute, wide = str(name), self.bins["group", str(name)].many + 1
            self._count(("group", attribute), seen.practice, place)
            self._count(("scored", attribute), seen.practice[scored], place[scored], wide)
            self._count(("sum", attribute), seen.practice[scored], place[scored], wide, seen.risk[scored])
            self._count(("square", attribute), seen.practice[scored], place[scored], wide, seen.risk[scored] ** 2)
            self._count(("abstained", attribute), seen.practice[abstained], place[abstained], wide)
            for feature, column in seen.features.items():
                absent = column.isna().to_numpy()
                self._count(("missing", f"{feature}|{attribute}"), seen.practice[absent], place[absent], wide)
        everybody = np.zeros(int(scored.sum()), dtype=np.intp)
        self._count(("scored", ""), seen.practice[scored], everybody, 1)
        self._count(("sum", ""), seen.practice[scored], everybody, 1, seen.risk[scored])
        self._count(("square", ""), seen.practice[scored], everybody, 1, seen.risk[scored] ** 2)

    def add_measured(self, practice: npt.NDArray[np.object_], values: pd.DataFrame, recent: pd.DataFrame) -> None:
        """Count values that were measured lately, under ``("measured", feature)``; the others as missing."""
        for name in recent:
            key = ("feature", str(name))
            place = self.bins[key].place(values[name].where(recent[name]))
            self._count(("measured", str(name)), practice, place, self.bins[key].many + 1)

    def merge(self, other: Tally) -> None:
        """Add what another tally of the same bins counted."""
        for key, table in other.tables.items():
            self.tables[key] = self.tables[key].add(table, fill_value=0.0) if key in self.tables else table

    def counts(self, key: Key) -> npt.NDArray[np.float64]:
        """Return a table, shape ``(practices, bins)``; the practices are those that have anything counted there."""
        return self.tables[key].to_numpy(dtype=np.float64)

    def whole(self, key: Key) -> npt.NDArray[np.float64]:
        """Return the sum of a table over practices, shape ``(bins,)``."""
        return np.asarray(self.counts(key).sum(axis=0), dtype=np.float64)

    def of_practices(self, *keys: Key) -> list[npt.NDArray[np.float64]]:
        """Return tables with the same practices, 0 where one has none of them."""
        whole = sorted(set().union(*(self.tables[key].index for key in keys)))
        return [self.tables[key].reindex(whole, fill_value=0.0).to_numpy(dtype=np.float64) for key in keys]

    def _count(
        self,
        key: Key,
        practice: npt.NDArray[np.object_],
        place: npt.NDArray[np.intp],
        wide: int | None = None,
        weights: npt.NDArray[np.float64] | None = None,
    ) -> None:
        wide = wide or self.bins[key].many + 1
        names, row = np.unique(practice.astype(str), return_inverse=True)
        counts = np.bincount(row * wide + place, weights=weights, minlength=len(names) * wide)
        table: Any = pd.DataFrame(counts.reshape(len(names), wide).astype(np.float64), index=names)
        self.tables[key] = self.tables[key].add(table, fill_value=0.0) if key in self.tables else table

"""Bins: how the values of a variable are counted, so that two groups of people can be compared by counts alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.privacy import SMALLEST_COUNT

OTHER: Final = "other"
"""Label of what was not there to be counted when the bins were made."""
TENTHS: Final = np.linspace(0, 1, 11)[1:-1]
FEW: Final = 10
"""Distinct values up to which each has a bin of its own."""
DIGITS: Final = 3
"""Significant digits of an edge: enough for a bin, too few to be one person's value."""


@dataclass(frozen=True)
class Bins:
    """Bins of numbers, by their edges, or of labels.

    Parameters
    ----------
    edges
        Increasing; a value equal to an edge is above it. Empty for labels.
    labels
        One a bin, the last being `OTHER`. Empty for numbers.
    """

    edges: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()

    @classmethod
    def learn(cls, values: pd.Series[Any]) -> Self:
        """Return the bins of a column: tenths of its numbers, each value where there are few, or its labels."""
        known = values.dropna()
        if not pd.api.types.is_numeric_dtype(values.dtype):
            return cls(labels=(*sorted({str(label) for label in known}), OTHER))
        numbers = np.sort(known.to_numpy(dtype=np.float64))
        distinct = np.unique(numbers)
        if set(distinct) <= {0.0, 1.0}:
            return cls(edges=(1.0,))
        # A value that fewer people than that reach is told of nobody.
        told = distinct[distinct <= numbers[-min(SMALLEST_COUNT, len(numbers))]]
        if len(distinct) <= FEW:
            wanted = told[1:]
        else:
            tenths = np.quantile(numbers, TENTHS)
            wanted = np.concatenate([told[1:2] if tenths[0] == distinct[0] else tenths[:1], tenths])
        edges = {float(f"{edge:.{DIGITS}g}") for edge in wanted}
        return cls(edges=tuple(sorted(edge for edge in edges if edge > distinct[0])))

    @property
    def many(self) -> int:
        """How many bins there are; what is missing is counted in one more, after them."""
        return len(self.labels) or len(self.edges) + 1

    @property
    def is_ordered(self) -> bool:
        """Whether one bin is more than another."""
        return not self.labels

    def place(self, values: pd.Series[Any]) -> npt.NDArray[np.intp]:
        """Return the bin of each value, `many` where it is missing: shape ``(n,)``."""
        known = values.notna().to_numpy()
        place = np.full(len(values), self.many, dtype=np.intp)
        if self.is_ordered:
            place[known] = np.searchsorted(self.edges, values[known].to_numpy(dtype=np.float64), side="right")
        else:
            number = {label: at for at, label in enumerate(self.labels)}
            place[known] = [number.get(str(label), len(self.labels) - 1) for label in values[known]]
        return place

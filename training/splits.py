"""Ways to hold people out: each fold is learned from some rows and judged on others who share nobody with them.

A split reads an index, one row a landmark, with the columns ``patient``, ``practice``, ``as_of`` and, where
asked for, ``region``. What is held out together (a practice, a region, a period, a patient) never straddles,
and a patient never does, whatever is held out.

Between periods patients would be on both sides by nature, and who is there later depends on what happened to them
earlier: leaving out of training whoever is tested later would leave those who died. Everybody is therefore given a
group at random, whatever their future, and a period is tested group by group, by a model of other periods and groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

Positions = npt.NDArray[np.intp]
Fold = tuple[str, Positions, Positions]

BY: Final = ("practice", "region", "period", "patient")
#: Groups of patients that a period is tested in.
GROUPS: Final = 5


class Split(Protocol):
    """A way to hold people out."""

    def split(self, index: pd.DataFrame) -> Iterator[Fold]:
        """Yield the label, training positions and test positions of each fold.

        Several folds may share a label: what is tested in them is judged together.
        """

    def describe(self) -> dict[str, Any]:
        """Return what a model card says of it, as JSON values."""


@dataclass(frozen=True)
class InternalExternal:
    """Internal–external validation: every practice, region, period or patient is tested once by a model without it.

    Parameters
    ----------
    by
        What is held out: ``"practice"``, ``"region"``, ``"period"`` (calendar years of ``as_of``) or
        ``"patient"``.
    folds
        Number of folds, at least 2; None leaves out one practice, region, year or patient at a time.
    seed
        Decides which practices, regions or patients go together. Years stay in order; in each, patients are tested
        in ``GROUPS`` groups.

    Raises
    ------
    ValueError
        If ``by`` is unknown or ``folds`` is below 2.

    Notes
    -----
    Steyerberg and Harrell (2016, doi:10.1016/j.jclinepi.2015.04.005). By practice or region, no row of a
    tested practice is learned from, even when it lies in another region; nor is a row of somebody who is tested
    there at another time, who are few: those who moved between two landmarks. By period or patient, practices are
    on both sides by nature: such a split does not show how a model travels to another practice.
    """

    by: str = "practice"
    folds: int | None = 5
    seed: int = 0

    def __post_init__(self) -> None:
        faults = []
        if self.by not in BY:
            faults.append(f"cannot hold out by {self.by!r}: choose one of {', '.join(BY)}")
        if self.folds is not None and self.folds < 2:
            faults.append(f"{self.folds} folds leave nothing to learn from: choose at least 2, or None")
        if faults:
            raise ValueError("; ".join(faults))

    def split(self, index: pd.DataFrame) -> Iterator[Fold]:
        """Yield the folds.

        Parameters
        ----------
        index
            One row a landmark.

        Yields
        ------
        label : str
            ``"practice fold 2 of 5"``; the region or the years where these are what is held out one by one or
            in order. Never the identifier of a practice or a patient.
        train, test : ndarray of positions
            Increasing. Every row is in exactly one test set.

        Raises
        ------
        ValueError
            If a column is missing or has holes, there are fewer clusters than folds, or a fold would have
            nothing to learn from.
        """
        held_out = "as_of" if self.by == "period" else self.by
        _require(index, {held_out, "patient"} | ({"practice"} if self.by in ("practice", "region") else set()))
        values = _years(index["as_of"]) if self.by == "period" else index[self.by].to_numpy()
        labels, cluster = np.unique(values, return_inverse=True)
        many = len(labels) if self.folds is None else self.folds
        if len(labels) < max(many, 2):
            raise ValueError(
                f"{max(many, 2)} folds by {self.by} need as many distinct values, found {len(labels)}: "
                "ask for fewer folds, or hold out by something else"
            )
        order = np.arange(len(labels))
        if self.by != "period":
            order = np.random.default_rng(self.seed).permutation(len(labels))
        for number, members in enumerate(np.array_split(order, many), start=1):
            test = np.isin(cluster, members)
            label = self._label(number, many, labels[members])
            if self.by == "period":
                yield from _by_group(label, index, ~test, test, self.seed)
                continue
            shared = _same(index, "patient", test)
            if self.by in ("practice", "region"):
                shared = shared | _same(index, "practice", test)
            yield label, *_positions(label, ~test & ~shared, test)

    def _label(self, number: int, many: int, members: npt.NDArray[Any]) -> str:
        if self.by == "period":
            return f"{members[0]}" if len(members) == 1 else f"{members[0]}–{members[-1]}"
        if self.by == "region" and len(members) == 1:
            return f"{members[0]}"
        return f"{self.by} fold {number} of {many}"

    def describe(self) -> dict[str, Any]:
        """Return what a model card says of this split."""
        return {"kind": "internal-external", "by": self.by, "folds": self.folds, "seed": self.seed}


@dataclass(frozen=True)
class Temporal:
    """Learn from earlier landmarks, test on later ones.

    Parameters
    ----------
    before
        Landmarks before this date are learned from, landmarks on it or later are tested.
    gap_years
        Training landmarks end this many years earlier. With a gap of the horizon, all that was learned from
        had happened before the first test; without, training follow-up may reach into the test period.
    seed
        Decides the ``GROUPS`` groups of patients in which the later landmarks are tested.

    Raises
    ------
    ValueError
        If the gap is negative.

    Notes
    -----
    Later landmarks of a group of patients are tested by a model of the earlier ones of all others. Practices are on
    both sides.
    """

    before: date
    gap_years: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.gap_years >= 0:
            raise ValueError(f"gap_years is {self.gap_years!r}: give 0 or more years")

    def split(self, index: pd.DataFrame) -> Iterator[Fold]:
        """Yield the folds, one a group of patients, all with one label: training positions and test positions.

        Raises
        ------
        ValueError
            If a column is missing or has holes, or there is nobody to learn from or to test.
        """
        _require(index, {"patient", "as_of"})
        as_of = pd.to_datetime(index["as_of"]).to_numpy()
        boundary = np.datetime64(self.before)
        test = as_of >= boundary
        earlier = as_of < boundary - np.timedelta64(round(self.gap_years * 365.25), "D")
        label = f"from {self.before.isoformat()}"
        yield from _by_group(label, index, earlier, test, self.seed)

    def describe(self) -> dict[str, Any]:
        """Return what a model card says of this split."""
        return {
            "kind": "temporal",
            "before": self.before.isoformat(),
            "gap_years": self.gap_years,
            "seed": self.seed,
        }


def _require(index: pd.DataFrame, columns: set[str]) -> None:
    """Raise ValueError naming every column that is missing or has holes."""
    faults = [f"the index has no column {name!r}" for name in sorted(columns - set(index.columns))]
    faults += [
        f"{int(index[name].isna().sum())} rows of the index have no {name}"
        for name in sorted(columns & set(index.columns))
        if index[name].isna().any()
    ]
    if faults:
        raise ValueError("; ".join(faults))


def _years(as_of: pd.Series[Any]) -> npt.NDArray[np.int64]:
    return np.asarray(pd.to_datetime(as_of).dt.year, dtype=np.int64)


def _same(index: pd.DataFrame, column: str, test: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return which rows have a value of ``column`` that is also in a test row."""
    values = index[column]
    return values.isin(values[test].unique()).to_numpy(dtype=bool)


def _by_group(
    label: str, index: pd.DataFrame, train: npt.NDArray[np.bool_], test: npt.NDArray[np.bool_], seed: int
) -> Iterator[Fold]:
    """Yield a fold for each group of patients with a row to test: their rows, and those of others to learn from."""
    patients, position = np.unique(index["patient"].to_numpy(), return_inverse=True)
    group = (np.random.default_rng(seed).permutation(len(patients)) % GROUPS)[position]
    _positions(label, train, test)  # says so where there is nobody at all
    for tested in np.unique(group[test]):
        yield label, *_positions(label, train & (group != tested), test & (group == tested))


def _positions(label: str, train: npt.NDArray[np.bool_], test: npt.NDArray[np.bool_]) -> tuple[Positions, Positions]:
    for what, rows in (("learn from", train), ("test", test)):
        if not rows.any():
            raise ValueError(f"fold {label!r} has nobody to {what}: hold out less, or by something else")
    positions = np.arange(len(test), dtype=np.intp)
    return positions[train], positions[test]

"""What every published equation is made of: columns that read and judge their values, and a formula.

A column turns the values it is given into clean numbers and says, row by row, what is wrong with them. The
door (:func:`training.published.risk`) raises on any fault; a comparator
(:mod:`training.published.comparators`) refuses the rows that have one. Both therefore share a single
statement of who an equation is for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Kind = Literal["missing", "unreadable", "outside", "excluded"]

MG_DL_PER_MMOL_L: Final = 38.67
"""Milligrams of cholesterol a decilitre in one millimole a litre."""

LABELS_SHOWN: Final = 5
NO_IMPUTATION: Final = "give a value or leave them out, nothing is imputed"


@dataclass(frozen=True, eq=False)
class Fault:
    """One thing wrong with one column, in some rows.

    Parameters
    ----------
    column
        Name of the column.
    kind
        ``"missing"``, ``"unreadable"`` (not of the expected kind), ``"outside"`` a range, or ``"excluded"``
        by the authors.
    rows
        Which rows have it, shape ``(n,)``.
    what, remedy
        What is wrong and what to do about it, in words. Neither holds a value that was given.
    """

    column: str
    kind: Kind
    rows: Bools
    what: str
    remedy: str

    def describe(self, labels: pd.Index[Any]) -> str:
        """Return what is wrong, where (the first row labels and the count) and what to do."""
        positions = np.flatnonzero(self.rows)
        shown = ", ".join(str(labels[i]) for i in positions[:LABELS_SHOWN])
        more = ", …" if len(positions) > LABELS_SHOWN else ""
        where = f"{len(positions)} of {len(labels)} rows ({shown}{more})"
        return f"{self.column}: {self.what} in {where}: {self.remedy}"


@dataclass(frozen=True)
class Number:
    """A measured number, accepted in ``[low, high)``; ``below`` and ``above`` say what to do outside."""

    name: str
    unit: str
    low: float
    high: float
    below: str = "check the value and its unit"
    above: str = "check the value and its unit"

    def read(self, values: pd.Series[Any]) -> tuple[Floats, list[Fault]]:
        """Return the values as numbers, shape ``(n,)``, and what is wrong with them."""
        numbers, faults = read_numbers(self.name, f"a number ({self.unit})", values)
        under, over = f"under {self.low:g} {self.unit}", f"{self.high:g} {self.unit} or over"
        return numbers, [
            *faults,
            Fault(self.name, "outside", numbers < self.low, under, self.below),
            Fault(self.name, "outside", numbers >= self.high, over, self.above),
        ]


@dataclass(frozen=True)
class Flag:
    """A yes (1) or no (0); ``excluded`` says what to do for a yes where it is excluded, else empty."""

    name: str
    excluded: str = ""

    def read(self, values: pd.Series[Any]) -> tuple[Floats, list[Fault]]:
        """Return the values as 0 or 1, shape ``(n,)``, and what is wrong with them."""
        numbers, faults = read_numbers(self.name, "0 or 1", values)
        neither = ~np.isnan(numbers) & ~np.isin(numbers, (0.0, 1.0))
        excluded = (numbers == 1.0) & bool(self.excluded)
        return numbers, [
            *faults,
            Fault(self.name, "unreadable", neither, "neither 0 nor 1", "code no as 0 and yes as 1"),
            Fault(self.name, "excluded", excluded, "excluded by the authors", self.excluded),
        ]


@dataclass(frozen=True)
class Choice:
    """One word out of a few."""

    name: str
    words: tuple[str, ...]

    def read(self, values: pd.Series[Any]) -> tuple[npt.NDArray[np.object_], list[Fault]]:
        """Return the words, shape ``(n,)``, and what is wrong with them."""
        missing = values.isna().to_numpy()
        unknown = ~values.isin(self.words).to_numpy() & ~missing
        return values.to_numpy(dtype=object), [
            Fault(self.name, "missing", missing, "missing", NO_IMPUTATION),
            Fault(self.name, "unreadable", unknown, "unknown", f"use one of {', '.join(self.words)}"),
        ]


@dataclass(frozen=True)
class Equation:
    """A published equation: whom it is for, what it reads, and its formula.

    Parameters
    ----------
    name
        The score's name at the door, such as ``"score2"``.
    columns
        What it reads, the first ``age``. When several things are wrong with a person, the first column's
        reason is the one a comparator gives.
    formula
        From clean inputs (all columns, every value accepted) and a variant to probabilities, shape ``(n,)``.
    variants
        Published versions of the coefficients, the recommended one first; empty where there is only one
        version.
    ordered
        Pairs of columns of which the first must be below the second.
    """

    name: str
    columns: tuple[Number | Flag | Choice, ...]
    formula: Callable[[pd.DataFrame, str | None], Floats]
    variants: tuple[str, ...] = ()
    ordered: tuple[tuple[str, str], ...] = ()

    @property
    def ages(self) -> tuple[float, float]:
        """The authors' age range in years, half-open."""
        age = self.columns[0]
        assert isinstance(age, Number), "an equation's first column is age"
        return age.low, age.high

    def read(self, inputs: pd.DataFrame) -> tuple[pd.DataFrame, list[Fault]]:
        """Return the columns that are there, clean, in a frame indexed from 0, and what is wrong."""
        clean: dict[str, npt.NDArray[Any]] = {}
        faults: list[Fault] = []
        for column in self.columns:
            if list(inputs.columns).count(column.name) == 1:
                clean[column.name], found = column.read(inputs[column.name])
                faults += found
        for small, large in self.ordered:
            if small in clean and large in clean:
                crossed = clean[small] >= clean[large]
                faults.append(Fault(small, "outside", crossed, f"not below {large}", "check both and their units"))
        return pd.DataFrame(clean, index=range(len(inputs))), [fault for fault in faults if fault.rows.any()]

    def check_columns(self, given: Iterable[object]) -> list[str]:
        """Return what is wrong with the names of the columns: missing, unknown or given twice."""
        given, needed = list(given), [column.name for column in self.columns]
        missing = [name for name in needed if name not in given]
        unknown = sorted({str(name) for name in given if name not in needed})
        twice = [name for name in needed if given.count(name) > 1]
        found = (
            (missing, "missing columns", "add them"),
            (unknown, "unknown columns", f"leave them out; the columns are {', '.join(needed)}"),
            (twice, "columns given more than once", "keep one of each"),
        )
        return [f"{what} {', '.join(names)}: {remedy}" for names, what, remedy in found if names]

    def check_variant(self, variant: str | None) -> list[str]:
        """Return what is wrong with a variant, if anything."""
        if variant is None or variant in self.variants:
            return []
        remedy = f"use one of {', '.join(self.variants)}" if self.variants else "there is only one, leave it out"
        return [f"unknown variant {variant!r}: {remedy}"]

    def compute(self, clean: pd.DataFrame, variant: str | None = None) -> Floats:
        """Return probabilities, shape ``(n,)``, from clean rows of `read`, those without a fault."""
        recommended = self.variants[0] if self.variants else None
        return self.formula(clean, variant or recommended)


def read_numbers(name: str, expected: str, values: pd.Series[Any]) -> tuple[Floats, list[Fault]]:
    """Return values as numbers, NaN where there is none, and which are missing or unreadable."""
    missing = values.isna().to_numpy()
    if pd.api.types.is_any_real_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        readable = ~missing
    else:
        readable = np.fromiter((isinstance(value, Real) for value in values), dtype=np.bool_, count=len(values))
        readable &= ~missing
    numbers = np.full(len(values), np.nan)
    numbers[readable] = values[readable].to_numpy(dtype=np.float64)
    return numbers, [
        Fault(name, "missing", missing, "missing", NO_IMPUTATION),
        Fault(name, "unreadable", ~readable & ~missing, "not a number", f"give {expected}"),
    ]


SEX: Final = Choice("sex", ("female", "male"))
SMOKER: Final = Flag("smoker")
SYSTOLIC: Final = Number("sbp", "mmHg", 60, 280)
TOTAL_CHOLESTEROL: Final = Number("tchol", "mmol/L", 1, 20)
HDL: Final = Number("hdl", "mmol/L", 0.2, 5)
TOTAL_CHOLESTEROL_MG_DL: Final = Number("tchol_mgdl", "mg/dL", MG_DL_PER_MMOL_L, 20 * MG_DL_PER_MMOL_L)
HDL_MG_DL: Final = Number("hdl_mgdl", "mg/dL", 0.2 * MG_DL_PER_MMOL_L, 5 * MG_DL_PER_MMOL_L)
REGION: Final = Choice("region", ("low", "moderate", "high", "very_high"))

"""What every published equation is made of: columns that read and judge their values, and a formula.

A column turns the values it is given into clean numbers and says, row by row, what is wrong with them. The
door (:func:`training.published.risk`) raises on any fault; a comparator
(:mod:`training.published.comparators`) refuses the rows that have one. Both therefore share a single
statement of who an equation is for. A comparator is stricter in one way: where a formula has a value for
people whom its authors leave out, the door gives it, so that the formula can be checked, and a comparator
does not.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from numbers import Real
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Inputs = Mapping[str, Array]
"""Values by column, each of shape ``(n,)``; of a `Choice`, the place of its word."""

Kind = Literal["missing", "unreadable", "implausible", "outside", "excluded", "lacking"]

MG_DL_PER_MMOL_L: Final = 38.67
"""Milligrams of cholesterol a decilitre in one millimole a litre."""

LABELS_SHOWN: Final = 5
FEW_ROWS: Final = 100
"""Up to which taking columns from one table is faster than looking them up one by one."""

NO_IMPUTATION: Final = "give a value or leave them out, nothing is imputed"
CHECK: Final = "check the value and its unit"
LEFT_OUT: Final = "check the value and its unit, or leave them out as the authors do"


@dataclass(frozen=True, eq=False)
class Fault:
    """One thing wrong with one column, in some rows.

    Parameters
    ----------
    column
        Name of the column.
    kind
        ``"missing"``, ``"unreadable"`` (not of the expected kind), ``"implausible"``, ``"outside"`` the
        authors' range, ``"excluded"`` by them, or ``"lacking"`` what they require.
    rows
        Which rows have it, shape ``(n,)``.
    what, remedy
        What is wrong and what to do about it, in words. Neither holds a value that was given.
    bounds
        The authors' range, where that is what it is outside of.
    at_door
        False where the formula has a value all the same.
    """

    column: str
    kind: Kind
    rows: Bools
    what: str
    remedy: str
    bounds: tuple[float, float] = (-np.inf, np.inf)
    at_door: bool = True

    def describe(self, labels: pd.Index[Any]) -> str:
        """Return what is wrong, where (the first row labels and the count) and what to do."""
        positions = np.flatnonzero(self.rows)
        shown = ", ".join(str(labels[i]) for i in positions[:LABELS_SHOWN])
        more = ", …" if len(positions) > LABELS_SHOWN else ""
        where = f"{len(positions)} of {len(labels)} rows ({shown}{more})"
        return f"{self.column}: {self.what} in {where}: {self.remedy}"


@dataclass(frozen=True)
class Source:
    """The features a comparator makes a column of, and how.

    Parameters
    ----------
    features
        Names of the features, each holding numbers; the first is the one a refusal names.
    factor
        Number of the column's units in one of the feature's.
    compute
        From the features to the column, where that is more than a change of unit.
    """

    features: tuple[str, ...]
    factor: float = 1.0
    compute: Callable[..., Array] | None = None

    def take(self, features: Mapping[str, Floats]) -> Array:
        """Return the column, shape ``(n,)``."""
        if self.compute is not None:
            return self.compute(*(features[name] for name in self.features))
        return self.factor * features[self.features[0]]


@dataclass(frozen=True)
class Number:
    """A measured number, accepted from ``low`` up to ``high``.

    Parameters
    ----------
    name, unit, low, high
        ``low`` is accepted; ``high`` only where the range is ``closed``.
    source
        Where a comparator finds it; None where it is told once for everybody.
    below, above
        What to do about a number outside.
    authors
        Whether the range is the authors', and not merely what is plausible.
    intended
        The authors' range, where the formula is known to hold beyond it.
    only_if
        A flag read before: where it is 0 the number is not looked at.
    """

    name: str
    unit: str
    low: float
    high: float
    source: Source | None = None
    below: str = ""
    above: str = ""
    closed: bool = False
    authors: bool = False
    intended: tuple[float, float] | None = None
    only_if: str = ""

    def read(self, values: Array) -> tuple[Floats, list[Fault]]:
        """Return the values as numbers, shape ``(n,)``, and what is wrong with them."""
        numbers, unreadable = read_numbers(values)
        low, high = self.intended or (self.low, self.high)
        inside = (numbers >= low) & (numbers <= high if self.closed else numbers < high)
        if inside.all():
            return numbers, []
        over = operator.gt if self.closed else operator.ge
        kind: Kind = "outside" if self.authors else "implausible"
        remedy = LEFT_OUT if self.authors else CHECK
        fault = partial(Fault, self.name, kind, bounds=(low, high))
        top = f"over {self.high:g} {self.unit}" if self.closed else f"{self.high:g} {self.unit} or over"
        faults = [
            *unread(self.name, f"a number ({self.unit})", numbers, unreadable),
            fault(numbers < self.low, f"under {self.low:g} {self.unit}", self.below or remedy),
            fault(over(numbers, self.high), top, self.above or remedy),
        ]
        if self.intended is not None:
            what = f"outside {low:g} to {high:g} {self.unit}"
            faults.append(Fault(self.name, "outside", ~inside, what, LEFT_OUT, (low, high), at_door=False))
        return numbers, faults


@dataclass(frozen=True)
class Flag:
    """A yes (1) or no (0).

    Parameters
    ----------
    name
        Name of the column.
    source
        Where a comparator finds it.
    excluded
        What to do about a yes, where the authors leave those people out.
    required
        What to do about a no, where the authors leave those people out; the door lets it pass.
    at_door
        False for what the formula does not read and a comparator must know.
    """

    name: str
    source: Source | None = None
    excluded: str = ""
    required: str = ""
    at_door: bool = True

    def read(self, values: Array) -> tuple[Floats, list[Fault]]:
        """Return the values as 0 or 1, shape ``(n,)``, and what is wrong with them."""
        numbers, unreadable = read_numbers(values)
        yes, no = numbers == 1.0, numbers == 0.0
        wanted = no if self.excluded else yes if self.required else yes | no
        if wanted.all():
            return numbers, []
        neither = ~(yes | no | np.isnan(numbers))
        return numbers, [
            *unread(self.name, "0 or 1", numbers, unreadable),
            Fault(self.name, "unreadable", neither, "neither 0 nor 1", "code no as 0 and yes as 1"),
            Fault(self.name, "excluded", yes & bool(self.excluded), "excluded by the authors", self.excluded),
            Fault(self.name, "lacking", no & bool(self.required), "required", self.required, at_door=False),
        ]


@dataclass(frozen=True)
class Choice:
    """One word, or one code, out of a few; clean, it is the place of the word among them."""

    name: str
    words: tuple[str | int, ...]
    source: Source | None = None
    meaning: str = ""

    def read(self, values: Array) -> tuple[npt.NDArray[np.intp], list[Fault]]:
        """Return the places of the words, shape ``(n,)``, and what is wrong with them."""
        words = values.astype(object)
        missing = np.asarray(pd.isna(words))
        words[missing] = None  # pandas' own missing value is neither equal nor unequal to a word
        places = np.full(len(words), -1, dtype=np.intp)
        for place, word in enumerate(self.words):
            places[words == word] = place
        unknown = places < 0
        if not unknown.any():
            return places, []
        remedy = f"use one of {', '.join(map(str, self.words))}{self.meaning}"
        return places, [
            Fault(self.name, "missing", missing, "missing", NO_IMPUTATION),
            Fault(self.name, "unreadable", unknown & ~missing, "unknown", remedy),
        ]


Column = Number | Flag | Choice


@dataclass(frozen=True)
class Rule:
    """Something two columns may not be together; it is the first one's fault."""

    column: str
    other: str
    broken: Callable[[Floats, Floats], Bools]
    what: str
    remedy: str


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
        From clean inputs (all columns, every value accepted) to probabilities, shape ``(n,)``.
    rules
        What must hold between columns.
    horizon
        Years for which it gives the risk.
    notice
        What its authors ask to be shown with every result, in French and English.
    """

    name: str
    columns: tuple[Column, ...]
    formula: Callable[[Inputs], Floats]
    rules: tuple[Rule, ...] = ()
    horizon: float = 10.0
    notice: Mapping[Literal["fr", "en"], str] | None = None

    @property
    def ages(self) -> tuple[float, float]:
        """The authors' age range in years, half-open."""
        age = self.columns[0]
        assert isinstance(age, Number), "an equation's first column is age"
        return age.low, age.high

    @property
    def door(self) -> list[str]:
        """Names of the columns the door takes: those that the formula reads."""
        return [column.name for column in self.columns if not (isinstance(column, Flag) and not column.at_door)]

    def column(self, name: str) -> Column:
        """Return a column by its name."""
        return next(column for column in self.columns if column.name == name)

    def read(self, inputs: Inputs) -> tuple[dict[str, Array], list[Fault]]:
        """Return the columns that are there, clean, and what is wrong."""
        clean: dict[str, Array] = {}
        faults: list[Fault] = []
        for column in self.columns:
            if column.name in inputs:
                clean[column.name], found = column.read(inputs[column.name])
                if isinstance(column, Number) and column.only_if in clean:
                    idle = clean[column.only_if] == 0.0
                    clean[column.name] = np.where(idle, np.nan, clean[column.name])
                    found = [replace(fault, rows=fault.rows & ~idle) for fault in found]
                faults += found
        for rule in self.rules:
            if rule.column in clean and rule.other in clean:
                broken = rule.broken(clean[rule.column], clean[rule.other])
                if broken.any():
                    faults.append(Fault(rule.column, "implausible", broken, rule.what, rule.remedy))
        return clean, [fault for fault in faults if fault.rows.any()]

    def check_columns(self, given: Sequence[object]) -> list[str]:
        """Return what is wrong with the names of the columns: missing, unknown or given twice."""
        needed = self.door
        missing = [name for name in needed if name not in given]
        unknown = sorted({str(name) for name in given if name not in needed})
        twice = [name for name in needed if given.count(name) > 1]
        found = (
            (missing, "missing columns", "add them"),
            (unknown, "unknown columns", f"leave them out; the columns are {', '.join(needed)}"),
            (twice, "columns given more than once", "keep one of each"),
        )
        return [f"{what} {', '.join(names)}: {remedy}" for names, what, remedy in found if names]


def each(inputs: Inputs, choice: Choice, risk: Callable[[str, Inputs], Floats]) -> Floats:
    """Return the risk of everybody, shape ``(n,)``, from a function that gives that of people of one word."""
    places = inputs[choice.name]
    result = np.full(len(places), np.nan)
    for place, word in enumerate(choice.words):
        rows = places == place
        if rows.all():
            return risk(str(word), inputs)
        if rows.any():
            result[rows] = risk(str(word), {name: values[rows] for name, values in inputs.items()})
    return result


def columns_of(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, Array]:
    """Return columns of a frame by name, as `column_values`; each name must be there once."""
    if len(frame) <= FEW_ROWS:
        table = frame.to_numpy()
        if table.dtype.kind in "fiub":
            places = {name: place for place, name in enumerate(frame.columns.tolist())}
            return {name: table[:, places[name]] for name in names}
    return {name: column_values(frame[name]) for name in names}


def column_values(column: pd.Series[Any]) -> Array:
    """Return a column of a frame as an array: of numbers where its type is one of numbers, NaN where missing."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return column.to_numpy()
    real = pd.api.types.is_any_real_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)
    if real and not isinstance(dtype, pd.CategoricalDtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return column.to_numpy(dtype=object)


def read_numbers(values: Array) -> tuple[Floats, Bools | None]:
    """Return values as numbers, NaN where there is none, and which are something else (None where all are numbers)."""
    if values.dtype.kind in "fiub":
        return values.astype(np.float64, copy=False), None
    values = values.astype(object)
    missing = np.asarray(pd.isna(values))
    readable = np.fromiter((isinstance(value, Real) for value in values), dtype=np.bool_, count=len(values)) & ~missing
    numbers = np.full(len(values), np.nan)
    numbers[readable] = values[readable].astype(np.float64)
    return numbers, ~readable & ~missing


def unread(name: str, expected: str, numbers: Floats, unreadable: Bools | None) -> list[Fault]:
    """Return the faults of what `read_numbers` could not read: missing, or not numbers."""
    missing = np.isnan(numbers)
    if unreadable is None:
        return [Fault(name, "missing", missing, "missing", NO_IMPUTATION)]
    return [
        Fault(name, "missing", missing & ~unreadable, "missing", NO_IMPUTATION),
        Fault(name, "unreadable", unreadable, "not a number", f"give {expected}"),
    ]


def of(feature: str, factor: float = 1.0) -> Source:
    """Return the source of a column that is one feature, in another unit if need be."""
    return Source((feature,), factor)


def below(small: str, large: str) -> Rule:
    """Return the rule that one measurement is below another."""
    return Rule(small, large, np.greater_equal, f"not below {large}", "check both and their units")


def _words_of_sex(female: Floats) -> Array:
    words = np.array(["female", "male", "neither", None], dtype=object)
    return words[np.where(female == 1, 0, np.where(female == 0, 1, np.where(np.isnan(female), 3, 2)))]


SEX: Final = Choice("sex", ("female", "male"), Source(("female",), compute=_words_of_sex))
SMOKER: Final = Flag("smoker", of("smoker"))
DIABETES: Final = Flag("dm", of("diabetes"))
BP_TREATED: Final = Flag("bp_tx", of("bp_treated"))
SYSTOLIC: Final = Number("sbp", "mmHg", 60, 280, of("systolic"))
TOTAL_CHOLESTEROL: Final = Number("tchol", "mmol/L", 1, 20, of("total_cholesterol"))
HDL: Final = Number("hdl", "mmol/L", 0.2, 5, of("hdl"))
TOTAL_CHOLESTEROL_MG_DL: Final = Number(
    "tchol_mgdl", "mg/dL", MG_DL_PER_MMOL_L, 20 * MG_DL_PER_MMOL_L, of("total_cholesterol", MG_DL_PER_MMOL_L)
)
HDL_MG_DL: Final = Number(
    "hdl_mgdl", "mg/dL", 0.2 * MG_DL_PER_MMOL_L, 5 * MG_DL_PER_MMOL_L, of("hdl", MG_DL_PER_MMOL_L)
)
BODY_MASS_INDEX: Final = Number("bmi", "kg/m2", 10, 80, of("bmi"))
REGION: Final = Choice("region", ("low", "moderate", "high", "very_high"))

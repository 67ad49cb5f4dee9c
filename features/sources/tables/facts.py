"""Rows of a file, and what the mapping says of them → records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.codes import SOURCE
from features.sources.choice import chosen, coded, own
from features.sources.columns import combinations, each
from features.sources.retractions import said_and_taken_back
from features.sources.tables import cells
from features.sources.tables.cells import Moments
from features.sources.tables.mapping import (
    Coding,
    Condition,
    Fact,
    File,
    Format,
    KnownAt,
    Retraction,
    Text,
    Unit,
    plain,
)
from features.sources.units import in_ucum, unit_of

REMEMBERED: Final = 100_000


class Rows:
    """Some rows of a file, their columns read once in each way they are asked for."""

    def __init__(self, columns: Mapping[str, pa.Array], where: pa.Array, form: Format) -> None:
        self._columns, self.where, self._format = columns, where, form
        self._texts: dict[str, pa.Array] = {}
        self._dates: dict[tuple[str, ...], Moments] = {}

    def __len__(self) -> int:
        return len(self.where)

    def text(self, column: str) -> pa.Array:
        """Return the texts of a column."""
        if column not in self._texts:
            self._texts[column] = cells.texts(self._columns[column])
        return self._texts[column]

    def numbers(self, column: str) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
        """Return the numbers of a column, and which cells are none."""
        return cells.numbers(self._columns[column], self._format.decimal)

    def moments(self, columns: tuple[str, ...]) -> Moments:
        """Return the dates of a column, or of a column of days and one of times of day."""
        if columns not in self._dates:
            single = self._columns[columns[0]]
            if len(columns) > 1 or not cells.is_dated(single.type):
                parts = [pc.fill_null(self.text(column), "") for column in columns]
                single = cells.texts(pc.binary_join_element_wise(*parts, " "))
            self._dates[columns] = cells.moments(single, self._format)
        return self._dates[columns]

    def meeting(self, conditions: Sequence[Condition]) -> npt.NDArray[np.bool_]:
        """Return which rows meet all conditions."""
        met = np.ones(len(self), dtype=bool)
        for condition in conditions:
            texts = [plain(text) for text in (*condition.among, *condition.not_among)]
            found = pc.is_in(pc.fill_null(self.text(condition.column), ""), value_set=pa.array(texts))
            met &= found.to_numpy(zero_copy_only=False) == bool(condition.among)
        return met


class Codes:
    """The code of each row of a fact, worked out once for each distinct row of codings."""

    def __init__(self, codings: Sequence[Coding]) -> None:
        self._codings = codings
        self._known: dict[tuple[str | None, ...], tuple[str | None, str | None]] = {}

    def of(self, rows: Rows) -> tuple[pa.Array, pa.Array]:
        """Return the code of each row, and why there is none; both are null where the cells are empty."""
        columns = [rows.text(coding.column) for coding in self._codings if coding.column is not None]
        if not columns:
            code, _ = self._chosen(())
            return pa.array([code] * len(rows), pa.string()), pa.nulls(len(rows), pa.string())
        which, distinct = combinations(columns)
        found = [self._chosen(cells) for cells in distinct]
        code, fault = (pa.array([pair[part] for pair in found], pa.string()).take(pa.array(which)) for part in (0, 1))
        return code, fault

    def _chosen(self, cells: tuple[str | None, ...]) -> tuple[str | None, str | None]:
        if cells not in self._known:
            if len(self._known) > REMEMBERED:
                self._known.clear()
            self._known[cells] = self._choose(cells)
        return self._known[cells]

    def _choose(self, cells: tuple[str | None, ...]) -> tuple[str | None, str | None]:
        found: list[str] = []
        fault = None
        rest = iter(cells)
        for coding in self._codings:
            if coding.constant is not None:
                found.append(coding.constant)
            elif (cell := next(rest)) is None:
                continue
            elif (code := _code(coding, cell)) is not None:
                found.append(code)
            else:
                fault = fault or ("malformed code" if coding.system else "code not in the lookup")
        found.sort(key=lambda code: code.startswith(f"{SOURCE.name}:"))
        return (chosen(found), None) if found else (None, fault)


def _code(coding: Coding, cell: str) -> str | None:
    """Return what a cell of a coding stands for, None if it is no code."""
    if cell in coding.lookup or coding.system is None:
        return coding.lookup.get(cell)
    return own(cell) if coding.system == SOURCE.name else coded(coding.system, cell)


def records(rows: Rows, file: File, fact: Fact, codes: Codes, delivered_at: datetime) -> pa.Table:
    """Return the records that some rows make of a fact."""
    code, code_fault = codes.of(rows)
    keep = rows.meeting([*file.only, *fact.only])
    value, not_number = pa.nulls(len(rows), pa.float64()), np.zeros(len(rows), dtype=bool)
    no_value = not_number
    if fact.value is not None:
        value, not_number = rows.numbers(fact.value)
        no_value = pc.is_null(value).to_numpy(zero_copy_only=False) & ~not_number
    if fact.optional:
        no_code = pc.and_(pc.is_null(code), pc.is_null(code_fault)).to_numpy(zero_copy_only=False)
        keep &= ~(no_code if fact.value is None else no_value)
    happened = rows.moments(fact.happened_at or file.happened_at)
    known = _known(rows, happened, fact.known_at or file.known_at)
    back, back_fault = _taken_back(rows, file.retracted, known, delivered_at)
    fault = code_fault
    for reason, found in (
        ("no value", no_value),
        ("value is not a number", not_number),
        ("date not understood", happened.fault | known.fault | back_fault),
    ):
        fault = pc.if_else(pa.array(found), reason, fault)
    table = pa.table(
        {
            "patient": rows.text(file.patient),
            "practice": _said(rows, file.practice),
            "happened_at": pa.array(happened.utc, pa.timestamp("us")),
            "known_at": pa.array(known.utc, pa.timestamp("us")),
            "code": code,
            "value": value,
            "unit": _units(rows, fact.unit, code, value),
            "retracted_at": pa.array(back, pa.timestamp("us")),
            "where": rows.where,
            "fault": fault,
        }
    )
    return said_and_taken_back(table.filter(pa.array(keep)))


def _known(rows: Rows, happened: Moments, rule: KnownAt) -> Moments:
    days = np.timedelta64(rule.days or 0, "D")
    later = Moments(happened.utc + days, happened.day + days, happened.alone, happened.fault)
    if not rule.column:
        return later
    told = rows.moments(rule.column)
    utc = _not_before(told, happened)
    if rule.days is None:
        return Moments(utc, told.day, told.alone, told.fault)
    empty = np.isnat(utc) & ~told.fault
    return Moments(
        np.where(empty, later.utc, utc),
        np.where(empty, later.day, told.day),
        np.where(empty, later.alone, told.alone),
        told.fault,
    )


def _taken_back(
    rows: Rows, rule: Retraction | None, known: Moments, delivered_at: datetime
) -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.bool_]]:
    """Return when each row was taken back, NaT if it was not, and where that date is not understood."""
    at, fault = np.full(len(rows), "NaT", dtype="datetime64[us]"), np.zeros(len(rows), dtype=bool)
    if rule is None:
        return at, fault
    if rule.at:
        told = rows.moments(rule.at)
        at, fault = _not_before(told, known), told.fault
    if rule.column is None:
        return at, fault
    cancelled = rows.meeting([Condition(rule.column, rule.among)])
    at = np.where(np.isnat(at), np.datetime64(delivered_at, "us"), at)
    return np.where(cancelled, at, np.datetime64("NaT", "us")), fault & cancelled


def _not_before(told: Moments, first: Moments) -> npt.NDArray[np.datetime64]:
    """Return moments that are told, or the first ones for those of the same day where either is a date alone."""
    same = (told.day == first.day) & (told.alone | first.alone)
    return np.where(same & (told.utc < first.utc), first.utc, told.utc)


def _said(rows: Rows, text: Text) -> pa.Array:
    if text.column is not None:
        return rows.text(text.column)
    return pa.array([text.constant] * len(rows), pa.string())


def _units(rows: Rows, unit: Unit | None, code: pa.Array, value: pa.Array) -> pa.Array:
    if unit is None:
        return pa.nulls(len(rows), pa.string())
    found = pc.coalesce(each(code, unit.by_code.get), pa.scalar(unit.constant, pa.string()))
    if unit.column is not None:
        said = rows.text(unit.column)  # a unit that is none is no reason to suppose another
        found = pc.if_else(pc.is_null(said), found, each(said, unit_of))
    return pc.if_else(pc.is_valid(value), in_ucum(found), None)

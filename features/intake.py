"""The door of the store: what a delivered row must be, what its value is worth, and why others are turned away.

A bad row never stops a delivery: it is *refused*, with its reason. A bad value never passes for a measurement: its row
is *quarantined*, with its reason. Only a table that cannot be understood at all is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.codes import Concept, InvalidCode, measured, parse_code

SCHEMA: Final = pa.schema(
    [
        ("patient", pa.string()),
        ("practice", pa.string()),
        ("happened_at", pa.timestamp("us")),
        ("known_at", pa.timestamp("us")),
        ("code", pa.string()),
        ("value", pa.float64()),
        ("unit", pa.string()),
        ("retracted_at", pa.timestamp("us")),
    ]
)
COLUMNS: Final = tuple(SCHEMA.names)
REQUIRED: Final = ("patient", "practice", "happened_at", "known_at", "code")

#: What looks like a French social-security number (NIR, also the INS): 13 digits from 1, 2, 7 or 8 on, maybe a key.
IDENTIFIER: Final = r"^\s*[1278](\s?\d){4}\s?(\d|2[AB])(\s?\d){6,10}\s*$"


class InvalidRecords(ValueError):
    """Records that cannot be taken in; ``faults`` lists everything that is wrong with them."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("these records cannot be taken in:\n" + "\n".join(f"- {fault}" for fault in faults))


@dataclass(frozen=True)
class Normalised:
    """A value in its concept's unit, or why it is not used (``"unit"``, ``"implausible"``)."""

    value: float | None
    unit: str | None
    fault: str | None = None


def normalise(code: str, value: float | None, unit: str | None, concepts: Iterable[Concept]) -> Normalised:
    """Return the value converted to its concept's unit, by the unit of the record and never by its code.

    A value whose unit is missing or cannot be converted, or which is outside the plausible range, gets a fault; a code
    that belongs to no measured concept is left as it is.
    """
    concept = measured(concepts, code)
    if concept is None or value is None:
        return Normalised(value, unit)
    factor = concept.factor(unit)
    if factor is None:
        return Normalised(None, unit, "unit")
    converted = value * factor
    if concept.plausible and not concept.plausible[0] <= converted <= concept.plausible[1]:
        return Normalised(None, unit, "implausible")
    return Normalised(converted, concept.unit)


@dataclass(frozen=True, eq=False)
class Sorted:
    """A delivered table, sorted out.

    Attributes
    ----------
    kept
        Rows with the columns of ``SCHEMA``, values in their concept's unit.
    set_aside
        The other rows as they came, with why in a column ``fault``.
    refused, quarantined
        How many rows, and how many values, were set aside for each reason.
    """

    kept: pa.Table
    set_aside: pa.Table
    refused: dict[str, int]
    quarantined: dict[str, int]


def sort_out(frame: pd.DataFrame | pa.Table, delivered_at: datetime, concepts: Sequence[Concept]) -> Sorted:
    """Return what of a delivered table is kept, and what is set aside and why.

    Raises
    ------
    InvalidRecords
        If columns are missing or unknown, or have not the type they should: all faults at once.
    """
    table = _as_table(frame)
    fault = _refusals(table, delivered_at)
    refused = table.filter(pa.array(fault != ""))
    table, doubtful, doubts = _normalised(table.filter(pa.array(fault == "")), concepts)
    reasons = fault[fault != ""]
    aside = pa.concat_tables([_with_fault(refused, reasons), _with_fault(doubtful, doubts)])
    return Sorted(table, aside, _tally(reasons), _tally(doubts))


def _as_table(frame: pd.DataFrame | pa.Table) -> pa.Table:
    table = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)
    absent = [name for name in REQUIRED if name not in table.column_names]
    unknown = [name for name in table.column_names if name not in COLUMNS]
    faults = [f"column {name!r} is missing" for name in absent]
    faults += [f"column {name!r} is not one of {', '.join(COLUMNS)}" for name in unknown]
    if faults:
        raise InvalidRecords(faults)
    for name in COLUMNS:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(len(table), SCHEMA.field(name).type))
    columns = []
    for field in SCHEMA:
        try:
            columns.append(table.column(field.name).cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            faults.append(
                f"column {field.name!r} is {table.column(field.name).type}, and cannot be read as {field.type}"
            )
    if faults:
        raise InvalidRecords(faults)
    table = pa.table(columns, schema=SCHEMA)
    value = table.column("value")
    return table.set_column(COLUMNS.index("value"), "value", pc.if_else(pc.is_nan(value), None, value))


def _refusals(table: pa.Table, delivered_at: datetime) -> npt.NDArray[np.object_]:
    """Return why each row is refused, ``""`` where it is not; of several reasons the first counts."""
    end = pa.scalar(delivered_at, pa.timestamp("us"))
    codes = pc.unique(table.column("code")).to_pylist()
    wrong_codes = pa.array([code for code in codes if code is not None and _is_wrong(code)], pa.string())
    reasons: dict[str, pa.ChunkedArray] = {
        f"no {name}": pc.or_kleene(pc.is_null(column), _is_blank(column))
        for name, column in ((name, table.column(name)) for name in REQUIRED)
    }
    reasons["looks like a social-security number"] = pc.or_(
        *(
            pc.fill_null(pc.match_substring_regex(table.column(name), IDENTIFIER), False)
            for name in ("patient", "practice")
        )
    )
    reasons["unknown or malformed code"] = pc.is_in(table.column("code"), value_set=wrong_codes)
    reasons["known before it happened"] = pc.less(table.column("known_at"), table.column("happened_at"))
    reasons["known after the delivery"] = pc.greater(table.column("known_at"), end)
    reasons["retracted before it was known, or after the delivery"] = pc.or_kleene(
        pc.less(table.column("retracted_at"), table.column("known_at")), pc.greater(table.column("retracted_at"), end)
    )
    reasons["infinite value"] = pc.is_inf(table.column("value"))
    fault = np.full(len(table), "", dtype=object)
    for reason, found in reversed(reasons.items()):
        fault[pc.fill_null(found, False).to_numpy().astype(bool)] = reason
    return fault


def _is_wrong(code: str) -> bool:
    try:
        parse_code(code)
    except InvalidCode:
        return True
    return bool(re.match(IDENTIFIER, code.partition(":")[2]))


def _is_blank(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Scalar:
    return pc.equal(pc.utf8_trim_whitespace(column), "") if pa.types.is_string(column.type) else pa.scalar(False)


def _normalised(table: pa.Table, concepts: Sequence[Concept]) -> tuple[pa.Table, pa.Table, npt.NDArray[np.object_]]:
    """Apply `normalise` to a table: what depends on the code and unit is worked out once for each distinct pair."""
    code = pc.dictionary_encode(table.column("code")).combine_chunks()
    unit = pc.dictionary_encode(table.column("unit"), null_encoding="encode").combine_chunks()
    codes, units = code.dictionary.to_pylist(), unit.dictionary.to_pylist()
    pair = code.indices.to_numpy().astype(np.int64) * max(len(units), 1) + unit.indices.to_numpy()
    value = table.column("value").to_numpy().astype(np.float64).copy()
    new_unit = np.array(units, dtype=object)[unit.indices.to_numpy()] if len(units) else np.empty(0, dtype=object)
    fault = np.full(len(table), "", dtype=object)
    order = np.argsort(pair, kind="stable")
    distinct, begin, many = np.unique(pair[order], return_index=True, return_counts=True)
    for key, first, n in zip(distinct, begin, many, strict=True):
        rows = order[first : first + n]
        concept = measured(concepts, codes[key // len(units)])
        if concept is None:
            continue
        rows = rows[~np.isnan(value[rows])]
        factor = concept.factor(units[key % len(units)])
        if factor is None:
            fault[rows] = "unit"
            continue
        value[rows] *= factor
        new_unit[rows] = concept.unit
        if concept.plausible:
            low, high = concept.plausible
            fault[rows[(value[rows] < low) | (value[rows] > high)]] = "implausible"
    bad: npt.NDArray[np.bool_] = fault != ""
    doubtful = table.filter(pa.array(bad))
    for name, column in (
        ("value", pa.array(value, pa.float64(), from_pandas=True)),
        ("unit", pa.array(new_unit, pa.string(), from_pandas=True)),
    ):
        table = table.set_column(table.column_names.index(name), name, column)
    # A quarantined value leaves no row behind: "measured, but not believed" must not count as measured.
    return table.filter(pa.array(~bad)), doubtful, fault[bad]


def _with_fault(table: pa.Table, fault: npt.NDArray[np.object_]) -> pa.Table:
    return table.append_column("fault", pa.array(fault, pa.string()))


def _tally(reasons: npt.NDArray[np.object_]) -> dict[str, int]:
    names, counts = np.unique(reasons.astype(str), return_counts=True)
    return {str(name): int(n) for name, n in zip(names, counts, strict=True)}

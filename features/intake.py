"""The door of the store: what a delivered row must be, what its value is worth, and why others are turned away.

A bad row never stops a delivery: it is *refused*, with its reason. A bad value never passes for a measurement: its row
is *quarantined*, with its reason. Only a table that cannot be understood at all is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.catalogue.concepts import BIRTH, DEATH, LEFT, REGISTERED, SEX
from features.codes import CIP13, SNOMED, Concept, InvalidCode, measured, measured_by, parse_code

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
#: What a reader may add to a row: where it came from, and why no record could be made of it.
REMARKS: Final = pa.schema([("where", pa.string()), ("fault", pa.string())])
DELIVERED: Final = pa.schema([*SCHEMA, *REMARKS])
REQUIRED: Final = ("patient", "practice", "happened_at", "known_at", "code")

#: A French social-security number (NIR, also the INS): sex, year, month, département, commune, rank, maybe a key.
IDENTIFIER: Final = re.compile(r"[1-478]\d\d(0[1-9]|1[0-2]|[2-9]\d)(\d\d|2[AB])\d{6}(\d\d)?")
#: What stays of a patient who still has records, however old it is.
LASTING: Final = (BIRTH, SEX, REGISTERED, LEFT, DEATH)
#: Systems with codes of 13 or 15 digits of their own.
NUMBERED: Final = (SNOMED.name, CIP13.name)
NAMED: Final = "looks like a social-security number"


class InvalidRecords(ValueError):
    """Records that cannot be taken in; ``faults`` lists everything that is wrong with them."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("these records cannot be taken in:\n" + "\n".join(f"- {fault}" for fault in faults))


class Normalised(NamedTuple):
    """A value in its concept's unit, or why it is not used (``"unit"``, ``"implausible"``)."""

    value: float | None
    unit: str | None
    fault: str | None = None


def normalise(code: str, value: float | None, unit: str | None, concepts: Iterable[Concept]) -> Normalised:
    """Return the value converted to its concept's unit, by the unit of the record and never by its code.

    A value whose unit is missing or cannot be converted, or which is outside the plausible range, gets a fault; a code
    that belongs to no measured concept is left as it is.
    """
    return believed(measured(concepts, code), value, unit)


def believed(concept: Concept | None, value: float | None, unit: str | None) -> Normalised:
    """Return what `normalise` does of a code's value, given the concept that measures it, None if there is none."""
    if concept is None or value is None:
        return Normalised(value, unit)
    converted = concept.convert(value, unit)
    if converted is None:
        return Normalised(None, unit, "unit")
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
        The other rows as they came, with ``where`` they came from if the reader said it, and why in ``fault``.
        Identifiers of a row that seems to hold a social-security number are left out.
    refused, quarantined
        How many rows, and how many values, were set aside for each reason.
    """

    kept: pa.Table
    set_aside: pa.Table
    refused: dict[str, int]
    quarantined: dict[str, int]


def sort_out(
    frame: pd.DataFrame | pa.Table,
    delivered_at: datetime,
    concepts: Sequence[Concept],
    kept_from: datetime | None = None,
) -> Sorted:
    """Return what of a delivered table is kept, and what is set aside and why.

    Parameters
    ----------
    frame
        Columns of ``SCHEMA`` and, if the reader has remarks, of ``REMARKS``.
    delivered_at
        Day of the delivery; nothing may have become known later.
    concepts
        Definitions by which values are converted and believed.
    kept_from
        First day of the retention period, where there is one: what happened earlier is refused, unless it is one of
        ``LASTING``.

    Raises
    ------
    InvalidRecords
        If columns are missing or unknown, or have not the type they should: all faults at once.
    """
    table = _as_table(frame)
    fault = _refusals(table, delivered_at, kept_from)
    refused = table.filter(pa.array(fault != ""))
    table, doubtful, doubts = _normalised(_spelled(table.filter(pa.array(fault == ""))), concepts)
    reasons = fault[fault != ""]
    aside = pa.concat_tables([_with_fault(_unnamed(refused, reasons), reasons), _with_fault(doubtful, doubts)])
    return Sorted(table.select(COLUMNS), aside, _tally(reasons), _tally(doubts))


def _as_table(frame: pd.DataFrame | pa.Table) -> pa.Table:
    table = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)
    absent = [name for name in REQUIRED if name not in table.column_names]
    unknown = [name for name in table.column_names if name not in DELIVERED.names]
    faults = [f"column {name!r} is missing" for name in absent]
    faults += [f"column {name!r} is not one of {', '.join(DELIVERED.names)}" for name in unknown]
    if faults:
        raise InvalidRecords(faults)
    columns = []
    for field in DELIVERED:
        if field.name not in table.column_names:
            columns.append(pa.chunked_array([pa.nulls(len(table), field.type)]))
            continue
        try:
            columns.append(table.column(field.name).cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            faults.append(
                f"column {field.name!r} is {table.column(field.name).type}, and cannot be read as {field.type}"
            )
    if faults:
        raise InvalidRecords(faults)
    table = pa.table(columns, schema=DELIVERED)
    value = table.column("value")
    return table.set_column(COLUMNS.index("value"), "value", pc.if_else(pc.is_nan(value), None, value))


def _refusals(table: pa.Table, delivered_at: datetime, kept_from: datetime | None) -> npt.NDArray[np.object_]:
    """Return why each row is refused, ``""`` where it is not; of several reasons the first counts."""
    end = pa.scalar(delivered_at, pa.timestamp("us"))
    # Each distinct text is looked at once: a delivery has few codes, and some hundred rows a patient.
    text = {name: _Distinct(table.column(name)) for name in ("patient", "practice", "code", "unit")}
    named = text["code"].where(is_identifying_code)
    for name in ("patient", "practice", "unit"):
        named |= text[name].where(is_identifier)
    reasons: dict[str, pa.ChunkedArray | npt.NDArray[np.bool_]] = {
        f"no {name}": text[name].where(_is_blank) if name in text else pc.is_null(table.column(name))
        for name in REQUIRED
    }
    reasons["unknown or malformed code"] = text["code"].where(_is_wrong)
    reasons["known before it happened"] = pc.less(table.column("known_at"), table.column("happened_at"))
    reasons["known after the delivery"] = pc.greater(table.column("known_at"), end)
    reasons["retracted before it was known, or after the delivery"] = pc.or_kleene(
        pc.less(table.column("retracted_at"), table.column("known_at")), pc.greater(table.column("retracted_at"), end)
    )
    reasons["infinite value"] = pc.is_inf(table.column("value"))
    if kept_from is not None:
        old = pc.less(table.column("happened_at"), pa.scalar(kept_from, pa.timestamp("us")))
        reasons["older than the retention period"] = pc.and_(old, pa.array(~text["code"].where(_lasts)))
    fault = np.full(len(table), "", dtype=object)
    for reason, found in reversed(reasons.items()):
        flags = found if isinstance(found, np.ndarray) else pc.fill_null(found, False).to_numpy().astype(bool)
        fault[flags] = reason
    # What the reader says counts before what is seen here, but a social-security number before all: it must not stay.
    said = table.column("fault")
    fault = np.where(pc.is_valid(said).to_numpy(), said.to_numpy(), fault)
    fault[named] = NAMED
    return fault


class _Distinct:
    """A column of text by its distinct values."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        encoded = pc.dictionary_encode(column, null_encoding="encode").combine_chunks()
        self._values = encoded.dictionary.to_pylist()
        self._rows = encoded.indices.to_numpy()

    def where(self, holds: Callable[[str | None], bool]) -> npt.NDArray[np.bool_]:
        """Return in which rows this holds of the value."""
        found: npt.NDArray[np.bool_] = np.array([holds(value) for value in self._values], dtype=bool)[self._rows]
        return found


def is_identifier(text: str | None) -> bool:
    """Return whether a text looks like a French social-security number, whether or not its key is right."""
    if text is None or len(text) < 13:  # most texts, and quick to see
        return False
    return IDENTIFIER.fullmatch("".join(text.split())) is not None


def _lasts(code: str | None) -> bool:
    return code is not None and any(concept.covers(code) for concept in LASTING)


def _is_blank(text: str | None) -> bool:
    return text is None or not text.strip()


def _is_wrong(code: str | None) -> bool:
    return code is not None and _written(code) is None


@lru_cache(maxsize=1 << 16)
def _written(code: str) -> str | None:
    """Return a code as its system writes it, None if it is none; codes repeat, so it is worked out once for each."""
    try:
        return str(parse_code(code))
    except InvalidCode:
        return None


def is_identifying_code(code: str | None) -> bool:
    """Return whether a code (``SYSTEM:value``) looks like a social-security number, system apart."""
    system, _, value = (code or "").partition(":")
    return system not in NUMBERED and is_identifier(value)


def _spelled(table: pa.Table) -> pa.Table:
    """Return the table with each code as its system writes it: ``CIM10:I21.0`` for ``CIM10:I210``."""
    encoded = pc.dictionary_encode(table.column("code")).combine_chunks()
    codes = pa.array(map(_written, encoded.dictionary.to_pylist()), pa.string())
    return table.set_column(table.column_names.index("code"), "code", codes.take(encoded.indices))


def _normalised(table: pa.Table, concepts: Sequence[Concept]) -> tuple[pa.Table, pa.Table, npt.NDArray[np.object_]]:
    """Apply `normalise` to a table: what depends on the code and unit is worked out once for each distinct pair."""
    code = pc.dictionary_encode(table.column("code")).combine_chunks()
    unit = pc.dictionary_encode(table.column("unit"), null_encoding="encode").combine_chunks()
    codes, units = code.dictionary.to_pylist(), unit.dictionary.to_pylist()
    pair = code.indices.to_numpy().astype(np.int64) * max(len(units), 1) + unit.indices.to_numpy()
    value = table.column("value").to_numpy().astype(np.float64).copy()
    new_unit = np.array(units, dtype=object)[unit.indices.to_numpy()] if len(units) else np.empty(0, dtype=object)
    fault = np.full(len(table), "", dtype=object)
    order, concept_of = np.argsort(pair, kind="stable"), measured_by(tuple(concepts))
    distinct, begin, many = np.unique(pair[order], return_index=True, return_counts=True)
    for key, first, n in zip(distinct, begin, many, strict=True):
        rows = order[first : first + n]
        concept = concept_of(codes[key // len(units)])
        if concept is None:
            continue
        rows = rows[~np.isnan(value[rows])]
        converted = concept.convert(value[rows], units[key % len(units)])
        if converted is None:
            fault[rows] = "unit"
            continue
        value[rows] = converted
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


def _unnamed(table: pa.Table, fault: npt.NDArray[np.object_]) -> pa.Table:
    """Return refused rows, those that seem to name somebody without what could."""
    named = pa.array(fault == NAMED)
    for name in ("patient", "practice", "code", "unit", "where"):
        column = table.column(name)
        table = table.set_column(table.column_names.index(name), name, pc.if_else(named, None, column))
    return table


def _with_fault(table: pa.Table, fault: npt.NDArray[np.object_]) -> pa.Table:
    return table.set_column(table.column_names.index("fault"), "fault", pa.array(fault, pa.string()))


def _tally(reasons: npt.NDArray[np.object_]) -> dict[str, int]:
    names, counts = np.unique(reasons.astype(str), return_counts=True)
    return {str(name): int(n) for name, n in zip(names, counts, strict=True)}

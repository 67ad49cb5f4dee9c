"""Columns of cells → texts, numbers and moments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.sources.columns import each
from features.sources.tables.mapping import ISO, Format, plain
from features.sources.times import CALENDAR, held


@dataclass(frozen=True, eq=False)
class Moments:
    """A column of dates.

    Attributes
    ----------
    utc
        The moments, NaT where a cell is empty or not understood.
    day
        The calendar day, where the clocks are.
    alone
        Whether the cell is a date without a time of day.
    fault
        Whether the cell says something that is not understood.
    """

    utc: npt.NDArray[np.datetime64]
    day: npt.NDArray[np.datetime64]
    alone: npt.NDArray[np.bool_]
    fault: npt.NDArray[np.bool_]


def texts(column: pa.Array) -> pa.Array:
    """Return the texts of a column, null where a cell is empty."""
    return each(column.cast(pa.string()), lambda text: plain(text) or None)


def numbers(column: pa.Array, decimal: str) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Return the numbers of a column, null where there is none, and which cells are not numbers."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        number = column.cast(pa.float64(), safe=False)
        return pc.if_else(pc.is_nan(number), None, number), np.zeros(len(column), dtype=bool)
    text = texts(column)
    blank = r"[ \x{A0}\x{2009}\x{202F}]"
    whole = rf"[+-]?(\d{{1,3}}({blank}\d{{3}})+|\d+)({re.escape(decimal)}\d+)?([eE][+-]?\d{{1,2}})?"
    fine = pc.fill_null(pc.match_substring_regex(text, rf"^{whole}$"), False)
    digits = pc.replace_substring_regex(pc.if_else(fine, text, None), blank, "")
    number = pc.replace_substring(pc.replace_substring_regex(digits, r"^\+", ""), decimal, ".").cast(pa.float64())
    return number, pc.and_(pc.is_valid(text), pc.invert(fine)).to_numpy(zero_copy_only=False)


def moments(column: pa.Array, form: Format) -> Moments:
    """Return the dates of a column, each distinct cell being worked out once."""
    if is_dated(column.type):
        return _typed_moments(column, form.time_zone)
    encoded = pc.dictionary_encode(column)
    text = pd.Series(encoded.dictionary.to_pylist(), dtype="str")
    utc = pd.Series(pd.NaT, index=text.index, dtype="datetime64[us]")
    day = utc.copy()
    alone = np.zeros(len(text), dtype=bool)
    for pattern in form.dates:
        for matching, way, timed, universal in _ways(text, pattern):
            rows = matching & utc.isna()
            if not rows.any():
                continue
            said = pd.to_datetime(text[rows], format=way, errors="coerce", utc=universal)
            said = (said.dt.tz_localize(None) if universal else said).astype("datetime64[us]")
            utc[rows] = said if universal or not timed else _universal(said, form.time_zone)
            day[rows] = _local(utc[rows], form.time_zone) if timed else said
            alone |= (rows & utc.notna()).to_numpy() & (not timed)
    utc = utc.where(utc.between(*CALENDAR))
    index = pc.fill_null(encoded.indices, len(text)).to_numpy()
    nothing = np.array(["NaT"], dtype="datetime64[us]")
    return Moments(
        np.concatenate([utc.to_numpy(), nothing])[index],
        np.concatenate([day.dt.normalize().to_numpy(), nothing])[index],
        np.append(alone, False)[index],
        np.append(utc.isna().to_numpy(), False)[index],
    )


def is_dated(kind: pa.DataType) -> bool:
    """Return whether a column of a type holds dates or times, rather than text."""
    return any(holds(kind) for holds in (pa.types.is_timestamp, pa.types.is_date))


def _typed_moments(column: pa.Array, zone: str) -> Moments:
    """Return the dates of a column that is no text: times without a zone are local."""
    alone, universal = pa.types.is_date(column.type), getattr(column.type, "tz", None) is not None
    moments, outside = held(column)
    said = pd.Series(moments.to_numpy(zero_copy_only=False))
    utc = said if alone or universal else _universal(said, zone)
    day = said if alone else _local(utc, zone)
    fault = outside.to_numpy(zero_copy_only=False)
    return Moments(utc.to_numpy(), day.dt.normalize().to_numpy(), np.full(len(said), alone), fault)


def _ways(text: pd.Series[str], pattern: str) -> Iterator[tuple[pd.Series[bool], str, bool, bool]]:
    """Yield, for a way of writing dates: which cells, how pandas calls it, if it has a time of day, and an offset."""
    if pattern != ISO:
        yield pd.Series(True, index=text.index), pattern, "%H" in pattern, "%z" in pattern
        return
    date, time = r"\d{4}-\d\d-\d\d", r"[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?"
    yield text.str.fullmatch(date), "%Y-%m-%d", False, False
    yield text.str.fullmatch(date + time), "ISO8601", True, False
    yield text.str.fullmatch(date + time + r"(?:Z|[+-]\d\d(?::?\d\d)?)"), "ISO8601", True, True


def _universal(local: pd.Series[Any], zone: str) -> pd.Series[Any]:
    """Return local times in UTC, without a time zone; the second pass of a repeated hour, the end of a skipped one."""
    standard = np.zeros(len(local), dtype=bool)
    aware = local.dt.tz_localize(zone, ambiguous=standard, nonexistent="shift_forward")
    utc: pd.Series[Any] = aware.dt.tz_convert("UTC").dt.tz_localize(None)
    return utc


def _local(utc: pd.Series[Any], zone: str) -> pd.Series[Any]:
    local: pd.Series[Any] = utc.dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None)
    return local

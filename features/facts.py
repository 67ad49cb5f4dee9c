"""Facts: what several tables of records say, each once.

A fact is a patient, a practice, a moment, a code, a value and its unit. Sent several times it is one fact, known from
the first time on. A row with ``retracted_at`` takes the fact back from then on; sent again after that, it is known anew
from that day. A retraction of what was never sent is nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.intake import SCHEMA

FACT: Final = ("patient", "practice", "happened_at", "code", "value", "unit")
#: Columns whose texts repeat.
REPEATED: Final = ("patient", "practice", "code", "unit")
#: ``SCHEMA`` with each of those texts once and its number where it stands: numbers are read, compared and sorted.
CODED: Final = pa.schema(
    [(field.name, pa.dictionary(pa.int32(), field.type) if field.name in REPEATED else field.type) for field in SCHEMA]
)
#: Odd, so that multiplying by it loses nothing (the golden ratio's bits, as in splitmix64).
MIXER: Final = np.uint64(0x9E3779B97F4A7C15)
#: Stands for the value of a row that has none.
NO_VALUE: Final = np.uint64(0x7FF8_0000_0000_0001)


def merge(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the facts of several tables (``SCHEMA`` or ``CODED``), each once, in no order, as ``CODED``.

    Nearly all rows are facts that were sent once and not taken back: these are as they should be. Only the others, and
    the few that look like another, are asked about in SQL.
    """
    sent = coded(tables)
    likenesses = _likenesses(sent)
    ordered = np.sort(likenesses)
    repeated = np.isin(likenesses, ordered[1:][ordered[1:] == ordered[:-1]])
    doubtful = pa.array(repeated | pc.is_valid(sent.column("retracted_at")).to_numpy())
    if not pc.any(doubtful).as_py():
        return sent
    return coded([sent.filter(pc.invert(doubtful)), _believed(sent.filter(doubtful))])


def coded(tables: Sequence[pa.Table]) -> pa.Table:
    """Return tables as one, ``CODED``, in one piece."""
    parts = [table.cast(CODED) for table in tables]
    return pa.concat_tables([CODED.empty_table(), *parts]).unify_dictionaries().combine_chunks()


def _likenesses(sent: pa.Table) -> npt.NDArray[np.uint64]:
    """Return a number for each row that is the same for rows of the same fact, and hardly ever for others."""
    found = np.zeros(len(sent), dtype=np.uint64)
    for name in FACT:
        found ^= _numbers(sent.column(name))
        found *= MIXER
        found ^= found >> np.uint64(32)
    return found


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """Return a number for each value of a column, the same for values that SQL holds for the same."""
    if pa.types.is_floating(column.type):
        values = pc.fill_null(column, 0.0).to_numpy() + 0.0  # nought is nought, whatever its sign
        return np.where(pc.is_valid(column).to_numpy(), values.view(np.uint64), NO_VALUE)
    if pa.types.is_dictionary(column.type):
        column = column.combine_chunks().indices.fill_null(-1)
    numbers: npt.NDArray[np.int64] = column.cast(pa.int64()).to_numpy()
    return numbers.view(np.uint64)


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """Return a database in memory: to open one takes longer than to ask about the few rows that are sent again."""
    database = duckdb.connect()
    database.execute("SET threads = 1")  # shards run side by side already
    return database


def _believed(sent: pa.Table) -> pa.Table:
    """Return the facts of rows among which some were sent again or taken back."""
    fact = ", ".join(FACT)
    same = " AND ".join(f"a.{column} IS NOT DISTINCT FROM r.{column}" for column in FACT)
    with _database().cursor() as connection:
        connection.register("sent", sent)
        found: pa.Table = connection.sql(f"""
            WITH retraction AS (
                SELECT DISTINCT {fact}, retracted_at FROM sent WHERE retracted_at IS NOT NULL
            ), assertion AS (
                SELECT {", ".join(f"a.{column}" for column in FACT)}, a.known_at, min(r.retracted_at) AS retracted_at
                FROM sent a LEFT JOIN retraction r ON {same} AND r.retracted_at >= a.known_at
                WHERE a.retracted_at IS NULL GROUP BY ALL
            )
            SELECT patient, practice, happened_at, min(known_at) AS known_at, code, value, unit, retracted_at
            FROM assertion GROUP BY ALL
        """).to_arrow_table()
    return found.cast(SCHEMA)

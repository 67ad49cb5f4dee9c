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
HALF: Final = np.uint64(32)
#: So many rows fit into a processor's own memory with all that is computed of them.
AT_ONCE: Final = 1 << 14


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
    if len(tables) == 1 and tables[0].schema == CODED and all(column.num_chunks == 1 for column in tables[0].columns):
        return tables[0]
    parts = [table.cast(CODED) for table in tables]
    return pa.concat_tables([CODED.empty_table(), *parts]).unify_dictionaries().combine_chunks()


def _likenesses(sent: pa.Table) -> npt.NDArray[np.uint64]:
    """Return a number for each row that is the same for rows of the same fact, and hardly ever for others."""
    texts = [_places(sent.column(name)) for name in FACT if name in REPEATED]
    happened_at = sent.column("happened_at").cast(pa.int64()).to_numpy().view(np.uint64)
    value = sent.column("value").to_numpy()  # NaN where there is none
    found = np.empty(len(sent), dtype=np.uint64)
    for first in range(0, len(sent), AT_ONCE):
        rows = slice(first, first + AT_ONCE)
        number = np.zeros(len(found[rows]), dtype=np.uint64)
        for places, many in texts:
            number *= many
            number += places[rows].astype(np.uint64)
        for part in (happened_at[rows], (value[rows] + 0.0).view(np.uint64)):  # nought is nought, whatever its sign
            number ^= number >> HALF
            number *= MIXER
            number ^= part
        found[rows] = number
    return found


def _places(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], np.uint64]:
    """Return the place of each row's text, -1 where there is none, and one more than there are texts."""
    whole = column.combine_chunks()
    places = whole.indices.fill_null(-1) if whole.null_count else whole.indices
    return places.to_numpy(), np.uint64(len(whole.dictionary) + 1)


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

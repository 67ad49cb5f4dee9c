"""Parquet files of an export, as rows some at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from features.intake import InvalidRecords
from features.sources.tables.facts import Rows
from features.sources.tables.found import Found
from features.sources.tables.mapping import plain


def faults(one: Found) -> Iterator[str]:
    """Yield what a look at a file's schema says is wrong with it."""
    try:
        with pq.ParquetFile(one.path) as file:
            schema = file.schema_arrow
    except (pa.ArrowException, OSError):
        yield "is not a Parquet file, or is cut short: copy it again"
        return
    yield from one.absent([plain(name) for name in schema.names])
    codings = {coding.column for fact in one.file.records for coding in fact.code}
    for column in sorted(name for name in {one.file.patient, one.file.practice.column, *codings} if name):
        if column in schema.names and pa.types.is_floating(schema.field(column).type):
            yield f"column {column!r} holds numbers with decimals, and should hold text or whole numbers"
    for column in one.file.columns:
        if column in schema.names and pa.types.is_nested(schema.field(column).type):
            yield f"column {column!r} holds lists or tables, and should hold one entry a row"


def rows(one: Found, at_once: int) -> Iterator[tuple[Rows, pa.Table, float]]:
    """Yield rows of a file, a table of none that could not be read, and which share of the file was read."""
    try:
        with pq.ParquetFile(one.path) as file:
            total, done = max(file.metadata.num_rows, 1), 0
            for batch in file.iter_batches(batch_size=at_once, columns=list(one.file.columns)):
                columns = {name: batch.column(name) for name in one.file.columns}
                where = one.where(range(done + 1, done + len(batch) + 1))
                done += len(batch)
                yield Rows(columns, where, one.file.format), pa.table({}), done / total
    except (pa.ArrowException, OSError) as error:
        raise InvalidRecords([f"{one.place} is damaged: copy it again"]) from error

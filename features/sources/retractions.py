"""Rows that were taken back, in formats that say so on the row itself."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def said_and_taken_back(rows: pa.Table) -> pa.Table:
    """Return what rows say as if none had been taken back, then once more, with ``retracted_at``, those that were.

    A row with a fault is no record that could be taken back.
    """
    retracted = rows.column("retracted_at")
    back = rows.filter(pc.and_(pc.is_valid(retracted), pc.is_null(rows.column("fault"))))
    position = rows.column_names.index("retracted_at")
    return pa.concat_tables([rows.set_column(position, "retracted_at", pa.nulls(len(rows), retracted.type)), back])

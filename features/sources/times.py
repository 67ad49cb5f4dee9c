"""Columns of times, of any precision and zone → UTC, without a zone, in microseconds."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

#: The years that all calendars here can hold.
CALENDAR: Final = (datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59))


def held(column: pa.Array | pa.ChunkedArray) -> tuple[pa.Array | pa.ChunkedArray, pa.Array | pa.ChunkedArray]:
    """Return dates or times as UTC, null for those that no calendar here can hold, and which are those.

    A date is its midnight; a time without a zone stays as it is; what is finer than a microsecond is cut off.
    """
    kind = pa.timestamp("us", getattr(column.type, "tz", None))
    moment = column.cast(options=pc.CastOptions(kind, allow_time_truncate=True)).cast(pa.timestamp("us"))
    first, last = (pa.scalar(limit, pa.timestamp("us")) for limit in CALENDAR)
    outside = pc.fill_null(pc.or_(pc.less(moment, first), pc.greater(moment, last)), False)
    return pc.if_else(outside, None, moment), outside

"""Rows as they were sent, set aside or sent twice: counted in the files, which alone know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.digests import digest
from features.engines import Progress, in_order
from features.records import Records

KEPT: Final = pa.schema(
    [("practice", pa.string()), ("code", pa.string()), ("rows", pa.int64()), ("valued", pa.int64())]
)
ASIDE: Final = pa.schema(
    [
        ("practice", pa.string()),
        ("code", pa.string()),
        ("unit", pa.string()),
        ("fault", pa.string()),
        ("rows", pa.int64()),
    ]
)
DOUBTFUL: Final = ("unit", "implausible")
"""Why a value is set aside: what becomes of a measurement, where refused rows are no records at all."""


@dataclass(frozen=True, eq=False)
class Sent:
    """Rows as deliveries brought them.

    Attributes
    ----------
    kept
        Rows that say something happened: columns ``practice``, ``code``, ``rows`` and how many of them have a value,
        ``valued``.
    quarantined
        Rows set aside for their value: ``practice``, ``code``, ``unit``, ``fault``, ``rows``.
    sources
        Practices by source of the deliveries that brought them, as far as deliveries say their source.
    """

    kept: pa.Table
    quarantined: pa.Table
    sources: Mapping[str, frozenset[str]]


def count_sent(records: Records, progress: Progress) -> Sent:
    """Return the rows of every delivery, without those of people who object."""
    files = [(entry, name) for entry in records.deliveries for name in entry["files"]]
    kept, aside, sources = [KEPT.empty_table()], [ASIDE.empty_table()], dict[str, set[str]]()
    objecting = pa.array(sorted(records.objections.pseudonyms), pa.string())
    for done, ((entry, _), (table, is_aside)) in enumerate(
        zip(files, in_order(lambda each: _file(records, each[0], each[1], objecting), files), strict=True), start=1
    ):
        (aside if is_aside else kept).append(table)
        if not is_aside and "source" in entry["about"]:
            sources.setdefault(entry["about"]["source"], set()).update(table.column("practice").to_pylist())
        progress(done, len(files))
    return Sent(
        _added(pa.concat_tables(kept), KEPT),
        _added(pa.concat_tables(aside), ASIDE),
        {name: frozenset(practices) for name, practices in sorted(sources.items())},
    )


def _file(records: Records, entry: Mapping[str, Any], name: str, objecting: pa.Array) -> tuple[pa.Table, bool]:
    data = (records.path / name).read_bytes()
    if digest(data) != entry["files"][name]:
        raise ValueError(f"{records.path / name} was altered after it was taken in: run check")
    is_aside = Path(name).name.startswith("set-aside-")
    columns = ["practice", "code"] + (["unit", "fault"] if is_aside else ["value", "retracted_at"])
    table = pq.read_table(BytesIO(data), columns=[*columns, *(["patient"] if len(objecting) else [])])
    if len(objecting):
        table = table.filter(pc.invert(pc.is_in(table.column("patient"), value_set=objecting)))
    if is_aside:
        doubtful = table.filter(pc.is_in(table.column("fault"), value_set=pa.array(DOUBTFUL)))
        found = doubtful.group_by(["practice", "code", "unit", "fault"]).aggregate([([], "count_all")])
        return found.rename_columns(ASIDE.names).cast(ASIDE), True
    said = table.filter(pc.is_null(table.column("retracted_at")))
    found = said.group_by(["practice", "code"]).aggregate([([], "count_all"), ("value", "count")])
    return found.rename_columns(KEPT.names).cast(KEPT), False


def _added(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the counts of equal keys together, sorted by key."""
    keys = [field.name for field in schema if pa.types.is_string(field.type)]
    counts = [field.name for field in schema if field.name not in keys]
    summed = table.group_by(keys).aggregate([(name, "sum") for name in counts])
    summed = summed.rename_columns([*keys, *counts]).select(schema.names).cast(schema)
    return summed.sort_by([(name, "ascending") for name in keys])

"""Ingestion: a source read table by table into a store, pseudonymised on the way, without those who object."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from features.catalogue.concepts import CONCEPTS
from features.codes import Concept
from features.intake import InvalidRecords
from features.privacy import Objections, pseudonymise
from features.records import Records

#: Told how many rows were read so far, of how many if that is known.
RowsRead = Callable[[int, int | None], None]
DOMAIN: Final = "vigie"


@dataclass(frozen=True)
class Source:
    """A format that can be read.

    Attributes
    ----------
    name
        What it is called on the command line.
    known_at
        How it is decided when a fact became known; written into the manifest.
    tables
        Reader: from a file or folder and the day of delivery to tables with the columns of `features.intake.SCHEMA`
        (``value``, ``unit`` and ``retracted_at`` may be absent), identifiers as the source has them, a bounded number
        of rows at a time. It raises `InvalidRecords`, naming all faults, when the source cannot be understood.
    """

    name: str
    known_at: str
    tables: Callable[[Path, datetime], Iterator[pa.Table]]


def ingest(
    source: Source,
    path: Path,
    records: Records,
    *,
    name: str,
    delivered_at: datetime,
    key: bytes | None,
    domain: str = DOMAIN,
    objections: Objections | None = None,
    concepts: Sequence[Concept] = CONCEPTS,
    progress: RowsRead | None = None,
) -> dict[str, Any]:
    """Take a source in as one delivery and return its entry in the manifest.

    Parameters
    ----------
    source, path
        How to read, and what.
    records
        The store.
    name, delivered_at
        Of the delivery; see `Records.delivery`.
    key, domain
        Pseudonyms of patients and practices are made with this key for this domain; None where the source's
        identifiers are pseudonyms already.
    objections
        Pseudonyms whose records are left out at the door.
    progress
        Told after each table how many rows were read.

    Raises
    ------
    InvalidRecords
        If the source cannot be understood or nothing of it can be kept. The store is then as before.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there")
    read = objected = 0
    with records.delivery(name=name, delivered_at=delivered_at, concepts=concepts) as delivery:
        delivery.about |= {"source": source.name, "known_at": source.known_at, "pseudonymised": key is not None}
        for table in source.tables(path, delivered_at):
            read += len(table)
            if key is not None:
                table = _pseudonymised(table, key, domain)
            if objections is not None and len(objections):
                objecting = pc.is_in(table.column("patient"), value_set=pa.array(sorted(objections.pseudonyms)))
                objected += pc.sum(objecting).as_py() or 0
                table = table.filter(pc.invert(objecting))
            delivery.add(table)
            if progress:
                progress(read, None)
        delivery.about |= {"read": read, "objected": objected}
        if read == 0:
            raise InvalidRecords([f"{path.name} holds no record that the {source.name} reader understands"])
    return delivery.entry


def _pseudonymised(table: pa.Table, key: bytes, domain: str) -> pa.Table:
    """Return the table with pseudonyms for patients and practices; what is missing stays so, to be refused."""
    for column in ("patient", "practice"):
        values = table.column(column).cast(pa.string()).to_pandas()
        known = values.notna()
        values[known] = pseudonymise(values[known], key, f"{domain}/{column}")
        table = table.set_column(
            table.column_names.index(column), column, pa.array(values, pa.string(), from_pandas=True)
        )
    return table

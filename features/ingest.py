"""Ingestion: a source read batch by batch into a store, pseudonymised on the way, without those who object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from features.catalogue.concepts import CONCEPTS
from features.codes import Concept
from features.engines import in_order
from features.intake import InvalidRecords, Sorted, is_identifier
from features.privacy import Objections, pseudonym
from features.records import Delivery, Records
from features.sources.source import Batch, Source

#: Told how many rows and patients were read so far, and which share of the source, from 0 to 1.
Progress = Callable[[int, int, float], None]
DOMAIN: Final = "vigie"
#: How many places are remembered for each reason a row is set aside.
PLACES: Final = 3
REMEMBERED: Final = 200_000


@dataclass(frozen=True)
class Taken:
    """What became of a delivery.

    Attributes
    ----------
    entry
        Its entry in the manifest: counts, digests, how it was decided when facts became known.
    places
        For each reason a row was set aside, where the first few such rows are in the source. They may name a
        patient's file, so that they are told to whoever delivers and are not kept in the store.
    """

    entry: dict[str, Any]
    places: dict[str, list[str]] = field(default_factory=dict)


def ingest(
    source: Source,
    origin: str | Path,
    records: Records,
    *,
    name: str,
    delivered_at: datetime,
    key: bytes | None,
    domain: str = DOMAIN,
    objections: Objections | None = None,
    complete: bool = False,
    concepts: Sequence[Concept] = CONCEPTS,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Taken:
    """Take a source in as one delivery.

    Parameters
    ----------
    source, origin
        How to read, and what: a path, or the address of a database.
    records
        The store.
    name, delivered_at
        Of the delivery; see `Records.delivery`.
    key, domain
        Pseudonyms of patients and practices are made with this key for this domain; None where the source's
        identifiers are pseudonyms already.
    objections
        Pseudonyms whose records are left out at the door.
    complete
        Whether the delivery holds all that is in the files of its patients, as earlier complete ones of the same
        source did: see `Records.delivery`.
    workers
        Batches in work at once, by default as many as there are processors. The result is the same for any number.
    progress
        Told after each batch.

    Raises
    ------
    FileNotFoundError
        If nothing is at ``origin``.
    InvalidRecords
        If the source cannot be understood or nothing of it can be kept. The store is then as before.
    """
    places: dict[str, list[str]] = {}
    not_read: Counter[str] = Counter()
    read = objected = 0
    stream = source.name if complete else None
    with records.delivery(name=name, delivered_at=delivered_at, concepts=concepts, complete=stream) as delivery:
        delivery.about |= {"source": source.name, "known_at": source.known_at, "pseudonymised": key is not None}
        pseudonyms = None if key is None else _Pseudonyms(key, domain)
        door = _Door(delivery, pseudonyms, pa.array(sorted((objections or Objections()).pseudonyms), pa.string()))
        for passed in in_order(door.let_in, enumerate(source.batches(str(origin), delivered_at)), workers):
            delivery.count(passed.found)
            read += passed.read
            objected += passed.objected
            not_read.update(passed.not_read)
            _remember(places, passed.found.set_aside)
            if progress:
                progress(read, delivery.patients_about, passed.share)
        delivery.about |= {"read": read, "objected": objected, "not_read": dict(sorted(not_read.items()))}
        if read == 0:
            raise InvalidRecords([f"{Path(origin).name} holds no record that the {source.name} reader understands"])
    return Taken(delivery.entry, places)


@dataclass(frozen=True, eq=False)
class _Passed:
    """A batch that went through the door."""

    found: Sorted
    read: int
    objected: int
    not_read: Mapping[str, int]
    share: float


@dataclass(frozen=True, eq=False)
class _Door:
    """What happens to a batch between the reader and the store; several at once, each on its own."""

    delivery: Delivery
    pseudonyms: _Pseudonyms | None
    objections: pa.Array

    def let_in(self, numbered: tuple[int, Batch]) -> _Passed:
        part, batch = numbered
        table = batch.table
        if self.pseudonyms is not None:
            for column in ("patient", "practice"):
                table = _replaced(table, column, self.pseudonyms.column(table.column(column), column))
        objecting = pc.is_in(table.column("patient").cast(pa.string()), value_set=self.objections)
        objected = pc.sum(objecting).as_py() or 0
        table = table.filter(pc.invert(objecting))
        return _Passed(self.delivery.write(table, part), len(batch.table), objected, batch.not_read, batch.read)


class _Pseudonyms:
    """Pseudonyms made with one key; those of late are remembered, because a patient's rows come in many batches."""

    def __init__(self, key: bytes, domain: str) -> None:
        self._key, self._domain = key, domain
        self._known: dict[tuple[str, str], str] = {}

    def column(self, identifiers: pa.ChunkedArray, kind: str) -> pa.Array:
        """Return a column with pseudonyms for identifiers.

        What is missing stays so, and so does a social-security number, both to be refused: a keyed pseudonym of the
        number would be safe, but a source that sends it sends too much.
        """
        encoded = pc.dictionary_encode(identifiers.cast(pa.string())).combine_chunks()
        names = [
            text if not text.strip() or is_identifier(text) else self._of(text, kind)
            for text in encoded.dictionary.to_pylist()
        ]
        return pa.array(names, pa.string()).take(encoded.indices)

    def _of(self, identifier: str, kind: str) -> str:
        if (name := self._known.get((kind, identifier))) is None:
            if len(self._known) > REMEMBERED:
                self._known.clear()
            name = pseudonym(identifier, self._key, f"{self._domain}/{kind}")
            self._known[kind, identifier] = name
        return name


def _replaced(table: pa.Table, column: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(column), column, values)


def _remember(places: dict[str, list[str]], set_aside: pa.Table) -> None:
    """Add where the first rows of each reason are."""
    located = set_aside.filter(pc.is_valid(set_aside.column("where")))
    for reason in pc.unique(located.column("fault")).to_pylist():
        known = places.setdefault(reason, [])
        if len(known) < PLACES:
            of_reason = located.filter(pc.equal(located.column("fault"), reason)).column("where")
            known += of_reason.slice(0, PLACES - len(known)).to_pylist()

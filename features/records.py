"""Records: everything a practice knows, each with when it happened and when it became known.

On disk a `Records` is a folder of Parquet files, one an append and shard; a patient's records are all in one shard.
Files are added, never rewritten. In memory a `Shard` is the sorted arrays of some patients, the only thing the columnar
evaluator reads, and a `History` is one patient's records, the only thing the patient-wise evaluator reads.

Times are UTC with microsecond precision and no time zone attached.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import shutil
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.codes import Concept
from features.digests import digest
from features.facts import CODED, FACT, REPEATED, coded, merge
from features.intake import COLUMNS, SCHEMA, InvalidRecords, Sorted, sort_out
from features.privacy import Objections
from features.sorting import ordered

ORDER: Final = ("patient", "happened_at", "known_at", "value", "code", "retracted_at")
TAKEN_BACK: Final = "taken-back.parquet"
NEVER: Final = np.iinfo(np.int64).max
#: Bits in which patients leave a mark to be counted by: enough for some ten millions.
MARKS: Final = 1 << 23


class AlteredRecords(ValueError):
    """A file of a store that is not the one taken in."""


class Record(NamedTuple):  # there is nothing that is made so often, and nothing frozen that is made as fast
    """One thing that happened to one patient.

    Attributes
    ----------
    happened_at, known_at
        When it happened, and when it reached the practice's file. UTC.
    code
        ``SYSTEM:value``.
    value, unit
        Measured value and its UCUM unit, where there is one.
    retracted_at
        When it was taken back, if it was: before that day it was believed, from then on it never happened.
    """

    happened_at: datetime
    known_at: datetime
    code: str
    value: float | None = None
    unit: str | None = None
    retracted_at: datetime | None = None


@dataclass(frozen=True)
class History:
    """One patient's records."""

    records: tuple[Record, ...]


@dataclass(frozen=True, eq=False)
class Shard:
    """The records of some patients, sorted, as arrays.

    Rows are sorted by patient, then ``happened``, ``known``, ``value`` (missing last) and code: a total order, so the
    row order of what was read never matters.

    Attributes
    ----------
    patients
        Distinct patients, sorted, shape ``(p,)``.
    start
        First row of each patient and, last, the number of rows: shape ``(p + 1,)``.
    happened, known, retracted
        Microseconds since 1970, shape ``(n,)``; ``retracted`` is ``NEVER`` for what was not taken back.
    value
        Values, NaN where there is none, shape ``(n,)``.
    code, practice
        Positions in ``codes`` and ``practices``, shape ``(n,)``.
    """

    patients: npt.NDArray[np.object_]
    start: npt.NDArray[np.int64]
    happened: npt.NDArray[np.int64]
    known: npt.NDArray[np.int64]
    retracted: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    code: npt.NDArray[np.int32]
    practice: npt.NDArray[np.int32]
    codes: tuple[str, ...]
    practices: tuple[str, ...]

    @classmethod
    def from_table(cls, table: pa.Table) -> Shard:
        """Return the sorted arrays of a table with the columns of ``SCHEMA`` or ``CODED``, in any row order."""
        if "retracted_at" not in table.column_names:
            table = table.append_column("retracted_at", pa.nulls(len(table), SCHEMA.field("retracted_at").type))
        table = coded([table.select(COLUMNS)])
        patients, patient = _numbered(table.column("patient"))
        codes, code = _numbered(table.column("code"))
        practices, practice = _numbered(table.column("practice"))
        happened, known, retracted = (
            _microseconds(table, name) for name in ("happened_at", "known_at", "retracted_at")
        )
        value = table.column("value").to_numpy().astype(np.float64, copy=False)
        rows, placed = ordered(patient, happened, [known, value, code, retracted])
        patient, happened, known, value, code, retracted = placed
        return cls(
            patients=np.asarray(patients, dtype=object),
            start=np.searchsorted(patient, np.arange(len(patients) + 1)),
            happened=happened,
            known=known,
            retracted=retracted,
            value=value,
            code=code,
            practice=practice.take(rows),
            codes=tuple(codes),
            practices=tuple(practices),
        )

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Shard:
        """Return the sorted arrays of a pandas frame with the columns of ``SCHEMA``."""
        return cls.from_table(pa.Table.from_pandas(frame, preserve_index=False))

    @cached_property
    def patient(self) -> npt.NDArray[np.int64]:
        """Position in ``patients`` of each row, shape ``(n,)``."""
        return np.repeat(np.arange(len(self.patients)), np.diff(self.start))

    @cached_property
    def _rows_by_code(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Rows sorted by code, in order within each, and where each code begins."""
        narrow = self.code.astype(np.int16 if len(self.codes) < 2**15 else np.int32)  # 16 bits sort in linear time
        order = np.argsort(narrow, kind="stable")
        return order, np.searchsorted(narrow[order], np.arange(len(self.codes) + 1))

    def of_codes(self, codes: Sequence[int]) -> npt.NDArray[np.int64]:
        """Return the rows that have one of these codes (positions in ``codes``), in order."""
        order, begin = self._rows_by_code
        rows = [order[begin[code] : begin[code + 1]] for code in codes]
        if len(rows) == 1:
            return rows[0]
        return np.sort(np.concatenate(rows)) if rows else np.empty(0, dtype=np.int64)

    def positions(self, patients: npt.NDArray[np.object_]) -> npt.NDArray[np.int64]:
        """Return the position of each of these patients in ``patients``, -1 for one who has no record."""
        if len(self.patients) == 0:
            return np.full(len(patients), -1, dtype=np.int64)
        found = np.searchsorted(self.patients, patients)
        found[found == len(self.patients)] = 0
        return np.where(self.patients[found] == patients, found, -1).astype(np.int64)

    def history(self, patient: str) -> History:
        """Return one patient's records, empty if there are none."""
        position = int(self.positions(np.array([patient], dtype=object))[0])
        if position < 0:
            return History(())
        rows = range(self.start[position], self.start[position + 1])
        return History(
            tuple(
                Record(
                    to_datetime(self.happened[row]),
                    to_datetime(self.known[row]),
                    self.codes[self.code[row]],
                    None if np.isnan(self.value[row]) else float(self.value[row]),
                    retracted_at=None if self.retracted[row] == NEVER else to_datetime(self.retracted[row]),
                )
                for row in rows
            )
        )


class Records:
    """Records on disk, in shards by patient, one folder a delivery.

    Use `create` for a new store and `open` for one that exists; `append` or `delivery` takes records in. A delivery is
    there wholly or not at all: its files are written apart, moved in by one rename, and count only once the manifest,
    itself replaced by one rename, names them.
    """

    MANIFEST: Final = "records.json"

    def __init__(self, path: Path, manifest: dict[str, Any], objections: Objections | None = None) -> None:
        self.path = path
        self.objections = objections or Objections()
        self._manifest = manifest

    @classmethod
    def create(cls, path: Path, shards: int = 8) -> Records:
        """Make an empty store of ``shards`` shards; raise `FileExistsError` where there is one already."""
        if (path / cls.MANIFEST).exists():
            raise FileExistsError(f"{path} already holds records: open it, or choose another folder")
        path.mkdir(parents=True, exist_ok=True)
        records = cls(path, {"format": 1, "shards": shards, "deliveries": []})
        records._save(records._manifest)
        return records

    @classmethod
    def open(cls, path: Path, objections: Objections | None = None) -> Records:
        """Open an existing store, without those who object; raise `FileNotFoundError` if the folder holds none."""
        manifest = path / cls.MANIFEST
        if not manifest.exists():
            raise FileNotFoundError(f"{path} holds no records: create it by ingesting or synthesising some")
        return cls(path, json.loads(manifest.read_text(encoding="utf-8")), objections)

    def as_known(self, on: datetime) -> Records:
        """Return the store as it was on a past day: with the deliveries that had come by then, and no later one."""
        kept = [d for d in self.deliveries if datetime.fromisoformat(d["delivered_at"]) <= on]
        return Records(self.path, {**self._manifest, "deliveries": kept}, self.objections)

    @property
    def deliveries(self) -> list[dict[str, Any]]:
        """What was taken in, in order: name, date, rows kept, refused, quarantined by reason, digest of each file."""
        deliveries: list[dict[str, Any]] = self._manifest["deliveries"]
        return deliveries

    @property
    def shards(self) -> range:
        """Numbers of the shards."""
        return range(int(self._manifest["shards"]))

    @property
    def delivered_at(self) -> datetime:
        """Date of the latest delivery: the day after which nothing is known."""
        if not self.deliveries:
            raise ValueError(f"{self.path} holds no delivery yet")
        return datetime.fromisoformat(max(d["delivered_at"] for d in self.deliveries))

    @property
    def kept_from(self) -> datetime | None:
        """First day that a purge left; older rows are refused from then on, so that they do not come back."""
        days = [purge["before"] for purge in self._manifest.get("purges", []) if purge["before"] is not None]
        return datetime.fromisoformat(max(days)) if days else None

    @property
    def digest(self) -> str:
        """SHA-256 over everything taken in and everybody left out; it changes with every delivery and objection."""
        return digest([self.deliveries, sorted(self.objections.pseudonyms)])

    def append(
        self, frame: pd.DataFrame | pa.Table, *, name: str, delivered_at: datetime, concepts: Sequence[Concept]
    ) -> dict[str, Any]:
        """Take one table in as a delivery; see `delivery`. Return its entry in the manifest."""
        with self.delivery(name=name, delivered_at=delivered_at, concepts=concepts) as delivery:
            delivery.add(frame)
        return delivery.entry

    @contextmanager
    def delivery(
        self, *, name: str, delivered_at: datetime, concepts: Sequence[Concept], complete: str | None = None
    ) -> Iterator[Delivery]:
        """Take a delivery in, table by table; it counts when the ``with`` block ends, and not if it raises.

        Parameters
        ----------
        name
            Name of the delivery, unique in the store. Sent again with the same content it changes nothing.
        delivered_at
            When it was delivered; nothing in it may have become known later.
        concepts
            Definitions by which values are converted and believed.
        complete
            Name of a stream of deliveries that each hold all that is in the files of their patients, such as monthly
            exports. What the stream said of a patient of a practice who is in this delivery, and this one says no
            more, is taken back as of ``delivered_at``: that is how a corrected or deleted entry shows. Who is missing
            altogether may have left: their records stay, and so does what deliveries outside the stream said.

        Raises
        ------
        InvalidRecords
            If a table cannot be understood, no row of the delivery can be kept, the name stands for something else, or
            the stream went past this day already.
        """
        with only_writer(self.path):
            self._manifest = json.loads((self.path / self.MANIFEST).read_text(encoding="utf-8"))
            with tempfile.TemporaryDirectory(prefix=".incoming-", dir=self.path) as incoming:
                kept_from = self.kept_from
                delivery = Delivery(Path(incoming), len(self.shards), name, delivered_at, concepts, kept_from)
                yield delivery
                if complete is not None:
                    self._complete(delivery, complete)
                self._commit(delivery)

    def _commit(self, delivery: Delivery) -> None:
        entry = delivery.close()
        for earlier in self.deliveries:
            if earlier["name"] == entry["name"]:
                if _content(earlier) != _content(entry):
                    raise InvalidRecords(
                        [f"delivery {entry['name']!r} is already in {self.path} with other content: rename it"]
                    )
                delivery.entry = earlier
                return
        folder = f"delivery-{len(self.deliveries):06d}"
        entry = {**entry, "files": {f"{folder}/{name}": value for name, value in entry["files"].items()}}
        if (self.path / folder).exists():  # moved in by a process that died before the manifest named it
            shutil.rmtree(self.path / folder)
        for file in [*delivery.folder.iterdir(), delivery.folder]:
            settle(file)  # the manifest must not outlive a power cut that its files did not
        delivery.folder.rename(self.path / folder)
        delivery.folder.mkdir()  # for the temporary folder's own clean-up
        manifest = {**self._manifest, "deliveries": [*self.deliveries, entry]}
        self._save(manifest)
        self._manifest, delivery.entry = manifest, entry

    def _complete(self, delivery: Delivery, stream: str) -> None:
        """Take back what a stream of complete deliveries says no more."""
        delivery.about["complete"] = stream
        earlier = [d for d in self.deliveries if d["about"].get("complete") == stream]
        if delivery.name in {d["name"] for d in earlier}:
            return  # sent again
        if earlier and max(datetime.fromisoformat(d["delivered_at"]) for d in earlier) > delivery.delivered_at:
            raise InvalidRecords(
                [
                    f"complete deliveries of {stream!r} come in order, and one of a later day than "
                    f"{delivery.delivered_at:%Y-%m-%d} is in {self.path}: take this one in as an ordinary delivery"
                ]
            )
        delivery.taken_back = sum(self._take_back(delivery, stream, shard) for shard in self.shards)

    def _take_back(self, delivery: Delivery, stream: str, shard: int) -> int:
        """Write what the stream said of this delivery's patients and it says no more; return how many facts."""
        sent = [SCHEMA.empty_table(), *map(pq.read_table, sorted(delivery.folder.glob(f"{_part(shard)}*")))]
        of_stream, others = [CODED.empty_table()], [CODED.empty_table()]
        for earlier in self.deliveries:
            (of_stream if earlier["about"].get("complete") == stream else others).extend(self._tables(earlier, shard))
        fact = ", ".join(FACT)
        with duckdb.connect() as connection:
            connection.register("believed", merge([*of_stream, *others]))
            for name, tables in (("sent", sent), ("of_stream", of_stream), ("others", others)):
                asserted = pa.concat_tables(tables)
                connection.register(name, asserted.filter(pc.is_null(asserted.column("retracted_at"))))
            gone = connection.sql(f"""
                (
                    SELECT {fact} FROM believed SEMI JOIN sent USING (patient, practice) WHERE retracted_at IS NULL
                    INTERSECT SELECT {fact} FROM of_stream
                )
                EXCEPT (SELECT {fact} FROM others UNION ALL SELECT {fact} FROM sent)
            """).to_arrow_table()
        if not len(gone):
            return 0
        end = pa.repeat(pa.scalar(delivery.delivered_at, pa.timestamp("us")), len(gone))
        gone = gone.append_column("known_at", end).append_column("retracted_at", end).select(COLUMNS).cast(SCHEMA)
        gone = gone.take(pc.sort_indices(gone, sort_keys=[(column, "ascending") for column in ORDER]))
        pq.write_table(gone, delivery.folder / f"{_part(shard)}{TAKEN_BACK}", compression="zstd")
        return len(gone)

    def read(self, shard: int) -> Shard:
        """Return one shard, merged over deliveries; raise `AlteredRecords` if a file is not the one taken in."""
        return Shard.from_table(self._facts(shard))

    def table(self, shard: int) -> pa.Table:
        """Return the facts of one shard, units included, in no order: the columns of ``SCHEMA``; errors as `read`."""
        return self._facts(shard).cast(SCHEMA)

    def _facts(self, shard: int) -> pa.Table:
        table = merge([table for delivery in self.deliveries for table in self._tables(delivery, shard)])
        if len(self.objections):
            objecting = pa.array(sorted(self.objections.pseudonyms))
            table = table.filter(pc.invert(pc.is_in(table.column("patient"), value_set=objecting)))
        return table

    def files(self, shard: int) -> dict[str, str]:
        """Return the files of a shard, in the order they came: name, relative to the store, and digest."""
        return {name: expected for entry in self.deliveries for name, expected in _of_shard(entry, shard)}

    def _tables(self, delivery: dict[str, Any], shard: int) -> Iterator[pa.Table]:
        for name, expected in _of_shard(delivery, shard):
            content = (self.path / name).read_bytes()
            if digest(content) != expected:
                raise AlteredRecords(f"{self.path / name} was altered after it was taken in")
            with pq.ParquetFile(pa.BufferReader(content), read_dictionary=REPEATED) as file:
                yield file.read(use_threads=False).cast(CODED)

    def __iter__(self) -> Iterator[Shard]:
        """Yield the shards in order, one in memory at a time."""
        return (self.read(shard) for shard in self.shards)

    def _save(self, manifest: dict[str, Any]) -> None:
        unfinished = self.path / f".{self.MANIFEST}"
        with unfinished.open("w", encoding="utf-8") as file:
            json.dump(manifest, file, indent=1, sort_keys=True, ensure_ascii=False)
        settle(unfinished)
        unfinished.replace(self.path / self.MANIFEST)
        settle(self.path)


class Delivery:
    """A delivery being taken in: tables are sorted out, cut by shard and written as they come."""

    def __init__(
        self,
        folder: Path,
        shards: int,
        name: str,
        delivered_at: datetime,
        concepts: Sequence[Concept],
        kept_from: datetime | None = None,
    ) -> None:
        self.folder = folder
        self.entry: dict[str, Any] = {}
        self.about: dict[str, Any] = {}  # what the reader says of the delivery, for the manifest
        self.name, self.delivered_at = name, delivered_at
        self.taken_back = 0
        self._shards, self._concepts, self._kept_from = shards, concepts, kept_from
        self._parts = 0
        self._rows = 0
        self._refused: Counter[str] = Counter()
        self._quarantined: Counter[str] = Counter()
        self._span: list[datetime] = []
        self._marks = np.zeros(MARKS, dtype=bool)

    def add(self, frame: pd.DataFrame | pa.Table) -> Sorted:
        """Take one table in and return how it was sorted out; raise `InvalidRecords` if it cannot be understood."""
        found = self.write(frame, self._parts)
        self.count(found)
        return found

    def write(self, frame: pd.DataFrame | pa.Table, part: int) -> Sorted:
        """Write one table and return how it was sorted out, to be counted; several threads may write at once.

        Parameters
        ----------
        part
            Its place in the delivery: the same delivery must number its tables in the same way.
        """
        found = sort_out(frame, self.delivered_at, self._concepts, self._kept_from)
        patient = pc.dictionary_encode(found.kept.column("patient")).combine_chunks()
        checksum = _checksums(patient.dictionary.to_pylist())
        self._marks[checksum % MARKS] = True
        shard = (checksum % self._shards)[patient.indices.to_numpy()] if len(found.kept) else checksum
        table = found.kept.append_column("shard", pa.array(shard))
        keys = [("shard", "ascending"), *((column, "ascending") for column in ORDER)]
        table = table.take(pc.sort_indices(table, sort_keys=keys))
        bounds = np.searchsorted(table.column("shard").to_numpy(), np.arange(self._shards + 1))
        for s in range(self._shards):
            of_shard = table.slice(bounds[s], bounds[s + 1] - bounds[s]).select(COLUMNS)
            if len(of_shard):
                pq.write_table(of_shard, self.folder / f"{_part(s)}{part:06d}.parquet", compression="zstd")
        # Where a row was in the source may name a patient's file: that is told, and not kept.
        if len(aside := found.set_aside.drop_columns("where")):
            pq.write_table(aside, self.folder / f"set-aside-{part:06d}.parquet", compression="zstd")
        return found

    def count(self, found: Sorted) -> None:
        """Add one written table to what the manifest will say."""
        if len(found.kept):
            span = pc.min_max(found.kept.column("happened_at")).as_py()
            self._span += [span["min"], span["max"]]
        self._parts += 1
        self._rows += len(found.kept)
        self._refused.update(found.refused)
        self._quarantined.update(found.quarantined)

    @property
    def patients_about(self) -> int:
        """Number of distinct patients so far, within a percent: linear counting (doi:10.1145/78922.78925)."""
        unmarked = MARKS - int(np.count_nonzero(self._marks))
        return round(MARKS * math.log(MARKS / max(unmarked, 1)))

    def close(self) -> dict[str, Any]:
        """Return the delivery's entry in the manifest; raise `InvalidRecords` if every row was set aside."""
        turned_away = self._refused + self._quarantined
        if not self._rows and turned_away:
            raise InvalidRecords([f"{n} rows: {reason}" for reason, n in sorted(turned_away.items())])
        return {
            "name": self.name,
            "delivered_at": self.delivered_at.isoformat(),
            "rows": self._rows,
            "refused": dict(sorted(self._refused.items())),
            "quarantined": dict(sorted(self._quarantined.items())),
            "taken_back": self.taken_back,
            "first": min(self._span).isoformat() if self._span else None,
            "last": max(self._span).isoformat() if self._span else None,
            "about": self.about,
            "files": {file.name: digest(file.read_bytes()) for file in sorted(self.folder.iterdir())},
        }


def settle(path: Path) -> None:
    """Wait until a file, or what a folder lists, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _of_shard(entry: dict[str, Any], shard: int) -> list[tuple[str, str]]:
    """Return the files of a shard in a delivery: name and digest."""
    return [(name, value) for name, value in entry["files"].items() if Path(name).name.startswith(_part(shard))]


def _content(entry: dict[str, Any]) -> list[str]:
    """Return the digests of what was sent in a delivery."""
    return [value for name, value in entry["files"].items() if not name.endswith(TAKEN_BACK)]


def shard_of(patients: Iterable[str], shards: int) -> npt.NDArray[np.int64]:
    """Return the shard each patient's records are in, of a store that has so many."""
    return _checksums(patients) % shards


def _checksums(patients: Iterable[str]) -> npt.NDArray[np.int64]:
    return np.array([zlib.crc32(patient.encode()) for patient in patients], dtype=np.int64)


def _part(shard: int) -> str:
    """Return what the names of a shard's files begin with."""
    return f"shard-{shard:04d}-"


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Hold the store's lock, so that two deliveries never write at once; readers need none."""
    with (path / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def to_microseconds(moment: datetime) -> int:
    """Return microseconds since 1970 of a naive UTC datetime."""
    return int(np.datetime64(moment, "us").astype(np.int64))


def to_datetime(microseconds: int | np.int64) -> datetime:
    """Return the naive UTC datetime at this number of microseconds since 1970."""
    moment: datetime = np.datetime64(int(microseconds), "us").item()
    return moment


def _numbered(column: pa.ChunkedArray) -> tuple[list[str], npt.NDArray[np.int32]]:
    """Return the texts there are in a column of ``CODED``, sorted, and of each row the place of its text."""
    whole = column.combine_chunks()
    row = whole.indices.to_numpy()
    there = np.flatnonzero(np.bincount(row, minlength=len(whole.dictionary)))
    texts = whole.dictionary.take(pa.array(there))
    order = pc.sort_indices(texts).to_numpy()
    place = np.empty(len(whole.dictionary), dtype=np.int32)
    place[there[order]] = np.arange(len(there), dtype=np.int32)
    return texts.take(pa.array(order)).to_pylist(), place.take(row)


def _microseconds(table: pa.Table, column: str) -> npt.NDArray[np.int64]:
    numbers = table.column(column).cast(pa.int64())
    moments: npt.NDArray[np.int64] = (pc.fill_null(numbers, NEVER) if numbers.null_count else numbers).to_numpy()
    return moments

"""Records: everything a practice knows, each with when it happened and when it became known.

On disk a `Records` is a folder of Parquet files, one an append and shard; a patient's records are all in one shard.
Files are added, never rewritten. In memory a `Shard` is the sorted arrays of some patients, the only thing the columnar
evaluator reads, and a `History` is one patient's records, the only thing the patient-wise evaluator reads.

Times are UTC with microsecond precision and no time zone attached.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.codes import Concept, InvalidCode, measured, parse_code

SCHEMA: Final = pa.schema(
    [
        ("patient", pa.string()),
        ("practice", pa.string()),
        ("happened_at", pa.timestamp("us")),
        ("known_at", pa.timestamp("us")),
        ("code", pa.string()),
        ("value", pa.float64()),
        ("unit", pa.string()),
    ]
)
COLUMNS: Final = tuple(SCHEMA.names)
REQUIRED: Final = ("patient", "practice", "happened_at", "known_at", "code")
ORDER: Final = ("patient", "happened_at", "known_at", "value", "code")


class InvalidRecords(ValueError):
    """Records that cannot be taken in; ``faults`` lists everything that is wrong with them."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("these records cannot be taken in:\n" + "\n".join(f"- {fault}" for fault in faults))


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that happened to one patient.

    Attributes
    ----------
    happened_at, known_at
        When it happened, and when it reached the practice's file. UTC.
    code
        ``SYSTEM:value``.
    value, unit
        Measured value and its UCUM unit, where there is one.
    """

    happened_at: datetime
    known_at: datetime
    code: str
    value: float | None = None
    unit: str | None = None


@dataclass(frozen=True)
class History:
    """One patient's records."""

    records: tuple[Record, ...]


@dataclass(frozen=True)
class Normalised:
    """A value in its concept's unit, or why it is not used (``"unit"``, ``"implausible"``)."""

    value: float | None
    unit: str | None
    fault: str | None = None


def normalise(code: str, value: float | None, unit: str | None, concepts: Iterable[Concept]) -> Normalised:
    """Return the value converted to its concept's unit, by the unit of the record and never by its code.

    A value whose unit is missing or cannot be converted, or which is outside the plausible range, gets a fault; a code
    that belongs to no measured concept is left as it is.
    """
    concept = measured(concepts, code)
    if concept is None or value is None:
        return Normalised(value, unit)
    factor = concept.factor(unit)
    if factor is None:
        return Normalised(None, unit, "unit")
    converted = value * factor
    if concept.plausible and not concept.plausible[0] <= converted <= concept.plausible[1]:
        return Normalised(None, unit, "implausible")
    return Normalised(converted, concept.unit)


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
    happened, known
        Microseconds since 1970, shape ``(n,)``.
    value
        Values, NaN where there is none, shape ``(n,)``.
    code, practice
        Positions in ``codes`` and ``practices``, shape ``(n,)``.
    """

    patients: npt.NDArray[np.object_]
    start: npt.NDArray[np.int64]
    happened: npt.NDArray[np.int64]
    known: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    code: npt.NDArray[np.int32]
    practice: npt.NDArray[np.int32]
    codes: tuple[str, ...]
    practices: tuple[str, ...]

    @classmethod
    def from_table(cls, table: pa.Table) -> Shard:
        """Return the sorted arrays of a table with the columns of ``SCHEMA``, in any row order."""
        table = table.select(COLUMNS).cast(SCHEMA)
        table = table.take(pc.sort_indices(table, sort_keys=[(name, "ascending") for name in ORDER]))
        patient, code, practice = (
            pc.dictionary_encode(table.column(name)).combine_chunks() for name in ("patient", "code", "practice")
        )
        patient_ids = patient.indices.to_numpy()
        # Sorted by patient, so that dictionary positions count up and each patient is one run.
        start = np.flatnonzero(np.diff(patient_ids, prepend=-1, append=len(patient.dictionary)))
        return cls(
            patients=np.asarray(patient.dictionary.to_pylist(), dtype=object),
            start=start.astype(np.int64),
            happened=_microseconds(table, "happened_at"),
            known=_microseconds(table, "known_at"),
            value=table.column("value").to_numpy().astype(np.float64),
            code=code.indices.to_numpy(),
            practice=practice.indices.to_numpy(),
            codes=tuple(code.dictionary.to_pylist()),
            practices=tuple(practice.dictionary.to_pylist()),
        )

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Shard:
        """Return the sorted arrays of a pandas frame with the columns of ``SCHEMA``."""
        return cls.from_table(pa.Table.from_pandas(frame[list(COLUMNS)], SCHEMA, preserve_index=False))

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
                )
                for row in rows
            )
        )


class Records:
    """Records on disk, in shards by patient.

    Use `create` for a new store and `open` for one that exists; `append` takes a delivery in.
    """

    MANIFEST: Final = "records.json"

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self._manifest = manifest

    @classmethod
    def create(cls, path: Path, shards: int = 8) -> Records:
        """Make an empty store of ``shards`` shards; raise `FileExistsError` where there is one already."""
        if (path / cls.MANIFEST).exists():
            raise FileExistsError(f"{path} already holds records: open it, or choose another folder")
        path.mkdir(parents=True, exist_ok=True)
        records = cls(path, {"format": 1, "shards": shards, "deliveries": []})
        records._save()
        return records

    @classmethod
    def open(cls, path: Path) -> Records:
        """Open an existing store; raise `FileNotFoundError` if the folder holds none."""
        manifest = path / cls.MANIFEST
        if not manifest.exists():
            raise FileNotFoundError(f"{path} holds no records: create it by ingesting or synthesising some")
        return cls(path, json.loads(manifest.read_text()))

    def _save(self) -> None:
        (self.path / self.MANIFEST).write_text(json.dumps(self._manifest, indent=1, sort_keys=True))

    @property
    def deliveries(self) -> list[dict[str, Any]]:
        """What was appended, in order: name, date, rows, quarantined rows and a digest of each file."""
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
        return datetime.fromisoformat(max(str(d["delivered_at"]) for d in self.deliveries))

    @property
    def digest(self) -> str:
        """SHA-256 over everything taken in; it changes with every delivery."""
        return hashlib.sha256(json.dumps(self.deliveries, sort_keys=True).encode()).hexdigest()

    def append(
        self,
        frame: pd.DataFrame | pa.Table,
        *,
        name: str,
        delivered_at: datetime,
        concepts: Sequence[Concept],
    ) -> dict[str, int]:
        """Take a delivery in.

        Parameters
        ----------
        frame
            Columns of ``SCHEMA``; ``value`` and ``unit`` may be absent.
        name
            Name of the delivery, unique in the store; an append under a name already taken in is refused, so that an
            interrupted ingestion can simply be run again.
        delivered_at
            When it was delivered; nothing in it may have become known later.
        concepts
            Definitions by which values are converted and believed.

        Returns
        -------
        dict
            Number of rows taken in, of values quarantined, by reason.

        Raises
        ------
        InvalidRecords
            With every fault found; nothing is then written.
        """
        if any(d["name"] == name for d in self.deliveries):
            raise InvalidRecords([f"delivery {name!r} is already in {self.path}: it is not taken in twice"])
        table, quarantined, counts = _validated(_as_table(frame), delivered_at, concepts)
        patient = pc.dictionary_encode(table.column("patient")).combine_chunks()
        of_patient = np.array(
            [zlib.crc32(p.encode()) % len(self.shards) for p in patient.dictionary.to_pylist()],
            dtype=np.int64,
        )
        shard = of_patient[patient.indices.to_numpy()] if len(table) else np.empty(0, dtype=np.int64)
        table = table.append_column("shard", pa.array(shard))
        keys = [("shard", "ascending"), *((column, "ascending") for column in ORDER)]
        table = table.take(pc.sort_indices(table, sort_keys=keys))
        bounds = np.searchsorted(table.column("shard").to_numpy(), np.arange(len(self.shards) + 1))
        number = len(self.deliveries)
        files = {}
        for s in self.shards:
            part = table.slice(bounds[s], bounds[s + 1] - bounds[s]).select(COLUMNS)
            if len(part):
                file = self._folder(s) / f"delivery-{number:06d}.parquet"
                file.parent.mkdir(exist_ok=True)
                pq.write_table(part, file, compression="zstd")
                files[f"{file.parent.name}/{file.name}"] = _digest(file)
        if len(quarantined):
            (self.path / "quarantine").mkdir(exist_ok=True)
            pq.write_table(quarantined, self.path / "quarantine" / f"delivery-{number:06d}.parquet")
        span = pc.min_max(table.column("happened_at")).as_py()
        self.deliveries.append(
            {
                "name": name,
                "delivered_at": delivered_at.isoformat(),
                "rows": len(table),
                "quarantined": counts,
                "first": span["min"].isoformat() if span["min"] else None,
                "last": span["max"].isoformat() if span["max"] else None,
                "files": files,
            }
        )
        self._save()
        return {"rows": len(table), **counts}

    def read(self, shard: int) -> Shard:
        """Return one shard, merged over deliveries; raise ValueError if a file is not the one taken in."""
        tables = []
        for delivery in self.deliveries:
            for name, digest in delivery["files"].items():
                if name.startswith(self._folder(shard).name + "/"):
                    if _digest(self.path / name) != digest:
                        raise ValueError(f"{self.path / name} was altered after it was taken in")
                    tables.append(pq.read_table(self.path / name))
        return Shard.from_table(pa.concat_tables(tables) if tables else SCHEMA.empty_table())

    def __iter__(self) -> Iterator[Shard]:
        """Yield the shards in order, one in memory at a time."""
        return (self.read(shard) for shard in self.shards)

    def _folder(self, shard: int) -> Path:
        return self.path / f"shard-{shard:04d}"


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def to_microseconds(moment: datetime) -> int:
    """Return microseconds since 1970 of a naive UTC datetime."""
    return int(np.datetime64(moment, "us").astype(np.int64))


def to_datetime(microseconds: int | np.int64) -> datetime:
    """Return the naive UTC datetime at this number of microseconds since 1970."""
    moment: datetime = np.datetime64(int(microseconds), "us").item()
    return moment


def _microseconds(table: pa.Table, column: str) -> npt.NDArray[np.int64]:
    moments: npt.NDArray[np.int64] = table.column(column).cast(pa.int64()).to_numpy()
    return moments


def _as_table(frame: pd.DataFrame | pa.Table) -> pa.Table:
    table = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)
    absent = [name for name in REQUIRED if name not in table.column_names]
    unknown = [name for name in table.column_names if name not in COLUMNS]
    faults = [f"column {name!r} is missing" for name in absent]
    faults += [f"column {name!r} is not one of {', '.join(COLUMNS)}" for name in unknown]
    if faults:
        raise InvalidRecords(faults)
    for name in ("value", "unit"):
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(len(table), SCHEMA.field(name).type))
    try:
        return table.select(COLUMNS).cast(SCHEMA)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidRecords([f"a column has not the type it should ({SCHEMA.to_string()}): {error}"]) from error


def _validated(
    table: pa.Table, delivered_at: datetime, concepts: Sequence[Concept]
) -> tuple[pa.Table, pa.Table, dict[str, int]]:
    """Return the rows with normalised values, the quarantined rows, and how many there are for each reason."""
    faults = []
    for name in REQUIRED:
        if nulls := table.column(name).null_count:
            faults.append(f"{nulls} rows have no {name}")
    early = pc.sum(pc.less(table.column("known_at"), table.column("happened_at"))).as_py()
    if early:
        faults.append(f"{early} rows became known before they happened: check which column is which date")
    late = pc.sum(pc.greater(table.column("known_at"), pa.scalar(delivered_at, pa.timestamp("us")))).as_py()
    if late:
        faults.append(f"{late} rows became known after the delivery of {delivered_at:%Y-%m-%d}")
    infinite = pc.sum(pc.is_inf(table.column("value"))).as_py()
    if infinite:
        faults.append(f"{infinite} values are infinite")
    codes = pc.unique(table.column("code")).to_pylist()
    for code in codes:
        if code is not None:
            try:
                parse_code(code)
            except InvalidCode as error:
                faults.append(str(error))
    if faults:
        raise InvalidRecords(faults)
    table = table.set_column(
        table.column_names.index("value"),
        "value",
        pc.if_else(pc.is_nan(table.column("value")), None, table.column("value")),
    )
    return _normalised(table, concepts)


def _normalised(table: pa.Table, concepts: Sequence[Concept]) -> tuple[pa.Table, pa.Table, dict[str, int]]:
    """Apply `normalise` to a table: what depends on the code and unit is worked out once for each distinct pair."""
    code = pc.dictionary_encode(table.column("code")).combine_chunks()
    unit = pc.dictionary_encode(table.column("unit"), null_encoding="encode").combine_chunks()
    codes, units = code.dictionary.to_pylist(), unit.dictionary.to_pylist()
    pair = code.indices.to_numpy().astype(np.int64) * max(len(units), 1) + unit.indices.to_numpy()
    value = table.column("value").to_numpy().astype(np.float64).copy()
    new_unit = np.array(units, dtype=object)[unit.indices.to_numpy()] if len(units) else np.empty(0, dtype=object)
    fault = np.full(len(table), None, dtype=object)
    distinct, inverse = np.unique(pair, return_inverse=True)
    for position, key in enumerate(distinct):
        concept = measured(concepts, codes[key // len(units)])
        if concept is None:
            continue
        rows = np.flatnonzero((inverse == position) & ~np.isnan(value))
        factor = concept.factor(units[key % len(units)])
        if factor is None:
            fault[rows] = "unit"
            continue
        value[rows] *= factor
        new_unit[rows] = concept.unit
        if concept.plausible:
            low, high = concept.plausible
            fault[rows[(value[rows] < low) | (value[rows] > high)]] = "implausible"
    bad = np.flatnonzero(fault != None)  # noqa: E711 - elementwise on objects
    quarantined = table.take(pa.array(bad)).append_column("fault", pa.array(fault[bad], pa.string()))
    value[bad] = np.nan
    for name, column in (
        ("value", pa.array(value, pa.float64(), from_pandas=True)),
        ("unit", pa.array(new_unit, pa.string(), from_pandas=True)),
    ):
        table = table.set_column(table.column_names.index(name), name, column)
    counts = {str(k): int(n) for k, n in zip(*np.unique(fault[bad].astype(str), return_counts=True), strict=True)}
    # A quarantined value leaves no row behind: "measured, but not believed" must not count as measured.
    return table.filter(pa.array(fault == None)), quarantined, counts  # noqa: E711

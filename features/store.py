"""The feature store: features computed once, found again by what they are made of.

A frame is kept as parts, one a shard: Parquet files named after all that decides their content, and after their bytes.
What is there is never computed again, so interrupted work goes on where it stopped; what has another name is another
thing; and a file that does not keep what its name says is an error.

A new delivery gives the shards it touches another name. Their rows are then taken from an earlier part where nothing
the delivery says can have moved them, and computed otherwise. A feature at ``as_of`` sees only what happened and was
known before ``as_of``, of its own patient: a row is touched by a delivered file if that file has a record of its
patient that was known, or taken back, before the row's ``as_of``.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files as resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.digests import canonical, digest
from features.engines import Engine, Progress, Request, in_order, on_threads
from features.feature_set import FeatureSet
from features.intake import SCHEMA
from features.records import NEVER, AlteredRecords, Records, Shard, shard_of

#: What a row is about: the first columns of parts, of Arrow tables and of Parquet files.
ROW: Final = pa.schema([("patient", pa.large_string()), ("as_of", pa.timestamp("us"))])
MADE: Final = pa.schema([("file", pa.string()), ("rows", pa.int64()), ("computed", pa.int64())])
UNFINISHED: Final = ".unfinished-"


def _code() -> str:
    def sources(folder: Traversable) -> Iterator[str]:
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if entry.name.endswith(".py"):
                yield digest(entry.read_bytes())
            elif entry.is_dir() and entry.name not in {"catalogue", "sources", "synthetic"}:
                yield from sources(entry)

    return digest(list(sources(resources("features"))))


#: SHA-256 of the package's code, but for what makes records and definitions: they have digests of their own. It is
#: taken when the code is loaded, so that it is that of the code that runs.
CODE: Final = _code()


class StaleFeatures(ValueError):
    """A stored file that was not made from what its name says, or was damaged since."""


@dataclass(frozen=True)
class Materialised:
    """What it took to have a frame in the store.

    Attributes
    ----------
    rows
        Distinct rows (patient, ``as_of``) asked for.
    computed
        How many of them were computed; the others were in the store.
    """

    rows: int
    computed: int


class FeatureStore:
    """Features on disk, each part under the fingerprint of its feature set, its shard's records and its rows.

    Several processes may ask for the same frame at once. With an engine that spans machines, records and store are on
    storage that all of them see under the same path.

    Parameters
    ----------
    path
        Folder of the store; made when first needed.
    records
        Records the features are computed from.
    engine
        Where shards are computed: on this machine's threads, or `features.engines.spark.on_spark`.
    """

    def __init__(self, path: Path, records: Records, engine: Engine = on_threads) -> None:
        self.path = path
        self.records = records
        self.engine = engine

    def frame(self, features: FeatureSet, index: pd.DataFrame, progress: Progress | None = None) -> pd.DataFrame:
        """Return the features of an index, one row each in its order and under its labels, computed at most once.

        Parameters
        ----------
        index
            Rows ``patient`` and ``as_of`` (UTC, no time zone); a patient may have several.
        progress
            Called with (shards done, shards in all).

        Returns
        -------
        DataFrame
            A column a feature: numbers and conditions as float64, NaN where missing; states as categoricals.

        Raises
        ------
        StaleFeatures
            If a stored file was not made from what its name says, or was damaged since.
        ValueError
            If the index has rows without patient or ``as_of``, or about patients who have no record here.
        """
        with self._in_use():
            table, place = self._parts(features, index, progress).whole()
        return _as_frame(table, place, index)

    def table(self, features: FeatureSet, index: pd.DataFrame, progress: Progress | None = None) -> pa.Table:
        """Return what `frame` does as an Arrow table, after columns ``patient`` and ``as_of``; missing is null."""
        with self._in_use():
            table, place = self._parts(features, index, progress).whole()
        return table.take(place)

    def write(
        self, features: FeatureSet, index: pd.DataFrame, file: Path, progress: Progress | None = None
    ) -> Materialised:
        """Write what `table` returns to a Parquet file, one shard in memory at a time.

        Each row is there once, by shard, patient and ``as_of``. The file is replaced only when the new one is whole.
        """
        with self._in_use():
            found = self._parts(features, index, progress)
            about = {"features": features.fingerprint, "records": self.records.digest, "code": CODE}
            unfinished = file.with_name(f"{UNFINISHED}{uuid4().hex}")
            try:
                schema = found.maker.kernel.nothing.schema.with_metadata({b"vigie": canonical(about)})
                with pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
                    for part in found.files:
                        writer.write_table(found.maker.read(part).cast(schema))
                unfinished.replace(file)
            finally:
                unfinished.unlink(missing_ok=True)
        return found.took

    def materialise(self, features: FeatureSet, index: pd.DataFrame, progress: Progress | None = None) -> Materialised:
        """Compute what the store has not of a frame, and leave it there; see `frame`."""
        with self._in_use():
            return self._parts(features, index, progress).took

    def prune(self) -> int:
        """Remove what was not made by this code from the records as they are; return how many files.

        What earlier deliveries gave is what later frames are brought up to date from: prune after asking for the
        frames that are to be kept. Values of people who object, or whose records were purged, stay in the store until
        then. Waits for whoever is using the store.
        """
        delivered = _Delivered.of(self.records)
        states = tuple(f"{n:04d}-{digest(delivered.state(n))[:16]}-" for n in self.records.shards)
        removed = 0
        with self._in_use(alone=True):
            for folder in [path for path in self.path.iterdir() if path.is_dir()]:
                for file in list(folder.iterdir()):
                    if not (folder.name.endswith(CODE[:16]) and file.name.startswith(states)):
                        file.unlink()
                        removed += 1
                if not any(folder.iterdir()):
                    folder.rmdir()
        return removed

    def _parts(self, features: FeatureSet, index: pd.DataFrame, progress: Progress | None) -> _Parts:
        """Return the parts of an index, after making those that are not there."""
        requests, place = _by_shard(self.records, index)
        maker = _PartMaker(self.path, Kernel.of(features, self.records), CODE)
        maker.folder.mkdir(parents=True, exist_ok=True)
        there = {file.name.rpartition("-")[0]: file for file in sorted(maker.folder.iterdir())}
        files = [there.get(_name(maker.about(shard, rows))) for shard, rows in requests]
        missing = [at for at, file in enumerate(files) if file is None]

        def told(done: int, _: int) -> None:
            if progress:
                progress(len(files) - len(missing) + done, len(files))

        asked = [requests[at] for at in missing]
        answers = self.engine(maker, asked, told if progress else None)
        made = pa.concat_tables([MADE.empty_table(), *answers]).to_pylist()
        _refuse_strangers(sum(len(rows) for _, rows in asked) - sum(part["rows"] for part in made))
        for at, part in zip(missing, made, strict=True):
            files[at] = maker.folder / part["file"]
        took = Materialised(sum(len(rows) for _, rows in requests), sum(part["computed"] for part in made))
        return _Parts(maker, [file for file in files if file is not None], place, took)

    @contextmanager
    def _in_use(self, alone: bool = False) -> Iterator[None]:
        """Hold the store's lock: many may make and read parts at once, nobody while somebody prunes."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            yield


def compute(
    features: FeatureSet,
    records: Records,
    index: pd.DataFrame,
    progress: Progress | None = None,
    engine: Engine = on_threads,
) -> pd.DataFrame:
    """Return the features of an index without storing them; see `FeatureStore.frame`."""
    requests, place = _by_shard(records, index)
    kernel = Kernel.of(features, records)
    parts = [kernel.nothing, *engine(kernel, requests, progress)]
    _refuse_strangers(sum(len(rows) for _, rows in requests) - sum(map(len, parts)))
    return _as_frame(pa.concat_tables(parts), place, index)


@dataclass(frozen=True)
class Kernel:
    """The computation of a feature set over shards of records: the same wherever it runs.

    It travels as the set's JSON, never as its objects.
    """

    records: Records
    definition: bytes
    fingerprint: str

    @classmethod
    def of(cls, features: FeatureSet, records: Records) -> Kernel:
        """Return the kernel of a feature set; raise ValueError where a feature has the name of a row's own column."""
        if taken := sorted(set(features) & set(ROW.names)):
            raise ValueError(f"features cannot be named {' or '.join(taken)}: rows are; rename them in {features.name}")
        return cls(records, features.to_json(), features.fingerprint)

    def __call__(self, shard: int, rows: pa.Table) -> pa.Table:
        """Return the rows (``ROW``) that are about patients with records, in their order, with their features."""
        read = self.records.read(shard)
        patients = rows.column("patient").to_numpy(zero_copy_only=False)
        known = read.positions(patients) >= 0
        as_of = rows.column("as_of").cast(pa.int64()).to_numpy()[known]
        columns = self._table(self.features.of_shard(read, patients[known], as_of))
        rows = rows.filter(pa.array(known))
        return pa.table([*rows.columns, *columns.columns], names=[*ROW.names, *columns.column_names])

    @cached_property
    def features(self) -> FeatureSet:
        """The feature set."""
        features = FeatureSet.from_json(self.definition)
        if features.fingerprint != self.fingerprint:
            raise ValueError("the feature set reads differently here: install the same version on every machine")
        return features

    @cached_property
    def nothing(self) -> pa.Table:
        """The table of no rows, which has the schema and the categories of every other."""
        nobody = Shard.from_table(SCHEMA.empty_table())
        frame = self.features.of_shard(nobody, np.empty(0, dtype=object), np.empty(0, dtype=np.int64))
        columns = self._table(frame)
        return pa.table([*ROW.empty_table().columns, *columns.columns], names=[*ROW.names, *columns.column_names])

    @staticmethod
    def _table(frame: pd.DataFrame) -> pa.Table:
        return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)


@dataclass(frozen=True, eq=False)
class _Parts:
    """The parts of an index, the place of each of its rows in them, and what it took to have them."""

    maker: _PartMaker
    files: list[Path]
    place: npt.NDArray[np.int64]
    took: Materialised

    def whole(self) -> tuple[pa.Table, npt.NDArray[np.int64]]:
        """Return the parts as one table, and the places."""
        return pa.concat_tables([self.maker.kernel.nothing, *in_order(self.maker.read, self.files)]), self.place


@dataclass(frozen=True)
class _PartMaker:
    """Parts of one feature set: where they are, what they are called, how one is made.

    A part's name says its shard, what the shard's records were (`_Delivered.state`), whose rows it has, and its bytes:
    16 digits of the digest of each, and 32 of the last.
    """

    path: Path
    kernel: Kernel
    code: str

    @property
    def folder(self) -> Path:
        name = re.sub(r"[^\w-]+", "-", json.loads(self.kernel.definition)["name"])
        return self.path / f"{name}-{self.kernel.fingerprint[:16]}-{self.code[:16]}"

    @cached_property
    def delivered(self) -> _Delivered:
        return _Delivered.of(self.kernel.records)

    def __call__(self, shard: int, rows: pa.Table) -> pa.Table:
        """Make the part of these rows; return (``MADE``) its name, none if some are about strangers, and counts."""
        if self.code != CODE:
            raise ValueError("another version of the package is installed here than where the work was given out")
        stored, place = self._stored(shard, rows)
        wanted = rows.filter(pa.array(place < 0))
        computed = self.kernel(shard, wanted) if len(wanted) else self.kernel.nothing
        file, found = None, len(rows) - len(wanted) + len(computed)
        if found == len(rows):
            place[place < 0] = len(stored) + np.arange(len(computed))
            file = self._write(shard, rows, pa.concat_tables([stored, computed]).take(place))
        return pa.table([[file], [found], [len(computed)]], schema=MADE)

    def read(self, file: Path) -> pa.Table:
        """Return a part; raise `StaleFeatures` if it is not what its name says."""
        return self._table(self._open(file)[1])

    def about(self, shard: int, rows: pa.Table) -> dict[str, Any]:
        """Return all that decides a part."""
        whose = [rows.column("patient").to_pylist(), rows.column("as_of").cast(pa.int64()).to_pylist()]
        return {
            "features": self.kernel.fingerprint,
            "code": self.code,
            "shard": shard,
            "state": self.delivered.state(shard),
            "rows": digest(whose),
        }

    def _stored(self, shard: int, rows: pa.Table) -> tuple[pa.Table, npt.NDArray[np.int64]]:
        """Return a part made from no more than the shard now is, and where in it each row is that stayed as it was.

        The place of a row is -1 where the part has it not or a file delivered since may have moved it. Of several such
        parts, one made from as many files as any that serves, and then the one that serves most.
        """
        now, asked = self.delivered.state(shard), rows.to_pandas()
        as_of = asked["as_of"].to_numpy().astype(np.int64)
        usable = []
        for file in sorted(self.folder.glob(f"{shard:04d}-*")):
            if not _may_hold(file, as_of.min(), as_of.max()):
                continue
            then, part = self._open(file)
            if then["objections"] == now["objections"] and set(then["files"]) <= set(now["files"]):
                usable.append((set(then["files"]), part))
        best, best_place, best_files = self.kernel.nothing, np.full(len(rows), -1), 0
        for files, part in sorted(usable, key=lambda found: -len(found[0])):
            if len(files) < best_files:
                break
            table = self._table(part)
            there = pd.MultiIndex.from_frame(table.select(ROW.names).to_pandas())
            place = there.get_indexer(pd.MultiIndex.from_frame(asked)).astype(np.int64)
            moved_after = self.delivered.moved_after(shard, files)
            place[as_of > [moved_after.get(patient, NEVER) for patient in asked["patient"]]] = -1
            if np.count_nonzero(place >= 0) > np.count_nonzero(best_place >= 0):
                best, best_place, best_files = table, place, len(files)
        return best, best_place

    def _open(self, file: Path) -> tuple[dict[str, Any], pq.ParquetFile]:
        """Return the state a part was made from, and its file, after comparing both to its name."""
        data = file.read_bytes()
        if file.stem[-32:] != digest(data)[:32]:
            raise StaleFeatures(f"{file} was damaged after it was written: delete it")
        part = pq.ParquetFile(pa.BufferReader(data))
        about = json.loads((part.schema_arrow.metadata or {}).get(b"vigie", b"{}"))
        same = (about.get("features"), about.get("code")) == (self.kernel.fingerprint, self.code)
        if not same or file.name.rpartition("-")[0] != _name(about):
            raise StaleFeatures(f"{file} holds other features, records or rows than its name says: delete it")
        state: dict[str, Any] = about["state"]
        return state, part

    def _table(self, part: pq.ParquetFile) -> pa.Table:
        """Return the table of a part; each column of states has all its categories again."""
        table, like = part.read(), self.kernel.nothing
        columns = [_categories(table.column(name), like.column(name).chunk(0)) for name in like.column_names]
        return pa.table(columns, schema=like.schema)

    def _write(self, shard: int, rows: pa.Table, table: pa.Table) -> str:
        """Write a part, there wholly or not at all; return its name."""
        about = self.about(shard, rows)
        sink = pa.BufferOutputStream()
        pq.write_table(table.replace_schema_metadata({b"vigie": canonical(about)}), sink, compression="zstd")
        data = sink.getvalue().to_pybytes()
        name = f"{_name(about)}-{digest(data)[:32]}.parquet"
        unfinished = self.folder / f"{UNFINISHED}{uuid4().hex}"
        try:
            with unfinished.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self.folder / name)
        finally:
            unfinished.unlink(missing_ok=True)
        return name


def _name(about: dict[str, Any]) -> str:
    """Return the name of a part, but for what says its bytes."""
    return f"{about['shard']:04d}-{digest(about['state'])[:16]}-{about['rows'][:16]}"


def _may_hold(file: Path, first: int, last: int) -> bool:
    """Return whether a part may have rows of moments between two: a look at its end, where many parts are others'."""
    try:
        footer = pq.read_metadata(file)
    except (pa.ArrowException, OSError):
        return True  # damaged: opening it says so
    groups = [footer.row_group(n).column(ROW.names.index("as_of")) for n in range(footer.num_row_groups)]
    spans = [group.statistics for group in groups]
    return any(
        span is None or not span.has_min_max or (span.min_raw <= last and span.max_raw >= first) for span in spans
    )


def _categories(column: pa.ChunkedArray, like: pa.Array) -> pa.ChunkedArray:
    if not pa.types.is_dictionary(like.type):
        return column
    places = pc.index_in(column.cast(like.type.value_type), value_set=like.dictionary).cast(like.type.index_type)
    return pa.chunked_array(
        [pa.DictionaryArray.from_arrays(chunk, like.dictionary) for chunk in places.chunks], type=like.type
    )


@dataclass(frozen=True)
class _Delivered:
    """What decides the records of each shard: its files by digest, and who objects in it."""

    path: Path
    files: dict[int, dict[str, str]]
    objecting: dict[int, list[str]]

    @classmethod
    def of(cls, records: Records) -> _Delivered:
        """Return what decides records as they are now."""
        files = {n: {expected: name for name, expected in records.files(n).items()} for n in records.shards}
        objecting: dict[int, list[str]] = {n: [] for n in records.shards}
        pseudonyms = sorted(records.objections.pseudonyms)
        for pseudonym, shard in zip(pseudonyms, shard_of(pseudonyms, len(records.shards)), strict=True):
            objecting[int(shard)].append(pseudonym)
        return cls(records.path, files, objecting)

    def state(self, shard: int) -> dict[str, Any]:
        """Return all that decides what is read of a shard; retractions are in its files."""
        return {"files": sorted(self.files[shard]), "objections": digest(self.objecting[shard])}

    def moved_after(self, shard: int, known: set[str]) -> dict[str, int]:
        """Return, by patient, after when (microseconds since 1970) files other than the known may have moved features.

        A record shows only once it was known, which is never before it happened; one that takes back, once it did.
        """
        schema = pa.schema([SCHEMA.field(name) for name in ("patient", "known_at", "retracted_at")])
        tables = [schema.empty_table()]
        for expected, name in self.files[shard].items():
            if expected not in known:
                data = (self.path / name).read_bytes()
                if digest(data) != expected:
                    raise AlteredRecords(f"{self.path / name} was altered after it was taken in")
                tables.append(pq.read_table(pa.BufferReader(data), schema=schema))
        table = pa.concat_tables(tables)
        shown = pc.coalesce(table.column("retracted_at"), table.column("known_at")).cast(pa.int64())
        by_patient = pa.table({"patient": table.column("patient"), "shown": shown}).group_by("patient")
        first = by_patient.aggregate([("shown", "min")])
        return dict(zip(*(column.to_pylist() for column in first.columns), strict=True))


def _by_shard(records: Records, index: pd.DataFrame) -> tuple[list[Request], npt.NDArray[np.int64]]:
    """Return the distinct rows of an index by shard, sorted, and the place of each row of the index among them."""
    if lacking := [name for name in ROW.names if name not in index.columns]:
        raise ValueError(f"the index has no column {' and no column '.join(lacking)}: give each row both")
    if twice := [name for name in ROW.names if index.columns.tolist().count(name) > 1]:
        raise ValueError(f"the index has several columns {' and '.join(twice)}: keep the one that is meant of each")
    faults = []
    if incomplete := int(index[ROW.names].isna().any(axis=1).sum()):
        faults.append(f"{incomplete} rows of the index have no patient or no as_of: complete or drop them")
    as_of, wrong = _moments(index["as_of"])
    faults += wrong
    if other := sum(not isinstance(patient, str) for patient in index["patient"].dropna().unique()):
        faults.append(f"{other} distinct patients are not text: write them as the records do")
    if faults:
        raise ValueError("; ".join(faults))
    patient, distinct = pd.factorize(index["patient"].to_numpy(dtype=object), sort=True)
    shard = shard_of(distinct, len(records.shards))[patient] if len(index) else np.empty(0, dtype=np.int64)
    order = np.lexsort((as_of, patient, shard))
    patient, as_of, shard = patient[order], as_of[order], shard[order]
    first = (np.diff(patient, prepend=-1) != 0) | (np.diff(as_of, prepend=0) != 0)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.cumsum(first) - 1
    rows = pa.table(
        [pa.array(distinct[patient[first]], pa.large_string()), as_of[first].view("datetime64[us]")], schema=ROW
    )
    bounds = np.searchsorted(shard[first], np.arange(len(records.shards) + 1))
    pairs = zip(records.shards, bounds[:-1], bounds[1:], strict=True)
    return [(n, rows.slice(low, high - low)) for n, low, high in pairs if high > low], place


def _moments(as_of: pd.Series[Any]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Return microseconds since 1970, and what is wrong with the column: a number would be a moment nobody meant."""
    nothing, zoned = np.empty(0, dtype=np.int64), ["as_of has a time zone: convert it to UTC and take the zone away"]
    if as_of.empty:
        return nothing, []
    if isinstance(as_of.dtype, pd.DatetimeTZDtype):
        return nothing, zoned
    try:
        moments = pa.array(as_of, from_pandas=True)
    except pa.ArrowException:
        return nothing, ["as_of mixes datetimes and other things: convert it with pandas.to_datetime"]
    if getattr(moments.type, "tz", None):
        return nothing, zoned
    if not any(test(moments.type) for test in (pa.types.is_timestamp, pa.types.is_date, pa.types.is_null)):
        return nothing, [f"as_of is {as_of.dtype}, not datetimes: convert it with pandas.to_datetime"]
    return pc.fill_null(moments.cast(pa.timestamp("us"), safe=False).cast(pa.int64()), 0).to_numpy(), []


def _as_frame(table: pa.Table, place: npt.NDArray[np.int64], index: pd.DataFrame) -> pd.DataFrame:
    frame: pd.DataFrame = table.drop_columns(ROW.names).take(place).to_pandas()
    return frame.set_axis(index.index, axis=0)


def _refuse_strangers(rows: int) -> None:
    if rows:
        raise ValueError(f"{rows} rows of the index are about patients who have no record here")

"""A data set whose files were looked at, and its rows, some at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.intake import InvalidRecords
from features.sources.meds.codes import BIRTH, Codes
from features.sources.meds.subjects import Subjects
from features.sources.times import held

ROWS: Final = 131_072
LARGEST_METADATA: Final = 1 << 20


def _is_text(kind: pa.DataType) -> bool:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    types = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    return any(holds(plain) for holds in types)


def _is_number(kind: pa.DataType) -> bool:
    return any(holds(kind) for holds in (pa.types.is_floating, pa.types.is_integer, pa.types.is_null))


def _is_time(kind: pa.DataType) -> bool:
    return any(holds(kind) for holds in (pa.types.is_timestamp, pa.types.is_null))


#: What is read: column, whether it must be there, what it should be, and how to tell.
COLUMNS: Final[Mapping[str, tuple[bool, str, Callable[[pa.DataType], bool]]]] = {
    "subject_id": (True, "an integer", pa.types.is_integer),
    "time": (True, "a timestamp", _is_time),
    "code": (True, "text", _is_text),
    "numeric_value": (False, "a number", _is_number),
    "text_value": (False, "text", _is_text),
    "exact_value": (False, "a number", _is_number),
    "unit": (False, "text", _is_text),
    "cause": (False, "text", _is_text),
    "practice": (False, "text", _is_text),
    "known_at": (False, "a timestamp", _is_time),
    "retracted_at": (False, "a timestamp", _is_time),
}


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set whose files were looked at: everything but their rows."""

    files: tuple[File, ...]
    codes: Codes
    practice: str
    site: str | None
    subjects: Subjects | None

    @classmethod
    def open(cls, folder: Path) -> Dataset:
        """Return the data set of a folder, or raise with everything that is wrong with it."""
        if not folder.exists():
            raise FileNotFoundError(f"{folder} is not there")
        if not folder.is_dir():
            raise InvalidRecords([f"{folder.name} is a file: give the folder of the data set"])
        faults: list[str] = []
        about = _about(folder, faults)
        sites = about.get("site_id_columns")
        site = sites[0] if isinstance(sites, list) and len(sites) == 1 and isinstance(sites[0], str) else None
        name = about.get("dataset_name")
        data = folder / "data" if (folder / "data").is_dir() else folder
        paths = [path for path in sorted(data.rglob("*.parquet")) if path.relative_to(folder).parts[0] != "metadata"]
        files: list[File] = []
        for position, path in enumerate(paths, start=1):
            files += File.open(path, f"file {position}", folder, site, faults)
        if not files and not faults:
            faults.append(f"{folder.name} holds no Parquet file: give the folder that has data/ and metadata/ in it")
        parents = _parents(folder, faults)
        subjects = Subjects.beside(folder, faults)
        if faults:
            raise InvalidRecords(faults)
        return cls(tuple(files), Codes(parents), name if isinstance(name, str) and name else "meds", site, subjects)


@dataclass(frozen=True, eq=False)
class File:
    """A file of measurements.

    Attributes
    ----------
    name
        Path in the data set's folder.
    place
        What it is called in ``where``: its name may be a subject's number.
    """

    path: Path
    name: str
    place: str
    rows: int
    columns: tuple[str, ...]

    @classmethod
    def open(cls, path: Path, place: str, folder: Path, site: str | None, faults: list[str]) -> list[File]:
        """Return the file, or nothing and what is wrong with it."""
        name = path.relative_to(folder).as_posix()
        if not path.resolve().is_relative_to(folder.resolve()):
            faults.append(f"{name} is a link out of the folder: copy the file in")
            return []
        try:
            with pq.ParquetFile(path) as file:
                schema, rows = file.schema_arrow, file.metadata.num_rows
        except (pa.ArrowException, OSError):
            faults.append(f"{name} is not a Parquet file, or is cut short: copy it again")
            return []
        begun = len(faults)
        for column, (needed, kind, holds) in COLUMNS.items():
            if column not in schema.names:
                faults += [f"{name}: column {column} is missing"] if needed else []
            elif not holds(schema.field(column).type):
                faults.append(f"{name}: column {column} is {schema.field(column).type}, and should be {kind}")
        read = {*COLUMNS, *([site] if site else [])}
        columns = tuple(column for column in schema.names if column in read)
        return [cls(path, name, place, rows, columns)] if len(faults) == begun else []

    def batches(self, columns: tuple[str, ...]) -> Iterator[pa.Table]:
        """Yield the rows, some at a time; raise `InvalidRecords` where the file is damaged."""
        try:
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(batch_size=ROWS, columns=list(columns)):
                    yield pa.table(batch)
        except (pa.ArrowException, OSError) as error:
            raise InvalidRecords([f"{self.name} is damaged: copy it again"]) from error

    @cached_property
    def first_events(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Subjects with a dated event that is not the birth, sorted, and the microsecond of their first."""
        firsts: list[pa.Table] = []
        for rows in self.batches(("subject_id", "time", "code")):
            subject, (time, _) = rows.column("subject_id").cast(pa.int64()), held(rows.column("time"))
            rows = pa.table({"subject_id": subject, "time": time, "code": rows.column("code").cast(pa.string())})
            birth = pc.fill_null(pc.starts_with(rows.column("code"), BIRTH), False)
            rows = rows.filter(pc.and_(pc.is_valid(rows.column("time")), pc.invert(birth)))
            together = pa.concat_tables([*firsts, rows.select(["subject_id", "time"])])
            least = together.group_by("subject_id").aggregate([("time", "min")])
            firsts = [least.rename_columns(together.schema.names)]
        if not firsts:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        known = firsts[0].filter(pc.is_valid(firsts[0].column("subject_id"))).sort_by("subject_id")
        return known.column("subject_id").to_numpy(), known.column("time").cast(pa.int64()).to_numpy()


def _about(folder: Path, faults: list[str]) -> dict[str, Any]:
    """Return what ``dataset.json`` says, nothing if it is not there."""
    path = folder / "metadata" / "dataset.json"
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > LARGEST_METADATA:
            raise ValueError
        about = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        about = None
    if not isinstance(about, dict):
        faults.append("metadata/dataset.json is not a JSON object of less than a megabyte: mend it, or take it away")
        return {}
    return about


def _parents(folder: Path, faults: list[str]) -> dict[str, tuple[str, ...]]:
    """Return the parents of each code, nothing if there is no ``codes.parquet``."""
    path = folder / "metadata" / "codes.parquet"
    if not path.is_file():
        return {}
    try:
        with pq.ParquetFile(path) as file:
            if "parent_codes" not in file.schema_arrow.names:
                return {}
            table = file.read(columns=["code", "parent_codes"])
        texts = table.column("code").cast(pa.string()).to_pylist()
        parents = table.column("parent_codes").cast(pa.list_(pa.string())).to_pylist()
    except (pa.ArrowException, OSError, KeyError):
        faults.append("metadata/codes.parquet has no readable columns code and parent_codes (a list of text)")
        return {}
    return {
        code: tuple(parent for parent in above if parent)
        for code, above in zip(texts, parents, strict=True)
        if code and above
    }

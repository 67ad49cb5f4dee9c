"""The Medical Event Data Standard (MEDS 0.4): a data set read as a source, and records written as a data set.

What is read: ``data/**/*.parquet`` (or every Parquet file, where there is no such folder), ``metadata/codes.parquet``
for parent codes, ``metadata/dataset.json`` for the data set's name and its column of sites.

How a measurement becomes a record:

- its code is ``VOCABULARY//CODE`` or anything else: see `_Codes`. ``MEDS_BIRTH`` and ``MEDS_DEATH`` are the practice
  file's birth and death, ``SEX//…`` and ``GENDER//…`` its sex;
- a static measurement (no time) is dated, and known from, the first dated event of its subject in the same file that
  is not the birth; without one, or if it is a birth or a death, it is refused for want of a date;
- its unit is the column ``unit``, else the last part of the code, else the text value, where these are a unit's name.
  The number is the column ``exact_value``, else ``numeric_value``, as it is (32 bits hold about seven digits);
- a measured notion with a text instead of a number, or any text that is a comparison or a range, is a fault;
- ``known_at``, ``retracted_at``, ``practice`` and ``cause`` (of death) are read where the data set has them, as those
  that `write_meds` writes do. A row that was taken back becomes two: what was said, and that it was taken back.

What is deliberately not read: other text values (they may be letters), other extension columns, descriptions of codes,
``subject_splits.parquet`` (splits are made here, by practice and period) and label files.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.catalogue.concepts import CONCEPTS
from features.codes import PRACTICE, SOURCE, SYSTEMS, Code, InvalidCode, measured, parse_code
from features.intake import InvalidRecords
from features.records import Records
from features.sources.source import Batch, Source
from features.sources.tables import CALENDAR, each, ucum, unit_of

ROWS: Final = 131_072
REMEMBERED: Final = 200_000
ANCESTORS: Final = 1_000
LARGEST_METADATA: Final = 1 << 20

BIRTH, DEATH, RETRACTED, CONCEPT = "MEDS_BIRTH", "MEDS_DEATH", "RETRACTED//", "CONCEPT//"
SEXES: Final = {"m": PRACTICE("male"), "male": PRACTICE("male"), "f": PRACTICE("female"), "female": PRACTICE("female")}
#: Names of vocabularies in MEDS codes, capitals aside, that are systems of ours; and each system's own name.
VOCABULARIES: Final[Mapping[str, str]] = {name: name for name in SYSTEMS} | {
    "ICD10": "CIM10",
    "ICD10CM": "CIM10",
    "ICD10GM": "CIM10",
    "ICD10WHO": "CIM10",
    "ICPC2": "CISP2",
    "SNOMEDCT": "SNOMED",
}
CAUSE: Final = r"^[a-z_]+(\.[a-z_]+)*$"
NOT_A_NUMBER: Final = r"^\s*([<>≤≥~]|\d+([.,]\d+)?\s*(-|–|à|to)\s*\d)"


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


# --- Codes ------------------------------------------------------------------------------------------------


class _Codes:
    """The code of each record, worked out once for each distinct code.

    In this order: the code itself, or its nearest ancestor by ``parent_codes``, that a concept of the catalogue covers;
    else the first of them that belongs to a known system; else ``SOURCE:`` and the code as it is.
    """

    def __init__(self, parents: Mapping[str, tuple[str, ...]]) -> None:
        self._parents = parents
        self._known: dict[str, tuple[str, str | None]] = {}

    def chosen(self, code: str) -> tuple[str, str | None]:
        """Return our code for a MEDS code, and the unit its last part names."""
        if code not in self._known:
            if len(self._known) > REMEMBERED:
                self._known.clear()
            candidates = [str(found) for name in self._lineage(code) if (found := _standard(name))]
            covered = (c for c in candidates if any(concept.covers(c) for concept in CONCEPTS))
            best = next(covered, candidates[0] if candidates else f"{SOURCE.name}:{code}")
            self._known[code] = best, unit_of(code.split("//")[-1]) if "//" in code else None
        return self._known[code]

    def _lineage(self, code: str) -> list[str]:
        """Return the code and its ancestors, nearest first, up to more than any hierarchy has."""
        lineage = [code]
        for name in lineage:  # grows while it is walked, level by level
            lineage += [parent for parent in self._parents.get(name, ()) if parent not in lineage]
            if len(lineage) > ANCESTORS:
                break
        return lineage


def _standard(code: str) -> Code | None:
    """Return our code for a MEDS code or parent code by itself, None if it belongs to no known system."""
    if code.partition("//")[0] in (BIRTH, DEATH):
        return PRACTICE("birth" if code.startswith(BIRTH) else "death")
    first, _, rest = code.partition("//")
    if first in SYSTEMS and (whole := _valid(first, rest)):
        return whole
    code = re.sub(r"(^|//)ICD//10//", r"\1ICD10//", code)
    parts = code.split("//") if "//" in code else code.split("/", 1)  # parents link to vocabularies by one stroke
    if len(parts) == 2 and parts[0].lower() in ("sex", "gender"):
        return SEXES.get(parts[1].lower())
    found = (
        _valid(VOCABULARIES[name.upper()], value) for name, value in pairwise(parts) if name.upper() in VOCABULARIES
    )
    return next((valid for valid in found if valid), None)


def _valid(system: str, value: str) -> Code | None:
    try:
        return SYSTEMS[system](value)
    except InvalidCode:
        return None


# --- Reading ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Dataset:
    """A data set whose files were looked at: everything but their rows."""

    files: tuple[_File, ...]
    codes: _Codes
    practice: str
    site: str | None
    subjects: _Subjects | None

    @classmethod
    def open(cls, folder: Path) -> _Dataset:
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
        files = []
        for path in sorted(data.rglob("*.parquet")):
            relative = path.relative_to(folder)
            if relative.parts[0] != "metadata":
                files += _File.open(path, relative.as_posix(), folder, site, faults)
        if not files and not faults:
            faults.append(f"{folder.name} holds no Parquet file: give the folder that has data/ and metadata/ in it")
        parents = _parents(folder, faults)
        subjects = _Subjects.beside(folder, faults)
        if faults:
            raise InvalidRecords(faults)
        return cls(tuple(files), _Codes(parents), name if isinstance(name, str) and name else "meds", site, subjects)


@dataclass(frozen=True, eq=False)
class _File:
    """A file of measurements."""

    path: Path
    name: str
    rows: int
    columns: tuple[str, ...]

    @classmethod
    def open(cls, path: Path, name: str, folder: Path, site: str | None, faults: list[str]) -> list[_File]:
        """Return the file, or nothing and what is wrong with it."""
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
        return [cls(path, name, rows, columns)] if len(faults) == begun else []

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
            subject, (time, _) = rows.column("subject_id").cast(pa.int64()), _held(rows.column("time"))
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


@dataclass(frozen=True, eq=False)
class _Subjects:
    """Which patient each subject is: sorted numbers, and the patients in their order."""

    numbers: npt.NDArray[np.int64]
    patients: pa.Array

    @classmethod
    def beside(cls, folder: Path, faults: list[str]) -> _Subjects | None:
        """Return what `write_meds` wrote beside a folder, None if it is not there."""
        path = subjects_file(folder)
        if not path.exists():
            return None
        try:
            table = pq.read_table(path, schema=SUBJECTS).sort_by("subject_id").combine_chunks()
        except (pa.ArrowException, OSError):
            faults.append(f"{path.name} does not say which patient each subject is: copy it again, or take it away")
            return None
        return cls(table.column("subject_id").to_numpy(), table.column("patient").combine_chunks())

    def patient(self, subject: pa.ChunkedArray) -> pa.Array:
        """Return the patients of a column of subjects, null for one who is not known."""
        return self.patients.take(_found(self.numbers, subject))


def _found(numbers: npt.NDArray[np.int64], wanted: pa.ChunkedArray) -> pa.Array:
    """Return where each number is among sorted ones, null where it is not."""
    value = pc.fill_null(wanted, 0).to_numpy()
    if not len(numbers):
        return pa.nulls(len(value), pa.int64())
    position = np.minimum(np.searchsorted(numbers, value), len(numbers) - 1)
    missing = (numbers[position] != value) | pc.is_null(wanted).to_numpy()
    return pa.array(position, pa.int64(), mask=missing)


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


def _batches(origin: str, delivered_at: datetime) -> Iterator[Batch]:
    dataset = _Dataset.open(Path(origin))
    rows, done = max(sum(file.rows for file in dataset.files), 1), 0
    for file in dataset.files:
        before = done
        for table in file.batches(file.columns):
            try:
                records = _records(table, dataset, file, done - before)
            except (pa.ArrowException, UnicodeDecodeError) as error:
                raise InvalidRecords([f"{file.name} holds what is neither text nor a date: export it again"]) from error
            done += len(table)
            yield Batch(records, done / rows)


def _records(rows: pa.Table, dataset: _Dataset, file: _File, skipped: int) -> pa.Table:
    """Return the records of some rows of a file."""

    def column(name: str) -> pa.ChunkedArray:
        return rows.column(name) if name in file.columns else pa.chunked_array([pa.nulls(len(rows))])

    def text_of(name: str) -> pa.ChunkedArray:
        return column(name).cast(pa.string())

    def number_of(name: str) -> pa.ChunkedArray:
        return column(name).cast(pa.float64(), safe=False)

    subject = rows.column("subject_id").cast(pa.int64())
    patient = subject.cast(pa.string()) if dataset.subjects is None else dataset.subjects.patient(subject)
    site = "practice" if "practice" in file.columns else dataset.site
    practice = rows.column(site).cast(pa.string()) if site in file.columns else _repeated(dataset.practice, len(rows))

    time, time_outside = _held(column("time"))
    known, known_outside = _held(column("known_at"))
    retracted, retracted_outside = _held(column("retracted_at"))
    code, unit_in_code = _coded(text_of("code"), pc.is_valid(retracted), dataset.codes)
    happened = time
    if time.null_count:
        needs_date = pc.or_(pc.is_in(code, value_set=pa.array(["PRACTICE:birth", "PRACTICE:death"])), time_outside)
        happened = pc.coalesce(time, pc.if_else(needs_date, None, _first(subject, file)))
    cause = text_of("cause")
    caused = pc.and_(pc.equal(code, "PRACTICE:death"), pc.fill_null(pc.match_substring_regex(cause, CAUSE), False))
    code = pc.if_else(caused, pc.binary_join_element_wise(code, cause, "."), code)

    value = pc.coalesce(number_of("exact_value"), number_of("numeric_value"))
    value = pc.if_else(pc.is_nan(value), None, value)
    text, is_measured = text_of("text_value"), _is_measured(code)
    if "unit" in file.columns:
        unit = text_of("unit")
        unit = pc.if_else(pc.and_(is_measured, pc.is_valid(value)), ucum(unit), unit)
    else:
        unit = pc.if_else(pc.is_valid(value), pc.coalesce(unit_in_code, each(text, unit_of)), None)

    compares = pc.fill_null(pc.match_substring_regex(text, NOT_A_NUMBER), False)
    faults = {
        "date out of range": pc.or_(pc.or_(time_outside, known_outside), retracted_outside),
        "unknown subject": pc.and_(pc.is_null(patient), pc.is_valid(subject)),
        "value is not a number": pc.and_(pc.and_(pc.is_null(value), pc.is_valid(text)), pc.or_(compares, is_measured)),
    }
    fault = pa.nulls(len(rows), pa.string())
    for reason, found in faults.items():
        fault = pc.if_else(found, reason, fault)
    numbers = pa.array(np.arange(skipped + 1, skipped + len(rows) + 1)).cast(pa.string())
    table = pa.table(
        {
            "patient": patient,
            "practice": practice,
            "happened_at": happened,
            "known_at": pc.coalesce(known, happened),
            "code": code,
            "value": value,
            "unit": unit,
            "retracted_at": retracted,
            "where": pc.binary_join_element_wise(f"{file.name}, row ", numbers, ""),
            "fault": fault,
        }
    )
    back = table.filter(pc.and_(pc.is_valid(retracted), pc.is_null(fault)))
    position = table.column_names.index("retracted_at")
    said = table.set_column(position, "retracted_at", pa.nulls(len(table), pa.timestamp("us")))
    return pa.concat_tables([said, back])


def _repeated(text: str, times: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), times)


def _coded(meds: pa.ChunkedArray, retracted: pa.ChunkedArray, codes: _Codes) -> tuple[pa.Array, pa.Array]:
    """Return our codes of a column of MEDS codes, and the units these name."""
    marked = pc.and_(retracted, pc.fill_null(pc.starts_with(meds, RETRACTED), False))
    meds = pc.if_else(marked, pc.utf8_slice_codeunits(meds, len(RETRACTED)), meds)
    encoded = pc.dictionary_encode(meds).combine_chunks()
    chosen = [codes.chosen(code) if code.strip() else ("", None) for code in encoded.dictionary.to_pylist()]
    ours, units = (pa.array([pair[part] for pair in chosen], pa.string()) for part in (0, 1))
    return ours.take(encoded.indices), units.take(encoded.indices)


def _first(subject: pa.ChunkedArray, file: _File) -> pa.Array:
    """Return the moment of each subject's first event in the file."""
    subjects, moments = file.first_events
    return pa.array(moments, pa.int64()).cast(pa.timestamp("us")).take(_found(subjects, subject))


def _is_measured(code: pa.ChunkedArray) -> pa.Array:
    encoded = pc.dictionary_encode(code).combine_chunks()
    known = [measured(CONCEPTS, text) is not None for text in encoded.dictionary.to_pylist()]
    return pc.fill_null(pa.array(known, pa.bool_()).take(encoded.indices), False)


def _held(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Return times in UTC without a zone, null for those that no calendar here can hold, and which are those."""
    kind = pa.timestamp("us", getattr(column.type, "tz", None))
    moment = column.cast(options=pc.CastOptions(kind, allow_time_truncate=True)).cast(pa.timestamp("us"))
    first, last = (pa.scalar(limit, pa.timestamp("us")) for limit in CALENDAR)
    outside = pc.fill_null(pc.or_(pc.less(moment, first), pc.greater(moment, last)), False)
    return pc.if_else(outside, None, moment), outside


MEDS: Final = Source(
    "meds",
    "As the data set's column known_at says; where it has none, when the event happened, and for static measurements "
    "when the subject's first event did.",
    _batches,
)


# --- Writing ----------------------------------------------------------------------------------------------

SUBJECTS: Final = pa.schema([("subject_id", pa.int64()), ("patient", pa.string())])
DATA: Final = pa.schema(
    [
        pa.field("subject_id", pa.int64(), nullable=False),
        pa.field("time", pa.timestamp("us")),
        pa.field("code", pa.string(), nullable=False),
        ("numeric_value", pa.float32()),
        ("exact_value", pa.float64()),
        ("unit", pa.string()),
        ("cause", pa.string()),
        ("practice", pa.string()),
        ("known_at", pa.timestamp("us")),
        ("retracted_at", pa.timestamp("us")),
    ]
)
BITS: Final = 63


def subjects_file(folder: Path) -> Path:
    """Return where it is written which patient each subject of a data set is: beside its folder, never in it."""
    return folder.with_name(f"{folder.name}.subjects.parquet")


def write_meds(
    records: Records,
    folder: Path,
    *,
    dataset_name: str,
    dataset_version: str,
    splits: Mapping[str, float] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write records as a MEDS 0.4 data set; it is there wholly or not at all.

    Parameters
    ----------
    records
        The store. One shard at a time is in memory, and becomes one file of ``data/``.
    folder
        The new data set. Which patient each subject is goes beside it, into `subjects_file`: leave that file behind
        when the data set is passed on, and keep it to have `MEDS` read the very same records again.
    dataset_name, dataset_version
        For ``dataset.json``. The name also decides the numbers of subjects: two data sets with different names cannot
        be joined by them.
    splits
        Share of the subjects in each split, such as ``{"train": 0.8, "tuning": 0.1, "held_out": 0.1}``; a subject's
        split depends on its number alone. None for no splits.
    progress
        Called with (shards done, shards in all).

    Raises
    ------
    FileExistsError
        If ``folder``, or its `subjects_file`, is there already.
    ValueError
        If there is nothing to write, shares do not sum to one, or two patients would have the same number.

    Notes
    -----
    Codes are ``SYSTEM//CODE``; birth and death are ``MEDS_BIRTH`` and ``MEDS_DEATH``, with the cause of death in a
    column of its own. ``numeric_value`` has 32 bits by the standard; ``exact_value`` is the number itself. A fact that
    was taken back has a code that begins with ``RETRACTED//``, so that a program which does not know the column
    ``retracted_at`` does not take it for true. A program that does not know ``known_at`` sees facts before the practice
    did: what it predicts then is too good.
    """
    subjects_path = subjects_file(folder)
    for path in (folder, subjects_path):
        if path.exists():
            raise FileExistsError(f"{path} is there already: choose another folder")
    if splits is not None and (min(splits.values(), default=0) < 0 or abs(sum(splits.values()) - 1) > 1e-9):
        raise ValueError("the shares of splits must be positive and sum to one")
    unfinished = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)  # left by a run that was cut short
    try:
        (unfinished / "data").mkdir(parents=True)
        (unfinished / "metadata").mkdir()
        written = _write_data(records, unfinished / "data", dataset_name, progress)
        _write_metadata(records, unfinished / "metadata", written, dataset_name, dataset_version)
        if splits is not None:
            _write_splits(written.subjects, unfinished / "metadata", splits)
        partial = unfinished / subjects_path.name
        pq.write_table(written.subjects, partial, compression="zstd")
        partial.replace(subjects_path)
        unfinished.rename(folder)
    except BaseException:
        subjects_path.unlink(missing_ok=True)
        raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@dataclass
class _Written:
    """What was written: pairs of a MEDS code and our own, and which patient each subject is."""

    codes: set[tuple[str, str]] = field(default_factory=set)
    subjects: pa.Table = field(default_factory=SUBJECTS.empty_table)


def _write_data(
    records: Records, folder: Path, dataset_name: str, progress: Callable[[int, int], None] | None
) -> _Written:
    written = _Written()
    of_shards = []
    for done, shard in enumerate(records.shards, start=1):
        facts = records.table(shard)
        if len(facts):
            patient = pc.dictionary_encode(facts.column("patient")).combine_chunks()
            numbers = pa.array([_number(name, dataset_name) for name in patient.dictionary.to_pylist()], pa.int64())
            of_shards.append(pa.table([numbers, patient.dictionary], schema=SUBJECTS))
            data, codes = _measurements(facts, numbers.take(patient.indices))
            written.codes |= codes
            pq.write_table(data, folder / f"{shard:06d}.parquet", compression="zstd")
        if progress:
            progress(done, len(records.shards))
    if not of_shards:
        raise ValueError(f"{records.path} holds no record: there is nothing to write")
    written.subjects = pa.concat_tables(of_shards).sort_by("subject_id")
    if pc.count_distinct(written.subjects.column("subject_id")).as_py() < len(written.subjects):
        raise ValueError("two patients would have the same number: give the data set another name")
    return written


def _number(patient: str, dataset_name: str) -> int:
    """Return the number of a patient in a data set: the first bits of a SHA-256 over both."""
    text = hashlib.sha256(json.dumps([dataset_name, patient]).encode()).digest()
    return int.from_bytes(text[:8], "big") >> (64 - BITS)


def _measurements(facts: pa.Table, subject: pa.Array) -> tuple[pa.Table, set[tuple[str, str]]]:
    """Return the rows of some facts, sorted, and the pairs of a MEDS code and our own among them."""
    encoded = pc.dictionary_encode(facts.column("code")).combine_chunks()
    codes = encoded.dictionary.to_pylist()
    meds = pa.array([_written(code)[0] for code in codes], pa.string()).take(encoded.indices)
    retracted = pc.is_valid(facts.column("retracted_at"))
    meds = pc.if_else(retracted, pc.binary_join_element_wise(RETRACTED, meds, ""), meds)
    pairs = pa.table({"meds": meds, "code": facts.column("code")}).group_by(["meds", "code"]).aggregate([])
    value = facts.column("value").to_numpy()
    with np.errstate(over="ignore"):
        single = value.astype(np.float32)
    single[~np.isfinite(single)] = np.nan
    table = pa.table(
        [
            subject,
            facts.column("happened_at"),
            meds,
            pa.array(single, pa.float32(), from_pandas=True),
            facts.column("value"),
            facts.column("unit"),
            pa.array([_written(code)[1] for code in codes], pa.string()).take(encoded.indices),
            facts.column("practice"),
            facts.column("known_at"),
            facts.column("retracted_at"),
        ],
        schema=DATA,
    )
    keys = ("subject_id", "time", "known_at", "code", "exact_value", "unit", "cause", "practice", "retracted_at")
    table = table.sort_by([(name, "ascending") for name in keys])
    return table, set(zip(*pairs.to_pydict().values(), strict=True))


def _written(code: str) -> tuple[str, str | None]:
    """Return the MEDS code of one of ours, and the cause of a death."""
    system, _, value = code.partition(":")
    if code == "PRACTICE:birth":
        return BIRTH, None
    if code == "PRACTICE:death" or code.startswith("PRACTICE:death."):
        return DEATH, value.partition(".")[2] or None
    return f"{system}//{value}", None


def _write_metadata(records: Records, folder: Path, written: _Written, dataset_name: str, dataset_version: str) -> None:
    labels: dict[str, str] = {}
    parents: dict[str, list[str]] = {}
    for meds, code in sorted(written.codes):
        concepts = [concept for concept in CONCEPTS if concept.covers(code)]
        names = {f"{CONCEPT}{concept.name}": f"{concept.fr} ({concept.en})" for concept in concepts}
        label = " · ".join(names.values()) or f"{SYSTEMS[code.partition(':')[0]].title} {code.partition(':')[2]}"
        if meds.startswith(RETRACTED):
            labels[meds] = f"Retiré depuis (taken back since) : {label}"
        else:
            labels |= {**names, meds: label}
            above = parents.setdefault(meds, [])
            above += [parent for parent in (*_ancestors(code), *names) if parent not in above]
    schema = pa.schema(
        [
            pa.field("code", pa.string(), nullable=False),
            ("description", pa.string()),
            ("parent_codes", pa.list_(pa.string())),
        ]
    )
    rows = [
        {"code": code, "description": label, "parent_codes": parents.get(code, [])}
        for code, label in sorted(labels.items())
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / "codes.parquet", compression="zstd")
    about = {
        "dataset_name": dataset_name,
        "dataset_version": dataset_version,
        "etl_name": "vigie",
        "etl_version": version("vigie"),
        "meds_version": "0.4.1",
        "created_at": records.delivered_at.isoformat(),
        "site_id_columns": ["practice"],
        "code_modifier_columns": ["unit", "cause"],
        "additional_value_modality_columns": ["exact_value"],
        "other_extension_columns": ["known_at", "retracted_at"],
    }
    text = json.dumps(about, indent=1, ensure_ascii=False)
    (folder / "dataset.json").write_text(text, encoding="utf-8")


def _ancestors(code: str) -> list[str]:
    """Return the MEDS codes of a code's ancestors in its own system, nearest first."""
    system, _, value = code.partition(":")
    above: list[str] = []
    if not SYSTEMS[system].hierarchical or system == PRACTICE.name:
        return above
    for length in range(len(value) - 1, 0, -1):
        try:
            above.append(_written(str(parse_code(f"{system}:{value[:length]}")))[0])
        except InvalidCode:
            continue
    return list(dict.fromkeys(above))


def _write_splits(subjects: pa.Table, folder: Path, splits: Mapping[str, float]) -> None:
    bounds = np.cumsum(list(splits.values()))[:-1]
    place = subjects.column("subject_id").to_numpy() / 2.0**BITS
    names = pa.array(list(splits)).take(pa.array(np.searchsorted(bounds, place, side="right")))
    schema = pa.schema(
        [pa.field("subject_id", pa.int64(), nullable=False), pa.field("split", pa.string(), nullable=False)]
    )
    table = pa.table([subjects.column("subject_id"), names], schema=schema)
    pq.write_table(table, folder / "subject_splits.parquet", compression="zstd")

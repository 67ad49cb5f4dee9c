"""Check: everything that can be wrong with a store, said at once, each with what to do about it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.engines import Progress, in_order
from features.intake import NAMED, SCHEMA, is_identifier, is_identifying_code, sort_out
from features.purpose import EXPORTS
from features.records import NEVER, ORDER, TAKEN_BACK, Records

FORMAT: Final = 1
BATCH_ROWS: Final = 131_072

#: What begins a line about something that is no part of the store and may be deleted without loss.
LEFT_OVER: Final = "left over: "
RESTORE: Final = "restore it from a backup, or ingest every delivery into a new store"
ERASE: Final = "purge the store (features.retention), which takes such rows out, and mend the source"
START_ANEW: Final = "mend the source, ingest every delivery into a new store, and delete this one and its copies"

FILE: Final = re.compile(
    rf"(?:[\w-]+/)+(?:shard-(?P<shard>\d{{4,}})-(?:\d{{6,}}\.parquet|{re.escape(TAKEN_BACK)})|set-aside-\d{{6,}}\.parquet)"
)
FOLDER: Final = re.compile(r"(?P<kind>delivery|purge)-(?P<number>\d{6,})")


class UnreadableManifest(ValueError):
    """A manifest that cannot be understood; ``faults`` lists why."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


def check(path: Path, progress: Progress | None = None) -> list[str]:
    """Return everything that is wrong with a store, one line a fault; empty if it is sound.

    Every file is read whole, some rows at a time. A delivery under way is waited for, and none begins meanwhile.

    Parameters
    ----------
    path
        Folder of the store.
    progress
        Called with (files done, files in all).

    Returns
    -------
    list of str
        Which file or delivery, what is wrong with it, what to do. Lines that begin with `LEFT_OVER` come last: what
        a killed process left behind and may be deleted. A fault that explains others is told alone: nothing is said
        of the rows of a file that was altered.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.

    Notes
    -----
    The digests that files are held against stand in the manifest, and nothing vouches for the manifest itself: compare
    `Records.digest` with one that was written down elsewhere.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is not a folder: name that of a store")
    with _no_writer(path):
        try:
            manifest = read_manifest(path)
        except UnreadableManifest as error:
            return error.faults
        deliveries = [_Delivery(number, entry) for number, entry in enumerate(manifest["deliveries"])]
        faults = [fault for delivery in deliveries for fault in delivery.faults()]
        faults += _told_twice(deliveries)
        files = [(delivery, name) for delivery in deliveries for name in delivery.files]
        for done, fault in enumerate(_of_files(path, files, int(manifest["shards"])), start=1):
            faults += fault
            if progress:
                progress(done, len(files))
        faults += [fault for delivery in deliveries for fault in delivery.miscounts()]
        left = leftovers(path, manifest)
        return [*faults, *_strays(path, manifest, left), *(_leftover(path, file) for file in left)]


def read_manifest(path: Path) -> dict[str, Any]:
    """Return a store's manifest; raise `UnreadableManifest` if it is not one, with every reason."""
    name = Records.MANIFEST
    try:
        manifest = json.loads((path / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UnreadableManifest([f"{name}: the manifest is missing: {RESTORE}"]) from None
    except (OSError, ValueError) as error:  # what JSON and UTF-8 say quotes the text: only its kind is told
        raise UnreadableManifest([f"{name}: not readable as JSON ({type(error).__name__}): {RESTORE}"]) from None
    if not isinstance(manifest, dict):
        raise UnreadableManifest([f"{name}: not a JSON object: {RESTORE}"])
    if manifest.get("format") != FORMAT:
        raise UnreadableManifest(
            [f"{name}: the format is not {FORMAT}: read the store with the version of this program that wrote it"]
        )
    faults = []
    if not _is_count(manifest.get("shards")) or manifest["shards"] < 1:
        faults.append(f"{name}: shards is not a number of 1 or more: {RESTORE}")
    for key in ("deliveries", "purges"):
        listed = manifest.get(key, [] if key == "purges" else None)
        if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
            faults.append(f"{name}: {key} is not a list of objects: {RESTORE}")
    if faults:
        raise UnreadableManifest(faults)
    return manifest


# --- The manifest -----------------------------------------------------------------------------------------


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_moment(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is None
    except (TypeError, ValueError):
        return False


def _is_tally(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_count, value.values()))


def _is_list_of_files(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(digest, str) and re.fullmatch(r"[0-9a-f]{64}", digest) for digest in value.values()
    )


MOMENT: Final = "a day and time without time zone, such as 2026-01-01T00:00:00"
ENTRY: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "name": (_is_name, "a name"),
    "delivered_at": (_is_moment, MOMENT),
    "rows": (_is_count, "a number of rows"),
    "refused": (_is_tally, "a number of rows a reason"),
    "quarantined": (_is_tally, "a number of rows a reason"),
    "taken_back": (_is_count, "a number of rows"),
    "first": (lambda value: value is None or _is_moment(value), MOMENT),
    "last": (lambda value: value is None or _is_moment(value), MOMENT),
    "about": (lambda value: isinstance(value, dict), "an object"),
    "files": (_is_list_of_files, "a list of files, each with its SHA-256"),
}


@dataclass(eq=False)
class _Delivery:
    """What the manifest says of a delivery, and what its files are found to hold."""

    number: int
    entry: dict[str, Any]
    rows: Counter[str] = field(default_factory=Counter)
    set_aside: Counter[str] = field(default_factory=Counter)
    span: list[datetime] = field(default_factory=list)
    whole: bool = True

    @property
    def where(self) -> str:
        return f"{Records.MANIFEST}, delivery {self.number + 1}"

    @property
    def files(self) -> list[str]:
        """Names of its files, none where the entry cannot be understood."""
        return list(self.entry["files"]) if not any(self.faults()) else []

    def faults(self) -> Iterator[str]:
        for key, (fits, wanted) in ENTRY.items():
            if key not in self.entry or not fits(self.entry[key]):
                yield f"{self.where}: {key} is not {wanted}: {RESTORE}"

    def miscounts(self) -> Iterator[str]:
        """Yield what the manifest says and the files do not; nothing where a file cannot be counted."""
        if any(self.faults()) or not self.whole:
            return
        for key in ("rows", "taken_back"):
            if self.entry[key] != self.rows[key]:
                yield f"{self.where}: {key} is {self.entry[key]:,}, its files hold {self.rows[key]:,}: {RESTORE}"
        said = Counter(self.entry["refused"]) + Counter(self.entry["quarantined"])
        for reason in sorted(said.keys() | self.set_aside.keys()):
            if said[reason] != self.set_aside[reason]:
                yield (
                    f"{self.where}: {said[reason]:,} rows set aside for {reason!r}, its files hold "
                    f"{self.set_aside[reason]:,}: {RESTORE}"
                )
        span = [min(self.span).isoformat(), max(self.span).isoformat()] if self.span else [None, None]
        if [self.entry["first"], self.entry["last"]] != span:
            yield f"{self.where}: first and last are not those of its rows: {RESTORE}"


def _told_twice(deliveries: list[_Delivery]) -> Iterator[str]:
    """Yield deliveries of one name, and files of two deliveries."""
    names = Counter(str(delivery.entry.get("name")) for delivery in deliveries)
    for name, many in names.items():
        if many > 1:
            numbers = [str(d.number + 1) for d in deliveries if str(d.entry.get("name")) == name]
            yield f"{Records.MANIFEST}: deliveries {', '.join(numbers)} have one name: {RESTORE}"
    for name, many in Counter(name for delivery in deliveries for name in delivery.files).items():
        if many > 1:
            yield f"{name}: named by {many} deliveries: {RESTORE}"


# --- Files ------------------------------------------------------------------------------------------------


def _of_files(path: Path, files: list[tuple[_Delivery, str]], shards: int) -> Iterator[list[str]]:
    """Yield the faults of each file, in order, some read at once."""
    found_in = in_order(lambda each: _read(path, each[1], each[0].entry, shards), files)
    for (delivery, name), found in zip(files, found_in, strict=True):
        delivery.rows["taken_back" if name.endswith(TAKEN_BACK) else "rows"] += found.rows
        delivery.set_aside += found.set_aside
        delivery.span += [] if name.endswith(TAKEN_BACK) else found.span
        delivery.whole &= found.whole
        yield [f"{name}: {fault}" for fault in found.faults]


@dataclass(eq=False)
class _Found:
    """What a file was found to hold; not ``whole`` if it could not be read to the end."""

    faults: list[str] = field(default_factory=list)
    rows: int = 0
    set_aside: Counter[str] = field(default_factory=Counter)
    span: list[datetime] = field(default_factory=list)
    whole: bool = True


def _read(path: Path, name: str, entry: Mapping[str, Any], shards: int) -> _Found:
    found = _Found()
    try:
        _examine(path, name, entry, shards, found)
    except _Stop as stop:
        found.faults, found.whole = [str(stop)], False
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        found.faults, found.whole = [f"not readable as Parquet ({type(error).__name__}): {RESTORE}"], False
    return found


class _Stop(Exception):
    """A fault that leaves nothing to say about the rest of a file."""


def _examine(path: Path, name: str, entry: Mapping[str, Any], shards: int, found: _Found) -> None:
    form = FILE.fullmatch(name)
    if form is None:
        raise _Stop(f"no name of a file of a store, so that nobody reads it: {RESTORE}")
    number = None if form["shard"] is None else int(form["shard"])
    if number is not None and number >= shards:
        raise _Stop(f"of shard {number} in a store of {shards}, so that nobody reads it: {RESTORE}")
    if not (path / name).is_file():
        raise _Stop(f"missing: {RESTORE}")
    if digest_of(path / name) != entry["files"][name]:
        raise _Stop(f"altered since it was taken in: {RESTORE}")
    with pq.ParquetFile(path / name) as file:
        wrong = _wrong_columns(file.schema_arrow, exact=number is not None)
        if wrong:
            raise _Stop(f"{'; '.join(wrong)}: {RESTORE}")
        batches = (pa.Table.from_batches([batch]) for batch in file.iter_batches(BATCH_ROWS))
        if number is None:
            _aside(batches, found)
        else:
            _kept(batches, number, shards, datetime.fromisoformat(entry["delivered_at"]), found)


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file, without holding it in memory."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _wrong_columns(schema: pa.Schema, *, exact: bool) -> list[str]:
    if exact:
        return [] if schema.equals(SCHEMA) else [f"its columns are not {', '.join(SCHEMA.names)} with their types"]
    needed = [*SCHEMA, pa.field("fault", pa.string())]
    return [
        f"column {each.name!r} is missing or not {each.type}"
        for each in needed
        if schema.get_field_index(each.name) < 0 or schema.field(each.name).type != each.type
    ]


def _aside(batches: Iterator[pa.Table], found: _Found) -> None:
    """Look at rows that were set aside: they are as they came, and may only not say who somebody is."""
    named = 0
    for table in batches:
        found.set_aside.update(str(fault) for fault in table.column("fault").to_pylist())
        named += int(names_somebody(table).sum())
    if named:
        found.faults.append(f"{named:,} rows set aside hold what looks like a social-security number: {ERASE}")


def _kept(batches: Iterator[pa.Table], number: int, shards: int, delivered_at: datetime, found: _Found) -> None:
    refused: Counter[str] = Counter()
    named = elsewhere = disorder = not_numbers = 0
    before = SCHEMA.empty_table()
    for table in batches:
        found.rows += len(table)
        span = pc.min_max(table.column("happened_at")).as_py()
        found.span += [moment for moment in span.values() if moment is not None]
        refused.update(sort_out(table, delivered_at, ()).refused)  # what the door would say today
        named += int(names_somebody(table).sum())
        not_numbers += pc.sum(pc.is_nan(table.column("value"))).as_py() or 0
        elsewhere += _of_other_shards(table, number, shards)
        disorder += int(_smaller_than_before(pa.concat_tables([before, table])).sum())
        before = table.slice(len(table) - 1)
    refused.pop(NAMED, None)  # counted wherever it stands
    for rows, what, remedy in (
        (named, "hold what looks like a social-security number", START_ANEW),
        *((many, f"should have been refused ({reason})", RESTORE) for reason, many in sorted(refused.items())),
        (not_numbers, "have a value that is no number instead of none", RESTORE),
        (elsewhere, f"are of patients of another shard than {number}", RESTORE),
        (disorder, f"come before the row above them in the order {', '.join(ORDER)}", RESTORE),
    ):
        if rows:
            found.faults.append(f"{rows:,} rows {what}: {remedy}")


def names_somebody(table: pa.Table) -> npt.NDArray[np.bool_]:
    """Return which rows hold, in any text column, what looks like a social-security number."""
    found = np.zeros(len(table), dtype=bool)
    for name in ("patient", "practice", "code", "unit"):
        text = pc.dictionary_encode(table.column(name), null_encoding="encode").combine_chunks()
        like = list(map(is_identifying_code if name == "code" else is_identifier, text.dictionary.to_pylist()))
        if any(like):
            found |= np.array(like)[text.indices.to_numpy()]
    return found


def _of_other_shards(table: pa.Table, number: int, shards: int) -> int:
    patients = pc.value_counts(pc.drop_null(table.column("patient")))
    return sum(
        int(each["counts"]) for each in patients.to_pylist() if zlib.crc32(each["values"].encode()) % shards != number
    )


def _smaller_than_before(table: pa.Table) -> npt.NDArray[np.bool_]:
    """Return which rows, from the second on, are smaller than the one before; what is missing is the largest."""
    wrong = np.zeros(max(len(table) - 1, 0), dtype=bool)
    tied = ~wrong
    for name in ORDER:
        column = table.column(name)
        if pa.types.is_string(column.type):
            column = pc.fill_null(column, "")
        elif pa.types.is_floating(column.type):
            column = pc.fill_null(pc.if_else(pc.is_nan(column), None, column), np.inf)
        else:
            column = pc.fill_null(column.cast(pa.int64()), NEVER)
        column = column.combine_chunks()
        above, here = column.slice(0, len(wrong)), column.slice(1)
        wrong |= tied & pc.greater(above, here).to_numpy(zero_copy_only=False)
        tied &= pc.equal(above, here).to_numpy(zero_copy_only=False)
    return wrong


# --- What no delivery names -------------------------------------------------------------------------------


def leftovers(path: Path, manifest: Mapping[str, Any]) -> list[Path]:
    """Return files and folders that a killed process left in a store: none is read, all may be deleted.

    A delivery or a purge that died leaves its temporary folder, an unfinished manifest, or the folder it was about to
    name; a purge that died after its manifest was written leaves files that the manifest names no more.
    """
    named = _named(manifest)
    purges = len(manifest.get("purges", []))
    following = {"delivery": len(manifest["deliveries"]), "purge": purges + 1}
    found = []
    for item in sorted(path.iterdir()):
        folder = FOLDER.fullmatch(item.name)
        if item.name == f".{Records.MANIFEST}" or item.name.startswith(".incoming-"):
            found.append(item)
        elif folder is None:
            continue
        elif int(folder["number"]) == following[folder["kind"]]:
            found.append(item)
        elif int(folder["number"]) < following[folder["kind"]] and purges:
            files = [file for file in sorted(item.rglob("*")) if file.is_file()]
            found += [file for file in files if FILE.fullmatch(_inside(path, file))]
    return [item for item in found if not _any_named(path, item, named)]


def _named(manifest: Mapping[str, Any]) -> set[str]:
    return {name for entry in manifest["deliveries"] if isinstance(entry.get("files"), dict) for name in entry["files"]}


def _inside(path: Path, file: Path) -> str:
    return file.relative_to(path).as_posix()


def _any_named(path: Path, item: Path, named: set[str]) -> bool:
    inside = _inside(path, item)
    return any(name == inside or name.startswith(f"{inside}/") for name in named)


def _strays(path: Path, manifest: Mapping[str, Any], left: list[Path]) -> Iterator[str]:
    """Yield the other files that no delivery names."""
    known = _named(manifest) | {Records.MANIFEST, ".lock", EXPORTS}
    for file in sorted(path.rglob("*")):
        if file.is_dir() or _inside(path, file) in known or any(file.is_relative_to(item) for item in left):
            continue
        yield (
            f"{_inside(path, file)}: named by no delivery: find out who put it there, and whether {Records.MANIFEST} "
            "is older than the store, before it is deleted"
        )


def _leftover(path: Path, item: Path) -> str:
    return (
        f"{LEFT_OVER}{_inside(path, item)}: a process was killed; nobody reads it, and it may hold records: delete it"
    )


@contextmanager
def _no_writer(path: Path) -> Iterator[None]:
    """Hold the store's lock shared: readers may come, no delivery or purge begins."""
    if not (path / ".lock").exists():  # nothing was ever written here, or it is a copy
        yield
        return
    with (path / ".lock").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield

"""The source that a mapping makes of an export."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow as pa

from features.intake import InvalidRecords
from features.sources.source import Batch, Source
from features.sources.tables import csv_files, parquet_files
from features.sources.tables.facts import Codes, records
from features.sources.tables.found import Found
from features.sources.tables.mapping import File, Mapping

ROWS: Final = 131_072


def tables(mapping: Mapping) -> Source:
    """Return the source that reads the folder of an export, or a single file, by a mapping."""
    rules = []
    for file in mapping.files:
        own = sorted({f"; of some of its facts: {fact.known_at}" for fact in file.records if fact.known_at})
        rules.append(f"{file.name}: {file.known_at}{''.join(own)}")
    return Source(
        f"tables ({mapping.name})",
        f"As the mapping says, by file ({'; '.join(rules)}).",
        lambda origin, delivered_at: _batches(mapping, Path(origin), delivered_at),
    )


def _batches(mapping: Mapping, origin: Path, delivered_at: datetime) -> Iterator[Batch]:
    found = _find(mapping, origin)
    sizes = [one.path.stat().st_size for one in found]
    whole, done = max(sum(sizes), 1), 0
    for one, size in zip(found, sizes, strict=True):
        codes = [Codes(fact.code) for fact in one.file.records]
        at_once = max(ROWS // len(codes), 1)
        for rows, faulty, share in (parquet_files if one.is_parquet else csv_files).rows(one, at_once):
            try:
                made = [
                    records(rows, one.file, fact, coded, delivered_at)
                    for fact, coded in zip(one.file.records, codes, strict=True)
                ]
            except (pa.ArrowException, UnicodeDecodeError) as error:
                raise InvalidRecords([f"{one.place} holds what is neither text nor a date: export it again"]) from error
            table = pa.concat_tables([*made, faulty], promote_options="default")
            yield Batch(table, min((done + share * size) / whole, 1.0))
        done += size


def _find(mapping: Mapping, origin: Path) -> list[Found]:
    """Return the files of an export in the mapping's order, or raise with everything that is wrong with them."""
    if not origin.exists():
        raise FileNotFoundError(f"{origin} is not there")
    root = origin if origin.is_dir() else origin.parent
    there = [origin] if origin.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    names = {path: path.relative_to(root) for path in there}
    there = [path for path in there if not any(part.startswith(".") for part in names[path].parts)]
    faults: list[str] = []
    found: list[Found] = []
    for file in mapping.files:
        of_file = [path for path in there if names[path].match(file.name)]
        if not of_file and not file.optional:
            faults.append(f"{file.name} is not there: add it, or call it optional in the mapping")
        found += [Found(path, _place(file, n, len(of_file)), file) for n, path in enumerate(of_file, start=1)]
    seen = {one.path for one in found}
    for path in there:
        if path not in seen and not any(names[path].match(pattern) for pattern in mapping.ignored):
            faults.append(f"{names[path].as_posix()} is in no part of the mapping: map it, or list it as ignored")
    for one in found:
        if not one.path.resolve().is_relative_to(root.resolve()):
            faults.append(f"{one.place} is a link out of the folder: copy the file in")
        else:
            look = parquet_files.faults if one.is_parquet else csv_files.faults
            faults += [f"{one.place}: {fault}" for fault in look(one)]
    if faults:
        raise InvalidRecords(faults)
    return found


def _place(file: File, position: int, many: int) -> str:
    return file.name if many == 1 else f"{file.name}, file {position}"

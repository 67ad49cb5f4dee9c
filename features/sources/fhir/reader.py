"""The reader: pieces of a delivery → batches of rows, on all cores, in order, never many at a time."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from features.engines import in_order
from features.intake import SCHEMA, InvalidRecords
from features.sources.fhir.bundles import Found, Surroundings, each_resource, practice_of
from features.sources.fhir.codings import Codings, codings
from features.sources.fhir.files import File, Piece, files, pieces
from features.sources.fhir.frames import KNOWN_AT, Row
from features.sources.fhir.resources import READERS, is_replaced, rows
from features.sources.source import Batch, Source

#: Rows of a batch, at least but for the last, and at most.
FEWEST, MOST = 100_000, 250_000
#: Bytes of a delivery from which other processes are worth their start.
WORTH_A_POOL: Final = 1 << 24
UNSTATED: Final = "unstated"

MALFORMED: Final = "malformed JSON"
ENCODING: Final = "not UTF-8"
UNKNOWN: Final = "its Patient is not in the delivery, or of no use"

TABLE: Final = pa.schema(
    [*(field for field in SCHEMA if field.name != "practice"), ("fault", pa.string()), ("where", pa.string())]
)


def batches(location: str, delivered_at: datetime) -> Iterator[Batch]:
    """Yield what a delivery holds, batch by batch; see `features.sources.fhir`.

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    InvalidRecords
        If there is nothing in it that could be FHIR, or patients of several servers.
    """
    found = files(Path(location))
    directory = _directory(found)
    reading = Reading(delivered_at, directory.medications)
    with _mapping(reading, sum(file.size for file in found)) as apply:
        yield from _batches(apply(pieces(found)), directory.practices)


FHIR: Final = Source("fhir", KNOWN_AT, batches)


# --- Who is in the delivery -------------------------------------------------------------------------------


class Directory(NamedTuple):
    """What resources refer to wherever they are: the practice of each Patient, the codings of each Medication."""

    practices: dict[str, str]
    medications: dict[str, Codings]


HINT: Final = re.compile(rb'"resourceType"\s*:\s*"(?:Patient|Medication)"')


def _directory(found: Sequence[File]) -> Directory:
    """Return who and what is in a delivery; of a Patient sent twice the last counts."""
    directory = Directory({}, {})
    homes: set[str] = set()
    for piece in pieces(found):
        for document in _hinted(piece):
            for _, resource, around, _ in each_resource(document):
                if resource is not None:
                    _enter(resource, around, directory)
                homes |= around.homes
    if len(homes) > 1:
        raise InvalidRecords(
            [f"the delivery holds patients of {len(homes)} servers, whose ids may be the same: deliver each on its own"]
        )
    return directory


def _hinted(piece: Piece) -> Iterator[Any]:
    """Yield the documents of a piece that may hold a Patient or a Medication."""
    end = 0
    for hint in HINT.finditer(piece.data):
        if hint.start() < end:
            continue
        begin = piece.data.rfind(b"\n", 0, hint.start()) + 1 if piece.first_line else 0
        end = piece.data.find(b"\n", hint.end()) if piece.first_line else len(piece.data)
        end = end if end >= 0 else len(piece.data)
        try:
            yield orjson.loads(piece.data[begin:end])
        except orjson.JSONDecodeError:
            continue  # told when it is read


def _enter(resource: Mapping[str, Any], around: Surroundings, directory: Directory) -> None:
    identity = resource.get("id")
    if type(identity) is not str:
        return
    if resource["resourceType"] == "Medication":
        directory.medications[f"Medication/{identity}"] = codings(resource.get("code"))
    elif resource["resourceType"] == "Patient" and not resource.get("modifierExtension") and not is_replaced(resource):
        directory.practices[identity] = practice_of(resource, around) or UNSTATED


# --- A piece → a table ------------------------------------------------------------------------------------


class Read(NamedTuple):
    """Rows of a piece, with the columns of `TABLE`; how many resources of other types; the share read by then."""

    table: pa.Table
    others: Counter[str]
    read: float


TYPE: Final = re.compile(rb'\s*\{\s*"resourceType"\s*:\s*"([A-Za-z]+)"')


@dataclass(frozen=True)
class Reading:
    """How pieces of one delivery are read: the same in this process and in others."""

    delivered_at: datetime
    medications: Mapping[str, Codings]

    def __call__(self, piece: Piece) -> Read:
        """Return the rows of a piece."""
        told: list[Row] = []
        where: list[str] = []
        others: Counter[str] = Counter()
        around = Surroundings(medications=self.medications)
        for at, found in self._found(piece, around, others):
            if found.resource is None:
                mine = [Row(fault=found.fault)]
            elif not (mine := rows(found.resource, self.delivered_at, found.around)):
                others[found.resource["resourceType"]] += 1
            told += mine
            where += [f"{at} {found.place}".rstrip()] * len(mine)
        columns = [*zip(*told, strict=True)] or [()] * len(Row._fields)
        arrays = [pa.array(column, TABLE.field(name).type) for name, column in zip(Row._fields, columns, strict=True)]
        table = pa.table([*arrays, pa.array(where, pa.string())], names=[*Row._fields, "where"])
        return Read(table, others, piece.read)

    def _found(self, piece: Piece, around: Surroundings, others: Counter[str]) -> Iterator[tuple[str, Found]]:
        if piece.fault:
            at = f"{piece.place} line {piece.first_line}" if piece.first_line else piece.place
            yield at, Found("", None, around, piece.fault)
        elif not piece.first_line:
            for found in _parsed(piece.data, around):
                yield piece.place, found
        else:
            for number, line in enumerate(piece.data.split(b"\n"), piece.first_line):
                if (kind := TYPE.match(line)) and kind[1] not in PARSED:
                    others[kind[1].decode()] += 1
                elif line and not line.isspace():
                    for found in _parsed(line, around):
                        yield f"{piece.place} line {number}", found


#: Types that are worth parsing, as bytes.
PARSED: Final = {kind.encode() for kind in (*READERS, "Bundle")}


def _parsed(document: bytes, around: Surroundings) -> Iterator[Found]:
    try:
        parsed = orjson.loads(document)
    except orjson.JSONDecodeError:
        yield Found("", None, around, MALFORMED if _is_utf8(document) else ENCODING)
        return
    yield from each_resource(parsed, around)


def _is_utf8(document: bytes) -> bool:
    try:
        document.decode()
    except UnicodeDecodeError:
        return False
    return True


# --- All cores --------------------------------------------------------------------------------------------

Apply = Callable[[Iterator[Piece]], Iterator[Read]]
ENDED: Final = (
    "a process that read the delivery ended: for want of memory (deliver large documents as NDJSON), or because the "
    'script that reads has no ``if __name__ == "__main__":``, which new processes need'
)
_reading: Reading  # of the process that a pool started


def _begin(reading: Reading) -> None:
    global _reading
    _reading = reading


def _read(piece: Piece) -> Read:
    return _reading(piece)


@contextmanager
def _mapping(reading: Reading, size: int) -> Iterator[Apply]:
    """Give what applies ``reading`` to pieces, in order: here, or with a process a core where there is much to read."""
    cores = len(os.sched_getaffinity(0))
    if size < WORTH_A_POOL or cores == 1:
        yield lambda read: map(reading, read)
        return
    # Processes are spawned: a fork would inherit the locks of threads that DuckDB and Arrow have running.
    pool = ProcessPoolExecutor(cores, get_context("spawn"), _begin, (reading,))
    try:
        yield lambda read: in_order(lambda piece: pool.submit(_read, piece).result(), read, 2 * cores)
    except BrokenProcessPool as error:
        raise InvalidRecords([ENDED]) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


# --- Tables → batches -------------------------------------------------------------------------------------


def _batches(read: Iterator[Read], practices: Mapping[str, str]) -> Iterator[Batch]:
    waiting: list[pa.Table] = []
    others: Counter[str] = Counter()
    done, count = 0.0, 0
    for table, more, done in read:
        waiting.append(table)
        others += more
        count += len(table)
        if count >= FEWEST:
            yield from _of_size(pa.concat_tables(waiting), practices, others, done)
            waiting, others, count = [], Counter(), 0
    if count or others:
        yield from _of_size(pa.concat_tables(waiting), practices, others, done)


def _of_size(table: pa.Table, practices: Mapping[str, str], others: Counter[str], done: float) -> Iterator[Batch]:
    for begin in range(0, max(len(table), 1), MOST):
        yield Batch(_with_practice(table.slice(begin, MOST), practices), done, others if begin == 0 else {})


def _with_practice(table: pa.Table, practices: Mapping[str, str]) -> pa.Table:
    """Return the rows with the practice of their patient, a fault where the Patient was not delivered."""
    patient = pc.dictionary_encode(table.column("patient")).combine_chunks()
    known = pa.array([practices.get(name) for name in patient.dictionary.to_pylist()], pa.string())
    practice = known.take(patient.indices)
    is_unknown = pc.and_(pc.is_valid(patient), pc.is_null(practice))
    fault = pc.if_else(pc.and_(is_unknown, pc.is_null(table.column("fault"))), UNKNOWN, table.column("fault"))
    table = table.set_column(table.column_names.index("fault"), "fault", fault)
    return table.append_column("practice", practice).select([*SCHEMA.names, "where", "fault"])

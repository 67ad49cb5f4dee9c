"""OMOP's tables as files: CSV or Parquet, one folder."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from features.intake import InvalidRecords
from features.sources.omop.containers import Container, literal, quoted

#: What stands for nothing in CSV files of R, pandas, PostgreSQL and SQL Server.
NULLS: Final = ("", "NA", "NaN", "NULL", "null", "\\N")
BLOCK_BYTES: Final = 1 << 22
HEADER_BYTES: Final = 1 << 16
#: How many places of lines that cannot be read are remembered; the others are only counted.
PLACES: Final = 1_000


class Folder(Container):
    """A folder of files named after their tables, or of folders named after them; one level of folders is looked into.

    Raises
    ------
    InvalidRecords
        If files are links out of the folder, a table is there twice, or a header cannot be read.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path, known: Sequence[str]) -> None:
        super().__init__(connection)
        self._files: dict[str, list[Path]] = {}
        self._dialects: dict[str, _Dialect] = {}
        faults = list(self._find(folder.resolve(), known))
        for table, files in self._files.items():
            try:
                names = _parquet_names(files[0]) if _is_parquet(files[0]) else self._csv_names(table)
            except InvalidRecords as error:
                faults += error.faults
                continue
            faults += [f"{files[0].name}: {fault}" for fault in _same_names(names)]
            self.columns[table] = {name.lower(): name for name in names}
        if faults:
            raise InvalidRecords(faults)

    def rows(self, table: str) -> int:
        """Return how many rows Parquet files say they have, or how many lines like the first ones fit in CSV files."""
        files = self._files[table]
        if table not in self._dialects:
            return sum(pq.ParquetFile(file).metadata.num_rows for file in files)
        with files[0].open("rb") as file:
            head = file.read(HEADER_BYTES)
        return round(sum(file.stat().st_size for file in files) * head.count(b"\n") / max(len(head), 1))

    def _find(self, folder: Path, known: Sequence[str]) -> Iterator[str]:
        """Note the files of each known table; yield what is wrong with them."""
        for file in sorted((*folder.glob("*"), *folder.glob("*/*"))):
            above = file.parent.name.lower() if file.parent != folder else ""
            table = file.stem.lower() if file.stem.lower() in known else above
            if table not in known or file.suffix.lower() not in (".csv", ".parquet") or file.name.startswith("."):
                continue
            if not file.resolve().is_relative_to(folder):
                yield f"{file.name} is a link out of the folder: put the file itself there"
            elif file.is_file():
                self._files.setdefault(table, []).append(file)
        for table, files in self._files.items():
            places = {(file.parent, file.suffix.lower()) for file in files}
            parts = len(places) == 1 and files[0].parent != folder and files[0].parent.name.lower() == table
            if len(files) > 1 and not parts:
                yield f"table {table} is there {len(files)} times: keep one file, or put its parts in a folder {table}"

    def _csv_names(self, table: str) -> tuple[str, ...]:
        dialects = {_dialect(file) for file in self._files[table]}
        if len(dialects) > 1:
            raise InvalidRecords([f"the files of table {table} have not the same header"])
        self._dialects[table] = dialects.pop()
        return self._dialects[table].names

    def _relation(self, table: str, columns: Sequence[str], distinct: bool) -> str:
        files = self._files[table]
        if table in self._dialects:
            self.unreadable[table], self.places[table] = 0, []
            kept = columns or self._dialects[table].names[:1]
            lines = (batch for file in files for batch in self._lines(table, file, kept))
            self.connection.register(table, pa.RecordBatchReader.from_batches(_texts(kept), lines))
            return quoted(table)
        # Square brackets keep DuckDB from taking a file's name for a pattern.
        paths = ", ".join(literal(re.sub(r"([\[*?])", r"[\1]", str(file))) for file in files)
        return f"read_parquet([{paths}], hive_partitioning = false)"

    def _lines(self, table: str, file: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield a CSV file's rows as text; lines that are no row of the table are counted and noted."""
        dialect = self._dialects[table]
        # The names of parts may be those of patients.
        place = (
            f"{table}.csv" if len(self._files[table]) == 1 else f"{table}, file {self._files[table].index(file) + 1}"
        )

        def note(line: Any) -> str:
            # A quotation mark that is not closed runs into the lines below: they are lost with it.
            self._note(table, f"{place}, line {line.number}", 1 + line.text.count("\n"))
            return "skip"

        reader = pyarrow.csv.open_csv(
            file,
            read_options=pyarrow.csv.ReadOptions(
                column_names=list(dialect.names), skip_rows=1, use_threads=False, block_size=BLOCK_BYTES
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char='"' if dialect.quotes else False,
                newlines_in_values=dialect.quotes,
                invalid_row_handler=note,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(dialect.names, pa.binary()),
                include_columns=list(columns),
                strings_can_be_null=True,
                null_values=list(NULLS),
            ),
        )
        row = 0
        for batch in reader:
            wrong, lines = _suspect(batch)
            for position in np.flatnonzero(wrong):
                self._note(table, f"{place}, readable row {row + position + 1}", int(lines[position]))
            row += len(batch)
            yield batch.filter(pa.array(~wrong)).cast(_texts(columns))

    def _note(self, table: str, place: str, lines: int) -> None:
        self.unreadable[table] += lines
        if len(self.places[table]) < PLACES:
            self.places[table].append(place)


@dataclass(frozen=True)
class _Dialect:
    """How a CSV file is written."""

    names: tuple[str, ...]
    delimiter: str
    quotes: bool


def _dialect(file: Path) -> _Dialect:
    """Return how a CSV file is written, by its header; raise `InvalidRecords` if it has none."""
    with file.open("rb") as opened:
        line = opened.readline(HEADER_BYTES)
    try:
        header = line.decode("utf-8-sig").strip("\r\n")
    except UnicodeDecodeError as error:
        raise InvalidRecords([f"{file.name} is not UTF-8 text: save it as UTF-8"]) from error
    if not header.strip() or "\0" in header or len(line) == HEADER_BYTES:
        raise InvalidRecords([f"{file.name} does not begin with the names of its columns"])
    delimiter = max(",;\t|", key=header.count)
    # The vocabularies as OHDSI hands them out are tab-separated, with quotation marks that mean nothing.
    quotes = delimiter != "\t" or '"' in header
    try:
        names = next(csv.reader([header], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise InvalidRecords([f"{file.name} does not begin with the names of its columns"]) from error
    return _Dialect(tuple(name.strip() for name in names), delimiter, quotes)


def _same_names(names: Sequence[str]) -> Iterator[str]:
    """Yield which columns have the same name; that is not told, without a header it is a value of the first row."""
    places: dict[str, list[str]] = {}
    for position, name in enumerate(names, start=1):
        places.setdefault(name.lower(), []).append(str(position))
    yield from (f"columns {' and '.join(same)} have the same name" for same in places.values() if len(same) > 1)


def _is_parquet(file: Path) -> bool:
    return file.suffix.lower() == ".parquet"


def _parquet_names(file: Path) -> tuple[str, ...]:
    try:
        return tuple(pq.read_schema(file).names)
    except (pa.ArrowException, OSError) as error:
        raise InvalidRecords([f"{file.name} cannot be read as Parquet: it is cut off, or something else"]) from error


def _texts(columns: Sequence[str]) -> pa.Schema:
    return pa.schema([(name, pa.string()) for name in columns])


def _suspect(batch: pa.RecordBatch) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Return which rows hold a line break or something that is not UTF-8, and how many lines each takes.

    No code, date or number has a line break in it: a quotation mark was not closed and took in the lines below.
    """
    lines = np.ones(len(batch), dtype=np.int64)
    foreign = np.zeros(len(batch), dtype=bool)
    for column in batch.columns:
        written = column.buffers()[2]
        if written is not None and b"\n" in written.to_pybytes():
            lines += pc.fill_null(pc.count_substring(column, b"\n"), 0).to_numpy().astype(np.int64)
        try:
            column.cast(pa.string())
        except pa.ArrowInvalid:
            foreign |= [not _is_text(value) for value in column.to_pylist()]
    return (lines > 1) | foreign, lines


def _is_text(value: bytes | None) -> bool:
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return False
    return True

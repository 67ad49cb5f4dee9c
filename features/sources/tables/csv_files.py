"""CSV files of an export, as rows some at a time."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from typing import IO, Any, Final

import pyarrow as pa

from features.intake import InvalidRecords
from features.sources.tables.facts import Rows
from features.sources.tables.found import Found
from features.sources.tables.mapping import plain

LONGEST_LINE: Final = 1 << 20
FIRST_LOOK: Final = 1 << 20
REPLACED: Final = "\ufffd"  # what a byte becomes that is not text in the declared encoding


def faults(one: Found) -> Iterator[str]:
    """Yield what a look at a file's beginning says is wrong with it."""
    form = one.file.format
    with one.path.open("rb") as file:
        begin = file.read(FIRST_LOOK)
    if b"\0" in begin:
        yield "is not a text, or in UTF-16: export it as CSV in UTF-8"
        return
    if codecs.lookup(form.encoding).name not in ("utf-8", "utf-8-sig") and not begin.isascii():
        try:
            codecs.getincrementaldecoder("utf-8")().decode(begin)
        except UnicodeDecodeError:
            pass
        else:
            yield f"is in UTF-8, and the mapping says {form.encoding}"
            return
    try:
        with _opened(one) as text:
            header = _header(_reader(text, one))
    except (InvalidRecords, csv.Error):
        yield "has no header in its first line"
        return
    yield from one.absent(header)
    if any(REPLACED in name for name in header):
        yield f"its header is not in {form.encoding}"


def _opened(one: Found) -> IO[str]:
    encoding = one.file.format.encoding
    utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
    return one.path.open(encoding="utf-8-sig" if utf8 else encoding, errors="replace", newline="")


def _reader(file: IO[str], one: Found) -> Any:
    return csv.reader(_lines(file, one.place), delimiter=one.file.format.delimiter, strict=True)


def _lines(file: IO[str], place: str) -> Iterator[str]:
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith(("\n", "\r")):
            raise InvalidRecords([f"{place}, line {number} is longer than a million characters: is it a CSV file?"])
        yield line


def _header(reader: Any) -> list[str]:
    return [plain(name) for name in next(reader, [])]


def rows(one: Found, at_once: int) -> Iterator[tuple[Rows, pa.Table, float]]:
    """Yield rows of a file, the rows that could not be read, and which share of the file was read.

    By the standard library's reader: it alone knows in which line a row begins when cells hold ends of lines.
    """
    size = max(one.path.stat().st_size, 1)
    with _opened(one) as file:
        reader = _reader(file, one)
        header = _header(reader)
        names = one.file.columns
        places = [header.index(plain(name)) for name in names]
        finished = False
        while not finished:
            whole: list[list[str]] = []
            lines: list[int] = []
            faulty: list[tuple[int, str]] = []
            while len(whole) + len(faulty) < at_once:
                line = reader.line_num + 1
                try:
                    cells = next(reader)
                except StopIteration:
                    finished = True
                    break
                except csv.Error as error:
                    if reader.line_num > line:
                        fault = "a quotation mark that opens there is not closed as it should be"
                        raise InvalidRecords([f"{one.place}, line {line}: {fault}"]) from error
                    faulty.append((line, "malformed row"))
                    continue
                if len(cells) == len(header):
                    kept = [cells[place] for place in places]
                    if any(REPLACED in cell for cell in kept):
                        faulty.append((line, "text not in the declared encoding"))
                    else:
                        whole.append(kept)
                        lines.append(line)
                elif cells:
                    faulty.append((line, "wrong number of columns"))
            columns = [pa.array(column, pa.string()) for column in zip(*whole, strict=True)] if whole else []
            columns = columns or [pa.array([], pa.string()) for _ in names]
            share = min(file.buffer.tell() / size, 1.0)  # type: ignore[attr-defined]
            read = Rows(dict(zip(names, columns, strict=True)), one.where(lines), one.file.format)
            reasons = pa.array([reason for _, reason in faulty], pa.string())
            yield read, pa.table({"where": one.where(line for line, _ in faulty), "fault": reasons}), share

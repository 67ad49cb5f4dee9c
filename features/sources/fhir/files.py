"""What is in a delivery: its files as pieces of bounded size, whatever they hold."""

from __future__ import annotations

import gzip
import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import IO, Final

from features.intake import InvalidRecords
from features.sources.fhir.resources import READERS

#: Bytes read at a time; the longest line; the largest document, which is parsed whole. A billion bytes as NDJSON are no
#: trouble, as one bundle they are.
CHUNK: Final = 1 << 22
LONGEST_LINE: Final = 1 << 26
LARGEST_DOCUMENT: Final = 1 << 27
#: Compressed JSON grows some 10 to 50 times. What grows more is made to fill a memory or a disk.
MOST_GROWTH: Final = 250
BUT_AT_LEAST: Final = 1 << 24

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
LINES: Final = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")
DOCUMENTS: Final = (".json", ".json.gz")
#: Names that can be shown: a type of resource and numbers. Others may be those of people.
NAME: Final = re.compile(rf"({'|'.join(READERS)}|Bundle|Medication|Organization|Practitioner)([._-]\d+)*\.\w+(\.gz)?")

LINK: Final = "a symbolic link, which is not followed"
NOT_A_FILE: Final = "not an ordinary file"
DAMAGED: Final = "a file that is damaged, cut off or encrypted"
GROWS: Final = "a compressed file that grows beyond all measure"
TOO_LARGE: Final = "a document of more than 128 MB: deliver it as NDJSON, or in several"
TOO_LONG: Final = "a line of more than 64 MB"
#: What the standard library raises while it reads or decompresses such files; a way to compress or encrypt that it does
#: not know is a RuntimeError.
DAMAGES: Final = (EOFError, OSError, zlib.error, zipfile.BadZipFile, RuntimeError, ValueError)

Readable = IO[bytes] | gzip.GzipFile


@dataclass(frozen=True)
class Piece:
    """Part of a delivery that can be read on its own.

    Attributes
    ----------
    place
        What the file is called in ``where``.
    data
        Whole lines, or a whole document; empty where there is a fault.
    first_line
        Number of the first line, 0 for a document.
    read
        Share of the delivery up to the end of this piece, from 0 to 1.
    """

    place: str
    data: bytes
    first_line: int
    read: float
    fault: str | None = None


@dataclass(frozen=True)
class File:
    """A file of a delivery: where it is, or what is wrong with it.

    Attributes
    ----------
    place
        What it is called in ``where``.
    name
        Of the file, or of the member of the zip, which is read and never written.
    size
        Bytes it takes.
    """

    place: str
    name: str
    size: int
    path: Path
    member: zipfile.ZipInfo | None = None
    fault: str | None = None

    @property
    def is_compressed(self) -> bool:
        """Whether it takes fewer bytes than it gives."""
        return self.member is not None or self.name.lower().endswith(".gz")


class Unreadable(Exception):
    """A file that cannot be read to its end; the message is the fault."""


def files(location: Path) -> Sequence[File]:
    """Return the files of a delivery that are JSON or NDJSON by their names, in the order of their paths.

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    InvalidRecords
        If none of it can be FHIR.
    """
    if location.is_dir():
        found = list(_of_folder(location))
    elif location.is_file():
        found = list(_of_file(location.name, location))
    elif location.exists():
        raise InvalidRecords(["the delivery is neither a file nor a folder"])
    else:
        raise FileNotFoundError(f"{location} is not there")
    times = Counter(file.name for file in found)
    found = [
        replace(file, place=file.name if NAME.fullmatch(file.name) and times[file.name] == 1 else f"file {position}")
        for position, file in enumerate(found, 1)
    ]
    if not found:
        raise InvalidRecords(
            ["the delivery holds no .json, .ndjson or .jsonl file (or one of these as .gz, or a .zip of them)"]
        )
    return found


def _of_folder(folder: Path) -> Iterator[File]:
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        if path.is_symlink():
            yield File("", path.name, 0, path, fault=LINK)
        elif not path.is_dir():
            yield from _of_file(path.name, path)


def _of_file(name: str, path: Path) -> Iterator[File]:
    if not name.lower().endswith((*LINES, *DOCUMENTS, ".zip")):
        return
    size = path.stat().st_size
    if not stat.S_ISREG(path.stat().st_mode):
        yield File("", name, 0, path, fault=NOT_A_FILE)
    elif name.lower().endswith(".zip"):
        yield from _of_zip(path)
    else:
        yield File("", name, size, path)


def _of_zip(path: Path) -> Iterator[File]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(archive.infolist(), key=lambda member: member.filename)
    except DAMAGES:
        members = None
    size = path.stat().st_size
    if members is None or sum(member.compress_size for member in members) > size:  # members that overlap
        yield File("", path.name, size, path, fault=DAMAGED)
        return
    for member in members:
        name = member.filename.rpartition("/")[2]
        if member.is_dir() or member.filename.startswith("__MACOSX/"):
            continue
        if not name.lower().endswith((*LINES, *DOCUMENTS)):
            continue
        is_link = stat.S_ISLNK(member.external_attr >> 16)
        grows = member.file_size > max(MOST_GROWTH * member.compress_size, BUT_AT_LEAST)
        fault = LINK if is_link else GROWS if grows else None
        yield File("", name, member.compress_size, path, member, fault)


def pieces(found: Sequence[File]) -> Iterator[Piece]:
    """Yield the content of files, in order, in pieces; what cannot be read is a piece with a fault."""
    total = sum(file.size for file in found) or 1
    before = 0
    for path, together in groupby(found, lambda file: file.path):
        with ExitStack() as stack:
            archive: zipfile.ZipFile | None = None
            for file in together:
                if file.member and archive is None:
                    archive = stack.enter_context(zipfile.ZipFile(path))
                yield from _pieces_of(file, archive, before / total, (before + file.size) / total)
                before += file.size


def _pieces_of(file: File, archive: zipfile.ZipFile | None, begin: float, end: float) -> Iterator[Piece]:
    if file.fault:
        yield Piece(file.place, b"", 0, end, file.fault)
        return
    take = _lines if file.name.lower().endswith(LINES) else _document
    with ExitStack() as stack:
        try:
            raw, stream = _open(file, archive, stack)
            size = (file.member.file_size if file.member else file.size) or 1
            for line, data, fault in take(_blocks(stream, file)):
                yield Piece(file.place, data, line, begin + (end - begin) * min(raw.tell() / size, 1), fault)
        except Unreadable as error:
            yield Piece(file.place, b"", 0, end, str(error))
        except DAMAGES:
            yield Piece(file.place, b"", 0, end, DAMAGED)


def _open(file: File, archive: zipfile.ZipFile | None, stack: ExitStack) -> tuple[IO[bytes], Readable]:
    """Return the content of a file, as it is kept and decompressed."""
    raw = stack.enter_context(archive.open(file.member) if archive and file.member else file.path.open("rb"))
    return raw, stack.enter_context(gzip.GzipFile(fileobj=raw)) if file.name.lower().endswith(".gz") else raw


def _blocks(stream: Readable, file: File) -> Iterator[bytes]:
    """Yield the content of a file in blocks, without its byte-order mark; raise `Unreadable` if it grows too much."""
    most = max(MOST_GROWTH * file.size, BUT_AT_LEAST) if file.is_compressed else None
    taken = 0
    while block := stream.read(CHUNK):
        begins, taken = taken == 0, taken + len(block)
        if most is not None and taken > most:
            raise Unreadable(GROWS)
        yield block.removeprefix(BYTE_ORDER_MARK) if begins else block


def _lines(blocks: Iterator[bytes]) -> Iterator[tuple[int, bytes, str | None]]:
    """Yield whole lines, with the number of the first, and a fault for one that is too long."""
    number, rest, is_skipping = 1, b"", False
    for block in blocks:
        if is_skipping:
            cut = block.find(b"\n")
            if cut < 0:
                continue
            block, number, is_skipping = block[cut + 1 :], number + 1, False
        data = rest + block
        cut = data.rfind(b"\n") + 1
        rest = data[cut:]
        if cut:
            yield number, data[:cut], None
            number += data.count(b"\n", 0, cut)
        if len(rest) > LONGEST_LINE:
            yield number, b"", TOO_LONG
            rest, is_skipping = b"", True
    if rest:
        yield number, rest, None


def _document(blocks: Iterator[bytes]) -> Iterator[tuple[int, bytes, str | None]]:
    """Yield the one document of a file; raise `Unreadable` if it is too large."""
    document, size = [], 0
    for block in blocks:
        size += len(block)
        if size > LARGEST_DOCUMENT:
            raise Unreadable(TOO_LARGE)
        document.append(block)
    yield 0, b"".join(document), None

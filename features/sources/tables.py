"""Tables of any software, as CSV or Parquet, read by a mapping: which column is what, file by file.

A mapping is written in Python with the classes below, or in TOML with the same names (`read_mapping`); the example in
``examples/logiciel_metier.toml`` is its documentation. One row of a file gives one record for each `Fact` of the file.

Rules:

- a cell is its text without the blanks around it; nothing is an empty cell, and 0 is a number;
- a number is written with the declared decimal sign and may have blanks between thousands (``1 234,5``); anything else,
  such as ``<5``, ``120/80`` or a point where commas are declared, is a fault, never a guess;
- a date without a time of day is its midnight, as it is. A date with one is local time, turned into UTC: an hour that
  the end of summer time repeats is taken for its second pass, one that its beginning skips for the moment after it;
- a fact recorded on the day on which it happened, where one of the two is a date alone, was known when it happened;
- of several codings of a fact, one that a concept of the catalogue covers comes first, then the first of a known
  system, then the software's own code;
- a row that was cancelled gives two records: what was said, and that it was taken back. Without a day of cancellation
  it was taken back by the delivery;
- a column named like a name, an address, a telephone number or an e-mail address can only be the patient's identifier,
  and one named like a social-security number (NIR, INS) not even that.

What is deliberately not read: columns that the mapping does not name, rows that its conditions leave out, empty cells
of facts it calls optional, hidden files and those it lists as ignored. Any other file in the folder is a fault.
"""

from __future__ import annotations

import codecs
import csv
import re
import tomllib
import types
import unicodedata
from collections import abc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, Final, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.catalogue.concepts import CONCEPTS
from features.codes import SOURCE, SYSTEMS, InvalidCode, parse_code
from features.intake import InvalidRecords
from features.sources.source import Batch, Source

ROWS: Final = 131_072
REMEMBERED: Final = 100_000
LONGEST_LINE: Final = 1 << 20
FIRST_LOOK: Final = 1 << 20
REPLACED: Final = "\ufffd"  # what a byte becomes that is not text in the declared encoding

ENCODINGS: Final = ("utf-8", "utf-8-sig", "cp1252", "iso8859-1", "iso8859-15")
DIRECTIVES: Final = frozenset("dmYHMSfz")
ISO: Final = "iso"
#: The years that all calendars here can hold.
CALENDAR: Final = (datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59))
#: A code or unit of the software itself: one word. A sentence would be free text.
WORD: Final = r"[^\s@]{1,64}"

#: Units by their usual spellings, without blanks and capitals; those whose capitals matter as they are.
SPELLINGS: Final[abc.Mapping[str, str]] = {
    "G/L": "10*9/L",
    "T/L": "10*12/L",
    **dict.fromkeys(("mmhg", "mm[hg]", "mmdehg"), "mm[Hg]"),
    **dict.fromkeys(("cmhg", "cm[hg]", "cmdehg"), "cm[Hg]"),
    **dict.fromkeys(("bpm", "/min", "batt/min", "bat/min", "battements/min", "{beats}/min"), "/min"),
    **dict.fromkeys(("/d", "/j", "/jour", "parjour", "/day"), "/d"),
    **dict.fromkeys(("kg/m2", "kg/m²", "kg/m^2"), "kg/m2"),
    **dict.fromkeys(("ml/min/1.73m2", "ml/min/1,73m2", "ml/min/1.73m²", "ml/min/1,73m²"), "mL/min/{1.73_m2}"),
    **dict.fromkeys(("cel", "°c"), "Cel"),
    **dict.fromkeys(("ui/l", "iu/l", "[iu]/l"), "[IU]/L"),
    **dict.fromkeys(("10*9/l", "10^9/l", "giga/l"), "10*9/L"),
    **dict.fromkeys(("10*12/l", "10^12/l", "tera/l", "téra/l"), "10*12/L"),
    **{
        name.casefold(): name
        for name in (
            *("mmol/L", "umol/L", "nmol/L", "pmol/L", "g/L", "mg/L", "ug/L", "ng/L", "g/dL", "mg/dL", "ng/mL", "pg/mL"),
            *("kg", "g", "mg", "cm", "m", "%", "U/L", "mU/L", "mmol/mol", "mg/mmol", "mg/g", "fL", "pg", "mL", "L"),
        )
    },
}
UNITS: Final = frozenset(
    unit for c in CONCEPTS for unit in (c.unit, *(other for other, _ in c.conversions)) if unit is not None
)


def unit_of(text: str) -> str | None:
    """Return the UCUM unit that a text is a spelling of, None if it is the name of no unit known here."""
    plain = re.sub(r"\s", "", text).replace("µ", "u").replace("μ", "u")
    return SPELLINGS.get(plain) or SPELLINGS.get(plain.casefold()) or (text if text in UNITS else None)


def ucum(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return a column of units in UCUM; those unknown here stay as they are."""
    return each(column, lambda text: unit_of(text) or text)


# --- The mapping ------------------------------------------------------------------------------------------

#: Words of column names that stand for a person's name or whereabouts, and for the social-security number.
PERSONAL: Final = re.compile(
    r"(nom|prenom)s?(usage|usuel|naissance|famille|marital|jeunefille|patient)?"
    r"|(first|last|sur|full|middle|maiden|birth|given|family|patient)name|adresses?|address|rue|voie"
    r"|telephone|tel|phone|portable|mobile|gsm|fax|e?mails?|courriel|mel"
)
SOCIAL_SECURITY: Final = re.compile(r"nir|ins|insnir|inscalcule|nss|ssn|secu|securite|numsecu|nosecu|matriculeins")


@dataclass(frozen=True)
class Format:
    """How the cells of a file are written.

    Attributes
    ----------
    time_zone
        Where the clocks are, such as ``"Europe/Paris"``.
    delimiter, encoding, decimal
        Of a CSV file; of the encodings, utf-8, cp1252, latin-1 and iso8859-15. A byte-order mark is skipped.
    dates
        Ways in which dates are written, tried in this order: ``"iso"`` (2024-03-01, 2024-03-01T14:30, with or without
        an offset) or such as ``"%d/%m/%Y %H:%M"``. One without a day, ``"%m/%Y"``, stands for the first day.
    """

    time_zone: str
    delimiter: str = ";"
    encoding: str = "utf-8"
    decimal: str = ","
    dates: tuple[str, ...] = (ISO,)

    def __post_init__(self) -> None:
        faults = []
        try:
            ZoneInfo(self.time_zone)
        except (ValueError, OSError, LookupError):
            faults.append(f"time_zone: {self.time_zone!r} is no time zone: write one such as Europe/Paris")
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            faults.append("delimiter: should be one character, such as ;")
        if self.decimal not in (".", ","):
            faults.append("decimal: should be . or ,")
        try:
            known = codecs.lookup(self.encoding).name in {codecs.lookup(name).name for name in ENCODINGS}
        except LookupError:
            known = False
        if not known:
            faults.append(f"encoding: {self.encoding!r} is not one of {', '.join(ENCODINGS)}")
        for pattern in self.dates:
            used = re.findall("%(.?)", pattern)
            if pattern != ISO and not ("Y" in used and set(used) <= DIRECTIVES and len(set(used)) == len(used)):
                faults.append(
                    f"dates: {pattern!r} should be iso, or have %Y (four digits) and, once each, "
                    f"{', '.join(f'%{letter}' for letter in sorted(DIRECTIVES - {'Y'}))}"
                )
        if not self.dates:
            faults.append("dates: none is given")
        _refuse(faults)


@dataclass(frozen=True)
class Text:
    """A text that is in a column, or the same on every row."""

    column: str | None = None
    constant: str | None = None

    def __post_init__(self) -> None:
        faults = [] if (self.column is None) != (self.constant is None) else ["should have a column, or a constant"]
        _refuse([*faults, *_personal(self.column)])


@dataclass(frozen=True)
class Coding:
    """One way in which a file says what a fact is.

    Attributes
    ----------
    column, system
        A column with codes of a system of `features.codes.SYSTEMS`; ``"SOURCE"`` for the software's own codes.
    lookup
        What entries of the column stand for, as ``SYSTEM:code``; looked up before ``system``.
    constant
        ``SYSTEM:code``, where every row is about the same.
    """

    column: str | None = None
    system: str | None = None
    lookup: abc.Mapping[str, str] = field(default_factory=dict)
    constant: str | None = None

    def __post_init__(self) -> None:
        faults = list(_personal(self.column))
        if (self.column is None) == (self.constant is None):
            faults.append("should have a column, or a constant")
        elif self.column is not None and self.system is None and not self.lookup:
            faults.append("a column of codes needs a system, or a lookup")
        elif self.constant is not None and (self.system is not None or self.lookup):
            faults.append("a constant has neither system nor lookup: write SYSTEM:code")
        if self.system is not None and self.system not in SYSTEMS:
            faults.append(f"system: {self.system!r} is not one of {', '.join(SYSTEMS)}")
        lookup = {}
        for entry, code in [*self.lookup.items(), *([(None, self.constant)] if self.constant is not None else [])]:
            try:
                lookup[entry and _plain(entry)] = str(parse_code(code))
            except InvalidCode as error:
                faults.append(f"{'constant' if entry is None else f'lookup {entry!r}'}: {error}")
        _refuse(faults)
        object.__setattr__(self, "constant", lookup.pop(None, None))
        object.__setattr__(self, "lookup", lookup)


@dataclass(frozen=True)
class Unit:
    """The unit of a value: from a column; else by the fact's code; else a constant. UCUM, or a usual spelling of it."""

    column: str | None = None
    by_code: abc.Mapping[str, str] = field(default_factory=dict)
    constant: str | None = None

    def __post_init__(self) -> None:
        faults = list(_personal(self.column))
        if self.column is None and not self.by_code and self.constant is None:
            faults.append("should have a column, units by_code, or a constant")
        by_code = {}
        for code, unit in self.by_code.items():
            try:
                by_code[str(parse_code(code))] = unit
            except InvalidCode as error:
                faults.append(f"by_code: {error}")
        _refuse(faults)
        object.__setattr__(self, "by_code", by_code)


@dataclass(frozen=True)
class KnownAt:
    """When a fact reached the practice's file.

    Attributes
    ----------
    column
        Column of the date, and of the time of day if that is apart.
    days
        Where they are empty, or none is named: how many days after it happened, 0 for the same moment.
    """

    column: tuple[str, ...] = ()
    days: int | None = None

    def __post_init__(self) -> None:
        faults = list(_personal(*self.column))
        if not self.column and self.days is None:
            faults.append("should have a column, or a number of days after it happened")
        if self.days is not None and not 0 <= self.days <= 36_525:
            faults.append("days: should be between 0 and 36,525")
        _refuse(faults)

    def __str__(self) -> str:
        column = f"column {' and '.join(self.column)}" if self.column else ""
        rule = "when it happened" if self.days == 0 else f"{self.days} days after it happened"
        return column if self.days is None else f"{column}, else {rule}" if column else rule


@dataclass(frozen=True)
class Condition:
    """Which rows count: those whose cell is, or is not, one of these texts (``""`` for an empty cell)."""

    column: str
    among: tuple[str, ...] = ()
    not_among: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        faults = list(_personal(self.column))
        if bool(self.among) == bool(self.not_among):
            faults.append("should have texts among which the cell is, or not_among which it is")
        _refuse(faults)


@dataclass(frozen=True)
class Retraction:
    """How a file says that a row was cancelled.

    Attributes
    ----------
    column, among
        A row was cancelled if its cell is one of these texts; where no column is named, if it has a date ``at``.
    at
        Column of the date of cancellation, and of the time of day if that is apart.
    """

    column: str | None = None
    among: tuple[str, ...] = ()
    at: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        faults = list(_personal(self.column, *self.at))
        if (self.column is None) != (not self.among) or (self.column is None and not self.at):
            faults.append("should have a column and the texts among which it is, or columns at")
        _refuse(faults)


@dataclass(frozen=True)
class Fact:
    """What each row of a file says once.

    Attributes
    ----------
    code
        What it is about; several codings of the same fact are one fact.
    value, unit
        Column of the number, and its unit.
    only
        Conditions under which the row says it.
    optional
        Whether an empty value, or else an empty code, says nothing. Otherwise it is a row with a fault.
    happened_at, known_at
        Where they are not the file's.
    """

    code: tuple[Coding, ...]
    value: str | None = None
    unit: Unit | None = None
    only: tuple[Condition, ...] = ()
    optional: bool = False
    happened_at: tuple[str, ...] = ()
    known_at: KnownAt | None = None

    def __post_init__(self) -> None:
        faults = list(_personal(self.value, *self.happened_at))
        if not self.code:
            faults.append("code: none is given")
        if self.unit is not None and self.value is None:
            faults.append("unit: there is no value")
        # Read from TOML, a coding is None where it has faults of its own.
        if self.optional and self.value is None and all(coding and coding.column is None for coding in self.code):
            faults.append("optional: neither a value nor a column of codes could be empty")
        _refuse(faults)


@dataclass(frozen=True)
class File:
    """A file of the export, or several that are alike.

    Attributes
    ----------
    name
        File name, or a pattern such as ``"consultations_*.csv"``; Parquet if it ends in ``.parquet``.
    format
        How its cells are written.
    patient, practice
        Column of the patient's identifier; the practice's.
    happened_at
        Column of the date, and of the time of day if that is apart.
    known_at
        When it reached the practice's file.
    records
        What each row says.
    only, retracted
        Which rows count, and which were cancelled.
    optional
        Whether the file may be absent.
    """

    name: str
    format: Format
    patient: str
    practice: Text
    happened_at: tuple[str, ...]
    known_at: KnownAt
    records: tuple[Fact, ...] = field(metadata={"key": "record"})
    only: tuple[Condition, ...] = ()
    retracted: Retraction | None = None
    optional: bool = False

    def __post_init__(self) -> None:
        faults = list(_personal(*self.happened_at))
        if any(SOCIAL_SECURITY.fullmatch(word) for word in _words(self.patient)):
            faults.append(
                f"patient: column {self.patient!r} is named like a social-security number: "
                "have the software export its own file number"
            )
        if not Path(self.name).parts:
            faults.append(f"name: {self.name!r} is no file name")
        if not self.happened_at:
            faults.append("happened_at: no column is given")
        if not self.records:
            faults.append("record: none is given")
        _refuse(faults)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns it reads, sorted."""
        names: set[str | None] = {self.patient, self.practice.column, *self.happened_at, *self.known_at.column}
        names |= {condition.column for condition in self.only}
        if self.retracted:
            names |= {self.retracted.column, *self.retracted.at}
        for fact in self.records:
            names |= {coding.column for coding in fact.code} | {condition.column for condition in fact.only}
            names |= {fact.value, fact.unit.column if fact.unit else None, *fact.happened_at}
            names |= {*(fact.known_at.column if fact.known_at else ())}
        return tuple(sorted(name for name in names if name is not None))


@dataclass(frozen=True)
class Mapping:
    """What the files of an export say.

    Attributes
    ----------
    name
        Of the software or export; part of the source's name.
    files
        In the order in which they are read.
    ignored
        Names, or patterns, of files that are deliberately not read.
    """

    name: str
    files: tuple[File, ...] = field(metadata={"key": "file"})
    ignored: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        empty = [f"ignored: {name!r} is no file name" for name in self.ignored if not Path(name).parts]
        _refuse([*([] if self.files else ["file: none is given"]), *empty])


def _refuse(faults: Iterable[str]) -> None:
    if faults := list(faults):
        raise InvalidRecords(faults)


def _words(name: str) -> list[str]:
    """Return the words of a column's name, and each two of them as one, without accents and capitals."""
    plain = unicodedata.normalize("NFKD", re.sub(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])", " ", name))
    words = re.findall(r"[a-z]+", "".join(c for c in plain if not unicodedata.combining(c)).lower())
    return words + [first + second for first, second in pairwise(words)]


def _personal(*columns: str | None) -> Iterator[str]:
    """Yield a fault for each column whose name says that it identifies people."""
    for name in columns:
        words = [] if name is None else _words(name)
        if words == ["name"] or any(PERSONAL.fullmatch(word) or SOCIAL_SECURITY.fullmatch(word) for word in words):
            yield f"column {name!r} is named like something that identifies people: it must not be read"


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


# --- The mapping in TOML ----------------------------------------------------------------------------------

WRONG: Final = object()
TYPES: Final = {str: "a text", int: "a whole number", bool: "true or false", dict: "a table", list: "a list"}


def read_mapping(path: Path) -> Mapping:
    """Return the mapping that a TOML file describes.

    Its tables bear the names of the classes' attributes, files and facts being ``[[file]]`` and ``[[file.record]]``.
    ``[default]`` holds what files have in common; a file's own entries come before it, those of its format one by one.
    Where a list is asked for, one entry may stand alone. A ``lookup`` may be the name of a CSV file beside the mapping,
    in UTF-8, with an entry and its code on each line below the header.

    Raises
    ------
    InvalidRecords
        Naming every unknown key, wrong type and contradiction with its place in the file.
    FileNotFoundError
        If there is no such file.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRecords([f"{path.name} is not TOML in UTF-8: {error}"]) from error
    default = raw.pop("default", {})
    if isinstance(default, dict) and isinstance(raw.get("file"), list):
        raw["file"] = [_completed(file, default) for file in raw["file"]]
    reading = _Reading(path)
    mapping = reading.typed(Mapping, raw, "")
    if reading.faults:
        raise InvalidRecords([f"{path.name}: {fault}" for fault in reading.faults])
    assert isinstance(mapping, Mapping)
    return mapping


def _completed(file: Any, default: dict[str, Any]) -> Any:
    if not isinstance(file, dict):
        return file
    completed = {**default, **file}
    if isinstance(own := file.get("format"), dict) and isinstance(common := default.get("format"), dict):
        completed["format"] = {**common, **own}
    return completed


class _Reading:
    """TOML read into dataclasses by their annotations; what is wrong is noted with its key, and reading goes on."""

    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        self.faults: list[str] = []

    def typed(self, kind: Any, raw: Any, key: str) -> Any:
        """Return the value of a key as what it should be, with its faults noted.

        An object with a fault is None, anything else `WRONG`: what holds the former can still be looked at.
        """
        if is_dataclass(kind):
            return self._object(kind, raw, key)
        if get_origin(kind) is types.UnionType:
            return self.typed(get_args(kind)[0], raw, key)
        if get_origin(kind) is tuple:
            inner = get_args(kind)[0]
            if not isinstance(raw, list):
                items = (self.typed(inner, raw, key),)
            else:
                items = tuple(
                    self.typed(inner, item, f"{key}[{_label(item, n)}]") for n, item in enumerate(raw, start=1)
                )
            return WRONG if WRONG in items else items
        if get_origin(kind) is abc.Mapping:
            return self._texts(raw, key)
        return raw if type(raw) is kind else self._wrong(key, TYPES[kind], raw)

    def _object(self, kind: Any, raw: Any, key: str) -> Any:
        if not isinstance(raw, dict):
            self._wrong(key, "a table", raw)
            return None
        hints = get_type_hints(kind)
        known = {part.metadata.get("key", part.name): part for part in fields(kind)}
        begun = len(self.faults)
        values = {}
        for name, value in raw.items():
            if name in known:
                values[known[name].name] = self.typed(hints[known[name].name], value, _at(key, name))
            else:
                self.faults.append(f"{_at(key, name)} is not a key here: {', '.join(known)}")
        for name, part in known.items():
            if name not in raw and part.default is MISSING and part.default_factory is MISSING:
                self.faults.append(f"{_at(key, name)} is missing")
                values[part.name] = WRONG
        if WRONG in values.values():
            return None
        try:
            made = kind(**values)
        except InvalidRecords as error:
            self.faults += [f"{key or 'mapping'}: {fault}" for fault in error.faults]
            return None
        return made if len(self.faults) == begun else None

    def _texts(self, raw: Any, key: str) -> Any:
        begun = len(self.faults)
        if isinstance(raw, str):
            raw = self._table(raw, key)
        elif not isinstance(raw, dict):
            return self._wrong(key, "a table of texts, or the name of a CSV file", raw)
        for name, value in raw.items():
            if not isinstance(value, str):
                self._wrong(_at(key, name), "a text", value)
        return raw if len(self.faults) == begun else WRONG

    def _table(self, name: str, key: str) -> dict[str, str]:
        """Return the two columns of a CSV file beside the mapping."""
        table: dict[str, str] = {}
        try:
            text = (self.folder / name).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError):
            self.faults.append(f"{key}: {name} is not beside the mapping, or not a text in UTF-8")
            return table
        lines = csv.reader(text.splitlines(), delimiter=";" if ";" in text.partition("\n")[0] else ",")
        next(lines, None)
        for cells in lines:
            if len(cells) < 2:
                self.faults += [f"{key}: {name}, line {lines.line_num} has not two columns"] if cells else []
            elif table.setdefault(cells[0].strip(), cells[1].strip()) != cells[1].strip():
                self.faults.append(f"{key}: {name}, line {lines.line_num} says something else than an earlier line")
        return table

    def _wrong(self, key: str, should: str, raw: Any) -> object:
        self.faults.append(f"{key} should be {should}, and is {TYPES.get(type(raw), 'something else')}")
        return WRONG


def _label(item: Any, number: int) -> str:
    return str(item["name"]) if isinstance(item, dict) and "name" in item else str(number)


def _at(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


# --- Cells ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Moments:
    """A column of dates.

    Attributes
    ----------
    utc
        The moments, NaT where a cell is empty or not understood.
    day
        The calendar day, where the clocks are.
    alone
        Whether the cell is a date without a time of day.
    fault
        Whether the cell says something that is not understood.
    """

    utc: npt.NDArray[np.datetime64]
    day: npt.NDArray[np.datetime64]
    alone: npt.NDArray[np.bool_]
    fault: npt.NDArray[np.bool_]


def each(column: pa.Array | pa.ChunkedArray, function: abc.Callable[[str], str | None]) -> pa.Array | pa.ChunkedArray:
    """Return a column of texts with a function applied to each distinct one."""
    encoded = pc.dictionary_encode(column)
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return pa.array([function(text) for text in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)


def _cells(column: pa.Array) -> pa.Array:
    """Return the texts of a column, null where a cell is empty."""
    return each(column.cast(pa.string()), lambda text: _plain(text) or None)


def _numbers(column: pa.Array, decimal: str) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Return the numbers of a column, null where there is none, and which cells are not numbers."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        number = column.cast(pa.float64(), safe=False)
        return pc.if_else(pc.is_nan(number), None, number), np.zeros(len(column), dtype=bool)
    text = _cells(column)
    blank = r"[ \x{A0}\x{2009}\x{202F}]"
    whole = rf"[+-]?(\d{{1,3}}({blank}\d{{3}})+|\d+)({re.escape(decimal)}\d+)?([eE][+-]?\d{{1,2}})?"
    fine = pc.fill_null(pc.match_substring_regex(text, rf"^{whole}$"), False)
    plain = pc.replace_substring_regex(pc.if_else(fine, text, None), blank, "")
    number = pc.replace_substring(pc.replace_substring_regex(plain, r"^\+", ""), decimal, ".").cast(pa.float64())
    return number, pc.and_(pc.is_valid(text), pc.invert(fine)).to_numpy(zero_copy_only=False)


def _moments(column: pa.Array, form: Format) -> Moments:
    """Return the dates of a column, each distinct cell being worked out once."""
    if _is_dated(column.type):
        return _typed_moments(column, form.time_zone)
    encoded = pc.dictionary_encode(column)
    text = pd.Series(encoded.dictionary.to_pylist(), dtype="str")
    utc = pd.Series(pd.NaT, index=text.index, dtype="datetime64[us]")
    day = utc.copy()
    alone = np.zeros(len(text), dtype=bool)
    for pattern in form.dates:
        for matching, way, timed, universal in _ways(text, pattern):
            rows = matching & utc.isna()
            said = pd.to_datetime(text[rows], format=way, errors="coerce", utc=universal)
            said = (said.dt.tz_localize(None) if universal else said).astype("datetime64[us]")
            utc[rows] = said if universal or not timed else _universal(said, form.time_zone)
            day[rows] = _local(utc[rows], form.time_zone) if timed else said
            alone |= (rows & utc.notna()).to_numpy() & (not timed)
    utc = utc.where(utc.between(*CALENDAR))
    index = pc.fill_null(encoded.indices, len(text)).to_numpy()
    nothing = np.array(["NaT"], dtype="datetime64[us]")
    return Moments(
        np.concatenate([utc.to_numpy(), nothing])[index],
        np.concatenate([day.dt.normalize().to_numpy(), nothing])[index],
        np.append(alone, False)[index],
        np.append(utc.isna().to_numpy(), False)[index],
    )


def _is_dated(kind: pa.DataType) -> bool:
    return any(holds(kind) for holds in (pa.types.is_timestamp, pa.types.is_date))


def _typed_moments(column: pa.Array, zone: str) -> Moments:
    """Return the dates of a column that is no text: times without a zone are local."""
    alone, universal = pa.types.is_date(column.type), getattr(column.type, "tz", None) is not None
    cut = pc.CastOptions(pa.timestamp("us", getattr(column.type, "tz", None)), allow_time_truncate=True)
    said = pd.Series(column.cast(options=cut).cast(pa.timestamp("us")).to_numpy(zero_copy_only=False))
    held = said.where(said.between(*CALENDAR))
    utc = held if alone or universal else _universal(held, zone)
    day = held if alone else _local(utc, zone)
    fault = (said.notna() & held.isna()).to_numpy()
    return Moments(utc.to_numpy(), day.dt.normalize().to_numpy(), np.full(len(said), alone), fault)


def _ways(text: pd.Series[str], pattern: str) -> Iterator[tuple[pd.Series[bool], str, bool, bool]]:
    """Yield, for a way of writing dates: which cells, how pandas calls it, if it has a time of day, and an offset."""
    if pattern != ISO:
        yield pd.Series(True, index=text.index), pattern, "%H" in pattern, "%z" in pattern
        return
    date, time = r"\d{4}-\d\d-\d\d", r"[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?"
    yield text.str.fullmatch(date), "%Y-%m-%d", False, False
    yield text.str.fullmatch(date + time), "ISO8601", True, False
    yield text.str.fullmatch(date + time + r"(?:Z|[+-]\d\d(?::?\d\d)?)"), "ISO8601", True, True


def _universal(local: pd.Series[Any], zone: str) -> pd.Series[Any]:
    """Return local times in UTC, without a time zone; the second pass of a repeated hour, the end of a skipped one."""
    standard = np.zeros(len(local), dtype=bool)
    aware = local.dt.tz_localize(zone, ambiguous=standard, nonexistent="shift_forward")
    utc: pd.Series[Any] = aware.dt.tz_convert("UTC").dt.tz_localize(None)
    return utc


def _local(utc: pd.Series[Any], zone: str) -> pd.Series[Any]:
    local: pd.Series[Any] = utc.dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None)
    return local


# --- Rows -------------------------------------------------------------------------------------------------


class _Rows:
    """Some rows of a file, their columns read once in each way they are asked for."""

    def __init__(self, columns: abc.Mapping[str, pa.Array], where: pa.Array, form: Format) -> None:
        self._columns, self.where, self._format = columns, where, form
        self._texts: dict[str, pa.Array] = {}
        self._dates: dict[tuple[str, ...], Moments] = {}

    def __len__(self) -> int:
        return len(self.where)

    def text(self, column: str) -> pa.Array:
        if column not in self._texts:
            self._texts[column] = _cells(self._columns[column])
        return self._texts[column]

    def numbers(self, column: str) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
        return _numbers(self._columns[column], self._format.decimal)

    def moments(self, columns: tuple[str, ...]) -> Moments:
        if columns not in self._dates:
            single = self._columns[columns[0]]
            if len(columns) > 1 or not _is_dated(single.type):
                parts = [pc.fill_null(self.text(column), "") for column in columns]
                single = _cells(pc.binary_join_element_wise(*parts, " "))
            self._dates[columns] = _moments(single, self._format)
        return self._dates[columns]

    def meeting(self, conditions: Sequence[Condition]) -> npt.NDArray[np.bool_]:
        """Return which rows meet all conditions."""
        met = np.ones(len(self), dtype=bool)
        for condition in conditions:
            texts = [_plain(text) for text in (*condition.among, *condition.not_among)]
            found = pc.is_in(pc.fill_null(self.text(condition.column), ""), value_set=pa.array(texts))
            met &= found.to_numpy(zero_copy_only=False) == bool(condition.among)
        return met


class _Codes:
    """The code of each row of a fact, worked out once for each distinct row of codings."""

    def __init__(self, codings: Sequence[Coding]) -> None:
        self._codings = codings
        self._known: dict[tuple[str | None, ...], tuple[str | None, str | None]] = {}

    def of(self, rows: _Rows) -> tuple[pa.Array, pa.Array]:
        """Return the code of each row, and why there is none; both are null where the cells are empty."""
        columns = [rows.text(coding.column) for coding in self._codings if coding.column is not None]
        if not columns:
            chosen = self._chosen(())
            return pa.array([chosen[0]] * len(rows), pa.string()), pa.nulls(len(rows), pa.string())
        encoded = [pc.dictionary_encode(column, null_encoding="encode") for column in columns]
        key = np.zeros(len(rows), dtype=np.int64)
        for column in encoded:
            key = np.unique(key * (len(column.dictionary) + 1) + column.indices.to_numpy(), return_inverse=True)[1]
        _, first, place = np.unique(key, return_index=True, return_inverse=True)
        texts = [column.take(pa.array(first)).to_pylist() for column in columns]
        chosen_each = [self._chosen(cells) for cells in zip(*texts, strict=True)]
        code, fault = ([pair[part] for pair in chosen_each] for part in (0, 1))
        return pa.array(code, pa.string()).take(pa.array(place)), pa.array(fault, pa.string()).take(pa.array(place))

    def _chosen(self, cells: tuple[str | None, ...]) -> tuple[str | None, str | None]:
        if cells not in self._known:
            if len(self._known) > REMEMBERED:
                self._known.clear()
            self._known[cells] = self._choose(cells)
        return self._known[cells]

    def _choose(self, cells: tuple[str | None, ...]) -> tuple[str | None, str | None]:
        found: list[str] = []
        fault = None
        rest = iter(cells)
        for coding in self._codings:
            cell = next(rest) if coding.column is not None else None
            if coding.constant is not None:
                found.append(coding.constant)
            elif cell is not None:
                try:
                    found.append(_code(coding, cell))
                except InvalidCode:
                    fault = fault or ("malformed code" if coding.system else "code not in the lookup")
        found.sort(key=lambda code: code.startswith(f"{SOURCE.name}:"))
        if not found:
            return None, fault
        return next((code for code in found if any(c.covers(code) for c in CONCEPTS)), found[0]), None


def _code(coding: Coding, cell: str) -> str:
    """Return what a cell of a coding stands for, or raise `InvalidCode`."""
    if cell in coding.lookup:
        return coding.lookup[cell]
    if coding.system is None or (coding.system == SOURCE.name and not re.fullmatch(WORD, cell)):
        raise InvalidCode
    return str(SYSTEMS[coding.system](cell))


def _records(rows: _Rows, file: File, fact: Fact, codes: _Codes, delivered_at: datetime) -> pa.Table:
    """Return the records that some rows make of a fact."""
    code, code_fault = codes.of(rows)
    keep = rows.meeting([*file.only, *fact.only])
    value, not_number = pa.nulls(len(rows), pa.float64()), np.zeros(len(rows), dtype=bool)
    no_value = not_number
    if fact.value is not None:
        value, not_number = rows.numbers(fact.value)
        no_value = pc.is_null(value).to_numpy(zero_copy_only=False) & ~not_number
    if fact.optional:
        no_code = pc.and_(pc.is_null(code), pc.is_null(code_fault)).to_numpy(zero_copy_only=False)
        keep &= ~(no_code if fact.value is None else no_value)
    happened = rows.moments(fact.happened_at or file.happened_at)
    known = _known(rows, happened, fact.known_at or file.known_at)
    back, back_fault = _taken_back(rows, file.retracted, known, delivered_at)
    fault = code_fault
    for reason, found in (
        ("no value", no_value),
        ("value is not a number", not_number),
        ("date not understood", happened.fault | known.fault | back_fault),
    ):
        fault = pc.if_else(pa.array(found), reason, fault)
    columns = {
        "patient": rows.text(file.patient),
        "practice": _said(rows, file.practice),
        "happened_at": pa.array(happened.utc, pa.timestamp("us")),
        "known_at": pa.array(known.utc, pa.timestamp("us")),
        "code": code,
        "value": value,
        "unit": _units(rows, fact.unit, code, value),
        "retracted_at": pa.nulls(len(rows), pa.timestamp("us")),
        "where": rows.where,
        "fault": fault,
    }
    table = pa.table(columns)
    said = table.filter(pa.array(keep))
    taken = keep & ~np.isnat(back) & pc.is_null(fault).to_numpy(zero_copy_only=False)
    if not taken.any():
        return said
    position = table.column_names.index("retracted_at")
    retracted = table.set_column(position, "retracted_at", pa.array(back, pa.timestamp("us")))
    return pa.concat_tables([said, retracted.filter(pa.array(taken))])


def _known(rows: _Rows, happened: Moments, rule: KnownAt) -> Moments:
    days = np.timedelta64(rule.days or 0, "D")
    later = Moments(happened.utc + days, happened.day + days, happened.alone, happened.fault)
    if not rule.column:
        return later
    told = rows.moments(rule.column)
    utc = _not_before(told, happened)
    if rule.days is None:
        return Moments(utc, told.day, told.alone, told.fault)
    empty = np.isnat(utc) & ~told.fault
    return Moments(
        np.where(empty, later.utc, utc),
        np.where(empty, later.day, told.day),
        np.where(empty, later.alone, told.alone),
        told.fault,
    )


def _taken_back(
    rows: _Rows, rule: Retraction | None, known: Moments, delivered_at: datetime
) -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.bool_]]:
    """Return when each row was taken back, NaT if it was not, and where that date is not understood."""
    at, fault = np.full(len(rows), "NaT", dtype="datetime64[us]"), np.zeros(len(rows), dtype=bool)
    if rule is None:
        return at, fault
    if rule.at:
        told = rows.moments(rule.at)
        at, fault = _not_before(told, known), told.fault
    if rule.column is None:
        return at, fault
    cancelled = rows.meeting([Condition(rule.column, rule.among)])
    at = np.where(np.isnat(at), np.datetime64(delivered_at, "us"), at)
    return np.where(cancelled, at, np.datetime64("NaT", "us")), fault & cancelled


def _not_before(told: Moments, first: Moments) -> npt.NDArray[np.datetime64]:
    """Return moments that are told, or the first ones for those of the same day where either is a date alone."""
    same = (told.day == first.day) & (told.alone | first.alone)
    return np.where(same & (told.utc < first.utc), first.utc, told.utc)


def _said(rows: _Rows, text: Text) -> pa.Array:
    if text.column is not None:
        return rows.text(text.column)
    return pa.array([text.constant] * len(rows), pa.string())


def _units(rows: _Rows, unit: Unit | None, code: pa.Array, value: pa.Array) -> pa.Array:
    if unit is None:
        return pa.nulls(len(rows), pa.string())
    found = pc.coalesce(each(code, unit.by_code.get), pa.scalar(unit.constant, pa.string()))
    if unit.column is not None:
        said = rows.text(unit.column)  # a unit that is none is no reason to suppose another
        one_word = each(said, lambda text: unit_of(text) or (text if re.fullmatch(WORD, text) else None))
        found = pc.if_else(pc.is_null(said), found, one_word)
    return pc.if_else(pc.is_valid(value), ucum(found), None)


# --- Files ------------------------------------------------------------------------------------------------


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


@dataclass(frozen=True, eq=False)
class _Found:
    """A file that is there, and the part of the mapping it is read by."""

    path: Path
    name: str
    file: File

    @property
    def is_parquet(self) -> bool:
        return self.path.suffix.lower() == ".parquet"


def _batches(mapping: Mapping, origin: Path, delivered_at: datetime) -> Iterator[Batch]:
    found = _find(mapping, origin)
    whole, done = max(sum(one.path.stat().st_size for one in found), 1), 0
    for one in found:
        size = one.path.stat().st_size
        codes = [_Codes(fact.code) for fact in one.file.records]
        at_once = max(ROWS // len(codes), 1)
        reader = _parquet_rows if one.is_parquet else _csv_rows
        for rows, faulty, share in reader(one, at_once):
            try:
                records = [
                    _records(rows, one.file, fact, coded, delivered_at)
                    for fact, coded in zip(one.file.records, codes, strict=True)
                ]
            except (pa.ArrowException, UnicodeDecodeError) as error:
                raise InvalidRecords([f"{one.name} holds what is neither text nor a date: export it again"]) from error
            table = pa.concat_tables([*records, faulty], promote_options="default")
            yield Batch(table, min((done + share * size) / whole, 1.0))
        done += size


def _find(mapping: Mapping, origin: Path) -> list[_Found]:
    """Return the files of an export in the mapping's order, or raise with everything that is wrong with them."""
    if not origin.exists():
        raise FileNotFoundError(f"{origin} is not there")
    root = origin if origin.is_dir() else origin.parent
    there = [origin] if origin.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    names = {path: path.relative_to(root) for path in there}
    there = [path for path in there if not any(part.startswith(".") for part in names[path].parts)]
    faults, found, seen = [], [], set()
    for file in mapping.files:
        of_file = [path for path in there if names[path].match(file.name)]
        if not of_file and not file.optional:
            faults.append(f"{file.name} is not there: add it, or call it optional in the mapping")
        found += [_Found(path, names[path].as_posix(), file) for path in of_file]
        seen |= set(of_file)
    for path in there:
        if path not in seen and not any(names[path].match(pattern) for pattern in mapping.ignored):
            faults.append(f"{names[path].as_posix()} is in no part of the mapping: map it, or list it as ignored")
    for one in found:
        if not one.path.resolve().is_relative_to(root.resolve()):
            faults.append(f"{one.name} is a link out of the folder: copy the file in")
        else:
            faults += [f"{one.name}: {fault}" for fault in (_parquet_faults if one.is_parquet else _csv_faults)(one)]
    if faults:
        raise InvalidRecords(faults)
    return found


def _absent(one: _Found, header: Sequence[str]) -> Iterator[str]:
    for column in one.file.columns:
        if (times := header.count(_plain(column))) != 1:
            yield f"column {column!r} is {'missing' if not times else 'there twice'}"


def _csv_faults(one: _Found) -> Iterator[str]:
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
        with _opened(one) as file_:
            header = _header(_reader(file_, one))
    except (InvalidRecords, csv.Error):
        yield "has no header in its first line"
        return
    yield from _absent(one, header)
    if any(REPLACED in name for name in header):
        yield f"its header is not in {form.encoding}"


def _opened(one: _Found) -> IO[str]:
    encoding = one.file.format.encoding
    utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
    return one.path.open(encoding="utf-8-sig" if utf8 else encoding, errors="replace", newline="")


def _reader(file: IO[str], one: _Found) -> Any:
    return csv.reader(_lines(file, one.name), delimiter=one.file.format.delimiter, strict=True)


def _lines(file: IO[str], name: str) -> Iterator[str]:
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith(("\n", "\r")):
            raise InvalidRecords([f"{name}, line {number} is longer than a million characters: is it a CSV file?"])
        yield line


def _header(reader: Any) -> list[str]:
    return [_plain(name) for name in next(reader, [])]


def _csv_rows(one: _Found, at_once: int) -> Iterator[tuple[_Rows, pa.Table, float]]:
    """Yield rows of a file, the rows that could not be read, and which share of the file was read.

    By the standard library's reader: it alone knows in which line a row begins when cells hold ends of lines.
    """
    size = max(one.path.stat().st_size, 1)
    with _opened(one) as file:
        reader = _reader(file, one)
        header = _header(reader)
        names = one.file.columns
        places = [header.index(_plain(name)) for name in names]
        finished = False
        while not finished:
            rows: list[list[str]] = []
            lines: list[int] = []
            faulty: list[tuple[int, str]] = []
            while len(rows) + len(faulty) < at_once:
                line = reader.line_num + 1
                try:
                    cells = next(reader)
                except StopIteration:
                    finished = True
                    break
                except csv.Error as error:
                    if reader.line_num > line:
                        fault = "a quotation mark that opens there is not closed as it should be"
                        raise InvalidRecords([f"{one.name}, line {line}: {fault}"]) from error
                    faulty.append((line, "malformed row"))
                    continue
                if len(cells) == len(header):
                    kept = [cells[place] for place in places]
                    if any(REPLACED in cell for cell in kept):
                        faulty.append((line, "text not in the declared encoding"))
                    else:
                        rows.append(kept)
                        lines.append(line)
                elif cells:
                    faulty.append((line, "wrong number of columns"))
            columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)] if rows else []
            columns = columns or [pa.array([], pa.string()) for _ in names]
            share = min(file.buffer.tell() / size, 1.0)  # type: ignore[attr-defined]
            where = _where(one, lines)
            yield _Rows(dict(zip(names, columns, strict=True)), where, one.file.format), _set_aside(one, faulty), share


def _where(one: _Found, lines: Sequence[int], kind: str = "line") -> pa.Array:
    return pa.array([f"{one.name}, {kind} {line}" for line in lines], pa.string())


def _set_aside(one: _Found, faulty: Sequence[tuple[int, str]]) -> pa.Table:
    reasons = pa.array([reason for _, reason in faulty], pa.string())
    return pa.table({"where": _where(one, [line for line, _ in faulty]), "fault": reasons})


def _parquet_faults(one: _Found) -> Iterator[str]:
    try:
        with pq.ParquetFile(one.path) as file:
            schema = file.schema_arrow
    except (pa.ArrowException, OSError):
        yield "is not a Parquet file, or is cut short: copy it again"
        return
    yield from _absent(one, [_plain(name) for name in schema.names])
    codings = {coding.column for fact in one.file.records for coding in fact.code}
    for column in sorted(name for name in {one.file.patient, one.file.practice.column, *codings} if name):
        if column in schema.names and pa.types.is_floating(schema.field(column).type):
            yield f"column {column!r} holds numbers with decimals, and should hold text or whole numbers"
    for column in one.file.columns:
        if column in schema.names and pa.types.is_nested(schema.field(column).type):
            yield f"column {column!r} holds lists or tables, and should hold one entry a row"


def _parquet_rows(one: _Found, at_once: int) -> Iterator[tuple[_Rows, pa.Table, float]]:
    try:
        with pq.ParquetFile(one.path) as file:
            total, done = max(file.metadata.num_rows, 1), 0
            for batch in file.iter_batches(batch_size=at_once, columns=list(one.file.columns)):
                columns = {name: batch.column(name) for name in one.file.columns}
                where = _where(one, range(done + 1, done + len(batch) + 1), "row")
                done += len(batch)
                yield _Rows(columns, where, one.file.format), _set_aside(one, []), done / total
    except (pa.ArrowException, OSError) as error:
        raise InvalidRecords([f"{one.name} is damaged: copy it again"]) from error

"""What a mapping says: which column is what, file by file; its own faults are found when it is made."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import abc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from features.codes import SYSTEMS, InvalidCode, parse_code
from features.intake import InvalidRecords

ENCODINGS: Final = ("utf-8", "utf-8-sig", "cp1252", "iso8859-1", "iso8859-15")
DIRECTIVES: Final = frozenset("dmYHMSfz")
ISO: Final = "iso"
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
                lookup[entry and plain(entry)] = str(parse_code(code))
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


def plain(text: str) -> str:
    """Return a text without the blanks around it, its accents written in one way."""
    return unicodedata.normalize("NFC", text).strip()

"""A mapping written in TOML."""

from __future__ import annotations

import csv
import tomllib
import types
from collections import abc
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Final, get_args, get_origin, get_type_hints

from features.intake import InvalidRecords
from features.sources.tables.mapping import Mapping

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
    reading = Reading(path)
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


class Reading:
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

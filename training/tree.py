"""Trees of frozen dataclasses, written as canonical JSON and read back: evidence, audits, explanations."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel


def to_tree(value: Any) -> Any:
    """Return frozen dataclasses, and the texts in them, as JSON values.

    NaN becomes None, other floats keep six significant digits.
    """
    if value is None or isinstance(value, str | int):  # first, as most of a tree is
        return value
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, tuple | list):
        return [to_tree(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_tree(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Mapping):
        return {str(key): to_tree(item) for key, item in value.items()}
    return value


class JsonTree:
    """A frozen dataclass, of frozen dataclasses, that is written as JSON and read back."""

    def to_json(self) -> str:
        """Return canonical JSON: sorted keys, no spaces, no NaN; the same tree gives the same text."""
        return json.dumps(to_tree(self), sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the tree that `to_json` wrote.

        Raises
        ------
        ValueError
            If the text is not JSON, or has other fields than this class.
        """
        return typing.cast("Self", _read(cls, json.loads(text), cls.__name__))


def _read(kind: Any, value: Any, where: str) -> Any:
    """Return ``value``, read from JSON, as the annotated type ``kind``."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        if not isinstance(value, dict) or set(value) != set(hints):
            found = sorted(value) if isinstance(value, dict) else type(value).__name__
            raise ValueError(f"{where} should have the fields {sorted(hints)}, found {found}")
        return typing.cast("type[Any]", kind)(
            **{name: _read(hint, value[name], f"{where}.{name}") for name, hint in hints.items()}
        )
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind.model_validate(value)
    if origin is tuple:
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(_read(each, item, where) for each, item in zip(kinds, value, strict=True))
    if origin is dict:
        return {key: _read(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _read(arguments[0], value, where)
    if kind is float:
        return math.nan if value is None else float(value)
    return value

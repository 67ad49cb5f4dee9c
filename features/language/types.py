"""What an expression can be: a number with its unit, a condition, a category, a dated record; and lengths of time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

DAY: Final = 86_400_000_000  # microseconds
YEAR: Final = 31_557_600_000_000  # 365.25 days
#: Neither a window nor a record is longer than this many microseconds (a thousand years): whole numbers of them can be
#: added to moments and up.
LONGEST: Final = 1000 * YEAR


class ExpressionError(TypeError):
    """An expression that cannot mean anything: what is wrong, where, and how to mend it."""


@dataclass(frozen=True, order=True)
class Duration:
    """A length of time in microseconds."""

    microseconds: int


def days(n: float) -> Duration:
    """Return a duration of ``n`` days."""
    return _times(n, DAY, "days")


def months(n: float) -> Duration:
    """Return a duration of ``n`` twelfths of a year."""
    return _times(n, YEAR / 12, "months")


def years(n: float) -> Duration:
    """Return a duration of ``n`` years of 365.25 days."""
    return _times(n, YEAR, "years")


def _times(n: float, length: float, name: str) -> Duration:
    if not abs(n * length) <= LONGEST:
        raise ExpressionError(f"{name}({n}) is no length of time: give at most {LONGEST / length:.0f}")
    return Duration(round(n * length))


@dataclass(frozen=True)
class Number:
    """A number with a UCUM unit; ``"1"`` has no dimension, ``None`` goes with any unit (a constant)."""

    unit: str | None

    def __str__(self) -> str:
        return f"number [{self.unit}]" if self.unit else "number"


@dataclass(frozen=True)
class Boolean:
    """True, false or missing."""

    def __str__(self) -> str:
        return "condition"


@dataclass(frozen=True)
class Category:
    """One of the categories of a state or of a banded number."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"category ({', '.join(self.names)})"


@dataclass(frozen=True)
class Dated:
    """A record that has a date and no value: the latest consultation, the first prescription."""

    def __str__(self) -> str:
        return "date of a record"


Type = Number | Boolean | Category | Dated

#: A factor of a unit: an annotation, a power of ten, or a symbol (brackets are part of it) with an exponent.
FACTOR: Final = re.compile(r"(\{[^}]*\}|10\*-?\d+|\([^)]*\)|(?:\[[^\]]*\]|[^\[\]{}()./\d+-])+|\d+)([+-]?\d+)?")


def multiplied(left: str | None, right: str | None) -> str | None:
    """Return the unit of a product: ``mm[Hg]`` and ``/a`` make ``mm[Hg]/a``; None, a constant's, leaves the other."""
    return _combined(left, right, 1)


def divided(left: str | None, right: str | None) -> str | None:
    """Return the unit of a ratio: ``mmol/L`` over ``mmol/L`` is ``1``, ``kg`` over ``m2`` is ``kg/m2``."""
    return _combined(left, right, -1)


def _combined(left: str | None, right: str | None, sign: int) -> str | None:
    if right in (None, "1"):
        return left if left is not None or right is None else right
    powers = _powers(left or "1")
    for symbol, power in _powers(right or "1").items():
        powers[symbol] = powers.get(symbol, 0) + sign * power
    above = [f"{symbol}{power if power > 1 else ''}" for symbol, power in powers.items() if power > 0]
    below = [f"/{symbol}{-power if power < -1 else ''}" for symbol, power in powers.items() if power < 0]
    return ".".join(above) + "".join(below) or "1"


def _powers(unit: str) -> dict[str, int]:
    """Return the factors of a unit and the power of each, in order."""
    powers: dict[str, int] = {}
    sign = 1
    position = 0
    while position < len(unit):
        if unit[position] in "./":
            sign = -1 if unit[position] == "/" else 1
            position += 1
            continue
        found = FACTOR.match(unit, position)
        if found is None:  # not UCUM: the rest is one factor, and equal texts are still equal units
            symbol, power, position = unit[position:], 1, len(unit)
        else:
            symbol, power, position = found[1], int(found[2] or 1), found.end()
        if symbol != "1":
            powers[symbol] = powers.get(symbol, 0) + sign * power
    return powers

"""How numbers, units, dates and texts are written for readers, in French and in English."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Final, Literal

Language = Literal["fr", "en"]
LANGUAGES: Final[tuple[Language, Language]] = ("fr", "en")

NARROW: Final = "\u202f"
"""Narrow no-break space: within a French number, before its unit and before ``;``, ``!``, ``?``, ``%`` and ``»``."""
NO_BREAK: Final = "\u00a0"
COLON: Final[Mapping[Language, str]] = {"fr": f"{NO_BREAK}:", "en": ":"}
DASH: Final = "—"
"""Where there is no number."""

MONTHS: Final[Mapping[Language, tuple[str, ...]]] = {
    "fr": (
        "janvier", "février", "mars", "avril", "mai", "juin",
        "juillet", "août", "septembre", "octobre", "novembre", "décembre",
    ),
    "en": (
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
}  # fmt: skip

#: UCUM units whose readable form is another, in French and in English. Parts of a compound unit are looked up alone.
UNITS: Final[Mapping[str, tuple[str, str]]] = {
    "mm[Hg]": ("mmHg", "mmHg"),
    "cm[Hg]": ("cmHg", "cmHg"),
    "m2": ("m²", "m²"),
    "umol": ("µmol", "µmol"),
    "d": ("j", "day"),
    "wk": ("sem.", "week"),
    "mo": ("mois", "month"),
    "a": ("an", "year"),
    "{drinks}": ("verres", "drinks"),
    "{group}": ("groupe", "group"),
    "{level}": ("niveau", "level"),
    "{quintile}": ("quintile", "quintile"),
    "{1.73_m2}": ("1,73\u00a0m²", "1.73\u00a0m²"),
}


def typeset(text: str, language: Language) -> str:
    """Return a text with the typography of its language: curly apostrophes and, in French, no-break spaces."""
    if language != "fr":
        return re.sub(r"(?<=\w)'(?=\w)", "’", text)
    text = text.replace("'", "’")
    text = re.sub(r" (?=[;!?%»])|(?<=«) |(?<=\d) (?=\d{3}(?!\d))", NARROW, text)
    return text.replace(" :", COLON["fr"])


def numeral(text: str, language: Language) -> str:
    """Return a number that Python wrote, such as ``"-1,234.5"``, as the language writes it."""
    text = text.replace("-", "−")
    return text.replace(",", NARROW).replace(".", ",") if language == "fr" else text


def decimal(value: float | None, digits: int, language: Language, *, signed: bool = False, missing: str = DASH) -> str:
    """Return a number with so many decimals; ``missing`` for None."""
    if value is None:
        return missing
    rounded = round(value, digits) + 0.0  # no minus before nought
    return numeral(f"{rounded:{'+' if signed else ''},.{digits}f}", language)


def percent(
    value: float | None, language: Language, digits: int = 1, *, signed: bool = False, missing: str = DASH
) -> str:
    """Return a proportion as a percentage; ``missing`` for None."""
    if value is None:
        return missing
    return decimal(100 * value, digits, language, signed=signed) + (f"{NARROW}%" if language == "fr" else "%")


def calendar(day: date, language: Language) -> str:
    """Return a date in words."""
    first = "1er" if language == "fr" and day.day == 1 else str(day.day)
    return f"{first}{NO_BREAK}{month(day.year, day.month, language)}"


def month(year: int, number: int, language: Language) -> str:
    """Return a month, counted from 1, and its year in words."""
    return f"{MONTHS[language][number - 1]}{NO_BREAK}{year}"


def unit(ucum: str | None, language: Language) -> str:
    """Return a UCUM unit as people write it, an empty text where there is nothing to write.

    ``"mm[Hg]/a"`` is ``"mmHg/an"`` in French, and an annotation such as ``"{quintile}"`` the word in it.
    """
    if ucum is None or ucum == "1":
        return ""
    if ucum == "a":
        return "ans" if language == "fr" else "years"
    parts = [ucum] if ucum in UNITS else re.findall(r"\{[^}]*\}|[/.]|[^/.{]+", ucum)
    return "".join(UNITS[part][LANGUAGES.index(language)] if part in UNITS else part.strip("{}") for part in parts)

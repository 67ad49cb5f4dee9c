"""Other spellings of a unit → its text in UCUM. Values are never converted here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from features.catalogue.concepts import CONCEPTS
from features.sources.columns import each

#: By the text in UCUM, its other spellings without blanks and capitals, ``u`` for micro.
SPELLINGS: Final[Mapping[str, str]] = {
    "mm[Hg]": "mmhg mmdehg",
    "cm[Hg]": "cmhg cmdehg",
    "/min": "bpm 1/min /mn /minute {beats}/min beats/min batt/min bat/min battements/min",
    "/d": "1/d /j /jour parjour /day cig/j cigarettes/jour cigarettes/day {cigarettes}/d {cigarettes}/day",
    "kg/m2": "kg/m² kg/m^2 kg/m*2",
    "mL/min": "ml/mn",
    "mL/min/{1.73_m2}": (
        "ml/min/1.73m2 ml/min/1,73m2 ml/min/1.73m² ml/min/1,73m² ml/min/1.73_m2 ml/min/{1.73m2} ml/min/{1.73m^2}"
    ),
    "10*9/L": "10^9/l giga/l",
    "10*12/L": "10^12/l tera/l téra/l",
    "[IU]/L": "ui/l iu/l",
    "m[IU]/L": "mui/l miu/l",
    "Cel": "°c ℃ degc",
    "a": "ans années years",
}
#: Units that stay the same whatever their capitals.
ANY_CAPITALS: Final = (
    "mm[Hg] cm[Hg] mmol/L umol/L nmol/L pmol/L g/L mg/L ug/L ng/L g/dL mg/dL ng/mL pg/mL kg g mg cm m U/L mU/L [IU]/L "
    "m[IU]/L mmol/mol mg/mmol mg/g fL pg mL L mL/min mL/min/{1.73_m2} kg/m2 10*9/L 10*12/L /min /d Cel %"
)
#: Where they matter: giga and tera a litre are no grams and no tons.
CAPITALS_MATTER: Final = {"G/L": "10*9/L", "G/l": "10*9/L", "T/L": "10*12/L", "T/l": "10*12/L"}
UNITS: Final[Mapping[str, str]] = {
    **{other: unit for unit, others in SPELLINGS.items() for other in others.split()},
    **{unit.casefold(): unit for unit in ANY_CAPITALS.split()},
    **CAPITALS_MATTER,
}
#: Units that the catalogue accepts, written in no other way.
ACCEPTED: Final = frozenset(
    unit for c in CONCEPTS for unit in (c.unit, *(other for other, _ in c.conversions)) if unit is not None
)
#: An unknown unit is kept if it is one word. A sentence would be free text.
WORD: Final = re.compile(r"[^\s@]{1,32}")


def known_unit(text: str) -> str | None:
    """Return the UCUM unit that a text is a spelling of, None if it is the name of no unit known here."""
    plain = re.sub(r"\s", "", text).replace("µ", "u").replace("μ", "u")
    return UNITS.get(plain) or UNITS.get(plain.casefold()) or (text if text in ACCEPTED else None)


def unit_of(text: str) -> str | None:
    """Return a unit in UCUM, or as it is if it is unknown here; None if it is not even one word."""
    return known_unit(text) or (text if WORD.fullmatch(text) else None)


def in_ucum(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return a column of units in UCUM; those unknown here stay as they are."""
    return each(column, lambda text: known_unit(text) or text)

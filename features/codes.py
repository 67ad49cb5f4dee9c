"""Code systems and concepts: what a record is about, in which unit, and which values are believable."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Values = TypeVar("Values", "float", "npt.NDArray[np.float64]")


class InvalidCode(ValueError):
    """A code that does not have the form its system prescribes."""


@dataclass(frozen=True, order=True)
class Code:
    """A code in a system. Its text form, ``SYSTEM:value``, is what records hold."""

    system: str
    value: str

    def __str__(self) -> str:
        return f"{self.system}:{self.value}"


@dataclass(frozen=True)
class CodeSystem:
    """A coding system whose codes have a known form; calling it makes a `Code`.

    Parameters
    ----------
    name
        Prefix in records, such as ``"CIM10"``.
    title
        Full name.
    pattern
        Regular expression a whole code must match.
    uri
        Identifier of the system in FHIR.
    hierarchical
        Whether a shorter code stands for all codes that begin with it (``I21`` for ``I21.0``).
    tidy
        Turns other ways to write a code into the one that records hold; leaves what it does not understand.
    checked
        Whether the check digit of a code that matches the pattern is right, where the system has one.
    """

    name: str
    title: str
    pattern: str
    uri: str
    hierarchical: bool = False
    tidy: Callable[[str], str] = str
    checked: Callable[[str], bool] | None = None

    def __call__(self, value: str) -> Code:
        """Return the code, or raise `InvalidCode` if it has not the system's form."""
        tidied = self.tidy(value)
        if not re.fullmatch(self.pattern, tidied, re.ASCII) or not (self.checked is None or self.checked(tidied)):
            raise InvalidCode(f"{value!r} is not a {self.title} code: it should {self.form}")
        return Code(self.name, tidied)

    def codes(self, values: str) -> tuple[Code, ...]:
        """Return the codes in a text, which white space separates."""
        return tuple(map(self, values.split()))

    @property
    def form(self) -> str:
        """What a code should do to be one, as the end of a sentence."""
        return f"match {self.pattern}" + (" and have the right check digit" if self.checked else "")


def _dotted(value: str) -> str:
    """Return a CIM-10 code with its dot, which French exports leave out, and without its dagger (``+``) or asterisk.

    In the French edition ``+`` also introduces digits that refine a code (``C16.9+0``, ``B24.+0``).
    """
    found = re.fullmatch(r"([A-Z]\d{2})(\.?)([0-9ABX][0-9A-Z]{0,3})?(\+\d{1,2})?[+*†]?", value, re.ASCII)
    if not found or (found[2] and not found[3] and not found[4]):
        return value
    rest = (found[3] or "") + (found[4] or "")
    return f"{found[1]}.{rest}" if rest else found[1]


def _padded(length: int) -> Callable[[str], str]:
    """Return what puts back the zeros that numbers lose at their beginning."""
    return lambda value: value.zfill(length) if value.isascii() and value.isdigit() else value


def _loinc_checked(value: str) -> bool:
    """Return whether the digit after the hyphen follows from what precedes it.

    It is the tens' complement (Luhn, "mod 10"), with letters standing for their distance from ``0`` in ASCII, so that
    it holds for the codes of answers (LA), parts (LP), lists (LL) and groups (LG) too.
    """
    body, digit = value.split("-")
    total = 0
    for position, character in enumerate(reversed(body)):
        number = ord(character) - ord("0")
        total += number if position % 2 else 2 * number - 9 * (number // 5)
    return -total % 10 == int(digit)


_DIHEDRAL = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_PERMUTED = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def _snomed_checked(value: str) -> bool:
    """Return whether the last digit of an SNOMED CT identifier is right (Verhoeff's dihedral check)."""
    check = 0
    for position, digit in enumerate(reversed(value)):
        check = int(_DIHEDRAL[check][int(_PERMUTED[position % 8][int(digit)])])
    return check == 0


def _cip13_checked(value: str) -> bool:
    """Return whether the last digit of a CIP 13 is right (as in all EAN 13 bar codes)."""
    return sum(int(digit) * (3 if position % 2 else 1) for position, digit in enumerate(value)) % 10 == 0


CIM10 = CodeSystem(
    "CIM10",
    "CIM-10 (ICD-10)",
    r"[A-Z]\d{2}(\.([0-9ABX][0-9A-Z]{0,3}(\+\d{1,2})?|\+\d{1,2}))?",  # letters are of the American modification
    "http://hl7.org/fhir/sid/icd-10",
    True,
    tidy=_dotted,
)
CISP2 = CodeSystem("CISP2", "CISP-2 (ICPC-2)", r"[ABDFHKLNPRSTUWXYZ]\d{2}|-[3-6]\d", "http://hl7.org/fhir/sid/icpc-2")
ATC = CodeSystem("ATC", "ATC", r"[ABCDGHJLMNPRSV](\d{2}([A-Z]([A-Z](\d{2})?)?)?)?", "http://www.whocc.no/atc", True)
LOINC = CodeSystem("LOINC", "LOINC", r"(L[ALPG])?\d{1,7}-\d", "http://loinc.org", checked=_loinc_checked)
CCAM = CodeSystem("CCAM", "CCAM", r"[A-Z]{4}\d{3}", "https://smt.esante.gouv.fr/terminologie-ccam")
#: Codes of national acts and payments as pharmacies and surgeries send them (norme B2); the published list marks some
#: with an asterisk.
NGAP = CodeSystem(
    "NGAP",
    "NGAP and other acts of the CNAM (norme B2)",
    r"[A-Z][A-Z0-9]{0,2}",
    "urn:vigie:ngap",
    tidy=lambda value: value.removesuffix("*"),
)
#: Only concepts: the two digits before the check digit say what an identifier is of.
SNOMED = CodeSystem("SNOMED", "SNOMED CT", r"[1-9]\d{2,14}[01]0\d", "http://snomed.info/sct", checked=_snomed_checked)
RXNORM = CodeSystem("RXNORM", "RxNorm", r"[1-9]\d{0,7}", "http://www.nlm.nih.gov/research/umls/rxnorm")
CVX = CodeSystem("CVX", "CVX vaccines", r"\d{2,3}", "http://hl7.org/fhir/sid/cvx", tidy=_padded(2))
NABM = CodeSystem("NABM", "NABM (French biology acts)", r"\d{4}", "urn:oid:1.2.250.1.213.2.3.9", tidy=_padded(4))
CIP13 = CodeSystem(
    "CIP13", "CIP 13 (French drug packs)", r"34009\d{8}", "urn:oid:1.2.250.1.213.2.3.2", checked=_cip13_checked
)
#: Codes of a source that belong to no system above, as they come: read, counted and profiled, but in no concept.
SOURCE = CodeSystem("SOURCE", "the source's own codes", r"\S.{0,254}", "urn:vigie:source")
PRACTICE = CodeSystem(
    "PRACTICE",
    "administrative events of a practice's file",
    r"[a-z][a-z_]*(\.[A-Za-z0-9_]+)*",
    "urn:vigie:practice",
    True,
)

SYSTEMS: Mapping[str, CodeSystem] = {
    s.name: s for s in (CIM10, CISP2, ATC, LOINC, CCAM, NGAP, SNOMED, RXNORM, CVX, NABM, CIP13, PRACTICE, SOURCE)
}


def parse_code(text: str) -> Code:
    """Return the code written ``SYSTEM:value``; raise `InvalidCode` if the system or the form is unknown."""
    name, separator, value = text.partition(":")
    if not separator or name not in SYSTEMS:
        raise InvalidCode(f"{text!r} does not begin with a known code system; known: {', '.join(SYSTEMS)}")
    return SYSTEMS[name](value)


#: What a value in a unit is multiplied by to be in the concept's unit, or that and what is then added.
Scale = float | tuple[float, float]


@dataclass(frozen=True)
class Concept:
    """A clinical notion and everything needed to recognise, convert and believe its records.

    Parameters
    ----------
    name
        Identifier, such as ``"systolic_blood_pressure"``.
    fr, en
        Labels.
    codes
        Codes that carry the notion; in a hierarchical system each stands for its descendants too.
    unit
        UCUM unit of the values, ``None`` where records of the concept carry no value.
    plausible
        Lowest and highest believable value, in ``unit``.
    conversions
        From each other accepted unit to ``unit``: a factor, or a factor and what is added after it.
    categories
        For a notion that is a state (smoking status): the codes of each category, in the order that settles ties (the
        last wins).
    source
        Where the definition comes from.
    review
        Who has reviewed the definition, and what a reviewer should know about it.
    """

    name: str
    fr: str
    en: str
    codes: tuple[Code, ...] = ()
    unit: str | None = None
    plausible: tuple[float, float] | None = None
    conversions: tuple[tuple[str, Scale], ...] = ()
    categories: tuple[tuple[str, tuple[Code, ...]], ...] = ()
    source: str = field(default="", compare=False)
    review: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.categories:
            object.__setattr__(self, "codes", tuple(code for _, codes in self.categories for code in codes))
        if not self.codes:
            raise ValueError(f"concept {self.name!r} has no code")

    def __hash__(self) -> int:
        return hash(self.name)  # equal concepts have equal names; hashing every code would slow each look-up

    @cached_property
    def _exact(self) -> Mapping[str, int]:
        return {str(code): position for position, code in enumerate(self.codes)}

    @cached_property
    def _prefixes(self) -> tuple[tuple[str, int], ...]:
        return tuple(
            (str(code), position) for position, code in enumerate(self.codes) if SYSTEMS[code.system].hierarchical
        )

    def _match(self, code: str) -> int | None:
        """Return the position in ``codes`` of the longest code that covers this one, or None."""
        if (exact := self._exact.get(code)) is not None:
            return exact
        covering = [(len(prefix), position) for prefix, position in self._prefixes if code.startswith(prefix)]
        return max(covering)[1] if covering else None

    def covers(self, code: str) -> bool:
        """Return whether a record with this code (``SYSTEM:value``) is about the concept."""
        return self._match(code) is not None

    def category(self, code: str) -> int | None:
        """Return the position of the category this code stands for, or None."""
        if (match := self._match(code)) is None:
            return None
        for position, (_, codes) in enumerate(self.categories):
            if self.codes[match] in codes:
                return position
        return None

    @property
    def category_names(self) -> tuple[str, ...]:
        """Names of the categories, in order; empty for a concept that is not a state."""
        return tuple(name for name, _ in self.categories)

    @cached_property
    def _scales(self) -> Mapping[str | None, tuple[float, float]]:
        scales: dict[str | None, tuple[float, float]] = {
            unit: scale if isinstance(scale, tuple) else (scale, 0.0) for unit, scale in self.conversions
        }
        return scales | {self.unit: (1.0, 0.0)}

    def convert(self, value: Values, unit: str | None) -> Values | None:
        """Return a value, or an array of them, in the concept's unit; None if ``unit`` is not one it accepts."""
        if unit not in self._scales:
            return None
        factor, offset = self._scales[unit]
        return value * factor + offset if offset else value * factor

    def to_dict(self) -> dict[str, Any]:
        """Return the definition as JSON types; `from_dict` is its inverse."""
        return {
            "name": self.name,
            "fr": self.fr,
            "en": self.en,
            "codes": [] if self.categories else [str(code) for code in self.codes],
            "unit": self.unit,
            "plausible": list(self.plausible) if self.plausible else None,
            "conversions": [
                [unit, *scale] if isinstance(scale, tuple) else [unit, scale] for unit, scale in self.conversions
            ],
            "categories": [[name, [str(code) for code in codes]] for name, codes in self.categories],
            "source": self.source,
            "review": self.review,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Concept:
        """Return the concept written by `to_dict`."""
        return cls(
            data["name"],
            data["fr"],
            data["en"],
            tuple(map(parse_code, data["codes"])),
            data["unit"],
            tuple(data["plausible"]) if data["plausible"] else None,
            tuple((unit, tuple(scale) if len(scale) > 1 else scale[0]) for unit, *scale in data["conversions"]),
            tuple((name, tuple(map(parse_code, codes))) for name, codes in data["categories"]),
            data["source"],
            data.get("review", ""),
        )


def measured(concepts: Iterable[Concept], code: str) -> Concept | None:
    """Return the concept that gives this code its unit and plausible range, or None."""
    return next((c for c in concepts if c.unit is not None and c.covers(code)), None)


@lru_cache(maxsize=32)
def measured_by(concepts: tuple[Concept, ...]) -> Callable[[str], Concept | None]:
    """Return what answers as `measured` does for these concepts; codes repeat, so each is looked up once."""
    return lru_cache(maxsize=1 << 16)(partial(measured, concepts))

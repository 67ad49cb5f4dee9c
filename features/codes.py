"""Code systems and concepts: what a record is about, in which unit, and which values are believable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


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
    """

    name: str
    title: str
    pattern: str
    uri: str
    hierarchical: bool = False

    def __call__(self, value: str) -> Code:
        """Return the code, or raise `InvalidCode` if it has not the system's form."""
        if self.name == "CIM10" and re.fullmatch(r"[A-Z]\d{2}[0-9+]\w*", value):
            value = f"{value[:3]}.{value[3:]}"  # French exports leave the dot out
        if not re.fullmatch(self.pattern, value):
            raise InvalidCode(f"{value!r} is not a {self.title} code: it should match {self.pattern}")
        return Code(self.name, value)


CIM10 = CodeSystem("CIM10", "CIM-10 (ICD-10)", r"[A-Z]\d{2}(\.\w{1,4})?", "http://hl7.org/fhir/sid/icd-10", True)
CISP2 = CodeSystem("CISP2", "CISP-2 (ICPC-2)", r"[A-Z]\d{2}", "http://hl7.org/fhir/sid/icpc-2")
ATC = CodeSystem("ATC", "ATC", r"[A-Z](\d{2}([A-Z]([A-Z](\d{2})?)?)?)?", "http://www.whocc.no/atc", True)
LOINC = CodeSystem("LOINC", "LOINC", r"(LA|LP)?\d{1,7}-\d", "http://loinc.org")
CCAM = CodeSystem("CCAM", "CCAM", r"[A-Z]{4}\d{3}", "https://smt.esante.gouv.fr/terminologie-ccam")
SNOMED = CodeSystem("SNOMED", "SNOMED CT", r"\d{6,18}", "http://snomed.info/sct")
RXNORM = CodeSystem("RXNORM", "RxNorm", r"\d{1,8}", "http://www.nlm.nih.gov/research/umls/rxnorm")
CVX = CodeSystem("CVX", "CVX vaccines", r"\d{1,4}", "http://hl7.org/fhir/sid/cvx")
NABM = CodeSystem("NABM", "NABM (French biology acts)", r"\d{4}", "urn:oid:1.2.250.1.213.2.3.9")
CIP13 = CodeSystem("CIP13", "CIP 13 (French drug packs)", r"34009\d{8}", "urn:oid:1.2.250.1.213.2.3.2")
#: Codes of a source that belong to no system above, as they come: read, counted and profiled, but in no concept.
SOURCE = CodeSystem("SOURCE", "the source's own codes", r"\S.{0,254}", "urn:vigie:source")
PRACTICE = CodeSystem(
    "PRACTICE",
    "administrative events of a practice's file",
    r"[a-z]+(\.[a-z_]+)*",
    "urn:vigie:practice",
    True,
)

SYSTEMS: Mapping[str, CodeSystem] = {
    s.name: s for s in (CIM10, CISP2, ATC, LOINC, CCAM, SNOMED, RXNORM, CVX, NABM, CIP13, PRACTICE, SOURCE)
}


def parse_code(text: str) -> Code:
    """Return the code written ``SYSTEM:value``; raise `InvalidCode` if the system or the form is unknown."""
    name, separator, value = text.partition(":")
    if not separator or name not in SYSTEMS:
        raise InvalidCode(f"{text!r} does not begin with a known code system; known: {', '.join(SYSTEMS)}")
    return SYSTEMS[name](value)


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
        Factor to ``unit`` from each other accepted unit.
    categories
        For a notion that is a state (smoking status): the codes of each category, in the order that settles ties (the
        last wins).
    source
        Where the definition comes from.
    """

    name: str
    fr: str
    en: str
    codes: tuple[Code, ...] = ()
    unit: str | None = None
    plausible: tuple[float, float] | None = None
    conversions: tuple[tuple[str, float], ...] = ()
    categories: tuple[tuple[str, tuple[Code, ...]], ...] = ()
    source: str = field(default="", compare=False)

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

    def factor(self, unit: str | None) -> float | None:
        """Return what a value in ``unit`` is multiplied by to be in the concept's unit, or None if it can't be."""
        return 1.0 if unit == self.unit else dict(self.conversions).get(unit or "")

    def to_dict(self) -> dict[str, Any]:
        """Return the definition as JSON types; `from_dict` is its inverse."""
        return {
            "name": self.name,
            "fr": self.fr,
            "en": self.en,
            "codes": [] if self.categories else [str(code) for code in self.codes],
            "unit": self.unit,
            "plausible": list(self.plausible) if self.plausible else None,
            "conversions": [list(pair) for pair in self.conversions],
            "categories": [[name, [str(code) for code in codes]] for name, codes in self.categories],
            "source": self.source,
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
            tuple((unit, factor) for unit, factor in data["conversions"]),
            tuple((name, tuple(map(parse_code, codes))) for name, codes in data["categories"]),
            data["source"],
        )


def measured(concepts: Iterable[Concept], code: str) -> Concept | None:
    """Return the concept that gives this code its unit and plausible range, or None."""
    return next((c for c in concepts if c.unit is not None and c.covers(code)), None)

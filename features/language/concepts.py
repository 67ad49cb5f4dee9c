"""Concepts made of others: any of several, or only some codes of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from features.codes import Code, Concept
from features.language.types import ExpressionError


@dataclass(frozen=True)
class AnyOf(Concept):
    """Several concepts taken as one; make it with `any_of`.

    Attributes
    ----------
    parts
        The concepts. Their own definitions convert and believe values, so that each is asked for by name.
    """

    parts: tuple[Concept, ...] = ()

    __hash__ = Concept.__hash__

    def covers(self, code: str) -> bool:
        """Return whether a record with this code is about one of the concepts."""
        return any(part.covers(code) for part in self.parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the definition as JSON types; `concept_from_dict` is its inverse."""
        return {"any_of": [part.to_dict() for part in self.parts]}


def any_of(*concepts: Concept) -> Concept:
    """Return a concept whose records are those of several.

    It has a value where all of them are measured in one unit; otherwise its records only have dates, to be counted and
    looked for.
    """
    wrong = [concept for concept in concepts if not isinstance(concept, Concept)]
    if wrong or len(concepts) < 2:
        found = ", ".join(repr(concept) for concept in wrong) or f"{len(concepts)}"
        raise ExpressionError(f"any_of() takes two concepts or more, not {found}; conditions are combined with |")
    found_parts = tuple(dict.fromkeys(part for concept in concepts for part in parts(concept)))
    units = {None if part.categories else part.unit for part in found_parts}
    return AnyOf(
        name=f"any_of({', '.join(part.name for part in found_parts)})",
        fr=" ou ".join(part.fr for part in found_parts),
        en=" or ".join(part.en for part in found_parts),
        codes=tuple(dict.fromkeys(code for part in found_parts for code in part.codes)),
        unit=units.pop() if len(units) == 1 else None,
        parts=found_parts,
    )


def only(concept: Concept, *codes: Code) -> Concept:
    """Return the part of a concept that some of its codes carry, each with its descendants.

    ``only(CARDIOVASCULAR_DISEASE, CIM10("I21"))`` is acute infarction. Unit, plausible range and conversions stay.
    """
    if not isinstance(concept, Concept) or isinstance(concept, AnyOf):
        raise ExpressionError(f"only() takes one concept, not {getattr(concept, 'name', concept)!r}: narrow its parts")
    outside = [str(code) for code in codes if not isinstance(code, Code) or not concept.covers(str(code))]
    if outside or not codes:
        raise ExpressionError(
            f"only({concept.name}) takes codes that {concept.name} covers, such as {concept.codes[0]}; "
            f"it does not cover: {', '.join(outside) or '(none was given)'}"
        )
    named = ", ".join(map(str, codes))
    of_category = [
        (name, tuple(code for code in codes if concept.category(str(code)) == position))
        for position, name in enumerate(concept.category_names)
    ]
    return replace(
        concept,
        name=f"only({concept.name}, {named})",
        fr=f"{concept.fr} ({named})",
        en=f"{concept.en} ({named})",
        codes=codes,
        categories=tuple((name, of_it) for name, of_it in of_category if of_it),
    )


def parts(concept: Concept) -> tuple[Concept, ...]:
    """Return the concepts that one is made of: itself, unless it is any of several."""
    return concept.parts if isinstance(concept, AnyOf) else (concept,)


def concept_from_dict(data: Mapping[str, Any]) -> Concept:
    """Return the concept that ``to_dict`` wrote."""
    if "any_of" in data:
        return any_of(*(Concept.from_dict(part) for part in data["any_of"]))
    return Concept.from_dict(data)

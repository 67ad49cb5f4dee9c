"""Codes of MEDS ↔ ours.

From theirs, in this order: the code itself, or its nearest ancestor by ``parent_codes``, that a concept of the
catalogue covers; else the first of them that belongs to a known system; else ``SOURCE:`` and the code as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from features.codes import SOURCE, SYSTEMS
from features.sources.choice import chosen, coded
from features.sources.units import known_unit

REMEMBERED: Final = 200_000
ANCESTORS: Final = 1_000

BIRTH, DEATH, RETRACTED, CONCEPT = "MEDS_BIRTH", "MEDS_DEATH", "RETRACTED//", "CONCEPT//"
SEXES: Final = {"m": "PRACTICE:male", "male": "PRACTICE:male", "f": "PRACTICE:female", "female": "PRACTICE:female"}
#: Names of vocabularies in MEDS codes, capitals aside, that are systems of ours; and each system's own name.
VOCABULARIES: Final[Mapping[str, str]] = {name: name for name in SYSTEMS} | {
    "ICD10": "CIM10",
    "ICD10CM": "CIM10",
    "ICD10GM": "CIM10",
    "ICD10WHO": "CIM10",
    "ICPC2": "CISP2",
    "SNOMEDCT": "SNOMED",
}


class Codes:
    """Our code for each of a data set's, by the parents of these, worked out once for each."""

    def __init__(self, parents: Mapping[str, tuple[str, ...]]) -> None:
        self._parents = parents
        self._known: dict[str, tuple[str, str | None]] = {}

    def chosen(self, code: str) -> tuple[str, str | None]:
        """Return our code for a MEDS code, and the unit its last part names."""
        if code not in self._known:
            if len(self._known) > REMEMBERED:
                self._known.clear()
            candidates = [found for name in self._lineage(code) if (found := _standard(name))]
            unit = known_unit(code.split("//")[-1]) if "//" in code else None
            self._known[code] = chosen(candidates) or f"{SOURCE.name}:{code}", unit
        return self._known[code]

    def _lineage(self, code: str) -> list[str]:
        """Return the code and its ancestors, nearest first, up to more than any hierarchy has."""
        lineage = [code]
        for name in lineage:  # grows while it is walked, level by level
            lineage += [parent for parent in self._parents.get(name, ()) if parent not in lineage]
            if len(lineage) > ANCESTORS:
                break
        return lineage


def _standard(code: str) -> str | None:
    """Return our code for a MEDS code or parent code by itself, None if it belongs to no known system."""
    first, _, rest = code.partition("//")
    if first in (BIRTH, DEATH):
        return "PRACTICE:birth" if first == BIRTH else "PRACTICE:death"
    if first in SYSTEMS and (whole := coded(first, rest)):
        return whole
    code = re.sub(r"(^|//)ICD//10//", r"\1ICD10//", code)
    parts = code.split("//") if "//" in code else code.split("/", 1)  # parents link to vocabularies by one stroke
    if len(parts) == 2 and parts[0].lower() in ("sex", "gender"):
        return SEXES.get(parts[1].lower())
    named = ((VOCABULARIES.get(name.upper()), value) for name, value in pairwise(parts))
    return next((found for system, value in named if system and (found := coded(system, value))), None)


def meds_code(code: str) -> tuple[str, str | None]:
    """Return the MEDS code of one of ours, and the cause of a death."""
    system, _, value = code.partition(":")
    if code == "PRACTICE:birth":
        return BIRTH, None
    if code == "PRACTICE:death" or code.startswith("PRACTICE:death."):
        return DEATH, value.partition(".")[2] or None
    return f"{system}//{value}", None

"""Where a patient lives, as Insee codes it, and whose software the practice has: what an audit compares.

The record says a département; its region follows from it. Categories have Insee's own codes for names.
"""

from __future__ import annotations

from string import ascii_lowercase
from typing import Final

from features.catalogue.concepts.sources import UNREVIEWED
from features.codes import PRACTICE, Code, Concept

GEOGRAPHY: Final = "Insee, code officiel géographique (départements and regions since 2016)"
_LISTED = {
    "01": "971",
    "02": "972",
    "03": "973",
    "04": "974",
    "06": "976",
    "11": "75 77 78 91 92 93 94 95",
    "24": "18 28 36 37 41 45",
    "27": "21 25 39 58 70 71 89 90",
    "28": "14 27 50 61 76",
    "32": "02 59 60 62 80",
    "44": "08 10 51 52 54 55 57 67 68 88",
    "52": "44 49 53 72 85",
    "53": "22 29 35 56",
    "75": "16 17 19 23 24 33 40 47 64 79 86 87",
    "76": "09 11 12 30 31 32 34 46 48 65 66 81 82",
    "84": "01 03 07 15 26 38 42 43 63 69 73 74",
    "93": "04 05 06 13 83 84",
    "94": "2A 2B",
}
#: By Insee's code of the region, its départements: what records say, by Insee's code.
DEPARTMENTS: Final[dict[str, dict[str, Code]]] = {
    region: {insee: PRACTICE(f"department.{insee}") for insee in listed.split()} for region, listed in _LISTED.items()
}

DEPARTMENT = Concept(
    "department",
    "Département",
    "Département",
    categories=tuple(
        sorted((insee, (code,)) for of_region in DEPARTMENTS.values() for insee, code in of_region.items())
    ),
    source=GEOGRAPHY,
    review=f"{UNREVIEWED} The 101 départements; the other overseas territories are none.",
)
REGION = Concept(
    "region",
    "Région",
    "Region",
    categories=tuple((region, tuple(of_region.values())) for region, of_region in DEPARTMENTS.items()),
    source=GEOGRAPHY,
    review=f"{UNREVIEWED} Read from the département.",
)
VENDOR = Concept(
    "vendor",
    "Éditeur du logiciel du cabinet",
    "Vendor of the practice’s software",
    categories=tuple((letter, (PRACTICE(f"vendor.{letter}"),)) for letter in ascii_lowercase),
    source="practice file",
    review=f"{UNREVIEWED} Whoever reads the records gives each vendor a letter: groups are compared, not companies.",
)

"""Units: other spellings become UCUM's text, nothing else changes."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue.concepts import CONCEPTS
from features.sources.units import UNITS, in_ucum, known_unit, unit_of

ACCEPTED = [
    (concept, unit)
    for concept in CONCEPTS
    for unit in (concept.unit, *(unit for unit, _ in concept.conversions))
    if unit is not None
]


@pytest.mark.parametrize(
    ("written", "unit"),
    [
        ("mmHg", "mm[Hg]"),
        ("mm Hg", "mm[Hg]"),
        ("MM HG", "mm[Hg]"),
        ("mm[hg]", "mm[Hg]"),
        ("mm de Hg", "mm[Hg]"),
        ("g/l", "g/L"),
        ("G/L", "10*9/L"),  # giga, not grams
        ("G/l", "10*9/L"),
        ("T/L", "10*12/L"),
        ("10^9/L", "10*9/L"),
        ("µmol/l", "umol/L"),
        ("\u03bcmol/L", "umol/L"),
        ("MMOL/L", "mmol/L"),
        ("mg/dl", "mg/dL"),
        ("kg/m²", "kg/m2"),
        ("UI/L", "[IU]/L"),
        ("mUI/L", "m[IU]/L"),
        ("m[iU]/L", "m[IU]/L"),
        ("bpm", "/min"),
        ("battements/min", "/min"),
        ("/min", "/min"),
        ("cigarettes/jour", "/d"),
        ("°C", "Cel"),
        ("ans", "a"),
        ("mL/min/1,73 m²", "mL/min/{1.73_m2}"),
        ("ml/min/1.73m2", "mL/min/{1.73_m2}"),
        ("furlong", None),
        ("comprimé", None),
        ("A", None),
        ("", None),
    ],
)
def test_spellings(written: str, unit: str | None) -> None:
    assert known_unit(written) == unit


def test_a_unit_that_a_concept_accepts_stays_one_that_it_accepts_worth_the_same() -> None:
    assert len(ACCEPTED) > 50
    for concept, unit in ACCEPTED:
        spelled = known_unit(unit)
        assert spelled is not None
        assert concept.convert(7.0, spelled) == concept.convert(7.0, unit)


@given(st.sampled_from([*UNITS, *UNITS.values(), *(unit for _, unit in ACCEPTED)]))
def test_what_is_in_ucum_already_stays(written: str) -> None:
    unit = unit_of(written)
    assert unit is not None
    assert unit_of(unit) == unit


@given(st.text(max_size=60))
def test_what_is_unknown_is_kept_if_it_is_one_word(text: str) -> None:
    unit = unit_of(text)
    assert unit == known_unit(text) or unit == text
    if len(text.split()) > 1 or len(text) > 32 or "@" in text:
        assert unit == known_unit(text)


def test_columns() -> None:
    column = pa.chunked_array([["mmHg", None], ["Jeanne Martin", "furlong", "mmHg"]])
    assert in_ucum(column).to_pylist() == ["mm[Hg]", None, "Jeanne Martin", "furlong", "mm[Hg]"]

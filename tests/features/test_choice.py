"""Which of several codes stands for a fact."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue.concepts import CONCEPTS
from features.codes import parse_code
from features.sources.choice import chosen, coded, is_covered, own


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([], None),
        (["CIM10:Z99"], "CIM10:Z99"),
        (["CIM10:Z99", "CISP2:K86"], "CISP2:K86"),  # hypertension, which the catalogue knows
        (["CISP2:K86", "CIM10:I10"], "CISP2:K86"),
        (["CIM10:Z99", "SNOMED:404684003"], "CIM10:Z99"),
    ],
)
def test_the_first_that_is_covered_else_the_first(codes: list[str], code: str | None) -> None:
    assert chosen(codes) == code
    assert chosen(iter(codes)) == code


def test_by_another_catalogue() -> None:
    assert chosen(["CISP2:K86", "CIM10:Z99"], lambda code: code == "CIM10:Z99") == "CIM10:Z99"


def test_covered_by_a_concept() -> None:
    for concept in CONCEPTS:
        for code in concept.codes:
            assert is_covered(str(code))
    assert not is_covered("CIM10:Z99.9")


@pytest.mark.parametrize(
    ("system", "value", "code"),
    [
        ("CIM10", "I219", "CIM10:I21.9"),
        ("CIM10", "hypertension", None),
        ("LOINC", "8480-7", None),  # its check digit is wrong
        ("PRACTICE", "hospital_stay", "PRACTICE:hospital_stay"),
    ],
)
def test_codes_of_a_system(system: str, value: str, code: str | None) -> None:
    assert coded(system, value) == code


@given(st.text(max_size=70))
def test_a_code_of_the_source_is_one_word(text: str) -> None:
    code = own(text)
    assert (code is None) == (len(text.split()) != 1 or text != text.strip() or len(text) > 64 or "@" in text)
    assert code is None or str(parse_code(code)) == code == f"SOURCE:{text}"

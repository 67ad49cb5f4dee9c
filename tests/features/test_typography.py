"""Numbers, units and dates are written as each language writes them."""

from __future__ import annotations

import re
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue.concepts import CONCEPTS
from features.ticks import ROUND, round_step, ticks
from features.typography import LANGUAGES, MONTHS, UNITS, calendar, decimal, month, numeral, percent, typeset, unit

FRENCH = re.compile(r"−?\d{1,3}(\u202f\d{3})*(,\d+)?")
ENGLISH = re.compile(r"−?\d{1,3}(,\d{3})*(\.\d+)?")


@given(st.floats(-1e9, 1e9), st.integers(0, 4))
def test_a_number_reads_back_the_same_in_both_languages(value: float, digits: int) -> None:
    french, english = decimal(value, digits, "fr"), decimal(value, digits, "en")
    assert FRENCH.fullmatch(french)
    assert ENGLISH.fullmatch(english)
    read_fr = float(french.replace("\u202f", "").replace(",", ".").replace("−", "-"))
    read_en = float(english.replace(",", "").replace("−", "-"))
    assert read_fr == read_en == pytest.approx(value, abs=0.51 * 10.0**-digits)
    assert not re.fullmatch(r"−[0,.]*", french), "there is no minus before nought"


def test_where_there_is_no_number_there_is_a_word_or_a_dash() -> None:
    assert decimal(None, 1, "fr") == percent(None, "en") == "—"
    assert percent(None, "fr", missing="masqué") == decimal(None, 0, "fr", missing="masqué") == "masqué"


def test_a_change_has_a_sign() -> None:
    assert (decimal(0.5, 1, "fr", signed=True), percent(-0.5, "en", 0, signed=True)) == ("+0,5", "−50%")


def test_what_python_wrote_is_put_in_the_language() -> None:
    assert (numeral("-1,234.5", "fr"), numeral("-1,234.5", "en")) == ("−1\u202f234,5", "−1,234.5")


@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)))
def test_a_date_names_its_day_month_and_year(day: date) -> None:
    for language in LANGUAGES:
        number, name, year = calendar(day, language).split("\u00a0")
        assert number == ("1er" if language == "fr" and day.day == 1 else str(day.day))
        assert MONTHS[language].index(name) == day.month - 1
        assert year == str(day.year)
        assert f"{name}\u00a0{year}" == month(day.year, day.month, language)
    assert calendar(day, "fr") != calendar(day + timedelta(1), "fr")


@pytest.mark.parametrize(
    ("ucum", "fr", "en"),
    [
        (None, "", ""),
        ("1", "", ""),
        ("a", "ans", "years"),
        ("mm[Hg]/a", "mmHg/an", "mmHg/year"),
        ("kg/m2", "kg/m²", "kg/m²"),
        ("{quintile}", "quintile", "quintile"),
        ("{drinks}/d", "verres/j", "drinks/day"),
        ("mL/min/{1.73_m2}", "mL/min/1,73\u00a0m²", "mL/min/1.73\u00a0m²"),
    ],
)
def test_a_unit_is_written_as_people_write_it(ucum: str | None, fr: str, en: str) -> None:
    assert (unit(ucum, "fr"), unit(ucum, "en")) == (fr, en)


def test_every_unit_of_the_catalogue_is_readable() -> None:
    units = {concept.unit or "" for concept in CONCEPTS}
    assert not [name for name in units for language in LANGUAGES if re.search(r"[\[\]{}_]|m2", unit(name, language))]
    assert {annotation for name in units for annotation in re.findall(r"\{.*?\}", name)} <= set(UNITS)


@given(st.text(st.sampled_from("a1 «»:;!?%'")))
def test_typesetting_twice_is_typesetting_once(text: str) -> None:
    once, english = typeset(text, "fr"), typeset(text, "en")
    assert (typeset(once, "fr"), typeset(english, "en")) == (once, english)
    assert not re.search(r" [:;!?%»]|« |'", once)
    assert not re.search(r"\w'\w", english)
    assert english.replace("’", "'") == text


@given(st.floats(1e-6, 1e9), st.floats(0, 0.99), st.integers(2, 8))
def test_ticks_are_round_even_and_about_as_many_as_wanted(high: float, part: float, wanted: int) -> None:
    low = part * high
    found, step = ticks(low, high, wanted), round_step((high - low) / wanted)
    assert wanted // 3 <= len(found) <= wanted + 1
    assert all(low - 1e-8 * step - 1e-10 <= each <= high + 1e-8 * step + 1e-10 for each in found)
    assert all(b - a == pytest.approx(step, rel=1e-4) for a, b in pairwise(found))
    assert any(f"{step:e}".startswith(f"{factor:e}"[:3]) for factor in ROUND)

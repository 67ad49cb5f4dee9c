from __future__ import annotations

import gzip
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.codes import (
    ATC,
    CCAM,
    CIM10,
    CIP13,
    CISP2,
    CVX,
    LOINC,
    NABM,
    NGAP,
    RXNORM,
    SNOMED,
    SYSTEMS,
    CodeSystem,
    Concept,
    InvalidCode,
    measured,
    parse_code,
)

Shared = Callable[[str], Path]

WEIGHT = Concept(
    "weight", "Poids", "Weight", LOINC.codes("29463-7"), "kg", (20, 350), (("g", 0.001), ("[lb_av]", 0.45359237))
)
HBA1C = Concept("hba1c", "HbA1c", "HbA1c", LOINC.codes("4548-4"), "mmol/mol", None, (("%", (10.93, -23.5)),))


def listed(path: Path) -> list[str]:
    with gzip.open(path) as file:
        return [row["code"] for row in json.load(file)]


def refused(system: CodeSystem, values: list[str]) -> list[str]:
    def wrong(value: str) -> bool:
        try:
            return not str(system(value)).startswith(f"{system.name}:")
        except InvalidCode:
            return True

    return [value for value in values if wrong(value)]


# --- Real codes -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_french_cim_10_code_is_one_with_and_without_its_dot(shared: Shared) -> None:
    codes = listed(shared("data/france/cim10_2021.json.gz"))
    assert len(codes) > 40_000
    assert sum("+" in code for code in codes) == 360
    dotted = [f"{code[:3]}.{code[3:]}" if len(code) > 3 else code for code in codes]
    assert refused(CIM10, codes) == []
    assert refused(CIM10, dotted) == []
    assert [CIM10(code).value for code in codes] == [CIM10(code).value for code in dotted] == dotted
    marked = [code + mark for code in codes for mark in "+*†"]
    assert [CIM10(code).value for code in marked] == [code for code in dotted for _ in "+*†"]


def test_every_french_act_is_a_code(shared: Shared) -> None:
    assert refused(CCAM, listed(shared("data/france/ccam_actes.json.gz"))) == []
    acts = listed(shared("data/france/ngap_norme_b2_code_prestation.json.gz"))
    assert refused(NGAP, acts) == []
    assert set(acts) & {code.value + "*" for code in map(NGAP, acts) if code.value in acts} == {"PAS*"}  # same payer


def test_every_french_drug_has_its_codes(shared: Shared) -> None:
    table = pd.read_parquet(shared("data/france/cip13_to_atc.parquet"), columns=["PHA_CIP_C13", "PHA_ATC_C07"])
    assert refused(CIP13, list(table["PHA_CIP_C13"])) == ["9999999999999"]  # no drug at all
    assert refused(ATC, sorted(set(table["PHA_ATC_C07"].dropna()) - {""})) == ["R05X00", "WHOMEO"]  # not of the WHO


def test_every_code_of_a_standard_vocabulary_is_one(shared: Shared) -> None:
    with (
        zipfile.ZipFile(shared("data/omop54_synthea/Synthea27Nj_5.4.zip")) as archive,
        archive.open("CONCEPT.csv") as file,
    ):
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
    older = pd.read_parquet(shared("data/omop53_gibleed/concept.parquet")).rename(columns=str.lower)
    both = pd.concat([frame[["vocabulary_id", "concept_code"]] for frame in (table, older)])
    for vocabulary, system, least in (
        ("SNOMED", SNOMED, 500),
        ("LOINC", LOINC, 200),
        ("RxNorm", RXNORM, 200),
        ("CVX", CVX, 10),
        ("ATC", ATC, 0),
    ):
        codes = sorted(set(both.loc[both["vocabulary_id"] == vocabulary, "concept_code"]))
        assert len(codes) >= least
        assert refused(system, codes) == [], vocabulary


# --- Forms ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "held"),
    [
        ("CIM10:I219", "CIM10:I21.9"),
        ("CIM10:I21.9", "CIM10:I21.9"),
        ("CIM10:I10", "CIM10:I10"),
        ("CIM10:I2100", "CIM10:I21.00"),
        ("CIM10:C169+0", "CIM10:C16.9+0"),
        ("CIM10:B24+0", "CIM10:B24.+0"),
        ("CIM10:F03+00", "CIM10:F03.+00"),
        ("CIM10:E10.2+", "CIM10:E10.2"),
        ("CIM10:E10.2†", "CIM10:E10.2"),
        ("CIM10:N083*", "CIM10:N08.3"),
        ("CIM10:I21A1", "CIM10:I21.A1"),
        ("CISP2:K86", "CISP2:K86"),
        ("CISP2:-44", "CISP2:-44"),
        ("ATC:C", "ATC:C"),
        ("ATC:C09AA05", "ATC:C09AA05"),
        ("NGAP:V*", "NGAP:V"),
        ("NGAP:G", "NGAP:G"),
        ("NABM:592", "NABM:0592"),
        ("NABM:13", "NABM:0013"),
        ("CVX:3", "CVX:03"),
        ("CVX:140", "CVX:140"),
        ("SOURCE:anything at all", "SOURCE:anything at all"),
        ("PRACTICE:death.cardiovascular", "PRACTICE:death.cardiovascular"),
        ("PRACTICE:hospital_stay", "PRACTICE:hospital_stay"),
    ],
)
def test_a_code_is_held_in_one_form(written: str, held: str) -> None:
    assert str(parse_code(written)) == held
    assert str(parse_code(held)) == held


@pytest.mark.parametrize(
    "text",
    [
        "I21.9",
        "ICD9:410",
        "CIM10:",
        "CIM10:nonsense",
        "CIM10:I21.",
        "CIM10:I21.99999",
        "CIM10:i21.9",
        "CIM10:I21.9 ",
        "CISP2:C01",  # there is no chapter C
        "CISP2:-29",
        "ATC:C10AAA",
        "ATC:E01",  # nor an anatomical group E
        "LOINC:8480",
        "LOINC:LX18978-9",
        "CCAM:QEQK01",
        "NGAP:ABCD",
        "SNOMED:34552-0",
        "SNOMED:12345",
        "RXNORM:0123",
        "CVX:1234",
        "NABM:12345",
        "CIP13:3400830000120",
        "PRACTICE:Birth",
        "SOURCE:",
        "RXNORM:٨٣٣٦٧",
        "NABM:٥٩٢",
    ],
)
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(InvalidCode):
        parse_code(text)


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(InvalidCode, match=r"'34552-0' is not a SNOMED CT code: it should match .* check digit"):
        SNOMED("34552-0")
    with pytest.raises(InvalidCode, match="known: CIM10, CISP2"):
        parse_code("ICD9:410")


def test_a_text_of_codes_is_their_list() -> None:
    assert CIM10.codes("I21 I229\nI60") == (CIM10("I21"), CIM10("I22.9"), CIM10("I60"))
    assert CIM10.codes("") == ()
    with pytest.raises(InvalidCode, match="I2"):
        CIM10.codes("I21 I2")


# --- Check digits -----------------------------------------------------------------------------------------

LOINC_CODES = (
    *("8480-6", "2093-3", "4548-4", "59261-8", "104132-6"),
    *("LA18978-9", "LA33-6", "LA137-2", "LP7753-9", "LP14635-4", "LL2201-3", "LG51018-6"),
)
SNOMED_CODES = ("22298006", "44054006", "271649006", "428041000124106", "124171000119105", "10738891000119107")
CIP13_CODES = ("3400930000120",)


@pytest.mark.parametrize(
    ("system", "value"),
    [
        *((LOINC, code) for code in LOINC_CODES),
        *((SNOMED, code) for code in SNOMED_CODES),
        *((CIP13, code) for code in CIP13_CODES),
    ],
)
def test_one_wrong_digit_is_noticed(system: CodeSystem, value: str) -> None:
    assert system(value).value == value
    for position, character in enumerate(value):
        for other in "0123456789":
            if character.isdigit() and other != character:
                with pytest.raises(InvalidCode):
                    system(value[:position] + other + value[position + 1 :])


@pytest.mark.parametrize("value", SNOMED_CODES)
def test_two_digits_in_the_wrong_order_are_noticed(value: str) -> None:
    for one, two in zip(range(len(value)), range(1, len(value)), strict=False):
        if value[one] != value[two]:
            with pytest.raises(InvalidCode):
                SNOMED(value[:one] + value[two] + value[one] + value[two + 1 :])


def test_a_long_code_that_went_through_a_float_is_noticed() -> None:
    with pytest.raises(InvalidCode):
        SNOMED("10939881000119104")  # was …105


@given(st.text())
def test_any_text_is_a_code_or_an_error(text: str) -> None:
    for system in SYSTEMS.values():
        try:
            code = system(text)
        except InvalidCode:
            continue
        assert system(code.value) == code
        assert re.fullmatch(system.pattern, code.value, re.ASCII)


@given(st.from_regex(re.compile(CIM10.pattern, re.ASCII), fullmatch=True), st.sampled_from(["", "+", "*", "†"]))
def test_cim_10_is_stable(value: str, mark: str) -> None:
    assert CIM10(value + mark).value == CIM10(value).value == CIM10(value.replace(".", "") + mark).value


# --- Concepts ---------------------------------------------------------------------------------------------


def test_a_value_converts_by_a_factor() -> None:
    assert WEIGHT.convert(80.0, "kg") == 80
    assert WEIGHT.convert(80_000.0, "g") == pytest.approx(80)
    assert WEIGHT.convert(100.0, "[lb_av]") == pytest.approx(45.359237)
    assert WEIGHT.convert(80.0, "mg") is None
    assert WEIGHT.convert(80.0, None) is None
    assert WEIGHT.convert(80.0, "") is None


def test_a_value_converts_by_a_factor_and_an_offset() -> None:
    assert HBA1C.convert(7.0, "%") == pytest.approx(10.93 * 7 - 23.5)
    assert HBA1C.convert(53.0, "mmol/mol") == 53


def test_values_convert_together() -> None:
    values = np.array([5.0, np.nan, 7.0])
    converted = HBA1C.convert(values, "%")
    assert converted is not None
    np.testing.assert_array_equal(converted, 10.93 * values - 23.5)
    assert WEIGHT.convert(values, "mg") is None


def test_a_factor_is_what_is_multiplied_if_that_is_all() -> None:
    assert WEIGHT.convert(80.0, "kg") == 80.0
    assert WEIGHT.convert(80_000.0, "g") == 80.0
    assert WEIGHT.convert(80.0, "mg") is None
    assert HBA1C.convert(53.0, "mmol/mol") == 53.0


@pytest.mark.parametrize("concept", [WEIGHT, HBA1C])
def test_a_definition_travels(concept: Concept) -> None:
    data = json.loads(json.dumps(concept.to_dict()))
    again = Concept.from_dict(data)
    assert again == concept
    assert again.to_dict() == concept.to_dict()
    assert again.conversions == concept.conversions
    assert Concept.from_dict({key: value for key, value in data.items() if key != "review"}) == concept


def test_who_reviewed_a_definition_does_not_change_it() -> None:
    reviewed = Concept(WEIGHT.name, WEIGHT.fr, WEIGHT.en, WEIGHT.codes, WEIGHT.unit, WEIGHT.plausible,
                       WEIGHT.conversions, review="Dr X, 2030")  # fmt: skip
    assert reviewed == WEIGHT
    assert Concept.from_dict(reviewed.to_dict()).review == "Dr X, 2030"


def test_the_longest_code_decides() -> None:
    state = Concept(
        "state", "", "", categories=(("any", CIM10.codes("E11")), ("eyes", CIM10.codes("E11.3"))), source=""
    )
    assert state.category("CIM10:E11.9") == 0
    assert state.category("CIM10:E11.30") == 1
    assert state.category("CIM10:E10.3") is None
    assert not state.covers("CIM10:E1")


def test_only_a_concept_with_a_unit_measures() -> None:
    bare = Concept("bare", "", "", LOINC.codes("29463-7"))
    assert measured((bare, WEIGHT), "LOINC:29463-7") is WEIGHT
    assert measured((bare,), "LOINC:29463-7") is None


def test_cisp_nabm_and_cvx_have_no_hierarchy() -> None:
    flat = Concept("flat", "", "", (CISP2("K86"), NABM("0592"), CVX("14"), NGAP("C")))
    assert not any(map(flat.covers, ("CISP2:K8", "NABM:059", "CVX:140", "NGAP:CS")))

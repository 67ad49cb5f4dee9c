from __future__ import annotations

import pytest

from features.catalogue.concepts import CONSULTATION, HDL, SMOKING_STATUS, SYSTOLIC_BP
from features.feature_set import FeatureSet
from features.language import ExpressionError, age, count, days, exists, latest, mean, when

WRONG = {
    "units differ": (lambda: latest(SYSTOLIC_BP) - latest(HDL), r"mm\[Hg\] and mmol/L"),
    "no value": (lambda: latest(CONSULTATION), r"consultation has no value.*exists"),
    "a state has no mean": (lambda: mean(SMOKING_STATUS), r"is a state"),
    "unknown category": (lambda: latest(SMOKING_STATUS) == "sometimes", r"never, former, current"),
    "not a state": (lambda: age() == "current", r"category.*number \[a\]"),
    "and": (lambda: exists(CONSULTATION) and exists(HDL), r"& \| ~"),
    "chained": (lambda: 40 <= age() < 80, r"one comparison at a time"),
    "number as condition": (lambda: ~age(), r"takes conditions"),
    "condition as number": (lambda: exists(HDL) + 1, r"takes numbers"),
    "window": (lambda: count(HDL, within=days(0)), r"positive duration"),
    "window type": (lambda: count(HDL, within=5), r"years\(2\)"),
    "years_ago": (lambda: count(HDL).years_ago(), r"latest\(...\) or first"),
    "branches": (lambda: when(exists(HDL)).then(1).otherwise(exists(HDL)), r"one type"),
    "branch units": (lambda: when(exists(HDL)).then(age()).otherwise(latest(HDL)), r"a and mmol/L"),
    "not a concept": (lambda: latest("systolic"), r"takes a concept"),
    "infinite": (lambda: age() * float("inf"), r"not a constant"),
    "a string": (lambda: age() + "1", r"expected an expression"),
    "not an expression": (lambda: FeatureSet("x", a=age(), b=3, c="d"), r"b, c"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_meaningless_expression_says_what_is_wrong(name):
    build, message = WRONG[name]
    with pytest.raises(ExpressionError, match=message):
        build()


def test_units_go_through_arithmetic():
    assert str((latest(HDL) / latest(HDL)).type) == "number [1]"
    assert str((latest(HDL) * 2).type) == "number [mmol/L]"
    assert str((latest(SYSTOLIC_BP) / age()).type) == "number [mm[Hg]/a]"
    assert str((1 - latest(HDL)).type) == "number [mmol/L]"

"""Hypothesis strategies: histories with every awkwardness records have, and expressions of a wanted type."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from hypothesis import strategies as st

from features.catalogue.concepts import (
    BIRTH,
    CONSULTATION,
    DIABETES,
    EXAMINATION,
    HDL,
    SEX,
    SMOKING_STATUS,
    SYSTOLIC_BP,
    TOTAL_CHOLESTEROL,
)
from features.codes import Concept
from features.intake import COLUMNS
from features.language import (
    Age,
    Aggregate,
    Arithmetic,
    Choice,
    Comparison,
    Constant,
    Elapsed,
    Expression,
    Is,
    Logic,
    Missing,
    Not,
    age,
    count,
    days,
    exists,
    first,
    latest,
    maximum,
    mean,
    minimum,
    months,
    slope,
    total,
    when,
    years,
    years_since,
)
from features.records import Record

AS_OF = datetime(2024, 2, 29, 12)

# A coarse grid of moments around as_of makes ties, edges of windows and late letters common; leap days are in it.
MOMENTS = st.one_of(
    st.sampled_from(
        [
            AS_OF,
            AS_OF - timedelta(microseconds=1),
            AS_OF + timedelta(microseconds=1),
            AS_OF - timedelta(days=365.25),
            AS_OF - timedelta(days=730.5),
            AS_OF - timedelta(days=730.5, microseconds=1),
            datetime(2020, 2, 29),
            datetime(2023, 2, 28, 12),
            datetime(1960, 2, 29),
            datetime(1999, 12, 31, 23, 59, 59, 999999),
        ]
    ),
    st.integers(-9, 3).map(lambda n: AS_OF + timedelta(days=100 * n)),
    st.datetimes(datetime(1930, 1, 1), datetime(2026, 1, 1)),
)
CODES = {
    BIRTH: ("PRACTICE:birth",),
    SEX: ("PRACTICE:male", "PRACTICE:female"),
    CONSULTATION: ("PRACTICE:consultation",),
    EXAMINATION: ("PRACTICE:examination",),
    SYSTOLIC_BP: ("LOINC:8480-6", "SNOMED:271649006"),
    TOTAL_CHOLESTEROL: ("LOINC:2093-3", "LOINC:14647-2"),
    HDL: ("LOINC:2085-9",),
    SMOKING_STATUS: ("LOINC:LA18978-9", "LOINC:LA15920-4", "LOINC:LA18976-3", "CIM10:F17.2"),
    DIABETES: ("CIM10:E11.9", "CIM10:E10", "CISP2:T90"),
    None: ("CIM10:J45.0", "ATC:C10AA05"),
}
VALUES = st.one_of(st.none(), st.sampled_from([120.0, 120.5, 0.1, 0.2, 0.3]), st.floats(-1e6, 1e6, width=32))
PATIENTS = ("ada", "béa", "zoé")


@st.composite
def records(draw: st.DrawFn) -> Record:
    happened = draw(MOMENTS)
    delay = draw(st.one_of(st.just(0), st.integers(0, 400)))
    known = draw(st.one_of(st.just(happened + timedelta(days=delay)), MOMENTS.map(lambda m: max(m, happened))))
    code = draw(st.sampled_from([code for codes in CODES.values() for code in codes]))
    retracted = draw(st.one_of(st.none(), st.none(), MOMENTS.map(lambda m: max(m, known))))
    return Record(happened, known, code, draw(VALUES), retracted_at=retracted)


def histories() -> st.SearchStrategy[list[Record]]:
    """Zero to some twenty records, some of them twice."""
    return st.lists(records(), max_size=20).flatmap(
        lambda found: (
            st.lists(st.sampled_from(found), max_size=3).map(lambda again: found + again) if found else st.just(found)
        )
    )


def populations() -> st.SearchStrategy[dict[str, list[Record]]]:
    return st.fixed_dictionaries({patient: histories() for patient in PATIENTS})


def as_frame(population: dict[str, list[Record]]) -> pd.DataFrame:
    rows = [
        (patient, "practice", r.happened_at, r.known_at, r.code, r.value, None, r.retracted_at)
        for patient, history in population.items()
        for r in history
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    for column in ("happened_at", "known_at", "retracted_at"):
        frame[column] = frame[column].astype("datetime64[us]")
    frame["value"] = frame["value"].astype(float)
    return frame


WITHIN = st.one_of(
    st.none(), st.sampled_from([years(2), years(1), days(100), days(1), months(6)]), st.integers(1, 9000).map(days)
)
MEASURED = (SYSTOLIC_BP, TOTAL_CHOLESTEROL, HDL)
STATES = (SMOKING_STATUS, SEX)
ANY = (*MEASURED, *STATES, CONSULTATION, DIABETES, BIRTH)


def _verb(verb: Callable[..., Expression], concepts: tuple[Concept, ...]) -> st.SearchStrategy[Expression]:
    return st.builds(verb, st.sampled_from(concepts), within=WITHIN)


def _bare(expression: Expression) -> Expression:
    """Take the unit away, so that any two numbers can meet: the strategies test values, not the unit check."""
    return expression * 1 / 1 if getattr(expression.type, "unit", None) is None else expression


CONSTANTS = st.sampled_from([0.0, 1.0, -2.5, 120.0, 1e300])
NUMBER_LEAVES: dict[str, st.SearchStrategy[Expression]] = {
    "Aggregate": st.one_of(
        *[_verb(v, MEASURED) for v in (latest, first, mean, minimum, maximum, total, slope)], _verb(count, ANY)
    ),
    "Elapsed": st.one_of(
        _verb(years_since, ANY),
        st.one_of(_verb(latest, MEASURED + STATES), _verb(first, MEASURED + STATES)).map(lambda e: e.years_ago()),
    ),
    "Age": st.just(None).map(lambda _: age()),
}
STATE = st.one_of(_verb(latest, STATES), _verb(first, STATES))


def _same_unit(pair: tuple[Expression, Expression]) -> tuple[Expression, Expression]:
    left, right = pair
    if getattr(left.type, "unit", None) != getattr(right.type, "unit", None):
        return left / left, right / right  # ratios have no dimension, and 0/0 in them is a good test
    return pair


def numbers(depth: int = 3) -> st.SearchStrategy[Expression]:
    if depth == 0:
        return st.one_of(*NUMBER_LEAVES.values())
    pairs = st.tuples(st.deferred(lambda: numbers(depth - 1)), st.deferred(lambda: numbers(depth - 1)))
    return st.one_of(
        numbers(0),
        st.tuples(numbers(depth - 1), CONSTANTS, st.sampled_from("+-*/")).map(lambda t: _apply(t[2], t[0], t[1])),
        st.tuples(pairs.map(_same_unit), st.sampled_from("+-")).map(lambda t: _apply(t[1], *t[0])),
        st.tuples(pairs, st.sampled_from("*/")).map(lambda t: _apply(t[1], *t[0])),
        st.tuples(conditions(depth - 1), pairs.map(_same_unit)).map(
            lambda t: when(t[0]).then(t[1][0]).otherwise(t[1][1])
        ),
        st.tuples(numbers(depth - 1), CONSTANTS).map(lambda t: t[0].default(t[1])),
        st.tuples(numbers(depth - 1), conditions(depth - 1)).map(lambda t: t[0].where(t[1])),
    )


def conditions(depth: int = 3) -> st.SearchStrategy[Expression]:
    of_state = STATE.flatmap(lambda e: st.sampled_from(e.type.names).map(lambda name: e == name))
    if depth == 0:
        return st.one_of(_verb(exists, ANY), of_state)
    below = st.deferred(lambda: conditions(depth - 1))
    comparing = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    return st.one_of(
        conditions(0),
        st.tuples(numbers(depth - 1), CONSTANTS, comparing).map(lambda t: _apply(t[2], t[0], t[1])),
        st.tuples(st.tuples(numbers(depth - 1), numbers(depth - 1)).map(_same_unit), comparing).map(
            lambda t: _apply(t[1], *t[0])
        ),
        st.tuples(below, below, st.sampled_from("&|")).map(lambda t: _apply(t[2], t[0], t[1])),
        below.map(lambda e: ~e),
        st.one_of(below, numbers(depth - 1), STATE).map(lambda e: e.missing()),
        st.tuples(below, st.booleans()).map(lambda t: t[0].default(t[1])),
    )


def _apply(operator: str, left: Any, right: Any) -> Expression:
    import operator as operators

    function = {
        "+": operators.add, "-": operators.sub, "*": operators.mul, "/": operators.truediv,
        "==": operators.eq, "!=": operators.ne, "<": operators.lt, "<=": operators.le, ">": operators.gt,
        ">=": operators.ge, "&": operators.and_, "|": operators.or_,
    }[operator]  # fmt: skip
    expression: Expression = function(left, right)
    return expression


def expressions() -> st.SearchStrategy[Expression]:
    return st.one_of(numbers(), conditions(), STATE)


GENERATED_NODES = {
    Age, Aggregate, Arithmetic, Choice, Comparison, Constant, Elapsed, Is, Logic, Missing, Not,
}  # fmt: skip

"""Hypothesis strategies: histories with every awkwardness records have, and expressions of a wanted type.

Every node has its strategy in ``NODE_STRATEGIES``; a node without one makes a test fail.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from features.catalogue.concepts import (
    BIRTH,
    CONSULTATION,
    DIABETES,
    HDL,
    SEX,
    SMOKING_STATUS,
    SYSTOLIC_BP,
    TOTAL_CHOLESTEROL,
)
from features.codes import ATC, CIM10, SNOMED, Concept
from features.intake import SCHEMA
from features.language import (
    VALUE,
    Age,
    Aggregate,
    Arithmetic,
    Band,
    Choice,
    Comparison,
    Constant,
    Covered,
    Elapsed,
    Expression,
    Extreme,
    Followed,
    Is,
    Logic,
    Missing,
    Node,
    Not,
    age,
    all_of,
    any_of,
    band,
    count,
    count_days,
    days,
    exists,
    first,
    followed_by,
    largest,
    latest,
    maximum,
    mean,
    minimum,
    months,
    only,
    quantity,
    share_covered,
    slope,
    smallest,
    standard_deviation,
    total,
    when,
    years,
    years_covered,
    years_since,
    years_since_first,
)
from features.records import Record, Shard

# Histories

AS_OF = datetime(2024, 2, 29, 12)

#: A coarse grid of moments around as_of makes ties, edges of windows and late letters common; leap days are in it.
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
    st.integers(-40, 3).map(lambda n: AS_OF + timedelta(days=n)),
    st.datetimes(datetime(1930, 1, 1), datetime(2026, 1, 1)),
)
CODES = (
    "PRACTICE:birth", "PRACTICE:male", "PRACTICE:female", "PRACTICE:consultation", "PRACTICE:examination",
    "LOINC:8480-6", "SNOMED:271649006", "LOINC:2093-3", "LOINC:14647-2", "LOINC:2085-9",
    "LOINC:LA18978-9", "LOINC:LA15920-4", "LOINC:LA18976-3", "CIM10:F17.2",
    "CIM10:E11.9", "CIM10:E10", "CISP2:T90", "CIM10:J45.0", "ATC:C10AA05", "ATC:C10AA07",
)  # fmt: skip
VALUES = st.one_of(
    st.none(),
    st.sampled_from([120.0, 120.5, 0.1, 0.2, 0.3, 30.0, 0.0, -0.0]),
    st.floats(-1e6, 1e6, width=32),
    st.sampled_from([1e308, -1e308]),
)
PATIENTS = ("ada", "béa", "zoé")


@st.composite
def records(draw: st.DrawFn) -> Record:
    happened = draw(MOMENTS)
    delay = draw(st.one_of(st.just(0), st.integers(0, 400)))
    known = draw(st.one_of(st.just(happened + timedelta(days=delay)), MOMENTS.map(lambda m: max(m, happened))))
    retracted = draw(st.one_of(st.none(), st.none(), MOMENTS.map(lambda m: max(m, known))))
    return Record(happened, known, draw(st.sampled_from(CODES)), draw(VALUES), retracted_at=retracted)


def histories() -> st.SearchStrategy[list[Record]]:
    """Zero to some twenty records, some of them twice."""
    return st.lists(records(), max_size=20).flatmap(
        lambda found: (
            st.lists(st.sampled_from(found), max_size=3).map(lambda again: found + again) if found else st.just(found)
        )
    )


def populations() -> st.SearchStrategy[dict[str, list[Record]]]:
    return st.fixed_dictionaries({patient: histories() for patient in PATIENTS})


def as_table(population: dict[str, list[Record]]) -> pa.Table:
    rows = [
        (patient, "practice", r.happened_at, r.known_at, r.code, r.value, None, r.retracted_at)
        for patient, history in population.items()
        for r in history
    ]
    return pa.table([list(column) for column in zip(*rows, strict=True)] or [[]] * len(SCHEMA), schema=SCHEMA)


def as_shard(population: dict[str, list[Record]]) -> Shard:
    return Shard.from_table(as_table(population))


# Concepts and windows

SUPPLIED = Concept("supplied", "Délivrance", "Supply", (ATC("C10AA"),), unit="d")  # its value is how many days it lasts
LIPIDS = any_of(TOTAL_CHOLESTEROL, HDL)
MEASURED = (SYSTOLIC_BP, TOTAL_CHOLESTEROL, HDL, SUPPLIED, LIPIDS, only(SYSTOLIC_BP, SNOMED("271649006")))
STATES = (SMOKING_STATUS, SEX, only(SMOKING_STATUS, CIM10("F17"), SMOKING_STATUS.codes[0]))
DATED = (CONSULTATION, DIABETES, BIRTH, only(DIABETES, CIM10("E11")), any_of(SYSTOLIC_BP, DIABETES, SMOKING_STATUS))
ANY = (*MEASURED, *STATES, *DATED)

LENGTHS = st.one_of(
    st.sampled_from([years(2), years(1), days(100), days(1), months(6)]), st.integers(1, 9000).map(days)
)
NUMBERS = st.sampled_from([0.0, 1.0, -2.5, 120.0, 1e300])
COMPARISONS = st.sampled_from([operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge])


@st.composite
def windows(draw: st.DrawFn, concept: Concept, events: int = 1) -> dict[str, Any]:
    """Draw what narrows the records of a concept; events that bound a window have windows themselves, once."""
    window: dict[str, Any] = {}
    if draw(st.booleans()):
        window["within"] = draw(LENGTHS)
    if draw(st.integers(0, 3)) == 0:
        until = draw(LENGTHS)
        if "within" not in window or until < window["within"]:
            window["until"] = until
    for bound in ("since", "before"):
        if events and draw(st.integers(0, 4)) == 0:
            window[bound] = draw(happenings(events - 1))
    if draw(st.integers(0, 3)) == 0 and concept.categories:
        compare = draw(st.sampled_from([operator.eq, operator.ne]))
        window["where"] = compare(VALUE, draw(st.sampled_from(concept.category_names)))
    elif draw(st.integers(0, 3)) == 0 and concept.unit:
        compared = st.tuples(COMPARISONS, st.sampled_from([0.1, 30.0, 120.0, 0.0])).map(lambda t: t[0](VALUE, t[1]))
        window["where"] = draw(st.one_of(compared, st.tuples(compared, compared).map(lambda t: t[0] & t[1])))
    return window


@st.composite
def happenings(draw: st.DrawFn, events: int = 1) -> Expression:
    """Draw the nth latest or first record of any concept."""
    concept = draw(st.sampled_from(ANY))
    verb = draw(st.sampled_from([latest, first]))
    return verb(concept, nth=draw(st.sampled_from([1, 1, 2, 3])), **draw(windows(concept, events)))


@st.composite
def verb_about(draw: st.DrawFn, verbs: tuple[Callable[..., Expression], ...], concepts: tuple[Concept, ...]) -> Any:
    concept = draw(st.sampled_from(concepts))
    return draw(st.sampled_from(verbs))(concept, **draw(windows(concept)))


@st.composite
def nth_about(draw: st.DrawFn, concepts: tuple[Concept, ...]) -> Expression:
    concept = draw(st.sampled_from(concepts))
    verb = draw(st.sampled_from([latest, first]))
    return verb(concept, nth=draw(st.sampled_from([1, 1, 2, 3])), **draw(windows(concept)))


@st.composite
def coverages(draw: st.DrawFn) -> Expression:
    verb, concept = draw(st.sampled_from([years_covered, share_covered])), draw(st.sampled_from(ANY))
    return verb(concept, lasting=draw(LENGTHS), **draw(windows(concept)))


@st.composite
def sequences(draw: st.DrawFn) -> Expression:
    concept, by = draw(st.sampled_from(ANY)), draw(st.sampled_from(ANY))
    return followed_by(concept, by, delay=draw(LENGTHS), **draw(windows(concept)))


# Expressions

OF_VALUES = (mean, minimum, maximum, total, standard_deviation, slope)
STATE = nth_about(STATES)


def bare(expression: Expression) -> Expression:
    """Take the unit away, so that any two numbers can meet."""
    unit = getattr(expression.type, "unit", None)
    return expression if unit in (None, "1") else expression / quantity(1.0, unit)


@cache
def numbers(depth: int = 3) -> st.SearchStrategy[Expression]:
    kinds: list[type[Node]] = [Aggregate, Elapsed, Covered, Age]
    kinds += [Arithmetic, Constant, Extreme, Band, Choice] if depth else []
    return st.one_of(*(NODE_STRATEGIES[kind](depth - 1)[0] for kind in kinds))


@cache
def conditions(depth: int = 3) -> st.SearchStrategy[Expression]:
    kinds: list[type[Node]] = [Aggregate, Followed]
    kinds += [Comparison, Is, Logic, Not, Missing, Choice] if depth else []
    return st.one_of(*(NODE_STRATEGIES[kind](depth - 1)[-1] for kind in kinds))


def pairs(depth: int) -> st.SearchStrategy[tuple[Expression, Expression]]:
    return st.tuples(numbers(depth).map(bare), numbers(depth).map(bare))


def banded(depth: int) -> st.SearchStrategy[Expression]:
    edges = st.sampled_from([(0.0,), (0.5, 2.0, 120.0)])
    labels = {1: ("under", "over"), 3: ("a", "b", "c", "d")}
    return st.tuples(numbers(depth), edges).map(lambda t: band(t[0], t[1], labels[len(t[1])]))


#: For each node, how to draw an expression that has it, of a number or of a condition: ``(numbers, conditions)``. Where
#: a node is only ever one of the two there is one.
NODE_STRATEGIES: dict[type[Node], Callable[[int], tuple[st.SearchStrategy[Expression], ...]]] = {
    Aggregate: lambda depth: (
        st.one_of(verb_about(OF_VALUES, MEASURED), nth_about(MEASURED), verb_about((count, count_days), ANY)),
        st.one_of(
            verb_about((exists,), ANY),
            st.tuples(st.sampled_from(ANY), st.sampled_from(ANY), LENGTHS).map(lambda t: all_of(*t[:2], within=t[2])),
        ),
    ),
    Elapsed: lambda depth: (
        st.one_of(verb_about((years_since, years_since_first), ANY), nth_about(ANY).map(lambda e: e.years_ago())),
    ),
    Covered: lambda depth: (coverages(),),
    Followed: lambda depth: (sequences(),),
    Age: lambda depth: (st.builds(age),),
    Constant: lambda depth: (
        st.tuples(numbers(depth).map(bare), NUMBERS, st.sampled_from(CALCULATIONS)).map(lambda t: t[2](t[0], t[1])),
    ),
    Arithmetic: lambda depth: (
        st.tuples(pairs(depth), st.sampled_from(CALCULATIONS)).map(lambda t: t[1](*t[0])),
    ),
    Extreme: lambda depth: (
        st.tuples(pairs(depth), NUMBERS, st.sampled_from([smallest, largest])).map(lambda t: t[2](*t[0], t[1])),
    ),
    Band: lambda depth: (st.tuples(numbers(depth)).map(lambda t: band(t[0], [0.0, 1.0, 120.0])),),
    Comparison: lambda depth: (
        st.one_of(
            st.tuples(pairs(depth), COMPARISONS).map(lambda t: t[1](*t[0])),
            st.tuples(numbers(depth).map(bare), NUMBERS, COMPARISONS).map(lambda t: t[2](t[0], t[1])),
        ),
    ),
    Is: lambda depth: (
        st.one_of(STATE, banded(depth)).flatmap(lambda e: st.sampled_from(e.type.names).map(lambda name: e == name)),
    ),
    Logic: lambda depth: (
        st.tuples(conditions(depth), conditions(depth), st.sampled_from([operator.and_, operator.or_])).map(
            lambda t: t[2](t[0], t[1])
        ),
    ),
    Not: lambda depth: (conditions(depth).map(lambda e: ~e),),
    Missing: lambda depth: (st.one_of(conditions(depth), numbers(depth), STATE).map(lambda e: e.missing()),),
    Choice: lambda depth: (
        st.one_of(
            st.tuples(conditions(depth), pairs(depth)).map(lambda t: when(t[0]).then(t[1][0]).otherwise(t[1][1])),
            st.tuples(numbers(depth), NUMBERS).map(lambda t: t[0].default(t[1])),
            st.tuples(numbers(depth), conditions(depth)).map(lambda t: t[0].where(t[1])),
        ),
        st.tuples(conditions(depth), st.booleans()).map(lambda t: t[0].default(t[1])),
    ),
}  # fmt: skip
CALCULATIONS = [operator.add, operator.sub, operator.mul, operator.truediv]


def expressions(depth: int = 3) -> st.SearchStrategy[Expression]:
    return st.one_of(numbers(depth), conditions(depth), STATE, banded(1))

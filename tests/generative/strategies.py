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
    LEAVES,
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
    Leaf,
    Logic,
    Missing,
    Node,
    Not,
    age,
    all_of,
    any_of,
    band,
    concepts_of,
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
    walk,
    when,
    years,
    years_covered,
    years_since,
    years_since_first,
)
from features.records import Record, Shard

AS_OF = datetime(2024, 2, 29, 12)
A_MOMENT = timedelta(microseconds=1)
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
    verb = draw(st.sampled_from([years_covered, share_covered]))
    concept = draw(st.one_of(st.just(SUPPLIED), st.sampled_from(ANY)))
    return verb(concept, lasting=draw(LENGTHS), **draw(windows(concept)))


@st.composite
def sequences(draw: st.DrawFn) -> Expression:
    concept = draw(st.sampled_from(ANY))
    by = draw(st.one_of(st.just(concept), st.sampled_from(ANY)))
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


def defaulted(depth: int) -> st.SearchStrategy[Expression]:
    """Draw a category that is one by default."""
    return st.one_of(STATE, banded(depth)).flatmap(lambda e: st.sampled_from(e.type.names).map(e.default))


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
        st.one_of(STATE, banded(depth), defaulted(depth)).flatmap(
            lambda e: st.sampled_from(e.type.names).map(lambda name: e == name)
        ),
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


# Scenes: expressions, and histories in which they have something to see

#: Moments around which rules turn: as_of itself, leap days, birthdays, the last microsecond of a day.
MOMENTS = st.one_of(
    st.sampled_from(
        [
            AS_OF,
            AS_OF - A_MOMENT,
            AS_OF + A_MOMENT,
            datetime(2020, 2, 29),
            datetime(2023, 2, 28, 12),
            datetime(1960, 2, 29),
            datetime(1960, 2, 29, 12),
            datetime(1999, 12, 31, 23, 59, 59, 999999),
        ]
    ),
    st.integers(-40, 3).map(lambda n: AS_OF + timedelta(days=n)),
    st.integers(-900, 3).map(lambda n: AS_OF + timedelta(hours=n)),
    st.datetimes(datetime(1930, 1, 1), datetime(2026, 1, 1)),
)


def leaves_of(wanted: list[Expression]) -> list[Leaf]:
    """Return the leaves of expressions, and the events that bound their windows."""
    leaves = [node for expression in wanted for node in walk(expression.node) if isinstance(node, LEAVES)]
    for leaf in leaves:
        leaves += [e for e in (getattr(leaf, "since", None), getattr(leaf, "before", None)) if e is not None]
    return leaves


@st.composite
def scenes(draw: st.DrawFn, kind: type[Node] | None = None) -> tuple[list[Expression], dict[str, list[Record]]]:
    """Draw expressions, and a population whose records are about what they read and lie where their windows turn.

    They are of one kind of node, or of any.
    """
    expression = expressions() if kind is None else st.one_of(*NODE_STRATEGIES[kind](0))
    wanted = draw(st.lists(expression, min_size=1, max_size=3))
    leaves = leaves_of(wanted)
    read = {concept for leaf in leaves for concept in concepts_of(leaf)}
    about = [code for code in CODES if any(concept.covers(code) for concept in read)]
    codes = [*draw(st.lists(st.sampled_from(about), min_size=1, max_size=3)), draw(st.sampled_from(CODES))]
    lengths = {getattr(leaf, name, None) for leaf in leaves for name in ("within", "until", "lasting", "delay")}
    turns = [timedelta(microseconds=length) for length in sorted(lengths - {None, 0})]
    pool = draw(st.lists(MOMENTS, min_size=1, max_size=3))
    pool += [AS_OF - turn for turn in turns] + [m - turn for m in pool[:1] for turn in turns]
    pool += [draw(st.sampled_from(pool)) + draw(st.sampled_from([-A_MOMENT, A_MOMENT])), AS_OF, AS_OF - A_MOMENT]
    moments = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=4))  # few of each, so that ties are common
    values = draw(st.lists(VALUES, min_size=1, max_size=3))
    record = records(st.sampled_from(codes), st.sampled_from(moments), st.sampled_from(values))
    return wanted, {patient: draw(histories(record)) for patient in PATIENTS[: draw(st.integers(1, 3))]}


@st.composite
def records(
    draw: st.DrawFn,
    codes: st.SearchStrategy[str] = st.sampled_from(CODES),  # noqa: B008 - strategies are values
    moments: st.SearchStrategy[datetime] = MOMENTS,
    values: st.SearchStrategy[float | None] = VALUES,
) -> Record:
    """Draw a record, known at once or later, and now and then taken back."""
    happened = draw(moments)
    known = max(happened, draw(st.one_of(st.just(happened), moments)))
    retracted = max(known, draw(moments)) if draw(st.integers(0, 4)) == 0 else None
    return Record(happened, known, draw(codes), draw(values), retracted_at=retracted)


def histories(record: st.SearchStrategy[Record]) -> st.SearchStrategy[list[Record]]:
    """Draw no records to a dozen, some of them twice."""
    return st.lists(record, max_size=10).flatmap(
        lambda found: (
            st.lists(st.sampled_from(found), max_size=2).map(lambda again: found + again) if found else st.just(found)
        )
    )


def as_table(population: dict[str, list[Record]]) -> pa.Table:
    rows = [
        (patient, "practice", r.happened_at, r.known_at, r.code, r.value, None, r.retracted_at)
        for patient, history in population.items()
        for r in history
    ]
    return pa.table([list(column) for column in zip(*rows, strict=True)] or [[]] * len(SCHEMA), schema=SCHEMA)


def as_shard(population: dict[str, list[Record]]) -> Shard:
    return Shard.from_table(as_table(population))

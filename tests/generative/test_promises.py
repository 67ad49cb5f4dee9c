"""The promises about features, each on generated expressions and generated histories."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from features import columnar
from features.catalogue.concepts import CONSULTATION, HDL, SYSTOLIC_BP, TOTAL_CHOLESTEROL
from features.feature_set import FeatureSet
from features.language import (
    LEAVES,
    NODES,
    VALUE,
    Age,
    Aggregate,
    Arithmetic,
    Comparison,
    Expression,
    Is,
    Node,
    Statistic,
    count,
    count_days,
    days,
    exists,
    first,
    followed_by,
    from_dict,
    largest,
    latest,
    maximum,
    mean,
    share_covered,
    smallest,
    to_dict,
    walk,
    years,
    years_since,
    years_since_first,
)
from features.patient import Evaluator, evaluate_all
from features.records import History, Record, Shard, to_microseconds
from tests.conftest import at_most
from tests.generative.strategies import (
    AS_OF,
    MOMENTS,
    NODE_STRATEGIES,
    PATIENTS,
    SUPPLIED,
    as_shard,
    as_table,
    expressions,
    records,
    scenes,
)

Moments = list[tuple[str, datetime]]


def generated(*strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[[int], None]]:
    """Make a promise a test on some generated examples, and a slow one on many."""

    def test_of(promise: Callable[..., None]) -> Callable[[int], None]:
        @pytest.mark.parametrize("examples", [40, pytest.param(250, marks=pytest.mark.slow)])
        def test(examples: int) -> None:
            limits = at_most(examples, suppress_health_check=list(HealthCheck))
            limits(given(*strategies)(promise))()

        test.__doc__ = promise.__doc__
        return test

    return test_of


def by_columns(wanted: list[Expression], shard: Shard, moments: Moments) -> list[bytes]:
    patients = np.array([patient for patient, _ in moments], dtype=object)
    as_of = np.array([to_microseconds(moment) for _, moment in moments], dtype=np.int64)
    columns = columnar.evaluate_all([e.node for e in wanted], shard, patients, as_of)
    return [bits(column.tolist()) for column in columns]


def by_patient(wanted: list[Expression], history: list[Record], as_of: datetime) -> list[float]:
    values = evaluate_all([e.node for e in wanted], History(tuple(history)), as_of)
    return [math.nan if value is None else value for value in values]


def bits(values: list[float]) -> bytes:
    """Return the very bits of numbers, all missing values being one."""
    return b"".join(struct.pack("<d", math.nan if math.isnan(value) else value) for value in values)


WANTED = st.lists(expressions(), min_size=1, max_size=4)
SCENES = scenes()
#: One patient's history, in a scene of which it is the only one.
HISTORIES = scenes().map(lambda scene: (scene[0], scene[1]["ada"]))
WHEN = st.one_of(st.just(AS_OF), st.just(AS_OF), MOMENTS)
ROWS = st.lists(st.tuples(st.sampled_from([*PATIENTS, "nobody"]), WHEN), min_size=1, max_size=6)


def agree(scene: tuple[list[Expression], dict[str, list[Record]]], rows: Moments) -> None:
    wanted, population = scene
    columns = by_columns(wanted, as_shard(population), rows)
    expected = [by_patient(wanted, population.get(patient, []), as_of) for patient, as_of in rows]
    for place, (expression, column) in enumerate(zip(wanted, columns, strict=True)):
        assert column == bits([row[place] for row in expected]), str(expression)


@generated(SCENES, ROWS)
def test_the_two_evaluators_agree(scene, rows):
    """One definition, two evaluators, the same bits: alone, or with other features that share its leaves."""
    agree(scene, rows)


@pytest.mark.parametrize("more", [1, pytest.param(5, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", NODES.values(), ids=list(NODES))
def test_the_two_evaluators_agree_about_each_node(kind, more):
    examples = more * (60 if kind in LEAVES or kind is Is else 15)
    limits = at_most(examples, suppress_health_check=list(HealthCheck))
    limits(given(scenes(kind), ROWS)(agree))()


@generated(HISTORIES)
def test_values_rest_on_the_records_that_are_said_to_be_taken(scene):
    """A history of these records alone gives the same values."""
    wanted, history = scene
    evaluator = Evaluator([e.node for e in wanted])
    places = evaluator.taken(History(tuple(history)), AS_OF)
    alone = [history[place] for place in places]
    assert bits(by_patient(wanted, alone, AS_OF)) == bits(by_patient(wanted, history, AS_OF))


@generated(HISTORIES, st.lists(records(), min_size=1, max_size=8))
def test_the_future_moves_no_feature(scene, more):
    """What happened, became known or was taken back at as_of or later moves no feature, on either engine."""
    wanted, history = scene
    codes = [r.code for r in history] or ["PRACTICE:consultation"]
    more = [r._replace(code=codes[i % len(codes)]) for i, r in enumerate(more)]
    later = [
        r._replace(known_at=max(r.known_at, AS_OF + timedelta(days=i % 2)), retracted_at=None)
        if i % 2
        else Record(AS_OF + timedelta(days=i), AS_OF + timedelta(days=i + 1), r.code, r.value)
        for i, r in enumerate(more)
    ]
    taken_back = [r if r.retracted_at else r._replace(retracted_at=max(r.known_at, AS_OF)) for r in history]
    row = [("ada", AS_OF)]
    before = bits(by_patient(wanted, history, AS_OF))
    for after in (taken_back, history + later, later + history):
        assert bits(by_patient(wanted, after, AS_OF)) == before
        assert b"".join(by_columns(wanted, as_shard({"ada": after}), row)) == before


@generated(HISTORIES)
def test_only_what_was_known_matters(scene):
    """A history cut down to what could be known at the time, by hand, gives the same features."""
    wanted, history = scene
    known = [
        r._replace(retracted_at=None)
        for r in history
        if max(r.happened_at, r.known_at) < AS_OF and not (r.retracted_at and r.retracted_at < AS_OF)
    ]
    assert bits(by_patient(wanted, known, AS_OF)) == bits(by_patient(wanted, history, AS_OF))


@generated(SCENES, ROWS, st.randoms(use_true_random=False), st.integers(1, 40))
def test_neither_row_order_nor_the_cut_into_shards_and_blocks_moves_a_feature(scene, rows, random, block):
    wanted, population = scene
    table = as_table(population)
    whole = by_columns(wanted, Shard.from_table(table), rows)
    order = list(range(len(table)))
    random.shuffle(order)
    shuffled = Shard.from_table(table.take(pa.array(order, pa.int64())))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columnar, "BLOCK", block)
        assert by_columns(wanted, shuffled, rows) == whole
    for position, (patient, as_of) in enumerate(rows):
        alone = by_columns(wanted, as_shard({patient: population.get(patient, [])}), [(patient, as_of)])
        assert alone == [column[8 * position : 8 * position + 8] for column in whole]


@generated(HISTORIES)
def test_a_history_is_a_set_of_records_in_any_order(scene):
    wanted, history = scene
    assert bits(by_patient(wanted, history, AS_OF)) == bits(by_patient(wanted, history[::-1], AS_OF))


@generated(WANTED)
def test_expressions_travel_as_json(wanted):
    features = FeatureSet("generated", **{f"feature_{i}": expression for i, expression in enumerate(wanted)})
    again = FeatureSet.from_json(features.to_json())
    assert again.fingerprint == features.fingerprint
    assert again.to_json() == features.to_json()
    for expression, feature in zip(wanted, again.values(), strict=True):
        assert feature.node == expression.node
        assert from_dict(to_dict(expression.node)) == expression.node
        assert feature.definition == str(expression)


@generated(HISTORIES)
def test_stale_is_not_recent(scene):
    """A window ends at as_of, wherever the last record is: what is older than the window might as well not be."""
    wanted, history = scene
    for leaf in (node for expression in wanted for node in walk(expression.node) if isinstance(node, LEAVES)):
        if isinstance(leaf, Age) or leaf.within is None or leaf.since or leaf.before or leaf.concept is SUPPLIED:
            continue
        start = AS_OF - timedelta(microseconds=leaf.within + getattr(leaf, "lasting", 0))
        last = max((r.happened_at for r in history), default=start)
        stale = [r._replace(happened_at=r.happened_at - (last - start) - timedelta(microseconds=1)) for r in history]
        assert bits(by_patient([Expression(leaf)], stale, AS_OF)) == bits(by_patient([Expression(leaf)], [], AS_OF))


def test_every_node_has_a_strategy():
    assert set(NODE_STRATEGIES) == set(NODES.values())


def drawn(strategy: st.SearchStrategy[Expression], many: int) -> list[Expression]:
    found: list[Expression] = []

    @settings(max_examples=many, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(strategy)
    def draw(expression: Expression) -> None:
        found.append(expression)

    draw()
    return found


@pytest.mark.parametrize("kind", NODES.values(), ids=list(NODES))
def test_the_strategy_of_a_node_makes_it(kind):
    """A node nobody generates is a node whose two evaluations nobody compares."""
    for strategy in NODE_STRATEGIES[kind](0):
        for expression in drawn(strategy, 10):
            assert any(isinstance(node, kind) for node in walk(expression.node)), str(expression)


@pytest.mark.slow
def test_every_node_and_every_variant_of_it_is_generated():
    seen: set[tuple[type[Node], Any]] = set()
    for expression in drawn(expressions(), 1500):
        for node in walk(expression.node):
            seen.add((type(node), None))
            for variant in ("statistic", "operator", "which", "measure", "nth", "where", "since", "before", "until"):
                value = getattr(node, variant, None)
                seen.add((type(node), value if isinstance(value, str) else (variant, bool(value))))
    assert {(kind, None) for kind in NODES.values()} <= seen
    assert {(Aggregate, statistic) for statistic in get_args(Statistic)} <= seen
    assert {(Arithmetic, sign) for sign in "+-*/"} | {(Comparison, sign) for sign in ("==", "!=", "<", ">=")} <= seen
    windowed = [kind for kind in NODES.values() if "since" in kind.__dataclass_fields__]
    assert {(kind, (bound, True)) for kind in windowed for bound in ("since", "before", "where")} <= seen


# The promises by hand, where the generated ones could pass for the wrong reason


def measured(*moments: datetime) -> list[Record]:
    return [Record(moment, moment, "LOINC:8480-6", 150.0) for moment in moments]


def both(expression: Expression, history: list[Record], as_of: datetime) -> float:
    value = by_patient([expression], history, as_of)[0]
    assert by_columns([expression], as_shard({"ada": history}), [("ada", as_of)]) == [bits([value])]
    return value


def test_a_measurement_of_800_days_ago_is_not_one_of_2_years():
    old = measured(AS_OF - timedelta(days=800))
    recent, ever = latest(SYSTOLIC_BP, within=years(2)), latest(SYSTOLIC_BP)
    assert math.isnan(both(recent, old, AS_OF))
    assert both(ever, old, AS_OF) == 150.0
    assert both(recent, old, AS_OF - timedelta(days=100)) == 150.0


@pytest.mark.parametrize(
    ("offset", "inside"),
    [(timedelta(days=10), True), (timedelta(days=10, microseconds=1), False), (timedelta(0), False)],
)
def test_a_window_has_its_start_in_it_and_not_its_end(offset, inside):
    happened = AS_OF - offset
    visit = [Record(happened, happened, "PRACTICE:consultation")]
    assert both(exists(CONSULTATION, within=days(10)), visit, AS_OF) == inside


@pytest.mark.parametrize(
    ("offset", "inside"),
    [(timedelta(days=5), False), (timedelta(days=5, microseconds=1), True), (timedelta(days=10), True)],
)
def test_until_is_not_in_the_window(offset, inside):
    happened = AS_OF - offset
    visit = [Record(happened, happened, "PRACTICE:consultation")]
    assert both(count(CONSULTATION, within=days(10), until=days(5)), visit, AS_OF) == inside


def test_a_letter_on_its_way_is_not_known():
    letter = [Record(AS_OF - timedelta(days=9), AS_OF, "LOINC:8480-6", 190.0)]
    assert both(exists(SYSTOLIC_BP), letter, AS_OF) == 0
    assert both(exists(SYSTOLIC_BP), letter, AS_OF + timedelta(microseconds=1)) == 1


def test_there_is_one_zero():
    """Zero times a negative number is nought with a minus; which of two noughts is larger must not be seen."""
    nought = latest(SYSTOLIC_BP) * 0.0 * -1.0
    history = measured(AS_OF - timedelta(days=1))
    for expression in (largest(nought, 0.0), largest(0.0, nought), smallest(nought, 0.0), smallest(0.0, nought)):
        assert bits([both(expression, history, AS_OF)]) == bits([0.0])
    assert bits([both(latest(SYSTOLIC_BP), [history[0]._replace(value=-0.0)], AS_OF)]) == bits([0.0])


def test_leaves_alike_but_for_their_concept_do_not_mix():
    """The columnar evaluator computes such leaves together; each must still be its own."""
    three = (SYSTOLIC_BP, HDL, TOTAL_CHOLESTEROL)
    event = first(CONSULTATION)
    alike = [
        lambda c: mean(c, within=years(2)),
        lambda c: latest(c, nth=2),
        lambda c: count_days(c, until=days(3)),
        lambda c: years_since(c),
        lambda c: count(c, since=event),
        lambda c: years_since_first(c, before=event),
        lambda c: maximum(c, where=VALUE >= 120),
        lambda c: share_covered(c, within=years(1), lasting=days(30)),
        lambda c: followed_by(c, CONSULTATION, delay=days(40)),
    ]
    wanted = [make(concept) for make in alike for concept in three]
    random = np.random.default_rng(0)
    codes = ["LOINC:8480-6", "LOINC:2085-9", "LOINC:14647-2", "PRACTICE:consultation"]
    population = {
        patient: [
            Record(moment, moment, codes[random.integers(4)], float(random.integers(100, 140)))
            for moment in (AS_OF - timedelta(days=int(d)) for d in random.integers(1, 900, 25))
        ]
        for patient in PATIENTS
    }
    agree((wanted, population), [(patient, AS_OF) for patient in PATIENTS])

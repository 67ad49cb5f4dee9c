"""The promises about features, each on generated expressions and generated histories."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from features.columnar import evaluate_all
from features.feature_set import FeatureSet
from features.language import NODES, Expression, Node, children, days, exists, from_dict, latest, to_dict, years
from features.patient import evaluate
from features.records import History, Record, Shard, to_microseconds
from tests.generative.strategies import AS_OF, MOMENTS, PATIENTS, as_frame, expressions, histories, populations, records

generated = settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def columnar(expression: Expression, frame: pd.DataFrame, moments: list[tuple[str, datetime]]) -> np.ndarray:
    patients = np.array([patient for patient, _ in moments], dtype=object)
    as_of = np.array([to_microseconds(moment) for _, moment in moments], dtype=np.int64)
    return evaluate_all([expression.node], Shard.from_frame(frame), patients, as_of)[0]


def patientwise(expression: Expression, history: list[Record], as_of: datetime) -> float:
    value = evaluate(expression.node, History(tuple(history)), as_of)
    return math.nan if value is None else value


def same(left: float, right: float) -> bool:
    return left == right or (math.isnan(left) and math.isnan(right))


def walk(node: Node) -> list[Node]:
    return [node, *(below for child in children(node) for below in walk(child))]


ROWS = st.lists(st.tuples(st.sampled_from([*PATIENTS, "nobody"]), MOMENTS), min_size=1, max_size=6)


@generated
@given(expressions(), populations(), ROWS)
def test_the_two_evaluators_agree(expression, population, rows):
    column = columnar(expression, as_frame(population), rows)
    for (patient, as_of), value in zip(rows, column, strict=True):
        assert same(patientwise(expression, population.get(patient, []), as_of), value)


@generated
@given(expressions(), histories(), st.lists(records(), min_size=1, max_size=8))
def test_the_future_moves_no_feature(expression, history, more):
    later = [
        Record(r.happened_at, max(r.known_at, AS_OF + timedelta(days=i % 2)), r.code, r.value)
        if i % 2
        else Record(AS_OF + timedelta(days=i), AS_OF + timedelta(days=i + 1), r.code, r.value)
        for i, r in enumerate(more)
    ]
    assert all(r.known_at >= AS_OF for r in later)
    taken_back = [r if r.retracted_at else replace(r, retracted_at=max(r.known_at, AS_OF)) for r in history]
    assert same(*(patientwise(expression, h, AS_OF) for h in (history, taken_back)))
    before, after = (patientwise(expression, h, AS_OF) for h in (history, history + later))
    assert same(before, after)
    row = [("ada", AS_OF)]
    assert same(columnar(expression, as_frame({"ada": history + later}), row)[0], before)


@generated
@given(expressions(), populations(), ROWS, st.randoms(use_true_random=False))
def test_neither_row_order_nor_the_cut_into_shards_moves_a_feature(expression, population, rows, random):
    frame = as_frame(population)
    whole = columnar(expression, frame, rows)
    shuffled = columnar(expression, frame.sample(frac=1, random_state=random.randrange(1000)), rows)
    np.testing.assert_array_equal(whole, shuffled)
    for position, (patient, as_of) in enumerate(rows):
        alone = columnar(expression, frame[frame["patient"] == patient], [(patient, as_of)])
        np.testing.assert_array_equal(whole[position : position + 1], alone)


@generated
@given(expressions(), histories())
def test_a_history_is_a_set_of_records_in_any_order(expression, history):
    assert same(patientwise(expression, history, AS_OF), patientwise(expression, history[::-1], AS_OF))


@generated
@given(expressions())
def test_expressions_travel_as_json(expression):
    assert from_dict(to_dict(expression.node)) == expression.node
    features = FeatureSet("generated", feature=expression)
    again = FeatureSet.from_json(features.to_json())
    assert again.fingerprint == features.fingerprint
    assert again["feature"].node == expression.node


def test_every_node_is_generated():
    """A node nobody generates is a node whose two evaluations nobody compares."""
    for name, node in NODES.items():
        found = find(
            expressions(),
            lambda e, node=node: any(isinstance(n, node) for n in walk(e.node)),
            settings=settings(max_examples=5000, derandomize=True, database=None),
        )
        assert found is not None, name


def test_stale_is_not_recent():
    """A window ends at as_of, wherever the patient's last record is."""
    from features.catalogue.concepts import SYSTOLIC_BP

    old = [Record(AS_OF - timedelta(days=800), AS_OF - timedelta(days=800), "LOINC:8480-6", 150.0)]
    recent, ever = latest(SYSTOLIC_BP, within=years(2)), latest(SYSTOLIC_BP)
    assert math.isnan(patientwise(recent, old, AS_OF))
    assert math.isnan(columnar(recent, as_frame({"ada": old}), [("ada", AS_OF)])[0])
    assert patientwise(ever, old, AS_OF) == 150.0
    assert patientwise(recent, old, AS_OF - timedelta(days=100)) == 150.0


def test_windows_are_half_open():
    from features.catalogue.concepts import CONSULTATION

    def at(happened: datetime) -> list[Record]:
        return [Record(happened, happened, "PRACTICE:consultation")]

    recent = exists(CONSULTATION, within=days(10))
    for offset, expected in ((timedelta(days=10), 1), (timedelta(days=10, microseconds=1), 0), (timedelta(0), 0)):
        assert patientwise(recent, at(AS_OF - offset), AS_OF) == expected
        assert columnar(recent, as_frame({"ada": at(AS_OF - offset)}), [("ada", AS_OF)])[0] == expected

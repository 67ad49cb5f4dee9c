"""A curve shows groups of people, lies where the truth is, and tells no small count."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from features.privacy import mask
from tests.training.test_measures import HORIZON, expit, follow, population
from training import measures
from training.curves import SMOOTH_GRID, calibration_curve, decision_curve, risk_distribution, smooth_calibration


def test_calibration_curve_lies_on_the_diagonal_for_the_truth() -> None:
    truth, followup, practice = population(8000, 18)
    curve = calibration_curve(truth, followup, HORIZON, practice, resamples=100)
    assert len(curve) == 10
    assert sum(point.n or 0 for point in curve) == 8000
    assert [point.predicted for point in curve] == sorted(point.predicted for point in curve)
    assert sum(point.low < point.predicted < point.high for point in curve) >= 8


def test_small_risk_groups_are_merged_and_equal_risks_stay_together() -> None:
    risk, practice = np.repeat([0.1, 0.2, 0.3], 100), np.arange(300) % 20
    event = np.concatenate([np.arange(100) < many for many in (5, 8, 30)])
    curve = calibration_curve(risk, follow(np.full(300, 10.0), event), HORIZON, practice, resamples=20)
    assert [(point.n, point.events) for point in curve] == [(200, 13), (100, 30)]
    assert_allclose([point.observed for point in curve], [13 / 200, 0.3])
    none = calibration_curve(risk, follow(np.full(300, 10.0), np.arange(300) < 4), HORIZON, practice, resamples=5)
    assert len(none) == 1
    assert (none[0].n, none[0].events) == (300, None)
    assert math.isnan(none[0].observed)


def test_decision_curve_of_the_truth_beats_treating_all_and_none() -> None:
    truth, followup, practice = population(8000, 19)
    curve = decision_curve(truth, followup, HORIZON, practice, (0.05, 0.1, 0.2), resamples=20)
    assert [point.threshold for point in curve] == [0.05, 0.1, 0.2]
    for point in curve:
        assert point.model.value > max(0, point.treat_all.value) - 1e-9
        assert point.model.low < point.model.value < point.model.high


def test_risk_distribution_counts_everybody_once() -> None:
    risk, followup, _ = population(5000, 20)
    found = risk_distribution(risk, followup, HORIZON, (0.0, 0.5, 1.0))
    seen = {
        "event": followup.cause == 1,
        "competing": followup.cause == 2,
        "event_free": (followup.cause == 0) & (followup.duration == HORIZON),
        "unknown": (followup.cause == 0) & (followup.duration < HORIZON),
    }
    for name, rows in seen.items():
        total = [int((rows & (risk < 0.5)).sum()), int((rows & (risk >= 0.5)).sum())]
        assert found.counts[name] == tuple(mask(total))


def test_few_refused_are_not_had_by_subtraction() -> None:
    risk, followup, _ = population(5000, 27)
    refused = np.zeros(5000, dtype=bool)
    refused[np.flatnonzero(followup.cause == 1)[:6]] = True
    edges = (0.0, 0.1, 0.2, 1.0)
    alone = risk_distribution(risk[~refused], followup[~refused], HORIZON, edges)
    with_refused = risk_distribution(risk[~refused], followup[~refused], HORIZON, edges, refused=followup[refused])
    assert None not in alone.counts["event"]
    assert with_refused.counts["event"].count(None) == 1
    assert with_refused.counts["competing"] == alone.counts["competing"]


@pytest.mark.slow
def test_smooth_calibration_of_the_truth_holds_the_diagonal() -> None:
    held = []
    for seed in range(40):
        truth, followup, practice = population(2000, seed)
        curve = smooth_calibration(truth, followup, HORIZON, practice, resamples=60)
        assert len(curve) > 20
        held += [point.low <= point.predicted <= point.high for point in curve]
    assert np.mean(held) > 0.85


def test_a_smooth_curve_is_given_at_nobodys_own_risk() -> None:
    truth, followup, practice = population(8000, 28)
    curve = smooth_calibration(truth, followup, HORIZON, practice, resamples=20)
    assert {point.predicted for point in curve} <= set(SMOOTH_GRID)
    assert [point.predicted for point in curve] == sorted(point.predicted for point in curve)
    assert all(point.low < point.observed < point.high for point in curve)


def test_the_smooth_curve_of_a_shifted_logit_is_shifted_back() -> None:
    truth, followup, practice = population(20_000, 30)
    curve = smooth_calibration(expit(measures.logit(truth) - 0.7), followup, HORIZON, practice, resamples=2)
    middle = [point for point in curve if 0.04 < point.predicted < 0.3]
    assert len(middle) > 15
    wanted = expit(measures.logit(np.array([point.predicted for point in middle])) + 0.7)
    assert_allclose([point.observed for point in middle], wanted, rtol=0.1)


def test_the_smooth_curve_stops_where_people_are_few() -> None:
    risk, practice = np.linspace(0.001, 0.999, 1000), np.arange(1000) % 20
    event = np.random.default_rng(0).uniform(size=1000) < risk
    curve = smooth_calibration(risk, follow(np.full(1000, 10.0), event), HORIZON, practice, resamples=5)
    assert (risk < curve[0].predicted).sum() >= 10
    assert (risk > curve[-1].predicted).sum() >= 10
    assert smooth_calibration(risk, follow(np.full(1000, 10.0), np.arange(1000) < 10), HORIZON, practice) == []

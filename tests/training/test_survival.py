"""Nobody is deleted for leaving: censoring is weighted, death from another cause competes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sksurv.nonparametric import (
    CensoringDistributionEstimator,
    cumulative_incidence_competing_risks,
    kaplan_meier_estimator,
)
from sksurv.util import Surv

from features.outcome import FollowUp
from tests.conftest import at_most
from training.survival import aalen_johansen, censoring_survival, censoring_weights, close


def follow(duration: object, cause: object, horizon: float) -> FollowUp:
    years = np.asarray(duration, dtype=np.float64)
    return FollowUp(years, np.asarray(cause, dtype=np.int8), np.zeros(len(years), dtype=np.int8), horizon)


def tied_followup(seed: int, n: int = 300) -> FollowUp:
    """Durations in whole years, so that events, deaths and departures often coincide."""
    rng = np.random.default_rng(seed)
    years = np.minimum(rng.integers(1, 14, n), 10)
    return follow(years, np.where(years == 10, rng.integers(0, 2, n), rng.integers(0, 3, n)), 10.0)


FEW = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=25).filter(
    lambda rows: any(weight for _, _, weight in rows)
)


def test_events_precede_censorings_at_the_same_time() -> None:
    followup = follow([1, 2, 2, 3, 4], [1, 0, 1, 0, 2], 5)
    curve = censoring_survival(followup)
    # at 2: four there, one has the event first, one of the remaining three leaves; at 3: one of two leaves
    assert_allclose(curve(np.array([1.0, 2, 3, 4])), [1, 2 / 3, 1 / 3, 1 / 3])
    assert_allclose(curve.before(np.array([1.0, 2, 3, 4])), [1, 1, 2 / 3, 1 / 3])
    assert_allclose(censoring_weights(followup, 5), [1, 0, 1, 0, 3])
    assert_allclose(aalen_johansen(followup, [1, 2, 4]), [[1 / 5, 2 / 5, 2 / 5], [0, 0, 3 / 5]])


def test_the_end_of_the_study_is_not_censoring() -> None:
    followup = follow([10, 10, 5, 10], [0, 0, 1, 1], 10)
    assert_allclose(censoring_weights(followup, 10), 1)
    assert_allclose(aalen_johansen(followup, [10])[:, 0], [0.5, 0])


def test_who_leaves_before_the_horizon_has_no_weight_and_is_spoken_for() -> None:
    followup = follow([2, 4, 6, 10], [0, 1, 0, 0], 10)
    assert_allclose(censoring_weights(followup, 10), [0, 4 / 3, 0, 8 / 3])
    assert_allclose(censoring_weights(followup, 3), [0, 4 / 3, 4 / 3, 4 / 3])


def test_closing_forgets_what_came_later() -> None:
    closed = close(follow([3, 5, 5, 8], [1, 1, 0, 2], 10), 5)
    assert closed.duration.tolist() == [3, 5, 5, 5]
    assert closed.cause.tolist() == [1, 1, 0, 0]
    assert closed.horizon == 5


@pytest.mark.parametrize("horizon", [0.0, -1.0, 10.5, float("nan")])
def test_no_claim_beyond_the_follow_up(horizon: float) -> None:
    with pytest.raises(ValueError, match="at most 10"):
        censoring_weights(follow([1, 10], [1, 0], 10), horizon)


def test_nothing_is_said_when_nobody_reaches_the_horizon() -> None:
    followup = follow([1, 2, 7], [1, 2, 0], 10)
    assert np.isnan(censoring_weights(followup, 10)).all()
    assert np.isnan(aalen_johansen(followup, [10])).all()
    assert_allclose(aalen_johansen(followup, [7])[:, 0], 1 / 3)
    everybody_ended = follow([1, 2, 7], [1, 2, 1], 10)
    assert_allclose(aalen_johansen(everybody_ended, [10])[:, 0], [2 / 3, 1 / 3])


@pytest.mark.parametrize("seed", range(5))
def test_censoring_curve_is_that_of_scikit_survival(seed: int) -> None:
    followup = tied_followup(seed)
    ended = followup.cause != 0
    times, curve = kaplan_meier_estimator(ended, followup.duration, reverse=True)
    assert_allclose(censoring_survival(followup)(times), curve, atol=1e-12)
    theirs = CensoringDistributionEstimator().fit(Surv.from_arrays(ended, followup.duration))
    inside = times[times < followup.duration.max()]
    assert_allclose(censoring_survival(followup)(inside), theirs.predict_proba(inside), atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_incidence_is_that_of_scikit_survival(seed: int) -> None:
    followup = tied_followup(seed)
    times, curves = cumulative_incidence_competing_risks(followup.cause.astype(int), followup.duration)
    assert_allclose(aalen_johansen(followup, times), curves[1:], atol=1e-12)


@pytest.mark.parametrize("horizon", [3.0, 4.5, 10.0])
def test_weighted_events_are_the_aalen_johansen_risk(horizon: float) -> None:
    rng = np.random.default_rng(7)
    followup, weights = tied_followup(7), rng.uniform(0, 3, 300)
    known = weights * censoring_weights(followup, horizon, weights)
    closed = close(followup, horizon)
    risks = [known[closed.cause == cause].sum() / weights.sum() for cause in (1, 2)]
    assert_allclose(risks, aalen_johansen(followup, [horizon], weights)[:, 0], rtol=1e-12)
    assert_allclose(known.sum(), weights.sum(), rtol=1e-12)


@at_most(100)
@given(FEW)
def test_a_weight_of_two_is_two_rows(rows: list[tuple[int, int, int]]) -> None:
    years, cause, weight = map(np.array, zip(*rows, strict=True))
    followup = follow(years, cause, 6)
    repeated = follow(np.repeat(years, weight), np.repeat(cause, weight), 6)
    weights = weight.astype(np.float64)
    times = [1.0, 3.0, 6.0]
    assert_allclose(aalen_johansen(followup, times, weights), aalen_johansen(repeated, times), atol=1e-12)
    assert_allclose(
        np.repeat(censoring_weights(followup, 4, weights), weight), censoring_weights(repeated, 4), atol=1e-12
    )

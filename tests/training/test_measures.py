"""A measure means what its textbook says, with censoring and competing death dealt with."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from sksurv.metrics import brier_score, concordance_index_ipcw, cumulative_dynamic_auc
from sksurv.util import Surv
from threadpoolctl import threadpool_limits

from features.outcome import FollowUp
from tests.conftest import at_most
from training import measures
from training.measures import (
    MEASURES,
    CalibrationSpline,
    Estimate,
    OutcomeAtHorizon,
    difference,
    estimate,
    measure,
    smallest_cell,
)
from training.measures.cells import FINE, Cells
from training.survival import Floats, aalen_johansen

HORIZON = 10.0


def follow(duration: object, cause: object, horizon: float = HORIZON) -> FollowUp:
    years = np.asarray(duration, dtype=np.float64)
    return FollowUp(years, np.asarray(cause, dtype=np.int8), np.zeros(len(years), dtype=np.int8), horizon)


def population(
    n: int, seed: int, *, death: float = 0.03, departure: float = 0.06
) -> tuple[Floats, FollowUp, np.ndarray]:
    """Simulate people whose true risk is known: constant hazards of event and death, departure apart."""
    rng = np.random.default_rng(seed)
    hazard = 0.02 * np.exp(rng.normal(0, 0.8, n))
    total = hazard + death
    truth = hazard / total * -np.expm1(-total * HORIZON)
    end = rng.exponential(1 / total)
    cause = np.where(rng.uniform(size=n) < hazard / total, 1, 2)
    left = rng.exponential(1 / departure, n) if departure else np.full(n, np.inf)
    duration = np.minimum(np.minimum(end, left), HORIZON)
    seen = np.where(end <= np.minimum(left, HORIZON), cause, 0)
    return truth, follow(duration, seen), rng.integers(0, 50, n)


def values(risk: Floats, followup: FollowUp, *names: str, thresholds: tuple[float, ...] = ()) -> list[float]:
    found = estimate(risk, followup, HORIZON, np.zeros(len(risk)), thresholds, measures=names)
    return [each.value for each in found]


@pytest.fixture
def prevalence_squared() -> Iterator[str]:
    @measure("prevalence_squared", "Fréquence au carré", "Squared frequency", better=None)
    def prevalence_squared(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> float:
        return float(outcome.event.sum() / weights.sum()) ** 2

    yield "prevalence_squared"
    del MEASURES["prevalence_squared"]


# --- Against independent sources ------------------------------------------------------------------


def test_without_censoring_measures_are_those_of_scikit_learn() -> None:
    risk, followup, _ = population(2000, 1, departure=0)
    risk = np.round(risk, 2) + 0.005  # ties
    event = followup.cause == 1
    found = values(risk, followup, "auc", "brier", "observed", "calibration_slope", "calibration_intercept")
    score = measures.logit(risk)
    slope = LogisticRegression(C=np.inf, tol=1e-10).fit(score[:, None], event).coef_[0, 0]
    assert_allclose(
        found[:4], [roc_auc_score(event, risk), brier_score_loss(event, risk), event.mean(), slope], rtol=1e-6
    )
    recalibrated = 1 / (1 + np.exp(-(score + found[4])))
    assert_allclose(recalibrated.mean(), event.mean(), rtol=1e-10)


def test_with_censoring_auc_and_brier_are_those_of_scikit_survival() -> None:
    risk, followup, _ = population(1500, 2, death=0.0)
    truth = Surv.from_arrays(followup.cause == 1, followup.duration)
    at = HORIZON - 1e-9  # nobody is under observation after the horizon, which scikit-survival needs
    theirs = cumulative_dynamic_auc(truth, truth, risk, [at])[0][0]
    _, error = brier_score(truth, truth, 1 - risk[:, None], [at])
    assert_allclose(values(risk, followup, "auc", "brier"), [theirs, error[0]], rtol=1e-8)


SIXTY = np.arange(1, 61)


def sixty() -> tuple[Floats, Floats, np.ndarray]:
    """Return sixty people without ties of time, for values computed elsewhere: risk, duration and cause."""
    duration = np.round((SIXTY * 37 % 61) / 6 + 0.05, 3)
    return np.round((SIXTY * 23 % 59) / 60, 4), duration, (SIXTY * SIXTY * 7 + SIXTY // 3) % 3


def test_concordance_is_that_of_hazardous_with_and_without_competing_events() -> None:
    # hazardous 0.2.0: concordance_index_incidence(y, risk, y_train=y, time_grid=[8], taus=[8])
    risk, duration, cause = sixty()
    for causes, published in ((cause, 0.62458877), (np.where(cause == 2, 0, cause), 0.74041249)):
        (found,) = estimate(risk, follow(duration, causes, 11.0), 8.0, np.zeros(60), measures=["uno_c"])
        assert_allclose(found.value, published, atol=5e-9)


def test_without_competing_events_concordance_is_that_of_scikit_survival() -> None:
    risk, followup, _ = population(1500, 2, death=0.0)
    risk = np.round(risk, 2) + 0.005  # ties
    truth = Surv.from_arrays(followup.cause == 1, followup.duration)
    theirs = concordance_index_ipcw(truth, truth, risk, tau=HORIZON - 1e-9)[0]
    assert_allclose(values(risk, followup, "uno_c"), [theirs], rtol=1e-9)


def slow_concordance(risk: Floats, closed: FollowUp) -> float:
    """Return Wolbers et al.'s formula, pair by pair."""
    duration, cause = closed.duration, closed.cause
    left = (cause == 0) & (duration < closed.horizon)

    def stays(time: float, *, through: bool) -> float:
        share = 1.0
        for each in np.unique(duration[left]):
            if each < time or (through and each == time):
                leaving = (left & (duration == each)).sum()
                share *= 1 - leaving / ((duration > each).sum() + leaving)
        return share

    won = all_pairs = 0.0
    for i in np.flatnonzero(cause == 1):
        before, through = (stays(duration[i], through=each) for each in (False, True))
        for j in range(len(risk)):
            if duration[j] > duration[i] or (duration[j] == duration[i] and cause[j] == 0):
                weight = 1 / (before * through) if through else 0.0
            elif cause[j] == 2:
                weight = 1 / (before * stays(duration[j], through=False))
            else:
                continue
            all_pairs += weight
            won += weight * ((risk[j] < risk[i]) + 0.5 * (risk[j] == risk[i]))
    return won / all_pairs if all_pairs else math.nan


def test_concordance_counts_every_pair_with_ties_of_time_and_risk() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        duration = rng.integers(1, 8, 40).astype(float)
        followup = follow(np.where(rng.random(40) < 0.3, HORIZON, duration), rng.integers(0, 3, 40))
        followup = follow(followup.duration, np.where(followup.duration == HORIZON, 0, followup.cause))
        risk = rng.integers(1, 9, 40) / 10
        assert_allclose(values(risk, followup, "uno_c"), [slow_concordance(risk, followup)], rtol=1e-10)


def test_concordance_does_not_depend_on_who_leaves() -> None:
    found = []
    for departure in (0.0, 0.1):
        risk, followup, _ = population(60_000, 3, departure=departure)
        found += values(risk, followup, "uno_c")
    assert_allclose(found[0], found[1], atol=0.012)


def test_interventions_avoided_are_those_of_dcurves() -> None:
    # dcurves 1.1.7: dca(data, outcome="y", modelnames=["r"], thresholds=[.1, .2, .4])
    risk, _, cause = sixty()
    followup = follow(np.full(60, HORIZON), cause == 1)
    found = values(
        risk, followup, "net_benefit", "net_benefit_all", "interventions_avoided", thresholds=(0.1, 0.2, 0.4)
    )
    assert_allclose(found[:3], [0.288889, 0.195833, -0.027778], atol=5e-7)
    assert_allclose(found[3:6], [0.277778, 0.187500, -0.083333], atol=5e-7)
    assert_allclose(found[6:], [10.0, 3.33333, 8.33333], atol=5e-5)


def test_auc_counts_every_pair() -> None:
    risk, followup, _ = population(150, 3)
    risk = np.round(risk, 1)
    outcome = OutcomeAtHorizon.of(followup, HORIZON)
    wins = (risk[:, None] > risk[None]) + 0.5 * (risk[:, None] == risk[None])
    pairs = outcome.event[:, None] * outcome.event_free[None]
    assert_allclose(values(risk, followup, "auc"), [(wins * pairs).sum() / pairs.sum()], rtol=1e-12)


def test_observed_is_aalen_johansen_not_kaplan_meier() -> None:
    risk, followup, _ = population(3000, 4)
    (found,) = values(risk, followup, "observed")
    assert_allclose(found, aalen_johansen(followup, [HORIZON])[0, 0], rtol=1e-12)
    as_if_immortal = follow(followup.duration, np.where(followup.cause == 2, 0, followup.cause))
    assert aalen_johansen(as_if_immortal, [HORIZON])[0, 0] > 1.1 * found


def test_a_case_worked_by_hand() -> None:
    #                         event  dies  leaves  event  well  well
    followup = follow(np.array([2.0, 3.0, 4.0, 6.0, 10.0, 10.0]), [1, 2, 0, 1, 0, 0])
    risk = np.array([0.4, 0.1, 0.2, 0.2, 0.2, 0.1])
    # one of the four still there at 4 leaves: what is seen after weighs 4/3
    names = ("observed", "predicted", "auc", "brier")
    auc = (1 * (1 + 4 / 3 + 4 / 3) + 4 / 3 * (1 + 4 / 3 / 2 + 4 / 3)) / ((1 + 4 / 3) * (1 + 8 / 3))
    brier = (0.6**2 + 0.1**2 + 4 / 3 * (0.8**2 + 0.2**2 + 0.1**2)) / 6
    assert_allclose(values(risk, followup, *names), [7 / 18, 0.2, auc, brier])
    at = ("net_benefit", "flagged", "sensitivity", "specificity", "ppv")
    assert_allclose(
        values(risk, followup, *at, thresholds=(0.2,)),
        [(7 / 3 - 4 / 3 * 0.25) / 6, 4 / 6, 1.0, (7 / 3) / (11 / 3), (7 / 3) / (11 / 3)],
    )


def test_nobody_flagged() -> None:
    risk, followup, _ = population(200, 5)
    found = values(risk, followup, "net_benefit", "flagged", "sensitivity", "ppv", thresholds=(0.99,))
    assert found[:3] == [0.0, 0.0, 0.0]
    assert math.isnan(found[3])


def test_a_measure_that_divides_by_zero_has_no_value() -> None:
    nobody_ill, nobody_at_risk = follow(np.full(30, 10.0), np.zeros(30)), np.zeros(30)
    names = ("observed", "predicted", "observed_expected", "auc", "ipa", "calibration_slope")
    found = values(nobody_at_risk, nobody_ill, *names)
    assert found[:2] == [0, 0]
    assert np.isnan(found[2:]).all()


def test_ipa_has_no_value_when_everybody_falls_ill_despite_rounding() -> None:
    # One of three leaves at 1: the others weigh 1.5, and 1 - (1.5 + 1.5) / 3 need not be exactly 0.
    for leavers in (1, 2, 3, 5, 6):
        many = leavers + 4
        followup = follow(np.where(np.arange(many) < leavers, 1.0, 2.0), np.arange(many) >= leavers)
        assert np.isnan(values(np.full(many, 0.05), followup, "ipa")).all()


# --- Where the truth is known ---------------------------------------------------------------------


def test_the_true_risk_is_found_calibrated_despite_departures_and_deaths() -> None:
    names = ("observed_expected", "calibration_intercept", "calibration_slope")
    found = []
    for seed in range(12):
        truth, followup, _ = population(8000, seed, departure=0.12)
        assert (followup.cause == 0).mean() > 0.6
        found.append(values(truth, followup, *names))
    error = np.std(found, axis=0, ddof=1) / math.sqrt(len(found))
    assert (error < 0.02).all()
    assert (np.abs(np.mean(found, axis=0) - [1, 0, 1]) < 3 * error).all()


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    held = 0
    for seed in range(40):
        truth, followup, practice = population(1000, seed, departure=0.1)
        (found,) = estimate(truth, followup, HORIZON, practice, resamples=100, measures=["observed_expected"])
        held += found.low < 1 < found.high
    assert held >= 34


@pytest.mark.parametrize(("naive", "low", "high"), [("drop", 1.2, 9.0), ("count as healthy", 0.0, 0.75)])
def test_the_naive_ways_fail_on_the_same_people(naive: str, low: float, high: float) -> None:
    truth, followup, _ = population(20_000, 6, departure=0.12)
    lost = (followup.cause == 0) & (followup.duration < HORIZON)
    kept = ~lost if naive == "drop" else np.ones(len(truth), dtype=bool)
    wrong = follow(np.where(lost, HORIZON, followup.duration), followup.cause)
    (ratio,) = values(truth[kept], wrong[kept], "observed_expected")
    assert low < ratio < high


def test_overfitting_shows_in_the_slope_and_bias_in_the_intercept() -> None:
    truth, followup, _ = population(20_000, 8)
    score = measures.logit(truth)
    extreme = 1 / (1 + np.exp(-(2 * score - score.mean())))
    halved = 1 / (1 + np.exp(-(score - 1)))
    assert_allclose(values(extreme, followup, "calibration_slope"), 0.5, atol=0.05)
    assert_allclose(values(halved, followup, "calibration_intercept", "calibration_slope"), 1, atol=0.12)


def test_a_wildly_wrong_model_still_has_an_intercept() -> None:
    _, followup, _ = population(500, 9, departure=0)
    same = np.full(500, 1e-6)
    found, slope = values(same, followup, "calibration_intercept", "calibration_slope")
    assert math.isnan(slope)  # everybody has the same risk
    share = (followup.cause == 1).mean()
    assert_allclose(found, measures.logit(np.array([share])) - measures.logit(np.array([1e-6])), rtol=1e-6)


def test_interval_is_as_wide_as_theory_says() -> None:
    risk, followup, _ = population(1000, 10, departure=0)
    (found,) = estimate(risk, followup, HORIZON, np.arange(1000), resamples=600, measures=["observed"])
    standard_error = math.sqrt(found.value * (1 - found.value) / 1000)
    assert_allclose(found.high - found.low, 2 * 1.96 * standard_error, rtol=0.12)


@pytest.mark.slow
def test_putting_rows_into_cells_moves_no_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    risk, followup, practice = population(12_000, 33, departure=0.08)
    where = (risk, followup, HORIZON, practice, (0.05, 0.1))
    coarse = estimate(*where, resamples=40)
    monkeypatch.setattr("training.measures.cells.EXACT", len(risk))
    for one, other in zip(coarse, estimate(*where, resamples=40), strict=True):
        assert one.value == other.value
        width = other.high - other.low
        assert_allclose([one.low, one.high], [other.low, other.high], atol=0.02 * width, err_msg=one.measure)


def test_cells_keep_everybody_on_their_side_of_a_threshold() -> None:
    risk = np.sort(np.round(np.random.default_rng(1).beta(1, 8, 9000), 3))
    followup = follow(np.full(9000, HORIZON), np.arange(9000) % 7 == 0)
    cells = Cells.of(risk, followup, np.zeros(9000, dtype=np.intp), 1, (0.05, 0.1), FINE)
    everybody = cells.everybody()
    assert not cells.exact
    assert everybody.sum() == 9000
    for threshold in (0.05, 0.1):
        assert everybody[cells.rows() >= threshold].sum() == (risk >= threshold).sum()
    assert (np.diff(cells.risk) > 0).all()


def test_people_of_one_practice_are_not_independent() -> None:
    rng = np.random.default_rng(11)
    practice = np.repeat(np.arange(40), 50)
    event = rng.uniform(size=2000) < np.repeat(rng.beta(1, 4, 40), 50)
    followup, risk = follow(np.full(2000, 10.0), event), np.full(2000, 0.2)
    width = {}
    for name, cluster in (("practice", practice), ("person", np.arange(2000))):
        (found,) = estimate(risk, followup, HORIZON, cluster, measures=["observed"])
        width[name] = found.high - found.low
    assert width["practice"] > 2 * width["person"]


# --- Smooth calibration ---------------------------------------------------------------------------


DISTANCES = ("ici", "e50", "e90")


def expit(score: Floats) -> Floats:
    return 1 / (1 + np.exp(-score))


def test_distances_of_the_truth_are_near_nothing() -> None:
    found = []
    for seed in range(4):
        truth, followup, _ = population(20_000, seed, departure=0.12)
        assert (followup.cause == 0).mean() > 0.6
        found.append(values(truth, followup, *DISTANCES))
    assert (np.mean(found, axis=0) < [0.010, 0.008, 0.020]).all()
    few = values(*population(500, 0, departure=0.12)[:2], *DISTANCES)
    assert (np.array(few) > np.mean(found, axis=0)).all()  # chance alone makes a distance


def test_distances_of_a_shifted_logit_are_those_of_the_formula() -> None:
    truth, followup, _ = population(40_000, 21)
    risk = expit(measures.logit(truth) - 0.7)
    distance = np.abs(risk - truth)
    wanted = [distance.mean(), np.quantile(distance, 0.5), np.quantile(distance, 0.9)]
    assert_allclose(values(risk, followup, *DISTANCES), wanted, rtol=0.06)


def test_the_smooth_curve_bends() -> None:
    truth, followup, _ = population(40_000, 22)
    risk = np.where(truth < 0.15, truth / 2, truth - 0.075)
    outcome = OutcomeAtHorizon.of(followup, HORIZON)
    curve = CalibrationSpline.fit(risk, outcome, np.ones(len(risk)))
    assert curve is not None
    at = np.array([0.03, 0.06, 0.1, 0.2, 0.3])
    assert_allclose(curve(at), np.where(at < 0.075, at * 2, at + 0.075), rtol=0.1)


def test_one_distance_asks_for_no_more_than_one_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    fits = []
    fit = CalibrationSpline.fit.__func__  # type: ignore[attr-defined]
    monkeypatch.setattr(CalibrationSpline, "fit", classmethod(lambda cls, *of: fits.append(1) or fit(cls, *of)))
    risk, followup, practice = population(500, 23)
    together = estimate(risk, followup, HORIZON, practice, resamples=5, measures=DISTANCES)
    assert len(fits) == 1  # of all rows: replicates are fitted together
    apart = [estimate(risk, followup, HORIZON, practice, resamples=5, measures=[name])[0] for name in DISTANCES]
    assert together == apart
    outcome, ones = OutcomeAtHorizon.of(followup, HORIZON), np.ones(500)
    assert measures.ici(risk, outcome, ones) != measures.ici(risk / 2, outcome, ones)


def test_distances_do_not_depend_on_row_order() -> None:
    risk, followup, cluster = population(600, 24)
    order = np.random.default_rng(24).permutation(600)
    one, other = (
        estimate(risk[rows], followup[rows], HORIZON, cluster[rows], resamples=5, measures=DISTANCES)
        for rows in (np.arange(600), order)
    )
    assert [repr(each) for each in one] == [repr(each) for each in other]
    outcome, ones = OutcomeAtHorizon.of(followup[order], HORIZON), np.ones(600)
    assert_allclose(measures.ici(risk[order], outcome, ones), one[0].value, rtol=1e-8)


@pytest.mark.parametrize("distinct", [1, 2, 3, 4, 7])
def test_a_few_distinct_risks_have_a_curve_too(distinct: int) -> None:
    truth, followup, _ = population(4000, 25)
    risk = np.quantile(truth, (np.arange(4000) % distinct + 0.5) / distinct)
    observed = [values(risk[at], followup[at], "observed")[0] for at in (risk == level for level in np.unique(risk))]
    wanted = np.abs(np.unique(risk) - observed)
    found = values(risk, followup, *DISTANCES)
    # Censoring is estimated in everybody, not within each level, hence the tolerance.
    assert_allclose(found[0], wanted.mean(), atol=0.02 if distinct > 4 else 0.01)
    assert found[1] <= found[2] <= wanted.max() + 0.03


def test_quantiles_are_those_of_repeated_rows() -> None:
    rng = np.random.default_rng(26)
    row, weight = rng.integers(0, 9, 30) / 10, rng.integers(0, 4, 30)
    shares = (0.05, 0.25, 0.5, 0.9, 1.0)
    repeated = np.quantile(np.repeat(row, weight), shares, method="inverted_cdf")
    assert_allclose(measures.quantiles(row, weight.astype(np.float64), shares), repeated)


# --- Invariants -----------------------------------------------------------------------------------


@st.composite
def cases(draw: st.DrawFn) -> tuple[Floats, FollowUp, np.ndarray]:
    rows = draw(
        st.lists(
            st.tuples(st.integers(1, 19), st.integers(1, 10), st.integers(0, 2), st.integers(0, 3)),
            min_size=2,
            max_size=30,
        )
    )
    percent, years, cause, weight = map(np.array, zip(*rows, strict=True))
    return percent / 20, follow(years, cause), weight


def everything(risk: Floats, followup: FollowUp, weights: Floats) -> list[float]:
    outcome = OutcomeAtHorizon.of(followup, HORIZON, weights)
    return [
        measures.point_value(column, risk, outcome, weights)
        for column in measures.columns_of(None, (0.1, 0.5))
        if column[0].name not in {"calibration_intercept", "calibration_slope", "ici", "e50", "e90"}
    ]


@at_most(60)
@given(cases())
def test_a_weight_of_two_is_two_rows(case: tuple[Floats, FollowUp, np.ndarray]) -> None:
    risk, followup, weight = case
    rows = np.repeat(np.arange(len(risk)), weight)
    if len(rows):
        assert_allclose(
            everything(risk, followup, weight.astype(np.float64)),
            everything(risk[rows], followup[rows], np.ones(len(rows))),
            rtol=1e-9,
            atol=1e-12,
        )


def test_a_weight_of_two_is_two_rows_for_calibration_too() -> None:
    risk, followup, _ = population(400, 12)
    weight = np.random.default_rng(12).integers(0, 3, 400)
    rows = np.repeat(np.arange(400), weight)
    once = OutcomeAtHorizon.of(followup, HORIZON, weight.astype(np.float64))
    twice = OutcomeAtHorizon.of(followup[rows], HORIZON)
    for function in (
        measures.calibration_intercept,
        measures.calibration_slope,
        measures.ici,
        measures.e50,
        measures.e90,
    ):
        assert_allclose(
            function(risk, once, weight.astype(np.float64)),
            function(risk[rows], twice, np.ones(len(rows))),
            rtol=1e-8,
        )


@at_most(25)
@given(cases(), st.randoms(use_true_random=False))
def test_row_order_changes_nothing(case: tuple[Floats, FollowUp, np.ndarray], random: object) -> None:
    risk, followup, cluster = case
    order = np.array(random.sample(range(len(risk)), len(risk)))  # type: ignore[attr-defined]
    options = {"thresholds": (0.1, 0.5), "resamples": 5}
    one = estimate(risk, followup, HORIZON, cluster, **options)
    other = estimate(risk[order], followup[order], HORIZON, cluster[order], **options)
    assert [repr(each) for each in one] == [repr(each) for each in other]


def test_the_number_of_threads_changes_nothing() -> None:
    risk, followup, practice = population(20_000, 31)
    found = set()
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.add(repr(estimate(risk, followup, HORIZON, practice, (0.1,), resamples=2)))
    assert len(found) == 1


@at_most(60)
@given(cases(), st.sampled_from([np.sqrt, np.square, lambda risk: risk / 3]))
def test_auc_depends_on_ranks_only(case: tuple[Floats, FollowUp, np.ndarray], bend: object) -> None:
    risk, followup, _ = case
    assert_allclose(values(risk, followup, "auc"), values(bend(risk), followup, "auc"), rtol=1e-12)  # type: ignore[operator]


@at_most(60)
@given(cases(), st.floats(0.01, 0.99))
def test_net_benefit_of_treating_all(case: tuple[Floats, FollowUp, np.ndarray], threshold: float) -> None:
    risk, followup, _ = case
    names = ("net_benefit", "net_benefit_all", "observed")
    _, treat_all, observed = values(risk, followup, *names, thresholds=(threshold,))
    assert_allclose(treat_all, observed - (1 - observed) * threshold / (1 - threshold), atol=1e-9)
    flagged = values(np.ones_like(risk), followup, "net_benefit", thresholds=(threshold,))
    assert_allclose(flagged, treat_all, atol=1e-9)


# --- Estimates ------------------------------------------------------------------------------------


def test_an_estimate_says_what_it_rests_on() -> None:
    risk, followup, practice = population(500, 13)
    found = estimate(risk, followup, HORIZON, practice, (0.1, 0.2), resamples=20)
    assert [each.measure for each in found if each.threshold is None] == [
        name for name, one in MEASURES.items() if not one.at_threshold
    ]
    assert [each.threshold for each in found if each.measure == "ppv"] == [0.1, 0.2]
    for each in found:
        assert (each.n, each.events) == (500, (followup.cause == 1).sum())
        assert each.low <= each.value <= each.high or each.measure in {"ipa", "brier", *DISTANCES}
    assert found == estimate(risk, followup, HORIZON, practice, (0.1, 0.2), resamples=20)
    assert found != estimate(risk, followup, HORIZON, practice, (0.1, 0.2), resamples=20, seed=1)


def test_a_shorter_horizon_than_the_follow_up() -> None:
    risk, followup, practice = population(2000, 14)
    (found,) = estimate(risk, followup, 4.0, practice, resamples=5, measures=["observed"])
    assert_allclose(found.value, aalen_johansen(followup, [4.0])[0, 0])
    assert found.events == ((followup.cause == 1) & (followup.duration <= 4)).sum()


def test_all_faults_are_told_at_once() -> None:
    risk, followup, practice = population(20, 15)
    risk[0], risk[1] = np.nan, 1.5
    with pytest.raises(ValueError, match=r"clusters has 19 rows.*1 of 20 risks are NaN.*1 of 20 .* outside"):
        estimate(risk, followup, HORIZON, practice[:19])
    with pytest.raises(ValueError, match=r"unknown measure 'accuracy'.*threshold 1"):
        estimate(risk[2:], followup[np.arange(2, 20)], HORIZON, practice[2:], (1,), measures=["accuracy"])
    with pytest.raises(ValueError, match="no rows"):
        estimate(risk[:0], followup[np.arange(0)], HORIZON, practice[:0])
    with pytest.raises(ValueError, match="at most 10"):
        estimate(risk[2:], followup[np.arange(2, 20)], 11.0, practice[2:])


def test_no_interval_when_replicates_fail() -> None:
    risk, practice = np.linspace(0.1, 0.9, 50), np.repeat(np.arange(5), 10)
    followup = follow(np.full(50, 10.0), np.where(practice == 0, np.arange(50) % 2, 0))
    by_name = {each.measure: each for each in estimate(risk, followup, HORIZON, practice, measures=("auc", "observed"))}
    assert math.isfinite(by_name["auc"].value)
    assert math.isnan(by_name["auc"].low)
    assert math.isfinite(by_name["observed"].low)
    (alone,) = estimate(risk, followup, HORIZON, np.zeros(50), measures=["observed"])
    assert math.isfinite(alone.value)
    assert math.isnan(alone.high)


def test_no_value_when_nobody_reaches_the_horizon() -> None:
    followup = follow(np.arange(1, 9), [1, 0, 2, 1, 0, 1, 1, 0])
    by_name = {
        each.measure: each for each in estimate(np.linspace(0.1, 0.8, 8), followup, HORIZON, np.arange(8), (0.5,))
    }
    assert {name for name, each in by_name.items() if math.isfinite(each.value)} == {"predicted", "flagged"}


def test_difference_is_paired() -> None:
    truth, followup, practice = population(3000, 16)
    noisy = np.clip(truth * np.exp(np.random.default_rng(0).normal(0, 0.3, 3000)), 0.001, 0.999)
    assert {
        (each.value, each.low, each.high)
        for each in difference(truth, truth, followup, HORIZON, practice, (0.1,), resamples=10)
    } == {(0.0, 0.0, 0.0)}
    (better,) = difference(truth, noisy, followup, HORIZON, practice, measures=["auc"])
    one, other = (estimate(risk, followup, HORIZON, practice, measures=["auc"])[0] for risk in (truth, noisy))
    assert_allclose(better.value, one.value - other.value)
    assert better.low > 0
    assert better.high - better.low < 0.7 * (one.high - one.low)


def test_adding_a_measure_is_one_function(prevalence_squared: str) -> None:
    risk, followup, practice = population(300, 17)
    by_name = {each.measure: each for each in estimate(risk, followup, HORIZON, practice, resamples=10)}
    assert_allclose(by_name[prevalence_squared].value, by_name["observed"].value ** 2)


def test_a_measure_has_its_own_name_and_a_target_to_be_near() -> None:
    with pytest.raises(ValueError, match="already called 'auc'"):
        measure("auc", "AUC", "AUC")
    with pytest.raises(ValueError, match="give target="):
        measure("other", "Autre", "Other", better="target")


# --- Small counts --------------------------------------------------------------------------------


def test_a_value_that_would_tell_a_small_count_is_masked() -> None:
    estimate_of_few = Estimate("ppv", 0.5, 0.4, 0.6, 200, 30, 0.1)
    assert estimate_of_few.suppressed(11) == estimate_of_few
    assert math.isnan(estimate_of_few.suppressed(10).value)
    assert Estimate("auc", 0.5, 0.4, 0.6, 200, 4).suppressed(4).events is None


def test_the_smallest_group_behind_a_measure() -> None:
    event = np.concatenate([np.ones(30), np.zeros(70)])
    risk = np.concatenate([np.full(27, 0.3), np.full(3, 0.1), np.full(20, 0.3), np.full(50, 0.1)])
    followup = follow(np.full(100, 10.0), event)

    def cell(name: str, threshold: float | None = None, **options: bool) -> int:
        return smallest_cell(risk, followup, HORIZON, (MEASURES[name], threshold), **options)

    assert (cell("predicted"), cell("auc"), cell("flagged", 0.2)) == (100, 30, 47)
    assert cell("sensitivity", 0.2) == cell("net_benefit", 0.2) == 3
    assert cell("net_benefit", 0.2, crossed=False) == 30
    assert cell("net_benefit", 0.9, crossed=False) == 0

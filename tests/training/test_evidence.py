"""What evidence holds beside the measures: reclassification, sample size, stability, learning, other ways, ranking."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Self

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from features.outcome import FollowUp
from tests.training.test_measures import HORIZON, follow, population
from training.measures import Estimate, Resampling, difference, estimate, interval
from training.models import Floats, RiskModel
from training.splits import InternalExternal
from training.survival import aalen_johansen, censoring_weights
from training.validate import (
    Evidence,
    Fewer,
    Robustness,
    Rule,
    across_folds,
    development_needs,
    learning_curve,
    reclassification,
    stability,
    validate,
    validation_needs,
)
from training.validate.sample_size import auc_error, expected_shrinkage, largest_r2, precision
from training.values import Bilingual

# --- Reclassification -----------------------------------------------------------------------------


def test_without_censoring_reclassification_is_a_count() -> None:
    truth, followup, practice = population(4000, 1, departure=0)
    other = np.clip(truth * np.exp(np.random.default_rng(0).normal(0, 0.5, 4000)), 0.001, 0.999)
    found = reclassification(truth, other, followup, HORIZON, practice, (0.2, 0.1), resamples=20)
    assert found.thresholds == (0.1, 0.2)
    event = followup.cause == 1
    table = pd.crosstab(np.digitize(other[event], [0.1, 0.2]), np.digitize(truth[event], [0.1, 0.2]))
    for move in found.with_event:
        count = table.loc[move.before, move.after]
        assert move.n in (count, None)
        if move.n is not None:
            assert_allclose(move.share.value, count / event.sum())
            assert move.share.low < move.share.value < move.share.high
    assert any(move.n for move in found.with_event)
    up, down = np.triu(table, 1).sum(), np.tril(table, -1).sum()
    assert_allclose(found.net_with_event.value, (up - down) / event.sum())
    free = ~event
    moved = np.digitize(other[free], [0.1, 0.2]) - np.digitize(truth[free], [0.1, 0.2])
    assert_allclose(found.net_without_event.value, ((moved > 0).sum() - (moved < 0).sum()) / free.sum())


def test_those_lost_are_weighted_in_a_reclassification() -> None:
    truth, followup, practice = population(20_000, 2, departure=0.12)
    other = np.full(20_000, 0.15)
    found = reclassification(truth, other, followup, HORIZON, practice, (0.2,), resamples=2)
    weights = censoring_weights(followup, HORIZON)
    event = followup.cause == 1
    high = next(move for move in found.with_event if (move.before, move.after) == (0, 1))
    assert_allclose(high.share.value, weights[event & (truth >= 0.2)].sum() / weights[event].sum())
    flagged, everybody = (truth[truth >= 0.2].sum(), truth.sum())
    assert_allclose(high.share.value, flagged / everybody, atol=0.02)


def test_few_people_moved_are_not_told() -> None:
    risk = np.r_[np.full(6, 0.3), np.full(494, 0.1)]
    event = np.arange(500) % 3 == 0
    found = reclassification(
        risk, np.full(500, 0.1), follow(np.full(500, 10.0), event), HORIZON, np.arange(500) % 20, (0.2,), resamples=5
    )
    moved = [move for move in found.with_event if move.after == 1 and move.before == 0]
    assert [move.n for move in moved] == [None]
    assert math.isnan(moved[0].share.value)
    stayed = next(move for move in found.with_event if move.after == 0 and move.before == 0)
    assert stayed.n is None  # the total is told elsewhere
    assert math.isnan(found.net_with_event.value)


# --- Sample size ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("r2", "predictors", "rate", "shrinkage", "optimism"),
    # Riley et al.'s worked example (recurrent venous thromboembolism), and variants pmsampsize tests itself with.
    [
        (0.051, 25, 0.065, 4286, 866),
        (0.065, 25, 0.065, 3335, 859),
        (0.051, 50, 0.065, 8572, 1731),
        (0.051, 25, 0.1, 4286, 731),
    ],
)
def test_people_needed_to_develop_are_those_of_pmsampsize(
    r2: float, predictors: int, rate: float, shrinkage: int, optimism: int
) -> None:
    years = 2.07
    rounded = math.ceil(rate * years * 10_000) / 10_000 / years  # it takes whole events in 10,000 people
    found = development_needs(predictors, r2, rounded, years, 2.0)
    assert (found["shrinkage"], found["optimism"]) == (shrinkage, optimism)
    exact = development_needs(predictors, r2, rate, years, 2.0)
    assert exact["shrinkage"] == shrinkage
    assert abs(exact["optimism"] - optimism) <= 1
    if (r2, rate) == (0.051, 0.065):
        assert_allclose(found["shrinkage"] * rate * years / predictors, 23.07, atol=0.005)  # events a parameter


def test_the_overall_risk_is_precise_with_as_many_people_as_said() -> None:
    rate, years, horizon = 0.065, 2.07, 2.0
    needed = development_needs(25, 0.051, rate, years, horizon)["overall_risk"]
    for people, within in ((needed, True), (needed - 1, False)):
        error = 1.959964 * math.sqrt(rate / (people * years))
        bounds = [1 - math.exp(-(rate + sign * error) * horizon) for sign in (-1, 1)]
        risk = 1 - math.exp(-rate * horizon)
        assert (max(abs(bound - risk) for bound in bounds) <= 0.05) == within


def test_expected_shrinkage_turns_the_criterion_around() -> None:
    r2 = 0.15 * largest_r2(0.02, 8.0)
    for people in (500, 5000, 50_000):
        shrinkage = expected_shrinkage(people, 30, r2)
        assert_allclose(30 / ((shrinkage - 1) * math.log(1 - r2 / shrinkage)), people, rtol=1e-6)
    needed = development_needs(30, r2, 0.02, 8.0, 10.0)["shrinkage"]
    assert_allclose(expected_shrinkage(needed, 30, r2), 0.9, atol=1e-3)


def test_rows_needed_to_validate_are_those_of_pmvalsampsize(monkeypatch: pytest.MonkeyPatch) -> None:
    # pmvalsampsize(type="b", prevalence=0.018, cstatistic=0.8, lpnormal=c(-5, 2.5), oeciwidth=1): 905, 4252 and, from a
    # simulated linear predictor, 4501 in R and 4544 in Python for the slope.
    monkeypatch.setattr(
        "training.validate.sample_size.WIDTHS", {"observed_expected": 1.0, "calibration_slope": 0.2, "auc": 0.1}
    )
    normal = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000, -5, 2.5)
    found = validation_needs(1 / (1 + np.exp(-normal)), 0.018, 0.8)
    assert found["auc"] == 4252
    # It looks for the standard error in steps of 0.0001, and stops one step too wide.
    assert math.ceil(0.982 / (0.018 * 0.2456**2)) == 905
    assert found["observed_expected"] == 906
    assert 4400 < (found["calibration_slope"] or 0) < 4650


def test_the_error_of_an_auc_is_about_what_a_bootstrap_finds() -> None:
    truth, followup, _ = population(2000, 3, departure=0)
    (found,) = estimate(truth, followup, HORIZON, np.arange(2000), resamples=300, measures=["auc"])
    share = (followup.cause == 1).mean()
    assert_allclose(auc_error(found.value, share, 2000), (found.high - found.low) / 3.92, rtol=0.12)


def test_precision_is_judged_on_the_true_interval() -> None:
    wide = Estimate("auc", 0.7, 0.6, 0.8, 500, 50)
    estimates = {
        "auc": wide,
        "observed_expected": Estimate("observed_expected", 1.0, 0.95, 1.05, 500, 50),
        "calibration_slope": Estimate("calibration_slope", math.nan, math.nan, math.nan, 500, 50),
    }
    found = {each.measure: each for each in precision(estimates, np.linspace(0.01, 0.3, 500), 0.1)}
    assert [found[name].enough for name in ("auc", "observed_expected", "calibration_slope")] == [False, True, None]


# --- Heterogeneity --------------------------------------------------------------------------------


def test_random_effects_are_those_metafor_publishes() -> None:
    # The 13 trials of BCG (Colditz et al. 1994): events and others, vaccinated then not; log risk ratios.
    table = np.array(
        [
            (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619), (33, 5036, 47, 5761),
            (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892), (29, 7470, 45, 7232),
            (17, 1699, 65, 1600), (186, 50448, 141, 27197), (5, 2493, 3, 2338), (27, 16886, 29, 17825),
        ]
    ).T  # fmt: skip
    a, b, c, d = table
    centre = np.log(a / (a + b) / (c / (c + d)))
    error = np.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))
    half = stats.norm.ppf(0.975) * error
    bounds = np.exp(np.stack([centre, centre - half, centre + half], axis=1))
    found = across_folds([Estimate("observed_expected", *map(float, row), 500, 100) for row in bounds])
    # rma(yi, vi, method="DL", test="knha"): tau² 0.3088, estimate -0.7141, se 0.1807, interval -1.1078 to -0.3204.
    assert_allclose(found.tau**2, 0.3088, atol=5e-5)
    assert_allclose(np.log([found.pooled, found.low, found.high]), [-0.7141, -1.1078, -0.3204], atol=6e-5)
    reach = 2.200985 * math.sqrt(0.3088 + 0.1807**2)  # t with 11 degrees of freedom
    assert_allclose(np.log([found.expected_low, found.expected_high]), [-0.7141 - reach, -0.7141 + reach], atol=5e-4)


def test_a_slope_is_pooled_as_it_is() -> None:
    folds = [Estimate("calibration_slope", c, c - 0.196, c + 0.196, 500, 100) for c in (0.7, 1.0, 1.3)]
    found = across_folds(folds)
    assert_allclose([found.pooled, found.tau], [1, math.sqrt(0.08)], rtol=1e-3)


# --- Robustness -----------------------------------------------------------------------------------


class Share(RiskModel):
    """Everybody has the risk observed in the training rows of their kind."""

    name = "share"
    title = Bilingual.same("Share")

    def fit(self, X: pd.DataFrame, followup: FollowUp) -> Self:
        self.shares = {
            bool(high): float(aalen_johansen(followup[(X["x"] > 0).to_numpy() == high], [HORIZON])[0, 0])
            for high in (False, True)
        }
        return self

    def incidence(self, X: pd.DataFrame, times: Sequence[float]) -> Floats:
        risk = np.where(X["x"] > 0, self.shares[True], self.shares[False])[:, None] * np.ones(len(times))
        return np.stack([1 - risk, risk, 0 * risk], axis=1)


class Fixed(Share):
    """Nothing to fit."""

    name = "fixed"

    def fit(self, X: pd.DataFrame, followup: FollowUp) -> Self:
        self.shares = {False: 0.1, True: 0.2}
        return self


Data = tuple[pd.DataFrame, FollowUp, pd.DataFrame]


@pytest.fixture(scope="module")
def data() -> Data:
    truth, followup, practice = population(3000, 4, departure=0.03)
    X = pd.DataFrame({"x": np.where(truth > np.median(truth), 1.0, -1.0)})
    regions = np.array(["Nord", "Sud", "Est", "Ouest"])[practice % 4]
    day = pd.Timestamp("2010-01-01") + pd.to_timedelta(np.arange(3000), unit="D")
    index = pd.DataFrame({"patient": np.arange(3000), "practice": practice, "region": regions, "as_of": day})
    return X, followup, index


def test_what_is_not_fitted_is_stable(data: Data) -> None:
    X, followup, index = data
    found = stability(Fixed(), X, followup, HORIZON, index["practice"], (0.15,), refits=3)
    assert (found.difference.value, found.changed[0].value) == (0.0, 0.0)


def test_stability_is_that_of_refits_on_whole_practices(data: Data) -> None:
    X, followup, index = data
    practice = index["practice"].to_numpy()
    found = stability(Share(), X, followup, HORIZON, practice, (0.2,), refits=40, seed=1)
    again = stability(Share(), X, followup, HORIZON, practice, (0.2,), refits=40, seed=1)
    assert repr(found) == repr(again)
    # The same spread, from the frequency-weighted bootstrap of the share itself.
    high = (X["x"] > 0).to_numpy()
    draws = Resampling.of(practice, 400, 0).counts
    share = [
        aalen_johansen(followup[rows], [HORIZON], draw[practice[rows]].astype(float))[0, 0]
        for draw in draws
        for rows in (high, ~high)
    ]
    spread = np.abs(np.array(share).reshape(-1, 2) - np.mean(np.array(share).reshape(-1, 2), axis=0)).mean()
    assert_allclose(found.difference.value, spread, rtol=0.25)
    assert sum(group.n for group in found.groups) == 3000
    assert all(group.n >= 220 for group in found.groups)


def test_more_practices_are_the_same_and_others(data: Data) -> None:
    _, _, index = data
    splits = InternalExternal("practice", 3)
    few, many = (list(Fewer(splits, "practice", size, 5).split(index)) for size in (4, 9))
    for (_, small, test), (_, large, _) in zip(few, many, strict=True):
        practices = [set(index["practice"].iloc[rows]) for rows in (small, large, test)]
        assert (len(practices[0]), len(practices[1])) == (4, 9)
        assert practices[0] < practices[1]
        assert not practices[1] & practices[2]
    with pytest.raises(ValueError, match="learn from, not 45"):
        list(Fewer(splits, "practice", 45).split(index))


def test_a_learning_curve_ends_where_everything_is_learned_from(data: Data) -> None:
    X, followup, index = data
    splits = InternalExternal("practice", 2)
    found = learning_curve(
        Share(), X, followup, index, splits, HORIZON, (25, 3, 900), resamples=10
    )  # nobody has 900 to learn from
    assert [point.clusters for point in found.points] == [3, 25]
    ratio = [next(e.value for e in point.estimates if e.measure == "observed_expected") for point in found.points]
    assert abs(ratio[1] - 1) < abs(ratio[0] - 1) + 0.05
    whole, _ = validate("s", [Share()], X, followup, index, splits, HORIZON, resamples=10)
    assert [e.value for e in whole.models[0].estimates if e.measure == "auc"] == [
        e.value for e in found.points[-1].estimates if e.measure == "auc"
    ]


def test_impossible_robustness_is_refused(data: Data) -> None:
    with pytest.raises(ValueError, match=r"1 refits.*at least 1 practice"):
        Robustness(("share",), 1, (0,))
    with pytest.raises(ValueError, match="robustness names 'other'"):
        validate("s", [Share()], *data, InternalExternal(), HORIZON, robustness=Robustness(("other",)))


# --- The whole ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def evidence(data: Data) -> Evidence:
    found, _ = validate(
        "heart",
        [Share(), Fixed()],
        *data,
        InternalExternal("practice", 3),
        HORIZON,
        (0.15,),
        "fixed",
        resamples=30,
        also=[InternalExternal("region", None), InternalExternal("period", 3)],
        rule=Rule("brier", {"observed_expected": (0.9, 1.1)}),
        robustness=Robustness(("share",), 3, (4, 20)),
    )
    return found


@pytest.mark.slow
def test_evidence_holds_several_ways_to_hold_people_out(evidence: Evidence, data: Data) -> None:
    by_region, by_period = evidence.schemes
    assert (by_region.splits["by"], by_period.splits["by"]) == ("region", "period")
    assert {fold.label for fold in by_region.models[0].folds} == {"Nord", "Sud", "Est", "Ouest"}
    assert len(by_period.models[0].folds) == 3
    for scheme in evidence.schemes:
        assert [model.name for model in scheme.models] == ["share", "fixed"]
        for model in scheme.models:
            assert [each.measure for each in model.heterogeneity] == ["auc", "observed_expected", "calibration_slope"]
            assert model.heterogeneity[1].expected_low < model.heterogeneity[1].pooled
    X, followup, index = data
    alone, _ = validate(
        "heart", [Share()], X, followup, index, InternalExternal("region", None), HORIZON, (0.15,), resamples=30
    )
    assert alone.models[0].estimates == by_region.models[0].estimates


def test_the_rule_says_which_is_best(evidence: Evidence) -> None:
    ranking = evidence.ranking
    assert ranking is not None
    assert [each.model for each in ranking.models] == ["share", "fixed"]
    assert ranking.best == "share"
    assert ranking.models[1].outside == ("observed_expected",)  # 15 % on average, for less than 20 % observed
    assert ranking.real is None  # there is no other eligible model
    assert ranking.models[0].behind is None
    assert ranking.models[1].behind is not None
    assert ranking.models[1].behind.high < 0  # the best has the lower error


def test_sample_size_is_said(evidence: Evidence, data: Data) -> None:
    found = evidence.development
    assert found is not None
    assert (found.people, found.predictors) == (3000, 1)
    assert found.needed["shrinkage"] < 3000
    assert found.enough
    assert 0.9 < found.expected_shrinkage < 1
    assert [each.measure for each in evidence.models[0].precision] == ["observed_expected", "calibration_slope", "auc"]


def test_new_parts_come_back_from_json(evidence: Evidence) -> None:
    text = evidence.to_json()
    assert Evidence.from_json(text).to_json() == text
    assert evidence.comparisons[0].reclassification is not None
    assert json.loads(text)["comparisons"][0]["reclassification"]["thresholds"] == [0.15]


def test_a_difference_says_if_it_is_real() -> None:
    truth, followup, practice = population(4000, 6)
    noise = np.clip(truth * np.exp(np.random.default_rng(1).normal(0, 0.4, 4000)), 0.001, 0.999)
    (gap,) = difference(truth, noise, followup, HORIZON, practice, measures=["uno_c"], resamples=50)
    assert gap.low > 0


def test_an_interval_is_wider_with_few_practices() -> None:
    draws = np.random.default_rng(0).normal(0, 1, 200_000)
    for clusters, reach in ((10, 2.2622 * math.sqrt(10 / 9)), (60, 2.0010 * math.sqrt(60 / 59))):
        assert_allclose(interval(draws, clusters), [-reach, reach], atol=0.03)
    assert_allclose(interval(draws, 100_000), [-1.96, 1.96], atol=0.02)
    assert all(math.isnan(bound) for bound in (*interval(draws, 1), *interval(np.array([1.0, math.nan]), 50)))

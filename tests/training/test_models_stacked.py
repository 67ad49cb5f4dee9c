from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from features.catalogue.cardiovascular import CARDIOVASCULAR
from features.outcome import CENSORED, COMPETING, EVENT, FollowUp
from tests.training.people import HORIZON, features, followup, true_risk
from training.models import CensoringWeighted, CompetingCox, StackedHazard, stacked_gradient_boosting
from training.models import stacked_logistic_regression as stacked_logistic
from training.models.stacked_hazard import SINCE, PersonPeriods
from training.survival import aalen_johansen
from training.values import Bilingual

X = features(6000)
FOLLOWUP = followup(X)
NEW = features(1000, seed=7)


@pytest.fixture(scope="module")
def trees():
    return stacked_gradient_boosting(CARDIOVASCULAR).fit(X, FOLLOWUP)


def exponential(n: int, seed: int = 0) -> tuple[pd.DataFrame, FollowUp]:
    """Return people with constant hazards that two covariates multiply; departures depend on one of them."""
    random = np.random.default_rng(seed)
    people = pd.DataFrame({"a": random.normal(size=n), "b": random.integers(0, 2, n).astype(float)})
    event, death = exponential_hazards(people)
    leaving = 0.05 * np.exp(0.8 * people["a"].to_numpy())
    ends = np.stack([*(random.exponential(1 / h) for h in (event, death, leaving)), np.full(n, HORIZON)])
    first = ends.argmin(axis=0)
    cause = np.select([first == 0, first == 1], [EVENT, COMPETING], CENSORED).astype(np.int8)
    return people, FollowUp(ends.min(axis=0), cause, np.zeros(n, dtype=np.int8), HORIZON)


def exponential_hazards(people: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    a, b = people["a"].to_numpy(), people["b"].to_numpy()
    return 0.02 * np.exp(0.6 * a + 0.5 * b), 0.015 * np.exp(0.5 * a - 0.4 * b)


def exponential_truth(people: pd.DataFrame, times: list[float]) -> np.ndarray:
    """Return the incidence of both causes in closed form, shape (n, 2, times)."""
    event, death = exponential_hazards(people)
    gone = 1 - np.exp(-np.outer(event + death, times))
    return np.stack([(h / (event + death))[:, None] * gone for h in (event, death)], axis=1)


GRID = pd.DataFrame(itertools.product(np.linspace(-2, 2, 9), [0.0, 1.0]), columns=["a", "b"])


@pytest.mark.parametrize("make", [stacked_logistic, pytest.param(CompetingCox, marks=pytest.mark.slow)])
def test_closed_form_truth_is_recovered_although_those_at_risk_leave_more(make):
    people, seen = exponential(8000)
    times = [1.0, 2.5, 5.0, HORIZON]
    model = make().fit(people, seen)
    found = model.incidence(GRID, times)[:, 1:]
    truth = exponential_truth(GRID, times)
    assert np.abs(found - truth).max() < 0.02  # at a covariate two standard deviations out
    assert np.abs(found - truth).mean() < 0.005
    new, _ = exponential(5000, seed=1)
    expected = model.incidence(new, times)[:, 1:].mean(axis=0)
    np.testing.assert_allclose(expected, exponential_truth(new, times).mean(axis=0), rtol=0.06)


@pytest.mark.slow
def test_trees_recover_the_truth_of_people(trees):
    for time in (3.0, HORIZON):
        truth, found = true_risk(NEW, time), trees.risk(NEW, time)
        assert found.mean() == pytest.approx(truth.mean(), rel=0.1)
        assert np.corrcoef(found, truth)[0, 1] > 0.85


@pytest.mark.parametrize("intervals", [1, 4, 10])
def test_without_features_it_is_aalen_johansen(intervals):
    """A tree that splits on time alone gives the weighted share of each interval: nothing is approximated."""
    nothing = pd.DataFrame({"nothing": np.zeros(len(X))})
    model = StackedHazard(DecisionTreeClassifier(), name="tree", title=Bilingual.same("tree"), intervals=intervals).fit(
        nothing, FOLLOWUP
    )
    bounds = np.linspace(0, HORIZON, intervals + 1)[1:].tolist()
    found = model.incidence(nothing[:1], bounds)[0, 1:]
    np.testing.assert_allclose(found, aalen_johansen(FOLLOWUP, bounds), rtol=0, atol=1e-12)


def test_one_interval_is_censoring_weighted():
    numbers = X.fillna(0.0)
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    stacked = StackedHazard(tree, name="stacked", title=Bilingual.same("stacked"), intervals=1).fit(numbers, FOLLOWUP)
    weighted = CensoringWeighted(tree, name="weighted", title=Bilingual.same("weighted")).fit(numbers, FOLLOWUP)
    np.testing.assert_allclose(stacked.risk(numbers, HORIZON), weighted.risk(numbers, HORIZON), atol=1e-12)


def test_within_an_interval_hazards_are_constant():
    """With equal hazards in two halves, one interval or two give the same incidence between."""
    nothing = pd.DataFrame({"nothing": np.zeros(1)})

    class Constant:
        def predict_proba(self, X):
            return np.tile([1 - self.share, self.share], (len(X), 1))

    def made(bounds, event, competing):
        model = StackedHazard(None, name="constant", title=Bilingual.same("constant"))
        model.horizon_, model.features_, model.bounds_ = 2.0, ["nothing"], np.array(bounds)
        model.event_, model.competing_ = Constant(), Constant()
        model.event_.share, model.competing_.share = event, competing / (1 - event)
        return model.incidence(nothing, [0.3, 1.0, 1.5, 2.0])

    whole = 1 - (1 - 0.3) ** 2
    np.testing.assert_allclose(made([0, 1, 2], 0.2, 0.1), made([0, 2], whole * 2 / 3, whole / 3), atol=1e-12)


def test_person_periods_are_those_counted_by_hand():
    seen = FollowUp(
        np.array([0.0, 0.5, 1.0, 1.0, 1.5, 2.0, 2.0, 2.0]),
        np.array([EVENT, CENSORED, EVENT, CENSORED, COMPETING, CENSORED, EVENT, CENSORED], dtype=np.int8),
        np.zeros(8, dtype=np.int8),
        2.0,
    )
    found = PersonPeriods.of(seen, np.array([0.0, 1.0, 2.0]), "name")
    told = sorted(zip(found.row.tolist(), found.interval.tolist(), found.cause.tolist(), strict=True))
    first = [(0, 0, EVENT), (2, 0, EVENT), (3, 0, CENSORED), (4, 0, CENSORED)]
    first += [(row, 0, CENSORED) for row in (5, 6, 7)]
    second = [(4, 1, COMPETING), (5, 1, CENSORED), (6, 1, EVENT), (7, 1, CENSORED)]
    assert told == sorted(first + second)
    # Whoever left at 0.5 is shared among the six who were still there; before that, weights are 1.
    weight = dict(zip(zip(found.row.tolist(), found.interval.tolist(), strict=True), found.weight, strict=True))
    assert weight[0, 0] == 1
    assert weight[2, 0] == pytest.approx(7 / 6)
    assert sum(found.weight[found.interval == 0]) == pytest.approx(8)
    assert sum(found.weight[found.interval == 1]) == pytest.approx(4)


@pytest.mark.slow
def test_thinning_bounds_memory_and_keeps_the_level():
    bounds = np.linspace(0, HORIZON, 11)
    everybody = PersonPeriods.of(FOLLOWUP, bounds, "name")
    thinned = everybody.thinned(15_000, 0.1, seed=0)
    assert len(everybody.row) > 40_000
    assert len(thinned.row) == 15_000
    assert (thinned.cause != CENSORED).sum() == (everybody.cause != CENSORED).sum()
    assert thinned.weight.sum() == pytest.approx(everybody.weight.sum(), rel=0.01)
    assert len(everybody.thinned(1, 0.1, seed=0).row) > 0.1 * len(everybody.row)
    again = everybody.thinned(15_000, 0.1, seed=0)
    np.testing.assert_array_equal(again.row, thinned.row)
    assert not np.array_equal(everybody.thinned(15_000, 0.1, seed=1).row, thinned.row)
    few = StackedHazard(
        LGBMClassifier(n_estimators=40, n_jobs=1, verbose=-1),
        name="few",
        title=Bilingual.same("few"),
        person_periods=15_000,
    )
    assert few.fit(X, FOLLOWUP).risk(NEW, HORIZON).mean() == pytest.approx(true_risk(NEW).mean(), rel=0.1)


@pytest.mark.slow
def test_declared_directions_hold_for_the_hazard_in_every_interval(trees):
    for column, low, high in (("systolic", 120.0, 160.0), ("age", 50.0, 70.0), ("smoker", 0.0, 1.0)):
        lower, higher = (trees._features(NEW.assign(**{column: value})) for value in (low, high))
        for since in trees.bounds_[:-1]:
            hazards = [trees._shares(trees._at(people, since))[0] for people in (lower, higher)]
            assert (hazards[1] >= hazards[0]).all()


def test_declared_directions_hold_for_incidence_where_nothing_competes():
    rows = np.flatnonzero(FOLLOWUP.cause != COMPETING)[:2000]
    model = stacked_gradient_boosting(CARDIOVASCULAR).fit(X.iloc[rows], FOLLOWUP[rows])
    risks = [model.risk(NEW.assign(systolic=value), HORIZON) for value in (110.0, 130.0, 150.0, 170.0)]
    assert all((after >= before).all() for before, after in itertools.pairwise(risks))


def test_an_interval_that_nobody_enters_is_no_obstacle():
    early = FollowUp(FOLLOWUP.duration / 4, np.maximum(FOLLOWUP.cause, 1), FOLLOWUP.reason, HORIZON)
    early.cause[:2000] = COMPETING
    model = stacked_logistic().fit(X, early)
    assert model.incidence(NEW, [HORIZON])[:, 0].max() < 0.5


def test_effects_that_change_over_time_are_learned_and_have_no_one_reason():
    random = np.random.default_rng(0)
    early = random.integers(0, 2, 8000).astype(float)
    late = 2 + random.exponential(20, 8000)
    duration = np.where(early == 1, np.minimum(random.exponential(20, 8000), late), late)
    seen = FollowUp(np.minimum(duration, 4.0), (duration < 4).astype(np.int8), np.zeros(8000, dtype=np.int8), 4.0)
    people = pd.DataFrame({"early": early})
    trees = LGBMClassifier(n_estimators=60, n_jobs=1, verbose=-1)
    model = StackedHazard(trees, name="trees", title=Bilingual.same("trees"), intervals=4).fit(people, seen)
    states = model.incidence(pd.DataFrame({"early": [0.0, 1.0]}), [2.0, 4.0])
    assert states[0, 1, 0] < 0.01
    assert states[1, 1, 0] == pytest.approx(1 - np.exp(-2 / 20), abs=0.02)
    with pytest.raises(TypeError, match="effects change over time"):
        model.contributions(people)
    other = StackedHazard(GaussianNB(), name="other", title=Bilingual.same("other")).fit(people, seen)
    with pytest.raises(TypeError, match="no exact contributions for a GaussianNB"):
        other.contributions(people)


def test_faults_are_named():
    with pytest.raises(ValueError, match=f"called '{SINCE}'"):
        stacked_logistic().fit(X.assign(**{SINCE: 0.0}), FOLLOWUP)
    gone = FollowUp(np.minimum(FOLLOWUP.duration, 6.5), FOLLOWUP.cause, FOLLOWUP.reason, HORIZON)
    gone.cause[gone.duration == 6.5] = CENSORED
    with pytest.raises(ValueError, match="between 6 and 7 years"):
        stacked_logistic().fit(X, gone)
    with pytest.raises(ValueError, match="give at least 1 of each"):
        StackedHazard(None, name="none", title=Bilingual.same("none"), intervals=0)
    nobody = np.flatnonzero(FOLLOWUP.cause != EVENT)
    for make in (stacked_logistic, CompetingCox):
        with pytest.raises(ValueError, match="must be followed by the event"):
            make().fit(X.iloc[nobody], FOLLOWUP[nobody])

"""Incidence is monotone, seeded, and sums to one over causes plus survival, for every model."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightgbm import LGBMClassifier
from optuna.distributions import FloatDistribution
from sklearn.naive_bayes import GaussianNB

from features.catalogue.cardiovascular import CARDIOVASCULAR
from features.outcome import COMPETING, EVENT, FollowUp
from tests.conftest import at_most
from tests.training.people import HORIZON, features, followup
from training.models import (
    CensoringWeighted,
    CompetingCox,
    Recalibrated,
    StackedHazard,
    gradient_boosting,
    logistic_regression,
    stacked_gradient_boosting,
    stacked_logistic_regression,
)
from training.published.comparators import score2
from training.splits import InternalExternal
from training.tuning import Tuned
from training.values import Bilingual

N = 300
ROWS = 200
X = features(N)
FOLLOWUP = followup(X)
INDEX = pd.DataFrame({"patient": np.arange(N), "practice": np.arange(N) % 10, "as_of": pd.Timestamp("2012-01-01")})
NEW = features(100, seed=7)


def coarse() -> StackedHazard:
    return StackedHazard(
        stacked_logistic_regression().estimator, name="coarse", title=Bilingual.same("coarse"), intervals=3
    )


#: Every kind of model there is, wrapped ones and a classifier without any scruple (naive Bayes) included.
MODELS = {
    "logistic_regression": logistic_regression,
    "lightgbm": lambda: gradient_boosting(CARDIOVASCULAR),
    "stacked_logistic_regression": stacked_logistic_regression,
    "stacked_lightgbm": lambda: stacked_gradient_boosting(CARDIOVASCULAR),
    "competing_cox": CompetingCox,
    "intercept": lambda: Recalibrated(coarse(), "intercept"),
    "slope": lambda: Recalibrated(CompetingCox(), "slope"),
    "isotonic": lambda: Recalibrated(logistic_regression(), "isotonic"),
    "by_smoker": lambda: Recalibrated(logistic_regression(), "intercept", by="smoker"),
    "tuned": lambda: Tuned(
        lambda settings: CompetingCox(**settings),
        {"penalty": FloatDistribution(0.1, 10.0)},
        name="tuned",
        title=Bilingual.same("tuned"),
        trials=2,
        split=InternalExternal("practice", 2),
    ),
    "published": lambda: Recalibrated(score2(), "slope"),
}
UNSCRUPULOUS = {
    "weighted": lambda: CensoringWeighted(GaussianNB(), name="weighted", title=Bilingual.same("weighted")),
    "stacked": lambda: StackedHazard(GaussianNB(), name="stacked", title=Bilingual.same("stacked"), intervals=7),
    "cox": lambda: CompetingCox(penalty=0.1),
    "recalibrated": lambda: Recalibrated(
        CensoringWeighted(GaussianNB(), name="weighted", title=Bilingual.same("weighted")), "isotonic"
    ),
}


@pytest.fixture(scope="module")
def fitted():
    return {name: make().fit_grouped(X, FOLLOWUP, INDEX) for name, make in MODELS.items()}


def check(states: np.ndarray, people: int, times: list[float]) -> None:
    assert states.shape == (people, 3, len(times))
    refused = np.isnan(states).any(axis=(1, 2))
    assert np.isnan(states[refused]).all()
    answered = states[~refused]
    assert (answered >= 0).all()
    np.testing.assert_allclose(answered.sum(axis=1), 1, rtol=0, atol=1e-12)
    assert (np.diff(answered[:, 1:], axis=2) >= 0).all()
    assert (np.diff(answered[:, 0], axis=1) <= 1e-12).all()


@at_most(15)
@given(times=st.lists(st.floats(0.001, HORIZON) | st.sampled_from([1.0, 5.0, HORIZON]), min_size=1, max_size=6))
def test_incidence_is_monotone_and_sums_to_one(fitted, times):
    for name, model in fitted.items():
        asked = [HORIZON] if name == "published" else sorted(times)
        states = model.incidence(NEW, asked)
        check(states, len(NEW), asked)
        assert name == "published" or not np.isnan(states).any()


@at_most(12)
@given(
    seed=st.integers(0, 1000),
    hazards=st.tuples(st.floats(0.05, 2.0), st.floats(0.0, 2.0), st.floats(0.0, 0.3)),
    rounded=st.booleans(),
    times=st.lists(st.floats(0.001, 5.0), min_size=1, max_size=4).map(sorted),
)
def test_whatever_happened_to_people(seed, hazards, rounded, times):
    random = np.random.default_rng(seed)
    people = pd.DataFrame(random.normal(size=(ROWS, 3)), columns=["a", "b", "c"])
    rates = [hazard * np.exp(people["a"].to_numpy()) + 1e-9 for hazard in hazards]
    ends = np.stack([*(random.exponential(1 / rate) for rate in rates), np.full(ROWS, 5.0)])
    ends = np.ceil(ends * 4) / 4 if rounded else ends  # many ties, and events on the bounds of intervals
    first = ends.argmin(axis=0)
    cause = np.select([first == 0, first == 1], [EVENT, COMPETING], 0).astype(np.int8)
    seen = FollowUp(ends.min(axis=0), cause, np.zeros(ROWS, dtype=np.int8), 5.0)
    index = INDEX.iloc[:ROWS]
    for make in UNSCRUPULOUS.values():
        model = make()
        try:
            model.fit_grouped(people, seen, index)
        except ValueError as refusal:
            told = str(refusal)
        else:
            told = None
            check(model.incidence(people * 3, times), ROWS, times)
        assert told is None or re.search("some .*must|choose a shorter horizon", told), told


#: Another of the same class, at which a second fit has been looked at.
ALIKE = ("isotonic", "by_smoker", "slope")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in ALIKE else name for name in MODELS]
)
def test_two_fits_give_the_same_number(fitted, name):
    again = MODELS[name]().fit_grouped(X, FOLLOWUP, INDEX)
    np.testing.assert_array_equal(again.risk(NEW, HORIZON), fitted[name].risk(NEW, HORIZON))


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"published"}))  # a published score answers at its horizon alone
def test_a_time_asked_for_alone_or_with_others_has_one_answer(fitted, name):
    together = fitted[name].incidence(NEW, [0.5, 2.0, 3.7, HORIZON])
    for position, time in enumerate([0.5, 2.0, 3.7, HORIZON]):
        np.testing.assert_allclose(fitted[name].incidence(NEW, [time])[:, :, 0], together[:, :, position], atol=1e-12)


@pytest.mark.parametrize("name", ["stacked_logistic_regression", "competing_cox", "slope"])
def test_faults_are_named(fitted, name):
    with pytest.raises(ValueError, match="systolic, hdl"):
        fitted[name].risk(NEW.drop(columns=["systolic", "hdl"]), HORIZON)
    with pytest.raises(ValueError, match="up to 10 years"):
        fitted[name].risk(NEW, 11.0)


@pytest.mark.parametrize("name", ["stacked_logistic_regression", "stacked_lightgbm", "competing_cox", "by_smoker"])
def test_contributions_add_up(fitted, name):
    base, added = fitted[name].contributions(NEW)
    assert list(added) == list(X)
    np.testing.assert_allclose(base + added.sum(axis=1), fitted[name].explained(NEW), atol=1e-9)


def test_settings_of_a_model_are_left_alone():
    classifier = LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1)
    StackedHazard(classifier, name="stacked", title=Bilingual.same("stacked")).fit(X, FOLLOWUP)
    assert not hasattr(classifier, "booster_")

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from features.catalogue.cardiovascular import CARDIOVASCULAR
from tests.training.people import HORIZON, features, followup, true_risk
from training.models import CensoringWeighted, gradient_boosting, logistic_regression
from training.values import Bilingual

X = features(6000)
FOLLOWUP = followup(X)
NEW = features(3000, seed=7)


@pytest.fixture(scope="module")
def trees():
    return gradient_boosting(CARDIOVASCULAR).fit(X, FOLLOWUP)


@pytest.fixture(scope="module", params=["logistic_regression", "lightgbm"])
def model(request):
    made = logistic_regression() if request.param == "logistic_regression" else gradient_boosting(CARDIOVASCULAR)
    return made.fit(X, FOLLOWUP)


@pytest.mark.slow
def test_two_fits_are_the_same(model):
    again = logistic_regression() if model.name == "logistic_regression" else gradient_boosting(CARDIOVASCULAR)
    np.testing.assert_array_equal(again.fit(X, FOLLOWUP).risk(NEW, HORIZON), model.risk(NEW, HORIZON))


@pytest.mark.slow
def test_weighting_recovers_the_truth_where_dropping_the_censored_does_not(model):
    truth = true_risk(NEW)
    assert model.risk(NEW, HORIZON).mean() == pytest.approx(truth.mean(), rel=0.1)
    assert np.corrcoef(model.risk(NEW, HORIZON), truth)[0, 1] > 0.8
    seen = (FOLLOWUP.cause > 0) | (FOLLOWUP.duration >= HORIZON)
    naive = CensoringWeighted(model.estimator, name="naive", title=Bilingual.same("naive"))
    naive.fit(X[seen], FOLLOWUP[np.flatnonzero(seen)])
    assert naive.risk(NEW, HORIZON).mean() > 1.15 * truth.mean()


def test_declared_directions_hold(trees):
    lower, higher = NEW.assign(systolic=120.0, systolic_mean=120.0), NEW.assign(systolic=160.0, systolic_mean=160.0)
    assert (trees.risk(higher, HORIZON) >= trees.risk(lower, HORIZON)).all()


def test_directions_are_the_event_s_alone(trees):
    constrained, free = trees.event_.get_params(), trees.competing_.get_params()
    assert any(constrained["monotone_constraints"])
    assert free.get("monotone_constraints") is None


def test_contributions_add_up_to_the_log_odds(model):
    base, added = model.contributions(NEW)
    risk = model.risk(NEW, HORIZON)
    assert list(added) == list(CARDIOVASCULAR)
    np.testing.assert_allclose(base + added.sum(axis=1), np.log(risk / (1 - risk)), atol=1e-9)
    np.testing.assert_allclose(model.explained(NEW), np.log(risk / (1 - risk)), atol=1e-9)


def test_any_classifier_will_do_but_not_any_can_be_explained():
    numbers = X.fillna(0.0)
    for estimator in (GaussianNB(), RandomForestClassifier(20, min_samples_leaf=50, random_state=0)):
        made = CensoringWeighted(estimator, name="other", title=Bilingual.same("other")).fit(numbers, FOLLOWUP)
        assert made.risk(numbers, HORIZON).mean() == pytest.approx(true_risk(X).mean(), rel=0.6)
        with pytest.raises(TypeError, match="no exact contributions"):
            made.contributions(numbers)
    scaled = make_pipeline(StandardScaler(), LogisticRegression())
    made = CensoringWeighted(scaled, name="scaled", title=Bilingual.same("scaled")).fit(numbers, FOLLOWUP)
    assert (made.risk(numbers, 5.0) < made.risk(numbers, 10.0)).all()


def test_faults_are_named(model):
    with pytest.raises(ValueError, match="systolic, hdl"):
        model.risk(NEW.drop(columns=["systolic", "hdl"]), HORIZON)
    with pytest.raises(ValueError, match="up to 10 years"):
        model.risk(NEW, 11.0)
    nobody = FOLLOWUP[np.flatnonzero(FOLLOWUP.cause == 0)]
    with pytest.raises(ValueError, match="some landmarks must be followed by the event"):
        logistic_regression().fit(X[FOLLOWUP.cause == 0], nobody)


def test_without_competing_events_there_are_two_states_in_use():
    rows = np.flatnonzero(FOLLOWUP.cause != 2)
    made = logistic_regression().fit(X.iloc[rows], FOLLOWUP[rows])
    assert (made.incidence(NEW, [HORIZON])[:, 2] == 0).all()

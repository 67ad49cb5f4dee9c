from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special

from features.outcome import EVENT, FollowUp
from tests.training.people import HORIZON, features, followup, hazards, true_risk
from training.models import CensoringWeighted, Curve, Line, Recalibrated, RiskModel, logistic_regression
from training.published.comparators import score2
from training.splits import InternalExternal
from training.survival import aalen_johansen, censoring_weights
from training.values import Bilingual

N = 5000
X = features(N)
FOLLOWUP = followup(X)
INDEX = pd.DataFrame(
    {"patient": np.arange(N) // 2, "practice": np.arange(N) // 2 % 30, "as_of": pd.Timestamp("2012-01-01")}
)
NEW = features(2000, seed=7)


class Wrong(RiskModel):
    """The truth, with its log-odds stretched and moved; it knows no competing event."""

    name, title = "wrong", Bilingual.same("Wrong")
    states = ("event_free", "event")

    def __init__(self, intercept: float = 0.0, slope: float = 1.0) -> None:
        self.intercept, self.slope = intercept, slope

    def fit(self, X, followup):
        return self

    def incidence(self, X, times):
        event = np.stack([self.moved(true_risk(X, HORIZON)) * time / HORIZON for time in times], axis=1)
        return np.stack([1 - event, event], axis=1)

    def moved(self, risk):
        return special.expit(self.intercept + self.slope * special.logit(risk))


@pytest.mark.parametrize("method", ["intercept", "slope", "isotonic"])
def test_what_is_wrong_is_set_right(method):
    wrong = Wrong(0.7, 1.0 if method == "intercept" else 1.8)
    model = Recalibrated(wrong, method).fit_grouped(X, FOLLOWUP, INDEX)
    truth, before, after = true_risk(NEW), wrong.risk(NEW, HORIZON), model.risk(NEW, HORIZON)
    assert after.mean() == pytest.approx(truth.mean(), rel=0.08)
    assert np.abs(after - truth).mean() < 0.012 < np.abs(before - truth).mean()
    order = np.argsort(before)
    assert (np.diff(after[order]) >= 0).all()


def test_line_is_that_of_maximum_likelihood():
    """Maximised by another optimiser, from the definition: weighted log-likelihood of the event by the horizon."""
    wrong = Wrong(0.4, 1.5)
    weights = censoring_weights(FOLLOWUP, HORIZON)
    happened, score = FOLLOWUP.cause == EVENT, special.logit(wrong.moved(true_risk(X)))

    def loss(line):
        moved = line[0] + line[1] * score
        return (weights * (np.logaddexp(0, moved) - happened * moved)).sum()

    slope = Recalibrated(wrong, "slope").fit_grouped(X, FOLLOWUP, INDEX).overall_
    best = optimize.minimize(loss, [0.0, 1.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10})
    np.testing.assert_allclose([slope.intercept, slope.slope], best.x, atol=1e-5)
    intercept = Recalibrated(wrong, "intercept").fit_grouped(X, FOLLOWUP, INDEX).overall_
    alone = optimize.minimize_scalar(lambda moved: loss([moved, 1.0]), bounds=(-5, 5), method="bounded")
    assert intercept == Line(pytest.approx(alone.x, abs=1e-5), 1.0)


def test_intercept_makes_the_mean_risk_the_observed_one():
    model = Recalibrated(Wrong(1.0), "intercept").fit_grouped(X, FOLLOWUP, INDEX)
    weights = censoring_weights(FOLLOWUP, HORIZON)
    expected = weights @ model.risk(X, HORIZON) / weights.sum()
    assert expected == pytest.approx(aalen_johansen(FOLLOWUP, [HORIZON])[0, 0], abs=1e-9)


class Spy(RiskModel):
    """Refuses to be asked about anybody it has learned from, in any of its copies, while it is being recalibrated."""

    name, title = "spy", Bilingual.same("Spy")

    def fit(self, X, followup):
        raise AssertionError("told nothing of who is who")

    def fit_grouped(self, X, followup, index):
        assert len(X) == len(followup) == len(index)
        self.patients, self.practices = set(index["patient"]), set(index["practice"])
        return self

    def incidence(self, X, times):
        rows = INDEX.loc[X.index]
        assert not self.patients & set(rows["patient"])
        assert not self.practices & set(rows["practice"])
        event = np.outer(np.full(len(X), 0.1), np.array(times) / HORIZON)
        return np.stack([1 - event, event, event * 0], axis=1)


def test_recalibration_is_learned_from_people_the_model_had_not_seen():
    model = Recalibrated(Spy(), "intercept", split=InternalExternal("practice", 4)).fit_grouped(X, FOLLOWUP, INDEX)
    assert model.model_.practices == set(INDEX["practice"])
    with pytest.raises(AssertionError):
        model.risk(X, HORIZON)


def test_a_model_that_memorises_is_found_out():
    class Memory:
        """Says of whom it has seen what happened to them, of others the mean."""

        def fit(self, X, y, sample_weight):
            self.seen = dict(zip(X["key"], y, strict=True))
            self.mean = np.average(y, weights=sample_weight)
            return self

        def get_params(self, deep=True):
            return {}

        def predict_proba(self, X):
            risk = np.array([np.clip(self.seen.get(key, self.mean), 0.01, 0.99) for key in X["key"]])
            return np.stack([1 - risk, risk], axis=1)

    keyed = pd.DataFrame({"key": np.arange(N, dtype=float)})
    model = Recalibrated(CensoringWeighted(Memory(), name="memory", title=Bilingual.same("memory")), "slope")
    model.fit_grouped(keyed, FOLLOWUP, INDEX)
    assert np.ptp(model.risk(keyed, HORIZON)) < 0.05


def test_a_model_that_is_upside_down_is_flattened_and_not_turned_over():
    model = Recalibrated(Wrong(0.0, -1.0), "slope").fit_grouped(X, FOLLOWUP, INDEX)
    assert model.overall_.slope == 0
    risk = model.risk(NEW, HORIZON)
    np.testing.assert_allclose(risk, aalen_johansen(FOLLOWUP, [HORIZON])[0, 0], atol=1e-9)


def test_risks_that_are_all_alike_have_no_slope():
    model = Recalibrated(Wrong(-1.0, 0.0), "slope").fit_grouped(X, FOLLOWUP, INDEX)
    np.testing.assert_allclose(model.risk(NEW, HORIZON), aalen_johansen(FOLLOWUP, [HORIZON])[0, 0], atol=1e-9)


def test_no_point_of_the_curve_stands_for_fewer_than_fifty_people():
    model = Recalibrated(Wrong(), "isotonic").fit_grouped(X.iloc[:900], FOLLOWUP[np.arange(900)], INDEX.iloc[:900])
    known = int((censoring_weights(FOLLOWUP[np.arange(900)], HORIZON) > 0).sum())
    assert isinstance(model.overall_, Curve)
    assert 2 <= len(model.overall_.predicted) <= known // 50


def test_when_stays_the_model_s_and_the_competing_event_keeps_its_share():
    inner = logistic_regression()
    model = Recalibrated(inner, "slope").fit_grouped(X, FOLLOWUP, INDEX)
    before, after = (m.incidence(NEW, [3.0, HORIZON]) for m in (model.model_, model))
    np.testing.assert_allclose(after[:, 1, 0] / after[:, 1, 1], before[:, 1, 0] / before[:, 1, 1], atol=1e-12)
    shares = [states[:, 2, 1] / (1 - states[:, 1, 1]) for states in (before, after)]
    np.testing.assert_allclose(*shares, atol=1e-12)
    assert not hasattr(inner, "event_")


def by_region() -> tuple[pd.DataFrame, FollowUp]:
    """Return people of three regions, in one of which events are twice as frequent, and one has few people."""
    region = np.where(np.arange(N) < 100, "small", np.where(np.arange(N) % 2, "north", "south"))
    random = np.random.default_rng(3)
    event, death = hazards(X)
    ends = np.stack([*(random.exponential(1 / h) for h in (event * np.where(region == "north", 2, 1), death))])
    first = ends.argmin(axis=0)
    seen = ends.min(axis=0)
    cause = np.where(seen < HORIZON, first + 1, 0).astype(np.int8)
    people = X.assign(region=pd.Categorical(region))
    return people, FollowUp(np.minimum(seen, HORIZON), cause, np.zeros(N, dtype=np.int8), HORIZON)


@pytest.mark.slow
def test_each_region_is_set_right_and_a_new_one_gets_what_everybody_gets():
    people, seen = by_region()
    model = Recalibrated(logistic_regression(), "intercept", by="region").fit_grouped(people, seen, INDEX)
    assert set(model.own_) == {"north", "south"}
    assert "region" not in model.model_.features_
    for region in ("north", "south"):
        rows = np.flatnonzero(people["region"] == region)
        found = aalen_johansen(seen[rows], [HORIZON])[0, 0]
        assert model.risk(people.iloc[rows], HORIZON).mean() == pytest.approx(found, rel=0.03)
    everywhere = Recalibrated(logistic_regression(), "intercept").fit_grouped(people[list(X)], seen, INDEX)
    for region in ("small", "elsewhere", None):
        risks = model.risk(NEW.assign(region=pd.Series([region] * len(NEW), dtype=object)), HORIZON)
        np.testing.assert_array_equal(risks, everywhere.risk(NEW, HORIZON))
    base, added = model.contributions(people)
    assert list(added) == [*X, "region"]
    risk = model.risk(people, HORIZON)
    np.testing.assert_allclose(
        base + added.sum(axis=1) + model.overall_.intercept, np.log(risk / (1 - risk)), atol=1e-9
    )


def test_a_published_score_is_recalibrated_and_still_refuses():
    model = Recalibrated(score2(), "slope").fit_grouped(X, FOLLOWUP, INDEX)
    states, before = model.incidence(NEW, [HORIZON]), score2().incidence(NEW, [HORIZON])
    assert states.shape == (len(NEW), 3, 1)
    np.testing.assert_array_equal(np.isnan(states[:, 1]), np.isnan(before[:, 1]))
    assert 0 < np.isnan(states[:, 1]).sum() < len(NEW)
    assert (model.refusals(NEW) == score2().refusals(NEW)).all()
    assert (Recalibrated(logistic_regression()).refusals(NEW) == "").all()
    with pytest.raises(TypeError, match="no exact contributions for a PublishedModel"):
        model.contributions(NEW)


def test_faults_are_named():
    with pytest.raises(ValueError, match="intercept, slope, isotonic"):
        Recalibrated(Wrong(), "beta")
    with pytest.raises(ValueError, match="call fit_grouped"):
        Recalibrated(Wrong()).fit(X, FOLLOWUP)
    with pytest.raises(ValueError, match="no column 'region'"):
        Recalibrated(Wrong(), by="region").fit_grouped(X, FOLLOWUP, INDEX)
    nobody = np.flatnonzero(FOLLOWUP.cause != EVENT)
    with pytest.raises(ValueError, match="some must have the event within 10 years"):
        Recalibrated(Wrong()).fit_grouped(X.iloc[nobody], FOLLOWUP[nobody], INDEX.iloc[nobody])
    with pytest.raises(ValueError, match="5 folds by practice"):
        Recalibrated(Wrong()).fit_grouped(X, FOLLOWUP, INDEX.assign(practice="one"))

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from sklearn.linear_model import LogisticRegression

from features.outcome import EVENT
from tests.training.people import HORIZON, features, followup
from training.measures import OutcomeAtHorizon, brier
from training.models import CensoringWeighted, RiskModel
from training.splits import InternalExternal
from training.tuning import Tuned
from training.values import Bilingual

N = 900
X = features(N)
FOLLOWUP = followup(X)
INDEX = pd.DataFrame(
    {"patient": np.arange(N) // 2, "practice": np.arange(N) // 2 % 12, "as_of": pd.Timestamp("2012-01-01")}
)
NEW = features(500, seed=7)
SPACE = {"C": FloatDistribution(1e-6, 10.0, log=True), "only_sex": CategoricalDistribution([True, False])}
INNER = InternalExternal("practice", 3)


class Ridge(CensoringWeighted):
    """A quick model with two settings, one of which throws everything but the sex away."""

    def __init__(self, settings):
        super().__init__(LogisticRegression(C=settings["C"]), name="ridge", title=Bilingual.same("Ridge"))
        self.noise = settings["only_sex"]

    def _columns(self, X):
        scaled = (X[["female", "age", "systolic", "smoker"]] - [0.5, 60, 135, 0.2]) / [1, 10, 17, 1]
        return scaled[["female"]] if self.noise else scaled[["age", "systolic", "smoker"]]

    def fit(self, X, followup):
        return super().fit(self._columns(X), followup)

    def incidence(self, X, times):
        return super().incidence(self._columns(X), times)


def tuned(**changes):
    given = {"name": "tuned", "title": Bilingual.same("Tuned"), "trials": 14, "split": INNER}
    return Tuned(Ridge, SPACE, **(given | changes))


@pytest.fixture(scope="module")
def fitted():
    return tuned().fit_grouped(X, FOLLOWUP, INDEX)


def inner_brier(settings):
    """Recount the measure of one trial, fold by fold."""
    found = []
    for _, train, test in INNER.split(INDEX):
        model = Ridge(settings).fit(X.iloc[train], FOLLOWUP[train])
        outcome = OutcomeAtHorizon.of(FOLLOWUP[test], HORIZON)
        found.append(brier(model.risk(X.iloc[test], HORIZON), outcome, np.ones(len(test))))
    return float(np.mean(found))


@pytest.mark.slow
def test_the_best_of_the_trials_is_what_is_fitted(fitted):
    trials = fitted.trials_
    assert list(trials) == ["number", "state", "folds", "value", "C", "only_sex"]
    assert trials["number"].tolist() == list(range(1, 15))
    complete = trials[trials["state"] == "complete"]
    best = complete.loc[complete["value"].idxmin()]
    assert {"C": best["C"], "only_sex": best["only_sex"]} == fitted.settings_
    assert best["value"] == pytest.approx(inner_brier(fitted.settings_), abs=1e-12)
    assert not fitted.settings_["only_sex"]
    alone = Ridge(fitted.settings_).fit(X, FOLLOWUP)
    np.testing.assert_array_equal(fitted.risk(NEW, HORIZON), alone.risk(NEW, HORIZON))
    assert (fitted.model_.name, fitted.model_.title) == ("tuned", Bilingual.same("Tuned"))


@pytest.mark.slow
def test_what_is_worse_than_the_median_is_given_up(fitted):
    pruned = fitted.trials_[fitted.trials_["state"] == "pruned"]
    assert len(pruned) >= 1
    assert (pruned["folds"] < 3).all()
    assert (fitted.trials_.loc[fitted.trials_["state"] == "complete", "folds"] == 3).all()
    assert (fitted.trials_["state"][:5] == "complete").all()


@pytest.mark.slow
def test_two_searches_are_the_same_and_another_seed_is_another(fitted):
    again, other = (tuned(**changes).fit_grouped(X, FOLLOWUP, INDEX) for changes in ({}, {"seed": 100, "trials": 3}))
    pd.testing.assert_frame_equal(again.trials_, fitted.trials_)
    assert not again.trials_["C"][:3].equals(other.trials_["C"])


@pytest.mark.slow
@pytest.mark.parametrize("fits", [0, 20])
def test_an_interrupted_search_goes_on_and_ends_as_it_would_have(tmp_path, fits, fitted):
    file = tmp_path / "trials.journal"
    interrupt_after(fits, file, X, FOLLOWUP, INDEX)
    resumed = tuned(storage=file).fit_grouped(X, FOLLOWUP, INDEX)
    pd.testing.assert_frame_equal(resumed.trials_, fitted.trials_)
    assert resumed.settings_ == fitted.settings_


@pytest.mark.slow
def test_a_trial_that_was_broken_off_moves_no_later_one(tmp_path):
    few = features(600)
    told, index, file = followup(few), INDEX[: len(few)], tmp_path / "trials.journal"
    whole = tuned().fit_grouped(few, told, index)
    interrupt_after(20, file, few, told, index)
    pd.testing.assert_frame_equal(tuned(storage=file).fit_grouped(few, told, index).trials_, whole.trials_)


def interrupt_after(fits, file, X, followup, index):
    """Search until so many fits are made, and no further."""

    class Interrupted(Ridge):
        left = fits

        def fit(self, X, followup):
            if Interrupted.left == 0:
                raise KeyboardInterrupt
            Interrupted.left -= 1
            return super().fit(X, followup)

    broken = Tuned(
        Interrupted, SPACE, name="tuned", title=Bilingual.same("Tuned"), trials=14, split=INNER, storage=file
    )
    with pytest.raises(KeyboardInterrupt):
        broken.fit_grouped(X, followup, index)


@pytest.mark.slow
def test_a_finished_search_is_not_made_again_but_that_of_other_data_is(tmp_path):
    made = []

    class Counted(Ridge):
        def __init__(self, settings):
            made.append(settings)
            super().__init__(settings)

    file = tmp_path / "trials.journal"

    def search(rows):
        model = Tuned(Counted, SPACE, name="tuned", title=Bilingual.same("Tuned"), trials=3, split=INNER, storage=file)
        return model.fit_grouped(X.iloc[rows], FOLLOWUP[rows], INDEX.iloc[rows])

    everybody, fewer = np.arange(N), np.arange(N - 10)
    search(everybody)
    assert len(made) == 3 + 1
    search(everybody)
    assert len(made) == 4 + 1
    search(fewer)
    assert len(made) == 5 + 4


def test_a_journal_holds_settings_and_nothing_of_people(tmp_path):
    file = tmp_path / "trials.journal"
    index = INDEX.assign(
        practice=INDEX["practice"].map("practice-{}".format), patient=INDEX["patient"].map("who-{}".format)
    )
    tuned(storage=file, trials=2).fit_grouped(X, FOLLOWUP, index)
    text = file.read_text()
    assert "only_sex" in text
    assert not re.search(r"who-|practice-|systolic", text)


class Spy(RiskModel):
    """Refuses to be asked about anybody it has learned from."""

    name, title = "spy", Bilingual.same("Spy")

    def __init__(self, settings):
        self.level = settings["level"]

    def fit(self, X, followup):
        raise AssertionError("told nothing of who is who")

    def fit_grouped(self, X, followup, index):
        self.practices = set(index["practice"])
        return self

    def incidence(self, X, times):
        assert not self.practices & set(INDEX.loc[X.index, "practice"])
        event = np.outer(np.full(len(X), self.level), np.array(times) / HORIZON)
        return np.stack([1 - event, event, event * 0], axis=1)


def test_nobody_is_judged_by_a_model_that_had_seen_them_and_the_level_is_found():
    space = {"level": FloatDistribution(0.0, 0.5)}
    made = Tuned(Spy, space, name="tuned", title=Bilingual.same("tuned"), trials=25, metric="brier", split=INNER)
    model = made.fit_grouped(X, FOLLOWUP, INDEX)
    assert model.model_.practices == set(INDEX["practice"])
    assert model.settings_["level"] == pytest.approx(0.07, abs=0.04)


def test_higher_is_better_where_it_is():
    model = tuned(metric="auc", trials=4).fit_grouped(X, FOLLOWUP, INDEX)
    assert model.trials_.loc[model.trials_["state"] == "complete", "value"].max() > 0.6
    assert not model.settings_["only_sex"]


def test_faults_are_named():
    with pytest.raises(ValueError, match=r"cannot tune by 'calibration'.*auc, brier.*; 0 trials find nothing"):
        tuned(metric="calibration", trials=0)
    with pytest.raises(ValueError, match="cannot tune by 'net_benefit'"):
        tuned(metric="net_benefit")
    with pytest.raises(ValueError, match="no setting to search"):
        Tuned(Ridge, {}, name="tuned", title=Bilingual.same("tuned"))
    with pytest.raises(ValueError, match="call fit_grouped"):
        tuned().fit(X, FOLLOWUP)
    few = np.flatnonzero((FOLLOWUP.cause != EVENT) | (np.arange(N) < 60))
    one = INDEX.iloc[few].assign(practice=np.where(few < 60, 0, 1 + few % 2))
    with pytest.raises(ValueError, match="fewer folds"):
        tuned(metric="auc").fit_grouped(X.iloc[few], FOLLOWUP[few], one)

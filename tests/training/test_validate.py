"""Evidence: risks given by models that had not seen the person, judged and told without small counts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from features.outcome import FollowUp
from training.measures import MEASURES, Estimate, OutcomeAtHorizon, difference, estimate, measure
from training.models import Floats, RiskModel
from training.plots import calibration
from training.splits import InternalExternal, Temporal
from training.survival import aalen_johansen
from training.validate import Evidence, across_folds, out_of_fold, validate
from training.values import Bilingual


class Truth(RiskModel):
    """A published model: nothing to fit; refuses the very old and says so."""

    name = "published"
    title = Bilingual.same("The published one")

    def fit(self, X: pd.DataFrame, followup: FollowUp) -> Self:
        return self

    def incidence(self, X: pd.DataFrame, times: Sequence[float]) -> Floats:
        risk = X["risk"].where(self.refusals(X) == "").to_numpy()[:, None] * np.ones(len(times))
        return np.stack([1 - risk, risk, 0 * risk], axis=1)

    def refusals(self, X: pd.DataFrame) -> pd.Series[str]:
        return pd.Series(np.where(X["age"] > 80, "too old", np.where(X["age"] < 41, "too young", "")), index=X.index)


class Average(RiskModel):
    """A learned model: everybody has the risk of the training rows of their kind."""

    name = "average"
    title = Bilingual.same("The average of one's kind")
    fitted: frozenset[int] = frozenset()

    def fit(self, X: pd.DataFrame, followup: FollowUp) -> Self:
        assert not self.fitted, "fitted twice"
        self.fitted = frozenset(X.index)
        self.shares = {
            bool(high): float(aalen_johansen(followup[(X["risk"] > 0.15).to_numpy() == high], [10.0])[0, 0])
            for high in (False, True)
        }
        return self

    def incidence(self, X: pd.DataFrame, times: Sequence[float]) -> Floats:
        assert not self.fitted & set(X.index), "judged on what it learned from"
        risk = np.where(X["risk"] > 0.15, self.shares[True], self.shares[False])[:, None] * np.ones(len(times))
        return np.stack([1 - risk, risk, 0 * risk], axis=1)


class Silent(Truth):
    """Answers nobody."""

    name = "silent"
    title = Bilingual.same("Silent")

    def refusals(self, X: pd.DataFrame) -> pd.Series[str]:
        return pd.Series("never answers", index=X.index)


Study = tuple[pd.DataFrame, FollowUp, pd.DataFrame]


@pytest.fixture(scope="module")
def study() -> Study:
    n, rng = 3000, np.random.default_rng(0)
    hazard = 0.02 * np.exp(rng.normal(0, 0.8, n))
    total = hazard + 0.02
    end, left = rng.exponential(1 / total), rng.exponential(25, n)
    cause = np.where(end > np.minimum(left, 10), 0, np.where(rng.uniform(size=n) < hazard / total, 1, 2))
    followup = FollowUp(
        np.minimum(np.minimum(end, left), 10.0), cause.astype(np.int8), np.zeros(n, dtype=np.int8), 10.0
    )
    age = np.where(np.arange(n) < 5, 40, np.where(np.arange(n) < 305, 85, 60))
    X = pd.DataFrame({"risk": hazard / total * -np.expm1(-total * 10), "age": age})
    index = pd.DataFrame(
        {
            "patient": np.arange(n) // 2,
            "practice": np.arange(n) // 2 % 30,
            "as_of": pd.Timestamp("2012-01-01") + pd.to_timedelta(np.arange(n) % 1000, unit="D"),
        }
    )
    return X, followup, index


@pytest.fixture(scope="module")
def result(study: Study) -> tuple[Evidence, pd.DataFrame, list[str]]:
    told: list[str] = []
    evidence, predictions = validate(
        "heart",
        [Truth(), Average(), Silent()],
        *study,
        InternalExternal("practice", 5),
        10.0,
        (0.1,),
        "published",
        resamples=30,
        progress=lambda what, done, total: told.append(f"{done}/{total} {what}"),
        decision_range=(0.05, 0.1, 0.9),
    )
    return evidence, predictions, told


def by_name(estimates: Sequence[Estimate]) -> dict[str, Estimate]:
    return {each.measure: each for each in estimates}


def test_each_person_is_predicted_by_a_model_that_never_saw_them(study: Study) -> None:
    X, followup, index = study
    model, splits = Average(), InternalExternal("practice", 5)
    risks = out_of_fold([model, Truth()], X, followup, index, splits)
    assert not model.fitted  # copies were fitted
    assert np.isfinite(risks["average"]).all()
    for _, train, test in splits.split(index):
        again = Average().fit(X.iloc[train], followup[train])
        assert_allclose(risks["average"][test], again.risk(X.iloc[test], 10.0))
    assert_allclose(risks["published"], Truth().risk(X, 10.0))


def test_the_evidence_says_what_it_rests_on(result: tuple[Evidence, pd.DataFrame, list[str]]) -> None:
    evidence, predictions, told = result
    assert (evidence.study, evidence.horizon, evidence.thresholds) == ("heart", 10.0, (0.1,))
    assert (evidence.people, evidence.landmarks, evidence.practices) == (1500, 3000, 30)
    seen = [evidence.events, evidence.competing, evidence.censored, evidence.followed]
    assert sum(count or 0 for count in seen) == 3000
    assert evidence.splits["by"] == "practice"
    assert told[0] == "1/15 published, practice fold 1 of 5"
    assert told[-1] == "3/3 silent, judged"
    assert list(predictions.columns) == ["published", "average", "silent"]
    assert len(predictions) == 3000


def test_estimates_are_those_of_the_scored_rows(result: tuple[Evidence, pd.DataFrame, list[str]], study: Study) -> None:
    evidence, predictions, _ = result
    _, followup, index = study
    model, rows = evidence.models[0], predictions["published"].notna().to_numpy()
    direct = estimate(
        predictions["published"][rows].to_numpy(),
        followup[rows],
        10.0,
        index["practice"][rows],
        (0.1,),
        30,
    )
    assert list(model.estimates) == direct
    assert model.scored == rows.sum()
    assert len(model.folds) == 5
    assert sum(fold.estimates[0].n or 0 for fold in model.folds) == model.scored
    assert [each.measure for each in model.heterogeneity] == ["auc", "observed_expected", "calibration_slope"]
    for each in model.heterogeneity:
        assert each.expected_low <= each.low < each.pooled < each.high <= each.expected_high
    assert model.calibration[0].n is not None
    assert model.distribution is not None


def test_refusals_are_counted_by_reason(result: tuple[Evidence, pd.DataFrame, list[str]]) -> None:
    published, average, silent = result[0].models
    assert published.refused == 305
    # five too young: too few to show, and 300 would tell them by subtraction
    assert published.reasons == {"too old": None, "too young": None}
    assert (average.scored, average.refused, average.reasons) == (3000, None, {})
    assert (silent.scored, silent.refused) == (None, 3000)
    assert silent.reasons == {"never answers": 3000}
    assert silent.estimates == silent.calibration == silent.smooth == silent.decision == ()


def test_models_are_compared_on_the_rows_both_score(
    result: tuple[Evidence, pd.DataFrame, list[str]], study: Study
) -> None:
    evidence, predictions, _ = result
    _, followup, index = study
    average, silent = evidence.comparisons
    assert (average.model, average.comparator, silent.model) == ("average", "published", "silent")
    assert silent.differences == ()
    rows = predictions["published"].notna().to_numpy()
    a, b = (predictions[name][rows].to_numpy() for name in ("average", "published"))
    direct = difference(a, b, followup[rows], 10.0, index["practice"][rows], (0.1,), 30)
    found = by_name(average.differences)
    assert_allclose(found["auc"].value, by_name(direct)["auc"].value)
    assert set(found) == {"auc", "uno_c", "brier", "ipa", "net_benefit", "interventions_avoided"}
    assert found["auc"].high < 0
    assert found["auc"].n == 2695


def test_no_small_count_is_told(result: tuple[Evidence, pd.DataFrame, list[str]]) -> None:
    counts = {"n", "events", "people", "landmarks", "competing", "censored", "followed", "scored", "refused"}

    def walk(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
        if isinstance(node, dict):
            for name, child in node.items():
                yield from walk(child, name if key not in {"counts", "reasons"} else key)
        elif isinstance(node, list):
            for child in node:
                yield from walk(child, key)
        else:
            yield key, node

    leaves = list(walk(json.loads(result[0].to_json())))
    told = [value for key, value in leaves if key in counts | {"counts", "reasons"}]
    assert len(told) > 100
    assert all(value is None or value >= 11 for value in told)
    nobody = result[0].models[0].decision[-1]
    assert nobody.threshold == 0.9
    assert math.isnan(nobody.model.value)


def test_evidence_comes_back_from_json_as_it_went(
    result: tuple[Evidence, pd.DataFrame, list[str]],
) -> None:
    text = result[0].to_json()
    assert Evidence.from_json(text).to_json() == text
    assert "NaN" not in text
    assert json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False, separators=(",", ":")) == text


def test_two_runs_give_the_same_bytes(study: Study) -> None:
    run = [
        validate("heart", [Average()], *study, InternalExternal(folds=3), 10.0, resamples=5)[0].to_json()
        for _ in range(2)
    ]
    assert run[0] == run[1]


def test_only_tested_rows_count_when_time_is_split(study: Study) -> None:
    X, followup, index = study
    split = Temporal(pd.Timestamp("2014-01-01").date())
    evidence, predictions = validate("heart", [Truth()], X, followup, index, split, 5.0, resamples=5)
    later = (index["as_of"] >= "2014-01-01").to_numpy()
    assert evidence.landmarks == later.sum()
    assert predictions["published"][~later].isna().all()
    assert evidence.comparisons == ()
    assert evidence.models[0].heterogeneity[0].folds == 1
    assert math.isnan(evidence.models[0].heterogeneity[0].pooled)


def test_impossible_requests_are_refused(study: Study) -> None:
    X, followup, index = study
    split = InternalExternal()
    with pytest.raises(ValueError, match="comparator 'score2' is not one of the models: published"):
        validate("heart", [Truth()], X, followup, index, split, 10.0, comparator="score2")
    with pytest.raises(ValueError, match=r"2 models are called 'published'.*X has 10 rows"):
        out_of_fold([Truth(), Truth()], X.iloc[:10], followup, index, split)
    with pytest.raises(ValueError, match=r"threshold 1\.5"):
        validate("heart", [Truth()], X, followup, index, split, 10.0, (1.5,))


def test_a_new_measure_is_in_the_evidence(study: Study) -> None:
    @measure("largest", "Risque le plus élevé", "Largest risk", better=None, needs_outcome=False)
    def largest(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> float:
        return float(risk[weights > 0].max())

    try:
        evidence, _ = validate("heart", [Truth()], *study, InternalExternal(folds=2), 10.0, resamples=3)
    finally:
        del MEASURES["largest"]
    assert by_name(evidence.models[0].estimates)["largest"].value > 0.5


# --- Few refused ----------------------------------------------------------------------------------


def counts_of(node: Any, name: str) -> list[int | None]:
    if isinstance(node, dict):
        found = [node[name]] if name in node else []
        return found + [each for child in node.values() for each in counts_of(child, name)]
    return [each for child in node for each in counts_of(child, name)] if isinstance(node, list) else []


def judged(study: Study, refused: np.ndarray) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is told of a model that refuses some rows, and of its comparison with one that refuses none."""
    X, followup, index = study
    X = X.assign(age=np.where(refused, 85, 60))
    evidence, _ = validate(
        "heart",
        [Truth(), Average()],
        X,
        followup,
        index,
        InternalExternal(folds=3),
        10.0,
        (0.1,),
        "average",
        resamples=5,
    )
    tree = json.loads(evidence.to_json())
    return tree["models"][0], tree["comparisons"][0]


def test_a_handful_of_refusals_is_not_had_by_subtraction(study: Study) -> None:
    model, comparison = judged(study, np.arange(3000) % 500 == 0)  # six people in 3000
    assert (model["scored"], model["refused"], model["reasons"]) == (None, None, {"too old": None})
    for told in (model, comparison):
        for name in ("n", "events"):
            counts = counts_of(told, name)
            assert len(counts) > 3
            assert set(counts) == {None}
    values = {each["measure"]: each["value"] for each in model["estimates"]}
    assert values["auc"] > 0.6
    assert model["calibration"][0]["observed"] > 0


def test_no_more_is_hidden_than_need_be(study: Study) -> None:
    model, comparison = judged(study, np.zeros(3000, dtype=bool))
    assert (model["scored"], model["refused"]) == (3000, None)
    assert None not in counts_of(model["estimates"], "n") + counts_of(model["folds"], "n")
    assert None not in counts_of(comparison, "events")


@pytest.mark.slow
def test_few_events_among_many_refused_are_not_had_by_subtraction(study: Study) -> None:
    _, followup, _ = study
    event = np.flatnonzero(followup.cause == 1)
    refused = np.zeros(3000, dtype=bool)
    refused[event[:4]] = refused[np.flatnonzero(followup.cause == 0)[:300]] = True
    model, _ = judged(study, refused)
    assert (model["scored"], model["refused"]) == (2696, 304)
    assert {each["n"] for each in model["estimates"]} == {2696}
    assert set(counts_of(model, "events")) == {None}  # the total is told elsewhere


@pytest.mark.slow
def test_when_one_fold_is_telling_no_fold_tells(study: Study) -> None:
    _, _, index = study
    splits = list(InternalExternal(folds=3).split(index))
    refused = np.zeros(3000, dtype=bool)
    for (_, _, test), many in zip(splits, (60, 60, 4), strict=True):
        refused[test[:many]] = True
    model, _ = judged(study, refused)
    assert (model["scored"], model["refused"]) == (2876, 124)
    assert set(counts_of(model["folds"], "n")) == {None}


def test_many_refusals_do_not_tell_a_handful_of_scores(study: Study) -> None:
    model, _ = judged(study, np.arange(3000) >= 7)
    assert (model["scored"], model["refused"], model["reasons"]) == (None, None, {"too old": None})


# --- Clusters -------------------------------------------------------------------------------------


def test_what_is_resampled_is_chosen_and_said(study: Study) -> None:
    X, followup, index = study
    one_centre = index.assign(practice=0)
    split = InternalExternal("patient", 3)
    evidence, predictions = validate(
        "heart", [Truth()], X, followup, one_centre, split, 10.0, resamples=20, clusters="patient"
    )
    assert (evidence.clusters, evidence.practices) == ("patient", 1)
    rows = predictions["published"].notna().to_numpy()
    direct = estimate(predictions["published"][rows].to_numpy(), followup[rows], 10.0, index["patient"][rows], (), 20)
    assert list(evidence.models[0].estimates) == direct
    assert by_name(direct)["auc"].low < by_name(direct)["auc"].high


def test_one_cluster_is_refused_with_advice(study: Study) -> None:
    X, followup, index = study
    one_centre, split = index.assign(practice=0), InternalExternal("patient", 3)
    with pytest.raises(ValueError, match=r"one practice only.*use clusters='patient' \(1,500 values\)"):
        validate("heart", [Truth()], X, followup, one_centre, split, 10.0)
    with pytest.raises(ValueError, match=r"no column 'centre'.*clusters='practice'.* or clusters='patient'"):
        validate("heart", [Truth()], X, followup, index, split, 10.0, clusters="centre")
    with_holes = index.assign(region=np.where(np.arange(3000) < 7, None, "north"))
    with pytest.raises(ValueError, match="7 tested landmarks have no region"):
        validate("heart", [Truth()], X, followup, with_holes, split, 10.0, clusters="region")


# --- Figures --------------------------------------------------------------------------------------


def test_both_calibration_curves_are_drawn(result: tuple[Evidence, pd.DataFrame, list[str]]) -> None:
    evidence = result[0]
    panels = calibration(evidence).axes
    assert len(panels) == 2  # the silent one has none
    smooth = evidence.models[0].smooth
    assert len(smooth) > 20
    lines = [np.asarray(line.get_xydata()) for line in panels[0].lines]
    assert any(np.array_equal(line, [(p.predicted, p.observed) for p in smooth]) for line in lines)
    assert len(panels[0].collections) >= 2  # the band, and the bars of the groups


# --- Folds ----------------------------------------------------------------------------------------


def test_random_effects_by_hand() -> None:
    # log O/E of −0.3, 0 and 0.3, each with standard error 0.1: Q = 18, tau² = (18 − 2) / (300 − 100) = 0.08
    folds = [
        Estimate("observed_expected", *np.exp(centre + np.array([0, -0.196, 0.196])), 500, 100)
        for centre in (-0.3, 0.0, 0.3)
    ]
    found = across_folds(folds)
    assert found.folds == 3
    assert_allclose([found.pooled, found.tau], [1, math.sqrt(0.08)], rtol=1e-3)
    error = math.sqrt(0.09 / 3)
    assert_allclose(math.log(found.high), 4.3027 * error, rtol=1e-3)
    assert_allclose(math.log(found.expected_high), 12.7062 * math.sqrt(0.08 + error**2), rtol=1e-3)


def test_alike_folds_have_no_spread_and_two_are_not_enough() -> None:
    fold = Estimate("auc", 0.7, 0.65, 0.75, 500, 100)
    assert across_folds([fold] * 4).tau == 0
    assert_allclose(across_folds([fold] * 4).pooled, 0.7)
    assert math.isnan(across_folds([fold] * 2).tau)
    unusable = Estimate("auc", math.nan, math.nan, math.nan, None, None)
    assert across_folds([fold] * 3 + [unusable]).folds == 3

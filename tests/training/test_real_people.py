"""Published cohorts: what they are said to be, what is found in them, and the same figures by other libraries."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sksurv.metrics import brier_score, cumulative_dynamic_auc
from sksurv.nonparametric import cumulative_incidence_competing_risks, kaplan_meier_estimator
from sksurv.util import Surv

from features.outcome import COMPETING, EVENT, FollowUp
from features.sources.cohorts import CohortTable, read_table
from features.typography import LANGUAGES
from training.__main__ import main
from training.cohorts import RealPeople, cohorts_page, judge, judge_all
from training.cohorts.candidates import BY_PATIENT, candidates
from training.cohorts.declared import COHORTS, LEAST_EVENTS, LEFT_OUT, REASONS, RealCohort
from training.cohorts.page import why, years
from training.measures import estimate
from training.models import CompetingCox
from training.validate import out_of_fold

BY_NAME = {each.cohort.name: each for each in COHORTS}
WORCESTER = BY_NAME["worcester"]
OLMSTED = BY_NAME["olmsted"]


@pytest.fixture(scope="module")
def found() -> RealPeople:
    """Return what is found in two small cohorts that come with scikit-survival."""
    return judge_all(["worcester", "veterans-lung-cancer"], resamples=10)


@pytest.fixture(scope="module")
def olmsted() -> CohortTable:
    return read_table(OLMSTED.cohort)


# --- Declarations -----------------------------------------------------------------------------------


def test_names_are_distinct_and_every_cohort_of_the_package_is_accounted_for() -> None:
    assert len(BY_NAME) == len(COHORTS)
    assert set(LEFT_OUT) == set(REASONS)
    data = pytest.importorskip("SurvSet.data")
    judged = {each.cohort.dataset for each in COHORTS if each.cohort.package == "SurvSet"}
    left_out = [name for names in LEFT_OUT.values() for name in names]
    assert len(left_out) == len(set(left_out))
    assert judged | set(left_out) == set(data.SurvLoader().df_ds["ds"])
    assert not judged & set(left_out)


@pytest.mark.parametrize("real", COHORTS, ids=list(BY_NAME))
@pytest.mark.slow
def test_each_cohort_is_as_declared(real: RealCohort) -> None:
    if real.cohort.package == "SurvSet":
        pytest.importorskip("SurvSet")
    table = read_table(real.cohort)
    followup = table.followup
    assert len(table.X) == len(followup) == len(table.index)
    assert (followup.cause == EVENT).sum() >= LEAST_EVENTS
    assert (followup.duration >= real.cohort.horizon).mean() >= 0.1
    assert (table.X.dtypes == np.float64).all()
    assert not np.isinf(table.X.to_numpy()).any()
    assert table.X.notna().any().all()
    # Nothing alone tells who has the event among those whose end is known: a column about the future would.
    known = (followup.cause != 0) | (followup.duration >= followup.horizon)
    event = followup.cause[known] == EVENT
    many = event.sum(), (~event).sum()
    ranks = table.X[known].fillna(table.X.median()).rank()[event].sum()
    alone = (ranks - many[0] * (many[0] + 1) / 2) / (many[0] * many[1])
    assert alone.between(0.15, 0.85).all()


def test_deaths_of_other_causes_compete(olmsted: CohortTable) -> None:
    from sksurv.datasets import load_flchain

    X, y = load_flchain()
    until = y["futime"] <= 10 * 365.25
    circulatory = X["chapter"].astype(str) == "Circulatory"
    assert (olmsted.followup.cause == EVENT).sum() == (y["death"] & circulatory & until).sum() == 617
    assert (olmsted.followup.cause == COMPETING).sum() == (y["death"] & ~circulatory & until).sum()
    assert not [name for name in olmsted.X if name.startswith("chapter")]


# --- The same figures by other libraries --------------------------------------------------------------


def out_of_fold_risk(table: CohortTable) -> np.ndarray:
    model = CompetingCox()
    with np.errstate(over="ignore"):  # a first step that goes too far is halved
        return out_of_fold([model], table.X, table.followup, table.index, BY_PATIENT)[model.name]


@pytest.mark.slow
def test_figures_are_scikit_survivals() -> None:
    """Without competing events: AUC and Brier score at the horizon are those of scikit-survival."""
    table = read_table(WORCESTER.cohort)
    risk = out_of_fold_risk(table)
    closed, horizon = table.followup, table.followup.horizon
    found = {
        each.measure: each.value
        for each in estimate(risk, closed, horizon, table.index["patient"], (), 0, measures=("auc", "brier", "ipa"))
    }
    # It evaluates just before the end of follow-up; nothing happens in between.
    last = closed.duration[closed.cause == EVENT].max()
    longer = np.where(closed.duration >= horizon, horizon + 1, closed.duration)
    truth = Surv.from_arrays(closed.cause == EVENT, longer)
    at = (last + closed.duration[closed.duration > last].min()) / 2
    (auc,), _ = cumulative_dynamic_auc(truth, truth, risk, at)
    _, (brier,) = brier_score(truth, truth, 1 - risk, at)
    assert found["auc"] == pytest.approx(auc, abs=2e-3)
    assert found["brier"] == pytest.approx(brier, abs=1e-3)
    survival = kaplan_meier_estimator(closed.cause == EVENT, closed.duration)[1][-1]  # nothing competes here
    _, (null,) = brier_score(truth, truth, np.full(len(risk), survival), at)
    assert found["ipa"] == pytest.approx(1 - brier / null, abs=4e-3)


def observed_by_scikit_survival(followup: FollowUp) -> float:
    _, incidence = cumulative_incidence_competing_risks(followup.cause.astype(int), followup.duration)
    return float(incidence[1][-1])


@pytest.mark.slow
def test_observed_over_expected_is_aalen_johansens(olmsted: CohortTable) -> None:
    some = np.random.default_rng(0).choice(len(olmsted.X), 600, replace=False)
    table = CohortTable(olmsted.X.iloc[some], olmsted.followup[some], olmsted.index.iloc[some])
    risk = out_of_fold_risk(table)
    (ratio,) = estimate(risk, table.followup, 10.0, table.index["patient"], (), 0, measures=("observed_expected",))
    assert ratio.value == pytest.approx(observed_by_scikit_survival(table.followup) / risk.mean(), rel=1e-9)


def test_auc_uno_c_and_slope_are_those_of_their_definitions(olmsted: CohortTable) -> None:
    """With competing events: pairs counted one by one, and weights worked out anew, on some of the people."""
    some = np.random.default_rng(0).choice(len(olmsted.X), 300, replace=False)
    followup = olmsted.followup[some]
    risk = np.round(np.random.default_rng(1).beta(1, 6, 300) + 0.004 * (olmsted.X["age"].to_numpy()[some] - 50), 2)
    risk = np.clip(risk, 0.01, 0.99)
    found = {
        each.measure: each.value
        for each in estimate(
            risk, followup, 10.0, np.arange(300), (), 0, measures=("auc", "uno_c", "calibration_slope")
        )
    }
    time, cause = followup.duration, followup.cause
    lost = (cause == 0) & (time < 10)

    def stays(at: float, included: bool) -> float:
        """Return the probability of not having left by, or before, a time."""
        product = 1.0
        for moment in np.unique(time[lost]):
            if moment < at or (included and moment == at):
                there = ((time > moment) | ((time == moment) & lost)).sum()
                product *= 1 - (lost & (time == moment)).sum() / there
        return product

    before = np.array([stays(each, included=False) for each in time])
    weight = np.where(lost, 0.0, 1 / before)
    event = cause == EVENT
    wins = (risk[:, None] > risk) + 0.5 * (risk[:, None] == risk)
    pairs = (weight * event)[:, None] * (weight * ~event)
    assert found["auc"] == pytest.approx((pairs * wins).sum() / pairs.sum(), abs=1e-9)

    after = np.array([stays(each, included=True) if each < 10 else stays(each, included=False) for each in time])
    later = (time[:, None] < time) | ((time[:, None] == time) & (cause == 0))
    died = (cause == COMPETING) & (time[:, None] >= time)
    pairs = event[:, None] * (later / (before * after)[:, None] + died / (before[:, None] * before))
    assert found["uno_c"] == pytest.approx((pairs * wins).sum() / pairs.sum(), abs=1e-9)

    from sklearn.linear_model import LogisticRegression

    score = np.log(risk / (1 - risk))[:, None]
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(score, event, sample_weight=weight)
    assert found["calibration_slope"] == pytest.approx(fitted.coef_[0, 0], abs=1e-4)


# --- Who is given what ----------------------------------------------------------------------------------


def test_scores_are_for_people_without_disease_and_for_ten_years() -> None:
    X = pd.DataFrame(
        columns=["age", "female", "smoker", "systolic", "total_cholesterol", "hdl", "diabetes", "bp_treated"]
    )
    given, refused = candidates(X, 10.0, 0, cardiovascular=True, diseased=False)
    assert {"score2", "score2_recalibrated_slope", "pooled_cohort", "framingham_2008"} <= {each.name for each in given}
    assert any("creatinine" in each.reason["en"] for each in refused if each.title.en.startswith("PREVENT"))
    _, of_the_ill = candidates(X, 10.0, 0, cardiovascular=True, diseased=True)
    assert len(of_the_ill) == 6
    assert {each.reason["en"] for each in of_the_ill} == {
        "its authors leave out people who have cardiovascular disease already"
    }
    _, at_five = candidates(X, 5.0, 0, cardiovascular=True, diseased=False)
    assert any("published for 10 years" in each.reason["en"] for each in at_five)
    learned, nothing = candidates(X, 5.0, 0, cardiovascular=False, diseased=False)
    assert nothing == []
    assert [each.name for each in learned] == [
        "logistic_regression", "lightgbm", "stacked_logistic_regression", "stacked_lightgbm", "competing_cox",
    ]  # fmt: skip


def test_an_unknown_cohort_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no cohort 'nowhere': choose among framingham, smart"):
        judge_all(["nowhere"])


@pytest.mark.slow
def test_two_runs_give_the_same_bytes(found: RealPeople) -> None:
    (once,) = (each for each in found.cohorts if each.name == "veterans-lung-cancer")
    again = judge(BY_NAME["veterans-lung-cancer"], 10, 0)
    assert RealPeople((once,), ()).to_json() == RealPeople((again,), ()).to_json()


# --- The page ---------------------------------------------------------------------------------------------


def text_of(html: str, language: str) -> str:
    page = html.split(f'<div class="page" lang="{language}">')[1].split('<div class="page"')[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.mark.slow
def test_the_page_says_what_was_found_in_both_languages(found: RealPeople) -> None:
    html = cohorts_page(found)
    french, english = (text_of(html, language) for language in LANGUAGES)
    for cohort in found.cohorts:
        assert cohort.who["en"] in english
        for model in cohort.evidence.models:
            auc = next(each for each in model.estimates if each.measure == "auc")
            assert f"{auc.value:.3f}".replace(".", ",") in french
            assert f"{auc.low:.3f} to {auc.high:.3f}" in english
    assert "Moins de 100 évènements" in french
    assert "smarto" not in english
    assert not re.search(r"(src|href)=\"(?!#)", html)
    assert "<script" not in html
    assert " style=" not in html
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(ids)
    assert cohorts_page(json.loads(found.to_json())) == html
    assert cohorts_page(found, "en").startswith('<!doctype html>\n<html lang="en">')


@pytest.mark.slow
def test_no_value_on_a_small_count_is_shown(found: RealPeople) -> None:
    tree = json.loads(found.to_json())
    auc = next(each for each in tree["cohorts"][0]["evidence"]["models"][0]["estimates"] if each["measure"] == "auc")
    auc |= {"value": 0.98765, "events": 7}
    assert "0,988" not in cohorts_page(tree)


@pytest.mark.slow
def test_what_a_copy_hides_is_said(found: RealPeople) -> None:
    hiding = dataclasses.replace(found.cohorts[0], deaths_told=False, caution={"fr": "Prudence.", "en": "Careful."})
    page = cohorts_page(dataclasses.replace(found, cohorts=(hiding,)))
    assert "a world without other deaths" in text_of(page, "en")
    assert "Prudence." in text_of(page, "fr")


@pytest.mark.parametrize(
    ("reason", "fr", "en"),
    [
        ("missing hdl", "Cholestérol HDL\u00a0: manquant", "HDL cholesterol: missing"),
        ("age outside 40-89", "Âge\u00a0: hors de 40 à 89", "Age: outside 40 to 89"),
        ("hdl outside 0.517-2.59", "Cholestérol HDL\u00a0: hors de 0,5 à 2,6", "HDL cholesterol: outside 0.5 to 2.6"),
        ("diabetes", "Diabète", "Diabetes"),
    ],
)
def test_refusals_are_in_words(reason: str, fr: str, en: str) -> None:
    assert (why(reason, "fr"), why(reason, "en")) == (fr, en)


def test_times_are_in_years_or_months() -> None:
    assert [years(each, "fr") for each in (10.0, 1.0, 1 / 3)] == ["10\u00a0ans", "1\u00a0an", "4\u00a0mois"]


@pytest.mark.slow
def test_the_command_writes_page_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["cohorts", "--into", str(tmp_path), "--cohort", "veterans-lung-cancer", "--resamples", "5"]
    assert main(arguments) == 0
    assert "cohorts.html" in capsys.readouterr().out
    tree = json.loads((tmp_path / "cohorts.json").read_text())
    assert [each["name"] for each in tree["cohorts"]] == ["veterans-lung-cancer"]
    assert "Cancer du poumon" in (tmp_path / "cohorts.html").read_text()

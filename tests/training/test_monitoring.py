"""Monitoring: what changed is raised, what did not is not, and no small count is told."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.outcome import CENSORED, EVENT, FollowUp
from features.privacy import SMALLEST_COUNT, scan
from training.measures import estimate
from training.monitoring import (
    FAMILY_WISE,
    AlteredHistory,
    Finding,
    History,
    Reference,
    Report,
    Seen,
    Tally,
    calibration_finding,
    judge,
    level_of,
    monitoring_page,
    reference,
    share_finding,
)
from training.monitoring.bins import Bins
from training.monitoring.report import Calibration, Use
from training.monitoring.statistics import adjusted, design_effect, mean_and_error, stability_index
from training.studies import CARDIOVASCULAR, Study

MEASURED = ("systolic", "total_cholesterol", "hdl", "bmi", "age", "non_hdl")
STUDY: Study = replace(
    CARDIOVASCULAR,
    features=CARDIOVASCULAR.features.only(*MEASURED, "smoker"),
    sensitive=CARDIOVASCULAR.sensitive.only("sex", "age_band"),
)


def seen(seed: int, n: int = 3000, practices: int = 30, shift: float = 0.0, missing: float = 0.2) -> Seen:
    """People in practices that differ; systolic pressure shifted by so many standard deviations."""
    rng = np.random.default_rng(seed)
    at = rng.integers(0, practices, n)
    frame = {name: rng.normal(0, 0.15, practices)[at] + rng.normal(0, 1, n) for name in MEASURED}
    frame["systolic"] = frame["systolic"] + shift
    frame["smoker"] = (rng.random(n) < np.clip(rng.normal(0.25, 0.05, practices), 0.05, 0.5)[at]).astype(float)
    X = pd.DataFrame(frame)
    X.loc[rng.random(n) < missing, "systolic"] = np.nan
    unmet = pd.DataFrame({"sex_known": np.zeros(n, dtype=bool), "systolic_within_2_years": X["systolic"].isna()})
    risk = 1 / (1 + np.exp(3 - 0.4 * X["systolic"].to_numpy() - 0.3 * X["age"].to_numpy()))
    groups = pd.DataFrame(
        {"sex": np.where(rng.random(n) < 0.5, "female", "male"), "age_band": np.where(X["age"] < 0, "40–49", "50–59")}
    ).astype(object)
    return Seen(
        np.array([f"practice-{each}" for each in at], dtype=object), X[list(STUDY.features)], groups, unmet, risk
    )


def tally(made: Reference, *of: Seen) -> Tally:
    found = Tally(made.bins)
    for each in of:
        found.add(each)
    return found


def measured(made: Reference, of: Seen, share: float, seed: int = 0) -> Tally:
    """Of some people, what a share of them had measured lately."""
    found = Tally(made.bins)
    columns = of.features[list(MEASURED[:4])]
    recent = pd.DataFrame(np.random.default_rng(seed).random(columns.shape) < share, columns=columns.columns)
    found.add_measured(of.practice, columns, recent & columns.notna())
    return found


@pytest.fixture(scope="module")
def made() -> Reference:
    return reference(STUDY, seen(0))


def raised(findings: tuple[Finding, ...], level: str = "alert") -> set[tuple[str, str]]:
    return {(each.kind, each.name) for each in findings if each.level == level}


# --- Statistics -----------------------------------------------------------------------------------------------


def test_the_stability_index_is_siddiqi_s():
    """Worked by hand: shares 0.5, 0.5 against 0.6, 0.4 of many people."""
    by_hand = 0.1 * math.log(0.6 / 0.5) - 0.1 * math.log(0.4 / 0.5)
    assert stability_index(np.array([5e6, 5e6]), np.array([6e6, 4e6])) == pytest.approx(by_hand, rel=1e-4)
    assert stability_index(np.array([70.0, 30.0]), np.array([70.0, 30.0])) == 0


def test_people_who_are_all_alike_in_a_practice_count_once():
    rng = np.random.default_rng(1)
    alike = np.zeros((200, 4))
    alike[np.arange(200), rng.integers(0, 4, 200)] = 25
    assert design_effect(alike) == pytest.approx(25, rel=0.15)
    alone = rng.multinomial(25, np.full(4, 0.25), 200).astype(float)
    assert design_effect(alone) == pytest.approx(1, abs=0.15)
    assert math.isnan(design_effect(alone[:1]))


def test_the_error_of_a_mean_is_that_of_repeated_samples():
    rng = np.random.default_rng(2)

    def sampled() -> tuple[float, float]:
        values = rng.normal(0, 0.5, 40)[:, None] + rng.normal(0, 1, (40, 20))
        return mean_and_error(values.sum(axis=1), np.full(40, 20.0), (values**2).sum(axis=1))

    drawn = np.array([sampled() for _ in range(300)])
    assert drawn[:, 1].mean() == pytest.approx(drawn[:, 0].std(), rel=0.1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_adjusted_probabilities_are_holm_s(raw: list[float]) -> None:
    """Against the definition, worked out one by one: the largest, over smaller ones, of (how many are left) × p."""
    ranked = sorted(raw)
    for one, found in zip(raw, adjusted(raw), strict=True):
        last = max(place for place, each in enumerate(ranked) if each == one)
        expected = max(min(1.0, (len(raw) - place) * each) for place, each in enumerate(ranked[: last + 1]))
        assert one <= found <= expected + 1e-12


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=60))
def test_every_value_has_one_bin_and_what_is_missing_another(values: list[float | None]) -> None:
    column = pd.Series(values, dtype=np.float64)
    bins = Bins.learn(column)
    place = bins.place(column)
    assert ((place == bins.many) == column.isna().to_numpy()).all()
    order = np.argsort(column.dropna().to_numpy(), kind="stable")
    assert (np.diff(place[column.notna().to_numpy()][order]) >= 0).all()


def test_a_condition_has_two_bins_and_many_zeros_one_of_their_own():
    condition = pd.Series([0.0] * 99 + [1.0])
    assert Bins.learn(condition).place(condition).tolist() == [0] * 99 + [1]
    assert Bins.learn(condition[:99]).place(condition).tolist() == [0] * 99 + [1]
    counted = pd.Series([0.0] * 700 + [float(each) for each in range(1, 301)])
    place = Bins.learn(counted).place(counted)
    assert (place[:700] == 0).all()
    assert (place[700:] > 0).all()


# --- What is raised -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_nothing_is_raised_where_nothing_changed_however_few_they_are(made: Reference) -> None:
    """By chance in a hundredth of runs at most: of 120 runs, three or fewer (99 % of the time)."""
    runs = 0
    for seed in range(1, 121):
        n = (60, 200, 1000)[seed % 3]
        now, before = seen(seed, n, practices=12), seen(1000 + seed, 3000, practices=12)
        found = judge(made, tally(made, now), (measured(made, now, 0.3), measured(made, before, 0.3, seed)))
        runs += any(each.level != "none" for each in found)
    assert runs <= 4, runs


def test_small_samples_pass_a_threshold_by_chance_which_alone_raises_nothing(made: Reference) -> None:
    found = judge(made, tally(made, seen(7, 40, practices=8)))
    assert any(each.kind == "feature" and each.effect > 0.1 for each in found)
    assert all(each.level == "none" for each in found)


def test_a_shifted_input_is_raised_and_only_it_and_what_depends_on_it(made: Reference) -> None:
    found = judge(made, tally(made, seen(3, shift=0.6)))
    assert ("feature", "systolic") in raised(found) | raised(found, "watch")
    assert {name for kind, name in raised(found) if kind in ("feature", "missing")} <= {"systolic"}
    assert ("mean_risk", "risk") in raised(found) | raised(found, "watch")


def test_what_is_missing_more_often_is_raised_with_its_abstentions(made: Reference) -> None:
    found = raised(judge(made, tally(made, seen(4, missing=0.5))))
    assert {("missing", "systolic"), ("abstention", "any"), ("abstention", "systolic_within_2_years")} <= found
    assert ("group_abstention", "abstention") in found
    assert ("abstention", "sex_known") not in found


def test_new_devices_and_broken_interfaces_are_seen_in_what_is_measured(made: Reference) -> None:
    now, before = seen(5, 2000, shift=0.5), seen(6, 6000)
    devices = judge(made, tally(made, seen(8)), (measured(made, now, 0.2), measured(made, before, 0.2)))
    assert ("measured_value", "systolic") in raised(devices)
    assert ("measured_value", "hdl") not in raised(devices)
    broken = measured(made, seen(9, 2000), 0.0)
    found = judge(made, tally(made, seen(8)), (broken, measured(made, before, 0.2)))
    assert {("measured_share", name) for name in MEASURED[:4]} <= raised(found)


def test_one_practice_alone_is_not_judged(made: Reference) -> None:
    found = judge(made, tally(made, seen(10, 500, practices=1, shift=2)))
    assert all(each.level == "none" for each in found if each.kind not in ("missing", "group_missing"))


def calibrated(factor: float) -> Finding:
    """Observed over expected where the risk is so many times what is observed."""
    rng = np.random.default_rng(11)
    risk = rng.uniform(0.05, 0.3, 4000)
    event = rng.random(4000) < risk
    duration = np.where(event, rng.uniform(0, 5, 4000), 5.0)
    followup = FollowUp(duration, np.where(event, EVENT, CENSORED).astype(np.int8), np.zeros(4000, dtype=np.int8), 5.0)
    practices = rng.integers(0, 25, 4000).astype(str)
    made = estimate(risk * factor, followup, 5.0, practices, measures=("observed_expected",))
    return calibration_finding(5.0, made[0], 25)


def test_calibration_drift_is_raised_and_chance_is_not(made: Reference) -> None:
    right, wrong = (judge(made, tally(made, seen(12)), others=(calibrated(factor),)) for factor in (1.0, 1.6))
    assert raised(right) == set()
    assert raised(wrong) == {("calibration", "5")}


def test_use_is_judged_by_shares_and_few_cards_say_nothing():
    most = share_finding("overridden", "cards", "", "", 95, 100)
    assert most.probability < 1e-6
    assert most.effect == 0.89, "the nearest that may be told: five were followed"
    assert math.isnan(most.now)
    few = share_finding("overridden", "cards", "", "", 10, 10)
    assert math.isnan(few.effect)
    assert few.probability == 1
    assert level_of("overridden", 0.9, FAMILY_WISE) == "none"


# --- What is told ---------------------------------------------------------------------------------------------


def test_the_reference_tells_of_nobody_alone(tmp_path: Path) -> None:
    of = seen(0, 800)
    of.groups.loc[:6, "sex"] = "other people"
    of.features.loc[:3, "bmi"] = np.nan
    made = reference(STUDY, of)
    for profile in (*made.features, made.score, *made.groups, *made.abstentions):
        assert all(count == 0 or round(count) >= SMALLEST_COUNT for count in profile.counts), profile.name
    assert made.groups[0].shares[made.groups[0].labels.index("other people")] == 0
    assert next(each for each in made.features if each.name == "bmi").shares[-1] == 0
    shares = next(each for each in made.by_group if (each.of, each.attribute) == ("bmi", "age_band")).shares
    assert all(math.isnan(share) for share in shares.values() if share), "1 to 4 people"
    (tmp_path / "monitoring.json").write_text(made.to_json())
    numbers = of.features.select_dtypes("number")
    extremes = {str(name): (float(c.min()), float(c.max())) for name, c in numbers.items()}
    assert scan(tmp_path, extremes) == []
    assert Reference.from_json(made.to_json()).to_json() == made.to_json()


def test_no_edge_is_a_value_that_few_people_reach():
    values = pd.Series([0.0] * 50 + [1.0] * 30 + [2.0] * 20 + [7.0] * 3)
    assert Bins.learn(values).edges == (1.0, 2.0)
    assert Bins.learn(pd.Series(np.linspace(0, 1.2345, 8))).edges == ()


def test_too_few_people_make_no_reference():
    with pytest.raises(ValueError, match="fewer than 11"):
        reference(STUDY, seen(0, 9))


def test_counts_do_not_depend_on_how_people_are_cut_into_shards(made: Reference) -> None:
    of = seen(13, 900)
    rows = [np.arange(900) % 3 == part for part in range(3)]
    parts = [Seen(of.practice[r], of.features[r], of.groups[r], of.unmet[r], of.risk[r]) for r in rows]
    merged = tally(made, parts[0])
    for part in parts[1:]:
        merged.merge(tally(made, part))
    assert merged.tables.keys() == tally(made, of).tables.keys()
    one, other = judge(made, merged), judge(made, tally(made, of))
    assert [each.level for each in one] == [each.level for each in other]
    assert np.allclose([each.effect for each in one], [each.effect for each in other], equal_nan=True)


def report(made: Reference, of: Seen, end: str = "2026-02-02") -> Report:
    use = Use(cards=40, overridden=None, reasons={"wrong-data": None}, requests={"answered": 500}, slowest=None)
    findings = judge(made, tally(made, of), (measured(made, of, 0.3), measured(made, of, 0.3, 1)))
    calibration = (Calibration(5.0, "2020-08-02", ()),)
    study = CARDIOVASCULAR.name
    return Report(study, "m" * 64, "c" * 64, "2026-01-26", end, (end,), 3000, 30, findings, calibration, use)


def test_a_history_grows_and_shows_what_was_altered(made: Reference, tmp_path: Path) -> None:
    history = History(tmp_path)
    for end in ("2026-02-02", "2026-02-09"):
        history.append(report(made, seen(14), end))
    assert [run["end"] for run in history.runs("c" * 64)] == ["2026-02-02", "2026-02-09"]
    assert history.runs("d" * 64) == []
    first, second = history.path.read_bytes().splitlines()
    history.path.write_bytes(first.replace(b"2026-02-02", b"2026-02-01") + b"\n" + second + b"\n")
    with pytest.raises(AlteredHistory, match="line 2"):
        history.append(report(made, seen(14)))


def test_a_report_and_its_page_tell_no_small_count_in_either_language(made: Reference, tmp_path: Path) -> None:
    drifted = report(made, seen(15, shift=0.8))
    History(tmp_path).append(drifted)
    (tmp_path / "monitoring.json").write_text(drifted.to_json())
    page = monitoring_page(drifted, made, History(tmp_path).runs("c" * 64))
    (tmp_path / "monitoring.html").write_text(page)
    assert scan(tmp_path) == []
    assert "Alerte\u00a0: à examiner avant de continuer" in page
    assert "Alert: to be examined before going on" in page
    assert "masqué" in page
    assert "DEMONSTRATION" not in page
    marked = monitoring_page(replace(drifted, demonstration=True), made, [])
    assert "DÉMONSTRATION" in marked
    assert "DEMONSTRATION" in marked
    assert "practice-" not in page + drifted.to_json()
    assert page == monitoring_page(drifted, made, History(tmp_path).runs("c" * 64))
    assert Report.from_json(drifted.to_json()).level == "alert"
    assert json.loads(drifted.to_json())["study"] == CARDIOVASCULAR.name

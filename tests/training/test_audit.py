"""What is claimed of everybody must hold for each group, and doubt is said."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from features.outcome import FollowUp
from training.audit import (
    MINIMUM_EVENTS,
    AttributeAudit,
    Audit,
    Finding,
    Gap,
    _largest_gap,
    _verdict,
    audit,
    with_pairs,
)
from training.measures import MEASURES, Estimate, OutcomeAtHorizon, estimate, measure
from training.survival import Floats

TOLERANCES = {"observed_expected": (0.8, 1.25)}


def simulate(n: int = 6000, seed: int = 0) -> tuple[Floats, FollowUp, pd.DataFrame, np.ndarray]:
    """Calibrated for the town; for the country the true risk is double what is predicted, and more people leave."""
    rng = np.random.default_rng(seed)
    place = rng.choice(["town", "country"], n)
    hazard = 0.015 * np.exp(rng.normal(0, 0.7, n))
    risk = hazard / (hazard + 0.02) * -np.expm1(-(hazard + 0.02) * 10)
    hazard = hazard * np.where(place == "country", 2.2, 1)
    total = hazard + 0.02
    end = rng.exponential(1 / total)
    left = rng.exponential(np.where(place == "country", 8, 30))
    cause = np.where(end > np.minimum(left, 10), 0, np.where(rng.uniform(size=n) < hazard / total, 1, 2))
    followup = FollowUp(
        np.minimum(np.minimum(end, left), 10.0), cause.astype(np.int8), np.zeros(n, dtype=np.int8), 10.0
    )
    size = pd.Categorical(rng.choice(["small", "large", None, "tiny", "few"], n, p=[0.4, 0.46, 0.1, 0.001, 0.039]))
    return risk, followup, pd.DataFrame({"place": place, "size": size}), rng.integers(0, 60, n)


@pytest.fixture(scope="module")
def audited() -> Audit:
    risk, followup, groups, practice = simulate()
    return audit(risk, followup, 10.0, groups, practice, TOLERANCES, (0.1,), resamples=80)


def finding(attribute: AttributeAudit, group: str, name: str) -> Finding:
    (found,) = [each for each in attribute.groups if each.group == group]
    return next(each for each in found.findings if each.estimate.measure == name)


def gap(attribute: AttributeAudit, name: str) -> Gap:
    return next(each for each in attribute.gaps if each.measure == name)


def test_a_group_told_too_low_a_risk_is_found(audited: Audit) -> None:
    place, _ = audited.attributes
    country, town = (finding(place, group, "observed_expected") for group in ("country", "town"))
    assert (country.verdict, town.verdict) == ("outside", "within")
    assert country.estimate.low > 1.5
    widest = gap(place, "observed_expected")
    assert (widest.highest, widest.lowest, widest.groups) == ("country", "town", 2)
    assert 0 < widest.low < widest.value < widest.high


def test_values_by_group_are_those_of_the_group_alone(audited: Audit) -> None:
    risk, followup, groups, practice = simulate()
    rows = (groups["place"] == "country").to_numpy()
    alone = estimate(risk[rows], followup[rows], 10.0, practice[rows], (0.1,), resamples=2)
    (country,) = [each for each in audited.attributes[0].groups if each.group == "country"]
    assert country.n == rows.sum()
    assert_allclose([each.estimate.value for each in country.findings], [each.value for each in alone], rtol=1e-9)


def test_no_group_is_dropped(audited: Audit) -> None:
    size = audited.attributes[1]
    assert [group.group for group in size.groups] == ["few", "large", "missing", "small", "tiny"]
    tiny = finding(size, "tiny", "predicted")
    assert math.isnan(tiny.estimate.value)
    assert next(group.n for group in size.groups if group.group == "tiny") is None
    assert finding(size, "tiny", "observed_expected").verdict == "insufficient"
    assert math.isfinite(finding(size, "missing", "auc").estimate.low)


def test_few_events_give_no_value_for_what_depends_on_them(audited: Audit) -> None:
    risk, followup, groups, practice = simulate()
    events = int((followup.cause[(groups["size"] == "few").to_numpy()] == 1).sum())
    fewer = groups.assign(size=np.where((groups["size"] == "few") & (np.arange(6000) < 2000), "fewer", "other"))
    again = audit(risk, followup, 10.0, fewer[["size"]], practice, TOLERANCES, resamples=20).attributes[0]
    count = int((followup.cause[(fewer["size"] == "fewer").to_numpy()] == 1).sum())
    assert 11 <= count < MINIMUM_EVENTS <= events
    for name in ("auc", "observed_expected", "observed"):
        assert math.isnan(finding(again, "fewer", name).estimate.value)
    assert math.isfinite(finding(again, "fewer", "predicted").estimate.value)
    assert finding(again, "fewer", "observed_expected").verdict == "insufficient"
    assert again.groups[0].events == count
    assert [each.measure for each in again.gaps] == ["predicted"]
    assert finding(audited.attributes[1], "few", "observed_expected").verdict in {"uncertain", "outside"}


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.8, 1.25, "within"),
        (0.9, 1.1, "within"),
        (0.7, 0.79, "outside"),
        (1.26, 1.4, "outside"),
        (0.7, 0.9, "uncertain"),
        (0.5, 2.0, "uncertain"),
        (math.nan, math.nan, "insufficient"),
    ],
)
def test_a_verdict_is_given_on_the_interval(low: float, high: float, verdict: str) -> None:
    found = Estimate("observed_expected", 1.0, low, high, 100, 50)
    assert _verdict(found, (0.8, 1.25)) == verdict
    assert _verdict(found, None) is None


def test_the_gap_of_many_equal_groups_is_put_down_to_chance() -> None:
    rng = np.random.default_rng(1)
    found_by_luck = 0
    for _ in range(200):
        values = rng.normal(0, 1, 8)
        draws = values[:, None] + rng.normal(0, 1, (8, 200))
        estimates = {str(group): Estimate("auc", value, value, value, 100, 50) for group, value in enumerate(values)}
        found_by_luck += _largest_gap(estimates, draws).low > 0
    assert found_by_luck <= 20  # 5 % of 200 expected; an interval for one pair chosen last would give about 100


def test_a_gap_without_spread_is_exact() -> None:
    estimates = {name: Estimate("auc", value, value, value, 100, 50) for name, value in (("a", 0.7), ("b", 0.6))}
    found = _largest_gap(estimates, np.array([[0.7, 0.7], [0.6, 0.6]]))
    assert_allclose([found.low, found.value, found.high], 0.1)
    assert math.isnan(_largest_gap(estimates, np.array([[0.7, math.nan], [0.6, 0.6]])).low)


def test_two_averages_may_hide_a_group() -> None:
    groups = pd.DataFrame({"sex": ["f", "m", None], "age": pd.Categorical(["old", "young", "old"])})
    pairs = with_pairs(groups)
    assert list(pairs.columns) == ["sex", "age", "sex × age"]
    assert pairs["sex × age"].tolist() == ["f × old", "m × young", "missing × old"]


def test_an_audit_comes_back_from_json_as_it_went(audited: Audit) -> None:
    text = audited.to_json()
    again = Audit.from_json(text)
    assert again.to_json() == text
    assert again.tolerances == TOLERANCES
    assert "NaN" not in text
    assert (audited.smallest_count, audited.minimum_events) == (11, 20)


def test_row_order_changes_nothing(audited: Audit) -> None:
    risk, followup, groups, practice = simulate()
    order = np.random.default_rng(2).permutation(len(risk))
    shuffled = audit(
        risk[order],
        followup[order],
        10.0,
        groups.iloc[order],
        practice[order],
        TOLERANCES,
        (0.1,),
        resamples=80,
    )
    assert shuffled.to_json() == audited.to_json()


def test_impossible_requests_are_refused() -> None:
    risk, followup, groups, practice = simulate(100)
    with pytest.raises(ValueError, match=r"unknown measure 'accuracy'.*'auc' is 1 to 0"):
        audit(risk, followup, 10.0, groups, practice, {"accuracy": (0, 1), "auc": (1, 0)})
    with pytest.raises(ValueError, match=r"groups has 50 rows"):
        audit(risk, followup, 10.0, groups.iloc[:50], practice, {})
    risk[3] = math.nan
    with pytest.raises(ValueError, match=r"1 of 100 risks are NaN"):
        audit(risk, followup, 10.0, groups, practice, {})


def test_a_new_measure_is_audited() -> None:
    @measure("largest", "Risque le plus élevé", "Largest risk", better=None, needs_outcome=False)
    def largest(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> float:
        return float(risk[weights > 0].max())

    risk, followup, groups, practice = simulate(500)
    try:
        found = audit(risk, followup, 10.0, groups[["place"]], practice, {"largest": (0, 1)}, resamples=5)
    finally:
        del MEASURES["largest"]
    assert finding(found.attributes[0], "town", "largest").verdict == "within"


def test_few_refused_are_not_had_by_subtraction_from_the_groups() -> None:
    risk, followup, groups, practice = simulate(2000)
    where = (groups[["place"]], practice, {})
    event = np.flatnonzero(followup.cause == 1)
    well = np.flatnonzero(followup.cause == 0)

    def told(refused: np.ndarray) -> tuple[set[object], set[object]]:
        (attribute,) = audit(risk, followup, 10.0, *where, resamples=3, refused=followup[refused]).attributes
        return {group.n for group in attribute.groups}, {group.events for group in attribute.groups}

    n, events = told(event[:0])
    assert None not in n | events
    n, events = told(np.concatenate([event[:4], well[:3]]))
    assert None in n
    assert None in events
    for few_ill, few_well in ((4, 300), (40, 8)):
        n, events = told(np.concatenate([event[:few_ill], well[:few_well]]))
        assert None not in n
        assert None in events

"""What is claimed of everybody must hold for each group, and doubt is said."""

from __future__ import annotations

import json
import math
from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from features.outcome import FollowUp
from features.privacy import SMALLEST_COUNT
from features.privacy.linking import Sum, exposed
from training.audit import (
    AUDITED,
    CROSSED,
    FAMILY_WISE,
    MINIMUM_EVENTS,
    AttributeAudit,
    Audit,
    Finding,
    Gap,
    Judged,
    audit,
    judge,
    largest_gap,
    shrink,
    verdict_alone,
    window,
    with_pairs,
)
from training.measures import MEASURES, Estimate, OutcomeAtHorizon, difference, estimate, measure
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


def rival(risk: Floats) -> Floats:
    """Return the risks of a comparator that refuses one in ten."""
    return np.where(np.arange(len(risk)) % 10 == 3, np.nan, np.clip(0.6 * risk + 0.02, 0, 1))


def recorded(groups: pd.DataFrame) -> pd.DataFrame:
    """Return what is recorded: blood pressure is missing twice as often in the country."""
    rng = np.random.default_rng(5)
    missing = rng.uniform(size=len(groups)) < np.where(groups["place"] == "country", 0.4, 0.2)
    visits = rng.poisson(4, len(groups)).astype(float)
    visits[::50] = math.nan
    return pd.DataFrame({"pressure_missing": missing, "visits": visits})


@pytest.fixture(scope="module")
def audited() -> Audit:
    risk, followup, groups, practice = simulate()
    return audit(
        risk,
        followup,
        10.0,
        groups,
        practice,
        TOLERANCES,
        (0.1,),
        resamples=40,
        comparator=rival(risk),
        recorded=recorded(groups),
    )


@pytest.fixture(scope="module")
def paired() -> Audit:
    risk, followup, groups, practice = simulate(3000)
    return audit(risk, followup, 10.0, with_pairs(groups), practice, TOLERANCES, (0.1,), resamples=5)


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
    registered = [each.estimate for each in country.findings if each.estimate.measure in MEASURES]
    assert_allclose([each.value for each in registered], [each.value for each in alone], rtol=1e-9)


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
    assert verdict_alone(found, (0.8, 1.25)) == verdict


def test_the_gap_of_many_equal_groups_is_put_down_to_chance() -> None:
    rng = np.random.default_rng(1)
    found_by_luck = 0
    for _ in range(200):
        values = rng.normal(0, 1, 8)
        draws = values[:, None] + rng.normal(0, 1, (8, 200))
        found_by_luck += (
            largest_gap("auc", None, {str(group): each for group, each in enumerate(values)}, draws).low > 0
        )
    assert found_by_luck <= 20  # 5 % of 200 expected; an interval for one pair chosen last would give about 100


def test_a_gap_without_spread_is_exact() -> None:
    values = {"a": 0.7, "b": 0.6}
    found = largest_gap("auc", None, values, np.array([[0.7, 0.7], [0.6, 0.6]]))
    assert_allclose([found.low, found.value, found.high], 0.1)
    assert math.isnan(largest_gap("auc", None, values, np.array([[0.7, math.nan], [0.6, 0.6]])).low)


def test_a_replicate_without_one_group_still_counts_for_the_others() -> None:
    rng = np.random.default_rng(0)
    values = dict(zip("abcdef", (0.5, 0.6, 0.7, 0.7, 0.7, 0.9), strict=True))
    draws = np.array(list(values.values()))[:, None] + rng.normal(0, 0.02, (6, 400))
    for group in range(6):  # each fails in 4 %, never in the same replicates: 24 % of all
        draws[group, 16 * group : 16 * (group + 1)] = np.nan
    found = largest_gap("auc", None, values, draws)
    assert (found.highest, found.lowest) == ("f", "a")
    assert found.low == pytest.approx(0.4 - 3 * 0.0283, abs=0.03)
    few = largest_gap("auc", None, values, draws, [40, 40, 40, 40, 40, 4])
    assert few.high - few.low > 1.5 * (found.high - found.low)  # four practices tell little of a spread


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


@pytest.mark.slow
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
        resamples=40,
        comparator=rival(risk)[order],
        recorded=recorded(groups).iloc[order],
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


@pytest.mark.slow
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


# --- What only an audit measures ----------------------------------------------------------------------------


def everybody_followed(n: int = 4000, seed: int = 3) -> tuple[Floats, FollowUp, pd.DataFrame, np.ndarray]:
    """Nobody leaves, so that everything can be counted by hand."""
    rng = np.random.default_rng(seed)
    risk = rng.beta(1.2, 8, n)
    ill = rng.uniform(size=n) < risk
    followup = FollowUp(
        np.where(ill, rng.uniform(0.1, 9.9, n), 10.0), ill.astype(np.int8), np.zeros(n, dtype=np.int8), 10.0
    )
    return risk, followup, pd.DataFrame({"place": rng.choice(["town", "country"], n)}), rng.integers(0, 40, n)


def test_calibration_near_the_threshold_and_false_positives_are_those_counted_by_hand() -> None:
    risk, followup, groups, practice = everybody_followed()
    attribute = audit(risk, followup, 10.0, groups, practice, {}, (0.1,), resamples=10).attributes[0]
    low, high = window(0.1)
    assert_allclose([low, high], [0.1 / 0.9 / 1.5 / (1 + 0.1 / 0.9 / 1.5), 0.1 / 0.9 * 1.5 / (1 + 0.1 / 0.9 * 1.5)])
    assert (round(low, 3), round(high, 3)) == (0.069, 0.143)
    for place in ("town", "country"):
        people = [
            (float(r), int(c))
            for r, c, where in zip(risk, followup.cause, groups["place"], strict=True)
            if where == place
        ]
        near = [(r, c) for r, c in people if low <= r < high]
        expected = sum(c for _, c in near) / sum(r for r, _ in near)
        assert finding(attribute, place, "calibration_at_threshold").estimate.value == pytest.approx(expected)
        healthy = [r for r, c in people if c == 0]
        wrong = sum(r >= 0.1 for r in healthy) / len(healthy)
        found = finding(attribute, place, "false_positive_rate").estimate
        assert found.value == pytest.approx(wrong)
        assert found.low < wrong < found.high
        assert wrong == pytest.approx(1 - finding(attribute, place, "specificity").estimate.value)


def test_few_events_near_the_threshold_give_no_value_there() -> None:
    risk, followup, groups, practice = everybody_followed()
    attribute = audit(risk, followup, 10.0, groups, practice, {}, (0.7,), resamples=5).attributes[0]
    assert math.isnan(finding(attribute, "town", "calibration_at_threshold").estimate.value)
    assert math.isfinite(finding(attribute, "town", "observed_expected").estimate.value)


def test_the_difference_to_the_comparator_is_about_those_both_can_score(audited: Audit) -> None:
    risk, followup, groups, practice = simulate()
    other = rival(risk)
    rows = (groups["place"] == "country").to_numpy() & np.isfinite(other)
    (alone,) = difference(
        risk[rows], other[rows], followup[rows], 10.0, practice[rows], (0.1,), 80, measures=("net_benefit",)
    )
    found = finding(audited.attributes[0], "country", "net_benefit_difference").estimate
    assert found.value == pytest.approx(alone.value)
    assert found.low < found.value < found.high
    assert (found.n, found.events) == (None, None), "beside the group's own count it would tell how many were refused"
    everybody = audit(
        risk, followup, 10.0, groups[["place"]], practice, {}, (0.1,), resamples=5, comparator=0.9 * risk
    ).attributes[0]
    whole = finding(everybody, "country", "net_benefit_difference").estimate
    assert whole.n == int((groups["place"] == "country").sum())


def test_a_difference_cannot_be_judged_without_a_comparator() -> None:
    risk, followup, groups, practice = simulate(200)
    with pytest.raises(ValueError, match="unknown measure 'net_benefit_difference'"):
        audit(risk, followup, 10.0, groups, practice, {"net_benefit_difference": (0, 1)}, (0.1,))
    with pytest.raises(ValueError, match=r"recorded has 5 rows.*comparator has 3 rows"):
        audit(risk, followup, 10.0, groups, practice, {}, comparator=risk[:3], recorded=pd.DataFrame({"x": range(5)}))


@pytest.mark.slow
def test_where_attributes_cross_there_is_what_a_verdict_rests_on(audited: Audit, paired: Audit) -> None:
    pairs = paired.attributes[2]
    assert {each.estimate.measure for each in pairs.groups[0].findings} == {*CROSSED, *AUDITED} - {
        "net_benefit_difference"
    }
    assert (pairs.recording, pairs.mitigation) == ((), ())
    assert {each.estimate.measure for each in audited.attributes[0].groups[0].findings} == {*MEASURES, *AUDITED}


# --- Many groups at once ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_false_alarms_are_rare_even_when_every_group_is_at_the_edge_of_its_tolerance() -> None:
    rng = np.random.default_rng(7)
    alarms, alone, groups, clusters = 0, 0, 40, 30
    for _ in range(400):
        judged = []
        for _ in range(groups):
            practices = rng.normal(math.log(1.25), 0.3, clusters)
            value, error = practices.mean(), practices.std(ddof=1) / math.sqrt(clusters)
            low, high = (math.exp(value + side * 2.05 * error) for side in (-1, 1))
            judged.append(Judged(Estimate("observed_expected", math.exp(value), low, high, 900, 90), error, clusters))
        family, verdicts = judge(judged, [(0.8, 1.25)] * groups, "pairs")
        alarms += any(verdict == "outside" for verdict, _ in verdicts)
        alone += any(verdict in {"outside", "suspected"} for verdict, _ in verdicts)
    assert (family.comparisons, family.level) == (groups, FAMILY_WISE)
    assert family.alone == pytest.approx(groups * 0.025)
    assert alarms <= 0.05 * 400 + 3 * math.sqrt(400 * 0.05 * 0.95)
    assert alone > 200, "judged one by one, at least one of forty would be called outside in most audits"


@pytest.mark.slow
def test_attributes_and_pairs_share_the_chance_of_a_false_alarm(audited: Audit, paired: Audit) -> None:
    assert [(each.name, each.level) for each in audited.families] == [("attributes", FAMILY_WISE)]
    assert audited.families[0].comparisons == 6  # two places, and four sizes of five that are not tiny
    assert [(each.name, each.level) for each in paired.families] == [("attributes", 0.025), ("pairs", 0.025)]
    risk, followup, groups, practice = simulate(1000)
    untold = audit(risk, followup, 10.0, groups, practice, {}, resamples=2, measures=("predicted",))
    assert untold.families == ()


def test_what_is_outside_is_outside_its_wider_interval_too(audited: Audit) -> None:
    found = finding(audited.attributes[0], "country", "observed_expected")
    assert found.simultaneous is not None
    assert 1.25 < found.simultaneous.low < found.estimate.low
    assert found.estimate.high < found.simultaneous.high
    town = finding(audited.attributes[0], "town", "auc")
    assert (town.verdict, town.simultaneous, town.shrunk) == (None, None, None)


def population(
    seed: int, planted: dict[str, object] | None = None, factor: float = 1.0
) -> tuple[Floats, FollowUp, pd.DataFrame, np.ndarray]:
    """People of 50 practices that differ a little, told their true risk but for those of one group."""
    rng, n, practices = np.random.default_rng(seed), 4000, 50
    practice = rng.integers(0, practices, n)
    groups = pd.DataFrame(
        {
            "sex": rng.choice(["female", "male"], n),
            "deprivation": rng.choice(["low", "middle", "high", None], n, p=[0.4, 0.33, 0.22, 0.05]),
        }
    )
    base, death = 0.02 * np.exp(rng.normal(0, 0.8, n)), 0.015
    risk = base / (base + death) * -np.expm1(-(base + death) * 10)
    touched = np.full(n, planted is not None)
    for name, label in (planted or {}).items():
        touched &= (groups[name] == label).to_numpy()
    hazard = base * np.where(touched, factor, 1.0) * np.exp(rng.normal(-0.005, 0.1, practices))[practice]
    end = rng.exponential(1 / (hazard + death))
    left = rng.exponential(np.where(groups["deprivation"] == "high", 15, 40))
    stop = np.minimum(end, np.minimum(left, 10.0))
    cause = np.where(end > stop, 0, np.where(rng.uniform(size=n) < hazard / (hazard + death), 1, 2))
    return risk, FollowUp(stop, cause.astype(np.int8), np.zeros(n, dtype=np.int8), 10.0), groups, practice


def alarms(seed: int, planted: dict[str, object] | None = None, factor: float = 1.0) -> set[tuple[str, str]]:
    """Return the attributes and groups put outside."""
    risk, followup, groups, practice = population(seed, planted, factor)
    found = audit(
        risk,
        followup,
        10.0,
        with_pairs(groups),
        practice,
        TOLERANCES,
        resamples=40,
        seed=seed,
        measures=("observed_expected",),
    )
    return {
        (attribute.attribute, group.group)
        for attribute in found.attributes
        for group in attribute.groups
        if any(each.verdict == "outside" for each in group.findings)
    }


PLANTED: list[tuple[dict[str, object], float]] = [
    ({"deprivation": "high"}, 2.0),
    ({"sex": "female"}, 1.7),
    ({"sex": "female"}, 0.5),
    ({"sex": "male", "deprivation": "high"}, 2.6),
]


@pytest.mark.slow
def test_a_planted_inequity_is_found_and_a_clean_population_is_left_in_peace() -> None:
    found = 0
    for seed in range(100):
        planted, factor = PLANTED[seed % len(PLANTED)]
        found += (" × ".join(planted), " × ".join(map(str, planted.values()))) in alarms(seed, planted, factor)
    assert found >= 95
    assert sum(bool(alarms(seed)) for seed in range(1000, 1100)) <= 5


# --- Small groups -------------------------------------------------------------------------------------------


def test_a_small_group_is_drawn_to_the_others_and_a_large_one_hardly() -> None:
    values = {"large": 1.0, "larger": 1.4, "middling": 1.2, "small": 2.6} | {str(i): 1.0 + i / 20 for i in range(8)}
    errors = {"large": 0.05, "larger": 0.04, "middling": 0.08, "small": 0.5} | {str(i): 0.07 for i in range(8)}
    found = shrink("observed_expected", values, errors)
    assert found["small"].value < 1.8
    assert abs(math.log(found["larger"].value / 1.4)) < 0.03
    assert all(each.low < each.value < each.high for each in found.values())
    assert shrink("observed_expected", dict.fromkeys("abc", 1.2), dict.fromkeys("abc", 0.1)) == {}
    assert "none" not in shrink("observed_expected", {**values, "none": 0.0}, {**errors, "none": math.nan})


def test_shrunk_values_are_nearer_the_truth_and_their_intervals_hold_it() -> None:
    rng = np.random.default_rng(11)
    raw, drawn, inside = [], [], []
    for _ in range(300):
        truth, error = rng.normal(1, 0.15, 8), rng.uniform(0.05, 0.4, 8)
        seen = truth + rng.normal(0, error)
        labels = list("abcdefgh")
        found = shrink("calibration_slope", dict(zip(labels, seen, strict=True)), dict(zip(labels, error, strict=True)))
        values = np.array([found[label].value for label in labels])
        raw.append((seen - truth) ** 2)
        drawn.append((values - truth) ** 2)
        inside.append(
            [found[label].low <= true <= found[label].high for label, true in zip(labels, truth, strict=True)]
        )
    assert np.mean(drawn) < 0.7 * np.mean(raw)
    assert np.mean(inside) > 0.93


def test_a_group_too_small_for_a_value_still_has_a_cautious_one() -> None:
    risk, followup, groups, practice = simulate()
    few = np.flatnonzero((groups["size"] == "few").to_numpy() & (np.arange(6000) < 2000))
    size = np.array(["a", "b", "c"])[np.arange(6000) % 3].astype(object)
    size[few] = "fewer"
    (found,) = audit(
        risk,
        followup,
        10.0,
        pd.DataFrame({"size": size}),
        practice,
        TOLERANCES,
        resamples=40,
        measures=("observed_expected",),
    ).attributes
    fewer = finding(found, "fewer", "observed_expected")
    assert math.isnan(fewer.estimate.value)
    assert fewer.verdict == "insufficient"
    assert fewer.shrunk is not None
    assert fewer.shrunk.low < fewer.shrunk.value < fewer.shrunk.high


# --- What is recorded ---------------------------------------------------------------------------------------


def test_what_is_recorded_is_counted_in_each_group(audited: Audit) -> None:
    _, followup, groups, _ = simulate()
    frame = recorded(groups)
    by_name = {each.what: each for each in audited.attributes[0].recording}
    assert set(by_name) == {"event_rate", "lost", "pressure_missing", "visits"}
    for place in ("town", "country"):
        rows = [i for i, where in enumerate(groups["place"]) if where == place]
        years = sum(float(followup.duration[i]) for i in rows)
        left = sum(bool(followup.cause[i] == 0 and followup.duration[i] < 10) for i in rows)
        expected = {
            "event_rate": 1000 * sum(bool(followup.cause[i] == 1) for i in rows) / years,
            "lost": 100 * left / years,
            "pressure_missing": sum(bool(frame["pressure_missing"][i]) for i in rows) / len(rows),
            "visits": float(frame["visits"].iloc[rows].mean()),
        }
        for what, value in expected.items():
            (found,) = [each for each in by_name[what].groups if each.group == place]
            assert found.value == pytest.approx(value)
            assert found.low < value < found.high
            assert found.n == len(rows)
    missing, lost = by_name["pressure_missing"].gap, by_name["lost"].gap
    assert missing is not None
    assert lost is not None
    assert (missing.highest, missing.low > 0.1) == ("country", True)
    assert (lost.highest, lost.low > 0) == ("country", True)
    visits = by_name["visits"].gap
    assert visits is not None
    assert visits.low < 0 < visits.high


def test_few_departures_are_not_told() -> None:
    risk, followup, groups, practice = everybody_followed()
    left = np.flatnonzero((groups["place"] == "town").to_numpy() & (followup.cause == 0))[:5]
    followup.duration[left] = 4.0
    missing = pd.DataFrame({"rare": np.arange(len(risk)) < 8})
    found = audit(risk, followup, 10.0, groups, practice, {}, resamples=5, recorded=missing).attributes[0]
    for recording in found.recording[1:]:
        assert all(math.isnan(each.value) for each in recording.groups)
        assert recording.gap is None


# --- What correcting would cost -----------------------------------------------------------------------------


def test_the_cost_of_correcting_is_shown_and_nothing_is_corrected(audited: Audit) -> None:
    risk, followup, groups, practice = simulate(1500)
    kept = risk.copy()
    audit(risk, followup, 10.0, groups[["place"]], practice, {}, (0.1,), resamples=2)
    assert (risk == kept).all()
    risk, followup, groups, practice = simulate()
    recalibration, thresholds = audited.attributes[0].mitigation
    assert (recalibration.policy, thresholds.policy) == ("recalibration", "thresholds")
    by_group = {each.group: each for each in recalibration.groups}
    # The country's odds are about doubled: its people should be flagged from about half the risk.
    assert 0.03 < by_group["country"].cut < 0.07
    assert by_group["town"].cut == pytest.approx(0.1, abs=0.015)
    change = {each.measure: each for each in by_group["country"].changes}
    flagged = (groups["place"] == "country").to_numpy()
    expected = float((risk[flagged] >= by_group["country"].cut).mean() - (risk[flagged] >= 0.1).mean())
    assert change["flagged"].value == pytest.approx(expected, abs=0.03)
    for group in recalibration.groups:
        for each in group.changes:
            people = each.events if each.measure == "sensitivity" else each.n
            if math.isfinite(each.value) and people is not None:
                told = each.value * people / SMALLEST_COUNT
                assert told == pytest.approx(round(told), abs=1e-6), "a change must not tell of fewer than 11 people"


@pytest.mark.slow
def test_thresholds_by_group_flag_as_large_a_share_of_cases() -> None:
    risk, followup, groups, practice = everybody_followed(12_000)
    harder = np.where(groups["place"] == "country", 0.5 * risk, risk)
    found = audit(harder, followup, 10.0, groups, practice, {}, (0.1,), resamples=5).attributes[0].mitigation[1]
    cases = followup.cause == 1
    wanted = (harder[cases] >= 0.1).mean()
    for each in found.groups:
        own = cases & (groups["place"] == each.group).to_numpy()
        assert (harder[own] >= each.cut).mean() == pytest.approx(wanted, abs=0.01)


def test_a_group_with_few_events_keeps_the_declared_threshold(audited: Audit) -> None:
    recalibration = audited.attributes[1].mitigation[0]
    by_group = {each.group: each for each in recalibration.groups}
    assert math.isnan(by_group["tiny"].cut)
    assert math.isfinite(by_group["large"].cut)


# --- What the counts of all groups tell together ------------------------------------------------------------


@cache
def crossed() -> tuple[FollowUp, pd.DataFrame, Audit]:
    risk, followup, groups, practice = simulate(3000)
    paired = with_pairs(groups.assign(age=np.random.default_rng(4).choice(["old", "young"], 3000, p=[0.03, 0.97])))
    return followup, paired, audit(risk, followup, 10.0, paired, practice, {}, resamples=2, measures=("predicted",))


@pytest.mark.parametrize("key", ["n", "events"])
def test_no_small_group_is_had_by_subtracting_one_table_from_another(key: str) -> None:
    followup, paired, found = crossed()
    tree = {
        (attribute["attribute"], group["group"]): group[key]
        for attribute in json.loads(found.to_json())["attributes"]
        for group in attribute["groups"]
    }
    ill = followup.cause == 1
    truth = {
        (name, label): int((ill if key == "events" else np.ones(3000, dtype=bool))[(paired[name] == label)].sum())
        for name, label in tree
    }
    assert all(shown in (None, truth[place]) for place, shown in tree.items())
    # The attacker knows how many people there are, and that groups add up.
    places = [*tree, "everybody"]
    sums = [Sum(len(tree), tuple(i for i, place in enumerate(tree) if place[0] == name)) for name in paired.columns]
    for name in paired.columns:
        for pair in (each for each in paired.columns if " × " in each and name in each.split(" × ")):
            side = pair.split(" × ").index(name)
            for i, (_, label) in enumerate(places[:-1]):
                if places[i][0] == name:
                    parts = [
                        j for j, place in enumerate(tree) if place[0] == pair and place[1].split(" × ")[side] == label
                    ]
                    sums.append(Sum(i, tuple(parts)))
    total = int(ill.sum()) if key == "events" else 3000
    small = [i for i, place in enumerate(tree) if 0 < truth[place] < SMALLEST_COUNT]
    assert small
    assert exposed([*tree.values(), total], sums, small) == []
    assert sum(value is not None for value in tree.values()) > len(tree) / 4, "what is hidden must leave something"


@pytest.mark.parametrize("name", [name for name, each in (MEASURES | AUDITED).items() if each.at_once])
def test_replicates_measured_together_are_those_measured_one_by_one(name: str) -> None:
    risk, followup, _, practice = simulate(800)
    order = np.argsort(risk)
    risk, followup, practice = risk[order], followup[order], practice[order]
    wanted = (MEASURES | AUDITED)[name]
    draws = np.random.default_rng(3).multinomial(60, np.full(60, 1 / 60), size=6)[:, practice].astype(np.float64)
    draws[4] = (risk < np.quantile(risk, 0.02)) * draws[4]  # hardly anybody, and knots that coincide
    draws[5] = draws[5] * (followup.cause != 1)  # nobody has the event
    threshold = (0.1,) if wanted.at_threshold else ()
    with np.errstate(divide="ignore", invalid="ignore"):
        together = wanted.function(risk, OutcomeAtHorizon.of(followup, 10.0, draws), draws, *threshold)
        alone = [wanted.function(risk, OutcomeAtHorizon.of(followup, 10.0, each), each, *threshold) for each in draws]
    assert_allclose(together, alone, rtol=1e-10, atol=1e-12)
    assert np.isfinite(together[:4]).all()

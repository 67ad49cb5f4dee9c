"""Proofs on known truth: what is claimed is so, and each way to cheat is caught by a check with a name.

People of many practices, two causes of known constant hazards, departures that depend on who they are. The
incidence has a closed form, so the truth is compared with what evidence says of people whose practice no model saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from features.outcome import FollowUp
from training.measures import Estimate, OutcomeAtHorizon, estimate, logit, point_value
from training.measures.resampling import columns_of
from training.models import CensoringWeighted
from training.splits import Fold, InternalExternal
from training.survival import Floats
from training.validate import Evidence, validate
from training.values import Bilingual

HORIZON = 10.0


@dataclass(frozen=True)
class World:
    """Made-up people, what happened to them, and their true risk."""

    X: pd.DataFrame
    followup: FollowUp
    index: pd.DataFrame
    truth: Floats

    def __getitem__(self, rows: np.ndarray) -> World:
        return World(self.X[rows], self.followup[rows], self.index[rows], self.truth[rows])


def world(n: int, seed: int, practices: int = 80, departure: float = 0.055) -> World:
    """Simulate people: two landmarks each, 40 % lost before the horizon, those at high risk less often."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n // 2), 2)
    practice = rng.integers(0, practices, n // 2)[patient]
    age, pressure, smoker = rng.normal(0, 1, n // 2)[patient], rng.normal(0, 1, n), rng.random(n) < 0.25
    effect = rng.normal(0, 0.15, practices)[practice]
    event = 0.011 * np.exp(0.7 * age + 0.35 * pressure + 0.6 * smoker + effect)
    death = 0.012 * np.exp(0.8 * age)
    leaving = departure * np.exp(-0.15 * pressure + 0.1 * smoker)
    total = event + death
    ends = np.stack([rng.exponential(1 / rate) for rate in (event, death, leaving)] + [np.full(n, HORIZON)])
    cause = np.array([1, 2, 0, 0], dtype=np.int8)[ends.argmin(axis=0)]
    followup = FollowUp(ends.min(axis=0), cause, np.zeros(n, dtype=np.int8), HORIZON)
    index = pd.DataFrame({"patient": patient, "practice": practice, "as_of": pd.Timestamp("2012-01-01")})
    X = pd.DataFrame({"age": age, "pressure": pressure, "smoker": smoker.astype(float)})
    return World(X, followup, index, event / total * -np.expm1(-total * HORIZON))


def model() -> CensoringWeighted:
    return CensoringWeighted(LogisticRegression(), name="logistic", title=Bilingual.same("Logistic"))


def named(evidence: Evidence) -> dict[str, Estimate]:
    return {each.measure: each for each in evidence.models[0].estimates if each.threshold is None}


def oracle(measure: str, truth: Floats) -> float:
    """Return what a measure would be of the true risk if everybody were there a very large number of times."""
    whole = FollowUp(
        np.full(len(truth), HORIZON), np.zeros(len(truth), np.int8), np.zeros(len(truth), np.int8), HORIZON
    )
    outcome = OutcomeAtHorizon(whole, truth, 1 - truth)
    return point_value(columns_of([measure], ())[0], truth, outcome, np.ones(len(truth)))


def discrimination(risk: Floats, there: World) -> float:
    """Return the AUC of the people who have a risk; two compared on the same people share their luck."""
    known = np.isfinite(risk)
    (found,) = estimate(risk[known], there.followup[known], HORIZON, np.zeros(known.sum()), measures=["auc"])
    return found.value


Check = Callable[[Evidence, Floats, World], bool]

CHECKS: dict[str, Check] = {
    "everybody is counted": lambda evidence, predicted, there: evidence.landmarks == len(there.truth),
    "the observed risk is the true one": lambda evidence, predicted, there: (
        0.95 < named(evidence)["observed"].value / there.truth.mean() < 1.05
    ),
    "the predicted risk is the true one": lambda evidence, predicted, there: (
        0.95 < np.nanmean(predicted) / there.truth.mean() < 1.05
    ),
    "observed over expected is one": lambda evidence, predicted, there: (
        0.95 < named(evidence)["observed_expected"].value < 1.05
    ),
    "the calibration slope is one": lambda evidence, predicted, there: (
        0.9 < named(evidence)["calibration_slope"].value < 1.1
    ),
    "discrimination is that of the oracle": lambda evidence, predicted, there: (
        discrimination(predicted, there)
        > 0.98 * discrimination(np.where(np.isfinite(predicted), there.truth, np.nan), there)
    ),
    "nobody knows more than the oracle": lambda evidence, predicted, there: (
        discrimination(predicted, there)
        < 1.01 * discrimination(np.where(np.isfinite(predicted), there.truth, np.nan), there)
    ),
}


def failed(given: World, there: World, splits: Any = InternalExternal("practice", 4)) -> set[str]:  # noqa: B008
    """Return the names of the checks that fail when ``given`` is handed in and ``there`` is the whole truth."""
    evidence, predictions = validate(
        "proof", [model()], given.X, given.followup, given.index, splits, HORIZON, resamples=40, decision_range=(0.1,)
    )
    predicted = np.full(len(there.truth), np.nan)
    predicted[there.index.index.get_indexer(given.index.index)] = predictions["logistic"]
    return {name for name, check in CHECKS.items() if not check(evidence, predicted, there)}


@pytest.fixture(scope="module")
def people() -> World:
    return world(16_000, 1)


def test_the_world_is_as_said(people: World) -> None:
    lost = (people.followup.cause == 0) & (people.followup.duration < HORIZON)
    assert 0.35 < lost.mean() < 0.45
    assert 0.10 < people.truth.mean() < 0.2
    whole = world(40_000, 2, departure=1e-9)
    assert abs((whole.followup.cause == 1).mean() - whole.truth.mean()) < 0.006


def test_an_honest_study_fails_no_check(people: World) -> None:
    assert failed(people, people) == set()


@pytest.mark.slow
def test_the_claims_hold_at_a_hundred_thousand_people() -> None:
    there = world(200_000, 3, practices=200)
    assert there.index["patient"].nunique() == 100_000
    assert failed(there, there) == set()


# --- Planted mistakes -----------------------------------------------------------------------------


def test_deleting_the_censored_is_caught(people: World) -> None:
    lost = (people.followup.cause == 0) & (people.followup.duration < HORIZON)
    found = failed(people[~lost], people)
    assert {"everybody is counted", "the observed risk is the true one", "the predicted risk is the true one"} <= found


def test_counting_the_censored_as_healthy_is_caught(people: World) -> None:
    followup = people.followup
    lost = followup.cause == 0
    healthy = FollowUp(np.where(lost, HORIZON, followup.duration), followup.cause, followup.reason, HORIZON)
    assert "the observed risk is the true one" in failed(replace(people, followup=healthy), people)


def test_ignoring_competing_death_is_caught(people: World) -> None:
    followup = people.followup
    immortal = FollowUp(
        followup.duration, np.where(followup.cause == 2, 0, followup.cause).astype(np.int8), followup.reason, HORIZON
    )
    found = failed(replace(people, followup=immortal), people)
    assert {"the observed risk is the true one", "the predicted risk is the true one"} <= found


@dataclass(frozen=True)
class ByRow:
    """Splits rows, not people."""

    def split(self, index: pd.DataFrame) -> Iterator[Fold]:
        side = np.random.default_rng(0).random(len(index)) < 0.5
        for label, test in (("one", side), ("other", ~side)):
            yield label, np.flatnonzero(~test), np.flatnonzero(test)

    def describe(self) -> dict[str, Any]:
        return {"kind": "by row"}


def test_splitting_patients_across_folds_is_caught(people: World) -> None:
    with pytest.raises(ValueError, match=r"fold 'one' tests [\d]+ patients it also learns from"):
        failed(people, people, ByRow())


def test_one_future_record_is_caught(people: World) -> None:
    # A letter about the event itself, in the file of half of those who have it.
    told = (people.followup.cause == 1) & (np.random.default_rng(1).random(len(people.truth)) < 0.5)
    found = failed(replace(people, X=people.X.assign(letter=told.astype(float))), people)
    assert "nobody knows more than the oracle" in found


# --- Intervals ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_intervals_hold_the_truth_at_their_stated_rate() -> None:
    repetitions = 200
    expected = {"observed_expected": 1.0, "calibration_slope": 1.0, "calibration_intercept": 0.0}
    # What the measures are of the whole population from which practices and people are drawn.
    whole = world(400_000, 10_000, practices=5000)
    expected |= {name: oracle(name, whole.truth) for name in ("auc", "observed", "brier")}
    held = dict.fromkeys(expected, 0)
    for seed in range(repetitions):
        drawn = world(2400, seed, practices=60)
        found = estimate(drawn.truth, drawn.followup, HORIZON, drawn.index["practice"], (), 200, seed, tuple(expected))
        for each in found:
            held[each.measure] += each.low <= expected[each.measure] <= each.high
    share = {name: count / repetitions for name, count in held.items()}
    # 95 % of 200 have a standard error of 1.5 %: within three of them.
    assert all(0.904 <= each <= 0.996 for each in share.values()), share


def test_scores_far_from_the_truth_are_far_from_calibrated(people: World) -> None:
    wrong = 1 / (1 + np.exp(-(2 * logit(people.truth))))
    (slope,) = estimate(
        wrong, people.followup, HORIZON, people.index["practice"], resamples=20, measures=["calibration_slope"]
    )
    assert slope.high < 0.9

"""A rule is calibrated by construction, and says nothing about people it can't tell apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.outcome import FollowUp
from tests.conftest import at_most
from training.models import GroupIncidence
from training.survival import aalen_johansen
from training.values import Bilingual


def study(n: int = 3000, seed: int = 0) -> tuple[pd.DataFrame, FollowUp]:
    rng = np.random.default_rng(seed)
    rounds = rng.integers(0, 4, n).astype(float)
    rounds[rng.random(n) < 0.1] = np.nan
    rate = np.where(np.isnan(rounds), 0.05, 0.1 + 0.2 * np.nan_to_num(rounds))
    event, death, gone = (rng.exponential(1 / r, n) for r in (rate, np.full(n, 0.02), np.full(n, 0.1)))
    duration = np.minimum.reduce([event, death, gone, np.full(n, 2.0)])
    cause = np.select([duration == event, duration == death], [1, 2], 0).astype(np.int8)
    reason = np.select([cause == 1, cause == 2, duration == 2.0], [0, 1, 2], 3).astype(np.int8)
    return pd.DataFrame({"rounds": rounds, "other": rng.random(n)}), FollowUp(duration, cause, reason, 2.0)


def rule(**by: tuple[float, ...]) -> GroupIncidence:
    return GroupIncidence(by or {"rounds": (1, 2, 3)}, name="rule", title=Bilingual.same("Rule"))


def test_each_group_gets_its_own_observed_incidence() -> None:
    X, followup = study()
    risk = rule().fit(X, followup).risk(X, 2.0)
    for group in (0.0, 1.0, 2.0, 3.0, np.nan):
        rows = X["rounds"].isna().to_numpy() if np.isnan(group) else (X["rounds"] == group).to_numpy()
        assert np.ptp(risk[rows]) == 0
        assert risk[rows][0] == pytest.approx(aalen_johansen(followup[rows], [2.0])[0][0])
    assert sorted(set(rule().fit(X, followup).features_)) == ["rounds"]


def test_a_small_group_gets_everybody_s() -> None:
    X, followup = study()
    X.loc[: GroupIncidence.LEAST_GROUP - 2, "rounds"] = 9.0
    X.loc[GroupIncidence.LEAST_GROUP - 1 :, "rounds"] = (
        X["rounds"].clip(upper=3).fillna(0)[GroupIncidence.LEAST_GROUP - 1 :]
    )
    risk = rule(rounds=(1, 2, 3, 5)).fit(X, followup).risk(X, 2.0)
    assert risk[0] == pytest.approx(aalen_johansen(followup, [2.0])[0][0])
    new = pd.DataFrame({"rounds": [np.nan]})  # never seen in training
    assert rule(rounds=(1, 2, 3, 5)).fit(X, followup).risk(new, 2.0)[0] == risk[0]


@at_most(20)
@given(seed=st.integers(0, 100), times=st.lists(st.floats(0.01, 2.0), min_size=1, max_size=5, unique=True))
def test_states_sum_to_one_and_never_decrease(seed: int, times: list[float]) -> None:
    X, followup = study(600, seed)
    states = rule().fit(X, followup).incidence(X, sorted(times))
    assert np.allclose(states.sum(axis=1), 1)
    assert (np.diff(states[:, 1:], axis=2) >= 0).all()
    assert (states >= 0).all()
    again = rule().fit(X, followup).incidence(X, sorted(times))
    assert states.tobytes() == again.tobytes()

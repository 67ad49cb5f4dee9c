"""Made-up people whose true risk is known, for tests of models and artefacts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.catalogue.cardiovascular import CARDIOVASCULAR
from features.outcome import CENSORED, COMPETING, EVENT, FollowUp

HORIZON = 10.0


def features(n: int, seed: int = 0) -> pd.DataFrame:
    """Return believable values of every cardiovascular feature, some missing."""
    random = np.random.default_rng(seed)
    flag = {name: (random.random(n) < 0.15).astype(float) for name, f in CARDIOVASCULAR.items() if f.is_condition}
    X = pd.DataFrame(
        {
            **flag,
            "age": random.uniform(40, 80, n),
            "female": (random.random(n) < 0.5).astype(float),
            "systolic": random.normal(135, 17, n).clip(90, 220),
            "total_cholesterol": random.normal(5.6, 1, n).clip(2.5, 10),
            "hdl": random.normal(1.4, 0.35, n).clip(0.6, 2.4),
            "systolic_age": random.uniform(0, 2, n),
            "systolic_slope": random.normal(0.5, 2, n),
            "bmi": random.normal(26, 4, n).clip(16, 50),
            "consultations": random.poisson(4, n).astype(float),
        }
    )
    X["non_hdl"] = X["total_cholesterol"] - X["hdl"]
    X["systolic_mean"] = X["systolic"] + random.normal(0, 5, n)
    X.loc[random.random(n) < 0.2, ["hdl", "non_hdl", "bmi"]] = np.nan
    others = {name: random.normal(size=n) for name in CARDIOVASCULAR if name not in X}
    return X.assign(**others)[list(CARDIOVASCULAR)]


def hazards(X: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return constant yearly hazards of the event and of other death."""
    score = 0.07 * (X["age"] - 60) + 0.02 * (X["systolic"] - 135) + 0.6 * X["smoker"] - 0.4 * X["female"]
    return 0.006 * np.exp(score.to_numpy()), 0.006 * np.exp(0.09 * (X["age"].to_numpy() - 60))


def true_risk(X: pd.DataFrame, horizon: float = HORIZON) -> np.ndarray:
    event, death = hazards(X)
    return event / (event + death) * (1 - np.exp(-(event + death) * horizon))


def followup(X: pd.DataFrame, seed: int = 0, departures: float = 0.04) -> FollowUp:
    random = np.random.default_rng(seed + 1)
    event, death = (random.exponential(1 / hazard) for hazard in hazards(X))
    leaves = random.exponential(1 / departures, len(X))
    ends = np.stack([event, death, np.full(len(X), HORIZON), leaves])
    reason = ends.argmin(axis=0)
    cause = np.select([reason == 0, reason == 1], [EVENT, COMPETING], CENSORED).astype(np.int8)
    return FollowUp(ends.min(axis=0), cause, reason.astype(np.int8), HORIZON)

"""What the peer of `benchmarks.evidence` does, in an environment of its own: hazardous' data, and its SurvivalBoost.

``data FILE PEOPLE`` writes its synthetic competing risks, censored and not. ``fit FILE STRATEGY RESULT`` learns from
the first half of a file's people, predicts the others, and prints what both took.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from hazardous import SurvivalBoost
from hazardous.data import make_synthetic_competing_weibull


def data(file: str, people: int) -> None:
    # One generator for all: given a number instead, hazardous draws censoring from the same stream as the first
    # feature, so that one is a function of the other, and nothing that it says of censoring holds.
    given = {
        name: make_synthetic_competing_weibull(
            n_samples=people,
            return_X_y=True,
            random_state=np.random.RandomState(0),
            censoring_relative_scale=scale,
        )
        for name, scale in (("seen", 1.5), ("true", 0))
    }
    X, seen = given["seen"]
    _, true = given["true"]
    np.savez(
        file,
        X=X.to_numpy(),
        cause=np.minimum(seen["event"], 2),  # its second and third event compete with the first
        duration=seen["duration"],
        true_cause=np.minimum(true["event"], 2),
        true_duration=true["duration"],
        horizon=seen["duration"].quantile(0.9),
    )


def fit(file: str, strategy: str, result: str) -> None:
    with np.load(file) as given:
        X, cause, duration, horizon = (given[name] for name in ("X", "cause", "duration", "horizon"))
    half = len(X) // 2
    clocks = [(time.perf_counter(), time.process_time())]
    model = SurvivalBoost(ipcw_strategy=strategy, show_progressbar=False, random_state=0)
    model.fit(X[:half], {"event": cause[:half], "duration": duration[:half]})
    clocks.append((time.perf_counter(), time.process_time()))
    times = np.linspace(horizon / 20, horizon, 20)
    np.save(result, model.predict_cumulative_incidence(X[half:], times=times)[:, 1])
    clocks.append((time.perf_counter(), time.process_time()))
    print(json.dumps(np.diff(clocks, axis=0).tolist()))


if __name__ == "__main__":
    if sys.argv[1] == "data":
        data(sys.argv[2], int(sys.argv[3]))
    else:
        fit(*sys.argv[2:])

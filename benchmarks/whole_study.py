"""How long a whole study takes: the cardiovascular one, at a million landmarks of sixty features on two cores.

People are made up, with known hazards of the event and of death, departures, two landmarks each and practices of a
thousand landmarks; their columns are named, and constrained, as the study's own features. LightGBM is fitted in five
internal–external folds by practice and judged beside SCORE2: every measure with 500 bootstraps of whole practices,
calibration and decision curves, differences, reclassification, ranking. Asked: under 15 minutes and 12 GB at a million.

``python -m benchmarks.whole_study`` (``--profile FILE`` keeps what `cProfile` saw). Time is that which passed, beside
the processors' time, which a busy machine changes less; memory is the most that the process ever held.
"""

from __future__ import annotations

import argparse
import cProfile
import resource
import time
from collections import defaultdict
from typing import Final

import numpy as np
import pandas as pd

from features.catalogue.cardiovascular import CARDIOVASCULAR_FULL
from features.outcome import FollowUp
from training.models import gradient_boosting
from training.published.comparators import score2
from training.splits import InternalExternal
from training.validate import validate

HORIZON: Final = 10.0
A_PRACTICE: Final = 1_000  # landmarks
FEATURES: Final = CARDIOVASCULAR_FULL.only(*list(CARDIOVASCULAR_FULL)[:60])
RISES: Final = {"age": 0.75, "systolic": 0.3, "smoker": 0.25, "total_cholesterol": 0.15, "hdl": -0.15, "female": -0.2}
"""Logarithm of the hazard ratio of the event for one standard deviation; 0.03 for others that have a direction."""


def population(landmarks: int, seed: int = 0) -> tuple[pd.DataFrame, FollowUp, pd.DataFrame]:
    """Return features, follow-up and index of made-up people, two landmarks each."""
    random = np.random.default_rng(seed)
    people = landmarks // 2
    patient = np.repeat(np.arange(people), 2)
    practices = max(20, landmarks // A_PRACTICE)
    practice = random.integers(0, practices, people)[patient]
    n = len(patient)
    X = {
        "age": np.clip(random.normal(58, 10, people), 40, 76)[patient] + np.tile([0.0, 2.0], people),
        "female": (random.random(people) < 0.53).astype(float)[patient],
        "systolic": random.normal(134, 15, n).clip(85, 210),
        "total_cholesterol": random.normal(5.5, 0.9, n).clip(2.5, 11),
        "hdl": random.normal(1.4, 0.35, n).clip(0.5, 2.4),
        "smoker": (random.random(people) < 0.22).astype(float)[patient],
        "diabetes": (random.random(people) < 0.08).astype(float)[patient],
    }
    for number, name in enumerate(name for name in FEATURES if name not in X):
        if number % 2:
            X[name] = (random.random(n) < 0.02 + 0.01 * number).astype(float)
        else:
            X[name] = np.where(random.random(n) < 0.01 * number, np.nan, random.normal(0, 1, n))
    log_ratio = 0.15 * random.normal(0, 1, practices)[practice]
    for name, feature in FEATURES.items():
        spread = X[name] - np.nanmean(X[name])
        log_ratio += RISES.get(name, 0.03 * feature.direction) * np.nan_to_num(spread / np.nanstd(X[name]))
    age = (X["age"] - 58) / 10
    rates = 0.008 * np.exp(log_ratio), 0.008 * np.exp(0.9 * age), np.full(n, 0.05)
    ends = np.stack([random.exponential(1 / rate) for rate in rates] + [np.full(n, HORIZON)])
    cause = np.array([1, 2, 0, 0], dtype=np.int8)[ends.argmin(axis=0)]
    reason = np.array([0, 1, 3, 2], dtype=np.int8)[ends.argmin(axis=0)]
    as_of = np.tile(pd.to_datetime(["2012-01-01", "2014-01-01"]), people)
    index = pd.DataFrame({"patient": patient, "practice": practice, "as_of": as_of})
    return pd.DataFrame(X)[list(FEATURES)], FollowUp(ends.min(axis=0), cause, reason, HORIZON), index


def study(landmarks: int, resamples: int, seed: int = 0) -> None:
    """Run the study and print what it took."""
    X, followup, index = population(landmarks, seed)
    print(f"{len(X):,} landmarks × {X.shape[1]} features, {index['practice'].nunique():,} practices", flush=True)
    stages: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    clock = [time.perf_counter(), time.process_time()]

    def note(what: str) -> None:
        now = [time.perf_counter(), time.process_time()]
        for kind in range(2):
            stages[what][kind] += now[kind] - clock[kind]
        clock[:] = now

    def progress(what: str, done: int, total: int) -> None:
        name, _, place = what.partition(", ")
        note(f"{name}, {'judged' if place == 'judged' else 'fitted and asked, all folds'}")

    evidence, _ = validate(
        "cardiovascular",
        [score2(), gradient_boosting(FEATURES, seed)],
        X,
        followup,
        index,
        InternalExternal(by="practice", folds=5),
        HORIZON,
        (0.05, 0.10),
        "score2",
        resamples,
        seed,
        progress,
    )
    note("differences, reclassification, ranking")
    for what, (seconds, work) in [*stages.items(), ("in all", np.sum(list(stages.values()), axis=0))]:
        print(f"  {what:44}{seconds:9.1f} s{work:9.1f} s of processors")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"  {'most memory':44}{peak:9.1f} GB")
    for model in evidence.models:
        for each in model.estimates:
            if each.measure in ("auc", "uno_c", "observed_expected", "ici"):
                print(f"  {model.name:12}{each.measure:20}{each.value:8.4f} ({each.low:.4f} to {each.high:.4f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--landmarks", type=int, default=1_000_000, help="default: 1,000,000")
    parser.add_argument("--resamples", type=int, default=500, help="bootstrap replicates (default: 500)")
    parser.add_argument("--profile", help="file where what cProfile saw is kept")
    options = parser.parse_args()
    if options.profile:
        with cProfile.Profile() as profile:
            study(options.landmarks, options.resamples)
        profile.dump_stats(options.profile)
    else:
        study(options.landmarks, options.resamples)


if __name__ == "__main__":
    main()

"""How fast a model with competing events is learned: ours beside hazardous' SurvivalBoost, at equal accuracy.

Two populations: hazardous' own synthetic competing risks, whose truth is known, and ours. Of each, half of the people
are learned from and the others predicted at twenty times up to a horizon. Accuracy is the integrated Brier score:
against what truly happened where it is known, weighted for censoring where it is not. Ours is "as accurate" when the
95 % interval of its score minus the peer's, on the same people, ends below one hundredth of the peer's.

The peer runs in an environment of its own (`benchmarks.environments`), with its default settings and with the quicker
of its two ways to weight. Ours are the studies' standard models. Asked: at least twenty times faster.
``python -m benchmarks.evidence``; time is that which passed, beside the processors' time, which a busy machine changes
less. The peer may use all processors, ours use one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone

from benchmarks.environments import ROOT, environment
from features.outcome import CENSORED, EVENT, FollowUp
from features.store import compute
from features.synthetic import synthesise
from training.models import RiskModel, StackedHazard, gradient_boosting, stacked_gradient_boosting
from training.studies import CARDIOVASCULAR
from training.survival import censoring_weights, close

Floats = npt.NDArray[np.float64]
TIMES: Final = 20
MARGIN: Final = 0.01
STRATEGIES: Final = ("alternating", "kaplan-meier")


@dataclass(frozen=True, eq=False)
class Task:
    """People, of whom the first half is learned from, and how far predictions of the others are from what happened."""

    name: str
    file: Path
    X: pd.DataFrame
    followup: FollowUp
    errors: Callable[[Floats], Floats]  # risks, a row a person and a column a time, to squared errors

    @property
    def times(self) -> Floats:
        return np.linspace(self.followup.horizon / TIMES, self.followup.horizon, TIMES)


def of_hazardous(folder: Path, people: int) -> Task:
    """Return hazardous' own population, of which everything that happened is known."""
    file = folder / "hazardous.npz"
    _peer("data", str(file), str(people))
    with np.load(file) as given:
        values = dict(given)
    horizon, half = float(values["horizon"]), people // 2
    X = pd.DataFrame(values["X"], columns=[f"feature_{number}" for number in range(values["X"].shape[1])])
    cause, duration = values["true_cause"][half:, None], values["true_duration"][half:, None]
    times = np.linspace(horizon / TIMES, horizon, TIMES)
    happened = (cause == EVENT) & (duration <= times)
    return Task("hazardous", file, X, _followup(values["cause"], values["duration"], horizon),
                lambda risk: np.square(risk - happened).mean(axis=1))  # fmt: skip


def of_ours(folder: Path, people: int) -> Task:
    """Return landmarks of the synthetic population and the cardiovascular study, half of the patients first."""
    study = CARDIOVASCULAR
    records = synthesise(folder / "records", patients=3 * people, seed=0)
    members = study.cohort.members(records, study.outcome)
    X = compute(study.features, records, members.index).astype(np.float64)
    patient = pd.factorize(members.index["patient"])[0]
    place = np.random.default_rng(0).permutation(patient.max() + 1)[patient]
    order = np.argsort(place, kind="stable")
    half = people // 2
    first = order[:half]
    rest = order[half:][~np.isin(place[order[half:]], place[first])][:half]  # nobody is on both sides
    rows = np.concatenate([first, rest])
    X, followup = X.iloc[rows].reset_index(drop=True), members.followup[rows]
    file = folder / "ours.npz"
    np.savez(file, X=X.to_numpy(), cause=followup.cause, duration=followup.duration, horizon=followup.horizon)
    tested = followup[np.arange(half, len(rows))]
    times = np.linspace(followup.horizon / TIMES, followup.horizon, TIMES)
    weights = np.stack([censoring_weights(tested, float(end)) for end in times], axis=1)
    happened = np.stack([close(tested, float(end)).cause == EVENT for end in times], axis=1)
    return Task("vigie", file, X, followup, lambda risk: (weights * np.square(risk - happened)).mean(axis=1))


def _followup(cause: npt.NDArray[np.int64], duration: Floats, horizon: float) -> FollowUp:
    closed = np.where(duration > horizon, CENSORED, cause).astype(np.int8)
    return FollowUp(np.minimum(duration, horizon), closed, np.zeros(len(cause), np.int8), horizon)


def ours(task: Task) -> RiskModel:
    """Return the standard boosted trees of hazards, with the directions of the study on its own features."""
    features = CARDIOVASCULAR.features
    model = stacked_gradient_boosting(features)
    if list(task.X.columns) == list(features):
        return model
    apart = [list(range(task.X.shape[1])), [task.X.shape[1]]]
    free = clone(model.competing).set_params(interaction_constraints=apart)
    return StackedHazard(free, name=model.name, title=model.title)


def at_the_horizon(task: Task) -> RiskModel:
    """Return the standard boosted trees of the risk at the horizon, whose curve has the population's shape."""
    model = gradient_boosting(CARDIOVASCULAR.features)
    if list(task.X.columns) == list(CARDIOVASCULAR.features):
        return model
    return type(model)(clone(model.competing), name=model.name, title=model.title)


Run = tuple[Floats, Floats]
"""Risks, and the seconds that passed and those of processors: a row to learn, a row to predict."""


def run_ours(model: RiskModel, task: Task) -> Run:
    half = len(task.X) // 2
    clocks = [(time.perf_counter(), time.process_time())]
    model.fit(task.X[:half], task.followup[np.arange(half)])
    clocks.append((time.perf_counter(), time.process_time()))
    risk = model.incidence(task.X[half:], list(task.times))[:, 1]
    clocks.append((time.perf_counter(), time.process_time()))
    return risk, np.diff(clocks, axis=0)


def run_peer(strategy: str, task: Task) -> Run:
    result = task.file.with_suffix(f".{strategy}.npy")
    took = json.loads(_peer("fit", str(task.file), strategy, str(result)).splitlines()[-1])
    return np.load(result), np.array(took)


def _peer(*arguments: str) -> str:
    command = [environment("hazardous"), "-m", "benchmarks.survival_boost", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"hazardous failed:\n{done.stderr[-2000:]}")
    return done.stdout


def compare(task: Task, strategies: list[str]) -> None:
    """Time all models on a task, and print what they took and how far they are from what happened."""
    half = len(task.X) // 2
    events = int((task.followup.cause[:half] == EVENT).sum())
    print(f"\n{task.name}: {half:,} people learned from ({events:,} events), {task.X.shape[1]} features")
    print(f"{'':34}{'Brier':>9}{'learn s':>10}{'of CPU':>9}{'predict s':>11}{'of CPU':>9}", flush=True)
    mine = {}
    for label, model in (
        ("ours, hazards by interval", ours(task)),
        ("ours, risk at the horizon", at_the_horizon(task)),
    ):
        mine[label] = run_ours(model, task)
        _row(label, task, mine[label])
    for strategy in strategies:
        theirs = run_peer(strategy, task)
        _row(f"SurvivalBoost, {strategy}", task, theirs)
        for label, run in mine.items():
            gap = task.errors(run[0]) - task.errors(theirs[0])
            reach = 1.96 * gap.std(ddof=1) / np.sqrt(len(gap))
            equal = gap.mean() + reach < MARGIN * task.errors(theirs[0]).mean()
            learn, both = theirs[1][0] / run[1][0], theirs[1].sum(axis=0) / run[1].sum(axis=0)
            print(
                f"    {label}: {'as accurate' if equal else 'NOT as accurate'} "
                f"({gap.mean():+.5f}, {gap.mean() - reach:+.5f} to {gap.mean() + reach:+.5f}); learned {learn[0]:.0f} "
                f"times faster ({learn[1]:.0f} of CPU), with prediction {both[0]:.0f} ({both[1]:.0f})",
                flush=True,
            )


def _row(label: str, task: Task, run: Run) -> None:
    (learn, learn_cpu), (predict, predict_cpu) = run[1]
    brier = task.errors(run[0]).mean()
    print(f"{label:34}{brier:9.5f}{learn:10.2f}{learn_cpu:9.2f}{predict:11.2f}{predict_cpu:9.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=10_000, help="of each population (default: 10,000)")
    parser.add_argument("--strategy", choices=STRATEGIES, action="append", help="of the peer; both by default")
    options = parser.parse_args()
    warnings.simplefilter("ignore", FutureWarning)
    with tempfile.TemporaryDirectory() as place:
        for make in (of_hazardous, of_ours):
            compare(make(Path(place), options.people), options.strategy or list(STRATEGIES))


if __name__ == "__main__":
    main()

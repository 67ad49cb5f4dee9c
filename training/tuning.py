"""Settings searched inside the resampling: a tuned model is a model whose ``fit`` searches, then learns.

Whoever judges it by held-out people judges the search as well: each outer fold searches anew, among its own training
people alone.
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages import InMemoryStorage
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import FrozenTrial, TrialState

from features.digests import digest
from features.outcome import FollowUp
from training.measures import MEASURES, OutcomeAtHorizon
from training.models import Floats, RiskModel
from training.splits import InternalExternal, Positions, Split
from training.values import Bilingual

#: How trials that ended are called in tables.
STATES: Final = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Tuned(RiskModel):
    """A model whose settings are searched on people held out inside its training data, then fitted on all of it.

    Each trial draws settings (tree-structured Parzen estimator), fits the model they make without each inner fold in
    turn, and is judged by the mean of a measure over the folds; one that is worse after a fold than the median of the
    trials before it was is given up. The best is fitted on everybody.

    Parameters
    ----------
    make
        Makes a model from settings.
    space
        What each setting is drawn from, such as ``{"num_leaves": IntDistribution(2, 16)}``.
    trials
        How many settings are tried.
    metric
        Name of a measure of `training.measures` that needs no threshold. A proper score by default.
    seed
        Of the search; inner folds have that of ``split``.
    name, title
        Identifier within a study, and what a reader sees; the model found bears them too.
    split
        How people are held out inside; five groups of practices by default.
    storage
        File where trials are kept, so that an interrupted search goes on where it stopped, and ends as it would have.
        It holds settings and measures, nothing about people. In memory by default.

    Attributes
    ----------
    model_
        The model found, fitted on everybody: the one to explain and to save.
    settings_
        Its settings.
    trials_
        A row a trial: ``number``, ``state`` (complete or pruned), ``folds`` it was tried on, ``value`` of the measure
        (their mean), and a column a setting.

    References
    ----------
    Nested resampling: Varma and Simon 2006, doi:10.1186/1471-2105-7-91. Optuna: Akiba et al. 2019,
    doi:10.1145/3292500.3330701.
    """

    def __init__(
        self,
        make: Callable[[Mapping[str, Any]], RiskModel],
        space: Mapping[str, BaseDistribution],
        *,
        name: str,
        title: Bilingual,
        trials: int = 30,
        metric: str = "brier",
        seed: int = 0,
        split: Split | None = None,
        storage: Path | None = None,
    ) -> None:
        known = sorted(m.name for m in MEASURES.values() if m.better in ("higher", "lower") and not m.at_threshold)
        faults = [] if metric in known else [f"cannot tune by {metric!r}: choose one of {', '.join(known)}"]
        faults += [] if trials >= 1 else [f"{trials} trials find nothing: try at least 1"]
        faults += [] if space else ["the space has no setting to search"]
        if faults:
            raise ValueError("; ".join(faults))
        self.make = make
        self.space = dict(space)
        self.name = name
        self.title = title
        self.trials = trials
        self.metric = metric
        self.seed = seed
        self.split = split or InternalExternal(by="practice", folds=5)
        self.storage = storage

    def fit(self, X: pd.DataFrame, followup: FollowUp) -> Self:
        """Raise ValueError: without an index nobody can be held out."""
        raise ValueError(f"{self.name} holds people out while it learns: call fit_grouped(X, followup, index)")

    def fit_grouped(self, X: pd.DataFrame, followup: FollowUp, index: pd.DataFrame) -> Self:
        """Search settings, then fit the best on everybody.

        Raises
        ------
        ValueError
            If the split is impossible, or the measure has no value in an inner fold: too few events in it.
        """
        folds = [(train, test) for _, train, test in self.split.split(index)]
        search = self._search(X, followup, folds)
        while len(done := _ended(search)) < self.trials:
            # Seeded by what has ended and blind to what was broken off, an interrupted search draws what it would have.
            search.sampler = optuna.samplers.TPESampler(seed=self.seed + len(done), constant_liar=False)
            trial = search.ask(self.space)
            model = self.make(trial.params)
            values: list[float] = []
            for step, (train, test) in enumerate(folds):
                fitted = copy.deepcopy(model).fit_grouped(X.iloc[train], followup[train], index.iloc[train])
                values.append(self._judge(fitted.risk(X.iloc[test], followup.horizon), followup[test]))
                trial.report(float(np.mean(values)), step)
                if step + 1 < len(folds) and trial.should_prune():
                    search.tell(trial, state=TrialState.PRUNED)
                    break
            else:
                search.tell(trial, float(np.mean(values)))
        self.trials_ = _table(done, list(self.space))
        self.settings_ = dict(search.best_params)
        self.model_ = self.make(self.settings_).fit_grouped(X, followup, index)
        self.model_.name, self.model_.title = self.name, self.title
        return self

    def incidence(self, X: pd.DataFrame, times: Sequence[float]) -> Floats:
        """Return what the model found answers; see `RiskModel.incidence`."""
        return self.model_.incidence(X, times)

    def _search(
        self, X: pd.DataFrame, followup: FollowUp, folds: Sequence[tuple[Positions, Positions]]
    ) -> optuna.Study:
        """Begin a search, or go on with the one in storage that was of the same data, folds and settings."""
        about = {
            "name": self.name,
            "space": {name: distribution_to_json(where) for name, where in sorted(self.space.items())},
            "metric": self.metric,
            "seed": self.seed,
            "features": list(X.columns),
            "data": [digest(part) for part in _bytes(X, followup, folds)],
        }
        return optuna.create_study(
            study_name=f"{self.name}-{digest(about)[:16]}",
            storage=InMemoryStorage()
            if self.storage is None
            else JournalStorage(JournalFileBackend(os.fspath(self.storage))),
            direction="minimize" if MEASURES[self.metric].better == "lower" else "maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=0),
            load_if_exists=True,
        )

    def _judge(self, risk: Floats, followup: FollowUp) -> float:
        outcome = OutcomeAtHorizon.of(followup, followup.horizon)
        with np.errstate(divide="ignore", invalid="ignore"):  # no value is NaN
            value = MEASURES[self.metric].function(risk, outcome, np.ones(len(risk)))
        if math.isnan(value):
            raise ValueError(
                f"{self.name}: {self.metric} has no value in an inner fold: too few are known to have had the event, "
                "or not to. Ask for fewer folds"
            )
        return float(value)


def _bytes(X: pd.DataFrame, followup: FollowUp, folds: Sequence[tuple[Positions, Positions]]) -> Iterator[bytes]:
    """Yield all that decides what a trial is worth, besides its settings."""
    yield pd.util.hash_pandas_object(X, index=False).to_numpy().tobytes()
    yield np.float64(followup.horizon).tobytes() + followup.duration.tobytes() + followup.cause.tobytes()
    for train, test in folds:
        yield train.tobytes() + b"|" + test.tobytes()


def _ended(search: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that came to an end; what an interruption broke off counts for nothing."""
    return search.get_trials(deepcopy=False, states=tuple(STATES))


def _table(ended: Sequence[FrozenTrial], settings: Sequence[str]) -> pd.DataFrame:
    rows = [
        {
            "number": number,
            "state": STATES[trial.state],
            "folds": len(trial.intermediate_values),
            "value": trial.intermediate_values[max(trial.intermediate_values)],
            **{name: trial.params[name] for name in settings},
        }
        for number, trial in enumerate(ended, start=1)
    ]
    return pd.DataFrame(rows)

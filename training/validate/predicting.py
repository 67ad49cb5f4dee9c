"""Risks given by models that had not seen the person."""

from __future__ import annotations

import copy
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from features.outcome import FollowUp
from features.privacy import shown
from training.models import RiskModel
from training.splits import Positions, Split
from training.survival import Floats

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many steps are done, and of how many."""

Predictions = pd.DataFrame
"""Out-of-fold risks, a column a model, a row a landmark; NaN where refused or not tested. Never written out."""


def out_of_fold(
    models: Sequence[RiskModel],
    X: pd.DataFrame,
    followup: FollowUp,
    index: pd.DataFrame,
    splits: Split,
    progress: Progress | None = None,
    *,
    horizon: float | None = None,
) -> dict[str, Floats]:
    """Predict each tested row by models that learned from nobody in its fold.

    Parameters
    ----------
    models
        Left as they are: a copy of each is fitted in each fold. A published model has nothing to fit.
    X, followup, index
        Features, follow-up and index of the same ``n`` landmarks.
    splits
        How people are held out.
    progress
        Told of each fit.
    horizon
        Years; that of the follow-up by default.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        Risk by the horizon for each model's name; NaN where the model refused or the row was not tested.

    Raises
    ------
    ValueError
        If two models share a name, lengths differ, or the split is impossible or tests a patient it learns from.
    """
    names = [model.name for model in models]
    faults = [f"{many} models are called {name!r}" for name, many in Counter(names).items() if many > 1]
    if not len(X) == len(followup) == len(index):
        faults.append(f"X has {len(X)} rows, followup {len(followup)}, index {len(index)}: align them")
    if faults:
        raise ValueError("; ".join(faults))
    folds = list(splits.split(index))
    for label, train, test in folds:
        _require_apart(index["patient"], label, train, test)
    years = followup.horizon if horizon is None else horizon
    risks = {name: np.full(len(X), np.nan) for name in names}
    for step, ((label, train, test), model) in enumerate(itertools.product(folds, models), start=1):
        fitted = copy.deepcopy(model).fit_grouped(X.iloc[train], followup[train], index.iloc[train])
        risks[model.name][test] = fitted.risk(X.iloc[test], years)
        if progress is not None:
            progress(f"{model.name}, {label}", step, len(folds) * len(models))
    return risks


def _require_apart(patients: pd.Series[Any], label: str, train: Positions, test: Positions) -> None:
    """Raise ValueError when somebody is both learned from and tested, whatever the split says of itself."""
    straddling = int(patients.iloc[test][patients.iloc[test].isin(patients.iloc[train].unique())].nunique())
    if straddling:
        raise ValueError(
            f"fold {label!r} tests {shown(straddling) or 'fewer than 11'} patients it also learns from: "
            "every landmark of a patient belongs on one side"
        )

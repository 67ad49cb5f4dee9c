"""What the model relies on: SHAP values over a population, never of one patient.

The values are those of the `shap` package; `training.models.CensoringWeighted.contributions` must give the same ones
(that is what the service uses), and both must add up to the model's log-odds, or nothing is reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import shap

from features.feature_set import FeatureSet
from features.privacy import SMALLEST_COUNT
from training.models import CensoringWeighted
from training.tree import JsonTree

Floats = npt.NDArray[np.float64]
AGREEMENT: Final = 1e-6  # log-odds
BINS: Final = 10


@dataclass(frozen=True)
class Importance:
    """How much a feature moves predictions.

    Attributes
    ----------
    feature, fr, en, unit
        Name, labels and unit.
    mean_abs
        Mean absolute SHAP value, in log-odds of the event by the horizon.
    share
        Part of the sum over features.
    """

    feature: str
    fr: str
    en: str
    unit: str | None
    mean_abs: float
    share: float


@dataclass(frozen=True)
class Dependence:
    """How a feature's effect varies with its value: means over groups of people, none smaller than 11.

    Attributes
    ----------
    feature
        Name.
    values, effects
        Mean value and mean SHAP value (log-odds) of each group, in increasing order of the value.
    n
        People in each group.
    """

    feature: str
    values: tuple[float, ...]
    effects: tuple[float, ...]
    n: tuple[int, ...]


@dataclass(frozen=True)
class Explanation(JsonTree):
    """What a model relies on over a sample of its training population.

    Attributes
    ----------
    model
        Name of the model.
    method
        Explainer of the shap package.
    n
        Landmarks in the sample.
    additivity
        Largest distance between a row's sum of SHAP values and its log-odds.
    importance
        Most important feature first.
    dependence
        One for each numeric feature.
    """

    model: str
    method: str
    n: int
    additivity: float
    importance: tuple[Importance, ...]
    dependence: tuple[Dependence, ...]


def explain(
    model: CensoringWeighted, X: pd.DataFrame, features: FeatureSet, *, rows: int = 2000, seed: int = 0
) -> Explanation:
    """Explain a fitted model over a random sample of rows.

    Raises
    ------
    ValueError
        If the SHAP values do not add up to the model's log-odds, or are not those the service would give.
    """
    sample = X.sample(min(rows, len(X)), random_state=seed)
    method, values, base = shap_values(model, sample)
    probability = model.event_.predict_proba(sample[model.features_])[:, 1]
    log_odds = np.log(probability) - np.log1p(-probability)
    additivity = float(np.abs(base + values.sum(axis=1) - log_odds).max())
    own_base, own = model.contributions(sample)
    apart = float(np.abs(own.to_numpy() - values).max() + abs(own_base - base))
    if not (additivity <= AGREEMENT and apart <= AGREEMENT):  # NaN must not pass
        raise ValueError(
            f"{model.name}: SHAP values miss the log-odds by {additivity:.1e}, the service's reasons by {apart:.1e}; "
            f"nothing above {AGREEMENT:.0e} may be reported"
        )
    mean_abs = np.abs(values).mean(axis=0)
    total = mean_abs.sum() or 1.0
    importance = [
        Importance(f.name, f.fr, f.en, f.unit, float(mean_abs[i]), float(mean_abs[i] / total))
        for i, f in enumerate(features.values())
    ]
    return Explanation(
        model=model.name,
        method=method,
        n=len(sample),
        additivity=additivity,
        importance=tuple(sorted(importance, key=lambda item: -item.mean_abs)),
        dependence=tuple(
            _dependence(f.name, sample[f.name].to_numpy(np.float64), values[:, i])
            for i, f in enumerate(features.values())
        ),
    )


def shap_values(model: CensoringWeighted, X: pd.DataFrame) -> tuple[str, Floats, float]:
    """Return the explainer's name, SHAP values in log-odds, shape ``(n, features)``, and their base value."""
    if hasattr(model.event_, "booster_"):
        found: Any = shap.TreeExplainer(model.event_.booster_)(X[model.features_])
        return "shap.TreeExplainer", np.asarray(found.values), float(np.ravel(found.base_values)[0])
    steps, linear = model.event_[:-1], model.event_[-1]
    columns = np.asarray(steps.transform(X[model.features_]))
    names = list(steps.get_feature_names_out(model.features_))
    explainer: Any = shap.LinearExplainer(
        linear, np.zeros((1, columns.shape[1]))
    )  # scaled: the training mean is nought
    added = np.asarray(explainer(columns).values)
    values = np.zeros((len(X), len(model.features_)))
    for position, column in enumerate(names):
        values[:, model.features_.index(column.removeprefix("missingindicator_"))] += added[:, position]
    return "shap.LinearExplainer", values, float(np.ravel(explainer.expected_value)[-1])


def _dependence(name: str, column: Floats, effect: Floats) -> Dependence:
    known = ~np.isnan(column)
    column, effect = column[known], effect[known]
    edges = np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1))) if len(column) else np.empty(0)
    group = np.clip(np.searchsorted(edges, column, side="right") - 1, 0, max(len(edges) - 1, 0))
    shown = [g for g in np.unique(group) if (group == g).sum() >= SMALLEST_COUNT]
    return Dependence(
        name,
        tuple(float(column[group == g].mean()) for g in shown),
        tuple(float(effect[group == g].mean()) for g in shown),
        tuple(int((group == g).sum()) for g in shown),
    )

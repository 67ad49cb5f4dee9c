"""What a model relies on: SHAP values over a population, never of one patient.

The values are those of the `shap` package. `Learned.contributions` must give the same ones (that is what the service
uses), and both must add up to what the model itself computes, or nothing is reported.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.feature_set import FeatureSet
from features.privacy import SMALLEST_COUNT
from training.models import CompetingCox, Learned, Recalibrated, StackedHazard
from training.models.nested import Nested, by_feature
from training.tree import JsonTree

Floats = npt.NDArray[np.float64]
AGREEMENT: Final = 1e-6  # on the model's own scale
BINS: Final = 10
MOST: Final = 10
"""Features compared between groups, and pairs of features shown."""
INTERACTION_ROWS: Final = 500
SPREAD: Final = (0.025, 0.975)


@dataclass(frozen=True)
class Importance:
    """How much a feature moves predictions.

    Attributes
    ----------
    feature, fr, en, unit
        Name, labels and unit.
    mean_abs
        Mean absolute SHAP value, on the model's own scale: log-odds of the event by the horizon or, for models of
        hazards, in one interval; for Cox models the logarithm of the hazard ratio.
    share
        Part of the sum over features.
    low, high
        What 95 % of refits on other practices give for ``mean_abs``; NaN without refits.
    """

    feature: str
    fr: str
    en: str
    unit: str | None
    mean_abs: float
    share: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class Dependence:
    """How a feature's effect varies with its value: means over groups of people, none smaller than 11.

    Attributes
    ----------
    feature
        Name.
    values, effects
        Mean value and mean SHAP value of each group, in increasing order of the value.
    n
        People in each group.
    """

    feature: str
    values: tuple[float, ...]
    effects: tuple[float, ...]
    n: tuple[int, ...]


@dataclass(frozen=True)
class Interaction:
    """How much two features move predictions together, beyond what each does.

    Attributes
    ----------
    feature, other
        Names.
    mean_abs
        Mean absolute SHAP interaction value of the pair, both halves together.
    """

    feature: str
    other: str
    mean_abs: float


@dataclass(frozen=True)
class GroupEffects:
    """What the most important features do in one group of people.

    Attributes
    ----------
    attribute, group, n
        Which group, and its landmarks in the sample, at least 11.
    effects
        By feature, its mean SHAP value in the group: above 0 where it raises the prediction on average.
    """

    attribute: str
    group: str
    n: int
    effects: dict[str, float]


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
        Largest distance between a row's sum of SHAP values and what the model computes.
    importance
        Most important feature first.
    dependence
        One for each numeric feature.
    interactions
        Pairs that move predictions most together, the first first; none for a model without interactions.
    groups
        What the most important features do, group by group.
    refits
        On how many fits to other practices the spread of importance rests.
    """

    model: str
    method: str
    n: int
    additivity: float
    importance: tuple[Importance, ...]
    dependence: tuple[Dependence, ...]
    interactions: tuple[Interaction, ...] = ()
    groups: tuple[GroupEffects, ...] = ()
    refits: int = 0


def explain(
    model: Learned,
    X: pd.DataFrame,
    features: FeatureSet,
    *,
    rows: int = 2000,
    seed: int = 0,
    refits: Iterable[Learned] = (),
    groups: pd.DataFrame | None = None,
) -> Explanation:
    """Explain a fitted model over a random sample of rows.

    Parameters
    ----------
    model
        Fitted; of a kind that has exact contributions.
    X
        Features of its training population.
    features
        Their definitions.
    rows, seed
        Size of the sample, and what draws it.
    refits
        The same model fitted on other practices, for the spread of importance.
    groups
        Of the same rows as ``X``: a column an attribute, text labels.

    Raises
    ------
    ValueError
        If the SHAP values do not add up to what the model computes, or are not those the service would give.
    TypeError
        If the model has no exact contributions.
    """
    sample = X.sample(min(rows, len(X)), random_state=seed)
    method, values, base = shap_values(model, sample)
    additivity = float(np.abs(base + values.sum(axis=1) - model.explained(sample)).max())
    own_base, own = model.contributions(sample)
    apart = float(np.abs(own.to_numpy() - values).max() + abs(own_base - base))
    if not (additivity <= AGREEMENT and apart <= AGREEMENT):  # NaN must not pass
        raise ValueError(
            f"{model.name}: SHAP values miss what the model computes by {additivity:.1e}, the service's reasons by "
            f"{apart:.1e}; nothing above {AGREEMENT:.0e} may be reported"
        )
    names = model.features_
    mean_abs = np.abs(values).mean(axis=0)
    total = mean_abs.sum() or 1.0
    again = [np.abs(refit.contributions(sample)[1].to_numpy()).mean(axis=0) for refit in refits]
    bounds = np.quantile(again, SPREAD, axis=0) if again else np.full((2, len(names)), np.nan)
    importance = sorted(
        (
            Importance(name, f.fr, f.en, f.unit, float(mean_abs[i]), float(mean_abs[i] / total), *bounds[:, i].tolist())
            for i, (name, f) in enumerate((name, features[name]) for name in names)
        ),
        key=lambda item: -item.mean_abs,
    )
    most = [item.feature for item in importance[:MOST]]
    effects = pd.DataFrame(values, columns=names, index=sample.index)
    return Explanation(
        model=model.name,
        method=method,
        n=len(sample),
        additivity=additivity,
        importance=tuple(importance),
        dependence=tuple(
            _dependence(name, sample[name].to_numpy(np.float64), values[:, i]) for i, name in enumerate(names)
        ),
        interactions=_interactions(model, sample.iloc[:INTERACTION_ROWS]),
        groups=() if groups is None else tuple(_by_group(effects[most], groups.loc[sample.index])),
        refits=len(again),
    )


def shap_values(model: Learned, X: pd.DataFrame) -> tuple[str, Floats, float]:
    """Return the explainer's name, SHAP values, shape ``(n, features)``, and their base value.

    Raises
    ------
    TypeError
        If shap has no exact explainer for the model.
    """
    match model:
        case StackedHazard():
            method, values, base = _of_classifier(model, model.at_first(X))
            return method, values[:, :-1], base + float(values[0, -1])  # the time's own part is the same for all
        case Nested():
            return _of_classifier(model, X[model.features_])
        case CompetingCox():
            return _linear(model.preparation_, model.event_.coefficients, 0.0, X[model.features_])
        case Recalibrated() if isinstance(model.model_, Learned) and model.by is None:
            return shap_values(model.model_, X)
    raise TypeError(f"{model.name}: no exact explainer for a {type(model).__name__}")


def _shap() -> Any:
    import shap  # not above: it takes seconds, and most of what reads an explanation makes none

    return shap


def _of_classifier(model: Nested, X: pd.DataFrame) -> tuple[str, Floats, float]:
    if hasattr(model.event_, "booster_"):
        found = _shap().TreeExplainer(model.event_.booster_)(X)
        return "shap.TreeExplainer", np.asarray(found.values), float(np.ravel(found.base_values)[0])
    steps, linear = (model.event_[:-1], model.event_[-1]) if hasattr(model.event_, "steps") else (None, model.event_)
    return _linear(steps, linear.coef_[0], float(linear.intercept_[0]), X)


def _linear(steps: Any, coefficients: Floats, intercept: float, X: pd.DataFrame) -> tuple[str, Floats, float]:
    """Explain a linear model against columns of nought: where they are prepared, and so scaled, the training mean."""
    columns = X.to_numpy() if steps is None else np.asarray(steps.transform(X))
    explainer = _shap().LinearExplainer((coefficients, intercept), np.zeros((1, columns.shape[1])))
    added = np.asarray(explainer(columns).values)
    names = list(X.columns if steps is None else steps.get_feature_names_out())
    values = by_feature(added, names, X).to_numpy()
    return "shap.LinearExplainer", values, float(np.ravel(explainer.expected_value)[-1])


def _interactions(model: Learned, X: pd.DataFrame) -> tuple[Interaction, ...]:
    """Return the strongest pairs of a model of trees."""
    match model:
        case Recalibrated() if isinstance(model.model_, Learned):
            return _interactions(model.model_, X)
        case Nested() if hasattr(model.event_, "booster_"):
            read = model.at_first(X) if isinstance(model, StackedHazard) else X[model.features_]
            found = np.asarray(_shap().TreeExplainer(model.event_.booster_).shap_interaction_values(read))
        case _:
            return ()
    strength = 2 * np.abs(found).mean(axis=0)  # shap gives each of the two features half
    pairs = [
        Interaction(model.features_[i], model.features_[j], float(strength[i, j]))
        for i, j in itertools.combinations(range(len(model.features_)), 2)
        if strength[i, j] > 0
    ]
    return tuple(sorted(pairs, key=lambda pair: -pair.mean_abs)[:MOST])


def _by_group(effects: pd.DataFrame, groups: pd.DataFrame) -> Iterable[GroupEffects]:
    for attribute, labels in groups.items():
        for group, rows in effects.groupby(labels, sort=True):
            if len(rows) >= SMALLEST_COUNT:
                yield GroupEffects(
                    str(attribute),
                    str(group),
                    len(rows),
                    {str(name): float(mean) for name, mean in rows.mean().items()},
                )


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

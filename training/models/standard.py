"""The learned models that studies compare, with settings fixed beforehand."""

from __future__ import annotations

from typing import Any, Final

from lightgbm import LGBMClassifier
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from features.feature_set import FeatureSet
from training.models.censoring_weighted import CensoringWeighted
from training.models.preparation import preparation
from training.models.stacked_hazard import SINCE, StackedHazard
from training.values import Bilingual

LIGHTGBM: Final = Bilingual.same("LightGBM")


def logistic_regression(features: FeatureSet | None = None, seed: int = 0) -> CensoringWeighted:
    """Return the standard linear model: median imputation with an indicator, scaling, ridge-penalised logistic."""
    pipeline = make_pipeline(*(step for _, step in preparation().steps), _logistic(seed))
    return CensoringWeighted(
        pipeline,
        name="logistic_regression",
        title=Bilingual(fr="Régression logistique", en="Logistic regression"),
        reads=features,
    )


def stacked_logistic_regression(features: FeatureSet | None = None, seed: int = 0) -> StackedHazard:
    """Return the linear model of hazards: prepared as `logistic_regression` is, each interval with its own level."""
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), [SINCE]),
        remainder=preparation(),
        verbose_feature_names_out=False,
    )
    return StackedHazard(
        make_pipeline(columns, _logistic(seed)),
        name="stacked_logistic_regression",
        title=Bilingual(fr="Régression logistique par intervalle", en="Logistic regression by interval"),
        reads=features,
        seed=seed,
    )


def gradient_boosting(
    features: FeatureSet, seed: int = 0, *, name: str = "lightgbm", title: Bilingual = LIGHTGBM
) -> CensoringWeighted:
    """Return small boosted trees, monotone in each feature whose direction is declared."""
    # A leaf of 100 also keeps any leaf from standing for fewer than 11 people.
    classifier = _trees(seed, min_child_samples=100)
    return CensoringWeighted(
        clone(classifier).set_params(monotone_constraints=_directions(features)),
        name=name,
        title=title,
        competing=classifier,
        reads=features,
    )


def stacked_gradient_boosting(features: FeatureSet, seed: int = 0) -> StackedHazard:
    """Return small boosted trees of hazards, the event's monotone in each feature whose direction is declared.

    No tree reads both time and features: effects are the same in every interval, so that reasons are exact.
    """
    apart = [list(range(len(features))), [len(features)]]
    # Nobody is in more than ten intervals: a leaf of 200 never stands for fewer than 11 people.
    classifier = _trees(seed, min_child_samples=200, interaction_constraints=apart)
    return StackedHazard(
        clone(classifier).set_params(monotone_constraints=[*_directions(features), 0]),
        name="stacked_lightgbm",
        title=Bilingual(fr="LightGBM par intervalle", en="LightGBM by interval"),
        competing=classifier,
        reads=features,
        seed=seed,
    )


def _directions(features: FeatureSet) -> list[int]:
    return [feature.direction for feature in features.values()]


def _logistic(seed: int) -> LogisticRegression:
    return LogisticRegression(C=1.0, max_iter=1000, random_state=seed)


def _trees(seed: int, **settings: Any) -> LGBMClassifier:
    return LGBMClassifier(
        n_estimators=150,
        learning_rate=0.04,
        num_leaves=4,
        reg_lambda=5.0,
        subsample=0.8,
        subsample_freq=1,
        colsample_bytree=0.8,
        random_state=seed,
        deterministic=True,
        force_row_wise=True,
        n_jobs=1,  # the sum over threads has no order of its own
        verbose=-1,
        **settings,
    )

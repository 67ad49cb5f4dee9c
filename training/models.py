"""Risk models: ``fit`` on features and follow-up, ``incidence`` for new people."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from lightgbm import LGBMClassifier
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from features.feature_set import FeatureSet
from features.outcome import COMPETING, EVENT, FollowUp
from training.survival import aalen_johansen, censoring_weights

Floats = npt.NDArray[np.float64]


class RiskModel(ABC):
    """Something that gives the cumulative incidence of an event over time.

    Attributes
    ----------
    name
        Short identifier, unique within a study, such as ``"score2"``.
    title
        What a reader sees, such as ``"SCORE2 / SCORE2-OP (ESC 2021, low-risk region)"``.
    states
        Names of the states a person may be in, in the order of `incidence`'s second axis. The first is always free of
        any event, the second the event of interest; a model that knows competing events has a third.
    """

    name: str
    title: str
    states: ClassVar[tuple[str, ...]] = ("event_free", "event", "competing")

    @abstractmethod
    def fit(self, X: pd.DataFrame, followup: FollowUp) -> Self:
        """Learn from features (one row a landmark) and the follow-up of the same rows; return self."""

    @abstractmethod
    def incidence(self, X: pd.DataFrame, times: Sequence[float]) -> Floats:
        """Return the probability of each state at each time.

        Parameters
        ----------
        X
            Features, one row a landmark.
        times
            Years after the landmark, increasing.

        Returns
        -------
        ndarray of shape (n, len(states), len(times))
            Over the second axis the probabilities sum to one; over the third the event states never decrease.
            A row is NaN throughout where the model refuses to answer for that person.
        """

    def risk(self, X: pd.DataFrame, horizon: float) -> Floats:
        """Return the probability of the event within ``horizon`` years, shape ``(n,)``; NaN where refused."""
        return self.incidence(X, [horizon])[:, 1, 0]


class CensoringWeighted(RiskModel):
    """Any scikit-learn classifier, made to estimate cumulative incidence under censoring and competing events.

    Whoever was followed to the event, the competing event or the horizon is weighted by the inverse of the probability
    of having been followed that long, so that they also stand for those who left. Two classifiers are then nested: the
    event against everything else, and, among those without it, the competing event against none. States therefore sum
    to one by construction. Before the horizon, incidence follows the shape of the training population's Aalen–Johansen
    curve, which never decreases.

    Parameters
    ----------
    estimator
        Classifier with ``predict_proba`` that takes ``sample_weight``, or a pipeline that ends in one. Missing values
        are its own affair: they reach it as NaN.
    name, title
        Identifier within a study, and what a reader sees.

    References
    ----------
    Inverse-probability-of-censoring weighting for classifiers: Vock et al. 2016, doi:10.1016/j.jbi.2016.03.009.
    """

    STEPS: ClassVar = 40

    def __init__(self, estimator: Any, *, name: str, title: str) -> None:
        self.estimator = estimator
        self.name = name
        self.title = title

    def fit(self, X: pd.DataFrame, followup: FollowUp) -> Self:
        """Learn from features and follow-up; raise ValueError unless events and non-events are both there."""
        self.horizon_ = followup.horizon
        self.features_ = list(X.columns)
        weights = censoring_weights(followup, self.horizon_)
        known = weights > 0
        had_event = followup.cause == EVENT
        if not (had_event & known).any() or not (~had_event & known).any():
            raise ValueError(f"{self.name}: to learn, some landmarks must be followed by the event and some not")
        self.event_ = _fitted(self.estimator, X[known], had_event[known], weights[known])
        rest = known & ~had_event
        competed = followup.cause == COMPETING
        self.competing_ = (
            _fitted(self.estimator, X[rest], competed[rest], weights[rest]) if (competed & rest).any() else None
        )
        times = np.linspace(0, self.horizon_, self.STEPS + 1)[1:]
        self.shape_ = Shape.of(times, *aalen_johansen(followup, list(times)))
        return self

    def incidence(self, X: pd.DataFrame, times: Sequence[float]) -> Floats:
        """Return the probability of each state at each time; see `RiskModel.incidence`.

        Raises
        ------
        ValueError
            If a feature is absent, or a time is not within the horizon the model was fitted for.
        """
        X = self._features(X)
        within = np.asarray(times, dtype=np.float64)
        if not ((within > 0) & (within <= self.horizon_)).all():
            raise ValueError(f"{self.name} was fitted for up to {self.horizon_:g} years; asked for {list(times)}")
        event = self.event_.predict_proba(X)[:, 1]
        competing = np.zeros(len(X)) if self.competing_ is None else self.competing_.predict_proba(X)[:, 1]
        grown = self.shape_.at(within)
        states = np.empty((len(X), 3, len(within)))
        states[:, 1] = np.outer(event, grown.event)
        states[:, 2] = np.outer((1 - event) * competing, grown.competing)
        states[:, 0] = np.maximum(1 - states[:, 1] - states[:, 2], 0)  # rounding only: it is a product of two shares
        return states

    def contributions(self, X: pd.DataFrame) -> tuple[float, pd.DataFrame]:
        """Return what each feature adds to the log-odds of the event at the horizon.

        They are exact Shapley values: of the trees for LightGBM, of independent features against the training mean for
        a linear model. Baseline and row add up to the row's log-odds.

        Returns
        -------
        float
            Baseline log-odds.
        DataFrame of shape (n, features)
            Contributions, in the features' order.

        Raises
        ------
        TypeError
            If the classifier is of another kind.
        """
        X = self._features(X)
        if hasattr(self.event_, "booster_"):
            found = self.event_.booster_.predict(X, pred_contrib=True)
            return float(found[0, -1]), pd.DataFrame(found[:, :-1], columns=self.features_, index=X.index)
        steps, linear = (self.event_[:-1], self.event_[-1]) if hasattr(self.event_, "steps") else (None, self.event_)
        if not hasattr(linear, "coef_"):
            raise TypeError(f"{self.name}: no exact contributions for a {type(linear).__name__}")
        columns = X.to_numpy() if steps is None else np.asarray(steps.transform(X))
        names = self.features_ if steps is None else list(steps.get_feature_names_out(self.features_))
        added = columns * linear.coef_[0]
        by_feature = {name: np.zeros(len(X)) for name in self.features_}
        for position, column in enumerate(names):
            # An imputer names the indicator of a missing value after the feature: both belong to it.
            by_feature[column.removeprefix("missingindicator_")] += added[:, position]
        return float(linear.intercept_[0]), pd.DataFrame(by_feature, index=X.index)

    def _features(self, X: pd.DataFrame) -> pd.DataFrame:
        absent = [name for name in self.features_ if name not in X.columns]
        if absent:
            raise ValueError(f"{self.name} needs features that are not there: {', '.join(absent)}")
        return X[self.features_]


@dataclass(frozen=True, eq=False)
class Shape:
    """How incidence grows from landmark to horizon in the training population, as a share of its final value."""

    times: Floats
    event: Floats
    competing: Floats

    @classmethod
    def of(cls, times: Floats, event: Floats, competing: Floats) -> Shape:
        """Return the shape of two incidence curves; a curve that stays at nought grows evenly."""
        even = times / times[-1]
        return cls(
            times,
            event / event[-1] if event[-1] > 0 else even,
            competing / competing[-1] if competing[-1] > 0 else even,
        )

    def at(self, times: Floats) -> Shape:
        """Return the shares at other times, on straight lines between the known ones."""
        known = np.concatenate([[0.0], self.times])
        event, competing = (
            np.interp(times, known, np.concatenate([[0.0], curve])) for curve in (self.event, self.competing)
        )
        return Shape(times, event, competing)


def _fitted(estimator: Any, X: pd.DataFrame, y: npt.NDArray[np.bool_], weights: Floats) -> Any:
    """Return a fitted copy; in a pipeline the weights go to its last step."""
    copy = clone(estimator)
    steps = getattr(copy, "steps", None)
    key = f"{steps[-1][0]}__sample_weight" if steps else "sample_weight"
    return copy.fit(X, y.astype(np.int8), **{key: weights})


def logistic_regression(seed: int = 0) -> CensoringWeighted:
    """Return the standard linear model: median imputation with an indicator, scaling, ridge-penalised logistic."""
    pipeline = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=1.0, max_iter=1000, random_state=seed),
    )
    return CensoringWeighted(pipeline, name="logistic_regression", title="Régression logistique / Logistic regression")


def gradient_boosting(features: FeatureSet, seed: int = 0) -> CensoringWeighted:
    """Return small boosted trees, monotone in each feature whose direction is declared."""
    classifier = LGBMClassifier(
        n_estimators=150,
        learning_rate=0.04,
        num_leaves=4,
        min_child_samples=100,  # also keeps any leaf from standing for fewer than 11 people
        reg_lambda=5.0,
        subsample=0.8,
        subsample_freq=1,
        colsample_bytree=0.8,
        monotone_constraints=[feature.direction for feature in features.values()],
        random_state=seed,
        deterministic=True,
        force_row_wise=True,
        n_jobs=1,  # the sum over threads has no order of its own
        verbose=-1,
    )
    return CensoringWeighted(classifier, name="lightgbm", title="LightGBM")

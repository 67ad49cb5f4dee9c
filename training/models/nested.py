"""Two classifiers, one within the other: the event against everything else, then the competing event among the rest.

States sum to one by construction, whatever the classifiers are, and constraints on the first hold for the event.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from features.outcome import COMPETING, EVENT
from training.models.base import Floats, Learned
from training.values import Bilingual

#: What an imputer puts before a feature's name for the column that says whether it was missing.
MISSING = "missingindicator_"


class Nested(Learned):
    """What `CensoringWeighted` and `StackedHazard` share.

    Parameters
    ----------
    estimator
        Classifier with ``predict_proba`` that takes ``sample_weight``, or a pipeline that ends in one. Missing values
        are its own affair: they reach it as NaN.
    name, title
        Identifier within a study, and what a reader sees.
    competing
        Classifier of the competing event; another copy of ``estimator`` by default. Directions are declared for the
        event, so an estimator constrained to them wants one here that is not.
    reads
        Columns it learns from; all by default.
    """

    event_: Any
    competing_: Any | None

    def __init__(
        self,
        estimator: Any,
        *,
        name: str,
        title: Bilingual,
        competing: Any | None = None,
        reads: Iterable[str] | None = None,
    ) -> None:
        self.estimator = estimator
        self.name = name
        self.title = title
        self.competing = competing
        self.reads = None if reads is None else tuple(reads)

    def _learn(self, X: pd.DataFrame, cause: npt.NDArray[np.int8], weights: Floats) -> None:
        """Fit both classifiers; raise ValueError unless events and people free of both are there."""
        had_event = cause == EVENT
        if not 0 < had_event.sum() < len(cause):
            raise ValueError(f"{self.name}: to learn, some landmarks must be followed by the event and some not")
        self.event_ = _fitted(self.estimator, X, had_event, weights)
        rest = ~had_event
        competed = cause[rest] == COMPETING
        if competed.all():
            raise ValueError(f"{self.name}: to learn, some landmarks must be followed by neither event")
        other = self.estimator if self.competing is None else self.competing
        self.competing_ = _fitted(other, X[rest], competed, weights[rest]) if competed.any() else None

    def _event(self, X: pd.DataFrame) -> Floats:
        """Return the probability of the event, ``(n,)``."""
        return _probability(self.event_, X)

    def _shares(self, X: pd.DataFrame) -> tuple[Floats, Floats]:
        """Return the probabilities of the event and of the competing event, each ``(n,)``."""
        event = self._event(X)
        if self.competing_ is None:
            return event, np.zeros(len(X))
        return event, (1 - event) * _probability(self.competing_, X)

    def _added(self, X: pd.DataFrame) -> tuple[float, pd.DataFrame]:
        """Return the baseline log-odds of the event's classifier, and what each column of ``X`` adds to it.

        They are exact Shapley values: of the trees for LightGBM, of independent features against the training mean for
        a linear model.
        """
        if hasattr(self.event_, "booster_"):
            found = self.event_.booster_.predict(_numbers(X), pred_contrib=True)
            return float(found[0, -1]), pd.DataFrame(found[:, :-1], columns=X.columns, index=X.index)
        steps, linear = (self.event_[:-1], self.event_[-1]) if hasattr(self.event_, "steps") else (None, self.event_)
        if not hasattr(linear, "coef_"):
            raise TypeError(f"{self.name}: no exact contributions for a {type(linear).__name__}")
        columns = X.to_numpy() if steps is None else np.asarray(steps.transform(X))
        names = list(X.columns) if steps is None else list(steps.get_feature_names_out())
        return float(linear.intercept_[0]), by_feature(columns * linear.coef_[0], names, X)


def _probability(classifier: Any, X: pd.DataFrame) -> Floats:
    """Return the probability that a classifier gives to each row, shape ``(n,)``."""
    if hasattr(classifier, "booster_"):
        return np.asarray(
            classifier.booster_.predict(_numbers(X), num_threads=classifier.n_jobs or 0), dtype=np.float64
        )
    return np.asarray(classifier.predict_proba(X)[:, 1], dtype=np.float64)


def _numbers(X: pd.DataFrame) -> Any:
    """Return what LightGBM is asked: an array where all is numbers, as it reads that of one person twenty times faster.

    Its answers are the same to the last bit; a frame's categories it has to see.
    """
    if len(X) == 1:  # looking at the kind of each column takes longer than the trees do
        values = X.to_numpy()
        if values.dtype == np.float64:
            return values
    return X if any(isinstance(kind, pd.CategoricalDtype) for kind in X.dtypes) else X.to_numpy(np.float64)


def by_feature(added: Floats, names: list[str], X: pd.DataFrame) -> pd.DataFrame:
    """Add up what derived columns contribute, each to the column of ``X`` that it comes from.

    The indicator of a missing value belongs to its feature, as does every category of a one-hot encoding.
    """
    found = {name: np.zeros(len(X)) for name in X.columns}
    for position, name in enumerate(names):
        source = name.removeprefix(MISSING)
        found[source if source in found else source.rpartition("_")[0]] += added[:, position]
    return pd.DataFrame(found, index=X.index)


def log_odds(probability: Floats) -> Floats:
    """Return log(p / (1 − p))."""
    return np.asarray(np.log(probability) - np.log1p(-probability), dtype=np.float64)


def _fitted(estimator: Any, X: pd.DataFrame, y: npt.NDArray[np.bool_], weights: Floats) -> Any:
    """Return a fitted copy; in a pipeline the weights go to its last step."""
    copy = clone(estimator)
    steps = getattr(copy, "steps", None)
    key = f"{steps[-1][0]}__sample_weight" if steps else "sample_weight"
    with threadpool_limits(1, user_api="blas"):  # threads add in an order of their own, and wait for each other
        return copy.fit(X, y.astype(np.int8), **{key: weights})

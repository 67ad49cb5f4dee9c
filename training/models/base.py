"""What a risk model is, and what one that has learned knows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.outcome import FollowUp
from training.values import Bilingual

Floats = npt.NDArray[np.float64]


class RiskModel(ABC):
    """Something that gives the cumulative incidence of an event over time.

    Attributes
    ----------
    name
        Short identifier, unique within a study, such as ``"score2"``.
    title
        What a reader sees, such as "Régression logistique" in French and "Logistic regression" in English.
    reads
        Columns it learns from; None for all it is given.
    states
        Names of the states a person may be in, in the order of `incidence`'s second axis. The first is always free of
        any event, the second the event of interest; a model that knows competing events has a third.
    """

    name: str
    title: Bilingual
    reads: tuple[str, ...] | None = None
    states: ClassVar[tuple[str, ...]] = ("event_free", "event", "competing")

    @abstractmethod
    def fit(self, X: pd.DataFrame, followup: FollowUp) -> Self:
        """Learn from features (one row a landmark) and the follow-up of the same rows; return self."""

    def fit_grouped(self, X: pd.DataFrame, followup: FollowUp, index: pd.DataFrame) -> Self:
        """Learn as `fit` does, knowing whose rows they are; return self.

        Parameters
        ----------
        index
            Index of the same rows (``patient``, ``practice``, …). Only a model that holds people out while it learns
            (`Recalibrated`, `training.tuning.Tuned`) reads it, to hold whole practices out; to any other it is nothing.
        """
        return self.fit(X, followup)

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


class Learned(RiskModel):
    """A model that has learned, and may be able to say what each feature adds.

    Attributes
    ----------
    horizon_
        Years it was fitted for.
    features_
        Columns it reads, in order.
    """

    horizon_: float
    features_: list[str]

    def _begin(self, X: pd.DataFrame, followup: FollowUp) -> pd.DataFrame:
        """Note the horizon and the features it is fitted for, and return the columns it learns from."""
        self.horizon_ = followup.horizon
        self.features_ = list(X.columns if self.reads is None else self.reads)
        return self._features(X)

    def contributions(self, X: pd.DataFrame) -> tuple[float, pd.DataFrame]:
        """Return what each feature adds to `explained`, exactly.

        Returns
        -------
        float
            Baseline.
        DataFrame of shape (n, features)
            Contributions, in the features' order; baseline and row add up to the row's `explained`.

        Raises
        ------
        TypeError
            If the model has no exact contributions.
        """
        raise TypeError(f"{self.name}: no exact contributions for a {type(self).__name__}")

    def explained(self, X: pd.DataFrame) -> Floats:
        """Return the quantity that `contributions` add up to, shape ``(n,)``; TypeError where there are none."""
        raise TypeError(f"{self.name}: no exact contributions for a {type(self).__name__}")

    def _features(self, X: pd.DataFrame) -> pd.DataFrame:
        if X.columns.tolist() == self.features_:
            return X
        absent = [name for name in self.features_ if name not in X.columns]
        if absent:
            raise ValueError(f"{self.name} needs features that are not there: {', '.join(absent)}")
        return X[self.features_]

    def _times(self, times: Sequence[float]) -> Floats:
        within = np.asarray(times, dtype=np.float64)
        if not ((within > 0) & (within <= self.horizon_)).all():
            raise ValueError(f"{self.name} was fitted for up to {self.horizon_:g} years; asked for {list(times)}")
        return within

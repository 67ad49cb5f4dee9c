"""Risk models: ``fit`` on features and follow-up, ``incidence`` for new people."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.outcome import FollowUp

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

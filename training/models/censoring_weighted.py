"""Any classifier, made to estimate cumulative incidence at the horizon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pandas as pd

from features.outcome import FollowUp
from training.models.base import Floats
from training.models.nested import Nested, log_odds
from training.survival import aalen_johansen, censoring_weights


class CensoringWeighted(Nested):
    """Any scikit-learn classifier, made to estimate cumulative incidence under censoring and competing events.

    Whoever was followed to the event, the competing event or the horizon is weighted by the inverse of the probability
    of having been followed that long, so that they also stand for those who left. Two classifiers are then nested: the
    event against everything else, and, among those without it, the competing event against none. States therefore sum
    to one by construction. Before the horizon, incidence follows the shape of the training population's Aalen–Johansen
    curve, which never decreases.

    Parameters
    ----------
    estimator, name, title, competing, reads
        See `training.models.nested.Nested`.

    References
    ----------
    Inverse-probability-of-censoring weighting for classifiers: Vock et al. 2016, doi:10.1016/j.jbi.2016.03.009.
    """

    STEPS: ClassVar = 40

    def fit(self, X: pd.DataFrame, followup: FollowUp) -> Self:
        """Learn from features and follow-up; raise ValueError unless events and non-events are both there."""
        X = self._begin(X, followup)
        weights = censoring_weights(followup, self.horizon_)
        known = weights > 0
        self._learn(X[known], followup.cause[known], weights[known])
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
        X, within = self._features(X), self._times(times)
        event, competing = self._shares(X)
        grown = self.shape_.at(within)
        states = np.empty((len(X), 3, len(within)))
        states[:, 1] = np.outer(event, grown.event)
        states[:, 2] = np.outer(competing, grown.competing)
        states[:, 0] = np.maximum(1 - states[:, 1] - states[:, 2], 0)  # rounding only: it is a product of two shares
        return states

    def contributions(self, X: pd.DataFrame) -> tuple[float, pd.DataFrame]:
        """Return what each feature adds to the log-odds of the event at the horizon; see `Learned.contributions`."""
        return self._added(self._features(X))

    def explained(self, X: pd.DataFrame) -> Floats:
        """Return the log-odds of the event at the horizon, shape ``(n,)``."""
        return log_odds(self._event(self._features(X)))


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

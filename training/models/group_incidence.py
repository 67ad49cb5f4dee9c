"""A rule as a model: people who are alike by a rule get what was observed among people like them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.outcome import FollowUp
from training.models.base import Floats, Learned
from training.survival import aalen_johansen
from training.values import Bilingual


class GroupIncidence(Learned):
    """The Aalen–Johansen incidence of the group a person falls in.

    What a doctor or a programme could do without a model: sort people by when they last came, and expect of each what
    others like them did. It is calibrated by construction, so that a model beats it by telling people apart.

    Parameters
    ----------
    by
        For each feature the bounds its values are cut at, increasing, a bound being in the group above; a missing
        value is a group of its own. People are in one group if they are in it by every feature.
    name, title
        As in `RiskModel`.

    Notes
    -----
    A group of fewer than ``LEAST_GROUP`` people in training, or whose last one left before the horizon, gets the
    incidence of everybody. Between times it is on a straight line.
    """

    STEPS: ClassVar = 40
    LEAST_GROUP: ClassVar = 50

    def __init__(self, by: Mapping[str, Sequence[float]], *, name: str, title: Bilingual) -> None:
        self.by = {feature: tuple(bounds) for feature, bounds in by.items()}
        self.name = name
        self.title = title
        self.reads = tuple(self.by)

    def fit(self, X: pd.DataFrame, followup: FollowUp) -> Self:
        """Learn the incidence of each group; see `RiskModel.fit`."""
        X = self._begin(X, followup)
        self.times_ = np.linspace(0, self.horizon_, self.STEPS + 1)
        self.curves_ = {"": self._curve(followup)}
        groups = self._groups(X)
        for group in np.unique(groups):
            rows = groups == group
            own = followup[rows]
            if rows.sum() >= self.LEAST_GROUP and own.duration.max() >= self.horizon_:
                self.curves_[str(group)] = self._curve(own)
        return self

    def incidence(self, X: pd.DataFrame, times: Sequence[float]) -> Floats:
        """Return the probability of each state at each time; see `RiskModel.incidence`.

        Raises
        ------
        ValueError
            If a feature is absent, or a time is not within the horizon the model was fitted for.
        """
        within, groups = self._times(times), self._groups(self._features(X))
        states = np.empty((len(X), 3, len(within)))
        for group in np.unique(groups):
            curve = self.curves_.get(str(group), self.curves_[""])
            event, competing = (np.interp(within, self.times_, values) for values in curve)
            states[groups == group] = np.stack([1 - event - competing, event, competing])
        states[:, 0] = np.maximum(states[:, 0], 0)  # rounding only: the three sum to one
        return states

    def _curve(self, followup: FollowUp) -> Floats:
        """Return the incidence of event and competing event at each time, shape ``(2, STEPS + 1)``."""
        grown = aalen_johansen(followup, list(self.times_[1:]))
        return np.stack([np.concatenate([[0.0], curve]) for curve in grown])

    def _groups(self, X: pd.DataFrame) -> npt.NDArray[np.str_]:
        """Return the name of each person's group, shape ``(n,)``."""
        names = np.full(len(X), "", dtype="U32")
        for feature, bounds in self.by.items():
            values = X[feature].to_numpy(np.float64)
            cut = np.where(np.isnan(values), -1, np.searchsorted(bounds, values, side="right"))
            names = np.char.add(names, np.char.add("/", cut.astype("U4")))
        return names

"""A model whose risks are set right by what was observed of people it had not learned from."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special
from sklearn.isotonic import IsotonicRegression

from features.outcome import FollowUp
from training.measures import OutcomeAtHorizon, logistic, logit
from training.models.base import Floats, Learned, RiskModel
from training.splits import InternalExternal, Split
from training.values import Bilingual

Method = Literal["intercept", "slope", "isotonic"]

TITLES: Final[dict[Method, Bilingual]] = {
    "intercept": Bilingual(fr="niveau", en="intercept"),
    "slope": Bilingual(fr="niveau et pente", en="intercept and slope"),
    "isotonic": Bilingual(fr="isotonique", en="isotonic"),
}


@dataclass(frozen=True)
class Line:
    """A recalibration that is a straight line between log-odds."""

    intercept: float
    slope: float

    def __call__(self, risk: Floats) -> Floats:
        """Return the recalibrated risk."""
        return np.asarray(special.expit(self.intercept + self.slope * logit(risk)), dtype=np.float64)


@dataclass(frozen=True)
class Curve:
    """A recalibration that joins points by straight lines, from nought for nought to one for one."""

    predicted: tuple[float, ...]
    observed: tuple[float, ...]

    def __call__(self, risk: Floats) -> Floats:
        """Return the recalibrated risk."""
        found = np.interp(risk, (0.0, *self.predicted, 1.0), (0.0, *self.observed, 1.0))
        return np.asarray(found, dtype=np.float64)


class Recalibrated(Learned):
    """A model whose risk at the horizon is replaced by a never decreasing function of it.

    Copies of the model are fitted with whole groups held out, as ``split`` says; the function is learned from the risks
    they give to the people held out, each weighted for censoring, and applied to the model fitted on everybody. It is
    never learned from risks of people the model had learned from.

    The event's whole curve is scaled as its end is, so that *when* stays the model's and *how much* becomes what was
    observed; the competing event's is scaled so that its share among those without the event stays the same. States
    therefore sum to one and never decrease. There are always three: of a model that knows no competing event, the
    third is nought.

    Parameters
    ----------
    model
        Any risk model, published ones included. Left as it is: a copy is fitted.
    method
        ``"intercept"`` moves log-odds by a constant, ``"slope"`` also stretches them (never turns them over: a slope
        below 0 becomes 0), ``"isotonic"`` joins the observed risks of groups of at least ``LEAST_GROUP`` people by
        straight lines after making them monotone.
    by
        Column of ``X``, such as ``"region"``, each of whose values has a function of its own. The model inside does
        not see it. A value that was not seen in training, is missing, or had fewer than ``LEAST_EVENTS`` people with
        or without the event gets the function learned from everybody.
    split
        How people are held out; five groups of practices by default.

    References
    ----------
    Intercept and slope: Steyerberg et al. 2004, doi:10.1002/sim.1844. Weighted so, the event's probability is the
    cumulative incidence among competing events.
    """

    LEAST_GROUP: ClassVar = 50
    MOST_GROUPS: ClassVar = 100
    LEAST_EVENTS: ClassVar = 50

    def __init__(
        self, model: RiskModel, method: Method = "slope", *, by: str | None = None, split: Split | None = None
    ) -> None:
        if method not in TITLES:
            raise ValueError(f"cannot recalibrate by {method!r}: choose one of {', '.join(TITLES)}")
        self.model = model
        self.method: Method = method
        self.by = by
        self.split = split or InternalExternal(by="practice", folds=5)
        reads: Sequence[str] | None = getattr(model, "features", model.reads)  # a published score says what it reads
        self.reads = None if reads is None else (*reads, *([by] if by else []))
        how, (par, each) = TITLES[method], (f", par {by}", f", by {by}") if by else ("", "")
        self.name = f"{model.name}_recalibrated_{method}{f'_by_{by}' if by else ''}"
        self.title = Bilingual(
            fr=f"{model.title.fr}, recalibré ({how.fr}{par})", en=f"{model.title.en}, recalibrated ({how.en}{each})"
        )

    def fit(self, X: pd.DataFrame, followup: FollowUp) -> Self:
        """Raise ValueError: without an index nobody can be held out."""
        raise ValueError(f"{self.name} holds people out while it learns: call fit_grouped(X, followup, index)")

    def fit_grouped(self, X: pd.DataFrame, followup: FollowUp, index: pd.DataFrame) -> Self:
        """Learn model and recalibration.

        Raises
        ------
        ValueError
            If the column ``by`` is absent, the split is impossible, or there is nothing to learn from: no events or
            nothing else among the people held out, or nobody followed to the horizon.
        """
        X = self._begin(X, followup)
        inner = self._inner(X)
        risk = np.full(len(X), np.nan)
        for _, train, test in self.split.split(index):
            fitted = copy.deepcopy(self.model).fit_grouped(inner.iloc[train], followup[train], index.iloc[train])
            risk[test] = fitted.risk(inner.iloc[test], self.horizon_)
        self._learn(X, risk, followup)
        self.model_ = copy.deepcopy(self.model).fit_grouped(inner, followup, index)
        return self

    def _learn(self, X: pd.DataFrame, risk: Floats, followup: FollowUp) -> None:
        """Learn the function of everybody, and that of each value of ``by`` which may have its own."""
        answered = np.flatnonzero(~np.isnan(risk))
        X, risk, followup = X.iloc[answered], risk[answered], followup[answered]
        outcome = OutcomeAtHorizon.of(followup, self.horizon_)
        if _least(outcome) == 0:
            raise ValueError(
                f"{self.name}: among those held out, some must have the event within {self.horizon_:g} years, "
                "and some must be followed that long without it"
            )
        self.overall_ = self._function(risk, outcome)
        self.own_: dict[str, Line | Curve] = {}
        for value, rows in self._groups(X).items():
            outcome = OutcomeAtHorizon.of(followup[rows], self.horizon_)
            if _least(outcome) >= self.LEAST_EVENTS:
                self.own_[value] = self._function(risk[rows], outcome)

    def _function(self, risk: Floats, outcome: OutcomeAtHorizon) -> Line | Curve:
        counted = outcome.event + outcome.event_free
        if self.method == "isotonic":
            known = np.flatnonzero(counted > 0)
            order = known[np.argsort(risk[known], kind="stable")]
            many = int(np.clip(len(order) // self.LEAST_GROUP, 1, self.MOST_GROUPS))
            groups = np.array_split(order, many)
            size = np.array([counted[rows].sum() for rows in groups])
            predicted = np.array([counted[rows] @ risk[rows] for rows in groups]) / size
            happened = np.array([outcome.event[rows].sum() for rows in groups]) / size
            found = IsotonicRegression(y_min=0, y_max=1).fit(predicted, happened, sample_weight=size)
            return Curve(tuple(found.X_thresholds_.tolist()), tuple(found.y_thresholds_.tolist()))
        score, one = logit(risk), np.ones((1, len(risk)))
        if self.method == "slope" and np.ptp(score[counted > 0]) > 0:
            intercept, slope = logistic(np.stack([one[0], score]), np.zeros(len(risk)), outcome)
            if slope > 0:
                return Line(float(intercept), float(slope))
            return Line(float(logit(np.array([outcome.event.sum() / counted.sum()]))[0]), 0.0)
        return Line(float(logistic(one, score, outcome)[0]), 1.0)

    def incidence(self, X: pd.DataFrame, times: Sequence[float]) -> Floats:
        """Return the probability of each state at each time; see `RiskModel.incidence`.

        Raises
        ------
        ValueError
            If a feature is absent, or a time is not within the horizon the model was fitted for.
        """
        X, within = self._features(X), self._times(times)
        asked = np.union1d(within, [self.horizon_])
        before = self.model_.incidence(self._inner(X), asked.tolist())
        risk, place = before[:, 1, -1], np.searchsorted(asked, within)
        after = self._recalibrated(X, risk)
        states = np.zeros((len(X), 3, len(within)))
        states[:, 1] = after[:, None] * _parts(before[:, 1, place], risk)
        if before.shape[1] == 3:
            states[:, 2] = (1 - after)[:, None] * _parts(before[:, 2, place], 1 - risk)
        states[:, 0] = np.maximum(1 - states[:, 1] - states[:, 2], 0)
        states[np.isnan(risk)] = np.nan
        return states

    def refusals(self, X: pd.DataFrame) -> pd.Series[str]:
        """Return why the model inside gives no number to each person, ``""`` for who gets one, indexed as ``X``."""
        refusals = getattr(self.model, "refusals", None)
        return pd.Series("", index=X.index, dtype=str) if refusals is None else refusals(X)

    def contributions(self, X: pd.DataFrame) -> tuple[float, pd.DataFrame]:
        """Return what each feature adds in the model inside: recalibration changes neither their order nor their sign.

        The column ``by`` adds the difference that its own function makes to the log-odds of the risk.
        """
        X, model = self._features(X), self._explainable()
        base, added = model.contributions(self._inner(X))
        if self.by is not None:
            added[self.by] = self._own_difference(X)
        return base, added[self.features_]

    def explained(self, X: pd.DataFrame) -> Floats:
        """Return what `contributions` add up to: the model's own, and the difference that the column ``by`` makes."""
        X, model = self._features(X), self._explainable()
        own = self._own_difference(X) if self.by is not None else 0.0
        return np.asarray(model.explained(self._inner(X)) + own, dtype=np.float64)

    def _explainable(self) -> Learned:
        if not isinstance(self.model_, Learned):
            raise TypeError(f"{self.name}: no exact contributions for a {type(self.model_).__name__}")
        return self.model_

    def _own_difference(self, X: pd.DataFrame) -> Floats:
        risk = self.model_.risk(self._inner(X), self.horizon_)
        return logit(self._recalibrated(X, risk)) - logit(self.overall_(risk))

    def _recalibrated(self, X: pd.DataFrame, risk: Floats) -> Floats:
        after = self.overall_(risk)
        for value, rows in self._groups(X).items():
            if value in self.own_:
                after[rows] = self.own_[value](risk[rows])
        return after

    def _groups(self, X: pd.DataFrame) -> dict[str, npt.NDArray[np.intp]]:
        """Return the rows of each value of the column ``by``, missing ones left out."""
        if self.by is None:
            return {}
        positions = pd.Series(np.arange(len(X)))
        grouped = positions.groupby(X[self.by].astype(object).to_numpy(), sort=True)
        return {str(value): np.asarray(rows, dtype=np.intp) for value, rows in grouped.indices.items()}

    def _inner(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return what the model inside sees."""
        if self.by is None:
            return X
        if self.by not in X.columns:
            raise ValueError(f"{self.name}: there is no column {self.by!r} to recalibrate by")
        return X.drop(columns=self.by)


def _least(outcome: OutcomeAtHorizon) -> int:
    """Return how many are known to have had the event, or not to, whichever are fewer; 0 where nothing is known."""
    return min(int((outcome.event > 0).sum()), int((outcome.event_free > 0).sum()))


def _parts(of: Floats, whole: Floats) -> Floats:
    """Return each row's shares of its whole, nought where the whole is."""
    whole = np.broadcast_to(whole[:, None], of.shape)
    return np.asarray(np.divide(of, whole, out=np.zeros(of.shape), where=whole > 0), dtype=np.float64)

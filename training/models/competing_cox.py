"""Cox's model, one for each cause, combined to cumulative incidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from features.outcome import COMPETING, EVENT, FollowUp
from training.models.base import Floats, Learned
from training.models.nested import by_feature
from training.models.preparation import preparation
from training.models.product import aalen_johansen_product
from training.values import Bilingual

TITLE: Final = Bilingual(fr="Modèles de Cox par cause", en="Cause-specific Cox models")


class CompetingCox(Learned):
    """Cause-specific proportional hazards, each ridge-penalised, combined to the cumulative incidence of both causes.

    For each cause the other censors; censoring may depend on the features. Missing values are imputed by the training
    median with an indicator and numbers scaled, in training and in use by the same fitted preparation. Of the baseline
    hazard only its growth over ``STEPS`` equal intervals is kept, so that no one's date of event is.

    Parameters
    ----------
    penalty
        Of the sum of squared coefficients of scaled features, halved, against the log-likelihood's sum.
    name, title
        Identifier within a study, and what a reader sees.

    References
    ----------
    Putter et al. 2007, doi:10.1002/sim.2712. Coefficients are those of scikit-survival, ties by Efron's method, the
    baseline by Breslow's.
    """

    STEPS: ClassVar = 40

    def __init__(
        self,
        *,
        penalty: float = 1.0,
        name: str = "competing_cox",
        title: Bilingual = TITLE,
        reads: Iterable[str] | None = None,
    ) -> None:
        self.penalty = penalty
        self.name = name
        self.title = title
        self.reads = None if reads is None else tuple(reads)

    def fit(self, X: pd.DataFrame, followup: FollowUp) -> Self:
        """Learn from features and follow-up; raise ValueError if nobody has the event."""
        if not (followup.cause == EVENT).any():
            raise ValueError(f"{self.name}: to learn, some landmarks must be followed by the event")
        X = self._begin(X, followup)
        self.bounds_ = np.linspace(0, self.horizon_, self.STEPS + 1)
        self.preparation_ = preparation().fit(X)
        columns = np.asarray(self.preparation_.transform(X))
        self.event_, self.competing_ = (
            CauseSpecificHazard.of(columns, followup.cause == cause, followup.duration, self.bounds_, self.penalty)
            for cause in (EVENT, COMPETING)
        )
        return self

    def incidence(self, X: pd.DataFrame, times: Sequence[float]) -> Floats:
        """Return the probability of each state at each time; see `RiskModel.incidence`.

        Raises
        ------
        ValueError
            If a feature is absent, or a time is not within the horizon the model was fitted for.
        """
        X, within = self._features(X), self._times(times)
        columns = np.asarray(self.preparation_.transform(X))
        ratios = [np.exp(columns @ cause.coefficients) for cause in (self.event_, self.competing_)]
        grown = [np.diff(cause.cumulative) for cause in (self.event_, self.competing_)]

        def hazards(interval: int) -> tuple[Floats, Floats]:
            event, competing = (ratio * growth[interval] for ratio, growth in zip(ratios, grown, strict=True))
            total = event + competing
            leaving = np.divide(-np.expm1(-total), total, out=np.ones(len(X)), where=total > 0)
            return leaving * event, leaving * competing

        return aalen_johansen_product(hazards, self.bounds_, within, len(X))

    def contributions(self, X: pd.DataFrame) -> tuple[float, pd.DataFrame]:
        """Return what each feature adds to the logarithm of the event's hazard ratio to the training mean."""
        X = self._features(X)
        columns = np.asarray(self.preparation_.transform(X))
        names = list(self.preparation_.get_feature_names_out())
        return 0.0, by_feature(columns * self.event_.coefficients, names, X)

    def explained(self, X: pd.DataFrame) -> Floats:
        """Return the logarithm of the event's hazard ratio to the training mean, shape ``(n,)``."""
        columns = np.asarray(self.preparation_.transform(self._features(X)))
        return np.asarray(columns @ self.event_.coefficients, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class CauseSpecificHazard:
    """What Cox's model learned of one cause.

    Parameters
    ----------
    coefficients
        Logarithm of the hazard ratio of each prepared column.
    cumulative
        Baseline cumulative hazard at each bound of the intervals, from 0 on.
    """

    coefficients: Floats
    cumulative: Floats

    @classmethod
    def of(
        cls, columns: Floats, happened: npt.NDArray[np.bool_], duration: Floats, bounds: Floats, penalty: float
    ) -> CauseSpecificHazard:
        """Return the hazard of a cause; without any event it is nought."""
        from sksurv.linear_model import CoxPHSurvivalAnalysis  # a saved model answers without it
        from sksurv.util import Surv

        if not happened.any():
            return cls(np.zeros(columns.shape[1]), np.zeros(len(bounds)))
        # Threads add in an order of their own; a step that overflows is halved, and needs no warning.
        with threadpool_limits(1, user_api="blas"), np.errstate(over="ignore"):
            fitted = CoxPHSurvivalAnalysis(alpha=penalty, ties="efron").fit(
                columns, Surv.from_arrays(happened, duration)
            )
        curve = fitted.cum_baseline_hazard_
        cumulative = np.concatenate([[0.0], curve.y])[np.searchsorted(curve.x, bounds, side="right")]
        cumulative[0] = 0.0  # events on the landmark itself belong to the first interval
        return cls(np.asarray(fitted.coef_, dtype=np.float64), np.asarray(cumulative, dtype=np.float64))

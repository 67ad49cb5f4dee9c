"""Any classifier, made to estimate cause-specific hazards in discrete time."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.outcome import CENSORED, FollowUp
from training.models.base import Floats
from training.models.nested import Nested, log_odds
from training.models.product import aalen_johansen_product
from training.survival import censoring_weights
from training.values import Bilingual

#: Column that tells the classifier when an interval begins, in years since the landmark.
SINCE: Final = "years_since_landmark"


class StackedHazard(Nested):
    """Any scikit-learn classifier, made to estimate the hazards of event and competing event, interval by interval.

    Follow-up is cut into intervals of equal length, and a row made of each person in each interval they entered free of
    both events (a person-period). Two nested classifiers, which also read when the interval begins, give the
    probability of the event in it and, among those without, of the competing event; incidence is their
    Aalen–Johansen product. Effects may therefore change over time, and whoever leaves still teaches until then.

    Who leaves *within* an interval is represented by those who stay: the others of that interval are weighted by the
    inverse of the probability of having stayed. Without features, incidence at the end of every interval is therefore
    the Aalen–Johansen estimate itself, however few the intervals. With one interval this is `CensoringWeighted`.

    Parameters
    ----------
    estimator, name, title, competing, reads
        See `training.models.nested.Nested`. The column ``years_since_landmark`` comes last: an estimator that should
        not take its effect as a straight line must encode it.
    intervals
        Into how many follow-up is cut.
    person_periods
        Most rows that classifiers learn from. Beyond, all with an event of either kind are kept, and of the others a
        random share, weighted up by its inverse (but never less than a tenth). Memory is 8 bytes a feature and row,
        and 19 bytes a person and interval.
    seed
        Decides who is in that share.

    Notes
    -----
    A declared direction holds for the *hazard* of the event in every interval. It then holds for incidence too, unless
    the same feature raises the competing hazard so much that fewer live to have the event: which is what happens to
    people, and why it is not forbidden here.

    References
    ----------
    Person-period stacking: Singer and Willett 1993, doi:10.3102/10769986018002155; with competing events, Tutz and
    Schmid 2016, doi:10.1007/978-3-319-28158-2, chapter 8. Sampling the others: King and Zeng 2001,
    doi:10.1093/oxfordjournals.pan.a004868.
    """

    LEAST_SHARE: ClassVar = 0.1

    def __init__(
        self,
        estimator: Any,
        *,
        name: str,
        title: Bilingual,
        competing: Any | None = None,
        reads: Iterable[str] | None = None,
        intervals: int = 10,
        person_periods: int = 1_000_000,
        seed: int = 0,
    ) -> None:
        if intervals < 1 or person_periods < 1:
            raise ValueError(
                f"{name}: {intervals} intervals and {person_periods} person-periods: give at least 1 of each"
            )
        super().__init__(estimator, name=name, title=title, competing=competing, reads=reads)
        self.intervals = intervals
        self.person_periods = person_periods
        self.seed = seed

    def fit(self, X: pd.DataFrame, followup: FollowUp) -> Self:
        """Learn from features and follow-up.

        Raises
        ------
        ValueError
            If there are no events or nothing else, nobody is followed to the end of an interval that somebody entered,
            or a feature has the name of the time column.
        """
        if SINCE in X.columns:
            raise ValueError(f"{self.name}: a feature is called {SINCE!r}, which is the time's name: rename it")
        X = self._begin(X, followup)
        self.bounds_ = np.linspace(0, self.horizon_, self.intervals + 1)
        stack = PersonPeriods.of(followup, self.bounds_, self.name)
        stack = stack.thinned(self.person_periods, self.LEAST_SHARE, self.seed)
        self._learn(self._at(X.iloc[stack.row], self.bounds_[stack.interval]), stack.cause, stack.weight)
        return self

    def incidence(self, X: pd.DataFrame, times: Sequence[float]) -> Floats:
        """Return the probability of each state at each time; see `RiskModel.incidence`.

        Raises
        ------
        ValueError
            If a feature is absent, or a time is not within the horizon the model was fitted for.
        """
        X, within = self._features(X), self._times(times)
        return aalen_johansen_product(
            lambda j: self._shares(self._at(X, self.bounds_[j])), self.bounds_, within, len(X)
        )

    def contributions(self, X: pd.DataFrame) -> tuple[float, pd.DataFrame]:
        """Return what each feature adds to the log-odds of the event in the first interval.

        In every other interval it is the same, or there would be no one answer.

        Raises
        ------
        TypeError
            If the classifier has no exact contributions, or effects change over time.
        """
        X = self._features(X)
        base, added = self._added(self._at(X, self.bounds_[0]))
        _, later = self._added(self._at(X, self.bounds_[-2]))
        time = added.pop(SINCE)
        if not (np.allclose(added, later[self.features_], rtol=0, atol=1e-9) and np.ptp(time) < 1e-9):
            raise TypeError(f"{self.name}: effects change over time, so that no one contribution is exact")
        return base + float(time.iloc[0]), added.set_axis(X.index)

    def explained(self, X: pd.DataFrame) -> Floats:
        """Return the log-odds of the event in the first interval, shape ``(n,)``."""
        return log_odds(self._shares(self.at_first(X))[0])

    def at_first(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return what the classifiers read of people in the first interval: features and, last, its beginning."""
        return self._at(self._features(X), self.bounds_[0])

    @staticmethod
    def _at(X: pd.DataFrame, since: float | Floats) -> pd.DataFrame:
        """Return features and, last, when the interval begins."""
        return X.reset_index(drop=True).assign(**{SINCE: since})


@dataclass(frozen=True, eq=False)
class PersonPeriods:
    """Who entered which interval, and what happened to them in it; each array has a number a person-period.

    Parameters
    ----------
    row, interval
        Positions of the person and of the interval.
    cause
        What happened in it.
    weight
        For how many they stand.
    """

    row: npt.NDArray[np.int64]
    interval: npt.NDArray[np.int16]
    cause: npt.NDArray[np.int8]
    weight: Floats

    @classmethod
    def of(cls, followup: FollowUp, bounds: Floats, name: str) -> PersonPeriods:
        """Return all person-periods whose outcome is known; an event at a bound belongs to the interval it closes."""
        periods = []
        for interval, (start, end) in enumerate(itertools.pairwise(bounds)):
            entered = np.flatnonzero((followup.duration > start) | (interval == 0))
            if not len(entered):
                break
            weight = censoring_weights(followup[entered], float(end))
            if np.isnan(weight).any():
                raise ValueError(
                    f"{name}: the last of those followed left between {start:g} and {end:g} years after the landmark, "
                    "so nothing can be learned about the end of that interval: choose a shorter horizon"
                )
            known = weight > 0
            row = entered[known]
            cause = np.where(followup.duration[row] <= end, followup.cause[row], CENSORED).astype(np.int8)
            periods.append((row, np.full(len(row), interval, dtype=np.int16), cause, weight[known]))
        return cls(*map(np.concatenate, zip(*periods, strict=True)))

    def thinned(self, most: int, least_share: float, seed: int) -> PersonPeriods:
        """Return all person-periods with an event and a random share of the others, weighted by its inverse."""
        if len(self.cause) <= most:
            return self
        free, others = np.flatnonzero(self.cause == CENSORED), np.flatnonzero(self.cause != CENSORED)
        size = max(most - len(others), round(least_share * len(free)))
        kept = np.concatenate([others, np.random.default_rng(seed).choice(free, size, replace=False)])
        kept.sort()
        weight = np.where(self.cause[kept] == CENSORED, len(free) / size, 1.0) * self.weight[kept]
        return PersonPeriods(self.row[kept], self.interval[kept], self.cause[kept], weight)

"""Measures of a predicted risk against what happened, each with its interval, number of people and events.

A measure is one decorated function of ``(risk, outcome, weights)``::

    @measure("brier", "Score de Brier", "Brier score", better="lower")
    def brier(risk, outcome, weights):
        return (outcome.event @ (1 - risk) ** 2 + outcome.event_free @ risk**2) / weights.sum()

and with ``at_threshold=True`` a function of ``(risk, outcome, weights, threshold)``. That is all: it is then
in every report, audit and card. ``weights`` are frequencies; ``outcome`` has already dealt with censoring and
competing death, so a measure is written as if everybody had been followed to the horizon. A measure that has
no value returns NaN.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from scipy import special
from threadpoolctl import threadpool_limits

from features.outcome import EVENT, FollowUp
from features.privacy import SMALLEST_COUNT, shown
from training.survival import Floats, Timeline, close, known_weights
from training.tree import to_tree

Better = Literal["higher", "lower", "target"] | None
Function = TypeVar("Function", bound=Callable[..., float])

CONFIDENCE: Final = 0.95
FAILED_REPLICATES: Final = 0.05
"""Share of bootstrap replicates that may have no value before the interval has none."""


# --- What happened by the horizon -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class OutcomeAtHorizon:
    """What is known at the horizon, weighted so that those followed speak for those lost.

    Parameters
    ----------
    followup
        Follow-up closed at the horizon, ``n`` rows.
    event
        Frequency × inverse probability of censoring where the event was seen by the horizon, 0 elsewhere,
        ``(n,)``.
    event_free
        The same where the row is known not to have had the event by the horizon, death from another cause
        included.

    Notes
    -----
    ``event`` and ``event_free`` together sum to the sum of the frequencies; both are NaN when nobody was
    followed to the horizon, so that no measure can be given.
    """

    followup: FollowUp
    event: Floats
    event_free: Floats

    @classmethod
    def of(cls, followup: FollowUp, horizon: float, weights: Floats | None = None) -> Self:
        """Return the outcome of ``followup`` at ``horizon`` years, under frequency ``weights``."""
        closed = close(followup, horizon)
        return cls.closed(closed, Timeline(closed), np.ones(len(closed)) if weights is None else weights)

    @classmethod
    def closed(cls, followup: FollowUp, timeline: Timeline, weights: Floats) -> Self:
        """Return the outcome of follow-up already closed and sorted."""
        known = weights * known_weights(followup, timeline, weights)
        had_event = followup.cause == EVENT
        event = np.where(had_event, known, 0.0 * known)
        return cls(followup, event, known - event)


# --- Registry ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measure:
    """A registered measure.

    Parameters
    ----------
    name
        Key in reports, such as ``"auc"``.
    label_fr, label_en
        What a reader sees.
    better
        Whether higher or lower is better, or the nearer to ``target``; None for a plain description.
    target
        Ideal value, when there is one.
    at_threshold
        Whether it is computed at each decision threshold.
    needs_outcome
        Whether it depends on what happened, so that few events make it worthless.
    function
        What computes it.
    """

    name: str
    label_fr: str
    label_en: str
    better: Better
    target: float | None
    at_threshold: bool
    needs_outcome: bool
    function: Callable[..., float]


MEASURES: Final[dict[str, Measure]] = {}
"""Every registered measure by name, in the order of registration."""


def measure(
    name: str,
    label_fr: str,
    label_en: str,
    target: float | None = None,
    better: Better = "higher",
    *,
    at_threshold: bool = False,
    needs_outcome: bool = True,
) -> Callable[[Function], Function]:
    """Register a function as a measure.

    Parameters
    ----------
    name, label_fr, label_en, target, better, at_threshold, needs_outcome
        See `Measure`.

    Raises
    ------
    ValueError
        If the name is taken, or ``better="target"`` comes without a target.
    """
    if name in MEASURES:
        raise ValueError(f"a measure is already called {name!r}: choose another name")
    if better == "target" and target is None:
        raise ValueError(f"measure {name!r} is better near its target, but has none: give target=")

    def register(function: Function) -> Function:
        MEASURES[name] = Measure(name, label_fr, label_en, better, target, at_threshold, needs_outcome, function)
        return function

    return register


# --- The measures -----------------------------------------------------------------------------------------


@measure("auc", "Discrimination (AUC à l’horizon)", "Discrimination (AUC at the horizon)", target=1.0)
def auc(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> float:
    """Return the probability that a case was given a higher risk than a control; a tie counts half.

    Cases had the event by the horizon, controls are all others, deaths from another cause included:
    definition 2 of Blanche, Dartigues and Jacqmin-Gadda (2013, doi:10.1002/sim.5958). O(n log n), and O(n)
    when rows are sorted.
    """
    order = np.argsort(risk, kind="stable")
    starts = np.flatnonzero(np.diff(risk[order], prepend=-np.inf))
    cases, controls = (np.add.reduceat(group[order], starts) for group in (outcome.event, outcome.event_free))
    below = np.cumsum(controls) - controls / 2
    return float(cases @ below / (cases.sum() * controls.sum()))


@measure("observed", "Risque observé", "Observed risk", better=None)
def observed(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> float:
    """Return the Aalen–Johansen risk at the horizon, which is the weighted mean of known events.

    The identity is that of Satten and Datta (2001, doi:10.1198/000313001317098185).
    """
    return float(outcome.event.sum() / weights.sum())


@measure(
    "predicted",
    "Risque moyen prédit",
    "Mean predicted risk",
    better=None,
    needs_outcome=False,
)
def predicted(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> float:
    """Return the mean predicted risk of everybody, the censored included."""
    return float(weights @ risk / weights.sum())


@measure(
    "observed_expected",
    "Rapport observé / prédit",
    "Observed / expected ratio",
    better="target",
    target=1.0,
)
def observed_expected(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> float:
    """Return the Aalen–Johansen risk over the mean predicted risk.

    Van Geloven et al. (2022, doi:10.1136/bmj-2021-069249).
    """
    return observed(risk, outcome, weights) / predicted(risk, outcome, weights)


@measure(
    "calibration_intercept",
    "Calibration : ordonnée à l’origine",
    "Calibration intercept",
    better="target",
    target=0.0,
)
def calibration_intercept(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> float:
    """Return the intercept of a weighted logistic regression with logit(risk) as offset.

    0 is calibrated on average, above 0 is risk predicted too low. Van Calster et al. (2016,
    doi:10.1016/j.jclinepi.2015.12.005), each row weighted by the inverse probability of censoring.
    """
    offset = logit(risk)
    return float(_logistic(np.ones((1, len(risk))), offset, outcome)[0])


@measure("calibration_slope", "Pente de calibration", "Calibration slope", better="target", target=1.0)
def calibration_slope(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> float:
    """Return the slope of a weighted logistic regression on logit(risk).

    Below 1, predictions are too extreme (overfitting). Same source as `calibration_intercept`.
    """
    score = logit(risk)
    return 1.0 + float(_logistic(np.stack([np.ones(len(risk)), score]), score, outcome)[1])


@dataclass(frozen=True, eq=False)
class CalibrationSpline:
    """Observed risk as a smooth function of predicted risk.

    Parameters
    ----------
    knots
        On the logit scale, increasing; with fewer than three the curve is a straight line there.
    coefficients
        What is added to the logit: constant, slope, then one a spline term.

    Notes
    -----
    A logistic regression of the event by the horizon on a restricted cubic spline of logit(risk), with knots
    where Harrell puts four (5th, 35th, 65th and 95th percentile of risk; Regression Modeling Strategies, 2nd
    edition, 2015, section 2.4.6), each row weighted by the inverse probability that its status at the horizon
    is known. So weighted, the event probability is the cumulative incidence among competing events. Austin,
    Harrell and van Klaveren (2020, doi:10.1002/sim.8570) and, among competing events, Austin et al. (2022,
    doi:10.1186/s41512-021-00114-6) draw the same curve, but deal with censoring by a model of the hazard, or of
    the subdistribution hazard, given the predicted risk; here weights do, as in every other measure.
    """

    knots: Floats
    coefficients: Floats

    @classmethod
    def fit(cls, risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Self | None:
        """Return the curve, or None when there is none: no events, nothing but events, or too few rows."""
        score = logit(risk)
        knots = np.unique(logit(quantiles(risk, weights, (0.05, 0.35, 0.65, 0.95))))
        present = risk[weights > 0]
        columns = _spline(score, knots) if present.min() < present.max() else np.ones((1, len(risk)))
        coefficients = _logistic(columns, score, outcome)
        return cls(knots, coefficients) if np.isfinite(coefficients).all() else None

    def __call__(self, risk: Floats) -> Floats:
        """Return the observed risk of people predicted each of these risks, same shape."""
        score = logit(risk)
        columns = _spline(score, self.knots)[: len(self.coefficients)]
        return np.asarray(special.expit(score + self.coefficients @ columns), dtype=np.float64)


def _spline(score: Floats, knots: Floats) -> Floats:
    """Return the columns of a restricted cubic spline: constant, line, one a knot but two, straight outside."""
    middle, spread = (knots[0] + knots[-1]) / 2, max(knots[-1] - knots[0], 1.0)
    x, at = (score - middle) / spread, (knots - middle) / spread
    terms = [np.ones_like(x), x]
    if len(at) > 2:
        last, before = (np.maximum(x - knot, 0) ** 3 for knot in (at[-1], at[-2]))
        gap = at[-1] - at[-2]
        terms += [
            np.maximum(x - knot, 0) ** 3 - before * (at[-1] - knot) / gap + last * (at[-2] - knot) / gap
            for knot in at[:-2]
        ]
    return np.stack(terms)


def quantiles(values: Floats, weights: Floats, shares: Sequence[float]) -> Floats:
    """Return, for each share, the smallest value that at least that share of people do not exceed."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    wanted = np.asarray(shares) * reached[-1]
    return np.asarray(values[order[np.searchsorted(reached, wanted * (1 - 1e-12))]], dtype=np.float64)


_DISTANCES: Final[WeakKeyDictionary[OutcomeAtHorizon, tuple[Floats, Floats, Floats]]] = WeakKeyDictionary()


def _calibration_distances(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
    """Return the mean, median and 90th percentile of |risk − observed|, fitted once for the three measures."""
    found = _DISTANCES.get(outcome)
    if found is None or found[0] is not risk or found[1] is not weights:
        curve = CalibrationSpline.fit(risk, outcome, weights)
        summary = np.full(3, np.nan)
        if curve is not None:
            distance = np.abs(risk - curve(risk))
            summary[0] = weights @ distance / weights.sum()
            summary[1:] = quantiles(distance, weights, (0.5, 0.9))
        found = _DISTANCES[outcome] = risk, weights, summary
    return found[2]


@measure("ici", "Écart moyen de calibration (ICI)", "Integrated calibration index (ICI)", better="lower", target=0.0)
def ici(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> float:
    """Return the mean distance between predicted risk and the smooth curve of observed risk.

    Austin and Steyerberg (2019, doi:10.1002/sim.8281), on the curve of `CalibrationSpline`. Never below 0, so
    chance alone makes it positive, and more so in replicates: its interval leans upwards, and with few events it is
    to be read next to the curve.
    """
    return float(_calibration_distances(risk, outcome, weights)[0])


@measure("e50", "Écart médian de calibration (E50)", "Median calibration error (E50)", better="lower", target=0.0)
def e50(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> float:
    """Return the median of the distances that `ici` averages."""
    return float(_calibration_distances(risk, outcome, weights)[1])


@measure(
    "e90",
    "90e centile de l’écart de calibration (E90)",
    "90th percentile of calibration error (E90)",
    better="lower",
    target=0.0,
)
def e90(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> float:
    """Return the 90th percentile of the distances that `ici` averages."""
    return float(_calibration_distances(risk, outcome, weights)[2])


@measure("brier", "Score de Brier", "Brier score", better="lower", target=0.0)
def brier(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> float:
    """Return the mean squared error at the horizon.

    Gerds and Schumacher (2006, doi:10.1002/bimj.200610301).
    """
    return float((outcome.event @ (1 - risk) ** 2 + outcome.event_free @ risk**2) / weights.sum())


@measure("ipa", "Indice d’exactitude (IPA)", "Index of prediction accuracy (IPA)", target=1.0)
def ipa(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> float:
    """Return 1 − Brier / Brier of giving everybody the Aalen–Johansen risk.

    Kattan and Gerds (2018, doi:10.1186/s41512-018-0029-2).
    """
    total = weights.sum()
    average, remainder = outcome.event.sum() / total, outcome.event_free.sum() / total
    return float(1.0 - brier(risk, outcome, weights) / (average * remainder))


@measure("net_benefit", "Bénéfice net", "Net benefit", at_threshold=True)
def net_benefit(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats, threshold: float) -> float:
    """Return true positives − false positives × odds of the threshold, per person.

    Vickers and Elkin (2006, doi:10.1177/0272989X06295361); with censoring and competing death as in Vickers
    et al. (2008, doi:10.1186/1472-6947-8-53). Somebody whose risk equals the threshold is flagged.
    """
    flag = risk >= threshold
    harm = threshold / (1 - threshold)
    return float((outcome.event @ flag - harm * (outcome.event_free @ flag)) / weights.sum())


@measure(
    "net_benefit_all",
    "Bénéfice net si tous traités",
    "Net benefit of treating all",
    at_threshold=True,
)
def net_benefit_all(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats, threshold: float) -> float:
    """Return the net benefit of flagging everybody: observed − (1 − observed) × odds of the threshold."""
    return net_benefit(np.ones_like(risk), outcome, weights, threshold)


@measure(
    "flagged",
    "Part des personnes signalées",
    "Proportion flagged",
    better=None,
    at_threshold=True,
    needs_outcome=False,
)
def flagged(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats, threshold: float) -> float:
    """Return the proportion of people at or above the threshold."""
    return float(weights @ (risk >= threshold) / weights.sum())


@measure("sensitivity", "Sensibilité", "Sensitivity", target=1.0, at_threshold=True)
def sensitivity(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats, threshold: float) -> float:
    """Return the proportion flagged among those who have the event by the horizon."""
    return float(outcome.event @ (risk >= threshold) / outcome.event.sum())


@measure("specificity", "Spécificité", "Specificity", target=1.0, at_threshold=True)
def specificity(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats, threshold: float) -> float:
    """Return the proportion not flagged among those who do not have the event by the horizon."""
    return float(outcome.event_free @ (risk < threshold) / outcome.event_free.sum())


@measure("ppv", "Valeur prédictive positive", "Positive predictive value", target=1.0, at_threshold=True)
def ppv(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats, threshold: float) -> float:
    """Return the risk observed among the flagged; NaN when nobody is."""
    flag = risk >= threshold
    true, false = outcome.event @ flag, outcome.event_free @ flag
    return float(true / (true + false))


def logit(risk: Floats) -> Floats:
    """Return log(risk / (1 − risk)), with risks kept within 1e-9 of 0 and 1 so that it is finite."""
    kept = np.clip(risk, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(kept / (1 - kept)), dtype=np.float64)


def _logistic(columns: Floats, offset: Floats, outcome: OutcomeAtHorizon) -> Floats:
    """Return the coefficients of a weighted logistic regression, NaN when they do not exist.

    Newton's method in which no linear predictor moves by more than 1 at a step: the likelihood then rises at
    every step (self-concordance, Bach 2010, doi:10.1214/09-EJS521), so there is nothing to tune.
    """
    counted = outcome.event + outcome.event_free
    rows = counted > 0
    columns, offset, counted, event = columns[:, rows], offset[rows], counted[rows], outcome.event[rows]
    coefficients: Floats = np.zeros(len(columns))
    if not 0 < event.sum() < counted.sum():
        return np.full_like(coefficients, np.nan)
    shift = np.zeros_like(offset)
    for _ in range(100):
        probability = 1 / (1 + np.exp(-(offset + shift)))
        gradient = columns @ (event - counted * probability)
        information = (columns * (counted * probability * (1 - probability))) @ columns.T
        if not np.linalg.cond(information) < 1e12:
            break
        step = np.asarray(np.linalg.solve(information, gradient), dtype=np.float64)
        move = step @ columns
        largest = np.abs(move).max()
        step, move = step / max(largest, 1.0), move / max(largest, 1.0)
        coefficients, shift = coefficients + step, shift + move
        if largest < 1e-9:
            return coefficients
    return np.full_like(coefficients, np.nan)


# --- Resampling practices ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Resampling:
    """How many times each cluster (practice) is drawn in each bootstrap replicate.

    Parameters
    ----------
    cluster
        Position of each row's cluster, shape ``(n,)``.
    counts
        Times each cluster is drawn, shape ``(replicates, clusters)``.

    Notes
    -----
    Whole practices are drawn with replacement (Field and Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x). A
    drawn practice weighs as often as it was drawn; the censoring distribution is estimated anew in each
    replicate. With few practices (under about 20) such intervals are too narrow; with one there is none.
    """

    cluster: npt.NDArray[np.intp]
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, clusters: npt.ArrayLike, resamples: int, seed: int) -> Self:
        """Draw ``resamples`` replicates of the clusters, given one label a row."""
        labels, cluster = np.unique(np.asarray(clusters), return_inverse=True)
        many = len(labels)
        if many < 2:
            return cls(cluster, np.empty((0, many), dtype=np.int64))
        draws = np.random.default_rng(seed).multinomial(many, np.full(many, 1 / many), size=resamples)
        return cls(cluster, draws)

    def __getitem__(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Resampling:
        """Return the same draws for some rows."""
        cluster = self.cluster[rows]
        alone = len(cluster) == 0 or bool((cluster == cluster[0]).all())
        return Resampling(cluster, self.counts[:0] if alone else self.counts)

    def weights(self) -> Iterator[Floats]:
        """Yield the frequency weights of the rows in each replicate."""
        for draw in self.counts.astype(np.float64):
            yield draw[self.cluster]


Column = tuple[Measure, float | None]


def columns_of(measures: Sequence[str] | None, thresholds: Sequence[float]) -> list[Column]:
    """Return each measure wanted (all by default), once a threshold where it depends on one.

    Raises
    ------
    ValueError
        If a measure is unknown or a threshold is not strictly between 0 and 1; all faults at once.
    """
    names = list(MEASURES) if measures is None else list(measures)
    unknown = [name for name in names if name not in MEASURES]
    faults = [f"unknown measure {name!r}: known are {', '.join(MEASURES)}" for name in unknown]
    faults += [f"threshold {value!r} is not strictly between 0 and 1" for value in thresholds if not 0 < value < 1]
    if faults:
        raise ValueError("; ".join(faults))
    return [
        (MEASURES[name], threshold)
        for name in names
        for threshold in (thresholds if MEASURES[name].at_threshold else (None,))
    ]


def point_value(column: Column, risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> float:
    """Return the value of one measure, at its threshold when it has one; NaN when it divides by zero."""
    wanted, threshold = column
    extra = () if threshold is None else (threshold,)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        try:
            value = float(wanted.function(risk, outcome, weights, *extra))
        except ZeroDivisionError:
            return math.nan
    return value if math.isfinite(value) else math.nan


def replicate(
    risk: Floats, followup: FollowUp, horizon: float, columns: Sequence[Column], resampling: Resampling
) -> tuple[Floats, Floats]:
    """Compute measures on all rows, and in each bootstrap replicate.

    Returns
    -------
    values : ndarray of shape (len(columns),)
    replicates : ndarray of shape (replicates, len(columns))

    Notes
    -----
    Rows are put in one order first (risk, then time, cause and cluster): values do not depend on the order
    given, to the last bit, and ranks and survival curves need no sorting in a replicate.
    """

    def values(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
        return np.array([point_value(column, risk, outcome, weights) for column in columns])

    return replicate_vector(risk, followup, horizon, values, resampling)


def replicate_vector(
    risk: Floats,
    followup: FollowUp,
    horizon: float,
    function: Callable[[Floats, OutcomeAtHorizon, Floats], Floats],
    resampling: Resampling,
) -> tuple[Floats, Floats]:
    """Do what `replicate` does, for any function of risk, outcome and weights that returns ``(m,)`` values."""
    order = np.lexsort((resampling.cluster, followup.cause, followup.duration, risk))
    risk, resampling, closed = risk[order], resampling[order], close(followup[order], horizon)
    timeline = Timeline(closed)

    def values(weights: Floats) -> Floats:
        return function(risk, OutcomeAtHorizon.closed(closed, timeline, weights), weights)

    # On vectors this short threads gain nothing, wait for each other on a busy machine, and add up in another order.
    with threadpool_limits(1, user_api="blas"):
        point = values(np.ones(len(risk)))
        replicates = [values(w) if w.any() else np.full_like(point, np.nan) for w in resampling.weights()]
    return point, np.array(replicates, dtype=np.float64).reshape(len(replicates), len(point))


def interval(replicates: Floats) -> tuple[float, float]:
    """Return the percentile interval of one measure; NaN when more than 5 % of replicates have no value."""
    usable = replicates[np.isfinite(replicates)]
    if len(usable) == 0 or len(usable) < (1 - FAILED_REPLICATES) * len(replicates):
        return math.nan, math.nan
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(usable, [tail, 1 - tail])
    return float(low), float(high)


# --- Estimates --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Estimate:
    """A value, how sure it is, and what it rests on.

    Parameters
    ----------
    measure
        Name of the measure.
    value, low, high
        Value and 95 % interval; NaN when there is none.
    n, events
        Rows, and events seen among them by the horizon; None when too few to be shown.
    threshold
        Decision threshold, when the measure has one.
    """

    measure: str
    value: float
    low: float
    high: float
    n: int | None
    events: int | None
    threshold: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values: NaN becomes None."""
        return typing.cast("dict[str, Any]", to_tree(self))

    def suppressed(self, smallest: int) -> Self:
        """Return what may be shown when the smallest group of people behind the value counts ``smallest``.

        Counts under 11 are masked; so is a value from which such a count could be worked out.
        """
        masked = dataclasses.replace(self, n=shown(self.n), events=shown(self.events))
        if smallest >= SMALLEST_COUNT and masked.n is not None:
            return masked
        return dataclasses.replace(masked, value=math.nan, low=math.nan, high=math.nan)


def smallest_cell(risk: Floats, followup: FollowUp, horizon: float, column: Column, *, crossed: bool = True) -> int:
    """Return the number of people in the smallest group behind a measure.

    Everybody; with what happened, those seen to have the event and the others; at a threshold, the flagged
    and the others; with both, each of the four. Not ``crossed``, only the flagged and the others: enough for
    a net benefit given alone, from which true and false positives cannot be told apart.
    """
    wanted, threshold = column
    everybody = np.ones(len(risk), dtype=bool)
    had_event = close(followup, horizon).cause == EVENT
    outcomes = (had_event, ~had_event) if wanted.needs_outcome else (everybody,)
    if threshold is None:
        groups = [*outcomes]
    else:
        flags = (risk >= threshold, risk < threshold)
        groups = [one & other for one in outcomes for other in flags] if crossed else [*outcomes, *flags]
    return min(int(group.sum()) for group in groups)


def check(risk: Floats, followup: FollowUp, **aligned: npt.ArrayLike) -> Floats:
    """Return risks as floats once they can be measured.

    Raises
    ------
    ValueError
        If lengths differ, or a risk is NaN (a refusal) or outside 0 to 1; all faults at once.
    """
    values = np.asarray(risk, dtype=np.float64)
    faults = []
    if len(values) == 0:
        faults.append("there are no rows")
    lengths = {"followup": len(followup)} | {name: len(np.asarray(other)) for name, other in aligned.items()}
    faults += [
        f"{name} has {length} rows but risk has {len(values)}"
        for name, length in lengths.items()
        if length != len(values)
    ]
    refused = int(np.isnan(values).sum())
    if refused:
        faults.append(f"{refused} of {len(values)} risks are NaN: select the rows the model scored first")
    outside = int(((values < 0) | (values > 1)).sum())
    if outside:
        faults.append(f"{outside} of {len(values)} risks are outside 0 to 1")
    if faults:
        raise ValueError("; ".join(faults))
    return values


def estimate(
    risk: Floats,
    followup: FollowUp,
    horizon: float,
    clusters: npt.ArrayLike,
    thresholds: Sequence[float] = (),
    resamples: int = 200,
    seed: int = 0,
    measures: Sequence[str] | None = None,
) -> list[Estimate]:
    """Estimate measures with intervals from a bootstrap over practices.

    Parameters
    ----------
    risk
        Predicted probability of the event by the horizon, shape ``(n,)``, no NaN.
    followup
        Follow-up of the same rows.
    horizon
        Years.
    clusters
        Practice of each row, shape ``(n,)``.
    thresholds
        Decision thresholds, each strictly between 0 and 1.
    resamples, seed
        Bootstrap replicates, and what makes them reproducible.
    measures
        Names; every registered measure by default.

    Returns
    -------
    list of Estimate
        In the order of the measures, then of the thresholds.

    Raises
    ------
    ValueError
        If a risk is NaN or outside 0 to 1, lengths differ, or a measure, threshold or horizon is impossible.
    """
    values = check(risk, followup, clusters=clusters)
    columns = columns_of(measures, thresholds)
    resampling = Resampling.of(clusters, resamples, seed)
    point, replicates = replicate(values, followup, horizon, columns, resampling)
    return assemble(point, replicates, columns, followup, horizon)


def assemble(
    point: Floats, replicates: Floats, columns: Sequence[Column], followup: FollowUp, horizon: float
) -> list[Estimate]:
    """Return the estimates made of values and their replicates."""
    events = int((close(followup, horizon).cause == EVENT).sum())
    return [
        Estimate(wanted.name, float(value), *interval(draws), len(followup), events, threshold)
        for (wanted, threshold), value, draws in zip(columns, point, replicates.T, strict=True)
    ]


def difference(
    risk_a: Floats,
    risk_b: Floats,
    followup: FollowUp,
    horizon: float,
    clusters: npt.ArrayLike,
    thresholds: Sequence[float] = (),
    resamples: int = 200,
    seed: int = 0,
    measures: Sequence[str] | None = ("auc", "brier", "ipa", "net_benefit"),
) -> list[Estimate]:
    """Estimate each measure of model A minus that of model B, on the same rows and the same replicates.

    Parameters
    ----------
    risk_a, risk_b
        Predicted risks of the two models, shape ``(n,)`` each, no NaN.
    followup, horizon, clusters, thresholds, resamples, seed, measures
        As for `estimate`.

    Returns
    -------
    list of Estimate
        Differences, in the order of the measures, then of the thresholds.

    Raises
    ------
    ValueError
        As `estimate`.
    """
    columns = columns_of(measures, thresholds)
    resampling = Resampling.of(clusters, resamples, seed)
    a, b = (
        replicate(check(risk, followup, clusters=clusters), followup, horizon, columns, resampling)
        for risk in (risk_a, risk_b)
    )
    return assemble(a[0] - b[0], a[1] - b[1], columns, followup, horizon)

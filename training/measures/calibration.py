"""Observed risk as a function of predicted risk: the logistic regressions behind measures of calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self
from weakref import WeakKeyDictionary

import numpy as np
from scipy import special

from training.measures.outcome import OutcomeAtHorizon
from training.survival import Floats

#: Shares of people below each knot of a spline.
KNOTS: Final = (0.05, 0.35, 0.65, 0.95)
#: Condition number from which a regression counts as having no solution.
SINGULAR: Final = 1e12


def logit(risk: Floats) -> Floats:
    """Return log(risk / (1 − risk)), with risks kept within 1e-9 of 0 and 1 so that it is finite."""
    kept = np.clip(risk, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(kept / (1 - kept)), dtype=np.float64)


def logistic(columns: Floats, offset: Floats, outcome: OutcomeAtHorizon) -> Floats:
    """Return the coefficients of weighted logistic regressions, NaN when they do not exist.

    Parameters
    ----------
    columns
        Of ``p`` terms, shape ``(p, n)``; where each replicate has its own, ``(replicates, p, n)``.
    offset
        Shape ``(n,)``.
    outcome
        Of the same rows, once or in each replicate.

    Returns
    -------
    ndarray of shape (p,) or (replicates, p)

    Notes
    -----
    Newton's method in which no linear predictor moves by more than 1 at a step: the likelihood then rises at
    every step (self-concordance, Bach 2010, doi:10.1214/09-EJS521), so there is nothing to tune. All replicates take
    their steps together, each until it is where it should be.
    """
    event, counted = np.atleast_2d(outcome.event), np.atleast_2d(outcome.event + outcome.event_free)
    coefficients = np.full((len(event), columns.shape[-2]), np.nan)
    seen = event.sum(axis=-1)
    going = np.flatnonzero((seen > 0) & (seen < counted.sum(axis=-1)))
    own = columns.ndim > 2
    event, counted, columns = event[going], counted[going], columns[going] if own else columns
    current = np.zeros((len(going), columns.shape[-2]))
    predictor = np.tile(offset, (len(going), 1))
    for _ in range(100):
        if not len(going):
            break
        probability = special.expit(predictor)
        expected = counted * probability
        gradient = np.matmul(columns, (event - expected)[..., np.newaxis])[..., 0]
        weighted = columns * (expected * (1 - probability))[:, np.newaxis]
        information = np.matmul(weighted, columns.swapaxes(-1, -2))
        inverse = _inverses(information)  # of a few columns: as good as solving, and says how near to singular
        condition = np.abs(information).sum(axis=-1).max(axis=-1) * np.abs(inverse).sum(axis=-1).max(axis=-1)
        step = np.matmul(inverse, gradient[..., np.newaxis])
        move = np.matmul(step.swapaxes(-1, -2), columns)[:, 0]
        largest = np.abs(move).max(axis=-1)
        damped = np.maximum(largest, 1.0)[:, np.newaxis]
        current, predictor = current + step[..., 0] / damped, predictor + move / damped
        solvable = condition < SINGULAR
        done = solvable & (largest < 1e-9)
        coefficients[going[done]] = current[done]
        kept = solvable & ~done
        if not kept.all():
            going, current, predictor, event, counted = (
                each[kept] for each in (going, current, predictor, event, counted)
            )
            columns = columns[kept] if own else columns
    return coefficients.reshape(*outcome.event.shape[:-1], -1)


def _inverses(matrices: Floats) -> Floats:
    """Return the inverse of each matrix, NaN where there is none."""
    try:
        return np.asarray(np.linalg.inv(matrices), dtype=np.float64)
    except np.linalg.LinAlgError:
        if len(matrices) == 1:
            return np.full_like(matrices, np.nan)
    return np.concatenate([_inverses(matrices[each : each + 1]) for each in range(len(matrices))])


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
        knots = np.unique(logit(quantiles(risk, weights, KNOTS)))
        present = risk[weights > 0]
        columns = _spline(score, knots) if present.min() < present.max() else np.ones((1, len(risk)))
        coefficients = logistic(columns, score, outcome)
        return cls(knots, coefficients) if np.isfinite(coefficients).all() else None

    def __call__(self, risk: Floats) -> Floats:
        """Return the observed risk of people predicted each of these risks, same shape."""
        score = logit(risk)
        columns = _spline(score, self.knots)[: len(self.coefficients)]
        return np.asarray(special.expit(score + self.coefficients @ columns), dtype=np.float64)


def _spline(score: Floats, knots: Floats) -> Floats:
    """Return the columns of a restricted cubic spline: constant, line, one a knot but two, straight outside.

    Knots ``(..., knots)`` give columns ``(..., terms, n)``.
    """
    at = np.moveaxis(knots, -1, 0)[..., np.newaxis]
    middle, spread = (at[0] + at[-1]) / 2, np.maximum(at[-1] - at[0], 1.0)
    x, at = (score - middle) / spread, (at - middle) / spread
    terms = [np.ones_like(x), x]
    if len(at) > 2:
        last, before = (_cube(x - knot) for knot in (at[-1], at[-2]))
        gap = at[-1] - at[-2]
        terms += [
            _cube(x - knot) - before * ((at[-1] - knot) / gap) + last * ((at[-2] - knot) / gap) for knot in at[:-2]
        ]
    return np.stack(terms, axis=-2)


def _cube(values: Floats) -> Floats:
    """Return the cube of what is above 0: three times faster than a power."""
    above = np.maximum(values, 0)
    return np.asarray(above * above * above, dtype=np.float64)


def quantiles(values: Floats, weights: Floats, shares: Sequence[float]) -> Floats:
    """Return, for each share, the smallest value that at least that share of people do not exceed.

    Weights ``(..., n)``, and values as many or ``(n,)``, give ``(..., shares)``.
    """
    order = np.broadcast_to(np.argsort(values, kind="stable", axis=-1), weights.shape)
    reached = np.cumsum(np.take_along_axis(weights, order, axis=-1), axis=-1)
    wanted = [share * reached[..., -1:] * (1 - 1e-12) for share in shares]
    place = np.stack([(reached < each).sum(axis=-1) for each in wanted], axis=-1)
    place = np.take_along_axis(order, place, axis=-1)
    return np.asarray(np.take_along_axis(np.broadcast_to(values, weights.shape), place, axis=-1), dtype=np.float64)


_DISTANCES: Final[WeakKeyDictionary[OutcomeAtHorizon, tuple[Floats, Floats, Floats]]] = WeakKeyDictionary()


def calibration_distances(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
    """Return the mean, median and 90th percentile of |risk − observed|, fitted once for the three measures.

    Of one outcome three values, of several replicates three each.
    """
    found = _DISTANCES.get(outcome)
    if found is None or found[0] is not risk or found[1] is not weights:
        several = weights.ndim > 1
        summary = _of_replicates(risk, outcome, weights) if several else _of_one(risk, outcome, weights)
        found = _DISTANCES[outcome] = risk, weights, summary
    return found[2]


def _of_one(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
    curve = CalibrationSpline.fit(risk, outcome, weights)
    return np.full(3, np.nan) if curve is None else _summary(np.abs(risk - curve(risk)), weights)


def _of_replicates(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
    """Return the same of each replicate: all together, but for those in which knots coincide."""
    found, score = np.full((len(weights), 3), np.nan), logit(risk)
    knots = logit(quantiles(risk, weights, KNOTS))
    apart = (np.diff(knots) > 0).all(axis=-1)
    for row in np.flatnonzero(~apart):
        one = replace(outcome, event=outcome.event[row], event_free=outcome.event_free[row])
        found[row] = _of_one(risk, one, weights[row])
    if apart.any():
        columns = _spline(score, knots[apart])
        some = replace(outcome, event=outcome.event[apart], event_free=outcome.event_free[apart])
        coefficients = logistic(columns, score, some)
        observed = special.expit(score + np.matmul(coefficients[:, np.newaxis], columns)[:, 0])
        found[apart] = _summary(np.abs(risk - observed), weights[apart])
    return found


def _summary(distance: Floats, weights: Floats) -> Floats:
    mean = np.vecdot(weights, distance) / weights.sum(axis=-1)
    return np.concatenate([mean[..., np.newaxis], quantiles(distance, weights, (0.5, 0.9))], axis=-1)

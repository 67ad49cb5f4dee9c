"""Observed risk as a function of predicted risk: the logistic regressions behind measures of calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self
from weakref import WeakKeyDictionary

import numpy as np
from scipy import special

from training.measures.outcome import OutcomeAtHorizon
from training.survival import Floats

#: Condition number from which a regression counts as having no solution.
SINGULAR: Final = 1e12


def logit(risk: Floats) -> Floats:
    """Return log(risk / (1 − risk)), with risks kept within 1e-9 of 0 and 1 so that it is finite."""
    kept = np.clip(risk, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(kept / (1 - kept)), dtype=np.float64)


def logistic(columns: Floats, offset: Floats, outcome: OutcomeAtHorizon) -> Floats:
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
        try:
            inverse = np.linalg.inv(information)  # of a few columns: as good as solving, and says how near to singular
        except np.linalg.LinAlgError:
            break
        if not np.abs(information).sum(axis=1).max() * np.abs(inverse).sum(axis=1).max() < SINGULAR:
            break
        step = inverse @ gradient
        move = step @ columns
        largest = np.abs(move).max()
        step, move = step / max(largest, 1.0), move / max(largest, 1.0)
        coefficients, shift = coefficients + step, shift + move
        if largest < 1e-9:
            return coefficients
    return np.full_like(coefficients, np.nan)


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
        coefficients = logistic(columns, score, outcome)
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


def calibration_distances(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
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

"""Moments and exact cumulative incidence under hazards that are known and piecewise constant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from features.synthetic.assumptions import Floats
from features.synthetic.calendar import BOUNDS


def cumulative_incidence(causes: Sequence[Floats], bounds: Floats, since: float, until: float) -> list[Floats]:
    """Return each cause's probability of coming first, and before ``until``.

    A cause's share of what happens in a piece is its share of the hazard, times the chance that anything happens in it
    to those still free of all: exact for constant hazards.

    Parameters
    ----------
    causes
        Cause-specific hazards, each of shape ``(n, pieces)``: what accumulates over a whole piece.
    bounds
        Where the pieces begin and, last, end; increasing, shape ``(pieces + 1,)``.
    since, until
        Begin and end of the time at risk, in the unit of ``bounds``, and within them.

    Returns
    -------
    list of ndarray, shape (n,)
        In the order of ``causes``; with the probability of none they sum to one.
    """
    passed = np.clip((np.array([[since], [until]]) - bounds[:-1]) / np.diff(bounds), 0, 1)
    spent = passed[1] - passed[0]
    inside = np.flatnonzero(spent)
    window = slice(inside[0], inside[-1] + 1) if len(inside) else slice(0, 0)
    hazards = [cause[:, window] * spent[window] for cause in causes]
    either = np.sum(hazards, axis=0)
    first = np.exp(either - np.cumsum(either, axis=1)) * -np.expm1(-either)
    share = np.divide(first, either, out=np.zeros_like(first), where=either > 0)
    return [(share * hazard).sum(axis=1) for hazard in hazards]


def first_passage(threshold: Floats, hazard: Floats, since: Floats | None = None) -> Floats:
    """Return when the hazard accumulated from ``since`` (the first day, if None) passes a threshold.

    Parameters
    ----------
    threshold
        Shape ``(n,)``; standard exponential draws give moments that follow the hazard.
    hazard
        For each calendar year, held within it, shape ``(n, years)``.
    since
        Days since 1970, shape ``(n,)``.

    Returns
    -------
    ndarray, shape (n,)
        Days since 1970, infinite where the threshold is not passed before delivery.
    """
    total = np.cumsum(hazard, axis=1)
    if since is not None:
        threshold = threshold + accumulated(hazard, since)
    year = (total <= threshold[:, None]).sum(axis=1)
    passed = year < hazard.shape[1]
    year = np.minimum(year, hazard.shape[1] - 1)
    rows = np.arange(len(hazard))
    into = 1 - (total[rows, year] - threshold) / np.where(passed, hazard[rows, year], 1.0)
    moment = BOUNDS[year] + into * (BOUNDS[year + 1] - BOUNDS[year])
    return np.where(passed, moment, np.inf)


def accumulated(hazard: Floats, until: Floats) -> Floats:
    """Return the hazard accumulated from the first day until a moment of the calendar, shape ``(n,)``."""
    year = np.clip(np.searchsorted(BOUNDS, until, side="right") - 1, 0, hazard.shape[1] - 1)
    into = np.clip((until - BOUNDS[year]) / (BOUNDS[year + 1] - BOUNDS[year]), 0, 1)
    rows = np.arange(len(hazard))
    total: Floats = np.cumsum(hazard, axis=1)[rows, year] - (1 - into) * hazard[rows, year]
    return total

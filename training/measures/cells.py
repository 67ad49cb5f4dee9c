"""Rows alike put together, so that a bootstrap of a million rows handles a few thousand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse, special

from features.outcome import FollowUp
from training.measures.calibration import logit
from training.measures.outcome import OutcomeAtHorizon
from training.survival import Floats, Timeline

EXACT: Final = 4096
"""Rows up to which only identical rows share a cell."""


@dataclass(frozen=True)
class Grid:
    """How fine cells are above `EXACT` rows.

    Parameters
    ----------
    risks
        Cells of risk: as many of equal size, and as many of equal width on the logit scale.
    times
        Cells of time before the horizon.
    """

    risks: int
    times: int


FINE: Final = Grid(512, 64)
PAIRS: Final = Grid(96, 24)
"""For what compares pairs of cells, whose intervals it moves by less than another seed does."""
AT_ONCE: Final = 2**18
"""Weights held at once, of some replicates: what is computed of them then stays in a processor's cache."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Rows of about the same risk, time and cause, each counted once a cluster.

    Parameters
    ----------
    risk
        Mean risk of each cell of risk, increasing, shape ``(k,)``.
    followup
        One row a cell of risk, time and cause, in the order of risk, shape ``(m,)``; closed at the horizon.
    starts
        Position in ``followup`` of the first row of each cell of risk, shape ``(k,)``.
    counts
        Rows of each cell in each cluster, sparse, shape ``(m, clusters)``.
    exact
        Whether only identical rows share a cell.

    Notes
    -----
    Measures read frequency weights, and most do not read times once the outcome is weighted: a cell is then one row.
    Thresholds are edges of cells, so that nobody changes side.
    """

    risk: Floats
    followup: FollowUp
    starts: npt.NDArray[np.intp]
    counts: sparse.csr_matrix
    exact: bool

    @classmethod
    def of(
        cls,
        risk: Floats,
        closed: FollowUp,
        cluster: npt.NDArray[np.intp],
        clusters: int,
        thresholds: Sequence[float],
        grid: Grid,
    ) -> Self:
        """Return the cells of rows whose follow-up is closed at the horizon, in the order of their risk."""
        exact = len(risk) <= EXACT
        place = _places(risk, _risk_edges(risk, thresholds, grid.risks), exact)
        moment = _places(closed.duration, _time_edges(closed, grid.times), exact)
        key = (place * (moment.max() + 1) + moment) * 3 + closed.cause
        distinct, first, cell = np.unique(key, return_index=True, return_inverse=True)
        counts = sparse.csr_matrix((np.ones(len(cell)), (cell, cluster)), shape=(len(distinct), clusters))
        mean = np.bincount(place, weights=risk) / np.bincount(place)
        bounds = np.unique(place, return_index=True)[1]
        # Rounding must not carry a mean beyond the risks it is the mean of: a threshold may be one of them.
        mean = np.clip(mean, risk[bounds], risk[np.append(bounds[1:], len(risk)) - 1])
        return cls(mean, closed[first], np.unique(place[first], return_index=True)[1], counts, exact)

    def frequencies(self, draws: npt.NDArray[np.uint8]) -> Iterator[Floats]:
        """Yield the weights of the cells, ``(some, m)``, in some replicates after others, all of them in the end.

        ``draws`` are ``(replicates, clusters)``.
        """
        at_once = max(1, AT_ONCE // sum(self.counts.shape))
        for start in range(0, len(draws), at_once):
            block = draws[start : start + at_once].astype(np.float64).T
            yield np.ascontiguousarray((self.counts @ np.ascontiguousarray(block)).T)

    def everybody(self) -> Floats:
        """Return the number of rows of each cell, shape ``(m,)``."""
        return np.asarray(self.counts.sum(axis=1), dtype=np.float64).ravel()

    def over_times(self, outcome: OutcomeAtHorizon, weights: Floats) -> tuple[OutcomeAtHorizon, Floats]:
        """Return an outcome and weights of the cells added up over time and cause, shape ``(..., k)``."""
        event, event_free, weight = (
            np.add.reduceat(each, self.starts, axis=-1) for each in (outcome.event, outcome.event_free, weights)
        )
        return OutcomeAtHorizon(outcome.followup, event, event_free), weight

    def rows(self) -> Floats:
        """Return the risk of each cell of risk, time and cause, shape ``(m,)``."""
        return np.repeat(self.risk, np.diff(np.append(self.starts, len(self.followup))))

    def timeline(self) -> Timeline:
        """Return the follow-up of the cells on its distinct times."""
        return Timeline(self.followup)


def _places(values: Floats, edges: Floats, exact: bool) -> npt.NDArray[np.intp]:
    """Return the position of each value's cell among those that hold any; each value has its own when exact."""
    if not exact:
        values = np.searchsorted(edges, values, side="right").astype(np.float64)
    return np.unique(values, return_inverse=True)[1]


def _risk_edges(risk: Floats, thresholds: Sequence[float], many: int) -> Floats:
    alike = np.quantile(risk, np.arange(1, many) / many)
    low, high = logit(risk[[0, -1]])
    return np.unique(np.concatenate([alike, special.expit(np.linspace(low, high, many)), thresholds]))


def _time_edges(closed: FollowUp, many: int) -> Floats:
    """Return bounds of cells of time, the last one holding the horizon alone."""
    before = closed.duration[closed.duration < closed.horizon]
    inner = np.quantile(before, np.arange(1, many) / many) if len(before) else before
    return np.unique(np.append(inner, closed.horizon))

"""Who changes category when one model takes the place of another, those with the event and the others apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from features.outcome import CENSORED, EVENT, FollowUp
from features.privacy import SMALLEST_COUNT, mask
from training.measures import Estimate, OutcomeAtHorizon, Resampling, check, columns_of, interval, replicate_vector
from training.survival import Floats, close


@dataclass(frozen=True)
class Move:
    """People whom the comparator puts in one category of risk and the model in another, or the same.

    Parameters
    ----------
    before, after
        Category by the comparator and by the model: the number of thresholds at or under the risk.
    n
        Rows seen to be so; None when under 11, or when such a count could be had by subtraction.
    share
        Their share of all people with the event (or of all without), weighted for those lost, with its interval; NaN
        when the count is not shown.
    """

    before: int
    after: int
    n: int | None
    share: Estimate


@dataclass(frozen=True)
class Reclassification:
    """A reclassification table.

    Parameters
    ----------
    thresholds
        Bounds of the categories, increasing.
    with_event, without_event
        Every cell, for people who have the event by the horizon and for the others.
    net_with_event
        Share of people with the event whom the model moves up, less that whom it moves down: above 0 is better.
    net_without_event
        Share of the others whom it moves down, less that whom it moves up: above 0 is better.

    Notes
    -----
    Weighted as in every other measure (Steyerberg and Pencina 2010, doi:10.7326/0003-4819-152-3-201002020-00015, for
    survival data). The two nets are never added up. Their sum, the net reclassification improvement, counts a
    person with the event and one without as equal, whatever the thresholds say each is worth; it can be positive for
    a model that is merely miscalibrated, or for pure noise (Hilden and Gerds 2014, doi:10.1002/sim.5804; Kerr et al.
    2014, doi:10.1097/EDE.0000000000000018). The net benefit weighs both as the threshold does.
    """

    thresholds: tuple[float, ...]
    with_event: tuple[Move, ...]
    without_event: tuple[Move, ...]
    net_with_event: Estimate
    net_without_event: Estimate


def reclassification(
    risk: Floats,
    comparator: Floats,
    followup: FollowUp,
    horizon: float,
    clusters: npt.ArrayLike,
    thresholds: Sequence[float],
    resamples: int = 200,
    seed: int = 0,
) -> Reclassification:
    """Cross the categories of two models on the same rows.

    Parameters
    ----------
    risk, comparator
        Predicted risks of the model and of the one it would replace, shape ``(n,)``, no NaN.
    followup, horizon, clusters, resamples, seed
        As for `training.measures.estimate`.
    thresholds
        Bounds of the categories; somebody at a threshold is above it.

    Raises
    ------
    ValueError
        As `training.measures.estimate`.
    """
    columns_of((), thresholds)
    bounds = tuple(sorted(thresholds))
    many = len(bounds) + 1
    before, after = (
        np.searchsorted(bounds, check(values, followup, clusters=clusters), side="right")
        for values in (comparator, risk)
    )
    cell = before * many + after
    up, down = (np.triu(np.ones((many, many)), 1).ravel(), np.tril(np.ones((many, many)), -1).ravel())

    def shares(code: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
        cells = np.rint(code * many**2 - 0.5).astype(np.intp)
        found = []
        with np.errstate(divide="ignore", invalid="ignore"):
            for group, sign in ((outcome.event, 1), (outcome.event_free, -1)):
                part = np.bincount(cells, weights=group, minlength=many**2) / group.sum()
                found.append(np.append(part, sign * (part @ (up - down))))
        return np.concatenate(found)

    # Cells are given as if they were risks: rows of one cell are then alike, and few.
    code = (cell + 0.5) / many**2
    resampling = Resampling.of(clusters, resamples, seed)
    point, replicates = replicate_vector(code, followup, horizon, shares, resampling)
    closed = close(followup, horizon)
    had_event = closed.cause == EVENT
    known_free = ~had_event & ((closed.cause != CENSORED) | (closed.duration >= horizon))
    total = len(closed), int(had_event.sum())

    def estimate(position: int, name: str, *, visible: bool) -> Estimate:
        values = (float(point[position]), *interval(replicates[:, position], resampling.clusters))
        return Estimate(name, *(values if visible else (math.nan,) * 3), *total).suppressed(min(total))

    def moves(
        rows: npt.NDArray[np.bool_], start: int, name: Literal["with_event", "without_event"]
    ) -> tuple[Move, ...]:
        counts = mask(np.bincount(cell[rows], minlength=many**2).tolist())
        return tuple(
            Move(*divmod(number, many), count, estimate(start + number, f"share_of_{name}", visible=count is not None))
            for number, count in enumerate(counts)
        )

    def net(rows: npt.NDArray[np.bool_], position: int, name: str) -> Estimate:
        moved = np.bincount(cell[rows], minlength=many**2)
        return estimate(position, name, visible=bool(min(moved @ up, moved @ down) >= SMALLEST_COUNT))

    return Reclassification(
        bounds,
        moves(had_event, 0, "with_event"),
        moves(known_free, many**2 + 1, "without_event"),
        net(had_event, many**2, "net_with_event"),
        net(known_free, 2 * many**2 + 1, "net_without_event"),
    )

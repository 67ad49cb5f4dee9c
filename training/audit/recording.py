"""How much is recorded of each group: an outcome that is seen less often in a group looks like a lower risk."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.outcome import CENSORED, EVENT, FollowUp
from features.privacy import SMALLEST_COUNT
from training.audit.gaps import largest_gap
from training.audit.report import Recorded, Recording
from training.measures import Resampling, interval
from training.survival import Floats, close

RATES: Final = {"event_rate": 1000.0, "lost": 100.0}
"""What is always compared, and for how many person-years it is given: events, and departures before the horizon."""


@dataclasses.dataclass(frozen=True, eq=False)
class _Ratio:
    """A sum over people divided by another.

    Parameters
    ----------
    above, below
        What each person adds to either, shape ``(n,)``.
    counted
        Whether what is above counts people, so that few of them (or few others) may not be told.
    """

    above: Floats
    below: Floats
    counted: bool


def recordings(
    followup: FollowUp,
    horizon: float,
    rows: Mapping[str, npt.NDArray[np.intp]],
    counts: Mapping[str, tuple[int | None, int | None]],
    resampling: Resampling,
    recorded: pd.DataFrame | None = None,
) -> tuple[Recording, ...]:
    """Return how much is recorded of each group, with intervals from the practices' bootstrap.

    Parameters
    ----------
    followup, horizon
        Of all rows.
    rows, counts
        Positions of each group's rows; and its rows and events as they may be shown.
    resampling
        Draws of the practices of all rows.
    recorded
        What else to compare, one column each: numbers (consultations a year) or conditions (a measurement is missing);
        missing values are left out.
    """
    closed = close(followup, horizon)
    years = closed.duration
    ratios = {
        "event_rate": _Ratio(RATES["event_rate"] * (closed.cause == EVENT), years, True),
        "lost": _Ratio(RATES["lost"] * ((closed.cause == CENSORED) & (years < horizon)), years, True),
    }
    for name in [] if recorded is None else recorded.columns:
        column = recorded[name].astype(np.float64).to_numpy() if recorded is not None else years
        known = ~np.isnan(column)
        binary = bool(np.isin(column[known], (0.0, 1.0)).all())
        ratios[str(name)] = _Ratio(np.where(known, column, 0.0), known.astype(np.float64), binary)
    shown_n = {group: n for group, (n, _) in counts.items()}
    hidden = {group for group, (_, events) in counts.items() if events is None}
    return tuple(
        _recording(name, ratio, rows, shown_n, hidden if name == "event_rate" else set(), resampling)
        for name, ratio in ratios.items()
    )


def _recording(
    what: str,
    ratio: _Ratio,
    rows: Mapping[str, npt.NDArray[np.intp]],
    shown_n: Mapping[str, int | None],
    hidden: Collection[str],
    resampling: Resampling,
) -> Recording:
    found: list[Recorded] = []
    values: dict[str, float] = {}
    draws: list[Floats] = []
    clusters: list[int] = []
    for group, members in rows.items():
        above, below = ratio.above[members], ratio.below[members]
        if shown_n[group] is None or group in hidden or not _tellable(ratio, above):
            found.append(Recorded(group, math.nan, math.nan, math.nan, shown_n[group]))
            continue
        of_group = resampling[members]
        places = resampling.counts.shape[1]
        sums = [np.bincount(of_group.cluster, weights=each, minlength=places) for each in (above, below)]
        with np.errstate(divide="ignore", invalid="ignore"):
            replicates = (of_group.counts @ sums[0]) / (of_group.counts @ sums[1])
            value = float(above.sum() / below.sum())
        low, high = interval(replicates, of_group.clusters)
        found.append(Recorded(group, value, low, high, shown_n[group]))
        if math.isfinite(low):
            values[group] = value
            draws.append(replicates)
            clusters.append(of_group.clusters)
    gap = largest_gap(what, None, values, np.stack(draws), clusters) if len(values) > 1 else None
    return Recording(what, tuple(found), gap)


def _tellable(ratio: _Ratio, above: Floats) -> bool:
    """Return whether neither those counted nor the others are few."""
    many = int((above > 0).sum()) if ratio.counted else len(above)
    return many >= SMALLEST_COUNT and (not ratio.counted or len(above) - many >= SMALLEST_COUNT)

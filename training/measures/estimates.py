"""Estimates: a value with its interval, the people and events it rests on, and whether it may be shown."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from features.outcome import EVENT, FollowUp
from features.privacy import SMALLEST_COUNT, shown
from training.measures.resampling import Column, Resampling, columns_of, interval, replicate
from training.survival import Floats, close
from training.tree import to_tree


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
    return assemble(point, replicates, columns, followup, horizon, resampling.clusters)


def assemble(
    point: Floats,
    replicates: Floats,
    columns: Sequence[Column],
    followup: FollowUp,
    horizon: float,
    clusters: int,
) -> list[Estimate]:
    """Return the estimates made of values and their replicates.

    Parameters
    ----------
    point, replicates, columns
        What `replicate` returned, and for which measures.
    followup, horizon
        Of the rows measured.
    clusters
        How many clusters they lie in: the fewer, the wider the intervals.
    """
    events = int((close(followup, horizon).cause == EVENT).sum())
    return [
        Estimate(wanted.name, float(value), *interval(draws, clusters), len(followup), events, threshold)
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
    return assemble(a[0] - b[0], a[1] - b[1], columns, followup, horizon, resampling.clusters)

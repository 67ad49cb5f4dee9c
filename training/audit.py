"""The same measures, group by group: is what is claimed true of everybody?

Values by group come from fairlearn's ``MetricFrame``; fairlearn resamples rows, so intervals come from our
bootstrap over practices, with the same draws for all groups. A verdict is given on the interval, never on the
value alone.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from fairlearn.metrics import MetricFrame

from features.outcome import EVENT, FollowUp
from features.privacy import SMALLEST_COUNT, mask
from training.measures import (
    CONFIDENCE,
    FAILED_REPLICATES,
    Column,
    Estimate,
    OutcomeAtHorizon,
    Resampling,
    assemble,
    check,
    columns_of,
    point_value,
    replicate,
    smallest_cell,
)
from training.survival import Floats, close
from training.tree import JsonTree

Verdict = Literal["within", "outside", "uncertain", "insufficient"]

MINIMUM_EVENTS: Final = 20
"""Events below which a group has no value for what depends on the outcome.

With 20 events the logarithm of observed / expected has a standard error of about 1/√20 = 0.22: its 95 %
interval reaches from two thirds to one and a half times the value, already as wide as any tolerance worth
declaring. Above, the interval itself says what is not known; around 100 events are needed before a verdict
other than "uncertain" is likely (Collins et al. 2016, doi:10.1002/sim.6787).
"""

MISSING: Final = "missing"
"""Label of the group of people whose label is not known."""


@dataclass(frozen=True)
class Finding:
    """One measure in one group.

    Parameters
    ----------
    estimate
        The measure; NaN when the group is too small for it.
    verdict
        Where its interval lies: ``"within"`` the tolerance, entirely ``"outside"``, ``"uncertain"``
        (astride), or ``"insufficient"`` (no interval). None when no tolerance was declared.
    """

    estimate: Estimate
    verdict: Verdict | None


@dataclass(frozen=True)
class GroupAudit:
    """One group.

    Parameters
    ----------
    group
        Its label.
    n, events
        Rows, and events seen by the horizon; None when too few to be shown.
    findings
        Every measure.
    """

    group: str
    n: int | None
    events: int | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Gap:
    """The largest difference between two groups.

    Parameters
    ----------
    measure, threshold
        The measure.
    highest, lowest
        The groups with the highest and the lowest value.
    value, low, high
        Highest minus lowest, and an interval that holds for all pairs at once: this pair was chosen because
        it is the furthest apart. An interval above 0 is a difference not due to chance.
    groups
        Groups large enough to be compared.
    """

    measure: str
    threshold: float | None
    highest: str
    lowest: str
    value: float
    low: float
    high: float
    groups: int


@dataclass(frozen=True)
class AttributeAudit:
    """All groups of one sensitive attribute.

    Parameters
    ----------
    attribute
        Name of the attribute.
    groups
        Its groups, by label, the missing one included.
    gaps
        The largest gap for each measure that at least two groups have.
    """

    attribute: str
    groups: tuple[GroupAudit, ...]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True)
class Audit(JsonTree):
    """The audit of one model: the root of the tree.

    Parameters
    ----------
    horizon
        Years.
    tolerances
        Lowest and highest acceptable value of each measure a verdict is given on.
    thresholds, resamples, seed
        Decision thresholds, bootstrap replicates and their seed.
    smallest_count, minimum_events
        Floors: rows below which a group is not shown, events below which it has no value.
    attributes
        Every attribute audited.
    """

    horizon: float
    tolerances: dict[str, tuple[float, float]]
    thresholds: tuple[float, ...]
    resamples: int
    seed: int
    smallest_count: int
    minimum_events: int
    attributes: tuple[AttributeAudit, ...]


def audit(
    risk: Floats,
    followup: FollowUp,
    horizon: float,
    groups: pd.DataFrame,
    clusters: npt.ArrayLike,
    tolerances: Mapping[str, tuple[float, float]],
    thresholds: Sequence[float] = (),
    resamples: int = 200,
    seed: int = 0,
    *,
    refused: FollowUp | None = None,
) -> Audit:
    """Compute every registered measure by group, and say where the tolerances hold.

    Parameters
    ----------
    risk
        Predicted probability of the event by the horizon, shape ``(n,)``, no NaN.
    followup
        Follow-up of the same rows. Censoring is estimated within each group.
    horizon
        Years.
    groups
        Sensitive attributes of the same rows, one column each. A missing label makes a group of its own.
    clusters
        Practice of each row (or what else is drawn whole in the bootstrap), shape ``(n,)``.
    tolerances
        Lowest and highest acceptable value, by measure; at each threshold where the measure has one.
    thresholds
        Decision thresholds.
    resamples, seed
        Bootstrap replicates, and what makes them reproducible.
    refused
        Follow-up of the people the model refused, when they are counted with the others elsewhere: a small
        number of them must not be had by subtraction from the groups' counts.

    Returns
    -------
    Audit
        Groups under 11 rows are named but not measured; under 20 events (`MINIMUM_EVENTS`) they have no value
        for what depends on the outcome.

    Raises
    ------
    ValueError
        If a risk is NaN, lengths differ, or a measure, tolerance, threshold or horizon is impossible.
    """
    values = check(risk, followup, groups=groups, clusters=clusters)
    columns = columns_of(None, thresholds)
    known = {wanted.name for wanted, _ in columns}
    faults = [f"tolerance for unknown measure {name!r}" for name in tolerances if name not in known]
    faults += [
        f"tolerance of {name!r} is {low!r} to {high!r}: give the lower bound first"
        for name, (low, high) in tolerances.items()
        if not low <= high
    ]
    if faults:
        raise ValueError("; ".join(faults))
    resampling = Resampling.of(clusters, resamples, seed)
    attributes = tuple(
        _attribute(
            str(name), label_groups(groups[name]), values, followup, horizon, columns, resampling, tolerances, refused
        )
        for name in groups.columns
    )
    return Audit(
        horizon=horizon,
        tolerances={name: (float(low), float(high)) for name, (low, high) in sorted(tolerances.items())},
        thresholds=tuple(thresholds),
        resamples=resamples,
        seed=seed,
        smallest_count=SMALLEST_COUNT,
        minimum_events=MINIMUM_EVENTS,
        attributes=attributes,
    )


def with_pairs(groups: pd.DataFrame) -> pd.DataFrame:
    """Return the attributes and every pair of them, so that a group hidden in two averages is seen.

    Parameters
    ----------
    groups
        Sensitive attributes, one column each.

    Returns
    -------
    DataFrame
        The same columns, then one ``"a × b"`` a pair.
    """
    labels = {str(name): label_groups(groups[name]) for name in groups.columns}
    pairs = {f"{a} × {b}": labels[a] + " × " + labels[b] for a, b in itertools.combinations(labels, 2)}
    return pd.DataFrame(labels | pairs, index=groups.index)


def label_groups(column: pd.Series[Any]) -> pd.Series[str]:
    """Return the labels of an attribute as text, ``"missing"`` where there is none."""
    return column.astype(object).where(column.notna(), MISSING).astype(str)


def values_by_group(
    risk: Floats, followup: FollowUp, horizon: float, labels: pd.Series[str], columns: Sequence[Column]
) -> dict[str, Floats]:
    """Return the value of each measure, in the order given, in each group, by label, through fairlearn."""

    def measured(y_true: Any, y_pred: Any, *, cause: Any) -> Floats:
        """Measure one group: times as true values, risks as predictions, then causes by name."""
        duration, risks = np.asarray(y_true), np.asarray(y_pred)
        reason = np.zeros(len(duration), dtype=np.int8)
        outcome = OutcomeAtHorizon.of(FollowUp(duration, np.asarray(cause), reason, horizon), horizon)
        return np.array([point_value(column, risks, outcome, np.ones(len(risks))) for column in columns])

    closed = close(followup, horizon)
    frame: Any = MetricFrame(
        metrics=measured,
        y_true=closed.duration,
        y_pred=risk,
        sensitive_features=labels.to_numpy(dtype=object),
        sample_params={"cause": closed.cause},
    )
    return {str(label): values for label, values in frame.by_group.items()}


def _attribute(
    name: str,
    labels: pd.Series[str],
    risk: Floats,
    followup: FollowUp,
    horizon: float,
    columns: Sequence[Column],
    resampling: Resampling,
    tolerances: Mapping[str, tuple[float, float]],
    refused: FollowUp | None,
) -> AttributeAudit:
    by_group = values_by_group(risk, followup, horizon, labels, columns)
    rows = {str(label): np.flatnonzero(labels.to_numpy() == label) for label in by_group}
    had_event = close(followup, horizon).cause == EVENT
    events = {label: int(had_event[members].sum()) for label, members in rows.items()}
    others = 0 if refused is None else len(refused)
    ill = 0 if refused is None else int((close(refused, horizon).cause == EVENT).sum())
    shown_n = dict(zip(rows, mask([*map(len, rows.values()), others]), strict=False))
    shown_events = dict(zip(rows, mask([*events.values(), min(ill, others - ill)]), strict=False))
    audited = []
    replicates: dict[str, Floats] = {}
    for label, members in rows.items():
        here, theirs = risk[members], followup[members]
        of_group = resampling[members]
        _, replicates[label] = replicate(here, theirs, horizon, columns, of_group)
        findings = []
        measured = assemble(by_group[label], replicates[label], columns, theirs, horizon, of_group.clusters)
        for column, full in zip(columns, measured, strict=True):
            enough = events[label] >= MINIMUM_EVENTS or not column[0].needs_outcome
            visible = full.suppressed(smallest_cell(here, theirs, horizon, column) if enough else 0)
            visible = dataclasses.replace(visible, n=shown_n[label], events=shown_events[label])
            findings.append(Finding(visible, _verdict(visible, tolerances.get(full.measure))))
        audited.append(GroupAudit(label, shown_n[label], shown_events[label], tuple(findings)))
    gaps = []
    for position in range(len(columns)):
        comparable = {
            group.group: group.findings[position].estimate
            for group in audited
            if math.isfinite(group.findings[position].estimate.low)
        }
        if len(comparable) >= 2:
            draws = np.stack([replicates[label][:, position] for label in comparable])
            gaps.append(_largest_gap(comparable, draws))
    return AttributeAudit(name, tuple(audited), tuple(gaps))


def _verdict(estimate: Estimate, tolerance: tuple[float, float] | None) -> Verdict | None:
    """Say where the interval of an estimate lies."""
    if tolerance is None:
        return None
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return "insufficient"
    lowest, highest = tolerance
    if lowest <= estimate.low and estimate.high <= highest:
        return "within"
    if estimate.high < lowest or highest < estimate.low:
        return "outside"
    return "uncertain"


def _largest_gap(estimates: Mapping[str, Estimate], draws: Floats) -> Gap:
    """Return the two groups furthest apart, with an interval that holds for every pair at once.

    Parameters
    ----------
    estimates
        The measure in each group.
    draws
        The same in each replicate, shape ``(groups, replicates)``; the same practices are drawn for all
        groups.

    Notes
    -----
    Sup-t band: value ± the 95 % quantile, over replicates, of the largest standardised deviation among all
    pairs (Montiel Olea and Plagborg-Møller 2019, doi:10.1002/jae.2656).
    """
    labels, first = list(estimates), next(iter(estimates.values()))
    values = np.array([each.value for each in estimates.values()])
    top, bottom = int(values.argmax()), int(values.argmin())
    value, reach = float(values[top] - values[bottom]), math.nan
    usable = draws[:, np.isfinite(draws).all(axis=0)]
    if usable.shape[1] >= (1 - FAILED_REPLICATES) * draws.shape[1]:
        deviation = usable - values[:, np.newaxis]
        between = deviation[:, np.newaxis] - deviation[np.newaxis]
        error = np.sqrt((between**2).mean(axis=2))
        standard = np.abs(between) / np.where(error > 0, error, 1.0)[:, :, np.newaxis]
        reach = float(np.quantile(standard.max(axis=(0, 1)), CONFIDENCE) * error[top, bottom])
    return Gap(
        measure=first.measure,
        threshold=first.threshold,
        highest=labels[top],
        lowest=labels[bottom],
        value=value,
        low=value - reach,
        high=value + reach,
        groups=len(labels),
    )

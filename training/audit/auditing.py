"""The audit itself: every measure in every group, judged together."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.outcome import EVENT, FollowUp
from features.privacy import SMALLEST_COUNT
from training.audit.disclosure import Shown, shown_counts
from training.audit.gaps import largest_gap
from training.audit.grouping import CROSS, label_groups, values_by_group
from training.audit.measures import (
    AUDITED,
    CALIBRATION,
    CROSSED,
    FALSE_POSITIVES,
    GAIN,
    MINIMUM_EVENTS,
    behind,
    replicate_columns,
)
from training.audit.mitigation import mitigations
from training.audit.multiplicity import FAMILY_WISE, Judged, judge
from training.audit.recording import recordings
from training.audit.report import AttributeAudit, Audit, Family, Finding, Gap, GroupAudit, Shrunk
from training.audit.scales import standard_error
from training.audit.shrinkage import shrink
from training.measures import (
    MEASURES,
    Column,
    Estimate,
    Measure,
    Resampling,
    assemble,
    check,
    columns_of,
    replicate,
    smallest_cell,
)
from training.survival import Floats, close

Tolerances = Mapping[str, tuple[float, float]]
FAMILIES: Final = ("attributes", "pairs")


def audit(
    risk: Floats,
    followup: FollowUp,
    horizon: float,
    groups: pd.DataFrame,
    clusters: npt.ArrayLike,
    tolerances: Tolerances,
    thresholds: Sequence[float] = (),
    resamples: int = 200,
    seed: int = 0,
    *,
    refused: FollowUp | None = None,
    comparator: Floats | None = None,
    recorded: pd.DataFrame | None = None,
    measures: Sequence[str] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Audit:
    """Compute measures by group, and say where the tolerances hold.

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
    comparator
        Risks the comparator gives the same rows, NaN where it refuses: the difference of net benefit is then given.
    recorded
        What is recorded of the same rows, to be compared between groups: numbers (consultations a year) or
        conditions (a measurement is missing), one column each.
    measures
        Names of registered measures; every one by default, and where attributes cross those of
        `training.audit.CROSSED`. Those with a tolerance are always there.
    progress
        Told of each attribute measured, how many are, and of how many.

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
    others: dict[str, Any] = {} if recorded is None else {"recorded": recorded}
    others |= {} if comparator is None else {"comparator": comparator}
    values = check(risk, followup, groups=groups, clusters=clusters, **others)
    columns_of(measures, thresholds)
    known = {*MEASURES, *AUDITED} - ({GAIN.name} if comparator is None else set())
    faults = [f"tolerance for unknown measure {name!r}" for name in tolerances if name not in known]
    faults += [
        f"tolerance of {name!r} is {low!r} to {high!r}: give the lower bound first"
        for name, (low, high) in tolerances.items()
        if not low <= high
    ]
    if faults:
        raise ValueError("; ".join(faults))
    sample = _Sample(
        values,
        followup,
        horizon,
        Resampling.of(clusters, resamples, seed),
        tolerances,
        tuple(thresholds),
        seed,
        None if comparator is None else np.asarray(comparator, dtype=np.float64),
        recorded,
        measures,
    )
    labels = {str(name): label_groups(groups[name]) for name in groups.columns}
    counts = shown_counts(labels, close(followup, horizon), None if refused is None else close(refused, horizon))
    measured = []
    for done, (name, column) in enumerate(labels.items(), start=1):
        measured.append(sample.attribute(name, column, counts[name]))
        if progress is not None:
            progress(name, done, len(labels))
    families, attributes = _judged(measured, tolerances)
    return Audit(
        horizon=horizon,
        tolerances={name: (float(low), float(high)) for name, (low, high) in sorted(tolerances.items())},
        thresholds=tuple(thresholds),
        resamples=resamples,
        seed=seed,
        smallest_count=SMALLEST_COUNT,
        minimum_events=MINIMUM_EVENTS,
        left_out=_left_out(list(labels)),
        attributes=attributes,
        families=families,
    )


@dataclass(frozen=True, eq=False)
class _Measured:
    """An attribute before its verdicts: to each finding its place, its error and the practices it rests on."""

    audit: AttributeAudit
    judged: dict[tuple[int, int], Judged]


def _judged(
    measured: Sequence[_Measured], tolerances: Tolerances
) -> tuple[tuple[Family, ...], tuple[AttributeAudit, ...]]:
    """Return the families, and the attributes with the verdicts that each family as a whole allows.

    The chance of a false alarm is shared between attributes and their pairs, so that hundreds of pairs do not drown
    what the attributes themselves show.
    """
    audits = {each.audit.attribute: each.audit for each in measured}
    families = []
    parts = [[each for each in measured if (CROSS in each.audit.attribute) == crossed] for crossed in (False, True)]
    level = FAMILY_WISE / max(sum(bool(part) for part in parts), 1)
    for name, part in zip(FAMILIES, parts, strict=True):
        places = [(each.audit.attribute, place, judged) for each in part for place, judged in each.judged.items()]
        if not places:
            continue
        family, verdicts = judge(
            [judged for *_, judged in places],
            [tolerances[judged.estimate.measure] for *_, judged in places],
            "pairs" if name == "pairs" else "attributes",
            level,
        )
        families.append(family)
        for (attribute, (row, position), _), (verdict, bounds) in zip(places, verdicts, strict=True):
            groups = list(audits[attribute].groups)
            findings = list(groups[row].findings)
            findings[position] = dataclasses.replace(findings[position], verdict=verdict, simultaneous=bounds)
            groups[row] = dataclasses.replace(groups[row], findings=tuple(findings))
            audits[attribute] = dataclasses.replace(audits[attribute], groups=tuple(groups))
    return tuple(families), tuple(audits.values())


def _left_out(names: Sequence[str]) -> tuple[str, ...]:
    """Return the pairs that were not crossed, where others were."""
    alone = [name for name in names if CROSS not in name]
    if len(alone) == len(names):
        return ()
    return tuple(pair for a, b in itertools.combinations(alone, 2) if (pair := f"{a}{CROSS}{b}") not in names)


@dataclass(frozen=True, eq=False)
class _Sample:
    """Everybody, as `audit` was handed them."""

    risk: Floats
    followup: FollowUp
    horizon: float
    resampling: Resampling
    tolerances: Tolerances
    thresholds: tuple[float, ...]
    seed: int
    comparator: Floats | None
    recorded: pd.DataFrame | None
    measures: Sequence[str] | None

    def columns(self, attribute: str) -> list[Column]:
        """Return what is measured in the groups of an attribute."""
        names = list(MEASURES) if self.measures is None else list(self.measures)
        if CROSS in attribute and self.measures is None:
            names = [name for name in names if name in CROSSED]
        names += [name for name in self.tolerances if name in MEASURES and name not in names]
        found = columns_of(names, self.thresholds)
        own = [CALIBRATION, FALSE_POSITIVES] if self.measures is None else []
        own += [each for each in AUDITED.values() if each.name in self.tolerances and each not in own]
        own += [GAIN] if self.comparator is not None and GAIN not in own else []
        return found + [(each, threshold) for each in own for threshold in self.thresholds]

    def attribute(self, name: str, labels: pd.Series[str], counts: Shown) -> _Measured:
        """Return every measure of an attribute's groups, with the counts that may be shown."""
        columns = self.columns(name)
        by_group = values_by_group(self.risk, self.followup, self.horizon, labels, columns)
        own = labels.to_numpy()
        rows = {label: np.flatnonzero(own == label) for label in by_group}
        had_event = close(self.followup, self.horizon).cause == EVENT
        events = {label: int(had_event[members].sum()) for label, members in rows.items()}
        draws: dict[str, Floats] = {}
        estimates: dict[str, list[Estimate]] = {}
        for label, members in rows.items():
            draws[label], estimates[label] = self._group(members, by_group[label], columns, events[label])
            estimates[label] = [
                each
                if each.measure == GAIN.name and each.n is None
                else dataclasses.replace(each, n=counts[label][0], events=counts[label][1])
                for each in estimates[label]
            ]
        clusters = {label: self.resampling[members].clusters for label, members in rows.items()}
        judged: dict[tuple[int, int], Judged] = {}
        shrunk: dict[tuple[str, int], Shrunk] = {}
        for position, (wanted, _) in enumerate(columns):
            if wanted.name not in self.tolerances:
                continue
            errors = {label: standard_error(wanted.name, draws[label][:, position]) for label in rows}
            told = {
                label: float(by_group[label][position])
                for label, members in rows.items()
                if min(events[label], len(members) - events[label]) >= SMALLEST_COUNT
                and (wanted is not CALIBRATION or math.isfinite(estimates[label][position].value))
            }
            shrunk |= {(label, position): each for label, each in shrink(wanted.name, told, errors).items()}
            for row, label in enumerate(rows):
                judged[row, position] = Judged(estimates[label][position], errors[label], clusters[label])
        audited = AttributeAudit(
            name,
            tuple(_group_audit(label, counts, estimates[label], shrunk) for label in rows),
            tuple(self._gaps(columns, estimates, draws, clusters)),
        )
        if CROSS not in name:
            audited = dataclasses.replace(
                audited,
                recording=recordings(self.followup, self.horizon, rows, counts, self.resampling, self.recorded),
                mitigation=mitigations(
                    self.risk,
                    self.followup,
                    self.horizon,
                    rows,
                    counts,
                    self.resampling,
                    self.thresholds if self.measures is None else (),
                    self.seed,
                ),
            )
        return _Measured(audited, judged)

    def _group(
        self, members: npt.NDArray[np.intp], values: Floats, columns: Sequence[Column], events: int
    ) -> tuple[Floats, list[Estimate]]:
        """Return every measure of one group in each replicate, and what may be shown of it."""
        here, theirs, of_group = self.risk[members], self.followup[members], self.resampling[members]
        draws = np.full((len(of_group.counts), len(columns)), np.nan)
        asked = [position for position, (wanted, _) in enumerate(columns) if self._is_told(wanted, events)]
        draws[:, asked] = replicate_columns(here, theirs, self.horizon, [columns[each] for each in asked], of_group)
        point = values.copy()
        enough = events >= MINIMUM_EVENTS
        gained = [position for position, (wanted, _) in enumerate(columns) if wanted is GAIN and enough]
        both = np.arange(0)
        if gained and self.comparator is not None:
            both = np.flatnonzero(np.isfinite(self.comparator[members]))
            net = columns_of(["net_benefit"], self.thresholds)
            if len(both):
                a, b = (
                    replicate(each[both], theirs[both], self.horizon, net, of_group[both])
                    for each in (here, self.comparator[members])
                )
                point[gained] = a[0] - b[0]
                if len(a[1]) == len(draws):
                    draws[:, gained] = a[1] - b[1]
        made = assemble(point, draws, columns, theirs, self.horizon, of_group.clusters)
        found = []
        for column, full in zip(columns, made, strict=True):
            if column[0] is GAIN:
                found.append(self._gain(full, members, both, column))
            else:
                may = enough or not column[0].needs_outcome
                found.append(full.suppressed(behind(here, theirs, self.horizon, column) if may else 0))
        return draws, found

    def _is_told(self, wanted: Measure, events: int) -> bool:
        """Return whether a measure of a group with so many events is used: replicates of another cost time only."""
        shrinkable = events >= SMALLEST_COUNT and wanted.name in self.tolerances
        return not wanted.needs_outcome or events >= MINIMUM_EVENTS or shrinkable

    def _gain(
        self, full: Estimate, members: npt.NDArray[np.intp], both: npt.NDArray[np.intp], column: Column
    ) -> Estimate:
        """Return the difference to the comparator as it may be shown, of those both can score.

        How many they are is only said where the others are not few.
        """
        assert self.comparator is not None
        theirs = self.followup[members[both]]
        had_event = close(theirs, self.horizon).cause == EVENT
        events = int(had_event.sum())
        smallest = 0
        if events >= MINIMUM_EVENTS:
            smallest = min(
                smallest_cell(each[members[both]], theirs, self.horizon, column, crossed=False)
                for each in (self.risk, self.comparator)
            )
        visible = dataclasses.replace(full, n=len(both), events=events).suppressed(smallest)
        return visible if len(both) == len(members) else dataclasses.replace(visible, n=None, events=None)

    def _gaps(
        self,
        columns: Sequence[Column],
        estimates: Mapping[str, Sequence[Estimate]],
        draws: Mapping[str, Floats],
        clusters: Mapping[str, int],
    ) -> list[Gap]:
        found = []
        for position, (wanted, threshold) in enumerate(columns):
            comparable = {
                label: each[position].value for label, each in estimates.items() if math.isfinite(each[position].low)
            }
            if len(comparable) >= 2:
                replicates = np.stack([draws[label][:, position] for label in comparable])
                found.append(
                    largest_gap(wanted.name, threshold, comparable, replicates, [clusters[each] for each in comparable])
                )
        return found


def _group_audit(
    label: str,
    counts: Shown,
    estimates: Sequence[Estimate],
    shrunk: Mapping[tuple[str, int], Shrunk],
) -> GroupAudit:
    findings = tuple(
        Finding(each, None, shrunk=shrunk.get((label, position))) for position, each in enumerate(estimates)
    )
    return GroupAudit(label, *counts[label], findings)

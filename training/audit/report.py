"""What an audit says, as a tree that is written as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from training.measures import Estimate
from training.tree import JsonTree

Verdict = Literal["within", "outside", "suspected", "uncertain", "insufficient"]


@dataclass(frozen=True)
class Bounds:
    """The interval a value would need to be outside of for an alarm that all comparisons together make rare."""

    low: float
    high: float


@dataclass(frozen=True)
class Shrunk:
    """A value drawn towards the mean of its attribute's groups, the more so the less is known of it.

    Parameters
    ----------
    value, low, high
        Value and 95 % interval.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Finding:
    """One measure in one group.

    Parameters
    ----------
    estimate
        The measure; NaN when the group is too small for it.
    verdict
        Where its interval lies: ``"within"`` the tolerance, entirely ``"outside"`` even when account is taken of how
        many comparisons were made, ``"suspected"`` (outside, but such a thing is to be expected among so many),
        ``"uncertain"`` (astride), or ``"insufficient"`` (no interval). None when no tolerance was declared.
    simultaneous
        The interval that decides between ``"outside"`` and ``"suspected"``; None without verdict or interval.
    shrunk
        The value drawn towards the other groups'; None where no tolerance was declared, or with fewer than four
        groups to learn from. It is given from 11 events on, where the plain value is not.
    """

    estimate: Estimate
    verdict: Verdict | None
    simultaneous: Bounds | None = None
    shrunk: Shrunk | None = None


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
class Recorded:
    """How much is recorded of one group.

    Parameters
    ----------
    group
        Its label.
    value, low, high
        Mean and 95 % interval; NaN when it would tell a small count.
    n
        Rows; None when too few to be shown.
    """

    group: str
    value: float
    low: float
    high: float
    n: int | None


@dataclass(frozen=True)
class Recording:
    """How much is recorded of each group of an attribute: where less is, less is seen, and less is predicted.

    Parameters
    ----------
    what
        ``"event_rate"`` (events recorded for 1,000 person-years), ``"lost"`` (departures before the horizon for 100
        person-years), or a column handed to the audit, whose mean is given.
    groups
        Each group.
    gap
        The two groups furthest apart; None with fewer than two to compare.
    """

    what: str
    groups: tuple[Recorded, ...]
    gap: Gap | None


@dataclass(frozen=True)
class MitigatedGroup:
    """What a mitigation would change for one group.

    Parameters
    ----------
    group
        Its label.
    cut
        Risk, as the model gives it now, from which somebody of the group would be flagged; NaN where the group is too
        small for a rule of its own, and keeps the declared threshold.
    changes
        After minus before.
    """

    group: str
    cut: float
    changes: tuple[Estimate, ...]


@dataclass(frozen=True)
class Mitigation:
    """What correcting the gaps of an attribute would cost; shown, never applied.

    Parameters
    ----------
    policy
        ``"recalibration"``: the risks of each group are shifted until observed equals expected, estimated on other
        practices than those it is tried on. ``"thresholds"``: each group has the threshold at which as large a share
        of its future cases is flagged as of everybody's.
    threshold
        Declared decision threshold.
    overall
        After minus before, for everybody.
    groups
        The same for each group.
    """

    policy: Literal["recalibration", "thresholds"]
    threshold: float
    overall: tuple[Estimate, ...]
    groups: tuple[MitigatedGroup, ...]


@dataclass(frozen=True)
class AttributeAudit:
    """One sensitive attribute.

    Parameters
    ----------
    attribute
        Its name, such as ``"sex"``, or ``"sex × age"`` for a pair.
    groups
        Every group, none left out.
    gaps
        For each measure (and threshold) that at least two groups have.
    recording
        How much is recorded of each group.
    mitigation
        What correcting the gaps would cost, at each threshold; empty for a pair.
    """

    attribute: str
    groups: tuple[GroupAudit, ...]
    gaps: tuple[Gap, ...]
    recording: tuple[Recording, ...] = ()
    mitigation: tuple[Mitigation, ...] = ()


@dataclass(frozen=True)
class Family:
    """Comparisons judged together.

    Parameters
    ----------
    name
        ``"attributes"`` or ``"pairs"``.
    comparisons
        Values that were compared with a tolerance.
    alone
        How many would be put outside by chance, at most, were each 95 % interval judged alone.
    level
        Chance, at most, that the rule puts any of them outside wrongly.
    """

    name: Literal["attributes", "pairs"]
    comparisons: int
    alone: float
    level: float


@dataclass(frozen=True)
class Audit(JsonTree):
    """The audit of one model: the root of the tree.

    Parameters
    ----------
    horizon
        Years.
    tolerances
        Declared beforehand: lowest and highest acceptable value, by measure.
    thresholds, resamples, seed
        Decision thresholds, bootstrap replicates and their seed.
    smallest_count, minimum_events
        Floors: rows below which a group is not shown, events below which it has no value.
    attributes
        Every attribute audited.
    families
        How many comparisons were made, and how many false alarms are to be expected.
    left_out
        Pairs of attributes that were not crossed: their groups would have too few events each.
    """

    horizon: float
    tolerances: dict[str, tuple[float, float]]
    thresholds: tuple[float, ...]
    resamples: int
    seed: int
    smallest_count: int
    minimum_events: int
    attributes: tuple[AttributeAudit, ...]
    families: tuple[Family, ...] = ()
    left_out: tuple[str, ...] = ()

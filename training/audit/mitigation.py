"""What correcting the gaps between groups would cost: shown to those who decide, never applied.

Either policy amounts to a shift of each group's log-odds; what is flagged at the declared threshold afterwards is
compared with what is flagged now. Shifts are learnt on four fifths of the practices and tried on the last, five times.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np
import numpy.typing as npt
from scipy import special

from features.outcome import EVENT, FollowUp
from features.privacy import SMALLEST_COUNT
from training.audit.measures import MINIMUM_EVENTS
from training.audit.report import MitigatedGroup, Mitigation
from training.measures import (
    Column,
    Estimate,
    OutcomeAtHorizon,
    Resampling,
    assemble,
    calibration_intercept,
    columns_of,
    logit,
    quantiles,
    replicate,
    sensitivity,
    smallest_cell,
)
from training.survival import Floats, close

FOLDS: Final = 5
CHANGED: Final = ("net_benefit", "flagged", "sensitivity")
Rows = npt.NDArray[np.intp]
Policy = Literal["recalibration", "thresholds"]


@dataclass(frozen=True, eq=False)
class _Model:
    """Predictions and what happened: what shifts are learnt from."""

    risk: Floats
    followup: FollowUp
    horizon: float

    def events(self, rows: Rows) -> int:
        return int((close(self.followup[rows], self.horizon).cause == EVENT).sum())

    def outcome(self, rows: Rows) -> OutcomeAtHorizon:
        return OutcomeAtHorizon.of(self.followup[rows], self.horizon)

    def recalibrating(self, rows: Rows) -> float:
        """Return what to add to the log-odds of some rows for observed to equal expected."""
        return float(calibration_intercept(self.risk[rows], self.outcome(rows), np.ones(len(rows))))

    def as_sensitive(self, rows: Rows, threshold: float, wanted: float) -> float:
        """Return what to add to the log-odds of some rows for that share of their cases to be flagged."""
        cut = quantiles(self.risk[rows], self.outcome(rows).event, [min(max(1 - wanted, 0.0), 1.0)])[0]
        return float(logit(np.array([threshold]))[0] - logit(np.array([cut]))[0])


def mitigations(
    risk: Floats,
    followup: FollowUp,
    horizon: float,
    rows: Mapping[str, Rows],
    counts: Mapping[str, tuple[int | None, int | None]],
    resampling: Resampling,
    thresholds: Sequence[float],
    seed: int,
) -> tuple[Mitigation, ...]:
    """Return what each policy would change at each threshold, for everybody and for each group.

    Parameters
    ----------
    risk, followup, horizon, resampling, thresholds
        As for `training.audit.audit`.
    rows, counts
        Positions of each group's rows; and its rows and events as they may be shown.
    seed
        Of the split of the practices.
    """
    model = _Model(risk, followup, horizon)
    folds = np.random.default_rng(seed).permutation(resampling.counts.shape[1]) % FOLDS
    fold = folds[resampling.cluster]
    everybody = np.arange(len(risk))
    found = []
    for threshold in thresholds:
        parts = [_Part.of(model, members, threshold, resampling) for members in (everybody, *rows.values())]
        wanted = float(sensitivity(risk, model.outcome(everybody), np.ones(len(risk)), threshold))
        for policy in ("recalibration", "thresholds"):
            shift, cuts = np.zeros(len(risk)), {}
            for group, members in rows.items():
                cuts[group] = math.nan
                if model.events(members) < MINIMUM_EVENTS:
                    continue
                own = _shift(model, policy, members, threshold, wanted)
                cuts[group] = float(special.expit(special.logit(threshold) - own))
                for held in range(FOLDS):
                    learnt = members[fold[members] != held]
                    enough = model.events(learnt) >= MINIMUM_EVENTS
                    moved = _shift(model, policy, learnt, threshold, wanted) if enough else 0.0
                    shift[members[fold[members] == held]] = moved
            after = np.where(shift == 0, risk, special.expit(logit(risk) + shift))
            overall, *changes = (part.change(after) for part in parts)
            groups = tuple(
                MitigatedGroup(
                    group,
                    cuts[group],
                    tuple(dataclasses.replace(each, n=counts[group][0], events=counts[group][1]) for each in of_group),
                )
                for group, of_group in zip(rows, changes, strict=True)
            )
            found.append(Mitigation(policy, threshold, overall, groups))
    return tuple(found)


def _shift(model: _Model, policy: Policy, rows: Rows, threshold: float, wanted: float) -> float:
    found = model.recalibrating(rows) if policy == "recalibration" else model.as_sensitive(rows, threshold, wanted)
    return found if math.isfinite(found) else 0.0


@dataclass(frozen=True, eq=False)
class _Part:
    """Everybody or a group, as the model has it now: what each policy is compared with."""

    model: _Model
    members: Rows
    columns: Sequence[Column]
    resampling: Resampling
    point: Floats
    draws: Floats

    @classmethod
    def of(cls, model: _Model, members: Rows, threshold: float, resampling: Resampling) -> Self:
        columns, of_part = columns_of(CHANGED, (threshold,)), resampling[members]
        now = replicate(model.risk[members], model.followup[members], model.horizon, columns, of_part)
        return cls(model, members, columns, of_part, *now)

    def change(self, after: Floats) -> tuple[Estimate, ...]:
        """Return what other risks of all rows change, as it may be shown."""
        new, theirs, horizon = after[self.members], self.model.followup[self.members], self.model.horizon
        point, draws = replicate(new, theirs, horizon, self.columns, self.resampling)
        differences = point - self.point, draws - self.draws
        made = assemble(*differences, self.columns, theirs, horizon, self.resampling.clusters)
        smallest = [
            min(
                smallest_cell(each, theirs, horizon, column, crossed=column[0].name == "sensitivity")
                for each in (self.model.risk[self.members], new)
            )
            for column in self.columns
        ]
        people = {"sensitivity": self.model.events(self.members)}
        return tuple(
            _rounded(each.suppressed(least), people.get(each.measure, len(self.members)))
            for each, least in zip(made, smallest, strict=True)
        )


def _rounded(estimate: Estimate, people: int) -> Estimate:
    """Return a change of a share of ``people`` to the nearest 11 of them, its bounds outwards: it tells of no fewer."""
    if not all(map(math.isfinite, (estimate.value, estimate.low, estimate.high))):
        return dataclasses.replace(estimate, value=math.nan, low=math.nan, high=math.nan)
    step = SMALLEST_COUNT / max(people, 1)
    return dataclasses.replace(
        estimate,
        value=round(estimate.value / step) * step,
        low=math.floor(estimate.low / step) * step,
        high=math.ceil(estimate.high / step) * step,
    )

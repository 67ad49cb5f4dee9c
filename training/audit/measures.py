"""What an audit measures beside the registered measures, and what it measures where attributes cross."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from features.outcome import EVENT, FollowUp
from training.measures import Column, Measure, OutcomeAtHorizon, Resampling, replicate, smallest_cell
from training.measures.outcome import dot, total
from training.survival import Floats, close

MINIMUM_EVENTS: Final = 20
"""Events below which a group has no value for what depends on the outcome.

With 20 events the logarithm of observed / expected has a standard error of about 1/√20 = 0.22: its 95 %
interval reaches from two thirds to one and a half times the value, already as wide as any tolerance worth
declaring. Above, the interval itself says what is not known; around 100 events are needed before a verdict
other than "uncertain" is likely (Collins et al. 2016, doi:10.1002/sim.6787).
"""

WINDOW: Final = 1.5
"""How far around a threshold people count as near it: their odds are within this factor of its own."""


def window(threshold: float) -> tuple[float, float]:
    """Return the lowest and highest risk near a threshold: 6.9 % to 14.3 % around 10 %."""
    odds = threshold / (1 - threshold)
    low, high = odds / WINDOW, odds * WINDOW
    return low / (1 + low), high / (1 + high)


def calibration_at_threshold(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats, threshold: float) -> Floats:
    """Return observed / expected among people predicted near the threshold, where a decision hangs on it.

    Aalen–Johansen risk over mean predicted risk, as `observed_expected`, censoring weighted as in the whole group. NaN
    where nobody is near.
    """
    low, high = window(threshold)
    near = (risk >= low) & (risk < high)
    expected = dot(outcome.event + outcome.event_free, near * risk)
    return dot(outcome.event, near) / expected


def false_positive_rate(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats, threshold: float) -> Floats:
    """Return the proportion flagged among those who do not have the event by the horizon."""
    return dot(outcome.event_free, risk >= threshold) / total(outcome.event_free)


def _no_value(*_: object) -> float:
    return float("nan")


CALIBRATION: Final = Measure(
    "calibration_at_threshold",
    "Observé / prédit pour les risques voisins",
    "Observed / expected at nearby risks",
    "target",
    1.0,
    at_threshold=True,
    needs_outcome=True,
    needs_times=False,
    function=calibration_at_threshold,
    at_once=True,
    decimals=2,
)
FALSE_POSITIVES: Final = Measure(
    "false_positive_rate",
    "Part signalée à tort (1 − spécificité)",
    "False-positive rate (1 − specificity)",
    "lower",
    0.0,
    at_threshold=True,
    needs_outcome=True,
    needs_times=False,
    function=false_positive_rate,
    at_once=True,
    percent=True,
)
GAIN: Final = Measure(
    "net_benefit_difference",
    "Bénéfice net, moins celui du modèle de référence",
    "Net benefit minus the comparator’s",
    "higher",
    None,
    at_threshold=True,
    needs_outcome=True,
    needs_times=False,
    function=_no_value,
)
"""It takes two models: its values come from `training.measures.replicate` of each, on the people both can score."""

AUDITED: Final[dict[str, Measure]] = {each.name: each for each in (CALIBRATION, FALSE_POSITIVES, GAIN)}
"""Measures that only an audit has."""

CROSSED: Final = (
    "auc",
    "observed",
    "predicted",
    "observed_expected",
    "calibration_slope",
    "net_benefit",
    "flagged",
    "sensitivity",
    "ppv",
)
"""Registered measures given where attributes cross: there are hundreds of groups, and these are those a verdict, a gap
or a decision rests on. A smooth calibration curve takes more events than a crossing has: its distances are given for
each attribute."""


def replicate_columns(
    risk: Floats, followup: FollowUp, horizon: float, columns: Sequence[Column], resampling: Resampling
) -> Floats:
    """Return the value of each measure in each replicate, shape ``(replicates, columns)``; of `GAIN`, NaN.

    As `training.measures.replicate`, with the bounds of the windows around thresholds as bounds of cells, so that
    nobody near a threshold is counted away from it.
    """
    near = [threshold for wanted, threshold in columns if wanted is CALIBRATION and threshold is not None]
    bounds = [bound for threshold in near for bound in window(threshold)]
    return replicate(risk, followup, horizon, columns, resampling, bounds)[1]


def behind(risk: Floats, followup: FollowUp, horizon: float, column: Column) -> int:
    """Return the number of people in the smallest group behind a measure: near the threshold, for `CALIBRATION`.

    0 where there are fewer than `MINIMUM_EVENTS` events there, so that the measure has no value.
    """
    wanted, threshold = column
    if wanted is not CALIBRATION or threshold is None:
        return smallest_cell(risk, followup, horizon, column)
    low, high = window(threshold)
    near = (risk >= low) & (risk < high)
    had_event = close(followup, horizon).cause == EVENT
    events, others = int((near & had_event).sum()), int((near & ~had_event).sum())
    return min(events, others) if events >= MINIMUM_EVENTS else 0

"""Which model is best, by a rule declared before looking, and whether the difference is more than chance."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from features.outcome import EVENT, FollowUp
from training.measures import MEASURES, Estimate, difference, estimate
from training.splits import Positions
from training.survival import Floats, close


@dataclass(frozen=True)
class Rule:
    """How the best model is chosen: among those that are calibrated, the best by one measure.

    Parameters
    ----------
    measure
        By which they are ranked, without a threshold. The index of prediction accuracy is proper: no model gains by
        giving other risks than it believes.
    tolerances
        By measure, the interval the value must lie in for a model to be eligible.
    models
        Which models are ranked; all of them if empty. They are compared on the rows that all of these score: a model
        that answers few people leaves few rows to the others.

    Raises
    ------
    ValueError
        If a measure is unknown, the ranking one has no better side, or a tolerance is empty.
    """

    measure: str = "ipa"
    tolerances: Mapping[str, tuple[float, float]] = field(
        default_factory=lambda: {"observed_expected": (0.8, 1.25), "calibration_slope": (0.8, 1.2)}
    )
    models: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        faults = [f"unknown measure {name!r}" for name in (self.measure, *self.tolerances) if name not in MEASURES]
        if self.measure in MEASURES and MEASURES[self.measure].better not in ("higher", "lower"):
            faults.append(f"{self.measure!r} has no better side: rank by another measure")
        faults += [f"tolerance of {name!r} is empty" for name, (low, high) in self.tolerances.items() if low > high]
        if faults:
            raise ValueError("; ".join(faults))


@dataclass(frozen=True)
class Ranked:
    """One model in the ranking.

    Parameters
    ----------
    model
        Its name.
    estimate
        The measure of the rule, on the rows that all models score.
    outside
        Measures whose tolerance it leaves there, or has no value for: it is eligible when there is none.
    behind
        The best model's measure less this one's, on the same rows and the same replicates; None for the best.
    """

    model: str
    estimate: Estimate
    outside: tuple[str, ...]
    behind: Estimate | None


@dataclass(frozen=True)
class Ranking:
    """The models in order, eligible ones first.

    Parameters
    ----------
    measure, tolerances
        The rule.
    models
        From best to worst.
    best
        Name of the first eligible one; None when none is.
    real
        Whether it is better than the second eligible one by more than chance: the interval of their difference does
        not hold 0. None when there is no other, or no interval. The best was picked after looking at all, so an
        interval that barely leaves 0 out is no proof.
    """

    measure: str
    tolerances: dict[str, tuple[float, float]]
    models: tuple[Ranked, ...]
    best: str | None
    real: bool | None


def rank(
    risks: Mapping[str, Floats],
    rows: Positions,
    followup: FollowUp,
    horizon: float,
    clusters: npt.NDArray[np.generic],
    rule: Rule,
    resamples: int = 200,
    seed: int = 0,
) -> Ranking:
    """Rank models on the same rows.

    Parameters
    ----------
    risks
        By model, risks of all rows.
    rows
        Positions of the rows that all of them score.
    followup, clusters
        Follow-up and practice of all rows.
    horizon, resamples, seed
        As for `training.measures.estimate`.
    rule
        The rule.
    """
    where = (followup[rows], horizon, clusters[rows], (), resamples, seed)
    events = int((close(followup[rows], horizon).cause == EVENT).sum())
    smallest = min(events, len(rows) - events)
    wanted = (rule.measure, *rule.tolerances)
    found = {name: dict(zip(wanted, estimate(risk[rows], *where, wanted), strict=True)) for name, risk in risks.items()}
    outside = {
        name: tuple(each for each, (low, high) in rule.tolerances.items() if not low <= values[each].value <= high)
        for name, values in found.items()
    }
    sign = 1 if MEASURES[rule.measure].better == "lower" else -1

    def place(name: str) -> tuple[bool, float]:
        value = sign * found[name][rule.measure].value
        return bool(outside[name]), value if math.isfinite(value) else math.inf

    ordered = sorted(risks, key=place)
    first, eligible = ordered[0], [name for name in ordered if not outside[name]]

    def behind(name: str) -> Estimate | None:
        if name == first:
            return None
        (gap,) = difference(risks[first][rows], risks[name][rows], *where, (rule.measure,))
        return gap.suppressed(smallest)

    models = tuple(
        Ranked(name, found[name][rule.measure].suppressed(smallest), outside[name], behind(name)) for name in ordered
    )
    real = None
    if len(eligible) > 1:
        gap = next(each.behind for each in models if each.model == eligible[1])
        if gap is not None and math.isfinite(gap.low):
            real = not gap.low <= 0 <= gap.high
    tolerances = {name: (float(low), float(high)) for name, (low, high) in rule.tolerances.items()}
    return Ranking(rule.measure, tolerances, models, eligible[0] if eligible else None, real)


def without_counts(ranking: Ranking, telling: set[str]) -> Ranking:
    """Return a ranking without the counts named."""

    def hidden(found: Estimate) -> Estimate:
        return dataclasses.replace(
            found, n=None if "n" in telling else found.n, events=None if "events" in telling else found.events
        )

    return dataclasses.replace(
        ranking,
        models=tuple(
            dataclasses.replace(
                each, estimate=hidden(each.estimate), behind=None if each.behind is None else hidden(each.behind)
            )
            for each in ranking.models
        ),
    )

"""What a study is: who, what, from what, by which models, judged how."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from features.cohort import Cohort
from features.feature_set import FeatureSet
from features.outcome import Outcome
from training.card import AuthoredFields
from training.curves import DECISION_RANGE
from training.models import RiskModel
from training.scales import Scale
from training.splits import InternalExternal, Split
from training.validate import Robustness, Rule
from training.values import Bilingual


@dataclass(frozen=True)
class Study:
    """A question, and everything that fixes how it is answered.

    Parameters
    ----------
    name, title
        Identifier, and what readers see.
    cohort, outcome
        Who is looked at and when; what is predicted.
    features
        What the candidate reads, and every learned model that is not said to read something else.
    read
        All that any model reads; it holds every one of ``features``.
    required
        Conditions without which no score is given in use.
    models
        Makes every model compared, from a seed: published ones, rules and learned ones.
    candidate
        The learned model a card is drawn up for, chosen beforehand.
    comparator
        The published model, or the rule, that the others are compared with.
    scale
        How a probability is put into words.
    sensitive, bands
        Groups the audit compares; where a number is one, the bounds it is cut at.
    thresholds
        Risks at which something would be done.
    decision_range
        Thresholds of the decision curves: around those at which something would be done.
    tolerances
        By measure, the interval a group's value should lie in.
    splits
        How people are held out: what the evidence rests on.
    also
        Other ways to hold people out, in which candidate and comparator are judged beside.
    rule
        How the best model is chosen.
    robustness
        Which models are fitted many times more, to see how much they depend on whom they learned from.
    clusters
        Column of the index whose values are resampled together.
    authored
        The part of the card that people write.
    setting
        Where the data come from.
    purpose
        What the data are used for, of `features.purpose.PURPOSES`.
    """

    name: str
    title: Bilingual
    cohort: Cohort
    outcome: Outcome
    features: FeatureSet
    read: FeatureSet
    required: FeatureSet
    models: Callable[[int], Sequence[RiskModel]]
    candidate: str
    comparator: str
    scale: Scale
    sensitive: FeatureSet
    bands: Mapping[str, tuple[float, ...]]
    thresholds: tuple[float, ...]
    tolerances: Mapping[str, tuple[float, float]]
    splits: InternalExternal
    clusters: str
    authored: AuthoredFields
    setting: Bilingual
    purpose: str = "research"
    decision_range: tuple[float, ...] = DECISION_RANGE
    also: tuple[Split, ...] = ()
    rule: Rule = field(default_factory=Rule)
    robustness: Robustness | None = None

    def __post_init__(self) -> None:
        differing = [name for name in self.features if self.features[name] != self.read.get(name)]
        if differing:
            raise ValueError(f"study {self.name!r}: `read` has not the same definition of {', '.join(differing)}")

    def to_dict(self) -> dict[str, Any]:
        """Return the definition as JSON types, for digests and MLflow."""
        return {
            "name": self.name,
            "purpose": self.purpose,
            "cohort": self.cohort.to_dict(),
            "outcome": self.outcome.to_dict(),
            "features": self.features.to_dict(),
            "read": self.read.to_dict(),
            "required": self.required.to_dict(),
            "candidate": self.candidate,
            "comparator": self.comparator,
            "scale": self.scale.to_dict(),
            "sensitive": self.sensitive.to_dict(),
            "bands": {name: list(bounds) for name, bounds in self.bands.items()},
            "thresholds": list(self.thresholds),
            "decision_range": list(self.decision_range),
            "tolerances": {name: list(bounds) for name, bounds in self.tolerances.items()},
            "splits": self.splits.describe(),
            "also": [split.describe() for split in self.also],
            "rule": dataclasses.asdict(self.rule),
            "robustness": None if self.robustness is None else dataclasses.asdict(self.robustness),
            "clusters": self.clusters,
        }

    def groups(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the audit's groups from the values of `sensitive`: text labels, missing where unknown."""
        return pd.DataFrame(
            {
                name: _labels(column, self.bands.get(str(name)), self.sensitive[str(name)].is_condition)
                for name, column in frame.items()
            },
            index=frame.index,
        )


def _labels(column: pd.Series[Any], bounds: tuple[float, ...] | None, is_condition: bool) -> pd.Series[Any]:
    if is_condition:
        return column.map({0: "no", 1: "yes"}).astype(object)
    if bounds is not None:
        names = [f"{low:g}–{high - 1:g}" for low, high in itertools.pairwise(bounds)]
        return pd.cut(column, list(bounds), right=False, labels=names).astype(object)
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype(object)
    return column.map("{:g}".format, na_action="ignore").astype(object)

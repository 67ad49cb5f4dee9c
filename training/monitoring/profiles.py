"""The reference: how the people a model was learned from were distributed, in counts that may be published."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.feature_set import FeatureSet
from features.privacy import SMALLEST_COUNT, mask
from training.monitoring.bins import Bins
from training.monitoring.statistics import design_effect, mean_and_error
from training.monitoring.tallies import ANY, Key, Seen, Tally
from training.tree import JsonTree

if TYPE_CHECKING:
    from training.studies import Study

DECIMALS: Final = 4
UNMET: Final = ("met", "unmet")


@dataclass(frozen=True)
class Profile:
    """How one thing is distributed.

    Parameters
    ----------
    name, fr, en
        What it is.
    edges, labels
        Its bins (`Bins`).
    shares
        Share of people in each bin, what is missing last, to four decimals. A bin of 1 to 10 people counts as empty.
    n
        People counted, rounded with the shares: at least 11.
    clusters
        Practices they are in.
    design_effect
        How many times more the shares vary between practices than chance makes them; NaN with one practice.
    """

    name: str
    fr: str
    en: str
    edges: tuple[float, ...]
    labels: tuple[str, ...]
    shares: tuple[float, ...]
    n: int
    clusters: int
    design_effect: float

    @property
    def bins(self) -> Bins:
        """The bins."""
        return Bins(self.edges, self.labels)

    @property
    def counts(self) -> npt.NDArray[np.float64]:
        """People in each bin, as far as the shares tell."""
        return np.asarray(self.shares) * self.n


@dataclass(frozen=True)
class Mean:
    """The mean risk of people who were given one.

    Parameters
    ----------
    attribute, group
        Which people; both empty for everybody.
    value, error
        Mean, and its standard error over practices; NaN where fewer than 11 people are behind it.
    clusters
        Practices they are in.
    """

    attribute: str
    group: str
    value: float
    error: float
    clusters: int


@dataclass(frozen=True)
class GroupShares:
    """A share in each group of an attribute: of people abstained from, or of whom a feature is missing.

    Parameters
    ----------
    of
        The feature, or ``"abstention"``.
    attribute
        What groups people.
    shares
        By group, NaN where it would tell of fewer than 11 people.
    """

    of: str
    attribute: str
    shares: dict[str, float]


@dataclass(frozen=True)
class Reference(JsonTree):
    """How the people a model was learned from were distributed.

    Parameters
    ----------
    study
        Name of the study.
    features, score, groups, abstentions
        Distributions: of each input, of the risk, over the groups of each attribute, and of each condition of a score.
    risks
        Mean risk of everybody, then by group.
    by_group
        Who is abstained from, and of whom inputs are missing, by group.
    """

    study: str
    features: tuple[Profile, ...]
    score: Profile
    groups: tuple[Profile, ...]
    abstentions: tuple[Profile, ...]
    risks: tuple[Mean, ...]
    by_group: tuple[GroupShares, ...]

    @property
    def bins(self) -> dict[Key, Bins]:
        """How each thing is counted."""
        return {
            ("score", "risk"): self.score.bins,
            **{("feature", profile.name): profile.bins for profile in self.features},
            **{("group", profile.name): profile.bins for profile in self.groups},
        }


def reference(study: Study, seen: Seen) -> Reference:
    """Return the reference that people seen in training make.

    Parameters
    ----------
    study
        The study they are in; its definitions give the labels.
    seen
        People of the training population. Their risks are those of held-out people, not of people learned from, and NaN
        where a condition is not met.

    Raises
    ------
    ValueError
        If fewer than 11 people were given a risk.
    """
    scored = int((~np.isnan(seen.risk)).sum())
    if scored < SMALLEST_COUNT:
        raise ValueError(
            f"{study.name}: fewer than {SMALLEST_COUNT} people were given a risk: there is nothing to compare with"
        )
    bins = {
        ("score", "risk"): Bins.learn(pd.Series(seen.risk)),
        **{("feature", str(name)): Bins.learn(column) for name, column in seen.features.items()},
        **{("group", str(name)): Bins.learn(column) for name, column in seen.groups.items()},
    }
    tally = Tally(bins)
    tally.add(seen)

    def profile(key: Key, fr: str, en: str, made: Bins) -> Profile:
        return _profile(key[1], fr, en, made, tally.counts(key))

    def labelled(kind: str, names: Iterable[Any], labels: FeatureSet) -> tuple[Profile, ...]:
        return tuple(profile((kind, n), labels[n].fr, labels[n].en, bins[kind, n]) for n in map(str, names))

    conditions = Bins(labels=UNMET[:1])  # what is unmet stands where what is missing does
    abstentions = [(name, each.fr, each.en) for name, each in study.required.items()]
    return Reference(
        study.name,
        labelled("feature", seen.features, study.features),
        profile(("score", "risk"), "Risque prédit", "Predicted risk", bins["score", "risk"]),
        labelled("group", seen.groups, study.sensitive),
        tuple(
            profile(("abstention", name), fr, en, conditions)
            for name, fr, en in ((ANY, "Abstention", "Abstention"), *abstentions)
        ),
        tuple(mean_risks(tally)),
        tuple(shares_by_group(tally)),
    )


def _profile(name: str, fr: str, en: str, bins: Bins, counts: npt.NDArray[np.float64]) -> Profile:
    people = counts.sum(axis=0)
    shown = np.where(people < SMALLEST_COUNT, 0.0, people)
    shares = tuple(round(float(share), DECIMALS) for share in shown / max(shown.sum(), 1.0))
    clusters = int((counts.sum(axis=1) > 0).sum())
    effect = round(design_effect(counts), 2)
    return Profile(name, fr, en, bins.edges, bins.labels, shares, int(shown.sum()), clusters, effect)


def mean_risks(tally: Tally) -> Iterable[Mean]:
    """Yield the mean risk of everybody, then of each group of each attribute that people are known to be in."""
    for attribute in ("", *(name for kind, name in tally.bins if kind == "group")):
        sums, sizes, squares = tally.of_practices(("sum", attribute), ("scored", attribute), ("square", attribute))
        labels = tally.bins["group", attribute].labels if attribute else ("",)
        for place, label in enumerate(labels):
            mean, error = mean_and_error(sums[:, place], sizes[:, place], squares[:, place])
            enough = sizes[:, place].sum() >= SMALLEST_COUNT
            clusters = int((sizes[:, place] > 0).sum())
            nothing = (np.nan, np.nan)
            yield Mean(attribute, label, *((round(mean, 5), round(error, 6)) if enough else nothing), clusters)


def shares_by_group(tally: Tally) -> Iterable[GroupShares]:
    """Yield, by group, the share abstained from and the share of whom each input is missing."""
    attributes = [name for kind, name in tally.bins if kind == "group"]
    features = [name for kind, name in tally.bins if kind == "feature"]
    for attribute in attributes:
        whole = tally.whole(("group", attribute))
        labels = (*tally.bins["group", attribute].labels, "missing")
        for of, key in (
            ("abstention", ("abstained", attribute)),
            *((feature, ("missing", f"{feature}|{attribute}")) for feature in features),
        ):
            part = tally.whole(key)
            yield GroupShares(of, attribute, _shares(labels, part, whole))


def _shares(labels: Iterable[str], part: npt.NDArray[np.float64], whole: npt.NDArray[np.float64]) -> dict[str, float]:
    """Return the share in each group; hidden where either side is small, or could be had from the others."""
    sides = [mask([int(count) for count in side]) for side in (part, whole - part)]
    found = {}
    for place, label in enumerate(labels):
        n, few = whole[place], part[place]
        if n < SMALLEST_COUNT:
            continue
        hidden = any(side[place] is None for side in sides) and 0 < few < n
        found[label] = float("nan") if hidden else round(float(few / n), DECIMALS)
    return found

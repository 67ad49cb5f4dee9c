"""What is compared, how large a difference must be to matter, and what chance is left to be wrong about it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from scipy import stats

from features.privacy import SMALLEST_COUNT
from training.measures import Estimate, reach
from training.monitoring.profiles import Mean, Profile, Reference, mean_risks, shares_by_group
from training.monitoring.statistics import (
    Counts,
    adjusted,
    homogeneity,
    mean_and_error,
    normal_scores,
    stability_index,
    two_sided,
)
from training.monitoring.tallies import Tally

Level = Literal["none", "watch", "alert"]
LEVELS: Final[tuple[Level, ...]] = ("none", "watch", "alert")

FAMILY_WISE: Final = 0.01
"""Chance, at most, that a run raises anything where nothing changed; each of the `FAMILIES` has its part of it."""

RATIO: Final = (math.log(1.1), math.log(1.25))
POINTS: Final = (0.05, 0.10)
INDEX: Final = (0.1, 0.25)
#: From which effect a kind of difference is to be watched, and from which it raises an alert.
THRESHOLDS: Final[Mapping[str, tuple[float, float]]] = {
    "feature": INDEX,
    "score": INDEX,
    "groups": INDEX,
    "missing": POINTS,
    "abstention": POINTS,
    "mean_risk": RATIO,
    "measured_value": (0.15, 0.25),
    "measured_share": (math.log(4 / 3), math.log(2)),
    "calibration": RATIO,
    "overridden": (0.5, 0.75),
    "slow": (0.01, 0.05),
    "failed": (0.01, 0.05),
    "group_missing": POINTS,
    "group_abstention": POINTS,
    "group_risk": RATIO,
}
BY_GROUP: Final = frozenset({"group_missing", "group_abstention", "group_risk"})
LATELY: Final = frozenset({"measured_value", "measured_share"})
FAMILIES: Final = (THRESHOLDS.keys() - BY_GROUP - LATELY, LATELY, BY_GROUP)
"""Kinds whose comparisons are adjusted for being many together: a question each."""


@dataclass(frozen=True)
class Finding:
    """One comparison.

    Parameters
    ----------
    kind
        What is compared; a key of `THRESHOLDS`, which says on what scale the effect is.
    name, fr, en
        Of what: a feature, an attribute, a condition.
    attribute, group
        Among whom; empty for everybody.
    before, now
        What it was in the reference and what it is, where that is one number; NaN where it may not be shown.
    effect
        How far apart, to three decimals; NaN where nothing can be said. Where a share may not be told, because few
        people are behind it, the effect is that of the nearest share that may.
    probability
        That chance does it, all comparisons of its family taken together, to two digits.
    level
        What follows.
    """

    kind: str
    name: str
    fr: str
    en: str
    attribute: str = ""
    group: str = ""
    before: float = math.nan
    now: float = math.nan
    effect: float = math.nan
    probability: float = 1.0
    level: Level = "none"


def level_of(kind: str, effect: float, probability: float) -> Level:
    """Return the level of an effect that chance explains with a probability."""
    watch, alert = THRESHOLDS[kind]
    if not probability <= FAMILY_WISE / len(FAMILIES) or not abs(effect) >= watch:
        return "none"
    return "alert" if abs(effect) >= alert else "watch"


def judge(
    reference: Reference,
    now: Tally,
    measured: tuple[Tally, Tally] | None = None,
    others: tuple[Finding, ...] = (),
) -> tuple[Finding, ...]:
    """Return every comparison of a run, judged together.

    Parameters
    ----------
    reference
        Of the training population.
    now
        People eligible in the window.
    measured
        What was measured in the last four weeks, and in the year before these.
    others
        Findings made elsewhere (calibration, use), with probabilities that are not adjusted yet.
    """
    found = [*_against(reference, now), *(_lately(reference, *measured) if measured else ()), *others]
    for family in FAMILIES:
        places = [place for place, each in enumerate(found) if each.kind in family]
        together = adjusted([found[place].probability for place in places])
        for place, probability in zip(places, together, strict=True):
            each = found[place]
            found[place] = replace(
                each,
                effect=round(each.effect, 3),
                probability=float(f"{probability:.2g}"),  # neither so exact that a count could be worked out
                level=level_of(each.kind, each.effect, probability),
            )
    return tuple(found)


def _against(reference: Reference, now: Tally) -> Iterator[Finding]:
    """Yield comparisons with the training population."""
    profiles = [("feature", "feature", each) for each in reference.features]
    profiles += [("score", "score", reference.score)] + [("groups", "group", each) for each in reference.groups]
    for kind, counted, profile in profiles:
        yield _distribution(kind, profile, now.counts((counted, profile.name)))
    for profile in reference.features:
        yield _share("missing", profile, now.counts(("feature", profile.name)))
    for profile in reference.abstentions:
        yield _share("abstention", profile, now.counts(("abstention", profile.name)))
    means = {(mean.attribute, mean.group): mean for mean in mean_risks(now)}
    names = {profile.name: profile for profile in reference.groups}
    for before in reference.risks:
        after = means.get((before.attribute, before.group))
        if after is not None:
            about = names.get(before.attribute, reference.score)
            yield _mean("group_risk" if before.attribute else "mean_risk", about, before, after)
    yield from _in_groups(reference, now)


def _distribution(kind: str, profile: Profile, counts: Counts) -> Finding:
    """Compare a distribution by its stability index."""
    found = Finding(kind, profile.name, profile.fr, profile.en)
    if counts.sum() < SMALLEST_COUNT:
        return found
    shares = np.asarray(profile.shares)
    probability = homogeneity(shares, profile.n, profile.design_effect, counts, profile.clusters)
    return replace(found, effect=stability_index(profile.counts, counts.sum(axis=0)), probability=probability)


def _share(kind: str, profile: Profile, counts: Counts) -> Finding:
    """Compare the share in the last bin: of what is missing, or not met."""
    found = Finding(kind, profile.name, profile.fr, profile.en)
    n, part = int(counts.sum()), int(counts[:, -1].sum())
    if n < 2 * SMALLEST_COUNT:
        return found
    before, after = profile.shares[-1], _tellable(part, n) / n
    two = np.column_stack([counts[:, :-1].sum(axis=1), counts[:, -1]])
    was = np.array([1 - before, before])
    probability = homogeneity(was, profile.n, profile.design_effect, two, profile.clusters)
    now = after if _tellable(part, n) == part else math.nan
    return replace(found, before=before, now=now, effect=after - before, probability=probability)


def _tellable(part: int, whole: int) -> int:
    """Return a count, or the nearest that may be told where it, or what is left of the whole, is small."""
    nearest = min(max(part, SMALLEST_COUNT), whole - SMALLEST_COUNT)
    return part if part in (0, whole) else nearest


def _mean(kind: str, about: Profile, before: Mean, after: Mean) -> Finding:
    """Compare a mean risk."""
    found = Finding(kind, about.name, about.fr, about.en, before.attribute, before.group, before.value, after.value)
    if not before.value > 0 or not after.value > 0:
        return found
    error = math.hypot(before.error / before.value, after.error / after.value)
    effect = math.log(after.value / before.value)
    statistic = effect / error if error > 0 else math.nan
    return replace(found, effect=effect, probability=two_sided(statistic, before.clusters + after.clusters - 2))


def _in_groups(reference: Reference, now: Tally) -> Iterator[Finding]:
    """Yield the shares abstained from, and of whom inputs are missing, group by group."""
    profiles = {profile.name: profile for profile in (*reference.features, *reference.groups)}
    after = {(each.of, each.attribute): each.shares for each in shares_by_group(now)}
    for each in reference.by_group:
        people = dict(
            zip((*profiles[each.attribute].labels, "missing"), now.whole(("group", each.attribute)), strict=True)
        )
        whole = profiles[each.attribute]
        trained = dict(zip((*whole.labels, "missing"), whole.counts, strict=True))
        about = profiles.get(each.of)
        kind, fr, en = (
            ("group_missing", about.fr, about.en) if about else ("group_abstention", "Abstention", "Abstention")
        )
        effect = about.design_effect if about else reference.abstentions[0].design_effect
        for group, before in each.shares.items():
            share = after[each.of, each.attribute].get(group, math.nan)
            found = Finding(kind, each.of, fr, en, each.attribute, group, before, share)
            if math.isfinite(before) and math.isfinite(share) and trained.get(group, 0.0) > 0:
                pooled = (before * trained[group] + share * people[group]) / (trained[group] + people[group])
                error = math.sqrt(pooled * (1 - pooled) * effect * (1 / trained[group] + 1 / people[group]))
                statistic = (share - before) / error if error > 0 else math.nan
                found = replace(found, effect=share - before, probability=two_sided(statistic, whole.clusters - 1))
            yield found


def _lately(reference: Reference, now: Tally, before: Tally) -> Iterator[Finding]:
    """Yield what changed in values and frequency of measurements since the year before."""
    for profile in reference.features:
        key = ("measured", profile.name)
        if key not in now.tables or key not in before.tables:
            continue
        was, found = before.of_practices(key, key)[0], now.counts(key)
        yield _frequency(profile, was, found)
        if profile.bins.is_ordered:
            yield _shift(profile, was[:, :-1], found[:, :-1])


def _frequency(profile: Profile, was: Counts, found: Counts) -> Finding:
    """Compare the share of people who were measured."""
    base = Finding("measured_share", profile.name, profile.fr, profile.en)
    if was[:, :-1].sum() < SMALLEST_COUNT or 0 < found[:, :-1].sum() < SMALLEST_COUNT:
        return base
    measured = [counts[:, :-1].sum(axis=1) for counts in (was, found)]
    (before, one), (after, other) = (
        mean_and_error(part, counts.sum(axis=1), part) for part, counts in zip(measured, (was, found), strict=True)
    )
    # Nobody at all has no ratio: half a person stands for nobody, and the error is that of what was expected.
    n = found.sum()
    ratio = math.log(max(after, 0.5 / n) / before)
    error = math.hypot(one, max(other, math.sqrt(before * (1 - before) / n)))
    statistic = (after - before) / error if error > 0 else math.nan
    probability = two_sided(statistic, len(was) + len(found) - 2)
    return replace(base, before=before, now=after, effect=ratio, probability=probability)


def _shift(profile: Profile, was: Counts, found: Counts) -> Finding:
    """Compare values by the mean of their normal scores: a shift in standard deviations."""
    base = Finding("measured_value", profile.name, profile.fr, profile.en)
    if was.sum() < SMALLEST_COUNT or found.sum() < SMALLEST_COUNT:
        return base
    scores = normal_scores(was.sum(axis=0))
    (before, one), (after, other) = (
        mean_and_error(counts @ scores, counts.sum(axis=1), counts @ scores**2) for counts in (was, found)
    )
    error, shift = math.hypot(one, other), after - before
    practices = sum(int((counts.sum(axis=1) > 0).sum()) for counts in (was, found))
    statistic = shift / error if error > 0 else math.nan
    return replace(base, effect=shift, probability=two_sided(statistic, practices - 2))


def calibration_finding(horizon: float, estimate: Estimate, clusters: int) -> Finding:
    """Return the finding that an observed over expected ratio makes; its probability is not adjusted yet.

    Parameters
    ----------
    horizon
        Years.
    estimate
        The ratio, with an interval over practices.
    clusters
        How many practices.
    """
    an, year = ("an", "year") if horizon < 2 else ("ans", "years")
    base = Finding("calibration", f"{horizon:g}", f"à {horizon:g} {an}", f"at {horizon:g} {year}", before=1.0)
    if not (estimate.value > 0 and estimate.low > 0 and estimate.high > 0):
        return base
    effect = math.log(estimate.value)
    error = (math.log(estimate.high) - math.log(estimate.low)) / (2 * reach(clusters))
    statistic = effect / error if error > 0 else math.nan
    return replace(base, now=estimate.value, effect=effect, probability=two_sided(statistic, clusters - 1))


def share_finding(kind: str, name: str, fr: str, en: str, part: int, whole: int) -> Finding:
    """Return the finding that a share of use makes, which is judged against what is to be watched.

    The probability, not adjusted yet, is that of so many by chance (binomial) at the share that is to be watched.
    """
    base = Finding(kind, name, fr, en)
    if whole < 2 * SMALLEST_COUNT:
        return base
    usual, told = THRESHOLDS[kind][0], _tellable(part, whole)
    probability = float(stats.binom.sf(part - 1, whole, usual))
    now = part / whole if told == part else math.nan
    return replace(base, before=usual, now=now, effect=told / whole, probability=probability)


def worst(findings: tuple[Finding, ...]) -> Level:
    """Return the highest level."""
    return max((each.level for each in findings), key=LEVELS.index, default="none")

"""What is known of each concept, in the store and in each practice, as it may be shown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from features.codes import Concept
from features.privacy import SMALLEST_COUNT
from features.profile.axes import Axes
from features.profile.bins import BINS, Bins, Integers, part_of, value_of
from features.profile.disclosure import Count, Share, hide, may, row_shares, shares, short
from features.profile.sent import DOUBTFUL
from features.ticks import round_step

if TYPE_CHECKING:
    from features.profile import Profile

ConceptsOfCode = Callable[[str], tuple[int, ...]]
"""From a code to the numbers of the concepts it measures."""

QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
BARS: Final = 40
"""Bars, about, of the picture of a concept's values, which leaves out a hundredth at either end."""


class Values(NamedTuple):
    """Values of a concept: `QUANTILES`, None where too few people stand beyond; and how they are spread."""

    quantiles: list[float | None]
    bars: list[int]


class OfPractice(NamedTuple):
    """A concept in one practice."""

    label: str
    patients: Count
    ever: Share
    recent: Share
    median: float | None
    aside: float | None


class OfConcept(NamedTuple):
    """A concept in the store and in each practice."""

    concept: Concept
    patients: Count
    ever: Share
    recent: Share
    aside: float | None
    reasons: dict[str, Count]
    units: list[tuple[str, Count]]
    values: Values | None
    practices: list[OfPractice]


def of_concepts(profile: Profile) -> list[OfConcept]:
    """Return the concepts that anything is known of, in the catalogue's order."""
    axes, tally = profile.axes, profile.tally
    labels, patients = short(axes.practices), hide(tally.patients[:-1])
    of_code = _measured(axes)
    aside, doubts = _aside(profile, of_code), _doubts(profile, of_code)
    found = []
    for number, concept in enumerate(axes.concepts):
        quarantined, valued = aside[number]
        if not tally.ever[number, -1] and not quarantined.sum():
            continue
        around = [place for place, codes in enumerate(axes.covered) if axes.covered[number] < codes]
        ever = shares(tally.ever[number], tally.patients, list(tally.ever[around]))
        recent = shares(tally.recent[number], tally.active, [tally.ever[number], *tally.recent[around]])
        set_aside = row_shares(quarantined, valued)
        found.append(
            OfConcept(
                concept,
                None if ever[-1].value is None else int(tally.ever[number, -1]),
                ever[-1],
                recent[-1],
                set_aside[-1],
                *doubts[number],
                distribution(profile, number),
                [
                    OfPractice(
                        labels[place],
                        patients[place],
                        ever[place],
                        recent[place],
                        _median(profile, number, place),
                        set_aside[place],
                    )
                    for place in range(len(axes.practices))
                ],
            )
        )
    return found


def _aside(profile: Profile, of_code: ConceptsOfCode) -> list[tuple[Integers, Integers]]:
    """Return, for each concept, values quarantined and values kept, by practice and in all."""
    axes, size = profile.axes, len(profile.axes.practices) + 1
    found = [(np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)) for _ in axes.concepts]
    for table, column, which in (
        (profile.sent.quarantined, "rows", 0),
        (profile.sent.kept, "valued", 1),
    ):
        for row in table.select(["practice", "code", column]).to_pylist():
            for number in of_code(row["code"]):
                place = axes.practice.get(row["practice"])
                found[number][which][-1] += row[column]
                if place is not None:
                    found[number][which][place] += row[column]
    return found


def _measured(axes: Axes) -> ConceptsOfCode:
    """Return what finds the measured concepts of a code."""

    @cache
    def numbers(code: str) -> tuple[int, ...]:
        measured = enumerate(axes.concepts)
        return tuple(number for number, each in measured if each.unit is not None and each.covers(code))

    return numbers


def _doubts(profile: Profile, of_code: ConceptsOfCode) -> list[tuple[dict[str, Count], list[tuple[str, Count]]]]:
    """Return, for each concept, why values were set aside, and the units that could not be converted.

    The total of each reason over all concepts is shown, and that of a concept's units.
    """
    reasons = [Counter[str]() for _ in profile.axes.concepts]
    units = [Counter[str]() for _ in profile.axes.concepts]
    for row in profile.sent.quarantined.to_pylist():
        for number in of_code(row["code"]):
            reasons[number][row["fault"]] += row["rows"]
            if row["fault"] == "unit":
                units[number][row["unit"] or ""] += row["rows"]
    allowed = {reason: hide(of_concept[reason] for of_concept in reasons) for reason in DOUBTFUL}
    found = []
    for number, of_concept in enumerate(units):
        ordered = sorted(of_concept, key=lambda unit: (-of_concept[unit], unit))
        shown = zip(ordered, hide(of_concept[unit] for unit in ordered), strict=True)
        found.append(
            (
                {reason: allowed[reason][number] for reason in DOUBTFUL if reasons[number][reason]},
                [each for each in shown if each[1] is not None and allowed["unit"][number] is not None],
            )
        )
    return found


def _bins(profile: Profile, number: int, place: int | None = None) -> Bins:
    """Return the values of a concept by bin, in a practice or in all."""
    practices = len(profile.axes.practices)
    first = number * practices + (place or 0)
    last = first + (practices if place is None else 1)
    bins = profile.tally.values.between(first * BINS, last * BINS)
    return Bins.summed(bins.keys % BINS, bins.counts)


def distribution(profile: Profile, number: int) -> Values | None:
    """Return the values of a concept in the store; None where it has too few."""
    concept, people = profile.axes.concepts[number], int(profile.tally.ever[number, -1])
    if concept.plausible is None or not may(0.5, people):
        return None
    bins = _bins(profile, number)
    quantiles = [value_of(concept, bins.quantile(q)) if may(q, people) else None for q in QUANTILES]
    return Values(quantiles, _bars(concept, bins) if may(0.05, people) else [])


def _bars(concept: Concept, bins: Bins) -> list[int]:
    """Return how many values there are from one round number to the next, none where there are few."""
    low, high = (value_of(concept, bins.quantile(share)) for share in (0.01, 0.99))
    step = round_step((high - low) / BARS)
    edges = step * np.arange(math.floor(low / step), math.floor(high / step) + 2)
    # A hair more, because round numbers are not round in binary and values stand on them.
    places = np.clip(np.floor(part_of(concept, edges + step * 1e-6)), 0, BINS).astype(int)
    bars = [int(bins.between(*pair).counts.sum()) for pair in pairwise(places.tolist())]
    return [many if many >= SMALLEST_COUNT else 0 for many in bars]


def _median(profile: Profile, number: int, place: int) -> float | None:
    concept = profile.axes.concepts[number]
    if concept.plausible is None or not may(0.5, int(profile.tally.ever[number, place])):
        return None
    return value_of(concept, _bins(profile, number, place).quantile(0.5))

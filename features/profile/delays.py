"""Delays until a fact is known, by code system and by source, as they may be shown."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.privacy import mask
from features.profile.bins import Bins, Integers
from features.profile.disclosure import hide, may
from features.profile.tally import DELAYS, LONGEST

if TYPE_CHECKING:
    from features.profile import Profile


class Spread(NamedTuple):
    """Delays of a group: its share of facts, median and ninth decile in days, share of each class; None is hidden."""

    label: str
    share: float | None
    median: int | None
    ninth: int | None
    classes: list[float | None]


def delays_by_system(profile: Profile) -> list[Spread]:
    """Return the delays by code system, the most frequent first."""
    size = len(profile.axes.practices) * (LONGEST + 1)
    bins = [profile.tally.delays.between(s * size, (s + 1) * size) for s in range(len(profile.axes.systems))]
    return _spreads(profile, profile.axes.systems, bins, profile.tally.delay_patients)


def delays_by_source(profile: Profile) -> list[Spread]:
    """Return the delays by source, for practices that are of it; sources are those deliveries name."""
    names, bins, people = [], [], []
    practice = profile.tally.delays.keys // (LONGEST + 1) % max(len(profile.axes.practices), 1)
    for name, practices in profile.sent.sources.items():
        places = [place for place, each in enumerate(profile.axes.practices) if each in practices]
        chosen = np.isin(practice, places)
        names.append(name)
        bins.append(Bins(profile.tally.delays.keys[chosen], profile.tally.delays.counts[chosen]))
        # Patients of several practices count once: no fewer than in the largest one.
        of_class = profile.tally.practice_delay_patients[places]
        people.append(of_class.max(axis=0) if len(places) else np.zeros(len(DELAYS), dtype=np.int64))
    return _spreads(profile, names, bins, np.reshape(people, (len(names), len(DELAYS))))


def _spreads(profile: Profile, names: Sequence[str], bins: Sequence[Bins], people: Integers) -> list[Spread]:
    """Return the delays of groups; ``people`` is a number of patients there are at least, by class."""
    every = int(profile.tally.delays.counts.sum())
    at_least = people.max(axis=1) if len(people) else np.empty(0, dtype=np.int64)
    kept = mask(at_least.tolist())
    found = []
    for name, each, of_class, many, shown in zip(names, bins, people, at_least, kept, strict=True):
        if shown is None:
            found.append(Spread(name, None, None, None, []))
            continue
        together = Bins.summed(each.keys % (LONGEST + 1), each.counts)
        total = int(together.counts.sum())
        edges = [*DELAYS, LONGEST + 1]
        counts = [int(together.between(*pair).counts.sum()) for pair in pairwise(edges)]
        found.append(
            Spread(
                name,
                total / every,
                together.quantile(0.5) if may(0.5, many) else None,
                together.quantile(0.9) if may(0.9, many) else None,
                [None if who is None else count / total for count, who in zip(counts, hide(of_class), strict=True)],
            )
        )
    return sorted(found, key=lambda spread: (-(spread.share or 0.0), spread.label))

"""The figures of the page, as they may be shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from features.privacy import SMALLEST_COUNT
from features.profile.axes import HISTORY
from features.profile.concepts import OfConcept, of_concepts
from features.profile.delays import Spread, delays_by_source, delays_by_system
from features.profile.disclosure import Count, hide, row_shares, shares, short
from features.profile.months import Break, beginning, breaks, runs_by_level
from features.profile.tally import DATED, ODD

if TYPE_CHECKING:
    from features.profile import Profile

DELIVERED: Final = ("rows", "refused", "quarantined")
CODES_SHOWN: Final = 40
WORST_SHOWN: Final = 3


class Strip(NamedTuple):
    """A practice month by month: for each level, which months have it, as (first, how many)."""

    label: str
    usual: Count
    runs: dict[str, list[tuple[int, int]]]


class Odd(NamedTuple):
    """A kind of odd records or patients, and the practices that have the largest share of such patients."""

    kind: str
    facts: Count
    patients: Count
    worst: list[tuple[str, float]]


class Page:
    """A profile as it may be shown: every count that leaves this class went through `features.profile.disclosure`."""

    def __init__(self, profile: Profile) -> None:
        self.profile, self.axes, self.tally = profile, profile.axes, profile.tally
        self.P = len(self.axes.practices)
        self.labels = short(self.axes.practices)

    # What there is in all

    @cached_property
    def headline(self) -> dict[str, Count]:
        """Patients, active patients, facts (``about``, where they are to a hundred), facts taken back."""
        tally = self.tally
        people, inactive = tally.patients[-1], tally.patients[-1] - tally.active[-1]
        active = None if 0 < inactive < SMALLEST_COUNT else hide([tally.active[-1]])[0]
        # Rows kept are facts, facts taken back and what was sent again or takes back: their total is shown.
        rows = self.delivered["rows"] or 0
        facts, back, _ = hide([tally.facts[-1], tally.merged[-1] - tally.facts[-1], rows - int(tally.merged[-1])])
        about = round(int(tally.facts[-1]), -2) if facts is None and tally.facts[-1] >= 1_000 else None
        if 0 < people < SMALLEST_COUNT:
            facts = about = back = None
        return {"patients": hide([people])[0], "active": active, "facts": facts, "about": about, "taken_back": back}

    @cached_property
    def window(self) -> tuple[int, int] | None:
        """From the `beginning` to the last month with 11 patients or more, None if there is none."""
        people = self.tally.month_patients[-1]
        begun = beginning(self.tally.month_facts[-1], people)
        return None if begun is None else (begun, int(np.flatnonzero(people >= SMALLEST_COUNT)[-1]))

    def month(self, place: int) -> tuple[int, int]:
        """Return the year and the month of a position among the ``HISTORY`` months."""
        months = self.axes.last_month - HISTORY + 1 + place
        return 1970 + months // 12, months % 12 + 1

    # Deliveries

    @cached_property
    def deliveries(self) -> list[dict[str, Any]]:
        """Name, day, source and counts of each delivery, the latest first."""
        entries = self.profile.deliveries
        columns = {key: hide(_rows(entry[key]) for entry in entries) for key in DELIVERED}
        return [
            {
                "name": entry["name"],
                "day": datetime.fromisoformat(entry["delivered_at"]),
                "source": entry["about"].get("source"),
                **{key: columns[key][place] for key in DELIVERED},
            }
            for place, entry in enumerate(entries)
        ][::-1]

    @cached_property
    def delivered(self) -> dict[str, Count]:
        """Counts of all deliveries together."""
        return {key: hide([sum(_rows(entry[key]) for entry in self.profile.deliveries)])[0] for key in DELIVERED}

    def reasons(self, kind: str) -> list[tuple[str, Count]]:
        """Return rows refused, or quarantined, by reason, the most frequent first."""
        many = sum((Counter(entry[kind]) for entry in self.profile.deliveries), Counter[str]())
        ordered = sorted(many, key=lambda reason: (-many[reason], reason))
        return list(zip(ordered, hide(many[reason] for reason in ordered), strict=True))

    @cached_property
    def rules(self) -> list[tuple[str, str]]:
        """How each source decides when a fact became known."""
        about = [entry["about"] for entry in self.profile.deliveries if "known_at" in entry["about"]]
        return sorted({(str(each.get("source", "")), str(each["known_at"])) for each in about})

    # Months

    def monthly(self) -> list[Count]:
        """Return the facts of each month of the window, hidden where they are of few people."""
        assert self.window is not None
        first, last = self.window
        facts, people = self.tally.month_facts[-1, first : last + 1], self.tally.month_patients[-1, first : last + 1]
        return [int(many) if who >= SMALLEST_COUNT else None for many, who in zip(facts, people, strict=True)]

    @cached_property
    def strips(self) -> list[Strip]:
        """Practices month by month, by label."""
        assert self.window is not None
        first, last = self.window
        found = []
        for place in range(self.P):
            facts = self.tally.month_facts[place, first : last + 1]
            people = self.tally.month_patients[place, first : last + 1]
            enough = people >= SMALLEST_COUNT
            usual = hide([np.median(facts[enough])])[0] if enough.any() else None
            found.append(Strip(self.labels[place], usual, runs_by_level(facts, people)))
        return found

    @cached_property
    def breaks(self) -> list[tuple[str, Break]]:
        """Gaps and drops of all practices, the longest first."""
        since = self.window[0] if self.window else 0
        found = [
            (self.labels[place], each)
            for place in range(self.P)
            for each in breaks(self.tally.month_facts[place], self.tally.month_patients[place], since)
        ]
        return sorted(found, key=lambda each: (each[1].first - each[1].last, each[1].kind == "drop", each))

    # Delays and concepts

    @cached_property
    def delays(self) -> list[Spread]:
        """Delays by code system, the most frequent first."""
        return delays_by_system(self.profile)

    @cached_property
    def delays_by_source(self) -> list[Spread]:
        """Delays by source."""
        return delays_by_source(self.profile)

    @cached_property
    def concepts(self) -> list[OfConcept]:
        """Concepts that anything is known of, in the catalogue's order."""
        return of_concepts(self.profile)

    # Codes

    @cached_property
    def unmapped(self) -> dict[str, Any]:
        """Codes that no concept covers, the most frequent first, and what is left of them."""
        mapped = frozenset().union(*self.axes.covered)
        places = [place for place, code in enumerate(self.axes.codes) if code not in mapped]
        people = self.tally.code_patients[places]
        facts = self.tally.code_facts[places]
        order = sorted(
            np.flatnonzero(people >= SMALLEST_COUNT).tolist(),
            key=lambda each: (-facts[each], self.axes.codes[places[each]]),
        )[:CODES_SHOWN]
        total = int(facts.sum())
        others = hide([total - int(facts[order].sum())])[0]
        return {
            "rows": [(self.axes.codes[places[each]], int(facts[each]), int(people[each])) for each in order],
            "others": len(places) - len(order),
            "other_facts": others,
            "facts": hide([total])[0] if others is not None else None,
            "share": total / int(self.tally.facts[-1]) if total >= SMALLEST_COUNT else None,
        }

    # What cannot be

    @cached_property
    def odd(self) -> dict[str, Odd]:
        """Odd records and patients, by kind."""
        found = {}
        for number, kind in enumerate(ODD):
            people, everybody = self.tally.odd_patients[number], self.tally.patients
            each = shares(people, everybody)
            patients = hide(people[-1:])[0]
            of_kind = self.tally.odd_facts[number, -1:] if kind in DATED and patients is not None else None
            facts = None if of_kind is None else hide(of_kind)[0]
            found[kind] = Odd(kind, facts, patients, self._worst(share.value for share in each[:-1]))
        return found

    @cached_property
    def repeated(self) -> tuple[Count, float | None, list[tuple[str, float]]]:
        """Rows that were sent again: how many, which share of all rows, and where the share is largest."""
        rows = np.zeros(self.P + 1, dtype=np.int64)
        for row in self.profile.sent.kept.select(["practice", "rows"]).to_pylist():
            rows[self.axes.practice[row["practice"]]] += row["rows"]
        rows[-1] = rows[:-1].sum()
        again = row_shares(rows - self.tally.merged, self.tally.merged)
        return hide(rows[-1:] - self.tally.merged[-1:])[0], again[-1], self._worst(again[:-1])

    def _worst(self, of_practices: Iterable[float | None]) -> list[tuple[str, float]]:
        """Return the practices with the largest shares, as they may be shown, and these."""
        ranked = sorted((-(share or 0.0), label) for share, label in zip(of_practices, self.labels, strict=True))
        return [(label, -share) for share, label in ranked[:WORST_SHOWN] if share < 0]


def _rows(counts: int | Mapping[str, int]) -> int:
    return counts if isinstance(counts, int) else sum(counts.values())

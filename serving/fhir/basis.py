"""Which records an answer rests on: those that the features took their values from.

Of the latest or the first, the one record; of counts, means, slopes and all else, every record in the window; and the
events that bound a window. A history of these records alone gives the same values.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from features.codes import Concept
from features.feature_set import FeatureSet
from features.language import LEAVES, Age, Aggregate, Covered, Elapsed, Followed, Leaf, Selection, walk
from features.language.plan import Plan, selection_of
from features.records import History

#: When a record happened and was known, its size, and its place in the history: entries sort in the language's order.
Entry = tuple[datetime, datetime, float, int]
COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def taken(features: FeatureSet, history: History, as_of: datetime) -> dict[int, tuple[Concept, ...]]:
    """Return the places in a history of the records that features rest on, and what each was looked at for.

    Parameters
    ----------
    features
        What is computed.
    history
        One patient's records.
    as_of
        Naive UTC.
    """
    seen = _Seen(features.plan, history, as_of)
    found: dict[int, dict[Concept, None]] = {}
    for leaf in dict.fromkeys(leaf for feature in features.values() for leaf in walk(feature.node)):
        if isinstance(leaf, LEAVES):
            for place, concept in seen.taken(leaf):
                found.setdefault(place, {})[concept] = None
    return {place: tuple(found[place]) for place in sorted(found)}


class _Seen:
    """What is known of one patient before one moment."""

    def __init__(self, plan: Plan, history: History, as_of: datetime) -> None:
        self.as_of = as_of
        self._entries: dict[Concept, list[Entry]] = {concept: [] for concept in plan.concepts}
        for place, record in enumerate(history.records):
            is_known = record.happened_at < as_of and record.known_at < as_of
            if is_known and (record.retracted_at is None or record.retracted_at >= as_of):
                for concept, category in plan.reading(record.code):
                    size = category if category is not None else math.inf if record.value is None else record.value
                    entry = (record.happened_at, record.known_at, size, place)
                    self._entries[plan.concepts[concept]].append(entry)
        for entries in self._entries.values():
            entries.sort()

    def taken(self, leaf: Leaf) -> Iterator[tuple[int, Concept]]:
        """Yield the places of the records a leaf takes, each with what it is looked at for."""
        selection = selection_of(leaf)
        # What happened before a window may still cover it.
        entries = self._selected(selection.at_any_time if isinstance(leaf, Covered) else selection)
        if isinstance(leaf, Age):
            entries = entries[-1:]
        elif isinstance(leaf, Aggregate | Elapsed) and (which := _which(leaf)) and leaf.nth == 1:
            entries = entries[-1:] if which == "latest" else entries[:1]
        for entry in entries:
            yield entry[-1], selection.concept
        if isinstance(leaf, Followed):
            for entry in self._entries[leaf.by]:
                yield entry[-1], leaf.by
        for event in selection.events:
            yield from self.taken(event)

    def _selected(self, selection: Selection) -> list[Entry]:
        """Return the records of a selection, in order."""
        start, end = self._bounds(selection)
        return [
            entry
            for entry in self._entries[selection.concept]
            if start <= entry[0] < end
            and not ((selection.valued or selection.where) and entry[2] == math.inf)
            and all(self._meets(entry[2], *criterion, selection.concept) for criterion in selection.where)
        ]

    @staticmethod
    def _meets(size: float, comparator: str, wanted: float | str, concept: Concept) -> bool:
        return COMPARE[comparator](size, concept.category_names.index(wanted) if isinstance(wanted, str) else wanted)

    def _bounds(self, selection: Selection) -> tuple[datetime, datetime]:
        """Return where a window begins and ends; one that is empty where an event that bounds it is not there."""
        start = datetime.min if selection.within is None else self._ago(selection.within)
        end = self._ago(selection.until)
        if selection.since is not None:
            start = max(start, self._moment(selection.since) or datetime.max)
        if selection.before is not None:
            end = min(end, self._moment(selection.before) or datetime.min)
        return start, end

    def _moment(self, event: Aggregate) -> datetime | None:
        """Return when the record that an event is happened."""
        entries = self._selected(selection_of(event))
        if event.nth > len(entries):
            return None
        return entries[-event.nth if event.statistic == "latest" else event.nth - 1][0]

    def _ago(self, microseconds: int) -> datetime:
        try:
            return self.as_of - timedelta(microseconds=microseconds)
        except OverflowError:
            return datetime.min


def _which(leaf: Aggregate | Elapsed) -> str | None:
    """Return whether a leaf takes the latest or the first record, None where it takes all."""
    which = leaf.which if isinstance(leaf, Elapsed) else leaf.statistic
    return which if which in ("latest", "first") else None

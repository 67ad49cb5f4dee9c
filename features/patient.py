"""Evaluator 1: one history, plain Python. It is used in the consultation, and it is the one that is obviously right."""

from __future__ import annotations

import math
import operator
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Literal

from features.codes import Concept
from features.language import (
    DAY,
    LEAVES,
    LONGEST,
    YEAR,
    Age,
    Aggregate,
    Arithmetic,
    Band,
    Category,
    Choice,
    Comparison,
    Constant,
    Covered,
    Elapsed,
    Extreme,
    Followed,
    Is,
    Leaf,
    Logic,
    Missing,
    Node,
    Not,
    Selection,
)
from features.language.plan import Plan, Step, selection_of
from features.records import History

Value = float | None  # a condition is 1.0 or 0.0, a category its position; None is missing
#: A record as seen for one concept: when it happened, when it was known, its size, its place in the history. The size
#: is its value, infinite where it has none, or the place of its category; entries sort in the language's order.
Entry = tuple[datetime, datetime, float, int]

EARLIEST: Final = datetime.min
MICROSECOND: Final = timedelta(microseconds=1)


def evaluate(node: Node, history: History, as_of: datetime) -> Value:
    """Return the value of one expression for one patient, from what was known before ``as_of``."""
    return Evaluator([node])(history, as_of)[0]


def evaluate_all(nodes: Iterable[Node], history: History, as_of: datetime) -> list[Value]:
    """Return the values of several expressions for one patient. For many patients keep an `Evaluator`."""
    return Evaluator(nodes)(history, as_of)


class Evaluator:
    """Expressions made ready to be evaluated for one patient after another; calling it gives their values.

    Parameters
    ----------
    nodes
        Expressions. What they share is computed once.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        plan = Plan.of(nodes)
        ready = _Selections(plan.concepts)
        self._steps = tuple(_step(step, ready) for step in plan.steps)
        self._selections = tuple(ready.finding)
        self._limits = tuple(ready.limits)
        self._outputs = plan.outputs
        leaves = (step.node for step in plan.steps if isinstance(step.node, LEAVES))
        self._taking = tuple(dict.fromkeys(taking for leaf in leaves for taking in _takings(leaf, ready)))
        self._concepts, self._reading = len(plan.concepts), plan.reading

    def __call__(self, history: History, as_of: datetime) -> list[Value]:
        """Return the value of each expression, in order, from what was known strictly before ``as_of``."""
        seen = self._look(history, as_of)
        values: list[Value] = []
        for step in self._steps:
            values.append(step(seen, values))
        return [values[output] for output in self._outputs]

    def taken(self, history: History, as_of: datetime) -> dict[int, tuple[Concept, ...]]:
        """Return the places in a history of the records that the values rest on, and what each was looked at for.

        Of the latest or the first it is the one record; of counts, means, slopes and all else every record in the
        window; and the events that bound a window. A history of these records alone gives the same values.
        """
        seen = self._look(history, as_of)
        found: dict[int, dict[Concept, None]] = {}
        for taking in self._taking:
            for entry in taking.of(seen):
                found.setdefault(entry[-1], {})[taking.concept] = None
        return {place: tuple(found[place]) for place in sorted(found)}

    def _look(self, history: History, as_of: datetime) -> _Seen:
        """Return what is seen of a history, sorted by selection."""
        ago = {limit: _before(as_of, limit) for limit in self._limits}
        seen = _Seen(as_of, ago, self._entries(history, as_of))
        for find in self._selections:
            seen.records.append(find(seen))
        return seen

    def _entries(self, history: History, as_of: datetime) -> list[list[Entry]]:
        """Return, by concept, what had happened, was known and not taken back: all else starts here."""
        entries: list[list[Entry]] = [[] for _ in range(self._concepts)]
        reading = self._reading
        for place, record in enumerate(history.records):
            about = reading(record.code)
            if not about:
                continue
            happened_at, known_at, retracted_at = record.happened_at, record.known_at, record.retracted_at
            if happened_at < as_of and known_at < as_of and (retracted_at is None or retracted_at >= as_of):
                for concept, size in about:
                    if size is None:
                        value = record.value
                        size = math.inf if value is None or not math.isfinite(value) else value + 0.0
                    entries[concept].append((happened_at, known_at, size, place))
        for found in entries:
            found.sort()
        return entries


class _Seen:
    """What is known of one patient before one moment.

    Attributes
    ----------
    as_of
        The moment.
    ago
        The moments so many microseconds before it.
    entries
        Records by concept, in the language's order.
    records
        Records by selection, of the selections looked at so far.
    """

    __slots__ = ("ago", "as_of", "entries", "records")

    def __init__(self, as_of: datetime, ago: dict[int, datetime], entries: list[list[Entry]]) -> None:
        self.as_of, self.ago, self.entries = as_of, ago, entries
        self.records: list[list[Entry]] = []


@dataclass(frozen=True, eq=False, slots=True)
class _Event:
    """The nth latest or first of the records of a selection, by its place."""

    selection: int
    which: str
    nth: int

    def of(self, seen: _Seen) -> Entry | None:
        """Return the record that the event is."""
        records = seen.records[self.selection]
        if self.nth > len(records):
            return None
        return records[-self.nth] if self.which == "latest" else records[self.nth - 1]


@dataclass(frozen=True, eq=False, slots=True)
class _Window:
    """A selection made ready: its place, that of the same records at any time, and what bounds it."""

    place: int
    stream: int
    within: int | None
    until: int
    since: _Event | None
    before: _Event | None

    def bounds(self, seen: _Seen) -> tuple[datetime | None, datetime] | None:
        """Return where it begins (None: nowhere) and ends; None where an event that bounds it is not there."""
        start = None if self.within is None else seen.ago[self.within]
        end = seen.ago[self.until] if self.until else seen.as_of
        if self.since is not None:
            entry = self.since.of(seen)
            if entry is None:
                return None
            start = entry[0] if start is None else max(start, entry[0])
        if self.before is not None:
            entry = self.before.of(seen)
            if entry is None:
                return None
            end = min(end, entry[0])
        return start, end

    def find(self, seen: _Seen) -> list[Entry]:
        """Return the records in the window, in the language's order."""
        records = seen.records[self.stream]
        bounds = self.bounds(seen) if records else None
        if bounds is None:
            return []
        start, end = bounds
        low = 0 if start is None else bisect_left(records, (start,))
        high = len(records) if end is seen.as_of else bisect_left(records, (end,))
        return records[low:high]


class _Selections:
    """The selections of a plan, made ready each once and before those that are parts of it.

    Attributes
    ----------
    finding
        What finds the records of each.
    limits
        The lengths of time that bound them, in microseconds.
    """

    def __init__(self, concepts: Sequence[Concept]) -> None:
        self.finding: list[Callable[[_Seen], list[Entry]]] = []
        self.limits: set[int] = set()
        self._concepts = {concept: place for place, concept in enumerate(concepts)}
        self._windows: dict[Selection, _Window] = {}

    def window(self, selection: Selection) -> _Window:
        """Return a selection made ready, the same for all steps that look at the same records."""
        window = self._windows.get(selection)
        if window is None:
            window = self._windows[selection] = self._window(selection)
        return window

    def _window(self, selection: Selection) -> _Window:
        always = selection.at_any_time
        if selection == always:
            place = len(self.finding)
            self.finding.append(
                partial(_at_any_time, self._concepts[selection.concept], selection.valued, _tests(selection))
            )
            return _Window(place, place, None, 0, None, None)
        stream = self.window(always).place
        since, before = (None if event is None else self.event(event) for event in (selection.since, selection.before))
        window = _Window(len(self.finding), stream, selection.within, selection.until, since, before)
        self.limits.update(limit for limit in (selection.within, selection.until) if limit is not None)
        self.finding.append(window.find)
        return window

    def event(self, event: Aggregate) -> _Event:
        """Return an event made ready."""
        return _Event(self.window(Selection.of(event)).place, event.statistic, event.nth)


#: What a record's size must be: a comparison, and with what.
Test = tuple[Callable[[float, float], bool], float]


def _tests(selection: Selection) -> tuple[Test, ...]:
    """Return the conditions of a selection; a category is compared by its place."""
    names = selection.concept.category_names
    return tuple(
        (_COMPARE[comparator], names.index(value) if isinstance(value, str) else value)
        for comparator, value in selection.where
    )


def _at_any_time(concept: int, valued: bool, tests: tuple[Test, ...], seen: _Seen) -> list[Entry]:
    """Return the records of a concept: all, those with a value, or those whose value passes tests."""
    records = seen.entries[concept]
    if valued or tests:
        records = [entry for entry in records if entry[2] != math.inf]
    for compare, size in tests:
        records = [entry for entry in records if compare(entry[2], size)]
    return records


@dataclass(frozen=True, slots=True)
class _Taking:
    """Which records of a selection a leaf rests on: the latest, the first, or all."""

    selection: int
    which: Literal["latest", "first", "all"]
    concept: Concept

    def of(self, seen: _Seen) -> list[Entry]:
        """Return the records."""
        records = seen.records[self.selection]
        return records if self.which == "all" else records[-1:] if self.which == "latest" else records[:1]


def _takings(leaf: Leaf, ready: _Selections) -> Iterator[_Taking]:
    """Yield what a leaf rests on."""
    selection = selection_of(leaf)
    window = ready.window(selection)
    which: Literal["latest", "first", "all"] = "all"
    match leaf:
        case Age():
            which = "latest"
        case Aggregate("latest" | "first" as end, nth=1) | Elapsed("latest" | "first" as end, nth=1):
            which = end
    # What happened before a window may still cover it.
    yield _Taking(window.stream if isinstance(leaf, Covered) else window.place, which, selection.concept)
    if isinstance(leaf, Followed):
        yield _Taking(ready.window(Selection(leaf.by, valued=False)).place, "all", leaf.by)
    for event in selection.events:
        yield from _takings(event, ready)


def _before(moment: datetime, microseconds: int) -> datetime:
    """Return the moment so much earlier, or the earliest there is."""
    try:
        return moment - timedelta(microseconds=microseconds)
    except OverflowError:
        return EARLIEST


# Steps

Compute = Callable[[_Seen, list[Value]], Value]


def _step(step: Step, ready: _Selections) -> Compute:
    """Return the function that computes a step from what is seen and the values of the steps before it."""
    node, operands = step.node, step.operands
    if step.selection is not None:
        return _leaf(node, ready.window(step.selection), ready)
    match node:
        case Constant(value):
            constant = None if value is None else float(value)
            return lambda seen, values: constant
        case Extreme(which):
            return partial(_extreme, min if which == "smallest" else max, operands)
        case Choice():
            return partial(_choose, operands)
        case Missing():
            place = operands[0]
            return lambda seen, values: float(values[place] is None)
        case Band(_, edges):
            return partial(_one, lambda value: float(bisect_right(edges, value)), operands[0])
        case Is(operand, category):
            assert isinstance(operand.type, Category)
            wanted = operand.type.names.index(category)
            return partial(_one, lambda value: float(value == wanted), operands[0])
        case Not():
            return partial(_one, lambda value: 1.0 - value, operands[0])
        case Arithmetic(sign):
            return partial(_both, _CALCULATE[sign], operands)
        case Comparison(sign):
            return partial(_both, _COMPARE[sign], operands)
        case Logic(which):
            return partial(_logic, which == "and", operands)
        case _:
            raise AssertionError(f"{node} reads records")


def _leaf(node: Node, window: _Window, ready: _Selections) -> Compute:
    """Return the function that computes a leaf from the records it looks at."""
    match node:
        case Aggregate("latest" | "first" as which, nth=nth):
            return partial(_size, _Event(window.place, which, nth))
        case Aggregate(statistic):
            return partial(_aggregate, _STATISTICS[statistic], window.place)
        case Elapsed(which, nth=nth):
            return partial(_elapsed, _Event(window.place, which, nth))
        case Covered():
            return partial(_covered, node, window)
        case Followed(_, _, by, delay):
            following = ready.window(Selection(by, valued=False))
            return partial(_followed, window.place, following.place, delay)
        case Age():
            return partial(_age, window.place)
        case _:
            raise AssertionError(f"{node} reads no record")


_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_CALCULATE: Final[dict[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda left, right: math.nan if right == 0 else left / right,
}


def _finite(value: float) -> Value:
    return value if math.isfinite(value) else None


def _one(function: Callable[[float], float], place: int, seen: _Seen, values: list[Value]) -> Value:
    value = values[place]
    return None if value is None else function(value)


def _both(
    function: Callable[[float, float], float], operands: tuple[int, ...], seen: _Seen, values: list[Value]
) -> Value:
    a, b = (values[place] for place in operands)
    return None if a is None or b is None else _finite(float(function(a, b)))


def _logic(both: bool, operands: tuple[int, ...], seen: _Seen, values: list[Value]) -> Value:
    decisive = 0.0 if both else 1.0  # one false makes an "and" false, one true an "or" true, whatever the other is
    a, b = (values[place] for place in operands)
    if a == decisive or b == decisive:
        return decisive
    return None if a is None or b is None else 1.0 - decisive


def _extreme(
    function: Callable[[list[float]], float], operands: Sequence[int], seen: _Seen, values: list[Value]
) -> Value:
    found = [value for place in operands if (value := values[place]) is not None]
    return function(found) + 0.0 if len(found) == len(operands) else None


def _choose(operands: tuple[int, ...], seen: _Seen, values: list[Value]) -> Value:
    condition, then, otherwise = operands
    chosen = values[condition]
    return None if chosen is None else values[then if chosen else otherwise]


# Leaves


def _size(event: _Event, seen: _Seen, values: list[Value]) -> Value:
    entry = event.of(seen)
    return None if entry is None else entry[2]


def _elapsed(event: _Event, seen: _Seen, values: list[Value]) -> Value:
    entry = event.of(seen)
    return None if entry is None else _years(seen.as_of, entry[0])


def _aggregate(
    statistic: Callable[[list[Entry], datetime], float], place: int, seen: _Seen, values: list[Value]
) -> Value:
    return _finite(statistic(seen.records[place], seen.as_of))


def _sizes(records: list[Entry]) -> list[float]:
    return [entry[2] for entry in records]


def _total(values: Iterable[float]) -> float:
    """Return the sum, added up in order: `sum` compensates rounding in some versions of Python and not in others."""
    total = 0.0
    for value in values:
        total += value
    return total


def _mean(values: list[float]) -> float:
    return _total(values) / len(values) if values else math.nan


def _standard_deviation(values: list[float]) -> float:
    if len(values) < 2:
        return math.nan
    if min(values) == max(values):  # rounding of the mean must not make equal values vary
        return 0.0
    mean = _mean(values)
    return math.sqrt(_total((value - mean) * (value - mean) for value in values) / (len(values) - 1))


def _slope(records: list[Entry], as_of: datetime) -> float:
    """Return the least-squares slope; the sums run in the records' order, as they do in the columnar evaluator."""
    if not records:
        return math.nan
    times, values = [-_years(as_of, entry[0]) for entry in records], _sizes(records)
    mean_time, mean_value = _mean(times), _mean(values)
    spread = _total((t - mean_time) * (t - mean_time) for t in times)
    together = _total((t - mean_time) * (v - mean_value) for t, v in zip(times, values, strict=True))
    return math.nan if min(times) == max(times) or spread == 0 else together / spread


_STATISTICS: Final[dict[str, Callable[[list[Entry], datetime], float]]] = {
    "count": lambda records, as_of: float(len(records)),
    "exists": lambda records, as_of: float(len(records) > 0),
    "count_days": lambda records, as_of: float(len({entry[0].date() for entry in records})),
    "mean": lambda records, as_of: _mean(_sizes(records)),
    "minimum": lambda records, as_of: min(_sizes(records), default=math.nan),
    "maximum": lambda records, as_of: max(_sizes(records), default=math.nan),
    "sum": lambda records, as_of: _total(_sizes(records)) if records else math.nan,
    "standard_deviation": lambda records, as_of: _standard_deviation(_sizes(records)),
    "slope": _slope,
}


def _microseconds(later: datetime, earlier: datetime) -> int:
    return (later - earlier) // MICROSECOND


def _years(later: datetime, earlier: datetime) -> float:
    return float(_microseconds(later, earlier)) / YEAR


def _covered(node: Covered, window: _Window, seen: _Seen, values: list[Value]) -> Value:
    """Add up the parts of the window that records cover, in whole microseconds before ``as_of``."""
    bounds = window.bounds(seen)
    records = seen.records[window.stream]
    start = None
    if bounds is not None and (bounds[0] is not None or records):
        start = _microseconds(seen.as_of, bounds[0] if bounds[0] is not None else records[0][0])
    if bounds is None or start is None:
        return 0.0 if node.measure == "years" else None
    end = _microseconds(seen.as_of, bounds[1])
    covered, reached = 0, start  # how far before as_of everything earlier is already counted
    for happened, _, size, _ in records:
        begins = _microseconds(seen.as_of, happened)
        ends = begins - (_length(size) if node.stated and size != math.inf else node.lasting)
        covered += max(0, min(begins, reached) - max(ends, end))
        reached = min(reached, ends)
    if node.measure == "years":
        return float(covered) / YEAR
    return float(covered) / float(start - end) if start > end else None


def _length(days: float) -> int:
    """Return in microseconds how long a record lasts that says for how many days."""
    return round(min(max(days, 0.0) * DAY, LONGEST))


def _followed(leading: int, by: int, delay: int, seen: _Seen, values: list[Value]) -> Value:
    following = seen.records[by]
    for happened, _, _, place in seen.records[leading]:
        for later, _, _, other in following[bisect_left(following, (happened,)) :]:
            if _microseconds(later, happened) >= delay:
                break
            if other != place:
                return 1.0
    return 0.0


def _age(births: int, seen: _Seen, values: list[Value]) -> Value:
    records = seen.records[births]
    return years_between(records[-1][0], seen.as_of) if records else None


def years_between(birth: datetime, as_of: datetime) -> float:
    """Return the completed years, and the fraction of the way from the last birthday to the next.

    Somebody born on 29 February has the birthday on 1 March in other years.
    """
    completed = as_of.year - birth.year
    if _birthday(birth, as_of.year) > as_of:
        completed -= 1
    last, following = (_birthday(birth, birth.year + completed + n) for n in (0, 1))
    return completed + (as_of - last) / (following - last)


def _birthday(birth: datetime, year: int) -> datetime:
    try:
        return birth.replace(year=year)
    except ValueError:
        return birth.replace(year=year, month=3, day=1)

"""Evaluator 1: one history, plain Python. It is used in the consultation, and it is the one that is obviously right."""

from __future__ import annotations

import math
import operator
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from features.codes import Concept
from features.language import (
    DAY,
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
    Logic,
    Missing,
    Node,
    Not,
    Selection,
)
from features.language.plan import Plan, Step
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
        self._wanted: dict[Selection, _Wanted] = {}
        self._steps = tuple(_step(step, self._ready) for step in plan.steps)
        self._outputs = plan.outputs
        self._concepts, self._reading = plan.concepts, plan.reading

    def __call__(self, history: History, as_of: datetime) -> list[Value]:
        """Return the value of each expression, in order, from what was known strictly before ``as_of``."""
        seen = _Seen(as_of, self._seen(history, as_of), len(self._wanted))
        values: list[Value] = []
        for step in self._steps:
            values.append(step(seen, values))
        return [values[output] for output in self._outputs]

    def _seen(self, history: History, as_of: datetime) -> dict[Concept, list[Entry]]:
        """Return, by concept, what had happened, was known and not taken back: all else starts here."""
        entries: list[list[Entry]] = [[] for _ in self._concepts]
        reading = self._reading
        for place, record in enumerate(history.records):
            if record.happened_at < as_of and record.known_at < as_of:
                retracted_at = record.retracted_at
                if retracted_at is None or retracted_at >= as_of:
                    for concept, size in reading(record.code):
                        if size is None:
                            value = record.value
                            size = math.inf if value is None or not math.isfinite(value) else value + 0.0
                        entries[concept].append((record.happened_at, record.known_at, size, place))
        for found in entries:
            found.sort()
        return dict(zip(self._concepts, entries, strict=True))

    def _ready(self, selection: Selection) -> _Wanted:
        """Return a selection made ready, the same for all steps that look at the same records."""
        wanted = self._wanted.get(selection)
        if wanted is None:
            always = selection.at_any_time
            stream = None if selection == always else self._ready(always)
            since, before = (
                None if event is None else _Event(self._ready(Selection.of(event)), event.statistic, event.nth)
                for event in (selection.since, selection.before)
            )
            wanted = _Wanted(len(self._wanted), selection, stream, since, before)
            self._wanted[selection] = wanted
        return wanted


@dataclass(frozen=True, eq=False, slots=True)
class _Wanted:
    """A selection made ready: its place among all, what it is a window of, and the events that bound it."""

    place: int
    selection: Selection
    stream: _Wanted | None  # the same records at any time; None where they are that already
    since: _Event | None
    before: _Event | None


@dataclass(frozen=True, eq=False, slots=True)
class _Event:
    """The nth latest or first of some records."""

    records: _Wanted
    which: str
    nth: int


class _Seen:
    """What is known of one patient before one moment, and what was looked at so far."""

    __slots__ = ("_ago", "_entries", "_found", "as_of")

    def __init__(self, as_of: datetime, entries: dict[Concept, list[Entry]], selections: int) -> None:
        self.as_of = as_of
        self._entries = entries
        self._found: list[list[Entry] | None] = [None] * selections
        self._ago: dict[int, datetime] = {}

    def records(self, wanted: _Wanted) -> list[Entry]:
        """Return the records of a selection, in the language's order."""
        found = self._found[wanted.place]
        if found is None:
            found = self._within(wanted, wanted.stream) if wanted.stream else self._at_any_time(wanted.selection)
            self._found[wanted.place] = found
        return found

    def _within(self, wanted: _Wanted, stream: _Wanted) -> list[Entry]:
        records = self.records(stream)
        bounds = self.bounds(wanted) if records else None
        if bounds is None:
            return []
        low = 0 if bounds[0] is None else bisect_left(records, (bounds[0],))
        return records[low : bisect_left(records, (bounds[1],))]

    def _at_any_time(self, selection: Selection) -> list[Entry]:
        records = self._entries[selection.concept]
        if selection.valued or selection.where:
            records = [entry for entry in records if entry[2] != math.inf]
        for comparator, value in selection.where:
            compare = _COMPARE[comparator]
            size = selection.concept.category_names.index(value) if isinstance(value, str) else value
            records = [entry for entry in records if compare(entry[2], size)]
        return records

    def bounds(self, wanted: _Wanted) -> tuple[datetime | None, datetime] | None:
        """Return where a window begins (None: nowhere) and ends; None where an event that bounds it is not there."""
        within, until = wanted.selection.within, wanted.selection.until
        start = None if within is None else self.ago(within)
        end = self.ago(until) if until else self.as_of
        if wanted.since is not None:
            entry = self.event(wanted.since)
            if entry is None:
                return None
            start = entry[0] if start is None else max(start, entry[0])
        if wanted.before is not None:
            entry = self.event(wanted.before)
            if entry is None:
                return None
            end = min(end, entry[0])
        return start, end

    def event(self, event: _Event) -> Entry | None:
        """Return the record that an event is."""
        return _nth(self.records(event.records), event.which, event.nth)

    def ago(self, microseconds: int) -> datetime:
        """Return the moment so long before ``as_of``."""
        if microseconds not in self._ago:
            self._ago[microseconds] = _before(self.as_of, microseconds)
        return self._ago[microseconds]


def _before(moment: datetime, microseconds: int) -> datetime:
    """Return the moment so much earlier, or the earliest there is."""
    try:
        return moment - timedelta(microseconds=microseconds)
    except OverflowError:
        return EARLIEST


def _nth(entries: list[Entry], which: str, nth: int) -> Entry | None:
    if nth > len(entries):
        return None
    return entries[-nth] if which == "latest" else entries[nth - 1]


# Steps

Compute = Callable[[_Seen, list[Value]], Value]


def _step(step: Step, ready: Callable[[Selection], _Wanted]) -> Compute:
    """Return the function that computes a step from what is seen and the values of the steps before it."""
    node, operands = step.node, step.operands
    if step.selection is not None:
        return _leaf(node, ready(step.selection), ready)
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


def _leaf(node: Node, wanted: _Wanted, ready: Callable[[Selection], _Wanted]) -> Compute:
    """Return the function that computes a leaf from the records it looks at."""
    match node:
        case Aggregate("latest" | "first" as which, nth=nth):
            return partial(_size, _Event(wanted, which, nth))
        case Aggregate(statistic):
            return partial(_aggregate, _STATISTICS[statistic], wanted)
        case Elapsed(which, nth=nth):
            return partial(_elapsed, _Event(wanted, which, nth))
        case Covered():
            return partial(_covered, node, wanted)
        case Followed(_, _, by, delay):
            return partial(_followed, wanted, ready(Selection(by, valued=False)), delay)
        case Age():
            return partial(_age, wanted)
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
    entry = seen.event(event)
    return None if entry is None else entry[2]


def _elapsed(event: _Event, seen: _Seen, values: list[Value]) -> Value:
    entry = seen.event(event)
    return None if entry is None else _years(seen.as_of, entry[0])


def _aggregate(
    statistic: Callable[[list[Entry], datetime], float], wanted: _Wanted, seen: _Seen, values: list[Value]
) -> Value:
    return _finite(statistic(seen.records(wanted), seen.as_of))


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


def _covered(node: Covered, wanted: _Wanted, seen: _Seen, values: list[Value]) -> Value:
    """Add up the parts of the window that records cover, in whole microseconds before ``as_of``."""
    bounds = seen.bounds(wanted)
    records = seen.records(wanted.stream or wanted)
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


def _followed(wanted: _Wanted, by: _Wanted, delay: int, seen: _Seen, values: list[Value]) -> Value:
    following = seen.records(by)
    for happened, _, _, place in seen.records(wanted):
        for later, _, _, other in following[bisect_left(following, (happened,)) :]:
            if _microseconds(later, happened) >= delay:
                break
            if other != place:
                return 1.0
    return 0.0


def _age(wanted: _Wanted, seen: _Seen, values: list[Value]) -> Value:
    records = seen.records(wanted)
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

"""Evaluator 2: many histories at once, as arrays over a sorted shard.

Rows are taken in blocks, each patient once in a block. The records of a block are grouped by concept in one stable
sort, so that the records of each concept are a *stream*: row after row, in the language's order, with how long before
``as_of`` each happened. A window of a stream is, for each row, a pair of positions: a count is their difference, a
latest value the one before the end, a sum or an extreme a segment operation. Leaves that differ only in their concept
are computed together, as if each concept had rows of its own: few operations on long arrays, which threads can share
processors for. Everything else is arithmetic on columns.

Sums run in the records' order (``bincount`` adds one by one) and lengths of time are whole microseconds until they are
divided, so that values equal the patient-wise evaluator's bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

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
from features.language.plan import Plan, Step
from features.records import Shard

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

#: Records looked at together: their arrays stay in the processor's cache, and memory is bounded whatever the shard.
BLOCK: Final = 300_000
ALL: Final = slice(None)
A_ROW: Final = 16  # a row weighs as much as so many records: its columns take memory too


def evaluate_all(
    nodes: Iterable[Node], shard: Shard, patients: npt.NDArray[np.object_], as_of: Integers
) -> list[Floats]:
    """Return the values of several expressions for many rows.

    Parameters
    ----------
    nodes
        Expressions.
    shard
        Sorted records. A patient without records here is a patient without records.
    patients, as_of
        Whose history, and before when (microseconds since 1970): one row each, in any order, shape ``(n,)``.

    Returns
    -------
    list of ndarray of shape (n,)
        One column an expression; NaN is missing, a condition is 1 or 0, a category its position.
    """
    return list(evaluate(Plan.of(nodes), shard, patients, as_of))


def evaluate(plan: Plan, shard: Shard, patients: npt.NDArray[np.object_], as_of: Integers) -> Floats:
    """Return the values of a plan's expressions, shape ``(expressions, rows)``; see `evaluate_all`."""
    values = np.empty((len(plan.outputs), len(patients)))
    position = _positions(shard, patients)
    readers = _Reader.all_of(plan, shard.codes)
    reader_of = {concept: number for number, reader in enumerate(readers) for concept in reader.concepts}
    batches = _batches(plan, tuple(reader_of[concept] for concept in plan.concepts))
    for rows in _blocks(shard, position):
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            columns = _columns(plan, batches, _Block(shard, position[rows], as_of[rows], readers))
        for column, output in zip(values, plan.outputs, strict=True):
            column[rows] = columns[output]
    return values


def _columns(plan: Plan, batches: Sequence[_Batch], block: _Block) -> list[Floats]:
    """Return the column of each step of a plan, for the rows of a block."""
    leaves: dict[int, Floats] = {}
    for batch in batches:
        leaves.update(zip(batch.steps, _leaf(batch, block).reshape(len(batch.steps), -1), strict=True))
    columns: list[Floats] = []
    for place, step in enumerate(plan.steps):
        columns.append(leaves[place] if place in leaves else _column(step, columns, len(block.as_of)))
    return columns


# Rows


def _positions(shard: Shard, patients: npt.NDArray[np.object_]) -> Integers:
    """Return the position of each patient in the shard, -1 where there is none."""
    if len(patients) == len(shard.patients) and bool((patients == shard.patients).all()):
        return np.arange(len(patients))  # everybody, once, in order: nothing to look up
    return shard.positions(patients)


def _blocks(shard: Shard, position: Integers) -> Iterator[Integers | slice]:
    """Yield the rows in blocks: in each a patient comes at most once, in the shard's order."""
    if len(position) and position[0] >= 0 and bool((np.diff(position) > 0).all()):
        yield from (slice(low, high) for low, high in _cuts(shard, position))
        return
    order = np.argsort(position, kind="stable")
    ordered = position[order]
    first = np.flatnonzero(np.diff(ordered, prepend=-2))
    landmark = np.arange(len(order)) - np.repeat(first, np.diff(first, append=len(order)))
    landmark[ordered < 0] = 0  # whoever has no record is nobody's second landmark
    for number in range(int(landmark.max(initial=-1)) + 1):
        rows = order[landmark == number]
        yield from (rows[low:high] for low, high in _cuts(shard, position[rows]))


def _cuts(shard: Shard, position: Integers) -> Iterator[tuple[int, int]]:
    """Yield where blocks of patients at these positions begin and end: as few as it takes, and as even as can be."""
    records = np.where(position < 0, 0, shard.start[position + 1] - shard.start[np.maximum(position, 0)])
    size = np.cumsum(records + A_ROW)
    blocks = -(-int(size[-1]) // BLOCK)
    cuts = np.searchsorted(size, size[-1] * np.arange(1, blocks) / blocks)
    yield from pairwise(np.unique([0, *cuts, len(position)]).tolist())


# Records by concept


@dataclass(frozen=True, eq=False)
class _Reader:
    """Concepts no two of which read the same code: one sort groups the records of all.

    Attributes
    ----------
    concepts
        The concepts.
    label
        Of each of the shard's codes, the place of its concept; their number where it has none.
    category
        Of each code, the place of its category where its concept is a state; None where there is no state.
    """

    concepts: tuple[Concept, ...]
    label: npt.NDArray[np.unsignedinteger]
    category: Floats | None

    @classmethod
    def all_of(cls, plan: Plan, codes: Sequence[str]) -> list[_Reader]:
        """Share a plan's concepts out among as few readers as it takes."""
        of_concept: list[dict[int, float | None]] = [{} for _ in plan.concepts]
        for place, code in enumerate(codes):
            for concept, category in plan.reading(code):
                of_concept[concept][place] = category
        groups: list[tuple[list[int], set[int]]] = []
        for concept, found in enumerate(of_concept):
            members, taken = next((g for g in groups if found.keys().isdisjoint(g[1])), ([], set()))
            if not members:
                groups.append((members, taken))
            members.append(concept)
            taken.update(found)
        return [cls._of(plan, [(c, of_concept[c]) for c in members], len(codes)) for members, _ in groups]

    @classmethod
    def _of(cls, plan: Plan, members: list[tuple[int, dict[int, float | None]]], codes: int) -> _Reader:
        narrow = np.uint8 if len(members) < 256 else np.uint16  # few bits sort in few passes
        label: npt.NDArray[np.unsignedinteger] = np.full(codes, len(members), dtype=narrow)
        category = np.full(codes, np.nan)
        for place, (_, found) in enumerate(members):
            label[list(found)] = place
            for code, position in found.items():
                category[code] = np.nan if position is None else position
        concepts = tuple(plan.concepts[concept] for concept, _ in members)
        return cls(concepts, label, category if any(concept.categories for concept in concepts) else None)


class _Together(tuple[Concept, ...]):
    """Concepts that are looked at together, hashed once: what is known of them is looked up by them."""

    @cached_property
    def _hash(self) -> int:
        return super().__hash__()

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, eq=False)
class _Batch:
    """Leaves that differ only in their concept, to be computed together; or one leaf.

    Attributes
    ----------
    node, selection
        One of them, and the records it looks at.
    concepts, steps
        The concept of each, and its place in the plan.
    """

    node: Leaf
    selection: Selection
    concepts: tuple[Concept, ...]
    steps: tuple[int, ...]


@lru_cache(maxsize=64)
def _batches(plan: Plan, readers: tuple[int, ...]) -> tuple[_Batch, ...]:
    """Put a plan's leaves together as far as they can be; ``readers`` is the number of each concept's reader."""
    reader_of = dict(zip(plan.concepts, readers, strict=True))
    alike: dict[tuple[object, ...], list[tuple[Concept, int]]] = {}
    for place, step in enumerate(plan.steps):
        selection = step.selection
        if selection is None:
            continue
        alone = bool(selection.events or selection.where) or not isinstance(step.node, (Aggregate, Elapsed))
        rest = (getattr(step.node, f.name) for f in fields(step.node) if f.name != "concept")
        key = (type(step.node), *rest, selection.valued, reader_of[selection.concept], alone and place)
        alike.setdefault(key, []).append((selection.concept, place))
    batches = []
    for members in alike.values():
        concepts, steps = zip(*members, strict=True)
        first = plan.steps[steps[0]]
        assert isinstance(first.node, LEAVES)
        assert first.selection is not None
        batches.append(_Batch(first.node, first.selection, _Together(concepts), steps))
    return tuple(batches)


class _Block:
    """Some rows, each of another patient, and what they may see."""

    def __init__(self, shard: Shard, position: Integers, as_of: Integers, readers: Sequence[_Reader]) -> None:
        self.as_of = as_of
        self.shard_row, length = _records_of(shard, position)
        self._found: dict[Concept, tuple[_Stream, int, int, int]] = {}
        self._streams: dict[tuple[object, ...], _Stream] = {}
        self._windows: dict[tuple[object, ...], _Window] = {}
        self._moments: dict[Aggregate, Integers] = {}
        moment = np.repeat(as_of, length)
        known = shard.known[self.shard_row]
        visible = known < moment
        visible &= shard.retracted[self.shard_row] >= moment
        ahead = np.subtract(moment, shard.happened[self.shard_row], out=moment)
        visible &= ahead > 0
        code, value = shard.code[self.shard_row], shard.value[self.shard_row]
        row = np.repeat(np.arange(len(as_of)), length)
        for reader in readers:
            label = reader.label.take(code)
            chosen = np.flatnonzero(visible & (label < len(reader.concepts)))
            grouped = label.take(chosen)
            order = np.argsort(grouped, kind="stable")  # a radix sort: linear in the number of records
            position = chosen.take(order)
            size = value.take(position)
            size += 0.0  # there is one zero
            apart = row.take(position)
            apart += np.multiply(grouped.take(order), len(as_of), dtype=np.int64)
            records = _Columns(apart, ahead.take(position), size, position)
            stream = _Stream(len(as_of) * len(reader.concepts), records)
            stop = stream.end[len(as_of) - 1 :: len(as_of)].tolist()
            for place, (concept, low, high) in enumerate(zip(reader.concepts, [0, *stop], stop, strict=False)):
                if concept.categories and reader.category is not None:
                    records.order_by_category(slice(low, high), reader.category[code[position[low:high]]], known)
                self._found[concept] = (stream, place, low, high)

    def stream(self, concepts: tuple[Concept, ...], selection: Selection) -> _Stream:
        """Return the records of a selection at any time, for each of some concepts in turn, as rows of its own."""
        key = (concepts, selection.valued, selection.where)
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = self._stream(concepts, selection)
        return stream

    def _stream(self, concepts: tuple[Concept, ...], selection: Selection) -> _Stream:
        if not selection.valued and not selection.where:
            whole, first, low, _ = self._found[concepts[0]]
            rows, some = len(self.as_of), len(concepts)
            places = [self._found[concept][1] for concept in concepts]
            bounds = [self._found[concept][2:] for concept in concepts]
            if places == list(range(first, first + some)):
                end = whole.end[first * rows : (first + some) * rows] - low
                return _Stream(rows * some, whole, slice(low, bounds[-1][1]), -first * rows or None, end)
            shift = np.repeat((np.arange(some) - places) * rows, [high - low for low, high in bounds])
            return _Stream(rows * some, whole, np.concatenate([np.arange(*each) for each in bounds]), shift)
        stream = self.stream(concepts, Selection(selection.concept, valued=False))
        kept = np.isfinite(stream.size)
        for comparator, value in selection.where:
            wanted = selection.concept.category_names.index(value) if isinstance(value, str) else value
            kept &= COMPARE[comparator](stream.size, wanted)
        return stream.part(np.flatnonzero(kept))

    def window(self, concepts: tuple[Concept, ...], selection: Selection) -> _Window:
        """Return the records of a selection, for each of some concepts in turn, as rows of its own."""
        key = (concepts, selection)
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = self._window(self.stream(concepts, selection), selection)
        return window

    def _window(self, stream: _Stream, selection: Selection) -> _Window:
        low, high = stream.place(selection.within), stream.place(selection.until)
        there = None
        if selection.since is not None:
            moment = self.moment(selection.since)
            low, there = np.maximum(low, stream.place_of(moment)), moment > 0
        if selection.before is not None:
            moment = self.moment(selection.before)
            high = np.minimum(high, stream.place_of(moment))
            there = moment > 0 if there is None else there & (moment > 0)
        if there is not None:
            high = np.where(there, np.maximum(low, high), low)
        return _Window(stream, selection, low, high)

    def moment(self, event: Aggregate) -> Integers:
        """Return how long before ``as_of`` each row's nth latest or first record happened, 0 where there is none."""
        moment = self._moments.get(event)
        if moment is None:
            window = self.window((event.concept,), Selection.of(event))
            place, there = window.nth(event.statistic, event.nth)
            moment = np.zeros(len(self.as_of), dtype=np.int64)
            moment[there] = window.stream.ahead[place[there]]
            self._moments[event] = moment
        return moment


def _records_of(shard: Shard, position: Integers) -> tuple[slice | Integers, Integers]:
    """Return the shard's rows of patients at rising positions, one after the other, and how many each has."""
    if len(position) and position[0] >= 0 and position[-1] - position[0] == len(position) - 1:
        start = shard.start[position[0] : position[-1] + 2]
        return slice(int(start[0]), int(start[-1])), np.diff(start)
    low = shard.start[np.maximum(position, 0)]
    length = np.where(position < 0, 0, shard.start[position + 1] - low)
    before = np.cumsum(length) - length
    return np.repeat(low - before, length) + np.arange(length.sum()), length


@dataclass(frozen=True, eq=False)
class _Columns:
    """What is known of records: row after row, in the language's order.

    Attributes
    ----------
    row, ahead, size, position
        Of each record: its row (each concept has rows of its own), by how many microseconds it precedes ``as_of``, its
        value (or the place of its category), and its position in the block.
    """

    row: Integers
    ahead: Integers
    size: Floats
    position: Integers

    def order_by_category(self, part: slice, place: Floats, known: Integers) -> None:
        """Make the places of their categories the sizes of some records, and put those of one moment in order."""
        self.size[part] = place
        row, ahead = self.row[part], self.ahead[part]
        together = (row[1:] == row[:-1]) & (ahead[1:] == ahead[:-1])
        if bool((together & (place[1:] < place[:-1])).any()):
            order = np.lexsort((place, known[self.position[part]], -ahead, row))
            for column in (self.size, self.position):  # rows and moments are in order already
                column[part] = column[part][order]


class _Stream:
    """Records of one kind: some of those of another stream. Only columns that are asked for are copied.

    Parameters
    ----------
    rows
        How many rows there are: those of the block, once for each concept.
    source, chosen
        Whose records, and which of them, in order.
    shift
        What is added to their rows.
    end
        What is known of `end` already.
    """

    def __init__(
        self,
        rows: int,
        source: _Columns | _Stream,
        chosen: slice | Integers = ALL,
        shift: Integers | int | None = None,
        end: Integers | None = None,
    ) -> None:
        self.rows, self._source, self._chosen, self._shift, self._end = rows, source, chosen, shift, end
        self._places: dict[int, Integers] = {}

    @cached_property
    def row(self) -> Integers:
        row = self._source.row[self._chosen]
        return row if self._shift is None else row + self._shift

    @cached_property
    def ahead(self) -> Integers:
        return self._source.ahead[self._chosen]

    @cached_property
    def size(self) -> Floats:
        return self._source.size[self._chosen]

    @cached_property
    def position(self) -> Integers:
        return self._source.position[self._chosen]

    def part(self, chosen: slice | Integers) -> _Stream:
        """Return some of the records, in order."""
        return _Stream(self.rows, self, chosen)

    @cached_property
    def end(self) -> Integers:
        """The position after the last record of each row."""
        if self._end is not None:
            return self._end
        return np.cumsum(np.bincount(self.row, minlength=self.rows))

    @cached_property
    def begin(self) -> Integers:
        """The position of the first record of each row."""
        return np.concatenate([np.zeros(1, dtype=np.int64), self.end[:-1]]) if self.rows else self.end

    @cached_property
    def _ends_row(self) -> Flags:
        """Whether each record is the last of its row."""
        ends = np.ones(len(self.row), dtype=bool)
        np.not_equal(self.row[1:], self.row[:-1], out=ends[:-1])
        return ends

    def place(self, limit: int | None) -> Integers:
        """Return the position of the first record of each row within ``limit`` of ``as_of``; None is ever."""
        if limit is None:
            return self.begin
        if limit == 0:
            return self.end
        if limit not in self._places:
            self._places[limit] = self._after(self.ahead > limit)
        return self._places[limit]

    def place_of(self, limit: Integers) -> Integers:
        """Return the same with another limit for each row."""
        return self._after(self.ahead > limit[self.row])

    def _after(self, earlier: Flags) -> Integers:
        """Return the position in each row after the records that are earlier, which come first."""
        last = earlier & self._ends_row
        last[:-1] |= earlier[:-1] > earlier[1:]
        latest = np.flatnonzero(last)
        place = self.begin.copy()
        place[self.row.take(latest)] = latest + 1
        return place


class _Window:
    """The records of a stream from position ``low`` to position ``high``, excluded, of each row."""

    def __init__(self, stream: _Stream, selection: Selection, low: Integers, high: Integers) -> None:
        self.stream, self.selection, self.low, self.high = stream, selection, low, high

    @cached_property
    def count(self) -> Integers:
        return self.high - self.low

    @cached_property
    def inside(self) -> _Stream:
        """The records in the window alone."""
        stream, selection = self.stream, self.selection
        if selection.events:
            place = np.arange(len(stream.row))
            return stream.part(np.flatnonzero((place >= self.low[stream.row]) & (place < self.high[stream.row])))
        if selection.within is None and not selection.until:
            return stream
        chosen = stream.ahead > selection.until
        if selection.within is not None:
            chosen &= stream.ahead <= selection.within
        return stream.part(np.flatnonzero(chosen))

    def nth(self, which: str, nth: int) -> tuple[Integers, Flags]:
        """Return the position of the nth latest or first record of each row, and whether there is one."""
        return (self.high - nth if which == "latest" else self.low + (nth - 1)), self.count >= nth

    def column(self, which: str, nth: int, values: npt.NDArray[np.generic]) -> Floats:
        """Return the value of the nth latest or first record of each row."""
        place, there = self.nth(which, nth)
        if not len(values):
            return np.full(len(place), np.nan)
        return np.where(there, values.take(place, mode="clip"), np.nan)

    def total(self, values: Floats) -> Floats:
        """Return the sum by row, added up in order."""
        return np.bincount(self.inside.row, weights=values, minlength=self.inside.rows).astype(np.float64, copy=False)

    def extreme(self, function: np.ufunc) -> Floats:
        """Return the smallest or largest value by row."""
        some, begin = self._segments
        column = np.full(len(self.count), np.nan)
        if len(some):
            column[some] = function.reduceat(self.inside.size, begin)
        return column

    @cached_property
    def _segments(self) -> tuple[Integers, Integers]:
        """The rows that have records in the window, and the position among these of the first of each."""
        some = np.flatnonzero(self.count)
        count = self.count[some]
        return some, np.cumsum(count) - count

    @cached_property
    def smallest(self) -> Floats:
        return self.extreme(np.minimum)

    @cached_property
    def largest(self) -> Floats:
        return self.extreme(np.maximum)

    @cached_property
    def sum(self) -> Floats:
        return np.where(self.count > 0, self.total(self.inside.size), np.nan)

    @cached_property
    def mean(self) -> Floats:
        return self.sum / self.count

    def standard_deviation(self) -> Floats:
        inside = self.inside
        off = inside.size - self.mean[inside.row]
        deviation = np.sqrt(self.total(off * off) / (self.count - 1))
        column = np.where(self.smallest == self.largest, 0.0, deviation)
        return np.where(self.count > 1, column, np.nan)

    def slope(self) -> Floats:
        inside = self.inside
        time = -(inside.ahead / YEAR)
        time_off = time - (self.total(time) / self.count)[inside.row]
        size_off = inside.size - self.mean[inside.row]
        spread = self.total(time_off * time_off)
        slope = self.total(time_off * size_off) / spread
        ends = (self.column(which, 1, self.stream.ahead) / YEAR for which in ("first", "latest"))
        return np.where((spread > 0) & np.greater(*ends), slope, np.nan)

    def days(self, as_of: Integers) -> Floats:
        """Return the number of different days by row."""
        inside = self.inside
        day = (as_of[inside.row % len(as_of)] - inside.ahead) // DAY
        new = np.ones(len(day), dtype=bool)
        new[1:] = (day[1:] != day[:-1]) | (inside.row[1:] != inside.row[:-1])
        return np.bincount(inside.row[new], minlength=inside.rows).astype(np.float64)


# Steps


def _leaf(batch: _Batch, block: _Block) -> Floats:
    """Return the columns of a batch of leaves, one after the other."""
    node, selection, concepts = batch.node, batch.selection, batch.concepts
    match node:
        case Aggregate():
            return _aggregate(node, block.window(concepts, selection), block.as_of)
        case Elapsed(which, nth=nth):
            window = block.window(concepts, selection)
            return window.column(which, nth, window.stream.ahead) / YEAR
        case Covered():
            return _covered(node, selection, block)
        case Followed(_, _, by, delay):
            following = block.stream((by,), Selection(by, valued=False))
            return _followed(block.window(concepts, selection).inside, following, delay)
        case Age():
            return _age(block.window(concepts, selection), block.as_of)


def _column(step: Step, columns: list[Floats], rows: int) -> Floats:
    """Return the column of a step, from the columns of the steps before it."""
    node = step.node
    operands = [columns[place] for place in step.operands]
    match node:
        case Constant(value):
            return np.full(rows, np.nan if value is None else float(value))
        case Arithmetic(sign):
            return _finite(CALCULATE[sign](*operands))
        case Comparison(sign):
            return _flags(COMPARE[sign](*operands), *operands)
        case Extreme(which):
            function = np.minimum if which == "smallest" else np.maximum  # both hand missing values on
            extreme: Floats = function.reduce(operands) + 0.0
            return extreme
        case Band(_, edges):
            return np.where(np.isnan(operands[0]), np.nan, np.searchsorted(edges, operands[0], side="right"))
        case Is(operand, category):
            assert isinstance(operand.type, Category)
            return _flags(operands[0] == operand.type.names.index(category), *operands)
        case Logic("and"):
            return _and(*operands)
        case Logic():  # a or b = not (not a and not b)
            return 1.0 - _and(*(1.0 - operand for operand in operands))
        case Not():
            return 1.0 - operands[0]
        case Missing():
            return np.isnan(operands[0]).astype(np.float64)
        case Choice():
            condition, then, otherwise = operands
            return np.where(np.isnan(condition), np.nan, np.where(condition == 1.0, then, otherwise))
        case _:
            raise AssertionError(f"{node} reads records")


COMPARE: Final[dict[str, np.ufunc]] = {
    "==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip
CALCULATE: Final[dict[str, np.ufunc]] = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}


def _finite(column: Floats) -> Floats:
    """Return a column in which what is not a finite number, such as what was divided by zero, is missing."""
    return np.where(np.isfinite(column), column, np.nan)


def _flags(flags: Flags, *operands: Floats) -> Floats:
    """Return a condition as a column, missing where any operand is."""
    missing = np.logical_or.reduce([np.isnan(operand) for operand in operands])
    return np.where(missing, np.nan, flags)


def _and(left: Floats, right: Floats) -> Floats:
    return np.where((left == 0) | (right == 0), 0.0, left * right)  # of 1 and missing: 1 is neutral, missing goes on


def _aggregate(node: Aggregate, window: _Window, as_of: Integers) -> Floats:
    match node.statistic:
        case "count":
            return window.count.astype(np.float64)
        case "exists":
            return (window.count > 0).astype(np.float64)
        case "count_days":
            return window.days(as_of)
        case "latest" | "first":
            return window.column(node.statistic, node.nth, window.stream.size)
        case "minimum":
            return window.smallest
        case "maximum":
            return window.largest
        case "sum":
            return _finite(window.sum)
        case "mean":
            return _finite(window.mean)
        case "standard_deviation":
            return _finite(window.standard_deviation())
        case "slope":
            return _finite(window.slope())


def _covered(node: Covered, selection: Selection, block: _Block) -> Floats:
    """Add up the parts of the window that records cover, in whole microseconds before ``as_of``."""
    stream = block.stream((node.concept,), selection)
    none = np.iinfo(np.int64).max
    start = np.full(stream.rows, none if selection.within is None else selection.within)
    end = np.full(stream.rows, selection.until)
    there = np.ones(stream.rows, dtype=bool)
    for event, bound, tighter in ((selection.since, start, np.minimum), (selection.before, end, np.maximum)):
        if event is not None:
            moment = block.moment(event)
            there &= moment > 0
            tighter(bound, moment, out=bound)
    some = np.flatnonzero(stream.end > stream.begin)
    first = np.full(stream.rows, none)
    first[some] = stream.ahead[stream.begin[some]]
    start = np.where(start == none, first, start)
    there &= start != none
    covered = np.zeros(stream.rows, dtype=np.int64)
    if len(some):
        covered[some] = np.add.reduceat(_newly_covered(stream, node, start, end), stream.begin[some])
    if node.measure == "years":
        return np.where(there, covered / YEAR, 0.0)
    return np.where(there & (start > end), covered / (start - end), np.nan)


def _newly_covered(stream: _Stream, node: Covered, start: Integers, end: Integers) -> Integers:
    """Return what each record covers of its row's window that none before it does."""
    length = np.full(len(stream.row), node.lasting)
    if node.stated:
        stated = np.rint(np.minimum(np.maximum(stream.size, 0.0) * DAY, LONGEST))
        length = np.where(np.isfinite(stream.size), stated, node.lasting).astype(np.int64)
    ends = stream.ahead - length
    # The running minimum within each row, by doubling the distance looked back.
    reached, back = ends.copy(), 1
    longest = int((stream.end - stream.begin).max())
    while back < longest:
        same = stream.row[back:] == stream.row[:-back]
        reached[back:] = np.where(same, np.minimum(reached[back:], reached[:-back]), reached[back:])
        back *= 2
    limit = start[stream.row]
    limit[1:] = np.where(stream.row[1:] == stream.row[:-1], np.minimum(limit[1:], reached[:-1]), limit[1:])
    newly: Integers = np.maximum(np.minimum(stream.ahead, limit) - np.maximum(ends, end[stream.row]), 0)
    return newly


def _followed(leading: _Stream, following: _Stream, delay: int) -> Floats:
    """Return whether any leading record of a row is followed, less than ``delay`` later, by another record."""
    moments = np.concatenate([-leading.ahead, delay - leading.ahead, -following.ahead])
    order, rank = np.unique(moments, return_inverse=True)
    n = len(leading.row)
    begins, ends = (leading.row * len(order) + part for part in (rank[:n], rank[n : 2 * n]))
    found = following.row * len(order) + rank[2 * n :]  # rising: row after row, in time
    many = np.searchsorted(found, ends) - np.searchsorted(found, begins)
    many -= np.isin(leading.position, following.position)  # a record does not follow itself
    return (np.bincount(leading.row[many > 0], minlength=leading.rows) > 0).astype(np.float64)


def _age(births: _Window, as_of: Integers) -> Floats:
    """Return completed years, and the fraction of the way to the next birthday."""
    place, there = births.nth("latest", 1)
    column = np.full(len(as_of), np.nan)
    now = as_of[there]
    born = now - births.stream.ahead[place[there]]
    month = born.astype("datetime64[us]").astype("datetime64[M]")
    since_month = born - month.astype("datetime64[us]").astype(np.int64)

    def birthday(years: Integers) -> Integers:
        """Return the birthday after so many years; the month carries 29 February over to 1 March."""
        return (month + 12 * years).astype("datetime64[us]").astype(np.int64) + since_month

    year = np.array([month.astype("datetime64[Y]"), now.astype("datetime64[us]").astype("datetime64[Y]")])
    completed = (year[1] - year[0]).astype(np.int64)
    completed -= birthday(completed) > now
    last, following = birthday(completed), birthday(completed + 1)
    column[there] = completed + (now - last) / (following - last)
    return column


def latest_practice(
    shard: Shard, patients: npt.NDArray[np.object_], as_of: Integers, registration: Concept
) -> npt.NDArray[np.object_]:
    """Return the practice of each row's latest known registration, ``""`` where there is none."""
    practice = np.full(len(as_of), "", dtype=object)
    names = np.array([*shard.practices, ""], dtype=object)
    position = _positions(shard, patients)
    readers = _Reader.all_of(Plan((), (), (registration,)), shard.codes)
    for rows in _blocks(shard, position):
        block = _Block(shard, position[rows], as_of[rows], readers)
        window = block.window((registration,), Selection(registration, valued=False))
        place, there = window.nth("latest", 1)
        found = np.full(len(there), len(shard.practices))
        found[there] = shard.practice[block.shard_row][window.stream.position[place[there]]]
        practice[rows] = names[found]
    return practice

"""Evaluator 2: many histories at once, as arrays over a sorted shard.

Leaves (concept × window × statistic) are computed from positions: the records a row may see are gathered once for a
concept, what was not yet known is taken out, and every window is then a run of what is left. A count is the length of a
run, a latest value its end, a sum or an extreme a segment operation. Everything else is arithmetic on columns.

Sums run in the records' order (``bincount`` adds one by one), so that they equal the patient-wise evaluator's bit for
bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from features.codes import Concept
from features.language import (
    YEAR,
    Age,
    Aggregate,
    Arithmetic,
    Category,
    Choice,
    Comparison,
    Constant,
    Elapsed,
    Is,
    Logic,
    Missing,
    Node,
    Not,
)
from features.patient import years_between
from features.records import Shard, to_datetime

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


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
    evaluation = _Evaluation(shard, patients, as_of)
    return [evaluation.value(node) for node in nodes]


class _Seen:
    """What each row may see of one concept: positions in the shard, row after row, in the language's order."""

    def __init__(self, as_of: Integers, row: Integers, position: Integers, happened: Integers, size: Floats) -> None:
        self.as_of, self.row, self.position, self.happened, self.size = as_of, row, position, happened, size

    @classmethod
    def of(cls, shard: Shard, row_patient: Integers, as_of: Integers, concept: Concept) -> _Seen:
        """Gather, for each row, the records of its patient that had happened and were known in time."""
        covered = [position for position, code in enumerate(shard.codes) if concept.covers(code)]
        positions, size = shard.of_codes(covered), shard.value
        if concept.categories:
            place = np.full(len(shard.codes), np.nan)
            for position in covered:
                place[position] = concept.category(shard.codes[position])
            size = place[shard.code]
            keys = (size[positions], shard.known[positions], shard.happened[positions], shard.patient[positions])
            positions = positions[np.lexsort(keys)]  # records of one moment are ordered by category

        # Each row's patient is a run of these positions; a row sees the part of it that was known in time.
        low = np.searchsorted(positions, shard.start[row_patient])  # -1 is the end of the shard: an empty run
        length = np.searchsorted(positions, shard.start[row_patient + 1]) - low
        length[row_patient < 0] = 0
        if concept.categories:  # sorted by patient still, though not by position
            bounds = np.searchsorted(shard.patient[positions], np.arange(len(shard.patients) + 1))
            low, length = (
                bounds[row_patient],
                np.where(row_patient < 0, 0, bounds[row_patient + 1] - bounds[row_patient]),
            )
        row = np.repeat(np.arange(len(as_of)), length)
        offset = np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length)
        seen = positions[np.repeat(low, length) + offset]
        moment = as_of[row]
        in_time = (shard.happened[seen] < moment) & (shard.known[seen] < moment) & (shard.retracted[seen] >= moment)
        row, seen = row[in_time], seen[in_time]
        return cls(as_of, row, seen, shard.happened[seen], size[seen])

    @cached_property
    def valued(self) -> _Seen:
        """The part that has a value."""
        return self._where(~np.isnan(self.size))

    def _where(self, mask: Flags) -> _Seen:
        return _Seen(self.as_of, self.row[mask], self.position[mask], self.happened[mask], self.size[mask])

    @cache  # noqa: B019 - lives as long as one evaluation
    def window(self, within: int | None) -> _Window:
        """Return the part that happened within this many microseconds before ``as_of``."""
        inside = self if within is None else self._where(self.happened >= self.as_of[self.row] - within)
        return _Window(self.as_of, inside.row, inside.happened, inside.size)


class _Window:
    """Records in one window, row after row, and statistics of them by row."""

    def __init__(self, as_of: Integers, row: Integers, happened: Integers, size: Floats) -> None:
        self.as_of, self.row, self.happened, self.size = as_of, row, happened, size

    @cached_property
    def count(self) -> Integers:
        return np.bincount(self.row, minlength=len(self.as_of)).astype(np.int64)

    @cached_property
    def some(self) -> Flags:
        return self.count > 0

    def end(self, which: str) -> Integers:
        """Return the position of the last or first record of each row that has some."""
        after = np.cumsum(self.count)[self.some]
        return after - 1 if which == "latest" else after - self.count[self.some]

    def spread(self, values: npt.ArrayLike) -> Floats:
        """Return a column with these values in the rows that have records, missing elsewhere."""
        column = np.full(len(self.as_of), np.nan)
        column[self.some] = values
        return column

    def total(self, values: Floats) -> Floats:
        """Return the sum by row, added up in order."""
        return np.bincount(self.row, weights=values, minlength=len(self.as_of)).astype(np.float64)

    def elapsed(self, which: str) -> Floats:
        return self.spread((self.as_of[self.some] - self.happened[self.end(which)]) / YEAR)

    def statistic(self, name: str) -> Floats:
        match name:
            case "count":
                return self.count.astype(np.float64)
            case "exists":
                return self.some.astype(np.float64)
            case "latest" | "first":
                return self.spread(self.size[self.end(name)])
            case "sum":
                return self.spread(self.total(self.size)[self.some])
            case "mean":
                return self.spread(self.total(self.size)[self.some] / self.count[self.some])
            case "minimum" | "maximum":
                extreme = np.minimum if name == "minimum" else np.maximum
                return self.spread(extreme.reduceat(self.size, self.end("first")) if self.some.any() else ())
            case _:
                return self.slope()

    def slope(self) -> Floats:
        time = (self.happened - self.as_of[self.row]) / YEAR
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            time_off = time - (self.total(time) / self.count)[self.row]
            size_off = self.size - (self.total(self.size) / self.count)[self.row]
            spread = self.total(time_off * time_off)
            slope = self.total(time_off * size_off) / spread
        moving = self.some & (spread > 0)
        first, last = np.zeros(len(moving)), np.zeros(len(moving))
        first[self.some], last[self.some] = time[self.end("first")], time[self.end("latest")]
        return np.where(moving & (first < last), slope, np.nan)


class _Evaluation:
    """The evaluation of expressions for some rows over one shard."""

    def __init__(self, shard: Shard, patients: npt.NDArray[np.object_], as_of: Integers) -> None:
        self.shard = shard
        self.as_of = as_of
        self.row_patient = shard.positions(patients)
        self._values: dict[Node, Floats] = {}
        self._seen: dict[Concept, _Seen] = {}

    def value(self, node: Node) -> Floats:
        if node not in self._values:
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                column = self._compute(node)
            self._values[node] = np.where(np.isfinite(column), column, np.nan)
        return self._values[node]

    def window(self, concept: Concept, within: int | None, valued: bool) -> _Window:
        if concept not in self._seen:
            self._seen[concept] = _Seen.of(self.shard, self.row_patient, self.as_of, concept)
        seen = self._seen[concept]
        return (seen.valued if valued else seen).window(within)

    def _compute(self, node: Node) -> Floats:
        match node:
            case Aggregate(statistic, concept, within):
                return self.window(concept, within, node.valued).statistic(statistic)
            case Elapsed(which, concept, within, valued):
                return self.window(concept, within, valued).elapsed(which)
            case Age(birth):
                return self._age(birth)
            case Constant(value):
                return np.full(len(self.as_of), np.nan if value is None else float(value))
            case Arithmetic(operator, left, right):
                return _arithmetic(operator, self.value(left), self.value(right))
            case Comparison(operator, left, right):
                return _comparison(operator, self.value(left), self.value(right))
            case Is(operand, category):
                assert isinstance(operand.type, Category)
                position = self.value(operand)
                return _flags(position == operand.type.names.index(category), position)
            case Logic("and", left, right):
                return _and(self.value(left), self.value(right))
            case Logic(_, left, right):  # a or b = not (not a and not b)
                return 1.0 - _and(1.0 - self.value(left), 1.0 - self.value(right))
            case Not(operand):
                return 1.0 - self.value(operand)
            case Missing(operand):
                return np.isnan(self.value(operand)).astype(np.float64)
            case Choice(condition, then, otherwise):
                chosen = self.value(condition)
                column = np.where(chosen == 1.0, self.value(then), self.value(otherwise))
                return np.where(np.isnan(chosen), np.nan, column)

    def _age(self, birth: Concept) -> Floats:
        born = self.window(birth, None, valued=False)
        moments = born.happened[born.end("latest")]
        pairs, inverse = np.unique(np.column_stack([moments, self.as_of[born.some]]), axis=0, return_inverse=True)
        ages = np.array([years_between(to_datetime(b), to_datetime(a)) for b, a in pairs], dtype=np.float64)
        return born.spread(ages[inverse] if len(ages) else ())


def _flags(flags: Flags, *operands: Floats) -> Floats:
    """Return a condition as a column, missing where any operand is."""
    missing = np.logical_or.reduce([np.isnan(operand) for operand in operands])
    return np.where(missing, np.nan, flags.astype(np.float64))


def _and(left: Floats, right: Floats) -> Floats:
    return np.where((left == 0) | (right == 0), 0.0, _flags(np.ones(len(left), dtype=bool), left, right))


def _arithmetic(operator: str, left: Floats, right: Floats) -> Floats:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case _:
            return left / right  # what is not finite becomes missing


def _comparison(operator: str, left: Floats, right: Floats) -> Floats:
    match operator:
        case "==":
            flags = left == right
        case "!=":
            flags = left != right
        case "<":
            flags = left < right
        case "<=":
            flags = left <= right
        case ">":
            flags = left > right
        case _:
            flags = left >= right
    return _flags(flags, left, right)


def latest_practice(
    shard: Shard, patients: npt.NDArray[np.object_], as_of: Integers, registration: Concept
) -> npt.NDArray[np.object_]:
    """Return the practice of each row's latest known registration, ``""`` where there is none."""
    seen = _Seen.of(shard, shard.positions(patients), as_of, registration)
    window = seen.window(None)
    practice = np.full(len(as_of), "", dtype=object)
    if window.some.any():
        names = np.array(shard.practices, dtype=object)
        practice[window.some] = names[shard.practice[seen.position[window.end("latest")]]]
    return practice

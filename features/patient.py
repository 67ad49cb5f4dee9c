"""Evaluator 1: one history, plain Python. It is used in the consultation, and it is the one that is obviously right."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cached_property

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
from features.records import History, Record

Value = float | None  # a condition is 1.0 or 0.0, a category its position; None is missing
A_YEAR = timedelta(microseconds=YEAR)


def evaluate(node: Node, history: History, as_of: datetime) -> Value:
    """Return the value of one expression for one patient, from what was known before ``as_of``."""
    return _Evaluation(history, as_of).value(node)


def evaluate_all(nodes: Iterable[Node], history: History, as_of: datetime) -> list[Value]:
    """Return the values of several expressions for one patient, each shared part computed once."""
    evaluation = _Evaluation(history, as_of)
    return [evaluation.value(node) for node in nodes]


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


class _Evaluation:
    """The evaluation of expressions for one patient at one time."""

    def __init__(self, history: History, as_of: datetime) -> None:
        self.history = history
        self.as_of = as_of
        self._values: dict[Node, Value] = {}
        self._records: dict[tuple[Concept, int | None, bool], list[Record]] = {}

    @cached_property
    def known(self) -> list[Record]:
        """Records that had happened, were known and not taken back, strictly before ``as_of``: all else starts here."""
        return [
            r
            for r in self.history.records
            if r.happened_at < self.as_of
            and r.known_at < self.as_of
            and (r.retracted_at is None or r.retracted_at >= self.as_of)
        ]

    def value(self, node: Node) -> Value:
        if node not in self._values:
            self._values[node] = self._finite(self._compute(node))
        return self._values[node]

    @staticmethod
    def _finite(value: Value) -> Value:
        return value if value is not None and math.isfinite(value) else None

    def _compute(self, node: Node) -> Value:
        match node:
            case Aggregate():
                return self._aggregate(node)
            case Elapsed(which, concept, within, valued):
                records = self.records(concept, within, valued)
                return (self.as_of - records[_end(which)].happened_at) / A_YEAR if records else None
            case Age(birth):
                records = self.records(birth, None, valued=False)
                return years_between(records[-1].happened_at, self.as_of) if records else None
            case Constant(value):
                return None if value is None else float(value)
            case Arithmetic(operator, left, right):
                return _arithmetic(operator, self.value(left), self.value(right))
            case Comparison(operator, left, right):
                return _comparison(operator, self.value(left), self.value(right))
            case Is(operand, category):
                assert isinstance(operand.type, Category)
                position = self.value(operand)
                return None if position is None else float(operand.type.names[int(position)] == category)
            case Logic("and", left, right):
                return _and(self.value(left), self.value(right))
            case Logic(_, left, right):  # a or b = not (not a and not b)
                return _not(_and(_not(self.value(left)), _not(self.value(right))))
            case Not(operand):
                return _not(self.value(operand))
            case Missing(operand):
                return float(self.value(operand) is None)
            case Choice(condition, then, otherwise):
                chosen = self.value(condition)
                return None if chosen is None else self.value(then if chosen else otherwise)

    def records(self, concept: Concept, within: int | None, valued: bool) -> list[Record]:
        """Return the records of a concept in a window, in the language's order."""
        key = (concept, within, valued)
        if key not in self._records:
            if within is not None:
                start = self.as_of - timedelta(microseconds=within)
                found = [r for r in self.records(concept, None, valued) if r.happened_at >= start]
            elif valued:
                found = [r for r in self.records(concept, None, valued=False) if r.value is not None]
            else:
                found = [r for code, records in self._by_code.items() if concept.covers(code) for r in records]
                found.sort(key=lambda r: (r.happened_at, r.known_at, _size(r, concept)))
            self._records[key] = found
        return self._records[key]

    @cached_property
    def _by_code(self) -> dict[str, list[Record]]:
        groups: dict[str, list[Record]] = {}
        for record in self.known:
            groups.setdefault(record.code, []).append(record)
        return groups

    def _aggregate(self, node: Aggregate) -> Value:
        records = self.records(node.concept, node.within, node.valued)
        if node.statistic == "count":
            return float(len(records))
        if node.statistic == "exists":
            return float(len(records) > 0)
        if not records:
            return None
        if node.statistic in ("latest", "first"):
            return _size(records[_end(node.statistic)], node.concept)
        values = [_size(r, node.concept) for r in records]
        match node.statistic:
            case "mean":
                return _total(values) / len(values)
            case "minimum":
                return min(values)
            case "maximum":
                return max(values)
            case "sum":
                return _total(values)
            case _:
                return _slope([(r.happened_at - self.as_of) / A_YEAR for r in records], values)


def _end(which: str) -> int:
    return -1 if which == "latest" else 0


def _size(record: Record, concept: Concept) -> float:
    """Return the value by which records that happened and became known together are ordered."""
    if concept.categories:
        category = concept.category(record.code)
        assert category is not None
        return float(category)
    return math.inf if record.value is None else record.value


def _total(values: Iterable[float]) -> float:
    """Return the sum, added up in order: `sum` compensates rounding in some versions of Python and not in others."""
    total = 0.0
    for value in values:
        total += value
    return total


def _slope(times: Sequence[float], values: Sequence[float]) -> Value:
    """Return the least-squares slope; the sums run in the records' order, as they do in the columnar evaluator."""
    mean_time, mean_value = _total(times) / len(times), _total(values) / len(values)
    spread = _total((t - mean_time) * (t - mean_time) for t in times)
    together = _total((t - mean_time) * (v - mean_value) for t, v in zip(times, values, strict=True))
    return None if min(times) == max(times) or spread == 0 else together / spread


def _arithmetic(operator: str, left: Value, right: Value) -> Value:
    if left is None or right is None:
        return None
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case _:
            return None if right == 0 else left / right


def _comparison(operator: str, left: Value, right: Value) -> Value:
    if left is None or right is None:
        return None
    match operator:
        case "==":
            return float(left == right)
        case "!=":
            return float(left != right)
        case "<":
            return float(left < right)
        case "<=":
            return float(left <= right)
        case ">":
            return float(left > right)
        case _:
            return float(left >= right)


def _and(left: Value, right: Value) -> Value:
    if left == 0 or right == 0:
        return 0.0
    return None if left is None or right is None else 1.0


def _not(value: Value) -> Value:
    return None if value is None else 1.0 - value

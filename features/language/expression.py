"""Expressions: nodes with operators, checked as they are built."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NoReturn, Self, get_args

from features.language.nodes import (
    Aggregate,
    Arithmetic,
    Band,
    Choice,
    Comparator,
    Comparison,
    Constant,
    Elapsed,
    Extreme,
    Is,
    Logic,
    Missing,
    Node,
    Not,
    unit_of,
)
from features.language.text import text
from features.language.types import Boolean, Category, Dated, ExpressionError, Number, Type

Direction = Literal[-1, 0, 1]
#: What it means that there is no record: nothing is known, the answer is no (or zero), or a value is assumed.
Absence = Literal["never measured", "negative by absence", "assumed"]


@dataclass(frozen=True, eq=False)
class Expression:
    """A node with operators. Build one with a verb, combine with ``+ - * / == < & | ~``.

    ``fr``, ``en``, ``direction`` and ``absence`` describe it as a feature (`described`).
    """

    node: Node
    fr: str = ""
    en: str = ""
    direction: Direction = 0
    absence: Absence | None = None

    @property
    def type(self) -> Type:
        """The type of its value."""
        return self.node.type

    def __str__(self) -> str:
        return text(self.node)

    __repr__ = __str__

    def described(self, fr: str, en: str, direction: Direction = 0, absence: Absence | None = None) -> Self:
        """Return the expression with what people read of it as a feature.

        Parameters
        ----------
        fr, en
            Labels.
        direction
            The way the risk moves when it rises: +1, -1, or 0 for either.
        absence
            What it means that a patient has no record of it. Left out, it follows from the expression; stated, it must
            agree with it, and `FeatureSet` refuses what does not.
        """
        if direction not in get_args(Direction) or absence not in (None, *get_args(Absence)):
            raise ExpressionError(
                f"described() takes a direction of -1, 0 or 1, not {direction!r}, and an absence of "
                f"{', '.join(map(repr, get_args(Absence)))} or none, not {absence!r}"
            )
        return type(self)(self.node, fr, en, direction, absence)

    # arithmetic
    def __add__(self, other: Expression | float) -> Expression:
        return _arithmetic("+", self, other)

    def __radd__(self, other: float) -> Expression:
        return _arithmetic("+", other, self)

    def __sub__(self, other: Expression | float) -> Expression:
        return _arithmetic("-", self, other)

    def __rsub__(self, other: float) -> Expression:
        return _arithmetic("-", other, self)

    def __mul__(self, other: Expression | float) -> Expression:
        return _arithmetic("*", self, other)

    def __rmul__(self, other: float) -> Expression:
        return _arithmetic("*", other, self)

    def __truediv__(self, other: Expression | float) -> Expression:
        return _arithmetic("/", self, other)

    def __rtruediv__(self, other: float) -> Expression:
        return _arithmetic("/", other, self)

    def __neg__(self) -> Expression:
        return _arithmetic("-", 0.0, self)

    # comparison
    def __eq__(self, other: object) -> Expression:  # type: ignore[override]
        if isinstance(other, str):
            return _is(self, other)
        return _comparison("==", self, other)

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]
        if isinstance(other, str):
            return ~_is(self, other)
        return _comparison("!=", self, other)

    def __lt__(self, other: Expression | float) -> Expression:
        return _comparison("<", self, other)

    def __le__(self, other: Expression | float) -> Expression:
        return _comparison("<=", self, other)

    def __gt__(self, other: Expression | float) -> Expression:
        return _comparison(">", self, other)

    def __ge__(self, other: Expression | float) -> Expression:
        return _comparison(">=", self, other)

    __hash__ = None  # type: ignore[assignment]

    # logic
    def __and__(self, other: Expression | bool) -> Expression:
        return _logic("and", self, other)

    def __or__(self, other: Expression | bool) -> Expression:
        return _logic("or", self, other)

    def __invert__(self) -> Expression:
        return Expression(Not(_condition(self, "~")))

    def __bool__(self) -> NoReturn:
        raise ExpressionError(
            "an expression has no truth value before it is evaluated: combine conditions with & | ~ (in parentheses), "
            f"not with and, or, not; use one comparison at a time. The expression is {self}"
        )

    # missing values
    def missing(self) -> Expression:
        """Return whether the value is missing; never missing itself."""
        return Expression(Missing(_node(self, "missing()")))

    def known(self) -> Expression:
        """Return whether the value is there; never missing itself."""
        return ~self.missing()

    def default(self, value: Expression | float | bool | str) -> Expression:
        """Return the value, or another one where it is missing; of a state, the name of a category."""
        return when(self.missing()).then(value).otherwise(self)

    def where(self, condition: Expression) -> Expression:
        """Return the number where a condition holds, missing elsewhere."""
        node = _number(self, "where()")
        return Expression(Choice(_condition(condition, "where()"), node, Constant(None)))

    def years_ago(self) -> Expression:
        """Return how many years before ``as_of`` the record that `latest` or `first` takes happened."""
        node = self.node
        if not isinstance(node, Aggregate) or node.statistic not in ("latest", "first"):
            raise ExpressionError(f"years_ago() goes with latest(...) or first(...); this is a {self.type}: {self}")
        return Expression(elapsed(node))


def elapsed(node: Aggregate) -> Elapsed:
    """Return the years since the record that a latest or first value was taken from."""
    which: Literal["latest", "first"] = "latest" if node.statistic == "latest" else "first"
    return Elapsed(
        which, node.concept, node.within, node.valued, node.nth,
        until=node.until, since=node.since, before=node.before, where=node.where,
    )  # fmt: skip


def quantity(value: float, unit: str) -> Expression:
    """Return a constant that has a unit: ``latest(HEIGHT) / quantity(100, "cm/m")`` is in metres.

    Dividing by ``quantity(1, unit)`` takes a unit away, as a points score needs.
    """
    node = _node(value, "quantity()")
    if not isinstance(node, Constant) or isinstance(node.value, bool) or not isinstance(unit, str) or not unit.strip():
        raise ExpressionError(
            f'quantity() takes a number and a UCUM unit, such as (140, "mm[Hg]"), not {value!r}, {unit!r}'
        )
    return Expression(Constant(node.value, unit))


def smallest(*expressions: Expression | float) -> Expression:
    """Return the smallest of several numbers; missing where any of them is."""
    return _extreme("smallest", expressions)


def largest(*expressions: Expression | float) -> Expression:
    """Return the largest of several numbers; missing where any of them is."""
    return _extreme("largest", expressions)


def band(expression: Expression, edges: Sequence[float], labels: Sequence[str] = ()) -> Expression:
    """Return in which band a number is, a band including its lower edge and not its upper.

    Parameters
    ----------
    edges
        Rising, in the expression's unit. ``n`` edges make ``n + 1`` bands.
    labels
        One a band: the value is then a category. Without them it is a number, 0 for the lowest band.
    """
    node = _number(expression, "band()")
    faults = []
    if not edges or any(isinstance(e, bool) or not isinstance(e, (int, float)) or not math.isfinite(e) for e in edges):
        faults.append(f"edges are numbers, one or more, not {edges!r}")
    elif any(low >= high for low, high in pairwise(edges)):
        faults.append(f"edges must rise, and {list(edges)} do not")
    if labels and (isinstance(labels, str) or len(labels) != len(edges) + 1):
        faults.append(f"{len(edges)} edges make {len(edges) + 1} bands, and there are {len(labels)} labels")
    if len(set(labels)) != len(labels) or not all(isinstance(label, str) and label for label in labels):
        faults.append(f"labels are different texts, not {list(labels)}")
    if faults:
        raise ExpressionError(f"band({text(node)}): {'; '.join(faults)}")
    return Expression(Band(node, tuple(float(edge) + 0.0 for edge in edges), tuple(labels)))


@dataclass(frozen=True)
class When:
    """``when(condition)``, waiting for ``.then(...)``."""

    condition: Expression

    def then(self, value: Expression | float | bool | str) -> Then:
        """Give the value where the condition holds."""
        return Then(self.condition, value)


@dataclass(frozen=True)
class Then:
    """``when(condition).then(value)``, waiting for ``.otherwise(...)``."""

    condition: Expression
    value: Expression | float | bool | str

    def otherwise(self, value: Expression | float | bool | str) -> Expression:
        """Give the value where the condition does not hold, and return the expression.

        The name of a category may stand on one side; the other side says which categories there are.
        """
        then, other = _branch(self.value, value, "then()"), _branch(value, self.value, "otherwise()")
        if type(then.type) is not type(other.type) or (isinstance(then.type, Category) and then.type != other.type):
            raise ExpressionError(
                f"both branches of when() must be of one type; here {then.type} ({text(then)}) and {other.type} "
                f"({text(other)}): make both numbers, both conditions, or categories of one state"
            )
        if isinstance(then.type, Number):
            _one_unit("when/otherwise", then, other)
        return Expression(Choice(_condition(self.condition, "when"), then, other))


def when(condition: Expression) -> When:
    """Begin ``when(condition).then(a).otherwise(b)``."""
    return When(condition)


# Checks


def _node(value: object, where: str) -> Node:
    if isinstance(value, Expression):
        if isinstance(value.type, Dated):
            raise ExpressionError(dated(value, where))
        return value.node
    if isinstance(value, (bool, int, float)):
        if not math.isfinite(value):
            raise ExpressionError(f"{value} is not a constant: use missing() and known() to test for missing values")
        return Constant(value if isinstance(value, bool) else float(value) + 0.0)
    raise ExpressionError(f"{where}: expected an expression, a number or a condition, not {value!r}")


def _branch(value: object, beside: object, where: str) -> Node:
    """Return one side of a choice; the name of a category is one of those that the other side can be."""
    if not isinstance(value, str):
        return _node(value, where)
    kind = beside.type if isinstance(beside, Expression) else None
    if not isinstance(kind, Category):
        raise ExpressionError(f"{where}: {value!r} is a category, and the other side, {beside!r}, has none")
    if value not in kind.names:
        raise ExpressionError(f"{where}: {value!r} is not one of {', '.join(kind.names)}, the categories of {beside}")
    return Constant(float(kind.names.index(value)), names=kind.names)


def dated(expression: Expression, where: str) -> str:
    """Return what is wrong with using a record that has only a date as a value."""
    assert isinstance(expression.node, Aggregate)
    name = expression.node.concept.name
    return (
        f"{where}: {expression} is a record, and {name} has no "
        "value, only dates: use exists(), count(), years_since() or .years_ago(), or give it as since= or before="
    )


def _one_unit(operator: str, *nodes: Node) -> None:
    units = dict.fromkeys(unit for unit in map(unit_of, nodes) if unit is not None)
    if len(units) > 1:
        shown = ", ".join(f"{text(node)} [{unit_of(node)}]" for node in nodes if unit_of(node) is not None)
        raise ExpressionError(
            f"{operator} needs one unit on both sides; here {' and '.join(units)}: {shown}. Convert one of them "
            '(multiply by quantity(factor, "unit/unit")), or divide each by quantity(1, unit) to drop its unit'
        )


def _number(value: object, operator: str) -> Node:
    node = _node(value, operator)
    if not isinstance(node.type, Number):
        hint = {Boolean: "when(condition).then(1).otherwise(0)", Category: '== "category"'}[type(node.type)]
        raise ExpressionError(f"{operator} takes numbers; one side is a {node.type}: {text(node)}. Use {hint}")
    return node


def _condition(value: object, operator: str) -> Node:
    node = _node(value, operator)
    if not isinstance(node.type, Boolean):
        raise ExpressionError(
            f"{operator} takes conditions; one side is a {node.type}: compare it first, as in ({text(node)}) > 0"
        )
    return node


def _arithmetic(operator: Literal["+", "-", "*", "/"], left: object, right: object) -> Expression:
    a, b = _number(left, operator), _number(right, operator)
    if operator in "+-":
        _one_unit(operator, a, b)
    return Expression(Arithmetic(operator, a, b))


def _comparison(operator: Comparator, left: object, right: object) -> Expression:
    a, b = _number(left, operator), _number(right, operator)
    _one_unit(operator, a, b)
    return Expression(Comparison(operator, a, b))


def _extreme(which: Literal["smallest", "largest"], expressions: Sequence[object]) -> Expression:
    if len(expressions) < 2:
        raise ExpressionError(f"{which}() takes two numbers or more; over records use minimum() or maximum()")
    nodes = tuple(_number(expression, f"{which}()") for expression in expressions)
    _one_unit(f"{which}()", *nodes)
    return Expression(Extreme(which, nodes))


def _is(expression: Expression, category: str) -> Expression:
    node = _node(expression, "==")
    kind = node.type
    if not isinstance(kind, Category):
        raise ExpressionError(f"{category!r} is a category, but the other side is a {kind}: {text(node)}")
    if category not in kind.names:
        raise ExpressionError(f"{category!r} is not one of {', '.join(kind.names)}, the categories of {text(node)}")
    return Expression(Is(node, category))


def _logic(operator: Literal["and", "or"], left: object, right: object) -> Expression:
    symbol = "&" if operator == "and" else "|"
    return Expression(Logic(operator, _condition(left, symbol), _condition(right, symbol)))

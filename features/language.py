"""The feature language: what to compute from a history, stated in one line.

An `Expression` wraps a frozen node; verbs such as `latest` make expressions, operators combine them. Nothing here
reads records: `features.patient` and `features.columnar` evaluate nodes, and both must give the same values. The rules
both follow:

- A record counts when ``as_of - within <= happened_at < as_of``, ``known_at < as_of`` and it was not taken back before
  ``as_of``.
- Records are taken in the order of ``happened_at``, then ``known_at``, then the value (for a state, the place of its
  category). The latest is the last of them, the first is the first; row order never matters.
- Verbs about values look only at records that have one; `count`, `exists` and `years_since` look at all.
- Anything computed from a missing value is missing, and so is a division by zero or a number too large; ``&`` and
  ``|`` follow Kleene's logic (false and missing is false). `Expression.known`, `missing`, `default` are the ways out.
- A year is 365.25 days, except in `age`, which counts birthdays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, NoReturn, Self, TypeGuard

from features.codes import Concept

DAY: Final = 86_400_000_000  # microseconds
YEAR: Final = 31_557_600_000_000  # 365.25 days


class ExpressionError(TypeError):
    """An expression that cannot mean anything: what is wrong, where, and how to mend it."""


# Durations


@dataclass(frozen=True, order=True)
class Duration:
    """A length of time in microseconds."""

    microseconds: int


def days(n: float) -> Duration:
    """Return a duration of ``n`` days."""
    return Duration(round(n * DAY))


def months(n: float) -> Duration:
    """Return a duration of ``n`` twelfths of a year."""
    return Duration(round(n * YEAR / 12))


def years(n: float) -> Duration:
    """Return a duration of ``n`` years of 365.25 days."""
    return Duration(round(n * YEAR))


# Types


@dataclass(frozen=True)
class Number:
    """A number with a UCUM unit; ``"1"`` has no dimension, ``None`` goes with any unit (a constant)."""

    unit: str | None

    def __str__(self) -> str:
        return f"number [{self.unit}]" if self.unit else "number"


@dataclass(frozen=True)
class Boolean:
    """True, false or missing."""

    def __str__(self) -> str:
        return "condition"


@dataclass(frozen=True)
class Category:
    """One of the categories of a state."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"category ({', '.join(self.names)})"


Type = Number | Boolean | Category


# Nodes

Statistic = Literal["latest", "first", "count", "exists", "mean", "minimum", "maximum", "sum", "slope"]


@dataclass(frozen=True)
class Aggregate:
    """A statistic of the records of a concept in a window (microseconds before ``as_of``; None is ever)."""

    statistic: Statistic
    concept: Concept
    within: int | None

    @property
    def valued(self) -> bool:
        """Whether only records that have a value count."""
        return self.statistic not in ("count", "exists") and not self.concept.categories

    @property
    def type(self) -> Type:
        if self.statistic == "exists":
            return Boolean()
        if self.statistic == "count":
            return Number("1")
        if self.concept.categories:
            return Category(self.concept.category_names)
        return Number(f"{self.concept.unit}/a" if self.statistic == "slope" else self.concept.unit)


@dataclass(frozen=True)
class Elapsed:
    """Years from the latest or first record of a concept in a window to ``as_of``."""

    which: Literal["latest", "first"]
    concept: Concept
    within: int | None
    valued: bool

    @property
    def type(self) -> Type:
        return Number("a")


@dataclass(frozen=True)
class Age:
    """Years since birth: completed years, and the fraction of the way to the next birthday."""

    birth: Concept

    @property
    def type(self) -> Type:
        return Number("a")


@dataclass(frozen=True)
class Constant:
    """A number or a condition that is always the same; None is a missing number."""

    value: float | bool | None

    @property
    def type(self) -> Type:
        return Boolean() if isinstance(self.value, bool) else Number(None)


@dataclass(frozen=True)
class Arithmetic:
    """A sum, difference, product or ratio of two numbers."""

    operator: Literal["+", "-", "*", "/"]
    left: Node
    right: Node

    @property
    def type(self) -> Type:
        left, right = _unit(self.left), _unit(self.right)
        if self.operator in "+-":
            return Number(left or right)
        if self.operator == "*":
            return Number(left if right in (None, "1") else right if left in (None, "1") else f"{left}.{right}")
        if right in (None, "1"):
            return Number(left)
        return Number("1" if left == right else f"{left or 1}/{right}")


@dataclass(frozen=True)
class Comparison:
    """A comparison of two numbers."""

    operator: Literal["==", "!=", "<", "<=", ">", ">="]
    left: Node
    right: Node

    @property
    def type(self) -> Type:
        return Boolean()


@dataclass(frozen=True)
class Is:
    """Whether a state is in one category."""

    operand: Node
    category: str

    @property
    def type(self) -> Type:
        return Boolean()


@dataclass(frozen=True)
class Logic:
    """Both or either of two conditions."""

    operator: Literal["and", "or"]
    left: Node
    right: Node

    @property
    def type(self) -> Type:
        return Boolean()


@dataclass(frozen=True)
class Not:
    """The contrary of a condition."""

    operand: Node

    @property
    def type(self) -> Type:
        return Boolean()


@dataclass(frozen=True)
class Missing:
    """Whether a value is missing; itself never missing."""

    operand: Node

    @property
    def type(self) -> Type:
        return Boolean()


@dataclass(frozen=True)
class Choice:
    """One value where a condition holds, another where it does not; missing where the condition is."""

    condition: Node
    then: Node
    otherwise: Node

    @property
    def type(self) -> Type:
        if isinstance(self.then.type, Number):
            return Number(_unit(self.then) or _unit(self.otherwise))
        return self.then.type


Node = Aggregate | Elapsed | Age | Constant | Arithmetic | Comparison | Is | Logic | Not | Missing | Choice
LEAVES: Final = (Aggregate, Elapsed, Age)
NODES: Final[Mapping[str, type[Node]]] = {
    node.__name__: node
    for node in (Aggregate, Elapsed, Age, Constant, Arithmetic, Comparison, Is, Logic, Not, Missing, Choice)
}


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes this one is computed from."""
    return tuple(value for f in fields(node) if _is_node(value := getattr(node, f.name)))


def _is_node(value: object) -> TypeGuard[Node]:
    return isinstance(value, tuple(NODES.values()))


def to_dict(node: Node) -> dict[str, Any]:
    """Return a node as JSON types; `from_dict` is its inverse."""
    data: dict[str, Any] = {"node": type(node).__name__}
    for f in fields(node):
        value = getattr(node, f.name)
        if isinstance(value, Concept):
            value = value.to_dict()
        elif _is_node(value):
            value = to_dict(value)
        data[f.name] = value
    return data


def from_dict(data: Mapping[str, Any]) -> Node:
    """Return the node written by `to_dict`; raise ValueError on an unknown node."""
    if data.get("node") not in NODES:
        raise ValueError(f"unknown node {data.get('node')!r}; known: {', '.join(NODES)}")
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key == "node":
            continue
        if isinstance(value, Mapping):
            value = from_dict(value) if "node" in value else Concept.from_dict(value)
        values[key] = value
    return NODES[data["node"]](**values)


# Expressions


@dataclass(frozen=True, eq=False)
class Expression:
    """A node with operators. Build one with a verb, combine with ``+ - * / == < & | ~``.

    ``fr``, ``en`` and ``direction`` describe it as a feature (`described`).
    """

    node: Node
    fr: str = ""
    en: str = ""
    direction: Literal[-1, 0, 1] = 0

    @property
    def type(self) -> Type:
        """The type of its value."""
        return self.node.type

    def described(self, fr: str, en: str, direction: Literal[-1, 0, 1] = 0) -> Self:
        """Return the expression with labels and the way the risk moves when it rises (+1, -1, or 0 for either)."""
        return type(self)(self.node, fr, en, direction)

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
            "not with and, or, not; use one comparison at a time"
        )

    # missing values
    def missing(self) -> Expression:
        """Return whether the value is missing; never missing itself."""
        return Expression(Missing(self.node))

    def known(self) -> Expression:
        """Return whether the value is there; never missing itself."""
        return Expression(Not(Missing(self.node)))

    def default(self, value: float | bool) -> Expression:
        """Return the value, or another one where it is missing."""
        return when(self.missing()).then(value).otherwise(self)

    def where(self, condition: Expression) -> Expression:
        """Return the number where a condition holds, missing elsewhere."""
        node = _number(self, "where()")
        return Expression(Choice(_condition(condition, "where()"), node, Constant(None)))

    def years_ago(self) -> Expression:
        """Return how many years before ``as_of`` the record that `latest` or `first` takes happened."""
        node = self.node
        if not isinstance(node, Aggregate) or node.statistic not in ("latest", "first"):
            raise ExpressionError(f"years_ago() goes with latest(...) or first(...); this is a {self.type}")
        which: Literal["latest", "first"] = "latest" if node.statistic == "latest" else "first"
        return Expression(Elapsed(which, node.concept, node.within, node.valued))


# Verbs


def _aggregate(statistic: Statistic, concept: Concept, within: Duration | None) -> Expression:
    if not isinstance(concept, Concept):
        raise ExpressionError(f"{statistic}() takes a concept from features.catalogue, not {concept!r}")
    if within is not None and (not isinstance(within, Duration) or within.microseconds <= 0):
        raise ExpressionError(f"within= takes a positive duration such as years(2) or days(90), not {within!r}")
    needs_value = statistic not in ("count", "exists")
    numeric = statistic in ("mean", "minimum", "maximum", "sum", "slope")
    if needs_value and concept.unit is None and not concept.categories:
        raise ExpressionError(
            f"{concept.name} has no value to take the {statistic} of: use exists(), count() or years_since()"
        )
    if numeric and concept.unit is None:
        raise ExpressionError(f"{concept.name} is a state: {statistic}() takes numbers; use latest() == 'category'")
    return Expression(Aggregate(statistic, concept, within.microseconds if within else None))


def latest(concept: Concept, within: Duration | None = None) -> Expression:
    """Return the latest value, or the latest category of a state."""
    return _aggregate("latest", concept, within)


def first(concept: Concept, within: Duration | None = None) -> Expression:
    """Return the first value, or the first category of a state."""
    return _aggregate("first", concept, within)


def count(concept: Concept, within: Duration | None = None) -> Expression:
    """Return the number of records; 0 where there are none."""
    return _aggregate("count", concept, within)


def exists(concept: Concept, within: Duration | None = None) -> Expression:
    """Return whether there is a record; never missing."""
    return _aggregate("exists", concept, within)


def mean(concept: Concept, within: Duration | None = None) -> Expression:
    """Return the mean of the values."""
    return _aggregate("mean", concept, within)


def minimum(concept: Concept, within: Duration | None = None) -> Expression:
    """Return the smallest value."""
    return _aggregate("minimum", concept, within)


def maximum(concept: Concept, within: Duration | None = None) -> Expression:
    """Return the largest value."""
    return _aggregate("maximum", concept, within)


def total(concept: Concept, within: Duration | None = None) -> Expression:
    """Return the sum of the values; missing where there are none."""
    return _aggregate("sum", concept, within)


def slope(concept: Concept, within: Duration | None = None) -> Expression:
    """Return the least-squares change of the value a year; missing unless two values are at different times."""
    return _aggregate("slope", concept, within)


def years_since(concept: Concept, within: Duration | None = None) -> Expression:
    """Return the years since the latest record."""
    _aggregate("count", concept, within)  # the same checks
    return Expression(Elapsed("latest", concept, within.microseconds if within else None, valued=False))


def age(birth: Concept | None = None) -> Expression:
    """Return the age in years: completed years, and the fraction of the way to the next birthday."""
    if birth is None:
        from features.catalogue.concepts import BIRTH

        birth = BIRTH
    return Expression(Age(birth))


@dataclass(frozen=True)
class When:
    """``when(condition)``, waiting for ``.then(...)``."""

    condition: Expression

    def then(self, value: Expression | float | bool) -> Then:
        """Give the value where the condition holds."""
        return Then(self.condition, value)


@dataclass(frozen=True)
class Then:
    """``when(condition).then(value)``, waiting for ``.otherwise(...)``."""

    condition: Expression
    value: Expression | float | bool

    def otherwise(self, value: Expression | float | bool) -> Expression:
        """Give the value where the condition does not hold, and return the expression."""
        then, other = _node(self.value), _node(value)
        if type(then.type) is not type(other.type) or (isinstance(then.type, Category) and then.type != other.type):
            raise ExpressionError(f"both branches of when() must be of one type; here {then.type} and {other.type}")
        if isinstance(then.type, Number):
            _same_unit("when/otherwise", then, other)
        return Expression(Choice(_condition(self.condition, "when"), then, other))


def when(condition: Expression) -> When:
    """Begin ``when(condition).then(a).otherwise(b)``."""
    return When(condition)


# Checks


def _node(value: object) -> Node:
    if isinstance(value, Expression):
        return value.node
    if isinstance(value, (bool, int, float)):
        if value != value or value in (float("inf"), float("-inf")):
            raise ExpressionError(f"{value} is not a constant: use missing() and known() to test for missing values")
        return Constant(value if isinstance(value, bool) else float(value))
    raise ExpressionError(f"expected an expression, a number or a condition, not {value!r}")


def _unit(node: Node) -> str | None:
    return node.type.unit if isinstance(node.type, Number) else None


def _same_unit(operator: str, left: Node, right: Node) -> None:
    units = _unit(left), _unit(right)
    if None not in units and units[0] != units[1]:
        raise ExpressionError(f"{operator} needs one unit on both sides; here {units[0]} and {units[1]}")


def _number(value: object, operator: str) -> Node:
    node = _node(value)
    if not isinstance(node.type, Number):
        raise ExpressionError(f"{operator} takes numbers; one side is a {node.type}")
    return node


def _condition(value: object, operator: str) -> Node:
    node = _node(value)
    if not isinstance(node.type, Boolean):
        raise ExpressionError(f"{operator} takes conditions; one side is a {node.type}: compare it first")
    return node


def _arithmetic(operator: Literal["+", "-", "*", "/"], left: object, right: object) -> Expression:
    a, b = _number(left, operator), _number(right, operator)
    if operator in "+-":
        _same_unit(operator, a, b)
    return Expression(Arithmetic(operator, a, b))


def _comparison(operator: Literal["==", "!=", "<", "<=", ">", ">="], left: object, right: object) -> Expression:
    a, b = _number(left, operator), _number(right, operator)
    _same_unit(operator, a, b)
    return Expression(Comparison(operator, a, b))


def _is(expression: Expression, category: str) -> Expression:
    kind = expression.type
    if not isinstance(kind, Category):
        raise ExpressionError(f"{category!r} is a category, but the other side is a {kind}")
    if category not in kind.names:
        raise ExpressionError(f"{category!r} is not one of {', '.join(kind.names)}")
    return Expression(Is(expression.node, category))


def _logic(operator: Literal["and", "or"], left: object, right: object) -> Expression:
    symbol = "&" if operator == "and" else "|"
    return Expression(Logic(operator, _condition(left, symbol), _condition(right, symbol)))

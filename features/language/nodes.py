"""Nodes: the frozen pieces of an expression, the type each has, and how they travel as JSON.

Leaves read records; every other node is computed from nodes. A field added to a node later has a default, and a default
is left out of the JSON: definitions written before it load, and keep their fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from functools import cached_property
from typing import Any, Final, Literal, TypeGuard

from features.codes import Concept
from features.language.concepts import concept_from_dict, parts
from features.language.types import Boolean, Category, Dated, Number, Type, divided, multiplied

Statistic = Literal[
    "latest", "first", "count", "count_days", "exists",
    "mean", "minimum", "maximum", "sum", "standard_deviation", "slope",
]  # fmt: skip
Comparator = Literal["==", "!=", "<", "<=", ">", ">="]
#: A comparison of a record's own value with a number, or of its category with a name.
Criterion = tuple[Comparator, float | str]


@dataclass(frozen=True)
class _Typed:
    @property
    def type(self) -> Type:
        """The type of its value."""
        assert is_node(self)
        return type_of(self)


# Leaves


@dataclass(frozen=True, kw_only=True)
class _Windowed(_Typed):
    """What narrows the records of a leaf beyond its concept and look-back: see `Selection`."""

    until: int = 0
    since: Aggregate | None = None
    before: Aggregate | None = None
    where: tuple[Criterion, ...] = ()


@dataclass(frozen=True)
class Aggregate(_Windowed):
    """A statistic of the records of a concept in a window (microseconds before ``as_of``; None is ever).

    ``nth`` is for ``latest`` and ``first``: 2 is the one before the latest, or after the first.
    """

    statistic: Statistic
    concept: Concept
    within: int | None
    nth: int = 1

    @property
    def valued(self) -> bool:
        """Whether only records that have a value count."""
        dated = self.concept.categories or (self.concept.unit is None and self.statistic in ("latest", "first"))
        return self.statistic not in ("count", "count_days", "exists") and not dated


@dataclass(frozen=True)
class Elapsed(_Windowed):
    """Years from a record of a concept, the nth latest or first in a window, to ``as_of``."""

    which: Literal["latest", "first"]
    concept: Concept
    within: int | None
    valued: bool
    nth: int = 1


@dataclass(frozen=True)
class Covered(_Windowed):
    """How much of a window records cover, each from the moment it happened for as long as it lasts.

    It lasts ``lasting`` microseconds, or its own value where the concept is measured in days. What a record before the
    window still covers counts. Where the window has no beginning it begins with the first record.
    """

    measure: Literal["years", "share"]
    concept: Concept
    within: int | None
    lasting: int

    valued = False

    @property
    def stated(self) -> bool:
        """Whether the value of a record says for how many days it lasts."""
        return self.concept.unit == "d"


@dataclass(frozen=True)
class Followed(_Windowed):
    """Whether a record of a concept is followed, less than ``delay`` microseconds later, by one of another concept."""

    concept: Concept
    within: int | None
    by: Concept
    delay: int

    valued = False


@dataclass(frozen=True)
class Age(_Typed):
    """Years since birth: completed years, and the fraction of the way to the next birthday."""

    birth: Concept


# What is computed from other nodes


@dataclass(frozen=True)
class Constant(_Typed):
    """A number, a condition or a category that is always the same; None is a missing number.

    Of a category, ``names`` are all that there are and ``value`` is its place among them, as in records of a state.
    """

    value: float | bool | None
    unit: str | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arithmetic(_Typed):
    """A sum, difference, product or ratio of two numbers."""

    operator: Literal["+", "-", "*", "/"]
    left: Node
    right: Node


@dataclass(frozen=True)
class Extreme(_Typed):
    """The smallest or largest of several numbers."""

    which: Literal["smallest", "largest"]
    operands: tuple[Node, ...]


@dataclass(frozen=True)
class Band(_Typed):
    """In which band a number is: band ``i`` goes from edge ``i − 1``, included, to edge ``i``, excluded."""

    operand: Node
    edges: tuple[float, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison(_Typed):
    """A comparison of two numbers."""

    operator: Comparator
    left: Node
    right: Node


@dataclass(frozen=True)
class Is(_Typed):
    """Whether a state is in one category."""

    operand: Node
    category: str


@dataclass(frozen=True)
class Logic(_Typed):
    """Both or either of two conditions."""

    operator: Literal["and", "or"]
    left: Node
    right: Node


@dataclass(frozen=True)
class Not(_Typed):
    """The contrary of a condition."""

    operand: Node


@dataclass(frozen=True)
class Missing(_Typed):
    """Whether a value is missing; itself never missing."""

    operand: Node


@dataclass(frozen=True)
class Choice(_Typed):
    """One value where a condition holds, another where it does not; missing where the condition is."""

    condition: Node
    then: Node
    otherwise: Node


Windowed = Aggregate | Elapsed | Covered | Followed
Leaf = Windowed | Age
Node = Leaf | Constant | Arithmetic | Extreme | Band | Comparison | Is | Logic | Not | Missing | Choice
LEAVES: Final = (Aggregate, Elapsed, Covered, Followed, Age)
NODES: Final[Mapping[str, type[Node]]] = {
    node.__name__: node
    for node in (*LEAVES, Constant, Arithmetic, Extreme, Band, Comparison, Is, Logic, Not, Missing, Choice)
}


def is_node(value: object) -> TypeGuard[Node]:
    """Return whether something is a node."""
    return isinstance(value, tuple(NODES.values()))


def type_of(node: Node) -> Type:
    """Return the type of a node's value."""
    match node:
        case Aggregate("exists") | Followed() | Comparison() | Is() | Logic() | Not() | Missing():
            return Boolean()
        case Constant(bool()):
            return Boolean()
        case Constant(_, unit, names):
            return Category(names) if names else Number(unit)
        case Aggregate("count" | "count_days"):
            return Number("1")
        case Aggregate(_, concept) if concept.categories:
            return Category(concept.category_names)
        case Aggregate(_, concept) if concept.unit is None:
            return Dated()
        case Aggregate("slope", concept):
            return Number(divided(concept.unit, "a"))
        case Aggregate(_, concept):
            return Number(concept.unit)
        case Covered("share"):
            return Number("1")
        case Elapsed() | Age() | Covered():
            return Number("a")
        case Arithmetic("*", left, right):
            return Number(multiplied(unit_of(left), unit_of(right)))
        case Arithmetic("/", left, right):
            return Number(divided(unit_of(left), unit_of(right)))
        case Arithmetic(_, left, right):
            return Number(unit_of(left) or unit_of(right))
        case Extreme(_, operands):
            return Number(next((unit for unit in map(unit_of, operands) if unit), None))
        case Band(_, _, names):
            return Category(names) if names else Number("1")
        case Choice(_, then, otherwise):
            kind = type_of(then)
            return Number(kind.unit or unit_of(otherwise)) if isinstance(kind, Number) else kind


def unit_of(node: Node) -> str | None:
    """Return the unit of a number; None for what goes with any unit, or is no number."""
    kind = type_of(node)
    return kind.unit if isinstance(kind, Number) else None


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes this one is computed from; none for a leaf."""
    if isinstance(node, LEAVES):
        return ()
    values = (getattr(node, f.name) for f in fields(node))
    return tuple(n for value in values for n in (value if isinstance(value, tuple) else (value,)) if is_node(n))


def walk(node: Node) -> Iterator[Node]:
    """Yield the distinct nodes of an expression, each after all that it is computed from."""
    done: dict[Node, None] = {}
    pending = [(node, False)]
    while pending:
        current, ready = pending.pop()
        if current in done:
            continue
        if ready:
            done[current] = None
            yield current
        else:
            pending.append((current, True))
            pending.extend((child, False) for child in reversed(children(current)))


# Records that leaves look at


@dataclass(frozen=True)
class Selection:
    """Which records a leaf looks at: of what, with which values, and when they happened.

    They happened in ``[max(as_of − within, since), min(as_of − until, before))``. Where an event that bounds the window
    is not there, no record is in it.

    Attributes
    ----------
    concept
        What they are about.
    valued
        Whether only records that have a value count.
    where
        What their own value must meet, all of it.
    within, until
        Microseconds before ``as_of``; ``within`` None is ever.
    since, before
        Events that bound the window.
    """

    concept: Concept
    valued: bool
    where: tuple[Criterion, ...] = ()
    within: int | None = None
    until: int = 0
    since: Aggregate | None = None
    before: Aggregate | None = None

    @classmethod
    def of(cls, leaf: Windowed) -> Selection:
        """Return the records a leaf looks at."""
        return cls(leaf.concept, leaf.valued, leaf.where, leaf.within, leaf.until, leaf.since, leaf.before)

    @cached_property
    def _hash(self) -> int:
        return hash((self.concept, self.valued, self.where, self.within, self.until, self.since, self.before))

    def __hash__(self) -> int:
        return self._hash  # evaluators look selections up often

    @cached_property
    def at_any_time(self) -> Selection:
        """The same records, whenever they happened."""
        return replace(self, within=None, until=0, since=None, before=None)

    @property
    def events(self) -> tuple[Aggregate, ...]:
        """Events that bound the window."""
        return tuple(event for event in (self.since, self.before) if event is not None)


def concepts_of(leaf: Leaf) -> tuple[Concept, ...]:
    """Return the concepts whose records a leaf reads, those of bounding events among them."""
    if isinstance(leaf, Age):
        return (leaf.birth,)
    followed_by = parts(leaf.by) if isinstance(leaf, Followed) else ()
    bounding = (concept for event in Selection.of(leaf).events for concept in concepts_of(event))
    return tuple(dict.fromkeys((*parts(leaf.concept), *followed_by, *bounding)))


# JSON


def to_dict(node: Node) -> dict[str, Any]:
    """Return a node as JSON types; `from_dict` is its inverse. Fields at their default are left out."""
    values = {f.name: getattr(node, f.name) for f in fields(node) if getattr(node, f.name) != f.default}
    return {"node": type(node).__name__, **{name: _to_json(value) for name, value in values.items()}}


def _to_json(value: Any) -> Any:
    if is_node(value):
        return to_dict(value)
    if isinstance(value, Concept):
        return value.to_dict()
    return [_to_json(each) for each in value] if isinstance(value, tuple) else value


def from_dict(data: Mapping[str, Any]) -> Node:
    """Return the node written by `to_dict`; raise ValueError on an unknown node or field."""
    if data.get("node") not in NODES:
        raise ValueError(f"unknown node {data.get('node')!r}; known: {', '.join(NODES)}")
    kind = NODES[data["node"]]
    known = {f.name: f.default is MISSING for f in fields(kind)}
    wrong = [f"{name!r} is unknown" for name in data if name not in known and name != "node"]
    wrong += [f"{name!r} is missing" for name, required in known.items() if required and name not in data]
    if wrong:
        raise ValueError(f"{kind.__name__} has the fields {', '.join(known)}; {', '.join(wrong)}")
    return kind(**{name: _from_json(value) for name, value in data.items() if name != "node"})


def _from_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return from_dict(value) if "node" in value else concept_from_dict(value)
    return tuple(map(_from_json, value)) if isinstance(value, list) else value

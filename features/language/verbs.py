"""Verbs: what to take from the records of a concept, and which records to look at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn, TypedDict, Unpack

from features.codes import Concept
from features.language.expression import Expression
from features.language.nodes import (
    Age,
    Aggregate,
    Comparator,
    Covered,
    Criterion,
    Elapsed,
    Followed,
    Statistic,
)
from features.language.types import Duration, ExpressionError


class Window(TypedDict, total=False):
    """Which records a verb looks at, beyond its look-back; all of it may be left out.

    Attributes
    ----------
    until
        How long before ``as_of`` the window ends: ``within=years(3), until=years(1)`` is from three years to one year
        before.
    since, before
        Events that bound it: ``latest(...)`` or ``first(...)`` of another concept, with or without a value. The moment
        of ``since`` is in the window, the moment of ``before`` is not; without the event there is no window.
    where
        What the value of each record must meet: ``VALUE >= 140``, ``VALUE == "current"``, several with ``&``.
    """

    until: Duration | None
    since: Expression | None
    before: Expression | None
    where: Criteria | None


# Conditions on the value of each record


@dataclass(frozen=True)
class Criteria:
    """Comparisons that the value of a record must meet, all of them."""

    comparisons: tuple[Criterion, ...]

    def __and__(self, other: Criteria) -> Criteria:
        if not isinstance(other, Criteria):
            raise ExpressionError(f"where= combines comparisons of VALUE, such as VALUE >= 140, not {other!r}")
        return Criteria(self.comparisons + other.comparisons)

    def __bool__(self) -> NoReturn:
        raise ExpressionError("write (VALUE >= 140) & (VALUE < 180), not 140 <= VALUE < 180 and not with and, or, not")


class _Value:
    """The value of each record; `VALUE` is the only one."""

    def __eq__(self, other: object) -> Criteria:  # type: ignore[override]
        return _criteria("==", other)

    def __ne__(self, other: object) -> Criteria:  # type: ignore[override]
        return _criteria("!=", other)

    def __lt__(self, other: float) -> Criteria:
        return _criteria("<", other)

    def __le__(self, other: float) -> Criteria:
        return _criteria("<=", other)

    def __gt__(self, other: float) -> Criteria:
        return _criteria(">", other)

    def __ge__(self, other: float) -> Criteria:
        return _criteria(">=", other)

    __hash__ = None  # type: ignore[assignment]


#: The value of each record, in its concept's unit: ``count(SYSTOLIC_BP, where=VALUE >= 140)``.
VALUE: Final = _Value()


def _criteria(comparator: Comparator, other: object) -> Criteria:
    if isinstance(other, str) and comparator in ("==", "!="):
        return Criteria(((comparator, other),))
    if isinstance(other, bool) or not isinstance(other, (int, float)) or not math.isfinite(other):
        raise ExpressionError(f"VALUE {comparator} takes a number, or == and != the name of a category, not {other!r}")
    return Criteria(((comparator, float(other) + 0.0),))


# Verbs about values


def latest(concept: Concept, within: Duration | None = None, *, nth: int = 1, **window: Unpack[Window]) -> Expression:
    """Return the latest value, or the latest category of a state; with ``nth=2`` the one before it.

    Of a concept without values it is the record itself, to be dated (``.years_ago()``) or to bound a window.
    """
    return _aggregate("latest", concept, within, window, nth)


def first(concept: Concept, within: Duration | None = None, *, nth: int = 1, **window: Unpack[Window]) -> Expression:
    """Return the first value, or the first category of a state; with ``nth=2`` the one after it.

    Of a concept without values it is the record itself, to be dated (``.years_ago()``) or to bound a window.
    """
    return _aggregate("first", concept, within, window, nth)


def mean(concept: Concept, within: Duration | None = None, **window: Unpack[Window]) -> Expression:
    """Return the mean of the values."""
    return _aggregate("mean", concept, within, window)


def minimum(concept: Concept, within: Duration | None = None, **window: Unpack[Window]) -> Expression:
    """Return the smallest value."""
    return _aggregate("minimum", concept, within, window)


def maximum(concept: Concept, within: Duration | None = None, **window: Unpack[Window]) -> Expression:
    """Return the largest value."""
    return _aggregate("maximum", concept, within, window)


def total(concept: Concept, within: Duration | None = None, **window: Unpack[Window]) -> Expression:
    """Return the sum of the values; missing where there are none."""
    return _aggregate("sum", concept, within, window)


def standard_deviation(concept: Concept, within: Duration | None = None, **window: Unpack[Window]) -> Expression:
    """Return the standard deviation of the values (divisor ``n − 1``); missing where there are fewer than two."""
    return _aggregate("standard_deviation", concept, within, window)


def slope(concept: Concept, within: Duration | None = None, **window: Unpack[Window]) -> Expression:
    """Return the least-squares change of the value a year; missing unless two values are at different times."""
    return _aggregate("slope", concept, within, window)


# Verbs about records


def count(concept: Concept, within: Duration | None = None, **window: Unpack[Window]) -> Expression:
    """Return the number of records; 0 where there are none."""
    return _aggregate("count", concept, within, window)


def count_days(concept: Concept, within: Duration | None = None, **window: Unpack[Window]) -> Expression:
    """Return the number of different days (UTC) with a record; 0 where there are none."""
    return _aggregate("count_days", concept, within, window)


def exists(concept: Concept, within: Duration | None = None, **window: Unpack[Window]) -> Expression:
    """Return whether there is a record; never missing."""
    return _aggregate("exists", concept, within, window)


def all_of(*concepts: Concept, within: Duration | None = None, **window: Unpack[Window]) -> Expression:
    """Return whether there is a record of each of several concepts; never missing."""
    if len(concepts) < 2:
        raise ExpressionError(f"all_of() takes two concepts or more, not {len(concepts)}; conditions combine with &")
    found = exists(concepts[0], within, **window)
    for concept in concepts[1:]:
        found = found & exists(concept, within, **window)
    return found


def years_since(concept: Concept, within: Duration | None = None, **window: Unpack[Window]) -> Expression:
    """Return the years since the latest record."""
    return _years_since("latest", concept, within, window)


def years_since_first(concept: Concept, within: Duration | None = None, **window: Unpack[Window]) -> Expression:
    """Return the years since the first record."""
    return _years_since("first", concept, within, window)


def years_covered(
    concept: Concept, within: Duration | None = None, *, lasting: Duration, **window: Unpack[Window]
) -> Expression:
    """Return for how many years of the window a treatment was covered; 0 where there is no record.

    Each record covers from when it happened on, for ``lasting``, or for its own value where the concept is measured in
    days. Overlaps count once. What a record before the window still covers counts; what goes beyond its end does not.
    """
    return _covered("years", concept, within, lasting, window)


def share_covered(
    concept: Concept, within: Duration | None = None, *, lasting: Duration, **window: Unpack[Window]
) -> Expression:
    """Return which share of the window a treatment was covered, 0 to 1; see `years_covered`.

    A window without a beginning begins with the first record: the share is then that of the time since treatment began,
    and missing where it never did.
    """
    return _covered("share", concept, within, lasting, window)


def followed_by(
    concept: Concept, by: Concept, delay: Duration, within: Duration | None = None, **window: Unpack[Window]
) -> Expression:
    """Return whether a record of a concept is followed by one of another; never missing.

    Parameters
    ----------
    concept
        What comes first; the window is about its records.
    by
        What follows, at the same moment or less than ``delay`` later. A record does not follow itself.
    """
    _check_concept("followed_by()", by)
    checked = _window("followed_by()", concept, within, window)
    return Expression(Followed(concept, checked.pop("within"), by, _duration("delay", delay), **checked))


def age(birth: Concept | None = None) -> Expression:
    """Return the age in years: completed years, and the fraction of the way to the next birthday."""
    if birth is None:
        from features.catalogue.concepts import BIRTH

        birth = BIRTH
    _check_concept("age()", birth)
    return Expression(Age(birth))


# Checks


def _aggregate(
    statistic: Statistic, concept: Concept, within: Duration | None, window: Window, nth: int = 1
) -> Expression:
    checked = _window(f"{statistic}()", concept, within, window)
    if isinstance(nth, bool) or not isinstance(nth, int) or nth < 1:
        raise ExpressionError(f"{statistic}({concept.name}): nth= takes 1 for the {statistic}, 2, 3 …, not {nth!r}")
    if statistic in ("mean", "minimum", "maximum", "sum", "standard_deviation", "slope"):
        if concept.categories:
            raise ExpressionError(
                f"{concept.name} is a state: {statistic}() takes numbers; use latest() == 'category', or count(where=)"
            )
        if concept.unit is None:
            raise ExpressionError(
                f"{concept.name} has no value to take the {statistic} of: use exists(), count() or years_since()"
            )
    return Expression(Aggregate(statistic, concept, checked.pop("within"), nth, **checked))


def _years_since(
    which: Literal["latest", "first"], concept: Concept, within: Duration | None, window: Window
) -> Expression:
    checked = _window("years_since()", concept, within, window)
    return Expression(Elapsed(which, concept, checked.pop("within"), False, **checked))


def _covered(
    measure: Literal["years", "share"], concept: Concept, within: Duration | None, lasting: Duration, window: Window
) -> Expression:
    checked = _window(f"{measure}_covered()", concept, within, window)
    return Expression(Covered(measure, concept, checked.pop("within"), _duration("lasting", lasting), **checked))


def _window(verb: str, concept: Concept, within: Duration | None, window: Window) -> dict[str, Any]:
    """Return the fields of a leaf that say which records it looks at; raise ExpressionError naming all faults."""
    _check_concept(verb, concept)
    known = ("within", *Window.__annotations__)
    faults = [f"{name}= is not known; known: {', '.join(known)}" for name in window if name not in known]
    until, since, before = window.get("until"), window.get("since"), window.get("before")
    for name, length in (("within", within), ("until", until)):
        if length is not None and (not isinstance(length, Duration) or length.microseconds <= 0):
            faults.append(f"{name}= takes a positive duration such as years(2) or days(90), not {length!r}")
    if not faults and within is not None and until is not None and until >= within:
        faults.append("the window ends before it begins: until= must be shorter than within=")
    events: dict[str, Aggregate | None] = {"since": None, "before": None}
    for name, event in (("since", since), ("before", before)):
        if event is not None:
            node = event.node if isinstance(event, Expression) else None
            if isinstance(node, Aggregate) and node.statistic in ("latest", "first"):
                events[name] = node
            else:
                faults.append(f"{name}= takes an event such as first(STATIN) or latest(STATIN), not {_named(event)}")
    criteria = window.get("where")
    comparisons = criteria.comparisons if isinstance(criteria, Criteria) else ()
    if criteria is not None and not comparisons:
        faults.append(f"where= takes comparisons of VALUE, such as VALUE >= 140, not {_named(criteria)}")
    faults += _faults_of_criteria(concept, comparisons)
    if faults:
        raise ExpressionError(f"{verb[:-1]}{concept.name}): {'; '.join(faults)}")
    return {
        "within": within.microseconds if within else None,
        "until": until.microseconds if until else 0,
        "where": comparisons,
        **events,
    }


def _faults_of_criteria(concept: Concept, comparisons: tuple[Criterion, ...]) -> list[str]:
    if comparisons and concept.unit is None and not concept.categories:
        return [f"{concept.name} has no value for where= to compare"]
    categories = ", ".join(concept.category_names)
    faults = []
    for comparator, value in comparisons:
        if isinstance(value, str) is not bool(concept.categories):
            wanted = f"one of {categories}" if categories else f"a number [{concept.unit}]"
            faults.append(f"VALUE {comparator} {value!r}: {concept.name} is compared with {wanted}")
        elif isinstance(value, str) and value not in concept.category_names:
            faults.append(f"{value!r} is not one of {categories}")
    return faults


def _check_concept(verb: str, concept: object) -> None:
    if not isinstance(concept, Concept):
        raise ExpressionError(f"{verb} takes a concept from features.catalogue, not {_named(concept)}")


def _duration(name: str, length: object) -> int:
    if not isinstance(length, Duration) or length.microseconds <= 0:
        raise ExpressionError(f"{name}= takes a positive duration such as days(30), not {_named(length)}")
    return length.microseconds


def _named(value: object) -> str:
    return value.name if isinstance(value, Concept) else str(value) if isinstance(value, Expression) else repr(value)

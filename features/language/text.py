"""Nodes as text: the line of code they stand for, for errors, tables and pages."""

from __future__ import annotations

from features.language.nodes import (
    Age,
    Aggregate,
    Arithmetic,
    Band,
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
    Windowed,
)
from features.language.types import DAY, YEAR

VERBS = {"sum": "total"}


def text(node: Node) -> str:
    """Return the expression a node stands for, concepts by name."""
    match node:
        case Aggregate(statistic, nth=nth):
            return _call(VERBS.get(statistic, statistic), node, **_more_than_one(nth))
        case Elapsed(which, _, _, True, nth):
            return f"{_call(which, node, **_more_than_one(nth))}.years_ago()"
        case Elapsed("latest", nth=1):
            return _call("years_since", node)
        case Elapsed(which, nth=nth):
            return _call("years_since_first" if which == "first" else "years_since", node, **_more_than_one(nth))
        case Covered(measure, lasting=lasting):
            return _call(f"{measure}_covered", node, lasting=duration(lasting))
        case Followed(_, _, by, delay):
            return _call("followed_by", node, by=by.name, delay=duration(delay))
        case Age():
            return "age()"
        case Constant(float(place), _, names) if names:
            return f'"{names[int(place)]}"'
        case Constant(value, unit):
            number = str(value) if value is None or isinstance(value, bool) else f"{value:.15g}"
            return f'quantity({number}, "{unit}")' if unit else number
        case Arithmetic(sign, left, right) | Comparison(sign, left, right):
            return f"{_inside(left)} {sign} {_inside(right)}"
        case Extreme(which, operands):
            return f"{which}({', '.join(map(text, operands))})"
        case Band(operand, edges, names):
            shown = ", ".join(f"{edge:.15g}" for edge in edges)
            labels = f", {list(names)}" if names else ""
            return f"band({text(operand)}, [{shown}]{labels})"
        case Is(operand, category):
            return f'{_inside(operand)} == "{category}"'
        case Logic(operator, left, right):
            return f"{_inside(left)} {'&' if operator == 'and' else '|'} {_inside(right)}"
        case Not(Missing(operand)):
            return f"{_inside(operand)}.known()"
        case Not(operand):
            return f"~{_inside(operand)}"
        case Missing(operand):
            return f"{_inside(operand)}.missing()"
        case Choice(Missing(operand), Constant() as then, otherwise) if otherwise == operand:
            return f"{_inside(operand)}.default({text(then)})"
        case Choice(condition, then, Constant(None)):
            return f"{_inside(then)}.where({text(condition)})"
        case Choice(condition, then, otherwise):
            return f"when({text(condition)}).then({text(then)}).otherwise({text(otherwise)})"


def duration(microseconds: int) -> str:
    """Return a length of time as it is written: ``years(2)``, ``months(18)``, ``days(90)``."""
    for name, unit in (("years", YEAR), ("days", DAY)):
        if microseconds % unit == 0:
            return f"{name}({microseconds // unit})"
    if microseconds * 12 % YEAR == 0:
        return f"months({microseconds * 12 // YEAR})"
    return f"days({microseconds / DAY:.15g})"


def _call(verb: str, leaf: Windowed, **more: str) -> str:
    limits = {name: duration(value) for name in ("within", "until") if (value := getattr(leaf, name))}
    events = {name: text(event) for name in ("since", "before") if (event := getattr(leaf, name)) is not None}
    given = {**more, **limits, **events}
    if leaf.where:
        met = [
            f"VALUE {sign} {f'{value:.15g}' if isinstance(value, float) else repr(value)}" for sign, value in leaf.where
        ]
        given["where"] = met[0] if len(met) == 1 else " & ".join(f"({each})" for each in met)
    return f"{verb}({', '.join([leaf.concept.name, *(f'{name}={value}' for name, value in given.items())])})"


def _more_than_one(nth: int) -> dict[str, str]:
    return {"nth": str(nth)} if nth > 1 else {}


def _inside(node: Node) -> str:
    """Return the text of an operand, in parentheses where it is itself an operation."""
    shown = text(node)
    operation = isinstance(node, (Arithmetic, Comparison, Is, Logic)) or shown.startswith("~")
    return f"({shown})" if operation else shown

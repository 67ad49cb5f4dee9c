"""What a measure is, and the list of all that are registered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

Better = Literal["higher", "lower", "target"] | None
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Measure:
    """A registered measure.

    Parameters
    ----------
    name
        Key in reports, such as ``"auc"``.
    label_fr, label_en
        What a reader sees.
    better
        Whether higher or lower is better, or the nearer to ``target``; None for a plain description.
    target
        Ideal value, when there is one.
    at_threshold
        Whether it is computed at each decision threshold.
    needs_outcome
        Whether it depends on what happened, so that few events make it worthless.
    needs_times
        Whether it depends on when events happened, and not only on what is known at the horizon.
    function
        What computes it.
    at_once
        Whether the function takes many replicates at once: outcome and weights have then one row each, and so has
        what it returns.
    percent
        Whether readers see it as a percentage.
    decimals
        How many they see where it is none.
    brief
        Whether the short tables of a comparison have it too, and not only full lists.
    """

    name: str
    label_fr: str
    label_en: str
    better: Better
    target: float | None
    at_threshold: bool
    needs_outcome: bool
    needs_times: bool
    function: Callable[..., Any]
    at_once: bool = False
    percent: bool = False
    decimals: int = 3
    brief: bool = True


MEASURES: Final[dict[str, Measure]] = {}
"""Every registered measure by name, in the order of registration."""


def measure(
    name: str,
    label_fr: str,
    label_en: str,
    target: float | None = None,
    better: Better = "higher",
    *,
    at_threshold: bool = False,
    needs_outcome: bool = True,
    needs_times: bool = False,
    at_once: bool = False,
    percent: bool = False,
    decimals: int = 3,
    brief: bool = True,
) -> Callable[[Function], Function]:
    """Register a function as a measure.

    Parameters
    ----------
    name, label_fr, label_en, target, better
        See `Measure`.
    at_threshold, needs_outcome, needs_times, at_once, percent, decimals, brief
        See `Measure`.

    Raises
    ------
    ValueError
        If the name is taken, or ``better="target"`` comes without a target.
    """
    if name in MEASURES:
        raise ValueError(f"a measure is already called {name!r}: choose another name")
    if better == "target" and target is None:
        raise ValueError(f"measure {name!r} is better near its target, but has none: give target=")

    def register(function: Function) -> Function:
        MEASURES[name] = Measure(
            *(name, label_fr, label_en, better, target, at_threshold, needs_outcome, needs_times, function, at_once),
            *(percent, decimals, brief),
        )
        return function

    return register

"""No small count on a card: what stands in its place, and evidence as a card may show it.

Evidence is masked as it is made; this is the second lock, for what was made otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from features.privacy import SMALLEST_COUNT, mask

SMALL: Final = "<11"
HIDDEN: Final = "hidden"


def show(count: Any) -> Any:
    """Replace a small count by `SMALL` and an absent one by `HIDDEN`, so that a card never holds either."""
    if count is None:
        return HIDDEN
    return SMALL if isinstance(count, int) and count < SMALLEST_COUNT else count


Count = Annotated[
    Annotated[int, Field(ge=SMALLEST_COUNT)] | Literal["<11", "hidden"],
    BeforeValidator(show),
]
"""A number of people that may be shown: at least 11, or ``"<11"``, or ``"hidden"`` when it would give another away."""

COUNTS: Final = frozenset(
    {"n", "events", "scored", "refused", "people", "landmarks", "competing", "censored", "followed"}
)
VALUES: Final = ("value", "low", "high", "observed", "predicted")


def gate(value: Any) -> Any:
    """Return JSON values with no small count left in them, and no value that rests on one.

    A count under 11 becomes `SMALL`, one that is absent `HIDDEN`, and an estimate that rests on fewer than 11 people or
    events loses its value. The groups of an attribute are masked together, so that none can be had by subtraction.
    """
    if isinstance(value, list | tuple):
        return [gate(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    if "attribute" in value and "groups" in value:
        value = {**value, "groups": _masked_together(value["groups"])}
    kept = {key: show(each) if key in COUNTS else gate(each) for key, each in value.items()}
    for key in {"reasons", "counts"} & kept.keys():
        kept[key] = {name: _show_all(each) for name, each in kept[key].items()}
    if SMALL in (kept.get("n"), kept.get("events")):
        kept |= {key: None for key in VALUES if key in kept}
    estimate = kept.get("estimate")
    if isinstance(estimate, Mapping) and SMALL in (estimate.get("n"), estimate.get("events")):
        kept |= {key: None for key in ("shrunk", "simultaneous") if key in kept}
    return kept


def _show_all(counts: Any) -> Any:
    return [show(each) for each in counts] if isinstance(counts, list) else show(counts)


def _masked_together(groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mask small groups, and those by which a small one could be had by subtraction, wherever their counts stand."""
    masked: list[dict[str, Any]] = [dict(group) for group in groups]
    for key in ("n", "events"):
        counts = [group[key] if isinstance(group[key], int) else 0 for group in masked]
        for group, raw, kept in zip(masked, counts, mask(counts), strict=True):
            if kept is None:
                hidden = raw if raw and raw < SMALLEST_COUNT else None
                group[key] = hidden
                group["findings"] = [
                    {**finding, "estimate": {**finding["estimate"], key: hidden}} for finding in group["findings"]
                ]
    return masked

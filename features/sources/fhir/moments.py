"""Dates and times as FHIR writes them → moments in UTC."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

WRONG_DATE: Final = "date is not a date"
PARTIAL: Final = "date is only a year or a month"
TEXT_DATE: Final = "date is free text, an age or a schedule"
LONGEST: Final = 48


class Moment(NamedTuple):
    """A date or time as FHIR writes it: its first moment, and that by which it has surely come.

    ``is_whole`` is false of a year or a month alone, ``is_day`` true of a day without a time.
    """

    first: datetime
    last: datetime
    is_whole: bool
    is_day: bool = False


WRITTEN: Final = re.compile(r"(\d{4})(?:-(\d\d)(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII)


@lru_cache(maxsize=1 << 16)
def moment(text: str) -> Moment | None:
    """Return the moment that a date, dateTime or instant tells, UTC; a time without an offset is UTC already."""
    if (match := WRITTEN.fullmatch(text)) is None:
        return None
    try:
        if match[3]:
            at = datetime.fromisoformat(text)
            at = at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at
            return Moment(at, at, True, not match[4])
        year, month = int(match[1]), int(match[2] or 1)
        months = 1 if match[2] else 12
        return Moment(
            datetime(year, month, 1), datetime(year + (month + months > 12), (month + months - 1) % 12 + 1, 1), False
        )
    except (ValueError, OverflowError):
        return None


class When(NamedTuple):
    """When something happened, and when it was over (of a partial date, has surely come), or why that is not known."""

    happened: Moment | None = None
    over: datetime | None = None
    fault: str | None = None


def dated(resource: Mapping[str, Any], names: Sequence[str], keep_partial: bool) -> When:
    """Return when it happened by the first of these elements that is there."""
    fault = None
    for name in names:
        value = resource.get(name)
        if value is None:
            continue
        if name.endswith(("String", "Age", "Range", "Timing")):
            fault = TEXT_DATE
            continue
        if type(value) is dict:
            begin, end = moment_of(value.get("start")), moment_of(value.get("end"))
            at = begin or end
            over = end.last if end else at.last if at else None
        else:
            at = moment_of(value)
            over = at.last if at else None
        if at is None:
            return When(fault=WRONG_DATE)
        return When(at, over, None if at.is_whole or keep_partial else PARTIAL)
    return When(fault=fault)


def moment_of(value: Any) -> Moment | None:
    """Return the moment that an element tells, None if it is none."""
    return moment(value) if type(value) is str and len(value) <= LONGEST else None

"""From the body of a request to a history: what was asked, and what of it can be used.

Most bodies are as they should be, and are read at a glance: whole columns are looked at, and each date, code and unit
once however often it stands there. Whatever a glance does not find in order is read by the letter of
`serving.contract`, which takes three times as long, takes all that may be asked and says all that is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from operator import gt
from typing import Any, Final

from features.codes import Concept, measured_by
from features.intake import believed
from features.records import History, Record
from serving.contract import (
    LARGEST_VALUE,
    LONGEST_CODE,
    MOST_RECORDS,
    MOST_REQUESTS,
    UNIT,
    BatchRequest,
    ClinicalRecord,
    Omission,
    ScoreRequest,
    moment_of,
    not_far_ahead,
    now,
    spelled,
)
from serving.hardening import judge, parsed

# --- What was asked ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asking:
    """What one request asks.

    Attributes
    ----------
    as_of
        Naive UTC, None where the request leaves it out.
    records
        The patient's, in the order they were sent, values and units as they were sent.
    """

    as_of: datetime | None
    records: tuple[Record, ...]


def asking_of(body: bytes) -> Asking:
    """Return what the body of a `ScoreRequest` asks; raise `Stopped` with all that is wrong with it."""
    return _at_a_glance(parsed(body)) or by_the_letter(judge(body, ScoreRequest))


def askings_of(body: bytes) -> tuple[Asking, ...]:
    """Return what the body of a `BatchRequest` asks, in its order; raise `Stopped` with all that is wrong with it."""
    found = _each_at_a_glance(parsed(body))
    if found is None or None in found:
        return tuple(map(by_the_letter, judge(body, BatchRequest).requests))
    return tuple(each for each in found if each is not None)


def by_the_letter(request: ScoreRequest) -> Asking:
    """Return what a validated request asks."""
    return Asking(
        request.as_of,
        tuple(
            Record(each.happened_at, each.known_at or each.happened_at, _written(each), each.value, each.unit)
            for each in request.records
        ),
    )


def _written(given: ClinicalRecord) -> str:
    return f"{given.system}:{given.code}"


_FIELDS: Final = frozenset(ClinicalRecord.model_fields)
_UNIT: Final = re.compile(UNIT)


def _each_at_a_glance(value: Any) -> list[Asking | None] | None:
    requests = value.get("requests") if type(value) is dict and len(value) == 1 else None
    if type(requests) is not list or not 1 <= len(requests) <= MOST_REQUESTS:
        return None
    return [_at_a_glance(request) for request in requests]


def _at_a_glance(value: Any) -> Asking | None:
    """Return what a parsed body asks, None where it is not plainly what `ScoreRequest` describes."""
    if type(value) is not dict or not value.keys() <= {"as_of", "records"}:
        return None
    given = value.get("records")
    if type(given) is not list or not 1 <= len(given) <= MOST_RECORDS or set(map(type, given)) != {dict}:
        return None
    try:
        as_of = None if value.get("as_of") is None else not_far_ahead(moment_of(value["as_of"]))
        records = _records(given)
    except (KeyError, TypeError, ValueError):  # a field that is absent, of another type, or not what it should be
        return None
    return None if records is None else Asking(as_of, records)


def _records(given: Sequence[dict[str, Any]]) -> tuple[Record, ...] | None:
    """Return objects as records, None or an error if one is not plainly what `ClinicalRecord` describes."""
    happened_at = [each["happened_at"] for each in given]
    told = [each.get("known_at") for each in given]
    known_at = [happened if known is None else known for happened, known in zip(happened_at, told, strict=True)]
    codes = [(each["system"], each["code"]) for each in given]
    values = [each.get("value") for each in given]
    units = [each.get("unit") for each in given]
    numbers = [value for value in values if value is not None]
    are_as_described = (
        _FIELDS.issuperset(set().union(*given))
        and {float, int}.issuperset(map(type, numbers))
        and -LARGEST_VALUE <= min(numbers, default=0.0) <= max(numbers, default=0.0) <= LARGEST_VALUE
        and all(_UNIT.fullmatch(unit) for unit in set(units) if unit is not None)
    )
    if not are_as_described:
        return None
    moments = {text: moment_of(text) for text in {*happened_at, *known_at}}
    spellings = {pair: _spelling(*pair) for pair in set(codes)}
    happened, known = [moments[text] for text in happened_at], [moments[text] for text in known_at]
    if any(map(gt, happened, known)):
        return None
    values = [value if value is None else float(value) for value in values]
    rows = zip(happened, known, [spellings[pair] for pair in codes], values, units, repeat(None), strict=False)
    return tuple(map(Record._make, rows))


def _spelling(system: str, code: str) -> str:
    if type(code) is not str or not 1 <= len(code) <= LONGEST_CODE:
        raise ValueError("not the text of a code")
    return f"{system}:{spelled(system, code)}"


# --- What of it can be used -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """What a request says, ready to be scored.

    Attributes
    ----------
    history
        The records that can be used, values in their concepts' units.
    as_of
        Naive UTC.
    warnings
        What was left out, and why.
    """

    history: History
    as_of: datetime
    warnings: tuple[Omission, ...]


WARNINGS: Final[dict[str, tuple[str, str]]] = {
    "unit": (
        "Mesures non utilisées : unité absente ou inconnue pour leur code",
        "Measurements not used: no unit, or one unknown for their code",
    ),
    "implausible": (
        "Mesures non utilisées : valeur hors des limites plausibles",
        "Measurements not used: value outside the plausible range",
    ),
    "after_as_of": (
        "Données ignorées : survenues ou connues à la date de l’estimation ou après",
        "Records ignored: they happened or became known at or after the time of the estimate",
    ),
}


def read(asking: Asking, concepts: Iterable[Concept], moment: datetime | None = None) -> Reading:
    """Return the history that a request describes.

    Parameters
    ----------
    asking
        What it asks.
    concepts
        Definitions by which values are converted and believed: those the model reads.
    moment
        What ``as_of`` is where the request has none; now by default.
    """
    as_of = asking.as_of or moment or now()
    concept_of = measured_by(tuple(concepts))
    counts = dict.fromkeys(WARNINGS, 0)
    kept = []
    for record in asking.records:
        happened_at, known_at, code, value, unit, _ = record
        is_seen = happened_at < as_of and known_at < as_of
        if not is_seen:
            counts["after_as_of"] += 1  # the evaluator does not see it anyway: this only says so
        if value is not None and (concept := concept_of(code)) is not None:
            value, unit, fault = believed(concept, value, unit)
            if fault is not None and is_seen:
                counts[fault] += 1
                continue  # a measurement that is not believed does not count as measured
            record = Record(happened_at, known_at, code, value, unit)
        kept.append(record)
    warnings = (Omission(code=c, fr=WARNINGS[c][0], en=WARNINGS[c][1], count=n) for c, n in counts.items() if n)
    return Reading(History(tuple(kept)), as_of, tuple(warnings))

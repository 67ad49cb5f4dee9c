"""Who, when and whether: what all resources have in common, whatever they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from features.sources.fhir.bundles import DELETED, Surroundings, patient_of
from features.sources.fhir.moments import WRONG_DATE, Moment, When, dated, moment_of

KNOWN_AT: Final = (
    "when it was recorded by its issued, recordedDate, authoredOn, dateAsserted or recorded; else when it was last "
    "updated, unless on the day of delivery, which is the export's own; else when it happened or, of observations, "
    "encounters, acts and reports, was over; birth and sex from birth on; of a partial date, its end"
)

KEPT: Final = "kept"
TAKEN_BACK: Final = "taken back"
MODIFIED: Final = "a modifier extension that is not understood"
RULES: Final = "implicit rules that are not understood"
STATUS: Final = "no status, or one that is not understood"


class Row(NamedTuple):
    """What a resource says of a patient: a fact or, where ``fault`` says why, something that could not become one.

    Times are UTC, naive. A fact that is taken back is the fact itself with ``retracted_at``.
    """

    patient: str | None = None
    happened_at: datetime | None = None
    known_at: datetime | None = None
    code: str | None = None
    value: float | None = None
    unit: str | None = None
    retracted_at: datetime | None = None
    fault: str | None = None


@dataclass(frozen=True)
class Kind:
    """How a type of resource says who, when and whether.

    Attributes
    ----------
    statuses
        What each status means: `KEPT`, `TAKEN_BACK`, or a fault.
    dates
        Elements that say when it happened, the first counts.
    patient, recorded, code
        Elements that say whose it is, when it was recorded, and what it is.
    keep_partial
        Whether a year or a month is date enough: of history it is, of measurements and contacts it is not.
    takes_time
        Whether it is known only when it is over.
    """

    statuses: Mapping[str, str]
    dates: tuple[str, ...]
    patient: str = "subject"
    recorded: str | None = None
    code: str = "code"
    keep_partial: bool = False
    takes_time: bool = False


class Frame(NamedTuple):
    """A record but for what it says."""

    patient: str | None
    happened_at: datetime | None
    known_at: datetime | None
    retracted_at: datetime | None = None
    fault: str | None = None

    def row(
        self, code: str | None, value: float | None = None, unit: str | None = None, fault: str | None = None
    ) -> Row:
        """Return the record that says this, or with the first fault that was found."""
        fault = self.fault or fault
        if self.retracted_at is not None and fault is None and None in (self.patient, self.happened_at, code):
            fault = DELETED
        return Row(self.patient, self.happened_at, self.known_at, code, value, unit, self.retracted_at, fault)


def framed(
    resource: Mapping[str, Any], kind: Kind, delivered_at: datetime, around: Surroundings, status: str | None = None
) -> Frame:
    """Return patient, dates and status of a resource; of several faults the first counts."""
    if status is None:
        status = _status(resource.get("status"), kind.statuses)
    patient, fault = patient_of(resource.get(kind.patient), around)
    when = dated(resource, kind.dates, kind.keep_partial)
    happened = when.happened
    known, wrong = _known(resource, kind, when, delivered_at)
    retracted = None
    if status == TAKEN_BACK:
        updated = _updated(resource)
        retracted = updated.last if updated else delivered_at
        known = min(known, retracted) if known else None
    elif status != KEPT:
        fault = status
    fault = modified(resource) or fault or when.fault or wrong
    return Frame(patient, happened.first if happened else None, known, retracted, fault)


def _status(status: Any, meanings: Mapping[str, str]) -> str:
    return meanings.get(status, STATUS) if type(status) is str else STATUS


def modified(element: Mapping[str, Any]) -> str | None:
    """Return a fault if an element says that it means something else than its words, None otherwise."""
    if element.get("modifierExtension"):
        return MODIFIED
    return RULES if element.get("implicitRules") else None


def _updated(resource: Mapping[str, Any]) -> Moment | None:
    meta = resource.get("meta")
    return moment_of(meta.get("lastUpdated")) if type(meta) is dict else None


def _known(
    resource: Mapping[str, Any], kind: Kind, when: When, delivered_at: datetime
) -> tuple[datetime | None, str | None]:
    """Return when a fact became known, by the rule of `KNOWN_AT`, or a fault."""
    happened = when.happened
    if kind.recorded and (written := resource.get(kind.recorded)) is not None:
        recorded = moment_of(written)
        if recorded is None:
            return None, WRONG_DATE
        if happened and recorded.is_day and recorded.first.date() == happened.first.date():
            return max(recorded.first, happened.first), None
        return (recorded.first if recorded.is_whole else min(recorded.last, delivered_at)), None
    updated = _updated(resource)
    if updated and updated.last < datetime(delivered_at.year, delivered_at.month, delivered_at.day):
        return updated.last, None
    if happened is None or when.over is None:
        return None, None
    return min(when.over if kind.takes_time else happened.last, delivered_at), None

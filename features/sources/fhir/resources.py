"""One resource → its records: a pure function of a parsed resource, its surroundings and the day of delivery."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from features.sources.fhir.bundles import DELETED, NOT_A_RESOURCE, NOWHERE, Surroundings, checked_id, patient_of
from features.sources.fhir.codings import (
    ABSENT,
    NEGATED,
    NOT_A_NUMBER,
    Chosen,
    Codings,
    choose,
    choose_allergy,
    choose_answered,
    codings,
    unit_of,
)

KNOWN_AT: Final = (
    "when it was recorded by its issued, recordedDate, authoredOn, dateAsserted or recorded; else when it was last "
    "updated, unless on the day of delivery, which is the export's own; else when it happened or, of observations, "
    "encounters, acts and reports, was over; birth and sex from birth on; of a partial date, its end"
)

MODIFIED: Final = "a modifier extension that is not understood"
RULES: Final = "implicit rules that are not understood"
STATUS: Final = "no status, or one that is not understood"
NOT_DONE: Final = "not done, or not yet"
NOT_FINAL: Final = "result is not final"
CANCELLED: Final = "cancelled"
NOT_CONFIRMED: Final = "diagnosis is not confirmed"
NOT_ORDERED: Final = "a proposal or plan, not an order"
WRONG_DATE: Final = "date is not a date"
PARTIAL: Final = "date is only a year or a month"
TEXT_DATE: Final = "date is free text, an age or a schedule"
NO_VALUE: Final = "no value"
TEXT_VALUE: Final = "value is free text"
SUBPOTENT: Final = "vaccine dose is subpotent"
SOMEBODY_ELSE: Final = "observation about somebody else"
RESULTS: Final = "report of a measurement: its results are read apart"
NO_MEDICATION: Final = "its Medication is not in the delivery"
DEATH: Final = "death without its date"
WRONG_TYPE: Final = "an element is not of its type"


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


def rows(resource: Any, delivered_at: datetime, around: Surroundings = NOWHERE) -> list[Row]:
    """Return the records of one resource, one a fact, at least one of a type that is read and none of another.

    Parameters
    ----------
    resource
        The resource as parsed JSON; whatever it is, nothing is raised.
    delivered_at
        When it was delivered, UTC.
    around
        What it may refer to; `features.sources.fhir.each_resource` finds it for those of a bundle.
    """
    kind = resource.get("resourceType") if type(resource) is dict else None
    if type(kind) is not str:
        return [Row(fault=NOT_A_RESOURCE)]
    reader = READERS.get(kind)
    return [] if reader is None else list(reader(resource, delivered_at, around))


# --- Times ------------------------------------------------------------------------------------------------


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


def _dated(resource: Mapping[str, Any], names: Sequence[str], keep_partial: bool) -> When:
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
            begin, end = _moment(value.get("start")), _moment(value.get("end"))
            at = begin or end
            over = end.last if end else at.last if at else None
        else:
            at = _moment(value)
            over = at.last if at else None
        if at is None:
            return When(fault=WRONG_DATE)
        return When(at, over, None if at.is_whole or keep_partial else PARTIAL)
    return When(fault=fault)


def _moment(value: Any) -> Moment | None:
    return moment(value) if type(value) is str and len(value) <= 48 else None


# --- What all resources have in common --------------------------------------------------------------------

KEPT: Final = "kept"
TAKEN_BACK: Final = "taken back"


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


def _frame(
    resource: Mapping[str, Any], kind: Kind, delivered_at: datetime, around: Surroundings, status: str | None = None
) -> Frame:
    """Return patient, dates and status of a resource; of several faults the first counts."""
    if status is None:
        status = _status(resource.get("status"), kind.statuses)
    patient, fault = patient_of(resource.get(kind.patient), around)
    when = _dated(resource, kind.dates, kind.keep_partial)
    happened = when.happened
    known, wrong = _known(resource, kind, when, delivered_at)
    retracted = None
    if status == TAKEN_BACK:
        updated = _updated(resource)
        retracted = updated.last if updated else delivered_at
        known = min(known, retracted) if known else None
    elif status != KEPT:
        fault = status
    fault = _modified(resource) or fault or when.fault or wrong
    return Frame(patient, happened.first if happened else None, known, retracted, fault)


def _status(status: Any, meanings: Mapping[str, str]) -> str:
    return meanings.get(status, STATUS) if type(status) is str else STATUS


def _modified(element: Mapping[str, Any]) -> str | None:
    if element.get("modifierExtension"):
        return MODIFIED
    return RULES if element.get("implicitRules") else None


def _updated(resource: Mapping[str, Any]) -> Moment | None:
    meta = resource.get("meta")
    return _moment(meta.get("lastUpdated")) if type(meta) is dict else None


def _known(
    resource: Mapping[str, Any], kind: Kind, when: When, delivered_at: datetime
) -> tuple[datetime | None, str | None]:
    """Return when a fact became known, by the rule of `KNOWN_AT`, or a fault."""
    happened = when.happened
    if kind.recorded and (written := resource.get(kind.recorded)) is not None:
        recorded = _moment(written)
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


def _elements(value: Any) -> list[Any]:
    """Return the elements of a list, none of what should be one."""
    return value if type(value) is list else []


# --- Types of resource ------------------------------------------------------------------------------------

IN_ERROR: Final = {"entered-in-error": TAKEN_BACK}
RESULT: Final = {
    **IN_ERROR,
    **dict.fromkeys(("final", "amended", "corrected", "appended"), KEPT),
    **dict.fromkeys(("registered", "preliminary", "partial"), NOT_FINAL),
    "cancelled": CANCELLED,
}
TAKEN: Final = {
    **IN_ERROR,
    **dict.fromkeys(("active", "completed", "stopped", "on-hold", "in-progress"), KEPT),
    **dict.fromkeys(("intended", "draft", "not-taken", "not-done"), NOT_DONE),
}
VERIFIED: Final = {
    **IN_ERROR,
    "confirmed": KEPT,
    "refuted": TAKEN_BACK,
    **dict.fromkeys(("unconfirmed", "provisional", "differential"), NOT_CONFIRMED),
}
KINDS: Final = {
    "Encounter": Kind(
        IN_ERROR
        | dict.fromkeys(("arrived", "triaged", "in-progress", "onleave", "finished"), KEPT)
        | dict.fromkeys(("planned", "cancelled"), NOT_DONE),
        ("period",),
        takes_time=True,
    ),
    "Condition": Kind(
        VERIFIED, ("onsetDateTime", "onsetPeriod", "recordedDate"), recorded="recordedDate", keep_partial=True
    ),
    "Observation": Kind(
        RESULT,
        ("effectiveDateTime", "effectivePeriod", "effectiveInstant", "effectiveTiming"),
        recorded="issued",
        takes_time=True,
    ),
    "MedicationRequest": Kind(TAKEN | {"cancelled": TAKEN_BACK}, ("authoredOn",), recorded="authoredOn"),
    "MedicationStatement": Kind(
        TAKEN, ("effectiveDateTime", "effectivePeriod", "dateAsserted"), recorded="dateAsserted", keep_partial=True
    ),
    "MedicationAdministration": Kind(TAKEN, ("effectiveDateTime", "effectivePeriod"), takes_time=True),
    "Procedure": Kind(
        IN_ERROR
        | {"completed": KEPT}
        | dict.fromkeys(("preparation", "in-progress", "not-done", "on-hold", "stopped"), NOT_DONE),
        ("performedDateTime", "performedPeriod", "performedString", "performedAge", "performedRange"),
        keep_partial=True,
        takes_time=True,
    ),
    "Immunization": Kind(
        IN_ERROR | {"completed": KEPT, "not-done": NOT_DONE},
        ("occurrenceDateTime", "occurrenceString"),
        patient="patient",
        recorded="recorded",
        code="vaccineCode",
        keep_partial=True,
    ),
    "DiagnosticReport": Kind(RESULT, ("effectiveDateTime", "effectivePeriod"), recorded="issued", takes_time=True),
    "AllergyIntolerance": Kind(
        VERIFIED,
        ("onsetDateTime", "onsetPeriod", "recordedDate"),
        patient="patient",
        recorded="recordedDate",
        keep_partial=True,
    ),
    "Coverage": Kind(
        IN_ERROR | {"active": KEPT, "cancelled": TAKEN_BACK, "draft": NOT_DONE},
        ("period",),
        patient="beneficiary",
        code="type",
        keep_partial=True,
    ),
}  # fmt: skip

SEXES: Final = {"male": "PRACTICE:male", "female": "PRACTICE:female"}
#: Classes of encounter (HL7 v3 ActCode): ambulatory, home, virtual; inpatient, acute or not, observation, short stay.
CONTACTS: Final = dict.fromkeys(("AMB", "HH", "VR"), "PRACTICE:consultation") | dict.fromkeys(
    ("IMP", "ACUTE", "NONAC", "OBSENC", "SS"), "PRACTICE:hospital_stay"
)
ORDERS: Final = {"order", "original-order", "reflex-order", "filler-order", "instance-order"}


def _patient(resource: Mapping[str, Any], delivered_at: datetime, around: Surroundings) -> Iterator[Row]:
    patient, fault = checked_id(resource.get("id"))
    when = _dated(resource, ("birthDate",), keep_partial=True)
    born = when.happened.first if when.happened else None
    fault = _modified(resource) or (REPLACED if is_replaced(resource) else None) or fault or when.fault
    life = Frame(patient, born, born, fault=fault)
    yield life.row("PRACTICE:birth")
    sex = resource.get("gender")
    if type(sex) is str and sex in SEXES:
        yield life.row(SEXES[sex])
    elif sex is not None and type(sex) is not str:
        yield life.row(None, fault=WRONG_TYPE)
    if resource.get("deceasedDateTime") is not None:
        death = _frame(resource, Kind({}, ("deceasedDateTime",)), delivered_at, around, KEPT)
        yield death._replace(patient=patient, fault=fault or death.fault).row("PRACTICE:death")
    elif resource.get("deceasedBoolean") is True:
        yield life._replace(happened_at=None, known_at=None, fault=fault or DEATH).row("PRACTICE:death")


def is_replaced(patient: Mapping[str, Any]) -> bool:
    """Return whether a Patient says that another one stands in its place."""
    return any(type(link) is dict and link.get("type") == "replaced-by" for link in _elements(patient.get("link")))


def _encounter(resource: Mapping[str, Any], delivered_at: datetime, around: Surroundings) -> Iterator[Row]:
    kind = resource.get("class")
    code = kind.get("code") if type(kind) is dict else kind
    frame = _frame(resource, KINDS["Encounter"], delivered_at, around)
    if code is not None and type(code) is not str:
        yield frame.row(None, fault=WRONG_TYPE)
    else:
        yield frame.row(CONTACTS.get(code, "PRACTICE:other_contact") if code else "PRACTICE:other_contact")


def _statement(resource: Mapping[str, Any], delivered_at: datetime, around: Surroundings) -> Iterator[Row]:
    """Yield the record of a resource that says one thing by a code: diagnosis, allergy, act, vaccine, cover."""
    kind = KINDS[resource["resourceType"]]
    status = _verified(resource) if kind.statuses is VERIFIED else None
    frame = _frame(resource, kind, delivered_at, around, status)
    what = codings(resource.get(kind.code))
    chosen = choose_allergy(what) if resource["resourceType"] == "AllergyIntolerance" else choose(what)
    yield _coded(frame, chosen, SUBPOTENT if resource.get("isSubpotent") else None)


def _verified(resource: Mapping[str, Any]) -> str:
    """Return what the verification status of a diagnosis means; unsaid, the diagnosis stands."""
    status = resource.get("verificationStatus")
    if status is None:
        return KEPT
    return next((VERIFIED[code] for _, code in codings(status) if code in VERIFIED), STATUS)


def _coded(frame: Frame, chosen: Chosen, fault: str | None = None) -> Row:
    return frame.row(chosen.code, fault=fault or chosen.fault)


def _medication(resource: Mapping[str, Any], delivered_at: datetime, around: Surroundings) -> Iterator[Row]:
    frame = _frame(resource, KINDS[resource["resourceType"]], delivered_at, around)
    intent = resource.get("intent") if resource["resourceType"] == "MedicationRequest" else "order"
    fault = NOT_DONE if resource.get("doNotPerform") else None
    if type(intent) is not str or intent not in ORDERS:
        fault = fault or NOT_ORDERED
    drug = resource.get("medicationCodeableConcept")
    if drug is not None:
        found: Codings | None = codings(drug)
    else:
        found = _referenced_drug(resource, around)
    if found is None:
        yield frame.row(None, fault=fault or NO_MEDICATION)
    else:
        yield _coded(frame, choose(found), fault)


def _referenced_drug(resource: Mapping[str, Any], around: Surroundings) -> Codings | None:
    """Return the codings of the Medication referred to, None if it is not there; nothing where none is referred to."""
    reference = resource.get("medicationReference")
    text = reference.get("reference") if type(reference) is dict else None
    if type(text) is not str:
        return ()
    target = around.target(text)
    if target.kind != "#":
        return around.medications.get(f"Medication/{target.id}")
    for contained in _elements(resource.get("contained")):
        if type(contained) is dict and contained.get("id") == target.id:
            return codings(contained.get("code"))
    return None


def _report(resource: Mapping[str, Any], delivered_at: datetime, around: Surroundings) -> Iterator[Row]:
    frame = _frame(resource, KINDS["DiagnosticReport"], delivered_at, around)
    chosen = choose(codings(resource.get("code")))
    yield _coded(frame, chosen, RESULTS if chosen.is_measured else None)
    for conclusion in _elements(resource.get("conclusionCode")):
        yield _coded(frame, choose(codings(conclusion)))
    is_kept = RESULT.get(str(resource.get("status"))) == KEPT
    for contained in _elements(resource.get("contained")):
        if type(contained) is dict and contained.get("resourceType") == "Observation":
            is_dated = any(name.startswith("effective") for name in contained)
            common = {name: resource[name] for name in (UNDATED if is_dated else COMMON) if name in resource}
            result = common | contained | ({} if is_kept else {"status": resource.get("status")})
            for row in _observation(result, delivered_at, around):
                yield row._replace(fault=_modified(resource) or row.fault)


#: What a contained result has from its report, unless it says so itself.
UNDATED: Final = ("subject", "issued", "meta")
COMMON: Final = (*UNDATED, *KINDS["DiagnosticReport"].dates)


def _observation(resource: Mapping[str, Any], delivered_at: datetime, around: Surroundings) -> Iterator[Row]:
    frame = _frame(resource, KINDS["Observation"], delivered_at, around)
    if resource.get("focus") and frame.fault is None:
        frame = frame._replace(fault=SOMEBODY_ELSE)
    components = _elements(resource.get("component"))
    if not components or any(name.startswith("value") for name in resource):
        yield _said(frame, resource)
    for component in components:
        yield _said(frame, component) if type(component) is dict else frame.row(None, fault=WRONG_TYPE)


def _said(frame: Frame, element: Mapping[str, Any]) -> Row:
    """Return the record of what an observation, or a component of one, says."""
    question = codings(element.get("code"))
    asked = choose(question)
    value: float | None = None
    unit = None
    if "valueQuantity" in element:
        value, unit, fault = _quantity(element["valueQuantity"])
    elif "valueCodeableConcept" in element:
        asked = choose_answered(question, codings(element["valueCodeableConcept"]))
        fault = None
    elif "valueInteger" in element:
        value, fault = _number(element["valueInteger"])
    elif "valueBoolean" in element:
        fault = NOT_A_NUMBER if asked.is_measured else None if element["valueBoolean"] is True else NEGATED
    elif "valueString" in element:
        fault = TEXT_VALUE
    elif element.get("dataAbsentReason"):
        fault = ABSENT
    elif any(name.startswith("value") for name in element):
        fault = NOT_A_NUMBER
    elif element.get("hasMember") and not asked.is_measured:
        fault = None  # a panel whose members are observations of their own: that it was done
    else:
        fault = DELETED if frame.retracted_at else NO_VALUE
    return frame.row(asked.code, value, unit, _modified(element) or asked.fault or fault)


def _quantity(quantity: Any) -> tuple[float | None, str | None, str | None]:
    """Return value and unit of a Quantity, or a fault."""
    if type(quantity) is not dict or quantity.get("comparator"):
        return None, None, NOT_A_NUMBER
    value, fault = _number(quantity.get("value"))
    system, code, text = (
        part[:64] if type(part := quantity.get(name)) is str else "" for name in ("system", "code", "unit")
    )
    unit, wrong = unit_of(system, code, text)
    return value, unit, fault or wrong


def _number(value: Any) -> tuple[float | None, str | None]:
    if type(value) not in (int, float):
        return None, NOT_A_NUMBER
    try:
        number = float(value)
    except OverflowError:
        return None, NOT_A_NUMBER
    return (number, None) if math.isfinite(number) else (None, NOT_A_NUMBER)


REPLACED: Final = "its Patient was replaced by another"
Reader = Callable[[Mapping[str, Any], datetime, Surroundings], Iterator[Row]]
READERS: Final[Mapping[str, Reader]] = {
    "Patient": _patient,
    "Encounter": _encounter,
    "Condition": _statement,
    "Observation": _observation,
    "MedicationRequest": _medication,
    "MedicationStatement": _medication,
    "MedicationAdministration": _medication,
    "Procedure": _statement,
    "Immunization": _statement,
    "DiagnosticReport": _report,
    "AllergyIntolerance": _statement,
    "Coverage": _statement,
}  # fmt: skip

"""One resource → its records: a pure function of a parsed resource, its surroundings and the day of delivery."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from features.sources.fhir.bundles import DELETED, NOT_A_RESOURCE, NOWHERE, Surroundings, checked_id
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
    quantity_unit,
)
from features.sources.fhir.frames import KEPT, STATUS, TAKEN_BACK, Frame, Kind, Row, framed, modified
from features.sources.fhir.moments import dated

NOT_DONE: Final = "not done, or not yet"
NOT_FINAL: Final = "result is not final"
CANCELLED: Final = "cancelled"
NOT_CONFIRMED: Final = "diagnosis is not confirmed"
NOT_ORDERED: Final = "a proposal or plan, not an order"
NO_VALUE: Final = "no value"
TEXT_VALUE: Final = "value is free text"
SUBPOTENT: Final = "vaccine dose is subpotent"
SOMEBODY_ELSE: Final = "observation about somebody else"
RESULTS: Final = "report of a measurement: its results are read apart"
NO_MEDICATION: Final = "its Medication is not in the delivery"
DEATH: Final = "death without its date"
WRONG_TYPE: Final = "an element is not of its type"
REPLACED: Final = "its Patient was replaced by another"


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
    "EpisodeOfCare": Kind(
        IN_ERROR
        | dict.fromkeys(("active", "onhold", "finished"), KEPT)
        | dict.fromkeys(("planned", "waitlist", "cancelled"), NOT_DONE),
        ("period",),
        patient="patient",
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
    when = dated(resource, ("birthDate",), keep_partial=True)
    born = when.happened.first if when.happened else None
    fault = modified(resource) or (REPLACED if is_replaced(resource) else None) or fault or when.fault
    life = Frame(patient, born, born, fault=fault)
    yield life.row("PRACTICE:birth")
    sex = resource.get("gender")
    if type(sex) is str and sex in SEXES:
        yield life.row(SEXES[sex])
    elif sex is not None and type(sex) is not str:
        yield life.row(None, fault=WRONG_TYPE)
    if resource.get("deceasedDateTime") is not None:
        death = framed(resource, Kind({}, ("deceasedDateTime",)), delivered_at, around, KEPT)
        yield death._replace(patient=patient, fault=fault or death.fault).row("PRACTICE:death")
    elif resource.get("deceasedBoolean") is True:
        yield life._replace(happened_at=None, known_at=None, fault=fault or DEATH).row("PRACTICE:death")


def is_replaced(patient: Mapping[str, Any]) -> bool:
    """Return whether a Patient says that another one stands in its place."""
    return any(type(link) is dict and link.get("type") == "replaced-by" for link in _elements(patient.get("link")))


def _encounter(resource: Mapping[str, Any], delivered_at: datetime, around: Surroundings) -> Iterator[Row]:
    kind = resource.get("class")
    code = kind.get("code") if type(kind) is dict else kind
    frame = framed(resource, KINDS["Encounter"], delivered_at, around)
    if code is not None and type(code) is not str:
        yield frame.row(None, fault=WRONG_TYPE)
    else:
        yield frame.row(CONTACTS.get(code, "PRACTICE:other_contact") if code else "PRACTICE:other_contact")


def _episode(resource: Mapping[str, Any], delivered_at: datetime, around: Surroundings) -> Iterator[Row]:
    """Yield a registration and, once the episode has ended, a departure.

    An episode is updated when it ends, so that its last update does not tell when its beginning was known.
    """
    kind = KINDS["EpisodeOfCare"]
    if resource.get("status") != "entered-in-error":
        resource = {name: value for name, value in resource.items() if name != "meta"}
    yield framed(resource, kind, delivered_at, around).row("PRACTICE:registered")
    period = resource.get("period")
    if type(period) is dict and period.get("end") is not None:
        ended = {**resource, "period": {"start": period["end"]}}
        yield framed(ended, kind, delivered_at, around).row("PRACTICE:left")


def _statement(resource: Mapping[str, Any], delivered_at: datetime, around: Surroundings) -> Iterator[Row]:
    """Yield the record of a resource that says one thing by a code: diagnosis, allergy, act, vaccine, cover."""
    kind = KINDS[resource["resourceType"]]
    status = _verified(resource) if kind.statuses is VERIFIED else None
    frame = framed(resource, kind, delivered_at, around, status)
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
    frame = framed(resource, KINDS[resource["resourceType"]], delivered_at, around)
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
    frame = framed(resource, KINDS["DiagnosticReport"], delivered_at, around)
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
                yield row._replace(fault=modified(resource) or row.fault)


#: What a contained result has from its report, unless it says so itself.
UNDATED: Final = ("subject", "issued", "meta")
COMMON: Final = (*UNDATED, *KINDS["DiagnosticReport"].dates)


def _observation(resource: Mapping[str, Any], delivered_at: datetime, around: Surroundings) -> Iterator[Row]:
    frame = framed(resource, KINDS["Observation"], delivered_at, around)
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
    return frame.row(asked.code, value, unit, modified(element) or asked.fault or fault)


def _quantity(quantity: Any) -> tuple[float | None, str | None, str | None]:
    """Return value and unit of a Quantity, or a fault."""
    if type(quantity) is not dict or quantity.get("comparator"):
        return None, None, NOT_A_NUMBER
    value, fault = _number(quantity.get("value"))
    system, code, text = (
        part[:64] if type(part := quantity.get(name)) is str else "" for name in ("system", "code", "unit")
    )
    unit, wrong = quantity_unit(system, code, text)
    return value, unit, fault or wrong


def _number(value: Any) -> tuple[float | None, str | None]:
    if type(value) not in (int, float):
        return None, NOT_A_NUMBER
    try:
        number = float(value)
    except OverflowError:
        return None, NOT_A_NUMBER
    return (number, None) if math.isfinite(number) else (None, NOT_A_NUMBER)


Reader = Callable[[Mapping[str, Any], datetime, Surroundings], Iterator[Row]]
READERS: Final[Mapping[str, Reader]] = {
    "Patient": _patient,
    "Encounter": _encounter,
    "EpisodeOfCare": _episode,
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

"""What may be asked of ``RiskAssessment/$evaluate``: a Bundle, or Parameters that hold one and say more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from features.sources.fhir.bundles import READ_BUNDLES
from features.typography import LANGUAGES, Language
from serving.contract import AsOf, Fault
from serving.fhir.outcome import FHIR_JSON
from serving.hardening import Stopped, parsed

MEDIA: Final = (FHIR_JSON, "application/json")
#: FHIR is wordy: a long file of one patient, indented, is some megabytes.
LARGEST: Final = 4 * 1024 * 1024
#: Value that each parameter has.
VALUES: Final = {
    "bundle": "resource",
    "study": "valueCode",
    "as_of": "valueDateTime",
    "language": "valueCode",
}
TYPES: Final = f"one of {', '.join(sorted(READ_BUNDLES))}"
_AS_OF: Final[TypeAdapter[datetime | None]] = TypeAdapter(AsOf)


@dataclass(frozen=True)
class Evaluation:
    """What is asked.

    Attributes
    ----------
    bundle
        The patient's file, as it came.
    study
        Whose model should answer; the one that is served if None.
    as_of
        Naive UTC; now if None.
    language
        Of the texts; what the request's headers say if None.
    """

    bundle: dict[str, Any]
    study: str | None = None
    as_of: datetime | None = None
    language: Language | None = None


def asked(body: bytes) -> Evaluation:
    """Return what a body asks; raise `serving.hardening.Stopped`, with all faults, for what is no question."""
    resource = parsed(body)
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if kind == "Bundle":
        if not _is_read(resource):
            fault = Fault(where="Bundle.type", expected=TYPES, code="bundle_type")
            raise Stopped(422, "invalid", "a Bundle of no type that is read", (fault,))
        return Evaluation(resource)
    if kind != "Parameters":
        fault = Fault(where="(body)", expected="a Bundle, or Parameters with one", code="type")
        raise Stopped(422, "invalid", "neither a Bundle nor Parameters", (fault,))
    given: dict[str, Any] = {}
    faults = list(_faults(resource, given))
    if "bundle" not in given and not any(fault.where.endswith("resource") for fault in faults):
        faults.append(Fault(where="Parameters.parameter", expected="a parameter 'bundle'", code="missing"))
    if faults:
        raise Stopped(422, "invalid", f"the request has {len(faults)} faults, all of them listed", tuple(faults))
    return Evaluation(**given)


def study_of(evaluation: Evaluation) -> str | None:
    """Return the study that is asked about, None where none is named."""
    return evaluation.study


def _is_read(bundle: dict[str, Any]) -> bool:
    kind = bundle.get("type")
    return isinstance(kind, str) and kind in READ_BUNDLES


def _faults(parameters: dict[str, Any], given: dict[str, Any]) -> Iterator[Fault]:
    """Fill in what parameters give, and yield what is wrong with them."""
    if parameters.keys() - {"resourceType", "id", "meta", "language", "parameter"}:
        yield Fault(where="Parameters.(unknown field)", expected="resourceType, parameter", code="unknown_field")
    elements = parameters.get("parameter")
    if not isinstance(elements, list):
        yield Fault(where="Parameters.parameter", expected="a list", code="type")
        return
    for number, element in enumerate(elements):
        where = f"Parameters.parameter[{number}]"
        name = element.get("name") if isinstance(element, dict) else None
        if not isinstance(name, str) or name not in VALUES:
            yield Fault(where=f"{where}.name", expected=f"one of {', '.join(VALUES)}", code="unknown_parameter")
        elif name in given:
            yield Fault(where=where, expected=f"one parameter '{name}'", code="twice")
        elif element.keys() - {"name", "id", VALUES[name]}:
            expected = f"name, {VALUES[name]}"
            yield Fault(where=f"{where}.(unknown field)", expected=expected, code="unknown_field")
        else:
            fault = _take(name, element.get(VALUES[name]), given)
            if fault is not None:
                expected, code = fault
                yield Fault(where=f"{where}.{VALUES[name]}", expected=expected, code=code)


def _take(name: str, value: Any, given: dict[str, Any]) -> tuple[str, str] | None:
    """Take the value of a parameter in, or return what is expected there instead."""
    match name:
        case "bundle":
            if not isinstance(value, dict) or value.get("resourceType") != "Bundle":
                return "a Bundle", "type"
            if not _is_read(value):
                return f"a Bundle whose type is {TYPES}", "bundle_type"
        case "as_of":
            try:
                value = _AS_OF.validate_python(value)
            except ValidationError as error:
                found = error.errors(include_input=False, include_url=False)[0]
                return found["msg"], found["type"]
        case "language":
            if value not in LANGUAGES:
                return " or ".join(LANGUAGES), "language"
        case _:
            if not isinstance(value, str):
                return "a code", "type"
    given[name] = value
    return None

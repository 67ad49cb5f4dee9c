"""What a CDS client sends when a patient's file is opened, and the Bundle that its prefetched data make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, model_validator
from pydantic_core import PydanticCustomError

from serving.contract import Fault
from serving.hardening import Stopped

HOOK: Final = "patient-view"
#: Extension of a request that says in which language the user reads, where ``Accept-Language`` does not.
LANGUAGE: Final = "vigie.language"
SEVERE: Final = ("error", "fatal")


class Tolerant(BaseModel):
    """A value that lets pass what it does not know, and forgets it: later versions say more."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def _hook(name: object) -> str:
    if name != HOOK:
        raise PydanticCustomError("hook", f"{HOOK}: the hook of this service")
    return HOOK


def as_uuid(text: object) -> UUID:
    """Return the UUID that a text is."""
    try:
        return UUID(text if isinstance(text, str) and len(text) == 36 else "")
    except ValueError:
        raise PydanticCustomError("uuid", "a UUID, such as d1577c69-dfbe-44ad-ba6d-3e05e953b2ea") from None


class Context(Tolerant):
    """Who looks at whom."""

    userId: Annotated[  # noqa: N815
        str,
        Field(
            pattern=r"^(Practitioner|PractitionerRole|Patient|RelatedPerson)/[A-Za-z0-9\-.]{1,64}$",
            description="Who opened the file. The audit trail keeps a keyed digest of it.",
        ),
    ]
    patientId: Annotated[  # noqa: N815
        str, Field(pattern=r"^[A-Za-z0-9\-.]{1,64}$", description="Id of the Patient whose file was opened.")
    ]


class Call(Tolerant):
    """A call of a service for the hook ``patient-view``."""

    hook: Annotated[str, PlainValidator(_hook), Field(json_schema_extra={"const": HOOK, "type": "string"})]
    hookInstance: Annotated[  # noqa: N815
        UUID, PlainValidator(as_uuid), Field(json_schema_extra={"type": "string", "format": "uuid"})
    ]
    fhirServer: Annotated[  # noqa: N815
        Any, AfterValidator(lambda given: given is not None), Field(description="Never asked.")
    ] = None
    fhirAuthorization: Annotated[  # noqa: N815
        Any, AfterValidator(lambda given: given is not None), Field(description="Never used, kept or logged.")
    ] = None
    context: Context
    prefetch: Annotated[
        dict[str, Any] | None,
        Field(description="What the discovery asks for: null where the file holds none. A key left out is a 412."),
    ] = None
    extension: Annotated[dict[str, Any] | None, Field(description=f"'{LANGUAGE}' may say fr or en.")] = None

    @model_validator(mode="after")
    def _authorised_where(self) -> Call:
        if self.fhirAuthorization and not self.fhirServer:
            raise PydanticCustomError("fhir_server", "fhirServer, wherever there is fhirAuthorization")
        return self


def file_of(call: Call, templates: Mapping[str, str]) -> dict[str, Any]:
    """Return the patient's file as a Bundle of what was prefetched.

    Raises
    ------
    Stopped
        412 if something that was asked for was not sent, could not be had, or goes on on another page: what is not
        there would pass for what the patient has not. 422 if it is about another patient.
    """
    sent = call.prefetch or {}
    faults = tuple(
        Fault(where=f"prefetch.{key}", expected=expected, code="prefetch")
        for key in templates
        if (expected := _lacking(key, sent)) is not None
    )
    if faults:
        raise Stopped(412, "prefetch", "what the discovery asks for was not sent whole", faults)
    if sent["patient"].get("id") != call.context.patientId:
        fault = Fault(where="prefetch.patient.id", expected="the id in context.patientId", code="patient")
        raise Stopped(422, "invalid", "the file is of another patient", (fault,))
    entries = [{"resource": sent[key]} for key in templates if sent[key] is not None]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _lacking(key: str, sent: Mapping[str, Any]) -> str | None:
    """Return what should have been sent, None if it was; null says that there is none."""
    if key not in sent:
        return "what its template asks for, or null where there is none"
    value = sent[key]
    if key == "patient":
        is_patient = isinstance(value, dict) and value.get("resourceType") == "Patient"
        return None if is_patient else "a Patient"
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("resourceType") in (None, "OperationOutcome"):
        return "a Bundle, not an error"
    if any(_is_error(resource) for resource in _resources(value)):
        return "a Bundle without errors"
    links = value.get("link")
    if isinstance(links, list) and any(isinstance(link, dict) and link.get("relation") == "next" for link in links):
        return "the whole on one page: the file goes on"
    return None


def _resources(bundle: Mapping[str, Any]) -> Iterator[Any]:
    entries = bundle.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict):
            yield entry.get("resource")


def _is_error(resource: Any) -> bool:
    if not isinstance(resource, dict) or resource.get("resourceType") != "OperationOutcome":
        return False
    issues = resource.get("issue")
    return isinstance(issues, list) and any(
        isinstance(issue, dict) and issue.get("severity") in SEVERE for issue in issues
    )

"""What a resource refers to, and the resources of a bundle."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

from features.intake import is_identifier
from features.sources.fhir.codings import Codings, codings

#: Types of resource that others refer to and that are looked up.
REFERRED_TO: Final = {"Patient", "Medication", "Organization", "Practitioner", "PractitionerRole"}
READ_BUNDLES: Final = {"searchset", "transaction", "batch", "document", "message", "collection"}
LONGEST_REFERENCE: Final = 1_024
ID: Final = re.compile(r"[A-Za-z0-9_.\-]{1,64}")

NOT_A_RESOURCE: Final = "not a FHIR resource"
BUNDLE: Final = "a bundle whose type is not read (history, response), or whose entries are no list"
NO_RESOURCE: Final = "an entry of a bundle without a resource"
DELETED: Final = "retraction without its content"
NOT_A_PATIENT: Final = "its subject is not a patient"
BY_IDENTIFIER: Final = "its patient is told by an identifier, not by reference"
ONLY_CONTAINED: Final = "its patient is only described inside it"
ELSEWHERE: Final = "its patient is on another server"
NIR_AS_ID: Final = "its patient's id looks like a social-security number"
REFERENCE: Final = "reference to a patient that is not understood"


class Target(NamedTuple):
    """What a reference points to: the type (empty where it is not said), the id, the address of the server."""

    kind: str
    id: str
    home: str


@dataclass(frozen=True)
class Surroundings:
    """What is around a resource, to which it may refer.

    Attributes
    ----------
    names
        ``Type/id`` of resources of the same bundle, by their address in it (``fullUrl``).
    medications
        Codings of the Medications that were delivered, by ``Medication/id``.
    homes
        Addresses of the servers whose patients the bundle holds, where it says so.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    medications: Mapping[str, Codings] = field(default_factory=dict)
    homes: frozenset[str] = frozenset()

    def target(self, reference: str) -> Target:
        """Return what a literal reference points to; nothing where it is no reference."""
        reference = self.names.get(reference, reference)
        return split(reference) if len(reference) <= LONGEST_REFERENCE else Target("", "", "")


NOWHERE: Final = Surroundings()


class Found(NamedTuple):
    """A resource of a document: where it is in it, itself (None with a fault), and what is around it."""

    place: str
    resource: dict[str, Any] | None
    around: Surroundings
    fault: str | None = None


@lru_cache(maxsize=1 << 16)
def split(reference: str) -> Target:
    """Return what a reference points to: relative, absolute, of a version, by search, ``urn:uuid:``, ``#inside``."""
    if reference.startswith("#"):
        return Target("#", reference[1:], "")
    if reference.startswith(("urn:uuid:", "urn:oid:")):
        return Target("", reference.split(":", 2)[2], "")
    if "?" in reference:
        kind, _, search = reference.partition("?")
        return Target(kind.rpartition("/")[2], f"?{search}", "")
    path = reference.partition("/_history/")[0].rsplit("/", 2)
    home, kind, identity = [*[""] * (3 - len(path)), *path]
    return Target(kind, identity, home.lower().rpartition("://")[2])


def patient_of(reference: Any, around: Surroundings) -> tuple[str | None, str | None]:
    """Return the id of the Patient that a Reference points to, or a fault; neither where nothing is referred to."""
    if reference is None:
        return None, None
    text = reference.get("reference") if type(reference) is dict else None
    if type(text) is not str:
        return None, (BY_IDENTIFIER if type(reference) is dict and "identifier" in reference else REFERENCE)
    kind, identity, home = around.target(text)
    if kind == "#":
        return None, ONLY_CONTAINED
    if kind not in ("Patient", ""):
        return None, NOT_A_PATIENT
    if home and around.homes and home not in around.homes:
        return None, ELSEWHERE
    if not kind and not text.startswith("urn:"):
        return None, REFERENCE
    return checked_id(identity)


def checked_id(identity: Any) -> tuple[str | None, str | None]:
    """Return the id of a Patient, or a fault if it is no id or may be a social-security number; neither for None."""
    if identity is None:
        return None, None
    if type(identity) is not str:
        return None, REFERENCE
    if is_identifier(identity):
        return None, NIR_AS_ID
    if not ID.fullmatch(identity):
        return None, BY_IDENTIFIER if identity.startswith("?") else REFERENCE
    return identity, None


def practice_of(patient: Mapping[str, Any], around: Surroundings) -> str | None:
    """Return the practice of a Patient: its managing organisation, else its first general practitioner, else None."""
    practitioners = patient.get("generalPractitioner")
    candidates = [patient.get("managingOrganization"), *(practitioners if type(practitioners) is list else ())]
    return next((name for name in (_practice(reference, around) for reference in candidates) if name), None)


def _practice(reference: Any, around: Surroundings) -> str | None:
    """Return the id of an organisation, type and id of a practitioner, or the number that tells either."""
    if type(reference) is not dict:
        return None
    identity: Any
    if type(text := reference.get("reference")) is str:
        kind, identity, _ = around.target(text)
        identity = identity.rpartition("|")[2]  # Organization?identifier=https://…|123
        prefix = "" if kind in ("Organization", "") else f"{kind}/"
    else:
        kind, prefix, identity = "", "", _get(reference.get("identifier"), "value")  # FINESS, RPPS
    if kind == "#" or type(identity) is not str or not ID.fullmatch(identity) or is_identifier(identity):
        return None
    return f"{prefix}{identity}"


def each_resource(document: Any, around: Surroundings = NOWHERE) -> Iterator[Found]:
    """Yield the resources of a document, in order: itself, or those of a bundle and of the bundles inside it."""
    levels: list[tuple[Iterator[Found], Surroundings]] = [(iter([Found("", document, around)]), around)]
    while levels:
        entries, around = levels[-1]
        for found in entries:
            place, resource, _, fault = found
            if fault:
                yield found
            elif type(resource) is not dict or type(resource.get("resourceType")) is not str:
                yield Found(place, None, around, NOT_A_RESOURCE)
            elif resource["resourceType"] != "Bundle":
                yield found
            elif type(inside := resource.get("entry", [])) is not list or not _is_read(resource.get("type")):
                yield Found(place, None, around, BUNDLE)
            else:
                around = _surroundings(inside, around)
                levels.append((_entries(inside, place, around), around))
                break
        else:
            levels.pop()


def _entries(entries: list[Any], place: str, around: Surroundings) -> Iterator[Found]:
    """Yield what the entries of a bundle hold, named by its address where it has no id of its own."""
    for number, entry in enumerate(entries, 1):
        at = f"{place}.{number}" if place else f"entry {number}"
        request, resource, url = (_get(entry, name) for name in ("request", "resource", "fullUrl"))
        if _get(request, "method") == "DELETE":
            yield Found(at, None, around, DELETED)
        elif resource is None:
            yield Found(at, None, around, NO_RESOURCE)
        elif type(resource) is dict and "id" not in resource and type(url) is str:
            yield Found(at, {**resource, "id": NOWHERE.target(url).id}, around)
        else:
            yield Found(at, resource, around)


def _surroundings(entries: list[Any], around: Surroundings) -> Surroundings:
    """Return what is around the entries of a bundle, in these surroundings."""
    names: dict[str, str] = {}
    medications: dict[str, Codings] = {}
    homes: set[str] = set()
    for entry in entries:
        resource, url = _get(entry, "resource"), _get(entry, "fullUrl")
        kind = _get(resource, "resourceType")
        if type(kind) is not str or kind not in REFERRED_TO:
            continue
        address = NOWHERE.target(url) if type(url) is str else Target("", "", "")
        identity = resource["id"] if type(resource.get("id")) is str else address.id
        if type(url) is str:
            names[url] = f"{kind}/{identity}"
        if kind == "Medication":
            medications[f"Medication/{identity}"] = codings(resource.get("code"))
        elif kind == "Patient" and address.home:
            homes.add(address.home)
    return Surroundings(
        {**around.names, **names},
        ChainMap(medications, cast(dict[str, Codings], around.medications)) if medications else around.medications,
        around.homes | homes,
    )


def _is_read(kind: Any) -> bool:
    return kind is None or (type(kind) is str and kind in READ_BUNDLES)


def _get(value: Any, name: str) -> Any:
    return value.get(name) if type(value) is dict else None

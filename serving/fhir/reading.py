"""A Bundle → one patient's history, by the reader and the door through which deliveries come into a store.

The same resources give the same records here and in a store, and so the same score (`features.sources.fhir` says which
resources are read, and how). What differs is that here every record remembers the resources that said it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

import pyarrow as pa

from features.codes import Concept
from features.intake import DELIVERED, sort_out
from features.records import History, Record
from features.sources.fhir import Row, Surroundings, each_resource, rows
from features.sources.fhir.bundles import ID, Found, checked_id
from features.sources.fhir.codings import Codings, codings
from features.sources.fhir.resources import NO_MEDICATION, is_replaced
from serving.contract import Fault, Omission
from serving.hardening import Stopped
from serving.reading import WARNINGS, Reading

MOST_RESOURCES: Final = 5_000
#: Things that resources say: a panel says one a component.
MOST_SAID: Final = 20_000
#: An address in a Bundle of what has none elsewhere.
URN: Final = re.compile(r"urn:(?:uuid|oid):[A-Za-z0-9.\-]{1,64}")
LATER: Final = "known after the delivery"
SET_ASIDE: Final = (
    "Données mises de côté : sans date ou sans code lisible, non confirmées, ou d’une autre personne",
    "Records set aside: without a date or a code that can be read, not confirmed, or about somebody else",
)


@dataclass(frozen=True)
class FileReading:
    """What a Bundle says of its patient.

    Attributes
    ----------
    subject
        Reference to the patient, as the Bundle has it.
    reading
        Ready to be scored.
    sources
        For each record of the history, references to the resources that say it.
    """

    subject: str
    reading: Reading
    sources: tuple[frozenset[str], ...]


def read(
    bundle: Mapping[str, Any], concepts: Sequence[Concept], as_of: datetime, delivered_at: datetime
) -> FileReading:
    """Return what a Bundle says of its patient.

    Parameters
    ----------
    bundle
        Parsed JSON: a Bundle of any type whose entries are resources, about one patient.
    concepts
        Definitions by which values are converted and believed: those the model reads.
    as_of, delivered_at
        Naive UTC: when the risk is asked for, and when the Bundle came.

    Raises
    ------
    Stopped
        If it is not about one patient, or holds more than is taken in.
    """
    found = _found(bundle)
    patient, medications = _about(found)
    if medications:  # any resource may refer to them, wherever they are
        found = list(each_resource(bundle, Surroundings(medications=medications)))
    names = _addresses(bundle)
    said: list[Row] = []
    by: list[str] = []
    for each in found:
        mine = [Row(fault=each.fault)] if each.resource is None else rows(each.resource, delivered_at, each.around)
        said += mine
        by += [_reference(each, names)] * len(mine)
    kept, warnings = _sorted_out(said, patient, concepts, delivered_at)
    records, sources = _merged(kept, by)
    later = [record.code for record in records if max(record.happened_at, record.known_at) >= as_of]
    warnings["after_as_of"] += sum(_is_read(code, concepts) for code in later)
    omissions = tuple(
        Omission(code=code, fr=fr, en=en, count=warnings[code])
        for code, (fr, en) in {**WARNINGS, "set_aside": SET_ASIDE}.items()
        if warnings[code]
    )
    return FileReading(names.get(patient, f"Patient/{patient}"), Reading(History(records), as_of, omissions), sources)


def _found(bundle: Mapping[str, Any]) -> list[Found]:
    """Return the resources of a Bundle, if they are not too many and say not too much."""
    found = list(islice(each_resource(bundle), MOST_RESOURCES + 1))
    if len(found) == 1 and found[0].fault and not found[0].place:
        expected = "a Bundle of type searchset, collection, transaction, batch, document or message, with its entries"
        raise _refusal("Bundle", expected, "bundle_type")
    if len(found) > MOST_RESOURCES:
        raise _refusal("Bundle.entry", f"{MOST_RESOURCES} resources at most", "too_many")
    if sum(_says(each.resource) for each in found if each.resource) > MOST_SAID:
        expected = f"resources that say {MOST_SAID} things at most, a component being one"
        raise _refusal("Bundle.entry.resource", expected, "too_many")
    return found


def _says(resource: Mapping[str, Any]) -> int:
    """Return how many things a resource says, at most."""
    lists = [resource.get(name) for name in ("component", "conclusionCode", "contained")]
    inside = resource.get("contained")
    deeper = [each.get("component") for each in inside if type(each) is dict] if type(inside) is list else []
    return 1 + sum(len(each) for each in (*lists, *deeper) if type(each) is list)


def _about(found: Iterable[Found]) -> tuple[str, Mapping[str, Codings]]:
    """Return the one patient that resources are about, and the medications there are."""
    patients: dict[str, None] = {}
    medications: dict[str, Codings] = {}
    homes: set[str] = set()
    for _, resource, around, _ in found:
        homes |= around.homes
        identity = resource.get("id") if resource else None
        if resource is None or type(identity) is not str:
            continue
        if resource["resourceType"] == "Medication":
            medications[f"Medication/{identity}"] = codings(resource.get("code"))
        elif resource["resourceType"] == "Patient" and not (resource.get("modifierExtension") or is_replaced(resource)):
            patients[identity] = None
    if not patients:
        raise _refusal("Bundle.entry.resource", "a Patient, with an id", "no_patient")
    if len(patients) > 1 or len(homes) > 1:
        raise _refusal("Bundle.entry.resource", "one Patient: a file is about one person", "several_patients")
    (patient,) = patients
    if checked_id(patient)[1] is not None:
        expected = "an id as FHIR has them, which does not look like a social-security number"
        raise _refusal("Bundle.entry.resource.ofType(Patient).id", expected, "invalid")
    return patient, medications


def _refusal(where: str, expected: str, code: str) -> Stopped:
    fault = Fault(where=where, expected=expected, code=code)
    return Stopped(422, code, f"{where}: expected {expected}", (fault,))


def _addresses(bundle: Mapping[str, Any]) -> dict[str, str]:
    """Return, by id, the ``urn:`` address of resources that have no id of their own."""
    entries = bundle.get("entry")
    found = {}
    for entry in entries if type(entries) is list else ():
        resource, url = (entry.get(name) if type(entry) is dict else None for name in ("resource", "fullUrl"))
        if type(resource) is dict and "id" not in resource and type(url) is str and URN.fullmatch(url):
            found[url.rpartition(":")[2]] = url
    return found


def _reference(found: Found, names: Mapping[str, str]) -> str:
    """Return a reference to a resource; an empty text where it has neither id nor address."""
    identity = found.resource.get("id") if found.resource else None
    if found.resource is None or type(identity) is not str or not ID.fullmatch(identity):
        return ""
    return names.get(identity, f"{found.resource['resourceType']}/{identity}")


def _sorted_out(
    said: Sequence[Row], patient: str, concepts: Sequence[Concept], delivered_at: datetime
) -> tuple[list[tuple[int, Row]], dict[str, int]]:
    """Return the rows that a store would keep, each with its number, and how many were left out and why."""
    warnings: dict[str, int] = defaultdict(int)
    mine = [(number, row) for number, row in enumerate(said) if row.patient in (patient, None)]
    warnings["set_aside"] += sum(row.patient not in (patient, None) and _is_read(row.code, concepts) for row in said)
    columns = [*zip(*(row for _, row in mine), strict=True)] or [()] * len(Row._fields)
    table = pa.table(
        {name: pa.array(column, DELIVERED.field(name).type) for name, column in zip(Row._fields, columns, strict=True)}
    )
    # The door carries a practice through as it is. Scoring does not look at it: here it says which row this was.
    table = table.append_column("practice", pa.array([str(number) for number, _ in mine], pa.string()))
    found = sort_out(table, delivered_at, concepts)
    for fault in found.set_aside.to_pylist():
        reason = fault["fault"]
        if reason == NO_MEDICATION or _is_read(fault["code"], concepts):
            warnings[reason if reason in WARNINGS else "after_as_of" if reason == LATER else "set_aside"] += 1
    kept = [(int(row.pop("practice")), Row(**row, fault=None)) for row in found.kept.to_pylist()]
    return kept, warnings


def _is_read(code: str | None, concepts: Iterable[Concept]) -> bool:
    """Return whether the model reads records of this code."""
    return code is not None and any(concept.covers(code) for concept in concepts)


def _merged(
    kept: Iterable[tuple[int, Row]], by: Sequence[str]
) -> tuple[tuple[Record, ...], tuple[frozenset[str], ...]]:
    """Return the facts that rows say, each once, by the rules of `features.records.merge`, and who says them."""
    said: dict[tuple[Any, ...], list[tuple[int, Row]]] = defaultdict(list)
    for number, row in kept:
        said[row.happened_at, row.code, row.value, row.unit].append((number, row))
    facts = [fact for rows_of_fact in said.values() for fact in _facts(rows_of_fact, by)]
    return tuple(record for record, _ in facts), tuple(sources for _, sources in facts)


def _facts(same: Sequence[tuple[int, Row]], by: Sequence[str]) -> Iterator[tuple[Record, frozenset[str]]]:
    """Yield the facts that rows about the same thing amount to: believed from when to when, and who says so."""
    retractions = sorted(row.retracted_at for _, row in same if row.retracted_at is not None)
    spells: dict[datetime | None, list[tuple[int, Row]]] = defaultdict(list)
    for number, row in same:
        if row.retracted_at is None:
            assert row.known_at is not None
            spells[next((moment for moment in retractions if moment >= row.known_at), None)].append((number, row))
    for retracted_at, told in spells.items():
        known_at = min(row.known_at for _, row in told if row.known_at is not None)
        _, row = told[0]
        assert row.happened_at is not None
        assert row.code is not None
        record = Record(row.happened_at, known_at, row.code, row.value, row.unit, retracted_at)
        yield record, frozenset(by[number] for number, _ in told) - {""}

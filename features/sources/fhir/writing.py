"""Records → FHIR R4: a folder of NDJSON as bulk exports have it, one file a type of resource, that `FHIR` reads.

Types
    CIM-10 and CISP-2 are Conditions; CCAM, NGAP and CISP-2's processes are Procedures; CVX is an Immunization; other
    drugs are MedicationRequests where they were known as they happened, and else MedicationStatements, for a request
    has one date. A registration is an EpisodeOfCare, with the departure that follows; a contact is an Encounter.
    Birth, sex and death are the Patient's; a death of a known cause is an Observation too. LOINC and NABM without a
    value are DiagnosticReports: that the test was done. All the rest is an Observation: what has a value, and what has
    none, which says that it is so (CIM-10's chapter Z, history and family among it; what only the practice or the
    source has a code for). SNOMED CT goes where the other codes of its concept in the catalogue go. A smoking status is
    the answer to the question LOINC 72166-2.
When it became known
    ``issued``, ``recordedDate``, ``dateAsserted``, ``authoredOn`` or ``recorded``; of Encounters and Procedures, and of
    deaths, ``meta.lastUpdated``. Birth and sex have none, and neither have EpisodesOfCare.
Taken back
    As entered in error, ``meta.lastUpdated`` the day that was said: who has the fact from an earlier export of the same
    name takes it back. A resource's id is made of what it says, and is the same in each of them. A Patient cannot be
    entered in error in part: a birth, sex or death that was taken back is left out, and so is the departure of an
    episode.
Not carried
    `write_fhir` returns it, counted; ``README.md`` in the folder says it too.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.catalogue.concepts import CONCEPTS
from features.codes import SYSTEMS, measured
from features.intake import COLUMNS
from features.records import Records
from features.sources.exports import (
    BIRTH,
    REGISTERED,
    SEXES,
    SMOKING,
    SMOKING_QUESTION,
    identity,
    place_of,
    whole_folder,
    write_readme,
)
from features.sources.fhir.resources import KINDS
from features.sources.meds import subjects_file
from features.sources.omop.vocabulary import DEATH
from features.sources.units import known_unit

Resource = dict[str, Any]

#: The French edition has codes of its own; what the World Health Organization's address stands for has not.
FRENCH: Final = {"CIM10": "https://smt.esante.gouv.fr/terminologie-cim-10"}
UCUM: Final = "http://unitsofmeasure.org"
HL7: Final = "http://terminology.hl7.org/CodeSystem/"
#: What FHIR takes for a code.
CODE: Final = re.compile(r"\S+(\s\S+)*")
CLASSES: Final = {
    "PRACTICE:consultation": {"system": f"{HL7}v3-ActCode", "code": "AMB"},
    "PRACTICE:hospital_stay": {"system": f"{HL7}v3-ActCode", "code": "IMP"},
    "PRACTICE:other_contact": {"system": f"{HL7}v3-NullFlavor", "code": "UNK"},
}
UNKNOWN_VALUE: Final = {"dataAbsentReason": {"coding": [{"system": f"{HL7}data-absent-reason", "code": "unknown"}]}}
IN_ERROR: Final = "entered-in-error"
STATUSES: Final = {
    **dict.fromkeys(("Observation", "DiagnosticReport"), "final"),
    **dict.fromkeys(("MedicationRequest", "MedicationStatement", "Procedure", "Immunization"), "completed"),
    "Encounter": "finished",
}
#: Elements that say at which practice.
AT: Final = {"Encounter": "serviceProvider", "EpisodeOfCare": "managingOrganization"}
DRUG: Final = "drug"

#: What could not be carried.
IN_ERROR_TOO: Final = "sent as entered in error: taken back since"
TAKEN_BACK: Final = "left out: a birth, sex, death or departure that was taken back"
NO_CODE: Final = "left out: its code has white space where FHIR allows none"
ANOTHER: Final = "left out: another birth, sex or death of somebody who has one"
NO_EPISODE: Final = "left out: a departure that follows no registration"
KNOWN_BY_RULE: Final = "when a birth, sex, registration or departure became known, and when a sex was recorded"
TIME_OF_DAY: Final = "the time of day of a birth"
OTHER_PRACTICE: Final = "the practice, where it is not the patient’s latest; of contacts and episodes it is said"
VALUE: Final = "the value of a birth, sex, registration, departure, death or contact"
UNIT: Final = "the unit, where there is no value"
LOSSES: Final = (
    IN_ERROR_TOO, TAKEN_BACK, NO_CODE, ANOTHER, NO_EPISODE, KNOWN_BY_RULE, TIME_OF_DAY, OTHER_PRACTICE, VALUE, UNIT,
)  # fmt: skip

ABOUT: Final = (
    "Records of practices, exported by vigie. When a fact became known is issued, recordedDate, dateAsserted, "
    "authoredOn, recorded or meta.lastUpdated: who learns from this must look at it, not only at when things happened. "
    "Codes of systems that begin with urn:vigie: are the practice’s own or the source’s."
)


def write_fhir(
    records: Records,
    folder: Path,
    *,
    dataset_name: str,
    dataset_version: str,
    progress: Callable[[int, int], None] | None = None,
) -> Mapping[str, int]:
    """Write records as NDJSON of FHIR R4; the folder is there wholly or not at all.

    Parameters
    ----------
    records
        The store. One shard at a time is in memory, and becomes a part of each file.
    folder
        The new folder. Which patient each Patient is goes beside it, into `subjects_file`.
    dataset_name, dataset_version
        What is said of it. The name also decides all ids: two exports with different names cannot be joined by them.
    progress
        Called with (shards done, shards in all).

    Returns
    -------
    What could not be carried, and of how many records, in a fixed order.

    Raises
    ------
    FileExistsError
        If ``folder``, or its `subjects_file`, is there already.
    ValueError
        If there is nothing to write.
    """
    beside = subjects_file(folder)
    with whole_folder(folder, beside) as unfinished:
        lost: Counter[str] = Counter()
        practices: set[str] = set()
        subjects: list[pa.Table] = []
        with ExitStack() as stack:
            files: dict[str, IO[bytes]] = {}

            def write(resource: Resource) -> None:
                kind = resource["resourceType"]
                if kind not in files:
                    files[kind] = stack.enter_context((unfinished / f"{kind}.ndjson").open("wb"))
                files[kind].write(orjson.dumps(resource, option=orjson.OPT_APPEND_NEWLINE))

            for done, shard in enumerate(records.shards, start=1):
                names: dict[str, str] = {}
                table = records.table(shard)
                practices.update(pc.unique(table.column("practice")).to_pylist())
                for patient, facts in groupby(_facts(table), attrgetter("patient")):
                    person = _Person(list(facts), dataset_name, lost)
                    names[person.id] = patient
                    for resource in person.resources():
                        write(resource)
                subjects.append(pa.table({"subject_id": list(names), "patient": list(names.values())}, schema=SUBJECTS))
                if progress:
                    progress(done, len(records.shards))
            if not practices:
                raise ValueError(f"{records.path} holds no record: there is nothing to write")
            for practice in sorted(practices):
                organisation = {"id": _id(practice, dataset_name), "identifier": [{"value": practice}]}
                write({"resourceType": "Organization", **organisation})
        not_carried = {reason: lost[reason] for reason in LOSSES if lost[reason]}
        pq.write_table(pa.concat_tables(subjects), unfinished / beside.name, compression="zstd")
        write_readme(unfinished, f"{dataset_name} {dataset_version} (FHIR R4, NDJSON)", ABOUT, not_carried)
    return not_carried


SUBJECTS: Final = pa.schema([("subject_id", pa.string()), ("patient", pa.string())])


@lru_cache(maxsize=1 << 12)
def _id(name: str, dataset_name: str) -> str:
    return identity(name, dataset_name)[:16].hex()


class _Fact(NamedTuple):
    """A record, its times as FHIR writes them."""

    patient: str
    practice: str
    happened_at: str
    known_at: str
    code: str
    value: float | None
    unit: str | None
    retracted_at: str | None


def _facts(table: pa.Table) -> Iterator[_Fact]:
    """Yield the records of a shard by patient, in a total order."""
    keys = ("patient", "happened_at", "code", "known_at", "value", "unit", "practice", "retracted_at")
    table = table.sort_by([(name, "ascending") for name in keys]).select(COLUMNS)
    for name in ("happened_at", "known_at", "retracted_at"):
        written = pc.strftime(table.column(name), "%Y-%m-%dT%H:%M:%SZ")
        written = pc.replace_substring(written, ".000000Z", "Z")
        table = table.set_column(table.column_names.index(name), name, written)
    return map(_Fact._make, zip(*(column.to_pylist() for column in table.columns), strict=True))


class _Person:
    """One patient's records as resources; what they cannot carry is counted."""

    def __init__(self, facts: Sequence[_Fact], dataset_name: str, lost: Counter[str]) -> None:
        self._facts, self._dataset_name, self._lost = facts, dataset_name, lost
        self.id = _id(facts[0].patient, dataset_name)
        self.practice = max(
            facts, key=lambda f: (f.retracted_at is None, f.code == REGISTERED, f.happened_at, f.known_at, f.practice)
        ).practice

    def resources(self) -> Iterator[Resource]:
        """Yield the Patient, then everything else in the order it happened."""
        told: list[Resource] = []
        of_patient: list[_Fact] = []
        episode: Resource | None = None
        lost = self._lost
        for fact in self._facts:
            kind, base = _form(fact.code, fact.value is not None)
            takes_value = kind not in ("Patient", "Encounter", "EpisodeOfCare", "departure")
            if kind == "":
                lost[NO_CODE] += 1
                continue
            if kind in ("Patient", "departure") and fact.retracted_at:
                lost[TAKEN_BACK] += 1
                continue
            lost[IN_ERROR_TOO] += fact.retracted_at is not None
            lost[OTHER_PRACTICE] += fact.practice != self.practice and kind not in AT
            lost[VALUE] += fact.value is not None and not takes_value
            lost[UNIT] += bool(fact.unit) and fact.value is None
            if kind == "Patient":
                of_patient.append(fact)
                continue
            if kind in ("departure", "EpisodeOfCare"):
                lost[KNOWN_BY_RULE] += fact.known_at != fact.happened_at
            if kind == "departure":
                if episode is None:
                    lost[NO_EPISODE] += 1
                else:
                    episode["status"] = "finished"
                    episode["period"]["end"] = fact.happened_at
                    episode = None
                continue
            resource = self._resource(kind, base, fact)
            told.append(resource)
            if kind == "EpisodeOfCare" and not fact.retracted_at:
                episode = resource
        yield self._patient(of_patient)
        yield from told

    def _patient(self, facts: Sequence[_Fact]) -> Resource:
        births, sexes, deaths = (
            [fact for fact in facts if fact.code in codes] for codes in ((BIRTH,), SEXES, (DEATH,))
        )
        patient: Resource = {"resourceType": "Patient", "id": self.id}
        self._lost[KNOWN_BY_RULE] += len(births) + len(sexes)
        for same in (births, sexes, deaths):
            self._lost[ANOTHER] += max(len(same) - 1, 0)
        caused = [fact for fact in self._facts if fact.code.startswith(f"{DEATH}.") and not fact.retracted_at]
        if deaths or caused:
            death = _latest([*deaths, *caused])
            self._lost[ANOTHER] += bool(deaths) and _latest(deaths).happened_at != death.happened_at
            if death.known_at != death.happened_at:
                patient["meta"] = {"lastUpdated": death.known_at}
            patient["deceasedDateTime"] = death.happened_at
        if sexes:
            patient["gender"] = _latest(sexes).code.partition(":")[2]
        if births:
            born = _latest(births).happened_at
            self._lost[TIME_OF_DAY] += not born.endswith("T00:00:00Z")
            patient["birthDate"] = born[:10]
        patient["managingOrganization"] = self._organisation(self.practice)
        return patient

    def _resource(self, kind: str, base: Mapping[str, Any], fact: _Fact) -> Resource:
        if kind == DRUG:
            kind = "MedicationRequest" if fact.known_at == fact.happened_at else "MedicationStatement"
        form = KINDS[kind]
        resource: Resource = {"resourceType": kind, "id": self._resource_id(fact)}
        if fact.retracted_at:
            resource["meta"] = {"lastUpdated": fact.retracted_at}
        elif form.recorded is None and kind != "EpisodeOfCare" and fact.known_at != fact.happened_at:
            resource["meta"] = {"lastUpdated": fact.known_at}
        if kind == "Condition":
            if fact.retracted_at:
                resource["verificationStatus"] = _concept(f"{HL7}condition-ver-status", IN_ERROR)
        else:
            resource["status"] = IN_ERROR if fact.retracted_at else STATUSES.get(kind, "active")
        if kind == "MedicationRequest":
            resource["intent"] = "order"
        resource |= base
        resource[form.patient] = {"reference": f"Patient/{self.id}"}
        date = form.dates[0]
        resource[date] = {"start": fact.happened_at} if date == "period" else fact.happened_at
        if form.recorded:
            resource[form.recorded] = fact.known_at
        if fact.value is not None and kind == "Observation":
            resource["valueQuantity"] = {"value": fact.value, **_unit(fact.unit)}
        if kind in AT:
            resource[AT[kind]] = self._organisation(fact.practice)
        return resource

    def _organisation(self, practice: str) -> Resource:
        return {"reference": f"Organization/{_id(practice, self._dataset_name)}"}

    def _resource_id(self, fact: _Fact) -> str:
        """Return an id made of what a resource says, whether or not it was taken back."""
        said = orjson.dumps([self._dataset_name, *fact[:-1]])
        return hashlib.blake2b(said, digest_size=16).hexdigest()


def _latest(facts: Sequence[_Fact]) -> _Fact:
    return max(facts, key=lambda fact: (fact.happened_at, fact.known_at, fact.code, fact.practice))


@lru_cache(maxsize=1 << 16)
def _form(code: str, has_value: bool) -> tuple[str, Mapping[str, Any]]:
    """Return what type of resource a record is, and what it says of itself; no type where FHIR cannot write the code.

    ``Patient`` is for what becomes a part of one, ``departure`` for what ends an episode.
    """
    system, _, value = code.partition(":")
    place = place_of(code)
    if place == "person" or code == DEATH:
        return "Patient", {}
    if place == "observation_period":
        return ("EpisodeOfCare" if code == REGISTERED else "departure"), {}
    if place == "visit_occurrence":
        return "Encounter", {"class": CLASSES[code]}
    if not CODE.fullmatch(value):
        return "", {}
    coded = _concept(FRENCH.get(system, SYSTEMS[system].uri), value)
    if place == SMOKING:
        question, _, asked = SMOKING_QUESTION.partition(":")
        answer = {} if has_value else {"valueCodeableConcept": coded}
        return "Observation", {"code": coded if has_value else _concept(SYSTEMS[question].uri, asked), **answer}
    if has_value:
        return "Observation", {"code": coded}
    if measured(CONCEPTS, code):
        return "Observation", {"code": coded, **UNKNOWN_VALUE}
    if place == "drug_exposure":
        return (
            ("Immunization", {"vaccineCode": coded})
            if system == "CVX"
            else (DRUG, {"medicationCodeableConcept": coded})
        )
    kinds = {
        "condition_occurrence": "Condition",
        "procedure_occurrence": "Procedure",
        "measurement": "DiagnosticReport",
    }
    if place in kinds:
        return kinds[place], {"code": coded}
    return "Observation", {"code": coded, "valueBoolean": True}


def _concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


@lru_cache(maxsize=1 << 12)
def _unit(unit: str | None) -> Mapping[str, str]:
    """Return what a Quantity says of its unit."""
    if unit is None or not unit.strip():
        return {}
    code = known_unit(unit)
    return {"unit": unit, "system": UCUM, "code": code} if code else {"unit": unit}

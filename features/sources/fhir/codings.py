"""Codes and units as FHIR writes them → ours."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

from features.catalogue.concepts import CONCEPTS
from features.codes import SYSTEMS, CodeSystem, measured
from features.intake import NUMBERED, is_identifier
from features.sources.choice import chosen, coded, own
from features.sources.units import unit_of

#: System and code of each coding of a CodeableConcept, in order: all that is ever read of one.
Codings = tuple[tuple[str, str], ...]

#: What French and older sources call the systems, beside their address in FHIR: the terminology server (SMT) and the
#: nomenclatures (NOS) of the Agence du numérique en santé, and the OIDs that come from CDA.
ALSO_CALLED: Final = {
    "CIM10": (
        "http://hl7.org/fhir/sid/icd-10-fr",
        "https://smt.esante.gouv.fr/terminologie-cim-10",
        "https://mos.esante.gouv.fr/NOS/TRE_R310-CIM10/FHIR/TRE-R310-CIM10",
        "https://mos.esante.gouv.fr/NOS/TRE_R310-CIM10ATIH/FHIR/TRE-R310-CIM10ATIH",
        "urn:oid:2.16.840.1.113883.6.3",
    ),
    "CISP2": (
        "https://smt.esante.gouv.fr/terminologie-cisp",
        "https://mos.esante.gouv.fr/NOS/TRE_R313-CISP2/FHIR/TRE-R313-CISP2",
        "urn:oid:2.16.840.1.113883.6.139",
    ),
    "ATC": ("https://smt.esante.gouv.fr/terminologie-atc", "urn:oid:2.16.840.1.113883.6.73"),
    "LOINC": ("https://smt.esante.gouv.fr/terminologie-loinc-international", "urn:oid:2.16.840.1.113883.6.1"),
    "CCAM": ("urn:oid:1.2.250.1.213.2.5",),
    "SNOMED": ("urn:oid:2.16.840.1.113883.6.96",),
    "RXNORM": ("urn:oid:2.16.840.1.113883.6.88",),
    "CVX": ("urn:oid:2.16.840.1.113883.12.292",),
    "NABM": ("https://smt.esante.gouv.fr/terminologie-nabm",),
    "CIP13": (
        "https://smt.esante.gouv.fr/terminologie-bdpm",
        "https://smt.esante.gouv.fr/terminologie-cip_ucd",
        "http://data.esante.gouv.fr/ansm/medicament/CIP13",
    ),
}  # fmt: skip

NO_CODE_BUT_TEXT: Final = "its code is free text"
NIR_AS_CODE: Final = "its code looks like a social-security number"
NOT_A_NUMBER: Final = "value is not a number"
ABSENT: Final = "no measurement: the source says why there is none"
NEGATED: Final = "negated: the source says it is not so"
ANSWER: Final = "coded answer that is not understood"
UNIT_IS_TEXT: Final = "unit is free text"


def plain(uri: str) -> str:
    """Return the address of a code system without what sources write in several ways: case, ``http(s)``, last slash."""
    return re.sub(r"^(https?://|urn:oid:)", "", uri.strip().lower()).rstrip("/")


URIS: Final = {
    plain(uri): system for system in SYSTEMS.values() for uri in (system.uri, *ALSO_CALLED.get(system.name, ()))
}


class Chosen(NamedTuple):
    """The code of a fact, or why it has none that can be kept (both None: the source gives none)."""

    code: str | None
    fault: str | None = None
    is_measured: bool = False


def codings(concept: Any) -> Codings:
    """Return what the codings of a CodeableConcept say, nothing for anything else."""
    found = concept.get("coding") if type(concept) is dict else None
    if type(found) is not list:
        return ()
    return tuple(  # cut off where nothing is a code any more: what is chosen for it is remembered
        [
            (system[:256] if type(system := coding.get("system")) is str else "", code[:256])
            for coding in found[:64]
            if type(coding) is dict and type(code := coding.get("code")) is str
        ]
    )


@lru_cache(maxsize=1 << 16)
def choose(codings: Codings) -> Chosen:
    """Return the code that a concept covers; else the first of a known system; else the source's own."""
    if not codings:
        return Chosen(None)
    code = chosen(found for system, value in codings if (found := _standard(URIS.get(plain(system)), value)))
    return Chosen(code, None, measured(CONCEPTS, code) is not None) if code else _own(codings)


@lru_cache(maxsize=1 << 12)
def choose_allergy(codings: Codings) -> Chosen:
    """Return the code of an allergy: as `choose`, but the code of a drug is the source's own, never a treatment's."""
    others = tuple(
        [
            coding
            for coding, (system, value) in zip(codings, _coded(codings), strict=True)
            if system not in DRUGS and not _is_treatment(f"{system}:{value}")
        ]
    )
    return choose(others) if others or not codings else _own(codings)


@lru_cache(maxsize=1 << 16)
def choose_answered(question: Codings, answer: Codings) -> Chosen:
    """Return the code of an observation whose value is coded.

    The answer to a question about the patient's own state or diagnosis is the code. A test (LOINC, CCAM, NABM or the
    source's own code) was done, whatever it found. A finding is there if the answer is yes.
    """
    asked = choose(question)
    said = {f"{system}:{value}" for system, value in _coded(answer)}
    if said & NOTHING or any(plain(system) in NOTHING for system, _ in answer):
        return Chosen(asked.code, ABSENT)
    if asked.code in OWN_STATE:
        return choose(answer)
    if asked.code is None:
        return asked
    if asked.is_measured:
        return Chosen(asked.code, NOT_A_NUMBER)
    if asked.code.partition(":")[0] in TESTS or said & YES:
        return asked
    return Chosen(asked.code, NEGATED if said & NO else ANSWER)


def _standard(system: CodeSystem | None, value: str) -> str | None:
    """Return the text of a code, None if it is not one of this system."""
    if system is None or (is_identifier(value) and system.name not in NUMBERED):
        return None
    return coded(system.name, value.strip())


def _own(codings: Codings) -> Chosen:
    """Return the first of the source's codes that is one word, as a code of its own."""
    words = [value.strip() for _, value in codings]
    if code := next((code for word in words if not is_identifier(word) and (code := own(word))), None):
        return Chosen(code)
    return Chosen(None, NIR_AS_CODE if any(map(is_identifier, words)) else NO_CODE_BUT_TEXT)


def _coded(codings: Codings) -> list[tuple[str, str]]:
    """Return the codings, the system by our name for it, or as its plain address."""
    named = [(plain(system), value.strip()) for system, value in codings]
    return [(URIS[system].name if system in URIS else system, value) for system, value in named]


def _is_treatment(code: str) -> bool:
    return any(concept.covers(code) and any(c.system in DRUGS for c in concept.codes) for concept in CONCEPTS)


DRUGS: Final = {"ATC", "RXNORM", "CIP13", "CVX"}
TESTS: Final = {"LOINC", "CCAM", "NABM", "SOURCE"}
#: Questions whose coded answer is what the patient is or has: smoking; "diagnosis", "finding", "problem" in documents
#: that come from CDA.
OWN_STATE: Final = {
    *(f"LOINC:{code}" for code in ("72166-2", "11367-0", "39240-7", "29308-4", "75321-0")),
    *(f"SNOMED:{code}" for code in ("229819007", "365980008", "365981007")),
    *(f"SNOMED:{code}" for code in ("282291009", "404684003", "439401001", "55607006", "64572001")),
    "SOURCE:ASSERTION",
}
YES: Final = {
    *(f"SNOMED:{code}" for code in ("373066001", "52101004", "10828004", "260373001")),
    *(f"LOINC:{code}" for code in ("LA33-6", "LA9633-4", "LA6576-8", "LA11882-0")),
    "terminology.hl7.org/codesystem/v2-0136:Y",
}
NO: Final = {
    *(f"SNOMED:{code}" for code in ("373067005", "2667000", "260385009", "260415000")),
    *(f"LOINC:{code}" for code in ("LA32-8", "LA9634-2", "LA6577-6", "LA11883-8")),
    "terminology.hl7.org/codesystem/v2-0136:N",
}
#: Answers, and whole systems of answers, that say there is none: unknown, not done.
NOTHING: Final = {
    *("SNOMED:261665006", "SNOMED:385660001", "LOINC:LA4489-6"),
    "terminology.hl7.org/codesystem/data-absent-reason",
    "terminology.hl7.org/codesystem/v3-nullflavor",
}

UCUM: Final = {"unitsofmeasure.org", "2.16.840.1.113883.6.8"}


@lru_cache(maxsize=1 << 12)
def quantity_unit(system: str, code: str, text: str) -> tuple[str | None, str | None]:
    """Return the unit of a Quantity as UCUM text, and a fault if what is written there is no unit."""
    written = (code if code and (plain(system) in UCUM or not text) else text).strip()
    unit = unit_of(written)
    return unit, UNIT_IS_TEXT if written and unit is None else None

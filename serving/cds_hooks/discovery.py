"""Which services there are, and what each wants to be sent along: only what its model reads.

Templates keep to what CDS Hooks 2.0 allows: reads and searches by type, with equal tokens. They ask for no page size
and no date: what is left off would pass for what the patient has not, and counts would be wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from features.codes import SYSTEMS, Code, Concept
from features.sources.fhir.codings import OWN_STATE
from serving.cds_hooks.asking import HOOK
from serving.gate import Admitted
from training.scales import RISK

PREFIX: Final = "vigie-"
PATIENT: Final = "{{context.patientId}}"
DRUGS: Final = frozenset({"ATC", "RXNORM", "CIP13"})
VACCINES: Final = frozenset({"CVX"})
ACTS: Final = frozenset({"CCAM", "NGAP", "NABM"})
DIAGNOSES: Final = frozenset({"CIM10", "CISP2", "SNOMED"})
CONTACTS: Final = ("PRACTICE:consultation", "PRACTICE:hospital_stay", "PRACTICE:other_contact")
#: What a Patient says of itself, and Encounters of themselves; other events of a practice's file are Observations.
ELSEWHERE: Final = ("PRACTICE:birth", "PRACTICE:male", "PRACTICE:female", "PRACTICE:death", *CONTACTS)
#: What an EpisodeOfCare says, or an Observation with the practice's own code.
EPISODES: Final = ("PRACTICE:registered", "PRACTICE:left")
#: Panels in whose components a measurement may come: a search looks at the panel's code.
PANELS: Final = {
    "LOINC:8480-6": ("LOINC:85354-9", "LOINC:55284-4"),
    "LOINC:8462-4": ("LOINC:85354-9", "LOINC:55284-4"),
}
USAGE: Final = (
    "Data are taken from the prefetch only; the FHIR server is never asked. Every key must be sent whole, null where "
    "the file holds none; else the answer is 412."
)
DESCRIPTION: Final = (
    "Quand le dossier d’un patient s’ouvre : {fr} estimé, ses raisons et ses limites, ou pourquoi il ne l’est pas. "
    "When a patient's file is opened: {en} estimated, with reasons and limits, or why it is not."
)
PROBABLE: Final = (
    "Quand le dossier d’un patient s’ouvre – {fr} : la probabilité, ses raisons et ses limites, ou pourquoi elle "
    "n’est pas donnée. When a patient's file is opened – {en}: the probability, with reasons and limits, or why it is "
    "not given."
)
DUE: Final = (
    "Quand s’ouvre le dossier de quelqu’un dont le test est dû – {fr} : la probabilité, ses raisons et ses "
    "limites. Rien pour les autres. When the file of somebody for whom the test is due is opened – {en}: the "
    "probability, with reasons and limits. Nothing for others."
)
#: The condition of a population that says that a screening test is due.
DUE_CONDITION: Final = "due"


def service_id(study: str) -> str:
    """Return the id of a study's service."""
    return f"{PREFIX}{study}"


def services(served: Iterable[Admitted]) -> list[dict[str, Any]]:
    """Return the services there are: one a model that may be used."""
    return [_service(admitted) for admitted in served]


def _service(admitted: Admitted) -> dict[str, Any]:
    study = admitted.artefact.study
    title = admitted.card.identity.title
    fr, en = (title.fr, title.en) if title else (study, study)
    about = DUE if is_screening(admitted) else DESCRIPTION if is_risk(admitted) else PROBABLE
    return {
        "hook": HOOK,
        "id": service_id(study),
        "title": fr,
        "description": about.format(fr=fr[:1].lower() + fr[1:], en=en[:1].lower() + en[1:]),
        "prefetch": templates(admitted.concepts),
        "usageRequirements": USAGE,
    }


def is_risk(admitted: Admitted) -> bool:
    """Return whether what a model estimates is called a risk."""
    return admitted.artefact.scale.quantity == RISK


def is_screening(admitted: Admitted) -> bool:
    """Return whether a model answers for people for whom a screening test is due, and for them alone."""
    return DUE_CONDITION in admitted.artefact.population


def templates(concepts: Iterable[Concept]) -> dict[str, str]:
    """Return, by key, the FHIR queries for what concepts are made of."""
    codes = [(concept, code) for concept in concepts for code in concept.codes]
    systems = {code.system for _, code in codes}
    observed = list(dict.fromkeys(each for concept, code in codes for each in _observed(concept, code)))
    found = {"patient": f"Patient/{PATIENT}"}
    if observed:
        found["observations"] = f"Observation?patient={PATIENT}&code={','.join(map(_token, observed))}"
    if any(str(code) in EPISODES for _, code in codes):
        found["episodes"] = f"EpisodeOfCare?patient={PATIENT}"
    if systems & DIAGNOSES:
        found["conditions"] = f"Condition?patient={PATIENT}"
    if systems & DRUGS:
        found["prescriptions"] = f"MedicationRequest?patient={PATIENT}"
        found["treatments"] = f"MedicationStatement?patient={PATIENT}"
    if any(concept.unit is None and code.system in ACTS | {"SNOMED"} for concept, code in codes):
        found["procedures"] = f"Procedure?patient={PATIENT}"
    if systems & VACCINES:
        found["vaccinations"] = f"Immunization?patient={PATIENT}"
    if any(contact.startswith(str(code)) for contact in CONTACTS for _, code in codes):
        found["encounters"] = f"Encounter?patient={PATIENT}"
    return found


def _observed(concept: Concept, code: Code) -> Iterator[str]:
    """Yield the codes of the Observations that may say this one."""
    text = str(code)
    if code.system == "LOINC" and code.value.startswith("LA"):  # an answer: it comes under its question
        yield from sorted(question for question in OWN_STATE if not question.startswith("SOURCE"))
    elif concept.unit is not None or code.system == "LOINC":
        yield text
        yield from PANELS.get(text, ())
    elif code.system == "PRACTICE" and text not in ELSEWHERE:
        yield text


def _token(code: str) -> str:
    """Return a code as a search asks for it."""
    system, _, value = code.partition(":")
    return f"{SYSTEMS[system].uri}|{value}"

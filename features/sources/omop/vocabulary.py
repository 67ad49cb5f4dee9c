"""From concepts and source values to codes and units, worked out once for each distinct combination."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Final

import duckdb

from features.catalogue.concepts import CARDIOVASCULAR_DISEASE, MAJOR_CV_EVENT
from features.codes import Concept
from features.sources.choice import chosen, coded
from features.sources.omop.containers import Container, Wanted, text, whole
from features.sources.units import unit_of

#: What `write_omop` calls the codes that only the practice's file, or a source, has.
PRACTICE_VOCABULARY: Final = "Vigie practice"
SOURCE_VOCABULARY: Final = "Vigie source"
#: Code systems of OMOP's vocabularies, and of local ones. ICD10CM is American and not CIM-10: its three characters mean
#: the same, further ones may not, and only codes of CIM-10's form are taken (not C7A.0, for one).
SYSTEM_OF: Final = {
    "snomed": "SNOMED",
    "loinc": "LOINC",
    "rxnorm": "RXNORM",
    "atc": "ATC",
    "icd10": "CIM10",
    "icd10fr": "CIM10",
    "cim10": "CIM10",
    "icd10cm": "CIM10",
    "icpc": "CISP2",
    "icpc2": "CISP2",
    "cisp2": "CISP2",
    "ccam": "CCAM",
    "cvx": "CVX",
    "ngap": "NGAP",
    "nabm": "NABM",
    "cip13": "CIP13",
    PRACTICE_VOCABULARY.lower(): "PRACTICE",
    SOURCE_VOCABULARY.lower(): "SOURCE",
}
#: What a visit is, by its concept or the nearest one above it. Anything else is another contact.
CONSULTATION: Final = "PRACTICE:consultation"
HOSPITAL_STAY: Final = "PRACTICE:hospital_stay"
OTHER_CONTACT: Final = "PRACTICE:other_contact"
DEATH: Final = "PRACTICE:death"
CARDIOVASCULAR_DEATH: Final = "PRACTICE:death.cardiovascular"
CONTACTS: Final = {
    9202: CONSULTATION,  # outpatient
    581477: CONSULTATION,  # office
    581476: CONSULTATION,  # home
    5083: CONSULTATION,  # telehealth
    38004207: CONSULTATION,  # ambulatory clinic
    8756: OTHER_CONTACT,  # a hospital's outpatient department is outpatient, but not general practice
    9203: OTHER_CONTACT,  # emergency room
    9201: HOSPITAL_STAY,  # inpatient
    262: HOSPITAL_STAY,  # emergency room, then inpatient
    8717: HOSPITAL_STAY,  # inpatient hospital
    32037: HOSPITAL_STAY,  # intensive care
}
#: An observation with one of these answers says that something is not there.
NO: Final = frozenset({"LOINC:LA32-8", "LOINC:LA9634-2", "SNOMED:373067005", "SNOMED:2667000"})
#: A source value is taken for a code if it looks like one: no spaces, at least a digit, short. Anything else may be
#: free text, or a name, and stays where it is.
CODE: Final = re.compile(r"(?=\S*\d)[A-Za-z0-9][A-Za-z0-9.:_/^*+-]{0,29}")

NAMED: Final[Wanted] = {
    "id": ("concept_id", whole),
    "vocabulary": ("vocabulary_id", text),
    "code": ("concept_code", text),
}
ABOVE: Final[Wanted] = {
    "id": ("descendant_concept_id", whole),
    "up": ("ancestor_concept_id", whole),
    "levels": ("min_levels_of_separation", whole),
}
MAPPED: Final[Wanted] = {
    "id": ("concept_id_1", whole),
    "standard": ("concept_id_2", whole),
    "relationship": ("relationship_id", text),
    "invalid": ("invalid_reason", text),
}


class Vocabulary:
    """What the concept ids of a source stand for.

    Parameters
    ----------
    named
        Concept ids with the vocabulary they come from and their code in it.
    above
        Pairs of a concept id and one above it, nearest first.
    mapped
        Pairs of a source concept's id and a standard concept's that it maps to.
    concepts
        The catalogue: which codes are preferred.
    """

    def __init__(
        self,
        named: Iterable[tuple[int, str, str]],
        above: Iterable[tuple[int, int]],
        mapped: Iterable[tuple[int, int]],
        concepts: Sequence[Concept],
    ) -> None:
        self._states = tuple(concept for concept in concepts if concept.categories)
        self._fatal = tuple(c for c in concepts if c.name in (CARDIOVASCULAR_DISEASE.name, MAJOR_CV_EVENT.name))
        self._written: dict[int, str] = {}
        self._codes: dict[int, str] = {}
        self._units: dict[int, str] = {}
        for concept, vocabulary, written in named:
            self._written[concept] = written
            if vocabulary.lower() == "ucum":
                self._units[concept] = written
            elif code := of_vocabulary(vocabulary, written):
                self._codes[concept] = code
        self._covers = cache(lambda code: any(concept.covers(code) for concept in concepts))
        self._mapped = _grouped(mapped)
        # Only what can be of use is remembered: the hierarchies are deep.
        useful = CONTACTS.keys() | {concept for concept, code in self._codes.items() if self._covers(code)}
        self._above = _grouped((below, up) for below, up in above if up in useful)

    @classmethod
    def load(
        cls, connection: duckdb.DuckDBPyConnection, source: Container, used: Iterable[str], concepts: Sequence[Concept]
    ) -> Vocabulary:
        """Read what the source says of the concepts used: ids that are rows of these queries."""
        if "concept" not in source.columns:
            return cls((), (), (), concepts)
        connection.execute("CREATE TEMP TABLE used (id BIGINT)")
        for query in used:
            connection.execute(f"INSERT INTO used {query}")
        connection.execute(f"""
            CREATE TEMP TABLE mapped AS SELECT DISTINCT id, standard FROM {source.scan("concept_relationship", MAPPED)}
            WHERE relationship = 'Maps to' AND invalid IS NULL AND id <> standard AND id IN (FROM used);
        """)
        connection.execute("INSERT INTO used SELECT standard FROM mapped")
        connection.execute(f"""
            CREATE TEMP TABLE above AS FROM {source.scan("concept_ancestor", ABOVE)}
            WHERE id <> up AND id IN (FROM used)
        """)
        connection.execute(f"""
            CREATE TEMP TABLE named AS SELECT DISTINCT id, vocabulary, code FROM {source.scan("concept", NAMED)}
            WHERE vocabulary IS NOT NULL AND code IS NOT NULL AND id <> 0
                AND id IN (SELECT id FROM used UNION ALL SELECT up FROM above)
        """)
        named = connection.execute("FROM named ORDER BY ALL").fetchall()
        above = connection.execute("""
            SELECT above.id, up FROM above JOIN named ON named.id = up ORDER BY above.id, levels, vocabulary, code, up
        """).fetchall()
        return cls(named, above, connection.execute("FROM mapped ORDER BY ALL").fetchall(), concepts)

    def fact(self, concept: int, source_concept: int, source_value: str | None) -> str | None:
        """Return a fact's code: one that the catalogue covers, else one of a known system, else the source's own."""
        ids = self._ids(concept, source_concept)
        above = (up for one in ids for up in self._above.get(one, ()))
        if code := chosen((self._codes[one] for one in (*ids, *above) if one in self._codes), self._covers):
            return code
        written = (source_value, self._written.get(source_concept), self._written.get(concept))
        own = next((value for value in written if value and CODE.fullmatch(value)), None)
        any_id = concept or source_concept
        return f"SOURCE:{own}" if own else f"SOURCE:concept:{any_id}" if any_id else None

    def state(self, answer: int) -> str | None:
        """Return the code of an answer that is a state of the catalogue, such as a smoking status, or None."""
        code = self._codes.get(answer)
        return code if code and any(concept.covers(code) for concept in self._states) else None

    def denies(self, answer: int) -> bool:
        """Return whether an answer says that what was asked is not there."""
        return self._codes.get(answer) in NO

    def visit(self, concept: int, source_concept: int) -> str:
        """Return what kind of contact a visit was."""
        return next((CONTACTS[one] for one in self._lineage(concept, source_concept) if one in CONTACTS), OTHER_CONTACT)

    def death(self, cause: int, source_cause: int) -> str:
        """Return the code of a death of this cause."""
        causes = (self._codes.get(one, "") for one in self._lineage(cause, source_cause))
        return CARDIOVASCULAR_DEATH if any(c.covers(code) for code in causes for c in self._fatal) else DEATH

    def unit(self, concept: int, source_value: str | None) -> str | None:
        """Return a unit as UCUM writes it, or as the source does if it is not known to be one of those."""
        if concept in self._units:
            return self._units[concept]
        return unit_of((source_value or "").strip())

    def _ids(self, concept: int, source_concept: int) -> tuple[int, ...]:
        """Return the concepts of a fact: the standard one, the source's, those that one maps to."""
        return tuple(dict.fromkeys((concept, source_concept, *self._mapped.get(source_concept, ()))))

    def _lineage(self, concept: int, source_concept: int) -> Iterator[int]:
        """Yield the concepts of a fact, each followed by those above it, nearest first."""
        for one in self._ids(concept, source_concept):
            yield from (one, *self._above.get(one, ()))


def of_vocabulary(vocabulary: str, written: str) -> str | None:
    """Return a vocabulary's code as ``SYSTEM:value``, or None if it is of no known system or not of its form."""
    system = SYSTEM_OF.get(vocabulary.lower())
    return coded(system, written) if system else None


def _grouped(pairs: Iterable[tuple[int, int]]) -> dict[int, tuple[int, ...]]:
    """Return what belongs to each first number, in the order it came."""
    found: dict[int, tuple[int, ...]] = {}
    for one, other in pairs:
        found[one] = (*found.get(one, ()), other)
    return found

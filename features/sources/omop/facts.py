"""From rows of OMOP's tables to records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.records import to_microseconds
from features.sources.columns import combinations
from features.sources.omop.containers import Wanted, given, moment, number, text, whole
from features.sources.omop.vocabulary import Vocabulary

Integers = npt.NDArray[np.int64]

DAY: Final = 86_400_000_000
UNKNOWN_PATIENT: Final = "unknown patient"
NO_DATE: Final = "the date cannot be read or believed"
NOT_A_NUMBER: Final = "value is not a number"
NOT_CARRIED: Final = "value_as_number is empty and value_source_value is not"
DENIED: Final = "the answer is that it is not there"
FAULTS: Final = (None, UNKNOWN_PATIENT, NO_DATE, NOT_A_NUMBER, NOT_CARRIED, DENIED)

#: Operators that say a value is not the one written: <=, >=, <, >.
COMPARATORS: Final = (4171754, 4171755, 4171756, 4172704)
#: A value as the source wrote it: with a comparator, or a quantity.
COMPARED: Final = r"^\s*[<>≤≥]"
QUANTITY: Final = r"^\s*[-+]?\d"


@dataclass(frozen=True)
class Facts:
    """A table whose rows are facts, and how its columns are named.

    Attributes
    ----------
    table
        Name of the table.
    what
        What the columns of its concept begin with.
    when
        What the columns of its date begin with.
    measured
        Whether it has values.
    """

    table: str
    what: str
    when: str
    measured: bool = False

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that must be there."""
        return (f"{self.table}_id", "person_id", f"{self.what}_concept_id", f"{self.when}_date")

    @property
    def wanted(self) -> Wanted:
        """What is read of it."""
        values: Wanted = {
            "number": ("value_as_number", number),
            "numbered": ("value_as_number", given),
            "written": ("value_source_value", text),
            "operator": ("operator_concept_id", whole),
            "answer": ("value_as_concept_id", whole),
            "unit_concept": ("unit_concept_id", whole),
            "unit_source": ("unit_source_value", text),
        }
        return {
            "id": (f"{self.table}_id", whole),
            "person": ("person_id", whole),
            "visit": ("visit_occurrence_id", whole),
            "on_day": (f"{self.when}_date", moment),
            "at_time": (f"{self.when}_datetime", moment),
            "dated": (f"{self.when}_date", given),
            "timed": (f"{self.when}_datetime", given),
            **self.concepts,
            "source_value": (f"{self.what}_source_value", text),
            **(values if self.measured else {}),
        }

    @property
    def concepts(self) -> Wanted:
        """Its columns that say what a fact is."""
        return {
            "concept": (f"{self.what}_concept_id", whole),
            "source_concept": (f"{self.what}_source_concept_id", whole),
        }

    @property
    def used(self) -> Wanted:
        """Its columns that hold ids of concepts."""
        answers: Wanted = {"answer": ("value_as_concept_id", whole), "unit": ("unit_concept_id", whole)}
        return {**self.concepts, **(answers if self.measured else {})}

    def rows(self, scan: str) -> str:
        """Return a query of its rows as `Reading` takes them, from a query of what is wanted of it."""
        no_number = f"""
            number IS NULL AND numbered OR operator IN {COMPARATORS} OR regexp_matches(written, '{COMPARED}')
        """
        not_carried = f"number IS NULL AND coalesce(answer, 0) = 0 AND regexp_matches(written, '{QUANTITY}')"
        measured = f"""
            , number, coalesce({no_number}, false) AS no_number,
            coalesce({not_carried}, false) AS not_carried, coalesce(answer, 0) AS answer,
            coalesce(unit_concept, 0) AS unit_concept, unit_source
        """
        return f"""
            SELECT id, person, visit, coalesce(at_time, on_day) AS happened_at,
                coalesce(at_time, on_day) IS NULL AND (dated OR timed) AS no_date, coalesce(concept, 0) AS concept,
                coalesce(source_concept, 0) AS source_concept, source_value {measured if self.measured else ""}
            FROM {scan}
        """


VISITS: Final = Facts("visit_occurrence", "visit", "visit_start")
OBSERVATIONS: Final = Facts("observation", "observation", "observation", measured=True)
EVENTS: Final = (
    Facts("condition_occurrence", "condition", "condition_start"),
    Facts("drug_exposure", "drug", "drug_exposure_start"),
    Facts("procedure_occurrence", "procedure", "procedure"),
    Facts("measurement", "measurement", "measurement", measured=True),
    OBSERVATIONS,
)


class Lookup:
    """A number for each of many ids, in a file rather than in memory: they grow with the source.

    Parameters
    ----------
    file
        Where to keep them, but for its suffix.
    batches
        Ids, sorted and each once, and their numbers, both of 64 bits.
    """

    def __init__(self, file: Path, batches: Iterable[pa.RecordBatch]) -> None:
        columns = file.with_suffix(".ids"), file.with_suffix(".numbers")
        with columns[0].open("wb") as ids, columns[1].open("wb") as numbers:
            for batch in batches:
                batch.column(0).to_numpy().tofile(ids)
                batch.column(1).to_numpy().tofile(numbers)
        self._ids, self._numbers = map(_mapped, columns)

    def find(self, ids: pa.ChunkedArray) -> tuple[npt.NDArray[np.bool_], Integers]:
        """Return which ids are there, and their numbers; 0 for the others."""
        wanted = pc.fill_null(ids, 0).to_numpy()
        there = pc.is_valid(ids).to_numpy()
        if not len(self._ids):
            return np.zeros(len(wanted), dtype=bool), np.zeros(len(wanted), dtype=np.int64)
        position = np.minimum(np.searchsorted(self._ids, wanted), len(self._ids) - 1)
        found = there & (self._ids[position] == wanted)
        return found, np.where(found, self._numbers[position], 0)


def _mapped(file: Path) -> Integers:
    # An empty file cannot be mapped.
    return np.memmap(file, np.int64, "r") if file.stat().st_size else np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Reading:
    """What is known of a source when its facts are read.

    Attributes
    ----------
    vocabulary
        What its concepts stand for.
    practices
        Names of its practices.
    practice_of
        Position of each person's practice.
    visit_ends
        When each visit ended, in microseconds since 1970.
    delivered_at
        Day of the delivery.
    """

    vocabulary: Vocabulary
    practices: pa.Array
    practice_of: Lookup
    visit_ends: Lookup
    delivered_at: datetime

    def records(self, facts: Facts, rows: pa.Table) -> pa.Table:
        """Return the records of rows of a table of facts, one a row, those that are none with their fault."""
        fault = np.zeros(len(rows), dtype=np.int8)
        columns: dict[str, Any] = {}
        if facts.measured:
            columns |= self._values(rows)
        codes, denied = self._codes(facts, rows)
        fault[denied] = FAULTS.index(DENIED)
        if facts.measured:
            fault[rows.column("not_carried").to_numpy()] = FAULTS.index(NOT_CARRIED)
            fault[rows.column("no_number").to_numpy()] = FAULTS.index(NOT_A_NUMBER)
        fault[rows.column("no_date").to_numpy()] = FAULTS.index(NO_DATE)
        known_person, practice = self.practice_of.find(rows.column("person"))
        fault[pc.is_valid(rows.column("person")).to_numpy() & ~known_person] = FAULTS.index(UNKNOWN_PATIENT)
        happened = rows.column("happened_at")
        return pa.table(
            {
                "patient": rows.column("person").cast(pa.string()),
                "practice": self.practices.take(pa.array(practice, mask=~known_person)),
                "happened_at": happened,
                "known_at": self._known(happened, rows.column("visit")),
                "code": codes,
                **columns,
                "where": pc.binary_join_element_wise(
                    f"{facts.table}_id", pc.fill_null(rows.column("id").cast(pa.string()), "?"), " "
                ),
                "fault": pa.array(FAULTS, pa.string()).take(pa.array(fault)),
            }
        )

    def _known(self, happened: pa.ChunkedArray, visit: pa.ChunkedArray) -> pa.Array:
        """Return the end of the day of facts or of their visits' last day, whichever is later, if delivered by then."""
        moments = happened.cast(pa.int64())
        dated = pc.is_valid(moments).to_numpy()
        moment_of = pc.fill_null(moments, 0).to_numpy()
        of_visit, end = self.visit_ends.find(visit)
        last = np.maximum(moment_of, np.where(of_visit, end, moment_of))
        known = np.minimum((last // DAY + 1) * DAY, to_microseconds(self.delivered_at))
        return pa.array(np.maximum(known, moment_of), mask=~dated).cast(pa.timestamp("us"))

    def _codes(self, facts: Facts, rows: pa.Table) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
        """Return the code of each row, and which rows deny what they are about."""
        names = ["concept", "source_concept", "source_value", *(["answer"] if facts.measured else [])]
        which, distinct = combinations([rows.column(name) for name in names])
        codes: list[str | None] = []
        denied: list[bool] = []
        for concept, source_concept, source_value, *answer in distinct:
            if facts is VISITS:
                code: str | None = self.vocabulary.visit(concept, source_concept)
            else:
                code = self.vocabulary.fact(concept, source_concept, source_value)
            state = self.vocabulary.state(answer[0]) if answer else None
            codes.append(state or code)
            denied.append(facts is OBSERVATIONS and state is None and self.vocabulary.denies(answer[0]))
        return pa.array(codes, pa.string()).take(pa.array(which)), np.array(denied, dtype=bool)[which]

    def _values(self, rows: pa.Table) -> dict[str, Any]:
        """Return the values of rows, and their units where there is a value."""
        which, distinct = combinations([rows.column("unit_concept"), rows.column("unit_source")])
        units = pa.array([self.vocabulary.unit(*pair) for pair in distinct], pa.string()).take(pa.array(which))
        value = rows.column("number")
        return {"value": value, "unit": pc.if_else(pc.is_valid(value), units, None)}

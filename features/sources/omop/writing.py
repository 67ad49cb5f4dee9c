"""Records → OMOP CDM 5.4: a folder of Parquet files, one a table, that `OMOP` and OHDSI's tools read.

Concepts
    No Athena vocabulary comes with this: the standard concept of a fact is 0, and its source concept one of the table
    ``concept``, which holds only concepts of this export's own, numbered from two billion as OHDSI asks of local ones.
    They name vocabulary and code, so that joining them with Athena's gives Athena's own, if it has one. Standard are
    sex, kind of visit, type of record, version, and units (those of `UNITS`).
Tables
    CIM-10 and CISP-2 are conditions; ATC, RxNorm, CVX and packs are drugs; CCAM, NGAP and CISP-2's processes are
    procedures; LOINC and NABM are measurements; CIM-10's chapter Z, what only the practice or the source has a code
    for, and all the rest are observations. SNOMED CT goes where the other codes of its concept in the catalogue go. A
    fact with a value goes where values can be. A smoking status is the answer to the question LOINC 72166-2.
Periods
    From a registration to the day before the departure, the day of death, or the day before the next registration;
    else to the latest delivery. Who was never registered has none.
Not carried
    `write_omop` returns it, counted; `README.md` in the folder says it too. Above all, OMOP has no date at which a
    fact became known. How long a stay or a treatment took is not in the records: they end on the day they begin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import date
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.codes import SYSTEMS
from features.records import Records
from features.sources.exports import SMOKING, SMOKING_QUESTION, identity, place_of, whole_folder, write_readme
from features.sources.meds import subjects_file
from features.sources.omop.containers import literal
from features.sources.omop.facts import EVENTS, VISITS
from features.sources.omop.queries import (
    DAY_LATER,
    DEATHS,
    LONGEST,
    LOSSES,
    NO_PERIOD,
    PEOPLE,
    PERIODS,
    PERSONS,
    TOLD,
    rows_of,
)
from features.sources.omop.tables import TABLES
from features.sources.omop.vocabulary import DEATH, PRACTICE_VOCABULARY, SOURCE_VOCABULARY

#: First number of a concept of one's own, by convention; highest number of a row.
LOCAL: Final = 2_000_000_001
MOST: Final = 2**31 - 1
#: Standard concepts: OMOP CDM 5.4; units.
CDM_5_4: Final = 756265
UNITS: Final = {
    "%": 8554, "/min": 8541, "[in_i]": 9327, "cm": 8582, "d/wk": 8621, "g": 8504, "g/L": 8636, "g/mol": 44777595,
    "kg": 9529, "kg/m2": 9531, "m": 9546, "mL/min/{1.73_m2}": 720870, "mg/L": 8751, "mg/dL": 8840, "mg/g": 8723,
    "mg/mmol": 44777612, "mm": 8588, "mm[Hg]": 8876, "mmol/L": 8753, "mmol/mol": 9579, "ug/mg": 8838, "umol/L": 8749,
}  # fmt: skip
#: The domain of what is in each table, and what the vocabulary of each system is called.
DOMAINS: Final = {
    "condition_occurrence": "Condition",
    "drug_exposure": "Drug",
    "procedure_occurrence": "Procedure",
    "measurement": "Measurement",
    "visit_occurrence": "Visit",
}
VOCABULARIES: Final = {
    **{system: system for system in ("CIM10", "CISP2", "ATC", "LOINC", "CCAM", "SNOMED", "CVX", "NGAP", "NABM")},
    "CIP13": "CIP13",
    "RXNORM": "RxNorm",
    "PRACTICE": PRACTICE_VOCABULARY,
    "SOURCE": SOURCE_VOCABULARY,
}
#: What is asked of a shard's codes and of its practices.
CODES: Final = pa.schema(
    [
        ("code", pa.string()),
        ("place", pa.string()),
        ("source_value", pa.string()),
        ("source_concept", pa.int64()),
        ("answer", pa.int64()),
    ]
)
SITES: Final = pa.schema([("practice", pa.string()), ("site", pa.int64())])

ABOUT: Final = (
    "Records of practices, exported by vigie. No Athena vocabulary was at hand: the concept of a fact is 0, and its "
    "source concept a local one (above two billion) of the table concept, whose vocabulary_id and concept_code find "
    "Athena’s own where it has one; sex, visit, type and unit have standard concepts. OMOP has no date at which a "
    "fact became known: a model that learns from this sees letters and results before the practice did."
)


def write_omop(
    records: Records,
    folder: Path,
    *,
    dataset_name: str,
    dataset_version: str,
    progress: Callable[[int, int], None] | None = None,
) -> Mapping[str, int]:
    """Write records as OMOP CDM 5.4; the folder is there wholly or not at all.

    Parameters
    ----------
    records
        The store. One shard at a time is in memory, and becomes a part of each file.
    folder
        The new folder. Which patient each person is goes beside it, into `subjects_file`.
    dataset_name, dataset_version
        For ``cdm_source``. The name also decides the numbers of persons: two exports with different names cannot be
        joined by them.
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
        If there is nobody to write, or more rows than OMOP's integers can number.
    """
    subjects = subjects_file(folder)
    with whole_folder(folder, subjects) as unfinished:
        with ExitStack() as stack:
            connection = stack.enter_context(duckdb.connect())
            spilled = stack.enter_context(TemporaryDirectory(prefix="vigie-"))
            connection.execute(f"SET temp_directory = {literal(spilled)}")
            export = _Export(connection, dataset_name, records.delivered_at.date())
            files = {
                table: stack.enter_context(
                    pq.ParquetWriter(unfinished / f"{table}.parquet", schema, compression="zstd")
                )
                for table, schema in TABLES.items()
            }
            for done, shard in enumerate(records.shards, start=1):
                for table, rows in export.rows(records.table(shard)):
                    files[table].write_table(rows)
                if progress:
                    progress(done, len(records.shards))
            if not export.subjects:
                raise ValueError(f"{records.path} holds nobody whose birth is recorded: there is nothing to write")
            for table, rows in export.summary(f"{dataset_name} {dataset_version}"):
                files[table].write_table(rows)
        not_carried = export.not_carried
        pq.write_table(pa.concat_tables(export.subjects), unfinished / subjects.name, compression="zstd")
        write_readme(unfinished, f"{dataset_name} {dataset_version} (OMOP CDM 5.4)", ABOUT, not_carried)
    return not_carried


# --- From shard to shard ----------------------------------------------------------------------------------


class _Export:
    """The rows of each table, shard by shard; what goes on between them: numbers, concepts, losses."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, name: str, released: date) -> None:
        self._connection, self._name, self._released = connection, name, released
        self._rows: Counter[str] = Counter()
        self._sites: dict[str, int] = {}
        self._concepts: dict[str, int] = {}
        self._lost: Counter[str] = Counter()
        self._last: tuple[date, int] = (date.min, 0)
        self.subjects: list[pa.Table] = []
        units = pa.table({"unit": list(UNITS), "unit_concept": list(UNITS.values())})
        connection.register("units", units)

    @property
    def not_carried(self) -> Mapping[str, int]:
        """What could not be carried, so far."""
        # Where nobody is followed to the end, the last departures are for a reader where the source ends.
        lost = self._lost + Counter({NO_PERIOD: self._last[1] if self._last[0] < self._released else 0})
        return {reason: lost[reason] for reason in LOSSES if lost[reason]}

    def rows(self, facts: pa.Table) -> Iterator[tuple[str, pa.Table]]:
        """Yield the rows that a shard adds to each table."""
        self._load(facts)
        counts = self._connection.execute(f"SELECT {', '.join(LOSSES.values())} FROM told").fetchall()[0]
        self._lost.update(dict(zip(LOSSES, counts, strict=True)))
        yield "person", self._ask("person", PERSONS)
        yield "death", self._ask("death", DEATHS)
        periods = self._connection.sql(PERIODS.format(released=literal(self._released.isoformat()))).to_arrow_table()
        self._count(periods)
        yield "observation_period", self._typed("observation_period", periods)
        for table in (VISITS, *EVENTS):
            yield table.table, self._ask(table.table, rows_of(table))

    def summary(self, title: str) -> Iterator[tuple[str, pa.Table]]:
        """Yield the rows of the tables that say what the others refer to."""
        sites = [
            {"care_site_id": number, "care_site_source_value": name if len(name) <= LONGEST else None}
            for name, number in self._sites.items()
        ]
        yield "care_site", pa.Table.from_pylist(sites, schema=TABLES["care_site"])
        about = {
            "cdm_source_name": title[:255],
            "cdm_source_abbreviation": self._name[:25],
            "cdm_holder": self._name[:255],
            "source_description": ABOUT,
            "cdm_etl_reference": f"vigie {version('vigie')}",
            "source_release_date": self._released,
            "cdm_release_date": self._released,
            "cdm_version": "5.4",
            "cdm_version_concept_id": CDM_5_4,
            "vocabulary_version": "local concepts",
        }
        yield "cdm_source", pa.Table.from_pylist([about], schema=TABLES["cdm_source"])
        concepts = [_concept(code, number) for code, number in self._concepts.items()]
        yield "concept", pa.Table.from_pylist(concepts, schema=TABLES["concept"])
        vocabularies = [
            {
                "vocabulary_id": VOCABULARIES[system],
                "vocabulary_name": SYSTEMS[system].title,
                "vocabulary_reference": SYSTEMS[system].uri,
                "vocabulary_concept_id": 0,
            }
            for system in dict.fromkeys(code.partition(":")[0] for code in self._concepts)
        ]
        yield "vocabulary", pa.Table.from_pylist(vocabularies, schema=TABLES["vocabulary"])

    def _load(self, facts: pa.Table) -> None:
        """Make the table ``told`` of a shard: its records, where they go, and whose they are."""
        self._connection.register("facts", facts)
        codes = sorted(pc.unique(facts.column("code")).to_pylist())
        self._connection.register("codes", pa.Table.from_pylist([self._row(code) for code in codes], schema=CODES))
        people = self._connection.sql(PEOPLE).to_arrow_table()
        names = people.column("patient").to_pylist()
        order = sorted(range(len(names)), key=lambda position: identity(names[position], self._name))
        people = people.take(pa.array(order, pa.int64()))
        for practice in sorted(pc.unique(facts.column("practice")).to_pylist()):
            self._sites.setdefault(practice, len(self._sites) + 1)
        sites = pa.table({"practice": list(self._sites), "site": list(self._sites.values())}, schema=SITES)
        self._connection.register("sites", sites)
        first = self._rows["person"] + 1
        people = people.append_column("person", pa.array(range(first, first + len(people)), pa.int64()))
        if len(people):
            self.subjects.append(people.select(["person", "patient"]).rename_columns(["subject_id", "patient"]))
        self._connection.register("people", people)
        self._connection.execute(TOLD)

    def _row(self, code: str) -> dict[str, Any]:
        """Return where a code goes, and how it is written."""
        place, written = place_of(code), code
        if place == SMOKING:
            place, written = "observation", SMOKING_QUESTION
        value = written.partition(":")[2]
        if max(len(value), len(code.partition(":")[2])) > LONGEST:
            return {"code": code}
        if place in ("person", "observation_period", "visit_occurrence") or code == DEATH:
            return {"code": code, "place": place, "source_value": value}
        return {
            "code": code,
            "place": place,
            "source_value": value,
            "source_concept": self._numbered(written),
            "answer": self._numbered(code) if written != code else None,
        }

    def _numbered(self, code: str) -> int:
        return self._concepts.setdefault(code, LOCAL + len(self._concepts))

    def _ask(self, table: str, query: str) -> pa.Table:
        return self._typed(table, self._connection.sql(query).to_arrow_table())

    def _typed(self, table: str, rows: pa.Table) -> pa.Table:
        """Return rows with all the columns of their table, and numbers if it has them and they have not."""
        first = self._rows[table] + 1
        self._rows[table] += len(rows)
        if self._rows[table] > MOST:
            raise ValueError(f"{table} would have more than {MOST:,} rows, as many as OMOP can number")
        numbers = pa.array(range(first, first + len(rows)), pa.int32())
        columns = []
        for column in TABLES[table]:
            if column.name in rows.column_names:
                columns.append(rows.column(column.name).cast(column.type))
            else:
                columns.append(numbers if column.name == f"{table}_id" else pa.nulls(len(rows), column.type))
        return pa.table(columns, schema=TABLES[table])

    def _count(self, periods: pa.Table) -> None:
        """Count the registrations and departures that periods tell, and remember the last of these."""
        if not len(periods):
            return
        departing = periods.filter(periods.column("departs"))
        self._lost[NO_PERIOD] -= len(periods) + len(departing)
        self._lost[DAY_LATER] += pc.sum(departing.column("later")).as_py() or 0
        last = pc.max(periods.column("observation_period_end_date")).as_py()
        on_it = len(departing.filter(pc.equal(departing.column("observation_period_end_date"), last)))
        if last >= self._last[0]:
            self._last = (last, on_it + (self._last[1] if last == self._last[0] else 0))


def _concept(code: str, number: int) -> dict[str, Any]:
    system, _, value = code.partition(":")
    return {
        "concept_id": number,
        "concept_name": f"{SYSTEMS[system].title} {value}",
        "domain_id": DOMAINS.get(place_of(code), "Observation"),
        "vocabulary_id": VOCABULARIES[system],
        "concept_class_id": "Undefined",
        "concept_code": value,
        "valid_start_date": date(1970, 1, 1),
        "valid_end_date": date(2099, 12, 31),
    }

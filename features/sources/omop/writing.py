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

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import date
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.catalogue.concepts import CONCEPTS, SMOKING_INTENSITY, SMOKING_STATUS
from features.codes import SYSTEMS
from features.records import Records
from features.sources.meds import subjects_file
from features.sources.omop.containers import literal
from features.sources.omop.facts import EVENTS, VISITS, Facts
from features.sources.omop.people import FEMALE, MALE
from features.sources.omop.vocabulary import (
    CONSULTATION,
    DEATH,
    HOSPITAL_STAY,
    OTHER_CONTACT,
    PRACTICE_VOCABULARY,
    SOURCE_VOCABULARY,
)

#: Columns of the tables by the specification, in its order: ``!`` is required; what is no date, no text by its name or
#: by ``:text``, and no ``:number`` is an integer.
COLUMNS: Final[Mapping[str, str]] = {
    "person": """
        person_id! gender_concept_id! year_of_birth! month_of_birth day_of_birth birth_datetime race_concept_id!
        ethnicity_concept_id! location_id provider_id care_site_id person_source_value gender_source_value
        gender_source_concept_id race_source_value race_source_concept_id ethnicity_source_value
        ethnicity_source_concept_id
    """,
    "observation_period": """
        observation_period_id! person_id! observation_period_start_date! observation_period_end_date!
        period_type_concept_id!
    """,
    "visit_occurrence": """
        visit_occurrence_id! person_id! visit_concept_id! visit_start_date! visit_start_datetime visit_end_date!
        visit_end_datetime visit_type_concept_id! provider_id care_site_id visit_source_value visit_source_concept_id
        admitted_from_concept_id admitted_from_source_value discharged_to_concept_id discharged_to_source_value
        preceding_visit_occurrence_id
    """,
    "condition_occurrence": """
        condition_occurrence_id! person_id! condition_concept_id! condition_start_date! condition_start_datetime
        condition_end_date condition_end_datetime condition_type_concept_id! condition_status_concept_id
        stop_reason:text provider_id visit_occurrence_id visit_detail_id condition_source_value
        condition_source_concept_id condition_status_source_value
    """,
    "drug_exposure": """
        drug_exposure_id! person_id! drug_concept_id! drug_exposure_start_date! drug_exposure_start_datetime
        drug_exposure_end_date! drug_exposure_end_datetime verbatim_end_date drug_type_concept_id! stop_reason:text
        refills quantity:number days_supply sig:text route_concept_id lot_number:text provider_id visit_occurrence_id
        visit_detail_id drug_source_value drug_source_concept_id route_source_value dose_unit_source_value
    """,
    "procedure_occurrence": """
        procedure_occurrence_id! person_id! procedure_concept_id! procedure_date! procedure_datetime procedure_end_date
        procedure_end_datetime procedure_type_concept_id! modifier_concept_id quantity provider_id visit_occurrence_id
        visit_detail_id procedure_source_value procedure_source_concept_id modifier_source_value
    """,
    "measurement": """
        measurement_id! person_id! measurement_concept_id! measurement_date! measurement_datetime measurement_time:text
        measurement_type_concept_id! operator_concept_id value_as_number:number value_as_concept_id unit_concept_id
        range_low:number range_high:number provider_id visit_occurrence_id visit_detail_id measurement_source_value
        measurement_source_concept_id unit_source_value unit_source_concept_id value_source_value measurement_event_id
        meas_event_field_concept_id
    """,
    "observation": """
        observation_id! person_id! observation_concept_id! observation_date! observation_datetime
        observation_type_concept_id! value_as_number:number value_as_string:text value_as_concept_id
        qualifier_concept_id unit_concept_id provider_id visit_occurrence_id visit_detail_id observation_source_value
        observation_source_concept_id unit_source_value qualifier_source_value value_source_value observation_event_id
        obs_event_field_concept_id
    """,
    "death": """
        person_id! death_date! death_datetime death_type_concept_id cause_concept_id cause_source_value
        cause_source_concept_id
    """,
    "location": """
        location_id! address_1:text address_2:text city:text state:text zip:text county:text location_source_value
        country_concept_id country_source_value latitude:number longitude:number
    """,
    "care_site": """
        care_site_id! care_site_name:text place_of_service_concept_id location_id care_site_source_value
        place_of_service_source_value
    """,
    "cdm_source": """
        cdm_source_name!:text cdm_source_abbreviation!:text cdm_holder!:text source_description:text
        source_documentation_reference:text cdm_etl_reference:text source_release_date! cdm_release_date!
        cdm_version:text cdm_version_concept_id! vocabulary_version!:text
    """,
    "concept": """
        concept_id! concept_name!:text domain_id!:text vocabulary_id!:text concept_class_id!:text standard_concept:text
        concept_code!:text valid_start_date! valid_end_date! invalid_reason:text
    """,
    "vocabulary": """
        vocabulary_id!:text vocabulary_name!:text vocabulary_reference:text vocabulary_version:text
        vocabulary_concept_id!
    """,
}


def _field(written: str) -> pa.Field:
    name, _, kind = written.replace("!", "").partition(":")
    if name.endswith("_date"):
        form = pa.date32()
    elif name.endswith("_datetime"):
        form = pa.timestamp("us")
    elif kind == "text" or name.endswith("_source_value"):
        form = pa.string()
    else:
        # NUMERIC is written as the 64 bits that records have: DuckDB's own would keep three decimals.
        form = pa.float64() if kind == "number" else pa.int32()
    return pa.field(name, form, nullable="!" not in written)


#: The tables as Arrow: names, types and what must not be null.
TABLES: Final = {table: pa.schema([_field(name) for name in names.split()]) for table, names in COLUMNS.items()}

#: First number of a concept of one's own, by convention; longest text of a source; highest number of a row.
LOCAL: Final = 2_000_000_001
LONGEST: Final = 50
MOST: Final = 2**31 - 1
#: Standard concepts: a record from an electronic health record; OMOP CDM 5.4; kinds of visit; sexes; units.
EHR: Final = 32817
CDM_5_4: Final = 756265
VISIT_CONCEPTS: Final = {CONSULTATION: 9202, HOSPITAL_STAY: 9201, OTHER_CONTACT: 0}
SEXES: Final = {"PRACTICE:male": MALE, "PRACTICE:female": FEMALE}
UNITS: Final = {
    "%": 8554, "/min": 8541, "[in_i]": 9327, "cm": 8582, "d/wk": 8621, "g": 8504, "g/L": 8636, "g/mol": 44777595,
    "kg": 9529, "kg/m2": 9531, "m": 9546, "mL/min/{1.73_m2}": 720870, "mg/L": 8751, "mg/dL": 8840, "mg/g": 8723,
    "mg/mmol": 44777612, "mm": 8588, "mm[Hg]": 8876, "mmol/L": 8753, "mmol/mol": 9579, "ug/mg": 8838, "umol/L": 8749,
}  # fmt: skip

#: Where each system's codes go, the domain of what is there, and what the vocabulary is called.
PLACES: Final = {
    "CIM10": "condition_occurrence",
    "CISP2": "condition_occurrence",
    "ATC": "drug_exposure",
    "RXNORM": "drug_exposure",
    "CVX": "drug_exposure",
    "CIP13": "drug_exposure",
    "CCAM": "procedure_occurrence",
    "NGAP": "procedure_occurrence",
    "LOINC": "measurement",
    "NABM": "measurement",
}
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
BIRTH, REGISTERED = "PRACTICE:birth", "PRACTICE:registered"
SMOKING_QUESTION: Final = "LOINC:72166-2"
FACTS: Final = tuple(facts.table for facts in EVENTS)

#: What could not be carried.
TAKEN_BACK: Final = "left out: taken back since"
NO_BIRTH: Final = "left out: of somebody without a date of birth, whom OMOP cannot hold"
TOO_LONG: Final = f"left out: the code has more than {LONGEST} characters"
ANOTHER: Final = "left out: another birth, sex or death of somebody who has one"
NO_PERIOD: Final = "left out: a registration or departure that no period of follow-up can tell"
DAY_LATER: Final = "the day of a departure, told a day later because it was that of the registration"
KNOWN_LATER: Final = "when it became known, later than the day it happened: read back, it is known too early"
KNOWN_BY_RULE: Final = "when a birth, sex or death became known, and when a sex was recorded"
TIME_OF_DAY: Final = "the time of day of a birth, registration or departure"
OTHER_PRACTICE: Final = "the practice, where it is not the person’s latest; of contacts it is the care site"
VALUE: Final = "the value of a birth, sex, registration, departure, death or contact"
UNIT: Final = f"the unit, where there is no value or it has more than {LONGEST} characters"

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
    with whole_folder(folder) as unfinished:
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
        write_subjects(pa.concat_tables(export.subjects), unfinished)
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
            yield table.table, self._ask(table.table, _query(table))

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


# --- Where things go --------------------------------------------------------------------------------------

SMOKING: Final = "smoking"


@lru_cache(maxsize=1 << 16)
def place_of(code: str) -> str:
    """Return the table in which a code belongs, `SMOKING` for the answer to what somebody smokes."""
    system, _, value = code.partition(":")
    if code in VISIT_CONCEPTS:
        return "visit_occurrence"
    if code == BIRTH or code in SEXES:
        return "person"
    if code in (REGISTERED, "PRACTICE:left"):
        return "observation_period"
    if code == DEATH or code.startswith(f"{DEATH}."):
        return "death"
    if system in ("LOINC", "SNOMED") and (SMOKING_STATUS.covers(code) or SMOKING_INTENSITY.covers(code)):
        return SMOKING
    if code == SMOKING_QUESTION or (system == "CIM10" and value.startswith("Z")):
        return "observation"  # of the chapter: reasons for contact, history, family
    if system == "CISP2" and value.startswith("-"):
        return "procedure_occurrence"
    if system == "SNOMED":
        concepts = [concept for concept in CONCEPTS if concept.covers(code)]
        others = (place_of(str(other)) for c in concepts for other in c.codes if other.system != "SNOMED")
        return next(others, "observation")
    return PLACES.get(system, "observation")


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

# --- Queries ----------------------------------------------------------------------------------------------


def _cases(meanings: Mapping[str, int]) -> str:
    return " ".join(f"WHEN '{code}' THEN {meaning}" for code, meaning in meanings.items())


PEOPLE: Final = f"""
    SELECT patient, max(happened_at) FILTER (code = '{BIRTH}') AS born,
        arg_max(code, (happened_at, known_at, code)) FILTER (code IN {tuple(SEXES)}) AS sex,
        arg_max(practice, (code = '{REGISTERED}', happened_at, known_at, practice)) AS home
    FROM facts WHERE retracted_at IS NULL GROUP BY patient HAVING born IS NOT NULL
"""
TOLD: Final = f"""
    CREATE OR REPLACE TEMP TABLE told AS
    SELECT facts.*, happened_at::DATE AS day, site, people.* EXCLUDE (patient), source_value, source_concept, answer,
        CASE WHEN value IS NOT NULL AND place IN {FACTS} AND place <> 'measurement' THEN 'observation' ELSE place END
            AS place,
        retracted_at IS NULL AND person IS NOT NULL AND place IS NOT NULL AS kept
    FROM facts JOIN codes USING (code) JOIN sites USING (practice) LEFT JOIN people USING (patient)
"""
#: How many records each loss is true of; of periods, how many there were to tell.
LOSSES: Final = {
    TAKEN_BACK: "count(retracted_at)",
    NO_BIRTH: "count(*) FILTER (retracted_at IS NULL AND person IS NULL)",
    TOO_LONG: "count(*) FILTER (retracted_at IS NULL AND person IS NOT NULL AND place IS NULL)",
    ANOTHER: """
        count(*) FILTER (kept AND place IN ('person', 'death'))
        - count(DISTINCT person) - count(DISTINCT person) FILTER (sex IS NOT NULL)
        - count(DISTINCT person) FILTER (kept AND place = 'death')
    """,
    NO_PERIOD: "count(*) FILTER (kept AND place = 'observation_period')",
    DAY_LATER: "0",
    KNOWN_LATER: "count(*) FILTER (kept AND place NOT IN ('person', 'death') AND known_at > day + INTERVAL 1 DAY)",
    KNOWN_BY_RULE: "count(*) FILTER (kept AND place IN ('person', 'death'))",
    TIME_OF_DAY: f"""
        count(*) FILTER (kept AND (place = 'observation_period' OR code = '{BIRTH}') AND happened_at > day)
    """,
    OTHER_PRACTICE: "count(*) FILTER (kept AND practice <> home AND place <> 'visit_occurrence')",
    VALUE: f"count(*) FILTER (kept AND value IS NOT NULL AND place NOT IN {FACTS})",
    UNIT: f"count(*) FILTER (kept AND place IN {FACTS} AND unit <> '' AND (value IS NULL OR length(unit) > {LONGEST}))",
}
PERSONS: Final = f"""
    SELECT person AS person_id, CASE sex {_cases(SEXES)} ELSE 0 END AS gender_concept_id,
        split_part(sex, ':', 2) AS gender_source_value, year(born) AS year_of_birth, month(born) AS month_of_birth,
        day(born) AS day_of_birth, born AS birth_datetime, 0 AS race_concept_id, 0 AS ethnicity_concept_id,
        site AS care_site_id
    FROM people JOIN sites ON sites.practice = home ORDER BY person
"""
DIED: Final = """
    SELECT * FROM told WHERE kept AND place = 'death'
    QUALIFY row_number() OVER (PARTITION BY person ORDER BY happened_at DESC, known_at DESC, code DESC, practice) = 1
"""
DEATHS: Final = f"""
    SELECT person AS person_id, day AS death_date, happened_at AS death_datetime, {EHR} AS death_type_concept_id,
        if(source_concept IS NULL, NULL, 0) AS cause_concept_id, source_concept AS cause_source_concept_id,
        if(source_concept IS NULL, NULL, source_value) AS cause_source_value
    FROM ({DIED}) ORDER BY person
"""
#: A period a registration, but for one that another follows on its day; whether the day after its end is a departure,
#: and whether that is later than it was, because a period has at least a day.
PERIODS: Final = f"""
    WITH events AS (
        SELECT person, day, code = '{REGISTERED}' AS begins, lead(day) OVER following AS next_day,
            lead(code = '{REGISTERED}') OVER following AS next_begins,
            min(day) FILTER (code = '{REGISTERED}') OVER (
                PARTITION BY person ORDER BY happened_at, code, known_at, practice
                ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
            ) AS next_start
        FROM told WHERE kept AND place = 'observation_period'
        WINDOW following AS (PARTITION BY person ORDER BY happened_at, code, known_at, practice)
    ), periods AS (
        SELECT events.*, died.day AS died,
            greatest(
                events.day,
                least(CASE WHEN next_day IS NULL THEN {{released}}::DATE ELSE next_day - 1 END, died.day)
            ) AS last
        FROM events LEFT JOIN ({DIED}) AS died USING (person)
        WHERE begins AND next_start IS DISTINCT FROM events.day
    )
    SELECT person AS person_id, day AS observation_period_start_date, last AS observation_period_end_date,
        {EHR} AS period_type_concept_id, next_day = day AS later,
        coalesce(NOT next_begins, false) AND coalesce(died > last, true) AND coalesce(next_start > last + 1, true)
            AS departs
    FROM periods ORDER BY person, day
"""


def _query(facts: Facts) -> str:
    """Return the query of the rows of a table of facts or visits."""
    what, when = facts.what, facts.when
    columns = {
        "person_id": "person",
        f"{what}_concept_id": "0",
        f"{when}_date": "day",
        f"{when}_datetime": "happened_at",
        f"{what}_type_concept_id": str(EHR),
        f"{what}_source_value": "source_value",
        f"{what}_source_concept_id": "source_concept",
    }
    if facts is VISITS:
        columns |= {f"{what}_concept_id": f"CASE code {_cases(VISIT_CONCEPTS)} END", "care_site_id": "site"}
    if when.endswith("_start") and facts.table != "condition_occurrence":
        ends = when.removesuffix("_start")
        columns |= {f"{ends}_end_date": "day", f"{ends}_end_datetime": "happened_at"}
    if facts.measured:
        has_unit = f"value IS NOT NULL AND unit <> '' AND length(unit) <= {LONGEST}"
        columns |= {
            "value_as_number": "value",
            "value_as_concept_id": "answer",
            "unit_concept_id": f"CASE WHEN {has_unit} THEN coalesce(unit_concept, 0) END",
            "unit_source_value": f"CASE WHEN {has_unit} THEN unit END",
        }
    items = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    return f"""
        SELECT {items} FROM told LEFT JOIN units USING (unit) WHERE kept AND place = '{facts.table}'
        ORDER BY person, happened_at, code, value, unit, practice, known_at
    """


# --- A folder that is there wholly or not at all ----------------------------------------------------------


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write into, the subjects too; it becomes ``folder`` at the end, unless it raises.

    Raises
    ------
    FileExistsError
        If ``folder``, or its `subjects_file`, is there already.
    """
    subjects = subjects_file(folder)
    for path in (folder, subjects):
        if path.exists():
            raise FileExistsError(f"{path} is there already: choose another folder")
    unfinished = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)  # left by a run that was cut short
    try:
        unfinished.mkdir(parents=True)
        yield unfinished
        (unfinished / subjects.name).replace(subjects)
        unfinished.rename(folder)
    except BaseException:
        subjects.unlink(missing_ok=True)
        raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def write_subjects(subjects: pa.Table, unfinished: Path) -> None:
    """Write which patient each subject is, to be put beside the folder by `whole_folder`."""
    folder = unfinished.with_name(unfinished.name.removeprefix(".").removesuffix(".partial"))
    pq.write_table(subjects, unfinished / subjects_file(folder).name, compression="zstd")


def write_readme(folder: Path, title: str, about: str, not_carried: Mapping[str, int]) -> None:
    """Write what a folder is, and what of the records is not in it."""
    lost = [f"- {count:,}: {what}" for what, count in not_carried.items()]
    lines = [f"# {title}", "", about, "", "What could not be carried, and of how many records:", "", *lost]
    (folder / "README.md").write_text("\n".join([*lines, ""]), encoding="utf-8")


def identity(name: str, dataset_name: str) -> bytes:
    """Return what tells a patient or practice apart in one data set, and cannot be joined with another's."""
    return hashlib.sha256(json.dumps([dataset_name, name]).encode()).digest()

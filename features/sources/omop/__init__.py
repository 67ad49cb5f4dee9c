"""OMOP common data model 5.3 and 5.4: a folder of CSV or Parquet files, a DuckDB file, or a PostgreSQL server.

What is read
    ``person`` and ``observation_period``, which must be there; ``visit_occurrence``, ``condition_occurrence``,
    ``drug_exposure``, ``procedure_occurrence``, ``measurement``, ``observation``, ``death``, ``provider`` and
    ``cdm_source``; of the vocabularies ``concept``, ``concept_ancestor`` and ``concept_relationship``. Names in any
    letter case. A row is a record; a person is two (birth, sex), and a period two where it ends in a departure.
What is not read
    Tables derived from others (``…_era``, ``cohort``, ``episode``), ``visit_detail``, ``device_exposure``,
    ``specimen``, ``note`` and other free text, costs, locations, ``care_site`` (its id in ``person`` says enough);
    of facts read, their ends, quantities, types, modifiers, ranges and ``value_as_string``.
Codes
    The standard concept, then the source concept, then what that one maps to, whichever the catalogue covers; else the
    nearest ancestor of these that it covers; else the first of them in a known code system; else the source's own
    value if it looks like a code. Without the table ``concept`` every code is the source's own. A fact is one record:
    a drug of two ingredients has the code of one covered ancestor, not of both. An answer that is a
    state of the catalogue (a smoking status) is the code; an observation answered no or absent is no record.
Visits
    A consultation is an outpatient, office, home or remote visit or one below these; a stay is an inpatient visit; an
    emergency room, a hospital's outpatient department and anything else are other contacts.
Practices
    The care site of a person, else of their provider, else the provider, else the source as a whole.
Registrations and departures
    A period's first day is a registration. The day after its last is a departure, unless the period reaches the end of
    what the source could see (the earliest of the delivery, the release in ``cdm_source`` and the last day of any
    period), another period goes on within a day, or the person died by then.
Values
    ``value_as_number`` as it is, with its unit in UCUM where the source says it. A value with a comparator is a fault,
    and so is a quantity that only ``value_source_value`` holds: which unit it is in is not said.
Times
    Taken for UTC where they have no offset. The date counts where there is no time.
Where
    A row is told by its id or its position; a line that cannot be read, by its file: the table's name and, of several
    parts, the position in the order of their names.
Deaths
    Cardiovascular where the cause, or what is above it, belongs to cardiovascular disease in the catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb
import pyarrow as pa

from features.catalogue.concepts import CONCEPTS
from features.codes import Concept
from features.intake import DELIVERED, InvalidRecords
from features.sources.omop import people
from features.sources.omop.containers import Container, literal
from features.sources.omop.databases import DuckDBFile, PostgreSQL
from features.sources.omop.facts import EVENTS, VISITS, Lookup, Reading
from features.sources.omop.folder import Folder
from features.sources.omop.vocabulary import Vocabulary
from features.sources.source import Batch, Source

#: Rows of a batch.
ROWS: Final = 131_072
MEMORY: Final = "512MB"
VERSIONS: Final = ("5.3", "5.4")
ADDRESSES: Final = ("postgresql://", "postgres://")
UNREADABLE: Final = "the line cannot be read"
FACTS: Final = {facts.table: facts for facts in (VISITS, *EVENTS)}

#: Columns that must be there, of tables that must be there and of those that need not.
NEEDED: Final = ("person", "observation_period")
REQUIRED: Final = {
    "person": ("person_id", "gender_concept_id", "year_of_birth"),
    "observation_period": (
        "observation_period_id",
        "person_id",
        "observation_period_start_date",
        "observation_period_end_date",
    ),
    "visit_occurrence": (*VISITS.required, "visit_end_date"),
    "death": ("person_id", "death_date"),
    **{facts.table: facts.required for facts in EVENTS},
}
#: The same of tables that no record comes from.
VOCABULARY: Final = {
    "concept": ("concept_id", "vocabulary_id", "concept_code"),
    "concept_ancestor": ("ancestor_concept_id", "descendant_concept_id", "min_levels_of_separation"),
    "concept_relationship": ("concept_id_1", "concept_id_2", "relationship_id"),
    "provider": ("provider_id", "care_site_id"),
    "cdm_source": ("cdm_version",),
}


def batches(origin: str, delivered_at: datetime, concepts: Sequence[Concept] = CONCEPTS) -> Iterator[Batch]:
    """Yield the records of an OMOP source.

    Parameters
    ----------
    origin
        A folder, a DuckDB file, or an address ``postgresql://user@host/database`` without a password.
    delivered_at
        Day of the delivery.
    concepts
        The catalogue: codes that it covers go before others.

    Raises
    ------
    FileNotFoundError
        If there is no such folder or file.
    InvalidRecords
        If tables or columns are missing or cannot be read, all faults at once.
    """
    with ExitStack() as stack:
        place = Path(stack.enter_context(TemporaryDirectory(prefix="vigie-")))
        connection = stack.enter_context(duckdb.connect())
        connection.execute(f"""
            SET memory_limit = '{MEMORY}'; SET temp_directory = {literal(str(place / "spilled"))};
            SET TimeZone = 'UTC'; SET enable_progress_bar = false;
            SET autoinstall_known_extensions = false; SET autoload_known_extensions = false
        """)
        source = _opened(origin, connection, stack)
        with _understood("the tables"):
            source.recognise(REQUIRED | VOCABULARY)
            _check(source)
            people.load(connection, source, delivered_at)
            _check_version(connection)
            vocabulary = Vocabulary.load(connection, source, _concepts_used(source), concepts)
            for table in VOCABULARY:
                if source.unreadable[table]:
                    raise InvalidRecords(
                        [f"{source.places[table][0]} cannot be read: without it codes would be missing"]
                    )
            names = connection.sql("SELECT practice FROM practices ORDER BY position").to_arrow_table()
            reading = Reading(
                vocabulary,
                names.column("practice").combine_chunks(),
                _lookup(connection, people.PRACTICE_OF, place / "practices"),
                _lookup(connection, people.VISIT_ENDS, place / "visits"),
                delivered_at,
            )
            sizes = {table: source.rows(table) for table in REQUIRED if table in source.columns}
        read, everything = 0, max(sum(sizes.values()), 1)
        for table, size in sizes.items():
            with _understood(f"table {table}"):
                begun = 0
                for rows, records in _records(table, source, reading):
                    begun += rows
                    yield Batch(records, (read + min(begun, size)) / everything)
            read += size


SOURCE_KNOWN_AT: Final = (
    "OMOP keeps no such date: a fact is known at the end of its day or, if that is later, of the last day of the visit "
    "it belongs to, and at the delivery if that visit has not ended; who a person is, from the end of the first day "
    "they were seen or followed; a registration at the end of its day; a departure on its day; a death at the "
    "delivery; everything at the delivery at the latest"
)
OMOP: Final = Source("omop", SOURCE_KNOWN_AT, batches)


def _opened(origin: str, connection: duckdb.DuckDBPyConnection, stack: ExitStack) -> Container:
    """Return what a source is kept in; from then on DuckDB reaches nothing but that."""
    known = (*REQUIRED, *VOCABULARY)
    folders: list[Path] = []
    source: Container
    if origin.startswith(ADDRESSES):
        source = stack.enter_context(closing(PostgreSQL(connection, origin, known)))
    elif not (path := Path(origin).resolve()).exists():
        raise FileNotFoundError(f"{origin} is not there")
    elif path.is_dir():
        source = Folder(connection, path, known)
        folders = [path]
    elif path.is_file() and _is_duckdb(path):
        source = DuckDBFile(connection, path, known)
    else:
        raise InvalidRecords([f"{path.name} is neither a folder nor a DuckDB file nor an address postgresql://…"])
    connection.execute(f"""
        SET allowed_directories = [{", ".join(literal(str(folder)) for folder in folders)}];
        SET enable_external_access = false; SET lock_configuration = true
    """)
    return source


def _is_duckdb(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(12)[8:] == b"DUCK"


@contextmanager
def _understood(what: str) -> Iterator[None]:
    """Turn what libraries say of a damaged source into `InvalidRecords`, without what they quote of it."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise InvalidRecords([f"{what} cannot be read to the end: damaged, or not what the name says"]) from error


def _check(source: Container) -> None:
    faults = [f"table {table} is missing" for table in NEEDED if table not in source.columns]
    for table, columns in (REQUIRED | VOCABULARY).items():
        there = source.columns.get(table)
        faults += [f"table {table} has no column {name}" for name in columns if there and name not in there]
    if faults:
        raise InvalidRecords(faults)


def _check_version(connection: duckdb.DuckDBPyConnection) -> None:
    for (version,) in connection.execute("SELECT DISTINCT version FROM origin ORDER BY version").fetchall():
        found = re.search(r"\d+\.\d+", version or "")
        if found and found.group() not in VERSIONS:
            raise InvalidRecords(
                [f"cdm_source says this is OMOP {found.group()}: {' and '.join(VERSIONS)} can be read"]
            )


def _concepts_used(source: Container) -> Iterator[str]:
    """Yield queries of the ids of concepts that facts use; each is to be run before the next is asked for."""
    yield "SELECT DISTINCT unnest([concept, source_concept]) FROM visits"
    yield "SELECT DISTINCT unnest([cause, source_cause]) FROM deaths"
    for facts in EVENTS:
        scan = source.scan(facts.table, facts.used, distinct=True)
        yield f"SELECT DISTINCT unnest([{', '.join(facts.used)}]) FROM {scan}"


def _lookup(connection: duckdb.DuckDBPyConnection, query: str, file: Path) -> Lookup:
    with connection.sql(query).to_arrow_reader(ROWS) as reader:
        return Lookup(file, reader)


def _records(table: str, source: Container, reading: Reading) -> Iterator[tuple[int, pa.Table]]:
    """Yield the records of a table, with how many of its rows they are from, then its lines that cannot be read."""
    connection = source.connection
    if table == "person":
        query, of_rows = people.births_and_sexes(), None
    elif table == "observation_period":
        query, of_rows = people.registrations_and_departures(), None
    elif table == "death":
        query, of_rows = people.endings(connection, reading.vocabulary), None
    else:
        facts = FACTS[table]
        query, of_rows = facts.rows("visits" if facts is VISITS else source.scan(table, facts.wanted)), facts
    with connection.sql(query).to_arrow_reader(ROWS) as reader:
        for rows in _cut(reader):
            records = rows if of_rows is None else reading.records(of_rows, rows)
            yield len(rows), _typed(records)
    unreadable = source.unreadable[table]
    for first in range(0, unreadable, ROWS):
        where = source.places[table][first : first + ROWS]
        where += [f"{table}, a line that cannot be split"] * (min(ROWS, unreadable - first) - len(where))
        yield 0, _typed(pa.table({"where": where, "fault": [UNREADABLE] * len(where)}))


def _cut(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Yield tables of `ROWS` rows: where DuckDB cuts depends on its threads."""
    waiting: list[pa.RecordBatch] = []
    for batch in reader:
        waiting.append(batch)
        while sum(map(len, waiting)) >= ROWS:
            together = pa.Table.from_batches(waiting)
            yield together.slice(0, ROWS)
            waiting = together.slice(ROWS).to_batches()
    if waiting:
        yield pa.Table.from_batches(waiting)


def _typed(table: pa.Table) -> pa.Table:
    """Return a table with the columns of a batch, those it has not as nulls."""
    columns = [
        table.column(field.name).cast(field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in DELIVERED
    ]
    return pa.table(columns, schema=DELIVERED)

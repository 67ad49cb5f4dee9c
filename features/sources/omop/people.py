"""Who people are, when they were followed, and when they died: OMOP's small tables, as queries.

Each query gives the columns of `features.intake.SCHEMA` with ``where`` and ``fault``. They are run on tables that
`people` makes from the source once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import duckdb

from features.sources.omop.containers import Container, Wanted, given, literal, moment, text, whole
from features.sources.omop.facts import NO_DATE, UNKNOWN_PATIENT, VISITS
from features.sources.omop.vocabulary import Vocabulary

MALE: Final = 8507
FEMALE: Final = 8532
PERSON: Final[Wanted] = {
    "person": ("person_id", whole),
    "gender": ("gender_concept_id", whole),
    "born_at": ("birth_datetime", moment),
    "year": ("year_of_birth", whole),
    "month": ("month_of_birth", whole),
    "day": ("day_of_birth", whole),
    "born": ("year_of_birth", given),
    "site": ("care_site_id", text),
    "provider": ("provider_id", text),
}
PROVIDER: Final[Wanted] = {"provider": ("provider_id", text), "site": ("care_site_id", text)}
PERIOD: Final[Wanted] = {
    "id": ("observation_period_id", whole),
    "person": ("person_id", whole),
    "first": ("observation_period_start_date", moment),
    "last": ("observation_period_end_date", moment),
    "begun": ("observation_period_start_date", given),
    "ended": ("observation_period_end_date", given),
}
VISIT: Final[Wanted] = {
    **VISITS.wanted,
    "end_day": ("visit_end_date", moment),
    "end_time": ("visit_end_datetime", moment),
}
DEATH: Final[Wanted] = {
    "person": ("person_id", whole),
    "on_day": ("death_date", moment),
    "at_time": ("death_datetime", moment),
    "dated": ("death_date", given),
    "timed": ("death_datetime", given),
    "cause": ("cause_concept_id", whole),
    "source_cause": ("cause_source_concept_id", whole),
}
SOURCE: Final[Wanted] = {
    "name": ("cdm_source_abbreviation", text),
    "version": ("cdm_version", text),
    "released": ("source_release_date", moment),
}


def load(connection: duckdb.DuckDBPyConnection, source: Container, delivered_at: datetime) -> None:
    """Make the tables that the queries and the readers of facts need."""
    connection.execute(f"CREATE TEMP TABLE delivery AS SELECT {literal(delivered_at.isoformat())}::TIMESTAMP AS moment")
    for name, table, wanted in (
        ("origin", "cdm_source", SOURCE),
        ("providers", "provider", PROVIDER),
        ("sent", "person", PERSON),
        ("periods", "observation_period", PERIOD),
        ("visits", "visit_occurrence", VISIT),
        ("deaths", "death", DEATH),
    ):
        connection.execute(
            f"CREATE TEMP TABLE {name} AS SELECT row_number() OVER () AS row, * FROM {source.scan(table, wanted)}"
        )
    born = "printf('%04d-%02d-%02d', year, coalesce(month, 1), if(month IS NULL, 1, coalesce(day, 1)))"
    connection.execute(f"""
        CREATE TEMP TABLE persons AS
        WITH seen AS (
            SELECT person, first AS moment FROM periods
            UNION ALL SELECT person, coalesce(at_time, on_day) FROM visits
        ), firsts AS (
            SELECT person, min(moment) AS seen FROM seen GROUP BY person
        ), sites AS (
            SELECT provider, min({_id("site")}) AS of_provider FROM providers GROUP BY provider
        )
        SELECT row, person, gender, seen, year IS NOT NULL OR born AS dated,
            row_number() OVER (PARTITION BY person ORDER BY row) AS copy,
            coalesce(date_trunc('day', born_at), {moment(born, "VARCHAR")}) AS born_on,
            coalesce(
                'care_site ' || {_id("site")}, 'care_site ' || of_provider, 'provider ' || {_id("provider")},
                (SELECT min(name) FROM origin), 'omop'
            ) AS practice
        FROM sent LEFT JOIN sites USING (provider) LEFT JOIN firsts USING (person)
    """)
    connection.execute("""
        CREATE TEMP TABLE known AS SELECT person, practice, true AS is_known FROM persons WHERE copy = 1
    """)
    connection.execute("""
        CREATE TEMP TABLE practices AS SELECT row_number() OVER (ORDER BY practice) - 1 AS position, practice
        FROM (SELECT DISTINCT practice FROM persons)
    """)


PRACTICE_OF: Final = """
    SELECT person, position FROM known JOIN practices USING (practice) WHERE person IS NOT NULL ORDER BY person
"""
#: A visit without an end has not ended at the delivery. Sent twice, a visit ends when the last of it does.
VISIT_ENDS: Final = """
    SELECT id, max(epoch_us(CASE
        WHEN coalesce(end_time, end_day) IS NULL THEN moment
        ELSE greatest(coalesce(end_time, end_day), coalesce(at_time, on_day)) END)) AS ended
    FROM visits, delivery WHERE id IS NOT NULL GROUP BY id ORDER BY id
"""


def births_and_sexes() -> str:
    """Return the query of who people are: two rows a person, known from the day they were first seen or followed."""
    return f"""
        WITH told AS (
            SELECT *, born_on AS happened_at, 0 AS part, 'PRACTICE:birth' AS code,
                if(born_on IS NULL AND dated, '{NO_DATE}', NULL) AS fault
            FROM persons
            UNION ALL
            SELECT *, coalesce(born_on, seen), 1,
                CASE gender WHEN {MALE} THEN 'PRACTICE:male' WHEN {FEMALE} THEN 'PRACTICE:female' END,
                if(coalesce(gender, 0) IN ({MALE}, {FEMALE}), NULL, 'sex is neither male nor female')
            FROM persons
        )
        SELECT person::VARCHAR AS patient, practice, happened_at, {_known("happened_at", "seen")} AS known_at, code,
            'person, row ' || row AS "where",
            if(copy > 1 AND person IS NOT NULL, 'patient sent twice', fault) AS fault
        FROM told, delivery ORDER BY row, part
    """


def registrations_and_departures() -> str:
    """Return the query of who was followed when: a row a period and, where it ends in a departure, a second one.

    The day after a period's last day is a departure unless the period reaches the end of what the source could see,
    another period goes on, or the person died by then. The source's end is the earliest of the delivery, its
    release and the last day of any period.
    """
    return f"""
        WITH seen AS (
            SELECT least(any_value(moment), max(last) FILTER (last <= moment), (SELECT min(released) FROM origin))
                AS until
            FROM periods, delivery
        ), died AS (
            SELECT person, min(coalesce(at_time, on_day)) AS died_at FROM deaths GROUP BY person
        ), told AS (
            SELECT periods.*, practice, is_known IS NULL AND periods.person IS NOT NULL AS unknown, died_at,
                coalesce(last < first, false) AS backwards,
                first IS NULL AND begun OR last IS NULL AND ended AS undated
            FROM periods LEFT JOIN known USING (person) LEFT JOIN died USING (person)
        ), departed AS (
            SELECT * FROM told, seen
            WHERE NOT (unknown OR backwards OR undated) AND first IS NOT NULL AND last < until
                AND (died_at IS NULL OR died_at >= {_day_end("last")})
                AND NOT EXISTS (
                    FROM told AS other WHERE other.person = told.person AND NOT (other.backwards OR other.undated)
                        AND other.first <= {_day_end("told.last")} AND other.last > told.last
                )
        ), records AS (
            SELECT row, 0 AS part, person, practice, id, first AS happened_at, first AS known_from,
                'PRACTICE:registered' AS code,
                CASE WHEN unknown THEN '{UNKNOWN_PATIENT}' WHEN undated THEN '{NO_DATE}'
                    WHEN backwards THEN 'the period ends before it begins' END AS fault
            FROM told
            UNION ALL
            SELECT row, 1, person, practice, id, {_day_end("last")}, NULL, 'PRACTICE:left', NULL FROM departed
        )
        SELECT person::VARCHAR AS patient, practice, happened_at,
            if(part = 0, {_known("happened_at", "known_from")}, happened_at) AS known_at, code,
            'observation_period_id ' || coalesce(id::VARCHAR, '?') AS "where", fault
        FROM records, delivery ORDER BY row, part
    """


def endings(connection: duckdb.DuckDBPyConnection, vocabulary: Vocabulary) -> str:
    """Return the query of deaths, known at the delivery: OMOP does not say how or when one was learnt of."""
    causes = connection.execute("""
        SELECT DISTINCT coalesce(cause, 0), coalesce(source_cause, 0) FROM deaths ORDER BY ALL
    """).fetchall()
    connection.execute("CREATE TEMP TABLE causes (cause BIGINT, source_cause BIGINT, code VARCHAR)")
    for pair in causes:
        connection.execute("INSERT INTO causes VALUES (?, ?, ?)", [*pair, vocabulary.death(*pair)])
    return f"""
        SELECT person::VARCHAR AS patient, practice, coalesce(at_time, on_day) AS happened_at,
            greatest(coalesce(at_time, on_day), moment) AS known_at, code, 'death, row ' || deaths.row AS "where",
            CASE WHEN is_known IS NULL AND person IS NOT NULL THEN '{UNKNOWN_PATIENT}'
                WHEN coalesce(at_time, on_day) IS NULL AND (dated OR timed) THEN '{NO_DATE}' END AS fault
        FROM deaths LEFT JOIN known USING (person)
            JOIN causes ON causes.cause = coalesce(deaths.cause, 0)
                AND causes.source_cause = coalesce(deaths.source_cause, 0),
            delivery
        ORDER BY deaths.row
    """


def _id(column: str) -> str:
    """Return SQL of an identifier as text, the same however it was stored; null for OMOP's 0."""
    return f"nullif(coalesce(TRY_CAST({column} AS BIGINT)::VARCHAR, {column}), '0')"


def _day_end(column: str) -> str:
    return f"(date_trunc('day', {column}) + INTERVAL 1 DAY)"


def _known(happened: str, seen: str) -> str:
    """Return SQL of the end of the day something was seen, if delivered by then, and never before it happened."""
    return f"greatest({happened}, least({_day_end(seen)}, moment))"

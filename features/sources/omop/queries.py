"""What OMOP's tables are asked for: from a shard's records, ``told``, to the rows of each table and what they lose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from features.sources.exports import BIRTH, REGISTERED
from features.sources.omop.facts import EVENTS, VISITS, Facts
from features.sources.omop.people import FEMALE, MALE
from features.sources.omop.vocabulary import CONSULTATION, HOSPITAL_STAY, OTHER_CONTACT

#: Longest text of a source.
LONGEST: Final = 50
#: Standard concepts: a record from an electronic health record; kinds of visit; sexes.
EHR: Final = 32817
VISIT_CONCEPTS: Final = {CONSULTATION: 9202, HOSPITAL_STAY: 9201, OTHER_CONTACT: 0}
SEX_CONCEPTS: Final = {"PRACTICE:male": MALE, "PRACTICE:female": FEMALE}
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


def _cases(meanings: Mapping[str, int]) -> str:
    return " ".join(f"WHEN '{code}' THEN {meaning}" for code, meaning in meanings.items())


PEOPLE: Final = f"""
    SELECT patient, max(happened_at) FILTER (code = '{BIRTH}') AS born,
        arg_max(code, (happened_at, known_at, code)) FILTER (code IN {tuple(SEX_CONCEPTS)}) AS sex,
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
    SELECT person AS person_id, CASE sex {_cases(SEX_CONCEPTS)} ELSE 0 END AS gender_concept_id,
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


def rows_of(facts: Facts) -> str:
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

"""OMOP written: what the specification asks, what comes back through our reader, and what is said to be lost."""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from features.__main__ import main
from features.catalogue.concepts import CONCEPTS
from features.codes import measured
from features.commands import MISSING, OK
from features.digests import digest_folder
from features.ingest import ingest
from features.intake import SCHEMA
from features.privacy import Objections
from features.records import Records
from features.sources.meds import subjects_file
from features.sources.omop import OMOP, queries
from features.sources.omop.facts import EVENTS, VISITS
from features.sources.omop.tables import TABLES
from features.sources.omop.writing import LOCAL, UNITS, write_omop
from features.sources.units import unit_of
from features.synthetic import DELIVERED_AT, synthesise
from tests.conftest import at_most

END = datetime(2025, 1, 1)
NAMED = {"dataset_name": "essai", "dataset_version": "1"}
Row = dict[str, Any]

#: Names, types (integer, date, timestamp, numeric, text of at most so many characters) and ``!`` for NOT NULL, by the
#: DDL of OMOP CDM 5.4.
SPECIFICATION = """
person: person_id i!, gender_concept_id i!, year_of_birth i!, month_of_birth i, day_of_birth i, birth_datetime t,
    race_concept_id i!, ethnicity_concept_id i!, location_id i, provider_id i, care_site_id i, person_source_value
    s50, gender_source_value s50, gender_source_concept_id i, race_source_value s50, race_source_concept_id i,
    ethnicity_source_value s50, ethnicity_source_concept_id i
observation_period: observation_period_id i!, person_id i!, observation_period_start_date d!,
    observation_period_end_date d!, period_type_concept_id i!
visit_occurrence: visit_occurrence_id i!, person_id i!, visit_concept_id i!, visit_start_date d!,
    visit_start_datetime t, visit_end_date d!, visit_end_datetime t, visit_type_concept_id i!, provider_id i,
    care_site_id i, visit_source_value s50, visit_source_concept_id i, admitted_from_concept_id i,
    admitted_from_source_value s50, discharged_to_concept_id i, discharged_to_source_value s50,
    preceding_visit_occurrence_id i
condition_occurrence: condition_occurrence_id i!, person_id i!, condition_concept_id i!, condition_start_date d!,
    condition_start_datetime t, condition_end_date d, condition_end_datetime t, condition_type_concept_id i!,
    condition_status_concept_id i, stop_reason s20, provider_id i, visit_occurrence_id i, visit_detail_id i,
    condition_source_value s50, condition_source_concept_id i, condition_status_source_value s50
drug_exposure: drug_exposure_id i!, person_id i!, drug_concept_id i!, drug_exposure_start_date d!,
    drug_exposure_start_datetime t, drug_exposure_end_date d!, drug_exposure_end_datetime t, verbatim_end_date d,
    drug_type_concept_id i!, stop_reason s20, refills i, quantity n, days_supply i, sig s, route_concept_id i,
    lot_number s50, provider_id i, visit_occurrence_id i, visit_detail_id i, drug_source_value s50,
    drug_source_concept_id i, route_source_value s50, dose_unit_source_value s50
procedure_occurrence: procedure_occurrence_id i!, person_id i!, procedure_concept_id i!, procedure_date d!,
    procedure_datetime t, procedure_end_date d, procedure_end_datetime t, procedure_type_concept_id i!,
    modifier_concept_id i, quantity i, provider_id i, visit_occurrence_id i, visit_detail_id i,
    procedure_source_value s50, procedure_source_concept_id i, modifier_source_value s50
measurement: measurement_id i!, person_id i!, measurement_concept_id i!, measurement_date d!, measurement_datetime
    t, measurement_time s10, measurement_type_concept_id i!, operator_concept_id i, value_as_number n,
    value_as_concept_id i, unit_concept_id i, range_low n, range_high n, provider_id i, visit_occurrence_id i,
    visit_detail_id i, measurement_source_value s50, measurement_source_concept_id i, unit_source_value s50,
    unit_source_concept_id i, value_source_value s50, measurement_event_id i, meas_event_field_concept_id i
observation: observation_id i!, person_id i!, observation_concept_id i!, observation_date d!, observation_datetime
    t, observation_type_concept_id i!, value_as_number n, value_as_string s60, value_as_concept_id i,
    qualifier_concept_id i, unit_concept_id i, provider_id i, visit_occurrence_id i, visit_detail_id i,
    observation_source_value s50, observation_source_concept_id i, unit_source_value s50, qualifier_source_value
    s50, value_source_value s50, observation_event_id i, obs_event_field_concept_id i
death: person_id i!, death_date d!, death_datetime t, death_type_concept_id i, cause_concept_id i,
    cause_source_value s50, cause_source_concept_id i
location: location_id i!, address_1 s50, address_2 s50, city s50, state s2, zip s9, county s20,
    location_source_value s50, country_concept_id i, country_source_value s80, latitude n, longitude n
care_site: care_site_id i!, care_site_name s255, place_of_service_concept_id i, location_id i,
    care_site_source_value s50, place_of_service_source_value s50
cdm_source: cdm_source_name s255!, cdm_source_abbreviation s25!, cdm_holder s255!, source_description s,
    source_documentation_reference s255, cdm_etl_reference s255, source_release_date d!, cdm_release_date d!,
    cdm_version s10, cdm_version_concept_id i!, vocabulary_version s20!
concept: concept_id i!, concept_name s255!, domain_id s20!, vocabulary_id s20!, concept_class_id s20!,
    standard_concept s1, concept_code s50!, valid_start_date d!, valid_end_date d!, invalid_reason s1
vocabulary: vocabulary_id s20!, vocabulary_name s255!, vocabulary_reference s255, vocabulary_version s255,
    vocabulary_concept_id i!
"""
KINDS = {"i": pa.int32(), "d": pa.date32(), "t": pa.timestamp("us"), "n": pa.float64(), "s": pa.string()}

Foreseen = tuple[Counter[tuple[Any, ...]], Counter[str]]
PEOPLE = 80
MANDATE = ["--purpose", "research", "--reference", "CSE-2026-014"]


def specification() -> dict[str, list[tuple[str, str]]]:
    tables: dict[str, list[tuple[str, str]]] = {}
    for line in SPECIFICATION.replace("\n    ", " ").strip().splitlines():
        table, _, columns = line.partition(": ")
        tables[table] = [(name, kind) for name, kind in (column.split() for column in columns.split(", "))]
    return tables


# --- What others read -------------------------------------------------------------------------------------


def facts_of(records: Records) -> list[Row]:
    return [row for shard in records.shards for row in records.table(shard).to_pylist()]


def stored(folder: Path, rows: list[Row], shards: int = 2) -> Records:
    records = Records.create(folder, shards)
    records.append(pa.Table.from_pylist(rows, schema=SCHEMA), name="x", delivered_at=END, concepts=CONCEPTS)
    return records


def patients_of(folder: Path) -> dict[str, str]:
    """Return which patient each subject of an export is."""
    table = pq.read_table(subjects_file(folder))
    return dict(zip(map(str, table.column("subject_id").to_pylist()), table.column("patient").to_pylist(), strict=True))


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Records:
    return synthesise(tmp_path_factory.mktemp("population") / "store", patients=PEOPLE, shards=4)


@pytest.fixture(scope="module")
def facts(population: Records) -> list[Row]:
    return facts_of(population)


@pytest.fixture(scope="module")
def foreseen(facts: list[Row]) -> Foreseen:
    """What should come back of the population, and what should be said to be lost."""
    return expected(facts, DELIVERED_AT)


@pytest.fixture(scope="module")
def written(population: Records, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "omop"
    write_omop(population, folder, **NAMED)
    return folder


@pytest.mark.slow
def test_tables_are_those_of_the_specification(written: Path) -> None:
    spec = specification()
    assert {file.stem for file in written.glob("*.parquet")} == set(spec) == set(TABLES)
    for table, columns in spec.items():
        schema = pq.read_schema(written / f"{table}.parquet")
        assert schema.names == [name for name, _ in columns]
        content = pq.read_table(written / f"{table}.parquet")
        for name, kind in columns:
            field = schema.field(name)
            assert (field.type, field.nullable) == (KINDS[kind[0]], not kind.endswith("!")), (table, name)
            texts = [text for text in content.column(name).to_pylist() if text is not None]
            assert not kind.endswith("!") or len(texts) == len(content)
            longest = kind.strip("s!")
            assert not longest.isdigit() or all(len(text) <= int(longest) for text in texts)


def test_columns_are_those_of_another_54(shared: Callable[[str], Path]) -> None:
    found = 0
    with zipfile.ZipFile(next(shared("data/omop54_synthea").glob("*.zip"))) as archive:
        for name in archive.namelist():
            table = Path(name).stem.lower()
            if table in TABLES and name.endswith(".csv") and "__MACOSX" not in name:
                header = next(csv.reader(io.TextIOWrapper(archive.open(name))))
                assert header == TABLES[table].names
                found += 1
    assert found == len(TABLES)


def test_units_are_standard_concepts(shared: Callable[[str], Path]) -> None:
    with zipfile.ZipFile(next(shared("data/omop54_synthea").glob("*.zip"))) as archive:
        name = next(n for n in archive.namelist() if n.endswith("CONCEPT.csv") and "__MACOSX" not in n)
        rows = csv.DictReader(io.TextIOWrapper(archive.open(name)))
        ucum = {row["concept_code"]: row for row in rows if row["vocabulary_id"] == "UCUM"}
    same = {"mL/min/{1.73_m2}": "mL/min/(173.10*-2.m2)"}
    for unit, concept in UNITS.items():
        assert ucum[same.get(unit, unit)]["concept_id"] == str(concept)
        assert ucum[same.get(unit, unit)]["standard_concept"] == "S"


@pytest.mark.slow
def test_counts_by_sql(population: Records, written: Path) -> None:
    """Recount what each table holds, straight from the store's files."""
    store = f"read_parquet('{population.path}/delivery-*/shard-*.parquet')"

    def count(condition: str) -> int:
        return duckdb.sql(f"SELECT count(*) FROM {store} WHERE {condition}").fetchall()[0][0]

    def rows(table: str, condition: str = "true") -> int:
        return duckdb.sql(f"SELECT count(*) FROM '{written}/{table}.parquet' WHERE {condition}").fetchall()[0][0]

    smoking = "code LIKE 'LOINC:LA%'"
    of_file = "'birth', 'male', 'female', 'registered', 'left', 'consultation', 'hospital_stay', 'other_contact'"
    assert rows("person") == count("code = 'PRACTICE:birth'") == PEOPLE
    assert rows("person", "gender_concept_id = 8507") == count("code = 'PRACTICE:male'")
    assert rows("observation_period") == count("code = 'PRACTICE:registered'")
    assert rows("death") == count("code LIKE 'PRACTICE:death%'") > 0
    assert rows("death", "cause_source_value = 'death.cardiovascular'") == count(
        "code = 'PRACTICE:death.cardiovascular'"
    )
    assert rows("visit_occurrence", "visit_concept_id = 9202") == count("code = 'PRACTICE:consultation'")
    assert rows("visit_occurrence", "visit_concept_id = 9201") == count("code = 'PRACTICE:hospital_stay'")
    assert rows("condition_occurrence") == count("code SIMILAR TO 'CIM10:[A-Y].*' OR code LIKE 'CISP2:%'")
    assert rows("drug_exposure") == count("code LIKE 'ATC:%'")
    assert rows("procedure_occurrence") == count("code SIMILAR TO '(CCAM|NGAP):.*'")
    assert rows("measurement") == count(f"code SIMILAR TO '(LOINC|NABM):.*' AND NOT {smoking}")
    assert rows("measurement", "unit_concept_id = 8876") == count("unit = 'mm[Hg]'")
    assert rows("observation") == count(
        f"{smoking} OR code LIKE 'CIM10:Z%' OR code LIKE 'PRACTICE:%' AND code NOT LIKE 'PRACTICE:death%' "
        f"AND split_part(code, ':', 2) NOT IN ({of_file})"
    )
    assert rows("observation", "value_as_concept_id IS NOT NULL AND observation_source_value = '72166-2'") == count(
        smoking
    )
    assert rows("visit_occurrence", "care_site_id IS NULL") == 0
    assert rows("care_site") == duckdb.sql(f"SELECT count(DISTINCT practice) FROM {store}").fetchall()[0][0]


@pytest.mark.slow
def test_what_is_referred_to_is_there(written: Path) -> None:
    connection = duckdb.connect()
    for file in written.glob("*.parquet"):
        connection.execute(f"CREATE VIEW {file.stem} AS FROM '{file}'")

    def found(query: str) -> list[Any]:
        return connection.sql(query).fetchall()

    for facts in (*EVENTS, VISITS):
        source = f"{facts.what}_source_concept_id"
        assert not found(f"FROM {facts.table} ANTI JOIN person USING (person_id)")
        assert found(f"SELECT count(*) - count(DISTINCT {facts.table}_id) FROM {facts.table}") == [(0,)]
        assert not found(
            f"FROM {facts.table} LEFT JOIN concept ON concept_id = {source} WHERE {source} IS NOT NULL "
            f"AND concept_code IS DISTINCT FROM {facts.what}_source_value"
        )
    assert found(f"SELECT count(*) FROM concept WHERE concept_id < {LOCAL} OR standard_concept IS NOT NULL") == [(0,)]
    assert not found("FROM concept ANTI JOIN vocabulary USING (vocabulary_id)")
    for table in ("person", "visit_occurrence"):
        assert not found(f"FROM {table} ANTI JOIN care_site USING (care_site_id)")
    assert not found("SELECT person_id FROM death GROUP BY person_id HAVING count(*) > 1")
    assert not found("""
        FROM observation_period a JOIN observation_period b USING (person_id)
        WHERE a.observation_period_id <> b.observation_period_id
            AND a.observation_period_start_date >= b.observation_period_start_date
            AND a.observation_period_start_date <= b.observation_period_end_date
            OR a.observation_period_start_date > a.observation_period_end_date
    """)
    assert found("SELECT cdm_version, source_release_date FROM cdm_source") == [("5.4", DELIVERED_AT.date())]


# --- What comes back --------------------------------------------------------------------------------------


def back(folder: Path, into: Path, delivered_at: datetime = END) -> tuple[Counter[tuple[Any, ...]], dict[str, Any]]:
    """Return what our reader reads of an export, by patients of the store, and what became of the delivery."""
    records = Records.create(into, 1)
    entry = ingest(OMOP, folder, records, name="x", delivered_at=delivered_at, key=None).entry
    patients = patients_of(folder)
    return Counter((patients[f["patient"]], *said(f)) for f in facts_of(records)), entry


def said(fact: Row) -> tuple[Any, ...]:
    return fact["code"], fact["value"], fact["unit"], fact["happened_at"]


def day(moment: datetime) -> datetime:
    return datetime(moment.year, moment.month, moment.day)


CONTACTS = {"PRACTICE:consultation", "PRACTICE:hospital_stay", "PRACTICE:other_contact"}
FOLLOWED = ("PRACTICE:left", "PRACTICE:registered")
SEXES = ("PRACTICE:female", "PRACTICE:male")


def expected(facts: list[Row], released: datetime) -> tuple[Counter[tuple[Any, ...]], Counter[str]]:
    """Return what should come back of some facts, and what should be said to be lost, worked out fact by fact."""
    lost: Counter[str] = Counter()
    facts = [fact for fact in facts if fact["retracted_at"] is None or lost.update([queries.TAKEN_BACK])]
    told: set[tuple[Any, ...]] = set()
    ends: list[tuple[date, str]] = []
    for patient in sorted({fact["patient"] for fact in facts}):
        mine = [fact for fact in facts if fact["patient"] == patient]
        mine.sort(key=lambda f: (f["happened_at"], f["known_at"], f["code"]))
        births = [fact for fact in mine if fact["code"] == "PRACTICE:birth"]
        if not births:
            lost[queries.NO_BIRTH] += len(mine)
            continue
        latest = max(mine, key=lambda f: (f["code"] == FOLLOWED[1], f["happened_at"], f["known_at"], f["practice"]))
        sexes = [fact for fact in mine if fact["code"] in SEXES]
        deaths = [fact for fact in mine if fact["code"].split(".")[0] == "PRACTICE:death"]
        told.add((patient, "PRACTICE:birth", None, None, day(births[-1]["happened_at"])))
        if sexes:
            told.add((patient, sexes[-1]["code"], None, None, day(births[-1]["happened_at"])))
        if deaths:
            fatal = "PRACTICE:death.cardiovascular"
            code = fatal if deaths[-1]["code"] == fatal else "PRACTICE:death"
            told.add((patient, code, None, None, deaths[-1]["happened_at"]))
        lost[queries.ANOTHER] += sum(max(len(same) - 1, 0) for same in (births, sexes, deaths))
        for fact in mine:
            value, unit, code = fact["value"], fact["unit"], fact["code"]
            small = fact in births or fact in sexes or fact in deaths
            if len(code.partition(":")[2]) > 50:
                lost[queries.TOO_LONG] += 1
                continue
            lost[queries.OTHER_PRACTICE] += fact["practice"] != latest["practice"] and code not in CONTACTS
            lost[queries.KNOWN_BY_RULE] += small
            late = fact["known_at"] > day(fact["happened_at"]) + timedelta(days=1)
            lost[queries.KNOWN_LATER] += late and not small
            timed = fact["happened_at"] != day(fact["happened_at"])
            lost[queries.TIME_OF_DAY] += timed and (code in FOLLOWED or fact in births)
            if small or code in FOLLOWED or code in CONTACTS:
                lost[queries.VALUE] += value is not None
                value = unit = None
            lost[queries.UNIT] += bool(unit) and (value is None or len(unit) > 50)
            unit = unit_of(unit.strip()) if unit and value is not None and len(unit) <= 50 else None
            if not small and code not in FOLLOWED:
                told.add((patient, code, value, unit, fact["happened_at"]))
        died = deaths[-1]["happened_at"].date() if deaths else date.max
        events = sorted((f["happened_at"], f["code"]) for f in mine if f["code"] in FOLLOWED)
        days = [(moment.date(), code == FOLLOWED[1]) for moment, code in events]
        for position, (first, begins) in enumerate(days):
            following = days[position + 1 :]
            starts = [start for start, is_start in following if is_start]
            if not begins or first in starts:
                continue
            told.add((patient, "PRACTICE:registered", None, None, datetime(first.year, first.month, first.day)))
            lost[queries.NO_PERIOD] -= 1
            last = following[0][0] - timedelta(days=1) if following else released.date()
            last = max(first, min(last, died))
            goes_on = bool(starts) and starts[0] <= last + timedelta(days=1)
            departs = bool(following) and not following[0][1] and died > last and not goes_on
            ends.append((last, patient if departs else ""))
            lost[queries.DAY_LATER] += departs and following[0][0] == first
        lost[queries.NO_PERIOD] += len(days)
    until = min([released.date(), *([max(ends)[0]] if ends else [])])
    for last, patient in ends:
        if patient and last < until:
            left = last + timedelta(days=1)
            told.add((patient, "PRACTICE:left", None, None, datetime(left.year, left.month, left.day)))
            lost[queries.NO_PERIOD] -= 1
    return Counter(told), +lost


@pytest.mark.slow
def test_a_population_comes_back(facts: list[Row], foreseen: Foreseen, written: Path, tmp_path: Path) -> None:
    found, entry = back(written, tmp_path / "back", DELIVERED_AT)
    assert entry["refused"] == entry["quarantined"] == {}
    assert found == foreseen[0]
    exact = Counter((fact["patient"], *said(fact)) for fact in facts)
    changed = Counter(code for _, code, *_ in (exact - found).elements())
    # Everything else is equal to the microsecond: these are, to the day, or at the birth.
    assert set(changed) <= {*FOLLOWED, *SEXES}
    assert changed["PRACTICE:male"] + changed["PRACTICE:female"] == PEOPLE
    to_the_day = Counter((p, c, day(at)) for p, c, _, _, at in (exact - found).elements() if c in FOLLOWED)
    assert to_the_day == Counter((p, c, at) for p, c, _, _, at in (found - exact).elements() if c in FOLLOWED)


@pytest.mark.slow
def test_what_is_lost_of_a_population_is_said(facts: list[Row], foreseen: Foreseen, written: Path) -> None:
    late = sum(
        f["known_at"] > day(f["happened_at"]) + timedelta(days=1) for f in facts if f["code"] != "PRACTICE:birth"
    )
    late -= sum(
        f["code"].startswith("PRACTICE:death") and f["known_at"] > day(f["happened_at"]) + timedelta(1) for f in facts
    )
    lost = foreseen[1]
    assert lost[queries.KNOWN_LATER] == late > 1000
    readme = (written / "README.md").read_text(encoding="utf-8")
    for what, count in lost.items():
        assert f"- {count:,}: {what}\n" in readme


CODES = (
    "PRACTICE:birth", "PRACTICE:male", "PRACTICE:female", "PRACTICE:registered", "PRACTICE:left", "PRACTICE:death",
    "PRACTICE:death.cardiovascular", "PRACTICE:death.cancer", "PRACTICE:consultation", "PRACTICE:hospital_stay",
    "PRACTICE:other_contact", "PRACTICE:insurance.long_term_illness", "PRACTICE:deprivation", "CIM10:I2510",
    "CIM10:C169+0", "CIM10:Z80.3", "CISP2:K86", "CISP2:-31", "ATC:C10AA05", "ATC:C", "CVX:8", "RXNORM:83367",
    "CIP13:3400935955838", "LOINC:8480-6", "LOINC:2093-3", "LOINC:72166-2", "LOINC:29771-3", "LOINC:LA18976-3",
    "LOINC:LA32-8", "SNOMED:38341003", "SNOMED:77176002", "SNOMED:71651007", "SNOMED:404684003", "CCAM:QEQK004",
    "NGAP:G", "NABM:0024", "SOURCE:a:b c", "SOURCE:x.y.z", "SOURCE:ASSERTION", f"SOURCE:{'long' * 13}",
)  # fmt: skip
OF_PERSONS = CODES[:11]


@st.composite
def odd_facts(draw: st.DrawFn) -> list[Row]:
    """Draw rows of a delivery: facts with and without values and units, some late, some taken back, some twice."""
    rows = []
    for number in range(draw(st.integers(1, 40))):
        own = st.from_regex(r"SOURCE:[A-Za-z0-9.+/-]{1,20}", fullmatch=True)
        code = draw(st.sampled_from(OF_PERSONS) | st.sampled_from(CODES) | own) if number else "PRACTICE:birth"
        value, unit = None, None
        concept = measured(CONCEPTS, code)
        if draw(st.booleans()):
            if concept and concept.plausible:
                value, unit = draw(st.floats(*concept.plausible)), concept.unit
            elif concept is None:
                value = draw(st.floats(allow_nan=False, allow_infinity=False))
                unit = draw(st.none() | st.sampled_from(["mmHg", "g/l", "u", "", "{score}", "two words", "u" * 51]))
        elif concept is None:
            unit = draw(st.none() | st.just("g/L"))
        happened = draw(
            st.datetimes(datetime(1900, 1, 1), datetime(2024, 12, 1))
            | st.datetimes(datetime(2024, 1, 1), datetime(2024, 1, 4)).map(lambda at: at.replace(minute=0, second=0))
        )
        row = {
            "patient": draw(st.sampled_from(["a", "b", "c", "é"])) if number else "z",
            "practice": draw(st.sampled_from(["p", "q"])),
            "happened_at": happened,
            "known_at": happened + draw(st.sampled_from([timedelta(0), timedelta(hours=30), timedelta(days=20)])),
            "code": code,
            "value": value,
            "unit": unit,
            "retracted_at": None,
        }
        rows.append(row)
        if number and draw(st.integers(0, 4)) == 0:
            rows.append({**row, "retracted_at": row["known_at"] + timedelta(days=3)})
            if draw(st.booleans()):
                rows.append({**row, "known_at": row["known_at"] + timedelta(days=5)})
    return rows


@pytest.mark.slow
@at_most(20, suppress_health_check=[HealthCheck.too_slow])
@given(rows=odd_facts())
def test_odd_records_come_back_or_are_said_to_be_lost(
    rows: list[Row], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("odd")
    records = stored(folder / "store", rows)
    lost = write_omop(records, folder / "omop", **NAMED)
    found, _ = back(folder / "omop", folder / "back")
    facts = facts_of(records)
    assert (found, Counter(lost)) == expected(facts, END)


# --- Wholly or not at all ---------------------------------------------------------------------------------


def fact(code: str, **changes: Any) -> Row:
    at = datetime(2020, 5, 4, 9, 30)
    return {"patient": "a", "practice": "p", "happened_at": at, "known_at": at, "code": code, **changes}


def test_what_was_taken_back_is_no_fact(tmp_path: Path) -> None:
    back_at = datetime(2021, 1, 1)
    wrong = fact("CIM10:I21.9")
    rows = [fact("PRACTICE:birth"), wrong, {**wrong, "retracted_at": back_at}, fact("CIM10:E11")]
    records = stored(tmp_path / "store", rows)
    assert write_omop(records, tmp_path / "omop", **NAMED)[queries.TAKEN_BACK] == 1
    conditions = pq.read_table(tmp_path / "omop" / "condition_occurrence.parquet")
    assert conditions.column("condition_source_value").to_pylist() == ["E11"]


def test_those_who_object_are_left_out(tmp_path: Path) -> None:
    stays, objects = "a" * 32, "b" * 32
    stored(tmp_path / "store", [fact("PRACTICE:birth", patient=patient) for patient in (stays, objects)])
    write_omop(Records.open(tmp_path / "store", Objections(frozenset({objects}))), tmp_path / "omop", **NAMED)
    assert set(patients_of(tmp_path / "omop").values()) == {stays}


@pytest.mark.slow
def test_an_export_is_there_wholly_or_not_at_all(population: Records, tmp_path: Path) -> None:
    def interrupted(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_omop(population, tmp_path / "omop", **NAMED, progress=interrupted)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "omop").mkdir()
    with pytest.raises(FileExistsError, match="choose another folder"):
        write_omop(population, tmp_path / "omop", **NAMED)
    nobody = stored(tmp_path / "nobody", [fact("CIM10:I10")])
    with pytest.raises(ValueError, match="nobody whose birth is recorded"):
        write_omop(nobody, tmp_path / "none", **NAMED)
    assert {path.name for path in tmp_path.iterdir()} == {"omop", "nobody"}


@pytest.mark.slow
def test_the_same_records_give_the_same_files_and_another_name_other_numbers(
    population: Records, written: Path, tmp_path: Path
) -> None:
    write_omop(population, tmp_path / "again", **NAMED)
    assert digest_folder(tmp_path / "again") == digest_folder(written)
    write_omop(population, tmp_path / "other", dataset_name="autre", dataset_version="1")
    numbers, others = patients_of(written), patients_of(tmp_path / "other")
    assert set(numbers.values()) == set(others.values())
    assert sum(others[number] == patient for number, patient in numbers.items()) < 10
    content = b"".join(file.read_bytes() for file in written.iterdir())
    assert all(patient.encode() not in content for patient in numbers.values())


@pytest.mark.slow
def test_on_the_command_line(population: Records, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["export", str(population.path), "--as", "omop", "--into", str(tmp_path / "omop")]
    command += ["--name", "essai", *MANDATE]
    assert main(command) == OK
    told = capsys.readouterr()
    assert told.out == f"{tmp_path / 'omop'}\n"
    lost = expected(facts_of(population), DELIVERED_AT)[1]
    for what, count in lost.items():
        assert f"{count:,} records not carried whole: {what}\n" in told.err
    assert main(command) == MISSING

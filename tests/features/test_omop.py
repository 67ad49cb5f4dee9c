"""OMOP sources: what each row becomes, whatever holds it; recounted on public sets by SQL and plain Python."""

from __future__ import annotations

import csv
import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.codes import ATC, CIM10, LOINC, RXNORM, SNOMED, Concept, parse_code
from features.ingest import ingest
from features.intake import DELIVERED, InvalidRecords
from features.records import Records
from features.sources.omop import OMOP, ROWS, batches
from features.sources.omop.vocabulary import Vocabulary, of_vocabulary

DELIVERED_AT = datetime(2023, 1, 1, 12)
Row = Mapping[str, Any]
Tables = dict[str, list[dict[str, Any]]]

CONCEPTS = (
    Concept("pressure", "Pression", "Pressure", (LOINC("8480-6"),), unit="mm[Hg]"),
    Concept("statin", "Statine", "Statin", (ATC("C10AA"),)),
    Concept("ingredient", "Principe actif", "Ingredient", (RXNORM("36567"),)),
    Concept("diabetes", "Diabète", "Diabetes", (CIM10("E11"), SNOMED("73211009"))),
    Concept("cardiovascular_disease", "Maladie", "Disease", (SNOMED("22298006"), CIM10("I21"))),
    Concept(
        "smoking",
        "Tabac",
        "Smoking",
        categories=(("never", (LOINC("LA18978-9"),)), ("current", (LOINC("LA18976-3"), SNOMED("77176002")))),
    ),
)

PERSON = {"person_id": 1, "gender_concept_id": 8507, "year_of_birth": 1960, "month_of_birth": 5, "day_of_birth": 17}
PERIOD = {
    "observation_period_id": 1,
    "person_id": 1,
    "observation_period_start_date": date(2010, 1, 1),
    "observation_period_end_date": date(2022, 12, 31),
}
VISIT = {
    "visit_occurrence_id": 1,
    "person_id": 1,
    "visit_concept_id": 9202,
    "visit_start_date": date(2015, 3, 2),
    "visit_start_datetime": datetime(2015, 3, 2, 10, 30),
    "visit_end_date": date(2015, 3, 2),
}
CONDITION = {
    "condition_occurrence_id": 1,
    "person_id": 1,
    "condition_concept_id": 201826,
    "condition_start_date": date(2015, 3, 2),
    "visit_occurrence_id": 1,
    "condition_source_value": "E11.9",
}
DRUG = {"drug_exposure_id": 1, "person_id": 1, "drug_concept_id": 1, "drug_exposure_start_date": date(2015, 3, 2)}
PROCEDURE = {
    "procedure_occurrence_id": 1,
    "person_id": 1,
    "procedure_concept_id": 4107731,
    "procedure_date": date(2015, 3, 2),
}
MEASUREMENT = {
    "measurement_id": 1,
    "person_id": 1,
    "measurement_concept_id": 3004249,
    "measurement_date": date(2015, 3, 2),
    "value_as_number": 132.5,
    "unit_concept_id": 8876,
}
OBSERVATION = {
    "observation_id": 1,
    "person_id": 1,
    "observation_concept_id": 40766362,
    "observation_date": date(2015, 3, 2),
}
VOCABULARY = [
    (201826, "SNOMED", "44054006"),
    (201820, "SNOMED", "73211009"),
    (3004249, "LOINC", "8480-6"),
    (40766362, "LOINC", "72166-2"),
    (45879404, "LOINC", "LA18978-9"),
    (45878245, "LOINC", "LA32-8"),
    (8876, "UCUM", "mm[Hg]"),
    (312327, "SNOMED", "57054005"),
    (4329847, "SNOMED", "22298006"),
    (4107731, "SNOMED", "180256009"),
]
ANCESTORS = [(201820, 201826, 1), (4329847, 312327, 1)]


def cdm(**changes: list[Row]) -> Tables:
    """Return a small set of everything, some tables of it replaced."""
    tables: dict[str, list[Row]] = {
        "person": [PERSON],
        "observation_period": [PERIOD],
        "visit_occurrence": [VISIT],
        "condition_occurrence": [CONDITION],
        "drug_exposure": [DRUG],
        "procedure_occurrence": [PROCEDURE],
        "measurement": [MEASUREMENT],
        "observation": [OBSERVATION],
        "death": [],
        "concept": [dict(zip(("concept_id", "vocabulary_id", "concept_code"), row, strict=True)) for row in VOCABULARY],
        "concept_ancestor": [
            {"ancestor_concept_id": up, "descendant_concept_id": below, "min_levels_of_separation": levels}
            for up, below, levels in ANCESTORS
        ],
    }
    return {name: [dict(row) for row in rows] for name, rows in (tables | changes).items() if rows}


def names_of(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def arrow(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.table({name: [row.get(name) for row in rows] for name in names_of(rows)})


def as_parquet(tables: Tables, folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        pq.write_table(arrow(rows), folder / f"{name}.parquet")
    return str(folder)


def as_csv(tables: Tables, folder: Path, *, delimiter: str = ",", bom: bool = False) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8-sig" if bom else "utf-8", newline="") as file:
            writer = csv.DictWriter(file, names_of(rows), delimiter=delimiter, quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows(rows)
    return str(folder)


def as_duckdb(tables: Tables, folder: Path, schema: str = "main") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(folder / "cdm.duckdb")) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for name, rows in tables.items():
            connection.register("rows", arrow(rows))
            connection.execute(f"CREATE TABLE {schema}.{name} AS FROM rows")
    return str(folder / "cdm.duckdb")


def read(origin: str | Path, delivered_at: datetime = DELIVERED_AT, concepts: Any = CONCEPTS) -> pd.DataFrame:
    tables = [batch.table for batch in batches(str(origin), delivered_at, concepts)]
    for table in tables:
        assert table.schema == DELIVERED
        assert 0 < len(table) <= ROWS
    return pa.concat_tables(tables).to_pandas()


def records(frame: pd.DataFrame, about: str) -> list[tuple[Any, ...]]:
    """Return what a table's rows became: code, when, known when, value, unit, fault."""
    rows = frame[frame["where"].str.startswith(about)]
    moments = (rows[name].astype(object).where(rows[name].notna(), None) for name in ("happened_at", "known_at"))
    others = (rows[name].astype(object).where(rows[name].notna(), None) for name in ("code", "value", "unit", "fault"))
    (happened, known), (code, value, unit, fault) = moments, others
    return list(zip(code, happened, known, value, unit, fault, strict=True))


def day(year: int, month: int, of_month: int) -> pd.Timestamp:
    return pd.Timestamp(year, month, of_month)


# What rows become


def test_a_small_set_becomes_records(tmp_path: Path) -> None:
    frame = read(as_parquet(cdm(), tmp_path))
    morning = pd.Timestamp(2015, 3, 2, 10, 30)
    evening = day(2015, 3, 3)
    assert [(*row[:3], row[5]) for row in records(frame, "")] == [
        ("PRACTICE:birth", day(1960, 5, 17), day(2010, 1, 2), None),
        ("PRACTICE:male", day(1960, 5, 17), day(2010, 1, 2), None),
        ("PRACTICE:registered", day(2010, 1, 1), day(2010, 1, 2), None),
        ("PRACTICE:consultation", morning, evening, None),
        ("SNOMED:73211009", day(2015, 3, 2), evening, None),
        ("SOURCE:concept:1", day(2015, 3, 2), evening, None),
        ("SNOMED:180256009", day(2015, 3, 2), evening, None),
        ("LOINC:8480-6", day(2015, 3, 2), evening, None),
        ("LOINC:72166-2", day(2015, 3, 2), evening, None),
    ]
    assert records(frame, "measurement_id 1")[0][3:5] == (132.5, "mm[Hg]")
    assert set(frame["patient"]) == {"1"}
    assert set(frame["practice"]) == {"omop"}


def test_when_a_fact_is_known(tmp_path: Path) -> None:
    stay = {"visit_start_date": date(2015, 3, 20), "visit_start_datetime": None, "visit_concept_id": 9201}
    visits = [
        VISIT,
        VISIT | stay | {"visit_occurrence_id": 2, "visit_end_date": date(2015, 3, 31)},
        VISIT | stay | {"visit_occurrence_id": 3, "visit_end_date": None},
        VISIT | {"visit_occurrence_id": 4},
        VISIT | {"visit_occurrence_id": 4, "visit_end_date": None},
    ]
    delivery = pd.Timestamp(DELIVERED_AT)
    cases: list[tuple[int | None, date, pd.Timestamp]] = [
        (1, date(2015, 3, 2), day(2015, 3, 3)),
        (1, date(1998, 1, 1), day(2015, 3, 3)),  # an old onset, told at a visit
        (1, date(2015, 3, 9), day(2015, 3, 10)),
        (None, date(1998, 1, 1), day(1998, 1, 2)),
        (99, date(2015, 3, 2), day(2015, 3, 3)),
        (2, date(2015, 3, 20), day(2015, 4, 1)),  # coded at discharge
        (3, date(2015, 3, 20), delivery),  # not discharged yet
        (4, date(2015, 3, 2), delivery),  # sent twice, the last time without an end
        (None, date(2023, 1, 1), delivery),
        (None, date(2024, 1, 1), day(2024, 1, 1)),  # after the delivery by the source's word: refused at the door
    ]
    conditions = [
        CONDITION | {"condition_occurrence_id": number, "visit_occurrence_id": visit, "condition_start_date": begun}
        for number, (visit, begun, _) in enumerate(cases)
    ]
    frame = read(as_parquet(cdm(visit_occurrence=visits, condition_occurrence=conditions), tmp_path))
    assert [row[2] for row in records(frame, "condition")] == [known for _, _, known in cases]


DEPARTURES: list[tuple[list[tuple[str, str | None]], str | None, list[str]]] = [
    ([("2010-01-01", "2022-12-31")], None, []),
    ([("2010-01-01", "2015-06-30")], None, ["2015-07-01"]),
    ([("2010-01-01", "2015-06-30")], "2015-06-30", []),
    ([("2010-01-01", "2015-06-30")], "2015-06-01", []),
    ([("2010-01-01", "2015-06-30")], "2019-01-01", ["2015-07-01"]),
    ([("2010-01-01", "2015-06-30"), ("2015-07-01", "2022-12-31")], None, []),
    ([("2010-01-01", "2015-06-30"), ("2015-07-02", "2022-12-31")], None, ["2015-07-01"]),
    ([("2010-01-01", "2015-06-30"), ("2012-01-01", "2014-01-01")], None, ["2015-07-01"]),
    ([("2010-01-01", None)], None, []),
    ([("2010-01-01", "2099-12-31")], None, []),
]


@pytest.mark.parametrize("released", [None, "2015-06-30"])
def test_departures(tmp_path: Path, released: str | None) -> None:
    people = range(len(DEPARTURES))
    begun_and_ended = [(person, *period) for person in people for period in DEPARTURES[person][0]]
    names = ("person_id", "observation_period_start_date", "observation_period_end_date")
    tables = cdm(
        person=[PERSON | {"person_id": person} for person in people],
        observation_period=[
            {"observation_period_id": number, **dict(zip(names, period, strict=True))}
            for number, period in enumerate(begun_and_ended)
        ],
        death=[{"person_id": n, "death_date": died} for n, (_, died, _) in enumerate(DEPARTURES) if died],
        cdm_source=[{"cdm_version": "v5.4", "source_release_date": released}] if released else [],
    )
    frame = read(as_parquet(tables, tmp_path))
    left = frame[frame["code"] == "PRACTICE:left"]
    # What the source released in 2015 it did not see end after that.
    expected = [] if released else [(str(n), pd.Timestamp(when)) for n in people for when in DEPARTURES[n][2]]
    assert list(zip(left["patient"], left["happened_at"], strict=True)) == expected
    assert left["known_at"].tolist() == left["happened_at"].tolist()
    assert (frame["code"] == "PRACTICE:registered").sum() == len(begun_and_ended)


def test_periods_that_are_none(tmp_path: Path) -> None:
    periods = [
        PERIOD,
        PERIOD | {"observation_period_start_date": date(2030, 1, 1)},
        PERIOD | {"observation_period_start_date": date(1500, 1, 1)},
        PERIOD | {"observation_period_start_date": None},
        PERIOD | {"person_id": 9},
        PERIOD | {"person_id": None},
    ]
    found = records(read(as_parquet(cdm(observation_period=periods), tmp_path)), "observation_period")
    assert [row[5] for row in found] == [
        None,
        "the period ends before it begins",
        "the date cannot be read or believed",
        None,  # no date: refused at the door
        "unknown patient",
        None,  # no patient: refused at the door
    ]


def test_births(tmp_path: Path) -> None:
    wrong = "the date cannot be read or believed"
    cases: list[tuple[Row, pd.Timestamp | None, str | None]] = [
        ({}, day(1960, 5, 17), None),
        ({"day_of_birth": None}, day(1960, 5, 1), None),
        ({"month_of_birth": None}, day(1960, 1, 1), None),
        ({"birth_datetime": datetime(1960, 5, 18, 4)}, day(1960, 5, 18), None),
        ({"year_of_birth": None}, None, None),  # missing: refused at the door
        ({"month_of_birth": 13}, None, wrong),
        ({"year_of_birth": 0}, None, wrong),
    ]
    people = [PERSON | {"person_id": number} | changes for number, (changes, _, _) in enumerate(cases)]
    periods = [PERIOD | {"person_id": number} for number in range(len(cases))]
    found = records(read(as_parquet(cdm(person=people, observation_period=periods), tmp_path)), "person")
    for (_, born, fault), birth, sex in zip(cases, found[::2], found[1::2], strict=True):
        assert (birth[0], birth[1], birth[5]) == ("PRACTICE:birth", born, fault)
        assert sex[:2] == ("PRACTICE:male", day(2010, 1, 1) if born is None else born)
        assert birth[2] == sex[2] == day(2010, 1, 2)


def test_people_are_known_from_when_they_were_first_seen_or_followed(tmp_path: Path) -> None:
    people = [PERSON | {"person_id": number} for number in (1, 2, 3, 4)]
    tables = cdm(
        person=[*people, PERSON | {"person_id": 5, "year_of_birth": 2012}],
        observation_period=[PERIOD, PERIOD | {"person_id": 2}, PERIOD | {"person_id": 5}],
        visit_occurrence=[
            VISIT | {"person_id": 2, "visit_start_date": date(2009, 1, 1), "visit_start_datetime": None},
            VISIT | {"person_id": 3},
        ],
    )
    frame = read(as_parquet(tables, tmp_path))
    births = frame[frame["code"] == "PRACTICE:birth"].set_index("patient")["known_at"].to_dict()
    assert births == {
        "1": day(2010, 1, 2),
        "2": day(2009, 1, 2),
        "3": day(2015, 3, 3),
        "4": pd.Timestamp(DELIVERED_AT),
        "5": day(2012, 5, 17),
    }


def test_sexes_repeated_and_unknown_people(tmp_path: Path) -> None:
    people = [PERSON, PERSON | {"gender_concept_id": 8532}, PERSON | {"person_id": 2, "gender_concept_id": 8532}]
    people += [PERSON | {"person_id": 3, "gender_concept_id": 0}, PERSON | {"person_id": None}]
    frame = read(as_parquet(cdm(person=people, measurement=[MEASUREMENT | {"person_id": 9}]), tmp_path))
    told = frame[frame["where"].str.startswith("person")]
    assert told["patient"].isna().tolist() == [False] * 8 + [True] * 2
    twice = "patient sent twice"
    expected = [None, None, twice, twice, None, None, None, "sex is neither male nor female", None, None]
    assert [row[5] for row in records(frame, "person")] == expected
    assert records(frame, "measurement")[0][5] == "unknown patient"


def test_practices(tmp_path: Path) -> None:
    cases: list[tuple[Row, str]] = [
        ({}, "Cabinet"),
        ({"care_site_id": 5}, "care_site 5"),
        ({"care_site_id": 5, "provider_id": 7}, "care_site 5"),
        ({"provider_id": 7}, "care_site 6"),
        ({"provider_id": 8}, "provider 8"),
        ({"care_site_id": 0, "provider_id": 0}, "Cabinet"),
    ]
    tables = cdm(
        person=[PERSON | {"person_id": number} | changes for number, (changes, _) in enumerate(cases)],
        measurement=[
            MEASUREMENT | {"measurement_id": number, "person_id": number} for number in reversed(range(len(cases)))
        ],
        provider=[{"provider_id": 7, "care_site_id": 6}, {"provider_id": 8, "care_site_id": None}],
        cdm_source=[{"cdm_source_abbreviation": "Cabinet", "cdm_version": "5.4.1"}],
    )
    frame = read(as_parquet(tables, tmp_path))
    for number, (_, practice) in enumerate(cases):
        of_person = frame[(frame["patient"] == str(number)) & frame["where"].str.match("person|measurement")]
        assert of_person["practice"].tolist() == [practice] * 3


def test_values_and_units(tmp_path: Path) -> None:
    unit = "mm[Hg]"
    wrong, empty = "value is not a number", "value_as_number is empty and value_source_value is not"
    cases: list[tuple[Row, Any, Any, Any]] = [
        ({}, 132.5, unit, None),
        ({"value_as_number": None}, None, None, None),
        ({"value_as_number": " "}, None, None, None),
        ({"value_as_number": "NaN"}, None, None, None),
        ({"value_as_number": "NA"}, None, None, None),
        ({"value_as_number": "12,5"}, None, None, wrong),
        ({"value_as_number": "1.5e2"}, 150.0, unit, None),
        ({"unit_concept_id": 0, "unit_source_value": "mmHg"}, 132.5, unit, None),
        ({"unit_concept_id": 0, "unit_source_value": "furlong"}, 132.5, "furlong", None),
        ({"unit_concept_id": 0, "unit_source_value": "mm Hg"}, 132.5, unit, None),
        ({"unit_concept_id": 0, "unit_source_value": "Jeanne Martin"}, 132.5, None, None),
        ({"unit_concept_id": 0, "unit_source_value": "see what the patient wrote below"}, 132.5, None, None),
        ({"unit_concept_id": None}, 132.5, None, None),
        ({"operator_concept_id": 4172703}, 132.5, unit, None),
        ({"operator_concept_id": 4171756}, 132.5, unit, wrong),
        ({"value_source_value": "< 132.5"}, 132.5, unit, wrong),
        ({"value_as_number": None, "value_source_value": "<5"}, None, None, wrong),
        ({"value_as_number": None, "value_source_value": "-2.7"}, None, None, empty),
        ({"value_as_number": None, "value_source_value": "10-20"}, None, None, empty),
        ({"value_as_number": None, "value_source_value": "Negative"}, None, None, None),
    ]
    measurements = [MEASUREMENT | {"measurement_id": n} | changes for n, (changes, *_) in enumerate(cases)]
    found = records(read(as_csv(cdm(measurement=measurements), tmp_path)), "measurement")
    assert [row[3:] for row in found] == [tuple(expected) for _, *expected in cases]


def test_values_that_are_not_numbers_in_parquet(tmp_path: Path) -> None:
    values = [float("nan"), None, 1.5, float("inf")]
    measurements = [MEASUREMENT | {"measurement_id": n, "value_as_number": value} for n, value in enumerate(values)]
    found = records(read(as_parquet(cdm(measurement=measurements), tmp_path)), "measurement")
    assert [row[3] for row in found] == [None, None, 1.5, float("inf")]  # an infinite value is refused at the door
    assert [row[5] for row in found] == [None] * 4


DATES: dict[str, datetime | None] = {
    "2015-03-02": datetime(2015, 3, 2),
    "2015-03-02 10:30:00": datetime(2015, 3, 2, 10, 30),
    "2015-03-02T10:30:00+02:00": datetime(2015, 3, 2, 8, 30),
    "2015-03-02T00:30:00Z": datetime(2015, 3, 2, 0, 30),
    "20150302": datetime(2015, 3, 2),
    "2015": None,
    "2015-03": None,
    "2015-02-30": None,
    "02/03/2015": None,
    "infinity": None,
    "-infinity": None,
    "1066-10-14": None,
    "9999-12-31": None,
    "44-03-15 (BC)": None,
}


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris"])
def test_dates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    monkeypatch.setenv("TZ", zone)
    dates = enumerate(DATES)
    procedures = [PROCEDURE | {"procedure_occurrence_id": n, "procedure_date": written} for n, written in dates]
    found = records(read(as_csv(cdm(procedure_occurrence=procedures), tmp_path)), "procedure")
    assert dict(zip(DATES, (row[1] for row in found), strict=True)) == DATES
    assert [row[5] for row in found] == [
        None if date else "the date cannot be read or believed" for date in DATES.values()
    ]


def test_a_time_goes_before_a_date_and_a_missing_one_stays_missing(tmp_path: Path) -> None:
    procedures = [
        PROCEDURE | {"procedure_datetime": "2015-03-02 09:00:00"},
        PROCEDURE | {"procedure_datetime": "not a time"},
        PROCEDURE | {"procedure_datetime": "", "procedure_date": ""},
    ]
    found = records(read(as_csv(cdm(procedure_occurrence=procedures), tmp_path)), "procedure")
    assert [row[1] for row in found] == [pd.Timestamp(2015, 3, 2, 9), day(2015, 3, 2), None]
    assert [row[5] for row in found] == [None] * 3


def test_visits(tmp_path: Path) -> None:
    cases = [
        ({"visit_concept_id": 9202}, "consultation"),
        ({"visit_concept_id": 581477}, "consultation"),
        ({"visit_concept_id": 9201}, "hospital_stay"),
        ({"visit_concept_id": 262}, "hospital_stay"),
        ({"visit_concept_id": 9203}, "other_contact"),
        ({"visit_concept_id": 8756}, "other_contact"),  # outpatients of a hospital
        ({"visit_concept_id": 0}, "other_contact"),
        ({"visit_concept_id": 0, "visit_source_concept_id": 5083}, "consultation"),
        ({"visit_concept_id": 77}, "hospital_stay"),  # the nearest above it is a stay
    ]
    names = ("ancestor_concept_id", "descendant_concept_id", "min_levels_of_separation")
    tables = cdm(
        visit_occurrence=[VISIT | {"visit_occurrence_id": n} | changes for n, (changes, _) in enumerate(cases)],
        concept=[{"concept_id": n, "vocabulary_id": "Visit", "concept_code": f"V{n}"} for n in (9201, 9202)],
        concept_ancestor=[
            dict(zip(names, row, strict=True)) for row in ((9202, 8756, 1), (9202, 77, 2), (9201, 77, 1))
        ],
    )
    found = records(read(as_parquet(tables, tmp_path)), "visit")
    assert [row[0] for row in found] == [f"PRACTICE:{expected}" for _, expected in cases]


def test_deaths(tmp_path: Path) -> None:
    cardiovascular = "PRACTICE:death.cardiovascular"
    cases = [
        ({}, "PRACTICE:death"),
        ({"cause_concept_id": 201826}, "PRACTICE:death"),
        ({"cause_concept_id": 4329847}, cardiovascular),
        ({"cause_concept_id": 312327}, cardiovascular),  # by what is above it
        ({"cause_concept_id": 0, "cause_source_concept_id": 312327}, cardiovascular),
    ]
    people = range(len(cases))
    deaths = [{"person_id": n, "death_date": date(2020, 2, 3)} | changes for n, (changes, _) in enumerate(cases)]
    deaths += [{"person_id": 99, "death_date": date(2020, 2, 3)}, {"person_id": 1, "death_date": None}]
    tables = cdm(person=[PERSON | {"person_id": number} for number in people], death=deaths)
    *known, unknown, undated = records(read(as_parquet(tables, tmp_path)), "death")
    of_all = (day(2020, 2, 3), pd.Timestamp(DELIVERED_AT), None, None, None)
    assert known == [(code, *of_all) for _, code in cases]
    assert unknown[5] == "unknown patient"
    assert (undated[1], undated[5]) == (None, None)


def test_answers(tmp_path: Path) -> None:
    denied = "the answer is that it is not there"
    cases = [
        (45879404, "LOINC:LA18978-9", None),
        (0, "LOINC:72166-2", None),
        (45878245, "LOINC:72166-2", denied),
        (201820, "LOINC:72166-2", None),  # an illness is no state: a relative's, perhaps
    ]
    observations = [OBSERVATION | {"observation_id": n, "value_as_concept_id": a} for n, (a, *_) in enumerate(cases)]
    measurements = [MEASUREMENT | {"value_as_concept_id": 45878245}]  # not found, and yet looked for
    frame = read(as_parquet(cdm(observation=observations, measurement=measurements), tmp_path))
    found = records(frame, "observation_id")
    assert [(row[0], row[5]) for row in found] == [(code, fault) for _, code, fault in cases]
    assert records(frame, "measurement")[0][5] is None


# Codes

NAMED = [
    (1, "SNOMED", "44054006"),
    (2, "SNOMED", "73211009"),
    (3, "ICD10CM", "E11.65"),
    (4, "ICD10CM", "C7A.0"),
    (5, "NDC", "00071-0155"),
    (6, "RxNorm", "617318"),
    (7, "RxNorm", "36567"),
    (8, "ATC", "C10AA01"),
    (9, "ATC", "C10"),
    (10, "RxNorm Extension", "OMOP123"),
    (11, "CIM10", "I219"),
    (12, "SNOMED", "102735002"),
]


@pytest.mark.parametrize(
    ("above", "mapped", "fact", "expected"),
    [
        ((), (), (2, 3, "x"), "SNOMED:73211009"),
        ((), (), (1, 3, "x"), "CIM10:E11.65"),  # the source's code is covered, the standard one is not
        ([(1, 2)], (), (1, 4, "x"), "SNOMED:73211009"),
        ((), (), (1, 4, "x"), "SNOMED:44054006"),
        ((), (), (0, 11, None), "CIM10:I21.9"),
        ((), (), (0, 4, "C7A.0"), "SOURCE:C7A.0"),
        ([(6, 7), (6, 8)], (), (6, 5, "x"), "RXNORM:36567"),
        ([(6, 9), (6, 8), (6, 7)], (), (6, 0, None), "ATC:C10AA01"),  # C10 is wider than statins
        ([(6, 9)], (), (6, 0, None), "RXNORM:617318"),
        ([(10, 8)], (), (10, 0, "a long label"), "ATC:C10AA01"),
        ((), (), (10, 0, "a long label"), "SOURCE:OMOP123"),
        ((), (), (0, 5, None), "SOURCE:00071-0155"),
        ((), [(5, 2)], (0, 5, None), "SNOMED:73211009"),
        ([(12, 2)], [(5, 12)], (0, 5, None), "SNOMED:73211009"),
        ((), (), (99, 0, "Metformine 500"), "SOURCE:concept:99"),
        ((), (), (0, 98, "Dupont"), "SOURCE:concept:98"),
        ((), (), (99, 0, "E11.9"), "SOURCE:E11.9"),
        ((), (), (0, 0, "seen by Dr 3"), None),
        ((), (), (0, 0, None), None),
    ],
)
def test_choice_of_code(above: Any, mapped: Any, fact: tuple[int, int, str | None], expected: str | None) -> None:
    code = Vocabulary(NAMED, above, mapped, CONCEPTS).fact(*fact)
    assert code == expected
    assert code is None or str(parse_code(code)) == code


@pytest.mark.parametrize(
    ("vocabulary", "written", "expected"),
    [
        ("ICD10", "I21.9", "CIM10:I21.9"),
        ("ICD10FR", "I219", "CIM10:I21.9"),
        ("ICD10CM", "S72.001A", "CIM10:S72.001A"),
        ("ICD10CM", "M1A.00X0", None),
        ("ICPC2", "K75", "CISP2:K75"),
        ("LOINC", "MTHU000001", None),
        ("loinc", "8480-6", "LOINC:8480-6"),
        ("CVX", "140", "CVX:140"),
        ("RxNorm Extension", "OMOP1", None),
        ("Gender", "M", None),
    ],
)
def test_codes_of_vocabularies(vocabulary: str, written: str, expected: str | None) -> None:
    assert of_vocabulary(vocabulary, written) == expected


# What holds the tables


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Run a PostgreSQL server of its own for the tests and give its address."""
    programs = [Path(found).parent for found in [shutil.which("initdb")] if found]
    programs += sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    installed = [program for program in programs if (program / "initdb").exists()]
    if not installed or importlib.util.find_spec("adbc_driver_postgresql") is None:
        message = "PostgreSQL's server or the driver adbc-driver-postgresql is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    folder = Path(tempfile.mkdtemp(prefix="vigie-"))
    as_user: dict[str, Any] = {}
    if os.getuid() == 0:  # the server refuses to run as root
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def run(program: str, *arguments: str) -> None:
        command = [str(installed[-1] / program), "-D", str(folder / "data"), *arguments]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60, **as_user)

    try:
        run("initdb", "-A", "trust", "-U", "vigie", "--no-sync", "--locale", "C", "-E", "UTF8")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql:///postgres?host={folder}&user=vigie"
        finally:
            run("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def as_postgres(tables: Mapping[str, pa.Table], server: str, name: str) -> str:
    """Return the address of a new database that holds tables in a schema of its own."""
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    address = f"{server}&dbname={name}"
    with dbapi.connect(address) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA cdm")
        for table, rows in tables.items():
            cursor.adbc_ingest(table, rows, mode="create", db_schema_name="cdm")
        connection.commit()
    return address


def one_of_everything() -> Tables:
    """Return a set with a row, or more, of every table."""
    measurements = [
        MEASUREMENT | {"measurement_id": number, "value_as_number": number / 8, "unit_source_value": "mmHg, assis"}
        for number in range(1, 50)
    ]
    return cdm(measurement=measurements, death=[{"person_id": 1, "death_date": date(2020, 2, 3)}])


@pytest.mark.parametrize(
    "write",
    [
        as_csv,
        partial(as_duckdb, schema="omop"),
        pytest.param(as_duckdb, marks=pytest.mark.slow),
        pytest.param(partial(as_csv, delimiter=";", bom=True), marks=pytest.mark.slow),
        pytest.param(partial(as_csv, delimiter="\t"), marks=pytest.mark.slow),
    ],
)
def test_every_container_gives_the_same_records(tmp_path: Path, write: Callable[[Tables, Path], str]) -> None:
    tables = one_of_everything()
    expected = read(as_parquet(tables, tmp_path / "parquet"))
    pd.testing.assert_frame_equal(read(write(tables, tmp_path / "other")), expected)


@pytest.mark.slow
def test_postgresql_gives_the_same_records(tmp_path: Path, server: str) -> None:
    tables = one_of_everything()
    address = as_postgres({name: arrow(rows) for name, rows in tables.items()}, server, "same")
    pd.testing.assert_frame_equal(read(address), read(as_parquet(tables, tmp_path)))


@pytest.mark.slow
def test_postgresql_of_gibleed(server: str, gibleed: Path, tmp_path: Path) -> None:
    files = {file.stem: pq.read_table(file) for file in gibleed.glob("*.parquet")}
    tables = {name: table for name, table in files.items() if name in EVENT_TABLES or name in OTHER_TABLES}
    address = as_postgres(tables, server, "gibleed")
    columns = ["where", "patient", "practice", "happened_at", "known_at", "code", "fault"]
    ours, theirs = (
        frame[~frame["where"].str.startswith("person")][columns].sort_values(columns, ignore_index=True)
        for frame in (read(address, datetime(2019, 8, 1)), read(gibleed, datetime(2019, 8, 1)))
    )
    pd.testing.assert_frame_equal(ours, theirs)


@pytest.mark.slow
def test_columns_of_postgresql_types(server: str) -> None:
    from adbc_driver_postgresql import dbapi

    address = as_postgres({name: arrow(rows) for name, rows in cdm().items()}, server, "typed")
    with dbapi.connect(address) as connection, connection.cursor() as cursor:
        for change in (
            "measurement ALTER value_as_number TYPE numeric",
            "measurement ADD measurement_datetime timestamptz DEFAULT '2015-03-02 10:00:00+02'",
            "procedure_occurrence ALTER procedure_date TYPE timestamp USING 'infinity'",
            "condition_occurrence ALTER person_id TYPE varchar(10)",
        ):
            cursor.execute(f"ALTER TABLE cdm.{change}")
        connection.commit()
    frame = read(address)
    assert records(frame, "measurement")[0][1:4] == (pd.Timestamp(2015, 3, 2, 8), day(2015, 3, 3), 132.5)
    assert records(frame, "procedure")[0][5] == "the date cannot be read or believed"
    assert records(frame, "condition")[0][5] is None


@pytest.mark.slow
def test_postgresql_that_does_not_answer(server: str) -> None:
    for address in ("postgresql:///postgres?host=/nowhere", server.replace("user=vigie", "user=nobody")):
        with pytest.raises(InvalidRecords, match="PostgreSQL refuses the connection"):
            read(address)
    with pytest.raises(InvalidRecords, match=r"table person is missing\n- table observation_period is missing"):
        read(server)


@pytest.mark.slow
def test_several_sets_on_one_server(server: str) -> None:
    from adbc_driver_postgresql import dbapi

    address = as_postgres({name: arrow(rows) for name, rows in cdm().items()}, server, "several")
    with dbapi.connect(address) as connection, connection.cursor() as cursor:
        for schema in ("older", "results"):
            cursor.execute(f"CREATE SCHEMA {schema}")
            cursor.execute(f"CREATE TABLE {schema}.death (person_id int, death_date date)")
        connection.commit()
        with pytest.raises(
            InvalidRecords, match=r"death is there several times \(older\.death, results\.death\): name"
        ):
            read(address)
        cursor.execute("CREATE TABLE older.person AS SELECT * FROM cdm.person")
        connection.commit()
    with pytest.raises(InvalidRecords, match=r"person is there several times \(cdm\.person, older\.person\): name"):
        read(address)
    assert len(read(f"{address}&options=-csearch_path%3Dcdm,results")) == 9


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:hunter2@host/cdm",
        "postgres://me:hunter2@host/cdm",
        "postgresql://host/cdm?user=me&password=hunter2",
        "postgresql://host/cdm?user=me&pass%77ord=hunter2",
        "postgresql://me:hunter2@[::1/cdm",
    ],
)
def test_passwords_are_not_taken_on_the_command_line(address: str) -> None:
    with pytest.raises(InvalidRecords, match=r"put it in PGPASSWORD or ~/\.pgpass|not an address") as caught:
        read(address)
    assert "hunter2" not in str(caught.value)


def test_without_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql", None)
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql.dbapi", None)
    with pytest.raises(InvalidRecords, match=r"pip install vigie\[postgres\]"):
        read("postgresql://host/cdm")


def any_case(text: str) -> st.SearchStrategy[str]:
    choices = st.lists(st.booleans(), min_size=len(text), max_size=len(text))
    return choices.map(lambda upper: "".join(c.upper() if u else c for c, u in zip(text, upper, strict=True)))


@pytest.mark.slow
@settings(max_examples=3)
@given(st.data())
def test_case_of_names_does_not_matter(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        expected = read(as_parquet(cdm(), place / "as they are"))
        (place / "other").mkdir()
        for name, rows in cdm().items():
            table = arrow(rows)
            table = table.rename_columns([data.draw(any_case(column)) for column in table.column_names])
            pq.write_table(table, place / "other" / f"{data.draw(any_case(name))}.parquet")
        pd.testing.assert_frame_equal(read(place / "other"), expected)


def test_a_table_may_be_in_a_folder_in_parts(tmp_path: Path) -> None:
    measurements = [MEASUREMENT | {"measurement_id": number} for number in range(1, 7)]
    tables = cdm(measurement=measurements)
    expected = read(as_parquet(tables, tmp_path / "whole"))
    del tables["measurement"]
    as_parquet(tables, tmp_path / "parts" / "export [1]")
    (tmp_path / "parts" / "Measurement").mkdir()
    for part, first in enumerate((0, 2, 4)):
        rows = arrow(measurements[first : first + 2])
        pq.write_table(rows, tmp_path / "parts" / "Measurement" / f"part-{part}.parquet")
    (tmp_path / "parts" / "__MACOSX").mkdir()
    (tmp_path / "parts" / "__MACOSX" / "._person.csv").write_bytes(b"\0\1")
    pd.testing.assert_frame_equal(read(tmp_path / "parts"), expected)


def test_vocabularies_as_ohdsi_hands_them_out(tmp_path: Path) -> None:
    tables = cdm()
    vocabulary = tables.pop("concept")
    as_csv(tables, tmp_path)
    lines = ["concept_id\tconcept_name\tvocabulary_id\tconcept_code\tvalid_start_date"]
    lines += [f'{c["concept_id"]}\t5" cuff\t{c["vocabulary_id"]}\t{c["concept_code"]}\t19700101' for c in vocabulary]
    (tmp_path / "CONCEPT.csv").write_text("\n".join(lines) + "\n")
    assert records(read(tmp_path), "measurement")[0][:1] == ("LOINC:8480-6",)


def test_without_vocabularies_codes_are_the_sources_own(tmp_path: Path) -> None:
    frame = read(as_parquet(cdm(concept=[], concept_ancestor=[]), tmp_path))
    codes = [records(frame, table)[0][0] for table in ("condition", "drug", "procedure", "measurement")]
    assert codes == ["SOURCE:E11.9", "SOURCE:concept:1", "SOURCE:concept:4107731", "SOURCE:concept:3004249"]
    assert records(frame, "visit")[0][0] == "PRACTICE:consultation"


# What is wrong with a source


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    tables = cdm(measurement=[{"measurement_id": 1, "person_id": 1, "measurement_date": date(2015, 1, 1)}])
    tables["condition_occurrence"] = [{"condition_occurrence_id": 1}]
    del tables["observation_period"]
    with pytest.raises(InvalidRecords) as caught:
        read(as_csv(tables, tmp_path))
    assert set(caught.value.faults) == {
        "table observation_period is missing",
        "table measurement has no column measurement_concept_id",
        "table condition_occurrence has no column person_id",
        "table condition_occurrence has no column condition_concept_id",
        "table condition_occurrence has no column condition_start_date",
    }


@pytest.mark.parametrize("version", ["v6.0", "OMOP CDM 5.2.2"])
def test_other_versions_are_refused(tmp_path: Path, version: str) -> None:
    with pytest.raises(InvalidRecords, match=r"5\.3 and 5\.4 can be read"):
        read(as_parquet(cdm(cdm_source=[{"cdm_version": version}]), tmp_path))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nowhere")
    with pytest.raises(InvalidRecords, match=r"table person is missing\n- table observation_period is missing"):
        read(tmp_path)


def broken(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def linked_out(folder: Path) -> None:
    outside = folder.parent / "outside.parquet"
    pq.write_table(arrow([MEASUREMENT]), outside)
    (folder / "measurement.parquet").symlink_to(outside)


def twice(folder: Path) -> None:
    as_csv({"person": [PERSON]}, folder)


def cut_off(folder: Path) -> None:
    whole = (folder / "person.parquet").read_bytes()
    (folder / "person.parquet").write_bytes(whole[: len(whole) // 2])


def damaged(folder: Path) -> None:
    many = arrow([MEASUREMENT | {"measurement_id": number} for number in range(20_000)])
    pq.write_table(many, folder / "measurement.parquet")
    content = bytearray((folder / "measurement.parquet").read_bytes())
    content[100:4_000] = b"\xff" * 3_900
    (folder / "measurement.parquet").write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (broken("death.csv", b""), "death.csv does not begin with the names of its columns"),
        (broken("death.csv", b"\0" * 5_000), "death.csv does not begin"),
        (broken("death.csv", b"a" * 100_000), "death.csv does not begin"),
        (broken("death.csv", "pers\xf6n_id,death_date\n".encode("latin-1")), "death.csv is not UTF-8"),
        (broken("death.csv", "person_id,death_date\n".encode("utf-16")), "death.csv is not UTF-8"),
        (broken("death.csv", b'"person_id,death_date\n1,2020-01-01\n'), "death.csv does not begin"),
        (broken("death.csv", b"person_id,Person_ID,death_date\n"), "death.csv: columns 1 and 2 have the same name"),
        (broken("death.csv", b'person_id,death_date\n1,"' + b"x" * 40_000_000), "cannot be read"),
        (broken("provider.csv", b"provider_id,care_site_id\n1\n"), "provider.csv, line 2 cannot be read"),
        (broken("death.parquet", b""), "death.parquet cannot be read as Parquet"),
        (broken("death.parquet", b"PAR1" + b"\0" * 50 + b"PAR1"), "death.parquet cannot be read as Parquet"),
        (cut_off, "person.parquet cannot be read as Parquet"),
        (damaged, "cannot be read to the end"),
        (linked_out, "measurement.parquet is a link out of the folder"),
        (twice, "table person is there 2 times"),
    ],
)
def test_hostile_files(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    folder = tmp_path / "cdm"
    tables = cdm()
    if spoil is linked_out:
        del tables["measurement"]
    as_parquet(tables, folder)
    spoil(folder)
    with pytest.raises(InvalidRecords, match=said):
        read(folder)


def test_other_things_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    as_parquet(cdm(), tmp_path)
    expected = read(tmp_path)
    (tmp_path / "death.csv").mkdir()
    os.mkfifo(tmp_path / "provider.csv")
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / ".person.csv").write_text("nothing")
    pd.testing.assert_frame_equal(read(tmp_path), expected)


@pytest.mark.parametrize("content", [b"", b"person_id\n1\n", b"\0" * 8 + b"DUCK" + b"\1" * 9_000])
def test_files_that_are_no_database(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cdm.duckdb").write_bytes(content)
    with pytest.raises(InvalidRecords, match=r"cdm\.duckdb (is neither a folder|cannot be opened)"):
        read(tmp_path / "cdm.duckdb")


def test_a_database_reaches_nothing_but_itself(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("measurement_id,person_id,measurement_concept_id,measurement_date\n1,1,1,\n")
    tables = cdm()
    del tables["measurement"]
    file = as_duckdb(tables, tmp_path)
    with duckdb.connect(file) as connection:
        connection.execute(f"CREATE VIEW measurement AS FROM read_csv('{tmp_path / 'secret.csv'}')")
    before = Path(file).read_bytes()
    with pytest.raises(InvalidRecords, match="cannot be read"):
        read(file)
    assert Path(file).read_bytes() == before


def test_a_database_with_two_sets(tmp_path: Path) -> None:
    file = as_duckdb(cdm(), tmp_path, "first")
    as_duckdb({"concept": cdm()["concept"]}, tmp_path, "other")
    assert len(read(file)) == 9
    as_duckdb({"person": [PERSON]}, tmp_path, "second")
    with pytest.raises(InvalidRecords, match=r"table person is there several times \(first\.person, second\.person\)"):
        read(file)


def test_lines_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    as_csv(cdm(measurement=[MEASUREMENT | {"measurement_id": n} for n in range(1, 2_001)]), tmp_path)
    file = tmp_path / "measurement.csv"
    lines = file.read_bytes().splitlines()
    spoilt = 0
    for number in range(1, len(lines) - 1, 4):
        what = number // 4 % 4
        if what == 0:  # too many values
            lines[number] += b",7"
        elif what == 1:  # too few
            lines[number] = lines[number].rpartition(b",")[0]
        elif what == 2:  # not UTF-8
            lines[number] = lines[number].replace(b'",', b'\xe9",', 1)
        else:  # not closed: the next line is lost with it
            lines[number] = lines[number][:5]
        spoilt += 2 if what == 3 and lines[number].count(b'"') % 2 else 1
    file.write_bytes(b"\r\n".join(lines) + b"\r\n")
    frame = read(tmp_path)
    lost = frame[frame["fault"] == "the line cannot be read"]
    assert len(lost) == spoilt > 500
    assert lost["where"].iloc[0] == "measurement.csv, line 2"
    assert frame["where"].str.startswith("measurement_id").sum() == 2_000 - spoilt
    assert lost[["patient", "code", "happened_at"]].isna().all().all()


def test_lines_of_parts_are_told_without_their_names(tmp_path: Path) -> None:
    tables = cdm()
    del tables["measurement"]
    as_parquet(tables, tmp_path)
    for name, rows in (("Alice", 1), ("Bob", 3)):
        as_csv({name: [MEASUREMENT] * rows}, tmp_path / "measurement")
        with (tmp_path / "measurement" / f"{name}.csv").open("a") as file:
            file.write("1\n")
    frame = read(tmp_path)
    lost = frame[frame["fault"] == "the line cannot be read"]
    assert lost["where"].tolist() == ["measurement, file 1, line 3", "measurement, file 2, line 5"]


# What is promised of every source

GARBAGE = st.one_of(
    st.none(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
    st.sampled_from(["1", "2015-03-02", "3004249", "8876", "-infinity", "=1+1", "NULL"]),
)


@pytest.mark.slow
@settings(max_examples=3)
@given(st.data())
def test_every_row_is_a_record_or_a_fault(data: st.DataObject) -> None:
    columns = [*MEASUREMENT, "measurement_datetime", "visit_occurrence_id", "measurement_source_value"]
    rows = [{name: data.draw(GARBAGE) for name in columns} for _ in range(60)]
    texts = [{name: None if value is None else str(value) for name, value in row.items()} for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        by_csv = read(as_csv(cdm(measurement=texts), Path(folder) / "csv"))
        by_parquet = read(as_parquet(cdm(measurement=texts), Path(folder) / "parquet"))
    for frame in (by_csv, by_parquet):
        assert frame["where"].str.startswith("measurement_id").sum() == len(rows)
        assert len(frame) == len(rows) + 8
        dated = frame[frame["happened_at"].notna()]
        assert (dated["known_at"] >= dated["happened_at"]).all()
        in_time = dated[dated["happened_at"] <= pd.Timestamp(DELIVERED_AT)]
        assert (in_time["known_at"] <= pd.Timestamp(DELIVERED_AT)).all()
        for code in frame["code"].dropna():
            parse_code(code)
    with tempfile.TemporaryDirectory() as folder:
        taken = ingest(
            OMOP,
            as_csv(cdm(measurement=texts), Path(folder) / "csv"),
            Records.create(Path(folder) / "store"),
            name="garbage",
            delivered_at=DELIVERED_AT,
            key=b"k" * 32,
        )
        entry = taken.entry
        turned_away = sum(entry["refused"].values()) + sum(entry["quarantined"].values())
        assert entry["rows"] + turned_away == entry["about"]["read"] == len(rows) + 8


def test_no_name_and_no_free_text_comes_through(tmp_path: Path) -> None:
    secret = "Jeanne Martin, 12 rue des Lilas, 0612345678"
    tables = cdm(
        person=[PERSON | {"person_source_value": secret, "gender_source_value": secret, "provider_id": 7}],
        provider=[{"provider_id": 7, "provider_name": secret, "care_site_id": None}],
        condition_occurrence=[CONDITION | {"condition_source_value": secret, "stop_reason": secret}],
        measurement=[MEASUREMENT | {"unit_concept_id": 0, "unit_source_value": secret, "value_source_value": secret}],
        observation=[OBSERVATION | {"value_as_string": secret, "observation_source_value": secret}],
    )
    for table, what in (("drug_exposure", "drug"), ("procedure_occurrence", "procedure")):
        tables[table][0] |= {f"{what}_source_value": secret, f"{what}_concept_id": 0}
    frame = read(as_parquet(tables, tmp_path))
    told = frame.to_numpy().ravel().tolist()
    assert not any(word in str(text) for text in told for word in ("Jeanne", "Martin", "Lilas", "0612345678"))


@pytest.mark.slow
def test_the_same_batches_whatever_the_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = 300_000
    as_parquet(cdm(visit_occurrence=[], measurement=[], person=[]), tmp_path)
    with duckdb.connect() as connection:
        connection.execute(f"""
            COPY (
                SELECT i AS measurement_id, 1 + i % 5000 AS person_id, 3004249 AS measurement_concept_id,
                    DATE '2012-01-01' + (i % 3000)::INT AS measurement_date, 100 + i % 70 AS value_as_number,
                    8876 AS unit_concept_id, 1 + hash(i) % 30000 AS visit_occurrence_id
                FROM range({many}) t(i)
            ) TO '{tmp_path / "measurement.parquet"}' (ROW_GROUP_SIZE 20000)
        """)
        connection.execute(f"""
            COPY (
                SELECT i AS visit_occurrence_id, 1 + i % 5000 AS person_id, 9202 AS visit_concept_id,
                    DATE '2012-01-01' + (i % 3000)::INT AS visit_start_date,
                    DATE '2012-01-01' + (i % 3000)::INT AS visit_end_date
                FROM range(30000) t(i)
            ) TO '{tmp_path / "visit_occurrence.parquet"}' (ROW_GROUP_SIZE 4000)
        """)
        connection.execute(f"""
            COPY (
                SELECT 5000 - i AS person_id, 8507 AS gender_concept_id, 1950 AS year_of_birth, i % 7 AS care_site_id
                FROM range(5000) t(i)
            ) TO '{tmp_path / "person.parquet"}' (ROW_GROUP_SIZE 2048)
        """)
    plain = duckdb.connect
    found = []
    for threads in (1, 2, 7):

        def connect(threads: int = threads) -> duckdb.DuckDBPyConnection:
            return plain(config={"threads": threads})

        monkeypatch.setattr(duckdb, "connect", connect)
        found.append([(batch.table, batch.read) for batch in OMOP.batches(str(tmp_path), DELIVERED_AT)])
    for other in found[1:]:
        assert len(other) == len(found[0])
        assert all(a.equals(b) and x == y for (a, x), (b, y) in zip(found[0], other, strict=True))
    sizes = [len(table) for table, _ in found[0] if table["where"][0].as_py().startswith("measurement")]
    assert sizes == [ROWS, ROWS, many - 2 * ROWS]
    shares = [share for _, share in found[0]]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_memory_does_not_grow_with_the_source(tmp_path: Path, kind: str) -> None:
    peaks = []
    for rows in (500_000, 4_000_000):
        folder = tmp_path / str(rows)
        as_parquet(cdm(visit_occurrence=[], measurement=[]), folder)
        with duckdb.connect() as connection:
            connection.execute(f"""
                COPY (
                    SELECT i AS measurement_id, 1 AS person_id, 3004249 AS measurement_concept_id,
                        i AS visit_occurrence_id,
                        DATE '2012-01-01' + (i % 3000)::INT AS measurement_date, 100 + i % 70 AS value_as_number,
                        'M' || i % 100 AS measurement_source_value
                    FROM range({rows}) t(i)
                ) TO '{folder / f"measurement.{kind}"}'
            """)
            connection.execute(f"""
                COPY (
                    SELECT i AS visit_occurrence_id, 1 AS person_id, 9202 AS visit_concept_id,
                        DATE '2012-01-01' AS visit_start_date, DATE '2012-01-01' AS visit_end_date
                    FROM range(1000) t(i)
                ) TO '{folder / "visit_occurrence.parquet"}'
            """)
        program = (
            "import resource, sys; from datetime import datetime; from features.sources.omop import OMOP\n"
            "rows = sum(len(b.table) for b in OMOP.batches(sys.argv[1], datetime(2023, 1, 1)))\n"
            "print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        said = subprocess.run(
            [sys.executable, "-c", program, str(folder)], check=True, capture_output=True, text=True, timeout=120
        )
        read_rows, peak = map(int, said.stdout.split())
        assert read_rows == rows + 1_000 + 7
        peaks.append(peak / 1024)
    assert peaks[1] < peaks[0] + 100, f"{peaks} MiB"


# Public sets

EVENT_TABLES = {
    "condition_occurrence": "condition_start_date",
    "drug_exposure": "drug_exposure_start_date",
    "procedure_occurrence": "procedure_date",
    "measurement": "measurement_date",
    "observation": "observation_date",
}
OTHER_TABLES = (
    *("person", "observation_period", "visit_occurrence", "death", "provider", "cdm_source"),
    *("concept", "concept_ancestor", "concept_relationship"),
)


@pytest.fixture(scope="session")
def gibleed(shared: Callable[[str], Path]) -> Path:
    return shared("data/omop53_gibleed")


@pytest.fixture(scope="module")
def of_gibleed(gibleed: Path) -> pd.DataFrame:
    return read(gibleed, datetime(2019, 8, 1))


@pytest.fixture(scope="session")
def synthea(shared: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthea")
    with zipfile.ZipFile(shared("data/omop54_synthea/Synthea27Nj_5.4.zip")) as archive:
        archive.extractall(folder)
    return folder


def sql(query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        return connection.sql(query).fetchall()


@pytest.mark.slow
def test_gibleed_row_by_row(gibleed: Path, of_gibleed: pd.DataFrame) -> None:
    frame = of_gibleed
    about = frame["where"].str.extract(r"^(\w+?)(?:_id|,)? ", expand=False)
    faulty = frame["fault"].notna()
    # Every row of every table, by an independent count.
    for table, when in EVENT_TABLES.items():
        ((rows, people, earliest, latest, numbers),) = sql(f"""
            SELECT count(*), count(DISTINCT person_id), min({when}), max({when}),
                {"count(value_as_number)" if table in ("measurement", "observation") else "0"}
            FROM '{gibleed / table}.parquet' WHERE person_id IN (SELECT person_id FROM '{gibleed}/person.parquet')
        """)
        mine = frame[(about == table) & ~faulty]
        assert len(mine) == rows == (about == table).sum(), table
        assert mine["patient"].nunique() == people
        assert (mine["happened_at"].min(), mine["happened_at"].max()) == (pd.Timestamp(earliest), pd.Timestamp(latest))
        assert mine["value"].notna().sum() == numbers == 0
    ((people, men, periods, strangers),) = sql(f"""
        SELECT count(*), count(*) FILTER (gender_concept_id = 8507),
            (SELECT count(*) FROM '{gibleed}/observation_period.parquet'),
            (SELECT count(*) FROM '{gibleed}/observation_period.parquet'
             WHERE person_id NOT IN (SELECT person_id FROM '{gibleed}/person.parquet'))
        FROM '{gibleed}/person.parquet'
    """)
    assert (people, periods, strangers) == (2_694, 5_343, 2_649)
    codes = frame[~faulty]["code"].value_counts()
    assert (codes["PRACTICE:birth"], codes["PRACTICE:male"], codes["PRACTICE:female"]) == (people, men, people - men)
    assert codes["PRACTICE:registered"] == periods - strangers
    assert codes["PRACTICE:hospital_stay"] == 1_037
    assert frame["fault"].value_counts().to_dict() == {"unknown patient": strangers}
    # The release is of 25 May 2019; periods that reach it did not end in a departure.
    ((left,),) = sql(f"""
        SELECT count(*) FROM '{gibleed}/observation_period.parquet'
        WHERE observation_period_end_date < DATE '2019-05-25'
            AND person_id IN (SELECT person_id FROM '{gibleed}/person.parquet')
    """)
    assert codes["PRACTICE:left"] == left
    assert not frame["where"].str.startswith("death").any()  # its only row is its header


@pytest.mark.slow
def test_gibleed_codes(gibleed: Path) -> None:
    """Without any concept in the catalogue each fact has its standard code."""
    frame = read(gibleed, datetime(2019, 8, 1), ())
    systems = {"SNOMED": "SNOMED", "RxNorm": "RXNORM", "LOINC": "LOINC", "CVX": "CVX"}
    for table, what in (
        ("condition_occurrence", "condition"),
        ("drug_exposure", "drug"),
        ("measurement", "measurement"),
    ):
        expected = Counter(
            {
                f"{systems[vocabulary]}:{code}": n
                for vocabulary, code, n in sql(f"""
                    SELECT vocabulary_id, concept_code, count(*) FROM '{gibleed / table}.parquet'
                    JOIN '{gibleed}/concept.parquet' ON concept_id = {what}_concept_id GROUP BY ALL
                """)
            }
        )
        mine = frame[frame["where"].str.startswith(table)]
        assert Counter(mine["code"]) == expected


@pytest.mark.slow
def test_gibleed_known_at(gibleed: Path, of_gibleed: pd.DataFrame) -> None:
    late = of_gibleed[of_gibleed["where"].str.startswith("condition")]
    late = late[late["known_at"] > late["happened_at"] + timedelta(days=1)]
    ((expected,),) = sql(f"""
        SELECT count(*) FROM '{gibleed}/condition_occurrence.parquet' JOIN '{gibleed}/visit_occurrence.parquet' v
        USING (visit_occurrence_id) WHERE v.visit_end_date > condition_start_date
    """)
    assert len(late) == expected > 100


@pytest.mark.slow
def test_synthea_row_by_row(synthea: Path) -> None:
    frame = read(synthea)
    files = {file.stem.lower(): file for file in synthea.glob("*.csv")}

    def rows(table: str) -> list[dict[str, str]]:
        with files[table].open(encoding="utf-8", newline="") as opened:
            return list(csv.DictReader(opened))

    for table in EVENT_TABLES:
        assert frame["where"].str.startswith(f"{table}_id").sum() == len(rows(table))
    told = {f"measurement_id {row['measurement_id']}": row for row in rows("measurement")}
    mine = frame[frame["where"].isin(told)].set_index("where")
    assert len(mine) == 10_040
    for where, row in told.items():
        record = mine.loc[where]
        number = row["value_as_number"]
        assert record["patient"] == row["person_id"]
        assert record["happened_at"] == pd.Timestamp(row["measurement_datetime"])
        assert (record["value"] == float(number)) if number else pd.isna(record["value"])
        assert record["code"].partition(":")[2] == row["measurement_source_value"]
        assert (record["unit"] == row["unit_source_value"]) if number and row["unit_source_value"] else True
    lost = [
        where
        for where, row in told.items()
        if not row["value_as_number"] and row["value_source_value"][:1] in "-0123456789" and row["value_source_value"]
    ]
    assert mine[mine["fault"].notna()].index.tolist() == lost
    visits = Counter(row["visit_concept_id"] for row in rows("visit_occurrence"))
    codes = frame["code"].value_counts()
    assert codes["PRACTICE:consultation"] == visits["9202"]
    assert codes["PRACTICE:hospital_stay"] == visits["9201"]
    assert codes["PRACTICE:other_contact"] == visits["9203"]
    # Three died at the end of their period, one's period ends at the release: all others left.
    assert (codes["PRACTICE:registered"], codes["PRACTICE:left"]) == (28, 24)
    assert frame[frame["code"].str.startswith("PRACTICE:death")]["patient"].tolist() == ["7", "11", "23"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "read_rows", "faults"),
    [
        ("gibleed", 230_123, {"unknown patient": 2_649}),
        ("synthea", 23_043, {"value_as_number is empty and value_source_value is not": 3}),
    ],
)
def test_ingestion_accounts_for_every_row(
    name: str, read_rows: int, faults: dict[str, int], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    origin: Path = request.getfixturevalue(name)
    store = Records.create(tmp_path / "store")
    entry = ingest(OMOP, origin, store, name=name, delivered_at=DELIVERED_AT, key=b"k" * 32).entry
    turned_away = sum(entry["refused"].values()) + sum(entry["quarantined"].values())
    assert entry["about"]["read"] == entry["rows"] + turned_away == read_rows
    assert entry["refused"] == faults
    assert (entry["about"]["source"], entry["about"]["known_at"]) == ("omop", OMOP.known_at)

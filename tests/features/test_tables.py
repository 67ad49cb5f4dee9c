"""Exports read by a mapping: the commented example record by record, and what could go wrong with any other."""

from __future__ import annotations

import csv
import io
import re
import tracemalloc
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from features import sources
from features.codes import SYSTEMS, InvalidCode
from features.ingest import ingest
from features.intake import InvalidRecords
from features.records import Records
from features.sources.tables import (
    Coding,
    Condition,
    Fact,
    File,
    Format,
    KnownAt,
    Mapping,
    Retraction,
    Text,
    Unit,
    cells,
    read_mapping,
    reader,
    tables,
    toml,
)
from tests.conftest import at_most

EXAMPLES = Path(sources.__file__).parent / "examples"
DELIVERED_AT = datetime(2025, 1, 15)
PARIS = ZoneInfo("Europe/Paris")

FORM = Format("Europe/Paris", dates=("iso", "%d/%m/%Y %H:%M", "%d/%m/%Y"))
#: One file with one fact, to be altered.
FILE = File(
    name="f.csv",
    format=FORM,
    patient="id",
    practice=Text(constant="cabinet"),
    happened_at=("date",),
    known_at=KnownAt(days=0),
    records=(Fact((Coding(constant="LOINC:8480-6"),), value="valeur", unit=Unit(constant="mmHg")),),
)


def rows_of(mapping: Mapping, origin: Path) -> list[dict[str, Any]]:
    return [row for batch in tables(mapping).batches(str(origin), DELIVERED_AT) for row in batch.table.to_pylist()]


def read(folder: Path, text: str | bytes, file: File = FILE) -> list[dict[str, Any]]:
    """Return the rows that one file makes."""
    folder.mkdir(exist_ok=True)
    (folder / "f.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return rows_of(Mapping("essai", (file,)), folder)


def faults_of(call: Callable[[], Any]) -> str:
    with pytest.raises(InvalidRecords) as caught:
        call()
    return "\n".join(caught.value.faults)


# --- The example ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def example() -> Mapping:
    return read_mapping(EXAMPLES / "logiciel_metier.toml")


def paris(text: str) -> datetime:
    """Return a local time of France in UTC."""
    local = datetime.strptime(text, "%d/%m/%Y %H:%M").replace(tzinfo=PARIS)
    return local.astimezone(UTC).replace(tzinfo=None)


def day(text: str) -> datetime:
    return datetime.strptime(text, "%d/%m/%Y")


def test_the_example_record_by_record(example: Mapping) -> None:
    """Written by hand from the files, in the order of their lines."""
    morning, noon, garde = "08/01/2024 09:15", "08/01/2024 09:40", datetime(2024, 3, 31, 1, 30)
    c = [
        ("P001", paris(morning), None, 142, 85, 71.5, "LA15920-4", "CIM10:I10"),
        ("P002", paris(noon), None, 155, 92, 88, "LA18976-3", "CISP2:K86"),
        ("P003", paris("12/02/2024 18:05"), None, 118, 74, None, "LA18978-9", "CIM10:J00"),
        ("P005", garde, day("02/04/2024"), 131, 80, 64.2, None, "CIM10:E11.9"),
        ("P006", paris("15/04/2024 11:00"), None, 0, None, None, None, None),
        ("P007", paris("21/05/2024 10:20"), None, None, None, 58, None, "CISP2:K78"),
        ("P008", paris("03/06/2024 14:45"), None, 138, "fault", 102.4, "LA18976-3", "CIM10:E66.9"),
        ("P001", paris("01/07/2024 08:50"), None, 136, 82, 71, "LA15920-4", None),
        ("P009", datetime(2024, 10, 27, 1, 30), day("28/10/2024"), 124, 78, None, "LA18978-9", None),
        ("P010", paris("09/12/2024 16:10"), None, 149, 88, 95.8, "fault", "CIM10:I10"),
    ]
    expected: list[tuple[Any, ...]] = []

    def add(patient: str, happened: datetime, known: datetime | None, code: str | None, *rest: Any) -> None:
        value, unit, back, fault = (*rest, None, None, None, None)[:4]
        expected.append((patient, happened, known, code, value, unit, back, fault))

    for patient, happened, known, systolic, diastolic, weight, smoking, diagnosis in c:
        for back in (None, day("22/04/2024")) if patient == "P006" else (None,):
            at = known or happened
            add(patient, happened, at, "PRACTICE:consultation", None, None, back)
            for code, unit, value in (
                ("LOINC:8480-6", "mm[Hg]", systolic),
                ("LOINC:8462-4", "mm[Hg]", diastolic),
                ("LOINC:29463-7", "kg", weight),
            ):
                if value == "fault":
                    add(patient, happened, at, code, None, None, None, "value is not a number")
                elif value is not None:
                    add(patient, happened, at, code, value, unit, back)
            if smoking == "fault":
                add(patient, happened, at, None, None, None, None, "code not in the lookup")
            elif smoking:
                add(patient, happened, at, f"LOINC:{smoking}")
            if diagnosis:
                add(patient, happened, at, diagnosis)
    people = [
        ("P001", "female", "12/03/1958", "04/01/2016"),
        ("P002", "male", "30/11/1949", "04/01/2016"),
        ("P003", "female", "07/07/1985", "18/09/2018"),
        ("P004", "male", "25/12/1972", "02/02/2017"),
        ("P005", "female", "01/06/1966", "15/05/2019"),
        ("P006", "male", "19/10/1990", "10/10/2020"),
        ("P007", "female", "28/02/1940", "04/01/2016"),
        ("P008", "male", "16/04/1961", "23/06/2021"),
        ("P009", "female", "09/09/1979", "11/01/2022"),
        ("P010", "male", "03/05/1955", "04/01/2016"),
    ]
    for patient, sex, born, registered in people:
        add(patient, day(registered), day(registered), "PRACTICE:registered")
        add(patient, day(registered), day(registered), f"PRACTICE:{sex}")
        add(patient, day(born), day(registered), "PRACTICE:birth")
    add("P004", day("31/08/2023"), day("31/08/2023"), "PRACTICE:left")
    for patient, moment, code in (
        ("P001", morning, "ATC:C09AA05"),
        ("P001", morning, "ATC:C10AA05"),
        ("P002", noon, "ATC:C08CA01"),
        ("P003", "12/02/2024 18:05", "CIP13:3400930000021"),
        ("P005", "02/04/2024 09:00", "ATC:A10BA02"),
        ("P007", "21/05/2024 10:20", "ATC:B01AF02"),
        ("P008", "03/06/2024 14:45", None),
        ("P008", "03/06/2024 14:45", "ATC:N07BA01"),
        ("P010", "09/12/2024 16:10", "ATC:C09AA05"),
        ("P010", "09/12/2024 16:10", "ATC:B01AC06"),
    ):
        add(patient, paris(moment), paris(moment), code)
    first, second, third = paris("15/01/2024 07:45"), paris("15/01/2024 08:10"), paris("10/06/2024 07:30")
    received = paris("16/01/2024 12:10")
    add("P001", first, received, "LOINC:14647-2", 5.8, "mmol/L")
    add("P001", first, received, "LOINC:14646-4", 1.3, "mmol/L")
    add("P002", second, second, "LOINC:14647-2", 2.31, "g/L")
    add("P002", second, second, "LOINC:14646-4", 0.45, "g/L")
    add("P005", day("04/04/2024"), day("05/04/2024"), "LOINC:15074-8", 7.4, "mmol/L")
    add("P005", day("04/04/2024"), day("05/04/2024"), "LOINC:14682-9", 68, "umol/L")
    add("P007", day("23/05/2024"), day("26/05/2024"), "LOINC:14682-9", 1040, "umol/L")
    add("P007", day("23/05/2024"), day("26/05/2024"), "SOURCE:PLAQ", 251, "10*9/L")
    add("P008", third, paris("10/06/2024 18:00"), "LOINC:1988-5", None, None, None, "value is not a number")
    add("P008", third, paris("10/06/2024 18:00"), "LOINC:15074-8", 0.99, "g/L")
    add("P010", day("16/12/2024"), None, "LOINC:14647-2", 6.1, "mmol/L", None, "date not understood")
    add("P010", day("16/12/2024"), day("17/12/2024"), "LOINC:14646-4", None, None, None, "no value")
    for patient, on, code in (
        ("P001", "08/01/2024", "CCAM:DEQP003"),
        ("P005", "31/03/2024", "NGAP:CRN"),
        ("P007", "21/05/2024", "CCAM:DEQP003"),
        ("P008", "03/06/2024", "CCAM:GLQP012"),
        ("P009", "27/10/2024", "NGAP:CRN"),
    ):
        add(patient, day(on), day(on), code)

    rows = rows_of(example, EXAMPLES / "export")
    assert {row["practice"] for row in rows} == {"cabinet-des-tilleuls"}
    names = ("patient", "happened_at", "known_at", "code", "value", "unit", "retracted_at", "fault")
    found = Counter(tuple(row[name] for name in names) for row in rows)
    assert found == Counter(expected)


def test_the_example_says_where_each_row_is(example: Mapping) -> None:
    """Line 3 of the consultations goes on in line 4, so that the next row is in line 5."""
    rows = rows_of(example, EXAMPLES / "export")
    where = {row["where"] for row in rows if row["patient"] == "P003" and row["code"] == "PRACTICE:consultation"}
    assert where == {"consultations*.csv, line 5"}
    faults = {row["where"]: row["fault"] for row in rows if row["fault"]}
    assert faults == {
        "consultations*.csv, line 9": "value is not a number",
        "consultations*.csv, line 12": "code not in the lookup",
        "resultats.csv, line 10": "value is not a number",
        "resultats.csv, line 12": "date not understood",
        "resultats.csv, line 13": "no value",
    }


def test_a_file_is_told_by_its_name_in_the_mapping_alone(tmp_path: Path) -> None:
    """What stands for the ``*``, or a folder, may be a patient."""
    for name in ("Alice", "Bob"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"dossier {name}.csv").write_text(f"id;date;valeur\n{name};2024-01-01;?\n")
    file = replace(FILE, name="dossier *.csv")
    rows = rows_of(Mapping("m", (file,)), tmp_path)
    assert [(row["patient"], row["where"]) for row in rows] == [
        ("Alice", "dossier *.csv, file 1, line 2"),
        ("Bob", "dossier *.csv, file 2, line 2"),
    ]
    (tmp_path / "Bob" / "dossier Bob.csv").write_text("id;date\n")
    assert faults_of(lambda: rows_of(Mapping("m", (file,)), tmp_path)) == (
        "dossier *.csv, file 2: column 'valeur' is missing"
    )


def test_the_example_becomes_records(example: Mapping, tmp_path: Path) -> None:
    records = Records.create(tmp_path, 2)
    taken = ingest(
        tables(example), EXAMPLES / "export", records, name="x", delivered_at=DELIVERED_AT, key=b"k" * 32
    ).entry
    assert taken["refused"] == {
        "code not in the lookup": 1, "date not understood": 1, "no code": 1, "no value": 1, "value is not a number": 2,
    }  # fmt: skip
    # A systolic pressure of 0 is no pressure: said, and taken back, it is believed neither time.
    assert taken["quarantined"] == {"implausible": 2}
    assert taken["about"]["read"] == taken["rows"] + 6 + 2
    cancelled = sum(int((shard.retracted < 2**62).sum()) for shard in records)
    assert cancelled == 1
    assert "consultations*.csv: column date_saisie, else when it happened" in taken["about"]["known_at"]


# --- Cells ------------------------------------------------------------------------------------------------


@given(
    st.integers(-(10**9), 10**9),
    st.integers(0, 4),
    st.sampled_from(["", " ", "\u00a0", "\u202f", "\u2009"]),
    st.sampled_from([",", "."]),
)
def test_numbers_as_the_french_write_them(whole: int, decimals: int, blank: str, decimal: str) -> None:
    value = whole / 10**decimals
    text = f"{value:,.{decimals}f}".replace(",", "@").replace(".", decimal).replace("@", blank)
    numbers, wrong = cells.numbers(pa.array([text]), decimal)
    assert not wrong[0]
    assert numbers[0].as_py() == pytest.approx(value, abs=0, rel=1e-15)


@pytest.mark.parametrize(
    "text",
    ["<5", "> 3", "120/80", "5.2", "1 23", "1 234 5", "5,", ",5", "1,2,3", "5 mg", "neg", "٣", "NaN", "inf", "1-2"],
)
def test_what_is_not_a_number_is_a_fault(text: str, tmp_path: Path) -> None:
    (row,) = read(tmp_path, f"id;date;valeur\n1;2024-01-01;{text}\n")
    assert (row["value"], row["fault"]) == (None, "value is not a number")


def test_empty_is_not_zero(tmp_path: Path) -> None:
    text = "id;date;valeur\n1;2024-01-01;0\n2;2024-01-01;\n3;2024-01-01;  \n"
    rows = read(tmp_path, text)
    assert [(row["value"], row["fault"]) for row in rows] == [(0, None), (None, "no value"), (None, "no value")]
    optional = replace(FILE, records=(replace(FILE.records[0], optional=True),))
    assert [row["patient"] for row in read(tmp_path, text, optional)] == ["1"]


moments = st.datetimes(datetime(1912, 1, 1), datetime(2037, 12, 31)).map(
    lambda moment: moment.replace(second=0, microsecond=0)
)


@at_most(30)
@given(
    st.lists(moments, min_size=1, max_size=20),
    st.sampled_from(["Europe/Paris", "Indian/Reunion", "America/Guadeloupe", "Pacific/Noumea", "UTC"]),
)
def test_local_times_become_utc_as_the_standard_library_says(local: list[datetime], zone: str) -> None:
    """A repeated hour is its second pass, fold=1."""
    universal = {moment: moment.replace(tzinfo=ZoneInfo(zone), fold=1).astimezone(UTC) for moment in local}
    there_was = [m for m, utc in universal.items() if utc.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == m]
    assume(there_was)
    for way in ("%d/%m/%Y %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"):
        texts = pa.array([moment.strftime(way) for moment in there_was])
        found = cells.moments(texts, replace(FORM, time_zone=zone))
        assert [moment.item() for moment in found.utc] == [universal[m].replace(tzinfo=None) for m in there_was]
        assert [moment.item().date() for moment in found.day] == [moment.date() for moment in there_was]
        assert not found.alone.any()


@at_most(30)
@given(st.lists(st.dates(date(1, 1, 1), date(9999, 12, 31)), min_size=1, max_size=20))
def test_a_date_is_its_midnight_whatever_the_zone(dates: list[date]) -> None:
    texts = [f"{on.year:04}-{on.month:02}-{on.day:02}" for on in dates]
    texts += [f"{on.day:02}/{on.month:02}/{on.year:04}" for on in dates]
    for zone in ("Europe/Paris", "Pacific/Noumea"):
        found = cells.moments(pa.array(texts), replace(FORM, time_zone=zone))
        assert [moment.item() for moment in found.utc] == [datetime(*on.timetuple()[:3]) for on in dates] * 2
        assert found.alone.all()


def test_clocks_change(tmp_path: Path) -> None:
    text = (
        "id;date;valeur\n1;31/03/2024 02:30;1\n2;27/10/2024 02:30;1\n"
        "3;2024-10-27T02:30+02:00;1\n4;2024-07-14T12:00:00.5Z;1\n"
    )
    assert [row["happened_at"] for row in read(tmp_path, text)] == [
        datetime(2024, 3, 31, 1, 0),
        datetime(2024, 10, 27, 1, 30),
        datetime(2024, 10, 27, 0, 30),
        datetime(2024, 7, 14, 12, 0, 0, 500_000),
    ]


@pytest.mark.parametrize("text", ["31/02/2024", "01/13/2024", "01/07/24", "2024", "2024-05", "20240501", "hier", "0"])
def test_what_is_not_a_date_is_a_fault(text: str, tmp_path: Path) -> None:
    (row,) = read(tmp_path, f"id;date;valeur\n1;{text};1\n")
    assert (row["happened_at"], row["fault"]) == (None, "date not understood")


def test_a_month_is_its_first_day_where_the_mapping_says_so(tmp_path: Path) -> None:
    file = replace(FILE, format=replace(FORM, dates=("%d/%m/%Y", "%m/%Y")))
    rows = read(tmp_path, "id;date;valeur\n1;05/2024;1\n2;17/05/2024;1\n3;;1\n", file)
    assert [row["happened_at"] for row in rows] == [datetime(2024, 5, 1), datetime(2024, 5, 17), None]
    assert [row["fault"] for row in rows] == [None, None, None]  # without a date, intake refuses it


def test_known_the_same_day_is_known_when_it_happened(tmp_path: Path) -> None:
    file = replace(FILE, known_at=KnownAt(("saisie",)))
    text = (
        "id;date;saisie;valeur\n1;01/03/2024 14:30;01/03/2024;1\n2;01/03/2024;01/03/2024 00:20;1\n"
        "3;01/03/2024 14:30;01/03/2024 13:00;1\n4;02/03/2024 00:10;01/03/2024;1\n5;01/03/2024;;1\n"
    )
    assert [(row["happened_at"], row["known_at"]) for row in read(tmp_path, text, file)] == [
        (datetime(2024, 3, 1, 13, 30), datetime(2024, 3, 1, 13, 30)),
        (datetime(2024, 3, 1), datetime(2024, 3, 1)),
        (datetime(2024, 3, 1, 13, 30), datetime(2024, 3, 1, 12, 0)),  # the source says so: intake refuses it
        (datetime(2024, 3, 1, 23, 10), datetime(2024, 3, 1)),
        (datetime(2024, 3, 1), None),
    ]


# --- Codes, conditions, retractions -----------------------------------------------------------------------


def coded(*codings: Coding, **facts: Any) -> File:
    return replace(FILE, records=(Fact(codings, **facts),))


def test_which_of_several_codings(tmp_path: Path) -> None:
    file = coded(
        Coding("local", system="SOURCE", lookup={"TA": "LOINC:8480-6"}),
        Coding("cim", system="CIM10"),
        Coding("cisp", system="CISP2"),
    )
    text = (
        "id;date;local;cim;cisp\n"
        "1;2024-01-01;X1;Z99;K86\n"  # K86 is hypertension, which the catalogue knows
        "2;2024-01-01;X1;Z99;A01\n"  # neither: the first in a known system
        "3;2024-01-01;X1;;\n"
        "4;2024-01-01;TA;Z99;\n"
        "5;2024-01-01;;I109;\n"  # as French exports write I10.9
        "6;2024-01-01;;;\n"
        "7;2024-01-01;;hypertension;\n"
        "8;2024-01-01;une phrase entière;;\n"
    )
    rows = read(tmp_path, text, file)
    assert [(row["code"], row["fault"]) for row in rows] == [
        ("CISP2:K86", None), ("CIM10:Z99", None), ("SOURCE:X1", None), ("LOINC:8480-6", None), ("CIM10:I10.9", None),
        (None, None), (None, "malformed code"), (None, "malformed code"),
    ]  # fmt: skip


def test_free_text_is_never_a_code(tmp_path: Path) -> None:
    file = coded(Coding("motif", lookup={"HTA": "CIM10:I10"}))
    (row,) = read(tmp_path, "id;date;motif\n1;2024-01-01;Mme Martin va mieux\n", file)
    assert (row["code"], row["fault"]) == (None, "code not in the lookup")
    assert "Martin" not in repr(row)


def test_conditions_of_a_file_and_of_a_fact(tmp_path: Path) -> None:
    file = replace(
        FILE,
        only=(Condition("type", not_among=("brouillon", "")),),
        records=(
            Fact((Coding(constant="PRACTICE:consultation"),), only=(Condition("type", ("cs", "visite")),)),
            Fact((Coding(constant="PRACTICE:examination"),), only=(Condition("type", not_among=("cs", "visite")),)),
        ),
    )
    text = (
        "id;date;type\n1;2024-01-01;cs\n2;2024-01-01;visite\n3;2024-01-01;tél\n4;2024-01-01;brouillon\n5;2024-01-01;\n"
    )
    assert [(row["patient"], row["code"]) for row in read(tmp_path, text, file)] == [
        ("1", "PRACTICE:consultation"), ("2", "PRACTICE:consultation"), ("3", "PRACTICE:examination"),
    ]  # fmt: skip


@pytest.mark.parametrize("said", ["annulé", "annule\u0301"])
def test_what_was_cancelled_is_said_and_taken_back(said: str, tmp_path: Path) -> None:
    text = (
        "id;date;valeur;statut;fin\n1;2024-01-01;120;ok;\n"
        f"2;2024-01-01;120;{said};2024-02-01\n3;2024-01-01;120;{said};\n4;2024-01-01;120;{said};x\n"
    )
    file = replace(FILE, retracted=Retraction("statut", ("annulé",), ("fin",)))
    rows = [(row["patient"], row["retracted_at"], row["fault"]) for row in read(tmp_path, text, file)]
    assert rows == [
        ("1", None, None), ("2", None, None), ("3", None, None), ("4", None, "date not understood"),
        ("2", datetime(2024, 2, 1), None), ("3", DELIVERED_AT, None),
    ]  # fmt: skip
    by_date = replace(FILE, retracted=Retraction(at=("fin",)))
    back = [row["patient"] for row in read(tmp_path, text, by_date) if row["retracted_at"]]
    assert back == ["2"]


def test_taken_back_in_the_store(tmp_path: Path) -> None:
    text = "id;date;valeur;statut;fin\n2;2024-01-01;120;annulé;2024-02-01\n"
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "f.csv").write_text(text, encoding="utf-8")
    mapping = Mapping("m", (replace(FILE, retracted=Retraction("statut", ("annulé",), ("fin",))),))
    records = Records.create(tmp_path / "store", 1)
    ingest(tables(mapping), tmp_path / "export", records, name="x", delivered_at=DELIVERED_AT, key=None)
    (record,) = records.read(0).history("2").records
    assert (record.known_at, record.retracted_at) == (datetime(2024, 1, 1), datetime(2024, 2, 1))


def test_practice_and_unit_from_columns(tmp_path: Path) -> None:
    unit = Unit("unite", {"LOINC:8480-6": "cmHg"}, "kPa")
    file = replace(FILE, practice=Text("site"), records=(replace(FILE.records[0], unit=unit),))
    text = (
        "id;date;valeur;site;unite\n1;2024-01-01;12;A;mmHg\n2;2024-01-01;12;;\n"
        "3;2024-01-01;12;A;[drop]\n4;2024-01-01;12;A;voir avec Mme Martin\n"
    )
    rows = read(tmp_path, text, file)
    assert [(row["practice"], row["unit"]) for row in rows] == [
        ("A", "mm[Hg]"), (None, "cm[Hg]"), ("A", "[drop]"), ("A", None),
    ]  # fmt: skip


# --- Files ------------------------------------------------------------------------------------------------

content = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff", exclude_categories=["Cs"]), max_size=8)


@at_most(50)
@given(notes=st.lists(content, max_size=12), end=st.sampled_from(["\n", "\r\n"]))
def test_lines_are_right_whatever_the_cells_hold(
    notes: list[str], end: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The line of each row, found anew by counting the ends of lines in what was written before it."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=";", lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["id", "note", "date", "valeur"])
    expected = {}
    for number, note in enumerate(notes):
        line = len(re.split(r"\r\n|\r|\n", buffer.getvalue()))
        expected[str(number)] = f"f.csv, line {line}"
        writer.writerow([str(number), note, "2024-01-01", "1"])
    found = read(tmp_path_factory.mktemp("lines"), buffer.getvalue())
    assert {row["patient"]: row["where"] for row in found} == expected


def test_lines_with_quoted_newlines_over_several_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "ROWS", 3)
    text = "id;note;date;valeur\n" + "".join(
        f'{n};"a{chr(10) * (n % 3)}b";2024-01-{n:02};{n}\n' + "\n" * (n % 2) for n in range(1, 20)
    )
    where, line = {}, 2
    for n in range(1, 20):
        where[str(n)] = f"f.csv, line {line}"
        line += 1 + n % 3 + n % 2
    assert {row["patient"]: row["where"] for row in read(tmp_path, text)} == where


def test_bad_rows_are_set_aside_with_their_line(tmp_path: Path) -> None:
    text = 'id;date;valeur\n1;2024-01-01;1\n2;2024-01-01\n3;2024-01-01;1;x\n4;"a"b;1\n\n5;2024-01-01;1\n'
    rows = read(tmp_path, text)
    assert [(row["where"], row["fault"]) for row in rows] == [
        ("f.csv, line 2", None), ("f.csv, line 7", None), ("f.csv, line 3", "wrong number of columns"),
        ("f.csv, line 4", "wrong number of columns"), ("f.csv, line 5", "malformed row"),
    ]  # fmt: skip


def test_encodings(tmp_path: Path) -> None:
    file = replace(FILE, only=(Condition("état", ("validé",)),))
    text = "id;date;valeur;état\n1;2024-01-01;1;validé\n2;2024-01-01;1;autre\n"
    for encoding, spelled in (
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("cp1252", "windows-1252"),
        ("latin-1", "latin-1"),
    ):
        with_encoding = replace(file, format=replace(FORM, encoding=spelled))
        assert [row["patient"] for row in read(tmp_path, text.encode(encoding), with_encoding)] == ["1"]


def test_a_wrong_encoding_is_seen(tmp_path: Path) -> None:
    file = replace(FILE, only=(Condition("état", ("validé",)),))
    text = "id;date;valeur;état\n1;2024-01-01;1;validé\n"
    cp1252 = replace(file, format=replace(FORM, encoding="cp1252"))
    assert "f.csv: is in UTF-8, and the mapping says cp1252" in faults_of(lambda: read(tmp_path, text.encode(), cp1252))
    assert "its header is not in utf-8" in faults_of(lambda: read(tmp_path, text.encode("cp1252"), file))
    assert "UTF-16" in faults_of(lambda: read(tmp_path, text.encode("utf-16"), file))
    plain = replace(file, only=(Condition("etat", ("validé",)),))
    (row,) = read(tmp_path, text.replace("é", "e", 1).encode("cp1252"), plain)
    assert row["fault"] == "text not in the declared encoding"  # and not: a row that is not "validé"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "column 'id' is missing"),
        (b"\0\0\0", "is not a text"),
        (b"id;date;valeur\n1;2024-01-01;1\n2;\"2024\n3;2024-01-01;1\n", "f.csv, line 3: a quotation mark"),
        (b"id;date;valeur\n" + b"x" * (1 << 21), "line 2 is longer than a million"),
        (b"x" * (1 << 21), "no header"),
        (b"id;date;date;valeur\n1;2;3;4\n", "column 'date' is there twice"),
    ],
)  # fmt: skip
def test_hostile_files(content: bytes, said: str, tmp_path: Path) -> None:
    assert said in faults_of(lambda: read(tmp_path, content))


def test_everything_wrong_with_the_files_is_said_at_once(tmp_path: Path) -> None:
    outside = tmp_path / "dehors.csv"
    outside.write_text("id;date;valeur\n")
    export = tmp_path / "export"
    export.mkdir()
    (export / "a1.csv").write_text("id;jour\n")
    (export / "oubli.csv").write_text("x\n")
    (export / "lien.csv").symlink_to(outside)
    (export / "p.parquet").write_bytes(b"PAR1")
    (export / ".cache").write_text("x")
    files = tuple(replace(FILE, name=name) for name in ("a*.csv", "absent.csv", "lien.csv", "p.parquet"))
    mapping = Mapping("m", (*files, replace(FILE, name="rare.csv", optional=True)))
    said = faults_of(lambda: rows_of(mapping, export))
    assert said.split("\n") == [
        "absent.csv is not there: add it, or call it optional in the mapping",
        "oubli.csv is in no part of the mapping: map it, or list it as ignored",
        "a*.csv: column 'date' is missing",
        "a*.csv: column 'valeur' is missing",
        "lien.csv is a link out of the folder: copy the file in",
        "p.parquet: is not a Parquet file, or is cut short: copy it again",
    ]
    with pytest.raises(FileNotFoundError):
        rows_of(mapping, tmp_path / "nulle-part")


def test_parquet(tmp_path: Path) -> None:
    moment = pa.timestamp("ms")
    table = pa.table(
        {
            "id": pa.array([1, 2, 3]),
            "date": pa.array([datetime(2024, 7, 1, 12), datetime(2024, 1, 1, 12), None], moment),
            "saisie": pa.array([datetime(2024, 7, 2, tzinfo=UTC)] * 3, pa.timestamp("us", "UTC")),
            "né": pa.array([date(2000, 1, 1)] * 3),
            "valeur": pa.array([1.5, None, 2]),
        }
    )
    pq.write_table(table, tmp_path / "f.parquet")
    file = replace(FILE, name="f.parquet", known_at=KnownAt(("saisie",)))
    born = Fact((Coding(constant="PRACTICE:birth"),), happened_at=("né",))
    rows = rows_of(Mapping("m", (replace(file, records=(*file.records, born)),)), tmp_path)
    names = ("patient", "happened_at", "known_at", "value", "fault", "where")
    assert [tuple(row[name] for name in names) for row in rows[:3]] == [
        ("1", datetime(2024, 7, 1, 10), datetime(2024, 7, 2), 1.5, None, "f.parquet, row 1"),
        ("2", datetime(2024, 1, 1, 11), datetime(2024, 7, 2), None, "no value", "f.parquet, row 2"),
        ("3", None, datetime(2024, 7, 2), 2, None, "f.parquet, row 3"),
    ]
    assert {row["happened_at"] for row in rows[3:]} == {datetime(2000, 1, 1)}
    pq.write_table(table.set_column(0, "id", pa.array([1.0, 2.0, 3.0])), tmp_path / "f.parquet")
    assert "column 'id' holds numbers with decimals" in faults_of(lambda: rows_of(Mapping("m", (file,)), tmp_path))
    pq.write_table(table.set_column(4, "valeur", pa.array([[1], [2], [3]])), tmp_path / "f.parquet")
    assert "column 'valeur' holds lists" in faults_of(lambda: rows_of(Mapping("m", (file,)), tmp_path))


def test_parquet_of_any_type(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": pa.array(["a", "b", "c"]).dictionary_encode(),
            "date": pa.array([1_720_000_000_123_456_789, 2**62, None], pa.timestamp("ns")),
            "valeur": pa.array([Decimal("12.50"), None, Decimal("-1")], pa.decimal128(10, 2)),
        }
    )
    pq.write_table(table, tmp_path / "f.parquet")
    file = replace(FILE, name="f.parquet", format=Format("UTC"))
    rows = rows_of(Mapping("m", (file,)), tmp_path)
    assert [(row["patient"], row["value"], row["happened_at"]) for row in rows] == [
        ("a", 12.5, datetime(2024, 7, 3, 9, 46, 40, 123_456)),
        ("b", None, datetime(2116, 2, 20, 23, 53, 38, 427_387)),
        ("c", -1, None),
    ]
    far = pa.array([300_000_000_000_000_000, 0, None], pa.timestamp("us"))
    pq.write_table(table.set_column(1, "date", far), tmp_path / "f.parquet")
    assert [row["fault"] for row in rows_of(Mapping("m", (file,)), tmp_path)] == [
        "date not understood",
        "no value",
        None,
    ]


@pytest.mark.slow
def test_the_same_rows_in_any_number_of_batches(example: Mapping, monkeypatch: pytest.MonkeyPatch) -> None:
    def ordered(rows: Iterable[dict[str, Any]]) -> list[str]:
        return sorted(map(repr, rows))

    whole = rows_of(example, EXAMPLES / "export")
    assert whole == rows_of(example, EXAMPLES / "export")
    monkeypatch.setattr(reader, "ROWS", 7)
    shares = [batch.read for batch in tables(example).batches(str(EXAMPLES / "export"), DELIVERED_AT)]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) > 20
    assert ordered(rows_of(example, EXAMPLES / "export")) == ordered(whole)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "ROWS", 8_192)
    peaks = []
    for many in (30_000, 120_000):
        file = tmp_path / str(many) / "f.csv"
        file.parent.mkdir()
        with file.open("w") as out:
            out.write("id;date;valeur\n")
            out.writelines(f"{n};01/0{n % 9 + 1}/2024;{n % 90 + 90}\n" for n in range(many))
        tracemalloc.start()
        rows = sum(len(b.table) for b in tables(Mapping("m", (FILE,))).batches(str(file.parent), DELIVERED_AT))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert rows == many
    assert peaks[1] < 1.2 * peaks[0]


# --- The mapping ------------------------------------------------------------------------------------------


def test_everything_wrong_with_a_mapping_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "codes.csv").write_text("entrée,code\nA,LOINC:8480-6\nB\nA,LOINC:8462-4\n", encoding="utf-8")
    (tmp_path / "m.toml").write_text(
        """
name = 3
"ignorés" = ["x"]
[default]
format = { time_zone = "Europe/Pari", decimal = "." }
practice = { constant = "cabinet" }
[[file]]
name = "a.csv"
patient = "nir"
happened_at = ["date", 4]
known_at = {}
format = { encoding = "ebcdic", dates = ["%d/%m/%y"] }
[[file.record]]
code = { column = "code", systeme = "CIM10" }
[[file.record]]
code = { column = "local", lookup = "codes.csv" }
value = true
[[file]]
name = "b.csv"
patient = "INS-NIR"
practice = { column = "nom_cabinet" }
happened_at = "date"
known_at = { days = -1 }
retracted = { among = ["annulé"] }
[[file.record]]
code = [{ constant = "LOINC:8480-7" }, { column = "c", system = "ICD" }, { column = "téléphone", system = "CIM10" }]
only = [{ column = "Prénom", among = "x" }]
unit = { constant = "kg" }
""",
        encoding="utf-8",
    )
    said = faults_of(lambda: read_mapping(tmp_path / "m.toml"))
    for fault in (
        "m.toml: name should be a text, and is a whole number",
        "m.toml: ignorés is not a key here: name, file, ignored",
        "m.toml: file[a.csv].format: time_zone: 'Europe/Pari' is no time zone",
        "m.toml: file[a.csv].format: encoding: 'ebcdic' is not one of",
        "m.toml: file[a.csv].format: dates: '%d/%m/%y' should be",
        "m.toml: file[b.csv].format: time_zone: 'Europe/Pari' is no time zone",
        "m.toml: file[b.csv]: patient: column 'INS-NIR' is named like a social-security number",
        "m.toml: file[b.csv].record[1]: unit: there is no value",
        "m.toml: file[a.csv].happened_at[2] should be a text, and is a whole number",
        "m.toml: file[a.csv].known_at: should have a column, or a number of days",
        "m.toml: file[a.csv].record[1].code.systeme is not a key here: column, system, lookup, constant",
        "m.toml: file[a.csv].record[1].code: a column of codes needs a system, or a lookup",
        "m.toml: file[a.csv].record[2].code.lookup: codes.csv, line 3 has not two columns",
        "m.toml: file[a.csv].record[2].code.lookup: codes.csv, line 4 says something else",
        "m.toml: file[a.csv].record[2].value should be a text, and is true or false",
        "m.toml: file[b.csv].practice: column 'nom_cabinet' is named like something that identifies people",
        "m.toml: file[b.csv].known_at: days: should be between",
        "m.toml: file[b.csv].retracted: should have a column and the texts",
        "m.toml: file[b.csv].record[1].code[1]: constant: '8480-7' is not a LOINC code",
        "m.toml: file[b.csv].record[1].code[2]: system: 'ICD' is not one of",
        "m.toml: file[b.csv].record[1].code[3]: column 'téléphone' is named like",
        "m.toml: file[b.csv].record[1].only[1]: column 'Prénom' is named like",
    ):
        assert fault in said
    assert len(said.split("\n")) == 22


def test_toml_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "m.toml"
    for content in (b"name = ", "name = 'é'".encode("cp1252"), b"a = " + b"[" * 100_000):
        file.write_bytes(content)
        assert "m.toml is not TOML in UTF-8" in faults_of(lambda: read_mapping(file))
    file.write_text("file = 3\nname = 'x'")
    assert "file should be a table" in faults_of(lambda: read_mapping(file))


@pytest.mark.parametrize(
    "column",
    ["nom", "NOM", "Nom patient", "nom_usage", "prénom", "Prenoms", "adresse", "adresse_postale", "Téléphone", "tel",
     "telPortable", "e-mail", "email", "Courriel", "nir", "NIR", "ins", "matricule_ins", "INS-NIR", "no_secu", "SSN",
     "numeroSecuriteSociale", "LAST NAME", "firstName", "Name", "address"],
)  # fmt: skip
def test_columns_that_identify_people_are_refused(column: str) -> None:
    for build in (
        lambda: Text(column),
        lambda: Coding(column, "SOURCE"),
        lambda: Unit(column),
        lambda: KnownAt((column,)),
        lambda: Condition(column, ("x",)),
        lambda: Retraction(column, ("x",)),
        lambda: Retraction(at=(column,)),
        lambda: replace(FILE.records[0], value=column),
        lambda: replace(FILE, happened_at=(column,)),
    ):
        assert "identifies people" in faults_of(build)


@pytest.mark.parametrize("column", ["nir", "INS", "Matricule INS", "num_secu", "numeroSecuriteSociale", "ssn"])
def test_a_social_security_number_is_not_even_the_patient(column: str) -> None:
    assert "social-security number" in faults_of(lambda: replace(FILE, patient=column))
    assert replace(FILE, patient="nom").patient == "nom"


@pytest.mark.parametrize(
    "column", ["nombre_cigarettes", "dénomination", "insuline", "nomenclature", "date", "id", "drug_name"]
)
def test_other_columns_are_not_taken_for_names(column: str) -> None:
    assert Text(column).column == column


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["name", "file", "record", "code", "column", "format", "known_at", "lookup", "x"]),
                inner,
            )
        ),
        max_leaves=30,
    )
)
def test_any_toml_gives_a_mapping_or_its_faults(raw: Any) -> None:  # fmt: skip
    reading = toml.Reading(Path("nowhere"))
    mapping = reading.typed(Mapping, raw, "")
    assert (mapping is None) == bool(reading.faults)


# --- Synthea's CSV export ---------------------------------------------------------------------------------

SYNTHEA = Format("UTC", delimiter=",", decimal=".")


def synthea_file(name: str, column: str, *records: Fact, **other: Any) -> File:
    start = other.pop("start", "START")
    return File(name, SYNTHEA, column, Text(constant="synthea"), (start,), KnownAt(days=0), records, **other)


def synthea_mapping() -> Mapping:
    numeric = Condition("TYPE", ("numeric",))
    office = ("ambulatory", "outpatient", "wellness")
    return Mapping(
        "Synthea",
        (
            synthea_file(
                "patients.csv",
                "Id",
                Fact((Coding(constant="PRACTICE:birth"),)),
                Fact((Coding("GENDER", lookup={"M": "PRACTICE:male", "F": "PRACTICE:female"}),)),
                Fact(
                    (Coding(constant="PRACTICE:death"),),
                    only=(Condition("DEATHDATE", not_among=("",)),),
                    happened_at=("DEATHDATE",),
                ),
                start="BIRTHDATE",
            ),
            synthea_file(
                "encounters.csv",
                "PATIENT",
                Fact((Coding(constant="PRACTICE:consultation"),), only=(Condition("ENCOUNTERCLASS", office),)),
                Fact(
                    (Coding("ENCOUNTERCLASS", "SOURCE", lookup={"inpatient": "PRACTICE:hospital_stay"}),),
                    only=(Condition("ENCOUNTERCLASS", not_among=office),),
                ),
            ),
            synthea_file("conditions.csv", "PATIENT", Fact((Coding("CODE", "SNOMED"),))),
            synthea_file("procedures.csv", "PATIENT", Fact((Coding("CODE", "SNOMED"),))),
            synthea_file("medications.csv", "PATIENT", Fact((Coding("CODE", "RXNORM"),))),
            synthea_file("immunizations.csv", "PATIENT", Fact((Coding("CODE", "CVX"),)), start="DATE"),
            synthea_file(
                "observations.csv",
                "PATIENT",
                Fact((Coding("CODE", "LOINC"),), "VALUE", Unit("UNITS"), only=(numeric,)),
                Fact((Coding("CODE", "LOINC"),), only=(Condition("TYPE", not_among=("numeric",)),)),
                start="DATE",
            ),
        ),
        ignored=(
            *("allergies.csv", "careplans.csv", "claims*.csv", "devices.csv", "imaging_studies.csv"),
            *("organizations.csv", "payer*.csv", "providers.csv", "supplies.csv"),
        ),
    )


@pytest.fixture(scope="module")
def synthea(shared: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthea")
    with zipfile.ZipFile(shared("data/csv_synthea/synthea_csv.zip")) as archive:
        for name in archive.namelist():
            if name.endswith(".csv") and "__MACOSX" not in name:
                (folder / Path(name).name).write_bytes(archive.read(name))
    return folder


def test_synthea_recounted(synthea: Path) -> None:
    rows = rows_of(synthea_mapping(), synthea)

    def raw(name: str) -> list[dict[str, str]]:
        with (synthea / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    patients = raw("patients")
    expected = Counter({"PRACTICE:birth": len(patients)})
    expected.update({"M": "PRACTICE:male", "F": "PRACTICE:female"}[patient["GENDER"]] for patient in patients)
    expected["PRACTICE:death"] = sum(bool(patient["DEATHDATE"]) for patient in patients)
    for encounter in raw("encounters"):
        kind = encounter["ENCOUNTERCLASS"]
        ours = dict.fromkeys(("ambulatory", "outpatient", "wellness"), "PRACTICE:consultation")
        ours["inpatient"] = "PRACTICE:hospital_stay"
        expected[ours.get(kind, f"SOURCE:{kind}")] += 1
    tables_of = {"conditions": "SNOMED", "procedures": "SNOMED", "medications": "RXNORM", "observations": "LOINC"}
    malformed: Counter[str] = Counter()
    for name, system in {**tables_of, "immunizations": "CVX"}.items():
        for row in raw(name):
            try:
                expected[str(SYSTEMS[system](row["CODE"]))] += 1
            except InvalidCode:
                malformed[f"{name}.csv"] += 1
    assert Counter(row["code"] for row in rows if row["code"]) == +expected
    found = Counter(row["where"].split(",")[0] for row in rows if row["fault"])
    assert found == malformed
    assert {row["fault"] for row in rows if row["fault"]} <= {"malformed code"}

    numbers = [row for row in raw("observations") if row["TYPE"] == "numeric"]
    assert sum(row["value"] or 0 for row in rows) == pytest.approx(sum(float(row["VALUE"]) for row in numbers))
    assert sum(row["value"] is not None for row in rows) == len(numbers)
    height = {(row["PATIENT"], row["DATE"]): float(row["VALUE"]) for row in numbers if row["CODE"] == "8302-2"}
    assert {
        (row["patient"], row["happened_at"].strftime("%Y-%m-%dT%H:%M:%SZ")): row["value"]
        for row in rows
        if row["code"] == "LOINC:8302-2"
    } == height
    assert {row["unit"] for row in rows if row["code"] == "LOINC:8302-2"} == {"cm"}


def test_synthea_becomes_records(synthea: Path, tmp_path: Path) -> None:
    records = Records.create(tmp_path, 2)
    source = tables(synthea_mapping())
    delivered = datetime(2030, 1, 1)
    taken = ingest(source, synthea, records, name="x", delivered_at=delivered, key=b"k" * 32).entry
    assert taken["about"]["read"] == taken["rows"] + sum(taken["refused"].values()) + sum(taken["quarantined"].values())
    assert sum(len(shard.patients) for shard in records) == 27

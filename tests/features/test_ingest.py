from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.ingest import ingest
from features.intake import InvalidRecords, is_identifier
from features.privacy import Objections, pseudonym
from features.records import Records
from features.sources.source import Batch, Source

KEY, OTHER = b"k" * 32, b"o" * 32
END = datetime(2024, 1, 1)


def batches(origin: str, delivered_at: datetime) -> Iterator[Batch]:
    """Read a CSV file of records, a batch a row."""
    if not Path(origin).exists():
        raise FileNotFoundError(f"{origin} is not there")
    frame = pd.read_csv(origin, dtype={"patient": str, "fault": str})
    for column in ("happened_at", "known_at"):
        frame[column] = pd.to_datetime(frame[column])
    frame["where"] = [f"line {n + 2}" for n in range(len(frame))]
    for n in range(len(frame)):
        row = pa.Table.from_pandas(frame.iloc[n : n + 1], preserve_index=False)
        yield Batch(row, (n + 1) / len(frame))


SOURCE = Source("made-up", "as the file says", batches)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    file = tmp_path / "export.csv"
    file.write_text(
        "patient,practice,happened_at,known_at,code\n"
        "17,cabinet,2020-01-01,2020-01-02,PRACTICE:consultation\n"
        "17,cabinet,2021-01-01,2021-01-02,CIM10:I10\n"
        "18,cabinet,2021-05-01,2021-05-02,CIM10:I10\n"
    )
    return file


def take_in(export: Path, store: Path, key: bytes | None = KEY, **options) -> tuple[Records, dict]:
    records = Records.create(store, 2)
    return records, ingest(SOURCE, export, records, name="x", delivered_at=END, key=key, **options).entry


def patients(records: Records) -> set[str]:
    return {p for shard in records for p in shard.patients}


def test_identifiers_never_reach_the_store(export, tmp_path):
    records, entry = take_in(export, tmp_path / "store")
    assert patients(records) == {pseudonym(p, KEY, "vigie/patient") for p in ("17", "18")}
    assert entry["about"] == {
        "source": "made-up", "known_at": "as the file says", "pseudonymised": True,
        "read": 3, "objected": 0, "not_read": {},
    }  # fmt: skip
    stored = b"".join(f.read_bytes() for f in (tmp_path / "store").rglob("*") if f.is_file())
    assert KEY not in stored
    assert b"cabinet" not in stored


def test_another_key_or_domain_makes_an_unlinkable_store(export, tmp_path):
    stores = [
        take_in(export, tmp_path / "a")[0],
        take_in(export, tmp_path / "b", OTHER)[0],
        take_in(export, tmp_path / "c", domain="other")[0],
    ]
    sets = [patients(records) for records in stores]
    assert len(set.union(*sets)) == 6


def test_those_who_object_are_left_at_the_door(export, tmp_path):
    objecting = pseudonym("17", KEY, "vigie/patient")
    records, entry = take_in(export, tmp_path / "store", objections=Objections.of([objecting]))
    assert patients(records) == {pseudonym("18", KEY, "vigie/patient")}
    assert entry["about"]["objected"] == 2


def test_pseudonyms_may_be_kept(export, tmp_path):
    assert patients(take_in(export, tmp_path / "store", None)[0]) == {"17", "18"}


def test_what_is_set_aside_is_counted_and_its_places_told(export, tmp_path):
    bad = [
        ",cabinet,2021-05-01,2021-05-02,CIM10:I10",
        ",cabinet,2021-05-01,2021-05-02,CIM10:I10",
        "19,cabinet,2021-05-01,2021-05-02,FOO:I10",
        "185057800608436,cabinet,2021-05-01,2021-05-02,CIM10:I10",
    ]
    export.write_text(export.read_text() + "\n".join(bad * 3))
    records = Records.create(tmp_path / "store", 2)
    taken = ingest(SOURCE, export, records, name="x", delivered_at=END, key=KEY)
    assert taken.entry["rows"] == 3
    assert taken.entry["about"]["read"] == 3 + 12
    assert taken.entry["refused"] == {
        "no patient": 6, "unknown or malformed code": 3, "looks like a social-security number": 3,
    }  # fmt: skip
    assert taken.places == {
        "no patient": ["line 5", "line 6", "line 9"],
        "unknown or malformed code": ["line 7", "line 11", "line 15"],
    }
    stored = pa.concat_tables(map(pq.read_table, (tmp_path / "store").rglob("set-aside-*.parquet")))
    assert "where" not in stored.column_names  # it may name a patient's file
    assert "185057800608436" not in str(stored.to_pydict())
    assert b"line" not in (tmp_path / "store" / Records.MANIFEST).read_bytes()


def test_what_the_reader_could_not_make_a_record_of_is_refused(export, tmp_path):
    lines = export.read_text().splitlines()
    export.write_text("\n".join([lines[0] + ",fault", *(f"{line}," for line in lines[1:]), "17,c,,,,no date"]) + "\n")
    taken = ingest(SOURCE, export, Records.create(tmp_path / "s"), name="x", delivered_at=END, key=KEY)
    assert taken.entry["refused"] == {"no date": 1}
    assert taken.places == {"no date": ["line 5"]}


def test_the_store_is_the_same_for_any_number_of_threads(export, tmp_path):
    digests = {take_in(export, tmp_path / str(n), workers=n)[0].digest for n in (1, 2, 5)}
    assert len(digests) == 1


def test_progress_tells_rows_patients_and_share(export, tmp_path):
    told: list[tuple[int, int, float]] = []
    take_in(export, tmp_path / "store", progress=lambda *said: told.append(said))
    assert [rows for rows, _, _ in told] == [1, 2, 3]
    assert told[-1][1:] == (2, 1.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 85 05 78 006 084 36", True),
        ("185057800608436", True),
        ("1850578006084", True),
        ("2 69 05 49 588 157 80", True),
        ("1550820A12345", False),
        ("155082A123456", True),
        ("185137800608436", False),  # no thirteenth month
        ("18505780060843", False),
        ("17", False),
        (None, False),
    ],
)
def test_a_social_security_number_is_told_from_other_numbers(text, expected):
    assert is_identifier(text) is expected


def test_nothing_to_read_leaves_the_store_as_it_was(export, tmp_path):
    records = Records.create(tmp_path / "store")
    with pytest.raises(FileNotFoundError, match="not there"):
        ingest(SOURCE, tmp_path / "no.csv", records, name="x", delivered_at=END, key=KEY)
    empty = Source("empty", "", lambda origin, day: iter(()))
    with pytest.raises(InvalidRecords, match="holds no record"):
        ingest(empty, export, records, name="x", delivered_at=END, key=KEY)
    assert Records.open(tmp_path / "store").deliveries == []
    assert {f.name for f in (tmp_path / "store").iterdir()} <= {"records.json", ".lock"}

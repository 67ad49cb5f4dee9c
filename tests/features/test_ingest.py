from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from features.ingest import Source, ingest
from features.intake import InvalidRecords
from features.privacy import Objections, pseudonym
from features.records import Records

KEY, OTHER = b"k" * 32, b"o" * 32
END = datetime(2024, 1, 1)


def tables(path: Path, delivered_at: datetime) -> Iterator[pa.Table]:
    frame = pd.read_csv(path, dtype={"patient": str})
    for column in ("happened_at", "known_at"):
        frame[column] = pd.to_datetime(frame[column])
    for patient in frame["patient"].unique():
        yield pa.Table.from_pandas(frame[frame["patient"] == patient], preserve_index=False)


SOURCE = Source("made-up", "as the file says", tables)


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
    return records, ingest(SOURCE, export, records, name="x", delivered_at=END, key=key, **options)


def patients(records: Records) -> set[str]:
    return {p for shard in records for p in shard.patients}


def test_identifiers_never_reach_the_store(export, tmp_path):
    records, entry = take_in(export, tmp_path / "store")
    assert patients(records) == {pseudonym(p, KEY, "vigie/patient") for p in ("17", "18")}
    assert entry["about"] == {
        "source": "made-up", "known_at": "as the file says", "pseudonymised": True, "read": 3, "objected": 0,
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


def test_a_missing_patient_is_refused_and_counted(export, tmp_path):
    export.write_text(export.read_text() + ",cabinet,2021-05-01,2021-05-02,CIM10:I10\n")

    def whole(path: Path, delivered_at: datetime) -> Iterator[pa.Table]:
        frame = pd.read_csv(path, dtype={"patient": str}, parse_dates=["happened_at", "known_at"])
        yield pa.Table.from_pandas(frame, preserve_index=False)

    records = Records.create(tmp_path / "store")
    entry = ingest(Source("w", "", whole), export, records, name="x", delivered_at=END, key=KEY)
    assert entry["refused"] == {"no patient": 1}


def test_nothing_to_read_leaves_the_store_as_it_was(export, tmp_path):
    records = Records.create(tmp_path / "store")
    with pytest.raises(FileNotFoundError, match="not there"):
        ingest(SOURCE, tmp_path / "no.csv", records, name="x", delivered_at=END, key=KEY)
    empty = Source("empty", "", lambda path, day: iter(()))
    with pytest.raises(InvalidRecords, match="holds no record"):
        ingest(empty, export, records, name="x", delivered_at=END, key=KEY)
    assert Records.open(tmp_path / "store").deliveries == []
    assert {f.name for f in (tmp_path / "store").iterdir()} <= {"records.json", ".lock"}

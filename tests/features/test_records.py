from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from features.catalogue.concepts import CONCEPTS
from features.codes import ATC, CIM10, InvalidCode
from features.records import InvalidRecords, Records, Shard, normalise

END = datetime(2024, 1, 1)


def frame(**columns):
    base = {
        "patient": ["b", "a", "a"],
        "practice": ["p", "p", "q"],
        "happened_at": ["2020-01-02", "2021-01-01", "2020-05-05"],
        "known_at": ["2020-01-03", "2021-01-01", "2020-05-05"],
        "code": ["LOINC:2093-3", "LOINC:8480-6", "PRACTICE:consultation"],
        "value": [200.0, 130.0, None],
        "unit": ["mg/dL", "mm[Hg]", None],
    }
    made = pd.DataFrame({**base, **columns})
    for column in ("happened_at", "known_at"):
        made[column] = pd.to_datetime(made[column])
    return made


def append(records, made, name="january"):
    return records.append(made, name=name, delivered_at=END, concepts=CONCEPTS)


def test_what_is_taken_in_is_read_back(tmp_path):
    records = Records.create(tmp_path / "store", shards=3)
    assert append(records, frame()) == {"rows": 3}
    again = Records.open(tmp_path / "store")
    assert again.digest == records.digest
    assert again.delivered_at == END
    shards = list(again)
    assert sorted(p for s in shards for p in s.patients) == ["a", "b"]
    values = np.concatenate([s.value for s in shards])
    assert set(values[~np.isnan(values)]) == {200 / 38.67, 130.0}
    assert len(shards[0].history("nobody").records) == 0


def test_deliveries_add_up_and_are_not_taken_in_twice(tmp_path):
    records = Records.create(tmp_path, shards=2)
    append(records, frame())
    before = records.digest
    append(records, frame(patient=["c", "c", "a"]), "february")
    assert records.digest != before
    assert sum(len(s.value) for s in records) == 6
    with pytest.raises(InvalidRecords, match="already in"):
        append(records, frame(), "february")


def test_all_faults_are_named_at_once_and_nothing_is_written(tmp_path):
    records = Records.create(tmp_path)
    bad = frame(
        patient=[None, "a", "a"],
        code=["LOINC:8480-6", "FOO:1", "CIM10:nonsense"],
        known_at=["2019-01-01", "2030-01-01", "2020-05-05"],
        value=[np.inf, 1.0, None],
    )
    with pytest.raises(InvalidRecords) as caught:
        append(records, bad)
    text = "\n".join(caught.value.faults)
    for fault in ("no patient", "before they happened", "after the delivery", "infinite", "FOO", "nonsense"):
        assert fault in text
    assert records.deliveries == []
    assert not list(tmp_path.glob("shard-*"))


def test_missing_and_unknown_columns_are_named(tmp_path):
    records = Records.create(tmp_path)
    with pytest.raises(InvalidRecords, match=r"'code' is missing(.|\n)*'extra' is not one of"):
        append(records, frame().drop(columns="code").assign(extra=1))


def test_a_value_is_converted_by_its_unit_and_quarantined_when_it_cannot_be_believed(tmp_path):
    made = frame(
        code=["LOINC:14647-2", "LOINC:8480-6", "LOINC:8480-6"],
        value=[2.0, 1300.0, 130.0],
        unit=["g/L", "mm[Hg]", None],
    )
    records = Records.create(tmp_path, shards=1)
    assert append(records, made) == {"rows": 1, "implausible": 1, "unit": 1}
    assert records.read(0).value.tolist() == [2.0 * (100 / 38.67)]
    quarantined = pd.read_parquet(tmp_path / "quarantine" / "delivery-000000.parquet")
    assert sorted(quarantined["fault"]) == ["implausible", "unit"]
    assert sorted(quarantined["value"]) == [130.0, 1300.0]


def test_one_record_is_normalised_as_a_table_is():
    assert normalise("LOINC:14647-2", 2.0, "g/L", CONCEPTS).value == 2.0 * (100 / 38.67)
    assert normalise("LOINC:8480-6", 1300.0, "mm[Hg]", CONCEPTS).fault == "implausible"
    assert normalise("LOINC:8480-6", 130.0, None, CONCEPTS).fault == "unit"
    assert normalise("CIM10:J45", 3.0, "x", CONCEPTS).value == 3.0


def test_an_altered_file_is_noticed(tmp_path):
    records = Records.create(tmp_path, shards=1)
    append(records, frame())
    file = next(tmp_path.glob("shard-*/*.parquet"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(ValueError, match="altered after it was taken in"):
        records.read(0)


def test_the_same_delivery_gives_the_same_bytes(tmp_path):
    for folder in ("one", "two"):
        append(Records.create(tmp_path / folder), frame().sample(frac=1, random_state=len(folder)))
    assert Records.open(tmp_path / "one").digest == Records.open(tmp_path / "two").digest


def test_a_store_is_neither_made_twice_nor_opened_before_it_is_made(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no records"):
        Records.open(tmp_path)
    Records.create(tmp_path)
    with pytest.raises(FileExistsError, match="already holds records"):
        Records.create(tmp_path)


def test_codes_have_the_form_of_their_system():
    assert str(CIM10("I210")) == "CIM10:I21.0"
    with pytest.raises(InvalidCode, match="ATC"):
        ATC("C10AAA")


def test_an_empty_shard_is_a_shard():
    empty = Shard.from_frame(frame().iloc[:0].assign(value=pd.Series(dtype=float)))
    assert empty.positions(np.array(["a"], dtype=object)).tolist() == [-1]

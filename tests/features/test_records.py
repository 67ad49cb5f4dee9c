from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.catalogue.concepts import CONCEPTS, SYSTOLIC_BP
from features.codes import ATC, CIM10, InvalidCode
from features.feature_set import FeatureSet
from features.intake import InvalidRecords, normalise
from features.language import latest
from features.privacy import Objections, pseudonym
from features.records import NEVER, Records, Shard, to_datetime

END = datetime(2024, 1, 1)
ROOT = Path(__file__).parents[2]


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


def append(records, made, name="january", delivered_at=END):
    return records.append(made, name=name, delivered_at=delivered_at, concepts=CONCEPTS)


def test_what_is_taken_in_is_read_back(tmp_path):
    records = Records.create(tmp_path / "store", shards=3)
    assert append(records, frame())["rows"] == 3
    again = Records.open(tmp_path / "store")
    assert again.digest == records.digest
    assert again.delivered_at == END
    shards = list(again)
    assert sorted(p for s in shards for p in s.patients) == ["a", "b"]
    values = np.concatenate([s.value for s in shards])
    assert set(values[~np.isnan(values)]) == {200 / 38.67, 130.0}
    assert len(shards[0].history("nobody").records) == 0


def test_deliveries_add_up(tmp_path):
    records = Records.create(tmp_path, shards=2)
    append(records, frame())
    before = records.digest
    append(records, frame(patient=["c", "c", "d"]), "february")
    assert records.digest != before
    assert sum(len(s.value) for s in records) == 6


def test_a_delivery_sent_again_changes_nothing(tmp_path):
    records = Records.create(tmp_path, shards=2)
    first = append(records, frame())
    before = records.digest
    assert append(records, frame()) == first
    assert records.digest == before
    with pytest.raises(InvalidRecords, match="with other content"):
        append(records, frame(value=[200.0, 131.0, None]))
    assert append(records, frame(), "january, again")["rows"] == 3  # under another name: the same facts, once each
    assert sum(len(s.value) for s in records) == 3


def test_a_bad_row_is_refused_with_its_reason_and_stops_nothing(tmp_path):
    bad = pd.concat(
        [
            frame(),
            frame(
                patient=[None, "a", " "],
                code=["LOINC:8480-6", "FOO:1", "PRACTICE:consultation"],
                known_at=["2020-01-02", "2021-01-01", "2020-05-05"],
            ),
            frame(patient=["1 85 05 78 006 084 36", "a", "a"], known_at=["2020-01-02", "2030-01-01", "2020-05-04"]),
            frame(value=[np.inf, 1.0, None], code=["LOINC:2093-3", "CIM10:nonsense", "SOURCE:1850578006084"]),
        ]
    )
    records = Records.create(tmp_path, shards=1)
    entry = append(records, bad)
    assert entry["rows"] == 3
    assert entry["refused"] == {
        "no patient": 2,
        "unknown or malformed code": 2,
        "looks like a social-security number": 2,
        "known after the delivery": 1,
        "known before it happened": 1,
        "infinite value": 1,
    }
    (aside,) = (tmp_path / "delivery-000000").glob("set-aside-*.parquet")
    assert len(pd.read_parquet(aside)) == 9


def test_a_delivery_of_bad_rows_only_never_touches_the_store(tmp_path):
    records = Records.create(tmp_path)
    with pytest.raises(InvalidRecords, match="3 rows: unknown or malformed code"):
        append(records, frame(code=["FOO:1", "bar", "CIM10:"]))
    assert records.deliveries == []
    assert not list(tmp_path.glob("delivery-*"))
    assert not list(tmp_path.glob(".incoming-*"))


def complete(records, made, name, delivered_at):
    with records.delivery(name=name, delivered_at=delivered_at, concepts=CONCEPTS, complete="omop") as delivery:
        delivery.add(made)
    return delivery.entry


def test_a_complete_delivery_takes_back_what_it_says_no_more(tmp_path):
    records = Records.create(tmp_path, shards=2)
    february, march = datetime(2024, 2, 1), datetime(2024, 3, 1)
    complete(records, frame(), "january", END)
    # a's pressure is corrected from 130 to 131; b has left, and is not in the export any more
    corrected = frame(value=[200.0, 131.0, None]).iloc[1:]
    entry = complete(records, corrected, "february", february)
    assert entry["taken_back"] == 1
    assert complete(records, corrected, "february", february) == entry  # sent again

    def facts(known: Records) -> dict:
        found = {}
        for shard in known:
            for row in range(len(shard.value)):
                key = shard.patients[shard.patient[row]], shard.codes[shard.code[row]], float(shard.value[row])
                found[key] = None if shard.retracted[row] == NEVER else to_datetime(shard.retracted[row])
        return {key: value for key, value in found.items() if key[1] == "LOINC:8480-6" or key[0] == "b"}

    cholesterol = ("b", "LOINC:2093-3", 200 / 38.67)
    now = {cholesterol: None, ("a", "LOINC:8480-6", 130.0): february, ("a", "LOINC:8480-6", 131.0): None}
    assert facts(records) == now
    assert facts(records.as_known(END)) == {cholesterol: None, ("a", "LOINC:8480-6", 130.0): None}
    with pytest.raises(InvalidRecords, match="come in order"):
        complete(records, frame(), "late", END)
    complete(records, frame().iloc[1:], "march", march)  # and back to 130: known anew from the day it is known
    assert facts(records)[("a", "LOINC:8480-6", 131.0)] == march


def test_a_complete_delivery_leaves_alone_what_others_said(tmp_path):
    records = Records.create(tmp_path, shards=2)
    append(records, frame(), "laboratory")
    complete(records, frame(), "january", END)
    assert complete(records, frame(value=[200.0, 131.0, None]), "february", datetime(2024, 2, 1))["taken_back"] == 0


def test_a_fact_sent_twice_is_known_from_the_first_time_on(tmp_path):
    records = Records.create(tmp_path, shards=1)
    append(records, frame(), delivered_at=END)
    late = frame(known_at=["2020-03-03", "2021-06-01", "2020-05-05"])
    append(records, late, "february", datetime(2024, 2, 1))
    shard = records.read(0)
    assert len(shard.known) == 3
    assert {str(to_datetime(k).date()) for k in shard.known} == {"2020-01-03", "2021-01-01", "2020-05-05"}


def test_a_fact_is_taken_back_and_asserted_anew_by_new_records(tmp_path):
    records = Records.create(tmp_path, shards=1)
    fact = frame().iloc[[1]]
    append(records, fact)
    for month, name in ((2, "taken back"), (4, "taken back again")):
        day = pd.Timestamp(2024, month, 1)
        append(records, fact.assign(retracted_at=day), name, day.to_pydatetime())
        if name == "taken back":
            append(records, fact.assign(known_at=pd.Timestamp(2024, 3, 1)), "anew", datetime(2024, 3, 1))
    history = records.read(0).history("a")
    pressure = FeatureSet("f", sbp=latest(SYSTOLIC_BP))
    at = {m: pressure.of_patient(history, datetime(2024, m, 15))["sbp"][0] for m in (1, 2, 3, 4)}
    assert {m: None if np.isnan(v) else v for m, v in at.items()} == {1: 130.0, 2: None, 3: 130.0, 4: None}
    assert [d["name"] for d in records.as_known(datetime(2024, 3, 15)).deliveries] == [
        "january",
        "taken back",
        "anew",
    ]
    then = records.as_known(datetime(2024, 1, 15)).read(0).history("a").records
    assert [r.retracted_at for r in then] == [None]


def test_a_retraction_of_what_was_never_sent_is_nothing(tmp_path):
    records = Records.create(tmp_path, shards=1)
    append(records, frame().iloc[[1]].assign(retracted_at=pd.Timestamp(2023, 1, 1)))
    assert len(records.read(0).value) == 0


def test_those_who_object_are_not_read(tmp_path):
    name = pseudonym("a", b"k" * 32, "test")
    append(Records.create(tmp_path, shards=1), frame(patient=["b", name, name]))
    everybody, others = Records.open(tmp_path), Records.open(tmp_path, Objections.of([name]))
    assert name in everybody.read(0).patients
    assert others.read(0).patients.tolist() == ["b"]
    assert everybody.digest != others.digest


KILLED = """
import os, signal, sys, threading, time
from datetime import datetime
from pathlib import Path
import numpy as np, pandas as pd
from features.catalogue.concepts import CONCEPTS, SYSTOLIC_BP
from features.records import Records
store, number, delay = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
n = 4000
frame = pd.DataFrame({"patient": [f"p{i % 500}" for i in range(n)], "practice": "p",
    "happened_at": pd.Timestamp(2020, 1, 1) + pd.to_timedelta(np.arange(n) + 10 * number, unit="h"),
    "code": "LOINC:8480-6", "value": 120.0, "unit": "mm[Hg]"})
frame["known_at"] = frame["happened_at"]
records = Records.open(store)
print("go", flush=True)
threading.Thread(target=lambda: (time.sleep(delay), os.kill(os.getpid(), signal.SIGKILL)), daemon=True).start()
with records.delivery(name=f"d{number}", delivered_at=datetime(2024, 1, 1), concepts=CONCEPTS) as delivery:
    for part in range(4):
        delivery.add(frame.iloc[part * 1000 : (part + 1) * 1000])
print("done", flush=True)
"""


@pytest.mark.slow
def test_a_process_killed_at_any_moment_leaves_the_store_as_before_or_after(tmp_path):
    store = tmp_path / "store"
    Records.create(store, shards=4)
    finished = 0
    for number, delay in enumerate(np.linspace(0.001, 0.12, 25)):
        before = Records.open(store)
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(store), str(number), str(delay)],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        after = Records.open(store)
        came = len(after.deliveries) - len(before.deliveries)
        assert came in (0, 1)
        assert came == 1 or "done" not in done.stdout
        assert sum(len(s.value) for s in after) == 4000 * len(after.deliveries)
        finished += came
    again = subprocess.run(
        [sys.executable, "-c", KILLED, str(store), "99", "60"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert "done" in again.stdout
    assert sum(len(s.value) for s in Records.open(store)) == 4000 * (finished + 1)
    assert finished < 25


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
    entry = append(records, made)
    assert (entry["rows"], entry["quarantined"]) == (1, {"implausible": 1, "unit": 1})
    assert records.read(0).value.tolist() == [2.0 * (100 / 38.67)]
    quarantined = pd.read_parquet(next((tmp_path / "delivery-000000").glob("set-aside-*.parquet")))
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
    file = next(tmp_path.glob("delivery-*/shard-*.parquet"))
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


def test_a_code_is_kept_as_its_system_writes_it(tmp_path):
    records = Records.create(tmp_path, shards=1)
    append(records, frame(code=["CIM10:I210", "CIM10:I21.0", "CIP13:3400936405707"], value=None, unit=None))
    assert set(records.read(0).codes) == {"CIM10:I21.0", "CIP13:3400936405707"}

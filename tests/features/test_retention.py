from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue.concepts import CONCEPTS
from features.check import LEFT_OVER, check
from features.privacy import Objections, pseudonym
from features.records import Records
from features.retention import Purge, purge
from tests.conftest import at_most

ROOT = Path(__file__).parents[2]
KEY = bytes(range(32))
BEFORE = datetime(2015, 1, 1)
DAY = datetime(2026, 3, 1)
LASTING = ("PRACTICE:birth", "PRACTICE:male", "PRACTICE:registered", "PRACTICE:left", "PRACTICE:death")
CODES = (*LASTING, "PRACTICE:death.cardiovascular", "PRACTICE:consultation", "LOINC:8480-6", "CIM10:I10")


def who(name):
    return pseudonym(name, KEY, "test/patient")


def frame(rows):
    made = pd.DataFrame(rows, columns=["patient", "happened_at", "code", "value", "unit"])
    made["patient"] = [who(name) for name in made["patient"]]
    made["practice"] = "p"
    made["happened_at"] = pd.to_datetime(made["happened_at"], format="ISO8601")
    return made.assign(known_at=made["happened_at"])


def a_store(path, shards=2):
    """Three deliveries: a patient long gone, one with old and new records, one who objects, rows set aside."""
    records = Records.create(path, shards)
    old_and_new = [
        ("present", "1950-05-05", "PRACTICE:birth", None, None),
        ("present", "2001-01-01", "PRACTICE:male", None, None),
        ("present", "2001-01-01", "PRACTICE:registered", None, None),
        ("present", "2005-01-01", "PRACTICE:left", None, None),
        ("present", "2002-02-02", "LOINC:8480-6", 130.0, "mm[Hg]"),
        ("gone", "1920-01-01", "PRACTICE:birth", None, None),
        ("gone", "2003-01-01", "PRACTICE:registered", None, None),
        ("gone", "2014-12-31T23:59:59", "PRACTICE:death", None, None),
        ("objects", "2003-01-01", "PRACTICE:registered", None, None),
        ("present", "2003-01-01", "LOINC:8480-6", 900.0, "mm[Hg]"),
    ]
    recent = [
        ("present", "2015-01-01", "LOINC:8480-6", 128.0, "mm[Hg]"),
        ("objects", "2020-01-01", "LOINC:8480-6", 140.0, "mm[Hg]"),
        ("objects", "2020-01-01", "LOINC:8480-6", 7.0, "bars"),
        ("present", "2020-01-01", "LOINC:8480-6", 7.0, "bars"),
    ]
    for name, day, rows in (
        ("old", "2015-06-01", old_and_new),
        ("again", "2016-06-01", old_and_new[4:6]),
        ("recent", "2021-01-01", recent),
    ):
        records.append(frame(rows), name=name, delivered_at=datetime.fromisoformat(day), concepts=CONCEPTS)
    return records


def on_disk(records):
    """Every row that any manifest names, and every row set aside, as plain tuples with where they are."""
    kept = [
        (entry["name"], Path(name).name, *row)
        for entry in records.deliveries
        for name in entry["files"]
        if "shard-" in name
        for row in pd.read_parquet(records.path / name).astype(object).itertuples(index=False)
    ]
    return [tuple(None if value is pd.NaT or value != value else value for value in row) for row in kept]


def facts(records):
    return [(patient, *shard.history(patient).records) for shard in records for patient in shard.patients]


def all_bytes(path):
    return b"".join(file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file())


def test_what_is_too_old_goes_and_what_lasts_stays(tmp_path):
    records = a_store(tmp_path / "store")
    before = records.digest
    found = purge(records, BEFORE, day=DAY)
    # Gone: one pressure, sent twice, and the four rows of who has left no other: birth twice, registration, death;
    # the objection of "objects" is not told to this purge: their registration is old but they have records.
    assert (found.rows, found.patients, found.erased_rows) == (2 + 4, 1, 0)
    assert found.set_aside == {"implausible": 1}
    assert records.digest != before
    assert check(records.path) == []
    history = next(fact for fact in facts(records) if fact[0] == who("present"))[1:]
    assert [(r.code, r.value) for r in history] == [
        ("PRACTICE:birth", None),
        ("PRACTICE:male", None),
        ("PRACTICE:registered", None),
        ("PRACTICE:left", None),
        ("LOINC:8480-6", 128.0),
    ]
    assert {fact[0] for fact in facts(records)} == {who("present"), who("objects")}
    assert who("gone").encode() not in all_bytes(records.path)


def test_who_objects_is_erased_wholly(tmp_path):
    records = a_store(tmp_path / "store")
    found = purge(records, None, objections=Objections.of([who("objects"), who("nobody")]), day=DAY)
    assert (found.rows, found.patients, found.erased_rows, found.erased_patients) == (0, 0, 2, 1)
    assert found.set_aside == {"unit": 1}
    assert check(records.path) == []
    rest = "".join(str(row) for file in records.path.rglob("*.parquet") for row in pd.read_parquet(file).to_numpy())
    assert who("objects") not in rest
    assert who("gone") in rest
    assert Records.open(records.path).digest == records.digest


def test_the_manifest_says_what_was_purged_and_never_who(tmp_path):
    records = a_store(tmp_path / "store")
    purge(records, BEFORE, objections=Objections.of([who("objects")]), day=DAY)
    text = (records.path / Records.MANIFEST).read_text(encoding="utf-8")
    (entry,) = json.loads(text)["purges"]
    assert entry["rule"].startswith("rows that happened before the day")
    del entry["rule"]
    assert entry == {
        "day": "2026-03-01T00:00:00",
        "before": "2015-01-01T00:00:00",
        "rows": 6,
        "patients": 1,
        "erased_rows": 2,
        "erased_patients": 1,
        "set_aside": {"implausible": 1, "unit": 1},
        "files": entry["files"],
    }
    assert not any(who(name) in text for name in ("present", "gone", "objects"))


def test_a_dry_run_counts_the_same_and_changes_nothing(tmp_path):
    records = a_store(tmp_path / "store")
    objections = Objections.of([who("objects")])
    before, digest = all_bytes(records.path), records.digest
    foreseen = purge(records, BEFORE, objections=objections, day=DAY, dry_run=True)
    assert (all_bytes(records.path), records.digest) == (before, digest)
    assert purge(records, BEFORE, objections=objections, day=DAY) == foreseen


def test_done_again_it_finds_nothing_and_writes_nothing(tmp_path):
    records = a_store(tmp_path / "store")
    purge(records, BEFORE, day=DAY)
    before = all_bytes(records.path)
    assert purge(records, BEFORE, day=DAY) == Purge(DAY, BEFORE)
    assert all_bytes(records.path) == before


def test_deliveries_and_purges_go_on_after_a_purge(tmp_path):
    records = a_store(tmp_path / "store")
    purge(records, datetime(2004, 1, 1), day=DAY)
    records.append(
        frame([("new", "2022-01-01", "PRACTICE:consultation", None, None)]),
        name="next",
        delivered_at=datetime(2022, 6, 1),
        concepts=CONCEPTS,
    )
    purge(records, BEFORE, day=DAY)
    purge(records, None, objections=Objections.of([who("new")]), day=DAY)
    assert check(records.path) == []
    assert [entry["rows"] for entry in records.deliveries] == [5, 0, 2, 0]
    assert len(json.loads((records.path / Records.MANIFEST).read_text())["purges"]) == 3


def test_the_past_is_as_known_less_what_was_purged(tmp_path):
    records = a_store(tmp_path / "store")
    then = datetime(2016, 1, 1)
    before = {fact[0]: fact[1:] for fact in facts(records.as_known(then))}
    purge(records, BEFORE, day=DAY)
    after = {fact[0]: fact[1:] for fact in facts(records.as_known(then))}
    assert set(after) == {who("present"), who("objects")}
    assert after[who("present")] == tuple(
        r for r in before[who("present")] if r.happened_at >= BEFORE or r.code in LASTING
    )


@pytest.mark.parametrize(
    ("before", "message"),
    [
        (datetime.fromisoformat("2015-01-01T00:00:00+00:00"), "time zone"),
        (datetime(2040, 1, 1), "after the latest delivery"),
    ],
)
def test_a_day_that_cannot_be_meant_is_refused(tmp_path, before, message):
    records = a_store(tmp_path / "store")
    with pytest.raises(ValueError, match=message):
        purge(records, before)


def test_a_store_that_was_altered_is_not_made_to_look_right(tmp_path):
    records = a_store(tmp_path / "store")
    names = [name for entry in records.deliveries for name in entry["files"]]
    for name in names[:2]:
        (records.path / name).write_bytes(b"nothing")
    before = all_bytes(records.path)
    with pytest.raises(ValueError, match=f"{names[0]}, {names[1]}"):
        purge(records, BEFORE)
    assert all_bytes(records.path) == before


def test_streams_of_complete_deliveries_go_on(tmp_path):
    """What was purged is not taken back by the next delivery; what it leaves out is."""
    records = Records.create(tmp_path / "store", shards=2)
    old = ("a", "2001-01-01", "CIM10:I10", None, None)
    kept, wrong = (("a", f"{year}-01-01", "PRACTICE:consultation", None, None) for year in (2018, 2019))
    for month, rows in ((1, [old, kept, wrong]), (2, [kept]), (3, [kept])):
        name, day = f"month {month}", datetime(2020, month, 1)
        with records.delivery(name=name, delivered_at=day, concepts=CONCEPTS, complete="monthly") as delivery:
            delivery.add(frame(rows))
        if month == 1:
            purge(records, BEFORE, day=DAY)
        assert check(records.path) == []
    assert [entry["taken_back"] for entry in records.deliveries] == [0, 1, 0]
    found = purge(records, datetime(2019, 6, 1), day=DAY)
    assert (found.rows, found.patients) == (5, 1), "three times kept, once wrong, once wrong taken back"
    assert [entry["taken_back"] for entry in records.deliveries] == [0, 0, 0]
    assert check(records.path) == []
    assert facts(records) == []


ROWS = st.lists(
    st.tuples(
        st.sampled_from("abcde"),
        st.integers(0, 7),  # which day: four before, four from then on
        st.sampled_from(CODES),
        st.integers(0, 2),  # which delivery
    ),
    max_size=40,
)
DAYS = (
    [f"{year}-06-01" for year in (2001, 2005, 2010, 2014)] + ["2015-01-01"] + [f"{y}-01-01" for y in (2016, 2017, 2018)]
)


@at_most(15)
@given(ROWS, st.sets(st.sampled_from("abcde")))
def test_exactly_the_rule_is_followed(tmp_path_factory, rows, objecting):
    """The rule written again in SQL, over the files as they were."""
    path = tmp_path_factory.mktemp("store")
    records = Records.create(path, shards=2)
    for number in range(3):
        made = [
            (name, DAYS[day], code, 120.0 if code.startswith("LOINC") else None, "mm[Hg]" if "LOINC" in code else None)
            for name, day, code, of in rows
            if of == number
        ]
        records.append(frame(made), name=str(number), delivered_at=datetime(2019, 1, 1 + number), concepts=CONCEPTS)
    rows_before = pd.DataFrame(on_disk(records), columns=["delivery", "file", *frame_columns()])
    wanted = duckdb.sql(
        """
        WITH recent AS (SELECT DISTINCT patient FROM rows_before WHERE happened_at >= TIMESTAMP '2015-01-01')
        SELECT * FROM rows_before
        WHERE patient NOT IN (SELECT unnest($objecting))
          AND (happened_at >= TIMESTAMP '2015-01-01' OR (patient IN (FROM recent) AND (
            code IN ('PRACTICE:birth', 'PRACTICE:male', 'PRACTICE:registered', 'PRACTICE:left')
            OR code LIKE 'PRACTICE:death%')))
        """,
        params={"objecting": [who(name) for name in objecting] or ["nobody"]},
    ).fetchall() if len(rows_before) else []  # fmt: skip
    purge(records, BEFORE, objections=Objections.of(who(name) for name in objecting), day=DAY)
    assert check(path) == []
    assert sorted(map(str, on_disk(records))) == sorted(map(str, as_plain(wanted)))


def frame_columns():
    return ["patient", "practice", "happened_at", "known_at", "code", "value", "unit", "retracted_at"]


def as_plain(rows):
    return [
        tuple(
            pd.Timestamp(value) if isinstance(value, datetime) else None if value != value else value for value in row
        )
        for row in rows
    ]


KILLER = """
import os, random, shutil, signal, sys, time
from datetime import datetime
from pathlib import Path
from features.records import Records
from features.retention import purge
from features.privacy import Objections

store, before, objecting, into = Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
WATCHED = ("open", "os.", "shutil.", "tempfile.", "fcntl.")

def run(copy, die_at):
    seen = 0
    def hook(event, arguments):
        nonlocal seen
        if event.startswith(WATCHED) and event not in ("os.listdir", "os.scandir"):
            seen += 1
            if seen == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
    records = Records.open(copy)
    sys.addaudithook(hook)
    purge(records, before, objections=Objections.of([objecting]), day=datetime(2026, 3, 1))

def child(copy, die_at, after=None):
    shutil.copytree(store, copy)
    process = os.fork()
    if process == 0:
        try:
            run(copy, die_at)
        finally:
            os._exit(0)
    if after is not None:
        time.sleep(after)
        os.kill(process, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(process, 0)[1])

# At every step that touches the file system, and then at random instants.
step, survived = 1, 0
while child(into / f"step-{step:04d}", step):
    step += 1
print(step - 1)
random.seed(0)
for number in range(12):
    child(into / f"moment-{number:04d}", 0, random.random() * 0.08)
"""


@pytest.mark.slow
def test_killed_at_any_instant_the_store_is_as_before_or_as_after(tmp_path):
    records = a_store(tmp_path / "store")
    objections = Objections.of([who("objects")])
    before = facts(records)
    done = subprocess.run(
        [sys.executable, "-c", KILLER, str(records.path), BEFORE.isoformat(), who("objects"), str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    purge(records, BEFORE, objections=objections, day=DAY)
    after, digest = facts(records), records.digest
    assert before != after
    copies = sorted(tmp_path.glob("step-*")) + sorted(tmp_path.glob("moment-*"))
    assert int(done.stdout) > 30, "the purge was killed at many steps"
    seen = set()
    for copy in copies:
        assert [fault for fault in check(copy) if not fault.startswith(LEFT_OVER)] == [], copy.name
        killed = Records.open(copy)
        found = facts(killed)
        assert found in (before, after), copy.name
        seen.add(found == after)
        purge(killed, BEFORE, objections=objections, day=DAY)
        assert check(copy) == [], copy.name
        assert killed.digest == digest
        assert not any(who(name).encode() in all_bytes(copy) for name in ("gone", "objects"))
    assert seen == {True, False}, "killed before it counted, and after"


def test_rows_are_kept_in_their_order(tmp_path):
    records = a_store(tmp_path / "store", shards=1)
    purge(records, BEFORE, day=DAY)
    for entry in records.deliveries:
        for name in entry["files"]:
            if "shard-" in name:
                patients = pd.read_parquet(records.path / name)["patient"].to_numpy()
                assert np.array_equal(patients, np.sort(patients))


def test_numbers_that_name_somebody_are_taken_out_of_what_was_set_aside(tmp_path):
    """The advice that `check` gives is right."""
    records = a_store(tmp_path / "store")
    entry = records.deliveries[2]
    name = next(name for name in entry["files"] if "set-aside" in name)
    aside = pq.read_table(records.path / name)
    named = pa.array(["185057800608436"] * len(aside))
    pq.write_table(aside.set_column(aside.column_names.index("unit"), "unit", named), records.path / name)
    entry["files"][name] = hashlib.sha256((records.path / name).read_bytes()).hexdigest()
    (records.path / Records.MANIFEST).write_text(json.dumps(records._manifest), encoding="utf-8")
    (fault,) = check(records.path)
    assert "2 rows set aside hold what looks like a social-security number: purge" in fault
    assert purge(records, None, day=DAY).set_aside == {"unit": 2}
    assert check(records.path) == []


def test_what_was_purged_does_not_come_back_with_the_next_delivery(tmp_path):
    records = a_store(tmp_path / "store")
    purge(records, BEFORE, day=DAY)
    rows = [
        ("present", "1950-05-05", "PRACTICE:birth", None, None),
        ("present", "2002-02-02", "LOINC:8480-6", 130.0, "mm[Hg]"),
        ("present", "2022-02-02", "LOINC:8480-6", 131.0, "mm[Hg]"),
    ]
    entry = records.append(frame(rows), name="whole", delivered_at=datetime(2026, 4, 1), concepts=CONCEPTS)
    assert entry["refused"] == {"older than the retention period": 1}
    assert entry["rows"] == 2
    assert check(records.path) == []

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import threading
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue.concepts import CONCEPTS
from features.check import LEFT_OVER, check
from features.intake import SCHEMA
from features.records import Records
from features.retention import purge
from features.synthetic import synthesise
from tests.conftest import at_most

NIR = "185057800608436"


def frame(patients, **columns):
    n = len(patients)
    made = pd.DataFrame(
        {
            "patient": patients,
            "practice": "p",
            "happened_at": pd.date_range("2020-01-01", periods=n, unit="us"),
            "code": "LOINC:8480-6",
            "value": 120.0 + np.arange(n),
            "unit": "mm[Hg]",
            **columns,
        }
    )
    return made.assign(known_at=made["happened_at"])


def fill(path, shards=2):
    """Two deliveries of a stream of complete ones, some rows set aside, some facts taken back."""
    records = Records.create(path, shards=shards)
    patients = [f"patient-{n % 9}" for n in range(40)]
    sent = [
        ("first", frame(patients, value=[900.0, *(121.0 + np.arange(39))], unit=["mm[Hg]", "bars", *["mm[Hg]"] * 38])),
        ("second", frame(patients).iloc[5:]),
    ]
    for month, (name, table) in enumerate(sent, start=1):
        day = datetime(2024, month, 1)
        with records.delivery(name=name, delivered_at=day, concepts=CONCEPTS, complete="monthly") as delivery:
            delivery.add(table)
    return records


@pytest.fixture(scope="module", autouse=True)
def few_rows_at_a_time():
    """A file of some rows is read in several steps, as one of millions is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("features.check.BATCH_ROWS", 8)
        yield


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "store"
    assert fill(path).deliveries[1]["taken_back"] == 3
    return path


@pytest.fixture(scope="module")
def of_one_shard(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("one") / "store", shards=1).path


@pytest.fixture(scope="module")
def facts(sound):
    return values(sound)


def values(store):
    return [shard.value.tobytes() for shard in Records.open(store)]


@pytest.fixture
def store(sound, tmp_path):
    shutil.copytree(sound, tmp_path / "store")
    return tmp_path / "store"


def manifest(store):
    return json.loads((store / Records.MANIFEST).read_text(encoding="utf-8"))


def write(store, changed):
    (store / Records.MANIFEST).write_text(json.dumps(changed), encoding="utf-8")


def names(store, beginning="delivery-000000/shard-", number=0):
    return [name for name in manifest(store)["deliveries"][number]["files"] if name.startswith(beginning)]


def sign(store, *files):
    """Have the manifest vouch for files as they are now: what is wrong is then inside them."""
    changed = manifest(store)
    for entry in changed["deliveries"]:
        for name in entry["files"]:
            if name in files:
                entry["files"][name] = hashlib.sha256((store / name).read_bytes()).hexdigest()
    write(store, changed)


def rewrite(store, change, name=None):
    name = name or names(store)[0]
    pq.write_table(change(pq.read_table(store / name)), store / name)
    sign(store, name)
    return name


def column(table, name, values):
    return table.set_column(table.column_names.index(name), name, pa.array(values, table.column(name).type))


def first_as(name, value):
    """Put a value into the first row; what is sorted by it then comes first too."""
    return lambda table: column(table, name, [value, *table.column(name).to_pylist()[1:]])


def swap(table):
    order = [1, 0, *range(2, len(table))]
    return table.take(order)


def test_a_sound_store_has_no_fault(store, tmp_path):
    told = []
    assert check(store, lambda done, of: told.append((done, of))) == []
    files = sum(len(entry["files"]) for entry in manifest(store)["deliveries"])
    assert told == [(n, files) for n in range(1, files + 1)]
    Records.create(tmp_path / "empty")
    assert check(tmp_path / "empty") == []


def test_a_sound_population_has_no_fault(tmp_path, monkeypatch):
    monkeypatch.setattr("features.check.BATCH_ROWS", 1000)
    assert check(synthesise(tmp_path / "synthetic", patients=20).path) == []


def test_a_folder_that_is_not_there_is_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError):
        check(tmp_path / "nowhere")
    (tmp_path / "bare").mkdir()
    assert check(tmp_path / "bare") == [
        "records.json: the manifest is missing: restore it from a backup, or ingest every delivery into a new store"
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not readable as JSON"),
        ("{", "not readable as JSON"),
        ("\udcff", "not readable as JSON"),
        ("[1]", "not a JSON object"),
        ("{}", "the format is not 1"),
        ('{"format": 2, "shards": 1, "deliveries": []}', "the format is not 1"),
        ('{"format": 1, "shards": 0, "deliveries": []}', "shards is not a number"),
        ('{"format": 1, "shards": true, "deliveries": []}', "shards is not a number"),
        ('{"format": 1, "shards": 1, "deliveries": {}}', "deliveries is not a list"),
        ('{"format": 1, "shards": 1, "deliveries": [3]}', "deliveries is not a list"),
        ('{"format": 1, "shards": 1, "deliveries": [], "purges": 1}', "purges is not a list"),
    ],
)
def test_an_odd_manifest_is_told(tmp_path, text, fault):
    (tmp_path / Records.MANIFEST).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert [fault in line for line in check(tmp_path)] == [True]


def test_every_fault_of_the_manifest_is_told_at_once(tmp_path):
    (tmp_path / Records.MANIFEST).write_text('{"format": 1, "shards": "many", "deliveries": 0}')
    assert len(check(tmp_path)) == 2


ODD = [None, "", 7, -1, "2026-01-01T00:00:00+02:00", {"reason": "many"}, ["a"]]
KEYS = ["name", "delivered_at", "rows", "refused", "quarantined", "taken_back", "first", "last", "about", "files"]
ALLOWED = [("name", ODD[4]), ("about", ODD[5])]


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key in KEYS for value in ODD if (key, value) not in ALLOWED]
)
@pytest.mark.slow
def test_an_odd_entry_is_told_and_its_files_are_not_strays(of_one_shard, tmp_path, key, value, monkeypatch):
    monkeypatch.setattr("features.check.BATCH_ROWS", 1000)
    store = tmp_path / "store"
    shutil.copytree(of_one_shard, store)
    changed = manifest(store)
    changed["deliveries"][0][key] = value
    write(store, changed)
    faults = check(store)
    assert any(line.startswith("records.json, delivery 1: ") and key in line for line in faults)
    assert key == "files" or len(faults) == 1


def missing_file(store):
    name = names(store)[0]
    (store / name).unlink()
    return [f"{name}: missing"]


def altered_file(store):
    name = names(store)[0]
    data = bytearray((store / name).read_bytes())
    data[len(data) // 2] ^= 1
    (store / name).write_bytes(data)
    return [f"{name}: altered since it was taken in"]


def not_parquet(store):
    name = names(store)[0]
    (store / name).write_bytes(b"PAR1 and nothing else PAR1")
    sign(store, name)
    return [f"{name}: not readable as Parquet"]


def cut_short(store):
    name = names(store)[0]
    (store / name).write_bytes((store / name).read_bytes()[:-20])
    sign(store, name)
    return [f"{name}: not readable as Parquet"]


def column_missing(store):
    return [f"{rewrite(store, lambda table: table.drop_columns('unit'))}: its columns are not"]


def wrong_type(store):
    def change(table):
        return table.set_column(5, "value", pc.cast(table.column("value"), pa.string()))

    return [f"{rewrite(store, change)}: its columns are not"]


def columns_in_another_order(store):
    return [f"{rewrite(store, lambda table: table.select(SCHEMA.names[::-1]))}: its columns are not"]


def out_of_order(store):
    name = rewrite(store, swap)
    return [f"{name}: 1 rows come before the row above them"]


def out_of_order_across_batches(store):
    """The last row of some that are looked at together, and the first of the next ones."""
    name = rewrite(store, lambda table: table.take([*range(7), 8, 7, *range(9, len(table))]))
    return [f"{name}: 1 rows come before the row above them"]


def wrong_shard(store):
    first, second, *_ = names(store)
    one, other = (store / first).read_bytes(), (store / second).read_bytes()
    (store / first).write_bytes(other)
    (store / second).write_bytes(one)
    sign(store, first, second)
    return [f"{first}: {pq.read_metadata(store / first).num_rows} rows are of patients of another shard", second]


def rows_lost(store):
    name = rewrite(store, lambda table: table.slice(0, len(table) - 1))
    return ["records.json, delivery 1: rows is 38, its files hold 37"] if name else []


def rows_twice(store):
    rewrite(store, lambda table: pa.concat_tables([table.slice(0, 1), table]))
    return ["records.json, delivery 1: rows is 38, its files hold 39"]


def rows_set_aside_lost(store):
    name = names(store, "delivery-000000/set-aside-")[0]
    rewrite(store, lambda table: table.filter(pc.equal(table.column("fault"), "unit")), name)
    return ["records.json, delivery 1: 1 rows set aside for 'implausible', its files hold 0"]


def taken_back_lost(store):
    name = next(name for name in names(store, "delivery-000001", 1) if name.endswith("taken-back.parquet"))
    rewrite(store, lambda table: table.slice(1), name)
    return ["records.json, delivery 2: taken_back is 3, its files hold 2"]


def span_changed(store):
    changed = manifest(store)
    changed["deliveries"][0]["last"] = "2020-02-01T00:00:00"
    write(store, changed)
    return ["records.json, delivery 1: first and last are not those of its rows"]


def known_after_delivery(store):
    late = datetime(2024, 1, 1) + timedelta(microseconds=1)
    name = rewrite(store, first_as("known_at", late))
    return [f"{name}: 1 rows should have been refused (known after the delivery)"]


def known_before_it_happened(store):
    name = rewrite(store, first_as("known_at", datetime(2019, 12, 31)))
    return [f"{name}: 1 rows should have been refused (known before it happened)"]


def unknown_code(store):
    name = rewrite(store, first_as("code", "MADEUP:1"))
    return [f"{name}: 1 rows should have been refused (unknown or malformed code)"]


def no_practice(store):
    name = rewrite(store, first_as("practice", None))
    return [f"{name}: 1 rows should have been refused (no practice)"]


def infinite(store):
    name = rewrite(store, first_as("value", float("inf")))
    return [f"{name}: 1 rows should have been refused (infinite value)"]


def not_a_number(store):
    name = rewrite(store, first_as("value", float("nan")))
    return [f"{name}: 1 rows have a value that is no number instead of none"]


def number_as_practice(store):
    name = rewrite(store, first_as("practice", "1 85 05 78 006 084 36"))
    return [f"{name}: 1 rows hold what looks like a social-security number"]


def number_as_unit(store):
    name = rewrite(store, first_as("unit", NIR))
    return [f"{name}: 1 rows hold what looks like a social-security number"]


def number_in_a_code(store):
    name = rewrite(store, first_as("code", f"SOURCE:{NIR}"))
    return [f"{name}: 1 rows hold what looks like a social-security number"]


def number_set_aside(store):
    name = names(store, "delivery-000000/set-aside-")[0]
    rewrite(store, first_as("patient", NIR), name)
    return [f"{name}: 1 rows set aside hold what looks like a social-security number"]


def set_aside_without_reasons(store):
    name = names(store, "delivery-000000/set-aside-")[0]
    rewrite(store, lambda table: table.drop_columns(["fault", "unit"]), name)
    return [f"{name}: column 'unit' is missing or not string; column 'fault' is missing or not string"]


def duplicated_name(store):
    changed = manifest(store)
    changed["deliveries"][1]["name"] = "first"
    write(store, changed)
    return ["records.json: deliveries 1, 2 have one name"]


def file_of_two_deliveries(store):
    changed = manifest(store)
    name = names(store)[0]
    changed["deliveries"][1]["files"][name] = changed["deliveries"][0]["files"][name]
    write(store, changed)
    return [f"{name}: named by 2 deliveries", "records.json, delivery 2: rows is 35", "delivery 2: first and last"]


def odd_file_name(store):
    name = names(store)[0]
    other = name.replace("shard-", "part-")
    (store / name).rename(store / other)
    changed = manifest(store)
    files = changed["deliveries"][0]["files"]
    files[other] = files.pop(name)
    write(store, changed)
    return [f"{other}: no name of a file of a store"]


def outside(store):
    name = names(store)[0]
    (store.parent / "elsewhere").mkdir()
    (store / name).rename(store.parent / "elsewhere" / (store / name).name)
    changed = manifest(store)
    files = changed["deliveries"][0]["files"]
    other = f"../elsewhere/{(store / name).name}"
    files[other] = files.pop(name)
    write(store, changed)
    return [f"{other}: no name of a file of a store"]


def shard_beyond(store):
    name = names(store)[0]
    other = name.replace("shard-0000-", "shard-0007-")
    (store / name).rename(store / other)
    changed = manifest(store)
    files = changed["deliveries"][0]["files"]
    files[other] = files.pop(name)
    write(store, changed)
    return [f"{other}: of shard 7 in a store of 2"]


def stray_in_a_delivery(store):
    (store / "delivery-000000" / "notes.txt").write_text("mine")
    return ["delivery-000000/notes.txt: named by no delivery"]


def stray_at_the_top(store):
    (store / "copy").mkdir()
    shutil.copy(store / names(store)[0], store / "copy")
    return [f"copy/{os.path.basename(names(store)[0])}: named by no delivery"]


def file_no_more_named(store):
    """A row of the manifest was lost: the counts say so as well."""
    changed = manifest(store)
    name = names(store)[0]
    del changed["deliveries"][0]["files"][name]
    write(store, changed)
    return [f"{name}: named by no delivery", "records.json, delivery 1: rows is 38", "delivery 1: first and last"]


def older_manifest(store):
    """A manifest from before two deliveries: that no single killed process explains."""
    changed = manifest(store)
    changed["deliveries"] = []
    (store / "delivery-000000").rename(store / "delivery-000002")
    write(store, changed)
    return [f"{file.relative_to(store).as_posix()}: named by no delivery" for file in sorted(store.rglob("*.parquet"))]


DAMAGES = [
    missing_file,
    altered_file,
    not_parquet,
    cut_short,
    column_missing,
    wrong_type,
    columns_in_another_order,
    out_of_order,
    out_of_order_across_batches,
    wrong_shard,
    rows_lost,
    rows_twice,
    rows_set_aside_lost,
    taken_back_lost,
    span_changed,
    known_after_delivery,
    known_before_it_happened,
    unknown_code,
    no_practice,
    infinite,
    not_a_number,
    number_as_practice,
    number_as_unit,
    number_in_a_code,
    number_set_aside,
    set_aside_without_reasons,
    duplicated_name,
    file_of_two_deliveries,
    odd_file_name,
    outside,
    shard_beyond,
    stray_in_a_delivery,
    stray_at_the_top,
    file_no_more_named,
    older_manifest,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_every_damage_is_told_with_its_file_and_what_to_do(store, damage):
    wanted = damage(store)
    faults = check(store)
    for line in wanted:
        assert any(line in fault for fault in faults), faults
    # What was damaged is told, and nothing else: a fault that explains others is told alone.
    unexplained = [fault for fault in faults if not any(line in fault for line in wanted)]
    allowed = {"older_manifest": 10, "rows_lost": 1, "rows_twice": 1}
    assert len(unexplained) <= allowed.get(damage.__name__, 0), unexplained
    assert all(fault.count(": ") >= 2 or fault.startswith(LEFT_OVER) for fault in faults), faults
    assert not any(NIR in fault or "patient-" in fault for fault in faults)


def test_everything_is_told_at_once(store):
    wanted = [
        *missing_file(store),
        *duplicated_name(store),
        *stray_in_a_delivery(store),
        *rows_set_aside_without_whole(store),
    ]
    faults = check(store)
    assert all(any(line in fault for fault in faults) for line in wanted), faults


def rows_set_aside_without_whole(store):
    name = names(store)[1]
    (store / name).write_bytes(b"")
    return [f"{name}: altered"]


def unfinished_manifest(store):
    (store / f".{Records.MANIFEST}").write_text('{"format"')
    return f".{Records.MANIFEST}"


def temporary_folder(store):
    (store / ".incoming-abc").mkdir()
    (store / ".incoming-abc" / "shard-0000-000000.parquet").write_bytes(b"half")
    return ".incoming-abc"


def folder_moved_in(store):
    shutil.copytree(store / "delivery-000001", store / "delivery-000002")
    return "delivery-000002"


def purge_moved_in(store):
    shutil.copytree(store / "delivery-000001", store / "purge-000001" / "delivery-000001")
    return "purge-000001"


def purged_file(store):
    name = names(store)[0]
    kept = (store / name).read_bytes()
    purge(Records.open(store), datetime(2020, 1, 20))
    (store / name).parent.mkdir(exist_ok=True)
    (store / name).write_bytes(kept)
    return name


@pytest.mark.parametrize("leave", [unfinished_manifest, temporary_folder, folder_moved_in, purge_moved_in, purged_file])
@pytest.mark.slow
def test_what_a_killed_process_left_is_told_apart_and_may_be_deleted(store, leave):
    left = leave(store)
    before = values(store)
    (line,) = check(store)
    assert line.startswith(f"{LEFT_OVER}{left}: ")
    assert line.endswith("delete it")
    shutil.rmtree(store / left) if (store / left).is_dir() else (store / left).unlink()
    assert check(store) == []
    assert values(store) == before


def test_a_delivery_under_way_is_waited_for(store):
    with (store / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = []
        checking = threading.Thread(target=lambda: found.append(check(store)))
        checking.start()
        checking.join(0.2)
        assert checking.is_alive()
        assert found == []
    checking.join(20)
    assert found == [[]]


def test_a_copy_on_a_read_only_disk_can_be_checked(store):
    (store / ".lock").unlink()
    for item in (store, *store.rglob("*")):
        item.chmod(0o555 if item.is_dir() else 0o444)
    try:
        assert check(store) == []
        assert not (store / ".lock").exists()
    finally:
        for item in (store, *store.rglob("*")):
            item.chmod(0o755 if item.is_dir() else 0o644)


@at_most(40)
@given(st.data())
def test_a_changed_byte_of_a_data_file_is_always_found(sound, data):
    name = data.draw(st.sampled_from([n for entry in manifest(sound)["deliveries"] for n in entry["files"]]))
    kept = (sound / name).read_bytes()
    place = data.draw(st.integers(0, len(kept) - 1))
    changed = bytearray(kept)
    changed[place] ^= data.draw(st.integers(1, 255))
    (sound / name).write_bytes(changed)
    try:
        (fault,) = check(sound)
    finally:
        (sound / name).write_bytes(kept)
    assert fault.startswith(f"{name}: altered")


@at_most(20)
@given(st.data())
def test_bytes_that_are_vouched_for_never_break_the_check(sound, data):
    """Whoever changes the digest too may make rows that are well formed; that must not stop the check."""
    before = (sound / Records.MANIFEST).read_bytes()
    name = data.draw(st.sampled_from(names(sound)))
    kept = (sound / name).read_bytes()
    changed = bytearray(kept)
    for place in data.draw(st.lists(st.integers(0, len(kept) - 1), min_size=1, max_size=3)):
        changed[place] ^= data.draw(st.integers(1, 255))
    (sound / name).write_bytes(changed)
    sign(sound, name)
    try:
        faults = check(sound)
        if faults == []:
            assert sum(len(shard.value) for shard in Records.open(sound)) > 0
    finally:
        (sound / name).write_bytes(kept)
        (sound / Records.MANIFEST).write_bytes(before)


@at_most(60)
@given(st.data())
def test_a_changed_byte_of_the_manifest_is_found_or_changes_no_fact(sound, facts, data):
    kept = (sound / Records.MANIFEST).read_bytes()
    changed = bytearray(kept)
    changed[data.draw(st.integers(0, len(kept) - 1))] ^= data.draw(st.integers(1, 255))
    (sound / Records.MANIFEST).write_bytes(changed)
    try:
        faults = check(sound)
        if faults == []:
            assert values(sound) == facts
    finally:
        (sound / Records.MANIFEST).write_bytes(kept)

"""The store gives what computing anew gives, computes only what may have moved, and notices every other thing."""

from __future__ import annotations

import multiprocessing
import random
import signal
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from features import store as module
from features.build import build, describe, feature_set, feature_sets, index_at, read_index
from features.catalogue.concepts import CONSULTATION, DIABETES, SMOKING_STATUS, SYSTOLIC_BP
from features.feature_set import FeatureSet
from features.intake import COLUMNS
from features.language import count, exists, latest, slope, years
from features.privacy import Objections
from features.records import AlteredRecords, Record, Records
from features.store import FeatureStore, StaleFeatures, compute
from tests.conftest import at_most
from tests.generative.strategies import MOMENTS, records

ROOT = Path(__file__).parents[2]
END = datetime(2030, 1, 1)
FEATURES = FeatureSet(
    "small",
    systolic=latest(SYSTOLIC_BP),
    rising=slope(SYSTOLIC_BP, within=years(5)),
    visits=count(CONSULTATION, within=years(2)),
    smoking=latest(SMOKING_STATUS),
    diabetes=exists(DIABETES),
)
PEOPLE = [f"{n:032x}" for n in range(40)]


def row(patient: str, record: Record) -> tuple[object, ...]:
    return (patient, "p", record.happened_at, record.known_at, record.code, record.value, None, record.retracted_at)


def deliver(store: Records, rows: Iterable[tuple[object, ...]]) -> dict[str, object]:
    frame = pd.DataFrame(list(rows), columns=list(COLUMNS)).astype({"value": float})
    for column in ("happened_at", "known_at", "retracted_at"):
        frame[column] = frame[column].astype("datetime64[us]")
    name = f"delivery {len(store.deliveries)}"
    entry = store.append(
        frame, name=name, delivered_at=END, concepts=()
    )  # without concepts values are kept as they are
    assert entry["rows"] == len(frame)
    return entry


def some(seed: int, people: Iterable[str] = PEOPLE, each: int = 12) -> list[tuple[object, ...]]:
    """Rows of a small population; every category, values and late letters among them."""
    draw = random.Random(seed)
    codes = ("LOINC:8480-6", "PRACTICE:consultation", "LOINC:LA18978-9", "LOINC:LA18976-3", "CIM10:E11.9")
    rows = []
    for patient in people:
        for _ in range(each):
            happened = datetime(2010, 1, 1) + timedelta(days=draw.randrange(5000))
            known = happened + timedelta(days=draw.choice([0, 0, 3, 400]))
            rows.append(row(patient, Record(happened, known, draw.choice(codes), draw.choice([120.0, 131.5, None]))))
    return rows


def index(*dates: datetime, people: Iterable[str] = PEOPLE) -> pd.DataFrame:
    rows = [(patient, date) for patient in people for date in dates]
    return pd.DataFrame(rows, columns=["patient", "as_of"]).astype({"patient": "str", "as_of": "datetime64[us]"})


@pytest.fixture
def made(tmp_path: Path) -> Records:
    made = Records.create(tmp_path / "records", shards=4)
    deliver(made, some(0))
    return made


LANDMARKS = (datetime(2014, 1, 1), datetime(2018, 1, 1), datetime(2022, 1, 1))


def test_a_frame_is_computed_once_and_is_what_computing_gives(tmp_path, made):
    store, asked = FeatureStore(tmp_path / "store", made), index(*LANDMARKS)
    assert store.materialise(FEATURES, asked).computed == 120
    assert store.materialise(FEATURES, asked).computed == 0
    expected = compute(FEATURES, made, asked)
    pd.testing.assert_frame_equal(store.frame(FEATURES, asked), expected)
    for position in range(0, 120, 7):  # and what the other evaluator gives for each of three landmarks
        patient, as_of = asked.loc[position, "patient"], asked.loc[position, "as_of"]
        histories = (made.read(n).history(patient) for n in made.shards)
        alone = FEATURES.of_patient(next(h for h in histories if h.records), as_of.to_pydatetime())
        pd.testing.assert_frame_equal(expected.iloc[[position]].reset_index(drop=True), alone)
    assert expected["rising"].notna().any()
    assert expected["smoking"].nunique() == 2


def test_the_index_is_of_the_request_in_any_order_and_as_often(tmp_path, made):
    store, asked = FeatureStore(tmp_path / "store", made), index(*LANDMARKS)
    whole = store.frame(FEATURES, asked)
    again = pd.concat([asked, asked.iloc[:7]]).sample(frac=1, random_state=0)
    assert store.materialise(FEATURES, again).computed == 0
    found = store.frame(FEATURES, again)
    assert found.index.equals(again.index)
    pd.testing.assert_frame_equal(found, whole.loc[again.index])
    labels = asked.set_axis(pd.Index([f"row {n}" for n in range(120)], name="label"))
    pd.testing.assert_index_equal(store.frame(FEATURES, labels).index, labels.index)
    nobody = store.frame(FEATURES, asked.iloc[:0])
    assert len(nobody) == 0
    assert nobody.dtypes.equals(whole.dtypes)


@pytest.mark.parametrize("kind", ["datetime64[s]", "datetime64[ns]", "timestamp[us][pyarrow]", "object"])
def test_moments_are_the_same_in_every_kind_of_column(made, kind):
    asked = index(*LANDMARKS)
    pd.testing.assert_frame_equal(
        compute(FEATURES, made, asked.astype({"as_of": kind})), compute(FEATURES, made, asked)
    )


def test_an_empty_index_has_an_empty_frame(tmp_path, made):
    nothing = FeatureStore(tmp_path / "store", made).frame(FEATURES, pd.DataFrame({"patient": [], "as_of": []}))
    assert nothing.shape == (0, len(FEATURES))


def test_frames_are_as_scikit_learn_wants_them(tmp_path, made):
    frame = FeatureStore(tmp_path / "store", made).frame(FEATURES, index(*LANDMARKS))
    assert frame.columns.tolist() == list(FEATURES)
    assert frame.dtypes.drop("smoking").eq(np.float64).all()
    assert frame["smoking"].cat.categories.tolist() == list(SMOKING_STATUS.category_names)
    ready = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["systolic", "visits"]),
            ("states", OneHotEncoder(sparse_output=False), ["smoking"]),
        ],
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    out = ready.fit_transform(frame)
    assert ready.feature_names_in_.tolist() == list(FEATURES)
    assert out.index.equals(frame.index)
    assert {"systolic", "visits", "smoking_current"} <= set(out)


def test_arrow_and_parquet_say_the_same(tmp_path, made):
    store, asked = FeatureStore(tmp_path / "store", made), index(*LANDMARKS).sample(frac=1, random_state=0)
    frame = store.frame(FEATURES, asked)
    table = store.table(FEATURES, asked)
    assert table.column_names == ["patient", "as_of", *FEATURES]
    assert table.column("systolic").null_count == frame["systolic"].isna().sum() > 0  # missing is null, not NaN
    pd.testing.assert_frame_equal(table.to_pandas().drop(columns=["patient", "as_of"]), frame.reset_index(drop=True))
    told = []
    took = store.write(FEATURES, asked, tmp_path / "out.parquet", lambda *numbers: told.append(numbers))
    assert (took.rows, took.computed, told) == (120, 0, [])
    assert pq.ParquetFile(tmp_path / "out.parquet").num_row_groups == 4  # one shard in memory at a time
    written = pq.read_table(tmp_path / "out.parquet").to_pandas().set_index(["patient", "as_of"])
    assert not written.index.has_duplicates
    pd.testing.assert_frame_equal(
        written.loc[pd.MultiIndex.from_frame(asked)], table.to_pandas().set_index(["patient", "as_of"])
    )
    first = (tmp_path / "out.parquet").read_bytes()
    FeatureStore(tmp_path / "other", made).write(FEATURES, asked, tmp_path / "out.parquet")
    assert (tmp_path / "out.parquet").read_bytes() == first
    assert [p.name for p in tmp_path.glob(".unfinished-*")] == []


def test_progress_says_how_many_shards_of_how_many(tmp_path, made):
    store, told = FeatureStore(tmp_path / "store", made), []
    store.materialise(FEATURES, index(*LANDMARKS), lambda *numbers: told.append(numbers))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    told.clear()
    next((tmp_path / "store").glob("*/0002-*")).unlink()
    store.frame(FEATURES, index(*LANDMARKS), lambda *numbers: told.append(numbers))
    assert told == [(4, 4)]


# --- New deliveries -----------------------------------------------------------------------------------------


def test_a_delivery_costs_only_the_rows_it_may_have_moved(tmp_path, made):
    store, asked = FeatureStore(tmp_path / "store", made), index(*LANDMARKS)
    store.materialise(FEATURES, asked)
    new = Record(datetime(2016, 5, 5), datetime(2016, 6, 6), "LOINC:8480-6", 99.0)
    deliver(made, [row(PEOPLE[3], new)])
    assert store.materialise(FEATURES, asked).computed == 2  # one patient, the two landmarks after it was known
    pd.testing.assert_frame_equal(store.frame(FEATURES, asked), compute(FEATURES, made, asked))
    deliver(made, [row(PEOPLE[3], Record(**{**as_dict(new), "retracted_at": datetime(2020, 1, 1)}))])
    assert store.materialise(FEATURES, asked).computed == 1  # taken back between the second landmark and the third
    deliver(made, [row(patient, Record(END, END, "CIM10:E11.9")) for patient in PEOPLE])
    assert store.materialise(FEATURES, asked).computed == 0  # the future of every landmark moves nothing
    more = index(*LANDMARKS, datetime(2024, 1, 1))
    assert store.materialise(FEATURES, more).computed == 40  # rows that were not asked for before, and no other
    pd.testing.assert_frame_equal(store.frame(FEATURES, more), compute(FEATURES, made, more))
    then = Records(made.path, {**made._manifest, "deliveries": made.deliveries[:1]})
    fresh = FeatureStore(tmp_path / "store", then)  # the store of an earlier day is its own, and still there
    assert fresh.materialise(FEATURES, asked).computed == 0
    pd.testing.assert_frame_equal(fresh.frame(FEATURES, asked), compute(FEATURES, then, asked))


def as_dict(record: Record) -> dict[str, object]:
    return {name: getattr(record, name) for name in ("happened_at", "known_at", "code", "value")}


def test_parts_of_other_landmarks_are_not_read(tmp_path, made, monkeypatch):
    store, read, opened = FeatureStore(tmp_path / "store", made), module._PartMaker._open, []
    monkeypatch.setattr(module._PartMaker, "_open", lambda maker, file: opened.append(file) or read(maker, file))
    for number, date in enumerate(LANDMARKS):
        assert store.materialise(FEATURES, index(date)).computed == 40
        assert len(parts(tmp_path)) == 4 * (number + 1)
    assert not opened
    assert store.materialise(FEATURES, index(*LANDMARKS[:2])).computed == 40  # the rows of one part, and the others'
    assert len(opened) == 2 * 4
    deliver(made, [row(PEOPLE[0], Record(LANDMARKS[1], LANDMARKS[1], "LOINC:8480-6", 150.0))])
    assert store.materialise(FEATURES, index(LANDMARKS[2])).computed == 1


def test_what_later_deliveries_moved_is_not_taken_for_the_past(tmp_path, made):
    deliver(made, [row(PEOPLE[3], Record(datetime(2016, 5, 5), datetime(2016, 6, 6), "LOINC:8480-6", 99.0))])
    asked = index(*LANDMARKS)
    FeatureStore(tmp_path / "store", made).materialise(FEATURES, asked)
    then = Records(made.path, {**made._manifest, "deliveries": made.deliveries[:1]})
    earlier = FeatureStore(tmp_path / "store", then)
    frame = earlier.frame(FEATURES, asked)
    pd.testing.assert_frame_equal(frame, compute(FEATURES, then, asked))
    assert not frame.equals(compute(FEATURES, made, asked))


@st.composite
def sent(draw: st.DrawFn) -> list[list[tuple[object, ...]]]:
    """Two to four deliveries about three patients, who are in the first; records are taken back and sent again."""
    people = PEOPLE[:3]
    facts = draw(st.lists(st.tuples(st.sampled_from(people), records()), min_size=1, max_size=14))
    deliveries: list[list[tuple[object, ...]]] = [[] for _ in range(draw(st.integers(2, 4)))]
    which = st.integers(0, len(deliveries) - 1)
    for patient, record in facts:
        asserted = Record(**as_dict(record))
        deliveries[draw(which)].append(row(patient, asserted))
        if record.retracted_at:
            deliveries[draw(which)].append(row(patient, record))
        if draw(st.booleans()):
            again = {**as_dict(record), "known_at": max(record.happened_at, draw(MOMENTS))}
            deliveries[draw(which)].append(row(patient, Record(**again)))
    beginning = Record(datetime(1950, 1, 1), datetime(1950, 1, 1), "PRACTICE:consultation")
    deliveries[0] += [row(patient, beginning) for patient in people]
    return [rows for rows in deliveries if rows]


def moved(rows: list[tuple[object, ...]], patient: str, as_of: datetime) -> bool:
    """Say from the source itself whether a delivery has to do with a row."""
    return any(who == patient and happened < as_of and (taken_back or known) < as_of
               for who, _, happened, known, _, _, _, taken_back in rows)  # fmt: skip


@pytest.mark.slow
@at_most(30, suppress_health_check=[HealthCheck.too_slow])
@given(sent(), st.lists(st.tuples(st.sampled_from(PEOPLE[:3]), MOMENTS), min_size=1, max_size=8, unique=True))
def test_what_is_brought_up_to_date_is_what_is_computed_anew(deliveries, rows):
    asked = pd.DataFrame(rows, columns=["patient", "as_of"]).astype({"patient": "str", "as_of": "datetime64[us]"})
    with TemporaryDirectory() as folder:
        made = Records.create(Path(folder) / "records", shards=2)
        store = FeatureStore(Path(folder) / "store", made)
        for number, delivery in enumerate(deliveries):
            deliver(made, delivery)
            computed = store.materialise(FEATURES, asked).computed
            assert computed == sum(number == 0 or moved(delivery, *pair) for pair in rows)
            pd.testing.assert_frame_equal(store.frame(FEATURES, asked), compute(FEATURES, made, asked))


def test_an_objection_takes_the_person_out_and_costs_their_shard_alone(tmp_path, made):
    asked = index(*LANDMARKS)
    FeatureStore(tmp_path / "store", made).materialise(FEATURES, asked)
    others = Records.open(made.path, Objections.of([PEOPLE[0]]))
    store = FeatureStore(tmp_path / "store", others)
    with pytest.raises(ValueError, match=r"^3 rows of the index are about patients who have no record here"):
        store.frame(FEATURES, asked)
    left = asked[asked["patient"] != PEOPLE[0]]
    (shard,) = (n for n in made.shards if PEOPLE[0] in made.read(n).patients)
    assert store.materialise(FEATURES, left).computed == 3 * len(others.read(shard).patients)
    pd.testing.assert_frame_equal(store.frame(FEATURES, left), compute(FEATURES, others, left))
    store.prune()
    assert not any(PEOPLE[0].encode() in str(part.to_pydict()).encode() for part in map(pq.read_table, parts(tmp_path)))
    assert store.materialise(FEATURES, left).computed == 0


def parts(folder: Path) -> list[Path]:
    return sorted((folder / "store").glob("*/*.parquet"))


# --- What is not what it says -------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [331, pytest.param(41, marks=pytest.mark.slow)])
def test_every_damaged_byte_is_noticed(tmp_path, made, step):
    asked = index(LANDMARKS[0], people=PEOPLE[:2])
    store = FeatureStore(tmp_path / "store", made)
    store.materialise(FEATURES, asked)
    file = parts(tmp_path)[0]
    data = file.read_bytes()
    for position in range(0, len(data), step):
        file.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        with pytest.raises(StaleFeatures, match=r"0\d{3}-.*damaged.*delete it"):
            store.frame(FEATURES, asked)
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(StaleFeatures, match="damaged"):
        store.frame(FEATURES, asked)
    file.write_bytes(data)
    store.frame(FEATURES, asked)


def test_a_part_under_the_name_of_another_is_noticed(tmp_path, made):
    store = FeatureStore(tmp_path / "store", made)
    store.materialise(FEATURES, index(LANDMARKS[0]))
    old = parts(tmp_path)
    store.materialise(FEATURES, index(LANDMARKS[1]))
    first = old[0]
    second = next(p for p in parts(tmp_path) if p not in old and p.name[:5] == first.name[:5])
    content = first.name[-40:]
    second.rename(second.with_name(second.name[:-40] + content)).write_bytes(first.read_bytes())
    with pytest.raises(StaleFeatures, match="other features, records or rows than its name says: delete it"):
        store.frame(FEATURES, index(LANDMARKS[1]))
    other = FEATURES.only("visits")
    store.materialise(other, index(LANDMARKS[0]))
    mine = next(p for p in parts(tmp_path) if p.parent != first.parent and p.name[:5] == first.name[:5])
    mine.unlink()
    (mine.parent / first.name).write_bytes(first.read_bytes())
    with pytest.raises(StaleFeatures, match="other features"):
        store.frame(other, index(LANDMARKS[0]))


def test_an_altered_delivery_is_never_taken_for_what_was_delivered(tmp_path, made):
    store, asked = FeatureStore(tmp_path / "store", made), index(LANDMARKS[2])
    store.materialise(FEATURES, asked)
    deliver(made, [row(PEOPLE[3], Record(datetime(2016, 5, 5), datetime(2016, 6, 6), "LOINC:8480-6", 99.0))])
    (file,) = (made.path / "delivery-000001").glob("shard-*")
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(AlteredRecords, match="altered after it was taken in"):
        store.frame(FEATURES, asked)


def test_other_code_computes_anew(tmp_path, made, monkeypatch):
    store, asked = FeatureStore(tmp_path / "store", made), index(*LANDMARKS)
    store.materialise(FEATURES, asked)
    monkeypatch.setattr(module, "CODE", "f" * 64)
    assert store.materialise(FEATURES, asked).computed == 120
    assert store.prune() == 4
    assert store.materialise(FEATURES, asked).computed == 0


def test_the_code_is_that_of_every_module_a_value_depends_on():
    used = "import sys, features.feature_set; print(*[n for n in sys.modules if n.startswith('features.')])"
    done = subprocess.run([sys.executable, "-c", used], capture_output=True, text=True, cwd=ROOT, check=True)
    parts_of_code = {name.split(".")[1] for name in done.stdout.split()}
    assert {"columnar", "records"} <= parts_of_code
    assert not parts_of_code & {"sources", "synthetic"}  # left out of the code's digest, as is the catalogue


def test_an_index_that_cannot_be_meant_is_refused(tmp_path, made):
    store, asked = FeatureStore(tmp_path / "store", made), index(*LANDMARKS)
    with pytest.raises(ValueError, match="no column as_of"):
        store.frame(FEATURES, asked[["patient"]])
    with pytest.raises(ValueError, match=r"several columns as_of: keep the one"):
        store.frame(FEATURES, pd.concat([asked, asked["as_of"]], axis=1))
    numbered = pd.Series([None, *range(119)], dtype=object)
    with pytest.raises(ValueError, match=r"1 rows .* no patient or no as_of.*; .*time zone.*; 119 .* not text"):
        store.frame(FEATURES, asked.assign(patient=numbered, as_of=asked["as_of"].dt.tz_localize("Europe/Paris")))
    for moments, fault in (
        ([20180101] * 120, "as_of is int64, not datetimes"),
        (["2018-01-01"] * 120, "as_of is str, not datetimes"),
        (pd.Series([datetime(2018, 1, 1, tzinfo=UTC)] * 120, dtype=object), "time zone"),
        (asked["as_of"].astype("timestamp[us][pyarrow]").dt.tz_localize("UTC"), "time zone"),
        (pd.Series([*LANDMARKS, "2018-01-01"] * 30, dtype=object), "as_of mixes datetimes and other things"),
    ):
        with pytest.raises(ValueError, match=fault):
            store.frame(FEATURES, asked.assign(as_of=moments))
    strangers = pd.concat([asked, index(LANDMARKS[0], people=[f"stranger {n}" for n in range(5)])])
    for frame in (store.frame, lambda *arguments: compute(arguments[0], made, arguments[1])):
        with pytest.raises(ValueError, match=r"^5 rows of the index are about patients who have no record here"):
            frame(FEATURES, strangers)
    with pytest.raises(ValueError, match="cannot be named as_of"):
        store.frame(FeatureSet("s", as_of=exists(DIABETES)), asked)


def test_pruning_keeps_what_is_of_today(tmp_path, made):
    store, asked = FeatureStore(tmp_path / "store", made), index(*LANDMARKS)
    store.materialise(FEATURES, asked)
    assert store.prune() == 0
    deliver(made, [row(PEOPLE[3], Record(datetime(2016, 5, 5), datetime(2016, 6, 6), "LOINC:8480-6", 99.0))])
    store.materialise(FEATURES, asked)
    (parts(tmp_path)[0].parent / ".unfinished-by-one-who-died").write_bytes(b"")
    assert len(parts(tmp_path)) == 5
    assert store.prune() == 2
    assert len(parts(tmp_path)) == 4
    assert store.materialise(FEATURES, asked).computed == 0


# --- Interrupted, and several at once -------------------------------------------------------------------------

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.features.test_store"])  # one import for all


def worker(made: Records, store: Path) -> BaseProcess:
    process = PROCESSES.Process(target=work, args=(made.path, store))
    process.start()
    return process


def work(made: Path, store: Path) -> None:
    FeatureStore(store, Records.open(made)).materialise(FEATURES, index(*LANDMARKS))


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_where_it_stopped(tmp_path):
    made = Records.create(tmp_path / "records", shards=24)
    deliver(made, some(0, each=200))
    draw, left, killed = random.Random(0), {}, 0
    for _ in range(60):
        process, enough = worker(made, tmp_path / "store"), len(left) + draw.randint(0, 3)
        while len(parts(tmp_path)) < enough and process.is_alive():
            process.join(0.001)
        process.join(draw.uniform(0, 0.03))
        process.kill()
        process.join()
        now = {file.name: file.stat().st_mtime_ns for file in parts(tmp_path)}
        assert left.items() <= now.items()  # what was there is there, and was not written again
        left = now
        if process.exitcode == 0:
            break
        killed += process.exitcode == -signal.SIGKILL
    assert process.exitcode == 0
    assert killed > 3
    unfinished = list((tmp_path / "store").rglob(".unfinished-*"))
    store, asked = FeatureStore(tmp_path / "store", made), index(*LANDMARKS)
    assert store.materialise(FEATURES, asked).computed == 0
    pd.testing.assert_frame_equal(store.frame(FEATURES, asked), compute(FEATURES, made, asked))
    assert store.prune() == len(unfinished)


@pytest.mark.slow
def test_processes_asking_for_the_same_frame_do_not_disturb_each_other(tmp_path):
    made = Records.create(tmp_path / "records", shards=12)
    deliver(made, some(0, each=50))
    several = [worker(made, tmp_path / "store") for _ in range(3)]
    for process in several:
        process.join()
        assert process.exitcode == 0
    shards = [file.name[:4] for file in parts(tmp_path)]
    assert len(shards) == len(set(shards)) == len({n for n in made.shards if len(made.read(n).patients)})
    store, asked = FeatureStore(tmp_path / "store", made), index(*LANDMARKS)
    pd.testing.assert_frame_equal(store.frame(FEATURES, asked), compute(FEATURES, made, asked))


# --- What the command line does ----------------------------------------------------------------------------------


def test_everybody_known_at_a_date_is_looked_at(made):
    found = index_at(made, [LANDMARKS[1], datetime(2010, 6, 1), LANDMARKS[1]])
    rows = pd.DataFrame(some(0), columns=list(COLUMNS))
    expected = {
        (who, date)
        for date in (datetime(2010, 6, 1), LANDMARKS[1])
        for who in rows.loc[(rows["happened_at"] < date) & (rows["known_at"] < date), "patient"]
    }
    assert len(found) == len(expected)
    assert set(zip(found["patient"], found["as_of"], strict=True)) == expected


def test_a_set_of_the_catalogue_is_built_by_its_name(tmp_path, made):
    out, told = tmp_path / "out.parquet", []
    took = build("cardiovascular", made, LANDMARKS[1:], out, progress=lambda *n: told.append(n))
    assert took.computed == took.rows == 80
    assert told[-1] == (4, 4)
    table = pq.read_table(out)
    assert table.column_names[2:] == list(feature_set("cardiovascular"))
    index(LANDMARKS[1]).assign(practice="p").to_parquet(tmp_path / "index.parquet")
    assert build("cardiovascular", made, tmp_path / "index.parquet", out).rows == 40  # its rows, not the two landmarks'
    assert (tmp_path / "features").is_dir()
    with pytest.raises(ValueError, match=r"no feature set 'heart'; it has .*cardiovascular"):
        build("heart", made, LANDMARKS, out)
    pq.write_table(pa.table({"patient": ["a"]}), tmp_path / "wrong.parquet")
    with pytest.raises(ValueError, match=r"wrong.parquet has no column as_of"):
        read_index(tmp_path / "wrong.parquet")


def test_spark_without_java_is_said_before_anything_is_read(tmp_path, made, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(ValueError, match=r"Spark lacks .*java: docs/spark.md"):
        build("cardiovascular", made, LANDMARKS, tmp_path / "out.parquet", engine="spark")


def test_a_set_is_described_as_a_table():
    lines = describe("cardiovascular").splitlines()
    assert len(lines) == 2 + len(feature_sets()["cardiovascular"])
    assert {line.count("|") for line in lines} == {lines[0].count("|")}
    assert "Pression artérielle systolique" in describe("cardiovascular")
    assert "nan" not in describe("cardiovascular").lower().split("|")

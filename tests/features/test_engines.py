"""Engines decide where shards run and nothing else: a frame is the same on threads and on Spark, bit for bit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.build import build, feature_set, index_at
from features.engines import in_order, on_threads, over_shards
from features.feature_set import FeatureSet
from features.records import Record, Records
from features.store import FeatureStore, compute
from features.synthetic import synthesise
from tests.features.test_store import END, FEATURES, LANDMARKS, PEOPLE, deliver, index, parts, row, some
from tests.generative.strategies import MOMENTS, expressions, records

# Only Arrow passes through Spark here, never a frame of pandas.
pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")


@pytest.fixture
def made(tmp_path: Path) -> Records:
    made = Records.create(tmp_path / "records", shards=4)
    deliver(made, some(0))
    return made


def test_results_come_in_order_and_items_are_taken_as_needed():
    taken = []

    def items() -> Iterator[int]:
        for n in range(20):
            taken.append(n)
            yield n

    def slow_at_first(n: int) -> int:
        sleep(0.02 * (n == 0))
        return n * n

    results = in_order(slow_at_first, items(), workers=3)
    assert next(results) == 0
    assert len(taken) <= 4
    assert list(results) == [n * n for n in range(1, 20)]


def test_threads_tell_progress_and_faults(made):
    told = []
    assert [len(s.patients) for s in over_shards(made, lambda s: s, progress=lambda *n: told.append(n))]
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    with pytest.raises(ValueError, match="shard 2 is odd"):
        list(on_threads(odd_at_two(), [(n, pa.table({})) for n in range(4)]))


def odd_at_two() -> Any:
    def work(shard: int, rows: pa.Table) -> pa.Table:
        if shard == 2:
            raise ValueError("shard 2 is odd")
        return rows

    return work


# --- Spark --------------------------------------------------------------------------------------------------


#: A short life on this machine alone: no time is spent on optimising the Java code.
LOCAL = {"SPARK_LOCAL_IP": "127.0.0.1", "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}


def available() -> None:
    needed = {"pyspark": find_spec("pyspark"), "Java": os.environ.get("JAVA_HOME") or shutil.which("java")}
    if lacking := [what for what, there in needed.items() if not there]:
        message = f"no {' and no '.join(lacking)}: make setup-spark, and a Java 17 on the path"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    available()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        for name, value in LOCAL.items():
            patch.setenv(name, value)
        from pyspark.sql import SparkSession

        folder = str(tmp_path_factory.mktemp("spark"))
        builder = SparkSession.builder.master("local[2]").appName("vigie")
        for key, value in {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.log.level": "OFF",
            "spark.local.dir": folder,
            "spark.sql.warehouse.dir": folder,
            "spark.sql.artifact.isolation.enabled": "false",
        }.items():
            builder = builder.config(key, value)
        session = builder.getOrCreate()
        yield session
        session.stop()


@pytest.fixture
def engine(session: Any) -> Any:
    from features.engines.spark import on_spark

    return on_spark(session)


@pytest.mark.slow
def test_parts_made_on_spark_are_those_of_threads_byte_for_byte(tmp_path, engine):
    made = synthesise(tmp_path / "records", patients=120, shards=5)
    cardiovascular = feature_set("cardiovascular")
    asked = index_at(made, [datetime(2013, 1, 1), datetime(2016, 2, 29), datetime(2021, 7, 1)])
    pd.testing.assert_frame_equal(asked, index_at(made, sorted(set(asked["as_of"].dt.to_pydatetime())), engine=engine))
    here = FeatureStore(tmp_path / "here" / "store", made)
    there = FeatureStore(tmp_path / "there" / "store", made, engine)
    told: list[tuple[int, int]] = []
    assert here.materialise(cardiovascular, asked) == there.materialise(
        cardiovascular, asked, lambda *n: told.append(n)
    )
    assert [p.name for p in parts(tmp_path / "here")] == [p.name for p in parts(tmp_path / "there")]  # digests in names
    assert len(parts(tmp_path / "here")) == 5
    assert told == sorted(told)
    assert told[-1] == (5, 5)
    frame = there.frame(cardiovascular, asked)
    pd.testing.assert_frame_equal(frame, here.frame(cardiovascular, asked), check_exact=True)
    assert frame.notna().any().all()  # every feature is known of somebody: nothing is equal for want of values
    again = FeatureStore(tmp_path / "here" / "store", made, engine)
    assert again.materialise(cardiovascular, asked).computed == 0  # what threads made, Spark finds


@pytest.mark.slow
@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    st.lists(expressions(), min_size=8, max_size=8),
    st.lists(st.tuples(st.sampled_from(PEOPLE[:5]), records()), min_size=10, max_size=30),
    st.lists(st.tuples(st.sampled_from(PEOPLE[:5]), MOMENTS), min_size=4, max_size=10),
)
def test_generated_features_of_generated_histories_are_equal_on_spark(engine, wanted, facts, rows):
    features = FeatureSet("generated", **{f"feature_{n}": expression for n, expression in enumerate(wanted)})
    asked = pd.DataFrame(rows, columns=["patient", "as_of"]).astype({"patient": "str", "as_of": "datetime64[us]"})
    with TemporaryDirectory() as folder:
        made = Records.create(Path(folder), shards=3)
        beginning = Record(datetime(1950, 1, 1), datetime(1950, 1, 1), "PRACTICE:consultation")
        deliver(made, [row(p, beginning) for p in PEOPLE[:5]] + [row(p, r) for p, r in facts])
        here, there = compute(features, made, asked), compute(features, made, asked, engine=engine)
    pd.testing.assert_frame_equal(here, there, check_exact=True)
    for name in features:  # the sign of a zero as well
        assert pa.Array.from_pandas(here[name]).equals(pa.Array.from_pandas(there[name]))
        if here[name].dtype == float:
            assert here[name].to_numpy().tobytes() == there[name].to_numpy().tobytes()


@pytest.mark.slow
def test_a_delivery_costs_as_little_on_spark(tmp_path, made, engine):
    store, asked = FeatureStore(tmp_path / "store", made, engine), index(*LANDMARKS)
    store.materialise(FEATURES, asked)
    deliver(made, [row(PEOPLE[3], Record(datetime(2016, 5, 5), datetime(2016, 6, 6), "LOINC:8480-6", 99.0))])
    assert store.materialise(FEATURES, asked).computed == 2
    pd.testing.assert_frame_equal(store.frame(FEATURES, asked), compute(FEATURES, made, asked))
    with pytest.raises(ValueError, match=r"^1 rows of the index are about patients who have no record here"):
        store.frame(FEATURES, index(END, people=["stranger"]))


@pytest.mark.slow
def test_faults_on_spark_are_told_together_and_without_a_traceback(tmp_path, made, engine):
    from features.engines.spark import ShardsFailed

    asked, before = index(*LANDMARKS), {}
    for shard in (1, 3):
        file = next(made.path.glob(f"*/shard-{shard:04d}-*"))
        before[file] = file.read_bytes()
        file.write_bytes(before[file][:-1] + b"?")
    with pytest.raises(ShardsFailed) as raised:
        compute(FEATURES, made, asked, engine=engine)
    lines = str(raised.value).splitlines()
    assert lines[0] == "2 of 4 shards failed:"
    assert re.fullmatch(r"- shard 1: AlteredRecords: \S+shard-0001-\S+ was altered after it was taken in", lines[1])
    assert re.fullmatch(r"- shard 3: AlteredRecords: \S+shard-0003-\S+ was altered after it was taken in", lines[2])
    for file, data in before.items():
        file.write_bytes(data)
    elsewhere = Records(tmp_path / "not-mounted", made._manifest)
    with pytest.raises(ShardsFailed, match=r"4 of 4 shards failed:\n- shard 0: FileNotFoundError"):
        compute(FEATURES, elsewhere, asked, engine=engine)

    def runs_out(shard: int, rows: pa.Table) -> pa.Table:
        raise MemoryError(f"shard {shard} is too large")

    with pytest.raises(
        ShardsFailed, match=r"^Spark gave the work up: MemoryError: shard \d is too large \(docs"
    ) as one:
        list(engine(runs_out, [(n, pa.table({})) for n in range(4)]))
    assert "\n" not in str(one.value)
    with pytest.raises(ShardsFailed, match="shard 2 is odd"):
        list(engine(odd_at_two(), [(n, pa.table({})) for n in range(4)]))
    assert list(engine(odd_at_two(), [])) == []


@pytest.mark.slow
def test_another_version_on_an_executor_refuses(tmp_path, made, engine, monkeypatch):
    import features.store

    monkeypatch.setattr(features.store, "CODE", "f" * 64)  # here, and not in the executors' processes
    with pytest.raises(ValueError, match="another version of the package is installed here"):
        FeatureStore(tmp_path / "store", made, engine).frame(FEATURES, index(*LANDMARKS))


@pytest.mark.slow
def test_the_documentation_runs(tmp_path):
    """docs/spark.md: its job, submitted by its command, on two cores of this machine."""
    available()
    text = (Path(__file__).parents[2] / "docs" / "spark.md").read_text(encoding="utf-8")
    fence = r"^```%s\n(.*?)^```"
    (job,), (command,) = (re.findall(fence % kind, text, re.DOTALL | re.MULTILINE) for kind in ("python", "sh"))
    assert text.count("```") == 4
    made = synthesise(tmp_path / "records", patients=60, shards=2)
    (tmp_path / "job.py").write_text(job, encoding="utf-8")
    scripts = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{scripts}:{os.environ['PATH']}",
        "ENVIRONMENT": str(scripts.parent),
        "MASTER": "local[2]",
        "SHARED": str(tmp_path),
        **LOCAL,
    }
    done = subprocess.run(
        ["bash", "-euc", command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    written = pq.read_table(tmp_path / "cardiovascular.parquet")
    assert f"{len(written)} rows, of which {len(written)} computed" in done.stdout
    build("cardiovascular", made, [datetime(2018, 1, 1), datetime(2020, 1, 1)], tmp_path / "here.parquet")
    assert written.equals(pq.read_table(tmp_path / "here.parquet"))

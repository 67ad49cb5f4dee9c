"""How fast features are: the same 225, by our two evaluators and by their peers, in one run.

The task: about 100 records a patient over ten years from 300 codes (Zipf), 40 % with a value; one index date a patient
in the last two years. For 30 codes a count in 1 year, 5 years and ever; for 15 of them also the latest, mean, minimum
and maximum in both windows and the years since the latest. 225 features.

What is timed, for every engine: from Parquet files on disk (5,000 patients a file; integer codes; sorted by patient
and time; in the system's cache) to every feature of every row in memory as 64-bit floats, let go as the next ones
come. Vigie takes a file at a time and thread, the others 100,000 patients at a time, which is their best. Every engine
runs in a process of its own, on all processors, and the runs of the engines alternate. Ratios are of medians: of the
time that passed, and of the processors' time, which a busy machine changes less. Before a time counts, all engines
must agree on every feature: how many rows have a value, and their sum.

Run with ``make bench``; a million patients with ``python -m benchmarks.features --patients 1000000``. Peers whose
requirements contradict ours (timeseriesflattener, featuretools, MEDS-Tab) come with ``--peer NAME``: each in an
environment of its own, value by value compared, and not repeated once a run takes over a minute.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.environments import PEERS, equal, in_its_environment
from benchmarks.task import COUNTED, VALUED, WINDOWS
from features.codes import SOURCE, Concept
from features.columnar import evaluate
from features.engines import over_shards
from features.feature_set import FeatureSet
from features.language import DAY, YEAR, Expression, count, days, latest, maximum, mean, minimum, years_since
from features.records import NEVER, Shard, to_datetime, to_microseconds

CODES: Final = 300
START, END = to_microseconds(datetime(2014, 1, 1)), to_microseconds(datetime(2024, 1, 1))
A_FILE: Final = 5_000
A_BATCH: Final = 20  # files that the other engines take at once
PROCESSORS: Final = os.cpu_count() or 1
LONG: Final = 60  # seconds after which a run is not repeated

Matrix = npt.NDArray[np.float64]  # a row a feature, in the task's order


# The task


def definitions() -> dict[str, Expression]:
    found: dict[str, Expression] = {}
    for i in range(COUNTED):
        concept = Concept(f"c{i}", f"c{i}", f"c{i}", (SOURCE(f"c{i}"),), unit="1")
        found[f"c{i}_count_ever"] = count(concept)
        for window, length in WINDOWS.items():
            found[f"c{i}_count_{window}"] = count(concept, within=days(length))
            if i < VALUED:
                for name, verb in (("latest", latest), ("mean", mean), ("minimum", minimum), ("maximum", maximum)):
                    found[f"c{i}_{name}_{window}"] = verb(concept, within=days(length))
        if i < VALUED:
            found[f"c{i}_since"] = years_since(concept)
    return found


FEATURES: Final = FeatureSet("benchmark", **definitions())
PLACE: Final = {name: place for place, name in enumerate(FEATURES)}


def write_population(folder: Path, patients: int, late: bool, each: float = 100) -> None:
    """Write records and one index date a patient, a pair of files for every ``A_FILE`` patients."""
    weight = 1 / np.arange(1, CODES + 1)
    for number, begin in enumerate(range(0, patients, A_FILE)):
        random = np.random.default_rng([number, patients])
        some = min(A_FILE, patients - begin)
        patient = np.repeat(np.arange(begin, begin + some, dtype=np.int32), random.poisson(each, some))
        n = len(patient)
        happened = random.integers(START // DAY, END // DAY, n) * DAY + random.integers(0, DAY, n)
        order = np.lexsort((happened, patient))
        happened = happened[order]
        delay = np.where(random.random(n) < 0.2, random.integers(0, 60 * DAY, n), 0) if late else np.zeros(n, np.int64)
        records = {
            "patient": patient,
            "happened": happened,
            "known": happened + delay,
            "code": random.choice(CODES, n, p=weight / weight.sum()).astype(np.int16),
            "value": pa.array(random.normal(100, 20, n).round(1), mask=random.random(n) >= 0.4),
        }
        index = {
            "patient": np.arange(begin, begin + some, dtype=np.int32),
            "as_of": random.integers(END - 2 * YEAR, END, some),
        }
        pq.write_table(pa.table(records if late else {k: v for k, v in records.items() if k != "known"}),
                       folder / f"records-{number:04d}.parquet", row_group_size=1 << 20)  # fmt: skip
        pq.write_table(pa.table(index), folder / f"index-{number:04d}.parquet")


def files(folder: Path) -> list[tuple[Path, Path]]:
    return list(zip(sorted(folder.glob("records-*")), sorted(folder.glob("index-*")), strict=True))


def batches(folder: Path) -> Iterator[tuple[list[Path], list[Path]]]:
    found = files(folder)
    for begin in range(0, len(found), A_BATCH):
        records, index = zip(*found[begin : begin + A_BATCH], strict=True)
        yield list(records), list(index)


# Engines: each yields the matrices of the files, in order


def decoded(path: Path) -> pa.Table:
    """Return a file's columns, each in one piece, as the store reads its shards."""
    with pq.ParquetFile(path) as file:
        return file.read(use_threads=False)


def by_limit(folder: Path) -> Iterator[Matrix]:
    """Decode the columns once, on all processors, and compute nothing: no engine can be faster."""
    with ThreadPoolExecutor(PROCESSORS) as pool:
        for _ in pool.map(lambda pair: [decoded(path) for path in pair], files(folder)):
            yield np.empty((0, 0))


class Files:
    """Files as the store's shards are: numbered, and read one at a time."""

    def __init__(self, folder: Path) -> None:
        self.files = files(folder)
        self.shards = range(len(self.files))
        self.as_of: dict[int, npt.NDArray[np.int64]] = {}

    def read(self, number: int) -> Shard:
        records, index = map(decoded, self.files[number])
        patients = index.column("patient").to_numpy()
        happened = records.column("happened").to_numpy()
        known = records.column("known").to_numpy() if "known" in records.column_names else happened
        shard = Shard(
            patients=patients.astype(object),
            start=np.searchsorted(records.column("patient").to_numpy(), np.append(patients, patients[-1] + 1)),
            happened=happened,
            known=known,
            retracted=np.broadcast_to(np.int64(NEVER), len(happened)),
            value=records.column("value").to_numpy(),
            code=records.column("code").to_numpy(),
            practice=np.broadcast_to(np.int32(0), len(happened)),
            codes=tuple(f"SOURCE:c{i}" for i in range(CODES)),
            practices=("p",),
        )
        self.as_of[id(shard)] = index.column("as_of").to_numpy()
        return shard


def by_columns(folder: Path) -> Iterator[Matrix]:
    """Vigie: the columnar evaluator, a file a shard, shards on threads."""
    shards = Files(folder)
    plan = FEATURES.plan

    def of_shard(shard: Shard) -> Matrix:
        return evaluate(plan, shard, shard.patients, shards.as_of.pop(id(shard)))

    yield from over_shards(shards, of_shard, workers=PROCESSORS)  # type: ignore[arg-type]


def grouped(valued: bool, columns: list[str]) -> str:
    """Return the SQL of the first step: one row a patient and code. Two queries do it faster than one."""
    known = "AND known < as_of" if "known" in columns else ""
    inside = {w: f"happened >= as_of - {length}::BIGINT * {DAY}" for w, length in WINDOWS.items()}
    inner = [f"CASE WHEN {c} THEN 1 END AS i_{w}, CASE WHEN {c} THEN value END AS v_{w}" for w, c in inside.items()]
    found = ["count(*) AS count_ever", *(f"count(i_{w}) AS count_{w}" for w in inside)]
    if valued:
        found.append(f"(any_value(as_of) - max(happened)) / {YEAR}.0 AS since")
        for w in inside:
            found += [f"arg_max(v_{w}, happened) AS latest_{w}", f"avg(v_{w}) AS mean_{w}",
                      f"min(v_{w}) AS minimum_{w}", f"max(v_{w}) AS maximum_{w}"]  # fmt: skip
    wanted = f"code < {VALUED}" if valued else f"code >= {VALUED} AND code < {COUNTED}"
    return f"""SELECT patient, code, {", ".join(found)} FROM (
        SELECT patient, code, happened, as_of, {", ".join(inner)} FROM records JOIN landmarks USING (patient)
        WHERE happened < as_of {known} AND {wanted}
    ) GROUP BY patient, code"""


def connected(records: list[Path], index: list[Path]) -> tuple[Any, list[str]]:
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads = {PROCESSORS}")
    connection.execute(f"CREATE VIEW records AS FROM read_parquet({[str(path) for path in records]})")
    connection.execute(f"CREATE VIEW landmarks AS FROM read_parquet({[str(path) for path in index]})")
    return connection, pq.read_schema(records[0]).names


def by_duckdb(folder: Path) -> Iterator[Matrix]:
    """DuckDB at its best: it groups by patient and code, and NumPy puts each group in its place."""
    for records, index in batches(folder):
        connection, columns = connected(records, index)
        people = pa.concat_tables(map(pq.read_table, index)).column("patient")
        patients, first = len(people), people[0].as_py()
        matrix = np.full((len(FEATURES), patients), np.nan)
        for name, place in PLACE.items():
            if "count" in name:
                matrix[place] = 0
        flat = matrix.reshape(-1)
        for valued in (True, False):
            found = connection.sql(grouped(valued, columns)).fetchnumpy()
            row, code = found.pop("patient").astype(np.int64) - first, found.pop("code")
            for column, values in found.items():
                place = np.array([PLACE.get(f"c{c}_{column}", -1) for c in range(COUNTED)])[code]
                flat[place * patients + row] = np.ma.filled(values.astype(np.float64), np.nan)
        yield matrix


def by_sql(folder: Path) -> Iterator[Matrix]:
    """DuckDB alone: it groups by patient and code, then joins the groups of each code to the patients."""
    for records, index in batches(folder):
        connection, columns = connected(records, index)
        picked, joined = [], []
        for name in FEATURES:
            code, column = name[1:].split("_", 1)
            picked.append(f"coalesce(g{code}.{column}, 0)" if "count" in column else f"g{code}.{column}")
        for code in range(COUNTED):
            part = "valued" if code < VALUED else "counted"
            joined.append(f"LEFT JOIN (FROM {part} WHERE code = {code}) g{code} USING (patient)")
        sql = f"""WITH valued AS MATERIALIZED ({grouped(True, columns)}), counted AS MATERIALIZED
            ({grouped(False, columns)}) SELECT {", ".join(f"{p} AS f{i}" for i, p in enumerate(picked))}
            FROM landmarks {" ".join(joined)} ORDER BY patient"""
        found = connection.sql(sql).fetchnumpy()
        yield np.array([np.ma.filled(values.astype(np.float64), np.nan) for values in found.values()])


def by_pandas(folder: Path) -> Iterator[Matrix]:
    """pandas, group and unstack: the fastest way to write it."""
    import pandas as pd

    for records, index in batches(folder):
        landmarks = pd.concat(map(pd.read_parquet, index)).set_index("patient")["as_of"]
        seen = pd.read_parquet(records, filters=[("code", "<", COUNTED)])
        seen["as_of"] = landmarks.to_numpy()[seen["patient"].to_numpy() - landmarks.index[0]]
        seen = seen[seen["happened"] < seen["as_of"]]
        if "known" in seen:
            seen = seen[seen["known"] < seen["as_of"]]
        columns: dict[str, Any] = {}

        def pivot(found: Any, name: str, fill: float = np.nan, columns: Any = columns, people: Any = landmarks) -> None:
            wide = found.unstack("code").reindex(people.index)  # noqa: PD010 - the fastest, and pandas deserves it
            columns.update({f"c{code}_{name}": wide[code].fillna(fill).to_numpy(np.float64) for code in wide.columns})

        pivot(seen.groupby(["patient", "code"]).size(), "count_ever", 0)
        last = seen[seen["code"] < VALUED].groupby(["patient", "code"])["happened"].max()
        pivot((landmarks.reindex(last.index, level=0) - last) / YEAR, "since")
        for window, length in WINDOWS.items():
            inside = seen[seen["happened"] >= seen["as_of"] - length * DAY]
            pivot(inside.groupby(["patient", "code"]).size(), f"count_{window}", 0)
            valued = inside[inside["code"] < VALUED].dropna(subset="value").groupby(["patient", "code"])["value"]
            for name, how in (("latest", "last"), ("mean", "mean"), ("minimum", "min"), ("maximum", "max")):
                pivot(valued.agg(how), f"{name}_{window}")
        nothing = np.full(len(landmarks), np.nan)
        yield np.array([columns.get(n, np.zeros(len(landmarks)) if "count" in n else nothing) for n in FEATURES])


def in_spark(valued: bool, records: list[Path]) -> str:
    """Return the SQL of the first step, as Spark spells it."""
    latest_of = r"max_by(\1, CASE WHEN \1 IS NOT NULL THEN happened END)"
    sql = re.sub(r"arg_max\((v_\w+), happened\)", latest_of, grouped(valued, pq.read_schema(records[0]).names))
    return sql.replace("::BIGINT", "L")


def by_spark(folder: Path) -> Iterator[Matrix]:
    """PySpark on this machine: the same two steps as DuckDB's best, its session's start not counted against it."""
    spark = _session()
    for records, index in batches(folder):
        read_by(spark, records, index)
        people = pa.concat_tables(map(pq.read_table, index)).column("patient")
        matrix = np.full((len(FEATURES), len(people)), np.nan)
        for name, place in PLACE.items():
            if "count" in name:
                matrix[place] = 0
        for valued in (True, False):
            found = spark.sql(in_spark(valued, records)).toArrow().to_pandas()
            row, code = found.pop("patient").to_numpy(np.int64) - people[0].as_py(), found.pop("code").to_numpy()
            for column in found:
                place = np.array([PLACE.get(f"c{c}_{column}", -1) for c in range(COUNTED)])[code]
                matrix[place, row] = found[column].to_numpy(np.float64)
        yield matrix


def by_spark_sql(folder: Path) -> Iterator[Matrix]:
    """PySpark alone: the same first step, then one row a patient in which each column picks the group of its code."""
    spark = _session()
    for records, index in batches(folder):
        read_by(spark, records, index)
        picked = []
        for name in FEATURES:
            code, column = name[1:].split("_", 1)
            found = f"max(CASE WHEN code = {code} THEN {column} END)"
            picked.append(f"coalesce({found}, 0)" if "count" in column else found)
        valued, counted = (spark.sql(in_spark(which, records)) for which in (True, False))
        valued.unionByName(counted, allowMissingColumns=True).createOrReplaceTempView("groups")
        sql = f"""SELECT {", ".join(f"{p} AS f{i}" for i, p in enumerate(picked))}
            FROM landmarks LEFT JOIN groups USING (patient) GROUP BY patient ORDER BY patient"""
        yield spark.sql(sql).toArrow().to_pandas().to_numpy(np.float64).T


def read_by(spark: Any, records: list[Path], index: list[Path]) -> None:
    """Let a session read files as its tables."""
    spark.read.parquet(*map(str, records)).createOrReplaceTempView("records")
    spark.read.parquet(*map(str, index)).createOrReplaceTempView("landmarks")


@functools.cache
def _session() -> Any:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(f"local[{PROCESSORS}]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    builder = builder.config("spark.driver.memory", "8g").config("spark.sql.shuffle.partitions", str(2 * PROCESSORS))
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    session.range(10).count()
    return session


ENGINES: Final[dict[str, tuple[str, Callable[[Path], Iterator[Matrix]]]]] = {
    "limit": ("decoding the columns once", by_limit),
    "vigie": ("Vigie, columns on threads", by_columns),
    "duckdb": ("DuckDB, two steps, NumPy places", by_duckdb),
    "sql": ("DuckDB, two steps, SQL alone", by_sql),
    "pandas": ("pandas, group and unstack", by_pandas),
    "spark": ("PySpark, two steps, NumPy places", by_spark),
    "spark_sql": ("PySpark, two steps, SQL alone", by_spark_sql),
}


# Measuring


def run(engine: str, folder: Path, check: bool) -> dict[str, Any]:
    """Run an engine here; return its time and peak memory, or, as a check, what its features add up to."""
    if engine.startswith("spark"):
        _session()
    known, total, rows = np.zeros(len(FEATURES), np.int64), np.zeros(len(FEATURES)), 0
    began, worked = time.perf_counter(), _worked()
    for matrix in ENGINES[engine][1](folder):
        rows += matrix.shape[1]
        if check:
            known += np.isfinite(matrix).sum(axis=1)
            total += np.nansum(matrix, axis=1)
    seconds, work = time.perf_counter() - began, _worked() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    peak += sum(child.memory_info().rss for child in psutil.Process().children(recursive=True)) / 2**20
    found = {"rows": rows, "known": known.tolist(), "total": total.tolist()}
    return found if check else {"seconds": seconds, "work": work, "megabytes": peak}


def _worked() -> float:
    """Return the processors' time of this process and of those it started, such as Spark's."""
    started = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return time.process_time() + sum(times.user + times.system for times in started)


def apart(engine: str, folder: Path, check: bool = False) -> dict[str, Any]:
    """Run an engine in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.features", "--engine", engine, "--folder", str(folder)]
    done = subprocess.run([*command, *["--check"] * check], stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def compare(patients: int, repeats: int, late: bool, engines: list[str]) -> None:
    """Check that engines agree, run them in turn, and print what each took."""
    runs: dict[str, list[dict[str, Any]]] = {engine: [] for engine in engines}
    same = dict.fromkeys(engines, f"{len(FEATURES)}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_population(folder, patients, late)
        records = sum(pq.read_metadata(path).num_rows for path, _ in files(folder))
        ours = apart("vigie", folder, check=True)
        for engine in engines:
            if engine not in ("vigie", "limit", *PEERS):
                theirs = apart(engine, folder, check=True)
                assert theirs["rows"] == ours["rows"] == patients, f"{engine} has {theirs['rows']} rows"
                assert theirs["known"] == ours["known"], f"{engine} knows other values"
                np.testing.assert_allclose(theirs["total"], ours["total"], rtol=1e-9, err_msg=engine)
        matrix = np.hstack(list(by_columns(folder))) if PEERS.keys() & set(engines) else np.empty((len(FEATURES), 0))
        for _ in range(repeats):
            for engine in engines:
                if runs[engine] and runs[engine][-1]["seconds"] > LONG:
                    continue
                if engine in PEERS:
                    took, columns = in_its_environment(engine, folder)
                    same[engine] = agreement(engine, columns, dict(zip(FEATURES, matrix, strict=True)))
                else:
                    took = apart(engine, folder)
                runs[engine].append(took)
    known = ", 20 % known up to 60 days later" if late else ""
    print(f"\n{len(FEATURES)} features, {patients:,} patients, {records:,} records{known}; {PROCESSORS} processors\n")
    print(table(runs, same))


def agreement(peer: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """Return how many features a peer has as we do; raise AssertionError where it has others and should not."""
    agreed = equal(theirs, ours)
    if PEERS[peer].differs:
        return f"{len(agreed)} of {len(theirs)}"
    other = sorted(theirs.keys() - agreed)
    assert not other, f"{PEERS[peer].label} has other values of {', '.join(other)}"
    return f"{len(agreed)}"


def table(runs: Mapping[str, list[dict[str, Any]]], same: Mapping[str, str]) -> str:
    """Return the medians of what engines took, and their ratios to ours, as lines of text."""
    labels = {engine: label for engine, (label, _) in ENGINES.items()} | {name: p.label for name, p in PEERS.items()}
    seconds, work = (
        {engine: statistics.median(run[what] for run in found) for engine, found in runs.items()}
        for what in ("seconds", "work")
    )
    lines = [
        f"{'':34}{'seconds':>9}{'× Vigie':>9}{'processor s':>13}{'× Vigie':>9}{'peak MB':>9}{'runs':>6}{'equal':>10}"
    ]
    for engine, found in runs.items():
        of_time, of_work = seconds[engine] / seconds["vigie"], work[engine] / work["vigie"]
        peak = max(run["megabytes"] for run in found)
        lines.append(
            f"{labels[engine]:34}{seconds[engine]:>9.2f}{of_time:>9.2f}{work[engine]:>13.2f}{of_work:>9.2f}"
            f"{peak:>9,.0f}{len(found):>6}{same[engine] if engine != 'limit' else '':>10}"
        )
    lines += [f"\n{PEERS[e].label}: {PEERS[e].differs}." for e in runs if e in PEERS and PEERS[e].differs]
    if "limit" in runs:
        lines.append(f"\nVigie is at {seconds['vigie'] / seconds['limit']:.1f} times the physical limit.")
    return "\n".join(lines)


def in_the_consultation(patients: int = 500, wanted: int = 60, records: int = 150) -> None:
    """Time one patient after another, records in memory, the feature set made ready once."""
    chosen = FEATURES.only(*list(FEATURES)[:: len(FEATURES) // wanted][:wanted])
    with tempfile.TemporaryDirectory() as name:
        write_population(Path(name), patients, late=True, each=records)
        shards = Files(Path(name))
        shard = shards.read(0)
    people = [(shard.history(p), to_datetime(moment)) for p, moment in zip(shard.patients, shards.as_of[id(shard)],
                                                                            strict=True)]  # fmt: skip
    print(f"\none patient at a time, {len(chosen)} features, about {records} records, in process (milliseconds)")
    print(f"{'':34}{'median':>9}{'p99':>9}")
    for label, compute in (
        ("Vigie, plain Python: values", chosen.evaluator),
        ("the same as a frame", chosen.of_patient),
    ):
        times = []
        for history, as_of in people * 4:
            began = time.perf_counter()
            compute(history, as_of)
            times.append(1000 * (time.perf_counter() - began))
        times = times[len(people) :]  # the first round warms up
        print(f"{label:34}{statistics.median(times):>9.3f}{np.percentile(times, 99):>9.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--patients",
        type=int,
        nargs="+",
        help="sizes to compare at (default: 10,000 and 100,000; with a peer 1,000 too)",
    )
    parser.add_argument("--repeats", type=int, default=5, help="runs of each engine (default: 5)")
    parser.add_argument("--late", action="store_true", help="with records that become known later than they happen")
    there = [engine for engine in ENGINES if not engine.startswith("spark") or importlib.util.find_spec("pyspark")]
    parser.add_argument("--engines", nargs="+", choices=there, help="default: all that is installed; with a peer, ours")
    parser.add_argument("--peer", action="append", choices=list(PEERS), default=[], help="may be given several times")
    parser.add_argument("--engine", choices=list(ENGINES), help=argparse.SUPPRESS)  # one run, in this process
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.engine:
        print(json.dumps(run(arguments.engine, arguments.folder, arguments.check)))
        return
    if arguments.peer and arguments.late:
        parser.error("peers know one date of a record: leave --late out")
    engines = ["vigie", *(arguments.engines or ([] if arguments.peer else there))]
    for patients in arguments.patients or ([1_000] if arguments.peer else []) + [10_000, 100_000]:
        timed = [name for name in arguments.peer if patients <= PEERS[name].most]
        compare(patients, arguments.repeats, arguments.late, list(dict.fromkeys([*engines, *timed])))
        for name in arguments.peer:
            if name not in timed:
                print(f"\n{PEERS[name].label} is not timed at {patients:,} patients: it takes too long.")
    in_the_consultation()
    if absent := [name for name in PEERS if name not in arguments.peer]:
        print(f"\nnot in this run; --peer times it: {', '.join(absent)}")


if __name__ == "__main__":
    main()

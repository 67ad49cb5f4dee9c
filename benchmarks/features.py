"""How fast features are: the same 225, by our two evaluators, DuckDB and pandas, in one run.

The task is that of the design: about 100 records a patient from 300 codes (Zipf), 40 % with a value; for 30 codes a
count in 1 year, 5 years and ever, for 15 of them also the latest, mean, minimum, maximum in both windows and the time
since the latest. Values must agree before times are printed. Run with ``make bench``.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from datetime import datetime

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.codes import LOINC, Concept
from features.columnar import evaluate_all
from features.language import DAY, YEAR, Expression, count, days, latest, maximum, mean, minimum, years_since
from features.patient import evaluate_all as evaluate_patient
from features.records import NEVER, Shard, to_datetime, to_microseconds

WINDOWS = (("1y", 365), ("5y", 1825))
START, END = to_microseconds(datetime(2014, 1, 1)), to_microseconds(datetime(2024, 1, 1))


def concepts(n: int) -> list[Concept]:
    return [Concept(f"c{i}", f"c{i}", f"c{i}", (LOINC(f"{i}-1"),), unit="1") for i in range(n)]


def features() -> dict[str, Expression]:
    found: dict[str, Expression] = {}
    for i, concept in enumerate(concepts(30)):
        found[f"c{i}_count_ever"] = count(concept)
        for window, length in WINDOWS:
            found[f"c{i}_count_{window}"] = count(concept, within=days(length))
            if i < 15:
                for name, verb in (("latest", latest), ("mean", mean), ("minimum", minimum), ("maximum", maximum)):
                    found[f"c{i}_{name}_{window}"] = verb(concept, within=days(length))
        if i < 15:
            found[f"c{i}_since"] = years_since(concept)
    return found


def population(patients: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return records, sorted by patient and time, and an index of one date a patient."""
    random = np.random.default_rng(seed)
    each = random.poisson(100, patients)
    n = int(each.sum())
    weight = 1 / np.arange(1, 301)
    frame = pd.DataFrame(
        {
            "patient": np.repeat(np.arange(patients), each),
            "happened": random.integers(START // DAY, END // DAY, n) * DAY + random.integers(0, DAY, n),
            "code": random.choice(300, n, p=weight / weight.sum()).astype(np.int32),
            "value": np.where(random.random(n) < 0.4, random.normal(100, 20, n).round(1), np.nan),
        }
    ).sort_values(["patient", "happened"], ignore_index=True)
    index = pd.DataFrame({"patient": np.arange(patients), "as_of": random.integers(END - 2 * YEAR, END, patients)})
    return frame, index


def as_shard(frame: pd.DataFrame, patients: int) -> Shard:
    names = np.array([f"{p:08d}" for p in range(patients)], dtype=object)
    start = np.searchsorted(frame["patient"].to_numpy(), np.arange(patients + 1)).astype(np.int64)
    happened = frame["happened"].to_numpy(np.int64)
    return Shard(
        names, start, happened, happened, np.full(len(frame), NEVER), frame["value"].to_numpy(),
        frame["code"].to_numpy(np.int32),
        np.zeros(len(frame), np.int32), tuple(f"LOINC:{i}-1" for i in range(300)), ("p",),
    )  # fmt: skip


def by_kernel(shard: Shard, index: pd.DataFrame) -> pd.DataFrame:
    wanted = features()
    patients = shard.patients[index["patient"].to_numpy()]
    columns = evaluate_all([e.node for e in wanted.values()], shard, patients, index["as_of"].to_numpy(np.int64))
    return pd.DataFrame(dict(zip(wanted, columns, strict=True)))


AGGREGATES = {
    "latest": "max_by(value, happened)",
    "mean": "avg(value)",
    "minimum": "min(value)",
    "maximum": "max(value)",
}


def by_duckdb(frame: pd.DataFrame, index: pd.DataFrame) -> pd.DataFrame:
    """Compute the features in two steps: group by patient and code, then pivot by FILTER aggregates."""
    recent = {name: f"happened >= as_of - {length}::BIGINT * {DAY}" for name, length in WINDOWS}
    inner = ["count(*) AS count_ever", f"(any_value(as_of) - max(happened)) / {YEAR}.0 AS since"]
    for window, condition in recent.items():
        inner.append(f"count(*) FILTER ({condition}) AS count_{window}")
        inner += [
            f"{sql} FILTER ({condition} AND value IS NOT NULL) AS {name}_{window}" for name, sql in AGGREGATES.items()
        ]
    outer = []
    for name in features():
        code, column = name[1:].split("_", 1)
        filled = f"any_value({column}) FILTER (code = {code})"
        outer.append(f"{'coalesce(' + filled + ', 0)' if column.startswith('count') else filled} AS {name}")
    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    connection.register("records", frame)
    connection.register("landmarks", index)
    return connection.execute(
        f"""
        WITH seen AS (
            SELECT r.patient, code, happened, as_of, CASE WHEN isnan(value) THEN NULL ELSE value END AS value
            FROM records r JOIN landmarks l USING (patient) WHERE happened < as_of AND code < 30
        ), grouped AS (SELECT patient, code, {", ".join(inner)} FROM seen GROUP BY patient, code)
        SELECT {", ".join(outer)} FROM landmarks LEFT JOIN grouped USING (patient) GROUP BY patient ORDER BY patient
        """
    ).df()


def by_pandas(frame: pd.DataFrame, index: pd.DataFrame) -> pd.DataFrame:
    seen = frame[frame["code"] < 30].merge(index, on="patient")
    seen = seen[seen["happened"] < seen["as_of"]]
    columns: dict[str, pd.Series] = {}
    patients = pd.RangeIndex(len(index))

    def pivot(grouped: pd.Series, name: str, fill: float = np.nan) -> None:
        wide = grouped.unstack("code").reindex(patients)  # noqa: PD010 - the fastest way, and pandas deserves it
        for code in wide.columns:
            columns[f"c{code}_{name}"] = wide[code].fillna(fill)

    pivot(seen.groupby(["patient", "code"]).size(), "count_ever", 0)
    since = seen.groupby(["patient", "code"])["happened"].max()
    pivot((index.set_index("patient")["as_of"].reindex(since.index, level=0) - since) / YEAR, "since")
    for window, length in WINDOWS:
        inside = seen[seen["happened"] >= seen["as_of"] - length * DAY]
        pivot(inside.groupby(["patient", "code"]).size(), f"count_{window}", 0)
        valued = inside.dropna(subset="value").groupby(["patient", "code"])["value"]
        for name, how in (("latest", "last"), ("mean", "mean"), ("minimum", "min"), ("maximum", "max")):
            pivot(valued.agg(how), f"{name}_{window}")
    return pd.DataFrame({name: columns[name] for name in features()})


def timed(function: Callable[[], pd.DataFrame], repeats: int) -> tuple[float, pd.DataFrame]:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - began)
    return statistics.median(times), result


def one_patient(shard: Shard, index: pd.DataFrame, many: int = 300) -> float:
    nodes = [e.node for e in features().values()]
    times = []
    for row in range(many):
        history = shard.history(f"{row:08d}")
        as_of = to_datetime(index["as_of"].iloc[row])
        began = time.perf_counter()
        evaluate_patient(nodes, history, as_of)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def agree(left: pd.DataFrame, right: pd.DataFrame) -> npt.NDArray[np.bool_]:
    return np.isclose(
        left.to_numpy(np.float64), right[list(left)].to_numpy(np.float64), rtol=1e-9, atol=1e-9, equal_nan=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    frame, index = population(arguments.patients)
    shard = as_shard(frame, arguments.patients)
    ours, values = timed(lambda: by_kernel(shard, index), arguments.repeats)
    print(f"{len(features())} features, {arguments.patients:,} patients, {len(frame):,} records\n")
    print(f"{'':28}{'seconds':>10}{'ratio':>8}")
    print(f"{'Vigie, columnar':28}{ours:>10.2f}{1:>8.1f}")
    for name, function in (("DuckDB, two steps, FILTER", by_duckdb), ("pandas, group and unstack", by_pandas)):
        seconds, other = timed(lambda f=function: f(frame, index), arguments.repeats)
        same = agree(values, other)
        assert same.all(), f"{name} differs in {(~same).sum()} of {same.size} values"
        print(f"{name:28}{seconds:>10.2f}{seconds / ours:>8.1f}")
    print(f"\none patient, plain Python: {1000 * one_patient(shard, index):.2f} ms (median)")


if __name__ == "__main__":
    main()

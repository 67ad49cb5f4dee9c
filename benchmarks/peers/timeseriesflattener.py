"""timeseriesflattener (Aarhus): a specification a code, look-behinds and aggregators in it, Polars beneath.

Its windows include both ends, so they end a microsecond before the index date. Its latest value is that of the last
moment the *whole* frame has, and is lost where a record comes after the index date or has no value: it is given only
records before the index date, and of values only those that are there. The time since the latest record is the
largest of the records' times, taken off the index date: its own time difference counts whole days.
"""

from __future__ import annotations

import contextlib
import math
import os
from datetime import timedelta
from pathlib import Path

import polars as pl
from timeseriesflattener import Flattener, PredictionTimeFrame, PredictorSpec, ValueFrame
from timeseriesflattener.aggregators import (
    CountAggregator,
    LatestAggregator,
    MaxAggregator,
    MeanAggregator,
    MinAggregator,
)

from benchmarks.task import COUNTED, VALUED, WINDOWS, YEAR, Columns, as_peer

JUST_BEFORE = timedelta(microseconds=1)
LOOK_BEHINDS = {window: (JUST_BEFORE, timedelta(days=days)) for window, days in WINDOWS.items()}
EVER = timedelta(days=36525)
AGGREGATORS = {
    "latest": LatestAggregator("timestamp"),
    "mean": MeanAggregator(),
    "minimum": MinAggregator(),
    "maximum": MaxAggregator(),
}


def compute(folder: Path) -> pl.DataFrame:
    index = pl.read_parquet(folder / "index-*.parquet")
    seen = pl.scan_parquet(folder / "records-*.parquet").filter(pl.col("code") < COUNTED)
    seen = seen.join(index.lazy(), on="patient").filter(pl.col("happened") < pl.col("as_of"))
    records = seen.with_columns(pl.col("happened").cast(pl.Datetime("us")).alias("timestamp")).collect()
    specs = []
    for (code,), of_code in records.partition_by("code", as_dict=True).items():
        rows = of_code.select(entity_id="patient", timestamp="timestamp", **{f"c{code}_row": pl.lit(1)})
        specs.append(PredictorSpec(ValueFrame(rows), [*LOOK_BEHINDS.values(), (JUST_BEFORE, EVER)],
                                   [CountAggregator()], fallback=0))  # fmt: skip
        if code < VALUED:
            values = of_code.drop_nulls("value")
            values = values.select(entity_id="patient", timestamp="timestamp", **{f"c{code}_value": "value"})
            specs.append(PredictorSpec(ValueFrame(values), [*LOOK_BEHINDS.values()], [*AGGREGATORS.values()],
                                       fallback=math.nan))  # fmt: skip
            times = of_code.select(entity_id="patient", timestamp="timestamp", **{f"c{code}_time": "happened"})
            specs.append(PredictorSpec(ValueFrame(times), [(JUST_BEFORE, EVER)], [MaxAggregator()], fallback=math.nan))
    moments = index.select(entity_id="patient", pred_timestamp=pl.col("as_of").cast(pl.Datetime("us")))
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        return Flattener(PredictionTimeFrame(moments)).aggregate_timeseries(specs).df


def columns(frame: pl.DataFrame) -> Columns:
    frame = frame.sort("entity_id")
    as_of = frame["pred_timestamp"].dt.epoch("us")
    found = {}
    for code in range(COUNTED):
        pre = f"pred_c{code}"
        for window, (_, days) in {**LOOK_BEHINDS, "ever": (JUST_BEFORE, EVER)}.items():
            found[f"c{code}_count_{window}"] = frame[f"{pre}_row_within_1_to_{days.days}_days_count_fallback_0"]
        if code < VALUED:
            for window, (_, days) in LOOK_BEHINDS.items():
                for name, aggregator in AGGREGATORS.items():
                    found[f"c{code}_{name}_{window}"] = frame[
                        f"{pre}_value_within_1_to_{days.days}_days_{aggregator.name}_fallback_nan"
                    ]
            latest = frame[f"{pre}_time_within_1_to_{EVER.days}_days_max_fallback_nan"]
            found[f"c{code}_since"] = (as_of - latest) / YEAR
    return {name: values.cast(pl.Float64).fill_null(float("nan")).to_numpy() for name, values in found.items()}


if __name__ == "__main__":
    as_peer(compute, columns)

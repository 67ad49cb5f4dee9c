"""featuretools (Alteryx): an entity set, cut-off times, and a training window a window.

A patient's records of one code are an entity, a series, and its features are turned into columns at the end: six times
faster than conditions (``where``) on the records of patients. Records with a value are a frame of their own, or the
last value would be that of the last record, value or not. One process: on two (``n_jobs=2``, Dask) it takes longer.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import featuretools as ft
import numpy as np
import pandas as pd
from featuretools.primitives import Count, Last, Max, Mean, Min, TimeSinceLast

from benchmarks.task import COUNTED, VALUED, WINDOWS, Columns, as_peer

PRIMITIVES = {"latest": Last, "mean": Mean, "minimum": Min, "maximum": Max}
SECONDS_A_YEAR = 365.25 * 86_400


def compute(folder: Path) -> pd.DataFrame:
    index = pd.concat(map(pd.read_parquet, sorted(folder.glob("index-*"))), ignore_index=True)
    seen = pd.read_parquet(sorted(folder.glob("records-*")), filters=[("code", "<", COUNTED)])
    for frame, column in ((index, "as_of"), (seen, "happened")):
        frame[column] = frame[column].to_numpy().astype("datetime64[us]").astype("datetime64[ns]")
    seen["series"] = seen["patient"].to_numpy(np.int64) * COUNTED + seen["code"]
    seen["record"] = np.arange(len(seen))
    series = seen[["series", "patient", "code"]].drop_duplicates("series").reset_index(drop=True)
    measured = seen.loc[(seen["code"] < VALUED) & seen["value"].notna(), ["record", "series", "happened", "value"]]

    data = ft.EntitySet("task")
    data.add_dataframe(series, "series", index="series")
    data.add_dataframe(seen[["record", "series", "happened"]], "records", index="record", time_index="happened")
    data.add_dataframe(measured, "measurements", index="record", time_index="happened")
    for child in ("records", "measurements"):
        data.add_relationship("series", "series", child, "series")
    data.add_last_time_indexes()

    def of(child: str, column: str, primitive: type, name: str) -> ft.Feature:
        return ft.Feature(data[child].ww[column], parent_dataframe_name="series", primitive=primitive).rename(name)

    moments = series.merge(index, on="patient").rename(columns={"series": "instance_id", "as_of": "time"})
    moments = moments[["instance_id", "time"]]
    found = []
    for window in (*WINDOWS, "ever"):
        wanted = [of("records", "record", Count, f"count_{window}")]
        if window == "ever":
            wanted.append(of("records", "happened", TimeSinceLast, "since"))
        else:
            wanted += [of("measurements", "value", how, f"{name}_{window}") for name, how in PRIMITIVES.items()]
        length = None if window == "ever" else f"{WINDOWS[window]} days"
        matrix = ft.calculate_feature_matrix(
            wanted,
            data,
            cutoff_time=moments,
            training_window=length,
            include_cutoff_time=False,
        )
        found.append(matrix.loc[series["series"]])
    long = pd.concat(found, axis=1).set_index(pd.MultiIndex.from_frame(series[["patient", "code"]]))
    return long.unstack("code").reindex(index["patient"])  # noqa: PD010 - the frame is that already


def columns(frame: pd.DataFrame) -> Columns:
    found = {}
    for name, code in frame:
        values = frame[name, code].astype("float64").to_numpy()
        if name.startswith("count"):
            values = np.nan_to_num(values)  # a patient who has no series has no records
        if name == "since":
            values = values / SECONDS_A_YEAR
        if code < VALUED or name.startswith("count"):
            found[f"c{code}_{name}"] = values
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    as_peer(compute, columns)

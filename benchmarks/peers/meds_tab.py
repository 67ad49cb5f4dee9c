"""MEDS-Tab (MIT): its own commands over a MEDS data set, a worker a processor, rows at the labels' times alone.

Not timed: writing the data set and its labels, in shards as ours. It has no latest value and no time since the latest
record; means are sums over counts. What it gives is compared and counted, and differs from ours: its docstrings say
that a window ends at the last event before the label («will extract the previous event's window»), the last record of
each moment is lost, and values are looked for under names that no code has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.task import COUNTED, VALUED, WINDOWS, Columns, as_peer, names

AGGREGATES = {"minimum": "min", "maximum": "max"}
CODES = [f"c{code}" for code in range(COUNTED)]


def prepare(folder: Path) -> Path:
    """Write the data set and labels as MEDS says."""
    made = Path(tempfile.mkdtemp(dir=folder))
    for kind in ("data", "labels"):
        (made / kind / "train").mkdir(parents=True)
    pairs = zip(sorted(folder.glob("records-*")), sorted(folder.glob("index-*")), strict=True)
    for number, (records, index) in enumerate(pairs):
        subject = pl.col("patient").cast(pl.Int64).alias("subject_id")
        code = ("c" + pl.col("code").cast(pl.String)).alias("code")
        happened = pl.col("happened").cast(pl.Datetime("us")).alias("time")
        table = pl.read_parquet(records).select(subject, happened, code, numeric_value=pl.col("value").cast(pl.Float32))
        table.write_parquet(made / "data" / "train" / f"{number}.parquet", use_pyarrow=True)
        moments = pl.read_parquet(index)
        moments = moments.select(subject, prediction_time=pl.col("as_of").cast(pl.Datetime("us")), boolean_value=False)
        moments.write_parquet(made / "labels" / "train" / f"{number}.parquet", use_pyarrow=True)
    return made


def compute(made: Path) -> Path:
    where = [f"input_dir={made / 'data'}", f"output_dir={made / 'out'}"]
    run("meds-tab-describe", *where)
    for codes, windows, aggregates in (
        (CODES, [*WINDOWS.values(), "full"], ["code/count"]),
        (CODES[:VALUED], WINDOWS.values(), ["value/count", "value/sum", "value/min", "value/max"]),
    ):
        inside = [f"{length}d" if isinstance(length, int) else length for length in windows]
        run("meds-tab-tabularize-time-series", "--multirun", *where, f"input_label_dir={made / 'labels'}",
            f"tabularization.allowed_codes=[{','.join(f'{code}/{a}' for code in codes for a in ('code', 'value'))}]",
            f"tabularization.window_sizes=[{','.join(inside)}]", f"tabularization.aggs=[{','.join(aggregates)}]",
            f"worker=range(0,{os.cpu_count()})", "hydra/launcher=joblib")  # fmt: skip
    return made


def run(command: str, *arguments: str) -> None:
    subprocess.run([Path(sys.executable).with_name(command), *arguments], check=True)


def columns(made: Path) -> Columns:
    from MEDS_tabular_automl.describe_codes import get_feature_columns
    from MEDS_tabular_automl.utils import get_feature_names, load_matrix

    known = get_feature_columns(made / "out" / "metadata" / "codes.parquet")

    def matrix(window: str, aggregate: str) -> dict[str, np.ndarray]:
        shards = sorted((made / "out" / "tabularize" / "train").iterdir(), key=lambda shard: int(shard.name))
        parts = [load_matrix(shard / window / f"{aggregate}.npz").toarray() for shard in shards]
        named = [name.split("/")[0] for name in get_feature_names(aggregate, known)]
        return dict(zip(named, np.vstack(parts).T.astype(np.float64), strict=True))

    found = {}
    for window, length in {**WINDOWS, "ever": None}.items():
        inside = f"{length}d" if length else "full"
        found |= {f"{code}_count_{window}": column for code, column in matrix(inside, "code/count").items()}
        if length:
            number, total = matrix(inside, "value/count"), matrix(inside, "value/sum")
            there = {code: np.where(n > 0, 1.0, np.nan) for code, n in number.items()}
            for name, aggregate in AGGREGATES.items():
                values = matrix(inside, f"value/{aggregate}")
                found |= {f"{code}_{name}_{window}": values[code] * there[code] for code in there}
            means = {code: total[code] * there[code] / np.maximum(number[code], 1) for code in there}
            found |= {f"{code}_mean_{window}": column for code, column in means.items()}
    shutil.rmtree(made)
    wanted = set(names())
    return {name: column for name, column in found.items() if name in wanted}


if __name__ == "__main__":
    as_peer(compute, columns, prepare)

"""What ``python -m features build`` and ``describe`` do."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features import catalogue
from features.engines import Engine, Progress, on_threads
from features.feature_set import FeatureSet
from features.records import Records, to_microseconds
from features.store import ROW, FeatureStore, Materialised


def feature_sets() -> dict[str, FeatureSet]:
    """Return the feature sets of the catalogue, by name; raise ValueError if two share one."""
    found: dict[str, FeatureSet] = {}
    for module in pkgutil.iter_modules(catalogue.__path__, f"{catalogue.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, FeatureSet) and found.setdefault(value.name, value) is not value:
                raise ValueError(f"two feature sets of the catalogue are named {value.name!r}: rename one")
    return dict(sorted(found.items()))


def feature_set(name: str) -> FeatureSet:
    """Return the feature set of the catalogue with this name; raise ValueError, naming all, if there is none."""
    known = feature_sets()
    if name not in known:
        raise ValueError(f"the catalogue has no feature set {name!r}; it has {', '.join(known)}")
    return known[name]


def index_at(
    records: Records, dates: Sequence[datetime], progress: Progress | None = None, engine: Engine = on_threads
) -> pd.DataFrame:
    """Return an index of landmarks: at each date, every patient of whom something was known before it.

    Returns
    -------
    DataFrame
        ``patient``, ``as_of``; by shard, date and patient.
    """
    moments = tuple(sorted({to_microseconds(date) for date in dates}))
    requests = [(shard, ROW.empty_table()) for shard in records.shards]
    index: pd.DataFrame = pa.concat_tables(engine(_KnownAt(records, moments), requests, progress)).to_pandas()
    return index


@dataclass(frozen=True)
class _KnownAt:
    """Landmarks of a shard: everybody of whom something was known before each moment."""

    records: Records
    moments: tuple[int, ...]

    def __call__(self, shard: int, _: pa.Table) -> pa.Table:
        read = self.records.read(shard)
        first = np.maximum(read.happened, read.known)
        tables = [ROW.empty_table()]
        for moment in self.moments:
            patients = read.patients[np.unique(read.patient[(first < moment) & (read.retracted >= moment)])]
            as_of = np.full(len(patients), moment).view("datetime64[us]")
            tables.append(pa.table([pa.array(patients, ROW.field("patient").type), as_of], schema=ROW))
        return pa.concat_tables(tables)


def read_index(file: Path) -> pd.DataFrame:
    """Return the index a Parquet file holds; raise ValueError if it lacks ``patient`` or ``as_of``."""
    names = pq.read_schema(file).names
    if lacking := [name for name in ROW.names if name not in names]:
        raise ValueError(f"{file} has no column {' and no column '.join(lacking)}: an index has one row a landmark")
    index: pd.DataFrame = pq.read_table(file, columns=ROW.names).to_pandas()
    return index


def _spark() -> Engine:
    needed = {"pyspark": find_spec("pyspark"), "java": os.environ.get("JAVA_HOME") or which("java")}
    if lacking := [what for what, there in needed.items() if not there]:
        raise ValueError(f"Spark lacks {' and '.join(lacking)}: docs/spark.md says what it takes")
    from pyspark.sql import SparkSession

    from features.engines.spark import on_spark

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    return on_spark(SparkSession.builder.getOrCreate())


#: Engines by name; Spark takes its settings from where it is started (``spark-submit``, ``spark-defaults.conf``).
ENGINES: Final[Mapping[str, Callable[[], Engine]]] = {"threads": lambda: on_threads, "spark": _spark}


def build(
    name: str,
    records: Records,
    index: Sequence[datetime] | Path,
    file: Path,
    store: Path | None = None,
    engine: str = "threads",
    progress: Progress | None = None,
) -> Materialised:
    """Write the features of a set of the catalogue to a Parquet file; see `FeatureStore.write`.

    Parameters
    ----------
    name
        Of the feature set.
    index
        Landmarks at which everybody known then is looked at, or a Parquet file of rows (``patient``, ``as_of``).
    file
        Parquet file to write.
    store
        Folder of parts, kept so that the next build computes only what is new; ``features`` beside the records by
        default.
    engine
        A name of `ENGINES`.
    """
    features = feature_set(name)
    run = ENGINES[engine]()
    rows = read_index(index) if isinstance(index, Path) else index_at(records, index, progress, run)
    kept = FeatureStore(store or records.path.parent / "features", records, run)
    return kept.write(features, rows, file, progress)


def describe(name: str) -> str:
    """Return a Markdown table of a feature set of the catalogue: what each feature is and reads."""
    table = feature_set(name).describe().reset_index().astype(object)
    rows = [list(table.columns), ["---"] * len(table.columns), *table.where(table.notna(), "").to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in row)} |" for row in rows)

"""The feature store: frames computed once, found again by what they are made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.digests import digest
from features.engines import Progress, over_shards
from features.feature_set import FeatureSet
from features.records import Records, Shard

KEY: Final = b"vigie"


class StaleFeatures(ValueError):
    """A stored frame that was not made from what is asked for."""


class FeatureStore:
    """Frames on disk, each under the fingerprint of its feature set and the digests of its records and index.

    Parameters
    ----------
    path
        Folder of the store; made when first needed.
    records
        Records the features are computed from.
    """

    def __init__(self, path: Path, records: Records) -> None:
        self.path = path
        self.records = records

    def frame(self, features: FeatureSet, index: pd.DataFrame, progress: Progress | None = None) -> pd.DataFrame:
        """Return the features of an index (``patient``, ``as_of``), one row each in its order, computed at most once.

        Raises
        ------
        StaleFeatures
            If the file that should hold the frame says it was made from something else.
        """
        key = self._key(features, index)
        file = self.path / f"{features.name}-{digest(key)[:32]}.parquet"
        if file.exists():
            return self._read(file, key)
        frame = compute(features, self.records, index, progress)
        self.path.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pandas(frame, preserve_index=False)
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: json.dumps(key).encode()})
        unfinished = file.with_suffix(".unfinished")
        pq.write_table(table, unfinished)
        unfinished.rename(file)
        return frame

    def _key(self, features: FeatureSet, index: pd.DataFrame) -> dict[str, str]:
        rows = [index["patient"].tolist(), index["as_of"].astype("int64").tolist()]
        return {"features": features.fingerprint, "records": self.records.digest, "index": digest(rows)}

    def _read(self, file: Path, key: dict[str, str]) -> pd.DataFrame:
        table = pq.read_table(file)
        stored = json.loads((table.schema.metadata or {}).get(KEY, b"null"))
        if stored != key:
            raise StaleFeatures(f"{file} holds other features, records or rows than its name says: delete it")
        frame: pd.DataFrame = table.to_pandas()
        return frame


def compute(
    features: FeatureSet, records: Records, index: pd.DataFrame, progress: Progress | None = None
) -> pd.DataFrame:
    """Return the features of an index, one row each in its order, without storing them."""
    patients = index["patient"].to_numpy(dtype=object)
    as_of = np.asarray(index["as_of"].astype("datetime64[us]").astype("int64"), dtype=np.int64)

    def of_shard(shard: Shard) -> tuple[np.ndarray, pd.DataFrame]:
        rows = np.flatnonzero(shard.positions(patients) >= 0)
        return rows, features.of_shard(shard, patients[rows], as_of[rows])

    parts = list(over_shards(records, of_shard, progress=progress))
    rows = np.concatenate([rows for rows, _ in parts])
    unknown = len(index) - len(rows)
    if unknown:
        raise ValueError(f"{unknown} rows of the index are about patients who have no record here")
    frame = pd.concat([part for _, part in parts], ignore_index=True)
    order = np.empty(len(rows), dtype=np.int64)
    order[rows] = np.arange(len(rows))
    return frame.iloc[order].set_axis(index.index, axis=0)

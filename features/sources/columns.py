"""What depends on the text of a row alone is worked out once for each distinct one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def each(column: pa.Array | pa.ChunkedArray, function: Callable[[str], str | None]) -> pa.Array | pa.ChunkedArray:
    """Return a column of texts with a function applied to each distinct one; what is missing stays so."""
    encoded = pc.dictionary_encode(column)
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return pa.array([function(text) for text in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)


def combinations(columns: Sequence[pa.Array | pa.ChunkedArray]) -> tuple[npt.NDArray[np.intp], list[tuple[Any, ...]]]:
    """Return which distinct combination of some columns, at least one, each row has, and the combinations."""
    encoded = [pc.dictionary_encode(column, null_encoding="encode") for column in columns]
    encoded = [column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column for column in encoded]
    key: npt.NDArray[np.intp] = np.zeros(len(encoded[0]), dtype=np.intp)
    for column in encoded:
        key, _ = pd.factorize(key * max(len(column.dictionary), 1) + column.indices.to_numpy())
    first = np.empty(key.max(initial=-1) + 1, dtype=np.intp)
    first[key[::-1]] = np.arange(len(key) - 1, -1, -1)
    return key, list(zip(*(column.take(pa.array(first)).to_pylist() for column in encoded), strict=True))

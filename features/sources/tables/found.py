"""A file of an export that is there, what it is called, and what is wrong with its columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from features.sources.tables.mapping import File, plain


@dataclass(frozen=True, eq=False)
class Found:
    """A file that is there, and the part of the mapping it is read by.

    Attributes
    ----------
    place
        What it is called in ``where`` and in faults: by its name in the mapping, and by its position if several files
        have that. Names of folders, and what stands for a ``*``, may be those of people.
    """

    path: Path
    place: str
    file: File

    @property
    def is_parquet(self) -> bool:
        """Whether it is a Parquet file by its name, else CSV."""
        return self.path.suffix.lower() == ".parquet"

    def where(self, positions: Iterable[int]) -> pa.Array:
        """Return where rows are in the file, from their lines in CSV or their positions in Parquet."""
        kind = "row" if self.is_parquet else "line"
        return pa.array([f"{self.place}, {kind} {position}" for position in positions], pa.string())

    def absent(self, header: Sequence[str]) -> Iterator[str]:
        """Yield a fault for each column of the mapping that the header has not once."""
        for column in self.file.columns:
            if (times := header.count(plain(column))) != 1:
                yield f"column {column!r} is {'missing' if not times else 'there twice'}"

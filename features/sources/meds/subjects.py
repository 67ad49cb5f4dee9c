"""Which patient each subject of a data set is: written beside its folder, never in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

SUBJECTS: Final = pa.schema([("subject_id", pa.int64()), ("patient", pa.string())])


def subjects_file(folder: Path) -> Path:
    """Return where it is written which patient each subject of a data set is: beside its folder, never in it."""
    return folder.with_name(f"{folder.name}.subjects.parquet")


@dataclass(frozen=True, eq=False)
class Subjects:
    """Which patient each subject is: sorted numbers, and the patients in their order."""

    numbers: npt.NDArray[np.int64]
    patients: pa.Array

    @classmethod
    def beside(cls, folder: Path, faults: list[str]) -> Subjects | None:
        """Return what `write_meds` wrote beside a folder, None if it is not there."""
        path = subjects_file(folder)
        if not path.exists():
            return None
        try:
            table = pq.read_table(path, schema=SUBJECTS).sort_by("subject_id").combine_chunks()
        except (pa.ArrowException, OSError):
            faults.append(f"{path.name} does not say which patient each subject is: copy it again, or take it away")
            return None
        return cls(table.column("subject_id").to_numpy(), table.column("patient").combine_chunks())

    def patient(self, subject: pa.ChunkedArray) -> pa.Array:
        """Return the patients of a column of subjects, null for one who is not known."""
        return self.patients.take(positions(self.numbers, subject))


def positions(numbers: npt.NDArray[np.int64], wanted: pa.ChunkedArray) -> pa.Array:
    """Return where each number is among sorted ones, null where it is not."""
    value = pc.fill_null(wanted, 0).to_numpy()
    if not len(numbers):
        return pa.nulls(len(value), pa.int64())
    position = np.minimum(np.searchsorted(numbers, value), len(numbers) - 1)
    missing = (numbers[position] != value) | pc.is_null(wanted).to_numpy()
    return pa.array(position, pa.int64(), mask=missing)

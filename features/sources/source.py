"""What a reader of a format is: a function from a delivery to batches of rows, each saying where it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Batch:
    """Some rows of a delivery, a bounded number.

    Attributes
    ----------
    table
        The columns of `features.intake.SCHEMA`, identifiers as the source has them; ``value``, ``unit`` and
        ``retracted_at`` may be absent. Two more columns may be there: ``where`` (text) says where in the source a row
        came from, by file and line or by resource, and holds nothing of what the row says; ``fault`` (text) is why
        the reader could make no record of it, null for a good row.
    read
        Share of the source that was read with this batch, from 0 to 1.
    not_read
        What the format holds and the reader leaves, such as resources of other types: how many of each.
    """

    table: pa.Table
    read: float
    not_read: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A format that can be read.

    Attributes
    ----------
    name
        What it is called on the command line.
    known_at
        How it is decided when a fact became known; written into the manifest.
    batches
        Reader: from where the delivery is (a path, or the address of a database) and its day to batches. It raises
        `FileNotFoundError` when nothing is there, and `InvalidRecords`, naming all faults, when it can't be understood.
    """

    name: str
    known_at: str
    batches: Callable[[str, datetime], Iterator[Batch]]

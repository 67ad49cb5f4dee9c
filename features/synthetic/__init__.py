"""A French general-practice population whose hazards are known: for trying everything out, and for proving it.

People have risk factors that evolve, practices have habits, letters arrive late, people leave and die. Every figure is
in `assumptions`, with its source where it has one. Modules follow the story: `practices`, `people`, `trajectories`
(what bodies do), `events` (what happens, and the true incidence), `charting` (what reaches the file).

Planted difficulties: people of the most deprived quintile have 1.5 times the cardiovascular hazard of the others at
equal risk factors; deprived practices and those of one region code fewer diagnoses; some laboratories report g/L,
others mmol/L; letters take weeks; those at higher risk leave more; blood pressure is measured more where it is high.

Nothing may be concluded from this population about patients, practices or care in France.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.catalogue.concepts import CONCEPTS
from features.records import Records
from features.synthetic import assumptions
from features.synthetic.charting import chart
from features.synthetic.events import hazards, make_events, truth
from features.synthetic.people import make_people
from features.synthetic.practices import Practices, make_practices
from features.synthetic.trajectories import make_trajectories

__all__ = ["DELIVERED_AT", "TRUTH_SCHEMA", "synthesise"]

DELIVERED_AT: Final = assumptions.DELIVERED_AT
#: People made together from one seed of their own: part of what defines the population, so never a parameter.
BLOCK: Final = 2_000
TRUTH_SCHEMA: Final = pa.schema(
    [
        ("patient", pa.string()),
        ("practice", pa.string()),
        ("as_of", pa.timestamp("us")),
        ("cardiovascular", pa.float64()),
        ("other_death", pa.float64()),
    ]
)


@dataclass(frozen=True, eq=False)
class Block:
    """Some people's records and true incidences, with the columns of ``SCHEMA`` and ``TRUTH_SCHEMA``."""

    records: pa.Table
    truth: pa.Table


def synthesise(
    into: Path,
    *,
    patients: int = 20_000,
    seed: int = 0,
    shards: int = 8,
    truth: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    at_once: int = 10_000,
) -> Records:
    """Write the records of a synthetic population and return them.

    Two runs with the same ``patients`` and ``seed`` give the same records, whatever ``at_once``; with the same
    ``at_once`` and ``shards`` too, the same bytes. A run that was interrupted continues where it stopped when it is
    called again in the same way.

    Parameters
    ----------
    into
        Folder of the store.
    patients
        How many people; there is a practice for every 500 of them, ten at least.
    seed
        Decides everything.
    shards
        Shards of the store.
    truth
        Parquet file for the true incidences, apart from the records; none is written if None. One row a patient
        and landmark (1 January of 2012 to 2016) at which they are alive, registered and without a cardiovascular
        event so far, in truth, whether or not the practice knows of it. Columns: ``patient``, ``practice``, ``as_of``,
        ``cardiovascular``, ``other_death``.
    progress
        Called with (patients done, patients in all).
    at_once
        People whose records are in memory together, and in one delivery; rounded up to a multiple of 2,000.

    Returns
    -------
    Records
        One delivery for every ``at_once`` people, all of 1 January 2026. The calendar starts on 1 January 2009.

    Raises
    ------
    FileExistsError
        If ``into`` holds other records, or this population already.
    ValueError
        If a number is not positive.

    Notes
    -----
    What ``truth`` holds: the probability, given the states a person in fact goes through (smoking, usual blood
    pressure, conditions, treatments of each calendar year, also those after the landmark), that a major cardiovascular
    event (``cardiovascular``) or death from another cause (``other_death``) comes first and before ten calendar years
    have passed; nobody leaves, and the practice's own effect counts. It is exact: hazards are constant within a
    calendar year, and the states do not depend on the events. As it knows the future states, it is sharper than the
    best prediction possible at the landmark; its mean over people who are alike in all that was known then is that best
    prediction, and its mean over a cohort is what a calibrated model predicts on average.
    """
    for name, number in (("patients", patients), ("shards", shards), ("at_once", at_once)):
        if number < 1:
            raise ValueError(f"{name} must be 1 or more, not {number}")
    step = -(-at_once // BLOCK) * BLOCK
    batches = [range(first, min(first + step, patients)) for first in range(0, patients, step)]
    names = [
        f"synthetic population, {patients} patients, seed {seed}: {batch.start + 1} to {batch.stop}"
        for batch in batches
    ]
    records = _store(into, shards, names)
    done = len(records.deliveries)
    population = _Population(patients, seed)
    with _TruthFile(truth) as true_incidences:
        for number, (batch, name) in enumerate(zip(batches, names, strict=True)):
            if number >= done or truth is not None:
                blocks = list(population.blocks(batch))
                true_incidences.write(pa.concat_tables(block.truth for block in blocks))
            if number >= done:
                table = pa.concat_tables(block.records for block in blocks).unify_dictionaries()
                records.append(table, name=name, delivered_at=DELIVERED_AT, concepts=CONCEPTS)
            if progress:
                progress(batch.stop, patients)
    return records


def _store(into: Path, shards: int, names: list[str]) -> Records:
    """Return a new store, or the one an interrupted run of the same population left behind."""
    try:
        return Records.create(into, shards)
    except FileExistsError:
        records = Records.open(into)
        present = [str(delivery["name"]) for delivery in records.deliveries]
        begun = present == names[: len(present)] and len(present) < len(names) and len(records.shards) == shards
        if not begun:
            raise
        return records


class _Population:
    """A population made block by block; each block has a seed of its own, so that order does not matter."""

    def __init__(self, patients: int, seed: int) -> None:
        self._patients = patients
        of_practices, self._of_people = np.random.SeedSequence(seed).spawn(2)
        self._practices = make_practices(np.random.default_rng(of_practices), patients)

    def blocks(self, people: range) -> Iterator[Block]:
        """Yield the blocks of people; ``people`` starts at a multiple of ``BLOCK``."""
        for first in range(people.start, people.stop, BLOCK):
            seed = np.random.SeedSequence(
                self._of_people.entropy, spawn_key=(*self._of_people.spawn_key, first // BLOCK)
            )
            yield _block(np.random.default_rng(seed), range(first, min(first + BLOCK, people.stop)), self._practices)


def _block(rng: np.random.Generator, numbers: range, practices: Practices) -> Block:
    names = pa.array([f"S{number + 1:07d}" for number in numbers])
    people = make_people(rng, len(numbers), practices)
    states = make_trajectories(rng, people, practices)
    rates = hazards(people, states, practices)
    events = make_events(rng, people, rates)
    true = truth(people, events, rates)
    as_of = true.as_of.astype(np.int64) * 86_400_000_000
    return Block(
        records=chart(rng, people, states, events, practices, names),
        truth=pa.table(
            [
                names.take(pa.array(true.person)),
                pa.array(practices.name).take(pa.array(people.practice[true.person])),
                pa.array(as_of, pa.timestamp("us")),
                pa.array(true.cardiovascular),
                pa.array(true.other_death),
            ],
            schema=TRUTH_SCHEMA,
        ),
    )


class _TruthFile:
    """The truth file, whole or absent: written beside its name and renamed at the end. Without a path, nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> _TruthFile:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._partial = self._path.with_name(self._path.name + ".partial")
            self._writer = pq.ParquetWriter(self._partial, TRUTH_SCHEMA, compression="zstd")
        return self

    def write(self, table: pa.Table) -> None:
        if self._writer is not None:
            self._writer.write_table(table)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._path is not None and self._writer is not None:
            self._writer.close()
            if kind is None:
                os.replace(self._partial, self._path)
            else:
                self._partial.unlink()

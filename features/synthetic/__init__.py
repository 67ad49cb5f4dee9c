"""A French general-practice population whose hazards are known: for trying everything out, and for proving it.

People have risk factors that evolve, practices have habits, letters arrive late, people are invited to screening, move,
leave and die. Every figure is in `assumptions`, with its source where it has one. Modules follow the story: `practices`
and their `places`, `people` and their `moves`, `circumstances`; `trajectories` with `illnesses` and `metabolism` (what
bodies do); `events`, `histories`, `screening` (what happens); `lives` (all of it); `charting` and the modules it calls
(what reaches the file); `truth` (what no file holds).

People of the most deprived quintile have 1.5 times the cardiovascular hazard of the others at equal risk factors,
letters take weeks, and blood pressure is measured more where it is high, always. Other planted difficulties can be
switched off: see `Difficulties`.

Nothing may be concluded from this population about patients, practices or care in France; docs/synthetic-population.md
says what is realistic and what is not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.catalogue.concepts import CONCEPTS
from features.records import Records
from features.synthetic import assumptions
from features.synthetic.charting import chart
from features.synthetic.difficulties import USUAL, Difficulties
from features.synthetic.lives import Lives, make_lives
from features.synthetic.practices import make_practices
from features.synthetic.truth import TRUTH_SCHEMA, check_horizon, truth_at

__all__ = ["DELIVERED_AT", "TRUTH_SCHEMA", "Difficulties", "synthesise", "true_incidence"]

DELIVERED_AT: Final = assumptions.DELIVERED_AT
#: People made together from one seed of their own: part of what defines the population, so never a parameter.
BLOCK: Final = 2_000
#: Years of the horizon within which participation in screening is told.
SCREENING_YEARS: Final = 2.0


@dataclass(frozen=True, eq=False)
class Block:
    """Some people: their names, their lives, and what draws their records."""

    names: pa.Array
    lives: Lives
    seed: np.random.SeedSequence

    @property
    def records(self) -> pa.Table:
        """Their records, with the columns of ``SCHEMA``, retractions apart."""
        return chart(self.seed, self.lives, self.names)

    @property
    def truth(self) -> pa.Table:
        """The true probabilities at the usual landmarks and horizons, with the columns of ``TRUTH_SCHEMA``."""
        landmarks = (datetime(year, 1, 1) for year in assumptions.LANDMARK_YEARS)
        return pa.concat_tables(
            truth_at(self.lives, self.names, as_of, assumptions.HORIZON_YEARS, SCREENING_YEARS) for as_of in landmarks
        )


def synthesise(
    into: Path,
    *,
    patients: int = 20_000,
    seed: int = 0,
    shards: int = 8,
    truth: Path | None = None,
    difficulties: Difficulties = USUAL,
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
        Parquet file for the true probabilities, apart from the records; none is written if None. One row a patient and
        landmark (1 January of 2012 to 2016) at which they are alive and registered, in truth, whether or not the
        practice knows of it; nobody between two practices. Columns: ``patient``, ``practice``, ``as_of``;
        ``cardiovascular``, ``other_death``, empty after a cardiovascular event; for each screening programme
        ``breast``, ``colorectal``, ``cervical`` and, of tests outside it, ``breast_individual`` …, empty for those it
        is not for.
    difficulties
        What is planted in the records to be noticed or withstood.
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
    What ``cardiovascular`` and ``other_death`` hold: the probability, given the states a person in fact goes through
    (smoking, usual blood pressure, conditions, treatments and the place of each calendar year, also those after the
    landmark), that a major cardiovascular event or death from another cause comes first and before ten calendar years
    have passed; nobody leaves, and the effect of the practice that a person has in each year counts. It is exact:
    hazards are constant within a calendar year, and the states do not depend on the events. As it knows the future
    states, it is sharper than the best prediction possible at the landmark; its mean over people who are alike in all
    that was known then is that best prediction, and its mean over a cohort is what a calibrated model predicts on
    average.

    What a programme's columns hold: the probability that the first test within two calendar years is the programme's
    (``breast``), or one outside it (``breast_individual``); their sum is that of any test. It knows what was done until
    the landmark, what nobody records, and no death. `true_incidence` gives all of it at other landmarks and horizons.
    """
    for name, number in (("patients", patients), ("shards", shards), ("at_once", at_once)):
        if number < 1:
            raise ValueError(f"{name} must be 1 or more, not {number}")
    step = -(-at_once // BLOCK) * BLOCK
    batches = [range(first, min(first + step, patients)) for first in range(0, patients, step)]
    planted = f", {difficulties}" if str(difficulties) else ""
    names = [
        f"synthetic population, {patients} patients, seed {seed}{planted}: {batch.start + 1} to {batch.stop}"
        for batch in batches
    ]
    records = _store(into, shards, names)
    done = len(records.deliveries)
    population = _Population(patients, seed, difficulties)
    with _TruthFile(truth) as truths:
        for number, (batch, name) in enumerate(zip(batches, names, strict=True)):
            tables = []
            for block in population.blocks(batch) if number >= done or truth is not None else ():
                if truth is not None:
                    truths.write(block.truth)
                if number >= done:
                    tables.append(block.records)
            if tables:
                table = pa.concat_tables(tables).unify_dictionaries()
                records.append(table, name=name, delivered_at=DELIVERED_AT, concepts=CONCEPTS)
            if progress:
                progress(batch.stop, patients)
    return records


def true_incidence(
    as_of: datetime,
    *,
    patients: int = 20_000,
    seed: int = 0,
    years: float = 10.0,
    screening_years: float = SCREENING_YEARS,
    difficulties: Difficulties = USUAL,
) -> pa.Table:
    """Return the true probabilities of a population's people at any landmark, for any horizon.

    Parameters
    ----------
    as_of
        Landmark.
    patients, seed, difficulties
        Those of `synthesise`; of the difficulties only who leaves matters.
    years, screening_years
        Horizons of the cardiovascular event, and of screening; whole years are calendar years.

    Returns
    -------
    pyarrow.Table
        As in the truth file of `synthesise`, one row for each person alive and registered at the landmark.

    Raises
    ------
    ValueError
        If a horizon is not positive, or lies outside the calendar.
    """
    for horizon in (years, screening_years):
        check_horizon(as_of, horizon)
    blocks = _Population(patients, seed, difficulties).blocks(range(patients))
    return pa.concat_tables(truth_at(block.lives, block.names, as_of, years, screening_years) for block in blocks)


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

    def __init__(self, patients: int, seed: int, difficulties: Difficulties = USUAL) -> None:
        of_practices, self._of_people = np.random.SeedSequence(seed).spawn(2)
        self.practices = make_practices(np.random.default_rng(of_practices), patients, difficulties)
        self._difficulties = difficulties

    def blocks(self, people: range) -> Iterator[Block]:
        """Yield the blocks of people; ``people`` starts at a multiple of ``BLOCK``."""
        for first in range(people.start, people.stop, BLOCK):
            seed = np.random.SeedSequence(
                self._of_people.entropy, spawn_key=(*self._of_people.spawn_key, first // BLOCK)
            )
            of_lives, of_records = seed.spawn(2)
            numbers = range(first, min(first + BLOCK, people.stop))
            yield Block(
                pa.array([f"S{number + 1:07d}" for number in numbers]),
                make_lives(of_lives, len(numbers), self.practices, self._difficulties),
                of_records,
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

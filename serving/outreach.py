"""A whole practice's list, or a nation's: everybody to whom a model gives a probability, in the order to reach them.

For a screening programme the least likely to take part come first; for a risk, those at the highest. The numbers are
those that the service answers with, by the same evaluator of many patients and the same rounding (`serving.scoring`).

Each shard is scored into a part of its own beside the list, under the digest of all that decides it: work that was
interrupted goes on where it stopped, and what is not the same is not found. One shard a processor is in memory, and the
parts are put in order by DuckDB, which uses the disk where memory does not suffice.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from features.catalogue.concepts import REGISTERED
from features.columnar import latest_practice
from features.digests import canonical, digest
from features.engines import Engine, Progress, on_threads
from features.records import Records, Shard, to_microseconds
from features.store import CODE, ROW
from serving.cds_hooks.discovery import is_risk
from serving.desks import Desks
from serving.gate import Admitted
from serving.scoring import Frames, contributions, direction_of, movers, probabilities, signature
from training.reasons import sentence
from training.values import Bilingual

REASON: Final = pa.struct(
    [
        ("feature", pa.string()),
        ("direction", pa.string()),
        ("contribution", pa.float64()),
        ("fr", pa.string()),
        ("en", pa.string()),
    ]
)
PART: Final = pa.schema(
    [
        ("patient", pa.string()),
        ("practice", pa.string()),
        ("probability", pa.float64()),
        ("level", pa.string()),
        ("reasons", pa.list_(REASON)),
    ]
)
#: What is told of a part: where it is, under which decision it was made, and its counts.
MADE: Final = pa.schema(
    [("file", pa.string()), ("decision", pa.string()), ("answered", pa.int64()), ("patients", pa.int64())]
)
#: Patients of a shard whose reasons are in memory at once.
AT_ONCE: Final = 10_000
MEMORY: Final = "1GB"
UNFINISHED: Final = ".unfinished-"


@dataclass(frozen=True)
class Wanted:
    """What is asked of a store.

    Attributes
    ----------
    as_of
        Naive UTC: only what happened and was known strictly before it counts.
    practice
        The one practice whose patients are listed, all if None: the practice of the latest known registration.
    capacity
        How many people of each practice are listed at most, all if None.
    reasons
        Whether each is told with the features that count most.
    """

    as_of: datetime
    practice: str | None = None
    capacity: int | None = None
    reasons: bool = False


@dataclass(frozen=True)
class Listed:
    """What became of a list.

    Attributes
    ----------
    people
        How many there are in it.
    answered, patients
        To how many the model gives a probability, of how many patients in the store.
    """

    people: int
    answered: int
    patients: int


def write_list(
    model: Callable[[], Admitted],
    records: Records,
    wanted: Wanted,
    file: Path,
    progress: Progress | None = None,
    engine: Engine = on_threads,
) -> Listed:
    """Write the list of a store's patients to a Parquet file.

    Parameters
    ----------
    model
        Returns the model if it may be used now, and raises `serving.refusals.Refused` if not: asked before each shard
        and at the end, so that a model which is suspended meanwhile makes no list. Where the engine is not this
        machine's, `Models` and a study.
    records
        The store.
    wanted
        Whom to list, and as of when.
    file
        Replaced when the list is whole. Parts are kept in a folder beside it until then, which every machine that the
        engine uses sees under the same path.
    progress
        Called with (shards done, shards in all).
    engine
        Where shards are scored: on this machine's threads, or `features.engines.spark.on_spark`.

    Returns
    -------
    Listed
        How many.
    """
    model()
    folder = file.with_name(f"{file.name}.parts").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    maker = _PartMaker(model, records, wanted, folder, CODE)
    requests = [(shard, ROW.empty_table()) for shard in records.shards]
    while True:
        try:
            made = pa.concat_tables(engine(maker, requests, progress)).to_pylist()
        except ValueError:
            model()  # a model that may not be used any more is the reason, whatever an engine says
            raise
        admitted = model()
        if {part["decision"] for part in made} == {admitted.decision_digest}:
            break  # what was made under an earlier decision is made again under this one
    parts = [folder / part["file"] for part in made]
    people = _rank(parts, admitted, records, wanted, file)
    shutil.rmtree(folder)
    return Listed(people, sum(part["answered"] for part in made), sum(part["patients"] for part in made))


@dataclass(frozen=True)
class Models:
    """The model that answers for a study, opened once by each process that asks: models are not sent over a network.

    Attributes
    ----------
    bundles
        Folders, under paths that every machine sees.
    environment
        Settings (`serving.settings`), as pairs: whose decisions count, and the committee's ledger.
    study
        Which study, the first if None.
    """

    bundles: tuple[Path, ...]
    environment: tuple[tuple[str, str], ...]
    study: str | None

    def __call__(self) -> Admitted:
        """Return the model if the gate and the committee let it be used now; raise `Refused` if not."""
        return _desks(self.bundles, self.environment).of(self.study).model()


@cache
def _desks(bundles: tuple[Path, ...], environment: tuple[tuple[str, str], ...]) -> Desks:
    return Desks.open(bundles, dict(environment))


@dataclass(frozen=True)
class _PartMaker:
    """Makes the part of a shard, wherever it runs."""

    model: Callable[[], Admitted]
    records: Records
    wanted: Wanted
    folder: Path
    code: str

    def __call__(self, shard: int, _: pa.Table) -> pa.Table:
        """Return (``MADE``) the part of a shard, made if it is not there."""
        if self.code != CODE:
            raise ValueError("another version of the package is installed here than where the work was given out")
        admitted = self.model()
        decided = {
            "code": CODE,
            "model": admitted.model_digest,
            "decision": admitted.decision_digest,
            "as_of": self.wanted.as_of.isoformat(),
            "practice": self.wanted.practice,
            "reasons": self.wanted.reasons,
            "files": sorted(self.records.files(shard).values()),
            "objections": digest(sorted(self.records.objections.pseudonyms)),
        }
        part = self.folder / f"{shard:06d}-{digest(decided)[:32]}.parquet"
        if not part.exists():
            _write(part, admitted, self.records.read(shard), self.wanted)
        about = pq.read_metadata(part)
        counts = [about.num_rows], [int(about.metadata[b"patients"])]
        return pa.table([[part.name], [admitted.decision_digest], *counts], schema=MADE)


def _write(part: Path, admitted: Admitted, shard: Shard, wanted: Wanted) -> None:
    """Write the part of a shard, there wholly or not at all."""
    unfinished = part.with_name(f"{UNFINISHED}{uuid4().hex}")
    schema = PART.with_metadata({b"patients": str(len(shard.patients)).encode()})
    with pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
        for first in range(0, len(shard.patients), AT_ONCE if wanted.reasons else len(shard.patients)):
            last = first + AT_ONCE if wanted.reasons else None
            writer.write_table(_scored(admitted, shard, shard.patients[first:last], wanted).cast(schema))
    unfinished.replace(part)


def _scored(admitted: Admitted, shard: Shard, patients: npt.NDArray[np.object_], wanted: Wanted) -> pa.Table:
    """Return the patients of a shard to whom the model gives a probability, as ``PART``."""
    moments = np.full(len(patients), to_microseconds(wanted.as_of), dtype=np.int64)
    practices = latest_practice(shard, patients, moments, REGISTERED)
    if wanted.practice is not None:
        mine = practices == wanted.practice
        patients, practices, moments = patients[mine], practices[mine], moments[mine]
    frames = Frames.of_shard(admitted, shard, patients, moments)
    found = probabilities(admitted, frames)
    given = np.flatnonzero(~np.isnan(found))
    ages = frames.features["age"].to_numpy()[given] if "age" in frames.features else np.full(len(given), np.nan)
    scale = admitted.artefact.scale
    levels = [scale.level(risk, age) for risk, age in zip(found[given].tolist(), ages.tolist(), strict=True)]
    rows = frames.rows(given)
    return pa.table(
        [
            pa.array(patients[given], pa.string()),
            pa.array(practices[given], pa.string()),
            pa.array(found[given]),
            pa.array([level and level.code for level in levels], pa.string()),
            _reasons(admitted, rows) if wanted.reasons else pa.nulls(len(given), pa.list_(REASON)),
        ],
        schema=PART,
    )


def _reasons(admitted: Admitted, rows: Frames) -> pa.Array:
    """Return what `serving.scoring` gives as reasons, a list a row: the features that move the probability most."""
    if not len(rows.features):
        return pa.array([], pa.list_(REASON))
    names = list(admitted.artefact.features)
    ages = np.full(rows.values.shape, np.nan)
    ages[:, [names.index(name) for name in admitted.measured_ages]] = rows.ages
    added = contributions(admitted, rows)
    order = movers(added)
    chosen = (np.take_along_axis(each, order, axis=1).tolist() for each in (added, rows.values, ages))
    reason = _Reasons(admitted)
    return pa.array(
        [
            [reason(names[place], *of_place) for place, *of_place in zip(*of_row, strict=True)]
            for of_row in zip(order.tolist(), *chosen, strict=True)
        ],
        pa.list_(REASON),
    )


class _Reasons:
    """Reasons of one model; a sentence that was said before, such as of a condition, is not made again."""

    def __init__(self, admitted: Admitted) -> None:
        self._features, self._quantity = admitted.artefact.features, admitted.artefact.scale.quantity
        self._said: dict[tuple[str, str, float | None, float | None], Bilingual] = {}

    def __call__(self, name: str, contribution: float, value: float, age: float) -> dict[str, Any]:
        direction = direction_of(contribution)
        there = name, direction, _there(value), _there(age)
        said = self._said.get(there)
        if said is None:  # only the direction is said, not the contribution
            said = sentence(self._features[name], there[2], contribution, there[3], self._quantity)
            self._said[there] = said
        return {"feature": name, "direction": direction, "contribution": contribution, "fr": said.fr, "en": said.en}


def _there(value: float) -> float | None:
    return None if math.isnan(value) else value


def _rank(parts: list[Path], admitted: Admitted, records: Records, wanted: Wanted, file: Path) -> int:
    """Put parts in order into a file, there wholly or not at all; return how many people are in it."""
    direction = "DESC" if is_risk(admitted) else "ASC"
    about = {
        **{name: _json(value) for name, value in signature(admitted).items()},
        "records": records.digest,
        "as_of": wanted.as_of.isoformat() + "Z",
        "practice": wanted.practice,
        "capacity": wanted.capacity,
    }
    unfinished = file.with_name(f"{UNFINISHED}{uuid4().hex}")
    order = f"ORDER BY probability {direction}, patient"
    columns = "patient, practice, probability, level" + (", reasons" if wanted.reasons else "")
    options = f"FORMAT parquet, COMPRESSION zstd, KV_METADATA {{vigie: {_quoted(canonical(about).decode())}}}"
    try:
        with duckdb.connect() as connection:
            connection.execute(f"SET memory_limit = '{MEMORY}'")
            connection.execute(f"SET temp_directory = {_quoted(parts[0].parent / 'sorting')}")
            connection.execute(
                f"""
                COPY (
                    SELECT row_number() OVER ({order}) AS rank, * FROM (
                        SELECT row_number() OVER (PARTITION BY practice {order}) AS rank_in_practice, {columns}
                        FROM read_parquet($parts)
                    )
                    WHERE $capacity IS NULL OR rank_in_practice <= $capacity
                    ORDER BY rank
                ) TO {_quoted(unfinished)} ({options})
                """,
                {"parts": [str(part) for part in parts], "capacity": wanted.capacity},
            )
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
    return int(pq.read_metadata(file).num_rows)


def _json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_json(each) for each in value]
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    return value.isoformat() if hasattr(value, "isoformat") else value


def _quoted(text: object) -> str:
    return "'" + str(text).replace("'", "''") + "'"

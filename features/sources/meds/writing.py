"""Records → a MEDS data set."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.catalogue.concepts import CONCEPTS
from features.codes import PRACTICE, SYSTEMS
from features.records import Records
from features.sources.choice import coded
from features.sources.exports import identity, whole_folder
from features.sources.meds.codes import CONCEPT, RETRACTED, meds_code
from features.sources.meds.subjects import SUBJECTS, subjects_file

DATA: Final = pa.schema(
    [
        pa.field("subject_id", pa.int64(), nullable=False),
        pa.field("time", pa.timestamp("us")),
        pa.field("code", pa.string(), nullable=False),
        ("numeric_value", pa.float32()),
        ("exact_value", pa.float64()),
        ("unit", pa.string()),
        ("cause", pa.string()),
        ("practice", pa.string()),
        ("known_at", pa.timestamp("us")),
        ("retracted_at", pa.timestamp("us")),
    ]
)
BITS: Final = 63


def write_meds(
    records: Records,
    folder: Path,
    *,
    dataset_name: str,
    dataset_version: str,
    splits: Mapping[str, float] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write records as a MEDS 0.4 data set; it is there wholly or not at all.

    Parameters
    ----------
    records
        The store. One shard at a time is in memory, and becomes one file of ``data/``.
    folder
        The new data set. Which patient each subject is goes beside it, into `subjects_file`: leave that file behind
        when the data set is passed on, and keep it to have `MEDS` read the very same records again.
    dataset_name, dataset_version
        For ``dataset.json``. The name also decides the numbers of subjects: two data sets with different names cannot
        be joined by them.
    splits
        Share of the subjects in each split, such as ``{"train": 0.8, "tuning": 0.1, "held_out": 0.1}``; a subject's
        split depends on its number alone. None for no splits.
    progress
        Called with (shards done, shards in all).

    Raises
    ------
    FileExistsError
        If ``folder``, or its `subjects_file`, is there already.
    ValueError
        If there is nothing to write, shares do not sum to one, or two patients would have the same number.

    Notes
    -----
    Codes are ``SYSTEM//CODE``; birth and death are ``MEDS_BIRTH`` and ``MEDS_DEATH``, with the cause of death in a
    column of its own. ``numeric_value`` has 32 bits by the standard; ``exact_value`` is the number itself. A fact that
    was taken back has a code that begins with ``RETRACTED//``, so that a program which does not know the column
    ``retracted_at`` does not take it for true. A program that does not know ``known_at`` sees facts before the practice
    did: what it predicts then is too good.
    """
    if splits is not None and (min(splits.values(), default=0) < 0 or abs(sum(splits.values()) - 1) > 1e-9):
        raise ValueError("the shares of splits must be positive and sum to one")
    subjects = subjects_file(folder)
    with whole_folder(folder, subjects) as unfinished:
        data, metadata = unfinished / "data", unfinished / "metadata"
        data.mkdir()
        metadata.mkdir()
        written = _write_data(records, data, dataset_name, progress)
        _write_metadata(records, metadata, written, dataset_name, dataset_version)
        if splits is not None:
            _write_splits(written.subjects, metadata, splits)
        pq.write_table(written.subjects, unfinished / subjects.name, compression="zstd")


@dataclass
class _Written:
    """What was written: pairs of a MEDS code and our own, and which patient each subject is."""

    codes: set[tuple[str, str]] = field(default_factory=set)
    subjects: pa.Table = field(default_factory=SUBJECTS.empty_table)


def _write_data(
    records: Records, folder: Path, dataset_name: str, progress: Callable[[int, int], None] | None
) -> _Written:
    written = _Written()
    of_shards = []
    for done, shard in enumerate(records.shards, start=1):
        facts = records.table(shard)
        if len(facts):
            patient = pc.dictionary_encode(facts.column("patient")).combine_chunks()
            numbers = pa.array([_number(name, dataset_name) for name in patient.dictionary.to_pylist()], pa.int64())
            of_shards.append(pa.table([numbers, patient.dictionary], schema=SUBJECTS))
            data, codes = _measurements(facts, numbers.take(patient.indices))
            written.codes |= codes
            pq.write_table(data, folder / f"{shard:06d}.parquet", compression="zstd")
        if progress:
            progress(done, len(records.shards))
    if not of_shards:
        raise ValueError(f"{records.path} holds no record: there is nothing to write")
    written.subjects = pa.concat_tables(of_shards).sort_by("subject_id")
    if pc.count_distinct(written.subjects.column("subject_id")).as_py() < len(written.subjects):
        raise ValueError("two patients would have the same number: give the data set another name")
    return written


def _number(patient: str, dataset_name: str) -> int:
    """Return the number of a patient in a data set: the first bits of its `identity`."""
    return int.from_bytes(identity(patient, dataset_name)[:8], "big") >> (64 - BITS)


def _measurements(facts: pa.Table, subject: pa.Array) -> tuple[pa.Table, set[tuple[str, str]]]:
    """Return the rows of some facts, sorted, and the pairs of a MEDS code and our own among them."""
    encoded = pc.dictionary_encode(facts.column("code")).combine_chunks()
    codes = encoded.dictionary.to_pylist()
    meds = pa.array([meds_code(code)[0] for code in codes], pa.string()).take(encoded.indices)
    retracted = pc.is_valid(facts.column("retracted_at"))
    meds = pc.if_else(retracted, pc.binary_join_element_wise(RETRACTED, meds, ""), meds)
    pairs = pa.table({"meds": meds, "code": facts.column("code")}).group_by(["meds", "code"]).aggregate([])
    value = facts.column("value").to_numpy()
    with np.errstate(over="ignore"):
        single = value.astype(np.float32)
    single[~np.isfinite(single)] = np.nan
    table = pa.table(
        [
            subject,
            facts.column("happened_at"),
            meds,
            pa.array(single, pa.float32(), from_pandas=True),
            facts.column("value"),
            facts.column("unit"),
            pa.array([meds_code(code)[1] for code in codes], pa.string()).take(encoded.indices),
            facts.column("practice"),
            facts.column("known_at"),
            facts.column("retracted_at"),
        ],
        schema=DATA,
    )
    keys = ("subject_id", "time", "known_at", "code", "exact_value", "unit", "cause", "practice", "retracted_at")
    table = table.sort_by([(name, "ascending") for name in keys])
    return table, set(zip(*pairs.to_pydict().values(), strict=True))


def _write_metadata(records: Records, folder: Path, written: _Written, dataset_name: str, dataset_version: str) -> None:
    labels: dict[str, str] = {}
    parents: dict[str, list[str]] = {}
    for meds, code in sorted(written.codes):
        concepts = [concept for concept in CONCEPTS if concept.covers(code)]
        names = {f"{CONCEPT}{concept.name}": f"{concept.fr} ({concept.en})" for concept in concepts}
        label = " · ".join(names.values()) or f"{SYSTEMS[code.partition(':')[0]].title} {code.partition(':')[2]}"
        if meds.startswith(RETRACTED):
            labels[meds] = f"Retiré depuis (taken back since) : {label}"
        else:
            labels |= {**names, meds: label}
            above = parents.setdefault(meds, [])
            above += [parent for parent in (*_ancestors(code), *names) if parent not in above]
    schema = pa.schema(
        [
            pa.field("code", pa.string(), nullable=False),
            ("description", pa.string()),
            ("parent_codes", pa.list_(pa.string())),
        ]
    )
    rows = [
        {"code": code, "description": label, "parent_codes": parents.get(code, [])}
        for code, label in sorted(labels.items())
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / "codes.parquet", compression="zstd")
    about = {
        "dataset_name": dataset_name,
        "dataset_version": dataset_version,
        "etl_name": "vigie",
        "etl_version": version("vigie"),
        "meds_version": "0.4.1",
        "created_at": records.delivered_at.isoformat(),
        "site_id_columns": ["practice"],
        "code_modifier_columns": ["unit", "cause"],
        "additional_value_modality_columns": ["exact_value"],
        "other_extension_columns": ["known_at", "retracted_at"],
    }
    text = json.dumps(about, indent=1, ensure_ascii=False)
    (folder / "dataset.json").write_text(text, encoding="utf-8")


def _ancestors(code: str) -> list[str]:
    """Return the MEDS codes of a code's ancestors in its own system, nearest first."""
    system, _, value = code.partition(":")
    if not SYSTEMS[system].hierarchical or system == PRACTICE.name:
        return []
    shorter = (coded(system, value[:length]) for length in range(len(value) - 1, 0, -1))
    return list(dict.fromkeys(meds_code(parent)[0] for parent in shorter if parent))


def _write_splits(subjects: pa.Table, folder: Path, splits: Mapping[str, float]) -> None:
    bounds = np.cumsum(list(splits.values()))[:-1]
    place = subjects.column("subject_id").to_numpy() / 2.0**BITS
    names = pa.array(list(splits)).take(pa.array(np.searchsorted(bounds, place, side="right")))
    schema = pa.schema(
        [pa.field("subject_id", pa.int64(), nullable=False), pa.field("split", pa.string(), nullable=False)]
    )
    table = pa.table([subjects.column("subject_id"), names], schema=schema)
    pq.write_table(table, folder / "subject_splits.parquet", compression="zstd")

"""Engines a definition runs on: each returns the values of expressions for the patients of a chapter."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from features.columnar import evaluate_all
from features.feature_set import FeatureSet
from features.intake import SCHEMA
from features.language import Expression
from features.patient import evaluate
from features.records import History, Record, Records, Shard, to_microseconds
from features.store import compute
from tests.spec.examples import AS_OF, Chapter

Engine = Callable[[list[Expression], Chapter], list[list[float]]]


def by_patient(expressions: list[Expression], chapter: Chapter) -> list[list[float]]:
    """Evaluate one patient after another, in plain Python."""
    found = []
    for expression in expressions:
        column = []
        for patient in chapter.patients:
            history = History(
                tuple(
                    Record(r["happened_at"], r["known_at"], r["code"], r["value"], retracted_at=r["retracted_at"])
                    for r in chapter.rows(patient)
                )
            )
            value = evaluate(expression.node, history, AS_OF)
            column.append(math.nan if value is None else value)
        found.append(column)
    return found


def by_columns(expressions: list[Expression], chapter: Chapter) -> list[list[float]]:
    """Evaluate everybody at once, over a sorted shard."""
    shard = Shard.from_table(pa.Table.from_pylist(chapter.rows(), schema=SCHEMA))
    patients = np.array(chapter.patients, dtype=object)
    as_of = np.full(len(patients), to_microseconds(AS_OF))
    return [column.tolist() for column in evaluate_all([e.node for e in expressions], shard, patients, as_of)]


def by_threads(expressions: list[Expression], chapter: Chapter) -> list[list[float]]:
    """Evaluate a definition that went through JSON, over records on disk, shards on threads."""
    features = FeatureSet("spec", **{f"example_{i}": expression for i, expression in enumerate(expressions)})
    features = FeatureSet.from_json(features.to_json())
    # Somebody without any record is in no shard; an examination, which no example reads, puts them there.
    bystanders = [
        {"patient": patient, "practice": "p", "happened_at": AS_OF, "known_at": AS_OF, "code": "PRACTICE:examination"}
        for patient in chapter.patients
    ]
    table = pa.Table.from_pylist([*chapter.rows(), *bystanders], schema=SCHEMA)
    with tempfile.TemporaryDirectory() as folder:
        records = Records.create(Path(folder) / "records", shards=3)
        records.append(table, name="all", delivered_at=AS_OF.replace(year=2030), concepts=())
        index = pd.DataFrame({"patient": list(chapter.patients), "as_of": AS_OF})
        index["as_of"] = index["as_of"].astype("datetime64[us]")
        frame = compute(features, records, index)
    columns = (frame[name] for name in features)
    return [
        (c.cat.codes.astype(float).replace(-1.0, math.nan) if c.dtype == "category" else c).tolist() for c in columns
    ]


ENGINES: Mapping[str, Engine] = {"patient by patient": by_patient, "columns": by_columns, "threads": by_threads}

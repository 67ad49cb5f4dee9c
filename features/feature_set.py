"""Feature sets: named, described expressions that travel as JSON and know their fingerprint."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from features import columnar, patient
from features.codes import Concept
from features.digests import canonical, digest
from features.language import (
    Age,
    Aggregate,
    Boolean,
    Category,
    Elapsed,
    Expression,
    ExpressionError,
    Node,
    children,
    from_dict,
    to_dict,
)
from features.records import History, Shard


@dataclass(frozen=True)
class Feature:
    """One column: its name, what it is computed from, and how people read it.

    Attributes
    ----------
    fr, en
        Labels.
    direction
        How the risk moves when it rises: +1, -1, or 0 where either may be.
    """

    name: str
    node: Node
    fr: str
    en: str
    direction: Literal[-1, 0, 1] = 0

    @property
    def unit(self) -> str | None:
        """UCUM unit; None for a condition or a category."""
        return getattr(self.node.type, "unit", None)

    @property
    def is_condition(self) -> bool:
        """Whether the value is true or false."""
        return isinstance(self.node.type, Boolean)

    @cached_property
    def leaves(self) -> tuple[Aggregate | Elapsed | Age, ...]:
        """What the feature reads from records."""
        found: dict[Aggregate | Elapsed | Age, None] = {}
        pending = [self.node]
        while pending:
            node = pending.pop()
            if isinstance(node, (Aggregate, Elapsed, Age)):
                found[node] = None
            pending.extend(children(node))
        return tuple(found)

    @property
    def concepts(self) -> tuple[Concept, ...]:
        """Concepts whose records the feature reads."""
        return tuple(dict.fromkeys(leaf.birth if isinstance(leaf, Age) else leaf.concept for leaf in self.leaves))


class FeatureSet(Mapping[str, Feature]):
    """Named features, in order.

    Parameters
    ----------
    name
        Identifier of the set.
    expressions
        One expression a feature.

    Raises
    ------
    ExpressionError
        Naming every feature that is not an expression.
    """

    def __init__(self, name: str, /, **expressions: Expression) -> None:
        wrong = [key for key, value in expressions.items() if not isinstance(value, Expression)]
        if wrong:
            raise ExpressionError(f"features must be expressions; these are not: {', '.join(wrong)}")
        self.name = name
        self._features = {
            key: Feature(key, e.node, e.fr or key, e.en or key, e.direction) for key, e in expressions.items()
        }

    def __getitem__(self, name: str) -> Feature:
        return self._features[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._features)

    def __len__(self) -> int:
        return len(self._features)

    def __repr__(self) -> str:
        return f"FeatureSet({self.name!r}, {', '.join(self)})"

    @property
    def concepts(self) -> tuple[Concept, ...]:
        """Concepts whose records the set reads, each once."""
        return tuple(dict.fromkeys(c for feature in self.values() for c in feature.concepts))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the definitions, codes and units included: equal fingerprints compute equal values."""
        return digest(self.to_dict())

    def only(self, *names: str) -> FeatureSet:
        """Return the set with some of its features, in the order given."""
        kept = (self[name] for name in names)
        return FeatureSet(self.name, **{f.name: Expression(f.node, f.fr, f.en, f.direction) for f in kept})

    def to_dict(self) -> dict[str, Any]:
        """Return the set as JSON types."""
        return {
            "name": self.name,
            "features": [
                {
                    "name": f.name,
                    "fr": f.fr,
                    "en": f.en,
                    "direction": f.direction,
                    "expression": to_dict(f.node),
                }
                for f in self.values()
            ],
        }

    def to_json(self) -> bytes:
        """Return the set as canonical JSON; `from_json` is its inverse."""
        return canonical(self.to_dict())

    @classmethod
    def from_json(cls, text: bytes | str) -> FeatureSet:
        """Return the set written by `to_json`."""
        data = json.loads(text)
        return cls(
            data["name"],
            **{
                f["name"]: Expression(from_dict(f["expression"]), f["fr"], f["en"], f["direction"])
                for f in data["features"]
            },
        )

    def of_patient(self, history: History, as_of: datetime) -> pd.DataFrame:
        """Return the features of one patient, from what was known before ``as_of``: one row."""
        values = patient.evaluate_all([f.node for f in self.values()], history, as_of)
        columns = [np.array([np.nan if v is None else v]) for v in values]
        return self._frame(columns, pd.RangeIndex(1))

    def of_shard(self, shard: Shard, patients: npt.NDArray[np.object_], as_of: npt.NDArray[np.int64]) -> pd.DataFrame:
        """Return the features of many rows (patient, ``as_of`` in microseconds), in the rows' order."""
        columns = columnar.evaluate_all([f.node for f in self.values()], shard, patients, as_of)
        return self._frame(columns, pd.RangeIndex(len(patients)))

    def _frame(self, columns: list[npt.NDArray[np.float64]], index: pd.Index) -> pd.DataFrame:
        """Return columns as a frame: numbers and conditions as floats, categories as categoricals."""
        data: dict[str, Any] = {}
        for feature, column in zip(self.values(), columns, strict=True):
            kind = feature.node.type
            if isinstance(kind, Category):
                positions = np.where(np.isnan(column), -1, column).astype(np.int64)
                data[feature.name] = pd.Categorical.from_codes(positions, categories=pd.Index(kind.names))
            else:
                data[feature.name] = column
        return pd.DataFrame(data, index=index)

    def describe(self) -> pd.DataFrame:
        """Return a table of the features: labels, unit, direction and the concepts they read."""
        return pd.DataFrame(
            [
                {
                    "feature": f.name,
                    "fr": f.fr,
                    "en": f.en,
                    "type": str(f.node.type),
                    "direction": {-1: "lowers", 0: "either", 1: "raises"}[f.direction],
                    "reads": ", ".join(c.name for c in f.concepts),
                }
                for f in self.values()
            ]
        ).set_index("feature")

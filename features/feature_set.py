"""Feature sets: named, described expressions that travel as JSON and know their fingerprint."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from features import columnar
from features.codes import Concept
from features.digests import canonical, digest
from features.feature_page import page
from features.language import (
    LEAVES,
    Absence,
    Boolean,
    Category,
    Dated,
    Direction,
    Expression,
    ExpressionError,
    Leaf,
    Node,
    Type,
    concepts_of,
    dated,
    from_dict,
    text,
    to_dict,
    walk,
)
from features.language.plan import Plan
from features.patient import Evaluator, Value
from features.records import History, Shard

#: Any moment: without records a value does not depend on it.
A_MOMENT: Final = datetime(2000, 1, 1)


@dataclass(frozen=True)
class Feature:
    """One column: its name, what it is computed from, and how people read it.

    Attributes
    ----------
    fr, en
        Labels.
    direction
        How the risk moves when it rises: +1, -1, or 0 where either may be.
    stated_absence
        What the definition says that the absence of records means, None where it says nothing; `absence` always knows.
    """

    name: str
    node: Node
    fr: str
    en: str
    direction: Direction = 0
    stated_absence: Absence | None = None

    @cached_property
    def type(self) -> Type:
        """What kind of value it has."""
        return self.node.type

    @cached_property
    def unit(self) -> str | None:
        """UCUM unit; None for a condition or a category."""
        return getattr(self.type, "unit", None)

    @cached_property
    def is_condition(self) -> bool:
        """Whether the value is true or false."""
        return isinstance(self.type, Boolean)

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """What the feature reads from records."""
        return tuple(node for node in walk(self.node) if isinstance(node, LEAVES))

    @property
    def concepts(self) -> tuple[Concept, ...]:
        """Concepts whose records the feature reads."""
        return tuple(dict.fromkeys(concept for leaf in self.leaves for concept in concepts_of(leaf)))

    @cached_property
    def without_records(self) -> Value:
        """The value for somebody of whom nothing is recorded, None where it is missing."""
        return Evaluator([self.node])(History(()), A_MOMENT)[0]

    @property
    def absence(self) -> Absence:
        """What it means that nothing is recorded, as it follows from the expression."""
        if self.without_records is None:
            return "never measured"
        is_nought = self.without_records == 0 and not isinstance(self.type, Category)  # of which 0 is the first
        return "negative by absence" if self.is_condition or is_nought else "assumed"

    @property
    def definition(self) -> str:
        """The expression, as it is written."""
        return text(self.node)


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
        faults = [dated(e, key) for key, e in expressions.items() if isinstance(e.type, Dated)]
        if faults:
            raise ExpressionError("\n".join(faults))
        self.name = name
        self._features = {
            key: Feature(key, e.node, e.fr or key, e.en or key, e.direction, e.absence)
            for key, e in expressions.items()
        }
        faults = [
            f"{f.name} is described as {f.stated_absence}, but without records it is {_worth(f)}: "
            "describe it otherwise, or end it with .default(...) or .where(...)"
            for f in self.values()
            if f.stated_absence not in (None, f.absence)
        ]
        if faults:
            raise ExpressionError("\n".join(faults))

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
        return FeatureSet(self.name, **{name: _expression(self[name]) for name in names})

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
                    **({"absence": f.stated_absence} if f.stated_absence else {}),
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
                f["name"]: Expression(from_dict(f["expression"]), f["fr"], f["en"], f["direction"], f.get("absence"))
                for f in data["features"]
            },
        )

    @cached_property
    def evaluator(self) -> Evaluator:
        """What computes the features of one patient; the frame of `of_patient` without the frame."""
        return Evaluator(f.node for f in self.values())

    @cached_property
    def plan(self) -> Plan:
        """The steps that compute the features of many."""
        return Plan.of(f.node for f in self.values())

    def of_patient(self, history: History, as_of: datetime) -> pd.DataFrame:
        """Return the features of one patient, from what was known before ``as_of``: one row."""
        values = self.evaluator(history, as_of)
        return self.frame(np.array([values], dtype=np.float64).T)

    def of_shard(self, shard: Shard, patients: npt.NDArray[np.object_], as_of: npt.NDArray[np.int64]) -> pd.DataFrame:
        """Return the features of many rows (patient, ``as_of`` in microseconds), in the rows' order."""
        return self.frame(columnar.evaluate(self.plan, shard, patients, as_of))

    @cached_property
    def _names(self) -> pd.Index[str]:
        return pd.Index(list(self), dtype=object)  # names in Arrow's memory are slow to look at one by one

    @cached_property
    def _categories(self) -> Mapping[str, Category]:
        kinds = {feature.name: feature.type for feature in self.values()}
        return {name: kind for name, kind in kinds.items() if isinstance(kind, Category)}

    def frame(self, columns: npt.NDArray[np.float64]) -> pd.DataFrame:
        """Return columns as a frame: numbers and conditions as floats, categories as categoricals.

        Parameters
        ----------
        columns
            What either evaluator gives, shape ``(features, rows)``.
        """
        if not self._categories:
            return pd.DataFrame(columns.T, columns=self._names, copy=False)
        data: dict[str, Any] = {}
        for name, column in zip(self, columns, strict=True):
            if (kind := self._categories.get(name)) is not None:
                positions = np.where(np.isnan(column), -1, column).astype(np.int64)
                data[name] = pd.Categorical.from_codes(positions, categories=pd.Index(kind.names))
            else:
                data[name] = column
        return pd.DataFrame(data, index=pd.RangeIndex(columns.shape[1]))

    def describe(self) -> pd.DataFrame:
        """Return a table of the features: labels, type, direction, absence, definition and the concepts they read."""
        return pd.DataFrame(
            [
                {
                    "feature": f.name,
                    "fr": f.fr,
                    "en": f.en,
                    "type": str(f.type),
                    "unit": f.unit,
                    "direction": {-1: "lowers", 0: "either", 1: "raises"}[f.direction],
                    "absence": f.absence,
                    "reads": ", ".join(c.name for c in f.concepts),
                    "definition": f.definition,
                }
                for f in self.values()
            ]
        ).set_index("feature")

    def to_html(self, language: Literal["fr", "en"] = "fr") -> str:
        """Return a page that describes the features to a reader; it needs nothing from elsewhere."""
        return page(self, language)


def _expression(feature: Feature) -> Expression:
    """Return the expression a feature was made from."""
    return Expression(feature.node, feature.fr, feature.en, feature.direction, feature.stated_absence)


def _worth(feature: Feature) -> str:
    """Return what the feature is without any record, in words."""
    value = feature.without_records
    if value is None:
        return "missing"
    return ("no", "yes")[int(value)] if feature.is_condition else f"{value:.15g}"

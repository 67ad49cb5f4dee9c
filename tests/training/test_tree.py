"""Evidence is JSON that comes back as it went."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import pytest

from training.curves import CalibrationPoint
from training.measures import Estimate
from training.tree import JsonTree


def test_an_estimate_is_json() -> None:
    found = Estimate("auc", 0.712345678, math.nan, math.inf, 50, None).to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == {
        "measure": "auc",
        "value": 0.712346,
        "low": None,
        "high": None,
        "n": 50,
        "events": None,
        "threshold": None,
    }


@dataclass(frozen=True)
class Leafy(JsonTree):
    points: tuple[CalibrationPoint, ...]
    bounds: dict[str, tuple[float, float]]
    best: Estimate | None


def test_a_tree_comes_back_as_it_went() -> None:
    tree = Leafy(
        (CalibrationPoint(0.1, 0.2, math.nan, 0.3, 12, None),),
        {"b": (0.1, 1.0), "a": (2.0, 3.0)},
        Estimate("auc", 0.7, 0.6, 0.8, 50, 20),
    )
    text = tree.to_json()
    assert Leafy.from_json(text).to_json() == text
    assert Leafy.from_json(text).best == tree.best
    assert text.index('"best"') < text.index('"bounds"') < text.index('"points"')
    with pytest.raises(ValueError, match=r"Leafy should have the fields .*'points'"):
        Leafy.from_json('{"points":[]}')

"""What stands beside the model's risk: its category, and what a published score gives for the same patient."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import pandas as pd

from features.feature_set import FeatureSet
from features.typography import COLON
from serving.contract import Category, Comparator, Note
from training.published.comparators import SHOWN
from training.published.equation import columns_of
from training.scales import ESC_2021, Scale

DECIMALS: Final = 6
REFUSALS: Final[dict[str, tuple[str, str]]] = {
    "missing": ("donnée absente", "missing"),
    "implausible": ("valeur hors des limites de l’équation", "outside the equation’s range"),
    "excluded": ("exclu par les auteurs de l’équation", "excluded by the authors of the equation"),
    "without": ("condition exigée par les auteurs de l’équation", "required by the authors of the equation"),
    "outside": ("hors de l’intervalle prévu par les auteurs", "outside the authors’ range"),
}


def category(risk: float, age: float | None, scale: Scale) -> Category | None:
    """Return the category of a rounded risk, None where the scale has none."""
    level = scale.level(risk, age)
    return None if level is None else _category(scale.name, level.code, level.label.fr, level.label.en)


@lru_cache(maxsize=256)
def _category(scheme: str, code: str, fr: str, en: str) -> Category:
    return Category(scheme=scheme, code=code, fr=fr, en=en)


def compare(name: str, features: FeatureSet, frame: pd.DataFrame) -> list[Comparator | None]:
    """Return what a published score says of each person (None if the score is unknown).

    Parameters
    ----------
    name
        Of the published score.
    features
        Definitions of the columns.
    frame
        One row a person.
    """
    published = SHOWN.get(name)
    if published is None:
        return [None] * len(frame)
    risks, reasons = published.answer(frame)
    ages = columns_of(frame, ["age"])["age"]
    return [
        Comparator(
            name=published.name,
            title=published.title,
            risk=None if reason else risk,
            category=None if reason else category(risk, age, ESC_2021),
            refusal=_refusal(reason, features) if reason else None,
        )
        for risk, reason, age in zip(risks.round(DECIMALS).tolist(), reasons, ages.tolist(), strict=True)
    ]


def _refusal(reason: str, features: FeatureSet) -> Note:
    """Return why a published score gives no number: ``"missing hdl"``, ``"age outside 40-89"``, ``"diabetes"``."""
    found = re.fullmatch(r"(?:(missing|implausible|without) )?(\w+)(?: (outside) ([\d.-]+))?", reason)
    assert found is not None, "training.published.comparators words its refusals so"
    kind, name, outside, bounds = found.groups()
    kind = kind or outside or "excluded"
    feature, (fr, en) = features[name], REFUSALS[kind]
    bounds_fr, bounds_en = (f" ({text})" if text else "" for text in _between(bounds or ""))
    return Note(
        code=f"{kind}_{name}",
        fr=f"{feature.fr}{COLON['fr']} {fr}{bounds_fr}",
        en=f"{feature.en}: {en}{bounds_en}",
    )


def _between(bounds: str) -> tuple[str, str]:
    """Return a range such as ``"3.36-8.28"`` as the French and the English write it."""
    dashed = bounds.replace("-", "–")
    return dashed.replace(".", ","), dashed

"""What stands beside the model's risk: its category, and what a published score gives for the same patient."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import pandas as pd

from features.feature_set import FeatureSet
from features.typography import COLON
from serving.contract import Category, Comparator, Note
from training.published.categories import LABELS, esc_2021
from training.published.comparators import HORIZON, framingham_2008, score2

DECIMALS: Final = 6
ESC_SCHEME: Final = "ESC 2021"
COMPARATORS: Final = {model.name: model for model in (score2(), framingham_2008())}
REFUSALS: Final[dict[str, tuple[str, str]]] = {
    "missing": ("donnée absente", "missing"),
    "implausible": ("valeur hors des limites de l’équation", "outside the equation’s range"),
    "excluded": ("exclu par les auteurs de l’équation", "excluded by the authors of the equation"),
    "without": ("condition exigée par les auteurs de l’équation", "required by the authors of the equation"),
    "outside": ("hors de l’intervalle prévu par les auteurs", "outside the authors’ range"),
}


def category(risk: float, horizon: float, age: float | None) -> Category | None:
    """Return the ESC 2021 category of a rounded risk, None where the scheme does not apply: another horizon, no age."""
    if horizon != HORIZON or age is None:
        return None
    code = esc_2021(risk, age)
    return Category(scheme=ESC_SCHEME, code=code, **LABELS[code])


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
    published = COMPARATORS.get(name)
    if published is None:
        return [None] * len(frame)
    risks = published.risk(frame, HORIZON).round(DECIMALS).tolist()
    refused = np.isnan(risks).any()
    reasons = published.refusals(frame) if refused else [""] * len(frame)
    return [
        Comparator(
            name=published.name,
            title=published.title,
            risk=None if reason else risk,
            category=None if reason else category(risk, HORIZON, age),
            refusal=_refusal(reason, features) if reason else None,
        )
        for risk, reason, age in zip(risks, reasons, frame["age"].tolist(), strict=True)
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

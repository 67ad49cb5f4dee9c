"""Complete bundles made in a moment, for tests."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, TypeAdapter, ValidationError

from features.catalogue.cardiovascular import ADULTS_40_TO_79, CARDIOVASCULAR, REQUIRED_MEASUREMENTS
from features.digests import canonical, digest, digest_folder
from features.feature_set import Feature, FeatureSet
from features.language import Category
from features.outcome import CENSORED, EVENT, FollowUp
from serving.contract import now
from tests.training import people
from training.artefact import Artefact, save
from training.card import SECTIONS, ModelCard
from training.committee import Decision, Ledger, Verdict, Votes
from training.models import CensoringWeighted, gradient_boosting, logistic_regression
from training.scales import ESC_2021
from training.studies import SCREENING_COLORECTAL, Study
from training.tree import to_tree
from training.validate import ModelEvidence
from training.values import Bilingual

NOW = datetime(2026, 3, 2, 9)
DECIDED = datetime(2026, 1, 15, 18)
VALID_UNTIL = date(2027, 1, 15)

DOCUMENTS: dict[str, dict[str, Any]] = {
    "evidence": {
        "models": [
            to_tree(ModelEvidence(name=name, title=Bilingual.same(name), scored=2000, refused=0, reasons={}))
            for name in ("lightgbm", "logistic_regression")
        ],
        "comparisons": [{"model": "lightgbm", "comparator": "logistic_regression", "differences": []}],
        "thresholds": [0.05, 0.1],
    },
    "audit": {"attributes": []},
    "explanation": {"method": "test", "n": 500, "importance": [], "rate": 0.25},
    "monitoring": {"study": "test"},
}
SOMETHING: tuple[Any, ...] = (
    {"reason": {"fr": "Bundle d’essai.", "en": "Test bundle."}},
    {"fr": "Bundle d’essai.", "en": "Test bundle."},
    "test",
    10.0,
    {"python": "3"},
    {"first": "2015-01-01T00:00:00", "last": "2026-01-01T00:00:00", "delivered_at": "2026-01-02T00:00:00"},
    {"responsible": "Test", "signed_on": "2026-01-10"},
)


def trained(model: CensoringWeighted, folder: Path) -> None:
    """Train on made-up people and write the model folder."""
    X = people.features(2000)
    artefact = Artefact(
        "cardiovascular",
        model.fit(X, people.followup(X)),
        CARDIOVASCULAR,
        ADULTS_40_TO_79,
        REQUIRED_MEASUREMENTS,
        "score2",
        ESC_2021,
    )
    save(artefact, folder, X)


def linear() -> CensoringWeighted:
    return logistic_regression()


def boosted() -> CensoringWeighted:
    return gradient_boosting(CARDIOVASCULAR)


def screening(folder: Path, study: Study = SCREENING_COLORECTAL, n: int = 1500, seed: int = 0) -> None:
    """Train on people made up for a screening programme and write the model folder.

    Who took part before, and is not alone, takes part more often.
    """
    random = np.random.default_rng(seed)
    X = pd.DataFrame({name: _values(feature, n, random) for name, feature in study.features.items()})
    score = -1.5 + 1.2 * X["rounds_attended"].fillna(1).to_numpy() + 0.5 * random.normal(size=n)
    took_part = random.random(n) < 1 / (1 + np.exp(-score))
    duration = np.where(took_part, random.uniform(0.05, 1.95, n), 2.0)
    none = np.zeros(n, dtype=np.int8)
    followup = FollowUp(duration, np.where(took_part, EVENT, CENSORED).astype(np.int8), none, 2.0)
    model = logistic_regression(study.features).fit(X, followup)
    population = study.cohort.criteria
    made = Artefact(study.name, model, study.features, population, study.required, study.comparator, study.scale)
    save(made, folder, X)


def _values(feature: Feature, n: int, random: np.random.Generator) -> Any:
    kind = feature.node.type
    if isinstance(kind, Category):
        return pd.Categorical(random.choice(list(kind.names), n), categories=list(kind.names))
    if feature.is_condition:
        return (random.random(n) < 0.3).astype(float)
    if feature.name == "age":
        return random.uniform(50, 74, n)
    values = random.poisson(1.5, n).astype(float)
    return np.where(random.random(n) < 0.1, np.nan, values)


def card(digests: Mapping[str, str], demonstration: bool = False, **changes: Any) -> ModelCard:
    """Return a card whose every field says something, without meaning anything."""
    identity = {
        "name": "cardiovascular",
        "version": "1.2.0",
        "study": "cardiovascular",
        "model": "lightgbm",
        "created_at": datetime(2026, 1, 10),
        "demonstration": demonstration,
    } | changes
    given = {"identity": identity, "traceability": dict(digests)}
    sections = {}
    for name, section in SECTIONS.items():
        values = dict(given.get(name, {}))
        for field in section.model_fields.keys() - values.keys():
            values[field] = _made_up(section, field)
        sections[name] = section(**values)
    return ModelCard(**sections).final()


@cache
def _made_up(section: type[BaseModel], field: str) -> Any:
    annotation = section.model_fields[field].rebuild_annotation()
    for value in (*SOMETHING, digest("")):
        try:
            return TypeAdapter(annotation).validate_python(value)
        except ValidationError:
            continue
    raise AssertionError(f"nothing here fits {annotation}")


def decide(bundle: Path, key: Ed25519PrivateKey, verdict: Verdict = "approved", **changes: Any) -> None:
    """Add a decision about the bundle's card to its ledger."""
    card_digest = json.loads((bundle / "card.json").read_bytes())["digest"]
    values: dict[str, Any] = {
        "card_digest": card_digest,
        "verdict": verdict,
        "reasons": {"fr": "Essai.", "en": "Test."},
        "decided_at": DECIDED,
        "valid_until": VALID_UNTIL if verdict in ("approved", "reinstated") else None,
        "votes": Votes(in_favour=5, against=1, quorum=4),
    }
    Ledger(bundle / "ledger.jsonl").append(Decision(**(values | changes)), key)


def whole(bundle: Path, model: Path, key: Ed25519PrivateKey | None, **identity: Any) -> Path:
    """Make a bundle of a model folder, approved by a key from yesterday and for a month, and return it."""
    shutil.copytree(model, bundle / "model")
    assemble(bundle, bundle / "model", identity=identity)
    today = now().replace(microsecond=0)
    if key is not None:
        until = (today + timedelta(days=30)).date()
        decide(bundle, key, decided_at=today - timedelta(days=1), valid_until=until)
    return bundle


def assemble(
    bundle: Path, model: Path, demonstration: bool = False, identity: Mapping[str, Any] | None = None, **digests: str
) -> None:
    """Write everything about a model folder that is in ``bundle / "model"`` already, except a decision."""
    assert model == bundle / "model"
    for name, document in DOCUMENTS.items():
        (bundle / f"{name}.json").write_bytes(canonical(document))
    found = {
        "feature_set_fingerprint": FeatureSet.from_json((model / "features.json").read_bytes()).fingerprint,
        "model_digest": digest_folder(model),
        **{f"{name}_digest": digest(document) for name, document in DOCUMENTS.items()},
    }
    written = card(found | digests, demonstration, **(identity or {}))
    (bundle / "card.json").write_text(written.to_json())
    for language, title in (("fr", "Carte de modèle"), ("en", "Model card")):
        page = f'<!DOCTYPE html><html lang="{language}"><title>{title}</title><h1>{title}</h1></html>'
        (bundle / f"card.{language}.html").write_text(page)

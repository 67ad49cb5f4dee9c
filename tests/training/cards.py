"""A complete made-up card, with the evidence, audit and explanation it answers for."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from training.card import (
    AuthoredFields,
    Characteristic,
    DataWindow,
    Development,
    Explained,
    Fairness,
    FlowStep,
    Identity,
    InputFeature,
    Inputs,
    ModelCard,
    NotApplicable,
    Operation,
    Output,
    Performance,
    Population,
    SignOff,
    Traceability,
    content_digest,
)
from training.committee import Decision, Verdict, Votes
from training.measures import MEASURES
from training.values import Bilingual

RUN = "0123456789abcdef0123456789abcdef"
Tree = dict[str, Any]

# value, low, high
VALUES = {
    "auc": (0.781, 0.763, 0.799),
    "observed_expected": (1.04, 0.98, 1.11),
    "calibration_slope": (0.97, 0.9, 1.05),
    "predicted": (0.083, 0.081, 0.085),
    "observed": (0.086, 0.08, 0.093),
}


def said(text: str = "Texte") -> Bilingual:
    return Bilingual(fr=f"{text} : en français.", en=f"{text}: in English.")


def estimate(measure: str, n: int | None, events: int | None, threshold: float | None = None) -> Tree:
    value, low, high = VALUES.get(measure, (0.0312, 0.0281, 0.0344))
    found = {"measure": measure, "value": value, "low": low, "high": high}
    return {**found, "n": n, "events": events, "threshold": threshold}


def estimates(n: int | None = 12_345, events: int | None = 987) -> list[Tree]:
    return [estimate(m.name, n, events, 0.1 if m.at_threshold else None) for m in MEASURES.values()]


def model(name: str) -> Tree:
    risks = (0.01, 0.04, 0.08, 0.16, 0.3)
    heterogeneity = {"folds": 5, "pooled": 0.78, "low": 0.75, "high": 0.8, "tau": 0.1}
    return {
        "name": name,
        "title": {"fr": name.capitalize(), "en": name.capitalize()},
        "scored": 12_345,
        "refused": 40,
        "reasons": {"too old": 40},
        "estimates": estimates(),
        "calibration": [
            {"predicted": r, "observed": 1.1 * r, "low": 0.9 * r, "high": 1.3 * r, "n": 2_469, "events": 197}
            for r in risks
        ],
        "smooth": [{"predicted": r, "observed": r, "low": 0.9 * r, "high": 1.1 * r} for r in (0.001, *risks)],
        "decision": [
            {
                "threshold": t / 100,
                "model": estimate("net_benefit", 12_345, 987, t / 100),
                "treat_all": {**estimate("net_benefit_all", 12_345, 987, t / 100), "value": 0.08 - t / 100},
            }
            for t in range(1, 21)
        ],
        "distribution": {
            "edges": [0.0, 0.1, 0.2, 0.3],
            "counts": {"event": [300, 400, 287], "event_free": [9_000, 1_000, None]},
        },
        "folds": [],
        "heterogeneity": [{"measure": "auc", **heterogeneity, "expected_low": 0.7, "expected_high": 0.83}],
    }


def evidence() -> Tree:
    return {
        "study": "heart",
        "horizon": 10.0,
        "people": 12_385,
        "landmarks": 12_385,
        "practices": 40,
        "events": 987,
        "models": [model("forest"), model("score")],
        "comparisons": [
            {"model": "forest", "comparator": "score", "differences": [estimate("auc", 12_345, 987)]},
        ],
    }


def group(name: str, n: int | None, events: int | None, verdict: str = "within") -> Tree:
    judged = {
        "verdict": verdict,
        "simultaneous": {"low": 0.93, "high": 1.17},
        "shrunk": {"value": 1.03, "low": 0.97, "high": 1.09},
    }
    measured = [*estimates(n, events), estimate("calibration_at_threshold", n, events, 0.1)]
    findings = [
        {"estimate": each} | (judged if each["measure"] == "observed_expected" else dict.fromkeys(judged))
        for each in measured
    ]
    return {"group": name, "n": n, "events": events, "findings": findings}


def recording(what: str, values: tuple[float | None, float | None]) -> Tree:
    gap = {"measure": what, "threshold": None, "highest": "male", "lowest": "female", "groups": 2}
    rows = [
        {"group": name, "value": value, "low": value and value - 1, "high": value and value + 1, "n": n}
        for name, value, n in zip(("female", "male"), values, (6_345, 6_040), strict=True)
    ]
    return {"what": what, "groups": rows, "gap": {**gap, "value": 2.0, "low": 0.6, "high": 3.4}}


def mitigation(policy: str) -> Tree:
    changes = [estimate(name, 6_345, 400, 0.1) for name in ("net_benefit", "flagged", "sensitivity")]
    groups = [{"group": "female", "cut": 0.094, "changes": changes}, {"group": "male", "cut": None, "changes": changes}]
    return {"policy": policy, "threshold": 0.1, "overall": changes, "groups": groups}


def audit() -> Tree:
    gap = {"measure": "auc", "threshold": None, "highest": "female", "lowest": "male", "groups": 2}
    sex = [group("female", 6_345, 400), group("male", 6_040, 587, "outside")]
    return {
        "horizon": 10.0,
        "tolerances": {"observed_expected": [0.8, 1.25]},
        "left_out": ["sex × age_band"],
        "families": [
            {"name": "attributes", "comparisons": 2, "alone": 0.05, "level": 0.025},
            {"name": "pairs", "comparisons": 1, "alone": 0.025, "level": 0.025},
        ],
        "attributes": [
            {
                "attribute": "sex",
                "groups": sex,
                "gaps": [{**gap, "value": 0.02, "low": -0.01, "high": 0.05}],
                "recording": [recording("event_rate", (8.2, 10.2)), recording("lost", (None, 3.1))],
                "mitigation": [mitigation("recalibration"), mitigation("thresholds")],
            },
            {"attribute": "sex × region", "groups": [group("female × north", 3_000, 200, "suspected")], "gaps": []},
        ],
    }


def explanation() -> Tree:
    age = {"feature": "age", "fr": "Âge", "en": "Age", "unit": "a", "mean_abs": 0.9, "share": 0.75}
    smoker = {"feature": "smoker", "fr": "Tabagisme", "en": "Smoking", "unit": None, "mean_abs": 0.3, "share": 0.25}
    return {"method": "shap.TreeExplainer", "n": 2_000, "importance": [age, smoker]}


def authored(**changes: Any) -> AuthoredFields:
    texts: dict[str, Any] = {name: said(name) for name in AuthoredFields.model_fields}
    texts["tests_signed_off"] = SignOff(responsible="A. Martin", signed_on=date(2026, 9, 1))
    return AuthoredFields(**(texts | changes))


def identity(**changes: Any) -> Identity:
    known: dict[str, Any] = {
        "name": "vigie-heart",
        "version": "1.0.0",
        "study": "heart",
        "model": "forest",
        "created_at": datetime(2026, 9, 1, 12, 30),
        "demonstration": False,
        "title": said("Titre"),
        "changes": NotApplicable(reason=said("Première version")),
        "developer": "Vigie contributors",
        "contact": "CONTRIBUTING.md",
        "licence": "Apache-2.0",
    }
    return Identity(**(known | changes))


def card(texts: AuthoredFields | None = None, **changes: Any) -> ModelCard:
    """Return a card without holes; keyword arguments replace whole sections, or fields of its identity."""
    ours = {name: changes.pop(name) for name in list(changes) if name in Identity.model_fields}
    sections: dict[str, Any] = {
        "identity": identity(**ours),
        "traceability": Traceability(
            purpose=Bilingual(fr="Recherche ; avis du comité : CSE-1.", en="Research; committee’s opinion: CSE-1."),
            feature_set_fingerprint="1" * 64,
            records_digest="2" * 64,
            data_window=DataWindow(
                first=datetime(2008, 1, 1), last=datetime(2024, 12, 31), delivered_at=datetime(2025, 2, 1)
            ),
            model_digest="3" * 64,
            evidence_digest=content_digest(evidence()),
            audit_digest=content_digest(audit()),
            explanation_digest=content_digest(explanation()),
            monitoring_digest="4" * 64,
            code_commit="abcdef1",
            mlflow_run_id=RUN,
            environment={"python": "3.11.7", "numpy": "2.3.4"},
        ),
        "population": Population(
            eligibility=said(),
            sources=said(),
            representativeness=said(),
            flow=(
                FlowStep(label=said("Tous"), people=20_000, landmarks=20_000, events=1_500),
                FlowStep(label=said("Adultes"), people=12_385, landmarks=12_385, events=987),
            ),
            characteristics=(Characteristic(label=said("Âge"), value=said("60"), n=12_385, missing=5),),
            data_quality=said(),
            missing_data=said(),
            treatments=said(),
            deidentification=said(),
        ),
        "output": Output(
            outputs=said(),
            horizon_years=10,
            thresholds=(0.05, 0.1),
            uncertainty=said(),
            outcome=said(),
            interfaces=said(),
        ),
        "inputs": Inputs(
            features=(InputFeature(name="age", label=said("Âge"), unit="a", plausible=(0, 120), required=True),),
            sensitive=said(),
            missing_policy=said(),
        ),
        "development": Development(
            sample_size=said(), partition=said(), algorithm=said(), class_imbalance=NotApplicable(reason=said())
        ),
        "performance": Performance.of(
            evidence(), "forest", RUN, external_validation=said(), local_validity=said(), robustness=said()
        ),
        "fairness": Fairness.of(audit()),
        "explained": Explained.of(explanation()),
        "operation": Operation(security=said(), logging=said(), resources=said()),
    }
    return ModelCard.draft(texts or authored(), **(sections | changes))


def documents() -> tuple[Tree, Tree, Tree]:
    return evidence(), audit(), explanation()


def decision(card_digest: str, verdict: Verdict = "approved", **changes: Any) -> Decision:
    known: dict[str, Any] = {
        "card_digest": card_digest,
        "verdict": verdict,
        "reasons": said("Motif"),
        "decided_at": datetime(2026, 9, 10, 9),
        "valid_until": date(2027, 9, 10) if verdict in ("approved", "approved_with_conditions", "reinstated") else None,
        "conditions": ("Relire dans six mois",) if verdict == "approved_with_conditions" else (),
        "members": ("Dr A. Martin", "B. Petit"),
        "votes": Votes(in_favour=4, against=1, quorum=4),
    }
    return Decision(**(known | changes))

"""Model cards: everything the committee must read before a model is used, typed, complete and tied to what it is about.

A card is a tree. What runs can know is filled by the pipeline, section by section; what only people can say is one
`AuthoredFields`. A field that nobody filled is a *hole*: a draft shows its holes, and refuses to be final until none is
left. The card's digest covers every word and, through their own digests, the features, the records, the model's bytes
and the evidence. The committee decides about that digest; its decision is the only thing the digest leaves out.

The fields are the union of what TRIPOD+AI (2024), CHAI's applied model card (0.2), HTI-1, annex IV of the EU AI Act and
the HAS grid ask for: 60 of them, numbered. `ModelCard.field_items` gives each one's number, TRIPOD+AI items, label and
who fills it.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import AfterValidator, BeforeValidator, Field, FiniteFloat, ValidationError

from features.digests import canonical, digest
from features.privacy import SMALLEST_COUNT, mask
from training.committee import Bilingual, Decision, Digest, Frozen, Moment, Text
from training.measures import MEASURES
from training.tree import JsonTree, to_tree

Language = Literal["fr", "en"]
FilledBy = Literal["pipeline", "study author", "committee"]
Document = JsonTree | Mapping[str, Any]
"""Evidence, an audit or an explanation: the object itself, or what its JSON file holds."""

FIELD_COUNT: Final = 60
"""Fields of the union table; every number from 1 to 60 is that of at least one field of the card."""

CHAPTERS: Final[dict[str, Bilingual]] = {
    "use": Bilingual(fr="À quoi sert le modèle, et pour qui", en="What the model is for, and for whom"),
    "output": Bilingual(fr="Ce que le modèle répond", en="What the model answers"),
    "performance": Bilingual(fr="Ce que valent ses réponses", en="What its answers are worth"),
    "fairness": Bilingual(fr="Équité", en="Fairness"),
    "explanation": Bilingual(fr="Sur quoi il s’appuie", en="What it relies on"),
    "safety": Bilingual(fr="Risques et garde-fous", en="Risks and safeguards"),
    "inputs": Bilingual(fr="Données demandées au moment d’utiliser le modèle", en="Data needed when the model is used"),
    "data": Bilingual(fr="Données de l’étude", en="Study data"),
    "development": Bilingual(fr="Construction du modèle", en="How the model was built"),
    "life": Bilingual(fr="Surveillance et mises à jour", en="Monitoring and updates"),
    "rights": Bilingual(fr="Cadre, droits et transparence", en="Legal frame, rights and openness"),
    "identity": Bilingual(fr="Identité", en="Identity"),
    "traceability": Bilingual(fr="Traçabilité", en="Traceability"),
}
"""Chapters of the page, in the order they are read."""

FILLERS: Final[dict[FilledBy, Bilingual]] = {
    "pipeline": Bilingual(fr="la chaîne de calcul", en="the pipeline"),
    "study author": Bilingual(fr="l’auteur de l’étude", en="the study author"),
    "committee": Bilingual(fr="le comité", en="the committee"),
}


# --- Errors -----------------------------------------------------------------------------------------------


class AlteredCard(ValueError):
    """A card, or a file it answers for, whose digest is not the one it should have."""


class InvalidCard(ValueError):
    """A text that is not a card."""


@dataclass(frozen=True)
class Hole:
    """A field that nobody filled.

    Parameters
    ----------
    path
        Where, such as ``"authored.intended_use"``.
    label
        What a reader calls it.
    who
        Who should fill it.
    number
        Its number in the union table.
    """

    path: str
    label: Bilingual
    who: FilledBy
    number: int


class IncompleteCard(ValueError):
    """A card that is not final; ``holes`` lists all that is missing."""

    def __init__(self, holes: Sequence[Hole]) -> None:
        self.holes = tuple(holes)
        lines = [f"- {hole.label.en} ({hole.path}, field {hole.number}): for {hole.who} to fill" for hole in holes]
        super().__init__(f"the card is a draft, {len(holes)} fields are missing:\n" + "\n".join(lines))


# --- Values -----------------------------------------------------------------------------------------------


class NotApplicable(Frozen):
    """A field that does not apply, and why."""

    reason: Bilingual


Content = Bilingual | NotApplicable

SMALL: Final = "<11"
HIDDEN: Final = "hidden"


def _show(count: Any) -> Any:
    """Replace a small count by `SMALL` and an absent one by `HIDDEN`, so that a card never holds either."""
    if count is None:
        return HIDDEN
    return SMALL if isinstance(count, int) and count < SMALLEST_COUNT else count


Count = Annotated[int | Literal["<11", "hidden"], BeforeValidator(_show)]
"""A number of people that may be shown: at least 11, or ``"<11"``, or ``"hidden"`` when it would give another away."""


class HeadlineEstimate(Frozen):
    """A number a reader should remember, with its certainty and the run it comes from.

    Parameters
    ----------
    measure, label
        Key of the measure, and its name for readers.
    value, low, high
        Value and 95 % interval; None where it may not or cannot be given.
    n, events
        Landmarks, and events among them by the horizon.
    threshold
        Decision threshold, where the measure has one.
    run_id
        MLflow run.
    """

    measure: Text
    label: Bilingual
    value: FiniteFloat | None
    low: FiniteFloat | None
    high: FiniteFloat | None
    n: Count
    events: Count
    threshold: FiniteFloat | None = None
    run_id: Text

    @classmethod
    def of(cls, estimate: Mapping[str, Any], run_id: str, label: Bilingual | None = None) -> Self:
        """Return the headline made of an estimate as evidence writes it."""
        name = str(estimate["measure"])
        return cls(**gate(estimate), run_id=run_id, label=label or label_of_measure(name))


def label_of_measure(name: str) -> Bilingual:
    """Return the label of a registered measure, or its name where it is not registered any more."""
    known = MEASURES.get(name)
    return Bilingual(fr=known.label_fr, en=known.label_en) if known else Bilingual(fr=name, en=name)


class FlowStep(Frozen):
    """How many were still in after a step of selection; the first step is where everybody starts."""

    label: Bilingual
    people: Count
    landmarks: Count
    events: Count


def hide_small_steps(steps: tuple[FlowStep, ...]) -> tuple[FlowStep, ...]:
    """Hide the counts by which fewer than 11 people could be seen to leave between two steps, the last being kept."""
    columns = ("people", "landmarks", "events")
    shown = {column: _apart([getattr(step, column) for step in steps]) for column in columns}
    return tuple(
        step.model_copy(update={column: shown[column][position] for column in columns})
        for position, step in enumerate(steps)
    )


def _apart(counts: list[int | str]) -> list[int | str]:
    """Hide each count within 10 of the next one shown, from the last to the first."""
    following: int | None = None
    kept: list[int | str] = []
    for count in reversed(counts):
        if isinstance(count, int) and following is not None and 0 < abs(count - following) < SMALLEST_COUNT:
            count = HIDDEN
        following = count if isinstance(count, int) else following
        kept.append(count)
    return kept[::-1]


class Characteristic(Frozen):
    """One line about the study population.

    Parameters
    ----------
    label, value
        What, and a summary such as a median with its quartiles, never a minimum or maximum.
    n, missing
        How many have a value, and how many have none.
    """

    label: Bilingual
    value: Bilingual
    n: Count
    missing: Count


class InputFeature(Frozen):
    """One thing the model reads.

    Parameters
    ----------
    name, label
        Identifier, and name for readers.
    unit
        UCUM unit, None without.
    definition
        From which records, how far back.
    plausible
        Range of values that are believed.
    required
        Whether the model abstains without it.
    """

    name: Text
    label: Bilingual
    unit: Text | None = None
    definition: Bilingual | Text | None = None
    plausible: tuple[FiniteFloat, FiniteFloat] | None = None
    required: bool = False


class DataWindow(Frozen):
    """First and last thing that happened in the records, and when they were delivered."""

    first: Moment
    last: Moment
    delivered_at: Moment


class SignOff(Frozen):
    """Who answers for the test report, and since when."""

    responsible: Text
    signed_on: date


# --- Fields -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Item:
    """What is known of a field before it is filled.

    Parameters
    ----------
    number
        Its number in the union table, 1 to 60.
    tripod
        TRIPOD+AI items it answers, such as ``"3b, 27b"``; empty if none.
    label
        Name for readers.
    who
        Who fills it.
    chapter
        Key in `CHAPTERS`.
    """

    number: int
    tripod: str
    label: Bilingual
    who: FilledBy
    chapter: str


def item(number: int, chapter: str, fr: str, en: str, tripod: str = "", **options: Any) -> Any:
    """Declare a field of the card that is a hole until it is filled, unless ``default`` says otherwise."""
    options.setdefault("default", None)
    extra: dict[str, Any] = {"number": number, "chapter": chapter, "label": {"fr": fr, "en": en}, "tripod": tripod}
    return Field(json_schema_extra=extra, **options)


class Section(Frozen):
    """A part of the card, filled by one hand."""

    @classmethod
    def filled_by(cls) -> FilledBy:
        """Return who fills the section."""
        return "pipeline"

    @classmethod
    def items(cls) -> dict[str, Item]:
        """Return what is known of each field, by name, in order."""
        return {name: item_of(field.json_schema_extra, cls.filled_by()) for name, field in cls.model_fields.items()}


def item_of(extra: Any, who: FilledBy) -> Item:
    """Return the item declared with `item`, from a field's schema."""
    return Item(extra["number"], extra["tripod"], Bilingual(**extra["label"]), who, extra["chapter"])


RESEARCH_ONLY: Final = Bilingual(
    fr="Recherche uniquement ; n’est pas un dispositif médical, ne porte pas de marquage CE.",
    en="Research use only; not a medical device, not CE-marked.",
)


class Identity(Section):
    """Which model this is, and who answers for it."""

    name: Text = item(1, "identity", "Nom", "Name", "1, 22", default=...)
    version: Text = item(1, "identity", "Version", "Version", "22", default=...)
    study: Text = item(1, "identity", "Étude", "Study", "4", default=...)
    model: Text = item(1, "identity", "Modèle dans l’étude", "Model in the study", "22", default=...)
    created_at: Moment = item(1, "identity", "Date de la carte", "Date of the card", default=...)
    demonstration: bool = item(6, "identity", "Démonstration", "Demonstration", default=...)
    title: Bilingual | None = item(1, "identity", "Titre", "Title", "1")
    changes: Content | None = item(1, "identity", "Changements depuis la version précédente", "Changes", "24")
    developer: Text | None = item(3, "identity", "Développeur", "Developer")
    contact: Text | None = item(3, "identity", "Contact", "Contact")
    licence: Text | None = item(5, "identity", "Licence", "Licence", "22")
    release_stage: Bilingual = item(6, "identity", "Statut réglementaire", "Regulatory status", default=RESEARCH_ONLY)


class Traceability(Section):
    """What exactly was evaluated: digests of every component."""

    feature_set_fingerprint: Text | None = item(
        2, "traceability", "Empreinte des variables", "Feature-set fingerprint", "12g, 22"
    )
    records_digest: Digest | None = item(2, "traceability", "Empreinte des données", "Records digest")
    data_window: DataWindow | None = item(19, "traceability", "Période des données", "Data window", "5b")
    model_digest: Digest | None = item(2, "traceability", "Empreinte du modèle", "Model digest", "12g, 22")
    evidence_digest: Digest | None = item(2, "traceability", "Empreinte des résultats", "Evidence digest")
    audit_digest: Digest | None = item(2, "traceability", "Empreinte de l’audit d’équité", "Audit digest")
    explanation_digest: Digest | None = item(2, "traceability", "Empreinte de l’explication", "Explanation digest")
    code_commit: Text | None = item(2, "traceability", "Version du code", "Code commit", "18f")
    mlflow_run_id: Text | None = item(2, "traceability", "Exécution MLflow", "MLflow run")
    environment: dict[str, str] | None = item(2, "traceability", "Environnement logiciel", "Software environment")


class Population(Section):
    """Who was studied, and from which data."""

    eligibility: Content | None = item(10, "use", "Population concernée", "Target population", "6b")
    sources: Content | None = item(19, "data", "Sources et cadre", "Sources and setting", "5a, 5b, 6a")
    representativeness: Content | None = item(20, "data", "Représentativité", "Representativeness", "5a")
    flow: Annotated[tuple[FlowStep, ...], AfterValidator(hide_small_steps)] | NotApplicable | None = item(
        21, "data", "Sélection des participants", "Participant flow", "20a, 21"
    )
    characteristics: tuple[Characteristic, ...] | NotApplicable | None = item(
        21, "data", "Caractéristiques des participants", "Participant characteristics", "20b"
    )
    data_quality: Content | None = item(
        22, "data", "Qualité et préparation des données", "Data quality and preparation", "7"
    )
    missing_data: Content | None = item(23, "data", "Données manquantes", "Missing data", "11")
    treatments: Content | None = item(30, "data", "Traitements reçus", "Treatments received", "6c")
    deidentification: Content | None = item(
        25, "data", "Pseudonymisation et petits effectifs", "De-identification and small counts"
    )


class Output(Section):
    """What the model predicts."""

    outputs: Content | None = item(13, "output", "Réponse du modèle", "Output", "8a, 15")
    horizon_years: FiniteFloat | None = item(13, "output", "Horizon (années)", "Horizon (years)", "8a")
    thresholds: tuple[FiniteFloat, ...] | NotApplicable | None = item(
        13, "output", "Seuils de décision", "Decision thresholds", "15"
    )
    uncertainty: Content | None = item(14, "output", "Incertitude de chaque réponse", "Uncertainty of each answer")
    outcome: Content | None = item(15, "output", "Évènement prédit", "Outcome", "8a, 8b, 8c")
    interfaces: Content | None = item(59, "output", "Logiciels et interfaces", "Software and interfaces")


class Inputs(Section):
    """What the model reads."""

    features: tuple[InputFeature, ...] | NotApplicable | None = item(
        16, "inputs", "Variables d’entrée", "Input features", "9a, 9b, 9c"
    )
    sensitive: Content | None = item(17, "inputs", "Variables sensibles", "Sensitive variables", "9b")
    missing_policy: Content | None = item(
        18, "inputs", "Donnée absente ou douteuse", "Missing or doubtful input", "27a"
    )


class Development(Section):
    """How the model was built."""

    sample_size: Content | None = item(26, "development", "Taille d’échantillon", "Sample size", "10")
    partition: Content | None = item(
        27, "development", "Partition et prévention des fuites", "Partition and leakage control", "12a, 16"
    )
    algorithm: Content | None = item(28, "development", "Algorithme et réglages", "Algorithm and tuning", "12b, 12c")
    class_imbalance: Content | None = item(
        29, "development", "Évènements rares et recalibration", "Class imbalance and recalibration", "13"
    )


Headlines = tuple[HeadlineEstimate, ...]


class Performance(Section):
    """What the answers are worth: the estimates to remember. Full tables are read from the evidence itself."""

    discrimination: Headlines | NotApplicable | None = item(
        31, "performance", "Discrimination", "Discrimination", "12e, 23a"
    )
    calibration: Headlines | NotApplicable | None = item(32, "performance", "Calibration", "Calibration", "12e, 23a")
    overall: Headlines | NotApplicable | None = item(33, "performance", "Exactitude globale", "Overall accuracy", "12e")
    utility: Headlines | NotApplicable | None = item(34, "performance", "Utilité clinique", "Clinical utility", "12e")
    comparison: Headlines | NotApplicable | None = item(
        35, "performance", "Différence avec le modèle de référence", "Difference from the comparator", "12e"
    )
    heterogeneity: Content | None = item(
        40, "performance", "Variation d’un lieu à l’autre", "Variation between places", "12d, 23b"
    )
    external_validation: Content | None = item(
        41, "performance", "Validation externe", "External validation", "12f, 12g, 20c"
    )
    local_validity: Content | None = item(42, "performance", "Validité locale", "Local validity")
    robustness: Content | None = item(43, "performance", "Robustesse et stabilité", "Robustness and stability", "26")

    @classmethod
    def of(cls, evidence: Document, model: str, run_id: str, **texts: Content | None) -> Self:
        """Return the section with its headline estimates taken from evidence.

        Parameters
        ----------
        evidence
            `Evidence`, or what its file holds.
        model
            Name of the model the card is about.
        run_id
            MLflow run the evidence comes from.
        **texts
            The fields that are texts: ``external_validation``, ``local_validity``, ``robustness``.

        Raises
        ------
        ValueError
            If the evidence does not know the model.
        """
        tree = tree_of(evidence)
        found = model_evidence(tree, model)
        headlines: dict[str, list[HeadlineEstimate]] = {}
        for estimate in found["estimates"]:
            headlines.setdefault(_part(estimate), []).append(HeadlineEstimate.of(estimate, run_id))
        differences = [d for c in tree["comparisons"] if c["model"] == model for d in c["differences"]]
        compared = [HeadlineEstimate.of(d, run_id) for d in differences]
        fields: dict[str, Any] = {part: tuple(estimates) for part, estimates in headlines.items()}
        fields["comparison"] = tuple(compared) or NO_COMPARATOR
        fields["heterogeneity"] = _heterogeneity(found["heterogeneity"])
        return cls(**(fields | texts))


PARTS: Final = {
    "auc": "discrimination",
    "observed": "calibration",
    "predicted": "calibration",
    "observed_expected": "calibration",
    "calibration_intercept": "calibration",
    "calibration_slope": "calibration",
    "ici": "calibration",
    "e50": "calibration",
    "e90": "calibration",
}
NO_COMPARATOR: Final = NotApplicable(
    reason=Bilingual(
        fr="L’étude ne compare ce modèle à aucun autre.", en="The study compares this model with no other."
    )
)
TOO_FEW_FOLDS: Final = NotApplicable(
    reason=Bilingual(
        fr="Moins de trois groupes ont assez d’évènements pour mesurer la variation.",
        en="Fewer than three groups have enough events to measure variation.",
    )
)


def _part(estimate: Mapping[str, Any]) -> str:
    """Return the field of `Performance` an estimate belongs to."""
    return "utility" if estimate["threshold"] is not None else PARTS.get(estimate["measure"], "overall")


def _heterogeneity(found: Sequence[Mapping[str, Any]]) -> Content:
    """Say in words how measures vary between folds."""
    usable = [each for each in found if each["pooled"] is not None]
    if not usable:
        return TOO_FEW_FOLDS

    def sentence(each: Mapping[str, Any], language: Language) -> str:
        label = label_of_measure(each["measure"])
        mean, low, high, expected_low, expected_high = (
            number(each[key], each["measure"], language)
            for key in ("pooled", "low", "high", "expected_low", "expected_high")
        )
        if language == "fr":
            return (
                f"{label.fr} : {mean} en moyenne ({low} à {high}) sur {each['folds']} groupes tenus à l’écart ; "
                f"dans un nouveau groupe, attendre de {expected_low} à {expected_high} "
                "(intervalle de prédiction à 95 %)."
            )
        return (
            f"{label.en}: {mean} on average ({low} to {high}) over {each['folds']} held-out groups; "
            f"in a new one, expect {expected_low} to {expected_high} (95% prediction interval)."
        )

    return Bilingual(
        fr="\n\n".join(sentence(each, "fr") for each in usable),
        en="\n\n".join(sentence(each, "en") for each in usable),
    )


class Fairness(Section):
    """Whether what is claimed is true of everybody. Full tables are read from the audit itself."""

    subgroups: Content | None = item(36, "fairness", "Résultats par groupe", "Results by group", "23a")
    intersections: Content | None = item(37, "fairness", "Croisements de groupes", "Intersections of groups", "23a")

    @classmethod
    def of(cls, audit: Document, labels: Mapping[str, Bilingual] | None = None) -> Self:
        """Return the section as an audit says it, verdict by verdict."""
        attributes = tree_of(audit)["attributes"]
        single = [each for each in attributes if CROSS not in each["attribute"]]
        crossed = [each for each in attributes if CROSS in each["attribute"]]
        return cls(subgroups=_verdicts(single, labels), intersections=_verdicts(crossed, labels))


CROSS: Final = " × "
NO_VERDICT: Final = NotApplicable(
    reason=Bilingual(fr="Aucun groupe n’a été jugé ici.", en="No group was given a verdict here.")
)


def _verdicts(attributes: Sequence[Mapping[str, Any]], labels: Mapping[str, Bilingual] | None) -> Content:
    """Count the verdicts of some attributes, and name every group outside its tolerance."""
    judged = [
        (attribute["attribute"], group["group"], finding["verdict"])
        for attribute in attributes
        for group in attribute["groups"]
        for finding in group["findings"]
        if finding["verdict"] is not None
    ]
    if not judged:
        return NO_VERDICT
    many = Counter(verdict for *_, verdict in judged)
    outside = dict.fromkeys((attribute, group) for attribute, group, verdict in judged if verdict == "outside")

    def named(language: Language) -> str:
        return ", ".join(
            f"{word(attribute, language, labels)} ({word(group, language, labels)})" for attribute, group in outside
        )

    return Bilingual(
        fr=(
            f"{len(judged)} verdicts : {many['within']} dans la tolérance déclarée, {many['outside']} hors tolérance, "
            f"{many['uncertain']} incertains, {many['insufficient']} sans assez de données."
            + (f" Hors tolérance : {named('fr')}." if outside else "")
        ),
        en=(
            f"{len(judged)} verdicts: {many['within']} within the declared tolerance, {many['outside']} outside, "
            f"{many['uncertain']} uncertain, {many['insufficient']} without enough data."
            + (f" Outside: {named('en')}." if outside else "")
        ),
    )


class Explained(Section):
    """What the model relies on. The importance of each feature is read from the explanation itself."""

    method: Content | None = item(44, "explanation", "Méthode et précautions", "Method and caveats")

    @classmethod
    def of(cls, explanation: Document) -> Self:
        """Return the section as an explanation says it."""
        tree = tree_of(explanation)
        n = count(_show(tree.get("n")), "fr"), count(_show(tree.get("n")), "en")
        method = tree.get("method", "SHAP")
        return cls(
            method=Bilingual(
                fr=f"Valeurs de Shapley ({method}), calculées sur {n[0]} situations de la population d’entraînement. "
                "Elles disent ce qui fait bouger la réponse du modèle, non ce qui cause la maladie.",
                en=f"Shapley values ({method}), computed on {n[1]} landmarks of the training population. "
                "They say what moves the model’s answer, not what causes the disease.",
            )
        )


class Operation(Section):
    """How the model runs."""

    security: Content | None = item(48, "safety", "Sécurité informatique", "Security")
    logging: Content | None = item(51, "life", "Journalisation", "Logging")
    resources: Content | None = item(52, "life", "Ressources matérielles", "Hardware and resources")


class AuthoredFields(Section):
    """What only people can say: the texts a study declares, and all that it must."""

    @classmethod
    def filled_by(cls) -> FilledBy:
        """Return who fills the section."""
        return "study author"

    plain_purpose: Bilingual | None = item(
        8, "use", "En une phrase : ce que fait le modèle, et pour qui", "In one sentence: what it does, for whom", "2"
    )
    plain_prohibition: Bilingual | None = item(
        11, "use", "En une phrase : ce pour quoi il ne doit pas servir", "In one sentence: what it must not be used for"
    )
    clinical_context: Content | None = item(
        7, "use", "Contexte clinique et modèles existants", "Clinical context and existing models", "3a"
    )
    intended_use: Bilingual | None = item(8, "use", "Usage prévu", "Intended use", "3b")
    intended_users: Bilingual | None = item(
        9, "use", "Utilisateurs et compétences requises", "Intended users and expertise", "3b, 27b"
    )
    out_of_scope: Bilingual | None = item(
        11, "use", "Usages exclus et contre-indications", "Out-of-scope uses and contraindications"
    )
    how_to_use: Bilingual | None = item(12, "use", "Mode d’emploi et interprétation", "How to use and interpret", "27b")
    threshold_rationale: Content | None = item(
        13, "output", "Justification des seuils", "Rationale of the thresholds", "15"
    )
    interpretation: Bilingual | None = item(
        34, "performance", "Interprétation des résultats", "Interpretation of results", "25"
    )
    fairness_approach: Bilingual | None = item(
        38, "fairness", "Objectifs, démarche et compromis", "Goals, approach and trade-offs", "14, 25"
    )
    known_inequalities: Content | None = item(39, "fairness", "Inégalités connues", "Known inequalities", "3c")
    human_oversight: Bilingual | None = item(
        45, "safety", "Contrôle humain et arrêt", "Human oversight and stopping", "27b"
    )
    risks_and_limitations: Bilingual | None = item(
        46, "safety", "Risques connus et limites", "Known risks and limitations", "26"
    )
    risk_management: Content | None = item(47, "safety", "Gestion des risques", "Risk management")
    monitoring: Content | None = item(49, "life", "Plan de surveillance", "Monitoring plan", "27c")
    updates: Content | None = item(50, "life", "Mises à jour et prochaine revue", "Updates and next review", "12f, 24")
    environmental_cost: Content | None = item(60, "life", "Éco-responsabilité", "Environmental cost")
    legal_basis: Content | None = item(
        24, "rights", "Base légale, autorisations et opposition", "Legal basis, approvals and objection", "17"
    )
    patient_information: Bilingual | None = item(56, "rights", "Information des patients", "Information for patients")
    funding: Content | None = item(4, "rights", "Financement", "Funding", "18a")
    conflicts_of_interest: Content | None = item(4, "rights", "Liens d’intérêts", "Conflicts of interest", "18b")
    involvement: Content | None = item(
        53, "rights", "Patients et médecins associés", "Patient and practitioner involvement", "19"
    )
    openness: Content | None = item(
        54, "rights", "Protocole, enregistrement, données et code", "Protocol, registration, data and code", "18c-f"
    )
    references: Content | None = item(55, "rights", "Bibliographie", "References")
    tests_signed_off: SignOff | None = item(58, "rights", "Responsable du rapport de tests", "Sign-off of the tests")


# --- The card ---------------------------------------------------------------------------------------------


class ModelCard(Frozen):
    """Everything the committee must read before a model is used.

    Parameters
    ----------
    identity, traceability, population, output, inputs, development, performance, fairness, explained, operation
        What the pipeline fills.
    authored
        What the study's author fills.
    labels
        Names for readers of attributes and groups of the audit, where the usual ones do not do.
    decision
        What the committee decided; not part of the digest.
    """

    format: Literal[1] = 1
    identity: Identity
    traceability: Traceability = Traceability()
    population: Population = Population()
    output: Output = Output()
    inputs: Inputs = Inputs()
    development: Development = Development()
    performance: Performance = Performance()
    fairness: Fairness = Fairness()
    explained: Explained = Explained()
    operation: Operation = Operation()
    authored: AuthoredFields = AuthoredFields()
    labels: dict[str, Bilingual] = Field(default_factory=dict)
    decision: Decision | None = item(57, "identity", "Décision du comité", "Committee decision", "17")

    @classmethod
    def draft(
        cls,
        texts: AuthoredFields,
        *,
        identity: Identity,
        traceability: Traceability | None = None,
        population: Population | None = None,
        output: Output | None = None,
        inputs: Inputs | None = None,
        development: Development | None = None,
        performance: Performance | None = None,
        fairness: Fairness | None = None,
        explained: Explained | None = None,
        operation: Operation | None = None,
        labels: Mapping[str, Bilingual] | None = None,
    ) -> Self:
        """Return a card with what is known so far; a section left out is all holes."""
        return cls(
            identity=identity,
            authored=texts,
            traceability=traceability or Traceability(),
            population=population or Population(),
            output=output or Output(),
            inputs=inputs or Inputs(),
            development=development or Development(),
            performance=performance or Performance(),
            fairness=fairness or Fairness(),
            explained=explained or Explained(),
            operation=operation or Operation(),
            labels=dict(labels or {}),
        )

    @classmethod
    def field_items(cls) -> dict[str, Item]:
        """Return every field of the union table by its path, ``"section.field"``, the decision included."""
        found = {f"{section}.{name}": each for section, kind in SECTIONS.items() for name, each in kind.items().items()}
        return found | {"decision": item_of(cls.model_fields["decision"].json_schema_extra, "committee")}

    def value(self, path: str) -> Any:
        """Return the value at a path of `field_items`."""
        value: Any = self
        for name in path.split("."):
            value = getattr(value, name)
        return value

    def holes(self) -> list[Hole]:
        """Return every field nobody filled. The committee's decision is not one: a final card is what it waits for."""
        return [
            Hole(path, each.label, each.who, each.number)
            for path, each in self.field_items().items()
            if each.who != "committee" and self.value(path) in (None, (), {})
        ]

    def final(self) -> Self:
        """Return the card if it has no hole, else raise `IncompleteCard` listing all of them."""
        if holes := self.holes():
            raise IncompleteCard(holes)
        return self

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON of the whole card, the committee's decision excepted."""
        return digest(self.model_dump(mode="json", exclude={"decision"}))

    def decided(self, decision: Decision) -> Self:
        """Return the card with the committee's decision about it.

        Raises
        ------
        AlteredCard
            If the decision is about another card.
        IncompleteCard
            If the card has holes.
        """
        self.final()
        _require_about(decision, self.digest)
        return self.model_copy(update={"decision": decision})

    def to_json(self) -> str:
        """Return canonical JSON, the digest included."""
        return canonical(self.model_dump(mode="json") | {"digest": self.digest}).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the card that `to_json` wrote.

        Raises
        ------
        InvalidCard
            If the text is not a card.
        AlteredCard
            If its digest is not that of its content, or its decision is about another card.
        """
        try:
            tree = json.loads(text)
            claimed = tree.pop("digest")
            card = cls.model_validate(tree)
        except (ValueError, KeyError, AttributeError, TypeError, ValidationError) as error:
            raise InvalidCard(f"this is not a model card as to_json writes them: {error}") from error
        if claimed != card.digest or tree != json.loads(canonical(card.model_dump(mode="json"))):
            raise AlteredCard("the card was altered after it was written: its digest is not that of its content")
        if card.decision is not None:
            _require_about(card.decision, card.digest)
        return card


SECTIONS: Final[dict[str, type[Section]]] = {
    name: field.annotation
    for name, field in ModelCard.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}


def _require_about(decision: Decision, card_digest: str) -> None:
    if decision.card_digest != card_digest:
        raise AlteredCard(f"the decision is about card {decision.card_digest[:12]}…, this is {card_digest[:12]}…")


# --- Evidence ---------------------------------------------------------------------------------------------


def tree_of(document: Document) -> dict[str, Any]:
    """Return evidence, an audit or an explanation as the JSON values its file holds."""
    return dict(to_tree(document))


def content_digest(document: Document) -> str:
    """Return the digest a card holds of evidence, an audit or an explanation: that of its canonical JSON."""
    return digest(tree_of(document))


def model_evidence(evidence: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return what evidence knows of one model; raise ValueError if nothing."""
    for found in evidence["models"]:
        if found["name"] == model:
            return dict(found)
    known = ", ".join(found["name"] for found in evidence["models"])
    raise ValueError(f"the evidence knows no model {model!r}: it has {known}")


COUNTS: Final = frozenset(
    {"n", "events", "scored", "refused", "people", "landmarks", "competing", "censored", "followed"}
)
VALUES: Final = ("value", "low", "high", "observed", "predicted")


def gate(value: Any) -> Any:
    """Return JSON values with no small count left in them, and no value that rests on one.

    Evidence is masked as it is made; this is the second lock, for what was made otherwise. A count under 11 becomes
    `SMALL`, one that is absent `HIDDEN`, and an estimate that rests on fewer than 11 people or events loses its value.
    The groups of an attribute are masked together, so that none can be had by subtraction.
    """
    if isinstance(value, list | tuple):
        return [gate(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    if "attribute" in value and "groups" in value:
        value = {**value, "groups": _masked_together(value["groups"])}
    kept = {key: _show(each) if key in COUNTS else gate(each) for key, each in value.items()}
    for key in {"reasons", "counts"} & kept.keys():
        kept[key] = {name: _show_all(each) for name, each in kept[key].items()}
    if SMALL in (kept.get("n"), kept.get("events")):
        kept |= {key: None for key in VALUES if key in kept}
    return kept


def _show_all(counts: Any) -> Any:
    return [_show(each) for each in counts] if isinstance(counts, list) else _show(counts)


def _masked_together(groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mask small groups, and those by which a small one could be had by subtraction, wherever their counts stand."""
    masked: list[dict[str, Any]] = [dict(group) for group in groups]
    for key in ("n", "events"):
        counts = [group[key] if isinstance(group[key], int) else 0 for group in masked]
        for group, raw, kept in zip(masked, counts, mask(counts), strict=True):
            if kept is None:
                hidden = raw if raw and raw < SMALLEST_COUNT else None
                group[key] = hidden
                group["findings"] = [
                    {**finding, "estimate": {**finding["estimate"], key: hidden}} for finding in group["findings"]
                ]
    return masked


# --- Writing for readers ----------------------------------------------------------------------------------

LANGUAGES: Final[tuple[Language, Language]] = ("fr", "en")
TEMPLATES: Final = Path(__file__).parent / "templates"

THIN: Final = "\u202f"  # espace fine insécable
COLON: Final[dict[Language, str]] = {"fr": "\u00a0:", "en": ":"}
NONE: Final = "—"
PERCENT: Final = frozenset(
    {"observed", "predicted", "flagged", "sensitivity", "specificity", "ppv", "ici", "e50", "e90"}
)
TWO_DECIMALS: Final = frozenset({"observed_expected", "calibration_intercept", "calibration_slope"})
MONTHS: Final[dict[Language, str]] = {
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "en": "January February March April May June July August September October November December",
}


def typeset(text: str, language: Language) -> str:
    """Return a text with the typography of its language: in French, thin no-break spaces and curly apostrophes."""
    if language != "fr":
        return text
    text = text.replace("'", "’")
    text = re.sub(r" (?=[;!?%»])|(?<=«) |(?<=\d) (?=\d{3}(?!\d))", THIN, text)
    return text.replace(" :", COLON["fr"])


def decimal(value: float | None, digits: int, language: Language, *, signed: bool = False) -> str:
    """Return a number with so many decimals, written as the language writes it; a dash for None."""
    if value is None:
        return NONE
    rounded = round(value, digits) + 0.0  # no minus before nought
    text = f"{rounded:{'+' if signed else ''},.{digits}f}".replace("-", "−")
    return text.replace(",", THIN).replace(".", ",") if language == "fr" else text


def percent(value: float | None, language: Language, digits: int = 1, *, signed: bool = False) -> str:
    """Return a proportion as a percentage; a dash for None."""
    if value is None:
        return NONE
    return decimal(100 * value, digits, language, signed=signed) + (f"{THIN}%" if language == "fr" else "%")


def number(value: float | None, measure: str, language: Language, *, signed: bool = False) -> str:
    """Return the value of a measure as a reader expects it: a percentage, or two or three decimals."""
    if measure in PERCENT:
        return percent(value, language, signed=signed)
    return decimal(value, 2 if measure in TWO_DECIMALS else 3, language, signed=signed)


def count(value: int | str | None, language: Language) -> str:
    """Return a number of people, "fewer than 11" or "hidden"."""
    if value == SMALL or (isinstance(value, int) and value < SMALLEST_COUNT):
        return f"moins de {SMALLEST_COUNT}" if language == "fr" else f"<{SMALLEST_COUNT}"
    if not isinstance(value, int):
        return "masqué" if language == "fr" else "hidden"
    return decimal(value, 0, language)


def calendar(day: date | datetime, language: Language) -> str:
    """Return a date in words."""
    first = "1er" if language == "fr" and day.day == 1 else str(day.day)
    return f"{first}\u00a0{MONTHS[language].split()[day.month - 1]}\u00a0{day.year}"


@cache
def _words() -> dict[str, tuple[str, str]]:
    return {key: (fr, en) for key, (fr, en) in json.loads((TEMPLATES / "words.json").read_text("utf-8")).items()}


def word(name: str, language: Language, labels: Mapping[str, Bilingual] | None = None) -> str:
    """Return what readers call an attribute, a group or a crossing of them; the name itself if nothing is known."""
    if CROSS in name:
        return CROSS.join(word(part, language, labels) for part in name.split(CROSS))
    if labels and name in labels:
        return str(getattr(labels[name], language))
    return _words()[name][LANGUAGES.index(language)] if name in _words() else name


# --- Rendering --------------------------------------------------------------------------------------------

Standing = Literal[
    "draft", "pending", "approved", "approved_with_conditions", "reinstated", "refused", "suspended", "withdrawn"
]


def render(
    card: ModelCard,
    evidence: Document | None = None,
    audit: Document | None = None,
    explanation: Document | None = None,
    decision: Decision | None = None,
    language: Language = "fr",
    *,
    final: bool = False,
) -> str:
    """Return the card as one HTML page that needs nothing else.

    The page links to its other language as ``card.fr.html`` or ``card.en.html`` in the same folder.

    Parameters
    ----------
    card
        The card; with holes, it is rendered as a draft and shows them.
    evidence, audit, explanation
        What the card's digests are about: objects, or what their JSON files hold. They may be missing from a draft.
    decision
        What the committee decided; the card's own decision by default.
    language
        ``"fr"`` or ``"en"``.
    final
        Whether to refuse a card that has holes. With a decision, it always is.

    Raises
    ------
    IncompleteCard
        If the card has holes and ``final`` is true or the committee decided about it.
    AlteredCard
        If evidence, audit or explanation are not those of the card's digests, or the decision is about another card.
    """
    decision = decision or card.decision
    if final or decision is not None:
        card.final()
    if decision is not None:
        _require_about(decision, card.digest)
    documents = {"evidence": evidence, "audit": audit, "explanation": explanation}
    _require_intact(card, documents)
    gated = {name: None if document is None else gate(tree_of(document)) for name, document in documents.items()}
    found, reference, compared = _judged(gated["evidence"], card.identity.model)
    standing: Standing = "draft" if card.holes() else decision.verdict if decision else "pending"
    page = _environment(language).get_template("card.html.j2")
    return page.render(
        card=card,
        decision=decision,
        standing=standing,
        demonstration=card.identity.demonstration or (decision is not None and decision.shown_as_demonstration),
        chapters=_chapters(card),
        found=found,
        reference=reference,
        compared=compared,
        audit=gated["audit"],
        explanation=gated["explanation"],
    )


def _judged(evidence: Mapping[str, Any] | None, model: str) -> tuple[dict[str, Any] | None, ...]:
    """Return what evidence knows of the card's model, of the one it is compared with, and of both together."""
    if evidence is None:
        return None, None, None
    found = model_evidence(evidence, model)
    for compared in evidence["comparisons"]:
        if compared["model"] == model:
            return found, model_evidence(evidence, compared["comparator"]), compared
    return found, None, None


def _require_intact(card: ModelCard, documents: Mapping[str, Document | None]) -> None:
    """Refuse documents that are not those the card answers for, and a complete card without them."""
    faults = []
    for name, document in documents.items():
        claimed = getattr(card.traceability, f"{name}_digest")
        if document is None:
            faults += [f"{name} is missing"] if not card.holes() else []
        elif claimed is not None and content_digest(document) != claimed:
            faults.append(f"{name} was altered: its digest is not the card's")
    if faults:
        raise AlteredCard("; ".join(faults))


@dataclass(frozen=True)
class _Line:
    """A field as the page shows it."""

    path: str
    item: Item
    value: Any


def _chapters(card: ModelCard) -> dict[str, list[_Line]]:
    """Return the fields of each chapter, by number."""
    lines = [_Line(path, each, card.value(path)) for path, each in card.field_items().items()]
    return {
        chapter: sorted((line for line in lines if line.item.chapter == chapter), key=lambda line: line.item.number)
        for chapter in CHAPTERS
    }


def _kind(value: Any) -> str:
    """Return the name of a value's type, that of its first part for a tuple: which macro writes it."""
    if value in (None, (), {}):
        return "hole"
    return type(value[0] if isinstance(value, tuple) else value).__name__


def _paragraphs(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the paragraphs of a text, apart by blank lines; lines that begin with a dash make a list."""
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = [line.strip() for line in block.splitlines()]
        if all(line.startswith("- ") for line in lines):
            yield "list", [line[2:] for line in lines]
        else:
            yield "text", [" ".join(lines)]


def _scale(low: float, high: float, first: float, last: float) -> Callable[[float], float]:
    """Return what maps ``low`` to ``first`` and ``high`` to ``last``, to a tenth of a pixel; values beyond are held."""
    span = (high - low) or 1.0

    def position(value: float) -> float:
        share = min(max((value - low) / span, 0.0), 1.0)
        return round(first + share * (last - first), 1)

    return position


def _ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return round numbers from ``low`` to ``high``, about as many as wanted."""
    rough = (high - low) / wanted or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    return [round(k * step, 10) for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _finite(values: Any) -> list[float]:
    """Return the numbers among values."""
    return [value for value in values if isinstance(value, int | float)]


@cache
def _environment(language: Language) -> Environment:
    """Return the templates with what writes numbers, dates and texts in one language."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def in_language(text: Bilingual | str) -> str:
        return typeset(text if isinstance(text, str) else getattr(text, language), language)

    environment.filters |= {
        "text": in_language,
        "paragraphs": _paragraphs,
        "number": lambda value, measure, signed=False: number(value, measure, language, signed=signed),
        "percent": lambda value, digits=1: percent(value, language, digits),
        "threshold": lambda value: percent(value, language, 0 if math.isclose(100 * value, round(100 * value)) else 1),
        "decimal": lambda value, digits=2: decimal(value, digits, language),
        "count": lambda value: count(value, language),
        "calendar": lambda day: calendar(day, language),
        "label": lambda measure: in_language(label_of_measure(measure)),
        "kind": _kind,
        "finite": _finite,
    }
    environment.globals |= {
        "language": language,
        "t": lambda fr, en: typeset(fr if language == "fr" else en, language),
        "word": lambda name, labels: typeset(word(name, language, labels), language),
        "chapter_titles": CHAPTERS,
        "fillers": FILLERS,
        "scale": _scale,
        "ticks": _ticks,
        "cross": CROSS,
    }
    return environment

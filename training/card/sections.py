"""The sections of a card, each filled by one hand: its fields, and how it is made of what a run knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, FiniteFloat

from training.card.documents import Document, model_evidence, tree_of
from training.card.fields import FilledBy, Section, item
from training.card.summaries import NO_COMPARATOR, heterogeneity, part, verdicts
from training.card.suppression import show
from training.card.values import (
    Characteristic,
    Content,
    DataWindow,
    FlowStep,
    HeadlineEstimate,
    Headlines,
    InputFeature,
    NotApplicable,
    SignOff,
    hide_small_steps,
)
from training.card.writing import CROSS, count
from training.values import Bilingual, Digest, Moment, Text

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
    contact: Text | NotApplicable | None = item(3, "identity", "Contact", "Contact")
    licence: Text | None = item(5, "identity", "Licence", "Licence", "22")
    release_stage: Bilingual = item(6, "identity", "Statut réglementaire", "Regulatory status", default=RESEARCH_ONLY)


class Traceability(Section):
    """What exactly was evaluated: digests of every component."""

    purpose: Bilingual | None = item(
        24,
        "rights",
        "Finalité et avis du comité sur l’usage des données",
        "Purpose, and opinion on the use of data",
        "17",
    )
    feature_set_fingerprint: Text | None = item(
        2, "traceability", "Empreinte des variables", "Feature-set fingerprint", "12g, 22"
    )
    records_digest: Digest | None = item(2, "traceability", "Empreinte des données", "Records digest")
    data_window: DataWindow | None = item(19, "traceability", "Période des données", "Data window", "5b")
    model_digest: Digest | None = item(2, "traceability", "Empreinte du modèle", "Model digest", "12g, 22")
    evidence_digest: Digest | None = item(2, "traceability", "Empreinte des résultats", "Evidence digest")
    audit_digest: Digest | None = item(2, "traceability", "Empreinte de l’audit d’équité", "Audit digest")
    explanation_digest: Digest | None = item(2, "traceability", "Empreinte de l’explication", "Explanation digest")
    monitoring_digest: Digest | None = item(
        2, "traceability", "Empreinte de la référence de surveillance", "Monitoring-reference digest"
    )
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
            headlines.setdefault(part(estimate), []).append(HeadlineEstimate.of(estimate, run_id))
        differences = [d for c in tree["comparisons"] if c["model"] == model for d in c["differences"]]
        compared = [HeadlineEstimate.of(d, run_id) for d in differences]
        fields: dict[str, Any] = {name: tuple(estimates) for name, estimates in headlines.items()}
        fields["comparison"] = tuple(compared) or NO_COMPARATOR
        fields["heterogeneity"] = heterogeneity(found["heterogeneity"])
        return cls(**(fields | texts))


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
        return cls(subgroups=verdicts(single, labels), intersections=verdicts(crossed, labels))


class Explained(Section):
    """What the model relies on. The importance of each feature is read from the explanation itself."""

    method: Content | None = item(44, "explanation", "Méthode et précautions", "Method and caveats")

    @classmethod
    def of(cls, explanation: Document) -> Self:
        """Return the section as an explanation says it."""
        tree = tree_of(explanation)
        n = count(show(tree.get("n")), "fr"), count(show(tree.get("n")), "en")
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

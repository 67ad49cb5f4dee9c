"""The card as a CHAI Applied Model Card, version 0.2: XML that American buyers and registries read.

Elements, their order and which may be left out are those of the schema of 27 October 2025
(https://mc.chai.org/v0.2/schema.xsd); texts are Markdown, results JSON, the bibliography BibTeX. What CHAI asks and our
card says elsewhere is put together from the fields that say it; nothing is added.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from xml.etree import ElementTree

from features.typography import Language
from training.card.documents import Document
from training.card.model_card import ModelCard
from training.card.rendering import gated_documents, shown_as_demonstration
from training.card.values import HeadlineEstimate, NotApplicable
from training.card.writing import label_of_measure, number, word
from training.committee import Decision
from training.values import Bilingual

NAMESPACE: Final = "https://mc.chai.org/v0.2/schema.xsd"
FORBIDDEN: Final = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold."""
DOI: Final = re.compile(r"\b(?:doi:)(10\.\d{4,9}/[^\s,;]+[^\s,;.)])", re.IGNORECASE)
STAGES: Final = {
    None: Bilingual(
        fr="Soumis au comité scientifique et éthique", en="Submitted to the scientific and ethics committee"
    ),
    "approved": Bilingual(fr="Approuvé par le comité", en="Approved by the committee"),
    "approved_with_conditions": Bilingual(
        fr="Approuvé sous conditions par le comité", en="Approved with conditions by the committee"
    ),
    "reinstated": Bilingual(fr="Rétabli par le comité", en="Reinstated by the committee"),
    "refused": Bilingual(fr="Refusé par le comité", en="Refused by the committee"),
    "suspended": Bilingual(fr="Suspendu par le comité", en="Suspended by the committee"),
    "withdrawn": Bilingual(fr="Retiré par le comité", en="Withdrawn by the committee"),
}

Node = tuple[str, "str | Sequence[Node]"]
"""An element: its name, and its text or its elements in order."""


def chai_xml(card: ModelCard, audit: Document, decision: Decision | None = None, language: Language = "en") -> str:
    """Return the card as a CHAI Applied Model Card, indented, with its XML declaration.

    Parameters
    ----------
    card
        Without holes.
    audit
        The one the card answers for: results by group are taken from it.
    decision
        The committee's; the card's own by default.
    language
        Of the texts: a CHAI card has one.

    Raises
    ------
    IncompleteCard
        If the card has holes.
    AlteredCard
        If the audit is not the card's, or the decision is about another card.
    """
    gated = gated_documents(card.final(), {"audit": audit}, decision)
    root = ElementTree.Element("AppliedModelCard", {"xmlns": NAMESPACE})
    _fill(root, _Export(card, gated["audit"], decision or card.decision, language).content())
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _fill(parent: ElementTree.Element, nodes: Sequence[Node]) -> None:
    for name, content in nodes:
        element = ElementTree.SubElement(parent, name)
        if isinstance(content, str):
            element.text = FORBIDDEN.sub("", content)
        else:
            _fill(element, content)


class _Export:
    """What CHAI asks, found in a card."""

    def __init__(
        self, card: ModelCard, audit: Mapping[str, Any], decision: Decision | None, language: Language
    ) -> None:
        self.card, self.audit, self.decision, self.language = card, audit, decision, language

    def said(self, *paths: str) -> str:
        """Return the texts of some fields, one paragraph each, the field's name before it where there are several."""
        items, parts = self.card.field_items(), []
        for path in paths:
            value = self.card.value(path)
            text = self._text(value.reason if isinstance(value, NotApplicable) else value)
            if isinstance(value, NotApplicable):
                text = ("Sans objet : " if self.language == "fr" else "Not applicable: ") + text
            parts.append(f"**{self._text(items[path].label)}**\n\n{text}" if len(paths) > 1 else text)
        return "\n\n".join(parts)

    def _text(self, value: Any) -> str:
        return str(getattr(value, self.language)) if isinstance(value, Bilingual) else str(value)

    def content(self) -> list[Node]:
        """Return the nine parts, in the order of the schema."""
        return [
            ("BasicInfo", self._basic()),
            ("ReleaseInfo", self._release()),
            ("ModelSummary", self._summary()),
            ("UsesAndDirections", self._uses()),
            ("Warnings", self._warnings()),
            ("TrustIngredients", [("AISystemFacts", self._facts()), ("TransparencyInformation", self._transparency())]),
            ("KeyMetrics", self._metrics()),
            ("Resources", self._resources()),
            ("Bibliography", self._bibliography()),
        ]

    def _basic(self) -> list[Node]:
        identity = self.card.identity
        return [
            ("ModelName", f"{self._text(identity.title)} ({identity.name}, {identity.model})"),
            ("ModelDeveloper", str(identity.developer)),
            ("DeveloperContact", self.said("identity.contact")),
        ]

    def _release(self) -> list[Node]:
        identity, decision = self.card.identity, self.decision
        stage = self._text(STAGES[decision.verdict if decision else None])
        if decision and decision.valid_until:
            stage += f" ({decision.valid_until.isoformat()})"
        if shown_as_demonstration(self.card, decision):
            stage = ("DÉMONSTRATION : " if self.language == "fr" else "DEMONSTRATION: ") + stage
        return [
            ("ReleaseStage", stage),
            ("ReleaseDate", identity.created_at.date().isoformat()),
            ("ReleaseVersion", identity.version),
            ("GlobalAvailability", str(identity.licence)),
            ("EHRCompatibility", [("EHR", self.said("output.interfaces"))]),
            ("RegulatoryApproval", self.said("identity.release_stage")),
        ]

    def _summary(self) -> list[Node]:
        keywords = (self.card.identity.study, self.card.identity.model, "TRIPOD+AI", "HTI-1")
        return [
            ("Summary", self.said("authored.plain_purpose", "authored.clinical_context")),
            ("Keywords", [("Keyword", each) for each in keywords]),
        ]

    def _uses(self) -> list[Node]:
        return [
            ("IntendedUseAndWorkflow", self.said("authored.intended_use", "authored.human_oversight")),
            ("PrimaryIntendedUsers", self.said("authored.intended_users")),
            ("HowToUse", self.said("authored.how_to_use", "inputs.missing_policy")),
            ("TargetedPatientPopulation", self.said("population.eligibility")),
            ("CautionedOutOfScopeSettings", self.said("authored.out_of_scope", "authored.plain_prohibition")),
        ]

    def _warnings(self) -> list[Node]:
        biases = ("authored.known_inequalities", "fairness.subgroups", "fairness.intersections")
        return [
            ("KnownRisksAndLimitations", self.said("authored.risks_and_limitations", "performance.heterogeneity")),
            ("KnownBiasesOrEthicalConsiderations", self.said(*biases)),
            ("ClinicalRiskLevel", self.said("authored.risk_management", "identity.release_stage")),
        ]

    def _facts(self) -> list[Node]:
        data = ("population.representativeness", "population.data_quality", "population.missing_data")
        maintenance = ("authored.monitoring", "authored.updates", "operation.logging")
        return [
            ("OutcomesAndOutputs", self.said("output.outputs", "output.outcome", "output.uncertainty")),
            ("ModelType", self.said("development.algorithm")),
            ("InputDataSource", self.said("population.sources", "population.deidentification")),
            ("OutputAndInputDataTypes", self._inputs()),
            ("DevelopmentDataCharacterization", self.said(*data)),
            ("BiasMitigationApproaches", self.said("authored.fairness_approach")),
            ("OngoingMaintenance", self.said(*maintenance)),
            ("Security", self.said("operation.security")),
            ("Transparency", self.said("explained.method", "authored.openness") + "\n\n" + self._trace()),
        ]

    def _inputs(self) -> str:
        features = self.card.inputs.features
        if isinstance(features, NotApplicable) or features is None:
            return self.said("inputs.features")
        return "\n".join(f"- {self._text(each.label)}" + (f" ({each.unit})" if each.unit else "") for each in features)

    def _trace(self) -> str:
        return f"MLflow run {self.card.traceability.mlflow_run_id}; model card SHA-256 {self.card.digest}"

    def _transparency(self) -> list[Node]:
        return [
            ("FundingSource", self.said("authored.funding", "authored.conflicts_of_interest")),
            ("StakeholdersConsulted", self.said("authored.involvement")),
        ]

    def _metrics(self) -> list[Node]:
        performance = self.card.performance
        useful = [*self._headlines(performance.utility), *self._headlines(performance.discrimination)]
        useful += self._headlines(performance.comparison)
        safe = [*self._headlines(performance.calibration), *self._headlines(performance.overall)]
        validation = self.said("development.partition", "performance.external_validation")
        return [
            (name, self._metric(goal, results, interpretation, validation))
            for name, goal, results, interpretation in (
                (
                    "UsefulnessUsabilityEfficacy",
                    self.said("authored.threshold_rationale"),
                    useful,
                    self.said("authored.interpretation"),
                ),
                (
                    "FairnessEquity",
                    self.said("authored.fairness_approach"),
                    list(self._groups()),
                    self.said("fairness.subgroups", "fairness.intersections"),
                ),
                (
                    "SafetyReliability",
                    self.said("authored.risk_management"),
                    safe,
                    self.said("performance.robustness"),
                ),
            )
        ]

    def _metric(self, goal: str, results: list[Node], interpretation: str, validation: str) -> list[Node]:
        nothing: Node = ("MetricResult", [("Label", "—"), ("ValueJson", json.dumps({"kind": "none"}))])
        return [
            ("MetricGoal", goal),
            ("Results", results or [nothing]),
            ("Interpretation", interpretation),
            ("TestType", self.said("development.partition")),
            ("TestingDataDescription", self.said("population.sources")),
            ("ValidationProcessAndJustification", validation),
        ]

    def _headlines(self, found: Sequence[HeadlineEstimate] | NotApplicable | None) -> Iterator[Node]:
        if found is None or isinstance(found, NotApplicable):
            return
        for each in found:
            yield self._result(self._label(each.measure, each.threshold), each.model_dump(mode="json"))

    def _groups(self) -> Iterator[Node]:
        """Yield what has a verdict, group by group."""
        for attribute in self.audit["attributes"]:
            name = word(attribute["attribute"], self.language, self.card.labels)
            for group in attribute["groups"]:
                for finding in group["findings"]:
                    if finding["verdict"] is None:
                        continue
                    e = finding["estimate"]
                    where = f"{name} ({word(group['group'], self.language, self.card.labels)})"
                    told = {**e, "verdict": finding["verdict"], "run_id": self.card.traceability.mlflow_run_id}
                    yield self._result(f"{self._label(e['measure'], e['threshold'])}, {where}", told)

    def _label(self, measure: str, threshold: float | None) -> str:
        at = "" if threshold is None else f" ({number(threshold, 'observed', self.language)})"
        return self._text(label_of_measure(measure)) + at

    def _result(self, label: str, told: Mapping[str, Any]) -> Node:
        kept = {key: told[key] for key in ("value", "low", "high", "n", "events", "verdict", "run_id") if key in told}
        value = json.dumps({"kind": "single", **kept}, ensure_ascii=False, sort_keys=True)
        return "MetricResult", [("Label", label), ("ValueJson", value)]

    def _resources(self) -> list[Node]:
        return [
            ("EvaluationReferences", self.said("authored.openness")),
            ("PeerReviewedPublications", self.said("authored.references")),
            ("PatientConsentOrDisclosure", self.said("authored.patient_information", "authored.legal_basis")),
        ]

    def _bibliography(self) -> str:
        """Return one BibTeX entry for each DOI the references name."""
        found = dict.fromkeys(DOI.findall(self.said("authored.references")))
        return "\n".join(f"@misc{{doi{place}, doi = {{{doi}}}}}" for place, doi in enumerate(found, start=1))

"""Every form of a card: for machines, for a registry, for patients, and beside its former version."""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest

from features.digests import canonical
from features.privacy import scan
from tests.training import cards
from tests.training.cards import said
from tests.training.test_card import Page
from training.card import (
    LANGUAGES,
    AlteredCard,
    AuthoredFields,
    HeadlineEstimate,
    IncompleteCard,
    InputFeature,
    Inputs,
    Language,
    ModelCard,
    NotApplicable,
    card_schema,
    chai_xml,
    compare_cards,
    content_digest,
    leaflet,
    schema_json,
    write_documents,
)
from training.card.versions import changed_estimate, differences, plain
from training.drafting import NOBODY

CARD = cards.card()
EMPTY = ModelCard.draft(AuthoredFields(), identity=cards.identity())

# --- JSON Schema ------------------------------------------------------------------------------------------


@cache
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(card_schema())


def valid(tree: Any) -> bool:
    return bool(validator().is_valid(tree))


def test_every_card_fits_the_published_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(card_schema())
    decided = CARD.decided(cards.decision(CARD.digest, "approved_with_conditions"))
    for card in (CARD, EMPTY, decided, cards.card(demonstration=True)):
        assert valid(json.loads(card.to_json()))
    assert schema_json() == schema_json()
    assert json.loads(schema_json())["$id"] == "urn:vigie:model-card:2"


def test_what_is_no_card_does_not_fit() -> None:
    tree = json.loads(CARD.to_json())
    changes: dict[str, Callable[[dict[str, Any]], Any]] = {
        "a section is missing": lambda t: t.pop("population"),
        "the digest is missing": lambda t: t.pop("digest"),
        "the digest is short": lambda t: t.update(digest="abc"),
        "a field nobody knows": lambda t: t["authored"].update(intended_uses=said().model_dump()),
        "a text in one language": lambda t: t["authored"]["intended_use"].pop("en"),
        "a small count": lambda t: t["population"]["flow"][0].update(people=7),
        "a number as text": lambda t: t["output"].update(horizon_years="ten"),
        "another format": lambda t: t.update(format=1),
    }
    for what, change in changes.items():
        altered = copy.deepcopy(tree)
        change(altered)
        assert not valid(altered), what


def test_the_schema_says_what_each_field_is_called_and_where_it_comes_from() -> None:
    schema = card_schema()
    described = {
        f"{section}.{name}": each
        for section, part in schema["properties"].items()
        if (kind := part.get("$ref", "").rsplit("/", 1)[-1])
        for name, each in schema["$defs"][kind]["properties"].items()
    }
    for path, item in ModelCard.field_items().items():
        if path != "decision":
            assert described[path]["number"] == item.number
            assert described[path]["label"] == {"fr": item.label.fr, "en": item.label.en}


# --- CHAI -------------------------------------------------------------------------------------------------

#: The schema of 27 October 2025: elements in order; "?" may be left out, "*" any number, "+" at least one.
METRIC: Final = [
    "MetricGoal",
    ("Results", [("MetricResult+", ["Label", "ValueJson"])]),
    "Interpretation",
    "TestType",
    "TestingDataDescription",
    "ValidationProcessAndJustification",
]
CHAI: Final[list[Any]] = [
    ("BasicInfo", ["ModelName", "ModelDeveloper", "DeveloperContact"]),
    (
        "ReleaseInfo",
        [
            "ReleaseStage",
            "ReleaseDate",
            "ReleaseVersion",
            "GlobalAvailability",
            ("EHRCompatibility?", ["EHR*"]),
            "RegulatoryApproval?",
        ],
    ),
    ("ModelSummary", ["Summary", ("Keywords", ["Keyword*"])]),
    (
        "UsesAndDirections",
        [
            "IntendedUseAndWorkflow",
            "PrimaryIntendedUsers",
            "HowToUse",
            "TargetedPatientPopulation",
            "CautionedOutOfScopeSettings",
        ],
    ),
    ("Warnings", ["KnownRisksAndLimitations", "KnownBiasesOrEthicalConsiderations", "ClinicalRiskLevel"]),
    (
        "TrustIngredients",
        [
            (
                "AISystemFacts",
                [
                    "OutcomesAndOutputs",
                    "ModelType",
                    "FoundationModels?",
                    "InputDataSource",
                    "OutputAndInputDataTypes",
                    "DevelopmentDataCharacterization",
                    "BiasMitigationApproaches",
                    "OngoingMaintenance",
                    "Security?",
                    "Transparency?",
                ],
            ),
            ("TransparencyInformation", ["FundingSource", "ThirdPartyInformation?", "StakeholdersConsulted"]),
        ],
    ),
    (
        "KeyMetrics",
        [("UsefulnessUsabilityEfficacy", METRIC), ("FairnessEquity", METRIC), ("SafetyReliability", METRIC)],
    ),
    (
        "Resources",
        [
            "EvaluationReferences?",
            "ClinicalTrial?",
            "PeerReviewedPublications",
            "ReimbursementStatus?",
            "PatientConsentOrDisclosure",
        ],
    ),
    "Bibliography",
]
NAMESPACE: Final = "{https://mc.chai.org/v0.2/schema.xsd}"


def faults(element: ElementTree.Element, wanted: list[Any]) -> list[str]:
    """Return where an element does not follow the schema."""
    found, children = [], [(child.tag.removeprefix(NAMESPACE), child) for child in element]
    for each in wanted:
        name, inner = each if isinstance(each, tuple) else (each, None)
        plain_name, many = name.rstrip("?*+"), name[-1]
        taken = list(itertools.takewhile(lambda child, n=plain_name: child[0] == n, children))
        children = children[len(taken) :]
        least, most = {"?": (0, 1), "*": (0, 10**6), "+": (1, 10**6)}.get(many, (1, 1))
        if not least <= len(taken) <= most:
            found.append(f"{element.tag}: {len(taken)} {plain_name}")
        for _, child in taken:
            if inner is None:
                found += [f"{plain_name} has elements"] if len(child) else []
                found += [f"{plain_name} is empty"] if not (child.text or "").strip() and name != "Bibliography" else []
            else:
                found += faults(child, inner)
    return [*found, *(f"{element.tag}: {name} is not expected here" for name, _ in children)]


def test_the_chai_card_follows_its_schema() -> None:
    for card, audit in ((CARD, cards.audit()), (cards.card(demonstration=True), cards.audit())):
        for language in LANGUAGES:
            root = ElementTree.fromstring(chai_xml(card, audit, language=language))
            assert root.tag == f"{NAMESPACE}AppliedModelCard"
            assert not root.attrib
            assert faults(root, CHAI) == []


def test_the_check_of_the_chai_card_sees_what_is_wrong() -> None:
    root = ElementTree.fromstring(chai_xml(CARD, cards.audit()))
    root.remove(root[3])
    assert faults(root, CHAI)
    root = ElementTree.fromstring(chai_xml(CARD, cards.audit()))
    root[0][:] = [root[0][1], root[0][0], root[0][2]]
    assert faults(root, CHAI)


def test_results_of_the_chai_card_are_the_card_s_with_their_run() -> None:
    root = ElementTree.fromstring(chai_xml(CARD, cards.audit()))
    results = {
        part.tag.removeprefix(NAMESPACE): {
            str(each[0].text): json.loads(str(each[1].text)) for each in part.iter(f"{NAMESPACE}MetricResult")
        }
        for part in root[6]
    }
    auc = results["UsefulnessUsabilityEfficacy"]["Discrimination (AUC at the horizon)"]
    assert auc == {
        "kind": "single",
        "value": 0.781,
        "low": 0.763,
        "high": 0.799,
        "n": 12_345,
        "events": 987,
        "run_id": cards.RUN,
    }
    men = results["FairnessEquity"]["Observed / expected ratio, Sex (Men)"]
    assert (men["verdict"], men["n"], men["run_id"]) == ("outside", 6_040, cards.RUN)
    assert all(each["run_id"] == cards.RUN for part in results.values() for each in part.values())


def test_the_chai_card_of_a_study_without_verdicts_still_has_a_result() -> None:
    audit: dict[str, Any] = {"attributes": []}
    card = cards.card(traceability=CARD.traceability.model_copy(update={"audit_digest": content_digest(audit)}))
    assert faults(ElementTree.fromstring(chai_xml(card, audit)), CHAI) == []


def test_texts_of_the_chai_card_are_escaped_and_references_become_bibtex() -> None:
    card = cards.card(
        cards.authored(
            intended_use=said("<b> & \x0b ]]>"),
            references=said("ESC 2021: doi:10.1093/eurheartj/ehab484. SCORE2 : doi:10.1093/eurheartj/ehab309, page 2"),
        )
    )
    root = ElementTree.fromstring(chai_xml(card, cards.audit()))
    assert "<b> &  ]]>" in str(root[3][0].text)
    assert str(root[8].text).splitlines() == [
        "@misc{doi1, doi = {10.1093/eurheartj/ehab484}}",
        "@misc{doi2, doi = {10.1093/eurheartj/ehab309}}",
    ]


def test_the_chai_card_says_where_the_card_stands() -> None:
    def stage(xml: str) -> str:
        return str(ElementTree.fromstring(xml)[1][0].text)

    audit = cards.audit()
    assert stage(chai_xml(CARD, audit)) == "Submitted to the scientific and ethics committee"
    assert stage(chai_xml(CARD, audit, cards.decision(CARD.digest))) == "Approved by the committee (2027-09-10)"
    demonstration = cards.card(demonstration=True)
    assert stage(chai_xml(demonstration, audit)).startswith("DEMONSTRATION: ")
    with pytest.raises(AlteredCard):
        chai_xml(CARD, audit, cards.decision("f" * 64))
    with pytest.raises(AlteredCard):
        chai_xml(CARD, audit | {"horizon": 5.0})
    with pytest.raises(IncompleteCard):
        chai_xml(EMPTY, audit)


# --- For patients -----------------------------------------------------------------------------------------


def pages(language: Language) -> dict[str, str]:
    """Return the pages of this file in one language."""
    old, new = CARD, cards.card(version="2.0.0", developer="Others")
    return {
        "patient": leaflet(CARD, cards.audit(), language=language),
        "changes": compare_cards(old, new, language, audits=(cards.audit(), cards.audit())),
    }


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["patient", "changes"])
def test_a_page_is_well_formed_accessible_and_needs_nothing_else(name: str, language: Language) -> None:
    html = pages(language)[name]
    parsed = Page(html)
    assert parsed.all("html") == [{"lang": language}]
    other = "en" if language == "fr" else "fr"
    links = [attributes["href"] or "" for attributes in parsed.all("a")]
    assert f"{name}.{other}.html" in links
    assert "#content" in links
    identifiers = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    for attributes in parsed.all("section", "nav", "svg"):
        for named in (attributes.get("aria-labelledby") or "").split():
            assert named in identifiers
    assert not parsed.all("script", "link", "img", "iframe", "object", "embed", "form")
    assert not re.search(r"https?://|//[a-z]|@import|src=|url\((?!#)", html)
    assert len(parsed.all("table")) == html.count("<caption>")
    assert all("scope" in attributes for attributes in parsed.all("th"))
    headings = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch(r"h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(deeper <= level + 1 for level, deeper in itertools.pairwise(headings))
    for attributes in parsed.all("svg"):
        assert attributes.get("aria-hidden") == "true" or attributes.get("role") == "img"
    for landmark in ("header", "main", "footer", "nav"):
        assert parsed.all(landmark)
    assert "None" not in re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    assert html == pages(language)[name]


def test_patients_are_told_what_it_does_for_whom_it_errs_and_their_rights() -> None:
    html = leaflet(CARD, cards.audit())
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", html))
    assert str(CARD.authored.plain_prohibition and CARD.authored.plain_prohibition.fr.split(" :")[0]) in words
    assert str(CARD.authored.patient_information and CARD.authored.patient_information.fr.split(" :")[0]) in words
    assert "Là où il l’annonce pour 10 personnes sur 100, cela arrive à 10 (entre 10 et 11)" in words
    assert "Sexe" in words
    assert "la probabilité annoncée est trop basse" in words
    assert "il ne l’a pas encore fait, et votre médecin ne peut pas l’utiliser" in words
    approved = leaflet(CARD, cards.audit(), cards.decision(CARD.digest))
    assert "l’a autorisé le 10" in approved
    assert "ne doit pas être utilisé" in leaflet(CARD, cards.audit(), cards.decision(CARD.digest, "suspended"))
    assert "aucun comité ne l’a examinée" in leaflet(cards.card(demonstration=True), cards.audit())
    assert cards.RUN in html


def test_the_hundred_people_are_those_the_text_speaks_of() -> None:
    performance = CARD.performance.model_dump()
    for each in performance["calibration"]:
        if each["measure"] == "observed_expected":
            each |= {"value": 1.52, "low": 1.4, "high": 1.66}
    card = CARD.model_copy(update={"performance": type(CARD.performance)(**performance)})
    html = leaflet(card, cards.audit())
    assert html.count('class="model"/>') == 15
    assert html.count("<circle") == 100
    assert "<b>15</b>" in html


def test_a_patient_is_not_shown_a_long_list_of_inputs() -> None:
    many = tuple(InputFeature(name=f"f{i}", label=said(f"Variable {i}")) for i in range(12))
    html = leaflet(cards.card(inputs=Inputs(features=many, sensitive=said(), missing_policy=said())), cards.audit())
    assert "Variable 7" in html
    assert "Variable 8" not in html
    assert "et 4 autres informations" in html
    one = leaflet(cards.card(inputs=Inputs(features=many[:9], sensitive=said(), missing_policy=said())), cards.audit())
    assert "et 1 autre information, nommée" in one


def test_a_leaflet_of_an_unfinished_or_altered_card_is_refused() -> None:
    with pytest.raises(IncompleteCard):
        leaflet(EMPTY, cards.audit())
    with pytest.raises(AlteredCard):
        leaflet(CARD, cards.audit() | {"horizon": 5.0})


# --- Two versions -----------------------------------------------------------------------------------------


def test_the_words_that_changed_are_shown_and_no_others() -> None:
    parts = list(differences("Informer une discussion de prévention.", "Informer toute discussion de prévention."))
    assert parts == [
        ("same", "Informer "),
        ("removed", "une"),
        ("added", "toute"),
        ("same", " discussion de prévention."),
    ]
    new = cards.card(cards.authored(intended_use=said("intended_use autrement")))
    html = compare_cards(CARD, new)
    assert re.search(r"<ins>.*?autrement", html)
    assert "Usage prévu" in html
    assert "Utilisateurs et compétences requises" not in html
    assert "Les audits d’équité n’ont pas été fournis." in html


def test_two_equal_cards_have_no_difference() -> None:
    html = compare_cards(CARD, CARD, audits=(cards.audit(), cards.audit()))
    assert html.count("Rien n’a changé.") == 2
    assert "Aucun verdict d’équité ne change." in html
    assert "<ins>" not in html
    assert "plus que le hasard" not in html.replace("changent plus que le hasard", "")


def test_what_it_does_to_whom_is_shown_group_by_group() -> None:
    after = cards.audit()
    (men,) = [group for group in after["attributes"][0]["groups"] if group["group"] == "male"]
    for finding in men["findings"]:
        if finding["estimate"]["measure"] == "observed_expected":
            finding["verdict"] = "within"
            finding["estimate"] |= {"value": 1.5, "low": 1.45, "high": 1.55}
    new = cards.card(traceability=CARD.traceability.model_copy(update={"audit_digest": content_digest(after)}))
    html = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", compare_cards(CARD, new, "en", audits=(cards.audit(), after))))
    assert "Sex (Men), Observed / expected ratio: ✗ outside tolerance → ✓ within tolerance" in html
    assert "+0.46 [+0.37, +0.54]more than chance" in html
    assert "Sex: Women" in html
    with pytest.raises(AlteredCard):
        compare_cards(CARD, new, audits=(cards.audit(), cards.audit()))


def test_the_interval_of_a_difference_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(600):
        old, new = ({"measure": "auc", "threshold": None, "value": v} for v in rng.normal((0.7, 0.75), (0.02, 0.03)))
        for each, error in ((old, 0.02), (new, 0.03)):
            each |= {"low": each["value"] - 1.96 * error, "high": each["value"] + 1.96 * error}
        found = changed_estimate(old, new)
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= 0.05 <= found.high
    assert 0.925 < inside / 600 < 0.975
    missing = changed_estimate(old, None)
    assert (missing.value, missing.low, missing.new) == (None, None, None)


def test_every_kind_of_field_can_be_compared() -> None:
    for path in (path for path, item in ModelCard.field_items().items() if item.chapter != "performance"):
        for language in LANGUAGES:
            text = plain(CARD.value(path), language)
            assert isinstance(text, str)
            assert "fr=" not in text, path
    assert plain(NotApplicable(reason=said("Non")), "en") == "Non: in English."


# --- All of them ------------------------------------------------------------------------------------------


def test_all_documents_are_written_and_none_tells_a_small_count(tmp_path: Path) -> None:
    card = cards.card(demonstration=True)
    names = write_documents(tmp_path, card, *cards.documents(), cards.decision(card.digest, demonstration=True))
    assert names == (
        "card.chai.xml",
        "card.en.html",
        "card.fr.html",
        "card.schema.json",
        "patient.en.html",
        "patient.fr.html",
    )
    assert {path.name for path in tmp_path.iterdir()} == set(names)
    (tmp_path / "card.json").write_text(card.to_json(), encoding="utf-8")
    assert scan(tmp_path) == []
    for name in names:
        if name.endswith("html"):
            assert "MONSTRATION" in (tmp_path / name).read_text(encoding="utf-8")


def test_nothing_is_written_of_a_card_that_is_not_final(tmp_path: Path) -> None:
    with pytest.raises(IncompleteCard):
        write_documents(tmp_path, EMPTY, *cards.documents())
    with pytest.raises(AlteredCard):
        write_documents(tmp_path, CARD, {**cards.evidence(), "n": 1}, cards.audit(), cards.explanation())
    assert list(tmp_path.iterdir()) == []


def test_a_small_count_cannot_be_put_on_a_card() -> None:
    estimate = HeadlineEstimate.of(cards.estimate("auc", 5, 3), "run")
    assert (estimate.n, estimate.events) == ("<11", "<11")
    tree = json.loads(CARD.to_json())
    tree["population"]["flow"][0]["people"] = 7
    assert ModelCard.model_validate({k: v for k, v in tree.items() if k != "digest"}).population.flow[0].people == "<11"  # type: ignore[index,union-attr]
    assert canonical(tree)


def test_the_page_for_patients_says_where_to_write() -> None:
    assert "contact@example.org" in leaflet(cards.card(contact="contact@example.org"), cards.audit())
    assert "écrire à ceux" not in leaflet(cards.card(contact=NOBODY), cards.audit())

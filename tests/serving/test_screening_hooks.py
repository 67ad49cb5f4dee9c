"""Overdue screening at the CDS Hooks door: a card where a test is due or nobody can tell, and silence otherwise."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from typing import Any

import pytest

from features.records import History
from features.typography import COLON
from serving.cds_hooks.cards import LONGEST_SUMMARY, OVERRIDE_REASONS, SCREENING_REASONS
from serving.cds_hooks.discovery import templates
from serving.contract import Abstention, Risk, now
from serving.desk import Desk
from serving.desks import Desks
from serving.fhir.assessment import as_percent
from serving.gate import Admitted
from serving.openapi import EXAMPLES, request_of
from serving.openapi.examples import call, parameters
from serving.plain import plain
from serving.reading import asking_of, read
from serving.scoring import score
from tests.serving.conftest import Asked
from tests.serving.test_cds_hooks import card_faults, service_faults
from tests.serving.test_fhir import issues

SERVICE = "/cds-services/vigie-screening-colorectal"
SNOMED = "http://snomed.info/sct"


@pytest.fixture
def doors(asked: Asked, current: Admitted, screening: Admitted) -> Asked:
    asked.inner.state.desks = Desks((Desk(current), Desk(screening)))
    return asked


@pytest.fixture
def opening(screening: Admitted) -> dict[str, Any]:
    """The file of the woman of 62, who was never tested."""
    return call(templates(screening.concepts))


def with_test(body: dict[str, Any]) -> dict[str, Any]:
    """Return the file with a faecal test, half a year ago."""
    at = (now() - timedelta(days=183)).date().isoformat()
    act = {
        "resourceType": "Procedure",
        "id": "test",
        "status": "completed",
        "subject": {"reference": "Patient/example"},
        "code": {"coding": [{"system": SNOMED, "code": "104435004"}]},
        "performedDateTime": at,
    }
    procedures = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": act}]}
    return body | {"prefetch": body["prefetch"] | {"procedures": procedures}}


def born(body: dict[str, Any], year: int | None) -> dict[str, Any]:
    patient = {name: value for name, value in body["prefetch"]["patient"].items() if name != "birthDate"}
    birth = {} if year is None else {"birthDate": f"{year}-06-14"}
    return body | {"prefetch": body["prefetch"] | {"patient": patient | birth}}


def cards(doors: Asked, body: dict[str, Any], language: str = "fr") -> list[dict[str, Any]]:
    answer = doors.post(SERVICE, json=body, headers={"accept-language": language})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["cards"]
    for card in found:
        assert card_faults(card) == []
    return found


def test_there_is_a_service_a_programme_in_words_of_its_own(doors: Asked) -> None:
    _, service = doors.get("/cds-services").json()["services"]
    assert service_faults(service) == []
    assert service["id"] == "vigie-screening-colorectal"
    assert "dont le test est dû" in service["description"]
    assert "Nothing for others" in service["description"]
    assert "isk" not in service["description"].replace("isque", "")


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_card_says_that_a_test_is_due_and_how_likely_it_is_to_be_done(
    doors: Asked, opening: dict[str, Any], language: str
) -> None:
    (card,) = cards(doors, opening, language)
    words = {
        "fr": ("test dû, participation ", "Le test de dépistage est dû", "Probabilité à 2\u00a0ans", "la probabilité"),
        "en": ("test due, ", "The screening test is due", "Probability within 2 years", "the probability"),
    }[language]
    title = {
        "fr": "Participation au dépistage du cancer colorectal",
        "en": "Taking part in colorectal cancer screening",
    }
    assert card["summary"].startswith(f"{title[language]}{COLON[language]} {words[0]}")
    assert "%" in card["summary"]
    assert len(card["summary"]) <= LONGEST_SUMMARY
    assert card["indicator"] == "info"
    for word in words[1:]:
        assert word in card["detail"]
    told = card["summary"] + card["detail"]
    assert "risque" not in told.lower()
    assert "the risk" not in told.lower()
    assert [each["code"] for each in card["overrideReasons"]] == list(SCREENING_REASONS)
    assert {"done-elsewhere", "patient-refused", "excluded"} <= set(SCREENING_REASONS)
    assert (
        card["overrideReasons"][1]["display"] == {"fr": "Déjà fait ailleurs", "en": "Already done elsewhere"}[language]
    )


def test_nobody_is_disturbed_about_a_test_that_is_not_due(doors: Asked, opening: dict[str, Any]) -> None:
    assert cards(doors, with_test(opening)) == []
    assert cards(doors, born(opening, 1990)) == []
    assert cards(doors, born(opening, 1930)) == []


def test_what_is_only_not_known_is_told(doors: Asked, opening: dict[str, Any]) -> None:
    for language, said in (("fr", "on ignore si le test est dû"), ("en", "not known whether the test is due")):
        (card,) = cards(doors, born(opening, None), language)
        assert said in card["summary"]
        assert {"fr": "Condition non remplie", "en": "Condition not met"}[language] in card["detail"]


def test_what_is_not_known_does_not_matter_where_no_test_is_due(doors: Asked, opening: dict[str, Any]) -> None:
    assert cards(doors, born(with_test(opening), None)) == []


def test_about_risk_an_abstention_is_still_a_card(doors: Asked, current: Admitted) -> None:
    body = born(call(templates(current.concepts)), 1990)
    (card,) = doors.post("/cds-services/vigie-cardiovascular", json=body).json()["cards"]
    assert "pas d’estimation" in card["summary"]
    assert [each["code"] for each in card["overrideReasons"]] == list(OVERRIDE_REASONS)


def test_feedback_takes_the_reasons_of_screening(doors: Asked, opening: dict[str, Any]) -> None:
    (card,) = cards(doors, opening)
    entry = {
        "card": card["uuid"],
        "outcome": "overridden",
        "overrideReason": {"reason": {"code": "done-elsewhere"}},
        "outcomeTimestamp": "2026-03-02T10:00:00Z",
    }
    assert doors.post(f"{SERVICE}/feedback", json={"feedback": [entry]}).status_code == 200
    kept = (doors.inner.state.data / "cds-hooks-feedback.jsonl").read_text()
    assert '"reason": "done-elsewhere"' in kept
    assert '"service": "vigie-screening-colorectal"' in kept


def test_a_probability_is_called_one_at_every_door(doors: Asked, screening: Admitted, current: Admitted) -> None:
    reading = read(request_of("risk"), screening.concepts)
    answer = score(screening, reading.history, reading.as_of)
    assert isinstance(answer, Risk)
    assert (answer.quantity.fr, answer.quantity.en) == ("la probabilité", "the probability")
    assert all("probabilité" in reason.fr for reason in answer.reasons)
    abstained = score(screening, History(()), reading.as_of)
    assert isinstance(abstained, Abstention)
    assert plain(abstained, "fr").startswith("Aucune probabilité n’est donnée")
    assert plain(abstained).startswith("No probability is given:")
    refused = score(current, History(()), reading.as_of)
    assert plain(refused, "fr").startswith("Aucun risque n’est donné")
    body = parameters()
    body["parameter"] += [{"name": "study", "valueCode": "screening-colorectal"}]
    body["parameter"][2]["valueCode"] = "fr"
    told = doors.post("/fhir/RiskAssessment/$evaluate", json=body).json()
    assert issues(told) == []
    (prediction,) = told["prediction"]
    assert prediction["probabilityDecimal"] == as_percent(answer.risk)
    assert "risque" not in prediction["rationale"]
    assert "participation" in prediction["qualitativeRisk"]["text"]


def test_every_reason_not_to_answer_says_whether_it_is_known(screening: Admitted) -> None:
    request = copy.deepcopy(EXAMPLES["risk"]["value"])
    request["records"] = [record for record in request["records"] if record["code"] not in ("birth", "registered")]
    asking = asking_of(json.dumps(request).encode())
    reading = read(asking, screening.concepts)
    answer = score(screening, reading.history, reading.as_of)
    assert isinstance(answer, Abstention)
    because = {reason.code: reason.because for reason in answer.reasons}
    assert because["aged_50_to_74"] == "missing"
    assert "false" in because.values()

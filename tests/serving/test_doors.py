"""What all doors have in common, asked without a network; `test_service` asks the service as it is run."""

from __future__ import annotations

import copy
import json

import pytest

from serving.contract import MOST_REQUESTS
from serving.desk import Desk
from serving.desks import Desks
from serving.hardening import HEADERS
from serving.openapi import EXAMPLES
from serving.openapi.examples import BATCH, FEEDBACK, call, parameters
from serving.openapi.specification import specification
from serving.refusals import Expired
from tests.serving import files
from tests.serving.test_fhir import issues

EVALUATE = "/fhir/RiskAssessment/$evaluate"
FHIR_JSON = "application/fhir+json"
CANARY = "Zebulon7391"


def test_many_get_the_answers_that_each_gets(asked):
    alone = [asked.inner.state.desks.of().answer(request) for request in requests()]
    answers = asked.post("/score/batch", json=BATCH).json()["answers"]
    assert answers == [answer.model_dump(mode="json") for answer in alone]
    assert [answer["kind"] for answer in answers] == ["risk", "abstention"]


def requests():
    from serving.openapi import request_of

    return [request_of(example) for example in EXAMPLES]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"requests": []}, "requests"),
        ({"requests": [EXAMPLES["risk"]["value"]] * (MOST_REQUESTS + 1)}, "requests"),
        ({"requests": [EXAMPLES["risk"]["value"], {"records": []}]}, "requests.1.records"),
        ({"requests": [EXAMPLES["risk"]["value"] | {CANARY: 1}]}, "requests.0.(unknown field)"),
        (BATCH | {CANARY: 1}, "(unknown field)"),
    ],
)
def test_what_is_no_batch_is_refused_whole(asked, body, place):
    answer = asked.post("/score/batch", json=body)
    assert answer.status_code == 422
    assert [fault["where"] for fault in answer.json()["faults"]] == [place]
    assert CANARY not in answer.text


def test_the_fhir_door(asked):
    answer = asked.post(EVALUATE, json=parameters(), headers={"content-type": FHIR_JSON})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == FHIR_JSON
    found = answer.json()
    assert issues(found) == []
    said = asked.inner.state.desks.of().answer(requests()[0])
    assert found["prediction"][0]["probabilityDecimal"] == pytest.approx(100 * said.risk, abs=1e-9)
    assert found["language"] == "en"
    plain = asked.post(EVALUATE, json=files.bundle(), headers={"accept-language": "en"}).json()
    assert plain["language"] == "en"
    assert asked.post("/fhir/RiskAssessment/%24evaluate", json=parameters()).json() == found


@pytest.mark.parametrize("study", ["breast", CANARY])
def test_another_study_is_not_here(asked, study):
    answer = asked.post(EVALUATE, json=files.parameters(bundle=files.bundle(), study=study))
    assert answer.status_code == 404
    assert answer.json()["issue"][0]["code"] == "not-found"
    assert CANARY not in answer.text


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"{", {}, 400, "structure"),
        (b'{"a": 1, "a": 2}', {}, 400, "structure"),
        (b'{"a": NaN}', {}, 400, "value"),
        (b"[" * 100_000, {}, 400, "structure"),
        (b"{}", {}, 422, "value"),
        (b"{}", {"content-type": "application/fhir+xml"}, 415, "not-supported"),
        (b"{}", {"content-encoding": "gzip"}, 415, "not-supported"),
        (b"{}", {"content-length": "30000000"}, 413, "too-long"),
        (json.dumps(parameters()).encode(), {"accept": "application/fhir+xml"}, 406, "not-supported"),
    ],
)
def test_faults_at_the_fhir_door_are_outcomes(asked, content, headers, status, code):
    answer = asked.post(EVALUATE, content=content, headers={"content-type": FHIR_JSON} | headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == FHIR_JSON
    assert answer.json()["issue"][0]["code"] == code
    assert issues(answer.json()) == []


@pytest.mark.parametrize(
    ("kind", "is_taken"),
    [
        ("application/fhir+json; charset=utf-8", True),
        ("application/fhir+json; fhirVersion=4.0", True),
        ("application/json;charset=UTF-8", True),
        ("application/fhir+json; fhirVersion=5.0", False),
        ("application/json+fhir", False),
        ("application/vnd.bentoml+pickle", False),
        ("multipart/form-data; boundary=x", False),
    ],
)
def test_types_of_bodies(asked, kind, is_taken):
    answer = asked.post(EVALUATE, content=json.dumps(parameters()), headers={"content-type": kind})
    assert answer.status_code == (200 if is_taken else 415)


def test_a_fhir_address_is_no_place_for_health_data(asked):
    answer = asked.get(f"/fhir/metadata?_format={CANARY}")
    assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")
    assert CANARY not in answer.text
    for path in ("/fhir/Patient/1", "/fhir/RiskAssessment", f"/fhir/{CANARY}"):
        answer = asked.get(path)
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (404, "not-found")
        assert CANARY not in answer.text
    assert asked.get(EVALUATE).status_code == 405


def test_while_no_model_may_be_used_doors_say_so(asked):
    asked.inner.state.desks = Desks((Desk(None, Expired("its approval is over")),))
    for path, body in ((EVALUATE, parameters()), ("/score/batch", BATCH)):
        answer = asked.post(path, json=body)
        assert answer.status_code == 503
        assert "expired" in answer.text
    assert asked.get("/fhir/metadata").status_code == 200


def test_what_fails_inside_is_told_without_a_word_of_why(asked, monkeypatch, caplog):
    class Failing:
        def __getattr__(self, name):
            raise RuntimeError(CANARY)

    asked.inner.state.desks = Failing()
    for path, body in ((EVALUATE, parameters()), ("/cds-services/vigie-cardiovascular", call({}))):
        answer = asked.post(path, json=body)
        assert answer.status_code == 500
        assert answer.json()["issue"][0]["code"] == "exception"
        assert CANARY not in answer.text
        assert CANARY not in caplog.text


def test_every_answer_of_every_door_has_the_security_headers(asked):
    for path in specification()["paths"]:
        answers = [asked.get(path), asked.post(path, json={}), asked.post(path, content=b"{"), asked.get(f"{path}?a")]
        for answer in answers:
            for name, value in HEADERS:
                assert answer.headers[name.decode()] == value.decode()


def test_cards_are_read_as_pages_and_as_json(asked, current):
    page = asked.get("/models/cardiovascular/card", headers={"accept": "text/html", "accept-language": "en"})
    assert 'lang="en"' in page.text
    assert page.text == asked.get("/models/cardiovascular/card.en.html").text
    assert 'lang="fr"' in asked.get("/models/cardiovascular/card").text
    document = asked.get("/models/cardiovascular/card", headers={"accept": "application/json"})
    assert document.json()["digest"] == current.card_digest
    assert document.text == asked.get("/models/cardiovascular/card.json").text
    for path in ("/models/other/card", "/models/other/card.json", "/models/cardiovascular/card.de.html"):
        assert (asked.get(path).status_code, asked.get(path).json()["code"]) == (404, "not_found")


def test_examples_of_the_documentation_are_answered(asked, current):
    paths = specification(current)["paths"]
    seen = 0
    for path, operations in paths.items():
        if path == "/score" or "post" not in operations:
            continue
        for kind, told in operations["post"]["requestBody"]["content"].items():
            for name, example in told.get("examples", {}).items():
                answer = asked.post(
                    path.replace("{id}", "vigie-cardiovascular").replace("{study}", "cardiovascular"),
                    content=json.dumps(example["value"]),
                    headers={"content-type": kind},
                )
                assert answer.status_code == 200, (path, name, answer.text)
                seen += 1
                if path == EVALUATE:
                    wanted = "cancelled" if name == "abstention" else "final"
                    assert name == "bundle" or answer.json()["status"] == wanted
                if path == "/cds-services/{id}":
                    (card,) = answer.json()["cards"]
                    assert card["indicator"] == ("info" if name == "abstention" else "warning")
    assert seen == 1 + 2 + 1 + 2 * 3 + 2 + 1


def test_the_examples_of_clients_are_those_of_the_documentation():
    from tests.conftest import REPOSITORY

    folder = REPOSITORY / "serving" / "examples"
    assert json.loads((folder / "parameters.json").read_text()) == parameters()
    assert json.loads((folder / "request.json").read_text()) == EXAMPLES["risk"]["value"]


def test_links_begin_with_the_address_of_the_service(asked):
    for address, begins in (("https://example.org/vigie", "https://example.org/vigie"), (None, "http://vigie")):
        asked.inner.state.address = address
        url = asked.get("/fhir/metadata", headers={"host": CANARY}).json()["implementation"]["url"]
        assert url.startswith(begins)
        assert CANARY not in url


@pytest.mark.slow
def test_the_largest_file_is_answered(asked):
    resources = copy.deepcopy(files.RESOURCES)
    resources += [files.pressure(f"more{number}", "2024-01-01", 140) for number in range(4000)]
    content = json.dumps(files.parameters(bundle=files.bundle(resources), as_of=files.AS_OF))
    assert 1_000_000 < len(content) < 4_194_304
    answer = asked.post(EVALUATE, content=content, headers={"content-type": FHIR_JSON})
    assert answer.status_code == 200
    assert asked.post(EVALUATE, content=" " * 4_194_305, headers={"content-type": FHIR_JSON}).status_code == 413


def test_feedback_examples_name_our_reasons():
    from serving.cds_hooks.cards import OVERRIDE_REASONS

    assert FEEDBACK["feedback"][0]["overrideReason"]["reason"]["code"] in OVERRIDE_REASONS


def test_what_is_asked_does_not_outlive_its_answer(asked):
    """Megabytes that live until rubbish is collected make collecting slow, and answers with it."""
    import gc

    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        for _ in range(5):
            assert asked.post(EVALUATE, json=parameters()).status_code == 200
        asked.post(EVALUATE, json=files.bundle([files.RESOURCES[0]] + [files.pressure("x", "2024-01-01", 1)] * 3000))
        assert len(gc.get_objects()) - before < 30_000, "one such file alone is 60,000 objects"
    finally:
        gc.enable()

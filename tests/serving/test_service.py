"""The service as it is run, asked over HTTP."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from serving.desk import Desk
from serving.hardening import HEADERS, LARGEST_BODY
from serving.openapi import EXAMPLES, request_of
from serving.settings import BUNDLE, DEVELOPMENT, TRUSTED_KEYS
from tests.conftest import REPOSITORY
from tests.serving import files, live
from tests.serving.forked import command, forked

pytestmark = pytest.mark.slow

CANARY = "Zebulon7391Marker"
NUMBER = "73914682"


@pytest.fixture(scope="module")
def released(committee: Ed25519PrivateKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return live.bundle(tmp_path_factory.mktemp("released"), committee)


@pytest.fixture(scope="module")
def server(released: Path, trusted: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Server]:
    folder = tmp_path_factory.mktemp("server")
    command = ["serving", "serve", "--bundle", str(released), "--trusted-keys", str(trusted), "--development"]
    with live.serving(command, live.environment(folder / "home"), folder / "log") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: live.Server) -> Iterator[httpx.Client]:
    with server.client() as opened:
        yield opened


@pytest.fixture
def body() -> dict[str, Any]:
    return copy.deepcopy(EXAMPLES["risk"]["value"])


def test_examples_of_the_documentation_run_as_they_are(client):
    described = client.get("/docs.json").json()
    examples = described["paths"]["/score"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    for name, example in examples.items():
        answer = client.post("/score", json=example["value"])
        assert answer.status_code == 200
        assert answer.json()["kind"] == name


def test_the_answer_is_the_one_given_without_a_server(client, released, trusted, body):
    here = Desk.open(released, {TRUSTED_KEYS: str(trusted)}).answer(request_of("risk"))
    assert client.post("/score", json=body).json() == here.model_dump(mode="json")


def test_a_record_after_as_of_changes_nothing(client, body):
    before = client.post("/score", json=body).json()
    infarction = {"system": "CIM10", "code": "I21.0", "happened_at": "2025-03-04", "known_at": "2025-03-05"}
    body["records"].append(infarction)
    after = client.post("/score", json=body).json()
    assert [note["code"] for note in after.pop("warnings")] == ["after_as_of"]
    assert before.pop("warnings") == []
    assert after == before


def test_what_is_served_and_why(client):
    (served,) = client.get("/models").json()["models"]
    assert served["ready"] is True
    assert served["demonstration"] is False
    assert served["model"]["study"] == "cardiovascular"
    for language, page in served["pages"].items():
        answer = client.get(f"/{page}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        assert f'lang="{language}"' in answer.text
        assert served["card"]["digest"][:12] in answer.text
    assert client.get("/models/unknown/card.fr.html").status_code == 404
    assert client.get("/models/cardiovascular/card.de.html").status_code == 404


def post(client: httpx.Client, content: bytes, **headers: str) -> httpx.Response:
    return client.post("/score", content=content, headers={"content-type": "application/json"} | headers)


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"{", {}, 400, "malformed"),
        (b'{"records": [], "records": []}', {}, 400, "duplicate_field"),
        (b'{"records": [{"value": NaN}]}', {}, 400, "not_a_number"),
        (b'{"records": [], "name": "x"}', {}, 422, "invalid"),
        (b"{}", {"content-type": "text/plain"}, 415, "media_type_refused"),
        (b"{}", {"content-type": "application/vnd.bentoml+pickle"}, 415, "media_type_refused"),
        (b"{}", {"content-type": "multipart/form-data; boundary=x"}, 415, "media_type_refused"),
        (b"{}", {"content-type": "application/json; charset=latin-1"}, 415, "media_type_refused"),
        (b"{}", {"content-encoding": "gzip"}, 415, "encoding_refused"),
        (b" " * (LARGEST_BODY + 1), {}, 413, "too_large"),
    ],
)
def test_what_may_not_come_in_is_refused_with_a_reason(client, content, headers, status, code):
    answer = post(client, content, **headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_body_without_a_length_is_bounded_too(client):
    answer = client.post("/score", content=iter([b" " * 100_000] * 4), headers={"content-type": "application/json"})
    assert answer.status_code == 413


def test_the_largest_request_is_answered(client, body):
    body["records"] += [body["records"][-1]] * (2000 - len(body["records"]))
    content = json.dumps(body, separators=(",", ":")).encode()
    assert len(content) < LARGEST_BODY
    assert post(client, content).status_code == 200


def test_addresses_carry_nothing(client, body):
    for answer in (client.get("/models?patient=1"), client.post("/score?patient=1", json=body)):
        assert (answer.status_code, answer.json()["code"]) == (400, "query_refused")
    assert client.get("/score").status_code == 405


def test_every_answer_has_the_security_headers(client, body):
    answers = [
        client.post("/score", json=body),
        client.post("/score", json={}),
        client.get("/"),
        client.get("/models"),
        client.get("/nowhere"),
        client.get("/readyz"),
        client.get("/models?x=1"),
    ]
    for answer in answers:
        assert {name.decode(): value.decode() for name, value in HEADERS}.items() <= dict(answer.headers).items()
        assert "server" not in answer.headers


def test_nothing_of_a_request_reaches_a_log_or_an_answer(server, client, body):
    """The PHI canary: a marker in every place a request has."""
    fields = ("system", "code", "happened_at", "known_at", "value", "unit")
    answers = []
    for field in fields:
        wrong = copy.deepcopy(body)
        wrong["records"][3][field] = CANARY
        answers.append(client.post("/score", json=wrong))
    valid = copy.deepcopy(body)
    valid["records"][3]["unit"] = CANARY
    answers += [
        client.post("/score", json=valid),
        client.post("/score", json={"records": [body["records"][3] | {"value": int(NUMBER)}]}),
        client.post("/score", json={"records": [body["records"][3] | {"value": NUMBER}]}),
        client.post("/score", json=body | {CANARY: CANARY}),
        client.post("/score", json=body | {"as_of": CANARY}),
        client.post("/score", json={"records": [CANARY, {CANARY: CANARY}]}),
        client.post("/score", json=CANARY),
        post(client, f'{{"{CANARY}": '.encode()),
        post(client, f'{{"{CANARY}": NaN}}'.encode()),
        post(client, f'{{"{CANARY}": 1, "{CANARY}": 2}}'.encode()),
        post(client, CANARY.encode() * 20_000),
        post(client, CANARY.encode(), **{"content-type": f"text/{CANARY}"}),
        post(client, json.dumps(body).encode(), **{"x-patient": CANARY, "user-agent": CANARY, "cookie": f"a={CANARY}"}),
        client.get(f"/{CANARY}"),
        client.get(f"/models/{CANARY}/card.fr.html"),
        client.get(f"/models?patient={CANARY}"),
        client.post(f"/{CANARY}", json={"a": CANARY}),
        client.request(CANARY.upper(), "/score"),
        client.get(f"/%0d%0a{CANARY}"),
    ]
    assert {answer.status_code for answer in answers} <= {200, 400, 404, 405, 413, 415, 422}
    for answer in answers:
        assert CANARY.lower() not in answer.text.lower()
        assert NUMBER not in answer.text
    assert CANARY.lower() not in client.get("/schema.json").text.lower()
    assert CANARY.lower() not in client.get("/metrics").text.lower()
    log = server.log.read_text()
    assert CANARY.lower() not in log.lower()
    assert "POST /score 422" in log
    assert "Traceback" not in log


EVALUATE = "/fhir/RiskAssessment/$evaluate"
SERVICE = "/cds-services/vigie-cardiovascular"


def test_the_standard_doors_answer_as_they_do_without_bentoml(client):
    described = client.get("/docs.json").json()["paths"]
    for path, status in ((EVALUATE, "final"), (EVALUATE, "cancelled")):
        name = "parameters" if status == "final" else "abstention"
        example = described[path]["post"]["requestBody"]["content"]["application/fhir+json"]["examples"][name]["value"]
        answer = client.post(path, json=example, headers={"content-type": "application/fhir+json"})
        assert (answer.status_code, answer.json()["status"]) == (200, status)
    (service,) = client.get("/cds-services").json()["services"]
    assert f"/cds-services/{service['id']}" == SERVICE
    example = described["/cds-services/{id}"]["post"]["requestBody"]["content"]["application/json"]["examples"]["risk"]
    (card,) = client.post(SERVICE, json=example["value"]).json()["cards"]
    assert str(client.base_url).rstrip("/") in card["source"]["url"]
    assert client.get(card["source"]["url"]).status_code == 200
    sent = {"feedback": [{"card": card["uuid"], "outcome": "accepted", "outcomeTimestamp": "2026-03-02T10:00:00Z"}]}
    assert client.post(f"{SERVICE}/feedback", json=sent).status_code == 200
    assert client.get("/fhir/metadata").json()["fhirVersion"] == "4.0.1"
    batch = client.post("/score/batch", json={"requests": [EXAMPLES["risk"]["value"]] * 3}).json()["answers"]
    assert batch == [client.post("/score", json=EXAMPLES["risk"]["value"]).json()] * 3


def test_what_may_not_come_in_is_refused_at_the_standard_doors(client):
    huge = iter([b" " * 1_000_000] * 30)
    answer = client.post(EVALUATE, content=huge, headers={"content-type": "application/fhir+json"})
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (413, "too-long")
    for path in (EVALUATE, SERVICE, f"{SERVICE}/feedback"):
        for content, status in ((b"{", 400), (b"[" * 100_000, 400), (b'{"a":1,"a":2}', 400), (b"[]", 422)):
            answer = post_to(client, path, content)
            assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
        assert post_to(client, path, b"{}", **{"content-type": "application/vnd.bentoml+pickle"}).status_code == 415
    for path in ("/fhir/nowhere", "/cds-services/nowhere"):
        assert client.get(path).status_code in (404, 405)
        assert client.get(path).json()["resourceType"] == "OperationOutcome"


def post_to(client: httpx.Client, path: str, content: bytes, **headers: str) -> httpx.Response:
    return client.post(path, content=content, headers={"content-type": "application/json"} | headers)


def test_nothing_of_a_file_reaches_a_log_or_a_fault(server, client, tmp_path):
    """The PHI canary at the standard doors: a marker in every place that a file, a call and feedback have."""
    file = files.bundle()
    for entry in file["entry"]:
        entry["resource"] |= {"text": {"div": CANARY}, "identifier": [{"value": CANARY}], "note": [{"text": CANARY}]}
    patient = file["entry"][0]["resource"]
    patient |= {"name": [{"family": CANARY}], "address": [{"text": CANARY}]}
    sent = [(EVALUATE, file), (EVALUATE, files.parameters(bundle=file, study=CANARY)), (EVALUATE, {CANARY: CANARY})]
    for place in ("code", "status", "effectiveDateTime", "subject", "component", "valueQuantity"):
        wrong = copy.deepcopy(file)
        wrong["entry"][3]["resource"][place] = CANARY
        sent.append((EVALUATE, wrong))
    call = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "fhirServer": f"https://{CANARY}.example",
        "fhirAuthorization": {"access_token": CANARY},
        "context": {"userId": f"Practitioner/{CANARY}", "patientId": "anna", CANARY: CANARY},
        "prefetch": {"patient": patient, "observations": CANARY},
    }
    sent += [(SERVICE, call), (SERVICE, call | {"hook": CANARY}), (f"/cds-services/{CANARY}", call), (SERVICE, CANARY)]
    entry = {"card": CANARY, "outcome": CANARY, "outcomeTimestamp": CANARY, "overrideReason": {"userComment": CANARY}}
    sent += [(f"{SERVICE}/feedback", {"feedback": [entry]}), (f"/cds-services/{CANARY}/feedback", {"feedback": []})]
    headers = {"authorization": f"Bearer {CANARY}", "accept-language": CANARY, "origin": f"https://{CANARY}.example"}
    answers = [client.post(path, json=body, headers=headers) for path, body in sent]
    answers += [
        client.get(f"/fhir/{CANARY}"),
        client.get(f"/models/{CANARY}/card"),
        client.get(f"/fhir/metadata?{CANARY}"),
    ]
    assert {answer.status_code for answer in answers} <= {200, 400, 404, 412, 422}
    for answer in answers:
        assert CANARY.lower() not in answer.text.lower()
    log = server.log.read_text()
    assert CANARY.lower() not in log.lower()
    assert "POST /fhir/RiskAssessment/$evaluate 422" in log
    assert "POST /cds-services/{id} 412" in log
    assert "Traceback" not in log
    home = server.log.parent / "home"
    kept = [path for path in home.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    assert kept == []


@pytest.mark.parametrize(
    ("command", "needs"), [("sh client.sh", "curl"), ("{python} client.py", "python3"), ("node client.js", "node")]
)
def test_examples_of_clients_run(server, command, needs):
    if shutil.which(needs) is None:
        if os.environ.get("CI") == "true" and needs != "node":
            pytest.fail(f"{needs} is needed in CI")
        pytest.skip(f"needs {needs}")
    arguments = [part.format(python=sys.executable) for part in command.split()]
    folder = REPOSITORY / "serving" / "examples"
    ran = subprocess.run([*arguments, server.url], capture_output=True, text=True, cwd=folder, check=False)
    assert ran.returncode == 0, ran.stderr
    if needs == "curl":
        assert '"kind":"risk"' in ran.stdout
        assert '"resourceType": "RiskAssessment"' in ran.stdout
        assert "vigie-cardiovascular" in ran.stdout
    else:
        assert re.search(r"^risk: \d+\.\d%, .+ risk \(ESC 2021\)$", ran.stdout, re.MULTILINE)
        assert re.search(r"^\[(info|warning)\] .+", ran.stdout, re.MULTILINE)


def test_documentation_needs_nothing_from_elsewhere(client):
    page = client.get("/")
    assert page.status_code == 200
    assert "://" not in page.text
    for address in ("static_content/swagger-ui.css", "static_content/swagger-ui-bundle.js", "docs.json"):
        assert address in page.text or address == "docs.json"
        assert client.get(f"/{address}").status_code == 200


def test_a_refused_bundle_never_becomes_ready_and_says_why(tmp_path, committee, trusted):
    bundle = live.bundle(tmp_path, committee, "linear")
    golden = bundle / "model" / "golden.json"
    golden.write_text(golden.read_text() + " ")
    settings = live.environment(
        tmp_path / "home", **{BUNDLE: str(bundle), TRUSTED_KEYS: str(trusted), DEVELOPMENT: "1"}
    )
    command = ["bentoml", "serve", "serving.service:Vigie"]
    with live.serving(command, settings, tmp_path / "log", "/livez") as refused, refused.client() as asking:
        assert asking.get("/readyz").status_code == 503
        answer = asking.post("/score", json=EXAMPLES["risk"]["value"])
        assert (answer.status_code, answer.json()["code"]) == (503, "model_altered")
        withheld = [{"study": None, "code": "model_altered"}]
        assert asking.get("/models").json() == {"models": [], "withheld": withheld}
        assert asking.get("/models/cardiovascular/card.fr.html").status_code == 503
        assert asking.get("/docs.json").status_code == 200
        assert "NOT READY [model_altered] model/ has the digest" in refused.log.read_text()


def run(*arguments: str, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    ran = [sys.executable, "-m", "serving", *arguments]
    return subprocess.run(ran, capture_output=True, text=True, env=settings, cwd=REPOSITORY, check=False)


def test_the_command_line_answers_and_fails_by_cause(released, trusted, tmp_path):
    settings = live.environment(tmp_path / "home")
    bundle = ("--bundle", str(released), "--trusted-keys", str(trusted))
    answered = run("score", *bundle, "--json", settings=settings)
    assert answered.returncode == 0
    assert json.loads(answered.stdout)["kind"] == "risk"
    assert run("verify", *bundle, settings=settings).returncode == 0
    assert run("unknown", settings=settings).returncode == 2
    helped = run("--help", settings=settings)
    assert helped.returncode == 0
    for name in ("verify", "release", "serve", "score", "exit codes"):
        assert name in helped.stdout

    def do(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return forked(command, *arguments, environment=settings, given=given)

    read = do("score", *bundle)
    assert read.returncode == 0
    assert "%" in read.stdout
    abstained = do("score", *bundle, "--json", "--request", "-", given=json.dumps(EXAMPLES["abstention"]["value"]))
    assert json.loads(abstained.stdout)["kind"] == "abstention"

    refused = do("serve", "--bundle", str(released), "--demonstration")
    assert refused.returncode == 5
    assert "[key_untrusted]" in refused.stderr
    missing = do("verify", "--bundle", str(tmp_path / "nowhere"), "--demonstration")
    assert missing.returncode == 4
    assert do("score", *bundle, "--request", str(tmp_path / "nothing.json")).returncode == 4
    assert do("serve", "--demonstration").returncode == 4
    invalid = do("score", *bundle, "--request", "-", given='{"records": [{"system": "X"}]}')
    assert invalid.returncode == 3
    assert "records.0.system: expected one of" in invalid.stderr
    for outcome in (refused, missing, invalid):
        assert "Traceback" not in outcome.stderr

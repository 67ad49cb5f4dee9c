"""The service as it is run in production, asked over HTTP: tokens, replay, killing, stopping, too much at once."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.serving import ask, request
from benchmarks.serving_load import Load
from serving import audit_trail, settings
from serving.openapi import EXAMPLES
from serving.openapi.examples import BATCH, FEEDBACK, call, parameters
from tests.conftest import REPOSITORY
from tests.serving import clients, live
from tests.serving.clients import Software

pytestmark = pytest.mark.slow

CANARY = "Zebulon7391Marker"
AT_ONCE = 8
SOFTWARE = clients.elliptic("software-a")
NATION = clients.elliptic("software-of-a-nation")
SCORE = EXAMPLES["risk"]["value"]


@dataclass(frozen=True)
class Deployment:
    """What a production service needs, in a folder."""

    folder: Path
    command: list[str]
    environment: dict[str, str]

    def lines(self) -> list[dict[str, object]]:
        (file,) = (self.folder / "data" / "audit").glob("*.jsonl")
        return [json.loads(line) for line in file.read_bytes().splitlines()]

    def verified(self) -> audit_trail.Verified:
        key = audit_trail.load_key(self.folder / "audit.key")
        return audit_trail.verify(self.folder / "data" / "audit", key)


def ends(url: str) -> bool:
    """Return whether nobody listens there any more, thirty seconds later at most: a busy machine takes its time."""
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.1)
    return False


@pytest.fixture(scope="module")
def released(committee: Ed25519PrivateKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return live.bundle(tmp_path_factory.mktemp("released"), committee, "linear")


@pytest.fixture
def deployment(released: Path, trusted: Path, tmp_path: Path) -> Deployment:
    some, many = ({"per_minute": 100_000, "at_once": at_once} for at_once in (AT_ONCE, 1000))
    environment = clients.configured(tmp_path, (SOFTWARE, some), (NATION, many))
    command = ["serving", "serve", "--bundle", str(released), "--trusted-keys", str(trusted)]
    return Deployment(tmp_path, command, live.environment(tmp_path / "home", **environment))


@pytest.fixture
def server(deployment: Deployment) -> Iterator[live.Server]:
    with live.serving(deployment.command, deployment.environment, deployment.folder / "log") as running:
        yield running


def test_an_idle_connection_stays_open_for_the_next_request(server: live.Server) -> None:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    with closing(connection):
        connection.connect()
        opened = connection.sock
        for idle in (0.0, 7.0):  # uvicorn's own limit is five seconds
            time.sleep(idle)
            connection.request("GET", "/livez")
            answer = connection.getresponse()
            answer.read()
            assert (answer.status, connection.sock) == (200, opened)


def bearer(client: httpx.Client, software: Software = SOFTWARE) -> dict[str, str]:
    answer = client.post("/oauth/token", data=software.form())
    assert answer.status_code == 200, answer.text
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


def test_more_than_can_be_answered_is_refused_and_nothing_is_lost(server):
    """At every door, far above what one worker answers: the very answers of a quiet minute, or when to come again."""
    with server.client() as client:
        headers = bearer(client, NATION) | {"content-type": "application/json"}
        (service,) = client.get("/cds-services", headers=headers).json()["services"]
        asked = []
        for path, body, said in (
            ("/score/cardiovascular", SCORE, r'"risk":[\d.]+'),
            ("/fhir/RiskAssessment/$evaluate", parameters(), r'"probabilityDecimal": ?[\d.]+'),
            ("/cds-services/vigie-cardiovascular", call(service["prefetch"]), r'"summary": ?"[^"]+'),
        ):
            content = json.dumps(body).encode()
            answer = re.search(said, client.post(path, content=content, headers=headers).text)
            assert answer is not None, path
            asked.append(
                (request(path, content, authorization=headers["authorization"]), re.escape(answer[0]).encode())
            )
    quiet = ask(Load(server.port, asked, 3, clients=AT_ONCE))
    assert (quiet["wrong"], quiet["lost"]) == ({}, {})
    capacity = len(quiet["milliseconds"]) / quiet["seconds"]
    came = ask(Load(server.port, asked, 15, rate=4 * capacity))
    assert (came["wrong"], came["lost"]) == ({}, {})
    assert came["refused"].keys() == {"503"}
    # Other tests share the processors, now more, now less than in the quiet seconds.
    assert sum(came["refused"].values()) > 0.5 * len(came["milliseconds"])
    assert len(came["milliseconds"]) > 0.25 * capacity * came["seconds"], "whoever is refused costs little"


def test_production_refuses_to_start_without_its_settings(released, trusted, tmp_path):
    environment = live.environment(tmp_path / "home")
    command = [sys.executable, "-m", "serving", "serve", "--bundle", str(released), "--trusted-keys", str(trusted)]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=REPOSITORY, check=False)
    assert ran.returncode == 2
    bundle = {settings.BUNDLE: str(released), settings.TRUSTED_KEYS: str(trusted)}
    command = [sys.executable, "-m", "bentoml", "serve", "serving.service:Vigie", "--port", "1"]
    direct = subprocess.run(
        command, capture_output=True, text=True, env=environment | bundle, cwd=REPOSITORY, check=False, timeout=60
    )
    assert direct.returncode != 0
    for told in (ran.stderr, direct.stderr):
        assert all(name in told for name in (settings.CLIENTS, settings.TOKEN_KEY, settings.AUDIT_KEY))
        assert "Traceback" not in told


def batches(deployment: Deployment) -> int:
    return sum(line["door"] == "/score/batch" for line in deployment.lines())


def told_to_stop(deployment: Deployment, server: live.Server) -> None:
    """Tell a server to stop while it answers, and see that it answers all the same and then is gone."""
    answers: list[int] = []
    long = {**SCORE, "records": SCORE["records"] * 3}  # so that the first is still under way when the last begins
    body = json.dumps({"requests": [long] * 100})
    with server.client() as client:
        headers = bearer(client) | {"content-type": "application/json"}

    def ask() -> None:
        with server.client() as client:
            answer = client.post("/score/batch", content=body, headers=headers)
            answers.append(len(answer.json()["answers"]) if answer.status_code == 200 else -answer.status_code)

    already = batches(deployment)
    threads = [threading.Thread(target=ask) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    with server.client() as client:  # until as much is under way as may be: all of it
        while client.get("/models", headers=headers).status_code != 429:
            assert any(thread.is_alive() for thread in threads)
    server.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert answers == [100] * AT_ONCE
    server.process.wait(timeout=20)
    assert batches(deployment) == already + AT_ONCE
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=1)


def test_a_day_of_production(deployment, server):
    """One start for all that needs one: closed doors, tokens, markers, the trail; another after it was killed."""
    with server.client() as client:
        for path in ("/", "/docs.json", "/schema.json", "/metrics", "/models", "/static_content/swagger-ui.css"):
            assert (client.get(path).status_code, client.get(path).content) == (401, b"")
        assert client.get("/readyz").status_code == 200
        assert client.post("/score", json=SCORE).status_code == 401
        card = client.get("/models/cardiovascular/card.fr.html")
        assert (card.status_code, card.headers["content-type"]) == (200, "text/html; charset=utf-8")

        assertion = SOFTWARE.sign(SOFTWARE.claims())
        given = client.post("/oauth/token", data=SOFTWARE.form(assertion)).json()
        headers = {"authorization": f"Bearer {given['access_token']}"}
        for path, body in (
            ("/score", SCORE),
            ("/score/batch", BATCH),
            ("/fhir/RiskAssessment/$evaluate", parameters()),
            ("/cds-services/vigie-cardiovascular/feedback", FEEDBACK),
        ):
            assert client.post(path, json=body, headers=headers).status_code == 200
            for marked in ({CANARY: CANARY}, [CANARY], json.loads(json.dumps(body).replace("2025", CANARY))):
                answer = client.post(path, json=marked, headers=headers | {"user-agent": CANARY})
                assert CANARY not in answer.text
        scored = [line for line in deployment.lines() if line["door"] == "/score" and line["status"] == 200]
        assert [(line["client"], line["practice"], line["outcome"], line["risks"]) for line in scored] == [
            ("software-a", "north", "answered", 1)
        ]
        assert scored[0]["model"], "what answered is known, through BentoML"
        refused = [line["refusal"] for line in deployment.lines() if line["door"] == "/score" and line["client"]]
        assert refused == [None, "invalid", "invalid", "invalid"]
        client.get(f"/{CANARY}", headers=headers)

        log = server.log.read_text()
        token = headers["authorization"].split()[1]
        kept = b"".join(path.read_bytes() for path in deployment.folder.rglob("*") if path.is_file())
        for secret in (CANARY, token.split(".")[1], token.split(".")[2], assertion.split(".")[2]):
            assert secret not in log
            assert secret.encode() not in kept
        server.process.kill()  # not the worker: it must notice
        server.process.wait()
        assert ends(server.url)

    before = deployment.verified()
    assert before.faults == ()
    with live.serving(deployment.command, deployment.environment, deployment.folder / "log2") as again:
        with again.client() as client:
            assert client.post("/oauth/token", data=SOFTWARE.form(assertion)).status_code == 401, "it was used before"
            assert client.post("/score", json=SCORE, headers=headers).status_code == 200, "a token outlives a restart"
        (deployment.folder / "software.pem").write_bytes(clients.private_pem(SOFTWARE.key))
        example = REPOSITORY / "serving" / "examples" / "client_with_token.py"
        key = str(deployment.folder / "software.pem")
        run = [sys.executable, str(example), again.url, "software-a", key]
        ran = subprocess.run(run, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert re.search(r"^risk: \d+\.\d%$", ran.stdout, re.MULTILINE)
        assert "vigie-cardiovascular" in ran.stdout
        printed = subprocess.run(
            [sys.executable, str(example), "--jwks", key], capture_output=True, text=True, check=True
        )
        (jwk,) = json.loads(printed.stdout)["keys"]
        assert {name: jwk[name] for name in ("x", "y", "kid")} == {
            name: SOFTWARE.jwk[name] for name in ("x", "y", "kid")
        }
        stranger = deployment.folder / "stranger.pem"
        stranger.write_bytes(clients.private_pem(clients.elliptic("x").key))
        ran = subprocess.run([*run[:-1], str(stranger)], capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr) == (1, '401 {"error": "invalid_client"}\n')
        told_to_stop(deployment, again)
    after = deployment.verified()
    assert after.faults == ()
    assert after.lines > before.lines

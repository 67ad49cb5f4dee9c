"""The security checklist, SEC-01 to SEC-30: one test an item at least, in production mode, asked without a network.

What another file tests in full is asserted here once more, thinly, so that the list is whole.
"""

from __future__ import annotations

import ast
import asyncio
import base64
import copy
import hmac
import json
import logging
import re
import statistics
import tempfile
import time
import uuid
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from features.digests import canonical, digest
from serving import audit_trail, hardening
from serving.access import clients as register_of
from serving.access import limits as limits_of
from serving.access.proofs import SKEW
from serving.cds_hooks.discovery import templates
from serving.contract import MOST_RECORDS, MOST_REQUESTS, Abstention, AnswerBody, Models, now
from serving.desk import Desk
from serving.desks import Desks
from serving.doors import DOORS
from serving.fhir.reading import MOST_RESOURCES
from serving.gate import admit
from serving.hardening import HEADERS, LARGEST_BODY, door_of
from serving.openapi import EXAMPLES
from serving.openapi.examples import BATCH, FEEDBACK, call, parameters
from serving.openapi.specification import specification
from serving.refusals import FeaturesDiffer, ModelAltered, PickleFound, Suspended
from tests.conftest import REPOSITORY, at_most
from tests.serving import bundles, clients, nginx
from tests.serving.clients import ALL, HOME, TOKEN_ADDRESS, Software, elliptic
from tests.serving.conftest import NORTH, ORIGIN, SOUTH
from training.artefact import UnusableModel, load

EVALUATE = "/fhir/RiskAssessment/$evaluate"
SERVICE = "/cds-services/vigie-cardiovascular"
CANARY = "Zebulon7391"
SCORE = EXAMPLES["risk"]["value"]
#: What anybody may read or ask for in production: whether it lives, how tokens are had, and published model cards.
OPEN = {
    "/livez",
    "/readyz",
    "/oauth/token",
    "/.well-known/smart-configuration",
    "/fhir/.well-known/smart-configuration",
    "/.well-known/jwks.json",
    "/models/{study}/card",
    "/models/{study}/card.json",
    "/models/{study}/card.{language}.html",
}
UNDOCUMENTED = (
    "/",
    "/fr",
    "/page/page.js",
    "/page/patients.json",
    "/docs.json",
    "/schema.json",
    "/static_content/swagger-ui.css",
    "/metrics",
    "/nowhere",
    f"/{CANARY}",
)


def filled(path: str) -> str:
    return path.format(study="cardiovascular", id="vigie-cardiovascular", language="fr")


@pytest.fixture
def asking(current):
    """A request that is answered at each door that takes one, by its address."""
    return {
        "/score": SCORE,
        "/score/batch": BATCH,
        EVALUATE: parameters(),
        SERVICE: call(templates(current.concepts)),
        f"{SERVICE}/feedback": FEEDBACK,
    }


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """All that the service logs, and not what the client of these tests does."""
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore"):
        caplog.set_level(logging.CRITICAL, name)
    logging.getLogger("bentoml").propagate = True
    return caplog


def deployment(name: str) -> str:
    return (REPOSITORY / "deploy" / name).read_text()


# --- SEC-01 to SEC-04: who asks ---------------------------------------------------------------------------


def test_sec_01_without_a_token_nothing_is_said(production):
    closed = [filled(path) for path in specification()["paths"] if path not in OPEN]
    assert len(closed) >= 8
    for path in (*closed, *UNDOCUMENTED):
        for method in ("GET", "POST", "PUT", "OPTIONS", "HEAD"):
            for headers in ({}, {"authorization": "Bearer x.y.z"}, {"authorization": "Basic YTpi"}):
                answer = production.asked.request(method, f"{path}?x=1", content=b"{", headers=headers)
                assert (answer.status_code, answer.content) == (401, b"")
                assert answer.headers["www-authenticate"] == "Bearer"
    for path in OPEN - {"/oauth/token", "/livez", "/readyz"}:
        assert production.asked.get(filled(path)).status_code == 200
    assert door_of("/livez", DOORS).needs is None


def _unsigned(claims: dict[str, Any], header: dict[str, Any], secret: bytes | None = None) -> str:
    """A token that no library would make."""

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    told = f"{part(header)}.{part(claims)}"
    signature = b"" if secret is None else hmac.new(secret, told.encode(), sha256).digest()
    return f"{told}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


FORGED = {
    "alg none": lambda s, c: _unsigned(c, {"alg": "none", "kid": s.kid}),
    "HS256 with the public key": lambda s, c: _unsigned(
        c, {"alg": "HS256", "kid": s.kid}, json.dumps(s.jwk, separators=(",", ":")).encode()
    ),
    "another audience": lambda s, c: s.sign(c | {"aud": "https://other.example"}),
    "no audience": lambda s, c: s.sign({name: value for name, value in c.items() if name != "aud"}),
    "over": lambda s, c: s.sign(c | {"iat": int(time.time()) - 400, "exp": int(time.time()) - SKEW - 5}),
    "issued in the future": lambda s, c: s.sign(
        c | {"iat": int(time.time()) + SKEW + 30, "exp": int(time.time()) + SKEW + 90}
    ),
    "not yet valid": lambda s, c: s.sign(c | {"nbf": int(time.time()) + SKEW + 30}),
    "no jti": lambda s, c: s.sign({name: value for name, value in c.items() if name != "jti"}),
    "an empty jti": lambda s, c: s.sign(c | {"jti": ""}),
    "a huge jti": lambda s, c: s.sign(c | {"jti": "x" * 300}),
    "no exp": lambda s, c: s.sign({name: value for name, value in c.items() if name != "exp"}),
    "an unknown issuer": lambda s, c: s.sign(c | {"iss": "nobody", "sub": "nobody"}),
    "another client's name": lambda s, c: s.sign(c | {"iss": SOUTH.id, "sub": SOUTH.id}),
    "an issuer that is no text": lambda s, c: _unsigned(c | {"iss": ["x"]}, {"alg": "ES384", "kid": s.kid}, b"x"),
    "an unknown kid": lambda s, c: s.sign(c, kid="other"),
    "a jku that is not registered": lambda s, c: s.sign(c, jku="https://evil.example/jwks"),
    "an embedded key": lambda s, c: Software(s.id, elliptic("x").key, "key-1").sign(c, jwk=elliptic("x").jwk),
    "another key": lambda s, c: Software(s.id, elliptic("x").key).sign(c),
    "a changed claim": lambda s, c: ".".join(
        [s.sign(c).split(".")[0], s.sign(c | {"jti": "y"}).split(".")[1], s.sign(c).split(".")[2]]
    ),
    "nonsense": lambda s, c: "a.b.c",
    "a header without end": lambda s, c: base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=") + ".e30.AAAA",
    "claims without end": lambda s, c: (
        f"{s.sign(c).split('.')[0]}.{base64.urlsafe_b64encode(b'[' * 4998).decode()}.AAAA"
    ),
    "too long": lambda s, c: s.sign(c | {"filled": "x" * 9000}),
}


@pytest.mark.parametrize("kind", FORGED)
def test_sec_02_forged_tokens_are_refused_and_nothing_reaches_out(production, offline, kind, asking):
    forged = FORGED[kind](NORTH, NORTH.claims())
    answer = production.asked.post("/oauth/token", data=NORTH.form(forged))
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})
    hooked = FORGED[kind](NORTH, NORTH.claims(f"{HOME}{SERVICE}"))
    answer = production.asked.post(SERVICE, json=asking[SERVICE], headers={"authorization": f"Bearer {hooked}"})
    assert (answer.status_code, answer.content) == (401, b"")
    assert offline == []


def test_sec_02_what_was_used_is_refused(production, asking):
    form = NORTH.form()
    assert production.asked.post("/oauth/token", data=form).status_code == 200
    assert production.asked.post("/oauth/token", data=form).status_code == 401
    hooked = {"authorization": f"Bearer {NORTH.sign(NORTH.claims(f'{HOME}{SERVICE}'))}"}
    assert production.asked.post(SERVICE, json=asking[SERVICE], headers=hooked).status_code == 200
    assert production.asked.post(SERVICE, json=asking[SERVICE], headers=hooked).status_code == 401


def test_sec_02_a_token_is_good_for_what_it_was_made_for(production, asking):
    """Neither an assertion nor a CDS Hooks token opens another door, nor that door under another address."""
    assertion = {"authorization": f"Bearer {NORTH.sign(NORTH.claims())}"}
    hooked = {"authorization": f"Bearer {NORTH.sign(NORTH.claims(f'{HOME}/cds-services'))}"}
    for headers in (assertion, hooked):
        for path, body in asking.items():
            assert production.asked.post(path, json=body, headers=headers).status_code == 401
    assert production.asked.get("/cds-services", headers=hooked).status_code == 200
    claims = NORTH.claims(HOME, client_id=NORTH.id, scope=" ".join(ALL), practice="north")
    own = {"authorization": f"Bearer {NORTH.sign(claims, typ='at+jwt')}"}
    assert production.asked.post("/score", json=SCORE, headers=own).status_code == 401


def test_sec_02_what_is_half_ours_is_refused(production):
    """A header that says it is a token of this service, on anything."""
    for rest in ("e30.AAAA", "AAAA.AAAA", f"{base64.urlsafe_b64encode(b'[' * 4998).decode()}.AAAA", ".", ""):
        header = base64.urlsafe_b64encode(b'{"alg":"ES384","typ":"at+jwt"}').decode().rstrip("=")
        headers = {"authorization": f"Bearer {header}.{rest}"}
        assert production.asked.get("/models", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("iat", "exp", "status"),
    [
        (0, 299, 200),
        (0, 301, 401),
        (None, 299, 200),
        (None, 400, 401),
        (-290, 5, 200),
        (-200, 101, 401),
        (-250, -SKEW + 5, 200),  # our clock may be ahead of theirs
        (-250, -SKEW - 5, 401),
        (SKEW - 5, SKEW + 100, 200),  # or behind
        (SKEW + 10, SKEW + 100, 401),
        (0, 10**12, 401),
    ],
)
def test_sec_03_assertions_are_short_lived_and_clocks_differ_by_a_minute_at_most(production, iat, exp, status):
    moment = int(time.time())
    claims = NORTH.claims(iat=None if iat is None else moment + iat, exp=moment + exp)
    assert production.asked.post("/oauth/token", data=NORTH.form(NORTH.sign(claims))).status_code == status
    assert SKEW <= 60


def _certificate(name: str) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
    moment = now()
    return (
        made.not_valid_before(moment).not_valid_after(moment.replace(year=moment.year + 1)).sign(key, hashes.SHA256())
    )


def _presented(certificate: x509.Certificate) -> dict[str, str]:
    """The header as nginx sets it from ``$ssl_client_escaped_cert``."""
    return {"vigie-client-certificate": quote(certificate.public_bytes(Encoding.PEM).decode(), safe="")}


def test_sec_04_a_client_is_bound_to_its_certificate(open_production):
    own, other = _certificate("north"), _certificate("other")
    prints = [own.fingerprint(hashes.SHA256()).hex()]
    production = open_production((NORTH, {"certificates": prints}), (SOUTH, {"practices": ["south"]}))
    token = production.asked.post("/oauth/token", data=NORTH.form(), headers=_presented(own)).json()["access_token"]
    for wrong in ({}, _presented(other), {"vigie-client-certificate": "nonsense"}):
        assert production.asked.post("/oauth/token", data=NORTH.form(), headers=wrong).status_code == 401
        headers = {"authorization": f"Bearer {token}"} | wrong
        assert production.asked.post("/score", json=SCORE, headers=headers).status_code == 401
    headers = {"authorization": f"Bearer {token}"} | _presented(own)
    assert production.asked.post("/score", json=SCORE, headers=headers).status_code == 200
    # A client that may come with any certificate is bound to the one it got its token with.
    bound = production.asked.post("/oauth/token", data=SOUTH.form(), headers=_presented(other)).json()["access_token"]
    for certificate, status in ((other, 200), (own, 401)):
        headers = {"authorization": f"Bearer {bound}"} | _presented(certificate)
        assert production.asked.post("/score", json=SCORE, headers=headers).status_code == status


def test_sec_04_the_proxy_lets_no_stranger_through():
    http = nginx.parse(deployment("nginx.conf")).all("http")[0]
    (server,) = (each for each in http.all("server") if "443 ssl" in each.value("listen"))
    assert server.value("ssl_verify_client") in ("on", "optional")
    assert server.value("ssl_client_certificate")
    assert server.value("ssl_crl")
    (verdict,) = (each for each in http.all("map") if each.arguments == ("$ssl_client_verify", "$is_stranger"))
    assert {each.name: each.arguments for each in verdict.inside or ()} == {"SUCCESS": ("0",), "default": ("1",)}
    for location in server.all("location"):
        if location.all("proxy_pass") and location.arguments[-1] != "^/models/[a-z0-9_-]+/card":
            (gate,) = location.all("if")
            assert (gate.arguments, gate.value("return")) == (("($is_stranger)",), "403")
    set_by_proxy = {each.arguments[0]: each.arguments[1] for each in server.all("proxy_set_header")}
    assert set_by_proxy["Vigie-Client-Certificate"] == "$ssl_client_escaped_cert"
    assert not any(location.all("proxy_set_header") for location in server.all("location")), "it would undo the others"


# --- SEC-05 to SEC-07: what they may ask, and see ---------------------------------------------------------


def test_sec_05_a_practice_asks_for_itself_only(production, asking):
    north = production.bearer(NORTH)
    for path, body in asking.items():
        for practice, status in (("north", 200), ("south", 403), (CANARY, 403)):
            answer = production.asked.post(path, json=body, headers=north | {"vigie-practice": practice})
            assert answer.status_code == status, (path, practice)
            assert CANARY not in answer.text
    for practice in ("south", CANARY):
        assert production.asked.post("/oauth/token", data=NORTH.form(practice=practice)).status_code == 400
        hooked = NORTH.sign(NORTH.claims(f"{HOME}{SERVICE}", tenant=practice))
        headers = {"authorization": f"Bearer {hooked}"}
        assert production.asked.post(SERVICE, json=asking[SERVICE], headers=headers).status_code == 403


def test_sec_05_what_one_practice_tells_changes_nothing_of_another(production):
    entry = copy.deepcopy(FEEDBACK)
    assert production.asked.post(f"{SERVICE}/feedback", json=entry, headers=production.bearer(NORTH)).status_code == 200
    entry["feedback"][0] |= {"outcome": "accepted"}
    assert production.asked.post(f"{SERVICE}/feedback", json=entry, headers=production.bearer(SOUTH)).status_code == 200
    from serving.cds_hooks import kept

    assert {(each["practice"], each["outcome"]) for each in kept(production.data)} == {
        ("north", "overridden"),
        ("south", "accepted"),
    }


def test_sec_05_nothing_of_a_patient_can_be_read_back_and_ids_cannot_be_guessed(production, asking):
    read = {path for path, operations in specification()["paths"].items() if "get" in operations}
    assert read == OPEN - {"/oauth/token"} | {
        "/models",
        "/metrics",
        "/fhir/metadata",
        "/fhir/OperationDefinition/vigie-evaluate",
        "/cds-services",
    }
    headers = production.bearer()
    cards = set()
    for _ in range(3):
        asked = asking[SERVICE] | {"hookInstance": str(uuid.uuid4())}
        cards.add(production.asked.post(SERVICE, json=asked, headers=headers).json()["cards"][0]["uuid"])
    assert len(cards) == 3


def test_sec_05_a_client_of_several_practices_says_which(open_production, asking):
    production = open_production((NORTH, {"practices": ["one", "two"]}))
    answer = production.asked.post("/oauth/token", data=NORTH.form())
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    headers = production.bearer(NORTH, practice="two")
    assert production.asked.post("/score", json=SCORE, headers=headers).status_code == 200
    assert production.trail[-1]["practice"] == "two"
    for more, tenant, status in (({}, None, 403), ({"vigie-practice": "one"}, None, 200), ({}, "two", 200)):
        hooked = NORTH.sign(NORTH.claims(f"{HOME}{SERVICE}", tenant=tenant))
        headers = {"authorization": f"Bearer {hooked}"} | more
        assert production.asked.post(SERVICE, json=asking[SERVICE], headers=headers).status_code == status


NEEDS = {
    ("POST", "/score"): {"score:cardiovascular"},
    ("POST", "/score/batch"): {"score:cardiovascular"},
    ("POST", "/score/cardiovascular"): {"score:cardiovascular"},
    ("POST", "/score/breast"): {"score:breast"},
    ("POST", "/score/cardiovascular/batch"): {"score:cardiovascular"},
    ("POST", EVALUATE): {"fhir", "score:cardiovascular"},
    ("GET", "/fhir/metadata"): {"fhir"},
    ("GET", "/cds-services"): {"cds-hooks"},
    ("POST", SERVICE): {"cds-hooks", "score:cardiovascular"},
    ("POST", f"{SERVICE}/feedback"): {"feedback"},
    ("GET", "/docs.json"): {"documentation"},
    ("GET", "/nowhere"): {"documentation"},
    ("GET", "/metrics"): {"metrics"},
    ("GET", "/models"): set(),
}


@pytest.mark.parametrize("operation", NEEDS)
def test_sec_06_each_scope_opens_its_doors_and_no_other(open_production, operation):
    method, path = operation
    production = open_production((NORTH, {"scopes": [*ALL, "score:breast"]}))
    everything = {*ALL, "score:breast"}
    without = [everything - {needed} for needed in NEEDS[operation]]
    for scopes in ({"score:breast"}, NEEDS[operation] or {"metrics"}, everything, *without):
        headers = production.bearer(scope=" ".join(scopes))
        answer = production.asked.request(method, path, json={} if method == "POST" else None, headers=headers)
        assert (answer.status_code == 403) == (not NEEDS[operation] <= scopes), (scopes, answer.text)
        assert answer.status_code != 401


def test_sec_06_a_client_gets_no_scope_it_was_not_given(open_production):
    production = open_production((NORTH, {"scopes": ["fhir"]}))
    answer = production.asked.post("/oauth/token", data=NORTH.form(scope="fhir metrics"))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    assert production.asked.post("/oauth/token", data=NORTH.form()).json()["scope"] == "fhir"


def test_sec_06_what_is_taken_from_a_client_is_taken_from_its_tokens(open_production, monkeypatch):
    monkeypatch.setattr(register_of, "LOOK_EVERY", 0.0)
    production = open_production((NORTH, {}), (SOUTH, {"practices": ["south"]}))
    headers = production.bearer()
    assert production.asked.post("/score", json=SCORE, headers=headers).status_code == 200
    clients.register(production.folder / "clients", (NORTH, {"scopes": ["fhir"]}), (SOUTH, {}))
    assert production.asked.post("/score", json=SCORE, headers=headers).status_code == 403
    clients.register(production.folder / "clients", (SOUTH, {}))
    assert production.asked.post("/score", json=SCORE, headers=headers).status_code == 401


def test_sec_07_answers_have_declared_fields_and_requests_no_others(production):
    headers = production.bearer()
    answer = production.asked.post("/score", json=SCORE, headers=headers)
    AnswerBody.model_validate_json(answer.content)  # closed at every level
    Models.model_validate_json(production.asked.get("/models", headers=headers).content)
    for wrong in (SCORE | {"x": 1}, {**SCORE, "records": [{**SCORE["records"][0], "x": 1}]}):
        refused = production.asked.post("/score", json=wrong, headers=headers)
        assert (refused.status_code, refused.json()["faults"][0]["code"]) == (422, "extra_forbidden")
    form = NORTH.form(is_admin="1")
    assert "is_admin" not in production.asked.post("/oauth/token", data=form).text


# --- SEC-08 to SEC-11: how much, and where it reaches -----------------------------------------------------

LIMITS = {
    "/oauth/token": 32 * 1024,
    "/score": 256 * 1024,
    "/score/batch": 4 * 1024 * 1024,
    "/score/{study}": 256 * 1024,
    "/score/{study}/batch": 4 * 1024 * 1024,
    EVALUATE: 4 * 1024 * 1024,  # a long file of one patient, in FHIR
    "/cds-services/{id}": 4 * 1024 * 1024,
    "/cds-services/{id}/feedback": 256 * 1024,
}


def test_sec_08_each_door_declares_its_limit_and_keeps_it(production):
    declared = {door.name: door.largest for door in DOORS if door.judge is not None}
    assert declared == LIMITS
    assert LARGEST_BODY == 256 * 1024
    headers = production.bearer()
    for name, largest in LIMITS.items():
        path, kind = filled(name), door_of(filled(name), DOORS).media[0]
        sent = headers | {"content-type": kind}
        assert production.asked.post(path, content=b" " * (largest + 1), headers=sent).status_code == 413
    size = nginx.parse(deployment("nginx.conf")).all("http")[0].value("client_max_body_size")
    assert size == f"{max(LIMITS.values()) >> 20}m"


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"[" * 100_000, {}, 400),
        (b'{"records": ' * 50_000, {}, 413),
        (b'{"records":[{"value":NaN}]}', {}, 400),
        (b'{"records":[{"value":1e999}]}', {}, 422),
        (b'{"records":[{"value":' + b"9" * 5000 + b"}]}", {}, 400),
        (b'{"as_of":null,"as_of":null}', {}, 400),
        (b"\xff\xfe{}", {}, 400),
        (json.dumps({"records": [SCORE["records"][0]] * (MOST_RECORDS + 1)}).encode(), {}, 422),
        (json.dumps({"records": [SCORE["records"][0] | {"code": "x" * 65}]}).encode(), {}, 422),
        (b"x", {"content-encoding": "gzip"}, 415),
        (b"x", {"content-encoding": "br"}, 415),
        (b"\x80\x04", {"content-type": "application/vnd.bentoml+pickle"}, 415),
        (b"\x80\x04", {"content-type": "application/octet-stream"}, 415),
    ],
)
def test_sec_08_bodies_that_are_not_what_they_should_be(production, content, headers, status):
    sent = {"content-type": "application/json"} | production.bearer() | headers
    answer = production.asked.post("/score", content=content, headers=sent)
    assert answer.status_code in (status, 422 if status == 400 and b"999" in content else status)
    assert MOST_REQUESTS == 100
    assert MOST_RESOURCES == 5_000


def test_sec_09_who_asks_too_much_waits(open_production):
    production = open_production((NORTH, {"per_minute": 5}), (SOUTH, {"practices": ["south"]}))
    north, south = production.bearer(NORTH), production.bearer(SOUTH)  # a token counts too
    statuses = [production.asked.post("/score", json=SCORE, headers=north).status_code for _ in range(6)]
    assert statuses == [200] * 4 + [429] * 2
    answer = production.asked.get("/models", headers=north)
    assert 1 <= int(answer.headers["retry-after"]) <= 12
    assert answer.json()["code"] == "too_many"
    assert production.asked.post("/oauth/token", data=NORTH.form()).status_code == 429
    assert production.asked.post("/score", json=SCORE, headers=south).status_code == 200


def test_sec_09_what_is_too_much_at_once_is_refused_and_the_rest_answered(open_production, monkeypatch):
    monkeypatch.setattr(limits_of, "MOST_AT_ONCE", 8)
    production = open_production((NORTH, {"at_once": 3}))
    production.asked.inner.state.guard.limits = limits_of.Limits(8)
    headers = production.bearer()

    def together(n: int) -> list[Any]:
        import httpx

        async def ask() -> list[Any]:
            transport = httpx.ASGITransport(production.asked.wall)
            async with httpx.AsyncClient(transport=transport, base_url=HOME) as client:
                return await asyncio.gather(
                    *(client.post("/score/batch", json=BATCH, headers=headers) for _ in range(n))
                )

        return asyncio.run(ask())

    answers = together(20)
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(200) >= 3
    assert set(statuses) <= {200, 429, 503}
    assert 429 in statuses
    for answer in answers:
        if answer.status_code == 200:
            assert len(answer.json()["answers"]) == len(BATCH["requests"])
        else:
            assert int(answer.headers["retry-after"]) >= 1
    assert [answer.status_code for answer in together(3)] == [200] * 3, "what ended counts no longer"


def test_sec_09_a_body_that_dawdles_is_cut(production, monkeypatch):
    monkeypatch.setattr(hardening, "BODY_WITHIN", 0.05)
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.sleep(1)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    headers += [(name.encode(), value.encode()) for name, value in production.bearer().items()]
    scope = {"type": "http", "method": "POST", "path": "/score", "query_string": b"", "headers": headers}
    asyncio.run(production.asked.wall(scope, receive, send))
    assert sent[0]["status"] == 408


def test_sec_09_an_answer_that_takes_too_long_is_given_up_and_recorded(production, monkeypatch):
    headers = production.bearer()
    desks = production.asked.inner.state.desks

    class Slow:
        def __getattr__(self, name: str) -> Any:
            time.sleep(0.3)
            return getattr(desks, name)

    monkeypatch.setattr(hardening, "ANSWER_WITHIN", 0.05)
    production.asked.inner.state.desks = Slow()
    answer = production.asked.post("/score/batch", json=BATCH, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert int(answer.headers["retry-after"]) > 0
    assert production.trail[-1]["refusal"] == "overloaded"


def test_sec_09_the_proxy_waits_for_nobody():
    http = nginx.parse(deployment("nginx.conf")).all("http")[0]
    for name in ("client_header_timeout", "client_body_timeout"):
        assert int(http.value(name).removesuffix("s")) <= 10
    (server,) = (each for each in http.all("server") if "443 ssl" in each.value("listen"))
    assert server.value("limit_req").startswith("zone=asked")
    assert server.value("limit_conn").startswith("open")


def test_sec_10_drawing_out_a_model_meets_a_quota_and_shows(open_production):
    production = open_production((NORTH, {"per_day": 4}))
    headers = production.bearer()
    answers = []
    for value in range(5):
        varied = copy.deepcopy(SCORE)
        varied["records"][5]["value"] = 130 + value
        answers.append(production.asked.post("/score", json=varied, headers=headers))
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 3600
    for answer in answers[:3]:
        risk = answer.json()["risk"]
        assert risk == round(risk, 6)
    told = [(line["client"], line["refusal"]) for line in production.trail if line["status"] == 429]
    assert told == [(NORTH.id, "too_many")] * 2


def test_sec_11_no_address_in_a_request_is_asked(production, offline, asking):
    hooked = asking[SERVICE] | {
        "fhirServer": "http://169.254.169.254/latest",
        "fhirAuthorization": {"access_token": CANARY, "token_type": "Bearer"},
    }
    assert production.asked.post(SERVICE, json=hooked, headers=production.bearer()).status_code == 200
    file = parameters()
    file["parameter"][0]["resource"]["entry"].append({"fullUrl": "http://10.0.0.1/x", "link": "http://10.0.0.1"})
    assert production.asked.post(EVALUATE, json=file, headers=production.bearer()).status_code == 200
    assert offline == []


# --- SEC-12 to SEC-14: configuration, inventory, others' data ---------------------------------------------


def test_sec_12_in_production_documentation_is_closed_and_every_answer_hardened(open_production):
    production = open_production((NORTH, {"scopes": ["fhir"]}), (SOUTH, {}))
    pages = ("/", "/en", "/page/page.js", "/page/patients.json", "/static_content/swagger-ui.css")
    for path in (*pages, "/docs.json", "/schema.json", "/metrics"):
        assert production.asked.get(path).status_code == 401
        assert production.asked.get(path, headers=production.bearer(NORTH)).status_code == 403
    page = production.asked.get("/", headers=production.bearer(SOUTH))
    assert page.status_code == 200
    assert "DÉVELOPPEMENT" not in page.text
    for answer in (page, production.asked.get("/nowhere"), production.asked.post("/oauth/token", data={})):
        for name, value in HEADERS:
            assert answer.headers[name.decode()] == value.decode()
        assert "vigie-mode" not in answer.headers


def test_sec_12_only_sites_that_are_named_are_let_in_by_browsers(production):
    asked = {"access-control-request-method": "POST"}
    permitted = production.asked.options(SERVICE, headers=asked | {"origin": ORIGIN})
    assert (permitted.status_code, permitted.headers["access-control-allow-origin"]) == (204, ORIGIN)
    for origin in ("https://evil.example", "null", f"{ORIGIN}.evil.example"):
        refused = production.asked.options(SERVICE, headers=asked | {"origin": origin})
        assert "access-control-allow-origin" not in refused.headers
    assert production.asked.options("/score", headers=asked | {"origin": ORIGIN}).status_code == 401


def test_sec_12_the_proxy_speaks_tls_as_it_is_today():
    http = nginx.parse(deployment("nginx.conf")).all("http")[0]
    plain, server = http.all("server")
    assert plain.value("return").startswith("308 https://")
    assert set(server.value("ssl_protocols").split()) == {"TLSv1.2", "TLSv1.3"}
    assert server.value("ssl_early_data") == "off"
    assert "Strict-Transport-Security" in server.value("add_header")
    assert http.value("server_tokens") == "off"
    assert http.value("proxy_max_temp_file_size") == "0"
    (form,) = (each for each in http.all("log_format"))
    assert not re.search(
        r"\$(request|request_uri|uri|args|http_\w+|request_body|query_string)\b", " ".join(form.arguments)
    )
    (closed,) = (each for each in server.all("location") if "metrics" in each.arguments[-1])
    assert closed.value("return") == "404"


def test_sec_12_development_says_loudly_what_it_is(asked):
    for path in ("/", "/models", "/nowhere"):
        assert asked.get(path).headers["vigie-mode"] == "development"
    page = asked.get("/").text
    assert "MODE DÉVELOPPEMENT" in page
    assert "DEVELOPMENT MODE" in page
    assert asked.get("/.well-known/smart-configuration").status_code == 404
    assert asked.post("/oauth/token", data=NORTH.form()).status_code == 404


def test_sec_13_every_route_is_described_and_every_answer_names_its_versions(production, asking):
    pages = {"/", "/fr", "/en", "/page/{file}", "/page/patients.json"}
    described = set(specification()["paths"]) | pages | {"/docs.json", "/favicon.ico", "/fhir/{rest:path}"}
    assert {route.path for route in production.asked.inner.routes} <= described
    for path, operations in specification()["paths"].items():
        for told in operations.values():
            assert (told["security"] == []) == (path in OPEN)
            assert path in OPEN or {"401", "403", "429", "503"} <= told["responses"].keys()
    answer = production.asked.post("/score", json=SCORE, headers=production.bearer()).json()
    assert answer["model"]["digest"]
    assert answer["card"]["version"]
    assert answer["decision"]


def test_sec_14_what_another_server_sent_is_believed_no_more_than_the_rest(production, asking):
    headers = production.bearer()
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
    for wrong in (outcome, CANARY, {"resourceType": "Bundle", "link": [{"relation": "next"}]}):
        sent = copy.deepcopy(asking[SERVICE])
        sent["prefetch"]["observations"] = wrong
        answer = production.asked.post(SERVICE, json=sent, headers=headers)
        assert answer.status_code == 412
        assert CANARY not in answer.text


# --- SEC-15 to SEC-18: what is kept, and what never -------------------------------------------------------


def marked(value: Any, marker: str) -> Any:
    """The same with a marker in every text; what is believed of it is up to the service."""
    if isinstance(value, dict):
        return {name: marked(each, marker) for name, each in value.items()}
    if isinstance(value, list):
        return [marked(each, marker) for each in value]
    return f"{value}{marker}" if isinstance(value, str) else value


def sown(value: Any, marker: str) -> Any:
    """The same with fields and texts that say a marker beside all that it had."""
    if isinstance(value, dict):
        return {name: sown(each, marker) for name, each in value.items()} | {marker: marker, "display": marker}
    return [sown(each, marker) for each in value] if isinstance(value, list) else value


def test_sec_15_nothing_of_a_request_is_kept_or_told(production, asking, log, capfd):
    """The PHI canary: markers through every door, valid and not, in bodies, addresses and headers."""
    before = set(Path(tempfile.gettempdir()).iterdir())
    carried = {"vigie-practice": "north", "user-agent": CANARY, "cookie": CANARY, "x-patient": CANARY}
    headers = production.bearer() | carried
    answers = []
    for path, body in asking.items():
        broken = json.dumps(body).replace('"', f'"{CANARY}', 1)
        for sent in (sown(body, CANARY), marked(body, CANARY), [CANARY], {CANARY: CANARY}):
            answers.append(production.asked.post(path, json=sent, headers=headers))
        answers += [
            production.asked.post(path, content=broken, headers=headers | {"content-type": "application/json"}),
            production.asked.post(path, content=CANARY, headers=headers | {"content-type": CANARY}),
            production.asked.post(f"{path}?{CANARY}={CANARY}", json=body, headers=headers),
            production.asked.post(path, json=body, headers=headers | {"vigie-practice": CANARY}),
            production.asked.post(f"{path}/{CANARY}", json=body, headers=headers),
            production.asked.post(path, json=body, headers={"authorization": f"Bearer {CANARY}"}),
        ]
    believed = copy.deepcopy(SCORE)
    believed["records"][3]["unit"] = CANARY  # a measurement that is left out with a warning
    hooked = asking[SERVICE] | {"prefetch": sown(asking[SERVICE]["prefetch"], CANARY), CANARY: CANARY}
    file = sown(parameters()["parameter"][0]["resource"], CANARY)
    for path, body in (("/score", believed), (EVALUATE, file), (SERVICE, hooked)):
        answers.append(production.asked.post(path, json=body, headers=headers))
        assert answers[-1].status_code == 200, answers[-1].text
    for path in (f"/{CANARY}", f"/models/{CANARY}/card", f"/fhir/{CANARY}", f"/cds-services/{CANARY}"):
        answers += [production.asked.get(path, headers=headers), production.asked.post(path, json={}, headers=headers)]
    for changes in (
        {"grant_type": CANARY},
        {"practice": CANARY},
        {"scope": CANARY},
        {CANARY: CANARY},
        {"client_id": CANARY},
    ):
        answers.append(production.asked.post("/oauth/token", data=NORTH.form() | changes))
    answers.append(production.asked.post("/oauth/token", data=NORTH.form(NORTH.sign(NORTH.claims(jti=CANARY)))))

    class Failing:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(CANARY)

    production.asked.inner.state.desks = Failing()
    answers += [production.asked.post(path, json=body, headers=headers) for path, body in asking.items()]
    assert {answer.status_code for answer in answers} >= {200, 400, 401, 403, 404, 405, 415, 422, 500}
    for answer in answers:
        assert CANARY not in answer.text
        assert CANARY not in str(answer.headers)
    written = capfd.readouterr()
    for told in (log.text, written.out, written.err):
        assert CANARY not in told
    kept = [path for path in production.folder.rglob("*") if path.is_file()]
    left = set(Path(tempfile.gettempdir()).iterdir()) - before
    assert {path.name for path in kept} >= {"replay.sqlite", "cds-hooks-feedback.jsonl"}
    assert [path.name for path in [*kept, *left] if path.is_file() and CANARY.encode() in path.read_bytes()] == []
    assert len(production.trail) > 50
    assert audit_trail.verify(production.data / "audit", (production.folder / "audit.key").read_bytes()).faults == ()


def test_sec_16_no_token_is_kept_or_told(production, asking, log, capfd):
    assertion = NORTH.sign(NORTH.claims())
    answer = production.asked.post("/oauth/token", data=NORTH.form(assertion))
    access = answer.json()["access_token"]
    hooked = NORTH.sign(NORTH.claims(f"{HOME}{SERVICE}"))
    sent = asking[SERVICE] | {"fhirServer": "https://x.example", "fhirAuthorization": {"access_token": CANARY}}
    for token in (access, hooked, access + "x", assertion):
        headers = {"authorization": f"Bearer {token}"}
        production.asked.post("/score", json=SCORE, headers=headers)
        production.asked.post(SERVICE, json=sent, headers=headers)
    written = capfd.readouterr()
    files = b"".join(path.read_bytes() for path in production.data.rglob("*") if path.is_file())
    told = log.text + written.out + written.err + files.decode("latin-1")
    for token in (access, hooked, assertion):
        for part in token.split("."):
            assert part not in told
    assert CANARY not in told


def test_sec_17_every_call_leaves_a_line_that_says_who_asked_which_model(production, asking, current):
    headers = production.bearer()
    already = len(production.trail)
    for path, body in asking.items():
        production.asked.post(path, json=body, headers=headers)
    production.asked.post("/score", json=EXAMPLES["abstention"]["value"], headers=headers)
    production.asked.post("/score", json={}, headers=headers)
    production.asked.get("/models", headers=headers)
    production.asked.post("/score", json=SCORE)
    production.asked.get("/livez")
    lines = production.trail[already:]
    assert len(lines) == len(asking) + 4
    told = "index previous at seal door client practice user status outcome refusal study model card decision"
    told += " risks abstentions request milliseconds"
    assert all(set(line) == set(told.split()) for line in lines)
    score, batch, evaluate, hook, feedback, abstained, refused, read, unknown = lines
    assert (score["outcome"], score["risks"], score["client"], score["practice"]) == ("answered", 1, NORTH.id, "north")
    assert (score["model"], score["card"]) == (current.model_digest, current.card_digest)
    assert (score["decision"], score["study"]) == (current.decision_digest, "cardiovascular")
    assert (batch["risks"], batch["abstentions"]) == (1, 1)
    assert (evaluate["door"], evaluate["model"]) == (EVALUATE, current.model_digest)
    assert (abstained["outcome"], abstained["abstentions"]) == ("abstained", 1)
    assert (refused["outcome"], refused["refusal"], refused["status"]) == ("refused", "invalid", 422)
    assert (read["outcome"], read["request"]) == ("done", None)
    assert (unknown["client"], unknown["refusal"]) == (None, "unauthorized")
    assert (feedback["outcome"], feedback["user"]) == ("done", None)
    key = (production.folder / "audit.key").read_bytes()
    assert hook["user"] == hmac.new(key, b"user\0Practitioner/example", sha256).hexdigest()
    assert score["request"] not in (None, digest(SCORE))
    assert audit_trail.verify(production.data / "audit", key).faults == ()


def test_sec_17_what_cannot_be_recorded_is_not_answered(production, monkeypatch, log):
    headers = production.bearer()

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(production.asked.inner.state.guard.trail, "append", full)
    answer = production.asked.post("/score", json=SCORE, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "not_recorded")
    assert "risk" not in answer.json()
    assert int(answer.headers["retry-after"]) > 0
    monkeypatch.undo()
    assert production.asked.post("/score", json=SCORE, headers=headers).status_code == 200


def test_sec_17_strangers_do_not_fill_the_trail(production):
    for _ in range(200):
        assert production.asked.get("/models").status_code == 401
    lines = production.trail
    assert 60 <= len(lines) < 80
    guard = production.asked.inner.state.guard
    guard._ration._left = 5.0
    production.asked.get("/models")
    assert production.trail[-1]["left_out"] == 200 - len(lines)


def test_sec_18_no_address_carries_anything(production):
    headers = production.bearer()
    for path in ("/models", "/fhir/metadata", "/cds-services"):
        assert production.asked.get(f"{path}?patient=1", headers=headers).status_code == 400
        assert production.asked.get(path, headers=headers).headers["referrer-policy"] == "no-referrer"
    for path in specification()["paths"]:
        assert set(re.findall(r"{(\w+)}", path)) <= {"study", "id", "language"}


# --- SEC-19 to SEC-25: what is run ------------------------------------------------------------------------


def test_sec_19_a_model_is_verified_before_it_is_read_and_nothing_unpickles(bundle, trusted):
    (bundle / "model" / "model.json").write_bytes((bundle / "model" / "model.json").read_bytes() + b" ")
    with pytest.raises(ModelAltered):
        admit(bundle, trusted, bundles.NOW)
    (bundle / "model" / "event.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(PickleFound):
        admit(bundle, trusted, bundles.NOW)
    loaders = {"pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"}
    for path in (REPOSITORY / "serving").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not loaders & {name.split(".")[0] for name in names}, path


def test_sec_20_a_model_that_answers_otherwise_than_it_did_is_not_loaded(models, tmp_path):
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(models("linear"), folder)
    text = (folder / "golden.json").read_text()
    load(folder)
    number = re.search(r"0\.\d{4,}", text)
    assert number is not None
    (folder / "golden.json").write_text(text.replace(number[0], "0.5", 1))
    with pytest.raises(UnusableModel):
        load(folder)


def test_sec_21_features_that_differ_from_the_card_are_refused(tmp_path, models, committee, trusted):
    import shutil

    made = tmp_path / "bundle"
    shutil.copytree(models("linear"), made / "model")
    bundles.assemble(made, made / "model", feature_set_fingerprint="0" * 64)
    bundles.decide(made, committee)
    with pytest.raises(FeaturesDiffer):
        admit(made, trusted, bundles.NOW)


def _pinned() -> dict[str, str]:
    text = (REPOSITORY / "requirements.lock").read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            name, version = re.match(r"([A-Za-z0-9._-]+)==(\S+)", line).groups()  # type: ignore[union-attr]
            assert "--hash=sha256:" in line, name
            found[name.lower()] = version
    return found


def test_sec_22_what_is_installed_is_pinned_with_hashes_and_new_enough():
    pinned = _pinned()

    def at_least(name: str, *least: int) -> bool:
        return tuple(int(part) for part in pinned[name].split(".")[: len(least)]) >= least

    assert at_least("bentoml", 1, 4, 8)
    assert at_least("skops", 0, 13)
    assert at_least("mlflow", 3)
    assert at_least("cryptography", 42)


def test_sec_22_the_bill_of_materials_lists_what_is_pinned(tmp_path):
    import runpy

    document = runpy.run_path(str(REPOSITORY / "deploy" / "sbom.py"))["document"]
    told = document(REPOSITORY / "requirements.lock")
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    listed = {each["name"]: each for each in told["components"]}
    assert {name: each["version"] for name, each in listed.items()} == _pinned()
    assert listed["bentoml"]["purl"] == f"pkg:pypi/bentoml@{_pinned()['bentoml']}"
    assert all(re.fullmatch("[0-9a-f]{64}", each["content"]) for each in listed["bentoml"]["hashes"])
    assert told == document(REPOSITORY / "requirements.lock"), "the same bytes every time"


SECRET = re.compile(
    rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s*\n?[A-Za-z0-9+/=]{20}|AKIA[0-9A-Z]{16}|gh[pousr]_\w{30}"
    rb"|eyJ[A-Za-z0-9_-]{20,}\.eyJ"
)


def test_sec_23_no_secret_is_in_the_repository():
    looked = 0
    for top in ("features", "training", "serving", "tests", "deploy", "docs", "notebooks", "benchmarks"):
        for path in (REPOSITORY / top).rglob("*"):
            if path.is_file() and path.suffix not in (".pyc", ".png"):
                looked += 1
                assert not SECRET.search(path.read_bytes()), path
    assert looked > 100


def test_sec_23_keys_are_changed_without_a_break(open_production, monkeypatch):
    """A client adds its new key, uses it, and takes the old one away; the service's own is changed by a restart."""
    monkeypatch.setattr(register_of, "LOOK_EVERY", 0.0)
    production = open_production((NORTH, {}))
    new = Software(NORTH.id, elliptic("new").key, "key-2")
    file = production.folder / "clients" / f"{NORTH.id}.json"
    file.write_text(json.dumps({"keys": [NORTH.jwk, new.jwk]}))
    for software in (NORTH, new):
        assert production.asked.post("/oauth/token", data=software.form()).status_code == 200
    file.write_text(json.dumps({"keys": [new.jwk]}))
    assert production.asked.post("/oauth/token", data=NORTH.form()).status_code == 401
    headers = production.bearer(new)
    (first,) = production.asked.get("/.well-known/jwks.json").json()["keys"]
    again = open_production((new, {}))  # makes a new key for tokens
    assert again.asked.post("/score", json=SCORE, headers=headers).status_code == 401
    (second,) = again.asked.get("/.well-known/jwks.json").json()["keys"]
    assert first["kid"] != second["kid"]
    assert "d" not in second


def test_sec_24_the_container_is_without_root_writes_nothing_and_reaches_nobody():
    lines = [line.split(maxsplit=1) for line in _instructions(deployment("Containerfile"))]
    last = max(number for number, (name, _) in enumerate(lines) if name == "FROM")
    final = dict(lines[last + 1 :])
    assert final["USER"] == "10001:10001"
    assert json.loads(final["ENTRYPOINT"]) == ["python", "-m", "serving"], "no shell between"
    assert json.loads(final["CMD"])[0] == "serve"
    assert final["STOPSIGNAL"] == "SIGTERM"
    assert "BENTOML_DO_NOT_TRACK=true" in final["ENV"]
    assert not any(name == "ADD" for name, _ in lines)
    copied = " ".join(what for name, what in lines if name == "COPY")
    assert not re.search(r"(^|\s)\.(\s|$)|tests|\.pem|bundle", copied)
    assert any("--require-hashes" in what for name, what in lines if name == "RUN")
    compose = yaml.safe_load(deployment("compose.yaml"))
    service = compose["services"]["vigie"]
    assert service["init"] is True
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == "10001:10001"
    assert "ports" not in service
    assert service["networks"] == ["inside"]
    assert compose["networks"]["inside"]["internal"] is True
    assert all(volume.endswith(":ro") or volume.startswith("data:") for volume in service["volumes"])
    assert not any("KEY" in name and "/run/secrets" not in str(value) for name, value in service["environment"].items()
                   if name != "VIGIE_TRUSTED_KEYS")  # fmt: skip


def _instructions(text: str) -> list[str]:
    joined = re.sub(r"\\\n\s*", " ", text)
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def test_sec_25_nothing_tells_anybody_and_nothing_reaches_out(production, offline, asking):
    text = (REPOSITORY / "serving" / "service.py").read_text()
    assert text.index('os.environ.setdefault("BENTOML_DO_NOT_TRACK", "true")') < text.index("import bentoml")
    assert "BENTOML_DO_NOT_TRACK=true" in deployment("Containerfile")
    assert "\nmlflow" not in (REPOSITORY / "requirements-serve.lock").read_text(), "it would have to be told, too"
    headers = production.bearer()
    for path, body in asking.items():
        assert production.asked.post(path, json=body, headers=headers).status_code == 200
    assert offline == []


# --- SEC-26 to SEC-30: how it behaves ---------------------------------------------------------------------


def test_sec_26_logs_and_cards_take_no_text_of_a_request(production, asking, log):
    headers = production.bearer()
    for path in ("/%0d%0aforged", "/models/%1b[31m/card", "/cds-services/%0aforged"):
        production.asked.get(path, headers=headers)
    assert "forged" not in log.text
    assert "\x1b" not in log.text
    assert all(len(record.getMessage().splitlines()) == 1 for record in log.records)
    sent = copy.deepcopy(asking[SERVICE])
    sent["prefetch"]["patient"]["name"] = [{"text": "<script>alert(1)</script> [x](javascript:x)"}]
    (card,) = production.asked.post(SERVICE, json=sent, headers=headers).json()["cards"]
    assert "script" not in json.dumps(card)
    (file,) = (production.data / "audit").glob("*.jsonl")
    assert all(canonical(json.loads(line)).decode() == line for line in file.read_text().splitlines())


def test_sec_27_with_tokens_an_answer_comes_within_half_a_second(production):
    headers = production.bearer()
    took = []
    for _ in range(20):
        begun = time.perf_counter()
        assert production.asked.post("/score", json=SCORE, headers=headers).status_code == 200
        took.append(time.perf_counter() - begun)
    assert statistics.quantiles(took, n=20)[-1] < 0.5
    assert production.asked.inner.state.guard.limits._most == 64


def test_sec_28_a_model_that_is_stopped_is_stopped_at_every_door(production, asking):
    headers = production.bearer()
    production.asked.inner.state.desks = Desks((Desk(None, Suspended("the committee suspended it")),))
    for path in ("/score/batch", EVALUATE):
        assert production.asked.post(path, json=asking[path], headers=headers).status_code == 503
    assert production.asked.post(SERVICE, json=asking[SERVICE], headers=headers).json() == {"cards": []}
    assert production.asked.get("/cds-services", headers=headers).json() == {"services": []}


def test_sec_29_whatever_is_asked_of_the_token_endpoint_fails_in_order(production):
    fields = st.sampled_from(["grant_type", "client_assertion_type", "client_assertion", "scope", "practice", "x"])
    texts = st.one_of(st.text(max_size=40), st.sampled_from([NORTH.form()["grant_type"], clients.ASSERTION, "a.b.c"]))

    @at_most(60)
    @given(st.dictionaries(fields, texts, max_size=6), st.binary(max_size=60))
    def fuzz(form, raw):
        kind = {"content-type": "application/x-www-form-urlencoded"}
        for answer in (
            production.asked.post("/oauth/token", data=form, headers=kind),
            production.asked.post("/oauth/token", content=raw, headers=kind),
        ):
            assert answer.status_code in (400, 401)
            assert answer.json()["error"] in ("invalid_request", "invalid_client", "unsupported_grant_type")

    fuzz()


def test_sec_29_whatever_stands_in_a_header_is_refused_in_order(production):
    @at_most(60)
    @given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60), st.binary(max_size=60))
    def fuzz(token, raw):
        for value in (f"Bearer {token}".encode(), raw.replace(b"\n", b"").replace(b"\r", b"").replace(b"\0", b"")):
            assert production.asked.get("/models", headers={b"authorization": value}).status_code == 401

    fuzz()


def test_sec_30_what_lies_outside_what_was_learned_is_said_and_not_guessed(production):
    headers = production.bearer()
    implausible = copy.deepcopy(SCORE)
    for record in implausible["records"]:
        if record["code"] == "8480-6":
            record["value"] = 900
    answer = production.asked.post("/score", json=implausible, headers=headers).json()
    assert "implausible" in [warning["code"] for warning in answer["warnings"]]
    Abstention.model_validate_json(json.dumps(answer))
    young = copy.deepcopy(SCORE)
    young["records"][0]["happened_at"] = "2001-06-14"
    assert production.asked.post("/score", json=young, headers=headers).json()["kind"] == "abstention"
    assert TOKEN_ADDRESS.startswith(HOME)

"""Who may ask: the register, what clients sign, tokens, limits, and that assertions count once."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from serving import settings
from serving.access import clients as register_of
from serving.access import open_guard
from serving.access.clients import ClientsUnusable, Register, read_clients
from serving.access.keys import KeysUnusable, TokenKey, public_keys
from serving.access.limits import Bucket, Limits
from serving.access.proofs import LONGEST, SKEW, NotProven, Proofs
from serving.access.replay import FILE, Used
from serving.access.tokens import LIFETIME, Tokens, is_ours
from serving.hardening import Stopped
from serving.settings import InvalidSetting
from tests.conftest import REPOSITORY
from tests.serving import clients
from tests.serving.clients import HOME, TOKEN_ADDRESS, Software, configured, elliptic, register

A = elliptic("software-a")
RSA = Software("software-b", rsa.generate_private_key(public_exponent=65537, key_size=2048))


# --- Settings ---------------------------------------------------------------------------------------------


def test_production_starts_with_everything_it_needs_and_says_all_that_it_lacks(tmp_path):
    with pytest.raises(InvalidSetting) as lacking:
        open_guard({})
    needed = (settings.CLIENTS, settings.TOKEN_KEY, settings.AUDIT_KEY, settings.DATA, settings.PUBLIC_ADDRESS)
    assert all(name in str(lacking.value) for name in needed)
    complete = configured(tmp_path, (A, {}))
    assert not open_guard(complete).is_development
    for name in needed:
        with pytest.raises(InvalidSetting, match=f"{name} is not set"):
            open_guard({key: value for key, value in complete.items() if key != name})


def test_a_data_folder_that_cannot_be_written_is_named_and_nothing_is_served(tmp_path):
    """Without a trail and without memory of assertions nothing may be answered."""
    complete = configured(tmp_path, (A, {}))
    (tmp_path / "data").write_text("a file where the folder should be")
    for environment in (complete, {settings.DEVELOPMENT: "1", settings.DATA: complete[settings.DATA]}):
        with pytest.raises(InvalidSetting, match=f"^{settings.DATA}: "):
            open_guard(environment)


def test_everything_that_is_wrong_is_said_at_once(tmp_path):
    wrong = configured(tmp_path, (A, {"scopes": ["everything"], "per_minute": 0}), home="vigie.example")
    (tmp_path / "token.pem").write_text("no key")
    (tmp_path / "audit.key").write_text("short")
    with pytest.raises(InvalidSetting) as told:
        open_guard(wrong)
    for part in ("scopes", "per_minute", "token.pem", "audit.key", settings.PUBLIC_ADDRESS):
        assert part in str(told.value)
    assert str(tmp_path) not in str(told.value)


def test_development_is_by_name_or_for_a_demonstration_without_clients(tmp_path):
    assert open_guard({settings.DEVELOPMENT: "1"}).is_development
    assert open_guard({settings.ALLOW_DEMONSTRATION: "1"}).is_development
    complete = configured(tmp_path, (A, {}))
    assert not open_guard(complete | {settings.ALLOW_DEMONSTRATION: "1"}).is_development
    with pytest.raises(InvalidSetting, match=settings.CLIENTS):
        open_guard(complete | {settings.DEVELOPMENT: "1"})
    with pytest.raises(InvalidSetting, match="is not set"):
        open_guard({settings.ALLOW_DEMONSTRATION: "1", settings.CLIENTS: complete[settings.CLIENTS]})
    assert open_guard({settings.DEVELOPMENT: "1", settings.DATA: str(tmp_path / "mine")}).trail is not None
    assert oct((tmp_path / "mine" / "audit.key").stat().st_mode)[-3:] == "600"


# --- Register and keys ------------------------------------------------------------------------------------


def test_a_register_says_who_may_ask_what(tmp_path):
    path = register(tmp_path, (A, {"issuer": "https://a.example", "practices": ["one", "two"]}), (RSA, {}))
    first, second = read_clients(path)
    assert (first.id, first.issuer, first.practices) == ("software-a", "https://a.example", {"one", "two"})
    assert (second.issuer, set(second.keys)) == ("software-b", {"key-1"})
    assert (second.per_minute, second.per_day, second.at_once) == (600, 100_000, 16)


def test_the_example_of_a_register_is_one(tmp_path):
    text = (REPOSITORY / "deploy" / "clients.toml").read_text()
    (tmp_path / "clients.toml").write_text(text)
    for name in ("software-a", "monitoring"):
        (tmp_path / f"{name}.jwks.json").write_text(json.dumps({"keys": [A.jwk]}))
    assert [client.id for client in read_clients(tmp_path / "clients.toml")] == ["software-a", "monitoring"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["score:"]}, "scopes"),
        ({"practices": []}, "practices"),
        ({"practices": ["a b"]}, "practices"),
        ({"certificates": ["AB"]}, "certificates"),
        ({"jku": "ftp://a.example"}, "jku"),
        ({"at_once": "many"}, "at_once"),
        ({"secret": "x"}, "secret"),
        ({"id": "other"}, "id"),
        ({"keys": "nowhere.json"}, "nowhere.json"),
    ],
)
def test_a_register_with_faults_is_refused(tmp_path, given, told):
    with pytest.raises(ClientsUnusable, match=rf"\[clients.software-a\] .*{told}"):
        read_clients(register(tmp_path, (A, given)))


def test_two_clients_cannot_call_themselves_the_same(tmp_path):
    with pytest.raises(ClientsUnusable, match=r"\[clients.software-b\] issuer: another client has the same"):
        read_clients(register(tmp_path, (A, {}), (RSA, {"issuer": "software-a"})))


def _jwk(key: object, **changes: object) -> dict[str, object]:
    return Software("x", key).jwk | changes  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ([], "one at least"),
        ([A.jwk | {"kid": ""}], "no kid"),
        ([A.jwk, A.jwk], "same kid"),
        ([A.jwk | {"d": "x"}], "private"),
        ([{"kty": "oct", "k": "AAAA", "kid": "a"}], "private"),
        ([{"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "a"}], "not for signatures"),
        ([A.jwk | {"use": "enc"}], "not for signatures"),
        ([A.jwk | {"alg": "HS256"}], "not for signatures"),
        ([A.jwk | {"x": "!"}], "cannot be read"),
        ([_jwk(rsa.generate_private_key(public_exponent=65537, key_size=1024))], "2048 bits"),
        ([{**_jwk(ec.generate_private_key(ec.SECP256R1())), "alg": "ES384"}], "P-384|cannot be read"),
    ],
)
def test_only_public_keys_that_are_strong_enough_are_taken(tmp_path, keys, told):
    (tmp_path / "keys.json").write_text(json.dumps({"keys": keys}))
    with pytest.raises(KeysUnusable, match=told) as refused:
        public_keys(tmp_path / "keys.json")
    assert "AAAA" not in str(refused.value)


def test_the_key_of_the_service_is_on_p384(tmp_path):
    for name, content in (("other.pem", clients.private_pem(RSA.key)), ("none.pem", b"no key")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(KeysUnusable, match=name):
            TokenKey.load(tmp_path / name)


def test_a_register_is_read_again_when_it_changes(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(register_of, "LOOK_EVERY", 0.0)
    found = Register(register(tmp_path, (A, {}), (RSA, {})))
    assert found.by_id("software-b") is not None
    register(tmp_path, (A, {}))
    assert found.by_id("software-b") is None
    assert found.by_issuer("software-b") is None
    (tmp_path / "clients.toml").write_text("[clients]")
    assert found.by_id("software-a") is not None, "a register that cannot be used changes nothing"
    assert "cannot be used" in caplog.text
    new = Software("software-a", ec.generate_private_key(ec.SECP384R1()), "key-2")
    (tmp_path / "software-a.json").write_text(json.dumps({"keys": [A.jwk, new.jwk]}))
    register_text = "[clients.software-a]\nkeys = 'software-a.json'\nscopes = ['fhir']\npractices = ['north']\n"
    (tmp_path / "clients.toml").write_text(register_text)
    client = found.by_id("software-a")
    assert client is not None
    assert set(client.keys) == {"key-1", "key-2"}


# --- What clients sign ------------------------------------------------------------------------------------


@pytest.fixture
def proofs(tmp_path: Path) -> Proofs:
    path = register(tmp_path, (A, {"jku": "https://a.example/jwks"}), (RSA, {"issuer": "https://b.example"}))
    return Proofs(Register(path), Used(tmp_path))


@pytest.mark.parametrize("software", [A, RSA])
def test_an_assertion_counts_once(proofs, software):
    signed = software.sign(software.claims())
    assert proofs.assertion(signed, TOKEN_ADDRESS).id == software.id
    with pytest.raises(NotProven):
        proofs.assertion(signed, TOKEN_ADDRESS)


def test_a_token_of_cds_hooks_names_the_tenant(proofs):
    address = f"{HOME}/cds-services/x"
    for audience in (address, [address, "https://other.example"]):
        claims = RSA.claims(aud=audience, iss="https://b.example", sub=None, tenant="north")
        client, tenant = proofs.hook(RSA.sign(claims), address)
        assert (client.id, tenant) == ("software-b", "north")


def test_an_address_of_keys_is_compared_and_not_fetched(proofs, offline):
    assert proofs.assertion(A.sign(A.claims(), jku="https://a.example/jwks"), TOKEN_ADDRESS)
    for software, jku in ((A, "https://evil.example/jwks"), (RSA, "https://b.example/jwks")):
        with pytest.raises(NotProven):
            proofs.assertion(software.sign(software.claims(), jku=jku), TOKEN_ADDRESS)
    assert offline == []


@given(st.one_of(st.text(max_size=200), st.binary(max_size=100).map(lambda b: b.decode("latin-1"))))
def test_whatever_is_sent_as_a_token_proves_nothing(text):
    tokens = Tokens(TokenKey(ec.generate_private_key(ec.SECP384R1())), HOME)
    with pytest.raises(NotProven):
        tokens.verify(text)
    assert not is_ours(text)


# --- Tokens of this service -------------------------------------------------------------------------------


def test_a_token_says_who_asks_for_what():
    key = TokenKey(ec.generate_private_key(ec.SECP384R1()))
    tokens = Tokens(key, HOME)
    token = tokens.issue("software-a", {"fhir", "feedback"}, "north", "ab" * 32)
    assert tokens.known(token) is None
    grant = tokens.verify(token)
    assert tokens.known(token) == grant
    assert (grant.client, grant.scopes, grant.practice) == ("software-a", {"fhir", "feedback"}, "north")
    assert grant.certificate == "ab" * 32
    assert abs(grant.over - time.time() - LIFETIME) < 5
    assert jwt.get_unverified_header(token) == {"alg": "ES384", "kid": key.id, "typ": "at+jwt"}
    verified = jwt.decode(token, jwt.PyJWK(key.public), algorithms=["ES384"], audience=HOME, issuer=HOME)
    assert "d" not in key.public
    assert verified["client_id"] == "software-a"


def test_a_token_of_another_key_or_service_or_kind_is_none_of_ours():
    key = TokenKey(ec.generate_private_key(ec.SECP384R1()))
    ours = Tokens(key, HOME)
    for other in (Tokens(TokenKey(A.key), HOME), Tokens(key, "https://other.example")):
        with pytest.raises(NotProven):
            ours.verify(other.issue("software-a", {"fhir"}, "north", None))
    claims = jwt.decode(ours.issue("software-a", {"fhir"}, "north", None), options={"verify_signature": False})
    with pytest.raises(NotProven):
        ours.verify(jwt.encode(claims, key.key, algorithm="ES384"))  # not an access token by its type


def test_tokens_that_are_remembered_are_bounded_and_forgotten_ones_are_verified_again(monkeypatch):
    monkeypatch.setattr("serving.access.tokens.MOST", 2)
    tokens = Tokens(TokenKey(A.key), HOME)
    issued = [tokens.issue(f"software-{name}", {"fhir"}, "north", None) for name in "abc"]
    for token in issued:
        tokens.verify(token)
    assert [tokens.known(token) is not None for token in issued] == [False, True, True]
    assert tokens.verify(issued[0]).client == "software-a"
    with pytest.raises(NotProven):
        tokens.verify(issued[0] + "." * LONGEST)


def test_a_token_that_is_over_is_not_remembered(monkeypatch):
    tokens = Tokens(TokenKey(A.key), HOME)
    token = tokens.issue("software-a", {"fhir"}, "north", None)
    tokens.verify(token)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + LIFETIME + 1)
    assert tokens.known(token) is None


# --- Limits -----------------------------------------------------------------------------------------------


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.floats(0, 5), max_size=60), st.integers(1, 20))
def test_a_bucket_gives_no_more_than_it_holds_and_gets(pauses, size):
    clock = Clock()
    bucket = Bucket(size, 10.0, clock)
    taken, begun = 0, clock.now
    for pause in pauses:
        clock.now += pause
        if bucket.wait() == 0:
            bucket.take()
            taken += 1
        else:
            assert 0 < bucket.wait() <= 10.0 / size
    assert taken <= size + (clock.now - begun) * size / 10.0 + 1e-6


def test_each_client_has_its_own_limits(tmp_path):
    one, two = read_clients(register(tmp_path, (A, {"per_minute": 2, "per_day": 3}), (RSA, {"at_once": 1})))
    clock = Clock()
    limits = Limits(clock=clock)
    for _ in range(2):
        limits.enter_as(one)
        limits.leave_as(one)
    with pytest.raises(Stopped) as refused:
        limits.enter_as(one)
    assert (refused.value.status, refused.value.retry_after) == (429, 30)
    clock.now += 31
    limits.enter_as(one)
    clock.now += 3600
    with pytest.raises(Stopped) as refused:  # three a day, and an eighth of one came back
        limits.enter_as(one)
    assert 24_000 < refused.value.retry_after <= 28_800
    limits.enter_as(two)
    with pytest.raises(Stopped) as refused:
        limits.enter_as(two)
    assert (refused.value.status, refused.value.problem.code) == (429, "too_many_at_once")
    limits.leave_as(two)
    limits.enter_as(two)


def test_all_together_have_a_limit():
    limits = Limits(most_at_once=2)
    limits.enter()
    limits.enter()
    with pytest.raises(Stopped) as refused:
        limits.enter()
    assert (refused.value.status, refused.value.retry_after) == (503, 1)
    limits.leave()
    limits.enter()


# --- Once -------------------------------------------------------------------------------------------------


def test_what_was_used_is_remembered_across_restarts(tmp_path):
    over = time.time() + 300
    assert Used(tmp_path).use("a", "one", over)
    assert not Used(tmp_path).use("a", "one", over)
    assert Used(tmp_path).use("b", "one", over), "another client may use the same jti"


@pytest.mark.slow
def test_what_was_used_is_remembered_across_processes(tmp_path):
    over = time.time() + 300
    assert Used(tmp_path).use("a", "one", over)
    code = (
        "import sys; from pathlib import Path; from serving.access.replay import Used\n"
        "print(Used(Path(sys.argv[1])).use('a', 'one', float(sys.argv[2])))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(over)], capture_output=True, text=True, cwd=REPOSITORY
    )
    assert ran.stdout.strip() == "False", ran.stderr


def test_of_many_at_once_one_counts(tmp_path):
    used = [Used(tmp_path) for _ in range(4)]
    counted: list[bool] = []
    over = time.time() + 300
    threads = [threading.Thread(target=lambda each=each: counted.append(each.use("a", "x", over))) for each in used * 5]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counted) == [False] * 19 + [True]


def test_memory_is_bounded_and_a_clock_set_back_reopens_nothing(tmp_path):
    used = Used(tmp_path, most=50)
    now = 1_000_000.0
    for number in range(49):
        assert used.use("a", str(number), now + 10, now)
    assert used.use("a", "later", now + 500, now + 60), "what is over makes room"
    with sqlite3.connect(tmp_path / FILE) as database:
        assert database.execute("SELECT count(*) FROM used").fetchone() == (1,)
    assert not used.use("a", "3", now + 10, now), "the clock was set back: it may have been used"
    assert used.use("a", "new", now + 400, now)
    for number in range(48):
        used.use("b", str(number), now + 4000, now)
    with pytest.raises(Stopped) as full:
        Used(tmp_path, most=50).use("b", "more", now + 4000, now)
    assert full.value.status == 503


def test_clocks_may_differ_by_a_minute():
    assert SKEW <= 60


def test_what_is_remembered_is_no_assertion(tmp_path):
    Used(tmp_path).use("software-a", "Zebulon7391", time.time() + 300)
    for file in tmp_path.iterdir():
        assert b"Zebulon7391" not in file.read_bytes()
    assert os.listdir(tmp_path)

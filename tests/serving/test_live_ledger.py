"""What the committee decides counts at once, in a service that runs: suspension, reinstatement, conditions, expiry."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from serving import desk as desks
from serving import settings
from serving.contract import Abstention, Risk, now
from serving.desk import Desk
from serving.desks import Desks, watched
from serving.openapi import EXAMPLES, request_of
from serving.openapi.examples import call, parameters
from serving.refusals import Expired, KeyUntrusted, LedgerAltered, LedgerMissing, NotApproved, Refused, Suspended
from tests.serving import bundles, live
from tests.serving.committee import Standing

SCORE = EXAMPLES["risk"]["value"]


@pytest.fixture
def standing(tmp_path: Path) -> Standing:
    return Standing.open(tmp_path / "committee")


@pytest.fixture
def made(tmp_path: Path, models: Callable[[str], Path]) -> Path:
    """A bundle about which nothing was decided, without a ledger of its own."""
    bundle = tmp_path / "bundle"
    shutil.copytree(models("linear"), bundle / "model")
    bundles.assemble(bundle, bundle / "model")
    return bundle


@pytest.fixture
def environment(standing: Standing) -> dict[str, str]:
    return {settings.LEDGER: str(standing.ledger), settings.TRUSTED_KEYS: str(standing.trusted)}


@pytest.fixture(autouse=True)
def untried(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Load models here and not in another process: `test_trial` is about that."""
    if "slow" not in request.keywords:
        monkeypatch.setattr(desks, "tried", lambda model: None)


def opened(bundle: Path, environment: dict[str, str]) -> Desk:
    return Desk.open(bundle, environment, watched(environment))


def refusal(desk: Desk) -> type[Refused] | None:
    why = desk.why_not()
    return None if why is None else type(why)


def test_a_suspension_and_a_reinstatement_count_at_the_next_answer(
    standing: Standing, made: Path, environment: dict[str, str]
) -> None:
    card = standing.approve(made)
    desk = opened(made, environment)
    assert isinstance(desk.answer(request_of("risk")), Risk)
    standing.decide_now(card, "suspended")
    with pytest.raises(Suspended, match="suspended"):
        desk.answer(request_of("risk"))
    standing.decide_now(card, "reinstated")
    answer = desk.answer(request_of("risk"))
    assert isinstance(answer, Risk)
    assert answer.decision == desk.model().decision_digest


def test_what_was_not_approved_when_the_service_started_is_served_once_it_is(
    standing: Standing, made: Path, environment: dict[str, str]
) -> None:
    desk = opened(made, environment)
    assert refusal(desk) is NotApproved
    assert desk.admitted is None, "no byte of a model that nobody approved is parsed"
    assert desk.study == "cardiovascular"
    card = standing.approve(made)
    assert desk.ready()
    standing.decide_now(card, "withdrawn")
    why = desk.why_not()
    assert why is not None
    assert why.code == "withdrawn"


def test_an_approval_ends_by_the_clock(
    standing: Standing, made: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    standing.approve(made, days=10)
    desk = opened(made, environment)
    last = (now() + timedelta(days=10)).replace(hour=23, minute=59, second=59)
    monkeypatch.setattr(desks, "now", lambda: last)
    assert desk.ready()
    monkeypatch.setattr(desks, "now", lambda: last + timedelta(seconds=1))
    with pytest.raises(Expired):
        desk.answer(request_of("risk"))


def test_a_ledger_that_is_not_what_was_signed_stops_everything(
    standing: Standing, made: Path, environment: dict[str, str]
) -> None:
    standing.approve(made)
    desk = opened(made, environment)
    whole = standing.ledger.read_bytes()
    for damaged, expected in (
        (whole.replace(b"approved", b"Approved"), LedgerAltered),
        (whole[:-40], LedgerAltered),
        (b"".join(whole.splitlines(keepends=True)[:-1]), LedgerAltered),
        (b"", LedgerAltered),
    ):
        standing.ledger.write_bytes(damaged)
        assert refusal(desk) is expected
        standing.ledger.write_bytes(whole)
        assert desk.ready()
    standing.ledger.unlink()
    assert refusal(desk) is LedgerAltered


def test_only_the_trusted_count(standing: Standing, made: Path, environment: dict[str, str], trusted: Path) -> None:
    standing.approve(made)
    desk = opened(made, environment | {settings.TRUSTED_KEYS: str(trusted)})
    assert refusal(desk) is KeyUntrusted


def test_the_committee_s_own_ledger_counts_and_not_the_copy_in_the_bundle(
    standing: Standing, bundle: Path, environment: dict[str, str], trusted: Path
) -> None:
    """The bundle's own ledger approves it, with a key that is trusted; the committee's says nothing of it."""
    shutil.copy(trusted / "committee.pem", standing.trusted / "other.pem")
    assert Desk.open(bundle, {settings.TRUSTED_KEYS: str(standing.trusted)}).admitted is not None
    assert refusal(opened(bundle, environment)) is NotApproved


def test_conditions_are_told_and_those_of_age_are_kept(
    standing: Standing, made: Path, environment: dict[str, str]
) -> None:
    card = standing.approve(made)
    desk = opened(made, environment)
    before = desk.answer(request_of("risk"))
    assert before.conditions == ()
    conditions = [
        {"about": "population", "text": "De 40 à 60 ans", "ages": [40, 60]},
        {"fr": "Rapport trimestriel", "en": "A report each quarter"},
        "Suivi des écarts",
    ]
    standing.decide_now(card, "approved_with_conditions", conditions=conditions)
    answer = desk.answer(request_of("risk"))
    assert isinstance(answer, Abstention)
    assert [(reason.code, reason.because) for reason in answer.reasons] == [("approved_ages_1", "false")]
    assert [(each.fr, each.en) for each in answer.conditions] == [
        ("Population : De 40 à 60 ans", "Population: De 40 à 60 ans"),
        ("Rapport trimestriel", "A report each quarter"),
        ("Suivi des écarts", "Suivi des écarts"),
    ]
    standing.decide_now(card, "approved")
    after = desk.answer(request_of("risk"))
    assert isinstance(after, Risk)
    assert isinstance(before, Risk)
    assert (after.risk, after.conditions) == (before.risk, ())
    assert after.decision != before.decision


def test_a_ledger_that_is_not_there_is_told_at_the_start(tmp_path: Path, made: Path, trusted: Path) -> None:
    wrong = {settings.LEDGER: str(tmp_path / "nowhere.jsonl"), settings.TRUSTED_KEYS: str(trusted)}
    with pytest.raises(settings.InvalidSetting, match="VIGIE_LEDGER"):
        settings.ledger(wrong)
    assert isinstance(Desks.open([made], wrong).desks[0].refusal, LedgerMissing)


def test_asking_the_ledger_costs_next_to_nothing(standing: Standing, made: Path, environment: dict[str, str]) -> None:
    standing.approve(made)
    desk = opened(made, environment)
    begun = time.perf_counter()
    for _ in range(1000):
        desk.model()
    assert (time.perf_counter() - begun) / 1000 < 0.0005


@pytest.mark.slow
def test_a_running_service_stops_at_once_and_goes_on_once_it_may(
    tmp_path: Path, standing: Standing, made: Path, models: Callable[[str], Path]
) -> None:
    """Beside it are a bundle that is damaged, which stops nobody, and a candidate, which nobody is shown."""
    card = standing.approve(made)
    damaged = shutil.copytree(made, tmp_path / "damaged")
    (damaged / "evidence.json").write_text("{}")
    candidate = bundles.whole(tmp_path / "candidate", models("boosted"), None, version="2.0.0")
    command = ["serving", "serve", "--bundle", str(damaged), "--bundle", str(made), "--shadow", str(candidate)]
    command += ["--trusted-keys", str(standing.trusted), "--development", "--ledger", str(standing.ledger)]
    home = live.environment(tmp_path / "home")
    with live.serving(command, home, tmp_path / "log") as server, server.client() as client:
        assert client.post("/score", json=SCORE).json()["kind"] == "risk"
        (service,) = client.get("/cds-services").json()["services"]
        standing.suspend(card)
        answer = client.post("/score", json=SCORE)
        assert (answer.status_code, answer.json()["code"]) == (503, "suspended")
        answer = client.post("/score/cardiovascular/batch", json={"requests": [SCORE]})
        assert (answer.status_code, answer.json()["code"]) == (503, "suspended")
        answer = client.post("/fhir/RiskAssessment/$evaluate", json=parameters())
        assert (answer.status_code, answer.json()["issue"][0]["details"]["coding"][0]["code"]) == (503, "suspended")
        opening = call(service["prefetch"])
        assert client.post(f"/cds-services/{service['id']}", json=opening).json() == {"cards": []}
        assert client.get("/cds-services").json() == {"services": []}
        assert client.get("/readyz").status_code == 503
        told = client.get("/models").json()
        codes = [(each["study"], each["code"]) for each in told["withheld"]]
        assert codes == [("cardiovascular", "suspended"), (None, "document_altered")]
        assert [each["ready"] for each in told["models"]] == [False]
        assert "WITHHELD [document_altered]" in server.log.read_text()
        counts = client.get("/metrics").text
        assert re.search(r'vigie_shadow_comparisons_total\{study="cardiovascular",what="compared"\} [1-9]', counts)
        assert 'vigie_bundles_withheld{code="suspended"} 1' in counts
        standing.decide_now(card, "reinstated")
        assert client.post("/score", json=SCORE).json()["kind"] == "risk"
        assert client.get("/readyz").status_code == 200
        standing.ledger.write_bytes(standing.ledger.read_bytes()[:-1])
        answer = client.post("/score", json=SCORE)
        assert (answer.status_code, answer.json()["code"]) == (503, "ledger_altered")

"""Several studies and versions side by side, a candidate in the shadow of one, and what is counted of it all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from serving import desk as desk_module
from serving import settings, shadow
from serving.contract import now
from serving.desk import Desk
from serving.desks import Desks
from serving.gate import Admitted, candidate
from serving.openapi import EXAMPLES
from serving.openapi.examples import parameters
from serving.refusals import Suspended
from serving.shadow import Shadow
from tests.serving import bundles
from tests.serving.conftest import NORTH, Asked, Production
from tests.serving.test_security import ALL
from training.committee import Ledger
from training.values import utc

SCORE = EXAMPLES["risk"]["value"]
EVALUATE = "/fhir/RiskAssessment/$evaluate"
STUDIES = ("cardiovascular", "screening-colorectal")


@pytest.fixture
def both(asked: Asked, current: Admitted, screening: Admitted) -> Asked:
    """The service with two studies."""
    asked.inner.state.desks = Desks((Desk(screening), Desk(current)))
    return asked


def about(study: str) -> dict[str, Any]:
    body = parameters()
    return body | {"parameter": [*body["parameter"], {"name": "study", "valueCode": study}]}


def test_each_study_answers_under_its_name(both: Asked) -> None:
    for study in STUDIES:
        answer = both.post(f"/score/{study}", json=SCORE).json()
        assert answer["model"]["study"] == study
        assert both.post(f"/score/{study}/batch", json={"requests": [SCORE]}).json()["answers"] == [answer]
        assert both.post(EVALUATE, json=about(study)).json()["code"]["coding"][0]["code"] == study
        card = both.get(f"/models/{study}/card", headers={"accept": "application/json"}).json()
        assert card["identity"]["study"] == study
    assert [each["model"]["study"] for each in both.get("/models").json()["models"]] == list(STUDIES)
    services = both.get("/cds-services").json()["services"]
    assert [service["id"] for service in services] == [f"vigie-{study}" for study in STUDIES]
    assert set(both.get("/docs.json").json()["paths"]["/score/{study}"]) == {"post"}


def test_where_no_study_is_named_the_first_answers(both: Asked, screening: Admitted) -> None:
    assert both.post("/score/batch", json={"requests": [SCORE]}).json()["answers"][0]["model"]["study"] == STUDIES[0]
    assert both.post(EVALUATE, json=parameters()).json()["code"]["coding"][0]["code"] == STUDIES[0]
    both.inner.state.desks = Desks((Desk(screening),))
    answers = both.post("/score/batch", json={"requests": [SCORE]}).json()["answers"]
    assert answers[0]["model"]["study"] == "screening-colorectal"


def test_a_study_that_is_not_served_is_not_here(both: Asked) -> None:
    for path in ("/score/lost-to-care", "/score/lost-to-care/batch"):
        answer = both.post(path, json=SCORE if path.endswith("care") else {"requests": [SCORE]})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert "lost-to-care" not in answer.text
    assert both.post(EVALUATE, json=about("lost-to-care")).status_code == 404


def test_one_that_is_stopped_stops_no_other(both: Asked, current: Admitted, screening: Admitted) -> None:
    both.inner.state.desks = Desks((Desk(current), Desk(None, Suspended("suspended"), card=screening.card)))
    assert both.post("/score/cardiovascular", json=SCORE).status_code == 200
    answer = both.post("/score/screening-colorectal", json=SCORE)
    assert (answer.status_code, answer.json()["code"]) == (503, "suspended")
    assert both.get("/models").json()["withheld"] == [{"study": "screening-colorectal", "code": "suspended"}]
    assert both.inner.state.desks.ready()
    assert [each["id"] for each in both.get("/cds-services").json()["services"]] == ["vigie-cardiovascular"]


@pytest.mark.parametrize("scopes", [["score:cardiovascular"], ["score:screening-colorectal"]])
def test_who_may_ask_about_one_study_may_not_about_another_whatever_the_door(
    open_production: Callable[..., Production], current: Admitted, screening: Admitted, scopes: list[str]
) -> None:
    held = [*(scope for scope in ALL if not scope.startswith("score:")), *scopes]
    production = open_production((NORTH, {"scopes": held}))
    production.asked.inner.state.desks = Desks((Desk(current), Desk(screening)))
    production.asked.inner.state.guard.served = lambda: STUDIES
    headers = production.bearer()
    (allowed,) = (scope.removeprefix("score:") for scope in scopes)
    for study in STUDIES:
        expected = {200} if study == allowed else {403}
        sent = {
            f"/score/{study}": SCORE,
            f"/score/{study}/batch": {"requests": [SCORE]},
            EVALUATE: about(study),
        }
        assert {production.asked.post(path, json=body, headers=headers).status_code for path, body in sent.items()} == (
            expected
        )
    first = production.asked.post(EVALUATE, json=parameters(), headers=headers)
    assert first.status_code == (200 if allowed == STUDIES[0] else 403)
    unknown = production.asked.post("/score/Zebulon7391", json=SCORE, headers=headers)
    assert unknown.status_code == 403
    assert "Zebulon7391" not in unknown.text


@pytest.fixture
def versions(
    tmp_path: Path, models: Callable[[str], Path], committee: Ed25519PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Path]:
    """Two approved versions of one study, the older first."""
    monkeypatch.setattr(desk_module, "tried", lambda model: None)
    older = bundles.whole(tmp_path / "older", models("linear"), committee, version="1.0.0", created_at=at(1))
    newer = bundles.whole(tmp_path / "newer", models("boosted"), committee, version="2.0.0", created_at=at(2))
    return older, newer


def at(month: int) -> datetime:
    return datetime(2026, month, 10)


def test_of_two_approved_versions_the_newest_that_may_be_used_answers(
    versions: tuple[Path, Path], trusted: Path, committee: Ed25519PrivateKey, tmp_path: Path
) -> None:
    older, newer = versions
    ledger = tmp_path / "ledger.jsonl"
    for days, bundle in ((2, newer), (1, older)):  # the order of decisions is not that of versions
        (entry,) = Ledger(bundle / "ledger.jsonl").verify(trusted)
        changes = {"signer": None, "decided_at": utc(now() - timedelta(days=days))}
        Ledger(ledger).append(entry.decision.model_copy(update=changes), committee)
    environment = {settings.TRUSTED_KEYS: str(trusted), settings.LEDGER: str(ledger)}
    desks = Desks.open([older, newer], environment)
    assert desks.of().model().card.identity.version == "2.0.0"
    assert len(desks.served()) == 1
    suspended = {"decided_at": now().replace(microsecond=0), "votes": None}
    (newer / "ledger.jsonl").write_bytes(ledger.read_bytes())
    bundles.decide(newer, committee, "suspended", **suspended)
    ledger.write_bytes((newer / "ledger.jsonl").read_bytes())
    assert desks.of().model().card.identity.version == "1.0.0"
    assert [why.code for _, why in desks.withheld()] == ["suspended"]


# --- A candidate ------------------------------------------------------------------------------------------


@pytest.fixture
def unseen(tmp_path: Path, models: Callable[[str], Path]) -> Admitted:
    """A candidate about which nothing was decided."""
    return candidate(bundles.whole(tmp_path / "candidate", models("boosted"), None, version="2.0.0"), lambda _: None)


def test_a_candidate_is_counted_and_never_shown(
    asked: Asked, current: Admitted, unseen: Admitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow, "A_LINE", 3)
    alone = asked.post("/score/cardiovascular", json=SCORE).text
    beside = Shadow(unseen, tmp_path / "kept")
    asked.inner.state.desks = Desks((Desk(current),), (beside,))
    assert asked.post("/score/cardiovascular", json=SCORE).text == alone
    asked.post(EVALUATE, json=parameters())
    asked.post("/score/cardiovascular", json=EXAMPLES["abstention"]["value"])
    beside.close()
    (line,) = (tmp_path / "kept" / "shadow.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert (told["study"], told["compared"], told["both_abstained"]) == ("cardiovascular", 3, 1)
    assert told["candidate"] == unseen.card_digest
    (bound,) = (float(name.removeprefix("within_")) for name in told if name.startswith("within_"))
    difference = abs(risk(current) - risk(unseen))
    assert difference <= bound
    assert all(difference > smaller for smaller in shadow.BOUNDS if smaller < bound)
    assert told[f"within_{bound:g}"] == 2
    shown = asked.get("/models").text + asked.get("/docs.json").text
    assert unseen.card_digest not in shown
    assert 'vigie_shadow_comparisons_total{study="cardiovascular",what="compared"} 3' in asked.get("/metrics").text


def risk(admitted: Admitted) -> float:
    from serving.openapi import request_of
    from serving.reading import read
    from serving.scoring import Frames, probabilities

    reading = read(request_of("risk"), admitted.concepts)
    frames = Frames.of_patients(admitted, [(reading.history, reading.as_of)])
    return float(probabilities(admitted, frames)[0])


def test_a_candidate_that_fails_or_has_no_time_disturbs_nobody(
    asked: Asked, current: Admitted, unseen: Admitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = Shadow(unseen)

    def fail(*_: object) -> None:
        raise RuntimeError("Zebulon7391")

    monkeypatch.setattr(beside, "_differences", fail)
    asked.inner.state.desks = Desks((Desk(current),), (beside,))
    for _ in range(3):
        assert asked.post("/score/cardiovascular", json=SCORE).status_code == 200
    beside.close()
    assert beside.counts == {"failed": 3}
    busy = Shadow(unseen)
    monkeypatch.setattr(busy, "_room", type("Full", (), {"acquire": lambda self, blocking: False})())
    busy.compare(Desk(current).answer(_request()), fail)  # type: ignore[arg-type]
    assert busy.counts == {"left_out": 1}


def _request() -> Any:
    from serving.openapi import request_of

    return request_of("risk")


def test_a_candidate_may_never_answer(unseen: Admitted) -> None:
    assert Desk(unseen).why_not() is not None
    assert not Desks((Desk(unseen),)).ready()


def test_a_candidate_is_checked_as_any_bundle(tmp_path: Path, models: Callable[[str], Path], trusted: Path) -> None:
    bundle = bundles.whole(tmp_path / "candidate", models("linear"), None)
    (bundle / "model" / "golden.json").write_text("{}")
    desks = Desks.open([], {})
    assert desks.without == ()
    opened = Desks.open([bundle], {settings.TRUSTED_KEYS: str(trusted), settings.SHADOWS: str(bundle)})
    assert [why.code for why in opened.without] == ["model_altered"]


# --- Counts -----------------------------------------------------------------------------------------------

LINE = re.compile(r'([a-z_]+)\{((?:[a-z]+="[^"]*",?)*)\} (\d+(\.\d+)?(e[+-]\d+)?)')


def test_metrics_count_by_door_and_outcome_and_say_nothing_else(both: Asked) -> None:
    canary = "Zebulon7391"
    both.post("/score/cardiovascular", json=SCORE)
    both.post("/score/cardiovascular", json=EXAMPLES["abstention"]["value"])
    both.post("/score/cardiovascular", json={canary: canary})
    both.post(f"/score/{canary}", json=SCORE)
    both.get(f"/{canary}")
    answer = both.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert canary not in answer.text
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    assert all(LINE.fullmatch(line) for line in lines), lines
    counts = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}
    door = 'door="/score/{study}"'
    for outcome, n in (("answered", 1), ("abstained", 1), ("refused", 2)):
        assert counts[f'vigie_requests_total{{{door},outcome="{outcome}"}}'] == n
    assert counts[f"vigie_request_seconds_count{{{door}}}"] == 4
    buckets = [n for name, n in counts.items() if name.startswith(f"vigie_request_seconds_bucket{{{door}")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == 4
    assert 0 < counts[f"vigie_request_seconds_sum{{{door}}}"] < 60
    assert counts['vigie_model_ready{study="screening-colorectal"}'] == 1


def test_metrics_tell_what_is_withheld(both: Asked, current: Admitted, screening: Admitted) -> None:
    both.inner.state.desks = Desks((Desk(current), Desk(None, Suspended("x"), card=screening.card)))
    text = both.get("/metrics").text
    assert 'vigie_bundles_withheld{code="suspended"} 1' in text
    assert 'vigie_model_ready{study="screening-colorectal"} 0' in text

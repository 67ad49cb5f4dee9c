from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.access import Guard, open_guard
from serving.application import application
from serving.contract import now
from serving.desk import Desk
from serving.desks import Desks
from serving.doors import DOORS
from serving.gate import Admitted, admit
from serving.hardening import Hardened, taken
from serving.outcome import note_answers
from tests.serving import bundles, clients
from training.committee import generate_key, save_public_key


@dataclass(frozen=True)
class Asked:
    """An application behind the wall; ``inner.state`` is what it knows."""

    inner: Starlette
    wall: Hardened

    def request(self, method: str, path: str, **sent: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.wall, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://vigie") as client:
                return await client.request(method, path, **sent)

        return asyncio.run(ask())

    def get(self, path: str, **sent: Any) -> httpx.Response:
        return self.request("GET", path, **sent)

    def post(self, path: str, **sent: Any) -> httpx.Response:
        return self.request("POST", path, **sent)

    def options(self, path: str, **sent: Any) -> httpx.Response:
        return self.request("OPTIONS", path, **sent)


HOME = "https://vigie.example"
ORIGIN = "https://software.example"


@pytest.fixture(scope="session")
def committee() -> Ed25519PrivateKey:
    return generate_key()


@pytest.fixture(scope="session")
def trusted(committee: Ed25519PrivateKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of trusted keys: the committee's."""
    folder = tmp_path_factory.mktemp("trusted")
    save_public_key(committee, folder / "committee.pem")
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A model folder by kind, trained once."""
    made: dict[str, Path] = {}
    makers = {"linear": bundles.linear, "boosted": bundles.boosted}

    def find(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp(kind) / "model"
            bundles.trained(makers[kind](), made[kind])
        return made[kind]

    return find


@pytest.fixture
def unapproved(tmp_path: Path, models: Callable[[str], Path]) -> Path:
    """A bundle about which nothing was decided."""
    bundle = tmp_path / "bundle"
    shutil.copytree(models("linear"), bundle / "model")
    bundles.assemble(bundle, bundle / "model")
    return bundle


@pytest.fixture
def bundle(unapproved: Path, committee: Ed25519PrivateKey) -> Path:
    """An approved bundle."""
    bundles.decide(unapproved, committee)
    return unapproved


@pytest.fixture(scope="session")
def approved(
    models: Callable[[str], Path], committee: Ed25519PrivateKey, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """An approved bundle by kind of model, not to be altered."""
    made: dict[str, Path] = {}

    def find(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp(f"approved-{kind}") / "bundle"
            shutil.copytree(models(kind), made[kind] / "model")
            bundles.assemble(made[kind], made[kind] / "model")
            bundles.decide(made[kind], committee)
        return made[kind]

    return find


@pytest.fixture(scope="session")
def current(
    models: Callable[[str], Path], committee: Ed25519PrivateKey, trusted: Path, tmp_path_factory: pytest.TempPathFactory
) -> Admitted:
    """A model that may be used today."""
    bundle = tmp_path_factory.mktemp("current") / "bundle"
    shutil.copytree(models("linear"), bundle / "model")
    bundles.assemble(bundle, bundle / "model")
    today = now().replace(microsecond=0)
    decided = {"decided_at": today - timedelta(days=1), "valid_until": (today + timedelta(days=30)).date()}
    bundles.decide(bundle, committee, **decided)
    return admit(bundle, trusted, now())


@pytest.fixture
def asked(current: Admitted, tmp_path: Path) -> Asked:
    """The whole service but for BentoML, asked without a network."""
    inner = application()
    inner.state.desks, inner.state.address, inner.state.data = Desks((Desk(current),)), HOME, tmp_path / "data"
    inner.state.guard = Guard()
    return Asked(inner, Hardened(inner, DOORS, inner.state.guard, frozenset({ORIGIN})))


def _score(request: Request) -> Response:
    """What BentoML's route does; `test_service` asks that one."""
    answer = request.app.state.desks.of().answer(taken(request.scope))
    note_answers([answer])
    return Response(answer.model_dump_json(), media_type="application/json")


NORTH, SOUTH = clients.elliptic("north-software"), clients.elliptic("south-software")


@dataclass(frozen=True)
class Production:
    """The service in production, asked without a network, and two clients: one a practice each."""

    asked: Asked
    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def trail(self) -> list[dict[str, Any]]:
        """The audit trail's lines."""
        files = sorted((self.data / "audit").glob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def bearer(self, software: clients.Software = NORTH, **form: str) -> dict[str, str]:
        """The header with a new token."""
        answer = self.asked.post("/oauth/token", data=software.form(**form))
        assert answer.status_code == 200, answer.text
        return {"authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture
def open_production(current: Admitted, tmp_path: Path) -> Callable[..., Production]:
    """Open the service in production for some clients, the two by default."""

    def opened(*given: tuple[clients.Software, dict[str, Any]]) -> Production:
        two = (NORTH, {"practices": ["north"]}), (SOUTH, {"practices": ["south"]})
        environment = clients.configured(tmp_path, *(given or two))
        inner = application()
        inner.router.routes.append(Route("/score", _score, methods=["POST"]))
        inner.state.desks, inner.state.address, inner.state.data = Desks((Desk(current),)), HOME, tmp_path / "data"
        inner.state.guard = open_guard(environment, lambda: (current.artefact.study,))
        return Production(Asked(inner, Hardened(inner, DOORS, inner.state.guard, frozenset({ORIGIN}))), tmp_path)

    return opened


@pytest.fixture
def production(open_production: Callable[..., Production]) -> Production:
    return open_production()


@pytest.fixture
def untried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load models here and not in another process: `test_trial` is about that."""
    for place in ("serving.desk", "serving.trial"):
        monkeypatch.setattr(f"{place}.tried", lambda model: None)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Let nothing reach out; the list holds what tried to."""
    tried: list[object] = []

    def refuse(*arguments: object, **_: object) -> None:
        tried.append(arguments)
        raise OSError("nothing reaches out in this test")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    return tried


@pytest.fixture(scope="session", params=["linear", "boosted"])
def admitted(request: pytest.FixtureRequest, approved: Callable[[str], Path], trusted: Path) -> Admitted:
    return admit(approved(request.param), trusted, bundles.NOW)


@pytest.fixture(scope="session")
def screening_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of the colorectal screening study."""
    folder = tmp_path_factory.mktemp("screening") / "model"
    bundles.screening(folder)
    return folder


@pytest.fixture(scope="session")
def screening(
    screening_model: Path, committee: Ed25519PrivateKey, trusted: Path, tmp_path_factory: pytest.TempPathFactory
) -> Admitted:
    """A model of a screening study that may be used today."""
    bundle = tmp_path_factory.mktemp("screening-current") / "bundle"
    title = {
        "fr": "Participation au dépistage du cancer colorectal",
        "en": "Taking part in colorectal cancer screening",
    }
    bundles.whole(bundle, screening_model, committee, study="screening-colorectal", title=title)
    return admit(bundle, trusted, now())

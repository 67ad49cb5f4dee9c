from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from serving.gate import Admitted, admit
from tests.serving import bundles
from training.committee import generate_key, save_public_key


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


@pytest.fixture(scope="session", params=["linear", "boosted"])
def admitted(request: pytest.FixtureRequest, approved: Callable[[str], Path], trusted: Path) -> Admitted:
    return admit(approved(request.param), trusted, bundles.NOW)

"""From the MLflow registry to a Bento. The only module here that knows MLflow, and it does not score.

The version of a study with the alias ``approved`` is downloaded, passes the gate, is put into the BentoML model store
as it is and becomes part of a Bento with the code that serves it, beside the models of other studies. When the Bento
starts, each passes the gate again.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from serving.gate import Admitted, examine
from serving.refusals import Refused
from serving.settings import BUILDING, MODEL_ALIAS

if TYPE_CHECKING:
    from mlflow import MlflowClient

BENTO: Final = "vigie"
ALIAS: Final = "approved"
CODE: Final = ("features", "training", "serving")
PREFIX: Final = "vigie-"
#: From a bundle to its model, if the gate lets it be served now.
Gate = Callable[[Path], Admitted]


class NothingApproved(Exception):
    """Nothing approved where something should be: what is absent and what to do."""


@dataclass(frozen=True)
class Version:
    """A version of a study's model in the registry.

    Attributes
    ----------
    number
        Of the registry.
    is_released
        Whether it is the one that is released: it has the alias ``approved``.
    card
        Version and digest of its card; the digest is empty where there is no card to be trusted.
    refusal
        Why the gate refuses it now, None where it may be served.
    """

    number: int
    is_released: bool
    card: tuple[str, str]
    refusal: Refused | None


def release(
    studies: Sequence[str], into: Path, gate: Gate, tracking_uri: str | None = None, *, alone: bool = False
) -> str:
    """Make a Bento of the approved models of some studies.

    Parameters
    ----------
    studies
        Names of the studies; a registered model is ``vigie-<study>``.
    into
        BentoML's folder, made if it does not exist.
    gate
        Says whether a bundle may be served.
    tracking_uri
        MLflow server; ``MLFLOW_TRACKING_URI`` by default.
    alone
        Whether the Bento holds these studies only. Otherwise those of the latest Bento stay, as they are there.

    Returns
    -------
    str
        Tag of the Bento.

    Raises
    ------
    NothingApproved
        If no version of a study has the alias ``approved``.
    Refused
        If the gate refuses a bundle. No Bento is then made.
    """
    bentoml = _bentoml(into)
    kept = [] if alone else _others(bentoml, studies)
    stored = []
    with TemporaryDirectory(prefix="vigie-release-") as folder:
        found = []
        for study in studies:
            bundle = _download(study, Path(folder) / study, tracking_uri)
            found.append((study, bundle, gate(bundle)))
        for study, bundle, admitted in found:
            stored.append(_store(bentoml, study, bundle, admitted))
    return _build(bentoml, [*stored, *kept])


def rollback(study: str, gate: Gate, tracking_uri: str | None = None) -> int:
    """Give the alias ``approved`` to the version before the one that has it, and return its number.

    The version before is the newest older one that the gate lets be served now: what the committee suspended, withdrew
    or never approved is passed over.

    Raises
    ------
    NothingApproved
        If no version has the alias, or no older one may be served.
    """
    numbers, released = _numbers(study, tracking_uri)
    if released is None:
        raise NothingApproved(_no_alias(study))
    for number in numbers:
        if number < released and _version(study, number, False, gate, tracking_uri).refusal is None:
            _client(tracking_uri).set_registered_model_alias(f"{PREFIX}{study}", ALIAS, str(number))
            return number
    raise NothingApproved(
        f"no version of {PREFIX}{study} before {released} may be served: see `python -m serving versions`"
    )


def versions(study: str, gate: Gate, tracking_uri: str | None = None) -> Iterator[Version]:
    """Yield the versions of a study in the registry, the newest first, each with what the gate says of it now.

    Raises
    ------
    NothingApproved
        If the registry has none.
    """
    numbers, released = _numbers(study, tracking_uri)
    for number in numbers:
        yield _version(study, number, number == released, gate, tracking_uri)


def _numbers(study: str, tracking_uri: str | None) -> tuple[list[int], int | None]:
    """Return the numbers of a study's versions, the newest first, and the one that is released."""
    client, name = _client(tracking_uri), f"{PREFIX}{study}"
    numbers = sorted((int(each.version) for each in client.search_model_versions(f"name='{name}'")), reverse=True)
    if not numbers:
        raise NothingApproved(f"the MLflow registry has no model {name}: train with `mlflow run .`")
    released = dict(client.get_registered_model(name).aliases).get(ALIAS)
    return numbers, None if released is None else int(released)


def _version(study: str, number: int, is_released: bool, gate: Gate, tracking_uri: str | None) -> Version:
    card = "?", ""
    with TemporaryDirectory(prefix="vigie-version-") as folder:
        bundle = _downloaded(_client(tracking_uri), f"{PREFIX}{study}", number, Path(folder), tracking_uri)
        try:
            read = examine(bundle)
            card = read.identity.version, read.digest
            gate(bundle)
        except Refused as refusal:
            return Version(number, is_released, card, refusal)
    return Version(number, is_released, card, None)


def released_bundles() -> list[Path]:
    """Return the bundles in the latest Bento of BentoML's folder; raise `NothingApproved` if there is none."""
    import bentoml

    try:
        bento = bentoml.bentos.get(f"{BENTO}:latest")
    except bentoml.exceptions.NotFound as error:
        raise NothingApproved("there is no Bento yet: make one with `python -m serving release --study …`") from error
    return [Path(bentoml.models.get(tag).path) for tag in _tags(bento)]


def _tags(bento: Any) -> list[Any]:
    """Return the tags of the models in a Bento, in their order."""
    named = [model for model in bento.info.all_models if (model.alias or "").startswith(f"{MODEL_ALIAS}-")]
    return [model.tag for model in sorted(named, key=lambda model: int(model.alias.rpartition("-")[2]))]


def _others(bentoml: ModuleType, studies: Sequence[str]) -> list[Any]:
    """Return the tags of the models of other studies in the latest Bento."""
    try:
        bento = bentoml.bentos.get(f"{BENTO}:latest")
    except bentoml.exceptions.NotFound:
        return []
    return [tag for tag in _tags(bento) if tag.name.removeprefix(PREFIX) not in studies]


def _store(bentoml: ModuleType, study: str, bundle: Path, admitted: Admitted) -> Any:
    """Put a bundle into BentoML's model store and return its tag."""
    labels = {
        "study": study,
        "card": admitted.card_digest[:40],  # a label holds 63 characters at most
        "demonstration": str(admitted.demonstration).lower(),
    }
    with bentoml.models.create(f"{PREFIX}{study}", labels=labels) as model:
        shutil.copytree(bundle, model.path, dirs_exist_ok=True)
    return model.tag


def _build(bentoml: ModuleType, tags: Sequence[Any]) -> str:
    """Build a Bento of models in the store and return its tag."""
    os.environ[BUILDING] = "1"
    bento = bentoml.bentos.build(
        "serving.service:Vigie",
        name=BENTO,
        labels={"studies": str(len(tags))},
        description="Research use, not a medical device. A patient's records in, a risk or an abstention out.",
        build_ctx=str(Path(__file__).parents[1]),
        include=[f"{package}/**" for package in CODE],
        exclude=["**/__pycache__/**", "**/*.pyc"],
        python={"requirements_txt": "requirements.lock", "lock_packages": False},
        models=[{"tag": str(tag), "alias": f"{MODEL_ALIAS}-{number}"} for number, tag in enumerate(tags, 1)],
    )
    return str(bento.tag)


def _download(study: str, folder: Path, tracking_uri: str | None) -> Path:
    """Return the approved bundle of a study, downloaded below a folder."""
    client, name = _client(tracking_uri), f"{PREFIX}{study}"
    from mlflow.exceptions import MlflowException

    try:
        version = client.get_model_version_by_alias(name, ALIAS)
    except MlflowException as error:
        raise NothingApproved(_no_alias(study)) from error
    return _downloaded(client, name, version.version, folder, tracking_uri)


def _downloaded(client: MlflowClient, name: str, version: Any, folder: Path, tracking_uri: str | None) -> Path:
    import mlflow

    source = client.get_model_version_download_uri(name, version)
    folder.mkdir(exist_ok=True)
    return Path(
        mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=str(folder), tracking_uri=tracking_uri)
    )


def _client(tracking_uri: str | None) -> MlflowClient:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=tracking_uri)


def _no_alias(study: str) -> str:
    return (
        f"no version of {PREFIX}{study} has the alias {ALIAS!r} in the MLflow registry: train with `mlflow run .`, "
        "have the card approved, or set MLFLOW_TRACKING_URI to the right server"
    )


def _bentoml(home: Path) -> ModuleType:
    """Return BentoML, with its stores in a folder; it looks where they are when it is first imported."""
    if "bentoml" in sys.modules and os.environ.get("BENTOML_HOME") != str(home):
        raise RuntimeError("BentoML was imported before its folder was chosen: release in a process of its own")
    home.mkdir(parents=True, exist_ok=True)
    os.environ["BENTOML_HOME"] = str(home)
    os.environ["BENTOML_DO_NOT_TRACK"] = "true"
    import bentoml

    return bentoml

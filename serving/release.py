"""From the MLflow registry to a Bento. The only module here that knows MLflow, and it does not score.

The version of a study with the alias ``approved`` is downloaded, passes the gate, is put into the BentoML model store
as it is and becomes part of a Bento with the code that serves it, beside the models of other studies. When the Bento
starts, each passes the gate again.

Where the committee's ledger is at hand it says which version that is: the newest whose card it approves is given the
alias, and a copy of the ledger goes into its bundle.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from serving.gate import Admitted, examine
from serving.refusals import BundleMissing, CardAltered, Refused
from serving.settings import BUILDING, MODEL_ALIAS

if TYPE_CHECKING:
    from mlflow import MlflowClient

BENTO: Final = "vigie"
ALIAS: Final = "approved"
CODE: Final = ("features", "training", "serving")
PREFIX: Final = "vigie-"
TRACKING: Final = "MLFLOW_TRACKING_URI"
#: Tag of a version: digest of the card it was registered with.
CARD: Final = "vigie.card"
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


@dataclass(frozen=True)
class Chosen:
    """The version of a study that is released.

    Attributes
    ----------
    number
        Of the registry.
    passed_over
        Why newer ones are not, by number.
    """

    number: int
    passed_over: Mapping[int, Refused]


@dataclass(frozen=True)
class Released:
    """A Bento that was made: its tag, and the version of each study that was put into it."""

    tag: str
    versions: Mapping[str, Chosen]


def release(
    studies: Sequence[str],
    into: Path,
    gate: Gate,
    tracking_uri: str | None = None,
    *,
    ledger: Path | None = None,
    back: bool = False,
    alone: bool = False,
) -> Released:
    """Make a Bento of the approved models of some studies, and give the alias ``approved`` to what is in it.

    Parameters
    ----------
    studies
        Names of the studies; a registered model is ``vigie-<study>``.
    into
        BentoML's folder, made if it does not exist.
    gate
        Says whether a bundle may be served. It asks the same ledger, where there is one.
    tracking_uri
        MLflow server; ``MLFLOW_TRACKING_URI`` by default.
    ledger
        The committee's own. It says which version is released, the newest that the gate lets be served, and a copy of
        it goes into the bundle. Without it, it is the version that has the alias, with the decisions in its bundle.
    back
        Whether to go back: to the newest version before the one that has the alias that the gate lets be served.
    alone
        Whether the Bento holds these studies only. Otherwise those of the latest Bento stay, as they are there.

    Raises
    ------
    NothingApproved
        If there is no version to choose from.
    Refused
        If the gate refuses every version there is to choose from; each is told with why. No Bento is then made and no
        alias changed.
    """
    bentoml = _bentoml(into)
    kept = [] if alone else _others(bentoml, studies)
    with TemporaryDirectory(prefix="vigie-release-") as folder:
        chosen, stored = {}, []
        for study in studies:
            candidates = _candidates(study, tracking_uri, ledger, back)
            chosen[study] = _choose(study, candidates, gate, tracking_uri, ledger, Path(folder) / study)
        for study, (_, bundle, admitted) in chosen.items():
            stored.append(_store(bentoml, study, bundle, admitted))
    made = Released(_build(bentoml, [*stored, *kept]), {study: each for study, (each, *_) in chosen.items()})
    for study, each in made.versions.items():
        _client(tracking_uri).set_registered_model_alias(f"{PREFIX}{study}", ALIAS, str(each.number))
    return made


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
    from mlflow.exceptions import MlflowException

    try:
        found = client.search_model_versions(f"name='{name}'")
        released = dict(client.get_registered_model(name).aliases).get(ALIAS) if found else None
    except MlflowException as error:
        raise NothingApproved(f"the MLflow registry cannot be read: look at {TRACKING} ({error.error_code})") from error
    if not found:
        raise NothingApproved(
            f"the MLflow registry has no model {name}: train with `mlflow run .`, or set {TRACKING} to the right server"
        )
    return sorted((int(each.version) for each in found), reverse=True), None if released is None else int(released)


def _version(study: str, number: int, is_released: bool, gate: Gate, tracking_uri: str | None) -> Version:
    card = "?", ""
    with TemporaryDirectory(prefix="vigie-version-") as folder:
        try:
            bundle = _download(study, number, tracking_uri, Path(folder))
            read = examine(bundle)
            card = read.identity.version, read.digest
            _gated(study, number, bundle, gate, tracking_uri)
        except Refused as refusal:
            return Version(number, is_released, card, refusal)
    return Version(number, is_released, card, None)


def _candidates(study: str, tracking_uri: str | None, ledger: Path | None, back: bool) -> list[int]:
    """Return the versions that may be released if the gate agrees, the one to be preferred first."""
    numbers, released = _numbers(study, tracking_uri)
    if ledger is not None and not back:
        return numbers
    if released is None:
        raise NothingApproved(_no_alias(study))
    if not back:
        return [released]
    if older := [number for number in numbers if number < released]:
        return older
    raise NothingApproved(f"there is no version of {PREFIX}{study} before {released}: see `python -m serving versions`")


def _choose(
    study: str, candidates: Sequence[int], gate: Gate, tracking_uri: str | None, ledger: Path | None, folder: Path
) -> tuple[Chosen, Path, Admitted]:
    """Return the first version that may be served, with its bundle and its model; raise why not if none may."""
    refusals: dict[int, Refused] = {}
    for number in candidates:
        try:
            bundle = _download(study, number, tracking_uri, folder / str(number))
            if ledger is not None:
                shutil.copyfile(ledger, bundle / "ledger.jsonl")
            admitted = _gated(study, number, bundle, gate, tracking_uri)
        except Refused as refusal:
            refusals[number] = refusal
        else:
            return Chosen(number, refusals), bundle, admitted
    told = "".join(f"\n  version {number} [{each.code}]: {each}" for number, each in refusals.items())
    raise type(refusals[candidates[0]])(f"no version of {PREFIX}{study} may be released:{told}")


def _gated(study: str, number: int, bundle: Path, gate: Gate, tracking_uri: str | None) -> Admitted:
    """Return the model of a version if the gate admits its bundle and the bundle is the one that was registered."""
    admitted = gate(bundle)
    registered = _client(tracking_uri).get_model_version(f"{PREFIX}{study}", str(number)).tags.get(CARD)
    if registered not in (None, admitted.card_digest):
        raise CardAltered(
            f"the card is {admitted.card_digest[:12]}…, the version was registered with {registered[:12]}…: another "
            "bundle was put in its place. Restore the one that was registered."
        )
    return admitted


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
        python={"requirements_txt": "requirements-serve.lock", "lock_packages": False},
        models=[{"tag": str(tag), "alias": f"{MODEL_ALIAS}-{number}"} for number, tag in enumerate(tags, 1)],
    )
    return str(bento.tag)


def _download(study: str, number: int, tracking_uri: str | None, folder: Path) -> Path:
    """Return the bundle of a version, downloaded into a folder; raise `BundleMissing` if it cannot be."""
    client = _client(tracking_uri)
    import mlflow
    from mlflow.exceptions import MlflowException

    folder.mkdir(parents=True, exist_ok=True)
    try:
        source = client.get_model_version_download_uri(f"{PREFIX}{study}", str(number))
        found = mlflow.artifacts.download_artifacts(
            artifact_uri=source, dst_path=str(folder), tracking_uri=tracking_uri
        )
    except (MlflowException, OSError) as error:
        raise BundleMissing(
            f"the MLflow registry does not give its bundle ({type(error).__name__}): was it deleted?"
        ) from error
    return Path(found)


def _client(tracking_uri: str | None) -> MlflowClient:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        from mlflow import MlflowClient
    except ModuleNotFoundError as error:
        raise NothingApproved("MLflow is not installed here, as in the service's image: make setup") from error
    return MlflowClient(tracking_uri=tracking_uri)


def _no_alias(study: str) -> str:
    return (
        f"no version of {PREFIX}{study} has the alias {ALIAS!r} in the MLflow registry: have a card approved and "
        f"release with --ledger, or set {TRACKING} to the right server"
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

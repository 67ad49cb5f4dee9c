"""From the MLflow registry to a Bento. The only module here that knows MLflow, and it does not score.

The version with the alias ``approved`` is downloaded, passes the gate, is put into the BentoML model store as it is and
becomes part of a Bento with the code that serves it. When the Bento starts, it passes the gate again.
"""

from __future__ import annotations

import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Final

from serving.gate import admit
from serving.settings import BUILDING, MODEL_ALIAS

if TYPE_CHECKING:
    from training.committee import TrustedKeys

BENTO: Final = "vigie"
ALIAS: Final = "approved"
CODE: Final = ("features", "training", "serving")


class NothingApproved(Exception):
    """Nothing approved where something should be: what is absent and what to do."""


def release(study: str, into: Path, trusted_keys: TrustedKeys, tracking_uri: str | None = None) -> str:
    """Make a Bento of the approved model of a study.

    Parameters
    ----------
    study
        Name of the study; the registered model is ``vigie-<study>``.
    into
        BentoML's folder, made if it does not exist.
    trusted_keys
        Whose decisions count.
    tracking_uri
        MLflow server; ``MLFLOW_TRACKING_URI`` by default.

    Returns
    -------
    str
        Tag of the Bento.

    Raises
    ------
    NothingApproved
        If no version has the alias ``approved``.
    Refused
        If the gate refuses the bundle.
    """
    bentoml = _bentoml(into)
    with TemporaryDirectory(prefix="vigie-release-") as folder:
        bundle = _download(study, Path(folder), tracking_uri)
        admitted = admit(bundle, trusted_keys, datetime.now(UTC))
        labels = {
            "study": study,
            "card": admitted.card_digest[:40],  # a label holds 63 characters at most
            "demonstration": str(admitted.demonstration).lower(),
        }
        with bentoml.models.create(f"vigie-{study}", labels=labels) as model:
            shutil.copytree(bundle, model.path, dirs_exist_ok=True)
    os.environ[BUILDING] = "1"
    bento = bentoml.bentos.build(
        "serving.service:Vigie",
        name=BENTO,
        labels=labels,
        description="Research use, not a medical device. A patient's records in, a risk or an abstention out.",
        build_ctx=str(Path(__file__).parents[1]),
        include=[f"{package}/**" for package in CODE],
        exclude=["**/__pycache__/**", "**/*.pyc"],
        python={"requirements_txt": "requirements.lock", "lock_packages": False},
        models=[{"tag": str(model.tag), "alias": MODEL_ALIAS}],
    )
    return str(bento.tag)


def released_bundle() -> Path:
    """Return the bundle in the latest Bento of BentoML's folder; raise `NothingApproved` if there is none."""
    import bentoml

    try:
        bento = bentoml.bentos.get(f"{BENTO}:latest")
    except bentoml.exceptions.NotFound as error:
        raise NothingApproved("there is no Bento yet: make one with `python -m serving release --study …`") from error
    tag = next(model.tag for model in bento.info.all_models if model.alias == MODEL_ALIAS)
    return Path(bentoml.models.get(tag).path)


def _download(study: str, folder: Path, tracking_uri: str | None) -> Path:
    """Return the approved bundle, downloaded below a folder."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow
    from mlflow.exceptions import MlflowException

    name = f"vigie-{study}"
    client = mlflow.MlflowClient(tracking_uri=tracking_uri)
    try:
        version = client.get_model_version_by_alias(name, ALIAS)
    except MlflowException as error:
        raise NothingApproved(
            f"no version of {name} has the alias {ALIAS!r} in the MLflow registry: train with `mlflow run .`, have the "
            "card approved, or set MLFLOW_TRACKING_URI to the right server"
        ) from error
    source = client.get_model_version_download_uri(name, version.version)
    return Path(
        mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=str(folder), tracking_uri=tracking_uri)
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

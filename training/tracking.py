"""What a run leaves in MLflow: the only module here that imports it.

One experiment a study, one run a comparison, one child run a model. A tracking server elsewhere is named, as for any
use of MLflow, by ``MLFLOW_TRACKING_URI``.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
from matplotlib.figure import Figure
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.dataset import Dataset
from mlflow.tracking import MlflowClient

from features.cohort import Members
from features.digests import digest
from features.purpose import Mandate
from features.records import Records
from training.audit import Audit
from training.card import ModelCard
from training.drafting import code_commit, flow
from training.measures import Estimate
from training.models import RiskModel
from training.studies import Study
from training.tuning import Tuned
from training.validate import Evidence


class _Digested(Dataset):
    """Data of which MLflow learns a name and the first 36 characters of a digest, which is all it takes."""

    def __init__(self, name: str, whole: str) -> None:
        super().__init__(CodeDatasetSource({"mlflow.source.name": f"vigie {name}"}), name=name, digest=whole[:36])

    def _compute_digest(self) -> str:
        return self.digest

    @property
    def schema(self) -> None:
        """Nothing."""

    @property
    def profile(self) -> None:
        """Nothing."""


@contextmanager
def tracked(study: Study, redo: str | None = None) -> Iterator[str]:
    """Begin a run in the study's experiment, or go on with the one that ``mlflow run`` began; give its identifier.

    Parameters
    ----------
    study
        The study.
    redo
        Command that does it again.
    """
    if "MLFLOW_RUN_ID" not in os.environ:
        mlflow.set_experiment(f"vigie-{study.name}")
    with mlflow.start_run() as active:
        mlflow.set_tag("mlflow.runName", f"{study.name} {datetime.now(UTC):%Y-%m-%d %H:%M}")
        if redo is not None:
            mlflow.set_tag("vigie.redo", redo)
        yield str(active.info.run_id)


def log_beginning(study: Study, records: Records, mandate: Mandate, parameters: Mapping[str, Any]) -> None:
    """Log what is asked, for what, of which records, by which code with which versions of everything installed."""
    mlflow.log_params({"study": study.name, **parameters})
    mlflow.set_tags(
        {
            "vigie.study": study.name,
            "vigie.purpose": mandate.purpose,
            "vigie.reference": mandate.reference,
            "vigie.records": records.digest,
            "vigie.features": study.features.fingerprint,
            "vigie.code": code_commit(),
        }
    )
    mlflow.log_dict({"digest": digest(study.to_dict()), **study.to_dict()}, "study.json")
    mlflow.log_text(study.read.to_html(), "features.html")
    installed = {each.name: each.version for each in importlib.metadata.distributions()}
    lines = [f"{name}=={installed[name]}\n" for name in sorted(installed, key=str.lower)]
    mlflow.log_text("".join(lines), "environment.txt")
    _log_data("records", records.digest, "source")


def log_members(members: Members) -> None:
    """Log who was in: their digest, and the attrition as a card may show it."""
    mlflow.set_tag("vigie.members", members.digest)
    _log_data("members", members.digest, "landmarks")
    mlflow.log_dict({"steps": [step.model_dump() for step in flow(members)]}, "attrition.json")


def _log_data(name: str, whole: str, context: str) -> None:
    """Log data by digest alone: neither where they lie nor what is in them."""
    mlflow.log_input(_Digested(name, whole), context=context)


def log_evidence(evidence: Evidence, models: Sequence[RiskModel], page: str) -> None:
    """Log who was seen and, in a run of its own for each model, every estimate with its interval.

    Models are then rows of one table in MLflow, with the same columns: a measure, and at thresholds ``.at_…_percent``;
    ``minus_….`` is the difference to another model, on the people both can score; ``by_region.`` and the like is what
    other ways to hold people out show.
    """
    counts = {name: getattr(evidence, name) for name in ("people", "landmarks", "events", "competing", "censored")}
    mlflow.log_metrics({f"seen.{name}": float(n) for name, n in counts.items() if n is not None})
    mlflow.log_text(evidence.to_json(), "evidence.json")
    mlflow.log_text(page, "comparison.html")
    settings = {model.name: model for model in models}
    for model in evidence.models:
        found = dict(pair for e in model.estimates for pair in _metrics(e))
        for comparison in evidence.comparisons:
            if comparison.model == model.name:
                prefix = f"minus_{comparison.comparator}."
                found |= {prefix + name: v for e in comparison.differences for name, v in _metrics(e)}
        for scheme in evidence.schemes:
            for judged in scheme.models:
                if judged.name == model.name:
                    prefix = f"by_{scheme.splits.get('by', scheme.splits['kind'])}."
                    found |= {prefix + name: v for e in judged.estimates for name, v in _metrics(e)}
        found |= {} if model.scored is None else {"scored": float(model.scored)}
        with mlflow.start_run(run_name=model.name, nested=True):
            mlflow.log_params({"study": evidence.study, "model": model.name, **_settings(settings[model.name])})
            mlflow.log_metrics(found)


def _settings(model: RiskModel) -> dict[str, Any]:
    """Return what a model was made with: its own settings and its classifier's."""
    estimator = getattr(model, "estimator", None)
    inner = {} if estimator is None else estimator.get_params(deep=True)
    plain = {name: value for name, value in inner.items() if isinstance(value, str | int | float | bool | None)}
    return {"kind": type(model).__name__, **dict(sorted(plain.items()))}


def log_trials(model: Tuned) -> None:
    """Log every trial of a search as a table, and what it found as parameters."""
    mlflow.log_text(model.trials_.to_csv(index=False), f"trials/{model.name}.csv")
    mlflow.log_params({f"{model.name}.{name}": value for name, value in model.settings_.items()})


def _metrics(e: Estimate) -> Iterator[tuple[str, float]]:
    """Yield the names and values under which an estimate is logged."""
    name = e.measure + (f".at_{100 * e.threshold:g}_percent" if e.threshold is not None else "")
    for suffix, value in (("", e.value), (".low", e.low), (".high", e.high)):
        if value == value:
            yield name + suffix, value


def log_audit(found: Audit) -> None:
    """Log how many findings of an audit had each verdict."""
    verdicts: dict[str, int] = {}
    for attribute in found.attributes:
        for group in attribute.groups:
            for finding in group.findings:
                if finding.verdict is not None:
                    verdicts[finding.verdict] = verdicts.get(finding.verdict, 0) + 1
    mlflow.log_metrics({f"audit.{verdict}": float(n) for verdict, n in verdicts.items()})


def log_figures(figures: Mapping[str, Figure]) -> None:
    """Log plots, to look at and to print."""
    for name, figure in figures.items():
        mlflow.log_figure(figure, f"figures/{name}.svg")
        mlflow.log_figure(figure, f"figures/{name}.png")


def latest(study: Study) -> tuple[str, str] | None:
    """Return the number and the card's digest of the latest registered version of a study's model; None without one."""
    versions = MlflowClient().search_model_versions(f"name = 'vigie-{study.name}'")
    if not versions:
        return None
    last = max(versions, key=lambda version: int(version.version))
    return str(last.version), last.tags.get("vigie.card", "")


def register(study: Study, run_id: str, drawn_up: ModelCard, bundle: Path, *, approved: bool) -> None:
    """Log a bundle and register it as a new version of the study's model; the alias ``approved`` follows approval."""
    mlflow.set_tag("vigie.card", drawn_up.digest)
    mlflow.log_artifacts(str(bundle), "bundle")
    client = MlflowClient()
    name = f"vigie-{study.name}"
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, description=study.title.en)
    version = client.create_model_version(
        name,
        source=f"{client.get_run(run_id).info.artifact_uri}/bundle",
        run_id=run_id,
        tags={"vigie.card": drawn_up.digest, "vigie.demonstration": json.dumps(drawn_up.identity.demonstration)},
        description=f"Model card {drawn_up.digest[:12]}, {drawn_up.identity.model}",
    )
    if approved:
        client.set_registered_model_alias(name, "approved", version.version)

"""One run of a study, from records to an approved bundle, all of it in MLflow. The only module here that imports it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mlflow
from mlflow.tracking import MlflowClient

from features.digests import digest, digest_folder
from features.records import Records
from features.store import FeatureStore, compute
from training import artefact, card
from training.audit import Audit, audit, with_pairs
from training.card import ModelCard, render
from training.committee import Bilingual, Decision, Ledger, Votes, demonstration_key
from training.comparison import comparison_page
from training.console import Steps
from training.drafting import Run, draft
from training.explain import explain
from training.measures import Estimate
from training.models import CensoringWeighted
from training.plots import figures
from training.studies import Study
from training.validate import Evidence, validate

STEPS = 7


@dataclass(frozen=True)
class Made:
    """What a run leaves: its card and the evidence the card rests on."""

    card: ModelCard
    evidence: Evidence


def run(
    study: Study,
    records: Records,
    folder: Path,
    *,
    seed: int = 0,
    resamples: int = 200,
    demonstration: bool = False,
    steps: Steps | None = None,
) -> Made:
    """Run a study: features, out-of-fold evidence, audit, explanation, card; log everything and register the model.

    Parameters
    ----------
    study, records
        What is asked, of which records.
    folder
        Where features (``features/``) and the bundle (``bundle/``) are written; the bundle is made anew.
    seed, resamples
        Of models and splits; bootstrap replicates.
    demonstration
        Whether the demonstration key approves the card, which is then marked so everywhere.
    steps
        Where progress is shown.

    Returns
    -------
    Made
        The final card, as in the bundle, and the evidence it rests on.
    """
    steps = steps or Steps(STEPS)
    with _mlflow_run(study) as run_id:
        mlflow.log_params({"study": study.name, "seed": seed, "resamples": resamples, "demonstration": demonstration})
        mlflow.set_tags({"vigie.study": study.name, "vigie.records": records.digest})
        mlflow.set_tag("vigie.features", study.features.fingerprint)
        mlflow.log_dict({"digest": digest(study.to_dict()), **study.to_dict()}, "study.json")

        with steps(f"Who: cohort {study.cohort.name}, outcome {study.outcome.name}") as step:
            members = study.cohort.members(records, study.outcome, step.progress)
            people = members.index["patient"].nunique()
            step.note(f"{people:,} people, {len(members.index):,} landmarks")
        mlflow.set_tag("vigie.members", members.digest)

        with steps(f"What was known: {len(study.features)} features") as step:
            X = FeatureStore(folder / "features", records).frame(study.features, members.index, step.progress)
            groups = study.groups(compute(study.sensitive, records, members.index))
            step.note(f"{len(X):,} rows, fingerprint {study.features.fingerprint[:12]}")

        models = study.models(seed)
        with steps(f"What can be claimed: {', '.join(m.name for m in models)}, judged on people no model saw") as step:
            evidence, predictions = validate(
                study.name,
                models,
                X,
                members.followup,
                members.index,
                study.splits,
                study.outcome.horizon,
                study.thresholds,
                study.comparator,
                resamples,
                seed,
                step.named_progress,
                clusters=study.clusters,
            )
        _log_evidence(evidence)
        comparison = comparison_page(evidence, study)
        (folder / "comparison.html").write_text(comparison, encoding="utf-8")
        mlflow.log_text(comparison, "comparison.html")

        with steps(f"For whom: fairness audit of {study.candidate} by {', '.join(study.sensitive)}"):
            found = audit(
                predictions[study.candidate].to_numpy(),
                members.followup,
                study.outcome.horizon,
                with_pairs(groups),
                members.index[study.clusters].to_numpy(),
                study.tolerances,
                study.thresholds,
                resamples,
                seed,
            )

        with steps(f"Why: {study.candidate} fitted on everybody, explained"):
            candidate = next(m for m in models if m.name == study.candidate)
            if not isinstance(candidate, CensoringWeighted):
                raise TypeError(f"{study.candidate} is not a learned model: choose another candidate")
            candidate.fit_grouped(X, members.followup, members.index)
            explanation = explain(candidate, X, study.features, seed=seed)

        bundle = folder / "bundle"
        with steps("What the committee reads: model card"):
            if bundle.exists():
                shutil.rmtree(bundle)
            artefact.save(
                artefact.Artefact(
                    study.name, candidate, study.features, study.cohort.criteria, study.required, study.comparator
                ),
                bundle / "model",
                X,
            )
            drawn_up = draft(
                Run(
                    study=study,
                    records=records,
                    members=members,
                    X=X,
                    model=candidate,
                    model_digest=digest_folder(bundle / "model"),
                    evidence=evidence,
                    audit=found,
                    explanation=explanation,
                    run_id=run_id,
                    created_at=datetime.now(UTC).replace(microsecond=0, tzinfo=None),
                    demonstration=demonstration,
                )
            ).final()
            (bundle / "card.json").write_text(drawn_up.to_json(), encoding="utf-8")
            for name, document in (("evidence", evidence), ("audit", found), ("explanation", explanation)):
                (bundle / f"{name}.json").write_text(document.to_json(), encoding="utf-8")
            decision = _demonstration_decision(drawn_up, bundle) if demonstration else None
            for language in card.LANGUAGES:
                page = render(drawn_up, evidence, found, explanation, decision, language, final=True)
                (bundle / f"card.{language}.html").write_text(page, encoding="utf-8")

        with steps("For the record: MLflow"):
            _log_audit(found)
            for name, figure in figures(evidence, explanation).items():
                mlflow.log_figure(figure, f"figures/{name}.svg")
                mlflow.log_figure(figure, f"figures/{name}.png")
            mlflow.set_tag("vigie.card", drawn_up.digest)
            mlflow.log_artifacts(str(bundle), "bundle")
            _register(study, run_id, drawn_up, approved=decision is not None)
    return Made(drawn_up, evidence)


@contextmanager
def _mlflow_run(study: Study) -> Iterator[str]:
    """Begin a run, or go on with the one that ``mlflow run`` began."""
    if "MLFLOW_RUN_ID" not in os.environ:
        mlflow.set_experiment("vigie")
    with mlflow.start_run() as active:
        mlflow.set_tag("mlflow.runName", f"{study.name} {datetime.now(UTC):%Y-%m-%d %H:%M}")
        yield str(active.info.run_id)


def _log_evidence(evidence: Evidence) -> None:
    """Log who was seen and, in a run of its own for each model, every estimate with its interval.

    Models are then rows of one table in MLflow, with the same columns: a measure, and at thresholds ``.at_…_percent``;
    ``minus_….`` is the difference to another model, on the people both can score.
    """
    counts = {name: getattr(evidence, name) for name in ("people", "landmarks", "events", "competing", "censored")}
    mlflow.log_metrics({f"seen.{name}": float(n) for name, n in counts.items() if n is not None})
    for model in evidence.models:
        found = dict(pair for e in model.estimates for pair in _metrics(e))
        for comparison in evidence.comparisons:
            if comparison.model == model.name:
                prefix = f"minus_{comparison.comparator}."
                found |= {prefix + name: v for e in comparison.differences for name, v in _metrics(e)}
        found |= {} if model.scored is None else {"scored": float(model.scored)}
        with mlflow.start_run(run_name=model.name, nested=True):
            mlflow.log_params({"study": evidence.study, "model": model.name})
            mlflow.log_metrics(found)


def _metrics(e: Estimate) -> Iterator[tuple[str, float]]:
    """Yield the names and values under which an estimate is logged."""
    name = e.measure + (f".at_{100 * e.threshold:g}_percent" if e.threshold is not None else "")
    for suffix, value in (("", e.value), (".low", e.low), (".high", e.high)):
        if value == value:
            yield name + suffix, value


def _log_audit(found: Audit) -> None:
    verdicts: dict[str, int] = {}
    for attribute in found.attributes:
        for group in attribute.groups:
            for finding in group.findings:
                if finding.verdict is not None:
                    verdicts[finding.verdict] = verdicts.get(finding.verdict, 0) + 1
    mlflow.log_metrics({f"audit.{verdict}": float(n) for verdict, n in verdicts.items()})


def _demonstration_decision(drawn_up: ModelCard, bundle: Path) -> Decision:
    """Approve a card with the demonstration key, which can't pass for a committee's."""
    decision = Decision(
        card_digest=drawn_up.digest,
        verdict="approved",
        reasons=Bilingual(
            fr="DÉMONSTRATION : approbation pour montrer le parcours ; aucun comité n’a examiné cette carte.",
            en="DEMONSTRATION: approval to show the way; no committee has examined this card.",
        ),
        decided_at=drawn_up.identity.created_at,
        valid_until=(drawn_up.identity.created_at + timedelta(days=90)).date(),
        members=("Démonstration / demonstration",),
        votes=Votes(in_favour=1, against=0, abstained=0, quorum=1),
        demonstration=True,
    )
    return Ledger(bundle / "ledger.jsonl").append(decision, demonstration_key()).decision


def _register(study: Study, run_id: str, drawn_up: ModelCard, *, approved: bool) -> None:
    """Register the bundle as a new version of the study's model; the alias ``approved`` follows approval alone."""
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


def headline(evidence: Evidence, study: Study) -> list[str]:
    """Return the lines a person reads at the end of a run: who was seen, and each model with intervals."""
    lines = [
        f"{_count(evidence.people)} people, {_count(evidence.landmarks)} landmarks, {_count(evidence.events)} events, "
        f"{_count(evidence.competing)} other deaths, {_count(evidence.censored)} left before the horizon",
        "",
        f"{'':22}{'n':>8}  {'AUC':24}{'observed/expected':24}IPA",
    ]
    for model in evidence.models:
        found = {e.measure: e for e in model.estimates if e.threshold is None}
        cells = [_cell(found[measure]) for measure in ("auc", "observed_expected", "ipa") if measure in found]
        lines.append(f"{model.name:22}{_count(model.scored):>8}  {''.join(f'{cell:24}' for cell in cells)}".rstrip())
    for comparison in evidence.comparisons:
        e = next((d for d in comparison.differences if d.measure == "auc"), None)
        if e is not None and comparison.model == study.candidate:
            both = f"on the {_count(e.n)} landmarks both can score"
            lines += ["", f"{comparison.model} minus {comparison.comparator}, {both}: AUC {_cell(e, '+.3f')}"]
    return lines


def _count(n: int | None) -> str:
    return "hidden" if n is None else f"{n:,}"


def _cell(e: Estimate, form: str = ".3f") -> str:
    return f"{e.value:{form}} ({e.low:{form}} to {e.high:{form}})"

"""A study, run: from records to evidence, and from evidence to a bundle with its card; all of it told to MLflow."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

from features.cohort import Members
from features.digests import digest_folder
from features.outcome import EVENT
from features.privacy import scan
from features.purpose import Mandate
from features.records import Records
from features.store import FeatureStore, compute
from training import artefact, monitoring, tracking
from training.audit import audit, with_pairs
from training.card import ModelCard, write_documents
from training.committee import Decision, Ledger, Votes, demonstration_key
from training.comparison import comparison_page
from training.console import Step, Steps
from training.drafting import Run, draft
from training.explain import explain
from training.measures import Estimate
from training.models import Learned, RiskModel
from training.plots import figures
from training.splits import Split
from training.studies import Study
from training.tuning import Tuned
from training.validate import Evidence, Predictions, refitted, validate
from training.values import Bilingual

COMPARE_STEPS, TRAIN_STEPS = 3, 7
REFITS = 10  # for the spread of importance


class DisclosureError(RuntimeError):
    """What was about to be published tells of single people, or of fewer than may be shown."""


UNKNOWN = "?"
"""Region of people of whom none is recorded: they are held out together."""


@dataclass(frozen=True, eq=False)
class Compared:
    """What a comparison knows.

    Attributes
    ----------
    members, X, groups
        Who was in, their features, and the audit's groups they are in.
    models
        Not fitted: judging fits copies.
    evidence, predictions
        What was found, and the risks it rests on, which stay in memory.
    """

    members: Members
    X: pd.DataFrame
    groups: pd.DataFrame
    models: Sequence[RiskModel]
    evidence: Evidence
    predictions: Predictions


@dataclass(frozen=True)
class Made:
    """What a run leaves: its card and the evidence the card rests on."""

    card: ModelCard
    evidence: Evidence


def compare(
    study: Study,
    records: Records,
    folder: Path,
    *,
    reference: str,
    only: Sequence[str] = (),
    seed: int = 0,
    resamples: int = 200,
    redo: str | None = None,
    steps: Steps | None = None,
) -> Evidence:
    """Judge a study's models on people none of them saw; log everything, and write ``comparison.html``.

    Parameters
    ----------
    study, records
        What is asked, of which records.
    folder
        Where features (``features/``) and the page are written.
    reference
        What the scientific and ethics committee filed its opinion on this use of the data under.
    only
        Names of the models to judge; all by default. The comparator is always judged.
    seed, resamples
        Of models and splits; bootstrap replicates.
    redo
        Command that does it again, for the record.
    steps
        Where progress is shown.

    Raises
    ------
    ValueError
        If a name is not one of the study's models.
    RefusedPurpose
        If there is no purpose of the closed list, or no reference.
    """
    mandate = Mandate(study.purpose, reference)
    with tracking.tracked(study, redo):
        return _compare(study, records, folder, mandate, only, seed, resamples, steps or Steps(COMPARE_STEPS)).evidence


def run(
    study: Study,
    records: Records,
    folder: Path,
    *,
    reference: str,
    seed: int = 0,
    resamples: int = 200,
    demonstration: bool = False,
    contact: str | None = None,
    redo: str | None = None,
    steps: Steps | None = None,
) -> Made:
    """Run a study: features, out-of-fold evidence, audit, explanation, card; log everything and register the model.

    Parameters
    ----------
    study, records
        What is asked, of which records.
    folder
        Where features (``features/``), the page (``comparison.html``) and the bundle (``bundle/``) are written; the
        bundle is made anew.
    reference
        What the scientific and ethics committee filed its opinion on this use of the data under.
    seed, resamples
        Of models and splits; bootstrap replicates.
    demonstration
        Whether the demonstration key approves the card, which is then marked so everywhere.
    contact
        Where whoever reads the card may write to those who answer for it; nobody answers for a demonstration.
    redo
        Command that does it again, for the record.
    steps
        Where progress is shown.

    Returns
    -------
    Made
        The final card, as in the bundle, and the evidence it rests on.

    Raises
    ------
    TypeError
        If the study's candidate is not a learned model.
    RefusedPurpose
        If there is no purpose of the closed list, or no reference.
    ValueError
        If there is no contact, and this is no demonstration.
    DisclosureError
        If something in the bundle tells of single people, or of few.
    """
    mandate = Mandate(study.purpose, reference)
    if not demonstration and not (contact and contact.strip()):
        raise ValueError("no contact: say where whoever reads the card may write to those who answer for it")
    steps = steps or Steps(TRAIN_STEPS)
    with tracking.tracked(study, redo) as run_id:
        found = _compare(study, records, folder, mandate, (), seed, resamples, steps)
        members, X = found.members, found.X
        clusters = members.index[study.clusters].to_numpy()

        with steps(f"For whom: fairness audit of {study.candidate} by {', '.join(study.sensitive)}") as step:
            audited = audit(
                found.predictions[study.candidate].to_numpy(),
                members.followup,
                study.outcome.horizon,
                with_pairs(found.groups, int((members.followup.cause == EVENT).sum())),
                clusters,
                study.tolerances,
                study.thresholds,
                resamples,
                seed,
                comparator=found.predictions[study.comparator].to_numpy(),
                recorded=pd.DataFrame({"inputs_missing": X[list(study.features)].isna().mean(axis=1)}),
                progress=step.named_progress,
            )

        with steps(f"Why: {study.candidate} fitted on everybody, explained"):
            candidate = _fitted(study, found)
            explanation = explain(
                candidate,
                X,
                study.features,
                seed=seed,
                refits=refitted(candidate, X, members.followup, clusters, REFITS, seed),
                groups=found.groups,
            )

        bundle = folder / "bundle"
        with steps("What the committee reads: model card"):
            if bundle.exists():
                shutil.rmtree(bundle)
            artefact.save(
                artefact.Artefact(
                    study.name,
                    candidate,
                    study.features,
                    study.cohort.criteria,
                    study.required,
                    study.comparator,
                    study.scale,
                ),
                bundle / "model",
                X,
            )
            learned_from = _learned_from(study, records, found)
            drawn_up = draft(
                Run(
                    study=study,
                    mandate=mandate,
                    records=records,
                    members=members,
                    X=X,
                    model=candidate,
                    model_digest=digest_folder(bundle / "model"),
                    evidence=found.evidence,
                    audit=audited,
                    explanation=explanation,
                    monitoring=learned_from,
                    run_id=run_id,
                    created_at=datetime.now(UTC).replace(microsecond=0, tzinfo=None),
                    demonstration=demonstration,
                    contact=contact,
                    replaces=tracking.latest(study),
                )
            ).final()
            (bundle / "card.json").write_text(drawn_up.to_json(), encoding="utf-8")
            for name, document in (
                ("evidence", found.evidence),
                ("audit", audited),
                ("explanation", explanation),
                ("monitoring", learned_from),
            ):
                (bundle / f"{name}.json").write_text(document.to_json(), encoding="utf-8")
            decision = _demonstration_decision(drawn_up, bundle) if demonstration else None
            write_documents(bundle, drawn_up, found.evidence, audited, explanation, decision)
            if leaks := scan(bundle, _extremes(X[list(study.features)])):
                lines = "\n".join(f"- {leak}" for leak in leaks)
                raise DisclosureError(
                    f"nothing of this bundle may leave: it tells of single people or of few:\n{lines}"
                )

        with steps("For the record: MLflow"):
            tracking.log_audit(audited)
            tracking.log_figures(figures(found.evidence, explanation))
            tracking.register(study, run_id, drawn_up, bundle, approved=decision is not None)
    return Made(drawn_up, found.evidence)


def _compare(
    study: Study,
    records: Records,
    folder: Path,
    mandate: Mandate,
    only: Sequence[str],
    seed: int,
    resamples: int,
    steps: Steps,
) -> Compared:
    """Make features and evidence, and log both."""
    models = _asked(study, only, seed)
    tracking.log_beginning(
        study, records, mandate, {"seed": seed, "resamples": resamples, "models": [m.name for m in models]}
    )

    with steps(f"Who: cohort {study.cohort.name}, outcome {study.outcome.name}") as step:
        members = study.cohort.members(records, study.outcome, step.progress)
        people = members.index["patient"].nunique()
        step.note(f"{people:,} people, {len(members.index):,} landmarks")
    tracking.log_members(members)

    with steps(f"What was known: {len(study.read)} features") as step:
        X = FeatureStore(folder / "features", records).frame(study.read, members.index, step.progress)
        groups = study.groups(compute(study.sensitive, records, members.index))
        index = members.index
        if "region" in groups:
            index = index.assign(region=groups["region"].fillna(UNKNOWN))
        step.note(f"{len(X):,} rows, fingerprint {study.read.fingerprint[:12]}")

    with steps(f"What can be claimed: {', '.join(m.name for m in models)}, judged on people no model saw") as step:
        evidence, predictions = validate(
            study.name,
            models,
            X,
            members.followup,
            index,
            study.splits,
            study.outcome.horizon,
            study.thresholds,
            study.comparator,
            resamples,
            seed,
            step.named_progress,
            decision_range=study.decision_range,
            clusters=study.clusters,
            also=_possible(study.also, index, step),
            also_of=() if only else (study.comparator, study.candidate),
            rule=study.rule if not only else None,
            robustness=study.robustness if not only else None,
            predictors=len(study.features),
        )
    page = comparison_page(evidence, study)
    (folder / "comparison.html").write_text(page, encoding="utf-8")
    tracking.log_evidence(evidence, models, page)
    return Compared(members, X, groups, models, evidence, predictions)


def _possible(also: Sequence[Split], index: pd.DataFrame, step: Step) -> list[Split]:
    """Return the ways to hold people out that these records allow, and say why another is not."""
    possible = []
    for splits in also:
        try:
            list(splits.split(index))
        except ValueError as error:
            step.say(f"not judged otherwise: {error}")
        else:
            possible.append(splits)
    return possible


def _asked(study: Study, only: Sequence[str], seed: int) -> Sequence[RiskModel]:
    """Return the study's models, or those asked for and the comparator."""
    models = study.models(seed)
    names = [model.name for model in models]
    if unknown := [name for name in only if name not in names]:
        raise ValueError(f"{study.name} has no model {', '.join(map(repr, unknown))}: choose among {', '.join(names)}")
    return [model for model in models if not only or model.name in (*only, study.comparator)]


def _fitted(study: Study, found: Compared) -> Learned:
    """Return the candidate, fitted on everybody: of a search, what it found."""
    candidate = next(model for model in found.models if model.name == study.candidate)
    fitted = candidate.fit_grouped(found.X, found.members.followup, found.members.index)
    if isinstance(fitted, Tuned):
        tracking.log_trials(fitted)
        fitted = fitted.model_
    if not isinstance(fitted, Learned):
        raise TypeError(f"{study.candidate} is not a learned model: choose another candidate")
    return fitted


def _learned_from(study: Study, records: Records, found: Compared) -> monitoring.Reference:
    """Return whom the candidate was learned from, as monitoring compares those it is used for with."""
    index = found.members.index
    met = compute(study.required, records, index) == 1.0
    risk = found.predictions[study.candidate].where(met.all(axis=1)).to_numpy()
    practices = index["practice"].to_numpy(dtype=object)
    seen = monitoring.Seen(practices, found.X[list(study.features)], found.groups, ~met, risk)
    return monitoring.reference(study, seen)


def _extremes(X: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Return the smallest and largest value of each number that is measured: each may be one person's."""
    numbers = X.select_dtypes("number")
    return {
        str(name): (float(column.min()), float(column.max()))
        for name, column in numbers.items()
        if column.notna().any()
    }


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


def headline(evidence: Evidence, study: Study) -> list[str]:
    """Return the lines a person reads at the end of a run: who was seen, and each model with intervals."""
    lines = [
        f"{_count(evidence.people)} people, {_count(evidence.landmarks)} landmarks, {_count(evidence.events)} events, "
        f"{_count(evidence.competing)} competing, {_count(evidence.censored)} left before the horizon",
        "",
        f"{'':28}{'n':>8}  {'AUC':24}{'observed/expected':24}IPA",
    ]
    for model in evidence.models:
        found = {e.measure: e for e in model.estimates if e.threshold is None}
        cells = [_cell(found[measure]) for measure in ("auc", "observed_expected", "ipa") if measure in found]
        lines.append(f"{model.name:28}{_count(model.scored):>8}  {''.join(f'{cell:24}' for cell in cells)}".rstrip())
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

"""The whole job, small: from records to an approved bundle in the registry; and on a real cohort."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient
from optuna.distributions import FloatDistribution
from sklearn.linear_model import LogisticRegression

from features.digests import digest_folder
from features.purpose import RefusedPurpose
from features.records import Records
from features.sources.cohorts import framingham
from features.synthetic import synthesise
from training.__main__ import main
from training.card import ModelCard
from training.committee import Ledger, demonstration_keys
from training.models import CensoringWeighted
from training.published.comparators import score2
from training.run import compare, headline, run
from training.studies import CARDIOVASCULAR, FRAMINGHAM, SCREENING_BREAST, Study
from training.tuning import Tuned
from training.validate import Rule
from training.values import Bilingual

LOGGED = (
    "bundle",
    "figures",
    "study.json",
    "comparison.html",
    "evidence.json",
    "attrition.json",
    "features.html",
    "environment.txt",
)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]
ROOT = Path(__file__).parents[2]


def small(study: Study) -> Study:
    """Return a study with three of its models, judged in one way: what else a run makes is the same."""
    kept = {study.comparator, study.candidate, "logistic_regression"}
    return dataclasses.replace(
        study,
        models=lambda seed: [model for model in study.models(seed) if model.name in kept],
        also=(),
        rule=Rule(),
        robustness=None,
    )


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> Records:
    return synthesise(tmp_path_factory.mktemp("records") / "store", patients=4000, seed=3)


@pytest.fixture
def tracking(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    yield MlflowClient()
    mlflow.set_tracking_uri(None)


def test_from_records_to_an_approved_bundle(records, tracking, tmp_path):
    made = run(CARDIOVASCULAR, records, tmp_path / "out", reference="CSE-1", resamples=20, demonstration=True)
    bundle = tmp_path / "out" / "bundle"
    found = ModelCard.from_json((bundle / "card.json").read_bytes())
    assert found.holes() == []
    assert found.digest == made.card.digest
    assert found.traceability.model_digest == digest_folder(bundle / "model")
    status = Ledger(bundle / "ledger.jsonl").status(found.digest, found.identity.created_at, demonstration_keys())
    assert status.kind == "approved"
    assert status.demonstration
    for page in ("card.fr.html", "card.en.html"):
        assert "MONSTRATION" in (bundle / page).read_text(encoding="utf-8")

    version = tracking.get_model_version_by_alias("vigie-cardiovascular", "approved")
    logged = tracking.get_run(version.run_id).data
    assert logged.tags["vigie.records"] == records.digest
    assert logged.tags["vigie.features"] == CARDIOVASCULAR.features.fingerprint
    assert logged.tags["vigie.card"] == found.digest == version.tags["vigie.card"]
    auc = next(e for e in found.performance.discrimination if e.measure == "auc")
    assert logged.metrics["seen.people"] == made.evidence.people
    experiment = tracking.get_run(version.run_id).info.experiment_id
    of_models = tracking.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{version.run_id}'")
    by_model = {child.info.run_name: child.data.metrics for child in of_models}
    assert set(by_model) == {model.name for model in CARDIOVASCULAR.models(0)}  # rows of one table, the same columns
    assert by_model["lightgbm"]["auc"] == pytest.approx(auc.value, abs=1e-5)
    for name in ("score2", "logistic_regression", "lightgbm", "lightgbm_full"):
        metrics = by_model[name]
        assert metrics["auc.low"] < metrics["auc"] < metrics["auc.high"]
    asked = {"minus_score2.auc", "net_benefit.at_10_percent", "by_region.auc", "by_period.observed_expected"}
    assert asked <= set(by_model["lightgbm"])
    settings = next(child for child in of_models if child.info.run_name == "lightgbm").data.params
    assert settings["num_leaves"] == "4"
    used = {each.dataset.name: each.dataset.digest for each in tracking.get_run(version.run_id).inputs.dataset_inputs}
    assert used["records"] == records.digest[:36]
    paths = {f.path for f in tracking.list_artifacts(version.run_id)}
    assert set(LOGGED) <= paths
    assert (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert not list(tmp_path.rglob("*.pkl"))
    assert "lightgbm" in "\n".join(headline(made.evidence, CARDIOVASCULAR))


def test_two_runs_give_the_same_bytes(records, tracking, tmp_path):
    for name in ("one", "two"):
        run(small(CARDIOVASCULAR), records, tmp_path / name, reference="CSE-1", resamples=5, contact="cse@example.org")
    one, two = (tmp_path / name / "bundle" for name in ("one", "two"))
    assert digest_folder(one / "model") == digest_folder(two / "model")
    for name in ("evidence", "audit", "explanation"):
        assert (one / f"{name}.json").read_bytes() == (two / f"{name}.json").read_bytes()
    assert not (one / "ledger.jsonl").exists()
    first, second = (ModelCard.from_json((bundle / "card.json").read_bytes()) for bundle in (one, two))
    assert first.identity.changes.reason.en == "First version."
    assert second.identity.changes.en.startswith(f"Replaces version 1 of the registry (card {first.digest[:12]})")


def test_a_real_cohort(shared, tracking, tmp_path):
    records = framingham(shared("data/framingham/framingham_longitudinal.csv"), tmp_path / "records")
    made = run(FRAMINGHAM, records, tmp_path / "out", reference="CSE-1", resamples=20, demonstration=True)
    assert made.evidence.people == 4215
    models = {m.name: {e.measure: e for e in m.estimates} for m in made.evidence.models}
    assert set(models) == {model.name for model in FRAMINGHAM.models(0)}
    for name in ("logistic_regression", "lightgbm"):
        assert 0.72 < models[name]["auc"].value < 0.80
        assert 0.9 < models[name]["observed_expected"].value < 1.1
    assert models["score2"]["auc"].low > 0.65


def test_the_command_line_says_what_is_missing(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "training",
            "train",
            "--study",
            FRAMINGHAM.name,
            "--path",
            "nowhere.csv",
            "--contact",
            "cse@example.org",
            "--folder",
            tmp_path,
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 4
    assert "nowhere.csv" in done.stderr
    assert "Traceback" not in done.stderr
    helped = subprocess.run([sys.executable, "-m", "training", "--help"], capture_output=True, text=True, cwd=ROOT)
    assert "exit codes" in helped.stdout


def test_a_comparison_registers_nothing(records, tracking, tmp_path):
    evidence = compare(
        SCREENING_BREAST,
        records,
        tmp_path / "out",
        reference="CSE-1",
        only=["due_date"],
        resamples=5,
        redo="python -m training …",
    )
    assert [model.name for model in evidence.models] == ["last_participations", "due_date"]
    assert (tmp_path / "out" / "comparison.html").exists()
    experiment = tracking.get_experiment_by_name("vigie-screening-breast")
    (parent,) = (
        found
        for found in tracking.search_runs([experiment.experiment_id])
        if "mlflow.parentRunId" not in found.data.tags
    )
    assert parent.data.tags["vigie.redo"] == "python -m training …"
    assert tracking.search_registered_models() == []
    assert parent.data.tags["vigie.purpose"] == "research"
    assert parent.data.tags["vigie.reference"] == "CSE-1"
    with pytest.raises(RefusedPurpose, match="no committee's reference"):
        compare(SCREENING_BREAST, records, tmp_path / "out", reference="")
    with pytest.raises(ValueError, match=r"no model 'lightgmb': choose among last_participations, due_date"):
        compare(SCREENING_BREAST, records, tmp_path / "out", reference="CSE-1", only=["lightgmb"])


def test_a_search_leaves_its_trials_and_what_it_found(records, tracking, tmp_path):
    def models(seed):
        tuned = Tuned(
            lambda settings: CensoringWeighted(
                LogisticRegression(C=settings["C"], max_iter=1000, random_state=seed),
                name="tuned",
                title=Bilingual.same("tuned"),
                reads=["age", "female"],
            ),
            {"C": FloatDistribution(0.01, 10, log=True)},
            name="tuned",
            title=Bilingual.same("tuned"),
            trials=3,
        )
        return (score2(), tuned)

    features = CARDIOVASCULAR.features.only("age", "female")
    study = dataclasses.replace(
        CARDIOVASCULAR, features=features, models=models, candidate="tuned", also=(), rule=Rule(), robustness=None
    )
    made = run(study, records, tmp_path / "out", reference="CSE-1", resamples=5, contact="cse@example.org")
    logged = tracking.get_run(made.card.traceability.mlflow_run_id)
    assert float(logged.data.params["tuned.C"]) > 0
    assert [f.path for f in tracking.list_artifacts(logged.info.run_id, "trials")] == ["trials/tuned.csv"]


def test_figures_and_cards_name_no_patient(records, tracking, tmp_path):
    run(small(CARDIOVASCULAR), records, tmp_path / "out", reference="CSE-1", resamples=5, demonstration=True)
    patients = {p for shard in records for p in shard.patients}
    text = "".join(f.read_text("utf-8") for f in (tmp_path / "out" / "bundle").glob("*.json"))
    assert not [p for p in patients if f'"{p}"' in text]
    assert json.loads((tmp_path / "out" / "bundle" / "card.json").read_text("utf-8"))


def test_a_card_that_is_no_demonstration_needs_whom_to_write_to(records, tmp_path, capsys):
    with pytest.raises(ValueError, match="no contact"):
        run(small(CARDIOVASCULAR), records, tmp_path, reference="CSE-1")
    assert main(["train", "--patients", "10", "--folder", str(tmp_path)]) == 2
    assert "--contact" in capsys.readouterr().err

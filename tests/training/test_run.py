"""The whole job, small: from records to an approved bundle in the registry; and on a real cohort."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from features.digests import digest_folder
from features.records import Records
from features.sources.cohorts import framingham
from features.synthetic import synthesise
from training.card import ModelCard
from training.committee import Ledger, demonstration_keys
from training.run import headline, run
from training.studies import CARDIOVASCULAR, FRAMINGHAM

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]
ROOT = Path(__file__).parents[2]


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
    made = run(CARDIOVASCULAR, records, tmp_path / "out", resamples=20, demonstration=True)
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
    assert set(by_model) == {"score2", "logistic_regression", "lightgbm"}  # rows of one table, with the same columns
    assert by_model["lightgbm"]["auc"] == pytest.approx(auc.value, abs=1e-5)
    for metrics in by_model.values():
        assert metrics["auc.low"] < metrics["auc"] < metrics["auc.high"]
    assert {"minus_score2.auc", "net_benefit.at_10_percent"} <= set(by_model["lightgbm"])
    paths = {f.path for f in tracking.list_artifacts(version.run_id)}
    assert {"bundle", "figures", "study.json", "comparison.html"} <= paths
    assert (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert not list(tmp_path.rglob("*.pkl"))
    assert "lightgbm" in "\n".join(headline(made.evidence, CARDIOVASCULAR))


def test_two_runs_give_the_same_bytes(records, tracking, tmp_path):
    for name in ("one", "two"):
        run(CARDIOVASCULAR, records, tmp_path / name, resamples=5)
    one, two = (tmp_path / name / "bundle" for name in ("one", "two"))
    assert digest_folder(one / "model") == digest_folder(two / "model")
    for name in ("evidence", "audit", "explanation"):
        assert (one / f"{name}.json").read_bytes() == (two / f"{name}.json").read_bytes()
    assert not (one / "ledger.jsonl").exists()


def test_a_real_cohort(shared, tracking, tmp_path):
    records = framingham(shared("data/framingham/framingham_longitudinal.csv"), tmp_path / "records")
    made = run(FRAMINGHAM, records, tmp_path / "out", resamples=20, demonstration=True)
    assert made.evidence.people == 4215
    models = {m.name: {e.measure: e for e in m.estimates} for m in made.evidence.models}
    assert set(models) == {"score2", "framingham_2008", "logistic_regression", "lightgbm"}
    for name in ("logistic_regression", "lightgbm"):
        assert 0.72 < models[name]["auc"].value < 0.80
        assert 0.9 < models[name]["observed_expected"].value < 1.1
    assert models["score2"]["auc"].low > 0.65


def test_the_command_line_says_what_is_missing():
    done = subprocess.run(
        [sys.executable, "-m", "training", "run", "--source", "framingham", "--path", "nowhere.csv"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 4
    assert "nowhere.csv" in done.stderr
    assert "Traceback" not in done.stderr
    helped = subprocess.run([sys.executable, "-m", "training", "--help"], capture_output=True, text=True, cwd=ROOT)
    assert "exit codes" in helped.stdout


def test_figures_and_cards_name_no_patient(records, tracking, tmp_path):
    run(CARDIOVASCULAR, records, tmp_path / "out", resamples=5, demonstration=True)
    patients = {p for shard in records for p in shard.patients}
    text = "".join(f.read_text("utf-8") for f in (tmp_path / "out" / "bundle").glob("*.json"))
    assert not [p for p in patients if f'"{p}"' in text]
    assert json.loads((tmp_path / "out" / "bundle" / "card.json").read_text("utf-8"))

from __future__ import annotations

import io
import json
import re
import zipfile

import joblib
import numpy as np
import pytest

from features.catalogue.cardiovascular import ADULTS_40_TO_79, CARDIOVASCULAR, FRAMINGHAM, REQUIRED_MEASUREMENTS
from features.digests import canonical, digest_folder
from tests.training.people import HORIZON, features, followup
from training.artefact import Artefact, UnusableModel, load, save
from training.explain import explain
from training.models import gradient_boosting, logistic_regression

X = features(3000)
FOLLOWUP = followup(X)


def made(kind):
    model = logistic_regression() if kind == "logistic_regression" else gradient_boosting(CARDIOVASCULAR)
    return Artefact(
        "cardiovascular",
        model.fit(X, FOLLOWUP),
        CARDIOVASCULAR,
        ADULTS_40_TO_79,
        REQUIRED_MEASUREMENTS,
        "score2",
    )


@pytest.fixture(params=["logistic_regression", "lightgbm"])
def saved(request, tmp_path):
    artefact = made(request.param)
    save(artefact, tmp_path / "model", X)
    return artefact, tmp_path / "model"


def test_a_model_comes_back_the_same(saved):
    artefact, folder = saved
    again = load(folder)
    np.testing.assert_array_equal(again.model.risk(X, HORIZON), artefact.model.risk(X, HORIZON))
    np.testing.assert_array_equal(again.model.incidence(X, [3.0]), artefact.model.incidence(X, [3.0]))
    assert again.features.fingerprint == artefact.features.fingerprint
    assert again.population.fingerprint == ADULTS_40_TO_79.fingerprint


def test_the_same_model_is_the_same_bytes(saved, tmp_path):
    artefact, folder = saved
    save(made(artefact.model.name), tmp_path / "again", X)
    assert digest_folder(folder) == digest_folder(tmp_path / "again")


def test_no_extreme_of_the_training_data_is_in_the_file(saved):
    _, folder = saved
    text = zipfile.ZipFile(folder / "event.skops").read("schema.json").decode()
    assert not re.search(r"feature_infos=[^\\]*\[(?!-1e\+308)", text)
    for name in ("age", "systolic", "bmi"):
        assert repr(float(X[name].max())) not in text


def test_golden_inputs_are_nobody(saved):
    _, folder = saved
    golden = json.loads((folder / "golden.json").read_bytes())["inputs"]
    people = {tuple(row) for row in X.astype(object).where(X.notna(), None).to_numpy().tolist()}
    assert len(golden) == 24
    assert not people & {tuple(row) for row in golden}


def test_a_model_that_answers_differently_is_refused(saved):
    _, folder = saved
    golden = json.loads((folder / "golden.json").read_bytes())
    golden["answers"][0][1] += 1e-6
    (folder / "golden.json").write_bytes(canonical(golden))
    with pytest.raises(UnusableModel, match="no longer gives the answers"):
        load(folder)


def test_other_features_are_refused(saved):
    _, folder = saved
    (folder / "features.json").write_bytes(FRAMINGHAM.to_json())
    with pytest.raises(UnusableModel, match="not the features"):
        load(folder)


def test_a_missing_file_is_refused(saved):
    _, folder = saved
    (folder / "population.json").unlink()
    with pytest.raises(UnusableModel, match="missing or cannot be read"):
        load(folder)


def test_a_pickle_in_place_of_a_model_is_refused_and_never_run(saved, tmp_path):
    _, folder = saved

    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "payload-ran"), "w"))

    buffer = io.BytesIO()
    joblib.dump(Payload(), buffer)
    (folder / "event.skops").write_bytes(buffer.getvalue())
    with pytest.raises(UnusableModel, match=r"event.skops cannot be loaded"):
        load(folder)
    assert not (tmp_path / "payload-ran").exists()


def test_a_type_that_is_not_trusted_is_refused(saved):
    _, folder = saved
    source = zipfile.ZipFile(folder / "event.skops")
    schema = source.read("schema.json").replace(b'"__module__":"numpy"', b'"__module__":"os"', 1)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            target.writestr(name, schema if name == "schema.json" else source.read(name))
    (folder / "event.skops").write_bytes(buffer.getvalue())
    with pytest.raises(UnusableModel, match="cannot be loaded"):
        load(folder)


def test_a_model_folder_is_written_once(saved):
    artefact, folder = saved
    with pytest.raises(FileExistsError, match="written once"):
        save(artefact, folder, X)


@pytest.mark.parametrize("kind", ["logistic_regression", "lightgbm"])
def test_shap_agrees_with_the_reasons_of_the_service(kind):
    explanation = explain(made(kind).model, X, CARDIOVASCULAR)
    assert explanation.additivity < 1e-6
    assert explanation.importance[0].feature == "age"
    assert sum(item.share for item in explanation.importance) == pytest.approx(1)
    assert all(n >= 11 for item in explanation.dependence for n in item.n)
    again = type(explanation).from_json(explanation.to_json())
    assert again.to_json() == explanation.to_json()


def test_shap_values_that_do_not_add_up_are_not_reported(monkeypatch):
    model = made("lightgbm").model
    monkeypatch.setattr(model, "contributions", lambda X: (0.0, X * 0.0))
    with pytest.raises(ValueError, match="nothing above"):
        explain(model, X, CARDIOVASCULAR)

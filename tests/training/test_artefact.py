from __future__ import annotations

import io
import json
import re
import shutil
import zipfile

import joblib
import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier

from features.catalogue.cardiovascular import ADULTS_40_TO_79, CARDIOVASCULAR, FRAMINGHAM, REQUIRED_MEASUREMENTS
from features.catalogue.concepts import SMOKING_STATUS
from features.digests import canonical, digest_folder
from features.feature_set import FeatureSet
from features.language import age, latest
from features.outcome import FollowUp
from tests.training import people
from tests.training.people import HORIZON, features, followup
from training.artefact import Artefact, UnusableModel, load, save
from training.explain import explain
from training.models import (
    CensoringWeighted,
    CompetingCox,
    Recalibrated,
    StackedHazard,
    gradient_boosting,
    logistic_regression,
    stacked_gradient_boosting,
    stacked_logistic_regression,
)
from training.published.comparators import score2
from training.scales import ESC_2021
from training.validate import refitted
from training.values import Bilingual

N = 800
X = features(N)
FOLLOWUP = followup(X)
INDEX = pd.DataFrame({"patient": np.arange(N), "practice": np.arange(N) % 20})
KINDS = {
    "logistic_regression": logistic_regression,
    "lightgbm": lambda: gradient_boosting(CARDIOVASCULAR),
    "stacked_logistic_regression": stacked_logistic_regression,
    "stacked_lightgbm": lambda: stacked_gradient_boosting(CARDIOVASCULAR),
    "competing_cox": CompetingCox,
    "recalibrated": lambda: Recalibrated(CompetingCox(), "slope"),
    "recalibrated_isotonic": lambda: Recalibrated(logistic_regression(), "isotonic"),
}


def made(kind):
    return Artefact(
        "cardiovascular",
        KINDS[kind]().fit_grouped(X, FOLLOWUP, INDEX),
        CARDIOVASCULAR,
        ADULTS_40_TO_79,
        REQUIRED_MEASUREMENTS,
        "score2",
        ESC_2021,
    )


class Kept(dict):
    """What is made when it is first asked for."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def __missing__(self, kind):
        self[kind] = self.make(kind)
        return self[kind]


@pytest.fixture(scope="module")
def artefacts():
    return Kept(made)


@pytest.fixture(scope="module")
def folders(artefacts, tmp_path_factory):
    """Where each is saved, not to be altered."""

    def write(kind):
        folder = tmp_path_factory.mktemp(kind) / "model"
        save(artefacts[kind], folder, X)
        return folder

    return Kept(write)


@pytest.fixture(params=["logistic_regression", "lightgbm"])
def saved(request, tmp_path, artefacts, folders):
    shutil.copytree(folders[request.param], tmp_path / "model")
    return artefacts[request.param], tmp_path / "model"


#: Of each way to learn, the one that others are made of, and what else there is among the slow tests.
ONE_OF_EACH = ("logistic_regression", "lightgbm", "competing_cox")
FEW = [kind if kind in ONE_OF_EACH else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]


@pytest.fixture(params=FEW)
def any_saved(request, artefacts, folders):
    return request.param, artefacts[request.param], folders[request.param]


def test_a_model_comes_back_the_same(any_saved):
    kind, artefact, folder = any_saved
    again = load(folder)
    assert type(again.model) is type(KINDS[kind]())
    assert (again.model.name, again.model.title) == (artefact.model.name, artefact.model.title)
    times = [0.5, 3.0, HORIZON]
    np.testing.assert_array_equal(again.model.incidence(X, times), artefact.model.incidence(X, times))
    for found, expected in zip(again.model.contributions(X), artefact.model.contributions(X), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert again.features.fingerprint == artefact.features.fingerprint
    assert again.population.fingerprint == ADULTS_40_TO_79.fingerprint


@pytest.mark.parametrize("kind", FEW)
def test_the_same_model_is_the_same_bytes(kind, folders, tmp_path):
    save(made(kind), tmp_path / "again", X)
    assert digest_folder(folders[kind]) == digest_folder(tmp_path / "again")


def test_no_extreme_of_the_training_data_is_in_the_file(any_saved):
    _, _, folder = any_saved
    texts = [zipfile.ZipFile(file).read("schema.json").decode() for file in folder.glob("*.skops")]
    texts.append((folder / "model.json").read_text())
    for text in texts:
        assert not re.search(r"feature_infos=[^\\]*\[(?!-1e\+308)", text)
        for name in ("age", "systolic", "bmi"):
            assert repr(float(X[name].max())) not in text
    durations = {repr(duration) for duration in FOLLOWUP.duration[FOLLOWUP.duration < HORIZON].tolist()}
    assert not durations & set(re.findall(r"[\d.]+", texts[-1]))


def test_what_cannot_be_kept_or_explained_is_for_comparison_only(tmp_path):
    published = Recalibrated(score2(), "intercept").fit_grouped(X, FOLLOWUP, INDEX)
    trees = LGBMClassifier(n_estimators=40, n_jobs=1, verbose=-1)
    changing = StackedHazard(trees, name="changing", title=Bilingual.same("changing")).fit(X, FOLLOWUP)
    for model, why in ((published, "for comparison only: a Recalibrated of PublishedModel"), (changing, "change over")):
        artefact = Artefact("study", model, CARDIOVASCULAR, ADULTS_40_TO_79, REQUIRED_MEASUREMENTS, "score2", ESC_2021)
        with pytest.raises(TypeError, match=why):
            save(artefact, tmp_path / "model", X)
        assert not (tmp_path / "model").exists()


def test_a_model_recalibrated_by_a_state_comes_back_the_same(tmp_path, monkeypatch):
    """Regions are a state like any other: here the smoking status."""
    monkeypatch.setattr(Recalibrated, "LEAST_EVENTS", 20)
    features = FeatureSet("by-state", age=age(), smoking=latest(SMOKING_STATUS))
    states = features["smoking"].node.type.names
    random = np.random.default_rng(0)
    many = people.features(2000)
    smoking = pd.Categorical.from_codes(random.integers(-1, len(states), len(many)), categories=states)
    smokers = pd.DataFrame({"age": many["age"], "smoking": smoking})
    index = pd.DataFrame({"patient": np.arange(2000), "practice": np.arange(2000) % 20})
    model = Recalibrated(logistic_regression(), "slope", by="smoking").fit_grouped(
        smokers, people.followup(many), index
    )
    assert len(model.own_) >= 2
    artefact = Artefact("study", model, features, ADULTS_40_TO_79, REQUIRED_MEASUREMENTS, "score2", ESC_2021)
    save(artefact, tmp_path / "model", smokers)
    np.testing.assert_array_equal(load(tmp_path / "model").model.risk(smokers, HORIZON), model.risk(smokers, HORIZON))


def test_another_format_is_refused(saved):
    _, folder = saved
    about = json.loads((folder / "model.json").read_bytes())
    (folder / "model.json").write_bytes(canonical(about | {"format": 1}))
    with pytest.raises(UnusableModel, match="not of format 4"):
        load(folder)


def test_golden_inputs_are_nobody(saved):
    _, folder = saved
    golden = json.loads((folder / "golden.json").read_bytes())["inputs"]
    people = {tuple(row) for row in X.astype(object).where(X.notna(), None).to_numpy().tolist()}
    assert len(golden) == 24
    assert not people & {tuple(row) for row in golden}


def test_a_model_that_answers_differently_is_refused(saved):
    _, folder = saved
    golden = json.loads((folder / "golden.json").read_bytes())
    golden["answers"][0][1][0] += 1e-6
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


@pytest.mark.parametrize("kind", FEW)
@pytest.mark.slow
def test_shap_agrees_with_the_reasons_of_the_service(kind, artefacts):
    explanation = explain(artefacts[kind].model, X, CARDIOVASCULAR)
    assert explanation.additivity < 1e-6
    assert explanation.importance[0].feature == "age"
    assert sum(item.share for item in explanation.importance) == pytest.approx(1)
    assert all(n >= 11 for item in explanation.dependence for n in item.n)
    again = type(explanation).from_json(explanation.to_json())
    assert again.to_json() == explanation.to_json()


@pytest.mark.slow
def test_importance_comes_with_its_spread_over_refits_and_effects_by_group(artefacts):
    model = artefacts["lightgbm"].model
    groups = pd.DataFrame({"sex": np.where(X["female"] == 1, "female", "male"), "few": ["few"] * 5 + [None] * (N - 5)})
    refits = refitted(model, X, FOLLOWUP, INDEX["practice"], 8)
    explanation = explain(model, X, CARDIOVASCULAR, refits=refits, groups=groups, rows=600)
    assert explanation.refits == 8
    assert all(item.low <= item.high for item in explanation.importance)
    age = explanation.importance[0]
    assert 0 < age.low < age.mean_abs * 1.5
    assert age.high > age.mean_abs * 0.7
    by_group = {(each.attribute, each.group): each for each in explanation.groups}
    assert set(by_group) == {("sex", "female"), ("sex", "male")}  # nobody is shown in a group of five
    total = sum(each.n * each.effects["age"] for each in explanation.groups) / 600
    values = model.contributions(X.sample(600, random_state=0))[1]["age"]
    assert total == pytest.approx(values.mean(), abs=1e-9)


@pytest.mark.slow
def test_interactions_are_found_where_they_are_and_nowhere_else(artefacts):
    """Two features that matter only together, and a third that does not."""
    random = np.random.default_rng(0)
    frame = X.copy()
    frame["smoker"], frame["diabetes"] = random.integers(0, 2, (2, len(X))).astype(float)
    risk = np.where((frame["smoker"] == 1) & (frame["diabetes"] == 1), 0.8, 0.1)
    cause = np.where(random.random(len(X)) < risk, 1, 0).astype(np.int8)
    seen = FollowUp(np.where(cause == 1, 5.0, 10.0), cause, np.where(cause == 1, 0, 2).astype(np.int8), 10.0)
    estimator = LGBMClassifier(n_estimators=30, num_leaves=6, verbose=-1, n_jobs=1)
    model = CensoringWeighted(
        estimator, name="pair", title=Bilingual.same("pair"), reads=["age", "smoker", "diabetes"]
    ).fit(frame, seen)
    first = explain(model, frame, CARDIOVASCULAR).interactions[0]
    assert {first.feature, first.other} == {"smoker", "diabetes"}
    assert explain(artefacts["logistic_regression"].model, X, CARDIOVASCULAR).interactions == ()


def test_shap_values_that_do_not_add_up_are_not_reported(monkeypatch, artefacts):
    model = artefacts["lightgbm"].model
    monkeypatch.setattr(model, "contributions", lambda X: (0.0, X * 0.0))
    with pytest.raises(ValueError, match="nothing above"):
        explain(model, X, CARDIOVASCULAR)

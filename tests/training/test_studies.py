"""Studies are declarations that hold together; each is run, small, from records to evidence."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from features.catalogue.cardiovascular import CARDIOVASCULAR_FULL
from features.outcome import COMPETING, EVENT
from features.records import Records
from features.store import compute
from features.synthetic import synthesise
from training.measures import MEASURES
from training.published.comparators import SHOWN, PublishedModel
from training.splits import InternalExternal
from training.studies import CARDIOVASCULAR, FRAMINGHAM, STUDIES, Study
from training.validate import validate

SYNTHETIC = [study for study in STUDIES.values() if study is not FRAMINGHAM]


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> Records:
    return synthesise(tmp_path_factory.mktemp("records") / "store", patients=8000, seed=11)


@pytest.mark.parametrize("study", STUDIES.values(), ids=lambda study: study.name)
def test_a_study_names_what_it_has(study: Study) -> None:
    names = [model.name for model in study.models(0)]
    assert len(names) == len(set(names))
    assert study.candidate in names
    assert study.comparator in names
    assert set(study.rule.models) <= set(names)
    assert study.robustness is not None
    assert set(study.robustness.models) == {study.candidate}
    assert min(study.decision_range) <= min(study.thresholds) <= max(study.thresholds) <= max(study.decision_range)
    assert set(study.bands) <= set(study.sensitive)
    assert set(study.tolerances) <= set(MEASURES)
    for model in study.models(0):
        read = model.features if isinstance(model, PublishedModel) else model.reads
        assert read is not None, f"{model.name} reads whatever it is given"
        assert set(read) <= set(study.read), model.name
    candidate = next(model for model in study.models(0) if model.name == study.candidate)
    assert candidate.reads == tuple(study.features)
    assert study.comparator in SHOWN or not isinstance(
        next(model for model in study.models(0) if model.name == study.comparator), PublishedModel
    )


def test_a_study_whose_features_differ_from_what_is_read_is_refused() -> None:
    other = CARDIOVASCULAR_FULL.only(*(name for name in CARDIOVASCULAR_FULL if name != "bmi"))
    with pytest.raises(ValueError, match="not the same definition of bmi"):
        dataclasses.replace(CARDIOVASCULAR, read=other)


def test_groups_of_a_condition_are_yes_and_no() -> None:
    groups = CARDIOVASCULAR.groups(
        pd.DataFrame({"solidarity_cover": [1.0, np.nan, 0.0], "age_band": [44.0, 79.9, 39.0]})
    )
    assert groups.fillna("missing").to_numpy().T.tolist() == [["yes", "missing", "no"], ["40–49", "70–79", "missing"]]


@pytest.mark.slow
@pytest.mark.parametrize("study", SYNTHETIC, ids=lambda study: study.name)
def test_a_study_runs_from_records_to_evidence(study: Study, records: Records) -> None:
    members = study.cohort.members(records, study.outcome)
    causes = members.followup.cause
    assert (causes == EVENT).sum() > 10
    X = compute(study.read, records, members.index)
    groups = study.groups(compute(study.sensitive, records, members.index))
    assert groups.notna().any().all()
    models = [model for model in study.models(0) if model.name in {study.comparator, "logistic_regression"}]
    evidence, predictions = validate(
        study.name,
        models,
        X,
        members.followup,
        members.index,
        InternalExternal(by="practice", folds=2),
        study.outcome.horizon,
        study.thresholds,
        study.comparator,
        resamples=5,
    )
    assert evidence.events == (causes == EVENT).sum()
    assert evidence.competing in ((causes == COMPETING).sum(), None)
    assert ((predictions >= 0) & (predictions < 1) | predictions.isna()).all(axis=None)  # a rule may have seen none
    assert (predictions["logistic_regression"] > 0).all()
    learned = next(each for each in evidence.models if each.name == "logistic_regression")
    auc = next(each for each in learned.estimates if each.measure == "auc")
    assert auc.value > 0.55  # it has learned something
    assert np.isfinite(X.select_dtypes("number").to_numpy()).any()
    assert not pd.Index(X.columns).has_duplicates

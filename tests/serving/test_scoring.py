from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pytest

from features.records import History, Record
from serving.contract import Abstention, Risk
from serving.gate import Admitted, admit
from serving.openapi import request_of
from serving.reading import read
from serving.scoring import Frames, answers, score, score_many
from tests.serving.bundles import NOW, assemble, decide
from tests.serving.histories import AS_OF, shard
from training.committee import demonstration_key, demonstration_keys
from training.published.comparators import score2


@pytest.fixture(scope="module")
def patients():
    return shard(200)


@pytest.fixture
def history(admitted: Admitted) -> History:
    """The history of the example, for which there is a risk."""
    return example(admitted)


def example(admitted: Admitted) -> History:
    return read(request_of("risk"), admitted.concepts).history


EXAMPLE_AS_OF = request_of("risk").as_of


def test_batch_equals_online(admitted, patients):
    many = score_many(admitted, patients, patients.patients, AS_OF)
    one_by_one = [score(admitted, patients.history(patient), AS_OF) for patient in patients.patients]
    assert many == one_by_one
    assert [a.model_dump_json() for a in many] == [a.model_dump_json() for a in one_by_one]
    risks = [a for a in many if isinstance(a, Risk)]
    assert 50 < len(risks) < 150, "both answers must be well represented"


def test_the_order_of_a_batch_changes_nothing(admitted, patients):
    order = np.random.default_rng(1).permutation(patients.patients)[:50]
    straight = dict(zip(patients.patients, score_many(admitted, patients, patients.patients, AS_OF), strict=True))
    assert score_many(admitted, patients, order, AS_OF) == [straight[patient] for patient in order]


def test_who_is_unknown_is_abstained_from(admitted, patients):
    (answer,) = score_many(admitted, patients, np.array(["nobody"], dtype=object), AS_OF)
    assert isinstance(answer, Abstention)
    assert {"aged_40_to_79", "sex_known", "systolic_within_2_years"} <= {reason.code for reason in answer.reasons}


def test_nobody_is_no_answer(admitted, patients):
    assert score_many(admitted, patients, np.array([], dtype=object), AS_OF) == []


FUTURE = [
    ("LOINC:8480-6", 250.0),
    ("LOINC:14647-2", 15.0),
    ("CIM10:I21.0", None),
    ("PRACTICE:death", None),
    ("PRACTICE:left", None),
    ("PRACTICE:consultation", None),
]


@pytest.mark.parametrize(("happened", "known"), [(0, 0), (1, 1), (400, 400), (-10, 0), (-10, 5)])
def test_what_happened_or_became_known_later_changes_nothing(admitted, history, happened, known):
    before = score(admitted, history, EXAMPLE_AS_OF)
    later = tuple(
        Record(EXAMPLE_AS_OF + timedelta(days=happened), EXAMPLE_AS_OF + timedelta(days=known), code, value)
        for code, value in FUTURE
    )
    assert score(admitted, History(history.records + later), EXAMPLE_AS_OF) == before


def without(history: History, *codes: str) -> History:
    return History(tuple(r for r in history.records if r.code not in codes))


def with_record(history: History, code: str, days_ago: float, value: float | None = None) -> History:
    when = EXAMPLE_AS_OF - timedelta(days=days_ago)
    return History((*history.records, Record(when, when, code, value)))


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (lambda h: without(h, "PRACTICE:birth"), ["aged_40_to_79"]),
        (lambda h: without(h, "PRACTICE:female"), ["sex_known"]),
        (lambda h: without(h, "LOINC:8480-6"), ["systolic_within_2_years"]),
        (lambda h: without(h, "PRACTICE:registered"), ["still_registered", "registered_a_year"]),
        (lambda h: with_record(h, "CIM10:I21.4", 100), ["free_of_cardiovascular_disease"]),
        (lambda h: with_record(h, "PRACTICE:left", 10), ["still_registered"]),
        (lambda h: with_record(h, "PRACTICE:death", 10), ["alive"]),
        (lambda h: with_record(without(h, "PRACTICE:birth"), "PRACTICE:birth", 365.25 * 39.9), ["aged_40_to_79"]),
        (lambda h: with_record(without(h, "PRACTICE:birth"), "PRACTICE:birth", 365.25 * 80.1), ["aged_40_to_79"]),
        (
            lambda h: without(h, "PRACTICE:birth", "LOINC:8480-6", "PRACTICE:female"),
            ["aged_40_to_79", "sex_known", "systolic_within_2_years"],
        ),
    ],
)
def test_an_abstention_gives_all_its_reasons(admitted, history, change, codes):
    answer = score(admitted, change(history), EXAMPLE_AS_OF)
    assert isinstance(answer, Abstention)
    assert [reason.code for reason in answer.reasons] == codes
    assert all(reason.fr and reason.en for reason in answer.reasons)
    assert answer.model.digest == admitted.model_digest


def test_a_risk_says_where_it_comes_from(admitted, history):
    answer = score(admitted, history, EXAMPLE_AS_OF)
    assert isinstance(answer, Risk)
    assert 0 < answer.risk < 1
    assert answer.risk == round(answer.risk, 6)
    assert answer.horizon_years == 10
    assert answer.category is not None
    assert answer.category.scheme == "ESC 2021"
    assert answer.comparator is not None
    assert answer.comparator.name == "score2"
    assert answer.comparator.title == score2().title
    assert answer.comparator.risk is not None
    assert (answer.model.name, answer.model.digest) == (admitted.artefact.model.name, admitted.model_digest)
    assert (answer.card.version, answer.card.digest) == ("1.2.0", admitted.card.digest)
    assert answer.approved_until == admitted.decision.valid_until
    assert not answer.demonstration
    assert "pas un dispositif médical" in answer.notice.fr
    assert "not a medical device" in answer.notice.en


def test_reasons_are_the_model_s_own_and_the_largest(admitted, history):
    answer = score(admitted, history, EXAMPLE_AS_OF)
    assert isinstance(answer, Risk)
    model, features = admitted.artefact.model, admitted.artefact.features
    frame = features.of_patient(history, EXAMPLE_AS_OF)
    baseline, contributions = model.contributions(frame)
    logit = baseline + contributions.iloc[0].sum()
    assert 1 / (1 + math.exp(-logit)) == pytest.approx(answer.risk, abs=1e-6)
    largest = contributions.iloc[0].abs().sort_values(ascending=False).round(6)
    assert [abs(reason.contribution) for reason in answer.reasons] == list(largest[:5])
    assert len(answer.reasons) == 5
    for reason in answer.reasons:
        assert reason.contribution == round(contributions.iloc[0][reason.feature], 6)
        assert reason.direction == ("raises" if reason.contribution > 0 else "lowers")


def test_inputs_have_their_value_unit_and_date(admitted, history):
    answer = score(admitted, history, EXAMPLE_AS_OF)
    assert isinstance(answer, Risk)
    inputs = {given.feature: given for given in answer.inputs}
    latest = max((r for r in history.records if r.code == "LOINC:8480-6"), key=lambda r: r.happened_at)
    assert inputs["systolic"].value == latest.value
    assert inputs["systolic"].unit == "mm[Hg]"
    assert inputs["systolic"].measured_at == latest.happened_at
    assert inputs["diabetes"].value is False
    assert inputs["diabetes"].measured_at is None
    assert inputs["female"].value is True
    names = {given.feature for given in answer.inputs} | {absent.feature for absent in answer.missing}
    assert names == set(admitted.artefact.features)


def test_missing_inputs_are_named_and_a_comparator_says_why_it_refuses(admitted, history):
    whole, answer = (score(admitted, each, EXAMPLE_AS_OF) for each in (history, without(history, "LOINC:14646-4")))
    assert isinstance(whole, Risk)
    assert isinstance(answer, Risk)
    absent, already = ({each.feature for each in found.missing} for found in (answer, whole))
    assert absent - already == {"hdl", "non_hdl"}
    assert answer.comparator is not None
    assert answer.comparator.risk is None
    assert answer.comparator.category is None
    assert answer.comparator.refusal is not None
    assert answer.comparator.refusal.code == "missing_hdl"
    assert "Cholestérol HDL" in answer.comparator.refusal.fr


def test_score2_is_not_for_people_with_diabetes(admitted, history):
    answer = score(admitted, with_record(history, "CIM10:E11.9", 1000), EXAMPLE_AS_OF)
    assert isinstance(answer, Risk)
    assert answer.comparator is not None
    assert answer.comparator.refusal is not None
    assert answer.comparator.refusal.code == "excluded_diabetes"


def test_the_category_is_that_of_the_risk_shown(admitted, patients):
    for answer in score_many(admitted, patients, patients.patients, AS_OF):
        if isinstance(answer, Risk):
            age = next(float(i.value) for i in answer.inputs if i.feature == "age")
            high, very_high = (0.025, 0.075) if age < 50 else (0.05, 0.1) if age < 70 else (0.075, 0.15)
            expected = "low_to_moderate" if answer.risk < high else "high" if answer.risk < very_high else "very_high"
            assert answer.category is not None
            assert answer.category.code == expected


def test_rows_do_not_see_each_other(admitted, patients):
    moments = np.full(len(patients.patients), int(np.datetime64(AS_OF, "us").astype(np.int64)))
    frames = Frames.of_shard(admitted, patients, patients.patients, moments)
    some = np.array([5, 150, 17])
    together = answers(admitted, frames, [AS_OF] * len(moments))
    assert answers(admitted, frames.rows(some), [AS_OF] * 3) == [together[row] for row in some]


def test_a_demonstration_is_marked_in_every_answer(unapproved, admitted, history):
    decide(unapproved, demonstration_key(), demonstration=True)
    shown = admit(unapproved, demonstration_keys(), NOW)
    for answer in (score(shown, history, EXAMPLE_AS_OF), score(shown, History(()), EXAMPLE_AS_OF)):
        assert answer.demonstration
        assert "DÉMONSTRATION" in answer.notice.fr
        assert "DEMONSTRATION" in answer.notice.en


def test_a_card_marked_as_a_demonstration_is_one_whoever_signs(unapproved, committee, trusted):
    assemble(unapproved, unapproved / "model", demonstration=True)
    decide(unapproved, committee)
    assert admit(unapproved, trusted, NOW).demonstration


def test_answers_cannot_be_changed(admitted, history):
    answer = score(admitted, history, EXAMPLE_AS_OF)
    with pytest.raises(ValueError, match="frozen"):
        answer.risk = 0.0

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.outcome import FollowUp
from training.published import EQUATIONS, risk
from training.published.categories import LABELS, esc_2021
from training.published.comparators import PublishedModel, Region, framingham_2008, score2

SMOKER_50 = {"age": 50, "smoker": 1, "sbp": 140, "tchol": 5.5, "hdl": 1.3, "diabetes": 0}
SUPPLEMENT_50 = SMOKER_50 | {"sex": "male", "tchol": 6.3, "hdl": 1.4, "region": "low"}
WOMAN_75 = SMOKER_50 | {"sex": "female", "age": 75, "region": "low"}
MAN_53 = {
    "sex": "male",
    "age": 53,
    "tchol_mgdl": 161,
    "hdl_mgdl": 55,
    "sbp": 125,
    "bp_tx": 1,
    "smoker": 0,
    "dm": 1,
}
DIABETIC_60 = SMOKER_50 | {
    "sex": "female",
    "age": 60,
    "smoker": 0,
    "diabetes": 1,
    "age_diab": 50,
    "hba1c": 70,
    "egfr": 60,
    "region": "high",
}
CONDITIONS = [
    "diab1",
    "diab2",
    "af",
    "ckd",
    "migraine",
    "ra",
    "sle",
    "smi",
    "antipsy",
    "steroid",
    "ed",
    "treated_hyp",
    "fh_cvd",
]
WOMAN_64 = {
    **dict.fromkeys(CONDITIONS, 0),
    "sex": "female",
    "age": 64,
    "ethnicity": 2,
    "smoke": 0,
    "chol_ratio": 4,
    "sbp": 180,
    "sbp_sd": 20,
    "bmi": 23.671253629592222,
    "townsend": 0,
}
WOMAN_50 = {
    "sex": "female",
    "age": 50,
    "sbp": 160,
    "bp_tx": 1,
    "tchol_mgdl": 200,
    "hdl_mgdl": 45,
    "statin": 0,
    "dm": 1,
    "smoker": 0,
    "egfr": 90,
    "bmi": 35,
}
MAN_55 = {
    "race": "white",
    "sex": "male",
    "age": 55,
    "tchol_mgdl": 213,
    "hdl_mgdl": 50,
    "sbp": 120,
    "bp_tx": 0,
    "smoker": 0,
    "dm": 0,
}
VALID = {
    "score2": SUPPLEMENT_50,
    "score2_op": WOMAN_75,
    "score2_diabetes": DIABETIC_60,
    "qrisk3": WOMAN_64,
    "prevent": WOMAN_50,
    "pce": MAN_55,
    "framingham_cvd_2008": MAN_53,
}


def one(score: str, person: dict[str, Any], variant: str | None = None) -> float:
    return float(risk(score, pd.DataFrame([person]), variant)[0])


# --- what the papers print ---


@pytest.mark.parametrize(
    ("sex", "region", "percent"),
    [
        ("male", "low", 5.9),
        ("male", "very_high", 14.0),  # computed 14.05
        ("female", "low", 4.2),
        ("female", "very_high", 13.7),
    ],
)
def test_score2_abstract(sex: str, region: str, percent: float) -> None:
    """SCORE2 paper, abstract: smoker of 50, 140 mmHg, 5.5 and 1.3 mmol/L. doi:10.1093/eurheartj/ehab309."""
    assert 100 * one("score2", SMOKER_50 | {"sex": sex, "region": region}) == pytest.approx(percent, abs=0.06)


def test_score2_worked_example() -> None:
    """SCORE2 paper, supplement. doi:10.1093/eurheartj/ehab309."""
    assert 100 * one("score2", SUPPLEMENT_50, "published") == pytest.approx(6.31, abs=0.0051)


def test_score2_op_worked_example() -> None:
    """SCORE2-OP paper, supplement: 15.16; the authors' program: 15.28. doi:10.1093/eurheartj/ehab312."""
    assert 100 * one("score2_op", WOMAN_75, "published") == pytest.approx(15.16, abs=0.0051)
    assert 100 * one("score2_op", WOMAN_75, "author") == pytest.approx(15.28, abs=0.0051)


def test_framingham_worked_example() -> None:
    """D'Agostino 2008, worked example. doi:10.1161/CIRCULATIONAHA.107.699579."""
    assert 100 * one("framingham_cvd_2008", MAN_53) == pytest.approx(15.62, abs=0.0051)


def test_score2_diabetes_graphical_abstract() -> None:
    """SCORE2-Diabetes paper, graphical abstract. doi:10.1093/eurheartj/ehad260."""
    assert 100 * one("score2_diabetes", DIABETIC_60) == pytest.approx(20.4, abs=0.0501)


@pytest.mark.parametrize(
    ("variant", "percent", "tolerance"),
    [
        ("total_cvd_10y", 14.68, 0.0051),
        ("ascvd_10y", 9.20, 0.0051),
        ("heart_failure_10y", 8.06, 0.0051),
        ("total_cvd_30y", 53.0, 0.0501),
        ("ascvd_30y", 35.4, 0.0501),
        ("heart_failure_30y", 39.0, 0.0501),
    ],
)
def test_prevent_worked_example(variant: str, percent: float, tolerance: float) -> None:
    """PREVENT paper, supplement, table S12. doi:10.1161/CIRCULATIONAHA.123.067626."""
    assert 100 * one("prevent", WOMAN_50, variant) == pytest.approx(percent, abs=tolerance)


@pytest.mark.parametrize(
    ("sex", "race", "percent"),
    [
        ("female", "white", 2.1),
        ("female", "black", 3.0),
        ("male", "white", 5.38),  # printed 5.3, cut and not rounded
        ("male", "black", 6.1),
    ],
)
def test_pooled_cohort_worked_examples(sex: str, race: str, percent: float) -> None:
    """Guideline, appendix 7, table A. doi:10.1161/01.cir.0000437741.48606.98."""
    assert 100 * one("pce", MAN_55 | {"sex": sex, "race": race}) == pytest.approx(percent, abs=0.0501)


def test_the_default_is_the_recommended_variant() -> None:
    assert one("score2", SUPPLEMENT_50) == one("score2", SUPPLEMENT_50, "published")
    assert one("score2_op", WOMAN_75) == one("score2_op", WOMAN_75, "author")
    assert one("score2", SUPPLEMENT_50) != one("score2", SUPPLEMENT_50, "author")
    assert one("score2_op", WOMAN_75) != one("score2_op", WOMAN_75, "published")
    assert one("score2_diabetes", DIABETIC_60) == one("score2_diabetes", DIABETIC_60, "published")
    assert one("prevent", WOMAN_50) == one("prevent", WOMAN_50, "total_cvd_10y")
    assert one("pce", MAN_55) == one("pce", MAN_55, "guideline_table_a")


# --- every reference vector ---


@pytest.mark.parametrize("score", EQUATIONS)
def test_every_reference_vector(score: str, shared: Callable[[str], Path]) -> None:
    text = shared("reference/published_vectors.json").read_text(encoding="utf-8")
    vectors = [vector for vector in json.loads(text)["vectors"] if vector["score"] == score]
    accepted = [vector for vector in vectors if vector["expected_pct"] is not None]
    refused = [vector for vector in vectors if vector["expected_pct"] is None]
    assert len(accepted) > 50
    for variant in {vector["variant"] for vector in accepted}:
        chosen = [vector for vector in accepted if vector["variant"] == variant]
        percents = 100 * risk(score, pd.DataFrame([vector["inputs"] for vector in chosen]), variant)
        wrong = {
            vector["id"]: (percent, vector["expected_pct"])
            for vector, percent in zip(chosen, percents, strict=True)
            if not abs(percent - vector["expected_pct"]) <= vector["tolerance_pct_points"]
        }
        assert not wrong
    for vector in refused:
        with pytest.raises(
            ValueError, match=r"cannot be computed:\n- (age|tchol_mgdl|hdl_mgdl): (under|over|\d+ years)"
        ):
            one(score, vector["inputs"], vector["variant"])


def test_every_variant_and_both_answers_have_vectors(shared: Callable[[str], Path]) -> None:
    vectors = json.loads(shared("reference/published_vectors.json").read_text(encoding="utf-8"))["vectors"]
    assert {(vector["score"], vector["variant"] or "") for vector in vectors} == {
        (score, variant) for score, versions in EQUATIONS.items() for variant in versions
    }
    assert {v["score"] for v in vectors if v["expected_pct"] is None} == {*EQUATIONS} - {"score2_diabetes"}


# --- refusals at the door ---


def test_all_faults_at_once_and_no_value_shown() -> None:
    inputs = pd.DataFrame(
        [
            SUPPLEMENT_50 | {"age": 71.25},
            SUPPLEMENT_50 | {"age": 39.75, "sex": "masculin"},
            SUPPLEMENT_50 | {"tchol": 213.5, "smoker": 3, "region": None},
            SUPPLEMENT_50 | {"sbp": np.nan, "diabetes": 1},
            SUPPLEMENT_50 | {"hdl": 6.75, "age": None},
            SUPPLEMENT_50 | {"hdl": 4.125, "tchol": 4.125},
        ],
        index=["a", "b", "c", "d", "e", "f"],
    )
    inputs["weight"] = 81.5
    inputs["sbp"] = inputs["sbp"].astype(object).where(inputs.index != "e", "142/87")
    with pytest.raises(ValueError, match="score2 cannot be computed") as caught:
        risk("score2", inputs.drop(columns="smoker"), "exact")
    lines = str(caught.value).splitlines()[1:]
    assert lines == [
        "- unknown variant 'exact': use one of published, author",
        "- missing columns smoker: add them",
        "- unknown columns weight: leave them out; the columns are age, sex, diabetes, smoker, sbp, tchol, hdl, region",
        "- age: missing in 1 of 6 rows (e): give a value or leave them out, nothing is imputed",
        "- age: under 40 years in 1 of 6 rows (b): SCORE2 starts at 40, leave them out",
        "- age: 70 years or over in 1 of 6 rows (a): use score2_op",
        "- sex: unknown in 1 of 6 rows (b): use one of female, male",
        "- diabetes: excluded by the authors in 1 of 6 rows (d): SCORE2 is for people without diabetes, leave them out",
        "- sbp: missing in 1 of 6 rows (d): give a value or leave them out, nothing is imputed",
        "- sbp: not a number in 1 of 6 rows (e): give a number (mmHg)",
        "- tchol: 20 mmol/L or over in 1 of 6 rows (c): check the value and its unit",
        "- hdl: 5 mmol/L or over in 1 of 6 rows (e): check the value and its unit",
        "- region: missing in 1 of 6 rows (c): give a value or leave them out, nothing is imputed",
        "- hdl: not below tchol in 2 of 6 rows (e, f): check both and their units",
    ]
    with pytest.raises(ValueError, match=r"smoker: neither 0 nor 1 in 1 of 6 rows \(c\)"):
        risk("score2", inputs)
    for value in ("71.25", "39.75", "masculin", "213.5", "142", "6.75", "4.125", "81.5"):
        assert value not in str(caught.value)


@pytest.mark.parametrize(
    ("score", "change", "message"),
    [
        ("score2", {"age": 70}, "use score2_op"),
        ("score2", {"age": 39.99}, "starts at 40"),
        ("score2", {"diabetes": 1}, "without diabetes"),
        ("score2", {"smoker": 2}, "neither 0 nor 1"),
        ("score2", {"smoker": "yes"}, "not a number"),
        ("score2", {"sex": "F"}, "use one of female, male"),
        ("score2", {"region": "france"}, "use one of low, moderate, high, very_high"),
        ("score2", {"tchol": 0}, "under 1 mmol/L"),
        ("score2", {"hdl": -1.3}, r"under 0\.2 mmol/L"),
        ("score2", {"sbp": 14}, "under 60 mmHg"),
        ("score2", {"sbp": np.inf}, "280 mmHg or over"),
        ("score2_op", {"age": 69.99}, "use score2"),
        ("score2_op", {"age": 90}, "stops before 90"),
        ("score2_diabetes", {"age": 70}, "use score2_op"),
        ("score2_diabetes", {"hba1c": 7.9}, r"take \(percentage - 2\.152\) / 0\.09148"),
        ("score2_diabetes", {"age_diab": 61}, "age_diab: after age"),
        ("score2_diabetes", {"age_diab": None}, "age_diab: missing"),
        ("score2_diabetes", {"egfr": 0}, "egfr: under 5"),
        ("qrisk3", {"age": 24.9}, "starts at 25"),
        ("qrisk3", {"age": 85}, "stops before 85"),
        ("qrisk3", {"smoke": 5}, "the R package counts from 1"),
        ("qrisk3", {"smoke": 1.5}, "smoke: unknown"),
        ("qrisk3", {"ethnicity": 10}, "1 is white or not stated"),
        ("qrisk3", {"ethnicity": None}, "ethnicity: missing"),
        ("qrisk3", {"diab1": 1, "diab2": 1}, "keep one of the two types of diabetes"),
        ("qrisk3", {"chol_ratio": 11.01}, "chol_ratio: over 11"),
        ("qrisk3", {"sbp_sd": -1}, "sbp_sd: under 0"),
        ("qrisk3", {"townsend": 999}, "townsend: 15 points or over"),
        ("prevent", {"age": 80}, "stops before 80"),
        ("prevent", {"sbp": 89}, "sbp: under 90 mmHg .*leave them out as the authors do"),
        ("prevent", {"sbp": 201}, "sbp: over 200"),
        ("prevent", {"bmi": 40}, r"bmi: 40 kg/m2 or over"),
        ("prevent", {"egfr": 140.5}, "egfr: over 140"),
        ("pce", {"age": 39}, "start at 40"),
        ("pce", {"race": "asian"}, "take the white equation by convention"),
        ("pce", {"tchol_mgdl": 321}, "over 320"),
        ("pce", {"hdl_mgdl": 19.9}, "under 20"),
        ("framingham_cvd_2008", {"age": 75}, "stops before 75"),
        ("framingham_cvd_2008", {"hdl_mgdl": 1.3}, r"under 7\.734 mg/dL"),
    ],
)
def test_a_single_fault(score: str, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        one(score, VALID[score] | change)


def test_unknown_score_and_variants() -> None:
    with pytest.raises(ValueError, match="use one of score2, score2_op, score2_diabetes, qrisk3, prevent, pce, fra"):
        one("score3", SUPPLEMENT_50)
    for variant in ("published", ""):
        with pytest.raises(ValueError, match="there is only one, leave it out"):
            one("framingham_cvd_2008", MAN_53, variant)
    with pytest.raises(ValueError, match="use one of total_cvd_10y, ascvd_10y, heart_failure_10y, total_cvd_30y"):
        one("prevent", WOMAN_50, "total_cvd")


def test_thirty_years_stop_at_59() -> None:
    assert one("prevent", WOMAN_50 | {"age": 59.9}, "ascvd_30y") > one("prevent", WOMAN_50 | {"age": 59.9}, "ascvd_10y")
    with pytest.raises(ValueError, match="PREVENT for 30 years stops before 60"):
        one("prevent", WOMAN_50 | {"age": 60}, "ascvd_30y")


def test_the_authors_limits_are_within_their_range() -> None:
    edges = ({"sbp": 90, "tchol_mgdl": 130, "hdl_mgdl": 20}, {"sbp": 200, "tchol_mgdl": 320, "hdl_mgdl": 100})
    for edge in edges:
        assert 0 < one("pce", MAN_55 | edge) < 1
        for kidney in ({"egfr": 15, "bmi": 18.5}, {"egfr": 140, "bmi": 39.9}):
            assert 0 < one("prevent", WOMAN_50 | edge | kidney) < 1


def test_qrisk3_codes() -> None:
    assert one("qrisk3", WOMAN_64 | {"ethnicity": 0}) == one("qrisk3", WOMAN_64 | {"ethnicity": 1})
    assert one("qrisk3", WOMAN_64 | {"ed": 1}) == one("qrisk3", WOMAN_64)
    assert one("qrisk3", WOMAN_64 | {"sex": "male", "ed": 1}) > one("qrisk3", WOMAN_64 | {"sex": "male"})
    with pytest.raises(ValueError, match="unknown columns statin"):
        one("qrisk3", WOMAN_64 | {"statin": 0})


def test_without_diabetes_the_age_at_diagnosis_is_not_looked_at() -> None:
    person = DIABETIC_60 | {"diabetes": 0}
    assert one("score2_diabetes", person | {"age_diab": None}) == one("score2_diabetes", person | {"age_diab": 900})


def test_columns_given_twice() -> None:
    inputs = pd.DataFrame([SUPPLEMENT_50])
    with pytest.raises(ValueError, match="given more than once age: keep one of each"):
        risk("score2", pd.concat([inputs, inputs[["age"]]], axis=1))


def test_only_the_first_row_labels_are_listed() -> None:
    with pytest.raises(ValueError, match=r"in 8 of 8 rows \(0, 1, 2, 3, 4, …\): use score2_op"):
        risk("score2", pd.DataFrame([SUPPLEMENT_50 | {"age": 80}] * 8))


@pytest.mark.parametrize("score", EQUATIONS)
def test_other_types_of_column_give_the_same(score: str) -> None:
    inputs = pd.DataFrame([VALID[score]] * 3)
    expected = risk(score, inputs)
    assert np.array_equal(risk(score, inputs.astype(object)), expected)
    assert np.array_equal(risk(score, inputs.convert_dtypes()), expected)
    flags = [name for name in inputs if set(inputs[name]) <= {0, 1}]
    assert np.array_equal(risk(score, inputs.astype(dict.fromkeys(flags, bool))), expected)
    assert risk(score, inputs.iloc[:0]).shape == (0,)


# --- properties ---

PEOPLE = st.fixed_dictionaries(
    {
        "sex": st.sampled_from(["female", "male"]),
        "age": st.floats(40, 70, exclude_max=True),
        "smoker": st.sampled_from([0, 1]),
        "sbp": st.floats(90, 200),
        "tchol": st.floats(3, 9),
        "hdl": st.floats(0.5, 2.9),
        "diabetes": st.just(0),
        "region": st.sampled_from(["low", "moderate", "high", "very_high"]),
    }
)


@given(PEOPLE, st.floats(0.5, 40), st.sampled_from(["published", "author"]))
def test_score2_is_a_probability_that_rises_with_pressure_and_smoking(
    person: dict[str, Any], more: float, variant: str
) -> None:
    base = one("score2", person | {"smoker": 0}, variant)
    assert 0 < base < 1
    assert one("score2", person | {"smoker": 0, "sbp": person["sbp"] + more}, variant) > base
    assert one("score2", person | {"smoker": 1}, variant) > base


@given(st.lists(PEOPLE, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_neither_order_nor_company_changes_a_risk(people: list[dict[str, Any]], random: Any) -> None:
    together = risk("score2", pd.DataFrame(people))
    order = random.sample(range(len(people)), len(people))
    shuffled = risk("score2", pd.DataFrame(people).iloc[order][random.sample(list(people[0]), len(people[0]))])
    np.testing.assert_allclose(shuffled, together[order], rtol=1e-13, atol=0)
    np.testing.assert_allclose([one("score2", person) for person in people], together, rtol=1e-13, atol=0)


# --- as risk models ---

FEATURES = {
    "age": [40.0, 69.99, 70.0, 89.99, 55.5],
    "female": [0, 1, 1, 0, 1],
    "systolic": [120.0, 135.0, 150.0, 165.0, 142.0],
    "total_cholesterol": [5.0, 6.1, 5.5, 4.9, 7.2],
    "hdl": [1.1, 1.6, 1.4, 1.3, 0.9],
    "smoker": [1, 0, 1, 0, 1],
    "diabetes": [0, 0, 1, 0, 0],
    "bp_treated": [0, 1, 0, 1, 1],
}


def features(**changes: list[Any]) -> pd.DataFrame:
    return pd.DataFrame(FEATURES | changes, index=[f"p{i}" for i in range(5)])


@pytest.mark.parametrize("region", ["low", "very_high"])
def test_the_score2_model_equals_the_door(region: Region) -> None:
    X = features().assign(another="ignored")
    inputs = X.rename(columns={"systolic": "sbp", "total_cholesterol": "tchol"}).drop(
        columns=["female", "bp_treated", "another"]
    )
    inputs = inputs.assign(sex=np.where(X["female"] == 1, "female", "male"), region=region)
    younger = (X["age"] < 70).to_numpy()
    expected = np.empty(5)
    expected[younger] = risk("score2", inputs[younger], "published")
    expected[~younger] = risk("score2_op", inputs[~younger], "author")
    model = score2(region)
    answer = model.incidence(X, [10.0])
    assert answer.shape == (5, len(model.states), 1)
    assert np.array_equal(answer[:, 1, 0], expected)
    np.testing.assert_allclose(answer.sum(axis=1), 1, rtol=1e-15)
    assert np.array_equal(model.risk(X, 10), expected)
    assert list(model.refusals(X)) == [""] * 5


def test_the_framingham_model_equals_the_door() -> None:
    X = features(age=[30.0, 74.99, 50.0, 60.0, 55.5])
    inputs = pd.DataFrame(
        {
            "sex": np.where(X["female"] == 1, "female", "male"),
            "age": X["age"],
            "sbp": X["systolic"],
            "tchol_mgdl": X["total_cholesterol"] * 38.67,
            "hdl_mgdl": X["hdl"] * 38.67,
            "bp_tx": X["bp_treated"],
            "smoker": X["smoker"],
            "dm": X["diabetes"],
        }
    )
    model = framingham_2008()
    assert np.array_equal(model.risk(X, 10), risk("framingham_cvd_2008", inputs))
    assert list(model.refusals(X)) == [""] * 5
    young = features(age=[29.99, 75.0, 50.0, 60.0, 55.5])
    assert list(model.refusals(young)) == ["age outside 30-74"] * 2 + [""] * 3


@given(st.lists(PEOPLE, min_size=1, max_size=12), st.sampled_from([framingham_2008(), score2("high")]))
def test_states_sum_to_one(people: list[dict[str, Any]], model: PublishedModel) -> None:
    X = pd.DataFrame(people).rename(columns={"sbp": "systolic", "tchol": "total_cholesterol"})
    X = X.assign(female=(X["sex"] == "female").astype(int), bp_treated=0)
    answer = model.incidence(X, [10.0])
    assert ((answer > 0) & (answer < 1)).all()
    np.testing.assert_allclose(answer.sum(axis=1), 1, rtol=1e-15)


def test_a_refused_person_gets_a_reason_and_no_number() -> None:
    X = features(
        age=[39.99, 90.0, np.nan, 60.0, 61.0],
        hdl=[1.1, 1.6, 1.4, np.nan, 1.2],
        diabetes=[0, 0, 1, 1, 0],
    )
    answer = score2().incidence(X, [10.0])
    assert np.isnan(answer[:4]).all()
    assert np.isfinite(answer[4]).all()
    refusals = score2().refusals(X)
    assert refusals.to_dict() == {
        "p0": "age outside 40-89",
        "p1": "age outside 40-89",
        "p2": "missing age",
        "p3": "diabetes",
        "p4": "",
    }
    X = features(
        systolic=[14.0, 135.0, 150.0, 165.0, 142.0],
        hdl=[1.1, 6.1, None, 1.3, 0.9],
        female=[0, 1, 1, None, 1],
        smoker=[1, 0, 1, 0, 2],
    )
    expected = [
        "implausible systolic",
        "implausible hdl",
        "missing hdl",
        "missing female",
        "implausible smoker",
    ]
    assert list(score2().refusals(X)) == expected
    assert np.isnan(score2().incidence(X, [10.0])).all()
    assert list(score2().refusals(X.astype(object))) == expected
    assert list(score2().refusals(features(female=[3] * 5))) == ["implausible female"] * 5


def test_a_model_says_what_it_cannot_read() -> None:
    for times in ([5.0], [5.0, 10.0], [], [10.0, 10.0]):
        with pytest.raises(ValueError, match="published for 10 years only"):
            score2().incidence(features(), times)
    with pytest.raises(ValueError, match="cannot be computed from these features") as caught:
        score2().refusals(features(smoker=["no"] * 5).drop(columns=["hdl", "diabetes"]))
    message = str(caught.value)
    assert "hdl: not there" in message
    assert "diabetes: not there" in message
    assert "smoker: not a number in 5 of 5 rows" in message
    with pytest.raises(ValueError, match="use one of low, moderate, high, very_high"):
        score2("france")  # type: ignore[arg-type]


def test_a_model_has_nothing_to_fit_and_takes_nobody() -> None:
    empty = features().iloc[:0]
    none = np.empty(0, dtype=np.int8)
    model = score2()
    assert model.fit(empty, FollowUp(np.empty(0), none, none, 10.0)) is model
    assert model.incidence(empty, [10.0]).shape == (0, 2, 1)
    assert model.refusals(empty).empty
    assert model.title.fr == "SCORE2 / SCORE2-OP (ESC 2021, région à risque faible)"


# --- categories ---


@pytest.mark.parametrize(
    ("age", "high", "very_high"),
    [(40, 0.025, 0.075), (49.99, 0.025, 0.075), (50, 0.05, 0.10), (69.99, 0.05, 0.10), (70, 0.075, 0.15)],
)
def test_esc_2021_categories(age: float, high: float, very_high: float) -> None:
    """ESC 2021 guideline on prevention. doi:10.1093/eurheartj/ehab484."""
    assert esc_2021(np.nextafter(high, 0), age) == "low_to_moderate"
    assert esc_2021(high, age) == "high"
    assert esc_2021(np.nextafter(very_high, 0), age) == "high"
    assert esc_2021(very_high, age) == "very_high"
    assert LABELS[esc_2021(very_high, age)] == {"fr": "risque très élevé", "en": "very high risk"}


@pytest.mark.parametrize(("value", "age"), [(5.9, 50), (np.nan, 50), (-0.1, 50), (0.05, np.nan), (0.05, 0)])
def test_a_category_needs_a_probability_and_an_age(value: float, age: float) -> None:
    with pytest.raises(ValueError, match="is not a"):
        esc_2021(value, age)

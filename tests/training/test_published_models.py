"""The published scores as risk models, and their formulas computed again from the reference, by plain arithmetic."""

from __future__ import annotations

import copy
import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import at_most
from training.published import risk
from training.published.comparators import (
    PublishedModel,
    framingham_2008,
    pooled_cohort,
    prevent,
    qrisk3,
    score2,
    score2_diabetes,
)
from training.published.kidney import CKD_EPI_2009, CKD_EPI_2021
from training.values import Bilingual

Person = dict[str, Any]

FLAG = st.sampled_from([0, 1])
CONDITIONS = ("af", "ckd", "migraine", "ra", "sle", "smi", "antipsy", "steroid", "ed", "treated_hyp", "fh_cvd")
SEX = st.sampled_from(["female", "male"])

QRISK3_PEOPLE = st.fixed_dictionaries(
    {
        **dict.fromkeys(CONDITIONS, FLAG),
        "sex": SEX,
        "age": st.floats(25, 85, exclude_max=True),
        "ethnicity": st.integers(0, 9),
        "smoke": st.integers(0, 4),
        "diab1": st.just(0),
        "diab2": FLAG,
        "chol_ratio": st.floats(1, 11),
        "sbp": st.floats(70, 250),
        "sbp_sd": st.floats(0, 40),
        "bmi": st.floats(15, 60),
        "townsend": st.floats(-7, 11),
    }
) | st.fixed_dictionaries(
    {
        **dict.fromkeys(CONDITIONS, FLAG),
        "sex": SEX,
        "age": st.integers(25, 84),
        "ethnicity": st.just(1),
        "smoke": st.integers(0, 4),
        "diab1": st.just(1),
        "diab2": st.just(0),
        "chol_ratio": st.just(4.5),
        "sbp": st.integers(90, 200),
        "sbp_sd": st.just(8),
        "bmi": st.integers(18, 40),
        "townsend": st.just(0),
    }
)
PREVENT_PEOPLE = st.fixed_dictionaries(
    {
        **dict.fromkeys(("bp_tx", "statin", "dm", "smoker"), FLAG),
        "sex": SEX,
        "age": st.floats(30, 60, exclude_max=True),
        "sbp": st.floats(90, 200),
        "tchol_mgdl": st.floats(130, 320),
        "hdl_mgdl": st.floats(20, 100),
        "egfr": st.floats(15, 140),
        "bmi": st.floats(18.5, 40, exclude_max=True),
    }
)
POOLED_PEOPLE = st.fixed_dictionaries(
    {
        **dict.fromkeys(("bp_tx", "dm", "smoker"), FLAG),
        "race": st.sampled_from(["white", "black"]),
        "sex": SEX,
        "age": st.floats(40, 80, exclude_max=True),
        "sbp": st.floats(90, 200),
        "tchol_mgdl": st.floats(130, 320),
        "hdl_mgdl": st.floats(20, 100),
    }
)
DIABETIC_PEOPLE = st.fixed_dictionaries(
    {
        "sex": SEX,
        "age": st.floats(40, 70, exclude_max=True),
        "diabetes": FLAG,
        "smoker": FLAG,
        "sbp": st.floats(90, 200),
        "tchol": st.floats(3, 9),
        "hdl": st.floats(0.5, 2.9),
        "age_diab": st.floats(1, 40),
        "hba1c": st.floats(25, 150),
        "egfr": st.floats(15, 140),
        "region": st.sampled_from(["low", "moderate", "high", "very_high"]),
    }
)


# --- the formulas, from the reference's own numbers and words ---


@pytest.fixture(scope="module")
def reference(shared: Callable[[str], Path]) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads(shared("reference/published_equations.json").read_text(encoding="utf-8"))
    return content


QRISK3_NAMES = {
    "b_AF": "af",
    "b_atypicalantipsy": "antipsy",
    "b_corticosteroids": "steroid",
    "b_impotence2": "ed",
    "b_migraine": "migraine",
    "b_ra": "ra",
    "b_renal": "ckd",
    "b_semi": "smi",
    "b_sle": "sle",
    "b_treatedhyp": "treated_hyp",
    "b_type1": "diab1",
    "b_type2": "diab2",
    "fh_cvd": "fh_cvd",
}


def qrisk3_again(reference: Mapping[str, Any], person: Person) -> float:
    numbers = reference["qrisk3"][person["sex"]]
    age, bmi = person["age"] / 10, person["bmi"] / 10
    powers = (-2, 1) if person["sex"] == "female" else (-1, 3)
    continuous = {
        "age_1": age ** powers[0],
        "age_2": age ** powers[1],
        "bmi_1": bmi**-2,
        "bmi_2": bmi**-2 * math.log(bmi),
        "rati": person["chol_ratio"],
        "sbp": person["sbp"],
        "sbps5": person["sbp_sd"],
        "town": person["townsend"],
    }
    x = {name: value - numbers["centering"][name] for name, value in continuous.items()}
    x |= {name: person[ours] for name, ours in QRISK3_NAMES.items()}
    x |= {f"smoke_{code}": float(person["smoke"] == code) for code in range(1, 5)}
    terms = [numbers["ethnicity"][str(max(person["ethnicity"], 1))], numbers["smoking"][str(person["smoke"])]]
    terms += [beta * x[name] for kind in ("continuous", "boolean") for name, beta in numbers[kind].items()]
    terms += [beta * x["age_1"] * x[name] for name, beta in numbers["age1_x"].items()]
    terms += [beta * x["age_2"] * x[name] for name, beta in numbers["age2_x"].items()]
    return 1 - math.pow(numbers["survival_10y"], math.exp(math.fsum(terms)))


def prevent_again(reference: Mapping[str, Any], person: Person, outcome: str, years: int) -> float:
    numbers = reference["prevent"]["coefficients"][f"{years}y"][outcome][person["sex"]]
    x = dict(person) | {"constant": 1.0}
    tchol, hdl = person["tchol_mgdl"] * 0.02586, person["hdl_mgdl"] * 0.02586
    x["age"] = (person["age"] - 55) / 10
    x["age_sq"] = x["age"] ** 2
    x["non_hdl"], x["hdl"] = tchol - hdl - 3.5, (hdl - 1.3) / 0.3
    x["sbp_lt110"], x["sbp_gte110"] = (min(person["sbp"], 110) - 110) / 20, (max(person["sbp"], 110) - 130) / 20
    x["bmi_lt30"], x["bmi_gte30"] = (min(person["bmi"], 30) - 25) / 5, (max(person["bmi"], 30) - 30) / 5
    x["egfr_lt60"], x["egfr_gte60"] = (min(person["egfr"], 60) - 60) / -15, (max(person["egfr"], 60) - 90) / -15
    predictor = math.fsum(beta * math.prod(x[part] for part in name.split("_x_")) for name, beta in numbers.items())
    return math.exp(predictor) / (1 + math.exp(predictor))


def pooled_again(reference: Mapping[str, Any], person: Person, variant: str) -> float:
    numbers = reference["pce"]["variants"][variant]
    group = f"{person['race']}_{person['sex']}"
    taken = "treated" if person["bp_tx"] else "untreated"
    x = {
        "ln_age": math.log(person["age"]),
        "ln_tc": math.log(person["tchol_mgdl"]),
        "ln_hdl": math.log(person["hdl_mgdl"]),
        f"ln_sbp_{taken}": math.log(person["sbp"]),
        "smoker": person["smoker"],
        "dm": person["dm"],
    }
    x |= {f"ln_age_{name}": x["ln_age"] * value for name, value in x.items() if name != "ln_age"}
    x["ln_age_sq"] = x["ln_age"] ** 2
    predictor = math.fsum(beta * x.get(name, 0.0) for name, beta in numbers["coefficients"][group].items())
    return 1 - math.pow(numbers["baseline_survival_10y"][group], math.exp(predictor - numbers["mean"][group]))


def diabetes_again(reference: Mapping[str, Any], person: Person, variant: str) -> float:
    numbers, sex = reference["score2_diabetes"], person["sex"]
    x = dict(person)
    x["ln_egfr"] = math.log(person["egfr"])
    for name, transform in numbers["transforms"].items():
        x[name] = (x[name] - transform["center"]) / transform["scale"]
    x["diabetes_age_diab"] = x["diabetes"] * x["age_diab"]
    x["ln_egfr_sq"] = x["ln_egfr"] ** 2
    x |= {
        f"age_{name}": x["age"] * x[name] for name in ("smoker", "sbp", "diabetes", "tchol", "hdl", "hba1c", "ln_egfr")
    }
    predictor = math.fsum(beta * x[name] for name, beta in numbers["coefficients"][variant][sex].items())
    uncalibrated = 1 - numbers["baseline_survival_10y"][sex] ** math.exp(predictor)
    scale1, scale2 = numbers["recalibration"][variant][person["region"]][sex]
    return 1 - math.exp(-math.exp(scale1 + scale2 * math.log(-math.log(1 - uncalibrated))))


def door(score: str, people: list[Person], variant: str | None = None) -> np.ndarray:
    return risk(score, pd.DataFrame(people), variant)


@at_most(60)
@given(people=st.lists(QRISK3_PEOPLE, min_size=1, max_size=20))
def test_qrisk3_computed_again(reference: Mapping[str, Any], people: list[Person]) -> None:
    expected = [qrisk3_again(reference, person) for person in people]
    np.testing.assert_allclose(door("qrisk3", people), expected, rtol=1e-9, atol=1e-14)


@at_most(60)
@given(people=st.lists(PREVENT_PEOPLE, min_size=1, max_size=20))
def test_prevent_computed_again(reference: Mapping[str, Any], people: list[Person]) -> None:
    for outcome in ("total_cvd", "ascvd", "heart_failure"):
        for years in (10, 30):
            expected = [prevent_again(reference, person, outcome, years) for person in people]
            np.testing.assert_allclose(door("prevent", people, f"{outcome}_{years}y"), expected, rtol=1e-11)


@at_most(60)
@given(people=st.lists(POOLED_PEOPLE, min_size=1, max_size=20))
def test_pooled_cohort_computed_again(reference: Mapping[str, Any], people: list[Person]) -> None:
    for variant in ("guideline_table_a", "acc_calculator_4dp"):
        expected = [pooled_again(reference, person, variant) for person in people]
        np.testing.assert_allclose(door("pce", people, variant), expected, rtol=1e-9, atol=1e-14)


@at_most(60)
@given(people=st.lists(DIABETIC_PEOPLE, min_size=1, max_size=20))
def test_score2_diabetes_computed_again(reference: Mapping[str, Any], people: list[Person]) -> None:
    for variant in ("published", "author"):
        expected = [diabetes_again(reference, person, variant) for person in people]
        np.testing.assert_allclose(door("score2_diabetes", people, variant), expected, rtol=1e-9)


def test_filtration_rates() -> None:
    """The National Kidney Foundation prints the first; doi:10.1186/s12877-021-02428-y, table 1, the second."""
    creatinine = np.array([0.9, 1.2, 0.6, 0.6]) * 88.42
    age, female = np.array([55.0, 60.0, 40.0, 40.0]), np.array([1.0, 0.0, 1.0, 0.0])
    newer = CKD_EPI_2021.rate(creatinine, age, female)
    older = CKD_EPI_2009.rate(creatinine, age, female)
    np.testing.assert_allclose(
        newer,
        [
            142 * 1.012 * (9 / 7) ** -1.2 * 0.9938**55,
            142 * (4 / 3) ** -1.2 * 0.9938**60,
            142 * 1.012 * (6 / 7) ** -0.241 * 0.9938**40,
            142 * (2 / 3) ** -0.302 * 0.9938**40,
        ],
    )
    np.testing.assert_allclose(
        older,
        [
            144 * (9 / 7) ** -1.209 * 0.993**55,  # 144 is the printed 141 × 1.018
            141 * (4 / 3) ** -1.209 * 0.993**60,
            144 * (6 / 7) ** -0.329 * 0.993**40,
            141 * (2 / 3) ** -0.411 * 0.993**40,
        ],
        rtol=0.004,
    )
    assert CKD_EPI_2021.rate(np.array([0.0, -1.0]), age[:2], female[:2]).tolist() == [np.inf, np.inf]


# --- as models ---

DIABETES = {"type_2_diabetes": 1, "type_1_diabetes": 0, "age_at_diabetes": 41.5, "hba1c": 58}
PATIENT = {
    "age": 56.25,
    "female": 1,
    "smoker": 1,
    "smoking_intensity": 3,
    "systolic": 142,
    "systolic_sd": 9.5,
    "bp_treated": 1,
    "hypertension_treated": 1,
    "total_cholesterol": 5.6,
    "hdl": 1.25,
    "diabetes": 0,
    "creatinine": 71,
    "bmi": 28.4,
    "statin": 0,
    "type_1_diabetes": 0,
    "type_2_diabetes": 0,
    "atrial_fibrillation": 0,
    "kidney_disease": 1,
    "migraine": 1,
    "rheumatoid_arthritis": 1,
    "lupus": 0,
    "mental_illness": 0,
    "antipsychotic": 0,
    "corticosteroid": 1,
    "erectile_dysfunction": 0,
    "family_history": 1,
}
MODELS: dict[str, PublishedModel] = {
    model.name: model
    for model in (
        score2(),
        score2(older="published"),
        score2_diabetes(),
        qrisk3(),
        *(prevent(outcome, years) for outcome in ("total_cvd", "ascvd", "heart_failure") for years in (10, 30)),
        pooled_cohort(),
        framingham_2008(),
    )
}


def patient(model: PublishedModel, **changes: Any) -> pd.DataFrame:
    """One patient whom a model accepts, with changes."""
    accepted = PATIENT | (DIABETES if model.name == "score2_diabetes" else {})
    return pd.DataFrame([accepted | changes], index=["p"])


def why(model: PublishedModel, **changes: Any) -> str:
    X = patient(model, **changes)
    reason = str(model.refusals(X).loc["p"])
    assert np.isnan(model.risk(X, model.horizon)[0]) == bool(reason)
    return reason


def test_every_model_has_its_own_name_and_says_what_it_is() -> None:
    assert len(MODELS) == 12
    assert [name for name in MODELS if "prevent" in name] == [
        "prevent",
        "prevent_total_cvd_30y",
        "prevent_ascvd_10y",
        "prevent_ascvd_30y",
        "prevent_heart_failure_10y",
        "prevent_heart_failure_30y",
    ]
    for name in ("qrisk3", "prevent", "prevent_ascvd_30y", "pooled_cohort"):
        assert "non recalé pour la France" in MODELS[name].title.fr
        assert "not recalibrated for France" in MODELS[name].title.en
    notice = MODELS["qrisk3"].notice
    assert notice is not None
    assert "ClinRisk" in notice["fr"]
    assert notice["en"].endswith("Inaccurate implementations of risk scores can lead to wrong patients being given the "
                                 "wrong treatment.")  # fmt: skip
    assert MODELS["prevent"].notice is None


def test_each_model_equals_the_door() -> None:
    p = PATIENT
    mg = {"tchol_mgdl": 38.67 * p["total_cholesterol"], "hdl_mgdl": 38.67 * p["hdl"]}
    common = {"sex": "female", "age": p["age"], "sbp": p["systolic"], "smoker": p["smoker"]}
    american = common | mg | {"bp_tx": 1, "dm": 0}
    european = common | {"tchol": p["total_cholesterol"], "hdl": p["hdl"], "region": "low"}
    rate_2009, rate_2021 = (
        float(version.rate(np.array([71.0]), np.array([p["age"]]), np.array([1.0]))[0])
        for version in (CKD_EPI_2009, CKD_EPI_2021)
    )
    recorded = {
        "af": 0, "ckd": 1, "migraine": 1, "ra": 1, "sle": 0, "smi": 0, "antipsy": 0, "steroid": 1, "ed": 0,
        "treated_hyp": 1, "fh_cvd": 1, "diab1": 0, "diab2": 0,
    }  # fmt: skip
    inputs: dict[str, tuple[str, Person]] = {
        "score2": ("score2", european | {"diabetes": 0}),
        "score2_diabetes": (
            "score2_diabetes",
            european | {"diabetes": 1, "age_diab": 41.5, "hba1c": 58, "egfr": rate_2009},
        ),
        "qrisk3": (
            "qrisk3",
            recorded
            | {"sex": "female", "age": p["age"], "ethnicity": 1, "smoke": 3, "chol_ratio": 5.6 / 1.25}
            | {"sbp": 142, "sbp_sd": 9.5, "bmi": 28.4, "townsend": 0},
        ),
        "pooled_cohort": ("pce", american | {"race": "white"}),
        "framingham_2008": ("framingham_cvd_2008", american),
    }
    for name, (score, person) in inputs.items():
        model = MODELS[name]
        assert model.risk(patient(model), 10.0).tolist() == door(score, [person]).tolist(), name
    for outcome in ("total_cvd", "ascvd", "heart_failure"):
        for years in (10, 30):
            person = american | {"statin": 0, "egfr": rate_2021, "bmi": 28.4}
            model = prevent(outcome, years)
            answer = model.risk(patient(model), years)
            assert answer.tolist() == door("prevent", [person], f"{outcome}_{years}y").tolist()
    X = patient(score2(), age=77.0)
    older = european | {"age": 77.0, "diabetes": 0}
    for variant, name in (("author", "score2"), ("published", "score2_op_published")):
        assert MODELS[name].risk(X, 10.0).tolist() == door("score2_op", [older], variant).tolist()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_reads_by_name_and_ignores_the_rest(name: str) -> None:
    model = MODELS[name]
    X = patient(model)
    expected = model.risk(X, model.horizon)
    assert np.isfinite(expected).all()
    shuffled = X[sorted(X.columns, reverse=True)].assign(another="ignored", yet_another=np.nan)
    assert np.array_equal(model.risk(shuffled, model.horizon), expected)
    assert np.array_equal(model.risk(X.astype(float), model.horizon), expected)
    assert np.array_equal(model.risk(X.astype(object), model.horizon), expected)
    assert np.array_equal(copy.deepcopy(model).risk(X, model.horizon), expected)
    for feature in model.features:
        with pytest.raises(ValueError, match=f"{feature}: not there: add it to the feature set"):
            model.refusals(X.drop(columns=feature))
        with pytest.raises(ValueError, match=f"{feature}: given more than once"):
            model.refusals(pd.concat([X, X[[feature]]], axis=1))
        assert why(model, **{feature: None}) == f"missing {feature}"


@pytest.mark.parametrize("name", MODELS)
def test_a_model_answers_at_its_horizon_only_and_sums_to_one(name: str) -> None:
    model = MODELS[name]
    assert model.horizon == (30 if name.endswith("30y") else 10)
    X = pd.concat([patient(model)] * 3, ignore_index=True)
    answer = model.incidence(X, [model.horizon])
    assert answer.shape == (3, 2, 1)
    np.testing.assert_allclose(answer.sum(axis=1), 1, rtol=1e-15)
    with pytest.raises(ValueError, match=f"published for {model.horizon:g} years only"):
        model.incidence(X, [5.0])
    assert model.incidence(X.iloc[:0], [model.horizon]).shape == (0, 2, 1)


def test_whom_the_authors_leave_out() -> None:
    assert why(qrisk3(), statin=1) == "statin"
    assert why(qrisk3(), age=24.9) == "age outside 25-84"
    assert why(qrisk3(), age=85) == "age outside 25-84"
    assert why(score2_diabetes(), type_2_diabetes=0, age_at_diabetes=None) == "without type_2_diabetes"
    assert why(score2_diabetes(), creatinine=160) == "creatinine"  # a filtration rate of about 31
    assert why(score2_diabetes(), age=70) == "age outside 40-69"
    assert why(prevent(), systolic=181) == "systolic outside 90-180"
    assert why(prevent(), systolic=180) == ""
    assert why(prevent(), systolic=201) == "systolic outside 90-180"
    assert why(prevent(), total_cholesterol=3.3) == "total_cholesterol outside 3.36-8.28"
    assert why(prevent(), hdl=2.7) == "hdl outside 0.517-2.59"
    assert why(prevent(), bmi=40) == "bmi outside 18.5-40"
    assert why(prevent(), creatinine=600) == "creatinine"
    assert why(prevent(), age=79.9) == ""
    assert why(prevent("ascvd", 30), age=60) == "age outside 30-59"
    assert why(pooled_cohort(), systolic=89.9) == "systolic outside 90-200"
    assert why(pooled_cohort(), age=39) == "age outside 40-79"
    assert why(score2(), age=60, diabetes=1) == "diabetes"


def test_what_cannot_be_is_refused_without_a_number() -> None:
    assert why(qrisk3(), smoking_intensity=5) == "implausible smoking_intensity"
    assert why(qrisk3(), smoking_intensity=2.5) == "implausible smoking_intensity"
    assert why(qrisk3(), type_1_diabetes=1, type_2_diabetes=1) == "implausible type_1_diabetes"
    for hdl in (0.0, -1.0, 5.7, np.inf):
        assert why(qrisk3(), hdl=hdl) == "implausible hdl"
    assert why(qrisk3(), hdl=np.inf, total_cholesterol=np.inf) == "implausible hdl"
    assert why(qrisk3(), systolic_sd=-1) == "implausible systolic_sd"
    assert why(qrisk3(), bmi=2.8) == "implausible bmi"
    for creatinine in (0.0, -5.0, 0.9, np.inf):  # the third in mg/dL
        assert why(prevent(), creatinine=creatinine) == "creatinine"
    assert why(prevent(), age=-1e9) == "age outside 30-79"
    assert why(score2_diabetes(), hba1c=7.4) == "implausible hba1c"
    assert why(score2_diabetes(), age_at_diabetes=57) == "implausible age_at_diabetes"
    assert why(framingham_2008(), systolic=20) == "implausible systolic"


def test_the_door_checks_formulas_where_a_model_refuses() -> None:
    american = {"sex": "male", "age": 50, "bp_tx": 0, "tchol_mgdl": 200, "hdl_mgdl": 45, "statin": 0, "dm": 0}
    american |= {"smoker": 0, "egfr": 90, "bmi": 30}
    assert door("prevent", [american | {"sbp": 180.5}])[0] > door("prevent", [american | {"sbp": 180}])[0]
    diabetic = {"sex": "male", "age": 50, "diabetes": 1, "smoker": 0, "sbp": 130, "tchol": 5, "hdl": 1.2}
    diabetic |= {"age_diab": 45, "hba1c": 60, "egfr": 44, "region": "low"}
    assert 0 < door("score2_diabetes", [diabetic])[0] < 1
    assert 0 < door("score2_diabetes", [diabetic | {"diabetes": 0}])[0] < 1


def test_what_everybody_is_given() -> None:
    X = patient(qrisk3())
    base = qrisk3().risk(X, 10.0)[0]
    assert qrisk3(townsend=5).risk(X, 10.0)[0] > base
    same = qrisk3(systolic_sd=9.5)
    assert "systolic_sd" not in same.features
    assert same.risk(X.drop(columns="systolic_sd"), 10.0)[0] == base
    assert pooled_cohort("black").risk(X, 10.0)[0] != pooled_cohort().risk(X, 10.0)[0]
    assert score2_diabetes("high").title == Bilingual(
        fr="SCORE2-Diabetes (ESC 2023, région à risque élevé)", en="SCORE2-Diabetes (ESC 2023, high-risk region)"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: qrisk3(townsend=99), "townsend: 15 points or over"),
        (lambda: qrisk3(townsend=math.nan), "townsend: missing"),
        (lambda: qrisk3(systolic_sd=-1), "sbp_sd: under 0 mmHg"),
        (lambda: pooled_cohort("asian"), "race: unknown: use one of white, black"),  # type: ignore[arg-type]
        (lambda: prevent("stroke"), "no version 'stroke_10y': use one of total_cvd_10y"),  # type: ignore[arg-type]
        (lambda: prevent(years=20), "no version 'total_cvd_20y'"),  # type: ignore[arg-type]
        (lambda: score2_diabetes("france"), "region: unknown: use one of low"),  # type: ignore[arg-type]
        (lambda: score2(older="rounded"), "SCORE2-OP: use one of author, published"),  # type: ignore[arg-type]
    ],
)
def test_a_model_that_cannot_be_made(make: Callable[[], PublishedModel], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# --- properties ---

PATIENTS = st.fixed_dictionaries(
    {
        **{name: FLAG for name, value in PATIENT.items() if value in (0, 1)},
        "age": st.one_of(st.floats(20, 95), st.none()),
        "smoking_intensity": st.integers(0, 4),
        "systolic": st.one_of(st.floats(50, 290), st.none()),
        "systolic_sd": st.floats(0, 30),
        "total_cholesterol": st.one_of(st.floats(2, 11), st.none()),
        "hdl": st.floats(0.1, 6),
        "creatinine": st.one_of(st.floats(20, 700), st.none()),
        "bmi": st.floats(15, 50),
        "hba1c": st.floats(15, 150),
        "age_at_diabetes": st.floats(5, 90),
    }
)


@at_most(15)
@given(st.lists(PATIENTS, min_size=1, max_size=15), st.randoms(use_true_random=False))
def test_company_and_order_change_nothing(people: list[Person], random: Any) -> None:
    X = pd.DataFrame(people).astype(float)
    order = random.sample(range(len(X)), len(X))
    many = pd.concat([X] * 10, ignore_index=True)  # more rows than are taken from one table
    for model in MODELS.values():
        together, reasons = model.risk(X, model.horizon), model.refusals(X)
        assert (np.isnan(together) == (reasons != "").to_numpy()).all()
        answered = together[~np.isnan(together)]
        assert ((answered >= 0) & (answered <= 1)).all()
        alone = np.concatenate([model.risk(X.iloc[[row]], model.horizon) for row in range(len(X))])
        np.testing.assert_allclose(alone, together, rtol=1e-13)
        np.testing.assert_allclose(model.risk(X.iloc[order], model.horizon), together[order], rtol=1e-13)
        np.testing.assert_allclose(model.risk(many, model.horizon), np.tile(together, 10), rtol=1e-13)
        assert model.refusals(X.iloc[order]).tolist() == reasons.iloc[order].tolist()


@at_most(60)
@given(QRISK3_PEOPLE, st.floats(0.5, 30), st.integers(2, 4))
def test_qrisk3_rises_with_age_pressure_and_current_smoking(person: Person, more: float, smoking: int) -> None:
    person |= dict.fromkeys((*CONDITIONS, "diab1", "diab2"), 0) | {"smoke": 0, "sbp": min(person["sbp"], 180)}
    person |= {"bmi": min(max(person["bmi"], 20), 40), "age": min(person["age"], 80)}
    others = [
        person,
        person | {"sbp": person["sbp"] + more},
        person | {"smoke": smoking},
        person | {"age": person["age"] + 4},
        person | {"townsend": -7},
    ]
    base, *higher, least_deprived = door("qrisk3", others)
    assert (np.array(higher) > base).all()
    assert least_deprived <= base


@at_most(60)
@given(PREVENT_PEOPLE, st.floats(0.5, 20))
def test_prevent_rises_with_age_pressure_smoking_and_a_failing_kidney(person: Person, more: float) -> None:
    person |= {"dm": 0, "smoker": 0, "sbp": min(max(person["sbp"], 110), 160), "egfr": max(person["egfr"], 65)}
    others = [
        person,
        person | {"sbp": person["sbp"] + more},
        person | {"smoker": 1},
        person | {"age": person["age"] + 5},
        person | {"egfr": person["egfr"] - 50},
    ]
    for outcome in ("total_cvd", "ascvd", "heart_failure"):
        base, *higher = door("prevent", others, f"{outcome}_10y")
        assert (np.array(higher) > base).all()


@at_most(60)
@given(POOLED_PEOPLE, st.floats(0.5, 30))
def test_pooled_cohort_rises_with_pressure_and_in_white_people_with_treatment(person: Person, more: float) -> None:
    person |= {"sbp": min(person["sbp"], 170), "bp_tx": 0}
    white = person | {"race": "white"}
    others = [person, person | {"sbp": person["sbp"] + more}, white, white | {"bp_tx": 1}]
    base, higher, untreated, treated = door("pce", others)
    assert higher > base
    assert treated > untreated  # not in Black women past 71: a property of the equation


@pytest.mark.parametrize("name", MODELS)
def test_one_patient_takes_no_time(name: str) -> None:
    if sys.gettrace() is not None:
        pytest.skip("lines are being counted, which takes longer than the answer")
    model = MODELS[name]
    X = patient(model).astype(float)

    def once() -> float:
        start = time.perf_counter()
        model.risk(X, model.horizon)
        return time.perf_counter() - start

    assert min(once() for _ in range(40)) < 0.002

"""What the synthetic practices write down agrees with itself, as real records would."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.catalogue.concepts import (
    BODY_HEIGHT,
    BODY_MASS_INDEX,
    BODY_WEIGHT,
    CREATININE,
    EGFR,
    HBA1C,
    HDL,
    INSULIN,
    LDL,
    TOTAL_CHOLESTEROL,
    TRIGLYCERIDES,
)
from features.codes import Concept
from tests.features.test_synthetic import delivered_frame


def values(*concepts: Concept) -> pd.DataFrame:
    """Return values in their concepts' units, a row for each person and moment at which all were measured."""
    frame, columns = delivered_frame(), []
    for concept in concepts:
        rows = frame[frame["code"].isin([code for code in frame["code"].cat.categories if concept.covers(code)])]
        parts = []
        for unit, group in rows.groupby("unit", observed=True):
            converted = concept.convert(group["value"].to_numpy(), str(unit))
            parts.append(group[["patient", "happened_at"]].assign(**{concept.name: converted}))
        columns.append(pd.concat(parts).drop_duplicates(["patient", "happened_at"]))
    joined = columns[0]
    for column in columns[1:]:
        joined = joined.merge(column, on=["patient", "happened_at"])
    return joined


def first(*codes: str) -> pd.Series:
    frame = delivered_frame()
    return frame[frame["code"].isin(codes)].groupby("patient", observed=True)["happened_at"].min()


@pytest.mark.slow
def test_a_lipid_panel_adds_up() -> None:
    panel = values(TOTAL_CHOLESTEROL, HDL, LDL, TRIGLYCERIDES)
    assert len(panel) > 5_000
    rest = panel["total_cholesterol"] - panel["hdl_cholesterol"] - panel["triglycerides"] / 2.2
    np.testing.assert_allclose(panel["ldl_cholesterol"], rest, atol=0.08)  # grams are written with two decimals
    assert (panel["triglycerides"] < 4.6).all()


def test_filtration_is_the_one_creatinine_gives() -> None:
    """CKD-EPI 2009, written out again, by age to the day."""
    found = values(CREATININE, EGFR)
    assert len(found) > 3_000
    born, female = first("PRACTICE:birth"), set(first("PRACTICE:female").index)
    age = (found["happened_at"] - found["patient"].map(born).astype("datetime64[us]")).dt.days / 365.25
    for women in (True, False):
        group = found["patient"].isin(female) == women
        kappa, alpha, factor = (0.7, -0.329, 1.018) if women else (0.9, -0.411, 1.0)
        ratio = found["creatinine"][group] / 88.42 / kappa
        by_hand = 141 * ratio.clip(upper=1) ** alpha * ratio.clip(lower=1) ** -1.209 * 0.993 ** age[group] * factor
        difference = found["estimated_gfr"][group] - by_hand.clip(upper=150)
        assert difference.abs().max() < 3  # of rounding, and of the age in the middle of the year


def test_weight_height_and_their_index_agree() -> None:
    weighed = values(BODY_MASS_INDEX, BODY_WEIGHT)
    height = values(BODY_HEIGHT)
    assert not height["patient"].duplicated().any()
    metres = weighed["patient"].map(height.set_index("patient")["body_height"]).astype(float) / 100
    np.testing.assert_allclose(weighed["body_weight"] / metres**2, weighed["body_mass_index"], atol=0.05)


def test_stages_of_kidney_disease_follow_one_another() -> None:
    third, fourth, fifth = (first(f"CIM10:N18.{stage}") for stage in (3, 4, 5))
    assert len(third) > len(fourth) > len(fifth) > 0
    for later, earlier in ((fourth, third), (fifth, fourth)):
        assert later.index.isin(earlier.index).all()
        assert (later >= earlier.reindex(later.index)).all()
    lowest = values(EGFR).groupby("patient", observed=True)["estimated_gfr"].min()
    assert lowest.reindex(fourth.index).median() < 35
    assert lowest[~lowest.index.isin(third.index)].median() > 60


def test_treatment_of_diabetes_follows_its_type_and_hba1c() -> None:
    type_1, type_2 = first("CIM10:E10.9", "CISP2:T89"), first("CIM10:E11.9", "CISP2:T90")
    assert not set(type_1.index) & set(type_2.index)
    frame = delivered_frame()
    insulin = set(frame[frame["code"].isin([c for c in frame["code"].cat.categories if INSULIN.covers(c)])]["patient"])
    metformin = set(frame[frame["code"] == "ATC:A10BA02"]["patient"])
    assert type_1.index.isin(insulin).mean() > 0.7 > 0.35 > type_2.index.isin(insulin).mean() > 0.05
    assert type_2.index.isin(metformin).mean() > 0.7
    assert not set(type_1.index) & metformin
    level = values(HBA1C).groupby("patient", observed=True)["hba1c"].mean()
    on, off = level[level.index.isin(insulin)], level[level.index.isin(metformin - insulin)]
    assert on.mean() > off.mean() + 8  # mmol/mol
    assert level[~level.index.isin(metformin | insulin)].median() < 40


def test_treatment_is_renewed_every_quarter_with_gaps_of_each_ones_own() -> None:
    frame = delivered_frame()
    drug = frame[frame["code"] == "ATC:C09AA05"].sort_values(["patient", "happened_at"])
    days = drug.groupby("patient", observed=True)["happened_at"].diff().dt.days
    assert days.median() == pytest.approx(91, abs=4)
    often = drug.groupby("patient", observed=True).size() > 12
    covered = (days < 140).groupby(drug["patient"], observed=True).mean()[often]
    assert 0.80 < covered.mean() < 0.97
    assert (covered < 0.8).mean() > 0.05  # some come rarely
    assert (covered > 0.95).mean() > 0.2


def test_insurance_follows_illness_and_vaccination_returns_to_the_same() -> None:
    frame = delivered_frame()
    admitted = set(first("PRACTICE:insurance.long_term_illness").index)
    diabetic = first("CIM10:E11.9", "CISP2:T90")
    everybody = frame["patient"].nunique()
    assert diabetic.index.isin(admitted).mean() > 2 * len(admitted) / everybody
    vaccine = frame[frame["code"] == "ATC:J07BB02"]
    assert set(vaccine["happened_at"].dt.month) <= {10, 11, 12}
    by_year = {year: set(rows["patient"]) for year, rows in vaccine.groupby(vaccine["happened_at"].dt.year)}
    again = len(by_year[2014] & by_year[2015]) / len(by_year[2014])
    assert again > 0.7

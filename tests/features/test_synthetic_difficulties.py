"""What is planted in the synthetic population: there when it should be, gone when switched off, and noticed."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.catalogue.concepts import CHEST_PAIN, CONCEPTS, REGION, TOTAL_CHOLESTEROL, VENDOR
from features.codes import Concept
from features.intake import sort_out
from features.profile import profile
from features.profile.delays import delays_by_system
from features.synthetic import BLOCK, DELIVERED_AT, Difficulties, _Population, assumptions, synthesise
from features.synthetic.calendar import LAST_DAY
from features.synthetic.lives import Lives, make_lives
from features.synthetic.places import REGIONS
from features.synthetic.practices import Practices, make_practices
from tests.features.test_synthetic import delivered_frame

USUAL = Difficulties()
DRIFT = date(2019, 6, 1)


def without(name: str) -> Difficulties:
    return dataclasses.replace(USUAL, **{name: False})


def practices(difficulties: Difficulties = USUAL, patients: int = 200_000) -> Practices:
    return make_practices(np.random.default_rng(0), patients, difficulties)


@cache
def lives(difficulties: Difficulties) -> list[Lives]:
    made = practices(difficulties, 4 * BLOCK)
    return [make_lives(np.random.SeedSequence([31, block]), BLOCK, made, difficulties) for block in range(4)]


def told(frame: pd.DataFrame, concept: Concept) -> pd.Series:
    """Return what the records say of each practice's place or software, by practice."""
    rows = frame[frame["code"].map(concept.covers).astype(bool)].drop_duplicates("practice")
    names = [concept.category_names[concept.category(code) or 0] for code in rows["code"]]
    return pd.Series(names, index=rows["practice"].astype(str))


def test_difficulties_say_what_they_change() -> None:
    assert str(USUAL) == ""
    assert str(Difficulties(grams=False, drift_from=DRIFT)) == "grams False, drift_from 2019-06-01"


def test_another_difficulty_is_another_population(tmp_path: Path) -> None:
    synthesise(tmp_path / "store", patients=60, difficulties=without("grams"))
    with pytest.raises(FileExistsError):
        synthesise(tmp_path / "store", patients=60)


def test_deprived_practices_record_less() -> None:
    usual, even = practices(), practices(without("under_recording"))
    assert np.corrcoef(usual.deprivation, usual.completeness)[0, 1] < -0.5
    assert abs(np.corrcoef(even.deprivation, even.completeness)[0, 1]) < 0.15


@pytest.mark.slow
def test_one_region_codes_less_in_the_records() -> None:
    """Diabetes coded, among those who are given metformin: what an audit by region sees."""
    usual, even = practices(), practices(without("undercoded_region"))
    last = len(assumptions.REGION_SHARES) - 1
    for made, low in ((usual, True), (even, False)):
        of_region = made.completeness[made.region == last].mean() / made.completeness[made.region != last].mean()
        assert (of_region < 0.8) == low

    def coded(difficulties: Difficulties) -> float:
        frame = delivered_frame(difficulties, 4 * BLOCK)
        there = told(frame, REGION).isin(REGIONS[last].split())
        treated = frame[frame["code"] == "ATC:A10BA02"].drop_duplicates("patient")
        treated = treated[treated["practice"].astype(str).map(there).astype(bool)]
        diabetic = frame[frame["code"].isin(["CIM10:E11.9", "CISP2:T90"])]["patient"].unique()
        return float(treated["patient"].isin(diabetic).mean())

    assert coded(USUAL) < 0.85 * coded(without("undercoded_region"))


@pytest.mark.slow
def test_a_vendor_sends_grams_and_the_unit_rule_converts_them() -> None:
    """Before intake the vendor's cholesterol is 2.6 times too low for a careless reader; after it, as the others'."""
    frame = delivered_frame()
    total = frame[frame["code"].map(TOTAL_CHOLESTEROL.covers).astype(bool)]
    vendor = total["practice"].astype(str).map(told(frame, VENDOR))
    assert ((total["unit"] == "g/L").groupby(vendor).mean() > [0.0, 0.3, 0.95]).all()
    raw = total["value"].groupby(vendor).mean()
    assert raw["a"] > 2 * raw["c"]
    kept = sort_out(total.astype({"patient": str, "practice": str, "code": str}), DELIVERED_AT, CONCEPTS)
    assert kept.quarantined == {}
    converted = kept.kept.to_pandas()
    assert set(converted["unit"]) == {"mmol/L"}
    means = converted["value"].groupby(converted["practice"].map(told(frame, VENDOR))).mean()
    assert means.max() / means.min() < 1.05
    assert "g/L" not in set(delivered_frame(without("grams"))["unit"])


@pytest.mark.slow
def test_some_practices_learn_results_weeks_late() -> None:
    def lag(difficulties: Difficulties) -> pd.Series:
        frame = delivered_frame(difficulties)
        results = frame[frame["code"].isin(["LOINC:14682-9", "LOINC:2160-0"])]
        return (results["known_at"] - results["happened_at"]).dt.days.groupby(results["practice"], observed=True).mean()

    assert lag(without("late_results")).max() < 12
    late = lag(USUAL)
    assert (late > 14).any()
    assert late.median() < 9


@pytest.mark.slow
def test_the_profile_shows_late_results(tmp_path: Path) -> None:
    """The same people, the same practices: with the difficulty the ninth decile of LOINC's delays is longer."""
    ninth = {}
    for name, difficulties in (("late", USUAL), ("prompt", without("late_results"))):
        made = synthesise(tmp_path / name, patients=1500, seed=3, difficulties=difficulties)
        spread = {found.label: found for found in delays_by_system(profile(made))}["LOINC"]
        assert spread.ninth is not None
        ninth[name] = spread.ninth
    assert ninth["late"] > ninth["prompt"]


@pytest.mark.slow
def test_those_who_leave_are_not_like_those_who_stay() -> None:
    def correlation(difficulties: Difficulties) -> float:
        """Of the logs of both hazards, beyond age, in men of 50 to 60."""
        rest = []
        for block in lives(difficulties):
            age = block.people.age[:, 5]
            men = (age > 50) & (age < 60) & ~block.people.female
            both = np.log([block.hazards.cardiovascular[men, 5], block.hazards.leaving[men, 5]])
            rest.append([each - np.polyval(np.polyfit(age[men], each, 2), age[men]) for each in both])
        risk, leaving = np.concatenate(rest, axis=1)
        return float(np.corrcoef(risk, leaving)[0, 1])

    assert correlation(USUAL) > 0.2
    assert abs(correlation(without("informative_departure"))) < 0.12


def test_whoever_stays_differs_from_everybody() -> None:
    """Censoring left unweighted biases: those who left had a higher true risk than those of their age who stay."""
    risk = []
    for block in lives(USUAL):
        age = block.people.age[:, 5]
        left = np.isfinite(block.events.left)
        risk.append(pd.DataFrame({"age": age // 5, "left": left, "risk": block.hazards.cardiovascular[:, 5]}))
    frame = pd.concat(risk)
    mean = frame[frame["age"].between(8, 15)].groupby(["age", "left"])["risk"].mean()
    assert (mean.xs(True, level="left") / mean.xs(False, level="left")).mean() > 1.05


@pytest.mark.slow
def test_chest_pain_is_coded_less_in_women() -> None:
    """Coded records over what the hazards make people feel: equal with the difficulty off, 40 to 75 with it."""

    def ratio(difficulties: Difficulties) -> float:
        coded = {True: 0.0, False: 0.0}
        felt = {True: 0.0, False: 0.0}
        frame = delivered_frame(difficulties, 4 * BLOCK)
        rows = frame[frame["code"].map(CHEST_PAIN.covers).astype(bool)]
        by_person = rows.groupby("patient", observed=True).size()
        blocks = _Population(4 * BLOCK, 3, difficulties).blocks(range(4 * BLOCK))
        for block in blocks:
            made = block.lives
            count = by_person.reindex(block.names.to_pylist()).fillna(0).to_numpy()
            rate = assumptions.CHEST_PAIN + assumptions.CHEST_PAIN_A_HAZARD * made.hazards.cardiovascular
            years = np.arange(assumptions.YEARS) + assumptions.FIRST_YEAR
            begin = 1970 + made.people.entry[:, None] / assumptions.DAYS_A_YEAR
            end = 1970 + np.minimum(made.events.gone, LAST_DAY)[:, None] / assumptions.DAYS_A_YEAR
            there = np.clip(np.minimum(end, years + 1) - np.maximum(begin, years), 0, 1)
            for women in (True, False):
                group = made.people.female == women
                coded[women] += count[group].sum()
                felt[women] += (rate * there)[group].sum()
        return coded[True] / felt[True] / (coded[False] / felt[False])

    planted = assumptions.CHEST_PAIN_CODED_WOMEN / assumptions.CHEST_PAIN_CODED_MEN
    even = ratio(without("symptom_coding"))
    assert ratio(USUAL) == pytest.approx(planted * even, rel=0.15)
    assert even > 0.7


def test_drift_begins_on_its_day_and_changes_nothing_before() -> None:
    """What a monitor of the mean of readings would see: a step."""
    usual, drifting = (delivered_frame(d, 500) for d in (USUAL, Difficulties(drift_from=DRIFT)))
    begin = datetime(DRIFT.year, DRIFT.month, DRIFT.day)
    keys = ["patient", "code", "happened_at"]
    for before in (True, False):
        one, other = (
            frame[(frame["happened_at"] < begin) == before].sort_values(keys).reset_index(drop=True)
            for frame in (usual, drifting)
        )
        assert len(one) == len(other)
        pressure = one["code"] == "LOINC:8480-6"
        step = (other["value"] - one["value"])[pressure].mean()
        assert step == pytest.approx(0 if before else assumptions.SYSTOLIC_DRIFT, abs=0.3)
        rest = ~one["code"].isin(["LOINC:8480-6", "LOINC:8462-4"])
        assert one[rest].equals(other[rest])


@pytest.mark.parametrize("concept", [concept for concept in CONCEPTS if concept.unit], ids=lambda c: c.name)
def test_every_value_has_a_unit_its_concept_accepts_and_is_believable(concept: Concept) -> None:
    frame = delivered_frame()
    codes = [code for code in frame["code"].cat.categories if concept.covers(code)]
    for unit, values in frame[frame["code"].isin(codes)].groupby("unit", observed=True)["value"]:
        converted = concept.convert(values.to_numpy(), str(unit))
        assert converted is not None
        low, high = concept.plausible or (-np.inf, np.inf)
        assert ((converted >= low) & (converted <= high)).all()

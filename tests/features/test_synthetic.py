"""The synthetic population: the same again, believable, with the difficulties it promises and a truth that holds."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from features.__main__ import main
from features.catalogue import cardiovascular as catalogue
from features.catalogue.concepts import CONCEPTS, DEATH, LEFT, MAJOR_CV_EVENT, REGISTERED
from features.cohort import Cohort, Members, OnDates
from features.intake import SCHEMA
from features.language import months
from features.outcome import COMPETING, EVENT, Outcome
from features.records import Records
from features.store import compute
from features.synthetic import BLOCK, DELIVERED_AT, TRUTH_SCHEMA, _Population, assumptions, events, synthesise
from features.synthetic.people import LAST_DAY, day, make_people
from features.synthetic.practices import make_practices
from features.synthetic.trajectories import accumulated, first_passage, make_trajectories

PATIENTS = 12_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Records, Path]:
    folder = tmp_path_factory.mktemp("population")
    return synthesise(folder / "records", patients=PATIENTS, seed=3, truth=folder / "truth.parquet"), folder


@pytest.fixture(scope="module")
def truth(made: tuple[Records, Path]) -> pd.DataFrame:
    return pd.read_parquet(made[1] / "truth.parquet")


@pytest.fixture(scope="module")
def delivered() -> pd.DataFrame:
    """Records as they leave the practices, units not yet converted."""
    blocks = _Population(4 * BLOCK, 3).blocks(range(4 * BLOCK))
    return (
        pa.concat_tables([block.records.select(SCHEMA.names[:-1]) for block in blocks]).unify_dictionaries().to_pandas()
    )


@pytest.fixture(scope="module")
def members(made: tuple[Records, Path]) -> Members:
    outcome = Outcome("event", "", "", MAJOR_CV_EVENT, DEATH, (LEFT,), 10.0, months(6))
    landmark = OnDates((datetime(2013, 1, 1),))
    return Cohort("adults", landmark, catalogue.ADULTS_40_TO_79, REGISTERED).members(made[0], outcome)


def bytes_of(store: Path) -> dict[str, str]:
    files = sorted(file for file in store.rglob("*") if file.is_file())
    return {file.relative_to(store).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def frame_of(records: Records) -> pd.DataFrame:
    return pd.concat(
        pd.DataFrame(
            {
                "patient": shard.patients[shard.patient],
                "happened": shard.happened,
                "known": shard.known,
                "code": np.array(shard.codes, dtype=object)[shard.code],
                "value": shard.value,
                "practice": np.array(shard.practices, dtype=object)[shard.practice],
            }
        )
        for shard in records
    )


def test_two_runs_give_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        synthesise(tmp_path / name / "records", patients=300, seed=seed, truth=tmp_path / name / "truth.parquet")
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    assert bytes_of(tmp_path / "a") != bytes_of(tmp_path / "c")


def test_how_many_are_made_at_once_changes_no_record(tmp_path: Path) -> None:
    patients = 2 * BLOCK + 100
    frames, truths = [], []
    for at_once in (BLOCK, 10 * BLOCK):
        file = tmp_path / f"truth-{at_once}.parquet"
        records = synthesise(tmp_path / str(at_once), patients=patients, seed=5, shards=3, at_once=at_once, truth=file)
        frames.append(frame_of(records))
        truths.append(pd.read_parquet(file))
    pd.testing.assert_frame_equal(*frames)
    pd.testing.assert_frame_equal(*truths)
    assert frames[0]["patient"].nunique() == patients


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    def interrupt(done: int, patients: int) -> None:
        raise KeyboardInterrupt

    patients = 2 * BLOCK
    again = {"patients": patients, "at_once": BLOCK}
    with pytest.raises(KeyboardInterrupt):
        synthesise(tmp_path / "a", **again, progress=interrupt, truth=tmp_path / "truth-a.parquet")
    assert not list(tmp_path.glob("truth*"))
    seen: list[tuple[int, int]] = []
    whole = synthesise(
        tmp_path / "a", **again, progress=lambda *done: seen.append(done), truth=tmp_path / "truth-a.parquet"
    )
    synthesise(tmp_path / "b", **again, truth=tmp_path / "truth-b.parquet")
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    assert (tmp_path / "truth-a.parquet").read_bytes() == (tmp_path / "truth-b.parquet").read_bytes()
    assert seen == [(BLOCK, patients), (patients, patients)]
    assert len(whole.deliveries) == 2


@pytest.mark.parametrize("other", [{"seed": 1}, {"shards": 4}, {"patients": 60}, {}])
def test_other_records_are_never_added_to(tmp_path: Path, other: dict[str, int]) -> None:
    synthesise(tmp_path, patients=50)
    with pytest.raises(FileExistsError):
        synthesise(tmp_path, **{"patients": 50} | other)


@pytest.mark.parametrize("name", ["patients", "shards", "at_once"])
def test_numbers_must_be_positive(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be 1 or more"):
        synthesise(tmp_path / "none", **{name: 0})
    assert not (tmp_path / "none").exists()


def test_records_are_whole(made: tuple[Records, Path]) -> None:
    records = made[0]
    frame = frame_of(records)
    assert all(delivery["quarantined"] == {} for delivery in records.deliveries)  # no value without a believable unit
    assert records.delivered_at == DELIVERED_AT
    assert frame["patient"].nunique() == PATIENTS
    assert 60 <= len(frame) / PATIENTS <= 110
    assert frame["practice"].nunique() == PATIENTS // 500
    assert not frame[["patient", "practice"]].drop_duplicates()["patient"].duplicated().any()
    for code in ("PRACTICE:birth", "PRACTICE:registered", "PRACTICE:deprivation"):
        assert (frame["code"] == code).sum() == PATIENTS
    used = {concept.name for concept in CONCEPTS for code in frame["code"].unique() if concept.covers(code)}
    absent = {concept.name for concept in CONCEPTS} - used
    assert absent.isdisjoint(
        {"smoking_status", "diabetes", "hypertension", "statin", "antihypertensive", "hdl_cholesterol", "creatinine"}
    )


def test_nothing_is_known_before_registration_nor_happens_after_death_or_departure(made: tuple[Records, Path]) -> None:
    frame = frame_of(made[0])
    registered = frame[frame["code"] == "PRACTICE:registered"].set_index("patient")["happened"]
    assert (frame["known"] >= frame["patient"].map(registered)).all()
    ending = frame[frame["code"].isin(["PRACTICE:death", "PRACTICE:death.cardiovascular", "PRACTICE:left"])]
    assert ending["patient"].is_unique
    gone = frame["patient"].map(ending.set_index("patient")["happened"])
    after = frame[gone.notna() & (frame["happened"] >= gone)]
    assert set(after["code"]) <= set(ending["code"])
    consultations = frame[frame["code"] == "PRACTICE:consultation"]
    hours = consultations["happened"].astype("datetime64[us]").dt
    assert hours.hour.between(8, 17).all()
    assert (hours.day_of_week != 6).all()


def test_letters_and_results_arrive_late(made: tuple[Records, Path]) -> None:
    frame = frame_of(made[0])
    days = (frame["known"] - frame["happened"]) / 86_400e6
    since = frame["happened"].astype("datetime64[us]") >= datetime(2010, 1, 1)
    letters = days[since & frame["code"].str.match(r"CIM10:I(21|6[134])")]
    assert 15 < letters.median() < 90
    assert letters.min() > 1
    assert (letters > 60).mean() > 0.1
    results = days[frame["code"].isin(["LOINC:14647-2", "LOINC:2093-3"])]
    assert 1 < results.mean() < 12
    assert (days[frame["code"] == "LOINC:8480-6"] == 0).all()


def test_practices_mix_units_and_each_unit_is_right(delivered: pd.DataFrame) -> None:
    total = delivered[delivered["code"].isin(["LOINC:14647-2", "LOINC:2093-3"])]
    medians = total.groupby("unit")["value"].median()
    assert set(medians.index) == {"mmol/L", "g/L"}
    assert 4.5 < medians["mmol/L"] < 6
    assert 1.75 < medians["g/L"] < 2.3
    grams = total.assign(grams=total["unit"] == "g/L").groupby("practice")["grams"].mean()
    assert grams.min() < 0.1
    assert grams.max() > 0.9
    assert set(total.loc[total["unit"] == "g/L", "code"]) == {"LOINC:2093-3"}


def test_marginals_are_near_the_published_ones(members: Members, made: tuple[Records, Path]) -> None:
    frame = compute(catalogue.CARDIOVASCULAR, made[0], members.index)
    under_75 = frame[frame["age"] < 75]
    # Esteban, 18 to 74: 30.6 % hypertensive, 47 % of them treated; from 40 on both are higher.
    assert 0.25 < ((under_75["systolic"] >= 140) | (under_75["bp_treated"] == 1)).mean() < 0.45
    assert 0.12 < under_75["bp_treated"].mean() < 0.32
    assert 25 < frame["bmi"].mean() < 27.5
    assert 0.14 < (frame["bmi"] >= 30).sum() / frame["bmi"].notna().sum() < 0.24
    assert 0.04 < frame["diabetes"].mean() < 0.12
    smokers = frame.loc[frame["smoker"].notna(), "smoker"].astype(float)
    assert 0.15 < smokers.mean() < 0.32


def test_incidence_is_that_of_a_low_risk_region(truth: pd.DataFrame, members: Members) -> None:
    joined = members.index.merge(truth, on=["patient", "as_of"], how="left")
    assert joined["cardiovascular"].isna().mean() < 0.002  # who had died, and nobody had said so
    assert 0.045 < joined["cardiovascular"].mean() < 0.065
    assert 0.055 < joined["other_death"].mean() < 0.08
    assert ((joined["cardiovascular"] + joined["other_death"]).dropna() < 1).all()
    # Without any weighting the observed share is too low: some leave. It must be near all the same.
    assert 0.03 < (members.followup.cause == EVENT).mean() < 0.06
    assert 0.04 < (members.followup.cause == COMPETING).mean() < 0.08
    assert 0.1 < (members.followup.reason == 3).mean() < 0.4


def test_truth_stands_apart_and_has_a_row_for_each_person_at_risk(
    truth: pd.DataFrame, made: tuple[Records, Path]
) -> None:
    assert list(truth.columns) == TRUTH_SCHEMA.names
    assert not truth.duplicated(["patient", "as_of"]).any()
    assert sorted(truth["as_of"].dt.year.unique()) == [2012, 2013, 2014, 2015, 2016]
    frame = frame_of(made[0])
    events = frame[frame["code"].map(MAJOR_CV_EVENT.covers)].groupby("patient")["happened"].min()
    first = truth["patient"].map(events)
    as_of = truth["as_of"].astype("datetime64[us]").astype("int64")
    assert not (first < as_of).any()
    assert not (made[0].path / "truth.parquet").exists()


def test_first_passage_spends_exactly_its_threshold() -> None:
    rng = np.random.default_rng(0)
    hazard = rng.uniform(0.01, 0.4, (500, assumptions.YEARS))
    since = rng.uniform(day(2009), day(2020), 500)
    threshold = rng.exponential(size=500)
    moment = first_passage(threshold, hazard, since)
    passed = np.isfinite(moment)
    assert 0 < passed.sum() < 500
    assert (moment >= since).all()
    spent = accumulated(hazard, np.minimum(moment, LAST_DAY)) - accumulated(hazard, since)
    np.testing.assert_allclose(spent[passed], threshold[passed], atol=1e-9)
    assert (spent[~passed] <= threshold[~passed]).all()


def test_events_come_as_often_as_their_true_incidence_says() -> None:
    """Nobody leaves here, so the share with the event is the incidence; four standard errors are allowed."""
    seen, expected = np.zeros((2, 2)), np.zeros((2, 2))
    practices = make_practices(np.random.default_rng(1), 20_000)
    for block in range(25):
        rng = np.random.default_rng([7, block])
        people = make_people(rng, BLOCK, practices)
        states = make_trajectories(rng, people, practices)
        rates = events.hazards(people, states, practices)
        rates = dataclasses.replace(rates, leaving=rates.leaving * 1e-9)
        happened = events.make_events(rng, people, rates)
        true = events.truth(people, happened, rates)
        rows = true.as_of == day(2014)
        person = true.person[rows]
        first, end = happened.cardiovascular[person, 0], day(2024)
        event = first < np.minimum(end, happened.death[person] + 1e-9)
        other = ~event & (happened.death[person] < end)
        deprived = people.quintile[person] == 5
        for group, chosen in enumerate((deprived, ~deprived)):
            seen[group] += event[chosen].sum(), other[chosen].sum()
            expected[group] += true.cardiovascular[rows][chosen].sum(), true.other_death[rows][chosen].sum()
    assert (np.abs(seen - expected) < 4 * np.sqrt(expected)).all()


def test_the_most_deprived_have_one_and_a_half_times_the_hazard() -> None:
    practices = make_practices(np.random.default_rng(0), 20_000)
    rng = np.random.default_rng(1)
    people = make_people(rng, BLOCK, practices)
    states = make_trajectories(rng, people, practices)

    def hazard(quintile: int) -> np.ndarray:
        moved = dataclasses.replace(people, quintile=np.full(BLOCK, quintile))
        return events.hazards(moved, states, practices).cardiovascular

    others = np.mean([hazard(quintile) for quintile in range(1, 5)], axis=0)
    np.testing.assert_allclose(hazard(5) / others, 1.5, rtol=0.05)


def test_deprivation_shows_in_the_truth_and_quintiles_are_even(truth: pd.DataFrame, made: tuple[Records, Path]) -> None:
    frame = frame_of(made[0])
    quintile = frame[frame["code"] == "PRACTICE:deprivation"].set_index("patient")["value"]
    shares = quintile.value_counts(normalize=True)
    assert shares.between(0.15, 0.25).all()
    mean = truth.groupby(truth["patient"].map(quintile))["cardiovascular"].mean()
    assert mean[5.0] > 1.3 * mean[:4].mean()


def test_practices_differ_as_declared() -> None:
    practices = make_practices(np.random.default_rng(0), 200_000)
    assert practices.hazard.std() == pytest.approx(assumptions.PRACTICE_HAZARD_SD, abs=0.02)
    assert np.corrcoef(practices.deprivation, practices.completeness)[0, 1] < -0.3
    assert len(make_practices(np.random.default_rng(0), 10).name) == assumptions.PRACTICES_AT_LEAST


def test_blood_pressure_is_measured_more_in_the_hypertensive(delivered: pd.DataFrame) -> None:
    systolic = delivered[delivered["code"] == "LOINC:8480-6"]
    treated = delivered.loc[delivered["code"].str.startswith("ATC:C09"), "patient"].unique()
    times = systolic.groupby("patient").size()
    mean = systolic.groupby("patient")["value"].mean()
    assert times[times.index.isin(treated)].mean() > 2 * times[~times.index.isin(treated)].mean()
    assert mean.std() > 8  # people differ
    assert systolic.groupby("patient")["value"].std().median() > 5  # and so do one person's readings


def test_those_who_leave_are_not_like_those_who_stay() -> None:
    practices = make_practices(np.random.default_rng(0), 20_000)
    rng = np.random.default_rng(2)
    people = make_people(rng, BLOCK, practices)
    rates = events.hazards(people, make_trajectories(rng, people, practices), practices)
    age, risk = people.age[:, 5], np.log(rates.cardiovascular[:, 5])
    same_age = (age > 55) & (age < 60)
    assert np.corrcoef(risk[same_age], np.log(rates.leaving[same_age, 5]))[0, 1] > 0.2


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, file = tmp_path / "store", tmp_path / "truth.parquet"
    arguments = ["synthesise", "--patients", "100", "--seed", "4", "--into", str(store), "--truth", str(file)]
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert "100 of 100 patients" in said.err
    assert "s left" in said.err
    assert Records.open(store).digest in said.out
    assert pc.count_distinct(pa.parquet.read_table(file)["as_of"]).as_py() == 5
    assert main(arguments) == 4
    assert "already holds records" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["synthesise"], ["synthesise", "--patients", "0", "--into", "x"]])
def test_command_line_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: python -m features" in capsys.readouterr().err

"""The synthetic population: the same again, believable, with the difficulties it promises and a truth that holds."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.__main__ import main
from features.catalogue import cardiovascular as catalogue
from features.catalogue.concepts import (
    CONCEPTS,
    DEATH,
    DEPARTMENT,
    LEFT,
    MAJOR_CV_EVENT,
    REGION,
    REGISTERED,
    VENDOR,
)
from features.cohort import Cohort, Members, OnDates
from features.intake import SCHEMA
from features.language import months
from features.outcome import COMPETING, EVENT, Outcome
from features.records import Records
from features.store import compute
from features.synthetic import (
    BLOCK,
    DELIVERED_AT,
    TRUTH_SCHEMA,
    Difficulties,
    _Population,
    assumptions,
    events,
    synthesise,
    true_incidence,
)
from features.synthetic.calendar import BOUNDS, LAST_DAY, day
from features.synthetic.incidence import accumulated, cumulative_incidence, first_passage
from features.synthetic.lives import Lives, make_lives
from features.synthetic.metabolism import creatinine, estimated_filtration
from features.synthetic.people import make_people
from features.synthetic.places import INHABITANTS, REGIONS
from features.synthetic.practices import make_practices

PATIENTS = 6_000
#: What the population has no record of; docs/synthetic-population.md says so.
ABSENT = set(
    """
    active_days angina benign_breast_disease bilateral_mastectomy breast_genetic_risk breast_mri carotid_disease
    cervical_cancer colorectal_genetic_risk contraception_consultation coronary_revascularisation ct_colonography
    dental_prevention dependency disability erectile_dysfunction examination familial_hypercholesterolaemia
    gestational_diabetes glucose heart_failure heart_rate high_intensity_statin hiv home_visit hpv_vaccination
    immune_deficiency intellectual_disability kidney_transplant lipid_panel low_intensity_statin
    moderate_intensity_statin other_contact other_lipid_lowering overweight palliative_care
    peripheral_artery_disease physical_activity physical_inactivity pneumococcal_vaccination prediabetes
    sigmoidoscopy smoking_intensity specialist_visit total_colectomy transient_ischaemic_attack
    waist_circumference
    """.split()  # noqa: SIM905
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Records, Path]:
    folder = tmp_path_factory.mktemp("population")
    return synthesise(folder / "records", patients=PATIENTS, seed=3, truth=folder / "truth.parquet"), folder


@pytest.fixture(scope="module")
def frame(made: tuple[Records, Path]) -> pd.DataFrame:
    return frame_of(made[0])


@pytest.fixture(scope="module")
def truth(made: tuple[Records, Path]) -> pd.DataFrame:
    return pd.read_parquet(made[1] / "truth.parquet")


@cache
def delivered_frame(difficulties: Difficulties = Difficulties(), patients: int = 2 * BLOCK) -> pd.DataFrame:  # noqa: B008
    """Records as they leave the practices, units not yet converted."""
    blocks = _Population(patients, 3, difficulties).blocks(range(patients))
    tables = [block.records.select(SCHEMA.names[:-1]) for block in blocks]
    return pa.concat_tables(tables).unify_dictionaries().to_pandas()


@pytest.fixture(scope="module")
def delivered() -> pd.DataFrame:
    return delivered_frame()


def made_lives(blocks: int, seed: int = 7) -> list[Lives]:
    practices = make_practices(np.random.default_rng(1), 20_000)
    return [make_lives(np.random.SeedSequence([seed, block]), BLOCK, practices) for block in range(blocks)]


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


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> int:
    """As many people as are made together: fewer than usual, that several blocks be made in a moment."""
    monkeypatch.setattr("features.synthetic.BLOCK", 200)
    return 200


def test_how_many_are_made_at_once_changes_no_record(tmp_path: Path, small_blocks: int) -> None:
    patients = small_blocks + 100
    frames, truths = [], []
    for at_once in (small_blocks, 10 * small_blocks):
        file = tmp_path / f"truth-{at_once}.parquet"
        records = synthesise(tmp_path / str(at_once), patients=patients, seed=5, shards=3, at_once=at_once, truth=file)
        frames.append(frame_of(records))
        truths.append(pd.read_parquet(file))
    assert frames[0].equals(frames[1])
    assert truths[0].equals(truths[1])
    assert frames[0]["patient"].nunique() == patients


@pytest.mark.slow
def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path, small_blocks: int) -> None:
    def interrupt(done: int, patients: int) -> None:
        raise KeyboardInterrupt

    patients = small_blocks + 100
    again = {"patients": patients, "at_once": small_blocks}
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
    assert seen == [(small_blocks, patients), (patients, patients)]
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


@pytest.mark.slow
def test_records_are_whole(made: tuple[Records, Path], frame: pd.DataFrame) -> None:
    records = made[0]
    assert all(delivery["quarantined"] == {} for delivery in records.deliveries)  # no value without a believable unit
    assert records.delivered_at == DELIVERED_AT
    assert frame["patient"].nunique() == PATIENTS
    assert 110 <= len(frame) / PATIENTS <= 190
    assert frame["practice"].nunique() == PATIENTS // 500
    registrations = frame["patient"][frame["code"] == "PRACTICE:registered"].value_counts()
    assert set(registrations) == {1, 2}
    assert (frame.groupby("patient")["practice"].nunique() <= registrations.sort_index()).all()
    for prefix in ("deprivation", "rurality", "department.", "vendor."):
        written = frame["patient"][frame["code"].str.startswith(f"PRACTICE:{prefix}")].value_counts()
        pd.testing.assert_series_equal(written.sort_index(), registrations.sort_index())
    assert (frame["code"] == "PRACTICE:birth").sum() == PATIENTS
    codes = frame["code"].unique()
    used = {concept.name for concept in CONCEPTS if any(map(concept.covers, codes))}
    assert {concept.name for concept in CONCEPTS} - used == ABSENT


@pytest.mark.slow
def test_nothing_is_known_before_registration_nor_happens_after_death_or_departure(frame: pd.DataFrame) -> None:
    registered = frame[frame["code"] == "PRACTICE:registered"].groupby("patient")["happened"].agg(["min", "max"])
    assert (frame["known"] >= frame["patient"].map(registered["min"])).all()
    ending = frame[frame["code"].isin(["PRACTICE:death", "PRACTICE:death.cardiovascular", "PRACTICE:left"])]
    ending = ending[ending["happened"] > ending["patient"].map(registered["max"])]
    assert ending["patient"].is_unique
    gone = frame["patient"].map(ending.set_index("patient")["happened"])
    after = frame[gone.notna() & (frame["happened"] >= gone)]
    assert set(after["code"]) <= set(ending["code"])
    consultations = frame[frame["code"] == "PRACTICE:consultation"]
    hours = consultations["happened"].astype("datetime64[us]").dt
    assert hours.hour.between(8, 17).all()
    assert (hours.day_of_week != 6).all()


@pytest.mark.slow
def test_letters_and_results_arrive_late(frame: pd.DataFrame) -> None:
    days = (frame["known"] - frame["happened"]) / 86_400e6
    since = frame["happened"].astype("datetime64[us]") >= datetime(2010, 1, 1)
    letters = days[since & frame["code"].str.match(r"CIM10:I(21|6[134])")]
    assert 15 < letters.median() < 90
    assert letters.min() > 1
    assert (letters > 60).mean() > 0.1
    results = days[frame["code"].isin(["LOINC:14647-2", "LOINC:2093-3"])]
    assert 1 < results.mean() < 14
    assert (days[frame["code"] == "LOINC:8480-6"] == 0).all()


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_incidence_is_that_of_a_low_risk_region(truth: pd.DataFrame, members: Members) -> None:
    joined = members.index.merge(truth, on=["patient", "as_of"], how="left")
    assert joined["cardiovascular"].isna().mean() < 0.002  # who had died, and nobody had said so
    assert 0.045 < joined["cardiovascular"].mean() < 0.065
    assert 0.065 < joined["other_death"].mean() < 0.095
    assert ((joined["cardiovascular"] + joined["other_death"]).dropna() < 1).all()
    # Without any weighting the observed share is too low: some leave. It must be near all the same.
    assert 0.03 < (members.followup.cause == EVENT).mean() < 0.06
    assert 0.04 < (members.followup.cause == COMPETING).mean() < 0.08
    assert 0.1 < (members.followup.reason == 3).mean() < 0.4


@pytest.mark.slow
def test_truth_stands_apart_and_has_a_row_for_each_person_at_risk(
    truth: pd.DataFrame, made: tuple[Records, Path], frame: pd.DataFrame
) -> None:
    assert list(truth.columns) == TRUTH_SCHEMA.names
    assert not truth.duplicated(["patient", "as_of"]).any()
    assert sorted(truth["as_of"].dt.year.unique()) == [2012, 2013, 2014, 2015, 2016]
    codes = [code for code in frame["code"].unique() if MAJOR_CV_EVENT.covers(code)]
    events = frame[frame["code"].isin(codes)].groupby("patient")["happened"].min()
    first = truth["patient"].map(events)
    as_of = truth["as_of"].astype("datetime64[us]").astype("int64")
    told = truth["cardiovascular"].notna()
    assert not (first < as_of)[told].any()
    assert 0.85 < told.mean() < 0.99
    assert (truth["other_death"].notna() == told).all()
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


@given(
    hazards=st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2)), min_size=1, max_size=6),
    cuts=st.lists(st.floats(0, 1), min_size=3, max_size=3).map(sorted),
)
def test_incidence_is_monotone_additive_and_sums_to_one(hazards: list[tuple[float, float]], cuts: list[float]) -> None:
    """From the hazards' definition: survival is the exponential, and what happens later happens to survivors."""
    both = [np.array([[hazard[cause] for hazard in hazards]]) for cause in (0, 1)]
    bounds = np.arange(len(hazards) + 1.0)
    first, middle, last = (cut * len(hazards) for cut in cuts)

    def spent(until: float) -> float:
        return float(sum(sum(hazards[k]) * min(max(until - k, 0), 1) for k in range(len(hazards))))

    early = [float(each[0]) for each in cumulative_incidence(both, bounds, first, middle)]
    late = [float(each[0]) for each in cumulative_incidence(both, bounds, middle, last)]
    whole = [float(each[0]) for each in cumulative_incidence(both, bounds, first, last)]
    survival = np.exp(spent(first) - spent(middle))
    assert sum(early) == pytest.approx(1 - survival, abs=1e-9)
    for before, after, all_along in zip(early, late, whole, strict=True):
        assert 0 <= before <= all_along + 1e-12
        assert all_along == pytest.approx(before + survival * after, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("begin", "years"), [(datetime(2014, 1, 1), 10.0), (datetime(2017, 9, 20), 3.5)])
def test_events_come_as_often_as_their_true_incidence_says(begin: datetime, years: float) -> None:
    """Nobody leaves here, so the share with the event is the incidence; four standard errors are allowed."""
    since = (begin - datetime(1970, 1, 1)).days
    until = day(begin.year + 10) if years == 10 else (datetime(2020, 9, 20) - datetime(1970, 1, 1)).days + 182.625
    seen, expected = np.zeros((4, 2)), np.zeros((4, 2))
    for block, lives in enumerate(made_lives(25)):
        rates = dataclasses.replace(lives.hazards, leaving=lives.hazards.leaving * 1e-9)
        happened = events.make_events(np.random.default_rng([8, block]), lives.people, rates)
        here = (lives.people.registered < since) & (happened.gone >= since) & (happened.first >= since)
        true = cumulative_incidence((rates.cardiovascular[here], rates.other_death[here]), BOUNDS, since, until)
        first = happened.cardiovascular[here, 0]
        event = first < np.minimum(until, happened.death[here] + 1e-9)
        other = ~event & (happened.death[here] < until)
        deprived = lives.people.quintile[here] == 5
        moves = (lives.people.moves.moment < until)[here]
        ill = lives.states.has["kidney_disease"][here, begin.year - assumptions.FIRST_YEAR]
        for group, chosen in enumerate((deprived, ~deprived, ill, moves)):
            seen[group] += event[chosen].sum(), other[chosen].sum()
            expected[group] += true[0][chosen].sum(), true[1][chosen].sum()
    assert (np.abs(seen - expected) < 4 * np.sqrt(expected)).all()


def aalen_johansen(time: np.ndarray, cause: np.ndarray, horizon: float) -> tuple[float, float]:
    """Return the cumulative incidence of cause 1 at the horizon and its standard error; 0 is censored.

    Written out: sums over the moments at which something happens of survival so far times the share to whom it does;
    the variance is Aalen's (Andersen et al. 1993, IV.4.2), as R's cmprsk.
    """
    order = np.argsort(time, kind="stable")
    time, cause = time[order], cause[order]
    moments, first = np.unique(time, return_index=True)
    inside = moments <= horizon
    at_risk = (len(time) - first)[inside].astype(float)
    one, any_cause = (np.add.reduceat(flag.astype(float), first)[inside] for flag in (cause == 1, cause > 0))
    other = any_cause - one
    before = np.concatenate([[1.0], np.cumprod(1 - any_cause / at_risk)[:-1]])
    incidence = np.cumsum(before * one / at_risk)
    final = incidence[-1]
    now = before * (1 - any_cause / at_risk)
    toward = final - incidence  # what is still to come
    spent = (now - toward) ** 2 * one + toward**2 * other
    return float(final), float(np.sqrt(np.sum(spent / at_risk**2)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [13, 404, 20_251])
def test_the_mean_truth_is_what_aalen_and_johansen_estimate(seed: int) -> None:
    """A hundred thousand people, who move and, independently of all else, leave: by tenth of the truth."""
    since, until = day(2013), day(2023)
    true, time, cause, moved = [], [], [], []
    practices = make_practices(np.random.default_rng(seed), 100_000)
    for block in range(50):
        lives = make_lives(np.random.SeedSequence([seed, block]), BLOCK, practices)
        rates = dataclasses.replace(lives.hazards, leaving=np.full(lives.hazards.leaving.shape, 0.05))
        happened = events.make_events(np.random.default_rng([seed, block, 1]), lives.people, rates)
        here = (lives.people.registered < since) & (happened.gone >= since) & (happened.first >= since)
        true.append(
            cumulative_incidence((rates.cardiovascular[here], rates.other_death[here]), BOUNDS, since, until)[0]
        )
        first, death, left = happened.cardiovascular[here, 0], happened.death[here], happened.left[here]
        end = np.minimum.reduce([first, death, left, np.full(len(first), LAST_DAY)])
        time.append(end)
        cause.append(np.select([first <= end, death <= end], [1, 2], 0))
        moved.append(lives.people.moves.moment[here] < until)
    risk, ends, kind, movers = (np.concatenate(column) for column in (true, time, cause, moved))
    rank = pd.Series(risk).rank(pct=True).to_numpy()
    distances = []
    for tenth in range(10):
        group = (rank > tenth / 10) & (rank <= (tenth + 1) / 10)
        incidence, error = aalen_johansen(ends[group], kind[group], until)
        distances.append((incidence - risk[group].mean()) / error)
    assert np.abs(distances).max() < 4
    assert np.square(distances).sum() < 29.6  # one in a thousand of ten squared normals
    assert error < 0.04 * risk[group].mean()  # it could tell
    incidence, error = aalen_johansen(ends[movers], kind[movers], until)
    assert abs(incidence - risk[movers].mean()) < 4 * error


@pytest.mark.slow
def test_truth_holds_at_every_level_of_risk_in_a_large_population() -> None:
    """Two hundred thousand people, none of whom leaves: by tenth of the truth, within four standard errors."""
    true, event = [], []
    practices = make_practices(np.random.default_rng(2), 200_000)
    for block in range(100):
        lives = make_lives(np.random.SeedSequence([13, block]), BLOCK, practices)
        rates = dataclasses.replace(lives.hazards, leaving=lives.hazards.leaving * 1e-9)
        happened = events.make_events(np.random.default_rng([14, block]), lives.people, rates)
        since, until = day(2013), day(2023)
        here = (lives.people.registered < since) & (happened.gone >= since) & (happened.first >= since)
        both = (rates.cardiovascular[here], rates.other_death[here])
        true.append(cumulative_incidence(both, BOUNDS, since, until)[0])
        event.append(happened.cardiovascular[here, 0] < np.minimum(until, happened.death[here] + 1e-9))
    risk, came = np.concatenate(true), np.concatenate(event)
    rank = pd.Series(risk).rank(pct=True).to_numpy()
    for tenth in range(10):
        group = (rank > tenth / 10) & (rank <= (tenth + 1) / 10)
        expected = risk[group].sum()
        assert abs(came[group].sum() - expected) < 4 * np.sqrt((risk * (1 - risk))[group].sum())
    ranks = pd.Series(risk).rank().to_numpy()[came]
    area = (ranks.sum() - len(ranks) * (len(ranks) + 1) / 2) / (len(ranks) * (len(risk) - len(ranks)))
    assert 0.8 < area < 0.9  # of all ages


@pytest.mark.slow
def test_the_truth_file_is_the_truth_at_its_landmarks(tmp_path: Path) -> None:
    synthesise(tmp_path / "records", patients=700, seed=6, truth=tmp_path / "truth.parquet")
    written = pa.parquet.read_table(tmp_path / "truth.parquet")
    for year in assumptions.LANDMARK_YEARS:
        as_of = datetime(year, 1, 1)
        of_year = written.filter(pc.equal(written["as_of"], pa.scalar(as_of, pa.timestamp("us"))))
        assert of_year.equals(true_incidence(as_of, patients=700, seed=6))
    later = true_incidence(datetime(2021, 3, 5), patients=700, seed=6, years=2.5)
    shorter = true_incidence(datetime(2021, 3, 5), patients=700, seed=6, years=1.0)
    difference = pc.subtract(later["cardiovascular"], shorter["cardiovascular"])
    assert pc.all(pc.greater(difference.drop_null(), 0)).as_py()


@pytest.mark.parametrize(
    ("as_of", "years"), [(datetime(2018, 1, 1), 10.0), (datetime(2008, 12, 31), 1.0), (datetime(2015, 1, 1), 0.0)]
)
def test_a_horizon_outside_the_calendar_has_no_truth(as_of: datetime, years: float) -> None:
    with pytest.raises(ValueError, match="horizon must be positive and lie between 2009-01-01 and 2026-01-01"):
        true_incidence(as_of, patients=10, years=years)


@pytest.fixture(scope="module")
def moves(frame: pd.DataFrame) -> pd.DataFrame:
    """Those who registered twice: when they left the one practice and registered with the other, and which."""
    rows = frame[frame["code"] == "PRACTICE:registered"].sort_values("happened")
    second = rows[rows["patient"].duplicated()].set_index("patient")
    first = rows.drop_duplicates("patient").set_index("patient").loc[second.index]
    left = frame[frame["code"] == "PRACTICE:left"].groupby("patient")["happened"].min()
    return pd.DataFrame(
        {
            "left": left.loc[second.index],
            "arrived": second["happened"],
            "one": first["practice"],
            "two": second["practice"],
        }
    )


@pytest.mark.slow
def test_whoever_moves_is_in_one_practice_then_in_another(frame: pd.DataFrame, moves: pd.DataFrame) -> None:
    """Some weeks apart; no practice writes of anybody who is not there; what comes later reaches the second one."""
    days = (moves["arrived"] - moves["left"]) / 86_400e6
    assert days.min() > 0.3
    assert 35 < days.mean() < 55
    assert (moves["one"] != moves["two"]).all()
    theirs = frame[frame["patient"].isin(moves.index)]
    left, arrived, one, two = (theirs["patient"].map(moves[name]) for name in moves.columns)
    before = theirs["known"] <= left
    assert (before | (theirs["known"] >= arrived)).all()
    assert (theirs["practice"] == one.where(before, two)).all()
    consulted = theirs["code"] == "PRACTICE:consultation"
    assert (consulted & ~before).sum() > 0.3 * consulted.sum()
    assert not (consulted & (theirs["happened"] > left) & (theirs["happened"] < arrived)).any()


@pytest.mark.slow
def test_people_move_as_often_as_published(moves: pd.DataFrame, frame: pd.DataFrame) -> None:
    """Young people most; the rate of those of 20 to 30 and of 55 to 75 within four standard errors."""
    practices = make_practices(np.random.default_rng(5), 40_000)
    seen = np.zeros((2, 2))
    for block in range(20):
        rng, moving = (np.random.default_rng([6, block, part]) for part in range(2))
        people = make_people(rng, moving, BLOCK, practices)
        for year in range(assumptions.YEARS):
            there = (people.entry <= BOUNDS[year]) & (people.moves.moment >= BOUNDS[year])
            moved = there & (people.moves.moment < BOUNDS[year + 1])
            for group, (low, high) in enumerate(((20, 25), (60, 75))):
                aged = (people.age[:, year] >= low) & (people.age[:, year] < high)
                seen[group] += (moved & aged).sum(), (there & aged).sum()
    for (moved, there), published in zip(seen, (0.28, 0.04), strict=True):
        expected = there * published * assumptions.MOVING_CHANGES_PRACTICE
        assert abs(moved - expected) < 4 * np.sqrt(expected) + 0.04 * expected
    people = frame["patient"].nunique()
    assert 0.08 < len(moves) / people < 0.16


def test_hazards_follow_the_practice_and_the_place_from_the_move_on() -> None:
    """Before the year of the move the first practice's effect, after it the second's, in it the mean by days."""
    lives = made_lives(1)[0]
    people, practices = lives.people, lives.practices
    none = dataclasses.replace(practices, hazard=np.zeros(len(practices.name)))
    effect = np.log(lives.hazards.cardiovascular)
    effect -= np.log(events.hazards(people, lives.circumstances, lives.states, none).cardiovascular)
    year = np.searchsorted(BOUNDS, people.moves.moment, side="right") - 1
    one, two = practices.hazard[people.practice], practices.hazard[people.moves.practice]
    movers = np.flatnonzero(np.isfinite(people.moves.moment))
    assert len(movers) > 150
    for person in movers:
        at = year[person]
        np.testing.assert_allclose(effect[person, :at], one[person], atol=1e-9)
        np.testing.assert_allclose(effect[person, at + 1 :], two[person], atol=1e-9)
        share = (people.moves.moment[person] - BOUNDS[at]) / (BOUNDS[at + 1] - BOUNDS[at])
        assert effect[person, at] == pytest.approx(share * one[person] + (1 - share) * two[person])
    stay = np.isinf(people.moves.moment)
    np.testing.assert_allclose(effect[stay], np.broadcast_to(one[stay, None], effect[stay].shape), atol=1e-9)
    moved_up = (people.quintile < 5) & (people.moves.quintile == 5) & np.isfinite(people.moves.moment)
    even = dataclasses.replace(people.moves, quintile=people.quintile)
    changed = lives.hazards.cardiovascular / np.exp(effect)
    unchanged = events.hazards(
        dataclasses.replace(people, moves=even), lives.circumstances, lives.states, none
    ).cardiovascular
    assert moved_up.sum() > 3
    for person in np.flatnonzero(moved_up):
        assert (changed[person, year[person] + 1 :] > 1.4 * unchanged[person, year[person] + 1 :]).all()
        np.testing.assert_allclose(changed[person, : year[person]], unchanged[person, : year[person]])


@pytest.mark.slow
def test_the_truth_names_the_practice_of_the_landmark_and_nobody_between_two(
    truth: pd.DataFrame, moves: pd.DataFrame
) -> None:
    theirs = truth[truth["patient"].isin(moves.index)]
    as_of = theirs["as_of"].astype("datetime64[us]").astype("int64")
    left, arrived, one, two = (theirs["patient"].map(moves[name]) for name in moves.columns)
    assert ((as_of <= left) | (as_of > arrived)).all()
    assert (theirs["practice"] == one.where(as_of <= left, two)).all()
    assert (as_of > arrived).sum() > 200


@pytest.mark.slow
def test_places_say_what_practices_say(frame: pd.DataFrame) -> None:
    """Each practice has one vendor and one département, of the set that stands for its region."""
    practices = _Population(PATIENTS, 3).practices
    by_name = {name: number for number, name in enumerate(practices.name)}
    for concept, prefix in ((DEPARTMENT, "department"), (VENDOR, "vendor")):
        rows = frame[frame["code"].str.startswith(f"PRACTICE:{prefix}.")]
        of_each = rows.groupby("practice")["code"].agg(["nunique", "first"])
        assert (of_each["nunique"] == 1).all()
        hidden = practices.department if prefix == "department" else practices.vendor
        for name, code in of_each["first"].items():
            assert concept.category(code) == hidden[by_name[str(name)]]
    sets = [some.split() for some in REGIONS]
    assert sorted(code for some in sets for code in some) == sorted(REGION.category_names)
    for name, code in (
        frame[frame["code"].str.startswith("PRACTICE:department.")].groupby("practice")["code"].first().items()
    ):
        region = REGION.category_names[REGION.category(code) or 0]
        assert region in sets[practices.region[by_name[str(name)]]]


@pytest.mark.slow
def test_departments_are_as_populous_as_insee_says(shared: Callable[[str], Path]) -> None:
    """Inhabitants and their order, recounted by municipality; practices follow, the dense ones the urban."""
    with gzip.open(shared("data/france/communes.json.gz")) as file:
        towns = pd.DataFrame(row for row in json.load(file) if row["type"] == "commune-actuelle")
    towns["population"] = towns["population"].fillna(0)
    inhabitants = towns.groupby("departement")["population"].sum()
    urban = towns[towns["population"] >= 10_000].groupby("departement")["population"].sum() / inhabitants
    listed = dict(pair.split(":") for pair in INHABITANTS.split())
    assert sorted(listed) == sorted(DEPARTMENT.category_names)
    for code, thousands in listed.items():
        assert float(thousands) == pytest.approx(inhabitants[code] / 1000, abs=0.5)
    assert urban.reindex(list(listed)).fillna(0).is_monotonic_decreasing
    practices = make_practices(np.random.default_rng(0), 2_000_000)
    position = np.array([list(listed).index(code) for code in DEPARTMENT.category_names])[practices.department]
    assert np.corrcoef(practices.density, position)[0, 1] > 0.4
    for number, regions in enumerate(REGIONS):
        there = {code for code in listed if str(departments_region(code)) in regions.split()}
        total = inhabitants[list(there)].sum()
        of_set = practices.department[practices.region == number]
        for code in there:
            expected = len(of_set) * inhabitants[code] / total
            assert (of_set == DEPARTMENT.category_names.index(code)).sum() == pytest.approx(expected, abs=3)


def departments_region(department: str) -> str:
    (code,) = DEPARTMENT.categories[DEPARTMENT.category_names.index(department)][1]
    return REGION.category_names[REGION.category(str(code)) or 0]


def test_the_most_deprived_have_one_and_a_half_times_the_hazard() -> None:
    lives = made_lives(1)[0]

    def hazard(quintile: int) -> np.ndarray:
        there = np.full(BLOCK, quintile)
        moves = dataclasses.replace(lives.people.moves, quintile=there)
        people = dataclasses.replace(lives.people, quintile=there, moves=moves)
        return events.hazards(people, lives.circumstances, lives.states, lives.practices).cardiovascular

    others = np.mean([hazard(quintile) for quintile in range(1, 5)], axis=0)
    np.testing.assert_allclose(hazard(5) / others, 1.5, rtol=0.05)


def test_the_hazard_knows_what_score2_does_not() -> None:
    """At equal age, sex, tobacco, pressure, cholesterol and diabetes; together some do more than one by one."""
    lives = made_lives(1)[0]
    states = lives.states

    def hazard(**changes: np.ndarray) -> np.ndarray:
        has = dict(states.has) | {name: change for name, change in changes.items() if name in states.has}
        other = {name: change for name, change in changes.items() if name not in states.has}
        filtration = np.where(has["kidney_disease"], 45.0, 90.0)
        metabolism = dataclasses.replace(states.metabolism, filtration=filtration)
        illnesses = dataclasses.replace(states.illnesses, has=has)
        changed = dataclasses.replace(states, illnesses=illnesses, metabolism=metabolism, **other)
        return events.hazards(lives.people, lives.circumstances, changed, lives.practices).cardiovascular

    yes, no = (np.full(states.systolic.shape, flag) for flag in (True, False))
    smoking, never = (np.full(states.smoking.shape, state, dtype=np.int8) for state in (2, 0))
    assert (hazard(variability=states.variability + 8) > 1.3 * hazard()).all()
    assert (hazard(rheumatoid_arthritis=yes) > hazard(rheumatoid_arthritis=no)).all()

    def ratio(one: str, **given: np.ndarray) -> np.ndarray:
        return hazard(**{one: yes}, **given) / hazard(**{one: no}, **given)

    assert (ratio("kidney_disease", diabetes=yes) > 1.2 * ratio("kidney_disease", diabetes=no)).all()
    assert (ratio("mental_illness", smoking=smoking) > 1.3 * ratio("mental_illness", smoking=never)).all()
    high = [hazard(systolic=np.full(states.systolic.shape, level)) for level in (140.0, 160.0, 180.0)]
    assert (high[2] / high[1] > 1.1 * high[1] / high[0]).all()


def test_practices_spread_as_in_qrisk3() -> None:
    """A risk of 10 % runs from 7.2 to 13.7 % between practices (Li et al. 2019)."""
    practices = make_practices(np.random.default_rng(3), 1_000_000)
    low, high = np.quantile(practices.hazard, [0.025, 0.975])
    assert 100 * (1 - 0.9 ** np.exp(low)) == pytest.approx(7.2, abs=0.5)
    assert 100 * (1 - 0.9 ** np.exp(high)) == pytest.approx(13.7, abs=0.8)


def test_creatinine_is_the_inverse_of_the_published_formula() -> None:
    """Values computed by hand from Levey's Table: a woman of 50 with 0.7 mg/dL, a man of 60 with 1.8 mg/dL."""
    female, age = np.array([True, False]), np.array([50.0, 60.0])
    level = np.array([0.7, 1.8]) * 88.42
    by_hand = [144 * 0.993**50, 141 * 2 ** (-1.209) * 0.993**60]
    np.testing.assert_allclose(estimated_filtration(level, age, female), by_hand, rtol=0.004)  # 144 is rounded
    np.testing.assert_allclose(creatinine(estimated_filtration(level, age, female), age, female), level)


@pytest.mark.slow
def test_deprivation_shows_in_the_truth_and_quintiles_are_even(truth: pd.DataFrame, frame: pd.DataFrame) -> None:
    written = frame[frame["code"] == "PRACTICE:deprivation"].sort_values("happened")
    quintile = written.drop_duplicates("patient").set_index("patient")["value"]
    shares = quintile.value_counts(normalize=True)
    assert shares.between(0.15, 0.25).all()
    mean = truth.groupby(truth["patient"].map(quintile))["cardiovascular"].mean()
    assert mean[5.0] > 1.3 * mean[:4].mean()


def test_practices_differ_as_declared() -> None:
    practices = make_practices(np.random.default_rng(0), 200_000)
    assert practices.hazard.std() == pytest.approx(assumptions.PRACTICE_HAZARD_SD, abs=0.02)
    assert np.corrcoef(practices.deprivation, practices.completeness)[0, 1] < -0.3
    assert len(make_practices(np.random.default_rng(0), 10).name) == assumptions.PRACTICES_AT_LEAST


@pytest.mark.slow
def test_blood_pressure_is_measured_more_in_the_hypertensive(delivered: pd.DataFrame) -> None:
    systolic = delivered[delivered["code"] == "LOINC:8480-6"]
    treated = delivered.loc[delivered["code"].str.startswith("ATC:C09"), "patient"].unique()
    times = systolic.groupby("patient").size()
    mean = systolic.groupby("patient")["value"].mean()
    assert times[times.index.isin(treated)].mean() > 2 * times[~times.index.isin(treated)].mean()
    assert mean.std() > 8  # people differ
    assert systolic.groupby("patient")["value"].std().median() > 5  # and so do one person's readings


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, file = tmp_path / "store", tmp_path / "truth.parquet"
    arguments = ["synthesise", "--patients", "100", "--seed", "4", "--into", str(store), "--truth", str(file)]
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert "100 patients, " in said.err
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

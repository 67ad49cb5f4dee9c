"""Screening in the synthetic population: rules kept, records that say what happened, and a truth that holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache

import numpy as np
import pandas as pd
import pytest

from features.catalogue.concepts import (
    BREAST_CANCER_HISTORY,
    BREAST_EXCLUSION,
    BREAST_INVITATION,
    CERVICAL_CYTOLOGY,
    CERVICAL_INVITATION,
    COLONOSCOPY,
    COLORECTAL_EXCLUSION,
    COLORECTAL_INVITATION,
    COLORECTAL_REFUSAL,
    FAECAL_TEST,
    HPV_TEST,
    HYSTERECTOMY,
    INDIVIDUAL_MAMMOGRAPHY,
    MAMMOGRAPHY,
    ORGANISED_CYTOLOGY,
    ORGANISED_MAMMOGRAPHY,
    POSITIVE_FAECAL_TEST,
    SEX,
)
from features.codes import Concept
from features.synthetic import BLOCK, assumptions
from features.synthetic.calendar import LAST_DAY, day
from features.synthetic.lives import Lives, make_lives
from features.synthetic.practices import make_practices
from features.synthetic.screening import HALVES
from tests.features.test_synthetic import delivered_frame

PROGRAMMES = range(len(assumptions.PROGRAMMES))


@cache
def block_of_lives(block: int) -> Lives:
    practices = make_practices(np.random.default_rng(4), 40_000)
    return make_lives(np.random.SeedSequence([21, block]), BLOCK, practices)


def lives(blocks: int = 20) -> Sequence[Lives]:
    return [block_of_lives(block) for block in range(blocks)]


def records(concept: Concept) -> pd.DataFrame:
    frame = delivered_frame()
    codes = [code for code in frame["code"].cat.categories if concept.covers(code)]
    return frame[frame["code"].isin(codes)]


def ages(rows: pd.DataFrame) -> pd.Series:
    frame = delivered_frame()
    born = frame[frame["code"] == "PRACTICE:birth"].set_index("patient")["happened_at"]
    return (rows["happened_at"] - rows["patient"].map(born).astype("datetime64[us]")).dt.days / 365.25


def apart(rows: pd.DataFrame) -> pd.Series:
    """Return the days between one record of a person and the next."""
    ordered = rows.sort_values(["patient", "happened_at"])
    return ordered.groupby("patient", observed=True)["happened_at"].diff().dt.days.dropna()


@pytest.mark.slow
@pytest.mark.parametrize("position", PROGRAMMES)
@pytest.mark.parametrize("landmark", [datetime(2013, 1, 1), datetime(2016, 5, 20), datetime(2020, 11, 30)])
def test_tests_come_as_often_as_the_truth_says(position: int, landmark: datetime) -> None:
    """In the whole, by deprivation, and by tenth of the probability; four standard errors are allowed."""
    since = float((landmark - datetime(1970, 1, 1)).days)
    until = since + 730.5
    columns = []
    for block in lives():
        participation = block.screening[position]
        organised, individual = participation.probability(since, until)
        later = np.where(participation.test >= since, participation.test, np.inf)
        which = later.argmin(axis=1)
        rows = np.arange(len(which))
        soon = later[rows, which] < until
        outside = participation.individual[rows, which]
        quintile = block.people.quintile[participation.person]
        columns.append((organised, individual, soon & ~outside, soon & outside, quintile))
    organised, individual, by_it, outside, quintile = (np.concatenate(column) for column in zip(*columns, strict=True))
    known = ~np.isnan(organised)
    assert known.sum() > 5_000
    tenth = np.floor(pd.Series(organised + individual).rank(pct=True).to_numpy() * 9.999)
    for group in [known, *(known & (quintile == q) for q in range(1, 6)), *(known & (tenth == t) for t in range(10))]:
        for probability, happened in ((organised, by_it), (individual, outside)):
            p = probability[group]
            assert abs(happened[group].sum() - p.sum()) <= 4 * np.sqrt((p * (1 - p)).sum()) + 1e-9
    assert (((organised + individual)[known] >= 0) & ((organised + individual)[known] <= 1 + 1e-12)).all()


@pytest.mark.parametrize("position", PROGRAMMES)
def test_the_longer_the_horizon_the_more_tests(position: int) -> None:
    participation = lives(1)[0].screening[position]
    before = np.zeros(len(participation.person))
    for months in (3, 9, 16, 24):
        one, other = participation.probability(day(2015) + 40, day(2015) + 40 + months * 30)
        now = np.nan_to_num(one + other)
        assert (now >= before - 1e-12).all()
        before = now
    assert (before > 0.05).mean() > 0.3


@pytest.mark.parametrize("position", PROGRAMMES)
def test_truth_is_of_those_the_programme_is_for(position: int) -> None:
    programme = assumptions.PROGRAMMES[position]
    for block in lives(3):
        participation = block.screening[position]
        probability = participation.probability(day(2015), day(2017))[0]
        age = (day(2015) + 90 - block.people.born[participation.person]) / assumptions.DAYS_A_YEAR
        excluded = block.histories.excluded(programme)[participation.person] < day(2015)
        open_to = (age >= programme.ages[0]) & (age < programme.ages[1]) & ~excluded
        np.testing.assert_array_equal(~np.isnan(probability), open_to)


def test_taking_part_is_a_habit_and_people_differ() -> None:
    """Who took part in the last two years and then is due again takes part more; practices and contact count too."""
    rows = []
    for block in lives(6):
        participation = block.screening[1]
        before = ((participation.test >= day(2013)) & (participation.test < day(2015))).any(axis=1)
        chance = participation.probability(day(2016), day(2018))[0]
        contact = block.circumstances.contact[participation.person]
        practice = block.practices.screening[block.people.practice[participation.person]]
        rows.append(pd.DataFrame({"before": before, "chance": chance, "contact": contact, "practice": practice}))
    frame = pd.concat(rows).dropna()
    assert frame[frame["before"]]["chance"].mean() > 2 * frame[~frame["before"]]["chance"].mean()
    for name in ("contact", "practice"):
        high = frame[name] > frame[name].median()
        assert frame[high]["chance"].mean() > 1.05 * frame[~high]["chance"].mean()


def test_nobody_is_tested_again_too_early() -> None:
    for block in lives(5):
        for participation, wait in zip(block.screening, (4, 4, 1), strict=True):
            tested = np.isfinite(participation.test)
            for row in np.flatnonzero(tested.sum(axis=1) > 1)[:500]:
                assert np.diff(np.flatnonzero(tested[row])).min() > wait
            inside = np.where(tested, participation.test, HALVES[:-1])
            assert ((inside >= HALVES[:-1]) & (inside <= HALVES[1:])).all()


@pytest.mark.slow
def test_invitations_are_for_the_age_and_every_two_years() -> None:
    for concept, first, last, since in (
        (BREAST_INVITATION, 50, 75, 2009),
        (COLORECTAL_INVITATION, 50, 75, 2009),
        (CERVICAL_INVITATION, 25, 66, 2019),
    ):
        rows = records(concept)
        assert len(rows) > 1_000
        assert ages(rows).between(first - 0.3, last + 0.3).all()
        assert rows["happened_at"].dt.year.min() == since
        assert apart(rows).min() > (300 if concept is CERVICAL_INVITATION else 600)  # a first smear is repeated
        women = records(SEX)
        female = women.loc[women["code"] == "PRACTICE:female", "patient"]
        share = rows["patient"].isin(female).mean()
        assert 0.48 < share < 0.58 if concept is COLORECTAL_INVITATION else share == 1


def test_records_are_the_lives() -> None:
    """Each test of the registered is in the file once, known weeks later; codes say the programme's from others."""
    organised, individual = records(ORGANISED_MAMMOGRAPHY), records(INDIVIDUAL_MAMMOGRAPHY)
    assert len(organised) + len(individual) == len(records(MAMMOGRAPHY))
    assert 3 < len(organised) / len(individual) < 8
    days = (organised["known_at"] - organised["happened_at"]).dt.days
    assert 10 < days[organised["happened_at"] > datetime(2012, 1, 1)].median() < 40
    assert apart(records(MAMMOGRAPHY)).min() > 540
    bowel = records(FAECAL_TEST)
    assert set(bowel[bowel["happened_at"] >= datetime(2015, 1, 2)]["code"]) == {"LOINC:29771-3"}
    assert set(bowel[bowel["happened_at"] < datetime(2015, 1, 1)]["code"]) == {"LOINC:2335-8"}
    assert ages(bowel).between(49.7, 75.3).all()
    smears, hpv = records(CERVICAL_CYTOLOGY), records(HPV_TEST)
    assert hpv["happened_at"].min() >= datetime(2020, 1, 1)
    assert ages(hpv).min() > 29.9
    assert ages(smears[smears["happened_at"] > datetime(2020, 7, 1)]).max() < 30.6
    assert records(ORGANISED_CYTOLOGY)["happened_at"].min() >= datetime(2019, 1, 1)


def test_a_positive_faecal_test_leads_to_a_colonoscopy() -> None:
    blood = records(POSITIVE_FAECAL_TEST)
    blood = blood[blood["happened_at"] < datetime(2024, 1, 1)]
    explored = records(COLONOSCOPY)[["patient", "happened_at"]].rename(columns={"happened_at": "explored"})
    joined = blood.merge(explored, on="patient")
    within = joined[
        (joined["explored"] > joined["happened_at"])
        & (joined["explored"] < joined["happened_at"] + pd.Timedelta(days=160))
    ]
    assert 0.7 < within[["patient", "happened_at"]].drop_duplicates().shape[0] / len(blood) < 0.95


def test_what_excludes_is_told_and_ends_the_programme() -> None:
    """After a breast cancer, a hysterectomy, nobody is invited or tested by the programme any more."""
    for history, invitation in ((BREAST_CANCER_HISTORY, BREAST_INVITATION), (HYSTERECTOMY, CERVICAL_INVITATION)):
        since = records(history).groupby("patient", observed=True)["happened_at"].min()
        invited = records(invitation)
        begun = invited["patient"].map(since).astype("datetime64[us]")
        late = invited["happened_at"] - begun
        assert (late.dropna() > pd.Timedelta(0)).mean() < 0.25  # those whom a test found half a year before
        assert late.max() < pd.Timedelta(days=700)
    for exclusion in (BREAST_EXCLUSION, COLORECTAL_EXCLUSION):
        assert len(records(exclusion)) > 50
    assert 50 < len(records(COLORECTAL_REFUSAL)) < 0.1 * len(records(COLORECTAL_INVITATION))


def test_some_are_screened_outside_the_programme_more_than_others() -> None:
    """Individual mammograms are the well-off's: a label made of the programme's tests alone mistakes them."""
    shares = np.zeros((5, 2))
    for block in lives(6):
        participation = block.screening[0]
        quintile = block.people.quintile[participation.person] - 1
        within = (participation.test >= day(2015)) & (participation.test < LAST_DAY)
        for position, kind in enumerate((~participation.individual, participation.individual)):
            np.add.at(shares[:, position], quintile, (within & kind).sum(axis=1))
    outside = shares[:, 1] / shares.sum(axis=1)
    assert outside[0] > 1.4 * outside[4]

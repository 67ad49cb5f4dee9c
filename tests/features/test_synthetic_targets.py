"""The synthetic population against published French figures: each recounted, none copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from features.synthetic import BLOCK, assumptions
from features.synthetic.calendar import BOUNDS, day
from features.synthetic.incidence import cumulative_incidence
from features.synthetic.lives import Lives, make_lives
from features.synthetic.practices import make_practices
from features.synthetic.screening import Participation
from features.synthetic.targets import ST_ELEVATION, TARGETS
from features.synthetic.trajectories import CURRENT, FORMER
from tests.features.test_synthetic import delivered_frame

Flags = npt.NDArray[np.bool_]
PEOPLE = 60_000
pytestmark = pytest.mark.slow


@cache
def lives() -> Sequence[Lives]:
    """People enough for the rarest of the figures, without records."""
    practices = make_practices(np.random.default_rng(0), PEOPLE)
    return [make_lives(np.random.SeedSequence([11, block]), BLOCK, practices) for block in range(PEOPLE // BLOCK)]


def every(get: Callable[[Lives], npt.NDArray[np.generic]]) -> npt.NDArray[np.generic]:
    return np.concatenate([get(block) for block in lives()])


class Person:
    """Everybody at one moment, those alive then marked."""

    def __init__(self, year: int) -> None:
        self.year, self.at = year - assumptions.FIRST_YEAR, day(year)
        self.age = (self.at - every(lambda block: block.people.born)) / assumptions.DAYS_A_YEAR
        self.women = every(lambda block: block.people.female)
        self.alive = every(lambda block: block.events.death >= self.at)

    def level(self, get: Callable[[Lives], npt.NDArray[np.generic]]) -> npt.NDArray[np.generic]:
        return every(lambda block: get(block)[:, self.year])

    def aged(self, first: float, last: float = 120) -> Flags:
        return self.alive & (self.age >= first) & (self.age < last)


def pressure() -> Iterator[tuple[str, float]]:
    """As Esteban: two readings of one day, 140/90, or a treatment."""
    at, rng = Person(2015), np.random.default_rng(1)
    spread = np.sqrt((every(lambda block: block.states.variability) ** 2) / 2)
    systolic = at.level(lambda block: block.states.systolic) + rng.normal(0, spread)
    diastolic = systolic * (0.63 - 0.0022 * (at.age - 40)) + rng.normal(0, 6 / np.sqrt(2), len(systolic))
    treated = at.level(lambda block: block.states.antihypertensive)
    high = (systolic >= 140) | (diastolic >= 90)
    hypertensive = high | treated
    known = every(lambda block: block.states.hypertension_diagnosed < day(2015))
    adults = at.aged(20, 75)
    yield "hypertension", hypertensive[adults].mean()
    yield "hypertension, men", hypertensive[adults & ~at.women].mean()
    yield "hypertension, women", hypertensive[adults & at.women].mean()
    yield "hypertension, 18-34", hypertensive[at.aged(20, 35)].mean()
    yield "hypertension, 65-74", hypertensive[at.aged(65, 75)].mean()
    yield "hypertension, known", known[adults & hypertensive].mean()
    yield "hypertension, treated", treated[adults & hypertensive].mean()
    old = at.aged(65, 75) & at.women & hypertensive
    yield "hypertension, treated women 65-74", treated[old].mean()
    yield "hypertension, treated and controlled", (~high)[adults & treated].mean()


def lipids() -> Iterator[tuple[str, float]]:
    at, rng = Person(2015), np.random.default_rng(2)
    level = at.level(lambda block: block.states.non_hdl - block.states.metabolism.triglycerides / 2.2)
    ldl = level * (1 + rng.normal(0, assumptions.LIPID_ERROR, len(level))) * 0.3867
    statin, adults = at.level(lambda block: block.states.statin), at.aged(20, 75)
    yield "LDL, g/L", ldl[adults].mean()
    yield "LDL above 1.6 g/L", (ldl > 1.6)[adults].mean()
    yield "LDL above 1.9 g/L", (ldl > 1.9)[adults].mean()
    yield "lipid-lowering, men", statin[adults & ~at.women].mean()
    yield "lipid-lowering, women", statin[adults & at.women].mean()


def diabetes() -> Iterator[tuple[str, float]]:
    at = Person(2015)
    treated = every(lambda block: block.states.illnesses.diagnosed["diabetes"] < day(2015))
    share = treated * assumptions.DIABETES_TREATED
    yield "diabetes treated, 45-64", share[at.aged(45, 65)].mean()
    yield "diabetes treated, 65-74", share[at.aged(65, 75)].mean()
    yield "diabetes treated, 75 and over", share[at.aged(75)].mean()
    diabetic = at.alive & at.level(lambda block: block.states.has["diabetes"])
    type_1 = every(lambda block: block.states.illnesses.type_1)
    hba1c = at.level(lambda block: block.states.metabolism.hba1c)[diabetic & ~type_1]
    yield "diabetes, share of type 1", type_1[diabetic].mean()
    yield "HbA1c in type 2, %", hba1c.mean()
    yield "HbA1c below 6.5 in type 2", (hba1c < 6.5).mean()


def habits_and_illnesses() -> Iterator[tuple[str, float]]:
    for year in (2014, 2017, 2019):
        at = Person(year)
        smoking = at.level(lambda block: block.states.smoking)
        yield f"smoking, {year}", (smoking == CURRENT)[at.aged(20, 76)].mean()
        if year == 2014:
            yield "former smokers, 2014", (smoking == FORMER)[at.aged(20, 76)].mean()
    at = Person(2012)
    yield "obesity, 2012", (at.level(lambda block: block.states.bmi) >= 30)[at.alive].mean()
    yield "COPD, 45 and over", at.level(lambda block: block.states.has["copd"])[at.aged(45)].mean()
    for name in ("rheumatoid arthritis", "lupus"):
        ill = at.level(lambda block, name=name: block.states.has[name.replace(" ", "_")])  # type: ignore[misc]
        yield name, ill[at.alive].mean()
    yield "solidarity cover", every(lambda block: block.circumstances.solidarity_cover).mean()
    yield "rural", every(lambda block: block.circumstances.rural).mean()


def on_file() -> Iterator[tuple[str, float]]:
    """What only records say, of people registered on 1 January 2015."""
    frame = delivered_frame(patients=4 * BLOCK)
    by_code = {code: rows.groupby("patient", observed=True)["happened_at"] for code, rows in frame.groupby("code")}
    first = {code: moments.min() for code, moments in by_code.items()}
    since = first["PRACTICE:registered"].clip(lower=pd.Timestamp(2009, 1, 1))
    last = pd.concat([by_code[f"PRACTICE:{name}"].max() for name in ("left", "death", "death.cardiovascular")])
    until = last.groupby(level=0).max().reindex(since.index)
    again = by_code["PRACTICE:registered"].max()
    until = until.where(until > again).fillna(pd.Timestamp(2026, 1, 1))
    between = (again - first["PRACTICE:left"].reindex(again.index))[again > first["PRACTICE:registered"]]
    years = ((until - since).dt.days.sum() - between.dt.days.sum()) / 365.25
    yield "consultations a year", (frame["code"] == "PRACTICE:consultation").sum() / years
    then = pd.Timestamp(2015, 1, 1)
    here = since.index[(since < then) & (until > then)]
    age = (then - first["PRACTICE:birth"].reindex(here)).dt.days / 365.25
    admitted = first["PRACTICE:insurance.long_term_illness"].reindex(here) < then
    yield "long-term illness", admitted.mean()
    helped = frame[(frame["code"] == "PRACTICE:dependency") & (frame["value"] <= 4) & (frame["happened_at"] < then)]
    yield "dependency, 60 and over", here[age >= 60].isin(helped["patient"]).mean()
    season = frame[(frame["code"] == "ATC:J07BB02") & (frame["happened_at"].dt.year == 2014)]
    yield "influenza vaccine, 65 and over", here[age >= 65.5].isin(season["patient"]).mean()


class Screened:
    """Those of the age and alive, from one year to another, and whom the programme is for."""

    def __init__(self, position: int, first: int, last: int) -> None:
        def of(get: Callable[[Lives, Participation], npt.NDArray[np.generic]]) -> npt.NDArray[np.generic]:
            return np.concatenate([get(block, block.screening[position]) for block in lives()])

        begin, end = day(first), day(last)
        programme = assumptions.PROGRAMMES[position]
        self.age = ((begin + end) / 2 - of(lambda b, s: b.people.born[s.person])) / assumptions.DAYS_A_YEAR
        alive = of(lambda b, s: b.events.death[s.person]) > end
        of_age = alive & (self.age >= programme.ages[0]) & (self.age < programme.ages[1])
        excluded = of(lambda b, s: b.histories.excluded(programme)[s.person]) < begin
        self.open = of_age & ~excluded
        self.women = of(lambda b, s: b.people.female[s.person])
        moved = of(lambda b, s: b.people.moves.moment[s.person]) < begin
        second = of(lambda b, s: b.people.moves.quintile[s.person])
        self.quintile = np.where(moved, second, of(lambda b, s: b.people.quintile[s.person]))
        second = of(lambda b, s: b.people.moves.density[s.person]) >= assumptions.RURAL_FROM
        self.rural = np.where(moved, second, of(lambda b, s: b.circumstances.rural[s.person]))
        test, individual = of(lambda b, s: s.test), of(lambda b, s: s.individual)
        within = (test >= begin) & (test < end)
        self.organised, self.any = (within & ~individual).any(axis=1), within.any(axis=1)
        self.positive = of(lambda b, s: s.positive)
        self.tests = within & ~individual
        after = of(lambda b, s: s.colonoscopy)
        lately = end - 5 * assumptions.DAYS_A_YEAR
        outside = individual & (test >= lately) & (test < end)
        self.colonoscopy = (outside | ((after >= lately) & (after < end))).any(axis=1)
        self.excluded = (of_age & excluded, of_age)

    def odds_ratio(self, happens: Flags, of: Flags, to: Flags) -> float:
        one, other = (happens[self.open & group].mean() for group in (of, to))
        return float(one / (1 - one) / (other / (1 - other)))


def screening() -> Iterator[tuple[str, float]]:
    breast = Screened(0, 2016, 2018)
    yield "breast, organised", breast.organised[breast.open].mean()
    yield "breast, outside", (breast.any & ~breast.organised)[breast.open].mean()
    most, least = breast.quintile == 5, breast.quintile == 1
    yield "breast, organised, most deprived, odds ratio", breast.odds_ratio(breast.organised, most, least)
    yield "breast, organised, rural, odds ratio", breast.odds_ratio(breast.organised, breast.rural, ~breast.rural)
    yield "cancers a thousand mammograms", 1000 * breast.positive[breast.tests].mean()
    bowel = Screened(1, 2021, 2023)
    for name, sex in (("women", bowel.women), ("men", ~bowel.women)):
        yield f"colorectal, {name}", bowel.organised[bowel.open & sex].mean()
        for first in (50, 70):
            aged = (bowel.age >= first) & (bowel.age < first + 5)
            yield f"colorectal, {name} {first}-{first + 4}", bowel.organised[bowel.open & sex & aged].mean()
        yield f"faecal tests positive, {name}", bowel.positive[bowel.tests & sex[:, None]].mean()
    most, least = bowel.quintile == 5, bowel.quintile == 1
    yield "colorectal, most deprived, odds ratio", bowel.odds_ratio(bowel.organised, most, least)
    excluded, of_age = bowel.excluded
    out = excluded.sum() + (bowel.open & bowel.colonoscopy).sum()
    yield "colorectal, excluded", out / of_age.sum()
    # Those whom their history excludes have a colonoscopy every six years or so.
    watched = 1 - np.exp(-5 * assumptions.SURVEILLANCE)
    covered = (bowel.open & (bowel.organised | bowel.colonoscopy)).sum() + watched * excluded.sum()
    yield "colorectal, covered by any test", covered / of_age.sum()
    womb = Screened(2, 2015, 2018)
    for suffix, first, last in (("", 25, 66), (", 60-65", 60, 66), (", 25-29", 25, 30)):
        aged = womb.open & (womb.age >= first) & (womb.age < last)
        yield f"cervical, three years{suffix}", womb.any[aged].mean()
    ratio = womb.odds_ratio(womb.any, womb.quintile == 5, womb.quintile == 1)
    yield "cervical, most deprived, odds ratio", ratio


@cache
def recounted() -> dict[str, float]:
    parts = (pressure(), lipids(), diabetes(), habits_and_illnesses(), on_file(), screening())
    return {name: float(figure) for part in parts for name, figure in part}


@pytest.mark.parametrize("name", TARGETS)
def test_the_population_is_near_the_published_figure(name: str) -> None:
    target = TARGETS[name]
    assert recounted()[name] == pytest.approx(target.figure, abs=target.tolerance), target.source


def test_every_published_figure_has_its_source_and_every_recount_its_figure() -> None:
    assert set(recounted()) == set(TARGETS)
    assert all(target.source and 0 < target.tolerance < target.figure for target in TARGETS.values())


@pytest.mark.parametrize("year", [2013, 2019])
def test_people_die_as_often_as_insee_says(shared: Callable[[str], Path], year: int) -> None:
    """Deaths of all causes by sex and age against Insee's rates; four standard errors and 12 % are allowed."""
    rates = pd.read_csv(shared("data/france/insee_mortality_rates_qx.csv"))
    rates = rates[(rates["geo"] == "metropolitan france") & (rates["year"] == year)]
    at = Person(year)
    left = every(lambda block: block.events.left)
    there = at.alive & (every(lambda block: block.people.entry) < at.at) & (left >= at.at)
    died = every(lambda block: block.events.death) < day(year + 1)
    known = there & ~(left < day(year + 1))
    for sex, of_sex in (("male", ~at.women), ("female", at.women)):
        qx = rates[rates["sex"] == sex].set_index("age")["qx"]
        for first, last in ((40, 60), (60, 70), (70, 80), (80, 90), (90, 99)):
            group = known & of_sex & (at.age >= first) & (at.age < last)
            expected = float(qx.reindex(np.floor(at.age[group])).sum())
            allowed = 4 * np.sqrt(expected) + 0.12 * expected
            assert abs(int(died[group].sum()) - expected) < allowed, (sex, first)


def test_infarctions_are_as_many_as_registers_count() -> None:
    """The registers' infarctions with ST elevation are a third to two thirds of all, and some die without either."""
    at = Person(2014)
    first = every(lambda block: block.events.first)
    hazard = at.level(lambda block: block.hazards.cardiovascular)
    share = np.where(at.women, assumptions.INFARCTION_SHARE_WOMEN, assumptions.INFARCTION_SHARE_MEN)
    for age in ST_ELEVATION.ages:
        for women, counted in ((False, ST_ELEVATION.men), (True, ST_ELEVATION.women)):
            group = at.aged(age - 5, age + 5) & (at.women == women) & (first >= at.at)
            rate = 1e5 * (hazard * share)[group].mean()
            st_elevation = counted[ST_ELEVATION.ages.index(age)]
            assert st_elevation < rate < 4.5 * st_elevation, (age, women)


def test_ten_year_incidence_is_that_of_a_low_risk_region() -> None:
    """Of 40 to 79 without an event: 5 to 6.5 %; and most of it is left to explain by more than age and sex."""
    incidence, age = [], []
    for block in lives():
        cardiovascular, _ = cumulative_incidence(
            (block.hazards.cardiovascular, block.hazards.other_death), BOUNDS, day(2014), day(2024)
        )
        free = (block.events.first >= day(2014)) & (block.events.death >= day(2014))
        incidence.append(cardiovascular[free])
        age.append((day(2014) - block.people.born[free]) / assumptions.DAYS_A_YEAR)
    risk, years = np.concatenate(incidence), np.concatenate(age)
    middle = (years >= 40) & (years < 80)
    assert 0.05 < risk[middle].mean() < 0.065
    assert np.log(risk[(years >= 59) & (years < 61)]).std() > 0.5

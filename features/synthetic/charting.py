"""What reaches the practice's file of all that: the records, each with when it happened and when it became known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.synthetic import assumptions as a
from features.synthetic.assumptions import Floats
from features.synthetic.events import Events
from features.synthetic.people import BOUNDS, FIRST_DAY, LAST_DAY, OPENS, People
from features.synthetic.practices import Practices
from features.synthetic.trajectories import CURRENT, FORMER, NEVER_SMOKED, Flags, Trajectories

Rows = npt.NDArray[np.int64]

BIRTH, MALE, FEMALE, REGISTERED, DEPRIVATION = (
    f"PRACTICE:{name}" for name in ("birth", "male", "female", "registered", "deprivation")
)
CONSULTATION, LEFT, DEATH, CARDIOVASCULAR_DEATH = (
    f"PRACTICE:{name}" for name in ("consultation", "left", "death", "death.cardiovascular")
)
SYSTOLIC, DIASTOLIC, BMI = "LOINC:8480-6", "LOINC:8462-4", "LOINC:39156-5"
SMOKING: Final = {NEVER_SMOKED: "LOINC:LA18978-9", FORMER: "LOINC:LA15920-4", CURRENT: "LOINC:LA18976-3"}
#: Amount and mass concentration: laboratories that report grams use the other code.
TOTAL_CHOLESTEROL: Final = ("LOINC:14647-2", "LOINC:2093-3")
HDL: Final = ("LOINC:14646-4", "LOINC:2085-9")
CREATININE: Final = ("LOINC:14682-9", "LOINC:2160-0")
#: CIM-10, and CISP-2 where there is such a class.
DIAGNOSES: Final = {
    "diabetes": ("CIM10:E11.9", "CISP2:T90"),
    "atrial_fibrillation": ("CIM10:I48.9", "CISP2:K78"),
    "kidney_disease": ("CIM10:N18.3", "CIM10:N18.3"),
    "mental_illness": ("CIM10:F31.9", "CISP2:P73"),
    "hypertension": ("CIM10:I10", "CISP2:K86"),
}
INFARCTIONS: Final = (("CIM10:I21.9", 0.6), ("CIM10:I21.4", 0.4))
STROKES: Final = (("CIM10:I63.9", 0.8), ("CIM10:I61.9", 0.12), ("CIM10:I64", 0.08))
MMOL_L, G_L, UMOL_L, MG_L = "mmol/L", "g/L", "umol/L", "mg/L"


@dataclass(eq=False)
class Chart:
    """Records under way, column by column; times in days since 1970."""

    codes: list[str] = field(default_factory=list)
    units: list[str | None] = field(default_factory=lambda: [None])
    parts: list[tuple[npt.NDArray[np.generic], ...]] = field(default_factory=list)

    def add(
        self,
        person: Rows,
        happened: Floats,
        code: str,
        *,
        known: Floats | None = None,
        value: Floats | None = None,
        unit: str | None = None,
        final: bool = False,
    ) -> None:
        """Add a record of one code for each element of ``person``; ``final`` ones end the person's presence."""
        if code not in self.codes:
            self.codes.append(code)
        if unit not in self.units:
            self.units.append(unit)
        n = len(person)
        self.parts.append(
            (
                person,
                happened,
                happened if known is None else known,
                np.full(n, self.codes.index(code), dtype=np.int32),
                np.full(n, np.nan) if value is None else value,
                np.full(n, self.units.index(unit), dtype=np.int32),
                np.full(n, final),
            )
        )

    def add_one_of(
        self,
        rng: np.random.Generator,
        person: Rows,
        happened: Floats,
        codes: tuple[tuple[str, float], ...],
        known: Floats | None = None,
    ) -> None:
        """Add a record whose code is drawn from codes with their shares."""
        drawn = rng.choice(len(codes), size=len(person), p=[share for _, share in codes])
        for position, (code, _) in enumerate(codes):
            rows = drawn == position
            self.add(person[rows], happened[rows], code, known=None if known is None else known[rows])


@dataclass(frozen=True, eq=False)
class Visits:
    """Consultations, one an element of each array, and what one needs to know at them."""

    person: Rows
    year: Rows
    moment: Floats

    def where(self, chosen: Flags) -> Visits:
        """Return some of the visits."""
        return Visits(self.person[chosen], self.year[chosen], self.moment[chosen])


def chart(
    rng: np.random.Generator,
    people: People,
    states: Trajectories,
    events: Events,
    practices: Practices,
    names: pa.Array,
) -> pa.Table:
    """Return the records of people as a table with the columns of `features.intake.SCHEMA`, retractions apart."""
    treated = _treated_on_file(rng, states, events)
    pages = Chart()
    _file_opened(pages, people)
    renewals, visits = _visits(rng, people, states, events, treated)
    pages.add(visits.person, visits.moment, CONSULTATION)
    _prescriptions(rng, pages, len(people), renewals, treated)
    _blood_pressure(rng, pages, people, states, practices, visits)
    _laboratory(rng, pages, people, states, practices, visits)
    _asked_and_weighed(rng, pages, people, states, practices, visits)
    _diagnoses(rng, pages, people, states, practices)
    _cardiovascular(rng, pages, people, events, practices)
    _endings(rng, pages, events)
    return _table(pages, people, events, practices, names)


def _file_opened(pages: Chart, people: People) -> None:
    everybody = np.arange(len(people))
    opened = people.registered
    pages.add(everybody, people.born, BIRTH, known=opened)
    for code, rows in ((MALE, ~people.female), (FEMALE, people.female)):
        pages.add(everybody[rows], opened[rows], code)
    pages.add(everybody, opened, REGISTERED)
    quintile = people.quintile.astype(np.float64)
    pages.add(everybody, opened, DEPRIVATION, value=quintile, unit="{quintile}")


def _treated_on_file(rng: np.random.Generator, states: Trajectories, events: Events) -> tuple[Flags, Flags]:
    """Return the years on antihypertensives and on a statin, events' treatment included."""
    after = events.first[:, None] < BOUNDS[:-1]
    keeps = rng.random((2, len(after), 1)) < a.TREATED_AFTER_EVENT
    return states.antihypertensive | (after & keeps[0]), states.statin | (after & keeps[1])


def _visits(
    rng: np.random.Generator, people: People, states: Trajectories, events: Events, treated: tuple[Flags, Flags]
) -> tuple[Visits, Visits]:
    """Return the visits at which treatment is renewed, and all visits."""
    n = len(people)
    rate = a.VISITS(people.age, people.female[:, None]) * people.by_quintile(a.VISITS_BY_QUINTILE)
    rate = rate * (1 + a.VISITS_CONDITION * sum(flags.astype(np.float64) for flags in states.has.values()))
    rate *= rng.gamma(a.VISITS_SPREAD, 1 / a.VISITS_SPREAD, (n, 1))
    # Nobody is drawn visits for years spent elsewhere.
    here = (people.entry[:, None] < BOUNDS[1:]) & (events.gone[:, None] > BOUNDS[:-1])
    number = rng.poisson(rate * here)
    person, year = np.nonzero(number)
    repeat = number[person, year]
    person, year = np.repeat(person, repeat), np.repeat(year, repeat)
    spontaneous = BOUNDS[year] + rng.random(len(year)) * (BOUNDS[year + 1] - BOUNDS[year])

    quarters = np.arange(FIRST_DAY, LAST_DAY, a.RENEWAL_DAYS)
    of_year = np.searchsorted(BOUNDS, quarters, side="right") - 1
    due = ((treated[0] | treated[1]) & here)[:, of_year]
    due &= rng.random(due.shape) >= a.RENEWAL_MISSED
    who, quarter = np.nonzero(due)
    offset = rng.uniform(0, a.RENEWAL_DAYS, n)  # everyone has their own rhythm
    renewed = quarters[quarter] + offset[who] + rng.normal(0, 6, len(who))

    every = _at_the_practice(
        rng,
        np.concatenate([who, person]),
        np.concatenate([of_year[quarter], year]),
        np.concatenate([renewed, spontaneous]),
    )
    present = (
        (every.moment > people.entry[every.person])
        & (every.moment < events.gone[every.person])
        & (every.moment < LAST_DAY)
    )
    return every.where(present & (np.arange(len(present)) < len(who))), every.where(present)


def _at_the_practice(rng: np.random.Generator, person: Rows, year: Rows, moment: Floats) -> Visits:
    """Return visits moved into opening hours, never on a Sunday."""
    date = np.floor(moment)
    sunday = (date.astype(np.int64) + 4) % 7 == 0  # 1 January 1970 was a Thursday
    return Visits(person, year, date + sunday + OPENS + rng.random(len(date)) * 10 / 24)


def _prescriptions(
    rng: np.random.Generator, pages: Chart, people: int, renewals: Visits, treated: tuple[Flags, Flags]
) -> None:
    def choice(drugs: tuple[tuple[str, float], ...]) -> Rows:
        return rng.choice(len(drugs), size=people, p=[share for _, share in drugs])

    first = choice(a.ANTIHYPERTENSIVES)
    # Another class than the first; nobody else gets a second one.
    shift = rng.integers(1, len(a.ANTIHYPERTENSIVES), people)
    second = np.where(rng.random(people) < a.SECOND_DRUG, (first + shift) % len(a.ANTIHYPERTENSIVES), -1)
    for drugs, years, chosen in (
        (a.ANTIHYPERTENSIVES, treated[0], first),
        (a.ANTIHYPERTENSIVES, treated[0], second),
        (a.STATINS, treated[1], choice(a.STATINS)),
    ):
        of_visit = np.where(years[renewals.person, renewals.year], chosen[renewals.person], -1)
        for position, (code, _) in enumerate(drugs):
            rows = of_visit == position
            pages.add(renewals.person[rows], renewals.moment[rows], code)


def _chosen(rng: np.random.Generator, chance: Floats) -> Flags:
    return rng.random(len(chance)) < chance


def _blood_pressure(
    rng: np.random.Generator, pages: Chart, people: People, states: Trajectories, practices: Practices, visits: Visits
) -> None:
    """Measured more in those known to be hypertensive, and where the pressure is high: a measurement informs."""
    usual = states.systolic[visits.person, visits.year]
    known = states.hypertension_diagnosed[visits.person] < visits.moment
    young = people.age[visits.person, visits.year] < 40
    chance = np.select([known, young], [a.BP_MEASURED_HYPERTENSIVE, a.BP_MEASURED_YOUNG], a.BP_MEASURED)
    chance += a.BP_MEASURED_HIGH * (~known & (usual > a.HYPERTENSION_FROM))
    taken = _chosen(rng, chance * practices.measuring[people.practice[visits.person]])
    visits, usual = visits.where(taken), usual[taken]
    systolic = np.round(usual + rng.normal(0, a.SYSTOLIC_VISIT_SD, len(usual)))
    tens = rng.random(len(usual)) < 0.25  # a quarter of readings are rounded to ten
    systolic = np.clip(np.where(tens, np.round(systolic, -1), systolic), 75, 270)
    age = people.age[visits.person, visits.year]
    share = 0.63 - 0.0022 * (age - 40)  # pulse pressure widens with age
    diastolic = np.clip(np.round(systolic * share + rng.normal(0, 6, len(usual))), 35, systolic - 15)
    pages.add(visits.person, visits.moment, SYSTOLIC, value=systolic, unit="mm[Hg]")
    pages.add(visits.person, visits.moment, DIASTOLIC, value=diastolic, unit="mm[Hg]")


def _laboratory(
    rng: np.random.Generator, pages: Chart, people: People, states: Trajectories, practices: Practices, visits: Visits
) -> None:
    """Ordered at a visit, drawn some days later, known some days after that."""
    practice = people.practice[visits.person]
    followed = states.statin[visits.person, visits.year] | states.has["diabetes"][visits.person, visits.year]
    old = people.age[visits.person, visits.year] >= a.LIPIDS_FROM_AGE
    lipids = np.where(followed, a.LIPIDS_MEASURED_FOLLOWED, a.LIPIDS_MEASURED * old)
    creatinine = np.where(followed, a.CREATININE_MEASURED_FOLLOWED, a.CREATININE_MEASURED * old)
    measuring = practices.measuring[practice]

    for measure, chance in ((_lipids, lipids), (_creatinine, creatinine)):
        rows = _chosen(rng, chance * measuring)
        ordered, laboratory = visits.where(rows), practice[rows]
        n = len(laboratory)
        drawn = np.floor(ordered.moment + rng.exponential(8.0, n) + 1) + 7 / 24 + rng.random(n) / 8
        known = np.floor(drawn + rng.exponential(practices.laboratory_days[laboratory])) + 19 / 24
        in_grams = rng.random(n) < practices.grams[laboratory]
        measure(rng, pages, states, people, Visits(ordered.person, ordered.year, drawn), known, in_grams)


def _result(
    pages: Chart,
    visits: Visits,
    known: Floats,
    in_grams: Flags,
    value: Floats,
    codes: tuple[str, str],
    units: tuple[str, str],
    a_gram: float,
    decimals: tuple[int, int],
) -> None:
    """Add results in amount, or in mass where the laboratory reports that; ``a_gram`` is the amount of one."""
    for mass, rows in ((False, ~in_grams), (True, in_grams)):
        written = np.round(value[rows] / a_gram if mass else value[rows], decimals[mass])
        pages.add(
            visits.person[rows],
            visits.moment[rows],
            codes[mass],
            known=known[rows],
            value=written,
            unit=units[mass],
        )


def _lipids(
    rng: np.random.Generator,
    pages: Chart,
    states: Trajectories,
    people: People,
    visits: Visits,
    known: Floats,
    in_grams: Flags,
) -> None:
    at = (visits.person, visits.year)
    error = 1 + rng.normal(0, a.LIPID_ERROR, (2, len(known)))
    hdl = np.clip(states.hdl[at] * error[0], 0.3, 4.5)
    total = np.clip(hdl + states.non_hdl[at] * error[1], 1.8, 18)
    for value, codes in ((total, TOTAL_CHOLESTEROL), (hdl, HDL)):
        _result(pages, visits, known, in_grams, value, codes, (MMOL_L, G_L), 100 / 38.67, (2, 2))


def _creatinine(
    rng: np.random.Generator,
    pages: Chart,
    states: Trajectories,
    people: People,
    visits: Visits,
    known: Floats,
    in_grams: Flags,
) -> None:
    at = (visits.person, visits.year)
    usual = np.where(people.female[visits.person], 66.0, 82.0) * np.where(states.has["kidney_disease"][at], 1.75, 1.0)
    value = np.clip(usual * np.exp(rng.normal(0, 0.14, len(known))), 25, 900)
    _result(pages, visits, known, in_grams, value, CREATININE, (UMOL_L, MG_L), 8.842, (0, 1))


def _asked_and_weighed(
    rng: np.random.Generator, pages: Chart, people: People, states: Trajectories, practices: Practices, visits: Visits
) -> None:
    measuring = practices.measuring[people.practice[visits.person]]
    rows = _chosen(rng, a.BMI_MEASURED * measuring)
    weighed = visits.where(rows)
    bmi: Floats = states.bmi[weighed.person, weighed.year] + rng.normal(0, 0.4, len(weighed.person))
    bmi = np.clip(bmi, 13.0, 70.0)
    pages.add(weighed.person, weighed.moment, BMI, value=np.round(bmi, 1), unit="kg/m2")
    asked = visits.where(_chosen(rng, a.SMOKING_ASKED * measuring))
    status = states.smoking[asked.person, asked.year]
    for state, code in SMOKING.items():
        pages.add(asked.person[status == state], asked.moment[status == state], code)


def _diagnoses(
    rng: np.random.Generator, pages: Chart, people: People, states: Trajectories, practices: Practices
) -> None:
    """Coded late, or never where the practice codes little. What came before registration is known from then on."""
    n = len(people)
    made = {name: onset + a.DAYS_A_YEAR * rng.exponential(a.DETECTION_YEARS, n) for name, onset in states.onset.items()}
    for name, moment in (made | {"hypertension": states.hypertension_diagnosed}).items():
        coded = rng.random(n) < practices.completeness[people.practice]
        known = np.maximum(moment, people.registered) + rng.exponential(a.CODING_DAYS, n)
        for in_cisp2, code in enumerate(DIAGNOSES[name]):
            rows = np.flatnonzero(coded & np.isfinite(moment) & (practices.cisp2[people.practice] == bool(in_cisp2)))
            pages.add(rows, moment[rows], code, known=known[rows])


def _cardiovascular(
    rng: np.random.Generator, pages: Chart, people: People, events: Events, practices: Practices
) -> None:
    """Written in a hospital's letter, which takes days to months; what came before is known from registration."""
    prior = np.flatnonzero(np.isfinite(events.prior))
    infarction = rng.random(len(prior)) < np.where(
        people.female[prior], a.INFARCTION_SHARE_WOMEN, a.INFARCTION_SHARE_MEN
    )
    for codes, rows in ((INFARCTIONS, prior[infarction]), (STROKES, prior[~infarction])):
        known = np.maximum(events.prior[rows] + 30, people.registered[rows])
        pages.add_one_of(rng, rows, events.prior[rows], codes, known)
    letter = np.isfinite(events.cardiovascular) & ~events.sudden
    for codes, kind in ((INFARCTIONS, events.infarction), (STROKES, ~events.infarction)):
        person, number = np.nonzero(letter & kind)
        moment = events.cardiovascular[person, number]
        delay = practices.letter_days[people.practice[person]] * np.exp(rng.normal(0, 0.7, len(person)))
        pages.add_one_of(rng, person, moment, codes, moment + 1 + delay)


def _endings(rng: np.random.Generator, pages: Chart, events: Events) -> None:
    died = np.isfinite(events.death)
    for code, which in (
        (CARDIOVASCULAR_DEATH, died & events.death_is_cardiovascular),
        (DEATH, died & ~events.death_is_cardiovascular),
    ):
        rows = np.flatnonzero(which)
        moment = events.death[rows]
        pages.add(rows, moment, code, known=moment + 1 + rng.exponential(12.0, len(rows)), final=True)
    rows = np.flatnonzero(np.isfinite(events.left))
    pages.add(rows, events.left[rows], LEFT, final=True)


def _table(pages: Chart, people: People, events: Events, practices: Practices, names: pa.Array) -> pa.Table:
    person, happened, known, code, value, unit, final = (
        np.concatenate(column) for column in zip(*pages.parts, strict=True)
    )
    known = np.maximum(known, people.registered[person])
    # Whole minutes; rounding down keeps the order of the two dates.
    happened, known, gone = (np.floor(days * 1440).astype(np.int64) for days in (happened, known, _finite(events.gone)))
    kept = ((happened < gone[person]) | final) & (known < round(LAST_DAY * 1440))
    person, code, unit = (column[kept].astype(np.int32) for column in (person, code, unit))

    def dictionary(indices: npt.NDArray[np.int32], values: pa.Array) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array(indices), values)

    microseconds = 60_000_000
    no_unit = unit == 0
    return pa.table(
        {
            "patient": dictionary(person, names),
            "practice": dictionary(people.practice[person].astype(np.int32), pa.array(practices.name)),
            "happened_at": pa.array(happened[kept] * microseconds, pa.timestamp("us")),
            "known_at": pa.array(known[kept] * microseconds, pa.timestamp("us")),
            "code": dictionary(code, pa.array(pages.codes)),
            "value": pa.array(value[kept], pa.float64(), from_pandas=True),
            "unit": pa.DictionaryArray.from_arrays(
                pa.array(np.where(no_unit, 0, unit - 1).astype(np.int32), mask=no_unit), pa.array(pages.units[1:])
            ),
        }
    )


def _finite(days: Floats) -> Floats:
    return np.minimum(days, LAST_DAY + 1)

"""Which illnesses are written down, and when: coded late, or never where the practice codes little."""

from __future__ import annotations

from typing import Final

import numpy as np

from features.synthetic import assumptions as a
from features.synthetic.assumptions import Floats
from features.synthetic.calendar import BOUNDS
from features.synthetic.lives import Lives
from features.synthetic.pages import Pages
from features.synthetic.trajectories import Flags
from features.synthetic.visits import Rows, Visits

#: CIM-10, and CISP-2 where there is such a class.
DIAGNOSES: Final = {
    "atrial_fibrillation": ("CIM10:I48.9", "CISP2:K78"),
    "mental_illness": ("CIM10:F31.9", "CISP2:P73"),
    "copd": ("CIM10:J44.9", "CISP2:R95"),
    "depression": ("CIM10:F32.9", "CISP2:P76"),
    "migraine": ("CIM10:G43.9", "CISP2:N89"),
    "rheumatoid_arthritis": ("CIM10:M06.9", "CISP2:L88"),
    "lupus": ("CIM10:M32.9", "CIM10:M32.9"),
    "dementia": ("CIM10:F03", "CISP2:P70"),
    "hypertension": ("CIM10:I10", "CISP2:K86"),
    "type_1": ("CIM10:E10.9", "CISP2:T89"),
    "type_2": ("CIM10:E11.9", "CISP2:T90"),
}
#: Stages of kidney disease and the filtration below which each begins.
STAGES: Final = (("CIM10:N18.3", 60.0), ("CIM10:N18.4", 30.0), ("CIM10:N18.5", 15.0))
DYSLIPIDAEMIA: Final = ("CIM10:E78.0", "CISP2:T93")
OBESITY: Final = ("CIM10:E66.9", "CISP2:T82")
ALCOHOL: Final = ("CIM10:F10.2", "CISP2:P15")
PRECARIOUS, PREGNANT, BREAST_LUMP = "CIM10:Z59.6", "CIM10:Z34", ("CIM10:N63", "CISP2:X19")
CHEST_PAIN: Final = ("CIM10:R07.4", "CISP2:A11")
FAMILY: Final = "PRACTICE:family.premature_coronary_disease"
FAMILY_BREAST, FAMILY_COLORECTAL = "CIM10:Z80.3", "CIM10:Z80.0"


def diagnose(rng: np.random.Generator, pages: Pages, lives: Lives, visits: Visits) -> None:
    """Add diagnoses, family histories and symptoms."""
    states, illnesses = lives.states, lives.states.illnesses
    diabetes = illnesses.diagnosed["diabetes"]
    moments = illnesses.diagnosed | {
        "hypertension": states.hypertension_diagnosed,
        "type_1": np.where(illnesses.type_1, diabetes, np.inf),
        "type_2": np.where(illnesses.type_1, np.inf, diabetes),
    }
    for name, codes in DIAGNOSES.items():
        _code(rng, pages, lives, moments[name], codes)
    _kidneys(rng, pages, lives)
    n = len(diabetes)
    within, written = rng.random((2, n)), rng.random(n) < a.OBESITY_WRITTEN
    high = _first(states.statin | (states.non_hdl > a.DYSLIPIDAEMIA_FROM), within[0])
    _code(rng, pages, lives, high, DYSLIPIDAEMIA)
    _code(rng, pages, lives, np.where(written, _first(states.bmi >= 30, within[1]), np.inf), OBESITY)
    drinks = lives.circumstances.drinks > a.ALCOHOL_DISORDER_FROM
    _code(rng, pages, lives, np.where(drinks, lives.people.entry + rng.exponential(2000, n), np.inf), ALCOHOL)
    _family(rng, pages, lives, visits)
    _of_an_occasion(rng, pages, lives, visits)
    _chest_pain(rng, pages, lives, visits)


def _code(rng: np.random.Generator, pages: Pages, lives: Lives, moment: Floats, codes: tuple[str, str]) -> None:
    """Add what practices code of this. What came before registration is known from then on."""
    everybody = np.arange(len(moment))
    chance = rng.random(len(moment))
    known = np.maximum(moment, lives.people.registered) + rng.exponential(a.CODING_DAYS, len(moment))
    coded = chance < lives.of_practice(lives.practices.completeness, everybody, known)
    in_cisp2 = lives.of_practice(lives.practices.cisp2, everybody, known)
    for position, code in enumerate(codes):
        rows = np.flatnonzero(coded & np.isfinite(moment) & (in_cisp2 == bool(position)))
        pages.add(rows, moment[rows], code, known=known[rows])


def _first(states: Flags, within: Floats) -> Floats:
    """Return when a state began: this far within its first year; infinite if it never did, shape ``(n,)``."""
    year = states.argmax(axis=1)
    moment = BOUNDS[year] + within * 365
    return np.where(states.any(axis=1), moment, np.inf)


def _kidneys(rng: np.random.Generator, pages: Pages, lives: Lives) -> None:
    """Each stage is coded once it was found, by a practice that codes it at all."""
    n = len(lives.people)
    found = lives.states.illnesses.diagnosed["kidney_disease"]
    coded = rng.random(n) < lives.of_practice(lives.practices.completeness, np.arange(n), found)
    within = rng.random(n)
    for code, below in STAGES:
        reached = _first(lives.states.metabolism.filtration < below, within)
        moment = np.where(np.isfinite(reached), np.maximum(found, reached), np.inf) if below < 60 else found
        rows = np.flatnonzero(coded & np.isfinite(moment))
        known = np.maximum(moment[rows], lives.people.registered[rows]) + rng.exponential(a.CODING_DAYS, len(rows))
        pages.add(rows, moment[rows], code, known=known)


def _family(rng: np.random.Generator, pages: Pages, lives: Lives, visits: Visits) -> None:
    """Asked at a visit some time, or never; only what there is gets written down."""
    around = lives.circumstances
    for code, has in (
        (FAMILY, around.family_cardiovascular),
        (FAMILY_BREAST, around.family_breast & lives.people.female),
        (FAMILY_COLORECTAL, around.family_colorectal),
    ):
        asked = np.flatnonzero(has[visits.person] & (rng.random(len(visits.person)) < a.FAMILY_ASKED))
        first = asked[np.unique(visits.person[asked], return_index=True)[1]]
        pages.add(visits.person[first], visits.moment[first], code)


def _of_an_occasion(rng: np.random.Generator, pages: Pages, lives: Lives, visits: Visits) -> None:
    """Pregnancies, breast lumps, poverty: written down at one of the visits."""
    at = (visits.person, visits.year)
    age, female = lives.people.age[at], lives.people.female[visits.person]
    poor = (lives.people.quintile[visits.person] == 5) & lives.circumstances.solidarity_cover[visits.person]
    in_cisp2 = lives.of_practice(lives.practices.cisp2, visits.person, visits.moment)
    for code, rate in (
        (PREGNANT, a.PREGNANCY(age, female)),
        (BREAST_LUMP[0], a.BREAST_LUMP * (female & ~in_cisp2)),
        (BREAST_LUMP[1], a.BREAST_LUMP * (female & in_cisp2)),
        (PRECARIOUS, a.POVERTY_WRITTEN * poor),
    ):
        rows = rng.random(len(age)) < rate / np.maximum(lives.visit_rate[at], 0.5)
        pages.add(visits.person[rows], visits.moment[rows], code)


def _chest_pain(rng: np.random.Generator, pages: Pages, lives: Lives, visits: Visits) -> None:
    """As often as the hazard says, in women as in men; but coded less often in women where that is planted."""
    at = (visits.person, visits.year)
    rate = a.CHEST_PAIN + a.CHEST_PAIN_A_HAZARD * lives.hazards.cardiovascular[at]
    complains = rng.random(len(rate)) < rate / np.maximum(lives.visit_rate[at], 0.5)
    women = a.CHEST_PAIN_CODED_WOMEN if lives.difficulties.symptom_coding else a.CHEST_PAIN_CODED_MEN
    chance = np.where(lives.people.female[visits.person], women, a.CHEST_PAIN_CODED_MEN)
    chance = chance * lives.of_practice(lives.practices.completeness, visits.person, visits.moment)
    coded = complains & (rng.random(len(rate)) < chance)
    in_cisp2 = lives.of_practice(lives.practices.cisp2, visits.person, visits.moment)
    for position, code in enumerate(CHEST_PAIN):
        rows: Rows = np.flatnonzero(coded & (in_cisp2 == bool(position)))
        pages.add(visits.person[rows], visits.moment[rows], code)

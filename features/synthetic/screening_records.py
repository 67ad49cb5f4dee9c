"""What the practice's file holds of screening: invitations, refusals, tests, what they led to, and exclusions."""

from __future__ import annotations

from typing import Final

import numpy as np

from features.synthetic import assumptions as a
from features.synthetic.assumptions import Floats
from features.synthetic.calendar import BOUNDS, FIRST_DAY, LAST_DAY, OPENS
from features.synthetic.lives import Lives
from features.synthetic.pages import Pages
from features.synthetic.screening import Participation
from features.synthetic.trajectories import Flags
from features.synthetic.visits import Rows

#: The programme's mammogram; another; the ultrasound that follows half of the others.
MAMMOGRAPHY: Final = ("CCAM:QEQK004", "CCAM:QEQK001")
ULTRASOUND, MASTECTOMY = "CCAM:QEQM001", "CCAM:QEFA003"
#: Guaiac tests until 2014, immunological ones since.
FAECAL_TEST: Final = ("LOINC:2335-8", "LOINC:29771-3")
FAECAL_TEST_CHANGED: Final = float(BOUNDS[2015 - a.FIRST_YEAR])
BLOOD_IN_STOOL, KIT = "CIM10:R19.5", "NGAP:DCC"
COLONOSCOPY: Final = ("CCAM:HHQE002", "CCAM:HHFE002")  # exploring; with removal of a polyp
ADENOMA, BOWEL_CANCER, BREAST_CANCER = "CIM10:D12.6", "CIM10:C18.9", "CIM10:C50.9"
BOWEL_DISEASE = "CIM10:K51.9"
#: The programme's smear, another one, the virus test, which does not say whose it is.
CYTOLOGY: Final = ("CCAM:JKQX261", "CCAM:JKQX347")
HPV_TEST: Final = "NABM:0024"
ABNORMAL_SMEAR, CONISATION, HYSTERECTOMY = "CIM10:R87.6", "CCAM:JKFD002", "CCAM:JKFC003"


def screen(rng: np.random.Generator, pages: Pages, lives: Lives) -> None:
    """Add the records of the three programmes."""
    for participation in lives.screening:
        _asked(rng, pages, lives, participation)
        add = {"breast": _breast, "colorectal": _colorectal, "cervical": _cervical}[participation.programme.name]
        add(rng, pages, lives, participation)
        _excluded(rng, pages, lives, participation)
    _surveillance(rng, pages, lives)


def _asked(rng: np.random.Generator, pages: Pages, lives: Lives, participation: Participation) -> None:
    """The practice gets a list of those invited, and writes down who says no."""
    name = participation.programme.name
    person, moment, half = _of(participation, participation.invitation)
    pages.add(person, moment, f"PRACTICE:invitation.{name}_screening", known=moment + 15)
    row = np.searchsorted(participation.person, person)
    unwilling = ~np.isfinite(participation.test[row, half])
    refuses = unwilling & (rng.random(len(person)) < a.REFUSES)
    pages.add(person[refuses], moment[refuses] + 45, f"PRACTICE:refusal.{name}_screening")


def _of(participation: Participation, moments: Floats, where: Flags | None = None) -> tuple[Rows, Floats, Rows]:
    """Return the persons, moments and half-years of what happened, on the same day but never at night."""
    row, half = np.nonzero(np.isfinite(moments) if where is None else np.isfinite(moments) & where)
    date = np.floor(moments[row, half])
    return participation.person[row], date + OPENS + (moments[row, half] - date) * 10 / 24, half


def _letter(rng: np.random.Generator, moment: Floats, days: float = 20.0) -> Floats:
    """Return when the practice learns of something done elsewhere."""
    return moment + 2 + rng.exponential(days, len(moment))


def _breast(rng: np.random.Generator, pages: Pages, lives: Lives, participation: Participation) -> None:
    for individual, code in enumerate(MAMMOGRAPHY):
        person, moment, _ = _of(participation, participation.test, participation.individual == bool(individual))
        known = _letter(rng, moment)
        pages.add(person, moment, code, known=known)
        if individual:
            half = rng.random(len(person)) < a.ULTRASOUND_TOO
            pages.add(person[half], moment[half], ULTRASOUND, known=known[half])
    found = np.where(participation.positive, participation.test, np.inf).min(axis=1, initial=np.inf)
    _cancer(rng, pages, lives, lives.histories.breast_cancer, participation.person, found, BREAST_CANCER)


def _cancer(
    rng: np.random.Generator, pages: Pages, lives: Lives, felt: Floats, person: Rows, found: Floats, code: str
) -> None:
    """Add a cancer: a month after the test that found it, or when it was felt."""
    moment = felt.copy()
    moment[person] = np.minimum(moment[person], found + 30)
    rows = np.flatnonzero(np.isfinite(moment))
    pages.add(rows, moment[rows], code, known=_letter(rng, moment[rows], 30.0))
    if code == BREAST_CANCER:
        operated = rows[rng.random(len(rows)) < a.MASTECTOMY]
        later = moment[operated] + 45
        pages.add(operated, later, MASTECTOMY, known=_letter(rng, later, 30.0))


def _colorectal(rng: np.random.Generator, pages: Pages, lives: Lives, participation: Participation) -> None:
    organised = np.where(participation.individual, np.inf, participation.test)
    for immunological, code in enumerate(FAECAL_TEST):
        person, moment, _ = _of(participation, organised, (organised >= FAECAL_TEST_CHANGED) == bool(immunological))
        pages.add(person, moment, code, known=_letter(rng, moment, 8.0))
        pages.add(person, moment - 12, KIT)
    person, moment, _ = _of(participation, participation.test, participation.positive)
    pages.add(person, moment, BLOOD_IN_STOOL, known=_letter(rng, moment, 8.0))

    felt = lives.histories.colorectal_cancer
    after, moment, _ = _of(participation, participation.colonoscopy)
    adenoma = rng.random(len(after)) < a.ADENOMA_FOUND
    for removed, code in enumerate(COLONOSCOPY):
        rows = adenoma == bool(removed)
        pages.add(after[rows], moment[rows], code, known=_letter(rng, moment[rows]))
    pages.add(after[adenoma], moment[adenoma], ADENOMA, known=moment[adenoma] + 30)
    person, moment, _ = _of(participation, participation.test, participation.individual)
    pages.add(person, moment, COLONOSCOPY[0], known=_letter(rng, moment))
    soon = felt[participation.person][:, None] < participation.colonoscopy + a.FELT_LATER_YEARS * a.DAYS_A_YEAR
    found = np.where(soon & participation.positive, participation.colonoscopy, np.inf).min(axis=1, initial=np.inf)
    _cancer(rng, pages, lives, felt, participation.person, found, BOWEL_CANCER)


def _cervical(rng: np.random.Generator, pages: Pages, lives: Lives, participation: Participation) -> None:
    for individual, code in enumerate(CYTOLOGY):
        chosen = ~participation.hpv & (participation.individual == bool(individual))
        person, moment, _ = _of(participation, participation.test, chosen)
        pages.add(person, moment, code, known=_letter(rng, moment, 15.0))
    person, moment, _ = _of(participation, participation.test, participation.hpv)
    pages.add(person, moment, HPV_TEST, known=_letter(rng, moment, 15.0))
    person, moment, half = _of(participation, participation.test, participation.positive)
    hpv = participation.hpv[np.searchsorted(participation.person, person), half]
    # After a positive virus test the cells are looked at too, and are abnormal in a third.
    abnormal = ~hpv | (rng.random(len(person)) < a.ABNORMAL_AFTER_HPV)
    person, moment = person[abnormal], moment[abnormal]
    pages.add(person, moment, ABNORMAL_SMEAR, known=_letter(rng, moment, 15.0))
    treated = rng.random(len(person)) < a.CONISATION_AFTER
    later = moment[treated] + 60 + rng.exponential(40, int(treated.sum()))
    pages.add(person[treated], later, CONISATION, known=_letter(rng, later))


def _excluded(rng: np.random.Generator, pages: Pages, lives: Lives, participation: Participation) -> None:
    """The programme tells the practice whom it leaves out, once it knows and the person is of the age."""
    programme = participation.programme
    since = lives.histories.excluded(programme)[participation.person]
    of_age = lives.people.born[participation.person] + programme.ages[0] * a.DAYS_A_YEAR
    told = np.maximum.reduce([since, of_age, np.full(len(since), FIRST_DAY)]) + rng.uniform(60, 400, len(since))
    rows = np.isfinite(told) & (told < of_age + (programme.ages[1] - programme.ages[0]) * a.DAYS_A_YEAR)
    rows &= told < LAST_DAY
    pages.add(participation.person[rows], told[rows], f"PRACTICE:exclusion.{programme.name}_screening")


def _surveillance(rng: np.random.Generator, pages: Pages, lives: Lives) -> None:
    """What excludes is in the file too; and those whom it keeps out of the bowel programme get colonoscopies."""
    histories = lives.histories
    for moment, code in (
        (histories.adenoma, ADENOMA),
        (histories.bowel_disease, BOWEL_DISEASE),
        (histories.hysterectomy, HYSTERECTOMY),
    ):
        everybody = np.arange(len(moment))
        coded = rng.random(len(moment)) < lives.of_practice(lives.practices.completeness, everybody, moment)
        rows = np.flatnonzero(coded & np.isfinite(moment))
        known = np.maximum(moment[rows], lives.people.registered[rows]) + rng.exponential(a.CODING_DAYS, len(rows))
        pages.add(rows, moment[rows], code, known=known)
    since = histories.excluded(a.COLORECTAL)
    watched = (lives.people.age >= 40) & (lives.people.age < 80) & (since[:, None] < BOUNDS[:-1])
    person, year = np.nonzero(watched & (rng.random(watched.shape) < a.SURVEILLANCE))
    moment = BOUNDS[year] + rng.random(len(person)) * 365
    here = moment > lives.people.entry[person]
    person, moment = person[here], moment[here]
    pages.add(person, moment, COLONOSCOPY[0], known=_letter(rng, moment))

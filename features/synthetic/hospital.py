"""What happens in hospital and how lives end: events, stays, deaths, departures; letters take days to months."""

from __future__ import annotations

from typing import Final

import numpy as np

from features.synthetic import assumptions as a
from features.synthetic.calendar import BOUNDS
from features.synthetic.lives import Lives
from features.synthetic.pages import Pages

INFARCTIONS: Final = (("CIM10:I21.9", 0.6), ("CIM10:I21.4", 0.4))
STROKES: Final = (("CIM10:I63.9", 0.8), ("CIM10:I61.9", 0.12), ("CIM10:I64", 0.08))
STAY: Final = "PRACTICE:hospital_stay"
LEFT, DEATH, CARDIOVASCULAR_DEATH = (f"PRACTICE:{name}" for name in ("left", "death", "death.cardiovascular"))


def stays(rng: np.random.Generator, pages: Pages, lives: Lives) -> None:
    """Add cardiovascular events, and hospital stays for them and for other reasons."""
    _cardiovascular(rng, pages, lives)
    ill = np.sum([lives.states.has[name] for name in ("diabetes", "kidney_disease", "copd", "dementia")], axis=0)
    rate = a.HOSPITAL_STAYS(lives.people.age, lives.people.female[:, None]) * (1 + a.HOSPITAL_STAYS_ILLNESS * ill)
    person, year = np.nonzero(rng.random(rate.shape) < rate)
    moment = BOUNDS[year] + rng.random(len(person)) * 365
    here = (moment > lives.people.entry[person]) & (moment < lives.events.gone[person])
    person, moment = person[here], moment[here]
    letter = lives.of_practice(lives.practices.letter_days, person, moment)
    pages.add(person, moment, STAY, known=moment + 1 + letter * np.exp(rng.normal(0, 0.7, len(person))))


def _cardiovascular(rng: np.random.Generator, pages: Pages, lives: Lives) -> None:
    """What came before is known from registration."""
    people, events = lives.people, lives.events
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
        delay = lives.of_practice(lives.practices.letter_days, person, moment)
        known = moment + 1 + delay * np.exp(rng.normal(0, 0.7, len(person)))
        pages.add_one_of(rng, person, moment, codes, known)
        pages.add(person, moment, STAY, known=known)


def endings(rng: np.random.Generator, pages: Pages, lives: Lives) -> None:
    """Add deaths and departures."""
    events = lives.events
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

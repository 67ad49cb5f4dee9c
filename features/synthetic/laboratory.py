"""What laboratories report: ordered at a visit, drawn some days later, known some days or weeks after that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from features.synthetic import assumptions as a
from features.synthetic.assumptions import Floats
from features.synthetic.lives import Lives
from features.synthetic.metabolism import creatinine, estimated_filtration
from features.synthetic.pages import Pages
from features.synthetic.trajectories import Flags
from features.synthetic.visits import Visits

#: Amount and mass concentration: laboratories that report grams use the other code.
TOTAL_CHOLESTEROL: Final = ("LOINC:14647-2", "LOINC:2093-3")
HDL: Final = ("LOINC:14646-4", "LOINC:2085-9")
LDL: Final = ("LOINC:39469-2", "LOINC:13457-7")
TRIGLYCERIDES: Final = ("LOINC:14927-8", "LOINC:2571-8")
CREATININE: Final = ("LOINC:14682-9", "LOINC:2160-0")
FILTRATION: Final = "LOINC:62238-1"
HBA1C: Final = "LOINC:4548-4"
GLUCOSE: Final = ("LOINC:76629-5", "LOINC:1558-6")
ALBUMINURIA: Final = "LOINC:14959-1"
MMOL_L, G_L, UMOL_L, MG_L = "mmol/L", "g/L", "umol/L", "mg/L"
Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Drawn:
    """Samples, one an element of each array: drawn when, known when, and whether reported in mass."""

    visits: Visits
    known: Floats
    in_grams: Flags

    def of(self, yearly: npt.NDArray[Value]) -> npt.NDArray[Value]:
        """Return a yearly level of each sample's person, of the year it was drawn in."""
        level: npt.NDArray[Value] = yearly[self.visits.person, self.visits.year]
        return level

    def where(self, chosen: Flags) -> Drawn:
        """Return some of the samples."""
        return Drawn(self.visits.where(chosen), self.known[chosen], self.in_grams[chosen])


def report(rng: np.random.Generator, pages: Pages, lives: Lives, visits: Visits) -> None:
    """Add laboratory results."""
    at = (visits.person, visits.year)
    diabetes = lives.states.illnesses.diagnosed["diabetes"][visits.person] < visits.moment
    kidney = lives.states.illnesses.diagnosed["kidney_disease"][visits.person] < visits.moment
    followed = lives.states.statin[at] | diabetes
    old = lives.people.age[at] >= a.LIPIDS_FROM_AGE
    for measure, chance in (
        (_lipids, np.where(followed, a.LIPIDS_MEASURED_FOLLOWED, a.LIPIDS_MEASURED * old)),
        (_creatinine, np.where(followed | kidney, a.CREATININE_MEASURED_FOLLOWED, a.CREATININE_MEASURED * old)),
        (_sugar, np.where(diabetes, a.SUGAR_MEASURED, a.SUGAR_MEASURED_OTHERS * old)),
        (_albuminuria, np.where(diabetes | kidney, a.ALBUMINURIA_MEASURED, 0.0)),
    ):
        measure(rng, pages, lives, _drawn(rng, lives, visits, chance))


def _drawn(rng: np.random.Generator, lives: Lives, visits: Visits, chance: Floats) -> Drawn:
    measuring = lives.of_practice(lives.practices.measuring, visits.person, visits.moment)
    ordered = visits.where(rng.random(len(chance)) < chance * measuring)
    n = len(ordered.person)
    days = lives.of_practice(lives.practices.laboratory_days, ordered.person, ordered.moment)
    drawn = np.floor(ordered.moment + rng.exponential(8.0, n) + 1) + 7 / 24 + rng.random(n) / 8
    known = np.floor(drawn + rng.exponential(days)) + 19 / 24
    in_grams = rng.random(n) < lives.of_practice(lives.practices.grams, ordered.person, ordered.moment)
    return Drawn(Visits(ordered.person, ordered.year, drawn), known, in_grams)


def _lipids(rng: np.random.Generator, pages: Pages, lives: Lives, drawn: Drawn) -> None:
    """LDL is calculated by Friedewald's formula, where triglycerides allow."""
    states = lives.states
    error = 1 + rng.normal(0, a.LIPID_ERROR, (2, len(drawn.known)))
    hdl = np.clip(drawn.of(states.hdl) * error[0], 0.3, 4.5)
    total = np.clip(hdl + drawn.of(states.non_hdl) * error[1], 1.8, 18)
    triglycerides = drawn.of(states.metabolism.triglycerides) * np.exp(rng.normal(0, 0.2, len(hdl)))
    ldl = np.round(total - hdl - triglycerides / 2.2, 2)
    _result(pages, drawn, total, TOTAL_CHOLESTEROL, (MMOL_L, G_L), 100 / 38.67, (2, 2))
    _result(pages, drawn, hdl, HDL, (MMOL_L, G_L), 100 / 38.67, (2, 2))
    _result(pages, drawn, triglycerides, TRIGLYCERIDES, (MMOL_L, G_L), 100 / 88.57, (2, 2))
    valid = (triglycerides < 4.5) & (ldl > 0.3)
    _result(pages, drawn.where(valid), ldl[valid], LDL, (MMOL_L, G_L), 100 / 38.67, (2, 2))


def _creatinine(rng: np.random.Generator, pages: Pages, lives: Lives, drawn: Drawn) -> None:
    """With the filtration rate that the laboratory estimates from it."""
    age, female = drawn.of(lives.people.age), lives.people.female[drawn.visits.person]
    usual = creatinine(drawn.of(lives.states.metabolism.filtration), age, female)
    value = np.clip(usual * np.exp(rng.normal(0, a.CREATININE_ERROR, len(usual))), 25, 1500)
    _result(pages, drawn, value, CREATININE, (UMOL_L, MG_L), 8.842, (0, 1))
    estimated: Floats = np.clip(np.round(estimated_filtration(value, age, female)), 2.0, 150.0)
    unit = "mL/min/{1.73_m2}"
    pages.add(drawn.visits.person, drawn.visits.moment, FILTRATION, known=drawn.known, value=estimated, unit=unit)


def _sugar(rng: np.random.Generator, pages: Pages, lives: Lives, drawn: Drawn) -> None:
    """Fasting glucose follows HbA1c along an assumed line."""
    hba1c = np.round(drawn.of(lives.states.metabolism.hba1c) + rng.normal(0, 0.15, len(drawn.known)), 1)
    glucose = np.clip((1.27 * hba1c - 2.07) * np.exp(rng.normal(0, 0.08, len(hba1c))), 2.5, 30)
    diabetes = drawn.of(lives.states.has["diabetes"])
    some = diabetes | (rng.random(len(hba1c)) < 0.3)  # without diabetes mostly the glucose alone
    with_hba1c = drawn.where(some).visits
    known = drawn.known[some]
    pages.add(with_hba1c.person, with_hba1c.moment, HBA1C, known=known, value=hba1c[some], unit="%")
    _result(pages, drawn, glucose, GLUCOSE, (MMOL_L, G_L), 100 / 18.016, (1, 2))


def _albuminuria(rng: np.random.Generator, pages: Pages, lives: Lives, drawn: Drawn) -> None:
    usual = drawn.of(lives.states.metabolism.albuminuria)
    value = np.round(usual * np.exp(rng.normal(0, 0.3, len(usual))), 1)
    visits = drawn.visits
    pages.add(visits.person, visits.moment, ALBUMINURIA, known=drawn.known, value=value, unit="mg/mmol")


def _result(
    pages: Pages,
    drawn: Drawn,
    value: Floats,
    codes: tuple[str, str],
    units: tuple[str, str],
    a_gram: float,
    decimals: tuple[int, int],
) -> None:
    """Add results in amount, or in mass where the laboratory reports that; ``a_gram`` is the amount of one."""
    for mass, rows in ((False, ~drawn.in_grams), (True, drawn.in_grams)):
        written = np.round(value[rows] / a_gram if mass else value[rows], decimals[mass])
        pages.add(
            drawn.visits.person[rows],
            drawn.visits.moment[rows],
            codes[mass],
            known=drawn.known[rows],
            value=written,
            unit=units[mass],
        )

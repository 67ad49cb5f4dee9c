"""Practices and their habits: how much they measure and code, how late they learn, which units they are sent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.synthetic import assumptions as a
from features.synthetic.assumptions import Floats
from features.synthetic.difficulties import USUAL, Difficulties
from features.synthetic.places import departments


@dataclass(frozen=True, eq=False)
class Practices:
    """Practices, one an element of each array.

    Attributes
    ----------
    name
        Identifier, such as ``"P0007"``.
    share
        Share of the patients, summing to one.
    deprivation
        Where its patients tend to stand, standard normal; high is deprived.
    completeness
        Share of diagnoses it codes.
    measuring
        How often it measures, relative to the mean.
    letter_days, laboratory_days
        Median delay of hospital letters; mean delay of results.
    grams
        Share of lipid results in g/L, the others being in mmol/L.
    cisp2
        Whether it codes diagnoses in CISP-2 where it can.
    hazard, screening
        Effects on the log hazards of a cardiovascular event and of taking part in screening, which no record explains.
    density
        Level of Insee's density grid where it is, 1 to 7.
    region, vendor
        Numbers of its region and of its software's vendor, from 0 on.
    department
        Position of its département in the categories of `DEPARTMENT`.
    """

    name: tuple[str, ...]
    share: Floats
    deprivation: Floats
    completeness: Floats
    measuring: Floats
    letter_days: Floats
    laboratory_days: Floats
    grams: Floats
    cisp2: npt.NDArray[np.bool_]
    hazard: Floats
    screening: Floats
    density: npt.NDArray[np.int64]
    region: npt.NDArray[np.int64]
    vendor: npt.NDArray[np.int64]
    department: npt.NDArray[np.int64]


def make_practices(rng: np.random.Generator, patients: int, difficulties: Difficulties = USUAL) -> Practices:
    """Return the practices of a population: one for 500 patients, ten at least."""
    number = max(a.PRACTICES_AT_LEAST, round(patients / a.PATIENTS_A_PRACTICE))

    def some(shares: tuple[float, ...]) -> npt.NDArray[np.int64]:
        """Return shares kept as well as they can be, so that every kind exists however few the practices are."""
        spread = (np.arange(number) + rng.random()) / number
        return rng.permutation(np.searchsorted(np.cumsum(shares)[:-1], spread, side="right"))

    size = rng.gamma(8.0, size=number)
    # Ranked rather than drawn: both ends exist however few the practices are.
    deprivation = rng.permutation(np.linspace(-1.7, 1.7, number))
    region, vendor, density = some(a.REGION_SHARES), some(a.VENDOR_SHARES), 1 + some(a.DENSITY_SHARES)
    effect, screening = rng.normal(0, ((a.PRACTICE_HAZARD_SD,), (a.PRACTICE_SCREENING_SD,)), (2, number))
    late = rng.exponential(a.LATE_DAYS, number) * (rng.random(number) < a.LATE_PRACTICES)
    return Practices(
        name=tuple(f"P{i:04d}" for i in range(1, number + 1)),
        share=size / size.sum(),
        deprivation=deprivation,
        completeness=_completeness(rng, deprivation, region, difficulties),
        measuring=rng.uniform(*a.MEASURING, number),
        letter_days=rng.uniform(*a.LETTER_DAYS, number),
        laboratory_days=rng.uniform(*a.LABORATORY_DAYS, number) + late * difficulties.late_results,
        grams=np.array(a.VENDOR_GRAMS)[vendor] * difficulties.grams,
        cisp2=rng.random(number) < a.CISP2_SHARE,
        hazard=effect - effect.mean(),
        screening=screening - screening.mean(),
        density=density,
        region=region,
        vendor=vendor,
        department=departments(rng.spawn(1)[0], region, density),
    )


def _completeness(
    rng: np.random.Generator, deprivation: Floats, region: npt.NDArray[np.int64], difficulties: Difficulties
) -> Floats:
    least, most = a.COMPLETENESS
    leaning = deprivation / 3.4 if difficulties.under_recording else 0.0
    completeness = (most + least) / 2 - (most - least) * leaning + rng.normal(0, 0.04, len(region))
    of_region = np.array(a.REGION_COMPLETENESS) if difficulties.undercoded_region else np.ones(len(a.REGION_SHARES))
    return np.clip(completeness * of_region[region], 0.3, 0.99)

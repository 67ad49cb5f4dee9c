"""Practices and their habits: how much they measure and code, how late they learn, which units they are sent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.synthetic import assumptions as a
from features.synthetic.assumptions import Floats


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
    hazard
        Effect on the log cardiovascular hazard, which no record explains.
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


def make_practices(rng: np.random.Generator, patients: int) -> Practices:
    """Return the practices of a population: one for 500 patients, ten at least."""
    number = max(a.PRACTICES_AT_LEAST, round(patients / a.PATIENTS_A_PRACTICE))
    size = rng.gamma(8.0, size=number)
    # Ranked rather than drawn: both ends exist however few the practices are.
    deprivation = rng.permutation(np.linspace(-1.7, 1.7, number))
    region = rng.choice(len(a.REGION_SHARES), size=number, p=a.REGION_SHARES)
    least, most = a.COMPLETENESS
    completeness = most - (most - least) * (deprivation + 1.7) / 3.4 + rng.normal(0, 0.04, number)
    effect = rng.normal(0, a.PRACTICE_HAZARD_SD, number)
    return Practices(
        name=tuple(f"P{i:04d}" for i in range(1, number + 1)),
        share=size / size.sum(),
        deprivation=deprivation,
        completeness=np.clip(completeness * np.array(a.REGION_COMPLETENESS)[region], 0.3, 0.99),
        measuring=rng.uniform(*a.MEASURING, number),
        letter_days=rng.uniform(*a.LETTER_DAYS, number),
        laboratory_days=rng.uniform(*a.LABORATORY_DAYS, number),
        grams=rng.beta(0.35, 0.65, number),
        cisp2=rng.random(number) < a.CISP2_SHARE,
        hazard=effect - effect.mean(),
    )

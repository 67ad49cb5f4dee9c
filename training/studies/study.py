"""Studies: who, what, from what, by which models, judged how. Each is a declaration, made before looking."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pandas as pd

from features.catalogue import cardiovascular as catalogue
from features.catalogue.concepts import DEATH, EXAMINATION, LEFT, MAJOR_CV_EVENT, REGISTERED
from features.cohort import AfterEach, Cohort, OnDates
from features.feature_set import FeatureSet
from features.language import days, months
from features.outcome import Outcome
from training import statements
from training.card import AuthoredFields
from training.committee import Bilingual
from training.models import RiskModel, gradient_boosting, logistic_regression
from training.published.comparators import framingham_2008, score2
from training.splits import InternalExternal


@dataclass(frozen=True)
class Study:
    """A question, and everything that fixes how it is answered.

    Parameters
    ----------
    name, title
        Identifier, and what readers see.
    cohort, outcome
        Who is looked at and when; what is predicted.
    features
        What learned models read.
    required
        Conditions without which no score is given in use.
    models
        Makes every model compared, from a seed: published ones and learned ones.
    candidate
        The learned model a card is drawn up for, chosen beforehand.
    comparator
        The published model the others are compared with.
    sensitive, bands
        Groups the audit compares; where a number is one, the bounds it is cut at.
    thresholds
        Risks at which something would be done.
    tolerances
        By measure, the interval a group's value should lie in.
    splits
        How people are held out.
    clusters
        Column of the index whose values are resampled together.
    authored
        The part of the card that people write.
    setting
        Where the data come from.
    """

    name: str
    title: Bilingual
    cohort: Cohort
    outcome: Outcome
    features: FeatureSet
    required: FeatureSet
    models: Callable[[int], Sequence[RiskModel]]
    candidate: str
    comparator: str
    sensitive: FeatureSet
    bands: Mapping[str, tuple[float, ...]]
    thresholds: tuple[float, ...]
    tolerances: Mapping[str, tuple[float, float]]
    splits: InternalExternal
    clusters: str
    authored: AuthoredFields
    setting: Bilingual

    def to_dict(self) -> dict[str, Any]:
        """Return the definition as JSON types, for digests and MLflow."""
        return {
            "name": self.name,
            "cohort": self.cohort.to_dict(),
            "outcome": self.outcome.to_dict(),
            "features": self.features.to_dict(),
            "required": self.required.to_dict(),
            "candidate": self.candidate,
            "comparator": self.comparator,
            "sensitive": self.sensitive.to_dict(),
            "bands": {name: list(bounds) for name, bounds in self.bands.items()},
            "thresholds": list(self.thresholds),
            "tolerances": {name: list(bounds) for name, bounds in self.tolerances.items()},
            "splits": self.splits.describe(),
            "clusters": self.clusters,
        }

    def groups(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the audit's groups from the values of `sensitive`: text labels, missing where unknown."""
        return pd.DataFrame(
            {name: _labels(column, self.bands.get(str(name))) for name, column in frame.items()}, index=frame.index
        )


def _labels(column: pd.Series[Any], bounds: tuple[float, ...] | None) -> pd.Series[Any]:
    if bounds is not None:
        names = [f"{low:g}–{high - 1:g}" for low, high in itertools.pairwise(bounds)]
        return pd.cut(column, list(bounds), right=False, labels=names).astype(object)
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype(object)
    return column.map("{:g}".format, na_action="ignore").astype(object)


MAJOR_CV_EVENT_10Y: Final = Outcome(
    "major-cardiovascular-event-10y",
    "Infarctus, accident vasculaire cérébral ou décès cardiovasculaire dans les 10 ans",
    "Heart attack, stroke or cardiovascular death within 10 years",
    event=MAJOR_CV_EVENT,
    competing=DEATH,
    ends=(LEFT,),
    horizon=10.0,
    settling=months(6),
)

CARDIOVASCULAR: Final = Study(
    name="cardiovascular",
    title=Bilingual(fr="Risque cardiovasculaire à 10 ans", en="Ten-year cardiovascular risk"),
    cohort=Cohort(
        "adults-40-to-79",
        OnDates((datetime(2012, 1, 1), datetime(2014, 1, 1))),
        catalogue.ADULTS_40_TO_79,
        REGISTERED,
    ),
    outcome=MAJOR_CV_EVENT_10Y,
    features=catalogue.CARDIOVASCULAR,
    required=catalogue.REQUIRED_MEASUREMENTS,
    models=lambda seed: (score2(), logistic_regression(seed), gradient_boosting(catalogue.CARDIOVASCULAR, seed)),
    candidate="lightgbm",
    comparator="score2",
    sensitive=catalogue.SENSITIVE,
    bands={"age_band": (40, 50, 60, 70, 80)},
    thresholds=(0.05, 0.10),
    tolerances={"observed_expected": (0.8, 1.25), "calibration_slope": (0.8, 1.2)},
    splits=InternalExternal(by="practice", folds=5),
    clusters="practice",
    authored=statements.CARDIOVASCULAR,
    setting=Bilingual(
        fr="Population synthétique de cabinets français de médecine générale, 2009 à 2026, aux risques connus.",
        en="Synthetic population of French general practices, 2009 to 2026, whose hazards are known.",
    ),
)

FRAMINGHAM: Final = Study(
    name="cardiovascular-framingham",
    title=Bilingual(
        fr="Risque cardiovasculaire à 10 ans (cohorte de Framingham)",
        en="Ten-year cardiovascular risk (Framingham cohort)",
    ),
    cohort=Cohort("framingham-examinations", AfterEach(EXAMINATION, days(1)), catalogue.ADULTS_30_TO_79, REGISTERED),
    outcome=Outcome(
        "first-cardiovascular-event-10y",
        "Premier événement cardiovasculaire dans les 10 ans",
        "First cardiovascular event within 10 years",
        event=MAJOR_CV_EVENT,
        competing=DEATH,
        ends=(LEFT,),
        horizon=10.0,
        settling=days(0),
    ),
    features=catalogue.FRAMINGHAM,
    required=catalogue.REQUIRED_MEASUREMENTS,
    models=lambda seed: (
        score2(),
        framingham_2008(),
        logistic_regression(seed),
        gradient_boosting(catalogue.FRAMINGHAM, seed),
    ),
    candidate="logistic_regression",
    comparator="score2",
    sensitive=catalogue.SENSITIVE.only("sex", "age_band"),
    bands={"age_band": (30, 40, 50, 60, 70, 80)},
    thresholds=(0.05, 0.10, 0.20),
    tolerances={"observed_expected": (0.8, 1.25), "calibration_slope": (0.8, 1.2)},
    splits=InternalExternal(by="patient", folds=5),
    clusters="patient",
    authored=statements.FRAMINGHAM,
    setting=Bilingual(
        fr="Jeu d’enseignement de la cohorte de Framingham : trois examens de 1956 à 1968 environ (calendrier fictif), "
        "24 ans de suivi, événements et décès réels ; un seul centre.",
        en="Framingham cohort teaching set: three examinations over about 12 years (fictional calendar), 24 years of "
        "follow-up, real events and deaths; a single centre.",
    ),
)

STUDIES: Final[Mapping[str, Study]] = {study.name: study for study in (CARDIOVASCULAR, FRAMINGHAM)}

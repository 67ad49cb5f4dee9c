"""Cardiovascular risk in people without known disease: ten years, five years, and Framingham's real people."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Final

from features.catalogue import cardiovascular as catalogue
from features.catalogue.concepts import DEATH, EXAMINATION, LEFT, MAJOR_CV_EVENT, REGISTERED
from features.cohort import AfterEach, Cohort, OnDates
from features.language import days, months
from features.outcome import Outcome
from training import statements
from training.models import (
    Recalibrated,
    RiskModel,
    gradient_boosting,
    logistic_regression,
    stacked_gradient_boosting,
    stacked_logistic_regression,
)
from training.published.comparators import framingham_2008, pooled_cohort, prevent, qrisk3, score2
from training.scales import ESC_2021, RISK, Bands, Level
from training.splits import InternalExternal
from training.studies.setting import LEARNED_FROM, RURALITY, SYNTHETIC
from training.studies.study import Study
from training.validate import Robustness, Rule
from training.values import Bilingual

LEARNED: Final = ("logistic_regression", "lightgbm", "stacked_lightgbm", "lightgbm_full")


def _learned(seed: int) -> tuple[RiskModel, ...]:
    """Return what is learned: the standard models of the study's features, and one of the whole record."""
    return (
        logistic_regression(catalogue.CARDIOVASCULAR, seed),
        gradient_boosting(catalogue.CARDIOVASCULAR, seed),
        stacked_gradient_boosting(catalogue.CARDIOVASCULAR, seed),
        gradient_boosting(
            catalogue.CARDIOVASCULAR_FULL,
            seed,
            name="lightgbm_full",
            title=Bilingual(fr="LightGBM, tout le dossier", en="LightGBM, the whole record"),
        ),
    )


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
    read=catalogue.CARDIOVASCULAR_FULL,
    required=catalogue.REQUIRED_MEASUREMENTS,
    models=lambda seed: (
        score2(),
        Recalibrated(score2()),
        qrisk3(),
        prevent(),
        pooled_cohort(),
        *_learned(seed),
    ),
    candidate="lightgbm",
    comparator="score2",
    scale=ESC_2021,
    sensitive=catalogue.SENSITIVE,
    bands={"age_band": (40, 50, 60, 70, 80), "rurality": RURALITY},
    thresholds=(0.05, 0.10),
    tolerances={"observed_expected": (0.8, 1.25), "calibration_slope": (0.8, 1.2)},
    splits=InternalExternal(by="practice", folds=5),
    clusters="practice",
    authored=statements.CARDIOVASCULAR,
    setting=SYNTHETIC,
    also=(InternalExternal(by="region", folds=None), InternalExternal(by="period", folds=None)),
    rule=Rule(models=("score2", *LEARNED)),
    robustness=Robustness(("lightgbm",), refits=20, sizes=LEARNED_FROM),
)

CARDIOVASCULAR_5_YEARS: Final = dataclasses.replace(
    CARDIOVASCULAR,
    name="cardiovascular-5-years",
    title=Bilingual(fr="Risque cardiovasculaire à 5 ans", en="Five-year cardiovascular risk"),
    cohort=dataclasses.replace(
        CARDIOVASCULAR.cohort, landmarks=OnDates(tuple(datetime(year, 1, 1) for year in (2014, 2016, 2018, 2020)))
    ),
    outcome=dataclasses.replace(
        MAJOR_CV_EVENT_10Y,
        name="major-cardiovascular-event-5y",
        fr="Infarctus, accident vasculaire cérébral ou décès cardiovasculaire dans les 5 ans",
        en="Heart attack, stroke or cardiovascular death within 5 years",
        horizon=5.0,
    ),
    models=_learned,  # the published scores are for ten years only
    comparator="logistic_regression",
    scale=Bands(
        (0.025, 0.05),
        (
            Level("under_2.5_percent", Bilingual(fr="moins de 2,5 %", en="under 2.5%")),
            Level("2.5_to_5_percent", Bilingual(fr="de 2,5 à 5 %", en="2.5 to 5%")),
            Level("5_percent_or_more", Bilingual(fr="5 % et plus", en="5% or more")),
        ),
        RISK,
    ),
    thresholds=(0.025, 0.05),
    authored=statements.CARDIOVASCULAR_5_YEARS,
    rule=Rule(models=LEARNED),
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
    read=catalogue.FRAMINGHAM,
    required=catalogue.REQUIRED_MEASUREMENTS,
    models=lambda seed: (
        score2(),
        framingham_2008(),
        pooled_cohort(),
        logistic_regression(catalogue.FRAMINGHAM, seed),
        stacked_logistic_regression(catalogue.FRAMINGHAM, seed),
        gradient_boosting(catalogue.FRAMINGHAM, seed),
    ),
    candidate="logistic_regression",
    comparator="score2",
    scale=ESC_2021,
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
    rule=Rule(models=("score2", "framingham_2008", "logistic_regression", "lightgbm")),
    robustness=Robustness(("logistic_regression",), refits=20),
)

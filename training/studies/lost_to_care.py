"""Being lost to care: people with long-term needs who will go eighteen months without seeing a general practitioner."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from features.catalogue import cardiovascular, lost_to_care
from features.catalogue.circumstances import SEEN
from features.catalogue.concepts import DEATH, LEFT, REGISTERED
from features.cohort import Cohort, OnDates
from features.language import months
from features.outcome import Outcome, Silence
from training import statements
from training.models import (
    GroupIncidence,
    RiskModel,
    gradient_boosting,
    logistic_regression,
    stacked_logistic_regression,
)
from training.scales import Bands, Level
from training.splits import InternalExternal
from training.studies.setting import LEARNED_FROM, RURALITY, SYNTHETIC
from training.studies.study import Study
from training.validate import Robustness, Rule
from training.values import Bilingual

NO_CONTACT_18_MONTHS: Final = Outcome(
    "no-contact-18-months",
    "Dix-huit mois sans contact en médecine générale, commencés dans les six mois",
    "Eighteen months without contact in general practice, begun within six months",
    event=Silence(SEEN, months(18)),
    competing=DEATH,
    ends=(LEFT,),
    horizon=2.0,
    settling=months(6),
)


def _models(seed: int) -> tuple[RiskModel, ...]:
    features = lost_to_care.LOST_TO_CARE
    return (
        GroupIncidence(
            {"consultations": (1, 2, 4, 7)},
            name="last_year_contacts",
            title=Bilingual(fr="Règle : consultations de l’année écoulée", en="Rule: consultations of the last year"),
        ),
        logistic_regression(features, seed),
        gradient_boosting(features, seed),
        stacked_logistic_regression(features, seed),
    )


LOST_TO_CARE: Final = Study(
    name="lost-to-care",
    title=Bilingual(fr="Rupture de suivi en médecine générale", en="Being lost to care in general practice"),
    cohort=Cohort(
        "adults-with-long-term-needs",
        OnDates(tuple(datetime(year, 1, 1) for year in (2017, 2019, 2021, 2023))),
        lost_to_care.ADULTS_WITH_LONG_TERM_NEEDS,
        REGISTERED,
    ),
    outcome=NO_CONTACT_18_MONTHS,
    features=lost_to_care.LOST_TO_CARE,
    read=lost_to_care.LOST_TO_CARE,
    required=lost_to_care.REQUIRED,
    models=_models,
    candidate="logistic_regression",
    comparator="last_year_contacts",
    scale=Bands(
        (0.05, 0.15),
        (
            Level("unlikely", Bilingual(fr="rupture improbable", en="unlikely to be lost")),
            Level("possible", Bilingual(fr="rupture possible", en="may be lost")),
            Level("likely", Bilingual(fr="rupture à craindre", en="at risk of being lost")),
        ),
    ),
    sensitive=cardiovascular.SENSITIVE,
    bands={"age_band": (18, 40, 60, 75, 120), "rurality": RURALITY},
    thresholds=(0.05, 0.15),
    tolerances={"observed_expected": (0.8, 1.25), "calibration_slope": (0.8, 1.2)},
    splits=InternalExternal(by="practice", folds=5),
    clusters="practice",
    authored=statements.LOST_TO_CARE,
    setting=SYNTHETIC,
    also=(InternalExternal(by="region", folds=None), InternalExternal(by="period", folds=None)),
    rule=Rule(models=("last_year_contacts", "logistic_regression", "lightgbm", "stacked_logistic_regression")),
    robustness=Robustness(("logistic_regression",), refits=20, sizes=LEARNED_FROM),
)

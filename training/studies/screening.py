"""Taking part in the three cancer screening programmes: who, among those for whom a test is due, will have one.

The probability is that of taking part within two years, by any recorded route, so that a practice can spend its
reminders on those who will not come by themselves. Losing eligibility, by death or by a diagnosis, competes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from features.catalogue import cardiovascular, screening
from features.catalogue.concepts import LEFT, REGISTERED
from features.codes import Concept
from features.cohort import Cohort, OnDates
from features.feature_set import FeatureSet
from features.language import months
from features.outcome import Outcome
from training import statements
from training.card import AuthoredFields
from training.models import (
    GroupIncidence,
    RiskModel,
    gradient_boosting,
    logistic_regression,
    stacked_gradient_boosting,
)
from training.scales import Bands, Level
from training.splits import InternalExternal
from training.studies.setting import LEARNED_FROM, RURALITY, SYNTHETIC
from training.studies.study import Study
from training.validate import Robustness, Rule
from training.values import Bilingual

HORIZON: Final = 2.0
LANDMARKS: Final = OnDates((datetime(2021, 1, 1), datetime(2023, 1, 1)))
LEARNED: Final = ("logistic_regression", "lightgbm", "stacked_lightgbm")

PROPENSITY: Final = Bands(
    (0.2, 0.5),
    (
        Level("unlikely", Bilingual(fr="participation improbable", en="unlikely to take part")),
        Level("uncertain", Bilingual(fr="participation incertaine", en="may or may not take part")),
        Level("likely", Bilingual(fr="participation probable", en="likely to take part")),
    ),
)


def _study(
    programme: str,
    fr: str,
    en: str,
    *,
    interval: float,
    features: FeatureSet,
    eligible: FeatureSet,
    required: FeatureSet,
    participation: Concept,
    lost: Concept,
    ages: tuple[float, ...],
    sensitive: tuple[str, ...],
    authored: AuthoredFields,
) -> Study:
    """Return the study of a programme whose tests are ``interval`` years apart."""

    def models(seed: int) -> tuple[RiskModel, ...]:
        return (
            GroupIncidence(
                {"rounds_attended": (1, 2, 3)},
                name="last_participations",
                title=Bilingual(
                    fr="Règle : participations aux trois derniers tours", en="Rule: rounds attended of the last three"
                ),
            ),
            GroupIncidence(
                {"years_since_participation": (interval, interval + 0.5, interval + 1, 2 * interval, 3 * interval)},
                name="due_date",
                title=Bilingual(fr="Règle : retard sur l’échéance", en="Rule: time overdue"),
            ),
            logistic_regression(features, seed),
            gradient_boosting(features, seed),
            stacked_gradient_boosting(features, seed),
        )

    return Study(
        name=f"screening-{programme}",
        title=Bilingual(fr=f"Participation au dépistage {fr}", en=f"Taking part in {en} screening"),
        cohort=Cohort(f"due-for-{programme}-screening", LANDMARKS, eligible, REGISTERED),
        outcome=Outcome(
            f"{programme}-screening-2y",
            f"Test de dépistage {fr} dans les 2 ans, par toute voie",
            f"A test of {en} screening within 2 years, by any route",
            event=participation,
            competing=lost,
            ends=(LEFT,),
            horizon=HORIZON,
            settling=months(6),
        ),
        features=features,
        read=features,
        required=required,
        models=models,
        candidate="lightgbm",
        comparator="last_participations",
        scale=PROPENSITY,
        sensitive=cardiovascular.SENSITIVE.only(*sensitive),
        bands={"age_band": ages, "rurality": RURALITY},
        thresholds=PROPENSITY.bounds,
        tolerances={"observed_expected": (0.8, 1.25), "calibration_slope": (0.8, 1.2)},
        splits=InternalExternal(by="practice", folds=5),
        clusters="practice",
        authored=authored,
        setting=SYNTHETIC,
        decision_range=tuple(percent / 100 for percent in range(5, 81)),
        also=(InternalExternal(by="region", folds=None), InternalExternal(by="period", folds=None)),
        rule=Rule(models=("last_participations", "due_date", *LEARNED)),
        robustness=Robustness(("lightgbm",), refits=20, sizes=LEARNED_FROM),
    )


_PLACE: Final = ("deprivation", "region", "rurality", "solidarity_cover", "long_term_illness", "vendor")

SCREENING_BREAST: Final = _study(
    "breast",
    "du cancer du sein",
    "breast cancer",
    interval=2,
    features=screening.BREAST_SCREENING,
    eligible=screening.ELIGIBLE_BREAST,
    required=screening.REQUIRED_BREAST,
    participation=screening.BREAST_PARTICIPATION,
    lost=screening.BREAST_ELIGIBILITY_LOST,
    ages=(50, 60, 70, 75),
    sensitive=("age_band", *_PLACE),
    authored=statements.SCREENING_BREAST,
)

SCREENING_COLORECTAL: Final = _study(
    "colorectal",
    "du cancer colorectal",
    "colorectal cancer",
    interval=2,
    features=screening.COLORECTAL_SCREENING,
    eligible=screening.ELIGIBLE_COLORECTAL,
    required=screening.REQUIRED_COLORECTAL,
    participation=screening.COLORECTAL_PARTICIPATION,
    lost=screening.COLORECTAL_ELIGIBILITY_LOST,
    ages=(50, 60, 70, 75),
    sensitive=("sex", "age_band", *_PLACE),
    authored=statements.SCREENING_COLORECTAL,
)

SCREENING_CERVICAL: Final = _study(
    "cervical",
    "du cancer du col de l’utérus",
    "cervical cancer",
    interval=3,
    features=screening.CERVICAL_SCREENING,
    eligible=screening.ELIGIBLE_CERVICAL,
    required=screening.REQUIRED_CERVICAL,
    participation=screening.CERVICAL_PARTICIPATION,
    lost=screening.CERVICAL_ELIGIBILITY_LOST,
    ages=(25, 30, 45, 66),
    sensitive=("age_band", *_PLACE),
    authored=statements.SCREENING_CERVICAL,
)

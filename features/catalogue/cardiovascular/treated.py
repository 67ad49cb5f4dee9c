"""How intensively people are treated, and how steadily."""

from __future__ import annotations

from typing import Final

from features.catalogue.circumstances import how_many
from features.catalogue.concepts import (
    ACE_INHIBITOR,
    ANGIOTENSIN_BLOCKER,
    ANTIHYPERTENSIVE,
    BETA_BLOCKER,
    CALCIUM_BLOCKER,
    DIURETIC,
    HIGH_INTENSITY_STATIN,
    LOW_INTENSITY_STATIN,
    MODERATE_INTENSITY_STATIN,
    OTHER_LIPID_LOWERING,
    STATIN,
)
from features.codes import Concept
from features.language import Duration, Expression, days, exists, first, share_covered, when, years, years_covered

#: What one record of a treatment covers: French prescriptions of lasting treatments are mostly for three months.
PRESCRIPTION: Final = days(90)


def persistence(drug: Concept, within: Duration) -> Expression:
    """Return which share of a time, since the treatment began, was covered; missing where it never began."""
    return share_covered(drug, within=within, lasting=PRESCRIPTION, since=first(drug))


def _statin_intensity() -> Expression:
    """Return 1 to 3 for the strongest statin of the year, missing where no record says its dose."""
    high, moderate, low = (
        exists(concept, within=years(1))
        for concept in (HIGH_INTENSITY_STATIN, MODERATE_INTENSITY_STATIN, LOW_INTENSITY_STATIN)
    )
    return when(high).then(3).otherwise(when(moderate).then(2).otherwise(1)).where(high | moderate | low)


TREATMENT: Final = {
    "antihypertensive_classes": how_many(
        *(
            exists(concept, within=years(1))
            for concept in (ACE_INHIBITOR, ANGIOTENSIN_BLOCKER, BETA_BLOCKER, CALCIUM_BLOCKER, DIURETIC)
        )
    ).described("Classes d’antihypertenseurs dans l’année", "Classes of antihypertensives in the last year"),
    "antihypertensive_persistence": persistence(ANTIHYPERTENSIVE, within=years(1)).described(
        "Part de l’année couverte par le traitement antihypertenseur",
        "Share of the last year covered by antihypertensive treatment",
    ),
    "statin_persistence": persistence(STATIN, within=years(1)).described(
        "Part de l’année couverte par la statine", "Share of the last year covered by the statin"
    ),
    "statin_years": years_covered(STATIN, lasting=PRESCRIPTION).described(
        "Durée totale de traitement par statine", "Total time on a statin"
    ),
    "statin_intensity": _statin_intensity().described(
        "Intensité de la statine (1\u00a0: faible, 3\u00a0: forte)", "Intensity of the statin (1 is low, 3 high)"
    ),
    "other_lipid_lowering": exists(OTHER_LIPID_LOWERING, within=years(1)).described(
        "Autre traitement hypolipémiant", "Other lipid-lowering treatment"
    ),
}

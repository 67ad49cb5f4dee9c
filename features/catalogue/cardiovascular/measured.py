"""What is measured over the years: levels, how they vary and where they are going."""

from __future__ import annotations

from typing import Final

from features.catalogue.cardiovascular.published import CHOLESTEROL, HDL_CHOLESTEROL, SYSTOLIC
from features.catalogue.concepts import (
    BODY_WEIGHT,
    DIASTOLIC_BP,
    EGFR,
    HDL,
    LDL,
    STATIN,
    SYSTOLIC_BP,
    TOTAL_CHOLESTEROL,
    TRIGLYCERIDES,
    URINE_ALBUMIN_CREATININE,
)
from features.codes import Concept
from features.language import VALUE, Duration, Expression, count, first, latest, mean, slope, years


def yearly_change(concept: Concept, within: Duration | None = None) -> Expression:
    """Return the slope of a measurement, where values span half a year: two readings of one visit have no trend."""
    span = first(concept, within).years_ago() - latest(concept, within).years_ago()
    return slope(concept, within).where(span >= 0.5)


def on_statin(concept: Concept) -> tuple[Expression, Expression]:
    """Return the latest value since the first statin, of the last two years, and the last one before it."""
    began = first(STATIN)
    return latest(concept, within=years(2), since=began), latest(concept, before=began)


_ldl_on, _ldl_before = on_statin(LDL)
_total_on, _total_before = on_statin(TOTAL_CHOLESTEROL)
_hdl_on, _hdl_before = on_statin(HDL)

PRESSURE: Final = {
    "systolic_age": SYSTOLIC.years_ago().described(
        "Ancienneté de la pression artérielle", "Time since the blood pressure was taken"
    ),
    "systolic_mean": mean(SYSTOLIC_BP, within=years(5)).described(
        "Pression systolique moyenne sur 5 ans", "Mean systolic pressure over 5 years", +1
    ),
    "systolic_slope": yearly_change(SYSTOLIC_BP, within=years(5)).described(
        "Évolution annuelle de la pression systolique", "Yearly change in systolic pressure"
    ),
    "systolic_high": count(SYSTOLIC_BP, within=years(2), where=VALUE >= 140).described(
        "Mesures de pression systolique à 140\u00a0mmHg ou plus en 2 ans",
        "Systolic readings of 140 mmHg or more in 2 years",
    ),
    "diastolic": latest(DIASTOLIC_BP, within=years(2)).described(
        "Pression artérielle diastolique", "Diastolic blood pressure"
    ),
}

LIPIDS: Final = {
    "non_hdl": (CHOLESTEROL - HDL_CHOLESTEROL).described("Cholestérol non-HDL", "Non-HDL cholesterol", +1),
    "ldl": latest(LDL, within=years(5)).described("Cholestérol LDL", "LDL cholesterol", +1),
    "triglycerides": latest(TRIGLYCERIDES, within=years(5)).described("Triglycérides", "Triglycerides"),
    "ldl_change_on_statin": (_ldl_on - _ldl_before).described(
        "Évolution du cholestérol LDL depuis le début de la statine", "Change in LDL cholesterol since statin began"
    ),
    "non_hdl_change_on_statin": ((_total_on - _hdl_on) - (_total_before - _hdl_before)).described(
        "Évolution du cholestérol non-HDL depuis le début de la statine",
        "Change in non-HDL cholesterol since statin began",
    ),
}

KIDNEYS_AND_BODY: Final = {
    "egfr": latest(EGFR, within=years(3)).described(
        "Débit de filtration glomérulaire estimé", "Estimated glomerular filtration rate"
    ),
    "egfr_slope": yearly_change(EGFR, within=years(5)).described(
        "Évolution annuelle du débit de filtration glomérulaire", "Yearly change in glomerular filtration rate"
    ),
    "albuminuria": latest(URINE_ALBUMIN_CREATININE, within=years(2)).described(
        "Rapport albuminurie sur créatininurie", "Urine albumin-to-creatinine ratio", +1
    ),
    "weight_change": (
        latest(BODY_WEIGHT, within=years(1)) - latest(BODY_WEIGHT, within=years(3), until=years(1))
    ).described("Évolution du poids depuis 1 à 3 ans", "Change in weight since 1 to 3 years ago"),
}

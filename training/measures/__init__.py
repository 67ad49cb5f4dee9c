"""Measures of a predicted risk against what happened, each with its interval, number of people and events.

A measure is one decorated function of ``(risk, outcome, weights)``, in `training.measures.definitions`::

    @measure("brier", "Score de Brier", "Brier score", better="lower")
    def brier(risk, outcome, weights):
        return (outcome.event @ (1 - risk) ** 2 + outcome.event_free @ risk**2) / weights.sum()

and with ``at_threshold=True`` a function of ``(risk, outcome, weights, threshold)``. That is all: it is then
in every report, audit and card. ``weights`` are frequencies; ``outcome`` has already dealt with censoring and
competing death, so a measure is written as if everybody had been followed to the horizon. A measure that has
no value returns NaN.
"""

from training.measures.calibration import CalibrationSpline, calibration_distances, logistic, logit, quantiles
from training.measures.definitions import (
    auc,
    brier,
    calibration_intercept,
    calibration_slope,
    e50,
    e90,
    flagged,
    ici,
    interventions_avoided,
    ipa,
    net_benefit,
    net_benefit_all,
    observed,
    observed_expected,
    ppv,
    predicted,
    sensitivity,
    specificity,
    uno_c,
)
from training.measures.estimates import Estimate, assemble, check, difference, estimate, smallest_cell
from training.measures.outcome import OutcomeAtHorizon
from training.measures.registry import MEASURES, Better, Measure, measure
from training.measures.resampling import (
    CONFIDENCE,
    FAILED_REPLICATES,
    Column,
    Resampling,
    columns_of,
    interval,
    point_value,
    reach,
    replicate,
    replicate_vector,
)

__all__ = [
    "CONFIDENCE",
    "FAILED_REPLICATES",
    "MEASURES",
    "Better",
    "CalibrationSpline",
    "Column",
    "Estimate",
    "Measure",
    "OutcomeAtHorizon",
    "Resampling",
    "assemble",
    "auc",
    "brier",
    "calibration_distances",
    "calibration_intercept",
    "calibration_slope",
    "check",
    "columns_of",
    "difference",
    "e50",
    "e90",
    "estimate",
    "flagged",
    "ici",
    "interval",
    "interventions_avoided",
    "ipa",
    "logistic",
    "logit",
    "measure",
    "net_benefit",
    "net_benefit_all",
    "observed",
    "observed_expected",
    "point_value",
    "ppv",
    "predicted",
    "quantiles",
    "reach",
    "replicate",
    "replicate_vector",
    "sensitivity",
    "smallest_cell",
    "specificity",
    "uno_c",
]

"""The measures: one decorated function each, reported in this order."""

from __future__ import annotations

import numpy as np

from training.measures.calibration import calibration_distances, logistic, logit
from training.measures.concordance import concordance
from training.measures.outcome import OutcomeAtHorizon, dot, total
from training.measures.registry import measure
from training.survival import Floats


@measure("auc", "Discrimination (AUC à l’horizon)", "Discrimination (AUC at the horizon)", target=1.0, at_once=True)
def auc(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
    """Return the probability that a case was given a higher risk than a control; a tie counts half.

    Cases had the event by the horizon, controls are all others, deaths from another cause included:
    definition 2 of Blanche, Dartigues and Jacqmin-Gadda (2013, doi:10.1002/sim.5958). O(n log n), and O(n)
    when rows are sorted.
    """
    cases, controls = outcome.event, outcome.event_free
    if not (risk[1:] > risk[:-1]).all():
        order = np.argsort(risk, kind="stable")
        starts = np.flatnonzero(np.diff(risk[order], prepend=-np.inf))
        cases, controls = (np.add.reduceat(group[..., order], starts, axis=-1) for group in (cases, controls))
    below = np.cumsum(controls, axis=-1) - controls / 2
    return dot(cases, below) / (total(cases) * total(controls))


@measure(
    "uno_c",
    "Discrimination (C d’Uno jusqu’à l’horizon)",
    "Discrimination (Uno’s C up to the horizon)",
    target=1.0,
    needs_times=True,
    at_once=True,
)
def uno_c(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
    """Return the probability that, of two people, the one who has the event first was given the higher risk.

    Censoring is weighted, and whoever had a competing event never has the event: see `concordance`. The AUC at the
    horizon asks who has the event by then; this one also asks in which order.
    """
    if (risk[1:] >= risk[:-1]).all():
        return concordance(risk, outcome.followup, weights)
    order = np.argsort(risk, kind="stable")
    return concordance(risk[order], outcome.followup[order], weights[..., order])


@measure("observed", "Risque observé", "Observed risk", better=None, at_once=True, percent=True, brief=False)
def observed(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
    """Return the Aalen–Johansen risk at the horizon, which is the weighted mean of known events.

    The identity is that of Satten and Datta (2001, doi:10.1198/000313001317098185).
    """
    return total(outcome.event) / total(weights)


@measure(
    "predicted",
    "Risque moyen prédit",
    "Mean predicted risk",
    better=None,
    needs_outcome=False,
    at_once=True,
    percent=True,
    brief=False,
)
def predicted(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
    """Return the mean predicted risk of everybody, the censored included."""
    return dot(weights, risk) / total(weights)


@measure(
    "observed_expected",
    "Rapport observé / prédit",
    "Observed / expected ratio",
    better="target",
    target=1.0,
    at_once=True,
    decimals=2,
)
def observed_expected(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
    """Return the Aalen–Johansen risk over the mean predicted risk.

    Van Geloven et al. (2022, doi:10.1136/bmj-2021-069249).
    """
    return observed(risk, outcome, weights) / predicted(risk, outcome, weights)


@measure(
    "calibration_intercept",
    "Calibration : ordonnée à l’origine",
    "Calibration intercept",
    better="target",
    target=0.0,
    at_once=True,
    decimals=2,
    brief=False,
)
def calibration_intercept(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
    """Return the intercept of a weighted logistic regression with logit(risk) as offset.

    0 is calibrated on average, above 0 is risk predicted too low. Van Calster et al. (2016,
    doi:10.1016/j.jclinepi.2015.12.005), each row weighted by the inverse probability of censoring.
    """
    offset = logit(risk)
    return logistic(np.ones((1, len(risk))), offset, outcome)[..., 0]


@measure(
    "calibration_slope",
    "Pente de calibration",
    "Calibration slope",
    better="target",
    target=1.0,
    at_once=True,
    decimals=2,
)
def calibration_slope(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
    """Return the slope of a weighted logistic regression on logit(risk).

    Below 1, predictions are too extreme (overfitting). Same source as `calibration_intercept`.
    """
    score = logit(risk)
    return 1.0 + logistic(np.stack([np.ones(len(risk)), score]), score, outcome)[..., 1]


@measure(
    "ici",
    "Écart moyen de calibration (ICI)",
    "Integrated calibration index (ICI)",
    better="lower",
    target=0.0,
    at_once=True,
    percent=True,
)
def ici(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
    """Return the mean distance between predicted risk and the smooth curve of observed risk.

    Austin and Steyerberg (2019, doi:10.1002/sim.8281), on the curve of `CalibrationSpline`. Never below 0, so
    chance alone makes it positive, and more so in replicates: its interval leans upwards, and with few events it is
    to be read next to the curve.
    """
    return calibration_distances(risk, outcome, weights)[..., 0]


@measure(
    "e50",
    "Écart médian de calibration (E50)",
    "Median calibration error (E50)",
    better="lower",
    target=0.0,
    at_once=True,
    percent=True,
    brief=False,
)
def e50(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
    """Return the median of the distances that `ici` averages."""
    return calibration_distances(risk, outcome, weights)[..., 1]


@measure(
    "e90",
    "90e centile de l’écart de calibration (E90)",
    "90th percentile of calibration error (E90)",
    better="lower",
    target=0.0,
    at_once=True,
    percent=True,
    brief=False,
)
def e90(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
    """Return the 90th percentile of the distances that `ici` averages."""
    return calibration_distances(risk, outcome, weights)[..., 2]


@measure("brier", "Score de Brier", "Brier score", better="lower", target=0.0, at_once=True, brief=False)
def brier(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
    """Return the mean squared error at the horizon.

    Gerds and Schumacher (2006, doi:10.1002/bimj.200610301).
    """
    squares = dot(outcome.event, (1 - risk) ** 2) + dot(outcome.event_free, risk**2)
    return squares / total(weights)


@measure("ipa", "Indice d’exactitude (IPA)", "Index of prediction accuracy (IPA)", target=1.0, at_once=True)
def ipa(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats) -> Floats:
    """Return 1 − Brier / Brier of giving everybody the Aalen–Johansen risk.

    Kattan and Gerds (2018, doi:10.1186/s41512-018-0029-2).
    """
    average, remainder = (total(group) / total(weights) for group in (outcome.event, outcome.event_free))
    return 1.0 - brier(risk, outcome, weights) / (average * remainder)


@measure("net_benefit", "Bénéfice net", "Net benefit", at_threshold=True, at_once=True)
def net_benefit(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats, threshold: float) -> Floats:
    """Return true positives − false positives × odds of the threshold, per person.

    Vickers and Elkin (2006, doi:10.1177/0272989X06295361); with censoring and competing death as in Vickers
    et al. (2008, doi:10.1186/1472-6947-8-53). Somebody whose risk equals the threshold is flagged.
    """
    flag = risk >= threshold
    harm = threshold / (1 - threshold)
    return (dot(outcome.event, flag) - harm * dot(outcome.event_free, flag)) / total(weights)


@measure(
    "net_benefit_all",
    "Bénéfice net si tous traités",
    "Net benefit of treating all",
    at_threshold=True,
    at_once=True,
    brief=False,
)
def net_benefit_all(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats, threshold: float) -> Floats:
    """Return the net benefit of flagging everybody: observed − (1 − observed) × odds of the threshold."""
    return net_benefit(np.ones_like(risk), outcome, weights, threshold)


@measure(
    "interventions_avoided",
    "Interventions évitées pour 100",
    "Interventions avoided per 100",
    at_threshold=True,
    at_once=True,
    decimals=1,
)
def interventions_avoided(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats, threshold: float) -> Floats:
    """Return how many fewer people in 100 are treated than if all were, for the same number of events missed or not.

    The net benefit over treating all, counted in false positives: Vickers et al. (2008, doi:10.1186/1472-6947-8-53).
    """
    gain = net_benefit(risk, outcome, weights, threshold) - net_benefit_all(risk, outcome, weights, threshold)
    return 100 * gain * (1 - threshold) / threshold


@measure(
    "flagged",
    "Part des personnes signalées",
    "Proportion flagged",
    better=None,
    at_threshold=True,
    needs_outcome=False,
    at_once=True,
    percent=True,
)
def flagged(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats, threshold: float) -> Floats:
    """Return the proportion of people at or above the threshold."""
    return dot(weights, risk >= threshold) / total(weights)


@measure("sensitivity", "Sensibilité", "Sensitivity", target=1.0, at_threshold=True, at_once=True, percent=True)
def sensitivity(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats, threshold: float) -> Floats:
    """Return the proportion flagged among those who have the event by the horizon."""
    return dot(outcome.event, risk >= threshold) / total(outcome.event)


@measure("specificity", "Spécificité", "Specificity", target=1.0, at_threshold=True, at_once=True, percent=True)
def specificity(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats, threshold: float) -> Floats:
    """Return the proportion not flagged among those who do not have the event by the horizon."""
    return dot(outcome.event_free, risk < threshold) / total(outcome.event_free)


@measure(
    "ppv",
    "Valeur prédictive positive",
    "Positive predictive value",
    target=1.0,
    at_threshold=True,
    at_once=True,
    percent=True,
)
def ppv(risk: Floats, outcome: OutcomeAtHorizon, weights: Floats, threshold: float) -> Floats:
    """Return the risk observed among the flagged; NaN when nobody is."""
    true, false = (dot(group, risk >= threshold) for group in (outcome.event, outcome.event_free))
    return true / (true + false)

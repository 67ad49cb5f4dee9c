"""How much a measure varies from fold to fold, and what to expect in a new one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import special, stats

from training.measures import CONFIDENCE, Estimate, reach
from training.survival import Floats

ACROSS_FOLDS: Final = ("auc", "observed_expected", "calibration_slope")


@dataclass(frozen=True)
class Heterogeneity:
    """How much a measure varies from fold to fold, and what to expect in a new one.

    Parameters
    ----------
    measure
        Name of the measure.
    folds
        Folds that had a value and an interval.
    pooled, low, high
        Random-effects mean and its 95 % interval.
    tau
        Standard deviation between folds, of the logit (AUC), of the logarithm (observed / expected) or of the measure
        itself (calibration slope).
    expected_low, expected_high
        95 % prediction interval of a new fold's true value.
    """

    measure: str
    folds: int
    pooled: float = math.nan
    low: float = math.nan
    high: float = math.nan
    tau: float = math.nan
    expected_low: float = math.nan
    expected_high: float = math.nan


def _itself(value: Floats) -> Floats:
    return value


SCALES: Final[dict[str, tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]]] = {
    "auc": (special.logit, special.expit),
    "observed_expected": (np.log, np.exp),
    "calibration_slope": (_itself, _itself),
}


def across_folds(estimates: Sequence[Estimate], clusters: Sequence[int] = ()) -> Heterogeneity:
    """Pool one measure over folds by random effects, and say what to expect in a new fold.

    Parameters
    ----------
    estimates
        The measure in each fold: ``auc``, pooled as a logit, ``observed_expected``, pooled as a logarithm, or
        ``calibration_slope``, as it is.
    clusters
        Practices each fold's interval was drawn from; many, if not given.

    Returns
    -------
    Heterogeneity
        NaN throughout with fewer than three usable folds.

    Notes
    -----
    DerSimonian and Laird (1986, doi:10.1016/0197-2456(86)90046-2) for tau; the interval of the mean by
    Hartung, Knapp, Sidik and Jonkman (IntHout et al. 2014, doi:10.1186/1471-2288-14-25), never narrower than
    without; the prediction interval on ``folds - 2`` degrees of freedom (Debray et al. 2017,
    doi:10.1136/bmj.i6460, also for the scales). A fold's standard error is that from which its bootstrap interval
    reaches as far as it does; folds share training rows, so they are not quite independent.
    """
    name = estimates[0].measure
    forward, back = SCALES[name]
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = forward(np.array([[each.value, each.low, each.high] for each in estimates]))
    tail = (1 + CONFIDENCE) / 2
    normal = float(stats.norm.ppf(tail))
    reaches = np.array([reach(each) if each > 1 else math.nan for each in clusters] or [normal] * len(estimates))
    usable = np.isfinite(scaled).all(axis=1) & (scaled[:, 2] > scaled[:, 1]) & np.isfinite(reaches)
    scaled, reaches, many = scaled[usable], reaches[usable], int(usable.sum())
    if many < 3:
        return Heterogeneity(name, many)
    value, variance = scaled[:, 0], ((scaled[:, 2] - scaled[:, 1]) / (2 * reaches)) ** 2
    weight = 1 / variance
    spread = weight @ (value - np.average(value, weights=weight)) ** 2 - (many - 1)
    tau2 = max(0.0, spread / (weight.sum() - (weight**2).sum() / weight.sum()))
    weight = 1 / (variance + tau2)
    mean = np.average(value, weights=weight)
    error2 = max(1.0, weight @ (value - mean) ** 2 / (many - 1)) / weight.sum()
    half = stats.t.ppf(tail, many - 1) * math.sqrt(error2)
    wide = stats.t.ppf(tail, many - 2) * math.sqrt(tau2 + error2)
    pooled, low, high, expected_low, expected_high = map(float, back(mean + np.array([0, -half, half, -wide, wide])))
    return Heterogeneity(name, many, pooled, low, high, math.sqrt(tau2), expected_low, expected_high)

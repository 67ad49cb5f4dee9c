"""Which models a cohort is given to, and why the others are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd
from sklearn.base import clone

from features.catalogue.cardiovascular import CARDIOVASCULAR_FULL
from training.models import (
    CensoringWeighted,
    CompetingCox,
    Recalibrated,
    RiskModel,
    StackedHazard,
    gradient_boosting,
    logistic_regression,
    stacked_gradient_boosting,
    stacked_logistic_regression,
)
from training.published.comparators import (
    PublishedModel,
    framingham_2008,
    pooled_cohort,
    prevent,
    qrisk3,
    score2,
    score2_diabetes,
)
from training.splits import InternalExternal
from training.values import Bilingual

BY_PATIENT: Final = InternalExternal(by="patient", folds=5)


@dataclass(frozen=True)
class NotGiven:
    """A published score that a cohort is not given to, and why."""

    title: Bilingual
    reason: dict[str, str]


def published() -> Sequence[PublishedModel]:
    """Return the published scores, for low-risk Europe or as their authors' country has them."""
    return score2(), score2_diabetes(), qrisk3(systolic_sd=9.0), prevent(), pooled_cohort(), framingham_2008()


def learned(columns: Sequence[str], seed: int) -> Sequence[RiskModel]:
    """Return the standard learned models with their standard settings.

    Of these columns no direction is declared: trees are those that `gradient_boosting` makes of the competing event,
    which are constrained to none.
    """
    trees = gradient_boosting(CARDIOVASCULAR_FULL, seed)
    by_interval = stacked_gradient_boosting(CARDIOVASCULAR_FULL, seed)
    apart = [list(range(len(columns))), [len(columns)]]  # time, which comes last, from all else
    return (
        logistic_regression(seed=seed),
        CensoringWeighted(clone(trees.competing), name=trees.name, title=trees.title),
        stacked_logistic_regression(seed=seed),
        StackedHazard(
            clone(by_interval.competing).set_params(interaction_constraints=apart),
            name=by_interval.name,
            title=by_interval.title,
            seed=seed,
        ),
        CompetingCox(),
    )


def candidates(
    X: pd.DataFrame, horizon: float, seed: int, *, cardiovascular: bool, diseased: bool
) -> tuple[list[RiskModel], list[NotGiven]]:
    """Return the models a cohort is given to, and the published scores it is not given to.

    Parameters
    ----------
    X, horizon
        Features and years of the cohort.
    seed
        Of the learned models.
    cardiovascular
        Whether its event is what the scores predict; where it is not, no score is even mentioned.
    diseased
        Whether its people have cardiovascular disease already.

    Returns
    -------
    list of RiskModel
        Published scores, each followed by itself recalibrated, then the learned ones.
    list of NotGiven
    """
    given: list[RiskModel] = []
    refused = []
    for score in published() if cardiovascular else ():
        reason = _why_not(score, X, horizon, diseased)
        if reason is None:
            given += [score, Recalibrated(score, split=BY_PATIENT)]
        else:
            refused.append(NotGiven(score.title, reason.model_dump()))
    return [*given, *learned(list(X.columns), seed)], refused


def _why_not(score: PublishedModel, X: pd.DataFrame, horizon: float, diseased: bool) -> Bilingual | None:
    """Return why a score is not to be computed for anybody there, None when it is."""
    if diseased:
        return Bilingual(
            fr="ses auteurs excluent les personnes ayant déjà une maladie cardiovasculaire",
            en="its authors leave out people who have cardiovascular disease already",
        )
    if horizon != score.horizon:
        return Bilingual(
            fr=f"il est publié pour {score.horizon:g} ans, ces personnes sont jugées à {horizon:g}",
            en=f"it is published for {score.horizon:g} years, these people are judged at {horizon:g}",
        )
    if absent := [CARDIOVASCULAR_FULL[name] for name in score.features if name not in X.columns]:
        return Bilingual(
            fr="la cohorte n’a pas : " + ", ".join(_small(feature.fr) for feature in absent),
            en="the cohort lacks: " + ", ".join(_small(feature.en) for feature in absent),
        )
    return None


def _small(label: str) -> str:
    """Return a label for the middle of a sentence."""
    return label if label[:2].isupper() else label[:1].lower() + label[1:]

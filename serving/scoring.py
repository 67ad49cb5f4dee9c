"""From a history to a risk or an abstention. One patient and many go through the same function, `answers`.

Both doors build the same frames, one by the patient-wise evaluator and one by the columnar evaluator, which give equal
values. Predictions may still differ in the last bit between one row and many, because a linear-algebra library adds in
another order; risks and contributions are therefore rounded to six decimals here, far below any clinical meaning, and
everything that depends on them (category, order of the reasons) is derived from the rounded numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features import columnar
from features.feature_set import Feature, FeatureSet
from features.language import YEAR
from features.records import History, Shard, to_microseconds
from features.typography import COLON
from serving.comparison import category, compare
from serving.contract import (
    Abstention,
    CardIdentity,
    Direction,
    Input,
    Missing,
    ModelIdentity,
    Reason,
    Risk,
    Unmet,
)
from serving.gate import Admitted
from training.reasons import sentence
from training.values import Bilingual

DECIMALS: Final = 6
REASONS: Final = 5
Row = Mapping[str, float | None]
Floats = npt.NDArray[np.float64]

NOTICE: Final = Bilingual(
    fr="Usage de recherche, pas un dispositif médical. Cette estimation ne remplace pas le jugement du médecin.",
    en="Research use, not a medical device. This estimate does not replace clinical judgement.",
)
DEMONSTRATION_NOTICE: Final = Bilingual(
    fr=f"DÉMONSTRATION{COLON['fr']} approuvé par une clé de démonstration, par aucun comité. "
    f"Ne pas utiliser pour un patient. {NOTICE.fr}",
    en=f"DEMONSTRATION: approved by a demonstration key, by no committee. Do not use for a patient. {NOTICE.en}",
)


@dataclass(frozen=True, eq=False)
class Frames:
    """What is computed from records, one row a patient: all that an answer depends on.

    Attributes
    ----------
    features
        What the model reads.
    values
        The same as numbers, shape ``(n, features)``: of a category its position.
    population, required
        Conditions for an answer, 1 where they hold, shape ``(n, conditions)``.
    ages
        Years since each dated measurement was taken, shape ``(n, features of measured_ages)``.
    """

    features: pd.DataFrame
    values: Floats
    population: Floats
    required: Floats
    ages: Floats

    @classmethod
    def of_patients(cls, admitted: Admitted, asked: Sequence[tuple[History, datetime]]) -> Frames:
        """Return what the patient-wise evaluator computes from each history, before its own time."""
        evaluator = admitted.whole.evaluator
        return cls._of(admitted, np.array([evaluator(history, as_of) for history, as_of in asked], np.float64).T)

    @classmethod
    def of_shard(
        cls, admitted: Admitted, shard: Shard, patients: npt.NDArray[np.object_], as_of: npt.NDArray[np.int64]
    ) -> Frames:
        """Return what the columnar evaluator computes for patients of a shard, before ``as_of`` (microseconds)."""
        return cls._of(admitted, columnar.evaluate(admitted.whole.plan, shard, patients, as_of))

    @classmethod
    def _of(cls, admitted: Admitted, columns: Floats) -> Frames:
        features, *others = np.split(columns, np.cumsum([len(part) for part in admitted.parts])[:-1])
        return cls(admitted.artefact.features.frame(features), features.T, *(other.T for other in others))

    @property
    def held(self) -> npt.NDArray[np.bool_]:
        """Whether all conditions are true, a row each; a missing one is not."""
        held: npt.NDArray[np.bool_] = (self.population == 1.0).all(axis=1) & (self.required == 1.0).all(axis=1)
        return held

    def rows(self, positions: npt.NDArray[np.int64]) -> Frames:
        """Return some of the rows, renumbered."""
        if len(positions) == len(self.values) and (np.diff(positions) == 1).all():
            return self
        arrays = (self.values, self.population, self.required, self.ages)
        features = self.features.iloc[positions].reset_index(drop=True)
        return Frames(features, *(array[positions] for array in arrays))


def score(admitted: Admitted, history: History, as_of: datetime) -> Risk | Abstention:
    """Return one patient's risk, or why there is none.

    Parameters
    ----------
    admitted
        What `serving.gate.admit` returned. Whether the approval still holds is asked of `Admitted.require_valid`.
    history
        The patient's records, values in their concepts' units.
    as_of
        Naive UTC. Only what happened and was known strictly before it counts.
    """
    return score_each(admitted, [(history, as_of)])[0]


def score_each(admitted: Admitted, asked: Sequence[tuple[History, datetime]]) -> list[Risk | Abstention]:
    """Return the answers for several patients, each with its own time, in their order: the very answers `score` gives.

    Parameters
    ----------
    admitted
        As for `score`.
    asked
        History and time of each, at least one.
    """
    return answers(admitted, Frames.of_patients(admitted, asked), [as_of for _, as_of in asked])


def score_many(
    admitted: Admitted, shard: Shard, patients: npt.NDArray[np.object_], as_of: datetime
) -> list[Risk | Abstention]:
    """Return the answers for many patients of a shard, in their order: the very answers `score` gives.

    Parameters
    ----------
    admitted, as_of
        As for `score`.
    shard
        Sorted records.
    patients
        Whom to score, shape ``(n,)``; one without any record is abstained from.
    """
    moments = np.full(len(patients), to_microseconds(as_of), dtype=np.int64)
    frames = Frames.of_shard(admitted, shard, patients, moments)
    return answers(admitted, frames, [as_of] * len(patients))


def answers(admitted: Admitted, frames: Frames, as_of: Sequence[datetime]) -> list[Risk | Abstention]:
    """Return one answer a row of the frames, each at its own time."""
    held = frames.held
    answered = np.flatnonzero(held)
    risks = iter(
        _risks(admitted, frames.rows(answered), [as_of[row] for row in answered.tolist()]) if len(answered) else []
    )
    return [
        next(risks) if is_given else _abstention(admitted, frames, row, moment)
        for row, (is_given, moment) in enumerate(zip(held, as_of, strict=True))
    ]


def _abstention(admitted: Admitted, frames: Frames, row: int, moment: datetime) -> Abstention:
    artefact = admitted.artefact
    unmet = (*_unmet(artefact.population, frames.population[row]), *_unmet(artefact.required, frames.required[row]))
    return Abstention(**signature(admitted), as_of=moment, reasons=unmet)


def probabilities(admitted: Admitted, frames: Frames) -> npt.NDArray[np.float64]:
    """Return the probability that each answer gives, NaN where it is an abstention: shape ``(n,)``, and nothing else.

    They are the numbers of `answers`, for those who ask about many people and want no reasons.
    """
    model = admitted.artefact.model
    found = np.full(len(frames.features), np.nan)
    given = np.flatnonzero(frames.held)
    if len(given):
        found[given] = model.risk(frames.rows(given).features, float(model.horizon_)).round(DECIMALS)
    return found


def signature(admitted: Admitted) -> dict[str, Any]:
    """Return what everything that is said in the name of a model says about it."""
    artefact, card = admitted.artefact, admitted.card
    return {
        "model": ModelIdentity(
            study=artefact.study,
            name=artefact.model.name,
            title=artefact.model.title,
            digest=admitted.model_digest,
        ),
        "card": CardIdentity(version=card.identity.version, digest=admitted.card_digest),
        "decision": admitted.decision_digest,
        "approved_until": admitted.decision.valid_until,
        "conditions": admitted.conditions,
        "quantity": artefact.scale.quantity,
        "demonstration": admitted.demonstration,
        "notice": DEMONSTRATION_NOTICE if admitted.demonstration else NOTICE,
    }


def _rows(names: FeatureSet, values: Floats) -> list[Row]:
    """Return rows of numbers by name, None where a value is missing."""
    return [
        {name: None if math.isnan(value) else value for name, value in zip(names, row, strict=True)}
        for row in values.tolist()
    ]


def _unmet(conditions: FeatureSet, values: Floats) -> list[Unmet]:
    """Return the conditions that are not true; a missing one is not."""
    return [
        Unmet(
            code=name,
            fr=f"Condition non remplie{COLON['fr']} {each.fr}",
            en=f"Condition not met: {each.en}",
            because="missing" if math.isnan(value) else "false",
        )
        for (name, each), value in zip(conditions.items(), values.tolist(), strict=True)
        if value != 1.0
    ]


def _risks(admitted: Admitted, frames: Frames, as_of: Sequence[datetime]) -> list[Risk]:
    """Return the risks of people who may be given one."""
    model, features, scale = admitted.artefact.model, admitted.artefact.features, admitted.artefact.scale
    horizon = float(model.horizon_)
    risks = model.risk(frames.features, horizon).round(DECIMALS).tolist()
    added = contributions(admitted, frames)
    comparators = compare(admitted.artefact.comparator, features, frames.features)
    signed = signature(admitted)
    rows = zip(
        as_of,
        risks,
        comparators,
        _rows(features, frames.values),
        added.tolist(),
        movers(added).tolist(),
        _rows(admitted.measured_ages, frames.ages),
        strict=True,
    )
    return [
        Risk(
            **signed,
            as_of=moment,
            risk=risk,
            horizon_years=horizon,
            category=category(risk, values.get("age"), scale),
            comparator=comparator,
            reasons=_reasons(features, values, added, moving, ages, scale.quantity),
            inputs=tuple(
                _input(features[name], value, ages.get(name), moment)
                for name, value in values.items()
                if value is not None
            ),
            missing=tuple(
                _missing(name, features[name].fr, features[name].en) for name, value in values.items() if value is None
            ),
        )
        for moment, risk, comparator, values, added, moving, ages in rows
    ]


def contributions(admitted: Admitted, frames: Frames) -> Floats:
    """Return what each feature adds to each person's log-odds, 0 where the model does not say: shaped as the values."""
    _, added = admitted.artefact.model.contributions(frames.features)
    found: Floats = np.nan_to_num(added.to_numpy().round(DECIMALS)) + 0.0  # no minus before nought
    return found


def movers(added: Floats) -> npt.NDArray[np.int64]:
    """Return the places of the features that move each risk most, the largest first; equal ones in their own order."""
    return np.argsort(-np.abs(added), axis=1, kind="stable")[:, :REASONS]


def _reasons(
    features: FeatureSet,
    values: Row,
    added: Sequence[float],
    moving: Sequence[int],
    ages: Row,
    quantity: Bilingual,
) -> tuple[Reason, ...]:
    """Return a reason for each place of ``moving``."""
    names, found = list(values), []
    for place in moving:
        name, contribution = names[place], added[place]
        said = sentence(features[name], values[name], contribution, ages.get(name), quantity)
        direction = direction_of(contribution)
        found.append(Reason(feature=name, direction=direction, contribution=contribution, fr=said.fr, en=said.en))
    return tuple(found)


def direction_of(contribution: float) -> Direction:
    """Return what a contribution does to the probability."""
    return "raises" if contribution > 0 else "lowers" if contribution < 0 else "none"


def _input(feature: Feature, value: float, years_ago: float | None, as_of: datetime) -> Input:
    """Return a value as the model used it."""
    used = bool(value) if feature.is_condition else round(value, DECIMALS)
    if years_ago is None and used == int(used):
        return _undated(feature.name, feature.fr, feature.en, used, feature.unit)
    measured_at = None if years_ago is None else as_of - timedelta(microseconds=round(years_ago * YEAR))
    return Input(
        feature=feature.name, fr=feature.fr, en=feature.en, value=used, unit=feature.unit, measured_at=measured_at
    )


# Most of what an answer lists is one of a few conditions, counts and absent values: those are made once.
@lru_cache(maxsize=8192)
def _undated(name: str, fr: str, en: str, value: float, unit: str | None) -> Input:
    return Input(feature=name, fr=fr, en=en, value=value, unit=unit, measured_at=None)


@lru_cache(maxsize=4096)
def _missing(name: str, fr: str, en: str) -> Missing:
    return Missing(feature=name, fr=fr, en=en)

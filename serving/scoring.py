"""From a history to a risk or an abstention. One patient and many go through the same function, `answers`.

Both doors build the same frames, one by the patient-wise evaluator and one by the columnar evaluator, which give equal
values. Predictions may still differ in the last bit between one row and many, because a linear-algebra library adds in
another order; risks and contributions are therefore rounded to six decimals here, far below any clinical meaning, and
everything that depends on them (category, order of the reasons) is derived from the rounded numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.feature_set import Feature, FeatureSet
from features.language import YEAR
from features.records import History, Shard, to_microseconds
from serving.contract import (
    Abstention,
    CardIdentity,
    Category,
    Comparator,
    Input,
    Missing,
    ModelIdentity,
    Note,
    Reason,
    Risk,
)
from serving.gate import Admitted
from training.committee import Bilingual
from training.published.categories import LABELS, esc_2021
from training.published.comparators import framingham_2008, score2
from training.reasons import NARROW, sentence

DECIMALS: Final = 6
REASONS: Final = 5
ESC_HORIZON: Final = 10.0
ESC_SCHEME: Final = "ESC 2021"
COMPARATORS: Final = {model.name: model for model in (score2(), framingham_2008())}

NOTICE: Final = Bilingual(
    fr="Usage de recherche, pas un dispositif médical. Cette estimation ne remplace pas le jugement du médecin.",
    en="Research use, not a medical device. This estimate does not replace clinical judgement.",
)
DEMONSTRATION_NOTICE: Final = Bilingual(
    fr=f"DÉMONSTRATION{NARROW}: approuvé par une clé de démonstration, par aucun comité. "
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
    population, required
        Conditions for an answer.
    ages
        Years since each dated measurement was taken.
    """

    features: pd.DataFrame
    population: pd.DataFrame
    required: pd.DataFrame
    ages: pd.DataFrame

    @classmethod
    def of(cls, admitted: Admitted, compute: Callable[[FeatureSet], pd.DataFrame]) -> Frames:
        """Return the frames, each computed from its feature set by one of the two evaluators."""
        artefact = admitted.artefact
        sets = artefact.features, artefact.population, artefact.required, admitted.measured_ages
        return cls(*map(compute, sets))

    def rows(self, positions: list[int]) -> Frames:
        """Return some of the rows, renumbered."""
        frames = (self.features, self.population, self.required, self.ages)
        return Frames(*(frame.iloc[positions].reset_index(drop=True) for frame in frames))


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
    frames = Frames.of(admitted, lambda features: features.of_patient(history, as_of))
    return answers(admitted, frames, [as_of])[0]


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
    frames = Frames.of(admitted, lambda features: features.of_shard(shard, patients, moments))
    return answers(admitted, frames, [as_of] * len(patients))


def answers(admitted: Admitted, frames: Frames, as_of: Sequence[datetime]) -> list[Risk | Abstention]:
    """Return one answer a row of the frames, each at its own time."""
    artefact = admitted.artefact
    unmet = [
        [
            *_unmet(artefact.population, frames.population.iloc[row]),
            *_unmet(artefact.required, frames.required.iloc[row]),
        ]
        for row in range(len(as_of))
    ]
    answered = [row for row, reasons in enumerate(unmet) if not reasons]
    risks = iter(_risks(admitted, frames.rows(answered), [as_of[row] for row in answered]) if answered else [])
    return [
        Abstention(**_signature(admitted, moment), reasons=tuple(reasons)) if reasons else next(risks)
        for moment, reasons in zip(as_of, unmet, strict=True)
    ]


def _unmet(conditions: FeatureSet, values: pd.Series[float]) -> list[Note]:
    """Return the conditions that are not true; a missing one is not."""
    return [
        Note(code=name, fr=condition.fr, en=condition.en)
        for name, condition in conditions.items()
        if values[name] != 1.0
    ]


def _risks(admitted: Admitted, frames: Frames, as_of: Sequence[datetime]) -> list[Risk]:
    """Return the risks of people who may be given one."""
    model, features = admitted.artefact.model, frames.features
    horizon = float(model.horizon_)
    risks = model.risk(features, horizon).round(DECIMALS)
    _, contributions = model.contributions(features)
    contributions = contributions.round(DECIMALS)
    comparators = _comparators(admitted, features)
    found = []
    for row, moment in enumerate(as_of):
        values = [_value(value) for value in features.iloc[row]]
        ages = {name: _value(age) for name, age in frames.ages.iloc[row].items()}
        named = list(zip(admitted.artefact.features.values(), values, strict=True))
        found.append(
            Risk(
                **_signature(admitted, moment),
                risk=float(risks[row]),
                horizon_years=horizon,
                category=_category(float(risks[row]), horizon, features, row),
                comparator=comparators[row],
                reasons=_reasons(named, contributions.iloc[row], ages),
                inputs=tuple(_input(f, v, ages.get(f.name), moment) for f, v in named if v is not None),
                missing=tuple(Missing(feature=f.name, fr=f.fr, en=f.en) for f, v in named if v is None),
            )
        )
    return found


def _signature(admitted: Admitted, as_of: datetime) -> dict[str, Any]:
    """Return what every answer says about itself."""
    artefact, card = admitted.artefact, admitted.card
    return {
        "as_of": as_of,
        "model": ModelIdentity(
            study=artefact.study,
            name=artefact.model.name,
            title=artefact.model.title,
            digest=admitted.model_digest,
        ),
        "card": CardIdentity(version=card.identity.version, digest=admitted.card_digest),
        "approved_until": admitted.decision.valid_until,
        "demonstration": admitted.demonstration,
        "notice": DEMONSTRATION_NOTICE if admitted.demonstration else NOTICE,
    }


def _category(risk: float, horizon: float, features: pd.DataFrame, row: int) -> Category | None:
    """Return the ESC 2021 category, None where the scheme does not apply: another horizon, or no age."""
    if horizon != ESC_HORIZON or "age" not in features:
        return None
    code = esc_2021(risk, float(features["age"].iloc[row]))
    return Category(scheme=ESC_SCHEME, code=code, **LABELS[code])


def _comparators(admitted: Admitted, features: pd.DataFrame) -> list[Comparator | None]:
    """Return what the published score says of each person."""
    published = COMPARATORS.get(admitted.artefact.comparator)
    if published is None:
        return [None] * len(features)
    risks = published.risk(features, ESC_HORIZON).round(DECIMALS)
    refusals = published.refusals(features)
    return [
        Comparator(
            name=published.name,
            title=published.title,
            risk=None if np.isnan(risk) else float(risk),
            category=None if np.isnan(risk) else _category(float(risk), ESC_HORIZON, features, row),
            refusal=_refusal(refusal, admitted.artefact.features) if np.isnan(risk) else None,
        )
        for row, (risk, refusal) in enumerate(zip(risks, refusals, strict=True))
    ]


def _refusal(reason: str, features: FeatureSet) -> Note:
    """Return a published score's refusal, which names a feature, for readers."""
    kind, _, name = reason.partition(" ")
    if reason.startswith("age outside"):
        ages = reason.removeprefix("age outside ").replace("-", "–")
        fr, en = (
            f"Âge hors de l’intervalle prévu par les auteurs ({ages} ans)",
            f"Age outside the authors’ range ({ages})",
        )
        return Note(code="age_outside", fr=fr, en=en)
    if kind in ("missing", "implausible") and name in features:
        label = features[name]
        fr, en = {
            "missing": (f"{label.fr}{NARROW}: donnée absente", f"{label.en}: missing"),
            "implausible": (
                f"{label.fr}{NARROW}: valeur hors des limites de l’équation",
                f"{label.en}: outside the equation’s range",
            ),
        }[kind]
        return Note(code=f"{kind}_{name}", fr=fr, en=en)
    label = features[reason]
    return Note(
        code=f"excluded_{reason}",
        fr=f"{label.fr}{NARROW}: exclu par les auteurs de l’équation",
        en=f"{label.en}: excluded by the authors of the equation",
    )


def _reasons(
    named: Sequence[tuple[Feature, float | None]], contributions: pd.Series[float], ages: Mapping[Any, float | None]
) -> tuple[Reason, ...]:
    """Return the features that move the risk most, the largest first; equal ones in the features' order."""
    ordered = sorted(named, key=lambda each: -abs(contributions[each[0].name]))
    found = []
    for feature, value in ordered[:REASONS]:
        contribution = float(contributions[feature.name])
        said = sentence(feature, value, contribution, ages.get(feature.name))
        found.append(
            Reason(
                feature=feature.name,
                direction="raises" if contribution > 0 else "lowers" if contribution < 0 else "none",
                contribution=contribution,
                fr=said.fr,
                en=said.en,
            )
        )
    return tuple(found)


def _input(feature: Feature, value: float, years_ago: float | None, as_of: datetime) -> Input:
    measured_at = None if years_ago is None else as_of - timedelta(microseconds=round(years_ago * YEAR))
    return Input(
        feature=feature.name,
        fr=feature.fr,
        en=feature.en,
        value=bool(value) if feature.is_condition else round(value, DECIMALS),
        unit=feature.unit,
        measured_at=measured_at,
    )


def _value(value: float) -> float | None:
    return None if math.isnan(value) else float(value)

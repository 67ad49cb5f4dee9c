"""Published equations as risk models with nothing to fit, to compare others with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.outcome import FollowUp
from training.models import Floats, RiskModel
from training.published.equation import MG_DL_PER_MMOL_L, REGION, SEX, Equation, Fault, read_numbers
from training.published.framingham import FRAMINGHAM_CVD_2008
from training.published.score2 import SCORE2
from training.published.score2_op import SCORE2_OP

Region = Literal["low", "moderate", "high", "very_high"]

HORIZON: Final = 10.0
"""Years for which these equations are published."""

FEATURES: Final = {
    "age": "age",
    "sex": "female",
    "diabetes": "diabetes",
    "dm": "diabetes",
    "smoker": "smoker",
    "sbp": "systolic",
    "bp_tx": "bp_treated",
    "tchol": "total_cholesterol",
    "tchol_mgdl": "total_cholesterol",
    "hdl": "hdl",
    "hdl_mgdl": "hdl",
}
"""The feature each column of an equation is read from."""


class PublishedModel(RiskModel):
    """One or more published equations, each for its ages, as one model.

    It reads the features ``age`` (years), ``female``, ``smoker``, ``diabetes``, ``bp_treated`` (0/1; the last
    for Framingham only), ``systolic`` (mmHg), ``total_cholesterol`` and ``hdl`` (mmol/L), and ignores others.
    A person whose inputs are missing or implausible, or for whom the equations were not made, gets no number:
    nothing is imputed.

    Parameters
    ----------
    name, title
        As in `RiskModel`.
    equations
        In the order of their ages, each in its recommended variant. A person is given the last that starts at
        or before their age.
    region
        ESC risk region, for the equations that have one.
    """

    states: ClassVar[tuple[str, ...]] = ("event_free", "event")

    def __init__(self, name: str, title: str, equations: Sequence[Equation], region: Region | None = None) -> None:
        self.name = name
        self.title = title
        self.equations = tuple(equations)
        self.region = region

    def fit(self, X: pd.DataFrame, followup: FollowUp) -> Self:
        """Return self: the coefficients are published and nothing is learnt."""
        return self

    def incidence(self, X: pd.DataFrame, times: Sequence[float]) -> Floats:
        """Return the probability of each state at ten years, shape ``(n, 2, 1)``, or NaN where refused.

        Raises
        ------
        ValueError
            If ``times`` is not ``[10.0]``, or a feature is not in ``X`` or holds other things than numbers.
        """
        if list(times) != [HORIZON]:
            raise ValueError(f"{self.title} is published for ten years only: ask for times=[{HORIZON}]")
        event, _ = self._answer(X)
        return np.stack([1.0 - event, event], axis=1)[:, :, np.newaxis]

    def refusals(self, X: pd.DataFrame) -> pd.Series[str]:
        """Return why each person gets no number, indexed as ``X``: one reason, or ``""`` for who gets one.

        The reasons are ``"age outside 40-89"`` (with the model's ages), ``"diabetes"`` (where excluded), and
        ``"missing …"`` or ``"implausible …"`` followed by the feature. A person with several has the first,
        in the order age, sex, diabetes, then the others.

        Raises
        ------
        ValueError
            If a feature is not in ``X`` or holds other things than numbers.
        """
        _, reasons = self._answer(X)
        return pd.Series(reasons, index=X.index, name="refusal", dtype=str)

    def _answer(self, X: pd.DataFrame) -> tuple[Floats, npt.NDArray[np.object_]]:
        """Return the probability of the event (NaN where refused) and the reason (empty where not)."""
        features = self._features(X)
        starts = [equation.ages[0] for equation in self.equations]
        chosen = np.maximum(np.searchsorted(starts, features["age"], side="right") - 1, 0)
        risk = np.full(len(X), np.nan)
        reasons = np.full(len(X), "", dtype=object)
        for position in np.unique(chosen):
            equation, rows = self.equations[position], np.flatnonzero(chosen == position)
            clean, faults = equation.read(self._inputs(equation, features.iloc[rows]))
            for fault in reversed(faults):  # the first fault is written last
                reasons[rows[fault.rows]] = self._reason(fault)
            answered = reasons[rows] == ""
            risk[rows[answered]] = equation.compute(clean[answered])
        return risk, reasons

    def _features(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return the features that the equations read, as numbers in a frame indexed from 0."""
        columns = (column.name for equation in self.equations for column in equation.columns)
        names = list(dict.fromkeys(FEATURES[name] for name in columns if name in FEATURES))
        wrong = [f"{name}: not there: add it to the feature set" for name in names if name not in X]
        numbers = {}
        for name in names:
            if name in X:
                numbers[name], faults = read_numbers(name, "a number", X[name])
                wrong += [f.describe(X.index) for f in faults if f.kind == "unreadable" and f.rows.any()]
        if wrong:
            raise ValueError(f"{self.title} cannot be computed from these features:\n- " + "\n- ".join(wrong))
        return pd.DataFrame(numbers, index=range(len(X)))

    def _inputs(self, equation: Equation, features: pd.DataFrame) -> pd.DataFrame:
        """Return an equation's inputs from features, in its own names, units and codings."""
        inputs = pd.DataFrame(index=features.index)
        for column in equation.columns:
            if column.name == REGION.name:
                inputs[column.name] = self.region
            elif column.name == SEX.name:
                female = features["female"].to_numpy()
                words = np.full(len(female), "neither", dtype=object)
                words[female == 1], words[female == 0], words[np.isnan(female)] = "female", "male", None
                inputs[column.name] = words
            else:
                factor = MG_DL_PER_MMOL_L if column.name.endswith("_mgdl") else 1.0
                inputs[column.name] = factor * features[FEATURES[column.name]]
        return inputs

    def _reason(self, fault: Fault) -> str:
        feature = FEATURES[fault.column]
        if fault.kind == "excluded":
            return feature
        if fault.kind == "missing":
            return f"missing {feature}"
        if feature == "age":
            return f"age outside {self.equations[0].ages[0]:g}-{self.equations[-1].ages[1] - 1:g}"
        return f"implausible {feature}"


def score2(region: Region = "low") -> PublishedModel:
    """Return SCORE2 (40 to 69 years) and SCORE2-OP (70 to 89) as one model.

    This is how the ESC 2021 guideline uses them. SCORE2 is in its published variant and refuses people with
    diabetes; SCORE2-OP is in its authors' variant.

    Parameters
    ----------
    region
        ESC risk region; France is ``"low"``.

    Raises
    ------
    ValueError
        If the region is unknown.

    References
    ----------
    doi:10.1093/eurheartj/ehab309, doi:10.1093/eurheartj/ehab312, guideline doi:10.1093/eurheartj/ehab484.
    """
    if region not in REGION.words:
        raise ValueError(f"unknown region {region!r}: use one of {', '.join(REGION.words)}")
    title = f"SCORE2 / SCORE2-OP (ESC 2021, {region.replace('_', '-')}-risk region)"
    return PublishedModel("score2", title, [SCORE2, SCORE2_OP], region)


def framingham_2008() -> PublishedModel:
    """Return the Framingham general cardiovascular profile of 2008, 30 to 74 years.

    Cholesterol is converted from mmol/L to mg/dL by 38.67.

    References
    ----------
    doi:10.1161/CIRCULATIONAHA.107.699579.
    """
    return PublishedModel("framingham_2008", "Framingham general CVD (2008)", [FRAMINGHAM_CVD_2008])

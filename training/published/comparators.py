"""Published equations as risk models with nothing to fit, to compare others with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.outcome import FollowUp
from training.models import Floats, RiskModel
from training.published.equation import MG_DL_PER_MMOL_L, REGION, Equation, Fault
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

    It reads the features ``age`` (years), ``female``, ``smoker``, ``diabetes``, ``bp_treated`` (0/1; the last for
    Framingham only), ``systolic`` (mmHg), ``total_cholesterol`` and ``hdl`` (mmol/L), and ignores others. A person
    whose inputs are missing or implausible, or for whom the equations were not made, gets no number: nothing is imputed.

    Parameters
    ----------
    name, title
        As in `RiskModel`.
    equations
        In the order of their ages, each in its recommended variant. A person is given the last that starts at or before
        their age.
    region
        ESC risk region, for the equations that have one.
    """

    states: ClassVar[tuple[str, ...]] = ("event_free", "event")

    def __init__(
        self, name: str, title: str, equations: Sequence[Equation], region: Region | None = None
    ) -> None:
        self.name = name
        self.title = title
        self.equations = tuple(equations)
        self.region = region

    def fit(self, X: pd.DataFrame, followup: FollowUp) -> Self:
        """Return self: the coefficients are published and nothing is learnt."""
        return self

    def incidence(self, X: pd.DataFrame, times: Sequence[float]) -> Floats:
        """Return the probability of each state at ten years, shape ``(n, 2, 1)``, NaN throughout where refused.

        Raises
        ------
        ValueError
            If ``times`` is not ``[10.0]``, or a feature is not in ``X``.
        """
        if list(times) != [HORIZON]:
            raise ValueError(f"{self.title} is published for ten years only: ask for times=[{HORIZON}]")
        event, _ = self._answer(X)
        return np.stack([1.0 - event, event], axis=1)[:, :, np.newaxis]

    def refusals(self, X: pd.DataFrame) -> pd.Series[str]:
        """Return why each person gets no number, indexed as ``X``: one reason, or ``""`` for those who get one.

        The reasons are ``"age outside 40-89"`` (with the model's ages), ``"diabetes"`` (where excluded), and
        ``"missing …"``, ``"unreadable …"`` or ``"implausible …"`` followed by the feature. A person with several has
        the first, in the order age, sex, diabetes, then the others.

        Raises
        ------
        ValueError
            If a feature is not in ``X``.
        """
        _, reasons = self._answer(X)
        return pd.Series(reasons, index=X.index, name="refusal", dtype=str)

    def _answer(self, X: pd.DataFrame) -> tuple[Floats, npt.NDArray[np.object_]]:
        """Return the probability of the event (NaN where refused) and the reason (empty where not)."""
        self._check_features(X)
        starts = [equation.ages[0] for equation in self.equations]
        age = pd.to_numeric(X["age"], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        chosen = np.maximum(np.searchsorted(starts, age, side="right") - 1, 0)
        risk = np.full(len(X), np.nan)
        reasons = np.full(len(X), "", dtype=object)
        for position, equation in enumerate(self.equations):
            rows = np.flatnonzero(chosen == position)
            clean, faults = equation.read(self._translate(equation, X.iloc[rows]))
            for fault in reversed(faults):  # the first fault is written last
                reasons[rows[fault.rows]] = self._reason(fault)
            answered = reasons[rows] == ""
            risk[rows[answered]] = equation.compute(clean[answered])
        return risk, reasons

    def _check_features(self, X: pd.DataFrame) -> None:
        read = {FEATURES[c.name] for equation in self.equations for c in equation.columns if c is not REGION}
        if missing := sorted(read - set(X.columns)):
            raise ValueError(
                f"{self.title} needs the features {', '.join(missing)}: add them to the feature set"
            )

    def _translate(self, equation: Equation, X: pd.DataFrame) -> pd.DataFrame:
        """Return an equation's inputs from features, in its own names, units and codings."""
        inputs = pd.DataFrame(index=X.index)
        for column in equation.columns:
            if column is REGION:
                inputs[column.name] = self.region
                continue
            feature = X[FEATURES[column.name]]
            if column.name == "sex":
                inputs["sex"] = feature.astype(object).where(
                    feature.isna(), feature.map({0: "male", 1: "female"})
                )
            elif column.name.endswith("_mgdl"):
                inputs[column.name] = feature * MG_DL_PER_MMOL_L
            else:
                inputs[column.name] = feature
        return inputs

    def _reason(self, fault: Fault) -> str:
        feature = FEATURES[fault.column]
        if fault.kind == "excluded":
            return feature
        if fault.kind == "outside" and feature == "age":
            return f"age outside {self.equations[0].ages[0]:g}-{self.equations[-1].ages[1] - 1:g}"
        return f"{'implausible' if fault.kind == 'outside' else fault.kind} {feature}"


def score2(region: Region = "low") -> PublishedModel:
    """Return SCORE2 from 40 to 69 years and SCORE2-OP from 70 to 89 as one model, as the ESC 2021 guideline uses them.

    SCORE2 is in its published variant and refuses people with diabetes; SCORE2-OP is in its authors' variant.

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

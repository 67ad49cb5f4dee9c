"""Evidence of a small study in which everything there can be is there, for pages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Self

import numpy as np
import pandas as pd

from features.outcome import FollowUp
from tests.training.test_measures import HORIZON, population
from training.models import Floats, RiskModel
from training.splits import InternalExternal
from training.survival import aalen_johansen
from training.validate import Evidence, Robustness, validate
from training.values import Bilingual


class Grouped(RiskModel):
    """Everybody has the risk observed in the training rows of about the same feature."""

    def __init__(self, name: str, title: Bilingual, groups: int) -> None:
        self.name, self.title, self.groups = name, title, groups

    def fit(self, X: pd.DataFrame, followup: FollowUp) -> Self:
        self.edges = np.quantile(X["x"], np.arange(1, self.groups) / self.groups)
        place = np.searchsorted(self.edges, X["x"])
        self.risks = np.array(
            [aalen_johansen(followup[place == group], [HORIZON])[0, 0] for group in range(self.groups)]
        )
        return self

    def incidence(self, X: pd.DataFrame, times: Sequence[float]) -> Floats:
        risk = np.interp(X["x"], [X["x"].min(), *self.edges, X["x"].max()], np.append(self.risks, self.risks[-1]))
        wide = np.clip(risk, 0.001, 0.999)[:, None] * np.ones(len(times))
        return np.stack([1 - wide, wide, 0 * wide], axis=1)


class Published(RiskModel):
    """Too low a risk, and none for every tenth person."""

    name = "score2"
    title = Bilingual.same("SCORE2 / SCORE2-OP (ESC 2021, low-risk region)")

    def fit(self, X: pd.DataFrame, followup: FollowUp) -> Self:
        return self

    def incidence(self, X: pd.DataFrame, times: Sequence[float]) -> Floats:
        risk = np.where(X.index % 10 == 0, np.nan, 0.6 * X["x"])[:, None] * np.ones(len(times))
        return np.stack([1 - risk, risk, 0 * risk], axis=1)

    def refusals(self, X: pd.DataFrame) -> pd.Series[str]:
        return pd.Series("too old", index=X.index)


@cache
def evidence() -> Evidence:
    """Return evidence with several ways to hold people out, refits and a learning curve."""
    truth, followup, practice = population(4000, 4, departure=0.03)
    noise = np.random.default_rng(0).normal(0, 0.3, 4000)
    X = pd.DataFrame({"x": np.clip(truth * np.exp(noise), 0.002, 0.9)})
    regions = np.array(["Bretagne", "Normandie", "Occitanie", "Île-de-France"])[practice % 4]
    day = pd.Timestamp("2010-01-01") + pd.to_timedelta(np.arange(4000), unit="D")
    index = pd.DataFrame({"patient": np.arange(4000), "practice": practice, "region": regions, "as_of": day})
    found, _ = validate(
        "cardiovascular",
        [
            Published(),
            Grouped("logistic_regression", Bilingual(fr="Régression logistique", en="Logistic regression"), 10),
            Grouped("lightgbm", Bilingual.same("LightGBM"), 4),
        ],
        X,
        followup,
        index,
        InternalExternal("practice", 4),
        HORIZON,
        (0.05, 0.1),
        "score2",
        resamples=20,
        also=[InternalExternal("region", None)],
        robustness=Robustness(("lightgbm",), 3, (4, 30)),
    )
    return found

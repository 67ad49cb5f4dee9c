"""What the page says, found in evidence once for both languages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from training.measures import MEASURES

Tree = Mapping[str, Any]

COLOURS: Final = 6
"""Models the style tells apart by colour; the seventh has the first's again, and its name beside it as all have."""


@dataclass(frozen=True)
class Page:
    """Evidence as the page needs it.

    Parameters
    ----------
    evidence
        JSON values, small counts already hidden.
    candidate, comparator
        Names of two of the models.
    """

    evidence: Tree
    candidate: str
    comparator: str

    @property
    def headlines(self) -> Sequence[str]:
        """Return the measures of the first table."""
        return [each.name for each in MEASURES.values() if each.brief and not each.at_threshold]

    @property
    def at_thresholds(self) -> Sequence[str]:
        """Return the measures of the table of thresholds."""
        return [each.name for each in MEASURES.values() if each.brief and each.at_threshold]

    @property
    def models(self) -> list[Tree]:
        """Return the models that gave a risk to somebody."""
        return [model for model in self.evidence["models"] if model["estimates"]]

    @property
    def silent(self) -> list[Tree]:
        """Return the models that gave none."""
        return [model for model in self.evidence["models"] if not model["estimates"]]

    def colour(self, name: str) -> str:
        """Return the class of a model's colour: the same all over the page."""
        names = [model["name"] for model in self.evidence["models"]]
        return f"c{names.index(name) % COLOURS}"

    def model(self, name: str) -> Tree:
        """Return the model of that name."""
        return next(model for model in self.evidence["models"] if model["name"] == name)

    @staticmethod
    def estimate(estimates: Sequence[Tree], measure: str, threshold: float | None = None) -> Tree | None:
        """Return one of the estimates, None when it is not there or has no value."""
        for each in estimates:
            if each["measure"] == measure and each["threshold"] == threshold:
                return each if each["value"] is not None else None
        return None

    @property
    def schemes(self) -> list[Tree]:
        """Return every way people were held out, the first being that of the evidence."""
        first = {"splits": self.evidence["splits"], "models": self.models}
        return [first, *self.evidence.get("schemes", ())]

    def across(self, scheme: Tree, measure: str) -> Iterator[tuple[Tree, list[tuple[str, Tree]], Tree | None]]:
        """Yield each model, its folds that have a value, and how much they vary when that can be said."""
        for model in scheme["models"]:
            folds = [(fold["label"], self.estimate(fold["estimates"], measure)) for fold in model["folds"]]
            pooled = next((each for each in model["heterogeneity"] if each["measure"] == measure), None)
            known = pooled if pooled is not None and pooled["pooled"] is not None else None
            yield self.model(model["name"]), [(label, found) for label, found in folds if found is not None], known

    def extent(self, scheme: Tree, measure: str) -> tuple[float, float]:
        """Return the least and greatest values a forest plot must show."""
        values = [] if measure == "auc" else [1.0]
        for _, folds, pooled in self.across(scheme, measure):
            values += [found[end] for _, found in folds for end in ("value", "low", "high") if found[end] is not None]
            values += [pooled[end] for end in ("expected_low", "expected_high")] if pooled else []
        low, high = (min(values), max(values)) if values else (0.5, 1.0)
        if measure == "auc":
            return max(0.0, min(low, 0.6) - 0.01), min(1.0, high + 0.01)
        return max(low, 0.2) / 1.02, min(high, 5.0) * 1.02

    @property
    def ceiling(self) -> float:
        """Return the highest risk of the calibration charts: the same for all, so that they can be compared."""
        drawn = [
            point[end]
            for model in self.models
            for point in model["smooth"]
            for end in ("predicted", "observed")
            if point[end] is not None
        ]
        return min(1.0, 1.08 * max(drawn, default=0.3))

    @property
    def ranked(self) -> list[Tree]:
        """Return the models in the order of the rule."""
        return list(self.evidence["ranking"]["models"]) if self.evidence.get("ranking") else []

    @property
    def second(self) -> Tree | None:
        """Return the second eligible model."""
        eligible = [each for each in self.ranked if not each["outside"]]
        return eligible[1] if len(eligible) > 1 else None

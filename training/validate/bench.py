"""Judging risks against what happened, and telling no small count."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.outcome import EVENT, FollowUp
from features.privacy import SMALLEST_COUNT, mask
from training.curves import (
    CalibrationPoint,
    DecisionPoint,
    calibration_curve,
    decision_curve,
    risk_distribution,
    smooth_calibration,
)
from training.measures import MEASURES, Estimate, difference, estimate, smallest_cell
from training.models import RiskModel
from training.splits import Positions
from training.survival import Floats, close
from training.validate.evidence import Comparison, FoldEvidence, ModelEvidence, SchemeModel
from training.validate.heterogeneity import ACROSS_FOLDS, Heterogeneity, across_folds
from training.validate.ranking import Ranking, Rule, rank, without_counts
from training.validate.reclassification import Move, Reclassification, reclassification
from training.validate.sample_size import precision

COMPARED: Final = ("auc", "uno_c", "brier", "ipa", "net_benefit", "interventions_avoided")


@dataclass(frozen=True, eq=False)
class Bench:
    """What all judgements of a study share: the truth, the clusters and how to resample them."""

    followup: FollowUp
    clusters: npt.NDArray[Any]
    horizon: float
    thresholds: tuple[float, ...]
    resamples: int
    seed: int

    def judge(
        self,
        model: RiskModel,
        X: pd.DataFrame,
        risk: Floats,
        tested: Positions,
        folds: Mapping[str, Positions],
        decision_range: Sequence[float],
    ) -> ModelEvidence:
        """Return what the out-of-fold risks of one model show."""
        refused = np.isnan(risk)
        rows, others = tested[~refused[tested]], tested[refused[tested]]
        scored, left = mask([len(rows), len(others)])
        evidence = ModelEvidence(
            name=model.name,
            title=model.title,
            scored=scored,
            refused=left,
            reasons=_reasons(model, X.iloc[others], len(rows)),
            notice=dict(getattr(model, "notice", None) or {}),
        )
        if not len(rows):
            return evidence
        telling = self.telling(rows, tested)
        by_fold = self._folds(risk, folds)
        where = (self.followup[rows], self.horizon, self.clusters[rows])
        estimates = self._estimate(risk, rows, self.thresholds, telling)
        named = {each.measure: each for each in estimates}
        return dataclasses.replace(
            evidence,
            estimates=estimates,
            calibration=tuple(
                _hide(point, telling)
                for point in calibration_curve(risk[rows], *where, resamples=self.resamples, seed=self.seed)
            ),
            smooth=tuple(smooth_calibration(risk[rows], *where, self.resamples, self.seed)),
            decision=self._decision(risk, rows, telling, decision_range),
            distribution=risk_distribution(
                risk[rows], self.followup[rows], self.horizon, refused=self.followup[others]
            ),
            folds=by_fold,
            heterogeneity=_across(by_fold),
            precision=precision(named, risk[rows], named["observed"].value),
        )

    def again(self, model: str, risk: Floats, tested: Positions, folds: Mapping[str, Positions]) -> SchemeModel | None:
        """Return what the risks of one model show when people are held out in another way; None without any."""
        rows = tested[~np.isnan(risk[tested])]
        if not len(rows):
            return None
        by_fold = self._folds(risk, folds)
        estimates = self._estimate(risk, rows, self.thresholds, self.telling(rows, tested))
        return SchemeModel(model, estimates, by_fold, _across(by_fold))

    def _folds(self, risk: Floats, folds: Mapping[str, Positions]) -> tuple[FoldEvidence, ...]:
        answered = {label: test[~np.isnan(risk[test])] for label, test in folds.items()}
        in_folds = set().union(*(self.telling(few, folds[label]) for label, few in answered.items()))
        return tuple(
            FoldEvidence(
                label, len(np.unique(self.clusters[few])), self._estimate(risk, few, (), in_folds, ACROSS_FOLDS)
            )
            for label, few in answered.items()
            if len(few)
        )

    def compare(
        self,
        model: str,
        comparator: str,
        risks: Mapping[str, Floats],
        tested: Positions,
        decision_range: Sequence[float],
    ) -> Comparison:
        """Return the differences between two models, and the decision curves of both, on the rows both scored."""
        a, b = risks[model], risks[comparator]
        by_a, by_b = (tested[~np.isnan(risk[tested])] for risk in (a, b))
        rows = np.intersect1d(by_a, by_b)
        if not len(rows):
            return Comparison(model, comparator, ())
        where = (self.followup[rows], self.horizon, self.clusters[rows], self.thresholds)
        found = difference(a[rows], b[rows], *where, self.resamples, self.seed, COMPARED)
        telling = self.telling(rows, tested, by_a, by_b)
        moved = reclassification(a[rows], b[rows], *where, self.resamples, self.seed) if self.thresholds else None
        return Comparison(
            model,
            comparator,
            tuple(self._show(each, rows, telling, a, b) for each in found),
            self._decision(a, rows, telling, decision_range),
            self._decision(b, rows, telling, decision_range),
            None if moved is None else _without_counts(moved, telling),
        )

    def rank(self, risks: Mapping[str, Floats], tested: Positions, rule: Rule) -> Ranking | None:
        """Return the models of a rule in order, on the rows all of them score; None unless two score the same rows."""
        ranked = rule.models or tuple(risks)
        scored = {name: ~np.isnan(risks[name][tested]) for name in ranked}
        able = [name for name, rows in scored.items() if rows.any()]
        if len(able) < 2:
            return None
        rows = tested[np.logical_and.reduce([scored[name] for name in able])]
        if not len(rows):
            return None
        found = rank(
            {name: risks[name] for name in able},
            rows,
            self.followup,
            self.horizon,
            self.clusters,
            rule,
            self.resamples,
            self.seed,
        )
        return without_counts(found, self.telling(rows, tested, *(tested[scored[name]] for name in able)))

    def telling(self, rows: Positions, *wholes: Positions) -> set[str]:
        """Return which counts of these rows would tell a small count of the others in a whole counted elsewhere."""
        had_event = close(self.followup, self.horizon).cause == EVENT
        telling = set()
        for whole in wholes:
            n = len(rows), len(whole) - len(rows)
            events = int(had_event[rows].sum()), int(had_event[whole].sum() - had_event[rows].sum())
            event_free = n[0] - events[0], n[1] - events[1]
            telling |= {"n"} if 0 < n[1] < SMALLEST_COUNT else set()
            telling |= {"events"} if 0 < events[1] < SMALLEST_COUNT or 0 < event_free[1] < SMALLEST_COUNT else set()
        return telling

    def _decision(
        self, risk: Floats, rows: Positions, telling: Set[str], decision_range: Sequence[float]
    ) -> tuple[DecisionPoint, ...]:
        where = (self.followup[rows], self.horizon, self.clusters[rows], decision_range)
        return tuple(
            DecisionPoint(
                point.threshold,
                *(self._show(each, rows, telling, risk, alone=True) for each in (point.model, point.treat_all)),
            )
            for point in decision_curve(risk[rows], *where, self.resamples, self.seed)
        )

    def _estimate(
        self,
        risk: Floats,
        rows: Positions,
        thresholds: Sequence[float],
        telling: Set[str],
        measures: Sequence[str] | None = None,
    ) -> tuple[Estimate, ...]:
        where = (self.followup[rows], self.horizon, self.clusters[rows], thresholds)
        found = estimate(risk[rows], *where, self.resamples, self.seed, measures)
        return tuple(self._show(each, rows, telling, risk) for each in found)

    def _show(
        self, found: Estimate, rows: Positions, telling: Set[str], *risks: Floats, alone: bool = False
    ) -> Estimate:
        """Return an estimate as it may be shown, ``alone`` or next to others at the same threshold."""
        column = (MEASURES[found.measure], found.threshold)
        crossed = not alone or found.threshold in self.thresholds
        followup = self.followup[rows]
        smallest = min(smallest_cell(risk[rows], followup, self.horizon, column, crossed=crossed) for risk in risks)
        return _hide(found.suppressed(smallest), telling)


def _across(folds: Sequence[FoldEvidence]) -> tuple[Heterogeneity, ...]:
    clusters = [fold.clusters for fold in folds]
    return tuple(
        across_folds([fold.estimates[position] for fold in folds], clusters) for position in range(len(ACROSS_FOLDS))
    )


def _without_counts(found: Reclassification, telling: Set[str]) -> Reclassification:
    """Return a reclassification that does not tell the counts named; cells add up to both."""

    def hidden(moves: tuple[Move, ...]) -> tuple[Move, ...]:
        return tuple(
            dataclasses.replace(each, n=None if telling else each.n, share=_hide(each.share, telling)) for each in moves
        )

    return dataclasses.replace(
        found,
        with_event=hidden(found.with_event),
        without_event=hidden(found.without_event),
        net_with_event=_hide(found.net_with_event, telling),
        net_without_event=_hide(found.net_without_event, telling),
    )


Counted = TypeVar("Counted", Estimate, CalibrationPoint)


def _hide(found: Counted, telling: Set[str]) -> Counted:
    """Return an estimate or a point without the counts named."""
    return dataclasses.replace(
        found,
        n=None if "n" in telling else found.n,
        events=None if "events" in telling else found.events,
    )


def _reasons(model: RiskModel, X: pd.DataFrame, scored: int) -> dict[str, int | None]:
    """Count why a model refused these rows and ``scored`` others not, when ``refusals(X)`` gives one reason a row."""
    refusals = getattr(model, "refusals", None)
    if refusals is None or not len(X):
        return {}
    counts = Counter(str(reason) for reason in refusals(X))
    masked = mask([*(counts[reason] for reason in sorted(counts)), scored])
    return dict(zip(sorted(counts), masked[:-1], strict=True))

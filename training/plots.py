"""Figures of evidence for MLflow. Everything drawn is a group of people: no dot is a patient."""

from __future__ import annotations

from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from training.explain import Explanation
from training.validate import Evidence, ModelEvidence

# Okabe and Ito's palette is told apart by people who see colours differently.
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
#: Panels side by side, at most.
ACROSS: Final = 3
STYLE: Final[Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e5e5",
    "axes.axisbelow": True,
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "vigie",
}


def figures(evidence: Evidence, explanation: Explanation) -> dict[str, Figure]:
    """Return every figure of a study, by file name without extension."""
    with mpl.rc_context(STYLE):
        return {
            "calibration": calibration(evidence),
            "decision_curve": decision_curve(evidence),
            "risk_distribution": risk_distribution(evidence),
            "folds": folds(evidence),
            "importance": importance(explanation),
            "dependence": dependence(explanation),
        }


def _scored(evidence: Evidence) -> list[tuple[ModelEvidence, str]]:
    return [(m, COLOURS[i % len(COLOURS)]) for i, m in enumerate(evidence.models) if m.estimates]


def calibration(evidence: Evidence) -> Figure:
    """Draw observed against predicted risk, one panel a model: risk groups over the smooth curve and its band."""
    models = _scored(evidence)
    figure, panels = _grid(len(models))
    highest = [p.high for m, _ in models for p in m.calibration] + [p.high for m, _ in models for p in m.smooth]
    top = max((high for high in highest if np.isfinite(high)), default=0.3)
    for panel, (model, colour) in zip(panels, models, strict=True):
        points = [p for p in model.calibration if np.isfinite(p.observed)]
        observed = np.array([p.observed for p in points])
        spread = np.abs(np.array([[p.low, p.high] for p in points]).reshape(-1, 2).T - observed)
        panel.plot([0, top], [0, top], color="#555555", lw=1, ls="--")
        smooth = np.array([[p.predicted, p.observed, p.low, p.high] for p in model.smooth]).reshape(-1, 4).T
        panel.fill_between(smooth[0], smooth[2], smooth[3], color=colour, alpha=0.15, lw=0)
        panel.plot(smooth[0], smooth[1], color=colour, lw=1)
        panel.errorbar([p.predicted for p in points], observed, yerr=spread, fmt="o", color=colour, capsize=2, ms=4)
        panel.set_title(model.name, fontsize=10)
        panel.set_aspect("equal")
    figure.supxlabel(f"Predicted {evidence.horizon:g}-year risk", fontsize=10)
    figure.supylabel("Observed (Aalen–Johansen, 95 % interval)", fontsize=10)
    return figure


def _grid(many: int) -> tuple[Figure, list[Any]]:
    """Return a figure of so many panels, as wide as a page and no wider, with the same axes."""
    across = min(max(many, 1), ACROSS)
    down = -(-max(many, 1) // across)
    figure = Figure(figsize=(3.2 * across, 0.4 + 3.1 * down))
    panels = list(np.atleast_1d(figure.subplots(down, across, sharex=True, sharey=True)).flat)
    for beyond in panels[many:]:
        beyond.set_visible(False)
    for above in panels[max(many - across, 0) : many]:
        above.tick_params(labelbottom=True)  # the lowest of its column, though a row may be below
    return figure, panels[:many]


def decision_curve(evidence: Evidence) -> Figure:
    """Draw net benefit over thresholds, one panel a model, beside the comparator on the same people."""
    compared = [c for c in evidence.comparisons if c.decision]
    figure = Figure(figsize=(4.2 * max(len(compared), 1), 4))
    panels = np.atleast_1d(figure.subplots(1, max(len(compared), 1), sharex=True, sharey=True))
    highest = 1.0
    for panel, comparison, colour in zip(panels, compared, COLOURS[1:], strict=False):
        thresholds = [100 * p.threshold for p in comparison.decision]
        for name, points, shade in (
            (comparison.model, comparison.decision, colour),
            (comparison.comparator, comparison.comparator_decision, COLOURS[0]),
        ):
            panel.plot(thresholds, [1000 * p.model.value for p in points], color=shade, label=name)
            highest = max([highest, *(1000 * p.model.value for p in points if np.isfinite(p.model.value))])
        everybody = [1000 * p.treat_all.value for p in comparison.decision]
        panel.plot(thresholds, everybody, color="#777777", ls=":", label="flag everybody")
        panel.axhline(0, color="#333333", lw=1, label="flag nobody")
        panel.set_ylim(-0.15 * highest, 1.1 * highest)
        panel.set_title(f"On the {comparison.decision[0].model.n} landmarks both can score", fontsize=9)
        panel.set_xlabel("Threshold (%)")
        panel.legend(frameon=False)
    panels[0].set_ylabel("Net benefit per 1,000 people")
    return figure


def risk_distribution(evidence: Evidence) -> Figure:
    """Draw how predicted risks are spread among people with and without the event."""
    models = [(m, c) for m, c in _scored(evidence) if m.distribution]
    figure, panels = _grid(len(models))
    for panel, (model, _) in zip(panels, models, strict=True):
        assert model.distribution is not None
        edges = 100 * np.array(model.distribution.edges)
        for name, label, colour in (
            ("event_free", "no event", COLOURS[0]),
            ("competing", "other death", COLOURS[5]),
            ("event", "event", COLOURS[1]),
        ):
            counts = np.array([np.nan if n is None else n for n in model.distribution.counts[name]], dtype=float)
            share = 100 * counts / np.nansum(counts) if np.nansum(counts) else counts
            panel.stairs(np.nan_to_num(share), edges, color=colour, label=label)
        panel.set_xlim(0, 40)
        panel.set_title(model.name, fontsize=10)
    figure.supxlabel("Predicted risk (%)", fontsize=10)
    figure.supylabel("Share of the group (%), cells under 11 left out", fontsize=10)
    for panel in panels[-1:]:
        panel.legend(frameon=False)
    return figure


def folds(evidence: Evidence) -> Figure:
    """Draw discrimination and calibration in each held-out fold, their mean, and what to expect in a new one."""
    models = _scored(evidence)
    rows = [(model, colour, fold) for model, colour in models for fold in (*model.folds, None)]
    figure = Figure(figsize=(9, 1.3 + 0.26 * len(rows)))
    panels = figure.subplots(1, 2, sharey=True)
    for panel, measure, ideal in zip(panels, ("auc", "observed_expected"), (None, 1.0), strict=True):
        for row, (model, colour, fold) in enumerate(rows):
            if fold is not None:
                estimate = next(e for e in fold.estimates if e.measure == measure)
                if np.isfinite(estimate.value):
                    panel.plot([estimate.low, estimate.high], [row, row], color=colour, lw=1)
                    panel.plot(estimate.value, row, "o", color=colour, ms=4)
                continue
            pooled = next((each for each in model.heterogeneity if each.measure == measure), None)
            if pooled is not None and np.isfinite(pooled.pooled):
                panel.plot([pooled.expected_low, pooled.expected_high], [row, row], color=colour, lw=7, alpha=0.25)
                panel.plot([pooled.low, pooled.high], [row, row], color=colour, lw=3)
                panel.plot(pooled.pooled, row, "D", color=colour, mec="white", ms=7)
            panel.axhline(row + 0.5, color="#e5e5e5", lw=1)
        panel.grid(axis="y", visible=False)
        panel.set_xlabel({"auc": "AUC at the horizon", "observed_expected": "Observed / expected"}[measure])
        if ideal is not None:
            panel.axvline(ideal, color="#555555", ls="--", lw=1)
    labels = [f"{model.name}, {'mean' if fold is None else fold.label}" for model, _, fold in rows]
    panels[0].set_yticks(range(len(rows)), labels, fontsize=8)
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    figure.supxlabel(
        "Dots: each fold and its 95 % interval. Diamonds: mean over folds, its 95 % interval (line) "
        "and the 95 % prediction interval of a new fold (band)",
        fontsize=8,
    )
    return figure


def importance(explanation: Explanation, most: int = 15) -> Figure:
    """Draw the features that move predictions most, and how far that differs between refits on other practices."""
    shown = explanation.importance[:most][::-1]
    figure = Figure(figsize=(6.8, 0.8 + 0.3 * len(shown)))
    panel = figure.subplots()
    labels = [item.en for item in shown]
    panel.barh(labels, [item.mean_abs for item in shown], color=COLOURS[4])
    for row, item in enumerate(shown):
        panel.plot([item.low, item.high], [row, row], color="#333333", lw=1.5, marker="|", ms=6)
    again = f"\nLines: 95 % of {explanation.refits} refits on other practices" if explanation.refits else ""
    panel.set_xlabel(f"Mean absolute SHAP value (log-odds), {explanation.model}{again}")
    panel.grid(axis="y", visible=False)
    return figure


def dependence(explanation: Explanation, most: int = 6) -> Figure:
    """Draw how the effect of the most important features varies with their value."""
    by_name = {item.feature: item for item in explanation.dependence}
    top = explanation.importance[:most]
    figure = Figure(figsize=(10, 5.4))
    for panel, item in zip(figure.subplots(2, 3, sharey=True).flat, top, strict=False):
        found = by_name[item.feature]
        panel.axhline(0, color="#555555", lw=1)
        panel.plot(found.values, found.effects, "o-" if len(found.values) > 2 else "o", color=COLOURS[0], ms=4)
        panel.set_xlabel(f"{item.en}" + (f" ({item.unit})" if item.unit not in (None, "1") else ""))
    figure.supylabel("Mean SHAP value (log-odds)")
    return figure

"""What a study shows, as a tree that is written as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from training.curves import CalibrationPoint, DecisionPoint, RiskDistribution, SmoothPoint
from training.measures import Estimate
from training.tree import JsonTree
from training.validate.heterogeneity import Heterogeneity
from training.validate.ranking import Ranking
from training.validate.reclassification import Reclassification
from training.validate.robustness import LearningCurve, Stability
from training.validate.sample_size import Development, Precision
from training.values import Bilingual


@dataclass(frozen=True)
class FoldEvidence:
    """What one held-out group of practices (regions, years) shows.

    Parameters
    ----------
    label
        Label of the fold.
    clusters
        Practices (or what else is drawn in the bootstrap) it holds.
    estimates
        Discrimination, observed / expected and calibration slope in it.
    """

    label: str
    clusters: int
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True)
class ModelEvidence:
    """What is known of one model.

    Parameters
    ----------
    name, title
        Those of the model.
    scored, refused
        Tested landmarks with and without a risk. When a model refuses 1 to 10, neither is shown, nor any other
        count of its landmarks that would tell them.
    reasons
        Why risks were refused, and how often; empty when the model does not say.
    estimates
        Every measure.
    calibration, smooth
        Observed against predicted risk: by risk group, and as a smooth curve (empty with too few events).
    decision, distribution
        Decision curve, and spread of predicted risks (None without any).
    folds, heterogeneity
        Each fold, and how much they differ.
    precision
        Whether the validation is large enough, measure by measure.
    notice
        What the authors of a published score ask to be shown with its results, by language; empty if nothing.
    """

    name: str
    title: Bilingual
    scored: int | None
    refused: int | None
    reasons: dict[str, int | None]
    estimates: tuple[Estimate, ...] = ()
    calibration: tuple[CalibrationPoint, ...] = ()
    smooth: tuple[SmoothPoint, ...] = ()
    decision: tuple[DecisionPoint, ...] = ()
    distribution: RiskDistribution | None = None
    folds: tuple[FoldEvidence, ...] = ()
    heterogeneity: tuple[Heterogeneity, ...] = ()
    precision: tuple[Precision, ...] = ()
    notice: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SchemeModel:
    """What another way to hold people out shows of one model.

    Parameters
    ----------
    name
        That of the model.
    estimates
        Every measure, all folds together.
    folds, heterogeneity
        Each fold, and how much they differ.
    """

    name: str
    estimates: tuple[Estimate, ...]
    folds: tuple[FoldEvidence, ...]
    heterogeneity: tuple[Heterogeneity, ...]


@dataclass(frozen=True)
class Scheme:
    """Another way to hold people out, beside the one the evidence rests on.

    Parameters
    ----------
    splits
        How people are held out.
    models
        What it shows of each model that gives risks.
    """

    splits: dict[str, Any]
    models: tuple[SchemeModel, ...]


@dataclass(frozen=True)
class Comparison:
    """A model against the comparator, on the landmarks both could score.

    Parameters
    ----------
    model, comparator
        Their names.
    differences
        Model minus comparator, measure by measure, from the same bootstrap replicates.
    decision, comparator_decision
        Decision curves of both, on these same landmarks: curves of different people must not be laid over each other.
    reclassification
        Who changes category; None without thresholds.
    """

    model: str
    comparator: str
    differences: tuple[Estimate, ...]
    decision: tuple[DecisionPoint, ...] = ()
    comparator_decision: tuple[DecisionPoint, ...] = ()
    reclassification: Reclassification | None = None


@dataclass(frozen=True)
class Evidence(JsonTree):
    """What a study shows: the root of the tree.

    Parameters
    ----------
    study
        Name of the study.
    horizon
        Years.
    people, landmarks, practices
        How many were tested.
    events, competing, censored, followed
        Tested landmarks by what was seen at the horizon: the event, a competing event, departure before it,
        or neither event until it. None where too few to be shown.
    splits
        How people were held out.
    clusters
        Column of the index whose values, whole, were drawn in the bootstrap.
    thresholds, resamples, seed
        Decision thresholds, bootstrap replicates and their seed.
    models, comparisons
        What is known of each model, and of each against the comparator.
    development
        Whether the study is large enough to develop a model.
    schemes
        What other ways to hold people out show.
    ranking
        Which model is best by the rule declared beforehand; None when there are not two to compare.
    stability, learning
        How much the predictions of a model depend on who was learned from, and on how many; empty when not asked for.
    """

    study: str
    horizon: float
    people: int | None
    landmarks: int | None
    practices: int
    events: int | None
    competing: int | None
    censored: int | None
    followed: int | None
    splits: dict[str, Any]
    clusters: str
    thresholds: tuple[float, ...]
    resamples: int
    seed: int
    models: tuple[ModelEvidence, ...]
    comparisons: tuple[Comparison, ...]
    development: Development | None = None
    schemes: tuple[Scheme, ...] = ()
    ranking: Ranking | None = None
    stability: tuple[Stability, ...] = ()
    learning: tuple[LearningCurve, ...] = ()

"""From models and held-out people to evidence: what can be claimed, and with what certainty.

Every risk that is judged was given by a model that had learned from nobody in the judged person's fold. Small
counts are masked as evidence is made, so it can be published as it is.
"""

from training.validate.evidence import Comparison, Evidence, FoldEvidence, ModelEvidence, Scheme, SchemeModel
from training.validate.heterogeneity import Heterogeneity, across_folds
from training.validate.predicting import Predictions, Progress, out_of_fold
from training.validate.ranking import Ranked, Ranking, Rule
from training.validate.reclassification import Move, Reclassification, reclassification
from training.validate.robustness import (
    Fewer,
    LearningCurve,
    LearningPoint,
    Robustness,
    Stability,
    StabilityGroup,
    learning_curve,
    refitted,
    stability,
)
from training.validate.sample_size import Development, Precision, development_needs, validation_needs
from training.validate.validating import validate

__all__ = [
    "Comparison",
    "Development",
    "Evidence",
    "Fewer",
    "FoldEvidence",
    "Heterogeneity",
    "LearningCurve",
    "LearningPoint",
    "ModelEvidence",
    "Move",
    "Precision",
    "Predictions",
    "Progress",
    "Ranked",
    "Ranking",
    "Reclassification",
    "Robustness",
    "Rule",
    "Scheme",
    "SchemeModel",
    "Stability",
    "StabilityGroup",
    "across_folds",
    "development_needs",
    "learning_curve",
    "out_of_fold",
    "reclassification",
    "refitted",
    "stability",
    "validate",
    "validation_needs",
]

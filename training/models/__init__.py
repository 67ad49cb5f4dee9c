"""Risk models: ``fit`` on features and follow-up, ``incidence`` for new people.

`CensoringWeighted` makes any classifier answer at the horizon and `StackedHazard` interval by interval; `CompetingCox`
is what statisticians compare them with; `Recalibrated` wraps any model.
"""

from training.models.base import Floats, Learned, RiskModel
from training.models.censoring_weighted import CensoringWeighted, Shape
from training.models.competing_cox import CauseSpecificHazard, CompetingCox
from training.models.group_incidence import GroupIncidence
from training.models.recalibrated import Curve, Line, Method, Recalibrated
from training.models.stacked_hazard import StackedHazard
from training.models.standard import (
    gradient_boosting,
    logistic_regression,
    stacked_gradient_boosting,
    stacked_logistic_regression,
)

__all__ = [
    "CauseSpecificHazard",
    "CensoringWeighted",
    "CompetingCox",
    "Curve",
    "Floats",
    "GroupIncidence",
    "Learned",
    "Line",
    "Method",
    "Recalibrated",
    "RiskModel",
    "Shape",
    "StackedHazard",
    "gradient_boosting",
    "logistic_regression",
    "stacked_gradient_boosting",
    "stacked_logistic_regression",
]

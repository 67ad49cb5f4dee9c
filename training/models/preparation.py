"""What a linear model needs of features: one rule for missing values and scale, the same in training and in use."""

from __future__ import annotations

from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler


def preparation() -> Pipeline:
    """Return the standard preparation: the training median where missing, an indicator that it was, and scaling."""
    return make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), StandardScaler()
    )

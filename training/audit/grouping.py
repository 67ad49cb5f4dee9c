"""Groups of people: their labels, their crossings, and the value of measures in each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from features.outcome import FollowUp
from training.audit.measures import MINIMUM_EVENTS
from training.measures import Column, OutcomeAtHorizon, point_value
from training.survival import Floats, close

MISSING: Final = "missing"
"""Label of the group of people whose label is not known."""

CROSS: Final = " × "
"""Between the names of attributes or groups that are crossed."""


def with_pairs(groups: pd.DataFrame, events: float = math.inf) -> pd.DataFrame:
    """Return the attributes and every pair of them, so that a group hidden in two averages is seen.

    Parameters
    ----------
    groups
        Sensitive attributes, one column each.
    events
        How many there are in all. A pair whose groups would have fewer than `MINIMUM_EVENTS` each on average is left
        out: most would have no value, and hiding their small counts would hide those of groups that have one.

    Returns
    -------
    DataFrame
        The same columns, then one ``"a × b"`` a pair.
    """
    labels = {str(name): label_groups(groups[name]) for name in groups.columns}
    pairs = {
        f"{a}{CROSS}{b}": labels[a] + CROSS + labels[b]
        for a, b in itertools.combinations(labels, 2)
        if events >= MINIMUM_EVENTS * labels[a].nunique() * labels[b].nunique()
    }
    return pd.DataFrame(labels | pairs, index=groups.index)


def label_groups(column: pd.Series[Any]) -> pd.Series[str]:
    """Return the labels of an attribute as text, ``"missing"`` where there is none."""
    return column.astype(object).where(column.notna(), MISSING).astype(str)


def values_by_group(
    risk: Floats, followup: FollowUp, horizon: float, labels: pd.Series[str], columns: Sequence[Column]
) -> dict[str, Floats]:
    """Return the value of each measure, in the order given, in each group, by label, through fairlearn."""
    from fairlearn.metrics import MetricFrame  # not above: serving reads this package's labels, and scores without it

    def measured(y_true: Any, y_pred: Any, *, cause: Any) -> Floats:
        """Measure one group: times as true values, risks as predictions, then causes by name."""
        duration, risks = np.asarray(y_true), np.asarray(y_pred)
        reason = np.zeros(len(duration), dtype=np.int8)
        outcome = OutcomeAtHorizon.of(FollowUp(duration, np.asarray(cause), reason, horizon), horizon)
        return np.array([point_value(column, risks, outcome, np.ones(len(risks))) for column in columns])

    closed = close(followup, horizon)
    frame: Any = MetricFrame(
        metrics=measured,
        y_true=closed.duration,
        y_pred=risk,
        sensitive_features=labels.to_numpy(dtype=object),
        sample_params={"cause": closed.cause},
    )
    return {str(label): values for label, values in frame.by_group.items()}

"""What fields of a card hold, beyond a text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Self

from pydantic import FiniteFloat

from features.privacy import SMALLEST_COUNT
from training.card.suppression import HIDDEN, Count, gate
from training.card.writing import label_of_measure
from training.values import Bilingual, Frozen, Moment, Text


class NotApplicable(Frozen):
    """A field that does not apply, and why."""

    reason: Bilingual


Content = Bilingual | NotApplicable


class HeadlineEstimate(Frozen):
    """A number a reader should remember, with its certainty and the run it comes from.

    Parameters
    ----------
    measure, label
        Key of the measure, and its name for readers.
    value, low, high
        Value and 95 % interval; None where it may not or cannot be given.
    n, events
        Landmarks, and events among them by the horizon.
    threshold
        Decision threshold, where the measure has one.
    run_id
        MLflow run.
    """

    measure: Text
    label: Bilingual
    value: FiniteFloat | None
    low: FiniteFloat | None
    high: FiniteFloat | None
    n: Count
    events: Count
    threshold: FiniteFloat | None = None
    run_id: Text

    @classmethod
    def of(cls, estimate: Mapping[str, Any], run_id: str, label: Bilingual | None = None) -> Self:
        """Return the headline made of an estimate as evidence writes it."""
        name = str(estimate["measure"])
        return cls(**gate(estimate), run_id=run_id, label=label or label_of_measure(name))


Headlines = tuple[HeadlineEstimate, ...]


class FlowStep(Frozen):
    """How many were still in after a step of selection; the first step is where everybody starts."""

    label: Bilingual
    people: Count
    landmarks: Count
    events: Count


def hide_small_steps(steps: tuple[FlowStep, ...]) -> tuple[FlowStep, ...]:
    """Hide the counts by which fewer than 11 people could be seen to leave between two steps, the last being kept."""
    columns = ("people", "landmarks", "events")
    shown = {column: _apart([getattr(step, column) for step in steps]) for column in columns}
    return tuple(
        step.model_copy(update={column: shown[column][position] for column in columns})
        for position, step in enumerate(steps)
    )


def _apart(counts: list[int | str]) -> list[int | str]:
    """Hide each count within 10 of the next one shown, from the last to the first."""
    following: int | None = None
    kept: list[int | str] = []
    for count in reversed(counts):
        if isinstance(count, int) and following is not None and 0 < abs(count - following) < SMALLEST_COUNT:
            count = HIDDEN
        following = count if isinstance(count, int) else following
        kept.append(count)
    return kept[::-1]


class Characteristic(Frozen):
    """One line about the study population.

    Parameters
    ----------
    label, value
        What, and a summary such as a median with its quartiles, never a minimum or maximum.
    n, missing
        How many have a value, and how many have none.
    """

    label: Bilingual
    value: Bilingual
    n: Count
    missing: Count


class InputFeature(Frozen):
    """One thing the model reads.

    Parameters
    ----------
    name, label
        Identifier, and name for readers.
    unit
        UCUM unit, None without.
    definition
        From which records, how far back.
    plausible
        Range of values that are believed.
    required
        Whether the model abstains without it.
    """

    name: Text
    label: Bilingual
    unit: Text | None = None
    definition: Bilingual | Text | None = None
    plausible: tuple[FiniteFloat, FiniteFloat] | None = None
    required: bool = False


class DataWindow(Frozen):
    """First and last thing that happened in the records, and when they were delivered."""

    first: Moment
    last: Moment
    delivered_at: Moment


class SignOff(Frozen):
    """Who answers for the test report, and since when."""

    responsible: Text
    signed_on: date

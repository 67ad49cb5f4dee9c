"""Cohorts: who is looked at, when, and everybody who was left out and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.codes import Concept
from features.columnar import evaluate_all, latest_practice
from features.digests import digest
from features.engines import Progress, over_shards
from features.feature_set import FeatureSet
from features.language import Duration, ExpressionError
from features.outcome import EVENT, FollowUp, Outcome
from features.records import Records, Shard, to_microseconds

Moments = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


@dataclass(frozen=True)
class OnDates:
    """Landmarks at fixed dates, the same for everybody."""

    dates: tuple[datetime, ...]

    def of_shard(self, shard: Shard) -> Moments:
        """Return positions of patients and moments (microseconds since 1970), one landmark a pair."""
        as_of = np.array([to_microseconds(date) for date in self.dates], dtype=np.int64)
        people = len(shard.patients)
        return np.repeat(np.arange(people), len(as_of)), np.tile(as_of, people)

    def to_dict(self) -> dict[str, Any]:
        """Return the definition as JSON types."""
        return {"on_dates": [date.isoformat() for date in self.dates]}


@dataclass(frozen=True)
class AfterEach:
    """A landmark some time after each record of a concept."""

    concept: Concept
    after: Duration

    def of_shard(self, shard: Shard) -> Moments:
        """Return positions of patients and moments (microseconds since 1970), one landmark a pair."""
        covered = np.array([self.concept.covers(code) for code in shard.codes], dtype=bool)
        rows = np.flatnonzero(covered[shard.code]) if len(covered) else np.empty(0, dtype=np.int64)
        pairs = np.unique(
            np.column_stack([shard.patient[rows], shard.happened[rows] + self.after.microseconds]), axis=0
        )
        return pairs[:, 0], pairs[:, 1]

    def to_dict(self) -> dict[str, Any]:
        """Return the definition as JSON types."""
        return {"after_each": self.concept.to_dict(), "microseconds": self.after.microseconds}


@dataclass(frozen=True)
class Step:
    """One line of an attrition table: how many are left after a criterion.

    Attributes
    ----------
    fr, en
        The criterion.
    people, landmarks, events
        Distinct patients, landmarks, and landmarks followed by the event, still in after it.
    """

    fr: str
    en: str
    people: int
    landmarks: int
    events: int


@dataclass(frozen=True, eq=False)
class Members:
    """A cohort applied to records.

    Attributes
    ----------
    index
        One row a landmark: ``patient``, ``practice``, ``as_of``; sorted by patient and time.
    followup
        What followed, of the same rows.
    attrition
        From everybody to these rows, one criterion a step.
    """

    index: pd.DataFrame
    followup: FollowUp
    attrition: tuple[Step, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over who is in and when."""
        moments = self.index["as_of"].astype("int64").tolist()
        return digest([self.index["patient"].tolist(), self.index["practice"].tolist(), moments])


@dataclass(frozen=True)
class Cohort:
    """Landmarks and the criteria a patient must meet at each.

    Parameters
    ----------
    landmarks
        When patients are looked at.
    criteria
        Conditions, evaluated at the landmark from what was known before it; a missing one is not met.
    registration
        Concept whose latest record says which practice a patient belongs to.
    """

    name: str
    landmarks: OnDates | AfterEach
    criteria: FeatureSet
    registration: Concept

    def __post_init__(self) -> None:
        wrong = [feature.name for feature in self.criteria.values() if not feature.is_condition]
        if wrong:
            raise ExpressionError(f"criteria must be conditions; these are not: {', '.join(wrong)}")

    def to_dict(self) -> dict[str, Any]:
        """Return the definition as JSON types, for cards and digests."""
        return {
            "name": self.name,
            "landmarks": self.landmarks.to_dict(),
            "criteria": self.criteria.to_dict(),
            "registration": self.registration.to_dict(),
        }

    def members(self, records: Records, outcome: Outcome, progress: Progress | None = None) -> Members:
        """Apply the cohort: who is in, what followed, and how many were left out at each step.

        Raises
        ------
        ValueError
            If nobody is left; the attrition is then in the message.
        """
        delivered_at = records.delivered_at
        parts = list(over_shards(records, lambda s: self._of_shard(s, outcome, delivered_at), progress=progress))
        labels = [("Tous les patients, à chaque date repère", "All patients, at each landmark"), *self._steps()]
        attrition = tuple(
            Step(fr, en, *(sum(part[2][step][i] for part in parts) for i in range(3)))
            for step, (fr, en) in enumerate(labels)
        )
        index = pd.concat([part[0] for part in parts], ignore_index=True)
        if index.empty:
            lines = "\n".join(f"- {s.en}: {s.people} people, {s.landmarks} landmarks" for s in attrition)
            raise ValueError(f"cohort {self.name!r} is empty; what was left after each criterion:\n{lines}")
        order = index.sort_values(["patient", "as_of"], kind="stable").index.to_numpy()
        followup = FollowUp.concatenate([part[1] for part in parts])
        return Members(index.loc[order].reset_index(drop=True), followup[order], attrition)

    def _steps(self) -> list[tuple[str, str]]:
        return [
            ("Inscrit dans un cabinet", "Registered with a practice"),
            *((criterion.fr, criterion.en) for criterion in self.criteria.values()),
            (
                "Ni événement ni décès déjà survenu à l’insu du cabinet",
                "Neither event nor death already past but unknown to the practice",
            ),
            ("Suivi possible avant la fin des données", "Follow-up possible before the data end"),
        ]

    def _of_shard(
        self, shard: Shard, outcome: Outcome, delivered_at: datetime
    ) -> tuple[pd.DataFrame, FollowUp, list[tuple[int, int, int]]]:
        position, as_of = self.landmarks.of_shard(shard)
        patients = shard.patients[position]
        practice = latest_practice(shard, patients, as_of, self.registration)
        conditions = evaluate_all([c.node for c in self.criteria.values()], shard, patients, as_of)
        followup, early = outcome.of_shard(shard, patients, as_of, delivered_at)
        left = np.ones(len(as_of), dtype=bool)
        counts = []
        for step in (left, practice != "", *(c == 1.0 for c in conditions), ~early, followup.duration > 0):
            left = left & step
            events = int(((followup.cause == EVENT) & left).sum())
            counts.append((len(np.unique(position[left])), int(left.sum()), events))
        index = pd.DataFrame(
            {
                "patient": pd.Series(patients[left], dtype="str"),
                "practice": pd.Series(practice[left], dtype="str"),
                "as_of": as_of[left].astype("datetime64[us]"),
            }
        )
        return index, followup[left], counts

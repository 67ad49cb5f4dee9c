"""Outcomes: what happened after a landmark, and why the follow-up ended.

A feature sees only what was known before ``as_of``; an outcome sees only what happened from ``as_of`` on. The two
never meet in one module: nothing here can be reached from a feature expression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.codes import Code, Concept
from features.language import YEAR, Duration
from features.records import NEVER, Shard, to_microseconds

CENSORED: Final = 0
EVENT: Final = 1
COMPETING: Final = 2

REASONS: Final = ("event", "competing event", "horizon reached", "left the practice", "end of data")


@dataclass(frozen=True, eq=False)
class FollowUp:
    """Follow-up from each landmark: how long, what ended it, and why.

    Parameters
    ----------
    duration
        Years from ``as_of`` to the end of follow-up, shape ``(n,)``, never negative.
    cause
        ``CENSORED`` (0), ``EVENT`` (1) or ``COMPETING`` (2), shape ``(n,)``. Somebody who reaches the horizon without
        either is ``CENSORED`` with a duration equal to the horizon.
    reason
        Position in ``REASONS`` of why follow-up ended, shape ``(n,)``.
    horizon
        Years after which follow-up is closed for everybody.
    """

    duration: npt.NDArray[np.float64]
    cause: npt.NDArray[np.int8]
    reason: npt.NDArray[np.int8]
    horizon: float

    def __len__(self) -> int:
        return len(self.duration)

    def __getitem__(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> FollowUp:
        """Return the follow-up of some rows, given as a mask or as positions."""
        return FollowUp(self.duration[rows], self.cause[rows], self.reason[rows], self.horizon)

    @classmethod
    def concatenate(cls, parts: Sequence[FollowUp]) -> FollowUp:
        """Return the follow-up of several parts, one after the other; they must share their horizon."""
        if len({part.horizon for part in parts}) != 1:
            raise ValueError("follow-up of different horizons cannot be put together")
        return cls(
            np.concatenate([part.duration for part in parts]),
            np.concatenate([part.cause for part in parts]),
            np.concatenate([part.reason for part in parts]),
            parts[0].horizon,
        )


@dataclass(frozen=True)
class Silence:
    """An event that is the absence of records: none of a concept for so long.

    It happens when that time has gone by since ``as_of`` or, if there is one, since the last record from then on.

    Parameters
    ----------
    concept
        What there is no record of.
    lasting
        For how long; a record at its very end breaks the silence.
    """

    concept: Concept
    lasting: Duration

    @property
    def codes(self) -> tuple[Code, ...]:
        """Codes of the records that would break it."""
        return self.concept.codes

    def to_dict(self) -> dict[str, Any]:
        """Return the definition as JSON types, for cards and digests."""
        return {"silence": self.concept.to_dict(), "lasting_microseconds": self.lasting.microseconds}


@dataclass(frozen=True)
class Outcome:
    """What is predicted: an event within a horizon, what competes with it, and what ends follow-up.

    Parameters
    ----------
    name, fr, en
        Identifier and labels.
    event
        The first record of a concept from ``as_of`` on, or a silence that begins from then on.
    competing
        Its first record makes the event impossible (death).
    ends
        Records after which nothing is seen any more (departure): follow-up is censored there.
    horizon
        Years after which follow-up is closed: ``[as_of, as_of + horizon)``.
    settling
        How long before the data's end follow-up stops, so that letters still under way are not missed events.
    """

    name: str
    fr: str
    en: str
    event: Concept | Silence
    competing: Concept
    ends: tuple[Concept, ...]
    horizon: float
    settling: Duration

    def to_dict(self) -> dict[str, Any]:
        """Return the definition as JSON types, for cards and digests."""
        return {
            "name": self.name,
            "fr": self.fr,
            "en": self.en,
            "event": self.event.to_dict(),
            "competing": self.competing.to_dict(),
            "ends": [concept.to_dict() for concept in self.ends],
            "horizon_years": self.horizon,
            "settling_microseconds": self.settling.microseconds,
        }

    def of_shard(
        self,
        shard: Shard,
        patients: npt.NDArray[np.object_],
        as_of: npt.NDArray[np.int64],
        delivered_at: datetime,
    ) -> tuple[FollowUp, npt.NDArray[np.bool_]]:
        """Return the follow-up of rows, and which rows were no longer at risk at ``as_of`` without its being known yet.

        Parameters
        ----------
        patients, as_of
            Rows, shape ``(n,)``; ``as_of`` in microseconds since 1970.
        delivered_at
            The data's end.

        Returns
        -------
        FollowUp
            Of ``n`` rows. Where several things happen at one moment the first in the order of ``REASONS`` counts.
        ndarray of bool, shape (n,)
            Rows whose event or competing event was already past but learnt later: nothing can be predicted of them.
        """
        position = shard.positions(patients)
        if isinstance(self.event, Silence):
            event, event_past = _silent_from(shard, position, as_of, self.event), np.zeros(len(as_of), dtype=bool)
        else:
            event, event_past = _first_from(shard, position, as_of, (self.event,))
        competing, competing_past = _first_from(shard, position, as_of, (self.competing,))
        ends = np.stack(
            [
                event,
                competing,
                as_of + round(self.horizon * YEAR),
                _first_from(shard, position, as_of, self.ends)[0],
                np.full(len(as_of), to_microseconds(delivered_at) - self.settling.microseconds),
            ]
        )
        # At the horizon itself follow-up is closed; everything else at one moment goes by the order of REASONS.
        closed = ends[2] <= ends.min(axis=0)
        reason = np.where(closed, 2, ends.argmin(axis=0)).astype(np.int8)
        duration = np.maximum(ends.min(axis=0) - as_of, 0) / YEAR
        cause = np.select([reason == 0, reason == 1], [EVENT, COMPETING], CENSORED).astype(np.int8)
        duration[closed] = self.horizon
        return FollowUp(duration, cause, reason, self.horizon), event_past | competing_past


def _first_from(
    shard: Shard, position: npt.NDArray[np.int64], as_of: npt.NDArray[np.int64], concepts: Sequence[Concept]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return when each row's first record from ``as_of`` on happened, and whether one before was learnt only later."""
    rows = _standing(shard, concepts)
    bounds = np.searchsorted(shard.patient[rows], np.arange(len(shard.patients) + 1))
    moment = np.full(len(as_of), NEVER)
    early = np.zeros(len(as_of), dtype=bool)
    low = np.where(position < 0, 0, bounds[np.maximum(position, 0)])
    high = np.where(position < 0, 0, bounds[np.maximum(position, 0) + 1]) if len(shard.patients) else low
    for row in np.flatnonzero(high > low):  # few people have such records, and each has few
        found = rows[low[row] : high[row]]
        happened = shard.happened[found]
        if len(after := happened[happened >= as_of[row]]):
            moment[row] = after.min()
        early[row] = bool(((happened < as_of[row]) & (shard.known[found] >= as_of[row])).any())
    return moment, early


def _silent_from(
    shard: Shard, position: npt.NDArray[np.int64], as_of: npt.NDArray[np.int64], silence: Silence
) -> npt.NDArray[np.int64]:
    """Return when each row's first silence from ``as_of`` on is complete."""
    rows, lasting = _standing(shard, (silence.concept,)), silence.lasting.microseconds
    patient, happened = shard.patient[rows], shard.happened[rows]
    # In the order of patient and time, rows before records of the same moment: as many records as come before a row.
    order = np.lexsort((np.concatenate([as_of, happened]), np.concatenate([position, patient])))
    is_row = order < len(as_of)
    first = np.empty(len(as_of), dtype=np.int64)
    first[order[is_row]] = np.cumsum(~is_row)[is_row]
    # From each record, the first that is followed in time by no other: after it the silence is complete.
    followed = np.append(patient[1:] == patient[:-1], False) & (np.diff(happened, append=NEVER) <= lasting)
    last = np.minimum.accumulate(np.where(followed, len(rows), np.arange(len(rows)))[::-1])[::-1]
    heard = np.flatnonzero(first < len(rows))
    at = first[heard]
    in_time = (patient[at] == position[heard]) & (happened[at] - as_of[heard] <= lasting)
    found = as_of + lasting
    found[heard[in_time]] = happened[last[at[in_time]]] + lasting
    return found


def _standing(shard: Shard, concepts: Sequence[Concept]) -> npt.NDArray[np.int64]:
    """Return the rows of a shard that are of some concept and were not taken back."""
    covered = np.array([any(concept.covers(code) for concept in concepts) for code in shard.codes], dtype=bool)
    return np.flatnonzero(covered[shard.code] & (shard.retracted == NEVER)) if len(covered) else np.empty(0, np.int64)

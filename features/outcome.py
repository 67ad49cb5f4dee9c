"""Outcomes: what happened after a landmark, and why the follow-up ended.

A feature sees only what was known before ``as_of``; an outcome sees only what happened from ``as_of`` on. The two
never meet in one module: nothing here can be reached from a feature expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

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

"""The task of `benchmarks.features`, and how a peer does it: all that runs where Vigie is not installed.

A peer is a module of `benchmarks.peers` that computes one frame of named features from the files of a folder. It runs
in an environment of its own, with nothing of ours but this module.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

DAY: Final = 86_400_000_000  # microseconds, as all times of the files
YEAR: Final = 365.25 * DAY
WINDOWS: Final = {"1y": 365, "5y": 1825}  # days
COUNTED, VALUED = 30, 15  # codes; the valued are the first of the counted
STATISTICS: Final = ("latest", "mean", "minimum", "maximum")

#: Columns by the name of their feature, a place for each patient of the index, in its order.
Columns = Mapping[str, npt.ArrayLike]


def names() -> list[str]:
    """Return the names of the features, in order."""
    found = []
    for code in range(COUNTED):
        found.append(f"c{code}_count_ever")
        for window in WINDOWS:
            found.append(f"c{code}_count_{window}")
            found += [f"c{code}_{statistic}_{window}" for statistic in STATISTICS if code < VALUED]
        if code < VALUED:
            found.append(f"c{code}_since")
    return found


def as_peer(
    compute: Callable[[Path], Any],
    read: Callable[[Any], Columns],
    prepare: Callable[[Path], Path] = lambda folder: folder,
) -> None:
    """Do the task in this process: ``python -m benchmarks.peers.NAME FOLDER COLUMNS``.

    Parameters
    ----------
    compute
        What is timed: from the files of a folder to features, as the peer leaves them.
    read
        What is not: from those to columns, to be compared with ours and written to ``COLUMNS``.
    """
    folder, file = map(Path, sys.argv[1:])
    prepared = prepare(folder)
    began, worked = time.perf_counter(), _work()
    found = compute(prepared)
    seconds, work = time.perf_counter() - began, _work() - worked
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(w).ru_maxrss for w in who) / 1024
    np.savez(file, **{name: np.asarray(values, np.float64) for name, values in read(found).items()})
    print(json.dumps({"seconds": seconds, "work": work, "megabytes": peak}))


def _work() -> float:
    """Return the processors' time of this process and of those it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)

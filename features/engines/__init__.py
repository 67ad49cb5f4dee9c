"""Where shards run. A shard is computed by a pure function, so an engine only decides where and how many at once.

Threads are here; a Spark cluster is in `features.engines.spark`, the only module that needs PySpark.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

import pyarrow as pa

from features.records import Records, Shard

Item = TypeVar("Item")
Result = TypeVar("Result")
#: Called with (shards done, shards in all).
Progress = Callable[[int, int], None]
#: What is done with a shard: its number and the rows asked of it in, a table out.
Work = Callable[[int, pa.Table], pa.Table]
Request = tuple[int, pa.Table]


class Engine(Protocol):
    """Do the same work for each of some shards, wherever it runs: an engine changes no value.

    A fault of the data is a `ValueError` or a `FileNotFoundError` on every engine.
    """

    def __call__(self, work: Work, requests: Sequence[Request], progress: Progress | None = None) -> Iterator[pa.Table]:
        """Yield ``work(shard, rows)`` for each request (shard, rows), in their order."""


def on_threads(work: Work, requests: Sequence[Request], progress: Progress | None = None) -> Iterator[pa.Table]:
    """Do the work on this machine, a thread a processor; see `Engine`."""
    return _told(in_order(lambda request: work(*request), requests), len(requests), progress)


def over_shards(
    records: Records,
    function: Callable[[Shard], Result],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Result]:
    """Yield ``function(shard)`` for each shard, in shard order.

    Parameters
    ----------
    workers
        Shards in memory at once, one thread each; by default as many as there are processors.
    progress
        Called with (shards done, shards in all).
    """
    results = in_order(lambda n: function(records.read(n)), records.shards, workers)
    return _told(results, len(records.shards), progress)


def in_order(function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None) -> Iterator[Result]:
    """Yield ``function(item)`` for each item, in their order, some at a time.

    Parameters
    ----------
    items
        Taken one by one as work is handed out, so that few are in memory at once.
    workers
        Items in work at once, one thread each; by default as many as there are processors.
    """
    workers = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            if len(waiting) == workers:
                yield waiting.popleft().result()
            waiting.append(pool.submit(function, item))
        while waiting:
            yield waiting.popleft().result()


def _told(results: Iterator[Result], total: int, progress: Progress | None) -> Iterator[Result]:
    for done, result in enumerate(results, start=1):
        yield result
        if progress:
            progress(done, total)

"""Where shards run. A shard is computed by a pure function, so an engine only decides where and how many at once."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from features.records import Records, Shard

Item = TypeVar("Item")
Result = TypeVar("Result")
Progress = Callable[[int, int], None]


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
    for done, result in enumerate(in_order(lambda n: function(records.read(n)), records.shards, workers), start=1):
        yield result
        if progress:
            progress(done, len(records.shards))

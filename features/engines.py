"""Where shards run. A shard is computed by a pure function, so an engine only decides where and how many at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from features.records import Records, Shard

Result = TypeVar("Result")
Progress = Callable[[int, int], None]


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
    workers = workers or os.cpu_count() or 1
    numbers = list(records.shards)
    with ThreadPoolExecutor(workers) as pool:
        waiting: list[Future[Result]] = []
        for done in range(len(numbers)):
            while len(waiting) < workers and done + len(waiting) < len(numbers):
                number = numbers[done + len(waiting)]
                waiting.append(pool.submit(lambda n: function(records.read(n)), number))
            yield waiting.pop(0).result()
            if progress:
                progress(done + 1, len(numbers))

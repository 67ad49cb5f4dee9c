"""Shards on Apache Spark, where a machine is outgrown: the same work, through ``mapInArrow``.

Each task gets the number of one shard and the rows asked of it, reads that shard from storage that every executor sees
under the same path, and gives an Arrow table back. docs/spark.md says how to point it at a cluster.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from uuid import uuid4

import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from features.engines import Engine, Progress, Request, Work

#: Tables travel as Arrow streams: Spark's own types have no categories and would not give back every bit.
ASKED: Final = pa.schema([("place", pa.int32()), ("shard", pa.int32()), ("rows", pa.binary())])
ANSWERED: Final = pa.schema([("place", pa.int32()), ("result", pa.binary()), ("fault", pa.string())])
POLL: Final = 0.5  # seconds


class ShardsFailed(ValueError):
    """Shards that could not be computed on the cluster; the message names each, and why."""


def on_spark(session: SparkSession) -> Engine:
    """Return the engine that computes on the cluster of a Spark session, one task a shard; see `Engine`.

    Faults of the data are told of all shards at once. Whatever else fails in a task is tried again by Spark
    (``spark.task.maxFailures``) before it is told.

    Raises
    ------
    ShardsFailed
        When called, if a shard could not be computed.
    """

    def engine(work: Work, requests: Sequence[Request], progress: Progress | None = None) -> Iterator[pa.Table]:
        if not requests:
            return
        asked = pa.table(
            [range(len(requests)), [shard for shard, _ in requests], [_to_bytes(rows) for _, rows in requests]],
            schema=ASKED,
        )
        one_a_task = session.createDataFrame(asked).repartitionById(len(requests), "place")
        answers = one_a_task.mapInArrow(_task(work), "place int, result binary, fault string")
        with _watched(session, len(requests), progress):
            try:
                answered = answers.toArrow().sort_by("place")
            except PySparkException as error:
                raise ShardsFailed(_told(error)) from error
        if faults := [fault for fault in answered.column("fault").to_pylist() if fault]:
            raise ShardsFailed(f"{len(faults)} of {len(requests)} shards failed:\n" + "\n".join(faults))
        for result in answered.column("result"):
            yield _from_bytes(result.as_buffer())

    return engine


def _task(work: Work):  # type: ignore[no-untyped-def]
    def answer(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for place, shard, rows in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                result, fault = None, None
                try:
                    result = _to_bytes(work(shard, _from_bytes(rows)))
                except (ValueError, FileNotFoundError) as error:
                    fault = f"- shard {shard}: {type(error).__name__}: {error}"
                yield pa.record_batch([[place], [result], [fault]], schema=ANSWERED)

    return answer


@contextmanager
def _watched(session: SparkSession, total: int, progress: Progress | None) -> Iterator[None]:
    """Tell the progress of the one job that is run inside."""
    if progress is None:
        yield
        return
    context, group, over = session.sparkContext, uuid4().hex, threading.Event()
    tracker = context.statusTracker()

    def watch(progress: Progress) -> None:
        told = 0
        while not over.wait(POLL):
            jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group)]
            # The job that answers has a stage for the rows asked and one for the answers, the last.
            stages = [tracker.getStageInfo(max(job.stageIds)) for job in jobs if job and len(job.stageIds) > 1]
            done = sum(stage.numCompletedTasks for stage in stages if stage)
            if told < done < total:
                progress(told := done, total)

    watcher = threading.Thread(target=watch, args=(progress,), daemon=True)
    context.setJobGroup(group, f"{total} shards", interruptOnCancel=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        context.setJobGroup("", "")
    progress(total, total)


def _told(error: PySparkException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    said = lines[-1] if "Traceback" in str(error) else lines[0]
    return f"Spark gave the work up: {said.strip()} (docs/spark.md says what executors need)"


def _to_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _from_bytes(data: bytes | pa.Buffer) -> pa.Table:
    with pa.ipc.open_stream(data) as stream:
        return stream.read_all()

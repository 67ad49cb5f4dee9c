"""Retention: what is too old, and whatever is about people who object, is taken out of a store for good.

History is otherwise never rewritten. A purge is the one exception, because the law asks for it, and it says so: the
manifest keeps the rule, the day and how many rows went, never whose.

What may be purged
    Rows whose ``happened_at`` is before the day that is given, whenever they became known, and every row of people who
    object. A birth, a sex, a death, a registration and the departure that ends it stay while their patient has any
    record from that day on, however old they are: without them what is left could not be understood. A patient who has
    none goes wholly. Rows that were set aside go when they happened before that day, or, where they bear no date, were
    delivered before it; when they are about people who object; and always when they hold what looks like a
    social-security number.

What becomes of the past
    `Records.as_known` answers as before, less what was purged since: the store of a past day cannot be had back whole,
    and its digest is another one. What was computed from the store is stale and found to be so: frames of a
    `FeatureStore` are keyed by that digest. They still lie on the disk and hold values of people who may object:
    `FeatureStore.prune` deletes them. Backups, and what was delivered, are for whoever purges to delete.

What comes back
    Nothing old: rows from before the day of the latest purge are refused at the door from then on, even when a practice
    sends its whole files again (`Records.kept_from`). People who object must be left out at the door too
    (`features.ingest`). A delivery sent again under its name is refused, as its content is not what is left of it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.check import BATCH_ROWS, digest_of, leftovers, names_somebody, read_manifest
from features.engines import Progress
from features.intake import LASTING
from features.privacy import Objections
from features.records import TAKEN_BACK, Records, only_writer, settle

RULE: Final = (
    "rows that happened before the day, except birth, sex, death, registration and departure of patients who have "
    "records from that day on; all rows of people who object; rows set aside likewise, and any that look like a "
    "social-security number"
)

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Purge:
    """What a purge took out, or would take out.

    Attributes
    ----------
    day
        When it was done, UTC.
    before
        Rows that happened before this went; None where only people who object were concerned.
    rows, patients
        Rows that were too old, and patients of whom none was left.
    erased_rows, erased_patients
        Rows of people who object, and how many of these people had any.
    set_aside
        Rows that had been set aside, by why they had been.
    files
        Files that were written anew or, with nothing left in them, dropped.
    """

    day: datetime
    before: datetime | None
    rows: int = 0
    patients: int = 0
    erased_rows: int = 0
    erased_patients: int = 0
    set_aside: dict[str, int] = field(default_factory=dict)
    files: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return what the manifest keeps of it."""
        moments = {"day": self.day.isoformat(), "before": None if self.before is None else self.before.isoformat()}
        return {**asdict(self), **moments, "rule": RULE}


def purge(
    records: Records,
    before: datetime | None,
    *,
    objections: Objections | None = None,
    dry_run: bool = False,
    day: datetime | None = None,
    progress: Progress | None = None,
) -> Purge:
    """Take out what happened before a day, and people who object, and return how much that was.

    The files concerned are written anew, apart; one rename of the manifest makes them count, and only then are the old
    ones deleted. Killed at any instant, the store is as before or as after; what was left behind goes with the next
    purge, even one that finds nothing to do. A purge that finds nothing writes nothing. Digests change with what goes.
    Whoever opened the store before must open it again: the files they know of are gone.

    Parameters
    ----------
    records
        The store.
    before
        First day that is kept, UTC; None to purge nothing for its age.
    objections
        Whose records are erased wholly, however recent.
    dry_run
        Whether to count only.
    day
        Day that the manifest gives, by default now.
    progress
        Called with (files done, files in all).

    Raises
    ------
    ValueError
        If ``before`` has a time zone or is later than the latest delivery, which would leave nothing; or if files
        are not those that were taken in: nothing is then purged.
    """
    day = day or datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    erased = pa.array(sorted((objections or Objections()).pseudonyms), pa.string())
    with only_writer(records.path):
        manifest = read_manifest(records.path)
        deliveries = manifest["deliveries"]
        _require_sensible(before, deliveries)
        with tempfile.TemporaryDirectory(prefix=".incoming-", dir=records.path) as incoming:
            work = _Work(records.path, deliveries, before, erased, None if dry_run else Path(incoming) / "purge")
            done = work.run(int(manifest["shards"]), progress)
            found = Purge(day, before, files=len(work.changed), **done)
            if dry_run:
                return found
            _sweep(records.path, leftovers(records.path, manifest), keep=Path(incoming))
            if work.changed:
                manifest = _commit(records, manifest, work, found)
        _sweep(records.path, leftovers(records.path, manifest))
        records._manifest = manifest
    return found


def _require_sensible(before: datetime | None, deliveries: list[dict[str, Any]]) -> None:
    if before is None:
        return
    if before.tzinfo is not None:
        raise ValueError("before has a time zone: give it in UTC, without one")
    latest = max((datetime.fromisoformat(entry["delivered_at"]) for entry in deliveries), default=before)
    if before > latest:
        raise ValueError(f"{before} is after the latest delivery, {latest}: nothing would be left; give an earlier day")


@dataclass(eq=False)
class _Work:
    """One pass over the store: what stays of each file, counted, and written into ``folder`` unless that is None."""

    path: Path
    deliveries: list[dict[str, Any]]
    before: datetime | None
    erased: pa.Array
    folder: Path | None
    changed: dict[tuple[int, str], str | None] = field(default_factory=dict)  # digest of what is left, None if nothing
    lost: dict[int, Counter[str]] = field(default_factory=dict)  # rows of each delivery that go, by kind or fault
    spans: dict[int, list[datetime]] = field(default_factory=dict)

    def run(self, shards: int, progress: Progress | None) -> dict[str, Any]:
        """Go over every file, and return the counts of a `Purge`."""
        files = [(number, name) for number, entry in enumerate(self.deliveries) for name in entry["files"]]
        altered = [name for number, name in files if not self._intact(number, name)]
        if altered:  # written anew, they would pass for what was taken in
            raise ValueError(
                f"missing or altered since they were taken in, so that nothing is purged: {', '.join(altered)}"
            )
        counts: Counter[str] = Counter()
        aside: Counter[str] = Counter()
        done = 0
        for shard in range(shards):
            of_shard = [each for each in files if Path(each[1]).name.startswith(f"shard-{shard:04d}-")]
            stay = self._staying(of_shard, counts)
            for number, name in of_shard:
                self._file(number, name, stay, counts)
                done += 1
                if progress:
                    progress(done, len(files))
        for number, name in files:
            if Path(name).name.startswith("set-aside-"):
                self._file(number, name, None, aside)
                done += 1
                if progress:
                    progress(done, len(files))
        return {**counts, "set_aside": dict(sorted(aside.items()))}

    def _intact(self, number: int, name: str) -> bool:
        file = self.path / name
        return file.is_file() and digest_of(file) == self.deliveries[number]["files"][name]

    def _staying(self, files: list[tuple[int, str]], counts: Counter[str]) -> pa.Array:
        """Return the patients of a shard who do not object and have a record from ``before`` on."""
        everybody: set[str] = set()
        staying: set[str] = set()
        for _, name in files:
            for table in self._tables(name, ["patient", "happened_at"]):
                everybody.update(pc.unique(table.column("patient")).to_pylist())
                staying.update(pc.unique(table.filter(pa.array(~self._old(table))).column("patient")).to_pylist())
        erased = everybody & set(self.erased.to_pylist())
        counts["erased_patients"] += len(erased)
        counts["patients"] += len(everybody - erased - staying)
        return pa.array(sorted(staying - erased), pa.string())

    def _tables(self, name: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
        with pq.ParquetFile(self.path / name) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                yield pa.Table.from_batches([batch])

    def _old(self, table: pa.Table) -> Flags:
        """Return which rows happened before; a row without a date did not."""
        if self.before is None:
            return np.zeros(len(table), dtype=bool)
        old = pc.less(table.column("happened_at"), pa.scalar(self.before, pa.timestamp("us")))
        return _flags(old)

    def _going(self, number: int, table: pa.Table, stay: pa.Array | None) -> tuple[Flags, Flags]:
        """Return which rows go for their age, and which because their patient objects.

        ``stay`` is None for rows that were set aside.
        """
        erased = _flags(pc.is_in(table.column("patient"), value_set=self.erased))
        old = self._old(table)
        if stay is not None:
            lasting = _lasting(table) & _flags(pc.is_in(table.column("patient"), value_set=stay))
            return old & ~lasting & ~erased, erased
        delivered = datetime.fromisoformat(self.deliveries[number]["delivered_at"])
        if self.before is not None and delivered < self.before:
            old |= _flags(pc.is_null(table.column("happened_at")))
        return (old | names_somebody(table)) & ~erased, erased

    def _file(self, number: int, name: str, stay: pa.Array | None, counts: Counter[str]) -> None:
        columns = None if stay is None else ["patient", "happened_at", "code"]
        lost = self.lost.setdefault(number, Counter())
        gone = left = 0
        for table in self._tables(name, columns):
            old, erased = self._going(number, table, stay)
            going = old | erased
            gone += int(going.sum())
            left += int((~going).sum())
            if stay is None:
                faults = Counter(table.column("fault").filter(pa.array(going)).to_pylist())
                lost.update(faults)
                counts.update(faults)
            else:
                lost["taken_back" if name.endswith(TAKEN_BACK) else "rows"] += int(going.sum())
                counts["rows"] += int(old.sum())
                counts["erased_rows"] += int(erased.sum())
            if stay is not None and not name.endswith(TAKEN_BACK):
                span = pc.min_max(table.column("happened_at").filter(pa.array(~going))).as_py()
                self.spans.setdefault(number, []).extend(moment for moment in span.values() if moment is not None)
        if gone:
            self.changed[number, name] = self._rewrite(number, name, stay) if left and self.folder else None

    def _rewrite(self, number: int, name: str, stay: pa.Array | None) -> str:
        """Write what stays of a file, in the same order, and return its digest."""
        assert self.folder is not None
        target = self.folder / inside(number, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetFile(self.path / name) as file:
            schema = file.schema_arrow
        with pq.ParquetWriter(target, schema, compression="zstd") as writer:
            for table in self._tables(name):
                old, erased = self._going(number, table, stay)
                kept = table.filter(pa.array(~(old | erased)))
                if len(kept):
                    writer.write_table(kept)
        return digest_of(target)

    def entry(self, number: int, folder: str) -> dict[str, Any]:
        """Return the manifest's entry of a delivery after the purge."""
        entry = self.deliveries[number]
        files = {
            f"{folder}/{inside(number, name)}" if (number, name) in self.changed else name: self.changed.get(
                (number, name), digest
            )
            for name, digest in entry["files"].items()
        }
        lost, span = self.lost.get(number, Counter()), self.spans.get(number, [])
        return {
            **entry,
            "rows": entry["rows"] - lost["rows"],
            "taken_back": entry["taken_back"] - lost["taken_back"],
            **{
                key: {reason: many - lost[reason] for reason, many in entry[key].items() if many > lost[reason]}
                for key in ("refused", "quarantined")
            },
            "first": min(span).isoformat() if span else None,
            "last": max(span).isoformat() if span else None,
            "files": {name: digest for name, digest in sorted(files.items()) if digest is not None},
        }


def inside(number: int, name: str) -> str:
    """Return where, in the folder of a purge, a file of a delivery is written anew."""
    return f"delivery-{number:06d}/{Path(name).name}"


def _commit(records: Records, manifest: dict[str, Any], work: _Work, found: Purge) -> dict[str, Any]:
    """Move what was written into the store and make the manifest name it; return that manifest."""
    purges = manifest.get("purges", [])
    folder = f"purge-{len(purges) + 1:06d}"
    assert work.folder is not None
    if work.folder.exists():
        for each in (*work.folder.rglob("*"), work.folder):
            settle(each)  # the old files must not be gone before the new ones are there
        work.folder.rename(records.path / folder)
    after = {
        **manifest,
        "deliveries": [work.entry(number, folder) for number in range(len(work.deliveries))],
        "purges": [*purges, found.to_dict()],
    }
    records._save(after)
    return after


def _sweep(path: Path, left: list[Path], keep: Path | None = None) -> None:
    """Delete what no manifest names any more, and the folders that are then empty."""
    for item in left:
        if item == keep:
            continue
        if item.is_dir():
            shutil.rmtree(item)
        else:
            item.unlink()
    for kind in ("delivery-*", "purge-*/*", "purge-*"):
        for folder in path.glob(kind):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _lasting(table: pa.Table) -> Flags:
    """Return which rows bear a code of one of the `LASTING` concepts."""
    code = pc.dictionary_encode(table.column("code")).combine_chunks()
    codes = code.dictionary.to_pylist()
    covered = np.array([any(concept.covers(text) for concept in LASTING) for text in codes], dtype=bool)
    return covered[code.indices.to_numpy()] if len(codes) else np.zeros(len(table), dtype=bool)


def _flags(column: pa.ChunkedArray) -> Flags:
    flags: Flags = pc.fill_null(column, False).to_numpy().astype(bool)
    return flags

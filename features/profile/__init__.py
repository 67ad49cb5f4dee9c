"""Profile: what a store holds and what it is worth, for data managers, as one page in French and English.

Facts are counted a shard at a time, from its arrays; what was sent, set aside or sent twice is counted in the files,
which alone know it. Counts of one shard and another add up because a patient is in one shard only. Quantiles are of
exact counts in fine bins.

Nothing under 11 people or rows leaves `Profile.to_html`, nor what would give it away by subtraction; see
`features.profile.disclosure`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Any

import pyarrow.compute as pc

from features.catalogue.concepts import CONCEPTS
from features.codes import Concept
from features.engines import Progress, over_shards
from features.profile.axes import HISTORY, Axes
from features.profile.bins import BINS, value_of
from features.profile.counting import count_shard
from features.profile.disclosure import Share, hide, shares, short
from features.profile.months import Break, breaks
from features.profile.page import Page
from features.profile.rendering import to_html
from features.profile.sent import Sent, count_sent
from features.profile.tally import LONGEST, ODD, Tally
from features.records import Records, to_microseconds
from features.typography import Language

__all__ = [
    "BINS",
    "HISTORY",
    "LONGEST",
    "ODD",
    "Break",
    "Language",
    "Profile",
    "Share",
    "breaks",
    "hide",
    "profile",
    "shares",
    "short",
    "value_of",
]


@dataclass(frozen=True, eq=False)
class Profile:
    """What a store holds, counted exactly; only `to_html` is fit to be shown, because it hides small counts.

    Attributes
    ----------
    records_digest
        Digest of the records that were counted.
    deliveries
        Their entries in the manifest.
    end
        Day of the latest delivery; None if there is none.
    """

    records_digest: str
    deliveries: tuple[Mapping[str, Any], ...]
    end: datetime | None
    axes: Axes
    tally: Tally
    sent: Sent

    def to_html(self, language: Language = "fr") -> str:
        """Return one page that needs nothing else, in both languages, this one first; the same bytes every time."""
        return to_html(Page(self), language)


def profile(records: Records, progress: Progress | None = None, *, concepts: Sequence[Concept] = CONCEPTS) -> Profile:
    """Return what a store holds, without those who object to it.

    Parameters
    ----------
    records
        The store; a past day's is profiled as it was then.
    progress
        Called with (files and shards done, files and shards in all).
    concepts
        Concepts whose records are looked at; a code that none of them covers is *unmapped*.

    Raises
    ------
    ValueError
        If a file is not the one that was taken in.
    """
    files = sum(len(entry["files"]) for entry in records.deliveries)

    def told(done: int) -> None:
        if progress:
            progress(done, files + len(records.shards))

    sent = count_sent(records, lambda done, _: told(done))
    end = records.delivered_at if records.deliveries else None
    axes = Axes(
        tuple(pc.unique(sent.kept.column("practice")).sort().to_pylist()),
        tuple(pc.unique(sent.kept.column("code")).sort().to_pylist()),
        tuple(concepts),
        to_microseconds(end or datetime(1970, 1, 1)),
    )
    parts = over_shards(records, lambda shard: count_shard(shard, axes), progress=lambda done, _: told(files + done))
    return Profile(records.digest, tuple(records.deliveries), end, axes, reduce(Tally.plus, parts), sent)

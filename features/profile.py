"""Profile: what a store holds and what it is worth, for data managers, as one page in French and English.

Facts are counted a shard at a time, from its arrays; what was sent, set aside or sent twice is counted in the files,
which alone know it. Counts of one shard and another add up because a patient is in one shard only. Quantiles are of
exact counts in fine bins.

Nothing under 11 people or rows leaves `Profile.to_html`, nor what would give it away by subtraction; see `_Page`.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache, cached_property, reduce
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from features.catalogue.concepts import BIRTH, CONCEPTS, DEATH, SEX
from features.codes import Concept
from features.digests import digest
from features.engines import Progress, in_order, over_shards
from features.language import YEAR
from features.privacy import SMALLEST_COUNT, mask
from features.records import NEVER, Records, Shard, to_microseconds

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Language = Literal["fr", "en"]

DAY: Final = 86_400_000_000
RECENT: Final = 2 * YEAR
HISTORY: Final = 480
"""Months that are looked at, up to the last delivery: forty years."""
LONGEST: Final = 3_653
"""Days from which on a delay is "ten years or more"."""
DELAYS: Final = (0, 1, 8, 31, 91)
"""First day of each class of delays: the same day, a week, a month, a quarter, more."""
BINS: Final = 4_096
"""Equal parts of a concept's plausible range in which its values are counted."""

FIRST_DAY: Final = int(np.datetime64("1800-01-01", "D").astype(np.int64))
MONTH_OF_DAY: Final[Integers] = (
    np.arange("1800-01-01", "2200-01-01", dtype="datetime64[D]").astype("datetime64[M]").astype(np.int64)
)

DATED: Final = ("future", "after_death", "before_birth", "several_values")
"""Odd records."""
PERSONAL: Final = ("no_birth", "several_births", "no_sex", "several_sexes")
"""Odd patients."""
ODD: Final = DATED + PERSONAL


# --- Facts, counted in shards -----------------------------------------------------------------------------


class Bins(NamedTuple):
    """Counts by a number, sparse: sorted keys and how many of each."""

    keys: Integers
    counts: Integers

    @classmethod
    def of(cls, keys: Integers) -> Bins:
        """Count each key."""
        distinct, counts = np.unique(keys, return_counts=True)
        return cls(distinct.astype(np.int64), counts.astype(np.int64))

    def plus(self, other: Bins) -> Bins:
        """Return both together."""
        keys, place = np.unique(np.concatenate([self.keys, other.keys]), return_inverse=True)
        counts = np.zeros(len(keys), dtype=np.int64)
        np.add.at(counts, place, np.concatenate([self.counts, other.counts]))
        return Bins(keys, counts)

    def between(self, low: int, high: int) -> Bins:
        """Return the keys from ``low`` to before ``high``."""
        first, last = np.searchsorted(self.keys, [low, high])
        return Bins(self.keys[first:last], self.counts[first:last])

    def quantile(self, share: float) -> int:
        """Return the smallest key up to which there is at least this share of all."""
        upto = np.cumsum(self.counts)
        return int(self.keys[np.searchsorted(upto, math.ceil(share * upto[-1]))])


@dataclass(frozen=True, eq=False)
class Tally:
    """Counts of facts that were not taken back, and of their patients.

    The last axis ``P + 1`` is the practices and, last, the whole store, where nobody counts twice. Births count as
    facts, but in no month and no delay: they happened before there was a file.

    Attributes
    ----------
    merged
        Facts of each practice, taken back or not, shape ``(P + 1,)``.
    facts, patients, active
        Facts, patients, and patients with a fact in the last two years, shape ``(P + 1,)``.
    code_facts, code_patients
        By code, shape ``(C,)``.
    month_facts, month_patients
        By month, the last one that of the latest delivery, shape ``(P + 1, HISTORY)``.
    ever, recent
        Patients with a fact of a concept (a value, if it is measured), and in the last two years, ``(K, P + 1)``.
    values
        By ``(concept * P + practice) * BINS + bin``.
    delays
        By ``(system * P + practice) * (LONGEST + 1) + days``.
    delay_patients
        Patients of each code system with a delay of each class, shape ``(S, classes)``; of each practice,
        ``practice_delay_patients``, ``(P + 1, classes)``.
    odd_facts, odd_patients
        By kind in ``ODD``, shape ``(kinds, P + 1)``.
    """

    merged: Integers
    facts: Integers
    patients: Integers
    active: Integers
    code_facts: Integers
    code_patients: Integers
    month_facts: Integers
    month_patients: Integers
    ever: Integers
    recent: Integers
    values: Bins
    delays: Bins
    delay_patients: Integers
    practice_delay_patients: Integers
    odd_facts: Integers
    odd_patients: Integers

    def plus(self, other: Tally) -> Tally:
        """Return the counts of two shards together."""

        def added(mine: Any, others: Any) -> Any:
            return mine.plus(others) if isinstance(mine, Bins) else mine + others

        return Tally(**{f.name: added(getattr(self, f.name), getattr(other, f.name)) for f in fields(Tally)})


@dataclass(frozen=True, eq=False)
class Axes:
    """What counts are of: practices, codes, systems and concepts, in order, and the day they are counted up to."""

    practices: tuple[str, ...]
    codes: tuple[str, ...]
    concepts: tuple[Concept, ...]
    end: int

    @cached_property
    def practice(self) -> Mapping[str, int]:
        """Position of each practice."""
        return {name: place for place, name in enumerate(self.practices)}

    @cached_property
    def code(self) -> Mapping[str, int]:
        """Position of each code."""
        return {name: place for place, name in enumerate(self.codes)}

    @cached_property
    def systems(self) -> tuple[str, ...]:
        """Code systems."""
        return tuple(sorted({code.partition(":")[0] for code in self.codes}))

    @cached_property
    def system_of_code(self) -> Integers:
        """Position of each code's system."""
        place = {name: number for number, name in enumerate(self.systems)}
        return np.array([place[code.partition(":")[0]] for code in self.codes], dtype=np.int64)

    @cached_property
    def covered(self) -> tuple[frozenset[str], ...]:
        """Codes of each concept."""
        return tuple(frozenset(code for code in self.codes if concept.covers(code)) for concept in self.concepts)

    def codes_of(self, concept: Concept) -> frozenset[str]:
        """Return the codes of a concept that need not be among ``concepts``."""
        return frozenset(code for code in self.codes if concept.covers(code))

    @property
    def last_month(self) -> int:
        """Month of the latest delivery, counted from 1970."""
        return int(MONTH_OF_DAY[self.end // DAY - FIRST_DAY])

    def months(self, day: Integers) -> Integers:
        """Return the position among the ``HISTORY`` months of each day since 1970; outside, -1 or ``HISTORY``."""
        inside = np.clip(day - FIRST_DAY, 0, len(MONTH_OF_DAY) - 1)
        places: Integers = np.clip(MONTH_OF_DAY[inside] - self.last_month + HISTORY - 1, -1, HISTORY)
        return places


class _Counting:
    """One shard being counted. Rows are those of facts not taken back; ``at`` finds them by row of the shard."""

    def __init__(self, shard: Shard, axes: Axes) -> None:
        self.shard, self.axes, self.P = shard, axes, len(axes.practices)
        self.believed = shard.retracted == NEVER
        self.at = np.cumsum(self.believed) - 1
        rows = np.flatnonzero(self.believed)
        place = np.array([axes.practice[name] for name in shard.practices], dtype=np.int64)
        number = np.array([axes.code[name] for name in shard.codes], dtype=np.int64)
        self.all_practices = place[shard.practice] if len(place) else np.empty(0, dtype=np.int64)
        self.practice = self.all_practices[rows]
        self.code = number[shard.code[rows]] if len(number) else np.empty(0, dtype=np.int64)
        self.patient = shard.patient[rows].astype(np.int64)
        self.happened, self.known, self.value = shard.happened[rows], shard.known[rows], shard.value[rows]
        self.day = self.happened // DAY
        # A member is a patient of a practice; most patients are one.
        self.members, self.member = _distinct(self.patient * self.P + self.practice)

    def tally(self) -> Tally:
        everything = np.ones(len(self.patient), dtype=bool)
        recent = self.happened >= self.axes.end - RECENT
        birth = self.rows_of(self.axes.codes_of(BIRTH))
        dated = everything.copy()
        dated[birth] = False
        by_code = self.code_patients()
        ever, lately, values = self.concepts(recent)
        delays, of_system, of_practice = self.delays(np.flatnonzero(dated))
        month_facts, month_patients = self.months(np.flatnonzero(dated))
        odd_facts, odd_patients = self.oddities(birth)
        return Tally(
            merged=self._with_all(self.all_practices),
            facts=self._with_all(self.practice),
            patients=self.people(everything),
            active=self.people(recent),
            code_facts=np.bincount(self.code, minlength=len(self.axes.codes)),
            code_patients=by_code,
            month_facts=month_facts,
            month_patients=month_patients,
            ever=ever,
            recent=lately,
            values=values,
            delays=delays,
            delay_patients=of_system,
            practice_delay_patients=of_practice,
            odd_facts=odd_facts,
            odd_patients=odd_patients,
        )

    def _with_all(self, practice: Integers) -> Integers:
        return np.append(np.bincount(practice, minlength=self.P), len(practice))

    def people(self, rows: Flags | Integers) -> Integers:
        """Return how many patients have one of these rows, by practice and, last, in all."""
        members = np.zeros(len(self.members), dtype=bool)
        members[self.member[rows]] = True
        return self._people(members)

    def _people(self, members: Flags) -> Integers:
        chosen = self.members[members]
        everybody = np.zeros(len(self.shard.patients), dtype=bool)
        everybody[chosen // max(self.P, 1)] = True
        return np.append(np.bincount(chosen % max(self.P, 1), minlength=self.P), everybody.sum())

    def rows_of(self, codes: Iterable[str], valued: bool = False) -> Integers:
        """Return the rows that have one of these codes, and a value if they must, in order."""
        wanted = frozenset(codes)
        rows = self.shard.of_codes([place for place, code in enumerate(self.shard.codes) if code in wanted])
        found: Integers = self.at[rows[self.believed[rows]]]
        return found[~np.isnan(self.value[found])] if valued else found

    def code_patients(self) -> Integers:
        pairs, _ = _distinct(self.patient * max(len(self.axes.codes), 1) + self.code)
        people: Integers = np.bincount(pairs % max(len(self.axes.codes), 1), minlength=len(self.axes.codes))
        return people

    def months(self, rows: Integers) -> tuple[Integers, Integers]:
        month = self.axes.months(self.day[rows])
        rows, month = rows[(month >= 0) & (month < HISTORY)], month[(month >= 0) & (month < HISTORY)]
        facts = np.bincount(self.practice[rows] * HISTORY + month, minlength=self.P * HISTORY)
        of_member, _ = _distinct(self.member[rows] * HISTORY + month)
        practice = self.members[of_member // HISTORY] % max(self.P, 1)
        people = np.bincount(practice * HISTORY + of_member % HISTORY, minlength=self.P * HISTORY)
        of_patient, _ = _distinct(self.patient[rows] * HISTORY + month)
        everybody = np.bincount(of_patient % HISTORY, minlength=HISTORY)
        facts, people = facts.reshape(self.P, HISTORY), people.reshape(self.P, HISTORY)
        return np.vstack([facts, facts.sum(axis=0)]), np.vstack([people, everybody])

    def concepts(self, recent: Flags) -> tuple[Integers, Integers, Bins]:
        ever, lately, keys = [], [], [np.empty(0, dtype=np.int64)]
        for number, (concept, codes) in enumerate(zip(self.axes.concepts, self.axes.covered, strict=True)):
            rows = self.rows_of(codes, valued=concept.unit is not None)
            ever.append(self.people(rows))
            lately.append(self.people(rows[recent[rows]]))
            if concept.plausible is not None:
                keys.append((number * self.P + self.practice[rows]) * BINS + bin_of(concept, self.value[rows]))
        shape = (len(self.axes.concepts), self.P + 1)
        return np.reshape(ever, shape), np.reshape(lately, shape), Bins.of(np.concatenate(keys))

    def delays(self, rows: Integers) -> tuple[Bins, Integers, Integers]:
        days = np.clip((self.known[rows] - self.happened[rows]) // DAY, 0, LONGEST)
        system = self.axes.system_of_code[self.code[rows]]
        longer = np.searchsorted(DELAYS, days, side="right") - 1
        many = len(self.axes.systems)
        of_patient = np.zeros((len(self.shard.patients), max(many, 1), len(DELAYS)), dtype=bool)
        of_patient[self.patient[rows], system, longer] = True
        of_practice = np.stack([self.people(rows[longer == each]) for each in range(len(DELAYS))], axis=1)
        keys = (system * self.P + self.practice[rows]) * (LONGEST + 1) + days
        return Bins.of(keys), of_patient.sum(axis=0)[:many], of_practice

    def oddities(self, birth: Integers) -> tuple[Integers, Integers]:
        people = len(self.shard.patients)
        born, reborn = self._first_and_last(birth, people)
        _, died = self._first_and_last(self.rows_of(self.axes.codes_of(DEATH)), people)
        has = np.zeros((len(SEX.category_names), people), dtype=bool)
        for code in self.axes.codes_of(SEX):
            has[SEX.category(code), self.patient[self.rows_of([code])]] = True
        odd_rows = {
            "future": self.happened >= self.axes.end,
            "after_death": self.day > died[self.patient],
            "before_birth": self.day < born[self.patient],
            "several_values": self._several_values(),
        }
        present = np.bincount(self.patient, minlength=people) > 0
        odd_people = {
            "no_birth": present & (born == -NEVER),
            "several_births": (born != reborn) & (born != -NEVER),
            "no_sex": present & ~has.any(axis=0),
            "several_sexes": has.sum(axis=0) > 1,
        }
        patient_of_member = self.members // max(self.P, 1)
        facts = [self._with_all(self.practice[odd_rows[kind]]) for kind in DATED]
        patients = [self.people(odd_rows[kind]) for kind in DATED]
        patients += [self._people(odd_people[kind][patient_of_member]) for kind in PERSONAL]
        return np.vstack(facts), np.vstack(patients)

    def _first_and_last(self, rows: Integers, people: int) -> tuple[Integers, Integers]:
        """Return the day of each patient's first and last of some rows; ``-NEVER`` and ``NEVER`` without any."""
        first, last = np.full(people, -NEVER), np.full(people, NEVER)
        first[self.patient[rows[::-1]]] = self.day[rows[::-1]]
        last[self.patient[rows]] = self.day[rows]
        return first, last

    def _several_values(self) -> Flags:
        """Return which rows have another value than the one before, of the same concept, patient and moment."""
        found = np.zeros(len(self.patient), dtype=bool)
        for concept, codes in zip(self.axes.concepts, self.axes.covered, strict=True):
            if concept.unit is None:
                continue
            rows = self.rows_of(codes, valued=True)
            before, here = rows[:-1], rows[1:]
            same = (self.patient[before] == self.patient[here]) & (self.happened[before] == self.happened[here])
            found[here[same & (self.value[before] != self.value[here])]] = True
        return found


def _distinct(keys: Integers) -> tuple[Integers, Integers]:
    """Return the distinct keys, sorted, and where each key is among them; fast where equal keys stand together."""
    begins = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
    distinct, place = np.unique(keys[begins], return_inverse=True)
    return distinct, np.repeat(place, np.diff(begins, append=len(keys)))


def bin_of(concept: Concept, value: npt.NDArray[np.float64]) -> Integers:
    """Return in which part of the concept's plausible range values are; beyond it, the first or last part."""
    return np.clip(np.floor(part_of(concept, value)), 0, BINS - 1).astype(np.int64)


def part_of(concept: Concept, value: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return how many parts of the concept's plausible range are below values."""
    assert concept.plausible is not None
    low, high = concept.plausible
    parts: npt.NDArray[np.float64] = (value - low) / (high - low) * BINS
    return parts


def value_of(concept: Concept, place: int) -> float:
    """Return the middle of a part of the concept's plausible range."""
    assert concept.plausible is not None
    low, high = concept.plausible
    return low + (place + 0.5) * (high - low) / BINS


# --- Rows as they were sent, counted in files -------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Sent:
    """Rows as deliveries brought them.

    Attributes
    ----------
    kept
        Rows that say something happened: columns ``practice``, ``code``, ``rows`` and how many of them have a value,
        ``valued``.
    quarantined
        Rows set aside for their value: ``practice``, ``code``, ``unit``, ``fault``, ``rows``.
    sources
        Practices by source of the deliveries that brought them, as far as deliveries say their source.
    """

    kept: pa.Table
    quarantined: pa.Table
    sources: Mapping[str, frozenset[str]]


KEPT: Final = pa.schema(
    [("practice", pa.string()), ("code", pa.string()), ("rows", pa.int64()), ("valued", pa.int64())]
)
ASIDE: Final = pa.schema(
    [
        ("practice", pa.string()),
        ("code", pa.string()),
        ("unit", pa.string()),
        ("fault", pa.string()),
        ("rows", pa.int64()),
    ]
)
DOUBTFUL: Final = ("unit", "implausible")
"""Why a value is set aside: what becomes of a measurement, where refused rows are no records at all."""


def _sent(records: Records, progress: Progress) -> Sent:
    files = [(entry, name) for entry in records.deliveries for name in entry["files"]]
    kept, aside, sources = [KEPT.empty_table()], [ASIDE.empty_table()], dict[str, set[str]]()
    objecting = pa.array(sorted(records.objections.pseudonyms), pa.string())
    for done, ((entry, _), (table, is_aside)) in enumerate(
        zip(files, in_order(lambda each: _file(records, each[0], each[1], objecting), files), strict=True), start=1
    ):
        (aside if is_aside else kept).append(table)
        if not is_aside and "source" in entry["about"]:
            sources.setdefault(entry["about"]["source"], set()).update(table.column("practice").to_pylist())
        progress(done, len(files))
    return Sent(
        _added(pa.concat_tables(kept), KEPT),
        _added(pa.concat_tables(aside), ASIDE),
        {name: frozenset(practices) for name, practices in sorted(sources.items())},
    )


def _file(records: Records, entry: Mapping[str, Any], name: str, objecting: pa.Array) -> tuple[pa.Table, bool]:
    data = (records.path / name).read_bytes()
    if digest(data) != entry["files"][name]:
        raise ValueError(f"{records.path / name} was altered after it was taken in: run check")
    is_aside = Path(name).name.startswith("set-aside-")
    columns = ["practice", "code"] + (["unit", "fault"] if is_aside else ["value", "retracted_at"])
    table = pq.read_table(BytesIO(data), columns=[*columns, *(["patient"] if len(objecting) else [])])
    if len(objecting):
        table = table.filter(pc.invert(pc.is_in(table.column("patient"), value_set=objecting)))
    if is_aside:
        doubtful = table.filter(pc.is_in(table.column("fault"), value_set=pa.array(DOUBTFUL)))
        found = doubtful.group_by(["practice", "code", "unit", "fault"]).aggregate([([], "count_all")])
        return found.rename_columns(ASIDE.names).cast(ASIDE), True
    said = table.filter(pc.is_null(table.column("retracted_at")))
    found = said.group_by(["practice", "code"]).aggregate([([], "count_all"), ("value", "count")])
    return found.rename_columns(KEPT.names).cast(KEPT), False


def _added(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the counts of equal keys together, sorted by key."""
    keys = [field.name for field in schema if pa.types.is_string(field.type)]
    counts = [field.name for field in schema if field.name not in keys]
    summed = table.group_by(keys).aggregate([(name, "sum") for name in counts])
    summed = summed.rename_columns([*keys, *counts]).select(schema.names).cast(schema)
    return summed.sort_by([(name, "ascending") for name in keys])


# --- The profile ------------------------------------------------------------------------------------------


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
        style = (TEMPLATES / "profile.css").read_text(encoding="utf-8")
        page = _Page(self)
        others: tuple[Language, ...] = ("fr", "en") if language == "fr" else ("en", "fr")
        contents = {each: _environment(each).get_template("content.html.j2").render(page=page) for each in others}
        # The page says itself that it may fetch nothing and run nothing; its one style is named by its digest.
        style_digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        skeleton = _environment(language).get_template("profile.html.j2")
        return skeleton.render(style=style, style_digest=style_digest, contents=contents)


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

    sent = _sent(records, lambda done, _: told(done))
    end = records.delivered_at if records.deliveries else None
    axes = Axes(
        tuple(pc.unique(sent.kept.column("practice")).sort().to_pylist()),
        tuple(pc.unique(sent.kept.column("code")).sort().to_pylist()),
        tuple(concepts),
        to_microseconds(end or datetime(1970, 1, 1)),
    )
    parts = over_shards(
        records, lambda shard: _Counting(shard, axes).tally(), progress=lambda done, _: told(files + done)
    )
    return Profile(records.digest, tuple(records.deliveries), end, axes, reduce(Tally.plus, parts), sent)


# --- What may be shown ------------------------------------------------------------------------------------

Count = int | None
"""A count that may be shown, or None where it is hidden."""

QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
BARS: Final = 40
"""Bars, about, of the picture of a concept's values, which leaves out a hundredth at either end."""
CODES_SHOWN: Final = 40
WORST_SHOWN: Final = 3
LABEL: Final = 8
"""Letters of a practice's pseudonym that are shown, or more where they do not tell it apart."""
USUAL_MONTHS: Final = 12
"""Months before one by which what is usual is judged; half as many must be there."""


def hide(counts: Iterable[float]) -> list[Count]:
    """Return counts whose total is known with the small ones hidden, and those that give them away; none is 0."""
    every = [int(each) for each in counts]
    kept = iter(mask([each for each in every if each]) if any(every) else [])
    return [next(kept) if each else 0 for each in every]


class Share(NamedTuple):
    """A proportion of people: its value; or None, where it is hidden or so few are missing that it is nearly all."""

    value: float | None
    nearly: bool = False


def shares(some: Integers, of: Integers, above: Sequence[Integers] = ()) -> list[Share]:
    """Return what share some people are of others, by practice and, last, in all.

    Hidden are the shares of few people and of all but few, and those by which these could be had from the whole.
    ``above`` are counts, shown too, of people among whom all of these are: a share is hidden where few others are.
    """
    several = mask(some[:-1].tolist()) + mask(some[-1:].tolist())
    rest = hide(of[:-1] - some[:-1]) + hide(of[-1:] - some[-1:])
    apart = np.zeros(len(some), dtype=bool)
    for more in above:
        apart |= (more > some) & (more - some < SMALLEST_COUNT)
    found = []
    for many, all_, kept, others, hidden in zip(some, of, several, rest, apart, strict=True):
        if kept is None or hidden:
            found.append(Share(None))
        else:
            found.append(Share(None, True) if others is None else Share(float(many / all_)))
    return found


def beginning(facts: Integers, people: Integers) -> int | None:
    """Return the first month with 11 patients and a twentieth of the facts of a full month; None if there is none.

    A full month is the nineteenth of twenty. What is before the beginning is mostly what patients told when they
    registered.
    """
    enough = people >= SMALLEST_COUNT
    if not enough.any():
        return None
    return int(np.flatnonzero(enough & (facts >= np.quantile(facts[enough], 0.95) / 20))[0])


class Break(NamedTuple):
    """Months in which a practice sent nothing, or much less than usual: ``"gap"``, ``"silent"`` or ``"drop"``."""

    kind: str
    first: int
    last: int


def breaks(facts: Integers, people: Integers, since: int = 0) -> list[Break]:
    """Return the gaps and sudden drops of a practice, by month; the month of the latest delivery is not judged.

    A month is judged from the `beginning` on, or from ``since`` if that is later. It is a gap without a record; a drop
    with less than half the median of the twelve months before, if chance would not do it: four standard deviations of
    a Poisson count.
    """
    begun = beginning(facts, people)
    if begun is None:
        return []
    found: list[Break] = []
    for month in range(max(begun, since) + 1, HISTORY - 1):
        before = facts[max(begun, since, month - USUAL_MONTHS) : month]
        usual = float(np.median(before))
        if facts[month] == 0:
            kind = "gap"
        elif 2 * len(before) >= USUAL_MONTHS and facts[month] < min(usual / 2, usual - 4 * math.sqrt(usual)):
            kind = "drop"
        else:
            continue
        if found and found[-1].kind == kind and found[-1].last == month - 1:
            found[-1] = found[-1]._replace(last=month)
        else:
            found.append(Break(kind, month, month))
    if found and found[-1].kind == "gap" and found[-1].last == HISTORY - 2:
        found[-1] = found[-1]._replace(kind="silent")
    return found


class Strip(NamedTuple):
    """A practice month by month: for each level, which months have it, as (first, how many)."""

    label: str
    usual: Count
    runs: dict[str, list[tuple[int, int]]]


class Spread(NamedTuple):
    """Delays of a group: its share of facts, median and ninth decile in days, share of each class; None is hidden."""

    label: str
    share: float | None
    median: int | None
    ninth: int | None
    classes: list[float | None]


class Values(NamedTuple):
    """Values of a concept: `QUANTILES`, None where too few people stand beyond; and how they are spread."""

    quantiles: list[float | None]
    bars: list[int]


class OfPractice(NamedTuple):
    """A concept in one practice."""

    label: str
    patients: Count
    ever: Share
    recent: Share
    median: float | None
    aside: float | None


class OfConcept(NamedTuple):
    """A concept in the store and in each practice."""

    concept: Concept
    patients: Count
    ever: Share
    recent: Share
    aside: float | None
    reasons: dict[str, Count]
    units: list[tuple[str, Count]]
    values: Values | None
    practices: list[OfPractice]


class Odd(NamedTuple):
    """A kind of odd records or patients, and the practices that have the largest share of such patients."""

    kind: str
    facts: Count
    patients: Count
    worst: list[tuple[str, float]]


class _Page:
    """A profile as it may be shown: every count that leaves this class went through `hide` or `mask`.

    Counts of records are shown where they are of 11 people or more. A quantile is shown where 11 people or more stand
    beyond it on either side, as far as their number tells: no single patient's extreme is.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile, self.axes, self.tally = profile, profile.axes, profile.tally
        self.P = len(self.axes.practices)
        self.labels = short(self.axes.practices)
        self.patients = hide(self.tally.patients[:-1])

    # What there is in all

    @cached_property
    def headline(self) -> dict[str, Count]:
        """Patients, active patients, facts (``about``, where they are to a hundred), facts taken back."""
        tally = self.tally
        people, inactive = tally.patients[-1], tally.patients[-1] - tally.active[-1]
        active = None if 0 < inactive < SMALLEST_COUNT else hide([tally.active[-1]])[0]
        # Rows kept are facts, facts taken back and what was sent again or takes back: their total is shown.
        rows = self.delivered["rows"] or 0
        facts, back, _ = hide([tally.facts[-1], tally.merged[-1] - tally.facts[-1], rows - int(tally.merged[-1])])
        about = round(int(tally.facts[-1]), -2) if facts is None and tally.facts[-1] >= 1_000 else None
        if 0 < people < SMALLEST_COUNT:
            facts = about = back = None
        return {"patients": hide([people])[0], "active": active, "facts": facts, "about": about, "taken_back": back}

    @cached_property
    def window(self) -> tuple[int, int] | None:
        """From the `beginning` to the last month with 11 patients or more, None if there is none."""
        people = self.tally.month_patients[-1]
        begun = beginning(self.tally.month_facts[-1], people)
        return None if begun is None else (begun, int(np.flatnonzero(people >= SMALLEST_COUNT)[-1]))

    def month(self, place: int) -> tuple[int, int]:
        """Return the year and the month of a position among the ``HISTORY`` months."""
        months = self.axes.last_month - HISTORY + 1 + place
        return 1970 + months // 12, months % 12 + 1

    # Deliveries

    @cached_property
    def deliveries(self) -> list[dict[str, Any]]:
        """Name, day, source and counts of each delivery, the latest first."""
        entries = self.profile.deliveries
        columns = {key: hide(_rows(entry[key]) for entry in entries) for key in DELIVERED}
        return [
            {
                "name": entry["name"],
                "day": datetime.fromisoformat(entry["delivered_at"]),
                "source": entry["about"].get("source"),
                **{key: columns[key][place] for key in DELIVERED},
            }
            for place, entry in enumerate(entries)
        ][::-1]

    @cached_property
    def delivered(self) -> dict[str, Count]:
        """Counts of all deliveries together."""
        return {key: hide([sum(_rows(entry[key]) for entry in self.profile.deliveries)])[0] for key in DELIVERED}

    def reasons(self, kind: str) -> list[tuple[str, Count]]:
        """Return rows refused, or quarantined, by reason, the most frequent first."""
        many = sum((Counter(entry[kind]) for entry in self.profile.deliveries), Counter[str]())
        ordered = sorted(many, key=lambda reason: (-many[reason], reason))
        return list(zip(ordered, hide(many[reason] for reason in ordered), strict=True))

    @cached_property
    def rules(self) -> list[tuple[str, str]]:
        """How each source decides when a fact became known."""
        about = [entry["about"] for entry in self.profile.deliveries if "known_at" in entry["about"]]
        return sorted({(str(each.get("source", "")), str(each["known_at"])) for each in about})

    # Months

    def monthly(self) -> list[Count]:
        """Return the facts of each month of the window, hidden where they are of few people."""
        assert self.window is not None
        first, last = self.window
        facts, people = self.tally.month_facts[-1, first : last + 1], self.tally.month_patients[-1, first : last + 1]
        return [int(many) if who >= SMALLEST_COUNT else None for many, who in zip(facts, people, strict=True)]

    @cached_property
    def strips(self) -> list[Strip]:
        """Practices month by month, by label."""
        assert self.window is not None
        first, last = self.window
        found = []
        for place in range(self.P):
            facts = self.tally.month_facts[place, first : last + 1]
            people = self.tally.month_patients[place, first : last + 1]
            enough = people >= SMALLEST_COUNT
            usual = hide([np.median(facts[enough])])[0] if enough.any() else None
            found.append(Strip(self.labels[place], usual, _runs(facts, people)))
        return found

    @cached_property
    def breaks(self) -> list[tuple[str, Break]]:
        """Gaps and drops of all practices, the longest first."""
        since = self.window[0] if self.window else 0
        found = [
            (self.labels[place], each)
            for place in range(self.P)
            for each in breaks(self.tally.month_facts[place], self.tally.month_patients[place], since)
        ]
        return sorted(found, key=lambda each: (each[1].first - each[1].last, each[1].kind == "drop", each))

    # Delays

    @cached_property
    def delays(self) -> list[Spread]:
        """Delays by code system, the most frequent first."""
        size = self.P * (LONGEST + 1)
        bins = [self.tally.delays.between(s * size, (s + 1) * size) for s in range(len(self.axes.systems))]
        return self._spreads(self.axes.systems, bins, self.tally.delay_patients)

    @cached_property
    def delays_by_source(self) -> list[Spread]:
        """Delays by source, for practices that are of it; sources are those deliveries name."""
        names, bins, people = [], [], []
        practice = self.tally.delays.keys // (LONGEST + 1) % max(self.P, 1)
        for name, practices in self.profile.sent.sources.items():
            places = [place for place, each in enumerate(self.axes.practices) if each in practices]
            chosen = np.isin(practice, places)
            names.append(name)
            bins.append(Bins(self.tally.delays.keys[chosen], self.tally.delays.counts[chosen]))
            # Patients of several practices count once: no fewer than in the largest one.
            of_class = self.tally.practice_delay_patients[places]
            people.append(of_class.max(axis=0) if len(places) else np.zeros(len(DELAYS), dtype=np.int64))
        return self._spreads(names, bins, np.reshape(people, (len(names), len(DELAYS))))

    def _spreads(self, names: Sequence[str], bins: Sequence[Bins], people: Integers) -> list[Spread]:
        """Return the delays of groups; ``people`` is a number of patients there are at least, by class."""
        every = int(self.tally.delays.counts.sum())
        at_least = people.max(axis=1) if len(people) else np.empty(0, dtype=np.int64)
        kept = mask(at_least.tolist())
        found = []
        for name, each, of_class, many, shown in zip(names, bins, people, at_least, kept, strict=True):
            if shown is None:
                found.append(Spread(name, None, None, None, []))
                continue
            days, order = np.unique(each.keys % (LONGEST + 1), return_inverse=True)
            together = Bins(days, np.bincount(order, weights=each.counts).astype(np.int64))
            total = int(together.counts.sum())
            edges = [*DELAYS, LONGEST + 1]
            counts = [int(together.between(*pair).counts.sum()) for pair in pairwise(edges)]
            found.append(
                Spread(
                    name,
                    total / every,
                    together.quantile(0.5) if _may(0.5, many) else None,
                    together.quantile(0.9) if _may(0.9, many) else None,
                    [None if who is None else count / total for count, who in zip(counts, hide(of_class), strict=True)],
                )
            )
        return sorted(found, key=lambda spread: (-(spread.share or 0.0), spread.label))

    # Concepts

    @cached_property
    def concepts(self) -> list[OfConcept]:
        """Concepts that anything is known of, in the catalogue's order."""
        tally, aside = self.tally, self._aside()
        found = []
        for number, concept in enumerate(self.axes.concepts):
            quarantined, valued = aside[number]
            if not tally.ever[number, -1] and not quarantined.sum():
                continue
            around = [place for place, codes in enumerate(self.axes.covered) if self.axes.covered[number] < codes]
            ever = shares(tally.ever[number], tally.patients, list(tally.ever[around]))
            recent = shares(tally.recent[number], tally.active, [tally.ever[number], *tally.recent[around]])
            set_aside = _row_shares(quarantined, valued)
            found.append(
                OfConcept(
                    concept,
                    None if ever[-1].value is None else int(tally.ever[number, -1]),
                    ever[-1],
                    recent[-1],
                    set_aside[-1],
                    self._doubts[number][0],
                    self._doubts[number][1],
                    self._values(number),
                    [
                        OfPractice(
                            self.labels[place],
                            self.patients[place],
                            ever[place],
                            recent[place],
                            self._median(number, place),
                            set_aside[place],
                        )
                        for place in range(self.P)
                    ],
                )
            )
        return found

    def _aside(self) -> list[tuple[Integers, Integers]]:
        """Return, for each concept, values quarantined and values kept, by practice and in all."""
        found = [
            (np.zeros(self.P + 1, dtype=np.int64), np.zeros(self.P + 1, dtype=np.int64)) for _ in self.axes.concepts
        ]
        of_code = self._concepts_of_code
        for table, column, which in (
            (self.profile.sent.quarantined, "rows", 0),
            (self.profile.sent.kept, "valued", 1),
        ):
            for row in table.select(["practice", "code", column]).to_pylist():
                for number in of_code(row["code"]):
                    place = self.axes.practice.get(row["practice"])
                    found[number][which][-1] += row[column]
                    if place is not None:
                        found[number][which][place] += row[column]
        return found

    @cached_property
    def _concepts_of_code(self) -> Any:
        @cache
        def numbers(code: str) -> tuple[int, ...]:
            measured = enumerate(self.axes.concepts)
            return tuple(number for number, each in measured if each.unit is not None and each.covers(code))

        return numbers

    @cached_property
    def _doubts(self) -> list[tuple[dict[str, Count], list[tuple[str, Count]]]]:
        """Return, for each concept, why values were set aside, and the units that could not be converted.

        The total of each reason over all concepts is shown, and that of a concept's units.
        """
        reasons = [Counter[str]() for _ in self.axes.concepts]
        units = [Counter[str]() for _ in self.axes.concepts]
        for row in self.profile.sent.quarantined.to_pylist():
            for number in self._concepts_of_code(row["code"]):
                reasons[number][row["fault"]] += row["rows"]
                if row["fault"] == "unit":
                    units[number][row["unit"] or ""] += row["rows"]
        may = {reason: hide(of_concept[reason] for of_concept in reasons) for reason in DOUBTFUL}
        found = []
        for number, of_concept in enumerate(units):
            ordered = sorted(of_concept, key=lambda unit: (-of_concept[unit], unit))
            shown = zip(ordered, hide(of_concept[unit] for unit in ordered), strict=True)
            found.append(
                (
                    {reason: may[reason][number] for reason in DOUBTFUL if reasons[number][reason]},
                    [each for each in shown if each[1] is not None and may["unit"][number] is not None],
                )
            )
        return found

    def _bins(self, number: int, place: int | None = None) -> Bins:
        """Return the values of a concept by bin, in a practice or in all."""
        first = number * self.P + (place or 0)
        bins = self.tally.values.between(first * BINS, (first + (self.P if place is None else 1)) * BINS)
        distinct, order = np.unique(bins.keys % BINS, return_inverse=True)
        return Bins(distinct, np.bincount(order, weights=bins.counts).astype(np.int64))

    def _values(self, number: int) -> Values | None:
        concept, people = self.axes.concepts[number], int(self.tally.ever[number, -1])
        if concept.plausible is None or not _may(0.5, people):
            return None
        bins = self._bins(number)
        quantiles = [value_of(concept, bins.quantile(q)) if _may(q, people) else None for q in QUANTILES]
        return Values(quantiles, self._bars(concept, bins) if _may(0.05, people) else [])

    def _bars(self, concept: Concept, bins: Bins) -> list[int]:
        """Return how many values there are from one round number to the next, none where there are few."""
        low, high = (value_of(concept, bins.quantile(share)) for share in (0.01, 0.99))
        step = round_step((high - low) / BARS)
        edges = step * np.arange(math.floor(low / step), math.floor(high / step) + 2)
        # A hair more, because round numbers are not round in binary and values stand on them.
        places = np.clip(np.floor(part_of(concept, edges + step * 1e-6)), 0, BINS).astype(int)
        bars = [int(bins.between(*pair).counts.sum()) for pair in pairwise(places.tolist())]
        return [many if many >= SMALLEST_COUNT else 0 for many in bars]

    def _median(self, number: int, place: int) -> float | None:
        concept = self.axes.concepts[number]
        if concept.plausible is None or not _may(0.5, int(self.tally.ever[number, place])):
            return None
        return value_of(concept, self._bins(number, place).quantile(0.5))

    # Codes

    @cached_property
    def unmapped(self) -> dict[str, Any]:
        """Codes that no concept covers, the most frequent first, and what is left of them."""
        mapped = frozenset().union(*self.axes.covered)
        places = [place for place, code in enumerate(self.axes.codes) if code not in mapped]
        people = self.tally.code_patients[places]
        facts = self.tally.code_facts[places]
        order = sorted(
            np.flatnonzero(people >= SMALLEST_COUNT).tolist(),
            key=lambda each: (-facts[each], self.axes.codes[places[each]]),
        )[:CODES_SHOWN]
        total = int(facts.sum())
        others = hide([total - int(facts[order].sum())])[0]
        return {
            "rows": [(self.axes.codes[places[each]], int(facts[each]), int(people[each])) for each in order],
            "others": len(places) - len(order),
            "other_facts": others,
            "facts": hide([total])[0] if others is not None else None,
            "share": total / int(self.tally.facts[-1]) if total >= SMALLEST_COUNT else None,
        }

    # What cannot be

    @cached_property
    def odd(self) -> dict[str, Odd]:
        """Odd records and patients, by kind."""
        found = {}
        for number, kind in enumerate(ODD):
            people, everybody = self.tally.odd_patients[number], self.tally.patients
            each = shares(people, everybody)
            patients = hide(people[-1:])[0]
            of_kind = self.tally.odd_facts[number, -1:] if kind in DATED and patients is not None else None
            facts = None if of_kind is None else hide(of_kind)[0]
            ranked = sorted((-(share.value or 0.0), self.labels[place]) for place, share in enumerate(each[:-1]))
            worst = [(label, -value) for value, label in ranked[:WORST_SHOWN] if value < 0]
            found[kind] = Odd(kind, facts, patients, worst)
        return found

    @cached_property
    def repeated(self) -> tuple[Count, float | None, list[tuple[str, float]]]:
        """Rows that were sent again: how many, which share of all rows, and where the share is largest."""
        rows = np.zeros(self.P + 1, dtype=np.int64)
        for row in self.profile.sent.kept.select(["practice", "rows"]).to_pylist():
            rows[self.axes.practice[row["practice"]]] += row["rows"]
        rows[-1] = rows[:-1].sum()
        again = _row_shares(rows - self.tally.merged, self.tally.merged)
        ranked = sorted((-(share or 0.0), self.labels[place]) for place, share in enumerate(again[:-1]))
        worst = [(label, -share) for share, label in ranked[:WORST_SHOWN] if share < 0]
        return hide(rows[-1:] - self.tally.merged[-1:])[0], again[-1], worst


DELIVERED: Final = ("rows", "refused", "quarantined")


def _rows(counts: int | Mapping[str, int]) -> int:
    return counts if isinstance(counts, int) else sum(counts.values())


def _row_shares(some: Integers, others: Integers) -> list[float | None]:
    """Return what share some rows are of themselves and others, by practice and in all; None where they are few."""
    kept = hide(some[:-1]) + hide(some[-1:])
    return [
        None if many is None or (many == 0 and not rest) else many / (many + int(rest))
        for many, rest in zip(kept, others, strict=True)
    ]


def _may(quantile: float, people: int) -> bool:
    """Return whether a quantile of this many people's values has 11 of them on its shorter side."""
    return people * min(quantile, 1 - quantile) >= SMALLEST_COUNT - 1e-9


LEVELS: Final = (("above", 1.5), ("usual", 0.75), ("below", 0.5), ("little", 0.0))
"""Levels of a month, each with the least share of the practice's median month it has."""


def _runs(facts: Integers, people: Integers) -> dict[str, list[tuple[int, int]]]:
    """Return the months of each level of a practice, in runs.

    ``few`` is under 11 patients, ``none`` no record after the practice's beginning.
    """
    begun, enough = beginning(facts, people), people >= SMALLEST_COUNT
    level = np.where(facts > 0, "few", "none").astype(object)
    if begun is None:
        begun = len(facts)
    else:
        share = facts / np.median(facts[enough])
        for name, least in reversed(LEVELS):
            level[enough & (share >= least)] = name
    level[:begun][level[:begun] == "none"] = ""
    begins = np.flatnonzero(np.append(True, level[1:] != level[:-1]))
    runs: dict[str, list[tuple[int, int]]] = {}
    for first, many in zip(begins.tolist(), np.diff(begins, append=len(level)).tolist(), strict=True):
        if level[first]:
            runs.setdefault(level[first], []).append((first, many))
    return runs


def short(names: Sequence[str]) -> list[str]:
    """Return short forms of names, the shortest of at least `LABEL` letters that tell them apart."""
    length = LABEL
    while len({name[:length] for name in names}) < len(set(names)):
        length += 1
    return [name if len(name) <= length + 1 else f"{name[:length]}…" for name in names]


# --- Writing for readers ----------------------------------------------------------------------------------

TEMPLATES: Final = Path(__file__).parent / "templates"
THIN: Final = "\u202f"  # espace fine insécable
HIDDEN: Final = {"fr": "masqué", "en": "hidden"}
MONTHS: Final = {
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "en": "January February March April May June July August September October November December",
}
#: UCUM units as people write them.
UNITS: Final = {
    "mm[Hg]": ("mmHg", "mmHg"),
    "umol/L": ("µmol/L", "µmol/L"),
    "kg/m2": ("kg/m²", "kg/m²"),
    "/min": ("/min", "/min"),
    "/d": ("par jour", "a day"),
    "{quintile}": ("quintile", "quintile"),
}


def typeset(text: str, language: Language) -> str:
    """Return a text with the typography of its language: in French, no-break spaces and curly apostrophes."""
    if language != "fr":
        return text
    text = re.sub(r" (?=[;!?%»])|(?<=«) ", THIN, text.replace("'", "’"))
    return text.replace(" :", "\u00a0:")


def decimal(value: float | None, digits: int, language: Language) -> str:
    """Return a number with so many decimals as the language writes it; "hidden" for None."""
    if value is None:
        return HIDDEN[language]
    text = f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "−")
    return text.replace(",", THIN).replace(".", ",") if language == "fr" else text


def percent(value: float | None, language: Language, digits: int = 1) -> str:
    """Return a proportion as a percentage, never rounded to nothing; "hidden" for None."""
    if value is None:
        return HIDDEN[language]
    sign = f"{THIN}%" if language == "fr" else "%"
    if value in (0, 1):
        return f"{int(100 * value)}{sign}"
    least = 10.0**-digits
    if 0 < 100 * value < least:
        return ("< " if language == "en" else f"<{THIN}") + decimal(least, digits, language) + sign
    return decimal(100 * value, digits, language) + sign


def days(value: int | None, language: Language) -> str:
    """Return a delay in words."""
    if value is None:
        return HIDDEN[language]
    if value >= LONGEST:
        return "dix ans ou plus" if language == "fr" else "ten years or more"
    if value == 0:
        return "le jour même" if language == "fr" else "same day"
    if value >= 730:
        return f"{decimal(value / 365.25, 1, language)}\u00a0{'ans' if language == 'fr' else 'years'}"
    unit = ("jours" if value > 1 else "jour") if language == "fr" else ("days" if value > 1 else "day")
    return f"{decimal(value, 0, language)}\u00a0{unit}"


def calendar(day: datetime, language: Language) -> str:
    """Return a date in words."""
    first = "1er" if language == "fr" and day.day == 1 else str(day.day)
    return f"{first}\u00a0{MONTHS[language].split()[day.month - 1]}\u00a0{day.year}"


def month(moment: tuple[int, int], language: Language) -> str:
    """Return a month in words."""
    return f"{MONTHS[language].split()[moment[1] - 1]}\u00a0{moment[0]}"


def decimals(concept: Concept) -> int:
    """Return how many decimals say enough of a concept's values."""
    if concept.plausible is None or (concept.unit or "").startswith("{"):
        return 0
    width = concept.plausible[1] - concept.plausible[0]
    return 0 if width >= 100 else 1 if width >= 10 else 2


@cache
def _environment(language: Language) -> Environment:
    """Return the templates with what writes numbers, dates and texts in one language."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def share(value: Share, digits: int = 1) -> str:
        if value.nearly:
            return "presque tous" if language == "fr" else "nearly all"
        return percent(value.value, language, digits)

    environment.filters |= {
        "count": lambda value: decimal(value, 0, language),
        "decimal": lambda value, digits: decimal(value, digits, language),
        "percent": lambda value, digits=1: percent(value, language, digits),
        "share": share,
        "days": lambda value: days(value, language),
        "calendar": lambda day: calendar(day, language),
        "month": lambda moment: month(moment, language),
        "label": lambda concept: typeset(getattr(concept, language), language),
        "unit": lambda unit: UNITS.get(unit, (unit, unit))[0 if language == "fr" else 1],
        "decimals": decimals,
    }
    environment.globals |= {
        "language": language,
        "t": lambda fr, en: typeset(fr if language == "fr" else en, language),
        "ticks": ticks,
    }
    return environment


def ticks(high: float, wanted: int = 3) -> list[float]:
    """Return round numbers above 0 and up to ``high``, about as many as wanted."""
    step = round_step(high / wanted)
    return [step * k for k in range(1, math.floor(high / step + 1e-9) + 1)]


def round_step(step: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is no smaller."""
    power = 10.0 ** math.floor(math.log10(step or 1.0))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= (step or 1.0) * 0.999)

"""``python -m serving monitor``: whether a model in use still meets the people, inputs and outcomes it was made for.

Who was eligible is found in the records as the service would find it, and scored by the function that scores online
(`serving.scoring.probabilities`); what may be concluded from that is `training.monitoring`'s affair.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.columnar import latest_practice
from features.engines import over_shards
from features.feature_set import FeatureSet
from features.language import YEAR
from features.outcome import FollowUp
from features.privacy import shown
from features.records import AlteredRecords, Records, Shard, to_microseconds
from serving import settings
from serving.commands import ALERT, INVALID, MISSING, USAGE, Altered, ledger_of
from serving.contract import now
from serving.gate import Admitted, admit
from serving.scoring import Frames, probabilities

if TYPE_CHECKING:
    from training.measures import Estimate
    from training.monitoring import Finding, Level, Reference, Report, Tally
    from training.monitoring.report import Calibration, Use
    from training.studies import Study

REFERENCE: Final = "monitoring.json"
PAGE: Final = "monitoring.html"
EVERY: Final = {"week": timedelta(days=7), "month": timedelta(days=28)}
LATELY: Final = timedelta(days=28)
"""What was measured within it is compared with the year before."""
BEFORE: Final = 13
"""Periods of that length in the year before."""
EARLY: Final = 1.0
"""Years after which calibration is looked at before the horizon is reached."""
RESAMPLES: Final = 200
SLOW: Final = 500.0
"""Milliseconds within which 99 % of answers are promised."""
ENOUGH: Final = 1000
"""Requests from which their slowest hundredth says something."""


class Unusable(Exception):
    """What cannot be monitored: an exit code, and why."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def run(given: argparse.Namespace) -> None:
    """Write ``monitoring.json`` and ``monitoring.html``, and leave with the exit code that they amount to."""
    from training.monitoring import AlteredHistory, History, monitoring_page

    ledger_of(given)
    try:
        report, reference = monitor(
            given.bundle, given.store, given.from_day, given.to_day, given.every, given.feedback, given.audit
        )
        history = History(given.into)
        history.append(report)
        runs = history.runs(report.card)
    except Unusable as fault:
        print(fault, file=sys.stderr)
        raise SystemExit(fault.code) from fault
    except (AlteredHistory, AlteredRecords) as altered:
        raise Altered(str(altered)) from altered
    (given.into / REFERENCE).write_text(report.to_json(), encoding="utf-8")
    (given.into / PAGE).write_text(monitoring_page(report, reference, runs), encoding="utf-8")
    print(f"{report.study}, {report.start} to {report.end}: {report.level}")
    levels: tuple[Level, ...] = ("alert", "watch")
    for level in levels:
        for each in report.raised(level):
            among = f" ({each.attribute}: {each.group})" if each.attribute else ""
            print(f"  {level}  {each.kind.replace('_', ' ')}: {each.name}{among}, effect {each.effect:+.3f}")
    print(f"  page: {given.into / PAGE}")
    if report.level == "alert":
        raise SystemExit(ALERT)


def monitor(
    bundle: Path,
    store: Path,
    start: datetime,
    end: datetime,
    every: str = "week",
    feedback: Path | None = None,
    audit: Path | None = None,
) -> tuple[Report, Reference]:
    """Return what a window of use shows, and what it was compared with.

    Parameters
    ----------
    bundle, store
        The model with its reference, and the records of the people it serves.
    start, end
        The window: after the first moment, up to the second.
    every
        ``"week"`` or ``"month"`` (four weeks): how often people are looked at, backwards from the end.
    feedback, audit
        Feedback file, and a file or the folder of the audit trail.

    Raises
    ------
    Unusable
        If something named is not there or is not what it should be.
    Refused
        If the gate refuses the bundle.
    """
    from training.monitoring import Report, judge
    from training.studies import STUDIES

    if not start < end:
        raise Unusable(USAGE, f"--from {start:%Y-%m-%d} is not before --to {end:%Y-%m-%d}")
    records, reference = _records(store), _reference(bundle)
    if end > records.delivered_at:
        day = records.delivered_at.date()
        raise Unusable(USAGE, f"--to {end:%Y-%m-%d}: the store was last delivered to on {day}, and knows nothing after")
    keys, head = settings.trusted_keys(os.environ), os.environ.get(settings.LEDGER_HEAD)
    admitted = admit(bundle, keys, now(), head, ledger=settings.ledger(os.environ))
    study = STUDIES.get(admitted.artefact.study)
    if (
        study is None
        or reference.study != study.name
        or [p.name for p in reference.features] != list(admitted.artefact.features)
    ):
        raise Unusable(INVALID, f"{REFERENCE} is not about the model beside it: make the bundle again")
    use, used = _use(study.name, start, end, feedback, audit)
    landmarks = [end - step * EVERY[every] for step in range((end - start) // EVERY[every] or 1)]
    full, settling = float(admitted.artefact.model.horizon_), study.outcome.settling.microseconds
    matured = {
        horizon: end - timedelta(microseconds=settling + round(horizon * YEAR))
        for horizon in sorted({min(EARLY, full), full})
    }
    asked = _Asked(admitted, study, reference, landmarks, end, matured)
    seen = asked.everybody(records)
    if not seen.people:
        window = f"between {start:%Y-%m-%d} and {end:%Y-%m-%d}"
        raise Unusable(MISSING, f"nobody in the store was eligible for {study.name} {window}")
    calibration, came_true = _calibrated(matured, seen.followed)
    return (
        Report(
            study.name,
            admitted.model_digest,
            admitted.card_digest,
            f"{start:%Y-%m-%d}",
            f"{end:%Y-%m-%d}",
            tuple(f"{landmark:%Y-%m-%d}" for landmark in sorted(landmarks)),
            shown(len(seen.people)),
            len(seen.now.tables["abstention", "any"]),
            judge(reference, seen.now, (seen.lately, seen.before), (*came_true, *used)),
            calibration,
            use,
            admitted.demonstration,
        ),
        reference,
    )


@dataclass(frozen=True, eq=False)
class _Followed:
    """Risk by a horizon, follow-up and practice of people who were given a risk."""

    risk: npt.NDArray[np.float64]
    followup: FollowUp
    practice: npt.NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class _Counted:
    """What is kept of a shard, or of all: who was eligible, what was counted, and what followed by horizon."""

    people: set[str]
    now: Tally
    lately: Tally
    before: Tally
    followed: dict[float, _Followed]


@dataclass(frozen=True, eq=False)
class _Rows:
    """Eligible people of a shard at a moment."""

    patients: npt.NDArray[np.object_]
    practice: npt.NDArray[np.object_]
    as_of: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Asked:
    """What is asked of records; each shard is read once, one a processor is in memory at a time."""

    admitted: Admitted
    study: Study
    reference: Reference
    landmarks: Sequence[datetime]
    end: datetime
    matured: Mapping[float, datetime]

    def everybody(self, records: Records) -> _Counted:
        """Return what is asked of all shards together."""
        parts = list(over_shards(records, self.of_shard))
        for part in parts[1:]:
            for whole, more in zip(_tallies(parts[0]), _tallies(part), strict=True):
                whole.merge(more)
        followed = {
            horizon: _Followed(
                np.concatenate([part.followed[horizon].risk for part in parts]),
                FollowUp.concatenate([part.followed[horizon].followup for part in parts]),
                np.concatenate([part.followed[horizon].practice for part in parts]),
            )
            for horizon in self.matured
        }
        return replace(parts[0], people=set().union(*(part.people for part in parts)), followed=followed)

    def of_shard(self, shard: Shard) -> _Counted:
        """Return what is asked of one shard."""
        from training.monitoring import Seen, Tally

        bins = self.reference.bins
        counted = _Counted(
            set(),
            Tally(bins),
            Tally(bins),
            Tally(bins),
            {horizon: self.followed(shard, moment, horizon) for horizon, moment in self.matured.items()},
        )
        for moment in self.landmarks:
            rows = self.rows(shard, moment)
            frames = self.frames(shard, rows)
            groups = self.study.groups(_of(self.study.sensitive, shard, rows))
            risk = probabilities(self.admitted, frames)
            unmet = pd.DataFrame(frames.required != 1.0, columns=list(self.admitted.artefact.required))
            counted.now.add(Seen(rows.practice, frames.features, groups, unmet, risk))
            counted.people.update(map(str, rows.patients))
        for tally, steps in ((counted.lately, range(1)), (counted.before, range(1, BEFORE + 1))):
            for step in steps:
                rows = self.rows(shard, self.end - step * LATELY)
                ages = _of(self.admitted.measured_ages, shard, rows)
                values = _of(self.admitted.artefact.features.only(*ages), shard, rows)
                tally.add_measured(rows.practice, values, ages <= LATELY / timedelta(microseconds=YEAR))
        return counted

    def rows(self, shard: Shard, moment: datetime) -> _Rows:
        """Return who meets the conditions of the population at a moment."""
        patients = shard.patients
        as_of = np.full(len(patients), to_microseconds(moment), dtype=np.int64)
        practice = latest_practice(shard, patients, as_of, self.study.cohort.registration)
        conditions = self.admitted.artefact.population.of_shard(shard, patients, as_of)
        eligible = (conditions.to_numpy(dtype=np.float64) == 1.0).all(axis=1) & (practice != "")
        return _Rows(patients[eligible], practice[eligible], as_of[eligible])

    def frames(self, shard: Shard, rows: _Rows) -> Frames:
        """Return all that an answer to them depends on."""
        return Frames.of_shard(self.admitted, shard, rows.patients, rows.as_of)

    def followed(self, shard: Shard, moment: datetime, horizon: float) -> _Followed:
        """Return what followed until the end for who was given a risk at a moment."""
        rows = self.rows(shard, moment)
        frames = self.frames(shard, rows)
        followup, early = self.study.outcome.of_shard(shard, rows.patients, rows.as_of, self.end)
        kept = ~np.isnan(probabilities(self.admitted, frames)) & ~early & (followup.duration > 0)
        risk = np.empty(0)
        if kept.any():
            features = frames.features[kept].reset_index(drop=True)
            risk = np.asarray(self.admitted.artefact.model.risk(features, horizon), dtype=np.float64)
        return _Followed(risk, followup[kept], rows.practice[kept])


def _of(features: FeatureSet, shard: Shard, rows: _Rows) -> pd.DataFrame:
    return features.of_shard(shard, rows.patients, rows.as_of)


def _tallies(counted: _Counted) -> tuple[Tally, Tally, Tally]:
    return counted.now, counted.lately, counted.before


def _calibrated(
    matured: Mapping[float, datetime], followed: Mapping[float, _Followed]
) -> tuple[tuple[Calibration, ...], list[Finding]]:
    """Return whether risks came true a year after, and at the horizon, for those whose time is over at the end."""
    from training.measures import estimate, smallest_cell
    from training.measures.registry import MEASURES
    from training.monitoring import calibration_finding
    from training.monitoring.report import Calibration

    wanted = ("observed", "predicted", "observed_expected")
    documents, findings = [], []
    for horizon, moment in matured.items():
        risk, followup, practice = followed[horizon].risk, followed[horizon].followup, followed[horizon].practice
        estimates: tuple[Estimate, ...] = ()
        if len(risk):
            smallest = smallest_cell(risk, followup, horizon, (MEASURES["observed"], None))
            made = estimate(risk, followup, horizon, practice.astype(str), resamples=RESAMPLES, measures=wanted)
            estimates = tuple(each.suppressed(smallest) for each in made)
            findings.append(calibration_finding(horizon, estimates[-1], len(set(practice))))
        documents.append(Calibration(horizon, f"{moment:%Y-%m-%d}", estimates))
    return tuple(documents), findings


def _use(
    study: str, start: datetime, end: datetime, feedback: Path | None, audit: Path | None
) -> tuple[Use, list[Finding]]:
    """Return how the model was used, as far as is told, and what there is to say about it."""
    from training.monitoring import share_finding
    from training.monitoring.report import Use

    told: dict[str, Any] = {}
    findings = []
    if feedback is not None:
        latest = {(e.get("practice"), e["service"], e["card"]): e for e in _lines(feedback, "at", start, end)}
        outcomes = Counter(entry["outcome"] for entry in latest.values())
        reasons = Counter(entry["reason"] for entry in latest.values() if entry["outcome"] == "overridden")
        told = {"cards": shown(outcomes.total()), "overridden": shown(outcomes["overridden"])}
        told["reasons"] = {str(reason): shown(many) for reason, many in sorted(reasons.items())}
        counted = outcomes["overridden"], outcomes.total()
        findings.append(share_finding("overridden", "cards", "Cartes écartées", "Cards set aside", *counted))
    if audit is not None:
        entries = [e for e in _lines(audit, "at", start, end) if e.get("study") in (study, None) and "status" in e]
        kinds = Counter(str(entry["outcome"]) for entry in entries)
        times = [float(entry["milliseconds"]) for entry in entries]
        failed = sum(int(entry["status"]) >= 500 for entry in entries)
        told["requests"] = {kind: shown(many) for kind, many in sorted(kinds.items())}
        told["slowest"] = float(np.quantile(times, 0.99)) if len(times) >= ENOUGH else None
        slow = sum(each > SLOW for each in times)
        findings.append(share_finding("slow", "requests", "Réponses lentes", "Slow answers", slow, len(times)))
        findings.append(share_finding("failed", "requests", "Réponses en échec", "Failed answers", failed, len(times)))
    return Use(**told), findings


def _lines(path: Path, at: str, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """Yield the entries of a file, or of a folder's files, that are about the window; torn lines are left out."""
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not path.exists() or not files:
        raise Unusable(MISSING, f"there is no file of entries at {path}")
    low, high = f"{start:%Y-%m-%d}", f"{end:%Y-%m-%d}"
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if isinstance(entry, dict) and low < str(entry.get(at, ""))[:10] <= high:
                    yield entry


def _records(store: Path) -> Records:
    try:
        return Records.open(store)
    except FileNotFoundError as absent:
        raise Unusable(MISSING, str(absent)) from absent


def _reference(bundle: Path) -> Reference:
    from training.monitoring import Reference

    path = bundle / REFERENCE
    if not path.is_file():
        raise Unusable(MISSING, f"{bundle} has no {REFERENCE}: make the bundle again with `python -m training train`")
    try:
        return Reference.from_json(path.read_text(encoding="utf-8"))
    except ValueError as fault:
        raise Unusable(INVALID, f"{REFERENCE}: {fault}") from fault

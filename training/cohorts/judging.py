"""Every model on every cohort it applies to, judged on people it had not learned from."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from features.outcome import COMPETING
from features.sources.cohorts import CohortTable, framingham, read_table
from features.store import compute
from training.cohorts.candidates import BY_PATIENT, NotGiven, candidates
from training.cohorts.declared import CARDIOVASCULAR, COHORTS, LEFT_OUT, REASONS, RealCohort
from training.studies import FRAMINGHAM
from training.tree import JsonTree
from training.validate import Evidence, Progress, validate


@dataclass(frozen=True)
class Judged:
    """A cohort and what is found in it.

    Parameters
    ----------
    name
        Ours.
    who, what
        Its people and what is predicted, in French and in English.
    package, origin
        Where the data were read, and who had published them before.
    cardiovascular
        Whether the event is what published cardiovascular scores predict, or death after one.
    competes
        Whether there is any competing event.
    deaths_told
        Whether those who died of something else can be told from those who left.
    caution
        What a reader must know, if anything.
    features
        How many the learned models read.
    evidence
        Everything that is measured.
    not_given
        Published scores that nobody there was given, and why.
    """

    name: str
    who: dict[str, str]
    what: dict[str, str]
    package: str
    origin: str
    cardiovascular: bool
    competes: bool
    deaths_told: bool
    caution: dict[str, str] | None
    features: int
    evidence: Evidence
    not_given: tuple[NotGiven, ...]


@dataclass(frozen=True)
class LeftOut:
    """Cohorts that are not judged, for one reason."""

    reason: dict[str, str]
    names: tuple[str, ...]


@dataclass(frozen=True)
class RealPeople(JsonTree):
    """All cohorts judged, and those that are not."""

    cohorts: tuple[Judged, ...]
    left_out: tuple[LeftOut, ...]


ABSENT: Final = LeftOut(
    {
        "fr": "Le fichier du jeu d’enseignement n’a pas été donné (--framingham).",
        "en": "The file of the teaching set was not given (--framingham).",
    },
    ("framingham",),
)


def judge_all(
    only: Sequence[str] = (),
    longitudinal: Path | None = None,
    resamples: int = 200,
    seed: int = 0,
    progress: Callable[[str], Progress] | None = None,
) -> RealPeople:
    """Judge every model on every cohort it applies to.

    Parameters
    ----------
    only
        Names of the cohorts wanted; all by default.
    longitudinal
        The CSV file of the Framingham longitudinal teaching set, which no package has; without it that cohort is left
        out, and said to be.
    resamples, seed
        Bootstrap over people: replicates, and what makes everything reproducible.
    progress
        Told the title of each cohort; returns what is told of its fits.

    Raises
    ------
    ModuleNotFoundError
        If a package is not installed.
    InvalidRecords
        If a table is not as declared.
    ValueError
        If a cohort is not known.
    """
    known = ["framingham", *(each.cohort.name for each in COHORTS)]
    if unknown := [name for name in only if name not in known]:
        raise ValueError(f"there is no cohort {', '.join(map(repr, unknown))}: choose among {', '.join(known)}")
    wanted = [each for each in COHORTS if not only or each.cohort.name in only]
    judged = []
    asked = not only or "framingham" in only
    if asked and longitudinal is not None:
        judged.append(judge_framingham(longitudinal, resamples, seed, progress("framingham") if progress else None))
    for each in wanted:
        judged.append(judge(each, resamples, seed, progress(each.cohort.name) if progress else None))
    absent = (ABSENT,) if asked and longitudinal is None else ()
    return RealPeople(tuple(judged), (*absent, *_left_out()))


def judge(real: RealCohort, resamples: int, seed: int, progress: Progress | None = None) -> Judged:
    """Return what is found in a published cohort."""
    table = read_table(real.cohort)
    evidence, refused = _evidence(
        real.cohort.name, table, real.cardiovascular, real.diseased, resamples, seed, progress
    )
    return Judged(
        real.cohort.name,
        real.who.model_dump(),
        real.what.model_dump(),
        real.cohort.package,
        real.origin,
        real in CARDIOVASCULAR,
        bool((table.followup.cause == COMPETING).any()),
        real.deaths_told,
        None if real.caution is None else real.caution.model_dump(),
        table.X.shape[1],
        evidence,
        refused,
    )


def judge_framingham(csv: Path, resamples: int, seed: int, progress: Progress | None = None) -> Judged:
    """Return what is found in the Framingham longitudinal set, whose dates make records and features."""
    study = FRAMINGHAM
    with tempfile.TemporaryDirectory() as place:
        records = framingham(csv, Path(place) / "records")
        members = study.cohort.members(records, study.outcome)
        X = compute(study.features, records, members.index)
    table = CohortTable(X, members.followup, members.index)
    evidence, refused = _evidence("framingham", table, True, False, resamples, seed, progress)
    who = {
        "fr": "Framingham, jeu longitudinal : examens d’adultes sans maladie cardiovasculaire",
        "en": "Framingham, longitudinal set: examinations of adults without cardiovascular disease",
    }
    what = {"fr": "Premier évènement cardiovasculaire", "en": "First cardiovascular event"}
    return Judged(
        "framingham",
        who,
        what,
        "framingham_longitudinal.csv",
        "NHLBI BioLINCC, teaching set",
        cardiovascular=True,
        competes=True,
        deaths_told=True,
        caution=None,
        features=X.shape[1],
        evidence=evidence,
        not_given=refused,
    )


def _evidence(
    name: str,
    table: CohortTable,
    cardiovascular: bool,
    diseased: bool,
    resamples: int,
    seed: int,
    progress: Progress | None,
) -> tuple[Evidence, tuple[NotGiven, ...]]:
    horizon = table.followup.horizon
    models, refused = candidates(table.X, horizon, seed, cardiovascular=cardiovascular, diseased=diseased)
    evidence, _ = validate(
        name,
        models,
        table.X,
        table.followup,
        table.index,
        BY_PATIENT,
        horizon,
        resamples=resamples,
        seed=seed,
        progress=progress,
        decision_range=(),
        clusters="patient",
    )
    return evidence, tuple(refused)


def _left_out() -> Iterator[LeftOut]:
    for key, names in LEFT_OUT.items():
        yield LeftOut(REASONS[key].model_dump(), names)

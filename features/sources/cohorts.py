"""Published cohorts: the Framingham longitudinal teaching set as records, those without dates as tables.

Most cohorts that packages publish hold a baseline, a time and an event, and not one date. Dates are not made up for
them: no history would come of it, and nothing could be late in it. They are read as a `CohortTable`, which is what a
cohort and a feature set make of records, so that all that comes after is the same.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.catalogue.concepts import CONCEPTS
from features.intake import InvalidRecords
from features.outcome import CENSORED, COMPETING, EVENT, REASONS, FollowUp
from features.privacy import SMALLEST_COUNT
from features.records import Records

PRACTICE: Final = "framingham"
#: The set gives days, not dates. The calendar is fictional: everybody's baseline is this day.
BASELINE: Final = datetime(1956, 1, 1)
FOLLOW_UP_DAYS: Final = 8_766
DELIVERED_AT: Final = datetime(1980, 1, 1)  # 8,766 days after the baseline

#: Measurements of an examination: column, code, unit.
MEASUREMENTS: Final = (
    ("SYSBP", "LOINC:8480-6", "mm[Hg]"),
    ("DIABP", "LOINC:8462-4", "mm[Hg]"),
    ("TOTCHOL", "LOINC:2093-3", "mg/dL"),
    ("HDLC", "LOINC:2085-9", "mg/dL"),
    ("BMI", "LOINC:39156-5", "kg/m2"),
    ("HEARTRTE", "LOINC:8867-4", "/min"),
    ("GLUCOSE", "LOINC:2345-7", "mg/dL"),
    ("CIGPDAY", "LOINC:64218-1", "/d"),
)
#: States of an examination: column, value, code. A 0 in DIABETES or BPMEDS leaves no record: nothing was found.
FINDINGS: Final = (
    ("CURSMOKE", 1, "LOINC:LA18976-3"),
    ("CURSMOKE", 0, "SNOMED:8392000"),  # non-smoker: never and former are not told apart
    ("DIABETES", 1, "CIM10:E11.9"),
    ("BPMEDS", 1, "ATC:C02"),
)
#: Events: flag, day, code. CVD on a day that is neither's is coronary by the set's definition.
EVENTS: Final = (
    ("MI_FCHD", "TIMEMIFC", "CIM10:I21.9"),
    ("STROKE", "TIMESTRK", "CIM10:I64"),
    ("ANGINA", "TIMEAP", "CIM10:I20.9"),
)
CVD_OTHERWISE: Final = "CIM10:I21.9"
OTHER_CORONARY: Final = "CIM10:I24.9"
PREVALENT: Final = (("PREVCHD", "CIM10:I25.9"), ("PREVSTRK", "CIM10:I64"))

EACH_PERSON: Final = (
    "SEX",
    *(name for flag, day, _ in EVENTS for name in (flag, day)),
    *("ANYCHD", "TIMECHD", "CVD", "TIMECVD", "DEATH", "TIMEDTH"),
)
EACH_EXAMINATION: Final = (
    *("RANDID", "TIME", "AGE"),
    *(column for column, _, _ in MEASUREMENTS),
    *("CURSMOKE", "DIABETES", "BPMEDS", "PREVCHD", "PREVSTRK"),
)
FLAGS: Final = (
    *("CURSMOKE", "DIABETES", "BPMEDS", "PREVCHD", "PREVSTRK"),
    *(flag for flag, _, _ in EVENTS),
    *("ANYCHD", "CVD", "DEATH"),
)
MAY_BE_MISSING: Final = {*(column for column, _, _ in MEASUREMENTS), "BPMEDS"}


def framingham(csv: Path, into: Path) -> Records:
    """Write the records of the Framingham longitudinal teaching set and return them.

    Parameters
    ----------
    csv
        ``framingham_longitudinal.csv``: one row an examination, up to three a person.
    into
        Folder of the new store.

    Returns
    -------
    Records
        One delivery, of the day follow-up ended.

    Raises
    ------
    InvalidRecords
        Naming everything that is wrong with the file; nothing is then written.
    FileExistsError, FileNotFoundError
        If ``into`` holds records already, or there is no such file.

    Notes
    -----
    How the set's columns become dated records:

    - The calendar is fictional. Everybody's first examination is on 1 January 1956; the others follow ``TIME`` days
      later. One practice, ``"framingham"``.
    - ``AGE`` is in whole years, so that people are half a year older on average: birth is ``AGE`` + 0.5 years of
      365.25 days before the first examination.
    - What an examination finds happened and is known at its midnight; a landmark after it must be a moment later,
      such as a day. Values that are missing leave no record. ``CURSMOKE`` does not tell people who never smoked
      from those who stopped: a 0 is coded "non-smoker", the category ``"not current"``.
    - The columns about the future (``CVD``, ``DEATH`` … with their ``TIME…``, repeated on each row) enter as records
      dated and known on the day itself: surveillance was continuous. Nothing else is derived from them.
    - The major event is the set's own ``CVD`` at ``TIMECVD``: a stroke (I64) if that is the day of the stroke,
      otherwise coronary (I21.9). The set documents it as infarction (recognised or not), fatal coronary disease or
      stroke. Two oddities are left as they are, so that counts agree with those of others. ``TIMECVD`` is the first of
      *any* coronary event or stroke: of the 369 in ten years after a baseline free of both, 130 are on a day that
      neither ``TIMEMIFC`` nor ``TIMESTRK`` gives, 86 of these the day of the first angina. And 24 people free of both
      later have a hospital infarction, after another coronary event, and yet no ``CVD``: that infarction leaves no
      record. Angina (I20.9), other coronary events (I24.9) and, with ``CVD``, infarctions and strokes have records on
      their own days as well.
    - ``TIMECVD`` of 0 is disease present at the baseline, not an event. Disease found at an examination (``PREVCHD``,
      ``PREVSTRK``) that no earlier dated event explains happened the day before, for want of a date.
    - People without ``CVD`` whose ``TIMECVD`` lies before both their death and the end were lost to surveillance that
      day: they left. Everybody else was followed until death or the end, 8,766 days after the baseline.
    """
    exams = _read(csv)
    table = pd.concat(_records(exams), ignore_index=True)
    table["patient"] = table["patient"].astype(str)
    table["practice"] = PRACTICE
    records = Records.create(into)
    records.append(table, name="framingham", delivered_at=DELIVERED_AT, concepts=CONCEPTS)
    return records


def _read(csv: Path) -> pd.DataFrame:
    """Return the examinations, sorted by person and time, or raise with every fault of the file."""
    try:
        frame = pd.read_csv(csv)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InvalidRecords([f"{csv.name} is not a CSV file with a header: {error}"]) from error
    if "TenYearCHD" in frame.columns:
        raise InvalidRecords(
            [
                f"{csv.name} is the cross-sectional copy with TenYearCHD, which counts people lost before ten years as "
                "cases and has no dates: use the longitudinal set (framingham_longitudinal.csv, 11,627 examinations)"
            ]
        )
    needed = [*EACH_EXAMINATION, *EACH_PERSON]
    if faults := [f"column {name} is missing" for name in needed if name not in frame.columns]:
        raise InvalidRecords(faults)
    frame = frame[needed]
    if faults := [
        f"column {name} holds something that is not a number"
        for name in needed
        if not pd.api.types.is_numeric_dtype(frame[name])
    ]:
        raise InvalidRecords(faults)
    if frame.empty:
        raise InvalidRecords([f"{csv.name} holds no examination"])
    if faults := list(_faults(frame)):
        raise InvalidRecords(faults)
    return frame.sort_values(["RANDID", "TIME"], ignore_index=True)


def _faults(frame: pd.DataFrame) -> Iterator[str]:
    for name in frame.columns:
        if name not in MAY_BE_MISSING and (missing := int(frame[name].isna().sum())):
            yield f"column {name} is missing on {missing} rows"
    allowed: Mapping[str, Sequence[int]] = {"SEX": (1, 2)} | dict.fromkeys(FLAGS, (0, 1))
    for name, values in allowed.items():
        if wrong := int((~frame[name].isin(values) & frame[name].notna()).sum()):
            yield f"column {name} is neither {values[0]} nor {values[1]} on {wrong} rows"
    people = frame.groupby("RANDID")
    if twice := int(frame.duplicated(["RANDID", "TIME"]).sum()):
        yield f"{twice} rows repeat an examination (RANDID and TIME)"
    if without := int((people["TIME"].min() != 0).sum()):
        yield f"{without} people have no examination at TIME 0"
    for name in EACH_PERSON:
        if changing := int((people[name].min() != people[name].max()).sum()):
            yield f"column {name} changes between examinations of {changing} people: it should be the same on each row"
    late = [name for name in frame.columns if name.startswith("TIME")]
    for name in late:
        if outside := int((~frame[name].between(0, FOLLOW_UP_DAYS) & frame[name].notna()).sum()):
            yield f"column {name} is outside 0 to {FOLLOW_UP_DAYS:,} days on {outside} rows"
    if after := int((frame["TIME"] > frame["TIMEDTH"]).sum()):
        yield f"{after} examinations (TIME) come after death or the end of follow-up (TIMEDTH)"
    if not frame["AGE"].dropna().between(15, 110).all():
        yield "column AGE is outside 15 to 110 years on some rows"


def _records(exams: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield records, a code at a time."""
    people = exams.drop_duplicates("RANDID", ignore_index=True)
    yield from _people(people)
    yield _dated(exams, exams["TIME"], "PRACTICE:examination")
    for column, code, unit in MEASUREMENTS:
        measured = exams[exams[column].notna()]
        yield _dated(measured, measured["TIME"], code).assign(value=measured[column].to_numpy(np.float64), unit=unit)
    for column, value, code in FINDINGS:
        found = exams[exams[column] == value]
        yield _dated(found, found["TIME"], code)
    yield from _events(people)
    yield from _prevalent(exams)
    yield from _endings(people)


def _people(people: pd.DataFrame) -> Iterator[pd.DataFrame]:
    days_before = np.ceil((people["AGE"] + 0.5) * 365.25)
    yield _dated(people, -days_before, "PRACTICE:birth", known=people["TIME"])
    for sex, code in ((1, "PRACTICE:male"), (2, "PRACTICE:female")):
        rows = people[people["SEX"] == sex]
        yield _dated(rows, rows["TIME"], code)
    yield _dated(people, people["TIME"], "PRACTICE:registered")


def _events(people: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield what surveillance saw after the baseline, each on its own day."""
    after = {day: people[day] > 0 for day in ("TIMECVD", "TIMECHD", *(day for _, day, _ in EVENTS))}
    happened = {
        flag: (people[flag] == 1) & after[day] & ((people["CVD"] == 1) | (flag == "ANGINA")) for flag, day, _ in EVENTS
    }
    for flag, day, code in EVENTS:
        rows = people[happened[flag]]
        yield _dated(rows, rows[day], code)
    cvd = (people["CVD"] == 1) & after["TIMECVD"]
    # Infarctions and strokes of that day have their records already.
    told = _same_day(people, "TIMECVD", happened, ("MI_FCHD", "STROKE"))
    rows = people[cvd & ~told]
    yield _dated(rows, rows["TIMECVD"], CVD_OTHERWISE)
    told = _same_day(people, "TIMECHD", happened, ("MI_FCHD", "ANGINA"))
    told |= cvd & (people["TIMECVD"] == people["TIMECHD"])
    rows = people[(people["ANYCHD"] == 1) & after["TIMECHD"] & ~told]
    yield _dated(rows, rows["TIMECHD"], OTHER_CORONARY)


def _same_day(
    people: pd.DataFrame, day: str, happened: Mapping[str, pd.Series[bool]], flags: Sequence[str]
) -> pd.Series[bool]:
    """Return who had one of these events on a day."""
    days = {flag: of_flag for flag, of_flag, _ in EVENTS}
    same = pd.Series(False, index=people.index)
    for flag in flags:
        same |= happened[flag] & (people[days[flag]] == people[day])
    return same


def _prevalent(exams: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield disease that an examination found and no earlier dated event explains."""
    explained = {
        "PREVCHD": (exams["ANYCHD"] == 1) & exams["TIMECHD"].between(1, exams["TIME"]),
        "PREVSTRK": (exams["STROKE"] == 1) & exams["TIMESTRK"].between(1, exams["TIME"]),
    }
    for column, code in PREVALENT:
        rows = exams[(exams[column] == 1) & ~explained[column]].drop_duplicates("RANDID")
        yield _dated(rows, rows["TIME"] - 1, code, known=rows["TIME"])


def _endings(people: pd.DataFrame) -> Iterator[pd.DataFrame]:
    rows = people[people["DEATH"] == 1]
    yield _dated(rows, rows["TIMEDTH"], "PRACTICE:death")
    rows = people[(people["CVD"] == 0) & (people["TIMECVD"] < people["TIMEDTH"])]
    yield _dated(rows, rows["TIMECVD"], "PRACTICE:left")


def _dated(rows: pd.DataFrame, day: pd.Series[Any], code: str, known: pd.Series[Any] | None = None) -> pd.DataFrame:
    """Return records of a code, dated in days since the baseline, without values."""
    moments = [
        (np.datetime64(BASELINE, "us") + days.to_numpy().astype("timedelta64[D]")).astype("datetime64[us]")
        for days in (day, day if known is None else known)
    ]
    return pd.DataFrame(
        {
            "patient": rows["RANDID"].to_numpy(np.int64),
            "happened_at": moments[0],
            "known_at": moments[1],
            "code": code,
            "value": np.nan,
            "unit": None,
        }
    )


@dataclass(frozen=True, eq=False)
class CohortTable:
    """People of a published cohort at their baseline, and what followed.

    Parameters
    ----------
    X
        Features, one row a person (or an eye: see the cohort).
    followup
        Follow-up of the same rows, closed at the cohort's horizon.
    index
        ``patient``, ``practice`` (the cohort's name) and ``as_of``, which is the same fictional day for everybody.
    """

    X: pd.DataFrame
    followup: FollowUp
    index: pd.DataFrame


@dataclass(frozen=True)
class From:
    """Where a feature comes from: the first of some columns that has a value, times a factor or through a code.

    Parameters
    ----------
    columns
        Columns of the package, in order of preference.
    factor
        From the package's unit to that of the feature.
    codes
        What each of the package's codes means; those that are not there are missing.
    """

    columns: tuple[str, ...]
    factor: float = 1.0
    codes: Mapping[str, float] | None = None


Causes = Callable[[pd.DataFrame], npt.NDArray[np.int8]]
Package = Literal["SurvSet", "scikit-survival"]

YEARS: Final[Mapping[str, float]] = {"days": 1 / 365.25, "months": 1 / 12, "years": 1.0}


@dataclass(frozen=True)
class PublishedCohort:
    """A cohort that a package publishes as a table, and how its columns are to be read.

    Parameters
    ----------
    name
        Ours.
    package, dataset
        Which package has it, and under what name.
    unit
        Of its time: ``"days"``, ``"months"`` or ``"years"``.
    horizon
        Years after which follow-up is closed.
    named
        Features that have a name and a unit here, by name. Other columns stay as they are, under their own name.
    never
        Columns that are no features: known only after the baseline, saying again what another says, or telling when
        somebody entered, and thereby how long they could be followed.
    causes
        Tells what ended each row's follow-up from the package's columns (``event`` among them); by default ``event``.
    """

    name: str
    package: Package
    dataset: str
    unit: Literal["days", "months", "years"]
    horizon: float
    named: Mapping[str, From] = field(default_factory=dict)
    never: tuple[str, ...] = ()
    causes: Causes | None = None


def read_table(cohort: PublishedCohort) -> CohortTable:
    """Return a published cohort as its package has it, with our names and units.

    Returns
    -------
    CohortTable
        Numbers as they are, a column for each level of a category but the commonest, missing where unknown. Levels of
        fewer than 11 people have no column.

    Raises
    ------
    ModuleNotFoundError
        If the package is not installed; the message says how to install it.
    InvalidRecords
        Naming all that the package's table lacks or cannot be: another version of it, probably.
    """
    given = PACKAGES[cohort.package](cohort.dataset)
    told = [column for source in cohort.named.values() for column in source.columns]
    faults = [f"column {name} is not there" for name in (*told, *cohort.never) if name not in given.columns]
    cause = given["event"].to_numpy() if cohort.causes is None or faults else cohort.causes(given)
    duration = given["time"].to_numpy(np.float64) * YEARS[cohort.unit]
    if wrong := int((~(np.isfinite(duration) & (duration >= 0))).sum()):
        faults.append(f"time is missing or negative on {wrong} rows")
    if wrong := int((~np.isin(cause, (CENSORED, EVENT, COMPETING))).sum()):
        faults.append(f"event is neither 0, 1 nor 2 on {wrong} rows")
    if faults:
        raise InvalidRecords([f"{cohort.package}, {cohort.dataset}: {fault}" for fault in faults])
    features = {name: _named(given, source) for name, source in cohort.named.items()}
    for column in given.columns.difference([*told, *cohort.never, "pid", "event", "time"], sort=False):
        features |= _as_it_is(column, given[column])
    return CohortTable(
        pd.DataFrame(features),
        _closed(duration, cause.astype(np.int8), cohort.horizon),
        pd.DataFrame({"patient": given["pid"].astype(str), "practice": cohort.name, "as_of": BASELINE}),
    )


def _survset(dataset: str) -> pd.DataFrame:
    """Return a SurvSet table without its prefixes: of a number that is there as a category as well, the number."""
    try:
        # Its files are pickles: whoever installs the package trusts what it runs, and no other file is opened.
        from SurvSet.data import SurvLoader
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "published cohorts are read from the package SurvSet, which is not installed: pip install 'vigie[cohorts]'"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its files name a module that NumPy has renamed
        table: pd.DataFrame = SurvLoader().load_dataset(ds_name=dataset)["df"]
    if "time2" in table.columns:
        raise InvalidRecords([f"SurvSet, {dataset}: its columns change over time: there is no baseline to learn from"])
    doubled = [column for column in table.columns if f"num_{column.removeprefix('fac_')}" in table.columns]
    table = table.drop(columns=[column for column in doubled if column.startswith("fac_")])
    return table.rename(columns=lambda column: re.sub(r"^(num|fac)_", "", column)).reset_index(drop=True)


def _scikit_survival(dataset: str) -> pd.DataFrame:
    """Return a table of scikit-survival with SurvSet's names for person, event and time."""
    from sksurv import datasets

    given: tuple[pd.DataFrame, npt.NDArray[Any]] = getattr(datasets, f"load_{dataset}")()
    X, y = given
    event, time = (name for name, *_ in y.dtype.descr)
    told = pd.DataFrame({"event": y[event].astype(np.int8), "time": y[time], "pid": np.arange(len(y))}, index=X.index)
    return pd.concat([told, X], axis=1).reset_index(drop=True)


PACKAGES: Final[Mapping[Package, Callable[[str], pd.DataFrame]]] = {
    "SurvSet": _survset,
    "scikit-survival": _scikit_survival,
}


def _text(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return categories as text, missing where the package says so in any of its ways."""
    text = column.astype(object).map(lambda value: f"{value:g}" if isinstance(value, float) else str(value))
    return text.where(column.notna() & ~text.isin(["missing", ""]), None)


def _number(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return numbers, missing ones as NumPy's own NaN: R's, which some tables hold, raises an alarm when added up."""
    return column.astype(np.float64).where(column.notna(), np.nan)


def _named(given: pd.DataFrame, source: From) -> pd.Series[Any]:
    """Return a feature in our unit."""
    if source.codes is not None:
        return _text(given[source.columns[0]]).map(source.codes).astype(np.float64)
    value = _number(given[source.columns[0]])
    for column in source.columns[1:]:
        value = value.fillna(_number(given[column]))
    return value * source.factor


def _as_it_is(name: str, column: pd.Series[Any]) -> dict[str, pd.Series[Any]]:
    """Return the features of a column that has no name here."""
    plain = re.sub(r"\W+", "_", name)
    if pd.api.types.is_numeric_dtype(column):
        return {plain: _number(column)}
    text = _text(column)
    many = text.value_counts().sort_index(kind="stable").sort_values(ascending=False, kind="stable")
    return {
        re.sub(r"\W+", "_", f"{plain}_{level}"): (text == level).astype(np.float64).where(text.notna())
        for level in many.index[1:][many.to_numpy()[1:] >= SMALLEST_COUNT]
    }


def _closed(duration: npt.NDArray[np.float64], cause: npt.NDArray[np.int8], horizon: float) -> FollowUp:
    """Return follow-up closed at the horizon. Why somebody was followed no longer is not told: the data end there."""
    cause = np.where(duration > horizon, CENSORED, cause).astype(np.int8)
    reason = np.where(duration >= horizon, REASONS.index("horizon reached"), REASONS.index("end of data"))
    for code, why in ((EVENT, "event"), (COMPETING, "competing event")):
        reason = np.where(cause == code, REASONS.index(why), reason)
    return FollowUp(np.minimum(duration, horizon), cause, reason.astype(np.int8), horizon)

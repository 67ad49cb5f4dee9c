"""The language by example: chapters of records in a table, expressions, and the value each has for each patient.

The tests run every example on every engine; `tests.spec.document` writes them as ``docs/language.md``. Values are
worked out by hand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from features import language
from features.catalogue import concepts
from features.codes import ATC, CIM10, Concept
from features.intake import SCHEMA
from features.language import Expression

AS_OF = datetime(2024, 3, 1)
MISSING = math.nan
YES, NO = True, False
Value = float | bool | str

#: What a table calls a record, and its code.
RECORDS = {
    "birth": "PRACTICE:birth",
    "man": "PRACTICE:male",
    "visit": "PRACTICE:consultation",
    "pressure": "LOINC:8480-6",
    "cholesterol": "LOINC:14647-2",
    "HDL": "LOINC:14646-4",
    "never smoked": "LOINC:LA18978-9",
    "stopped smoking": "LOINC:LA15920-4",
    "smokes": "LOINC:LA18976-3",
    "diabetes (E11.9)": "CIM10:E11.9",
    "infarction (I21.4)": "CIM10:I21.4",
    "stroke (I63.9)": "CIM10:I63.9",
    "statin": "ATC:C10AA05",
    "supply": "ATC:C03AA03",
}
#: A dispensing whose value is the number of days it is for.
DIURETIC_SUPPLY = Concept("diuretic_supply", "Délivrance de diurétique", "Diuretic supplied", (ATC("C03AA"),), unit="d")
NAMES: dict[str, Any] = {
    **vars(concepts),
    **{name: getattr(language, name) for name in language.__all__},
    "CIM10": CIM10,
    "DIURETIC_SUPPLY": DIURETIC_SUPPLY,
}


@dataclass(frozen=True)
class Example:
    """An expression, as it is written, and its value for each patient of the table, in order."""

    code: str
    values: tuple[Value, ...]
    note: str = ""

    @property
    def expression(self) -> Expression:
        expression: Expression = eval(self.code, dict(NAMES))
        return expression


@dataclass(frozen=True)
class Refused:
    """An expression that cannot be built, as it is written, and what the error says."""

    code: str
    message: str


@dataclass(frozen=True)
class Chapter:
    """What some verbs do, the records they are shown on, and examples.

    A line of the table is ``patient | happened | record | value | known | taken back``; what is left out at the end is
    not there, and a record without ``known`` was known when it happened. A patient alone on a line has no record.
    """

    title: str
    prose: str
    table: str = ""
    examples: tuple[Example, ...] = ()
    refused: tuple[Refused, ...] = ()

    @property
    def lines(self) -> list[list[str]]:
        return [[cell.strip() for cell in line.split("|")] for line in self.table.strip().splitlines()]

    @property
    def patients(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(line[0] for line in self.lines))

    def rows(self, patient: str | None = None) -> list[dict[str, Any]]:
        """Return the records, as rows of the store's schema."""
        found = []
        for name, *cells in self.lines:
            if cells and patient in (None, name):
                happened, record, value, known, back = (*cells, "", "", "")[:5]
                moments = (happened, known or happened, back or None)
                happened_at, known_at, retracted_at = (datetime.fromisoformat(m) if m else None for m in moments)
                size = float(value) if value else None
                row = (name, "p", happened_at, known_at, RECORDS[record], size, None, retracted_at)
                found.append(dict(zip(SCHEMA.names, row, strict=True)))
        return found


CHAPTERS = (
    Chapter(
        "What a feature may see",
        """
Every record has two dates: when it **happened**, and when the practice **knew** it. Letters and results arrive
late. A feature is computed *as of* a moment, and sees only what had happened **and** was known strictly before
it. A record that was taken back (a mistake put right) is believed until that day, and from then on it never
was.

Here, as everywhere on this page, `as_of` is 1 March 2024 at midnight. Ada's 190 was measured in time, but its
letter came on 5 March; her 200 is of the very moment; her 170 had been taken back. None of the three is seen.
""",
        """
Ada | 2023-03-01 | pressure | 140
Ada | 2024-02-01 | pressure | 130
Ada | 2024-02-10 | pressure | 170 | 2024-02-10 | 2024-02-20
Ada | 2024-02-20 | pressure | 190 | 2024-03-05
Ada | 2024-03-01 | pressure | 200
Zoé
""",
        (
            Example("latest(SYSTOLIC_BP)", (130, MISSING)),
            Example("count(SYSTOLIC_BP)", (2, 0)),
        ),
    ),
    Chapter(
        "Windows: `within` and `until`",
        """
A verb looks at everything ever recorded, or `within` a length of time before `as_of`; `until` ends the window
earlier. Every interval has its start in it and not its end: `within=days(10), until=days(5)` is from ten days
before, included, to five days before, excluded. A window hangs on `as_of`, never on the patient's last record:
what is stale is not recent.

Lengths are `days(n)`, `months(n)` and `years(n)`; a year is 365.25 days, a month a twelfth of it.
""",
        """
Ada | 2024-02-20 | visit
Ada | 2024-02-25 | visit
Ada | 2022-06-01 | visit
Béa | 2021-01-01 | visit
""",
        (
            Example("count(CONSULTATION, within=years(1))", (2, 0)),
            Example("count(CONSULTATION, within=days(10))", (2, 0), "20 February is ten days before: inside"),
            Example("count(CONSULTATION, within=days(10), until=days(5))", (1, 0), "25 February is five: outside"),
            Example("count(CONSULTATION, within=years(3), until=years(1))", (1, 0)),
            Example("count(CONSULTATION, until=years(1))", (1, 1), "everything up to a year ago"),
        ),
    ),
    Chapter(
        "Windows around another event: `since` and `before`",
        """
`since=` and `before=` bound a window by an event in the same record: the `latest(...)` or `first(...)` record
of any concept, with or without a value. The moment of `since` is inside, the moment of `before` is not. They go
together with `within` and `until`. Where the event is not there, there is no window, and no record is in it:
Béa never had a statin, so she has no cholesterol since it.
""",
        """
Ada | 2020-01-10 | cholesterol | 7.2
Ada | 2021-01-10 | cholesterol | 7.0
Ada | 2021-01-10 | statin
Ada | 2021-06-10 | cholesterol | 4.8
Ada | 2023-06-10 | cholesterol | 5.0
Béa | 2022-03-01 | cholesterol | 6.1
""",
        (
            Example("latest(TOTAL_CHOLESTEROL, before=first(STATIN))", (7.2, MISSING)),
            Example("first(TOTAL_CHOLESTEROL, since=first(STATIN))", (7, MISSING)),
            Example(
                "minimum(TOTAL_CHOLESTEROL, since=first(STATIN)) - latest(TOTAL_CHOLESTEROL, before=first(STATIN))",
                (-2.4, MISSING),
                "the best that treatment did",
            ),
            Example("count(TOTAL_CHOLESTEROL, since=first(STATIN), within=years(1))", (1, 0)),
            Example("exists(TOTAL_CHOLESTEROL, before=first(STATIN))", (YES, NO)),
        ),
    ),
    Chapter(
        "One value: `latest`, `first`, and the nth of them",
        """
`latest` and `first` take one value; with `nth=2` the one before the latest, or after the first. Records are
taken in the order of when they happened, then of when they were known, then of their value, so that of two
values of one moment the larger is the latest, whatever the order of rows. A record without a value is passed
over.
""",
        """
Ada | 2019-02-01 | pressure | 150
Ada | 2023-03-01 | pressure | 140
Ada | 2024-02-01 | pressure | 130
Béa | 2023-05-01 | pressure | 124
Béa | 2023-05-01 | pressure | 120
Béa | 2023-06-01 | pressure
""",
        (
            Example("latest(SYSTOLIC_BP)", (130, 124)),
            Example("first(SYSTOLIC_BP)", (150, 120)),
            Example("latest(SYSTOLIC_BP, nth=2)", (140, 120)),
            Example("latest(SYSTOLIC_BP, nth=3)", (150, MISSING)),
            Example("latest(SYSTOLIC_BP, within=days(20))", (MISSING, MISSING)),
            Example("latest(SYSTOLIC_BP) - latest(SYSTOLIC_BP, nth=2)", (-10, 4), "since the time before"),
        ),
    ),
    Chapter(
        "Many values: `mean`, `minimum`, `maximum`, `total`, `standard_deviation`, `slope`",
        """
Each takes the values in the window, and is missing where there is none. The standard deviation has the divisor
*n* − 1 and needs two values; the slope is the least-squares change a year, and needs two values at different
times.
""",
        """
Ada | 2021-03-01 | pressure | 150
Ada | 2023-03-01 | pressure | 140
Ada | 2024-02-01 | pressure | 130
Béa | 2023-05-01 | pressure | 120
Béa | 2023-05-01 | pressure | 124
Béa | 2023-06-01 | pressure
Zoé
""",
        (
            Example("mean(SYSTOLIC_BP)", (140, 122, MISSING)),
            Example("minimum(SYSTOLIC_BP)", (130, 120, MISSING)),
            Example("maximum(SYSTOLIC_BP)", (150, 124, MISSING)),
            Example("total(SYSTOLIC_BP, within=years(2))", (270, 244, MISSING)),
            Example("standard_deviation(SYSTOLIC_BP)", (10, math.sqrt(8), MISSING)),
            Example("slope(SYSTOLIC_BP, within=months(13))", (-10 * 365.25 / 337, MISSING, MISSING)),
        ),
    ),
    Chapter(
        "Records: `exists`, `count`, `count_days`",
        """
These look at all records, with or without a value. The absence of a record is an answer: no, or zero.
`count_days` counts the different days (of UTC) on which there is one.
""",
        """
Ada | 2023-06-01T09:00 | visit
Ada | 2023-06-01T17:30 | visit
Ada | 2023-09-01T09:00 | visit
Béa | 2020-05-01 | diabetes (E11.9)
""",
        (
            Example("exists(DIABETES)", (NO, YES)),
            Example("count(CONSULTATION, within=years(1))", (3, 0)),
            Example("count_days(CONSULTATION, within=years(1))", (2, 0)),
        ),
    ),
    Chapter(
        "How long ago: `years_since`, `years_since_first`, `.years_ago()`",
        """
`years_since` dates the latest record and `years_since_first` the first, with or without a value; `.years_ago()`
dates the very record that a `latest(...)` or `first(...)` took. The time between two events is a difference.
""",
        """
Ada | 2020-05-01 | diabetes (E11.9)
Ada | 2021-05-01 | diabetes (E11.9)
Ada | 2021-05-01 | infarction (I21.4)
Ada | 2024-02-01 | pressure | 130
Ada | 2024-02-15 | pressure
Zoé
""",
        (
            Example("years_since(DIABETES)", (1035 / 365.25, MISSING)),
            Example("years_since_first(DIABETES)", (1400 / 365.25, MISSING)),
            Example("latest(SYSTOLIC_BP).years_ago()", (29 / 365.25, MISSING), "the value of 1 February"),
            Example("years_since(SYSTOLIC_BP)", (15 / 365.25, MISSING), "the record of 15 February, without a value"),
            Example("years_since_first(DIABETES) - years_since_first(MAJOR_CV_EVENT)", (365 / 365.25, MISSING)),
        ),
    ),
    Chapter(
        "States",
        """
A state, such as smoking, is a concept whose codes fall into categories. `latest` gives the latest category;
compare it with a name. Of two categories of one moment the one listed last in the concept counts. Never
measured is not *no*: a comparison with a missing state is missing.
""",
        """
Ada | 2022-01-01 | smokes
Ada | 2023-01-01 | stopped smoking
Béa | 2023-05-01 | smokes
Béa | 2023-05-01 | stopped smoking
Zoé
""",
        (
            Example("latest(SMOKING_STATUS)", ("former", "current", MISSING)),
            Example('latest(SMOKING_STATUS, within=years(5)) == "current"', (NO, YES, MISSING)),
            Example('latest(SMOKING_STATUS) != "never"', (YES, YES, MISSING)),
            Example('exists(SMOKING_STATUS, where=VALUE == "current")', (YES, YES, NO), "ever"),
        ),
    ),
    Chapter(
        "Only some values: `where`",
        """
`where=` keeps the records whose own value meets a comparison, or several joined by `&`. `VALUE` is the value of
each record, in its concept's unit. A record without a value meets none.
""",
        """
Ada | 2023-05-01 | pressure | 150
Ada | 2023-06-01 | pressure | 138
Ada | 2023-07-01 | pressure | 165
Ada | 2023-08-01 | pressure
Béa | 2023-05-01 | pressure | 120
""",
        (
            Example("count(SYSTOLIC_BP, where=VALUE >= 140)", (2, 0)),
            Example("count(SYSTOLIC_BP, where=(VALUE >= 140) & (VALUE < 160))", (1, 0)),
            Example(
                "count(SYSTOLIC_BP, where=VALUE >= 140) / count(SYSTOLIC_BP)",
                (0.5, 0),
                "of all readings, valued or not",
            ),
            Example("years_since(SYSTOLIC_BP, where=VALUE >= 140)", (244 / 365.25, MISSING)),
        ),
    ),
    Chapter(
        "Several concepts, or part of one: `any_of`, `all_of`, `only`",
        """
`any_of` makes one concept of several, for any verb. It has a value where all of them are measured in one unit;
otherwise its records only have dates. `all_of` is the condition that there is a record of each. `only` keeps
some codes of a concept, each with its descendants.
""",
        """
Ada | 2019-05-01 | infarction (I21.4)
Ada | 2022-05-01 | stroke (I63.9)
Béa | 2023-05-01 | diabetes (E11.9)
Béa | 2023-06-01 | visit
Zoé
""",
        (
            Example("count(any_of(DIABETES, MAJOR_CV_EVENT))", (2, 1, 0)),
            Example("years_since(any_of(CONSULTATION, DIABETES), within=years(1))", (MISSING, 274 / 365.25, MISSING)),
            Example("all_of(DIABETES, CONSULTATION, within=years(1))", (NO, YES, NO)),
            Example('exists(only(MAJOR_CV_EVENT, CIM10("I21")))', (YES, NO, NO), "infarction, and not stroke"),
        ),
    ),
    Chapter(
        "Treatment: `years_covered`, `share_covered`",
        """
Each prescription covers from the day it was made on, for `lasting`, or for its own number of days where the
concept is measured in days (UCUM `d`). Overlaps count once; what one from before the window still covers
counts, and what goes beyond its end does not. `share_covered` divides by the length of the window. A window
without a beginning begins with the first record: the share is then that of the time since treatment began, and
missing where it never did.

Ada has 30 days from 1 November and 30 from 16 November: 45 in all. The window of 100 days begins on 22
November, and the second prescription covers 24 days of it. Béa's 60-day prescription, on 1 February, covers the
29 days to 1 March. Cléo's of 50 days covers the three short ones made while it lasts: 50 in all, 48 of them in
the last 58 days.
""",
        """
Ada | 2023-11-01 | statin
Ada | 2023-11-16 | statin
Béa | 2024-02-01 | supply | 60
Cléo | 2024-01-01 | supply | 50
Cléo | 2024-01-05 | supply | 2
Cléo | 2024-01-10 | supply | 2
Cléo | 2024-01-15 | supply | 2
Zoé
""",
        (
            Example("years_covered(STATIN, lasting=days(30))", (45 / 365.25, 0, 0, 0)),
            Example("share_covered(STATIN, within=days(100), lasting=days(30))", (0.24, 0, 0, 0)),
            Example("share_covered(STATIN, lasting=days(30))", (45 / 121, MISSING, MISSING, MISSING)),
            Example("years_covered(DIURETIC_SUPPLY, lasting=days(30))", (0, 29 / 365.25, 50 / 365.25, 0)),
            Example("share_covered(DIURETIC_SUPPLY, within=days(58), lasting=days(30))", (0, 0.5, 48 / 58, 0)),
            Example(
                "years_covered(STATIN, within=days(100), until=days(90), lasting=days(30))", (10 / 365.25, 0, 0, 0)
            ),
        ),
    ),
    Chapter(
        "Sequences: `followed_by`",
        """
Whether a record of one concept is followed by one of another, at the same moment or less than `delay` later. A
record does not follow itself. The window is about what comes first.
""",
        """
Ada | 2022-05-01 | infarction (I21.4)
Ada | 2022-05-20 | statin
Béa | 2022-05-01 | infarction (I21.4)
Béa | 2022-05-31 | statin
Zoé | 2023-05-01 | visit
Zoé | 2023-05-03 | visit
""",
        (
            Example("followed_by(MAJOR_CV_EVENT, STATIN, delay=days(30))", (YES, NO, NO), "Béa's came after 30 days"),
            Example("followed_by(MAJOR_CV_EVENT, STATIN, delay=days(31))", (YES, YES, NO)),
            Example("followed_by(CONSULTATION, CONSULTATION, delay=days(7), within=years(1))", (NO, NO, YES)),
            Example("followed_by(MAJOR_CV_EVENT, STATIN, delay=days(31), within=years(1))", (NO, NO, NO)),
        ),
    ),
    Chapter(
        "Age",
        """
Completed years, and the part of the way from the last birthday to the next. Somebody born on 29 February has
the birthday on 1 March in other years.
""",
        """
Ada | 1962-03-01 | birth || 2015-01-01
Béa | 1964-02-29 | birth || 2015-01-01
Zoé
""",
        (
            Example("age()", (62, 60 + 1 / 366, MISSING)),
            Example("(age() >= 40) & (age() < 61)", (NO, YES, MISSING)),
        ),
    ),
    Chapter(
        "Arithmetic and units",
        """
`+ - * /` combine numbers. What is computed from a missing value is missing, and so is a division by zero. Every
number has its unit, and units are checked when the expression is built: one adds and compares like with like. A
bare number goes with any unit; `quantity(x, unit)` has one. `smallest` and `largest` compare several numbers.
The change between two windows is a difference.
""",
        """
Ada | 2021-01-01 | pressure | 140
Ada | 2023-06-01 | pressure | 150
Ada | 2023-01-01 | cholesterol | 6
Ada | 2023-01-01 | HDL | 1.5
Béa | 2023-01-01 | cholesterol | 5
""",
        (
            Example("latest(TOTAL_CHOLESTEROL) - latest(HDL)", (4.5, MISSING), "in mmol/L"),
            Example("latest(TOTAL_CHOLESTEROL) / latest(HDL)", (4, MISSING), "without a unit"),
            Example("latest(TOTAL_CHOLESTEROL) / count(DIABETES)", (MISSING, MISSING), "divided by zero"),
            Example(
                "mean(SYSTOLIC_BP, within=years(1)) - mean(SYSTOLIC_BP, within=years(5), until=years(1))",
                (10, MISSING),
                "this year against the four before",
            ),
            Example('latest(SYSTOLIC_BP) / quantity(10, "mm[Hg]/cm[Hg]")', (15, MISSING), "in cm[Hg]"),
            Example("largest(latest(SYSTOLIC_BP) - 120, 0)", (30, MISSING), "what is above 120"),
        ),
        (
            Refused(
                "latest(SYSTOLIC_BP) + latest(HDL)",
                "+ needs one unit on both sides; here mm[Hg] and mmol/L: latest(systolic_blood_pressure) [mm[Hg]], "
                'latest(hdl_cholesterol) [mmol/L]. Convert one of them (multiply by quantity(factor, "unit/unit")), '
                "or divide each by quantity(1, unit) to drop its unit",
            ),
            Refused(
                "latest(CONSULTATION) > 1",
                ">: latest(consultation) is a record, and consultation has no value, only dates: use exists(), "
                "count(), years_since() or .years_ago(), or give it as since= or before=",
            ),
        ),
    ),
    Chapter(
        "Conditions and missing values",
        """
`== != < <= > >=` compare, `& | ~` combine (with parentheses). A comparison with a missing value is missing.
*And* and *or* know what they can: false *and* missing is false, true *or* missing is true. `.known()` and
`.missing()` are never missing themselves; `.default(x)` fills in, a state with one of its names;
`.where(condition)` keeps a number only where a condition holds; `when(...).then(...).otherwise(...)` chooses.
""",
        """
Ada | 2023-01-01 | cholesterol | 6
Ada | 2023-02-01 | stopped smoking
Béa | 2020-05-01 | diabetes (E11.9)
Zoé
""",
        (
            Example("latest(TOTAL_CHOLESTEROL) >= 5", (YES, MISSING, MISSING)),
            Example("exists(DIABETES) & (latest(TOTAL_CHOLESTEROL) >= 5)", (NO, MISSING, NO)),
            Example("exists(DIABETES) | (latest(TOTAL_CHOLESTEROL) >= 5)", (YES, YES, MISSING)),
            Example("~exists(DIABETES)", (YES, NO, YES)),
            Example("latest(TOTAL_CHOLESTEROL).known()", (YES, NO, NO)),
            Example("latest(TOTAL_CHOLESTEROL).missing()", (NO, YES, YES)),
            Example("latest(TOTAL_CHOLESTEROL).default(5.2)", (6, 5.2, 5.2)),
            Example('latest(SMOKING_STATUS).default("never")', ("former", "never", "never")),
            Example("latest(TOTAL_CHOLESTEROL).where(~exists(DIABETES))", (6, MISSING, MISSING)),
            Example("when(exists(DIABETES)).then(2).otherwise(1)", (1, 2, 1), "points, for instance"),
        ),
        (
            Refused(
                "exists(DIABETES) and exists(STATIN)",
                "an expression has no truth value before it is evaluated: combine conditions with & | ~ (in "
                "parentheses), not with and, or, not; use one comparison at a time. The expression is exists(diabetes)",
            ),
        ),
    ),
    Chapter(
        "Bands",
        """
`band` says between which edges a number lies: a number from 0, or a name where bands have labels. A band has
its lower edge in it and not its upper.
""",
        """
Ada | 2023-05-01 | pressure | 140
Béa | 2023-05-01 | pressure | 139.9
Zoé
""",
        (
            Example("band(latest(SYSTOLIC_BP), [120, 140, 160])", (2, 1, MISSING)),
            Example('band(latest(SYSTOLIC_BP), [140], ["normal", "high"])', ("high", "normal", MISSING)),
            Example('band(latest(SYSTOLIC_BP), [140], ["normal", "high"]) == "high"', (YES, NO, MISSING)),
        ),
    ),
)

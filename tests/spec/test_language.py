"""The language by example: a table of records in, an expression, the value it has for each patient.

Every example runs on both evaluators.
"""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from features.catalogue.concepts import (
    BIRTH,
    CONSULTATION,
    DIABETES,
    HDL,
    SMOKING_STATUS,
    SYSTOLIC_BP,
    TOTAL_CHOLESTEROL,
)
from features.columnar import evaluate_all
from features.intake import COLUMNS
from features.language import (
    Expression,
    age,
    count,
    days,
    exists,
    first,
    latest,
    maximum,
    mean,
    minimum,
    months,
    slope,
    total,
    when,
    years,
    years_since,
)
from features.patient import evaluate, years_between
from features.records import History, Record, Shard, to_microseconds

AS_OF = datetime(2024, 3, 1)
NONE = math.nan

# patient | happened | known (when later) | code | value
TABLE = """
ada  | 1962-03-01 | 2015-01-01 | PRACTICE:birth        |
ada  | 2019-02-01 |            | LOINC:8480-6          | 150
ada  | 2023-03-01 |            | LOINC:8480-6          | 140
ada  | 2024-02-01 |            | LOINC:8480-6          | 130
ada  | 2024-02-20 | 2024-03-05 | LOINC:8480-6          | 190
ada  | 2024-03-01 |            | LOINC:8480-6          | 200
ada  | 2023-06-01 |            | PRACTICE:consultation |
ada  | 2023-09-01 |            | PRACTICE:consultation |
ada  | 2020-01-01 |            | PRACTICE:consultation |
ada  | 2022-01-01 |            | LOINC:LA18976-3       |
ada  | 2023-01-01 |            | LOINC:LA15920-4       |
ada  | 2023-01-01 |            | LOINC:14647-2         | 6
ada  | 2023-01-01 |            | LOINC:14646-4         | 1.5
béa  | 1964-02-29 | 2015-01-01 | PRACTICE:birth        |
béa  | 2020-05-01 |            | CIM10:E11.9           |
béa  | 2023-05-01 |            | LOINC:LA15920-4       |
béa  | 2023-05-01 |            | LOINC:LA18976-3       |
béa  | 2023-05-01 |            | LOINC:8480-6          | 120
béa  | 2023-05-01 |            | LOINC:8480-6          | 124
béa  | 2023-06-01 |            | LOINC:8480-6          |
"""
PATIENTS = ("ada", "béa", "zoé")  # nothing is known of zoé

NON_HDL = latest(TOTAL_CHOLESTEROL, within=years(5)) - latest(HDL, within=years(5))
SMOKER = latest(SMOKING_STATUS, within=years(5)) == "current"

EXAMPLES: dict[str, tuple[Expression, tuple[float, float, float]]] = {
    "latest: neither a letter still under way nor today's value": (latest(SYSTOLIC_BP), (130, 124, NONE)),
    "latest: of values of one moment the largest": (latest(SYSTOLIC_BP, within=years(1)), (130, 124, NONE)),
    "latest: a stale value is not a recent one": (latest(SYSTOLIC_BP, within=days(20)), (NONE, NONE, NONE)),
    "first": (first(SYSTOLIC_BP), (150, 120, NONE)),
    "count looks at all records, valued or not": (count(SYSTOLIC_BP), (3, 3, 0)),
    "count in a window": (count(CONSULTATION, within=years(1)), (2, 0, 0)),
    "exists is never missing": (exists(DIABETES), (0, 1, 0)),
    "mean": (mean(SYSTOLIC_BP), (140, 122, NONE)),
    "minimum": (minimum(SYSTOLIC_BP), (130, 120, NONE)),
    "maximum": (maximum(SYSTOLIC_BP), (150, 124, NONE)),
    "total": (total(SYSTOLIC_BP, within=years(2)), (270, 244, NONE)),
    "slope: a year, least squares; one moment has none": (
        slope(SYSTOLIC_BP, within=years(1.01)),
        (-10 * 365.25 / 337, NONE, NONE),
    ),
    "age: completed years, and the part of the way to the next birthday": (age(), (62, 60 + 1 / 366, NONE)),
    "years_since": (years_since(DIABETES), (NONE, 1400 / 365.25, NONE)),
    "years_ago: of the record that was taken": (latest(SYSTOLIC_BP).years_ago(), (29 / 365.25, 305 / 365.25, NONE)),
    "a state: ties go to the last category": (SMOKER, (0, 1, NONE)),
    "first state": (first(SMOKING_STATUS) == "current", (1, 0, NONE)),
    "a state is not another": (latest(SMOKING_STATUS) != "never", (1, 1, NONE)),
    "arithmetic: missing in, missing out": (NON_HDL, (4.5, NONE, NONE)),
    "a division by zero is missing": (latest(SYSTOLIC_BP) / count(DIABETES), (NONE, 124, NONE)),
    "comparison": (latest(SYSTOLIC_BP) >= 125, (1, 0, NONE)),
    "and: false and missing is false": (exists(DIABETES) & SMOKER, (0, 1, 0)),
    "or: true or missing is true": (exists(DIABETES) | (NON_HDL > 4), (1, 1, NONE)),
    "not": (~SMOKER, (1, 0, NONE)),
    "known and missing": (NON_HDL.known() & ~NON_HDL.missing(), (1, 0, 0)),
    "default": (NON_HDL.default(3.5), (4.5, 3.5, 3.5)),
    "when, otherwise": (when(age() >= 61).then(1).otherwise(2), (1, 2, NONE)),
    "where: missing elsewhere": (latest(SYSTOLIC_BP).where(exists(DIABETES)), (NONE, 124, NONE)),
    "months": (exists(SYSTOLIC_BP, within=months(1)), (1, 0, 0)),
    "exists of a birth known after it happened": (exists(BIRTH, within=years(1)), (0, 0, 0)),
}


def table() -> pd.DataFrame:
    rows = []
    for line in TABLE.strip().splitlines():
        patient, happened, known, code, value = (cell.strip() for cell in line.split("|"))
        rows.append((patient, "p", happened, known or happened, code, float(value) if value else None, None, None))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    for column in ("happened_at", "known_at", "retracted_at"):
        frame[column] = pd.to_datetime(frame[column]).astype("datetime64[us]")
    return frame


@pytest.mark.parametrize("name", EXAMPLES)
def test_columnar(name):
    expression, expected = EXAMPLES[name]
    as_of = np.full(len(PATIENTS), to_microseconds(AS_OF))
    values = evaluate_all([expression.node], Shard.from_frame(table()), np.array(PATIENTS, dtype=object), as_of)[0]
    np.testing.assert_allclose(values, expected, rtol=1e-12)


@pytest.mark.parametrize("name", EXAMPLES)
def test_patientwise(name):
    expression, expected = EXAMPLES[name]
    frame = table()
    for patient, value in zip(PATIENTS, expected, strict=True):
        rows = frame[frame["patient"] == patient]
        history = History(
            tuple(
                Record(h.to_pydatetime(), k.to_pydatetime(), c, None if math.isnan(v) else v)
                for h, k, c, v in zip(rows["happened_at"], rows["known_at"], rows["code"], rows["value"], strict=True)
            )
        )
        found = evaluate(expression.node, history, AS_OF)
        assert (found is None and math.isnan(value)) or found == pytest.approx(value, rel=1e-12)


def test_somebody_born_on_29_february_has_a_birthday_on_1_march_in_other_years():
    born = datetime(1964, 2, 29)
    assert years_between(born, datetime(2023, 3, 1)) == 59
    assert years_between(born, datetime(2023, 2, 28)) == 58 + 364 / 365
    assert years_between(born, datetime(2024, 2, 29)) == 60

"""Verbs recounted by SQL over the raw rows, written without looking at either evaluator."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from features.catalogue.concepts import CONSULTATION, DIABETES, HDL, STATIN, SYSTOLIC_BP, TOTAL_CHOLESTEROL
from features.columnar import evaluate_all
from features.intake import SCHEMA
from features.language import (
    VALUE,
    Expression,
    all_of,
    any_of,
    count,
    count_days,
    days,
    exists,
    first,
    followed_by,
    latest,
    maximum,
    mean,
    minimum,
    share_covered,
    slope,
    standard_deviation,
    total,
    years_covered,
    years_since,
    years_since_first,
)
from features.records import Shard

PATIENTS = 150
CODES = {
    "visit": "PRACTICE:consultation",
    "pressure": "LOINC:8480-6",
    "pressure too": "SNOMED:271649006",
    "cholesterol": "LOINC:14647-2",
    "hdl": "LOINC:2085-9",
    "statin": "ATC:C10AA05",
    "diabetes": "CIM10:E11.9",
    "other": "CIM10:J45.0",
}
PRESSURE = "code IN ('LOINC:8480-6', 'SNOMED:271649006')"


@pytest.fixture(scope="module")
def population() -> tuple[pa.Table, pd.DataFrame]:
    """Records by the day over three years, with ties, late letters, mistakes taken back and values left out."""
    random = np.random.default_rng(20240301)
    n = PATIENTS * 40
    day = np.timedelta64(1, "D")
    happened = np.datetime64("2021-01-01", "us") + random.integers(0, 1095, n) * day
    known = happened + np.where(random.random(n) < 0.3, random.integers(0, 90, n), 0) * day
    retracted = known + random.integers(0, 200, n) * day
    value = random.integers(90, 190, n).astype(float)
    table = pa.table(
        [
            pa.array([f"patient {i:03d}" for i in random.integers(0, PATIENTS - 5, n)]),
            pa.array(["p"] * n),
            pa.array(happened),
            pa.array(known),
            pa.array(random.choice(list(CODES.values()), n)),
            pa.array(value, mask=random.random(n) < 0.2),
            pa.nulls(n, pa.string()),
            pa.array(retracted, mask=random.random(n) < 0.9),
        ],
        schema=SCHEMA,
    )
    index = pd.DataFrame(
        {
            "patient": [f"patient {i:03d}" for i in range(PATIENTS)],
            "as_of": np.datetime64("2023-01-01", "us") + random.integers(0, 365, PATIENTS) * day,
        }
    )
    return table, index


def select(what: str, where: str, empty: str = "NULL") -> str:
    """Return SQL for one number a patient, over what is seen of the records."""
    return f"""SELECT patient, coalesce(any_value(found), {empty}) AS value FROM landmarks LEFT JOIN (
        SELECT patient, ({what})::DOUBLE AS found FROM seen WHERE {where} GROUP BY patient
    ) USING (patient) GROUP BY patient ORDER BY patient"""


def nth(what: str, where: str, order: str, n: int = 1) -> str:
    return f"""SELECT patient, any_value(found)::DOUBLE AS value FROM landmarks LEFT JOIN (
        SELECT patient, {what} AS found FROM seen WHERE {where}
        QUALIFY row_number() OVER (PARTITION BY patient ORDER BY {order}) = {n}
    ) USING (patient) GROUP BY patient ORDER BY patient"""


LAST = "happened_at DESC, known_at DESC, value DESC NULLS FIRST"
EARLIEST = "happened_at, known_at, value NULLS LAST"
STATINS = "code = 'ATC:C10AA05'"
YEARS = "date_diff('microsecond', {}, as_of) / 31557600e6"
A_YEAR = "happened_at >= as_of - INTERVAL 365 DAY"
FIRST_STATIN = "(SELECT min(s.happened_at) FROM seen s WHERE s.patient = seen.patient AND s.code = 'ATC:C10AA05')"
#: Whole days of the last 100 on which a prescription of 30 days is current, one by one.
COVERED = """SELECT l.patient, count(DISTINCT day)::DOUBLE AS value FROM landmarks l
    LEFT JOIN seen s ON s.patient = l.patient AND s.code = 'ATC:C10AA05'
    LEFT JOIN range(1, 101) t(back) ON true
    LEFT JOIN LATERAL (SELECT CASE WHEN s.happened_at <= l.as_of - back * INTERVAL 1 DAY
        AND l.as_of - back * INTERVAL 1 DAY < s.happened_at + INTERVAL 30 DAY THEN back END AS day) d ON true
    GROUP BY l.patient ORDER BY l.patient"""
FOLLOWED = """SELECT l.patient, (count(b.happened_at) > 0)::DOUBLE AS value FROM landmarks l
    LEFT JOIN seen a ON a.patient = l.patient AND a.code = 'CIM10:E11.9' AND a.happened_at >= l.as_of - INTERVAL 365 DAY
    LEFT JOIN seen b ON b.patient = a.patient AND b.code = 'ATC:C10AA05'
        AND b.happened_at >= a.happened_at AND b.happened_at < a.happened_at + INTERVAL 30 DAY
    GROUP BY l.patient ORDER BY l.patient"""

RECOUNTED: dict[str, tuple[Expression, str]] = {
    "latest": (latest(SYSTOLIC_BP), nth("value", f"{PRESSURE} AND value IS NOT NULL", LAST)),
    "latest of a year": (
        latest(SYSTOLIC_BP, within=days(365)),
        nth("value", f"{PRESSURE} AND value IS NOT NULL AND {A_YEAR}", LAST),
    ),
    "the third latest": (latest(SYSTOLIC_BP, nth=3), nth("value", f"{PRESSURE} AND value IS NOT NULL", LAST, 3)),
    "first": (first(HDL), nth("value", "code = 'LOINC:2085-9' AND value IS NOT NULL", EARLIEST)),
    "count": (count(SYSTOLIC_BP, within=days(365)), select("count(*)", f"{PRESSURE} AND {A_YEAR}", "0")),
    "count before": (
        count(SYSTOLIC_BP, within=days(365), until=days(100)),
        select("count(*)", f"{PRESSURE} AND {A_YEAR} AND happened_at < as_of - INTERVAL 100 DAY", "0"),
    ),
    "count of high ones": (
        count(SYSTOLIC_BP, where=(VALUE >= 140) & (VALUE < 160)),
        select("count(*)", f"{PRESSURE} AND value >= 140 AND value < 160", "0"),
    ),
    "count_days": (
        count_days(any_of(SYSTOLIC_BP, CONSULTATION)),
        select("count(DISTINCT happened_at::DATE)", f"({PRESSURE} OR code = 'PRACTICE:consultation')", "0"),
    ),
    "exists": (exists(DIABETES), select("count(*) > 0", "code LIKE 'CIM10:E11%'", "0")),
    "all_of": (
        all_of(DIABETES, STATIN, within=days(365)),
        select("count(DISTINCT code) = 2", f"code IN ('CIM10:E11.9', 'ATC:C10AA05') AND {A_YEAR}", "0"),
    ),
    "mean": (mean(SYSTOLIC_BP), select("avg(value)", PRESSURE)),
    "minimum": (minimum(SYSTOLIC_BP, within=days(365)), select("min(value)", f"{PRESSURE} AND {A_YEAR}")),
    "maximum": (maximum(SYSTOLIC_BP, within=days(365)), select("max(value)", f"{PRESSURE} AND {A_YEAR}")),
    "total": (total(SYSTOLIC_BP), select("sum(value)", PRESSURE)),
    "standard deviation": (
        standard_deviation(SYSTOLIC_BP),
        select("CASE WHEN count(value) > 1 THEN stddev_samp(value) END", PRESSURE),
    ),
    "slope": (
        slope(SYSTOLIC_BP),
        select(
            "CASE WHEN count(DISTINCT happened_at) FILTER (value IS NOT NULL) > 1 THEN "
            "regr_slope(value, epoch_us(happened_at) / 31557600e6 - 50) END",
            PRESSURE,
        ),
    ),
    "years_since": (years_since(STATIN), nth(YEARS.format("happened_at"), "code = 'ATC:C10AA05'", LAST)),
    "years_since_first": (
        years_since_first(STATIN),
        nth(YEARS.format("happened_at"), "code = 'ATC:C10AA05'", EARLIEST),
    ),
    "years_ago": (
        latest(SYSTOLIC_BP, nth=2).years_ago(),
        nth(YEARS.format("happened_at"), f"{PRESSURE} AND value IS NOT NULL", LAST, 2),
    ),
    "since an event": (
        count(TOTAL_CHOLESTEROL, since=first(STATIN)),
        select("count(*)", f"code = 'LOINC:14647-2' AND happened_at >= {FIRST_STATIN}", "0"),
    ),
    "before an event": (
        latest(TOTAL_CHOLESTEROL, before=first(STATIN)),
        nth("value", f"code = 'LOINC:14647-2' AND value IS NOT NULL AND happened_at < {FIRST_STATIN}", LAST),
    ),
    "days covered": (years_covered(STATIN, within=days(100), lasting=days(30)) * 365.25, COVERED),
    "share covered": (share_covered(STATIN, within=days(100), lasting=days(30)) * 100, COVERED),
    "followed_by": (followed_by(DIABETES, STATIN, delay=days(30), within=days(365)), FOLLOWED),
}


@pytest.mark.parametrize("name", RECOUNTED)
def test_sql_counts_the_same(name, population):
    records, index = population
    expression, sql = RECOUNTED[name]
    as_of = index["as_of"].to_numpy().astype("datetime64[us]").astype(np.int64)
    patients = index["patient"].to_numpy(dtype=object)
    values = evaluate_all([expression.node], Shard.from_table(records), patients, as_of)[0]
    with duckdb.connect() as connection:
        connection.register("records", records)
        connection.register("landmarks", pa.Table.from_pandas(index, preserve_index=False))
        connection.execute(
            "CREATE VIEW seen AS SELECT r.*, l.as_of FROM records r JOIN landmarks l USING (patient) "
            "WHERE happened_at < as_of AND known_at < as_of AND (retracted_at IS NULL OR retracted_at >= as_of)"
        )
        expected = connection.sql(sql).to_arrow_table()
    assert expected.column("patient").to_pylist() == patients.tolist()
    np.testing.assert_allclose(values, expected.column("value").to_numpy().astype(float), rtol=1e-9, atol=1e-9)
    assert len(np.unique(values)) > 1  # what is the same for everybody shows nothing

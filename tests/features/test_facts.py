"""Facts sent once, sent again and taken back: the short way round gives what SQL gives for all of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import facts
from features.facts import FACT, merge
from features.intake import SCHEMA

DAYS = st.integers(0, 3).map(lambda day: datetime(2024, 1, 1) + timedelta(days=day))
Rows = list[dict[str, Any]]


def sent(values: list[float | None]) -> st.SearchStrategy[Rows]:
    return st.lists(
        st.fixed_dictionaries(
            {
                "patient": st.sampled_from(["a", "b"]),
                "practice": st.sampled_from(["p", "q"]),
                "happened_at": DAYS,
                "known_at": DAYS,
                "code": st.sampled_from(["LOINC:8480-6", "ATC:C10AA05"]),
                "value": st.sampled_from(values),
                "unit": st.sampled_from([None, "mm[Hg]"]),
                "retracted_at": st.one_of(st.none(), st.none(), DAYS),
            }
        ),
        max_size=12,
    )


ROWS = sent([None, 0.0, 1.0, 120.5])


def table(rows: Rows) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def said(found: pa.Table) -> list[str]:
    return sorted(map(repr, found.to_pylist()))


@given(ROWS, st.integers(0, 12))
def test_what_is_not_asked_about_is_as_sql_has_it(rows: Rows, at: int) -> None:
    assert said(merge([table(rows[:at]), table(rows[at:])])) == said(facts._believed(table(rows)))


@given(ROWS)
def test_rows_that_look_alike_and_are_not_are_asked_about_in_vain(rows: Rows) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facts, "_likenesses", lambda sent: np.zeros(len(sent), dtype=np.uint64))
        alike = merge([table(rows)])
    assert said(alike) == said(merge([table(rows)]))


@given(sent([None, 0.0, -0.0, 1.0, 120.5]).filter(bool))
def test_the_same_facts_look_alike_and_here_no_others(rows: Rows) -> None:
    """Nought has two signs and is one value, to Python as to SQL."""
    distinct = {tuple(row[name] for name in FACT) for row in rows}
    assert len(set(facts._likenesses(facts.coded([table(rows)])).tolist())) == len(distinct)

"""What the readers share over columns: each distinct value once, times in UTC, rows that were taken back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.sources.columns import combinations, each
from features.sources.retractions import said_and_taken_back
from features.sources.times import held

texts = st.none() | st.sampled_from(["", "a", "b", "é"])


@given(st.lists(st.tuples(texts, texts, st.none() | st.integers(0, 3)), max_size=30), st.integers(0, 30))
def test_combinations_are_those_of_the_rows_in_order(rows: list[tuple[Any, ...]], cut: int) -> None:
    kinds = (pa.string(), pa.string(), pa.int64())
    columns = [
        pa.chunked_array([[row[n] for row in rows[:cut]], [row[n] for row in rows[cut:]]], kind)
        for n, kind in enumerate(kinds)
    ]
    which, distinct = combinations(columns)
    assert [distinct[position] for position in which] == rows
    assert distinct == list(dict.fromkeys(rows))


@given(st.lists(texts, max_size=20))
def test_each_is_asked_for_once(column: list[str | None]) -> None:
    asked: list[str] = []

    def function(text: str) -> str | None:
        asked.append(text)
        return text.upper() or None

    found = each(pa.array(column, pa.string()), function)
    assert found.to_pylist() == [None if text is None else text.upper() or None for text in column]
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([0, 19_000], pa.date32()), [datetime(1970, 1, 1), datetime(2022, 1, 8)]),
        (pa.array([1_720_000_000_123_456_789], pa.timestamp("ns")), [datetime(2024, 7, 3, 9, 46, 40, 123_456)]),
        (
            pa.array([datetime(2024, 7, 1, 12, tzinfo=UTC)], pa.timestamp("us", "Europe/Paris")),
            [datetime(2024, 7, 1, 12)],
        ),
        (pa.array([300_000_000_000_000_000, None, -70_000_000_000_000_000], pa.timestamp("us")), [None, None, None]),
        (pa.nulls(2), [None, None]),
    ],
)
def test_times_are_held_in_utc(column: pa.Array, expected: list[datetime | None]) -> None:
    found, outside = held(column)
    assert found.type == pa.timestamp("us")
    assert found.to_pylist() == expected
    assert outside.to_pylist() == [
        there and moment is None for there, moment in zip(column.is_valid().to_pylist(), expected, strict=True)
    ]


def test_what_was_taken_back_is_said_first() -> None:
    back = datetime(2024, 4, 22)
    table = pa.table(
        {
            "code": ["a", "b", "c"],
            "retracted_at": pa.array([None, back, back], pa.timestamp("us")),
            "fault": pa.array([None, None, "no value"]),
        }
    )
    assert [tuple(row.values()) for row in said_and_taken_back(table).to_pylist()] == [
        ("a", None, None), ("b", None, None), ("c", None, "no value"), ("b", back, None),
    ]  # fmt: skip

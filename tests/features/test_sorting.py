"""Rows are put in the one order there is, whatever order they come in."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.sorting import ordered

BOUNDS = np.iinfo(np.int64)
MOMENTS = st.one_of(
    st.integers(0, 3),  # ties, and moments that one number does not tell apart beside far ones
    st.integers(-(2**50), 2**50),
    st.sampled_from([BOUNDS.min, BOUNDS.max]),
)
VALUES = st.one_of(st.just(math.nan), st.sampled_from([-0.0, 0.0, 1.0, math.inf, -math.inf]))
ROWS = st.lists(st.tuples(st.integers(0, 3), MOMENTS, MOMENTS, VALUES, st.integers(0, 2)), max_size=40)


def sorted_rows(rows):
    """What Python makes of it: tuples, with what is no number last."""
    return sorted(rows, key=lambda row: (*row[:3], math.isnan(row[3]), 0.0 if math.isnan(row[3]) else row[3], row[4]))


@given(ROWS, st.booleans())
def test_rows_come_in_the_order_of_all_they_have(rows, is_sorted):
    rows = sorted_rows(rows) if is_sorted else rows
    patient = np.array([row[0] for row in rows], np.int32)
    moment, known, value, code = (
        np.array([row[place] for row in rows], kind)
        for place, kind in ((1, np.int64), (2, np.int64), (3, np.float64), (4, np.int32))
    )
    places, columns = ordered(patient, moment, [known, value, code])
    found = places.tolist()
    for column, given_so in zip(columns, [patient, moment, known, value, code], strict=True):
        np.testing.assert_array_equal(column, given_so[places])
    assert sorted(found) == list(range(len(rows)))
    assert repr([rows[place] for place in found]).replace("-0.0", "0.0") == repr(sorted_rows(rows)).replace(
        "-0.0", "0.0"
    )


@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_many_rows_in_sorted_pieces(pieces):
    random = np.random.default_rng(4)
    rows = 5_000
    patient, moment = random.integers(0, 40, rows, np.int32), random.integers(0, 900, rows) * 86_400_000_000
    known, value = moment + random.integers(0, 3, rows), random.choice([math.nan, 1.0, 2.0], rows)
    by_all = np.lexsort((value, known, moment, patient))
    pieced = np.concatenate([by_all[piece::pieces] for piece in range(pieces)])
    found, columns = ordered(patient[pieced], moment[pieced], [known[pieced], value[pieced]])
    for column, so in zip((patient, moment, known, value), columns, strict=True):
        np.testing.assert_array_equal(column[pieced][found], column[by_all])
        np.testing.assert_array_equal(so, column[by_all])

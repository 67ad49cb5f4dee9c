"""Nobody is judged by a model that learned from them."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import at_most
from training.splits import InternalExternal, Temporal


def landmarks(n: int = 600, seed: int = 0, movers: bool = True) -> pd.DataFrame:
    """Patients with up to a few landmarks, some of whom change practice."""
    rng = np.random.default_rng(seed)
    patient = rng.integers(0, n // 2, n)
    practice = rng.integers(0, 20, n) if movers else patient % 20
    if movers:  # nine in ten stay where they are
        practice = np.where(rng.uniform(size=n) < 0.9, patient % 20, practice)
    return pd.DataFrame(
        {
            "patient": [f"p{number}" for number in patient],
            "practice": [f"c{number:02d}" for number in practice],
            "region": [f"r{number % 4}" for number in practice],
            "as_of": pd.Timestamp("2010-01-01") + pd.to_timedelta(rng.integers(0, 6 * 365, n), unit="D"),
        }
    )


@at_most(60)
@given(
    by=st.sampled_from(["practice", "region", "period", "patient"]),
    folds=st.sampled_from([2, 4, None]),
    seed=st.integers(0, 5),
)
def test_nobody_straddles_and_everybody_is_tested_once(by: str, folds: int | None, seed: int) -> None:
    index = landmarks(seed=seed) if by != "period" else landmarks(seed=seed, movers=False)
    tested = np.zeros(len(index), dtype=int)
    for _, train, test in InternalExternal(by, folds, seed).split(index):
        tested[test] += 1
        assert len(train)
        held_out = ["patient"] + (["practice", by] if by in {"practice", "region"} else [])
        for column in held_out:
            assert not set(index[column].iloc[train]) & set(index[column].iloc[test])
        if by == "period":
            years = index["as_of"].dt.year
            assert not set(years.iloc[train]) & set(years.iloc[test])
    assert (tested == 1).all()


def test_the_same_seed_gives_the_same_folds_whatever_the_row_order() -> None:
    index = landmarks()
    shuffled = index.sample(frac=1, random_state=1)
    for (label, _, test), (other, _, also) in zip(
        InternalExternal(seed=3).split(index), InternalExternal(seed=3).split(shuffled), strict=True
    ):
        assert label == other
        assert set(index.index[test]) == set(shuffled.index[also])
    first = next(InternalExternal(seed=4).split(index))
    assert set(first[2]) != set(next(InternalExternal(seed=3).split(index))[2])


def test_labels_do_not_tell_practices_or_patients() -> None:
    index = landmarks(movers=False)
    labels = [label for label, _, _ in InternalExternal("practice", None).split(index)]
    assert labels == [f"practice fold {number} of 20" for number in range(1, 21)]
    assert [label for label, _, _ in InternalExternal("region", None).split(index)] != labels
    regions = {label for label, _, _ in InternalExternal("region", None).split(index)}
    assert regions == {"r0", "r1", "r2", "r3"}


def test_periods_are_in_order() -> None:
    index = landmarks(movers=False)
    labels = [label for label, _, _ in InternalExternal("period", 3).split(index)]
    assert list(dict.fromkeys(labels)) == [
        "2010–2011",
        "2012–2013",
        "2014–2015",
    ]
    folds: dict[str, pd.Series] = {}
    for label, _, test in InternalExternal("period", 3).split(index):
        folds[label] = pd.concat([folds.get(label, pd.Series(dtype="datetime64[ns]")), index["as_of"].iloc[test]])
    assert all(earlier.max() < later.min() for earlier, later in pairwise(folds.values()))


@pytest.mark.parametrize("split", [InternalExternal("period", None), Temporal(date(2014, 1, 1))])
def test_who_is_learned_from_does_not_depend_on_the_future(split: InternalExternal | Temporal) -> None:
    """Who has a later landmark lived on without the event: leaving them out of training would leave the others."""
    rng = np.random.default_rng(0)
    lived_on = rng.random(4000) < 0.5
    patients = pd.Series([f"p{number}" for number in range(4000)])
    first = pd.DataFrame({"patient": patients, "practice": "c", "as_of": pd.Timestamp("2012-01-01"), "lived": lived_on})
    index = pd.concat([first, first[lived_on].assign(as_of=pd.Timestamp("2014-01-01"))], ignore_index=True)
    for _, train, test in split.split(index):
        earlier = index.iloc[train][index["as_of"].iloc[train] == "2012-01-01"]
        if len(earlier):
            assert earlier["lived"].mean() == pytest.approx(0.5, abs=0.03)
            assert len(earlier) == pytest.approx(0.8 * 4000, abs=1)
        also = index.iloc[test][index["as_of"].iloc[test] == "2012-01-01"]
        assert not len(also) or also["lived"].mean() == pytest.approx(0.5, abs=0.06)


def test_temporal_learns_from_the_past_only() -> None:
    index = landmarks()
    tested = np.zeros(len(index), dtype=int)
    for label, train, test in Temporal(date(2014, 1, 1)).split(index):
        assert label == "from 2014-01-01"
        assert index["as_of"].iloc[train].max() < pd.Timestamp("2014-01-01") <= index["as_of"].iloc[test].min()
        assert not set(index["patient"].iloc[train]) & set(index["patient"].iloc[test])
        tested[test] += 1
    assert (tested == (index["as_of"] >= "2014-01-01")).all()
    for _, earlier, _ in Temporal(date(2014, 1, 1), gap_years=2).split(index):
        assert index["as_of"].iloc[earlier].max() < pd.Timestamp("2012-01-02")


def test_dates_may_be_plain_dates() -> None:
    index = landmarks()
    plain = index.assign(as_of=index["as_of"].dt.date)
    for split in (Temporal(date(2014, 1, 1)), InternalExternal("period", 2)):
        for one, other in zip(split.split(index), split.split(plain), strict=True):
            assert one[0] == other[0]
            assert (one[1] == other[1]).all()
            assert (one[2] == other[2]).all()


@pytest.mark.parametrize(
    ("split", "fault"),
    [
        (InternalExternal("practice", 21), "21 folds by practice need as many distinct values, found 20"),
        (InternalExternal("region", 5), "found 4"),
        (Temporal(date(2030, 1, 1)), "nobody to test"),
        (Temporal(date(2000, 1, 1)), "nobody to learn from"),
    ],
)
def test_impossible_splits_are_refused(split: InternalExternal | Temporal, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        list(split.split(landmarks()))


def test_one_practice_cannot_be_held_out() -> None:
    with pytest.raises(ValueError, match="found 1"):
        list(InternalExternal("practice", None).split(landmarks().assign(practice="c")))


def test_holes_and_missing_columns_are_told_at_once() -> None:
    index = landmarks().drop(columns="region")
    index.loc[:2, "patient"] = None
    with pytest.raises(ValueError, match=r"no column 'region'; 3 rows of the index have no patient"):
        list(InternalExternal("region").split(index))


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [({"by": "doctor"}, "'doctor'"), ({"folds": 1}, "at least 2"), ({"by": "x", "folds": 0}, "'x'.*0 folds")],
)
def test_impossible_requests_are_refused(arguments: dict[str, object], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        InternalExternal(**arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="gap_years"):
        Temporal(date(2014, 1, 1), gap_years=-1)


def test_a_split_describes_itself() -> None:
    assert InternalExternal("region", None, 2).describe() == {
        "kind": "internal-external",
        "by": "region",
        "folds": None,
        "seed": 2,
    }
    assert Temporal(date(2014, 1, 1)).describe() == {
        "kind": "temporal",
        "before": "2014-01-01",
        "gap_years": 0.0,
        "seed": 0,
    }

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue.cardiovascular import CARDIOVASCULAR
from features.catalogue.concepts import CONCEPTS, CONSULTATION, DEATH, DIABETES, LEFT, MAJOR_CV_EVENT, REGISTERED, SEX
from features.cohort import AfterEach, Cohort, OnDates
from features.feature_set import FeatureSet
from features.language import ExpressionError, age, days, exists
from features.outcome import EVENT, REASONS, Outcome, Silence
from features.records import Records, Shard, to_microseconds
from features.store import FeatureStore

AS_OF = datetime(2012, 1, 1)
EVENT_5Y = Outcome("cv", "Événement", "Event", MAJOR_CV_EVENT, DEATH, (LEFT,), 5.0, days(0))

# patient -> what happens: (day after the landmark, code[, days until known])
PEOPLE = {
    "event": [(100, "CIM10:I21.9")],
    "event-and-death-together": [(100, "CIM10:I21.9"), (100, "PRACTICE:death.cardiovascular")],
    "death": [(200, "PRACTICE:death"), (300, "CIM10:I21.9")],
    "left": [(50, "PRACTICE:left"), (60, "CIM10:I21.9")],
    "horizon": [(1826.25, "CIM10:I21.9")],  # five years: the horizon is open
    "just-before-the-horizon": [(1826, "CIM10:I63.9")],
    "on-the-day": [(0, "CIM10:I21.9")],
    "learnt-later": [(-10, "CIM10:I21.9", 30)],
    "dead-learnt-later": [(-5, "PRACTICE:death", 20)],
    "known-before": [(-100, "CIM10:I21.9")],
    "quiet": [],
}


@pytest.fixture
def records(tmp_path):
    rows = []
    for patient, happenings in PEOPLE.items():
        for day, code, *late in [(-4000, "PRACTICE:registered"), (-2000, "PRACTICE:consultation"), *happenings]:
            happened = pd.Timestamp(AS_OF) + pd.Timedelta(days=day)
            rows.append((patient, "p1", happened, happened + pd.Timedelta(days=late[0] if late else 0), code))
    frame = pd.DataFrame(rows, columns=["patient", "practice", "happened_at", "known_at", "code"])
    store = Records.create(tmp_path / "records", shards=3)
    store.append(frame, name="all", delivered_at=datetime(2020, 1, 1), concepts=CONCEPTS)
    return store


def cohort(**criteria):
    free = (~exists(MAJOR_CV_EVENT)).described("Sans événement", "No event")
    return Cohort("test", OnDates((AS_OF,)), FeatureSet("criteria", free=free, **criteria), REGISTERED)


def test_follow_up_ends_for_a_reason(records):
    members = cohort().members(records, EVENT_5Y)
    found = {
        patient: (REASONS[reason], int(cause), round(duration * 365.25, 6))
        for patient, reason, cause, duration in zip(
            members.index["patient"], members.followup.reason, members.followup.cause, members.followup.duration,
            strict=True,
        )
    }  # fmt: skip
    assert found == {
        "event": ("event", 1, 100),
        "event-and-death-together": ("event", 1, 100),
        "death": ("competing event", 2, 200),
        "left": ("left the practice", 0, 50),
        "horizon": ("horizon reached", 0, 1826.25),
        "just-before-the-horizon": ("event", 1, 1826),
        "quiet": ("horizon reached", 0, 1826.25),
    }


@given(
    contacts=st.lists(st.lists(st.integers(-100, 900), max_size=8), min_size=1, max_size=4),
    landmarks=st.lists(st.integers(-50, 600), min_size=1, max_size=4),
)
def test_a_silence_is_what_a_person_would_count(contacts: list[list[int]], landmarks: list[int]) -> None:
    """By shards as by a loop over each patient's own days."""
    silence = Outcome("silent", "Silence", "Silence", Silence(CONSULTATION, days(100)), DEATH, (LEFT,), 5.0, days(0))
    frame = pd.DataFrame(
        [
            (f"p{number}", "c", AS_OF + timedelta(day), AS_OF + timedelta(day), code, None, None)
            for number, own in enumerate(contacts)
            for day, code in [(-4000, "PRACTICE:registered"), *((day, "PRACTICE:consultation") for day in own)]
        ],
        columns=["patient", "practice", "happened_at", "known_at", "code", "value", "unit"],
    )
    shard = Shard.from_frame(frame)
    patients = np.repeat(np.array([f"p{number}" for number in range(len(contacts))], dtype=object), len(landmarks))
    as_of = np.tile([to_microseconds(AS_OF + timedelta(day)) for day in landmarks], len(contacts))
    found, past = silence.of_shard(shard, patients, as_of, AS_OF + timedelta(1000))
    assert not past.any()
    for row, (own, landmark) in enumerate(itertools.product(contacts, landmarks)):
        since = landmark
        for day in sorted(day for day in own if day >= landmark):
            if day - since > 100:
                break
            since = day
        if since + 100 <= 1000:
            assert found.cause[row] == EVENT
            assert found.duration[row] * 365.25 == pytest.approx(since + 100 - landmark)
        else:
            assert REASONS[found.reason[row]] == "end of data"


def test_silence_ends_with_death_and_departure(records):
    silence = Outcome("silent", "Silence", "Silence", Silence(CONSULTATION, days(150)), DEATH, (LEFT,), 5.0, days(0))
    members = cohort().members(records, silence)
    found = dict(
        zip(members.index["patient"], zip(members.followup.reason, members.followup.duration, strict=True), strict=True)
    )
    assert REASONS[found["left"][0]] == "left the practice"
    assert REASONS[found["death"][0]] == "event"
    assert found["quiet"][1] == pytest.approx(150 / 365.25)
    assert silence.to_dict()["event"]["lasting_microseconds"] == 150 * 86_400_000_000


def test_attrition_counts_people_landmarks_and_events(records):
    steps = [(s.en, s.people, s.landmarks, s.events) for s in cohort().members(records, EVENT_5Y).attrition]
    assert steps == [
        ("All patients, at each landmark", 11, 11, 4),
        ("Registered with a practice", 11, 11, 4),
        ("No event", 10, 10, 4),
        ("Neither event nor death already past but unknown to the practice", 8, 8, 4),
        ("Follow-up possible before the data end", 7, 7, 3),
    ]


def test_the_data_end_censors(records):
    members = cohort().members(records, Outcome("cv", "", "", MAJOR_CV_EVENT, DEATH, (LEFT,), 10.0, days(365.25)))
    quiet = members.index["patient"].to_numpy() == "quiet"
    assert REASONS[members.followup[quiet].reason[0]] == "end of data"
    assert members.followup[quiet].duration[0] == pytest.approx(7, abs=0.01)


def test_landmarks_after_records(records):
    after = Cohort("visits", AfterEach(CONSULTATION, days(1)), cohort().criteria, REGISTERED)
    index = after.members(records, EVENT_5Y).index
    assert set(index["as_of"]) == {pd.Timestamp(AS_OF) - pd.Timedelta(days=1999)}
    assert set(index["practice"]) == {"p1"}


def test_an_empty_cohort_says_where_everybody_went(records):
    with pytest.raises(ValueError, match="Aged 200: 0 people"):
        cohort(old=(age() > 200).described("", "Aged 200")).members(records, EVENT_5Y)


def test_criteria_are_conditions():
    with pytest.raises(ExpressionError, match="old"):
        cohort(old=age())


def test_shards_and_order_do_not_matter(tmp_path, records):
    frame = pd.concat(
        [pd.read_parquet(f) for f in sorted((tmp_path / "records").glob("delivery-*/shard-*.parquet"))]
    ).sample(frac=1, random_state=0)
    other = Records.create(tmp_path / "other", shards=1)
    other.append(frame, name="x", delivered_at=datetime(2020, 1, 1), concepts=CONCEPTS)
    one, two = (cohort().members(r, EVENT_5Y) for r in (records, other))
    pd.testing.assert_frame_equal(one.index, two.index)
    np.testing.assert_array_equal(one.followup.duration, two.followup.duration)
    assert one.digest == two.digest


def test_an_index_about_strangers_is_refused(tmp_path, records):
    index = pd.DataFrame({"patient": ["stranger"], "as_of": pd.to_datetime(["2012-01-01"])})
    with pytest.raises(ValueError, match="1 rows of the index"):
        FeatureStore(tmp_path, records).frame(FeatureSet("s", d=exists(DIABETES)), index)


def test_a_feature_set_describes_itself_and_travels():
    table = CARDIOVASCULAR.describe()
    assert table.loc["systolic", "fr"] == "Pression artérielle systolique"
    assert table.loc["systolic", "direction"] == "raises"
    again = FeatureSet.from_json(CARDIOVASCULAR.to_json())
    assert again.fingerprint == CARDIOVASCULAR.fingerprint
    assert FeatureSet("other", **{"age": age()}).fingerprint != again.fingerprint
    assert SEX in CARDIOVASCULAR.concepts

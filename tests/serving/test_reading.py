"""Read at a glance or by the letter: the same requests are taken, and they ask the same."""

from __future__ import annotations

import copy
import json
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue.cardiovascular import ADULTS_40_TO_79, CARDIOVASCULAR
from features.codes import SYSTEMS
from serving import reading
from serving.contract import MOST_RECORDS, MOST_REQUESTS, BatchRequest, Risk, ScoreRequest, now
from serving.hardening import Stopped, judge
from serving.openapi import EXAMPLES, request_of
from serving.reading import Asking, asking_of, askings_of, by_the_letter, read
from serving.scoring import score

CONCEPTS = (*CARDIOVASCULAR.concepts, *ADULTS_40_TO_79.concepts)
RECORD = {"system": "LOINC", "code": "8480-6", "happened_at": "2025-02-10", "value": 150, "unit": "mm[Hg]"}

Requested = TypeVar("Requested", ScoreRequest, BatchRequest)

MOMENTS = st.one_of(
    st.datetimes(datetime(1879, 1, 1), datetime(2201, 1, 1)).map(lambda moment: f"{moment.isoformat()}Z"),
    st.datetimes(datetime(2000, 1, 1), datetime(2026, 1, 1)).map(lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S}Z"),
    st.dates(date(2000, 1, 1), date(2026, 1, 1)).map(str),
    st.sampled_from(
        [
            *("2025-02-10T09:40:00+01:00", "2025-02-10T09:40:00", "2025-02-30", "2025-02-10T24:00:00Z"),
            *("2025-W07-1T09::Z", "2025-02-10T09:40:00Zx", "2025-02-10T09:40:0éZ", "\uff12025-02-10T09:40:00Z"),
            *("", "2025", 0, True, None, []),
        ]
    ),
)
UNUSUAL = st.sampled_from([None, True, 0, -1, 10**9, 10**9 + 1, 1e9, 1e10, 10**400, 1.5, "", "x" * 65, "é", [], {}])
FIELDS = {
    "system": st.sampled_from([*SYSTEMS, "loinc"]) | UNUSUAL,
    "code": st.sampled_from(["8480-6", "I219", "I21.9", "K86", "birth", "C09AA05", "1" * 64]) | UNUSUAL,
    "happened_at": MOMENTS,
    "known_at": MOMENTS,
    "value": st.floats(-1e9, 1e9) | st.integers(-(10**9), 10**9) | UNUSUAL,
    "unit": st.sampled_from(["mm[Hg]", "g/L", "x" * 24, "x" * 25, "mm Hg", "a\n"]) | UNUSUAL,
    "more": UNUSUAL,
}


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Return a request in which a field or two may be out of order: most often it is one that is taken."""
    records = [dict(RECORD) for _ in range(draw(st.integers(0, 4)))]
    body: dict[str, Any] = {"as_of": "2025-03-03", "records": records}
    for _ in range(draw(st.integers(0, 3))):
        what = draw(st.sampled_from([*FIELDS, "as_of", "records", "body", "record"]))
        if what == "as_of":
            body["as_of"] = draw(MOMENTS)
        elif what == "body":
            body["more"] = draw(UNUSUAL)
        elif what == "records":
            body.pop("records", None)
        elif what == "record" or not records:
            records.append(draw(UNUSUAL))
        elif isinstance(record := draw(st.sampled_from(records)), dict):
            if draw(st.booleans()):
                record.pop(what, None)
            else:
                record[what] = draw(FIELDS[what])
    return body


def _told(body: bytes, model: type[Requested]) -> Requested | Stopped:
    """Return what the letter of the contract says of a body."""
    try:
        return judge(body, model)
    except Stopped as stopped:
        return stopped


@given(bodies())
def test_a_glance_takes_nothing_that_the_letter_refuses_and_reads_the_same(body):
    text = json.dumps(body).encode()
    told = _told(text, ScoreRequest)
    if isinstance(told, Stopped):
        with pytest.raises(Stopped) as caught:
            asking_of(text)
        assert caught.value.problem == told.problem
    else:
        read_so = asking_of(text)
        assert read_so == by_the_letter(told)
        assert {type(record.value) for record in read_so.records} <= {float, type(None)}


@given(st.lists(bodies(), min_size=0, max_size=3))
def test_of_several_each_is_read_as_alone(each):
    text = json.dumps({"requests": each}).encode()
    told = _told(text, BatchRequest)
    if isinstance(told, Stopped):
        with pytest.raises(Stopped) as caught:
            askings_of(text)
        assert caught.value.problem == told.problem
    else:
        assert askings_of(text) == tuple(map(by_the_letter, told.requests))
        assert askings_of(text) == tuple(asking(body) for body in each)


@pytest.mark.parametrize("body", [[], "text", 3, None, {"requests": []}, {"requests": {}}, {"requests": [], "more": 1}])
def test_what_is_no_list_of_requests_is_refused(body):
    with pytest.raises(Stopped):
        askings_of(json.dumps(body).encode())


def test_no_more_requests_or_records_than_are_allowed():
    request = {"records": [RECORD]}
    assert len(askings_of(json.dumps({"requests": [request] * MOST_REQUESTS}).encode())) == MOST_REQUESTS
    assert len(asking_of(json.dumps({"records": [RECORD] * MOST_RECORDS}).encode()).records) == MOST_RECORDS
    with pytest.raises(Stopped):
        askings_of(json.dumps({"requests": [request] * (MOST_REQUESTS + 1)}).encode())
    with pytest.raises(Stopped):
        asking_of(json.dumps({"records": [RECORD] * (MOST_RECORDS + 1)}).encode())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"value": None, "unit": None, "known_at": None},
        {"happened_at": "2025-02-10T09:40:00Z", "known_at": "2025-02-10T09:40:00.5-01:00"},
        {"system": "CIM10", "code": "I219", "value": 1.5},
    ],
)
def test_what_is_in_order_is_read_at_a_glance(changes, monkeypatch):
    monkeypatch.setattr(reading, "judge", lambda *_: pytest.fail("read by the letter"))
    body = {"records": [RECORD, RECORD | changes]}
    assert len(asking_of(json.dumps(body).encode()).records) == 2
    assert len(askings_of(json.dumps({"requests": [body, body]}).encode())) == 2


def request(**changes: Any) -> dict[str, Any]:
    return {"as_of": "2025-03-03", "records": [RECORD | changes]}


def asking(body: Any) -> Asking:
    return asking_of(json.dumps(body).encode())


def test_as_of_is_now_where_it_is_left_out():
    assert abs(read(asking({"records": [RECORD]}), CONCEPTS).as_of - now()) < timedelta(minutes=1)


def warnings(body: Any) -> dict[str, int | None]:
    return {note.code: note.count for note in read(asking(body), CONCEPTS).warnings}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"unit": None}, {"unit": 1}),
        ({"unit": "kPa"}, {"unit": 1}),
        ({"value": 500}, {"implausible": 1}),
        ({"happened_at": "2025-03-03"}, {"after_as_of": 1}),
        ({"known_at": "2025-03-03"}, {"after_as_of": 1}),
        ({"known_at": "2025-03-02T23:59:59.999999Z"}, {}),
        ({"happened_at": "2026-01-01", "unit": None}, {"after_as_of": 1}),
    ],
)
def test_what_is_not_used_is_a_warning(changes, expected):
    assert warnings(request(**changes)) == expected


def test_a_measurement_that_is_not_believed_does_not_count_as_measured():
    assert read(asking(request(value=500)), CONCEPTS).history.records == ()


def test_values_are_converted_by_their_unit_and_known_at_defaults_to_happened_at():
    body = {
        "as_of": "2025-03-03",
        "records": [
            {"system": "LOINC", "code": "14646-4", "happened_at": "2025-01-01", "value": 0.5, "unit": "g/L"},
            RECORD | {"value": 15, "unit": "cm[Hg]", "known_at": "2025-02-12"},
        ],
    }
    hdl, pressure = read(asking(body), CONCEPTS).history.records
    assert hdl.value == pytest.approx(1.293, abs=1e-3)
    assert hdl.unit == "mmol/L"
    assert hdl.known_at == hdl.happened_at
    assert (pressure.value, pressure.unit) == (150, "mm[Hg]")
    assert pressure.known_at == datetime(2025, 2, 12)


def test_records_after_as_of_change_nothing_but_the_warning(admitted):
    body = copy.deepcopy(EXAMPLES["risk"]["value"])
    reading = read(asking(body), admitted.concepts)
    body["records"] += [
        RECORD | {"happened_at": "2025-03-03T08:00:00Z", "value": 250},
        {"system": "CIM10", "code": "I21.0", "happened_at": "2025-01-01", "known_at": "2025-06-01"},
    ]
    late = read(asking(body), admitted.concepts)
    assert [note.count for note in late.warnings] == [2]
    answers = [score(admitted, each.history, each.as_of) for each in (reading, late)]
    assert isinstance(answers[0], Risk)
    assert answers[0] == answers[1]


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_run_as_they_are(admitted, example):
    reading = read(request_of(example), admitted.concepts)
    assert reading.warnings == ()
    assert score(admitted, reading.history, reading.as_of).kind == example

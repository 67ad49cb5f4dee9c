"""Nobody can be named from a pseudonym, a count or an error, and who objects is left out."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features.privacy import SMALLEST_COUNT, Objections, mask, pseudonym, pseudonymise, shown, without

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
NIR = "275037511600822"

text = st.text(min_size=1, max_size=20)


# --- Pseudonyms -----------------------------------------------------------------------------------


@given(text, text)
def test_a_pseudonym_is_always_the_same(identifier: str, domain: str) -> None:
    found = pseudonym(identifier, KEY, domain)
    assert found == pseudonym(identifier, KEY, domain)
    assert len(found) == 32
    assert set(found) <= set("0123456789abcdef")


def test_the_formula_is_written_down() -> None:
    message = (6).to_bytes(8, "big") + b"cardio" + NIR.encode()
    assert pseudonym(NIR, KEY, "cardio") == hmac.new(KEY, message, hashlib.sha256).hexdigest()[:32]


@given(st.lists(st.tuples(text, text), min_size=2, max_size=8, unique=True))
def test_two_people_or_two_domains_never_share_a_pseudonym(pairs: list[tuple[str, str]]) -> None:
    assert len({pseudonym(identifier, KEY, domain) for identifier, domain in pairs}) == len(pairs)


def test_moving_the_boundary_between_domain_and_identifier_changes_everything() -> None:
    assert pseudonym("23", KEY, "project1") != pseudonym("3", KEY, "project12")


def test_domains_cannot_be_linked() -> None:
    people = [str(number) for number in range(2000)]
    one, other = ([int(pseudonym(each, KEY, domain), 16) for each in people] for domain in ("cardio", "screening"))
    assert not set(one) & set(other)
    differing = [(a ^ b).bit_count() for a, b in zip(one, other, strict=True)]
    assert abs(np.mean(differing) - 64) < 1  # half of 128 bits: no more alike than two strangers
    assert abs(np.corrcoef(np.argsort(one), np.argsort(other))[0, 1]) < 0.08  # nor does their order tell


def test_without_the_key_there_is_nothing_to_try() -> None:
    found = pseudonym(NIR, KEY, "cardio")
    assert found != pseudonym(NIR, OTHER_KEY, "cardio")
    plain = [NIR, f"cardio{NIR}", f"cardio:{NIR}", f"{NIR}cardio"]
    for name in ("md5", "sha1", "sha256", "sha512", "blake2b"):
        assert found not in {hashlib.new(name, each.encode()).hexdigest()[: len(found)] for each in plain}


def test_all_faults_of_a_pseudonym_are_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"key has 31 bytes: draw at least 32.*identifier is empty.*domain is empty"):
        pseudonym("", KEY[:31], "")


def test_a_column_is_the_same_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    column = pd.Series(["b", "a", "b", "c", "a"], index=[3, 1, 4, 1, 5], name="patient")
    found = pseudonymise(column, KEY, "cardio")
    assert found.tolist() == [pseudonym(each, KEY, "cardio") for each in column]
    assert found.index.tolist() == column.index.tolist()
    assert found.name == "patient"
    asked: list[str] = []
    monkeypatch.setattr("features.privacy.pseudonym", lambda each, key, domain: asked.append(each) or each)
    pseudonymise(column, KEY, "cardio")
    assert asked == ["b", "a", "c"]
    assert pseudonymise(pd.Series([], dtype="str"), KEY, "cardio").tolist() == []


def test_a_column_with_holes_or_numbers_is_refused_without_quoting_anybody() -> None:
    with pytest.raises(
        ValueError, match=r"1 of 3 rows have no identifier.*1 distinct identifiers are not text"
    ) as told:
        pseudonymise(pd.Series([NIR, 2750375, None], dtype=object), KEY, "cardio")
    assert "27503" not in str(told.value)
    with pytest.raises(ValueError, match="key has 4 bytes"):
        pseudonymise(pd.Series(["a"]), b"weak", "cardio")


# --- Objections -----------------------------------------------------------------------------------


def test_objections_come_back_as_they_went(tmp_path: Path) -> None:
    people = [pseudonym(str(number), KEY, "cardio") for number in range(20)]
    objections = Objections.of(people)
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    objections.write(one)
    Objections.of(reversed(people)).write(other)
    assert one.read_bytes() == other.read_bytes()
    assert Objections.read(one) == objections
    assert len(objections) == 20
    assert people[3] in objections
    assert NIR not in objections


def test_a_file_of_objections_may_have_comments_but_no_names(tmp_path: Path) -> None:
    file = tmp_path / "objections.txt"
    known = pseudonym(NIR, KEY, "cardio")
    file.write_text(f"# received in May\n\n  {known}  \n{known}\n", encoding="utf-8")
    assert Objections.read(file) == Objections.of([known])
    file.write_text(f"{known}\n{NIR}\nMme Dupont\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"objections\.txt: not a pseudonym .* on line 2, 3") as told:
        Objections.read(file)
    assert NIR not in str(told.value)
    assert "Dupont" not in str(told.value)
    with pytest.raises(ValueError, match="1 of 2 objections are not pseudonyms") as told:
        Objections.of([known, NIR])
    assert NIR not in str(told.value)


def test_who_objects_is_left_out_and_counted() -> None:
    people = pseudonymise(pd.Series(["a", "b", "a", "c"]), KEY, "cardio")
    frame = pd.DataFrame({"patient": people, "value": [1, 2, 3, 4]}, index=[9, 8, 7, 6])
    frame["patient"] = people.to_numpy()
    kept, removed = without(frame, Objections.of([people[0]]))
    assert removed == 2
    assert kept["value"].tolist() == [2, 4]
    assert kept.index.tolist() == [8, 6]
    same, none = without(frame.rename(columns={"patient": "who"}), Objections(), "who")
    assert none == 0
    assert len(same) == 4
    with pytest.raises(ValueError, match="no column 'patient'"):
        without(frame[["value"]], Objections())


# --- Small counts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ([50, 10, 30], [50, None, None]),  # 10 could be had by subtraction, so 30 goes too
        ([50, 6, 7, 30], [50, None, None, 30]),
        ([50, 0, 30], [50, None, 30]),
        ([3, 2], [None, None]),
        ([11, 12], [11, 12]),
        ([50, 10, 10], [None, None, None]),  # 20 for two that are under 11: both are 10
        ([50, 40, 10, 10], [50, None, None, None]),
        ([50, 0, 0], [50, None, None]),
    ],
)
def test_small_counts_are_masked(counts: list[int], shown: list[int | None]) -> None:
    assert mask(counts) == shown


def test_a_count_alone() -> None:
    assert [shown(count) for count in (None, 0, 10, 11, np.int64(12))] == [None, None, None, 11, 12]
    assert type(shown(np.int64(12))) is int


def everything_consistent(total: int, cells: int, highest: int) -> list[tuple[int, ...]]:
    if cells == 1:
        return [(total,)] if total <= highest else []
    return [
        (first, *rest)
        for first in range(min(total, highest) + 1)
        for rest in everything_consistent(total - first, cells - 1, highest)
    ]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.one_of(st.integers(0, 13), st.integers(0, 30)), min_size=1, max_size=4))
@example([20, 10, 10])
@example([12, 1])
@example([15, 10, 1])
@example([11, 0, 5])
def test_no_masked_count_can_be_recovered_by_subtraction(counts: list[int]) -> None:
    masked = mask(counts)
    assert all(value is None or value == count >= SMALLEST_COUNT for value, count in zip(masked, counts, strict=True))
    hidden = [position for position, value in enumerate(masked) if value is None]
    total = sum(counts[position] for position in hidden)
    if total == 0 or (len(hidden) == len(counts) and (total < SMALLEST_COUNT or _at_most(counts))):
        return  # nobody is there; or the row's total is itself what must be masked
    # Somebody who knows the rule and the total tries every row that would have been shown like this one.
    others = []
    for candidate in everything_consistent(total, len(hidden), total):
        row = [0 if value is None else value for value in masked]
        for position, value in zip(hidden, candidate, strict=True):
            row[position] = value
        if mask(row) == masked:
            others.append(candidate)
    for place in range(len(hidden)):
        assert len({candidate[place] for candidate in others}) > 1


def _at_most(counts: list[int]) -> bool:
    return sum(counts) == (SMALLEST_COUNT - 1) * len(counts)

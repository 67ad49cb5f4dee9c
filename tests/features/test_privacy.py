"""Nobody can be named from a pseudonym, a count or an error, and who objects is left out."""

from __future__ import annotations

import hashlib
import hmac
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from features.privacy import (
    SMALLEST_COUNT,
    Leak,
    Objections,
    mask,
    pseudonym,
    pseudonymise,
    rounded,
    scan,
    shown,
    told_by_difference,
    without,
)
from features.privacy.linking import Sum, exposed, mask_linked
from tests.conftest import at_most

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
    monkeypatch.setattr("features.privacy.pseudonyms.pseudonym", lambda each, key, domain: asked.append(each) or each)
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


@at_most(100)
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


def test_rounding_comes_after_suppression() -> None:
    assert [rounded(count) for count in (None, 0, 10, 11, 12, 13, 17, 18)] == [None, None, None, 10, 10, 15, 15, 20]
    assert {rounded(count) for count in range(48, 53)} == {50}, "one person more or less is not seen"


def test_two_versions_of_a_table_can_tell_a_small_cell() -> None:
    before: dict[str, int | None] = {"women": 120, "men": 90, "unknown": None, "rural": 60}
    after: dict[str, int | None] = {"women": 116, "men": 90, "unknown": 20, "rural": 40}
    assert told_by_difference(before, after) == ["women"]
    assert told_by_difference(before, before) == []
    coarse = {cell: rounded(count) for cell, count in before.items()}
    assert told_by_difference(coarse, {cell: rounded(count) for cell, count in (before | {"women": 119}).items()}) == []


# --- Tables that share their margins ----------------------------------------------------------------------


def table(rows: int, columns: int) -> tuple[list[Sum], int]:
    """Return the sums of a table with its margins: cells, row totals, column totals, grand total."""
    cells = rows * columns
    grand = cells + rows + columns
    by_row = [Sum(cells + r, tuple(r * columns + c for c in range(columns))) for r in range(rows)]
    by_column = [Sum(cells + rows + c, tuple(r * columns + c for r in range(rows))) for c in range(columns)]
    whole = [Sum(grand, tuple(range(cells, cells + rows))), Sum(grand, tuple(range(cells + rows, grand)))]
    return [*by_row, *by_column, *whole], grand


def with_margins(cells: list[int], rows: int, columns: int) -> list[int]:
    grid = np.array(cells).reshape(rows, columns)
    return [*cells, *map(int, grid.sum(axis=1)), *map(int, grid.sum(axis=0)), int(grid.sum())]


def could_be_large(published: list[int | None], cell: int) -> bool:
    """Try every table of two by two whole numbers that agrees with what is published: can this cell be 11 or more?"""
    grand = published[8]
    assert grand is not None
    a, b, c = np.meshgrid(*[np.arange(grand + 1)] * 3, indexing="ij")
    d = grand - a - b - c
    values = [a, b, c, d, a + b, c + d, a + c, b + d]
    agrees = d >= 0
    for value, told in zip(values, published, strict=False):
        agrees &= (value == told) if told is not None else True
    return bool((agrees & (values[cell] >= SMALLEST_COUNT)).any())


@at_most(40)
@given(st.lists(st.integers(0, 20), min_size=4, max_size=4).filter(lambda cells: sum(cells) > 33))
@example([5, 20, 15, 14])
@example([3, 12, 12, 20])
@example([4, 2, 20, 18])
def test_no_small_cell_can_be_worked_out_from_a_table_and_its_margins(cells: list[int]) -> None:
    sums, grand = table(2, 2)
    counts = with_margins(cells, 2, 2)
    masked = mask_linked(counts, sums, known=[grand])
    assert all(value is None or value == count for value, count in zip(masked, counts, strict=True))
    assert masked[grand] == counts[grand]
    for place, count in enumerate(counts):
        if 0 < count < SMALLEST_COUNT:
            assert masked[place] is None
            assert could_be_large(masked, place)


def test_masking_each_table_alone_is_not_enough() -> None:
    sums, grand = table(3, 2)
    counts = with_margins([200, 5, 130, 150, 180, 170], 3, 2)
    alone = [*mask(counts[:6]), *mask(counts[6:9]), *mask(counts[9:11]), counts[grand]]
    assert exposed(alone, sums, [1]) == [1], "the row's total minus the cell beside it is the small one"
    assert exposed(mask_linked(counts, sums, known=[grand]), sums, [1]) == []


def test_nothing_is_hidden_without_need() -> None:
    sums, grand = table(3, 3)
    counts = with_margins([50, 60, 70, 20, 30, 40, 11, 12, 13], 3, 3)
    assert mask_linked(counts, sums, known=[grand]) == counts
    empty = with_margins([50, 0, 70, 20, 30, 40, 11, 12, 13], 3, 3)
    assert [place for place, value in enumerate(mask_linked(empty, sums, known=[grand])) if value is None] == [1]


# --- What leaves ------------------------------------------------------------------------------------------

CLEAN = {
    "card.json": {"people": 240, "events": "<11", "folds": 5, "groups": 2, "flow": [{"n": 11, "missing": None}]},
    "evidence.json": {"counts": {"event": [40, None]}, "reasons": {"too old": None}, "seed": 3, "horizon": 10},
}
BOOSTER = "tree\nfeature_infos=[{}] [-1e+308:1e+308]\nTree=0\nleaf_count={}\ninternal_count=300 200\n"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """What a run may leave: nothing in it is a leak."""
    for name, tree in CLEAN.items():
        (tmp_path / name).write_text(json.dumps(tree), encoding="utf-8")
    (tmp_path / "card.fr.html").write_text(
        "<style>td { width: 3px }</style><p>n = 1\u202f234 ; évènements : moins de 11, 5 parts</p>"
        '<table><tr><td>3,5</td><td class="count">12 345 (987)</td><td class="count">moins de 11</td></tr></table>',
        encoding="utf-8",
    )
    (tmp_path / "figure.svg").write_text("<svg><text>n = 300</text><g><circle/><circle/></g></svg>", encoding="utf-8")
    (tmp_path / "groups.csv").write_text("group,n,share\na,40,0.1\nb,,0.2\n", encoding="utf-8")
    (tmp_path / "ledger.jsonl").write_text('{"verdict": "approved"}\n{"verdict": "refused"}\n', encoding="utf-8")
    (tmp_path / "model.txt").write_text(BOOSTER.format("-1e+308:1e+308", "40 60"), encoding="utf-8")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff")
    with zipfile.ZipFile(tmp_path / "event.skops", "w") as archive:
        archive.writestr("schema.json", json.dumps({"model": BOOSTER.format("-1e+308:1e+308", "40 60")}))
    return tmp_path


def test_a_clean_bundle_has_no_leak(bundle: Path) -> None:
    assert scan(bundle) == []
    with pytest.raises(NotADirectoryError, match="nothing was scanned"):
        scan(bundle / "nowhere")


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("card.json", '{"flow": [{"people": 40}, {"people": 7}]}', "small count"),
        ("evidence.json", '{"distribution": {"counts": {"event": [40, 3]}}}', "small count"),
        ("evidence.json", '{"reasons": {"too old": 1}}', "small count"),
        ("audit.json", '{"groups": [{"group": "a", "events": 10}]}', "small count"),
        ("features.json", '{"age": {"min": 40.2, "p50": 60}}', "training extreme"),
        ("golden.json", '{"rows": [{"patient": "a1", "age": 60}]}', "rows of people"),
        ("ledger.jsonl", '{"n": 40}\n{"n": 4}', "small count"),
        ("broken.json", "{", "not read"),
        ("card.fr.html", '<table><tr><td class="count">12\u202f345 (7)</td></tr></table>', "small count"),
        ("card.fr.html", "<p>n = <b>9</b></p>", "small count"),
        ("card.en.html", "<p>n = 400; events: 3</p>", "small count"),
        ("shap.svg", "<svg><g id='dots'>" + "<use x='1'/>" * 500 + "</g></svg>", "rows of people"),
        ("curve.svg", "<svg><text>n = 6</text></svg>", "small count"),
        ("groups.csv", "group,n\na,40\nb,2\n", "small count"),
        ("people.csv", "patient,age\na,40\n", "rows of people"),
        ("card.chai.xml", '<a><ValueJson>{"kind":"single","n":4}</ValueJson></a>', "small count"),
        ("model.txt", BOOSTER.format("18.25:97.5", "40 60"), "training extreme"),
        ("model.txt", BOOSTER.format("-1e+308:1e+308", "40 6"), "small count"),
        ("frame.parquet", "PAR1", "rows of people"),
    ],
)
def test_every_planted_leak_is_found(bundle: Path, name: str, text: str, kind: str) -> None:
    (bundle / name).write_text(text, encoding="utf-8")
    found = scan(bundle)
    assert {(leak.file, leak.kind) for leak in found} == {(name, kind)}
    assert all(leak.where for leak in found)


def test_a_leak_within_an_archive_is_found(bundle: Path) -> None:
    with zipfile.ZipFile(bundle / "event.skops", "w") as archive:
        archive.writestr("schema.json", json.dumps({"model": BOOSTER.format("18.25:97.5", "40 60")}))
    assert scan(bundle) == [Leak("event.skops!schema.json", "feature_infos, feature 0", "training extreme")]


def test_the_very_numbers_of_extreme_patients_are_looked_for(bundle: Path) -> None:
    extremes = {"bmi": (13.672, 58.914), "age": (40.0, 79.0)}
    assert scan(bundle, extremes) == []
    (bundle / "note.txt").write_text("limits: 58.914\n", encoding="utf-8")
    (bundle / "other.txt").write_text("158.914 and 58.9141\n", encoding="utf-8")
    assert scan(bundle, extremes) == [Leak("note.txt", "largest bmi", "training extreme")]


def test_a_coordinate_and_a_digest_are_no_training_extremes(tmp_path: Path) -> None:
    extremes = {"systolic_mean": (98.25, 187.4)}
    page = '<p>exécution a187.4c</p><svg><path d="M 187.4 12"/><text x="98.25">12</text></svg>'
    (tmp_path / "card.fr.html").write_text(page, encoding="utf-8")
    (tmp_path / "evidence.json").write_text('{"run": "b98.25f"}', encoding="utf-8")
    assert scan(tmp_path, extremes) == []
    (tmp_path / "card.fr.html").write_text(f"{page}<td>187.4</td>", encoding="utf-8")
    (tmp_path / "notes.json").write_text('{"n": "<11", "value": 98.25, "rule": ">= 2"}', encoding="utf-8")
    assert [(leak.file, leak.kind) for leak in scan(tmp_path, extremes)] == [
        ("card.fr.html", "training extreme"),
        ("notes.json", "training extreme"),
    ]

"""A whole store's list: the numbers of the service, in the right order, whatever interrupted the work."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.catalogue import concepts as catalogue
from features.codes import Concept
from features.records import Records
from serving import outreach
from serving.contract import Risk
from serving.gate import Admitted
from serving.outreach import Listed, Wanted, write_list
from serving.refusals import Suspended
from serving.scoring import score
from tests.conftest import REPOSITORY
from tests.serving import live
from tests.serving.histories import AS_OF, _records

PEOPLE = 320
CONCEPTS = tuple(each for each in vars(catalogue).values() if isinstance(each, Concept))


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Records:
    """Some hundred people, of three practices, in four shards."""
    import numpy as np

    random = np.random.default_rng(5)
    rows = []
    for number in range(PEOPLE):
        for row in _records(f"patient-{number:04d}", random):
            rows.append((row[0], f"practice-{number % 3}", *row[2:]))
    columns = ["patient", "practice", "happened_at", "known_at", "code", "value", "unit", "retracted_at"]
    frame = pd.DataFrame(rows, columns=columns)
    units = {"LOINC:8480-6": "mm[Hg]", "LOINC:14647-2": "mmol/L", "LOINC:14646-4": "mmol/L", "LOINC:39156-5": "kg/m2"}
    frame["unit"] = frame["code"].map(units)
    records = Records.create(tmp_path_factory.mktemp("store") / "records", shards=4)
    records.append(frame, name="one", delivered_at=AS_OF + timedelta(days=60), concepts=CONCEPTS)
    return records


def listed(model: Admitted, store: Records, file: Path, **wanted: Any) -> pd.DataFrame:
    write_list(lambda: model, store, Wanted(AS_OF, **wanted), file)
    return pq.read_table(file).to_pandas()


def one_by_one(model: Admitted, store: Records) -> dict[str, Risk]:
    found = {}
    for shard in store:
        for patient in shard.patients:
            answer = score(model, shard.history(patient), AS_OF)
            if isinstance(answer, Risk):
                found[patient] = answer
    return found


def test_the_list_is_what_the_service_answers_bit_for_bit(admitted: Admitted, store: Records, tmp_path: Path) -> None:
    expected = one_by_one(admitted, store)
    assert 50 < len(expected) < PEOPLE - 50
    found = listed(admitted, store, tmp_path / "list.parquet", reasons=True)
    assert dict(zip(found["patient"], found["probability"], strict=True)) == {
        patient: answer.risk for patient, answer in expected.items()
    }
    for row in found.itertuples():
        answer = expected[str(row.patient)]
        assert row.level == (answer.category and answer.category.code)
        assert [dict(reason) for reason in row.reasons] == [reason.model_dump() for reason in answer.reasons]
    assert list(found["patient"]) == sorted(expected, key=lambda patient: (-expected[patient].risk, patient))
    assert list(found["rank"]) == list(range(1, len(expected) + 1))
    practice = {f"patient-{number:04d}": f"practice-{number % 3}" for number in range(PEOPLE)}
    assert all(practice[row.patient] == row.practice for row in found.itertuples())


def test_for_a_propensity_the_least_likely_come_first(screening: Admitted, store: Records, tmp_path: Path) -> None:
    expected = one_by_one(screening, store)
    assert len(expected) > 30
    found = listed(screening, store, tmp_path / "list.parquet", reasons=True)
    order = sorted(expected, key=lambda patient: (expected[patient].risk, patient))
    assert list(found["patient"]) == order
    assert list(found["probability"]) == [expected[patient].risk for patient in order]
    for row in found.itertuples():
        assert [dict(each) for each in row.reasons] == [each.model_dump() for each in expected[row.patient].reasons]


def test_each_practice_gets_as_many_as_it_can_reach(admitted: Admitted, store: Records, tmp_path: Path) -> None:
    everybody = listed(admitted, store, tmp_path / "all.parquet")
    some = listed(admitted, store, tmp_path / "some.parquet", capacity=7)
    assert list(some.groupby("practice").size()) == [7, 7, 7]
    best = everybody[everybody["rank_in_practice"] <= 7]
    assert list(some["patient"]) == list(best["patient"])
    assert list(some["rank"]) == list(range(1, 22))
    mine = listed(admitted, store, tmp_path / "mine.parquet", practice="practice-1", capacity=7)
    assert list(mine["patient"]) == list(some[some["practice"] == "practice-1"]["patient"])
    assert "reasons" not in mine
    nobody = listed(admitted, store, tmp_path / "nobody.parquet", practice="elsewhere")
    assert len(nobody) == 0


def test_interrupted_work_goes_on_where_it_stopped(
    admitted: Admitted, store: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = listed(admitted, store, tmp_path / "whole.parquet", reasons=True)
    scored: list[int] = []
    original = outreach._scored

    def counted(model: Admitted, shard: Any, patients: Any, wanted: Wanted) -> Any:
        scored.append(len(patients))
        if len(scored) == 3:
            raise KeyboardInterrupt
        return original(model, shard, patients, wanted)

    monkeypatch.setattr(outreach, "_scored", counted)
    monkeypatch.setattr(outreach, "in_order", map)
    with pytest.raises(KeyboardInterrupt):
        listed(admitted, store, tmp_path / "list.parquet", reasons=True)
    assert not (tmp_path / "list.parquet").exists()
    pd.testing.assert_frame_equal(listed(admitted, store, tmp_path / "list.parquet", reasons=True), whole)
    assert len(scored) == 3 + 2, "two shards were done"
    assert [path.name for path in tmp_path.iterdir() if "list" in path.name] == ["list.parquet"]


def test_parts_of_another_question_are_not_taken(
    admitted: Admitted, store: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(outreach, "_rank", stop)
    file = tmp_path / "list.parquet"
    for wanted in (Wanted(AS_OF), Wanted(AS_OF, reasons=True), Wanted(AS_OF - timedelta(days=1)), Wanted(AS_OF)):
        with pytest.raises(KeyboardInterrupt):
            write_list(lambda: admitted, store, wanted, file)
    assert len(list((tmp_path / "list.parquet.parts").glob("0*.parquet"))) == 3 * 4


def test_a_model_that_is_suspended_meanwhile_makes_no_list(admitted: Admitted, store: Records, tmp_path: Path) -> None:
    asked = []

    def model() -> Admitted:
        asked.append(1)
        if len(asked) > 3:
            raise Suspended("the committee suspended it")
        return admitted

    with pytest.raises(Suspended):
        write_list(model, store, Wanted(AS_OF), tmp_path / "list.parquet")
    assert not (tmp_path / "list.parquet").exists()


def test_a_list_says_where_it_comes_from(admitted: Admitted, store: Records, tmp_path: Path) -> None:
    found = write_list(lambda: admitted, store, Wanted(AS_OF, capacity=2), tmp_path / "it's.parquet")
    assert isinstance(found, Listed)
    assert (found.people, found.patients) == (6, PEOPLE)
    about = json.loads(pq.read_metadata(tmp_path / "it's.parquet").metadata[b"vigie"])
    assert about["model"]["digest"] == admitted.model_digest
    assert about["card"]["digest"] == admitted.card_digest
    assert about["decision"] == admitted.decision_digest
    assert about["as_of"] == "2026-03-02T09:00:00Z"
    assert about["records"] == store.digest
    assert "pas un dispositif médical" in about["notice"]["fr"]


@pytest.mark.slow
def test_the_command(
    store: Records, screening_model: Path, committee: Any, trusted: Path, models: Any, tmp_path: Path
) -> None:
    from tests.serving import bundles

    one = bundles.whole(tmp_path / "one", models("linear"), committee)
    two = bundles.whole(tmp_path / "two", screening_model, committee, study="screening-colorectal")
    settings = live.environment(tmp_path / "home")
    both = ("--bundle", str(one), "--bundle", str(two), "--trusted-keys", str(trusted))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "serving", "score", *both, "--store", str(store.path), *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=settings, cwd=REPOSITORY, check=False)

    file = tmp_path / "list.parquet"
    ran = run("--study", "screening-colorectal", "--out", str(file), "--as-of", "2026-03-02", "--capacity", "5")
    assert ran.returncode == 0, ran.stderr
    assert "15 people" in ran.stdout
    found = pq.read_table(file).to_pandas()
    assert list(found["probability"]) == sorted(found["probability"])
    about = json.loads(pq.read_metadata(file).metadata[b"vigie"])
    assert about["as_of"] == datetime(2026, 3, 2).isoformat() + "Z"
    assert run("--study", "lost-to-care", "--out", str(file)).returncode == 4
    assert run("--study", "cardiovascular").returncode == 2

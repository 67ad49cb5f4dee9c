"""A whole store's list: the numbers of the service, in the right order, whatever interrupted the work."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.build import ENGINES
from features.catalogue import concepts as catalogue
from features.codes import Concept
from features.engines import Engine, Progress, Request, Work
from features.records import Records
from serving import outreach, settings
from serving.contract import Risk
from serving.gate import Admitted
from serving.outreach import Listed, Models, Wanted, write_list
from serving.refusals import Suspended
from serving.scoring import score
from tests.conftest import REPOSITORY
from tests.features.test_engines import LOCAL, available, engine, session
from tests.serving import bundles, live
from tests.serving.committee import Standing
from tests.serving.histories import AS_OF, _records

# Only Arrow passes through Spark here, never a frame of pandas.
pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
__all__ = ["engine", "session"]  # fixtures
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


@pytest.mark.slow
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

    def one_by_one(work: Work, requests: Sequence[Request], progress: Progress | None = None) -> Iterator[pa.Table]:
        return (work(*request) for request in requests)

    monkeypatch.setattr(outreach, "_scored", counted)
    wanted = Wanted(AS_OF, reasons=True)
    with pytest.raises(KeyboardInterrupt):
        write_list(lambda: admitted, store, wanted, tmp_path / "list.parquet", engine=one_by_one)
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


def test_a_list_rests_on_one_decision(admitted: Admitted, store: Records, tmp_path: Path) -> None:
    """The committee decides anew while the list is made: what was made before is made again."""
    later = replace(admitted, decision=admitted.decision.model_copy(update={"reasons": "Revu"}))
    asked = []

    def model() -> Admitted:
        asked.append(1)
        return admitted if len(asked) <= 3 else later

    write_list(model, store, Wanted(AS_OF), tmp_path / "list.parquet")
    about = json.loads(pq.read_metadata(tmp_path / "list.parquet").metadata[b"vigie"])
    assert about["decision"] == later.decision_digest != admitted.decision_digest
    assert len(asked) == 1 + 2 * (4 + 1), "all four shards were asked for twice"


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
@pytest.mark.parametrize("kind", ["linear", "boosted"])
def test_a_list_made_on_spark_is_that_of_threads_bit_for_bit(
    kind: str, engine: Engine, store: Records, committee: Any, trusted: Path, models: Any, tmp_path: Path
) -> None:
    bundle = bundles.whole(tmp_path / "bundle", models(kind), committee)
    model = Models((bundle,), ((settings.TRUSTED_KEYS, str(trusted)),), None)
    wanted, here, there = Wanted(AS_OF, capacity=30, reasons=True), tmp_path / "here", tmp_path / "there"
    told: list[tuple[int, int]] = []
    assert write_list(model, store, wanted, here) == write_list(
        model, store, wanted, there, lambda *n: told.append(n), engine
    )
    assert told[-1] == (4, 4)
    assert pq.read_table(there).equals(pq.read_table(here), check_metadata=True)
    assert pq.read_table(here).num_rows == 3 * 30
    assert not (tmp_path / "there.parts").exists()


@pytest.mark.slow
def test_what_one_engine_began_the_other_ends(
    engine: Engine,
    store: Records,
    committee: Any,
    trusted: Path,
    models: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = bundles.whole(tmp_path / "bundle", models("linear"), committee)
    model, file = Models((bundle,), ((settings.TRUSTED_KEYS, str(trusted)),), None), tmp_path / "list.parquet"

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(outreach, "_rank", stop)
    with pytest.raises(KeyboardInterrupt):
        write_list(model, store, Wanted(AS_OF), file, engine=engine)
    parts = sorted((tmp_path / "list.parquet.parts").iterdir())
    made = {part: part.stat().st_mtime_ns for part in parts[1:]}
    assert len(made) == 3
    parts[0].unlink()
    with pytest.raises(KeyboardInterrupt):
        write_list(model, store, Wanted(AS_OF), file)
    assert sorted((tmp_path / "list.parquet.parts").iterdir()) == parts
    assert {part: part.stat().st_mtime_ns for part in made} == made


@pytest.mark.slow
def test_on_spark_as_well_a_model_that_is_suspended_makes_no_list(
    engine: Engine, store: Records, models: Any, tmp_path: Path
) -> None:
    standing = Standing.open(tmp_path / "committee")
    bundle = bundles.whole(tmp_path / "bundle", models("linear"), None)
    card = standing.approve(bundle)
    environment = ((settings.TRUSTED_KEYS, str(standing.trusted)), (settings.LEDGER, str(standing.ledger)))
    model = Models((bundle,), environment, None)

    def meanwhile(work: Work, requests: Sequence[Request], progress: Progress | None = None) -> Iterator[pa.Table]:
        standing.decide_now(card, "suspended")
        return engine(work, requests, progress)

    with pytest.raises(Suspended):
        write_list(model, store, Wanted(AS_OF), tmp_path / "list.parquet", engine=meanwhile)
    assert not (tmp_path / "list.parquet").exists()
    assert not list(tmp_path.glob("*.parts/*.parquet"))


@pytest.mark.slow
def test_the_command_on_spark(store: Records, committee: Any, trusted: Path, models: Any, tmp_path: Path) -> None:
    available()
    bundle = bundles.whole(tmp_path / "bundle", models("linear"), committee)
    environment = live.environment(tmp_path / "home", SPARK_LOCAL_DIRS=str(tmp_path / "scratch"), **LOCAL)
    command = [sys.executable, "-m", "serving", "score", "--bundle", str(bundle), "--trusted-keys", str(trusted)]
    command += ["--store", str(store.path), "--as-of", "2026-03-02"]
    for name in ENGINES:
        ran = subprocess.run(
            [*command, "--out", str(tmp_path / name), "--engine", name],
            capture_output=True,
            text=True,
            env=environment,
            cwd=REPOSITORY,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
    assert pq.read_table(tmp_path / "spark").equals(pq.read_table(tmp_path / "threads"), check_metadata=True)


@pytest.mark.slow
def test_the_command(
    store: Records, screening_model: Path, committee: Any, trusted: Path, models: Any, tmp_path: Path
) -> None:
    one = bundles.whole(tmp_path / "one", models("linear"), committee)
    two = bundles.whole(tmp_path / "two", screening_model, committee, study="screening-colorectal")
    environment = live.environment(tmp_path / "home")
    both = ("--bundle", str(one), "--bundle", str(two), "--trusted-keys", str(trusted))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "serving", "score", *both, "--store", str(store.path), *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=REPOSITORY, check=False)

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

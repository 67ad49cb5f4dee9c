"""The benchmark compares like with like: its table, its comparison with peers, and the task all of them are given."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks import environments, task
from benchmarks.features import FEATURES, agreement, by_columns, table, write_population
from features.language import DAY, YEAR

NAMES = list(FEATURES)


def run(seconds: float, work: float, megabytes: float = 100) -> dict[str, float]:
    return {"seconds": seconds, "work": work, "megabytes": megabytes}


def test_the_table_has_medians_and_ratios_to_ours():
    runs = {
        "vigie": [run(3, 4), run(1, 2), run(2, 2.5)],
        "limit": [run(1, 1), run(1, 1), run(1, 1)],
        "pandas": [run(9, 10), run(30, 40), run(10, 10, 2048)],
        "meds_tab": [run(200, 250)],
    }
    same = {"vigie": "225", "limit": "225", "pandas": "225", "meds_tab": "0 of 180"}
    lines = table(runs, same).splitlines()
    cells = {line.split("  ")[0]: line.split()[-7:] for line in lines[1:5]}
    assert cells["Vigie, columns on threads"] == ["2.00", "1.00", "2.50", "1.00", "100", "3", "225"]
    assert cells["pandas, group and unstack"] == ["10.00", "5.00", "10.00", "4.00", "2,048", "3", "225"]
    assert lines[4].split()[-9:] == ["200.00", "100.00", "250.00", "100.00", "100", "1", "0", "of", "180"]
    assert f"MEDS-Tab, its commands: {environments.PEERS['meds_tab'].differs}." in lines
    assert lines[-1] == "Vigie is at 2.0 times the physical limit."
    assert len({len(line) for line in lines[:5] if "limit" not in line and "decoding" not in line}) == 1


OURS = {"count": np.array([0.0, 2, 3]), "latest": np.array([np.nan, 120.0, 130.5])}
OTHERS = {
    "another value": {"latest": np.array([np.nan, 120.0, 130.500001])},
    "a value where ours is missing": {"latest": np.array([0.0, 120.0, 130.5])},
    "nothing where ours is": {"latest": np.array([np.nan, np.nan, 130.5])},
    "other rows": {"latest": np.array([120.0, 130.5])},
    "rows in another order": {"latest": np.array([120.0, np.nan, 130.5])},
}


def test_a_peer_that_gives_our_values_is_equal():
    almost = {"count": OURS["count"], "latest": OURS["latest"] * (1 + 1e-12)}
    assert environments.equal(almost, OURS) == {"count", "latest"}
    assert agreement("featuretools", almost, OURS) == "2"
    assert agreement("featuretools", {"count": OURS["count"]}, OURS) == "1"


@pytest.mark.parametrize("name", OTHERS)
def test_a_peer_that_gives_another_value_is_not(name):
    theirs = {**OURS, **OTHERS[name]}
    assert environments.equal(theirs, OURS) == {"count"}
    with pytest.raises(AssertionError, match="featuretools, cut-off times has other values of latest"):
        agreement("featuretools", theirs, OURS)
    assert agreement("meds_tab", theirs, OURS) == "1 of 2"  # which is known to differ


def test_a_feature_nobody_asked_for_is_another():
    with pytest.raises(AssertionError, match="other values of invented"):
        agreement("timeseriesflattener", {"invented": OURS["count"]}, OURS)


def test_peers_are_given_our_task():
    assert task.names() == NAMES
    assert (task.DAY, task.YEAR) == (DAY, YEAR)


def test_our_side_is_recounted_from_the_files(tmp_path):
    write_population(tmp_path, 10, late=False)
    found = dict(zip(NAMES, np.hstack(list(by_columns(tmp_path))), strict=True))
    records = pq.read_table(tmp_path / "records-0000.parquet").to_pylist()
    index = pq.read_table(tmp_path / "index-0000.parquet").to_pylist()
    expected = {name: [] for name in NAMES}
    for row in index:
        as_of = row["as_of"]
        for code in range(task.COUNTED):
            seen = [r for r in records if (r["patient"], r["code"]) == (row["patient"], code) and r["happened"] < as_of]
            expected[f"c{code}_count_ever"].append(len(seen))
            if code < task.VALUED:
                since = (as_of - seen[-1]["happened"]) / YEAR if seen else np.nan
                expected[f"c{code}_since"].append(since)
            for window, days in task.WINDOWS.items():
                inside = [r for r in seen if r["happened"] >= as_of - days * DAY]
                expected[f"c{code}_count_{window}"].append(len(inside))
                values = [r["value"] for r in inside if r["value"] is not None]
                if code < task.VALUED:
                    statistics = (values[-1], np.mean(values), min(values), max(values)) if values else [np.nan] * 4
                    for name, value in zip(task.STATISTICS, statistics, strict=True):
                        expected[f"c{code}_{name}_{window}"].append(value)
    columns = {name: np.array(values, np.float64) for name, values in expected.items()}
    assert environments.equal(found, columns) == set(NAMES)
    assert np.isfinite(columns["c14_latest_5y"]).any()


def test_a_peer_writes_its_columns_and_what_it_took(tmp_path, monkeypatch, capsys):
    prepared, file = [], tmp_path / "columns.npz"
    monkeypatch.setattr(sys, "argv", ["peer", str(tmp_path), str(file)])
    task.as_peer(lambda folder: [2, 4, folder.name], lambda found: {"half": [found[0], None]},
                 lambda folder: prepared.append(folder) or folder / "made")  # fmt: skip
    took = json.loads(capsys.readouterr().out)
    assert prepared == [tmp_path]
    assert set(took) == {"seconds", "work", "megabytes"}
    assert 0 <= took["seconds"] < 5
    with np.load(file) as columns:
        np.testing.assert_array_equal(columns["half"], [2, np.nan])


@pytest.mark.parametrize("name", environments.PEERS)
def test_every_peer_is_pinned_and_named(name):
    folder = Path(environments.__file__).parent / "peers"
    lines = (folder / f"{name}.txt").read_text().splitlines()
    assert lines
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[\w.+!]+", line) for line in lines)  # versions, and no address
    assert any(line.lower().replace("-", "_").startswith(f"{name}==") for line in lines)
    assert (folder / f"{name}.py").exists()


def test_there_is_no_peer_without_a_label():
    modules = {file.stem for file in (Path(environments.__file__).parent / "peers").glob("*.py")} - {"__init__"}
    assert modules == set(environments.PEERS)

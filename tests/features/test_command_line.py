"""The command line of the features, as a data manager uses it: what it does, what it says, how it fails."""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import features
import serving.__main__
import training.__main__
from features.__main__ import _parser, main
from features.build import feature_set
from features.commands import DAMAGED, INVALID, MISSING, OK, USAGE, Parser
from features.privacy import pseudonym
from features.records import Records

KEY = b"k" * 32
EXAMPLES = Path(features.__file__).parent / "sources" / "examples"
NAMES = ("Durand", "Martin", "1850578006084")

MANDATE = ["--purpose", "research", "--reference", "CSE-2026-014"]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_bytes(KEY)
    return file


def ingest(store: Path, *options: object, delivered: str = "2026-01-01") -> int:
    given = ["--source", "tables", "--mapping", EXAMPLES / "logiciel_metier.toml", "--from", EXAMPLES / "export"]
    return main(list(map(str, ["ingest", *given, "--into", store, "--delivered", delivered, *options])))


@pytest.fixture
def store(tmp_path: Path, key: Path) -> Path:
    assert ingest(tmp_path / "store", "--key", key) == OK
    return tmp_path / "store"


def test_a_delivery_goes_in_and_what_is_wrong_with_it_is_said(key, tmp_path, capsys):
    store = tmp_path / "store"
    assert ingest(store, "--key", key) == OK
    said = capsys.readouterr()
    assert said.out == f"{store}  {Records.open(store).digest}\n"
    assert "100 records kept" in said.err
    assert "1 rows refused: date not understood (such as resultats.csv, line 12)" in said.err
    entry = Records.open(store).deliveries[0]
    assert entry["name"] == "tables (logiciel métier fictif) export 2026-01-01"
    assert sum(entry["refused"].values()) + sum(entry["quarantined"].values()) + entry["rows"] == entry["about"]["read"]
    before = Records.open(store).digest
    assert ingest(store, "--key", key) == OK  # sent again
    assert Records.open(store).digest == before


@pytest.mark.slow
def test_a_store_is_checked_profiled_exported_and_purged(store, tmp_path, capsys):
    assert main(["check", str(store)]) == OK
    assert "sound" in capsys.readouterr().err
    page = tmp_path / "page.html"
    assert main(["profile", str(store), "--out", str(page)]) == OK
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert main(["export", str(store), "--into", str(tmp_path / "meds"), "--name", "essai", *MANDATE]) == OK
    assert list((tmp_path / "meds" / "data").rglob("*.parquet"))
    rows = sum(len(shard.value) for shard in Records.open(store))
    assert main(["purge", str(store), "--before", "2024-01-01"]) == OK
    assert sum(len(shard.value) for shard in Records.open(store)) == rows  # counted only
    assert main(["purge", str(store), "--before", "2024-01-01", "--yes"]) == OK
    assert sum(len(shard.value) for shard in Records.open(store)) < rows
    assert main(["check", str(store)]) == OK


def test_features_are_built_once_and_described(store, tmp_path, capsys):
    file = tmp_path / "frame.parquet"
    command = ["build", "--features", "cardiovascular", "--store", str(store), "--out", str(file)]
    for computed in (True, False):
        assert main([*command, "--landmarks", "2024-06-01", "2025-01-01"]) == OK
        assert (" 0 of them computed now" not in capsys.readouterr().err) is computed
    frame = pd.read_parquet(file)
    assert {"patient", "as_of", "age", "systolic"} <= set(frame.columns)
    assert main(["describe", "cardiovascular"]) == OK
    assert "| systolic | Pression artérielle systolique |" in capsys.readouterr().out


def test_people_who_object_are_left_out_and_erased(store, key, tmp_path, capsys):
    somebody = Records.open(store).read(0).patients[0]
    objections = tmp_path / "objections"
    objections.write_text(f"{somebody}\n", encoding="utf-8")
    assert ingest(tmp_path / "other", "--key", key, "--objections", objections) == OK
    assert "rows of people who object left out" in capsys.readouterr().err
    assert main(["purge", str(store), "--objections", str(objections), "--yes"]) == OK
    for path in (store, tmp_path / "other"):
        assert all(somebody not in shard.patients for shard in Records.open(path))


def test_exit_codes_differ_by_cause(store, key, tmp_path, capsys):
    assert ingest(tmp_path / "new") == USAGE  # who makes the pseudonyms?
    assert ingest(tmp_path / "new", "--key", key, "--already-pseudonymous") == USAGE
    assert main(["purge", str(store)]) == USAGE
    short = tmp_path / "short"
    short.write_bytes(b"too short")
    assert ingest(tmp_path / "new", "--key", short) == INVALID
    assert (
        main(["ingest", "--source", "omop", "--from", str(tmp_path), "--into", str(store), "--key", str(key)])
        == INVALID
    )
    for command in (
        ["check", str(tmp_path / "nowhere")],
        ["profile", str(tmp_path / "nowhere")],
        ["ingest", "--source", "fhir", "--from", str(tmp_path / "no"), "--into", str(store), "--key", str(key)],
    ):
        assert main(command) == MISSING
    file = next(store.rglob("shard-*.parquet"))
    file.write_bytes(file.read_bytes()[:-7])
    assert main(["check", str(store)]) == DAMAGED
    build = ["build", "--features", "cardiovascular", "--store", str(store), "--landmarks", "2025-01-01"]
    assert main([*build, "--out", str(tmp_path / "x.parquet")]) == DAMAGED
    (store / Records.MANIFEST).write_text("{", encoding="utf-8")
    assert main(["check", str(store)]) == DAMAGED
    said = capsys.readouterr()
    for text in (pseudonym("1", KEY, "vigie/patient"), *NAMES):
        assert text not in said.err + said.out


@pytest.mark.slow
def test_it_is_a_program(tmp_path):
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "features", *arguments], capture_output=True, text=True)

    helped = run("--help")
    assert helped.returncode == OK
    for command in ("synthesise", "ingest", "check", "profile", "purge", "export", "build", "describe", "exit codes"):
        assert command in helped.stdout
    wrong = run("check", str(tmp_path / "nowhere"))
    assert wrong.returncode == MISSING
    assert "Traceback" not in wrong.stderr
    assert run("ingest", "--delivered", "yesterday").returncode == USAGE


def test_difficulties_of_a_population_are_switched_on_the_command_line(tmp_path):
    def digest_of(name: str, *options: str) -> str:
        assert main(["synthesise", "--patients", "60", "--into", str(tmp_path / name), *options]) == OK
        return Records.open(tmp_path / name).digest

    made = {
        digest_of("usual"),
        digest_of("without", "--without", "grams"),
        digest_of("drift", "--drift-from", "2015-01-01"),
    }
    assert len(made) == 3


PARSERS = {"features": _parser(), "training": training.__main__._parser(), "serving": serving.__main__.parser()}


def parsers(parser: Parser) -> Iterator[Parser]:
    """Yield a parser and those of its commands."""
    parser.complete()
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from parsers(command)


def each_command() -> Iterator[object]:
    for package, top in PARSERS.items():
        for parser in parsers(top):
            if not any(isinstance(action, argparse._SubParsersAction) for action in parser._actions):
                yield pytest.param(package, parser, id=parser.prog)


@pytest.mark.parametrize(("package", "parser"), list(each_command()))
def test_every_command_teaches_itself_by_an_example_that_is_right(package, parser):
    lines = [line.strip() for line in (parser.epilog or "").splitlines()]
    examples = [line for line in lines if line.startswith(f"{parser.prog} ") or line == parser.prog]
    assert examples, f"{parser.prog} shows nobody what to type"
    for example in examples:
        assert f"  {example}" in parser.format_help().splitlines(), (
            "an example is broken over lines: nobody can copy it"
        )
        PARSERS[package].parse_args(shlex.split(example)[3:])  # ends the process where something is wrong
    assert parser.description
    assert any(line.startswith("exit codes: ") for line in lines)


@pytest.mark.parametrize("package", list(PARSERS))
def test_what_a_package_shows_first_is_right(package):
    examples = [line.split() for line in (PARSERS[package].epilog or "").splitlines() if line.startswith("  ")]
    for _, _, _, *words in examples:
        if "--help" not in words:
            PARSERS[package].parse_args(words)
    assert len(examples) >= 3


def test_scripts_read_json(store, capsys):
    assert main(["check", str(store), "--json"]) == OK
    assert json.loads(capsys.readouterr().out) == {"sound": True, "faults": [], "left_over": []}
    (store / ".incoming-1").mkdir()
    file = next(store.rglob("shard-*.parquet"))
    file.write_bytes(file.read_bytes()[:-7])
    assert main(["check", str(store), "--json"]) == DAMAGED
    found = json.loads(capsys.readouterr().out)
    assert found["sound"] is False
    assert [fault.split(":")[0] for fault in found["faults"]] == [file.relative_to(store).as_posix()]
    assert [line.split(":")[0] for line in found["left_over"]] == [".incoming-1"]
    (store / Records.MANIFEST).write_text("{", encoding="utf-8")
    assert main(["check", str(store), "--json"]) == DAMAGED
    assert "not readable as JSON" in json.loads(capsys.readouterr().out)["faults"][0]
    assert main(["describe", "cardiovascular", "--json"]) == OK
    described = json.loads(capsys.readouterr().out)
    known = feature_set("cardiovascular")
    assert described["fingerprint"] == known.fingerprint
    assert [each["feature"] for each in described["features"]] == list(known)
    assert {None, "mm[Hg]"} <= {each["unit"] for each in described["features"]}


def test_scripts_choose_among_studies_by_json(capsys):
    assert training.__main__.main(["studies", "--json"]) == OK
    studies = {study["name"]: study for study in json.loads(capsys.readouterr().out)}
    assert studies["cardiovascular"]["candidate"] in studies["cardiovascular"]["models"]
    assert studies["cardiovascular-5-years"]["horizon_years"] == 5

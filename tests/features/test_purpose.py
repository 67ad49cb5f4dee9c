"""No use without a purpose of the closed list and a committee's reference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.__main__ import main
from features.purpose import FORBIDDEN, LONGEST, PURPOSES, Mandate, RefusedPurpose
from features.synthetic import synthesise


@given(purpose=st.sampled_from([*PURPOSES]), reference=st.from_regex(r"\A[A-Z0-9][A-Za-z0-9 ./-]{0,30}[A-Z0-9]\Z"))
def test_a_listed_purpose_with_a_reference_is_a_mandate(purpose: str, reference: str) -> None:
    assert Mandate(purpose, reference).reference == reference


@pytest.mark.parametrize("purpose", [*FORBIDDEN])
def test_what_the_law_forbids_is_refused_whatever_the_reference(purpose: str) -> None:
    with pytest.raises(RefusedPurpose, match=r"forbidden.*L\.1461-1"):
        Mandate(purpose, "CSE-2026-01")


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(RefusedPurpose, match=r"'curiosity' is not of the closed list.*; there is no committee"):
        Mandate("curiosity", " ")
    with pytest.raises(RefusedPurpose, match="on one line"):
        Mandate("research", "CSE\n2026")
    with pytest.raises(RefusedPurpose, match=f"at most {LONGEST}"):
        Mandate("research", "x" * (LONGEST + 1))


def test_an_export_is_refused_without_a_mandate_and_logged_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = synthesise(tmp_path / "store", patients=40, seed=1)
    export = ["export", str(tmp_path / "store"), "--into", str(tmp_path / "out"), "--name", "test"]
    with pytest.raises(SystemExit):
        main(export)
    assert "--purpose" in capsys.readouterr().err
    assert main([*export, "--purpose", "research", "--reference", ""]) == 2
    assert "committee's reference" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*export, "--purpose", "research", "--reference", "CSE-2026-014"]) == 0
    (line,) = (tmp_path / "store" / "exports.jsonl").read_text(encoding="utf-8").splitlines()
    logged = json.loads(line)
    assert logged | {"at": ""} == {
        "at": "",
        "purpose": "research",
        "reference": "CSE-2026-014",
        "form": "meds",
        "name": "test",
        "records": records.digest,
    }

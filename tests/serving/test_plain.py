from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from serving.__main__ import main
from serving.openapi import EXAMPLES
from serving.settings import TRUSTED_KEYS

pytestmark = pytest.mark.usefixtures("untried")


def test_an_answer_is_told_in_a_few_lines(bundle: Path, trusted: Path, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setattr(os, "environ", {**os.environ, TRUSTED_KEYS: str(trusted)})
    assert main(["score", "--bundle", str(bundle)]) == 0
    told = capsys.readouterr().out
    assert "% within 10 years, " in told
    assert "SCORE2" in told
    assert "raises the risk" in told
    assert "not a medical device" in told

    assert main(["score", "--bundle", str(bundle), "--json"]) == 0
    assert f"{100 * json.loads(capsys.readouterr().out)['risk']:.1f}%" in told


def test_an_abstention_says_why(bundle: Path, trusted: Path, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setattr(os, "environ", {**os.environ, TRUSTED_KEYS: str(trusted)})
    request = tmp_path / "request.json"
    request.write_text(json.dumps(EXAMPLES["abstention"]["value"]))
    assert main(["score", "--bundle", str(bundle), "--request", str(request)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("No risk is given:")
    assert "]" in told.splitlines()[1]

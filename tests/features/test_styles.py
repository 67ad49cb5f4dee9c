"""What pages look like is said once."""

from __future__ import annotations

import re

from features.styles import BASE
from tests.conftest import REPOSITORY


def test_colours_and_type_are_declared_in_one_sheet():
    declared = re.compile(r"--(ink|soft|line|wash|blue|amber|green|red|text|mono): |font-family: (?!var)|Source Sans")
    found = [
        file
        for package in ("features", "training", "serving")
        for file in (REPOSITORY / package).rglob("*")
        if file.suffix in {".css", ".j2", ".py", ".js"} and declared.search(file.read_text(encoding="utf-8"))
    ]
    assert found == list(BASE)

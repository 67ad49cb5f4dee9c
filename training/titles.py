"""Titles of models in one language.

A title is ``"français / English"``, or ``"name, français / English"`` where what comes before is the same in both. What
stands in brackets follows the same rule by itself. A stroke before another name in capitals, as in SCORE2 / SCORE2-OP,
is part of the name.
"""

from __future__ import annotations

import re
from typing import Final

from features.typography import Language

STROKE: Final = re.compile(r" / (?![A-Z]{3})")
BRACKETS: Final = re.compile(r"\(([^()]*)\)")


def title_in(title: str, language: Language) -> str:
    """Return a model's title in one language."""
    inside = [_half(each, language) for each in BRACKETS.findall(title)]
    kept = BRACKETS.sub(lambda found: f"({title[: found.start()].count('(')})", title)
    return BRACKETS.sub(lambda found: f"({inside[int(found[1])]})", _half(kept, language))


def short_title(title: str, language: Language) -> str:
    """Return a model's title in one language, without what stands in brackets."""
    return _half(re.sub(r"\s*\(.*?\)", "", title), language)


def _half(text: str, language: Language) -> str:
    halves = STROKE.split(text)
    if len(halves) != 2:
        return text
    french, english = halves
    if language == "fr":
        return french
    name = french.rpartition(", ")[0]
    return f"{name}, {english}" if name and english[:1].islower() else english

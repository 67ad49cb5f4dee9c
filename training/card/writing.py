"""How measures, counts and groups are written on a card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from features.privacy import SMALLEST_COUNT
from features.typography import LANGUAGES, Language, decimal, percent
from training.card.suppression import SMALL
from training.measures import MEASURES, Measure
from training.values import Bilingual

TEMPLATES: Final = Path(__file__).parent.parent / "templates"

CROSS: Final = " × "
"""Between the names of attributes or groups that are crossed."""

RECORDED: Final = {"event_rate": 1, "lost": 2}
"""Decimals of what an audit counts in a group beside the measures."""


def known_measure(name: str) -> Measure | None:
    """Return a measure of evidence or of an audit; None where it is not one any more."""
    from training.audit.measures import AUDITED  # what scores reads cards too, and has no use for an audit

    return MEASURES.get(name) or AUDITED.get(name)


def label_of_measure(name: str) -> Bilingual:
    """Return the label of a measure, or its name where it is not one any more."""
    known = known_measure(name)
    return Bilingual(fr=known.label_fr, en=known.label_en) if known else Bilingual.same(name)


def number(value: float | None, measure: str, language: Language, *, signed: bool = False) -> str:
    """Return the value of a measure as a reader expects it: a percentage, or so many decimals."""
    known = known_measure(measure)
    if known and known.percent:
        return percent(value, language, signed=signed)
    places = known.decimals if known else RECORDED.get(measure, 3)
    return decimal(value, places, language, signed=signed)


def count(value: int | str | None, language: Language) -> str:
    """Return a number of people, "fewer than 11" or "hidden"."""
    if value == SMALL or (isinstance(value, int) and value < SMALLEST_COUNT):
        return f"moins de {SMALLEST_COUNT}" if language == "fr" else f"<{SMALLEST_COUNT}"
    if not isinstance(value, int):
        return "masqué" if language == "fr" else "hidden"
    return decimal(value, 0, language)


@cache
def _words() -> dict[str, tuple[str, str]]:
    return {key: (fr, en) for key, (fr, en) in json.loads((TEMPLATES / "words.json").read_text("utf-8")).items()}


def word(name: str, language: Language, labels: Mapping[str, Bilingual] | None = None) -> str:
    """Return what readers call an attribute, a group or a crossing of them; the name itself if nothing is known."""
    if CROSS in name:
        return CROSS.join(word(part, language, labels) for part in name.split(CROSS))
    if labels and name in labels:
        return str(getattr(labels[name], language))
    return _words()[name][LANGUAGES.index(language)] if name in _words() else name

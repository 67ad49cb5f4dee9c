"""The page in French and in English, of templates that hold no rule of what may be shown."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment

from features.codes import Concept
from features.pages import environment, in_both
from features.profile.disclosure import Share
from features.profile.page import Page
from features.profile.tally import LONGEST
from features.ticks import ticks
from features.typography import LANGUAGES, NARROW, NO_BREAK, Language, decimal, month, percent, typeset, unit

TEMPLATES: Final = Path(__file__).parent / "templates"
HEADING: Final = {"fr": "Qualité des données", "en": "Data quality"}
HIDDEN: Final = {"fr": "masqué", "en": "hidden"}


def to_html(page: Page, language: Language) -> str:
    """Return one page that needs nothing else, in both languages, this one first; the same bytes every time."""
    contents = {each: _environment(each).get_template("content.html.j2").render(page=page) for each in LANGUAGES}
    return in_both(contents, language, HEADING[language], TEMPLATES / "profile.css")


def proportion(value: float | None, language: Language, digits: int = 1) -> str:
    """Return a proportion as a percentage, never rounded to nothing; "hidden" for None."""
    if value is None or value in (0, 1):
        return percent(value, language, 0, missing=HIDDEN[language])
    least = 10.0 ** -(digits + 2)
    if 0 < value < least:
        return ("< " if language == "en" else f"<{NARROW}") + percent(least, language, digits)
    return percent(value, language, digits)


def days(value: int | None, language: Language) -> str:
    """Return a delay in words; "hidden" for None."""
    if value is None:
        return HIDDEN[language]
    if value >= LONGEST:
        return "dix ans ou plus" if language == "fr" else "ten years or more"
    if value == 0:
        return "le jour même" if language == "fr" else "same day"
    if value >= 730:
        return f"{decimal(value / 365.25, 1, language)}{NO_BREAK}{'ans' if language == 'fr' else 'years'}"
    name = ("jours" if value > 1 else "jour") if language == "fr" else ("days" if value > 1 else "day")
    return f"{decimal(value, 0, language)}{NO_BREAK}{name}"


def decimals(concept: Concept) -> int:
    """Return how many decimals say enough of a concept's values."""
    if concept.plausible is None or (concept.unit or "").startswith("{"):
        return 0
    width = concept.plausible[1] - concept.plausible[0]
    return 0 if width >= 100 else 1 if width >= 10 else 2


@cache
def _environment(language: Language) -> Environment:
    """Return the templates with what writes numbers and texts in one language."""

    def share(value: Share, digits: int = 1) -> str:
        if value.nearly:
            return "presque tous" if language == "fr" else "nearly all"
        return proportion(value.value, language, digits)

    made = environment(TEMPLATES, language)
    made.filters |= {
        "count": lambda value: decimal(value, 0, language, missing=HIDDEN[language]),
        "decimal": lambda value, digits: decimal(value, digits, language, missing=HIDDEN[language]),
        "percent": lambda value, digits=1: proportion(value, language, digits),
        "share": share,
        "days": lambda value: days(value, language),
        "month": lambda moment: month(moment[0], moment[1], language),
        "label": lambda concept: typeset(getattr(concept, language), language),
        "unit": lambda ucum: unit(ucum, language),
        "decimals": decimals,
    }
    made.globals["ticks"] = lambda high: ticks(0, high, 3)[1:]
    return made

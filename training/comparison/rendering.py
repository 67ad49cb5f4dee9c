"""The page in French and in English, of templates that hold no rule of what may be shown."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from jinja2 import Environment

from features.pages import environment, in_both
from features.ticks import ticks
from features.typography import LANGUAGES, Language, decimal, percent, typeset
from training.card.documents import Document, tree_of
from training.card.suppression import gate
from training.card.writing import TEMPLATES, count, known_measure, label_of_measure, number
from training.comparison.page import Page
from training.studies import Study
from training.values import Bilingual

TITLE: Final = Bilingual(fr="Comparaison des modèles", en="Comparison of models")
DECIMALS: Final = {"brier": 4, "net_benefit": 4}
"""Where the card's own three would say nothing of a difference."""
BRACKETS: Final = re.compile(r"\s*\([^()]*\)")
"""What a title says besides, for which a page of many models has no room."""
FOLD: Final = re.compile(r"(\w+) fold (\d+) of (\d+)")
HELD_OUT: Final = {
    "practice": Bilingual(fr="Par cabinet", en="By practice"),
    "region": Bilingual(fr="Par région", en="By region"),
    "period": Bilingual(fr="Par période", en="By period"),
    "patient": Bilingual(fr="Par patient", en="By patient"),
}


def comparison_page(evidence: Document, study: Study, language: Language = "fr") -> str:
    """Return one page that needs nothing else, in both languages, this one first; the same bytes every time.

    Parameters
    ----------
    evidence
        `training.validate.Evidence`, or what its JSON file holds.
    study
        The study it is about: its title, its outcome, its candidate and its comparator.
    language
        The one that is shown first.

    Raises
    ------
    ValueError
        If the evidence is about another study, or knows no model.
    """
    tree = gate(tree_of(evidence))
    faults = []
    if tree["study"] != study.name:
        faults.append(f"the evidence is about {tree['study']!r}, the study is {study.name!r}: hand in its own")
    if not tree["models"]:
        faults.append("the evidence knows no model: there is nothing to compare")
    if faults:
        raise ValueError("; ".join(faults))
    page = Page(tree, study.candidate, study.comparator)
    contents = {
        each: comparison_environment(each).get_template("comparison_content.html.j2").render(page=page, study=study)
        for each in LANGUAGES
    }
    return in_both(contents, language, heading(study.title, language), TEMPLATES / "comparison.css")


def heading(title: Bilingual, language: Language) -> str:
    """Return the title of a page that compares models, of what it is about."""
    return f"{getattr(TITLE, language)} · {getattr(title, language)}"


def _scale(low: float, high: float, first: float, last: float, *, log: bool = False) -> Callable[[float], float]:
    """Return what maps ``low`` to ``first`` and ``high`` to ``last``, to a tenth of a pixel; values beyond are held."""
    bend: Callable[[float], float] = (lambda value: math.log(max(value, 1e-9))) if log else (lambda value: value)
    start, span = bend(low), (bend(high) - bend(low)) or 1.0

    def position(value: float) -> float:
        share = min(max((bend(value) - start) / span, 0.0), 1.0)
        return round(first + share * (last - first), 1)

    return position


@cache
def comparison_environment(language: Language) -> Environment:
    """Return the templates with what writes numbers and texts in one language."""

    def in_language(text: Bilingual | str) -> str:
        return typeset(text if isinstance(text, str) else getattr(text, language), language)

    def fold(label: str) -> str:
        found = FOLD.fullmatch(label)
        return label if found is None else ("Groupe " if language == "fr" else "Group ") + found[2]

    def figure(value: float | None, measure: str, signed: bool = False) -> str:
        if measure in DECIMALS:
            return decimal(value, DECIMALS[measure], language, signed=signed)
        return number(value, measure, language, signed=signed)

    def is_better(difference: float, measure: str) -> bool:
        known = known_measure(measure)
        return difference < 0 if known and known.better == "lower" else difference > 0

    def held_out(splits: dict[str, Any]) -> str:
        return in_language(HELD_OUT.get(str(splits.get("by")), Bilingual(fr="Dans le temps", en="Over time")))

    made = environment(TEMPLATES, language)
    made.filters |= {
        "text": in_language,
        "title": lambda model: typeset(BRACKETS.sub("", model["title"][language]), language),
        "number": figure,
        "percent": lambda value, digits=1: percent(value, language, digits),
        "decimal": lambda value, digits=2: decimal(value, digits, language),
        "count": lambda value: count(value, language),
        "is_better": is_better,
        "label": lambda measure: in_language(label_of_measure(measure)),
        "fold": fold,
        "held_out": held_out,
        "finite": lambda values: [value for value in values if isinstance(value, int | float)],
    }
    made.globals |= {"scale": _scale, "ticks": ticks}
    return made

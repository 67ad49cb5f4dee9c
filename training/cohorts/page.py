"""One page of all models on all cohorts they apply to, in French and in English."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from features.catalogue.cardiovascular import CARDIOVASCULAR_FULL
from features.pages import in_both
from features.typography import LANGUAGES, Language, decimal, typeset
from training.card.documents import Document, tree_of
from training.card.suppression import gate
from training.card.writing import TEMPLATES
from training.comparison.page import Page, Tree
from training.comparison.rendering import comparison_environment, heading
from training.values import Bilingual

HEADLINES: Final = ("auc", "uno_c", "observed_expected", "calibration_slope", "ipa")
TITLE: Final = Bilingual(fr="Des personnes réelles", en="Real people")
WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("{} : manquant", "{}: missing"),
    "implausible": ("{} : invraisemblable", "{}: implausible"),
    "without": ("sans : {}", "without: {}"),
    "outside": ("{} : hors de {} à {}", "{}: outside {} to {}"),
}
OUTSIDE: Final = re.compile(r"(\w+) outside ([\d.]+)-([\d.]+)")


class CohortPage(Page):
    """A cohort as the page needs it: what it is, and its evidence."""

    def __init__(self, cohort: Tree) -> None:
        super().__init__(cohort["evidence"], "", "")
        object.__setattr__(self, "cohort", cohort)

    cohort: Tree

    @property
    def headlines(self) -> Sequence[str]:
        """Return the measures of the table."""
        return HEADLINES

    @property
    def refusing(self) -> list[Tree]:
        """Return the models that refused somebody and say why; recalibrated, they refuse the same people."""
        recalibrated = tuple(f"{model['name']}_recalibrated_" for model in self.models)
        return [model for model in self.models if model["reasons"] and not model["name"].startswith(recalibrated)]

    @property
    def not_given(self) -> Iterator[tuple[list[Tree], Tree]]:
        """Yield each reason for which published scores were given to nobody, after those scores."""
        by_reason = sorted(self.cohort["not_given"], key=lambda each: str(each["reason"]["en"]))
        for _, alike in groupby(by_reason, key=lambda each: each["reason"]):
            together = list(alike)
            yield together, together[0]["reason"]


def cohorts_page(found: Document, language: Language = "fr") -> str:
    """Return one page that needs nothing else, in both languages, this one first; the same bytes every time.

    Parameters
    ----------
    found
        `training.cohorts.RealPeople`, or what its JSON file holds.
    language
        The one that is shown first.
    """
    tree = gate(tree_of(found))
    cohorts = [CohortPage(each) for each in tree["cohorts"]]
    contents = {
        each: comparison_environment(each)
        .get_template("cohorts_content.html.j2")
        .render(cohorts=cohorts, left_out=tree["left_out"], years=years, why=why, heading=TITLE)
        for each in LANGUAGES
    }
    sheets = (TEMPLATES / name for name in ("comparison.css", "cohorts.css"))
    return in_both(contents, language, heading(TITLE, language), *sheets)


def years(horizon: float, language: Language) -> str:
    """Return a time in years, or in months under one year."""
    count, unit = (horizon, ("ans", "years")) if horizon > 1 else (horizon, ("an", "year"))
    if horizon < 1:
        count, unit = round(12 * horizon), ("mois", "months")
    return f"{decimal(count, 0, language)}\u00a0{unit[LANGUAGES.index(language)]}"


def why(reason: str, language: Language) -> str:
    """Return why a score refused somebody, from what `PublishedModel.refusals` says."""
    place = LANGUAGES.index(language)
    if bounds := OUTSIDE.fullmatch(reason):
        limits = (decimal(float(each), 0 if float(each) >= 10 else 1, language) for each in bounds.groups()[1:])
        return typeset(WORDS["outside"][place].format(_label(bounds[1], language), *limits), language)
    first, _, feature = reason.partition(" ")
    if feature and first in WORDS:
        return typeset(WORDS[first][place].format(_label(feature, language)), language)
    return _label(reason, language)


def _label(name: str, language: Language) -> str:
    feature: Any = CARDIOVASCULAR_FULL.get(name)
    return name if feature is None else typeset(getattr(feature, language), language)

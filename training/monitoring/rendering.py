"""The page in French and in English, of templates that hold no rule of what may be shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any, Final, NamedTuple

from jinja2 import Environment

from features.pages import environment, in_both
from features.typography import COLON, LANGUAGES, NO_BREAK, Language, decimal, percent, typeset
from training.card.writing import TEMPLATES, count, label_of_measure, number, word
from training.monitoring.findings import THRESHOLDS, Finding
from training.monitoring.profiles import Reference
from training.monitoring.report import Report
from training.studies import STUDIES
from training.values import Bilingual

TITLE: Final = Bilingual(fr="Surveillance", en="Monitoring")
KINDS: Final[Mapping[str, Bilingual]] = {
    "feature": Bilingual(fr="Distribution d’une donnée", en="Distribution of an input"),
    "missing": Bilingual(fr="Donnée manquante", en="Missing input"),
    "score": Bilingual(fr="Distribution du risque", en="Distribution of risk"),
    "mean_risk": Bilingual(fr="Risque moyen", en="Mean risk"),
    "groups": Bilingual(fr="Répartition des groupes", en="Mix of groups"),
    "abstention": Bilingual(fr="Abstentions", en="Abstentions"),
    "measured_value": Bilingual(fr="Valeurs mesurées depuis quatre semaines", en="Values measured in four weeks"),
    "measured_share": Bilingual(fr="Fréquence des mesures", en="Frequency of measurements"),
    "calibration": Bilingual(fr="Calibration", en="Calibration"),
    "overridden": Bilingual(fr="Cartes écartées", en="Cards set aside"),
    "slow": Bilingual(fr="Réponses au-delà de 500 ms", en="Answers over 500 ms"),
    "failed": Bilingual(fr="Réponses en échec (5xx)", en="Failed answers (5xx)"),
    "group_missing": Bilingual(fr="Donnée manquante dans un groupe", en="Missing input in a group"),
    "group_abstention": Bilingual(fr="Abstentions dans un groupe", en="Abstentions in a group"),
    "group_risk": Bilingual(fr="Risque moyen dans un groupe", en="Mean risk in a group"),
}
INDEX: Final = frozenset({"feature", "score", "groups"})
POINTS: Final = frozenset({"missing", "abstention", "group_missing", "group_abstention"})
SHARES: Final = frozenset({"overridden", "slow", "failed"})
ALONE: Final = frozenset({"score", "mean_risk", "group_risk", "overridden", "slow", "failed"})
"""Kinds that say of what they are."""
RATIOS: Final = frozenset({"mean_risk", "group_risk", "measured_share", "calibration"})
REASONS: Final[Mapping[str, Bilingual]] = {
    "wrong-data": Bilingual(fr="Donnée erronée", en="Wrong data"),
    "already-managed": Bilingual(fr="Déjà pris en charge", en="Already managed"),
    "not-relevant": Bilingual(fr="Non pertinent pour ce patient", en="Not relevant to this patient"),
    "patient-refused": Bilingual(fr="Refus du patient", en="The patient declines"),
    "other": Bilingual(fr="Autre raison", en="Another reason"),
    "unstated": Bilingual(fr="Sans raison donnée", en="No reason given"),
    "answered": Bilingual(fr="Risque donné", en="Risk given"),
    "abstained": Bilingual(fr="Abstention", en="Abstention"),
    "refused": Bilingual(fr="Refus déclaré", en="Declared refusal"),
    "done": Bilingual(fr="Autre demande", en="Other request"),
}
SHOWN_RUNS: Final = 26
SHOWN_TRENDS: Final = 6


class Trend(NamedTuple):
    """A finding over the runs: what it is of, and its effect in each run, None where nothing could be said."""

    finding: Finding
    effects: list[float | None]

    @property
    def ceiling(self) -> float:
        """The largest effect to be drawn, the threshold of an alert at least."""
        return 1.15 * max(THRESHOLDS[self.finding.kind][1], *(abs(each) for each in self.effects if each is not None))


class Page:
    """A report as the page needs it."""

    def __init__(self, report: Report, runs: Sequence[Mapping[str, Any]]) -> None:
        self.report = report
        self.title = STUDIES[report.study].title
        self.runs = list(runs)[-SHOWN_RUNS:]
        self.thresholds = THRESHOLDS

    def of(self, *kinds: str) -> list[Finding]:
        """Return the findings of some kinds, the largest first."""
        found = [each for each in self.report.findings if each.kind in kinds]
        return sorted(found, key=lambda each: -abs(each.effect) if math.isfinite(each.effect) else 0.0)

    @property
    def raised(self) -> list[Finding]:
        """What is raised, alerts first."""
        return [*self.report.raised("alert"), *self.report.raised("watch")]

    def raised_in(self, run: Mapping[str, Any], level: str) -> int:
        """Return how many findings of a level a run had."""
        return sum(each["level"] == level for each in run["findings"])

    @property
    def trends(self) -> list[Trend]:
        """What was raised in any of the runs, and the score, over the runs; at most six, the latest raised first."""
        by_run = [{_key(each): each for each in run["findings"]} for run in self.runs]
        last = {
            key: number for number, run in enumerate(by_run) for key, each in run.items() if each["level"] != "none"
        }
        wanted = [("score", "risk", "", ""), *sorted(last, key=lambda key: (-last[key], key))]
        known = {(each.kind, each.name, each.attribute, each.group): each for each in self.report.findings}
        return [
            Trend(known[key], [run[key]["effect"] if key in run else None for run in by_run])
            for key in list(dict.fromkeys(key for key in wanted if key in known))[:SHOWN_TRENDS]
        ]


def _key(entry: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return entry["kind"], entry["name"], entry["attribute"], entry["group"]


def monitoring_page(
    report: Report, reference: Reference, runs: Sequence[Mapping[str, Any]], language: Language = "fr"
) -> str:
    """Return one page that needs nothing else, in both languages, this one first; the same bytes every time.

    Parameters
    ----------
    report, reference
        What a run found, and what it was compared with.
    runs
        The runs so far, this one included, as `training.monitoring.History.runs` returns them.
    language
        The one that is shown first.
    """
    page = Page(report, runs)
    contents = {
        each: _environment(each, reference).get_template("monitoring_content.html.j2").render(page=page)
        for each in LANGUAGES
    }
    title = f"{getattr(TITLE, language)} · {getattr(page.title, language)}"
    return in_both(contents, language, title, TEMPLATES / "card.css", TEMPLATES / "monitoring.css")


def effect_text(kind: str, effect: float, language: Language) -> str:
    """Return an effect as readers expect it: an index, points, a ratio, standard deviations, or a share."""
    if not math.isfinite(effect):
        return "trop peu de données" if language == "fr" else "too few data"
    if kind in INDEX:
        return decimal(effect, 3, language)
    if kind in POINTS:
        points = decimal(100 * effect, 1, language, signed=True)
        return f"{points}{NO_BREAK}{'point' if abs(effect) < 0.02 and language == 'fr' else 'points'}"
    if kind in RATIOS:
        return f"×{NO_BREAK}{decimal(math.exp(effect), 2, language)}"
    if kind in SHARES:
        return percent(effect, language)
    unit = "écart-type" if language == "fr" else "SD"
    return f"{decimal(effect, 2, language, signed=True)}{NO_BREAK}{unit}"


def threshold_text(kind: str, level: int, language: Language) -> str:
    """Return a threshold as readers expect it."""
    value = THRESHOLDS[kind][level]
    if kind in RATIOS:
        low, high = (decimal(math.exp(each), 2, language) for each in (-value, value))
        return f"<{NO_BREAK}{low} {'ou' if language == 'fr' else 'or'} >{NO_BREAK}{high}"
    return f"≥{NO_BREAK}{effect_text(kind, value, language).lstrip('+')}"


def chance_text(probability: float, language: Language) -> str:
    """Return a probability that chance does it."""
    if probability < 0.001:
        return f"<{NO_BREAK}{decimal(0.001, 3, language)}"
    return decimal(probability, 3 if probability < 0.1 else 2, language)


@cache
def _templates(language: Language) -> Environment:
    def in_language(text: Bilingual) -> str:
        return typeset(getattr(text, language), language)

    def titled(each: Finding) -> str:
        kind = in_language(KINDS[each.kind])
        return kind if each.kind in ALONE else f"{kind}{COLON[language]} {typeset(getattr(each, language), language)}"

    made = environment(TEMPLATES, language)
    made.filters |= {
        "text": in_language,
        "label": lambda each: typeset(getattr(each, language), language),
        "titled": titled,
        "effect": lambda each: effect_text(each.kind, each.effect, language),
        "chance": lambda value: chance_text(value, language),
        "percent": lambda value, digits=1: percent(value if math.isfinite(value) else None, language, digits),
        "decimal": lambda value, digits=2: decimal(value, digits, language),
        "count": lambda value: count(value, language),
        "number": lambda value, measure: number(value, measure, language),
        "measure": lambda name: in_language(label_of_measure(name)),
        "reason": lambda code: in_language(REASONS[code]) if code in REASONS else code,
        "date": lambda text: made.filters["calendar"](date.fromisoformat(text)),
        "finite": lambda value: isinstance(value, int | float) and math.isfinite(value),
    }
    made.globals |= {
        "threshold": lambda kind, level: threshold_text(kind, level, language),
    }
    return made


def _environment(language: Language, reference: Reference) -> Environment:
    """Return the templates with what writes numbers, texts and groups in one language."""
    attributes = {each.name: Bilingual(fr=each.fr, en=each.en) for each in reference.groups}
    made = _templates(language).overlay()
    made.filters["word"] = lambda name: typeset(word(name, language, attributes), language)
    return made

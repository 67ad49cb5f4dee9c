"""The comparison page says what the evidence says, in both languages, and nothing it should not."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser

import pytest

from features.typography import LANGUAGES, NARROW, Language
from tests.training.comparisons import evidence
from training.comparison import comparison_page
from training.comparison.rendering import comparison_environment
from training.measures import MEASURES
from training.models import Recalibrated, RiskModel, logistic_regression
from training.published.comparators import pooled_cohort, prevent, score2
from training.studies import CARDIOVASCULAR
from training.tree import to_tree
from training.validate import Evidence
from training.validate.bench import COMPARED
from training.values import Bilingual

STUDY = CARDIOVASCULAR


@pytest.fixture(scope="module")
def found() -> Evidence:
    return evidence()


def text_of(html: str, language: Language) -> str:
    """Return what one language's page says, tags left out and spaces joined."""
    page = html.split(f'<div class="page" lang="{language}">')[1].split('<div class="page"')[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_it_says_what_the_evidence_says(found: Evidence) -> None:
    html = comparison_page(found, STUDY)
    french, english = (text_of(html, language) for language in LANGUAGES)
    model = next(each for each in found.models if each.name == "lightgbm")
    auc = next(each for each in model.estimates if each.measure == "auc")
    assert f"{auc.value:.3f}".replace(".", ",") in french
    assert f"{auc.low:.3f} to {auc.high:.3f}" in english
    assert found.ranking is not None
    assert found.ranking.best is not None
    assert "Meilleur modèle selon la règle" in french
    assert "Best model by the rule" in english
    assert f"{found.landmarks:,}".replace(",", " ") in french.replace(NARROW, " ")
    for comparison in found.comparisons:
        assert comparison.reclassification is not None
    assert "Who changes category" in english
    assert "15 % du plus grand possible" in french.replace(NARROW, " ")


@pytest.mark.parametrize("like", ["ppv", "ici"])
def test_a_measure_is_in_the_tables_once_it_is_registered(
    found: Evidence, like: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = dataclasses.replace(MEASURES[like], name="new", label_fr="Nouvelle mesure", label_en="New measure")
    monkeypatch.setitem(MEASURES, new.name, new)
    tree = json.loads(found.to_json())
    for model in tree["models"]:
        model["estimates"] += [each | {"measure": "new"} for each in model["estimates"] if each["measure"] == like]
    html = comparison_page(tree, STUDY).split('<div class="page" lang="en">')[1]
    cells = re.compile(r'<td class="number" data-name="([^"]+)">(.*?)</td>')
    shown = [(name, value) for name, value in cells.findall(html) if name in (new.label_en, MEASURES[like].label_en)]
    old, fresh = (
        [value for name, value in shown if name == label] for label in (MEASURES[like].label_en, new.label_en)
    )
    assert old == fresh != []
    assert any("%" in value for value in fresh)


def test_a_difference_is_better_in_the_direction_of_its_measure() -> None:
    assert {MEASURES[name].better for name in COMPARED} == {"higher", "lower"}, "a target is no direction"
    is_better = comparison_environment("en").filters["is_better"]
    assert is_better(0.01, "auc")
    assert not is_better(-0.01, "auc")
    assert is_better(-0.01, "brier")
    assert not is_better(0.01, "brier")


def test_a_lead_is_called_real_only_when_its_interval_leaves_zero_out(found: Evidence) -> None:
    assert found.ranking is not None
    eligible = tuple(dataclasses.replace(each, outside=()) for each in found.ranking.models)
    rankings = (dataclasses.replace(found.ranking, models=eligible, real=real) for real in (True, False))
    real, chance = (
        text_of(comparison_page(dataclasses.replace(found, ranking=ranking), STUDY), "en") for ranking in rankings
    )
    assert "is more than chance explains" in real
    assert "is not established" in chance
    assert "more than chance explains" not in chance


def test_the_first_language_is_the_one_asked_for(found: Evidence) -> None:
    for language in LANGUAGES:
        html = comparison_page(found, STUDY, language)
        assert html.startswith(f'<!doctype html>\n<html lang="{language}">')
        assert re.findall(r'id="language-(\w\w)"[^>]*checked', html) == [language]
    assert comparison_page(found, STUDY) == comparison_page(json.loads(found.to_json()), STUDY)


def test_what_authors_ask_to_be_shown_is_shown(found: Evidence) -> None:
    told = dataclasses.replace(found.models[0], notice={"fr": "Mention exigée.", "en": "Notice asked for."})
    page = comparison_page(dataclasses.replace(found, models=(told, *found.models[1:])), CARDIOVASCULAR)
    assert "Mention exigée." in text_of(page, "fr")
    assert "Notice asked for." in text_of(page, "en")
    assert "Mention" not in text_of(comparison_page(found, CARDIOVASCULAR), "fr")


def test_it_needs_nothing_else(found: Evidence) -> None:
    html = comparison_page(found, STUDY)
    assert not re.search(r"(src|href)=\"(?!#)", html)
    assert "<script" not in html
    assert " style=" not in html


class Balanced(HTMLParser):
    """Checks that tags close in order, and that no identifier is there twice."""

    VOID = ("meta", "input", "br", "link")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_it_is_well_formed(found: Evidence) -> None:
    parser = Balanced()
    html = comparison_page(found, STUDY)
    parser.feed(html)
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(parser.ids)
    assert re.findall(r"\b(?:x|y|cx|cy|x1|x2|y1|y2|d)=\"[^\"]*(?:nan|None|Undefined)", html) == []


def test_no_small_count_and_no_value_on_one_is_shown(found: Evidence) -> None:
    tree = json.loads(found.to_json())
    auc = next(each for each in tree["models"][0]["estimates"] if each["measure"] == "auc")
    auc |= {"value": 0.98765, "n": 7}
    assert "0,988" not in comparison_page(tree, STUDY)


def test_evidence_of_an_older_run_is_shown_without_what_it_lacks(found: Evidence) -> None:
    tree = json.loads(found.to_json())
    tree |= {"ranking": None, "development": None, "schemes": [], "stability": [], "learning": [], "comparisons": []}
    for model in tree["models"]:
        model |= {"precision": [], "smooth": []}
    html = comparison_page(tree, STUDY)
    assert "Il n’y a pas deux modèles jugés" in html
    assert "Stabilité" not in html


def test_evidence_of_another_study_is_refused(found: Evidence) -> None:
    tree = json.loads(found.to_json()) | {"study": "other", "models": []}
    with pytest.raises(ValueError, match=r"about 'other', the study is 'cardiovascular'.*knows no model"):
        comparison_page(tree, STUDY)


@pytest.mark.parametrize(
    ("model", "fr", "en"),
    [
        (logistic_regression(), "Régression logistique", "Logistic regression"),
        (score2(), "SCORE2 / SCORE2-OP", "SCORE2 / SCORE2-OP"),
        (Recalibrated(score2()), "SCORE2 / SCORE2-OP, recalibré", "SCORE2 / SCORE2-OP, recalibrated"),
        (
            prevent(),
            "PREVENT, maladies cardiovasculaires à 10\u00a0ans",
            "PREVENT, cardiovascular disease at 10 years",
        ),
    ],
    ids=lambda given: getattr(given, "name", ""),
)
def test_a_page_of_many_models_leaves_out_what_stands_in_brackets(model: RiskModel, fr: str, en: str) -> None:
    shown = [
        comparison_environment(language).from_string("{{ model|title }}").render(model=to_tree({"title": model.title}))
        for language in LANGUAGES
    ]
    assert shown == [fr, en]


def test_a_title_is_whole_in_each_language() -> None:
    assert score2().title == Bilingual(
        fr="SCORE2 / SCORE2-OP (ESC 2021, région à risque faible)", en="SCORE2 / SCORE2-OP (ESC 2021, low-risk region)"
    )
    assert pooled_cohort().title.en.endswith("(United States, ACC/AHA 2013, not recalibrated for France)")
    assert "(États-Unis, non recalé pour la France), maladies" in prevent().title.fr
    assert Recalibrated(score2()).title == Bilingual(
        fr="SCORE2 / SCORE2-OP (ESC 2021, région à risque faible), recalibré (niveau et pente)",
        en="SCORE2 / SCORE2-OP (ESC 2021, low-risk region), recalibrated (intercept and slope)",
    )

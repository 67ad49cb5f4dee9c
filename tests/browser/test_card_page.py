"""A model card in a real browser: on a phone, on paper and with a keyboard."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.training import cards
from training.card import LANGUAGES, Language, compare_cards, write_documents

pytestmark = pytest.mark.browser


PAGES = ("card", "patient", "changes")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both languages of a demonstration card, approved: for the committee, for patients, and beside another version."""
    folder, card = tmp_path_factory.mktemp("card"), cards.card(demonstration=True)
    decision = cards.decision(card.digest, "approved_with_conditions", demonstration=True)
    write_documents(folder, card, *cards.documents(), decision)
    other = cards.card(cards.authored(intended_use=cards.said("Autre usage")), demonstration=True, version="2.0.0")
    for language in LANGUAGES:
        html = compare_cards(card, other, language, audits=(cards.audit(), cards.audit()))
        (folder / f"changes.{language}.html").write_text(html, encoding="utf-8")
    return folder


def visit(browser: webdriver.Chrome, folder: Path, language: Language, width: int = 1200, page: str = "card") -> None:
    screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get((folder / f"{page}.{language}.html").as_uri())


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [320, 360, 390, 1200])
def test_nothing_scrolls_sideways(
    browser: webdriver.Chrome, folder: Path, language: Language, width: int, page: str
) -> None:
    visit(browser, folder, language, width, page)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script("return document.documentElement.lang") == language


def test_the_title_says_it_is_a_demonstration(browser: webdriver.Chrome, folder: Path) -> None:
    visit(browser, folder, "fr")
    assert browser.title.startswith("DÉMONSTRATION · ")
    assert browser.title.endswith("Carte de modèle")


def test_the_mark_stays_in_sight(browser: webdriver.Chrome, folder: Path) -> None:
    visit(browser, folder, "fr", 360)
    browser.execute_script("window.scrollTo(0, document.body.scrollHeight / 2)")
    ribbon = browser.find_element(By.CLASS_NAME, "ribbon")
    top = browser.execute_script("return arguments[0].getBoundingClientRect().top", ribbon)
    assert 0 <= top < 5


def test_it_prints_cleanly(browser: webdriver.Chrome, folder: Path) -> None:
    visit(browser, folder, "fr")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        for hidden in (".skip", ".contents", ".bar nav"):
            assert not browser.find_element(By.CSS_SELECTOR, hidden).is_displayed()
        mark = "return getComputedStyle(document.body, '::before').content"
        assert "DÉMONSTRATION" in browser.execute_script(mark)
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"]


@pytest.mark.parametrize("page", PAGES)
def test_it_is_read_with_a_keyboard(browser: webdriver.Chrome, folder: Path, page: str) -> None:
    visit(browser, folder, "fr", page=page)
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert browser.switch_to.active_element.get_attribute("class") == "skip"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.switch_to.active_element.get_attribute("id") == "content"


@pytest.mark.parametrize("page", PAGES)
def test_the_other_language_is_one_link_away(browser: webdriver.Chrome, folder: Path, page: str) -> None:
    visit(browser, folder, "fr", page=page)
    browser.find_element(By.LINK_TEXT, "English").click()
    assert browser.execute_script("return document.documentElement.lang") == "en"
    browser.find_element(By.LINK_TEXT, "Français").click()
    assert browser.execute_script("return document.documentElement.lang") == "fr"


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_fetched_or_logged(browser: webdriver.Chrome, folder: Path, page: str) -> None:
    visit(browser, folder, "fr", page=page)
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert [entry for entry in browser.get_log("browser") if "favicon" not in entry["message"]] == []


CONTRAST = """
const luminance = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const parse = text => text.match(/[\\d.]+/g).map(Number);
const background = e => {
  for (; e; e = e.parentElement) {
    const colour = parse(getComputedStyle(e).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const poor = [];
for (const e of document.querySelectorAll('body *:not(svg *)')) {
  if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
  const [a, b] = [luminance(parse(getComputedStyle(e).color)), luminance(background(e))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(e.className + ' ' + e.textContent.slice(0, 40));
}
return poor;
"""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", PAGES)
def test_every_text_has_enough_contrast(browser: webdriver.Chrome, folder: Path, language: Language, page: str) -> None:
    visit(browser, folder, language, page=page)
    assert browser.execute_script(CONTRAST) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_patients_are_given_fits_one_sheet(browser: webdriver.Chrome, folder: Path, language: Language) -> None:
    visit(browser, folder, language, page="patient")
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"]
    assert len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(printed))) == 1


def test_what_changed_is_told_to_who_does_not_see_colours(browser: webdriver.Chrome, folder: Path) -> None:
    visit(browser, folder, "fr", page="changes")
    added, removed = (browser.find_element(By.TAG_NAME, name) for name in ("ins", "del"))
    assert "ajouté" in str(added.get_property("textContent"))
    assert "retiré" in str(removed.get_property("textContent"))
    lines = [each.value_of_css_property("text-decoration-line") for each in (added, removed)]
    assert lines == ["underline", "line-through"]

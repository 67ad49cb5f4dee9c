"""The comparison of models in a real browser: on a phone, on paper, with a keyboard, without a network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from features.typography import LANGUAGES, Language
from tests.browser.pages import shown, visit
from tests.browser.test_card_page import CONTRAST
from tests.training.comparisons import evidence
from training.comparison import comparison_page
from training.studies import CARDIOVASCULAR

pytestmark = pytest.mark.browser

WIDTHS = [360, 390, 768, 1280]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, each language first."""
    folder = tmp_path_factory.mktemp("comparison")
    for language in LANGUAGES:
        page = comparison_page(evidence(), CARDIOVASCULAR, language)
        (folder / f"{language}.html").write_text(page, encoding="utf-8")
    return folder


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_scrolls_sideways_or_is_cut(
    browser: webdriver.Chrome, folder: Path, language: Language, width: int
) -> None:
    visit(browser, folder, language, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert shown(browser) == [language]
    cut = """
        return [...document.querySelectorAll('td, th, h1, h2, h3, p, li, summary, svg text')]
            .filter(each => each.getClientRects().length && !each.closest('thead'))
            .filter(each => each.getBoundingClientRect().right > window.innerWidth + 1
                || each.getBoundingClientRect().left < 0)
            .map(each => each.textContent.trim().slice(0, 40))
    """
    assert browser.execute_script(cut) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_written_in_charts_does_not_overlap(
    browser: webdriver.Chrome, folder: Path, language: Language
) -> None:
    visit(browser, folder, language)
    overlapping = """
        const found = [];
        for (const chart of document.querySelectorAll(`.page[lang=${arguments[0]}] svg[role=img]`)) {
            const boxes = [...chart.querySelectorAll('text')].map(each => [each, each.getBoundingClientRect()]);
            boxes.forEach(([one, a], i) => boxes.slice(i + 1).forEach(([other, b]) => {
                if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 4 && b.top < a.bottom - 4)
                    found.push(chart.getAttribute('aria-label') + ': ' + one.textContent + ' / ' + other.textContent);
            }));
        }
        return found;
    """
    assert browser.execute_script(overlapping, language) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_text_is_large_enough_on_a_phone(browser: webdriver.Chrome, folder: Path, language: Language) -> None:
    visit(browser, folder, language, 390)
    smallest = """
        const speaks = each => [...each.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
        const scale = each => each.ownerSVGElement ? each.getScreenCTM().a : 1;
        const seen = [...document.querySelectorAll('.page *')]
            .filter(each => each.getClientRects().length && speaks(each));
        return Math.min(...seen.map(each => parseFloat(getComputedStyle(each).fontSize) * scale(each)))
    """
    assert browser.execute_script(smallest) >= 11.9


def test_the_language_is_changed_with_the_keyboard_and_a_click(browser: webdriver.Chrome, folder: Path) -> None:
    visit(browser, folder, "fr")
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    choice = browser.switch_to.active_element
    assert choice.get_attribute("id") == "language-fr"
    choice.send_keys(Keys.ARROW_RIGHT)
    assert shown(browser) == ["en"]
    browser.find_element(By.CSS_SELECTOR, ".page[lang=en] label[for=language-fr]").click()
    assert shown(browser) == ["fr"]


def test_it_is_read_with_a_keyboard(browser: webdriver.Chrome, folder: Path) -> None:
    visit(browser, folder, "fr")
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB, Keys.TAB)
    assert browser.switch_to.active_element.get_attribute("class") == "skip"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.switch_to.active_element.get_attribute("id") == "content-fr"


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_prints_cleanly_in_the_chosen_language(browser: webdriver.Chrome, folder: Path, language: Language) -> None:
    visit(browser, folder, language)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert shown(browser) == [language]
        for hidden in (".skip", ".contents", ".languages", ".switch"):
            assert not any(element.is_displayed() for element in browser.find_elements(By.CSS_SELECTOR, hidden))
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"]


def test_nothing_is_fetched_or_logged(browser: webdriver.Chrome, folder: Path) -> None:
    browser.get_log("performance")
    browser.get_log("browser")
    visit(browser, folder, "fr")
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert asked == [(folder / "fr.html").as_uri()]
    assert [entry for entry in browser.get_log("browser") if "favicon" not in entry["message"]] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [390, 1280])
def test_every_text_has_enough_contrast(
    browser: webdriver.Chrome, folder: Path, language: Language, width: int
) -> None:
    visit(browser, folder, language, width)
    assert browser.execute_script(CONTRAST) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_charts_have_a_name_or_are_left_out_of_what_is_read(
    browser: webdriver.Chrome, folder: Path, language: Language
) -> None:
    visit(browser, folder, language)
    nameless = """
        return [...document.querySelectorAll('.page svg')]
            .filter(each => each.getAttribute('aria-hidden') !== 'true' && !each.getAttribute('aria-label')).length
    """
    assert browser.execute_script(nameless) == 0

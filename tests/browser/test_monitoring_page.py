"""The monitoring page in a real browser: on a phone, on paper, with a keyboard, without a network."""

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
from tests.training.test_monitoring import STUDY, report, seen
from training.monitoring import History, monitoring_page, reference

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page after three weeks, the last of which drifted, each language first."""
    folder = tmp_path_factory.mktemp("monitoring")
    made, history = reference(STUDY, seen(0)), History(folder)
    for week, (end, shift) in enumerate([("2026-01-19", 0.0), ("2026-01-26", 0.3), ("2026-02-02", 0.8)]):
        last = report(made, seen(week + 1, shift=shift), end)
        history.append(last)
    for language in LANGUAGES:
        page = monitoring_page(last, made, history.runs(last.card), language)
        (folder / f"{language}.html").write_text(page, encoding="utf-8")
    return folder


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_nothing_scrolls_sideways_or_is_cut(
    browser: webdriver.Chrome, folder: Path, language: Language, width: int
) -> None:
    visit(browser, folder, language, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert shown(browser) == [language]
    cut = """
        return [...document.querySelectorAll('td, th, h1, h2, p, li, summary, svg text')]
            .filter(each => each.getClientRects().length && !each.closest('thead'))
            .filter(each => each.getBoundingClientRect().right > window.innerWidth + 1
                || each.getBoundingClientRect().left < 0)
            .map(each => each.textContent.trim().slice(0, 40))
    """
    assert browser.execute_script(cut) == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [390, 1280])
def test_it_can_be_read(browser: webdriver.Chrome, folder: Path, language: Language, width: int) -> None:
    visit(browser, folder, language, width)
    assert browser.execute_script(CONTRAST) == []
    smallest = """
        const speaks = each => [...each.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
        const scale = each => each.ownerSVGElement ? each.getScreenCTM().a : 1;
        const seen = [...document.querySelectorAll('.page *')]
            .filter(each => each.getClientRects().length && speaks(each));
        return Math.min(...seen.map(each => parseFloat(getComputedStyle(each).fontSize) * scale(each)))
    """
    assert browser.execute_script(smallest) >= 11.4
    nameless = """
        return [...document.querySelectorAll('.page svg')]
            .filter(each => each.getAttribute('aria-hidden') !== 'true' && !each.getAttribute('aria-label')).length
    """
    assert browser.execute_script(nameless) == 0


def test_the_alert_and_its_reason_come_first(browser: webdriver.Chrome, folder: Path) -> None:
    visit(browser, folder, "fr", 390)
    status = browser.find_element(By.CSS_SELECTOR, ".page[lang=fr] .status")
    assert "Alerte" in status.text
    assert "Pression artérielle systolique" in status.text
    assert status.location["y"] < 400
    trends = browser.find_elements(By.CSS_SELECTOR, ".page[lang=fr] figure svg")
    assert trends
    assert all(len(each.find_elements(By.TAG_NAME, "circle")) <= 3 for each in trends)


def test_the_language_is_changed_with_the_keyboard_and_a_click(browser: webdriver.Chrome, folder: Path) -> None:
    visit(browser, folder, "fr")
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    choice = browser.switch_to.active_element
    assert choice.get_attribute("id") == "language-fr"
    choice.send_keys(Keys.ARROW_RIGHT)
    assert shown(browser) == ["en"]
    browser.find_element(By.CSS_SELECTOR, ".page[lang=en] label[for=language-fr]").click()
    assert shown(browser) == ["fr"]


def test_it_prints_in_the_chosen_language_and_fetches_nothing(browser: webdriver.Chrome, folder: Path) -> None:
    browser.get_log("performance")
    browser.get_log("browser")
    visit(browser, folder, "en")
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert asked == [(folder / "en.html").as_uri()]
    assert [entry for entry in browser.get_log("browser") if "favicon" not in entry["message"]] == []
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert shown(browser) == ["en"]
        for hidden in (".skip", ".languages", ".switch"):
            assert not any(element.is_displayed() for element in browser.find_elements(By.CSS_SELECTOR, hidden))
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})

"""A data-quality page in a real browser: on a phone, on paper, with a keyboard, without a network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from features.profile import profile
from features.synthetic import synthesise
from features.typography import LANGUAGES, Language
from tests.browser.test_card_page import CONTRAST
from tests.features.test_profile import dirty

pytestmark = pytest.mark.browser

WIDTHS = [360, 390, 768, 1280]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a store in which everything odd happens, each language first."""
    folder = tmp_path_factory.mktemp("profile")
    made = profile(dirty(synthesise(folder / "clean", patients=900, seed=3), folder / "dirty"))
    for language in LANGUAGES:
        (folder / f"{language}.html").write_text(made.to_html(language), encoding="utf-8")
    return folder


def visit(browser: webdriver.Chrome, folder: Path, language: Language, width: int = 1280) -> None:
    screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get((folder / f"{language}.html").as_uri())


def shown(browser: webdriver.Chrome) -> list[str]:
    """Languages whose page is to be seen."""
    pages = browser.find_elements(By.CSS_SELECTOR, ".page")
    return [page.get_attribute("lang") or "" for page in pages if page.is_displayed()]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_scrolls_sideways(browser: webdriver.Chrome, folder: Path, language: Language, width: int) -> None:
    visit(browser, folder, language, width)
    browser.execute_script("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert shown(browser) == [language]
    cut = """
        return [...document.querySelectorAll('td, th, h1, h2, h3, p, li, summary')]
            .filter(each => each.offsetParent && each.getBoundingClientRect().right > window.innerWidth + 1
                && !each.closest('thead'))
            .map(each => each.textContent.trim().slice(0, 40))
    """
    assert browser.execute_script(cut) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_text_is_large_enough_on_a_phone(browser: webdriver.Chrome, folder: Path, language: Language) -> None:
    visit(browser, folder, language, 390)
    browser.execute_script("document.querySelectorAll('details').forEach(each => { each.open = true })")
    smallest = """
        const speaks = each => [...each.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
        const seen = [...document.querySelectorAll('.page *')].filter(each => each.offsetParent && speaks(each));
        return Math.min(...seen.map(each => parseFloat(getComputedStyle(each).fontSize)))
    """
    assert browser.execute_script(smallest) >= 12


def test_the_language_is_changed_with_the_keyboard(browser: webdriver.Chrome, folder: Path) -> None:
    visit(browser, folder, "fr")
    assert shown(browser) == ["fr"]
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    choice = browser.switch_to.active_element
    assert choice.get_attribute("id") == "language-fr"
    ring = "return getComputedStyle(document.querySelector('.page[lang=fr] label[for=language-fr]')).outlineStyle"
    assert browser.execute_script(ring) == "solid"
    choice.send_keys(Keys.ARROW_RIGHT)
    assert shown(browser) == ["en"]
    assert browser.find_element(By.CSS_SELECTOR, ".page[lang=en] h1").text == "Data quality"
    browser.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
    assert shown(browser) == ["fr"]


def test_the_language_is_changed_with_a_click(browser: webdriver.Chrome, folder: Path) -> None:
    visit(browser, folder, "fr", 390)
    browser.find_element(By.CSS_SELECTOR, ".page[lang=fr] label[for=language-en]").click()
    assert shown(browser) == ["en"]


def test_it_is_read_with_a_keyboard(browser: webdriver.Chrome, folder: Path) -> None:
    visit(browser, folder, "fr")
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB, Keys.TAB)
    assert browser.switch_to.active_element.get_attribute("class") == "skip"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.switch_to.active_element.get_attribute("id") == "content-fr"


def test_figures_of_each_practice_unfold_without_a_script(browser: webdriver.Chrome, folder: Path) -> None:
    visit(browser, folder, "en")
    outer = browser.find_element(By.CSS_SELECTOR, ".page[lang=en] details.practices")
    outer.find_element(By.TAG_NAME, "summary").click()
    inner = outer.find_element(By.CSS_SELECTOR, "details.concept")
    inner.find_element(By.TAG_NAME, "summary").click()
    assert inner.find_element(By.TAG_NAME, "table").is_displayed()


def test_figures_are_aligned_at_the_right(browser: webdriver.Chrome, folder: Path) -> None:
    visit(browser, folder, "fr")
    aligned = """
        return [...document.querySelectorAll('.page[lang=fr] .measures tbody tr')]
            .map(row => Math.round(row.querySelector('td.number').getBoundingClientRect().right))
    """
    assert len(set(browser.execute_script(aligned))) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_prints_cleanly_in_the_chosen_language(browser: webdriver.Chrome, folder: Path, language: Language) -> None:
    visit(browser, folder, language)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert shown(browser) == [language]
        for hidden in (".skip", ".contents", ".languages", ".switch", "details"):
            elements = browser.find_elements(By.CSS_SELECTOR, hidden)
            assert elements
            assert not any(element.is_displayed() for element in elements)
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
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert [entry for entry in browser.get_log("browser") if "favicon" not in entry["message"]] == []


def test_the_style_is_let_in_and_nothing_else(browser: webdriver.Chrome, folder: Path) -> None:
    """The page's own policy works: its style counts, an attribute added to it does not."""
    visit(browser, folder, "fr")
    assert browser.execute_script("return getComputedStyle(document.body).maxWidth") != "none"
    added = """
        const each = document.createElement('div');
        each.innerHTML = '<p style="color: rgb(1, 2, 3)">x</p>';
        document.body.append(each);
        return getComputedStyle(each.firstChild).color
    """
    assert browser.execute_script(added) != "rgb(1, 2, 3)"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [390, 1280])
def test_every_text_has_enough_contrast(
    browser: webdriver.Chrome, folder: Path, language: Language, width: int
) -> None:
    visit(browser, folder, language, width)
    browser.execute_script("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert browser.execute_script(CONTRAST) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_pictures_have_a_name_or_are_left_out_of_what_is_read(
    browser: webdriver.Chrome, folder: Path, language: Language
) -> None:
    visit(browser, folder, language)
    nameless = """
        return [...document.querySelectorAll('.page svg:not(svg svg)')]
            .filter(each => each.getAttribute('aria-hidden') !== 'true' && !each.getAttribute('aria-label')).length
    """
    assert browser.execute_script(nameless) == 0

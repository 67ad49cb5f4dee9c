"""The committee's portal in a real browser that runs no script: from a card nobody read to its suspension."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import uvicorn
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from serving.portal.application import Portal, application
from serving.portal.second_factor import Codes
from serving.portal.transparency import transparency
from tests.browser.conftest import OPTIONS
from tests.browser.test_card_page import CONTRAST
from tests.serving.portal.sitting import PASSWORD, TELEPHONE, Sitting
from tests.training.cards import said

pytestmark = pytest.mark.browser

PICTURES = os.environ.get("VIGIE_SCREENSHOTS")
WIDTHS = (390, 1280)
#: Seconds to wait for a page: a password is made slow to guess, and a busy machine makes it slower.
PATIENCE = 60


@pytest.fixture(scope="module")
def sitting(tmp_path_factory: pytest.TempPathFactory) -> Sitting:
    sitting = Sitting.open(tmp_path_factory.mktemp("portal") / "committee")
    sitting.shelve()
    sitting.shelve(version="1.1.0", changes=said("Seuil relevé"))
    return sitting


@pytest.fixture(scope="module")
def address(sitting: Sitting) -> Iterator[str]:
    """The portal on a port of its own, and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = application(Portal(sitting.committee, sitting.members, codes=Codes(TELEPHONE.clock)))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", access_log=False, lifespan="off"))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.started
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Chromium without a window and with scripts switched off."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        message = "chromium and chromedriver are not installed: apt-get install chromium chromium-driver"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(option)
    options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=Service(driver))
    yield opened
    opened.quit()


def look(browser: webdriver.Chrome, name: str) -> None:
    """See that the page fits a phone and can be read; keep a picture of it where one is asked for."""
    for width in (320, *WIDTHS):
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width, (name, width)
        if PICTURES and width in WIDTHS:
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**screen, "height": _height(browser)})
            browser.save_screenshot(str(Path(PICTURES) / f"{name}-{width}.png"))
    assert browser.execute_script(CONTRAST) == [], name
    unlabelled = [
        field.get_attribute("id")
        for field in browser.find_elements(By.CSS_SELECTOR, "input:not([type=hidden]), textarea")
        if not browser.find_elements(By.CSS_SELECTOR, f"label[for='{field.get_attribute('id')}']")
    ]
    assert unlabelled == [], name
    ids = [each.get_attribute("id") for each in browser.find_elements(By.CSS_SELECTOR, "[id]")]
    assert len(ids) == len(set(ids)), name
    assert len(browser.find_elements(By.TAG_NAME, "h1")) == 1
    assert browser.find_elements(By.TAG_NAME, "script") == []
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == [], name


def _height(browser: webdriver.Chrome) -> int:
    return int(browser.execute_script("return document.documentElement.scrollHeight"))


def follow(browser: webdriver.Chrome, selector: str) -> None:
    """Click on what leads to another page, and wait for that page."""
    browser.execute_script("document.documentElement.dataset.left = 'yes'")
    browser.find_element(By.CSS_SELECTOR, selector).click()
    # While one page makes way for the other, whatever is asked of either may fail.
    wait = WebDriverWait(browser, PATIENCE, ignored_exceptions=[WebDriverException])
    there = "return document.readyState === 'complete' && !document.documentElement.dataset.left"
    wait.until(lambda _: browser.execute_script(there))


def sign_in(browser: webdriver.Chrome, address: str, name: str, language: str = "fr") -> None:
    browser.delete_all_cookies()
    browser.get(f"{address}/{language}/sign-in")
    browser.find_element(By.ID, "name").send_keys(name)
    browser.find_element(By.ID, "password").send_keys(PASSWORD)
    browser.find_element(By.ID, "code").send_keys(TELEPHONE.code(name))
    follow(browser, "main button")
    assert browser.current_url == f"{address}/{language}/cards"


def fill(browser: webdriver.Chrome, **fields: str) -> None:
    """Fill fields by id; hyphens are written as double underscores."""
    for name, value in fields.items():
        field = browser.find_element(By.ID, name.replace("__", "-"))
        if field.get_attribute("type") == "radio":
            field.click()
        elif field.get_attribute("type") == "date":
            field.send_keys(value)
        else:
            field.clear()
            field.send_keys(value)


def signed(act: str, name: str) -> dict[str, str]:
    """Return what a form is signed with: password and code."""
    return {f"{act}__password": PASSWORD, f"{act}__code": TELEPHONE.code(name)}


def press(browser: webdriver.Chrome, act: str) -> None:
    follow(browser, f"form:has(input[name=act][value={act}]) button")


def open_card(browser: webdriver.Chrome, address: str, card: str, language: str = "fr") -> None:
    browser.get(f"{address}/{language}/cards/{card}")


def said_on(browser: webdriver.Chrome) -> str:
    return browser.find_element(By.TAG_NAME, "main").text


@pytest.fixture(scope="module")
def card(sitting: Sitting) -> str:
    return next(each.digest for each in sitting.committee.shelf.submitted() if each.card.identity.version == "1.1.0")


def test_a_wrong_password_is_told_and_nothing_more(browser: webdriver.Chrome, address: str) -> None:
    browser.get(address)
    assert browser.current_url.endswith(("/fr/transparency", "/en/transparency"))
    browser.get(f"{address}/fr/cards")
    assert browser.current_url == f"{address}/fr/sign-in"
    fill(browser, name="doctor", password="ce n'est pas le bon", code="000 000")
    follow(browser, "main button")
    assert "incorrect" in browser.find_element(By.CSS_SELECTOR, "[role=alert]").text
    assert browser.find_element(By.ID, "name").get_attribute("value") == "doctor"
    assert browser.find_element(By.ID, "password").get_attribute("value") == ""
    browser.get_log("browser")  # the browser says that the answer was a 403
    look(browser, "sign-in")


@pytest.mark.slow
def test_from_question_to_suspension(browser: webdriver.Chrome, address: str, sitting: Sitting, card: str) -> None:
    sign_in(browser, address, "patients")
    look(browser, "cards")
    follow(browser, f"a[href$='{card}']")
    fill(browser, ask__text="Pourquoi le modèle ne répond-il pas avant 40 ans ?\nEst-ce prévu ?")
    press(browser, "ask")
    assert "est au dossier" in browser.find_element(By.CSS_SELECTOR, "[role=status]").text
    look(browser, "asked")

    sign_in(browser, address, "author")
    open_card(browser, address, card)
    browser.find_element(By.TAG_NAME, "summary").click()
    field = browser.find_element(By.CSS_SELECTOR, "[id^='answer-']")
    WebDriverWait(browser, PATIENCE).until(lambda _: field.is_displayed())
    field.send_keys("Faute de données avant cet âge.")
    press(browser, "answer")
    assert "Faute de données" in said_on(browser)

    sign_in(browser, address, "chair")
    open_card(browser, address, card)
    look(browser, "propose")
    fill(browser, propose__approved_with_conditions="", propose__reasons="Utile, sous surveillance.")
    fill(
        browser,
        propose__population="Seulement de 50 à 69 ans",
        youngest="50",
        oldest="69",
        **signed("propose", "chair"),
    )
    press(browser, "propose")
    said = browser.find_element(By.CSS_SELECTOR, "[role=alert]").text
    assert "donnez une date" in said or "Dernier jour" in said
    assert browser.find_element(By.ID, "propose-reasons").get_attribute("value") == "Utile, sous surveillance."
    assert browser.find_element(By.ID, "propose-password").get_attribute("value") == ""
    browser.get_log("browser")
    look(browser, "fault")
    _date(browser, "propose-valid_until", "2027-03-01")
    fill(browser, propose__monitoring="Rapport tous les trois mois", **signed("propose", "chair"))
    press(browser, "propose")
    assert "Le vote est ouvert" in said_on(browser)
    assert "Le quorum n’est pas atteint" in said_on(browser)
    look(browser, "vote")

    voters = ("chair", "doctor", "researcher", "lawyer", "patients")
    for name in voters:
        sign_in(browser, address, name)
        open_card(browser, address, card)
        fill(browser, vote__for="", **signed("vote", name))
        press(browser, "vote")
        assert "Votre vote est enregistré" in said_on(browser)
    sign_in(browser, address, "vice")
    open_card(browser, address, card)
    assert "Le quorum est atteint" in said_on(browser)
    look(browser, "quorum")
    fill(browser, **signed("close", "vice"))
    press(browser, "close")
    assert "La décision est signée" in said_on(browser)
    assert sitting.kind(card) == "approved"
    look(browser, "decided")

    for name, said in (("lawyer", "un autre membre"), ("patients", "ne répond plus")):
        sign_in(browser, address, name)
        open_card(browser, address, card)
        fill(browser, suspend__reasons="Plaintes de patients", **signed("suspend", name))
        press(browser, "suspend")
        assert said in browser.find_element(By.CSS_SELECTOR, "[role=status]").text
        look(browser, f"suspension-{name}")
    assert sitting.kind(card) == "suspended"
    browser.get(f"{address}/fr/ledger")
    look(browser, "ledger")
    browser.get(f"{address}/fr/cards")
    look(browser, "cards-later")


def _date(browser: webdriver.Chrome, name: str, value: str) -> None:
    """Fill a date as a driver can: what keys it takes depends on the browser's language."""
    browser.execute_script("document.getElementById(arguments[0]).value = arguments[1]", name, value)


def test_the_card_is_read_in_both_languages(browser: webdriver.Chrome, address: str, card: str) -> None:
    sign_in(browser, address, "lawyer")
    open_card(browser, address, card)
    follow(browser, "a.button")
    assert browser.execute_script("return document.documentElement.lang") == "fr"
    assert browser.execute_script("return getComputedStyle(document.body).maxWidth") != "none", "its style applies"
    follow(browser, "nav a[lang=en]")
    assert browser.execute_script("return document.documentElement.lang") == "en"
    assert browser.current_url.endswith("card.en.html")


def test_two_versions_are_compared(browser: webdriver.Chrome, address: str, card: str) -> None:
    sign_in(browser, address, "lawyer")
    open_card(browser, address, card)
    follow(browser, "a[href*='/since/']")
    assert "1.1.0" in browser.find_element(By.TAG_NAME, "header").text
    assert "Seuil" in browser.page_source
    follow(browser, "nav a[lang=en]")
    assert browser.current_url.endswith("changes.en.html")


def test_it_is_used_with_a_keyboard(browser: webdriver.Chrome, address: str, card: str) -> None:
    sign_in(browser, address, "doctor")
    open_card(browser, address, card)
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert browser.switch_to.active_element.get_attribute("class") == "skip"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.switch_to.active_element.get_attribute("id") == "content"
    reached = set()
    for _ in range(60):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        element = browser.switch_to.active_element
        reached.add(element.get_attribute("id") or element.tag_name)
        if element.get_attribute("id") == "ask-text":
            element.send_keys("Au clavier")
            element.send_keys(Keys.TAB, Keys.ENTER)
            break
    assert "ask-text" in reached
    wait = WebDriverWait(browser, PATIENCE, ignored_exceptions=[WebDriverException])
    wait.until(lambda _: "Votre question est au dossier" in said_on(browser))


def test_it_prints_without_its_forms(browser: webdriver.Chrome, address: str, card: str) -> None:
    sign_in(browser, address, "doctor")
    open_card(browser, address, card)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not any(form.is_displayed() for form in browser.find_elements(By.TAG_NAME, "form"))
        assert browser.find_element(By.ID, "history").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.slow
@pytest.mark.parametrize("language", ["fr", "en"])
def test_everybody_may_read_the_public_page(browser: webdriver.Chrome, address: str, language: str) -> None:
    browser.delete_all_cookies()
    browser.get(f"{address}/{language}/transparency")
    assert browser.execute_script("return document.documentElement.lang") == language
    assert "contact@comite.example" in said_on(browser)
    assert "Plaintes de patients" in said_on(browser)
    look(browser, f"transparency-{language}")
    assert "Au clavier" not in browser.page_source, "questions are the committee's own"


def test_the_public_page_is_a_file_that_needs_nothing(
    browser: webdriver.Chrome, sitting: Sitting, tmp_path: Path
) -> None:
    file = tmp_path / "transparence.html"
    file.write_text(transparency(sitting.committee, "fr", alone=True), encoding="utf-8")
    browser.get(file.as_uri())
    assert browser.execute_script("return getComputedStyle(document.body).maxWidth") != "none"
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    look(browser, "transparency-file")


def test_nobody_stays_signed_in(browser: webdriver.Chrome, address: str) -> None:
    sign_in(browser, address, "doctor", "en")
    look(browser, "cards-en")
    follow(browser, "form.quiet button")
    browser.get(f"{address}/en/ledger")
    assert browser.current_url == f"{address}/en/sign-in"

"""The documentation page in a real browser, without a network."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.serving import live
from training.committee import demonstration_key

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WAIT = 30


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("page")
    bundle = live.bundle(folder, demonstration_key(), demonstration=True)
    command = ["serving", "serve", "--bundle", str(bundle), "--demonstration"]
    with live.serving(command, live.environment(folder / "home"), folder / "log") as server:
        yield server.url


@pytest.fixture(scope="module")
def browser() -> Iterator[WebDriver]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium and chromedriver are needed in CI")
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--window-size=1300,1600",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no network
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield opened
    opened.quit()


def test_the_page_documents_and_answers_offline(address: str, browser: WebDriver) -> None:
    browser.get(f"{address}/")
    wait = WebDriverWait(browser, WAIT)
    operation = wait.until(lambda b: b.find_element(By.CSS_SELECTOR, "#operations-Risk-score"))
    assert "DEMONSTRATION" in browser.find_element(By.CSS_SELECTOR, ".info").text
    operation.find_element(By.CSS_SELECTOR, ".opblock-summary-control").click()
    wait.until(lambda _: "Systolic blood pressure" in operation.text)
    assert operation.find_elements(By.CSS_SELECTOR, "table td"), "the codes that are read are in a table"
    operation.find_element(By.CSS_SELECTOR, ".try-out__btn").click()

    for example, kind in ((0, "risk"), (1, "abstention")):
        choice = wait.until(lambda _: operation.find_element(By.CSS_SELECTOR, ".examples-select select"))
        Select(choice).select_by_index(example)
        operation.find_element(By.CSS_SELECTOR, ".execute").click()
        answer = wait.until(lambda _, kind=kind: _answer(operation, kind))
        assert answer["demonstration"] is True

    if folder := os.environ.get("VIGIE_SCREENSHOTS"):
        _picture(browser, Path(folder) / "service.png")

    errors = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []
    assert _elsewhere(browser, address) == []


@pytest.mark.parametrize(
    ("operation", "said"),
    [("FHIR_R4-evaluate", '"resourceType": "RiskAssessment"'), ("CDS_Hooks-call", '"overrideReasons"')],
)
def test_the_standard_doors_are_tried_out_offline(address: str, browser: WebDriver, operation: str, said: str) -> None:
    browser.get(f"{address}/")
    wait = WebDriverWait(browser, WAIT)
    shown = wait.until(lambda b: b.find_element(By.CSS_SELECTOR, f"[id='operations-{operation}']"))
    shown.find_element(By.CSS_SELECTOR, ".opblock-summary-control").click()
    wait.until(lambda _: shown.find_elements(By.CSS_SELECTOR, ".try-out__btn"))[0].click()
    wait.until(lambda _: shown.find_elements(By.CSS_SELECTOR, ".execute"))[0].click()
    wait.until(lambda _: _answered(shown, said))
    if folder := os.environ.get("VIGIE_SCREENSHOTS"):
        _picture(browser, Path(folder) / f"{operation}.png")
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert _elsewhere(browser, address) == []


def test_the_card_is_one_click_away(address: str, browser: WebDriver) -> None:
    browser.get(f"{address}/")
    link = WebDriverWait(browser, WAIT).until(lambda b: b.find_element(By.LINK_TEXT, "français"))
    browser.get(link.get_attribute("href") or "")
    assert "DÉMONSTRATION" in browser.find_element(By.TAG_NAME, "body").text
    if folder := os.environ.get("VIGIE_SCREENSHOTS"):
        _picture(browser, Path(folder) / "card.png")
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def _answer(operation: webdriver.remote.webelement.WebElement, kind: str) -> dict[str, object] | None:
    """Return the live answer once it is one of this kind."""
    found = operation.find_elements(By.CSS_SELECTOR, ".live-responses-table .response-col_description pre")
    for block in found:
        try:
            answer = json.loads(block.text)
        except ValueError:
            continue
        if isinstance(answer, dict) and answer.get("kind") == kind:
            return answer
    return None


def _answered(operation: webdriver.remote.webelement.WebElement, said: str) -> bool:
    """Return whether the live answer says something."""
    found = operation.find_elements(By.CSS_SELECTOR, ".live-responses-table .response-col_description pre")
    return any(said in block.text for block in found)


def _elsewhere(browser: WebDriver, address: str) -> list[str]:
    """Return what the page asked of any other place than the service."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return [url for url in asked if not url.startswith((address, "data:", "blob:"))]


def _picture(browser: WebDriver, file: Path) -> None:
    height = browser.execute_script("return document.documentElement.scrollHeight")
    browser.set_window_size(1300, min(int(height), 9000))
    browser.execute_script("window.scrollTo(0, 0)")
    browser.save_screenshot(str(file))

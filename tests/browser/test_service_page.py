"""The first page in a real browser, without a network: trying the service out, and its documentation."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.conftest import REPOSITORY
from tests.serving import live
from training.committee import demonstration_key
from training.published.comparators import score2

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


@pytest.fixture
def page(address: str, browser: WebDriver) -> WebDriver:
    """The page in French, on a desk."""
    return _open(browser, f"{address}/fr")


def test_what_the_doctor_and_the_software_see_is_there_at_once(page: WebDriver, address: str) -> None:
    loud = page.find_element(By.CSS_SELECTOR, ".loud")
    assert "MODE DÉVELOPPEMENT" in loud.text
    assert "DÉMONSTRATION" in page.find_element(By.CSS_SELECTOR, ".demonstration").text
    (card,) = _cards(page)
    assert card.find_element(By.CSS_SELECTOR, ".indicator").text == "AVERTISSEMENT"
    assert "warning" in (card.get_attribute("class") or "")
    assert re.search(r"\d,\d\u202f% \(risque (très )?élevé, ESC 2021\)", card.text)
    assert "Ce qui compte le plus" in card.text
    assert "augmente le risque" in card.text
    assert re.search(r"Pression artérielle systolique 162\u202fmmHg, \d+\S*\s\S+\s20\d\d", card.text), "with its date"
    assert "*" not in card.text, "Markdown is drawn, not shown"
    (sent,), (received,) = _texts(page, "#commands pre"), _texts(page, "#received pre")
    assert sent.startswith(f"curl --silent '{address}/cds-services/vigie-cardiovascular'")
    assert json.loads(received)["cards"][0]["indicator"] == "warning"
    assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert _elsewhere(page, address) == []


def test_the_curl_that_is_shown_gets_the_answer_that_is_shown(page: WebDriver) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    for form in ("json", "fhir", "hooks"):
        _choose(page, form)
        for command, received in zip(_texts(page, "#commands pre"), _texts(page, "#received pre"), strict=True):
            ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, timeout=20)
            assert _timeless(json.loads(ran.stdout)) == _timeless(json.loads(received))


def _timeless(value: object) -> object:
    """An answer without when it was given: a Bundle is answered as of now."""
    return json.loads(re.sub(r'"\d{4}-\d\d-\d\dT[^"]+"', '"then"', json.dumps(value)))


def test_the_card_is_drawn_as_another_reader_of_markdown_reads_it(page: WebDriver) -> None:
    from markdown_it import MarkdownIt

    for patient in ("risk", "abstention"):
        _pick(page, patient)
        (received,) = _texts(page, "#received pre")
        html = MarkdownIt().render(json.loads(received)["cards"][0]["detail"])
        drawn = page.execute_script("return document.querySelector('.card .detail').innerHTML")
        assert _tidied(drawn) == _tidied(html)


def _tidied(html: str) -> str:
    return re.sub(r">[ \n]+|[ \n]+<", lambda found: found[0].strip(" \n"), html.replace("&nbsp;", "\u00a0")).strip()


def test_markdown_becomes_no_more_than_markdown(page: WebDriver) -> None:
    """What a card may never do, even if its text were somebody else's: run, load, or lead to a script."""
    texts = {
        "<img src=x onerror=alert(1)>": ("img", "<img src=x onerror=alert(1)>"),
        "[a](javascript:alert)": ("a", "a"),
        "[a](javascript:alert(1))": ("a", "[a](javascript:alert(1))"),
        "**<script>alert(1)</script>**": ("script", "<script>alert(1)</script>"),
        "\\*a\\* \\<b\\>": ("em", "*a* <b>"),
    }
    for text, (name, shown) in texts.items():
        found = page.execute_async_script(
            """const [text, done] = arguments;
            import("/page/markdown.js").then(({ markdown }) => {
              const made = document.createElement("div");
              made.append(...markdown(text));
              done([made.innerHTML, made.textContent]);
            });""",
            text,
        )
        assert f"<{name}" not in found[0]
        assert found[1] == shown
    assert page.execute_script("return document.querySelectorAll('script:not([src], [type])').length") == 0


def test_each_door_says_the_same_of_a_patient(page: WebDriver) -> None:
    figures = []
    for form, cards in (("hooks", 1), ("fhir", 2), ("json", 1)):
        _choose(page, form)
        found = _cards(page)
        assert len(found) == cards
        figures += [match[0] for card in found if (match := re.search(r"\d+,\d\u202f?\s?%", card.text))]
    assert len(figures) == 4
    assert len({re.sub(r"\s", "", figure) for figure in figures}) == 1
    rows = [row.text for row in page.find_elements(By.CSS_SELECTOR, ".card tbody tr")]
    assert any(re.search(r"systolique 162\smmHg \d+\S* \S+ 20\d\d", row) for row in rows), rows
    (card,) = _cards(page)
    assert score2().title.fr in card.text
    assert score2().title.en not in card.text


def test_an_abstention_is_in_words_with_its_code(page: WebDriver) -> None:
    _pick(page, "abstention")
    for form in ("hooks", "fhir", "json"):
        _choose(page, form)
        for card in _cards(page):
            assert "Pression artérielle mesurée depuis moins de 2" in card.text.replace("\u00a0", " ")
            assert "info" in (card.get_attribute("class") or "")
    assert page.find_element(By.CSS_SELECTOR, ".card td code").text == "systolic_within_2_years"


def test_what_was_not_used_is_told(page: WebDriver) -> None:
    _pick(page, "unused")
    for form in ("hooks", "fhir", "json"):
        _choose(page, form)
        for card in _cards(page):
            assert "valeur hors des limites plausibles" in card.text
            assert "unité absente ou inconnue" in card.text


def test_whatever_is_pasted_finds_its_door(page: WebDriver, shared: Callable[[str], Path]) -> None:
    with zipfile.ZipFile(shared("data/fhir_synthea/bundles.zip")) as archive:
        names = [name for name in archive.namelist() if name.endswith(".json") and "__MACOSX" not in name]
        smallest = min(names, key=lambda name: archive.getinfo(name).file_size)
        bundle = archive.read(smallest).decode()
    _paste(page, bundle)
    assert "FHIR R4" in page.find_element(By.ID, "recognised").text
    assert page.find_element(By.CSS_SELECTOR, "input[value=fhir]").is_selected()
    _ask(page)
    assert len(_cards(page)) == 2, "a card, and a RiskAssessment"

    request = (REPOSITORY / "serving" / "examples" / "request.json").read_text()
    _paste(page, request)
    _ask(page)
    (card,) = _cards(page)
    assert "Le risque à 10\u00a0ans" in card.text or "Le risque à 10 ans" in card.text

    _paste(page, '{"hook": "patient-view", "hookInstance": "x", "context": {}}')
    _ask(page)
    fault = page.find_element(By.CSS_SELECTOR, "#seen .fault").text
    assert "(422)" in fault
    assert "context.patientId" in fault
    assert "hookInstance" in fault

    for text, said in (("{", "pas du JSON"), ("[]", "Ni un appel"), ('{"resourceType": "Patient"}', "Ni un appel")):
        _paste(page, text)
        assert said in page.find_element(By.ID, "recognised").text


def test_the_doctor_sets_a_card_aside(page: WebDriver) -> None:
    _choose(page, "hooks")
    (card,) = _cards(page)
    card.find_element(By.TAG_NAME, "summary").click()
    card.find_element(By.XPATH, ".//button[.='Déjà pris en charge']").click()
    told = card.find_element(By.CSS_SELECTOR, ".told .note")
    WebDriverWait(page, WAIT).until(lambda _: told.text)
    assert told.text.startswith("Retour gardé")
    assert "/feedback" in page.find_element(By.CSS_SELECTOR, "#received figcaption").text
    assert '"code": "already-managed"' in _texts(page, "#commands pre")[0]


def test_it_is_used_by_keyboard_alone(page: WebDriver) -> None:
    page.execute_script("document.body.focus()")
    for _ in range(30):
        ActionChains(page).send_keys(Keys.TAB).perform()
        if page.switch_to.active_element.get_attribute("id") == "patient":
            break
    page.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    WebDriverWait(page, WAIT).until(lambda _: "pas d’estimation" in page.find_element(By.ID, "seen").text)
    ActionChains(page).send_keys(Keys.TAB, Keys.ARROW_RIGHT).perform()
    assert page.find_element(By.CSS_SELECTOR, "input[value=fhir]").is_selected()
    outlined = page.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert outlined != "none"


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("width", [1300, 390])
def test_it_fits_screens_of_both_sizes_in_both_languages(
    address: str, browser: WebDriver, language: str, width: int
) -> None:
    screen = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    try:
        _open(browser, f"{address}/{language}")
        for form in ("hooks", "fhir", "json"):
            _choose(browser, form)
            wide = browser.execute_script(
                "return [...document.querySelectorAll('#try *')].filter(e => !e.closest('pre, .wide, textarea, .skip')"
                " && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
            )
            assert wide == []
            if folder := os.environ.get("VIGIE_SCREENSHOTS"):
                _picture(browser, Path(folder) / f"try-{form}-{language}-{width}.png", width)
        small = browser.execute_script(
            "return [...document.querySelectorAll('#try :is(button, select)')].filter(e => e.offsetParent"
            " && e.getBoundingClientRect().height < 32).length"
        )
        assert small == 0, "what is touched is large enough"
        named = browser.execute_script(
            "return [...document.querySelectorAll('#try :is(select, textarea, input)')]"
            ".filter(e => !e.labels.length).length"
        )
        assert named == 0, "whatever is filled in has a label"
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_page_is_in_the_preferred_language(address: str) -> None:
    for asked, language in (("en-GB,en", "en"), ("fr", "fr"), ("de", "fr")):
        answer = httpx.get(address, headers={"accept-language": asked}, trust_env=False, follow_redirects=True)
        assert f'<html lang="{language}">' in answer.text


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


def _open(browser: WebDriver, url: str) -> WebDriver:
    browser.get_log("browser"), browser.get_log("performance")
    browser.get(url)
    _wait(browser)
    return browser


def _wait(browser: WebDriver) -> None:
    """Wait until what was asked is answered and drawn."""
    WebDriverWait(browser, WAIT).until(
        lambda b: b.find_elements(By.CSS_SELECTOR, "#seen[aria-busy=false] > *") and _texts(b, "#received pre")
    )


def _pick(browser: WebDriver, patient: str) -> None:
    """Pick a patient; where it is picked already, ask again."""
    browser.execute_script("document.getElementById('received').replaceChildren()")
    choice = Select(browser.find_element(By.ID, "patient"))
    if choice.first_selected_option.get_attribute("value") == patient:
        _ask(browser)
        return
    choice.select_by_value(patient)
    _wait(browser)


def _choose(browser: WebDriver, form: str) -> None:
    """Choose the form in which the patient goes in; where it is chosen already, ask again."""
    choice = browser.find_element(By.CSS_SELECTOR, f"input[value={form}]")
    if choice.is_selected():
        _ask(browser)
        return
    browser.execute_script("document.getElementById('received').replaceChildren()")
    choice.click()
    _wait(browser)


def _paste(browser: WebDriver, text: str) -> None:
    browser.execute_script(
        "const body = document.getElementById('body'); body.value = arguments[0];"
        "body.dispatchEvent(new Event('input', { bubbles: true }))",
        text,
    )


def _ask(browser: WebDriver) -> None:
    browser.execute_script("document.getElementById('received').replaceChildren()")
    browser.find_element(By.CSS_SELECTOR, "#ask button").click()
    _wait(browser)


def _cards(browser: WebDriver) -> list[WebElement]:
    return browser.find_elements(By.CSS_SELECTOR, "#seen .card")


def _texts(browser: WebDriver, selector: str) -> list[str]:
    return [str(each.get_property("textContent")) for each in browser.find_elements(By.CSS_SELECTOR, selector)]


def _answer(operation: WebElement, kind: str) -> dict[str, object] | None:
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


def _answered(operation: WebElement, said: str) -> bool:
    """Return whether the live answer says something."""
    found = operation.find_elements(By.CSS_SELECTOR, ".live-responses-table .response-col_description pre")
    return any(said in block.text for block in found)


def _elsewhere(browser: WebDriver, address: str) -> list[str]:
    """Return what the page asked of any other place than the service."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return [url for url in asked if not url.startswith((address, "data:", "blob:"))]


def _picture(browser: WebDriver, file: Path, width: int = 1300) -> None:
    height = browser.execute_script("return document.documentElement.scrollHeight")
    screen = {"width": width, "height": min(int(height), 5000), "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.execute_script("window.scrollTo(0, 0)")
    browser.save_screenshot(str(file))
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen | {"height": 844})

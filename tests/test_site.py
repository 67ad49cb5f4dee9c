"""The pages: what they name is there, links lead somewhere, and the site that is made of them needs no network."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser.conftest import browser  # noqa: F401
from tests.conftest import REPOSITORY
from tests.guides import fences

FOLDERS = ("docs", "features", "training", "serving", "deploy", "notebooks", "benchmarks", ".github")
PAGES = sorted(
    page
    for pattern in ("*.md", *(f"{folder}/**/*.md" for folder in FOLDERS))
    for page in REPOSITORY.glob(pattern)
    if not page.is_relative_to(REPOSITORY / "build")
)
NAMED = re.compile(rf"`((?:{'|'.join([*FOLDERS, 'tests'])})/[\w./*-]+)`")
#: A file that a command of the page writes.
WRITTEN = re.compile(r"> ([\w./-]+)$", re.MULTILINE)
#: A name of the code, with or without what it is called with.
DOTTED = re.compile(r"`((?:features|training|serving)(?:\.\w+)+)[`(]")
LINK = re.compile(r"!?\[[^\]]*\]\((?!https?:|mailto:)([^)\s]+)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
#: What a browser fetches without being asked.
FETCHED = {"link": "href"} | dict.fromkeys(("img", "script", "iframe", "source", "audio", "video"), "src")
PATIENCE = 30


def anchors(page: Path) -> set[str]:
    """Return the anchors that a forge gives the headings of a page."""
    headings = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def is_there(name: str) -> bool:
    """Return whether the code has something of that name."""
    try:
        resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    prose = FENCE.sub("", text)
    written = {fence.file for fence in fences(page)} | set(WRITTEN.findall(text))
    named = [name for name in NAMED.findall(prose) if name not in written]
    lost = [name for name in named if not any(REPOSITORY.glob(name.rstrip("/").replace("NAME", "*")))]
    lost += [name for name in DOTTED.findall(prose) if not is_there(name)]
    for link in LINK.findall(prose):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            lost.append(link)
    assert not lost, ", ".join(lost)


def test_links_and_names_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    named = "`features/gone.py` `features/records.py` `features.records.Gone` `features.records.Records`"
    page.write_text(f"# Une page\n[a](gone.md) [b](#une-page) [c](#gone) {named}\n")
    with pytest.raises(AssertionError, match=r"features/gone.py, features.records.Gone, gone.md, #gone\n"):
        test_what_a_page_names_is_there(page)


def test_whoever_cites_cites_this_version() -> None:
    cited = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])
    assert {"cff-version", "message", "title", "authors"} <= set(cited)


@pytest.mark.parametrize("name", ["bug", "feature-definition", "model", "clinical-concern"])
def test_an_issue_has_a_form_that_wants_no_patient_data(name: str) -> None:
    head, text = (REPOSITORY / f".github/ISSUE_TEMPLATE/{name}.md").read_text(encoding="utf-8").split("\n---\n", 1)
    assert {"name", "about"} <= set(yaml.safe_load(head.removeprefix("---\n")))
    assert re.search(r"patient.s? data|patient data|invented", text, re.IGNORECASE)


class Found(HTMLParser):
    """Ids of a page, what it fetches, and where it links to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.images_without_words: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag in FETCHED and FETCHED[tag] in given and given.get("rel") != "canonical":
            self.fetched.append(given[FETCHED[tag]])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "img" and not given.get("alt", "").strip():
            self.images_without_words.append(given["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make site` makes it."""
    if find_spec("sphinx") is None or find_spec("furo") is None:
        message = "what makes the site is not installed: make setup-site"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    folder = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--fail-on-warning", "--keep-going", "--conf-dir", "docs", "--doctree-dir", f"{folder}/trees"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, ".", str(folder / "site")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def made(site: Path) -> dict[Path, Found]:
    return {page: Found(page) for page in sorted(site.rglob("*.html"))}


@pytest.mark.slow
def test_the_site_has_all_pages_and_begins_with_the_readme(site: Path, made: dict[Path, Found]) -> None:
    written = {page.relative_to(site).with_suffix("").as_posix() for page in made}
    stated = {page.relative_to(REPOSITORY).with_suffix("").as_posix() for page in PAGES if ".github" not in page.parts}
    assert stated <= written
    assert (site / "index.html").read_bytes() == (site / "README.html").read_bytes()
    assert "features.language.latest" in made[site / "docs" / "reference.html"].ids


@pytest.mark.slow
def test_nothing_of_the_site_is_fetched_from_elsewhere(site: Path, made: dict[Path, Found]) -> None:
    outside = {address for found in made.values() for address in found.fetched if urlsplit(address).scheme}
    assert outside == set()
    for style in site.rglob("*.css"):
        addresses = re.findall(r"url\(\s*['\"]?([^)'\"]+)|@import\s+['\"]([^'\"]+)", style.read_text(encoding="utf-8"))
        assert [each for each in map("".join, addresses) if re.match(r"(https?:)?//", each)] == [], style.name


@pytest.mark.slow
def test_every_link_of_the_site_leads_to_a_file_and_a_place_in_it(site: Path, made: dict[Path, Found]) -> None:
    dead = []
    for page, found in made.items():
        for link in [*found.links, *found.fetched]:
            parts = urlsplit(link)
            if parts.scheme or link == "#":
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            place = unquote(parts.fragment)
            there = target.is_file() and (not place or target not in made or place in made[target].ids)
            dead += [] if there else [f"{page.relative_to(site)}: {link}"]
    assert dead == []


@pytest.mark.slow
def test_pictures_are_said_in_words_as_well(made: dict[Path, Found]) -> None:
    assert {page.name: found.images_without_words for page, found in made.items() if found.images_without_words} == {}


@pytest.mark.browser
def test_the_site_is_read_and_searched_from_a_folder_without_a_network(
    site: Path,
    browser: webdriver.Chrome,  # noqa: F811
) -> None:
    browser.get_log("performance")
    browser.get((site / "index.html").as_uri())
    assert browser.find_element(By.TAG_NAME, "h1").text.startswith("Vigie")
    browser.find_element(By.NAME, "q").send_keys("pseudonyme\n")
    results = WebDriverWait(browser, PATIENCE).until(lambda b: b.find_elements(By.CSS_SELECTOR, "#search-results li a"))
    glossary = next(result for result in results if result.text.startswith("Glossary"))
    browser.get(glossary.get_attribute("href") or "")
    assert "Glossaire" in browser.find_element(By.TAG_NAME, "h1").text
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    assert len(asked) > 5
    assert [address for address in asked if address.startswith(("http", "ws", "//"))] == []
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.browser
@pytest.mark.parametrize("page", ["index", "docs/architecture", "docs/language", "docs/reference", "docs/glossary"])
def test_a_page_fits_a_telephone(site: Path, browser: webdriver.Chrome, page: str) -> None:  # noqa: F811
    screen = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    try:
        browser.get((site / f"{page}.html").as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

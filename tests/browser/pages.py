"""Visiting a page that is kept in a file, and holds both its languages."""

from __future__ import annotations

from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By

from features.typography import Language

OPEN = "document.querySelectorAll('details').forEach(each => { each.open = true })"


def visit(browser: webdriver.Chrome, folder: Path, language: Language, width: int = 1280) -> None:
    """Open the page of a language, as wide as asked, with everything that folds unfolded."""
    screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get((folder / f"{language}.html").as_uri())
    browser.execute_script(OPEN)


def shown(browser: webdriver.Chrome) -> list[str]:
    """Return the languages whose page is to be seen."""
    pages = browser.find_elements(By.CSS_SELECTOR, ".page")
    return [page.get_attribute("lang") or "" for page in pages if page.is_displayed()]

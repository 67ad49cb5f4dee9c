"""The pictures of the README, taken anew: ``python -m docs.screenshots``, in the environment of `make setup`.

All that is shown is made for it, in a folder of its own where a second run finds it again: a demonstration, a
committee, a service. It needs Chromium and its driver.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from serving.portal.commands import DEMONSTRATION_MEMBERS, DEMONSTRATION_PASSWORD
from tests.serving import live

REPOSITORY: Final = Path(__file__).resolve().parents[1]
IMAGES: Final = REPOSITORY / "docs" / "images"
MADE: Final = REPOSITORY / "build" / "screenshots"
#: Width and height of a page in pixels of its own, and how many of the picture each is.
NARROW: Final = (900, 660, 1.5)
WIDE: Final = (1100, 807, 1.25)
COLOURS: Final = 256
LARGEST: Final = 200_000
STARTS_WITHIN: Final = 120.0
PATIENCE: Final = 60


def main() -> None:
    """Make what is to be seen, and take its pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=MADE, help="where all is made (build/screenshots)")
    parser.add_argument("--patients", type=int, default=8_000, help="people of the demonstration (8000)")
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    bundle = folder / "demo" / "cardiovascular" / "bundle"
    if not bundle.exists():
        run(folder, "training", "train", "--demonstration", "--patients", str(given.patients))
    run(folder, "serving", "portal", "--demonstration", "demonstrate")
    run(folder, "serving", "portal", "--demonstration", "submit", str(bundle))
    with chromium(folder) as browser:
        show(browser, WIDE)
        browser.get((bundle.parent / "comparison.html").as_uri())
        browser.find_element(By.CSS_SELECTOR, "label[for=language-en]").click()
        browser.find_element(By.LINK_TEXT, "The models, measure by measure").click()
        take(browser, "comparison")
        show(browser, NARROW)
        browser.get((bundle / "card.fr.html").as_uri())
        take(browser, "card")
        with server(folder, "/fr/sign-in", "serving", "portal", "--demonstration") as address:
            portal(browser, address)
            take(browser, "portal")
        with server(folder, "/readyz", "serving", "serve", "--demonstration", "--bundle", str(bundle)) as address:
            answer(browser, address)
            take(browser, "answer")


def portal(browser: webdriver.Chrome, address: str) -> None:
    """Open the card that the committee has before it, as its chair."""
    browser.get(f"{address}/fr/sign-in")
    browser.find_element(By.NAME, "name").send_keys(DEMONSTRATION_MEMBERS[0][0])
    browser.find_element(By.NAME, "password").send_keys(DEMONSTRATION_PASSWORD)
    browser.find_element(By.CSS_SELECTOR, "form.narrow button").click()
    card = "main a[href*='/fr/cards/']"
    WebDriverWait(browser, PATIENCE).until(lambda b: b.find_elements(By.CSS_SELECTOR, card))[0].click()
    WebDriverWait(browser, PATIENCE).until(lambda b: "/fr/cards/" in b.current_url)


def answer(browser: webdriver.Chrome, address: str) -> None:
    """Ask for the risk of the first patient as clinical software does, and show what the doctor sees of it."""
    browser.get(f"{address}/fr")
    seen = WebDriverWait(browser, PATIENCE).until(lambda b: b.find_elements(By.CSS_SELECTOR, "#seen > *"))[0]
    browser.execute_script("arguments[0].scrollIntoView(); scrollBy(0, -125)", seen)  # below what stays on top


def show(browser: webdriver.Chrome, screen: tuple[int, int, float]) -> None:
    """Give the browser a screen."""
    size = dict(zip(("width", "height", "deviceScaleFactor"), screen, strict=True))
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**size, "mobile": False})


def take(browser: webdriver.Chrome, name: str) -> None:
    """Write a picture of what is to be seen, in few colours; raise ValueError if it is too large all the same."""
    picture = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    file = IMAGES / f"{name}.png"
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    size = file.stat().st_size
    print(f"{file.relative_to(REPOSITORY)}: {picture.width} × {picture.height}, {size:,} bytes")
    if size > LARGEST:
        raise ValueError(f"{file.name} is larger than {LARGEST:,} bytes: show less of the page, or in fewer colours")


def run(folder: Path, *module: str) -> None:
    """Run a module of ours in the folder."""
    subprocess.run([sys.executable, "-m", *module], cwd=folder, env=settings(folder), check=True)


def settings(folder: Path) -> dict[str, str]:
    """Return an environment in which all that is kept is kept in the folder."""
    return os.environ | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "true",
        "DO_NOT_TRACK": "1",
    }


@contextmanager
def server(folder: Path, path: str, *command: str) -> Iterator[str]:
    """Give the address of a server of ours that runs until the block ends."""
    log = folder / f"{command[1]}.log"
    with live.serving(command, settings(folder), log, path, folder=folder, starts_within=STARTS_WITHIN) as running:
        yield running.url


@contextmanager
def chromium(folder: Path) -> Iterator[webdriver.Chrome]:
    """Give a browser without a window."""
    found, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if found is None or driver is None:
        raise FileNotFoundError("chromium and chromedriver are not installed: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = found
    for option in ("headless=new", "no-sandbox", "disable-gpu", "hide-scrollbars"):
        options.add_argument(f"--{option}")
    options.add_argument(f"--user-data-dir={folder / 'browser'}")
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield browser
    finally:
        browser.quit()


if __name__ == "__main__":
    main()

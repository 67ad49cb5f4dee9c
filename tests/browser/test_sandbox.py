"""A CDS client on another site, in a real browser: what the public CDS Hooks sandbox does, against the live service.

Three origins: the client's pages, a FHIR server with one patient, and the service. Everything goes the way it does in
practice: discovery, a question of the browser before each, prefetch, the call, cards, feedback.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
import uvicorn
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from serving import settings
from serving.access import Guard
from serving.application import application
from serving.cds_hooks import kept
from serving.desks import Desks
from serving.doors import DOORS
from serving.hardening import Hardened
from serving.openapi.examples import bundle, of_today
from tests.serving import live
from training.committee import demonstration_key

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SANDBOX = Path(__file__).with_name("sandbox")
WAIT = 30
Resource = dict[str, Any]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


class FhirServer(BaseHTTPRequestHandler):
    """A FHIR server that reads and searches by type, patient and code, and lets pages of any site do so."""

    resources: ClassVar[list[Resource]] = []
    asked: ClassVar[list[str]] = []
    broken: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        kind, _, identity = url.path.strip("/").partition("/")
        given = parse_qs(url.query)
        type(self).asked.append(kind)
        if kind in self.broken:
            return self._send(500, {"resourceType": "OperationOutcome", "issue": []})
        found = [each for each in self.resources if each["resourceType"] == kind]
        if identity:
            return self._send(200, next(each for each in found if each["id"] == identity))
        (patient,) = given["patient"]
        codes = set(given["code"][0].split(",")) if "code" in given else None
        entries = [{"resource": each} for each in found if _is_found(each, patient, codes)]
        return self._send(200, {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries})

    def _send(self, status: int, resource: Resource) -> None:
        body = json.dumps({name: value for name, value in resource.items() if value != []}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


def _is_found(resource: Resource, patient: str, codes: set[str] | None) -> bool:
    said = {f"{each['system']}|{each['code']}" for each in resource.get("code", {}).get("coding", ())}
    return resource["subject"]["reference"] == f"Patient/{patient}" and (codes is None or bool(codes & said))


@contextmanager
def site(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve until the end of the block, on a port of its own and so at an origin of its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Sandbox:
    """The client's page, and the addresses of the three sites."""

    def __init__(self, browser: webdriver.Chrome, client: str, fhir: str, service: str) -> None:
        self.browser, self.client, self.fhir, self.service = browser, client, fhir, service

    def open_file(self, patient: str = "example", language: str = "fr") -> str:
        """Open a patient's file and return what the page says in the end."""
        self.browser.get(f"{self.client}/index.html")
        given = {"discovery": f"{self.service}/cds-services", "fhir": self.fhir, "patient": patient}
        for name, value in (given | {"language": language}).items():
            self.browser.find_element(By.NAME, name).send_keys(value)
        self.browser.find_element(By.CSS_SELECTOR, "form button").click()
        return self.state(lambda text: text == "done" or text.startswith("failed"))

    def state(self, wanted: Callable[[str], bool]) -> str:
        element = self.browser.find_element(By.ID, "state")
        WebDriverWait(self.browser, WAIT).until(lambda _: wanted(element.text))
        return element.text

    @property
    def exchanges(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.browser.execute_script("return seen.exchanges")
        return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return live.bundle(tmp_path_factory.mktemp("sandbox"), demonstration_key(), demonstration=True)


@pytest.fixture(scope="module")
def sites() -> Iterator[tuple[str, str]]:
    """The client's site and that of its FHIR server."""
    FhirServer.resources = [entry["resource"] for entry in of_today(bundle())["entry"]]
    pages = partial(Quiet, directory=str(SANDBOX))
    with ExitStack() as stack:
        yield stack.enter_context(site(pages)), stack.enter_context(site(FhirServer))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def service(made: Path, data: Path) -> Iterator[str]:
    """The service in development mode, to which nobody's site was named."""
    command = ["serving", "serve", "--bundle", str(made), "--demonstration"]
    environment = live.environment(data / "home", **{settings.DATA: str(data)})
    with live.serving(command, environment, data / "log") as server:
        yield server.url


@pytest.fixture
def sandbox(browser: webdriver.Chrome, sites: tuple[str, str], service: str) -> Sandbox:
    FhirServer.asked, FhirServer.broken = [], set()
    browser.get_log("browser")
    browser.get_log("performance")
    return Sandbox(browser, *sites, service)


def test_a_file_that_is_opened_on_another_site_gets_its_card(sandbox: Sandbox) -> None:
    assert sandbox.open_file() == "done"
    discovery, called = sandbox.exchanges
    assert (discovery["status"], called["status"]) == (200, 200)
    (found,) = discovery["body"]["services"]
    assert len(FhirServer.asked) == len(found["prefetch"]), "each template was put to the FHIR server"
    title = sandbox.browser.find_element(By.CSS_SELECTOR, "article h2")
    assert title.get_attribute("class") == "warning"
    assert "DÉMONSTRATION" in title.text
    assert "risque" in title.text
    assert "augmente le risque" in sandbox.browser.find_element(By.CSS_SELECTOR, "article pre").text
    assert [entry for entry in sandbox.browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    asked = _preflights(sandbox)
    assert {method for url, method in asked if url.startswith(sandbox.service)} == {"GET", "POST"}, (
        "the browser asked first, because of the token and of the type"
    )


def _preflights(sandbox: Sandbox) -> set[tuple[str, str]]:
    """What the browser asked before it asked: address, and the method that it asked about."""
    found = set()
    for entry in sandbox.browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent" and message["params"]["request"]["method"] == "OPTIONS":
            request = message["params"]["request"]
            asked = {name.lower(): value for name, value in request["headers"].items()}
            found.add((request["url"], asked["access-control-request-method"]))
    return found


def test_the_users_language_is_the_cards(sandbox: Sandbox) -> None:
    assert sandbox.open_file(language="en") == "done"
    assert "raises the risk" in sandbox.browser.find_element(By.CSS_SELECTOR, "article pre").text


def test_what_is_done_with_a_card_is_kept_without_a_word_of_the_clinician(sandbox: Sandbox, data: Path) -> None:
    for button in ("Accept", "Refus du patient"):
        assert sandbox.open_file() == "done"
        sandbox.browser.find_element(By.XPATH, f"//button[.='{button}']").click()
        assert sandbox.state(lambda text: text.startswith("feedback")) == "feedback 200"
    assert [(each["outcome"], each["reason"]) for each in kept(data)][-2:] == [
        ("accepted", None),
        ("overridden", "patient-refused"),
    ]
    assert "comment of a clinician" not in (data / "cds-hooks-feedback.jsonl").read_text()


def test_what_the_fhir_server_did_not_give_is_named(sandbox: Sandbox) -> None:
    """The sandbox leaves out what it cannot have; that would pass for what the patient has not."""
    FhirServer.broken = {"Condition"}
    assert sandbox.open_file() == "done"
    assert sandbox.exchanges[-1]["status"] == 412
    (issue,) = sandbox.exchanges[-1]["body"]["issue"]
    assert issue["expression"] == ["prefetch.conditions"]


def test_other_doors_are_closed_to_other_sites(sandbox: Sandbox) -> None:
    sandbox.browser.get(f"{sandbox.client}/index.html")
    for path in ("models", "docs.json", "metrics", "fhir/metadata", "page/patients.json"):
        read = "const [url, done] = arguments; fetch(url).then(() => done('read'), () => done('refused'));"
        assert sandbox.browser.execute_async_script(read, f"{sandbox.service}/{path}") == "refused"
    assert sandbox.browser.execute_async_script(read, f"{sandbox.service}/cds-services") == "read"


@contextmanager
def walled(made: Path, *origins: str) -> Iterator[str]:
    """Serve a bundle to pages of some sites until the end of the block, without BentoML, which takes long to start."""
    inner = application()
    inner.state.desks = Desks.open([made], {settings.ALLOW_DEMONSTRATION: "1"})
    inner.state.address, inner.state.data, inner.state.guard = None, None, Guard()
    wall = Hardened(inner, DOORS, inner.state.guard, settings.origins({settings.ORIGINS: " ".join(origins)}))
    server = uvicorn.Server(uvicorn.Config(wall, log_config=None, lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(timeout=20)


def test_where_sites_are_named_the_others_are_closed_out(
    browser: webdriver.Chrome, sites: tuple[str, str], made: Path
) -> None:
    client, fhir = sites
    with walled(made, client) as service:
        assert Sandbox(browser, client, fhir, service).open_file() == "done"
        elsewhere = client.replace("127.0.0.1", "localhost")  # the same page, and another site
        assert Sandbox(browser, elsewhere, fhir, service).open_file().startswith("failed")
        assert browser.find_elements(By.TAG_NAME, "article") == []

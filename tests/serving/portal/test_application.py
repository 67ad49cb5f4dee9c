"""Nobody gets in, signs or changes anything in the portal except members, on purpose, from its own pages."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp

from serving.portal.application import Portal, application
from serving.portal.second_factor import SECONDS, Codes
from serving.portal.second_factor import code as code_of
from serving.portal.sessions import IDLE, LONGEST, WINDOW, Patience, Sessions
from tests.serving.portal.sitting import PASSWORD, ROOT, TELEPHONE, Sitting, members, roll, signer

SITE = "http://comite.example"


class InProcess(httpx.BaseTransport):
    """Asks an application without a network."""

    def __init__(self, app: ASGIApp) -> None:
        self.transport = httpx.ASGITransport(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def asked() -> httpx.Response:
            found = await self.transport.handle_async_request(request)
            content = b"".join([part async for part in found.aiter_raw()])
            return httpx.Response(found.status_code, headers=found.headers, content=content)

        return asyncio.run(asked())


class Browser(httpx.Client):
    """Knows who sits before it."""

    member = ""


def browser(portal: Portal) -> Browser:
    return Browser(transport=InProcess(application(portal)), base_url=SITE)


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def sitting(tmp_path: Path) -> Sitting:
    return Sitting.open(tmp_path / "committee")


@pytest.fixture
def card(sitting: Sitting) -> str:
    return sitting.shelve()


@pytest.fixture
def portal(sitting: Sitting, seconds: Seconds) -> Portal:
    return Portal(
        sitting.committee,
        sitting.members,
        codes=Codes(TELEPHONE.clock),
        sessions=Sessions(seconds),
        patience=Patience(seconds),
    )


@pytest.fixture
def client(portal: Portal) -> Iterator[Browser]:
    with browser(portal) as client:
        yield client


def token(page: httpx.Response) -> str:
    found = re.search(r'name="token" value="([0-9a-f]{64})"', page.text)
    assert found is not None
    return found[1]


def sign_in(client: Browser, name: str, password: str = PASSWORD, code: str | None = None) -> httpx.Response:
    page = client.get("/fr/sign-in")
    client.member = name
    fields = {"name": name, "password": password, "code": TELEPHONE.code(name) if code is None else code}
    return client.post("/fr/sign-in", data={"token": token(page), **fields})


def send(client: Browser, card: str, act: str, **fields: str) -> httpx.Response:
    page = client.get(f"/fr/cards/{card}")
    code = TELEPHONE.code(client.member)
    return client.post(f"/fr/cards/{card}", data={"token": token(page), "act": act, "code": code, **fields})


# --- Getting in -------------------------------------------------------------------------------------------


MEMBERS_ONLY = (
    "cards",
    "ledger",
    "cards/{card}",
    "cards/{card}/card.fr.html",
    "cards/{card}/patient.en.html",
    "cards/{card}/since/{card}/changes.fr.html",
)


@pytest.mark.parametrize("path", MEMBERS_ONLY)
def test_what_is_for_members_is_for_members(client: Browser, card: str, path: str) -> None:
    answer = client.get(f"/fr/{path.format(card=card)}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/fr/sign-in"
    assert answer.text == ""
    sign_in(client, "doctor")
    assert client.get(f"/fr/{path.format(card=card)}").status_code == 200


def test_a_cookie_is_for_us_alone(client: Browser, portal: Portal) -> None:
    answer = sign_in(client, "doctor")
    assert answer.status_code == 303
    (cookie,) = (each for each in answer.headers.get_list("set-cookie") if each.startswith("vigie_member="))
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie, "it would not come back over plain HTTP"
    with browser(Portal(portal.committee, portal.members, secure=True)) as secure:
        page = secure.get("/fr/sign-in")
        assert "Secure" in page.headers["set-cookie"]
        assert "strict-transport-security" in page.headers


@pytest.mark.parametrize(("name", "password"), [("doctor", "x" * 20), ("nobody", PASSWORD), ("", ""), ("doctor", "")])
def test_wrong_names_and_passwords_are_told_alike(client: Browser, name: str, password: str) -> None:
    answer = sign_in(client, name, password)
    assert answer.status_code == 403
    assert "Nom, mot de passe ou code incorrect" in answer.text
    assert client.get("/fr/cards").status_code == 303
    if password:
        assert password not in answer.text


@pytest.mark.parametrize("wrong", ["", "12345", "1234567", "abcdef", "000000", "doctor's"])
def test_a_password_without_its_code_is_not_enough(client: Browser, wrong: str) -> None:
    assert sign_in(client, "doctor", code=wrong).status_code == 403
    assert client.get("/fr/cards").status_code == 303


def test_a_code_serves_once_and_for_its_member_alone(client: Browser, card: str) -> None:
    code = TELEPHONE.code("doctor")
    assert sign_in(client, "lawyer", code=code).status_code == 403
    assert sign_in(client, "doctor", code=code).status_code == 303
    answer = send(client, card, "interest", text="Un lien", password=PASSWORD, code=code)
    assert answer.status_code == 422
    assert "Un code ne sert qu’une fois" in answer.text
    client.cookies.clear()
    assert sign_in(client, "doctor", code=code).status_code == 403
    assert sign_in(client, "doctor").status_code == 303


def test_old_and_early_codes_are_wrong(client: Browser) -> None:
    late = TELEPHONE.code("doctor")
    TELEPHONE.now += 2 * SECONDS
    assert sign_in(client, "doctor", code=late).status_code == 403
    early = code_of(signer("doctor").key, TELEPHONE.now + 2 * SECONDS)
    assert sign_in(client, "doctor", code=early).status_code == 403


def test_a_demonstration_says_so_and_asks_for_no_code(tmp_path: Path) -> None:
    made = Sitting.open(tmp_path / "demonstration", demonstration=True)
    with browser(Portal(made.committee, made.members)) as client:
        page = client.get("/fr/sign-in").text
        assert 'name="code"' not in page
        assert "comité fictif" in page
        assert sign_in(client, "doctor", code="").status_code == 303


def test_wrong_passwords_wear_patience_out(client: Browser, seconds: Seconds) -> None:
    for _ in range(5):
        assert sign_in(client, "doctor", "x" * 20).status_code == 403
    answer = sign_in(client, "doctor")
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= WINDOW + 1
    assert sign_in(client, "lawyer").status_code == 303, "others may still sign in"
    client.cookies.clear()
    seconds.now += WINDOW + 1
    assert sign_in(client, "doctor").status_code == 303


def test_strangers_elsewhere_do_not_lock_a_member_out() -> None:
    patience = Patience(Seconds())
    for _ in range(49):
        patience.failed("doctor", "203.0.113.9")
    assert patience.wait("doctor", "203.0.113.9") > 0
    assert patience.wait("doctor", "198.51.100.7") == 0
    assert patience.wait("lawyer", "203.0.113.9") > 0, "one address tries no end of names"
    patience.failed("doctor", "203.0.113.10")
    assert patience.wait("doctor", "198.51.100.7") > 0, "nor do many addresses try one name for ever"


@pytest.mark.parametrize(("idle", "times"), [(IDLE + 1, 1), (IDLE - 1, int(LONGEST / IDLE) + 1)])
def test_nobody_stays_signed_in_for_ever(client: Browser, seconds: Seconds, idle: float, times: int) -> None:
    sign_in(client, "doctor")
    for _ in range(times):
        seconds.now += idle
        last = client.get("/fr/cards")
    assert last.status_code == 303


def test_signing_out_ends_it_on_the_server(client: Browser) -> None:
    sign_in(client, "doctor")
    cookie = client.cookies["vigie_member"]
    client.post("/fr/sign-out", data={"token": token(client.get("/fr/cards"))})
    client.cookies.set("vigie_member", cookie, domain="comite.example")
    assert client.get("/fr/cards").status_code == 303


def test_who_leaves_the_roll_is_out_at_once(client: Browser, sitting: Sitting) -> None:
    sign_in(client, "researcher")
    left = tuple(each.member for each in members().members if each.member.id != "researcher")
    sitting.committee.ledger.declare(roll(members=left, declared_at=sitting.clock()), ROOT)
    assert client.get("/fr/cards").status_code == 303
    assert sign_in(client, "researcher").status_code == 403


# --- Forms ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["", "0" * 64, "é" * 64])
def test_a_form_without_our_token_does_nothing(client: Browser, sitting: Sitting, card: str, wrong: str) -> None:
    sign_in(client, "doctor")
    answer = client.post(f"/fr/cards/{card}", data={"token": wrong, "act": "ask", "text": "?"})
    assert answer.status_code == 403
    assert sitting.file(card).questions == {}


def test_a_token_is_of_one_session(client: Browser, portal: Portal, sitting: Sitting, card: str) -> None:
    sign_in(client, "doctor")
    stolen = token(client.get(f"/fr/cards/{card}"))
    with browser(portal) as other:
        sign_in(other, "lawyer")
        assert other.post(f"/fr/cards/{card}", data={"token": stolen, "act": "ask", "text": "?"}).status_code == 403
    assert sitting.file(card).questions == {}


@pytest.mark.parametrize(
    "headers", [{"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}]
)
def test_a_form_of_another_site_does_nothing(
    client: Browser, sitting: Sitting, card: str, headers: dict[str, str]
) -> None:
    sign_in(client, "doctor")
    known = token(client.get(f"/fr/cards/{card}"))
    fields = {"token": known, "act": "ask", "text": "?"}
    assert client.post(f"/fr/cards/{card}", data=fields, headers=headers).status_code == 403
    assert client.post(f"/fr/cards/{card}", data=fields, headers={"origin": SITE}).status_code == 303
    assert len(sitting.file(card).questions) == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"token=a&token=b", "application/x-www-form-urlencoded"),
        (b"x" * 70_000, "application/x-www-form-urlencoded"),
        (b"token=%ff", "application/x-www-form-urlencoded"),
        (b"token=a%00", "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % number for number in range(30)), "application/x-www-form-urlencoded"),
        (b'{"token": "a"}', "application/json"),
    ],
)
def test_what_is_no_form_of_ours_is_refused(client: Browser, card: str, body: bytes, kind: str) -> None:
    sign_in(client, "doctor")
    assert client.post(f"/fr/cards/{card}", content=body, headers={"content-type": kind}).status_code == 400


def test_a_double_submission_is_one_vote(client: Browser, sitting: Sitting, card: str) -> None:
    motion = sitting.propose(card)
    sign_in(client, "doctor")
    fields = {"motion": motion, "choice": "for", "password": PASSWORD}
    assert send(client, card, "vote", **fields).headers["location"].endswith("?done=voted")
    again = send(client, card, "vote", **fields)
    assert again.status_code == 409
    assert "déjà enregistré" in again.text
    assert list(sitting.file(card).poll.votes) == ["doctor"]


@pytest.mark.parametrize("act", ["vote", "close", "abandon", "interest", "suspend", "propose"])
def test_what_binds_is_signed_with_the_password(client: Browser, sitting: Sitting, card: str, act: str) -> None:
    motion = sitting.propose(card) if act != "propose" else ""
    before = sitting.committee.record.head, sitting.committee.ledger.head
    sign_in(client, "chair")
    fields = {"motion": motion, "choice": "for", "text": "x", "reasons": "x", "verdict": "refused"}
    answer = send(client, card, act, **fields, password="x" * 20)
    assert answer.status_code == 422
    assert "rien n’a été signé" in answer.text
    assert (sitting.committee.record.head, sitting.committee.ledger.head) == before


def test_a_form_that_says_too_little_says_everything_that_is_wrong(client: Browser, card: str) -> None:
    sign_in(client, "chair")
    answer = send(client, card, "propose", youngest="70", oldest="x", monitoring="Rapport annuel", password=PASSWORD)
    assert answer.status_code == 422
    for fault in ("Choisissez ce qui est proposé", "Motifs", "Âges"):
        assert fault in answer.text
    assert "Rapport annuel</textarea>" in answer.text, "nothing has to be written twice"
    assert PASSWORD not in answer.text


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"verdict": "approved", "valid_until": ""}, "Dernier jour d’usage"),
        ({"verdict": "approved", "valid_until": "2026-08-31"}, "déjà passé"),
        ({"verdict": "approved", "valid_until": "2030-01-01"}, "365 jours au plus"),
        ({"verdict": "approved", "valid_until": "2027-01-01", "other": "x"}, "Approuver sous conditions"),
        ({"verdict": "approved_with_conditions", "valid_until": "2027-01-01"}, "au moins une condition"),
        ({"verdict": "refused", "reasons": "x" * 5001}, "5000 caractères"),
        ({"verdict": "reinstated", "valid_until": "2027-01-01"}, "seul un modèle suspendu"),
        ({"verdict": "suspended"}, "Choisissez ce qui est proposé"),
        ({"verdict": "refused", "youngest": "50", "oldest": "69"}, "dites en mots"),
    ],
)
def test_a_motion_that_cannot_be_is_refused(
    client: Browser, sitting: Sitting, card: str, fields: dict[str, str], fault: str
) -> None:
    sign_in(client, "chair")
    answer = send(client, card, "propose", **({"reasons": "Motif", "password": PASSWORD} | fields))
    assert answer.status_code in (409, 422)
    assert fault in answer.text
    assert sitting.file(card).poll is None


def test_a_clock_set_back_is_told(client: Browser, sitting: Sitting, card: str) -> None:
    sign_in(client, "doctor")
    assert send(client, card, "ask", text="Une question").status_code == 303
    sitting.clock.now -= timedelta(days=1)
    answer = send(client, card, "ask", text="Une autre question")
    assert answer.status_code == 409
    assert "L’horloge du serveur retarde" in answer.text
    assert "Une autre question</textarea>" in answer.text


def test_what_members_write_is_text(client: Browser, card: str) -> None:
    sign_in(client, "doctor")
    send(client, card, "ask", text="<script>alert(1)</script> « d'accord »")
    page = client.get(f"/fr/cards/{card}").text
    assert "<script" not in page
    assert "&lt;script&gt;" in page


# --- Pages ------------------------------------------------------------------------------------------------


def test_no_page_may_run_a_script_or_be_framed(client: Browser, card: str) -> None:
    sign_in(client, "doctor")
    paths = ["fr/transparency", "fr/cards", f"fr/cards/{card}", "fr/ledger", "nowhere", "fr/cards/" + "f" * 64]
    for path in paths:
        answer = client.get(f"/{path}")
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "<script" not in answer.text
        assert not re.search(r'\s(style|on\w+)="', answer.text), "nothing inline"
        assert not re.search(r'(src|href)="(https?:)?//', answer.text), "nothing from elsewhere"
    page = client.get(f"/fr/cards/{card}/card.fr.html")
    assert "sandbox allow-same-origin" in page.headers["content-security-policy"]
    assert "script" not in page.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/xx/cards", "/fr/cards/" + "f" * 64, "/fr/nowhere", "/fr/cards/x/card.fr.html"])
def test_what_is_not_there_is_not_found(client: Browser, path: str) -> None:
    sign_in(client, "doctor")
    assert client.get(path).status_code == 404


def test_what_is_not_there_is_not_found_in_the_language_of_its_address(client: Browser) -> None:
    assert '<html lang="en">' in client.get("/en/nowhere").text
    assert '<html lang="fr">' in client.get("/fr/nowhere").text


def test_the_card_is_the_one_that_was_signed_for(client: Browser, sitting: Sitting, card: str) -> None:
    """What is read is made from what the digest covers, not from a page that lies beside it."""
    sign_in(client, "doctor")
    folder = sitting.folder / "cards" / card
    (folder / "card.fr.html").write_text("<h1>Parfait en tout</h1>")
    page = client.get(f"/fr/cards/{card}/card.fr.html")
    assert page.status_code == 200
    assert "Parfait en tout" not in page.text
    (folder / "audit.json").write_text("{}")
    page = client.get(f"/fr/cards/{card}/card.fr.html")
    assert page.status_code == 503
    assert "Ne décidez pas" in page.text


@pytest.mark.parametrize("name", ["card.de.html", "other.fr.html"])
def test_a_card_has_its_documents_and_no_others(client: Browser, card: str, name: str) -> None:
    sign_in(client, "doctor")
    assert client.get(f"/fr/cards/{card}/{name}").status_code == 404


def test_everybody_reads_what_was_decided_upon(client: Browser, sitting: Sitting, card: str) -> None:
    pages = [f"/fr/cards/{card}/{name}.fr.html" for name in ("card", "patient")]
    assert [client.get(page).status_code for page in pages] == [303, 303]
    sitting.decide(card)
    assert [client.get(page).status_code for page in pages] == [200, 200]
    assert all(page in client.get("/fr/transparency").text for page in pages)
    assert client.get(f"/fr/cards/{card}").status_code == 303, "the file itself is the committee's"


def test_an_altered_card_is_not_shown(client: Browser, sitting: Sitting, card: str) -> None:
    path = sitting.folder / "cards" / card / "card.json"
    path.write_text(path.read_text().replace("Texte", "Tekste", 1))
    sign_in(client, "doctor")
    assert client.get(f"/fr/cards/{card}").status_code == 404
    assert card in client.get("/fr/cards").text, "and the list says so"


def test_a_ledger_that_cannot_be_trusted_stops_the_portal(client: Browser, sitting: Sitting, card: str) -> None:
    sitting.decide(card)
    sign_in(client, "doctor")
    path = sitting.committee.ledger.path
    path.write_bytes(path.read_bytes().replace(b"Motifs du", b"Motifs de"))
    for page in ("fr/cards", f"fr/cards/{card}", "fr/transparency"):
        answer = client.get(f"/{page}")
        assert answer.status_code == 503
        assert "ledger entry 1" in answer.text
        assert str(sitting.folder) not in answer.text


def test_the_public_page_says_what_was_decided(client: Browser, sitting: Sitting, card: str) -> None:
    sitting.committee.ask(signer("doctor"), card, "Une question entre nous")
    sitting.decide(card)
    page = client.get("/fr/transparency").text
    assert "Modèles en service (1)" in page
    assert "Motifs du comité" in page
    assert "patient_information" in page
    assert "contact@comite.example" in page
    assert "Une question entre nous" not in page
    assert "Modèles en cours d’examen" not in page
    sitting.committee.suspend(signer("chair"), card, "Dérive constatée")
    page = client.get("/en/transparency").text
    assert "Models in use (0)" in page
    assert "Suspended models (1)" in page
    assert "Dérive constatée" in page


def test_votes_are_not_shown_before_the_end(client: Browser, sitting: Sitting, card: str) -> None:
    motion = sitting.propose(card)
    sitting.vote(card, motion, "lawyer", choice="against")
    sign_in(client, "doctor")
    during = client.get(f"/fr/cards/{card}").text
    assert "Lawyer (juriste)" in during
    assert "Motif</td>" not in during
    sitting.committee.abandon(signer("chair"), card, motion)
    after = client.get(f"/fr/cards/{card}").text
    assert '<th scope="row">Lawyer</th><td>Contre</td>' in after

"""The portal over HTTP: addresses, cookies, and what a browser may do with a page of ours.

Every page works without a script, and none may run one.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from features.typography import LANGUAGES, Language
from serving.languages import preferred
from serving.portal import forms
from serving.portal.committee import Committee, NoRoll, NotAllowed, Signer, Standing
from serving.portal.forms import Form, InvalidForm
from serving.portal.keys import Members, UnusableMembers
from serving.portal.rendering import STYLE, render
from serving.portal.second_factor import Codes
from serving.portal.sessions import Patience, Session, Sessions
from serving.portal.shelf import Submitted
from serving.portal.transparency import published
from training.card import AlteredCard
from training.committee import AlteredLedger, Choice, Member, latest, quorum_faults
from training.values import Bilingual

SIGNED_IN: Final = "vigie_member"
VISITOR: Final = "vigie_visitor"

CHOICES: Final[Mapping[str, Choice]] = {"for": "for", "against": "against", "abstain": "abstain"}

HEADERS: Final[Mapping[str, str]] = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "same-origin",  # with less, browsers do not say where a form of ours comes from
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
CARD_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox allow-same-origin"
)
"""A card's page has its style inside; it may neither run a script nor send a form. Without ``allow-same-origin`` its
link to the other language would not carry the member's cookie."""

DONE: Final[Mapping[str, Bilingual]] = {
    "asked": Bilingual(fr="Votre question est au dossier.", en="Your question is on the record."),
    "answered": Bilingual(fr="Votre réponse est au dossier.", en="Your answer is on the record."),
    "interest": Bilingual(
        fr="Votre déclaration est au dossier : vous ne prenez plus part aux décisions sur cette carte.",
        en="Your declaration is on the record: you take no more part in decisions about this card.",
    ),
    "proposed": Bilingual(fr="Le vote est ouvert.", en="The vote is open."),
    "voted": Bilingual(fr="Votre vote est enregistré et signé.", en="Your vote is recorded and signed."),
    "decided": Bilingual(
        fr="La décision est signée et inscrite au registre.", en="The decision is signed and in the ledger."
    ),
    "not-carried": Bilingual(
        fr="Le vote est clos : la proposition n’a pas obtenu de majorité.",
        en="The vote has ended: the motion had no majority.",
    ),
    "abandoned": Bilingual(fr="Le vote est clos sans résultat.", en="The vote has ended without a result."),
    "suspended": Bilingual(
        fr="Le modèle est suspendu ; il ne répond plus.", en="The model is suspended; it no longer answers."
    ),
    "suspending": Bilingual(
        fr="Votre demande de suspension est signée ; un autre membre doit la rejoindre.",
        en="Your request to suspend is signed; another member must join it.",
    ),
}
WRONG: Final = Bilingual(
    fr="Nom, mot de passe ou code incorrect. Un code ne sert qu’une fois.",
    en="Wrong name, password or code. A code serves once only.",
)
NOT_SIGNED: Final = Bilingual(
    fr="Mot de passe ou code incorrect : rien n’a été signé. Un code ne sert qu’une fois : attendez le suivant.",
    en="Wrong password or code: nothing was signed. A code serves once only: wait for the next one.",
)
STALE: Final = Bilingual(
    fr="Ce formulaire est trop ancien ou ne vient pas de ce portail : reconnectez-vous et recommencez.",
    en="This form is too old or not from this portal: sign in and start again.",
)


@dataclass(frozen=True)
class Portal:
    """All that the pages need.

    Parameters
    ----------
    committee
        The committee at work.
    members
        The members' file, read at each password so that a change counts at once.
    secure
        Whether browsers reach the portal over HTTPS: cookies are then never sent otherwise.
    sessions, codes, patience
        Who is signed in, which codes were used, and wrong passwords.
    """

    committee: Committee
    members: Path
    secure: bool = False
    sessions: Sessions = field(default_factory=Sessions)
    codes: Codes = field(default_factory=Codes)
    patience: Patience = field(default_factory=Patience)

    def identify(self, name: str, form: Form) -> tuple[Member, Ed25519PrivateKey] | None:
        """Return who gave a right password and a right code, with the key that signs; None for anybody else.

        A demonstration's members have no telephone: everybody knows their password, and no code is asked for.
        """
        opened = Members.load(self.members).open(name, form.get("password", ""))
        roll = self.committee.standing().roll
        if opened is None or roll.member(name) != opened[0]:
            return None
        is_right = roll.demonstration or self.codes.accept(name, opened[1], form.get("code", ""))
        return opened if is_right else None


@dataclass(frozen=True)
class Visit:
    """One request, as the pages see it."""

    portal: Portal
    request: Request
    language: Language
    session: Session | None
    cookie: str
    form: Form

    @property
    def token(self) -> str:
        """What the page's forms send back."""
        return self.portal.sessions.token(self.cookie)

    @property
    def address(self) -> str:
        """Where the client is, for counting wrong passwords."""
        return self.request.client.host if self.request.client else ""

    @property
    def member(self) -> Member:
        """Who is signed in."""
        assert self.session is not None, "only members get this far"
        return self.session.member

    def signer(self) -> Signer:
        """Return the member with the key that signs."""
        assert self.session is not None, "only members get this far"
        return Signer(self.session.member.id, self.session.key)

    def page(self, template: str, here: str, code: int = 200, **values: Any) -> Response:
        """Return a page; ``here`` is its address after the language."""
        html = render(
            template,
            self.language,
            here=here,
            session=self.session,
            token=self.token,
            alone=False,
            style=None,
            **values,
        )
        return HTMLResponse(html, code)

    def to(self, where: str) -> Response:
        """Send the browser to another page in the same language."""
        return RedirectResponse(f"/{self.language}/{where}", 303)


class SignedOut(Exception):
    """Somebody who was a member when signing in and is not any more."""


Handler = Callable[[Visit], Response]


def application(portal: Portal) -> ASGIApp:
    """Return the portal as an application."""

    def here(handler: Handler, *, public: bool = False) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            visit = await _visit(portal, request)
            if visit.session is None and not public:
                return visit.to("sign-in")
            return await run_in_threadpool(_guarded, handler, visit)

        return endpoint

    starlette = Starlette(
        routes=[
            Route("/", _start),
            Route("/style.css", _style),
            Route("/favicon.ico", _nothing),
            Route("/livez", _alive),
            Route("/{language}/", here(_home, public=True)),
            Route("/{language}/transparency", here(_transparency, public=True)),
            Route("/{language}/sign-in", here(_sign_in_page, public=True)),
            Route("/{language}/sign-in", here(_sign_in, public=True), methods=["POST"]),
            Route("/{language}/sign-out", here(_sign_out), methods=["POST"]),
            Route("/{language}/cards", here(_cards)),
            Route("/{language}/cards/{card}", here(_card)),
            Route("/{language}/cards/{card}", here(_act), methods=["POST"]),
            Route("/{language}/cards/{card}/{document}.{page}.html", here(_document, public=True)),
            Route("/{language}/cards/{card}/since/{older}/changes.{page}.html", here(_changes)),
            Route("/{language}/ledger", here(_ledger)),
        ],
        exception_handlers={HTTPException: _not_here, Exception: _failed},
    )
    return _Headers(starlette, portal.secure)


class _Headers:
    """Adds the headers that every answer has, unless it says otherwise itself."""

    def __init__(self, app: ASGIApp, secure: bool) -> None:
        self.app = app
        self.added = dict(HEADERS) | ({"strict-transport-security": "max-age=31536000"} if secure else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                more = [(n.encode(), v.encode()) for n, v in self.added.items() if n.encode() not in present]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        await self.app(scope, receive, adding if scope["type"] == "http" else send)


async def _visit(portal: Portal, request: Request) -> Visit:
    """Return the request as a visit, its form read and found to be ours; raise HTTPException if it is not."""
    wanted = request.path_params["language"]
    language = next((language for language in LANGUAGES if language == wanted), None)
    if language is None:
        raise HTTPException(404)
    cookie = request.cookies.get(SIGNED_IN)
    session = portal.sessions.find(cookie)
    if session is None:
        cookie = request.cookies.get(VISITOR)
    form: Form = {}
    if request.method == "POST":
        try:
            form = await forms.read(request)
        except InvalidForm:
            raise HTTPException(400) from None
        if _from_elsewhere(request) or not portal.sessions.is_ours(cookie, form.get("token", "")):
            raise HTTPException(403)
    return Visit(portal, request, language, session, cookie or "", form)


def _from_elsewhere(request: Request) -> bool:
    """Return whether a browser says that a page of another site sends a form."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def _guarded(handler: Handler, visit: Visit) -> Response:
    """Answer, and say so in plain words where ledger or record cannot be trusted."""
    try:
        return handler(visit)
    except SignedOut:
        return visit.to("sign-in")
    except (AlteredLedger, NoRoll, UnusableMembers, FileNotFoundError) as error:
        return visit.page("trouble.html.j2", "cards", 503, error=_trouble(error))


def _trouble(error: Exception) -> str:
    """Return what is wrong with a file, without where it is."""
    if isinstance(error, FileNotFoundError):
        return "the members’ file is not there"
    return str(error)


async def _start(request: Request) -> Response:
    return RedirectResponse(f"/{preferred(request.headers.get('accept-language'))}/", 303)


async def _style(_: Request) -> Response:
    return PlainTextResponse(STYLE, media_type="text/css", headers={"cache-control": "max-age=600"})


async def _nothing(_: Request) -> Response:
    return Response(status_code=204)


async def _alive(_: Request) -> Response:
    return PlainTextResponse("ok")


async def _not_here(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    language: Language = "en" if request.url.path.startswith("/en/") else "fr"  # no door, no parameters
    page = render(
        "trouble.html.j2",
        language,
        here="",
        session=None,
        token="",
        alone=False,
        style=None,
        error=None if error.status_code == 404 else getattr(STALE, language),
    )
    return HTMLResponse(page, error.status_code, dict(error.headers or {}))


async def _failed(_: Request, __: Exception) -> Response:
    return PlainTextResponse("Une erreur est survenue. / Something went wrong.", 500)


# Pages for everybody


def _home(visit: Visit) -> Response:
    return visit.to("transparency" if visit.session is None else "cards")


def _transparency(visit: Visit) -> Response:
    roll, models = published(visit.portal.committee)
    return visit.page(
        "transparency.html.j2",
        "transparency",
        roll=roll,
        models=models,
        today=visit.portal.committee.clock(),
        demonstration=roll is not None and roll.demonstration,
    )


def _sign_in_page(visit: Visit) -> Response:
    return _ask_password(visit) if visit.session is None else visit.to("cards")


def _ask_password(visit: Visit, fault: Bilingual | None = None, status: int = 200, wait: float = 0.0) -> Response:
    """Return the page to sign in, with a cookie that its form belongs to."""
    known = visit.request.cookies.get(VISITOR, "")
    asked = replace(visit, cookie=known if len(known) >= 43 else secrets.token_urlsafe(32), session=None)
    page = asked.page(
        "sign_in.html.j2",
        "sign-in",
        status,
        fault=fault,
        name=visit.form.get("name", "")[:40],
        demonstration=visit.portal.committee.standing().roll.demonstration,
    )
    _set_cookie(page, visit.portal, VISITOR, asked.cookie)
    if wait:
        page.headers["retry-after"] = str(round(wait) + 1)
    return page


def _set_cookie(response: Response, portal: Portal, name: str, value: str) -> None:
    response.set_cookie(name, value, path="/", httponly=True, samesite="strict", secure=portal.secure)


def _sign_in(visit: Visit) -> Response:
    portal, name = visit.portal, visit.form.get("name", "")[:40].lower()
    if wait := portal.patience.wait(name, visit.address):
        minutes = int(wait // 60) + 1
        fault = Bilingual(
            fr=f"Trop de mots de passe incorrects : réessayez dans {minutes} min.",
            en=f"Too many wrong passwords: try again in {minutes} min.",
        )
        return _ask_password(visit, fault, 429, wait)
    opened = portal.identify(name, visit.form)
    if opened is None:
        portal.patience.failed(name, visit.address)
        return _ask_password(visit, WRONG, 403)
    portal.patience.succeeded(name, visit.address)
    answer = visit.to("cards")
    _set_cookie(answer, portal, SIGNED_IN, portal.sessions.begin(*opened))
    answer.delete_cookie(VISITOR)
    return answer


# Pages for members


def _sign_out(visit: Visit) -> Response:
    visit.portal.sessions.end(visit.cookie)
    answer = visit.to("sign-in")
    answer.delete_cookie(SIGNED_IN)
    return answer


def _standing(visit: Visit) -> Standing:
    """Return what was decided so far; sign out who is no longer on the roll."""
    standing = visit.portal.committee.standing()
    if standing.roll.member(visit.member.id) != visit.member:
        visit.portal.sessions.end(visit.cookie)
        raise SignedOut
    return standing


def _cards(visit: Visit) -> Response:
    standing, committee = _standing(visit), visit.portal.committee
    rows = [
        (each, file := standing.file(each.digest), committee.status(file.decision))
        for each in committee.shelf.submitted()
    ]
    return visit.page(
        "cards.html.j2",
        "cards",
        rows=rows,
        unreadable=committee.shelf.unreadable(),
        roll=standing.roll,
        demonstration=standing.roll.demonstration,
    )


def _submitted(visit: Visit, name: str = "card") -> Submitted:
    found = visit.portal.committee.shelf.find(visit.request.path_params[name])
    if found is None:
        raise HTTPException(404)
    return found


def _card(visit: Visit) -> Response:
    return _file_page(visit, done=DONE.get(visit.request.query_params.get("done", "")))


def _file_page(
    visit: Visit, status: int = 200, faults: tuple[Bilingual, ...] = (), done: Bilingual | None = None
) -> Response:
    """Return everything about a card on a page, what was sent in vain still in its fields."""
    standing, committee, card = _standing(visit), visit.portal.committee, _submitted(visit)
    file = standing.file(card.digest)
    poll = file.poll
    present = standing.present(file, poll) if poll else []
    others = [
        each
        for each in committee.shelf.submitted()
        if each.digest != card.digest and each.card.identity.study == card.card.identity.study
    ]
    return visit.page(
        "card.html.j2",
        f"cards/{card.digest}",
        status,
        submitted=card,
        file=file,
        status=committee.status(file.decision),
        standing=standing,
        member=visit.member,
        voter=visit.member in standing.voters(file),
        present=present,
        missing=quorum_faults(present, standing.roll.rules) if poll else [],
        others=others,
        faults=faults,
        done=done,
        kept=visit.form if faults else {},
        rules=standing.roll.rules,
        today=committee.clock().date(),
        demonstration=standing.roll.demonstration,
    )


def _act(visit: Visit) -> Response:
    """Do what a form on a card's page asks for."""
    act = ACTS.get(visit.form.get("act", ""))
    if act is None:
        raise HTTPException(400)
    _standing(visit)
    card = _submitted(visit)
    try:
        done = act(visit, card.digest)
    except InvalidForm as invalid:
        return _file_page(visit, 422, invalid.faults)
    except NotAllowed as refused:
        return _file_page(visit, 409, (refused.said,))
    return visit.to(f"cards/{card.digest}?done={done}")


def _signing(visit: Visit) -> Signer:
    """Return who signs, once password and code were given again: nobody votes on a screen that was left alone."""
    name, patience = visit.member.id, visit.portal.patience
    if patience.wait(name, visit.address):
        raise InvalidForm(
            Bilingual(
                fr="Trop de mots de passe incorrects : rien n’a été signé. Réessayez dans un quart d’heure.",
                en="Too many wrong passwords: nothing was signed. Try again in a quarter of an hour.",
            )
        )
    if visit.portal.identify(name, visit.form) is None:
        patience.failed(name, visit.address)
        raise InvalidForm(NOT_SIGNED)
    return visit.signer()


def _ask(visit: Visit, card: str) -> str:
    text = forms.text(visit.form, "text", Bilingual(fr="Question", en="Question"))
    visit.portal.committee.ask(visit.signer(), card, text)
    return "asked"


def _answer(visit: Visit, card: str) -> str:
    text = forms.text(visit.form, "text", Bilingual(fr="Réponse", en="Answer"))
    number = visit.form.get("question", "")
    visit.portal.committee.answer(visit.signer(), card, int(number) if number.isdecimal() else -1, text)
    return "answered"


def _interest(visit: Visit, card: str) -> str:
    text = forms.text(visit.form, "text", Bilingual(fr="Intérêt", en="Interest"))
    visit.portal.committee.declare_interest(_signing(visit), card, text)
    return "interest"


def _propose(visit: Visit, card: str) -> str:
    motion = forms.motion(visit.form, card)
    visit.portal.committee.propose(_signing(visit), motion)
    return "proposed"


def _vote(visit: Visit, card: str) -> str:
    choice = CHOICES.get(visit.form.get("choice", ""))
    if choice is None:
        raise InvalidForm(
            Bilingual(
                fr="Choisissez « Pour », « Contre » ou « Abstention ».", en="Choose “For”, “Against” or “Abstain”."
            )
        )
    reasons = forms.text(visit.form, "reasons", forms.REASONS, needed=choice == "against")
    visit.portal.committee.vote(_signing(visit), card, visit.form.get("motion", ""), choice, reasons)
    return "voted"


def _close(visit: Visit, card: str) -> str:
    carried = visit.portal.committee.close(_signing(visit), card, visit.form.get("motion", ""))
    return "decided" if carried else "not-carried"


def _abandon(visit: Visit, card: str) -> str:
    visit.portal.committee.abandon(_signing(visit), card, visit.form.get("motion", ""))
    return "abandoned"


def _suspend(visit: Visit, card: str) -> str:
    reasons = forms.text(visit.form, "reasons", forms.REASONS)
    return "suspended" if visit.portal.committee.suspend(_signing(visit), card, reasons) else "suspending"


ACTS: Final[Mapping[str, Callable[[Visit, str], str]]] = {
    "ask": _ask,
    "answer": _answer,
    "interest": _interest,
    "propose": _propose,
    "vote": _vote,
    "close": _close,
    "abandon": _abandon,
    "suspend": _suspend,
}


def _document(visit: Visit) -> Response:
    """Return the card or the page for patients: for members, and for everybody once there is a decision."""
    card, committee = _submitted(visit), visit.portal.committee
    decision = latest(committee.ledger.verify(committee.trusted_keys), card.digest)
    if visit.session is not None:
        _standing(visit)
    elif decision is None:
        return visit.to("sign-in")
    make = {"card": card.page, "patient": card.leaflet}.get(visit.request.path_params["document"])
    if make is None:
        raise HTTPException(404)
    return _sandboxed(visit, card, lambda language: make(decision, language))


def _changes(visit: Visit) -> Response:
    _standing(visit)
    newer, older = _submitted(visit), _submitted(visit, "older")
    return _sandboxed(visit, newer, lambda language: newer.changes(older, language))


def _sandboxed(visit: Visit, card: Submitted, page: Callable[[Language], str]) -> Response:
    """Return a page made by `training.card`, in the language of its address and under its own policy."""
    wanted = visit.request.path_params["page"]
    language = next((language for language in LANGUAGES if language == wanted), None)
    if language is None:
        raise HTTPException(404)
    try:
        return HTMLResponse(page(language), headers={"content-security-policy": CARD_POLICY})
    except AlteredCard:
        error = Bilingual(
            fr="Un document de ce dossier n’est pas celui dont la carte répond. Ne décidez pas sur cette base.",
            en="A document of this bundle is not the one its card answers for. Do not decide on it.",
        )
        return visit.page("trouble.html.j2", f"cards/{card.digest}", 503, error=getattr(error, visit.language))


def _ledger(visit: Visit) -> Response:
    standing, committee = _standing(visit), visit.portal.committee
    cards = {each.digest: each.card for each in committee.shelf.submitted()}
    return visit.page(
        "ledger.html.j2",
        "ledger",
        standing=standing,
        cards=cards,
        head=committee.ledger.head,
        record_head=committee.record.head,
        demonstration=standing.roll.demonstration,
    )

"""A committee is made, given work, shown to the public and obeyed from the command line."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from serving.__main__ import ALTERED, INVALID, MISSING, REFUSED, USAGE, main
from serving.settings import ALLOW_DEMONSTRATION, TRUSTED_KEYS
from tests.serving import bundles, live
from training.card import ModelCard
from training.committee import Ledger, decisions, generate_key, roll_in, save_private_key, save_public_key

SEATS = (
    ("a.martin", "Dr A. Martin", ("doctor", "chair")),
    ("b.petit", "Dr B. Petit", ("doctor",)),
    ("c.roux", "C. Roux", ("researcher",)),
    ("d.blanc", "Me D. Blanc", ("lawyer",)),
    ("e.noir", "E. Noir", ("patients_representative",)),
)
PASSWORD = "une phrase assez longue"
Portal = Callable[..., int]


@pytest.fixture
def portal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Portal:
    """Run a command of the portal, with what is typed; passwords are made cheap."""
    monkeypatch.setenv(TRUSTED_KEYS, "")
    monkeypatch.setenv(ALLOW_DEMONSTRATION, "")
    monkeypatch.setattr("serving.portal.keys.SealedMember.new.__func__.__defaults__", (4,))
    folder = tmp_path / "committee"
    (folder / "trusted").mkdir(parents=True)
    key = generate_key()
    save_private_key(key, folder / "root.pem")
    save_public_key(key, folder / "trusted" / "root.pem")

    def run(*arguments: str, typed: str = "", trusted: str = "trusted") -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        places = [f"--{name}={folder / file}" for name, file in (("ledger", "ledger.jsonl"), ("cards", "cards"))]
        places.append(f"--members={folder / 'members.json'}")
        return main(["portal", "--trusted-keys", str(folder / trusted), *places, *arguments])

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "committee"


def sit(portal: Portal, folder: Path) -> None:
    for name, shown, roles in SEATS:
        given = [argument for role in roles for argument in ("--role", role)]
        assert portal("member", name, "--shown", shown, *given, typed=f"{PASSWORD}\n") == 0
    known = ["--key", str(folder / "root.pem"), "--committee", "Comité", "--contact", "ecrire@comite.example"]
    assert portal("roll", *known) == 0


def bundle(folder: Path) -> tuple[Path, str]:
    """Make a bundle and return it with the digest of its card."""
    made = folder / "bundle"
    bundles.trained(bundles.linear(), made / "model")
    bundles.assemble(made, made / "model")
    return made, ModelCard.from_json((made / "card.json").read_bytes()).digest


def test_a_committee_is_made_and_given_work(portal: Portal, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sit(portal, folder)
    roll = roll_in(Ledger(folder / "ledger.jsonl").verify(folder / "trusted"))
    assert roll is not None
    assert [member.id for member in roll.members] == [name for name, *_ in SEATS]
    made, digest = bundle(folder)
    assert portal("submit", str(made)) == 0
    assert digest in capsys.readouterr().out
    assert portal("submit", str(made)) == 0
    assert "submitted already: nothing was changed" in capsys.readouterr().out
    page = folder / "public" / "transparence.html"
    assert portal("transparency", "--into", str(page)) == 0
    text = page.read_text(encoding="utf-8")
    assert "ecrire@comite.example" in text
    assert "Modèles en cours d’examen (1)" in text
    assert 'href="/' not in text, "a file of its own links to no portal"


def test_the_kill_switch_needs_neither_portal_nor_record(
    portal: Portal, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sit(portal, folder)
    made, digest = bundle(folder)
    assert portal("submit", str(made)) == 0
    (folder / "record.jsonl").write_text("damaged")
    ledger = Ledger(folder / "ledger.jsonl")
    asked = ["suspend", digest, "--reasons", "Dérive"]
    assert portal(*asked, "--member", "b.petit", typed=f"{PASSWORD}\n") == REFUSED, "one member is not enough"
    assert portal(*asked, "--member", "a.martin", typed="wrong password\n") == REFUSED
    assert portal("suspend", "short", "--reasons", "x", "--member", "a.martin", typed=f"{PASSWORD}\n") == INVALID
    assert decisions(ledger.entries()) == ()
    two = ["--member", "b.petit", "--member", "e.noir"]
    assert portal(*asked, *two, typed=f"{PASSWORD}\n{PASSWORD}\n") == 0
    assert portal(*asked, "--member", "a.martin", typed=f"{PASSWORD}\n") == 0
    assert [each.verdict for each in decisions(ledger.verify(folder / "trusted"))] == ["suspended", "suspended"]
    assert (folder / "cards" / digest / "ledger.jsonl").read_bytes() == ledger.path.read_bytes()
    assert PASSWORD not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "typed", "code", "said"),
    [
        (("member", "x", "--shown", "X", "--role", "doctor"), "short\n", INVALID, "12 characters"),
        (("member", "X!", "--shown", "X", "--role", "doctor"), f"{PASSWORD}\n", INVALID, "id"),
        (("roll", "--key", "nowhere", "--committee", "C", "--contact", "c"), "", MISSING, "members.json"),
        (("submit", "nowhere"), "", MISSING, "no bundle"),
        ((), "", MISSING, "members.json"),
        (("--host", "0.0.0.0"), "", USAGE, "HTTPS proxy"),
        (("--host", "elsewhere"), "", USAGE, "an address such as 127.0.0.1"),
    ],
)
def test_what_cannot_be_done_is_told(
    portal: Portal, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], typed: str, code: int, said: str
) -> None:
    assert portal(*arguments, typed=typed) == code
    assert said in capsys.readouterr().err


def test_a_committee_too_small_for_its_rules_is_refused(
    portal: Portal, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, shown, _ = SEATS[0]
    assert portal("member", name, "--shown", shown, "--role", "doctor", typed=f"{PASSWORD}\n") == 0
    assert portal("roll", "--key", str(folder / "root.pem"), "--committee", "C", "--contact", "c") == INVALID
    assert "1 members who vote are fewer than the quorum of 5" in capsys.readouterr().err


def test_what_is_altered_is_told_apart(portal: Portal, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sit(portal, folder)
    page = ("transparency", "--into", str(folder / "page.html"))
    ledger, members = folder / "ledger.jsonl", folder / "members.json"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole.replace(b"Comit", b"comit", 1))
    assert portal(*page) == ALTERED
    assert "ledger" in capsys.readouterr().err
    ledger.write_bytes(whole)
    assert portal(*page) == 0
    members.chmod(0o644)
    assert portal() == INVALID
    assert "chmod 600" in capsys.readouterr().err


@pytest.mark.slow
def test_the_portal_opens_and_closes(tmp_path: Path) -> None:
    places = [f"--{name}={tmp_path / file}" for name, file in (("ledger", "l.jsonl"), ("members", "m.json"))]
    places.append(f"--cards={tmp_path / 'cards'}")
    assert main(["portal", "--demonstration", *places, "demonstrate"]) == 0
    command = ["serving", "portal", "--demonstration", *places]
    with live.serving(command, live.environment(tmp_path), tmp_path / "log", "/livez") as server:
        page = httpx.get(f"{server.url}/fr/transparency", trust_env=False)
        assert "DÉMONSTRATION" in page.text
    assert "DEMONSTRATION" in (tmp_path / "log").read_text()

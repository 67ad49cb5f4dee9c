"""``python -m serving portal``: open the portal, submit a bundle, make members and a roll, write the public page."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from getpass import getpass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from features.typography import LANGUAGES
from serving import settings
from serving.commands import Altered, Invalid, NotThere, add_trust, taught
from serving.portal.keys import Members, SealedMember, UnusableMembers
from serving.portal.record import Record
from serving.portal.second_factor import enrolment
from serving.portal.shelf import AlreadySubmitted, Shelf
from serving.refusals import Refused
from training.committee import (
    ROLES,
    START,
    AlteredLedger,
    Ballot,
    Decision,
    InvalidKey,
    Ledger,
    Motion,
    RefusedDecision,
    Role,
    Roll,
    Rules,
    demonstration_key,
    load_private_key,
    roll_in,
)
from training.values import Bilingual

if TYPE_CHECKING:
    from serving.portal.committee import Committee

PORT: Final = 3001
DEMONSTRATION_PASSWORD: Final = "demonstration"
DEMONSTRATION_MEMBERS: Final[tuple[tuple[str, str, tuple[Role, ...]], ...]] = (
    ("presidente", "Dr Claire Aubry (fictive)", ("doctor", "chair")),
    ("vice-president", "Pr Hugo Le Goff (fictif)", ("researcher", "chair")),
    ("medecin", "Dr Inès Haddad (fictive)", ("doctor",)),
    ("chercheuse", "Maud Keller (fictive)", ("researcher",)),
    ("juriste", "Me Paul Rivet (fictif)", ("lawyer",)),
    ("patients", "Jeanne Morel (fictive)", ("patients_representative",)),
    ("autrice", "Équipe de l’étude (fictive)", ("author",)),
)


def add_to(portal: argparse.ArgumentParser) -> None:
    """Add what ``portal`` takes to its parser."""
    portal.epilog = taught(
        "python -m serving portal --demonstration demonstrate",
        "python -m serving portal --demonstration submit demo/cardiovascular/bundle",
        "python -m serving portal --demonstration",
    )
    portal.set_defaults(run=run, portal=_open)
    add_trust(portal)
    portal.add_argument("--ledger", type=Path, default=Path("committee/ledger.jsonl"), help="the committee's decisions")
    portal.add_argument(
        "--record", type=Path, help="the committee's deliberations; record.jsonl beside the ledger by default"
    )
    portal.add_argument("--cards", type=Path, default=Path("committee/cards"), help="folder of submitted bundles")
    portal.add_argument(
        "--members", type=Path, default=Path("committee/members.json"), help="who may sign in, with sealed keys"
    )
    portal.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    portal.add_argument("--port", type=int, default=PORT, help=f"port to listen on ({PORT})")
    portal.add_argument(
        "--behind-https",
        action="store_true",
        help="a proxy on this machine puts HTTPS in front and passes Host on: cookies are never sent without it",
    )
    commands = portal.add_subparsers(metavar="command")

    def command(
        name: str, about: str, does: Callable[[argparse.Namespace], None], given: str
    ) -> argparse.ArgumentParser:
        example = f"python -m serving portal {name} {given}".rstrip()
        added = commands.add_parser(name, help=about, description=about, epilog=taught(example))
        added.set_defaults(portal=does)
        return added

    submit = command("submit", "Submit a bundle to the committee.", _submit, "demo/cardiovascular/bundle")
    submit.add_argument("bundle", type=Path, help="folder of the bundle; its card must be final")
    about = "Write the public page as a file that needs nothing else."
    public = command("transparency", about, _transparency, "--into transparence.html")
    public.add_argument("--into", type=Path, required=True, metavar="FILE", help="where the page goes")
    public.add_argument("--language", choices=LANGUAGES, default="fr", help="language of the page (fr)")
    about = "Add a member, or give one a new password and key; then declare a roll."
    member = command("member", about, _member, 'a.martin --shown "Dr A. Martin" --role doctor --role chair')
    member.add_argument("name", help="by which the member signs in, such as a.martin")
    member.add_argument("--shown", required=True, help="name as it is shown")
    member.add_argument("--role", action="append", required=True, choices=sorted(ROLES), help="may be given twice")
    about = "Declare the committee: its members and rules, signed with a trusted key."
    roll = command("roll", about, _declare, '--key root.pem --committee "Comité" --contact comite@exemple.fr')
    roll.add_argument("--key", type=Path, required=True, help="private key (PEM) whose public half is trusted")
    roll.add_argument("--committee", required=True, help="name of the committee")
    roll.add_argument("--contact", required=True, help="where anybody may write to object or ask")
    roll.add_argument(
        "--rules", type=Path, help="TOML file of rules; the defaults are in training/committee/members.py"
    )
    about = "Suspend a model at once, even when the portal or its record is out of order."
    suspend = command("suspend", about, _suspend, 'DIGEST --member a.martin --reasons "Dérive constatée"')
    suspend.add_argument("card", help="digest of the card")
    suspend.add_argument("--member", action="append", required=True, help="a chair, or as many as the rules want")
    suspend.add_argument("--reasons", required=True, help="why, as it will be published")
    command("demonstrate", "Make a made-up committee, so that the portal can be tried.", _demonstrate, "")


def run(given: argparse.Namespace) -> None:
    """Open the committee's portal, or do one of its commands."""
    from serving.portal.committee import NoRoll

    try:
        given.portal(given)
    except (FileNotFoundError, NoRoll) as absent:
        raise NotThere(str(absent)) from absent
    except AlteredLedger as altered:
        raise Altered(str(altered)) from altered
    except RefusedDecision as refused:
        raise Refused(str(refused)) from refused
    except (InvalidKey, UnusableMembers) as wrong:
        raise Invalid(str(wrong)) from wrong


def _committee(given: argparse.Namespace) -> Committee:
    from serving.portal.committee import Committee

    return Committee(
        Ledger(given.ledger),
        Record(given.record or given.ledger.with_name("record.jsonl")),
        Shelf(given.cards),
        settings.trusted_keys(os.environ),
        _now,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _open(given: argparse.Namespace) -> None:
    """Open the portal; returns when it is stopped."""
    import uvicorn

    from serving.portal.application import Portal, application

    try:
        alone = ip_address(given.host).is_loopback
    except ValueError as error:
        raise settings.InvalidSetting(f"--host is an address such as 127.0.0.1, not {given.host}") from error
    if not alone and not given.behind_https:
        raise settings.InvalidSetting(
            f"passwords would cross the network in the clear: listen on 127.0.0.1 behind an HTTPS proxy, not on "
            f"{given.host}, or say --behind-https if the proxy is there"
        )
    committee = _committee(given)
    Members.load(given.members)
    roll = committee.standing().roll
    if roll.demonstration:
        print("DEMONSTRATION: a made-up committee; its decisions are worth nothing", file=sys.stderr)
    print(f"the committee's portal is on http://{given.host}:{given.port}", file=sys.stderr, flush=True)
    uvicorn.run(
        application(Portal(committee, given.members, secure=given.behind_https)),
        host=given.host,
        port=given.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=given.behind_https,
    )


def _submit(given: argparse.Namespace) -> None:
    try:
        submitted = Shelf(given.cards).submit(given.bundle)
    except AlreadySubmitted as already:
        print(f"{already}: nothing was changed")
        return
    identity = submitted.card.identity
    print(f"submitted {identity.name} {identity.version}, card {submitted.digest}")


def _transparency(given: argparse.Namespace) -> None:
    from serving.portal.transparency import transparency

    page = transparency(_committee(given), given.language, alone=True)
    given.into.parent.mkdir(parents=True, exist_ok=True)
    given.into.write_text(page, encoding="utf-8")
    print(f"wrote {given.into}")


def _password(of: str) -> str:
    """Return a password from the terminal, or the next line of what comes instead of one."""
    return getpass(f"Password of {of}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


def _member(given: argparse.Namespace) -> None:
    password = _password(f"{given.name}, 12 characters or more")
    if sys.stdin.isatty() and getpass("Once more: ") != password:
        raise Invalid("the two passwords differ: nothing was changed")
    try:
        added = SealedMember.new(given.name, given.shown, tuple(dict.fromkeys(given.role)), password)
    except ValueError as error:
        raise Invalid(f"this is no member: {_short(error)}") from error
    key = added.opened(password)
    assert key is not None, "it was sealed by this password"
    members = Members.load(given.members) if given.members.exists() else Members()
    members.with_member(added).save(given.members)
    print(
        f"{given.name} needs a second factor; let an application for one-time codes take this, and show it nobody else:"
    )
    print(f"  {enrolment(given.name, key)}")
    print(f"{given.name} has the key {added.member.key_id}; it counts once a roll names it: `portal roll`")


def _declare(given: argparse.Namespace) -> None:
    try:
        rules = Rules.from_toml(given.rules) if given.rules else Rules()
        roll = Roll(
            committee=given.committee,
            contact=given.contact,
            rules=rules,
            members=tuple(each.member for each in Members.load(given.members).members),
            declared_at=_now(),
        )
    except ValueError as error:
        raise Invalid(f"this is no committee: {_short(error)}") from error
    entry = Ledger(given.ledger).declare(roll, load_private_key(given.key))
    print(f"declared {len(roll.members)} members; head of the ledger: {Ledger(given.ledger).head}")
    print(f"trust the key {entry.key_id} wherever decisions count, and keep its private half off this machine")


def _suspend(given: argparse.Namespace) -> None:
    """Suspend with the members' own keys and the ledger alone: neither the record nor a server is needed."""
    members, ledger = Members.load(given.members), Ledger(given.ledger)
    roll = roll_in(ledger.verify(settings.trusted_keys(os.environ)))
    if roll is None:
        from serving.portal.committee import NoRoll

        raise NoRoll("the ledger names no committee: declare one with `python -m serving portal roll`")
    keys = {}
    for name in dict.fromkeys(given.member):
        opened = members.open(name, _password(name))
        if opened is None:
            raise Refused(f"wrong name or password: {name}. Nothing was changed")
        keys[name] = opened[1]
    now = _now()
    try:
        motion = Motion(
            card_digest=given.card,
            verdict="suspended",
            reasons=given.reasons,
            opened_at=now,
            demonstration=roll.demonstration,
        )
    except ValueError as error:
        raise Invalid(f"this cannot be suspended: {_short(error)}") from error
    decision = Decision(
        **{name: getattr(motion, name) for name in Motion.model_fields},
        decided_at=now,
        members=tuple(member.name for name in keys if (member := roll.member(name)) is not None),
        ballots=tuple(Ballot.cast(motion.motion, name, "for", now, key) for name, key in keys.items()),
    )
    ledger.append(decision, next(iter(keys.values())))
    Shelf(given.cards).publish(given.card, ledger)
    print(f"suspended; head of the ledger: {ledger.head}")


def _demonstrate(given: argparse.Namespace) -> None:
    if given.members.exists() or Ledger(given.ledger).head != START:
        print("there is a committee already: nothing was changed")
        return
    members = Members()
    for name, shown, roles in DEMONSTRATION_MEMBERS:
        members = members.with_member(SealedMember.new(name, shown, roles, DEMONSTRATION_PASSWORD))
    members.save(given.members)
    roll = Roll(
        committee=Bilingual(fr="Comité de démonstration", en="Demonstration committee"),
        contact="contact@comite.example",
        rules=Rules(),
        members=tuple(each.member for each in members.members),
        declared_at=_now(),
        demonstration=True,
    )
    Ledger(given.ledger).declare(roll, demonstration_key())
    names = ", ".join(name for name, *_ in DEMONSTRATION_MEMBERS)
    print(f"made a demonstration committee: sign in as {names}; password: {DEMONSTRATION_PASSWORD}")


def _short(error: ValueError) -> str:
    """Return what is wrong with a value, without the value."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'all'}: {each['msg']}" for each in errors())

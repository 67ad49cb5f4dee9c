"""``python -m training ledger``: check a ledger, and show what it says in plain words."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from features.commands import print_json, taught
from training.committee.chain import AlteredLedger, Cause
from training.committee.decisions import Decision
from training.committee.keys import InvalidKey, demonstration_keys, load_trusted_keys
from training.committee.ledger import Entry, Ledger

MISSING: Final = 4
KEYS: Final = 5
CAUSES: Final[Mapping[Cause, int]] = {"altered": 10, "signature": 11, "key_untrusted": 12, "rules": 13, "cut": 14}
EXIT_CODES: Final = (
    "exit codes: 0 in order · 2 usage · 4 no ledger there · 5 trusted keys unusable · 10 lines altered, moved or "
    "removed · 11 a signature does not fit · 12 a key is not trusted · 13 against the committee's rules (members, "
    "quorum, majority, conflicts of interest, dates) · 14 the end is cut off"
)


def add_to(ledger: argparse.ArgumentParser) -> None:
    """Add what ``ledger`` takes to its parser."""
    commands = ledger.add_subparsers(required=True, metavar="command")
    for name, about, run in (
        ("verify", "Check chain, signatures, members, quorum and majority of every entry.", _verify),
        ("show", "Show every entry in plain words, once the ledger is verified.", _show),
    ):
        example = f"python -m training ledger {name} committee/ledger.jsonl --trusted-keys keys"
        command = commands.add_parser(name, help=about, description=about, epilog=taught(example, codes=EXIT_CODES))
        command.add_argument("path", type=Path, metavar="LEDGER", help="the ledger, such as committee/ledger.jsonl")
        command.add_argument(
            "--trusted-keys", type=Path, metavar="FOLDER", help="public keys (*.pem) whose rolls and decisions count"
        )
        command.add_argument("--demonstration", action="store_true", help="trust the demonstration key as well")
        command.add_argument("--head", metavar="SHA256", help="a head noted earlier, which the ledger must contain")
        command.add_argument("--json", action="store_true", help="as JSON")
        command.set_defaults(command=run)


def _verify(options: argparse.Namespace) -> int:
    entries = _verified(options)
    if isinstance(entries, int):
        return entries
    decided = sum(isinstance(entry.body, Decision) for entry in entries)
    head = Ledger(options.path).head
    if options.json:
        print_json({"entries": len(entries), "decisions": decided, "head": head})
    else:
        print(f"in order: {len(entries)} entries, {decided} decisions; head {head}")
    return 0


def _show(options: argparse.Namespace) -> int:
    entries = _verified(options)
    if isinstance(entries, int):
        return entries
    if options.json:
        print_json([entry.model_dump(mode="json") for entry in entries])
        return 0
    for entry in entries:
        print(f"{entry.index}  {entry.at:%Y-%m-%d %H:%M} UTC, signed with {entry.key_id}")
        for line in _told(entry):
            print(f"   {line}")
    print(f"head {Ledger(options.path).head}")
    return 0


def _verified(options: argparse.Namespace) -> tuple[Entry, ...] | int:
    """Return the entries, or the exit code of what is wrong after saying so."""
    if not options.path.is_file():
        return _said(f"there is no ledger at {options.path}", MISSING)
    try:
        return Ledger(options.path).verify(_keys(options), options.head)
    except (InvalidKey, FileNotFoundError) as error:
        return _said(str(error), KEYS)
    except AlteredLedger as error:
        return _said(f"NOT in order [{error.cause}]: {error}", CAUSES[error.cause])


def _keys(options: argparse.Namespace) -> dict[str, Ed25519PublicKey]:
    found = load_trusted_keys(options.trusted_keys) if options.trusted_keys else {}
    return found | (demonstration_keys() if options.demonstration else {})


def _told(entry: Entry) -> list[str]:
    """Return an entry in plain words."""
    body = entry.body
    if not isinstance(body, Decision):
        members = [f"- {member.name} ({', '.join(member.roles)}), key {member.key_id}" for member in body.members]
        return [f"roll: {_english(body.committee)}, quorum {body.rules.quorum}", *members]
    said = [f"{body.verdict}: card {body.card_digest}", f"reasons: {_english(body.reasons)}"]
    if body.demonstration:
        said.insert(0, "DEMONSTRATION")
    said += [f"condition: {_english(condition)}" for condition in body.conditions]
    said += [f"valid until {body.valid_until}"] if body.valid_until else []
    if body.votes:
        votes = body.votes
        said.append(f"votes: {votes.in_favour} for, {votes.against} against, {votes.abstained} abstaining")
    said += [f"- {ballot.member}: {ballot.choice}" for ballot in body.ballots]
    said += [f"recused: {', '.join(body.recused)}"] if body.recused else []
    return said


def _english(text: object) -> str:
    return text if isinstance(text, str) else str(getattr(text, "en", text))


def _said(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code

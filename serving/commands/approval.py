"""``verify``, ``release`` and ``versions``: whether a model may be served, and which of several is."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from features.commands import print_json
from serving import settings
from serving.commands import NotThere, add_ledger, add_trust, admitted_by_gate, bentoml_home, ledger_of, taught
from serving.refusals import Refused

if TYPE_CHECKING:
    from serving.release import Version

STUDY: Final = "name of the study, such as cardiovascular"


def add_verify(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``verify``."""
    parser.epilog = taught(
        "python -m serving verify --bundle demo/cardiovascular/bundle --demonstration",
        "python -m serving verify --bundle bundle --trusted-keys keys --json",
    )
    add_trust(parser)
    parser.add_argument("--bundle", type=Path, required=True, metavar="FOLDER", help="the released bundle")
    parser.add_argument("--json", action="store_true", help="as JSON: what it is, or the refusal's code and why")
    parser.set_defaults(run=run_verify)


def add_release(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``release``."""
    parser.epilog = taught(
        "python -m serving release --study cardiovascular --ledger committee/ledger.jsonl",
        "python -m serving release --study cardiovascular --rollback",
    )
    add_trust(parser)
    parser.add_argument("--study", required=True, action="append", help=f"{STUDY}; may be given twice")
    parser.add_argument("--tracking-uri", help="MLflow server; MLFLOW_TRACKING_URI by default")
    parser.add_argument(
        "--ledger",
        type=Path,
        metavar="FILE",
        help="the committee's own ledger: the newest version whose card it approves is released, and gets the alias; "
        f"{settings.LEDGER} by default. Without it, the version that has the alias",
    )
    parser.add_argument(
        "--rollback",
        action="store_true",
        help="go back to the version before, the newest older one that may still be served",
    )
    parser.add_argument(
        "--alone", action="store_true", help="leave out the other studies of the latest Bento, which stay otherwise"
    )
    parser.add_argument(
        "--into", type=Path, metavar="FOLDER", help="BentoML's folder; BENTOML_HOME or bentoml/ by default"
    )
    parser.set_defaults(run=run_release)


def add_versions(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``versions``."""
    parser.epilog = taught(
        "python -m serving versions --study cardiovascular --ledger committee/ledger.jsonl",
        "python -m serving versions --study cardiovascular --json",
    )
    add_trust(parser)
    parser.add_argument("--study", required=True, help=STUDY)
    parser.add_argument("--tracking-uri", help="MLflow server; MLFLOW_TRACKING_URI by default")
    add_ledger(parser)
    parser.add_argument("--json", action="store_true", help="as JSON, with why one may not be served")
    parser.set_defaults(run=run_versions)


def run_verify(given: argparse.Namespace) -> None:
    """Say what a bundle is, or why it is refused."""
    try:
        admitted = admitted_by_gate(given.bundle)
    except Refused as refusal:
        if given.json:
            print_json({"may_be_served": False, "code": refusal.code, "why": str(refusal)})
        raise
    title, version, decision = admitted.artefact.model.title, admitted.card.identity.version, admitted.decision
    if given.json:
        print_json(
            {
                "may_be_served": True,
                "study": admitted.artefact.study,
                "model": {"title": title.model_dump(), "digest": admitted.model_digest},
                "card": {"version": version, "digest": admitted.card_digest},
                "decision": decision.model_dump(mode="json", include={"verdict", "valid_until"}),
                "demonstration": admitted.demonstration,
            }
        )
        return
    print(f"{given.bundle}: may be served")
    print(f"  study    {admitted.artefact.study}, {title.en}")
    print(f"  model    {admitted.model_digest}")
    print(f"  card     {admitted.card_digest}, version {version}")
    print(f"  decision {decision.verdict}, valid until {decision.valid_until}")
    if admitted.demonstration:
        print("  DEMONSTRATION: approved by no committee; not for patients")


def run_release(given: argparse.Namespace) -> None:
    """Take approved models to a Bento, and let the alias in the registry follow the committee's ledger."""
    from serving.release import NothingApproved, release

    settings.trusted_keys(os.environ)
    try:
        released = release(
            given.study,
            bentoml_home(given.into),
            admitted_by_gate,
            given.tracking_uri,
            ledger=ledger_of(given),
            back=given.rollback,
            alone=given.alone,
        )
    except NothingApproved as absent:
        raise NotThere(str(absent)) from absent
    for study, chosen in released.versions.items():
        for number, refusal in chosen.passed_over.items():
            print(f"{study}: version {number} is passed over [{refusal.code}]: {refusal}", file=sys.stderr)
        print(f"{study}: {'back to ' if given.rollback else ''}version {chosen.number}")
    again = "run `python -m serving serve`, or `bentoml serve vigie:latest` with the same settings"
    print(f"released {released.tag}: {again}")


def run_versions(given: argparse.Namespace) -> None:
    """List the versions of a study, each with what the gate says of it."""
    from serving.release import NothingApproved, versions

    settings.trusted_keys(os.environ)
    ledger_of(given)
    found = versions(given.study, admitted_by_gate, given.tracking_uri)
    try:
        if given.json:
            print_json([_stated(version) for version in found])
            return
        for version in found:
            name, card = version.card
            state = f"[{version.refusal.code}]" if version.refusal else "may be served"
            released = "released" if version.is_released else ""
            print(f"{version.number:>4}  {released:8}  {name:10}  {card[:12]:12}  {state}")
    except NothingApproved as absent:
        raise NotThere(str(absent)) from absent


def _stated(version: Version) -> dict[str, object]:
    """Return of a version what a script chooses by."""
    (name, digest), refusal = version.card, version.refusal
    return {
        "number": version.number,
        "is_released": version.is_released,
        "card": {"version": name, "digest": digest} if digest else None,
        "may_be_served": refusal is None,
    } | ({} if refusal is None else {"code": refusal.code, "why": str(refusal)})

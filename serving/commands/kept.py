"""``feedback`` and ``audit``: what the service keeps, told and checked."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from features.commands import print_json
from serving import settings
from serving.commands import Altered, NotThere, add_data, data_folder, taught


def add_feedback(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``feedback``."""
    parser.epilog = taught("python -m serving feedback --data data", "python -m serving feedback --jsonl")
    add_data(parser)
    parser.add_argument("--jsonl", action="store_true", help="each card on a line, its latest feedback")
    parser.set_defaults(run=run_feedback)


def add_audit(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``audit``."""
    parser.epilog = taught(
        "python -m serving audit verify --data data --audit-key audit.key",
        "python -m serving audit verify --data data --audit-key audit.key --json",
    )
    parser.add_argument("what", choices=["verify"], help="verify: whether it is as it was written")
    add_data(parser)
    parser.add_argument(
        "--audit-key", type=Path, metavar="FILE", help=f"the key it is sealed with; {settings.AUDIT_KEY} by default"
    )
    parser.add_argument("--head", metavar="SHA-256", help="head noted earlier: that line must still be there")
    parser.add_argument("--json", action="store_true", help="as JSON: whether it is as written, faults, what to know")
    parser.set_defaults(run=run_audit)


def run_feedback(given: argparse.Namespace) -> None:
    """Print what clinicians did with cards."""
    from serving.cds_hooks import kept, tally

    folder = data_folder(given)
    try:
        entries = list(kept(folder))
    except FileNotFoundError as absent:
        raise NotThere(f"no feedback is kept in {folder}: give --data, or set {settings.DATA}") from absent
    except ValueError as torn:
        raise Altered(f"the feedback kept in {folder} has a line that is none: look at what was written last") from torn
    if given.jsonl:
        print("\n".join(json.dumps(entry) for entry in entries))
        return
    for service, counts in tally(entries).items():
        print(f"{service}: {counts.total()} cards with feedback")
        for what, count in counts.most_common():
            print(f"  {count:6,}  {what}")


def run_audit(given: argparse.Namespace) -> None:
    """Say whether the audit trail is as it was written."""
    from serving import audit_trail

    data = data_folder(given)
    named = given.audit_key or os.environ.get(settings.AUDIT_KEY)
    try:
        key = audit_trail.load_key(Path(named) if named else data / "audit.key")
        found = audit_trail.verify(data / audit_trail.FOLDER, key, given.head)
    except (FileNotFoundError, audit_trail.AuditKeyUnusable) as absent:
        raise NotThere(f"{absent}: give --data and --audit-key") from absent
    if given.json:
        said = {"faults": list(found.faults), "to_know": list(found.remarks)}
        print_json({"as_it_was_written": not found.faults, "lines": found.lines, "head": found.head} | said)
    else:
        print(f"{found.lines:,} lines, head {found.head}")
        for remark in found.remarks:
            print(f"  to know: {remark}")
    if found.faults:
        raise Altered("\n".join(["the audit trail is not as it was written:", *(f"  {each}" for each in found.faults)]))
    if not given.json:
        print("as it was written")

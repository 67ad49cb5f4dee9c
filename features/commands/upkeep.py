"""``check``, ``profile`` and ``purge``: is a store sound, what is in it, and what must go."""

from __future__ import annotations

import argparse
from pathlib import Path

from features.check import LEFT_OVER, check
from features.commands import DAMAGED, OK, USAGE, done, moment, print_json, say, steps, taught
from features.privacy import Objections
from features.profile import profile
from features.records import Records
from features.retention import purge


def add_check(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``check``."""
    parser.description = (
        "Verify every file of a store against its manifest, and every row against what the store promises, and say all "
        "that is wrong, with what to do."
    )
    parser.epilog = taught("python -m features check records", "python -m features check records --json")
    parser.add_argument("store", type=Path, metavar="STORE", help="folder of the store")
    parser.add_argument("--json", action="store_true", help="as JSON: whether it is sound, faults, what is left over")
    parser.set_defaults(command=_check)


def add_profile(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``profile``."""
    parser.description = (
        "Write a page about the quality of a store's data: records by practice and month, delays, completeness and "
        "plausibility by concept, codes that no concept covers. Counts under 11 are hidden. It needs no network."
    )
    parser.epilog = taught("python -m features profile records --out profile.html")
    parser.add_argument("store", type=Path, metavar="STORE", help="folder of the store")
    parser.add_argument("--out", type=Path, default=Path("profile.html"), help="page to write (default: profile.html)")
    parser.add_argument("--language", choices=("fr", "en"), default="fr", help="which comes first (default: fr)")
    parser.add_argument("--objections", type=Path, metavar="FILE", help="pseudonyms to leave out, one a line")
    parser.set_defaults(command=_profile)


def add_purge(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``purge``."""
    parser.description = (
        "Take out for good what happened before a day (the end of the retention period), people who object, or both. "
        "Counts first: nothing is changed without --yes."
    )
    parser.epilog = taught("python -m features purge records --before 2006-01-01 --yes")
    parser.add_argument("store", type=Path, metavar="STORE", help="folder of the store")
    parser.add_argument("--before", type=moment, metavar="DATE", help="first day that is kept")
    parser.add_argument("--objections", type=Path, metavar="FILE", help="pseudonyms to erase wholly, one a line")
    parser.add_argument("--yes", action="store_true", help="do it, do not only count")
    parser.set_defaults(command=_purge)


def _check(options: argparse.Namespace) -> int:
    found = check(options.store, steps("files checked"))
    faults = [line for line in found if not line.startswith(LEFT_OVER)]
    if options.json:
        left_over = [line.removeprefix(LEFT_OVER) for line in found if line.startswith(LEFT_OVER)]
        print_json({"sound": not faults, "faults": faults, "left_over": left_over})
    else:
        for line in found:
            print(line)
    if faults:
        say(f"{len(faults):,} faults: the store should not be used before they are mended")
        return DAMAGED
    say("the store is sound")
    return OK


def _profile(options: argparse.Namespace) -> int:
    objections = Objections.read(options.objections) if options.objections else None
    found = profile(Records.open(options.store, objections), steps("files and shards counted"))
    options.out.write_text(found.to_html(options.language), encoding="utf-8")
    print(options.out)
    return OK


def _purge(options: argparse.Namespace) -> int:
    if options.before is None and options.objections is None:
        say("say what must go: --before DATE, --objections FILE, or both")
        return USAGE
    records = Records.open(options.store)
    objections = Objections.read(options.objections) if options.objections else None
    found = purge(
        records, options.before, objections=objections, dry_run=not options.yes, progress=steps("files looked at")
    )
    gone = "gone" if options.yes else "to go"
    if options.before is not None:
        say(f"{found.rows:,} rows {gone} for their age, and {found.patients:,} patients with them")
    if objections is not None:
        say(f"{found.erased_rows:,} rows {gone} of {found.erased_patients:,} people who object")
    for reason, count in found.set_aside.items():
        say(f"{count:,} rows that had been set aside {gone}: {reason}")
    if not options.yes:
        say("nothing was changed: run it again with --yes")
    return done(records)

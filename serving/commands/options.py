"""The options of ``serve``, ``score`` and ``monitor``, apart from what they do, which takes seconds to import."""

from __future__ import annotations

import argparse
from datetime import date, datetime
from pathlib import Path
from typing import Final

from features.commands import ENGINES
from serving import settings
from serving.commands import ALERT, ALTERED, INVALID, MISSING, REFUSED, USAGE, add_ledger, add_trust, taught

#: How often `serving.monitoring` can look at people.
EVERY: Final = ("week", "month")
MONITORED: Final = (
    f"exit codes: 0 no alert · {USAGE} wrong usage · {INVALID} not this model's reference · {MISSING} something is not "
    f"there · {REFUSED} refused by the gate · {ALTERED} history altered · {ALERT} an alert"
)


def add_serve(serve: argparse.ArgumentParser) -> None:
    """Add the options of ``serve``."""
    serve.epilog = taught(
        "python -m serving serve --bundle demo/cardiovascular/bundle --demonstration",
        "python -m serving serve --ledger committee/ledger.jsonl --development",
    )
    add_trust(serve)
    serve.add_argument(
        "--bundle",
        type=Path,
        action="append",
        metavar="FOLDER",
        help=f"serve this bundle and not the latest Bento, several times for several; {settings.BUNDLES} by default",
    )
    serve.add_argument(
        "--shadow",
        type=Path,
        action="append",
        metavar="FOLDER",
        help="bundle of a candidate, scored beside the approved model of its study and shown to nobody",
    )
    add_ledger(serve, ", asked before every answer")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=int, default=3000, help="port to listen on (3000)")
    serve.add_argument(
        "--development",
        action="store_true",
        help="let anybody ask, and say so in every answer; a demonstration does so unless clients are named",
    )
    serve.set_defaults(run="serving.commands.answers:run_serve")


def add_score(score: argparse.ArgumentParser) -> None:
    """Add the options of ``score``."""
    score.epilog = taught(
        "python -m serving score --bundle demo/cardiovascular/bundle --demonstration",
        "python -m serving score --bundle bundle --request request.json --json",
        "python -m serving score --bundle bundle --store records --out list.parquet --capacity 50",
    )
    add_trust(score)
    score.add_argument(
        "--bundle",
        type=Path,
        action="append",
        metavar="FOLDER",
        help="a bundle; the latest Bento's if none",
    )
    score.add_argument("--study", help="whose model answers, where there are several")
    score.add_argument(
        "--request",
        type=Path,
        metavar="FILE",
        help="JSON as for POST /score (- for standard input); an example if left out",
    )
    score.add_argument("--json", action="store_true", help="the whole answer, as POST /score gives it")
    score.add_argument("--store", type=Path, metavar="FOLDER", help="list the patients of this store of records")
    score.add_argument("--out", type=Path, metavar="FILE", help="Parquet file of the list, in order of outreach")
    score.add_argument("--as-of", type=date.fromisoformat, metavar="DATE", help="day of the list (0 h UTC); today")
    score.add_argument("--practice", help="list the patients of this practice only")
    score.add_argument("--capacity", type=int, metavar="N", help="list N people of each practice at most")
    score.add_argument("--reasons", action="store_true", help="with the reasons of each")
    score.add_argument("--engine", choices=ENGINES, default="threads", help="where a list is made (threads)")
    score.add_argument("--objections", type=Path, metavar="FILE", help="pseudonyms to leave out, one a line")
    add_ledger(score)
    score.set_defaults(run="serving.commands.answers:run_score")


def add_monitor(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``monitor``."""
    parser.epilog = taught(
        "python -m serving monitor --bundle bundle --store records --from 2025-11-24 --to 2025-12-01 --into watched",
        codes=MONITORED,
    )
    add_trust(parser)
    parser.add_argument("--bundle", type=Path, required=True, metavar="FOLDER", help="the released bundle")
    parser.add_argument("--store", type=Path, required=True, metavar="FOLDER", help="records of the people it serves")
    for name, text in (("from", "the window begins after this day"), ("to", "and ends with this one")):
        parser.add_argument(f"--{name}", dest=f"{name}_day", type=_day, required=True, metavar="DATE", help=text)
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="where page and history are kept")
    parser.add_argument("--every", choices=EVERY, default="week", help="how often people are looked at (week)")
    parser.add_argument("--feedback", type=Path, metavar="FILE", help="what clinicians did with cards")
    parser.add_argument("--audit", type=Path, metavar="FILE", help="a file of the audit trail, or its folder")
    add_ledger(parser)
    parser.set_defaults(run="serving.monitoring:run")


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d")
    except ValueError as fault:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day such as 2026-01-31") from fault

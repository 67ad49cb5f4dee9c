"""Command line of the features: ``python -m features --help``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from features.ingest import Taken, ingest
from features.intake import InvalidRecords
from features.privacy import Objections
from features.records import Records
from features.sources.cohorts import framingham
from features.sources.source import Source
from features.synthetic import synthesise

OK, USAGE, INVALID, STORE = 0, 2, 3, 4
EPILOG: Final = (
    f"exit codes: {OK} done, {USAGE} usage, {INVALID} invalid input, {STORE} a store or file missing or there already"
)

#: Formats practices deliver in. A new one is one line.
SOURCES: Final[Mapping[str, Source]] = {}
#: Published cohorts, read whole into a store of their own.
COHORTS: Final[Mapping[str, Callable[[Path, Path], Records]]] = {"framingham": framingham}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 2 usage, 3 invalid input, 4 store missing or existing."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except InvalidRecords as error:
        print(error, file=sys.stderr)
        return INVALID
    except (FileExistsError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return STORE
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m features",
        description="Make or read records of practices, each with when it happened and when it became known.",
        epilog=EPILOG,
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_synthesise(commands.add_parser("synthesise", help="make a synthetic population whose hazards are known"))
    _add_ingest(commands.add_parser("ingest", help="take a delivery, or a published cohort, into records"))
    return parser


def _add_synthesise(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write the records of a synthetic French general-practice population, 2009 to 2025. The same numbers give the "
        "same records. Interrupted, it goes on where it stopped when run again."
    )
    parser.epilog = f"example: python -m features synthesise --patients 20000 --into demo/records. {EPILOG}"
    parser.add_argument("--patients", type=_positive, default=20_000, help="how many (default: 20000)")
    parser.add_argument("--seed", type=int, default=0, help="decides everything (default: 0)")
    parser.add_argument(
        "--shards", type=_positive, default=8, help="files of the store; more for a million (default: 8)"
    )
    parser.add_argument("--into", type=Path, required=True, metavar="STORE", help="folder of the new store")
    parser.add_argument("--truth", type=Path, metavar="FILE", help="write the true incidences to this Parquet file")
    parser.set_defaults(command=_synthesise)


def _add_ingest(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Take a delivery into a store of records, made if it is not there. A bad row is set aside with its reason and "
        "stops nothing; a delivery that cannot be understood never touches the store; sent again it changes nothing."
    )
    parser.epilog = (
        "example: python -m features ingest --source omop --from export/ --into records --key secrets/pseudonyms.key "
        f"--delivered 2026-03-01. {EPILOG}"
    )
    parser.add_argument("--source", choices=sorted({*SOURCES, *COHORTS}), required=True, help="what is delivered")
    parser.add_argument(
        "--from", dest="origin", required=True, metavar="PATH", help="file, folder or address of a database"
    )
    parser.add_argument("--into", type=Path, required=True, metavar="STORE", help="folder of the store")
    parser.add_argument("--name", help="name of the delivery (default: the source, the name of the path and the day)")
    parser.add_argument(
        "--delivered", type=datetime.fromisoformat, metavar="DATE", help="day of delivery (default: now, in UTC)"
    )
    parser.add_argument("--key", type=Path, metavar="FILE", help="secret key of pseudonyms: 32 random bytes or more")
    parser.add_argument(
        "--already-pseudonymous", action="store_true", help="the source's identifiers are pseudonyms: keep them"
    )
    parser.add_argument("--objections", type=Path, metavar="FILE", help="pseudonyms to leave out, one a line")
    parser.add_argument(
        "--complete",
        action="store_true",
        help="the delivery holds all that is in its patients' files: what earlier complete ones of the same source "
        "said of these patients, and this one says no more, is taken back",
    )
    parser.add_argument("--shards", type=_positive, default=8, help="files of a new store (default: 8)")
    parser.set_defaults(command=_ingest)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


_positive.__name__ = "number of 1 or more"  # how argparse names it in its message


def _synthesise(options: argparse.Namespace) -> int:
    began = time.monotonic()

    def progress(done: int, patients: int) -> None:
        took = time.monotonic() - began
        left = took / done * (patients - done)
        rows = _rows(Records.open(options.into))
        _say(f"{done:,} of {patients:,} patients, {rows:,} records, about {left:.0f} s left")

    records = synthesise(
        options.into,
        patients=options.patients,
        seed=options.seed,
        shards=options.shards,
        truth=options.truth,
        progress=progress,
    )
    _say(f"{options.patients:,} patients, {_rows(records):,} records in {time.monotonic() - began:.1f} s")
    if options.truth:
        _say(f"true incidences: {options.truth}")
    return _done(records)


def _ingest(options: argparse.Namespace) -> int:
    began = time.monotonic()
    _say(f"reading {_shown(options.origin)}")
    if options.source in COHORTS:
        records = COHORTS[options.source](Path(options.origin), options.into)
        taken = Taken(records.deliveries[-1])
    else:
        if (options.key is None) is not options.already_pseudonymous:
            _say("say who makes the pseudonyms: --key FILE, or --already-pseudonymous")
            return USAGE
        records, taken = _delivered(options, began)
    _say(f"{taken.entry['rows']:,} records kept in {time.monotonic() - began:.1f} s")
    if objected := taken.entry["about"].get("objected"):
        _say(f"{objected:,} rows of people who object left out")
    if taken_back := taken.entry["taken_back"]:
        _say(f"{taken_back:,} facts taken back: earlier complete deliveries said them, and this one does not")
    for what in ("refused", "quarantined"):
        for reason, count in taken.entry[what].items():
            places = taken.places.get(reason, [])
            _say(f"{count:,} rows {what}: {reason}" + (f" (such as {', '.join(places)})" if places else ""))
    return _done(records)


def _delivered(options: argparse.Namespace, began: float) -> tuple[Records, Taken]:
    def progress(rows: int, patients: int, share: float) -> None:
        took = time.monotonic() - began
        left = f", about {took / share - took:.0f} s left" if 0 < share < 1 else ""
        _say(f"{rows:,} rows of about {patients:,} patients read, {rows / took:,.0f} a second{left}")

    delivered_at = options.delivered or datetime.now(UTC).replace(tzinfo=None)
    new = not (options.into / Records.MANIFEST).exists()
    records = Records.create(options.into, options.shards) if new else Records.open(options.into)
    taken = ingest(
        SOURCES[options.source],
        options.origin,
        records,
        name=options.name or f"{options.source} {_shown(options.origin)} {delivered_at:%Y-%m-%d}",
        delivered_at=delivered_at,
        key=options.key.read_bytes() if options.key else None,
        objections=Objections.read(options.objections) if options.objections else None,
        complete=options.complete,
        progress=progress,
    )
    return records, taken


def _shown(origin: str) -> str:
    """Return what of an address or path may be shown: its last part."""
    return Path(urlsplit(origin).path).name


def _done(records: Records) -> int:
    print(f"{records.path}  {records.digest}")
    return OK


def _rows(records: Records) -> int:
    return sum(int(str(delivery["rows"])) for delivery in records.deliveries)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

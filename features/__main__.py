"""Command line of the features: ``python -m features --help``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from features.intake import InvalidRecords
from features.records import Records
from features.sources.cohorts import framingham
from features.synthetic import synthesise

OK, USAGE, INVALID, STORE = 0, 2, 3, 4
EPILOG: Final = (
    f"exit codes: {OK} done, {USAGE} usage, {INVALID} invalid input, {STORE} a store or file missing or there already"
)

#: Reader of each source: (file, store) → records. A new source is one line.
SOURCES: Final[Mapping[str, Callable[[Path, Path], Records]]] = {"framingham": framingham}


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
    _add_ingest(commands.add_parser("ingest", help="read a published cohort into records"))
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
        "Read a file into a new store of records. A file with faults is refused whole, naming all of them."
    )
    parser.epilog = (
        f"example: python -m features ingest --source framingham --from FILE.csv --into demo/records. {EPILOG}"
    )
    parser.add_argument("--source", choices=sorted(SOURCES), required=True, help="what the file is")
    parser.add_argument("--from", dest="file", type=Path, required=True, metavar="FILE", help="the file")
    parser.add_argument("--into", type=Path, required=True, metavar="STORE", help="folder of the new store")
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
    _say(f"reading {options.file}")
    records = SOURCES[options.source](options.file, options.into)
    patients = sum(len(shard.patients) for shard in records)
    _say(f"{patients:,} patients, {_rows(records):,} records in {time.monotonic() - began:.1f} s")
    for reason, count in _quarantined(records).items():
        _say(f"{count:,} values set aside ({reason}): see {records.path / 'quarantine'}")
    return _done(records)


def _done(records: Records) -> int:
    print(f"{records.path}  {records.digest}")
    return OK


def _rows(records: Records) -> int:
    return sum(int(str(delivery["rows"])) for delivery in records.deliveries)


def _quarantined(records: Records) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for delivery in records.deliveries:
        of_delivery = delivery["quarantined"]
        assert isinstance(of_delivery, dict)
        for reason, count in of_delivery.items():
            counts[reason] = counts.get(reason, 0) + count
    return counts


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

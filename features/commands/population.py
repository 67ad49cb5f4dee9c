"""``synthesise``: a synthetic population into a store."""

from __future__ import annotations

import argparse
import time
from dataclasses import fields
from pathlib import Path

from features.commands import done, moment, number_from_one, say, steps, taught
from features.records import Records
from features.synthetic import synthesise
from features.synthetic.difficulties import Difficulties


def add_synthesise(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``synthesise``."""
    parser.description = (
        "Write the records of a synthetic French general-practice population, 2009 to 2025. The same numbers give the "
        "same records. Interrupted, it goes on where it stopped when run again."
    )
    parser.epilog = taught("python -m features synthesise --patients 20000 --into records --truth truth.parquet")
    parser.add_argument("--patients", type=number_from_one, default=20_000, help="how many (default: 20000)")
    parser.add_argument("--seed", type=int, default=0, help="decides everything (default: 0)")
    parser.add_argument(
        "--shards", type=number_from_one, default=8, help="files of the store; more for a million (default: 8)"
    )
    parser.add_argument("--into", type=Path, required=True, metavar="STORE", help="folder of the new store")
    parser.add_argument(
        "--without",
        nargs="+",
        default=[],
        choices=[f.name for f in fields(Difficulties) if f.name != "drift_from"],
        metavar="NAME",
        help="difficulties to leave out, which are planted otherwise: %(choices)s",
    )
    parser.add_argument(
        "--drift-from", type=moment, metavar="DATE", help="new devices read higher blood pressures from this day on"
    )
    parser.add_argument("--truth", type=Path, metavar="FILE", help="write the true incidences to this Parquet file")
    parser.set_defaults(command=_synthesise)


def _synthesise(options: argparse.Namespace) -> int:
    began = time.monotonic()

    records = synthesise(
        options.into,
        patients=options.patients,
        seed=options.seed,
        shards=options.shards,
        truth=options.truth,
        difficulties=Difficulties(
            **dict.fromkeys(options.without, False),
            drift_from=None if options.drift_from is None else options.drift_from.date(),
        ),
        progress=steps("patients"),
    )
    say(f"{options.patients:,} patients, {_rows(records):,} records in {time.monotonic() - began:.1f} s")
    if options.truth:
        say(f"true incidences: {options.truth}")
    return done(records)


def _rows(records: Records) -> int:
    return sum(int(delivery["rows"]) for delivery in records.deliveries)

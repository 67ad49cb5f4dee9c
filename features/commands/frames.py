"""``build`` and ``describe``: features of the catalogue, computed and explained."""

from __future__ import annotations

import argparse
from pathlib import Path

from features.build import build, describe, feature_set, feature_sets
from features.commands import ENGINES, OK, USAGE, moment, print_json, say, steps, taught
from features.records import Records


def add_build(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``build``."""
    parser.description = (
        "Write features to a Parquet file, one row a landmark. What was computed is kept: run again it is read back, "
        "interrupted it goes on, and after a new delivery only what changed is computed."
    )
    parser.epilog = taught(
        "python -m features build --features cardiovascular --store records --landmarks 2024-01-01 "
        "--out features.parquet",
        "python -m features build --features cardiovascular --store records --index rows.parquet "
        "--out features.parquet",
    )
    parser.add_argument("--features", required=True, choices=sorted(feature_sets()), help="feature set")
    parser.add_argument("--store", type=Path, required=True, metavar="STORE", help="folder of the records")
    parser.add_argument(
        "--landmarks", type=moment, nargs="+", metavar="DATE", help="days at which everybody known is looked at"
    )
    parser.add_argument("--index", type=Path, metavar="FILE", help="Parquet file of rows instead: patient, as_of")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="Parquet file to write")
    parser.add_argument("--engine", choices=ENGINES, default="threads", help="where it runs")
    parser.set_defaults(command=_build)


def add_describe(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``describe``."""
    parser.description = "Print a feature set of the catalogue as a table: what each feature is, and what it reads."
    parser.epilog = taught("python -m features describe cardiovascular")
    parser.add_argument("features", choices=sorted(feature_sets()), help="feature set")
    parser.add_argument("--json", action="store_true", help="as JSON, with the set's fingerprint")
    parser.set_defaults(command=_describe)


def _build(options: argparse.Namespace) -> int:
    if (options.landmarks is None) is (options.index is None):
        say("say which rows: --landmarks DATE …, or --index FILE")
        return USAGE
    made = build(
        options.features,
        Records.open(options.store),
        options.index or options.landmarks,
        options.out,
        engine=options.engine,
        progress=steps("shards"),
    )
    say(f"{made.rows:,} rows, {made.computed:,} of them computed now")
    print(options.out)
    return OK


def _describe(options: argparse.Namespace) -> int:
    if options.json:
        chosen = feature_set(options.features)
        table = chosen.describe().reset_index().astype(object)
        features = table.where(table.notna(), None).to_dict("records")
        print_json({"name": chosen.name, "fingerprint": chosen.fingerprint, "features": features})
    else:
        print(describe(options.features))
    return OK

"""``ingest`` and ``export``: deliveries into a store, and a store into a format that others read."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from features.commands import OK, USAGE, Pace, done, moment, number_from_one, say, steps, taught
from features.ingest import Taken, ingest
from features.privacy import Objections
from features.purpose import PURPOSES, Mandate, RefusedPurpose, log_export
from features.records import Records
from features.sources.cohorts import framingham
from features.sources.fhir import FHIR
from features.sources.fhir.writing import write_fhir
from features.sources.meds import MEDS, write_meds
from features.sources.omop import OMOP
from features.sources.omop.writing import write_omop
from features.sources.source import Source
from features.sources.tables import read_mapping, tables

#: Formats that practices deliver in. A new one is one line.
SOURCES: Final[Mapping[str, Source]] = {source.name: source for source in (OMOP, FHIR, MEDS)}
#: Any other export, read as a mapping says.
TABLES: Final = "tables"
#: Published cohorts, read whole into a store of their own.
COHORTS: Final[Mapping[str, Callable[[Path, Path], Records]]] = {"framingham": framingham}
#: Formats that others read, and what writes them; it returns what could not be carried, and of how many records.
WRITERS: Final[Mapping[str, Callable[..., Mapping[str, int] | None]]] = {
    "meds": write_meds,
    "omop": write_omop,
    "fhir": write_fhir,
}


def add_ingest(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``ingest``."""
    parser.description = (
        "Take a delivery into a store of records, made if it is not there. A bad row is set aside with its reason and "
        "stops nothing; a delivery that cannot be understood never touches the store; sent again it changes nothing."
    )
    parser.epilog = taught(
        "python -m features ingest --source omop --from export --into records --key pseudonyms.key",
        "python -m features ingest --source tables --mapping export.toml --from export --into records "
        "--key pseudonyms.key --delivered 2026-03-01",
    )
    parser.add_argument(
        "--source", choices=sorted({*SOURCES, TABLES, *COHORTS}), required=True, help="what is delivered"
    )
    parser.add_argument(
        "--from", dest="origin", required=True, metavar="PATH", help="file, folder, or postgresql:// address"
    )
    parser.add_argument("--into", type=Path, required=True, metavar="STORE", help="folder of the store")
    parser.add_argument("--mapping", type=Path, metavar="FILE", help=f"TOML file that says how to read {TABLES}")
    parser.add_argument("--name", help="name of the delivery (default: the source, the name of the path and the day)")
    parser.add_argument("--delivered", type=moment, metavar="DATE", help="day of delivery (default: now, in UTC)")
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
    parser.add_argument("--shards", type=number_from_one, default=8, help="files of a new store (default: 8)")
    parser.set_defaults(command=_ingest)


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``export``."""
    parser.description = (
        "Write a store as a MEDS 0.4 data set, as OMOP CDM 5.4 (Parquet), or as FHIR R4 (NDJSON). Patients get other "
        "names; which pseudonym each stands for is written to a file of its own beside the folder, so that the data "
        "set can be handed on without it. What a format cannot carry is said, with how many records it is true of. "
        "Interrupted, it leaves nothing."
    )
    parser.epilog = taught(
        "python -m features export records --as omop --into omop --name cabinets-2026 --purpose research "
        "--reference CSE-2026-014"
    )
    parser.add_argument("store", type=Path, metavar="STORE", help="folder of the store")
    parser.add_argument("--as", dest="form", choices=sorted(WRITERS), default="meds", help="format (default: meds)")
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="folder of the new data set")
    parser.add_argument("--name", required=True, help="name of the data set")
    parser.add_argument("--version", default="1", help="its version (default: 1)")
    parser.add_argument("--purpose", choices=list(PURPOSES), required=True, help="what the data set is for")
    parser.add_argument("--reference", required=True, help="what the committee filed its opinion under")
    parser.add_argument("--objections", type=Path, metavar="FILE", help="pseudonyms to leave out, one a line")
    parser.set_defaults(command=_export)


def _ingest(options: argparse.Namespace) -> int:
    if (options.mapping is None) is (options.source == TABLES):
        say(f"--source {TABLES} goes with --mapping FILE, and no other source does")
        return USAGE
    if options.source not in COHORTS and (options.key is None) is not options.already_pseudonymous:
        say("say who makes the pseudonyms: --key FILE, or --already-pseudonymous")
        return USAGE
    began = time.monotonic()
    say(f"reading {_shown(options.origin)}")
    if options.source in COHORTS:
        records = COHORTS[options.source](Path(options.origin), options.into)
        taken = Taken(records.deliveries[-1])
    else:
        records, taken = _delivered(options)
    say(f"{taken.entry['rows']:,} records kept in {time.monotonic() - began:.1f} s")
    for what, count in (
        ("rows of people who object left out", taken.entry["about"].get("objected", 0)),
        ("facts taken back, which earlier complete deliveries said and this does not", taken.entry["taken_back"]),
        *((f"{kind} not read", n) for kind, n in taken.entry["about"].get("not_read", {}).items()),
    ):
        if count:
            say(f"{count:,} {what}")
    for what in ("refused", "quarantined"):
        for reason, count in taken.entry[what].items():
            places = taken.places.get(reason, [])
            say(f"{count:,} rows {what}: {reason}" + (f" (such as {', '.join(places)})" if places else ""))
    return done(records)


def _delivered(options: argparse.Namespace) -> tuple[Records, Taken]:
    pace = Pace()

    def progress(rows: int, patients: int, share: float) -> None:
        pace.say(f"{rows:,} rows of about {patients:,} patients read, {pace.rate(rows):,.0f} a second", share)

    source = SOURCES[options.source] if options.mapping is None else tables(read_mapping(options.mapping))
    delivered_at = options.delivered or datetime.now(UTC).replace(tzinfo=None)
    new = not (options.into / Records.MANIFEST).exists()
    records = Records.create(options.into, options.shards) if new else Records.open(options.into)
    taken = ingest(
        source,
        options.origin,
        records,
        name=options.name or f"{source.name} {_shown(options.origin)} {delivered_at:%Y-%m-%d}",
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


def _export(options: argparse.Namespace) -> int:
    try:
        mandate = Mandate(options.purpose, options.reference)
    except RefusedPurpose as error:
        say(str(error))
        return USAGE
    objections = Objections.read(options.objections) if options.objections else None
    records = Records.open(options.store, objections)
    not_carried = WRITERS[options.form](
        records,
        options.into,
        dataset_name=options.name,
        dataset_version=options.version,
        progress=steps("shards written"),
    )
    for what, count in (not_carried or {}).items():
        say(f"{count:,} records not carried whole: {what}")
    log_export(
        options.store,
        mandate,
        form=options.form,
        name=options.name,
        records_digest=records.digest,
        at=datetime.now(UTC).replace(tzinfo=None),
    )
    print(options.into)
    return OK

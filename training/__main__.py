"""Command line of training: ``python -m training --help``."""

from __future__ import annotations

import argparse
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

from features.digests import digest
from features.engines import Progress
from features.intake import InvalidRecords
from features.records import Records
from features.sources.cohorts import framingham
from features.synthetic import synthesise
from training.console import Steps
from training.studies import STUDIES

STUDY_OF_SOURCE = {"synthetic": "cardiovascular", "framingham": "cardiovascular-framingham"}
OK, INVALID, MISSING = 0, 3, 4


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 2 usage, 3 invalid input, 4 something missing."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except InvalidRecords as error:
        print(error, file=sys.stderr)
        return INVALID
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return MISSING
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Train, compare and audit models on a study, and draw up the model card.",
        epilog="exit codes: 0 done, 2 usage, 3 invalid input, 4 something missing",
    )
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="run a study from records to a model card, everything logged in MLflow")
    run.add_argument("--source", choices=sorted(STUDY_OF_SOURCE), default="synthetic", help="where records come from")
    run.add_argument("--path", default="", help="file of the source (framingham: the CSV file)")
    run.add_argument("--patients", type=float, default=20_000, help="patients to synthesise (default: 20,000)")
    run.add_argument("--seed", type=float, default=0, help="decides population, models, splits and bootstrap")
    run.add_argument("--resamples", type=int, default=200, help="bootstrap replicates (default: 200)")
    run.add_argument("--folder", type=Path, default=Path("demo"), help="where records, features and bundle go")
    run.add_argument("--demonstration", action="store_true", help="approve the card with the demonstration key")
    run.set_defaults(command=_run)
    studies = commands.add_parser("studies", help="list the studies")
    studies.set_defaults(command=_studies)
    return parser


def _run(options: argparse.Namespace) -> int:
    from training import run  # MLflow takes seconds to import, and --help need not wait

    steps = Steps(run.STEPS + 1)
    study = STUDIES[STUDY_OF_SOURCE[options.source]]
    folder, seed = options.folder / options.source, int(options.seed)
    with steps(f"Records: {options.source}") as step:
        records = _records(options, folder / "records", seed, step.progress)
        rows = sum(d["rows"] for d in records.deliveries)
        step.note(f"{rows:,} records, digest {records.digest[:12]}")
    made = run.run(
        study,
        records,
        folder,
        seed=seed,
        resamples=options.resamples,
        demonstration=options.demonstration,
        steps=steps,
    )
    print()
    print("\n".join(run.headline(made.evidence, study)))
    print(f"\nModel card {made.card.digest[:12]}: {folder / 'bundle' / 'card.fr.html'} (fr), card.en.html (en)")
    if options.demonstration:
        print("Approved by the DEMONSTRATION key: no committee has examined it. Research use, not a medical device.")
    return OK


def _records(options: argparse.Namespace, store: Path, seed: int, progress: Progress) -> Records:
    """Return the source's records: those of an earlier run if it made them from the same thing, else made anew."""
    if options.source == "framingham":
        if not options.path:
            raise FileNotFoundError("--source framingham needs --path: the CSV file of the longitudinal teaching set")
        made_from = f"framingham {digest(Path(options.path).read_bytes())}"
    else:
        made_from = f"synthetic, {int(options.patients)} patients, seed {seed}, vigie {version('vigie')}"
    note = store / "made-from.txt"
    if note.exists() and note.read_text(encoding="utf-8") == made_from:
        return Records.open(store)
    if store.exists():
        shutil.rmtree(store)
    if options.source == "framingham":
        records = framingham(Path(options.path), store)
    else:
        records = synthesise(store, patients=int(options.patients), seed=seed, progress=progress)
    note.write_text(made_from, encoding="utf-8")
    return records


def _studies(options: argparse.Namespace) -> int:
    for study in STUDIES.values():
        print(f"{study.name}\n  {study.title.fr} / {study.title.en}")
        print(f"  {study.cohort.name} → {study.outcome.name}; candidate {study.candidate}")
    return OK


if __name__ == "__main__":
    sys.exit(main())

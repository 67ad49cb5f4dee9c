"""Command line of training: ``python -m training --help``."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from features.commands import Parser, print_json, taught
from features.digests import digest
from features.engines import Progress
from features.intake import InvalidRecords
from features.purpose import RefusedPurpose
from features.records import Records
from features.sources.cohorts import framingham
from features.synthetic import synthesise
from training.cohorts.declared import COHORTS
from training.committee.commands import add_to as add_ledger_commands
from training.console import Steps
from training.studies import FRAMINGHAM, STUDIES, Study

OK, USAGE, INVALID, MISSING = 0, 2, 3, 4
EXIT_CODES: Final = "exit codes: 0 done, 2 usage, 3 invalid input, 4 something missing"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 2 usage, 3 invalid input, 4 something missing."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except RefusedPurpose as error:
        print(f"{error} (--reference)", file=sys.stderr)
        return USAGE
    except InvalidRecords as error:
        print(error, file=sys.stderr)
        return INVALID
    except (FileNotFoundError, ModuleNotFoundError) as error:
        print(error, file=sys.stderr)
        return MISSING
    return code


def _parser() -> Parser:
    parser = Parser(
        prog="python -m training",
        description="Train, compare and audit models on a study, and draw up the model card.",
        epilog=taught(
            "python -m training studies",
            "python -m training compare --patients 1500 --resamples 5",
            "python -m training train --store records --reference CSE-2026-014 --contact cse@example.org",
            "python -m training ledger verify committee/ledger.jsonl --demonstration",
            codes=EXIT_CODES,
        ),
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    train = _of_study(commands, "train", _train, "run a study from records to a model card and a registered model")
    train.add_argument("--demonstration", action="store_true", help="approve the card with the demonstration key")
    train.add_argument(
        "--contact",
        help="where whoever reads the card may write to those who answer for it; asked for unless --demonstration",
    )
    _of_study(commands, "compare", _compare, "judge all models of a study on one page; nothing is registered")
    validate = _of_study(commands, "validate", _compare, "judge some models of a study; nothing is registered")
    validate.epilog = taught(
        "python -m training validate --model score2 --model logistic_regression --patients 1500 --resamples 5",
        codes=EXIT_CODES,
    )
    validate.add_argument(
        "--model", action="append", required=True, help="name of a model; several times for several models"
    )
    cohorts = commands.add_parser(
        "cohorts",
        help="judge all models on the published cohorts they apply to, on one page",
        description="Judge all models on the published cohorts they apply to: cohorts.html and cohorts.json. Most "
        "cohorts come with pip install 'vigie[cohorts]'.",
        epilog=taught("python -m training cohorts --into real-people --cohort smart --resamples 50", codes=EXIT_CODES),
    )
    cohorts.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="where page and figures go")
    cohorts.add_argument("--framingham", type=Path, metavar="FILE", help="CSV file of the longitudinal teaching set")
    names = ["framingham", *(each.cohort.name for each in COHORTS)]
    cohorts.add_argument(
        "--cohort", action="append", choices=names, default=[], help="one cohort; several times for several"
    )
    cohorts.add_argument("--seed", type=int, default=0, help="decides models, splits and bootstrap")
    cohorts.add_argument("--resamples", type=int, default=200, help="bootstrap replicates (default: 200)")
    cohorts.set_defaults(command=_cohorts)
    studies = commands.add_parser(
        "studies",
        help="list the studies",
        description="List the studies: whom each is about, what it predicts, and by which models.",
        epilog=taught("python -m training studies", "python -m training studies --json", codes=EXIT_CODES),
    )
    studies.add_argument("--json", action="store_true", help="as JSON")
    studies.set_defaults(command=_studies)
    add_ledger_commands(commands.add_parser("ledger", help="check or show the committee's ledger of decisions"))
    return parser


def _folder(text: str) -> Path | None:
    """Return a folder; None for an empty text, which is how ``mlflow run`` says that there is none."""
    return Path(text) if text else None


def _of_study(
    commands: Any, name: str, command: Callable[[argparse.Namespace], int], what: str
) -> argparse.ArgumentParser:
    """Add a command about a study, with what says of which records."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}. All is logged in MLflow, where MLFLOW_TRACKING_URI says.",
        epilog=taught(
            f"python -m training {name} --patients 1500 --resamples 5",
            f"python -m training {name} --study screening-breast --store records --reference CSE-2026-014",
            codes=EXIT_CODES,
        ),
    )
    parser.add_argument("--study", choices=list(STUDIES), default="cardiovascular", help="default: cardiovascular")
    parser.add_argument(
        "--store", type=_folder, help="records, as `python -m features ingest` leaves them; see --patients"
    )
    parser.add_argument("--path", default="", help=f"{FRAMINGHAM.name}: the CSV file of the teaching set")
    parser.add_argument(
        "--patients", type=float, default=20_000, help="without --store: patients to synthesise (default: 20,000)"
    )
    parser.add_argument(
        "--reference", help="what the committee filed its opinion on this use of the data under; asked for with --store"
    )
    parser.add_argument("--seed", type=float, default=0, help="decides population, models, splits and bootstrap")
    parser.add_argument("--resamples", type=int, default=200, help="bootstrap replicates (default: 200)")
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="where records, features and results go")
    parser.set_defaults(command=command)
    return parser


def _train(options: argparse.Namespace) -> int:
    if not options.demonstration and not options.contact:
        print("a card names whom to write to about the model: give --contact", file=sys.stderr)
        return USAGE
    from training import run  # MLflow takes seconds to import, and --help need not wait

    steps = Steps(run.TRAIN_STEPS + 1)
    study, records, folder = _prepared(options, steps)
    made = run.run(
        study,
        records,
        folder,
        reference=_reference(options),
        seed=int(options.seed),
        resamples=options.resamples,
        demonstration=options.demonstration,
        contact=options.contact,
        redo=_redo("train", options),
        steps=steps,
    )
    print()
    print("\n".join(run.headline(made.evidence, study)))
    print(f"\nModel card {made.card.digest[:12]}: {folder / 'bundle' / 'card.fr.html'} (fr), card.en.html (en)")
    if options.demonstration:
        print("Approved by the DEMONSTRATION key: no committee has examined it. Research use, not a medical device.")
    return OK


def _compare(options: argparse.Namespace) -> int:
    only = getattr(options, "model", [])
    names = [model.name for model in STUDIES[options.study].models(0)]
    if unknown := [name for name in only if name not in names]:
        print(f"{options.study} has no model {', '.join(unknown)}: choose among {', '.join(names)}", file=sys.stderr)
        return USAGE
    from training import run

    steps = Steps(run.COMPARE_STEPS + 1)
    study, records, folder = _prepared(options, steps)
    evidence = run.compare(
        study,
        records,
        folder,
        only=only,
        reference=_reference(options),
        seed=int(options.seed),
        resamples=options.resamples,
        redo=_redo("validate" if only else "compare", options),
        steps=steps,
    )
    print()
    print("\n".join(run.headline(evidence, study)))
    print(f"\nAll on one page: {folder / 'comparison.html'}")
    return OK


def _reference(options: argparse.Namespace) -> str:
    """Return the committee's reference; of data about nobody, or published for teaching, that there is none."""
    if not options.reference and options.store is None:
        return "none needed: teaching set" if options.study == FRAMINGHAM.name else "none needed: synthetic data"
    return options.reference or ""


def _redo(command: str, options: argparse.Namespace) -> str:
    """Return the command that does the same again; of a place only what another machine would have to fill in."""
    words = ["python", "-m", "training", command, "--study", options.study]
    if options.store is not None:
        words += ["--store", "RECORDS", "--reference", options.reference]
    elif options.study == FRAMINGHAM.name:
        words += ["--path", "FILE"]
    else:
        words += ["--patients", str(int(options.patients))]
    words += ["--seed", str(int(options.seed)), "--resamples", str(options.resamples)]
    if getattr(options, "contact", None):
        words += ["--contact", options.contact]
    for name in getattr(options, "model", []):
        words += ["--model", name]
    return shlex.join([*words, *(["--demonstration"] if getattr(options, "demonstration", False) else [])])


def _prepared(options: argparse.Namespace, steps: Steps) -> tuple[Study, Records, Path]:
    """Return the study, its records and the folder of its results."""
    study = STUDIES[options.study]
    folder: Path = options.folder / study.name
    folder.mkdir(parents=True, exist_ok=True)
    source = "a store" if options.store is not None else "framingham" if study is FRAMINGHAM else "synthetic"
    with steps(f"Records: {source}") as step:
        records = Records.open(options.store) if options.store is not None else _made(options, source, step.progress)
        rows = sum(d["rows"] for d in records.deliveries)
        step.note(f"{rows:,} records, digest {records.digest[:12]}")
    return study, records, folder


def _made(options: argparse.Namespace, source: str, progress: Progress) -> Records:
    """Return records made from the source: those of an earlier run if it made them from the same thing, else anew."""
    store, seed = options.folder / "records" / source, int(options.seed)
    if source == "framingham":
        if not options.path:
            raise FileNotFoundError(
                f"--study {FRAMINGHAM.name} needs --path: the CSV file of the longitudinal teaching set"
            )
        made_from = f"framingham {digest(Path(options.path).read_bytes())}"
    else:
        made_from = f"synthetic, {int(options.patients)} patients, seed {seed}, vigie {version('vigie')}"
    note = store.with_name(f"{source}.txt")  # beside the store, which holds records alone
    if store.exists() and note.exists() and note.read_text(encoding="utf-8") == made_from:
        return Records.open(store)
    if store.exists():
        shutil.rmtree(store)
    store.parent.mkdir(parents=True, exist_ok=True)
    if source == "framingham":
        records = framingham(Path(options.path), store)
    else:
        records = synthesise(store, patients=int(options.patients), seed=seed, progress=progress)
    note.write_text(made_from, encoding="utf-8")
    return records


def _cohorts(options: argparse.Namespace) -> int:
    from training.cohorts import cohorts_page, judge_all

    many = len(options.cohort) or len(COHORTS) + (options.framingham is not None)
    steps, shown = Steps(many), ExitStack()

    def progress(name: str) -> Callable[[str, int, int], None]:
        shown.close()
        return shown.enter_context(steps(f"Cohort {name}")).named_progress

    with shown:
        found = judge_all(options.cohort, options.framingham, options.resamples, options.seed, progress)
    options.into.mkdir(parents=True, exist_ok=True)
    (options.into / "cohorts.json").write_text(found.to_json(), encoding="utf-8")
    (options.into / "cohorts.html").write_text(cohorts_page(found), encoding="utf-8")
    print(f"All on one page: {options.into / 'cohorts.html'}")
    return OK


def _studies(options: argparse.Namespace) -> int:
    if options.json:
        print_json([_stated(study) for study in STUDIES.values()])
        return OK
    for study in STUDIES.values():
        print(f"{study.name}\n  {study.title.fr} / {study.title.en}")
        print(f"  {study.cohort.name} → {study.outcome.name}; candidate {study.candidate}")
        print(f"  compared: {', '.join(model.name for model in study.models(0))}")
    return OK


def _stated(study: Study) -> dict[str, object]:
    """Return of a study what a script chooses by."""
    return {
        "name": study.name,
        "title": {"fr": study.title.fr, "en": study.title.en},
        "cohort": study.cohort.name,
        "outcome": study.outcome.name,
        "horizon_years": study.outcome.horizon,
        "candidate": study.candidate,
        "models": [model.name for model in study.models(0)],
    }


if __name__ == "__main__":
    sys.exit(main())

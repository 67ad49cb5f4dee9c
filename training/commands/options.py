"""The options of commands, apart from what these do: models take seconds to import, and ``--help`` need not wait."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from training.commands import taught

#: Names of `training.studies.STUDIES`.
STUDIES: Final = (
    "cardiovascular",
    "cardiovascular-5-years",
    "screening-breast",
    "screening-colorectal",
    "screening-cervical",
    "lost-to-care",
    "cardiovascular-framingham",
)


def add_train(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``train``."""
    _add_study(
        parser,
        "python -m training train --patients 1500 --resamples 5 --demonstration",
        "python -m training train --study screening-breast --store records --reference CSE-2026-014 "
        "--contact cse@example.org",
    )
    parser.add_argument("--demonstration", action="store_true", help="approve the card with the demonstration key")
    parser.add_argument(
        "--contact",
        help="where whoever reads the card may write to those who answer for it; asked for unless --demonstration",
    )
    parser.set_defaults(command="training.commands.study:train")


def add_compare(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``compare``."""
    _add_study(
        parser,
        "python -m training compare --patients 1500 --resamples 5",
        "python -m training compare --study screening-breast --store records --reference CSE-2026-014",
    )
    parser.set_defaults(command="training.commands.study:compare")


def add_validate(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``validate``."""
    _add_study(
        parser, "python -m training validate --model score2 --model logistic_regression --patients 1500 --resamples 5"
    )
    parser.add_argument(
        "--model", action="append", required=True, help="name of a model; several times for several models"
    )
    parser.set_defaults(command="training.commands.study:compare")


def _folder(text: str) -> Path | None:
    """Return a folder; None for an empty text, which is how ``mlflow run`` says that there is none."""
    return Path(text) if text else None


def _add_study(parser: argparse.ArgumentParser, *examples: str) -> None:
    """Add what says about which study, and of which records."""
    parser.epilog = taught(*examples)
    parser.add_argument("--study", choices=STUDIES, default="cardiovascular", help="default: cardiovascular")
    parser.add_argument(
        "--store", type=_folder, help="records, as `python -m features ingest` leaves them; see --patients"
    )
    parser.add_argument("--path", default="", help="cardiovascular-framingham: the CSV file of the teaching set")
    parser.add_argument(
        "--patients", type=float, default=20_000, help="without --store: patients to synthesise (default: 20,000)"
    )
    parser.add_argument(
        "--reference", help="what the committee filed its opinion on this use of the data under; asked for with --store"
    )
    parser.add_argument("--seed", type=float, default=0, help="decides population, models, splits and bootstrap")
    parser.add_argument("--resamples", type=int, default=200, help="bootstrap replicates (default: 200)")
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="where records, features and results go")


def add_studies(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``studies``."""
    parser.description = "List the studies: whom each is about, what it predicts, and by which models."
    parser.epilog = taught("python -m training studies", "python -m training studies --json")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(command="training.commands.studies:studies")

"""``cohorts``: all models on the published cohorts they apply to."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from training.cohorts import cohorts_page, judge_all
from training.cohorts.declared import COHORTS
from training.commands import OK, taught
from training.console import Steps


def add_cohorts(cohorts: argparse.ArgumentParser) -> None:
    """Add the options of ``cohorts``."""
    cohorts.description = (
        "Judge all models on the published cohorts they apply to: cohorts.html and cohorts.json. Most cohorts come "
        "with pip install 'vigie[cohorts]'."
    )
    cohorts.epilog = taught("python -m training cohorts --into real-people --cohort smart --resamples 50")
    cohorts.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="where page and figures go")
    cohorts.add_argument("--framingham", type=Path, metavar="FILE", help="CSV file of the longitudinal teaching set")
    names = ["framingham", *(each.cohort.name for each in COHORTS)]
    cohorts.add_argument(
        "--cohort", action="append", choices=names, default=[], help="one cohort; several times for several"
    )
    cohorts.add_argument("--seed", type=int, default=0, help="decides models, splits and bootstrap")
    cohorts.add_argument("--resamples", type=int, default=200, help="bootstrap replicates (default: 200)")
    cohorts.set_defaults(command=_cohorts)


def _cohorts(options: argparse.Namespace) -> int:
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

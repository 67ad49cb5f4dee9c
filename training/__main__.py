"""Command line of training: ``python -m training --help``."""
# PYTHON_ARGCOMPLETE_OK: `features.commands.offered` answers a shell that asks what may follow.

from __future__ import annotations

import sys

from features.commands import Parser, chosen, offered
from training.commands import INVALID, MISSING, USAGE, taught


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 2 usage, 3 invalid input, 4 something missing."""
    options = offered(_parser()).parse_args(arguments)
    from features.intake import InvalidRecords  # not above: --help has been given by now, and need not wait
    from features.purpose import RefusedPurpose

    try:
        code: int = chosen(options.command)(options)
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
        ),
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, what in (
        ("train", "run a study from records to a model card and a registered model"),
        ("compare", "judge all models of a study on one page; nothing is registered"),
        ("validate", "judge some models of a study; nothing is registered"),
    ):
        about = f"{what[0].upper()}{what[1:]}. All is logged in MLflow, where MLFLOW_TRACKING_URI says."
        commands.add_parser(name, help=what, description=about, added_by=f"training.commands.options:add_{name}")
    for name, what, added_by in (
        (
            "cohorts",
            "judge all models on the published cohorts they apply to, on one page",
            "commands.cohorts:add_cohorts",
        ),
        ("studies", "list the studies", "commands.options:add_studies"),
        ("ledger", "check or show the committee's ledger of decisions", "committee.commands:add_to"),
    ):
        commands.add_parser(name, help=what, added_by=f"training.{added_by}")
    return parser


if __name__ == "__main__":
    sys.exit(main())

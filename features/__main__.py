"""Command line of the features: ``python -m features --help``."""
# PYTHON_ARGCOMPLETE_OK: `features.commands.offered` answers a shell that asks what may follow.

from __future__ import annotations

import os
import sys

from features.commands import DAMAGED, INVALID, MISSING, OK, Parser, offered, say, taught


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; `features.commands` says what each means."""
    options = offered(_parser()).parse_args(arguments)
    from features.check import UnreadableManifest  # not above: --help has been given by now, and need not wait
    from features.records import AlteredRecords
    from features.store import StaleFeatures

    try:
        code: int = options.command(options)
    except (FileExistsError, FileNotFoundError) as error:
        say(str(error))
        return MISSING
    except (UnreadableManifest, AlteredRecords) as error:
        say(f"{error}\nrun `python -m features check` on the store to see all that is wrong")
        return DAMAGED
    except StaleFeatures as error:
        say(str(error))
        return DAMAGED
    except ValueError as error:
        say(str(error))
        return INVALID
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        say("interrupted; run the same command again to go on")
        return 130
    return code


def _parser() -> Parser:
    parser = Parser(
        prog="python -m features",
        description="Records of practices, each with when it happened and when it became known, and features of them.",
        epilog=taught(
            "python -m features synthesise --patients 2000 --into records",
            "python -m features check records",
            "python -m features profile records --out profile.html",
            "python -m features build --features cardiovascular --store records --landmarks 2020-01-01 "
            "--out made.parquet",
            "python -m features ingest --help",
        ),
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, about, module in (
        ("synthesise", "make a synthetic population whose hazards are known", "population"),
        ("ingest", "take a delivery, or a published cohort, into records", "deliveries"),
        ("check", "verify a store and say what is wrong with it", "upkeep"),
        ("profile", "write a page about the quality of a store's data", "upkeep"),
        ("purge", "take out what is too old, or people who object", "upkeep"),
        ("export", "write a store as a MEDS, OMOP or FHIR data set", "deliveries"),
        ("build", "compute features of the catalogue", "frames"),
        ("describe", "print what the features of a set are", "frames"),
    ):
        commands.add_parser(name, help=about, added_by=f"features.commands.{module}:add_{name}")
    return parser


if __name__ == "__main__":
    sys.exit(main())

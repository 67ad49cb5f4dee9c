"""What ``python -m serving`` can do, a module for each kind of work; and what its commands share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from features import commands
from serving import settings

if TYPE_CHECKING:
    from serving.gate import Admitted

USAGE: Final = 2
INVALID: Final = 3
MISSING: Final = 4
REFUSED: Final = 5
ALTERED: Final = 6
ALERT: Final = 10
INTERRUPTED: Final = 130
EXIT_CODES: Final = (
    f"exit codes: 0 done · {USAGE} wrong usage · {INVALID} invalid request or file · {MISSING} something is not there "
    f"· {REFUSED} refused by the gate or the committee's rules · {ALTERED} audit trail, ledger or records altered"
)
#: Below BentoML's folder, where the service keeps what it is told unless another folder is set.
DATA: Final = "vigie-data"


class Altered(Exception):
    """Something that is not as it was written: an audit trail, a ledger, a store of records."""


class Invalid(Exception):
    """Something that was given and is not what it should be."""


class NotThere(Exception):
    """Something that was named and is not there."""


def taught(*examples: str, codes: str = EXIT_CODES) -> str:
    """Return what a command's help ends with: what to type, to be copied, and what its exit code says."""
    return commands.taught(*examples, codes=codes)


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Add the options that say whose decisions count."""
    parser.add_argument(
        "--trusted-keys",
        type=Path,
        metavar="FOLDER",
        help=f"public keys (*.pem) of whose decisions count; {settings.TRUSTED_KEYS} by default",
    )
    parser.add_argument(
        "--demonstration", action="store_true", help="let a demonstration's approval count, and say so in every answer"
    )


def add_ledger(parser: argparse.ArgumentParser, what_for: str = "") -> None:
    """Add the option that names the committee's own ledger, and say what it is for."""
    parser.add_argument(
        "--ledger",
        type=Path,
        metavar="FILE",
        help=f"the committee's own ledger{what_for}; {settings.LEDGER} by default",
    )


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where the service keeps what it is told."""
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help=f"where the service keeps it; {settings.DATA} by default"
    )


def admitted_by_gate(bundle: Path) -> Admitted:
    """Return the model of a bundle that the gate lets be served, or raise why not."""
    from serving.contract import now  # not above: whoever asks for help need not wait a second for the gate
    from serving.gate import admit
    from serving.trial import tried

    return admit(
        bundle,
        settings.trusted_keys(os.environ),
        now(),
        os.environ.get(settings.LEDGER_HEAD),
        ledger=settings.ledger(os.environ),
        trial=tried,
    )


def ledger_of(given: argparse.Namespace) -> Path | None:
    """Return the committee's own ledger, asked from here on, None where only the copies in bundles count."""
    if given.ledger is not None:
        os.environ[settings.LEDGER] = str(there(given.ledger, "ledger").resolve())
    return settings.ledger(os.environ)


def there(file: Path, what: str) -> Path:
    """Return a file that was named, if it is there."""
    if not file.is_file():
        raise NotThere(f"there is no {what} at {file}")
    return file


def bentoml_home(given: Path | None = None) -> Path:
    """Return BentoML's folder."""
    return (given or Path(os.environ.get("BENTOML_HOME", "bentoml"))).resolve()


def data_folder(given: argparse.Namespace) -> Path:
    """Return where the service keeps what it is told."""
    folder: Path | None = given.data
    return folder or settings.data_folder(os.environ) or bentoml_home() / DATA

"""``python -m serving``: verify a bundle, release it, serve it, or answer once."""
# PYTHON_ARGCOMPLETE_OK: `features.commands.offered` answers a shell that asks what may follow.

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from features.commands import Parser, chosen, offered
from serving import settings
from serving.commands import ALTERED, INTERRUPTED, INVALID, MISSING, REFUSED, USAGE, Altered, Invalid, NotThere, taught
from serving.refusals import BundleMissing, Refused

#: What each command is for, and what adds its options, imported when it is chosen.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "verify": ("Say whether a bundle may be served, and if not why.", "serving.commands.approval:add_verify"),
    "release": ("Take approved models from the MLflow registry to a Bento.", "serving.commands.approval:add_release"),
    "versions": ("List the versions of a study in the MLflow registry.", "serving.commands.approval:add_versions"),
    "serve": ("Serve the latest Bento, or some bundles, over HTTP.", "serving.commands.options:add_serve"),
    "score": (
        "Answer one request, or list a store's patients, here, without a server.",
        "serving.commands.options:add_score",
    ),
    "monitor": ("Say whether a model in use still is what was approved.", "serving.commands.options:add_monitor"),
    "portal": ("Open the committee's portal, or work on what it shows.", "serving.portal.commands:add_to"),
    "feedback": ("Say what clinicians did with cards.", "serving.commands.kept:add_feedback"),
    "audit": ("Check the audit trail.", "serving.commands.kept:add_audit"),
}


def parser() -> Parser:
    """Return the command line's parser."""
    top = Parser(
        prog="python -m serving",
        description="What may be said about this patient: verify, release, serve and ask an approved model.",
        epilog=taught(
            "python -m serving verify --bundle demo/cardiovascular/bundle --demonstration",
            "python -m serving score --bundle demo/cardiovascular/bundle --demonstration",
            "python -m serving serve --bundle demo/cardiovascular/bundle --demonstration",
            "python -m serving release --help",
        ),
    )
    top.set_defaults(trusted_keys=None, demonstration=False)
    commands = top.add_subparsers(title="commands", required=True, metavar="command")
    for name, (about, added_by) in COMMANDS.items():
        commands.add_parser(name, help=about, description=about, added_by=added_by)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    given = offered(parser()).parse_args(arguments)
    os.environ["BENTOML_DO_NOT_TRACK"] = "true"
    if given.trusted_keys is not None:
        os.environ[settings.TRUSTED_KEYS] = str(given.trusted_keys.resolve())
    if given.demonstration:
        os.environ[settings.ALLOW_DEMONSTRATION] = "1"
    try:
        chosen(given.run)(given)
    except (NotThere, BundleMissing) as absent:
        return _say(MISSING, str(absent))
    except settings.InvalidSetting as wrong:
        return _say(USAGE, str(wrong))
    except Altered as altered:
        return _say(ALTERED, str(altered))
    except Refused as refusal:
        return _say(REFUSED, f"refused [{refusal.code}]: {refusal}")
    except Invalid as wrong:
        return _say(INVALID, str(wrong))
    except KeyboardInterrupt:
        return _say(INTERRUPTED, "interrupted")
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _say(code: int, message: str) -> int:
    print(message, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())

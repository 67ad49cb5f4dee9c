"""``python -m serving``: verify a bundle, release it, serve it, or answer once."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Final

from features.build import ENGINES
from features.records import AlteredRecords
from serving import access, audit_trail, monitoring, settings
from serving.cds_hooks import kept, tally
from serving.contract import ScoreRequest, now
from serving.desk import Desk
from serving.desks import Desks
from serving.gate import Admitted, admit
from serving.hardening import Stopped, judge
from serving.openapi import EXAMPLES
from serving.plain import plain
from serving.portal.commands import NotSignedIn, Unusable
from serving.portal.commands import add_to as add_portal
from serving.refusals import BundleMissing, Refused
from serving.trial import tried

USAGE: Final = 2
INVALID: Final = 3
#: Below BentoML's folder, where the service keeps what it is told unless another folder is set.
DATA: Final = "vigie-data"
MISSING: Final = 4
REFUSED: Final = 5
ALTERED: Final = 6
INTERRUPTED: Final = 130
EXIT_CODES: Final = f"""
exit codes: 0 done · {USAGE} wrong usage · {INVALID} invalid request or file · {MISSING} something is not there · \
{REFUSED} refused by the gate or the committee's rules · {ALTERED} audit trail, ledger or records altered
"""


class Altered(Exception):
    """Something that is not as it was written: an audit trail, a ledger, a store of records."""


class Invalid(Exception):
    """Something that was given and is not what it should be."""


class NotThere(Exception):
    """Something that was named and is not there."""


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    top = argparse.ArgumentParser(
        prog="python -m serving",
        description="What may be said about this patient: verify, release, serve and ask an approved model.",
        epilog=EXIT_CODES,
    )
    commands = top.add_subparsers(title="commands", required=True, metavar="command")

    def command(name: str, description: str, run: object) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=description, description=description, epilog=EXIT_CODES)
        added.set_defaults(run=run)
        added.add_argument(
            "--trusted-keys",
            type=Path,
            metavar="FOLDER",
            help=f"public keys (*.pem) of whose decisions count; {settings.TRUSTED_KEYS} by default",
        )
        added.add_argument(
            "--demonstration",
            action="store_true",
            help="let a demonstration's approval count, and say so in every answer",
        )
        return added

    verify = command("verify", "Say whether a bundle may be served, and if not why.", run_verify)
    verify.add_argument("--bundle", type=Path, required=True, metavar="FOLDER", help="the released bundle")

    release = command("release", "Take approved models from the MLflow registry to a Bento.", run_release)
    release.add_argument(
        "--study", required=True, action="append", help="name of the study, such as cardiovascular; may be given twice"
    )
    release.add_argument("--tracking-uri", help="MLflow server; MLFLOW_TRACKING_URI by default")
    release.add_argument(
        "--ledger",
        type=Path,
        metavar="FILE",
        help="the committee's own ledger: the newest version whose card it approves is released, and gets the alias; "
        f"{settings.LEDGER} by default. Without it, the version that has the alias",
    )
    release.add_argument(
        "--rollback",
        action="store_true",
        help="go back to the version before, the newest older one that may still be served",
    )
    release.add_argument(
        "--alone", action="store_true", help="leave out the other studies of the latest Bento, which stay otherwise"
    )
    release.add_argument(
        "--into", type=Path, metavar="FOLDER", help="BentoML's folder; BENTOML_HOME or bentoml/ by default"
    )

    versions = command("versions", "List the versions of a study in the MLflow registry.", run_versions)
    versions.add_argument("--study", required=True, help="name of the study")
    versions.add_argument("--tracking-uri", help="MLflow server; MLFLOW_TRACKING_URI by default")
    versions.add_argument(
        "--ledger", type=Path, metavar="FILE", help=f"the committee's own ledger; {settings.LEDGER} by default"
    )

    serve = command("serve", "Serve the latest Bento, or some bundles, over HTTP.", run_serve)
    serve.add_argument(
        "--bundle",
        type=Path,
        action="append",
        metavar="FOLDER",
        help=f"serve this bundle and not the latest Bento, several times for several; {settings.BUNDLES} by default",
    )
    serve.add_argument(
        "--shadow",
        type=Path,
        action="append",
        metavar="FOLDER",
        help="bundle of a candidate, scored beside the approved model of its study and shown to nobody",
    )
    serve.add_argument(
        "--ledger",
        type=Path,
        metavar="FILE",
        help=f"the committee's own ledger, asked before every answer; {settings.LEDGER} by default",
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=int, default=3000, help="port to listen on (3000)")
    serve.add_argument(
        "--development",
        action="store_true",
        help="let anybody ask, and say so in every answer; a demonstration does so unless clients are named",
    )

    score = command("score", "Answer one request, or list a store's patients, here, without a server.", run_score)
    score.add_argument(
        "--bundle",
        type=Path,
        action="append",
        metavar="FOLDER",
        help="a bundle; the latest Bento's if none",
    )
    score.add_argument("--study", help="whose model answers, where there are several")
    score.add_argument(
        "--request",
        type=Path,
        metavar="FILE",
        help="JSON as for POST /score (- for standard input); an example if left out",
    )
    score.add_argument("--json", action="store_true", help="the whole answer, as POST /score gives it")
    score.add_argument("--store", type=Path, metavar="FOLDER", help="list the patients of this store of records")
    score.add_argument("--out", type=Path, metavar="FILE", help="Parquet file of the list, in order of outreach")
    score.add_argument("--as-of", type=date.fromisoformat, metavar="DATE", help="day of the list (0 h UTC); today")
    score.add_argument("--practice", help="list the patients of this practice only")
    score.add_argument("--capacity", type=int, metavar="N", help="list N people of each practice at most")
    score.add_argument("--reasons", action="store_true", help="with the reasons of each")
    score.add_argument("--engine", choices=sorted(ENGINES), default="threads", help="where a list is made (threads)")
    score.add_argument("--objections", type=Path, metavar="FILE", help="pseudonyms to leave out, one a line")
    score.add_argument(
        "--ledger", type=Path, metavar="FILE", help=f"the committee's own ledger; {settings.LEDGER} by default"
    )

    monitoring.add_to(command("monitor", "Say whether a model in use still is what was approved.", monitoring.run))
    add_portal(command("portal", "Open the committee's portal, or work on what it shows.", run_portal))

    feedback = commands.add_parser(
        "feedback", help=(about := "Say what clinicians did with cards."), description=about, epilog=EXIT_CODES
    )
    feedback.set_defaults(run=run_feedback, trusted_keys=None, demonstration=False)
    feedback.add_argument(
        "--data", type=Path, metavar="FOLDER", help=f"where the service keeps it; {settings.DATA} by default"
    )
    feedback.add_argument("--jsonl", action="store_true", help="each card on a line, its latest feedback")

    audit = commands.add_parser("audit", help=(about := "Check the audit trail."), description=about, epilog=EXIT_CODES)
    audit.set_defaults(run=run_audit, trusted_keys=None, demonstration=False)
    audit.add_argument("what", choices=["verify"], help="verify: whether it is as it was written")
    audit.add_argument(
        "--data", type=Path, metavar="FOLDER", help=f"where the service keeps it; {settings.DATA} by default"
    )
    audit.add_argument(
        "--audit-key", type=Path, metavar="FILE", help=f"the key it is sealed with; {settings.AUDIT_KEY} by default"
    )
    audit.add_argument("--head", metavar="SHA-256", help="head noted earlier: that line must still be there")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    given = parser().parse_args(arguments)
    os.environ["BENTOML_DO_NOT_TRACK"] = "true"
    if given.trusted_keys is not None:
        os.environ[settings.TRUSTED_KEYS] = str(given.trusted_keys.resolve())
    if given.demonstration:
        os.environ[settings.ALLOW_DEMONSTRATION] = "1"
    try:
        given.run(given)
    except (NotThere, BundleMissing) as absent:
        return _say(MISSING, str(absent))
    except settings.InvalidSetting as wrong:
        return _say(USAGE, str(wrong))
    except (Altered, AlteredRecords) as altered:
        return _say(ALTERED, str(altered))
    except Refused as refusal:
        return _say(REFUSED, f"refused [{refusal.code}]: {refusal}")
    except Stopped as stopped:
        lines = [f"  {fault.where}: expected {fault.expected}" for fault in stopped.problem.faults]
        return _say(INVALID, "\n".join([f"invalid request: {stopped.problem.message}", *lines]))
    except (Invalid, Unusable) as wrong:
        return _say(INVALID, str(wrong))
    except KeyboardInterrupt:
        return _say(INTERRUPTED, "interrupted")
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def run_verify(given: argparse.Namespace) -> None:
    """Say what a bundle is, or why it is refused."""
    admitted = _admitted(given.bundle)
    print(f"{given.bundle}: may be served")
    print(f"  study    {admitted.artefact.study}, {admitted.artefact.model.title.en}")
    print(f"  model    {admitted.model_digest}")
    print(f"  card     {admitted.card_digest}, version {admitted.card.identity.version}")
    print(f"  decision {admitted.decision.verdict}, valid until {admitted.decision.valid_until}")
    if admitted.demonstration:
        print("  DEMONSTRATION: approved by no committee; not for patients")


def run_release(given: argparse.Namespace) -> None:
    """Take approved models to a Bento, and let the alias in the registry follow the committee's ledger."""
    from serving.release import NothingApproved, release

    settings.trusted_keys(os.environ)
    try:
        released = release(
            given.study,
            _bentoml_home(given.into),
            _admitted,
            given.tracking_uri,
            ledger=_ledger(given),
            back=given.rollback,
            alone=given.alone,
        )
    except NothingApproved as absent:
        raise NotThere(str(absent)) from absent
    for study, chosen in released.versions.items():
        for number, refusal in chosen.passed_over.items():
            print(f"{study}: version {number} is passed over [{refusal.code}]: {refusal}", file=sys.stderr)
        print(f"{study}: {'back to ' if given.rollback else ''}version {chosen.number}")
    again = "run `python -m serving serve`, or `bentoml serve vigie:latest` with the same settings"
    print(f"released {released.tag}: {again}")


def run_versions(given: argparse.Namespace) -> None:
    """List the versions of a study, each with what the gate says of it."""
    from serving.release import NothingApproved, versions

    settings.trusted_keys(os.environ)
    _ledger(given)
    try:
        for version in versions(given.study, _admitted, given.tracking_uri):
            name, card = version.card
            state = f"[{version.refusal.code}]" if version.refusal else "may be served"
            released = "released" if version.is_released else ""
            print(f"{version.number:>4}  {released:8}  {name:10}  {card[:12]:12}  {state}")
    except NothingApproved as absent:
        raise NotThere(str(absent)) from absent


def run_serve(given: argparse.Namespace) -> None:
    """Become the server, once the gate agrees to one bundle at least."""
    home = _bentoml_home(None)
    os.environ["BENTOML_HOME"] = str(home)
    os.environ.setdefault(settings.DATA, str(home / DATA))
    if given.development:
        os.environ[settings.DEVELOPMENT] = "1"
    if given.shadow is not None:
        os.environ[settings.SHADOWS] = os.pathsep.join(str(path.resolve()) for path in given.shadow)
    settings.origins(os.environ)
    _ledger(given)
    guard = access.open_guard(os.environ)
    bundles = given.bundle or settings.folders(os.environ, settings.BUNDLE, settings.BUNDLES)
    os.environ.pop(settings.BUNDLE, None)
    if bundles:
        target = ["serving.service:Vigie", "--working-dir", str(Path(__file__).parents[1])]
        os.environ[settings.BUNDLES] = os.pathsep.join(str(path.resolve()) for path in bundles)
    else:
        from serving.release import NothingApproved, released_bundles

        try:
            bundles, target = released_bundles(), ["vigie:latest"]
        except NothingApproved as absent:
            raise NotThere(str(absent)) from absent
    served = _some_admitted(bundles)
    if any(admitted.demonstration for admitted in served):
        print("DEMONSTRATION: approved by no committee; not for patients", file=sys.stderr)
    if guard.is_development:
        print(access.LOUD, file=sys.stderr)
    studies = ", ".join(dict.fromkeys(admitted.artefact.study for admitted in served))
    print(f"serving {studies} on http://{given.host}:{given.port}", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "bentoml", "serve", *target, "--host", given.host, "--port", str(given.port)]
    os.execv(sys.executable, command)


def run_score(given: argparse.Namespace) -> None:
    """Print one answer, or write the list of a store's patients."""
    _ledger(given)
    if given.store is not None:
        _list(given)
        return
    if given.request is None:
        body = json.dumps(EXAMPLES["risk"]["value"]).encode()
    elif str(given.request) == "-":
        body = sys.stdin.buffer.read()
    else:
        body = _there(given.request, "request").read_bytes()
    request = judge(body, ScoreRequest)
    answer = _desk(given, _bundles(given)).answer(request)
    if given.json:
        print(json.dumps(answer.model_dump(mode="json"), ensure_ascii=False, indent=2))
    else:
        print(plain(answer))


def _desk(given: argparse.Namespace, bundles: Sequence[Path]) -> Desk:
    """Return the desk of the study that is asked; raise why it may not answer."""
    desks = Desks.open(bundles, os.environ)
    try:
        desk = desks.of(given.study)
    except LookupError as absent:
        raise NotThere(f"no model of the study {absent} is here: there is {', '.join(desks.studies)}") from absent
    desk.model()
    return desk


def _bundles(given: argparse.Namespace) -> list[Path]:
    """Return the bundles that were named, or those of the latest Bento."""
    if given.bundle is not None:
        return [bundle.resolve() for bundle in given.bundle]
    os.environ.setdefault("BENTOML_HOME", str(_bentoml_home(None)))
    from serving.release import NothingApproved, released_bundles

    try:
        return released_bundles()
    except NothingApproved as absent:
        raise NotThere(f"{absent}, or give --bundle") from absent


def _list(given: argparse.Namespace) -> None:
    """Write the list of a store's patients."""
    from features.privacy import Objections
    from features.records import Records
    from serving.outreach import Models, Wanted, write_list

    if given.out is None or (given.capacity is not None and given.capacity < 1):
        raise settings.InvalidSetting("a list needs --out FILE, and --capacity is 1 or more")
    as_of = datetime.combine(given.as_of or now().date(), time())
    wanted = Wanted(as_of, given.practice, given.capacity, given.reasons)
    bundles = _bundles(given)
    model: Callable[[], Admitted] = _desk(given, bundles).model
    if given.engine != "threads":
        asked = (settings.TRUSTED_KEYS, settings.ALLOW_DEMONSTRATION, settings.LEDGER, settings.LEDGER_HEAD)
        environment = tuple((name, os.environ[name]) for name in asked if name in os.environ)
        model = Models(tuple(bundles), environment, given.study)

    def told(done: int, shards: int) -> None:
        print(f"\r{done:,} of {shards:,} shards", end="", file=sys.stderr, flush=True)

    try:
        engine = ENGINES[given.engine]()
    except ValueError as lacking:
        raise NotThere(str(lacking)) from lacking
    try:
        objections = Objections.read(given.objections) if given.objections else None
        records = Records.open(given.store.resolve(), objections)
        found = write_list(model, records, wanted, given.out, told, engine)
    except FileNotFoundError as absent:
        raise NotThere(str(absent)) from absent
    except AlteredRecords:
        raise
    except ValueError as wrong:
        raise Invalid(str(wrong)) from wrong
    print(file=sys.stderr)
    print(f"{given.out}: {found.people:,} people, of {found.answered:,} answered for among {found.patients:,} patients")


def run_portal(given: argparse.Namespace) -> None:
    """Open the committee's portal, or do one of its commands."""
    from serving.portal.committee import NoRoll
    from serving.portal.keys import UnusableMembers
    from training.committee import AlteredLedger, InvalidKey, RefusedDecision

    try:
        given.portal(given)
    except (FileNotFoundError, NoRoll) as absent:
        raise NotThere(str(absent)) from absent
    except AlteredLedger as altered:
        raise Altered(str(altered)) from altered
    except (RefusedDecision, NotSignedIn) as refused:
        raise Refused(str(refused)) from refused
    except (InvalidKey, UnusableMembers) as wrong:
        raise Invalid(str(wrong)) from wrong


def run_feedback(given: argparse.Namespace) -> None:
    """Print what clinicians did with cards."""
    folder = given.data or settings.data_folder(os.environ) or _bentoml_home(None) / DATA
    try:
        entries = list(kept(folder))
    except FileNotFoundError as absent:
        raise NotThere(f"no feedback is kept in {folder}: give --data, or set {settings.DATA}") from absent
    except ValueError as torn:
        raise Altered(f"the feedback kept in {folder} has a line that is none: look at what was written last") from torn
    if given.jsonl:
        print("\n".join(json.dumps(entry) for entry in entries))
        return
    for service, counts in tally(entries).items():
        print(f"{service}: {counts.total()} cards with feedback")
        for what, count in counts.most_common():
            print(f"  {count:6,}  {what}")


def run_audit(given: argparse.Namespace) -> None:
    """Say whether the audit trail is as it was written."""
    data = given.data or settings.data_folder(os.environ) or _bentoml_home(None) / DATA
    named = given.audit_key or os.environ.get(settings.AUDIT_KEY)
    try:
        key = audit_trail.load_key(Path(named) if named else data / "audit.key")
        found = audit_trail.verify(data / audit_trail.FOLDER, key, given.head)
    except (FileNotFoundError, audit_trail.AuditKeyUnusable) as absent:
        raise NotThere(f"{absent}: give --data and --audit-key") from absent
    print(f"{found.lines:,} lines, head {found.head}")
    for remark in found.remarks:
        print(f"  to know: {remark}")
    if found.faults:
        raise Altered("\n".join(["the audit trail is not as it was written:", *(f"  {each}" for each in found.faults)]))
    print("as it was written")


def _admitted(bundle: Path) -> Admitted:
    return admit(
        bundle,
        settings.trusted_keys(os.environ),
        now(),
        os.environ.get(settings.LEDGER_HEAD),
        ledger=settings.ledger(os.environ),
        trial=tried,
    )


def _some_admitted(bundles: Sequence[Path]) -> list[Admitted]:
    """Return the models of those bundles that the gate lets be served, and say why not the others; one at least."""
    found, refusals = [], []
    for bundle in bundles:
        try:
            found.append(_admitted(bundle))
        except Refused as refusal:
            refusals.append(refusal)
            print(f"refused [{refusal.code}] {bundle.name}: {refusal}", file=sys.stderr)
    if not found:
        raise refusals[0]
    return found


def _ledger(given: argparse.Namespace) -> Path | None:
    """Return the committee's own ledger, asked from here on, None where only the copies in bundles count."""
    if given.ledger is not None:
        os.environ[settings.LEDGER] = str(_there(given.ledger, "ledger").resolve())
    return settings.ledger(os.environ)


def _there(file: Path, what: str) -> Path:
    """Return a file that was named, if it is there."""
    if not file.is_file():
        raise NotThere(f"there is no {what} at {file}")
    return file


def _bentoml_home(given: Path | None) -> Path:
    return (given or Path(os.environ.get("BENTOML_HOME", "bentoml"))).resolve()


def _say(code: int, message: str) -> int:
    print(message, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())

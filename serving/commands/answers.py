"""``serve`` and ``score``: answers over HTTP, one answer here, or a list of a store's patients."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, time
from pathlib import Path
from typing import Final

from features.build import ENGINES
from features.commands import steps
from features.privacy import Objections
from features.records import AlteredRecords, Records
from serving import access, settings
from serving.commands import (
    DATA,
    Altered,
    Invalid,
    NotThere,
    admitted_by_gate,
    bentoml_home,
    ledger_of,
    there,
)
from serving.contract import now
from serving.desk import Desk
from serving.desks import Desks
from serving.gate import Admitted
from serving.hardening import Stopped
from serving.openapi import EXAMPLES
from serving.outreach import Models, Wanted, write_list
from serving.plain import plain
from serving.reading import asking_of
from serving.refusals import Refused

#: Seconds that a connection may be idle: longer than proxies keep one (nginx: 60), so that it is the client that closes
#: it, and no request is lost on a connection that is being closed.
KEPT_OPEN: Final = "75"


def run_serve(given: argparse.Namespace) -> None:
    """Become the server, once the gate agrees to one bundle at least."""
    home = bentoml_home()
    os.environ["BENTOML_HOME"] = str(home)
    os.environ.setdefault(settings.DATA, str(home / DATA))
    if given.development:
        os.environ[settings.DEVELOPMENT] = "1"
    if given.shadow is not None:
        os.environ[settings.SHADOWS] = os.pathsep.join(str(path.resolve()) for path in given.shadow)
    settings.origins(os.environ)
    ledger_of(given)
    guard = access.open_guard(os.environ)
    bundles = given.bundle or settings.folders(os.environ, settings.BUNDLE, settings.BUNDLES)
    os.environ.pop(settings.BUNDLE, None)
    if bundles:
        target = ["serving.service:Vigie", "--working-dir", str(Path(__file__).parents[2])]
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
    where = ["--host", given.host, "--port", str(given.port), "--timeout-keep-alive", KEPT_OPEN]
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", "serve", *target, *where])


def run_score(given: argparse.Namespace) -> None:
    """Print one answer, or write the list of a store's patients."""
    ledger_of(given)
    if given.store is not None:
        _list(given)
        return
    if given.request is None:
        body = json.dumps(EXAMPLES["risk"]["value"]).encode()
    elif str(given.request) == "-":
        body = sys.stdin.buffer.read()
    else:
        body = there(given.request, "request").read_bytes()
    try:
        asking = asking_of(body)
    except Stopped as stopped:
        lines = [f"  {fault.where}: expected {fault.expected}" for fault in stopped.problem.faults]
        raise Invalid("\n".join([f"invalid request: {stopped.problem.message}", *lines])) from stopped
    answer = _desk(given, _bundles(given)).answer(asking)
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
    os.environ.setdefault("BENTOML_HOME", str(bentoml_home()))
    from serving.release import NothingApproved, released_bundles

    try:
        return released_bundles()
    except NothingApproved as absent:
        raise NotThere(f"{absent}, or give --bundle") from absent


def _list(given: argparse.Namespace) -> None:
    """Write the list of a store's patients."""
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
    try:
        engine = ENGINES[given.engine]()
    except ValueError as lacking:
        raise NotThere(str(lacking)) from lacking
    try:
        objections = Objections.read(given.objections) if given.objections else None
        records = Records.open(given.store.resolve(), objections)
        found = write_list(model, records, wanted, given.out, steps("shards"), engine)
    except FileNotFoundError as absent:
        raise NotThere(str(absent)) from absent
    except AlteredRecords as altered:
        raise Altered(str(altered)) from altered
    except ValueError as wrong:
        raise Invalid(str(wrong)) from wrong
    print(f"{given.out}: {found.people:,} people, of {found.answered:,} answered for among {found.patients:,} patients")


def _some_admitted(bundles: Sequence[Path]) -> list[Admitted]:
    """Return the models of those bundles that the gate lets be served, and say why not the others; one at least."""
    found, refusals = [], []
    for bundle in bundles:
        try:
            found.append(admitted_by_gate(bundle))
        except Refused as refusal:
            refusals.append(refusal)
            print(f"refused [{refusal.code}] {bundle.name}: {refusal}", file=sys.stderr)
    if not found:
        raise refusals[0]
    return found

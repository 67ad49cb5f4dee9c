"""The HTTP service: BentoML, thin. What is answered is decided in `serving.desk`, what may come in in `hardening`."""

from __future__ import annotations

import ctypes
import gc
import itertools
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "true")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # one patient is no work to share; threads only wait for each other

import bentoml
from starlette.responses import Response

from serving import access, settings
from serving.application import application
from serving.contract import AnswerBody, Problem
from serving.desks import Desks
from serving.doors import DOORS, scored
from serving.hardening import ELSEWHERE, LOG, Hardened, log_types_only, taken
from serving.refusals import Refused
from serving.replies import told

BESIDE = application()


def served() -> tuple[str, ...]:
    """Return the studies that are served, that which is asked where none is named before the others."""
    desks: Desks | None = getattr(BESIDE.state, "desks", None)
    return () if desks is None else desks.studies


try:
    BESIDE.state.address = settings.public_address(os.environ)
    BESIDE.state.data = settings.data_folder(os.environ)
    # While a Bento is built the service is imported, and lets nobody in.
    BESIDE.state.guard = None if settings.is_building(os.environ) else access.open_guard(os.environ, served)
except settings.InvalidSetting as wrong:
    sys.exit(f"vigie: {wrong}")


def opened() -> Desks:
    """Return the desks for the bundles that the environment names, or for those in the Bento that is served."""
    named = settings.folders(os.environ, settings.BUNDLE, settings.BUNDLES) or tuple(_stored())
    return Desks.open(named, os.environ, settings.data_folder(os.environ))


def _stored() -> Iterator[Path]:
    """Yield the bundles in the Bento, by the names under which `serving.release` put them there."""
    for number in itertools.count(1):
        try:
            yield Path(bentoml.models.get(f"{settings.MODEL_ALIAS}-{number}").path)
        except bentoml.exceptions.NotFound:
            return


#: Objects made before the young are looked through: a request makes thousands, and few outlive it.
YOUNG: Final = 20_000


#: ``PR_SET_PDEATHSIG`` of Linux.
WHEN_PARENT_DIES: Final = 1


class Desked:
    """A patient's records in, a risk or an abstention out."""

    def __init__(self) -> None:
        self.desks = BESIDE.state.desks = opened()
        for line in loud(self.desks):
            print(f"vigie: {line}", file=sys.stderr, flush=True)
        log_types_only()
        end_with_parent()
        # What is there now stays: looking through it again whenever a large file was read would take a second.
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG)

    def __is_ready__(self) -> bool:
        return self.desks.ready()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """Let candidates end what they are comparing."""
        self.desks.close()

    @bentoml.api(route="/score", output_spec=AnswerBody)  # type: ignore[untyped-decorator]
    def score(self) -> Response:
        """Estimate one patient's risk, or abstain. What is asked the wall has judged: it is not read a second time."""
        try:
            return scored(self.desks.of(), taken(Vigie.context.request.scope), self.desks)
        except Refused as refusal:
            return _problem(503, refusal.code, "no model may be used now: see GET /models")
        except Exception as error:  # BentoML would write what it says to the log
            LOG.error("a request failed: %s", type(error).__name__)
            return _problem(500, "internal_error", "the request could not be answered")


def end_with_parent() -> None:
    """Have this process asked to stop when the one that started it is killed; Linux only.

    Otherwise it would go on answering, and keep the port from whoever is started in its place.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(WHEN_PARENT_DIES, signal.SIGTERM)


def loud(desks: Desks) -> Iterator[str]:
    """Yield what whoever runs the service must not overlook."""
    word = "WITHHELD" if desks.ready() else "NOT READY"
    for desk, why in desks.withheld():
        yield f"{word} [{why.code}] {f'{desk.study}: ' if desk.study else ''}{why}"
    for why in desks.without:
        yield f"NOT COMPARED [{why.code}] a candidate is refused: {why}"
    if any(admitted.demonstration for admitted in desks.known()):
        yield "DEMONSTRATION: approved by no committee; not for patients"
    if BESIDE.state.guard.is_development:
        yield access.LOUD


def _problem(status: int, code: str, message: str) -> Response:
    return told(ELSEWHERE, status, Problem(code=code, message=message))


Vigie = bentoml.service(
    name="vigie",
    traffic={"timeout": 10},  # the wall gives up a second before
    tracing={"excluded_urls": [".*"]},  # nobody collects them: they hold the address, and cost a tenth of the time
    metrics={"enabled": False},  # they are labelled with whatever path was asked for
    logging={"access": {"enabled": False}},  # the same; `hardening` writes its own line
)(Desked)
Vigie.mount_asgi_app(BESIDE)
Vigie.add_asgi_middleware(Hardened, doors=DOORS, guard=BESIDE.state.guard, origins=settings.origins(os.environ))

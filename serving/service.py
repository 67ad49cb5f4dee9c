"""The HTTP service: BentoML, thin. What is answered is decided in `serving.desk`, what may come in in `hardening`."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "true")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # one patient is no work to share; threads only wait for each other

import bentoml
from starlette.responses import Response

from serving import access, settings
from serving.application import application
from serving.contract import AnswerBody, Problem, ScoreRequest
from serving.desk import Desk
from serving.doors import DOORS
from serving.hardening import ELSEWHERE, LOG, Hardened, log_types_only
from serving.outcome import note_answers
from serving.refusals import BundleMissing, Refused
from serving.replies import told

BESIDE = application()


def served() -> str | None:
    """Return the study that is served, None while there is none."""
    desk: Desk | None = getattr(BESIDE.state, "desk", None)
    return desk.admitted.artefact.study if desk and desk.admitted else None


try:
    BESIDE.state.address = settings.public_address(os.environ)
    BESIDE.state.data = settings.data_folder(os.environ)
    # While a Bento is built the service is imported, and lets nobody in.
    BESIDE.state.guard = None if settings.is_building(os.environ) else access.open_guard(os.environ, served)
except settings.InvalidSetting as wrong:
    sys.exit(f"vigie: {wrong}")


def opened() -> Desk:
    """Return the desk for the bundle that the environment names, or for the one in the Bento that is served."""
    named = os.environ.get(settings.BUNDLE)
    if named:
        return Desk.open(Path(named), os.environ)
    try:
        stored = bentoml.models.get(settings.MODEL_ALIAS)
    except bentoml.exceptions.NotFound:
        fault = f"no bundle is named: set {settings.BUNDLE}, or serve a Bento made with `python -m serving release`"
        return Desk(None, BundleMissing(fault))
    return Desk.open(Path(stored.path), os.environ)


class Desked:
    """A patient's records in, a risk or an abstention out."""

    def __init__(self) -> None:
        self.desk = BESIDE.state.desk = opened()
        if self.desk.refusal is not None:
            print(f"vigie: NOT READY [{self.desk.refusal.code}] {self.desk.refusal}", file=sys.stderr, flush=True)
        elif self.desk.admitted is not None and self.desk.admitted.demonstration:
            print("vigie: DEMONSTRATION: approved by no committee; not for patients", file=sys.stderr, flush=True)
        if BESIDE.state.guard.is_development:
            print(f"vigie: {access.LOUD}", file=sys.stderr, flush=True)
        log_types_only()
        # What is there now stays: looking through it again whenever a large file was read would take a second.
        gc.collect()
        gc.freeze()

    def __is_ready__(self) -> bool:
        return self.desk.ready()

    @bentoml.api(route="/score", output_spec=AnswerBody)  # type: ignore[untyped-decorator]
    def score(self, request: ScoreRequest, /) -> Response:
        """Estimate one patient's risk, or abstain."""
        try:
            answer = self.desk.answer(request)
            note_answers([answer])
            return Response(answer.model_dump_json(), media_type="application/json")
        except Refused as refusal:
            return _problem(503, refusal.code, "no model may be used now: see GET /models")
        except Exception as error:  # BentoML would write what it says to the log
            LOG.error("a request failed: %s", type(error).__name__)
            return _problem(500, "internal_error", "the request could not be answered")


def _problem(status: int, code: str, message: str) -> Response:
    return told(ELSEWHERE, status, Problem(code=code, message=message))


Vigie = bentoml.service(
    name="vigie",
    traffic={"timeout": 10},  # the wall gives up a second before
    metrics={"enabled": False},  # they are labelled with whatever path was asked for
    logging={"access": {"enabled": False}},  # the same; `hardening` writes its own line
)(Desked)
Vigie.mount_asgi_app(BESIDE)
Vigie.add_asgi_middleware(Hardened, doors=DOORS, guard=BESIDE.state.guard, origins=settings.origins(os.environ))

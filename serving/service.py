"""The HTTP service: BentoML, thin. What is answered is decided in `serving.desk`, what may come in in `hardening`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "true")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # one patient is no work to share; threads only wait for each other

import bentoml
from starlette.responses import Response

from serving import pages, settings
from serving.contract import AnswerBody, ScoreRequest
from serving.desk import Desk
from serving.hardening import LOG, Hardened, log_types_only
from serving.refusals import BundleMissing, Refused

PAGES = pages.application()


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
        self.desk = PAGES.state.desk = opened()
        if self.desk.refusal is not None:
            print(f"vigie: NOT READY [{self.desk.refusal.code}] {self.desk.refusal}", file=sys.stderr, flush=True)
        elif self.desk.admitted is not None and self.desk.admitted.demonstration:
            print("vigie: DEMONSTRATION: approved by no committee; not for patients", file=sys.stderr, flush=True)
        log_types_only()

    def __is_ready__(self) -> bool:
        return self.desk.ready()

    @bentoml.api(route="/score", output_spec=AnswerBody)  # type: ignore[untyped-decorator]
    def score(self, request: ScoreRequest, /) -> Response:
        """Estimate one patient's risk, or abstain."""
        try:
            return Response(self.desk.answer(request).model_dump_json(), media_type="application/json")
        except Refused as refusal:
            return pages.problem(503, refusal.code, "no model may be used now: see GET /models")
        except Exception as error:  # BentoML would write what it says to the log
            LOG.error("a request failed: %s", type(error).__name__)
            return pages.problem(500, "internal_error", "the request could not be answered")


Vigie = bentoml.service(
    name="vigie",
    traffic={"timeout": 10},
    metrics={"enabled": False},  # they are labelled with whatever path was asked for
    logging={"access": {"enabled": False}},  # the same; `hardening` writes its own line
)(Desked)
Vigie.mount_asgi_app(PAGES)
Vigie.add_asgi_middleware(Hardened, bodies={"/score": ScoreRequest})

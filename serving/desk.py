"""The desk: the one model that is served here, or why none is. The service and the command line ask it the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from serving import settings
from serving.contract import Abstention, Reading, Risk, ScoreRequest, now, read
from serving.gate import Admitted, admit
from serving.refusals import Refused
from serving.scoring import score, score_each


@dataclass(frozen=True, eq=False)
class Desk:
    """Where requests are answered.

    Attributes
    ----------
    admitted
        The model, None if it was refused.
    refusal
        Why it was refused, None if it was not.
    """

    admitted: Admitted | None
    refusal: Refused | None = None

    @classmethod
    def open(cls, bundle: Path, environment: Mapping[str, str]) -> Desk:
        """Return a desk for a bundle, admitted or refused by the gate under the settings of an environment."""
        try:
            keys = settings.trusted_keys(environment)
            return cls(admit(bundle, keys, now(), environment.get(settings.LEDGER_HEAD)))
        except Refused as refusal:
            return cls(None, refusal)

    def model(self, moment: datetime | None = None) -> Admitted:
        """Return the model if it may be used at a moment (now by default), else raise why not."""
        if self.admitted is None:
            raise self.refusal or Refused("no model is served here")
        self.admitted.require_valid(moment or now())
        return self.admitted

    def ready(self) -> bool:
        """Return whether there is a model that may be used now."""
        try:
            self.model()
        except Refused:
            return False
        return True

    def answer(self, request: ScoreRequest) -> Risk | Abstention:
        """Return the answer to a request.

        Raises
        ------
        Refused
            If no model may be used now.
        """
        return self.said(read(request, self.model().concepts))

    def answer_each(self, requests: Sequence[ScoreRequest]) -> list[Risk | Abstention]:
        """Return the answers to several requests, in their order: those that `answer` gives."""
        admitted = self.model()
        readings = [read(request, admitted.concepts) for request in requests]
        found = score_each(admitted, [(reading.history, reading.as_of) for reading in readings])
        return [_warned(answer, reading) for answer, reading in zip(found, readings, strict=True)]

    def said(self, reading: Reading) -> Risk | Abstention:
        """Return the answer to what was read; raise `Refused` if no model may be used now."""
        return _warned(score(self.model(), reading.history, reading.as_of), reading)


def _warned(answer: Risk | Abstention, reading: Reading) -> Risk | Abstention:
    return answer.model_copy(update={"warnings": reading.warnings})

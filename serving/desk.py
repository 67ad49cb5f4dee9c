"""The desk: one model of one study, and whether it may be used now. The service and the command line ask it alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Final

from serving import refusals, settings
from serving.contract import Abstention, Risk, now
from serving.gate import Admitted, admit, altered, examine, refusal_of, unreadable
from serving.reading import Asking, Reading, read
from serving.refusals import Refused
from serving.scoring import score, score_each
from serving.trial import tried
from training.card import ModelCard
from training.committee import AlteredLedger, Status, Watch

#: Refusals by a decision, which another decision may end; all others are of the bundle itself.
DECIDED: Final = (refusals.NotApproved, refusals.RefusedByCommittee, refusals.Suspended, refusals.Expired)


class Desk:
    """Where requests about one model are answered.

    Parameters
    ----------
    admitted
        The model, None if it was refused.
    refusal
        Why it was refused, None if it was not.
    watch
        The committee's ledger, asked before every answer; without it the decision stays the one in the bundle.
    card
        Of a bundle that only the committee's decision keeps from being served.
    again
        Admits that bundle, once another decision lets it be used.
    """

    def __init__(
        self,
        admitted: Admitted | None,
        refusal: Refused | None = None,
        *,
        watch: Watch | None = None,
        card: ModelCard | None = None,
        again: Callable[[], Admitted] | None = None,
    ) -> None:
        self.admitted, self.refusal = admitted, refusal
        self._watch, self._card, self._again = watch, card, again
        self._lock = Lock()

    @classmethod
    def open(cls, bundle: Path, environment: Mapping[str, str], watch: Watch | None = None) -> Desk:
        """Return a desk for a bundle, admitted or refused by the gate under the settings of an environment."""

        def again() -> Admitted:
            keys, head = settings.trusted_keys(environment), environment.get(settings.LEDGER_HEAD)
            return admit(bundle, keys, now(), head, ledger=settings.ledger(environment), trial=tried)

        try:
            return cls(again(), watch=watch)
        except DECIDED as refusal:
            return cls(None, refusal, watch=watch, card=examine(bundle), again=again)
        except Refused as refusal:
            return cls(None, refusal)

    @property
    def card(self) -> ModelCard | None:
        """The card of the model; None where the bundle is refused for itself, and its card may say anything."""
        return self.admitted.card if self.admitted is not None else self._card

    @property
    def study(self) -> str | None:
        """The study; None where nothing can be trusted to say so."""
        return None if self.card is None else self.card.identity.study

    def model(self, moment: datetime | None = None) -> Admitted:
        """Return the model if it may be used at a moment (now by default), else raise why not."""
        moment = moment or now()
        admitted = self.admitted or self._admitted_since(moment)
        if self._watch is not None:
            admitted = self.admitted = admitted.under(self._status(admitted.card_digest, moment, self._watch))
        admitted.require_valid(moment)
        return admitted

    def _admitted_since(self, moment: datetime) -> Admitted:
        """Return the model that was refused, once the committee has decided otherwise; raise why not."""
        refusal = self.refusal or Refused("no model is served here")
        if self._again is None or self._card is None or self._watch is None:
            raise refusal
        with self._lock:
            if self.admitted is None:
                status = self._status(self._card.digest, moment, self._watch)
                if status.kind != "approved":
                    raise refusal_of(status)
                self.admitted = self._again()
            return self.admitted

    def _status(self, card_digest: str, moment: datetime, watch: Watch) -> Status:
        try:
            return watch.status(card_digest, moment)
        except AlteredLedger as error:
            raise altered(error) from error
        except OSError as error:
            raise unreadable(error) from error

    def why_not(self) -> Refused | None:
        """Return why the model may not be used now, None if it may."""
        try:
            self.model()
        except Refused as refusal:
            return refusal
        return None

    def ready(self) -> bool:
        """Return whether there is a model that may be used now."""
        return self.why_not() is None

    def answer(self, asking: Asking) -> Risk | Abstention:
        """Return the answer to a request.

        Raises
        ------
        Refused
            If no model may be used now.
        """
        admitted = self.model()
        return said(admitted, read(asking, admitted.concepts))

    def answer_each(self, askings: Sequence[Asking]) -> list[Risk | Abstention]:
        """Return the answers to several requests, in their order: those that `answer` gives."""
        admitted = self.model()
        readings = [read(asking, admitted.concepts) for asking in askings]
        found = score_each(admitted, [(reading.history, reading.as_of) for reading in readings])
        return [_warned(answer, reading) for answer, reading in zip(found, readings, strict=True)]


def said(admitted: Admitted, reading: Reading) -> Risk | Abstention:
    """Return what a model that may be used now says to what was read."""
    return _warned(score(admitted, reading.history, reading.as_of), reading)


def _warned(answer: Risk | Abstention, reading: Reading) -> Risk | Abstention:
    return answer.model_copy(update={"warnings": reading.warnings})

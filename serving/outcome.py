"""What became of a request: noted by whoever answers it, kept by the audit trail. Counts and ids, no health data.

The note travels with the request in a context variable, through threads and through BentoML. Where nobody asked for one
(the command line), what is noted goes nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass

from serving.contract import Abstention, Risk


@dataclass
class Outcome:
    """What is known of a request so far.

    Attributes
    ----------
    client, practice
        Who asks, once that is proven, and for which practice.
    study, model, card, decision
        What answered: the study's name, and three SHA-256.
    risks, abstentions
        How many answers there were of each kind.
    refusal
        Code of the problem that was told instead, None if there was none.
    user
        Who opened the file, as a CDS client names them; the audit trail keeps a keyed digest only.
    """

    client: str | None = None
    practice: str | None = None
    study: str | None = None
    model: str | None = None
    card: str | None = None
    decision: str | None = None
    risks: int = 0
    abstentions: int = 0
    refusal: str | None = None
    user: str | None = None


_CURRENT: ContextVar[Outcome | None] = ContextVar("vigie.outcome", default=None)


def expected() -> Outcome:
    """Return a new note, in which from now on everything in this context is noted."""
    outcome = Outcome()
    _CURRENT.set(outcome)
    return outcome


def practice() -> str | None:
    """Return for which practice is asked; None in development, or where nobody asks."""
    outcome = _CURRENT.get()
    return None if outcome is None else outcome.practice


def note_client(client: str, practice: str | None = None) -> None:
    """Note who asks, and for which practice."""
    if (outcome := _CURRENT.get()) is not None:
        outcome.client, outcome.practice = client, practice


def note_answers(answers: Iterable[Risk | Abstention]) -> None:
    """Note which model answered, and what kind of answers it gave."""
    if (outcome := _CURRENT.get()) is None:
        return
    for answer in answers:
        outcome.study, outcome.model = answer.model.study, answer.model.digest
        outcome.card, outcome.decision = answer.card.digest, answer.decision
        outcome.risks += isinstance(answer, Risk)
        outcome.abstentions += isinstance(answer, Abstention)


def note_refusal(code: str) -> None:
    """Note the code of a problem that is told."""
    if (outcome := _CURRENT.get()) is not None:
        outcome.refusal = code


def note_user(user: str) -> None:
    """Note who opened the file."""
    if (outcome := _CURRENT.get()) is not None:
        outcome.user = user

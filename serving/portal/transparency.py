"""What everybody may know: which models are examined or in use, what for, with which data, and how to object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from features.typography import Language
from serving.portal.committee import Committee
from serving.portal.rendering import STYLE, render
from serving.portal.shelf import Submitted
from training.committee import Decision, Roll, Status, decisions, roll_in


@dataclass(frozen=True)
class Published:
    """A model as the public sees it.

    Attributes
    ----------
    submitted
        Its card.
    status
        Where it stands.
    decisions
        What was decided about it, the latest first.
    """

    submitted: Submitted
    status: Status
    decisions: Sequence[Decision]

    @property
    def state(self) -> str:
        """``"withdrawn"``, which a status does not tell from a card without a decision, or the kind of status."""
        withdrawn = self.decisions and self.decisions[0].verdict == "withdrawn"
        return "withdrawn" if withdrawn else self.status.kind


def published(committee: Committee) -> tuple[Roll | None, list[Published]]:
    """Return the committee and every model submitted to it, from a verified ledger; the record is not read.

    Raises
    ------
    AlteredLedger
        If the ledger cannot be trusted: nothing is then said about decisions.
    """
    entries = committee.ledger.verify(committee.trusted_keys)
    decided = decisions(entries)
    found = []
    for each in committee.shelf.submitted():
        about = [decision for decision in reversed(decided) if decision.card_digest == each.digest]
        found.append(Published(each, committee.status(about[0] if about else None), about))
    return roll_in(entries), found


def transparency(committee: Committee, language: Language, *, alone: bool) -> str:
    """Return the public page.

    Parameters
    ----------
    committee
        Whose ledger and cards are read.
    language
        French or English.
    alone
        Whether the page is a file of its own, with its style inside and no link to the portal.
    """
    roll, models = published(committee)
    return render(
        "transparency.html.j2",
        language,
        roll=roll,
        models=models,
        today=committee.clock(),
        alone=alone,
        style=STYLE if alone else None,
        demonstration=roll is not None and roll.demonstration,
        session=None,
        here="transparency",
    )

"""One page in plain words for the people a model is about."""

from __future__ import annotations

from typing import Any, Final

from features.typography import Language
from training.card.documents import Document
from training.card.model_card import ModelCard
from training.card.rendering import card_environment, gated_documents, shown_as_demonstration, standing_of
from training.card.values import HeadlineEstimate, NotApplicable
from training.card.writing import CROSS
from training.committee import Decision

OF_HUNDRED: Final = 10
"""How many of a hundred people the page's example announces."""
MOST_INPUTS: Final = 8
"""Inputs that are named one by one; the page says how many others there are."""


def leaflet(card: ModelCard, audit: Document, decision: Decision | None = None, language: Language = "fr") -> str:
    """Return one page, to be read or printed on a sheet of paper, that says what a model is to whoever it is about.

    Parameters
    ----------
    card
        Without holes.
    audit
        The one the card answers for: the page says for whom the model is wrong more often.
    decision
        The committee's; the card's own by default.
    language
        ``"fr"`` or ``"en"``; the page links to the other as ``patient.fr.html`` or ``patient.en.html``.

    Raises
    ------
    IncompleteCard
        If the card has holes.
    AlteredCard
        If the audit is not the card's, or the decision is about another card.
    """
    decision = decision or card.decision
    gated = gated_documents(card.final(), {"audit": audit}, decision)
    features = card.inputs.features
    inputs = () if features is None or isinstance(features, NotApplicable) else features
    page = card_environment(language).get_template("patient.html.j2")
    return page.render(
        card=card,
        decision=decision,
        standing=standing_of(card, decision),
        demonstration=shown_as_demonstration(card, decision),
        announced=OF_HUNDRED,
        ratio=_ratio(card),
        inputs=inputs[:MOST_INPUTS],
        others=max(len(inputs) - MOST_INPUTS, 0),
        outside=_outside(gated["audit"]),
    )


def _ratio(card: ModelCard) -> HeadlineEstimate | None:
    """Return observed / expected with its interval, None where the card has none."""
    found = card.performance.calibration
    if found is None or isinstance(found, NotApplicable):
        return None
    return next((each for each in found if each.measure == "observed_expected" and each.high is not None), None)


def _outside(audit: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the groups for whom observed / expected is outside its tolerance, and whether they are told too much."""
    return [
        (attribute["attribute"], group["group"], "less" if finding["estimate"]["value"] > 1 else "more")
        for attribute in audit["attributes"]
        if CROSS not in attribute["attribute"]
        for group in attribute["groups"]
        for finding in group["findings"]
        if finding["verdict"] == "outside"
        and finding["estimate"]["measure"] == "observed_expected"
        and finding["estimate"]["value"] is not None
    ]

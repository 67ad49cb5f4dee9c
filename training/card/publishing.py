"""Every form in which a card is handed out, written at once."""

from __future__ import annotations

from pathlib import Path

from features.typography import LANGUAGES
from training.card.chai import chai_xml
from training.card.documents import Document
from training.card.leaflet import leaflet
from training.card.model_card import ModelCard
from training.card.rendering import render
from training.card.schema import schema_json
from training.committee import Decision


def write_documents(
    bundle: Path,
    card: ModelCard,
    evidence: Document,
    audit: Document,
    explanation: Document,
    decision: Decision | None = None,
) -> tuple[str, ...]:
    """Write what people and machines read of a final card beside ``card.json``, and return the names of the files.

    The page for the committee and the page for patients in both languages, the CHAI Applied Model Card, and the JSON
    Schema of ``card.json``. Nothing is written if any of them cannot be.

    Parameters
    ----------
    bundle
        Folder; it is there already.
    card, evidence, audit, explanation
        The card, without holes, and what it answers for.
    decision
        The committee's; the card's own by default.

    Raises
    ------
    IncompleteCard
        If the card has holes.
    AlteredCard
        If a document is not the card's, or the decision is about another card.
    """
    made = {"card.chai.xml": chai_xml(card, audit, decision), "card.schema.json": schema_json()}
    for language in LANGUAGES:
        page = render(card, evidence, audit, explanation, decision, language, final=True)
        made[f"card.{language}.html"] = page
        made[f"patient.{language}.html"] = leaflet(card, audit, decision, language)
    for name, text in made.items():
        (bundle / name).write_text(text, encoding="utf-8")
    return tuple(sorted(made))

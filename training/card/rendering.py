"""A card as a page, with what it answers for."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from jinja2 import Environment
from markupsafe import Markup

from features.digests import digest
from features.pages import environment
from features.styles import DOCUMENT, style
from features.ticks import ticks
from features.typography import Language, decimal, percent, typeset
from training.card.documents import Document, model_evidence, tree_of
from training.card.fields import CHAPTERS, FILLERS, Item
from training.card.model_card import AlteredCard, ModelCard, require_about
from training.card.suppression import gate
from training.card.writing import CROSS, TEMPLATES, count, label_of_measure, number, word
from training.committee import Decision
from training.values import Bilingual

STEPS: Final = (1, 2, 2.5, 5, 10)
"""Steps of an axis, times a power of ten."""

Standing = Literal[
    "draft", "pending", "approved", "approved_with_conditions", "reinstated", "refused", "suspended", "withdrawn"
]


def render(
    card: ModelCard,
    evidence: Document | None = None,
    audit: Document | None = None,
    explanation: Document | None = None,
    decision: Decision | None = None,
    language: Language = "fr",
    *,
    final: bool = False,
) -> str:
    """Return the card as one HTML page that needs nothing else.

    The page links to its other language as ``card.fr.html`` or ``card.en.html`` in the same folder.

    Parameters
    ----------
    card
        The card; with holes, it is rendered as a draft and shows them.
    evidence, audit, explanation
        What the card's digests are about: objects, or what their JSON files hold. They may be missing from a draft.
    decision
        What the committee decided; the card's own decision by default.
    language
        ``"fr"`` or ``"en"``.
    final
        Whether to refuse a card that has holes. With a decision, it always is.

    Raises
    ------
    IncompleteCard
        If the card has holes and ``final`` is true or the committee decided about it.
    AlteredCard
        If evidence, audit or explanation are not those of the card's digests, or the decision is about another card.
    """
    decision = decision or card.decision
    if final or decision is not None:
        card.final()
    gated = gated_documents(card, {"evidence": evidence, "audit": audit, "explanation": explanation}, decision)
    found, reference, compared = _judged(gated["evidence"], card.identity.model)
    page = card_environment(language).get_template("card.html.j2")
    return page.render(
        card=card,
        decision=decision,
        standing=standing_of(card, decision),
        demonstration=shown_as_demonstration(card, decision),
        chapters=_chapters(card),
        found=found,
        reference=reference,
        compared=compared,
        audit=gated["audit"],
        explanation=gated["explanation"],
    )


def _judged(evidence: Mapping[str, Any] | None, model: str) -> tuple[dict[str, Any] | None, ...]:
    """Return what evidence knows of the card's model, of the one it is compared with, and of both together."""
    if evidence is None:
        return None, None, None
    found = model_evidence(evidence, model)
    for compared in evidence["comparisons"]:
        if compared["model"] == model:
            return found, model_evidence(evidence, compared["comparator"]), compared
    return found, None, None


def gated_documents(
    card: ModelCard, documents: Mapping[str, Document | None], decision: Decision | None = None
) -> dict[str, Any]:
    """Return documents as a reader may see them, once they and the decision are found to be those of the card.

    Raises
    ------
    AlteredCard
        If a document is not the one the card answers for, is missing from a complete card, or the decision is about
        another card.
    """
    if decision is not None:
        require_about(decision, card.digest)
    faults = []
    trees = {name: None if document is None else tree_of(document) for name, document in documents.items()}
    for name, tree in trees.items():
        claimed = getattr(card.traceability, f"{name}_digest")
        if tree is None:
            faults += [f"{name} is missing"] if not card.holes() else []
        elif claimed is not None and digest(tree) != claimed:
            faults.append(f"{name} was altered: its digest is not the card's")
    if faults:
        raise AlteredCard("; ".join(faults))
    return {name: None if tree is None else gate(tree) for name, tree in trees.items()}


def standing_of(card: ModelCard, decision: Decision | None) -> Standing:
    """Return where a card stands: a draft, waiting for the committee, or what it decided."""
    return "draft" if card.holes() else decision.verdict if decision else "pending"


def shown_as_demonstration(card: ModelCard, decision: Decision | None) -> bool:
    """Return whether a page says that the card is a demonstration."""
    return card.identity.demonstration or (decision is not None and decision.shown_as_demonstration)


@dataclass(frozen=True)
class _Line:
    """A field as the page shows it."""

    path: str
    item: Item
    value: Any


def _chapters(card: ModelCard) -> dict[str, list[_Line]]:
    """Return the fields of each chapter, by number."""
    lines = [_Line(path, each, card.value(path)) for path, each in card.field_items().items()]
    return {
        chapter: sorted((line for line in lines if line.item.chapter == chapter), key=lambda line: line.item.number)
        for chapter in CHAPTERS
    }


def _kind(value: Any) -> str:
    """Return the name of a value's type, that of its first part for a tuple: which macro writes it."""
    if value in (None, (), {}):
        return "hole"
    return type(value[0] if isinstance(value, tuple) else value).__name__


def _paragraphs(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the paragraphs of a text, apart by blank lines; lines that begin with a dash make a list."""
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = [line.strip() for line in block.splitlines()]
        if all(line.startswith("- ") for line in lines):
            yield "list", [line[2:] for line in lines]
        else:
            yield "text", [" ".join(lines)]


def _scale(low: float, high: float, first: float, last: float) -> Callable[[float], float]:
    """Return what maps ``low`` to ``first`` and ``high`` to ``last``, to a tenth of a pixel; values beyond are held."""
    span = (high - low) or 1.0

    def position(value: float) -> float:
        share = min(max((value - low) / span, 0.0), 1.0)
        return round(first + share * (last - first), 1)

    return position


def _finite(values: Any) -> list[float]:
    """Return the numbers among values."""
    return [value for value in values if isinstance(value, int | float)]


@cache
def card_environment(language: Language) -> Environment:
    """Return the templates with what writes numbers and texts in one language."""

    def in_language(text: Bilingual | str) -> str:
        return typeset(text if isinstance(text, str) else getattr(text, language), language)

    made = environment(TEMPLATES, language)
    made.filters |= {
        "text": in_language,
        "paragraphs": _paragraphs,
        "number": lambda value, measure, signed=False: number(value, measure, language, signed=signed),
        "percent": lambda value, digits=1: percent(value, language, digits),
        "threshold": lambda value: percent(value, language, 0 if math.isclose(100 * value, round(100 * value)) else 1),
        "decimal": lambda value, digits=2: decimal(value, digits, language),
        "count": lambda value: count(value, language),
        "label": lambda measure: in_language(label_of_measure(measure)),
        "kind": _kind,
        "title_of": lambda model: typeset(model["title"][language], language),
        "finite": _finite,
    }
    made.globals |= {
        "word": lambda name, labels: typeset(word(name, language, labels), language),
        "chapter_titles": CHAPTERS,
        "fillers": FILLERS,
        "style": lambda *names: Markup(style(*DOCUMENT, *(TEMPLATES / name for name in names))),
        "scale": _scale,
        "ticks": lambda low, high, wanted=5: ticks(low, high, wanted, STEPS),
        "cross": CROSS,
        "mitigated": lambda part: [(each["group"], each["cut"], each["changes"]) for each in part["groups"]],
    }
    return made

"""Fields of a card before they are filled: number, TRIPOD+AI items, label, chapter, and who fills them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import Field

from training.values import Bilingual, Frozen

FilledBy = Literal["pipeline", "study author", "committee"]

FIELD_COUNT: Final = 60
"""Fields of the union table; every number from 1 to 60 is that of at least one field of the card."""

CHAPTERS: Final[dict[str, Bilingual]] = {
    "use": Bilingual(fr="À quoi sert le modèle, et pour qui", en="What the model is for, and for whom"),
    "output": Bilingual(fr="Ce que le modèle répond", en="What the model answers"),
    "performance": Bilingual(fr="Ce que valent ses réponses", en="What its answers are worth"),
    "fairness": Bilingual(fr="Équité", en="Fairness"),
    "explanation": Bilingual(fr="Sur quoi il s’appuie", en="What it relies on"),
    "safety": Bilingual(fr="Risques et garde-fous", en="Risks and safeguards"),
    "inputs": Bilingual(fr="Données demandées au moment d’utiliser le modèle", en="Data needed when the model is used"),
    "data": Bilingual(fr="Données de l’étude", en="Study data"),
    "development": Bilingual(fr="Construction du modèle", en="How the model was built"),
    "life": Bilingual(fr="Surveillance et mises à jour", en="Monitoring and updates"),
    "rights": Bilingual(fr="Cadre, droits et transparence", en="Legal frame, rights and openness"),
    "identity": Bilingual(fr="Identité", en="Identity"),
    "traceability": Bilingual(fr="Traçabilité", en="Traceability"),
}
"""Chapters of the page, in the order they are read."""

FILLERS: Final[dict[FilledBy, Bilingual]] = {
    "pipeline": Bilingual(fr="la chaîne de calcul", en="the pipeline"),
    "study author": Bilingual(fr="l’auteur de l’étude", en="the study author"),
    "committee": Bilingual(fr="le comité", en="the committee"),
}


@dataclass(frozen=True)
class Item:
    """What is known of a field before it is filled.

    Parameters
    ----------
    number
        Its number in the union table, 1 to 60.
    tripod
        TRIPOD+AI items it answers, such as ``"3b, 27b"``; empty if none.
    label
        Name for readers.
    who
        Who fills it.
    chapter
        Key in `CHAPTERS`.
    """

    number: int
    tripod: str
    label: Bilingual
    who: FilledBy
    chapter: str


def item(number: int, chapter: str, fr: str, en: str, tripod: str = "", **options: Any) -> Any:
    """Declare a field of the card that is a hole until it is filled, unless ``default`` says otherwise."""
    options.setdefault("default", None)
    extra: dict[str, Any] = {"number": number, "chapter": chapter, "label": {"fr": fr, "en": en}, "tripod": tripod}
    return Field(json_schema_extra=extra, **options)


class Section(Frozen):
    """A part of the card, filled by one hand."""

    @classmethod
    def filled_by(cls) -> FilledBy:
        """Return who fills the section."""
        return "pipeline"

    @classmethod
    def items(cls) -> dict[str, Item]:
        """Return what is known of each field, by name, in order."""
        return {name: item_of(field.json_schema_extra, cls.filled_by()) for name, field in cls.model_fields.items()}


def item_of(extra: Any, who: FilledBy) -> Item:
    """Return the item declared with `item`, from a field's schema."""
    return Item(extra["number"], extra["tripod"], Bilingual(**extra["label"]), who, extra["chapter"])


@dataclass(frozen=True)
class Hole:
    """A field that nobody filled.

    Parameters
    ----------
    path
        Where, such as ``"authored.intended_use"``.
    label
        What a reader calls it.
    who
        Who should fill it.
    number
        Its number in the union table.
    """

    path: str
    label: Bilingual
    who: FilledBy
    number: int


class IncompleteCard(ValueError):
    """A card that is not final; ``holes`` lists all that is missing."""

    def __init__(self, holes: Sequence[Hole]) -> None:
        self.holes = tuple(holes)
        lines = [f"- {hole.label.en} ({hole.path}, field {hole.number}): for {hole.who} to fill" for hole in holes]
        super().__init__(f"the card is a draft, {len(holes)} fields are missing:\n" + "\n".join(lines))

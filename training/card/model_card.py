"""The card itself: its sections, its holes, its digest, and the committee's decision about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal, Self

from pydantic import Field, ValidationError

from features.digests import canonical, digest
from training.card.fields import Hole, IncompleteCard, Item, Section, item, item_of
from training.card.sections import (
    AuthoredFields,
    Development,
    Explained,
    Fairness,
    Identity,
    Inputs,
    Operation,
    Output,
    Performance,
    Population,
    Traceability,
)
from training.committee import Decision
from training.values import Bilingual, Frozen


class AlteredCard(ValueError):
    """A card, or a file it answers for, whose digest is not the one it should have."""


class InvalidCard(ValueError):
    """A text that is not a card."""


class ModelCard(Frozen):
    """Everything the committee must read before a model is used.

    Parameters
    ----------
    identity, traceability, population, output, inputs, development, performance, fairness, explained, operation
        What the pipeline fills.
    authored
        What the study's author fills.
    labels
        Names for readers of attributes and groups of the audit, where the usual ones do not do.
    decision
        What the committee decided; not part of the digest.
    """

    format: Literal[2] = 2
    identity: Identity
    traceability: Traceability = Traceability()
    population: Population = Population()
    output: Output = Output()
    inputs: Inputs = Inputs()
    development: Development = Development()
    performance: Performance = Performance()
    fairness: Fairness = Fairness()
    explained: Explained = Explained()
    operation: Operation = Operation()
    authored: AuthoredFields = AuthoredFields()
    labels: dict[str, Bilingual] = Field(default_factory=dict)
    decision: Decision | None = item(57, "identity", "Décision du comité", "Committee decision", "17")

    @classmethod
    def draft(
        cls,
        texts: AuthoredFields,
        *,
        identity: Identity,
        traceability: Traceability | None = None,
        population: Population | None = None,
        output: Output | None = None,
        inputs: Inputs | None = None,
        development: Development | None = None,
        performance: Performance | None = None,
        fairness: Fairness | None = None,
        explained: Explained | None = None,
        operation: Operation | None = None,
        labels: Mapping[str, Bilingual] | None = None,
    ) -> Self:
        """Return a card with what is known so far; a section left out is all holes."""
        return cls(
            identity=identity,
            authored=texts,
            traceability=traceability or Traceability(),
            population=population or Population(),
            output=output or Output(),
            inputs=inputs or Inputs(),
            development=development or Development(),
            performance=performance or Performance(),
            fairness=fairness or Fairness(),
            explained=explained or Explained(),
            operation=operation or Operation(),
            labels=dict(labels or {}),
        )

    @classmethod
    def field_items(cls) -> dict[str, Item]:
        """Return every field of the union table by its path, ``"section.field"``, the decision included."""
        found = {f"{section}.{name}": each for section, kind in SECTIONS.items() for name, each in kind.items().items()}
        return found | {"decision": item_of(cls.model_fields["decision"].json_schema_extra, "committee")}

    def value(self, path: str) -> Any:
        """Return the value at a path of `field_items`."""
        value: Any = self
        for name in path.split("."):
            value = getattr(value, name)
        return value

    def holes(self) -> list[Hole]:
        """Return every field nobody filled. The committee's decision is not one: a final card is what it waits for."""
        return [
            Hole(path, each.label, each.who, each.number)
            for path, each in self.field_items().items()
            if each.who != "committee" and self.value(path) in (None, (), {})
        ]

    def final(self) -> Self:
        """Return the card if it has no hole, else raise `IncompleteCard` listing all of them."""
        if holes := self.holes():
            raise IncompleteCard(holes)
        return self

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON of the whole card, the committee's decision excepted."""
        return digest(self.model_dump(mode="json", exclude={"decision"}))

    def decided(self, decision: Decision) -> Self:
        """Return the card with the committee's decision about it.

        Raises
        ------
        AlteredCard
            If the decision is about another card.
        IncompleteCard
            If the card has holes.
        """
        self.final()
        require_about(decision, self.digest)
        return self.model_copy(update={"decision": decision})

    def to_json(self) -> str:
        """Return canonical JSON, the digest included."""
        return canonical(self.model_dump(mode="json") | {"digest": self.digest}).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the card that `to_json` wrote.

        Raises
        ------
        InvalidCard
            If the text is not a card.
        AlteredCard
            If its digest is not that of its content, or its decision is about another card.
        """
        try:
            tree = json.loads(text)
            claimed = tree.pop("digest")
            card = cls.model_validate(tree)
        except (ValueError, KeyError, AttributeError, TypeError, ValidationError) as error:
            raise InvalidCard(f"this is not a model card as to_json writes them: {error}") from error
        if claimed != card.digest or tree != json.loads(canonical(card.model_dump(mode="json"))):
            raise AlteredCard("the card was altered after it was written: its digest is not that of its content")
        if card.decision is not None:
            require_about(card.decision, card.digest)
        return card


SECTIONS: Final[dict[str, type[Section]]] = {
    name: field.annotation
    for name, field in ModelCard.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}


def require_about(decision: Decision, card_digest: str) -> None:
    """Raise `AlteredCard` if a decision is about another card."""
    if decision.card_digest != card_digest:
        raise AlteredCard(f"the decision is about card {decision.card_digest[:12]}…, this is {card_digest[:12]}…")

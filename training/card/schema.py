"""The published JSON Schema of ``card.json``: whoever reads a card by machine need not read our code."""

from __future__ import annotations

from typing import Any, Final

from features.digests import canonical
from training.card.model_card import ModelCard

IDENTIFIER: Final = "urn:vigie:model-card:2"
DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"


def card_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of what `ModelCard.to_json` writes, made of the card's typed fields.

    A field that comes from the union table carries its ``number`` there, its ``tripod`` items, its ``chapter`` and its
    ``label`` in both languages, as keywords beside its type.
    """
    made = ModelCard.model_json_schema(mode="serialization")
    made["properties"]["digest"] = {
        "type": "string",
        "pattern": "^[0-9a-f]{64}$",
        "description": "SHA-256 over the canonical JSON of all the rest, the decision excepted.",
    }
    made["required"] = sorted({*made["properties"]})
    return {"$schema": DRAFT, "$id": IDENTIFIER, **made, "title": "Vigie model card"}


def schema_json() -> str:
    """Return the schema as canonical JSON: the same bytes every time."""
    return canonical(card_schema()).decode()

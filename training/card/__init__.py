"""Model cards: everything the committee must read before a model is used, typed, complete and tied to what it is about.

A card is a tree. What runs can know is filled by the pipeline, section by section; what only people can say is one
`AuthoredFields`. A field that nobody filled is a *hole*: a draft shows its holes, and refuses to be final until none is
left. The card's digest covers every word and, through their own digests, the features, the records, the model's bytes
and the evidence. The committee decides about that digest; its decision is the only thing the digest leaves out.

The fields are the union of what TRIPOD+AI (2024), CHAI's applied model card (0.2), HTI-1, annex IV of the EU AI Act and
the HAS grid ask for: 60 of them, numbered. `ModelCard.field_items` gives each one's number, TRIPOD+AI items, label and
who fills it.
"""

from features.typography import LANGUAGES, Language, calendar, decimal, percent, typeset
from training.card.chai import chai_xml
from training.card.documents import Document, content_digest, model_evidence, tree_of
from training.card.fields import (
    CHAPTERS,
    FIELD_COUNT,
    FILLERS,
    FilledBy,
    Hole,
    IncompleteCard,
    Item,
    Section,
    item,
    item_of,
)
from training.card.leaflet import leaflet
from training.card.model_card import SECTIONS, AlteredCard, InvalidCard, ModelCard
from training.card.publishing import write_documents
from training.card.rendering import Standing, render
from training.card.schema import card_schema, schema_json
from training.card.sections import (
    RESEARCH_ONLY,
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
from training.card.suppression import HIDDEN, SMALL, Count, gate
from training.card.values import (
    Characteristic,
    Content,
    DataWindow,
    FlowStep,
    HeadlineEstimate,
    Headlines,
    InputFeature,
    NotApplicable,
    SignOff,
    hide_small_steps,
)
from training.card.versions import compare_cards
from training.card.writing import count, label_of_measure, number, word

__all__ = [
    "CHAPTERS",
    "FIELD_COUNT",
    "FILLERS",
    "HIDDEN",
    "LANGUAGES",
    "RESEARCH_ONLY",
    "SECTIONS",
    "SMALL",
    "AlteredCard",
    "AuthoredFields",
    "Characteristic",
    "Content",
    "Count",
    "DataWindow",
    "Development",
    "Document",
    "Explained",
    "Fairness",
    "FilledBy",
    "FlowStep",
    "HeadlineEstimate",
    "Headlines",
    "Hole",
    "Identity",
    "IncompleteCard",
    "InputFeature",
    "Inputs",
    "InvalidCard",
    "Item",
    "Language",
    "ModelCard",
    "NotApplicable",
    "Operation",
    "Output",
    "Performance",
    "Population",
    "Section",
    "SignOff",
    "Standing",
    "Traceability",
    "calendar",
    "card_schema",
    "chai_xml",
    "compare_cards",
    "content_digest",
    "count",
    "decimal",
    "gate",
    "hide_small_steps",
    "item",
    "item_of",
    "label_of_measure",
    "leaflet",
    "model_evidence",
    "number",
    "percent",
    "render",
    "schema_json",
    "tree_of",
    "typeset",
    "word",
    "write_documents",
]

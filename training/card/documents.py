"""What a card answers for and holds the digest of: evidence, an audit, an explanation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.digests import digest
from training.tree import JsonTree, to_tree

Document = JsonTree | Mapping[str, Any]
"""Evidence, an audit or an explanation: the object itself, or what its JSON file holds."""


def tree_of(document: Document) -> dict[str, Any]:
    """Return evidence, an audit or an explanation as the JSON values its file holds."""
    return dict(to_tree(document))


def content_digest(document: Document) -> str:
    """Return the digest a card holds of evidence, an audit or an explanation: that of its canonical JSON."""
    return digest(tree_of(document))


def model_evidence(evidence: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return what evidence knows of one model; raise ValueError if nothing."""
    for found in evidence["models"]:
        if found["name"] == model:
            return dict(found)
    known = ", ".join(found["name"] for found in evidence["models"])
    raise ValueError(f"the evidence knows no model {model!r}: it has {known}")

"""What authored parts share."""

from __future__ import annotations

from training.card import NotApplicable
from training.values import Bilingual


def not_applicable(fr: str, en: str) -> NotApplicable:
    """Return a field that does not apply, and why."""
    return NotApplicable(reason=Bilingual(fr=fr, en=en))

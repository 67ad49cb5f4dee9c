"""Which of our languages a client would rather read."""

from __future__ import annotations

from typing import Final

from features.typography import LANGUAGES, Language

DEFAULT: Final[Language] = LANGUAGES[0]
LONGEST: Final = 200


def preferred(header: str | None) -> Language:
    """Return the language of ours that an ``Accept-Language`` header ranks first; French if it has neither."""
    ranked: list[tuple[float, int, Language]] = []
    for place, part in enumerate((header or "")[:LONGEST].split(",")):
        tag, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        for language in LANGUAGES:
            if tag.partition("-")[0] == language and (weight := _weight(quality)) > 0:
                ranked.append((-weight, place, language))
    return min(ranked)[2] if ranked else DEFAULT


def _weight(text: str) -> float:
    try:
        return min(float(text), 1.0)  # "nan" stays what it is, and is not above nought
    except ValueError:
        return 0.0

"""Pages in French and in English, made of templates."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from features.typography import Language, calendar, typeset


def environment(folder: Path, language: Language) -> Environment:
    """Return the templates of a folder, which escape what they are given and stop at what they are not.

    In them ``t("…", "…")`` is a text said in both languages, and ``day|calendar`` a date.
    """
    made = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "language": language,
        "t": lambda fr, en: typeset(fr if language == "fr" else en, language),
    }
    made.filters["calendar"] = lambda day: calendar(day, language)
    return made

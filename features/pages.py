"""Pages in French and in English, made of templates."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from features.styles import BOTH, FOLDER, style
from features.typography import LANGUAGES, Language, calendar, typeset


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


def in_both(contents: Mapping[Language, str], language: Language, title: str, *sheets: Path) -> str:
    """Return one page that needs nothing else, in both languages; the same bytes every time.

    Parameters
    ----------
    contents
        What it holds in each language.
    language
        The one that is shown first.
    title
        Of the page, in that language.
    sheets
        Of style, beside what all such pages have.
    """
    joined = style(*BOTH, *sheets)
    # The page says itself that it may fetch nothing and run nothing; its one style is named by its digest.
    digest = base64.b64encode(hashlib.sha256(joined.encode()).digest()).decode()
    ordered = {each: contents[each] for each in sorted(LANGUAGES, key=lambda each: each != language)}
    skeleton = environment(FOLDER, language).get_template("both.html.j2")
    return skeleton.render(title=typeset(title, language), style=joined, digest=digest, contents=ordered)

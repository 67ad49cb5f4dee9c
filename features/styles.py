"""What pages look like: the sheets that many begin with, joined with a page's own.

A page is one file that needs nothing else, so that a sheet is written into it rather than linked to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("templates")

BASE: Final = (FOLDER / "base.css",)
"""Of every page: colours, type, links, and where the keyboard is."""
DOCUMENT: Final = (*BASE, FOLDER / "document.css")
"""Of what is read from top to bottom, on a screen or on paper."""
BOTH: Final = (*DOCUMENT, FOLDER / "both.css")
"""Of what holds both languages in one file."""


def style(*sheets: Path) -> str:
    """Return sheets as one, in their order."""
    return "\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets)

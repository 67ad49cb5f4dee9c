"""Which of several codes stands for a fact: the same in all readers.

One that a concept of the catalogue covers; else the first of a known system; else the source's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

from features.catalogue.concepts import CONCEPTS
from features.codes import SOURCE, SYSTEMS, InvalidCode

#: A code of the source itself, where the source says that it is one: one word. A sentence would be free text.
WORD: Final = re.compile(r"[^\s@]{1,64}")


def coded(system: str, value: str) -> str | None:
    """Return a code of a system of ours as ``SYSTEM:value``, None if it has not its form."""
    try:
        return str(SYSTEMS[system](value))
    except InvalidCode:
        return None


def own(value: str) -> str | None:
    """Return a code of the source itself as ``SOURCE:value``, None if it may be free text."""
    return f"{SOURCE.name}:{value}" if WORD.fullmatch(value) else None


@lru_cache(maxsize=1 << 16)
def is_covered(code: str) -> bool:
    """Return whether a concept of the catalogue covers a code."""
    return any(concept.covers(code) for concept in CONCEPTS)


def chosen(codes: Iterable[str], is_covered: Callable[[str], bool] = is_covered) -> str | None:
    """Return the first of some codes that is covered, else the first; None if there is none."""
    codes = list(codes)
    return next(filter(is_covered, codes), codes[0] if codes else None)

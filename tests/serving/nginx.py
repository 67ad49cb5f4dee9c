"""nginx's configuration language, read for tests: directives, and blocks of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<mark>[{};])|"(?P<quoted>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)'|(?P<word>[^\s{};]+)"""
)


@dataclass(frozen=True)
class Directive:
    """A name, its arguments, and what is inside its block, None if it has none."""

    name: str
    arguments: tuple[str, ...]
    inside: tuple[Directive, ...] | None = None

    def all(self, name: str) -> list[Directive]:
        return [each for each in self.inside or () if each.name == name]

    def value(self, name: str) -> str:
        """The arguments of the one directive of this name."""
        (found,) = self.all(name)
        return " ".join(found.arguments)


def parse(text: str) -> Directive:
    """Return the whole configuration as one block; raise ValueError where it is none."""
    tokens = list(_tokens(text))
    position, inside = _block(tokens, 0, whole=True)
    assert position == len(tokens)
    return Directive("", (), inside)


def _tokens(text: str) -> Iterator[tuple[str, bool]]:
    position = 0
    while position < len(text):
        found = TOKEN.match(text, position)
        if found is None:
            raise ValueError(f"no token at {text[position : position + 20]!r}")
        position = found.end()
        if found["mark"]:
            yield found["mark"], True
        else:
            for kind in ("quoted", "single", "word"):
                if found[kind] is not None:
                    yield found[kind], False


def _block(tokens: list[tuple[str, bool]], position: int, whole: bool) -> tuple[int, tuple[Directive, ...]]:
    found: list[Directive] = []
    words: list[str] = []
    while position < len(tokens):
        text, is_mark = tokens[position]
        position += 1
        if not is_mark:
            words.append(text)
        elif text == ";" and words:
            found.append(Directive(words[0], tuple(words[1:])))
            words = []
        elif text == "{" and words:
            position, inside = _block(tokens, position, whole=False)
            found.append(Directive(words[0], tuple(words[1:]), inside))
            words = []
        elif text == "}" and not words and not whole:
            return position, tuple(found)
        else:
            raise ValueError(f"{text!r} after {words} is out of place")
    if words or not whole:
        raise ValueError("the configuration ends too early")
    return position, tuple(found)

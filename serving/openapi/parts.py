"""Pieces that all operations are described with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

Element = dict[str, Any]

WHY: Final[Mapping[str, str]] = {
    "400": "Not JSON, or ambiguous: a field given twice, NaN; or a query string.",
    "401": "Nobody is let in who does not prove who they are: no explanation is given.",
    "403": "This token does not allow it: a scope is missing, or it is for another practice.",
    "404": "There is no such thing here.",
    "405": "Not by this method.",
    "406": "Another type of answer is wanted than JSON.",
    "408": "The body did not arrive in time.",
    "412": "Something that the discovery asks for was not sent whole: each key is named.",
    "413": "Too large.",
    "415": "Another Content-Type, or encoded.",
    "422": "Not a request: all its faults are listed, without what was sent.",
    "429": "This client asks too much: ask again after the seconds in Retry-After.",
    "500": "The request could not be answered.",
    "503": "No model may be used now, too much is asked at once, or something cannot be kept: the code says why.",
}


def content(
    schema: Element, examples: Element | None = None, media: tuple[str, ...] = ("application/json",)
) -> Element:
    """Return what a body holds, in one or several types."""
    told = {"schema": schema} | ({"examples": examples} if examples else {})
    return dict.fromkeys(media, told)


def body(schema: Element, examples: Element | None = None, media: tuple[str, ...] = ("application/json",)) -> Element:
    """Return a body that must be sent."""
    return {"required": True, "content": content(schema, examples, media)}


def answer(about: str, schema: Element, examples: Element | None = None, media: str = "application/json") -> Element:
    """Return what is answered."""
    return {"description": about, "content": content(schema, examples, (media,))}


def refusals(schema: Element, statuses: str, faulty: Element | None = None, media: str = "application/json") -> Element:
    """Return the answers that tell a problem, by status; blanks separate the statuses.

    Parameters
    ----------
    schema
        Of a problem.
    statuses
        Which.
    faulty
        Examples of a problem that lists faults, as 422 does.
    media
        Type of a problem.
    """
    return {
        status: answer(WHY[status], schema, faulty if status == "422" else None, media) for status in statuses.split()
    }


def in_path(name: str, schema: Element) -> Element:
    """Return a parameter in the address."""
    return {"name": name, "in": "path", "required": True, "schema": schema}


def one_of(name: str, known: Sequence[str], otherwise: str) -> Element:
    """Return a parameter in the address that is one of some names; where there are none now, any is described."""
    named: Element = {"enum": list(known)} if known else {}
    return in_path(name, {"type": "string", **named, "example": known[0] if known else otherwise})


def in_header(name: str, about: str, schema: Element) -> Element:
    """Return a parameter in a header."""
    return {"name": name, "in": "header", "required": False, "description": about, "schema": schema}


LANGUAGE: Final = in_header(
    "Accept-Language", "Of the texts: French unless English is preferred.", {"type": "string", "example": "en"}
)

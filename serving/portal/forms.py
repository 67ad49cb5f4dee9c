"""What members send: a form, small and in one piece, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.requests import Request

from serving.portal.rendering import day
from training.committee import CONDITIONS, Condition, Motion
from training.values import Bilingual

LARGEST: Final = 64 * 1024
LONGEST_TEXT: Final = 5000
FIELDS: Final = 24
VOTABLE: Final = ("approved", "approved_with_conditions", "refused", "reinstated", "withdrawn")

Form = Mapping[str, str]


class InvalidForm(Exception):
    """A form that says too little or too much: what is wrong with it, all at once."""

    def __init__(self, *faults: Bilingual) -> None:
        self.faults = faults
        super().__init__("; ".join(fault.en for fault in faults))


async def read(request: Request) -> Form:
    """Return the fields of a form; of two with the same name, none is guessed to be meant.

    Raises
    ------
    InvalidForm
        If it is larger than any form of ours, or none.
    """
    unlike = InvalidForm(Bilingual(fr="Ce formulaire n’est pas l’un des nôtres.", en="This form is not one of ours."))
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise unlike
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            raise unlike
    try:
        pairs = parse_qsl(body.decode("ascii"), True, True, "utf-8", "strict", FIELDS)
    except ValueError:
        raise unlike from None
    found = {name: value.replace("\r\n", "\n").strip() for name, value in pairs}
    if len(found) != len(pairs) or any("\0" in value for value in found.values()):
        raise unlike
    return found


def text(form: Form, name: str, label: Bilingual, *, needed: bool = True) -> str:
    """Return a text of a form; raise `InvalidForm` if it is missing or too long."""
    value = form.get(name, "")
    if needed and not value:
        raise InvalidForm(Bilingual(fr=f"{label.fr} : à remplir.", en=f"{label.en}: please fill in."))
    if len(value) > LONGEST_TEXT:
        raise InvalidForm(
            Bilingual(
                fr=f"{label.fr} : {LONGEST_TEXT} caractères au plus.",
                en=f"{label.en}: {LONGEST_TEXT} characters at most.",
            )
        )
    return value


REASONS: Final = Bilingual(fr="Motifs", en="Reasons")


def motion(form: Form, card_digest: str) -> Callable[[datetime, bool], Motion]:
    """Return what makes the motion that a form describes, from the moment and whether it is a demonstration.

    Raises
    ------
    InvalidForm
        With everything that is wrong with it.
    """
    faults: list[Bilingual] = []
    verdict = form.get("verdict", "")
    if verdict not in VOTABLE:
        faults.append(Bilingual(fr="Choisissez ce qui est proposé.", en="Choose what is proposed."))
    values: dict[str, str] = {}
    for name, label, needed in (("reasons", REASONS, True), *((each, CONDITIONS[each], False) for each in CONDITIONS)):
        try:
            values[name] = text(form, name, label, needed=needed)
        except InvalidForm as error:
            faults += error.faults
    ages = _ages(form, faults)
    conditions = _conditions(values, ages, faults) if not faults else ()
    until = day(form.get("valid_until", ""))
    approves = verdict in ("approved", "approved_with_conditions", "reinstated")
    if approves and until is None:
        faults.append(
            Bilingual(
                fr="Dernier jour d’usage : une approbation a une fin, donnez une date.",
                en="Last day of use: an approval ends, give a date.",
            )
        )
    if verdict == "approved_with_conditions" and not conditions and not faults:
        faults.append(Bilingual(fr="Écrivez au moins une condition.", en="Write one condition at least."))
    if verdict in ("approved", "refused", "withdrawn") and conditions:
        faults.append(
            Bilingual(
                fr="Des conditions sont écrites : choisissez « Approuver sous conditions », ou effacez-les.",
                en="There are conditions: choose “Approve with conditions”, or clear them.",
            )
        )
    if faults:
        raise InvalidForm(*faults)

    def made(now: datetime, demonstration: bool) -> Motion:
        try:
            return Motion.model_validate(
                {
                    "card_digest": card_digest,
                    "verdict": verdict,
                    "reasons": values["reasons"],
                    "conditions": conditions,
                    "valid_until": until if approves else None,
                    "opened_at": now,
                    "demonstration": demonstration,
                }
            )
        except ValidationError:
            raise InvalidForm(
                Bilingual(fr="Dernier jour d’usage : il est déjà passé.", en="Last day of use: it is past already.")
            ) from None

    return made


def _ages(form: Form, faults: list[Bilingual]) -> tuple[int, int] | None:
    given = form.get("youngest", ""), form.get("oldest", "")
    if given == ("", ""):
        return None
    if all(age.isascii() and age.isdigit() and len(age) <= 3 for age in given) and int(given[0]) <= int(given[1]):
        return int(given[0]), int(given[1])
    faults.append(
        Bilingual(
            fr="Âges : donnez les deux, en années, le plus jeune d’abord ; ou aucun.",
            en="Ages: give both, in years, the youngest first; or none.",
        )
    )
    return None


def _conditions(
    values: Mapping[str, str], ages: tuple[int, int] | None, faults: list[Bilingual]
) -> tuple[Condition, ...]:
    found: list[Condition] = []
    if ages and not values["population"]:
        faults.append(
            Bilingual(
                fr="Population : dites en mots la restriction dont vous donnez les âges.",
                en="Population: say in words the restriction whose ages you give.",
            )
        )
        return ()
    if values["population"]:
        found.append(Condition(about="population", text=values["population"], ages=ages))
    if values["monitoring"]:
        found.append(Condition(about="monitoring", text=values["monitoring"]))
    if values["other"]:
        found.append(Condition(about="other", text=values["other"]))
    return tuple(found)

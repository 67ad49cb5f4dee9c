"""Two versions of a card side by side: what changed, in which data, in which results, and for whom."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from features.typography import Language
from training.card.documents import Document
from training.card.fields import Item
from training.card.model_card import ModelCard
from training.card.rendering import card_environment, gated_documents, shown_as_demonstration
from training.card.values import (
    Characteristic,
    DataWindow,
    FlowStep,
    HeadlineEstimate,
    InputFeature,
    NotApplicable,
    SignOff,
)
from training.card.writing import CROSS, count
from training.values import Bilingual

Part = tuple[Literal["same", "added", "removed"], str]
"""A stretch of text: in both versions, in the new one only, or in the old one only."""

DEFINITION: Final = ("use", "output", "inputs", "development", "explanation", "safety", "life", "rights", "identity")
DATA: Final = ("data", "traceability")
DIGEST: Final = re.compile(r"[0-9a-f]{64}")
TOLD: Final = ("auc", "calibration_slope", "observed_expected", "calibration_at_threshold", "net_benefit_difference")
"""Measures whose change is shown group by group, with those that have a tolerance."""


@dataclass(frozen=True)
class ChangedText:
    """A field that does not say what it said."""

    item: Item
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class ChangedEstimate:
    """An estimate in both versions.

    Parameters
    ----------
    measure, threshold
        What is measured.
    old, new
        JSON values of either; None where a version does not have it.
    value, low, high
        New minus old, and a 95 % interval as if the two had nobody in common; None where either has no interval.
    verdicts
        Those of either, None where no tolerance was declared.
    """

    measure: str
    threshold: float | None
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None
    value: float | None
    low: float | None
    high: float | None
    verdicts: tuple[str | None, str | None] = (None, None)


@dataclass(frozen=True)
class ChangedGroup:
    """What changes for one group."""

    attribute: str
    group: str
    estimates: tuple[ChangedEstimate, ...]


def compare_cards(
    old: ModelCard,
    new: ModelCard,
    language: Language = "fr",
    *,
    audits: tuple[Document, Document] | None = None,
) -> str:
    """Return a page that says what changed from one version of a card to the next.

    Parameters
    ----------
    old, new
        The cards, complete or not.
    language
        ``"fr"`` or ``"en"``; the page links to the other as ``changes.fr.html`` or ``changes.en.html``.
    audits
        Those the cards answer for, the old one first: what changes for each group is read from them.

    Raises
    ------
    AlteredCard
        If an audit is not the card's.
    """
    gated = [
        gated_documents(card, {"audit": audit})["audit"] if audits else None
        for card, audit in zip((old, new), audits or (None, None), strict=True)
    ]
    items = new.field_items()
    changed = [
        (each, ChangedText(each, tuple(differences(before, after))))
        for path, each in items.items()
        if path != "decision" and each.chapter not in ("performance", "fairness")
        for before, after in [(plain(old.value(path), language), plain(new.value(path), language))]
        if before != after
    ]
    texts = {
        part: [text for each, text in changed if each.chapter in chapters]
        for part, chapters in (("definition", DEFINITION), ("data", DATA))
    }
    groups = [] if gated[0] is None or gated[1] is None else list(_groups(gated[0], gated[1]))
    page = card_environment(language).get_template("changes.html.j2")
    return page.render(
        old=old,
        new=new,
        texts=texts,
        evidence=_evidence(old, new),
        groups=groups,
        audited=audits is not None,
        moved=[
            (group, each)
            for group in groups
            for each in group.estimates
            if each.verdicts[0] != each.verdicts[1] and CROSS not in group.attribute
        ],
        demonstration=shown_as_demonstration(old, None) or shown_as_demonstration(new, None),
        labels={**old.labels, **new.labels},
    )


def plain(value: Any, language: Language) -> str:
    """Return a field's value as one text of one language, so that two can be compared word by word."""
    match value:
        case None:
            return ""
        case Bilingual():
            return str(getattr(value, language))
        case NotApplicable():
            return plain(value.reason, language)
        case bool():
            return {"fr": ("non", "oui"), "en": ("no", "yes")}[language][value]
        case FlowStep():
            counts = ", ".join(count(each, language) for each in (value.people, value.landmarks, value.events))
            return f"{plain(value.label, language)} ({counts})"
        case Characteristic():
            return f"{plain(value.label, language)} {plain(value.value, language)} ({count(value.n, language)})"
        case InputFeature():
            parts = (plain(value.label, language), value.unit or "", plain(value.definition, language))
            return " ".join(part for part in parts if part)
        case DataWindow():
            return " – ".join(each.date().isoformat() for each in (value.first, value.last, value.delivered_at))
        case SignOff():
            return f"{value.responsible}, {value.signed_on.isoformat()}"
        case tuple():
            return "\n".join(plain(each, language) for each in value)
        case dict():
            return "\n".join(f"{key} {each}" for key, each in sorted(value.items()))
        case str() if DIGEST.fullmatch(value):
            return f"{value[:12]}…"
        case _:
            return str(value)


def differences(before: str, after: str) -> Iterator[Part]:
    """Yield the stretches of two texts, word by word: what is in both, what went, what came."""
    old, new = (re.findall(r"\s+|[^\s]+", text) for text in (before, after))
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield "same", "".join(old[a:b])
        else:
            if a < b:
                yield "removed", "".join(old[a:b])
            if c < d:
                yield "added", "".join(new[c:d])


def changed_estimate(
    old: Mapping[str, Any] | None,
    new: Mapping[str, Any] | None,
    verdicts: tuple[str | None, str | None] = (None, None),
) -> ChangedEstimate:
    """Return what became of an estimate.

    Notes
    -----
    Interval by MOVER (Zou and Donner 2008, doi:10.1002/sim.3095) for independent estimates. Two versions are often
    about many of the same people: their difference is then known better than it says.
    """
    known = old or new or {}
    value = low = high = None
    if old and new and all(each[key] is not None for each in (old, new) for key in ("value", "low", "high")):
        value = new["value"] - old["value"]
        low = value - math.hypot(new["value"] - new["low"], old["high"] - old["value"])
        high = value + math.hypot(new["high"] - new["value"], old["value"] - old["low"])
    return ChangedEstimate(known["measure"], known["threshold"], old, new, value, low, high, verdicts)


def _evidence(old: ModelCard, new: ModelCard) -> list[ChangedEstimate]:
    """Return every headline of either card, in the order of the new one."""
    found: list[dict[tuple[str, str, float | None], Mapping[str, Any]]] = [{}, {}]
    for estimates, card in zip(found, (old, new), strict=True):
        for name in ("discrimination", "calibration", "overall", "utility"):
            for each in getattr(card.performance, name) or ():
                if isinstance(each, HeadlineEstimate):
                    estimates[name, each.measure, each.threshold] = each.model_dump(mode="json")
    keys = dict.fromkeys([*found[1], *found[0]])
    return [changed_estimate(found[0].get(key), found[1].get(key)) for key in keys]


def _groups(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[ChangedGroup]:
    """Yield each group of either audit with the measures that matter, pairs after attributes."""
    tolerated = {*old.get("tolerances", {}), *new.get("tolerances", {})}
    before, after = _findings(old), _findings(new)
    for place in dict.fromkeys([*after, *before]):
        a, b = before.get(place, {}), after.get(place, {})
        keys = [key for key in dict.fromkeys([*b, *a]) if key[0] in tolerated or key[0] in TOLD]
        nothing: dict[str, Any] = {"estimate": None, "verdict": None}
        pairs = [(a.get(key, nothing), b.get(key, nothing)) for key in keys]
        yield ChangedGroup(
            *place,
            tuple(changed_estimate(x["estimate"], y["estimate"], (x["verdict"], y["verdict"])) for x, y in pairs),
        )


def _findings(audit: Mapping[str, Any]) -> dict[tuple[str, str], dict[tuple[str, float | None], Mapping[str, Any]]]:
    return {
        (attribute["attribute"], group["group"]): {
            (finding["estimate"]["measure"], finding["estimate"]["threshold"]): finding for finding in group["findings"]
        }
        for attribute in sorted(audit["attributes"], key=lambda each: CROSS in each["attribute"])
        for group in attribute["groups"]
    }

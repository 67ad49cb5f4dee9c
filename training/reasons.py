"""Reasons a person can read: one sentence, in French and in English, for what a feature does to a patient's risk."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from features.feature_set import Feature, FeatureSet
from features.language import (
    Age,
    Aggregate,
    Category,
    Choice,
    Constant,
    Expression,
    Extreme,
    Missing,
    Node,
    children,
    elapsed,
)
from features.typography import COLON, NARROW, numeral, unit
from training.scales import RISK
from training.values import Bilingual

DAYS_A_YEAR: Final = 365.25


@lru_cache(maxsize=256)
def unit_names(ucum: str | None) -> Bilingual | None:
    """Return a UCUM unit as it follows a number, an annotation in parentheses; None where there is nothing to write."""
    fr, en = unit(ucum, "fr"), unit(ucum, "en")
    if not fr:
        return None
    return Bilingual(fr=f"({fr})", en=f"({en})") if str(ucum).startswith("{") else Bilingual(fr=fr, en=en)


def measured_ages(features: FeatureSet) -> FeatureSet:
    """Return, for each feature that takes a dated measurement, how many years old it is, under the feature's name.

    The age is that of the record whose value was taken, whatever the window. A feature made of several is as old as
    the oldest, and one that chooses between several as the one it chose. A state that is looked for without a window
    (sex) is a lasting one: its date says nothing, and it has none here.
    """
    ages = {feature.name: _age(feature.node) for feature in features.values()}
    return FeatureSet(
        f"{features.name}-measured", **{name: Expression(age) for name, age in ages.items() if age is not None}
    )


def _age(node: Node) -> Node | None:
    """Return the age of what a value was taken from, None where it is from nothing that has one."""
    match node:
        case Aggregate(statistic="latest" | "first") if node.within is not None or node.concept.unit is not None:
            return elapsed(node)
        case Choice(condition, then, otherwise):
            then_age, otherwise_age = _age(then), _age(otherwise)
            if then_age is None and otherwise_age is None:
                return _oldest([condition])
            undated = Constant(None)
            return Choice(condition, then_age or undated, otherwise_age or undated)
        case Missing():
            return None  # that there is no record has no date
        case _:
            return _oldest(children(node))


def _oldest(nodes: Iterable[Node]) -> Node | None:
    ages = tuple(age for age in map(_age, nodes) if age is not None)
    return Extreme("largest", ages) if len(ages) > 1 else ages[0] if ages else None


def sentence(
    feature: Feature,
    value: float | None,
    contribution: float,
    years_ago: float | None = None,
    quantity: Bilingual = RISK,
) -> Bilingual:
    """Return what a feature's value does to a patient's risk.

    Parameters
    ----------
    feature
        Gives the labels, the unit and whether it is a condition.
    value
        Its value for the patient, 1 or 0 for a condition; None (or NaN) where it is missing.
    contribution
        What it adds to the log-odds of the event.
    years_ago
        Age in years of the measurement, None (or NaN) where it has none.
    quantity
        What the predicted probability is called, with its article.

    Examples
    --------
    >>> from features.catalogue.cardiovascular import CARDIOVASCULAR
    >>> sentence(CARDIOVASCULAR["systolic"], 162, 0.3, 21 / 365.25).en
    'Systolic blood pressure 162 mmHg (3 weeks ago): raises the risk'
    """
    effect = _effect(contribution, quantity)
    if value is None or math.isnan(value):
        fr, en = ("non renseigné", "not recorded") if feature.is_condition else ("non mesuré", "not measured")
        return Bilingual(fr=f"{feature.fr} {fr}{COLON['fr']} {effect.fr}", en=f"{feature.en} {en}: {effect.en}")
    shown, (fr_ago, en_ago) = value_text(feature, value), _ago(years_ago)
    if feature.is_condition or feature.unit == "1":  # "Diabetes: yes, raises the risk"
        return Bilingual(
            fr=f"{feature.fr}{COLON['fr']} {shown.fr}{fr_ago}, {effect.fr}",
            en=f"{feature.en}: {shown.en}{en_ago}, {effect.en}",
        )
    return Bilingual(
        fr=f"{feature.fr} {shown.fr}{fr_ago}{COLON['fr']} {effect.fr}",
        en=f"{feature.en} {shown.en}{en_ago}: {effect.en}",
    )


def value_text(feature: Feature, value: float) -> Bilingual:
    """Return a feature's value as people write it: with its unit, yes or no for a condition, a span for a time."""
    kind = feature.type
    if feature.is_condition:
        return Bilingual(fr="oui", en="yes") if value else Bilingual(fr="non", en="no")
    if isinstance(kind, Category):
        name = kind.names[int(value)]
        return Bilingual.same(name)
    if isinstance(feature.node, Age):
        value = math.floor(value)  # one is 62 until the birthday
    elif feature.unit == "a":
        return span(value)
    number, names = _number(value), unit_names(feature.unit)
    return Bilingual(
        fr=numeral(number, "fr") + (f"{NARROW}{names.fr}" if names else ""),
        en=numeral(number, "en") + (f" {names.en}" if names else ""),
    )


def span(years: float) -> Bilingual:
    """Return a length of time in the unit a person would use: days, weeks, months or completed years."""
    days = years * DAYS_A_YEAR + 1e-6
    if days < 14:
        return _counted(math.floor(days), "jour", "day")
    if days < 61:
        return _counted(round(days / 7), "semaine", "week")
    if days < 2 * DAYS_A_YEAR:
        return _counted(round(days / DAYS_A_YEAR * 12), "mois", "month")
    return _counted(math.floor(days / DAYS_A_YEAR), "an", "year")


def _counted(n: int, fr: str, en: str) -> Bilingual:
    french_plural = "" if n < 2 or fr.endswith("s") else "s"
    return Bilingual(fr=f"{n}{NARROW}{fr}{french_plural}", en=f"{n} {en}{'' if n == 1 else 's'}")


def _ago(years: float | None) -> tuple[str, str]:
    """Return how old a measurement is, in parentheses after a space; nothing where it has no date."""
    if years is None or math.isnan(years):
        return "", ""
    if years * DAYS_A_YEAR < 1:
        return " (depuis moins d’un jour)", " (less than a day ago)"
    long = span(years)
    return f" (il y a {long.fr})", f" ({long.en} ago)"


def _effect(contribution: float, quantity: Bilingual) -> Bilingual:
    if contribution > 0:
        return Bilingual(fr=f"augmente {quantity.fr}", en=f"raises {quantity.en}")
    if contribution < 0:
        return Bilingual(fr=f"diminue {quantity.fr}", en=f"lowers {quantity.en}")
    return Bilingual(fr=f"sans effet sur {quantity.fr}", en=f"no effect on {quantity.en}")


def _number(value: float) -> str:
    """Return a number with three significant digits, or all those before the point."""
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    text = f"{value:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text

"""What evidence, an audit and an explanation show, as a card says it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from features.typography import Language
from training.card.values import Content, NotApplicable
from training.card.writing import label_of_measure, number, word
from training.values import Bilingual

PARTS: Final = {
    "auc": "discrimination",
    "uno_c": "discrimination",
    "observed": "calibration",
    "predicted": "calibration",
    "observed_expected": "calibration",
    "calibration_intercept": "calibration",
    "calibration_slope": "calibration",
    "ici": "calibration",
    "e50": "calibration",
    "e90": "calibration",
}
NO_COMPARATOR: Final = NotApplicable(
    reason=Bilingual(
        fr="L’étude ne compare ce modèle à aucun autre.", en="The study compares this model with no other."
    )
)
TOO_FEW_FOLDS: Final = NotApplicable(
    reason=Bilingual(
        fr="Moins de trois groupes ont assez d’évènements pour mesurer la variation.",
        en="Fewer than three groups have enough events to measure variation.",
    )
)


def part(estimate: Mapping[str, Any]) -> str:
    """Return the field of `Performance` an estimate belongs to."""
    return "utility" if estimate["threshold"] is not None else PARTS.get(estimate["measure"], "overall")


def heterogeneity(found: Sequence[Mapping[str, Any]]) -> Content:
    """Say in words how measures vary between folds."""
    usable = [each for each in found if each["pooled"] is not None]
    if not usable:
        return TOO_FEW_FOLDS

    def sentence(each: Mapping[str, Any], language: Language) -> str:
        label = label_of_measure(each["measure"])
        mean, low, high, expected_low, expected_high = (
            number(each[key], each["measure"], language)
            for key in ("pooled", "low", "high", "expected_low", "expected_high")
        )
        if language == "fr":
            return (
                f"{label.fr} : {mean} en moyenne ({low} à {high}) sur {each['folds']} groupes tenus à l’écart ; "
                f"dans un nouveau groupe, attendre de {expected_low} à {expected_high} "
                "(intervalle de prédiction à 95 %)."
            )
        return (
            f"{label.en}: {mean} on average ({low} to {high}) over {each['folds']} held-out groups; "
            f"in a new one, expect {expected_low} to {expected_high} (95% prediction interval)."
        )

    return Bilingual(
        fr="\n\n".join(sentence(each, "fr") for each in usable),
        en="\n\n".join(sentence(each, "en") for each in usable),
    )


NO_VERDICT: Final = NotApplicable(
    reason=Bilingual(fr="Aucun groupe n’a été jugé ici.", en="No group was given a verdict here.")
)


def verdicts(attributes: Sequence[Mapping[str, Any]], labels: Mapping[str, Bilingual] | None) -> Content:
    """Count the verdicts of some attributes, and name every group outside its tolerance."""
    judged = [
        (attribute["attribute"], group["group"], finding["verdict"])
        for attribute in attributes
        for group in attribute["groups"]
        for finding in group["findings"]
        if finding["verdict"] is not None
    ]
    if not judged:
        return NO_VERDICT
    many = Counter(verdict for *_, verdict in judged)

    def named(wanted: str, language: Language) -> str:
        places = dict.fromkeys((attribute, group) for attribute, group, verdict in judged if verdict == wanted)
        return ", ".join(
            f"{word(attribute, language, labels)} ({word(group, language, labels)})" for attribute, group in places
        )

    return Bilingual(
        fr=(
            f"{len(judged)} verdicts : {many['within']} dans la tolérance déclarée, {many['outside']} hors tolérance, "
            f"{many['suspected']} à surveiller, {many['uncertain']} incertains, {many['insufficient']} sans assez de "
            "données."
            + (f" Hors tolérance : {named('outside', 'fr')}." if many["outside"] else "")
            + (f" À surveiller : {named('suspected', 'fr')}." if many["suspected"] else "")
        ),
        en=(
            f"{len(judged)} verdicts: {many['within']} within the declared tolerance, {many['outside']} outside, "
            f"{many['suspected']} to watch, {many['uncertain']} uncertain, {many['insufficient']} without enough data."
            + (f" Outside: {named('outside', 'en')}." if many["outside"] else "")
            + (f" To watch: {named('suspected', 'en')}." if many["suspected"] else "")
        ),
    )

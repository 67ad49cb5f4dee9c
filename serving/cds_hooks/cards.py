"""What a clinician sees: one card, in French or in English. It advises nobody what to do, and is never critical."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID, uuid5

from features.typography import COLON, NARROW, Language, calendar, percent, unit
from serving.cds_hooks.discovery import is_screening
from serving.contract import Abstention, Category, Input, Risk
from serving.gate import Admitted
from training.scales import RISK
from training.values import Bilingual

LONGEST_SUMMARY: Final = 139
INDICATORS: Final[Mapping[str, str]] = {"high": "warning", "very_high": "warning"}
SYSTEM: Final = "urn:vigie:cds-hooks"
#: Why a clinician may set a card aside, by code.
OVERRIDE_REASONS: Final[Mapping[str, Bilingual]] = {
    "wrong-data": Bilingual(fr="Donnée erronée", en="Wrong data"),
    "already-managed": Bilingual(fr="Déjà pris en charge", en="Already managed"),
    "not-relevant": Bilingual(fr="Non pertinent pour ce patient", en="Not relevant to this patient"),
    "patient-refused": Bilingual(fr="Refus du patient", en="The patient declines"),
}
#: Why a clinician may set a card about a screening test aside, by code.
SCREENING_REASONS: Final[Mapping[str, Bilingual]] = {
    "wrong-data": Bilingual(fr="Donnée erronée", en="Wrong data"),
    "done-elsewhere": Bilingual(fr="Déjà fait ailleurs", en="Already done elsewhere"),
    "already-planned": Bilingual(fr="Déjà prescrit ou prévu", en="Already ordered or planned"),
    "excluded": Bilingual(fr="Exclusion médicale du dépistage", en="Medically excluded from screening"),
    "followed-otherwise": Bilingual(fr="Suivi spécifique en cours", en="Under specific follow-up"),
    "patient-refused": Bilingual(fr="Refus du patient", en="The patient declines"),
    "not-today": Bilingual(fr="Pas aujourd’hui", en="Not today"),
}
#: All of them: those that feedback may name.
ALL_REASONS: Final[Mapping[str, Bilingual]] = {**OVERRIDE_REASONS, **SCREENING_REASONS}
WORDS: Final[Mapping[str, Bilingual]] = {
    "demonstration": Bilingual(fr="DÉMONSTRATION", en="DEMONSTRATION"),
    "none": Bilingual(fr="pas d’estimation", en="no estimate"),
    "reasons": Bilingual(fr="Ce qui compte le plus", en="What counts most"),
    "why": Bilingual(fr="Pourquoi", en="Why"),
    "inputs": Bilingual(fr="Mesures utilisées", en="Measurements used"),
    "missing": Bilingual(fr="Non renseigné", en="Not recorded"),
    "warnings": Bilingual(fr="À savoir", en="To know"),
    "card": Bilingual(fr="Carte du modèle", en="Model card"),
    "within": Bilingual(fr="Risque à {years}\u00a0ans", en="Risk within {years} years"),
    "probable": Bilingual(fr="Probabilité à {years}\u00a0ans", en="Probability within {years} years"),
    "due": Bilingual(fr="test dû", en="test due"),
    "whether": Bilingual(fr="on ignore si le test est dû", en="not known whether the test is due"),
    "is_due": Bilingual(
        fr="Le test de dépistage est dû d’après le dossier.", en="The screening test is due by what the file holds."
    ),
    "conditions": Bilingual(fr="Conditions du comité", en="The committee’s conditions"),
    "until": Bilingual(fr="approuvé jusqu’au {day}", en="approved until {day}"),
}


def card(admitted: Admitted, answer: Risk | Abstention, call: UUID, language: Language, home: str) -> dict[str, Any]:
    """Return the card of an answer.

    Parameters
    ----------
    admitted
        The model that answered.
    answer
        What it said.
    call
        ``hookInstance`` of the call: the same call gets the card with the same id again.
    language
        In which the user reads.
    home
        Address of this service, without its last slash.
    """
    page = f"{home}/models/{answer.model.study}/card.{language}.html"
    return {
        "uuid": str(uuid5(call, f"{answer.model.study} {answer.model.digest}")),
        "summary": _summary(admitted, answer, language),
        "detail": "\n\n".join(_detail(admitted, answer, language)),
        "indicator": _indicator(answer),
        "source": {
            "label": f"Vigie – {getattr(answer.model.title, language)}",
            "url": page,
            "topic": {"system": f"{SYSTEM}:study", "code": answer.model.study, "display": _title(admitted, language)},
        },
        "links": [{"label": _word("card", language), "url": page, "type": "absolute"}],
        "overrideReasons": [
            {"code": code, "system": f"{SYSTEM}:override-reason", "display": getattr(reason, language)}
            for code, reason in (SCREENING_REASONS if is_screening(admitted) else OVERRIDE_REASONS).items()
        ],
    }


def is_no_news(admitted: Admitted, answer: Risk | Abstention) -> bool:
    """Return whether an answer is not worth a card: the file says that no screening test is due.

    What is only not known, because data are missing, is told.
    """
    if isinstance(answer, Risk) or not is_screening(admitted):
        return False
    return any(each.because == "false" and each.code in admitted.artefact.population for each in answer.reasons)


def _indicator(answer: Risk | Abstention) -> str:
    category: Category | None = answer.category if isinstance(answer, Risk) else None
    return INDICATORS.get(category.code, "info") if category else "info"


def _summary(admitted: Admitted, answer: Risk | Abstention, language: Language) -> str:
    if is_screening(admitted):
        due = _word("due" if isinstance(answer, Risk) else "whether", language)
        said = f"{due}, {_figure(answer, language)}" if isinstance(answer, Risk) else due
    else:
        said = _figure(answer, language) if isinstance(answer, Risk) else _word("none", language)
    prefix = f"{_word('demonstration', language)} – " if answer.demonstration else ""
    title = _title(admitted, language)
    space = LONGEST_SUMMARY - len(f"{prefix}{COLON[language]} {said}")
    title = title if len(title) <= space else f"{title[: space - 1]}…"
    return f"{prefix}{title}{COLON[language]} {said}"


def _figure(answer: Risk, language: Language) -> str:
    category = answer.category
    if category is None:
        return percent(answer.risk, language)
    if answer.quantity != RISK:  # a propensity: what it comes to says more than its figure
        return f"{getattr(category, language)} ({percent(answer.risk, language)})"
    return f"{percent(answer.risk, language)} ({getattr(category, language)}, {category.scheme})"


def _detail(admitted: Admitted, answer: Risk | Abstention, language: Language) -> Iterator[str]:
    """Yield the paragraphs of the detail, in GitHub-flavoured Markdown: the model's words, none of the request's."""
    if isinstance(answer, Risk):
        if is_screening(admitted):
            yield _word("is_due", language)
        within = "within" if answer.quantity == RISK else "probable"
        horizon = _word(within, language).format(years=f"{answer.horizon_years:g}")
        yield f"**{horizon}{COLON[language]} {_figure(answer, language)}**"
        if (other := answer.comparator) is not None:
            said = getattr(other.refusal, language) if other.refusal else percent(other.risk, language)
            yield f"{_escaped(getattr(other.title, language))}{COLON[language]} {said}"
        yield _list("reasons", (getattr(reason, language) for reason in answer.reasons), language)
        dated = [each for each in answer.inputs if each.measured_at is not None and not isinstance(each.value, bool)]
        if dated:
            yield _list("inputs", (_measured(each, language) for each in dated), language)
        if answer.missing:
            missing = ", ".join(_escaped(getattr(each, language)) for each in answer.missing)
            yield f"**{_word('missing', language)}**{COLON[language]} {missing}"
    else:
        yield _list("why", (getattr(reason, language) for reason in answer.reasons), language)
    if answer.warnings:
        told = (f"{getattr(warning, language)} ({warning.count})" for warning in answer.warnings)
        yield _list("warnings", told, language)
    if answer.conditions:
        yield _list("conditions", (getattr(each, language) for each in answer.conditions), language)
    until = _word("until", language).format(day=calendar(answer.approved_until, language))
    yield f"{_escaped(getattr(answer.model.title, language))}, {answer.card.version}, {until}."
    yield f"*{_escaped(getattr(answer.notice, language))}*"


def _list(heading: str, items: Iterator[str], language: Language) -> str:
    lines = [f"- {_escaped(item)}" for item in items]
    return "\n".join([f"**{_word(heading, language)}**", "", *lines])


def _measured(given: Input, language: Language) -> str:
    """Return a measurement as it was used: what, how much, when."""
    assert given.measured_at is not None
    digits = f"{given.value:.3g}" if abs(given.value) < 100 else f"{given.value:.0f}"
    number = digits.replace(".", ",") if language == "fr" else digits
    name = unit(given.unit, language)
    spaced = f"{NARROW if language == 'fr' else ' '}{name}" if name else ""
    return f"{getattr(given, language)} {number}{spaced}, {calendar(given.measured_at.date(), language)}"


def _title(admitted: Admitted, language: Language) -> str:
    title = admitted.card.identity.title
    return getattr(title, language) if title else admitted.artefact.study


def _word(name: str, language: Language) -> str:
    word: str = getattr(WORDS[name], language)
    return word


def _escaped(text: str) -> str:
    """Return a text of which Markdown makes nothing else."""
    return "".join(f"\\{character}" if character in "\\`*_[]<>#|~" else character for character in text)

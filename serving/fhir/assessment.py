"""An answer as a FHIR R4 RiskAssessment.

A probability is a percentage here, from 0 to 100: R4 says so, and no validator can tell. An abstention is a
RiskAssessment too, and not an OperationOutcome: it is what the assessment came to and no fault of the request, it names
its patient, model and card, and software that keeps answers keeps it like any other. Its status is ``cancelled``, which
R4 has for what is unavailable because it was not completed, so that whoever looks for final assessments never takes it
for one; it has no prediction, and its reasons are coded.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from features.typography import COLON, LANGUAGES, Language, calendar, percent
from serving.contract import Abstention, Category, Comparator, Reason, Risk
from serving.fhir.reading import FileReading
from serving.gate import Admitted
from training.values import Bilingual

URN: Final = "urn:vigie:fhir"
TRANSLATION: Final = "http://hl7.org/fhir/StructureDefinition/translation"
PERCENT_DECIMALS: Final = 4
DEVICE: Final = "model"
Element = dict[str, Any]


def assessment(
    admitted: Admitted, answer: Risk | Abstention, read: FileReading, language: Language, home: str
) -> Element:
    """Return an answer as a RiskAssessment.

    Parameters
    ----------
    admitted
        The model that answered.
    answer
        What it said.
    read
        What it was asked about.
    language
        Of the texts; the other is added as translations.
    home
        Address of this service, without its last slash, for links to the model card.
    """
    is_risk = isinstance(answer, Risk)
    found: Element = {
        "resourceType": "RiskAssessment",
        "language": language,
        "contained": [_device(admitted, answer)],
        "extension": [
            *(_extension("card", valueUrl=f"{home}/{_card(admitted, each)}") for each in LANGUAGES),
            *(_abstained(answer, language) if isinstance(answer, Abstention) else _compared(answer, language)),
        ],
        "status": "final" if is_risk else "cancelled",
        "method": _method(answer.model.name, answer.model.title),
        "code": _concept("study", answer.model.study, getattr(_title(admitted), language)),
        "subject": {"reference": read.subject},
        "occurrenceDateTime": _instant(answer.as_of),
        "performer": {"reference": f"#{DEVICE}"},
        "basis": _basis(admitted, read, language) if is_risk else [],
        "prediction": [_prediction(admitted, answer, language)] if isinstance(answer, Risk) else [],
        "note": [{"text": text} for text in _notes(answer, language)],
    }
    return {name: value for name, value in found.items() if value != []}  # FHIR has no empty lists


def _prediction(admitted: Admitted, answer: Risk, language: Language) -> Element:
    reasons = {each: "\n".join(getattr(reason, each) for reason in answer.reasons) for each in LANGUAGES}
    (other,) = (each for each in LANGUAGES if each != language)
    return {
        "extension": [_reason(reason, language) for reason in answer.reasons],
        "outcome": _concept("outcome", answer.model.study, getattr(_outcome(admitted), language)),
        "probabilityDecimal": as_percent(answer.risk),
        **({"qualitativeRisk": _category(answer.category, language)} if answer.category else {}),
        "whenPeriod": {"start": _instant(answer.as_of), "end": _instant(_after(answer.as_of, answer.horizon_years))},
        "rationale": reasons[language],
        "_rationale": {"extension": [_translated(other, reasons[other])]},
    }


def as_percent(risk: float) -> float:
    """Return a probability as R4 writes one: in percent."""
    return round(100 * risk, PERCENT_DECIMALS)


def _device(admitted: Admitted, answer: Risk | Abstention) -> Element:
    """Return who answered: the model, and what makes it this one and no other."""
    versions = {
        "model": answer.model.digest,
        "card": answer.card.digest,
        "card-version": answer.card.version,
        "decision": answer.decision,
    }
    return {
        "resourceType": "Device",
        "id": DEVICE,
        "identifier": [{"system": f"{URN}:model", "value": answer.model.digest}],
        "deviceName": [{"name": answer.model.title.en, "type": "model-name"}],
        "modelNumber": answer.model.name,
        "version": [
            {"type": _concept("version", name, name.replace("-", " ")), "value": value}
            for name, value in versions.items()
        ],
        "note": [{"text": getattr(answer.notice, language)} for language in LANGUAGES],
    }


def _basis(admitted: Admitted, read: FileReading, language: Language) -> list[Element]:
    """Return references to the resources whose values were used, the latest first, each with what it says and when."""
    history, as_of = read.reading.history, read.reading.as_of
    used: dict[str, tuple[datetime, dict[str, None]]] = {}
    for place, concepts in admitted.artefact.features.evaluator.taken(history, as_of).items():
        happened_at = history.records[place].happened_at
        for reference in sorted(read.sources[place]):
            latest, labels = used.setdefault(reference, (happened_at, {}))
            labels.update(dict.fromkeys(getattr(concept, language) for concept in concepts))
            used[reference] = max(latest, happened_at), labels
    ordered = sorted(used.items(), key=lambda item: item[0])
    ordered.sort(key=lambda item: item[1][0], reverse=True)
    return [
        {"reference": reference, "display": ", ".join(labels)}
        if reference == read.subject  # its dates are those of a life
        else {
            "extension": [_extension("measured-at", valueDateTime=_instant(at))],
            "reference": reference,
            "display": f"{', '.join(labels)} ({calendar(at.date(), language)})",
        }
        for reference, (at, labels) in ordered
    ]


def _compared(answer: Risk, language: Language) -> list[Element]:
    """Return what a published score says of the same patient."""
    other: Comparator | None = answer.comparator
    if other is None:
        return []
    said = [_extension("method", valueCodeableConcept=_method(other.name, other.title))]
    if other.risk is not None:
        said.append(_extension("probability-percent", valueDecimal=as_percent(other.risk)))
    if other.category is not None:
        said.append(_extension("category", valueCodeableConcept=_category(other.category, language)))
    if other.refusal is not None:
        refusal = _concept("refusal", other.refusal.code, getattr(other.refusal, language))
        said.append(_extension("refusal", valueCodeableConcept=refusal))
    return [_extension("comparator", extension=said)]


def _abstained(answer: Abstention, language: Language) -> list[Element]:
    return [
        _extension("abstention", valueCodeableConcept=_concept("abstention", each.code, getattr(each, language)))
        for each in answer.reasons
    ]


def _reason(reason: Reason, language: Language) -> Element:
    (other,) = (each for each in LANGUAGES if each != language)
    text = {
        "valueString": getattr(reason, language),
        "_valueString": {"extension": [_translated(other, getattr(reason, other))]},
    }
    return _extension(
        "reason",
        extension=[
            _extension("feature", valueCode=reason.feature),
            _extension("direction", valueCode=reason.direction),
            _extension("contribution", valueDecimal=reason.contribution),
            _extension("text", **text),
        ],
    )


def _notes(answer: Risk | Abstention, language: Language) -> Iterable[str]:
    yield getattr(answer.notice, language)
    yield from (getattr(condition, language) for condition in answer.conditions)
    for warning in answer.warnings:
        yield f"{getattr(warning, language)} ({warning.count})"
    if isinstance(answer, Abstention):
        yield from (getattr(reason, language) for reason in answer.reasons)
        return
    if answer.comparator is not None:
        other = answer.comparator
        said = getattr(other.refusal, language) if other.refusal else percent(other.risk, language)
        yield f"{getattr(other.title, language)}{COLON[language]} {said}"
    if answer.missing:
        begin = {"fr": "Non renseigné", "en": "Not recorded"}[language]
        yield f"{begin}{COLON[language]} {', '.join(getattr(each, language) for each in answer.missing)}"


def _method(name: str, title: Bilingual) -> Element:
    return _concept("method", name, title.fr, display=title.en)


def _title(admitted: Admitted) -> Bilingual:
    study = admitted.artefact.study
    return admitted.card.identity.title or Bilingual.same(study)


def _outcome(admitted: Admitted) -> Bilingual:
    """Return what is predicted, as the card defines it."""
    outcome = admitted.card.output.outcome
    return outcome if isinstance(outcome, Bilingual) else _title(admitted)


def _card(admitted: Admitted, language: Language) -> str:
    return f"models/{admitted.artefact.study}/card.{language}.html"


def _category(category: Category, language: Language) -> Element:
    scheme = category.scheme.lower().replace(" ", "-")
    label = getattr(category, language)
    return _concept(f"category:{scheme}", category.code, f"{label} ({category.scheme})")


def _concept(system: str, code: str, text: str, display: str | None = None) -> Element:
    coding = {"system": f"{URN}:{system}", "code": code, **({"display": display} if display else {})}
    return {"coding": [coding], "text": text}


def _extension(name: str, **said: Any) -> Element:
    return {"url": f"{URN}:{name}", **said}


def _translated(language: Language, text: str) -> Element:
    return {
        "url": TRANSLATION,
        "extension": [{"url": "lang", "valueCode": language}, {"url": "content", "valueString": text}],
    }


def _after(moment: datetime, years: float) -> datetime:
    """Return the same day so many years later, the day before it where the year has none."""
    year = moment.year + round(years)
    is_missing = (moment.month, moment.day) == (2, 29) and (year % 4 or (year % 100 == 0 and year % 400))
    return moment.replace(year=year, day=28 if is_missing else moment.day)


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds") + "Z"

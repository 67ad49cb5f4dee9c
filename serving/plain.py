"""An answer in a few plain lines, for a terminal."""

from __future__ import annotations

from features.typography import COLON, DASH, Language, numeral, percent, typeset
from serving.contract import Abstention, Risk
from training.scales import RISK


def plain(answer: Risk | Abstention, language: Language = "en") -> str:
    """Return the lines of an answer: risk, category, comparator and reasons, or why there is none."""
    if isinstance(answer, Abstention):
        lines = [_nothing(answer, language)]
        lines += [f"  {getattr(reason, language)} [{reason.code}]" for reason in answer.reasons]
    else:
        lines = [
            f"{percent(answer.risk, language)} {_within(answer.horizon_years, language)}{_category(answer, language)}"
        ]
        if (other := answer.comparator) is not None:
            refusal = getattr(other.refusal, language) if other.refusal else DASH
            lines.append(
                f"  {getattr(other.title, language)}{COLON[language]} {percent(other.risk, language, missing=refusal)}"
            )
        lines += [f"  {getattr(reason, language)}" for reason in answer.reasons]
    lines += [f"  ! {getattr(warning, language)}" for warning in answer.warnings]
    lines += [f"  ! {getattr(condition, language)}" for condition in answer.conditions]
    return "\n".join([*lines, getattr(answer.notice, language)])


def _nothing(answer: Abstention, language: Language) -> str:
    if answer.quantity == RISK:
        return "No risk is given:" if language == "en" else typeset("Aucun risque n’est donné :", "fr")
    return "No probability is given:" if language == "en" else typeset("Aucune probabilité n’est donnée :", "fr")


def _within(years: float, language: Language) -> str:
    many = numeral(f"{years:g}", language)
    return f"within {many} years" if language == "en" else f"dans les {many} ans"


def _category(answer: Risk, language: Language) -> str:
    if answer.category is None:
        return ""
    return f", {getattr(answer.category, language)} ({answer.category.scheme})"

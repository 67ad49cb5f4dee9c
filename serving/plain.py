"""An answer in a few plain lines, for a terminal."""

from __future__ import annotations

from typing import Literal

from serving.contract import Abstention, Risk

Language = Literal["fr", "en"]


def plain(answer: Risk | Abstention, language: Language = "en") -> str:
    """Return the lines of an answer: risk, category, comparator and reasons, or why there is none."""
    if isinstance(answer, Abstention):
        lines = ["No risk is given:" if language == "en" else "Aucun risque n’est donné :"]
        lines += [f"  {getattr(reason, language)} [{reason.code}]" for reason in answer.reasons]
    else:
        lines = [
            f"{_risk(answer.risk, language)} {_within(answer.horizon_years, language)}{_category(answer, language)}"
        ]
        if (other := answer.comparator) is not None:
            found = _risk(other.risk, language) if other.risk is not None else None
            lines.append(f"  {other.title}: {found or (getattr(other.refusal, language) if other.refusal else '—')}")
        lines += [f"  {getattr(reason, language)}" for reason in answer.reasons]
    lines += [f"  ! {getattr(warning, language)}" for warning in answer.warnings]
    return "\n".join([*lines, getattr(answer.notice, language)])


def _risk(risk: float, language: Language) -> str:
    text = f"{100 * risk:.1f}"
    return f"{text}%" if language == "en" else f"{text.replace('.', ',')}\u202f%"


def _within(years: float, language: Language) -> str:
    return f"within {years:g} years" if language == "en" else f"dans les {years:g} ans"


def _category(answer: Risk, language: Language) -> str:
    if answer.category is None:
        return ""
    return f", {getattr(answer.category, language)} ({answer.category.scheme})"

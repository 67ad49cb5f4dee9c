"""How the portal's pages are made of templates."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment

from features.pages import environment
from features.styles import DOCUMENT, style
from features.typography import NO_BREAK, Language, calendar, percent, typeset
from training.card import NotApplicable
from training.card.writing import TEMPLATES as CARD_TEMPLATES
from training.committee import ROLES, Condition, Role, StatusKind, Verdict
from training.values import Bilingual

TEMPLATES: Final = Path(__file__).with_name("templates")

STYLE: Final = style(*DOCUMENT, CARD_TEMPLATES / "card.css", TEMPLATES / "portal.css")
"""The style of model cards, and what a portal has beside them: forms."""

VERDICTS: Final[dict[Verdict, Bilingual]] = {
    "approved": Bilingual(fr="Approuvé", en="Approved"),
    "approved_with_conditions": Bilingual(fr="Approuvé sous conditions", en="Approved with conditions"),
    "refused": Bilingual(fr="Refusé", en="Refused"),
    "suspended": Bilingual(fr="Suspendu", en="Suspended"),
    "reinstated": Bilingual(fr="Rétabli", en="Reinstated"),
    "withdrawn": Bilingual(fr="Retiré définitivement", en="Withdrawn for good"),
}
MOTIONS: Final[dict[Verdict, Bilingual]] = {
    "approved": Bilingual(fr="Approuver", en="Approve"),
    "approved_with_conditions": Bilingual(fr="Approuver sous conditions", en="Approve with conditions"),
    "refused": Bilingual(fr="Refuser", en="Refuse"),
    "reinstated": Bilingual(fr="Rétablir (lever la suspension)", en="Reinstate (end the suspension)"),
    "withdrawn": Bilingual(fr="Retirer définitivement", en="Withdraw for good"),
    "suspended": Bilingual(fr="Suspendre", en="Suspend"),
}
STATUSES: Final[dict[StatusKind, Bilingual]] = {
    "approved": Bilingual(fr="En service", en="In use"),
    "not_approved": Bilingual(fr="Attend une décision", en="Awaiting a decision"),
    "refused": Bilingual(fr="Refusé", en="Refused"),
    "suspended": Bilingual(fr="Suspendu", en="Suspended"),
    "expired": Bilingual(fr="Approbation expirée", en="Approval expired"),
}
CHOICES: Final = {
    "for": Bilingual(fr="Pour", en="For"),
    "against": Bilingual(fr="Contre", en="Against"),
    "abstain": Bilingual(fr="Abstention", en="Abstain"),
}


@cache
def templates(language: Language) -> Environment:
    """Return the templates with what writes texts, dates and roles in one language."""

    def text(value: Bilingual | Condition | NotApplicable | str | None) -> str:
        if value is None:
            return ""
        if isinstance(value, NotApplicable):
            value = value.reason
        return typeset(value if isinstance(value, str) else getattr(value, language), language)

    def moment(at: datetime) -> str:
        clock = f"{at.hour}{NO_BREAK}h{NO_BREAK}{at:%M}" if language == "fr" else f"{at:%H:%M}"
        return f"{calendar(at, language)}, {clock}{NO_BREAK}UTC"

    def roles(held: tuple[Role, ...]) -> str:
        return ", ".join(text(ROLES[role]) for role in held)

    made = environment(TEMPLATES, language)
    made.filters |= {
        "text": text,
        "moment": moment,
        "roles": roles,
        "percent": lambda share: percent(share, language, 0),
    }
    made.globals |= {
        "other": "en" if language == "fr" else "fr",
        "verdicts": VERDICTS,
        "motions": MOTIONS,
        "statuses": STATUSES,
        "choices": CHOICES,
        "role_names": ROLES,
    }
    return made


def render(template: str, language: Language, **values: Any) -> str:
    """Return a page."""
    return templates(language).get_template(template).render(**values)


def day(text: str) -> date | None:
    """Return the date that a form says, None if it says none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None

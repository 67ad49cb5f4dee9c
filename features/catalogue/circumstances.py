"""Contact with care, and where and how people live: what any study may read.

None has a direction: those who come often are sicker and better looked after at once, and the effect of deprivation
differs between studies, places and ways to be screened.
"""

from __future__ import annotations

from typing import Final

from features.catalogue.concepts import (
    CONSULTATION,
    DEPRIVATION,
    GENERAL_PRACTITIONER_VISIT,
    HOSPITAL_STAY,
    INFLUENZA_VACCINATION,
    LONG_TERM_ILLNESS,
    REGION,
    REGISTERED,
    REMOTE_CONSULTATION,
    RURALITY,
    SOLIDARITY_COVER,
    SPECIALIST_VISIT,
    VENDOR,
)
from features.codes import Concept
from features.language import Expression, any_of, count, count_days, exists, latest, when, years, years_since


def how_many(*conditions: Expression) -> Expression:
    """Return how many of several conditions hold."""
    counted = [when(condition).then(1).otherwise(0) for condition in conditions]
    number = counted[0]
    for one in counted[1:]:
        number = number + one
    return number


def years_with(concept: Concept, past: int) -> Expression:
    """Return in how many of the past years, counted back from the day, there was a record of a concept."""
    return how_many(
        exists(concept, within=years(1)),
        *(exists(concept, within=years(n + 1), until=years(n)) for n in range(1, past)),
    )


SEEN: Final = any_of(GENERAL_PRACTITIONER_VISIT, REMOTE_CONSULTATION)

CONSULTATIONS: Final = count(CONSULTATION, within=years(1)).described(
    "Consultations dans l’année", "Consultations in the last year"
)

CONTACT: Final = {
    "consultations": CONSULTATIONS,
    "contact_years": years_with(SEEN, past=5).described(
        "Années avec un contact en médecine générale, sur les 5 dernières",
        "Years with a contact in general practice, of the last 5",
    ),
    "years_since_contact": years_since(SEEN).described(
        "Temps depuis le dernier contact en médecine générale", "Time since the last contact in general practice"
    ),
    "registered_years": years_since(REGISTERED).described(
        "Temps depuis l’inscription au cabinet", "Time since registration with the practice"
    ),
    "specialist_visits": count_days(SPECIALIST_VISIT, within=years(2)).described(
        "Jours de consultation de spécialistes en 2 ans", "Days with a specialist’s consultation in 2 years"
    ),
    "hospital_stays": count_days(HOSPITAL_STAY, within=years(2)).described(
        "Séjours à l’hôpital en 2 ans", "Hospital stays in 2 years"
    ),
    "influenza_vaccinations": years_with(INFLUENZA_VACCINATION, past=3).described(
        "Années avec une vaccination contre la grippe, sur les 3 dernières",
        "Years with an influenza vaccination, of the last 3",
    ),
}

PLACE_AND_COVER: Final = {
    "deprivation": latest(DEPRIVATION).described(
        "Défavorisation (1\u00a0: la plus faible, 5\u00a0: la plus forte)", "Deprivation (1 is the least, 5 the most)"
    ),
    "rurality": latest(RURALITY).described(
        "Ruralité (1\u00a0: le plus dense, 7\u00a0: le moins dense)", "Rurality (1 is the densest, 7 the least dense)"
    ),
    "solidarity_cover": exists(SOLIDARITY_COVER, within=years(2)).described(
        "Complémentaire santé solidaire", "Means-tested complementary cover"
    ),
    "long_term_illness": exists(LONG_TERM_ILLNESS).described("Affection de longue durée", "Long-term illness scheme"),
}

#: Where care is given and with whose software: what an audit compares, and no model may read.
SETTING: Final = {
    "region": latest(REGION).described("Région (code Insee)", "Region (Insee code)"),
    "vendor": latest(VENDOR).described("Éditeur du logiciel du cabinet", "Vendor of the practice’s software"),
}

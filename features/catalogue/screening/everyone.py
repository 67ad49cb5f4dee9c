"""What the three programmes read alike: people, their health and care, and how they answered a programme so far.

The probability that a direction is about is that of taking part: +1 where a rise makes it more likely.
"""

from __future__ import annotations

from typing import Final

from features.catalogue.cardiovascular.conditions import ALCOHOL, CANCERS, DEPRESSED
from features.catalogue.cardiovascular.population import SEX_KNOWN
from features.catalogue.cardiovascular.published import PUBLISHED_INPUTS
from features.catalogue.circumstances import CONTACT, PLACE_AND_COVER, how_many
from features.catalogue.concepts import (
    CARDIOVASCULAR_DISEASE,
    DEMENTIA,
    DEPENDENCY,
    DEPENDENCY_GROUP,
    DIABETES,
    DISABILITY,
    INTELLECTUAL_DISABILITY,
    LIPID_PANEL,
    PALLIATIVE_CARE,
    PRECARIOUS_LIVING,
    PSYCHOSIS,
    REGISTERED,
    SEX,
    SYSTOLIC_BP,
    TOTAL_CHOLESTEROL,
)
from features.codes import Concept
from features.feature_set import FeatureSet
from features.language import (
    Duration,
    Expression,
    age,
    any_of,
    count_days,
    exists,
    followed_by,
    latest,
    months,
    years,
    years_since,
)

WOMAN: Final = (latest(SEX) == "female").described("Femme", "Woman")

#: Group 4 of the French grid is the first that gives a right to the dependency allowance; 1 is the most dependent.
_dependent = exists(DEPENDENCY) | (latest(DEPENDENCY_GROUP) <= 4).default(False)

HEALTH_AND_CARE: Final = {
    "age": age().described("Âge", "Age"),
    **CONTACT,
    **PLACE_AND_COVER,
    "precarious_living": exists(PRECARIOUS_LIVING).described("Précarité", "Precarious living conditions"),
    "lipid_tests": count_days(any_of(TOTAL_CHOLESTEROL, LIPID_PANEL), within=years(5)).described(
        "Bilans lipidiques en 5 ans", "Lipid tests in 5 years"
    ),
    "pressure_taken": count_days(SYSTOLIC_BP, within=years(2)).described(
        "Jours de mesure de la pression artérielle en 2 ans", "Days with a blood pressure taken in 2 years"
    ),
    "smoker": PUBLISHED_INPUTS["smoker"].described("Tabagisme actif", "Current smoker"),
    "alcohol_use_disorder": ALCOHOL,
    "diabetes": exists(DIABETES).described("Diabète", "Diabetes"),
    "cardiovascular_disease": exists(CARDIOVASCULAR_DISEASE).described(
        "Maladie cardiovasculaire", "Cardiovascular disease"
    ),
    "cancer": CANCERS,
    "depression": DEPRESSED,
    "psychosis": exists(PSYCHOSIS).described("Psychose ou trouble bipolaire", "Psychosis or bipolar disorder"),
    "dementia": exists(DEMENTIA).described("Démence", "Dementia", -1),
    "disability": exists(DISABILITY).described("Handicap", "Disability"),
    "intellectual_disability": exists(INTELLECTUAL_DISABILITY).described(
        "Trouble du développement intellectuel", "Intellectual disability"
    ),
    "dependency": _dependent.described("Dépendance (GIR 1 à 4 ou aide d’un tiers)", "Dependent on others (GIR 1 to 4)"),
    "palliative_care": exists(PALLIATIVE_CARE).described("Soins palliatifs", "Palliative care", -1),
}


def answers(
    test: Concept, organised: Concept, invitation: Concept, refusal: Concept, interval: Duration
) -> dict[str, Expression]:
    """Return how somebody answered a programme so far.

    Parameters
    ----------
    test
        Taking part, by any route.
    organised
        Taking part by the programme's own route.
    interval
        Time between two tests; three of them are looked at.
    """
    three = Duration(3 * interval.microseconds)
    rounds = (
        exists(test, within=interval),
        exists(test, within=Duration(2 * interval.microseconds), until=interval),
        exists(test, within=three, until=Duration(2 * interval.microseconds)),
    )
    return {
        "participations": count_days(test).described("Dépistages, par toute voie", "Screening tests, by any route", +1),
        "rounds_attended": how_many(*rounds).described(
            "Participations sur les 3 derniers intervalles", "Rounds attended of the last 3", +1
        ),
        "years_since_participation": years_since(test).described(
            "Temps depuis le dernier dépistage, par toute voie", "Time since the last screening test, by any route"
        ),
        "organised_participations": count_days(organised).described(
            "Dépistages organisés", "Tests of the organised programme"
        ),
        "invitations": count_days(invitation, within=three).described(
            "Invitations sur les 3 derniers intervalles", "Invitations over the last 3 rounds"
        ),
        "years_since_invitation": years_since(invitation).described(
            "Temps depuis la dernière invitation", "Time since the last invitation"
        ),
        "invitation_answered": followed_by(invitation, test, delay=months(12), within=three).described(
            "A répondu à une invitation dans l’année", "Took part within a year of an invitation", +1
        ),
        "invitation_pending": (
            exists(invitation, within=months(12)) & ~exists(test, since=latest(invitation))
        ).described("Invitation de l’année encore sans suite", "Invited within the year, not yet followed by a test"),
        "refused": exists(refusal).described("Refus exprimé", "Refusal expressed", -1),
    }


def elsewhere(name: str, test: Concept, fr: str, en: str) -> dict[str, Expression]:
    """Return how somebody takes part in another programme, which predicts well how they do in this one."""
    return {
        f"{name}_participations": count_days(test, within=years(6)).described(
            f"Dépistages {fr} en 6 ans", f"{en} tests in 6 years", +1
        ),
        f"years_since_{name}": years_since(test).described(
            f"Temps depuis le dernier dépistage {fr}", f"Time since the last {en[0].lower()}{en[1:]} test"
        ),
    }


def aged(first: int, last: int) -> Expression:
    """Return whether the age in completed years is from one to another, both included."""
    return ((age() >= first) & (age() < last + 1)).described(f"Âge de {first} à {last} ans", f"Aged {first} to {last}")


def never(concept: Concept, fr: str, en: str) -> Expression:
    """Return whether there is no record of what excludes."""
    return (~exists(concept)).described(fr, en)


def required(name: str, test: Concept) -> FeatureSet:
    """Return what it takes to score somebody: a history that is not empty only because nobody could have seen it."""
    return FeatureSet(
        name,
        sex_known=SEX_KNOWN,
        history_known=((years_since(REGISTERED) >= 1).default(False) | exists(test)).described(
            "Suivi depuis un an au moins, ou dépistage connu", "Followed for a year or more, or a screening test known"
        ),
    )

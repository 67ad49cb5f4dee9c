"""Cervical cancer screening: women of 25 to 65, cytology before 30 and an HPV test from 30 on."""

from __future__ import annotations

from typing import Final

from features.catalogue.cardiovascular.population import PRESENT
from features.catalogue.concepts import (
    CERVICAL_CANCER,
    CERVICAL_CYTOLOGY,
    CERVICAL_EXCISION,
    CERVICAL_EXCLUSION,
    CERVICAL_INVITATION,
    CERVICAL_LESION,
    CERVICAL_REFUSAL,
    CONTRACEPTION_CONSULTATION,
    HIV,
    HPV_TEST,
    HPV_VACCINATION,
    HYSTERECTOMY,
    IMMUNE_DEFICIENCY,
    IMMUNOSUPPRESSANT,
    LUPUS,
    ORGANISED_CYTOLOGY,
    PREGNANCY,
)
from features.catalogue.screening.everyone import HEALTH_AND_CARE, WOMAN, aged, answers, elsewhere, never, required
from features.catalogue.screening.participation import (
    BREAST_PARTICIPATION,
    CERVICAL_PARTICIPATION,
    COLORECTAL_PARTICIPATION,
)
from features.codes import Concept
from features.feature_set import FeatureSet
from features.language import Expression, age, any_of, count_days, exists, months, only, when, years

#: Those screened more often: HIV alone does not change the interval, and has its codes within immune deficiency.
_deficiency = only(IMMUNE_DEFICIENCY, *(code for code in IMMUNE_DEFICIENCY.codes if code not in HIV.codes))
_long_immunosuppression = exists(IMMUNOSUPPRESSANT, within=months(6)) & exists(
    IMMUNOSUPPRESSANT, within=years(2), until=years(1)
)
_immunosuppressed = exists(any_of(_deficiency, LUPUS)) | _long_immunosuppression


def _none(test: Concept, past: int) -> Expression:
    """Return whether there was no such test in so many months."""
    return ~exists(test, within=months(past))


#: Before 30 two smears a year apart, then one every three years; from 30 on an HPV test three years after the last
#: smear and then every five. Immunosuppressed women: every year before 30, then every three years. What tests found is
#: not in the records: each counts as normal, and what follows an abnormal one is recorded as a lesion.
_due = (
    when(age() < 30)
    .then(
        _none(CERVICAL_CYTOLOGY, 12)
        & (_immunosuppressed | (count_days(CERVICAL_CYTOLOGY) < 2) | _none(CERVICAL_CYTOLOGY, 36))
    )
    .otherwise(_none(CERVICAL_PARTICIPATION, 36) & (_immunosuppressed | _none(HPV_TEST, 60)))
)

CERVICAL_SCREENING: Final = FeatureSet(
    "cervical-screening",
    **HEALTH_AND_CARE,
    **answers(CERVICAL_PARTICIPATION, ORGANISED_CYTOLOGY, CERVICAL_INVITATION, CERVICAL_REFUSAL, interval=years(3)),
    hpv_tests=count_days(HPV_TEST).described("Tests HPV", "HPV tests"),
    lesion_before=exists(CERVICAL_LESION).described(
        "Antécédent de lésion ou de frottis anormal du col", "Previous cervical lesion or abnormal smear"
    ),
    immunosuppressed=_immunosuppressed.described("Immunodépression (hors VIH)", "Immunosuppressed (other than by HIV)"),
    hpv_vaccinated=exists(HPV_VACCINATION).described("Vaccination contre les papillomavirus", "HPV vaccination"),
    contraception_consultation=exists(CONTRACEPTION_CONSULTATION).described(
        "Consultation de contraception et prévention", "Contraception and prevention consultation"
    ),
    recent_pregnancy=exists(PREGNANCY, within=years(3)).described("Grossesse en 3 ans", "Pregnancy in 3 years"),
    **elsewhere("breast", BREAST_PARTICIPATION, "du cancer du sein", "Breast cancer screening"),
    **elsewhere("colorectal", COLORECTAL_PARTICIPATION, "du cancer colorectal", "Colorectal cancer screening"),
)

#: Women for whom a test is due. No concept tells symptoms, nor that a woman never had intercourse.
ELIGIBLE_CERVICAL: Final = FeatureSet(
    "eligible-cervical-screening",
    **PRESENT,
    woman=WOMAN,
    aged_25_to_65=aged(25, 65),
    no_hysterectomy=never(HYSTERECTOMY, "Sans hystérectomie totale", "No total hysterectomy"),
    no_cervical_cancer=never(CERVICAL_CANCER, "Sans antécédent de cancer du col", "No history of cervical cancer"),
    no_treated_lesion=never(CERVICAL_EXCISION, "Sans lésion du col traitée", "No cervical lesion treated"),
    no_lesion_followed=(~exists(CERVICAL_LESION, within=years(3))).described(
        "Sans lésion ni frottis anormal en cours de suivi (3 ans)",
        "No lesion or abnormal smear under follow-up (3 years)",
    ),
    not_excluded=never(CERVICAL_EXCLUSION, "Non exclue par le programme", "Not excluded by the programme"),
    due=_due.described(
        "Sans test du col dans l’intervalle recommandé à cet âge", "No cervical test in the interval for the age"
    ),
)

REQUIRED_CERVICAL: Final = required("required-cervical-screening", CERVICAL_PARTICIPATION)

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from features.catalogue.cardiovascular import CARDIOVASCULAR, SENSITIVE
from features.catalogue.concepts import BODY_MASS_INDEX, BODY_WEIGHT, SYSTOLIC_BP
from features.feature_set import FeatureSet
from features.language import VALUE, YEAR, latest, quantity, when, years
from features.records import History, Record
from training.reasons import measured_ages, sentence, span, unit_names

DAYS = 1 / 365.25
AS_OF = datetime(2026, 3, 2)


def said(name: str, value: float | None, contribution: float, years_ago: float | None = None) -> tuple[str, str]:
    found = sentence(CARDIOVASCULAR[name], value, contribution, years_ago)
    return found.fr.replace("\u202f", " ").replace("\u00a0", " "), found.en


@pytest.mark.parametrize(
    ("name", "value", "contribution", "years_ago", "fr", "en"),
    [
        (
            "systolic", 162, 0.3, 21 * DAYS,
            "Pression artérielle systolique 162 mmHg (il y a 3 semaines) : augmente le risque",
            "Systolic blood pressure 162 mmHg (3 weeks ago): raises the risk",
        ),
        (
            "hdl", 1.234, -0.1, 400 * DAYS,
            "Cholestérol HDL 1,23 mmol/L (il y a 13 mois) : diminue le risque",
            "HDL cholesterol 1.23 mmol/L (13 months ago): lowers the risk",
        ),
        (
            "hdl", None, 0.1, None,
            "Cholestérol HDL non mesuré : augmente le risque",
            "HDL cholesterol not measured: raises the risk",
        ),
        (
            "hdl", float("nan"), 0.0, float("nan"),
            "Cholestérol HDL non mesuré : sans effet sur le risque",
            "HDL cholesterol not measured: no effect on the risk",
        ),
        (
            "smoker", 0, -0.2, 1 * DAYS,
            "Tabagisme actif : non (il y a 1 jour), diminue le risque",
            "Current smoker: no (1 day ago), lowers the risk",
        ),
        (
            "smoker", None, 0.2, None,
            "Tabagisme actif non renseigné : augmente le risque",
            "Current smoker not recorded: raises the risk",
        ),
        ("diabetes", 1, 0.5, None, "Diabète : oui, augmente le risque", "Diabetes: yes, raises the risk"),
        ("age", 62.97, 0.5, None, "Âge 62 ans : augmente le risque", "Age 62 years: raises the risk"),
        (
            "systolic_age", 100 * DAYS, 0.1, None,
            "Ancienneté de la pression artérielle 3 mois : augmente le risque",
            "Time since the blood pressure was taken 3 months: raises the risk",
        ),
        (
            "systolic_slope", -1.25, -0.1, None,
            "Évolution annuelle de la pression systolique −1,25 mmHg/an : diminue le risque",
            "Yearly change in systolic pressure −1.25 mmHg/year: lowers the risk",
        ),
        (
            "consultations", 7, 0.1, None,
            "Consultations dans l’année : 7, augmente le risque",
            "Consultations in the last year: 7, raises the risk",
        ),
    ],
)  # fmt: skip
def test_a_sentence_is_what_a_doctor_would_write(name, value, contribution, years_ago, fr, en):
    assert said(name, value, contribution, years_ago) == (fr, en)


def test_french_spaces_do_not_break():
    found = sentence(CARDIOVASCULAR["systolic"], 162, 1, 21 * DAYS).fr
    assert "162\u202fmmHg (il y a 3\u202fsemaines)\u00a0:" in found


@pytest.mark.parametrize(
    ("days", "fr", "en"),
    [
        (1, "1 jour", "1 day"),
        (13, "13 jours", "13 days"),
        (14, "2 semaines", "2 weeks"),
        (61, "2 mois", "2 months"),
        (365.25, "12 mois", "12 months"),
        (2 * 365.25, "2 ans", "2 years"),
        (2.99 * 365.25, "2 ans", "2 years"),
    ],
)
def test_a_span_is_in_the_unit_a_person_would_use(days, fr, en):
    found = span(days / 365.25)
    assert (found.fr.replace("\u202f", " ").replace("\u00a0", " "), found.en) == (fr, en)


@pytest.mark.parametrize(
    ("unit", "fr", "en"),
    [
        ("mm[Hg]", "mmHg", "mmHg"),
        ("a", "ans", "years"),
        ("kg/m2", "kg/m²", "kg/m²"),
        ("umol/L", "µmol/L", "µmol/L"),
        ("/d", "/j", "/day"),
        ("mmol/L", "mmol/L", "mmol/L"),
        ("{quintile}", "(quintile)", "(quintile)"),
    ],
)
def test_units_are_readable(unit, fr, en):
    found = unit_names(unit)
    assert found is not None
    assert (found.fr, found.en) == (fr, en)


@pytest.mark.parametrize("unit", [None, "1"])
def test_what_has_no_dimension_has_no_unit(unit):
    assert unit_names(unit) is None


def test_the_age_of_a_measurement_is_the_age_of_the_record_the_feature_took():
    def days_ago(days: int) -> datetime:
        return AS_OF - timedelta(days=days)

    records = [
        Record(days_ago(900), days_ago(900), "LOINC:8480-6", 120.0),  # outside the window
        Record(days_ago(30), days_ago(30), "LOINC:8480-6", 150.0),
        Record(days_ago(400), days_ago(400), "LOINC:14647-2", 5.0),
        Record(days_ago(200), days_ago(200), "LOINC:14646-4", 1.0),
    ]
    found = measured_ages(CARDIOVASCULAR).of_patient(History(tuple(records)), AS_OF).iloc[0]
    a_day = YEAR / 365.25
    assert found["systolic"] * YEAR / a_day == pytest.approx(30)
    assert found["non_hdl"] == found["total_cholesterol"]  # as old as its oldest part
    assert found["hdl"] * YEAR / a_day == pytest.approx(200)
    assert found.isna()["smoker"]


def test_the_age_is_that_of_what_a_choice_took_and_of_any_window():
    def measured(code: str, day: datetime, value: float) -> Record:
        return Record(day, day, code, value)

    features = FeatureSet(
        "f",
        either=when(latest(BODY_MASS_INDEX, within=years(5)).known())
        .then(latest(BODY_MASS_INDEX, within=years(5)))
        .otherwise(latest(BODY_WEIGHT, within=years(5)) / quantity(2.89, "m2")),
        before_last_year=latest(SYSTOLIC_BP, within=years(3), until=years(1)),
        high=latest(SYSTOLIC_BP, within=years(3), where=VALUE >= 140),
    )
    weight = measured("LOINC:29463-7", AS_OF - timedelta(days=20), 80.0)
    pressures = [measured("LOINC:8480-6", AS_OF - timedelta(days=d), 125.0 + d / 20) for d in (30, 400, 500)]
    found = measured_ages(features).of_patient(History((weight, *pressures)), AS_OF).iloc[0]
    assert found["either"] * 365.25 == pytest.approx(20)
    assert found["before_last_year"] * 365.25 == pytest.approx(400)
    assert found["high"] * 365.25 == pytest.approx(400)
    index = measured("LOINC:39156-5", AS_OF - timedelta(days=900), 27.0)
    found = measured_ages(features).of_patient(History((weight, index)), AS_OF).iloc[0]
    assert found["either"] * 365.25 == pytest.approx(900)


def test_lasting_facts_have_no_age():
    ages = measured_ages(CARDIOVASCULAR)
    assert {"female", "age", "diabetes", "statin", "consultations"}.isdisjoint(ages)
    assert "sex" not in measured_ages(SENSITIVE)

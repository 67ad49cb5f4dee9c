"""The catalogue: patients whose features a clinician can check by hand, in both evaluators; and a recount in SQL.

The patients are in ``patients/``, one a file: a story, what the record holds (``le`` is when it happened, ``su_le``
when the practice knew, ``annule_le`` when it was taken back), and what the features must be on that day.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from features.catalogue import cardiovascular, lost_to_care, screening
from features.catalogue.cardiovascular import CARDIOVASCULAR, CARDIOVASCULAR_FULL, FRAMINGHAM
from features.catalogue.concepts import (
    ANTIHYPERTENSIVE,
    CONCEPTS,
    CONSULTATION,
    CREATININE,
    DEATH,
    DIABETES,
    DIASTOLIC_BP,
    GENERAL_PRACTITIONER_VISIT,
    HDL,
    HYPERTENSION,
    LEFT,
    REGISTERED,
    REMOTE_CONSULTATION,
    SMOKING_STATUS,
    STATIN,
    SYSTOLIC_BP,
    TOTAL_CHOLESTEROL,
    TYPE_1_DIABETES,
    TYPE_2_DIABETES,
)
from features.codes import Code, Concept, parse_code
from features.cohort import Cohort, OnDates
from features.feature_set import Feature, FeatureSet
from features.language import Category, months
from features.outcome import COMPETING, EVENT, Outcome
from features.records import Records, Shard, to_microseconds
from features.store import compute
from features.synthetic import synthesise
from features.typography import typeset
from training.published.comparators import (
    framingham_2008,
    pooled_cohort,
    prevent,
    qrisk3,
    score2,
    score2_diabetes,
)

FOLDER = Path(__file__).parent / "patients"
DELIVERED_AT = datetime(2026, 6, 1)
UNKNOWN = "inconnu"
SETS = {
    value.name: value
    for module in (cardiovascular, lost_to_care, screening)
    for value in vars(module).values()
    if isinstance(value, FeatureSet)
}
STUDIED = (
    CARDIOVASCULAR_FULL,
    screening.BREAST_SCREENING,
    screening.COLORECTAL_SCREENING,
    screening.CERVICAL_SCREENING,
    lost_to_care.LOST_TO_CARE,
)
CRITERIA = [s for s in SETS.values() if s.name.startswith(("adults-", "eligible-", "required-"))]
BY_LABEL = {concept.fr: concept for concept in CONCEPTS}

Expected = bool | float | str


# --- Patients ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Patient:
    """What a file says: rows of records, and the value of features on a day."""

    name: str
    story: str
    as_of: datetime
    rows: tuple[dict[str, Any], ...]
    expected: tuple[tuple[str, str, Expected], ...]

    @classmethod
    def read(cls, path: Path) -> Patient:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        assert set(data) <= {"histoire", "as_of", "dossier", "attendu"}, path.name
        rows = tuple(row for entry in data["dossier"] for row in _rows(path.stem, entry))
        expected = tuple(
            (name.strip(), feature, value)
            for names, values in data["attendu"].items()
            for name in names.split(",")
            for feature, value in values.items()
        )
        unknown = {f"{name}.{feature}" for name, feature, _ in expected if feature not in SETS.get(name, ())}
        assert not unknown, f"{path.name}: no such feature: {', '.join(sorted(unknown))}"
        return cls(path.stem, data["histoire"], _moment(data["as_of"]), rows, expected)


def _rows(patient: str, entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    assert set(entry) <= {"le", "su_le", "annule_le", "quoi", "code", "valeur", "unite"}, f"{patient}: {entry}"
    concept = BY_LABEL[entry["quoi"]]
    value = entry.get("valeur")
    if isinstance(value, str):
        code = entry.get("code", str(dict(concept.categories)[value][0]))
        assert concept.category(code) == concept.category_names.index(value), f"{patient}: {code} is not {value}"
    else:
        code = entry.get("code", str(concept.codes[0]))
    assert concept.covers(str(parse_code(code))), f"{patient}: {code} is not {concept.fr}"
    number = None if value is None or isinstance(value, str) else float(value)
    for happened in entry["le"] if isinstance(entry["le"], list) else [entry["le"]]:
        row = {
            "patient": patient,
            "practice": "cabinet",
            "happened_at": _moment(happened),
            "known_at": _moment(entry.get("su_le", happened)),
            "code": code,
            "value": number,
            "unit": None if number is None else entry.get("unite", concept.unit),
            "retracted_at": None,
        }
        yield row
        if "annule_le" in entry:  # what is taken back was said before
            yield row | {"retracted_at": _moment(entry["annule_le"])}


def _moment(day: date) -> datetime:
    return day if isinstance(day, datetime) else datetime.combine(day, time())


PATIENTS = [Patient.read(path) for path in sorted(FOLDER.glob("*.toml"))]
EXAMPLES = {name: [p for p in PATIENTS if any(p_set == name for p_set, _, _ in p.expected)] for name in SETS}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Records:
    """Everybody's records, taken in by the door that deliveries come through."""
    frame = pd.DataFrame([row for patient in PATIENTS for row in patient.rows])
    made = Records.create(tmp_path_factory.mktemp("patients") / "records", shards=2)
    entry = made.append(frame, name="patients", delivered_at=DELIVERED_AT, concepts=CONCEPTS)
    assert not entry["refused"]
    assert not entry["quarantined"]
    return made


@pytest.fixture(scope="module")
def shards(records: Records) -> tuple[Shard, ...]:
    return tuple(records)


def by_history(features: FeatureSet, shards: tuple[Shard, ...], patient: Patient) -> pd.DataFrame:
    shard = next((s for s in shards if patient.name in s.patients), shards[0])
    return features.of_patient(shard.history(patient.name), patient.as_of)


def by_columns(features: FeatureSet, shards: tuple[Shard, ...]) -> pd.DataFrame:
    """Return the features of everybody, each on their day, by patient."""
    parts = []
    for number, shard in enumerate(shards):
        strangers = [p for p in PATIENTS if not any(p.name in s.patients for s in shards)] if number == 0 else []
        here = [p for p in PATIENTS if p.name in shard.patients] + strangers
        names = np.array([p.name for p in here], dtype=object)
        as_of = np.array([to_microseconds(p.as_of) for p in here], dtype=np.int64)
        parts.append(features.of_shard(shard, names, as_of).set_index(names))
    return pd.concat(parts)


def agrees(feature: Feature, found: Any, expected: Expected) -> bool:
    """Return whether a value is the one written, numbers to the two decimals written."""
    if pd.isna(found) or expected == UNKNOWN:
        return bool(pd.isna(found)) and expected == UNKNOWN
    if isinstance(feature.node.type, Category):
        return bool(found == expected)
    if feature.is_condition is not isinstance(expected, bool):
        return False
    return abs(float(found) - float(expected)) <= 0.00501


@pytest.mark.parametrize("patient", PATIENTS, ids=lambda patient: patient.name)
def test_a_patient_has_the_features_written_in_both_evaluators(
    patient: Patient, shards: tuple[Shard, ...], columns: dict[str, pd.DataFrame]
) -> None:
    wrong = []
    for name in dict.fromkeys(name for name, _, _ in patient.expected):
        values = by_history(SETS[name], shards, patient).iloc[0], columns[name].loc[patient.name]
        for set_name, feature, expected in patient.expected:
            if set_name == name and not all(agrees(SETS[name][feature], v[feature], expected) for v in values):
                wrong.append(f"{name}.{feature}: {expected} is written, found {[v[feature] for v in values]}")
    assert not wrong, "\n".join(wrong)


@pytest.fixture(scope="module")
def columns(shards: tuple[Shard, ...]) -> dict[str, pd.DataFrame]:
    return {name: by_columns(features, shards) for name, features in SETS.items()}


@pytest.mark.parametrize("name", SETS)
def test_evaluators_agree_to_the_last_bit_on_all_features(
    name: str, shards: tuple[Shard, ...], columns: dict[str, pd.DataFrame]
) -> None:
    apart = pd.concat([by_history(SETS[name], shards, p).set_index(pd.Index([p.name])) for p in PATIENTS])
    pd.testing.assert_frame_equal(columns[name].loc[apart.index], apart, check_exact=True)


def is_default(feature: Feature, expected: Expected) -> bool:
    """Return whether a value is missing, or what it is without records."""
    if expected == UNKNOWN or isinstance(expected, str):
        return expected == UNKNOWN
    return feature.without_records is not None and math.isclose(float(expected), feature.without_records)


def test_every_feature_has_a_patient_who_shows_it_and_one_who_does_not() -> None:
    shown: dict[Any, set[bool]] = defaultdict(set)
    for patient in PATIENTS:
        for name, feature, expected in patient.expected:
            found = SETS[name][feature]
            shown[found.node].add(is_default(found, expected))
    unshown = [
        f"{features.name}.{feature.name}: no patient {'who shows it' if False in missing else 'without it'}"
        for features in SETS.values()
        for feature in features.values()
        if (missing := {True, False} - shown[feature.node])
    ]
    assert not unshown, "\n".join(unshown)


def test_there_are_patients_for_each_study() -> None:
    least = {"cardiovascular-full": 12, "breast-screening": 6, "colorectal-screening": 6, "cervical-screening": 6}
    assert {name: len(EXAMPLES[name]) >= number for name, number in least.items()} == dict.fromkeys(least, True)


@pytest.mark.parametrize("patient", PATIENTS, ids=lambda patient: patient.name)
def test_a_story_is_told(patient: Patient) -> None:
    assert len(patient.story.split()) >= 10
    assert "'" not in patient.story
    assert len(patient.expected) >= 3


# --- Definitions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("features", SETS.values(), ids=lambda features: features.name)
def test_a_feature_has_a_label_in_both_languages(features: FeatureSet) -> None:
    for feature in features.values():
        for label in (feature.fr, feature.en):
            assert label.strip() == label != feature.name
            assert label[0].isupper()
            assert not label.endswith(".")
            assert "'" not in label
            assert "  " not in label
        assert not re.search(r"[^\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}][:;!?»]", typeset(feature.fr, "fr"))
    for language in ("fr", "en"):
        labels = [getattr(feature, language) for feature in features.values()]
        assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("features", SETS.values(), ids=lambda features: features.name)
def test_a_set_travels(features: FeatureSet) -> None:
    again = FeatureSet.from_json(features.to_json())
    assert again.fingerprint == features.fingerprint
    assert all(feature.node == again[feature.name].node for feature in features.values())


def test_nothing_is_assumed_of_those_without_records() -> None:
    assumed = {f.name for features in STUDIED for f in features.values() if f.absence == "assumed"}
    assert assumed == set()


def test_sets_are_as_wide_as_they_say() -> None:
    assert 55 <= len(CARDIOVASCULAR_FULL) <= 75
    assert all(30 <= len(features) <= 50 for features in STUDIED[1:])


def test_the_wide_set_is_built_from_the_definitions_of_the_first() -> None:
    assert {name for name in CARDIOVASCULAR if CARDIOVASCULAR[name].node != CARDIOVASCULAR_FULL[name].node} == set()
    assert {name for name in FRAMINGHAM if name not in CARDIOVASCULAR} == set()


@pytest.mark.parametrize("features", CRITERIA, ids=lambda features: features.name)
def test_criteria_are_conditions(features: FeatureSet) -> None:
    assert all(feature.is_condition for feature in features.values())
    Cohort("c", OnDates((datetime(2020, 1, 1),)), features, REGISTERED)


# --- Published scores -------------------------------------------------------------------------------------

MODELS = [score2(), score2_diabetes(), qrisk3(), prevent(), pooled_cohort(), framingham_2008()]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_wide_set_has_all_that_a_published_score_reads(model: Any) -> None:
    assert set(model.features) <= set(CARDIOVASCULAR_FULL)


def test_published_scores_answer_for_a_patient_of_the_catalogue(columns: dict[str, pd.DataFrame]) -> None:
    wide = columns["cardiovascular-full"]
    diabetic, treated = wide.loc[["diabetique-de-type-2"]], wide.loc[["hypertendue-suivie"]]
    assert {m.name: m.refusals(diabetic).item() for m in MODELS} == {
        "score2": "diabetes",
        **dict.fromkeys(("score2_diabetes", "qrisk3", "prevent", "pooled_cohort", "framingham_2008"), ""),
    }
    assert {m.name: m.refusals(treated).item() for m in MODELS} == {
        **dict.fromkeys(("score2", "prevent", "pooled_cohort", "framingham_2008"), ""),
        "qrisk3": "statin",
        "score2_diabetes": "without type_2_diabetes",
    }
    smoker = wide.loc[["schizophrenie-et-precarite"]]
    assert qrisk3().refusals(smoker).item() == "missing smoking_intensity"


@pytest.mark.parametrize("age", [45, 60, 75])
@pytest.mark.parametrize("female", [0.0, 1.0])
def test_a_direction_never_contradicts_qrisk3(age: int, female: float) -> None:
    """A feature declared to raise or lower the risk does so in the equation that was fitted with it."""
    typical = dict.fromkeys(qrisk3().features, 0.0) | {"age": age, "female": female, "systolic": 130.0, "bmi": 26.0}
    typical |= {"total_cholesterol": 5.5, "hdl": 1.4, "systolic_sd": 9.0}
    step = {
        "age": 1.0,
        "systolic": 10.0,
        "hdl": 0.2,
        "total_cholesterol": 0.5,
        "systolic_sd": 3.0,
        "female": 1 - female,
    }
    for name in qrisk3().features:
        direction = CARDIOVASCULAR_FULL[name].direction
        if direction and name != "female":
            rise = step.get(name, 1.0)
            low, high = qrisk3().risk(pd.DataFrame([typical, typical | {name: typical[name] + rise}]), 10.0)
            assert direction * (high - low) >= 0, name


# --- Outcomes of screening --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patient", "programme", "as_of", "cause"),
    [
        # Outside the programme, and it counts.
        ("mammographie-individuelle", "BREAST", datetime(2023, 1, 1), EVENT),
        ("coloscopie-recente", "COLORECTAL", datetime(2021, 2, 1), EVENT),
        ("depistages-fidele", "CERVICAL", datetime(2020, 1, 1), EVENT),
        # What ends eligibility comes first.
        ("cancer-du-sein-ancien", "BREAST", datetime(2015, 1, 1), COMPETING),
        ("adenome-et-famille", "COLORECTAL", datetime(2016, 1, 1), COMPETING),
        ("hysterectomie-et-conisation", "CERVICAL", datetime(2022, 1, 1), COMPETING),
        ("decede", "COLORECTAL", datetime(2023, 1, 1), COMPETING),
    ],
)
def test_taking_part_counts_by_any_route_and_leaving_eligibility_competes(
    shards: tuple[Shard, ...], patient: str, programme: str, as_of: datetime, cause: int
) -> None:
    event, competing = (getattr(screening, f"{programme}_{what}") for what in ("PARTICIPATION", "ELIGIBILITY_LOST"))
    outcome = Outcome("taking-part", "", "", event, competing, (LEFT,), 3.0, months(1))
    shard = next(s for s in shards if patient in s.patients)
    rows = np.array([patient], dtype=object), np.array([to_microseconds(as_of)], dtype=np.int64)
    followup, early = outcome.of_shard(shard, *rows, DELIVERED_AT)
    assert followup.cause.tolist() == [cause]
    assert not early.any()


@pytest.mark.parametrize("programme", ["BREAST", "COLORECTAL", "CERVICAL"])
def test_death_ends_eligibility_and_taking_part_does_not(programme: str) -> None:
    lost = getattr(screening, f"{programme}_ELIGIBILITY_LOST")
    test = getattr(screening, f"{programme}_PARTICIPATION")
    assert all(lost.covers(str(code)) for code in DEATH.codes)
    assert not any(lost.covers(str(code)) for code in test.codes)


# --- Recounted in SQL -------------------------------------------------------------------------------------

AS_OF = datetime(2016, 7, 1, 8)
YEARS_AGO = f"epoch_us(TIMESTAMP '{AS_OF}' - happened_at) / (365.25 * 86400e6)"
HIERARCHICAL = ("CIM10", "ATC", "PRACTICE")


def about(*codes: Code) -> str:
    """Return the SQL condition that a record has one of these codes."""
    return " OR ".join(
        f"starts_with(code, '{code}')" if code.system in HIERARCHICAL else f"code = '{code}'" for code in codes
    )


def ask(select: str, *concepts: Concept, past: float = 200, until: float = 0, where: str = "true") -> str:
    """Return the SQL of a value computed from a patient's records of some concepts, from ``past`` years ago on."""
    codes = [code for concept in concepts for code in concept.codes]
    return (
        f"(SELECT {select} FROM seen WHERE seen.patient = people.patient AND ({about(*codes)}) AND {where} "
        f"AND {YEARS_AGO} <= {past} AND {YEARS_AGO} > {until})"
    )


def ask_any(*concepts: Concept, past: float = 200, until: float = 0) -> str:
    return ask("count(*) > 0", *concepts, past=past, until=until)


def ask_latest(concept: Concept, past: float) -> str:
    select = "arg_max(value, (happened_at, known_at, value))"
    return ask(select, concept, past=past, where="value IS NOT NULL")


def ask_pressures(select: str, past: float = 5) -> str:
    return ask(select, SYSTOLIC_BP, past=past, where="value IS NOT NULL")


STATE = "CASE " + " ".join(
    f"WHEN {about(*codes)} THEN {place}" for place, (_, codes) in reversed(list(enumerate(SMOKING_STATUS.categories)))
)
RECOUNT = {
    "smoker": f"{ask(f'arg_max({STATE} END, (happened_at, known_at, {STATE} END))', SMOKING_STATUS, past=5)} = 3",
    "systolic": ask_latest(SYSTOLIC_BP, past=2),
    "diastolic": ask_latest(DIASTOLIC_BP, past=2),
    "systolic_mean": ask_pressures("avg(value)"),
    "systolic_sd": ask_pressures("stddev_samp(value)"),
    "systolic_slope": ask_pressures(
        f"CASE WHEN max({YEARS_AGO}) - min({YEARS_AGO}) >= 0.5 THEN -regr_slope(value, {YEARS_AGO}) END"
    ),
    "systolic_high": ask("count(*)", SYSTOLIC_BP, past=2, where="value >= 140"),
    "systolic_age": ask_pressures(f"min({YEARS_AGO})", past=2),
    "total_cholesterol": ask_latest(TOTAL_CHOLESTEROL, past=5),
    "non_hdl": f"{ask_latest(TOTAL_CHOLESTEROL, past=5)} - {ask_latest(HDL, past=5)}",
    "creatinine": ask_latest(CREATININE, past=3),
    "statin": ask_any(STATIN, past=1),
    "hypertension_treated": f"{ask_any(HYPERTENSION)} AND {ask_any(ANTIHYPERTENSIVE, past=1)}",
    "type_2_diabetes": f"{ask_any(DIABETES)} AND ({ask_any(TYPE_2_DIABETES)} OR NOT {ask_any(TYPE_1_DIABETES)})",
    "consultations": ask("count(*)", CONSULTATION, past=1),
    "contact_years": " + ".join(
        f"CAST({ask_any(GENERAL_PRACTITIONER_VISIT, REMOTE_CONSULTATION, past=n + 1, until=n)} AS INTEGER)"
        for n in range(5)
    ),
    "years_since_contact": ask(f"min({YEARS_AGO})", GENERAL_PRACTITIONER_VISIT, REMOTE_CONSULTATION),
    "registered_years": ask(f"min({YEARS_AGO})", REGISTERED),
}


@pytest.mark.slow
def test_sql_counts_the_same(tmp_path: Path) -> None:
    """A small synthetic population, recomputed by DuckDB from its records: no step is shared with the evaluators."""
    records = synthesise(tmp_path / "records", patients=120, seed=11)
    rows = pd.concat(
        pd.DataFrame(
            {
                "patient": shard.patients[shard.patient],
                "happened_at": shard.happened.astype("datetime64[us]"),
                "known_at": shard.known.astype("datetime64[us]"),
                "retracted_at": shard.retracted,
                "code": np.array(shard.codes, dtype=object)[shard.code],
                "number": shard.value,
            }
        )
        for shard in records
    )
    patients = np.unique(rows["patient"])
    found = compute(CARDIOVASCULAR_FULL, records, pd.DataFrame({"patient": patients, "as_of": AS_OF}))
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        recounted = connection.execute(
            f"""
            WITH people AS (SELECT DISTINCT patient FROM rows), seen AS (
                SELECT patient, happened_at, known_at, code, CASE WHEN NOT isnan(number) THEN number END AS value
                FROM rows WHERE happened_at < TIMESTAMP '{AS_OF}' AND known_at < TIMESTAMP '{AS_OF}'
                AND retracted_at >= epoch_us(TIMESTAMP '{AS_OF}')
            )
            SELECT {", ".join(f"CAST({sql} AS DOUBLE) AS {name}" for name, sql in RECOUNT.items())}
            FROM people ORDER BY patient
            """
        ).df()
    assert len(RECOUNT) >= 12
    for name in RECOUNT:
        ours, theirs = found[name].to_numpy(dtype=float), recounted[name].to_numpy(dtype=float)
        assert len(np.unique(theirs[np.isfinite(theirs)])) > 1, name
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9, err_msg=name)

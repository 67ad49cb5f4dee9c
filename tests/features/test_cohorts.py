"""Published cohorts: the Framingham teaching set as dated records, others as tables with our names and units."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.__main__ import main
from features.catalogue.cardiovascular import ADULTS_30_TO_79, FRAMINGHAM
from features.catalogue.concepts import CARDIOVASCULAR_DISEASE, DEATH, EXAMINATION, LEFT, MAJOR_CV_EVENT, REGISTERED
from features.cohort import AfterEach, Cohort, OnDates
from features.intake import InvalidRecords
from features.language import days
from features.outcome import CENSORED, COMPETING, EVENT, REASONS, Outcome
from features.records import Records
from features.sources import cohorts
from features.sources.cohorts import BASELINE, DELIVERED_AT, From, PublishedCohort, framingham, read_table
from features.store import compute

DAY = 86_400_000_000
OUTCOME = Outcome("event", "", "", MAJOR_CV_EVENT, DEATH, (LEFT,), 10.0, days(0))

#: One person with nothing, to be altered: three examinations are not needed to find a fault.
HEALTHY = {
    "RANDID": 1, "SEX": 1, "TIME": 0, "AGE": 50, "SYSBP": 130.0, "DIABP": 80.0, "TOTCHOL": 220.0, "HDLC": None,
    "BMI": 26.0, "HEARTRTE": 70.0, "GLUCOSE": 90.0, "CIGPDAY": 0.0, "CURSMOKE": 0, "DIABETES": 0, "BPMEDS": 0.0,
    "PREVCHD": 0, "PREVSTRK": 0, "MI_FCHD": 0, "TIMEMIFC": 8766, "STROKE": 0, "TIMESTRK": 8766, "ANGINA": 0,
    "TIMEAP": 8766, "ANYCHD": 0, "TIMECHD": 8766, "CVD": 0, "TIMECVD": 8766, "DEATH": 0, "TIMEDTH": 8766,
}  # fmt: skip


def ingest(tmp_path: Path, *rows: dict[str, object]) -> pd.DataFrame:
    """Return the records of examinations, each of which alters the healthy one."""
    file = tmp_path / "set.csv"
    pd.DataFrame([HEALTHY | row for row in rows]).to_csv(file, index=False)
    return frame_of(framingham(file, tmp_path / "store"))


def frame_of(records: Records) -> pd.DataFrame:
    """Return records in days since the baseline."""
    origin = np.datetime64(BASELINE, "us").astype(np.int64)
    return pd.concat(
        pd.DataFrame(
            {
                "patient": shard.patients[shard.patient],
                "happened": (shard.happened - origin) / DAY,
                "known": (shard.known - origin) / DAY,
                "code": np.array(shard.codes, dtype=object)[shard.code],
                "value": shard.value,
            }
        )
        for shard in records
    )


def days_of(frame: pd.DataFrame, code: str) -> list[float]:
    return sorted(frame.loc[frame["code"] == code, "happened"])


@pytest.fixture(scope="module")
def source(shared: Callable[[str], Path]) -> Path:
    return shared("data/framingham/framingham_longitudinal.csv")


@pytest.fixture(scope="module")
def records(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Records:
    return framingham(source, tmp_path_factory.mktemp("framingham") / "store")


@pytest.fixture(scope="module")
def frame(records: Records) -> pd.DataFrame:
    return frame_of(records)


@pytest.fixture(scope="module")
def exams(source: Path) -> pd.DataFrame:
    return pd.read_csv(source)


@pytest.mark.slow
def test_people_and_examinations(frame: pd.DataFrame) -> None:
    assert frame["patient"].nunique() == 4_434
    times = frame[frame["code"] == "PRACTICE:examination"].groupby("patient").size()
    assert times.value_counts().to_dict() == {3: 3_206, 2: 781, 1: 447}
    assert (frame["code"] == "PRACTICE:male").sum() == 1_944
    assert (frame["code"] == "PRACTICE:death").sum() == 1_550


@pytest.mark.slow
def test_ten_years_from_a_baseline_free_of_disease(records: Records) -> None:
    landmark = OnDates((BASELINE + timedelta(days=1),))
    members = Cohort("baseline", landmark, ADULTS_30_TO_79, REGISTERED).members(records, OUTCOME)
    assert len(members.index) == 4_215
    assert (members.followup.cause == EVENT).sum() == 369
    assert (members.followup.cause == COMPETING).sum() == 218


@pytest.mark.slow
def test_what_the_set_means_by_its_event(exams: pd.DataFrame) -> None:
    """Written down because its documentation says otherwise: see the notes of `framingham`."""
    people = exams[(exams["TIME"] == 0) & (exams["PREVCHD"] == 0) & (exams["PREVSTRK"] == 0)]
    hard = pd.concat(
        [people["TIMEMIFC"].where(people["MI_FCHD"] == 1), people["TIMESTRK"].where(people["STROKE"] == 1)], axis=1
    ).min(axis=1)
    event = (people["CVD"] == 1) & (people["TIMECVD"] < 3_652)
    otherwise = event & (hard != people["TIMECVD"])
    assert event.sum() == 369
    assert otherwise.sum() == 130
    assert (otherwise & (people["ANGINA"] == 1) & (people["TIMEAP"] == people["TIMECVD"])).sum() == 86
    assert (hard < 3_652).sum() == 276
    assert (hard.notna() & (people["CVD"] == 0)).sum() == 24


@pytest.mark.slow
def test_nothing_known_at_an_examination_came_from_a_later_event(frame: pd.DataFrame, exams: pd.DataFrame) -> None:
    about_events = frame[frame["code"].map(lambda code: CARDIOVASCULAR_DISEASE.covers(code) or DEATH.covers(code))]
    landmarks = exams[["RANDID", "TIME", "PREVCHD", "PREVSTRK"]].assign(patient=exams["RANDID"].astype(str))
    seen = about_events.merge(landmarks, on="patient")
    seen = seen[seen["known"] <= seen["TIME"]]
    assert (seen["happened"] <= seen["TIME"]).all()
    # What is known at an examination is what the examination itself found.
    found = (seen["PREVCHD"] == 1) | (seen["PREVSTRK"] == 1)
    assert found.mean() > 0.99
    on_the_day = ~found
    assert (seen.loc[on_the_day, "happened"] == seen.loc[on_the_day, "TIME"]).all()


@pytest.mark.slow
def test_features_at_an_examination_do_not_move_when_the_future_changes(
    source: Path, exams: pd.DataFrame, tmp_path: Path
) -> None:
    some = exams[exams["RANDID"].isin(exams["RANDID"].unique()[:400])]
    never = some.assign(
        **dict.fromkeys(("CVD", "ANYCHD", "MI_FCHD", "STROKE", "ANGINA", "DEATH"), 0),
        **{f"TIME{name}": 8_766 for name in ("CVD", "CHD", "MIFC", "STRK", "AP", "DTH")},
    )
    cohort = Cohort("examinations", AfterEach(EXAMINATION, days(1)), ADULTS_30_TO_79, REGISTERED)
    values = []
    for name, version in (("as it was", some), ("without events", never)):
        version.to_csv(tmp_path / f"{name}.csv", index=False)
        records = framingham(tmp_path / f"{name}.csv", tmp_path / name)
        index = cohort.members(records, OUTCOME).index
        values.append(compute(FRAMINGHAM, records, index).set_index([index["patient"], index["as_of"]]))
    both = values[0].index.intersection(values[1].index)
    assert len(both) > 900
    pd.testing.assert_frame_equal(values[0].loc[both], values[1].loc[both])


@pytest.mark.slow
def test_values_are_converted_by_their_unit(frame: pd.DataFrame, exams: pd.DataFrame, records: Records) -> None:
    total = frame[frame["code"] == "LOINC:2093-3"]
    assert total["value"].mean() == pytest.approx(exams["TOTCHOL"].mean() / 38.67)
    assert (frame["code"] == "LOINC:2085-9").sum() == exams["HDLC"].notna().sum()
    assert records.deliveries[0]["quarantined"] == {}  # 696 mg/dL, 295 mmHg and 220/min are rare, not impossible
    assert records.delivered_at == DELIVERED_AT


@pytest.mark.slow
def test_age_at_each_examination_is_the_recorded_one(records: Records, exams: pd.DataFrame) -> None:
    cohort = Cohort("examinations", AfterEach(EXAMINATION, days(1)), ADULTS_30_TO_79.only("alive"), REGISTERED)
    index = cohort.members(records, OUTCOME).index
    time = (index["as_of"] - (BASELINE + timedelta(days=1))).dt.days
    recorded = exams.assign(patient=exams["RANDID"].astype(str)).set_index(["patient", "TIME"])["AGE"]
    recorded = recorded.reindex(pd.MultiIndex.from_arrays([index["patient"], time])).to_numpy()
    age = compute(FRAMINGHAM, records, index)["age"].to_numpy()
    first = time.to_numpy() == 0
    assert np.abs(age[first] - recorded[first] - 0.5).max() < 0.01
    assert np.abs(age - recorded - 0.5).max() < 1.01


def test_disease_found_at_the_baseline_happened_before_it(tmp_path: Path) -> None:
    found = {"PREVCHD": 1, "ANYCHD": 1, "TIMECHD": 0, "ANGINA": 1, "TIMEAP": 0, "CVD": 1, "TIMECVD": 0}
    frame = ingest(tmp_path, found, found | {"TIME": 2_000})
    disease = frame[frame["code"].map(CARDIOVASCULAR_DISEASE.covers)]
    assert disease[["code", "happened", "known"]].to_numpy().tolist() == [["CIM10:I25.9", -1.0, 0.0]]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ({"CVD": 1, "TIMECVD": 900, "STROKE": 1, "TIMESTRK": 900}, {"CIM10:I64": [900]}),
        (
            {"CVD": 1, "TIMECVD": 900, "MI_FCHD": 1, "TIMEMIFC": 900, "ANYCHD": 1, "TIMECHD": 900},
            {"CIM10:I21.9": [900]},
        ),
        (
            {"CVD": 1, "TIMECVD": 400, "ANYCHD": 1, "TIMECHD": 400, "ANGINA": 1, "TIMEAP": 400,
             "MI_FCHD": 1, "TIMEMIFC": 900},
            {"CIM10:I21.9": [400, 900], "CIM10:I20.9": [400]},
        ),
        ({"ANYCHD": 1, "TIMECHD": 400, "ANGINA": 1, "TIMEAP": 400}, {"CIM10:I20.9": [400]}),
        ({"ANYCHD": 1, "TIMECHD": 400}, {"CIM10:I24.9": [400]}),
        (
            {"ANYCHD": 1, "TIMECHD": 400, "ANGINA": 1, "TIMEAP": 400, "MI_FCHD": 1, "TIMEMIFC": 900},
            {"CIM10:I20.9": [400]},
        ),
        ({"DEATH": 1, "TIMEDTH": 900, "TIMECVD": 900}, {"PRACTICE:death": [900]}),
        ({"TIMECVD": 900}, {"PRACTICE:left": [900]}),
        ({}, {}),
    ],
)  # fmt: skip
def test_each_event_on_its_own_day(tmp_path: Path, events: dict[str, object], expected: dict[str, list[float]]) -> None:
    frame = ingest(tmp_path, events)
    told = frame[frame["code"].map(lambda code: code.startswith(("CIM10:I", "PRACTICE:death", "PRACTICE:left")))]
    assert {code: days_of(told, code) for code in told["code"].unique()} == expected
    assert (told["happened"] == told["known"]).all()


def test_a_non_smoker_is_neither_never_nor_former(tmp_path: Path) -> None:
    frame = ingest(tmp_path, {}, {"RANDID": 2, "CURSMOKE": 1, "BPMEDS": 1.0, "DIABETES": 1})
    assert frame.loc[frame["code"].isin(["SNOMED:8392000"]), "patient"].tolist() == ["1"]
    assert frame.loc[frame["code"].isin(["LOINC:LA18976-3"]), "patient"].tolist() == ["2"]
    assert frame.loc[frame["code"].isin(["ATC:C02", "CIM10:E11.9"]), "patient"].tolist() == ["2", "2"]


def test_every_fault_is_named_and_nothing_written(tmp_path: Path) -> None:
    bad = [
        {},
        {"SEX": 3, "AGE": None, "TIME": 100, "DEATH": 2},
        {"RANDID": 2, "TIME": 9_000, "CVD": None},
        {"RANDID": 2, "TIME": 9_000, "CVD": None},
    ]
    with pytest.raises(InvalidRecords) as caught:
        ingest(tmp_path, *bad)
    faults = "\n".join(caught.value.faults)
    for said in (
        "column AGE is missing on 1 rows",
        "column CVD is missing on 2 rows",
        "column SEX is neither 1 nor 2 on 1 rows",
        "column DEATH is neither 0 nor 1 on 1 rows",
        "1 rows repeat an examination",
        "1 people have no examination at TIME 0",
        "column SEX changes between examinations of 1 people",
        "column TIME is outside 0 to 8,766 days on 2 rows",
        "2 examinations (TIME) come after death",
    ):
        assert said in faults
    assert not (tmp_path / "store").exists()


def test_missing_columns_are_all_named(tmp_path: Path) -> None:
    file = tmp_path / "set.csv"
    pd.DataFrame([HEALTHY]).drop(columns=["RANDID", "TIMECVD"]).to_csv(file, index=False)
    with pytest.raises(InvalidRecords, match=r"RANDID is missing\n- column TIMECVD is missing"):
        framingham(file, tmp_path / "store")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("male,age,TenYearCHD\n1,39,0\n", "TenYearCHD, which counts people lost before ten years"),
        ("", "not a CSV file"),
        (",".join(HEALTHY) + "\n", "a number|no examination"),
        (
            ",".join(HEALTHY) + "\n" + ",".join(["x"] * len(HEALTHY)) + "\n",
            "RANDID holds something that is not a number",
        ),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "set.csv"
    file.write_text(content)
    with pytest.raises(InvalidRecords, match=message):
        framingham(file, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, store = tmp_path / "set.csv", tmp_path / "store"

    def run(source: Path) -> tuple[int, str]:
        code = main(["ingest", "--source", "framingham", "--from", str(source), "--into", str(store)])
        return code, capsys.readouterr().err

    code, said = run(tmp_path / "nowhere.csv")
    assert code == 4
    assert "nowhere.csv" in said
    file.write_text("male,age,TenYearCHD\n1,39,0\n")
    code, said = run(file)
    assert code == 3
    assert "use the longitudinal set" in said
    assert "Traceback" not in said
    pd.DataFrame([HEALTHY]).to_csv(file, index=False)
    code, said = run(file)
    assert code == 0
    assert "records kept" in said
    assert datetime(1980, 1, 1) == Records.open(store).delivered_at
    assert run(file)[0] == 4


# --- Cohorts without dates ------------------------------------------------------------------------------

#: What a package might hold: R's missing value, which is no quiet NaN; a level for what is missing; a rare level.
R_MISSING = np.array([0x7FF00000000007A2], dtype=np.uint64).view(np.float64)[0]
TABLE = pd.DataFrame(
    {
        "pid": range(40),
        "event": [1, 2, 0, 0] * 10,
        "time": [1.0, 2.0, 12.0, 30.0] * 10,
        "sex": pd.Categorical(["1", "2"] * 20),
        "scl": [200.0, R_MISSING, 150.0, 250.0] * 10,
        "byhand": [np.nan, 180.0, 999.0, np.nan] * 10,
        "stage": pd.Categorical(["one"] * 22 + ["two"] * 12 + ["missing"] * 3 + ["rare"] * 3),
        "stay.length": range(40),
    }
)
MADE_UP = PublishedCohort(
    "made-up",
    "SurvSet",
    "table",
    "months",
    2.0,
    {"female": From(("sex",), codes={"1": 0.0, "2": 1.0}), "total_cholesterol": From(("scl", "byhand"), 1 / 38.67)},
    never=("stay.length",),
)


@pytest.fixture
def packaged(monkeypatch: pytest.MonkeyPatch) -> Callable[[pd.DataFrame], None]:
    """Make the packages hold one table."""
    return lambda table: monkeypatch.setattr(cohorts, "PACKAGES", {"SurvSet": lambda dataset: table.copy()})


def test_a_table_becomes_features_with_our_names_and_units(packaged: Callable[[pd.DataFrame], None]) -> None:
    packaged(TABLE)
    X = read_table(MADE_UP).X
    assert list(X) == ["female", "total_cholesterol", "stage_two"]
    assert X["female"].tolist() == [0.0, 1.0] * 20
    assert X["total_cholesterol"][:4].tolist() == pytest.approx([200 / 38.67, 180 / 38.67, 150 / 38.67, 250 / 38.67])
    assert X["stage_two"].tolist()[:34] == [0.0] * 22 + [1.0] * 12
    assert X["stage_two"].isna().tolist() == [False] * 34 + [True] * 3 + [False] * 3


def test_missing_values_of_another_language_raise_no_alarm(packaged: Callable[[pd.DataFrame], None]) -> None:
    packaged(TABLE)
    plain = PublishedCohort("made-up", "SurvSet", "table", "months", 2.0)
    with np.errstate(all="raise"):
        assert np.isnan(read_table(plain).X["scl"].to_numpy().sum())


def test_follow_up_is_closed_at_the_horizon_and_competing_events_are_kept(
    packaged: Callable[[pd.DataFrame], None],
) -> None:
    packaged(TABLE)
    table = read_table(MADE_UP)
    followup = table.followup
    assert followup.duration[:4].tolist() == pytest.approx([1 / 12, 2 / 12, 1.0, 2.0])
    assert followup.cause[:4].tolist() == [EVENT, COMPETING, CENSORED, CENSORED]
    assert [REASONS[code] for code in followup.reason[:4]] == [
        "event", "competing event", "end of data", "horizon reached",
    ]  # fmt: skip
    assert table.index["practice"].unique().tolist() == ["made-up"]
    assert table.index["patient"].is_unique
    late = PublishedCohort("made-up", "SurvSet", "table", "months", 0.1)
    assert read_table(late).followup.cause[:2].tolist() == [EVENT, CENSORED]  # the second came later


def test_every_fault_of_a_table_is_named(packaged: Callable[[pd.DataFrame], None]) -> None:
    packaged(TABLE.drop(columns=["scl", "stay.length"]).assign(time=-1.0, event=3))
    with pytest.raises(InvalidRecords) as caught:
        read_table(MADE_UP)
    for said in ("column scl is not", "column stay.length is not", "negative on 40 rows", "nor 2 on 40 rows"):
        assert said in str(caught.value)


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "SurvSet", None)
    monkeypatch.setitem(sys.modules, "SurvSet.data", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'vigie\[cohorts\]'"):
        read_table(PublishedCohort("smart", "SurvSet", "smarto", "days", 5.0))


def test_columns_that_change_over_time_are_refused() -> None:
    pytest.importorskip("SurvSet")
    with pytest.raises(InvalidRecords, match="change over time"):
        read_table(PublishedCohort("transplant", "SurvSet", "heart", "days", 1.0))


def test_smart_is_the_published_cohort() -> None:
    """3,873 people and 460 events, as in Steyerberg's Clinical Prediction Models, chapter 23."""
    loader = pytest.importorskip("SurvSet.data").SurvLoader()
    assert loader.df_ds.set_index("ds").loc["smarto", "n"] == 3_873
    whole = read_table(PublishedCohort("smart", "SurvSet", "smarto", "days", 10.0))
    assert (whole.followup.cause == EVENT).sum() == 460
    assert whole.followup.duration.sum() == pytest.approx(14_530, rel=0.001)
    assert whole.X["chol"].median() == pytest.approx(5.1)  # mmol/L
    assert list(whole.X.filter(like="systb")) == ["systbp"]

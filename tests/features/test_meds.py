"""MEDS: what is written is valid and comes back as the very same records; what others wrote is read and recounted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from meds import CodeMetadataSchema, DataSchema, DatasetMetadataSchema, SubjectSplitSchema

from features.catalogue.concepts import CONCEPTS
from features.codes import measured, parse_code
from features.digests import digest_folder
from features.ingest import ingest
from features.intake import SCHEMA, InvalidRecords
from features.privacy import Objections
from features.records import Records
from features.sources.meds import MEDS, subjects_file, write_meds, writing
from features.sources.meds import dataset as data_sets
from features.synthetic import DELIVERED_AT, synthesise
from tests.conftest import at_most

END = datetime(2025, 1, 1)
NAMED = {"dataset_name": "essai", "dataset_version": "1"}


def facts_of(records: Records) -> pa.Table:
    """Return all facts with their units, in one order."""
    table = pa.concat_tables(records.table(shard) for shard in records.shards)
    return table.sort_by([(name, "ascending") for name in SCHEMA.names])


def stored(folder: Path, rows: list[dict[str, Any]], delivered_at: datetime = END, shards: int = 3) -> Records:
    records = Records.create(folder, shards)
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    records.append(table, name="x", delivered_at=delivered_at, concepts=CONCEPTS)
    return records


def read_back(folder: Path, into: Path, delivered_at: datetime = END) -> tuple[Records, dict[str, Any]]:
    records = Records.create(into, 1)
    return records, ingest(MEDS, folder, records, name="x", delivered_at=delivered_at, key=None).entry


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [row for batch in MEDS.batches(str(folder), END) for row in batch.table.to_pylist()]


def dataset(folder: Path, rows: list[dict[str, Any]], *, schema: pa.Schema | None = None, **metadata: Any) -> Path:
    """Write a data set by hand: one file, and metadata if asked for."""
    (folder / "data").mkdir(parents=True)
    (folder / "metadata").mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema or DATA), folder / "data" / "0.parquet")
    if "codes" in metadata:
        codes = [{"code": code, "description": "", "parent_codes": up} for code, up in metadata["codes"].items()]
        pq.write_table(pa.Table.from_pylist(codes, schema=CODES), folder / "metadata" / "codes.parquet")
    if "about" in metadata:
        (folder / "metadata" / "dataset.json").write_text(json.dumps(metadata["about"]), encoding="utf-8")
    return folder


DATA = pa.schema(
    [
        ("subject_id", pa.int64()),
        ("time", pa.timestamp("us")),
        ("code", pa.string()),
        ("numeric_value", pa.float32()),
        ("text_value", pa.string()),
    ]
)
CODES = pa.schema([("code", pa.string()), ("description", pa.string()), ("parent_codes", pa.list_(pa.string()))])


def codes_read(
    folder: Path, rows: list[tuple[str, float | None, str | None]], **metadata: Any
) -> list[tuple[Any, ...]]:
    """Return code, value, unit and fault of measurements of one subject."""
    time = datetime(2024, 1, 1)
    data = [
        {"subject_id": 1, "time": time, "code": code, "numeric_value": value, "text_value": text}
        for code, value, text in rows
    ]
    return [(r["code"], r["value"], r["unit"], r["fault"]) for r in rows_of(dataset(folder, data, **metadata))]


# --- Round trips ------------------------------------------------------------------------------------------

CODES_WRITTEN = (
    "PRACTICE:birth", "PRACTICE:death", "PRACTICE:death.cardiovascular", "PRACTICE:male", "PRACTICE:registered",
    "PRACTICE:hospital_stay", "PRACTICE:insurance.long_term_illness", "CIM10:I2510", "CIM10:C169+0", "CVX:8",
    "CIM10:I21.9", "CIM10:Z99", "CISP2:K86", "ATC:C10AA05", "LOINC:8480-6", "LOINC:2093-3", "SNOMED:38341003",
    "SOURCE:MEDS_BIRTH", "SOURCE:SEX//male", "SOURCE:LAB//50912//mg/dL", "SOURCE:LOINC/8867-4", "SOURCE:a:b c",
    "SOURCE:ICD//10//I10", "SOURCE:RETRACTED//x", "SOURCE:CIM10//I10", "SOURCE:CONCEPT//statin",
)  # fmt: skip


@st.composite
def facts(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw rows of a delivery: facts, some sent twice, some taken back."""
    moments = st.datetimes(datetime(1900, 1, 1), datetime(2024, 12, 1))
    rows = []
    for _ in range(draw(st.integers(1, 12))):
        code = draw(st.sampled_from(CODES_WRITTEN) | st.from_regex(r"SOURCE:[^\s\0]{1,12}", fullmatch=True))
        concept = measured(CONCEPTS, code)
        value, unit = None, None
        if concept and concept.plausible:
            value, unit = draw(st.floats(*concept.plausible)), concept.unit
        elif draw(st.booleans()):
            value = draw(st.floats(allow_nan=False, allow_infinity=False))
            unit = draw(st.none() | st.sampled_from(["mmHg", "g/l", "u", ""]))
        happened = draw(moments)
        known = happened + draw(st.timedeltas(timedelta(0), timedelta(days=20)))
        row = {
            "patient": draw(st.sampled_from(["a", "b", "é", "0", "c" * 32])),
            "practice": draw(st.sampled_from(["p", "q"])),
            "happened_at": happened,
            "known_at": known,
            "code": code,
            "value": value,
            "unit": unit,
            "retracted_at": None,
        }
        rows.append(row)
        if draw(st.booleans()):
            back = known + draw(st.timedeltas(timedelta(0), timedelta(days=5)))
            rows.append({**row, "retracted_at": back})
            if draw(st.booleans()):
                rows.append({**row, "known_at": back + draw(st.timedeltas(timedelta(0), timedelta(days=5)))})
    return rows


@pytest.mark.slow
@at_most(25, suppress_health_check=[HealthCheck.too_slow])
@given(rows=facts())
def test_what_is_written_comes_back_the_same(
    rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("round")
    records = stored(folder / "store", rows, shards=1)
    write_meds(records, folder / "meds", **NAMED)
    back, entry = read_back(folder / "meds", folder / "back")
    assert entry["refused"] == entry["quarantined"] == {}
    assert facts_of(back).equals(facts_of(records))


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Records:
    return synthesise(tmp_path_factory.mktemp("population") / "store", patients=150, shards=4)


@pytest.fixture(scope="module")
def written(population: Records, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "meds"
    write_meds(population, folder, **NAMED, splits={"train": 0.7, "tuning": 0.1, "held_out": 0.2})
    return folder


def test_a_population_comes_back_the_same(population: Records, written: Path, tmp_path: Path) -> None:
    back, entry = read_back(written, tmp_path, DELIVERED_AT)
    assert entry["refused"] == entry["quarantined"] == {}
    assert len(facts_of(back)) > 10_000
    assert facts_of(back).equals(facts_of(population))


# --- What is written --------------------------------------------------------------------------------------


def test_what_is_written_is_valid(population: Records, written: Path) -> None:
    seen: set[int] = set()
    codes: set[str] = set()
    files = sorted((written / "data").rglob("*.parquet"))
    assert len(files) == 4
    for file in files:
        table = pq.read_table(file)
        DataSchema.validate(table)
        subjects = table.column("subject_id").to_pylist()
        distinct = list(dict.fromkeys(subjects))
        assert subjects == sorted(subjects)
        assert not seen & set(distinct)  # nobody is in two files
        seen |= set(distinct)
        pairs = list(zip(subjects, table.column("time").to_pylist(), strict=True))
        assert pairs == sorted(pairs)
        codes |= set(table.column("code").to_pylist())
    about = json.loads((written / "metadata" / "dataset.json").read_text(encoding="utf-8"))
    DatasetMetadataSchema.validate(about)
    assert about["dataset_name"] == "essai"
    assert about["created_at"] == DELIVERED_AT.isoformat()
    metadata = pq.read_table(written / "metadata" / "codes.parquet")
    CodeMetadataSchema.validate(metadata)
    assert codes <= set(metadata.column("code").to_pylist())
    splits = pq.read_table(written / "metadata" / "subject_splits.parquet")
    SubjectSplitSchema.validate(splits)
    assert set(splits.column("subject_id").to_pylist()) == seen
    assert set(splits.column("split").to_pylist()) == {"train", "tuning", "held_out"}
    assert len(seen) == sum(len(shard.patients) for shard in population) == 150


def test_the_data_set_says_what_the_store_says(population: Records, written: Path) -> None:
    """Recounted by DuckDB over the files, and over the store's own arrays."""
    data = f"read_parquet('{written}/data/*.parquet')"
    births, deaths, rows, total = duckdb.sql(
        f"SELECT count(*) FILTER (code = 'MEDS_BIRTH'), count(*) FILTER (code = 'MEDS_DEATH'), count(*), "
        f"sum(numeric_value) FILTER (code = 'LOINC//8480-6') FROM {data}"
    ).fetchall()[0]
    shards = list(population)
    of = lambda shard, name: [n for n, code in enumerate(shard.codes) if code.startswith(name)]  # noqa: E731
    assert births == sum(len(shard.of_codes(of(shard, "PRACTICE:birth"))) for shard in shards) == 150
    assert deaths == sum(len(shard.of_codes(of(shard, "PRACTICE:death"))) for shard in shards) > 0
    assert rows == sum(len(shard.value) for shard in shards)
    systolic = sum(shard.value[shard.of_codes(of(shard, "LOINC:8480-6"))].sum() for shard in shards)
    assert total == pytest.approx(systolic, rel=1e-6)


def test_labels_and_parents(written: Path) -> None:
    rows = pq.read_table(written / "metadata" / "codes.parquet").to_pylist()
    codes = {row["code"]: row for row in rows}
    assert codes["LOINC//8480-6"]["description"] == "Pression artérielle systolique (Systolic blood pressure)"
    statin = next(code for code in codes if code.startswith("ATC//C10AA"))
    assert codes[statin]["parent_codes"][:4] == ["ATC//C10AA", "ATC//C10A", "ATC//C10", "ATC//C"]
    assert "CONCEPT//statin" in codes[statin]["parent_codes"]
    assert codes["CONCEPT//statin"]["description"] == "Statine (Statin)"
    assert all(row["description"] for row in rows)


def test_a_retracted_fact_is_not_taken_for_true(tmp_path: Path) -> None:
    row = {"patient": "a", "practice": "p", "happened_at": END - timedelta(9), "known_at": END - timedelta(8),
           "code": "PRACTICE:birth"}  # fmt: skip
    records = stored(tmp_path / "store", [row, {**row, "retracted_at": END - timedelta(1)}])
    write_meds(records, tmp_path / "meds", **NAMED)
    table = pq.read_table(tmp_path / "meds" / "data")
    assert table.column("code").to_pylist() == ["RETRACTED//MEDS_BIRTH"]
    (record,) = read_back(tmp_path / "meds", tmp_path / "back")[0].read(0).history("a").records
    assert (record.known_at, record.retracted_at) == (END - timedelta(8), END - timedelta(1))


def test_subjects_are_stable_numbers_that_name_nobody(population: Records, written: Path, tmp_path: Path) -> None:
    write_meds(population, tmp_path / "again", **NAMED, splits={"train": 0.7, "tuning": 0.1, "held_out": 0.2})
    assert digest_folder(tmp_path / "again") == digest_folder(written)
    assert subjects_file(tmp_path / "again").read_bytes() == subjects_file(written).read_bytes()
    write_meds(population, tmp_path / "other", dataset_name="autre", dataset_version="1")
    numbers = [set(pq.read_table(subjects_file(f)).column(0).to_pylist()) for f in (written, tmp_path / "other")]
    assert not numbers[0] & numbers[1]
    assert all(0 <= number < 2**63 for number in numbers[0])
    patients = {p for shard in population for p in shard.patients}
    content = b"".join(file.read_bytes() for file in written.rglob("*") if file.is_file())
    assert not any(patient.encode() in content for patient in patients)
    subjects_file(tmp_path / "again").unlink()  # passed on without it
    assert {row["patient"] for row in rows_of(tmp_path / "again")} == {str(number) for number in numbers[0]}


def test_two_patients_never_become_one(population: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "BITS", 6)
    with pytest.raises(ValueError, match="the same number"):
        write_meds(population, tmp_path / "meds", **NAMED)
    assert list(tmp_path.iterdir()) == []


def test_there_wholly_or_not_at_all(population: Records, tmp_path: Path) -> None:
    def interrupt(done: int, shards: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_meds(population, tmp_path / "meds", **NAMED, progress=interrupt)
    assert list(tmp_path.iterdir()) == []
    told: list[tuple[int, int]] = []
    write_meds(population, tmp_path / "meds", **NAMED, progress=lambda done, shards: told.append((done, shards)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert not (tmp_path / "meds" / "metadata" / "subject_splits.parquet").exists()
    with pytest.raises(FileExistsError):
        write_meds(population, tmp_path / "meds", **NAMED)
    with pytest.raises(ValueError, match="sum to one"):
        write_meds(population, tmp_path / "other", **NAMED, splits={"train": 0.5})
    with pytest.raises(ValueError, match="nothing to write"):
        write_meds(Records.create(tmp_path / "empty"), tmp_path / "other", **NAMED)
    assert not (tmp_path / "other").exists()


def test_those_who_object_are_not_written(tmp_path: Path) -> None:
    rows = [
        {"patient": name * 32, "practice": "p", "happened_at": END, "known_at": END, "code": "CIM10:I10"}
        for name in "ab"
    ]
    stored(tmp_path / "store", rows)
    records = Records.open(tmp_path / "store", Objections.of(["a" * 32]))
    write_meds(records, tmp_path / "meds", **NAMED)
    assert pq.read_table(subjects_file(tmp_path / "meds")).column("patient").to_pylist() == ["b" * 32]
    assert len(pq.read_table(tmp_path / "meds" / "data")) == 1


# --- Codes, units, values ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("meds", "ours"),
    [
        ("MEDS_BIRTH", "PRACTICE:birth"),
        ("MEDS_DEATH", "PRACTICE:death"),
        ("SEX//female", "PRACTICE:female"),
        ("GENDER//M", "PRACTICE:male"),
        ("LOINC//8480-6", "LOINC:8480-6"),
        ("LAB//LOINC//2093-3//mg/dL", "LOINC:2093-3"),
        ("ICD10CM//I2510", "CIM10:I25.10"),
        ("DIAGNOSIS//ICD//10//I10", "CIM10:I10"),
        ("DIAGNOSIS//ICD//9//4019", "SOURCE:DIAGNOSIS//ICD//9//4019"),
        ("ICPC2//K86", "CISP2:K86"),
        ("SNOMED//38341003", "SNOMED:38341003"),
        ("LOINC//ancien", "SOURCE:LOINC//ancien"),
        ("EYE_COLOR//BROWN", "SOURCE:EYE_COLOR//BROWN"),
        ("HR", "SOURCE:HR"),
    ],
)
def test_codes_of_other_data_sets(meds: str, ours: str, tmp_path: Path) -> None:
    ((code, _, _, fault),) = codes_read(tmp_path / "d", [(meds, None, None)])
    assert (code, fault) == (ours, None)
    assert str(parse_code(code)) == code


def test_parents_are_ancestors(tmp_path: Path) -> None:
    parents = {
        "HR": ["LOINC/8867-4"],
        "LOCAL//statine": ["LOCAL//lipides", "RXNORM/1"],
        "LOCAL//lipides": ["ATC/C10AA"],
        "LOCAL//rare": ["SNOMED/404684003"],
        "ATC//A01": ["ATC//A"],
        "LOCAL//boucle": ["LOCAL//boucle2"],
        "LOCAL//boucle2": ["LOCAL//boucle"],
    }
    rows = [(code, None, None) for code in parents]
    assert [row[0] for row in codes_read(tmp_path / "d", rows, codes=parents)] == [
        "LOINC:8867-4",  # a concept covers it
        "ATC:C10AA",  # the nearest that a concept covers, though another system is nearer
        "ATC:C10AA",
        "SNOMED:404684003",
        "ATC:A01",
        "SOURCE:LOCAL//boucle",
        "SOURCE:LOCAL//boucle2",
    ]


def test_units_from_the_code_or_the_text(tmp_path: Path) -> None:
    rows = [
        ("LOINC//2093-3//mg/dl", 200.0, None),
        ("LOINC//2093-3", 200.0, "mg/dL"),
        ("LOINC//2093-3", 200.0, "à jeun"),
        ("LAB//50912//HIGH", 200.0, None),
        ("LAB//50912//mmol/L", None, None),
    ]
    assert codes_read(tmp_path / "d", rows) == [
        ("LOINC:2093-3", 200, "mg/dL", None),
        ("LOINC:2093-3", 200, "mg/dL", None),
        ("LOINC:2093-3", 200, None, None),
        ("SOURCE:LAB//50912//HIGH", 200, None, None),
        ("SOURCE:LAB//50912//mmol/L", None, None, None),
    ]


def test_a_text_is_no_measurement_and_never_kept(tmp_path: Path) -> None:
    rows = [
        ("LOINC//2093-3", None, "<5"),
        ("LOINC//2093-3", None, "élevé"),
        ("LAB//x", None, ">= 3"),
        ("LAB//x", None, "3 - 5"),
        ("NOTE//letter", None, "Mme Martin va mieux"),
    ]
    found = codes_read(tmp_path / "d", rows)
    assert [row[3] for row in found] == ["value is not a number"] * 4 + [None]
    assert found[4][:3] == ("SOURCE:NOTE//letter", None, None)
    assert "Martin" not in repr(rows_of(tmp_path / "d"))


# --- Times, static rows, subjects -------------------------------------------------------------------------


def test_static_facts_are_known_from_the_first_event(tmp_path: Path) -> None:
    first, later, born = datetime(2010, 5, 1), datetime(2011, 1, 1), datetime(1950, 1, 1)
    rows = [
        {"subject_id": 1, "time": None, "code": "SEX//female"},
        {"subject_id": 1, "time": born, "code": "MEDS_BIRTH"},
        {"subject_id": 1, "time": first, "code": "HR"},
        {"subject_id": 1, "time": later, "code": "HR"},
        {"subject_id": 2, "time": None, "code": "SEX//male"},
        {"subject_id": 2, "time": born, "code": "MEDS_BIRTH"},
        {"subject_id": 3, "time": None, "code": "MEDS_BIRTH"},
        {"subject_id": 3, "time": later, "code": "HR"},
    ]
    found = [
        (row["patient"], row["code"], row["happened_at"], row["known_at"])
        for row in rows_of(dataset(tmp_path / "d", rows))
    ]
    assert found[0] == ("1", "PRACTICE:female", first, first)
    assert found[1] == ("1", "PRACTICE:birth", born, born)
    assert found[4] == ("2", "PRACTICE:male", None, None)
    assert found[6] == ("3", "PRACTICE:birth", None, None)


def test_times_of_any_precision(tmp_path: Path) -> None:
    for number, kind in enumerate(
        (pa.timestamp("ns"), pa.timestamp("ms"), pa.timestamp("s"), pa.timestamp("us", "Europe/Paris"))
    ):
        schema = pa.schema(
            [("subject_id", pa.uint32()), ("time", kind), ("code", pa.dictionary(pa.int32(), pa.string()))]
        )
        rows = [{"subject_id": 1, "time": datetime(2024, 7, 1, 12, tzinfo=UTC), "code": "HR"}]
        (row,) = rows_of(dataset(tmp_path / str(number), rows, schema=schema))
        assert (row["happened_at"], row["code"]) == (datetime(2024, 7, 1, 12), "SOURCE:HR")


def test_times_no_calendar_holds_are_a_fault(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "d", [])
    table = pa.table(
        {
            "subject_id": [1, 1],
            "time": pa.array([400_000_000_000_000_000, 0]).cast(pa.timestamp("us")),
            "code": ["HR", "HR"],
        }
    )
    pq.write_table(table, folder / "data" / "0.parquet")
    rows = rows_of(folder)
    assert [row["fault"] for row in rows] == ["date out of range", None]
    assert rows[0]["happened_at"] is None


def test_practice_is_the_site_or_the_data_set(tmp_path: Path) -> None:
    rows = [{"subject_id": 1, "time": END, "code": "HR", "site": 7}]
    schema = pa.schema([*list(DATA)[:3], ("site", pa.int64())])
    about = {"dataset_name": "mimic", "site_id_columns": ["site"]}
    folders = [
        dataset(tmp_path / "a", rows, schema=schema, about=about),
        dataset(tmp_path / "b", rows, schema=schema, about={"dataset_name": "mimic"}),
        dataset(tmp_path / "c", rows, schema=schema),
    ]
    assert [rows_of(folder)[0]["practice"] for folder in folders] == ["7", "mimic", "meds"]


def test_a_subject_nobody_knows_is_a_fault(written: Path, tmp_path: Path) -> None:
    rows = [{"subject_id": 1, "time": END, "code": "HR"}, {"subject_id": None, "time": END, "code": "HR"}]
    folder = dataset(tmp_path / "d", rows)
    subjects_file(folder).write_bytes(subjects_file(written).read_bytes())
    assert [(row["patient"], row["fault"]) for row in rows_of(folder)] == [(None, "unknown subject"), (None, None)]


def test_where_each_row_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_sets, "ROWS", 2)
    folder = dataset(tmp_path / "d", [{"subject_id": 1, "time": END, "code": "HR"}] * 5)
    batches = list(MEDS.batches(str(folder), END))
    assert [where for batch in batches for where in batch.table.column("where").to_pylist()] == [
        f"file 1, row {n}" for n in range(1, 6)
    ]
    assert [batch.read for batch in batches] == [0.4, 0.8, 1.0]


def test_everything_wrong_with_a_data_set_is_said_at_once(tmp_path: Path) -> None:
    folder = dataset(
        tmp_path / "d",
        [{"subject_id": "x", "code": 1}],
        schema=pa.schema([("subject_id", pa.string()), ("code", pa.int64())]),
    )
    (folder / "data" / "1.parquet").write_bytes(b"PAR1")
    outside = tmp_path / "outside.parquet"
    pq.write_table(pa.table({"a": [1]}), outside)
    (folder / "data" / "2.parquet").symlink_to(outside)
    (folder / "metadata" / "dataset.json").write_text("[" * 100_000)
    (folder / "metadata" / "codes.parquet").write_bytes(b"x")
    subjects_file(folder).write_bytes(b"x")
    with pytest.raises(InvalidRecords) as caught:
        list(MEDS.batches(str(folder), END))
    assert list(caught.value.faults) == [
        "metadata/dataset.json is not a JSON object of less than a megabyte: mend it, or take it away",
        "data/0.parquet: column subject_id is string, and should be an integer",
        "data/0.parquet: column time is missing",
        "data/0.parquet: column code is int64, and should be text",
        "data/1.parquet is not a Parquet file, or is cut short: copy it again",
        "data/2.parquet is a link out of the folder: copy the file in",
        "metadata/codes.parquet has no readable columns code and parent_codes (a list of text)",
        "d.subjects.parquet does not say which patient each subject is: copy it again, or take it away",
    ]
    (tmp_path / "e").mkdir()
    with pytest.raises(InvalidRecords, match="no Parquet file"):
        list(MEDS.batches(str(tmp_path / "e"), END))
    with pytest.raises(InvalidRecords, match="give the folder"):
        list(MEDS.batches(str(outside), END))
    with pytest.raises(FileNotFoundError):
        list(MEDS.batches(str(tmp_path / "nowhere"), END))


def test_a_damaged_page_is_said_and_no_traceback(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "d", [{"subject_id": n, "time": END, "code": f"C{n}"} for n in range(2_000)])
    file = folder / "data" / "0.parquet"
    content = bytearray(file.read_bytes())
    content[100:3_000] = b"\xff" * 2_900
    file.write_bytes(bytes(content))
    with pytest.raises(InvalidRecords, match=r"copy it again|export it again"):
        list(MEDS.batches(str(folder), END))


# --- Data sets of others ----------------------------------------------------------------------------------


def recount(folder: Path) -> tuple[Any, ...]:
    """Return rows, subjects, rows without a time, values and their sum, by DuckDB over the raw files."""
    return duckdb.sql(
        "SELECT count(*), count(DISTINCT subject_id), count(*) FILTER (time IS NULL), count(numeric_value), "
        f"sum(numeric_value::DOUBLE) FROM read_parquet('{folder}/**/[0-9]*.parquet')"
    ).fetchall()[0]


def test_the_aces_sample_recounted(shared: Callable[[str], Path], tmp_path: Path) -> None:
    folder = shared("data/meds/aces_meds_sample")
    rows = pa.concat_tables(batch.table for batch in MEDS.batches(str(folder), END))
    many, subjects, static, values, total = recount(folder)
    assert (many, subjects) == (len(rows), pc.count_distinct(rows.column("patient")).as_py()) == (77_542, 100)
    assert values == rows.column("value").length() - rows.column("value").null_count
    assert pc.sum(rows.column("value")).as_py() == pytest.approx(total)
    raw = duckdb.sql(
        f"""
        SELECT subject_id::VARCHAR AS patient, code, (SELECT min(time) FROM read_parquet('{folder}/**/[0-9]*.parquet') f
            WHERE f.subject_id = s.subject_id) AS first
        FROM read_parquet('{folder}/**/[0-9]*.parquet') s WHERE time IS NULL
        """
    ).fetchall()
    sexes = {"SEX//male": "PRACTICE:male", "SEX//female": "PRACTICE:female"}
    expected = {(patient, sexes[code], first) for patient, code, first in raw}
    of_sex = rows.filter(pc.is_in(rows.column("code"), value_set=pa.array(sorted(sexes.values()))))
    found = {(row["patient"], row["code"], row["known_at"]) for row in of_sex.to_pylist()}
    assert found == expected
    assert static == len(expected) == 100
    records = Records.create(tmp_path, 2)
    entry = ingest(MEDS, folder, records, name="aces", delivered_at=END, key=b"k" * 32).entry
    assert entry["about"]["read"] == entry["rows"] == many


def test_the_transforms_sample_recounted(shared: Callable[[str], Path], tmp_path: Path) -> None:
    folder = shared("data/meds/meds_transforms_example")
    rows = rows_of(folder)
    many, subjects, static, values, total = recount(folder)
    assert (many, subjects, static) == (len(rows), len({row["patient"] for row in rows}), 12) == (62, 6, 12)
    assert values == sum(row["value"] is not None for row in rows)
    assert sum(row["value"] or 0 for row in rows) == pytest.approx(total)
    raw = Counter(
        code for (code,) in duckdb.sql(f"SELECT code FROM read_parquet('{folder}/data/**/*.parquet')").fetchall()
    )
    found = Counter(row["code"] for row in rows)
    assert found["LOINC:8867-4"] == raw["HR"]  # by its parent code
    assert found["LOINC:8310-5"] == raw["TEMP"]
    assert found["SOURCE:DOB"] == raw["DOB"] == 6
    assert sum(found[f"SOURCE:EYE_COLOR//{colour}"] for colour in ("BROWN", "BLUE", "HAZEL")) == 6
    entry = read_back(folder, tmp_path)[1]
    assert entry["about"]["read"] == 62
    # The sample says no unit: a heart rate of nobody knows what is not one.
    assert entry["quarantined"]["unit"] >= raw["HR"]
    assert entry["rows"] + sum(entry["quarantined"].values()) == 62


@pytest.mark.slow
def test_memory_is_bounded_by_the_shard(tmp_path: Path) -> None:
    """Four times as many shards of the same size, and no more memory at once."""
    peaks = []
    for patients, shards in ((2_000, 4), (8_000, 16)):
        records = synthesise(tmp_path / f"store{patients}", patients=patients, shards=shards)
        pool = pa.proxy_memory_pool(pa.default_memory_pool())
        before = pa.default_memory_pool()
        pa.set_memory_pool(pool)
        try:
            write_meds(records, tmp_path / f"meds{patients}", **NAMED)
        finally:
            pa.set_memory_pool(before)
        peaks.append(pool.max_memory())
    assert peaks[1] < 1.3 * peaks[0]

from __future__ import annotations

import re
from datetime import datetime
from html.parser import HTMLParser

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features.catalogue.concepts import CONCEPTS
from features.privacy import Objections, mask, pseudonym
from features.profile import (
    BINS,
    HISTORY,
    LONGEST,
    ODD,
    Break,
    Share,
    breaks,
    hide,
    profile,
    shares,
    short,
    value_of,
)
from features.profile.concepts import distribution
from features.profile.page import Page
from features.records import Records
from features.synthetic import synthesise

KEY = bytes(range(32))
END = datetime(2026, 1, 1)
NAMED = {concept.name: place for place, concept in enumerate(CONCEPTS)}


def dirty(source, path, shards=4):
    """A synthetic store sent again with everything that can be odd in it, in two deliveries of two sources."""
    rng = np.random.default_rng(1)
    records = Records.create(path, shards)
    table = pa.concat_tables(
        pq.read_table(source.path / name) for entry in source.deliveries for name in entry["files"]
    ).to_pandas()
    table["patient"] = [pseudonym(name, KEY, "test/patient") for name in table["patient"]]
    small = table["practice"] == "P0001"
    kept = table[small]["patient"].drop_duplicates()[:7]
    table = table[~small | table["patient"].isin(kept)]  # a practice of seven patients
    table["practice"] = [pseudonym(name, KEY, "test/practice") for name in table["practice"]]

    def some(code, share):
        return (table["code"] == code).to_numpy() & (rng.random(len(table)) < share)

    def sample(code, many):
        return table[table["code"] == code].sample(many, random_state=many)

    rows = some("LOINC:8480-6", 0.05)
    table.loc[rows, "unit"] = np.where(rng.random(rows.sum()) < 0.5, "bars", None)
    table.loc[some("LOINC:8480-6", 0.02), "value"] = 1_300.0
    table.loc[some("LOINC:39156-5", 0.05), "value"] = 3.0
    table.loc[some("PRACTICE:consultation", 0.2), "code"] = "SOURCE:visite"
    rare = np.flatnonzero(table["code"] == "PRACTICE:consultation")[:4]
    table.iloc[rare, table.columns.get_loc("code")] = "SOURCE:rare"
    birth, sex = sample("PRACTICE:birth", 30), sample("PRACTICE:female", 12)
    early = sample("PRACTICE:consultation", 25).assign(happened_at=pd.Timestamp("1850-05-05"))
    late = sample("PRACTICE:death", 20).assign(code="PRACTICE:consultation")
    late["happened_at"] = late["known_at"] = (late["known_at"] + pd.Timedelta(days=90)).clip(upper=END)
    twice = sample("LOINC:8462-4", 40)
    odd = [
        birth.assign(happened_at=birth["happened_at"] + pd.Timedelta(days=40)),
        sex.assign(code="PRACTICE:male"),
        early,
        late,
        twice.assign(value=twice["value"] + 1),
        table.sample(50, random_state=2).assign(code="MADEUP:1"),
        table.sample(5, random_state=3).assign(patient=None),
    ]
    gone = sample("PRACTICE:consultation", 60)
    first = pd.concat([table[table["code"] != "PRACTICE:registered"], *odd])
    second = pd.concat([table[table["code"] == "PRACTICE:registered"], table.sample(500, random_state=4), gone])
    back = gone.assign(retracted_at=pd.Timestamp("2025-12-20")).drop_duplicates()
    back["known_at"] = back["known_at"].clip(upper=pd.Timestamp("2025-12-20"))
    for name, source_name, frame in (("first", "omop", first), ("second", "fhir", pd.concat([second, back]))):
        with records.delivery(name=name, delivered_at=END, concepts=CONCEPTS) as delivery:
            delivery.about |= {"source": source_name, "known_at": "day of the letter"}
            delivery.add(frame)
    return records


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("profile")
    return dirty(synthesise(folder / "clean", patients=500, seed=3), folder / "dirty")


@pytest.fixture(scope="module")
def made(store):
    return profile(store)


@pytest.fixture(scope="module")
def html(made):
    return made.to_html()


@pytest.fixture(scope="module")
def facts(store):
    """The facts that are believed, found by SQL in the files and not by the code under test."""
    connection = duckdb.connect()
    files = [str(store.path / name) for entry in store.deliveries for name in entry["files"] if "shard-" in name]
    aside = [str(store.path / name) for entry in store.deliveries for name in entry["files"] if "set-aside" in name]
    connection.execute(f"CREATE TABLE sent AS FROM read_parquet({files})")
    connection.execute(f"CREATE TABLE aside AS FROM read_parquet({aside})")
    connection.execute("""
        CREATE TABLE fact AS
        SELECT patient, practice, happened_at, code, value, unit, min(known_at) AS known_at FROM sent a
        WHERE retracted_at IS NULL GROUP BY ALL
    """)
    connection.execute("""
        CREATE TABLE believed AS
        SELECT * FROM fact a WHERE NOT EXISTS (FROM sent r WHERE r.retracted_at IS NOT NULL
            AND (r.patient, r.practice, r.happened_at, r.code) = (a.patient, a.practice, a.happened_at, a.code)
            AND r.value IS NOT DISTINCT FROM a.value AND r.unit IS NOT DISTINCT FROM a.unit)
    """)
    return connection


def one(connection, query):
    return connection.execute(query).fetchone()


def by(connection, query):
    return dict(connection.execute(query).fetchall())


def codes(concept):
    def listed(connection):
        every = [code for (code,) in connection.execute("SELECT DISTINCT code FROM sent").fetchall()]
        return [code for code in every if concept.covers(code)] or ["none"]

    return listed


RECENT = "happened_at >= TIMESTAMP '2026-01-01' - INTERVAL '17532 hours'"


def test_facts_and_patients_are_those_of_the_files(made, facts):
    tally, practices = made.tally, made.axes.practices
    query = f"""
        SELECT practice, (count(*), count(DISTINCT patient), count(DISTINCT CASE WHEN {RECENT} THEN patient END))
        FROM believed GROUP BY practice
    """
    assert dict(zip(practices, zip(tally.facts, tally.patients, tally.active, strict=True), strict=False)) == by(
        facts, query
    )
    assert (tally.facts[-1], tally.patients[-1], tally.active[-1]) == one(
        facts,
        f"SELECT count(*), count(DISTINCT patient), count(DISTINCT CASE WHEN {RECENT} THEN patient END) FROM believed",
    )
    assert tally.merged[-1] == one(facts, "SELECT count(*) FROM fact")[0]
    assert tally.merged[-1] - tally.facts[-1] == 60


def test_codes_are_counted(made, facts):
    query = "SELECT code, (count(*), count(DISTINCT patient)) FROM believed GROUP BY code"
    found = zip(made.tally.code_facts, made.tally.code_patients, strict=True)
    assert {c: n for c, n in zip(made.axes.codes, found, strict=True) if n[0]} == by(facts, query)


def test_months_are_counted(made, facts):
    for practice, place in [*made.axes.practice.items(), (None, -1)]:
        where = f"AND practice = '{practice}'" if practice else ""
        query = f"""
            SELECT {HISTORY - 1} - datediff('month', happened_at, TIMESTAMP '2026-01-01') AS place,
                (count(*), count(DISTINCT patient))
            FROM believed WHERE code <> 'PRACTICE:birth' {where} GROUP BY 1 HAVING place >= 0
        """
        found = zip(made.tally.month_facts[place], made.tally.month_patients[place], strict=True)
        assert {month: n for month, n in enumerate(found) if n[0]} == by(facts, query)


@pytest.mark.parametrize("name", ["systolic_blood_pressure", "body_mass_index", "smoking_status", "diabetes", "birth"])
def test_completeness_is_counted(made, facts, name):
    concept = CONCEPTS[NAMED[name]]
    valued = "AND value IS NOT NULL" if concept.unit else ""
    query = f"""
        SELECT practice, (count(DISTINCT patient), count(DISTINCT CASE WHEN {RECENT} THEN patient END))
        FROM believed WHERE code IN {tuple(codes(concept)(facts) * 2)} {valued} GROUP BY ROLLUP (practice)
    """
    found = zip(made.tally.ever[NAMED[name]], made.tally.recent[NAMED[name]], strict=True)
    assert {p: n for p, n in zip([*made.axes.practices, None], found, strict=True) if n[0]} == by(facts, query)


@pytest.mark.parametrize("name", ["systolic_blood_pressure", "total_cholesterol", "creatinine", "body_mass_index"])
def test_quantiles_are_those_of_the_values_to_a_bin(made, facts, name):
    concept = CONCEPTS[NAMED[name]]
    width = (concept.plausible[1] - concept.plausible[0]) / BINS
    listed = tuple(codes(concept)(facts) * 2)
    wanted = one(
        facts,
        f"SELECT quantile_disc(value, [0.05, 0.25, 0.5, 0.75, 0.95]) FROM believed WHERE code IN {listed}",
    )[0]
    values = distribution(made, NAMED[name])
    assert values.quantiles == pytest.approx(wanted, abs=width / 2 * 1.000001)
    medians = by(facts, f"SELECT practice, quantile_disc(value, 0.5) FROM believed WHERE code IN {listed} GROUP BY 1")
    row = next(row for row in Page(made).concepts if row.concept.name == name)
    labels = short(made.axes.practices)
    shown = {each.label: each.median for each in row.practices if each.median is not None}
    assert len(shown) > 5
    for practice, label in zip(made.axes.practices, labels, strict=True):
        if label in shown:
            assert shown[label] == pytest.approx(medians[practice], abs=width / 2 * 1.000001)


def test_delays_are_those_of_the_facts(made, facts):
    query = f"""
        SELECT split_part(code, ':', 1), (
            quantile_disc(days, 0.5), quantile_disc(days, 0.9), avg((days = 0)::int), avg((days BETWEEN 1 AND 7)::int))
        FROM (SELECT *, least(floor(epoch(known_at - happened_at) / 86400)::bigint, {LONGEST}) AS days FROM believed
              WHERE code <> 'PRACTICE:birth') GROUP BY 1
    """
    wanted = by(facts, query)
    found = {row.label: row for row in Page(made).delays}
    assert set(found) == set(wanted)
    for system in ("LOINC", "ATC", "PRACTICE", "SOURCE"):
        median, ninth, same, week = wanted[system]
        assert (found[system].median, found[system].ninth) == (median, ninth)
        assert found[system].classes[0] == pytest.approx(same)
        assert found[system].classes[1] in (pytest.approx(week), None)
    omop = next(row for row in Page(made).delays_by_source if row.label == "omop")
    assert omop.share == pytest.approx(1.0)  # every practice is in both deliveries


ODD_QUERIES = {
    "future": "SELECT * FROM believed WHERE happened_at >= TIMESTAMP '2026-01-01'",
    "after_death": """
        SELECT b.* FROM believed b JOIN (SELECT patient, max(happened_at::date) AS died FROM believed
        WHERE code LIKE 'PRACTICE:death%' GROUP BY 1) USING (patient) WHERE happened_at::date > died
    """,
    "before_birth": """
        SELECT b.* FROM believed b JOIN (SELECT patient, min(happened_at::date) AS born FROM believed
        WHERE code = 'PRACTICE:birth' GROUP BY 1) USING (patient) WHERE happened_at::date < born
    """,
    "no_birth": """
        SELECT * FROM believed WHERE patient NOT IN (SELECT patient FROM believed WHERE code = 'PRACTICE:birth')
    """,
    "several_births": """
        SELECT * FROM believed WHERE patient IN (SELECT patient FROM believed WHERE code = 'PRACTICE:birth'
        GROUP BY 1 HAVING count(DISTINCT happened_at::date) > 1)
    """,
    "no_sex": """
        SELECT * FROM believed
        WHERE patient NOT IN (SELECT patient FROM believed WHERE code IN ('PRACTICE:male', 'PRACTICE:female'))
    """,
    "several_sexes": """
        SELECT * FROM believed WHERE patient IN (SELECT patient FROM believed
        WHERE code IN ('PRACTICE:male', 'PRACTICE:female') GROUP BY 1 HAVING count(DISTINCT code) > 1)
    """,
}


@pytest.mark.parametrize("kind", ODD_QUERIES)
def test_what_cannot_be_is_counted(made, facts, kind):
    place = ODD.index(kind)
    query = f"SELECT practice, count(DISTINCT patient) FROM ({ODD_QUERIES[kind]}) GROUP BY ROLLUP (practice)"
    patients = dict(zip([*made.axes.practices, None], made.tally.odd_patients[place], strict=True))
    wanted = by(facts, query)
    assert {practice: n for practice, n in patients.items() if n} == {p: n for p, n in wanted.items() if n}
    if kind in ("after_death", "before_birth"):
        assert made.tally.odd_facts[place, -1] == one(facts, f"SELECT count(*) FROM ({ODD_QUERIES[kind]})")[0] > 10


def test_several_values_at_one_moment_are_counted(made, facts):
    """In each moment of a patient and a concept, values in order of when they were known: how often one changes."""
    total = 0
    for concept in CONCEPTS:
        if concept.unit is not None:
            total += one(
                facts,
                f"""
                SELECT coalesce(sum((value <> before)::int), 0) FROM (
                    SELECT value, lag(value) OVER (PARTITION BY patient, happened_at ORDER BY known_at, value) AS before
                    FROM believed WHERE value IS NOT NULL AND code IN {tuple(codes(concept)(facts) * 2)})
                """,
            )[0]
    assert made.tally.odd_facts[ODD.index("several_values"), -1] == total >= 40


def test_rows_sent_again_are_counted(made, facts):
    rows = one(facts, "SELECT count(*) FROM sent WHERE retracted_at IS NULL")[0]
    distinct = one(facts, "SELECT count(*) FROM fact")[0]
    again, share, _ = Page(made).repeated
    assert again == rows - distinct > 400
    assert share == pytest.approx(again / rows)


def test_quarantined_values_are_counted_by_reason_and_unit(made, facts):
    listed = tuple(codes(CONCEPTS[NAMED["systolic_blood_pressure"]])(facts))
    row = next(row for row in Page(made).concepts if row.concept.name == "systolic_blood_pressure")
    aside = f"FROM aside WHERE code IN {listed * 2}"
    query = f"SELECT fault, count(*) {aside} AND fault IN ('unit', 'implausible') GROUP BY 1"
    assert row.reasons == by(facts, query)
    assert dict(row.units) == by(facts, f"SELECT coalesce(unit, ''), count(*) {aside} AND fault = 'unit' GROUP BY 1")
    kept = one(facts, f"SELECT count(value) FROM sent WHERE retracted_at IS NULL AND code IN {listed * 2}")[0]
    assert row.aside == pytest.approx(sum(row.reasons.values()) / (sum(row.reasons.values()) + kept))


def test_codes_without_a_concept_are_listed(made, html, facts):
    unmapped = Page(made).unmapped
    every = by(facts, "SELECT code, (count(*), count(DISTINCT patient)) FROM believed GROUP BY code")
    strange = {code: counts for code, counts in every.items() if not any(c.covers(code) for c in CONCEPTS)}
    listed = {code: counts for code, counts in strange.items() if counts[1] >= 11}
    assert {code: (many, people) for code, many, people in unmapped["rows"]} == listed
    assert [many for _, many, _ in unmapped["rows"]] == sorted((many for many, _ in listed.values()), reverse=True)
    assert "SOURCE:visite" in listed
    assert "SOURCE:rare" not in html, "four facts of few patients"
    assert unmapped["others"] == len(strange) - len(listed) == 1
    assert unmapped["facts"] is None, "the total would give the rare code's away"


# --- What may be shown ------------------------------------------------------------------------------------


SILENT = {"style", "title", "time", "svg"}
NO_COUNTS = {"name", "value", "unit", "digest", "code", "practice"}


class Text(HTMLParser):
    """What a page says, without names, dates, measurements and what is no count."""

    def __init__(self):
        super().__init__()
        self.text, self.open = [], []

    def handle_starttag(self, tag, attributes):
        if tag in ("meta", "input", "br", "path", "rect", "line"):
            return
        classes = set((dict(attributes).get("class") or "").split())
        self.open.append((tag, tag in SILENT or bool(classes & NO_COUNTS)))

    def handle_endtag(self, tag):
        if tag not in ("meta", "input", "br", "path", "rect", "line"):
            assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if not any(silent for _, silent in self.open):
            self.text.append(data)


def said(html):
    parser = Text()
    parser.feed(html)
    assert parser.open == []
    return " ".join(parser.text)


#: An integer from 1 to 10 that stands alone: no part of a larger number, a percentage, a month's year or a p5.
FEW = re.compile(r"(?<![\w.,\u202f-])(?:[1-9]|10)(?![\w.,]*\w|[.,]\d|\u202f?\d|\u202f?%)")


def test_the_pattern_finds_small_counts():
    text = "7 patients, (3), 10. et 1\u202f234, 5\u202f%, 2,5, p5, 11, 4%"
    assert [found.group() for found in FEW.finditer(text)] == ["7", "3", "10"]


def test_no_count_under_eleven_is_on_the_page(made, html):
    small = made.tally.patients[:-1] < 11
    assert small.any(), "a practice so small is in the store"
    assert any(0 < n < 11 for n in made.tally.odd_patients.ravel())
    assert any(0 < n < 11 for n in made.tally.ever.ravel())
    text = said(html)
    # Numbers of the text itself: "moins de 11 patients".
    assert [text[max(found.start() - 40, 0) : found.end() + 20] for found in FEW.finditer(text)] == []
    assert "masqué" in text
    assert "hidden" in text


def test_nobody_is_named(store, made, html):
    patients = {patient for shard in store for patient in shard.patients}
    assert not any(patient in html for patient in patients)
    assert not any(practice in html for practice in made.axes.practices), "only the beginning of a pseudonym"
    assert str(store.path) not in html


def test_shares_never_say_a_small_count(made):
    page = Page(made)
    for number, concept in enumerate(CONCEPTS):
        row = next((row for row in page.concepts if row.concept == concept), None)
        for place, each in enumerate(row.practices if row else []):
            for share, some, of in (
                (each.ever, made.tally.ever, made.tally.patients),
                (each.recent, made.tally.recent, made.tally.active),
            ):
                if share.value is not None:
                    assert some[number, place] >= 11
                    assert not 0 < of[place] - some[number, place] < 11


def test_a_concept_within_another_does_not_tell_few_people(made):
    """Patients of a concept are not shown where few more are of one that holds all its codes."""
    covered = made.axes.covered
    for row in Page(made).concepts:
        number = CONCEPTS.index(row.concept)
        for other, codes_of_other in enumerate(covered):
            apart = made.tally.ever[other, -1] - made.tally.ever[number, -1]
            if covered[number] < codes_of_other and 0 < apart < 11:
                assert row.patients is None
                assert row.ever.value is None


COUNTS = st.lists(st.integers(0, 40), max_size=8)


@given(COUNTS)
@example([7])
@example([10, 10])
@example([3, 0, 900])
def test_hidden_counts_cannot_be_had_from_their_total(counts):
    shown = hide(counts)
    assert all(one is None or one == count for one, count in zip(shown, counts, strict=True))
    assert all(one is None or one == 0 or one >= 11 for one in shown)
    hidden = [count for one, count in zip(shown, counts, strict=True) if one is None]
    if hidden and any(one for one in shown):  # if nothing is shown, the total is not either
        assert len(hidden) > 1
        assert sum(hidden) >= 11
        assert sum(hidden) != 10 * len(hidden)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 30)), min_size=1, max_size=6))
def test_shares_hide_few_people_and_all_but_few(rows):
    some, rest, more = (np.array([row[k] for row in rows] + [sum(row[k] for row in rows)]) for k in range(3))
    found = shares(some, some + rest, [some + np.minimum(more, rest)])
    for place, share in enumerate(found):
        if share.value is not None:
            assert some[place] >= 11
            assert not 0 < rest[place] < 11
            assert not 0 < min(more[place], rest[place]) < 11
    few = [place for place, count in enumerate(mask(some[:-1].tolist())) if count is None]
    assert all(found[place] == Share(None) for place in few)


# --- Gaps and drops ---------------------------------------------------------------------------------------


def months(**changes):
    counts = np.zeros(HISTORY, dtype=np.int64)
    counts[400:] = 100
    for place, count in changes.items():
        counts[int(place[1:])] = count
    return counts


def test_gaps_and_drops_are_found():
    people = np.minimum(months(), 50)
    assert breaks(months(), people) == []
    assert breaks(months(m420=0, m421=0), people) == [Break("gap", 420, 421)]
    assert breaks(months(m478=0, m477=0), people) == [Break("silent", 477, 478)]
    assert breaks(months(m430=49), people) == [Break("drop", 430, 430)]
    assert breaks(months(m430=61), people) == []
    assert breaks(months(m479=0), people) == [], "the month of the delivery is not over"
    assert breaks(months(m402=10), people) == [], "not yet known what is usual"
    assert breaks(months(m100=30), np.where(months(m100=30) > 0, 20, 0))[0].kind == "gap"
    assert breaks(np.zeros(HISTORY, dtype=np.int64), np.zeros(HISTORY, dtype=np.int64)) == []


def test_a_small_practice_drops_only_when_chance_would_not_do_it():
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(50):
        counts = months()
        counts[400:] = rng.poisson(20, HISTORY - 400)
        found += len(breaks(counts, np.minimum(counts, 15)))
    assert found == 0


def test_practices_bear_short_forms_that_tell_them_apart():
    assert short(["0123456789abcdef", "0123456789ffffff", "P1"]) == ["0123456789a…", "0123456789f…", "P1"]
    assert short(["0123456789abcdef"]) == ["01234567…"]
    assert short([]) == []


def test_bins_give_back_the_middle_of_themselves():
    concept = CONCEPTS[NAMED["systolic_blood_pressure"]]
    assert value_of(concept, 0) == pytest.approx(60 + 120 / BINS)
    assert value_of(concept, BINS - 1) == pytest.approx(300 - 120 / BINS)


# --- The page ---------------------------------------------------------------------------------------------


def without_digest(page, made):
    return page.replace(made.records_digest, "")


@pytest.mark.slow
def test_two_runs_and_any_number_of_shards_give_the_same_page(store, made, html, tmp_path):
    assert profile(store).to_html() == html
    other = Records.create(tmp_path / "store", shards=1)
    for entry in store.deliveries:
        tables = [pq.read_table(store.path / name) for name in entry["files"] if "shard-" in name]
        with other.delivery(name=entry["name"], delivered_at=END, concepts=CONCEPTS) as delivery:
            delivery.about |= entry["about"]
            delivery.add(pa.concat_tables(tables))
            aside = [pq.read_table(store.path / name) for name in entry["files"] if "set-aside" in name]
            for table in aside:  # refused again, and quarantined again
                delivery.add(table.drop_columns("fault"))
    again = profile(other)
    assert without_digest(again.to_html(), again) == without_digest(html, made)


def test_people_who_object_are_not_counted(store, made, tmp_path):
    gone = sorted({patient for shard in store for patient in shard.patients})[::7]
    objecting = Objections.of(gone)
    seen = profile(Records.open(store.path, objecting))
    assert seen.tally.patients[-1] == made.tally.patients[-1] - len(gone)
    rows = sum(
        pc.sum(pc.invert(pc.is_in(table.column("patient"), pa.array(gone)))).as_py() or 0
        for entry in store.deliveries
        for name in entry["files"]
        if "shard-" in name
        for table in [pq.read_table(store.path / name)]
        for table in [table.filter(pc.is_null(table.column("retracted_at")))]
    )
    assert sum(seen.sent.kept.column("rows").to_pylist()) == rows


def test_the_past_is_profiled_as_it_was(tmp_path):
    records = Records.create(tmp_path, shards=2)
    for year in (2020, 2021):
        frame = a_frame(30, f"{year}-06-01")
        records.append(frame, name=str(year), delivered_at=datetime(year, 12, 31), concepts=CONCEPTS)
    assert profile(records).tally.facts[-1] == 60
    then = profile(records.as_known(datetime(2021, 1, 1)))
    assert (then.tally.facts[-1], then.end) == (30, datetime(2020, 12, 31))


def a_frame(patients, day, practices=1):
    return pd.DataFrame(
        {
            "patient": [f"patient-{n}" for n in range(patients)],
            "practice": [f"practice-{n % practices}" for n in range(patients)],
            "happened_at": pd.Timestamp(day),
            "known_at": pd.Timestamp(day),
            "code": "LOINC:8480-6",
            "value": [120.0 + n % 40 for n in range(patients)],
            "unit": "mm[Hg]",
        }
    )


@pytest.mark.parametrize(("patients", "practices"), [(0, 1), (1, 1), (10, 1), (11, 1), (60, 1), (60, 6), (500, 3)])
def test_small_stores_have_a_page_too(tmp_path, patients, practices):
    records = Records.create(tmp_path, shards=2)
    frame = a_frame(patients, "2020-02-02", practices).astype({"patient": object, "practice": object, "value": float})
    records.append(frame, name="only", delivered_at=datetime(2020, 3, 1), concepts=CONCEPTS)
    made = profile(records)
    assert made.tally.patients[-1] == patients
    text = said(made.to_html())
    assert [text[max(f.start() - 40, 0) : f.end() + 20] for f in FEW.finditer(text)] == []
    assert "NaN" not in text
    if 0 < patients < 11:
        assert not any(Page(made).headline.values())


def test_an_empty_store_says_so(tmp_path):
    html = profile(Records.create(tmp_path)).to_html()
    assert "Ce dépôt ne contient encore aucune livraison." in html
    assert "This store holds no delivery yet." in html


def test_an_altered_file_is_no_profile(store, tmp_path):
    records = Records.create(tmp_path, shards=1)
    records.append(a_frame(20, "2020-02-02"), name="only", delivered_at=datetime(2020, 3, 1), concepts=CONCEPTS)
    (name,) = records.deliveries[0]["files"]
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + b" ")
    with pytest.raises(ValueError, match="altered"):
        profile(records)


def test_progress_is_told(store):
    told = []
    profile(store, lambda done, of: told.append((done, of)))
    files = sum(len(entry["files"]) for entry in store.deliveries)
    assert told == [(n, files + 4) for n in range(1, files + 5)]


def test_the_page_needs_nothing_and_runs_nothing(html):
    assert "<script" not in html
    assert not re.search(r'\s(style|on\w+)="', html)
    assert not re.search(r"(src|href)=\"(?!#)", html)
    assert "url(" not in html
    assert "default-src 'none'" in html
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', html)) | set(re.findall(r' for="([^"]+)"', html)) <= set(ids)


def test_french_comes_first_and_is_well_set(made, html):
    assert html.startswith('<!doctype html>\n<html lang="fr">')
    french, english = html.split('<div class="page" lang="en">')
    assert 'id="language-fr" lang="fr" aria-label="Français" checked>' in html
    text = re.sub(r"<style>.*?</style>|<[^>]+>", "", french, flags=re.S)
    assert not re.search(r"\w'\w", text)
    assert not re.search(r" [:;!?%»]|« ", text)
    assert "Data quality" in english
    other = made.to_html("en")
    assert other.startswith('<!doctype html>\n<html lang="en">')
    assert 'aria-label="English" checked' in other


@settings(max_examples=5)
@given(st.randoms(use_true_random=False))
def test_a_profile_is_of_facts_and_not_of_how_they_came(tmp_path_factory, random):
    """Any split of the same rows into deliveries of one day gives the same counts of facts."""
    frame = a_frame(40, "2020-02-02", 3)
    found = []
    for number in range(2):
        records = Records.create(tmp_path_factory.mktemp("split"), shards=1 + number * 2)
        order = list(range(40))
        random.shuffle(order)
        cut = random.randint(1, 39)
        for part in (order[:cut], order[cut:]):
            records.append(frame.iloc[part], name=str(part[0]), delivered_at=datetime(2020, 3, 1), concepts=CONCEPTS)
        found.append(profile(records).tally)
    assert (found[0].month_patients == found[1].month_patients).all()
    assert (found[0].ever == found[1].ever).all()
    assert found[0].values.keys.tolist() == found[1].values.keys.tolist()

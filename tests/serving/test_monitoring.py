"""A model in use: weeks in which nothing changes raise nothing, and the planted drift is noticed."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from features.catalogue.concepts import CONCEPTS
from features.codes import Concept
from features.cohort import OnDates
from features.privacy import scan
from features.records import Records
from features.store import compute
from features.synthetic import Difficulties, synthesise
from serving import commands, monitoring, settings
from serving.__main__ import REFUSED, main
from serving.contract import now
from serving.monitoring import monitor
from tests.serving import bundles
from training.artefact import Artefact, save
from training.card import content_digest
from training.models import logistic_regression
from training.monitoring import Reference, Report, Seen, reference
from training.studies import CARDIOVASCULAR_5_YEARS

pytestmark = pytest.mark.slow

PATIENTS = 8000
DRIFT = date(2022, 3, 1)
BEFORE = datetime(2022, 2, 28)
AFTER = datetime(2022, 4, 11)
SEEDS = (1, 2)
WEEK = timedelta(days=7)
LANDMARKS = OnDates((datetime(2016, 1, 1), datetime(2018, 1, 1), datetime(2020, 1, 1)))
STUDY = dataclasses.replace(
    CARDIOVASCULAR_5_YEARS, cohort=dataclasses.replace(CARDIOVASCULAR_5_YEARS.cohort, landmarks=LANDMARKS)
)


def learned(bundle: Path, records: Records, key: Ed25519PrivateKey) -> Path:
    """Learn from records, describe whom was learned from, and approve."""
    members = STUDY.cohort.members(records, STUDY.outcome)
    X = compute(STUDY.features, records, members.index)
    model = logistic_regression(STUDY.features, 0).fit_grouped(X, members.followup, members.index)
    met = compute(STUDY.required, records, members.index) == 1.0
    groups = STUDY.groups(compute(STUDY.sensitive, records, members.index))
    risk = np.where(met.all(axis=1), model.risk(X, STUDY.outcome.horizon), np.nan)
    made = reference(STUDY, Seen(members.index["practice"].to_numpy(dtype=object), X, groups, ~met, risk))
    artefact = Artefact(
        STUDY.name, model, STUDY.features, STUDY.cohort.criteria, STUDY.required, STUDY.comparator, STUDY.scale
    )
    bundle.mkdir()
    save(artefact, bundle / "model", X)
    bundles.assemble(bundle, bundle / "model", monitoring_digest=content_digest(made))
    (bundle / "monitoring.json").write_text(made.to_json(), encoding="utf-8")
    bundles.decide(bundle, key, valid_until=date(2099, 1, 1))
    return bundle


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Path]:
    """Populations of several seeds, with and without the drift: until its day the two are the same."""
    folder = tmp_path_factory.mktemp("stores")
    found = {}
    for seed in SEEDS:
        for name, difficulties in (("steady", Difficulties()), ("drifting", Difficulties(drift_from=DRIFT))):
            found[name, seed] = folder / f"{name}-{seed}"
            synthesise(found[name, seed], patients=PATIENTS, seed=seed, shards=2, difficulties=difficulties)
    return found


@pytest.fixture(scope="module")
def bundle_of(
    stores: dict[tuple[str, int], Path], committee: Ed25519PrivateKey, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("bundles")
    return {seed: learned(folder / str(seed), Records.open(stores["steady", seed]), committee) for seed in SEEDS}


@pytest.fixture(autouse=True)
def committee_trusted(trusted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.TRUSTED_KEYS, str(trusted))


def level(report: Report, kind: str, name: str) -> str:
    return next(each.level for each in report.findings if (each.kind, each.name) == (kind, name))


Week = Callable[[str, int, datetime], Report]


@pytest.fixture(scope="module")
def week(stores: dict[tuple[str, int], Path], bundle_of: dict[int, Path]) -> Week:
    """What a week of use, up to a day, shows in a population."""

    @cache
    def shown(name: str, seed: int, end: datetime) -> Report:
        return monitor(bundle_of[seed], stores[name, seed], end - WEEK, end)[0]

    return shown


@pytest.mark.parametrize("seed", SEEDS)
def test_the_planted_drift_is_noticed_and_nothing_else_is(week: Week, seed: int) -> None:
    """A week before its day, and the same week without it, raise nothing; a week of use after it raises an alert."""
    for quiet in (week("drifting", seed, BEFORE), week("steady", seed, AFTER)):
        assert quiet.level == "none", (quiet.end, quiet.raised("alert"), quiet.raised("watch"))
    noticed = week("drifting", seed, AFTER)
    assert {(each.kind, each.name) for each in noticed.raised("alert")} == {("measured_value", "systolic")}


def test_drift_that_lasts_reaches_everybody_s_inputs(week: Week) -> None:
    assert level(week("drifting", 1, datetime(2023, 4, 3)), "feature", "systolic") in ("watch", "alert")


def test_outcomes_that_no_longer_come_raise_an_alert_of_calibration(
    week: Week, stores: dict[tuple[str, int], Path], bundle_of: dict[int, Path], tmp_path: Path
) -> None:
    """From 2016 on two major events in three are not recorded: practices code otherwise, or letters no longer come."""
    records = Records.open(stores["steady", 1])
    table = pa.concat_tables([records.table(shard) for shard in records.shards])
    event = STUDY.outcome.event
    assert isinstance(event, Concept)
    lost = np.array([event.covers(code) for code in table.column("code").to_pylist()])
    lost &= table.column("happened_at").to_numpy() >= np.datetime64("2016-01-01")
    lost &= np.array([int(patient[1:]) % 3 > 0 for patient in table.column("patient").to_pylist()])
    thinned = Records.create(tmp_path / "thinned", 2)
    thinned.append(table.filter(~lost), name="thinned", delivered_at=records.delivered_at, concepts=CONCEPTS)
    report, _ = monitor(bundle_of[1], tmp_path / "thinned", AFTER - WEEK, AFTER)
    assert level(report, "calibration", "5") == "alert"
    assert level(week("steady", 1, AFTER), "calibration", "5") == "none"


def told(path: Path, entries: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in entries))
    return path


def test_the_command_keeps_a_page_and_a_history_and_says_by_its_exit_code(
    stores: dict[tuple[str, int], Path], bundle_of: dict[int, Path], tmp_path: Path
) -> None:
    at = "2022-04-01T09:00:00Z"
    reasons = ["wrong-data"] * 30 + ["not-relevant"] * 5
    cards = [{"service": "s", "card": str(n), "outcome": "overridden", "reason": r} for n, r in enumerate(reasons)]
    cards += [{"service": "s", "card": f"a{n}", "outcome": "accepted", "reason": None} for n in range(20)]
    again = [{**cards[-1], "outcome": "overridden", "reason": "wrong-data"}, cards[-1]]  # the latest counts
    feedback = told(tmp_path / "feedback.jsonl", [{"practice": "p", "at": at, **each} for each in (*cards, *again)])
    asked = {"at": at, "study": STUDY.name, "outcome": "answered", "status": 200}
    slow = [{**asked, "milliseconds": 900.0 if n % 4 == 0 else 20.0} for n in range(1200)]
    audit = told(
        tmp_path / "audit-2022-04.jsonl", [*slow, {**asked, "at": "2021-01-01T00:00:00Z", "milliseconds": 1.0}]
    )
    into = tmp_path / "out"
    given = ["monitor", "--bundle", str(bundle_of[1]), "--into", str(into), "--store"]
    before = ["--from", "2022-02-21", "--to", "2022-02-28"]
    assert main([*given, str(stores["drifting", 1]), *before]) == 0
    after = ["--from", "2022-03-28", "--to", "2022-04-04", "--feedback", str(feedback), "--audit", str(audit)]
    with pytest.raises(SystemExit) as left:
        main([*given, str(stores["drifting", 1]), *after])
    assert left.value.code == monitoring.ALERT
    report = Report.from_json((into / "monitoring.json").read_text())
    assert (report.use.cards, report.use.overridden) == (55, 35)
    assert report.use.reasons == {"not-relevant": None, "wrong-data": 30}
    assert report.use.requests == {"answered": 1200}
    assert report.use.slowest == 900
    assert level(report, "slow", "requests") == "alert"
    history = [json.loads(line) for line in (into / "history.jsonl").read_text().splitlines()]
    assert [(run["end"], run["level"]) for run in history] == [("2022-02-28", "none"), ("2022-04-04", "alert")]
    assert scan(into) == []
    assert scan(bundle_of[1]) == []


def test_people_who_are_eligible_are_those_counted_by_hand(bundle_of: dict[int, Path], tmp_path: Path) -> None:
    """Against the definitions, evaluated patient by patient."""
    records, end = synthesise(tmp_path / "few", patients=600, seed=3, shards=2), datetime(2021, 7, 5)
    report, made = monitor(bundle_of[2], tmp_path / "few", end - WEEK, end)
    eligible = unmeasured = 0
    for shard in records:
        for patient in shard.patients:
            history = shard.history(str(patient))
            if (STUDY.cohort.criteria.of_patient(history, end) == 1.0).all(axis=None):
                eligible += 1
                unmeasured += int(STUDY.required.of_patient(history, end)["systolic_within_2_years"].iloc[0] != 1.0)
    assert report.people == eligible
    found = next(each for each in report.findings if (each.kind, each.name) == ("abstention", "any"))
    assert found.now == pytest.approx(unmeasured / eligible)
    assert isinstance(made, Reference)


def test_a_model_that_the_committee_s_own_ledger_suspends_is_not_monitored(
    stores: dict[tuple[str, int], Path],
    bundle_of: dict[int, Path],
    committee: Ed25519PrivateKey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By its copy in the bundle it may be used."""
    monkeypatch.setenv(settings.LEDGER, "")
    elsewhere = tmp_path / "committee"
    elsewhere.mkdir()
    shutil.copy(bundle_of[1] / "card.json", elsewhere)
    shutil.copy(bundle_of[1] / "ledger.jsonl", elsewhere)
    bundles.decide(elsewhere, committee, "suspended", decided_at=now().replace(microsecond=0) - timedelta(hours=1))
    given = ["monitor", "--bundle", str(bundle_of[1]), "--store", str(stores["steady", 1]), "--into", str(tmp_path)]
    given += ["--from", "2021-06-28", "--to", "2021-07-05"]
    assert main([*given, "--ledger", str(elsewhere / "ledger.jsonl")]) == REFUSED
    assert "refused [suspended]" in capsys.readouterr().err
    assert os.environ[settings.LEDGER] == str(elsewhere / "ledger.jsonl")
    assert main(given) == REFUSED, "the setting alone does as well"
    assert not (tmp_path / "monitoring.json").exists()


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"--store": "nowhere"}, commands.MISSING, "holds no records"),
        ({"--feedback": "nowhere"}, commands.MISSING, "no file of entries"),
        ({"--to": "2021-01-01"}, commands.USAGE, "is not before"),
        ({"--to": "2031-01-01"}, commands.USAGE, "knows nothing after"),
    ],
)
def test_what_is_not_there_or_cannot_be_is_said(
    stores: dict[tuple[str, int], Path],
    bundle_of: dict[int, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, str],
    code: int,
    words: str,
) -> None:
    given = {
        "--bundle": str(bundle_of[1]),
        "--store": str(stores["steady", 1]),
        "--from": "2021-06-28",
        "--to": "2021-07-05",
        "--into": str(tmp_path / "out"),
    }
    with pytest.raises(SystemExit) as left:
        main(["monitor", *(each for pair in (given | change).items() for each in pair)])
    assert left.value.code == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

"""Planted difficulties: the platform notices each or withstands it, and says nothing where it is switched off.

Also the oracle: nothing that is learned knows more than the exact truth. Records are made, read and judged as a study's
are; only departures are looked at in the lives themselves, so that nothing but who leaves can be to blame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from features.catalogue.cardiovascular import CARDIOVASCULAR_FULL
from features.catalogue.concepts import (
    ANTIHYPERTENSIVE,
    CHEST_PAIN,
    CONCEPTS,
    DIABETES,
    DYSLIPIDAEMIA,
    GLUCOSE_LOWERING,
    HYPERTENSION,
    STATIN,
    SYSTOLIC_BP,
)
from features.feature_set import FeatureSet
from features.language import count, exists, latest, years
from features.outcome import CENSORED, FollowUp
from features.records import Records, Shard
from features.store import compute
from features.synthetic import DELIVERED_AT, Difficulties, _Population, assumptions, synthesise
from features.synthetic.places import REGIONS
from features.synthetic.trajectories import CURRENT
from features.synthetic.truth import truth_at
from training.audit import AttributeAudit, Gap, Recording, audit
from training.measures import Estimate, difference
from training.models import CensoringWeighted, RiskModel, gradient_boosting, logistic_regression
from training.published.comparators import score2
from training.splits import InternalExternal
from training.studies import CARDIOVASCULAR
from training.survival import Floats, aalen_johansen
from training.validate import out_of_fold
from training.values import Bilingual

pytestmark = pytest.mark.slow

PATIENTS = 30_000
SEEDS = (1, 2, 3)
HORIZON = 10.0
USUAL = Difficulties()
#: What makes practices code unequally, switched off.
EVEN = Difficulties(under_recording=False, undercoded_region=False, symptom_coding=False)
UNSEEN = InternalExternal("practice", 3)

#: Illnesses that a treatment gives away: whoever has it and no such diagnosis has the illness uncoded.
GIVEN_AWAY = ((DIABETES, GLUCOSE_LOWERING), (HYPERTENSION, ANTIHYPERTENSIVE), (DYSLIPIDAEMIA, STATIN))
CODED = FeatureSet(
    "coded",
    **{c.name: exists(c).described(c.fr, c.en) for pair in GIVEN_AWAY for c in pair},
    chest_pain=count(CHEST_PAIN, within=years(5)).described(CHEST_PAIN.fr, CHEST_PAIN.en),
)


@dataclass(frozen=True, eq=False)
class People:
    """Landmarks of the cardiovascular study: groups, what is coded, what follows, the truth, and risks out of fold."""

    X: pd.DataFrame
    index: pd.DataFrame
    followup: FollowUp
    groups: pd.DataFrame
    recorded: pd.DataFrame
    truth: Floats
    risks: dict[str, Floats]

    def __getitem__(self, rows: npt.NDArray[np.bool_]) -> People:
        return People(
            self.X[rows],
            self.index[rows],
            self.followup[rows],
            self.groups[rows],
            self.recorded[rows],
            self.truth[rows],
            {name: risk[rows] for name, risk in self.risks.items()},
        )

    def audited(self, attribute: str, model: str = "logistic_regression") -> AttributeAudit:
        """Return the audit of a model by one attribute."""
        (found,) = audit(
            self.risks[model],
            self.followup,
            HORIZON,
            self.groups[[attribute]],
            self.index["practice"],
            tolerances={},
            recorded=self.recorded,
            measures=["observed_expected"],
        ).attributes
        return found

    def recording(self, attribute: str, what: str) -> Recording:
        """Return what the audit says is recorded of an attribute's groups."""
        return next(each for each in self.audited(attribute).recording if each.what == what)


class KeptRecords(Records):
    """Records read once: the cohort and each set of features ask for every shard."""

    @cached_property
    def kept(self) -> list[Shard]:
        return [super(KeptRecords, self).read(shard) for shard in self.shards]

    def read(self, shard: int) -> Shard:
        return self.kept[shard]


def population(folder: Path, seed: int, difficulties: Difficulties) -> People:
    """Make records and read of them what the study does."""
    made = {"patients": PATIENTS, "seed": seed, "difficulties": difficulties, "at_once": PATIENTS, "shards": 2}
    synthesise(folder / "store", truth=folder / "truth.parquet", **made)
    records = KeptRecords.open(folder / "store")
    study = CARDIOVASCULAR
    members = study.cohort.members(records, study.outcome)
    index = members.index
    groups = study.groups(compute(study.sensitive, records, index))
    groups["set_of_regions"] = groups["region"].map({code: codes for codes in REGIONS for code in codes.split()})
    coded = compute(CODED, records, index)
    given, known = (coded[[pair[side].name for pair in GIVEN_AWAY]].to_numpy() for side in (1, 0))
    with np.errstate(invalid="ignore"):
        share = (given * known).sum(axis=1) / given.sum(axis=1)
    truth = pd.read_parquet(folder / "truth.parquet").set_index(["patient", "as_of"])["cardiovascular"]
    return People(
        compute(study.features, records, index),
        index.assign(**{name: f"{seed} " + index[name].astype(str) for name in ("patient", "practice")}),
        members.followup,
        groups,
        pd.DataFrame({"given_away": share, "chest_pain": coded["chest_pain"]}),
        truth.loc[list(zip(index["patient"], index["as_of"], strict=True))].to_numpy(),
        {},
    )


def judged(parts: list[People], models: list[RiskModel]) -> People:
    """Return populations as one, with what models that saw neither the person nor the practice say of each."""
    X, index, groups, recorded = (
        pd.concat([getattr(part, name) for part in parts], ignore_index=True)
        for name in ("X", "index", "groups", "recorded")
    )
    followup = FollowUp.concatenate([part.followup for part in parts])
    risks = out_of_fold(models, X, followup, index, UNSEEN)
    return People(X, index, followup, groups, recorded, np.concatenate([part.truth for part in parts]), risks)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> People:
    features = CARDIOVASCULAR.features
    return judged(
        [population(tmp_path_factory.mktemp("usual"), seed, USUAL) for seed in SEEDS],
        [score2(), logistic_regression(features, 0), gradient_boosting(features, 0)],
    )


@pytest.fixture(scope="module")
def even(tmp_path_factory: pytest.TempPathFactory) -> People:
    made = population(tmp_path_factory.mktemp("even"), SEEDS[0], EVEN)
    return judged([made], [logistic_regression(CARDIOVASCULAR.features, 0)])


def of_seed(people: People, seed: int) -> People:
    return people[people.index["practice"].str.startswith(f"{seed} ").to_numpy()]


# --- The oracle ---------------------------------------------------------------------------------------------


def compared(there: People, one: Floats, other: Floats) -> Estimate:
    """Return the AUC of one minus that of the other, on the landmarks both score."""
    rows = np.isfinite(one) & np.isfinite(other)
    where = (there.followup[rows], HORIZON, there.index["practice"][rows])
    (found,) = difference(one[rows], other[rows], *where, measures=["auc"])
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_knows_more_than_the_truth(seed: int, usual: People) -> None:
    there = of_seed(usual, seed)
    for name, risk in there.risks.items():
        found = compared(there, risk, there.truth)
        assert found.value < 0, name


def test_what_is_learned_lies_between_score2_and_the_truth(usual: People) -> None:
    """Learned from 90,000 people: of 30,000, events are too few to beat an equation that was given all it needs."""
    learned, published = usual.risks["logistic_regression"], usual.risks["score2"]
    assert compared(usual, learned, published).low > 0
    assert compared(usual, learned, usual.truth).high < 0
    assert compared(usual, usual.risks["lightgbm"], usual.truth).high < 0


# --- What practices code ------------------------------------------------------------------------------------


def gap(people: People, attribute: str, what: str) -> Gap:
    found = people.recording(attribute, what).gap
    assert found is not None
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_the_audit_notices_that_deprived_practices_code_less(seed: int, usual: People) -> None:
    """Of the illnesses that treatments give away, fewer are coded where people are poorer."""
    found = gap(of_seed(usual, seed), "deprivation", "given_away")
    assert (found.lowest, found.highest) in {(low, high) for low in "45" for high in "12"}
    assert found.low > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_the_audit_notices_the_region_that_codes_little(seed: int, usual: People) -> None:
    there = of_seed(usual, seed)
    found = gap(there, "set_of_regions", "given_away")
    assert found.lowest == REGIONS[-1]
    assert found.low > 0
    shares = {each.group: each.value for each in there.recording("region", "given_away").groups}
    assert set(sorted(shares, key=lambda group: shares[group])[:2]) == set(REGIONS[-1].split())


@pytest.mark.parametrize("attribute", ["deprivation", "set_of_regions"])
def test_the_audit_notices_nothing_where_all_practices_code_alike(attribute: str, even: People) -> None:
    assert gap(even, attribute, "given_away").low < 0


def observed_over_expected(people: People, attribute: str, model: str = "logistic_regression") -> dict[str, Estimate]:
    return {each.group: each.findings[0].estimate for each in people.audited(attribute, model).groups}


def test_risks_are_too_low_where_illness_is_not_coded(usual: People) -> None:
    """A model of what is coded errs in the undercoded region, and in no other."""
    found = observed_over_expected(usual, "set_of_regions")
    assert found.pop(REGIONS[-1]).low > 1
    assert all(each.low < 1 < each.high for each in found.values())


@pytest.mark.parametrize("model", ["logistic_regression", "lightgbm"])
def test_the_audit_notices_the_risk_that_comes_with_deprivation(model: str, usual: People) -> None:
    """Always planted: the most deprived have more events at equal risk factors, and no model here reads deprivation."""
    found = observed_over_expected(usual, "deprivation", model)
    assert found["5"].low > 1.1
    assert all(found[quintile].value < 1.05 for quintile in "1234")


def at_a_like_risk(people: People) -> People:
    """Return the landmarks at a like risk, by a model that knows the sex and does not read the symptom."""
    risk = people.risks["logistic_regression"]
    return people[(risk >= 0.03) & (risk < 0.10)]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_audit_notices_that_womens_symptoms_are_coded_less(seed: int, usual: People) -> None:
    """At a like risk chest pain is as often felt; it is not as often coded."""
    found = at_a_like_risk(of_seed(usual, seed)).recording("sex", "chest_pain")
    coded = {each.group: each.value for each in found.groups}
    assert found.gap is not None
    assert found.gap.low > 0
    assert coded["female"] < 0.75 * coded["male"]


def test_the_audit_notices_nothing_where_symptoms_are_coded_alike(even: People) -> None:
    assert gap(at_a_like_risk(even), "sex", "chest_pain").low <= 0


# --- Who leaves ---------------------------------------------------------------------------------------------

LEAVING_PATIENTS = 50_000
AS_OF, LAST = datetime(2013, 1, 1), datetime(2023, 1, 1)


@cache
def leavers(difficulties: Difficulties) -> tuple[pd.DataFrame, FollowUp, pd.DataFrame, Floats]:
    """Return what a perfect record would say of people of 40 to 79, their follow-up, index and true risk."""
    year = AS_OF.year - assumptions.FIRST_YEAR
    parts = []
    for seed in SEEDS:
        for block in _Population(LEAVING_PATIENTS, seed, difficulties).blocks(range(LEAVING_PATIENTS)):
            people, states, events = block.lives.people, block.lives.states, block.lives.events
            rows = {
                "patient": block.names.to_pylist(),
                "age": people.age[:, year],
                "female": people.female,
                "quintile": people.quintile,
                "smoker": states.smoking[:, year] == CURRENT,
                "systolic": states.systolic[:, year],
                "non_hdl": states.non_hdl[:, year],
                "hdl": states.hdl[:, year],
                **{name: flags[:, year] for name, flags in states.has.items()},
                "event": events.first,
                "death": events.death,
                "left": events.left,
            }
            truth = truth_at(block.lives, block.names, AS_OF, HORIZON, 2.0).to_pandas()
            both = truth.dropna(subset="cardiovascular").merge(pd.DataFrame(rows), on="patient")
            parts.append(both.assign(practice=f"{seed} " + both["practice"], patient=f"{seed} " + both["patient"]))
    found = pd.concat(parts, ignore_index=True)
    found = found[found["age"].between(40, 79)].reset_index(drop=True)
    begin, end = ((each - datetime(1970, 1, 1)).days for each in (AS_OF, LAST))
    moments = np.column_stack([found[["event", "death", "left"]].to_numpy(), np.full(len(found), end)])
    ends = moments.argmin(axis=1)  # a death of the event comes second
    years_there = (moments.min(axis=1) - begin) / (end - begin) * HORIZON
    followup = FollowUp(years_there, np.array([1, 2, 0, 0], np.int8)[ends], np.zeros(len(found), np.int8), HORIZON)
    X = found[[name for name in rows if name not in ("patient", "event", "death", "left")]].astype(float)
    return X, followup, found[["patient", "practice", "as_of"]], found["cardiovascular"].to_numpy()


def lost(followup: FollowUp) -> npt.NDArray[np.bool_]:
    return (followup.cause == CENSORED) & (followup.duration < HORIZON)


def expected_over_true(X: pd.DataFrame, followup: FollowUp, index: pd.DataFrame, truth: Floats) -> float:
    """Return the mean risk that models predict for practices they have not seen, over the true one."""
    estimator = make_pipeline(StandardScaler(), LogisticRegression())
    model = CensoringWeighted(estimator, name="weighted", title=Bilingual.same("Weighted"))
    return float(out_of_fold([model], X, followup, index, UNSEEN)["weighted"].mean() / truth.mean())


def test_weights_absorb_the_departures() -> None:
    """In practices no model saw; leaving out whoever left, or taking them for healthy, does not go unseen."""
    X, followup, index, truth = leavers(USUAL)
    stayed = ~lost(followup)
    assert 0.2 < 1 - stayed.mean() < 0.4
    healthy = np.where(followup.cause == CENSORED, HORIZON, followup.duration)
    assert 0.95 < expected_over_true(X, followup, index, truth) < 1.05
    assert expected_over_true(X[stayed], followup[stayed], index[stayed], truth[stayed]) > 1.05
    assert expected_over_true(X, replace(followup, duration=healthy), index, truth) < 0.95


def test_departures_tell_of_the_risk_only_where_that_is_planted() -> None:
    """What is observed of everybody at once, over what is observed within twentieths of the true risk.

    Within them, a departure has nothing left to tell; over everybody, those at high risk leave first.
    """

    def observed(difficulties: Difficulties) -> float:
        _, followup, _, truth = leavers(difficulties)
        part = pd.qcut(truth, 20, labels=False)
        within = [aalen_johansen(followup[part == each], [HORIZON])[0, 0] for each in range(20)]
        return float(aalen_johansen(followup, [HORIZON])[0, 0] / np.average(within, weights=np.bincount(part)))

    assert observed(USUAL) < 0.995
    assert observed(replace(USUAL, informative_departure=False)) == pytest.approx(1, abs=0.003)


# --- What arrives late, in other units, and from new devices --------------------------------------------------


def small(folder: Path, difficulties: Difficulties = USUAL, patients: int = 2000) -> Records:
    return synthesise(folder, patients=patients, seed=4, difficulties=difficulties, shards=2)


def registered(records: Records, *dates: datetime) -> pd.DataFrame:
    """Return everybody at each date, whether or not they are there by then."""
    patients = sorted(str(patient) for shard in records for patient in shard.patients)
    return pd.DataFrame([(patient, as_of) for as_of in dates for patient in patients], columns=["patient", "as_of"])


def facts(records: Records) -> pa.Table:
    return pa.concat_tables([records.table(shard) for shard in records.shards]).unify_dictionaries()


def stored(folder: Path, table: pa.Table) -> Records:
    records = Records.create(folder, 2)
    records.append(table, name="some of it", delivered_at=DELIVERED_AT, concepts=CONCEPTS)
    return records


LIPIDS = CARDIOVASCULAR_FULL.only("total_cholesterol", "hdl", "ldl", "triglycerides")


def test_late_results_are_not_seen_before_they_came(tmp_path: Path) -> None:
    """Features are those of a file in which what came later is absent; whoever goes by the day of the sample errs."""
    as_of = datetime(2018, 1, 1)
    quarters = [datetime(year, month, 1) for year in range(2013, 2024) for month in (1, 4, 7, 10)]

    def foreseen(difficulties: Difficulties, folder: Path) -> int:
        """Return how often a reader without the second date would see lipids too early."""
        records = small(folder / "store", difficulties, 1500)
        table, index = facts(records), registered(records, as_of)
        known = table.filter(pc.less(table.column("known_at"), pa.scalar(as_of, pa.timestamp("us"))))
        index = index[index["patient"].isin(known.column("patient").to_pylist())]
        absent = compute(CARDIOVASCULAR_FULL, stored(folder / "absent", known), index)
        pd.testing.assert_frame_equal(compute(CARDIOVASCULAR_FULL, records, index), absent)
        at = table.column_names.index("known_at")
        early = stored(folder / "early", table.set_column(at, "known_at", table.column("happened_at")))
        rows = registered(records, *quarters)
        seen, careless = (compute(LIPIDS, each, rows) for each in (records, early))
        return int(((seen != careless) & careless.notna()).any(axis=1).sum())

    late, prompt = (foreseen(replace(USUAL, late_results=on), tmp_path / str(on)) for on in (True, False))
    assert late > 1.1 * prompt > 0


#: Half the last digit in which laboratories write either unit, in the features' own; differences add up.
ROUNDING = dict.fromkeys(("total_cholesterol", "hdl", "ldl"), 0.005 * 2.586 + 0.005)
ROUNDING |= {"triglycerides": 0.005 * 1.129 + 0.005, "creatinine": 0.05 * 8.842 + 0.5}
ROUNDING |= {"non_hdl": 2 * ROUNDING["hdl"], "ldl_change_on_statin": 2 * ROUNDING["ldl"]}
ROUNDING |= {"non_hdl_change_on_statin": 4 * ROUNDING["hdl"]}


def test_grams_make_the_same_features(tmp_path: Path) -> None:
    """To the digits that were written; and exactly where no gram was."""
    one, other = (
        compute(CARDIOVASCULAR_FULL, records, registered(records, datetime(2018, 1, 1)))
        for records in (small(tmp_path / str(on), replace(USUAL, grams=on)) for on in (True, False))
    )
    rounded = list(ROUNDING)
    pd.testing.assert_frame_equal(one.drop(columns=rounded), other.drop(columns=rounded))
    assert (one[rounded].notna() == other[rounded].notna()).all(axis=None)
    differences = (one[rounded] - other[rounded]).abs()
    assert (differences.max() < pd.Series(ROUNDING) + 1e-9).all()
    written_in_grams = (differences["total_cholesterol"] > 1e-9).sum() / one["total_cholesterol"].notna().sum()
    assert 0.2 < written_in_grams < 0.6


def population_stability(before: Floats, now: Floats) -> float:
    """Return the population stability index over tenths of what was; from 0.1 on it is worth a look.

    Siddiqi 2006, Credit Risk Scorecards: sum of (now − before) × log(now / before) over shares.
    """
    bounds = np.quantile(before, np.linspace(0, 1, 11)[1:-1])
    was, found = (
        (np.bincount(np.searchsorted(bounds, each, side="right"), minlength=10) + 0.5) / (len(each) + 5)
        for each in (before, now)
    )
    return float((found - was) @ np.log(found / was))


def test_drift_raises_the_stability_index_from_its_day_on(tmp_path: Path) -> None:
    begins = 2019
    recent = latest(SYSTOLIC_BP, within=years(1)).described(SYSTOLIC_BP.fr, SYSTOLIC_BP.en)
    dates = [datetime(year, 1, 1) for year in range(2016, 2024)]

    def indices(difficulties: Difficulties, folder: Path) -> dict[int, float]:
        records = small(folder, difficulties, 3000)
        rows = registered(records, *dates)
        value = compute(FeatureSet("pressure", systolic=recent), records, rows)["systolic"].dropna()
        by_year = {year: values.to_numpy() for year, values in value.groupby(rows["as_of"].dt.year)}
        return {year: population_stability(by_year[2016], values) for year, values in by_year.items()}

    drifting = indices(replace(USUAL, drift_from=date(begins, 1, 1)), tmp_path / "drifting")
    assert {year for year, index in drifting.items() if index > 0.1} == {y for y in drifting if y > begins}, drifting
    assert max(indices(USUAL, tmp_path / "steady").values()) < 0.1

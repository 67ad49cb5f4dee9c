from __future__ import annotations

from html.parser import HTMLParser

import pytest

from features.catalogue.cardiovascular import CARDIOVASCULAR
from features.catalogue.concepts import (
    CONSULTATION,
    DIABETES,
    HDL,
    HYPERTENSION,
    SEX,
    SMOKING_STATUS,
    STATIN,
    SYSTOLIC_BP,
    TOTAL_CHOLESTEROL,
)
from features.codes import ATC, CIM10, LOINC
from features.feature_set import FeatureSet
from features.language import (
    VALUE,
    Aggregate,
    Elapsed,
    ExpressionError,
    age,
    all_of,
    any_of,
    band,
    count,
    days,
    elapsed,
    exists,
    first,
    followed_by,
    from_dict,
    largest,
    latest,
    mean,
    only,
    quantity,
    share_covered,
    slope,
    to_dict,
    when,
    years,
    years_since,
)
from features.language.types import divided, multiplied

WRONG = {
    "units differ": (
        lambda: latest(SYSTOLIC_BP) - latest(HDL),
        r"mm\[Hg\] and mmol/L: latest\(systolic_blood_pressure\) \[mm\[Hg\]\], latest\(hdl.*quantity\(factor",
    ),
    "units compared": (lambda: latest(SYSTOLIC_BP) > latest(HDL), r"> needs one unit.*mm\[Hg\] and mmol/L"),
    "units of several": (lambda: largest(age(), 1, latest(HDL)), r"largest\(\) needs one unit.*a and mmol/L"),
    "quantity": (lambda: latest(HDL) + quantity(1, "g/L"), r"mmol/L and g/L"),
    "quantity of nothing": (lambda: quantity(1, ""), r"a number and a UCUM unit"),
    "no value": (lambda: latest(CONSULTATION) + 1, r"consultation has no value.*exists"),
    "no value to compare": (lambda: latest(CONSULTATION).known(), r"consultation has no value.*exists"),
    "no value, no feature": (
        lambda: FeatureSet("x", visit=latest(CONSULTATION)),
        r"visit: .*consultation has no value",
    ),
    "no value, no mean": (lambda: mean(CONSULTATION), r"consultation has no value.*exists"),
    "a state has no mean": (lambda: mean(SMOKING_STATUS), r"is a state"),
    "unknown category": (lambda: latest(SMOKING_STATUS) == "sometimes", r"never, former, current"),
    "not a state": (lambda: age() == "current", r"category.*number \[a\]"),
    "and": (lambda: exists(CONSULTATION) and exists(HDL), r"& \| ~"),
    "chained": (lambda: 40 <= age() < 80, r"one comparison at a time"),
    "number as condition": (lambda: ~age(), r"takes conditions.*\(age\(\)\) > 0"),
    "condition as number": (lambda: exists(HDL) + 1, r"takes numbers.*exists\(hdl_cholesterol\).*then\(1\)"),
    "category as number": (lambda: latest(SEX) > 1, r"takes numbers.*latest\(sex\)"),
    "window": (lambda: count(HDL, within=days(0)), r"count\(hdl_cholesterol\): within= takes a positive duration"),
    "window type": (lambda: count(HDL, within=5), r"years\(2\)"),
    "window without end": (lambda: years(float("inf")), r"years\(inf\) is no length of time: give at most 1000"),
    "window that is no number": (lambda: days(float("nan")), r"days\(nan\) is no length of time"),
    "window beyond all calendars": (lambda: latest(HDL, within=years(300_000)), r"give at most 1000"),
    "window inside out": (lambda: count(HDL, within=days(5), until=days(5)), r"ends before it begins"),
    "window misspelt": (lambda: count(HDL, untill=days(5)), r"untill= is not known; known: within, until, since"),
    "event": (lambda: latest(HDL, since=STATIN), r"since= takes an event such as first\(STATIN\).*statin"),
    "event of another verb": (lambda: latest(HDL, before=count(STATIN)), r"before= takes an event.*count\(statin\)"),
    "all faults at once": (
        lambda: count(HDL, within=5, until=days(-1), since=3, where=2),
        r"within=.*until=.*since=.*where=",
    ),
    "nth": (lambda: latest(HDL, nth=0), r"nth= takes 1 for the latest"),
    "value of no value": (lambda: count(CONSULTATION, where=VALUE > 1), r"no value for where= to compare"),
    "value of a state": (lambda: count(SEX, where=VALUE > 1), r"compared with one of male, female"),
    "value of a number": (lambda: count(HDL, where=VALUE == "high"), r"compared with a number \[mmol/L\]"),
    "value of no category": (lambda: count(SEX, where=VALUE == "other"), r"'other' is not one of male, female"),
    "value chained": (lambda: count(HDL, where=1 <= VALUE < 2), r"\(VALUE >= 140\) & \(VALUE < 180\)"),
    "value missing": (lambda: float("nan") <= VALUE, r"takes a number"),
    "lasting": (lambda: share_covered(STATIN, lasting=30), r"lasting= takes a positive duration"),
    "delay": (lambda: followed_by(STATIN, DIABETES, delay=days(0)), r"delay= takes a positive duration"),
    "followed by what": (lambda: followed_by(STATIN, "diabetes", delay=days(9)), r"takes a concept"),
    "any of one": (lambda: any_of(HDL), r"two concepts or more"),
    "any of conditions": (lambda: any_of(HDL, exists(HDL)), r"conditions are combined with \|"),
    "all of one": (lambda: all_of(HDL), r"two concepts or more"),
    "only what it covers": (lambda: only(DIABETES, CIM10("I21")), r"diabetes.*does not cover: CIM10:I21"),
    "only of several": (lambda: only(any_of(DIABETES, STATIN), CIM10("E11")), r"narrow its parts"),
    "years_ago": (lambda: count(HDL).years_ago(), r"latest\(...\) or first"),
    "branches": (lambda: when(exists(HDL)).then(1).otherwise(exists(HDL)), r"one type"),
    "branch units": (lambda: when(exists(HDL)).then(age()).otherwise(latest(HDL)), r"a and mmol/L"),
    "branches of names": (
        lambda: when(exists(HDL)).then("yes").otherwise("no"),
        r"'yes' is a category, and .* has none",
    ),
    "default of no category": (lambda: age().default("old"), r"'old' is a category, and the other side, age\(\), has"),
    "default of another state": (
        lambda: latest(SMOKING_STATUS).default("often"),
        r"'often' is not one of .*never, former, current",
    ),
    "band edges": (lambda: band(age(), [60, 40]), r"edges must rise"),
    "band labels": (lambda: band(age(), [40, 60], ["young", "old"]), r"2 edges make 3 bands, and there are 2 labels"),
    "band of a condition": (lambda: band(exists(HDL), [1]), r"band\(\) takes numbers"),
    "not a concept": (lambda: latest("systolic"), r"takes a concept"),
    "infinite": (lambda: age() * float("inf"), r"not a constant"),
    "a string": (lambda: age() + "1", r"expected an expression"),
    "not an expression": (lambda: FeatureSet("x", a=age(), b=3, c="d"), r"b, c"),
    "direction": (lambda: age().described("", "", 2), r"a direction of -1, 0 or 1, not 2"),
    "absence of no kind": (lambda: age().described("", "", 0, "unknown"), r"'never measured', .* not 'unknown'"),
    "absence": (
        lambda: FeatureSet("x", hdl=latest(HDL).described("", "", 0, "negative by absence")),
        r"hdl is described as negative by absence, but without records it is missing",
    ),
    "absence of a condition": (
        lambda: FeatureSet("x", statin=exists(STATIN).described("", "", 0, "never measured")),
        r"statin is described as never measured, but without records it is no",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_meaningless_expression_says_what_is_wrong(name):
    build, message = WRONG[name]
    with pytest.raises(ExpressionError, match=message):
        build()


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        (latest(HDL) / latest(HDL), "number [1]"),
        (latest(HDL) * 2, "number [mmol/L]"),
        (latest(SYSTOLIC_BP) / age(), "number [mm[Hg]/a]"),
        (slope(SYSTOLIC_BP) * age(), "number [mm[Hg]]"),
        (1 - latest(HDL), "number [mmol/L]"),
        (-latest(HDL), "number [mmol/L]"),
        (1 / age(), "number [/a]"),
        (age() / latest(HDL), "number [a.L/mmol]"),
        (latest(HDL) * quantity(38.67, "mg.L/dL/mmol"), "number [mg/dL]"),
        (latest(HDL) / quantity(1, "mmol/L"), "number [1]"),
        (count(HDL) / count(SYSTOLIC_BP), "number [1]"),
        (largest(latest(HDL), 1), "number [mmol/L]"),
        (band(age(), [40]), "number [1]"),
        (band(age(), [40], ["young", "old"]), "category (young, old)"),
        (latest(CONSULTATION), "date of a record"),
        (latest(any_of(HDL, TOTAL_CHOLESTEROL)), "number [mmol/L]"),
        (latest(any_of(HDL, SYSTOLIC_BP)), "date of a record"),
        (latest(any_of(SMOKING_STATUS, DIABETES)), "date of a record"),
        (latest(only(SMOKING_STATUS, CIM10("F17"), LOINC("LA18978-9"))), "category (never, current)"),
    ],
    ids=str,
)
def test_types_and_units_follow_from_the_expression(expression, kind):
    assert str(expression.type) == kind


@pytest.mark.parametrize(
    ("left", "right", "product", "ratio"),
    [
        ("mm[Hg]", "a", "mm[Hg].a", "mm[Hg]/a"),
        ("kg", "m2", "kg.m2", "kg/m2"),
        ("kg/m2", "m2", "kg", "kg/m4"),
        ("m", "m", "m2", "1"),
        ("10*9/L", "/L", "10*9/L2", "10*9"),
        ("mL/min/{1.73_m2}", "mL/min", "mL2/min2/{1.73_m2}", "/{1.73_m2}"),
        ("{quintile}", "{quintile}", "{quintile}2", "1"),
        ("1", "/d", "/d", "d"),
        (None, "mmol/L", "mmol/L", "L/mmol"),
        ("mmol/L", None, "mmol/L", "mmol/L"),
        (None, None, None, None),
        ("%", "1", "%", "%"),
        ("m[IU]/L", "m[IU]", "m[IU]2/L", "/L"),
    ],
)
def test_units_multiply_and_divide(left, right, product, ratio):
    assert (multiplied(left, right), divided(left, right)) == (product, ratio)


def test_a_part_of_a_concept_keeps_its_definition():
    current = only(SMOKING_STATUS, CIM10("F17"))
    assert current.category_names == ("current",)
    assert current.covers("CIM10:F17.2")
    assert not current.covers("LOINC:LA18976-3")
    infarct = only(STATIN, ATC("C10AA05"))
    assert (infarct.unit, infarct.plausible) == (STATIN.unit, STATIN.plausible)
    pressure = only(SYSTOLIC_BP, SYSTOLIC_BP.codes[0])
    assert (pressure.unit, pressure.conversions) == (SYSTOLIC_BP.unit, SYSTOLIC_BP.conversions)


def test_a_feature_reads_the_concepts_it_names_and_those_that_bound_its_windows():
    features = FeatureSet(
        "x",
        a=count(any_of(DIABETES, HYPERTENSION), since=first(STATIN, before=latest(CONSULTATION))),
        b=followed_by(DIABETES, any_of(HDL, SYSTOLIC_BP), delay=days(30)),
    )
    assert [c.name for c in features["a"].concepts] == ["diabetes", "hypertension", "statin", "consultation"]
    assert [c.name for c in features["b"].concepts] == ["diabetes", "hdl_cholesterol", "systolic_blood_pressure"]
    assert {c.name for c in features.concepts} >= {"statin", "hdl_cholesterol"}
    assert all(hasattr(leaf, "concept") for leaf in features["a"].leaves)
    assert len(features["a"].leaves) == 1  # the events bound its window; it is not computed from them


def test_a_definition_without_new_fields_is_written_as_it_always_was():
    """What later versions added is left out where it is not used: old definitions load, and keep their fingerprint."""
    old = to_dict(latest(SYSTOLIC_BP, within=years(2)).node)
    assert set(old) == {"node", "statistic", "concept", "within"}
    assert set(to_dict((years_since(HDL) > 1).node)["left"]) == {"node", "which", "concept", "within", "valued"}
    assert set(to_dict((age() > 1).node)["right"]) == {"node", "value"}
    assert from_dict(old) == Aggregate("latest", SYSTOLIC_BP, years(2).microseconds)
    assert "absence" not in FeatureSet("x", hdl=latest(HDL)).to_dict()["features"][0]


def test_the_fingerprint_follows_what_is_computed():
    def fingerprint(expression):
        return FeatureSet("x", a=expression).fingerprint

    same = latest(HDL, within=years(1))
    assert fingerprint(same) == fingerprint(latest(HDL, within=years(1)))
    different = [
        latest(HDL, within=years(2)),
        latest(HDL, within=years(1), nth=2),
        latest(HDL, within=years(1), until=days(1)),
        latest(HDL, within=years(1), since=first(STATIN)),
        latest(HDL, within=years(1), before=first(STATIN)),
        latest(HDL, within=years(1), where=VALUE > 1),
        first(HDL, within=years(1)),
        latest(only(HDL, HDL.codes[0]), within=years(1)),
        same.described("", "", +1),
        same.described("", "", 0, "never measured"),
    ]
    assert len({fingerprint(same), *map(fingerprint, different)}) == len(different) + 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"node": "Newest"}, r"unknown node 'Newest'"),
        ({"node": "Not", "operand": {"node": "Constant", "value": True}, "twice": True}, r"'twice' is unknown"),
        ({"node": "Not"}, r"'operand' is missing"),
    ],
)
def test_json_that_is_no_definition_says_what_is_wrong(data, message):
    with pytest.raises(ValueError, match=message):
        from_dict(data)


def test_absence_follows_from_the_expression_and_travels():
    features = FeatureSet(
        "x",
        measured=latest(HDL),
        stated=latest(HDL).described("a", "b", 0, "never measured"),
        counted=count(HDL),
        looked_for=exists(DIABETES),
        assumed=latest(HDL).default(1.2),
        assumed_state=latest(SEX).default("male"),
    )
    found = {name: (f.absence, f.without_records) for name, f in features.items()}
    assert found == {
        "measured": ("never measured", None),
        "stated": ("never measured", None),
        "counted": ("negative by absence", 0),
        "looked_for": ("negative by absence", 0),
        "assumed": ("assumed", 1.2),
        "assumed_state": ("assumed", 0),
    }
    again = FeatureSet.from_json(features.to_json())
    assert again["stated"].stated_absence == "never measured"
    assert again.only("stated")["stated"].stated_absence == "never measured"
    assert again.only("stated", "counted").fingerprint == features.only("stated", "counted").fingerprint


def test_the_table_describes_every_feature():
    table = CARDIOVASCULAR.describe()
    assert list(table.index) == list(CARDIOVASCULAR)
    assert table.loc["non_hdl", "reads"] == "total_cholesterol, hdl_cholesterol"
    assert table.loc["systolic", "definition"] == "latest(systolic_blood_pressure, within=years(2))"
    assert table.loc["systolic", ["unit", "direction", "absence"]].tolist() == ["mm[Hg]", "raises", "never measured"]


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_page_describes_every_feature_and_needs_nothing_from_elsewhere(language):
    page = CARDIOVASCULAR.to_html(language)
    found: list[tuple[str, dict[str, str | None]]] = []
    open_tags: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            found.append((tag, dict(attributes)))
            if tag != "meta":
                open_tags.append(tag)

        def handle_endtag(self, tag):
            assert open_tags.pop() == tag

    Reader().feed(page)
    assert not open_tags
    assert ("html", {"lang": language}) in found
    assert not [a for _, a in found if "src" in a or "href" in a]
    assert all(getattr(f, language) in page for f in CARDIOVASCULAR.values())
    assert all(code in page for concept in CARDIOVASCULAR.concepts for code in map(str, concept.codes))
    assert CARDIOVASCULAR.fingerprint in page
    assert ("jamais mesurée" in page) is (language == "fr")


def test_the_page_escapes_what_it_is_given():
    assert "<script>" not in FeatureSet("<script>", a=age().described("<script>", "<script>")).to_html()


def test_the_age_of_a_value_is_that_of_the_record_it_was_taken_from():
    node = latest(HDL, within=years(2), nth=2, since=first(STATIN), where=VALUE > 1).node
    assert isinstance(node, Aggregate)
    assert elapsed(node) == Elapsed(
        "latest", HDL, node.within, valued=True, nth=2, since=node.since, where=((">", 1.0),)
    )

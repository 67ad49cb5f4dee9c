"""A card cannot lie by omission: holes, alterations, small counts and demonstrations all show."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from features.digests import canonical
from tests.training import cards
from tests.training.cards import said
from training.card import (
    FIELD_COUNT,
    HIDDEN,
    LANGUAGES,
    SMALL,
    AlteredCard,
    AuthoredFields,
    Fairness,
    FlowStep,
    HeadlineEstimate,
    IncompleteCard,
    InvalidCard,
    Language,
    ModelCard,
    NotApplicable,
    Performance,
    Population,
    Traceability,
    calendar,
    content_digest,
    count,
    decimal,
    gate,
    percent,
    render,
    typeset,
)
from training.committee import DEMONSTRATION_KEY_ID
from training.drafting import NOBODY
from training.published.comparators import score2
from training.values import Bilingual

CARD = cards.card()
EMPTY = ModelCard.draft(AuthoredFields(), identity=cards.identity())


def page(card: ModelCard = CARD, language: Language = "fr", **options: Any) -> str:
    return render(card, *cards.documents(), language=language, **options)


def with_a_hole(path: str) -> ModelCard:
    section, name = path.split(".")
    return CARD.model_copy(update={section: getattr(CARD, section).model_copy(update={name: None})})


# --- Holes ------------------------------------------------------------------------------------------------


def test_every_field_of_the_union_table_is_there() -> None:
    assert {item.number for item in ModelCard.field_items().values()} == set(range(1, FIELD_COUNT + 1))


def test_tripod_items_are_all_answered() -> None:
    text = " ".join(item.tripod for item in ModelCard.field_items().values())
    answered = set(re.findall(r"\d+", text))
    assert answered == {str(number) for number in range(1, 28)}


def test_a_complete_card_is_final() -> None:
    assert CARD.holes() == []
    assert CARD.final() is CARD


def test_every_unfilled_field_is_a_hole_and_is_told_with_who_fills_it() -> None:
    with pytest.raises(IncompleteCard) as error:
        EMPTY.final()
    holes = {hole.path: hole for hole in error.value.holes}
    optional = {
        path for path, item in ModelCard.field_items().items() if EMPTY.value(path) is None and item.who != "committee"
    }
    assert set(holes) == optional
    assert len(holes) > 50
    for path, hole in holes.items():
        assert path in str(error.value)
        assert hole.label.en in str(error.value)
        assert hole.who == ("study author" if path.startswith("authored.") else "pipeline")


@pytest.mark.parametrize("path", [path for path in ModelCard.field_items() if EMPTY.value(path) is None])
def test_each_single_hole_refuses(path: str) -> None:
    if path == "decision":
        return
    holed = with_a_hole(path)
    assert [hole.path for hole in holed.holes()] == [path]
    with pytest.raises(IncompleteCard):
        page(holed, final=True)


@pytest.mark.parametrize(
    "path",
    [
        path if path == "traceability.purpose" else pytest.param(path, marks=pytest.mark.slow)
        for path in ModelCard.field_items()
        if path != "decision" and EMPTY.value(path) is None
    ],
)
def test_a_draft_shows_its_hole(path: str) -> None:
    draft = page(with_a_hole(path))
    assert "BROUILLON" in draft
    assert "À compléter par" in draft or "à compléter par" in draft


def test_nothing_is_a_hole_too() -> None:
    empty = CARD.model_copy(update={"performance": CARD.performance.model_copy(update={"discrimination": ()})})
    assert [hole.path for hole in empty.holes()] == ["performance.discrimination"]


def test_not_applicable_needs_a_reason() -> None:
    with pytest.raises(ValidationError):
        NotApplicable.model_validate({})
    with pytest.raises(ValidationError):
        AuthoredFields.model_validate({"funding": {"reason": {"fr": "", "en": ""}}})


def test_what_matters_most_always_applies() -> None:
    for name in ("intended_use", "out_of_scope", "risks_and_limitations", "human_oversight", "patient_information"):
        with pytest.raises(ValidationError):
            AuthoredFields.model_validate({name: {"reason": {"fr": "non", "en": "no"}}})


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError):
        AuthoredFields.model_validate({"intended_uses": {"fr": "a", "en": "a"}})


# --- Digest -----------------------------------------------------------------------------------------------


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield every scalar of a JSON value and where it is."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path, value
    else:
        for key, each in items:
            yield from leaves(each, (*path, key))


LEAVES = [(path, value) for path, value in leaves(json.loads(CARD.to_json())) if path != ("decision",)]


def test_a_card_comes_back_as_it_went() -> None:
    text = CARD.to_json()
    again = ModelCard.from_json(text)
    assert again == CARD
    assert again.to_json() == text
    assert json.loads(text)["digest"] == CARD.digest


@given(st.sampled_from(LEAVES), st.data())
def test_no_field_can_be_altered(leaf: tuple[tuple[str | int, ...], Any], data: st.DataObject) -> None:
    path, value = leaf
    tree = json.loads(CARD.to_json())
    where: Any = tree
    for key in path[:-1]:
        where = where[key]
    other = {
        str: st.text(min_size=1) | st.just(f"{value}x"),
        bool: st.just(value is False),
        int: st.integers(11, 10**6),
        float: st.floats(0.001, 100),
        type(None): st.sampled_from(["x", 12, 0.5]),
    }[type(value)]
    where[path[-1]] = data.draw(other.filter(lambda new: new != value))
    with pytest.raises((AlteredCard, InvalidCard)):
        ModelCard.from_json(canonical(tree))


def test_fields_can_be_neither_added_nor_removed() -> None:
    for change in ({"unknown": 1}, {"digest": "0" * 64}):
        with pytest.raises((AlteredCard, InvalidCard)):
            ModelCard.from_json(canonical(json.loads(CARD.to_json()) | change))
    for name in json.loads(CARD.to_json()):
        tree = json.loads(CARD.to_json())
        del tree[name]
        with pytest.raises((AlteredCard, InvalidCard)):
            ModelCard.from_json(canonical(tree))


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"digest": 1}', b"\xff", '"card"'])
def test_what_is_no_card_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidCard):
        ModelCard.from_json(text)


def test_the_decision_is_not_in_the_digest_but_is_about_it() -> None:
    decided = CARD.decided(cards.decision(CARD.digest))
    assert decided.digest == CARD.digest
    assert ModelCard.from_json(decided.to_json()) == decided
    with pytest.raises(AlteredCard, match="is about card"):
        CARD.decided(cards.decision("f" * 64))
    with pytest.raises(IncompleteCard):
        EMPTY.decided(cards.decision(EMPTY.digest))
    stolen = canonical(json.loads(decided.to_json()) | {"digest": CARD.digest}).replace(
        CARD.digest.encode(), b"f" * 64, 1
    )
    with pytest.raises(AlteredCard):
        ModelCard.from_json(stolen)


@pytest.mark.parametrize("name", ["evidence", "audit", "explanation"])
def test_an_altered_file_is_noticed(name: str) -> None:
    documents: dict[str, Any] = dict(zip(("evidence", "audit", "explanation"), cards.documents(), strict=True))
    documents[name]["n"] = 1
    with pytest.raises(AlteredCard, match=f"{name} was altered"):
        render(CARD, **documents)
    with pytest.raises(AlteredCard, match=f"{name} is missing"):
        render(CARD, **(documents | {name: None}))


def test_the_digest_of_a_file_is_that_of_its_content() -> None:
    text = canonical(cards.evidence())
    assert content_digest(json.loads(text)) == content_digest(cards.evidence())


# --- Small counts -----------------------------------------------------------------------------------------


def test_a_card_never_holds_a_small_count() -> None:
    estimate = HeadlineEstimate.of(cards.estimate("auc", 500, 7), "run")
    assert (estimate.events, estimate.n, estimate.value) == (SMALL, 500, None)
    estimate = HeadlineEstimate.of(cards.estimate("auc", 500, None), "run")
    assert estimate.events == HIDDEN
    assert '"missing":"<11"' in CARD.to_json()


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8))
def test_nobody_can_be_counted_by_subtracting_steps(counts: list[int]) -> None:
    steps = tuple(
        FlowStep(label=said(), people=n, landmarks=n, events=n) for n in sorted((c + 11 for c in counts), reverse=True)
    )
    flow = Population(flow=steps).flow
    assert isinstance(flow, tuple)
    shown = [step.people for step in flow if isinstance(step.people, int)]
    assert shown[-1] == steps[-1].people
    assert all(a - b == 0 or a - b >= 11 for a, b in itertools.pairwise(shown))


def test_small_counts_are_hidden_and_so_is_what_gives_them_away() -> None:
    audit = cards.audit()
    audit["attributes"][0]["groups"] = [
        cards.group("female", 6_345, 400),
        cards.group("male", 6_040, 587),
        cards.group("missing", 7, 3),
    ]
    gated = gate(audit)["attributes"][0]["groups"]
    assert [group["n"] for group in gated] == [6_345, HIDDEN, SMALL]
    assert [group["events"] for group in gated] == [HIDDEN, 587, SMALL]
    assert {(f["shrunk"], f["simultaneous"]) for f in gated[2]["findings"]} == {(None, None)}
    estimates = [finding["estimate"] for finding in gated[2]["findings"]]
    assert {(e["n"], e["events"], e["value"], e["low"]) for e in estimates} == {(SMALL, SMALL, None, None)}
    html = render(
        cards.card(traceability=CARD.traceability.model_copy(update={"audit_digest": content_digest(audit)})),
        cards.evidence(),
        audit,
        cards.explanation(),
    )
    assert "n = moins de 11 ; évènements : moins de 11".replace(" ;", "\u202f;").replace(" :", "\u00a0:") in html
    assert not re.search(r"\bn = (7|6.040)\b", html)


def test_what_was_not_crossed_is_said() -> None:
    html = page(final=True)
    assert "Croisements non examinés" in html
    assert "Sexe × Âge" in html


def test_small_counts_are_hidden_wherever_they_are() -> None:
    tree = {
        "people": 5,
        "reasons": {"too old": 3, "too young": 30},
        "distribution": {"edges": [0, 1], "counts": {"event": [4, 40, None]}},
        "calibration": [{"predicted": 0.1, "observed": 0.2, "low": 0.1, "high": 0.3, "n": 9, "events": 2}],
    }
    assert gate(tree) == {
        "people": SMALL,
        "reasons": {"too old": SMALL, "too young": 30},
        "distribution": {"edges": [0, 1], "counts": {"event": [SMALL, 40, HIDDEN]}},
        "calibration": [{"predicted": None, "observed": None, "low": None, "high": None, "n": SMALL, "events": SMALL}],
    }


# --- What the pipeline fills ------------------------------------------------------------------------------


def test_headlines_are_those_of_the_evidence() -> None:
    performance = Performance.of(cards.evidence(), "forest", "run")
    assert isinstance(performance.discrimination, tuple)
    (auc,) = (headline for headline in performance.discrimination if headline.measure == "auc")
    assert {headline.measure for headline in performance.discrimination} == {"auc", "uno_c"}
    assert (auc.value, auc.low, auc.high, auc.n, auc.events, auc.run_id) == (0.781, 0.763, 0.799, 12_345, 987, "run")
    assert isinstance(performance.heterogeneity, Bilingual)
    assert "0,780 en moyenne" in performance.heterogeneity.fr
    assert isinstance(Performance.of(cards.evidence(), "score", "run").comparison, NotApplicable)
    with pytest.raises(ValueError, match="no model 'other'"):
        Performance.of(cards.evidence(), "other", "run")


def test_a_group_outside_its_tolerance_is_named() -> None:
    fairness = Fairness.of(cards.audit())
    assert isinstance(fairness.subgroups, Bilingual)
    assert fairness.subgroups.fr.endswith("Hors tolérance : Sexe (Hommes).")
    assert fairness.subgroups.en.endswith("Outside: Sex (Men).")
    nobody = Fairness.of({"attributes": []})
    assert isinstance(nobody.subgroups, NotApplicable)


# --- Typography -------------------------------------------------------------------------------------------


def test_numbers_are_written_as_each_language_writes_them() -> None:
    assert decimal(-12345.678, 2, "fr") == "−12\u202f345,68"
    assert decimal(-12345.678, 2, "en") == "−12,345.68"
    assert decimal(-0.001, 2, "fr") == "0,00"
    assert percent(0.1234, "fr") == "12,3\u202f%"
    assert percent(0.1234, "en") == "12.3%"
    assert (count(12_345, "fr"), count(3, "fr"), count("<11", "en")) == ("12\u202f345", "moins de 11", "<11")
    assert (count("hidden", "fr"), percent(None, "en")) == ("masqué", "—")
    assert calendar(datetime(2026, 8, 1), "fr") == "1er\u00a0août\u00a02026"


def test_french_is_typeset() -> None:
    assert typeset("Quoi ? « 10 000 » : l'autre", "fr") == "Quoi\u202f? «\u202f10\u202f000\u202f»\u00a0: l’autre"
    assert typeset("What? 10,000: that's it", "en") == "What? 10,000: that’s it"


# --- The page ---------------------------------------------------------------------------------------------

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """A page read tag by tag, every one closed in its turn."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(attrs) == len(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


STATES: dict[str, Callable[[Language], str]] = {
    "pending": lambda language: page(language=language),
    "draft": lambda language: render(EMPTY, language=language),
    "approved": lambda language: page(language=language, decision=cards.decision(CARD.digest)),
    "refused": lambda language: page(language=language, decision=cards.decision(CARD.digest, "refused")),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("state", STATES)
def test_a_page_is_well_formed_accessible_and_needs_nothing_else(state: str, language: Language) -> None:
    html = STATES[state](language)
    parsed = Page(html)
    assert html.lstrip().startswith("<!doctype html>")
    assert parsed.all("html") == [{"lang": language}]
    other = "en" if language == "fr" else "fr"
    links = [attributes["href"] or "" for attributes in parsed.all("a")]
    assert f"card.{other}.html" in links
    assert all(link.startswith(("#", "card.")) for link in links)
    identifiers = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert {link[1:] for link in links if link.startswith("#")} <= set(identifiers)
    for attributes in parsed.all("section", "nav", "svg"):
        for named in (attributes.get("aria-labelledby") or "").split():
            assert named in identifiers
    assert not parsed.all("script", "link", "img", "iframe", "object", "embed", "form")
    assert not re.search(r"https?://|//[a-z]|@import|src=|url\((?!#)", html)
    assert len(parsed.all("table")) == html.count("<caption>")
    assert all("scope" in attributes for attributes in parsed.all("th"))
    headings = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch(r"h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(deeper <= level + 1 for level, deeper in itertools.pairwise(headings))
    for attributes in parsed.all("svg"):
        assert attributes.get("aria-hidden") == "true" or attributes.get("role") == "img"
    for landmark in ("header", "main", "footer", "nav"):
        assert parsed.all(landmark)
    assert "@media print" in html
    assert "None" not in re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)


def test_a_chart_says_what_it_shows() -> None:
    parsed = Page(page())
    charts = [attributes for attributes in parsed.all("svg") if attributes.get("role") == "img"]
    assert len(charts) == 3
    assert len(parsed.all("desc")) == len(charts)


def test_estimates_have_interval_people_and_events() -> None:
    french, english = page(), page(language="en")
    assert '0,781 <span class="interval">[0,763\u202f; 0,799]</span></td><td class="count">12\u202f345 (987)' in french
    assert '0.781 <span class="interval">[0.763, 0.799]</span></td><td class="count">12,345 (987)' in english
    assert "78\u202f% du temps" in french
    assert "78% of the time" in english
    assert cards.RUN in french


@pytest.mark.parametrize(
    ("verdict", "banner"),
    [
        ("approved", "APPROUVÉ jusqu’au 10\u00a0septembre\u00a02027 inclus"),
        ("approved_with_conditions", "APPROUVÉ SOUS CONDITIONS jusqu’au"),
        ("refused", "REFUSÉ"),
        ("suspended", "SUSPENDU"),
        ("withdrawn", "RETIRÉ"),
    ],
)
def test_the_banner_says_where_the_card_stands(verdict: Any, banner: str) -> None:
    html = page(decision=cards.decision(CARD.digest, verdict))
    assert f"<strong>{banner}" in html
    assert "<strong>EN ATTENTE DU COMITÉ</strong>" in page()
    assert "<strong>BROUILLON</strong>" in render(EMPTY)


def test_a_decision_about_another_card_is_not_shown() -> None:
    with pytest.raises(AlteredCard):
        page(decision=cards.decision("f" * 64))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_demonstration_is_marked_everywhere(language: Language) -> None:
    word = {"fr": "DÉMONSTRATION", "en": "DEMONSTRATION"}[language]
    demonstration = cards.card(demonstration=True)
    signed = cards.decision(CARD.digest, demonstration=False, signer=DEMONSTRATION_KEY_ID)
    pages = [
        page(demonstration, language),
        page(demonstration, language, decision=cards.decision(demonstration.digest)),
        page(CARD, language, decision=signed),
        page(CARD, language, decision=cards.decision(CARD.digest, demonstration=True)),
    ]
    for html in pages:
        assert f"<title>{word} · " in html
        assert f'<p class="ribbon">{word}' in html
        assert f'data-mark="{word}"' in html
        assert f"<strong>{word} · " in html
        assert html.count(word) >= 6
    assert word not in page(CARD, language)


def test_texts_are_escaped() -> None:
    attack = "<script>alert('x')</script> & <b>"
    texts = cards.authored(
        intended_use=said(attack),
        plain_purpose=said(attack),
        references=said(f"- {attack}\n- 2"),
        funding=NotApplicable(reason=said(attack)),
    )
    card = cards.card(texts, name="x</title><script>", developer=attack)
    html = page(card, decision=cards.decision(card.digest, reasons=attack, members=(attack,)))
    parsed = Page(html)
    assert not parsed.all("script")
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 6


def test_paragraphs_and_lists_are_kept() -> None:
    html = page(cards.card(cards.authored(references=said("- Un\n- Deux\n\nAprès"))))
    assert "<li>Un</li>" in html
    assert "<p>Après" in html


def test_a_page_is_the_same_twice() -> None:
    assert page() == page()


def test_a_draft_shows_what_there_is() -> None:
    html = render(ModelCard.draft(cards.authored(), identity=cards.identity()), cards.evidence())
    assert "BROUILLON" in html
    assert "Courbe de calibration" in html, "what is known is shown beside the holes"


def test_evidence_without_a_single_value_is_still_shown() -> None:
    evidence, audit, explanation = cards.documents()
    for each in evidence["models"]:
        each["calibration"] = [
            {"predicted": None, "observed": None, "low": None, "high": None, "n": None, "events": None}
        ]
        each |= {"decision": [], "smooth": [], "distribution": None, "heterogeneity": []}
        each["estimates"] = [{**e, "value": None, "low": None, "high": None} for e in each["estimates"]]
    evidence["comparisons"] = []
    audit["attributes"][0]["groups"] = [cards.group("female", None, None, "insufficient")]
    for finding in audit["attributes"][0]["groups"][0]["findings"]:
        finding["estimate"] |= {"value": None, "low": None, "high": None}
    traceability = {"evidence_digest": content_digest(evidence), "audit_digest": content_digest(audit)}
    card = cards.card(
        performance=Performance.of(
            evidence, "forest", "run", external_validation=said(), local_validity=said(), robustness=said()
        ),
        fairness=Fairness.of(audit),
        traceability=Traceability(**(CARD.traceability.model_dump() | traceability)),
    )
    html = render(card, evidence, audit, explanation)
    Page(html)
    assert "trop peu de données" in html


# --- Fairness, for somebody with no statistics ------------------------------------------------------------


def test_the_page_says_how_many_comparisons_were_made_and_what_false_alarms_are_to_be_expected() -> None:
    html = re.sub(r"\s+", " ", page(language="en"))
    assert "For groups: 2 comparisons, of which up to 0.1 would be outside by chance" in html
    assert "the chance that even one group of the audit wrongly is, is at most 5%" in html
    assert html.count("to watch") >= 2
    assert "To watch: Sex × Region (Women × north)." in page(language="en")
    assert "Cautious: 1.03" in html
    assert "“Cautious”: the estimate drawn towards the groups’ mean" in html


def test_the_page_says_what_is_recorded_and_what_a_correction_would_cost() -> None:
    html = page()
    assert "Évènements enregistrés pour 1\u202f000 personnes-années" in html
    assert "ce n’est pas le hasard" in html
    assert "Montré, non appliqué." in html
    assert "inchangé\u00a0: trop peu d’évènements" in html
    assert "Signalé à partir de" in html
    assert "9,4\u202f%" in html


def test_every_number_says_which_run_it_comes_from() -> None:
    html = page()
    for document in ("evidence", "audit", "explanation"):
        sealed = getattr(CARD.traceability, f"{document}_digest")[:12]
        assert re.search(rf"{document}\.json.*?{sealed}.*?{cards.RUN}", html, re.DOTALL)
    # A table of numbers stands under a heading that names its run, or names it itself.
    for table in re.finditer(r"<table.*?</table>", html, re.DOTALL):
        if "interval" in table[0] and "<td>0," in table[0]:
            before = html[: table.end()]
            section = before[before.rindex("<section") :]
            assert cards.RUN in section


def test_an_audit_written_before_these_fields_is_still_shown() -> None:
    audit = cards.audit()
    del audit["families"]
    for attribute in audit["attributes"]:
        attribute.pop("recording", None)
        attribute.pop("mitigation", None)
        for group in attribute["groups"]:
            for finding in group["findings"]:
                del finding["shrunk"], finding["simultaneous"]
    card = cards.card(traceability=CARD.traceability.model_copy(update={"audit_digest": content_digest(audit)}))
    Page(render(card, cards.evidence(), audit, cards.explanation()))


def test_a_card_without_contact_is_a_draft_and_a_demonstration_says_that_nobody_answers() -> None:
    holed = cards.card(contact=None)
    assert [hole.path for hole in holed.holes()] == ["identity.contact"]
    nobody = cards.card(contact=NOBODY, demonstration=True)
    assert "personne ne répond de ce modèle" in page(nobody)


def test_the_digest_covers_the_reference_of_monitoring() -> None:
    whole = cards.card()
    other = whole.traceability.model_copy(update={"monitoring_digest": "5" * 64})
    assert whole.model_copy(update={"traceability": other}).digest != whole.digest
    absent = whole.traceability.model_copy(update={"monitoring_digest": None})
    assert [hole.path for hole in whole.model_copy(update={"traceability": absent}).holes()] == [
        "traceability.monitoring_digest"
    ]


def test_models_are_named_in_the_language_of_the_page() -> None:
    tree = cards.evidence()
    for model in tree["models"]:
        model["title"] = score2().title.model_dump()
    about = {"evidence_digest": content_digest(tree)}
    known = cards.card()
    known = known.model_copy(update={"traceability": known.traceability.model_copy(update=about)})
    pages = {
        language: render(known, tree, cards.audit(), cards.explanation(), language=language) for language in LANGUAGES
    }
    assert "région à risque faible" in pages["fr"]
    assert "low-risk region" not in pages["fr"]
    assert "low-risk region" in pages["en"]
    assert "risque faible" not in pages["en"]


def test_importance_is_shown_with_what_refits_make_of_it() -> None:
    tree = cards.explanation() | {"refits": 10}
    for row in tree["importance"]:
        row |= {"mean_abs": 0.5, "low": 0.125, "high": 0.875}
    known = cards.card()
    about = {"explanation_digest": content_digest(tree)}
    known = known.model_copy(update={"traceability": known.traceability.model_copy(update=about)})
    text = render(known, cards.evidence(), cards.audit(), tree, language="en")
    assert "95% of refits" in text
    assert "[0.12, 0.88]" in text

"""The CDS Hooks 2.0 door, requirement by requirement, and every block of the specification."""

from __future__ import annotations

import copy
import json
import re
import runpy
import shutil
import subprocess
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from serving import cds_hooks, contract, doors, fhir
from serving.__main__ import main
from serving.cds_hooks.asking import Call, file_of
from serving.cds_hooks.cards import LONGEST_SUMMARY, OVERRIDE_REASONS, card
from serving.cds_hooks.discovery import templates
from serving.contract import Risk, now
from serving.desk import Desk
from serving.desks import Desks
from serving.hardening import Stopped
from serving.openapi import EXAMPLES, examples, specification
from serving.refusals import Suspended
from serving.scoring import score
from serving.settings import ANY_SITE
from tests.conftest import REPOSITORY, at_most
from tests.serving import files
from tests.serving.conftest import HOME, ORIGIN

SERVICE = "/cds-services/vigie-cardiovascular"
CANARY = "Zebulon7391"
AS_OF = datetime(2025, 3, 3, 8)
INSTANCE = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"


def recent(document: dict[str, Any]) -> dict[str, Any]:
    """The documented woman's file, moved so that the day it was about is today."""
    days = (now() - AS_OF).days - 1

    def moved(match: re.Match[str]) -> str:
        return (date.fromisoformat(match[0]) + timedelta(days=days)).isoformat()

    return json.loads(re.sub(r"20(1|2)\d-\d\d-\d\d", moved, json.dumps(document)))


def call(prefetch: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    whole = {
        "hook": "patient-view",
        "hookInstance": INSTANCE,
        "context": {"userId": "Practitioner/example", "patientId": "anna"},
        "prefetch": prefetch,
    }
    return {name: value for name, value in (whole | changes).items() if value is not ...}


@pytest.fixture
def wanted(current):
    return templates(current.concepts)


@pytest.fixture
def body(wanted):
    return call(files.prefetched(wanted, recent(files.bundle())))


# --- The blocks of the specification ----------------------------------------------------------------------


@pytest.fixture
def blocks(shared) -> dict[str, Any]:
    """The blocks by name, with braces as they are meant: one generator of pages escapes them."""
    texts = {path.stem: path.read_text() for path in sorted(shared("data/cds_hooks").glob("*.json"))}
    return {name: json.loads(re.sub(r"\{% (end)?raw  %\}", "", text)) for name, text in texts.items()}


def of_kind(blocks: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {name: block for name, block in blocks.items() if set(keys) <= set(block)}


def test_every_block_is_of_a_kind_that_is_looked_at(blocks):
    kinds = [("services",), ("prefetch",), ("fhirAuthorization",), ("source",), ("overrideReasons",), ("cards",),
             ("feedback",), ("context",), ("summary",), ("iss",), ("kty",), ("type", "description")]  # fmt: skip
    looked_at = {name for kind in kinds for name in of_kind(blocks, *kind)}
    assert looked_at == set(blocks)


def service_faults(service: dict[str, Any]) -> list[str]:
    """What is wrong with a service in a discovery, by requirements 4 to 13."""
    found = [name for name in ("hook", "description", "id") if not isinstance(service.get(name), str)]
    found += [name for name in ("title", "usageRequirements") if not isinstance(service.get(name, ""), str)]
    return found + [fault for template in service.get("prefetch", {}).values() for fault in prefetch_faults(template)]


def prefetch_faults(template: str) -> list[str]:
    """What of a prefetch template CDS Hooks 2.0 does not allow (29, 36, 55 to 59)."""
    found = [token for token in re.findall(r"\{\{(.*?)\}\}", template) if not re.fullmatch(TOKEN, token)]
    names = [part.partition("=")[0] for part in template.partition("?")[2].split("&")]
    return found + [name for name in names if ":" in name and not name.startswith("sort")]


TOKEN = r"context\.\w+|user(Practitioner|PractitionerRole|Patient|RelatedPerson)Id"


def card_faults(shown: dict[str, Any]) -> list[str]:
    """What is wrong with a card, by requirements 80 to 147."""
    found = [] if 0 < len(shown["summary"]) < 140 else ["summary"]
    found += [] if shown["indicator"] in ("info", "warning", "critical") else ["indicator"]
    found += [] if isinstance(shown.get("source", {}).get("label"), str) else ["source"]
    found += ["selectionBehavior"] if "suggestions" in shown and "selectionBehavior" not in shown else []
    found += ["override reason" for reason in shown.get("overrideReasons", []) if not reason.get("display")]
    for link in shown.get("links", []):
        found += [] if link["type"] in ("absolute", "smart") and link["label"] else ["link"]
        found += [] if re.match(r"https?://", link["url"]) else ["link address"]
        found += ["appContext"] if "appContext" in link and link["type"] != "smart" else []
    found += [f"{path} is null or empty" for path, value in walked(shown) if value in (None, "", [], {})]
    return found


def walked(value: Any, path: str = "") -> list[tuple[str, Any]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(path, value), *(each for name, part in parts for each in walked(part, f"{path}.{name}"))]


def test_the_checks_accept_what_the_specification_shows_and_nothing_of_3_0(blocks):
    services = [each for block in of_kind(blocks, "services").values() for each in block["services"]]
    assert len(services) == 8
    assert [service_faults(each) for each in services] == [[]] * 8
    cards = [each for block in of_kind(blocks, "cards").values() for each in block["cards"]]
    assert len(cards) == 4
    assert [card_faults(each) for each in cards] == [[]] * 4
    (without_source,) = of_kind(blocks, "summary").values()
    assert card_faults(without_source) == ["source"]
    ours, later = set(), set()
    for name, block in of_kind(blocks, "prefetch").items():
        if "hook" not in block:
            faults = [fault for value in block["prefetch"].values() for fault in prefetch_faults(value)]
            (later if faults else ours).add(name.rpartition("__")[0])
    assert later == {"HL7-cds-hooks__input_pagecontent_index__10", "HL7-cds-hooks__input_pagecontent_index__13"}
    assert len(ours) == 4


# --- Discovery --------------------------------------------------------------------------------------------


def test_discovery_lists_the_service(asked):
    answer = asked.get("/cds-services")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    (service,) = answer.json()["services"]
    assert service_faults(service) == []
    assert (service["hook"], service["id"]) == ("patient-view", "vigie-cardiovascular")
    assert service["title"]
    assert [path for path, value in walked(service) if value in (None, "", [], {})] == []


def test_discovery_is_empty_while_no_model_may_be_used(asked):
    asked.inner.state.desks = Desks((Desk(None, Suspended("the committee suspended it")),))
    assert asked.get("/cds-services").json() == {"services": []}


def test_only_what_the_model_reads_is_asked_for(current, wanted):
    assert set(wanted) == {
        "patient",
        "observations",
        "episodes",
        "conditions",
        "prescriptions",
        "treatments",
        "procedures",
        "encounters",
    }
    read = {str(code) for concept in current.concepts for code in concept.codes}
    asked = wanted["observations"].partition("&code=")[2].split(",")
    assert "http://loinc.org|85354-9" in asked, "the panel under which a pressure comes"
    assert "http://loinc.org|72166-2" in asked, "the question to which smoking is the answer"
    measured = {f"http://loinc.org|{code[6:]}" for code in read if re.fullmatch(r"LOINC:\d+-\d", code)}
    assert measured <= set(asked)
    assert "http://loinc.org|4548-4" not in asked, "HbA1c, which this model does not read"
    nothing_measured = [concept for concept in current.concepts if concept.name in ("birth", "sex", "diabetes")]
    assert set(templates(nothing_measured)) == {"patient", "conditions", "procedures"}


@pytest.mark.slow
def test_what_is_prefetched_gives_the_answer_of_the_whole_file(current, wanted, shared):
    """On files made by others: what the templates leave out changes nothing."""
    risks = 0
    for patient, document in files.synthea(shared, 13):
        sent = call(files.prefetched(wanted, document), context={"userId": "Practitioner/1", "patientId": patient})
        bundle = file_of(Call.model_validate_json(json.dumps(sent)), wanted)
        for year in (1995, 2005, 2015):
            moment = now().replace(year=year, month=6, day=15)
            one, whole = (
                score(current, fhir.read(each, current.concepts, moment, now()).reading.history, moment)
                for each in (bundle, document)
            )
            assert one == whole
            risks += isinstance(one, Risk)
    assert risks > 3


# --- A call and its card ----------------------------------------------------------------------------------


def test_a_call_is_answered_with_a_card(asked, body, current):
    answer = asked.post(SERVICE, json=body)
    assert answer.status_code == 200
    (shown,) = answer.json()["cards"]
    assert card_faults(shown) == []
    assert str(UUID(shown["uuid"])) == shown["uuid"]
    assert "suggestions" not in shown
    assert shown["indicator"] == "warning"
    assert re.search(r"\d,\d\u202f% \(risque (très )?élevé, ESC 2021\)", shown["summary"])
    assert "augmente le risque" in shown["detail"]
    assert shown["links"][0]["url"] == shown["source"]["url"] == f"{HOME}/models/cardiovascular/card.fr.html"
    assert {reason["code"] for reason in shown["overrideReasons"]} == set(OVERRIDE_REASONS)
    assert "pas un dispositif médical" in shown["detail"]


def test_the_card_says_what_every_other_door_says(asked, body, current):
    (shown,) = asked.post(SERVICE, json=body, headers={"accept-language": "en"}).json()["cards"]
    assessment = asked.post("/fhir/RiskAssessment/$evaluate", json=recent(files.bundle())).json()
    percentage = assessment["prediction"][0]["probabilityDecimal"]
    assert f" {percentage:.1f}% (" in shown["summary"]


@pytest.mark.parametrize(
    ("headers", "extension", "language"),
    [
        ({}, None, "fr"),
        ({"accept-language": "en-GB,en;q=0.9,fr;q=0.8"}, None, "en"),
        ({"accept-language": "de, fr;q=0.5, en;q=0.4"}, None, "fr"),
        ({"accept-language": "de, en;q=nan, fr;q=0"}, None, "fr"),
        ({"accept-language": "en"}, {"vigie.language": "fr"}, "fr"),
        ({}, {"vigie.language": "en"}, "en"),
        ({"accept-language": "en"}, {"vigie.language": "de", "com.example.more": {"a": [1]}}, "en"),
    ],
)
def test_cards_are_in_the_users_language(asked, body, headers, extension, language):
    (shown,) = asked.post(SERVICE, json=body | {"extension": extension}, headers=headers).json()["cards"]
    assert shown["links"][0]["label"] == {"fr": "Carte du modèle", "en": "Model card"}[language]
    assert shown["overrideReasons"][3]["display"] == {"fr": "Refus du patient", "en": "The patient declines"}[language]


def test_the_same_call_gets_the_same_card_again(asked, body):
    first, again = (asked.post(SERVICE, json=body).json()["cards"][0]["uuid"] for _ in range(2))
    other = asked.post(SERVICE, json=body | {"hookInstance": INSTANCE.replace("d", "e")}).json()["cards"][0]["uuid"]
    assert first == again != other


def test_an_abstention_is_a_card_too(asked, wanted):
    document = recent(files.without("bp1", "bp2", "bp3"))
    (shown,) = asked.post(SERVICE, json=call(files.prefetched(wanted, document))).json()["cards"]
    assert card_faults(shown) == []
    assert shown["indicator"] == "info"
    assert shown["summary"].endswith("pas d’estimation")
    assert "Pression artérielle mesurée depuis moins de 2 ans" in shown["detail"]


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("category", ["low_to_moderate", "high", "very_high", None])
def test_no_card_is_critical_and_every_summary_fits(admitted, category, language):
    read = fhir.read(files.bundle(), admitted.concepts, AS_OF, now())
    answer = score(admitted, read.reading.history, read.reading.as_of)
    assert isinstance(answer, Risk)
    assert answer.category is not None
    changed = answer.category.model_copy(update={"code": category}) if category else None
    answer = answer.model_copy(update={"category": changed, "demonstration": True})
    long_title = admitted.card.identity.model_copy(update={"title": answer.notice})
    named = copy.copy(admitted)
    object.__setattr__(named, "card", admitted.card.model_copy(update={"identity": long_title}))
    for of in (admitted, named):
        shown = card(of, answer, UUID(INSTANCE), language, HOME)
        assert card_faults(shown) == []
        assert shown["indicator"] == ("warning" if category in ("high", "very_high") else "info")
        assert shown["summary"].startswith("D")
        assert len(shown["summary"]) <= LONGEST_SUMMARY


def test_nothing_is_shown_while_no_model_may_be_used(asked, body):
    """The kill switch: whoever opens a file is not disturbed."""
    asked.inner.state.desks = Desks((Desk(None, Suspended("the committee suspended it")),))
    answer = asked.post(SERVICE, json=body)
    assert (answer.status_code, answer.json()) == (200, {"cards": []})


def test_other_services_are_not_here(asked, body):
    for path in ("/cds-services/other", "/cds-services/vigie-breast", "/cds-services/vigie-breast/feedback"):
        answer = asked.post(path, json={"feedback": []} if path.endswith("feedback") else body)
        assert answer.status_code == 404
        assert answer.json()["issue"][0]["code"] == "not-found"
    assert asked.get(SERVICE).status_code == 405


# --- What must be sent along ------------------------------------------------------------------------------

OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}


@pytest.mark.parametrize(
    "change",
    [
        lambda sent: sent.clear(),
        lambda sent: sent.pop("observations"),
        lambda sent: sent.pop("conditions"),
        lambda sent: sent.update(patient=None),
        lambda sent: sent.update(patient=OUTCOME),
        lambda sent: sent.update(conditions=OUTCOME),
        lambda sent: sent.update(conditions=[]),
        lambda sent: sent.update(conditions="none"),
        lambda sent: sent.update(
            conditions={"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": OUTCOME}]}
        ),
        lambda sent: sent["observations"].update(link=[{"relation": "next", "url": "https://ehr.example/2"}]),
    ],
)
def test_what_was_not_sent_whole_is_a_412(asked, body, change):
    change(body["prefetch"])
    answer = asked.post(SERVICE, json=body)
    assert answer.status_code == 412
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert "prefetch." in answer.json()["issue"][0]["expression"][0]


def test_null_says_that_there_is_none(asked, body, wanted):
    assert body["prefetch"]["conditions"] is not None
    without = call(files.prefetched(wanted, recent(files.without("hypertension"))))
    assert without["prefetch"]["conditions"] is None
    assert asked.post(SERVICE, json=without).status_code == 200
    nothing = {"resourceType": "Bundle", "type": "searchset", "total": 0, "entry": []}
    without["prefetch"]["conditions"] = nothing
    assert asked.post(SERVICE, json=without).status_code == 200


def test_a_call_without_any_prefetch_names_all_that_is_wanted(asked, blocks, wanted):
    request = blocks["cds-hooks-docs__docs_quickstart__02__request_patient-view"]
    answer = asked.post(SERVICE, json=request)
    assert answer.status_code == 412
    places = [issue["expression"][0] for issue in answer.json()["issue"]]
    assert places == [f"prefetch.{key}" for key in wanted]


# --- What a call may be -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"hook": "order-sign"}, "hook"),
        ({"hook": ...}, "hook"),
        ({"hookInstance": CANARY}, "hookInstance"),
        ({"hookInstance": "{d1577c69-dfbe-44ad-ba6d-3e05e953b2}"}, "hookInstance"),
        ({"hookInstance": 3}, "hookInstance"),
        ({"context": ...}, "context"),
        ({"context": {"userId": "Practitioner/1"}}, "context.patientId"),
        ({"context": {"userId": CANARY, "patientId": "anna"}}, "context.userId"),
        ({"context": {"userId": "Practitioner/1", "patientId": f"a {CANARY}"}}, "context.patientId"),
        ({"fhirAuthorization": {"access_token": CANARY}}, "(body)"),
        ({"prefetch": [CANARY]}, "prefetch"),
        ({"context": {"userId": "Practitioner/1", "patientId": "bert"}}, "prefetch.patient.id"),
    ],
)
def test_what_is_no_call_is_refused_without_what_was_sent(asked, body, changes, place):
    wrong = {name: value for name, value in (body | changes).items() if value is not ...}
    answer = asked.post(SERVICE, json=wrong)
    assert answer.status_code == 422
    assert [issue["expression"][0] for issue in answer.json()["issue"]] == [place]
    assert CANARY not in answer.text


def test_requests_of_the_specification(asked, blocks, body):
    """The one without a patient is told so; contexts of other hooks may say more than this hook's."""
    told = asked.post(SERVICE, json=blocks["cds-hooks-docs__docs_specification_current__30__request_patient-view"])
    assert told.status_code == 422
    assert [issue["expression"][0] for issue in told.json()["issue"]] == ["context.patientId"]
    contexts = {name: block for name, block in of_kind(blocks, "context").items() if "hook" not in block}
    assert len(contexts) == 8
    for block in contexts.values():
        more = block["context"] | body["context"]
        assert asked.post(SERVICE, json=body | {"context": more}).json()["cards"]


def test_what_3_0_adds_is_let_through(asked, body):
    more = {
        "hookVersion": "2.0.0",
        "extension": {"com.example.timestamp": "2017-11-27T22:13:25Z"},
        "capabilities": {"actionSelectionBehavior": True},
    }
    context = body["context"] | {"encounterId": "89284", "tenant": "x"}
    assert asked.post(SERVICE, json=body | more | {"context": context}).json()["cards"]


def test_the_authorisation_is_never_used_kept_or_shown(asked, body, blocks, caplog, tmp_path, monkeypatch):
    """No FHIR server is ever asked, whatever token comes along."""
    import socket

    def no_network(*_: Any, **__: Any) -> None:
        raise AssertionError("nothing is asked of anybody")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    caplog.set_level("DEBUG")
    for block in of_kind(blocks, "fhirAuthorization").values():
        token = block["fhirAuthorization"]["access_token"]
        sent = body | block | {"fhirServer": "https://fhir.example.org"}
        (jwt,), (key,) = of_kind(blocks, "iss").values(), of_kind(blocks, "kty").values()
        bearer = {"authorization": f"Bearer {jwt['jti']}.{key['x']}"}
        answer = asked.post(SERVICE, json=sent, headers=bearer)
        assert answer.json()["cards"]
        for secret in (token, jwt["jti"], key["x"], "fhir.example.org"):
            assert secret not in answer.text
            assert secret not in caplog.text
        parsed = Call.model_validate_json(json.dumps(sent))
        assert token not in repr(parsed)


@at_most(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.sampled_from(["hook", "hookInstance", "context", "prefetch", "extension", "fhirServer", "observations"]),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=6),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
        max_leaves=8,
    ),
)
def test_whatever_is_sent_is_answered_or_refused(asked, body, key, value):
    sent = copy.deepcopy(body)
    (sent["prefetch"] if key == "observations" else sent)[key] = value
    assert asked.post(SERVICE, json=sent).status_code in (200, 412, 422)


# --- Examples, as years go by ------------------------------------------------------------------------------

LATER = [date(2027, 3, 1), date(2032, 2, 29), date(2061, 7, 14)]


@pytest.mark.parametrize("today", LATER)
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_example_of_a_call_does_not_grow_old(current, wanted, today, example):
    moment = datetime.combine(today, time(12))
    sent = examples.call(wanted, example, today)
    bundle = file_of(Call.model_validate_json(json.dumps(sent)), wanted)
    answer = score(current, fhir.read(bundle, current.concepts, moment, moment).reading.history, moment)
    assert answer.kind == example
    if isinstance(answer, Risk):
        (age,) = (each.value for each in answer.inputs if each.feature == "age")
        assert int(age) == 62


@pytest.mark.parametrize("today", LATER)
def test_examples_of_the_documentation_are_answered_the_same_whatever_day_it_is(asked, current, monkeypatch, today):
    def answers() -> list[Any]:
        paths = specification(current)["paths"]
        kinds = {"/score/{study}": "json", "/fhir/RiskAssessment/$evaluate": "fhir+json", "/cds-services/{id}": "json"}
        found = []
        for path, kind in kinds.items():
            content = paths[path]["post"]["requestBody"]["content"][f"application/{kind}"]
            place = path.format(study="cardiovascular", id="vigie-cardiovascular")
            for name, example in content["examples"].items():
                told = asked.post(place, json=example["value"], headers={"accept-language": "en"}).json()
                shown = told["cards"][0]["summary"] if "cards" in told else told.get("status", told.get("kind"))
                figure = told.get("prediction", [{}])[0].get("probabilityDecimal", told.get("risk"))
                found.append((path, name, shown, figure and round(figure, 2)))
        return found

    now_ = answers()
    assert len({shown for _, _, shown, _ in now_}) >= 6, "risks and abstentions, at each door"
    moment = datetime.combine(today, time(12))
    for module in (contract, doors, examples):
        monkeypatch.setattr(module, "now", lambda: moment)
    assert answers() == now_


@pytest.mark.parametrize("today", LATER)
def test_clients_open_a_file_that_does_not_grow_old(current, wanted, monkeypatch, today):
    """The file is stored with fixed dates; clients move them, as they would not have to with a real one."""
    folder = REPOSITORY / "serving" / "examples"
    client = runpy.run_path(str(folder / "client.py"))
    clock = type("Clock", (date,), {"today": classmethod(lambda _: today)})
    client["as_if_today"].__globals__["date"] = clock
    moved = [client["as_if_today"](json.loads((folder / "parameters.json").read_text()))]
    if shutil.which("node"):
        script = (
            "const RealDate = Date; globalThis.Date = class extends RealDate {"
            " constructor(...given) { super(...(given.length ? given : [process.argv[1]])); } };"
            "const { asIfToday } = require(process.argv[2]);"
            "console.log(JSON.stringify(asIfToday(JSON.parse(require('fs').readFileSync(process.argv[3])))))"
        )
        given = [today.isoformat(), str(folder / "client.js"), str(folder / "parameters.json")]
        ran = subprocess.run(["node", "-e", script, *given], capture_output=True, text=True, check=True)
        moved.append(json.loads(ran.stdout))
    moment = datetime.combine(today, time(12))
    for bundle in moved:
        assert bundle == moved[0]
        answer = score(current, fhir.read(bundle, current.concepts, moment, moment).reading.history, moment)
        assert isinstance(answer, Risk)


# --- Pages of other sites ---------------------------------------------------------------------------------


def test_pages_of_any_site_may_ask_where_any_may(asked, body):
    asked.wall.origins = frozenset({ANY_SITE})
    for origin in ("https://elsewhere.example", "null"):
        ask = {"origin": origin, "access-control-request-method": "POST"}
        assert asked.options(SERVICE, headers=ask).headers["access-control-allow-origin"] == "*"
        answer = asked.post(SERVICE, json=body, headers={"origin": origin})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
        assert "access-control-allow-credentials" not in answer.headers
        assert "access-control-allow-origin" not in asked.get("/models", headers={"origin": origin}).headers
    assert "access-control-allow-origin" not in asked.get("/cds-services").headers, "nobody asked"


def test_an_address_that_is_no_address_is_told_like_any_other(asked):
    answer = asked.post("/cds-services/%0Avigie", json={})
    assert (answer.status_code, answer.json()["resourceType"]) == (404, "OperationOutcome")


def test_pages_of_allowed_sites_may_ask(asked, body):
    ask = {"origin": ORIGIN, "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    permitted = asked.options(SERVICE, headers=ask)
    assert permitted.status_code == 204
    assert permitted.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in permitted.headers["access-control-allow-methods"]
    assert "Content-Type" in permitted.headers["access-control-allow-headers"]
    for answer in (
        asked.get("/cds-services", headers={"origin": ORIGIN}),
        asked.post(SERVICE, json=body, headers={"origin": ORIGIN}),
        asked.post(SERVICE, json={}, headers={"origin": ORIGIN}),
        asked.post(SERVICE, content=b"{", headers={"origin": ORIGIN, "content-type": "application/json"}),
    ):
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "https://software.example.evil.example", "*"])
def test_pages_of_other_sites_may_not(asked, origin):
    ask = {"origin": origin, "access-control-request-method": "POST"}
    assert asked.options(SERVICE, headers=ask).status_code == 405
    assert "access-control-allow-origin" not in asked.get("/cds-services", headers={"origin": origin}).headers


def test_only_this_door_is_for_pages_of_other_sites(asked):
    for path in ("/models", "/fhir/metadata", "/"):
        assert "access-control-allow-origin" not in asked.get(path, headers={"origin": ORIGIN}).headers


# --- Feedback ---------------------------------------------------------------------------------------------


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "card": "4e0a3a1e-3283-4575-ab82-028d55fe2719",
        "outcome": "overridden",
        "overrideReason": {"reason": {"code": "patient-refused", "system": "urn:vigie:cds-hooks:override-reason"}},
        "outcomeTimestamp": "2026-03-02T10:05:31Z",
    } | changes


def lines(folder: Path) -> list[dict[str, Any]]:
    file = folder / "data" / cds_hooks.feedback.FILE
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_feedback_of_the_specification_is_kept_without_comments(asked, blocks, tmp_path):
    for block in of_kind(blocks, "feedback").values():
        assert asked.post(f"{SERVICE}/feedback", json=block).status_code == 200
    accepted, overridden = lines(tmp_path)
    assert accepted["outcome"] == "accepted"
    assert accepted["reason"] is None
    assert (overridden["outcome"], overridden["reason"]) == ("overridden", "other")
    assert overridden["at"] == "2020-12-11T00:00:00Z"
    assert set(accepted) == {"told_at", "practice", "service", "card", "outcome", "reason", "at"}
    kept = json.dumps(lines(tmp_path))
    assert "comment" not in kept
    assert "d7ecf885" not in kept, "whoever wrote that code may have written anything"


def test_feedback_holds_nothing_but_what_it_is_for(asked, tmp_path):
    sent = entry(
        overrideReason={"reason": {"code": CANARY, "display": CANARY}, "userComment": CANARY}, extension={"a": CANARY}
    )
    sent["patient"] = CANARY
    assert asked.post(f"{SERVICE}/feedback", json={"feedback": [sent], "more": CANARY}).status_code == 200
    assert CANARY not in json.dumps(lines(tmp_path))


def test_feedback_adds_and_the_latest_of_a_card_counts(asked, tmp_path, capsys):
    told = [
        entry(),
        entry(outcome="accepted", overrideReason=None),
        entry(card="9368d37b-283f-44a0-93ea-547cebab93ed", overrideReason={"userComment": "…"}),
    ]
    for each in (told[:1], told[1:], []):
        assert asked.post(f"{SERVICE}/feedback", json={"feedback": each}).status_code == 200
    assert len(lines(tmp_path)) == 3
    counts = cds_hooks.tally(cds_hooks.kept(tmp_path / "data"))
    assert counts == {"vigie-cardiovascular": {"accepted": 1, "overridden: unstated": 1}}
    assert main(["feedback", "--data", str(tmp_path / "data")]) == 0
    assert "vigie-cardiovascular: 2 cards" in capsys.readouterr().out
    assert main(["feedback", "--data", str(tmp_path / "data"), "--jsonl"]) == 0
    assert [json.loads(line)["outcome"] for line in capsys.readouterr().out.splitlines()] == ["accepted", "overridden"]
    assert main(["feedback", "--data", str(tmp_path / "nowhere")]) == 4


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"card": CANARY}, "feedback.0.card"),
        ({"outcome": CANARY}, "feedback.0.outcome"),
        ({"outcomeTimestamp": CANARY}, "feedback.0.outcomeTimestamp"),
        ({"outcomeTimestamp": "2026-03-02T10:05:31"}, "feedback.0.outcomeTimestamp"),
        ({"overrideReason": CANARY}, "feedback.0.overrideReason"),
    ],
)
def test_what_is_no_feedback_is_refused_whole(asked, tmp_path, changes, place):
    answer = asked.post(
        f"{SERVICE}/feedback", json={"feedback": [entry(), entry()][:1] and [entry(**changes), entry()]}
    )
    assert answer.status_code == 422
    assert [issue["expression"][0] for issue in answer.json()["issue"]] == [place]
    assert CANARY not in answer.text
    assert lines(tmp_path) == []


def test_too_much_feedback_at_once_is_refused(asked, tmp_path):
    answer = asked.post(f"{SERVICE}/feedback", json={"feedback": [entry()] * 201})
    assert answer.status_code == 422
    assert "from 0 to 200 feedback" in answer.text


def test_feedback_is_not_taken_where_it_would_be_lost(asked):
    asked.inner.state.data = None
    assert asked.post(f"{SERVICE}/feedback", json={"feedback": [entry()]}).status_code == 503


def test_a_prefetch_of_another_patient_is_refused(current, wanted, body):
    body["prefetch"]["patient"]["id"] = "bert"
    with pytest.raises(Stopped) as caught:
        file_of(Call.model_validate_json(json.dumps(body)), wanted)
    assert caught.value.status == 422

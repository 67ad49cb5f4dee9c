"""A card cannot lie by omission: whatever is altered, absent, undecided or over, the gate says so."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from features.catalogue.cardiovascular import CARDIOVASCULAR
from features.digests import digest, digest_folder
from serving import gate, refusals
from serving.gate import admit
from serving.refusals import Refused
from tests.serving import bundles
from tests.serving.bundles import DECIDED, NOW, decide
from training.committee import Ledger, demonstration_key, demonstration_keys, generate_key, save_public_key


def refusal(bundle: Path, trusted: Path, now: datetime = NOW, **options: str) -> Refused:
    with pytest.raises(Refused) as caught:
        admit(bundle, trusted, now, **options)
    assert type(caught.value).code == caught.value.code
    return caught.value


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if a byte of the model is parsed."""

    def parsed(_: Path) -> None:
        raise AssertionError("the model was parsed before everything was checked")

    monkeypatch.setattr(gate, "load", parsed)


def alter(path: Path, position: int | None = None) -> None:
    data = bytearray(path.read_bytes())
    where = len(data) // 2 if position is None else position
    data[where] ^= 1
    path.write_bytes(bytes(data))


def test_what_is_in_order_is_admitted(bundle, trusted):
    admitted = admit(bundle, trusted, NOW)
    assert admitted.artefact.features.fingerprint == CARDIOVASCULAR.fingerprint
    assert admitted.decision.verdict == "approved"
    assert admitted.model_digest == digest_folder(bundle / "model")
    assert admitted.card_digest == admitted.card.digest
    assert not admitted.demonstration


MODEL_FILES = sorted(gate.MODEL_FILES)


@pytest.mark.parametrize(
    ("file", "code"),
    [
        *((f"model/{name}", "model_altered") for name in MODEL_FILES),
        ("card.json", "card_altered"),
        ("evidence.json", "document_altered"),
        ("audit.json", "document_altered"),
        ("explanation.json", "document_altered"),
        ("monitoring.json", "document_altered"),
        ("ledger.jsonl", "ledger_altered"),
    ],
)
@pytest.mark.usefixtures("unloaded")
def test_one_altered_byte_is_refused(bundle, trusted, file, code):
    alter(bundle / file)
    assert refusal(bundle, trusted).code == code


@pytest.mark.usefixtures("unloaded")
def test_another_reference_for_monitoring_is_refused_by_its_name(bundle, trusted):
    (bundle / "monitoring.json").write_bytes(b'{"study":"other"}')
    assert "monitoring.json is not the one its card describes" in str(refusal(bundle, trusted))
    (bundle / "monitoring.json").unlink()
    assert refusal(bundle, trusted).code == "document_missing"


@pytest.mark.usefixtures("unloaded")
@pytest.mark.parametrize("step", [101, pytest.param(7, marks=pytest.mark.slow)])
def test_no_byte_of_the_small_files_can_be_altered(bundle, trusted, step):
    for file in ("evidence.json", "audit.json", "explanation.json", "monitoring.json", "ledger.jsonl"):
        original = (bundle / file).read_bytes()
        for position in range(0, len(original), step):
            alter(bundle / file, position)
            assert refusal(bundle, trusted).code in ("document_altered", "ledger_altered", "key_untrusted")
            (bundle / file).write_bytes(original)


@pytest.mark.usefixtures("unloaded")
def test_an_altered_signature_is_refused(bundle, trusted):
    ledger = bundle / "ledger.jsonl"
    text = ledger.read_text()
    signature = text.index('"signature":"') + len('"signature":"')
    flipped = "0" if text[signature] != "0" else "1"
    ledger.write_text(text[:signature] + flipped + text[signature + 1 :])
    found = refusal(bundle, trusted)
    assert found.code == "ledger_altered"
    assert "signature" in str(found)


@pytest.mark.usefixtures("unloaded")
def test_a_card_written_otherwise_is_refused(bundle, trusted):
    (bundle / "card.json").write_text((bundle / "card.json").read_text() + " ")
    assert refusal(bundle, trusted).code == "card_altered"


@pytest.mark.parametrize(
    ("file", "code"),
    [
        *((f"model/{name}", "model_missing") for name in MODEL_FILES if name != "competing.skops"),
        ("model/competing.skops", "model_altered"),
        ("card.json", "card_missing"),
        ("evidence.json", "document_missing"),
        ("audit.json", "document_missing"),
        ("explanation.json", "document_missing"),
        ("ledger.jsonl", "ledger_missing"),
    ],
)
@pytest.mark.usefixtures("unloaded")
def test_an_absent_file_is_refused(bundle, trusted, file, code):
    (bundle / file).unlink()
    assert refusal(bundle, trusted).code == code


@pytest.mark.usefixtures("unloaded")
def test_an_absent_bundle_is_refused(tmp_path, trusted):
    found = refusal(tmp_path / "nowhere", trusted)
    assert found.code == "bundle_missing"
    assert "serving release" in str(found)


@pytest.mark.usefixtures("unloaded")
def test_an_absent_model_is_refused(bundle, trusted):
    for path in (bundle / "model").iterdir():
        path.unlink()
    (bundle / "model").rmdir()
    assert refusal(bundle, trusted).code == "model_missing"


@pytest.mark.parametrize("file", ["model/model.pkl", "model/event.joblib", "notes.pickle", "model/readme.txt"])
@pytest.mark.usefixtures("unloaded")
def test_a_pickle_is_refused_whatever_its_name(bundle, trusted, file):
    (bundle / file).write_bytes(pickle.dumps({"a": 1}))
    found = refusal(bundle, trusted)
    assert found.code == "pickle_found"
    assert file in str(found)


@pytest.mark.usefixtures("unloaded")
def test_a_pickle_in_the_place_of_a_model_file_is_refused(bundle, trusted):
    (bundle / "model" / "event.skops").write_bytes(pickle.dumps({"a": 1}))
    assert refusal(bundle, trusted).code == "pickle_found"


@pytest.mark.usefixtures("unloaded")
def test_a_file_the_model_has_no_use_for_is_refused(bundle, trusted):
    (bundle / "model" / "more.json").write_text("{}")
    found = refusal(bundle, trusted)
    assert found.code == "unexpected_file"
    assert "more.json" in str(found)


@pytest.mark.usefixtures("unloaded")
def test_a_card_with_holes_is_refused(bundle, trusted):
    card = admitted_card(bundle)
    holed = card.model_copy(update={"authored": card.authored.model_copy(update={"intended_use": None})})
    (bundle / "card.json").write_text(holed.to_json())
    found = refusal(bundle, trusted)
    assert found.code == "card_unfinished"
    assert "authored.intended_use" in str(found)


def admitted_card(bundle: Path) -> gate.ModelCard:
    return gate.ModelCard.from_json((bundle / "card.json").read_bytes())


@pytest.mark.usefixtures("unloaded")
def test_what_nobody_decided_about_is_refused(unapproved, trusted):
    assert refusal(unapproved, trusted).code == "ledger_missing"
    Ledger(unapproved / "ledger.jsonl").path.touch()
    assert refusal(unapproved, trusted).code == "not_approved"


@pytest.mark.usefixtures("unloaded")
def test_an_approval_of_another_card_is_no_approval(unapproved, trusted, committee):
    decide(unapproved, committee, card_digest=digest("another card"))
    assert refusal(unapproved, trusted).code == "not_approved"


@pytest.mark.usefixtures("unloaded")
def test_what_the_committee_refused_is_refused(unapproved, trusted, committee):
    decide(unapproved, committee, "refused")
    assert refusal(unapproved, trusted).code == "refused_by_committee"


@pytest.mark.usefixtures("unloaded")
@pytest.mark.parametrize(("verdict", "code"), [("suspended", "suspended"), ("withdrawn", "withdrawn")])
def test_the_latest_decision_wins(bundle, trusted, committee, verdict, code):
    decide(bundle, committee, verdict, decided_at=DECIDED + timedelta(days=1))
    found = refusal(bundle, trusted)
    assert found.code == code
    assert "2026-01-16" in str(found)


def test_what_is_reinstated_is_admitted(bundle, trusted, committee):
    decide(bundle, committee, "suspended", decided_at=DECIDED + timedelta(days=1))
    decide(bundle, committee, "reinstated", decided_at=DECIDED + timedelta(days=2))
    assert admit(bundle, trusted, NOW).decision.verdict == "reinstated"


@pytest.mark.usefixtures("unloaded")
def test_an_approval_that_is_over_or_not_begun_is_refused(bundle, trusted):
    found = refusal(bundle, trusted, datetime(2027, 1, 16))
    assert found.code == "expired"
    assert "2027-01-15" in str(found)
    assert refusal(bundle, trusted, DECIDED - timedelta(seconds=1)).code == "not_approved"


def test_expiry_is_noticed_without_reading_again(bundle, trusted):
    admitted = admit(bundle, trusted, datetime(2027, 1, 15, 23, 59))
    assert admitted.still_valid(datetime(2027, 1, 15, 23, 59, tzinfo=UTC))
    admitted.require_valid(NOW)
    assert not admitted.still_valid(datetime(2027, 1, 16))
    with pytest.raises(refusals.Expired):
        admitted.require_valid(datetime(2027, 1, 16))


@pytest.mark.usefixtures("unloaded")
def test_a_key_that_is_not_trusted_is_refused(unapproved, trusted):
    decide(unapproved, generate_key())
    found = refusal(unapproved, trusted)
    assert found.code == "key_untrusted"
    assert "it is not trusted here" in str(found)


@pytest.mark.usefixtures("unloaded")
def test_trusted_keys_must_be_there(bundle, tmp_path):
    assert refusal(bundle, tmp_path / "nowhere").code == "keys_unusable"
    (tmp_path / "broken.pem").write_text("not a key")
    assert refusal(bundle, tmp_path).code == "keys_unusable"


def test_a_demonstration_is_trusted_only_where_asked_for_and_says_so(unapproved, trusted):
    decide(unapproved, demonstration_key(), demonstration=True)
    assert refusal(unapproved, trusted).code == "key_untrusted"
    admitted = admit(unapproved, demonstration_keys(), NOW)
    assert admitted.demonstration


@pytest.mark.usefixtures("unloaded")
def test_a_ledger_cut_short_is_noticed_when_its_head_was_noted(bundle, trusted, committee):
    ledger = Ledger(bundle / "ledger.jsonl")
    before = ledger.path.read_bytes()
    decide(bundle, committee, "suspended", decided_at=DECIDED + timedelta(days=1))
    head = ledger.head
    ledger.path.write_bytes(before)
    assert refusal(bundle, trusted, ledger_head=head).code == "ledger_altered"


def test_a_model_that_answers_otherwise_than_it_did_is_refused(
    tmp_path: Path, bundle: Path, trusted: Path, committee: Ed25519PrivateKey
):
    golden = bundle / "model" / "golden.json"
    text = golden.read_text()
    first = text.index("[[0.") + 4
    golden.write_text(text[:first] + ("1" if text[first] != "1" else "2") + text[first + 1 :])
    approve_again(bundle, committee)
    assert refusal(bundle, trusted).code == "model_unusable"


def test_a_model_with_other_features_than_its_card_says_is_refused(bundle, trusted, committee):
    approve_again(bundle, committee, feature_set_fingerprint=digest("others"))
    assert refusal(bundle, trusted).code == "features_differ"


def approve_again(bundle: Path, committee: Ed25519PrivateKey, **digests: str) -> None:
    (bundle / "ledger.jsonl").unlink()
    bundles.assemble(bundle, bundle / "model", **digests)
    decide(bundle, committee)


def test_every_cause_has_its_own_code():
    causes = Refused.__subclasses__()
    codes = [cause.code for cause in causes]
    assert len(set(codes)) == len(codes) == len(causes)


def test_keys_may_be_given_by_id(bundle, committee, tmp_path: Path, trusted: Path):
    save_public_key(committee, tmp_path / "other-name.pem")
    assert admit(bundle, gate.load_trusted_keys(trusted), NOW).decision.verdict == "approved"


def test_what_is_loaded_is_what_was_verified(bundle, trusted, monkeypatch):
    """Whatever happens to the bundle's own folder after the check, the verified copy is what is read."""
    load: Callable[[Path], gate.Artefact] = gate.load

    def meddled(folder: Path) -> gate.Artefact:
        (bundle / "model" / "model.json").write_text("{}")
        return load(folder)

    monkeypatch.setattr(gate, "load", meddled)
    assert admit(bundle, trusted, NOW).artefact.study == "cardiovascular"

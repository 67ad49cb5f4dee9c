"""The gate: a released bundle becomes a model that may answer, or a refusal that says why.

A bundle is a folder: ``model/`` (`training.artefact`), ``card.json``, ``evidence.json``, ``audit.json``,
``explanation.json``, ``monitoring.json``, ``ledger.jsonl`` (the committee's decisions) and the card's pages. All
is checked, on a private copy, before a byte of the model is parsed: what is loaded is what was verified.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from features.codes import Concept
from features.digests import digest, digest_folder
from features.feature_set import FeatureSet
from features.language import Expression, age
from serving import refusals
from serving.refusals import Refused
from training.artefact import Artefact, UnusableModel, load
from training.card import AlteredCard, IncompleteCard, InvalidCard, ModelCard
from training.committee import (
    AlteredLedger,
    Condition,
    Decision,
    InvalidKey,
    Ledger,
    Status,
    StatusKind,
    TrustedKeys,
    latest,
    load_trusted_keys,
)
from training.reasons import measured_ages
from training.values import Bilingual, utc

MODEL_FILES: Final = frozenset(
    {
        "model.json",
        "features.json",
        "population.json",
        "required.json",
        "golden.json",
        "event.skops",
        "competing.skops",
    }
)
DOCUMENTS: Final = ("evidence", "audit", "explanation")
RESTS_ON: Final = {
    **dict.fromkeys(DOCUMENTS, "the one its card rests on"),
    "monitoring": "the one its card describes: use would be compared with other people than the model learned from",
}
"""Documents whose digest is in the card, and what one that is altered is not."""
PICKLES: Final = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle"})
LARGEST_BUNDLE: Final = 1 << 30
#: What conditions of the committee are called among those of the population.
RESTRICTED: Final = "approved_ages_"


@dataclass(frozen=True, eq=False)
class Admitted:
    """A model that may answer.

    Attributes
    ----------
    artefact
        The model with its features, population and required measurements.
    card
        Its model card.
    decision
        The committee's latest decision about the card.
    demonstration
        Whether the approval is a demonstration, which every answer and page must say.
    documents
        Evidence, audit and explanation, as JSON values, in this order.
    """

    artefact: Artefact
    card: ModelCard
    decision: Decision
    demonstration: bool
    documents: Mapping[str, Any]

    @property
    def model_digest(self) -> str:
        """SHA-256 over the model's files."""
        assert self.card.traceability.model_digest is not None
        return self.card.traceability.model_digest

    @cached_property
    def card_digest(self) -> str:
        """SHA-256 over the card: what the committee decided about."""
        return self.card.digest

    @cached_property
    def decision_digest(self) -> str:
        """SHA-256 over the committee's decision, by which it is found in the ledger."""
        return digest(self.decision.model_dump(mode="json"))

    @cached_property
    def conditions(self) -> tuple[Bilingual, ...]:
        """What the committee approved it under, in its own words: a condition in one language is told in both."""
        return tuple(
            Bilingual.same(each)
            if isinstance(each, str)
            else Bilingual(fr=each.fr, en=each.en)
            if isinstance(each, Condition)
            else each
            for each in self.decision.conditions
        )

    @cached_property
    def concepts(self) -> tuple[Concept, ...]:
        """Concepts whose records are read, each once."""
        artefact = self.artefact
        sets = artefact.features, artefact.population, artefact.required
        return tuple(dict.fromkeys(concept for features in sets for concept in features.concepts))

    @cached_property
    def measured_ages(self) -> FeatureSet:
        """How many years old each dated measurement is."""
        return measured_ages(self.artefact.features)

    @cached_property
    def parts(self) -> tuple[FeatureSet, ...]:
        """All that an answer depends on: features, population, required measurements and their ages."""
        return self.artefact.features, self.artefact.population, self.artefact.required, self.measured_ages

    @cached_property
    def whole(self) -> FeatureSet:
        """The same as one set, in this order: what the parts share is computed once."""
        each = {f"{number}.{name}": part[name].node for number, part in enumerate(self.parts) for name in part}
        return FeatureSet("whole", **{name: Expression(node) for name, node in each.items()})

    def still_valid(self, now: datetime) -> bool:
        """Return whether the approval still holds at ``now`` (UTC if it has no time zone); nothing is read again."""
        return self.decision.valid_until is not None and utc(now).date() <= self.decision.valid_until

    def require_valid(self, now: datetime) -> None:
        """Raise `refusals.Expired` if the approval no longer holds at ``now``."""
        if not self.still_valid(now):
            raise refusal_of(Status("expired", self.decision))

    def under(self, status: Status) -> Admitted:
        """Return the model as a later decision about the same card has it; raise `Refused` if that is no approval."""
        if status.kind != "approved" or status.decision is None:
            raise refusal_of(status)
        if status.decision is self.decision or status.decision == self.decision:
            return self
        return replace(
            self,
            artefact=_restricted(self.artefact, status.decision),
            decision=status.decision,
            demonstration=status.demonstration or self.card.identity.demonstration,
        )


def admit(
    bundle: Path,
    trusted_keys: TrustedKeys,
    now: datetime,
    ledger_head: str | None = None,
    *,
    ledger: Path | None = None,
    trial: Callable[[Path], None] | None = None,
) -> Admitted:
    """Return the model of a bundle if everything about it is in order.

    Parameters
    ----------
    bundle
        Folder of the bundle.
    trusted_keys
        Public keys whose decisions count: a folder of PEM files, or keys by id.
    now
        Moment at which the approval must hold; UTC if it has no time zone.
    ledger_head
        `Ledger.head` noted elsewhere: the ledger must still contain that line. Without it, a ledger whose last lines
        were cut off cannot be told from a shorter one.
    ledger
        The committee's own ledger, which then counts in the place of the copy in the bundle.
    trial
        Called with the verified model folder before this process parses it, and raises `Refused` where it should not:
        `serving.trial.tried` loads it in a process that may die.

    Raises
    ------
    Refused
        One subclass a cause, with a stable ``code``.
    """
    with _private_copy(bundle) as copy:
        card = _card(copy)
        _check_files(copy, card)
        status = _status(ledger or copy / "ledger.jsonl", card, trusted_keys, now, ledger_head)
        if status.kind != "approved" or status.decision is None:
            raise refusal_of(status)
        return _loaded(copy, card, status.decision, status.demonstration, trial)


def candidate(bundle: Path, trial: Callable[[Path], None]) -> Admitted:
    """Return the model of a bundle about which nothing need be decided yet, to be compared with one that is approved.

    It is checked and tried as any other. What it says may be counted and is shown to nobody: no decision stands behind
    it, and so its decision says that it is refused.

    Raises
    ------
    Refused
        One subclass a cause, with a stable ``code``.
    """
    with _private_copy(bundle) as copy:
        card = _card(copy)
        _check_files(copy, card)
        undecided = Decision(
            card_digest=card.digest,
            verdict="suspended",
            reasons=Bilingual(fr="Candidat, montré à personne.", en="A candidate, shown to nobody."),
            decided_at=card.identity.created_at,
        )
        return _loaded(copy, card, undecided, True, trial)


def _loaded(
    bundle: Path, card: ModelCard, decision: Decision, demonstration: bool, trial: Callable[[Path], None] | None
) -> Admitted:
    """Return the model of a bundle whose files are verified, under a decision."""
    documents = {name: json.loads((bundle / f"{name}.json").read_bytes()) for name in DOCUMENTS}
    if trial is not None:
        trial(bundle / "model")
    try:
        artefact = _restricted(load(bundle / "model"), decision)
    except UnusableModel as error:
        raise refusals.ModelUnusable(f"{error}. Make the bundle again from the run that trained the model.") from error
    described = card.traceability.feature_set_fingerprint
    if artefact.features.fingerprint != described:
        raise refusals.FeaturesDiffer(
            f"the model computes the features {artefact.features.fingerprint[:12]}…, its card describes "
            f"{str(described)[:12]}…. Make the card again from the run that trained the model."
        )
    return Admitted(artefact, card, decision, demonstration or card.identity.demonstration, documents)


def examine(bundle: Path) -> ModelCard:
    """Return the card of a bundle if it is final and every file is the one it answers for.

    No byte of the model is parsed, and the committee's decisions are not asked for: this is what it takes to be
    submitted to it.

    Raises
    ------
    Refused
        One subclass a cause, with a stable ``code``.
    """
    with _private_copy(bundle) as copy:
        card = _card(copy)
        _check_files(copy, card)
    return card


def _restricted(artefact: Artefact, decision: Decision) -> Artefact:
    """Return the model for the people the committee approved it for: whoever else is abstained from.

    A decision stands alone: what an earlier one restricted no longer holds.
    """
    if not decision.ages and not any(name.startswith(RESTRICTED) for name in artefact.population):
        return artefact
    population = {
        name: Expression(each.node, each.fr, each.en, each.direction, each.stated_absence)
        for name, each in artefact.population.items()
        if not name.startswith(RESTRICTED)
    }
    for number, (youngest, oldest) in enumerate(decision.ages, 1):
        population[f"{RESTRICTED}{number}"] = ((age() >= youngest) & (age() < oldest + 1)).described(
            f"Âge de {youngest} à {oldest} ans, condition du comité",
            f"Aged {youngest} to {oldest}, as the committee requires",
        )
    return replace(artefact, population=FeatureSet(artefact.population.name, **population))


@contextmanager
def _private_copy(bundle: Path) -> Iterator[Path]:
    """Yield a copy nobody else writes to, so that nothing changes between check and use."""
    if not bundle.is_dir():
        raise refusals.BundleMissing(f"there is no bundle at {bundle}: make one with `python -m serving release`")
    size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    if size > LARGEST_BUNDLE:
        raise refusals.BundleTooLarge(
            f"the bundle holds {size:,} bytes, more than {LARGEST_BUNDLE:,}: it is not one of ours"
        )
    with TemporaryDirectory(prefix="vigie-") as folder:
        copy = Path(folder) / "bundle"
        shutil.copytree(bundle, copy)
        yield copy


def _card(bundle: Path) -> ModelCard:
    path = bundle / "card.json"
    if not path.is_file():
        raise refusals.CardMissing("the bundle has no card.json: without its model card a model is not served")
    text = path.read_bytes()
    try:
        card = ModelCard.from_json(text)
    except (InvalidCard, AlteredCard) as error:
        raise refusals.CardAltered(
            f"card.json: {_first_line(error)}. Restore the card the committee decided upon."
        ) from error
    if text != card.to_json().encode():
        raise refusals.CardAltered(
            "card.json is not in the form it was written in. Restore the card the committee decided upon."
        )
    try:
        return card.final()
    except IncompleteCard as error:
        raise refusals.CardUnfinished(f"card.json: {error}") from error


def _check_files(bundle: Path, card: ModelCard) -> None:
    """Compare every file the card answers for with its digest."""
    model = bundle / "model"
    for path in sorted(bundle.rglob("*")):
        if path.suffix in PICKLES or (path.is_file() and _is_pickle(path)):
            raise refusals.PickleFound(
                f"{path.relative_to(bundle)} is a pickle, which runs code when it is read: no bundle of ours holds "
                "one. Treat this bundle as hostile."
            )
    if not model.is_dir():
        raise refusals.ModelMissing("the bundle has no model/ folder. Make the bundle again.")
    names = {path.relative_to(model).as_posix() for path in model.rglob("*")}
    if unexpected := sorted(names - MODEL_FILES):
        raise refusals.UnexpectedFile(
            f"model/ holds what no model of ours has: {', '.join(unexpected)}. Make the bundle again."
        )
    if absent := sorted(MODEL_FILES - {"competing.skops"} - names):
        raise refusals.ModelMissing(f"model/ lacks {', '.join(absent)}. Make the bundle again.")
    if digest_folder(model) != card.traceability.model_digest:
        raise refusals.ModelAltered(
            f"model/ has the digest {digest_folder(model)[:12]}…, its card describes "
            f"{str(card.traceability.model_digest)[:12]}…. Restore the model the committee approved."
        )
    for name, original in RESTS_ON.items():
        path = bundle / f"{name}.json"
        if not path.is_file():
            raise refusals.DocumentMissing(
                f"the bundle has no {path.name}, on which its card rests. Make the bundle again."
            )
        if digest(path.read_bytes()) != getattr(card.traceability, f"{name}_digest"):
            raise refusals.DocumentAltered(f"{path.name} is not {original}. Restore the original.")


def _is_pickle(path: Path) -> bool:
    """Return whether a file begins as pickles of protocol 2 and later do."""
    with path.open("rb") as file:
        start = file.read(2)
    return len(start) == 2 and start[0] == 0x80 and 2 <= start[1] <= 5


def _status(path: Path, card: ModelCard, trusted_keys: TrustedKeys, now: datetime, head: str | None) -> Status:
    """Return where the committee stands, from a ledger in which everything is verified."""
    try:
        keys = load_trusted_keys(trusted_keys)
    except (FileNotFoundError, InvalidKey) as error:
        raise refusals.KeysUnusable(
            f"{error}. Give a folder of Ed25519 public keys (*.pem), as an absolute path."
        ) from error
    if not path.is_file():
        raise refusals.LedgerMissing(
            "the bundle has no ledger.jsonl: the committee has decided nothing about this model"
        )
    try:
        return Status.of(latest(Ledger(path).verify(keys, head), card.digest), now)
    except AlteredLedger as error:
        raise altered(error) from error
    except OSError as error:
        raise unreadable(error) from error


def altered(error: AlteredLedger) -> Refused:
    """Return the refusal that a ledger which is not what was signed amounts to."""
    if error.cause == "key_untrusted":
        return refusals.KeyUntrusted(
            f"ledger.jsonl: {error.what}: it is not trusted here. Put the committee's public key in the folder of "
            "trusted keys, once you have checked with the committee that it is theirs."
        )
    return refusals.LedgerAltered(f"ledger.jsonl: {error}")


def unreadable(error: OSError) -> Refused:
    """Return the refusal that a ledger which cannot be read amounts to."""
    return refusals.LedgerMissing(
        f"the committee's ledger cannot be read ({type(error).__name__}): let the service read it, and its folder"
    )


STATUSES: Final[dict[StatusKind, tuple[type[Refused], str]]] = {
    "not_approved": (refusals.NotApproved, "the committee has not approved this card. Submit it to the committee."),
    "refused": (refusals.RefusedByCommittee, "the committee refused this card: it may not be used."),
    "suspended": (refusals.Suspended, "the committee suspended this card: it may not be used until it is reinstated."),
    "expired": (refusals.Expired, "the committee's approval is over. Ask the committee to renew it."),
}


def refusal_of(status: Status) -> Refused:
    """Return the refusal that a status other than approved amounts to."""
    kind, message = STATUSES[status.kind]
    decision = status.decision
    if decision is None:
        return kind(message)
    if decision.verdict == "withdrawn":
        return refusals.Withdrawn(f"the committee withdrew this card on {decision.decided_at:%Y-%m-%d}, for good.")
    until = f", valid until {decision.valid_until}" if decision.valid_until else ""
    return kind(f"{message} Latest decision: {decision.verdict}, {decision.decided_at:%Y-%m-%d}{until}.")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]

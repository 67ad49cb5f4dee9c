"""The bundles submitted to the committee: a folder each, whose card is what members read and decide about."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from features.typography import Language
from serving.gate import DOCUMENTS, examine
from training.card import AlteredCard, IncompleteCard, InvalidCard, ModelCard, compare_cards, leaflet, render
from training.committee import Decision, Ledger

INCOMING: Final = ".incoming-"


class AlreadySubmitted(Exception):
    """A card that is on the shelf already."""


@dataclass(frozen=True)
class Submitted:
    """A submitted bundle.

    Attributes
    ----------
    folder
        Where it is.
    card
        Its card, complete and unaltered.
    digest
        Of the card.
    """

    folder: Path
    card: ModelCard
    digest: str

    def page(self, decision: Decision | None, language: Language) -> str:
        """Return the card as a page, made from what its digest covers and not from the page in the bundle.

        What members read is thus what they sign for. Raises `AlteredCard` if a document is not the card's.
        """
        documents = {name: self.document(name) for name in DOCUMENTS}
        return render(self.card, **documents, decision=decision, language=language, final=True)

    def leaflet(self, decision: Decision | None, language: Language) -> str:
        """Return the page for patients, made in the same way."""
        return leaflet(self.card, self.document("audit"), decision, language)

    def changes(self, older: Submitted, language: Language) -> str:
        """Return a page that says what changed since another card, made in the same way."""
        audits = older.document("audit"), self.document("audit")
        return compare_cards(older.card, self.card, language, audits=audits)

    def document(self, name: str) -> dict[str, Any]:
        """Return evidence, audit or explanation; raises `AlteredCard` if it is not there or no JSON."""
        try:
            found: dict[str, Any] = json.loads((self.folder / f"{name}.json").read_bytes())
        except (FileNotFoundError, ValueError) as error:
            raise AlteredCard(f"{name}.json is missing or no JSON") from error
        return found


@dataclass(frozen=True)
class Shelf:
    """The folder of submitted bundles."""

    folder: Path

    def submit(self, bundle: Path) -> Submitted:
        """Copy a bundle onto the shelf, whole or not at all, once the gate finds nothing wrong with it.

        Raises
        ------
        Refused
            As `serving.gate.examine`.
        AlreadySubmitted
            If its card is on the shelf.
        """
        card = examine(bundle)
        if self.find(card.digest) is not None:
            raise AlreadySubmitted(f"the card {card.digest[:12]}… was submitted already")
        self.folder.mkdir(parents=True, exist_ok=True)
        copy = Path(mkdtemp(prefix=INCOMING, dir=self.folder))
        try:
            shutil.copytree(bundle, copy, dirs_exist_ok=True)
            (copy / "ledger.jsonl").unlink(missing_ok=True)  # the committee has its own
            if examine(copy).digest != card.digest:
                raise AlteredCard("the bundle changed while it was being submitted: submit it again")
            final = self.folder / card.digest
            copy.rename(final)
        except BaseException:
            shutil.rmtree(copy, ignore_errors=True)
            raise
        return Submitted(final, card, card.digest)

    def submitted(self) -> list[Submitted]:
        """Return every submitted bundle whose card can be read, the latest card first."""
        found = [each for path in self._paths() if (each := _read(path, *_stamp(path))) is not None]
        return sorted(found, key=lambda each: (each.card.identity.created_at, each.digest), reverse=True)

    def unreadable(self) -> list[str]:
        """Return the names of the folders whose card cannot be trusted."""
        return [path.parent.name for path in self._paths() if _read(path, *_stamp(path)) is None]

    def find(self, card_digest: str) -> Submitted | None:
        """Return the bundle of a card, None if it was not submitted."""
        return next((each for each in self.submitted() if each.digest == card_digest), None)

    def publish(self, card_digest: str, ledger: Ledger) -> None:
        """Put the committee's ledger into the bundle of a card, which the gate then finds decided upon."""
        found = self.find(card_digest)
        if found is not None:
            new = found.folder / "ledger.jsonl.new"
            new.write_bytes(ledger.path.read_bytes())
            new.replace(found.folder / "ledger.jsonl")

    def _paths(self) -> Sequence[Path]:
        if not self.folder.is_dir():
            return ()
        return [path for path in sorted(self.folder.glob("*/card.json")) if not path.parent.name.startswith(INCOMING)]


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


@lru_cache(maxsize=256)
def _read(path: Path, size: int, modified: int) -> Submitted | None:
    """Return what is in a bundle, read again when its card's file changes."""
    try:
        card = ModelCard.from_json(path.read_bytes()).final()
    except (InvalidCard, AlteredCard, IncompleteCard):
        return None
    return Submitted(path.parent, card, card.digest)

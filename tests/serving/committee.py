"""A committee that sits today, with its portal's files, for tests of what follows its decisions at once."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from serving.contract import now
from serving.settings import TRUSTED_KEYS
from tests.conftest import REPOSITORY
from tests.serving.portal.sitting import PASSWORD, ROOT, Sitting, signer
from training.committee import save_public_key


@dataclass(frozen=True)
class Standing:
    """A committee and its folder: ``ledger.jsonl``, ``cards/``, ``members.json`` and ``trusted/``."""

    sitting: Sitting

    @classmethod
    def open(cls, folder: Path) -> Standing:
        since = (now() - timedelta(days=2)).replace(tzinfo=UTC, microsecond=0)
        sitting = Sitting.open(folder, declared_at=since)
        sitting.clock.now = since + timedelta(minutes=1)
        (folder / "trusted").mkdir()
        save_public_key(ROOT, folder / "trusted" / "root.pem")
        return cls(sitting)

    @property
    def ledger(self) -> Path:
        return self.sitting.folder / "ledger.jsonl"

    @property
    def trusted(self) -> Path:
        return self.sitting.folder / "trusted"

    def approve(self, bundle: Path, days: int = 30, **changes: object) -> str:
        """Submit a bundle, let the committee approve its card, and return the card's digest."""
        card = self.sitting.committee.shelf.submit(bundle).digest
        self.decide(card, days=days, **changes)
        return card

    def decide(self, card: str, verdict: str = "approved", days: int = 30, **changes: object) -> None:
        """Let the committee decide, two days ago."""
        self.sitting.decide(card, verdict, **_valid(verdict, days), **changes)

    def decide_now(self, card: str, verdict: str, days: int = 30, **changes: object) -> None:
        """Let the committee decide at this moment."""
        then = self.sitting.committee
        sitting = replace(self.sitting, committee=replace(then, clock=lambda: datetime.now(UTC)))
        if verdict == "suspended":
            assert sitting.committee.suspend(signer("chair"), card, "Dérive")
        else:
            sitting.decide(card, verdict, **_valid(verdict, days), **changes)

    def suspend(self, card: str) -> None:
        """Suspend a card by the command that works when everything else is out of order."""
        folder = self.sitting.folder
        command = [sys.executable, "-m", "serving", "portal", "--ledger", str(self.ledger)]
        command += ["--cards", str(folder / "cards"), "--members", str(self.sitting.members)]
        ran = subprocess.run(
            [*command, "suspend", card, "--member", "chair", "--reasons", "Dérive"],
            input=f"{PASSWORD}\n",
            capture_output=True,
            text=True,
            env=os.environ | {TRUSTED_KEYS: str(self.trusted)},
            cwd=REPOSITORY,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr


def _valid(verdict: str, days: int) -> dict[str, object]:
    """Return until when a verdict lets a model be used, if it does."""
    until = (now() + timedelta(days=days)).date().isoformat()
    return {"valid_until": until} if verdict in ("approved", "approved_with_conditions", "reinstated") else {}

"""Where a card stands right now, asked before every answer: the ledger is read again only when its file changes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from threading import Lock

from training.committee.chain import AlteredLedger, head_of
from training.committee.decisions import Decision, Status
from training.committee.keys import TrustedKeys, load_trusted_keys
from training.committee.ledger import Ledger, decisions

Stamp = tuple[int, int, int]


class Watch:
    """A ledger that is asked often, by any number of threads.

    Between two changes of the file a question costs one look at its size, its time and its number on the disk. What
    was seen once must still be there later: a ledger whose end is cut off while it is watched is refused.

    Parameters
    ----------
    path
        The committee's ledger.
    trusted_keys
        Whose decisions count, as for `Ledger.verify`.
    head
        A `Ledger.head` noted earlier, which the ledger must contain.
    """

    def __init__(self, path: Path, trusted_keys: TrustedKeys, head: str | None = None) -> None:
        self._ledger, self._keys = Ledger(path), load_trusted_keys(trusted_keys)
        self._head = head
        self._lock = Lock()
        self._seen: Stamp | None = None
        self._decided: dict[str, Decision] = {}
        self._fault: AlteredLedger | None = None

    def status(self, card_digest: str, now: datetime) -> Status:
        """Return where a card stands; a suspension written a moment ago counts.

        Raises
        ------
        AlteredLedger
            If the ledger cannot be trusted, or is gone after it was there: nothing may then be used.
        """
        with self._lock:
            self._look()
            if self._fault is not None:
                raise self._fault
            decision = self._decided.get(card_digest)
        return Status.of(decision, now)

    def _look(self) -> None:
        """Read the file again if it is not the one that was read."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen, self._fault = None, None  # until it was read, nothing is known of it: it is read at every call
        try:
            entries = self._ledger.verify(self._keys, self._head)
        except AlteredLedger as fault:
            self._seen, self._fault = stamp, fault
            return
        except OSError as error:
            raise AlteredLedger(f"cannot be read ({type(error).__name__})") from error
        self._seen = stamp
        self._head = head_of(entries) if entries else self._head
        self._decided = {decision.card_digest: decision for decision in decisions(entries)}

    def _stamp(self) -> Stamp:
        try:
            found = self._ledger.path.stat()
        except FileNotFoundError:
            return (0, 0, 0)
        return (found.st_ino, found.st_size, found.st_mtime_ns)

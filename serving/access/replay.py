"""Every signed assertion counts once: what was used is remembered until it is over, on disk.

The memory is one SQLite file for all processes of a machine: an assertion that one has taken is refused by the others,
and after a restart. It is bounded: what is over is forgotten, and whatever was over then is refused from then on, even
if the clock is set back. Services on several machines that share no disk share no memory.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from hashlib import sha256
from pathlib import Path
from typing import Final

from serving.hardening import Stopped

FILE: Final = "replay.sqlite"
#: Assertions remembered at most, some 100 bytes each.
MOST: Final = 1_000_000
FORGET_EVERY: Final = 10.0
SCHEMA: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS used (assertion BLOB PRIMARY KEY, over REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS used_over ON used (over);
CREATE TABLE IF NOT EXISTS forgotten (only INTEGER PRIMARY KEY CHECK (only = 1), over REAL NOT NULL);
INSERT OR IGNORE INTO forgotten VALUES (1, 0);
"""


class Used:
    """Assertions that were used.

    Parameters
    ----------
    folder
        Where they are remembered; made if it does not exist.
    most
        How many at most.
    """

    def __init__(self, folder: Path, most: int = MOST) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._most = most
        self._lock = threading.Lock()
        self._next = 0.0
        self._database = sqlite3.connect(folder / FILE, timeout=5, isolation_level=None, check_same_thread=False)
        self._database.executescript(SCHEMA)

    def use(self, issuer: str, identity: str, over: float, now: float | None = None) -> bool:
        """Use an assertion up and return True; return False if it was used before, or may have been.

        Parameters
        ----------
        issuer, identity
            Who signed it, and its ``jti``: together they name it.
        over
            When nobody takes it any more, in seconds since 1970.
        now
            The present moment, by default the clock's.

        Raises
        ------
        Stopped
            503 if so many are remembered that no other can be.
        """
        now = time.time() if now is None else now
        name = sha256(f"{len(issuer)} {issuer} {identity}".encode()).digest()
        with self._lock:
            self._forget(now)
            found = self._database.execute(
                "INSERT OR IGNORE INTO used SELECT :name, :over WHERE :over > (SELECT over FROM forgotten)",
                {"name": name, "over": over},
            )
            return found.rowcount == 1

    def _forget(self, now: float) -> None:
        """Forget what is over, every now and then; see that there is room."""
        if 0 <= self._next - now <= FORGET_EVERY:
            return
        self._database.execute("BEGIN IMMEDIATE")
        self._database.execute("DELETE FROM used WHERE over < ?", (now,))
        self._database.execute("UPDATE forgotten SET over = max(over, ?)", (now,))
        (held,) = self._database.execute("SELECT count(*) FROM used").fetchone()
        self._database.execute("COMMIT")
        if held >= self._most:
            raise Stopped(503, "overloaded", "too many assertions at once: ask again later", retry_after=60)
        self._next = now + FORGET_EVERY

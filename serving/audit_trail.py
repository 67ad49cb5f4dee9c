"""The audit trail: who asked what of which model and what became of it, without health data, in files that only grow.

One JSON line a request, in a file a month. Each line names the SHA-256 of the line before it, across files, and carries
an HMAC with the deployment's audit key: altering, removing, inserting or reordering lines shows, and nobody without the
key can write lines that hold. Lines cut off *the end* cannot show in the files alone: note the head that `verify` tells
somewhere else, and give it back to `verify`. The oldest files may be deleted when their time is over; `verify` says
from where on it could check.

A line is with the operating system before the answer goes out, and on the disk a second later: killing the process
loses none, a power failure the last second. A line that was being written when the process was killed is *torn*: the
next one says so and carries its digest. Several processes may write to one trail; a lock orders them.
"""

from __future__ import annotations

import fcntl
import hmac
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from features.digests import canonical, digest

FOLDER: Final = "audit"
NAME: Final = re.compile(r"audit-\d{4}-\d{2}\.jsonl")
START: Final = "0" * 64
"""What the very first line names as its predecessor."""

SHORTEST_KEY: Final = 32
LONGEST_LINE: Final = 16 * 1024
TORN: Final = "torn"


class AuditKeyUnusable(ValueError):
    """A key that is none: which file, what is wrong and what to do."""


class AuditTrailUnusable(OSError):
    """A trail that cannot be continued, because its end is not what this service wrote."""


def load_key(path: Path) -> bytes:
    """Return the key in a file: at least 32 bytes, such as the 64 characters of ``openssl rand -hex 32``."""
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise AuditKeyUnusable(f"{path.name} cannot be read ({type(error).__name__})") from error
    if len(key) < SHORTEST_KEY:
        raise AuditKeyUnusable(f"{path.name} holds fewer than {SHORTEST_KEY} bytes: make it with openssl rand -hex 32")
    return key


def own_key(folder: Path) -> bytes:
    """Return the key kept beside a trail, made if there is none: enough to develop with, not to prove anything."""
    path = folder / "audit.key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        made = folder / f"audit.key.{secrets.token_hex(8)}"
        made.touch(mode=0o600)
        made.write_text(secrets.token_hex(SHORTEST_KEY))
        try:
            os.link(made, path)  # the first of several processes wins
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return load_key(path)


class AuditTrail:
    """A trail, written to.

    Parameters
    ----------
    folder
        Where its files are; made if it does not exist.
    key
        Audit key of the deployment.

    Raises
    ------
    AuditTrailUnusable
        If the trail's last whole line is none of this service.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder = folder
        self._key = key
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(folder / "audit.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._file = -1
        self._end = _End("", 0, -1, START, b"")
        with self._locked():
            self._catch_up()

    def keyed(self, purpose: str, value: bytes) -> str:
        """Return the keyed digest of a value: equal values can be told to be equal, and not be guessed."""
        return _keyed(self._key, purpose, value)

    def append(self, facts: Mapping[str, Any]) -> None:
        """Add a line; raise OSError if it cannot be written.

        Parameters
        ----------
        facts
            What is kept, beside the line's number, its time (UTC) and the chain.
        """
        with self._locked():
            moment = datetime.now(UTC)
            self._catch_up()
            if self._end.is_open:
                self._write(b"\n", {"at": _text(moment), **facts})
                return
            if self._end.torn:
                about = {"bytes": len(self._end.torn), "digest": digest(self._end.torn)}
                self._write(b"\n", {"at": _text(moment), TORN: about})
            self._turn_page(moment)
            self._write(b"", {"at": _text(moment), **facts})

    def sync(self) -> None:
        """Have everything that was written on the disk when this returns."""
        if self._file >= 0:
            os.fsync(self._file)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _catch_up(self) -> None:
        """Find the end again if another process wrote, or one was killed while it did."""
        newest = max(_names(self._folder), default="")
        if newest != self._end.name or (newest and os.fstat(self._file).st_size != self._end.size):
            self._end = _end(self._folder)
            self._open(newest)

    def _turn_page(self, moment: datetime) -> None:
        """Begin a new file if the month is over; never an older one than there is, whatever the clock says."""
        name = f"audit-{moment:%Y-%m}.jsonl"
        if name > self._end.name:
            self._open(name)
            self._end = _End(name, 0, self._end.index, self._end.digest, b"")

    def _open(self, name: str) -> None:
        if self._file >= 0:
            os.close(self._file)
        path = self._folder / name
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600) if name else -1

    def _write(self, before: bytes, facts: Mapping[str, Any]) -> None:
        end = self._end
        entry = {"index": end.index + 1, "previous": end.digest, **facts}
        line = canonical(entry | {"seal": _seal(self._key, entry)})
        told = before + line + b"\n"
        written = os.write(self._file, told)
        if written != len(told):
            raise OSError("the audit trail could not be written whole: the disk may be full")
        self._end = _End(end.name, end.size + written, end.index + 1, sha256(line).hexdigest(), b"")


@dataclass(frozen=True)
class _End:
    """Where a trail ends.

    Its newest file and that one's size, number and SHA-256 of the last whole line, what is torn after it, and whether
    nothing but that line's end is missing.
    """

    name: str
    size: int
    index: int
    digest: str
    torn: bytes
    is_open: bool = False


def _end(folder: Path) -> _End:
    """Return where a trail ends, from its files."""
    names = sorted(_names(folder), reverse=True)
    if not names:
        return _End("", 0, -1, START, b"")
    size = (folder / names[0]).stat().st_size
    fragment = b""
    for name in names:
        *whole, torn = _tail(folder / name).split(b"\n")
        if name == names[0] and (found := _parsed(torn)) is not None:
            return _End(name, size, found["index"], digest(torn), b"", is_open=True)
        while whole:
            if (found := _parsed(whole[-1])) is not None:
                return _End(names[0], size, found["index"], digest(whole[-1]), torn + fragment)
            torn = whole.pop() + b"\n" + torn
        fragment = torn + fragment
        if len(fragment) > LONGEST_LINE:
            raise AuditTrailUnusable(f"{name} does not end with a line of this service: see `audit verify`")
    return _End(names[0], size, -1, START, fragment)


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4 * LONGEST_LINE))
        return file.read()


def _names(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if NAME.fullmatch(name)]


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Return the entry that a line is, None if it is none."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("index"), int) and "previous" in found else None


def _seal(key: bytes, entry: Mapping[str, Any]) -> str:
    return _keyed(key, "seal", canonical(entry))


def _keyed(key: bytes, purpose: str, value: bytes) -> str:
    return hmac.new(key, purpose.encode() + b"\0" + value, sha256).hexdigest()


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- Verification -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verified:
    """What a trail is found to be.

    Attributes
    ----------
    lines
        How many there are.
    head
        SHA-256 of the last one: note it elsewhere.
    faults
        What does not hold, each with its file and line; none in a trail that is intact.
    remarks
        What is to know and no fault: torn lines, a clock that was set back, deleted older files.
    """

    lines: int
    head: str
    faults: tuple[str, ...]
    remarks: tuple[str, ...]


def verify(folder: Path, key: bytes, head: str | None = None) -> Verified:
    """Check a trail from its oldest file to its newest.

    Parameters
    ----------
    folder
        Where its files are.
    key
        Audit key of the deployment.
    head
        A head noted earlier: that line must still be there.

    Raises
    ------
    FileNotFoundError
        If there is no trail.
    """
    check = _Check(key)
    for name in sorted(_names(folder)):
        check.file(folder / name)
    if check.lines == 0 and not check.torn:
        raise FileNotFoundError(f"there is no audit trail in {folder}")
    if check.torn:
        where, fragment = check.torn
        check.remarks.append(f"{where} is torn after {len(fragment)} bytes: the process was killed, or the end cut off")
    if head not in (None, START) and head not in check.heads:
        check.faults.append(f"the line {str(head)[:16]}… noted earlier is not there: the end was cut off or rewritten")
    return Verified(check.lines, check.previous, tuple(check.faults), tuple(check.remarks))


class _Check:
    """A verification under way."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.lines = 0
        self.index, self.previous, self.at = -1, START, ""
        self.torn: tuple[str, bytes] | None = None
        self.heads: set[str] = set()
        self.faults: list[str] = []
        self.remarks: list[str] = []

    def file(self, path: Path) -> None:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                where = f"{path.name}, line {number}"
                entry = _parsed(line)
                if entry is None:
                    place, fragment = self.torn or (where, b"")
                    self.torn = (place, fragment + line)
                else:
                    self.line(where, line.removesuffix(b"\n"), entry)

    def line(self, where: str, line: bytes, entry: dict[str, Any]) -> None:
        self.explain(where, entry)
        sealed = {name: value for name, value in entry.items() if name != "seal"}
        if line != canonical(entry) or not hmac.compare_digest(str(entry.get("seal")), _seal(self.key, sealed)):
            self.faults.append(f"{where} was altered, or written with another key")
        elif self.lines == 0 and entry["index"] > 0:
            self.remarks.append(f"begins with line {entry['index']:,}: what is older was deleted and cannot be checked")
        elif entry["previous"] != self.previous or entry["index"] != self.index + 1:
            self.faults.append(f"{where} does not follow what stands before it: lines were removed, added or moved")
        if str(entry.get("at")) < self.at:
            self.remarks.append(f"{where} is earlier than the line before it: the clock was set back")
        self.lines += 1
        self.index, self.previous, self.at = entry["index"], digest(line), str(entry.get("at"))
        self.heads.add(self.previous)

    def explain(self, where: str, entry: dict[str, Any]) -> None:
        """Compare what is torn with what the line after it says of that."""
        about = entry.get(TORN)
        if self.torn is None:
            if about is not None:
                self.faults.append(f"{where} tells of a torn line that is not there")
            return
        place, fragment = self.torn[0], self.torn[1].removesuffix(b"\n")
        if about == {"bytes": len(fragment), "digest": digest(fragment)}:
            self.remarks.append(f"{place} is torn after {len(fragment)} bytes: the process was killed")
        else:
            self.faults.append(f"{place} is none of this service")
        self.torn = None

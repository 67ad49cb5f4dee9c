"""What clinicians did with cards: an append-only file without health data, for data scientists to read.

Of each entry is kept: the practice whose software told it, the service, the card, whether it was followed or set aside,
for which of our reasons, when, and when we were told. What one practice tells changes nothing that another
told. Comments are free text and are not kept; nor is anything of the patient or the user.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, PlainValidator

from serving.cds_hooks.asking import Tolerant, as_uuid
from serving.cds_hooks.cards import ALL_REASONS
from serving.contract import Moment, now

FILE: Final = "cds-hooks-feedback.jsonl"
MOST: Final = 200
OTHER: Final = "other"
UNSTATED: Final = "unstated"

Uuid = Annotated[UUID, PlainValidator(as_uuid), Field(json_schema_extra={"type": "string", "format": "uuid"})]


def _ours(code: str | None) -> str:
    """Return a code of ours; what anybody else wrote there is not kept."""
    return UNSTATED if code is None else code if code in ALL_REASONS else OTHER


class Coding(Tolerant):
    """The reason that was chosen."""

    code: Annotated[str | None, AfterValidator(_ours), Field(validate_default=True)] = None


class OverrideReason(Tolerant):
    """Why a card was set aside. A comment may be sent, and is not kept."""

    reason: Coding = Coding()


class Entry(Tolerant):
    """What was done with one card."""

    card: Uuid
    outcome: Literal["accepted", "overridden"]
    overrideReason: OverrideReason | None = None  # noqa: N815
    outcomeTimestamp: Moment  # noqa: N815


class Feedback(Tolerant):
    """What was done with some cards; the same card may come again, and the latest counts."""

    feedback: Annotated[list[Entry], Field(min_length=0, max_length=MOST)]


def keep(feedback: Feedback, service: str, practice: str | None, folder: Path) -> None:
    """Add a practice's feedback to the file in a folder, made if need be; it is on the disk when this returns."""
    told_at = _text(now())
    lines = [
        json.dumps(
            {
                "told_at": told_at,
                "practice": practice,
                "service": service,
                "card": str(entry.card),
                "outcome": entry.outcome,
                "reason": _reason(entry),
                "at": _text(entry.outcomeTimestamp),
            }
        )
        for entry in feedback.feedback
    ]
    if not lines:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("".join(f"{line}\n" for line in lines).encode())
        file.flush()
        os.fsync(file.fileno())


def _reason(entry: Entry) -> str | None:
    if entry.outcome == "accepted":
        return None
    return (entry.overrideReason or OverrideReason()).reason.code or UNSTATED


def _text(moment: datetime) -> str:
    return moment.replace(tzinfo=UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def kept(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what was kept, the latest that each practice told of each card, in the order of their first telling.

    Raises
    ------
    FileNotFoundError
        If nothing was kept there.
    """
    found: dict[tuple[str | None, str, str], dict[str, Any]] = {}
    with (folder / FILE).open(encoding="utf-8") as file:
        for line in file:
            entry = json.loads(line)
            found[entry.get("practice"), entry["service"], entry["card"]] = entry
    yield from found.values()


def tally(entries: Iterable[dict[str, Any]]) -> dict[str, Counter[str]]:
    """Return, by service, how many cards were followed, and set aside for each reason."""
    counts: dict[str, Counter[str]] = {}
    for entry in entries:
        what = entry["outcome"] if entry["reason"] is None else f"{entry['outcome']}: {entry['reason']}"
        counts.setdefault(entry["service"], Counter())[what] += 1
    return counts

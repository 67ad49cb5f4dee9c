"""The guard at the wall: lets in who may ask, as much as they may, and has kept what became of it.

In production only clients that are registered are let in, and nothing is answered that is not recorded. In development
anybody is let in, without count; every answer says so.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from starlette.types import Scope

from serving import outcome
from serving.access.clients import Client
from serving.access.gatekeeper import Claim, Gatekeeper
from serving.access.limits import Bucket, Limits
from serving.audit_trail import AuditTrail
from serving.hardening import Door
from serving.metrics import Metrics

LOG: Final = logging.getLogger("bentoml.vigie")
DEVELOPMENT: Final = (b"vigie-mode", b"development")
#: Seconds after which what was recorded is on the disk.
SYNC_AFTER: Final = 1.0
#: Refusals of strangers, and of who asks too much, that are recorded in a minute; the others are counted.
REFUSALS_A_MINUTE: Final = 60


class Guard:
    """Who may ask how much, and what is kept of it.

    Parameters
    ----------
    gatekeeper
        Says who asks; None in development, where nobody is asked who they are.
    trail
        Where it is kept; None where it is not.
    served
        Returns the studies that are served, that which is asked where none is named before the others.
    limits
        How much.
    """

    def __init__(
        self,
        gatekeeper: Gatekeeper | None = None,
        trail: AuditTrail | None = None,
        served: Callable[[], Sequence[str]] = tuple,
        limits: Limits | None = None,
    ) -> None:
        self.gatekeeper = gatekeeper
        self.served = served
        self.limits = limits or Limits()
        self.trail = trail
        self.headers = () if gatekeeper else (DEVELOPMENT,)
        self.metrics = Metrics()
        self._ration = Bucket(REFUSALS_A_MINUTE, 60.0)
        self._left_out = 0
        self._is_syncing = False

    @property
    def is_development(self) -> bool:
        """Whether anybody may ask."""
        return self.gatekeeper is None

    def visit(self, door: Door) -> Visit:
        """Return a new visit at a door."""
        return Visit(self, door, outcome.expected())

    def write(self, trail: AuditTrail, facts: Mapping[str, Any], is_rationed: bool) -> None:
        """Add a line to the trail; raise OSError if it cannot be written."""
        if is_rationed:  # a flood of what is refused must not fill the disk
            if self._ration.wait():
                self._left_out += 1
                return
            self._ration.take()
            facts = {**facts, "left_out": self._left_out} if self._left_out else facts
            self._left_out = 0
        trail.append(facts)
        if not self._is_syncing:
            self._is_syncing = True
            loop = asyncio.get_running_loop()
            loop.call_later(SYNC_AFTER, partial(loop.run_in_executor, None, self._sync, trail))

    def _sync(self, trail: AuditTrail) -> None:
        self._is_syncing = False
        try:
            trail.sync()
        except OSError as error:
            LOG.error("the audit trail may not be on the disk: %s", type(error).__name__)


@dataclass
class Visit:
    """One request."""

    guard: Guard
    door: Door
    outcome: outcome.Outcome
    request: str | None = None
    began: float = field(default_factory=time.perf_counter)
    client: Client | None = None
    claim: Claim | None = None
    is_inside: bool = False

    async def enter(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """Let in who may ask this, and raise `Stopped` for others."""
        if self._is_open:
            return
        limits, gatekeeper = self.guard.limits, self.guard.gatekeeper
        limits.enter()
        self.is_inside = True
        if gatekeeper is not None and self.door.needs is not None:
            claim = await gatekeeper.claim(self.door, scope["path"], headers)
            limits.enter_as(claim.client)
            self.client, self.claim = claim.client, claim
            gatekeeper.permit(claim, self.door, headers, self._study(scope["path"], claim))

    @property
    def _is_open(self) -> bool:
        """Whether it lives, and what anybody may read: neither counted nor kept."""
        return self.door.needs is None and self.door.judge is None

    def asks_about(self, study: str | None) -> None:
        """Raise `Stopped` (403) for who may not ask about a study, the first that is served where None."""
        if self.guard.gatekeeper is not None and self.claim is not None:
            self.guard.gatekeeper.permit_study(self.claim, self.door, study or self._first())

    def _study(self, path: str, claim: Claim) -> str | None:
        """Return the study in an address; where the body says it (`asks_about`), one that who asks may ask about."""
        if self.door.about is not None:
            return next((each for each in self.guard.served() if f"score:{each}" in claim.scopes), self._first())
        named = re.fullmatch(self.door.paths, path)
        return (named and named.groupdict().get("study")) or self._first()

    def _first(self) -> str | None:
        return next(iter(self.guard.served()), None)

    def seen(self, body: bytes) -> None:
        """Take note of a body, by a keyed digest."""
        if self.guard.trail is not None:
            self.request = self.guard.trail.keyed("request", body)

    def record(self, status: int) -> None:
        """Keep what became of the request; raise OSError if it cannot be kept."""
        if self.guard.trail is None or self._is_open:
            return
        is_stranger = self.outcome.client is None and not self.guard.is_development
        facts = self._facts(self.guard.trail, status)
        self.guard.write(self.guard.trail, facts, is_rationed=is_stranger or status == 429)

    def _facts(self, trail: AuditTrail, status: int) -> dict[str, Any]:
        found = self.outcome
        return {
            "door": self.door.name,
            "client": found.client,
            "practice": found.practice,
            "user": found.user and trail.keyed("user", found.user.encode()),
            "status": status,
            "outcome": _kind(found, status),
            "refusal": found.refusal,
            "study": found.study,
            "model": found.model,
            "card": found.card,
            "decision": found.decision,
            "risks": found.risks,
            "abstentions": found.abstentions,
            "request": self.request,
            "milliseconds": round((time.perf_counter() - self.began) * 1000, 1),
        }

    def leave(self, status: int | None) -> None:
        """End the visit, and count it."""
        kind = "unanswered" if status is None else _kind(self.outcome, status)
        self.guard.metrics.count(self.door.name, kind, time.perf_counter() - self.began)
        if self.is_inside:
            self.guard.limits.leave()
        if self.client is not None:
            self.guard.limits.leave_as(self.client)


def _kind(found: outcome.Outcome, status: int) -> str:
    """Return what became of a request in a word."""
    if status >= 400:
        return "refused"
    return "answered" if found.risks else "abstained" if found.abstentions else "done"

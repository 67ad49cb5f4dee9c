"""What a long run says while it works: numbered steps, how far each is, and how long is left."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO


class Step:
    """One step of a run, shown on entering, while it goes on (at most every two seconds) and on leaving."""

    EVERY = 2.0  # seconds

    def __init__(self, number: int, steps: int, title: str, stream: TextIO) -> None:
        self._head = f"[{number}/{steps}] {title}"
        self._stream = stream
        self._note = ""
        self._done = self._total = self._before = 0

    def __enter__(self) -> Self:
        self._began = self._shown = self._counting = time.monotonic()
        print(self._head, "…", file=self._stream, flush=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            took = time.monotonic() - self._began
            print(f"      {self._note or 'done'} ({took:.1f} s)", file=self._stream, flush=True)

    def note(self, text: str) -> None:
        """Say what the step came to; shown when it ends."""
        self._note = text

    def say(self, text: str) -> None:
        """Say something now."""
        print(f"      {text}", file=self._stream, flush=True)

    def progress(self, done: int, total: int, what: str = "") -> None:
        """Show how far the step is and how long is left."""
        now = time.monotonic()
        if total != self._total or done < self._done:  # something else is being counted
            self._counting, self._before = (now, done) if self._total else (self._began, 0)
        self._done, self._total = done, total
        if now - self._shown < self.EVERY or not self._before < done < total:
            return
        self._shown = now
        left = (now - self._counting) / (done - self._before) * (total - done)
        print(f"      {done:,}/{total:,} {what} — about {left:.0f} s left", file=self._stream, flush=True)

    def named_progress(self, what: str, done: int, total: int) -> None:
        """Do what `progress` does, for callers that name what is being done first."""
        self.progress(done, total, what)


class Steps:
    """The steps of a run; calling it begins the next."""

    def __init__(self, steps: int, stream: TextIO = sys.stderr) -> None:
        self._steps, self._number, self._stream = steps, 0, stream

    def __call__(self, title: str) -> Step:
        """Return the next step, to be used in a ``with`` statement."""
        self._number += 1
        return Step(self._number, self._steps, title, self._stream)

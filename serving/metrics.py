"""Counts for Prometheus: how many requests at which door came to what, and how long they took. No health data.

Labels are names of doors and words of ours: nothing of a request, not even its address, is among them.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from threading import Lock
from typing import Final

#: Upper bounds of latency, in seconds.
BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MEDIA: Final = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """What was counted since the service started."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests: dict[tuple[str, str], int] = defaultdict(int)
        self._took: dict[str, list[int]] = defaultdict(lambda: [0] * (len(BOUNDS) + 1))
        self._seconds: dict[str, float] = defaultdict(float)

    def count(self, door: str, outcome: str, seconds: float) -> None:
        """Count a request: at which door, what became of it, in how many seconds."""
        with self._lock:
            self._requests[door, outcome] += 1
            self._took[door][bisect_left(BOUNDS, seconds)] += 1
            self._seconds[door] += seconds

    def text(
        self, served: Mapping[str, bool], withheld: Iterable[str], compared: Mapping[str, Mapping[str, int]]
    ) -> str:
        """Return everything in Prometheus' text format.

        Parameters
        ----------
        served
            By study, whether some model of it may be used now.
        withheld
            Codes of the refusals of bundles that should be served and are not.
        compared
            By study, counts of comparisons with a candidate.
        """
        refusals: dict[str, int] = defaultdict(int)
        for code in withheld:
            refusals[code] += 1
        with self._lock:
            lines = [
                *_metric(
                    "vigie_requests_total",
                    "counter",
                    "Requests, by door and by what became of them.",
                    (({"door": door, "outcome": outcome}, n) for (door, outcome), n in sorted(self._requests.items())),
                ),
                *self._latency(),
            ]
        return "\n".join(
            [
                *lines,
                *_metric(
                    "vigie_model_ready",
                    "gauge",
                    "1 where a model of the study may be used now.",
                    (({"study": study}, int(ready)) for study, ready in served.items()),
                ),
                *_metric(
                    "vigie_bundles_withheld",
                    "gauge",
                    "Bundles that may not be used now, by the rule that refuses them.",
                    (({"code": code}, n) for code, n in sorted(refusals.items())),
                ),
                *_metric(
                    "vigie_shadow_comparisons_total",
                    "counter",
                    "Comparisons of candidates with the approved model, by what they came to.",
                    (
                        ({"study": study, "what": what}, n)
                        for study, counts in compared.items()
                        for what, n in sorted(counts.items())
                    ),
                ),
                "",
            ]
        )

    def _latency(self) -> Iterator[str]:
        name = "vigie_request_seconds"
        yield from _head(name, "histogram", "Seconds from a request to its answer, by door.")
        for door, counts in sorted(self._took.items()):
            bounds = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
            for bound, n in zip(bounds, itertools.accumulate(counts), strict=True):
                yield _line(f"{name}_bucket", {"door": door, "le": bound}, n)
            yield _line(f"{name}_sum", {"door": door}, round(self._seconds[door], 6))
            yield _line(f"{name}_count", {"door": door}, sum(counts))


def _metric(name: str, kind: str, about: str, values: Iterable[tuple[Mapping[str, str], float]]) -> Iterator[str]:
    yield from _head(name, kind, about)
    yield from (_line(name, labels, value) for labels, value in values)


def _head(name: str, kind: str, about: str) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{told}}} {value:g}" if isinstance(value, float) else f"{name}{{{told}}} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

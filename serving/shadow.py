"""A candidate beside the approved model: asked the same, its answers shown to nobody, only differences counted.

It is asked after the answer went out, by a thread of its own, and what it has no time for is left out and counted: the
approved model waits for nobody. What is kept is how many answers differed by how much, a hundred at a time, so that a
line says nothing of one patient.
"""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock, Semaphore
from typing import Final

from features.codes import Concept
from serving.comparison import category
from serving.contract import Abstention, Category, Risk
from serving.gate import Admitted, candidate
from serving.reading import Reading
from serving.scoring import Frames, probabilities
from serving.trial import tried

LOG: Final = logging.getLogger("bentoml.vigie")
FILE: Final = "shadow.jsonl"
#: Comparisons that a line of the file is about.
A_LINE: Final = 100
#: Comparisons that may wait.
MOST_WAITING: Final = 16
#: Upper bounds of absolute differences between two probabilities.
BOUNDS: Final = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 1.0)


class Shadow:
    """A candidate of a study.

    Parameters
    ----------
    admitted
        The candidate, as `serving.gate.candidate` returned it.
    folder
        Where counts are kept, None where they are not.
    """

    def __init__(self, admitted: Admitted, folder: Path | None = None) -> None:
        self.admitted = admitted
        self.study = admitted.artefact.study
        self.counts: Counter[str] = Counter()
        self._line: Counter[str] = Counter()
        self._folder = folder
        self._room = Semaphore(MOST_WAITING)
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="shadow")

    @classmethod
    def open(cls, bundle: Path, folder: Path | None = None) -> Shadow:
        """Return the candidate of a bundle; raise `serving.refusals.Refused` if it cannot be trusted to be one."""
        return cls(candidate(bundle, tried), folder)

    def compare(self, answer: Risk | Abstention, reading: Callable[[Sequence[Concept]], Reading]) -> None:
        """Have the candidate asked what was answered, later, and count how its answer differs.

        Parameters
        ----------
        answer
            Of the approved model.
        reading
            Reads what was asked by other definitions: the candidate may look at more than the approved model does.
        """
        if not self._room.acquire(blocking=False):
            self._count("left_out")
            return
        self._thread.submit(self._compared, answer, reading)

    def _compared(self, answer: Risk | Abstention, reading: Callable[[Sequence[Concept]], Reading]) -> None:
        try:
            self._count(*self._differences(answer, reading(self.admitted.concepts)))
        except Exception as error:  # whatever a candidate does wrong is its own affair
            LOG.error("a candidate could not answer: %s", type(error).__name__)
            self._count("failed")
        finally:
            self._room.release()

    def _differences(self, answer: Risk | Abstention, reading: Reading) -> list[str]:
        """Return what is counted of one comparison."""
        frames = Frames.of_patients(self.admitted, [(reading.history, reading.as_of)])
        given = float(probabilities(self.admitted, frames)[0])
        if math.isnan(given) or isinstance(answer, Abstention):
            both = math.isnan(given) and isinstance(answer, Abstention)
            return ["compared", "both_abstained" if both else "one_abstained"]
        age = frames.features["age"].iloc[0] if "age" in frames.features else None
        other: Category | None = category(given, age, self.admitted.artefact.scale)
        found = ["compared", f"within_{next(bound for bound in BOUNDS if abs(given - answer.risk) <= bound):g}"]
        if other is not None and answer.category is not None and other.code != answer.category.code:
            found.append("other_category")
        return found

    def _count(self, *what: str) -> None:
        with self._lock:
            self.counts.update(what)
            self._line.update(what)
            if self._line["compared"] >= A_LINE and self._folder is not None:
                self._write(self._folder)

    def _write(self, folder: Path) -> None:
        """Add a line of counts to the file, and begin anew."""
        told = {
            "at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "study": self.study,
            "candidate": self.admitted.card_digest,
            **dict(sorted(self._line.items())),
        }
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")
        self._line.clear()

    def close(self) -> None:
        """Wait until what is being compared is."""
        self._thread.shutdown()

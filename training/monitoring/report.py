"""What one run found: the root of the tree that is written beside the page."""

from __future__ import annotations

from dataclasses import dataclass

from training.measures import Estimate
from training.monitoring.findings import Finding, Level, worst
from training.tree import JsonTree


@dataclass(frozen=True)
class Calibration:
    """Whether risks came true, for people whose outcomes are known by now.

    Parameters
    ----------
    horizon
        Years after which one looks.
    landmark
        Day at which these people were scored.
    estimates
        Observed and mean predicted risk and their ratio, with intervals over practices; empty where nobody has been
        followed so long.
    """

    horizon: float
    landmark: str
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True)
class Use:
    """How the model was used.

    Parameters
    ----------
    cards, overridden
        Cards that clinicians told us about, and those they set aside; None where fewer than 11.
    reasons
        Why, where 11 or more did.
    requests
        Requests to the service by what became of them, None where fewer than 11; empty without an audit trail.
    slowest
        Milliseconds that 99 % of requests did not exceed; None where there are fewer than 1,000.
    """

    cards: int | None = None
    overridden: int | None = None
    reasons: dict[str, int | None] | None = None
    requests: dict[str, int | None] | None = None
    slowest: float | None = None


@dataclass(frozen=True)
class Report(JsonTree):
    """What one run found.

    Parameters
    ----------
    study, model, card
        Name of the study, SHA-256 of the model and of its card.
    start, end
        The window, ISO dates: after the first, up to the second.
    landmarks
        Days at which people were looked at, ISO dates.
    people, practices
        Who was eligible, each counted once; None where fewer than 11.
    findings
        Every comparison.
    calibration
        Whether risks came true.
    use
        How the model was used.
    demonstration
        Whether a demonstration approved the model, and no committee.
    """

    study: str
    model: str
    card: str
    start: str
    end: str
    landmarks: tuple[str, ...]
    people: int | None
    practices: int
    findings: tuple[Finding, ...]
    calibration: tuple[Calibration, ...]
    use: Use
    demonstration: bool = False

    @property
    def level(self) -> Level:
        """The highest level of any finding."""
        return worst(self.findings)

    def raised(self, level: Level) -> list[Finding]:
        """Return the findings of a level, the largest for their kind first."""
        return [each for each in self.findings if each.level == level]

"""How a probability is put into words: what it is called, and the category it falls in."""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from training.published.categories import LABELS, esc_2021
from training.values import Bilingual

RISK: Final = Bilingual(fr="le risque", en="the risk")
PROBABILITY: Final = Bilingual(fr="la probabilité", en="the probability")


@dataclass(frozen=True)
class Level:
    """One category of a scale: its code, and what a reader sees."""

    code: str
    label: Bilingual


class Scale(Protocol):
    """How a probability is put into words.

    Attributes
    ----------
    name
        What a reader sees of the scale itself.
    quantity
        What the probability is called in a sentence, with its article.
    """

    @property
    def name(self) -> str:
        """The name."""

    @property
    def quantity(self) -> Bilingual:
        """The quantity."""

    def level(self, probability: float, age: float | None) -> Level | None:
        """Return the category of a probability from 0 to 1, at an age in years; None where the scale has none."""

    def to_dict(self) -> dict[str, Any]:
        """Return the scale as JSON types."""


_ESC_LEVELS: Final = {code: Level(code, Bilingual(**label)) for code, label in LABELS.items()}


@dataclass(frozen=True)
class Esc2021:
    """Categories of the ESC 2021 guideline, of ten-year risks: their bounds depend on age."""

    name: str = "ESC 2021"
    quantity: Bilingual = field(default=RISK)

    def level(self, probability: float, age: float | None) -> Level | None:
        """Return the category; see `training.published.categories.esc_2021`. None where the age is not known."""
        if age is None:
            return None
        return _ESC_LEVELS[esc_2021(probability, age)]

    def to_dict(self) -> dict[str, Any]:
        """Return the scale as JSON types."""
        return {"kind": "esc_2021"}


@dataclass(frozen=True)
class Bands:
    """Categories between fixed bounds, the same for everybody.

    Parameters
    ----------
    bounds
        Probabilities at which one category ends and the next begins, increasing; a bound is in the one above.
    levels
        One more than there are bounds, from the lowest.
    quantity
        What the probability is called in a sentence.

    Raises
    ------
    ValueError
        If bounds are not increasing probabilities, or levels are not one more.
    """

    bounds: tuple[float, ...]
    levels: tuple[Level, ...]
    quantity: Bilingual = field(default=PROBABILITY)

    def __post_init__(self) -> None:
        faults = []
        if list(self.bounds) != sorted(set(self.bounds)) or not all(0 < bound < 1 for bound in self.bounds):
            faults.append(f"bounds {list(self.bounds)} are not increasing probabilities")
        if len(self.levels) != len(self.bounds) + 1:
            faults.append(f"{len(self.bounds)} bounds make {len(self.bounds) + 1} levels, not {len(self.levels)}")
        if faults:
            raise ValueError(f"{self.name}: {'; '.join(faults)}")

    @property
    def name(self) -> str:
        """What a reader sees of the scale itself: whose it is, and its bounds in percent."""
        return f"Vigie {'-'.join(f'{100 * bound:g}' for bound in self.bounds)}"

    def level(self, probability: float, age: float | None) -> Level | None:
        """Return the category, whatever the age."""
        return self.levels[bisect.bisect_right(self.bounds, probability)]

    def to_dict(self) -> dict[str, Any]:
        """Return the scale as JSON types."""
        return {
            "kind": "bands",
            "bounds": list(self.bounds),
            "levels": [{"code": level.code, **level.label.model_dump()} for level in self.levels],
            "quantity": self.quantity.model_dump(),
        }


ESC_2021: Final = Esc2021()


def scale_from_dict(described: Mapping[str, Any]) -> Scale:
    """Return the scale that ``to_dict`` described; raise ValueError if there is none of the kind."""
    match described:
        case {"kind": "esc_2021"}:
            return ESC_2021
        case {"kind": "bands", "bounds": bounds, "levels": levels, "quantity": quantity}:
            return Bands(
                tuple(bounds),
                tuple(Level(each["code"], Bilingual(fr=each["fr"], en=each["en"])) for each in levels),
                Bilingual(**quantity),
            )
    raise ValueError(f"there is no scale of the kind {described.get('kind')!r}")

"""Records under way, column by column, and the table they become."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.synthetic.assumptions import Floats
from features.synthetic.calendar import LAST_DAY
from features.synthetic.people import People
from features.synthetic.visits import Rows

Codes = tuple[tuple[str, float], ...]


@dataclass(eq=False)
class Pages:
    """Records under way; times in days since 1970."""

    codes: list[str] = field(default_factory=list)
    units: list[str | None] = field(default_factory=lambda: [None])
    parts: list[tuple[npt.NDArray[np.generic], ...]] = field(default_factory=list)

    def add(
        self,
        person: Rows,
        happened: Floats,
        code: str,
        *,
        known: Floats | None = None,
        value: Floats | None = None,
        unit: str | None = None,
        final: bool = False,
    ) -> None:
        """Add a record of one code for each element of ``person``; ``final`` ones end the person's presence."""
        if code not in self.codes:
            self.codes.append(code)
        if unit not in self.units:
            self.units.append(unit)
        n = len(person)
        self.parts.append(
            (
                person,
                happened,
                happened if known is None else known,
                np.full(n, self.codes.index(code), dtype=np.int32),
                np.full(n, np.nan) if value is None else value,
                np.full(n, self.units.index(unit), dtype=np.int32),
                np.full(n, final),
            )
        )

    def add_one_of(
        self, rng: np.random.Generator, person: Rows, happened: Floats, codes: Codes, known: Floats | None = None
    ) -> None:
        """Add a record whose code is drawn from codes with their shares."""
        drawn = rng.choice(len(codes), size=len(person), p=[share for _, share in codes])
        for position, (code, _) in enumerate(codes):
            rows = drawn == position
            self.add(person[rows], happened[rows], code, known=None if known is None else known[rows])

    def table(
        self,
        names: pa.Array,
        practices: pa.Array,
        people: People,
        gone: Floats,
    ) -> pa.Table:
        """Return the records as a table with the columns of `features.intake.SCHEMA`, retractions apart.

        Nothing is known before registration; what would happen after the end of presence, or be known after delivery,
        is left out. What becomes known after a move is known to the second practice, from registration there on; what
        a practice would itself have done between the two is not done, and nothing that happens from the move on is
        known of those who die or leave before they register again.

        Parameters
        ----------
        names, practices
            Identifiers of people and of practices.
        people, gone
            The people, and when each died or left.
        """
        person, happened, known, code, value, unit, final = (
            np.concatenate(column) for column in zip(*self.parts, strict=True)
        )
        own = known == happened
        known = np.maximum(known, people.registered[person])
        moved, arrived = people.moves.moment[person], people.moves.arrived[person]
        settles = arrived <= gone[person]
        practice = np.where(settles, people.practice_at(person, known), people.practice[person])
        known = np.where(settles & (known > moved), np.maximum(known, arrived), known)
        lost = (happened > moved) & (~settles | own & (happened < arrived))
        # Whole minutes; rounding down keeps the order of the two dates.
        happened, known, end = (np.floor(days * 1440) for days in (happened, known, np.minimum(gone, LAST_DAY + 1)))
        kept = ((happened < end[person]) | final) & ~lost & (known < round(LAST_DAY * 1440))
        person, code, unit = (column[kept].astype(np.int32) for column in (person, code, unit))

        def dictionary(indices: npt.NDArray[np.int32], values: pa.Array) -> pa.DictionaryArray:
            return pa.DictionaryArray.from_arrays(pa.array(indices), values)

        def moments(minutes: Floats) -> pa.Array:
            return pa.array(minutes[kept].astype(np.int64) * 60_000_000, pa.timestamp("us"))

        no_unit = unit == 0
        return pa.table(
            {
                "patient": dictionary(person, names),
                "practice": dictionary(practice[kept].astype(np.int32), practices),
                "happened_at": moments(happened),
                "known_at": moments(known),
                "code": dictionary(code, pa.array(self.codes)),
                "value": pa.array(value[kept], pa.float64(), from_pandas=True),
                "unit": pa.DictionaryArray.from_arrays(
                    pa.array(np.where(no_unit, 0, unit - 1).astype(np.int32), mask=no_unit), pa.array(self.units[1:])
                ),
            }
        )
